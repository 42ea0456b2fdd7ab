/* rules.c - how each plugin is to be looked after, and who needs whom. */
#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../os/loop.h"
#include "life.h"

PK__FN const pk_plugin_rule *pk__life_rule(const pk__life *life, const pk__plugin *p)
{
    static const pk_plugin_rule none;
    const pk_plugin_rule *all = &none;
    for (size_t i = life->desc->rule_count; i-- > 0;) {
        const pk_plugin_rule *rule = &life->desc->rules[i];
        all = rule->plugin ? all : rule;
    }
    for (size_t i = 0; i < life->desc->rule_count; i++) {
        const pk_plugin_rule *rule = &life->desc->rules[i];
        if (rule->plugin && strcmp(rule->plugin, p->id) == 0) {
            return rule;
        }
    }
    return all;
}

PK__FN uint32_t pk__life_stop_ms(const pk__life *life, const pk__plugin *p)
{
    uint32_t own = pk__life_rule(life, p)->stop_ms;
    return own ? own : life->desc->deadline.stop_ms;
}

#ifndef PLUGKIT_NO_PROCESS

static bool pk__rules_lists(const pk_plugin_rule *rule, const char *id)
{
    for (size_t i = 0; rule->needs && rule->needs[i]; i++) {
        if (strcmp(rule->needs[i], id) == 0) {
            return true;
        }
    }
    return false;
}

/* By its manifest; of_use: what it may do without counts as well. */
static bool pk__rules_depends(const pk__plugin *p, const pk__plugin *other, bool of_use)
{
#ifdef PLUGKIT_WITH_MANIFESTS
    for (size_t i = 0; i < p->need_count; i++) {
        if (p->needs[i].plugin == other && (of_use || !p->needs[i].is_optional)) {
            return true;
        }
    }
#else
    (void)p, (void)other, (void)of_use;
#endif
    return false;
}

PK__FN bool pk__rules_needs(const pk__life *life, const pk__plugin *p, const pk__plugin *other)
{
    return pk__rules_lists(pk__life_rule(life, p), other->id) || pk__rules_depends(p, other, true);
}

/* Why there is no hope for one that is needed; false = there is. Locked. */
static bool pk__rules_is_hopeless(const pk__registry *r, const pk__plugin *p, const char *id, char *why, size_t cap)
{
    const char *what = !p               ? (r->scans ? NULL : "there is no such plugin")
                       : p->is_gone     ? "it has been removed"
                       : p->is_disabled ? "it is disabled"
                       : p->skipped || p->state == PK__PLUGIN_REJECTED || p->state == PK__PLUGIN_FAILED ? p->why.msg
                                                                                                        : NULL;
    if (what) {
        (void)snprintf(why, cap, "it needs '%s': %s", id, what);
    }
    return what != NULL;
}

typedef struct pk__rules_sight { // of all that one needs
    bool is_first; // what is stopped is wished for
    bool is_early; // and for some it is too early for that
    bool waits;
    uint32_t failed;
    const char *last;
    char why[300];
} pk__rules_sight;

static void pk__rules_see(pk__registry *r, pk__plugin *need, const char *id, pk__rules_sight *s)
{
    if (pk__rules_is_hopeless(r, need, id, s->why, sizeof(s->why)) || (need && need->internal)) {
        return;
    }
    s->failed += need ? need->failures : 0;
    if (!need || need->state != PK__PLUGIN_RUNNING) {
        s->waits = true;
        s->is_early = s->is_early || (need && (need->state == PK__PLUGIN_FOUND || need->state == PK__PLUGIN_PROBING));
        s->last = need && need->why.code ? need->why.msg : s->last;
    }
    if (need && need->state == PK__PLUGIN_STOPPED && !need->is_asked && s->is_first) {
        need->is_asked = true;
        pk_loop_post(r->loop, &r->work);
    }
}

#ifdef PLUGKIT_WITH_MANIFESTS
/* It may do without: it waits while that one comes, and not for one that does not. */
static void pk__rules_see_optional(pk__registry *r, pk__plugin *need, pk__rules_sight *s)
{
    char why[300];
    if (need->internal || pk__rules_is_hopeless(r, need, need->id, why, sizeof(why))) {
        return;
    }
    if (need->state == PK__PLUGIN_STOPPED && s->is_first && !need->is_asked) {
        need->is_asked = true;
        pk_loop_post(r->loop, &r->work);
    }
    bool early = need->state == PK__PLUGIN_FOUND || need->state == PK__PLUGIN_PROBING;
    s->is_early = s->is_early || early;
    s->waits = s->waits || early || need->state == PK__PLUGIN_STARTING ||
               (need->state == PK__PLUGIN_STOPPED && need->is_asked);
}

static void pk__rules_see_manifest(pk__registry *r, const pk__plugin *p, pk__rules_sight *s)
{
    bool asks = p->about && p->about->manifest.dependencies.count > 0;
    if (p->unmet) {
        (void)snprintf(s->why, sizeof(s->why), "%s", p->unmet);
    } else if (asks && r->is_unresolved) {
        s->waits = s->is_early = true; // until all are there to be looked at
        return;
    }
    for (size_t i = 0; !s->why[0] && i < p->need_count; i++) {
        if (p->needs[i].is_optional) {
            pk__rules_see_optional(r, p->needs[i].plugin, s);
        } else {
            pk__rules_see(r, p->needs[i].plugin, p->needs[i].plugin->id, s);
        }
    }
}
#endif

PK__FN pk_err pk__rules_ready(pk__life *life, const pk__plugin *p, uint32_t *failures, pk_error *err)
{
    pk__registry *r = life->registry;
    const pk_plugin_rule *rule = pk__life_rule(life, p);
    pk__rules_sight s;
    memset(&s, 0, sizeof(s));
    s.is_first = *failures == UINT32_MAX;
    s.last = "";
    pk__registry_lock(r);
    for (size_t i = 0; !s.why[0] && rule->needs && rule->needs[i]; i++) {
        pk__rules_see(r, pk__registry_find(r, pk_str_from(rule->needs[i])), rule->needs[i], &s);
    }
#ifdef PLUGKIT_WITH_MANIFESTS
    pk__rules_see_manifest(r, p, &s);
#endif
    if (!s.why[0] && s.waits && !s.is_first && s.failed != *failures && s.last[0]) { // else it was up since
        (void)snprintf(s.why, sizeof(s.why), "what it needs does not start: %s", s.last);
    }
    *failures = s.is_early ? UINT32_MAX : s.failed;
    pk__registry_unlock(r);
    return s.why[0] ? pk_error_set(err, PK_ERR_START, "%s", s.why) : s.waits ? PK_ERR_BUSY : PK_OK;
}

PK__FN void pk__rules_fell(pk__life *life, const pk__plugin *fallen)
{
    pk__registry *r = life->registry;
    if (!life->has_needs) {
        return;
    }
    pk__registry_lock(r);
    for (pk__node *n = r->plugins.next; n != &r->plugins; n = n->next) {
        pk__plugin *p = PK__OF(n, pk__plugin, node);
        if (!p->internal && p->state == PK__PLUGIN_RUNNING &&
            (pk__rules_lists(pk__life_rule(life, p), fallen->id) || pk__rules_depends(p, fallen, false))) {
            p->is_unasked = true; // of both wishes the one to stop is granted first
            p->is_asked = true;
            pk_loop_post(r->loop, &r->work);
        }
    }
    pk__registry_unlock(r);
}

#else // what is compiled in or remote needs nobody

PK__FN bool pk__rules_needs(const pk__life *life, const pk__plugin *p, const pk__plugin *other)
{
    (void)life, (void)p, (void)other;
    return false;
}

PK__FN pk_err pk__rules_ready(pk__life *life, const pk__plugin *p, uint32_t *failures, pk_error *err)
{
    (void)life, (void)p, (void)failures, (void)err;
    return PK_OK;
}

PK__FN void pk__rules_fell(pk__life *life, const pk__plugin *fallen)
{
    (void)life, (void)fallen;
}
#endif
