/* ctx.c - the accessors of pk_ctx. */
#include "ctx.h"
#include "../wire/http_head.h"

#include <string.h>

PK__FN void pk__ctx_init(pk__ctx_impl *impl, int64_t deadline)
{
    memset(impl, 0, sizeof(*impl));
    impl->deadline = deadline;
}

static const pk__ctx_impl *pk__ctx_get(const pk_ctx *ctx)
{
    return ctx ? (const pk__ctx_impl *)ctx->impl : NULL;
}

PK__FN int64_t pk__ctx_deadline(const pk_ctx *outer, int64_t now, uint32_t timeout_ms, uint32_t default_ms)
{
    const pk__ctx_impl *impl = pk__ctx_get(outer);
    uint32_t ms = timeout_ms > 0 ? timeout_ms : default_ms;
    int64_t deadline = ms > 0 ? pk__clock_after_ms(now, ms) : PK_FOREVER;
    return impl ? PK__MIN(deadline, impl->deadline) : deadline;
}

PK__FN uint32_t pk__ctx_left_ms(int64_t deadline, int64_t now)
{
    if (deadline == PK_FOREVER) {
        return UINT32_MAX;
    }
    int64_t ms = deadline <= now ? 0 : (deadline - now - 1) / PK__MS + 1;
    return ms > (int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

PK_API pk_ns pk_ctx_left(const pk_ctx *ctx)
{
    const pk__ctx_impl *impl = pk__ctx_get(ctx);
    if (!impl) {
        return ctx && ctx->timeout_ms > 0 ? (pk_ns)ctx->timeout_ms * PK__MS : PK_FOREVER;
    }
    if (impl->deadline == PK_FOREVER) {
        return PK_FOREVER;
    }
    int64_t left = impl->deadline - pk__clock_ns();
    return left > 0 ? left : 0;
}

PK_API bool pk_ctx_is_canceled(const pk_ctx *ctx)
{
    const pk__ctx_impl *impl = pk__ctx_get(ctx);
    if (!impl) {
        return false;
    }
    return (impl->deadline != PK_FOREVER && pk__clock_ns() >= impl->deadline) ||
           (impl->canceled && pk__atomic_load(impl->canceled) != 0) || (impl->is_gone && impl->is_gone(impl->user));
}

PK_API pk_str pk_ctx_meta(const pk_ctx *ctx, const char *name)
{
    static const pk_str none = {"", 0};
    return ctx ? pk__http_head_find(ctx->meta, ctx->meta_count, pk_str_from(name)) : none;
}

PK_API void pk_ctx_meta_out(pk_ctx *ctx, pk_str name, pk_str value)
{
    pk__ctx_impl *impl = ctx ? (pk__ctx_impl *)ctx->impl : NULL;
    if (!impl || !ctx->mem) {
        return; // nobody would send it
    }
    if (impl->out_count == impl->out_cap) {
        size_t cap = impl->out_cap > 0 ? impl->out_cap * 2 : 4;
        pk_meta *more = (pk_meta *)pk_mem_get(ctx->mem, cap * sizeof(*more));
        if (!more) {
            return;
        }
        if (impl->out_count > 0) {
            memcpy(more, impl->out, impl->out_count * sizeof(*more));
        }
        impl->out = more;
        impl->out_cap = cap;
    }
    pk_meta field;
    field.name = pk_mem_dup(ctx->mem, name);
    field.value = pk_mem_dup(ctx->mem, value);
    if (field.name.ptr && field.value.ptr) {
        impl->out[impl->out_count++] = field;
    }
}

#ifdef PLUGKIT_WITH_TLS
PK_API const pk_tls_peer *pk_ctx_peer(const pk_ctx *ctx)
{
    return ctx && ctx->impl ? ((const pk__ctx_impl *)ctx->impl)->peer : NULL;
}
#endif
