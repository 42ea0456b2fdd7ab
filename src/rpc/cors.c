/* cors.c - what browsers may, and how they are told. */
#include "cors.h"
#ifdef PLUGKIT_WITH_WEB
#include "../base/error.h"
#include "../base/memory.h"

#include <string.h>

static bool pk__cors_lists(const char *const *list, pk_str what, bool any_case)
{
    for (; list && *list; list++) {
        pk_str one = pk_str_from(*list);
        if (any_case ? pk_str_ieq(one, what) : pk_str_eq(one, what)) {
            return true;
        }
    }
    return false;
}

/* Any origin, without a look at it? */
static bool pk__cors_is_open(const pk_cors *c)
{
    return !c->allow && !c->credentials && pk__cors_lists(c->origins, PK_STR("*"), false);
}

static bool pk__cors_knows(const pk_cors *c, pk_str origin)
{
    if (c->allow) {
        return c->allow(c->user, origin);
    }
    return pk__cors_is_open(c) || (!pk_str_is(origin, "*") && pk__cors_lists(c->origins, origin, false));
}

/* The server's own pages: the origin is its scheme and what the request has in Host. */
static bool pk__cors_is_own(const pk_exchange *x, pk_str origin)
{
    const pk__http_job *job = ((const pk__serve_call *)x->impl)->job;
    pk_str scheme = PK__SECURE_ON(job->link->secure) ? PK_STR("https://") : PK_STR("http://");
    pk_str host = {origin.ptr + scheme.len, origin.len - scheme.len};
    return pk_str_starts(origin, scheme) && host.len > 0 && pk_str_ieq(host, job->head.host);
}

static bool pk__cors_has_method(const pk_cors *c, pk_str method)
{
    static const char *const plain[] = {"GET", "HEAD", "POST", NULL};
    return pk__cors_lists(c->methods ? c->methods : plain, method, false);
}

/* May all of these headers be sent? */
static bool pk__cors_has_headers(const pk_cors *c, pk_str list)
{
    static const char *const plain[] = {"accept", "accept-language", "content-language", "content-type", "range", NULL};
    for (pk_str one; pk__http_head_next(&list, &one);) {
        bool any = pk__cors_lists(c->headers, PK_STR("*"), false) && !pk_str_ieq(one, PK_STR("authorization"));
        if (one.len > 0 && (!pk__http_head_is_token(one) || !(any || pk__cors_lists(plain, one, true) ||
                                                              pk__cors_lists(c->headers, one, true)))) {
            return false;
        }
    }
    return true;
}

/* "a, b, c", in the context's memory. */
static pk_str pk__cors_join(const pk_ctx *ctx, const char *const *list)
{
    pk_str text = PK_STR("");
    for (; list && *list && text.ptr; list++) {
        text = pk_mem_printf(ctx->mem, "%" PK_FMT "%s%s", PK_ARG(text), text.len > 0 ? ", " : "", *list);
    }
    return text.ptr ? text : PK_STR("");
}

static void pk__cors_say(pk_ctx *ctx, const char *name, pk_str value)
{
    if (value.len > 0) {
        pk_ctx_meta_out(ctx, pk_str_from(name), value);
    }
}

static void pk__cors_name(const pk_cors *c, pk_ctx *ctx, pk_str origin)
{
    pk__cors_say(ctx, "Access-Control-Allow-Origin", pk__cors_is_open(c) ? PK_STR("*") : origin);
    pk__cors_say(ctx, "Access-Control-Allow-Credentials", c->credentials ? PK_STR("true") : PK_STR(""));
}

static void pk__cors_give_leave(const pk_cors *c, pk_exchange *x, pk_str origin)
{
    pk_ctx *ctx = x->ctx;
    x->reply->status = 204;
    pk__cors_name(c, ctx, origin);
    pk__cors_say(ctx, "Access-Control-Allow-Methods", pk_ctx_meta(ctx, "Access-Control-Request-Method"));
    pk__cors_say(ctx, "Access-Control-Allow-Headers", pk_ctx_meta(ctx, "Access-Control-Request-Headers"));
    if (c->max_age_s > 0) {
        pk__cors_say(ctx, "Access-Control-Max-Age", pk_mem_printf(ctx->mem, "%u", (unsigned)c->max_age_s));
    }
}

static pk_verdict pk__cors_refuse(pk_exchange *x, const char *what)
{
    (void)pk_error_set(x->err, PK_ERR_DENIED, "cannot serve the request: its %s is not allowed here (CORS)", what);
    x->err->status = 403;
    return PK_REFUSE;
}

static pk_verdict pk__cors_before(void *user, pk_exchange *x)
{
    const pk_cors *c = (const pk_cors *)user;
    pk_ctx *ctx = x->ctx;
    pk_str origin = pk_ctx_meta(ctx, "Origin"), method = pk_ctx_meta(ctx, "Access-Control-Request-Method");
    bool asks = pk_str_is(x->request->method, "OPTIONS") && method.len > 0;
    if (!pk__cors_is_open(c)) {
        pk__cors_say(ctx, "Vary", PK_STR("Origin"));
    }
    if (asks) {
        pk__cors_say(ctx, "Vary", PK_STR("Access-Control-Request-Method, Access-Control-Request-Headers"));
    }
    if (origin.len == 0 || pk__cors_is_own(x, origin)) {
        return PK_GO;
    }
    if (!pk__cors_knows(c, origin)) {
        return pk__cors_refuse(x, "origin");
    }
    if (!asks) {
        pk__cors_name(c, ctx, origin);
        pk__cors_say(ctx, "Access-Control-Expose-Headers", pk__cors_join(ctx, c->exposed));
        return PK_GO;
    }
    if (!pk__cors_has_method(c, method)) {
        return pk__cors_refuse(x, "method");
    }
    if (!pk__cors_has_headers(c, pk_ctx_meta(ctx, "Access-Control-Request-Headers"))) {
        return pk__cors_refuse(x, "header");
    }
    pk__cors_give_leave(c, x, origin);
    return PK_ANSWER;
}

PK_API pk_interceptor pk_cors_allow(const pk_cors *cors)
{
    pk_interceptor i;
    memset(&i, 0, sizeof(i));
    i.name = "cors";
    i.scope = PK_SCOPE_SERVE;
    i.order = PK__CORS_ORDER;
    i.before = pk__cors_before;
    i.user = (void *)(uintptr_t)cors; // it is only read
    i.refused = true;
    return i;
}
#endif
