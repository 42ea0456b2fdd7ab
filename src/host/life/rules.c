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

PK__FN bool pk__rules_needs(const pk__life *life, const pk__plugin *p, const pk__plugin *other)
{
    return pk__rules_lists(pk__life_rule(life, p), other->id);
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

PK__FN pk_err pk__rules_ready(pk__life *life, const pk__plugin *p, uint32_t *failures, pk_error *err)
{
    pk__registry *r = life->registry;
    const pk_plugin_rule *rule = pk__life_rule(life, p);
    char why[300] = "";
    uint32_t failed = 0;
    bool waits = false;
    const char *last = "";
    pk__registry_lock(r);
    for (size_t i = 0; !why[0] && rule->needs && rule->needs[i]; i++) {
        pk__plugin *need = pk__registry_find(r, pk_str_from(rule->needs[i]));
        if (pk__rules_is_hopeless(r, need, rule->needs[i], why, sizeof(why)) || (need && need->internal)) {
            continue;
        }
        failed += need ? need->failures : 0;
        if (!need || need->state != PK__PLUGIN_RUNNING) {
            waits = true;
            last = need && need->why.code ? need->why.msg : last;
        }
        if (need && need->state == PK__PLUGIN_STOPPED && !need->is_asked && *failures == UINT32_MAX) {
            need->is_asked = true;
            pk_loop_post(r->loop, &r->work);
        }
    }
    if (!why[0] && waits && *failures != UINT32_MAX && failed != *failures && last[0]) { // else it was up since
        (void)snprintf(why, sizeof(why), "what it needs does not start: %s", last);
    }
    *failures = failed;
    pk__registry_unlock(r);
    return why[0] ? pk_error_set(err, PK_ERR_START, "%s", why) : waits ? PK_ERR_BUSY : PK_OK;
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
        if (!p->internal && p->state == PK__PLUGIN_RUNNING && pk__rules_needs(life, p, fallen)) {
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
