/* health.c - whether instances work, and asking them to end.
 *
 * Asked GET /healthz at each interval: dialects with PK_DIALECT_HEALTH, and plugins in lines mode that say they answer
 * it; those of the Go framework only when something failed, because asking counts as work there and would keep an idle
 * plugin alive for ever. The answers: 2xx is well (a JSON body with a "status" of "degraded" is less than well),
 * anything else is a miss. After a transport failure it is asked at once, and ended if it does not answer; but if it
 * cannot even be reached, it most likely has just died, and its exit, which comes in a moment, says better why: it is
 * asked once more before it is ended.
 *
 * Not asked: all others that we have started. At each interval the system is asked instead whether the process is
 * stopped, which is a miss as well; and so is a call in lines mode that had no answer in time, and nothing was said
 * since.
 *
 * A miss counts only while no call is in flight: a plugin that works on one may be too busy to answer; but not any more
 * once a call had no answer in time, or a plugin that hangs would be kept by those who go on calling it. One in lines
 * mode does one thing after the other: while it answers calls, a question that had to wait too long is none. And
 * nothing counts while a debugger has the process. */
#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/clock.h"
#include "reaching.h"

enum { PK__HEALTH_RETRY_MAX = 50, PK__HEALTH_SECOND_MS = 100 };

static void pk__health_later(pk_launch *l, uint32_t delay_ms)
{
    pk_error why;
    if (pk_timer_start(l->life->loop, &l->health, delay_ms, &why)) {
        pk__life_log(l->life, PK_LOG_WARN, "plugin.health", l->plugin->id, why.msg);
    }
}

#ifndef PLUGKIT_NO_PROCESS
static bool pk__health_can_be_asked(const pk_launch *l)
{
    const pk_dialect *d = l->instance->dialect;
    return d && ((d->flags & PK_DIALECT_HEALTH) || (l->link.channel && l->plugin->answers_health));
}

/* Can something be known of it without asking? */
static bool pk__health_can_be_watched(const pk_launch *l)
{
    return l->is_framework || l->link.channel || (l->launcher && l->launcher->look);
}

static pk_look pk__health_look(const pk_launch *l)
{
    return l->launcher && l->launcher->look && l->state ? l->launcher->look(l->state) : PK_LOOK_RUNS;
}

/* In lines mode, since this was asked last: then it lives. */
static bool pk__health_has_spoken(pk_launch *l)
{
    bool has_spoken = l->link.channel && l->has_spoken;
    l->has_spoken = false;
    return has_spoken;
}

#else // others run it, and nothing but its answers is known

static bool pk__health_can_be_asked(const pk_launch *l)
{
    const pk_dialect *d = l->instance->dialect;
    return d && (d->flags & PK_DIALECT_HEALTH);
}

static bool pk__health_can_be_watched(const pk_launch *l)
{
    (void)l;
    return false;
}

static pk_look pk__health_look(const pk_launch *l)
{
    (void)l;
    return PK_LOOK_RUNS;
}

static bool pk__health_has_spoken(pk_launch *l)
{
    (void)l;
    return false;
}
#endif

/* Without a reason. */
static bool pk__health_is_asked(const pk_launch *l)
{
    return pk__health_can_be_asked(l) && !l->is_framework;
}

static bool pk__health_goes_on(const pk_launch *l)
{
    return !l->life->desc->health.off && (pk__health_is_asked(l) || pk__health_can_be_watched(l));
}

static void pk__health_watch(pk_launch *l);

static void pk__health_on_time(void *user)
{
    pk_launch *l = (pk_launch *)user;
    if (l->step == PK__LAUNCH_UP && pk__health_can_be_watched(l) && !pk__health_is_asked(l) && !l->instance->suspect) {
        pk__health_watch(l);
    } else {
        pk__health_ask(l);
    }
}

PK__FN void pk__health_begin(pk_launch *l)
{
    l->health.on_time = pk__health_on_time;
    l->health.user = l;
    l->misses = 0;
    (void)pk__health_has_spoken(l); // what it said at its start is no sign of life afterwards
    if (pk__health_goes_on(l)) {
        pk__health_later(l, l->life->desc->health.interval_ms);
    }
}

/* ---- what it says of itself */

/* Names with commas between them; what does not fit is left out. */
static void pk__health_join(char *out, size_t cap, const pk__control_health *said)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < said->unavailable.count; i++) {
        char name[100];
        size_t n = pk__error_clean(name, sizeof(name), said->unavailable.items[i]);
        if (n && len + n + 2 < cap) {
            len += (size_t)snprintf(out + len, cap - len, "%s%s", len ? "," : "", name);
        }
    }
}

/* Notes how it is, and tells who listens if that is a move: one that is not well is still called. */
static void pk__health_note(pk_launch *l, const char *health, const pk__control_health *said)
{
    pk__registry *r = l->life->registry;
    pk__instance *i = l->instance;
    bool well = strcmp(health, "healthy") == 0;
    char reason[sizeof(i->reason)], unavailable[sizeof(i->unavailable)];
    (void)pk__error_clean(reason, sizeof(reason), said && said->has_reason ? said->reason : PK_STR(""));
    unavailable[0] = '\0';
    if (said) {
        pk__health_join(unavailable, sizeof(unavailable), said);
    }
    pk__registry_lock(r);
    pk__instance_state from = i->state;
    bool moved = pk__states_instance(&i->state, well ? PK__INSTANCE_ON_RECOVER : PK__INSTANCE_ON_DEGRADE);
    pk__instance_state to = i->state;
    i->health = health;
    memcpy(i->reason, reason, sizeof(reason));
    memcpy(i->unavailable, unavailable, sizeof(unavailable));
    pk__registry_unlock(r);
    if (moved) {
        pk_error why;
        (void)pk_error_set(&why, PK_ERR_UNHEALTHY, "plugin '%s' is %s%s%s%s%s%s", l->plugin->id, health,
                           reason[0] ? ": " : "", reason, unavailable[0] ? " (unavailable: " : "", unavailable,
                           unavailable[0] ? ")" : "");
        pk__life_event(l->life, well ? "plugin.recovered" : "plugin.degraded", well ? PK_ON_READY : PK_ON_DEGRADED,
                       l->plugin, pk__states_instance_text(from), pk__states_instance_text(to), well ? NULL : &why);
    }
}

/* One of three words that do not go away; NULL = it is none of them. */
static const char *pk__health_word(pk_str status)
{
    return pk_str_is(status, "healthy")     ? "healthy"
           : pk_str_is(status, "degraded")  ? "degraded"
           : pk_str_is(status, "unhealthy") ? "unhealthy"
                                            : NULL;
}

PK__FN void pk__health_reported(pk_launch *l, const pk__control_health *said)
{
    const char *health = pk__health_word(said->status);
    if (l->step != PK__LAUNCH_UP || !health) {
        return;
    }
    pk__health_note(l, health, said);
    if (l->step == PK__LAUNCH_UP && health[0] == 'u' && pk__health_can_be_asked(l)) {
        pk__health_ask(l); // the answers decide whether it has to go
    }
}

/* ---- asking */

/* An answer of 2xx. False: its body says that it is not well at all. */
static bool pk__health_good(pk_launch *l, const pk_reply *reply)
{
    pk__registry *r = l->life->registry;
    pk__control_health said;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = l->life->alloc;
    bool says = reply->body.bytes.len && pk_json_decode(&mem, &pk_type_pk__control_health, reply->body.bytes, &said,
                                                        NULL) == PK_OK;
    const char *health = says ? pk__health_word(said.status) : "healthy";
    bool good = !health || health[0] != 'u';
    l->is_second = false;
    pk__registry_lock(r);
    bool cleared = l->instance->suspect;
    l->instance->suspect = false;
    l->instance->timeouts = 0;
    if (cleared) {
        pk__registry_wake(r, l->plugin);
    }
    pk__registry_unlock(r);
    pk__health_note(l, health ? health : "healthy", says ? &said : NULL);
    pk_mem_free(&mem);
    return good;
}

/* Returns when to ask again; 0 = never, or as usual. */
static uint32_t pk__health_bad(pk_launch *l, const pk_error *err)
{
    pk__registry *r = l->life->registry;
    pk_error why;
    pk__registry_lock(r);
    bool suspect = l->instance->suspect;
    bool busy = l->instance->in_flight > 0 && l->instance->timeouts == 0;
    pk__registry_unlock(r);
    if (pk__health_look(l) == PK_LOOK_TRACED) { // whoever stands at a breakpoint is not to lose the process
        pk__life_log(l->life, PK_LOG_INFO, "plugin.health", l->plugin->id, "it does not answer: a debugger has it");
        return suspect ? l->life->desc->health.interval_ms : 0;
    }
    l->misses += !busy;
    if (suspect && err->code == PK_ERR_PLUGIN_CONNECTION && !l->is_second) {
        l->is_second = true;
        return PK__HEALTH_SECOND_MS;
    }
    if (suspect || l->misses >= l->life->desc->health.misses) {
        (void)pk_error_set(&why, PK_ERR_UNHEALTHY, "plugin '%s' is not healthy: %s", l->plugin->id, err->msg);
        pk__keeper_fail(l->keeper, &why);
        return 0;
    }
    pk__life_log(l->life, PK_LOG_WARN, "plugin.health", l->plugin->id, err->msg);
    return 0;
}

static void pk__health_on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    pk_launch *l = (pk_launch *)user;
    (void)call;
    l->is_asking = false;
    if (err && err->code == PK_ERR_CANCELED) {
        return;
    }
    if (l->step == PK__LAUNCH_STARTING && pk__registry_is_attached(l->plugin)) {
        pk__reaching_on_reply(l, reply, err);
        return;
    }
    if (l->step == PK__LAUNCH_STARTING) {
        /* Any answer counts: the process serves. None yet: it may not accept so soon; try again in a moment. */
        if (!err || err->sent == PK_SENT_ANSWERED) {
            pk__keeper_up(l->keeper);
        } else {
            (void)pk__error_clean(l->trouble, sizeof(l->trouble), pk_str_from(err->msg));
            l->retry_ms = PK__MIN(l->retry_ms ? l->retry_ms * 2 : 1, (uint32_t)PK__HEALTH_RETRY_MAX);
            pk__health_later(l, l->retry_ms);
        }
        return;
    }
    if (l->step != PK__LAUNCH_UP) {
        return;
    }
    uint32_t soon_ms = 0;
    bool has_spoken = pk__health_has_spoken(l);
    if (err && err->sent != PK_SENT_ANSWERED && has_spoken) {
        l->misses = 0; // it came to other calls
    } else if (!err || (l->is_framework && err->sent == PK_SENT_ANSWERED)) {
        if (pk__health_good(l, reply)) {
            l->misses = 0;
        } else {
            pk_error why;
            (void)pk_error_set(&why, PK_ERR_UNHEALTHY, "%s", l->instance->reason);
            soon_ms = pk__health_bad(l, &why);
        }
    } else {
        if (err->sent == PK_SENT_ANSWERED) {
            pk__control_health said;
            memset(&said, 0, sizeof(said));
            said.has_reason = true;
            said.reason = pk_str_from(err->msg);
            pk__health_note(l, "unhealthy", &said);
        }
        soon_ms = l->step == PK__LAUNCH_UP ? pk__health_bad(l, err) : 0;
    }
    if (l->step == PK__LAUNCH_UP && (soon_ms || pk__health_goes_on(l))) {
        pk__health_later(l, soon_ms ? soon_ms : l->life->desc->health.interval_ms);
    }
}

static pk_err pk__health_call(pk_launch *l, const char *http, uint32_t timeout_ms, pk_on_reply on_reply, void *user,
                              pk_call *call, pk_error *err)
{
    pk_call_desc d;
    memset(&d, 0, sizeof(d));
    d.plugin = l->instance->name;
    d.http = http;
    d.ctx.timeout_ms = timeout_ms;
    d.on_reply = on_reply;
    d.user = user;
    return pk_caller_start(&l->life->care, &d, call, err);
}

PK__FN void pk__health_ask(pk_launch *l)
{
    pk_error why;
    if (l->is_asking || !l->instance->channel) {
        return;
    }
    l->health.on_time = pk__health_on_time;
    l->health.user = l;
    pk_timer_stop(l->life->loop, &l->health);
    if (!pk__health_can_be_asked(l)) {
        if (l->step == PK__LAUNCH_UP) { // nothing to ask with: the failed call has to do
            (void)pk_error_set(&why, PK_ERR_PLUGIN_CONNECTION, "cannot reach the plugin '%s'", l->plugin->id);
            pk__keeper_fail(l->keeper, &why);
        }
        return;
    }
    bool starts = l->step == PK__LAUNCH_STARTING;
    uint32_t timeout_ms = starts ? pk__reaching_share_ms(l) : PK__MIN(l->life->desc->health.interval_ms, 5000u);
    const char *http = starts && pk__registry_is_unknown(l->plugin) ? "GET /capabilities" : "GET /healthz";
    l->is_asking = true;
    if (pk__health_call(l, http, timeout_ms, pk__health_on_reply, l, &l->asking, &why)) {
        l->is_asking = false;
        pk__health_later(l, 100);
    }
}

/* Of one that is not asked. */
#ifndef PLUGKIT_NO_PROCESS
static void pk__health_watch(pk_launch *l)
{
    pk__registry *r = l->life->registry;
    pk_error why;
    const char *what = NULL;
    bool has_spoken = pk__health_has_spoken(l);
    pk__registry_lock(r);
    bool silent = l->instance->timeouts > 0;
    pk__registry_unlock(r);
    if (pk__health_look(l) == PK_LOOK_STOPPED) {
        what = "its process is stopped";
    } else if (silent && l->is_framework) {
        pk__health_ask(l);
        return;
    } else if (silent && l->link.channel && !has_spoken) {
        what = "a call had no answer in time, and it has said nothing since";
    }
    if (what) {
        (void)pk_error_set(&why, PK_ERR_UNHEALTHY, "%s", what);
        (void)pk__health_bad(l, &why);
    } else {
        l->misses = 0;
    }
    if (l->step == PK__LAUNCH_UP) {
        pk__health_later(l, l->life->desc->health.interval_ms);
    }
}

#else
static void pk__health_watch(pk_launch *l)
{
    (void)l;
}
#endif

PK__FN void pk__health_end(pk_launch *l)
{
    pk_timer_stop(l->life->loop, &l->health);
    if (l->is_asking) {
        l->is_asking = false;
        pk__caller_cancel_now(&l->life->care, l->asking);
    }
}

/* The exit tells more than the answer, and many plugins end before they have answered. But one that cannot be reached
 * has not heard us. */
static void pk__health_on_shutdown(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    pk_launch *l = (pk_launch *)user;
    (void)call;
    (void)reply;
    if (err && err->code == PK_ERR_PLUGIN_CONNECTION && err->sent == PK_SENT_NO && l->step == PK__LAUNCH_ASKED) {
        pk__launching_signal(l, l->is_framework ? 1 : 0);
    }
}

PK__FN void pk__health_shutdown(pk_launch *l)
{
    pk_error why;
    const pk_dialect *d = l->instance->dialect;
    bool asked = false;
    if (d && (d->flags & PK_DIALECT_HEALTH) && l->launcher) {
        asked = pk__health_call(l, "POST /shutdown", pk__life_stop_ms(l->life, l->plugin), pk__health_on_shutdown, l,
                                NULL, &why) == PK_OK;
    } else if (l->launcher && l->launcher->send && !l->is_framework) {
        asked = l->launcher->send(l->state, PK_STR("{\"shutdown\":true}\n"), &why) == PK_OK;
    }
    if (!asked) {
        pk__launching_signal(l, l->is_framework ? 1 : 0);
    }
}
