/* select.c - service, plugin, instance. */
#include "select.h"

#include <string.h>

#include "../../base/error.h"
#include "../../wire/semver.h"
#include "../registry/names.h"

static pk_str pk__select_str(const char *text)
{
    return pk_str_from(text ? text : "");
}

/* The first plugin that could not be used: often it is the one that is missed. */
static const pk__plugin *pk__select_left_out(const pk__registry *r)
{
    for (const pk__node *n = r->plugins.next; n != &r->plugins; n = n->next) {
        const pk__plugin *p = PK__OF(n, pk__plugin, node);
        if (p->skipped || p->state == PK__PLUGIN_REJECTED) {
            return p;
        }
    }
    return NULL;
}

/* ---- what there is instead, for people who mistyped */

typedef enum pk__select_kind { PK__SELECT_PLUGINS, PK__SELECT_CONTRACTS, PK__SELECT_TYPES } pk__select_kind;

/* Names of one kind: of all plugins, or of one; types are those of `contract`. False: there is none. */
static bool pk__select_instead(const pk__registry *r, pk__select_kind kind, const pk__plugin *only,
                               const char *contract, pk__names *have)
{
    memset(have, 0, sizeof(*have));
    do {
        for (const pk__node *n = r->plugins.next; n != &r->plugins; n = n->next) {
            const pk__plugin *p = PK__OF(n, pk__plugin, node);
            bool counts = !p->skipped && (!only || p == only);
            if (counts && kind == PK__SELECT_PLUGINS) {
                pk__names_see(have, p->id);
            }
            for (size_t i = 0; counts && kind != PK__SELECT_PLUGINS && i < p->service_count; i++) {
                const pk__service_entry *s = &p->services[i];
                if (kind == PK__SELECT_CONTRACTS || pk_str_is(s->contract, contract)) {
                    pk__names_see(have, kind == PK__SELECT_CONTRACTS ? s->contract.ptr : s->type.ptr);
                }
            }
        }
    } while (pk__names_take(have));
    return have->len > 0;
}

/* No plugin offers that, or the one that the call names (`only`) does not: then the types of this contract, or the
 * contracts. Or there is none of this name: then the names. */
static pk_err pk__select_no_service(const pk__registry *r, const pk__plugin *only, const pk_call_desc *d, pk_error *err)
{
    const char *contract = d->contract ? d->contract : "";
    const char *quote = only ? "'" : "", *who = only ? only->id : "", *has = only ? "' offers " : "there is ";
    pk__names have;
    if (!r->is_started && !only) { // nothing is known yet but what is compiled in
        return pk_error_set(err, PK_ERR_MISUSE, "cannot call before pk_manager_start");
    }
    if (d->plugin && *d->plugin && !only) {
        bool any = pk__select_instead(r, PK__SELECT_PLUGINS, NULL, "", &have);
        return pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found: '%s'%s%s", d->plugin,
                            any ? ": there is " : "", have.text);
    }
    if (pk__select_instead(r, PK__SELECT_TYPES, only, contract, &have)) {
        return pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found for type '%s' of contract '%s': %s%s%s%s",
                            d->type ? d->type : "", contract, quote, who, has, have.text);
    }
    bool any = pk__select_instead(r, PK__SELECT_CONTRACTS, only, contract, &have);
    const pk__plugin *out = only ? NULL : pk__select_left_out(r);
    return pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found for contract '%s': %s%s%s%s%s%s%s%s", contract,
                        quote, who, has, any ? have.text : "none", out ? "; '" : "", out ? out->id : "",
                        !out ? "" : out->skipped ? "' was skipped: " : "' was rejected: ", out ? out->why.msg : "");
}

static pk_err pk__select_wrong_version(const pk__service_entry *s, const pk_call_desc *d, pk_error *err)
{
    return pk_error_set(err, PK_ERR_BAD_CONTRACT, "no plugin found for '%s' %s: '%s' offers %" PK_FMT, d->contract,
                        d->version, s->plugin->id, PK_ARG(s->version));
}

static pk_err pk__select_no_method(const pk__service_entry *s, const char *method, pk_error *err)
{
    pk__names have;
    memset(&have, 0, sizeof(have));
    do {
        for (size_t i = 0; i < s->method_count; i++) {
            pk__names_see(&have, s->methods[i].name.ptr);
        }
    } while (pk__names_take(&have));
    return pk_error_set(err, PK_ERR_NOT_FOUND, "cannot call '%s' of plugin '%s': no such method: there is %s", method,
                        s->plugin->id, have.text);
}

/* ---- service, plugin, method */

static bool pk__select_version_fits(const pk__service_entry *s, const char *want)
{
    pk__semver have, need;
    if (!want || !*want || s->version.len == 0) { // who names no version (the Go framework) is taken at its word
        return true;
    }
    return pk__semver_parse(s->version, &have) && pk__semver_parse(pk_str_from(want), &need) &&
           pk__semver_serves(&have, &need);
}

/* Only a person can bring it back. */
static bool pk__select_is_out(const pk__plugin *p)
{
    return p->state == PK__PLUGIN_FAILED || p->state == PK__PLUGIN_DISABLED;
}

/* Of the services that fit: an internal one, else one that runs, else the first. */
static pk__service_entry *pk__select_best(pk__service_entry *chain, bool any_type, const char *version,
                                          bool *wrong_version)
{
    pk__service_entry *best = NULL;
    for (pk__service_entry *s = chain; s; s = any_type ? s->sibling : s->same) {
        if (!pk__select_version_fits(s, version)) {
            *wrong_version = true;
            continue;
        }
        if (s->internal) {
            return s;
        }
        bool runs = s->plugin->instance && !s->plugin->instance->suspect;
        if (!best || (runs && !best->plugin->instance) ||
            (pk__select_is_out(best->plugin) && !pk__select_is_out(s->plugin))) {
            best = s;
        }
    }
    return best;
}

static pk__service_entry *pk__select_of_plugin(pk__plugin *p, const pk_call_desc *d)
{
    for (size_t i = 0; i < p->service_count; i++) {
        pk__service_entry *s = &p->services[i];
        if (pk_str_is(s->contract, d->contract) && (!d->type || !*d->type || pk_str_is(s->type, d->type))) {
            return s;
        }
    }
    return NULL;
}

/* The plugin and (unless the call names only a path) the service. */
static pk_err pk__select_find(pk__registry *r, const pk_call_desc *d, pk__plugin **plugin, pk__service_entry **service,
                              pk_error *err)
{
    *service = NULL;
    if (d->plugin && *d->plugin) {
        *plugin = pk__registry_find(r, pk_str_from(d->plugin));
        if (!*plugin) {
            return pk__select_no_service(r, NULL, d, err);
        }
        if (d->contract && *d->contract) {
            *service = pk__select_of_plugin(*plugin, d);
            if (!*service && (*plugin)->probed) {
                return pk__select_no_service(r, *plugin, d, err);
            }
            if (*service && !pk__select_version_fits(*service, d->version)) {
                return pk__select_wrong_version(*service, d, err);
            }
        }
        return PK_OK;
    }
    bool any = !d->type || !*d->type;
    bool wrong_version = false;
    pk__service_entry *chain = pk__registry_services(r, pk__select_str(d->contract), pk__select_str(d->type));
    *service = pk__select_best(chain, any, d->version, &wrong_version);
    if (!*service) {
        return wrong_version ? pk__select_wrong_version(chain, d, err) : pk__select_no_service(r, NULL, d, err);
    }
    *plugin = (*service)->plugin;
    return PK_OK;
}

/* Which verb and path: named by the call, or known of the service, or POST /method. */
static pk_err pk__select_method(const pk_call_desc *d, const pk__service_entry *s, pk__target *out, pk_error *err)
{
    out->type = s ? s->type : pk__select_str(d->type);
    for (size_t i = 0; s && d->method && i < s->method_count; i++) {
        if (pk_str_is(s->methods[i].name, d->method)) {
            out->verb = s->methods[i].verb;
            out->path = s->methods[i].path;
            out->flags = s->methods[i].flags;
            return PK_OK;
        }
    }
    if (s && s->method_count && d->method && !(d->http && *d->http)) {
        return pk__select_no_method(s, d->method, err);
    }
    if (d->http && *d->http) {
        if (!pk_str_cut(pk_str_from(d->http), ' ', &out->verb, &out->path) || out->path.len == 0 ||
            out->path.ptr[0] != '/') {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot call '%s': it should read 'POST /path'", d->http);
        }
    } else {
        size_t len = d->method ? strlen(d->method) : 0;
        if (len == 0 || len + 2 > sizeof(out->composed)) {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot call: no method is named");
        }
        out->composed[0] = '/';
        memcpy(out->composed + 1, d->method, len + 1);
        out->verb = PK_STR("POST");
        out->path.ptr = out->composed;
        out->path.len = len + 1;
    }
    if (pk_str_is(out->verb, "GET") || pk_str_is(out->verb, "HEAD")) {
        out->flags |= PK_IDEMPOTENT; // RFC 9110, 9.2.2
    }
    return PK_OK;
}

/* No instance is ready: wish for one, or say why there will be none. */
static pk_err pk__select_wish(pk__registry *r, pk__plugin *p, pk__waiter *w, pk_error *err)
{
    const char *useless = p->is_gone                                          ? "it has been removed"
                          : p->state == PK__PLUGIN_REJECTED || p->skipped   ? "it was rejected: "
                          : p->is_disabled                                  ? "it is disabled"
                          : p->state == PK__PLUGIN_FAILED                   ? "it failed too often: "
                                                                            : NULL;
    if (useless) {
        return pk_error_set(err, p->is_gone ? PK_ERR_PLUGIN_NOT_FOUND : PK_ERR_PLUGIN_DISABLED,
                            "cannot call '%s': %s%s", p->id, useless, strchr(useless, ':') ? p->why.msg : "");
    }
    /* Without a reason it has been up since, though not for long: what was waited for is over, and one waits anew. */
    if (w->about == p->handle && w->serial != p->failures && p->why.code != PK_OK) {
        w->about = 0;
        return pk__error_copy(err, &p->why);
    }
    bool away = p->state == PK__PLUGIN_BACKOFF && pk__registry_is_attached(p);
    if (away && pk__clock_ns() < p->retry_at) {
        return pk__error_copy(err, &p->why);
    }
    w->about = p->handle;
    w->serial = p->failures;
    pk__list_push(&p->waiters, &w->node);
    if ((p->state == PK__PLUGIN_STOPPED || away) && !p->is_asked) { // in all others the next move wakes the waiter
        p->is_asked = true;
        pk_loop_post(r->loop, &r->work);
    }
    return PK_ERR_BUSY;
}

static pk_err pk__select_take_locked(pk__registry *r, const pk_call_desc *d, pk__waiter *w, pk__target *out,
                                     pk_error *err)
{
    pk__plugin *p = NULL;
    pk__service_entry *s = NULL;
    if (r->is_closed) {
        return pk_error_set(err, PK_ERR_STOPPED, "cannot call: the manager is stopping or stopped");
    }
    pk_err rc = pk__select_find(r, d, &p, &s, err);
    if (rc) {
        return rc;
    }
    memset(out, 0, PK__UNKNOWN(offsetof(pk__target, composed)));
    pk__instance *i = p->instance;
    out->plugin = pk_str_from(p->id);
    if (!i || !i->channel || i->suspect) {
        return pk__select_wish(r, p, w, err);
    }
    rc = pk__select_method(d, s, out, err);
    if (rc) {
        return rc;
    }
    out->dialect = i->dialect;
    out->channel = i->channel;
    out->instance = i;
    out->instance_name = pk_str_from(i->name);
    i->in_flight++;
    return PK_OK;
}

static pk_err pk__select_take(void *user, const pk_call_desc *desc, pk__waiter *w, pk__target *out, pk_error *err)
{
    pk__registry *r = (pk__registry *)user;
    pk__registry_lock(r);
    pk_err rc = pk__select_take_locked(r, desc, w, out, err);
    pk__registry_unlock(r);
    return rc;
}

static void pk__select_unqueue(void *user, pk__waiter *w)
{
    pk__registry *r = (pk__registry *)user;
    pk__registry_lock(r);
    pk__list_remove(&w->node);
    pk__registry_unlock(r);
}

static void pk__select_give_back(void *user, pk__target *target, const pk__usage *usage)
{
    pk__registry *r = (pk__registry *)user;
    pk__instance *i = (pk__instance *)target->instance;
    pk__registry_lock(r);
    pk__plugin *p = i->plugin;
    p->calls++;
    p->failed_calls += usage->error->code != PK_OK;
    p->bytes_in += usage->bytes_in;
    p->bytes_out += usage->bytes_out;
    i->in_flight--;
    if (usage->error->code == PK_ERR_PLUGIN_TIMEOUT) {
        i->timeouts++;
    } else if (usage->error->code == PK_OK || usage->error->sent == PK_SENT_ANSWERED) {
        i->timeouts = 0;
    }
    bool broken = usage->error->code == PK_ERR_PLUGIN_CONNECTION && !p->internal;
    if (broken) {
        i->suspect = true; // life asks how it is; until then nobody else runs into it
    }
    if (broken || (i->in_flight == 0 && i->state >= PK__INSTANCE_DRAINING)) {
        pk_loop_post(r->loop, &r->work);
    }
    pk__registry_unlock(r);
}

/* The same declaration, though maybe in another file of the program: then the structs are laid out alike. */
static bool pk__select_same_contract(const pk_contract *a, const pk_contract *b)
{
    if (a == b) {
        return true;
    }
    bool same = strcmp(a->name, b->name) == 0 && strcmp(a->version, b->version) == 0 && a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = strcmp(a->methods[i].name, b->methods[i].name) == 0 && a->methods[i].slot == b->methods[i].slot;
    }
    return same;
}

/* A stub of an internal service is given the way past the pipeline. */
static pk_err pk__select_bind(void *user, pk_stub *stub, pk_error *err)
{
    pk__registry *r = (pk__registry *)user;
    pk_call_desc d;
    pk__plugin *p = NULL;
    pk__service_entry *s = NULL;
    char type[256];
    memset(&d, 0, sizeof(d));
    if (stub->type.len >= sizeof(type)) {
        return pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found: the type's name is too long");
    }
    if (stub->type.len) {
        memcpy(type, stub->type.ptr, stub->type.len);
    }
    type[stub->type.len] = '\0';
    d.contract = stub->contract->name;
    d.type = type;
    d.version = stub->contract->version;
    pk__registry_lock(r);
    pk_err rc = pk__select_find(r, &d, &p, &s, err);
    for (size_t i = 0; !rc && s->method_count && i < stub->contract->count; i++) {
        bool has = false;
        for (size_t k = 0; !has && k < s->method_count; k++) {
            has = pk_str_is(s->methods[k].name, stub->contract->methods[i].name);
        }
        if (!has) {
            rc = pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot bind '%s' of plugin '%s': method '%s' is missing",
                              stub->contract->name, p->id, stub->contract->methods[i].name);
        }
    }
    if (!rc && s->internal && pk__select_same_contract(s->internal->contract, stub->contract)) {
        stub->live = &p->live;
        stub->epoch = p->live;
        stub->direct = s->internal->object;
    }
    pk__registry_unlock(r);
    return rc;
}

PK__FN pk__router pk__select_router(pk__registry *r)
{
    pk__router router = {pk__select_take, pk__select_unqueue, pk__select_give_back, pk__select_bind, r};
    return router;
}
