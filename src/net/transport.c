/* transport.c - unix and tcp as transports. */
#include "transport.h"
#include "socket.h"

PK_API void pk_conn_ready(pk_conn *conn)
{
    conn->on_ready(conn);
}

#ifndef PLUGKIT_NO_NET
/* The whole state of a connection is its descriptor, which is never 0 and so never a NULL. */
static int pk__transport_fd(void *state)
{
    return (int)(intptr_t)state;
}

static pk_io pk__transport_open(void *user, pk_str text, pk_conn *conn, void **state, pk_error *err)
{
    pk__address address;
    int fd = -1;
    (void)user, (void)conn;
    if (pk__address_parse(&address, text, err)) {
        return PK_IO_FAILED;
    }
    pk_io io = pk__socket_connect(&address, &fd, err);
    *state = (void *)(intptr_t)fd;
    return io;
}

static pk_io pk__transport_recv(void *state, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return pk__socket_recv(pk__transport_fd(state), buf, cap, false, got, err);
}

static pk_io pk__transport_send(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    return pk__socket_send(pk__transport_fd(state), parts, count, sent, err);
}

static void pk__transport_close(void *state)
{
    pk__fd_close(pk__transport_fd(state));
}

static const pk_transport pk__transport_unix = {
    "unix", pk__transport_open, pk__transport_recv, pk__transport_send, pk__transport_fd, pk__transport_close, NULL,
};
static const pk_transport pk__transport_tcp = {
    "tcp", pk__transport_open, pk__transport_recv, pk__transport_send, pk__transport_fd, pk__transport_close, NULL,
};

static const pk_transport *pk__transport_own(const pk__address *a)
{
    return a->kind == PK__ADDRESS_UNIX ? &pk__transport_unix : a->kind == PK__ADDRESS_TCP ? &pk__transport_tcp : NULL;
}

PK__FN const pk_transport *pk__transport_accepted(void **state, int fd)
{
    static const pk_transport accepted = {
        "accepted", NULL, pk__transport_recv, pk__transport_send, pk__transport_fd, pk__transport_close, NULL,
    };
    *state = (void *)(intptr_t)fd;
    return &accepted;
}

PK__FN bool pk__transport_is_socket(const pk_transport *t)
{
    return t == &pk__transport_unix || t == &pk__transport_tcp;
}
#else
static const pk_transport *pk__transport_own(const pk__address *a)
{
    (void)a;
    return NULL;
}

PK__FN bool pk__transport_is_socket(const pk_transport *t)
{
    (void)t;
    return false;
}
#endif

PK__FN const pk_transport *pk__transport_find(const pk_transport *const *more, size_t count, const pk__address *a)
{
    const char *scheme = a->kind == PK__ADDRESS_UNIX ? "unix" : a->kind == PK__ADDRESS_TCP ? "tcp" : a->host;
    for (size_t i = 0; i < count; i++) {
        if (pk_str_is(pk_str_from(scheme), more[i]->scheme)) {
            return more[i];
        }
    }
    return pk__transport_own(a);
}
