/* loop_poll.c - waiting by poll: everywhere, at a cost that grows with the number of descriptors. */
#include "fd.h"
#include "loop.h"

#ifndef PK__NO_POLL

PK__FN bool pk__loop_poll_reserve(pk_loop *loop)
{
    uint32_t cap = loop->slot_cap + 1; // and the pipe
    void *grown;
    if (loop->set_cap >= cap) {
        return true;
    }
    grown = pk__resize(&loop->alloc, loop->set, loop->set_cap * sizeof(*loop->set), cap * sizeof(*loop->set));
    if (grown) {
        loop->set = (struct pollfd *)grown;
        loop->set_cap = cap;
    }
    return grown != NULL;
}

PK__FN void pk__loop_poll_close(pk_loop *loop)
{
    pk__fd_close(loop->fds[0]);
    pk__fd_close(loop->fds[1]);
    loop->fds[0] = loop->fds[1] = -1;
    pk__free(&loop->alloc, loop->set, loop->set_cap * sizeof(*loop->set));
    loop->set = NULL;
    loop->set_cap = 0;
}

/* The pipe that wakes the loop. */
PK__FN pk_err pk__loop_poll_open_pipe(pk_loop *loop, pk_error *err)
{
    pk_err code = pk__fd_pipe(loop->fds, err);
    if (code == PK_OK) {
        code = pk__fd_set_nonblock(loop->fds[0], true, err);
    }
    if (code == PK_OK) {
        code = pk__fd_set_nonblock(loop->fds[1], true, err);
    }
    if (code) {
        pk__loop_poll_close(loop);
    }
    return code;
}

PK__FN pk_err pk__loop_poll_open(pk_loop *loop, pk_error *err)
{
    if (!pk__loop_poll_reserve(loop)) {
        return pk__error_memory(err, "create a loop");
    }
    return pk__loop_poll_open_pipe(loop, err); // which frees the set if it fails
}

/* Not watched already. */
PK__FN pk_err pk__loop_poll_check(const pk_loop *loop, uint32_t number, pk_error *err)
{
    int fd = loop->slots[number].fd;
    for (uint32_t i = 0; i < loop->slot_cap; i++) {
        if (i != number && loop->slots[i].watch && loop->slots[i].fd == fd) {
            return pk_error_sys(err, PK_ERR_MISUSE, EEXIST, "cannot watch descriptor %d", fd);
        }
    }
    return PK_OK;
}

PK__FN pk_err pk__loop_poll_add(pk_loop *loop, uint32_t number, pk_error *err)
{
    int fd = loop->slots[number].fd;
    if (pk__loop_poll_check(loop, number, err)) {
        return PK_ERR_MISUSE;
    }
    if (PK__SYS(fcntl)(fd, F_GETFD, 0) < 0) {
        return pk_error_sys(err, errno == EBADF ? PK_ERR_MISUSE : PK_ERR_OS, errno,
                            "cannot watch descriptor %d", fd);
    }
    return pk__loop_poll_reserve(loop) ? PK_OK : pk__error_memory(err, "watch a descriptor");
}

/* The set is made anew for each wait, so there is nothing to do when something changes. */
PK__FN void pk__loop_poll_change(pk_loop *loop, uint32_t number, uint8_t want)
{
    (void)loop, (void)number, (void)want;
}

PK__FN void pk__loop_poll_remove(pk_loop *loop, uint32_t number)
{
    (void)loop, (void)number;
}

PK__FN void pk__loop_poll_fill(pk_loop *loop)
{
    uint32_t last = loop->set_cap - 1; // of the slots only those in the set can be in use
    for (uint32_t i = 0; i < last; i++) {
        const pk__loop_slot *slot = &loop->slots[i];
        bool silent = !slot->watch || slot->silenced || slot->want == 0;
        loop->set[i].fd = silent ? -1 : slot->fd; // poll skips negative ones
        loop->set[i].events = (short)((slot->want & PK__LOOP_READ ? POLLIN : 0) |
                                      (slot->want & PK__LOOP_WRITE ? POLLOUT : 0));
        loop->set[i].revents = 0;
    }
    loop->set[last].fd = loop->fds[0];
    loop->set[last].events = POLLIN;
    loop->set[last].revents = 0;
}

PK__FN void pk__loop_poll_drain(pk_loop *loop)
{
    char bytes[16];
    while (PK__SYS(read)(loop->fds[0], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes)) {
    }
    pk__loop_was_woken(loop); // after reading: a wake in between finds us awake anyway
}

PK__FN int pk__loop_poll_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    int count = 0;
    uint32_t slots = loop->set_cap - 1;
    pk__loop_poll_fill(loop);
    if (PK__SYS(poll)(loop->set, (nfds_t)loop->set_cap, pk__clock_wait_ms(until_ns)) < 0) {
        return -1;
    }
    if (loop->set[slots].revents) {
        pk__loop_poll_drain(loop);
    }
    for (uint32_t k = 0, start = loop->next_slot; k < slots && count < cap; k++) {
        uint32_t i = (start + k) % slots;
        int bits = loop->set[i].revents;
        bool gone = (bits & (POLLERR | POLLHUP | POLLNVAL)) != 0;
        if (loop->set[i].fd >= 0 && bits) {
            out[count].slot = i;
            out[count].generation = loop->slots[i].generation;
            out[count].ready = pk__loop_want(gone || (bits & POLLIN) != 0, gone || (bits & POLLOUT) != 0);
            count++;
            loop->next_slot = i + 1; // the next turn begins behind the last one served
        }
    }
    return count;
}

PK__FN void pk__loop_poll_wake(pk_loop *loop)
{
    pk__fd_wake(loop->fds[1], "", 1);
}

PK__FN size_t pk__loop_poll_fds(pk_loop *loop, pk_fd *out, size_t cap)
{
    size_t count = 1;
    if (cap > 0) {
        out[0].fd = loop->fds[0];
        out[0].read = true;
        out[0].write = false;
    }
    for (uint32_t i = 0; i < loop->slot_cap; i++) {
        const pk__loop_slot *slot = &loop->slots[i];
        if (slot->watch && slot->want && !slot->silenced) {
            if (count < cap) {
                out[count].fd = slot->fd;
                out[count].read = (slot->want & PK__LOOP_READ) != 0;
                out[count].write = (slot->want & PK__LOOP_WRITE) != 0;
            }
            count++;
        }
    }
    return count;
}

PK__FN const pk__loop_backend *pk__loop_poll(void)
{
    static const pk__loop_backend backend = {
        "poll",
        pk__loop_poll_open,
        pk__loop_poll_close,
        pk__loop_poll_add,
        pk__loop_poll_change,
        pk__loop_poll_remove,
        pk__loop_poll_wait,
        pk__loop_poll_wake,
        pk__loop_poll_fds,
    };
    return &backend;
}

#endif
