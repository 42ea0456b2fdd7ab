/* object_launcher.h - the launcher of plugins that need no program of their own: shared objects, and what is compiled
 * in with a descriptor; and the finder of the latter.
 *
 *     compiled-in:ID      an entry of pk_manager_desc.compiled_in, called on the spot
 *     PATH/ID.so          opened and called in this process; or, if its rule says PK_ISOLATION_PROCESS, a process:
 *                         pk_manager_desc.object_runner, started by the process launcher as any other plugin is
 *
 * Where there is a runner it is asked for the capabilities of every shared object, so that one whose constructor exits
 * or crashes is found out before it comes into this process. An instance is a pk__objects_instance: the plugin's own
 * first line is read by its own copy of PlugKit, and what it says comes as control lines, so that life sees no
 * difference. Nothing here can be killed: one that is to be, and has calls inside, counts as gone, and is stopped when
 * they have returned. */
#ifndef PK__OBJECT_LAUNCHER_H
#define PK__OBJECT_LAUNCHER_H
#include "../speak/objects.h"
#include "process_launcher.h"
#ifdef PLUGKIT_WITH_DLOPEN

#ifdef __APPLE__
#define PK__OBJECT_SUFFIX ".dylib"
#else
#define PK__OBJECT_SUFFIX ".so"
#endif

typedef struct pk__launching_objects {
    const pk_alloc *alloc;
    const pk_manager_desc *desc;  // resolved
    const pk_launcher *process;   // starts the runner
    pk__objects running;
} pk__launching_objects;

/* All are borrowed as long as the launcher. */
PK__FN pk_launcher pk__object_launcher(pk__launching_objects *all, const pk_alloc *alloc, const pk_manager_desc *desc,
                                       const pk_launcher *process);
PK__FN pk_finder pk__compiled_finder(pk__launching_objects *all); // finds compiled_in

#endif
#endif
