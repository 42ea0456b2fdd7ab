/* launching.c - one incarnation of a plugin, from its command line to its exit. */
#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../net/secure.h"
#include "../../os/clock.h"
#include "../../os/loop.h"
#include "../../os/random.h"
#include "hearing.h"
#include "isolating.h"
#include "reaching.h"
#include "securing.h"
#include "surviving.h"
#include "telling.h"

PK__FN void pk__launching_fail(pk_launch *l, const pk_error *why)
{
    if (l->failure.code == PK_OK) {
        l->failure = *why;
    }
    if (l->instance) {
        pk__keeper_fail(l->keeper, why);
    } else {
        pk__launching_signal(l, 2);
    }
}

/* ---- reports of launchers */

PK_API void pk_launch_pid(pk_launch *l, int64_t pid)
{
    pk__registry_lock(l->life->registry);
    if (l->instance) {
        l->instance->pid = pid;
    }
    pk__registry_unlock(l->life->registry);
}

PK_API void pk_launch_host_death(pk_launch *l, const char *level)
{
    pk__registry_lock(l->life->registry);
    if (l->instance) {
        bool group = strcmp(level, "guardian") == 0 || strcmp(level, "group") == 0;
        l->instance->group_death = level;
        l->instance->death = group && l->instance->death ? l->instance->death : level;
    }
    pk__registry_unlock(l->life->registry);
}

PK_API void pk_launch_listening(pk_launch *l, const pk_endpoint *endpoint)
{
    pk__registry *r = l->life->registry;
    pk__registry_lock(r);
    if (!l->has_endpoint) {
        l->address = pk__strdup(l->life->alloc, endpoint->address);
        l->dialect = pk__strdup(l->life->alloc, endpoint->dialect ? endpoint->dialect : "plugkit/1");
        l->token = pk__strndup(l->life->alloc, endpoint->token);
        if (PK__SECURE_BUILT && endpoint->tls_name && !l->tls_name) {
            l->tls_name = pk__strdup(l->life->alloc, endpoint->tls_name);
            if (!l->tls_name) { // without its name nobody is to be believed
                pk__strfree(l->life->alloc, l->address);
                l->address = NULL;
            }
        }
        l->tls = l->tls ? l->tls : endpoint->tls; // that of the host, if it has decided
        l->has_endpoint = true;
    }
    pk_loop_post(l->life->loop, &l->task);
    pk__registry_unlock(r);
}

PK_API void pk_launch_exited(pk_launch *l, int wait_status, const char *why)
{
    pk__registry *r = l->life->registry;
    pk__registry_lock(r);
    l->has_exit = true;
    l->wait_status = wait_status;
    (void)snprintf(l->exit_why, sizeof(l->exit_why), "%s", why ? why : "");
    pk_loop_post(l->life->loop, &l->task);
    pk__registry_unlock(r);
}

static void pk__launching_on_endpoint(pk_launch *l)
{
    pk_error why;
    if (!l->instance || l->step != PK__LAUNCH_STARTING || l->instance->channel) {
        return;
    }
    if (!l->address || !l->dialect || !l->token) {
        (void)pk__error_memory(&why, "take the plugin's address");
        pk__launching_fail(l, &why);
    } else {
        pk__reaching_begin(l);
    }
}

static void pk__launching_on_report(void *user)
{
    pk_launch *l = (pk_launch *)user;
    pk__registry_lock(l->life->registry);
    bool endpoint = l->has_endpoint;
    bool exited = l->has_exit;
    pk__registry_unlock(l->life->registry);
    if (endpoint && !exited) {
        pk__launching_on_endpoint(l);
    }
    if (exited && l->step != PK__LAUNCH_EXITED) {
        pk__hearing_end(l);
        l->step = PK__LAUNCH_EXITED;
        pk_timer_stop(l->life->loop, &l->timer);
        pk__keeper_exited(l->keeper);
    }
}

/* ---- beginning and end */

static uint32_t pk__launching_deadline(const pk_launch *l)
{
    uint32_t ms = l->life->desc->deadline.start_ms;
    bool first = pk__registry_is_unknown(l->plugin) && l->plugin->failures == 0; // pk_manager_start waits for that
    uint32_t most = l->kept ? PK__LIFE_ADOPT_MS : first ? PK__REACHING_FIRST_MS : ms;
    return PK__MIN(ms, most);
}

PK__FN int64_t pk__launching_until(const pk_launch *l)
{
    return pk__clock_after_ms(l->started_at, pk__launching_deadline(l));
}

static void pk__launching_out_of_reach(const pk_launch *l, pk_error *why)
{
    (void)pk_error_set(why, PK_ERR_PLUGIN_TIMEOUT, "cannot reach '%s': no answer from '%s' within %lu ms",
                       l->plugin->id, l->address ? l->address : "", (unsigned long)pk__launching_deadline(l));
}

#ifndef PLUGKIT_NO_PROCESS
/* It had its time and is not ready. What it has not done yet is the best that can be said, but for its own words. */
static void pk__launching_too_slow(const pk_launch *l, pk_error *why)
{
    const pk__instance *i = l->instance;
    unsigned long ms = pk__launching_deadline(l);
    char what[200];
    if (pk__registry_is_attached(l->plugin)) {
        pk__launching_out_of_reach(l, why);
        return;
    }
    if (!i) {
        (void)snprintf(what, sizeof(what), "it did not print its capabilities and end");
    } else if (!i->channel) {
        (void)snprintf(what, sizeof(what), "it did not say where it listens");
    } else if (l->trouble[0]) {
        (void)snprintf(what, sizeof(what), "it did not answer GET /healthz: %s", l->trouble);
    } else {
        (void)snprintf(what, sizeof(what), "it did not say that it is ready");
    }
    (void)pk_error_set(why, PK_ERR_PLUGIN_TIMEOUT, "cannot %s '%s': it was not ready within %lu ms: %s%s%s",
                       l->kept ? "adopt" : i ? "start" : "probe", l->plugin->id, ms, what, l->tail[0] ? ": " : "",
                       l->tail);
}
#else // nothing is started here
static void pk__launching_too_slow(const pk_launch *l, pk_error *why)
{
    pk__launching_out_of_reach(l, why);
}
#endif

static void pk__launching_on_time(void *user)
{
    pk_launch *l = (pk_launch *)user;
    pk_error why;
    switch (l->step) {
    case PK__LAUNCH_STARTING:
        pk__launching_too_slow(l, &why);
        pk__launching_fail(l, &why);
        break;
    case PK__LAUNCH_UP: break;
    case PK__LAUNCH_DRAINING:
    case PK__LAUNCH_ASKED:
    case PK__LAUNCH_TOLD: pk__keeper_drained(l->keeper); break;
    case PK__LAUNCH_KILLED: pk__launching_signal(l, 2); break;
    case PK__LAUNCH_EXITED: break;
    }
}

PK__FN void pk__launching_arm(pk_launch *l, uint32_t delay_ms)
{
    pk_error why;
    if (pk_timer_start(l->life->loop, &l->timer, delay_ms, &why)) {
        pk__life_log(l->life, PK_LOG_ERROR, "plugin.timer", l->plugin->id, why.msg);
        pk__launching_signal(l, 2); // without a deadline nothing may run
    }
}

PK__FN void pk__launching_signal(pk_launch *l, int how)
{
    if (how == 2) {
        l->step = l->step == PK__LAUNCH_EXITED ? l->step : PK__LAUNCH_KILLED;
    }
    if (l->state && l->step != PK__LAUNCH_EXITED) {
        l->launcher->stop(l->state, how);
    } else if (!l->launcher && l->step != PK__LAUNCH_EXITED) {
        pk_launch_exited(l, 0, "closed"); // a remote plugin: nothing to wait for
    }
}

#ifndef PLUGKIT_NO_NET
/* As it is called from here: a plugin that listens on 0.0.0.0 is on this machine. */
static const char *pk__launching_address(pk_mem *mem, pk_str said)
{
    char text[PK__ADDRESS_TEXT_MAX];
    pk__address a;
    if (pk__address_parse(&a, said, NULL) == PK_OK && a.kind != PK__ADDRESS_OTHER) {
        pk__address_loopback(&a);
        (void)pk__address_format(&a, text, sizeof(text));
        said = pk_str_from(text);
    }
    return pk_mem_dup(mem, said).ptr;
}
#else
static const char *pk__launching_address(pk_mem *mem, pk_str said)
{
    return pk_mem_dup(mem, said).ptr;
}
#endif

#ifdef PLUGKIT_WITH_ATTACH
/* The one of its addresses that is tried. */
static const char *pk__launching_via(const pk_launch *l)
{
    return l->names ? l->names->number[l->via] : NULL;
}
#else
static const char *pk__launching_via(const pk_launch *l)
{
    (void)l;
    return NULL;
}
#endif

PK__FN pk_err pk__launching_connect(pk_launch *l, const char *dialect, pk_str address, const char *token,
                                    pk_error *err)
{
    pk__instance *i = l->instance;
    pk_endpoint endpoint;
    void *channel = NULL;
    memset(&endpoint, 0, sizeof(endpoint));
    const pk_dialect *d = pk__life_dialect(l->life, dialect);
    if (!d) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot talk to '%s': nobody knows the dialect '%s'",
                            l->plugin->id, dialect);
    }
    const char *shown = pk__launching_address(&i->mem, address);
    if (!shown) {
        return pk__error_memory(err, "take the plugin's address");
    }
    if (pk__securing_check(l, address, err)) {
        return err->code;
    }
    endpoint.address = shown;
    endpoint.dialect = dialect;
    endpoint.token = pk_str_from(token);
    endpoint.via = pk__launching_via(l);
    endpoint.link = &l->link;
    if (PK__SECURE_BUILT) {
        endpoint.tls = l->tls;
        endpoint.tls_name = l->tls_name;
    }
    pk_err rc = d->open(d->user, l->life->loop, &endpoint, &channel, err);
    if (!rc && !channel) { // NULL means "not there yet" to callers
        rc = pk_error_set(err, PK_ERR_MISUSE, "its dialect '%s' opened no channel", dialect);
    }
    if (rc) {
        pk__error_wrap(err, "cannot talk to '%s'", l->plugin->id);
        return rc;
    }
    pk__registry_lock(l->life->registry);
    i->dialect = d;
    i->channel = channel;
    i->address = shown;
    pk__registry_unlock(l->life->registry);
    return PK_OK;
}

static pk_err pk__launching_instance(pk_launch *l, pk_error *err)
{
    pk__instance *i = (pk__instance *)pk__new(l->life->alloc, sizeof(*i));
    char token[65];
    if (!i) {
        return pk__error_memory(err, "start a plugin");
    }
    i->mem.alloc = l->life->alloc;
    i->plugin = l->plugin;
    i->life = l;
    if (l->kept) {
        (void)snprintf(i->name, sizeof(i->name), "%" PK_FMT, PK_ARG(l->kept->record.instance));
    } else {
        (void)snprintf(i->name, sizeof(i->name), "%s-%lu", l->plugin->id, (unsigned long)++l->keeper->serial);
    }
    l->instance = i;
    pk__registry_lock(l->life->registry);
    pk__list_push(&l->plugin->instances, &i->node);
    pk__registry_unlock(l->life->registry);
    if (!l->plugin->path && !l->kept) {
        return PK_OK; // somebody else runs it: it gets no token of ours, and nothing here is open to it
    }
    pk_err rc = l->kept ? PK_OK : pk__random_token(token, err);
    if (!rc) {
        i->token = pk_mem_dup(&i->mem, l->kept ? l->kept->record.token : pk_str_from(token)).ptr;
        rc = i->token ? PK_OK : pk__error_memory(err, "start a plugin");
    }
    return rc;
}

#ifndef PLUGKIT_NO_PROCESS

static const pk_launcher *pk__launching_launcher(const pk__life *life, const pk__plugin *p)
{
    pk_found found;
    memset(&found, 0, sizeof(found));
    found.id = p->id;
    found.path = p->path;
    for (size_t i = 0; p->path && i < life->launcher_count; i++) {
        const pk_launcher *l = life->launchers[i];
        if (!l->fits || l->fits(l->user, &found)) {
            return l;
        }
    }
    return NULL;
}

static pk_err pk__launching_run(pk_launch *l, pk_error *err)
{
    pk_buf hello;
    void *state = NULL;
    l->launcher = l->kept ? l->life->adopter : pk__launching_launcher(l->life, l->plugin);
    if (!l->launcher && l->plugin->path) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot start '%s': there is no launcher for it", l->plugin->id);
    }
    if (!l->launcher) { // it runs already
        pk_launch_host_death(l, "survives");
        pk_launch_listening(l, &l->plugin->endpoint);
        return PK_OK;
    }
    pk_buf_init(&hello, l->life->alloc, 1024 * 1024);
    pk_err rc = l->instance && !l->kept ? pk__telling_check(l, err) : PK_OK;
    rc = rc ? rc : pk__securing_prepare(l, err);
    rc = rc ? rc : pk__telling_prepare(l, &hello, err);
    rc = rc ? rc : pk__surviving_record(l, err);
    pk__isolating_prepare(l);
    /* Reports may come before start has returned; what they ask for waits until there is something to stop. */
    rc = rc ? rc : l->launcher->start(l->launcher->user, l, &l->info, &state, err);
    l->state = state;
    if (!rc) {
        pk__isolating_check(l);
    }
    if (!rc && l->failure.code) {
        pk__launching_signal(l, 2);
    }
    if (!rc && hello.len && l->launcher->send && l->launcher->send(l->state, pk_buf_str(&hello), err)) {
        l->failure = *err;
        pk__launching_signal(l, 2); // it has started: its exit ends it
    }
    if (rc) {
        pk__surviving_clean_up(l);
    }
    pk__securing_told(l, &hello);
    pk_buf_free(&hello);
    return rc;
}

#else

static pk_err pk__launching_run(pk_launch *l, pk_error *err)
{
    if (l->plugin->path) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot start '%s': this build starts no processes",
                            l->plugin->id);
    }
    pk_launch_host_death(l, "survives");
    pk_launch_listening(l, &l->plugin->endpoint);
    return PK_OK;
}

#endif

PK__FN pk_err pk__launching_begin(pk__keeper *k, bool probe, pk_error *err)
{
    pk__life *life = k->life;
    pk_launch *l = (pk_launch *)pk__new(life->alloc, sizeof(*l));
    pk_error own;
    err = err ? err : &own;
    if (!l) {
        return pk__error_memory(err, "start a plugin");
    }
    l->life = life;
    l->keeper = k;
    l->plugin = k->plugin;
    l->mem.alloc = life->alloc;
    l->started_at = pk__clock_ns();
    l->task.run = pk__launching_on_report;
    l->task.user = l;
    l->timer.on_time = pk__launching_on_time;
    l->timer.user = l;
    l->kept = probe ? NULL : k->kept;
    k->kept = NULL;
    pk__hearing_init(l);
    k->launch = l;
    pk_err rc = probe ? PK_OK : pk__launching_instance(l, err);
    rc = rc ? rc : pk_timer_start(life->loop, &l->timer, pk__launching_deadline(l), err);
    rc = rc ? rc : pk__launching_run(l, err);
    if (rc) {
        pk__launching_destroy(l);
    }
    return rc;
}

PK__FN void pk__launching_destroy(pk_launch *l)
{
    pk__life *life = l->life;
    pk__instance *i = l->instance;
    pk__health_end(l);
    pk__reaching_end(l);
    pk__securing_end(l);
    pk_timer_stop(life->loop, &l->timer);
    pk_loop_unpost(life->loop, &l->task);
    if (i) {
        if (i->channel) {
            i->dialect->close(i->channel);
        }
        pk__registry_lock(life->registry);
        if (l->plugin->instance == i) {
            l->plugin->instance = NULL;
        }
        pk__list_remove(&i->node);
        pk__registry_unlock(life->registry);
        pk_mem_free(&i->mem);
        pk__free(life->alloc, i, sizeof(*i));
    }
    if (l->state && l->launcher->free) {
        l->launcher->free(l->state);
    }
    pk__strfree(life->alloc, l->address);
    if (PK__SECURE_BUILT) {
        pk__strfree(life->alloc, l->tls_name);
    }
    pk__strfree(life->alloc, l->dialect);
    pk__strfree(life->alloc, l->token);
    pk__hearing_deinit(l);
    pk__surviving_free(l->kept);
    pk_mem_free(&l->mem);
    l->keeper->launch = NULL;
    pk__free(life->alloc, l, sizeof(*l));
}
