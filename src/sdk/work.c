/* work.c - counts requests, and tells when there have been none for long enough. */
#include "work.h"

#include "../os/clock.h"
#include "../os/loop.h"

enum { PK__WORK_RETRY_MS = 1000 };

static void pk__work_on_time(void *user)
{
    pk__work *w = (pk__work *)user;
    int64_t now = pk__clock_ns();
    if (w->running == 0 && now - w->since >= w->idle_ns) {
        /* A request may have come in this very turn of the loop: it is looked at behind the timers. */
        if (w->was_idle || pk_timer_start(w->loop, &w->timer, 0, NULL)) {
            w->on_idle(w->user);
        }
        w->was_idle = true;
        return;
    }
    w->was_idle = false;
    /* Busy now: a whole timeout from here is the earliest that can follow. */
    int64_t from = w->running ? now : w->since;
    if (pk__timer_start_at(w->loop, &w->timer, from + w->idle_ns, NULL)) {
        (void)pk_timer_start(w->loop, &w->timer, PK__WORK_RETRY_MS, NULL); // there was room for it just now
    }
}

PK__FN pk_err pk__work_start(pk__work *w, pk_loop *loop, int64_t idle_ns, void (*on_idle)(void *user), void *user,
                             pk_error *err)
{
    w->loop = loop;
    w->idle_ns = idle_ns;
    w->since = pk__clock_ns();
    w->on_idle = on_idle;
    w->user = user;
    w->timer.on_time = pk__work_on_time;
    w->timer.user = w;
    return idle_ns ? pk__timer_start_at(loop, &w->timer, w->since + idle_ns, err) : PK_OK;
}

PK__FN void pk__work_change(pk__work *w, int change)
{
    if (change > 0) {
        w->running++;
    } else if (--w->running == 0) {
        w->since = pk__clock_coarse_ns();
    }
}

PK__FN void pk__work_stop(pk__work *w)
{
    if (w->loop) {
        pk_timer_stop(w->loop, &w->timer);
    }
}
