/* process.h - child processes: start, watch, signal, reap.
 *
 * Starting costs the same whatever the host's size: the child borrows our memory until it execs (as vfork
 * does), so nothing is copied; sanitizers cannot follow that, and get fork. Everything is prepared before;
 * the child makes only system calls. It gets its own process group, default signals, exactly the declared
 * descriptors (and /dev/null at 0, 1, 2 where none is declared), and exactly the given environment. If it
 * cannot exec, it tells the step and errno, and pk__process_spawn returns them as a sentence; there is no
 * child then.
 *
 * A child is   running -> exited (a zombie, still ours) -> reaped.   Between the two the whole group is
 * killed: while the zombie is there its number cannot belong to anybody else. The end is noticed by pidfd, or
 * (old kernels) by asking for exactly this pid, every 1 to 50 ms and when pk__process_hint says that it may
 * be worth it. There is no SIGCHLD handler and no waitpid(-1), so a host may have its own. If the host
 * ignores SIGCHLD or waits for everybody, the status is lost, not the event: on_exit gets PK__STATUS_UNKNOWN.
 *
 * A child may be told of the end of the thread that started it by a signal: SIGKILL ends it, but also when only the
 * thread ends and the program goes on; SIGCONT just wakes it, so that it can look who its parent is.
 *
 * In a forked child of the host nothing is signalled or waited for. */
#ifndef PK__PROCESS_H
#define PK__PROCESS_H
#include "fork.h"
#include "loop.h"
#include "sys.h"

#define PK__STATUS_UNKNOWN (-1) // exited, but somebody else has its status

#ifndef PLUGKIT_NO_PROCESS

#define PK__SPAWN_FDS 16        // declared descriptors of a child, at most

typedef struct pk__spawn_fd {
    int child, parent; // the child's number, and ours that it becomes
} pk__spawn_fd;

/* What else a child does before it execs, with its descriptors in place. System calls only, as all that it does. */
typedef struct pk__spawn_step {
    const char *(*run)(void *arg); // NULL = done; otherwise the name of what failed, a constant, and errno
    void *arg;
    const char *failed;            // set by pk__process_spawn: that name; NULL = nothing of this
} pk__spawn_step;

typedef struct pk__spawn_desc {
    const char *path;        // of the executable: not searched for; with exec_fd only its name for messages
    int exec_fd;             // 0 = run path; otherwise what this descriptor holds
    const char *const *argv; // NULL-terminated
    const char *const *env;  // NULL-terminated; NULL = empty
    const pk__spawn_fd *fds;
    size_t fd_count;
    const char *cwd;         // NULL = ours
    pid_t group;             // 0 = a new one, led by the child
    int death_signal;        // sent to it when the thread that spawned it ends; 0 = none. Linux
    pk__spawn_step *confine; // NULL = nothing
    bool is_deaf;            // it ignores all signals but SIGCONT and SIGCHLD, until it says otherwise
} pk__spawn_desc;

/* Zeroed = none. Caller's memory, not moved while it is watched. */
typedef struct pk__process {
    pid_t pid; // 0 = none, or reaped
    int pidfd; // -1 = not available
    bool leads_group;
    int status; // waitpid's, once reaped; or PK__STATUS_UNKNOWN
    long owner; // the pid of the process that started it
    pk_loop *loop;
    pk_watch watch;
    pk_timer timer;
    uint32_t poll_ms;
    void (*on_exit)(void *user, int status);
    void *user;
} pk__process;

/* Errors: PK_ERR_EXEC "cannot start 'path': exec: permission denied"; PK_ERR_NO_MEMORY, PK_ERR_OS. */
PK__FN pk_err pk__process_spawn(pk__process *p, const pk__spawn_desc *desc, pk_error *err);
/* on_exit runs once, on the loop's thread, after the process has been reaped. */
PK__FN pk_err pk__process_watch(pk__process *p, pk_loop *loop, void (*on_exit)(void *user, int status),
                                void *user, pk_error *err);
PK__FN void pk__process_hint(pk__process *p); // it may have exited: look soon (a pipe of it was closed)
PK__FN bool pk__process_is_alive(const pk__process *p);
/* Asks the system: is it there, if only as a zombie? Then nobody else has had its number since it was spawned. */
PK__FN bool pk__process_is_there(const pk__process *p);
PK__FN bool pk__process_has_death_signal(void); // has the system such a thing?
/* Does it stand still? Asks the system, changes nothing, and leaves every status to whoever waits for it. What cannot
 * be known runs. On Linux /proc tells, also what somebody else has waited for already, and of debuggers; elsewhere, and
 * without /proc, only a child that is stopped is known, and not by its number. */
typedef enum pk__process_stand {
    PK__PROCESS_RUNS,
    PK__PROCESS_STOPPED, // as by SIGSTOP
    PK__PROCESS_TRACED   // a debugger has it; it may run all the same
} pk__process_stand;
PK__FN pk__process_stand pk__process_stands(const pk__process *p);
PK__FN pk__process_stand pk__process_stands_at(pid_t pid); // whose number it is, the caller knows
/* Signals the group (or only the process, if it does not lead one). Exited: does nothing. */
PK__FN void pk__process_signal(pk__process *p, int number);
/* Without a loop: is it over? Kills its group and reaps it then, and fills p->status. */
PK__FN bool pk__process_reap(pk__process *p);
/* Ends the watch, kills what still runs, reaps it, frees. */
PK__FN void pk__process_deinit(pk__process *p);

/* "exit status 3", "signal 11 (segmentation fault)", "exited, status unknown". Returns out. */
PK__FN const char *pk__process_describe(int status, char *out, size_t cap);

#endif
#endif
