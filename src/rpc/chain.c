/* chain.c - running interceptors. */
#include "chain.h"

#include <string.h>

#include "ctx.h"

static size_t pk__chain_round(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static char *pk__chain_state(const pk_interceptor *const *chain, size_t at, char *states)
{
    for (size_t i = 0; i < at; i++) {
        states += pk__chain_round(chain[i]->state_size);
    }
    return states;
}

PK__FN pk_err pk__chain_create(const pk_alloc *alloc, const pk_interceptor *const *all, size_t count, pk_scope first,
                               pk_scope last, const pk_interceptor ***out, size_t *out_count, size_t *state_size,
                               pk_error *err)
{
    size_t n = 0;
    *state_size = 0;
    for (size_t i = 0; i < count; i++) {
        n += all[i]->scope >= first && all[i]->scope <= last;
    }
    *out = NULL;
    *out_count = n;
    if (n == 0) {
        return PK_OK;
    }
    const pk_interceptor **chain = (const pk_interceptor **)pk__new(alloc, n * sizeof(*chain));
    if (!chain) {
        *out_count = 0;
        return pk__error_memory(err, "sort the interceptors");
    }
    n = 0;
    for (size_t i = 0; i < count; i++) {
        if (all[i]->scope < first || all[i]->scope > last) {
            continue;
        }
        size_t at = n++; // insertion sort: stable, and chains are short
        while (at > 0 && (chain[at - 1]->scope > all[i]->scope ||
                          (chain[at - 1]->scope == all[i]->scope && chain[at - 1]->order > all[i]->order))) {
            chain[at] = chain[at - 1];
            at--;
        }
        chain[at] = all[i];
        *state_size += pk__chain_round(all[i]->state_size);
    }
    *out = chain;
    return PK_OK;
}

PK__FN void pk__chain_destroy(const pk_alloc *alloc, const pk_interceptor **chain, size_t count)
{
    pk__free(alloc, (void *)chain, count * sizeof(*chain));
}

PK__FN pk__chain_result pk__chain_before(const pk_interceptor *const *chain, size_t *at, size_t end, char *states,
                                         pk_exchange *x, pk_verdict verdict)
{
    while (verdict == PK_GO && *at < end) {
        const pk_interceptor *i = chain[*at];
        x->state = pk__chain_state(chain, *at, states);
        if (i->state_size > 0) {
            memset(x->state, 0, i->state_size);
        }
        ++*at;
        verdict = i->before && (i->refused || !x->refused) ? i->before(i->user, x) : PK_GO;
    }
    switch (verdict) {
    case PK_GO: return PK__CHAIN_ON;
    case PK_WAIT: return PK__CHAIN_WAIT;
    case PK_REFUSE:
        if (x->err->code == PK_OK) {
            (void)pk_error_set(x->err, PK_ERR_DENIED, "cannot call: interceptor '%s' refused", chain[*at - 1]->name);
        }
        return PK__CHAIN_TURN;
    default: return PK__CHAIN_TURN;
    }
}

PK__FN pk__chain_result pk__chain_after(const pk_interceptor *const *chain, size_t *at, size_t begin, char *states,
                                        pk_exchange *x, uint32_t *delay_ms)
{
    while (*at > begin) {
        const pk_interceptor *i = chain[*at - 1];
        x->state = pk__chain_state(chain, *at - 1, states);
        *delay_ms = 0;
        bool runs = i->after && (i->refused || !x->refused);
        if (runs && i->after(i->user, x, delay_ms) == PK_AGAIN && i->scope == PK_SCOPE_CALL && !x->streamed) {
            return PK__CHAIN_AGAIN;
        }
        --*at;
    }
    return PK__CHAIN_ON;
}

PK_API void pk_exchange_resume(pk_exchange *x, pk_verdict verdict)
{
    pk__resumer *r = (pk__resumer *)x->impl;
    r->resume(r, x, verdict);
}
