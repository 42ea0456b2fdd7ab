/* credentials.c - API keys, bearer tokens and passwords. */
#include "credentials.h"
#ifdef PLUGKIT_WITH_CREDENTIALS
#include "../base/error.h"
#include "../base/memory.h"
#include "../wire/base64.h"

#include <string.h>

enum { PK__CREDENTIALS_MAX = 8 * 1024 }; // bytes of a header

static void pk__credentials_wipe(void *bytes, size_t len)
{
    volatile unsigned char *at = (volatile unsigned char *)bytes;
    for (size_t i = 0; i < len; i++) {
        at[i] = 0;
    }
}

static const char *pk__credentials_header(const pk_credential *c)
{
    switch (c->kind) {
    case PK_CREDENTIAL_BEARER:
    case PK_CREDENTIAL_BASIC: return "Authorization";
    default: return c->header ? c->header : "X-API-Key";
    }
}

/* ---- shown */

typedef struct pk__credentials_state {
    pk_meta *fields; // of this attempt; NULL = nothing is shown
    size_t size;     // of that block
    const pk_meta *before;
} pk__credentials_state;

static const pk_credential *pk__credentials_for(const pk_credentials *all, pk_str plugin)
{
    const pk_credential *general = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const pk_credential *c = &all->items[i];
        if (c->plugin && pk_str_is(plugin, c->plugin)) {
            return c;
        }
        general = general || c->plugin ? general : c;
    }
    return general;
}

/* "user:secret" in base64, behind what is in the buffer. */
static bool pk__credentials_basic(pk_buf *out, const pk_alloc *alloc, pk_str user, pk_str secret)
{
    pk_buf plain;
    pk_buf_init(&plain, alloc, PK__CREDENTIALS_MAX);
    bool good = pk_buf_add(&plain, user) && pk_buf_add(&plain, PK_STR(":")) && pk_buf_add(&plain, secret) &&
                pk__base64_encode(out, pk_buf_str(&plain));
    pk__credentials_wipe(plain.ptr, plain.len);
    pk_buf_free(&plain);
    return good;
}

static pk_err pk__credentials_write(pk_buf *out, const pk_alloc *alloc, const pk_credential *c, pk_str secret,
                                    pk_error *err)
{
    bool basic = c->kind == PK_CREDENTIAL_BASIC;
    bool good = basic ? !memchr(c->user.len ? c->user.ptr : "", ':', c->user.len) : secret.len > 0;
    if (!good || !pk__http_head_is_value(secret) || !pk__http_head_is_token(pk_str_from(pk__credentials_header(c)))) {
        return pk_error_set(err, PK_ERR_MISUSE, "%s", basic ? "user or password hold odd characters"
                                                            : "the secret is missing or holds odd characters");
    }
    if (basic) {
        good = pk_buf_add(out, PK_STR("Basic ")) && pk__credentials_basic(out, alloc, c->user, secret);
    } else {
        good = (c->kind != PK_CREDENTIAL_BEARER || pk_buf_add(out, PK_STR("Bearer "))) && pk_buf_add(out, secret);
    }
    if (!good && out->failed == PK_ERR_LIMIT) {
        return pk_error_set(err, PK_ERR_LIMIT, "the secret is longer than %d bytes", PK__CREDENTIALS_MAX);
    }
    return good ? PK_OK : pk__error_memory(err, "show credentials");
}

/* Everything in one block: the call's fields, ours behind them, and its value. */
static pk_err pk__credentials_put(pk__credentials_state *state, pk_ctx *ctx, const pk_alloc *alloc, const char *name,
                                  pk_str value)
{
    size_t count = ctx->meta_count;
    state->size = (count + 1) * sizeof(*state->fields) + value.len;
    state->fields = (pk_meta *)pk__new(alloc, state->size);
    if (!state->fields) {
        return PK_ERR_NO_MEMORY;
    }
    char *text = (char *)(state->fields + count + 1);
    if (count) {
        memcpy(state->fields, ctx->meta, count * sizeof(*state->fields));
    }
    memcpy(text, value.ptr, value.len);
    state->fields[count].name = pk_str_from(name);
    state->fields[count].value.ptr = text;
    state->fields[count].value.len = value.len;
    state->before = ctx->meta;
    ctx->meta = state->fields;
    ctx->meta_count = count + 1;
    return PK_OK;
}

static pk_verdict pk__credentials_before(void *user, pk_exchange *x)
{
    const pk_credentials *all = (const pk_credentials *)user;
    const pk_credential *c = pk__credentials_for(all, x->plugin);
    if (!c || c->kind == PK_CREDENTIAL_NONE) {
        return PK_GO;
    }
    const char *name = pk__credentials_header(c);
    for (size_t i = 0; i < x->ctx->meta_count; i++) {
        if (pk_str_ieq(x->ctx->meta[i].name, pk_str_from(name))) {
            return PK_GO; // the call has its own
        }
    }
    pk_buf value;
    pk_str secret = c->secret;
    pk_buf_init(&value, all->alloc, PK__CREDENTIALS_MAX);
    pk_err rc = c->get ? c->get(c->context, x, &secret, x->err) : PK_OK;
    if (rc && x->err->code == PK_OK) {
        (void)pk_error_set(x->err, rc, "there are none");
    }
    rc = rc ? rc : pk__credentials_write(&value, all->alloc, c, secret, x->err);
    if (!rc) {
        rc = pk__credentials_put((pk__credentials_state *)x->state, x->ctx, all->alloc, name, pk_buf_str(&value));
        if (rc) {
            (void)pk__error_memory(x->err, "show credentials");
        }
    }
    pk__credentials_wipe(value.ptr, value.len);
    pk_buf_free(&value);
    if (rc) {
        pk__error_wrap(x->err, "cannot show credentials to '%" PK_FMT "'", PK_ARG(x->plugin));
    }
    return rc ? PK_REFUSE : PK_GO;
}

static pk_verdict pk__credentials_after(void *user, pk_exchange *x, uint32_t *delay_ms)
{
    const pk_credentials *all = (const pk_credentials *)user;
    pk__credentials_state *state = (pk__credentials_state *)x->state;
    (void)delay_ms;
    if (state->fields) {
        x->ctx->meta = state->before;
        x->ctx->meta_count--;
        pk__credentials_wipe(state->fields, state->size);
        pk__free(all->alloc, state->fields, state->size);
        state->fields = NULL;
    }
    return PK_GO;
}

PK_API pk_interceptor pk_credentials_show(const pk_credentials *credentials)
{
    pk_interceptor i;
    memset(&i, 0, sizeof(i));
    i.name = "credentials";
    i.scope = PK_SCOPE_ATTEMPT;
    i.state_size = sizeof(pk__credentials_state);
    i.before = pk__credentials_before;
    i.after = pk__credentials_after;
    i.user = (void *)(uintptr_t)credentials; // it is only read
    i.own_requests = true;
    return i;
}

/* ---- checked */

PK__FN bool pk__credentials_equal(pk_str shown, pk_str wanted)
{
    volatile unsigned different = shown.len != wanted.len || wanted.len == 0;
    for (size_t i = 0; i < shown.len && wanted.len; i++) {
        different = different | ((unsigned)(unsigned char)shown.ptr[i] ^ (unsigned char)wanted.ptr[i % wanted.len]);
    }
    return different == 0;
}

typedef struct pk__access_shown { // what a request shows in one header
    pk_str scheme, user, secret;
    char plain[PK__CREDENTIALS_MAX]; // of Basic; to be wiped
    size_t plain_len;
} pk__access_shown;

/* "Bearer abc": is the scheme this one? Then what is behind it. */
static bool pk__access_scheme(pk_str value, const char *scheme, pk_str *rest)
{
    pk_str name;
    if (!pk_str_cut(value, ' ', &name, rest) || !pk_str_ieq(name, pk_str_from(scheme))) {
        return false;
    }
    while (rest->len > 0 && rest->ptr[0] == ' ') {
        rest->ptr++;
        rest->len--;
    }
    return rest->len > 0;
}

static bool pk__access_read_basic(pk__access_shown *s, pk_str text)
{
    pk_str plain = {s->plain, 0};
    if (text.len > sizeof(s->plain) || !pk__base64_decode(text, PK__BASE64_STD, s->plain, &plain.len)) {
        return false;
    }
    s->plain_len = plain.len;
    return pk_str_cut(plain, ':', &s->user, &s->secret);
}

/* False: nothing of that kind was shown. */
static bool pk__access_read(pk__access_shown *s, const pk_ctx *ctx, const pk_credential *c)
{
    pk_str value = pk_ctx_meta(ctx, pk__credentials_header(c));
    s->user = PK_STR("");
    s->secret = value;
    s->plain_len = 0;
    switch (c->kind) {
    case PK_CREDENTIAL_NONE: return false;
    case PK_CREDENTIAL_BEARER: s->scheme = PK_STR("Bearer"); return pk__access_scheme(value, "Bearer", &s->secret);
    case PK_CREDENTIAL_BASIC:
        s->scheme = PK_STR("Basic");
        return pk__access_scheme(value, "Basic", &value) && pk__access_read_basic(s, value);
    default: s->scheme = pk_str_from(pk__credentials_header(c)); return value.len > 0;
    }
}

/* What is looked at if only `allow` knows what is accepted. */
static const pk_credential pk__access_any[] = {
    {PK_CREDENTIAL_BEARER, NULL, NULL, PK_STR_INIT(""), PK_STR_INIT(""), NULL, NULL},
    {PK_CREDENTIAL_BASIC, NULL, NULL, PK_STR_INIT(""), PK_STR_INIT(""), NULL, NULL},
    {PK_CREDENTIAL_API_KEY, NULL, NULL, PK_STR_INIT(""), PK_STR_INIT(""), NULL, NULL},
};

static bool pk__access_ask(const pk_access *a, pk_exchange *x, const pk_credentials *kinds, pk__access_shown *s,
                           pk_error *err)
{
    for (size_t i = 0; i < kinds->count; i++) {
        if (pk__access_read(s, x->ctx, &kinds->items[i])) {
            bool allowed = a->allow(a->context, x, s->scheme, s->user, s->secret, err);
            pk__credentials_wipe(s->plain, s->plain_len);
            return allowed;
        }
    }
    return a->allow(a->context, x, PK_STR(""), PK_STR(""), PK_STR(""), err);
}

/* All are looked at, so that the time does not tell which has nearly fitted. */
static bool pk__access_compare(const pk_ctx *ctx, const pk_credentials *kinds, pk__access_shown *s)
{
    unsigned good = 0;
    for (size_t i = 0; i < kinds->count; i++) {
        const pk_credential *c = &kinds->items[i];
        if (pk__access_read(s, ctx, c)) {
            unsigned user = c->kind != PK_CREDENTIAL_BASIC || c->user.len == s->user.len;
            user &= !c->user.len || c->kind != PK_CREDENTIAL_BASIC || pk__credentials_equal(s->user, c->user);
            good |= user & (unsigned)pk__credentials_equal(s->secret, c->secret);
        }
        pk__credentials_wipe(s->plain, s->plain_len);
    }
    return good != 0;
}

/* What would do, for people and browsers: each kind once. */
static pk_str pk__access_challenge(const pk_access *a, const pk_credentials *kinds, pk_mem *mem)
{
    static const char *const schemes[] = {NULL, "ApiKey", "Bearer", "Basic", "ApiKey"};
    const char *realm = a->realm ? a->realm : "plugin";
    pk_str text = PK_STR("");
    bool said[4] = {false, false, false, false};
    for (size_t i = 0; i < kinds->count && text.ptr; i++) {
        unsigned kind = kinds->items[i].kind == PK_CREDENTIAL_CUSTOM ? PK_CREDENTIAL_API_KEY : kinds->items[i].kind;
        if (kind == PK_CREDENTIAL_NONE || kind >= PK__COUNT(said) || said[kind]) {
            continue;
        }
        said[kind] = true;
        text = pk_mem_printf(mem, "%" PK_FMT "%s%s realm=\"%s\"%s", PK_ARG(text), text.len ? ", " : "", schemes[kind],
                             realm, kind == PK_CREDENTIAL_BASIC ? ", charset=\"UTF-8\"" : "");
    }
    return text;
}

static pk_verdict pk__access_refuse(const pk_access *a, const pk_credentials *kinds, pk_exchange *x, pk_error *why)
{
    pk_mem *mem = x->ctx->mem;
    if (why->code == PK_OK) {
        (void)pk_error_set(why, PK_ERR_DENIED, "cannot serve the request: credentials are missing or wrong");
    }
    why->status = why->status ? why->status : 401;
    char *body = (char *)pk_mem_get(mem, PK__ERROR_BODY_MAX);
    pk_meta *field = (pk_meta *)pk_mem_get(mem, sizeof(*field));
    pk_str challenge = pk__access_challenge(a, kinds, mem);
    if (!body || !field || !challenge.ptr) {
        (void)pk__error_memory(x->err, "refuse the request");
        return PK_REFUSE;
    }
    x->reply->status = pk__error_body_status(why);
    x->reply->body.bytes.ptr = body;
    x->reply->body.bytes.len = pk__error_body_write(body, why);
    x->reply->body.content_type = PK_STR("application/json");
    if (x->reply->status == 401 && challenge.len) {
        field->name = PK_STR("WWW-Authenticate");
        field->value = challenge;
        x->reply->meta = field;
        x->reply->meta_count = 1;
    }
    return PK_ANSWER;
}

/* The host's own requests, which it has shown the token for. */
static bool pk__access_is_own(const pk_exchange *x)
{
    static const char *const own[] = {"GET /healthz", "GET /capabilities", "POST /shutdown"};
    const pk__serve_call *c = (const pk__serve_call *)x->impl;
    bool guarded = c->server->token.len > 0 || c->server->on_token;
    for (size_t i = 0; i < c->server->open_count && guarded; i++) {
        guarded = !pk_str_is(c->request.path, c->server->open_paths[i]);
    }
    for (size_t i = 0; i < PK__COUNT(own) && guarded; i++) {
        if (strcmp(x->call->http, own[i]) == 0) {
            return true;
        }
    }
    return false;
}

static pk_verdict pk__access_before(void *user, pk_exchange *x)
{
    static const pk_credentials any = {NULL, pk__access_any, PK__COUNT(pk__access_any)};
    const pk_access *a = (const pk_access *)user;
    const pk_credentials *kinds = a->accept.count || !a->allow ? &a->accept : &any;
    pk__access_shown shown;
    pk_error why;
    memset(&why, 0, sizeof(why));
    const pk_tls_peer *peer = ((const pk__ctx_impl *)x->ctx->impl)->peer;
    if (pk__access_is_own(x) || (a->certificate && peer && peer->certificate.len)) {
        return PK_GO;
    }
    bool good = a->allow ? pk__access_ask(a, x, kinds, &shown, &why) : pk__access_compare(x->ctx, kinds, &shown);
    return good ? PK_GO : pk__access_refuse(a, kinds, x, &why);
}

PK_API pk_interceptor pk_access_check(const pk_access *access)
{
    pk_interceptor i;
    memset(&i, 0, sizeof(i));
    i.name = "access";
    i.scope = PK_SCOPE_SERVE;
    i.before = pk__access_before;
    i.user = (void *)(uintptr_t)access; // it is only read
    return i;
}
#endif
