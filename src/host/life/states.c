/* states.c - the two tables. */
#include "states.h"

/* A cell is the next state + 1; 0 = the event cannot come in this state. */
#define PK__STATES_P(from, event, to) [PK__PLUGIN_##from][PK__PLUGIN_ON_##event] = PK__PLUGIN_##to + 1
#define PK__STATES_I(from, event, to) [PK__INSTANCE_##from][PK__INSTANCE_ON_##event] = PK__INSTANCE_##to + 1

static const unsigned char pk__states_plugins[PK__PLUGIN_STATE_COUNT][PK__PLUGIN_EVENT_COUNT] = {
    PK__STATES_P(FOUND, ADMIT, PROBING),
    PK__STATES_P(FOUND, REJECT, REJECTED),
    PK__STATES_P(FOUND, PROBE_OK, STOPPED), // its capabilities came with it
    PK__STATES_P(PROBING, PROBE_OK, STOPPED),
    PK__STATES_P(PROBING, REJECT, REJECTED),
    PK__STATES_P(STOPPED, WANT, STARTING),
    PK__STATES_P(STARTING, UP, RUNNING),
    PK__STATES_P(STARTING, START_FAILED, STOPPED),
    PK__STATES_P(STARTING, EXITED, STOPPED), // it was to be adopted, and is not there: no failure of its own
    PK__STATES_P(STARTING, CRASHED, BACKOFF),
    PK__STATES_P(STARTING, GIVE_UP, FAILED),
    PK__STATES_P(STARTING, UNWANT, STOPPING),
    PK__STATES_P(STARTING, REJECT, REJECTED), // it was reached, and what it offers cannot be used
    PK__STATES_P(RUNNING, EXITED, STOPPED),
    PK__STATES_P(RUNNING, CRASHED, BACKOFF),
    PK__STATES_P(RUNNING, GIVE_UP, FAILED),
    PK__STATES_P(RUNNING, UNWANT, STOPPING),
    PK__STATES_P(STOPPING, EXITED, STOPPED),
    PK__STATES_P(BACKOFF, WANT, STARTING),
    PK__STATES_P(BACKOFF, UNWANT, STOPPED),
    PK__STATES_P(FAILED, WANT, STARTING),
    PK__STATES_P(FAILED, UNWANT, STOPPED),
    PK__STATES_P(FOUND, DISABLE, DISABLED), // a disabled plugin is not even probed
    PK__STATES_P(STOPPED, DISABLE, DISABLED),
    PK__STATES_P(BACKOFF, DISABLE, DISABLED),
    PK__STATES_P(FAILED, DISABLE, DISABLED),
    PK__STATES_P(DISABLED, ENABLE, FOUND),
};

static const unsigned char pk__states_instances[PK__INSTANCE_STATE_COUNT][PK__INSTANCE_EVENT_COUNT] = {
    PK__STATES_I(STARTING, UP, READY),
    PK__STATES_I(STARTING, STOP, STOPPING),
    PK__STATES_I(STARTING, EXIT, GONE),
    PK__STATES_I(READY, DEGRADE, DEGRADED),
    PK__STATES_I(READY, DRAIN, DRAINING),
    PK__STATES_I(READY, STOP, STOPPING),
    PK__STATES_I(READY, EXIT, GONE),
    PK__STATES_I(DEGRADED, RECOVER, READY),
    PK__STATES_I(DEGRADED, DRAIN, DRAINING),
    PK__STATES_I(DEGRADED, STOP, STOPPING),
    PK__STATES_I(DEGRADED, EXIT, GONE),
    PK__STATES_I(DRAINING, STOP, STOPPING),
    PK__STATES_I(DRAINING, EXIT, GONE),
    PK__STATES_I(STOPPING, EXIT, GONE),
};

PK__FN bool pk__states_plugin(pk__plugin_state *state, pk__plugin_event event)
{
    unsigned char next = pk__states_plugins[*state][event];
    if (next) {
        *state = (pk__plugin_state)(next - 1);
    }
    return next != 0;
}

PK__FN bool pk__states_instance(pk__instance_state *state, pk__instance_event event)
{
    unsigned char next = pk__states_instances[*state][event];
    if (next) {
        *state = (pk__instance_state)(next - 1);
    }
    return next != 0;
}

#define PK__STATES_TEXT(name, text) text,

PK__FN const char *pk__states_plugin_text(pk__plugin_state state)
{
    static const char *const texts[] = {PK__PLUGIN_STATES(PK__STATES_TEXT)};
    return texts[state];
}

PK__FN const char *pk__states_instance_text(pk__instance_state state)
{
    static const char *const texts[] = {PK__INSTANCE_STATES(PK__STATES_TEXT)};
    return texts[state];
}

PK__FN const char *pk__states_plugin_event_text(pk__plugin_event event)
{
    static const char *const texts[] = {PK__PLUGIN_EVENTS(PK__STATES_TEXT)};
    return texts[event];
}

PK__FN const char *pk__states_instance_event_text(pk__instance_event event)
{
    static const char *const texts[] = {PK__INSTANCE_EVENTS(PK__STATES_TEXT)};
    return texts[event];
}

PK__FN const char *pk__states_status(const pk__plugin *p)
{
    if (p->internal) {
        return "built in";
    }
    if (p->skipped) {
        return "skipped";
    }
    return p->state == PK__PLUGIN_RUNNING && p->instance ? pk__states_instance_text(p->instance->state)
                                                         : pk__states_plugin_text(p->state);
}

/* ---- in other systems' words */

PK_API const char *pk_status_in(pk_status_words words, const pk_plugin_info *info)
{
    static const struct {
        const char *status, *in[3]; // by pk_status_words
    } rows[] = {
        {"found", {"loading", "loading", "unknown"}},
        {"probing", {"loading", "loading", "unknown"}},
        {"rejected", {"failed", "error", "offline"}},
        {"stopped", {"stopped", "active", "unknown"}}, // active: the next call starts it
        {"starting", {"starting", "loading", "unknown"}},
        {"ready", {"running", "active", "healthy"}},
        {"degraded", {"running", "active", "degraded"}},
        {"draining", {"stopping", "inactive", "offline"}},
        {"stopping", {"stopping", "inactive", "offline"}},
        {"backoff", {"failed", "error", "offline"}},
        {"failed", {"failed", "error", "offline"}},
        {"disabled", {"stopped", "inactive", "offline"}},
        {"built in", {"running", "active", "healthy"}},
        {"skipped", {"unknown", "error", "unknown"}},
    };
    if (words == PK_STATUS_BLACKHOLE && pk_str_is(info->status, "stopped") && info->starts == 0) {
        return "loaded";
    }
    if (words == PK_STATUS_GO_PLUGINS && pk_str_is(info->health, "unhealthy")) {
        return "unhealthy";
    }
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        if (pk_str_is(info->status, rows[i].status)) {
            return rows[i].in[words];
        }
    }
    return "unknown";
}
