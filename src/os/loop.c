/* loop.c - turns, watches, timers and tasks, on top of a backend. */
#include "loop.h"

#include <string.h>

/* ---- create, destroy */

#if defined(PK__NO_POLL)
#define PK__LOOP_BEST pk__loop_idle
#elif defined(PK__LINUX)
#define PK__LOOP_BEST pk__loop_epoll
#elif defined(PK__KQUEUE)
#define PK__LOOP_BEST pk__loop_kqueue
#else
#define PK__LOOP_BEST pk__loop_poll
#endif

PK__FN pk_err pk__loop_create(pk_loop **out, const pk_alloc *alloc, const pk__loop_backend *backend,
                              pk_error *err)
{
    pk_err code;
    pk_loop *loop = (pk_loop *)pk__new(alloc, sizeof(*loop));
    *out = NULL;
    if (!loop) {
        return pk__error_memory(err, "create a loop");
    }
    if (alloc) {
        loop->alloc = *alloc;
    }
    loop->fds[0] = loop->fds[1] = loop->fds[2] = -1;
    backend = backend ? backend : PK__LOOP_BEST();
    loop->backend = backend;
    code = backend->open(loop, err);
    if (code) {
        pk__free(alloc, loop, sizeof(*loop));
        return code;
    }
    pk__fork_guard_init(&loop->fork);
    loop->thread = (void *)pk__thread_self();
    *out = loop;
    return PK_OK;
}

PK_API pk_err pk_loop_create(pk_loop **out, const pk_alloc *alloc, pk_error *err)
{
    return pk__loop_create(out, alloc, NULL, err);
}

PK__FN bool pk__loop_is_forked(const pk_loop *loop)
{
    return pk__fork_guard_is_child(&loop->fork);
}

PK__FN bool pk__loop_is_mine(const pk_loop *loop)
{
    return pk__atomic_load_ptr(&loop->thread) == (void *)pk__thread_self();
}

PK__FN void pk__loop_give_away(pk_loop *loop)
{
    pk__atomic_store_ptr(&loop->thread, NULL);
}

PK__FN int pk__loop_depth(const pk_loop *loop)
{
    return (int)loop->depth;
}

/* Moves what was posted behind the tasks that are in order already. */
PK__FN void pk__loop_collect(pk_loop *loop)
{
    pk_task *task = (pk_task *)pk__atomic_swap_ptr(&loop->posted, NULL), *first = NULL, *last = task;
    while (task) { // turned around: the first one posted is to run first
        pk_task *next = task->pk__next;
        task->pk__next = first;
        first = task;
        task = next;
    }
    if (!first) {
        return;
    }
    if (loop->tasks) {
        loop->last_task->pk__next = first;
    } else {
        loop->tasks = first;
    }
    loop->last_task = last;
}

PK__FN pk_task *pk__loop_pop_task(pk_loop *loop)
{
    pk_task *task = loop->tasks;
    if (task) {
        loop->tasks = task->pk__next;
        task->pk__next = NULL;
        pk__atomic_store(&task->pk__queued, 0);
    }
    return task;
}

/* What is still added forgets the loop: removing it later does nothing. */
PK__FN void pk__loop_free(pk_loop *loop)
{
    pk_alloc alloc = loop->alloc;
    for (uint32_t i = 0; i < loop->slot_cap; i++) {
        if (loop->slots[i].watch) {
            loop->slots[i].watch->pk__slot = 0;
        }
    }
    for (uint32_t i = 0; i < loop->timer_count; i++) {
        loop->timers[i]->pk__pos = 0;
    }
    pk__loop_collect(loop);
    while (pk__loop_pop_task(loop)) {
    }
    loop->backend->close(loop);
    pk__fork_guard_deinit(&loop->fork);
    pk__free(&alloc, loop->slots, loop->slot_cap * sizeof(*loop->slots));
    pk__free(&alloc, loop->timers, loop->timer_cap * sizeof(*loop->timers));
    pk__free(&alloc, loop, sizeof(*loop));
}

PK_API void pk_loop_destroy(pk_loop *loop)
{
    if (!loop) {
        return;
    }
    if (loop->depth > 0 && pk__loop_is_mine(loop)) {
        loop->doomed = true; // the turns on our stack still need it
        return;
    }
    pk__loop_free(loop);
}

/* ---- timers: a heap in which each knows its place */

PK__FN void pk__timer_place(pk_loop *loop, uint32_t at, pk_timer *t)
{
    loop->timers[at] = t;
    t->pk__pos = at + 1;
}

PK__FN void pk__timer_up(pk_loop *loop, uint32_t at)
{
    pk_timer *t = loop->timers[at];
    while (at > 0 && loop->timers[(at - 1) / 2]->pk__at > t->pk__at) {
        pk__timer_place(loop, at, loop->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    pk__timer_place(loop, at, t);
}

PK__FN void pk__timer_down(pk_loop *loop, uint32_t at)
{
    pk_timer *t = loop->timers[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < loop->timer_count && loop->timers[child + 1]->pk__at < loop->timers[child]->pk__at) {
            child++;
        }
        if (child >= loop->timer_count || loop->timers[child]->pk__at >= t->pk__at) {
            break;
        }
        pk__timer_place(loop, at, loop->timers[child]);
        at = child;
    }
    pk__timer_place(loop, at, t);
}

PK__FN bool pk__timer_is_running(const pk_timer *t)
{
    return t->pk__pos != 0;
}

PK__FN bool pk__timer_reserve(pk_loop *loop)
{
    uint32_t cap = loop->timer_cap ? loop->timer_cap * 2 : 8;
    void *grown;
    if (loop->timer_count < loop->timer_cap) {
        return true;
    }
    grown = pk__resize(&loop->alloc, loop->timers, loop->timer_cap * sizeof(*loop->timers),
                       cap * sizeof(*loop->timers));
    if (grown) {
        loop->timers = (pk_timer **)grown;
        loop->timer_cap = cap;
    }
    return grown != NULL;
}

PK__FN pk_err pk__timer_start_at(pk_loop *loop, pk_timer *t, int64_t at_ns, pk_error *err)
{
    if (!pk__timer_is_running(t)) {
        if (!pk__timer_reserve(loop)) {
            return pk__error_memory(err, "start a timer");
        }
        pk__timer_place(loop, loop->timer_count++, t);
    }
    t->pk__at = at_ns;
    pk__timer_up(loop, t->pk__pos - 1);
    pk__timer_down(loop, t->pk__pos - 1);
    return PK_OK;
}

PK_API pk_err pk_timer_start(pk_loop *loop, pk_timer *t, uint32_t delay_ms, pk_error *err)
{
    return pk__timer_start_at(loop, t, pk__clock_after_ms(pk__clock_ns(), delay_ms), err);
}

PK_API void pk_timer_stop(pk_loop *loop, pk_timer *t)
{
    uint32_t at = t->pk__pos - 1;
    pk_timer *last;
    if (!pk__timer_is_running(t)) {
        return;
    }
    t->pk__pos = 0;
    last = loop->timers[--loop->timer_count];
    if (last != t) {
        pk__timer_place(loop, at, last);
        pk__timer_up(loop, at);
        pk__timer_down(loop, last->pk__pos - 1);
    }
}

/* Those that are due now; what a callback starts comes with the next turn. */
PK__FN void pk__loop_run_timers(pk_loop *loop)
{
    uint32_t left = loop->none_due ? 0 : loop->timer_count;
    int64_t now = left ? pk__clock_ns() : 0;
    while (left-- > 0 && loop->timer_count > 0 && loop->timers[0]->pk__at <= now && !loop->doomed) {
        pk_timer *t = loop->timers[0];
        pk_timer_stop(loop, t);
        t->on_time(t->user);
    }
}

/* ---- watches */

PK__FN pk__loop_slot *pk__loop_slot_of(pk_loop *loop, const pk_watch *w)
{
    return w->pk__slot ? &loop->slots[w->pk__slot - 1] : NULL;
}

PK__FN bool pk__loop_reserve_slot(pk_loop *loop)
{
    uint32_t cap = loop->slot_cap ? loop->slot_cap * 2 : 8;
    pk__loop_slot *grown;
    if (loop->first_free) {
        return true;
    }
    grown = (pk__loop_slot *)pk__resize(&loop->alloc, loop->slots, loop->slot_cap * sizeof(*grown),
                                        cap * sizeof(*grown));
    if (!grown) {
        return false;
    }
    memset(grown + loop->slot_cap, 0, (cap - loop->slot_cap) * sizeof(*grown));
    for (uint32_t i = loop->slot_cap; i < cap; i++) {
        grown[i].next_free = i + 1 < cap ? i + 2 : 0;
    }
    loop->first_free = loop->slot_cap + 1;
    loop->slots = grown;
    loop->slot_cap = cap;
    return true;
}

PK__FN void pk__loop_release_slot(pk_loop *loop, uint32_t number)
{
    pk__loop_slot *slot = &loop->slots[number];
    slot->watch = NULL;
    slot->generation++;
    slot->running = slot->silenced = slot->always = false;
    slot->next_free = loop->first_free;
    loop->first_free = number + 1;
}

PK__FN uint8_t pk__loop_want(bool read, bool write)
{
    return (uint8_t)((read ? PK__LOOP_READ : 0u) | (write ? PK__LOOP_WRITE : 0u));
}

PK__FN pk_err pk__loop_check_forked(const pk_loop *loop, pk_error *err)
{
    if (pk__loop_is_forked(loop)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot use a loop in a forked child: it is its parent's");
    }
    return PK_OK;
}

PK_API pk_err pk_watch_add(pk_loop *loop, pk_watch *w, bool read, bool write, pk_error *err)
{
    uint32_t number;
    pk__loop_slot *slot;
    pk_err code = pk__loop_check_forked(loop, err);
    if (code) {
        return code;
    }
    if (w->pk__slot) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot watch descriptor %d: the watch is in use", w->fd);
    }
    if (!pk__loop_reserve_slot(loop)) {
        return pk__error_memory(err, "watch a descriptor");
    }
    number = loop->first_free - 1;
    slot = &loop->slots[number];
    loop->first_free = slot->next_free;
    slot->watch = w;
    slot->fd = w->fd;
    slot->want = pk__loop_want(read, write);
    slot->news = w->pk__news;
    slot->served = loop->turn;
    code = loop->backend->add(loop, number, err);
    if (code) {
        pk__loop_release_slot(loop, number);
        return code;
    }
    w->pk__slot = number + 1;
    w->pk__want = slot->want;
    return PK_OK;
}

PK_API pk_err pk_watch_set(pk_loop *loop, pk_watch *w, bool read, bool write, pk_error *err)
{
    pk__loop_slot *slot = pk__loop_slot_of(loop, w);
    uint8_t want = pk__loop_want(read, write);
    if (!slot) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot change the watch of descriptor %d: not added", w->fd);
    }
    if (want != slot->want) {
        slot->want = w->pk__want = want;
        if (!slot->silenced && !pk__loop_is_forked(loop)) {
            loop->backend->change(loop, w->pk__slot - 1, want);
        }
    }
    return PK_OK;
}

PK_API void pk_watch_remove(pk_loop *loop, pk_watch *w)
{
    uint32_t number = w->pk__slot;
    if (number == 0) {
        return;
    }
    if (!pk__loop_is_forked(loop)) {
        loop->backend->remove(loop, number - 1);
    }
    w->pk__slot = 0;
    pk__loop_release_slot(loop, number - 1);
}

/* While a callback runs, its watch is silent in the turns that the callback makes: otherwise the bytes that
 * it has not read yet would enter it again, and again. */
PK__FN void pk__loop_silence(pk_loop *loop)
{
    for (pk__loop_frame *f = loop->frames; f; f = f->outer) {
        pk__loop_slot *slot = &loop->slots[f->slot];
        if (slot->watch && slot->generation == f->generation && !slot->silenced) {
            slot->silenced = true;
            loop->backend->change(loop, f->slot, 0);
        }
    }
}

PK__FN void pk__loop_run_watch(pk_loop *loop, const pk__loop_event *e, uint64_t turn)
{
    pk__loop_slot *slot = &loop->slots[e->slot];
    uint8_t ready = e->ready & slot->want;
    pk__loop_frame frame = {e->slot, e->generation, loop->frames};
    if (!slot->watch || slot->generation != e->generation || slot->running || ready == 0 ||
        slot->served > turn) {
        return;
    }
    slot->served = turn;
    slot->running = true;
    loop->frames = &frame;
    slot->watch->on_ready(slot->watch->user, (ready & PK__LOOP_READ) != 0, (ready & PK__LOOP_WRITE) != 0);
    loop->frames = frame.outer;
    slot = &loop->slots[e->slot]; // may have moved
    if (slot->watch && slot->generation == e->generation) {
        slot->running = false;
        if (slot->silenced) {
            slot->silenced = false;
            loop->backend->change(loop, e->slot, slot->want);
        }
    }
}

/* For backends that cannot wait for regular files: adds those to the events. */
PK__FN int pk__loop_always(const pk_loop *loop, pk__loop_event *out, int count, int cap)
{
    for (uint32_t i = 0; loop->always_count > 0 && i < loop->slot_cap && count < cap; i++) {
        const pk__loop_slot *slot = &loop->slots[i];
        if (slot->watch && slot->always && !slot->running) {
            pk__loop_event event = {i, slot->generation, PK__LOOP_READ | PK__LOOP_WRITE};
            out[count++] = event;
        }
    }
    return count;
}

/* ---- tasks */

PK_API void pk_loop_wake(pk_loop *loop)
{
    if (!pk__loop_is_forked(loop) && pk__atomic_swap(&loop->woken, 1) == 0) {
        loop->backend->wake(loop);
    }
}

PK_API void pk_loop_post(pk_loop *loop, pk_task *task)
{
    void *head;
    if (!pk__atomic_cas(&task->pk__queued, 0, 1)) {
        return;
    }
    do {
        head = pk__atomic_load_ptr(&loop->posted);
        task->pk__next = (pk_task *)head;
    } while (!pk__atomic_cas_ptr(&loop->posted, head, task));
    /* Adding 0 rather than loading: either the loop falls asleep after this and sees the task, or we see it
     * asleep. */
    if (pk__atomic_add(&loop->awake, 0) == 0) {
        pk_loop_wake(loop);
    }
}

PK_API void pk_loop_unpost(pk_loop *loop, pk_task *task)
{
    pk_task *before = NULL;
    if (!pk__atomic_load(&task->pk__queued)) {
        return;
    }
    pk__loop_collect(loop);
    for (pk_task *t = loop->tasks; t; before = t, t = t->pk__next) {
        if (t == task) {
            if (before) {
                before->pk__next = task->pk__next;
            } else {
                loop->tasks = task->pk__next;
            }
            if (loop->last_task == task) {
                loop->last_task = before;
            }
            task->pk__next = NULL;
            pk__atomic_store(&task->pk__queued, 0);
            return;
        }
    }
}

/* Those that were posted until now; what they post comes with the next turn. */
PK__FN void pk__loop_run_tasks(pk_loop *loop)
{
    uint32_t left = 0;
    pk__loop_collect(loop);
    for (const pk_task *t = loop->tasks; t; t = t->pk__next) {
        left++;
    }
    while (left-- > 0 && !loop->doomed) {
        pk_task *task = pk__loop_pop_task(loop);
        if (!task) {
            return; // an inner turn was faster
        }
        task->run(task->user);
    }
}

PK__FN bool pk__loop_has_tasks(pk_loop *loop)
{
    return loop->tasks || pk__atomic_load_ptr(&loop->posted);
}

/* ---- turns */

PK__FN int64_t pk__loop_until(pk_loop *loop, int timeout_ms)
{
    int64_t until = PK_FOREVER;
    if (timeout_ms == 0 || loop->always_count > 0 || pk__loop_has_tasks(loop)) {
        return 0;
    }
    if (timeout_ms > 0) {
        until = pk__clock_after_ms(pk__clock_ns(), (uint64_t)timeout_ms);
    }
    if (loop->timer_count > 0 && loop->timers[0]->pk__at < until) {
        until = loop->timers[0]->pk__at;
    }
    return until;
}

PK__FN void pk__loop_was_woken(pk_loop *loop)
{
    (void)pk__atomic_swap(&loop->woken, 0);
    loop->wakes++;
}

/* Is there something to do that is no event of a watch? */
PK__FN bool pk__loop_is_called(pk_loop *loop, uint32_t wakes)
{
    return loop->wakes != wakes || pk__loop_has_tasks(loop);
}

/* Awake at first. Events, or 0: also if it was called. */
PK__FN int pk__loop_look(pk_loop *loop, int64_t until, pk__loop_event *events)
{
    int64_t end = pk__clock_ns() + loop->spin.ns;
    uint32_t wakes = loop->wakes;
    int count;
    end = PK__MIN(end, until);
    do {
        count = loop->backend->wait(loop, 0, events, PK__LOOP_BATCH);
    } while (count == 0 && !pk__loop_is_called(loop, wakes) && pk__clock_ns() < end);
    bool found = count != 0 || pk__loop_is_called(loop, wakes);
    pk__spin_learn(&loop->spin, found);
    return found ? count : loop->backend->wait(loop, until, events, PK__LOOP_BATCH);
}

PK__FN int pk__loop_wait(pk_loop *loop, int64_t until, pk__loop_event *events)
{
    bool looks = until != 0 && pk__spin_try(&loop->spin);
    return looks ? pk__loop_look(loop, until, events) : loop->backend->wait(loop, until, events, PK__LOOP_BATCH);
}

PK__FN pk_err pk__loop_turn(pk_loop *loop, int timeout_ms, pk_error *err)
{
    pk__loop_event events[PK__LOOP_BATCH];
    uint64_t turn = ++loop->turn;
    int count;

    pk__loop_silence(loop);
    if (pk__atomic_load(&loop->awake) != 0) { // an inner turn; otherwise the last one has left it so
        (void)pk__atomic_swap(&loop->awake, 0);
    }
    count = pk__loop_wait(loop, pk__loop_until(loop, timeout_ms), events);
    if (count < 0 && errno != EINTR) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot wait for events");
    }
    pk__atomic_store(&loop->awake, 1);

    pk__loop_run_timers(loop);
    for (int i = 0; i < count && !loop->doomed; i++) {
        pk__loop_run_watch(loop, &events[i], turn);
    }
    pk__loop_run_tasks(loop);
    return PK_OK;
}

PK_API pk_err pk_loop_step(pk_loop *loop, int timeout_ms, pk_error *err)
{
    pk_err code = pk__loop_check_forked(loop, err);
    if (code) {
        return code;
    }
    if (loop->depth > 0 && !pk__loop_is_mine(loop)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot step a loop that another thread is stepping");
    }
    if (!pk__loop_is_mine(loop)) {
        pk__atomic_store_ptr(&loop->thread, (void *)pk__thread_self());
    }
    loop->depth++;
    code = pk__loop_turn(loop, timeout_ms, err);
    if (--loop->depth == 0) {
        (void)pk__atomic_swap(&loop->awake, 0);
        if (loop->doomed) {
            pk__loop_free(loop);
        }
    } else {
        pk__atomic_store(&loop->awake, 1); // also after an error: the outer turn goes on
    }
    return code;
}

PK_API size_t pk_loop_fds(pk_loop *loop, pk_fd *out, size_t cap, int *timeout_ms)
{
    *timeout_ms = pk__clock_wait_ms(pk__loop_until(loop, -1));
    return loop->backend->fds(loop, out, cap);
}
