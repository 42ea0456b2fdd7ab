/* signal.c - signals as events of a loop, and SIGPIPE kept away. */
#include "signal.h"

#include "fd.h"

#include <string.h>

#ifndef PLUGKIT_NO_PROCESS

/* All that a handler can see. fd is the writing end + 1; 0 = nobody wants to know. */
static pk__atomic_u32 pk__signals_fd, pk__signals_inside;

PK__FN void pk__signals_handler(int number)
{
    uint32_t fd;
    char byte = (char)number;
    (void)pk__atomic_add(&pk__signals_inside, 1);
    fd = pk__atomic_load(&pk__signals_fd);
    if (fd) {
        pk__fd_wake((int)(fd - 1), &byte, 1); // full: then there are enough in it
    }
    (void)pk__atomic_add(&pk__signals_inside, (uint32_t)-1);
}

PK__FN void pk__signals_ready(void *user, bool can_read, bool can_write)
{
    pk__signals *s = (pk__signals *)user;
    char bytes[16];
    ssize_t n = pk__fd_read(s->pipe[0], bytes, sizeof(bytes));
    (void)can_read, (void)can_write;
    for (ssize_t i = 0; i < n && s->started; i++) {
        s->on_signal(s->user, bytes[i]);
    }
}

static const struct {
    int number;
    bool is_always; // otherwise only where nobody handles or ignores it, as nohup does
    const char *name;
} pk__signals_list[PK__SIGNALS] = {
    {SIGINT, true, "SIGINT"}, {SIGTERM, true, "SIGTERM"}, {SIGHUP, false, "SIGHUP"}, {SIGCONT, false, "SIGCONT"},
};

PK__FN void pk__signals_restore(pk__signals *s)
{
    for (unsigned i = 0; i < PK__SIGNALS; i++) {
        if (s->taken & 1u << i) {
            (void)PK__SYS(restore_signal)(pk__signals_list[i].number, &s->old[i]);
        }
    }
    s->taken = 0;
}

static bool pk__signals_is_free(const struct sigaction *now)
{
    return !(now->sa_flags & SA_SIGINFO) && (now->sa_handler == SIG_DFL || now->sa_handler == pk__signals_handler);
}

static void pk__signals_action(struct sigaction *action)
{
    memset(action, 0, sizeof(*action));
    action->sa_handler = pk__signals_handler;
    action->sa_flags = SA_RESTART;
    sigfillset(&action->sa_mask);
}

PK__FN void pk__signals_hush(int number)
{
    struct sigaction action, now;
    pk__signals_action(&action);
    if (PK__SYS(sigaction)(number, NULL, &now) == 0 && pk__signals_is_free(&now)) {
        (void)PK__SYS(sigaction)(number, &action, NULL); // nobody has started anything: it has no pipe to write to
    }
}

PK__FN pk_err pk__signals_install(pk__signals *s, pk_error *err)
{
    struct sigaction action;
    pk__signals_action(&action);
    for (unsigned i = 0; i < PK__SIGNALS; i++) {
        int number = pk__signals_list[i].number;
        if (PK__SYS(sigaction)(number, &action, &s->old[i]) != 0) {
            int error = errno;
            pk__signals_restore(s);
            return pk_error_sys(err, PK_ERR_OS, error, "cannot handle %s", pk__signals_list[i].name);
        }
        s->taken |= 1u << i;
        if (!pk__signals_list[i].is_always && !pk__signals_is_free(&s->old[i])) {
            (void)PK__SYS(restore_signal)(number, &s->old[i]);
            s->taken &= ~(1u << i);
        }
    }
    return PK_OK;
}

PK__FN pk_err pk__signals_open(pk__signals *s, pk_error *err)
{
    pk_err code = pk__fd_pipe(s->pipe, err);
    if (code) {
        return code;
    }
    code = pk__fd_set_nonblock(s->pipe[0], true, err);
    if (code == PK_OK) {
        code = pk__fd_set_nonblock(s->pipe[1], true, err);
    }
    if (code == PK_OK) {
        s->watch.fd = s->pipe[0];
        s->watch.on_ready = pk__signals_ready;
        s->watch.user = s;
        code = pk_watch_add(s->loop, &s->watch, true, false, err);
    }
    if (code == PK_OK && !pk__atomic_cas(&pk__signals_fd, 0, (uint32_t)s->pipe[1] + 1)) {
        code = pk_error_set(err, PK_ERR_BUSY, "cannot handle signals: another part of the process does");
    }
    return code;
}

PK__FN void pk__signals_close(pk__signals *s)
{
    pk_watch_remove(s->loop, &s->watch);
    pk__fd_close(s->pipe[0]);
    pk__fd_close(s->pipe[1]);
    s->pipe[0] = s->pipe[1] = -1;
}

/* No handler will use the pipe after this: waits for those that are at it on other threads, a few
 * instructions. */
PK__FN void pk__signals_let_go(void)
{
    (void)pk__atomic_swap(&pk__signals_fd, 0);
    while (pk__atomic_add(&pk__signals_inside, 0) != 0) {
    }
}

PK__FN pk_err pk__signals_start(pk__signals *s, pk_loop *loop, void (*on_signal)(void *user, int number),
                                void *user, pk_error *err)
{
    pk_err code;
    memset(s, 0, sizeof(*s));
    s->pipe[0] = s->pipe[1] = -1;
    s->loop = loop;
    s->on_signal = on_signal;
    s->user = user;
    code = pk__signals_open(s, err);
    if (code == PK_OK) {
        code = pk__signals_install(s, err);
        if (code) {
            pk__signals_let_go();
        }
    }
    if (code) {
        pk__signals_close(s);
        return code;
    }
    s->started = true;
    return PK_OK;
}

PK__FN void pk__signals_stop(pk__signals *s)
{
    if (!s->started) {
        return;
    }
    s->started = false;
    pk__signals_restore(s);
    pk__signals_let_go();
    pk__signals_close(s);
}

#endif // PLUGKIT_NO_PROCESS

#ifndef PK__NO_FD

PK__FN bool pk__sigpipe_is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

PK__FN void pk__sigpipe_block(pk__sigpipe *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    s->was_pending = pk__sigpipe_is_pending();
    (void)PK__SYS(mask_signals)(SIG_BLOCK, &set, &s->old);
}

/* A signal that came meanwhile is ours, and taken away before it can be delivered. */
PK__FN void pk__sigpipe_restore(pk__sigpipe *s)
{
    int error = errno, number = 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!s->was_pending && pk__sigpipe_is_pending()) {
        (void)sigwait(&set, &number); // does not wait: it is there
    }
    (void)PK__SYS(mask_signals)(SIG_SETMASK, &s->old, NULL);
    errno = error;
}

#endif
