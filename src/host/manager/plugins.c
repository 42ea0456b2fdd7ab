/* plugins.c - plugins by name or handle: add, find, list, start, stop. */
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/clock.h"
#include "../../rpc/service.h"
#include "../speak/internal.h"
#include "manager.h"

/* ---- internal plugins */

typedef struct pk__plugins_internal { // plugin->life of an internal one
    pk__internal channel;
    pk__instance instance;
} pk__plugins_internal;

static pk_err pk__plugins_entries(pk__plugin *p, const pk_service *services, size_t count, pk__service_entry **out,
                                  pk_error *err)
{
    pk__service_entry *entries = (pk__service_entry *)pk_mem_zero(&p->mem, (count + 1) * sizeof(*entries));
    for (size_t i = 0; entries && i < count; i++) {
        const pk_contract *c = services[i].contract;
        pk__method_entry *methods = (pk__method_entry *)pk_mem_zero(&p->mem, (c->count + 1) * sizeof(*methods));
        if (!methods) {
            return pk__error_memory(err, "add a plugin");
        }
        for (size_t k = 0; k < c->count; k++) {
            methods[k].name = pk_str_from(c->methods[k].name);
            methods[k].flags = c->methods[k].flags;
            (void)pk__service_split(c->methods[k].http, &methods[k].verb, &methods[k].path); // checked before
        }
        entries[i].plugin = p;
        entries[i].contract = pk_str_from(c->name);
        entries[i].type = pk_str_from(services[i].type);
        entries[i].version = pk_str_from(c->version);
        entries[i].methods = methods;
        entries[i].method_count = c->count;
        entries[i].internal = &services[i];
    }
    *out = entries;
    return entries ? PK_OK : pk__error_memory(err, "add a plugin");
}

static pk_err pk__plugins_add_locked(pk_manager *m, const char *id, const pk_service *services, size_t count,
                                     pk__plugin **out, pk_error *err)
{
    pk__registry *r = &m->registry;
    pk__service_entry *entries = NULL;
    pk__plugin *p = NULL;
    if (pk__registry_find(r, pk_str_from(id))) {
        return pk_error_set(err, PK_ERR_DUPLICATE, "cannot add plugin '%s': the id is taken", id);
    }
    pk__plugins_internal *in = (pk__plugins_internal *)pk__new(r->alloc, sizeof(*in));
    pk_err rc = in ? pk__registry_add(r, id, NULL, &p, err) : pk__error_memory(err, "add a plugin");
    if (rc) {
        pk__free(r->alloc, in, sizeof(*in));
        return rc;
    }
    p->internal = true;
    p->life = in;
    p->state = PK__PLUGIN_RUNNING;
    p->probed = true;
    p->live = 1;
    pk__registry_changed(r);
    rc = pk__plugins_entries(p, services, count, &entries, err);
    rc = rc ? rc : pk__registry_offer(r, p, entries, count, err);
    if (!rc && !pk__map_put(&r->by_id, pk_str_from(p->id), p)) {
        rc = pk__error_memory(err, "add a plugin");
    }
    if (rc) { // it stays as an entry that says why
        p->skipped = true;
        if (err) {
            p->why = *err;
        }
        return rc;
    }
    in->channel.alloc = r->alloc;
    in->channel.services = services;
    in->channel.count = count;
    in->instance.plugin = p;
    in->instance.state = PK__INSTANCE_READY;
    in->instance.dialect = pk__internal_dialect();
    in->instance.channel = &in->channel;
    memcpy(in->instance.name, p->id, PK__MIN(strlen(p->id) + 1, sizeof(in->instance.name)));
    p->instance = &in->instance;
    *out = p;
    return PK_OK;
}

PK_API pk_err pk_manager_add(pk_manager *m, const char *id, const pk_service *services, size_t count, pk_plugin *out,
                             pk_error *err)
{
    pk__plugin *p = NULL;
    pk_err rc = pk__manager_usable(m, "add a plugin", err);
    rc = rc ? rc : pk__registry_check_name(id, err);
    rc = rc ? rc : pk__service_check(services, count, err);
    if (rc) {
        return rc;
    }
    pk__registry_lock(&m->registry);
    rc = pk__plugins_add_locked(m, id, services, count, &p, err);
    if (!rc && out) {
        out->id = p->handle;
    }
#ifdef PLUGKIT_WITH_MANIFESTS
    pk_loop_post(m->loop, &m->registry.work);
#endif
    pk__registry_unlock(&m->registry);
    return rc;
}

#ifdef PLUGKIT_WITH_ATTACH
PK_API pk_err pk_manager_attach(pk_manager *m, const pk_found *found, pk_plugin *out, pk_error *err)
{
    pk__address a;
    pk_err rc = pk__manager_usable(m, "attach a plugin", err);
    if (!rc && (!found || !found->id || found->path || found->skipped || !found->endpoint.address)) {
        rc = pk_error_set(err, PK_ERR_MISUSE, "cannot attach a plugin: it needs an id and the address where it runs");
    }
    rc = rc ? rc : pk__registry_check_name(found->id, err);
    rc = rc ? rc : pk__address_parse(&a, pk_str_from(found->endpoint.address), err);
    if (rc) {
        return rc;
    }
    pk__registry *r = &m->registry;
    pk__registry_lock(r);
    if (r->is_closed) {
        rc = pk_error_set(err, PK_ERR_STOPPED, "cannot attach '%s': the manager is stopping or stopped", found->id);
    } else if (pk__registry_find(r, pk_str_from(found->id))) {
        rc = pk_error_set(err, PK_ERR_DUPLICATE, "cannot attach '%s': the id is taken", found->id);
    }
    rc = rc ? rc : pk__sink_add(r, found, err);
    if (!rc) {
        const pk__plugin *p = PK__OF(r->plugins.prev, pk__plugin, node);
        rc = p->why.code == PK_OK ? PK_OK : pk__error_copy(err, &p->why);
        if (out) {
            out->id = p->handle;
        }
        pk_loop_post(r->loop, &r->work);
    }
    pk__registry_unlock(r);
    return rc;
}
#endif

PK__FN void pk__plugins_drop_internal(pk_manager *m)
{
    for (pk__node *n = m->registry.plugins.next; n != &m->registry.plugins; n = n->next) {
        pk__plugin *p = PK__OF(n, pk__plugin, node);
        if (p->internal) {
            pk__free(&m->alloc, p->life, sizeof(pk__plugins_internal));
            p->life = NULL;
            p->instance = NULL;
        }
    }
}

/* ---- looking */

PK_API pk_plugin pk_manager_find(pk_manager *m, const char *id)
{
    pk_plugin found = {0};
    pk__registry_lock(&m->registry);
    const pk__plugin *p = pk__registry_find(&m->registry, pk_str_from(id));
    found.id = p ? p->handle : 0;
    pk__registry_unlock(&m->registry);
    return found;
}

static bool pk__plugins_copy(pk_mem *mem, pk_str from, pk_str *to)
{
    *to = pk_mem_dup(mem, from);
    return to->ptr != NULL;
}

static bool pk__plugins_services(pk_mem *mem, const pk__plugin *p, pk_plugin_info *out)
{
    pk_service_info *s = (pk_service_info *)pk_mem_zero(mem, (p->service_count + 1) * sizeof(*s));
    bool ok = s != NULL;
    for (size_t i = 0; ok && i < p->service_count; i++) {
        ok = pk__plugins_copy(mem, p->services[i].contract, &s[i].contract) &&
             pk__plugins_copy(mem, p->services[i].type, &s[i].type) &&
             pk__plugins_copy(mem, p->services[i].version, &s[i].version);
    }
    out->services = s;
    out->service_count = p->service_count;
    return ok;
}

#ifndef PLUGKIT_NO_PROCESS
/* What ends a group does not end a plugin that has left it. */
static const char *pk__plugins_host_death(const pk__instance *i)
{
    bool group = i->death != i->group_death && i->pid > 0 && PK__SYS(getpgid)((pid_t)i->pid) == i->pid;
    return group ? i->group_death : i->death;
}
#else
static const char *pk__plugins_host_death(const pk__instance *i)
{
    return i->group_death;
}
#endif

#ifdef PLUGKIT_WITH_ISOLATE
static bool pk__plugins_limits(pk_mem *mem, const pk__instance *i, pk_plugin_info *out)
{
    out->limit_count = i ? i->limit_count : 0;
    out->limits = out->limit_count ? pk__isolate_copy_reports(mem, i->limits, i->limit_count) : NULL;
    return out->limit_count == 0 || out->limits;
}
#else
static bool pk__plugins_limits(pk_mem *mem, const pk__instance *i, const pk_plugin_info *out)
{
    (void)mem, (void)i, (void)out;
    return true;
}
#endif

static bool pk__plugins_info(pk_mem *mem, const pk__plugin *p, pk_plugin_info *out)
{
    const pk__instance *i = p->instance;
    memset(out, 0, sizeof(*out));
    out->plugin.id = p->handle;
    out->why = p->why;
    out->pid = i ? i->pid : 0;
    out->in_flight = i ? i->in_flight : 0;
    out->starts = p->starts;
    out->crashes = p->crashes;
    out->calls = p->calls;
    out->failures = p->failed_calls;
    out->bytes_in = p->bytes_in;
    out->bytes_out = p->bytes_out;
    out->output_dropped = p->output_dropped;
    out->start_time = p->start_time;
    out->up_time = i ? pk__clock_ns() - p->ready_at : 0;
#ifdef PLUGKIT_WITH_MANIFESTS
    if (p->why.code == PK_OK && p->unmet) {
        (void)pk_error_set(&out->why, PK_ERR_START, "cannot start '%s': %s", p->id, p->unmet);
    }
    out->manifest = p->about && p->about->why.code == PK_OK ? &p->about->manifest : NULL;
#endif
    return pk__plugins_copy(mem, pk_str_from(p->id), &out->id) &&
           pk__plugins_copy(mem, pk_str_from(p->path), &out->path) &&
           pk__plugins_copy(mem, p->version, &out->version) &&
           pk__plugins_copy(mem, pk_str_from(pk__states_status(p)), &out->status) &&
           pk__plugins_copy(mem, pk_str_from(i && i->dialect ? i->dialect->name : ""), &out->dialect) &&
           pk__plugins_copy(mem, pk_str_from(i && i->address ? i->address : ""), &out->address) &&
           pk__plugins_copy(mem, pk_str_from(!i ? "" : i->health ? i->health : "unknown"), &out->health) &&
           pk__plugins_copy(mem, pk_str_from(i ? i->reason : ""), &out->health_reason) &&
           pk__plugins_copy(mem, pk_str_from(i ? i->unavailable : ""), &out->unavailable) &&
           pk__plugins_copy(mem, pk_str_from(i ? pk__plugins_host_death(i) : NULL), &out->host_death) &&
           pk__plugins_copy(mem, p->capabilities, &out->capabilities) && pk__plugins_services(mem, p, out) &&
           pk__plugins_limits(mem, i, out);
}

static bool pk__plugins_before(const pk__plugin *a, const pk__plugin *b)
{
    if (a->skipped != b->skipped) {
        return b->skipped;
    }
    return strcmp(a->id, b->id) < 0;
}

/* Sorts the plugins by id, skipped ones last: a heap sort, for a directory may hold thousands. */
static void pk__plugins_sift(const pk__plugin **all, size_t root, size_t count)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && pk__plugins_before(all[child], all[child + 1])) {
            child++;
        }
        if (!pk__plugins_before(all[root], all[child])) {
            return;
        }
        const pk__plugin *swap = all[root];
        all[root] = all[child];
        all[child] = swap;
    }
}

static void pk__plugins_sort(const pk__plugin **all, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) {
        pk__plugins_sift(all, i, count);
    }
    while (count > 1) {
        const pk__plugin *last = all[--count];
        all[count] = all[0];
        all[0] = last;
        pk__plugins_sift(all, 0, count);
    }
}

PK_API pk_err pk_manager_list(pk_manager *m, pk_mem *mem, pk_plugin_info **out, size_t *count, pk_error *err)
{
    pk_err rc = pk__manager_usable(m, "list plugins", err);
    if (rc) {
        return rc;
    }
    size_t n = 0;
    pk__registry_lock(&m->registry);
    for (pk__node *at = m->registry.plugins.next; at != &m->registry.plugins; at = at->next) {
        n++;
    }
    const pk__plugin **all = (const pk__plugin **)pk_mem_get(mem, (n + 1) * sizeof(*all));
    pk_plugin_info *infos = (pk_plugin_info *)pk_mem_get(mem, (n + 1) * sizeof(*infos));
    bool ok = all && infos;
    n = 0;
    for (pk__node *at = m->registry.plugins.next; ok && at != &m->registry.plugins; at = at->next) {
        all[n++] = PK__OF(at, pk__plugin, node);
    }
    if (ok) {
        pk__plugins_sort(all, n);
    }
    for (size_t i = 0; ok && i < n; i++) {
        ok = pk__plugins_info(mem, all[i], &infos[i]);
    }
    pk__registry_unlock(&m->registry);
    *out = infos;
    *count = ok ? n : 0;
    return ok ? PK_OK : pk__error_memory(err, "list plugins");
}

/* The plugin behind a handle; with the registry locked if there is one. */
static pk_err pk__plugins_lock(pk_manager *m, pk_plugin p, const char *verb, pk__plugin **out, pk_error *err)
{
    pk_err rc = pk__manager_usable(m, verb, err);
    if (rc) {
        return rc;
    }
    pk__registry_lock(&m->registry);
    *out = (pk__plugin *)pk__handles_get(&m->registry.handles, p.id);
    if (!*out) {
        pk__registry_unlock(&m->registry);
        return pk_error_set(err, PK_ERR_STALE, "cannot %s: there is no such plugin", verb);
    }
    return PK_OK;
}

PK_API pk_err pk_plugin_get(pk_manager *m, pk_plugin p, pk_mem *mem, pk_plugin_info *out, pk_error *err)
{
    pk__plugin *found;
    pk_err rc = pk__plugins_lock(m, p, "look at a plugin", &found, err);
    if (rc) {
        return rc;
    }
    bool ok = pk__plugins_info(mem, found, out);
    pk__registry_unlock(&m->registry);
    return ok ? PK_OK : pk__error_memory(err, "look at a plugin");
}

/* ---- starting and stopping one */

typedef struct pk__plugins_wish {
    pk__plugin *plugin;
    uint32_t serial; // of failures or stops, when it was made
    bool is_granted;
} pk__plugins_wish;

static void pk__plugins_ask(pk_manager *m, pk__plugin *p)
{
    p->is_asked = true;
    pk_loop_post(m->loop, &m->registry.work);
}

static bool pk__plugins_is_up(pk_manager *m, void *arg)
{
    pk__plugins_wish *w = (pk__plugins_wish *)arg;
    pk__plugin *p = w->plugin;
    w->is_granted = p->state == PK__PLUGIN_RUNNING;
    if (w->is_granted || m->registry.is_closed || p->is_gone || p->is_disabled || p->state == PK__PLUGIN_REJECTED ||
        p->failures != w->serial) {
        return true;
    }
    if (p->state == PK__PLUGIN_STOPPED && !p->is_asked) {
        pk__plugins_ask(m, p); // somebody else has stopped it meanwhile
    }
    return false;
}

static pk_err pk__plugins_why(const pk_manager *m, const pk__plugin *p, pk_error *err)
{
    if (m->registry.is_closed) {
        return pk_error_set(err, PK_ERR_STOPPED, "cannot start '%s': the manager is stopping", p->id);
    }
    if (p->is_gone) {
        return pk_error_set(err, PK_ERR_PLUGIN_DISABLED, "cannot start '%s': it has been removed", p->id);
    }
    if (p->is_disabled) {
        return pk_error_set(err, PK_ERR_PLUGIN_DISABLED, "cannot start '%s': it is disabled", p->id);
    }
    return pk__error_copy(err, &p->why);
}

static pk_err pk__plugins_start(pk_manager *m, pk_plugin p, pk_error *err)
{
    pk__plugins_wish wish;
    pk_err rc = pk__plugins_lock(m, p, "start a plugin", &wish.plugin, err);
    if (rc) {
        return rc;
    }
    wish.serial = wish.plugin->failures;
    bool runs = wish.plugin->internal;
    if (wish.plugin->skipped) {
        rc = pk_error_set(err, PK_ERR_PLUGIN_DISABLED, "cannot start '%s': %s", wish.plugin->id, wish.plugin->why.msg);
    } else if (!runs) {
        pk__plugins_ask(m, wish.plugin);
    }
    pk__registry_unlock(&m->registry);
    if (rc || runs) {
        return rc;
    }
    pk__manager_wait(m, pk__plugins_is_up, &wish);
    if (!wish.is_granted) {
        pk__registry_lock(&m->registry);
        rc = pk__plugins_why(m, wish.plugin, err);
        pk__registry_unlock(&m->registry);
    }
    return rc;
}

PK_API pk_err pk_plugin_start(pk_manager *m, pk_plugin p, pk_error *err)
{
    pk_err rc = pk__manager_usable(m, "start a plugin", err);
    if (!rc) {
        pk__manager_enter(m);
        rc = pk__plugins_start(m, p, err);
        pk__manager_leave(m);
    }
    return rc;
}

static bool pk__plugins_is_down(pk_manager *m, void *arg)
{
    const pk__plugins_wish *w = (const pk__plugins_wish *)arg;
    return w->plugin->stops != w->serial || m->life.is_stopped; // then nobody is left who would count it
}

static pk_err pk__plugins_stop(pk_manager *m, pk_plugin p, pk_error *err)
{
    pk__plugins_wish wish;
    pk_err rc = pk__plugins_lock(m, p, "stop a plugin", &wish.plugin, err);
    if (rc) {
        return rc;
    }
    bool stops = !wish.plugin->internal && !wish.plugin->skipped;
    wish.serial = wish.plugin->stops;
    if (wish.plugin->internal) {
        rc = pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot stop '%s': it is compiled in", wish.plugin->id);
    } else if (stops) {
        wish.plugin->is_asked = false;
        wish.plugin->is_unasked = true;
        pk_loop_post(m->loop, &m->registry.work);
    }
    pk__registry_unlock(&m->registry);
    if (stops) {
        pk__manager_wait(m, pk__plugins_is_down, &wish);
    }
    return rc;
}

PK_API pk_err pk_plugin_stop(pk_manager *m, pk_plugin p, pk_error *err)
{
    pk_err rc = pk__manager_usable(m, "stop a plugin", err);
    if (!rc) {
        pk__manager_enter(m);
        rc = pk__plugins_stop(m, p, err);
        pk__manager_leave(m);
    }
    return rc;
}

/* ---- disabling and enabling one */

static bool pk__plugins_is_disabled(pk_manager *m, void *arg)
{
    const pk__plugins_wish *w = (const pk__plugins_wish *)arg;
    const pk__plugin *p = w->plugin;
    return p->state == PK__PLUGIN_DISABLED || p->state == PK__PLUGIN_REJECTED || !p->is_disabled ||
           m->life.is_stopped;
}

static bool pk__plugins_is_enabled(pk_manager *m, void *arg)
{
    const pk__plugin *p = ((const pk__plugins_wish *)arg)->plugin;
    return p->state != PK__PLUGIN_DISABLED || p->is_disabled || m->life.is_stopped; // or somebody was quicker
}

static pk_err pk__plugins_disable(pk_manager *m, pk_plugin p, bool disable, pk_error *err)
{
    pk__plugins_wish wish;
    const char *verb = disable ? "disable" : "enable";
    pk_err rc = pk__plugins_lock(m, p, disable ? "disable a plugin" : "enable a plugin", &wish.plugin, err);
    if (rc) {
        return rc;
    }
    if (wish.plugin->internal) {
        rc = pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot %s '%s': it is compiled in", verb, wish.plugin->id);
    } else if (wish.plugin->skipped || wish.plugin->state == PK__PLUGIN_REJECTED) {
        rc = pk_error_set(err, PK_ERR_PLUGIN_DISABLED, "cannot %s '%s': %s", verb, wish.plugin->id,
                          wish.plugin->why.msg);
    } else {
        wish.plugin->is_asked = wish.plugin->is_asked && !disable;
        wish.plugin->is_disabled = disable;
        pk_loop_post(m->loop, &m->registry.work);
    }
    pk__registry_unlock(&m->registry);
    if (!rc) {
        pk__manager_wait(m, disable ? pk__plugins_is_disabled : pk__plugins_is_enabled, &wish);
    }
    return rc;
}

PK_API pk_err pk_plugin_disable(pk_manager *m, pk_plugin p, pk_error *err)
{
    pk_err rc = pk__manager_usable(m, "disable a plugin", err);
    if (!rc) {
        pk__manager_enter(m);
        rc = pk__plugins_disable(m, p, true, err);
        pk__manager_leave(m);
    }
    return rc;
}

PK_API pk_err pk_plugin_enable(pk_manager *m, pk_plugin p, pk_error *err)
{
    pk_err rc = pk__manager_usable(m, "enable a plugin", err);
    if (!rc) {
        pk__manager_enter(m);
        rc = pk__plugins_disable(m, p, false, err);
        pk__manager_leave(m);
    }
    return rc;
}
