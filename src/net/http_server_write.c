/* http_server_write.c - answers on their way out. */
#include "http_server.h"
#ifndef PLUGKIT_NO_NET
#include "../base/error.h"
#include "../base/memory.h"
#include "../wire/http_write.h"
#include "socket.h"

#include <stdio.h>
#include <string.h>

static bool pk__http_job_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* Too much of the request is still to come to be worth reading: the connection ends with this answer. */
static bool pk__http_job_may_go_on(const pk__http_job *job)
{
    if (job->wants_continue || (!job->body_done && job->left > 256 * 1024)) {
        return false;
    }
    return job->keep && !pk__atomic_load(&job->server->draining);
}

static void pk__http_job_write_head(pk__http_job *job, const pk_body *body, bool has_body)
{
    const pk_response *a = &job->answer;
    pk_buf *buf = &job->out.buf;
    uint64_t size = body->has_fd ? body->size : body->bytes.len;
    const pk_str content_type = PK_STR("Content-Type");
    pk__http_write_status(buf, a->status);
    pk__http_write_fields(buf, a->fields, a->field_count);
    if (has_body && (size > 0 || body->read) && pk__http_head_find(a->fields, a->field_count, content_type).len == 0) {
        pk__http_write_field(buf, content_type,
                             body->content_type.len > 0 ? body->content_type : PK_STR("application/json"));
    }
    if (has_body && !body->read) {
        pk__http_write_number(buf, PK_STR("Content-Length"), size);
    } else if (has_body && job->head.minor == 1) {
        pk__http_write_field(buf, PK_STR("Transfer-Encoding"), PK_STR("chunked"));
    } else if (has_body) {
        job->keep = false; // HTTP/1.0: the end of the connection is the end of the body
    }
    if (!job->keep) {
        pk__http_write_field(buf, PK_STR("Connection"), PK_STR("close"));
    } else if (job->head.minor == 0) {
        pk__http_write_field(buf, PK_STR("Connection"), PK_STR("keep-alive"));
    }
    pk__http_write_end(buf);
}

static pk_err pk__http_job_prepare(pk__http_job *job, pk_error *err)
{
    pk_response *a = &job->answer;
    size_t at = 0;
    if (a->status == 0) {
        a->status = 200;
    }
    if (a->status < 200 || a->status > 999) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot answer with status %d", a->status);
    }
    const char *why = pk__http_write_refused(a->fields, a->field_count, &at);
    if (why || !pk__http_head_is_value(a->body.content_type)) {
        char name[64];
        (void)pk__error_clean(name, sizeof(name), why ? a->fields[at].name : pk_str_from("Content-Type"));
        return pk_error_set(err, PK_ERR_MISUSE, "cannot send header '%s': %s", name,
                            why ? why : "the value holds control characters");
    }
    bool has_body = pk__http_job_has_body(a->status);
    bool sends_body = has_body && !pk_str_is(job->head.method, "HEAD");
    job->keep = pk__http_job_may_go_on(job);
    pk__http_out_reset(&job->out);
    pk__http_job_write_head(job, &a->body, has_body);
    return pk__http_out_begin(&job->out, sends_body ? &a->body : NULL, job->head.minor == 1, err);
}

/* An answer of our own in the place of one that cannot be sent, or of none. The connection ends with it. */
static bool pk__http_job_refuse(pk__http_job *job, int status, const char *why)
{
    char text[PK__HTTP_SERVER_REFUSAL];
    const pk__http_server_desc *d = &job->server->desc;
    pk_response a;
    memset(&a, 0, sizeof(a));
    a.status = status;
    a.body.bytes.ptr = text;
    a.body.bytes.len = d->refusal(d->user, text, status, why);
    pk_body body = a.body;
    bool sends_body = !pk_str_is(job->head.method, "HEAD");
    job->keep = false;
    pk__http_out_reset(&job->out);
    job->answer = a;
    job->answer.body.bytes.len = 0; // it is copied
    pk__http_job_write_head(job, &body, true);
    return pk__http_out_begin(&job->out, sends_body ? &body : NULL, true, NULL) == PK_OK;
}

PK__FN pk__http_step pk__http_link_refuse(pk__http_link *l, int status, const char *why)
{
    if (!pk__http_job_refuse(l->job, status, why)) {
        return PK__HTTP_STEP_CLOSE;
    }
    l->job->answered = true;
    l->state = PK__HTTP_LINK_WRITE;
    return PK__HTTP_STEP_ON;
}

PK__FN pk__wire pk__http_link_wire(pk__http_link *l)
{
    pk__wire wire;
    if (PK__SECURE_ON(l->secure)) {
        return pk__secure_wire(l->secure);
    }
    wire.socket = l->watch.fd;
    wire.transport = pk__transport_accepted(&wire.io, wire.socket);
    return wire;
}

static pk_io pk__http_job_push(pk__http_job *job)
{
    pk_error err;
    pk__wire wire = pk__http_link_wire(job->link);
    pk__error_none(&err);
    job->state_out = pk__http_out_push(&job->out, &wire, &err);
    return job->state_out;
}

/* On a worker's thread: a reader is its business to the end, and may wait. So may we, while the peer takes some. */
static void pk__http_job_pump(pk__http_job *job)
{
    while (pk__http_job_push(job) == PK_IO_WANT_WRITE && job->answer.body.read) {
        int64_t until = pk__clock_after_ms(pk__clock_ns(), job->server->desc.body_ms);
        if (!pk__fd_wait(job->link->watch.fd, false, true, until)) {
            job->state_out = PK_IO_CLOSED;
            return;
        }
    }
}

PK__FN void pk__http_server_answer(pk__http_job *job)
{
    pk_error err;
    pk__error_none(&err);
    if (pk__http_job_prepare(job, &err) && !pk__http_job_refuse(job, 500, err.msg)) {
        job->state_out = PK_IO_CLOSED; // not even that fits into memory
    }
    if (job->detached) {
        if (job->state_out == PK_IO_DONE) {
            pk__http_job_pump(job);
        }
        pk_loop_post(job->server->desc.loop, &job->task);
    } else {
        job->answered = true;
        pk__http_link_answered(job->link);
    }
}

PK__FN pk__http_step pk__http_link_write(pk__http_link *l)
{
    pk__http_job *job = l->job;
    if (job->state_out != PK_IO_CLOSED && job->state_out != PK_IO_FAILED) {
        (void)pk__http_job_push(job);
    }
    switch (job->state_out) {
    case PK_IO_DONE: return PK__HTTP_STEP_ON;
    case PK_IO_WANT_WRITE: pk__http_link_due(l, l->server->desc.body_ms); return PK__HTTP_STEP_WRITE;
    case PK_IO_WANT_READ: pk__http_link_due(l, 0); return PK__HTTP_STEP_READ; // of the peer nothing but its end
    default: return PK__HTTP_STEP_CLOSE; // it broke, or the body's reader failed: then it must look cut short
    }
}
#endif
