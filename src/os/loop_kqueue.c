/* loop_kqueue.c - waiting by kqueue: any number of descriptors at the same cost. macOS and the BSDs.
 *
 * Reading and writing are filters of their own, each with the slot's number. That is all an event need say: a filter
 * that is deleted has no events left, so that one that comes is of whoever has the slot now. Woken through a pipe, as
 * poll is: user events are younger than some of these systems. */
#include "fd.h"
#include "loop.h"

#ifdef PK__KQUEUE

PK__FN pk_err pk__loop_kqueue_open(pk_loop *loop, pk_error *err)
{
    struct kevent change;
    pk_err code = pk__loop_poll_open_pipe(loop, err);
    if (code) {
        return code;
    }
    EV_SET(&change, (uintptr_t)loop->fds[0], EVFILT_READ, EV_ADD, 0, 0, NULL);
    loop->fds[2] = pk__fd_lift(PK__SYS(kqueue)());
    if (loop->fds[2] >= 0 && PK__SYS(fcntl)(loop->fds[2], F_SETFD, FD_CLOEXEC) == 0 &&
        PK__SYS(kevent)(loop->fds[2], &change, 1, NULL, 0, NULL) == 0) {
        return PK_OK;
    }
    code = pk_error_sys(err, PK_ERR_OS, errno, "cannot create a loop");
    pk__fd_close(loop->fds[2]);
    pk__loop_poll_close(loop);
    return code;
}

PK__FN void pk__loop_kqueue_close(pk_loop *loop)
{
    if (!pk__loop_is_forked(loop)) { // a child does not inherit it: the number may be something else there
        pk__fd_close(loop->fds[2]);
    }
    pk__loop_poll_close(loop);
}

PK__FN int pk__loop_kqueue_filter(pk_loop *loop, uint32_t number, short filter, bool on)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)loop->slots[number].fd, filter, (unsigned short)(on ? EV_ADD : EV_DELETE), 0, 0,
           (void *)(uintptr_t)(number + 1));
    return PK__SYS(kevent)(loop->fds[2], &change, 1, NULL, 0, NULL);
}

/* What is deleted without having been there fails, and nothing is lost. */
PK__FN void pk__loop_kqueue_change(pk_loop *loop, uint32_t number, uint8_t want)
{
    if (!loop->slots[number].always) {
        (void)pk__loop_kqueue_filter(loop, number, EVFILT_READ, (want & PK__LOOP_READ) != 0);
        (void)pk__loop_kqueue_filter(loop, number, EVFILT_WRITE, (want & PK__LOOP_WRITE) != 0);
    }
}

PK__FN pk_err pk__loop_kqueue_add(pk_loop *loop, uint32_t number, pk_error *err)
{
    pk__loop_slot *slot = &loop->slots[number];
    struct stat info;
    if (pk__loop_poll_check(loop, number, err)) { // kqueue would only change what is there
        return PK_ERR_MISUSE;
    }
    if (PK__SYS(fstat)(slot->fd, &info) != 0) {
        return pk_error_sys(err, errno == EBADF ? PK_ERR_MISUSE : PK_ERR_OS, errno, "cannot watch descriptor %d",
                            slot->fd);
    }
    if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) { // kqueue tells of their end instead
        slot->always = true;
        loop->always_count++;
        return PK_OK;
    }
    if ((!(slot->want & PK__LOOP_READ) || pk__loop_kqueue_filter(loop, number, EVFILT_READ, true) == 0) &&
        (!(slot->want & PK__LOOP_WRITE) || pk__loop_kqueue_filter(loop, number, EVFILT_WRITE, true) == 0)) {
        return PK_OK;
    }
    (void)pk_error_sys(err, PK_ERR_OS, errno, "cannot watch descriptor %d", slot->fd);
    pk__loop_kqueue_change(loop, number, 0);
    return PK_ERR_OS;
}

PK__FN void pk__loop_kqueue_remove(pk_loop *loop, uint32_t number)
{
    if (loop->slots[number].always) {
        loop->always_count--;
    } else {
        pk__loop_kqueue_change(loop, number, 0);
    }
}

/* Both filters of a descriptor are one event. */
PK__FN int pk__loop_kqueue_put(const pk_loop *loop, pk__loop_event *out, int count, const struct kevent *e)
{
    uint32_t number = (uint32_t)(uintptr_t)e->udata - 1;
    uint8_t ready = e->filter == EVFILT_READ ? PK__LOOP_READ : PK__LOOP_WRITE;
    for (int i = 0; i < count; i++) {
        if (out[i].slot == number) {
            out[i].ready |= ready;
            return count;
        }
    }
    out[count].slot = number;
    out[count].generation = loop->slots[number].generation;
    out[count].ready = ready;
    return count + 1;
}

PK__FN int pk__loop_kqueue_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    struct kevent events[PK__LOOP_BATCH];
    int timeout_ms = pk__clock_wait_ms(until_ns);
    struct timespec time = {timeout_ms / 1000, (long)(timeout_ms % 1000) * PK__MS};
    int n = PK__SYS(kevent)(loop->fds[2], NULL, 0, events, PK__MIN(cap, PK__LOOP_BATCH), timeout_ms < 0 ? NULL : &time);
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (events[i].udata) {
            count = pk__loop_kqueue_put(loop, out, count, &events[i]);
        } else {
            pk__loop_poll_drain(loop);
        }
    }
    return n < 0 ? -1 : pk__loop_always(loop, out, count, cap);
}

PK__FN size_t pk__loop_kqueue_fds(pk_loop *loop, pk_fd *out, size_t cap)
{
    if (cap > 0) {
        out[0].fd = loop->fds[2];
        out[0].read = true;
        out[0].write = false;
    }
    return 1;
}

PK__FN const pk__loop_backend *pk__loop_kqueue(void)
{
    static const pk__loop_backend backend = {
        "kqueue",
        pk__loop_kqueue_open,
        pk__loop_kqueue_close,
        pk__loop_kqueue_add,
        pk__loop_kqueue_change,
        pk__loop_kqueue_remove,
        pk__loop_kqueue_wait,
        pk__loop_poll_wake,
        pk__loop_kqueue_fds,
    };
    return &backend;
}

#endif
