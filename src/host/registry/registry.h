/* registry.h - what is known: plugins, their services, their running instances, who waits for them, and the counts.
 *
 * All rooms of host/ meet here. *discover* adds plugins in state FOUND; *life* moves them along and attaches instances;
 * *call* looks services up, takes an instance for each attempt and gives it back; whoever cannot get one queues a
 * waiter. Everything is guarded by one lock, held for a few loads and stores and never across I/O or a callback.
 * What callers need is decided under the lock by `take`; what must happen next (start this, that one drained) is only
 * noted, and *life* is told through `work`, a task on the loop.
 *
 * Plugins are never freed before the registry: an id once seen keeps its handle and its history. Instances come and
 * go; one is freed by *life* when it has no attempt left. */
#ifndef PK__REGISTRY_H
#define PK__REGISTRY_H
#include "../../base/handle.h"
#include "../../base/list.h"
#include "../../base/map.h"
#include "../../os/thread.h"
#include "../../rpc/call.h"

/* The states of a plugin and of an instance; how they follow each other is in life/states.h. */
#define PK__PLUGIN_STATES(X)                                                                                  \
    X(FOUND, "found")       /* nobody has looked at it yet */                                                  \
    X(PROBING, "probing")   /* admitted, and asked for its capabilities */                                      \
    X(REJECTED, "rejected") /* for good: see why */                                                             \
    X(STOPPED, "stopped")   /* known, not running; the next call starts it */                                   \
    X(STARTING, "starting")                                                                                   \
    X(RUNNING, "running")                                                                                     \
    X(STOPPING, "stopping")                                                                                   \
    X(BACKOFF, "backoff")   /* crashed, will be started again */                                                \
    X(FAILED, "failed")     /* crashed too often; pk_plugin_start tries again */                                \
    X(DISABLED, "disabled") /* by pk_plugin_disable, or a rule */
typedef enum pk__plugin_state {
#define PK__PLUGIN_STATE(name, text) PK__PLUGIN_##name,
    PK__PLUGIN_STATES(PK__PLUGIN_STATE)
#undef PK__PLUGIN_STATE
    PK__PLUGIN_STATE_COUNT
} pk__plugin_state;

#define PK__INSTANCE_STATES(X)                                                                                \
    X(STARTING, "starting")                                                                                   \
    X(READY, "ready")                                                                                         \
    X(DEGRADED, "degraded") /* works, and says that something is missing */                                     \
    X(DRAINING, "draining") /* takes no new calls, finishes those in flight */                                  \
    X(STOPPING, "stopping") /* asked to end, then told, then killed */                                          \
    X(GONE, "gone")
typedef enum pk__instance_state {
#define PK__INSTANCE_STATE(name, text) PK__INSTANCE_##name,
    PK__INSTANCE_STATES(PK__INSTANCE_STATE)
#undef PK__INSTANCE_STATE
    PK__INSTANCE_STATE_COUNT
} pk__instance_state;

typedef struct pk__plugin pk__plugin;

#if defined(PLUGKIT_WITH_MANIFESTS) && !defined(PLUGKIT_NO_PROCESS)
#define PK__DEPENDS // manifests say who needs whom, and what is started here heeds it
#endif
#ifdef PLUGKIT_WITH_MANIFESTS
/* What stands in a plugin's folder. A finder makes it and hands it over; then it does not change. */
typedef struct pk__about {
    pk_mem mem;           // of all below
    pk_manifest manifest;
    pk_error why;         // it cannot be used; code PK_OK = it can
    bool is_taken;        // by a plugin, which frees it
} pk__about;
#endif

typedef struct pk__method_entry {
    pk_str name, verb, path;
    unsigned flags;
} pk__method_entry;

typedef struct pk__service_entry {
    pk__plugin *plugin;
    pk_str contract, type, version;
    const pk__method_entry *methods; // known ones; a method that is not here is called as POST /name
    size_t method_count;
    const pk_service *internal;      // compiled in; NULL = external
    struct pk__service_entry *same;     // next with this contract and type
    struct pk__service_entry *sibling;  // next with this contract
} pk__service_entry;

typedef struct pk__instance {
    pk__plugin *plugin;
    pk__instance_state state;
    const pk_dialect *dialect;
    void *channel;              // NULL until it can be called
    const char *address;        // in mem
    const char *token;          // in mem
    pk_mem mem;
    uint32_t in_flight;         // calls
    uint32_t in_care;           // life's own requests: health, shutdown
    bool suspect;               // a transport failed: no calls until life has asked how it is
    uint32_t timeouts;          // calls that got no answer in time since the last that got one
    int64_t pid;
    const char *health;         // "healthy", "degraded", "unhealthy"; NULL = nobody knows
    const char *death;          // what becomes of the process when the host dies: as in pk_plugin_info
    const char *group_death;    // and of its group: the same, or more; NULL = nothing is known of it
#ifdef PLUGKIT_WITH_ISOLATE
    const pk_limit_report *limits; // in mem
    size_t limit_count;
#endif
    void *life;                 // life's own record
    pk__node node;              // in plugin->instances
    char name[80];              // "shout-1"
    char reason[200];           // what it says of its health; "" = nothing
    char unavailable[200];      // names with commas between them
} pk__instance;

struct pk__plugin {
    const char *id, *path;      // path NULL: compiled in, or remote
    uint64_t handle;
    pk__plugin_state state;
    bool internal, skipped, probed;
    bool is_asked;              // a wish to run that life has not seen yet
    bool is_unasked;            // a wish to stop, likewise
    bool is_attached;           // somebody else runs it: never started, signalled or asked to end
    bool is_unknown;            // attached, and has not been asked yet what it offers
    int64_t retry_at;           // attached, and cannot be reached: until then calls are told so at once
    bool is_gone;               // its finder says that it is no longer there
    bool is_disabled;           // wished; the state follows when it is down
    bool is_told;               // skipped: the event was sent
    uint32_t failures;          // starts that failed, ever: a waiter compares
    uint32_t stops;             // wishes to stop that were granted, ever: likewise
    pk__instance *instance;     // that calls go to; NULL = none
    pk__node instances;         // that one, and others: they start, or end
    pk__node waiters;
    pk__service_entry *services;
    size_t service_count;
    uint32_t live;              // epoch of direct stubs: odd while they may be used
    pk_mem mem;                 // all the above text
    pk_str version, capabilities;
    const char *const *config_types; // NULL-terminated
    bool speaks_plugkit, can_survive;
    bool answers_health;        // GET /healthz, also by lines
    bool ends_its_group;        // when its host dies
    pk_endpoint endpoint;       // remote: where it is
    uint32_t starts, crashes;
    uint64_t calls, failed_calls, bytes_in, bytes_out, output_dropped;
    pk_ns start_time;
    int64_t ready_at;           // of the last start, by pk__clock_ns
    void *life;                 // life's own record
    pk__node node;              // in registry->plugins
#ifdef PLUGKIT_WITH_MANIFESTS
    pk__about *about;           // NULL = it has no manifest
    struct pk__need *needs;     // by manifests: life/depends.h; life's, and changed under the lock
    size_t need_count;
    const char *unmet;          // why these keep it from starting; NULL = nothing does
#endif
    pk_error why;               // of the last failure; code PK_OK = none
};

#ifdef PLUGKIT_WITH_MANIFESTS
typedef struct pk__need {
    pk__plugin *plugin;
    bool is_optional;
} pk__need;
#endif

typedef struct pk__registry {
    const pk_alloc *alloc;
    const pk_manager_desc *desc; // resolved
    pk_loop *loop;
    pk__mutex lock;
    pk__cond changed;            // broadcast after every move that somebody may wait for
    pk__handles handles;
    pk__map by_id, by_service;   // "contract\ntype" and "contract\n" -> pk__service_entry
    pk__node plugins;
    uint32_t scans;              // finders that have not finished their first scan
    bool is_settled;             // all finders have finished that scan, and what they found has been looked at
    bool is_started;             // pk_manager_start was called
    bool is_closed;              // stopping: no more calls
#ifdef PLUGKIT_WITH_MANIFESTS
    bool has_manifests;
    bool is_unresolved;          // who needs whom has to be looked at
#endif
    pk_task work;                // wakes life
    int64_t forked_from;         // pid of the process that made it
} pk__registry;

PK__FN void pk__registry_init(pk__registry *r, const pk_alloc *alloc, const pk_manager_desc *desc, pk_loop *loop);
PK__FN void pk__registry_deinit(pk__registry *r);
#ifdef PLUGKIT_WITH_MANIFESTS
PK__FN void pk__registry_drop_about(const pk_alloc *alloc, pk__about *about); // NULL is fine
#endif
/* Locked from here on, until _unlock. */
PK__FN void pk__registry_lock(pk__registry *r);
PK__FN void pk__registry_unlock(pk__registry *r);
/* All of these with the lock held. */
PK__FN pk_err pk__registry_add(pk__registry *r, const char *id, const char *path, pk__plugin **out, pk_error *err);
PK__FN pk__plugin *pk__registry_find(const pk__registry *r, pk_str id);
PK__FN pk__instance *pk__registry_instance(const pk__registry *r, pk_str name); // NULL = there is none
PK__FN pk_err pk__registry_offer(pk__registry *r, pk__plugin *p, pk__service_entry *services, size_t count,
                                 pk_error *err); // all of them, or none and an error
/* A chain; type "" = any. */
PK__FN pk__service_entry *pk__registry_services(const pk__registry *r, pk_str contract, pk_str type);
PK__FN void pk__registry_wake(pk__registry *r, pk__plugin *p); // its waiters, and whoever waits for `changed`

#ifdef PK__DEPENDS
/* Somebody comes, goes, or says its version. Locked. (Without processes nobody waits for anybody.) */
static inline void pk__registry_changed(pk__registry *r)
{
    r->is_unresolved = r->has_manifests;
}
#else
static inline void pk__registry_changed(pk__registry *r)
{
    (void)r;
}
#endif

/* The version that a plugin has if it prints this one: if it prints none, its manifest's. */
static inline pk_str pk__registry_version(const pk__plugin *p, pk_str printed)
{
#ifdef PLUGKIT_WITH_MANIFESTS
    return printed.len == 0 && p->about ? p->about->manifest.version : printed;
#else
    (void)p;
    return printed;
#endif
}

#ifdef PLUGKIT_WITH_ATTACH
static inline bool pk__registry_is_attached(const pk__plugin *p)
{
    return p->is_attached;
}

static inline bool pk__registry_is_unknown(const pk__plugin *p)
{
    return p->is_unknown;
}
#else // what a finder of the user's says is taken at its word
static inline bool pk__registry_is_attached(const pk__plugin *p)
{
    (void)p;
    return false;
}

static inline bool pk__registry_is_unknown(const pk__plugin *p)
{
    (void)p;
    return false;
}
#endif

/* Is this a name that a plugin may have? */
PK__FN pk_err pk__registry_check_name(const char *id, pk_error *err);

#endif
