/* guardian.h - a process in a plugin's group, that kills the group when the host is gone.
 *
 * The system can end a process with its parent, but not what that process has started, and nobody may kill a group from
 * outside when its leader is gone: the number may be somebody else's by then. So one member of the group waits: a
 * shell, the only program that is everywhere. It reads from a pipe whose other end only the host has, and which
 * therefore ends with the host, or when that runs another program. A host that forked without exec left its end open in
 * its child; so the guardian is sent SIGCONT when its parent ends, which wakes it even if it was stopped with its
 * group, and looks whether it has another parent now. All other signals that can be ignored it ignores: they are meant
 * for the plugin. At the end: SIGTERM to the group, PK__GUARDIAN_GRACE later SIGKILL, itself included.
 *
 * It is started a moment after the plugin, which does not wait for it, and joins the group of a process that has not
 * been reaped: a plugin that has ended meanwhile cannot have lent its number to another group. It ends with the plugin,
 * because the group is killed then. If somebody kills it, it is started again, PK__GUARDIAN_STARTS times at most and
 * each time after a longer while. */
#ifndef PK__GUARDIAN_H
#define PK__GUARDIAN_H
#include "../../os/process.h"
#ifndef PLUGKIT_NO_PROCESS

enum { PK__GUARDIAN_STARTS = 6, PK__GUARDIAN_AGAIN_MS = 100 };

typedef struct pk__guardian {
    pk_loop *loop;
    const pk__process *plugin; // not moved as long as the guardian is begun
    const int *line;           // the pipe: [0] is for the guardian, [1] never leaves the host
    void (*on_change)(void *user); // it has come or gone; the loop's thread
    void *user;
    pk__process process;
    pk_timer timer;
    unsigned starts;
    bool is_over;              // the plugin has ended: no more starts
} pk__guardian;

/* Starts it after delay_ms, from the loop. If there can be none, there is none. */
PK__FN void pk__guardian_begin(pk__guardian *g, uint32_t delay_ms);
PK__FN bool pk__guardian_is_there(const pk__guardian *g);
PK__FN void pk__guardian_end(pk__guardian *g);    // the plugin has ended, and its group was killed: soon it is gone
PK__FN void pk__guardian_deinit(pk__guardian *g); // kills it if need be. Zeroed, or not begun: does nothing

#endif
#endif
