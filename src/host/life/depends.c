/* depends.c - the graph of what plugins need. */
#include "depends.h"
#ifdef PK__DEPENDS
#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/loop.h"

enum { PK__DEPENDS_TEXT = 200, PK__DEPENDS_SHOWN = 6 };

typedef struct pk__depends_node {
    pk__plugin *plugin;
    bool is_gone, is_done;
    uint32_t first, count;           // its edges
    uint32_t waits;                  // for so many of them
    uint32_t asked_first, asked;     // edges that lead here, in `back`
    uint32_t walk;                   // of looking for circles; 0 = not seen
    const struct pk__depends_node *root; // why it cannot start is written there; NULL = it can
    const struct pk__depends_node *by;   // and this is what it needs of that
    const char *text;                // of a root
} pk__depends_node;

typedef struct pk__depends_edge {
    uint32_t from, to;
    bool is_optional, is_rule, is_dropped;
} pk__depends_edge;

typedef struct pk__depends {
    pk__life *life;
    pk_mem mem;
    pk__map by_id;
    pk__depends_node *nodes;
    pk__depends_edge *edges;
    uint32_t *back, *queue;
    uint32_t count, edge_count, head, tail;
    bool failed; // out of memory
} pk__depends;

static const pk_manifest *pk__depends_manifest(const pk__plugin *p)
{
    return p->about && p->about->why.code == PK_OK ? &p->about->manifest : NULL;
}

/* Who is there. False: there is nothing to do. */
static bool pk__depends_see(pk__depends *d)
{
    pk__registry *r = d->life->registry;
    pk__registry_lock(r);
    bool due = r->is_unresolved && r->scans == 0;
    uint32_t count = 0;
    for (pk__node *n = r->plugins.next; due && n != &r->plugins; n = n->next) {
        count++;
    }
    d->nodes = due ? (pk__depends_node *)pk_mem_zero(&d->mem, (count + 1) * sizeof(*d->nodes)) : NULL;
    for (pk__node *n = r->plugins.next; d->nodes && n != &r->plugins; n = n->next) {
        pk__plugin *p = PK__OF(n, pk__plugin, node);
        pk__depends_node *node = &d->nodes[d->count];
        if (!p->skipped) {
            node->plugin = p;
            node->is_gone = p->is_gone;
            d->count++;
        }
    }
    r->is_unresolved = r->is_unresolved && !due;
    d->failed = due && !d->nodes;
    pk__registry_unlock(r);
    return due;
}

/* ---- edges */

static void pk__depends_block(pk__depends *d, pk__depends_node *node, const char *format, ...)
{
    char text[PK__DEPENDS_TEXT];
    va_list args;
    if (node->root) {
        return; // one reason is enough
    }
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pk_str whole = {text, len < 0 ? 0 : PK__MIN((size_t)len, sizeof(text) - 1)};
    node->text = pk_mem_dup(&d->mem, whole).ptr;
    node->root = node;
    d->failed = d->failed || !node->text;
}

/* Can this one serve? If it cannot, and has to, the reason is noted. */
static bool pk__depends_fits(pk__depends *d, pk__depends_node *node, const pk__depends_node *to, pk_str id,
                             const pk_dependency *need)
{
    bool must = !need->optional;
    const char *blank = need->range.len ? " " : "";
    if (!to || to->is_gone) {
        if (must) {
            pk__depends_block(d, node, "it needs '%" PK_FMT "'%s%.60s, and there is no such plugin", PK_ARG(id), blank,
                              need->range.ptr ? need->range.ptr : "");
        }
        return false;
    }
    const pk__plugin *p = to->plugin;
    if (p->about && p->about->why.code) {
        if (must) {
            pk__depends_block(d, node, "it needs '%s', which cannot be used: %s", p->id, p->about->why.msg);
        }
        return false;
    }
    const pk_manifest *m = pk__depends_manifest(p);
    pk_str version = m ? m->version : p->version;
    if (need->range.len == 0 || (version.len == 0 && !p->probed) || pk_version_in(version, need->range)) {
        return true; // what does not say its version yet is asked before anybody needs it
    }
    if (must) {
        char range[64], said[64];
        (void)pk__error_clean(range, sizeof(range), need->range);
        (void)pk__error_clean(said, sizeof(said), version);
        pk__depends_block(d, node, "it needs '%s' %s, but '%s' %s%s", p->id, range, p->id,
                          version.len ? "is " : "does not say its version", said);
    }
    return false;
}

static void pk__depends_edge_to(pk__depends *d, uint32_t from, const pk__depends_node *to, bool optional, bool rule)
{
    pk__depends_edge *e = &d->edges[d->edge_count++];
    e->from = from;
    e->to = (uint32_t)(to - d->nodes);
    e->is_optional = optional;
    e->is_rule = rule;
    d->nodes[from].count++;
    d->nodes[e->to].asked++;
}

static void pk__depends_ask(pk__depends *d, uint32_t i)
{
    pk__depends_node *node = &d->nodes[i];
    const pk_manifest *m = pk__depends_manifest(node->plugin);
    const pk_plugin_rule *rule = pk__life_rule(d->life, node->plugin);
    node->first = d->edge_count;
    for (size_t k = 0; m && k < m->dependencies.count; k++) {
        const pk_dependency *need = &m->dependencies.items[k];
        const pk__depends_node *to = (const pk__depends_node *)pk__map_get(&d->by_id, need->id);
        if (pk__depends_fits(d, node, to, need->id, need)) {
            pk__depends_edge_to(d, i, to, need->optional, false);
        }
    }
    for (size_t k = 0; rule->needs && rule->needs[k]; k++) {
        const pk__depends_node *to = (const pk__depends_node *)pk__map_get(&d->by_id, pk_str_from(rule->needs[k]));
        if (to) { // else rules.c says so
            pk__depends_edge_to(d, i, to, false, true);
        }
    }
    node->waits = node->count;
}

static bool pk__depends_connect(pk__depends *d)
{
    size_t most = 0;
    for (uint32_t i = 0; i < d->count && !d->failed; i++) {
        const pk__plugin *p = d->nodes[i].plugin;
        const pk_manifest *m = pk__depends_manifest(p);
        const pk_plugin_rule *rule = pk__life_rule(d->life, p);
        most += m ? m->dependencies.count : 0;
        for (size_t k = 0; rule->needs && rule->needs[k]; k++) {
            most++;
        }
        pk_str id = pk_str_from(p->id);
        d->failed = !pk__map_get(&d->by_id, id) && !pk__map_put(&d->by_id, id, &d->nodes[i]);
    }
    d->edges = (pk__depends_edge *)pk_mem_zero(&d->mem, (most + 1) * sizeof(*d->edges));
    d->back = (uint32_t *)pk_mem_get(&d->mem, (most + 1) * sizeof(*d->back));
    d->queue = (uint32_t *)pk_mem_get(&d->mem, (d->count + (size_t)1) * sizeof(*d->queue));
    d->failed = d->failed || !d->edges || !d->back || !d->queue;
    for (uint32_t i = 0; i < d->count && !d->failed; i++) {
        pk__depends_ask(d, i);
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < d->count && !d->failed; i++) {
        d->nodes[i].asked_first = at;
        at += d->nodes[i].asked;
        d->nodes[i].asked = 0;
    }
    for (uint32_t e = 0; e < d->edge_count && !d->failed; e++) {
        pk__depends_node *to = &d->nodes[d->edges[e].to];
        d->back[to->asked_first + to->asked++] = e;
    }
    return !d->failed;
}

/* ---- crossing out */

static void pk__depends_release(pk__depends *d, uint32_t i)
{
    if (--d->nodes[i].waits == 0) {
        d->queue[d->tail++] = i;
    }
}

/* All that it needs is done: what of that cannot start keeps it from starting, too. */
static void pk__depends_inherit(pk__depends *d, pk__depends_node *node)
{
    for (uint32_t e = node->first; e < node->first + node->count && !node->root; e++) {
        const pk__depends_node *to = &d->nodes[d->edges[e].to];
        if (to->root && !d->edges[e].is_optional) {
            node->root = to->root;
            node->by = to;
        }
    }
}

static void pk__depends_cross_out(pk__depends *d)
{
    while (d->head < d->tail) {
        pk__depends_node *node = &d->nodes[d->queue[d->head++]];
        node->is_done = true;
        pk__depends_inherit(d, node);
        for (uint32_t k = 0; k < node->asked; k++) {
            const pk__depends_edge *e = &d->edges[d->back[node->asked_first + k]];
            if (!e->is_dropped) {
                pk__depends_release(d, e->from);
            }
        }
    }
}

static void pk__depends_order(pk__depends *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->nodes[i].waits == 0) {
            d->queue[d->tail++] = i;
        }
    }
    pk__depends_cross_out(d);
    for (uint32_t e = 0; e < d->edge_count && d->tail < d->count; e++) {
        pk__depends_edge *edge = &d->edges[e];
        if (edge->is_optional && !d->nodes[edge->from].is_done && !d->nodes[edge->to].is_done) {
            edge->is_dropped = true;
            pk__depends_release(d, edge->from);
        }
    }
    pk__depends_cross_out(d);
}

/* ---- circles: of each that is left, one need that is left is followed, and so a circle reached */

static uint32_t pk__depends_next(const pk__depends *d, uint32_t i)
{
    const pk__depends_node *node = &d->nodes[i];
    for (uint32_t e = node->first; e < node->first + node->count; e++) {
        if (!d->edges[e].is_dropped && !d->nodes[d->edges[e].to].is_done) {
            return d->edges[e].to;
        }
    }
    return i; // cannot be: then it would be done
}

/* "it needs itself: 'a' -> 'b' -> 'a'", as seen from a. */
static void pk__depends_name(pk__depends *d, uint32_t i, uint32_t length)
{
    char text[PK__DEPENDS_TEXT] = "";
    size_t len = 0;
    uint32_t at = i;
    for (uint32_t k = 0; k < length && k < PK__DEPENDS_SHOWN && len + 90 < sizeof(text); k++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "'%s' -> ", d->nodes[at].plugin->id);
        at = pk__depends_next(d, at);
    }
    if (length == 1) {
        pk__depends_block(d, &d->nodes[i], "it needs itself");
    } else if (at == i) {
        pk__depends_block(d, &d->nodes[i], "it needs itself: %s'%s'", text, d->nodes[i].plugin->id);
    } else {
        pk__depends_block(d, &d->nodes[i], "it needs itself in a circle of %lu: %s..", (unsigned long)length, text);
    }
}

static void pk__depends_circles(pk__depends *d)
{
    uint32_t walk = 0;
    for (uint32_t i = 0; i < d->count && !d->failed; i++) {
        uint32_t at = i, steps = 0;
        if (d->nodes[i].is_done || d->nodes[i].walk) {
            continue;
        }
        for (walk++; !d->nodes[at].walk; at = pk__depends_next(d, at)) {
            d->nodes[at].walk = walk;
            d->queue[steps++] = at; // free by now
        }
        if (d->nodes[at].walk == walk) { // a new one: from `at` on
            uint32_t first = steps;
            while (d->queue[first - 1] != at) {
                first--;
            }
            for (uint32_t k = first - 1; k < steps; k++) {
                pk__depends_name(d, d->queue[k], steps - first + 1);
            }
            steps = first - 1;
        }
        while (steps-- > 0) {
            pk__depends_node *node = &d->nodes[d->queue[steps]];
            if (!node->root) {
                node->by = &d->nodes[pk__depends_next(d, d->queue[steps])];
                node->root = node->by->root;
            }
        }
    }
}

/* ---- what comes of it */

static const char *pk__depends_say(pk__depends *d, const pk__depends_node *node)
{
    const pk__depends_node *root = node->root;
    if (!root || root == node) {
        return root ? root->text : NULL;
    }
    pk_str text = node->by == root
                      ? pk_mem_printf(&d->mem, "it needs '%s', which cannot start: %.140s", root->plugin->id,
                                      root->text)
                      : pk_mem_printf(&d->mem, "it needs '%s', and so '%s', which cannot start: %.100s",
                                      node->by->plugin->id, root->plugin->id, root->text);
    d->failed = d->failed || !text.ptr;
    return text.ptr;
}

/* Locked. */
static bool pk__depends_tell(pk__depends *d, const pk__depends_node *node, const char *unmet)
{
    pk__registry *r = d->life->registry;
    pk__plugin *p = node->plugin;
    uint32_t count = 0;
    for (uint32_t e = node->first; e < node->first + node->count; e++) {
        count += !d->edges[e].is_rule && !d->edges[e].is_dropped;
    }
    pk__need *needs = count ? (pk__need *)pk__new(r->alloc, count * sizeof(*needs)) : NULL;
    if (count && !needs) {
        return false;
    }
    pk__free(r->alloc, p->needs, p->need_count * sizeof(*p->needs));
    p->needs = needs;
    p->need_count = 0;
    for (uint32_t e = node->first; e < node->first + node->count; e++) {
        if (!d->edges[e].is_rule && !d->edges[e].is_dropped) {
            needs[p->need_count].plugin = d->nodes[d->edges[e].to].plugin;
            needs[p->need_count++].is_optional = d->edges[e].is_optional;
        }
    }
    if (!unmet || !p->unmet || strcmp(unmet, p->unmet) != 0) {
        p->unmet = unmet ? pk_mem_dup(&p->mem, pk_str_from(unmet)).ptr : NULL;
    }
    d->life->has_needs = d->life->has_needs || count;
    return !unmet || p->unmet;
}

static void pk__depends_publish(pk__depends *d)
{
    pk__registry *r = d->life->registry;
    for (uint32_t i = 0; i < d->count && !d->failed; i++) {
        pk__depends_node *node = &d->nodes[i];
        if (node->root || node->count || node->plugin->need_count || node->plugin->unmet) {
            const char *unmet = pk__depends_say(d, node);
            pk__registry_lock(r);
            d->failed = d->failed || !pk__depends_tell(d, node, unmet);
            pk__registry_unlock(r);
        }
    }
    pk__registry_lock(r);
    for (pk__node *n = r->plugins.next; d->failed && n != &r->plugins; n = n->next) {
        pk__plugin *p = PK__OF(n, pk__plugin, node);
        const pk_manifest *m = pk__depends_manifest(p);
        p->unmet = m && m->dependencies.count ? "there was no memory to look at what it needs" : p->unmet;
    }
    pk__cond_broadcast(&r->changed);
    pk_loop_wake(r->loop);
    pk__registry_unlock(r);
}

PK__FN void pk__depends_resolve(pk__life *life)
{
    pk__depends d;
    memset(&d, 0, sizeof(d));
    d.life = life;
    d.mem.alloc = life->alloc;
    pk__map_init(&d.by_id, life->alloc);
    if (pk__depends_see(&d)) {
        if (pk__depends_connect(&d)) {
            pk__depends_order(&d);
            pk__depends_circles(&d);
        }
        pk__depends_publish(&d);
    }
    pk__map_deinit(&d.by_id);
    pk_mem_free(&d.mem);
}

#endif
