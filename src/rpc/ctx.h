/* ctx.h - what stands behind a pk_ctx while a call runs.
 *
 * A pk_ctx is filled by callers as a plain struct; then `impl` is NULL. The call machine (caller's side) and the server
 * (handler's side) put a pk__ctx_impl behind it as long as the call runs: the deadline as a point in time, how to find
 * out that nobody waits any more, and the headers that the handler adds to its answer.
 *
 * pk_ctx_is_canceled asks in this order: the deadline (a clock reading), the flag (one load), and `is_gone`, which a
 * server answers by looking at the socket; so it may cost a system call, and nobody else pays for it.
 *
 * An exchange that an interceptor holds back (PK_WAIT) is resumed through the pk__resumer that x->impl points to:
 * the call machine's or the server's. */
#ifndef PK__CTX_H
#define PK__CTX_H
#include "../base/defs.h"
#include "../os/atomic.h"
#include "../os/clock.h"

typedef struct pk__ctx_impl {
    int64_t deadline;                // by pk__clock_ns; PK_FOREVER = none
    const pk__atomic_u32 *canceled;  // not 0 = canceled; NULL = nobody can
    bool (*is_gone)(void *user);     // does the caller no longer wait? NULL = unknown; the handler's thread
    void *user;                      // for is_gone
    const pk_tls_peer *peer;         // who is on the other side of a secure connection; NULL = it is plain
    const pk_meta *in;               // headers of the request: not passed on by a handler that calls with its context
    pk_meta *out;                    // headers of the answer, in ctx->mem
    size_t out_count, out_cap;
} pk__ctx_impl;

/* pk_ctx_meta_out copies what it is given; whoever sends the answer checks whether these headers may be sent. */
PK__FN void pk__ctx_init(pk__ctx_impl *impl, int64_t deadline);
/* The deadline of a new call: timeout_ms from `now` (0 = default_ms; that 0 too = none), but never behind `outer`'s. */
PK__FN int64_t pk__ctx_deadline(const pk_ctx *outer, int64_t now, uint32_t timeout_ms, uint32_t default_ms);
/* Milliseconds from `now` to the deadline, rounded up; 0 = it has passed; UINT32_MAX = none, or further than that. */
PK__FN uint32_t pk__ctx_left_ms(int64_t deadline, int64_t now);

/* pk_exchange.impl points to one of these: how a held exchange goes on. */
typedef struct pk__resumer {
    void (*resume)(struct pk__resumer *self, pk_exchange *x, pk_verdict verdict); // any thread
} pk__resumer;

#endif
