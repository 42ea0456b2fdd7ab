/* keeper.c - one plugin: started, up, crashed, stopped. */
#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/clock.h"
#include "../../os/fd.h"
#include "../../os/process.h"
#include "../../os/random.h"
#include "capabilities.h"
#include "reaching.h"
#include "securing.h"
#include "surviving.h"
#include "telling.h"

/* What a move means to who listens. */
static unsigned pk__keeper_moments(pk__plugin_event event, pk__plugin_state to, const pk_error *why)
{
    switch (event) {
    case PK__PLUGIN_ON_PROBE_OK: return 0; // and what it offers is known: see there
    case PK__PLUGIN_ON_WANT: return PK_ON_START;
    case PK__PLUGIN_ON_UP: return PK_ON_READY;
    case PK__PLUGIN_ON_START_FAILED: return PK_ON_STOP;
    case PK__PLUGIN_ON_EXITED: return why ? PK_ON_STOP | PK_ON_CRASH : PK_ON_STOP; // crashed, and left down
    case PK__PLUGIN_ON_CRASHED:
    case PK__PLUGIN_ON_GIVE_UP: return PK_ON_STOP | PK_ON_CRASH;
    case PK__PLUGIN_ON_UNWANT: return to == PK__PLUGIN_STOPPED ? PK_ON_STOP : 0;
    case PK__PLUGIN_ON_DISABLE: return PK_ON_UNLOAD;
    case PK__PLUGIN_ON_ADMIT:
    case PK__PLUGIN_ON_REJECT:
    case PK__PLUGIN_ON_ENABLE:
    case PK__PLUGIN_EVENT_COUNT: break;
    }
    return 0;
}

PK__FN bool pk__keeper_move(pk__keeper *k, pk__plugin_event event, const pk_error *why)
{
    static const char *const names[] = {
#define PK__KEEPER_NAME(name, text) "plugin." text,
        PK__PLUGIN_STATES(PK__KEEPER_NAME)
#undef PK__KEEPER_NAME
    };
    pk__registry *r = k->life->registry;
    pk__plugin *p = k->plugin;
    pk__registry_lock(r);
    pk__plugin_state from = p->state;
    bool moved = pk__states_plugin(&p->state, event);
    pk__plugin_state to = p->state;
    bool in_vain = pk__registry_is_attached(p) && event == PK__PLUGIN_ON_CRASHED && from == PK__PLUGIN_STARTING;
    unsigned moments = pk__keeper_moments(event, to, why) & ~(unsigned)(in_vain ? PK_ON_CRASH : 0);
    if (moved) {
        if (why) {
            p->why = *why;
        } else if (event == PK__PLUGIN_ON_UP) {
            memset(&p->why, 0, sizeof(p->why));
        }
        if (pk__registry_is_attached(p)) {
            p->retry_at = in_vain ? pk__clock_after_ms(pk__clock_ns(), PK__REACHING_RETRY_MS) : 0;
        }
        p->crashes += (moments & PK_ON_CRASH) != 0;
        p->failures += event == PK__PLUGIN_ON_START_FAILED || event == PK__PLUGIN_ON_GIVE_UP ||
                       event == PK__PLUGIN_ON_REJECT || (event == PK__PLUGIN_ON_CRASHED && from == PK__PLUGIN_STARTING);
        if (event == PK__PLUGIN_ON_CRASHED && from == PK__PLUGIN_RUNNING) { // calls wait on, for the next start
            pk__cond_broadcast(&r->changed);
            pk_loop_wake(r->loop);
        } else if (event != PK__PLUGIN_ON_WANT) { // there is nothing for waiters yet
            pk__registry_wake(r, p);
        }
    }
    pk__registry_unlock(r);
    if (moved) {
        if (k->life->has_needs) { // others may wait for this
            pk_loop_post(k->life->loop, &r->work);
        }
        if (event == PK__PLUGIN_ON_CRASHED || event == PK__PLUGIN_ON_GIVE_UP) {
            pk__rules_fell(k->life, p);
        }
        bool was_loaded = k->is_loaded;
        k->is_loaded = (event == PK__PLUGIN_ON_PROBE_OK && !pk__registry_is_unknown(p)) || event == PK__PLUGIN_ON_UP ||
                       (was_loaded && event != PK__PLUGIN_ON_DISABLE);
        moments |= k->is_loaded && !was_loaded ? PK_ON_LOAD : 0u;
        pk__life_event(k->life, to == PK__PLUGIN_RUNNING ? "plugin.ready" : names[to], moments, p,
                       pk__states_plugin_text(from), pk__states_plugin_text(to), why);
    }
    return moved;
}

static bool pk__keeper_move_instance(pk__keeper *k, pk__instance_event event, bool take_calls)
{
    pk__registry *r = k->life->registry;
    pk__instance *i = k->launch->instance;
    pk__registry_lock(r);
    bool moved = pk__states_instance(&i->state, event);
    if (take_calls) {
        k->plugin->instance = i;
    } else if (k->plugin->instance == i) {
        k->plugin->instance = NULL;
    }
    pk__registry_unlock(r);
    return moved;
}

static uint32_t pk__keeper_in_flight(const pk__keeper *k, bool with_care)
{
    const pk__instance *i = k->launch->instance;
    pk__registry_lock(k->life->registry);
    uint32_t n = i->in_flight + (with_care ? i->in_care : 0);
    pk__registry_unlock(k->life->registry);
    return n;
}

/* ---- starting */

PK__FN void pk__keeper_explain(const pk__keeper *k, const char *verb, pk_error *why)
{
    pk__fd_explain(why);
    if (!pk_str_starts(pk_str_from(why->msg), PK_STR("cannot start '")) &&
        !pk_str_starts(pk_str_from(why->msg), PK_STR("cannot adopt '")) &&
        !pk_str_starts(pk_str_from(why->msg), PK_STR("cannot configure '"))) {
        pk__error_wrap(why, "cannot %s '%s'", verb, k->plugin->id);
    }
}

PK__FN void pk__keeper_start(pk__keeper *k)
{
    pk_timer_stop(k->life->loop, &k->backoff);
    if (k->launch || k->life->is_stopping || !pk__keeper_move(k, PK__PLUGIN_ON_WANT, NULL)) {
        return;
    }
    k->is_stop_asked = false;
    k->is_waiting = true;
    k->need_failures = UINT32_MAX;
    pk__keeper_start_on(k);
}

PK__FN void pk__keeper_start_on(pk__keeper *k)
{
    pk_error why;
    pk_err rc = pk__rules_ready(k->life, k->plugin, &k->need_failures, &why);
    if (rc == PK_ERR_BUSY) {
        return;
    }
    k->is_waiting = false;
    if (rc || pk__launching_begin(k, false, &why)) {
        pk__keeper_explain(k, "start", &why);
        (void)pk__keeper_move(k, PK__PLUGIN_ON_START_FAILED, &why);
    }
}

PK__FN void pk__keeper_up(pk__keeper *k)
{
    pk_launch *l = k->launch;
    pk__registry *r = k->life->registry;
    if (l->step != PK__LAUNCH_STARTING) {
        return; // it is being stopped meanwhile
    }
    l->step = PK__LAUNCH_UP;
    l->was_up = true;
    pk_timer_stop(k->life->loop, &l->timer);
    pk__registry_lock(r);
    k->plugin->starts++;
    k->up_at = pk__clock_ns();
    k->plugin->ready_at = k->up_at;
    k->plugin->start_time = k->up_at - l->started_at;
    pk__registry_unlock(r);
    pk__surviving_up(l);
    (void)pk__keeper_move_instance(k, PK__INSTANCE_ON_UP, true);
    (void)pk__keeper_move(k, PK__PLUGIN_ON_UP, NULL);
    if (k->launch == l && l->step == PK__LAUNCH_UP) { // an event callback may have stopped it
        pk__health_begin(l);
        pk__securing_up(l);
    }
}

static void pk__keeper_on_backoff(void *user)
{
    pk__keeper_start((pk__keeper *)user);
}

/* ---- ending */

/* How many crashes there were in the window, this one included. Crashes of a time to come, after a clock has jumped
 * back, are none. */
static uint32_t pk__keeper_count_crash(pk__keeper *k)
{
    const pk_manager_desc *d = k->life->desc;
    int64_t now = pk__clock_ns();
    int64_t window = (int64_t)d->restart.window_ms * PK__MS;
    uint32_t recent = 1;
    if (k->up_at && now - k->up_at >= window) {
        k->delay_ms = 0; // it ran well for a while
    }
    k->up_at = 0;
    if (d->restart.max <= PK__LIFE_CRASHES && !k->crashes) {
        k->crashes = (int64_t *)pk__new(k->life->alloc, d->restart.max * sizeof(*k->crashes));
    }
    for (uint32_t i = 0; k->crashes && i < PK__MIN(k->crash_count, d->restart.max); i++) {
        recent += now - k->crashes[i] >= 0 && now - k->crashes[i] < window;
    }
    if (k->crashes) { // without memory for them none is counted, and the delay has to do
        k->crashes[k->crash_count % d->restart.max] = now;
    }
    k->crash_count++;
    return recent;
}

static void pk__keeper_back_off(pk__keeper *k)
{
    const pk_manager_desc *d = k->life->desc;
    uint64_t delay = d->restart.no_delay ? 0 : k->delay_ms ? (uint64_t)k->delay_ms * 2 : d->restart.delay_ms;
    k->delay_ms = (uint32_t)PK__MIN(delay, (uint64_t)d->restart.delay_max_ms);
    /* 10 % of jitter either way, so that plugins that fell together do not rise together. */
    uint32_t spread = k->delay_ms / 10;
    uint32_t wait_ms = k->delay_ms - spread + (spread ? (uint32_t)(pk__random_u64() % (2 * spread + 1)) : 0);
    k->backoff.on_time = pk__keeper_on_backoff;
    k->backoff.user = k;
    pk_error why;
    if (pk_timer_start(k->life->loop, &k->backoff, wait_ms, &why)) {
        (void)pk__keeper_move(k, PK__PLUGIN_ON_UNWANT, &why); // without a timer the next call starts it
    }
}

/* Why a launch that was to go on has ended, in one sentence. */
static void pk__keeper_why(const pk__keeper *k, const pk_launch *l, pk_error *why)
{
    char how[100];
    bool was_up = k->plugin->state == PK__PLUGIN_RUNNING;
    bool killed = (l->wait_status & 0x7f) == 9 || l->wait_status == PK__STATUS_UNKNOWN; // by us, if we had a reason
    if (l->failure.code && (killed || pk__registry_is_attached(k->plugin) || l->failure.code != PK_ERR_UNHEALTHY)) {
        *why = l->failure;
        return;
    }
    if (l->exit_why[0]) {
        (void)snprintf(how, sizeof(how), "%.99s", l->exit_why);
    } else {
#ifndef PLUGKIT_NO_PROCESS
        bool early = l->instance && !was_up && l->wait_status == 0; // as if all were well, but nothing was ready
        size_t len = early ? (size_t)snprintf(how, sizeof(how), "it ended before it was ready: ") : 0;
        (void)pk__process_describe(l->wait_status, how + len, sizeof(how) - len);
#else
        (void)snprintf(how, sizeof(how), "it ended with %d", l->wait_status);
#endif
    }
    const char *what = !was_up ? "" : l->wait_status == 0 ? " ended" : " crashed";
    const char *verb = !l->instance ? "cannot probe"
                       : was_up     ? "the plugin"
                       : l->kept    ? "cannot adopt"
                                    : "cannot start";
    (void)pk_error_set(why, PK_ERR_START, "%s '%s'%s: %s%s%s", verb, k->plugin->id, what, how, l->tail[0] ? ": " : "",
                       l->tail);
}

static void pk__keeper_crashed(pk__keeper *k, const pk_error *why)
{
    bool was_up = k->plugin->state == PK__PLUGIN_RUNNING;
    bool remote = pk__registry_is_attached(k->plugin); // it is not ours to start, but somebody may be at it
    pk_restart policy = pk__life_rule(k->life, k->plugin)->restart;
    if (!was_up && k->crash_count == 0 && policy != PK_RESTART_ALWAYS && !remote) {
        (void)pk__keeper_move(k, PK__PLUGIN_ON_START_FAILED, why); // it never worked: who asked is told, that is all
    } else if (policy == PK_RESTART_NEVER || k->life->is_stopping) {
        (void)pk__keeper_move(k, was_up ? PK__PLUGIN_ON_EXITED : PK__PLUGIN_ON_START_FAILED, why);
    } else if (pk__keeper_count_crash(k) >= k->life->desc->restart.max && !remote) {
        (void)pk__keeper_move(k, PK__PLUGIN_ON_GIVE_UP, why);
        k->crash_count = 0;
        k->delay_ms = 0;
    } else if (pk__keeper_move(k, PK__PLUGIN_ON_CRASHED, why)) {
        pk__keeper_back_off(k);
    }
}

PK__FN void pk__keeper_is_down(pk__keeper *k)
{
    pk__registry_lock(k->life->registry);
    k->plugin->stops++;
    pk__registry_wake(k->life->registry, k->plugin);
    pk__registry_unlock(k->life->registry);
}

/* Nothing of the instance is in use any more. */
static void pk__keeper_finish(pk__keeper *k)
{
    pk_launch *l = k->launch;
    pk_error why;
    pk__keeper_why(k, l, &why);
    bool fair = l->wait_status == PK__STATUS_UNKNOWN && (l->kept ? l->is_ending : !l->was_busy);
    bool idle = k->plugin->state == PK__PLUGIN_RUNNING && l->failure.code == PK_OK && (l->wait_status == 0 || fair);
    bool asked = k->is_stop_asked;
    bool lost = l->kept && !l->was_up;
    bool refused = pk__reaching_is_refused(l);
    bool always = pk__life_rule(k->life, k->plugin)->restart == PK_RESTART_ALWAYS;
    pk__telling_clean_up(l);
    pk__launching_destroy(l);
    if (asked || (idle && !always)) {
        (void)pk__keeper_move(k, PK__PLUGIN_ON_EXITED, NULL); // an idle exit is no crash: the next call starts it again
    } else if (refused) {
        (void)pk__keeper_move(k, PK__PLUGIN_ON_REJECT, &why);
    } else if (lost) {
        pk__surviving_lost(k, &why);
    } else {
        pk__keeper_crashed(k, &why);
    }
    if (asked) {
        pk__keeper_is_down(k);
    }
    pk_loop_post(k->life->loop, &k->life->registry->work); // it may be wanted again already
    pk__life_settle(k->life);
}

PK__FN pk_err pk__keeper_learn(pk__keeper *k, pk_str text, pk_error *err)
{
    pk__registry *r = k->life->registry;
    pk__plugin *p = k->plugin;
    pk__capabilities known;
    pk_err rc = pk__capabilities_parse(p, text, &known, err);
    if (rc) {
        return rc;
    }
    pk__registry_lock(r);
    rc = pk__registry_offer(r, p, known.services, known.count, err);
    if (!rc) {
        p->version = pk__registry_version(p, known.version);
#ifdef PLUGKIT_WITH_MANIFESTS
        if (!p->about) { // some may ask for its version
            pk__registry_changed(r);
        }
#endif
        p->capabilities = known.text;
        p->config_types = known.config_types;
        p->speaks_plugkit = known.speaks_plugkit || !p->path;
        p->can_survive = known.can_survive;
        p->answers_health = known.answers_health;
        p->ends_its_group = known.ends_its_group;
        p->probed = true;
        p->is_unknown = false;
    }
    pk__registry_unlock(r);
    return rc;
}

static void pk__keeper_probed(pk__keeper *k)
{
    pk_launch *l = k->launch;
    pk_error why;
    pk_err rc = PK_OK;
    bool unknown = l->wait_status == PK__STATUS_UNKNOWN && l->printed.len > 0; // then what it printed has to tell
    if (l->failure.code || (l->wait_status != 0 && !unknown)) {
        pk__keeper_why(k, l, &why);
        rc = why.code;
    } else {
        rc = pk__keeper_learn(k, pk_buf_str(&l->printed), &why);
    }
    pk__launching_destroy(l);
    k->life->probes--;
    (void)pk__keeper_move(k, rc ? PK__PLUGIN_ON_REJECT : PK__PLUGIN_ON_PROBE_OK, rc ? &why : NULL);
    pk_loop_post(k->life->loop, &k->life->registry->work); // the next one may be probed, and this one may be wanted
    pk__life_settle(k->life);
}

PK__FN void pk__keeper_exited(pk__keeper *k)
{
    pk__instance *i = k->launch->instance;
    if (!i) {
        pk__keeper_probed(k);
        return;
    }
    k->launch->was_busy = pk__keeper_in_flight(k, false) > 0;
    (void)pk__keeper_move_instance(k, PK__INSTANCE_ON_EXIT, false);
    pk__health_end(k->launch);
    if (i->channel && i->dialect->interrupt) {
        i->dialect->interrupt(i->channel);
    }
    if (pk__keeper_in_flight(k, true) == 0) {
        pk__keeper_finish(k);
    } // else the last call that gives it back wakes us
}

/* ---- stopping */

static void pk__keeper_tell(pk__keeper *k)
{
    pk_launch *l = k->launch;
    uint32_t stop_ms = pk__life_stop_ms(k->life, k->plugin);
    l->step = PK__LAUNCH_TOLD;
    pk__launching_arm(l, stop_ms - stop_ms / 2);
    pk__launching_signal(l, l->is_framework ? 1 : 0); // Go's framework listens to SIGINT
}

static void pk__keeper_ask(pk__keeper *k)
{
    pk_launch *l = k->launch;
    l->step = PK__LAUNCH_ASKED;
    (void)pk__keeper_move_instance(k, PK__INSTANCE_ON_STOP, false);
    pk__launching_arm(l, pk__life_stop_ms(k->life, k->plugin) / 2);
    pk__health_shutdown(l);
}

/* How far a stop has come. The last thing that is done: who hears it may wait for something, and the launch end. */
static void pk__keeper_tell_step(pk__keeper *k, const char *event, const char *from, const char *to, uint32_t calls)
{
    pk_error why;
    unsigned long ms = pk__life_stop_ms(k->life, k->plugin);
    if (calls) {
        (void)pk_error_set(&why, PK_ERR_PLUGIN_TIMEOUT, "plugin '%s': %u calls did not finish within %lu ms",
                           k->plugin->id, (unsigned)calls, ms);
    } else {
        (void)pk_error_set(&why, PK_ERR_PLUGIN_TIMEOUT, "plugin '%s' did not end within %lu ms: it is killed",
                           k->plugin->id, ms);
    }
    pk__life_event(k->life, event, 0, k->plugin, from, to, &why);
}

PK__FN void pk__keeper_drained(pk__keeper *k)
{
    pk_launch *l = k->launch;
    bool late = !pk__timer_is_running(&l->timer);
    if (!l->instance) {
        return;
    }
    switch (l->step) {
    case PK__LAUNCH_DRAINING:
        if (pk__keeper_in_flight(k, false) == 0) {
            pk__keeper_ask(k);
        } else if (late) {
            pk__instance *i = l->instance;
            uint32_t calls = pk__keeper_in_flight(k, false);
            (void)pk__keeper_move_instance(k, PK__INSTANCE_ON_STOP, false);
            if (i->channel && i->dialect->interrupt) {
                i->dialect->interrupt(i->channel);
            }
            pk__keeper_tell(k);
            pk__keeper_tell_step(k, "plugin.interrupted", "draining", "stopping", calls);
        }
        break;
    case PK__LAUNCH_ASKED:
        if (late) {
            pk__keeper_tell(k);
        }
        break;
    case PK__LAUNCH_TOLD:
        if (late) {
            pk__launching_arm(l, 100); // and again, should the launcher not have been able to
            pk__launching_signal(l, 2);
            pk__keeper_tell_step(k, "plugin.killed", "stopping", "stopping", 0);
        }
        break;
    case PK__LAUNCH_EXITED:
        if (pk__keeper_in_flight(k, true) == 0) {
            pk__keeper_finish(k);
        }
        break;
    case PK__LAUNCH_STARTING:
    case PK__LAUNCH_UP:
    case PK__LAUNCH_KILLED: break;
    }
}

PK__FN void pk__keeper_stop(pk__keeper *k)
{
    pk_launch *l = k->launch;
    if ((k->is_stop_asked && l) || (l && !l->instance && !k->life->is_stopping)) {
        return; // a probe ends by itself, and says something about the plugin that will be needed
    }
    k->is_stop_asked = true;
    pk_timer_stop(k->life->loop, &k->backoff);
    if (!l && k->is_waiting) {
        pk_error why;
        k->is_waiting = false;
        (void)pk_error_set(&why, PK_ERR_STOPPED, "cannot start '%s': it is stopped", k->plugin->id);
        (void)pk__keeper_move(k, PK__PLUGIN_ON_START_FAILED, &why);
        return;
    }
    if (!l) {
        (void)pk__keeper_move(k, PK__PLUGIN_ON_UNWANT, NULL);
        return;
    }
    if (!l->instance) {
        (void)pk_error_set(&l->failure, PK_ERR_STOPPED, "cannot probe '%s': the manager is stopping", k->plugin->id);
        pk__launching_signal(l, 2);
        return;
    }
    (void)pk__keeper_move(k, PK__PLUGIN_ON_UNWANT, NULL);
    pk__health_end(l);
    if (l->step == PK__LAUNCH_STARTING) {
        (void)pk__keeper_move_instance(k, PK__INSTANCE_ON_STOP, false);
        pk__keeper_tell(k);
    } else if (l->step == PK__LAUNCH_UP) {
        l->step = PK__LAUNCH_DRAINING;
        (void)pk__keeper_move_instance(k, PK__INSTANCE_ON_DRAIN, false);
        pk__launching_arm(l, pk__life_stop_ms(k->life, k->plugin));
        pk__keeper_drained(k);
        if (k->launch == l && l->step == PK__LAUNCH_DRAINING) {
            pk__life_event(k->life, "plugin.draining", 0, k->plugin, "ready", "draining", NULL);
        }
    }
}

PK__FN void pk__keeper_disable(pk__keeper *k)
{
    if (k->launch || k->is_waiting) {
        pk__keeper_stop(k); // and once more when it is down
    } else {
        pk_timer_stop(k->life->loop, &k->backoff);
        (void)pk__keeper_move(k, PK__PLUGIN_ON_DISABLE, NULL);
    }
}

PK__FN void pk__keeper_unload(pk__keeper *k)
{
    if (k->is_loaded) {
        k->is_loaded = false;
        pk__life_event(k->life, "plugin.unloaded", PK_ON_UNLOAD, k->plugin, pk__states_plugin_text(k->plugin->state),
                       "", NULL);
    }
}

PK__FN void pk__keeper_fail(pk__keeper *k, const pk_error *why)
{
    pk_launch *l = k->launch;
    if (l->step >= PK__LAUNCH_KILLED) {
        return;
    }
    if (l->failure.code == PK_OK) {
        l->failure = *why;
    }
    pk__health_end(l);
    (void)pk__keeper_move_instance(k, PK__INSTANCE_ON_STOP, false);
    pk__launching_arm(l, 100);
    pk__launching_signal(l, 2);
}

PK__FN void pk__keeper_suspect(pk__keeper *k)
{
    pk_launch *l = k->launch;
    if (l->step == PK__LAUNCH_UP) {
        pk__health_ask(l);
    }
}

PK__FN void pk__keeper_destroy(pk__keeper *k)
{
    pk_timer_stop(k->life->loop, &k->backoff);
    k->plugin->life = NULL;
    pk__free(k->life->alloc, k->crashes, k->life->desc->restart.max * sizeof(*k->crashes));
    pk__free(k->life->alloc, k, sizeof(*k));
}
