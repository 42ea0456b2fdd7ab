/* call.c - one call from beginning to outcome. */
#include "call.h"

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../os/clock.h"
#include "../os/fd.h"
#include "../os/loop.h"
#include "chain.h"
#include "error_body.h"

enum { PK__CALL_BODY_MAX = 8 * 1024 * 1024, PK__CALL_RESENT_MAX = 3 };

/* ---- the caller */

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

/* ---- one call */

static pk__call *pk__call_of(pk_attempt *a)
{
    return (pk__call *)(void *)a; // the first member
}

/* Whoever reads it wants to know which plugin it was; and what was asked for, as long as none is chosen. */
static pk_err pk__call_fail(pk__call *c, pk_err code, const char *what)
{
    const pk_call_desc *d = &c->desc;
    pk_str who = c->target.plugin.len ? c->target.plugin : pk_str_from(d->plugin);
    if (who.len) {
        return pk_error_set(&c->error, code, "cannot call '%" PK_FMT "': %s", PK_ARG(who), what);
    }
    return pk_error_set(&c->error, code, "cannot call '%s.%s': %s", d->contract ? d->contract : "plugin",
                        d->method ? d->method : d->http ? d->http : "?", what);
}

/* Dialects know their peer by its address only. */
static void pk__call_name_plugin(pk__call *c)
{
    switch (c->error.code) {
    case PK_ERR_PLUGIN_CONNECTION:
    case PK_ERR_PLUGIN_TIMEOUT:
    case PK_ERR_HTTP:
    case PK_ERR_OS:
    case PK_ERR_PROTOCOL: break;
    default: return;
    }
    pk__fd_explain(&c->error);
    if (!pk_str_starts(pk_str_from(c->error.msg), PK_STR("cannot call '"))) {
        (void)pk__error_wrap(&c->error, "cannot call '%" PK_FMT "'", PK_ARG(c->target.plugin));
    }
}

PK__FN void pk__call_poke(pk__call *c)
{
    pk_caller *caller = c->caller;
    pk__mutex_lock(&caller->lock);
    c->poked = true;
    bool async = c->async;
    if (!async) {
        pk__cond_broadcast(&caller->parked);
    }
    pk__mutex_unlock(&caller->lock);
    if (async) {
        pk_loop_post(caller->loop, &c->task);
    } else {
        pk_loop_wake(caller->loop);
    }
}

static void pk__call_on_wake(pk__waiter *w)
{
    pk__call_poke(PK__OF(w, pk__call, waiter));
}

static void pk__call_on_resume(pk__resumer *self, pk_exchange *x, pk_verdict verdict)
{
    pk__call *c = PK__OF(self, pk__call, resumer);
    (void)x;
    pk__mutex_lock(&c->caller->lock);
    c->resumed = verdict;
    pk__mutex_unlock(&c->caller->lock);
    pk__call_poke(c);
}

static pk_err pk__call_init(pk__call *c, pk_caller *caller, const pk_call_desc *desc, pk_reply *reply)
{
    memset(c, 0, sizeof(*c));
    c->caller = caller;
    c->desc = *desc;
    c->ctx = desc->ctx;
    c->reply = reply;
    c->waiter.wake = pk__call_on_wake;
    /* A handler that calls on passes its own context: its caller's deadline holds here as well. But the headers that it
     * was asked with, its token among them, are not what it asks with. */
    c->deadline = pk__ctx_deadline(&desc->ctx, desc->ctx.timeout_ms, caller->timeout_ms);
    const pk__ctx_impl *outer = (const pk__ctx_impl *)desc->ctx.impl;
    if (outer && outer->in == desc->ctx.meta) {
        c->ctx.meta = NULL;
        c->ctx.meta_count = 0;
    }
    c->attempt.call = &c->desc;
    c->attempt.ctx = &c->ctx;
    c->attempt.body = &c->desc.body;
    c->attempt.deadline = c->deadline;
    c->exchange.call = &c->desc;
    c->exchange.ctx = &c->ctx;
    c->exchange.reply = reply;
    c->exchange.err = &c->error;
    c->resumer.resume = pk__call_on_resume;
    c->exchange.impl = &c->resumer;
    if (caller->state_size > 0) {
        c->chain_state = (char *)pk__new(caller->alloc, caller->state_size);
        if (!c->chain_state) {
            return pk__call_fail(c, PK_ERR_NO_MEMORY, "out of memory");
        }
    }
    return PK_OK;
}

static void pk__call_deinit(pk__call *c)
{
    pk__free(c->caller->alloc, c->chain_state, c->caller->state_size);
}

static void pk__call_reply_clear(pk_reply *reply)
{
    pk_mem mem = reply->mem;
    pk_mem_reset(&mem);
    memset(reply, 0, sizeof(*reply));
    reply->mem = mem;
}

/* ---- what the dialect reports */

PK_API void pk_attempt_head(pk_attempt *a, int status, const pk_meta *fields, size_t count)
{
    pk__call *c = pk__call_of(a);
    a->sent = PK_SENT_ANSWERED;
    c->reply->status = status;
    pk_meta *copy = count ? (pk_meta *)pk_mem_get(&c->reply->mem, count * sizeof(*copy)) : NULL;
    if (!copy) {
        return; // headers are a courtesy: without memory for them the body would not fit either
    }
    for (size_t i = 0; i < count; i++) {
        copy[i].name = pk_mem_dup(&c->reply->mem, fields[i].name);
        copy[i].value = pk_mem_dup(&c->reply->mem, fields[i].value);
        if (!copy[i].name.ptr || !copy[i].value.ptr) {
            return;
        }
        if (pk_str_ieq(fields[i].name, PK_STR("content-type"))) {
            c->reply->body.content_type = copy[i].value;
        }
    }
    c->reply->meta = copy;
    c->reply->meta_count = count;
}

/* How much the answer says it will be, so that it is collected without moving. */
static size_t pk__call_expected(const pk_reply *reply)
{
    for (size_t i = 0; i < reply->meta_count; i++) {
        if (pk_str_ieq(reply->meta[i].name, PK_STR("content-length"))) {
            size_t n = 0;
            for (size_t k = 0; k < reply->meta[i].value.len && n < SIZE_MAX / 16; k++) {
                n = n * 10 + (size_t)(reply->meta[i].value.ptr[k] - '0'); // digits only: the reader saw to that
            }
            return n;
        }
    }
    return 0;
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
        size_t expected = pk__call_expected(reply);
        size_t cap = PK__MAX(need, have ? need * 2 : expected <= max ? expected : 0);
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

/* ---- the steps */

/* May the same body be sent once more? Bytes and file ranges can; a reader only if nobody has read from it. */
static bool pk__call_repeatable(const pk__call *c)
{
    return !c->exchange.streamed && !c->stream && (!c->desc.body.read || c->body_at == 0);
}

static void pk__call_give_back(pk__call *c)
{
    if (!c->has_target) {
        return;
    }
    pk__usage usage = {&c->error, c->bytes_out, c->bytes_in};
    if (c->desc.body.bytes.len && c->attempt.sent != PK_SENT_NO && usage.bytes_out == 0) {
        usage.bytes_out = c->desc.body.bytes.len; // dialects send bytes without reading them through us
    }
    c->has_target = false;
    c->caller->router.give_back(c->caller->router.user, &c->target, &usage);
}

static void pk__call_on_time(void *user);

/* Holds a deadline by the loop's timer. The loop's thread. */
static pk_err pk__call_arm(pk__call *c, int64_t until, pk_error *err)
{
    int64_t left_ms = (until - pk__clock_ns() + 999999) / 1000000;
    c->timer.on_time = pk__call_on_time;
    c->timer.user = c;
    return pk_timer_start(c->caller->loop, &c->timer,
                          left_ms < 0 ? 0 : left_ms > INT32_MAX ? INT32_MAX : (uint32_t)left_ms, err);
}

static void pk__call_begin_on_loop(pk__call *c)
{
    pk_error why;
    memset(&why, 0, sizeof(why));
    if ((!c->async && pk__call_arm(c, c->deadline, &why)) ||
        c->target.dialect->start(c->target.channel, &c->attempt, &why)) {
        pk_attempt_end(&c->attempt, &why);
    }
}

static void pk__call_begin_task(void *user)
{
    pk__call_begin_on_loop((pk__call *)user);
}

static void pk__call_abandon(pk__call *c, pk_err code, const char *what)
{
    if (c->has_target && c->state == PK__CALL_RUNNING && !c->ended) {
        c->target.dialect->cancel(c->target.channel, &c->attempt);
        c->ended = true;
    }
    if (c->error.code == PK_OK) {
        pk_sent sent = c->attempt.sent;
        (void)pk__call_fail(c, code, what);
        c->error.sent = sent;
    }
}

/* The deadline of a loop-driven attempt, or of a whole asynchronous call, or the end of its delay. */
static void pk__call_on_time(void *user)
{
    pk__call *c = (pk__call *)user;
    c->timed_out = pk__clock_ns() + 1000000 > c->deadline;
    if (c->timed_out && c->state == PK__CALL_RUNNING && !c->ended) {
        pk__call_abandon(c, PK_ERR_PLUGIN_TIMEOUT, "the deadline passed");
    }
    pk__call_poke(c);
}

static void pk__call_step_select(pk__call *c)
{
    if (c->queued) {
        c->caller->router.unqueue(c->caller->router.user, &c->waiter);
        c->queued = false;
    }
    pk_err rc = c->caller->router.take(c->caller->router.user, &c->desc, &c->waiter, &c->target, &c->error);
    if (rc == PK_ERR_BUSY) {
        c->queued = true;
        c->error.code = PK_OK;
        return;
    }
    if (rc) {
        c->state = PK__CALL_AFTER;
        c->at = c->caller->chain_call;
        return;
    }
    c->has_target = true;
    c->attempts++;
    c->attempt.sent = PK_SENT_NO;
    c->attempt.verb = c->target.verb;
    c->attempt.path = c->target.path;
    c->attempt.type = c->target.type;
    c->exchange.attempt = c->attempts;
    c->exchange.plugin = c->target.plugin;
    c->exchange.instance = c->target.instance_name;
    c->body_at = 0;
    c->at = c->caller->chain_call;
    c->state = PK__CALL_TRY;
}

static void pk__call_step_send(pk__call *c)
{
    bool mine = pk__loop_is_mine(c->caller->loop);
    c->ended = false;
    c->waits_loop = false;
    c->state = PK__CALL_RUNNING;
    if (c->async || mine) { // the loop must go on while we wait: the plugin may call us back through it
        c->waits_loop = !c->async;
        pk__call_begin_on_loop(c);
        return;
    }
    if (c->target.dialect->run) {
        c->target.dialect->run(c->target.channel, &c->attempt);
        return;
    }
    c->waits_loop = true;
    c->is_lent = true;
    c->task.run = pk__call_begin_task;
    c->task.user = c;
    pk_loop_post(c->caller->loop, &c->task);
}

static void pk__call_step_tried(pk__call *c)
{
    uint32_t unused;
    if (c->error.code == PK_OK && (c->reply->status < 200 || c->reply->status > 299)) {
        (void)pk__error_body_read(&c->error, c->caller->alloc, c->target.plugin, c->reply->status, c->reply->meta,
                                  c->reply->meta_count, c->reply->body.bytes);
        c->error.sent = PK_SENT_ANSWERED;
        bool gave_up = c->reply->status == 499 || c->reply->status == 504;
        if (gave_up && pk__clock_ns() + 5 * PK__MS >= c->deadline) { // the plugin only noticed before we did
            (void)pk__call_fail(c, PK_ERR_PLUGIN_TIMEOUT, "the deadline passed");
            c->error.sent = PK_SENT_ANSWERED;
        }
    }
    pk__call_name_plugin(c);
    (void)pk__chain_after(c->caller->chain, &c->at, c->caller->chain_call, c->chain_state, &c->exchange, &unused);
    pk__call_give_back(c);
    c->state = PK__CALL_AFTER;
    c->at = c->caller->chain_call;
    /* Nobody has seen the request, or seeing it twice does no harm: another instance may as well have it. */
    bool harmless = c->error.sent == PK_SENT_NO ||
                    (c->error.sent == PK_SENT_MAYBE && (c->ctx.idempotent || (c->target.flags & PK_IDEMPOTENT)));
    /* Once, if it may have been seen: a request that kills its plugin must not kill the next one as well, and the
     * next. */
    unsigned most = c->error.sent == PK_SENT_NO ? PK__CALL_RESENT_MAX : 2;
    if (c->error.code == PK_ERR_PLUGIN_CONNECTION && harmless && pk__call_repeatable(c) && ++c->resent < most &&
        !c->timed_out && !c->canceled) {
        memset(&c->error, 0, sizeof(c->error));
        c->state = PK__CALL_SELECT;
    }
}

static void pk__call_step_after(pk__call *c)
{
    uint32_t delay_ms = 0;
    if (c->timed_out || c->canceled) {
        c->exchange.streamed = true; // no time or wish for another round
    }
    if (!pk__call_repeatable(c)) {
        c->exchange.streamed = true;
    }
    pk__chain_result r = pk__chain_after(c->caller->chain, &c->at, 0, c->chain_state, &c->exchange, &delay_ms);
    if (r == PK__CHAIN_AGAIN) {
        int64_t until = pk__clock_ns() + (int64_t)delay_ms * 1000000;
        if (until < c->deadline) {
            memset(&c->error, 0, sizeof(c->error));
            pk__call_reply_clear(c->reply);
            c->body_cap = 0;
            c->state = PK__CALL_DELAY;
            c->attempt.deadline = until; // borrowed as the wake-up time until the next SEND
            return;
        }
        c->exchange.streamed = true; // the deadline comes first: let the others have their `after`
        --c->at;
        pk__call_step_after(c);
        return;
    }
    c->state = PK__CALL_DONE;
}

static pk_verdict pk__call_swap_resumed(pk__call *c, bool reset)
{
    pk__mutex_lock(&c->caller->lock);
    pk_verdict verdict = c->resumed;
    if (reset) {
        c->resumed = PK_WAIT;
    }
    pk__mutex_unlock(&c->caller->lock);
    return verdict;
}

/* `before` of one scope's interceptors, up to `end`. False = one of them waits. */
static bool pk__call_step_before(pk__call *c, size_t end, pk__call_state next, pk__call_state turn)
{
    pk_verdict verdict = c->waits_chain ? pk__call_swap_resumed(c, false) : PK_GO;
    while (verdict != PK_WAIT) {
        c->waits_chain = false;
        if (verdict == PK_GO && c->at == end) {
            c->state = next;
            return true;
        }
        (void)pk__call_swap_resumed(c, true); // first: pk_exchange_resume may come before `before` has returned
        pk__chain_result r = pk__chain_before(c->caller->chain, &c->at, end, c->chain_state, &c->exchange, verdict);
        if (r != PK__CHAIN_WAIT) {
            if (r == PK__CHAIN_TURN && c->error.code == PK_OK && c->reply->status == 0) {
                c->reply->status = 200; // an interceptor answered
            }
            c->state = r == PK__CHAIN_ON ? next : turn;
            return true;
        }
        c->waits_chain = true;
        verdict = pk__call_swap_resumed(c, false);
    }
    return false;
}

/* Moves the call as far as it goes. True = it has its outcome. */
static bool pk__call_advance(pk__call *c)
{
    for (;;) {
        if (c->is_lent) {
            return false;
        }
        if ((c->timed_out || c->canceled) && c->state < PK__CALL_TRIED) {
            pk__call_abandon(c, c->canceled ? PK_ERR_CANCELED : PK_ERR_PLUGIN_TIMEOUT,
                             c->canceled ? "it was cancelled"
                             : c->queued ? "it was not ready before the deadline passed"
                                         : "the deadline passed");
            if (c->queued) {
                c->caller->router.unqueue(c->caller->router.user, &c->waiter);
                c->queued = false;
            }
            c->state = c->state >= PK__CALL_TRY ? PK__CALL_TRIED : PK__CALL_AFTER;
        }
        switch (c->state) {
        case PK__CALL_BEFORE:
            if (!pk__call_step_before(c, c->caller->chain_call, PK__CALL_SELECT, PK__CALL_AFTER)) {
                return false;
            }
            break;
        case PK__CALL_SELECT:
            pk__call_step_select(c);
            if (c->queued) {
                return false;
            }
            break;
        case PK__CALL_TRY:
            if (!pk__call_step_before(c, c->caller->chain_count, PK__CALL_SEND, PK__CALL_TRIED)) {
                return false;
            }
            break;
        case PK__CALL_SEND:
            c->attempt.deadline = c->deadline;
            pk__call_step_send(c);
            break;
        case PK__CALL_RUNNING:
            if (!c->ended) {
                return false;
            }
            c->state = PK__CALL_TRIED;
            break;
        case PK__CALL_TRIED: pk__call_step_tried(c); break;
        case PK__CALL_AFTER: pk__call_step_after(c); break;
        case PK__CALL_DELAY:
            if (pk__clock_ns() < c->attempt.deadline && !c->timed_out && !c->canceled) {
                return false;
            }
            c->attempt.deadline = c->deadline;
            c->state = PK__CALL_BEFORE;
            break;
        case PK__CALL_DONE: return true;
        }
    }
}

/* ---- blocking */

static pk_err pk__call_blocking(pk_caller *caller, const pk_call_desc *desc, pk_reply *reply, pk_error *err)
{
    pk__call c;
    pk_reply scratch;
    memset(&scratch, 0, sizeof(scratch));
    scratch.mem.alloc = caller->alloc;
    reply = reply ? reply : &scratch;
    pk__call_reply_clear(reply);
    if (pk__call_init(&c, caller, desc, reply) == PK_OK) {
        while (!pk__call_advance(&c)) {
            int64_t until = c.state == PK__CALL_DELAY ? c.attempt.deadline : c.deadline;
            /* A loop-driven attempt ends by its timer on the loop, which knows how to cancel it. */
            bool woken = pk__caller_wait(caller, &c.poked, c.waits_loop && c.state == PK__CALL_RUNNING ? PK_FOREVER
                                                                                                       : until);
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
    pk_mem_free(&scratch.mem);
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
