/* serve_life.c - pk_server: its workers, and how it is made and unmade. */
#include "serve.h"
#ifndef PLUGKIT_NO_NET
#include "../base/error.h"
#include "../base/memory.h"
#include "../net/socket.h"

#include <string.h>

/* ---- workers */

static void pk__serve_work(void *arg)
{
    pk_server *s = (pk_server *)arg;
    for (;;) {
        pk__mutex_lock(&s->lock);
        while (!s->stopping && pk__list_is_empty(&s->queue)) {
            (void)pk__cond_wait(&s->more, &s->lock, PK_FOREVER);
        }
        pk__node *node = s->stopping ? NULL : pk__list_pop(&s->queue);
        pk__mutex_unlock(&s->lock);
        if (!node) {
            return;
        }
        pk__serve_go(PK__OF(node, pk__serve_call, node));
    }
}

static pk_err pk__serve_start_workers(pk_server *s, int count, pk_error *err)
{
    if (count <= 0) {
        return PK_OK;
    }
    s->threads = (pk__thread *)pk__new(s->alloc, (size_t)count * sizeof(*s->threads));
    if (!s->threads) {
        return pk__error_memory(err, "create a server");
    }
    s->thread_count = (size_t)count;
    for (size_t i = 0; i < s->thread_count; i++) {
        pk_err rc = pk__thread_start(&s->threads[i], pk__serve_work, s, err);
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

/* Waits for the handlers that are running; those in the queue will not. */
static void pk__serve_stop_workers(pk_server *s)
{
    if (!s->threads) {
        return;
    }
    if (!pk__loop_is_forked(s->loop)) { // a forked child has no threads but its own
        pk__mutex_lock(&s->lock);
        s->stopping = true;
        pk__mutex_unlock(&s->lock);
        pk__cond_broadcast(&s->more);
        for (size_t i = 0; i < s->thread_count; i++) {
            pk__thread_join(&s->threads[i]);
        }
    }
    pk__free(s->alloc, s->threads, s->thread_count * sizeof(*s->threads));
    s->threads = NULL;
}

/* ---- life */

static void pk__serve_free(void *user)
{
    pk_server *s = (pk_server *)user;
    pk__serve_stop_workers(s);
    for (size_t i = 0; i < s->open_count; i++) {
        pk__strfree(s->alloc, s->open_paths[i]);
    }
    pk__free(s->alloc, s->open_paths, s->open_count * sizeof(*s->open_paths));
    pk__chain_destroy(s->alloc, s->chain, s->chain_count);
    pk__routes_deinit(&s->routes);
    pk__strfree(s->alloc, s->address);
    pk__free(s->alloc, (void *)(uintptr_t)s->token.ptr, s->token.len);
    pk__mutex_deinit(&s->lock);
    pk__cond_deinit(&s->more);
    pk__free(s->alloc, s, sizeof(*s));
}

static pk_err pk__serve_copy(pk_server *s, const pk_server_desc *desc, pk_error *err)
{
    size_t count = 0;
    while (desc->open_paths && desc->open_paths[count]) {
        count++;
    }
    if (desc->token.len > 0) {
        char *token = (char *)pk__resize(s->alloc, NULL, 0, desc->token.len);
        if (!token) {
            return pk__error_memory(err, "create a server");
        }
        memcpy(token, desc->token.ptr, desc->token.len);
        s->token.ptr = token;
        s->token.len = desc->token.len;
    }
    if (count > 0) {
        s->open_paths = (char **)pk__new(s->alloc, count * sizeof(*s->open_paths));
        s->open_count = s->open_paths ? count : 0;
        for (size_t i = 0; i < s->open_count; i++) {
            s->open_paths[i] = pk__strdup(s->alloc, desc->open_paths[i]);
        }
        if (!s->open_paths || !s->open_paths[count - 1]) {
            return pk__error_memory(err, "create a server");
        }
    }
    return pk__chain_create(s->alloc, desc->interceptors, desc->interceptor_count, PK_SCOPE_SERVE, PK_SCOPE_SERVE,
                            &s->chain, &s->chain_count, &s->chain_states, err);
}

static pk_err pk__serve_listen(pk_server *s, const pk_server_desc *desc, int *fd, pk_error *err)
{
    pk__address address;
    char text[PK__ADDRESS_TEXT_MAX];
    pk_err rc = PK_OK;
    if (PK__SECURE_ON(desc->tls)) {
        rc = pk__secure_table_of(desc->tls)->check(desc->tls, true, err);
    }
    if (rc == PK_OK && !desc->has_listen_fd) {
        rc = pk__address_parse(&address, pk_str_from(desc->listen), err);
        if (PK__SECURE_BUILT && rc == PK_OK && address.is_secure && !desc->tls) {
            rc = pk_error_set(err, PK_ERR_MISUSE, "cannot listen at '%.128s': no pk_tls is given", desc->listen);
        }
        if (rc == PK_OK) {
            rc = pk__socket_listen(&address, fd, err);
        }
    }
    if (rc == PK_OK) {
        rc = pk__socket_local(*fd, &address, err);
    }
    if (rc == PK_OK && PK__SECURE_BUILT) {
        address.is_secure = desc->tls != NULL;
    }
    if (rc == PK_OK) {
        (void)pk__address_format(&address, text, sizeof(text));
        s->address = pk__strdup(s->alloc, text);
        rc = s->address ? PK_OK : pk__error_memory(err, "create a server");
    }
    return rc;
}

static void pk__serve_resolve(pk__http_server_desc *out, const pk_server_desc *in)
{
    memset(out, 0, sizeof(*out));
    out->alloc = in->alloc;
    out->loop = in->loop;
    out->any_uid = in->any_uid;
    out->tls = in->tls;
    out->header_ms = in->limit.header_ms > 0 ? in->limit.header_ms : 10 * 1000;
    out->body_ms = in->limit.body_ms > 0 ? in->limit.body_ms : 60 * 1000;
    out->idle_ms = in->limit.idle_ms > 0 ? in->limit.idle_ms : 5 * 60 * 1000;
    out->head_bytes = in->limit.head_bytes > 0 ? in->limit.head_bytes : 16 * 1024;
    out->fields = in->limit.fields > 0 ? in->limit.fields : 100;
    out->body_bytes = in->limit.body_bytes > 0 ? in->limit.body_bytes : 8 * 1024 * 1024;
    out->connections = in->limit.connections > 0 ? in->limit.connections : 1024;
    out->extra = sizeof(pk__serve_call);
    out->spare = in->workers > 0 ? (size_t)in->workers + 1 : 2;
    out->on_head = pk__serve_on_head;
    out->on_job = pk__serve_on_job;
    out->on_done = pk__serve_on_done;
    out->refusal = pk__serve_refusal;
}

static pk_err pk__serve_create(pk_server *s, const pk_server_desc *desc, int *fd, pk_error *err)
{
    pk__http_server_desc engine;
    pk_err rc = pk__serve_copy(s, desc, err);
    if (rc == PK_OK) {
        rc = pk__serve_listen(s, desc, fd, err);
    }
    if (rc) {
        return rc;
    }
    pk__serve_resolve(&engine, desc);
    engine.listen_fd = *fd;
    engine.user = s;
    *fd = -1;
    rc = pk__http_server_create(&s->engine, &engine, err);
    return rc == PK_OK ? pk__serve_start_workers(s, desc->workers, err) : rc;
}

PK_API pk_err pk_server_create(pk_server **out, const pk_server_desc *desc, pk_error *err)
{
    int fd = desc->has_listen_fd ? desc->listen_fd : -1;
    *out = NULL;
    if (!desc->loop || (!desc->listen && !desc->has_listen_fd)) {
        pk__fd_close(fd);
        return pk_error_set(err, PK_ERR_MISUSE,
                            "cannot create a server: it needs a loop and an address or a descriptor");
    }
    pk_server *s = (pk_server *)pk__new(desc->alloc, sizeof(*s));
    if (!s) {
        pk__fd_close(fd);
        return pk__error_memory(err, "create a server");
    }
    s->alloc = desc->alloc;
    s->loop = desc->loop;
    s->routes.alloc = desc->alloc;
    s->on_work = desc->on_work;
    s->on_token = desc->on_token;
    s->on_refused = desc->on_refused;
    s->user = desc->user;
    pk__mutex_init(&s->lock);
    pk__cond_init(&s->more);
    pk__list_init(&s->queue);
    pk_err rc = pk__serve_create(s, desc, &fd, err);
    if (rc) {
        pk__fd_close(fd);
        pk__serve_stop_workers(s);
        pk__http_server_destroy(s->engine);
        pk__serve_free(s);
        return rc;
    }
    s->engine->desc.on_destroyed = pk__serve_free;
    *out = s;
    return PK_OK;
}

PK_API void pk_server_destroy(pk_server *server)
{
    if (!server) {
        return;
    }
    pk__atomic_store(&server->canceled, 1);
    pk__serve_stop_workers(server);
    pk__http_server_destroy(server->engine); // and then pk__serve_free, perhaps later
}

PK_API pk_err pk_server_add(pk_server *server, const pk_route *route, pk_error *err)
{
    return pk__routes_add(&server->routes, route, err);
}

PK_API void pk_server_limit_peers(pk_server *server, size_t connections)
{
    pk__http_server_limit_peers(server->engine, connections);
}

PK_API const char *pk_server_address(const pk_server *server)
{
    return server->address;
}

PK_API void pk_server_drain(pk_server *server)
{
    pk__http_server_drain(server->engine);
}

PK_API bool pk_server_is_idle(const pk_server *server)
{
    return server->running == 0;
}
#endif
