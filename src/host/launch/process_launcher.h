/* process_launcher.h - the launcher that starts plugins as child processes.
 *
 * A child gets 0 = /dev/null, 1 and 2 = pipes, and, if it talks plugkit/1, 3 = a Unix stream socket: control lines, and
 * the lifeline (its end when the host dies). pipes.h tells of them.
 *
 * A child that does not end with its host by itself gets a guardian (guardian.h), and, if the thread lasts that starts
 * it, is killed by the system (Linux). One that does is only woken then, should it have been stopped.
 *
 * The exit is reported once: after process and guardian have been reaped and both pipes have ended, or 100 ms after the
 * process, because a grandchild may hold a pipe open for ever. */
#ifndef PK__PROCESS_LAUNCHER_H
#define PK__PROCESS_LAUNCHER_H
#include "guardian.h"
#include "pipes.h"
#ifndef PLUGKIT_NO_PROCESS

typedef struct pk__launching_processes {
    const pk_alloc *alloc;
    bool has_line;
    int line[2]; // the guardians': one pipe for all of them
} pk__launching_processes;

/* Both are borrowed as long as the launcher. */
PK__FN pk_launcher pk__process_launcher(pk__launching_processes *p, const pk_alloc *alloc);
PK__FN void pk__process_launcher_deinit(pk__launching_processes *p); // nothing runs any more. Zeroed: does nothing

#endif
#endif
