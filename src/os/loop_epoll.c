/* loop_epoll.c - waiting by epoll: any number of descriptors at the same cost. Linux. */
#include "fd.h"
#include "loop.h"

#if defined(PK__LINUX) && !defined(PK__NO_POLL)

/* The events of our own eventfd and timerfd; a slot number is never that large. */
#define PK__LOOP_EPOLL_WAKE UINT64_MAX
#define PK__LOOP_EPOLL_ALARM (UINT64_MAX - 1)
#define PK__LOOP_EPOLL_SOON_MS 20 // what is due sooner is waited for with a timeout

PK__FN void pk__loop_epoll_close(pk_loop *loop)
{
    pk__fd_close(loop->fds[0]);
    pk__fd_close(loop->fds[1]);
    pk__fd_close(loop->fds[2]);
    loop->fds[0] = loop->fds[1] = loop->fds[2] = -1;
}

/* Without it the loop waits by timeouts. */
PK__FN void pk__loop_epoll_open_alarm(pk_loop *loop)
{
    struct epoll_event event = {EPOLLIN, {0}};
    event.data.u64 = PK__LOOP_EPOLL_ALARM;
    loop->alarm_at = 0;
    loop->fds[2] = pk__fd_lift(PK__SYS(timerfd_create)(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (loop->fds[2] >= 0 && PK__SYS(epoll_ctl)(loop->fds[0], EPOLL_CTL_ADD, loop->fds[2], &event) != 0) {
        pk__fd_close(loop->fds[2]);
        loop->fds[2] = -1;
    }
}

PK__FN pk_err pk__loop_epoll_open(pk_loop *loop, pk_error *err)
{
    struct epoll_event event = {EPOLLIN, {0}};
    event.data.u64 = PK__LOOP_EPOLL_WAKE;
    loop->fds[2] = -1;
    loop->fds[0] = pk__fd_lift(PK__SYS(epoll_create1)(EPOLL_CLOEXEC));
    if (loop->fds[0] >= 0) {
        loop->fds[1] = pk__fd_lift(PK__SYS(eventfd)(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (loop->fds[1] >= 0 && PK__SYS(epoll_ctl)(loop->fds[0], EPOLL_CTL_ADD, loop->fds[1], &event) == 0) {
            pk__loop_epoll_open_alarm(loop);
            return PK_OK;
        }
    }
    (void)pk_error_sys(err, PK_ERR_OS, errno, "cannot create a loop");
    pk__loop_epoll_close(loop);
    return PK_ERR_OS;
}

/* Wanting nothing is edge-triggered: epoll reports errors and hang-ups always, and so at least only once. */
PK__FN int pk__loop_epoll_control(pk_loop *loop, int operation, uint32_t number, uint8_t want)
{
    const pk__loop_slot *slot = &loop->slots[number];
    struct epoll_event event = {0, {0}};
    event.data.u64 = (uint64_t)slot->generation << 32 | number;
    event.events |= (want & PK__LOOP_READ) ? (uint32_t)EPOLLIN : 0u;
    event.events |= (want & PK__LOOP_WRITE) ? (uint32_t)EPOLLOUT : 0u;
    event.events |= want ? 0u : (uint32_t)EPOLLET;
    event.events |= slot->news && want == PK__LOOP_READ ? (uint32_t)EPOLLET | (uint32_t)EPOLLRDHUP : 0u;
    return PK__SYS(epoll_ctl)(loop->fds[0], operation, slot->fd, &event);
}

PK__FN pk_err pk__loop_epoll_add(pk_loop *loop, uint32_t number, pk_error *err)
{
    pk__loop_slot *slot = &loop->slots[number];
    if (pk__loop_epoll_control(loop, EPOLL_CTL_ADD, number, slot->want) == 0) {
        return PK_OK;
    }
    if (errno == EPERM) { // a regular file or directory
        slot->always = true;
        loop->always_count++;
        return PK_OK;
    }
    return pk_error_sys(err, errno == EEXIST || errno == EBADF ? PK_ERR_MISUSE : PK_ERR_OS, errno,
                        "cannot watch descriptor %d", slot->fd);
}

PK__FN void pk__loop_epoll_change(pk_loop *loop, uint32_t number, uint8_t want)
{
    if (!loop->slots[number].always) {
        (void)pk__loop_epoll_control(loop, EPOLL_CTL_MOD, number, want);
    }
}

PK__FN void pk__loop_epoll_remove(pk_loop *loop, uint32_t number)
{
    if (loop->slots[number].always) {
        loop->always_count--;
    } else {
        (void)pk__loop_epoll_control(loop, EPOLL_CTL_DEL, number, 0);
    }
}

/* For a wait with a timeout the kernel sets up a timer and takes it back each time: 1.5 us, when a round trip is 8. So
 * what is not due soon is left to a timerfd. It stays armed from wait to wait, and is set only if something is due
 * before it goes off. Deadlines mostly move away from us: then it goes off too early, once, and is set again. */
PK__FN int pk__loop_epoll_timeout(pk_loop *loop, int64_t until)
{
    if (until == 0 || until == PK_FOREVER || pk__clock_is_fake()) {
        return pk__clock_wait_ms(until);
    }
    if (loop->alarm_at != 0 && loop->alarm_at <= until) {
        return -1;
    }
    int ms = pk__clock_wait_ms(until);
    struct itimerspec time = {{0, 0}, {(time_t)(until / PK__SECOND), (long)(until % PK__SECOND)}};
    if (ms < PK__LOOP_EPOLL_SOON_MS || loop->fds[2] < 0 ||
        PK__SYS(timerfd_settime)(loop->fds[2], TFD_TIMER_ABSTIME, &time) != 0) {
        return ms;
    }
    loop->alarm_at = until;
    return -1;
}

/* A hang-up that came together with bytes is no news when these have been read. From here on it is told each time. */
PK__FN void pk__loop_epoll_hung_up(pk_loop *loop, const pk__loop_event *e)
{
    pk__loop_slot *slot = &loop->slots[e->slot];
    if (slot->news && slot->watch && slot->generation == e->generation) {
        slot->news = false;
        pk__loop_epoll_change(loop, e->slot, slot->silenced ? 0 : slot->want);
    }
}

PK__FN int pk__loop_epoll_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    int timeout_ms = pk__loop_epoll_timeout(loop, until_ns);
    struct epoll_event events[PK__LOOP_BATCH];
    int n = PK__SYS(epoll_wait)(loop->fds[0], events, PK__MIN(cap, PK__LOOP_BATCH), timeout_ms), count = 0;
    loop->none_due = timeout_ms == -1 && n < PK__MIN(cap, PK__LOOP_BATCH); // in a full batch its event may be missing
    for (int i = 0; i < n; i++) {
        uint32_t bits = events[i].events;
        if (events[i].data.u64 == PK__LOOP_EPOLL_WAKE) {
            uint64_t value;
            (void)PK__SYS(read)(loop->fds[1], &value, sizeof(value));
            pk__loop_was_woken(loop); // after reading: a wake in between finds us awake anyway
        } else if (events[i].data.u64 == PK__LOOP_EPOLL_ALARM) {
            uint64_t times;
            (void)PK__SYS(read)(loop->fds[2], &times, sizeof(times));
            loop->alarm_at = 0;
            loop->none_due = false;
        } else {
            bool gone = (bits & ((uint32_t)EPOLLERR | (uint32_t)EPOLLHUP)) != 0;
            out[count].slot = (uint32_t)events[i].data.u64;
            out[count].generation = (uint32_t)(events[i].data.u64 >> 32);
            out[count].ready = pk__loop_want(gone || (bits & (uint32_t)EPOLLIN) != 0,
                                             gone || (bits & (uint32_t)EPOLLOUT) != 0);
            if (gone || (bits & (uint32_t)EPOLLRDHUP) != 0) {
                pk__loop_epoll_hung_up(loop, &out[count]);
            }
            count++;
        }
    }
    return n < 0 ? -1 : pk__loop_always(loop, out, count, cap);
}

PK__FN void pk__loop_epoll_wake(pk_loop *loop)
{
    uint64_t one = 1;
    pk__fd_wake(loop->fds[1], &one, sizeof(one));
}

PK__FN size_t pk__loop_epoll_fds(pk_loop *loop, pk_fd *out, size_t cap)
{
    if (cap > 0) {
        out[0].fd = loop->fds[0];
        out[0].read = true;
        out[0].write = false;
    }
    return 1;
}

PK__FN const pk__loop_backend *pk__loop_epoll(void)
{
    static const pk__loop_backend backend = {
        "epoll",
        pk__loop_epoll_open,
        pk__loop_epoll_close,
        pk__loop_epoll_add,
        pk__loop_epoll_change,
        pk__loop_epoll_remove,
        pk__loop_epoll_wait,
        pk__loop_epoll_wake,
        pk__loop_epoll_fds,
    };
    return &backend;
}

#endif
