/* process_launcher.c - plugins as child processes. */
#include "process_launcher.h"
#ifndef PLUGKIT_NO_PROCESS

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/fd.h"
#include "../../os/loop.h"

enum {
    PK__PROCESS_LAUNCHER_READ = 16 * 1024, // bytes at a time, on the stack of whoever steps the loop
    PK__PROCESS_LAUNCHER_LAST = 64,        // reads at the end: 1 MiB, as much as a pipe holds
    PK__PROCESS_LAUNCHER_GRACE_MS = 100,
    PK__PROCESS_LAUNCHER_PROBE_MS = 250    // a probe that is done by then needs no guardian
};

typedef struct pk__launcher_pipe {
    struct pk__launcher_child *child;
    pk_stream stream;
    pk_watch watch; // watch.fd -1 = closed
} pk__launcher_pipe;

typedef struct pk__launcher_child {
    const pk_alloc *alloc;
    pk_launch *launch;
    pk_loop *loop;
    pk__process process;
    pk__guardian guardian;
    const char *death;         // what becomes of it without the guardian
    pk__launcher_pipe pipes[3]; // by pk_stream
    pk_buf pending;            // for the control socket
    pk_timer grace;
    bool exited, reported;
    int status;
} pk__launcher_child;

static void pk__launcher_pipe_close(pk__launcher_pipe *p)
{
    if (p->watch.fd >= 0) {
        pk_watch_remove(p->child->loop, &p->watch);
        pk__fd_close(p->watch.fd);
        p->watch.fd = -1;
    }
}

static void pk__launcher_child_report(pk__launcher_child *c)
{
    if (!c->exited || c->reported) {
        return;
    }
    c->reported = true;
    pk_timer_stop(c->loop, &c->grace);
    for (size_t i = 0; i < PK__COUNT(c->pipes); i++) {
        pk__launcher_pipe_close(&c->pipes[i]);
    }
    pk_launch_exited(c->launch, c->status, NULL);
}

/* One bounded read. False = the pipe has ended, or there is nothing just now. */
static bool pk__launcher_pipe_read(pk__launcher_pipe *p)
{
    char buf[PK__PROCESS_LAUNCHER_READ];
    ssize_t n = pk__fd_read(p->watch.fd, buf, sizeof(buf));
    if (n > 0) {
        pk_str bytes = {buf, (size_t)n};
        pk_launch_output(p->child->launch, p->stream, bytes);
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        pk__launcher_pipe_close(p);
    }
    return false;
}

static bool pk__launcher_child_is_drained(const pk__launcher_child *c)
{
    return c->pipes[PK_STREAM_OUT].watch.fd < 0 && c->pipes[PK_STREAM_ERR].watch.fd < 0;
}

static bool pk__launcher_child_is_over(const pk__launcher_child *c)
{
    return pk__launcher_child_is_drained(c) && !pk__guardian_is_there(&c->guardian);
}

static void pk__launcher_child_flush(pk__launcher_child *c);

static void pk__launcher_pipe_on_ready(void *user, bool can_read, bool can_write)
{
    pk__launcher_pipe *p = (pk__launcher_pipe *)user;
    pk__launcher_child *c = p->child;
    if (can_write && p->stream == PK_STREAM_CONTROL && c->pending.len) {
        pk__launcher_child_flush(c);
    }
    if (can_read && p->watch.fd >= 0) {
        (void)pk__launcher_pipe_read(p);
        if (p->watch.fd < 0) {
            pk__process_hint(&c->process); // an end is often the beginning of an exit
        }
    }
    if (pk__launcher_child_is_over(c)) {
        pk__launcher_child_report(c);
    }
}

/* What the pipes hold was written before the end: a crash has its last words. Bounded: a grandchild may write on. */
static void pk__launcher_child_drain(pk__launcher_child *c)
{
    for (size_t i = 0; i < PK__COUNT(c->pipes); i++) {
        for (int n = 0; n < PK__PROCESS_LAUNCHER_LAST && c->pipes[i].watch.fd >= 0; n++) {
            if (!pk__launcher_pipe_read(&c->pipes[i])) {
                break;
            }
        }
    }
}

static void pk__launcher_child_on_grace(void *user)
{
    pk__launcher_child *c = (pk__launcher_child *)user;
    pk__launcher_child_drain(c);
    pk__launcher_child_report(c); // a grandchild that left the group holds a pipe
}

static void pk__launcher_child_on_exit(void *user, int status)
{
    pk__launcher_child *c = (pk__launcher_child *)user;
    c->exited = true;
    c->status = status;
    pk__guardian_end(&c->guardian);
    pk__launcher_child_drain(c);
    if (pk__launcher_child_is_over(c) ||
        pk_timer_start(c->loop, &c->grace, PK__PROCESS_LAUNCHER_GRACE_MS, NULL) != PK_OK) {
        pk__launcher_child_report(c);
    }
}

static void pk__launcher_child_on_guardian(void *user)
{
    pk__launcher_child *c = (pk__launcher_child *)user;
    if (!c->exited) {
        pk_launch_host_death(c->launch, pk__guardian_is_there(&c->guardian) ? "guardian" : c->death);
    } else if (pk__launcher_child_is_over(c)) {
        pk__launcher_child_report(c);
    }
}

/* ---- start */

static void pk__launcher_child_free(void *state)
{
    pk__launcher_child *c = (pk__launcher_child *)state;
    pk_timer_stop(c->loop, &c->grace);
    for (size_t i = 0; i < PK__COUNT(c->pipes); i++) {
        pk__launcher_pipe_close(&c->pipes[i]);
    }
    pk__process_deinit(&c->process);
    pk__guardian_deinit(&c->guardian);
    pk_buf_free(&c->pending);
    pk__free(c->alloc, c, sizeof(*c));
}

/* Makes one of the three channels: our end goes into the pipe, the child's to *theirs. */
static pk_err pk__launcher_pipe_open(pk__launcher_pipe *p, int *theirs, pk_error *err)
{
    int ends[2];
    bool control = p->stream == PK_STREAM_CONTROL;
    pk_err rc = control ? pk__fd_socketpair(ends, err) : pk__fd_pipe(ends, err);
    if (rc) {
        return rc;
    }
    /* The child's end waits, as programs expect of their descriptors; ours never does. */
    rc = control ? pk__fd_set_nonblock(ends[1], false, err) : pk__fd_set_nonblock(ends[0], true, err);
    if (rc) {
        pk__fd_close(ends[0]);
        pk__fd_close(ends[1]);
        return rc;
    }
    p->watch.fd = ends[0];
    *theirs = ends[1];
    return PK_OK;
}

static pk_err pk__launcher_child_spawn(pk__launcher_child *c, const pk_launch_info *info, pk_error *err)
{
    static const int numbers[] = {1, 2, 3};
    pk__spawn_fd fds[3];
    pk__spawn_desc desc;
    size_t count = info->control ? 3 : 2;
    size_t made = 0;
    pk_err rc = PK_OK;
    for (; made < count; made++) {
        fds[made].child = numbers[made];
        rc = pk__launcher_pipe_open(&c->pipes[made], &fds[made].parent, err);
        if (rc) {
            break;
        }
    }
    if (!rc) {
        memset(&desc, 0, sizeof(desc));
        desc.path = info->path;
        desc.argv = info->argv;
        desc.env = info->env;
        desc.fds = fds;
        desc.fd_count = count;
        desc.death_signal = !info->die_with_host ? SIGCONT : info->lasting_thread ? SIGKILL : 0;
        rc = pk__process_spawn(&c->process, &desc, err);
    }
    while (made-- > 0) {
        pk__fd_close(fds[made].parent);
    }
    return rc;
}

/* What has to be done about the host's death, after the start: nobody waits for it. */
static void pk__launcher_child_guard(pk__launcher_child *c, pk__launching_processes *p, const pk_launch_info *info)
{
    bool dies = info->lasting_thread && pk__process_has_death_signal();
    if (!info->die_with_host) {
        return;
    }
    c->death = dies ? "process" : info->control ? "asked" : "none";
    pk_launch_host_death(c->launch, c->death);
    p->has_line = p->has_line || pk__fd_pipe(p->line, NULL) == PK_OK;
    if (p->has_line) {
        c->guardian.loop = c->loop;
        c->guardian.plugin = &c->process;
        c->guardian.line = p->line;
        c->guardian.on_change = pk__launcher_child_on_guardian;
        c->guardian.user = c;
        pk__guardian_begin(&c->guardian, info->probe ? PK__PROCESS_LAUNCHER_PROBE_MS : 0);
    }
}

static pk_err pk__launcher_start(void *user, pk_launch *l, const pk_launch_info *info, void **state, pk_error *err)
{
    pk__launching_processes *p = (pk__launching_processes *)user;
    const pk_alloc *alloc = p->alloc;
    pk__launcher_child *c = (pk__launcher_child *)pk__new(alloc, sizeof(*c));
    if (!c) {
        return pk__error_memory(err, "start a process");
    }
    c->alloc = alloc;
    c->launch = l;
    c->loop = info->loop;
    c->process.pidfd = -1;
    c->grace.on_time = pk__launcher_child_on_grace;
    c->grace.user = c;
    pk_buf_init(&c->pending, alloc, PK__PROCESS_LAUNCHER_PENDING);
    for (size_t i = 0; i < PK__COUNT(c->pipes); i++) {
        c->pipes[i].child = c;
        c->pipes[i].stream = (pk_stream)i;
        c->pipes[i].watch.fd = -1;
        c->pipes[i].watch.on_ready = pk__launcher_pipe_on_ready;
        c->pipes[i].watch.user = &c->pipes[i];
    }
    pk_err rc = pk__launcher_child_spawn(c, info, err);
    for (size_t i = 0; !rc && i < PK__COUNT(c->pipes); i++) {
        if (c->pipes[i].watch.fd >= 0) {
            rc = pk_watch_add(c->loop, &c->pipes[i].watch, true, false, err);
        }
    }
    rc = rc ? rc : pk__process_watch(&c->process, c->loop, pk__launcher_child_on_exit, c, err);
    if (rc) {
        pk__launcher_child_free(c); // kills what may have started
        return rc;
    }
    *state = c;
    pk_launch_pid(l, c->process.pid);
    pk__launcher_child_guard(c, p, info);
    return PK_OK;
}

/* ---- the control socket */

static void pk__launcher_child_flush(pk__launcher_child *c)
{
    pk__launcher_pipe *p = &c->pipes[PK_STREAM_CONTROL];
    while (c->pending.len && p->watch.fd >= 0) {
        ssize_t n = PK__SYS(send)(p->watch.fd, c->pending.ptr, c->pending.len, MSG_NOSIGNAL);
        if (n > 0) {
            pk_buf_drop(&c->pending, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                pk_buf_clear(&c->pending); // it closed its end: nobody reads this any more
            }
            break;
        }
    }
    if (p->watch.fd >= 0) {
        (void)pk_watch_set(c->loop, &p->watch, true, c->pending.len > 0, NULL);
    }
    if (c->pending.len == 0) {
        pk_buf_free(&c->pending);
    }
}

static pk_err pk__launcher_send(void *state, pk_str bytes, pk_error *err)
{
    pk__launcher_child *c = (pk__launcher_child *)state;
    if (c->pipes[PK_STREAM_CONTROL].watch.fd < 0) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot write to the plugin: its control socket is closed");
    }
    if (!pk_buf_add(&c->pending, bytes)) {
        pk_err rc = (pk_err)c->pending.failed;
        c->pending.failed = 0;
        return pk_error_set(err, rc, "cannot write to the plugin: %s",
                            rc == PK_ERR_LIMIT ? "it does not read its control socket" : "out of memory");
    }
    pk__launcher_child_flush(c);
    return PK_OK;
}

static void pk__launcher_stop(void *state, int how)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGKILL};
    pk__launcher_child *c = (pk__launcher_child *)state;
    pk__process_signal(&c->process, signals[how]);
}

static pk_look pk__launcher_look(void *state)
{
    pk__launcher_child *c = (pk__launcher_child *)state;
    return (pk_look)pk__process_stands(&c->process); // the same values
}

PK__FN pk_launcher pk__process_launcher(pk__launching_processes *p, const pk_alloc *alloc)
{
    pk_launcher l = {"process", NULL, pk__launcher_start, pk__launcher_send, pk__launcher_stop,
                     pk__launcher_child_free, pk__launcher_look, p};
    p->alloc = alloc;
    return l;
}

PK__FN void pk__process_launcher_deinit(pk__launching_processes *p)
{
    if (p->has_line) {
        pk__fd_close(p->line[0]);
        pk__fd_close(p->line[1]);
        p->has_line = false;
    }
}
#endif
