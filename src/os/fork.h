/* fork.h - notices that we are in a forked child.
 *
 * A child that was forked without exec has copies of our objects, but not our threads, and shares our
 * descriptors: closing an epoll registration or signalling a plugin there would hit the parent. Asking for
 * the pid each time is a system call on every call; a page that the kernel empties in a forked child is only
 * a load. Where the kernel cannot do that, the pid is asked for. */
#ifndef PK__FORK_H
#define PK__FORK_H
#include "sys.h"

typedef struct pk__fork_guard {
    const volatile uint32_t *page; // 1 here, 0 in a forked child; NULL = compare the pid
    long pid;                      // 0 = not made
} pk__fork_guard;

PK__FN void pk__fork_guard_init(pk__fork_guard *g);   // never fails
PK__FN void pk__fork_guard_deinit(pk__fork_guard *g); // zeroed: does nothing
PK__FN bool pk__fork_guard_is_child(const pk__fork_guard *g);

#endif
