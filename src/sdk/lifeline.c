/* lifeline.c - the control socket, and how a plugin notices that its host has died. */
#include "lifeline.h"
#ifndef PLUGKIT_NO_NET

#include <string.h>

#include "../base/error.h"
#include "../os/clock.h"
#include "../os/fd.h"
#include "../os/loop.h"
#include "../os/sys.h"
#include "settings.h"

enum {
    PK__LIFELINE_PARENT_MS = 800, // between two looks at the parent
    PK__LIFELINE_NOTICE_MS = 50,  // the guard: so long for the loop to notice
    PK__LIFELINE_FINISH_MS = 900, //   and so long for the end, on_close included
    PK__LIFELINE_NAP_MS = 5,
    PK__LIFELINE_ALONE_NAP_MS = 100,
    PK__LIFELINE_READS = 16       // pieces read in one turn of the loop
};

/* ---- who is there: the parent, and the group */

#ifndef PLUGKIT_NO_PROCESS
static uint32_t pk__lifeline_parent(void)
{
    return (uint32_t)PK__SYS(getppid)();
}

static bool pk__lifeline_leads(void)
{
    return PK__SYS(getpgid)(0) == getpid();
}
#else
static uint32_t pk__lifeline_parent(void)
{
    return 0;
}

static bool pk__lifeline_leads(void)
{
    return false;
}
#endif

PK__FN bool pk__lifeline_has_group(const pk__lifeline *l)
{
#ifdef PLUGKIT_NO_THREADS
    (void)l;
    return false; // there is no guard: a handler that hangs would keep it
#else
    return !l->fd || pk__lifeline_leads(); // started by hand it may well not, and says what it does under a host
#endif
}

static bool pk__lifeline_has_lost_parent(const pk__lifeline *l)
{
    uint32_t parent = pk__atomic_load(&l->parent);
    return parent && pk__lifeline_parent() != parent;
}

static bool pk__lifeline_has_hung_up(const pk__lifeline *l)
{
    struct pollfd set = {l->fd, 0, 0};
    return PK__SYS(poll)(&set, 1, 0) > 0 && (set.revents & (POLLHUP | POLLERR));
}

PK__FN bool pk__lifeline_is_orphan(const pk__lifeline *l)
{
    return l->fd && (pk__lifeline_has_hung_up(l) || pk__lifeline_has_lost_parent(l));
}

PK__FN void pk__lifeline_end_group(void)
{
    if (pk__lifeline_leads()) {
        (void)PK__SYS(kill)(0, SIGKILL);
    }
}

/* ---- the conversation */

PK__FN pk_err pk__lifeline_open(pk__lifeline *l, const pk_alloc *alloc, int fd, pk_error *err)
{
    int type = 0;
    socklen_t len = sizeof(type);
    memset(l, 0, sizeof(*l));
    if (PK__SYS(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use descriptor %d of PLUGKIT_CONTROL_FD: it is no stream "
                            "socket", fd);
    }
    /* Children of ours must not hold the host's lifeline. */
    pk_err rc = pk__fd_set_cloexec(fd, true, err);
    if (!rc) {
        rc = pk__fd_set_nonblock(fd, true, err);
    }
    if (!rc) {
        l->fd = fd;
        pk__atomic_store(&l->parent, pk__lifeline_parent());
        pk__control_lines_init(&l->lines, alloc, PK__CONTROL_START_MAX);
    }
    return rc;
}

/* Reads what has come: 1 = something, 0 = nothing now, -1 = the end. */
static int pk__lifeline_read(pk__lifeline *l)
{
    char buf[4096];
    pk_str bytes = {buf, 0};
    ssize_t n = pk__fd_read(l->fd, buf, sizeof(buf));
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return 0;
    }
    if (n <= 0) {
        return -1;
    }
    bytes.len = (size_t)n;
    return pk__control_lines_feed(&l->lines, bytes, NULL) ? -1 : 1;
}

PK__FN pk_err pk__lifeline_first(pk__lifeline *l, uint32_t timeout_ms, pk_str *line, pk_error *err)
{
    int64_t until = pk__clock_after_ms(pk__clock_ns(), timeout_ms);
    for (;;) {
        pk_err rc = pk__control_lines_next(&l->lines, line, err);
        if (rc || line->ptr) {
            return rc;
        }
        if (!pk__fd_wait(l->fd, true, false, until)) {
            return pk_error_set(err, PK_ERR_PLUGIN_TIMEOUT, "cannot start: the host did not say how within %u ms",
                                (unsigned)timeout_ms);
        }
        if (pk__lifeline_read(l) < 0) {
            return pk_error_set(err, PK_ERR_PROTOCOL, "cannot start: the control socket ended before the first line");
        }
    }
}

PK__FN pk_err pk__lifeline_send(pk__lifeline *l, pk_str bytes, pk_error *err)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = PK__SYS(send)(l->fd, bytes.ptr + done, bytes.len - done, MSG_NOSIGNAL);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            (void)pk__fd_wait(l->fd, false, true, PK_FOREVER);
        } else if (errno != EINTR) {
            return pk_error_sys(err, PK_ERR_OS, errno, "cannot write to the control socket");
        }
    }
    return PK_OK;
}

static void pk__lifeline_on_alone(void *user);

/* Without the host, for a while. False: without a timer nobody may wait. */
static bool pk__lifeline_lose(pk__lifeline *l)
{
    if (!PK__SURVIVE_CAN || l->survive_ms == 0 || l->is_alone) {
        return false;
    }
    l->timer.on_time = pk__lifeline_on_alone;
    l->is_alone = pk_timer_start(l->loop, &l->timer, l->survive_ms, NULL) == PK_OK;
    if (l->is_alone) {
        pk_watch_remove(l->loop, &l->watch); // the descriptor stays: its number is taken over
    }
    return l->is_alone;
}

static void pk__lifeline_end_of(pk__lifeline *l, pk__lifeline_end why)
{
    if (why == PK__LIFELINE_DEAD && pk__lifeline_lose(l)) {
        return;
    }
    if (why == PK__LIFELINE_DEAD) {
        pk__atomic_store(&l->noticed, 1);
        pk_watch_remove(l->loop, &l->watch);
        pk_timer_stop(l->loop, &l->timer);
    }
    l->on_end(l->user, why);
}

static void pk__lifeline_on_alone(void *user)
{
    pk__lifeline_end_of((pk__lifeline *)user, PK__LIFELINE_DEAD);
}

#ifdef PLUGKIT_WITH_TLS
PK__FN pk_err pk__lifeline_hear_tls(pk__lifeline *l, pk__control_message *said, pk_error *err)
{
    return said->has_tls && l->on_tls ? l->on_tls(l->user, &said->tls, err) : PK_OK;
}
#else
PK__FN pk_err pk__lifeline_hear_tls(pk__lifeline *l, pk__control_message *said, pk_error *err)
{
    (void)l, (void)said, (void)err;
    return PK_OK;
}
#endif

/* False = the conversation is over. Lines that say nothing to us are those of a later version. */
static bool pk__lifeline_take(pk__lifeline *l)
{
    pk_mem mem;
    pk_str line;
    bool asked = false;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = l->lines.buf.alloc;
    for (;;) {
        pk__control_message m;
        if (pk__control_lines_next(&l->lines, &line, NULL)) {
            return false; // over-long: where the next one begins cannot be known
        }
        if (!line.ptr) {
            break;
        }
        if (pk__control_read(&mem, line, &m, NULL) == PK_OK) {
            asked = asked || (m.has_shutdown && m.shutdown);
            (void)pk__lifeline_hear_tls(l, &m, NULL);
        }
        pk_mem_free(&mem);
    }
    if (asked) {
        pk__lifeline_end_of(l, PK__LIFELINE_SHUTDOWN);
    }
    return true;
}

static void pk__lifeline_on_ready(void *user, bool can_read, bool can_write)
{
    pk__lifeline *l = (pk__lifeline *)user;
    int got = 1;
    (void)can_read, (void)can_write;
    for (int i = 0; i < PK__LIFELINE_READS && got > 0 && !l->is_alone; i++) {
        got = pk__lifeline_read(l);
        if (got > 0 && !pk__lifeline_take(l)) {
            got = -1;
        }
    }
    if (got < 0) {
        pk__lifeline_end_of(l, PK__LIFELINE_DEAD);
    }
}

PK__FN void pk__lifeline_look(pk__lifeline *l)
{
    if (l->loop && !l->is_alone && pk__lifeline_has_lost_parent(l)) {
        pk__lifeline_end_of(l, PK__LIFELINE_DEAD);
    }
}

static void pk__lifeline_on_time(void *user)
{
    pk__lifeline *l = (pk__lifeline *)user;
    if (pk__lifeline_has_lost_parent(l)) {
        pk__lifeline_end_of(l, PK__LIFELINE_DEAD);
        return;
    }
    (void)pk_timer_start(l->loop, &l->timer, PK__LIFELINE_PARENT_MS, NULL); // there was room for it just now
}

PK__FN pk_err pk__lifeline_watch(pk__lifeline *l, pk_loop *loop, void (*on_end)(void *user, pk__lifeline_end why),
                                 void *user, pk_error *err)
{
    l->loop = loop;
    l->on_end = on_end;
    l->user = user;
    if (!pk__atomic_load(&l->parent)) {
        pk__atomic_store(&l->parent, pk__lifeline_parent());
    }
    l->timer.on_time = pk__lifeline_on_time;
    l->timer.user = l;
    bool looks = pk__atomic_load(&l->parent) && !l->guard.started; // otherwise the guard does
    pk_err rc = looks ? pk_timer_start(loop, &l->timer, PK__LIFELINE_PARENT_MS, err) : PK_OK;
    if (rc || !l->fd) {
        return rc;
    }
    l->lines.max = PK__CONTROL_LINE_MAX;
    l->watch.fd = l->fd;
    l->watch.on_ready = pk__lifeline_on_ready;
    l->watch.user = l;
    rc = pk_watch_add(loop, &l->watch, true, false, err);
    if (!rc && !pk__lifeline_take(l)) { // what came right behind the first line
        pk__lifeline_end_of(l, PK__LIFELINE_DEAD);
    }
    return rc;
}

/* ---- surviving */

PK__FN bool pk__lifeline_has_host(pk__lifeline *l)
{
    if (!l->is_alone) {
        pk__lifeline_on_ready(l, true, false);
    }
    pk__lifeline_look(l);
    return !l->is_alone;
}

PK__FN pk_err pk__lifeline_adopt(pk__lifeline *l, int fd, pk_error *err)
{
    pk__atomic_store(&l->parent, 0); // this host is not our parent, which has gone: the guard must know that first
    if (PK__SYS(dup_over)(fd, l->fd) < 0) {
        pk__fd_close(fd);
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot take another control socket");
    }
    pk__fd_close(fd);
    const pk_alloc *alloc = l->lines.buf.alloc;
    pk__control_lines_deinit(&l->lines); // half a line of the old one is nothing to the new one
    pk__control_lines_init(&l->lines, alloc, PK__CONTROL_LINE_MAX);
    pk_err rc = pk_watch_add(l->loop, &l->watch, true, false, err);
    if (rc) {
        (void)PK__SYS(shutdown)(l->fd, SHUT_RDWR); // as lost as the last one
        return rc;
    }
    pk_timer_stop(l->loop, &l->timer);
    l->is_alone = false;
    l->is_adopted = true;
    return PK_OK;
}

PK__FN void pk__lifeline_part(pk__lifeline *l)
{
    static const char words[] = "{\"ending\":true}\n";
    if (l->is_adopted && !l->is_alone) {
        (void)PK__SYS(send)(l->fd, words, sizeof(words) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

/* ---- the guard */

static bool pk__lifeline_waits(const pk__atomic_u32 *flag, int ms)
{
    int64_t until = pk__clock_after_ms(pk__clock_ns(), (uint32_t)ms); // on a busy machine naps take longer
    for (; ms > 0 && !pk__atomic_load(flag) && pk__clock_ns() < until; ms -= PK__LIFELINE_NAP_MS) {
        struct timespec nap = {0, PK__LIFELINE_NAP_MS * PK__MS};
        (void)PK__SYS(nanosleep)(&nap);
    }
    return pk__atomic_load(flag) != 0;
}

/* Waits for the end of the socket, at most so long; the parent's is made to look the same to all who wait for it. */
static bool pk__lifeline_is_cut(pk__lifeline *l, int timeout_ms)
{
    struct pollfd set = {l->fd, 0, 0}; // wakes for nothing but the other end's closing
    int n = PK__SYS(poll)(&set, 1, timeout_ms);
    if (n == 0 && timeout_ms > 0 && pk__lifeline_has_lost_parent(l)) {
        (void)PK__SYS(shutdown)(l->fd, SHUT_RDWR);
        return true;
    }
    return n > 0 && (set.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Waits as long as it may be alone. True: there is another host. */
static bool pk__lifeline_is_mended(pk__lifeline *l)
{
    const struct timespec nap = {0, PK__LIFELINE_ALONE_NAP_MS * PK__MS};
    int64_t until = pk__clock_after_ms(pk__clock_ns(), l->survive_ms);
    while (!pk__atomic_load(&l->noticed) && !pk__atomic_load(&l->released) && pk__clock_ns() < until) {
        (void)PK__SYS(nanosleep)(&nap);
        if (!pk__lifeline_is_cut(l, 0)) {
            return true;
        }
    }
    return false;
}

static void pk__lifeline_guard_run(void *arg)
{
    pk__lifeline *l = (pk__lifeline *)arg;
    do {
        while (!pk__lifeline_is_cut(l, PK__LIFELINE_PARENT_MS)) {
            if (pk__atomic_load(&l->released)) {
                return;
            }
        }
    } while (PK__SURVIVE_CAN && l->survive_ms && pk__lifeline_is_mended(l));
    if (pk__atomic_load(&l->released) ||
        (pk__lifeline_waits(&l->noticed, PK__LIFELINE_NOTICE_MS) &&
         pk__lifeline_waits(&l->released, PK__LIFELINE_FINISH_MS))) {
        return;
    }
    const char *litter = (const char *)pk__atomic_load_ptr(&l->litter);
    if (litter && litter[0]) {
        (void)PK__SYS(unlink)(litter);
    }
    pk__lifeline_end_group();
    _exit(1);
}

PK__FN void pk__lifeline_guard(pk__lifeline *l)
{
    if (l->fd) {
        (void)pk__thread_start(&l->guard, pk__lifeline_guard_run, l, NULL);
    }
}

PK__FN void pk__lifeline_deinit(pk__lifeline *l)
{
    if (l->loop) {
        pk_watch_remove(l->loop, &l->watch);
        pk_timer_stop(l->loop, &l->timer);
    }
    if (l->fd) {
        pk__atomic_store(&l->released, 1);
        if (l->guard.started) {
            (void)PK__SYS(shutdown)(l->fd, SHUT_RDWR); // wakes it
            pk__thread_join(&l->guard);
        }
        pk__fd_close(l->fd);
        pk__control_lines_deinit(&l->lines);
        l->fd = 0;
    }
}
#endif
