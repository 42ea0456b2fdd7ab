/* http_channel.c - calls over HTTP/1.1. */
#include "http_channel.h"

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../wire/number.h"

typedef struct pk__http_channel {
    const pk__http_channel_env *env;
    bool framework;
    pk_loop *loop;
    pk__http_pool pool;
    pk__node started; // attempts that the loop drives
} pk__http_channel;

typedef struct pk__http_attempt {
    pk__http_exchange x;
    pk__http_channel *channel;
    pk__http_client *client;
    pk_attempt *attempt;
    pk_body body;
    pk_meta own[4];
    char timeout[PK__NUMBER_CAP];
    pk__node node; // in channel->started; attempts of `run` are in no list
} pk__http_attempt;

static void pk__http_channel_field(pk_meta *own, size_t *count, pk_str name, pk_str value)
{
    if (value.len) {
        own[*count].name = name;
        own[*count].value = value;
        ++*count;
    }
}

static pk_err pk__http_channel_new(const pk__http_channel_env *env, bool framework, pk_loop *loop,
                                   const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    pk__http_channel *ch = (pk__http_channel *)pk__new(env->alloc, sizeof(*ch));
    if (!ch) {
        return pk__error_memory(err, "open a channel");
    }
    pk__http_pool_desc desc;
    pk_meta own[2];
    memset(&desc, 0, sizeof(desc));
    desc.own = own;
    if (framework) {
        pk__http_channel_field(own, &desc.own_count, PK_STR("Accept"), PK_STR("application/json"));
    } else {
        pk__http_channel_field(own, &desc.own_count, PK_STR("PlugKit-Token"), endpoint->token);
        pk__http_channel_field(own, &desc.own_count, PK_STR("PlugKit-Caller"), pk_str_from(env->caller));
    }
    desc.alloc = env->alloc;
    desc.address = endpoint->address;
    desc.via = endpoint->via;
    desc.transports = env->transports;
    desc.transport_count = env->transport_count;
    desc.spin_us = env->spin_us;
    if (PK__SECURE_BUILT) {
        desc.tls = endpoint->tls ? endpoint->tls : env->tls;
        desc.tls_name = endpoint->tls_name;
    }
    pk_err rc = pk__http_pool_init(&ch->pool, &desc, err);
    if (rc) {
        pk__free(env->alloc, ch, sizeof(*ch));
        return rc;
    }
    ch->env = env;
    ch->framework = framework;
    ch->loop = loop;
    pk__list_init(&ch->started);
    *channel = ch;
    return PK_OK;
}

static pk_err pk__http_channel_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel,
                                    pk_error *err)
{
    return pk__http_channel_new((const pk__http_channel_env *)user, false, loop, endpoint, channel, err);
}

static pk_err pk__http_channel_open_framework(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel,
                                              pk_error *err)
{
    return pk__http_channel_new((const pk__http_channel_env *)user, true, loop, endpoint, channel, err);
}

static void pk__http_channel_close(void *channel)
{
    pk__http_channel *ch = (pk__http_channel *)channel;
    const pk_alloc *alloc = ch->env->alloc;
    PK__ASSERT(pk__list_is_empty(&ch->started));
    pk__http_pool_deinit(&ch->pool);
    pk__free(alloc, ch, sizeof(*ch));
}

/* ---- one attempt */

static pk_err pk__http_attempt_on_head(void *user, const pk__http_answer *answer, pk_error *err)
{
    pk__http_attempt *h = (pk__http_attempt *)user;
    (void)err;
    pk_attempt_head(h->attempt, answer->status, answer->fields, answer->field_count);
    return PK_OK;
}

static pk_err pk__http_attempt_on_chunk(void *user, pk_str bytes, pk_error *err)
{
    pk__http_attempt *h = (pk__http_attempt *)user;
    pk_err rc = pk_attempt_chunk(h->attempt, bytes, err);
    if (rc == PK_ERR_BUSY) {
        pk__http_client_pause(h->client, true);
        rc = PK_OK;
    }
    return rc;
}

static pk_err pk__http_attempt_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return pk_attempt_read((pk_attempt *)user, buf, cap, got, err);
}

static void pk__http_attempt_fields(pk__http_attempt *h)
{
    const pk_attempt *a = h->attempt;
    size_t *count = &h->x.own_count;
    if (h->channel->framework) {
        if (!h->x.body) {
            pk__http_channel_field(h->own, count, PK_STR("Content-Type"), PK_STR("application/json"));
        }
        return;
    }
    pk__http_channel_field(h->own, count, PK_STR("PlugKit-Type"), a->type);
    if (!h->channel->env->caller[0]) { // a plugin's own name belongs to its token
        pk__http_channel_field(h->own, count, PK_STR("PlugKit-Caller"), a->ctx->caller);
    }
    pk__http_channel_field(h->own, count, PK_STR("traceparent"), a->ctx->traceparent);
    if (a->deadline != PK_FOREVER) {
        pk_str text = {h->timeout, 0};
        text.len = (size_t)(pk__number_put_uint(h->timeout, pk__ctx_left_ms(a->deadline, h->x.now)) - h->timeout);
        pk__http_channel_field(h->own, count, PK_STR("Connect-Timeout-Ms"), text);
    }
}

static void pk__http_attempt_init(pk__http_attempt *h, pk__http_channel *ch, pk_attempt *a)
{
    memset(&h->x, 0, PK__UNKNOWN(sizeof(h->x)));
    h->channel = ch;
    h->client = NULL;
    h->attempt = a;
    h->body = *a->body;
    bool streamed = pk__call_is_stream(a);
    bool empty = !streamed && !h->body.bytes.len && !h->body.has_fd && !h->body.read;
    if (h->body.read || streamed) { // through us, so that what was read is known
        memset(&h->body.bytes, 0, sizeof(h->body.bytes));
        h->body.has_fd = false;
        h->body.read = pk__http_attempt_read;
        h->body.user = a;
    }
    if (h->body.content_type.len == 0) {
        h->body.content_type = PK_STR("application/json");
    }
    h->x.method = a->verb;
    h->x.target = a->path;
    h->x.own = h->own;
    h->x.fields = a->ctx->meta;
    h->x.field_count = a->ctx->meta_count;
    /* A POST without a body still says Content-Length: 0, and servers differ in what they make of it otherwise. */
    h->x.body = empty && (pk_str_is(a->verb, "GET") || pk_str_is(a->verb, "HEAD")) ? NULL : &h->body;
    h->x.deadline = a->deadline;
    h->x.now = pk__call_now(a);
    h->x.on_head = pk__http_attempt_on_head;
    h->x.on_chunk = pk__http_attempt_on_chunk;
    h->x.user = h;
    pk__http_attempt_fields(h);
}

/* Nobody has cancelled this call: the plugin has ended, or will, and the next instance may well have the request. */
static void pk__http_channel_gone(pk_error *why)
{
    (void)pk_error_set(why, PK_ERR_PLUGIN_CONNECTION,
                       "cannot finish the call: the plugin has gone or is being stopped");
}

static void pk__http_channel_run(void *channel, pk_attempt *a)
{
    pk__http_channel *ch = (pk__http_channel *)channel;
    pk__http_attempt h;
    pk_error why;
    pk__error_none(&why);
    pk__http_attempt_init(&h, ch, a);
    if (pk__http_pool_take(&ch->pool, h.x.now, &h.client, &why) == PK_OK) {
        if (pk__http_client_run(h.client, &h.x, &why) && pk__atomic_load(&h.client->interrupted)) {
            pk__http_channel_gone(&why);
        }
        pk__http_pool_give(&ch->pool, h.client);
        a->sent = h.x.sent;
    } else if (why.code == PK_ERR_STOPPED) {
        pk__http_channel_gone(&why);
    }
    pk_attempt_end(a, why.code ? &why : NULL);
}

static void pk__http_attempt_destroy(pk__http_attempt *h)
{
    pk__list_remove(&h->node);
    pk__http_pool_give(&h->channel->pool, h->client);
    pk__free(h->channel->env->alloc, h, sizeof(*h));
}

static void pk__http_attempt_on_end(void *user, const pk_error *why)
{
    pk__http_attempt *h = (pk__http_attempt *)user;
    pk_attempt *a = h->attempt;
    a->sent = h->x.sent;
    a->state = NULL;
    pk__http_attempt_destroy(h); // first: the call may go on to its next attempt, and wants the connection
    pk_attempt_end(a, why);
}

static pk_err pk__http_channel_start(void *channel, pk_attempt *a, pk_error *err)
{
    pk__http_channel *ch = (pk__http_channel *)channel;
    pk__http_attempt *h = (pk__http_attempt *)pk__new(ch->env->alloc, sizeof(*h));
    if (!h) {
        return pk__error_memory(err, "start an attempt");
    }
    pk__http_attempt_init(h, ch, a);
    h->x.on_end = pk__http_attempt_on_end;
    pk_err rc = pk__http_pool_take(&ch->pool, h->x.now, &h->client, err);
    if (!rc) {
        rc = pk__http_client_start(h->client, ch->loop, &h->x, err);
        if (rc) {
            pk__http_pool_give(&ch->pool, h->client);
        }
    }
    if (rc) {
        pk__free(ch->env->alloc, h, sizeof(*h));
        if (rc == PK_ERR_STOPPED) {
            pk__http_channel_gone(err);
            rc = err->code;
        }
        return rc;
    }
    a->state = h;
    pk__list_push(&ch->started, &h->node);
    return PK_OK;
}

static void pk__http_channel_resume(void *channel, pk_attempt *a)
{
    pk__http_attempt *h = (pk__http_attempt *)a->state;
    (void)channel;
    if (h) {
        pk__http_client_pause(h->client, false);
    }
    h = (pk__http_attempt *)a->state; // the answer may have ended just now
    if (h) {
        pk__http_client_resume(h->client);
    }
}

static void pk__http_channel_cancel(void *channel, pk_attempt *a)
{
    pk__http_attempt *h = (pk__http_attempt *)a->state;
    (void)channel;
    if (h) {
        a->sent = h->x.sent;
        a->state = NULL;
        pk__http_client_cancel(h->client);
        pk__http_attempt_destroy(h);
    }
}

static void pk__http_channel_interrupt(void *channel)
{
    pk__http_channel *ch = (pk__http_channel *)channel;
    pk__http_pool_interrupt(&ch->pool);
    while (!pk__list_is_empty(&ch->started)) {
        pk__http_attempt *h = PK__OF(ch->started.next, pk__http_attempt, node);
        pk_attempt *a = h->attempt;
        pk_error why;
        pk__http_channel_gone(&why);
        pk__http_channel_cancel(ch, a);
        pk_attempt_end(a, &why);
    }
}

PK__FN pk_dialect pk__http_channel_dialect(const char *name, const pk__http_channel_env *env, bool framework)
{
    pk_dialect d;
    memset(&d, 0, sizeof(d));
    d.name = name;
    d.flags = PK_DIALECT_HEALTH;
    d.open = framework ? pk__http_channel_open_framework : pk__http_channel_open;
    d.start = pk__http_channel_start;
    /* A transport of the user's may have no descriptor to wait on; then only the loop learns when to go on. */
    d.run = env->transport_count == 0 ? pk__http_channel_run : NULL;
    d.resume = pk__http_channel_resume;
    d.cancel = pk__http_channel_cancel;
    d.interrupt = pk__http_channel_interrupt;
    d.close = pk__http_channel_close;
    d.user = (void *)(uintptr_t)env; // `user` is not const for dialects that keep state there
    return d;
}
