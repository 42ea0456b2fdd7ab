/* registry.c - plugins, services, instances. */
#include "registry.h"

#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../rpc/service.h"

PK__FN void pk__registry_init(pk__registry *r, const pk_alloc *alloc, const pk_manager_desc *desc, pk_loop *loop)
{
    memset(r, 0, sizeof(*r));
    r->alloc = alloc;
    r->desc = desc;
    r->loop = loop;
    pk__mutex_init(&r->lock);
    pk__cond_init(&r->changed);
    pk__handles_init(&r->handles, alloc);
    pk__map_init(&r->by_id, alloc);
    pk__map_init(&r->by_service, alloc);
    pk__list_init(&r->plugins);
}

#ifdef PLUGKIT_WITH_MANIFESTS
PK__FN void pk__registry_drop_about(const pk_alloc *alloc, pk__about *about)
{
    if (about) {
        pk_mem_free(&about->mem);
        pk__free(alloc, about, sizeof(*about));
    }
}
#endif

PK__FN void pk__registry_deinit(pk__registry *r)
{
    if (!r->plugins.next) {
        return;
    }
    for (pk__node *n; (n = pk__list_pop(&r->plugins)) != NULL;) {
        pk__plugin *p = PK__OF(n, pk__plugin, node);
        PK__ASSERT(!p->instance && !p->life);
#ifdef PLUGKIT_WITH_MANIFESTS
        pk__registry_drop_about(r->alloc, p->about);
        pk__free(r->alloc, p->needs, p->need_count * sizeof(*p->needs));
#endif
        pk_mem_free(&p->mem);
        pk__free(r->alloc, p, sizeof(*p));
    }
    pk__map_deinit(&r->by_service);
    pk__map_deinit(&r->by_id);
    pk__handles_deinit(&r->handles);
    pk__cond_deinit(&r->changed);
    pk__mutex_deinit(&r->lock);
    memset(r, 0, sizeof(*r));
}

PK__FN void pk__registry_lock(pk__registry *r)
{
    pk__mutex_lock(&r->lock);
}

PK__FN void pk__registry_unlock(pk__registry *r)
{
    pk__mutex_unlock(&r->lock);
}

PK__FN pk_err pk__registry_check_name(const char *id, pk_error *err)
{
    if (pk__service_is_name(pk_str_from(id))) {
        return PK_OK;
    }
    char shown[100];
    (void)pk__error_clean(shown, sizeof(shown), pk_str_from(id));
    return pk_error_set(err, PK_ERR_BAD_NAME,
                        "cannot name a plugin '%s': 1 to 64 letters, digits, '_', '.' and '-', beginning with none of "
                        "the last two",
                        shown);
}

PK__FN pk_err pk__registry_add(pk__registry *r, const char *id, const char *path, pk__plugin **out, pk_error *err)
{
    pk__plugin *p = (pk__plugin *)pk__new(r->alloc, sizeof(*p));
    if (!p) {
        return pk__error_memory(err, "add a plugin");
    }
    p->mem.alloc = r->alloc;
    pk__list_init(&p->waiters);
    pk__list_init(&p->instances);
    p->id = pk_mem_dup(&p->mem, pk_str_from(id)).ptr;
    p->path = path ? pk_mem_dup(&p->mem, pk_str_from(path)).ptr : NULL;
    p->handle = pk__handles_add(&r->handles, p);
    if (!p->id || (path && !p->path) || !p->handle) {
        pk__handles_remove(&r->handles, p->handle);
        pk_mem_free(&p->mem);
        pk__free(r->alloc, p, sizeof(*p));
        return pk__error_memory(err, "add a plugin");
    }
    pk__list_push(&r->plugins, &p->node);
    *out = p;
    return PK_OK;
}

PK__FN pk__plugin *pk__registry_find(const pk__registry *r, pk_str id)
{
    return (pk__plugin *)pk__map_get(&r->by_id, id);
}

/* Its name is its plugin's with a number behind it: "shout-1". All are asked for their health, so none is looked for
 * among all. */
PK__FN pk__instance *pk__registry_instance(const pk__registry *r, pk_str name)
{
    pk_str id = name;
    while (id.len > 0 && id.ptr[--id.len] != '-') {
    }
    pk__plugin *p = pk__registry_find(r, id);
    for (pk__node *n = p ? p->instances.next : NULL; n && n != &p->instances; n = n->next) {
        pk__instance *i = PK__OF(n, pk__instance, node);
        if (pk_str_is(name, i->name)) {
            return i;
        }
    }
    return NULL;
}

/* The key lives in the first entry that was put under it. */
static pk_str pk__registry_key(pk_mem *mem, pk_str contract, pk_str type)
{
    return pk_mem_printf(mem, "%" PK_FMT "\n%" PK_FMT, PK_ARG(contract), PK_ARG(type));
}

static pk__service_entry *pk__registry_lookup(const pk__registry *r, pk_str contract, pk_str type)
{
    char key[256];
    pk_str k = {key, contract.len + 1 + type.len};
    if (contract.len >= sizeof(key) || type.len >= sizeof(key) || k.len > sizeof(key)) {
        return NULL;
    }
    memcpy(key, contract.ptr, contract.len);
    key[contract.len] = '\n';
    memcpy(key + contract.len + 1, type.ptr, type.len);
    return (pk__service_entry *)pk__map_get(&r->by_service, k);
}

PK__FN pk__service_entry *pk__registry_services(const pk__registry *r, pk_str contract, pk_str type)
{
    return pk__registry_lookup(r, contract, type);
}

static pk_err pk__registry_check_offer(const pk__registry *r, const pk__plugin *p, const pk__service_entry *s,
                                       pk_error *err)
{
    if (s->contract.len + s->type.len > 200) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot register '%s': a contract or type is too long", p->id);
    }
    if (r->desc->duplicates == PK_DUPLICATES_PROVIDERS) {
        return PK_OK;
    }
    for (const pk__service_entry *o = pk__registry_services(r, s->contract, s->type); o; o = o->same) {
        if (o->plugin->internal == p->internal) {
            return pk_error_set(err, PK_ERR_DUPLICATE,
                                "cannot register '%s': %s plugin for type '%" PK_FMT "' already registered: '%s'",
                                p->id, p->internal ? "internal" : "external", PK_ARG(s->type), o->plugin->id);
        }
    }
    return PK_OK;
}

/* Puts a service behind those of its kind: internal ones come first, so that they are taken first. */
static void pk__registry_chain(pk__service_entry *head, pk__service_entry *s, bool by_type)
{
    pk__service_entry *at = head;
    for (;;) {
        pk__service_entry *next = by_type ? at->same : at->sibling;
        if (!next || (s->internal && !next->internal)) {
            if (by_type) {
                s->same = next;
                at->same = s;
            } else {
                s->sibling = next;
                at->sibling = s;
            }
            return;
        }
        at = next;
    }
}

/* Enters a service under one key, as the new head of its chain or behind it. */
static bool pk__registry_enter(pk__registry *r, pk__plugin *p, pk__service_entry *s, bool by_type)
{
    pk_str type = by_type ? s->type : PK_STR("");
    pk__service_entry *head = pk__registry_lookup(r, s->contract, type);
    if (head && !(s->internal && !head->internal)) {
        pk__registry_chain(head, s, by_type);
        return true;
    }
    pk_str key = pk__registry_key(&p->mem, s->contract, type);
    if (!key.ptr || !pk__map_put(&r->by_service, key, s)) {
        return false;
    }
    if (by_type) {
        s->same = head;
    } else {
        s->sibling = head;
    }
    return true;
}

/* Undoes a half-made offer. */
static void pk__registry_leave(pk__registry *r, pk__service_entry *s, bool by_type)
{
    pk_str type = by_type ? s->type : PK_STR("");
    pk__service_entry *head = pk__registry_lookup(r, s->contract, type);
    pk__service_entry *next = by_type ? s->same : s->sibling;
    if (head == s) {
        pk_str key;
        char text[256];
        key.len = (size_t)snprintf(text, sizeof(text), "%" PK_FMT "\n%" PK_FMT, PK_ARG(s->contract), PK_ARG(type));
        key.ptr = text;
        (void)pk__map_remove(&r->by_service, key);
        if (next) { // the slot is free again, so this cannot fail; the key must live as long as the entry
            (void)pk__map_put(&r->by_service, pk__registry_key(&next->plugin->mem, s->contract, type), next);
        }
        return;
    }
    for (pk__service_entry *at = head; at; at = by_type ? at->same : at->sibling) {
        if (by_type ? at->same == s : at->sibling == s) {
            *(by_type ? &at->same : &at->sibling) = next;
            return;
        }
    }
}

PK__FN pk_err pk__registry_offer(pk__registry *r, pk__plugin *p, pk__service_entry *services, size_t count,
                                 pk_error *err)
{
    for (size_t i = 0; i < count; i++) {
        pk_err rc = pk__registry_check_offer(r, p, &services[i], err);
        if (rc) {
            return rc;
        }
    }
    for (size_t i = 0; i < count; i++) {
        bool typed = pk__registry_enter(r, p, &services[i], true);
        if (!typed || !pk__registry_enter(r, p, &services[i], false)) {
            if (typed) {
                pk__registry_leave(r, &services[i], true);
            }
            while (i-- > 0) {
                pk__registry_leave(r, &services[i], true);
                pk__registry_leave(r, &services[i], false);
            }
            return pk__error_memory(err, "register the plugin's services");
        }
    }
    p->services = services;
    p->service_count = count;
    return PK_OK;
}

PK__FN void pk__registry_wake(pk__registry *r, pk__plugin *p)
{
    for (pk__node *n; (n = pk__list_pop(&p->waiters)) != NULL;) {
        pk__waiter *w = PK__OF(n, pk__waiter, node);
        w->wake(w);
    }
    pk__cond_broadcast(&r->changed);
    pk_loop_wake(r->loop); // somebody may wait by stepping it
}
