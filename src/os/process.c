/* process.c - child processes: start, watch, signal, reap. */
#include "process.h"

#include "fd.h"

#include <stdio.h>
#include <string.h>

#ifndef PLUGKIT_NO_PROCESS

/* ---- in the child: system calls only, no allocation, nothing that another thread may have locked */

typedef enum pk__process_step {
    PK__STEP_NONE,
    PK__STEP_GROUP,
    PK__STEP_PARENT,
    PK__STEP_FDS,
    PK__STEP_CWD,
    PK__STEP_EXEC,
    PK__STEP_CONFINE
} pk__process_step;

/* What the child says if it fails: also the message in the pipe. */
typedef struct pk__process_report {
    int32_t step, error;
    const char *what; // of PK__STEP_CONFINE: a constant, at the same place in both processes
} pk__process_report;

/* Everything that the child needs. It lies in the parent's memory, which the child shares or has copied. */
typedef struct pk__process_job {
    const pk__spawn_desc *desc;
    pk__spawn_fd fds[PK__SPAWN_FDS];
    size_t fd_count;
    int highest;            // of the child's declared descriptors, at least 2
    int pipe[2], null, exec; // all above highest; -1 = none
    char exec_path[32];     // of the descriptor to run, for kernels without execveat
    long fd_limit;
    pid_t parent;
    volatile bool shared;   // the child sets it: seen by the parent only if the memory is shared
    pk__process_report report;
} pk__process_job;

PK__FN void pk__process_fail(pk__process_job *job, pk__process_step step)
{
    job->report.error = (int32_t)errno;
    job->report.step = (int32_t)step;
    const void *told = job; // gcc 12 takes the address of the report for that of its first member
    told = (const char *)told + offsetof(pk__process_job, report);
    (void)!PK__SYS(write)(job->pipe[1], told, sizeof(job->report)); // fits into any pipe
    _exit(127);
}

PK__FN bool pk__process_is_declared(const pk__process_job *job, int fd)
{
    for (size_t i = 0; i < job->fd_count; i++) {
        if (job->fds[i].child == fd) {
            return true;
        }
    }
    return false;
}

/* Marks what a directory with one entry for each descriptor names. False: there is no such directory. */
PK__FN bool pk__process_mark_listed(int first)
{
    char names[1024]; // entries of getdents: 8 + 8 bytes, 2 of length, 1 of type, then the name
    ssize_t n;
    int dir = PK__SYS(open)("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0) {
        return false;
    }
    while ((n = PK__SYS(getdents)(dir, names, sizeof(names))) > 0) {
        uint16_t len = 0;
        for (ssize_t at = 0; at < n; at += len) {
            const char *digit = names + at + 19;
            int fd = 0;
            memcpy(&len, names + at + 16, sizeof(len));
            while (*digit >= '0' && *digit <= '9') {
                fd = fd * 10 + (*digit++ - '0');
            }
            if (*digit == '\0' && fd >= first) {
                (void)PK__SYS(fcntl)(fd, F_SETFD, FD_CLOEXEC);
            }
        }
    }
    (void)PK__SYS(close)(dir);
    return n == 0;
}

/* Everything from `first` on is closed by exec. */
PK__FN void pk__process_mark_rest(const pk__process_job *job, int first)
{
    if (PK__SYS(close_range)((unsigned)first) == 0 || pk__process_mark_listed(first)) {
        return;
    }
    for (int fd = first; fd < job->fd_limit; fd++) {
        (void)PK__SYS(fcntl)(fd, F_SETFD, FD_CLOEXEC);
    }
}

/* Sources that lie where a target is to be are moved out of the way first; then each goes to its place. */
PK__FN bool pk__process_place_fds(pk__process_job *job)
{
    for (size_t i = 0; i < job->fd_count; i++) {
        pk__spawn_fd *f = &job->fds[i];
        if (f->parent <= job->highest && f->parent != f->child) {
            f->parent = PK__SYS(fcntl)(f->parent, F_DUPFD_CLOEXEC, job->highest + 1);
            if (f->parent < 0) {
                return false;
            }
        }
    }
    for (int fd = 0; fd <= job->highest; fd++) {
        if (pk__process_is_declared(job, fd)) {
            continue;
        }
        if (fd > 2) {
            (void)PK__SYS(fcntl)(fd, F_SETFD, FD_CLOEXEC); // not open: fine
        } else if (PK__SYS(dup2)(job->null, fd) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < job->fd_count; i++) {
        const pk__spawn_fd *f = &job->fds[i];
        if ((f->parent == f->child ? PK__SYS(fcntl)(f->child, F_SETFD, 0)
                                   : PK__SYS(dup2)(f->parent, f->child)) < 0) {
            return false;
        }
    }
    pk__process_mark_rest(job, job->highest + 1);
    return true;
}

PK__FN int pk__process_child(void *arg)
{
    static const char *const no_env[] = {NULL};
    pk__process_job *job = (pk__process_job *)arg;
    const pk__spawn_desc *desc = job->desc;
    char *const *argv = (char *const *)(uintptr_t)desc->argv;
    char *const *env = (char *const *)(uintptr_t)(desc->env ? desc->env : no_env);
    sigset_t none;

    job->shared = true;
    for (int number = 1; number < NSIG; number++) { // the host's handlers must not run here
        (void)PK__SYS(reset_signal)(number, desc->is_deaf && number != SIGCONT && number != SIGCHLD);
    }
    if (PK__SYS(setpgid)(0, desc->group) != 0) {
        pk__process_fail(job, PK__STEP_GROUP);
    }
    if (!pk__process_place_fds(job)) {
        pk__process_fail(job, PK__STEP_FDS);
    }
    if (desc->cwd && PK__SYS(chdir)(desc->cwd) != 0) {
        pk__process_fail(job, PK__STEP_CWD);
    }
    if (desc->confine && (job->report.what = desc->confine->run(desc->confine->arg)) != NULL) {
        pk__process_fail(job, PK__STEP_CONFINE);
    }
    if (desc->death_signal) { // behind what may change the user, for that makes the system forget it
        if (PK__SYS(die_with_parent)(desc->death_signal) != 0 && errno != ENOSYS) {
            pk__process_fail(job, PK__STEP_PARENT);
        }
        if (getppid() != job->parent) { // it was over before we asked
            _exit(127);
        }
    }
    sigemptyset(&none);
    (void)PK__SYS(mask_signals)(SIG_SETMASK, &none, NULL);
    if (job->exec < 0) {
        (void)PK__SYS(execve)(desc->path, argv, env);
    } else if (PK__SYS(execveat)(job->exec, argv, env) != 0 && errno == ENOSYS) {
        (void)PK__SYS(execve)(job->exec_path, argv, env);
    }
    pk__process_fail(job, PK__STEP_EXEC);
    return 127;
}

/* ---- in the parent: start */

PK__FN const char *pk__process_step_name(int32_t step)
{
    static const char *const names[] = {"start",       "process group", "parent death signal",
                                        "descriptors", "directory",     "exec"};
    return step > 0 && step < (int32_t)PK__COUNT(names) ? names[step] : names[0];
}

/* What the system says about programs that cannot be run is often about another file than one would think. */
PK__FN const char *pk__process_reason(const pk__process_job *job)
{
    struct stat st;
    bool exec = job->report.step == PK__STEP_EXEC;
    if (exec && job->report.error == ENOEXEC) {
        return "exec: no program of this kind of machine, and no script that begins with #!";
    }
    if (exec && job->report.error == ENOENT && PK__SYS(stat)(job->desc->path, &st) == 0) {
        return "exec: the interpreter that its first line names, or its loader";
    }
    return job->report.step == PK__STEP_CONFINE ? job->report.what : pk__process_step_name(job->report.step);
}

/* Takes fd; returns it or a copy above `highest`. -1 with errno: fd is closed. */
PK__FN int pk__process_above(int fd, int highest)
{
    int above;
    if (fd < 0 || fd > highest) {
        return fd;
    }
    above = PK__SYS(fcntl)(fd, F_DUPFD_CLOEXEC, highest + 1);
    pk__fd_close(fd);
    return above;
}

PK__FN void pk__process_close_job(pk__process_job *job)
{
    pk__fd_close(job->pipe[0]);
    pk__fd_close(job->pipe[1]);
    pk__fd_close(job->null);
    pk__fd_close(job->exec);
}

PK__FN bool pk__process_open_job(pk__process_job *job)
{
    int exec_fd = job->desc->exec_fd;
    if (PK__SYS(pipe)(job->pipe, O_CLOEXEC) != 0) {
        job->pipe[0] = job->pipe[1] = -1;
        return false;
    }
    job->pipe[1] = pk__process_above(job->pipe[1], job->highest);
    job->null = pk__process_above(PK__SYS(open)("/dev/null", O_RDWR | O_CLOEXEC, 0), job->highest);
    if (job->pipe[1] < 0 || job->null < 0) {
        return false;
    }
    if (exec_fd > 0) {
        job->exec = PK__SYS(fcntl)(exec_fd, F_DUPFD_CLOEXEC, job->highest + 1);
        snprintf(job->exec_path, sizeof(job->exec_path), "/proc/self/fd/%d", job->exec);
    }
    return exec_fd <= 0 || job->exec >= 0;
}

PK__FN pk_err pk__process_init_job(pk__process_job *job, const pk__spawn_desc *desc, pk_error *err)
{
    struct rlimit limit = {65536, 65536};
    memset(job, 0, sizeof(*job));
    job->desc = desc;
    job->parent = getpid();
    job->highest = 2;
    job->pipe[0] = job->pipe[1] = job->null = job->exec = -1;
    if (desc->fd_count > PK__SPAWN_FDS || !desc->path || !desc->argv || !desc->argv[0]) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start '%s': too many descriptors, or no arguments",
                            desc->path ? desc->path : "");
    }
    for (size_t i = 0; i < desc->fd_count; i++) {
        job->highest = PK__MAX(job->highest, desc->fds[i].child);
    }
    job->fd_count = desc->fd_count;
    (void)PK__SYS(fd_limit)(&limit);
    /* Only for systems with neither close_range nor a list, and even then enough for most. */
    job->fd_limit = limit.rlim_cur < 65536 ? (long)limit.rlim_cur : 65536;
    return PK_OK;
}

PK__FN pid_t pk__process_fork(pk__process_job *job)
{
    char stack[16384]; // the child's; it is done with it when we go on
    pid_t pid = PK__SYS(spawn_vm)(pk__process_child, stack, sizeof(stack), job);
    if (pid < 0 && errno == ENOSYS) {
        pid = PK__SYS(fork)();
        if (pid == 0) {
            (void)pk__process_child(job);
        }
    }
    return pid;
}

/* Has the child reached exec? The answer lies in our memory, or has to be read. */
PK__FN void pk__process_hear(pk__process_job *job)
{
    pk__process_report report;
    if (!job->shared && pk__fd_read(job->pipe[0], &report, sizeof(report)) == (ssize_t)sizeof(report)) {
        job->report = report;
    }
}

/* A child that never became one. Nobody else has to know it: no pid of it is given out. */
PK__FN void pk__process_bury(pid_t pid)
{
    int status;
    while (PK__SYS(waitpid)(pid, &status, 0) < 0 && errno == EINTR) {
    }
}

/* One attempt. job->report tells why there is no child; its pid is 0 then. */
PK__FN pid_t pk__process_attempt(pk__process_job *job)
{
    sigset_t all, old;
    pid_t pid;
    memset(&job->report, 0, sizeof(job->report));
    job->shared = false;
    for (size_t i = 0; i < job->fd_count; i++) {
        job->fds[i] = job->desc->fds[i]; // for each attempt: a child changes them, perhaps in our memory
    }
    if (!pk__process_open_job(job)) {
        job->report.error = (int32_t)errno;
        pk__process_close_job(job);
        return 0;
    }
    sigfillset(&all);
    (void)PK__SYS(mask_signals)(SIG_SETMASK, &all, &old); // no handler of ours in the child
    pid = pk__process_fork(job);
    job->report.error = pid < 0 ? (int32_t)errno : job->report.error;
    (void)PK__SYS(mask_signals)(SIG_SETMASK, &old, NULL);
    if (pid > 0) {
        pk__fd_close(job->pipe[1]);
        job->pipe[1] = -1;
        pk__process_hear(job);
        if (job->report.error) {
            pk__process_bury(pid);
        }
    }
    pk__process_close_job(job);
    job->null = job->exec = -1;
    return job->report.error ? 0 : pid;
}

PK__FN pk_err pk__process_spawn(pk__process *p, const pk__spawn_desc *desc, pk_error *err)
{
    pk__process_job job;
    pid_t pid;
    pk_err code;
    memset(p, 0, sizeof(*p));
    p->pidfd = -1;
    code = pk__process_init_job(&job, desc, err);
    if (code) {
        return code;
    }
    pid = pk__process_attempt(&job);
    /* A file that was just written is busy while another thread's child, on its way to exec, has it open. */
    for (long ms = 1; pid == 0 && job.report.error == ETXTBSY && ms <= 32; ms *= 2) {
        struct timespec pause = {0, ms * (long)PK__MS};
        (void)PK__SYS(nanosleep)(&pause);
        pid = pk__process_attempt(&job);
    }
    if (desc->confine) {
        desc->confine->failed = job.report.step == PK__STEP_CONFINE ? job.report.what : NULL;
    }
    if (pid == 0) {
        code = job.report.error == ENOMEM ? PK_ERR_NO_MEMORY : PK_ERR_EXEC;
        return pk_error_sys(err, code, job.report.error, "cannot start '%s': %s", desc->path,
                            pk__process_reason(&job));
    }
    p->pid = pid;
    p->owner = (long)getpid();
    p->leads_group = desc->group == 0;
    p->pidfd = pk__fd_lift(PK__SYS(pidfd_open)(pid));
    return PK_OK;
}

/* ---- in the parent: reap */

PK__FN int pk__process_status_of(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED) {
        return (info->si_status & 0xff) << 8;
    }
    return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* waitid for exactly this child. -1 with errno. */
PK__FN int pk__process_waitid(const pk__process *p, siginfo_t *info, int options)
{
    int result;
    memset(info, 0, sizeof(*info));
    do {
        result = p->pidfd >= 0 ? PK__SYS(wait_pidfd)(p->pidfd, info, options) : -1;
        if (p->pidfd < 0 || (result != 0 && errno == EINVAL)) { // Linux 5.3 cannot wait for its pidfds yet
            result = PK__SYS(waitid)(P_PID, (id_t)p->pid, info, options);
        }
    } while (result != 0 && errno == EINTR);
    return result;
}

PK__FN bool pk__process_is_mine(const pk__process *p)
{
    return p->pid > 0 && p->owner == (long)getpid();
}

/* By pidfd where that can be done: it never means anybody else, even if our child is reaped by others. By number only
 * while the process, dead or alive, keeps the number from being given to another. */
PK__FN void pk__process_kill(const pk__process *p, int number, bool group)
{
    siginfo_t info;
    unsigned flags = group ? PK__SYS_TO_GROUP : 0;
    if (p->pidfd >= 0 && (PK__SYS(pidfd_send_signal)(p->pidfd, number, flags) == 0 || errno == ESRCH)) {
        return;
    }
    if (pk__process_waitid(p, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        (void)PK__SYS(kill)(group ? -p->pid : p->pid, number);
    }
}

/* The group, and its leader apart if it is not there any more: it may have joined another one, even ours. */
PK__FN void pk__process_kill_all(const pk__process *p, int number)
{
    if (p->leads_group) {
        pk__process_kill(p, number, true);
    }
    if (!p->leads_group || PK__SYS(getpgid)(p->pid) != p->pid) {
        pk__process_kill(p, number, false);
    }
}

PK__FN void pk__process_signal(pk__process *p, int number)
{
    if (pk__process_is_mine(p)) {
        pk__process_kill_all(p, number);
    }
}

PK__FN bool pk__process_is_alive(const pk__process *p)
{
    return p->pid != 0;
}

PK__FN bool pk__process_is_there(const pk__process *p)
{
    siginfo_t info;
    if (!pk__process_is_mine(p)) {
        return false;
    }
    if (p->pidfd >= 0 && PK__SYS(pidfd_send_signal)(p->pidfd, 0, 0) == 0) {
        return true;
    }
    return pk__process_waitid(p, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

#ifdef PK__LINUX
PK__FN bool pk__process_has_death_signal(void)
{
    return true;
}

/* The value of a line "\nName:\t..." in /proc/PROCESS/status; a process is a number, or "self". "" = there is none. */
PK__FN const char *pk__process_status_line(const char *process, const char *name, char *text, size_t cap)
{
    char path[40];
    (void)snprintf(path, sizeof(path), "/proc/%s/status", process);
    int fd = PK__SYS(open)(path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = fd >= 0 ? pk__fd_read(fd, text, cap - 1) : -1;
    pk__fd_close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, name);
    return line ? line + strlen(name) : "";
}

PK__FN pk__process_stand pk__process_stands_at(pid_t pid)
{
    char number[24], text[1024]; // what is looked for is among the first lines; names there hold no newline
    (void)snprintf(number, sizeof(number), "%ld", (long)pid);
    char state = *pk__process_status_line(number, "\nState:\t", text, sizeof(text));
    const char *tracer = strstr(text, "\nTracerPid:\t");
    bool traced = state == 't' || (tracer && tracer[12] != '0'); // 0 also if it is of an outer namespace
    if (!traced && state != 'T') {
        return PK__PROCESS_RUNS;
    }
    /* If /proc does not know us by our number, it speaks of an outer world, and of somebody else. */
    (void)snprintf(number, sizeof(number), "%ld\n", (long)getpid());
    const char *self = pk__process_status_line("self", "\nPid:\t", text, sizeof(text));
    bool ours = strncmp(self, number, strlen(number)) == 0;
    return !ours ? PK__PROCESS_RUNS : traced ? PK__PROCESS_TRACED : PK__PROCESS_STOPPED;
}
#else
PK__FN bool pk__process_has_death_signal(void)
{
    return false;
}

PK__FN pk__process_stand pk__process_stands_at(pid_t pid)
{
    (void)pid;
    return PK__PROCESS_RUNS;
}
#endif

PK__FN pk__process_stand pk__process_stands(const pk__process *p)
{
    siginfo_t info;
    if (!pk__process_is_mine(p)) {
        return PK__PROCESS_RUNS;
    }
    pk__process_stand stand = pk__process_stands_at(p->pid);
    if (stand != PK__PROCESS_RUNS) {
        return pk__process_is_there(p) ? stand : PK__PROCESS_RUNS; // else the number may be another's
    }
    bool stopped = pk__process_waitid(p, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
    return stopped ? PK__PROCESS_STOPPED : PK__PROCESS_RUNS;
}

PK__FN void pk__process_stop_watching(pk__process *p)
{
    if (p->loop) {
        pk_watch_remove(p->loop, &p->watch);
        pk_timer_stop(p->loop, &p->timer);
        p->loop = NULL;
    }
}

PK__FN bool pk__process_reap(pk__process *p)
{
    siginfo_t info;
    if (p->pid == 0) {
        return true;
    }
    if (!pk__process_is_mine(p)) {
        return false;
    }
    if (pk__process_waitid(p, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        if (info.si_pid == 0) {
            return false;
        }
        p->status = pk__process_status_of(&info);
        if (p->leads_group) {
            pk__process_kill_all(p, SIGKILL); // what it started and left behind
        }
        (void)pk__process_waitid(p, &info, WEXITED | WNOHANG);
    } else if (errno != ECHILD) {
        return false;
    } else {
        p->status = PK__STATUS_UNKNOWN; // the host ignores SIGCHLD, or waits for everybody
        if (p->leads_group && p->pidfd >= 0) {
            (void)PK__SYS(pidfd_send_signal)(p->pidfd, SIGKILL, PK__SYS_TO_GROUP);
        }
    }
    pk__process_stop_watching(p);
    pk__fd_close(p->pidfd);
    p->pidfd = -1;
    p->pid = 0;
    return true;
}

/* ---- in the parent: watch */

#define PK__PROCESS_POLL_MS 50

PK__FN void pk__process_look(pk__process *p)
{
    if (pk__process_reap(p)) {
        p->on_exit(p->user, p->status); // the last thing: p may be gone afterwards
    }
}

PK__FN void pk__process_on_ready(void *user, bool can_read, bool can_write)
{
    (void)can_read, (void)can_write;
    pk__process_look((pk__process *)user);
}

PK__FN void pk__process_on_time(void *user)
{
    pk__process *p = (pk__process *)user;
    p->poll_ms = PK__MIN(p->poll_ms * 2, PK__PROCESS_POLL_MS);
    (void)pk_timer_start(p->loop, &p->timer, p->poll_ms, NULL); // there is room: it was running until now
    pk__process_look(p);
}

PK__FN pk_err pk__process_watch(pk__process *p, pk_loop *loop, void (*on_exit)(void *user, int status),
                                void *user, pk_error *err)
{
    p->on_exit = on_exit;
    p->user = user;
    p->loop = loop;
    if (p->pidfd >= 0) {
        p->watch.fd = p->pidfd;
        p->watch.on_ready = pk__process_on_ready;
        p->watch.user = p;
        return pk_watch_add(loop, &p->watch, true, false, err);
    }
    p->poll_ms = 1;
    p->timer.on_time = pk__process_on_time;
    p->timer.user = p;
    return pk_timer_start(loop, &p->timer, p->poll_ms, err);
}

PK__FN void pk__process_hint(pk__process *p)
{
    if (p->loop && pk__timer_is_running(&p->timer)) {
        p->poll_ms = 1;
        (void)pk_timer_start(p->loop, &p->timer, 0, NULL); // moving a running one cannot fail
    }
}

PK__FN void pk__process_deinit(pk__process *p)
{
    const struct timespec pause = {0, (long)PK__MS};
    pk__process_stop_watching(p);
    /* Not for ever: a process that is stuck in the kernel does not die before it is through there. */
    for (int ms = 0; pk__process_is_mine(p) && ms < 2000 && !pk__process_reap(p); ms++) {
        pk__process_kill_all(p, SIGKILL);
        (void)PK__SYS(nanosleep)(&pause);
    }
    if (p->pid != 0) {
        pk__fd_close(p->pidfd);
        p->pidfd = -1;
        p->pid = 0;
    }
}

/* ---- words */

PK__FN const char *pk__process_signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {SIGHUP, "hangup"},                 {SIGINT, "interrupt"},           {SIGQUIT, "quit"},
        {SIGILL, "illegal instruction"},    {SIGTRAP, "trap"},               {SIGABRT, "aborted"},
        {SIGBUS, "bus error"},              {SIGFPE, "arithmetic error"},    {SIGKILL, "killed"},
        {SIGSEGV, "segmentation fault"},    {SIGPIPE, "broken pipe"},        {SIGALRM, "alarm"},
        {SIGTERM, "terminated"},            {SIGUSR1, "user signal 1"},      {SIGUSR2, "user signal 2"},
        {SIGXCPU, "too much cpu time"},      {SIGXFSZ, "file too large"},     {SIGSYS, "bad system call"},
    };
    for (size_t i = 0; i < PK__COUNT(names); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return "no name";
}

PK__FN const char *pk__process_describe(int status, char *out, size_t cap)
{
    if (status == PK__STATUS_UNKNOWN) {
        snprintf(out, cap, "exited, status unknown");
    } else if (WIFEXITED(status)) {
        snprintf(out, cap, "exit status %d", WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        snprintf(out, cap, "signal %d (%s)", WTERMSIG(status), pk__process_signal_name(WTERMSIG(status)));
    } else {
        snprintf(out, cap, "status %d", status);
    }
    return out;
}

#endif
