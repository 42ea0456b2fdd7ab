/* streams.c - bodies taken piece by piece, and streams of events. */
#include "streams.h"
#if defined(PLUGKIT_WITH_STREAMS) && !defined(PLUGKIT_NO_NET)
#include "../base/error.h"
#include "../base/memory.h"

#include <string.h>

static pk__http_job *pk__streams_job(const pk_request *request)
{
    return (pk__http_job *)((pk__ctx_impl *)request->ctx->impl)->user;
}

/* ---- taking a body */

static pk_err pk__streams_on_piece(pk__http_job *job, pk_str piece)
{
    pk__serve_call *c = (pk__serve_call *)job->extra;
    pk_err rc = c->take(c->take_user, piece, &c->response, &c->error);
    if (rc == PK_ERR_BUSY) {
        return rc;
    }
    if (rc != PK_OK || piece.len == 0) {
        pk__serve_returned(c, rc);
        pk__serve_finish(c);
    }
    return PK_OK;
}

PK_API pk_err pk_request_take(const pk_request *request, pk_take take, void *user, pk_error *err)
{
    pk__http_job *job = pk__streams_job(request);
    pk__serve_call *c = (pk__serve_call *)job->extra;
    if (!(c->route.flags & PK_UPLOAD) || job->detached || job->take) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot take the body: %s",
                            job->take       ? "it is taken already"
                            : job->detached ? "this handler runs on a worker, which may read it"
                                            : "the route has no PK_UPLOAD");
    }
    c->take = take;
    c->take_user = user;
    pk__http_server_take(job, pk__streams_on_piece);
    return PK_OK;
}

/* ---- events */

/* For whoever has just set `closed` or `gone`, with the lock held. */
static void pk__streams_leave(pk_sse *s)
{
    bool last = s->closed && s->gone;
    pk__mutex_unlock(&s->lock);
    if (last) {
        pk__mutex_deinit(&s->lock);
        pk_buf_free(&s->text);
        pk__free(s->alloc, s, sizeof(*s));
    }
}

static pk_err pk__streams_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    pk_sse *s = (pk_sse *)user;
    (void)err;
    pk__mutex_lock(&s->lock);
    *got = PK__MIN(cap, s->text.len);
    if (*got > 0) {
        memcpy(buf, s->text.ptr, *got);
        pk_buf_drop(&s->text, *got);
    }
    bool waits = *got == 0 && !s->closed;
    pk__mutex_unlock(&s->lock);
    return waits ? PK_ERR_BUSY : PK_OK;
}

static void pk__streams_keep_alive(pk_sse *s)
{
    (void)pk_timer_start(s->loop, &s->timer, s->desc.keep_alive_ms, NULL); // without memory: this time it is not
}

static void pk__streams_on_time(void *user)
{
    pk_sse *s = (pk_sse *)user;
    pk__mutex_lock(&s->lock);
    if (!s->sent && s->text.len == 0) {
        (void)pk_buf_add(&s->text, PK_STR(":\n"));
    }
    s->sent = false;
    pk__mutex_unlock(&s->lock);
    pk__streams_keep_alive(s);
    pk_server_more(s->ctx); // the stream may have gone with that
}

static void pk__streams_on_task(void *user)
{
    pk_sse *s = (pk_sse *)user;
    if (!pk__timer_is_running(&s->timer)) {
        pk__streams_keep_alive(s);
    }
    pk_server_more(s->ctx);
}

static void pk__streams_on_done(void *user)
{
    pk_sse *s = (pk_sse *)user;
    pk__mutex_lock(&s->lock);
    s->ended = true; // nobody posts any more
    bool tell = !s->closed && s->desc.on_gone;
    pk__mutex_unlock(&s->lock);
    pk_loop_unpost(s->loop, &s->task);
    pk_timer_stop(s->loop, &s->timer);
    if (tell) {
        s->desc.on_gone(s->desc.user);
    }
    pk__mutex_lock(&s->lock);
    s->gone = true;
    pk__streams_leave(s);
}

PK_API pk_err pk_sse_open(pk_sse **out, const pk_request *request, pk_response *response, const pk_sse_desc *desc,
                          pk_error *err)
{
    static const pk_meta fields[] = {{PK_STR_INIT("Cache-Control"), PK_STR_INIT("no-cache")}};
    pk__http_job *job = pk__streams_job(request);
    const pk__serve_call *c = (const pk__serve_call *)job->extra;
    pk_sse *s = (pk_sse *)pk__new(c->server->alloc, sizeof(*s));
    *out = NULL;
    if (!s) {
        return pk__error_memory(err, "open a stream of events");
    }
    s->alloc = c->server->alloc;
    s->loop = c->server->loop;
    s->ctx = request->ctx;
    if (desc) {
        s->desc = *desc;
    }
    s->desc.keep_alive_ms = s->desc.keep_alive_ms > 0 ? s->desc.keep_alive_ms : PK__STREAMS_ALIVE_MS;
    pk_buf_init(&s->text, s->alloc, s->desc.max_bytes > 0 ? s->desc.max_bytes : PK__STREAMS_EVENTS_MAX);
    pk__mutex_init(&s->lock);
    s->task.run = pk__streams_on_task;
    s->task.user = s;
    s->timer.on_time = pk__streams_on_time;
    s->timer.user = s;
    response->fields = fields;
    response->field_count = PK__COUNT(fields);
    response->body.content_type = PK_STR("text/event-stream");
    response->body.read = pk__streams_read;
    response->body.user = s;
    response->done = pk__streams_on_done;
    response->user = s;
    pk_loop_post(s->loop, &s->task);
    *out = s;
    return PK_OK;
}

PK_API pk_err pk_sse_send(pk_sse *s, const pk_sse_event *event, pk_error *err)
{
    pk_err rc;
    pk__mutex_lock(&s->lock);
    if (s->ended) {
        rc = pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot send an event: the client has gone");
    } else {
        bool is_idle = s->text.len == 0;
        rc = pk_sse_write(&s->text, event, err);
        if (rc == PK_ERR_LIMIT && !is_idle) {
            rc = pk_error_set(err, PK_ERR_BUSY, "cannot send an event: the client does not keep up");
        }
        if (rc == PK_OK) {
            s->sent = true;
            pk_loop_post(s->loop, &s->task);
        }
    }
    pk__mutex_unlock(&s->lock);
    return rc;
}

PK_API void pk_sse_close(pk_sse *s)
{
    if (!s) {
        return;
    }
    pk__mutex_lock(&s->lock);
    s->closed = true;
    if (!s->ended) {
        pk_loop_post(s->loop, &s->task);
    }
    pk__streams_leave(s);
}
#endif
