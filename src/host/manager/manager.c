/* manager.c - create, start, stop, destroy. */
#include "manager.h"

#include <stdlib.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/file.h"
#include "../../os/loop.h"
#include "../../rpc/service.h"
#include "../call/select.h"
#include "../launch/adopt_launcher.h"
#include "../launch/process_launcher.h"
#include "../life/securing.h"
#include "../speak/internal.h"

/* ---- waiting */

PK__FN void pk__manager_enter(pk_manager *m)
{
    (void)pk__atomic_add(&m->inside, 1);
}

PK__FN void pk__manager_leave(pk_manager *m)
{
    (void)pk__atomic_add(&m->inside, UINT32_MAX);
}

PK__FN void pk__manager_wait(pk_manager *m, bool (*ready)(pk_manager *m, void *arg), void *arg)
{
    pk__registry *r = &m->registry;
    bool mine = pk__loop_is_mine(m->loop);
    pk__registry_lock(r);
    while (!ready(m, arg)) {
        if (mine) {
            pk__registry_unlock(r);
            (void)pk_loop_step(m->loop, 1000, NULL);
            pk__registry_lock(r);
        } else {
            pk__cond_wait(&r->changed, &r->lock, PK_FOREVER);
        }
    }
    pk__registry_unlock(r);
}

PK__FN pk_err pk__manager_usable(const pk_manager *m, const char *verb, pk_error *err)
{
    if (!m) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot %s: there is no manager", verb);
    }
    if (pk__fork_guard_is_child(&m->guard)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot %s: this is a forked child, and the manager is its parent's",
                            verb);
    }
    return PK_OK;
}

/* ---- create */

static void pk__manager_free(pk_manager *m);
static void pk__manager_on_end(void *user);
static void pk__manager_on_stopped(void *user);

static void pk__manager_thread(void *arg)
{
    pk_manager *m = (pk_manager *)arg;
    while (!m->quit && !(m->frees_itself && m->life.is_stopped)) {
        (void)pk_loop_step(m->loop, -1, NULL);
    }
    if (m->frees_itself) { // nobody joins: the one who wanted to was a callback of ours
        pk__thread_forget(&m->thread);
        pk__manager_free(m);
    }
}

/* A function of its own, and not called without sockets: who has no remote plugins then has no HTTP client either. */
PK_API void pk_manager_add_http(pk_manager *m)
{
    const pk_dialect **dialects = (const pk_dialect **)(uintptr_t)m->desc.dialects; // our copy, with room for four
    if (m->plugkit1.name) {
        return;
    }
    m->env.alloc = &m->alloc;
    m->env.caller = "";
    m->env.transports = m->desc.transports;
    m->env.transport_count = m->desc.transport_count;
    m->env.tls = m->desc.tls;
    m->env.spin_us = m->desc.spin_us;
    m->plugkit1 = pk__http_channel_dialect("plugkit/1", &m->env, false);
    m->framework = pk__http_channel_dialect("go-framework", &m->env, true);
    dialects[m->desc.dialect_count++] = &m->plugkit1;
    dialects[m->desc.dialect_count++] = &m->framework;
    m->life.dialect_count = m->desc.dialect_count;
}

#ifndef PLUGKIT_NO_FILES
#ifdef PLUGKIT_WITH_ATTACH
/* In front of the user's only the one whose names are meant to be in the place of others. */
static void pk__manager_attach_finders(pk_manager *m, const pk_finder **finders)
{
    const char *from = m->desc.reattach ? "reattach" : "PLUGKIT_REATTACH";
    const char *reattach = m->desc.reattach ? m->desc.reattach : getenv("PLUGKIT_REATTACH");
    if (m->desc.attach_dir) {
        m->attach_finder = pk__attach_finder(&m->attach, m->registry.alloc, m->desc.attach_dir);
        finders[m->desc.finder_count++] = &m->attach_finder;
    }
    if (reattach && reattach[0]) {
        m->reattach_finder = pk__reattach_finder(&m->reattach, m->registry.alloc, reattach, from);
        memmove(finders + 1, finders, m->desc.finder_count++ * sizeof(*finders));
        finders[0] = &m->reattach_finder;
    }
}
#endif

static void pk__manager_finders(pk_manager *m)
{
    const pk_finder **finders = (const pk_finder **)(uintptr_t)m->desc.finders; // our copy, with room for four
    if (m->desc.plugin_dir) {
        m->directory_finder = pk__directory_finder(&m->directory, m->registry.alloc, m->desc.plugin_dir, m->desc.filter,
                                                   m->desc.user);
#ifdef PLUGKIT_WITH_DLOPEN
        m->directory.suffix = PK__OBJECT_SUFFIX;
#endif
        finders[m->desc.finder_count++] = &m->directory_finder;
    }
#ifdef PLUGKIT_WITH_ATTACH
    pk__manager_attach_finders(m, finders);
#endif
}
#endif

#ifdef PLUGKIT_WITH_DLOPEN
/* In front of the process launcher, which takes everything. What is compiled in is found first: its ids are its own. */
static void pk__manager_objects(pk_manager *m)
{
    const pk_dialect **dialects = (const pk_dialect **)(uintptr_t)m->desc.dialects;
    const pk_launcher **launchers = (const pk_launcher **)(uintptr_t)m->desc.launchers;
    const pk_finder **finders = (const pk_finder **)(uintptr_t)m->desc.finders;
    m->object_launcher = pk__object_launcher(&m->objects, m->registry.alloc, &m->desc, &m->process_launcher);
    launchers[m->desc.launcher_count++] = &m->object_launcher;
    m->object = pk__objects_dialect(&m->objects.running);
    dialects[m->desc.dialect_count++] = &m->object;
    if (m->desc.compiled_in_count) {
        m->compiled_finder = pk__compiled_finder(&m->objects);
        memmove(finders + 1, finders, m->desc.finder_count++ * sizeof(*finders));
        finders[0] = &m->compiled_finder;
    }
}
#endif

/* The built-in extensions stand behind the user's, who may so replace each of them. */
static void pk__manager_built_in(pk_manager *m)
{
    (void)m; // without processes and sockets there are none
#ifndef PLUGKIT_NO_PROCESS
    const pk_dialect **dialects = (const pk_dialect **)(uintptr_t)m->desc.dialects;
    dialects[m->desc.dialect_count++] = pk__lines_dialect();
#endif
#ifndef PLUGKIT_NO_NET
    pk_manager_add_http(m);
#endif
#ifndef PLUGKIT_NO_PROCESS
    const pk_launcher **launchers = (const pk_launcher **)(uintptr_t)m->desc.launchers;
    m->process_launcher = pk__process_launcher(&m->processes, m->registry.alloc);
#ifdef PLUGKIT_WITH_DLOPEN
    pk__manager_objects(m);
#endif
    launchers[m->desc.launcher_count++] = &m->process_launcher;
#endif
#ifndef PLUGKIT_NO_FILES
    pk__manager_finders(m);
#endif
}

#ifdef PK__KEEP
static pk_err pk__manager_keep(pk_manager *m, pk_error *err)
{
    m->adopt_launcher = pk__adopt_launcher(m->registry.alloc);
    m->life.adopter = &m->adopt_launcher;
    m->life.keep = &m->keep;
    pk_err rc = pk__keep_open(&m->keep, &m->mem, m->registry.alloc, m->desc.runtime_dir, m->desc.survive_as,
                              &m->runtime_dir, err);
    m->life.runtime_dir = m->runtime_dir;
    return rc;
}
#else
static pk_err pk__manager_keep(const pk_manager *m, pk_error *err)
{
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot keep plugins as '%s': this build has no processes, files or "
                        "sockets", m->desc.survive_as);
}
#endif

#ifdef PLUGKIT_WITH_SCHEMA
static void pk__manager_schemas(pk_manager *m)
{
    const pk_interceptor **chain = (const pk_interceptor **)(uintptr_t)m->desc.interceptors; // ours, with room for one
    unsigned what = m->desc.schemas ? m->desc.schemas : (unsigned)PK_SCHEMAS_CONFIG;
    pk__schemas_init(&m->schemas, m->registry.alloc, &m->registry, what);
    if (what & PK_SCHEMAS_CONFIG) {
        m->life.check_config = pk__schemas_check_config;
        m->life.check_user = &m->schemas;
    }
    if (what & (PK_SCHEMAS_REQUESTS | PK_SCHEMAS_ANSWERS)) {
        chain[m->desc.interceptor_count++] = &m->schemas.interceptor;
    }
}
#endif

/* Where sockets go. */
static pk_err pk__manager_runtime(pk_manager *m, pk_error *err)
{
    pk_err rc = PK_OK;
    (void)err;
    if (m->desc.survive_as) {
        return pk__manager_keep(m, err);
    }
#ifndef PLUGKIT_NO_FILES
    rc = pk__file_make_runtime_dir(&m->mem, m->desc.runtime_dir, &m->runtime_dir, err);
#endif
    m->life.runtime_dir = m->runtime_dir;
    return rc;
}

/* And what is left there in the end. */
static void pk__manager_clean_up(pk_manager *m, bool child)
{
#ifndef PLUGKIT_NO_FILES
    if (m->runtime_dir && !m->desc.survive_as && !child) {
        (void)pk__file_remove_tree(m->runtime_dir, NULL);
    }
#endif
    pk__keep_close(&m->keep, child);
#ifndef PLUGKIT_NO_PROCESS
    pk__process_launcher_deinit(&m->processes);
#endif
}

static pk_err pk__manager_rooms(pk_manager *m, pk_error *err)
{
    const pk_alloc *alloc = m->registry.alloc;
    pk__router router = pk__select_router(&m->registry);
    pk_err rc =
        pk__caller_init(&m->caller, alloc, m->loop, &router, m->desc.interceptors, m->desc.interceptor_count, err);
    if (rc) {
        return rc;
    }
    m->caller.timeout_ms = m->desc.deadline.call_ms;
    m->life.dialects = m->desc.dialects;
    m->life.dialect_count = m->desc.dialect_count;
    m->life.launchers = m->desc.launchers;
    m->life.launcher_count = m->desc.launcher_count;
    m->life.is_pinned = m->owns_loop;
    m->life.on_stopped = pk__manager_on_stopped;
    m->life.user = m;
    m->end_timer.on_time = pk__manager_on_end;
    m->end_timer.user = m;
    rc = pk__life_init(&m->life, &m->registry, err);
    if (rc) {
        return rc;
    }
    rc = pk__manager_runtime(m, err);
    rc = rc ? rc : pk__offers_open(&m->offers, m, err);
    m->life.host = m->offers.server ? &m->offers.host : NULL;
    return rc;
}

PK_API pk_err pk_manager_create(pk_manager **out, const pk_manager_desc *desc, pk_error *err)
{
    static const pk_manager_desc nothing;
    desc = desc ? desc : &nothing;
    *out = NULL;
    pk_err rc = pk__desc_check(desc, err);
    if (rc) {
        return rc;
    }
    pk_manager *m = (pk_manager *)pk__new(&desc->alloc, sizeof(*m));
    if (!m) {
        return pk__error_memory(err, "create a manager");
    }
    m->alloc = desc->alloc;
    m->mem.alloc = &m->alloc;
    pk__fork_guard_init(&m->guard);
    rc = pk__desc_resolve(m, desc, err);
    m->loop = desc->loop;
    m->owns_loop = !desc->loop;
    if (!rc && m->owns_loop) {
        rc = pk_loop_create(&m->loop, &m->alloc, err);
    }
    if (!rc) {
        pk__registry_init(&m->registry, &m->alloc, &m->desc, m->loop);
        pk__manager_built_in(m);
#ifdef PLUGKIT_WITH_SCHEMA
        pk__manager_schemas(m);
#endif
        rc = pk__manager_rooms(m, err);
    }
    if (!rc && m->owns_loop) {
        pk__loop_give_away(m->loop);
        rc = pk__thread_start(&m->thread, pk__manager_thread, m, err);
    }
    if (rc) {
        pk__manager_free(m);
        return rc;
    }
    *out = m;
    return PK_OK;
}

/* ---- start */

static bool pk__manager_is_settled(pk_manager *m, void *arg)
{
    (void)arg;
    if (m->registry.scans > 0) {
        return false;
    }
#ifdef PLUGKIT_WITH_MANIFESTS
    if (m->registry.is_unresolved && !m->registry.is_closed) {
        return false;
    }
#endif
    for (pk__node *n = m->registry.plugins.next; n != &m->registry.plugins; n = n->next) {
        const pk__plugin *p = PK__OF(n, pk__plugin, node);
        bool first = p->starts == 0 && p->failures == 0;
        bool waits = m->desc.eager || (pk__registry_is_unknown(p) && first);
        bool coming = waits && (p->state == PK__PLUGIN_STARTING || (p->state == PK__PLUGIN_STOPPED && first));
        bool new_one = p->state == PK__PLUGIN_FOUND || p->state == PK__PLUGIN_PROBING;
        if (!p->internal && !p->skipped && (new_one || coming) && !m->registry.is_closed) {
            return false;
        }
    }
    return true;
}

PK_API pk_err pk_manager_start(pk_manager *m, pk_error *err)
{
    pk_err rc = pk__manager_usable(m, "start", err);
    if (rc) {
        return rc;
    }
    if (m->is_started) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start: the manager was started before");
    }
    m->is_started = true;
    pk__registry_lock(&m->registry);
    m->registry.is_started = true;
    pk__registry_unlock(&m->registry);
    m->sinks = (pk_sink *)pk_mem_zero(&m->mem, (m->desc.finder_count + 1) * sizeof(*m->sinks));
    if (!m->sinks) {
        return pk__error_memory(err, "start the finders");
    }
    for (size_t i = 0; i < m->desc.finder_count; i++) {
        m->sinks[i].registry = &m->registry;
        m->sinks[i].finder = m->desc.finders[i];
        m->sink_count = i + 1;
        rc = pk__sink_start(&m->sinks[i], err);
        if (rc) {
            return rc;
        }
    }
    pk__manager_enter(m);
    pk__manager_wait(m, pk__manager_is_settled, NULL);
    pk__registry_lock(&m->registry);
    m->registry.is_settled = true;
    pk_loop_post(m->loop, &m->registry.work);
    pk__registry_unlock(&m->registry);
    pk__config_warn(m);
    pk__manager_leave(m);
    return PK_OK;
}

/* ---- stop */

static void pk__manager_stop_task(void *user)
{
    pk_manager *m = (pk_manager *)user;
    pk__offers_drain(&m->offers);
    pk__life_stop(&m->life);
}

PK_API void pk_manager_stop_begin(pk_manager *m)
{
    if (pk__manager_usable(m, "stop", NULL)) {
        return;
    }
    pk__registry_lock(&m->registry);
    bool first = !m->registry.is_closed;
    m->registry.is_closed = true;
    pk__registry_unlock(&m->registry);
    if (!first) {
        return;
    }
    for (size_t i = 0; i < m->sink_count; i++) {
        pk__sink_stop(&m->sinks[i]);
    }
    m->stop_task.run = pk__manager_stop_task;
    m->stop_task.user = m;
    pk_loop_post(m->loop, &m->stop_task);
}

static bool pk__manager_has_stopped(pk_manager *m, void *arg)
{
    (void)arg;
    return m->life.is_stopped;
}

PK_API pk_err pk_manager_stop(pk_manager *m, pk_error *err)
{
    pk_err rc = pk__manager_usable(m, "stop", err);
    if (rc) {
        return rc;
    }
    pk__manager_enter(m);
    pk_manager_stop_begin(m);
    pk__manager_wait(m, pk__manager_has_stopped, NULL);
    pk__manager_leave(m);
    return PK_OK;
}

PK_API bool pk_manager_is_stopped(const pk_manager *m)
{
    pk_manager *mutable_m = (pk_manager *)(uintptr_t)m; // the lock is no part of what is asked
    pk__registry_lock(&mutable_m->registry);
    bool stopped = m->life.is_stopped;
    pk__registry_unlock(&mutable_m->registry);
    return stopped;
}

/* ---- destroy */

/* Calls on other threads have their outcome, or get it now, and those threads go home: soon, as nothing is left that
 * they could wait for. */
static void pk__manager_wait_empty(pk_manager *m)
{
    pk__caller_close(&m->caller);
    pk__caller_wait_empty(&m->caller);
    while (pk__atomic_load(&m->inside) > 0) {
        pk__thread_nap(PK__MS / 10);
    }
}

/* Nothing runs any more, or (in a forked child) all that runs is the parent's. */
static void pk__manager_free(pk_manager *m)
{
    bool child = pk__fork_guard_is_child(&m->guard);
    if (m->loop && !child) {
        pk_loop_unpost(m->loop, &m->stop_task);
        pk_loop_unpost(m->loop, &m->quit_task);
        pk_timer_stop(m->loop, &m->end_timer);
    }
    for (size_t i = 0; i < m->sink_count && !child; i++) {
        pk__sink_stop(&m->sinks[i]);
    }
#if defined(PLUGKIT_WITH_ATTACH) && !defined(PLUGKIT_NO_FILES)
    pk__attach_deinit(&m->attach);
#endif
    if (m->admin) {
        m->close_admin(m->admin, child);
    }
    if (m->registry.plugins.next) {
        pk__caller_cancel_all(&m->caller);
        if (!child) {
            pk__manager_wait_empty(m);
        }
        pk__securing *securing = pk__securing_take(&m->life);
        pk__life_deinit(&m->life);
        pk__caller_deinit(&m->caller);
        pk__offers_close(&m->offers);
        pk__securing_close(securing);
        pk__plugins_drop_internal(m);
        pk__registry_deinit(&m->registry);
    }
#ifdef PLUGKIT_WITH_SCHEMA
    pk__schemas_deinit(&m->schemas);
#endif
    pk__manager_clean_up(m, child);
    if (m->owns_loop) {
        pk_loop_destroy(m->loop);
    }
    pk__fork_guard_deinit(&m->guard);
    pk_mem_free(&m->mem);
    pk_alloc alloc = m->alloc;
    pk__free(&alloc, m, sizeof(*m));
}

static void pk__manager_quit_task(void *user)
{
    ((pk_manager *)user)->quit = true;
}

static void pk__manager_end(pk_manager *m)
{
    if (!pk__fork_guard_is_child(&m->guard)) {
        (void)pk_manager_stop(m, NULL);
        if (m->owns_loop) {
            m->quit_task.run = pk__manager_quit_task;
            m->quit_task.user = m;
            pk_loop_post(m->loop, &m->quit_task);
            pk__thread_join(&m->thread);
        }
    }
    pk__manager_free(m);
}

enum { PK__MANAGER_END_MS = 5 };

/* In the user's loop: once everything is stopped, and no function of ours is on the stack any more that steps it. */
static void pk__manager_on_end(void *user)
{
    pk_manager *m = (pk_manager *)user;
    pk__caller_close(&m->caller);
    if (pk__loop_depth(m->loop) > 1 || pk__atomic_load(&m->inside) || pk__atomic_load(&m->caller.inside)) {
        (void)pk_timer_start(m->loop, &m->end_timer, PK__MANAGER_END_MS, NULL); // cannot fail: its place is free
    } else {
        pk__manager_free(m);
    }
}

static void pk__manager_on_stopped(void *user)
{
    pk_manager *m = (pk_manager *)user;
    if (m->frees_itself && !m->owns_loop) {
        (void)pk_timer_start(m->loop, &m->end_timer, 0, NULL);
    }
}

PK_API void pk_manager_destroy(pk_manager *m)
{
    if (!m || m->is_destroying) {
        return;
    }
    m->is_destroying = true;
    bool inside = pk__loop_is_mine(m->loop) && pk__loop_depth(m->loop) > 0;
    if (pk__fork_guard_is_child(&m->guard) || !inside) {
        pk__manager_end(m);
        return;
    }
    m->frees_itself = true;
    if (m->life.is_stopped) {
        pk__manager_on_stopped(m);
    } else {
        pk_manager_stop_begin(m);
    }
}

/* ---- the small ones */

PK_API pk_err pk_manager_listen(pk_manager *m, pk_listener *listener, pk_error *err)
{
    pk_err rc = pk__manager_usable(m, "listen", err);
    if (!rc && (!listener || !listener->on_event)) {
        rc = pk_error_set(err, PK_ERR_MISUSE, "cannot listen: there is no on_event to call");
    }
    if (!rc) {
        pk__life_listen(&m->life, listener);
    }
    return rc;
}

PK_API void pk_manager_unlisten(pk_manager *m, pk_listener *listener)
{
    if (pk__manager_usable(m, "unlisten", NULL) == PK_OK) {
        pk__life_unlisten(&m->life, listener);
    }
}

PK_API pk_loop *pk_manager_loop(pk_manager *m)
{
    return m->loop;
}

PK_API pk_caller *pk_manager_caller(pk_manager *m)
{
    return &m->caller;
}

PK_API const char *pk_manager_runtime_dir(const pk_manager *m)
{
    return m->runtime_dir;
}
