/* offers.c - what plugins may call here: one small server in the runtime directory, one route for each method of each
 * offered service, below /services/CONTRACT/TYPE.
 *
 * A plugin proves who it is with its own token, and says its instance's name in PlugKit-Caller; handlers find that name
 * in ctx->caller. */
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/random.h"
#include "../../rpc/service.h"
#include "../life/securing.h"
#include "manager.h"

#ifndef PLUGKIT_NO_NET

typedef struct pk__offer {
    const pk_service *service;
    const pk_method *method;
} pk__offer;

/* Is that the token of the instance that the caller says it is? */
static bool pk__offers_on_token(void *user, pk_str token, pk_str caller)
{
    pk__registry *r = (pk__registry *)user;
    pk__registry_lock(r);
    const pk__instance *i = pk__registry_instance(r, caller);
    bool ours = i && i->token && pk__token_equal(token, pk_str_from(i->token));
    pk__registry_unlock(r);
    return ours;
}

static pk_err pk__offers_serve(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    const pk__offer *offer = (const pk__offer *)user;
    return pk__service_serve(offer->service, offer->method, request, response, err);
}

static pk_err pk__offers_add(pk__offers *o, pk_manager *m, const pk_service *s, pk_error *err)
{
    pk__control_service *told = &o->host.services.items[o->host.services.count++];
    told->contract = pk_str_from(s->contract->name);
    told->type = pk_str_from(s->type);
    told->version = pk_str_from(s->contract->version);
    told->path = pk_mem_printf(&m->mem, "/services/%s/%s", s->contract->name, s->type);
    for (size_t i = 0; told->path.ptr && i < s->contract->count; i++) {
        pk_route route;
        pk_str verb, path;
        pk__offer *offer = &o->items[o->count++];
        offer->service = s;
        offer->method = &s->contract->methods[i];
        memset(&route, 0, sizeof(route));
        (void)pk__service_split(offer->method->http, &verb, &path); // checked before
        route.match = pk_mem_printf(&m->mem, "%" PK_FMT " %s%" PK_FMT, PK_ARG(verb), told->path.ptr, PK_ARG(path)).ptr;
        route.flags = offer->method->flags & PK_UPLOAD;
        route.run = pk__offers_serve;
        route.user = offer;
        if (!route.match) {
            return pk__error_memory(err, "offer services to plugins");
        }
        pk_err rc = pk_server_add(o->server, &route, err);
        if (rc) {
            return rc;
        }
    }
    return told->path.ptr ? PK_OK : pk__error_memory(err, "offer services to plugins");
}

PK__FN pk_err pk__offers_open(pk__offers *o, pk_manager *m, pk_error *err)
{
    pk_server_desc desc;
    size_t methods = 0;
    memset(&desc, 0, sizeof(desc));
    if (m->desc.offer_count == 0) {
        return PK_OK;
    }
    pk_err rc = pk__service_check(m->desc.offers, m->desc.offer_count, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < m->desc.offer_count; i++) {
        methods += m->desc.offers[i].contract->count;
    }
    o->items = (pk__offer *)pk_mem_zero(&m->mem, (methods + 1) * sizeof(*o->items));
    o->host.services.items =
        (pk__control_service *)pk_mem_zero(&m->mem, m->desc.offer_count * sizeof(*o->host.services.items));
    desc.tls = pk__securing_tls(&m->life);
    o->host.address = pk_mem_printf(&m->mem, "http%s+unix://%s/host.sock", desc.tls ? "s" : "", m->runtime_dir);
    if (!o->items || !o->host.services.items || !o->host.address.ptr) {
        return pk__error_memory(err, "offer services to plugins");
    }
    desc.alloc = &m->alloc;
    desc.loop = m->loop;
    desc.listen = o->host.address.ptr;
    desc.on_token = pk__offers_on_token;
    desc.user = &m->registry;
    rc = pk_server_create(&o->server, &desc, err);
    for (size_t i = 0; !rc && i < m->desc.offer_count; i++) {
        rc = pk__offers_add(o, m, &m->desc.offers[i], err);
    }
    return rc;
}

PK__FN void pk__offers_drain(pk__offers *o)
{
    if (o->server) {
        pk_server_drain(o->server);
    }
}

PK__FN void pk__offers_close(pk__offers *o)
{
    pk_server_destroy(o->server);
    o->server = NULL;
}

#else

PK__FN pk_err pk__offers_open(pk__offers *o, pk_manager *m, pk_error *err)
{
    (void)o;
    return m->desc.offer_count
               ? pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot offer services: this build has no sockets")
               : PK_OK;
}

PK__FN void pk__offers_drain(pk__offers *o)
{
    (void)o;
}

PK__FN void pk__offers_close(pk__offers *o)
{
    (void)o;
}

#endif
