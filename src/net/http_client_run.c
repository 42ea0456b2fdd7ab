/* http_client_run.c - the two drivers of an exchange: a thread that waits, and a loop. */
#include "../base/error.h"
#include "../os/fd.h"
#include "http_client.h"

#include <string.h>

/* The time by which the next thing has to happen. */
static int64_t pk__http_client_until(const pk__http_client *c)
{
    return c->is_open ? c->x->deadline : PK__MIN(c->connect_by, c->x->deadline);
}

static void pk__http_client_late(const pk__http_client *c, pk_error *err)
{
    (void)pk_error_set(err, PK_ERR_PLUGIN_TIMEOUT, "cannot finish the request: %s",
                       c->is_open ? "the deadline passed" : "no connection until the deadline");
}

/* ---- waiting on the caller's thread */

#ifndef PK__NO_POLL
/* An interrupt wakes whoever waits for a socket, by shutting it down. Other descriptors have no such thing: there we
 * look at the flag now and then. */
static void pk__http_client_wait(pk__http_client *c, int64_t until)
{
    int64_t soon = pk__clock_after_ms(pk__clock_ns(), 50);
    if (c->retry_at != 0) {
        until = PK__MIN(until, c->retry_at);
        (void)pk__fd_wait(-1, false, false, until);
    } else {
        (void)pk__fd_wait(c->fd, c->wants_read, c->wants_write, c->is_socket ? until : PK__MIN(until, soon));
    }
}

static pk_err pk__http_client_block(pk__http_client *c, pk_error *err)
{
    for (;;) {
        if (pk__atomic_load(&c->interrupted) != 0) {
            pk__http_client_fail(c, err);
            return err->code;
        }
        pk_io io = pk__http_client_advance(c, c->is_socket, err);
        if (!c->x) {
            return pk_error_set(err, PK_ERR_CANCELED, "cannot finish the request: it was cancelled");
        }
        if (io == PK_IO_DONE) {
            pk__http_client_finish(c);
            return PK_OK;
        }
        if (io == PK_IO_FAILED) {
            pk__http_client_fail(c, err);
            return err->code;
        }
        int64_t until = pk__http_client_until(c);
        if (until != PK_FOREVER && pk__clock_ns() >= until) {
            pk__http_client_late(c, err);
            pk__http_client_fail(c, err);
            return err->code;
        }
        /* On a socket whose request is out the receive has waited already. */
        if (!c->has_more && (!c->is_open || c->wants_write || !c->is_socket)) {
            pk__http_client_wait(c, until);
        }
    }
}
#else // nothing to wait for: what is not there at once comes through a loop
static pk_err pk__http_client_block(pk__http_client *c, pk_error *err)
{
    (void)pk__http_client_needs_loop(c, err);
    pk__http_client_fail(c, err);
    return err->code;
}
#endif

PK__FN pk_err pk__http_client_run(pk__http_client *c, pk__http_exchange *x, pk_error *err)
{
    pk_error why;
    pk__error_none(&why);
    c->driven = false;
    if (c->opened && c->fd < 0) {
        return pk__http_client_needs_loop(c, err);
    }
    pk_err rc = pk__http_client_begin(c, x, &why);
    if (rc == PK_OK) {
        rc = pk__http_client_block(c, &why);
    }
    return rc == PK_OK ? PK_OK : pk__error_copy(err, &why);
}

/* ---- driven by a loop */

PK__FN void pk__http_client_undrive(pk__http_client *c)
{
    if (!c->loop) {
        return;
    }
    if (c->watching) {
        pk_watch_remove(c->loop, &c->watch);
        c->watching = false;
    }
    pk_timer_stop(c->loop, &c->timer);
    pk_loop_unpost(c->loop, &c->task);
    c->loop = NULL; // another thread may use the connection next, or destroy it
}

/* The last thing that is done for an exchange: on_end may destroy the client. why NULL = all went well. */
static void pk__http_client_end(pk__http_client *c, pk_error *why)
{
    pk__http_exchange *x = c->x;
    pk__http_client_undrive(c);
    if (why) {
        pk__http_client_fail(c, why);
    } else {
        pk__http_client_finish(c);
    }
    x->on_end(x->user, why);
}

static pk_err pk__http_client_rearm(pk__http_client *c, pk_error *err)
{
    int64_t until = pk__http_client_until(c);
    bool watches = c->fd >= 0 && (c->wants_read || c->wants_write);
    if (c->retry_at != 0) {
        until = PK__MIN(until, c->retry_at);
    }
    pk_err rc = PK_OK;
    if (until != PK_FOREVER) {
        rc = pk__timer_start_at(c->loop, &c->timer, until, err);
    }
    if (rc == PK_OK && watches) {
        c->watch.fd = c->fd;
        rc = c->watching ? pk_watch_set(c->loop, &c->watch, c->wants_read, c->wants_write, err)
                         : pk_watch_add(c->loop, &c->watch, c->wants_read, c->wants_write, err);
        c->watching = rc == PK_OK;
    } else if (c->watching) { // a watch that wants nothing is still told of a hang-up, again and again
        pk_watch_remove(c->loop, &c->watch);
        c->watching = false;
    }
    if (c->has_more && c->fd < 0) {
        pk_loop_post(c->loop, &c->task);
    }
    return rc;
}

static void pk__http_client_turn(pk__http_client *c)
{
    pk__http_exchange *x = c->x;
    pk_error why;
    if (!x) {
        return;
    }
    pk__error_none(&why);
    c->depth++;
    pk_io io = pk__http_client_advance(c, false, &why);
    c->depth--;
    if (c->doomed) {
        pk__http_client_destroy(c);
    } else if (c->x != x) {
        return; // cancelled in a callback
    } else if (io == PK_IO_DONE) {
        pk__http_client_end(c, NULL);
    } else if (io == PK_IO_FAILED || pk__http_client_rearm(c, &why)) {
        pk__http_client_end(c, &why);
    }
}

static void pk__http_client_on_ready(void *user, bool can_read, bool can_write)
{
    (void)can_read, (void)can_write;
    pk__http_client_turn((pk__http_client *)user);
}

static void pk__http_client_on_task(void *user)
{
    pk__http_client_turn((pk__http_client *)user);
}

static void pk__http_client_on_time(void *user)
{
    pk__http_client *c = (pk__http_client *)user;
    if (pk__clock_ns() < pk__http_client_until(c)) {
        pk__http_client_turn(c); // a retry, or the connection came in time
        return;
    }
    pk_error why;
    pk__error_none(&why);
    pk__http_client_late(c, &why);
    pk__http_client_end(c, &why);
}

/* Any thread, interrupt handlers. Only transports without a descriptor call it. */
static void pk__http_client_on_conn(pk_conn *conn)
{
    pk__http_client *c = PK__OF(conn, pk__http_client, conn);
    pk_loop_post((pk_loop *)pk__atomic_load_ptr(&c->wakes), &c->task);
}

PK__FN pk_err pk__http_client_start(pk__http_client *c, pk_loop *loop, pk__http_exchange *x, pk_error *err)
{
    pk_err rc = pk__http_client_begin(c, x, err);
    if (rc) {
        return rc;
    }
    c->driven = true;
    c->loop = loop;
    pk__atomic_store_ptr(&c->wakes, loop);
    c->conn.on_ready = pk__http_client_on_conn;
    c->watch.on_ready = pk__http_client_on_ready;
    c->watch.user = c;
    c->timer.on_time = pk__http_client_on_time;
    c->timer.user = c;
    c->task.run = pk__http_client_on_task;
    c->task.user = c;
    pk_loop_post(loop, &c->task);
    return PK_OK;
}

PK__FN void pk__http_client_resume(pk__http_client *c)
{
    if (c->x && c->out.busy) {
        c->out.busy = false;
        pk_loop_post(c->loop, &c->task);
    }
}

PK__FN void pk__http_client_pause(pk__http_client *c, bool paused)
{
    if (c->x && c->paused != paused) {
        c->paused = paused;
        pk_loop_post(c->loop, &c->task); // reads on, or stops watching
    }
}

PK__FN void pk__http_client_cancel(pk__http_client *c)
{
    if (c->x) {
        pk__http_client_undrive(c);
        c->x = NULL;
        c->dead = true;
    }
}
