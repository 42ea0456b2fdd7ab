/* call.h - the machine that carries out one call, in a host and in a plugin alike.
 *
 * A call goes through these steps, driven by its caller's thread (pk_caller_call) or by the loop (pk_caller_start):
 *
 *     BEFORE      interceptors of call scope, in order
 *     SELECT      the router chooses an instance; PK_ERR_BUSY means: wait until the waiter is woken, then ask again
 *     TRY         interceptors of attempt scope, in order
 *     SEND        the dialect begins the attempt ...
 *     RUNNING     ... and reports head, chunks and end
 *     TRIED       interceptors of attempt scope, in reverse; the router takes the instance back
 *     AFTER       interceptors of call scope, in reverse; one of them may send the call back to BEFORE after a delay
 *     DONE        exactly one outcome
 *
 * pk__call_advance moves a call until it must wait or is done; whoever ends the wait pokes it. What only one side
 * knows (which plugins there are) is behind pk__router. A blocking call over a dialect with `run` never leaves its
 * thread; one without goes through the loop and waits on a condition. On the loop's own thread it always goes through
 * the loop, and waits by stepping it, so that what else the loop does (a plugin calling back, say) goes on.
 *
 *     call.c          the steps
 *     attempt.c       what dialects report, and read of the request
 *     call_stream.c   the same for calls that their users write and read by hand
 *     caller.c        who makes calls, and waits for them or not
 *
 * Locks: caller->lock guards the handle table, poked flags and stream buffers. It is a leaf: nothing is called with
 * it. */
#ifndef PK__CALL_H
#define PK__CALL_H
#include "../base/handle.h"
#include "../base/list.h"
#include "../os/atomic.h"
#include "../os/thread.h"
#include "ctx.h"

/* Somebody who waits for a router to have an answer. `wake` may run on any thread and must be quick. */
typedef struct pk__waiter {
    pk__node node;
    void (*wake)(struct pk__waiter *w);
    uint64_t about;  // the router's: what it waits for,
    uint32_t serial; //   and since when
} pk__waiter;

/* Where an attempt goes. The strings live as long as the target is held, the plugin's name as long as the router. */
typedef struct pk__target {
    const pk_dialect *dialect;
    void *channel;
    void *instance; // the router's
    pk_str plugin, instance_name, type;
    pk_str verb, path;
    unsigned flags;   // of the method: PK_IDEMPOTENT ...
    char composed[80]; // a path that nobody knew; last, and only filled for one
} pk__target;

typedef struct pk__usage { // what an attempt amounted to, for the router's books
    const pk_error *error; // code PK_OK if it went well
    uint64_t bytes_out, bytes_in;
} pk__usage;

typedef struct pk__router {
    /* Takes an instance for an attempt. PK_ERR_BUSY: *w was queued and will be woken; of *out only `plugin`
     * is valid. */
    pk_err (*take)(void *user, const pk_call_desc *desc, pk__waiter *w, pk__target *out, pk_error *err);
    void (*unqueue)(void *user, pk__waiter *w); // after it, wake does not run
    void (*give_back)(void *user, pk__target *target, const pk__usage *usage);
    pk_err (*bind)(void *user, pk_stub *stub, pk_error *err);
    void *user;
} pk__router;

struct pk_caller {
    const pk_alloc *alloc;
    pk_loop *loop;
    pk__router router;
    const char *name;          // sent as PlugKit-Caller; "" = the host itself
    uint32_t timeout_ms;       // of a call that names none
    const pk_interceptor **chain; // call scope first, then attempt scope, each by order
    size_t chain_call, chain_count;
    size_t state_size;         // of all of them together
    pk__mutex lock;
    pk__cond parked;           // blocking calls that wait on another thread than the loop's
    bool is_closed;            // there is nothing to wait for any more; under the lock
    pk__atomic_u32 inside;     // threads that are in a function of this caller
    pk__handles calls;         // of pk_caller_start
    pk__node running;          // the same calls, as a list
};

PK__FN pk_err pk__caller_init(pk_caller *c, const pk_alloc *alloc, pk_loop *loop, const pk__router *router,
                              const pk_interceptor *const *interceptors, size_t count, pk_error *err);
PK__FN void pk__caller_cancel_all(pk_caller *c); // loop's thread; every started call gets its outcome
PK__FN void pk__caller_cancel_now(pk_caller *c, pk_call call); // its outcome is told before this returns; loop's thread
/* Before the end: whoever waits in a call of its own, held by an interceptor or for its delay, is sent home. */
PK__FN void pk__caller_close(pk_caller *c);
PK__FN void pk__caller_wait_empty(pk_caller *c); // until no other thread is inside: they are on their way out
PK__FN void pk__caller_deinit(pk_caller *c);     // no call is left, but streams that nobody has read to their end
PK__FN void pk__caller_enter(pk_caller *c);
PK__FN void pk__caller_leave(pk_caller *c); // the last that a thread does with it

/* Lets the loop's work be done until *flag is set under caller->lock or the deadline passes: true if it is set. */
PK__FN bool pk__caller_wait(pk_caller *c, const bool *flag, int64_t deadline);

typedef struct pk__call_stream pk__call_stream;

typedef enum pk__call_state {
    PK__CALL_BEFORE,
    PK__CALL_SELECT,
    PK__CALL_TRY,
    PK__CALL_SEND,
    PK__CALL_RUNNING,
    PK__CALL_TRIED,
    PK__CALL_AFTER,
    PK__CALL_DELAY,
    PK__CALL_DONE
} pk__call_state;

typedef struct pk__call {
    pk_caller *caller;
    pk_reply *reply;
    int64_t deadline;
    int64_t now;          // the clock, read since this call last waited for anything; 0 = not yet: pk__call_now
    pk__call_state state;
    size_t at;            // the next interceptor
    unsigned attempts, resent; // resent: how many were repeated by our own rule
    pk__resumer resumer;  // what exchange.impl points to
    pk_verdict resumed;   // by it; under caller->lock
    bool has_target, queued, waits_chain, waits_loop, ended, timed_out, canceled;
    bool is_lent; // the loop's thread drives it: its own (blocking) thread touches nothing but the lock until poked
    bool poked, cancel_asked, is_over; // under caller->lock
    char *chain_state;
    uint64_t bytes_out, bytes_in;
    uint64_t expected;    // bytes of body that the answer has announced, so that it is collected without moving
    size_t body_cap;      // room behind reply->body.bytes
    uint64_t body_at;     // how much of the request's body was read
    /* Only of pk_caller_start: */
    bool async;
    uint64_t handle;
    pk__node node;
    pk_mem mem;           // copies of what desc points to
    pk__call_stream *stream;
    /* Large ones stand last, here as in other structs: code that reaches near the beginning is shorter. */
    pk_attempt attempt;   // what the dialect holds
    pk_task task;         // advance (asynchronous), or begin on the loop (blocking)
    pk_timer timer;       // deadline or delay
    pk__waiter waiter;
    pk_ctx ctx;
    pk_exchange exchange;
    pk_call_desc desc;
    pk_reply own_reply;
    /* Large, and not cleared: what goes before tells what there is in it. */
    pk__target target;
    pk_error error;       // code PK_OK until something fails
} pk__call;

/* What caller.c does with a call: begin it, move it as far as it goes (true: there is an outcome), end it. */
PK__FN pk_err pk__call_init(pk__call *c, pk_caller *caller, const pk_call_desc *desc, pk_reply *reply);
PK__FN bool pk__call_advance(pk__call *c);
PK__FN pk_err pk__call_arm(pk__call *c, int64_t until, pk_error *err); // a timer that moves it on; the loop's thread
PK__FN void pk__call_deinit(pk__call *c);
PK__FN int64_t pk__call_now(pk_attempt *a); // the time, as new as is needed; reads the clock once where nobody waits
PK__FN void pk__call_reply_clear(pk_reply *reply);
/* Ends the wait of a call; any thread. Not with caller->lock held. */
PK__FN void pk__call_poke(pk__call *c);
PK__FN void pk__call_free(pk__call *c); // of pk_caller_start, when nobody needs it any more
/* Is the request's body written by hand, so that only pk_attempt_read has it? For dialects that send bodies whole. */
PK__FN bool pk__call_is_stream(const pk_attempt *a);
/* The stream half (call_stream.c): what pk_attempt_read and pk_attempt_chunk do for a call that its user writes and
 * reads by hand, and how its end is told. */
PK__FN pk_err pk__call_stream_pull(pk__call *c, void *buf, size_t cap, size_t *got);
PK__FN pk_err pk__call_stream_push(pk__call *c, pk_str bytes);
PK__FN void pk__call_stream_end(pk__call *c);
PK__FN bool pk__call_stream_create(pk__call *c);
PK__FN void pk__call_stream_destroy(pk__call *c);

#endif
