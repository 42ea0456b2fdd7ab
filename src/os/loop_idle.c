/* loop_idle.c - a loop without descriptors: timers and tasks only. Firmware, mostly.
 *
 * With threads it sleeps on a condition until somebody posts. Without, there is nobody who could wake it but
 * an interrupt, and how to sleep until one comes is the program's business: waiting comes back at once. */
#include "loop.h"

#ifdef PK__NO_POLL

PK__FN pk_err pk__loop_idle_open(pk_loop *loop, pk_error *err)
{
    (void)err;
    pk__mutex_init(&loop->lock);
    pk__cond_init(&loop->wake_up);
    return PK_OK;
}

PK__FN void pk__loop_idle_close(pk_loop *loop)
{
    pk__cond_deinit(&loop->wake_up);
    pk__mutex_deinit(&loop->lock);
}

PK__FN pk_err pk__loop_idle_add(pk_loop *loop, uint32_t number, pk_error *err)
{
    return pk_error_set(err, PK_ERR_UNSUPPORTED,
                        "cannot watch descriptor %d: built with PLUGKIT_NO_NET and PLUGKIT_NO_PROCESS",
                        loop->slots[number].fd);
}

PK__FN void pk__loop_idle_change(pk_loop *loop, uint32_t number, uint8_t want)
{
    (void)loop, (void)number, (void)want;
}

PK__FN void pk__loop_idle_remove(pk_loop *loop, uint32_t number)
{
    (void)loop, (void)number;
}

#ifndef PLUGKIT_NO_THREADS

PK__FN int pk__loop_idle_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    (void)out, (void)cap;
    pk__mutex_lock(&loop->lock);
    while (!pk__atomic_load(&loop->woken) && !pk__clock_is_fake() &&
           pk__cond_wait(&loop->wake_up, &loop->lock, until_ns)) {
    }
    pk__mutex_unlock(&loop->lock);
    pk__loop_was_woken(loop);
    return 0;
}

PK__FN void pk__loop_idle_wake(pk_loop *loop)
{
    pk__mutex_lock(&loop->lock);
    pk__cond_signal(&loop->wake_up);
    pk__mutex_unlock(&loop->lock);
}

#else

PK__FN int pk__loop_idle_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    (void)until_ns, (void)out, (void)cap;
    pk__loop_was_woken(loop);
    return 0;
}

PK__FN void pk__loop_idle_wake(pk_loop *loop)
{
    (void)loop;
}

#endif

PK__FN size_t pk__loop_idle_fds(pk_loop *loop, pk_fd *out, size_t cap)
{
    (void)loop, (void)out, (void)cap;
    return 0;
}

PK__FN const pk__loop_backend *pk__loop_idle(void)
{
    static const pk__loop_backend backend = {
        "idle",
        pk__loop_idle_open,
        pk__loop_idle_close,
        pk__loop_idle_add,
        pk__loop_idle_change,
        pk__loop_idle_remove,
        pk__loop_idle_wait,
        pk__loop_idle_wake,
        pk__loop_idle_fds,
    };
    return &backend;
}

#endif
