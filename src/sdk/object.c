/* object.c - the plugin's side in its host's process: what the descriptor's functions do.
 *
 * An instance is a pk_sdk without door, loop and lifeline. It reads the same first line from its host, hands the same
 * configuration to on_config, and has the same endpoints; but its server is no more than a table of routes, which
 * requests are looked up in on the thread that brings them. */
#include "object.h"
#ifdef PLUGKIT_WITH_DLOPEN

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../rpc/service.h"

PK__FN int pk__sdk_object_main(const void *desc, int argc, char **argv)
{
    return pk_sdk_main(argc, argv, (const pk_sdk_desc *)desc);
}

PK__FN bool pk__sdk_object_is_serial(const void *desc)
{
    return ((const pk_sdk_desc *)desc)->workers == 0;
}

PK__FN pk_err pk__sdk_object_describe(const void *of, pk_buf *out, pk_error *err)
{
    const pk_sdk_desc *desc = (const pk_sdk_desc *)of;
    const pk__service_about about = {desc->services,    desc->service_count, desc->config_types,
                                     desc->id,          desc->version,       desc->description,
                                     desc->author,      desc->license,       NULL,
                                     false,             false};
    pk_err rc = pk__sdk_check(desc, err);
    return rc ? rc : pk__service_capabilities(out, &about, err);
}

/* ---- what a handler may do with its pk_sdk */

PK__FN bool pk__sdk_inside_stops(pk_sdk *p)
{
    static const char line[] = "{\"shutdown\":true}\n";
    pk_str text = {line, sizeof(line) - 1};
    if (p->inside) {
        p->inside->say(p->inside->user, text);
    }
    return p->inside != NULL;
}

PK__FN bool pk__sdk_inside_says(const pk_sdk *p, pk_str line)
{
    if (p->inside) {
        p->inside->say(p->inside->user, line);
    }
    return p->inside != NULL;
}

PK__FN void pk__sdk_inside_no_host(pk_sdk *p)
{
    if (p->inside) {
        (void)pk_error_set(&p->host.error, PK_ERR_UNSUPPORTED, "cannot call the host from '%s': it runs in the host's "
                           "process; a rule with PK_ISOLATION_PROCESS gives it one of its own", p->desc.id);
    }
}

/* ---- start and stop */

static bool pk__sdk_object_is_ready(void *owner)
{
    (void)owner;
    return true; // requests come when it is
}

static void pk__sdk_object_on_shutdown(void *owner)
{
    (void)owner; // the host, which asked, stops it
}

static pk_err pk__sdk_object_fits(const pk_sdk_desc *d, pk_error *err)
{
    const char *what = d->interceptor_count ? "interceptors" : d->tls ? "tls" : d->loop ? "a loop of its own" : NULL;
    return what ? pk_error_set(err, PK_ERR_UNSUPPORTED, "its description has %s, which is only heeded in a process of "
                               "its own: a rule with PK_ISOLATION_PROCESS gives it one", what)
                : PK_OK;
}

static pk_err pk__sdk_object_endpoints(pk_sdk *p, pk_error *err)
{
    p->server = (pk_server *)pk__new(p->alloc, sizeof(*p->server));
    if (!p->server) {
        return pk__error_memory(err, "start the plugin");
    }
    p->server->alloc = p->alloc;
    p->server->routes.alloc = p->alloc;
    p->endpoints.alloc = p->alloc;
    p->endpoints.on_health = p->desc.on_health;
    p->endpoints.user = p->desc.user;
    p->endpoints.is_ready = pk__sdk_object_is_ready;
    p->endpoints.on_shutdown = pk__sdk_object_on_shutdown;
    p->endpoints.owner = p;
    return pk__endpoints_add(&p->endpoints, p->server, &p->desc, err);
}

PK__FN void pk__sdk_object_stop(void *state)
{
    pk_sdk *p = (pk_sdk *)state;
    const pk_alloc *alloc = p->alloc;
    if (p->deinit_host) {
        p->deinit_host(&p->host);
    }
    if (p->started && p->desc.on_close) {
        p->desc.on_close(p->desc.user);
    }
    pk__endpoints_deinit(&p->endpoints);
    if (p->server) {
        pk__routes_deinit(&p->server->routes);
        pk__free(alloc, p->server, sizeof(*p->server));
    }
    pk__mutex_deinit(&p->host_lock);
    pk_mem_free(&p->settings.mem);
    pk_mem_free(&p->mem);
    pk__free(alloc, p, sizeof(*p));
}

PK__FN pk_err pk__sdk_object_start(const void *of, const pk_object_host *host, pk_str told, void **state,
                                   pk_error *err)
{
    pk_sdk_desc desc = *(const pk_sdk_desc *)of;
    *state = NULL;
    desc.alloc = desc.alloc ? desc.alloc : host->alloc;
    pk_err rc = pk__sdk_object_fits(&desc, err);
    rc = rc ? rc : pk__sdk_check(&desc, err);
    pk_sdk *p = rc ? NULL : pk__sdk_new(&desc);
    if (!p) {
        return rc ? rc : pk__error_memory(err, "start the plugin");
    }
    p->inside = host;
    p->settings.mem.alloc = p->alloc;
    while (told.len && told.ptr[told.len - 1] == '\n') {
        told.len--;
    }
    rc = pk__settings_read_line(&p->settings, told, err);
    memset(&p->settings.host, 0, sizeof(p->settings.host)); // see pk__sdk_inside_no_host
    rc = rc ? rc : pk__settings_apply(&p->settings, &p->desc, err);
    rc = rc ? rc : pk__sdk_object_endpoints(p, err);
    rc = rc ? rc : pk__sdk_call_on_start(p, err);
    if (rc) {
        pk__sdk_object_stop(p);
    } else {
        *state = p;
    }
    return rc;
}

/* ---- requests */

/* The whole body, for handlers that want it so. What growing leaves behind goes with the request. */
static pk_err pk__sdk_object_collect(const pk_sdk *p, const pk_request *request, pk_body *body, pk_error *err)
{
    size_t most = p->desc.body_bytes ? p->desc.body_bytes : 8u * 1024 * 1024;
    size_t cap = 0, len = body->bytes.len, got = 0;
    char *to = NULL;
    bool is_there = len > 0 || !body->read;
    while (!is_there && len <= most) {
        if (len == cap) {
            size_t more = cap ? cap * 2 : 4096;
            char *larger = (char *)pk_mem_get(request->ctx->mem, more);
            if (!larger) {
                return pk__error_memory(err, "read the request");
            }
            if (len) {
                memcpy(larger, to, len);
            }
            to = larger;
            cap = more;
        }
        pk_err rc = body->read(body->user, to + len, cap - len, &got, err);
        if (rc) {
            return rc;
        }
        len += got;
        is_there = got == 0;
        body->bytes.ptr = to;
        body->bytes.len = len;
    }
    body->read = NULL;
    if (len > most) {
        (void)pk_error_set(err, PK_ERR_HTTP, "the body is larger than is accepted here");
        err->status = 413; // as over a socket
        return PK_ERR_HTTP;
    }
    return PK_OK;
}

PK__FN pk_err pk__sdk_object_serve(void *state, const pk_request *request, pk_response *response, pk_error *err)
{
    pk_sdk *p = (pk_sdk *)state;
    char allow[PK__ROUTES_ALLOW_MAX];
    pk_request mine = *request;
    memset(response, 0, sizeof(*response));
    const pk__route *route = pk__routes_find(&p->server->routes, request->method, request->path, &mine.rest, allow);
    if (!route) {
        char shown[128]; // as servers say it
        (void)pk__error_clean(shown, sizeof(shown), allow[0] ? request->method : request->path);
        (void)pk_error_set(err, allow[0] ? PK_ERR_UNSUPPORTED : PK_ERR_NOT_FOUND, "%s '%s'",
                           allow[0] ? "this path does not take method" : "nothing is here at", shown);
        err->status = allow[0] ? 405 : 404;
        return err->code;
    }
    pk_err rc = PK_OK;
    mine.route = route->route.match;
    if (route->route.flags & PK_UPLOAD) {
        memset(&mine.body.bytes, 0, sizeof(mine.body.bytes));
    } else {
        rc = pk__sdk_object_collect(p, request, &mine.body, err);
    }
    return rc ? rc : route->route.run(route->route.user, &mine, response, err);
}

#endif
