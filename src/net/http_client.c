/* http_client.c - a connection and the request on it. The answer is http_client_read.c's, waiting http_client_run.c's. */
#include "http_client.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../wire/http_write.h"
#include "socket.h"

#include <string.h>

enum {
    PK__HTTP_CLIENT_TURNS = 16,  // receives before others have their turn
    PK__HTTP_CLIENT_RETRY_MS = 2 // when the server's queue is full
};

/* ---- what is different about sockets */

#ifndef PLUGKIT_NO_NET
/* sendfile has no MSG_DONTWAIT, as everything else has. */
static pk_err pk__http_client_no_waiting(pk__http_client *c, pk_error *err)
{
    pk_err rc = c->is_nonblocking ? PK_OK : pk__fd_set_nonblock(c->fd, true, err);
    c->is_nonblocking = rc == PK_OK;
    return rc;
}

static pk_err pk__http_client_check_peer(pk__http_client *c, pk_error *err)
{
    if (c->connecting && pk__socket_connected(c->fd, c->desc.address, err)) {
        return PK_ERR_PLUGIN_CONNECTION;
    }
    bool asks = c->desc.address->kind == PK__ADDRESS_UNIX && !c->desc.any_uid;
    return asks ? pk__fd_check_peer(c->fd, NULL, err) : PK_OK;
}

static bool pk__http_client_is_quiet(pk__http_client *c)
{
    return pk__socket_is_quiet(c->fd);
}

static void pk__http_client_cut(int fd)
{
    (void)PK__SYS(shutdown)(fd, SHUT_RDWR);
}
#else // without the built-in transports there are no sockets, and none of these is reached
static pk_err pk__http_client_no_waiting(pk__http_client *c, pk_error *err)
{
    (void)c, (void)err;
    return PK_OK;
}

static pk_err pk__http_client_check_peer(pk__http_client *c, pk_error *err)
{
    (void)c, (void)err;
    return PK_OK;
}

static bool pk__http_client_is_quiet(pk__http_client *c)
{
    (void)c;
    return true;
}

static void pk__http_client_cut(int fd)
{
    (void)fd;
}
#endif

/* ---- the connection */

PK__FN pk_err pk__http_client_create(pk__http_client **out, const pk__http_client_desc *desc, pk_error *err)
{
    pk__http_client *c = (pk__http_client *)pk__new(desc->alloc, sizeof(*c));
    *out = c;
    if (!c) {
        return pk__error_memory(err, "open a connection");
    }
    c->desc = *desc;
    c->fd = -1;
    c->is_socket = pk__transport_is_socket(desc->transport);
    c->spin.ns = desc->spin_ns;
    pk__http_out_init(&c->out, desc->alloc);
    return PK_OK;
}

static void pk__http_client_close(pk__http_client *c)
{
    if (PK__SECURE_ON(c->secure)) {
        pk__secure_close(c->secure, true);
        c->secure = NULL;
    }
    if (c->opened) {
        c->opened = false;
        c->fd = -1;
        c->desc.transport->close(c->io);
    }
}

PK__FN void pk__http_client_destroy(pk__http_client *c)
{
    if (!c) {
        return;
    }
    c->x = NULL;
    c->dead = true;
    pk__http_client_undrive(c);
    if (c->depth > 0) {
        c->doomed = true; // the callback that we are in returns to our code first
        return;
    }
    bool could_post = c->opened && c->fd < 0 && c->wakes;
    pk__http_client_close(c);
    if (could_post) { // a transport without a descriptor may have called just now
        pk_loop_unpost((pk_loop *)c->wakes, &c->task);
    }
    pk__http_client_shrink(c);
    pk__free(c->desc.alloc, c, sizeof(*c));
}

PK__FN void pk__http_client_shrink(pk__http_client *c)
{
    pk__http_out_deinit(&c->out);
    pk__free(c->desc.alloc, c->room, sizeof(*c->room));
    c->room = NULL;
}

PK__FN bool pk__http_client_is_reusable(const pk__http_client *c)
{
    return c->is_open && !c->dead && !c->x && pk__atomic_load(&c->interrupted) == 0;
}

PK__FN bool pk__http_client_is_alive(pk__http_client *c)
{
    if (PK__SECURE_ON(c->secure)) { // what lies on the socket may be no more than a new ticket
        char byte;
        size_t got = 0;
        return c->secure->table->recv(c->secure, &byte, 1, false, &got, NULL) == PK_IO_WANT_READ;
    }
    return !c->is_socket || pk__http_client_is_quiet(c);
}

PK__FN void pk__http_client_interrupt(pk__http_client *c)
{
    (void)pk__atomic_swap(&c->interrupted, 1);
    uint32_t fd = pk__atomic_add(&c->reach, 0); // either we see the descriptor, or its owner sees the interrupt
    if (fd != 0) {
        pk__http_client_cut((int)fd);
    }
}

PK__FN pk_err pk__http_client_needs_loop(const pk__http_client *c, pk_error *err)
{
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot wait for a '%s' connection: it has no descriptor",
                        c->desc.transport->scheme);
}

/* DONE: plain, or secure by now. WANT_*: the handshake goes on when the socket is ready for that. */
static pk_io pk__http_client_shake(pk__http_client *c, pk_error *err)
{
    if (!PK__SECURE_ON(c->desc.tls)) {
        return PK_IO_DONE;
    }
    if (!c->secure) {
        pk__secure_desc d;
        memset(&d, 0, sizeof(d));
        d.below.transport = c->desc.transport;
        d.below.io = c->io;
        d.below.socket = c->is_socket ? c->fd : -1;
        d.name = c->desc.tls_name;
        d.host = c->desc.tls_host;
        d.key = c->desc.text;
        if (pk__secure_table_of(c->desc.tls)->open(c->desc.tls, &d, &c->secure, err)) {
            return PK_IO_FAILED;
        }
    }
    pk_io io = c->secure->table->shake(c->secure, err);
    return io == PK_IO_CLOSED ? PK_IO_FAILED : io;
}

/* PK_IO_WANT_READ with retry_at: the server's queue is full. */
static pk_io pk__http_client_open(pk__http_client *c, pk_error *err)
{
    const pk_transport *t = c->desc.transport;
    pk_io io;
    if (!c->opened) {
        io = t->open(t->user, c->desc.text, &c->conn, &c->io, err);
        if (io == PK_IO_FAILED || io == PK_IO_CLOSED) {
            return PK_IO_FAILED;
        }
        if (io == PK_IO_WANT_READ) {
            t->close(c->io);
            c->retry_at = pk__clock_after_ms(pk__clock_ns(), PK__HTTP_CLIENT_RETRY_MS);
            return io;
        }
        c->retry_at = 0;
        c->opened = true;
        c->fd = t->fd(c->io);
        if (c->fd < 0 && !c->driven) {
            (void)pk__http_client_needs_loop(c, err);
            return PK_IO_FAILED;
        }
        if (c->is_socket) {
            (void)pk__atomic_swap(&c->reach, (uint32_t)c->fd);
            if (pk__atomic_add(&c->interrupted, 0) != 0) {
                return PK_IO_FAILED;
            }
        }
        if (io == PK_IO_WANT_WRITE) {
            c->connecting = true;
            return io;
        }
    }
    if (!c->secure && c->is_socket && pk__http_client_check_peer(c, err)) {
        return PK_IO_FAILED;
    }
    c->connecting = false;
    io = pk__http_client_shake(c, err);
    c->is_open = io == PK_IO_DONE;
    return io;
}

/* ---- the request */

static pk_err pk__http_client_check(const pk__http_exchange *x, pk_error *err)
{
    size_t at = 0;
    bool good = pk__http_head_is_token(x->method) && x->target.len > 0;
    for (size_t i = 0; i < x->target.len && good; i++) {
        good = x->target.ptr[i] > ' ' && x->target.ptr[i] != 0x7f; // bytes above are negative or sent as they are
    }
    if (!good) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot send a request: malformed method or path");
    }
    const char *why = pk__http_write_refused(x->fields, x->field_count, &at);
    if (why) {
        char name[64];
        (void)pk__error_clean(name, sizeof(name), x->fields[at].name);
        return pk_error_set(err, PK_ERR_MISUSE, "cannot send header '%s': %s", name, why);
    }
    for (size_t i = 0; i < x->own_count; i++) {
        if (!pk__http_head_is_value(x->own[i].value)) {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot send header '%.*s': the value holds control characters",
                                (int)PK__MIN(x->own[i].name.len, (size_t)64), x->own[i].name.ptr);
        }
    }
    return PK_OK;
}

/* Servers may refuse a POST without a length; a GET with one makes some of them wonder. */
static bool pk__http_client_states_empty(pk_str method)
{
    return pk_str_is(method, "POST") || pk_str_is(method, "PUT") || pk_str_is(method, "PATCH");
}

static void pk__http_client_write_head(pk__http_client *c, const pk__http_exchange *x)
{
    const pk_str content_type = PK_STR("Content-Type");
    static const pk_body none = {PK_STR_INIT(""), false, 0, 0, 0, NULL, NULL, PK_STR_INIT("")};
    const pk_body *body = x->body ? x->body : &none;
    uint64_t size = body->has_fd ? body->size : body->bytes.len;
    pk_buf *buf = &c->out.buf;
    pk__http_write_request(buf, x->method, x->target, c->desc.lines);
    pk__http_write_fields(buf, x->own, x->own_count);
    pk__http_write_fields(buf, x->fields, x->field_count);
    if ((size > 0 || body->read || body->content_type.len > 0) &&
        pk__http_head_find(x->fields, x->field_count, content_type).len == 0) {
        pk__http_write_field(buf, content_type,
                             body->content_type.len > 0 ? body->content_type : PK_STR("application/json"));
    }
    if (body->read) {
        pk__http_write_field(buf, PK_STR("Transfer-Encoding"), PK_STR("chunked"));
    } else if (size > 0 || pk__http_client_states_empty(x->method)) {
        pk__http_write_number(buf, PK_STR("Content-Length"), size);
    }
    pk__http_write_end(buf);
}

PK__FN int64_t pk__http_client_now(pk__http_exchange *x)
{
    if (x->now == 0) {
        x->now = pk__clock_ns();
    }
    return x->now;
}

PK__FN pk_err pk__http_client_begin(pk__http_client *c, pk__http_exchange *x, pk_error *err)
{
    static const pk__http_limits limits = {PK__HTTP_CLIENT_ROOM, PK__HTTP_CLIENT_ROOM, PK__HTTP_CLIENT_FIELDS};
    x->sent = PK_SENT_NO;
    x->is_stale = false;
    x->bytes_out = 0;
    x->bytes_in = 0;
    if (c->x || c->dead) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot send a request: the connection is in use or was closed");
    }
    pk_err rc = pk__http_client_check(x, err);
    if (rc) {
        return rc;
    }
    if (x->deadline != PK_FOREVER && pk__http_client_now(x) >= x->deadline) {
        return pk_error_set(err, PK_ERR_PLUGIN_TIMEOUT, "cannot send a request: the deadline has passed already");
    }
    if (!c->room) {
        c->room = (pk__http_client_room *)pk__resize(c->desc.alloc, NULL, 0, sizeof(*c->room));
        if (!c->room) {
            return pk__error_memory(err, "send a request");
        }
    }
    pk__http_out_reset(&c->out);
    pk__http_client_write_head(c, x);
    rc = pk__http_out_begin(&c->out, x->body, true, err);
    if (rc) {
        return rc;
    }
    pk__http_head_init(&c->head, PK__HTTP_RESPONSE, c->room->fields, &limits);
    c->x = x;
    c->stopped = false;
    c->send_errno = 0;
    c->begin = 0;
    c->end = 0;
    c->rx = PK__HTTP_RX_HEAD;
    c->interim = 0;
    c->got_any = false;
    c->paused = false;
    c->connect_by = c->desc.connect_ms > 0 && !c->is_open
                        ? pk__clock_after_ms(pk__http_client_now(x), c->desc.connect_ms)
                        : PK_FOREVER;
    return PK_OK;
}

static bool pk__http_client_sends(const pk__http_client *c)
{
    return c->out.pending && !c->stopped && c->send_errno == 0;
}

/* Sends as much as is taken; true: there is more when there is room again. *result FAILED: nothing at all was sent, or
 * the body could not be read. If the connection breaks in the middle there may be an answer all the same, which
 * explains it: that is no failure yet. */
static bool pk__http_client_push(pk__http_client *c, pk_io *result, pk_error *err)
{
    pk__http_exchange *x = c->x;
    pk__wire wire = {c->desc.transport, c->io, c->is_socket ? c->fd : -1};
    if (PK__SECURE_ON(c->secure)) {
        wire = pk__secure_wire(c->secure);
    }
    *result = PK_IO_FAILED;
    if (c->out.file_left > 0 && wire.socket >= 0 && pk__http_client_no_waiting(c, err)) {
        return false;
    }
    pk_io io = pk__http_out_push(&c->out, &wire, err);
    x->bytes_out = c->out.total;
    if (c->out.sent_any && x->sent == PK_SENT_NO) {
        x->sent = PK_SENT_MAYBE;
    }
    if (c->out.busy && !c->driven) {
        (void)pk_error_set(err, PK_ERR_BUSY, "cannot send a request: the body is not there yet");
        return false;
    }
    if (io == PK_IO_CLOSED) {
        if (x->sent == PK_SENT_NO) {
            x->is_stale = c->used;
            return false;
        }
        c->send_errno = err->sys_errno != 0 ? err->sys_errno : EPIPE;
    }
    *result = io == PK_IO_FAILED ? io : PK_IO_DONE;
    return io == PK_IO_WANT_WRITE;
}

/* ---- both together */

PK__FN pk_io pk__http_client_advance(pk__http_client *c, bool wait, pk_error *err)
{
    pk_io io = PK_IO_DONE;
    c->wants_read = false;
    c->wants_write = false;
    c->has_more = false;
    if (!c->is_open) {
        io = pk__http_client_open(c, err);
        c->wants_write = io == PK_IO_WANT_WRITE;
        c->wants_read = io == PK_IO_WANT_READ && c->retry_at == 0; // of a handshake
        if (io != PK_IO_DONE) {
            return io;
        }
    }
    bool more_room = pk__http_client_sends(c) ? pk__http_client_push(c, &io, err) : false;
    for (int turn = 0; io == PK_IO_DONE && c->rx != PK__HTTP_RX_DONE; turn++) {
        if (turn == PK__HTTP_CLIENT_TURNS) {
            c->has_more = true;
            break;
        }
        io = pk__http_client_pull(c, wait && !pk__http_client_sends(c), err);
    }
    if (io == PK_IO_FAILED || c->rx == PK__HTTP_RX_DONE) {
        return io;
    }
    c->wants_read = !c->paused;
    c->wants_write = more_room && pk__http_client_sends(c);
    if (PK__SECURE_ON(c->secure)) {
        c->wants_write |= c->secure->wants_write;
    }
    return PK_IO_WANT_READ;
}

PK__FN void pk__http_client_finish(pk__http_client *c)
{
    c->dead = c->dead || c->out.pending || !c->head.keep_alive || c->begin != c->end;
    c->used = true;
    c->x = NULL;
}

PK__FN void pk__http_client_fail(pk__http_client *c, pk_error *err)
{
    if (pk__atomic_load(&c->interrupted) != 0) {
        (void)pk_error_set(err, PK_ERR_CANCELED, "cannot finish the request: it was interrupted");
        c->x->is_stale = false;
    } else if (err->code == PK_OK) { // a transport of somebody else's that does not say why
        (void)pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot finish the request: the connection was closed");
    }
    err->sent = c->x->sent;
    c->dead = true;
    c->x = NULL;
}
