/* states.h - how plugins and instances move, as two tables.
 *
 * The states are in registry/registry.h. A cell holds the next state, or says that the event cannot come there; life
 * asks the table before it does anything, so that there is one place to look when something moved that should not.
 * `pk__states_*_text` and the tables themselves are what ARCHITECTURE.md is generated from. */
#ifndef PK__STATES_H
#define PK__STATES_H
#include "../registry/registry.h"

#define PK__PLUGIN_EVENTS(X)                                                                                  \
    X(ADMIT, "admit")         /* the guard has nothing against it */                                           \
    X(REJECT, "reject")                                                                                       \
    X(PROBE_OK, "probed")     /* its capabilities are known */                                                  \
    X(WANT, "want")           /* a call, pk_plugin_start, eagerness, the end of a backoff */                    \
    X(UP, "up")               /* the instance is ready */                                                       \
    X(START_FAILED, "start failed")                                                                           \
    X(EXITED, "exited")       /* by itself with status 0, or as it was told */                                  \
    X(CRASHED, "crashed")                                                                                     \
    X(GIVE_UP, "give up")     /* too many crashes in too short a time */                                       \
    X(UNWANT, "unwant")       /* pk_plugin_stop, pk_manager_stop */                                            \
    X(DISABLE, "disable")                                                                                     \
    X(ENABLE, "enable")
typedef enum pk__plugin_event {
#define PK__STATES_EVENT(name, text) PK__PLUGIN_ON_##name,
    PK__PLUGIN_EVENTS(PK__STATES_EVENT)
#undef PK__STATES_EVENT
    PK__PLUGIN_EVENT_COUNT
} pk__plugin_event;

#define PK__INSTANCE_EVENTS(X)                                                                                \
    X(UP, "up")               /* it answers */                                                                 \
    X(DEGRADE, "degrade")     /* it says that something is missing */                                          \
    X(RECOVER, "recover")                                                                                     \
    X(DRAIN, "drain")                                                                                         \
    X(STOP, "stop")           /* drained, or the time for it is over */                                        \
    X(EXIT, "exit")
typedef enum pk__instance_event {
#define PK__STATES_EVENT(name, text) PK__INSTANCE_ON_##name,
    PK__INSTANCE_EVENTS(PK__STATES_EVENT)
#undef PK__STATES_EVENT
    PK__INSTANCE_EVENT_COUNT
} pk__instance_event;

/* Moves *state. False = the table has no such move, and *state is as it was. */
PK__FN bool pk__states_plugin(pk__plugin_state *state, pk__plugin_event event);
PK__FN bool pk__states_instance(pk__instance_state *state, pk__instance_event event);
PK__FN const char *pk__states_status(const pk__plugin *p); // the word that people are shown
PK__FN const char *pk__states_plugin_text(pk__plugin_state state);
PK__FN const char *pk__states_instance_text(pk__instance_state state);
PK__FN const char *pk__states_plugin_event_text(pk__plugin_event event);
PK__FN const char *pk__states_instance_event_text(pk__instance_event event);

#endif
