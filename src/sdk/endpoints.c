/* endpoints.c - the routes that a plugin's server has. */
#include "endpoints.h"
#ifndef PLUGKIT_NO_NET

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../rpc/service.h"

static bool pk__endpoints_is_reserved(pk_str path)
{
    return pk_str_is(path, "/healthz") || pk_str_is(path, "/readyz") || pk_str_is(path, "/shutdown");
}

/* ---- services */

static pk_err pk__endpoints_serve(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    const pk__endpoint *e = (const pk__endpoint *)user;
    pk_str type = pk_ctx_meta(request->ctx, "PlugKit-Type");
    while (e && type.len && !pk_str_eq(e->type, type)) {
        e = e->next;
    }
    if (!e) {
        return pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found for type '%" PK_FMT "'", PK_ARG(type));
    }
    return pk__service_serve(e->service, e->method, request, response, err);
}

/* Puts `fresh` behind those with the same verb and path. */
static pk_err pk__endpoints_chain(pk__endpoint *first, pk__endpoint *fresh, pk_error *err)
{
    pk__endpoint *last = first;
    for (pk__endpoint *e = first; e; last = e, e = e->next) {
        if (pk_str_eq(e->type, fresh->type)) {
            return pk_error_set(err, PK_ERR_DUPLICATE, "cannot offer '%s' and '%s' with one type, '%s': both answer %s",
                                e->service->contract->name, fresh->service->contract->name, fresh->service->type,
                                fresh->method->http);
        }
        if ((e->method->flags & PK_UPLOAD) != (fresh->method->flags & PK_UPLOAD)) {
            return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s' and '%s' together: only one of them reads "
                                "the body of %s as it arrives",
                                e->service->contract->name, fresh->service->contract->name, fresh->method->http);
        }
    }
    last->next = fresh;
    return PK_OK;
}

static pk_err pk__endpoints_add_method(pk__endpoints *all, pk__endpoint *fresh, pk_error *err)
{
    (void)pk__service_split(fresh->method->http, &fresh->verb, &fresh->path); // pk__service_check has seen it
    if (pk_str_is(fresh->verb, "GET") && pk_str_is(fresh->path, "/healthz")) {
        fresh->next = all->health;
        all->health = fresh;
        return PK_OK;
    }
    if (pk__endpoints_is_reserved(fresh->path)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT,
                            "cannot offer '%s': method '%s' claims %s, which every plugin has",
                            fresh->service->contract->name, fresh->method->name, fresh->method->http);
    }
    for (size_t i = 0; i < all->count; i++) {
        pk__endpoint *e = &all->items[i];
        if (pk_str_eq(e->verb, fresh->verb) && pk_str_eq(e->path, fresh->path)) {
            return pk__endpoints_chain(e, fresh, err); // the first with this path is the head of its chain
        }
    }
    fresh->is_head = true;
    return PK_OK;
}

static pk_err pk__endpoints_add_services(pk__endpoints *all, pk_server *server, const pk_sdk_desc *desc, pk_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < desc->service_count; i++) {
        total += desc->services[i].contract->count;
    }
    all->items = total ? (pk__endpoint *)pk__new(all->alloc, total * sizeof(*all->items)) : NULL;
    if (total && !all->items) {
        return pk__error_memory(err, "offer the services");
    }
    all->cap = total;
    for (size_t i = 0; i < desc->service_count; i++) {
        const pk_service *s = &desc->services[i];
        for (size_t k = 0; k < s->contract->count; k++) {
            pk__endpoint *e = &all->items[all->count];
            e->service = s;
            e->method = &s->contract->methods[k];
            e->type = pk_str_from(s->type);
            pk_err rc = pk__endpoints_add_method(all, e, err);
            if (rc) {
                return rc;
            }
            all->count++;
        }
    }
    for (size_t i = 0; i < all->count; i++) {
        pk_route route = {all->items[i].method->http, all->items[i].method->flags & PK_UPLOAD, pk__endpoints_serve,
                          &all->items[i]};
        pk_err rc = all->items[i].is_head ? pk_server_add(server, &route, err) : PK_OK;
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

/* ---- what every plugin has */

/* Word for word what the framework's plugins answer. */
static void pk__endpoints_refuse_verb(pk_response *response)
{
    static const pk_meta allow = {PK_STR_INIT("Allow"), PK_STR_INIT("GET, HEAD")};
    response->status = 405;
    response->fields = &allow;
    response->field_count = 1;
    response->body.bytes = PK_STR("{\"message\":\"this endpoint may only be called with either HEAD or GET method\","
                                  "\"statusCode\":405}\n");
}

static bool pk__endpoints_is_get(const pk_request *request)
{
    return pk_str_is(request->method, "GET") || pk_str_is(request->method, "HEAD");
}

/* A text of the user's: made safe, and in *mem. */
static bool pk__endpoints_clean(pk_mem *mem, const char *text, size_t cap, pk_str *out)
{
    char clean[800]; // four bytes for one that cannot be shown
    pk_str raw = {text, 0};
    while (raw.len < cap && text[raw.len]) {
        raw.len++;
    }
    pk_str safe = {clean, pk__error_clean(clean, sizeof(clean), raw)};
    *out = pk_mem_dup(mem, safe);
    return out->ptr != NULL;
}

PK__FN pk_err pk__endpoints_describe(pk_mem *mem, const pk_health_report *report, pk__control_health *out,
                                     pk_error *err)
{
    pk_str names;
    memset(out, 0, sizeof(*out));
    out->status = report->health == PK_HEALTH_OK         ? PK_STR("healthy")
                  : report->health == PK_HEALTH_DEGRADED ? PK_STR("degraded")
                                                         : PK_STR("unhealthy");
    bool ok = pk__endpoints_clean(mem, report->reason, sizeof(report->reason), &out->reason) &&
              pk__endpoints_clean(mem, report->unavailable, sizeof(report->unavailable), &names);
    out->has_reason = ok && out->reason.len > 0;
    size_t most = 1;
    for (size_t i = 0; ok && i < names.len; i++) {
        most += names.ptr[i] == ',';
    }
    pk_str *items = ok ? (pk_str *)pk_mem_get(mem, most * sizeof(*items)) : NULL;
    for (pk_str rest = names, name; items && rest.len;) {
        if (!pk_str_cut(rest, ',', &name, &rest)) {
            name = rest;
            rest.len = 0;
        }
        if (name.len) {
            items[out->unavailable.count++] = name;
        }
    }
    out->unavailable.items = items;
    return items ? PK_OK : pk__error_memory(err, "say how it is");
}

static pk_err pk__endpoints_degraded(pk_mem *mem, const pk_health_report *report, pk_response *response, pk_error *err)
{
    pk__service_scratch scratch;
    pk__control_health body;
    pk_buf buf;
    pk_err rc = pk__endpoints_describe(mem, report, &body, err);
    if (rc) {
        return rc;
    }
    pk__service_scratch_init(&scratch, mem->alloc, &buf, 8192);
    rc = pk_json_encode(&buf, &pk_type_pk__control_health, &body, err);
    if (!rc) {
        response->body.bytes = pk_mem_dup(mem, pk_buf_str(&buf));
        rc = response->body.bytes.ptr ? PK_OK : pk__error_memory(err, "answer");
    }
    pk_buf_free(&buf);
    return rc;
}

static pk_err pk__endpoints_ask_services(const pk__endpoints *all, const pk_request *request, pk_response *response,
                                         pk_error *err)
{
    pk_str type = pk_ctx_meta(request->ctx, "PlugKit-Type");
    for (const pk__endpoint *e = all->health; e; e = e->next) {
        if (type.len == 0 || pk_str_eq(type, e->type)) {
            pk_err rc = pk__service_serve(e->service, e->method, request, response, err);
            if (rc) {
                return rc;
            }
        }
    }
    return PK_OK;
}

static pk_err pk__endpoints_healthz(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    const pk__endpoints *all = (const pk__endpoints *)user;
    pk_health_report report = all->report;
    pk__control_health body;
    if (!pk__endpoints_is_get(request)) {
        pk__endpoints_refuse_verb(response);
        return PK_OK;
    }
    if (all->on_health) {
        memset(&report, 0, sizeof(report));
        all->on_health(all->user, &report);
    }
    if (report.health == PK_HEALTH_DEGRADED) {
        return pk__endpoints_degraded(request->ctx->mem, &report, response, err);
    }
    if (report.health != PK_HEALTH_OK) {
        pk_err rc = pk__endpoints_describe(request->ctx->mem, &report, &body, err);
        return rc ? rc : pk_error_set(err, PK_ERR_UNHEALTHY, "%s",
                                      body.has_reason ? body.reason.ptr : pk_err_text(PK_ERR_UNHEALTHY));
    }
    return pk__endpoints_ask_services(all, request, response, err);
}

static pk_err pk__endpoints_readyz(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    const pk__endpoints *all = (const pk__endpoints *)user;
    if (!pk__endpoints_is_get(request)) {
        pk__endpoints_refuse_verb(response);
        return PK_OK;
    }
    return all->is_ready(all->owner) ? PK_OK : pk_error_set(err, PK_ERR_STOPPED, "not ready");
}

static void pk__endpoints_on_shutdown(void *user)
{
    pk__endpoints *all = (pk__endpoints *)user;
    all->on_shutdown(all->owner);
}

/* The answer first: `done` is called when it has been written, and only then the plugin begins to end. */
static pk_err pk__endpoints_shutdown(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    pk__endpoints *all = (pk__endpoints *)user;
    if (!all->any_verb_shuts_down && !pk_str_is(request->method, "POST")) {
        static const pk_meta allow = {PK_STR_INIT("Allow"), PK_STR_INIT("POST")};
        response->fields = &allow;
        response->field_count = 1;
        response->status = 405;
        response->body.bytes = PK_STR("{\"message\":\"this endpoint may only be called with the POST method\","
                                      "\"statusCode\":405}\n");
        return PK_OK;
    }
    (void)err;
    response->done = pk__endpoints_on_shutdown;
    response->user = all;
    return PK_OK;
}

PK__FN pk_err pk__endpoints_add(pk__endpoints *all, pk_server *server, const pk_sdk_desc *desc, pk_error *err)
{
    const pk_route own[] = {
        {"ANY /healthz", PK_INLINE, pk__endpoints_healthz, all},
        {"ANY /readyz", PK_INLINE, pk__endpoints_readyz, all},
        {"ANY /shutdown", PK_INLINE, pk__endpoints_shutdown, all},
    };
    pk_err rc = PK_OK;
    for (size_t i = 0; i < PK__COUNT(own) && !rc; i++) {
        rc = pk_server_add(server, &own[i], err);
    }
    if (!rc) {
        rc = pk__endpoints_add_services(all, server, desc, err);
    }
    for (size_t i = 0; i < desc->route_count && !rc; i++) {
        pk_str verb, path;
        if (desc->routes[i].match && pk_str_cut(pk_str_from(desc->routes[i].match), ' ', &verb, &path) &&
            pk__endpoints_is_reserved(path)) {
            return pk_error_set(err, PK_ERR_DUPLICATE, "cannot add the route '%s': every plugin has it",
                                desc->routes[i].match);
        }
        rc = pk_server_add(server, &desc->routes[i], err);
    }
    return rc;
}

PK__FN void pk__endpoints_deinit(pk__endpoints *all)
{
    pk__free(all->alloc, all->items, all->cap * sizeof(*all->items));
}
#endif
