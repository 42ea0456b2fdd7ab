/* life.c - the work task: what was noted in the registry is done here. */
#include "life.h"

#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/fork.h"
#include "../../os/loop.h"
#include "depends.h"
#include "reaching.h"
#include "securing.h"
#include "surviving.h"

PK__FN const pk_dialect *pk__life_dialect(const pk__life *life, const char *name)
{
    for (size_t i = 0; i < life->dialect_count; i++) {
        if (strcmp(life->dialects[i]->name, name) == 0) {
            return life->dialects[i];
        }
    }
    return NULL;
}

/* ---- the router of life's own requests: they go to an instance by name, ready or not */

static pk_err pk__life_take(void *user, const pk_call_desc *desc, pk__waiter *w, pk__target *out, pk_error *err)
{
    pk__life *life = (pk__life *)user;
    pk_err rc = PK_ERR_STALE;
    (void)w;
    memset(out, 0, sizeof(*out));
    pk__registry_lock(life->registry);
    pk__instance *i = pk__registry_instance(life->registry, pk_str_from(desc->plugin));
    if (i && i->channel && i->state != PK__INSTANCE_GONE) {
        out->dialect = i->dialect;
        out->channel = i->channel;
        out->instance = i;
        out->plugin = pk_str_from(i->plugin->id);
        out->instance_name = pk_str_from(i->name);
        (void)pk_str_cut(pk_str_from(desc->http), ' ', &out->verb, &out->path);
        i->in_care++;
        rc = PK_OK;
    }
    pk__registry_unlock(life->registry);
    return rc ? pk_error_set(err, rc, "cannot ask '%s': it has gone", desc->plugin) : PK_OK;
}

static void pk__life_unqueue(void *user, pk__waiter *w)
{
    (void)user; // nobody is ever queued
    (void)w;
}

static void pk__life_give_back(void *user, pk__target *target, const pk__usage *usage)
{
    pk__life *life = (pk__life *)user;
    pk__instance *i = (pk__instance *)target->instance;
    (void)usage;
    pk__registry_lock(life->registry);
    i->in_care--;
    if (i->state == PK__INSTANCE_GONE) {
        pk_loop_post(life->loop, &life->registry->work);
    }
    pk__registry_unlock(life->registry);
}

static pk_err pk__life_bind(void *user, pk_stub *stub, pk_error *err)
{
    (void)user;
    (void)stub;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot bind: this caller is not for users");
}

/* ---- one plugin has something noted */

/* Who looks after it; NULL = nobody yet, or nobody needs to: an internal plugin's `life` is the manager's. */
static pk__keeper *pk__life_keeper_of(const pk__plugin *p)
{
    return p->internal ? NULL : (pk__keeper *)p->life;
}

static pk__keeper *pk__life_keeper(pk__life *life, pk__plugin *p)
{
    pk__keeper *k = (pk__keeper *)pk__new(life->alloc, sizeof(*k));
    if (k) {
        k->life = life;
        k->plugin = p;
        k->serial = pk__surviving_serial(life, p->id);
        p->life = k;
        pk__registry_lock(life->registry);
        p->is_disabled = p->is_disabled || pk__life_rule(life, p)->disabled;
        pk__registry_unlock(life->registry);
    }
    return k;
}

/* A plugin that has just been found: probed, unless what it offers is known already. */
static void pk__life_admit(pk__life *life, pk__keeper *k)
{
    pk__plugin *p = k->plugin;
    pk_error why;
    if (p->probed) { // it was disabled meanwhile
        (void)pk__keeper_move(k, PK__PLUGIN_ON_PROBE_OK, NULL);
        pk_loop_post(life->loop, &life->registry->work); // it may be wanted already
        return;
    }
    if (p->why.code != PK_OK) { // the finder or the guard had something against it
        why = p->why;
        (void)pk__keeper_move(k, PK__PLUGIN_ON_REJECT, &why);
        return;
    }
    if (p->path && p->capabilities.len == 0) {
        if (life->probes >= PK__LIFE_PROBES) {
            return; // its turn comes when another one is done
        }
        (void)pk__keeper_move(k, PK__PLUGIN_ON_ADMIT, NULL);
        life->probes++;
        if (pk__launching_begin(k, true, &why)) {
            life->probes--;
            pk__keeper_explain(k, "probe", &why);
            (void)pk__keeper_move(k, PK__PLUGIN_ON_REJECT, &why);
        }
        return;
    }
    pk_err rc = PK_OK;
    if (p->capabilities.len) {
        rc = pk__keeper_learn(k, p->capabilities, &why);
    } else {
        pk__registry_lock(life->registry);
        p->speaks_plugkit = true;
        p->is_unknown = pk__reaching_asks(life, p);
        pk__registry_unlock(life->registry);
    }
    (void)pk__keeper_move(k, rc ? PK__PLUGIN_ON_REJECT : PK__PLUGIN_ON_PROBE_OK, rc ? &why : NULL);
    pk_loop_post(life->loop, &life->registry->work); // it may be wanted already
}

/* Does anything run that needs it? */
static bool pk__life_is_needed(pk__life *life, const pk__plugin *p)
{
    pk__registry *r = life->registry;
    bool needed = false;
    if (!life->has_needs) {
        return false;
    }
    pk__registry_lock(r);
    for (pk__node *n = r->plugins.next; n != &r->plugins && !needed; n = n->next) {
        pk__plugin *other = PK__OF(n, pk__plugin, node);
        const pk__keeper *k = pk__life_keeper_of(other);
        needed = k && k->launch && pk__rules_needs(life, other, p);
    }
    pk__registry_unlock(r);
    return needed;
}

static void pk__life_look(pk__life *life, pk__plugin *p)
{
    pk__keeper *k = pk__life_keeper_of(p);
    if (p->skipped && !p->internal && !p->is_told) {
        p->is_told = true;
        pk__life_event(life, "plugin.skipped", 0, p, "", "", &p->why);
    }
    if (p->internal || p->skipped) {
        return;
    }
    if (!k) {
        k = p->state == PK__PLUGIN_FOUND ? pk__life_keeper(life, p) : NULL;
        if (!k) { // nobody to look after it: it is out
            pk__registry_lock(life->registry);
            bool is_new = pk__states_plugin(&p->state, PK__PLUGIN_ON_REJECT);
            if (is_new) {
                (void)pk__error_memory(&p->why, "look after the plugin");
            }
            if (is_new || p->is_unasked) {
                p->stops++;
                p->is_unasked = false;
                pk__registry_wake(life->registry, p);
            }
            pk__registry_unlock(life->registry);
            return;
        }
        pk__life_event(life, "plugin.found", 0, p, "", pk__states_plugin_text(PK__PLUGIN_FOUND), NULL);
    }
    pk__registry_lock(life->registry);
    pk__plugin_state state = p->state;
    bool asked = p->is_asked;
    bool suspect = p->instance && p->instance->suspect;
    bool eager = (life->desc->eager || pk__registry_is_unknown(p)) && p->starts == 0 && p->failures == 0;
    bool unasked = p->is_unasked || p->is_gone;
    bool runs = k->launch && k->launch->instance;
    bool disabled = p->is_disabled;
    bool stops = unasked && (runs || p->is_gone || !asked); // of two wishes the one to stop comes first
    p->is_asked = asked && !p->is_gone &&
                  (stops || state == PK__PLUGIN_FOUND || state == PK__PLUGIN_PROBING || state == PK__PLUGIN_STOPPING);
    p->is_unasked = false;
    pk__registry_unlock(life->registry);
    if (unasked && !runs) {
        pk__keeper_is_down(k);
    }
    if (life->is_stopping && k->launch && pk__life_is_needed(life, p)) {
        return; // its turn comes when those that need it are down
    }
    if (life->is_stopping || stops) {
        pk__keeper_stop(k);
    } else if (disabled) {
        pk__keeper_disable(k);
    } else if (state == PK__PLUGIN_DISABLED) {
        (void)pk__keeper_move(k, PK__PLUGIN_ON_ENABLE, NULL);
        pk_loop_post(life->loop, &life->registry->work); // found once more
    } else if (state == PK__PLUGIN_FOUND) {
        pk__life_admit(life, k);
    } else if (k->is_waiting) {
        pk__keeper_start_on(k);
    } else if (state == PK__PLUGIN_STOPPED && pk__surviving_adopt(k)) {
        state = PK__PLUGIN_STARTING; // or stopped again: then who waits for it is woken
    } else if (asked || (eager && state == PK__PLUGIN_STOPPED)) {
        pk__keeper_start(k);
    }
    if (k->launch && k->launch->instance) {
        if (suspect) {
            pk__keeper_suspect(k);
        }
        pk__keeper_drained(k);
    }
    if (p->is_gone && !k->launch) {
        pk__keeper_unload(k);
    }
}

static void pk__life_work(void *user)
{
    pk__life *life = (pk__life *)user;
    pk__registry *r = life->registry;
    pk__registry_lock(r);
    pk__node *n = r->plugins.next;
    bool is_started = r->is_started;
    bool is_settled = r->is_settled && !life->is_stopping;
    pk__registry_unlock(r);
    if (is_started) {
        pk__surviving_read(life);
    }
#ifdef PLUGKIT_WITH_MANIFESTS
    pk__depends_resolve(life);
#endif
    while (n != &r->plugins) { // plugins are only ever added, at the end
        pk__life_look(life, PK__OF(n, pk__plugin, node));
        pk__registry_lock(r);
        n = n->next;
        pk__registry_unlock(r);
    }
    if (is_settled) {
        pk__surviving_sweep(life);
    }
    pk__life_settle(life);
}

PK__FN void pk__life_settle(pk__life *life)
{
    pk__registry *r = life->registry;
    if (!life->is_stopping || life->is_told) {
        return;
    }
    for (pk__node *n = r->plugins.next; n != &r->plugins; n = n->next) {
        const pk__keeper *k = pk__life_keeper_of(PK__OF(n, pk__plugin, node));
        if (k && k->launch) {
            return;
        }
    }
    life->is_told = true;
    for (pk__node *n = r->plugins.next; n != &r->plugins; n = n->next) {
        pk__keeper *k = pk__life_keeper_of(PK__OF(n, pk__plugin, node));
        if (k) {
            pk__keeper_unload(k);
        }
    }
    /* First: who waits for the stop may free what it uses. */
    pk__life_event(life, "manager.stopped", 0, NULL, "", "", NULL);
    pk__registry_lock(r);
    life->is_stopped = true;
    pk__cond_broadcast(&r->changed);
    pk_loop_wake(r->loop);
    pk__registry_unlock(r);
    if (life->on_stopped) {
        life->on_stopped(life->user);
    }
}

/* ---- all of it */

#ifndef PLUGKIT_NO_NET
/* The caller of health and the like, with the interceptors that want to see those requests. */
static pk_err pk__life_care(pk__life *life, const pk__router *router, pk_error *err)
{
    size_t count = life->desc->interceptor_count, n = 0;
    const pk_interceptor **own = (const pk_interceptor **)pk__new(life->alloc, (count + 1) * sizeof(*own));
    if (!own) {
        return pk__error_memory(err, "look after plugins");
    }
    for (size_t i = 0; i < count; i++) {
        if (life->desc->interceptors[i]->own_requests) {
            own[n++] = life->desc->interceptors[i];
        }
    }
    pk_err rc = pk__caller_init(&life->care, life->alloc, life->loop, router, own, n, err);
    pk__free(life->alloc, (void *)own, (count + 1) * sizeof(*own));
    return rc;
}
#else
static pk_err pk__life_care(pk__life *life, const pk__router *router, pk_error *err)
{
    return pk__caller_init(&life->care, life->alloc, life->loop, router, NULL, 0, err);
}
#endif

PK__FN pk_err pk__life_init(pk__life *life, pk__registry *registry, pk_error *err)
{
    pk__router router = {pk__life_take, pk__life_unqueue, pk__life_give_back, pk__life_bind, life};
    life->registry = registry;
    life->alloc = registry->alloc;
    life->desc = registry->desc;
    life->loop = registry->loop;
    registry->work.run = pk__life_work;
    registry->work.user = life;
    for (size_t i = 0; i < life->desc->rule_count; i++) {
        life->has_needs = life->has_needs || (life->desc->rules[i].needs && life->desc->rules[i].needs[0]);
    }
    pk_err rc = pk__life_care(life, &router, err);
    return rc ? rc : pk__securing_open(life, err);
}

PK__FN void pk__life_stop(pk__life *life)
{
    pk__registry_lock(life->registry);
    life->is_stopping = true;
    life->registry->is_closed = true;
    for (pk__node *n = life->registry->plugins.next; n != &life->registry->plugins; n = n->next) {
        pk__registry_wake(life->registry, PK__OF(n, pk__plugin, node)); // who waits for a start is told
    }
    pk__registry_unlock(life->registry);
    pk__life_event(life, "manager.stopping", 0, NULL, "", "", NULL);
    pk__life_work(life);
}

PK__FN void pk__life_deinit(pk__life *life)
{
    if (!life->registry) {
        return;
    }
    pk__caller_cancel_all(&life->care);
    for (pk__node *n = life->registry->plugins.next; n != &life->registry->plugins; n = n->next) {
        pk__keeper *k = pk__life_keeper_of(PK__OF(n, pk__plugin, node));
        if (k && k->launch) {
            pk__launching_destroy(k->launch); // only in a forked child: the parent's processes stay its own
        }
        if (k) {
            pk__keeper_destroy(k);
        }
    }
    pk__caller_deinit(&life->care);
    pk_loop_unpost(life->loop, &life->registry->work);
    memset(life, 0, sizeof(*life));
}
