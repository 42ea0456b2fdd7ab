/* caller.c - who makes calls, and waits for them or not. */
#include "call.h"

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../os/clock.h"
#include "../os/loop.h"
#include "chain.h"

PK__FN pk_err pk__caller_init(pk_caller *c, const pk_alloc *alloc, pk_loop *loop, const pk__router *router,
                              const pk_interceptor *const *interceptors, size_t count, pk_error *err)
{
    memset(c, 0, sizeof(*c));
    c->alloc = alloc;
    c->loop = loop;
    c->router = *router;
    c->name = "";
    c->timeout_ms = 30000;
    pk_err rc = pk__chain_create(alloc, interceptors, count, PK_SCOPE_CALL, PK_SCOPE_ATTEMPT, &c->chain,
                                 &c->chain_count, &c->state_size, err);
    if (rc) {
        return rc;
    }
    while (c->chain_call < c->chain_count && c->chain[c->chain_call]->scope == PK_SCOPE_CALL) {
        c->chain_call++;
    }
    pk__mutex_init(&c->lock);
    pk__cond_init(&c->parked);
    pk__handles_init(&c->calls, alloc);
    pk__list_init(&c->running);
    return PK_OK;
}

PK__FN void pk__caller_enter(pk_caller *c)
{
    (void)pk__atomic_add(&c->inside, 1);
}

PK__FN void pk__caller_leave(pk_caller *c)
{
    (void)pk__atomic_add(&c->inside, UINT32_MAX);
}

PK__FN void pk__caller_close(pk_caller *c)
{
    pk__mutex_lock(&c->lock);
    c->is_closed = true;
    pk__cond_broadcast(&c->parked);
    pk__mutex_unlock(&c->lock);
}

PK__FN void pk__caller_wait_empty(pk_caller *c)
{
    while (pk__atomic_load(&c->inside) > 0) {
        pk__thread_nap(PK__MS / 10);
    }
}

PK__FN void pk__caller_deinit(pk_caller *c)
{
    if (!c->running.next) {
        return; // never initialised
    }
    PK__ASSERT(pk__list_is_empty(&c->running));
    for (pk__call *left; (left = (pk__call *)pk__handles_any(&c->calls)) != NULL;) {
        pk__handles_remove(&c->calls, left->handle); // a stream that has ended, and whose user has not come for the end
        pk__call_free(left);
    }
    pk__handles_deinit(&c->calls);
    pk__chain_destroy(c->alloc, c->chain, c->chain_count);
    pk__cond_deinit(&c->parked);
    pk__mutex_deinit(&c->lock);
    memset(c, 0, sizeof(*c));
}

PK__FN bool pk__caller_wait(pk_caller *c, const bool *flag, int64_t deadline)
{
    bool mine = pk__loop_is_mine(c->loop);
    pk__mutex_lock(&c->lock);
    while (!*flag && !c->is_closed) {
        int64_t now = pk__clock_ns();
        if (now >= deadline) {
            break;
        }
        if (mine) {
            int64_t left_ms = deadline == PK_FOREVER ? -1 : (deadline - now + 999999) / 1000000;
            pk__mutex_unlock(&c->lock);
            (void)pk_loop_step(c->loop, left_ms > 60000 || left_ms < 0 ? 60000 : (int)left_ms, NULL);
            pk__mutex_lock(&c->lock);
        } else {
            pk__cond_wait(&c->parked, &c->lock, deadline);
        }
    }
    bool set = *flag;
    pk__mutex_unlock(&c->lock);
    return set;
}

/* ---- blocking */

static pk_err pk__call_blocking(pk_caller *caller, const pk_call_desc *desc, pk_reply *reply, pk_error *err)
{
    pk__call c;
    pk_reply scratch;
    if (!reply) {
        memset(&scratch, 0, sizeof(scratch));
        scratch.mem.alloc = caller->alloc;
        reply = &scratch;
    }
    pk__call_reply_clear(reply);
    if (pk__call_init(&c, caller, desc, reply) == PK_OK) {
        while (!pk__call_advance(&c)) {
            int64_t until = c.state == PK__CALL_DELAY ? c.attempt.deadline : c.deadline;
            /* A loop-driven attempt ends by its timer on the loop, which knows how to cancel it. */
            bool woken = pk__caller_wait(caller, &c.poked, c.waits_loop && c.state == PK__CALL_RUNNING ? PK_FOREVER
                                                                                                       : until);
            c.now = 0;
            pk__mutex_lock(&caller->lock);
            c.poked = false;
            c.canceled = c.canceled || (caller->is_closed && !woken);
            pk__mutex_unlock(&caller->lock);
            c.is_lent = c.is_lent && !woken; // the loop's last act with it is to poke
            if (!woken && pk__clock_ns() >= c.deadline) {
                c.timed_out = true;
            }
        }
    }
    pk__call_deinit(&c);
    if (reply == &scratch) {
        pk_mem_free(&scratch.mem);
    }
    return c.error.code ? pk__error_copy(err, &c.error) : PK_OK;
}

PK_API pk_err pk_caller_call(pk_caller *caller, const pk_call_desc *desc, pk_reply *reply, pk_error *err)
{
    if (!caller || !desc) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot call: no caller or no description");
    }
    pk__caller_enter(caller);
    pk_err rc = pk__call_blocking(caller, desc, reply, err);
    pk__caller_leave(caller);
    return rc;
}

/* ---- asynchronous */

PK__FN void pk__call_free(pk__call *c)
{
    const pk_alloc *alloc = c->caller->alloc;
    pk__call_stream_destroy(c);
    pk__call_deinit(c);
    pk_mem_free(&c->own_reply.mem);
    pk_mem_free(&c->mem);
    pk__free(alloc, c, sizeof(*c));
}

/* The outcome. From here on nobody finds the call by its handle, but for a stream that its user still reads. */
static void pk__call_finish(pk__call *c)
{
    pk_caller *caller = c->caller;
    pk_call handle = {c->handle};
    pk_timer_stop(caller->loop, &c->timer);
    pk__mutex_lock(&caller->lock);
    c->is_over = true; // nobody posts the task any more, so that taking it back is for good
    pk__list_remove(&c->node);
    if (!c->stream) {
        pk__handles_remove(&caller->calls, c->handle);
    }
    pk__mutex_unlock(&caller->lock);
    pk_loop_unpost(caller->loop, &c->task);
    if (c->stream) {
        pk__call_stream_end(c); // frees it, now or when its user has read the end
        return;
    }
    c->desc.on_reply(c->desc.user, handle, c->reply, c->error.code ? &c->error : NULL);
    pk__call_free(c);
}

static void pk__call_run(void *user)
{
    pk__call *c = (pk__call *)user;
    c->now = 0;
    pk__mutex_lock(&c->caller->lock);
    c->poked = false;
    c->canceled = c->canceled || c->cancel_asked;
    pk__mutex_unlock(&c->caller->lock);
    if (c->stream && c->state == PK__CALL_RUNNING && !c->ended && c->target.dialect->resume) {
        c->target.dialect->resume(c->target.channel, &c->attempt);
    }
    if (pk__call_advance(c)) {
        pk__call_finish(c);
        return;
    }
    pk_error why;
    if (pk__call_arm(c, c->state == PK__CALL_DELAY ? c->attempt.deadline : c->deadline, &why)) {
        c->error = why;
        c->canceled = true; // without a timer there is no deadline: end it here
        if (pk__call_advance(c)) {
            pk__call_finish(c);
        }
    }
}

static const char *pk__call_copy(pk__call *c, const char *text, bool *ok)
{
    if (!text) {
        return NULL;
    }
    const char *copy = pk_mem_dup(&c->mem, pk_str_from(text)).ptr;
    *ok = *ok && copy;
    return copy;
}

static pk_str pk__call_copy_str(pk__call *c, pk_str s, bool *ok)
{
    pk_str copy = pk_mem_dup(&c->mem, s);
    *ok = *ok && copy.ptr;
    return copy;
}

/* The call outlives its description: everything but readers, descriptors and user pointers is copied. */
static bool pk__call_copy_desc(pk__call *c)
{
    pk_call_desc *d = &c->desc;
    bool ok = true;
    d->contract = pk__call_copy(c, d->contract, &ok);
    d->type = pk__call_copy(c, d->type, &ok);
    d->method = pk__call_copy(c, d->method, &ok);
    d->version = pk__call_copy(c, d->version, &ok);
    d->plugin = pk__call_copy(c, d->plugin, &ok);
    d->http = pk__call_copy(c, d->http, &ok);
    d->body.bytes = pk__call_copy_str(c, d->body.bytes, &ok);
    d->body.content_type = pk__call_copy_str(c, d->body.content_type, &ok);
    c->ctx.sticky_key = pk__call_copy_str(c, c->ctx.sticky_key, &ok);
    c->ctx.caller = pk__call_copy_str(c, c->ctx.caller, &ok);
    c->ctx.traceparent = pk__call_copy_str(c, c->ctx.traceparent, &ok);
    c->ctx.impl = NULL; // a handler's own context ends with the handler; its deadline was taken over
    c->ctx.mem = NULL;
    if (ok && c->ctx.meta_count > 0) {
        pk_meta *meta = (pk_meta *)pk_mem_get(&c->mem, c->ctx.meta_count * sizeof(*meta));
        for (size_t i = 0; meta && i < c->ctx.meta_count; i++) {
            meta[i].name = pk__call_copy_str(c, c->ctx.meta[i].name, &ok);
            meta[i].value = pk__call_copy_str(c, c->ctx.meta[i].value, &ok);
        }
        ok = ok && meta;
        c->ctx.meta = meta;
    }
    c->desc.ctx = c->ctx;
    return ok;
}

static pk_err pk__call_start(pk_caller *caller, const pk_call_desc *desc, pk_call *call, pk_error *err)
{
    if (!caller->loop) { // a plugin's in its host's process
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot start a call: there is no loop that it could run in");
    }
    pk__call *c = (pk__call *)pk__new(caller->alloc, sizeof(*c));
    if (!c) {
        return pk__error_memory(err, "start a call");
    }
    pk_err rc = pk__call_init(c, caller, desc, &c->own_reply);
    c->async = true;
    c->mem.alloc = caller->alloc;
    c->own_reply.mem.alloc = caller->alloc;
    c->task.run = pk__call_run;
    c->task.user = c;
    if (rc || !pk__call_copy_desc(c) || (!desc->on_reply && !pk__call_stream_create(c))) {
        pk__call_free(c);
        return pk__error_memory(err, "start a call");
    }
    pk__mutex_lock(&caller->lock);
    c->handle = pk__handles_add(&caller->calls, c);
    if (c->handle) {
        pk__list_push(&caller->running, &c->node);
        if (call) {
            call->id = c->handle;
        }
        pk_loop_post(caller->loop, &c->task);
    }
    bool started = c->handle != 0; // it may be over before this returns
    pk__mutex_unlock(&caller->lock);
    if (!started) {
        pk__call_free(c);
        return pk__error_memory(err, "start a call");
    }
    return PK_OK;
}

PK_API pk_err pk_caller_start(pk_caller *caller, const pk_call_desc *desc, pk_call *call, pk_error *err)
{
    if (!caller || !desc || (!desc->on_reply && !call)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start a call: no caller, no description, or nowhere to tell");
    }
    pk__caller_enter(caller);
    pk_err rc = pk__call_start(caller, desc, call, err);
    pk__caller_leave(caller);
    return rc;
}

PK__FN void pk__caller_cancel_all(pk_caller *caller)
{
    for (;;) {
        pk__mutex_lock(&caller->lock);
        pk__call *c = pk__list_is_empty(&caller->running) ? NULL : PK__OF(caller->running.next, pk__call, node);
        pk__mutex_unlock(&caller->lock);
        if (!c) {
            return;
        }
        c->canceled = true;
        if (pk__call_advance(c)) {
            pk__call_finish(c);
        }
    }
}

PK__FN void pk__caller_cancel_now(pk_caller *caller, pk_call call)
{
    pk__mutex_lock(&caller->lock);
    pk__call *c = (pk__call *)pk__handles_get(&caller->calls, call.id);
    pk__mutex_unlock(&caller->lock);
    if (c && !c->stream) {
        c->canceled = true;
        if (pk__call_advance(c)) {
            pk__call_finish(c);
        }
    }
}
