/* object_launcher.c - plugins in this process, and shared objects in one of their own. */
#include "object_launcher.h"
#ifdef PLUGKIT_WITH_DLOPEN

#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "isolate.h"

#define PK__COMPILED_IN "compiled-in:"

enum { PK__OBJECT_ARGS = 8, PK__OBJECT_DESCRIBE_MAX = 1024 * 1024 };

typedef struct pk__launched { // one of the two
    const pk_alloc *alloc;
    const pk_launcher *process; // NULL = it is here
    void *inner;                // the process launcher's
    pk__objects_instance here;
} pk__launched;

static bool pk__launched_is_compiled(const char *path)
{
    return strncmp(path, PK__COMPILED_IN, sizeof(PK__COMPILED_IN) - 1) == 0;
}

static bool pk__launched_fits(void *user, const pk_found *found)
{
    size_t len = strlen(found->path), suffix = sizeof(PK__OBJECT_SUFFIX) - 1;
    (void)user;
    return pk__launched_is_compiled(found->path) ||
           (len > suffix && strcmp(found->path + len - suffix, PK__OBJECT_SUFFIX) == 0);
}

static const pk_plugin_rule *pk__launched_rule(const pk_manager_desc *d, const char *id)
{
    static const pk_plugin_rule none;
    for (size_t i = 0; i < d->rule_count; i++) {
        if (!d->rules[i].plugin || strcmp(d->rules[i].plugin, id) == 0) {
            return &d->rules[i];
        }
    }
    return &none;
}

/* ---- in a process of its own */

static pk_err pk__launched_start_process(pk__launching_objects *all, pk_launch *l, const pk_launch_info *info,
                                       pk__launched *c, pk_error *err)
{
    const char *argv[PK__OBJECT_ARGS] = {all->desc->object_runner, "object", info->path};
    pk_launch_info mine = *info;
    for (size_t i = 1; info->argv[i] && i + 3 < PK__OBJECT_ARGS; i++) {
        argv[i + 2] = info->argv[i];
    }
    mine.path = all->desc->object_runner;
    mine.argv = argv;
    c->process = all->process;
    return c->process->start(c->process->user, l, &mine, &c->inner, err);
}

/* ---- in this one */

static pk_err pk__launched_find(const pk__launching_objects *all, const pk_launch_info *info, const pk_object **out,
                              pk_error *err)
{
    if (!pk__launched_is_compiled(info->path)) {
        return pk__object_open(info->path, true, out, err);
    }
    for (size_t i = 0; i < all->desc->compiled_in_count; i++) {
        const pk_compiled *c = &all->desc->compiled_in[i];
        if (strcmp(c->id, info->path + sizeof(PK__COMPILED_IN) - 1) == 0) {
            *out = c->object;
            return pk__object_check(c->object, c->id, err);
        }
    }
    return pk_error_set(err, PK_ERR_NOT_FOUND, "cannot start '%s': it is not compiled in", info->id);
}

static pk_err pk__launched_probe(pk__launched *c, pk_launch *l, pk_error *err)
{
    pk_buf text;
    pk_buf_init(&text, c->alloc, PK__OBJECT_DESCRIBE_MAX);
    pk_err rc = c->here.object->describe(c->here.object->desc, &text, err);
    if (!rc) {
        pk_launch_output(l, PK_STREAM_OUT, pk_buf_str(&text));
        pk_launch_exited(l, 0, NULL);
    }
    pk_buf_free(&text);
    return rc;
}

/* Everybody has left. */
static void pk__launched_on_end(pk__objects_instance *o)
{
    o->object->stop(o->state);
    o->state = NULL;
    if (!o->is_reported) {
        o->is_reported = true;
        pk_launch_exited(o->launch, 0, NULL);
    }
}

/* What it says of its failure, as a process would have said it on its control socket. */
static pk_err pk__launched_explain(const pk_launch_info *info, const pk_error *why, pk_error *err)
{
    char text[200];
    (void)pk__error_clean(text, sizeof(text), pk_str_from(why->msg[0] ? why->msg : pk_err_text(why->code)));
    (void)pk_error_set(err, PK_ERR_START, "cannot start '%s': %s", info->id, text);
    (void)pk__error_clean(err->app_code, sizeof(err->app_code),
                          pk_str_from(why->app_code[0] ? why->app_code : pk_err_id(why->code)));
    return PK_ERR_START;
}

static pk_err pk__launched_start_here(pk__launching_objects *all, pk_launch *l, const pk_launch_info *info,
                                    pk__launched *c, pk_error *err)
{
    pk__objects_instance *o = &c->here;
    pk_error own, why;
    pk_endpoint endpoint;
    char address[sizeof(o->name) + 8];
    err = err ? err : &own;
    memset(&why, 0, sizeof(why));
    if (pk__isolate_is_asked(info)) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot start '%s': its rule has limits, and it runs in the "
                            "process of its host: that needs PK_ISOLATION_PROCESS", info->id);
    }
    pk_err rc = pk__launched_find(all, info, &o->object, err);
    if (rc || info->probe) {
        return rc ? rc : pk__launched_probe(c, l, err);
    }
    if (pk__launched_rule(all->desc, info->id)->survive) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot start '%s': it cannot survive its host, in whose process "
                            "it runs: that needs PK_ISOLATION_PROCESS", info->id);
    }
    (void)snprintf(o->name, sizeof(o->name), "%s", info->instance);
    o->is_serial = o->object->is_serial(o->object->desc);
    rc = o->object->start(o->object->desc, &o->host, info->config, &o->state, &why);
    if (rc) {
        return rc == PK_ERR_NO_MEMORY ? pk__error_copy(err, &why) : pk__launched_explain(info, &why, err);
    }
    pk__list_push(&all->running.all, &o->node);
    memset(&endpoint, 0, sizeof(endpoint));
    (void)snprintf(address, sizeof(address), "object:%s", o->name);
    endpoint.address = address;
    endpoint.dialect = "object";
    pk_launch_host_death(l, "process");
    pk_launch_listening(l, &endpoint);
    return PK_OK;
}

/* ---- the launcher */

static void pk__launched_free(void *state)
{
    pk__launched *c = (pk__launched *)state;
    pk__objects_instance *o = &c->here;
    if (c->process && c->inner) {
        c->process->free(c->inner);
    }
    if (o->state) { // it was to be killed while calls were inside
        o->object->stop(o->state);
    }
    pk__list_remove(&o->node);
    pk__objects_deinit(o);
    pk__free(c->alloc, c, sizeof(*c));
}

static pk_err pk__launched_start(void *user, pk_launch *l, const pk_launch_info *info, void **state, pk_error *err)
{
    pk__launching_objects *all = (pk__launching_objects *)user;
    bool is_file = !pk__launched_is_compiled(info->path);
    bool apart = pk__launched_rule(all->desc, info->id)->isolation == PK_ISOLATION_PROCESS;
    if (apart && (!is_file || !all->desc->object_runner)) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot give '%s' a process of its own: %s", info->id,
                            is_file ? "there is no object_runner" : "it is compiled in");
    }
    pk__launched *c = (pk__launched *)pk__new(all->alloc, sizeof(*c));
    if (!c) {
        return pk__error_memory(err, "start a plugin");
    }
    c->alloc = all->alloc;
    c->here.alloc = all->alloc;
    c->here.loop = info->loop;
    c->here.launch = l;
    c->here.on_end = pk__launched_on_end;
    pk__objects_init(&c->here);
    bool as_process = is_file && (apart || (info->probe && all->desc->object_runner));
    pk_err rc = as_process ? pk__launched_start_process(all, l, info, c, err)
                           : pk__launched_start_here(all, l, info, c, err);
    if (rc) {
        c->inner = NULL;
        pk__launched_free(c);
        return rc;
    }
    *state = c;
    return PK_OK;
}

static pk_err pk__launched_send(void *state, pk_str bytes, pk_error *err)
{
    pk__launched *c = (pk__launched *)state;
    return c->process ? c->process->send(c->inner, bytes, err) : PK_OK; // it has had its line: info.config
}

static void pk__launched_stop(void *state, int how)
{
    pk__launched *c = (pk__launched *)state;
    pk__objects_instance *o = &c->here;
    if (c->process) {
        c->process->stop(c->inner, how);
        return;
    }
    pk__objects_end(o);
    if (how == 2 && o->state && !o->is_reported && pk__objects_is_busy(o)) {
        o->is_reported = true;
        pk_launch_exited(o->launch, -1, "calls were inside when it was to end, and nothing here can be killed");
    }
}

static pk_look pk__launched_look(void *state)
{
    pk__launched *c = (pk__launched *)state;
    return c->process ? c->process->look(c->inner) : PK_LOOK_RUNS;
}

PK__FN pk_launcher pk__object_launcher(pk__launching_objects *all, const pk_alloc *alloc, const pk_manager_desc *desc,
                                       const pk_launcher *process)
{
    pk_launcher l = {"object",       pk__launched_fits, pk__launched_start, pk__launched_send, pk__launched_stop,
                     pk__launched_free, pk__launched_look, all};
    all->alloc = alloc;
    all->desc = desc;
    all->process = process;
    pk__list_init(&all->running.all);
    return l;
}

/* ---- what is compiled in */

static pk_err pk__compiled_start(void *user, pk_sink *sink, pk_error *err)
{
    const pk__launching_objects *all = (const pk__launching_objects *)user;
    char path[100];
    for (size_t i = 0; i < all->desc->compiled_in_count; i++) {
        pk_found found;
        memset(&found, 0, sizeof(found));
        found.id = all->desc->compiled_in[i].id;
        (void)snprintf(path, sizeof(path), PK__COMPILED_IN "%s", found.id);
        found.path = path;
        pk_err rc = pk_sink_found(sink, &found, err);
        if (rc) {
            return rc;
        }
    }
    pk_sink_done(sink);
    return PK_OK;
}

PK__FN pk_finder pk__compiled_finder(pk__launching_objects *all)
{
    pk_finder finder = {"compiled-in", pk__compiled_start, NULL, all};
    return finder;
}
#endif
