/* call.c - one call, step by step. */
#include "call.h"

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../os/clock.h"
#include "../os/fd.h"
#include "../os/loop.h"
#include "chain.h"
#include "error_body.h"

enum { PK__CALL_RESENT_MAX = 3 };

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
        pk__error_wrap(&c->error, "cannot call '%" PK_FMT "'", PK_ARG(c->target.plugin));
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

PK__FN pk_err pk__call_init(pk__call *c, pk_caller *caller, const pk_call_desc *desc, pk_reply *reply)
{
    memset(c, 0, PK__UNKNOWN(offsetof(pk__call, target)));
    memset(&c->target, 0, PK__UNKNOWN(offsetof(pk__target, composed)));
    pk__error_none(&c->error);
    c->caller = caller;
    c->desc = *desc;
    c->ctx = desc->ctx;
    c->reply = reply;
    c->waiter.wake = pk__call_on_wake;
    /* A handler that calls on passes its own context: its caller's deadline holds here as well. But the headers that it
     * was asked with, its token among them, are not what it asks with. */
    c->now = pk__clock_ns();
    c->deadline = pk__ctx_deadline(&desc->ctx, c->now, desc->ctx.timeout_ms, caller->timeout_ms);
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

PK__FN int64_t pk__call_now(pk_attempt *a)
{
    pk__call *c = PK__OF(a, pk__call, attempt);
    if (c->now == 0) {
        c->now = pk__clock_ns();
    }
    return c->now;
}

PK__FN void pk__call_deinit(pk__call *c)
{
    pk__free(c->caller->alloc, c->chain_state, c->caller->state_size);
}

PK__FN void pk__call_reply_clear(pk_reply *reply)
{
    pk_mem mem = reply->mem;
    pk_mem_reset(&mem);
    memset(reply, 0, PK__UNKNOWN(sizeof(*reply)));
    reply->mem = mem;
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
PK__FN pk_err pk__call_arm(pk__call *c, int64_t until, pk_error *err)
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
    pk__error_none(&why);
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
        c->now = 0;
        return;
    }
    c->now = 0;
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
        pk__error_none(&c->error);
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
            pk__error_none(&c->error);
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
        c->now = 0;
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
PK__FN bool pk__call_advance(pk__call *c)
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
