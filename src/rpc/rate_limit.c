/* rate_limit.c - buckets of tokens, and who shares one. */
#include "rate_limit.h"
#ifdef PLUGKIT_WITH_WEB
#include "../base/error.h"
#include "../base/memory.h"
#include "../net/socket.h"
#include "../os/random.h"

#include <string.h>

PK_API pk_err pk_rate_limit_create(pk_rate_limit **out, const pk_rate_limit_desc *desc, pk_error *err)
{
    pk_rate_limit *limit = (pk_rate_limit *)pk__new(desc->alloc, sizeof(*limit));
    size_t peers = desc->peers > 0 ? desc->peers : 1024, ways = PK__RATE_LIMIT_WAYS;
    *out = NULL;
    if (limit) {
        limit->count = (peers + ways - 1) / ways * ways;
        limit->buckets = (pk__rate_limit_bucket *)pk__new(desc->alloc, limit->count * sizeof(*limit->buckets));
    }
    if (!limit || !limit->buckets) {
        pk__free(desc->alloc, limit, sizeof(*limit));
        return pk__error_memory(err, "limit requests");
    }
    limit->desc = *desc;
    uint32_t requests = desc->requests > 0 ? desc->requests : 100, burst = desc->burst > 0 ? desc->burst : requests;
    int64_t span = (int64_t)(desc->per_ms > 0 ? desc->per_ms : 1000) * PK__MS;
    limit->token_ns = PK__MAX(span / requests, 1);
    limit->bucket_ns = limit->token_ns * (burst - 1);
    limit->seed = pk__random_u64();
    pk__mutex_init(&limit->lock);
    *out = limit;
    return PK_OK;
}

PK_API void pk_rate_limit_destroy(pk_rate_limit *limit)
{
    if (limit) {
        const pk_alloc *alloc = limit->desc.alloc;
        pk__mutex_deinit(&limit->lock);
        pk__free(alloc, limit->buckets, limit->count * sizeof(*limit->buckets));
        pk__free(alloc, limit, sizeof(*limit));
    }
}

static uint64_t pk__rate_limit_hash(const pk_rate_limit *limit, pk_str name)
{
    uint64_t hash = limit->seed;
    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ (unsigned char)name.ptr[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash;
}

static pk__rate_limit_bucket *pk__rate_limit_find(pk_rate_limit *limit, pk_str name)
{
    size_t sets = limit->count / PK__RATE_LIMIT_WAYS;
    size_t set = (size_t)(pk__rate_limit_hash(limit, name) % sets);
    pk__rate_limit_bucket *b = &limit->buckets[set * PK__RATE_LIMIT_WAYS], *first = b;
    for (size_t i = 0; i < PK__RATE_LIMIT_WAYS; i++, b++) {
        pk_str has = {b->name, b->len};
        if (pk_str_eq(has, name)) {
            return b;
        }
        first = b->full_at < first->full_at ? b : first;
    }
    first->full_at = 0;
    first->len = (uint8_t)name.len;
    memcpy(first->name, name.ptr, name.len);
    return first;
}

PK__FN int64_t pk__rate_limit_take(pk_rate_limit *limit, pk_str name, int64_t now)
{
    name.len = PK__MIN(name.len, (size_t)PK__RATE_LIMIT_NAME);
    pk__mutex_lock(&limit->lock);
    pk__rate_limit_bucket *b = pk__rate_limit_find(limit, name);
    int64_t full_at = PK__MAX(b->full_at, now), wait = full_at - now - limit->bucket_ns;
    if (wait <= 0) {
        b->full_at = full_at + limit->token_ns;
    }
    pk__mutex_unlock(&limit->lock);
    return PK__MAX(wait, 0);
}

/* Who is counted. Names of callers and of peers are kept apart by their first byte. */
static pk_str pk__rate_limit_name(const pk_rate_limit *limit, const pk_exchange *x, char text[64])
{
    const pk__serve_call *c = (const pk__serve_call *)x->impl;
    const pk_str caller = x->ctx->caller;
    pk_str name = {text, 1};
    uint64_t id = 0;
    text[0] = 'a';
    if (limit->desc.key) {
        return limit->desc.key(limit->desc.user, x);
    }
    bool proven = (c->server->token.len > 0 || c->server->on_token) && c->refused.status != 401;
    if (limit->desc.by == PK_RATE_CALLER && proven) {
        text[0] = 'c';
        name.len += PK__MIN(caller.len, (size_t)60);
        memcpy(text + 1, caller.ptr, name.len - 1);
    } else if (limit->desc.by != PK_RATE_ALL && pk__socket_peer(c->job->link->watch.fd, &id)) {
        text[0] = 'p';
        memcpy(text + 1, &id, sizeof(id));
        name.len += sizeof(id);
    }
    return name;
}

static pk_verdict pk__rate_limit_before(void *user, pk_exchange *x)
{
    pk_rate_limit *limit = (pk_rate_limit *)user;
    char text[64];
    if (((const pk__serve_call *)x->impl)->route.flags & PK_INLINE) {
        return PK_GO;
    }
    pk_str name = pk__rate_limit_name(limit, x, text);
    int64_t wait = name.len > 0 ? pk__rate_limit_take(limit, name, pk__clock_ns()) : 0;
    if (wait == 0) {
        return PK_GO;
    }
    (void)pk_error_set(x->err, PK_ERR_RATE_LIMIT, "cannot serve the request: too many of them");
    x->err->retry_after_ms = (uint32_t)PK__MIN((wait - 1) / PK__MS + 1, (int64_t)UINT32_MAX);
    return PK_REFUSE;
}

PK_API pk_interceptor pk_rate_limit_check(pk_rate_limit *limit)
{
    pk_interceptor i;
    memset(&i, 0, sizeof(i));
    i.name = "rate limit";
    i.scope = PK_SCOPE_SERVE;
    i.order = PK__RATE_LIMIT_ORDER;
    i.before = pk__rate_limit_before;
    i.user = limit;
    i.refused = true;
    return i;
}
#endif
