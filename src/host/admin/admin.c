/* admin.c - the routes, what they do, and the door itself. */
#include "admin.h"
#ifdef PLUGKIT_WITH_ADMIN
#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/clock.h"
#include "../../os/file.h"
#include "../../os/random.h"

#include <string.h>

enum { PK__ADMIN_ANSWER = 64 * 1024 * 1024 }; // the largest

/* ---- answers */

typedef struct pk__admin_answer {
    pk_buf buf;
    pk_json_writer w;
} pk__admin_answer;

static void pk__admin_begin(const pk__admin *a, pk__admin_answer *j)
{
    pk_buf_init(&j->buf, a->alloc, PK__ADMIN_ANSWER);
    pk_json_write(&j->w, &j->buf);
}

static pk_err pk__admin_end(pk__admin_answer *j, const pk_request *q, pk_response *answer, pk_error *err)
{
    pk_err rc = pk_json_finish(&j->w, err);
    if (!rc) {
        (void)pk_buf_add_char(&j->buf, '\n');
        answer->body.bytes = pk_mem_dup(q->ctx->mem, pk_buf_str(&j->buf));
        rc = answer->body.bytes.ptr ? PK_OK : pk__error_memory(err, "answer");
    }
    pk_buf_free(&j->buf);
    return rc;
}

static void pk__admin_put_host(const pk__admin *a, pk_json_writer *w)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "pid");
    pk_json_put_int(w, (int64_t)getpid());
    pk_json_put_key(w, "version");
    pk_json_put_text(w, pk_version());
    pk_json_put_key(w, "socket");
    pk_json_put_text(w, a->socket);
    pk_json_put_key(w, "upMs");
    pk_json_put_int(w, (pk__clock_ns() - a->began) / PK__MS);
    pk_json_put_end(w);
}

static pk_err pk__admin_list(void *user, const pk_request *q, pk_response *answer, pk_error *err)
{
    pk__admin *a = (pk__admin *)user;
    pk__admin_answer j;
    pk_plugin_info *all;
    size_t count = 0;
    pk_err rc = pk_manager_list(a->manager, q->ctx->mem, &all, &count, err);
    if (rc) {
        return rc;
    }
    pk__admin_begin(a, &j);
    pk_json_put_object(&j.w);
    pk_json_put_key(&j.w, "host");
    pk__admin_put_host(a, &j.w);
    pk_json_put_key(&j.w, "plugins");
    pk_json_put_array(&j.w);
    for (size_t i = 0; i < count; i++) {
        pk__admin_put_plugin(&j.w, &all[i], false);
    }
    pk_json_put_end(&j.w);
    pk_json_put_end(&j.w);
    return pk__admin_end(&j, q, answer, err);
}

/* ---- one plugin */

static pk_err pk__admin_find(const pk__admin *a, pk_str id, pk_plugin *out, pk_error *err)
{
    char name[80];
    (void)pk__error_clean(name, sizeof(name), id);
    *out = pk_manager_find(a->manager, name);
    return out->id ? PK_OK : pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "there is no plugin '%s'", name);
}

static pk_err pk__admin_answer_plugin(const pk__admin *a, pk_plugin p, const pk_request *q, pk_response *answer,
                                      pk_error *err)
{
    pk__admin_answer j;
    pk_plugin_info info;
    pk_err rc = pk_plugin_get(a->manager, p, q->ctx->mem, &info, err);
    if (rc) {
        return rc;
    }
    pk__admin_begin(a, &j);
    pk__admin_put_plugin(&j.w, &info, true);
    return pk__admin_end(&j, q, answer, err);
}

static pk_err pk__admin_show(void *user, const pk_request *q, pk_response *answer, pk_error *err)
{
    const pk__admin *a = (const pk__admin *)user;
    pk_plugin p;
    pk_err rc = pk__admin_find(a, q->rest, &p, err);
    return rc ? rc : pk__admin_answer_plugin(a, p, q, answer, err);
}

static pk_err pk__admin_restart(pk_manager *m, pk_plugin p, pk_error *err)
{
    pk_err rc = pk_plugin_stop(m, p, err);
    return rc ? rc : pk_plugin_start(m, p, err);
}

static const struct {
    const char *verb;
    pk_err (*run)(pk_manager *m, pk_plugin p, pk_error *err);
} pk__admin_verbs[] = {
    {"start", pk_plugin_start},   {"stop", pk_plugin_stop},       {"restart", pk__admin_restart},
    {"enable", pk_plugin_enable}, {"disable", pk_plugin_disable},
};

/* POST /plugins/ID/VERB, on a worker's thread: it takes its time. */
static pk_err pk__admin_act(void *user, const pk_request *q, pk_response *answer, pk_error *err)
{
    const pk__admin *a = (const pk__admin *)user;
    pk_str id, verb;
    pk_plugin p;
    bool has_verb = pk_str_cut(q->rest, '/', &id, &verb);
    for (size_t i = 0; i < PK__COUNT(pk__admin_verbs) && has_verb; i++) {
        if (pk_str_is(verb, pk__admin_verbs[i].verb)) {
            pk_err rc = pk__admin_find(a, id, &p, err);
            rc = rc ? rc : pk__admin_verbs[i].run(a->manager, p, err);
            return rc ? rc : pk__admin_answer_plugin(a, p, q, answer, err);
        }
    }
    return pk_error_set(err, PK_ERR_NOT_FOUND,
                        "a plugin can be asked to start, stop, restart, enable or disable, and nothing else");
}

/* ---- the host */

static pk_err pk__admin_stop(void *user, const pk_request *q, pk_response *answer, pk_error *err)
{
    const pk__admin *a = (const pk__admin *)user;
    (void)q, (void)err;
    pk_manager_stop_begin(a->manager);
    answer->status = 202;
    answer->body.bytes = PK_STR("{\"stopping\":true}\n");
    return PK_OK;
}

static pk_err pk__admin_health(void *user, const pk_request *q, pk_response *answer, pk_error *err)
{
    (void)user, (void)q, (void)err;
    answer->body.bytes = PK_STR("{\"status\":\"ok\"}\n");
    return PK_OK;
}

/* ---- the door */

static const pk_route pk__admin_routes[] = {
    {"GET /plugins", PK_INLINE, pk__admin_list, NULL},    {"GET /plugins/*", PK_INLINE, pk__admin_show, NULL},
    {"POST /plugins/*", 0, pk__admin_act, NULL},          {"POST /stop", PK_INLINE, pk__admin_stop, NULL},
    {"GET /events", PK_INLINE, pk__admin_events, NULL},   {"GET /healthz", PK_INLINE, pk__admin_health, NULL},
};

static pk_err pk__admin_listen(pk__admin *a, pk_error *err)
{
    pk_server_desc desc;
    char token[PK__TOKEN_LEN + 1];
    const char *dir = pk_manager_runtime_dir(a->manager);
    pk_str address = pk_mem_printf(&a->mem, "http+unix://%s/control.sock", dir);
    const char *file = pk_mem_printf(&a->mem, "%s/control.token", dir).ptr;
    if (!address.ptr || !file) {
        return pk__error_memory(err, "open the control socket");
    }
    a->socket = address.ptr + strlen("http+unix://");
    memset(&desc, 0, sizeof(desc));
    desc.alloc = a->alloc;
    desc.loop = pk_manager_loop(a->manager);
    desc.listen = address.ptr;
#ifndef PLUGKIT_NO_THREADS
    desc.workers = PK__ADMIN_WORKERS;
#endif
    desc.limit.body_bytes = 64 * 1024;
    desc.limit.connections = PK__ADMIN_CONNECTIONS;
    pk_err rc = pk__random_token(token, err);
    desc.token = pk_str_from(token);
    rc = rc ? rc : pk__file_write(file, pk_str_from(token), 0600, err); // first: who finds the socket finds the token
    rc = rc ? rc : pk_server_create(&a->server, &desc, err);
    for (size_t i = 0; i < PK__COUNT(pk__admin_routes) && !rc; i++) {
        pk_route route = pk__admin_routes[i];
        route.user = a;
        rc = pk_server_add(a->server, &route, err);
    }
    if (!rc) {
        a->listener.on_event = pk__admin_on_event;
        a->listener.user = a;
        rc = pk_manager_listen(a->manager, &a->listener, err);
        a->listens = !rc;
    }
    if (rc) {
        pk__error_wrap(err, "cannot open the control socket");
    }
    return rc;
}

PK__FN pk_err pk__admin_open(pk__admin **out, pk_manager *m, const pk_alloc *alloc, pk_error *err)
{
    *out = NULL;
    pk__admin *a = (pk__admin *)pk__new(alloc, sizeof(*a));
    if (!a) {
        return pk__error_memory(err, "open the control socket");
    }
    a->manager = m;
    a->alloc = alloc;
    a->mem.alloc = alloc;
    a->began = pk__clock_ns();
    pk__list_init(&a->readers);
    pk_buf_init(&a->past, alloc, PK__ADMIN_PAST);
    pk_buf_init(&a->line, alloc, PK__ADMIN_PAST);
    pk_err rc = pk__admin_listen(a, err);
    if (rc) {
        pk__admin_close(a, false);
        return rc;
    }
    *out = a;
    return PK_OK;
}

PK__FN void pk__admin_shut(pk__admin *a)
{
    if (a->server) {
        pk_server_drain(a->server);
        (void)PK__SYS(unlinkat)(AT_FDCWD, a->socket, 0); // the rest of its directory goes with the manager
    }
}

PK__FN void pk__admin_close(pk__admin *a, bool is_child)
{
    if (a->listens && !is_child) {
        pk_manager_unlisten(a->manager, &a->listener);
    }
    if (!is_child) {
        pk__admin_shut(a);
    }
    pk_server_destroy(a->server);
    pk_buf_free(&a->past);
    pk_buf_free(&a->line);
    pk_mem_free(&a->mem);
    pk__free(a->alloc, a, sizeof(*a));
}

#endif
