/* http_client_read.c - the answer: received once, used up at once, reported as it comes. */
#include "../base/error.h"
#include "http_client.h"
#include "socket.h"

#include <string.h>

enum { PK__HTTP_CLIENT_INTERIM = 32 }; // answers before the answer

#ifndef PLUGKIT_NO_NET
/* Sees to it that a receive waits no longer than the exchange may. The timeout that is set is rarely the one we need,
 * and setting it costs a call to the system. But a shorter one does as well: the receive comes back early, and then the
 * exact rest is set. So it is a power of two, which the deadlines of the calls to come do not fall below either. */
static bool pk__http_client_set_timeout(pk__http_client *c, int64_t left, bool exact)
{
    int64_t ns = left;
    if (left <= 0) {
        return false;
    }
    if (!exact) {
        if (c->timeout_ns != 0 && c->timeout_ns <= left) {
            return true;
        }
        for (ns = PK__MS; ns <= left / 2;) {
            ns *= 2;
        }
        ns = PK__MIN(ns, left);
    }
    if (!pk__socket_set_timeout(c->fd, ns)) {
        c->timeout_ns = 0;
        return false;
    }
    c->timeout_ns = ns;
    return true;
}

/* Makes the socket one whose receive waits until the deadline. */
static bool pk__http_client_can_wait(pk__http_client *c)
{
    int64_t deadline = c->x->deadline;
    if (c->is_nonblocking && pk__fd_set_nonblock(c->fd, false, NULL)) {
        return false;
    }
    c->is_nonblocking = false;
    return deadline == PK_FOREVER || pk__http_client_set_timeout(c, deadline - pk__http_client_now(c->x), false);
}

static pk_io pk__http_client_recv_once(pk__http_client *c, bool wait, size_t *got, pk_error *err)
{
    char *at = c->room->bytes + c->end;
    size_t cap = PK__HTTP_CLIENT_ROOM - c->end;
    return PK__SECURE_ON(c->secure) ? c->secure->table->recv(c->secure, at, cap, wait, got, err)
                                    : pk__socket_recv(c->fd, at, cap, wait, got, err);
}

static pk_io pk__http_client_recv_socket(pk__http_client *c, bool wait, size_t *got, pk_error *err)
{
    int64_t deadline = c->x->deadline;
    if (wait && !pk__http_client_can_wait(c)) {
        wait = false;
        if (!pk__fd_wait(c->fd, true, false, deadline)) {
            return PK_IO_WANT_READ;
        }
    }
    c->x->now = 0;
    pk_io io = pk__http_client_recv_once(c, wait, got, err);
    if (io == PK_IO_WANT_READ && wait && deadline != PK_FOREVER) {
        (void)pk__http_client_set_timeout(c, deadline - pk__clock_ns(), true);
    }
    return io;
}

/* Awake. WANT_READ: nothing has come. */
static pk_io pk__http_client_look(pk__http_client *c, size_t *got, pk_error *err)
{
    int64_t end = pk__clock_ns() + c->spin.ns;
    pk_io io;
    end = PK__MIN(end, c->x->deadline);
    do {
        io = pk__http_client_recv_once(c, false, got, err);
        c->x->now = pk__clock_ns();
    } while (io == PK_IO_WANT_READ && c->x->now < end);
    pk__spin_learn(&c->spin, io != PK_IO_WANT_READ);
    return io;
}
#else // there are none
static pk_io pk__http_client_look(pk__http_client *c, size_t *got, pk_error *err)
{
    (void)c, (void)got, (void)err;
    return PK_IO_CLOSED;
}

static pk_io pk__http_client_recv_socket(pk__http_client *c, bool wait, size_t *got, pk_error *err)
{
    (void)c, (void)wait, (void)got, (void)err;
    return PK_IO_CLOSED;
}
#endif

/* From a transport of the user's. */
static pk_io pk__http_client_recv_other(pk__http_client *c, size_t *got, pk_error *err)
{
    char *at = c->room->bytes + c->end;
    size_t cap = PK__HTTP_CLIENT_ROOM - c->end;
    return PK__SECURE_ON(c->secure) ? c->secure->table->recv(c->secure, at, cap, false, got, err)
                                    : c->desc.transport->recv(c->io, at, cap, got, err);
}

static pk_io pk__http_client_bad(pk_error *err, const char *why)
{
    (void)pk_error_set(err, PK_ERR_HTTP, "cannot read the answer: %s", why);
    return PK_IO_FAILED;
}

static pk_io pk__http_client_too_long(pk__http_client *c, pk_error *err)
{
    (void)pk_error_set(err, PK_ERR_LIMIT, "cannot read the answer: its body is larger than %llu bytes",
                       (unsigned long long)c->x->max_body);
    return PK_IO_FAILED;
}

/* Runs a callback. False: it failed, or it ended or destroyed what we are working on. */
static bool pk__http_client_tell_head(pk__http_client *c, const pk__http_answer *answer, pk_error *err)
{
    pk__http_exchange *x = c->x;
    c->depth++;
    pk_err rc = x->on_head ? x->on_head(x->user, answer, err) : PK_OK;
    c->depth--;
    return rc == PK_OK && c->x == x;
}

static bool pk__http_client_tell_chunk(pk__http_client *c, pk_str bytes, pk_error *err)
{
    pk__http_exchange *x = c->x;
    x->bytes_in += bytes.len;
    if (!x->on_chunk || bytes.len == 0) {
        return true;
    }
    c->depth++;
    pk_err rc = x->on_chunk(x->user, bytes, err);
    c->depth--;
    return rc == PK_OK && c->x == x;
}

static pk_io pk__http_client_take_head(pk__http_client *c, pk_error *err)
{
    pk__http_exchange *x = c->x;
    pk__http_head *h = &c->head;
    switch (pk__http_head_parse(h, c->room->bytes + c->begin, c->end - c->begin)) {
    case PK__HTTP_MORE: return PK_IO_WANT_READ;
    case PK__HTTP_ERROR: return pk__http_client_bad(err, h->error);
    default: break;
    }
    c->begin += h->size;
    if (h->status < 200) {
        if (h->status == 101) {
            return pk__http_client_bad(err, "it switches protocols, which nobody asked for");
        }
        if (++c->interim > PK__HTTP_CLIENT_INTERIM) {
            return pk__http_client_bad(err, "interim answers do not end");
        }
        pk__http_limits limits = h->limit;
        pk__http_head_init(h, PK__HTTP_RESPONSE, c->room->fields, &limits);
        return PK_IO_DONE; // an interim answer; the real one follows
    }
    x->sent = PK_SENT_ANSWERED;
    pk__http_head_response(h, pk_str_is(x->method, "HEAD"));
    c->stopped = h->status >= 300 && c->out.pending; // it does not want the rest
    if (h->framing == PK__HTTP_LENGTH && x->max_body > 0 && h->length > x->max_body) {
        return pk__http_client_too_long(c, err);
    }
    pk__http_answer answer;
    answer.status = h->status;
    answer.fields = h->fields;
    answer.field_count = h->field_count;
    answer.length = h->framing == PK__HTTP_LENGTH ? (int64_t)h->length : h->framing == PK__HTTP_NO_BODY ? 0 : -1;
    c->left = h->length;
    c->rx = h->framing == PK__HTTP_NO_BODY ? PK__HTTP_RX_DONE : PK__HTTP_RX_BODY;
    pk__http_chunk_init(&c->chunk);
    return pk__http_client_tell_head(c, &answer, err) ? PK_IO_DONE : PK_IO_FAILED;
}

/* One run of the body's bytes, out of what has come. */
static pk_io pk__http_client_take_body(pk__http_client *c, pk_error *err)
{
    pk__http_exchange *x = c->x;
    pk_str in = {c->room->bytes + c->begin, c->end - c->begin}, data = {NULL, 0};
    bool is_last = false;
    switch (c->head.framing) {
    case PK__HTTP_CHUNKED: {
        pk__chunk_result r = pk__http_chunk_next(&c->chunk, &in, &data);
        if (r == PK__CHUNK_ERROR) {
            return pk__http_client_bad(err, c->chunk.error);
        }
        c->begin = c->end - in.len;
        is_last = r == PK__CHUNK_DONE;
        if (r == PK__CHUNK_MORE) {
            return PK_IO_WANT_READ;
        }
        break;
    }
    case PK__HTTP_LENGTH:
        data = in;
        data.len = (size_t)PK__MIN(c->left, (uint64_t)in.len);
        c->left -= data.len;
        c->begin += data.len;
        is_last = c->left == 0;
        break;
    default:
        data = in;
        c->begin = c->end;
        break;
    }
    if (x->max_body > 0 && data.len > x->max_body - x->bytes_in) {
        return pk__http_client_too_long(c, err);
    }
    if (!pk__http_client_tell_chunk(c, data, err)) {
        return PK_IO_FAILED;
    }
    if (is_last) {
        c->rx = PK__HTTP_RX_DONE;
    }
    return PK_IO_DONE;
}

/* Uses up what has come. WANT_READ: more is needed, or nobody wants more now. */
static pk_io pk__http_client_take(pk__http_client *c, pk_error *err)
{
    pk_io io = PK_IO_DONE;
    while (io == PK_IO_DONE && c->rx != PK__HTTP_RX_DONE) {
        if (c->paused || c->begin == c->end) {
            io = PK_IO_WANT_READ;
        } else {
            io = c->rx == PK__HTTP_RX_HEAD ? pk__http_client_take_head(c, err) : pk__http_client_take_body(c, err);
        }
    }
    if (io == PK_IO_WANT_READ && c->begin > 0 && !c->paused) {
        memmove(c->room->bytes, c->room->bytes + c->begin, c->end - c->begin); // part of a line, at most
        c->end -= c->begin;
        c->begin = 0;
    }
    return io;
}

/* The server has closed the connection, or it broke. */
static pk_io pk__http_client_take_end(pk__http_client *c, pk_io io, pk_error *err)
{
    if (io == PK_IO_CLOSED && c->rx == PK__HTTP_RX_BODY && c->head.framing == PK__HTTP_UNTIL_CLOSE) {
        c->rx = PK__HTTP_RX_DONE;
        return PK_IO_DONE;
    }
    c->x->is_stale = c->used && !c->got_any;
    if (io == PK_IO_CLOSED) {
        const char *what = c->got_any ? "was cut off" : "did not come";
        if (c->send_errno != 0) {
            (void)pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, c->send_errno,
                               "cannot read the answer: it %s, and the request was not taken to its end", what);
        } else {
            (void)pk_error_set(err, PK_ERR_PLUGIN_CONNECTION,
                               "cannot read the answer: it %s: the connection was closed", what);
        }
    }
    return PK_IO_FAILED;
}

PK__FN pk_io pk__http_client_pull(pk__http_client *c, bool wait, pk_error *err)
{
    size_t got = 0;
    pk_io io = pk__http_client_take(c, err); // what a pause left
    if (io != PK_IO_WANT_READ || c->paused) {
        return io;
    }
    size_t room = PK__HTTP_CLIENT_ROOM - c->end;
    bool looks = wait && c->is_socket && pk__spin_try(&c->spin);
    io = looks ? pk__http_client_look(c, &got, err) : PK_IO_WANT_READ;
    if (io == PK_IO_WANT_READ) {
        io = c->is_socket ? pk__http_client_recv_socket(c, wait, &got, err) : pk__http_client_recv_other(c, &got, err);
    }
    if (io == PK_IO_CLOSED || io == PK_IO_FAILED) {
        return pk__http_client_take_end(c, io, err);
    }
    if (io != PK_IO_DONE) {
        return PK_IO_WANT_READ;
    }
    c->end += got;
    c->got_any = true;
    io = pk__http_client_take(c, err);
    /* A socket that gave less than we had room for is empty: asking again would cost a call to hear just that. */
    bool has_more = got == room || !c->is_socket || (PK__SECURE_ON(c->secure) && c->secure->has_more);
    return io == PK_IO_WANT_READ && !wait && has_more ? PK_IO_DONE : io;
}
