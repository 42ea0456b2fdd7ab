/* call_stream.c - calls that their user writes and reads by hand.
 *
 * Between the user's thread and the loop stand two bounded buffers under caller->lock: `out` for the request's body,
 * `in` for the answer's. The dialect finds `out` empty or `in` full as PK_ERR_BUSY, and is resumed by the call's task;
 * the user waits for can_write or can_read. The end of the call sets both. The call is freed by whoever comes last:
 * the machine (done), the user (over), or somebody inside pk_caller_write or _read (users). */
#include "call.h"

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../os/loop.h"

enum { PK__CALL_STREAM_MAX = 64 * 1024 };

struct pk__call_stream {
    pk_buf out, in;
    bool by_hand;             // the request's body comes from pk_caller_write, not from the description
    bool last;                // the user has written the end
    bool starved, stalled;    // the dialect waits for `out`, or for room in `in`
    bool can_write, can_read; // what the user waits for
    bool done, over;
    unsigned users;
    pk_error error; // the outcome
};

PK__FN bool pk__call_stream_create(pk__call *c)
{
    pk__call_stream *s = (pk__call_stream *)pk__new(c->caller->alloc, sizeof(*s));
    if (!s) {
        return false;
    }
    pk_buf_init(&s->out, c->caller->alloc, PK__CALL_STREAM_MAX);
    pk_buf_init(&s->in, c->caller->alloc, PK__CALL_STREAM_MAX);
    s->can_write = true;
    s->by_hand = !c->desc.body.bytes.len && !c->desc.body.has_fd && !c->desc.body.read;
    s->last = !s->by_hand;
    c->stream = s;
    return true;
}

PK__FN bool pk__call_is_stream(const pk_attempt *a)
{
    const pk__call *c = PK__OF(a, pk__call, attempt);
    return c->stream && c->stream->by_hand;
}

PK__FN void pk__call_stream_destroy(pk__call *c)
{
    pk__call_stream *s = c->stream;
    if (s) {
        pk_buf_free(&s->out);
        pk_buf_free(&s->in);
        pk__free(c->caller->alloc, s, sizeof(*s));
        c->stream = NULL;
    }
}

/* With caller->lock held; gives it back. */
static void pk__call_stream_unlock(pk__call *c)
{
    pk_caller *caller = c->caller;
    bool last = c->stream->done && c->stream->over && c->stream->users == 0;
    if (c->stream->over && c->handle) {
        pk__handles_remove(&caller->calls, c->handle);
        c->handle = 0;
    }
    pk__mutex_unlock(&caller->lock);
    if (last) {
        pk__call_free(c);
    }
}

PK__FN pk_err pk__call_stream_pull(pk__call *c, void *buf, size_t cap, size_t *got)
{
    pk__call_stream *s = c->stream;
    pk__mutex_lock(&c->caller->lock);
    *got = PK__MIN(cap, s->out.len);
    if (*got) {
        memcpy(buf, s->out.ptr, *got);
        pk_buf_drop(&s->out, *got);
        s->can_write = true;
        pk__cond_broadcast(&c->caller->parked);
    }
    bool busy = *got == 0 && !s->last;
    s->starved = busy;
    pk__mutex_unlock(&c->caller->lock);
    return busy ? PK_ERR_BUSY : PK_OK;
}

PK__FN pk_err pk__call_stream_push(pk__call *c, pk_str bytes)
{
    pk__call_stream *s = c->stream;
    pk__mutex_lock(&c->caller->lock);
    s->in.max = s->in.len + PK__MAX((size_t)PK__CALL_STREAM_MAX, bytes.len);
    bool added = pk_buf_add(&s->in, bytes);
    s->can_read = true;
    s->stalled = s->in.len >= PK__CALL_STREAM_MAX;
    pk_err rc = !added ? PK_ERR_NO_MEMORY : s->stalled ? PK_ERR_BUSY : PK_OK;
    pk__cond_broadcast(&c->caller->parked);
    pk__mutex_unlock(&c->caller->lock);
    return rc;
}

PK__FN void pk__call_stream_end(pk__call *c)
{
    pk__call_stream *s = c->stream;
    pk__mutex_lock(&c->caller->lock);
    s->error = c->error;
    s->done = true;
    s->can_write = true;
    s->can_read = true;
    pk__cond_broadcast(&c->caller->parked);
    pk__call_stream_unlock(c);
}

/* The call behind a handle, entered: locked, and not freed until pk__call_stream_unlock with users lowered again. */
static pk__call *pk__call_stream_enter(pk_caller *caller, pk_call call, pk_error *err)
{
    pk__mutex_lock(&caller->lock);
    pk__call *c = (pk__call *)pk__handles_get(&caller->calls, call.id);
    if (!c || !c->stream) {
        pk__mutex_unlock(&caller->lock);
        (void)pk_error_set(err, c ? PK_ERR_MISUSE : PK_ERR_STALE, "cannot use the call: %s",
                           c ? "its outcome goes to on_reply" : "it is over");
        return NULL;
    }
    c->stream->users++;
    return c;
}

/* The task moves the call on: the dialect finds bytes, or room. Locked. */
static void pk__call_stream_post(pk__call *c)
{
    if (!c->is_over) {
        pk_loop_post(c->caller->loop, &c->task);
    }
}

static pk_err pk__call_stream_write(pk_caller *caller, pk_call call, pk_str bytes, bool last, pk_error *err)
{
    pk__call *c = pk__call_stream_enter(caller, call, err);
    if (!c) {
        return err ? err->code : PK_ERR_STALE;
    }
    pk__call_stream *s = c->stream;
    pk_err rc = PK_OK;
    if (s->last) {
        rc = pk_error_set(err, PK_ERR_MISUSE, "cannot write: the request's body has ended");
    }
    while (!rc && !s->done && !s->over) {
        size_t n = PK__MIN(bytes.len, (size_t)PK__CALL_STREAM_MAX - s->out.len);
        pk_str part = {bytes.ptr, n};
        if (!pk_buf_add(&s->out, part)) {
            rc = pk__error_memory(err, "write");
            break;
        }
        bytes.ptr = n ? bytes.ptr + n : bytes.ptr;
        bytes.len -= n;
        s->last = last && bytes.len == 0;
        s->can_write = s->out.len < PK__CALL_STREAM_MAX;
        if (s->starved) {
            s->starved = false;
            pk__call_stream_post(c);
        }
        if (bytes.len == 0) {
            break;
        }
        pk__mutex_unlock(&caller->lock);
        (void)pk__caller_wait(caller, &s->can_write, PK_FOREVER); // the call's own deadline sets it
        pk__mutex_lock(&caller->lock);
    }
    if (!rc && s->done && s->error.code) {
        rc = pk__error_copy(err, &s->error); // an early good answer is no failure: it is there to be read
    }
    s->users--;
    pk__call_stream_unlock(c);
    return rc;
}

PK_API pk_err pk_caller_write(pk_caller *caller, pk_call call, pk_str bytes, bool last, pk_error *err)
{
    pk__caller_enter(caller);
    pk_err rc = pk__call_stream_write(caller, call, bytes, last, err);
    pk__caller_leave(caller);
    return rc;
}

static pk_err pk__call_stream_read(pk_caller *caller, pk_call call, void *buf, size_t cap, size_t *got, pk_error *err)
{
    *got = 0;
    pk__call *c = pk__call_stream_enter(caller, call, err);
    if (!c) {
        return err ? err->code : PK_ERR_STALE;
    }
    pk__call_stream *s = c->stream;
    pk_err rc = PK_OK;
    if (!s->last) {
        s->last = true; // who reads has written everything
        s->starved = false;
        pk__call_stream_post(c);
    }
    while (s->in.len == 0 && !s->done && !s->over) {
        s->can_read = false;
        pk__mutex_unlock(&caller->lock);
        (void)pk__caller_wait(caller, &s->can_read, PK_FOREVER);
        pk__mutex_lock(&caller->lock);
    }
    *got = PK__MIN(cap, s->in.len);
    if (*got) {
        memcpy(buf, s->in.ptr, *got);
        pk_buf_drop(&s->in, *got);
        if (s->stalled && s->in.len < PK__CALL_STREAM_MAX / 2) {
            s->stalled = false;
            pk__call_stream_post(c);
        }
    } else if (cap > 0) {
        rc = s->error.code ? pk__error_copy(err, &s->error) : PK_OK;
        s->over = s->done;
    }
    s->users--;
    pk__call_stream_unlock(c);
    return rc;
}

PK_API pk_err pk_caller_read(pk_caller *caller, pk_call call, void *buf, size_t cap, size_t *got, pk_error *err)
{
    pk__caller_enter(caller);
    pk_err rc = pk__call_stream_read(caller, call, buf, cap, got, err);
    pk__caller_leave(caller);
    return rc;
}

static pk_err pk__call_stream_cancel(pk_caller *caller, pk_call call)
{
    pk__mutex_lock(&caller->lock);
    pk__call *c = (pk__call *)pk__handles_get(&caller->calls, call.id);
    if (!c) {
        pk__mutex_unlock(&caller->lock);
        return PK_ERR_STALE;
    }
    c->cancel_asked = true;
    pk__call_stream_post(c);
    if (c->stream) {
        c->stream->over = true;
        c->stream->can_write = true;
        c->stream->can_read = true;
        pk__cond_broadcast(&caller->parked);
        pk__call_stream_unlock(c);
        return PK_OK;
    }
    pk__mutex_unlock(&caller->lock);
    return PK_OK;
}

PK_API pk_err pk_caller_cancel(pk_caller *caller, pk_call call)
{
    pk__caller_enter(caller);
    pk_err rc = pk__call_stream_cancel(caller, call);
    pk__caller_leave(caller);
    return rc;
}
