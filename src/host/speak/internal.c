/* internal.c - calls to services in this program. */
#include "internal.h"

#include <string.h>

#include "../../base/error.h"
#include "../../os/fd.h"
#include "../../rpc/service.h"

static const pk_service *pk__internal_find(const pk__internal *in, const pk_attempt *a, const pk_method **method)
{
    for (size_t i = 0; i < in->count; i++) {
        const pk_service *s = &in->services[i];
        if ((a->call->contract && strcmp(s->contract->name, a->call->contract) != 0) ||
            (a->type.len && !pk_str_is(a->type, s->type))) {
            continue;
        }
        for (size_t k = 0; k < s->contract->count; k++) {
            pk_str verb, path;
            *method = &s->contract->methods[k];
            if (pk_str_cut(pk_str_from((*method)->http), ' ', &verb, &path) && pk_str_eq(verb, a->verb) &&
                pk_str_eq(path, a->path)) {
                return s;
            }
        }
    }
    return NULL;
}

static pk_err pk__internal_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return pk_attempt_read((pk_attempt *)user, buf, cap, got, err);
}

/* Reads the whole body; it is JSON, and at most as large as a server would take. */
static pk_err pk__internal_collect(pk_attempt *a, pk_buf *to, pk_error *err)
{
    for (;;) {
        size_t got;
        if (!pk_buf_reserve(to, 4096)) {
            return pk_error_set(err, (pk_err)to->failed, "cannot call '%" PK_FMT "': the request is too large",
                                PK_ARG(a->path));
        }
        pk_err rc = pk_attempt_read(a, to->ptr + to->len, to->cap - to->len, &got, err);
        to->len += got;
        if (rc || got == 0) {
            return rc;
        }
    }
}

static pk_err pk__internal_send(pk_attempt *a, const pk_body *body, pk_error *err)
{
    char buf[8192];
    uint64_t at = 0;
    if (!body->has_fd && !body->read) {
        return body->bytes.len ? pk_attempt_chunk(a, body->bytes, err) : PK_OK;
    }
    for (;;) {
        size_t got = 0;
        if (body->read) {
            pk_err rc = body->read(body->user, buf, sizeof(buf), &got, err);
            if (rc) {
                return rc;
            }
        } else {
            pk_err rc = pk__fd_read_at(body->fd, buf, (size_t)PK__MIN((uint64_t)sizeof(buf), body->size - at),
                                       body->offset + at, &got, err);
            if (rc) {
                return rc;
            }
        }
        if (got == 0) {
            return PK_OK;
        }
        pk_str part = {buf, got};
        pk_err rc = pk_attempt_chunk(a, part, err);
        if (rc && rc != PK_ERR_BUSY) { // a slow reader's buffer takes what is over
            return rc;
        }
        at += got;
    }
}

static pk_err pk__internal_serve(pk__internal *in, pk_attempt *a, pk_mem *mem, pk_error *err)
{
    const pk_method *method = NULL;
    const pk_service *service = pk__internal_find(in, a, &method);
    if (!service) {
        return pk_error_set(err, PK_ERR_NOT_FOUND, "cannot call '%" PK_FMT " %" PK_FMT "': no such method",
                            PK_ARG(a->verb), PK_ARG(a->path));
    }
    pk_request request;
    pk_response response;
    pk_buf body;
    memset(&request, 0, sizeof(request));
    memset(&response, 0, sizeof(response));
    pk_buf_init(&body, in->alloc, 8 * 1024 * 1024);
    request.method = a->verb;
    request.path = a->path;
    request.fields = a->ctx->meta;
    request.field_count = a->ctx->meta_count;
    request.ctx = a->ctx;
    request.body = *a->body;
    pk_err rc = PK_OK;
    if (method->flags & PK_UPLOAD) {
        memset(&request.body.bytes, 0, sizeof(request.body.bytes));
        request.body.has_fd = false;
        request.body.read = pk__internal_read;
        request.body.user = a;
    } else if (a->body->has_fd || a->body->read || pk__call_is_stream(a)) {
        rc = pk__internal_collect(a, &body, err);
        memset(&request.body, 0, sizeof(request.body));
        request.body.bytes = pk_buf_str(&body);
    }
    a->sent = PK_SENT_MAYBE;
    pk_mem *outer = a->ctx->mem;
    a->ctx->mem = mem;
    rc = rc ? rc : pk__service_serve(service, method, &request, &response, err);
    if (!rc) {
        const pk_meta type = {PK_STR("content-type"),
                              response.body.content_type.len ? response.body.content_type : PK_STR("application/json")};
        pk_attempt_head(a, response.status ? response.status : 200, &type, 1);
        rc = pk__internal_send(a, &response.body, err);
    }
    if (response.done) {
        response.done(response.user);
    }
    a->ctx->mem = outer;
    pk_buf_free(&body);
    return rc;
}

static void pk__internal_run(void *channel, pk_attempt *a)
{
    pk__internal *in = (pk__internal *)channel;
    pk_mem mem;
    pk_error why;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = in->alloc;
    why.code = PK_OK;
    pk_err rc = pk__internal_serve(in, a, &mem, &why);
    if (rc) {
        a->sent = PK_SENT_ANSWERED; // it was here all along: nothing about sending is in doubt
    }
    pk_mem_free(&mem);
    pk_attempt_end(a, rc ? &why : NULL);
}

static pk_err pk__internal_start(void *channel, pk_attempt *a, pk_error *err)
{
    (void)err;
    pk__internal_run(channel, a);
    return PK_OK;
}

static void pk__internal_cancel(void *channel, pk_attempt *a)
{
    (void)channel; // an attempt is over before anybody can cancel it
    (void)a;
}

static void pk__internal_close(void *channel)
{
    (void)channel;
}

PK__FN const pk_dialect *pk__internal_dialect(void)
{
    static const pk_dialect dialect = {"internal", 0, NULL, pk__internal_start, pk__internal_run, NULL,
                                       pk__internal_cancel, NULL, pk__internal_close, NULL};
    return &dialect;
}
