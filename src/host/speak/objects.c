/* objects.c - calls to plugins in this process that have a life of their own. */
#include "objects.h"
#ifdef PLUGKIT_WITH_DLOPEN

#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/clock.h"
#include "../../os/fd.h"
#include "../../rpc/error_body.h"

typedef struct pk__objects_turn { // an attempt that waits for it
    pk__node node;
    pk_attempt *attempt;
} pk__objects_turn;

/* ---- turns */

static bool pk__objects_is_free(const pk__objects_instance *o)
{
    return !o->is_serial || o->owner == 0 || o->owner == pk__thread_self();
}

/* With the lock held. */
static void pk__objects_take(pk__objects_instance *o)
{
    o->inside++;
    if (o->is_serial) {
        o->owner = pk__thread_self();
        o->depth++;
    }
}

static void pk__objects_give_back(pk__objects_instance *o)
{
    pk__mutex_lock(&o->lock);
    o->inside--;
    if (o->is_serial && --o->depth == 0) {
        o->owner = 0;
    }
    bool is_due = o->is_asked && o->inside == 0;
    if (o->owner == 0 && o->waiting) {
        pk__cond_signal(&o->turn);
    }
    if (is_due || !pk__list_is_empty(&o->queue)) {
        pk_loop_post(o->loop, &o->task);
    }
    pk__mutex_unlock(&o->lock);
}

/* ---- one call */

static pk_err pk__objects_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return pk_attempt_read((pk_attempt *)user, buf, cap, got, err);
}

static pk_err pk__objects_send(pk_attempt *a, const pk_body *body, pk_error *err)
{
    char buf[8192];
    uint64_t at = 0;
    if (!body->has_fd && !body->read) {
        return body->bytes.len ? pk_attempt_chunk(a, body->bytes, err) : PK_OK;
    }
    for (;;) {
        size_t got = 0;
        pk_err rc = body->read ? body->read(body->user, buf, sizeof(buf), &got, err)
                               : pk__fd_read_at(body->fd, buf,
                                                (size_t)PK__MIN((uint64_t)sizeof(buf), body->size - at),
                                                body->offset + at, &got, err);
        pk_str part = {buf, got};
        if (rc || got == 0) {
            return rc;
        }
        rc = pk_attempt_chunk(a, part, err);
        if (rc && rc != PK_ERR_BUSY) { // a slow reader's buffer takes what is over
            return rc;
        }
        at += got;
    }
}

/* The failure of a handler, in the words in which it would have come over a socket. */
static pk_err pk__objects_fail(pk_attempt *a, pk_error *why, pk_err rc, pk_error *err)
{
    char text[PK__ERROR_BODY_MAX];
    const pk_meta type = {PK_STR("content-type"), PK_STR("application/json")};
    if (why->code == PK_OK) { // returned a code, and did not say more
        (void)pk_error_set(why, rc, "%s", pk_err_text(rc));
    }
    pk_str body = {text, pk__error_body_write(text, why)};
    pk_attempt_head(a, pk__error_body_status(why), &type, 1);
    return pk_attempt_chunk(a, body, err);
}

/* Headers of the answer: its type, the handler's own, and what it added to its context. */
static pk_err pk__objects_head(pk_attempt *a, pk_mem *mem, const pk_response *r, const pk__ctx_impl *impl,
                               pk_error *err)
{
    size_t count = 1 + r->field_count + impl->out_count;
    pk_meta *fields = (pk_meta *)pk_mem_get(mem, count * sizeof(*fields));
    if (!fields) {
        return pk__error_memory(err, "answer");
    }
    fields[0].name = PK_STR("content-type");
    fields[0].value = r->body.content_type.len ? r->body.content_type : PK_STR("application/json");
    for (size_t i = 0; i < r->field_count; i++) {
        fields[1 + i] = r->fields[i];
    }
    for (size_t i = 0; i < impl->out_count; i++) {
        fields[1 + r->field_count + i] = impl->out[i];
    }
    pk_attempt_head(a, r->status ? r->status : 200, fields, count);
    return PK_OK;
}

/* The request's headers, and the type that is meant, where a socket would bring it. */
static bool pk__objects_meta(const pk_attempt *a, pk_mem *mem, pk_ctx *ctx)
{
    pk_meta *fields = (pk_meta *)pk_mem_get(mem, (ctx->meta_count + 1) * sizeof(*fields));
    for (size_t i = 0; fields && i < ctx->meta_count; i++) {
        fields[i] = ctx->meta[i];
    }
    if (fields && a->type.len) {
        fields[ctx->meta_count].name = PK_STR("PlugKit-Type");
        fields[ctx->meta_count++].value = a->type;
    }
    ctx->meta = fields;
    return fields != NULL;
}

static pk_err pk__objects_serve(pk__objects_instance *o, pk_attempt *a, pk_mem *mem, pk_error *err)
{
    pk_request request;
    pk_response response;
    pk__ctx_impl impl;
    pk_error why;
    pk_ctx ctx = *a->ctx;
    pk__ctx_init(&impl, a->deadline);
    if (ctx.impl) {
        impl = *(const pk__ctx_impl *)ctx.impl;
        impl.out = NULL;
        impl.out_count = impl.out_cap = 0;
    }
    ctx.impl = &impl;
    ctx.mem = mem;
    if (!pk__objects_meta(a, mem, &ctx)) {
        return pk__error_memory(err, "call a plugin");
    }
    impl.in = ctx.meta;
    memset(&request, 0, sizeof(request));
    memset(&response, 0, sizeof(response));
    memset(&why, 0, sizeof(why));
    request.method = a->verb;
    request.path = a->path;
    (void)pk_str_cut(a->path, '?', &request.path, &request.query);
    request.fields = ctx.meta;
    request.field_count = ctx.meta_count;
    request.ctx = &ctx;
    if (!a->body->has_fd && !a->body->read && !pk__call_is_stream(a)) {
        request.body.bytes = a->body->bytes;
    }
    request.body.content_type = a->body->content_type;
    request.body.read = pk__objects_read;
    request.body.user = a;
    a->sent = PK_SENT_MAYBE;
    pk_err rc = o->object->serve(o->state, &request, &response, &why);
    if (rc) {
        rc = pk__objects_fail(a, &why, rc, err);
    } else {
        rc = pk__objects_head(a, mem, &response, &impl, err);
        rc = rc ? rc : pk__objects_send(a, &response.body, err);
    }
    if (response.done) {
        response.done(response.user);
    }
    return rc;
}

/* A call that nobody waits for any more has come back. */
static void pk__objects_late(pk__objects_instance *o, const pk_attempt *a, int64_t since)
{
    int64_t now = pk__clock_ns();
    if (a->deadline == PK_FOREVER || now <= a->deadline) {
        return;
    }
    pk__mutex_lock(&o->lock);
    if (o->warned.len < PK__OBJECTS_SAID_MAX) {
        pk_buf_printf(&o->warned, "{\"level\":\"WARN\",\"msg\":\"a call of '%" PK_FMT " %" PK_FMT "' took %lld ms, and "
                      "had %lld: it runs in this process and cannot be interrupted\"}\n", PK_ARG(a->verb),
                      PK_ARG(a->path), (long long)((now - since) / PK__MS),
                      (long long)((a->deadline - since + PK__MS - 1) / PK__MS));
        pk_loop_post(o->loop, &o->task);
    }
    pk__mutex_unlock(&o->lock);
}

/* Its turn has come, and is given back before the end is told: behind that nothing here is touched. */
static void pk__objects_go(pk__objects_instance *o, pk_attempt *a)
{
    pk_mem mem;
    pk_error why;
    int64_t since = pk__clock_ns();
    memset(&mem, 0, sizeof(mem));
    mem.alloc = o->alloc;
    why.code = PK_OK;
    pk_err rc = pk__objects_serve(o, a, &mem, &why);
    a->sent = PK_SENT_ANSWERED; // it was here all along: nothing about sending is in doubt
    pk_mem_free(&mem);
    pk__objects_late(o, a, since);
    pk__objects_give_back(o);
    pk_attempt_end(a, rc ? &why : NULL);
}

static pk_err pk__objects_gone(const pk__objects_instance *o, pk_error *err)
{
    return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot call '%s': it is ending", o->name);
}

static void pk__objects_run(void *channel, pk_attempt *a)
{
    pk__objects_instance *o = (pk__objects_instance *)channel;
    pk_error why;
    why.code = PK_OK;
    pk__mutex_lock(&o->lock);
    bool in_time = true;
    o->waiting++;
    while (in_time && !o->is_asked && !pk__objects_is_free(o)) {
        in_time = pk__cond_wait(&o->turn, &o->lock, a->deadline);
    }
    o->waiting--;
    if (o->is_asked) {
        (void)pk__objects_gone(o, &why);
    } else if (!pk__objects_is_free(o)) {
        (void)pk_error_set(&why, PK_ERR_PLUGIN_TIMEOUT, "cannot call '%s': it was busy with other calls until the "
                           "deadline passed", o->name);
    } else {
        pk__objects_take(o);
    }
    pk__mutex_unlock(&o->lock);
    if (why.code) {
        pk_attempt_end(a, &why);
    } else {
        pk__objects_go(o, a);
    }
}

static pk_err pk__objects_start(void *channel, pk_attempt *a, pk_error *err)
{
    pk__objects_instance *o = (pk__objects_instance *)channel;
    if (pk_str_is(a->verb, "POST") && pk_str_is(a->path, "/shutdown")) {
        pk_attempt_head(a, 200, NULL, 0);
        pk_attempt_end(a, NULL);
        pk__objects_end(o);
        return PK_OK;
    }
    pk_err rc = PK_OK;
    bool is_mine = false;
    pk__mutex_lock(&o->lock);
    if (o->is_asked) {
        rc = pk__objects_gone(o, err);
    } else if (pk__objects_is_free(o)) {
        pk__objects_take(o);
        is_mine = true;
    } else {
        pk__objects_turn *t = (pk__objects_turn *)pk__new(o->alloc, sizeof(*t));
        rc = t ? PK_OK : pk__error_memory(err, "call a plugin");
        if (t) {
            t->attempt = a;
            pk__list_push(&o->queue, &t->node);
        }
    }
    pk__mutex_unlock(&o->lock);
    if (is_mine) {
        pk__objects_go(o, a);
    }
    return rc;
}

static void pk__objects_drop(pk__objects_instance *o, pk__objects_turn *t)
{
    pk__list_remove(&t->node);
    pk__free(o->alloc, t, sizeof(*t));
}

static void pk__objects_cancel(void *channel, pk_attempt *a)
{
    pk__objects_instance *o = (pk__objects_instance *)channel;
    pk__mutex_lock(&o->lock);
    for (pk__node *n = o->queue.next; n != &o->queue; n = n->next) {
        pk__objects_turn *t = PK__OF(n, pk__objects_turn, node);
        if (t->attempt == a) {
            pk__objects_drop(o, t);
            break;
        }
    }
    pk__mutex_unlock(&o->lock);
}

/* ---- the loop's thread */

static void pk__objects_tell(pk__objects_instance *o, pk_buf *lines, pk_stream stream)
{
    pk_buf taken;
    pk__mutex_lock(&o->lock);
    taken = *lines;
    pk_buf_init(lines, o->alloc, 2 * PK__OBJECTS_SAID_MAX);
    pk__mutex_unlock(&o->lock);
    if (taken.len && !o->is_reported) {
        pk_launch_output(o->launch, stream, pk_buf_str(&taken));
    }
    pk_buf_free(&taken);
}

static void pk__objects_on_task(void *user)
{
    pk__objects_instance *o = (pk__objects_instance *)user;
    pk__objects_tell(o, &o->warned, PK_STREAM_ERR);
    pk__objects_tell(o, &o->said, PK_STREAM_CONTROL);
    for (;;) {
        pk_attempt *a = NULL;
        pk_error why;
        pk__mutex_lock(&o->lock);
        bool is_asked = o->is_asked;
        if (!pk__list_is_empty(&o->queue) && (is_asked || pk__objects_is_free(o))) {
            pk__objects_turn *t = PK__OF(o->queue.next, pk__objects_turn, node);
            a = t->attempt;
            pk__objects_drop(o, t);
            if (!is_asked) {
                pk__objects_take(o);
            }
        }
        bool is_due = is_asked && !a && o->inside == 0;
        pk__mutex_unlock(&o->lock);
        if (a && is_asked) {
            (void)pk__objects_gone(o, &why);
            pk_attempt_end(a, &why);
        } else if (a) {
            pk__objects_go(o, a);
        } else {
            if (is_due && o->state) {
                o->on_end(o);
            }
            return;
        }
    }
}

/* From the plugin: any thread. {"shutdown":true} is its own wish; the rest is for life. */
static void pk__objects_say(void *user, pk_str line)
{
    pk__objects_instance *o = (pk__objects_instance *)user;
    pk__mutex_lock(&o->lock);
    if (pk_str_starts(line, PK_STR("{\"shutdown\""))) {
        o->is_asked = true;
        pk__cond_broadcast(&o->turn);
    } else if (o->said.len + line.len <= PK__OBJECTS_SAID_MAX) {
        pk_buf_add(&o->said, line);
    }
    pk_loop_post(o->loop, &o->task);
    pk__mutex_unlock(&o->lock);
}

PK__FN void pk__objects_init(pk__objects_instance *o)
{
    pk__mutex_init(&o->lock);
    pk__cond_init(&o->turn);
    pk__list_init(&o->queue);
    pk_buf_init(&o->said, o->alloc, 2 * PK__OBJECTS_SAID_MAX);
    pk_buf_init(&o->warned, o->alloc, 2 * PK__OBJECTS_SAID_MAX);
    o->host.alloc = o->alloc;
    o->host.say = pk__objects_say;
    o->host.user = o;
    o->task.run = pk__objects_on_task;
    o->task.user = o;
}

PK__FN void pk__objects_deinit(pk__objects_instance *o)
{
    pk_loop_unpost(o->loop, &o->task);
    while (!pk__list_is_empty(&o->queue)) {
        pk__objects_drop(o, PK__OF(o->queue.next, pk__objects_turn, node));
    }
    pk_buf_free(&o->said);
    pk_buf_free(&o->warned);
    pk__cond_deinit(&o->turn);
    pk__mutex_deinit(&o->lock);
}

PK__FN void pk__objects_end(pk__objects_instance *o)
{
    pk__mutex_lock(&o->lock);
    o->is_asked = true;
    pk__cond_broadcast(&o->turn);
    pk_loop_post(o->loop, &o->task);
    pk__mutex_unlock(&o->lock);
}

PK__FN bool pk__objects_is_busy(pk__objects_instance *o)
{
    pk__mutex_lock(&o->lock);
    bool busy = o->inside > 0;
    pk__mutex_unlock(&o->lock);
    return busy;
}

static pk_err pk__objects_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    pk__objects *all = (pk__objects *)user;
    (void)loop;
    *channel = NULL;
    for (pk__node *n = all->all.next; n && n != &all->all; n = n->next) {
        pk__objects_instance *o = PK__OF(n, pk__objects_instance, node);
        if (strncmp(endpoint->address, "object:", 7) == 0 && strcmp(endpoint->address + 7, o->name) == 0) {
            *channel = o;
            return PK_OK;
        }
    }
    return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot talk to '%s': there is no such object", endpoint->address);
}

static void pk__objects_close(void *channel)
{
    (void)channel; // the launcher's
}

PK__FN pk_dialect pk__objects_dialect(pk__objects *all)
{
    pk_dialect d = {"object",           PK_DIALECT_HEALTH,  pk__objects_open, pk__objects_start, pk__objects_run, NULL,
                    pk__objects_cancel, NULL,               pk__objects_close, all};
    return d;
}
#endif
