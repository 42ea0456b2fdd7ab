/* http_server_link.c - links and their jobs: how a link goes from state to state, and its deadlines. */
#include "http_server.h"
#ifndef PLUGKIT_NO_NET
#include "../base/error.h"
#include "../base/memory.h"
#include "socket.h"

#include <string.h>

enum {
    PK__HTTP_SERVER_SHARE = 16,    // receives and requests of one connection before others have their turn
    PK__HTTP_SERVER_PART = 512,    // bytes of a head that are kept without a job
    PK__HTTP_SERVER_SLACK = 8 * 1024 // room behind the largest head, for bodies and what follows
};

/* ---- jobs */

PK__FN void pk__http_job_free(pk__http_job *job)
{
    const pk_alloc *alloc = job->server->desc.alloc;
    const pk__http_server_desc *d = &job->server->desc;
    pk_mem_free(&job->mem);
    pk__http_out_deinit(&job->out);
    pk_buf_free(&job->collected);
    pk__free(alloc, job->extra, d->extra);
    pk__free(alloc, job->fields, d->fields * sizeof(*job->fields));
    pk__free(alloc, job->buf, job->cap);
    pk__free(alloc, job, sizeof(*job));
}

static pk__http_job *pk__http_job_new(pk__http_server *s)
{
    const pk__http_server_desc *d = &s->desc;
    pk__http_job *job = (pk__http_job *)pk__new(d->alloc, sizeof(*job));
    if (!job) {
        return NULL;
    }
    job->server = s;
    job->cap = d->head_bytes + PK__HTTP_SERVER_SLACK;
    job->buf = (char *)pk__resize(d->alloc, NULL, 0, job->cap);
    job->fields = (pk_meta *)pk__resize(d->alloc, NULL, 0, d->fields * sizeof(*job->fields));
    job->extra = pk__resize(d->alloc, NULL, 0, d->extra);
    job->mem.alloc = d->alloc;
    pk_buf_init(&job->collected, d->alloc, d->body_bytes);
    pk__http_out_init(&job->out, d->alloc);
    if (!job->buf || !job->fields || !job->extra) {
        pk__http_job_free(job);
        return NULL;
    }
    pk__http_job_reset(job);
    return job;
}

PK__FN bool pk__http_job_take(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__node *node = pk__list_pop(&s->spare);
    l->job = node ? PK__OF(node, pk__http_job, node) : pk__http_job_new(s);
    if (!l->job) {
        return false;
    }
    s->spare_count -= node != NULL;
    l->job->link = l;
    if (l->part) {
        memcpy(l->job->buf, l->part, l->part_len);
        l->job->end = l->part_len;
        l->job->is_fresh = false;
        pk__free(s->desc.alloc, l->part, l->part_len);
        l->part = NULL;
    }
    return true;
}

PK__FN void pk__http_job_reset(pk__http_job *job)
{
    const pk__http_server_desc *d = &job->server->desc;
    pk__http_limits limits = {d->head_bytes, PK__MIN(d->head_bytes, (size_t)8192), d->fields};
    if (job->at > 0 && job->end > job->at) {
        memmove(job->buf, job->buf + job->at, job->end - job->at);
    }
    job->end -= job->at;
    job->at = 0;
    pk__http_head_init(&job->head, PK__HTTP_REQUEST, job->fields, &limits);
    pk__http_out_reset(&job->out);
    pk_buf_free(&job->collected);
    pk_mem_reset(&job->mem);
    memset(&job->body, 0, PK__UNKNOWN(sizeof(*job) - offsetof(pk__http_job, body)));
    job->deadline = PK_FOREVER;
    job->is_fresh = job->end == 0;
}

/* The answer is written, or never will be. */
static void pk__http_job_done(pk__http_job *job)
{
    if (job->told) {
        job->told = false;
        job->server->desc.on_done(job->server->desc.user, job);
    }
}

static void pk__http_link_give_job(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_job *job = l->job;
    if (!job) {
        return;
    }
    l->job = NULL;
    if (job->detached) { // answered, and on its way home
        pk_loop_unpost(s->desc.loop, &job->task);
        job->detached = false;
    }
    pk__http_job_done(job);
    if (s->spare_count < s->desc.spare) {
        if (!job->is_fresh) {
            job->at = job->end;
            pk__http_job_reset(job);
        }
        pk__list_push(&s->spare, &job->node);
        s->spare_count++;
    } else {
        pk__http_job_free(job);
    }
}

/* ---- links */

static void pk__http_link_due_at(pk__http_link *l, int64_t deadline)
{
    l->deadline = deadline;
    /* A timer that is too early finds out when it comes; one that is too late is of no use. */
    if (deadline != PK_FOREVER && (!pk__timer_is_running(&l->timer) || l->timer.pk__at > deadline)) {
        (void)pk__timer_start_at(l->server->desc.loop, &l->timer, deadline, NULL); // without memory it waits on
    }
}

PK__FN void pk__http_link_due(pk__http_link *l, uint32_t ms)
{
    pk__http_link_due_at(l, ms > 0 ? pk__clock_after_ms(pk__clock_ns(), ms) : PK_FOREVER);
}

PK__FN void pk__http_link_close(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_link_give_job(l);
    if (l->watching) {
        pk_watch_remove(s->desc.loop, &l->watch);
    }
    pk_timer_stop(s->desc.loop, &l->timer);
    pk__list_remove(&l->node);
    pk__list_remove(&l->idle);
    if (PK__SECURE_ON(l->secure)) { // an answer that was cut short must look like that
        pk__secure_close(l->secure, l->state != PK__HTTP_LINK_WRITE && l->state != PK__HTTP_LINK_WORK);
    }
    pk__fd_close(l->watch.fd);
    pk__http_peer_leave(s, l->peer);
    pk__free(s->desc.alloc, l->part, l->part_len);
    pk__free(s->desc.alloc, l, sizeof(*l));
    s->link_count--;
    pk__http_server_listen(s);
}

PK__FN bool pk__http_link_watch(pk__http_link *l, bool read, bool write)
{
    pk_loop *loop = l->server->desc.loop;
    uint8_t want = (uint8_t)((read ? PK__LOOP_READ : 0) | (write ? PK__LOOP_WRITE : 0));
    if (l->watching && l->want == want) {
        return true;
    }
    l->want = want;
    l->watching = (l->watching ? pk_watch_set(loop, &l->watch, read, write, NULL)
                               : pk_watch_add(loop, &l->watch, read, write, NULL)) == PK_OK;
    return l->watching;
}

PK__FN void pk__http_link_next(pk__http_link *l)
{
    l->state = PK__HTTP_LINK_IDLE;
    l->can_read = l->can_read && !l->took_all;
    pk__http_job_reset(l->job);
    pk__http_link_due_at(l, pk__clock_after_ms(pk__clock_coarse_ns(), l->server->desc.idle_ms));
}

/* What the answer leaves: the next request, a rest to be read away, or the end. */
static pk__http_step pk__http_link_written(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_job *job = l->job;
    pk__http_job_done(job);
    if (!job->keep) {
        bool is_quiet = job->body_done && job->at == job->end && !PK__SECURE_ON(l->secure); // that has an end to tell
        pk__http_link_give_job(l);
        l->thrown = 0;
        l->state = PK__HTTP_LINK_LINGER;
        return is_quiet ? PK__HTTP_STEP_CLOSE : PK__HTTP_STEP_ON;
    }
    if (!job->body_done) {
        l->thrown = 0;
        l->state = PK__HTTP_LINK_DRAIN;
        pk__http_link_due(l, s->desc.body_ms);
        return PK__HTTP_STEP_ON;
    }
    pk__http_link_next(l);
    return PK__HTTP_STEP_ON;
}

/* A connection without a request is to be closed. If a request came just then, its sender could not know whether it was
 * read. So first nothing more is let in, which makes sending fail at once (on Unix sockets; TCP has no such thing), and
 * then comes the last look: what got in before is answered. */
static pk__http_step pk__http_link_dismiss(pk__http_link *l)
{
    if (l->leaving) {
        return PK__HTTP_STEP_CLOSE;
    }
    l->leaving = true;
    l->can_read = true;
    if (l->server->is_unix) {
        (void)PK__SYS(shutdown)(l->watch.fd, SHUT_RD);
    }
    return PK__HTTP_STEP_ON;
}

/* Nothing more has come: back to being small. Whoever sends his head byte by byte costs no more than who sends none. */
static pk__http_step pk__http_link_rest(pk__http_link *l)
{
    pk__http_server *s = l->server;
    bool is_draining = pk__atomic_load(&s->draining);
    size_t len = l->job->end;
    if (len > 0 && len <= PK__HTTP_SERVER_PART && (l->part = (char *)pk__resize(s->desc.alloc, NULL, 0, len)) != NULL) {
        memcpy(l->part, l->job->buf, len);
        l->part_len = (uint16_t)len;
    }
    if (len == 0 || l->part) {
        pk__http_link_give_job(l);
    }
    if (l->state == PK__HTTP_LINK_IDLE) {
        if (is_draining || l->leaving) {
            return pk__http_link_dismiss(l);
        }
    }
    if (!is_draining) {
        pk__list_push(&s->idle, &l->idle);
    }
    return PK__HTTP_STEP_READ;
}

#if PK__SECURE_BUILT
/* With an alert on its way, or a few words in plain HTTP, so not at once. */
static pk__http_step pk__http_link_shaken_off(pk__http_link *l)
{
    bool is_plain = l->secure->is_plain;
    l->secure->table->close(l->secure);
    l->secure = NULL;
    if (is_plain && pk__http_job_take(l)) {
        return pk__http_link_refuse(l, 400, "this port speaks TLS: ask it by https");
    }
    l->thrown = 0;
    l->state = PK__HTTP_LINK_LINGER;
    return PK__HTTP_STEP_ON;
}

static pk__http_step pk__http_link_shake(pk__http_link *l)
{
    pk__http_server *s = l->server;
    if (!l->secure) {
        pk__secure_desc d;
        memset(&d, 0, sizeof(d));
        d.is_server = true;
        d.below.socket = l->watch.fd;
        d.below.transport = pk__transport_accepted(&d.below.io, l->watch.fd);
        if (pk__secure_table_of(s->desc.tls)->open(s->desc.tls, &d, &l->secure, NULL)) {
            return PK__HTTP_STEP_CLOSE;
        }
    }
    pk__list_remove(&l->idle);
    switch (l->secure->table->shake(l->secure, NULL)) {
    case PK_IO_DONE: break;
    case PK_IO_WANT_READ:
        if (pk__atomic_load(&s->draining)) {
            return PK__HTTP_STEP_CLOSE;
        }
        pk__list_push(&s->idle, &l->idle); // a handshake that does not go on makes room, too
        return PK__HTTP_STEP_READ;
    case PK_IO_WANT_WRITE: return PK__HTTP_STEP_WRITE;
    default: return pk__http_link_shaken_off(l);
    }
    l->can_read = true; // a request may have come with the last of the handshake
    l->state = PK__HTTP_LINK_IDLE;
    return PK__HTTP_STEP_ON;
}
#else
static pk__http_step pk__http_link_shake(pk__http_link *l)
{
    (void)l;
    return PK__HTTP_STEP_CLOSE;
}
#endif

static pk__http_step pk__http_link_step(pk__http_link *l)
{
    pk__http_step step;
    if (PK__SECURE_BUILT && l->state == PK__HTTP_LINK_SHAKE) {
        return pk__http_link_shake(l);
    }
    switch (l->state) {
    case PK__HTTP_LINK_IDLE:
    case PK__HTTP_LINK_HEAD:
        step = pk__http_link_head(l);
        return step == PK__HTTP_STEP_READ ? pk__http_link_rest(l) : step;
    case PK__HTTP_LINK_BODY: return l->job->take ? l->job->take(l) : pk__http_link_body(l);
    case PK__HTTP_LINK_WORK:
        if (l->job->detached || !l->job->answered) {
            return PK__HTTP_STEP_HOLD;
        }
        l->state = PK__HTTP_LINK_WRITE;
        return PK__HTTP_STEP_ON;
    case PK__HTTP_LINK_WRITE:
        step = pk__http_link_write(l);
        return step == PK__HTTP_STEP_ON ? pk__http_link_written(l) : step;
    default: return pk__http_link_throw(l);
    }
}

/* Moves a link on as far as it goes. It may be gone afterwards, and so may the server. */
PK__FN void pk__http_link_run(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_step step;
    pk__http_server_enter(s);
    l->running = true;
    l->share = PK__HTTP_SERVER_SHARE;
    do {
        step = pk__http_link_step(l);
    } while (step == PK__HTTP_STEP_ON);
    l->running = false;
    /* What has come already wakes nobody a second time. That there is room for writing does, mostly at once; and who
     * leaves no room is not to be read from. */
    bool for_room = step == PK__HTTP_STEP_WRITE || step == PK__HTTP_STEP_YIELD;
    if (step == PK__HTTP_STEP_YIELD && l->state != PK__HTTP_LINK_HEAD) {
        pk__http_link_due(l, s->desc.body_ms);
    }
    if (step == PK__HTTP_STEP_CLOSE || (step == PK__HTTP_STEP_READ && !pk__http_link_watch(l, true, false)) ||
        (for_room && !pk__http_link_watch(l, false, true))) {
        pk__http_link_close(l);
    }
    pk__http_server_leave(s);
}

PK__FN void pk__http_link_on_ready(void *user, bool can_read, bool can_write)
{
    pk__http_link *l = (pk__http_link *)user;
    bool is_moving = l->state == PK__HTTP_LINK_WRITE || l->state == PK__HTTP_LINK_BODY;
    bool waits = is_moving && l->job->out.busy; // for pk__http_server_more
    (void)can_write;
    if (waits && pk__http_server_is_gone(l->job)) {
        pk__http_server *s = l->server;
        pk__http_server_enter(s);
        pk__http_link_close(l);
        pk__http_server_leave(s);
        return;
    }
    if (waits || l->state == PK__HTTP_LINK_WORK) { // the next request, or a hang-up: none of them matters now
        pk_watch_remove(l->server->desc.loop, &l->watch);
        l->watching = false;
        return;
    }
    l->can_read |= can_read;
    pk__http_link_run(l);
}

PK__FN void pk__http_link_on_time(void *user)
{
    pk__http_link *l = (pk__http_link *)user;
    pk__http_server *s = l->server;
    if (l->deadline == PK_FOREVER || pk__clock_ns() < l->deadline) {
        if (l->deadline != PK_FOREVER) {
            (void)pk__timer_start_at(s->desc.loop, &l->timer, l->deadline, NULL);
        }
        return;
    }
    if (l->state == PK__HTTP_LINK_IDLE && pk__http_link_dismiss(l) == PK__HTTP_STEP_ON) {
        pk__http_link_due(l, s->desc.header_ms);
        pk__http_link_run(l);
        return;
    }
    if (l->state != PK__HTTP_LINK_HEAD && l->state != PK__HTTP_LINK_BODY) {
        pk__http_link_close(l);
        return;
    }
    pk__http_server_enter(s);
    bool is_head = l->state == PK__HTTP_LINK_HEAD;
    const char *why = is_head ? "the header did not come in time" : "the body did not come in time";
    if ((l->job || pk__http_job_take(l)) && pk__http_link_refuse(l, 408, why) == PK__HTTP_STEP_ON) {
        pk__http_link_run(l);
    } else {
        pk__http_link_close(l);
    }
    pk__http_server_leave(s);
}

/* ---- answers from elsewhere */

PK__FN void pk__http_link_answered(pk__http_link *l)
{
    if (!l->running) {
        pk__http_link_run(l);
    }
}

PK__FN void pk__http_server_more(pk__http_job *job)
{
    if (!job->detached && job->out.busy) {
        pk__http_link_answered(job->link);
    }
}

static void pk__http_job_on_home(void *user)
{
    pk__http_job *job = (pk__http_job *)user;
    job->detached = false;
    job->answered = true;
    pk__http_link_answered(job->link);
}

PK__FN void pk__http_server_detach(pk__http_job *job)
{
    job->detached = true;
    job->task.run = pk__http_job_on_home;
    job->task.user = job;
}
#endif
