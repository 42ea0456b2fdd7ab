/* process_launcher.h - the launcher that starts plugins as child processes.
 *
 * A child gets 0 = /dev/null, 1 and 2 = pipes that are read for as long as anybody holds their other ends, and, if it
 * talks plugkit/1, 3 = a Unix stream socket: control lines, and the lifeline (its end when the host dies). Output is
 * handed over as it comes, one bounded read a turn, so that a plugin that never stops printing neither stalls nor
 * starves the others.
 *
 * The exit is reported once: after the process has been reaped and both pipes have ended, or 100 ms after it, because a
 * grandchild may hold a pipe open for ever. What is written to the control socket goes out as the plugin reads it, up
 * to PK__PROCESS_LAUNCHER_PENDING bytes behind. */
#ifndef PK__PROCESS_LAUNCHER_H
#define PK__PROCESS_LAUNCHER_H
#include "../../os/process.h"
#ifndef PLUGKIT_NO_PROCESS

#define PK__PROCESS_LAUNCHER_PENDING ((size_t)16 * 1024 * 1024)

/* `alloc` is borrowed as long as the launcher. */
PK__FN pk_launcher pk__process_launcher(const pk_alloc *alloc);

#endif
#endif
