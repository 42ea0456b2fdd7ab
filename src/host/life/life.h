/* life.h - what happens to plugins: admitted, probed, started, watched, started again, stopped.
 *
 * Everything here runs on the loop's thread. Callers and finders on other threads only note things in the registry and
 * wake `work`, which looks at every plugin that has something noted. A keeper belongs to one plugin and holds what the
 * registry need not know: the launch that is under way or runs, its timers, the crashes of the last seconds.
 *
 *     life.c        the work task, probing, stopping everything
 *     keeper.c      one plugin: start, up, crash, backoff, stop
 *     launching.c   one incarnation, from its start to its exit; implements pk_launch_*
 *     surviving.c   those that outlive their host: records, adopting
 *     securing.c    mutual TLS: certificates for those that are started here
 *     isolating.c   the limits of those that are started here, and what of them holds
 *     reaching.c    those that somebody else runs: host names, addresses, asking what they offer
 *     telling.c     what it is started with: environment, arguments, configuration
 *     hearing.c     what it prints and says: logs, its address, control lines
 *     health.c      asking instances how they are
 *     rules.c       what the user wants of each plugin
 *     depends.c     what plugins need by their manifests
 *     events.c      telling what happens
 *
 * A move is made under the registry's lock by the tables of states.h; the event is told after it has settled, with no
 * lock held. */
#ifndef PK__LIFE_H
#define PK__LIFE_H
#include "../../net/lookup.h"
#include "../../rpc/call.h"
#include "../../rpc/control.h"
#include "../launch/keep.h"
#include "../registry/registry.h"
#include "../speak/lines.h"
#include "output.h"
#include "states.h"

enum { PK__LIFE_PROBES = 4, PK__LIFE_CRASHES = 1000, PK__LIFE_TAIL = 400, PK__LIFE_PROBE_MAX = 1024 * 1024,
       PK__LIFE_ADOPT_MS = 1000 };

typedef struct pk__securing pk__securing;

typedef struct pk__life {
    pk__registry *registry;
    const pk_alloc *alloc;
    const pk_manager_desc *desc;        // resolved
    pk_loop *loop;
    const pk_dialect *const *dialects;  // the built-in ones last
    size_t dialect_count;
    const pk_launcher *const *launchers; // likewise
    size_t launcher_count;
    const char *runtime_dir;
    pk__keep *keep;                     // NULL = nothing survives
    const pk_launcher *adopter;         // of what the last host left
    /* May it be started with this configuration? NULL = nobody asks. */
    pk_err (*check_config)(void *user, const pk__plugin *p, const pk_plugin_config *c, pk_error *err);
    void *check_user;
    const pk__control_host *host;       // what plugins are told of the host's services; NULL = nothing
#ifdef PLUGKIT_WITH_TLS
    struct pk__securing *securing;      // NULL = plugins that are started here are called without TLS
#endif
    pk_caller care;                     // carries health and shutdown requests, past the pipeline
    unsigned probes;                    // under way
    bool is_pinned;                     // the loop's thread lives as long as the manager
    bool has_needs;                     // some rule names what a plugin needs
    bool is_stopping, is_told, is_stopped;
    pk_listener *listeners;             // in the order in which they came; under the registry's lock, as round is
    struct pk__life_round *round;       // of telling them; the innermost
    void (*on_stopped)(void *user);     // the manager's: the last thing that happens
    void *user;
} pk__life;

typedef enum pk__launch_step {
    PK__LAUNCH_STARTING,
    PK__LAUNCH_UP,
    PK__LAUNCH_DRAINING,
    PK__LAUNCH_ASKED,  // POST /shutdown
    PK__LAUNCH_TOLD,   // a signal
    PK__LAUNCH_KILLED,
    PK__LAUNCH_EXITED
} pk__launch_step;

typedef struct pk__keeper {
    pk__life *life;
    pk__plugin *plugin;
    pk_launch *launch;        // NULL = none
    pk_timer backoff;
    uint32_t delay_ms;        // of the next backoff
    int64_t up_at;            // 0 = it has not been up since the last crash
    int64_t *crashes;         // the last ones, restart.max of them; NULL = none yet, or too many to be counted
    uint32_t crash_count, serial;
    pk__kept *kept;           // the launch that begins is to adopt this; then it is the launch's
    bool is_stop_asked;
    bool is_waiting;          // starting, but what it needs does not run yet
    uint32_t need_failures;   // of all that it needs, when it began to wait
    bool is_loaded;           // what it offers is known, and it has not been unloaded since
} pk__keeper;

struct pk_launch {
    pk__life *life;
    pk__keeper *keeper;
    pk__plugin *plugin;
    pk__instance *instance;   // NULL = a probe
    const pk_launcher *launcher; // NULL = nothing to launch: a remote plugin
    void *state;
    pk__launch_step step;
    pk_mem mem;               // of info
    uint64_t dropped;         // of both outputs, as far as the registry knows
    bool was_busy;            // calls were in flight when it ended
#ifdef PLUGKIT_WITH_ATTACH
    pk__lookup *lookup;       // its host name is being looked up; NULL = not now
    pk__lookup_names *names;  // what was found, in mem; NULL = it has a number, or no host
    uint32_t via;             // which of them is tried
    bool is_refused;          // what it says that it offers cannot be used
#endif
#ifdef PLUGKIT_WITH_TLS
    bool is_secured;          // it is called over mutual TLS
    struct pk__authority_issued *issued; // its certificate, until it has been told
    pk_timer renew;           // when the next one is due
#endif
#ifdef PLUGKIT_WITH_ISOLATE
    bool is_isolated;         // the launcher has said what of the limits holds, and that is kept
#endif
    uint32_t retry_ms, misses;
    bool is_asking;           // a health request is under way
    bool is_second;           // of two questions to one that could not be reached
    bool has_spoken;          // on the control socket, since life asked last
    pk_call asking;
    pk__kept *kept;           // adopted: what the last host left of it; NULL = it is started here
    const char *stem;         // survives: the name of its files in the keep directory; NULL = it does not
    const char *proof;        // survives: what the plugin is known by
    bool was_up, is_ending;   // it has been ready; adopted: it has said that it ends
    bool is_framework;        // speaks as the Go framework does
    const char *socket;       // where it was told to listen, a path in mem; NULL = nowhere, or by TCP
    int64_t started_at;
    pk_timer timer;           // the deadline of the step
    pk_timer health;          // the next question, or the next try to reach it
    pk_task task;             // brings what other threads reported to the loop
    pk__control_lines control;
    pk_buf printed;           // a probe's stdout
    pk__lines_link link;
    pk_launch_info info;
    pk__output out, err;
    char trouble[120];        // what came of asking it, before it was ready; "" = nothing
    pk_error failure;         // why it is being ended; code PK_OK = no reason of ours
    char tail[PK__LIFE_TAIL]; // the last of stderr, for the error of a failed start
    /* Under the registry's lock: */
    bool has_exit, has_endpoint;
    int wait_status;
    char exit_why[120];
    char *address, *dialect, *token; // of has_endpoint, in mem
    char *tls_name;                  // likewise; NULL = none
    pk_tls *tls;                     // of the endpoint, if it is secure; NULL = the manager's
};

PK__FN pk_err pk__life_init(pk__life *life, pk__registry *registry, pk_error *err);
PK__FN void pk__life_stop(pk__life *life);   // begins to stop everything; is_stopped tells the end
PK__FN void pk__life_deinit(pk__life *life); // after is_stopped, or in a forked child
PK__FN const pk_dialect *pk__life_dialect(const pk__life *life, const char *name); // NULL = none of that name
PK__FN void pk__life_settle(pk__life *life); // is everything stopped now?

/* events.c. `moments`: PK_ON_...; PK_ON_ERROR comes by itself with a `why`. */
PK__FN void pk__life_event(pk__life *life, const char *name, unsigned moments, const pk__plugin *p, const char *from,
                           const char *to, const pk_error *why);
PK__FN void pk__life_log(pk__life *life, pk_log_level level, const char *event, const char *id, const char *text);
PK__FN void pk__life_listen(pk__life *life, pk_listener *listener);
PK__FN void pk__life_unlisten(pk__life *life, pk_listener *listener); // waits for a call of it on another thread

/* rules.c */
PK__FN const pk_plugin_rule *pk__life_rule(const pk__life *life, const pk__plugin *p); // never NULL
PK__FN uint32_t pk__life_stop_ms(const pk__life *life, const pk__plugin *p);
PK__FN bool pk__rules_needs(const pk__life *life, const pk__plugin *p, const pk__plugin *other);
/* Does all that p needs run? PK_ERR_BUSY: not yet; what is stopped is wished for at the first time, which *failures
 * UINT32_MAX says. Other errors: it never will. */
PK__FN pk_err pk__rules_ready(pk__life *life, const pk__plugin *p, uint32_t *failures, pk_error *err);
PK__FN void pk__rules_fell(pk__life *life, const pk__plugin *fallen); // who needs it is started anew

/* keeper.c */
PK__FN bool pk__keeper_move(pk__keeper *k, pk__plugin_event event, const pk_error *why); // false: not now
PK__FN void pk__keeper_start(pk__keeper *k);  // if it is wanted and can be
PK__FN void pk__keeper_start_on(pk__keeper *k); // one that is waiting: what it needs may run now
PK__FN void pk__keeper_explain(const pk__keeper *k, const char *verb, pk_error *why); // names the plugin in it
PK__FN void pk__keeper_stop(pk__keeper *k);   // drain, ask, tell, kill
PK__FN void pk__keeper_disable(pk__keeper *k); // stops it, if it runs; then nothing starts it
PK__FN void pk__keeper_unload(pk__keeper *k);  // tells so, once
PK__FN pk_err pk__keeper_learn(pk__keeper *k, pk_str text, pk_error *err); // what it offers: its capabilities
PK__FN void pk__keeper_up(pk__keeper *k);     // the instance can be called
PK__FN void pk__keeper_is_down(pk__keeper *k); // a wish to stop is granted: tells who waits for that
PK__FN void pk__keeper_exited(pk__keeper *k); // the launch is over: a probe or an instance
PK__FN void pk__keeper_drained(pk__keeper *k); // looks whether what it waits for is there
PK__FN void pk__keeper_suspect(pk__keeper *k); // a call could not reach it
PK__FN void pk__keeper_fail(pk__keeper *k, const pk_error *why); // ends the instance: it does not work
PK__FN void pk__keeper_destroy(pk__keeper *k);

/* launching.c */
PK__FN pk_err pk__launching_begin(pk__keeper *k, bool probe, pk_error *err); // sets k->launch
PK__FN pk_err pk__launching_connect(pk_launch *l, const char *dialect, pk_str address, const char *token,
                                    pk_error *err); // opens the channel
PK__FN void pk__launching_fail(pk_launch *l, const pk_error *why); // it is of no use: end it
PK__FN void pk__launching_signal(pk_launch *l, int how);
PK__FN void pk__launching_arm(pk_launch *l, uint32_t delay_ms); // the deadline of the step
PK__FN int64_t pk__launching_until(const pk_launch *l); // when its time to start is over
PK__FN void pk__launching_destroy(pk_launch *l);

/* health.c */
PK__FN void pk__health_begin(pk_launch *l);    // of an instance that has just become ready
PK__FN void pk__health_ask(pk_launch *l);      // now
PK__FN void pk__health_reported(pk_launch *l, const pk__control_health *said); // it says so without being asked
PK__FN void pk__health_end(pk_launch *l);
PK__FN void pk__health_shutdown(pk_launch *l); // asks it to end, in its own language

#endif
