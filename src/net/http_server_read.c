/* http_server_read.c - requests as they come: head, body, and what nobody wants. */
#include "http_server.h"
#ifndef PLUGKIT_NO_NET
#include "../base/error.h"
#include "../base/memory.h"
#include "socket.h"

#include <string.h>

enum {
    PK__HTTP_SERVER_PIECE = 64 * 1024, // of a body that is received into its own memory
    PK__HTTP_SERVER_DRAIN = 256 * 1024, // of a body that nobody wanted
    PK__HTTP_SERVER_LINGER_MS = 2000
};

PK__FN pk_io pk__http_link_recv(pk__http_link *l, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return PK__SECURE_ON(l->secure) ? l->secure->table->recv(l->secure, buf, cap, false, got, err)
                                    : pk__socket_recv(l->watch.fd, buf, cap, false, got, err);
}

/* Receives behind what is there. ON: something came; READ: nothing yet; CLOSE: it was the end. */
static pk__http_step pk__http_link_receive(pk__http_link *l, char *at, size_t room, size_t *got)
{
    if (!l->can_read) {
        return PK__HTTP_STEP_READ;
    }
    if (l->share == 0) {
        return PK__HTTP_STEP_YIELD;
    }
    l->share--;
    pk_io io = pk__http_link_recv(l, at, room, got, NULL);
    l->took_all = io == PK_IO_DONE && *got < room && !(PK__SECURE_ON(l->secure) && l->secure->has_more);
    /* Who took all need not ask again to hear so, if he is told of more anyway, or has no use for it now (see
     * pk__http_link_next). */
    l->can_read = io == PK_IO_DONE && (!l->took_all || l->watch.pk__news);
    if (PK__SECURE_BUILT && io == PK_IO_WANT_WRITE) {
        l->can_read = true; // whatever wakes us
        return PK__HTTP_STEP_WRITE;
    }
    return io == PK_IO_DONE ? PK__HTTP_STEP_ON : io == PK_IO_WANT_READ ? PK__HTTP_STEP_READ : PK__HTTP_STEP_CLOSE;
}

PK__FN pk__http_step pk__http_link_receive_job(pk__http_link *l)
{
    size_t got = 0;
    pk__http_job *job = l->job;
    pk__http_step step = pk__http_link_receive(l, job->buf + job->end, job->cap - job->end, &got);
    job->end += step == PK__HTTP_STEP_ON ? got : 0;
    job->is_fresh = job->is_fresh && job->end == 0;
    return step;
}

/* ---- the head */

/* The head is there: what happens with the body? */
static pk__http_step pk__http_link_begin(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_job *job = l->job;
    pk__http_head *h = &job->head;
    job->keep = h->keep_alive && !pk__atomic_load(&s->draining);
    job->left = h->framing == PK__HTTP_LENGTH ? h->length : 0;
    job->body_done = h->framing == PK__HTTP_NO_BODY;
    job->wants_continue = h->expects_continue && job->at == job->end; // who sends it already does not wait for us
    pk__http_chunk_init(&job->chunk);
    l->state = PK__HTTP_LINK_WORK;
    if (l->share > 0) {
        l->share--;
    }
    pk__http_link_due(l, 0);
    job->told = true;
    switch (s->desc.on_head(s->desc.user, job)) {
    case PK__HTTP_ANSWERED: return PK__HTTP_STEP_ON;
    case PK__HTTP_READ: s->desc.on_job(s->desc.user, job); return PK__HTTP_STEP_ON;
    default: break;
    }
    if (job->left > s->desc.body_bytes) {
        return pk__http_link_refuse(l, 413, "the body is larger than is accepted here");
    }
    l->state = PK__HTTP_LINK_BODY;
    return PK__HTTP_STEP_ON;
}

PK__FN pk__http_step pk__http_link_head(pk__http_link *l)
{
    pk__list_remove(&l->idle);
    if (!l->job && !pk__http_job_take(l)) {
        return PK__HTTP_STEP_CLOSE;
    }
    pk__http_job *job = l->job;
    if (l->share == 0 && job->end > 0) {
        return PK__HTTP_STEP_YIELD;
    }
    for (;;) {
        switch (pk__http_head_parse(&job->head, job->buf, job->end)) {
        case PK__HTTP_DONE: job->at = job->head.size; return pk__http_link_begin(l);
        case PK__HTTP_ERROR: return pk__http_link_refuse(l, job->head.error_status, job->head.error);
        default: break;
        }
        pk__http_step step = pk__http_link_receive_job(l);
        if (step == PK__HTTP_STEP_READ && l->state == PK__HTTP_LINK_IDLE && job->end > 0) {
            l->state = PK__HTTP_LINK_HEAD; // the clock runs from the first bytes on, whatever comes after them
            pk__http_link_due(l, l->server->desc.header_ms);
        }
        if (step != PK__HTTP_STEP_ON) {
            return step;
        }
    }
}

/* ---- the body */

PK__FN bool pk__http_job_continue(pk__http_job *job)
{
    static const pk_str line = PK_STR_INIT("HTTP/1.1 100 Continue\r\n\r\n");
    size_t sent = 0;
    if (!job->wants_continue) {
        return true;
    }
    job->wants_continue = false;
    pk__wire wire = pk__http_link_wire(job->link);
    return wire.transport->send(wire.io, &line, 1, &sent, NULL) == PK_IO_DONE && sent == line.len;
}

/* The next run of data, at most so long, of what has come of the body. MORE: all of it is used up, and there is room
 * behind the head. DONE: body_done. */
PK__FN pk__chunk_result pk__http_job_next(pk__http_job *job, size_t most, pk_str *data)
{
    pk_str in = {job->buf + job->at, PK__MIN(job->end - job->at, most)};
    pk__chunk_result r = PK__CHUNK_DONE;
    *data = in;
    if (job->head.framing == PK__HTTP_CHUNKED) {
        do { // with less than what has come, it may find nothing in it
            r = pk__http_chunk_next(&job->chunk, &in, data);
            job->at = (size_t)(in.ptr - job->buf);
            in.len = PK__MIN(job->end - job->at, most);
        } while (r == PK__CHUNK_MORE && in.len > 0);
    } else if (job->left > 0) {
        data->len = (size_t)PK__MIN((uint64_t)in.len, job->left);
        job->at += data->len;
        job->left -= data->len;
        r = data->len > 0 ? PK__CHUNK_DATA : PK__CHUNK_MORE;
    }
    job->body_done = r == PK__CHUNK_DONE || (job->head.framing != PK__HTTP_CHUNKED && job->left == 0);
    if (r == PK__CHUNK_MORE) {
        job->at = job->head.size;
        job->end = job->at;
    }
    return r;
}

static pk__http_step pk__http_link_body_failed(pk__http_link *l)
{
    return l->job->collected.failed == PK_ERR_LIMIT
               ? pk__http_link_refuse(l, 413, "the body is larger than is accepted here")
               : pk__http_link_refuse(l, 503, "out of memory");
}

/* A body with a length: where it came in one piece with its head it stays there, otherwise it is received into memory
 * that grows with what really comes, not with what was announced. */
static pk__http_step pk__http_link_body_plain(pk__http_link *l)
{
    pk__http_job *job = l->job;
    size_t got = 0;
    pk_str here = {job->buf + job->at, (size_t)PK__MIN((uint64_t)(job->end - job->at), job->left)};
    job->at += here.len;
    job->left -= here.len;
    if (job->left == 0 && job->collected.len == 0) {
        job->body = here;
        job->body_done = true;
        return PK__HTTP_STEP_ON;
    }
    size_t room = (size_t)PK__MIN(job->left, (uint64_t)PK__HTTP_SERVER_PIECE);
    if (!pk_buf_add(&job->collected, here) || !pk_buf_reserve(&job->collected, room)) {
        return pk__http_link_body_failed(l);
    }
    pk__http_step step = pk__http_link_receive(l, job->collected.ptr + job->collected.len, room, &got);
    if (step == PK__HTTP_STEP_ON) {
        job->collected.len += got;
        job->left -= got;
        job->body_done = job->left == 0;
        job->body = pk_buf_str(&job->collected);
    }
    return step;
}

static pk__http_step pk__http_link_body_chunked(pk__http_link *l)
{
    pk__http_job *job = l->job;
    pk_str data;
    for (;;) {
        switch (pk__http_job_next(job, SIZE_MAX, &data)) {
        case PK__CHUNK_DATA:
            if (!pk_buf_add(&job->collected, data)) {
                return pk__http_link_body_failed(l);
            }
            break;
        case PK__CHUNK_ERROR: return pk__http_link_refuse(l, 400, job->chunk.error);
        case PK__CHUNK_DONE: job->body = pk_buf_str(&job->collected); return PK__HTTP_STEP_ON;
        default: return pk__http_link_receive_job(l);
        }
    }
}

PK__FN pk__http_step pk__http_link_body(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_job *job = l->job;
    while (!job->body_done) {
        pk__http_step step = job->head.framing == PK__HTTP_CHUNKED ? pk__http_link_body_chunked(l)
                                                                   : pk__http_link_body_plain(l);
        if (step == PK__HTTP_STEP_READ) {
            if (!pk__http_job_continue(job)) {
                return PK__HTTP_STEP_CLOSE;
            }
            pk__http_link_due(l, s->desc.body_ms);
        }
        if (step != PK__HTTP_STEP_ON || l->state != PK__HTTP_LINK_BODY) {
            return step;
        }
    }
    l->state = PK__HTTP_LINK_WORK;
    pk__http_link_due(l, 0);
    s->desc.on_job(s->desc.user, job);
    return PK__HTTP_STEP_ON;
}

/* ---- bodies that handlers read themselves */

/* Waits for more in the job's buffer, or in *buf. */
static pk_err pk__http_job_wait(pk__http_job *job, char *buf, size_t cap, size_t *got, pk_error *err)
{
    int fd = job->link->watch.fd;
    int64_t piece = pk__clock_after_ms(pk__clock_ns(), job->server->desc.body_ms);
    if (!pk__http_job_continue(job)) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot read the request's body: the connection was closed");
    }
    for (;;) {
        pk_io io = pk__http_link_recv(job->link, buf, cap, got, err);
        bool writes = PK__SECURE_BUILT && io == PK_IO_WANT_WRITE;
        switch (writes ? PK_IO_WANT_READ : io) {
        case PK_IO_DONE: return PK_OK;
        case PK_IO_WANT_READ: break;
        case PK_IO_CLOSED:
            return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION,
                                "cannot read the request's body: the caller has hung up");
        default: return PK_ERR_PLUGIN_CONNECTION;
        }
        if (!pk__fd_wait(fd, true, writes, PK__MIN(piece, job->deadline))) {
            return pk_error_set(err, PK_ERR_PLUGIN_TIMEOUT, "cannot read the request's body: it did not come in time");
        }
    }
}

static pk_err pk__http_job_read(pk__http_job *job, char *buf, size_t cap, size_t *got, pk_error *err)
{
    for (;;) {
        size_t came = 0;
        pk_str data;
        switch (pk__http_job_next(job, cap, &data)) {
        case PK__CHUNK_DATA:
            memcpy(buf, data.ptr, data.len);
            *got = data.len;
            return PK_OK;
        case PK__CHUNK_DONE: return PK_OK;
        case PK__CHUNK_ERROR:
            return pk_error_set(err, PK_ERR_HTTP, "cannot read the request's body: %s", job->chunk.error);
        default: break;
        }
        bool direct = job->head.framing != PK__HTTP_CHUNKED; // nothing stands between the bytes
        char *to = direct ? buf : job->buf + job->end;
        size_t room = direct ? (size_t)PK__MIN((uint64_t)cap, job->left) : job->cap - job->end;
        pk_err rc = pk__http_job_wait(job, to, room, &came, err);
        if (rc) {
            return rc;
        }
        if (direct) {
            job->left -= came;
            job->body_done = job->left == 0;
            *got = came;
            return PK_OK;
        }
        job->end += came;
    }
}

PK__FN pk_err pk__http_server_read(pk__http_job *job, void *buf, size_t cap, size_t *got, pk_error *err)
{
    *got = 0;
    if (job->body_done || cap == 0) {
        return PK_OK;
    }
    pk_err rc = pk__http_job_read(job, (char *)buf, cap, got, err);
    if (rc) {
        job->keep = false; // where the next request begins is not known
    }
    return rc;
}

PK__FN bool pk__http_server_is_gone(pk__http_job *job)
{
    char byte;
    pk__secure *secure = job->link->secure;
    if (PK__SECURE_ON(secure)) {
        return secure->table->is_gone(secure);
    }
    ssize_t n = PK__SYS(recv)(job->link->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* ---- what nobody wants */

/* The rest of a request's body, so that the connection can go on. */
static pk__http_step pk__http_link_drain(pk__http_link *l)
{
    pk__http_job *job = l->job;
    pk__http_step step = PK__HTTP_STEP_ON;
    pk_str data;
    while (!job->body_done && step == PK__HTTP_STEP_ON) {
        size_t before = job->end - job->at;
        pk__chunk_result r = pk__http_job_next(job, SIZE_MAX, &data);
        l->thrown += before - (job->end - job->at);
        if (r == PK__CHUNK_ERROR || l->thrown > PK__HTTP_SERVER_DRAIN) {
            return PK__HTTP_STEP_CLOSE;
        }
        if (r == PK__CHUNK_MORE) {
            step = pk__http_link_receive_job(l);
        }
    }
    if (job->body_done) {
        pk__http_link_next(l);
    }
    return step;
}

static pk__http_step pk__http_link_linger(pk__http_link *l)
{
    char waste[4096];
    size_t got = 0;
    if (PK__SECURE_ON(l->secure)) {
        if (l->secure->table->end(l->secure) == PK_IO_WANT_WRITE) {
            pk__http_link_due(l, PK__HTTP_SERVER_LINGER_MS);
            return PK__HTTP_STEP_WRITE;
        }
        l->secure->table->close(l->secure);
        l->secure = NULL;
    }
    if (l->thrown == 0) {
        (void)PK__SYS(shutdown)(l->watch.fd, SHUT_WR);
        pk__http_link_due(l, PK__HTTP_SERVER_LINGER_MS);
        l->thrown = 1;
        l->can_read = true;
    }
    pk__http_step step;
    while ((step = pk__http_link_receive(l, waste, sizeof(waste), &got)) == PK__HTTP_STEP_ON) {
        l->thrown += got;
        if (l->thrown > l->server->desc.body_bytes) {
            return PK__HTTP_STEP_CLOSE;
        }
    }
    return step;
}

PK__FN pk__http_step pk__http_link_throw(pk__http_link *l)
{
    return l->state == PK__HTTP_LINK_DRAIN ? pk__http_link_drain(l) : pk__http_link_linger(l);
}
#endif
