/* serve.c - a request of pk_server: from its head to a handler and back. */
#include "serve.h"
#ifndef PLUGKIT_NO_NET
#include "../base/error.h"
#include "../base/memory.h"
#include "../net/socket.h"
#include "../os/random.h"
#include "../wire/url.h"

#include <stdio.h>
#include <string.h>

enum { PK__SERVE_LONG_MS = 1000 };

static pk__serve_call *pk__serve_call_of(pk__http_job *job)
{
    return (pk__serve_call *)job->extra;
}

/* ---- answers */

static void pk__serve_add_field(pk__serve_call *c, const char *name, pk_str value)
{
    size_t at = c->job->answer.field_count;
    c->extra[at].name = pk_str_from(name);
    c->extra[at].value = value;
    c->job->answer.fields = c->extra;
    c->job->answer.field_count = at + 1;
}

/* Makes the call's error its answer. */
static void pk__serve_fail(pk__serve_call *c)
{
    pk_response *a = &c->job->answer;
    memset(a, 0, sizeof(*a));
    a->status = pk__error_body_status(&c->error);
    a->body.bytes.ptr = c->text;
    a->body.bytes.len = pk__error_body_write(c->text, &c->error);
    if (a->status == 401) {
        pk__serve_add_field(c, "WWW-Authenticate", pk_str_from("PlugKit-Token"));
    }
    if (c->allow[0]) {
        pk__serve_add_field(c, "Allow", pk_str_from(c->allow));
    }
    if (c->error.retry_after_ms > 0) {
        pk_str seconds = pk_mem_printf(&c->job->mem, "%u", (unsigned)((c->error.retry_after_ms - 1) / 1000 + 1));
        if (seconds.ptr) {
            pk__serve_add_field(c, "Retry-After", seconds);
        }
    }
}

/* The handler's headers and those it added to its context, as one list. */
static bool pk__serve_join_fields(pk__serve_call *c)
{
    pk_response *a = &c->job->answer;
    size_t count = a->field_count + c->impl.out_count;
    if (c->impl.out_count == 0) {
        return true;
    }
    pk_meta *all = (pk_meta *)pk_mem_get(&c->job->mem, count * sizeof(*all));
    if (!all) {
        return false;
    }
    if (a->field_count > 0) {
        memcpy(all, a->fields, a->field_count * sizeof(*all));
    }
    memcpy(all + a->field_count, c->impl.out, c->impl.out_count * sizeof(*all));
    a->fields = all;
    a->field_count = count;
    return true;
}

static void pk__serve_answer(pk__serve_call *c)
{
    c->job->answer = c->response;
    if (c->error.code != PK_OK) {
        pk__serve_fail(c);
    }
    if (!pk__serve_join_fields(c)) {
        (void)pk__error_memory(&c->error, "answer");
        pk__serve_fail(c);
    }
    pk__http_server_answer(c->job);
}

/* There is no handler, or none for this caller: what it gets instead is made when its turn comes. */
static void pk__serve_refuse(pk__serve_call *c, int status, pk_err code, const char *what)
{
    c->refused.status = status;
    c->refused.code = code;
    c->refused.what = what;
}

static void pk__serve_turn_away(pk__serve_call *c)
{
    char shown[128];
    c->error.code = PK_OK;
    if (c->refused.code == PK_OK) {
        c->response.status = c->refused.status;
        c->response.fields = c->extra;
        c->response.field_count = 1;
        c->extra[0].name = pk_str_from("Allow");
        c->extra[0].value = pk_str_from(c->allow);
        return;
    }
    bool is_verb = c->refused.code == PK_ERR_UNSUPPORTED, is_path = c->refused.code == PK_ERR_NOT_FOUND;
    (void)pk__error_clean(shown, sizeof(shown), is_verb ? c->request.method : c->request.path);
    (void)pk_error_set(&c->error, c->refused.code, is_verb || is_path ? "%s '%s'" : "%s", c->refused.what, shown);
    c->error.status = c->refused.status;
}

/* ---- the head: who may ask, and who answers */

static bool pk__serve_is_open(const pk_server *s, pk_str path)
{
    for (size_t i = 0; i < s->open_count; i++) {
        if (pk_str_is(path, s->open_paths[i])) {
            return true;
        }
    }
    return false;
}

/* Is it the one that is meant? Then its value is taken: of several, that of the first which has one. */
static bool pk__serve_is(const pk_meta *field, const char *name, pk_str *value)
{
    pk_str ours = {name, field->name.len}; // that has been compared
    if (!pk__http_head_named(field->name, ours)) {
        return false;
    }
    if (value->len == 0) {
        *value = field->value;
    }
    return true;
}

/* Looks at each field once. Gives the token, and takes it out: nobody behind this point needs it, so nobody can print
 * it. */
static pk_str pk__serve_read_fields(pk__serve_call *c)
{
    pk__http_head *h = &c->job->head;
    pk_str token = {"", 0}, timeout = {"", 0};
    uint64_t ms = 0;
    size_t kept = 0;
    c->ctx.traceparent = c->ctx.caller = c->request.body.content_type = token;
    for (size_t i = 0; i < h->field_count; i++) {
        const pk_meta *f = &h->fields[i];
        switch (f->name.len) {
        case 11: (void)pk__serve_is(f, "traceparent", &c->ctx.traceparent); break;
        case 12: (void)pk__serve_is(f, "Content-Type", &c->request.body.content_type); break;
        case 13:
            if (pk__serve_is(f, "PlugKit-Token", &token)) {
                token.len = kept < i ? 0 : token.len; // two are none
                continue;
            }
            break;
        case 14: (void)pk__serve_is(f, "PlugKit-Caller", &c->ctx.caller); break;
        case 18: (void)pk__serve_is(f, "Connect-Timeout-Ms", &timeout); break;
        default: break;
        }
        h->fields[kept++] = *f;
    }
    h->field_count = kept;
    if (pk__http_head_number(timeout, &ms) && ms > 0 && ms <= UINT32_MAX) {
        bool is_long = !PK__SMALL && ms >= PK__SERVE_LONG_MS; // then a hundredth of it is nothing
        c->ctx.timeout_ms = (uint32_t)ms;
        c->job->deadline = pk__clock_after_ms(is_long ? pk__clock_coarse_ns() : pk__clock_ns(), ms);
    }
    return token;
}

static void pk__serve_no_route(pk__serve_call *c)
{
    bool asks_options = pk_str_is(c->request.method, "OPTIONS");
    if (asks_options && pk_str_is(c->request.path, "*")) {
        memcpy(c->allow, pk__routes_standard, sizeof(pk__routes_standard));
    }
    if (!c->allow[0]) {
        pk__serve_refuse(c, 404, PK_ERR_NOT_FOUND, "nothing is here at");
    } else if (asks_options) {
        pk__serve_refuse(c, 204, PK_OK, NULL); // not refused at all
    } else {
        pk__serve_refuse(c, 405, PK_ERR_UNSUPPORTED, "this path does not take method");
    }
}

static bool pk__serve_decode(pk__serve_call *c, const pk__url *url)
{
    pk_request *r = &c->request;
    r->query = url->query;
    r->path = url->path;
    if (url->is_plain || url->form == PK__URL_ASTERISK || url->form == PK__URL_AUTHORITY) {
        return true;
    }
    char *path = (char *)pk_mem_get(&c->job->mem, url->path.len);
    size_t len = 0;
    if (!path || !pk__url_decode_path(url->path, path, &len)) {
        return false;
    }
    r->path.ptr = path;
    r->path.len = len;
    return true;
}

/* What a target says outranks Host (RFC 9112, 3.2.2). Where the two differ somebody is being misled: who compares one
 * of them must not be led past by the other. */
static bool pk__serve_hosts_agree(const pk__http_head *h, const pk__url *url)
{
    return url->authority.len == 0 || !h->host.ptr || pk_str_ieq(url->authority, h->host);
}

/* Finds the route, or the reason why there is none. */
static void pk__serve_admit(pk__serve_call *c)
{
    pk_server *s = c->server;
    pk__http_job *job = c->job;
    pk_request *r = &c->request;
    pk__url url;
    pk_str token = pk__serve_read_fields(c);
    r->path = job->head.target; // for interceptors, if it is none
    if (!pk__url_split(r->method, job->head.target, &url) || !pk__serve_decode(c, &url) ||
        !pk__serve_hosts_agree(&job->head, &url) || (url.is_secure && !PK__SECURE_ON(job->link->secure))) {
        job->keep = false;
        pk__serve_refuse(c, 400, PK_ERR_PARSE, "malformed request target");
        return;
    }
    job->keep &= url.form != PK__URL_AUTHORITY; // what is behind a CONNECT is for a tunnel, as some understand it
    bool known = s->on_token ? s->on_token(s->user, token, c->ctx.caller)
                             : s->token.len == 0 || pk__token_equal(token, s->token);
    if (!known && !pk__serve_is_open(s, r->path)) {
        pk__serve_refuse(c, 401, PK_ERR_DENIED, "cannot serve the request: the token is missing or wrong");
        return;
    }
    const pk__route *route = pk__routes_find(&s->routes, r->method, r->path, &r->rest, c->allow);
    bool is_named = route && pk_str_eq(route->verb, r->method);
    if (!is_named && !pk__routes_knows(&s->routes, r->method)) {
        c->allow[0] = '\0';
        pk__serve_refuse(c, 501, PK_ERR_UNSUPPORTED, "nothing here knows method");
    } else if (!route) {
        pk__serve_no_route(c);
    } else {
        c->route = route->route;
        r->route = c->route.match;
    }
}

PK__FN pk__http_plan pk__serve_on_head(void *user, pk__http_job *job)
{
    pk_server *s = (pk_server *)user;
    pk__serve_call *c = pk__serve_call_of(job);
    memset(c, 0, PK__UNKNOWN(offsetof(pk__serve_call, error)));
    pk__error_none(&c->error);
    c->allow[0] = '\0';
    c->server = s;
    c->job = job;
    c->request.method = job->head.method;
    s->running++;
    pk__serve_admit(c);
    if (s->chain_count > 0) {
        memset(&c->exchange, 0, sizeof(*c) - offsetof(pk__serve_call, exchange));
    }
    if (c->refused.status) {
        pk__serve_on_job(s, job);
        return PK__HTTP_ANSWERED; // or will be
    }
    if (s->on_work && !(c->route.flags & PK_INLINE)) {
        c->counted = true;
        s->on_work(s->user, 1);
    }
    return c->route.flags & PK_UPLOAD ? PK__HTTP_READ : PK__HTTP_COLLECT;
}

/* ---- interceptors and handler */

/* What a handler returned. */
PK__FN void pk__serve_returned(pk__serve_call *c, pk_err rc)
{
    if (rc == PK_OK) {
        c->error.code = PK_OK; // whatever it tried on the way
    } else if (c->error.code == PK_OK) {
        (void)pk_error_set(&c->error, rc, "%s", pk_err_text(rc));
    }
}

/* What `after` sees, and may change. */
static void pk__serve_after(pk__serve_call *c)
{
    pk_reply *r = &c->reply;
    uint32_t delay_ms = 0;
    r->status = c->response.status ? c->response.status : 200;
    r->meta = c->response.fields;
    r->meta_count = c->response.field_count;
    r->body = c->response.body;
    (void)pk__chain_after(c->server->chain, &c->at, 0, c->states, &c->exchange, &delay_ms);
}

static void pk__serve_take_reply(pk__serve_call *c)
{
    c->response.status = c->reply.status;
    c->response.fields = c->reply.meta;
    c->response.field_count = c->reply.meta_count;
    c->response.body = c->reply.body;
}

PK__FN void pk__serve_finish(pk__serve_call *c)
{
    if (c->server->chain_count > 0) {
        pk__serve_after(c);
        pk__serve_take_reply(c);
    }
    pk__serve_answer(c);
}

/* Goes as far as it can; any thread. The job may be somebody else's as soon as it is answered. */
PK__FN void pk__serve_go(pk__serve_call *c)
{
    pk_server *s = c->server;
    pk__chain_result r = PK__CHAIN_ON;
    if (s->chain_count > 0) {
        do {
            pk_verdict verdict = c->verdict;
            pk__atomic_store(&c->held, PK__SERVE_RUNNING);
            r = pk__chain_before(s->chain, &c->at, s->chain_count, c->states, &c->exchange, verdict);
            if (r == PK__CHAIN_WAIT && pk__atomic_cas(&c->held, PK__SERVE_RUNNING, PK__SERVE_HELD)) {
                return; // resumed later
            }
        } while (r == PK__CHAIN_WAIT);
        if (r == PK__CHAIN_TURN && c->error.code == PK_OK) {
            pk__serve_take_reply(c);
        }
    }
    if (r == PK__CHAIN_ON && c->refused.status) {
        pk__serve_turn_away(c);
    } else if (r == PK__CHAIN_ON) {
        pk__serve_returned(c, c->route.run(c->route.user, &c->request, &c->response, &c->error));
        if (c->job->take && c->error.code == PK_OK) { // the body comes first
            pk__http_link_answered(c->job->link);
            return;
        }
    }
    pk__serve_finish(c);
}

static void pk__serve_on_task(void *user)
{
    pk__serve_call *c = (pk__serve_call *)user;
    pk__http_server *engine = c->server->engine;
    pk__http_server_enter(engine);
    pk__serve_go(c);
    pk__http_server_leave(engine);
}

static void pk__serve_queue(pk__serve_call *c)
{
    pk_server *s = c->server;
    pk__mutex_lock(&s->lock);
    pk__list_push(&s->queue, &c->node);
    pk__mutex_unlock(&s->lock);
    pk__cond_signal(&s->more);
}

static void pk__serve_resume(pk__resumer *self, pk_exchange *x, pk_verdict verdict)
{
    pk__serve_call *c = PK__OF(self, pk__serve_call, resumer);
    (void)x;
    c->verdict = verdict;
    if (pk__atomic_swap(&c->held, PK__SERVE_RESUMED) != PK__SERVE_HELD) {
        return; // its `before` has not returned yet, and will see this
    }
    if (c->job->detached) {
        pk__serve_queue(c);
    } else {
        pk_loop_post(c->server->loop, &c->task);
    }
}

static bool pk__serve_is_gone(void *user)
{
    return pk__http_server_is_gone((pk__http_job *)user);
}

PK_API void pk_server_more(pk_ctx *ctx)
{
    pk__http_server_more((pk__http_job *)((pk__ctx_impl *)ctx->impl)->user);
}

static pk_err pk__serve_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return pk__http_server_read((pk__http_job *)user, buf, cap, got, err);
}

static void pk__serve_set_context(pk__serve_call *c)
{
    pk__http_job *job = c->job;
    pk__ctx_init(&c->impl, job->deadline);
    c->impl.canceled = &c->server->canceled;
    c->impl.is_gone = pk__serve_is_gone;
    c->impl.user = job;
    if (PK__SECURE_ON(job->link->secure)) {
        c->impl.peer = job->link->secure->peer;
    }
    c->ctx.impl = &c->impl;
    c->ctx.mem = &job->mem;
    c->ctx.meta = job->head.fields;
    c->impl.in = job->head.fields;
    c->ctx.meta_count = job->head.field_count;
}

static bool pk__serve_set_exchange(pk__serve_call *c)
{
    pk_server *s = c->server;
    c->states = (char *)pk_mem_zero(&c->job->mem, s->chain_states);
    c->reply.mem.alloc = s->alloc;
    c->desc.http = c->route.match; // NULL: no route
    c->desc.ctx = c->ctx;
    c->desc.body = c->request.body;
    c->exchange.call = &c->desc;
    c->exchange.ctx = &c->ctx;
    c->exchange.plugin = pk_str_from("");
    c->exchange.instance = pk_str_from("");
    c->exchange.attempt = 1;
    c->exchange.reply = &c->reply;
    c->exchange.err = &c->error;
    c->exchange.request = &c->request;
    c->exchange.refused = c->refused.status != 0;
    c->exchange.impl = c;
    c->resumer.resume = pk__serve_resume;
    c->task.run = pk__serve_on_task;
    c->task.user = c;
    return c->states != NULL;
}

PK__FN void pk__serve_on_job(void *user, pk__http_job *job)
{
    pk_server *s = (pk_server *)user;
    pk__serve_call *c = pk__serve_call_of(job);
    pk_request *r = &c->request;
    pk__serve_set_context(c);
    r->fields = job->head.fields;
    r->field_count = job->head.field_count;
    r->ctx = &c->ctx;
    r->body.bytes = job->body;
    if (c->route.flags & PK_UPLOAD) {
        r->body.read = pk__serve_read;
        r->body.user = job;
    }
    if (s->chain_count > 0 && !pk__serve_set_exchange(c)) {
        (void)pk__error_memory(&c->error, "serve the request");
        pk__serve_answer(c);
    } else if (s->thread_count > 0 && !(c->route.flags & PK_INLINE) && !c->refused.status) {
        pk__http_server_detach(job);
        pk__serve_queue(c);
    } else {
        pk__serve_go(c);
    }
}

PK__FN void pk__serve_on_done(void *user, pk__http_job *job)
{
    pk_server *s = (pk_server *)user;
    pk__serve_call *c = pk__serve_call_of(job);
    if (c->response.done) {
        c->response.done(c->response.user);
    }
    if (s->chain_count > 0) {
        pk_mem_free(&c->reply.mem);
        pk_loop_unpost(s->loop, &c->task);
    }
    s->running--;
    if (c->counted) {
        s->on_work(s->user, -1);
    }
}

PK__FN size_t pk__serve_refusal(void *user, char *out, int status, const char *why)
{
    char text[PK__ERROR_BODY_MAX];
    pk_error error;
    const pk_server *s = (const pk_server *)user;
    if (s->on_refused) {
        s->on_refused(s->user, status, why);
    }
    memset(&error, 0, sizeof(error));
    pk_err code = status == 408 ? PK_ERR_PLUGIN_TIMEOUT : status >= 500 ? PK_ERR_OS : PK_ERR_HTTP;
    (void)pk_error_set(&error, code, "%.160s", why);
    error.status = status;
    size_t len = PK__MIN(pk__error_body_write(text, &error), (size_t)PK__HTTP_SERVER_REFUSAL);
    memcpy(out, text, len);
    return len;
}
#endif
