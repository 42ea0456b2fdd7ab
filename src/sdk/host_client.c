/* host_client.c - how a plugin calls its host. */
#include "host_client.h"
#ifndef PLUGKIT_NO_NET

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../rpc/service.h"
#include "../wire/semver.h"

static bool pk__host_client_serves(pk_str have, const char *need)
{
    pk__semver provider, needed;
    return !need || !need[0] || (pk__semver_parse(have, &provider) && pk__semver_parse(pk_str_from(need), &needed) &&
                                 pk__semver_serves(&provider, &needed));
}

/* The service that fits; NULL with an error. `type` "" is any. */
static const pk__control_service *pk__host_client_find(const pk__host_client *c, const char *contract, pk_str type,
                                                       const char *version, pk_error *err)
{
    const pk__control_service *wrong = NULL;
    if (c->error.code) {
        (void)pk__error_copy(err, &c->error);
        return NULL;
    }
    for (size_t i = 0; i < c->settings->host.services.count; i++) {
        const pk__control_service *s = &c->settings->host.services.items[i];
        if (!contract || !pk_str_is(s->contract, contract) || (type.len && !pk_str_eq(s->type, type))) {
            continue;
        }
        if (pk__host_client_serves(s->version, version)) {
            return s;
        }
        wrong = s;
    }
    pk_str name = type.len ? type : pk_str_from(contract ? contract : "");
    if (wrong) {
        (void)pk_error_set(err, PK_ERR_BAD_CONTRACT, "no plugin found: host offers '%" PK_FMT "' %" PK_FMT
                           ", which does not serve %s", PK_ARG(name), PK_ARG(wrong->version), version);
    } else {
        (void)pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found: host offers no '%" PK_FMT "'",
                           PK_ARG(name));
    }
    return NULL;
}

/* "/services/audit/log" + "/write", in memory that goes back with the target. A method without a known path is
 * POSTed to one of its name. */
static pk_err pk__host_client_address(const pk__host_client *c, const pk__control_service *s,
                                      const pk_call_desc *desc, pk__target *out, pk_error *err)
{
    pk_str tail, slash = PK_STR("");
    if (!pk__service_split(desc->http, &out->verb, &tail)) {
        out->verb = PK_STR("POST");
        slash = PK_STR("/");
        tail = pk_str_from(desc->method);
    }
    out->path.len = s->path.len + slash.len + tail.len;
    char *text = (char *)pk__resize(c->caller.alloc, NULL, 0, out->path.len + 1);
    if (!text) {
        return pk__error_memory(err, "call the host");
    }
    (void)snprintf(text, out->path.len + 1, "%" PK_FMT "%" PK_FMT "%" PK_FMT, PK_ARG(s->path), PK_ARG(slash),
                   PK_ARG(tail));
    out->path.ptr = text;
    out->instance = text;
    return PK_OK;
}

static pk_err pk__host_client_take(void *user, const pk_call_desc *desc, pk__waiter *w, pk__target *out,
                                   pk_error *err)
{
    pk__host_client *c = (pk__host_client *)user;
    (void)w; // it never has to wait
    memset(out, 0, sizeof(*out));
    const pk__control_service *s =
        pk__host_client_find(c, desc->contract, pk_str_from(desc->type), desc->version, err);
    if (!s) {
        return err->code;
    }
    out->dialect = &c->dialect;
    out->channel = c->channel;
    out->plugin = PK_STR("host");
    out->instance_name = out->plugin;
    out->type = s->type;
    return pk__host_client_address(c, s, desc, out, err);
}

static void pk__host_client_unqueue(void *user, pk__waiter *w)
{
    (void)user, (void)w;
}

static void pk__host_client_give_back(void *user, pk__target *target, const pk__usage *usage)
{
    pk__host_client *c = (pk__host_client *)user;
    (void)usage;
    pk__free(c->caller.alloc, target->instance, target->path.len + 1);
}

static pk_err pk__host_client_bind(void *user, pk_stub *stub, pk_error *err)
{
    pk__host_client *c = (pk__host_client *)user;
    pk_error own;
    err = err ? err : &own;
    return pk__host_client_find(c, stub->contract->name, stub->type, stub->contract->version, err) ? PK_OK : err->code;
}

PK__FN pk_err pk__host_client_init(pk__host_client *c, const pk__settings *settings, const pk_sdk_desc *desc,
                                   const pk_alloc *alloc, pk_loop *loop)
{
    const pk__router router = {pk__host_client_take, pk__host_client_unqueue, pk__host_client_give_back,
                               pk__host_client_bind, c};
    memset(c, 0, sizeof(*c));
    c->settings = settings;
    pk_err rc = pk__caller_init(&c->caller, alloc, loop, &router, desc->interceptors, desc->interceptor_count,
                                &c->error);
    if (rc && pk__caller_init(&c->caller, alloc, loop, &router, NULL, 0, NULL)) {
        return rc; // cannot be: there is nothing to allocate
    }
    c->made = true;
    c->caller.name = settings->instance.ptr;
    c->env.alloc = alloc;
    c->env.caller = settings->instance.ptr;
    c->env.spin_us = desc->spin_us;
    c->dialect = pk__http_channel_dialect(PK__CONTROL_PROTOCOL, &c->env, false);
    if (!rc && settings->host.address.len && settings->host.services.count) {
        pk_endpoint endpoint;
        memset(&endpoint, 0, sizeof(endpoint));
        endpoint.address = settings->host.address.ptr;
        endpoint.dialect = PK__CONTROL_PROTOCOL;
        endpoint.token = settings->token;
        endpoint.tls = pk__settings_secure(settings);
        rc = c->dialect.open(c->dialect.user, loop, &endpoint, &c->channel, &c->error);
    }
    return rc;
}

PK__FN void pk__host_client_interrupt(pk__host_client *c)
{
    if (c->channel) {
        c->dialect.interrupt(c->channel);
    }
}

PK__FN void pk__host_client_deinit(pk__host_client *c)
{
    if (c->made) {
        pk__caller_cancel_all(&c->caller);
        if (c->channel) {
            c->dialect.close(c->channel);
        }
        pk__caller_deinit(&c->caller);
        memset(c, 0, sizeof(*c));
    }
}
#endif
