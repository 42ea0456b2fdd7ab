/* manager.h - the one room that knows all others, and joins them.
 *
 *     finders -> sinks -> registry <- life -> launchers
 *                            ^         |
 *     callers -> select -----+         +-> dialects (channels)
 *
 *     desc.c      the description: checked, copied, defaults filled in, each in one function
 *     manager.c   create, start, stop, destroy; the thread
 *     config.c    configurations that nobody takes
 *     offers.c    the server for what plugins may call here
 *     serving.c   the host's own door, if the program wants one
 *     plugins.c   internal plugins; starting, stopping and listing single ones
 *
 * Life of a manager: created -> started -> stopping -> stopped -> destroyed. With a loop of its own it has a thread
 * that steps it from create to destroy; with the user's, calls on the loop's thread step it while they wait. */
#ifndef PK__MANAGER_H
#define PK__MANAGER_H
#include "../../os/atomic.h"
#include "../../os/fork.h"
#include "../../rpc/http_channel.h"
#include "../admin/admin.h"
#include "../discover/directory.h"
#include "../discover/reattach.h"
#include "../discover/sink.h"
#include "../launch/isolate.h"
#include "../launch/object_launcher.h"
#include "../launch/process_launcher.h"
#include "../life/life.h"
#include "../registry/registry.h"
#include "../schemas/schemas.h"

typedef struct pk__offers {
    pk_server *server;
    struct pk__offer *items;
    size_t count;
    pk__control_host host; // what plugins are told
} pk__offers;

struct pk_manager {
    pk_alloc alloc;
    pk_mem mem; // the copied description, names, arrays
    pk_loop *loop;
    bool owns_loop, is_started, is_destroying;
    bool frees_itself;  // destroyed from a callback: the thread, or end_timer, does it when that has returned
    bool quit;          // the thread's
    pk__thread thread;
    pk__fork_guard guard;
    pk__atomic_u32 inside; // threads that wait in one of our functions: nothing is freed under them
    pk_sink *sinks;
    size_t sink_count;
    const char *runtime_dir;
    pk_task stop_task, quit_task;
    pk_timer end_timer;
    pk__registry registry;
    pk_manager_desc desc;
    pk__life life;
    pk_caller caller;
    pk__offers offers;
    pk__http_channel_env env;
    pk_dialect plugkit1, framework;
#ifndef PLUGKIT_NO_FILES
    pk__directory directory;
    pk_finder directory_finder;
#ifdef PLUGKIT_WITH_ATTACH
    pk__attach attach;
    pk__reattach reattach;
    pk_finder attach_finder, reattach_finder;
#endif
#endif
#ifndef PLUGKIT_NO_PROCESS
    pk__launching_processes processes;
    pk_launcher process_launcher, adopt_launcher;
#endif
#ifdef PLUGKIT_WITH_DLOPEN
    pk__launching_objects objects;
    pk_launcher object_launcher;
    pk_dialect object;
    pk_finder compiled_finder;
#endif
    pk__keep keep;
    pk__admin *admin;   // NULL = pk_manager_serve was not called
    void (*close_admin)(pk__admin *admin, bool is_child); // so that nothing of it is linked without that
#ifdef PLUGKIT_WITH_SCHEMA
    pk__schemas schemas;
#endif
};

/* desc.c. `m->desc` becomes a resolved copy that owns everything but extension structs and what they point to. */
PK__FN pk_err pk__desc_check(const pk_manager_desc *desc, pk_error *err);
PK__FN pk_err pk__desc_resolve(pk_manager *m, const pk_manager_desc *desc, pk_error *err);

/* offers.c */
PK__FN pk_err pk__offers_open(pk__offers *o, pk_manager *m, pk_error *err);
PK__FN void pk__offers_drain(pk__offers *o); // takes no more calls
PK__FN void pk__offers_close(pk__offers *o);

/* config.c. Tells the log, once plugins are known, of configurations that reach none of them. */
PK__FN void pk__config_warn(pk_manager *m);
/* Is it JSON, and can it be understood in one way only? */
PK__FN pk_err pk__config_check_text(const pk_manager_desc *d, pk_str text, pk_error *err);

/* plugins.c */
PK__FN void pk__plugins_drop_internal(pk_manager *m);

/* Lets the manager's work be done until ready(m, arg); called with the registry locked. */
PK__FN pk_err pk__manager_usable(const pk_manager *m, const char *verb, pk_error *err); // not NULL, not forked
PK__FN void pk__manager_enter(pk_manager *m); // around waiting, and what comes behind it
PK__FN void pk__manager_leave(pk_manager *m);
PK__FN void pk__manager_wait(pk_manager *m, bool (*ready)(pk_manager *m, void *arg), void *arg);

#endif
