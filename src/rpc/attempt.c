/* attempt.c - what a dialect reports about an attempt, and reads of it. */
#include "call.h"

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../os/fd.h"
#include "../os/loop.h"
#include "../wire/http_head.h"
#include "../wire/http_write.h"

enum { PK__CALL_BODY_MAX = 8 * 1024 * 1024 };

static pk__call *pk__call_of(pk_attempt *a)
{
    return PK__OF(a, pk__call, attempt);
}

/* A copy of fields in one piece: the array, and behind it their text, each with a NUL. NULL = out of memory. */
static pk_meta *pk__call_copy_fields(pk_mem *mem, const pk_meta *fields, size_t count)
{
    size_t size = count * sizeof(*fields);
    bool fits = true;
    for (size_t i = 0; i < count; i++) {
        fits = fits && pk__size_add(size, fields[i].name.len + 1, &size) &&
               pk__size_add(size, fields[i].value.len + 1, &size);
    }
    pk_meta *copy = fits ? (pk_meta *)pk_mem_get(mem, size) : NULL;
    char *at = copy ? (char *)(copy + count) : NULL;
    for (size_t i = 0; copy && i < count; i++) {
        copy[i].name.ptr = at;
        copy[i].name.len = fields[i].name.len;
        at = pk__http_write_put(at, fields[i].name);
        *at++ = '\0';
        copy[i].value.ptr = at;
        copy[i].value.len = fields[i].value.len;
        at = pk__http_write_put(at, fields[i].value);
        *at++ = '\0';
    }
    return copy;
}

PK_API void pk_attempt_head(pk_attempt *a, int status, const pk_meta *fields, size_t count)
{
    pk__call *c = pk__call_of(a);
    pk_reply *reply = c->reply;
    a->sent = PK_SENT_ANSWERED;
    reply->status = status;
    c->expected = 0;
    reply->meta = count ? pk__call_copy_fields(&reply->mem, fields, count) : NULL;
    reply->meta_count = reply->meta ? count : 0; // a courtesy: without memory for them the body would not fit either
    for (size_t i = 0; i < reply->meta_count; i++) {
        const pk_meta *m = &reply->meta[i];
        if (pk__http_head_named(m->name, PK_STR("Content-Type"))) {
            reply->body.content_type = m->value;
        } else if (pk__http_head_named(m->name, PK_STR("Content-Length"))) {
            (void)pk__http_head_number(m->value, &c->expected);
        }
    }
}

static pk_err pk__call_collect(pk__call *c, pk_str bytes, pk_error *err)
{
    pk_reply *reply = c->reply;
    uint64_t max = c->desc.max_reply ? c->desc.max_reply : PK__CALL_BODY_MAX;
    size_t have = reply->body.bytes.len;
    if (bytes.len > max || have > max - bytes.len) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot take the answer of '%" PK_FMT "': more than %llu bytes",
                            PK_ARG(c->target.plugin), (unsigned long long)max);
    }
    size_t need = have + bytes.len;
    if (need > c->body_cap || !reply->body.bytes.ptr) {
        size_t cap = PK__MAX(need, have ? need * 2 : c->expected <= max ? (size_t)c->expected : 0);
        char *to = (char *)pk_mem_get(&reply->mem, cap + 1);
        if (!to) {
            return pk__error_memory(err, "take the answer");
        }
        if (have) {
            memcpy(to, reply->body.bytes.ptr, have);
        }
        reply->body.bytes.ptr = to;
        c->body_cap = cap;
    }
    if (bytes.len) {
        memcpy((char *)reply->body.bytes.ptr + have, bytes.ptr, bytes.len); // ours: made just above
    }
    reply->body.bytes.len = need;
    return PK_OK;
}

PK_API pk_err pk_attempt_chunk(pk_attempt *a, pk_str bytes, pk_error *err)
{
    pk__call *c = pk__call_of(a);
    bool good = c->reply->status >= 200 && c->reply->status < 300;
    pk_err rc;
    if (c->stream && good) {
        rc = pk__call_stream_push(c, bytes);
        if (rc) {
            (void)pk_error_set(err, rc, "cannot take more of the answer: %s",
                               rc == PK_ERR_BUSY ? "its reader is slow" : "out of memory");
        }
    } else if (c->desc.on_chunk && good) {
        c->exchange.streamed = true;
        rc = c->desc.on_chunk(c->desc.user, bytes, err);
    } else {
        rc = pk__call_collect(c, bytes, err);
    }
    c->bytes_in += bytes.len;
    return rc;
}

PK_API void pk_attempt_end(pk_attempt *a, const pk_error *why)
{
    pk__call *c = pk__call_of(a);
    if (why && why->code != PK_OK) {
        c->error = *why;
        c->error.sent = a->sent;
    }
    c->ended = true;
    if (c->waits_loop) {
        pk_timer_stop(c->caller->loop, &c->timer);
    }
    if (c->waits_loop || c->async) {
        pk__call_poke(c);
    }
}

PK_API pk_err pk_attempt_read(pk_attempt *a, void *buf, size_t cap, size_t *got, pk_error *err)
{
    pk__call *c = pk__call_of(a);
    const pk_body *body = a->body;
    *got = 0;
    if (pk__call_is_stream(a)) {
        pk_err rc = pk__call_stream_pull(c, buf, cap, got);
        c->bytes_out += *got;
        return rc ? pk_error_set(err, rc, "cannot read the request yet: its writer is slow") : PK_OK;
    }
    if (body->read) {
        pk_err rc = body->read(body->user, buf, cap, got, err);
        c->body_at += *got;
        c->bytes_out += *got;
        return rc;
    }
    if (body->has_fd) {
        size_t want = (size_t)PK__MIN((uint64_t)cap, body->size - c->body_at);
        pk_err rc = want ? pk__fd_read_at(body->fd, buf, want, body->offset + c->body_at, got, err) : PK_OK;
        if (!rc && want && *got == 0) {
            rc = pk_error_set(err, PK_ERR_OS, "cannot read the request's file: it is shorter than was said");
        }
        if (rc) {
            return rc;
        }
    } else {
        size_t left = body->bytes.len - (size_t)c->body_at;
        *got = PK__MIN(cap, left);
        if (*got) {
            memcpy(buf, body->bytes.ptr + c->body_at, *got);
        }
    }
    c->body_at += *got;
    c->bytes_out += *got;
    return PK_OK;
}
