/* telling.c - what a process is started with. */
#include "telling.h"
#include "securing.h"
#include "surviving.h"
#ifndef PLUGKIT_NO_PROCESS

#include <stdlib.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/random.h"

static bool pk__telling_env_add(pk_launch *l, const char **env, size_t *n, const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        return true;
    }
    env[*n] = pk_mem_printf(&l->mem, "%s=%s", name, value).ptr;
    return env[(*n)++] != NULL;
}

/* An allow-list: nothing of the host's environment is inherited unless it is named here or by the host. */
static pk_err pk__telling_env(pk_launch *l, pk_error *err)
{
    static const char *const always[] = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"};
    size_t more = 0;
    while (l->life->desc->env && l->life->desc->env[more]) {
        more++;
    }
    size_t n = 0;
    const char **env = (const char **)pk_mem_zero(&l->mem, (PK__COUNT(always) + more + 3) * sizeof(*env));
    bool ok = env != NULL;
    for (size_t i = 0; ok && i < PK__COUNT(always); i++) {
        ok = pk__telling_env_add(l, env, &n, always[i]);
    }
    for (size_t i = 0; ok && i < more; i++) {
        ok = pk__telling_env_add(l, env, &n, l->life->desc->env[i]);
    }
    if (ok && l->info.control) {
        env[n++] = "PLUGKIT_PROTOCOL=plugkit/1";
        env[n++] = "PLUGKIT_CONTROL_FD=3";
    }
    l->info.env = env;
    return ok ? PK_OK : pk__error_memory(err, "make the plugin's environment");
}

static bool pk__telling_declares(const pk__plugin *p, const char *type)
{
    for (size_t i = 0; p->config_types && p->config_types[i]; i++) {
        if (strcmp(p->config_types[i], type) == 0) {
            return true;
        }
    }
    return false;
}

/* The host's configuration entries that are meant for this plugin; only types that it declares are sent. */
static const pk_plugin_config *pk__telling_config_next(const pk_launch *l, size_t *at)
{
    const pk_manager_desc *d = l->life->desc;
    while (*at < d->config_count) {
        const pk_plugin_config *c = &d->config[(*at)++];
        if ((!c->plugin || strcmp(c->plugin, l->plugin->id) == 0) && pk__telling_declares(l->plugin, c->type)) {
            return c;
        }
    }
    return NULL;
}

PK__FN pk_err pk__telling_check(const pk_launch *l, pk_error *err)
{
    const pk_manager_desc *d = l->life->desc;
    for (size_t i = 0; i < d->config_count; i++) {
        const pk_plugin_config *c = &d->config[i];
        if (c->plugin && strcmp(c->plugin, l->plugin->id) == 0 && !pk__telling_declares(l->plugin, c->type)) {
            return pk_error_set(err, PK_ERR_CONFIG, "cannot configure '%s': it declares no config type '%s'",
                                l->plugin->id, c->type);
        }
    }
    size_t at = 0;
    const pk_plugin_config *c = l->life->check_config ? pk__telling_config_next(l, &at) : NULL;
    pk_err rc = PK_OK;
    for (; !rc && c; c = pk__telling_config_next(l, &at)) {
        rc = l->life->check_config(l->life->check_user, l->plugin, c, err);
    }
    return rc;
}

static uint64_t pk__telling_idle_ns(const pk_launch *l)
{
    return PK__MIN(l->life->desc->idle_ms, (uint64_t)(INT64_MAX / 1000000)) * 1000000u;
}

/* --config for the Go framework: just what Go's encoding/json would write, as its SDK reads nothing else. The id is
 * made unique, because such a plugin takes a socket of that name in /tmp, and another host may run it too. */
static pk_err pk__telling_framework_config(pk_launch *l, pk_buf *out, pk_error *err)
{
    pk_json_writer w;
    pk_str id = pk_mem_printf(&l->mem, "%s-%08lx", l->instance->name, (unsigned long)(pk__random_u64() & 0xffffffffu));
    l->socket = pk_mem_printf(&l->mem, "/tmp/%" PK_FMT "-plugin.socket", PK_ARG(id)).ptr;
    if (!id.ptr || !l->socket) {
        return pk__error_memory(err, "write the plugin's configuration");
    }
    pk_json_write(&w, out);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "id");
    pk_json_put_str(&w, id);
    pk_json_put_key(&w, "type");
    pk_json_put_text(&w, l->life->desc->tcp ? "tcp" : "unix");
    pk_json_put_key(&w, "idleTimeout");
    pk_json_put_uint(&w, pk__telling_idle_ns(l));
    size_t at = 0;
    const pk_plugin_config *c = pk__telling_config_next(l, &at);
    if (c) {
        pk_json_put_key(&w, "configTypes");
        pk_json_put_array(&w);
        for (; c; c = pk__telling_config_next(l, &at)) {
            pk_json_put_object(&w);
            pk_json_put_key(&w, "type");
            pk_json_put_text(&w, c->type);
            pk_json_put_key(&w, "data");
            pk_json_put_b64(&w, c->data);
            pk_json_put_end(&w);
        }
        pk_json_put_end(&w);
    }
    pk_json_put_end(&w);
    return pk_json_finish(&w, err);
}

/* Where it is to listen. Said here, before anything runs: plugins without our SDK may not find such good words. */
static pk_err pk__telling_listen(pk_launch *l, pk_str *out, pk_error *err)
{
    const char *http = pk__securing_is_on(l) ? "https" : "http";
    *out = pk__securing_is_on(l) ? PK_STR("https://127.0.0.1:0") : PK_STR("http://127.0.0.1:0");
    if (l->life->desc->tcp) {
        return PK_OK;
    }
    pk_str path = l->stem ? pk_mem_printf(&l->mem, "%s.sock", l->stem)
                          : pk_mem_printf(&l->mem, "%s/%s.sock", l->life->runtime_dir, l->instance->name);
    if (path.ptr && path.len > PK__ADDRESS_PATH_MAX) { // the number tells those apart whose names begin alike
        path = pk_mem_printf(&l->mem, "%s/%.8s-%lx-%lu.sock", l->life->runtime_dir, l->plugin->id,
                             (unsigned long)(l->plugin->handle & 0xffffffffu), (unsigned long)l->keeper->serial);
    }
    *out = pk_mem_printf(&l->mem, "%s+unix://%s", http, path.ptr ? path.ptr : "");
    if (!path.ptr || !out->ptr) {
        return pk__error_memory(err, "write the plugin's configuration");
    }
    if (path.len > PK__ADDRESS_PATH_MAX) {
        return pk_error_set(err, PK_ERR_BAD_ENDPOINT,
                            "cannot start '%s': the path of its socket would have %lu bytes, and %d is the most that "
                            "fits: choose a shorter runtime_dir than '%.60s%s'", l->plugin->id, (unsigned long)path.len,
                            PK__ADDRESS_PATH_MAX, l->life->runtime_dir, strlen(l->life->runtime_dir) > 60 ? "..." : "");
    }
    l->socket = path.ptr;
    return PK_OK;
}

/* The first line on the control socket. */
static pk_err pk__telling_hello(pk_launch *l, pk_buf *out, pk_error *err)
{
    pk__control_start start;
    memset(&start, 0, sizeof(start));
    size_t at = 0;
    size_t cap = l->life->desc->config_count;
    start.config.items = (pk__control_config *)pk_mem_zero(&l->mem, (cap + 1) * sizeof(*start.config.items));
    if (!start.config.items) {
        return pk__error_memory(err, "write the plugin's configuration");
    }
    pk_err rc = pk__telling_listen(l, &start.listen, err);
    if (rc) {
        return rc;
    }
    for (const pk_plugin_config *c; (c = pk__telling_config_next(l, &at)) != NULL;) {
        pk__control_config *item = &start.config.items[start.config.count++];
        item->type = pk_str_from(c->type);
        item->has_data = c->data.len > 0;
        item->data = c->data;
    }
    start.instance = pk_str_from(l->instance->name);
    start.token = pk_str_from(l->instance->token);
    start.has_listen = true;
    start.has_idle = true;
    start.idle = (pk_ns)pk__telling_idle_ns(l);
    if (l->stem) {
        start.has_survive = true;
        start.survive.ms = l->life->desc->survive_ms;
        start.survive.proof = pk_str_from(l->proof);
        start.survive.control = pk_mem_printf(&l->mem, "%s.control", l->stem);
        if (!start.survive.control.ptr) {
            return pk__error_memory(err, "write the plugin's configuration");
        }
    }
    pk__securing_tell(l, &start);
    if (l->life->host) {
        start.has_host = true;
        start.host = *l->life->host;
    }
    rc = pk__control_write_start(out, &start, err);
    if (rc) {
        pk__error_wrap(err, "cannot configure '%s'", l->plugin->id);
    }
    return rc;
}

static pk_err pk__telling_argv(pk_launch *l, pk_error *err)
{
    const char **argv = (const char **)pk_mem_zero(&l->mem, 4 * sizeof(*argv));
    if (!argv) {
        return pk__error_memory(err, "make the plugin's arguments");
    }
    argv[0] = l->plugin->path;
    l->info.argv = argv;
    if (l->info.probe) {
        argv[1] = "capabilities";
        return PK_OK;
    }
    if (!l->is_framework) {
        return PK_OK;
    }
    pk_buf config;
    pk_buf_init(&config, l->life->alloc, 96 * 1024); // one argument may have 128 KiB
    pk_err rc = pk__telling_framework_config(l, &config, err);
    if (!rc) {
        argv[1] = "--config";
        argv[2] = pk_mem_dup(&l->mem, pk_buf_str(&config)).ptr;
        rc = argv[2] ? PK_OK : pk__error_memory(err, "make the plugin's arguments");
    }
    pk_buf_free(&config);
    return rc;
}

static void pk__telling_remove(const pk_launch *l, const char *path)
{
    char lock[300];
    (void)PK__SYS(unlink)(path);
    if (l->is_framework && strlen(path) + 6 < sizeof(lock)) {
        (void)snprintf(lock, sizeof(lock), "%s.lock", path);
        (void)PK__SYS(unlink)(lock);
    }
}

/* The name of a socket is given once, so that nobody else's can be meant. A framework plugin need not use /tmp. */
PK__FN void pk__telling_clean_up(const pk_launch *l)
{
    const char *said = l->instance ? l->instance->address : NULL;
    pk__surviving_clean_up(l);
    if (!l->socket) {
        return;
    }
    pk__telling_remove(l, l->socket);
    if (l->is_framework && said && strncmp(said, "http+unix://", 12) == 0) {
        const char *name = strrchr(l->socket, '/'), *said_name = strrchr(said, '/');
        if (said_name && strcmp(name, said_name) == 0) {
            pk__telling_remove(l, said + 12);
        }
    }
}

/* One that runs already is only asked whether we may have it. */
static pk_err pk__telling_adopt(pk_launch *l, pk_buf *hello, pk_error *err)
{
    const char **argv = (const char **)pk_mem_zero(&l->mem, 3 * sizeof(*argv));
    if (!argv) {
        return pk__error_memory(err, "adopt a plugin");
    }
    argv[0] = l->info.path = l->kept->control;
    argv[1] = l->kept->record.proof.ptr;
    l->info.argv = argv;
    pk_err rc = pk__securing_is_on(l) ? pk__securing_adopt(l, hello, err)
                                      : pk__control_write_adopt(hello, pk_str_from(l->instance->token), false, err);
    l->info.config = pk_buf_str(hello);
    return rc;
}

/* What becomes of it when the host dies, as far as it is not the launcher's business. A probe has not been told of any
 * lifeline. */
static void pk__telling_host_death(pk_launch *l)
{
    bool ends_itself = l->instance && l->plugin->ends_its_group;
    l->info.die_with_host = !l->stem && !ends_itself;
    /* Whether a thread that is not ours and not the first lasts as long as the program, nobody knows. */
    l->info.lasting_thread = l->life->is_pinned || pk__sys_port_is_main_thread();
    pk_launch_host_death(l, l->stem ? "survives" : l->is_framework ? "none" : "asked");
    if (!l->stem && ends_itself) {
        pk_launch_host_death(l, "group");
    }
}

PK__FN pk_err pk__telling_prepare(pk_launch *l, pk_buf *hello, pk_error *err)
{
    l->is_framework = l->instance && !l->plugin->speaks_plugkit;
    l->info.id = l->plugin->id;
    l->info.instance = l->instance ? l->instance->name : l->plugin->id;
    l->info.path = l->plugin->path;
    l->info.probe = !l->instance;
    l->info.control = !l->is_framework;
    l->info.loop = l->life->loop;
    pk_err rc = pk__surviving_prepare(l, err);
    pk__telling_host_death(l);
    if (rc || l->kept) {
        return rc ? rc : pk__telling_adopt(l, hello, err);
    }
    rc = pk__telling_env(l, err);
    rc = rc ? rc : pk__telling_argv(l, err);
    if (!rc && l->instance && !l->is_framework) {
        rc = pk__telling_hello(l, hello, err);
        l->info.config = pk_buf_str(hello);
    }
    return rc;
}
#endif
