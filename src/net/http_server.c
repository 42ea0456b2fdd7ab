/* http_server.c - the listener: who may come in, how many of whom, and how it all ends. */
#include "http_server.h"
#ifndef PLUGKIT_NO_NET
#include "../base/error.h"
#include "../base/memory.h"
#include "socket.h"

#include <string.h>

enum {
    PK__HTTP_SERVER_ACCEPTS = 16, // connections taken before others have their turn
    PK__HTTP_SERVER_REST_MS = 50  // from accepting, when descriptors have run out
};

/* ---- the listener */

static bool pk__http_server_make_room(pk__http_server *s)
{
    if (s->link_count < s->desc.connections) {
        return true;
    }
    if (pk__list_is_empty(&s->idle)) {
        return false;
    }
    pk__http_link_close(PK__OF(s->idle.next, pk__http_link, idle)); // the one that has waited longest
    return true;
}

static void pk__http_server_add(pk__http_server *s, int fd)
{
    pk__http_link *l = NULL;
    pk__http_peer *peer = NULL;
    if ((!s->is_unix || s->desc.any_uid || pk__fd_check_peer(fd, NULL, NULL) == PK_OK) &&
        (!s->admit || s->admit(s, fd, &peer)) && pk__http_server_make_room(s)) {
        l = (pk__http_link *)pk__new(s->desc.alloc, sizeof(*l));
    }
    if (!l) {
        pk__http_peer_leave(s, peer);
        pk__fd_close(fd);
        return;
    }
    l->peer = peer;
    l->server = s;
    l->watch.fd = fd;
    l->watch.on_ready = pk__http_link_on_ready;
    l->watch.user = l;
    l->watch.pk__news = !PK__SECURE_ON(s->desc.tls); // there less may come than is there
    l->timer.on_time = pk__http_link_on_time;
    l->timer.user = l;
    if (PK__SECURE_ON(s->desc.tls)) {
        l->state = PK__HTTP_LINK_SHAKE;
    }
    pk__list_push(&s->links, &l->node);
    pk__list_push(&s->idle, &l->idle);
    s->link_count++;
    pk__http_link_due(l, s->desc.header_ms); // for the first request; those after it may take their time
    if (!pk__http_link_watch(l, true, false)) {
        pk__http_link_close(l);
    }
}

static void pk__http_server_mute(pk__http_server *s)
{
    if (s->accepting) {
        pk_watch_remove(s->desc.loop, &s->listener);
        s->accepting = false;
    }
}

PK__FN void pk__http_server_listen(pk__http_server *s)
{
    if (s->accepting || pk__atomic_load(&s->draining) || pk__timer_is_running(&s->rest)) {
        return;
    }
    s->accepting = pk_watch_add(s->desc.loop, &s->listener, true, false, NULL) == PK_OK;
    if (!s->accepting) {
        (void)pk_timer_start(s->desc.loop, &s->rest, PK__HTTP_SERVER_REST_MS, NULL);
    }
}

static void pk__http_server_on_rest(void *user)
{
    pk__http_server_listen((pk__http_server *)user);
}

/* Without descriptors the listener stays readable: asking again at once would only burn the processor. */
static void pk__http_server_take_rest(pk__http_server *s)
{
    if (pk_timer_start(s->desc.loop, &s->rest, PK__HTTP_SERVER_REST_MS, NULL) == PK_OK) {
        pk__http_server_mute(s);
    }
}

static void pk__http_server_on_ready(void *user, bool can_read, bool can_write)
{
    pk__http_server *s = (pk__http_server *)user;
    (void)can_read, (void)can_write;
    pk__http_server_enter(s);
    for (int i = 0; i < PK__HTTP_SERVER_ACCEPTS && s->accepting; i++) {
        int fd = -1;
        if (s->link_count >= s->desc.connections && pk__list_is_empty(&s->idle)) {
            pk__http_server_mute(s); // until one is closed
            break;
        }
        if (pk__socket_accept(s->listener.fd, &s->reserve, &fd, NULL)) {
            pk__http_server_take_rest(s);
            break;
        }
        if (fd < 0) {
            break;
        }
        pk__http_server_add(s, fd);
    }
    pk__http_server_leave(s);
}

/* ---- limits per peer: linked in by who asks for them */

/* In words, as far as that goes: he has not asked yet, or has asked in vain. */
static bool pk__http_peer_refuse(const pk__http_server *s, int fd)
{
    static const pk_str busy = PK_STR_INIT("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
                                           "Connection: close\r\n\r\n");
    size_t sent = 0;
    if (!PK__SECURE_ON(s->desc.tls)) {
        (void)pk__socket_send(fd, &busy, 1, &sent, NULL);
    }
    return false;
}

PK__FN void pk__http_peer_leave(pk__http_server *s, pk__http_peer *p)
{
    if (p && --p->count == 0) {
        pk__list_remove(&p->node);
        pk__free(s->desc.alloc, p, sizeof(*p));
    }
}

static bool pk__http_peer_enter(pk__http_server *s, int fd, pk__http_peer **out)
{
    uint64_t id = 0;
    if (!pk__socket_peer(fd, &id)) {
        return false;
    }
    pk__node *list = &s->peers[id * 0x9e3779b97f4a7c15u >> 58], *n = list->next;
    while (n != list && PK__OF(n, pk__http_peer, node)->id != id) {
        n = n->next;
    }
    pk__http_peer *p = n != list ? PK__OF(n, pk__http_peer, node) : (pk__http_peer *)pk__new(s->desc.alloc, sizeof(*p));
    if (!p || p->count >= s->per_peer) {
        return pk__http_peer_refuse(s, fd);
    }
    if (p->count++ == 0) {
        p->id = id;
        pk__list_push(list, &p->node);
    }
    *out = p;
    return true;
}

PK__FN void pk__http_server_limit_peers(pk__http_server *s, size_t connections)
{
    for (size_t i = 0; i < PK__HTTP_SERVER_PEERS && !s->peers[i].next; i++) {
        pk__list_init(&s->peers[i]);
    }
    s->per_peer = connections;
    s->admit = connections > 0 ? pk__http_peer_enter : NULL;
}

/* ---- life */

PK__FN void pk__http_server_enter(pk__http_server *s)
{
    s->depth++;
}

PK__FN void pk__http_server_leave(pk__http_server *s)
{
    s->depth--;
    if (s->depth == 0 && s->doomed) {
        pk__http_server_destroy(s);
    }
}

PK__FN pk_err pk__http_server_create(pk__http_server **out, const pk__http_server_desc *desc, pk_error *err)
{
    pk__address local;
    pk__http_server *s = NULL;
    *out = NULL;
    pk_err rc = pk__socket_local(desc->listen_fd, &local, err);
    if (rc == PK_OK) {
        rc = pk__fd_set_nonblock(desc->listen_fd, true, err);
    }
    if (rc == PK_OK) {
        rc = pk__fd_set_cloexec(desc->listen_fd, true, err);
    }
    if (rc == PK_OK) {
        s = (pk__http_server *)pk__new(desc->alloc, sizeof(*s));
        rc = s ? PK_OK : pk__error_memory(err, "create a server");
    }
    if (rc) {
        pk__fd_close(desc->listen_fd);
        return rc;
    }
    s->desc = *desc;
    s->is_unix = local.kind == PK__ADDRESS_UNIX;
    s->reserve = -1;
    s->listener.fd = desc->listen_fd;
    s->listener.on_ready = pk__http_server_on_ready;
    s->listener.user = s;
    s->rest.on_time = pk__http_server_on_rest;
    s->rest.user = s;
    pk__list_init(&s->links);
    pk__list_init(&s->idle);
    pk__list_init(&s->spare);
    rc = pk_watch_add(desc->loop, &s->listener, true, false, err);
    s->accepting = rc == PK_OK;
    if (rc) {
        s->desc.on_destroyed = NULL;
        pk__http_server_destroy(s);
        return rc;
    }
    *out = s;
    return PK_OK;
}

/* Whoever has connected before the door is shut may have asked already. */
static void pk__http_server_last_guests(pk__http_server *s)
{
    int fd = 0;
    if (s->is_unix) {
        (void)PK__SYS(shutdown)(s->listener.fd, SHUT_RD); // connecting fails from now on
    }
    while (s->link_count < s->desc.connections && pk__socket_accept(s->listener.fd, &s->reserve, &fd, NULL) == PK_OK &&
           fd >= 0) {
        pk__http_server_add(s, fd);
    }
}

PK__FN void pk__http_server_drain(pk__http_server *s)
{
    if (pk__atomic_load(&s->draining)) {
        return;
    }
    pk__http_server_mute(s);
    pk_timer_stop(s->desc.loop, &s->rest);
    pk__atomic_store(&s->draining, 1);
    pk__http_server_enter(s);
    pk__http_server_last_guests(s);
    pk__fd_close(s->listener.fd);
    s->listener.fd = -1;
    for (pk__node *n; (n = pk__list_pop(&s->idle)) != NULL;) {
        pk__http_link *l = PK__OF(n, pk__http_link, idle);
        l->can_read = true; // a request that has come already is served
        if (!l->running) {
            pk__http_link_run(l);
        }
    }
    pk__http_server_leave(s);
}

PK__FN void pk__http_server_destroy(pk__http_server *s)
{
    if (!s) {
        return;
    }
    s->doomed = true;
    pk__atomic_store(&s->draining, 1);
    if (s->depth > 0) {
        return;
    }
    pk__http_server_mute(s);
    pk_timer_stop(s->desc.loop, &s->rest);
    while (!pk__list_is_empty(&s->links)) {
        pk__http_link_close(PK__OF(s->links.next, pk__http_link, node));
    }
    for (pk__node *n; (n = pk__list_pop(&s->spare)) != NULL;) {
        pk__http_job_free(PK__OF(n, pk__http_job, node));
    }
    pk__fd_close(s->listener.fd);
    pk__fd_close(s->reserve);
    void (*on_destroyed)(void *user) = s->desc.on_destroyed;
    void *user = s->desc.user;
    pk__free(s->desc.alloc, s, sizeof(*s));
    if (on_destroyed) {
        on_destroyed(user);
    }
}
#endif
