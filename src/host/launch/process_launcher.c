/* process_launcher.c - plugins as child processes. */
#include "process_launcher.h"
#ifndef PLUGKIT_NO_PROCESS

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/fd.h"
#include "../../os/loop.h"
#include "isolate.h"

enum {
    PK__PROCESS_LAUNCHER_GRACE_MS = 100,
    PK__PROCESS_LAUNCHER_PROBE_MS = 250 // a probe that is done by then needs no guardian
};

typedef struct pk__launcher_child {
    const pk_alloc *alloc;
    pk_launch *launch;
    pk_loop *loop;
    pk__process process;
    pk__guardian guardian;
    pk__isolate_start isolated;
    const char *death;         // what becomes of it without the guardian
    pk__pipes pipes;
    pk_timer grace;
    bool exited, reported;
    int status;
} pk__launcher_child;

static void pk__launcher_child_report(pk__launcher_child *c)
{
    if (!c->exited || c->reported) {
        return;
    }
    c->reported = true;
    pk_timer_stop(c->loop, &c->grace);
    pk__pipes_close(&c->pipes);
    pk_launch_exited(c->launch, c->status, NULL);
}

static bool pk__launcher_child_is_drained(const pk__launcher_child *c)
{
    return c->pipes.each[PK_STREAM_OUT].watch.fd < 0 && c->pipes.each[PK_STREAM_ERR].watch.fd < 0;
}

static bool pk__launcher_child_is_over(const pk__launcher_child *c)
{
    return pk__launcher_child_is_drained(c) && !pk__guardian_is_there(&c->guardian);
}

static void pk__launcher_child_take(void *user, pk__pipe *p)
{
    pk__launcher_child *c = (pk__launcher_child *)user;
    (void)pk__pipe_read(p);
    if (p->watch.fd < 0) {
        pk__process_hint(&c->process); // an end is often the beginning of an exit
    }
    if (pk__launcher_child_is_over(c)) {
        pk__launcher_child_report(c);
    }
}

static void pk__launcher_child_on_grace(void *user)
{
    pk__launcher_child *c = (pk__launcher_child *)user;
    pk__pipes_drain(&c->pipes);
    pk__launcher_child_report(c); // a grandchild that left the group holds a pipe
}

static void pk__launcher_child_on_exit(void *user, int status)
{
    pk__launcher_child *c = (pk__launcher_child *)user;
    c->exited = true;
    c->status = status;
    pk__guardian_end(&c->guardian);
    pk__isolate_kill(&c->isolated);
    pk__pipes_drain(&c->pipes);
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
    pk__pipes_deinit(&c->pipes);
    pk__process_deinit(&c->process);
    pk__guardian_deinit(&c->guardian);
    pk__isolate_end(&c->isolated);
    pk__free(c->alloc, c, sizeof(*c));
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
        rc = pk__pipe_open(&c->pipes.each[made], &fds[made].parent, err);
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
        c->isolated.alloc = c->alloc;
        c->isolated.launch = c->launch;
        c->isolated.info = info;
        rc = pk__isolate_spawn(&c->isolated, &c->process, &desc, err);
        c->isolated.info = NULL;
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
    pk__pipes_init(&c->pipes, alloc, l, c->loop);
    c->pipes.take = pk__launcher_child_take;
    c->pipes.user = c;
    pk_err rc = pk__launcher_child_spawn(c, info, err);
    for (size_t i = 0; !rc && i < PK__COUNT(c->pipes.each); i++) {
        rc = pk__pipe_watch(&c->pipes.each[i], err);
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

static pk_err pk__launcher_send(void *state, pk_str bytes, pk_error *err)
{
    return pk__pipes_send(&((pk__launcher_child *)state)->pipes, bytes, err);
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
