/* cgroups.h - control groups of Linux for one instance: made, limited, joined by the child, ended.
 *
 *     pk__cgroups_open(&g, alloc, info); pk__cgroups_limit(&g, PK__CONFINE_TASKS, 10);     before the start
 *     pk__cgroups_join(&g, &confine);         descriptors for the child; pk__cgroups_joined(&confine) closes them
 *     pk__cgroups_kill(&g);                   the process has ended: what is left of it ends, too
 *     pk__cgroups_close(&g);                  and the groups are removed
 *
 * Versions 1 and 2 are told apart by the files that a group has: a limit goes to the first group with the file for it.
 * Version 2 kills a group itself. For version 1 each process is opened first (pidfd), then looked for in the group
 * again, and only then signalled: so it is never somebody else with the same number. Without pidfds nobody is. */
#ifndef PK__CGROUPS_H
#define PK__CGROUPS_H
#include "../../os/confine.h"
#ifdef PLUGKIT_WITH_ISOLATE

typedef struct pk__cgroups {
    const pk_alloc *alloc;
    size_t count;
    char *path[PK__CONFINE_CGROUPS]; // of each group, ours to remove
} pk__cgroups;

PK__FN bool pk__cgroups_open(pk__cgroups *g, const pk_alloc *alloc, const pk_launch_info *info); // false = see errno
PK__FN bool pk__cgroups_limit(const pk__cgroups *g, pk__confine_what what, uint64_t number);     // ENOENT: none has it
PK__FN bool pk__cgroups_join(const pk__cgroups *g, pk__confine *c);
PK__FN void pk__cgroups_joined(pk__confine *c);
PK__FN void pk__cgroups_kill(const pk__cgroups *g);
PK__FN void pk__cgroups_close(pk__cgroups *g); // kills as well. Zeroed: does nothing

#endif
#endif
