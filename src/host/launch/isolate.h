/* isolate.h - a pk_isolate made into what a child does to itself, and the report of what came of it.
 *
 *     pk__isolate_spawn(&undo, &process, &desc, launch, info, err);  in the place of pk__process_spawn
 *     pk__isolate_kill(undo); pk__isolate_end(undo, alloc);          when it has ended: its control groups
 *
 * Nothing is believed to work because it should: a limit counts as set when the child has set it. If the system refuses
 * one, the child is not started, and its error names the limit; with .go_on that one is crossed out and the start tried
 * again. Some things are accepted and do nothing, or can be undone by who has the right to: that is known here, and
 * reported as best effort or unavailable. Without PLUGKIT_WITH_ISOLATE all of this is nothing. */
#ifndef PK__ISOLATE_H
#define PK__ISOLATE_H
#include "cgroups.h"
#ifdef PLUGKIT_WITH_ISOLATE

/* Can this be meant? Errors: PK_ERR_MISUSE. */
PK__FN pk_err pk__isolate_check(const pk_plugin_rule *rule, bool tcp, pk_error *err);
PK__FN bool pk__isolate_copy(pk_mem *mem, pk_plugin_rule *rule); // its isolate becomes a copy; false = out of memory
PK__FN const pk_limit_report *pk__isolate_copy_reports(pk_mem *mem, const pk_limit_report *from, size_t count);
/* For launchers that cannot give any: they refuse. */
static inline bool pk__isolate_is_asked(const pk_launch_info *info)
{
    return info->isolate != NULL;
}

/* Starts it under its limits, and reports them. Errors: those of pk__process_spawn, and PK_ERR_MISUSE. */
typedef struct pk__isolate_start {
    const pk_alloc *alloc;
    pk__cgroups *cgroups; // that it is in, also after a failure; NULL = none
    pk_launch *launch;
    const pk_launch_info *info;
} pk__isolate_start;
PK__FN pk_err pk__isolate_spawn(pk__isolate_start *start, pk__process *p, const pk__spawn_desc *desc, pk_error *err);
PK__FN void pk__isolate_kill(const pk__isolate_start *start); // all that is left of it
PK__FN void pk__isolate_end(pk__isolate_start *start);        // that, too. Zeroed: does nothing

#else
static inline pk_err pk__isolate_check(const pk_plugin_rule *rule, bool tcp, pk_error *err)
{
    (void)rule, (void)tcp, (void)err;
    return PK_OK;
}

static inline bool pk__isolate_copy(pk_mem *mem, pk_plugin_rule *rule)
{
    (void)mem, (void)rule;
    return true;
}

static inline bool pk__isolate_is_asked(const pk_launch_info *info)
{
    (void)info;
    return false;
}

#ifndef PLUGKIT_NO_PROCESS
typedef struct pk__isolate_start {
    const pk_alloc *alloc;
    pk_launch *launch;
    const pk_launch_info *info;
} pk__isolate_start;

static inline pk_err pk__isolate_spawn(const pk__isolate_start *start, pk__process *p, const pk__spawn_desc *desc,
                                       pk_error *err)
{
    (void)start;
    return pk__process_spawn(p, desc, err);
}

static inline void pk__isolate_kill(const pk__isolate_start *start)
{
    (void)start;
}

static inline void pk__isolate_end(const pk__isolate_start *start)
{
    (void)start;
}
#endif
#endif
#endif
