/* chain.h - interceptors in order.
 *
 * A chain is sorted once: call scope before attempt scope, each by `order`, equals as given. Each interceptor owns
 * state_size bytes in the call, zeroed before each `before`. */
#ifndef PK__CHAIN_H
#define PK__CHAIN_H
#include "../base/memory.h"

typedef enum pk__chain_result { PK__CHAIN_ON, PK__CHAIN_WAIT, PK__CHAIN_TURN, PK__CHAIN_AGAIN } pk__chain_result;

/* Copies those of the scopes first..last, sorted, to a new array. *state_size is what all of them need. */
PK__FN pk_err pk__chain_create(const pk_alloc *alloc, const pk_interceptor *const *all, size_t count, pk_scope first,
                               pk_scope last, const pk_interceptor ***out, size_t *out_count, size_t *state_size,
                               pk_error *err);
PK__FN void pk__chain_destroy(const pk_alloc *alloc, const pk_interceptor **chain, size_t count);

/* Runs `before` from *at to end; *at is then one behind the last that ran. TURN: it answered or refused (x->err says
 * which). `verdict` is PK_GO, or what a waiting interceptor was resumed with. */
PK__FN pk__chain_result pk__chain_before(const pk_interceptor *const *chain, size_t *at, size_t end, char *states,
                                         pk_exchange *x, pk_verdict verdict);
/* Runs `after` from *at - 1 down to begin. AGAIN: go back to `before` of *at, after *delay_ms. */
PK__FN pk__chain_result pk__chain_after(const pk_interceptor *const *chain, size_t *at, size_t begin, char *states,
                                        pk_exchange *x, uint32_t *delay_ms);

#endif
