/* launching.c - one incarnation of a plugin, from its command line to its exit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../net/address.h"
#include "../../os/clock.h"
#include "../../os/loop.h"
#include "../../os/process.h"
#include "../../os/random.h"
#include "life.h"

/* ---- what it is started with */

static bool pk__launching_env_add(pk_launch *l, const char **env, size_t *n, const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        return true;
    }
    env[*n] = pk_mem_printf(&l->mem, "%s=%s", name, value).ptr;
    return env[(*n)++] != NULL;
}

/* An allow-list: nothing of the host's environment is inherited unless it is named here or by the host. */
static pk_err pk__launching_env(pk_launch *l, pk_error *err)
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
        ok = pk__launching_env_add(l, env, &n, always[i]);
    }
    for (size_t i = 0; ok && i < more; i++) {
        ok = pk__launching_env_add(l, env, &n, l->life->desc->env[i]);
    }
    if (ok && l->info.control) {
        env[n++] = "PLUGKIT_PROTOCOL=plugkit/1";
        env[n++] = "PLUGKIT_CONTROL_FD=3";
    }
    l->info.env = env;
    return ok ? PK_OK : pk__error_memory(err, "make the plugin's environment");
}

static bool pk__launching_declares(const pk__plugin *p, const char *type)
{
    for (size_t i = 0; p->config_types && p->config_types[i]; i++) {
        if (strcmp(p->config_types[i], type) == 0) {
            return true;
        }
    }
    return false;
}

/* The host's configuration entries that are meant for this plugin; only types that it declares are sent. */
static const pk_plugin_config *pk__launching_config_next(const pk_launch *l, size_t *at)
{
    const pk_manager_desc *d = l->life->desc;
    while (*at < d->config_count) {
        const pk_plugin_config *c = &d->config[(*at)++];
        if ((!c->plugin || strcmp(c->plugin, l->plugin->id) == 0) && pk__launching_declares(l->plugin, c->type)) {
            return c;
        }
    }
    return NULL;
}

/* A type that the host means for just this plugin, and the plugin does not know: a mistake that people should see. */
static pk_err pk__launching_config_check(const pk_launch *l, pk_error *err)
{
    const pk_manager_desc *d = l->life->desc;
    for (size_t i = 0; i < d->config_count; i++) {
        const pk_plugin_config *c = &d->config[i];
        if (c->plugin && strcmp(c->plugin, l->plugin->id) == 0 && !pk__launching_declares(l->plugin, c->type)) {
            return pk_error_set(err, PK_ERR_CONFIG, "cannot configure '%s': it declares no config type '%s'",
                                l->plugin->id, c->type);
        }
    }
    return PK_OK;
}

static uint64_t pk__launching_idle_ns(const pk_launch *l)
{
    return l->life->desc->idle_ms * 1000000u;
}

/* --config for the Go framework: just what Go's encoding/json would write, as its SDK reads nothing else. The id is
 * made unique, because such a plugin takes a socket of that name in /tmp, and another host may run it too. */
static pk_err pk__launching_framework_config(pk_launch *l, pk_buf *out, pk_error *err)
{
    pk_json_writer w;
    pk_str id = pk_mem_printf(&l->mem, "%s-%08lx", l->instance->name, (unsigned long)(pk__random_u64() & 0xffffffffu));
    if (!id.ptr) {
        return pk__error_memory(err, "write the plugin's configuration");
    }
    pk_json_write(&w, out);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "id");
    pk_json_put_str(&w, id);
    pk_json_put_key(&w, "type");
    pk_json_put_text(&w, l->life->desc->tcp ? "tcp" : "unix");
    pk_json_put_key(&w, "idleTimeout");
    pk_json_put_uint(&w, pk__launching_idle_ns(l));
    size_t at = 0;
    const pk_plugin_config *c = pk__launching_config_next(l, &at);
    if (c) {
        pk_json_put_key(&w, "configTypes");
        pk_json_put_array(&w);
        for (; c; c = pk__launching_config_next(l, &at)) {
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

/* The first line on the control socket. */
static pk_err pk__launching_hello(pk_launch *l, pk_buf *out, pk_error *err)
{
    pk__control_start start;
    memset(&start, 0, sizeof(start));
    size_t at = 0;
    size_t cap = l->life->desc->config_count;
    start.config.items = (pk__control_config *)pk_mem_zero(&l->mem, (cap + 1) * sizeof(*start.config.items));
    start.listen = l->life->desc->tcp ? PK_STR("http://127.0.0.1:0")
                                      : pk_mem_printf(&l->mem, "http+unix://%s/%s.sock", l->life->runtime_dir,
                                                      l->instance->name);
    if (!start.config.items || !start.listen.ptr) {
        return pk__error_memory(err, "write the plugin's configuration");
    }
    for (const pk_plugin_config *c; (c = pk__launching_config_next(l, &at)) != NULL;) {
        pk__control_config *item = &start.config.items[start.config.count++];
        item->type = pk_str_from(c->type);
        item->has_data = c->data.len > 0;
        item->data = c->data;
    }
    start.instance = pk_str_from(l->instance->name);
    start.token = pk_str_from(l->instance->token);
    start.has_listen = true;
    start.has_idle = true;
    start.idle = (pk_ns)pk__launching_idle_ns(l);
    if (l->life->host) {
        start.has_host = true;
        start.host = *l->life->host;
    }
    pk_err rc = pk__control_write_start(out, &start, err);
    if (rc) {
        (void)pk__error_wrap(err, "cannot configure '%s'", l->plugin->id);
    }
    return rc;
}

static pk_err pk__launching_argv(pk_launch *l, pk_error *err)
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
    pk_err rc = pk__launching_framework_config(l, &config, err);
    if (!rc) {
        argv[1] = "--config";
        argv[2] = pk_mem_dup(&l->mem, pk_buf_str(&config)).ptr;
        rc = argv[2] ? PK_OK : pk__error_memory(err, "make the plugin's arguments");
    }
    pk_buf_free(&config);
    return rc;
}

/* ---- what it prints and says */

static void pk__launching_fail(pk_launch *l, const pk_error *why)
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

/* The last lines of stderr say best why a start failed. */
static void pk__launching_tail(pk_launch *l, pk_str line)
{
    char clean[200];
    size_t add = pk__error_clean(clean, sizeof(clean), line);
    size_t have = strlen(l->tail);
    if (add == 0) {
        return;
    }
    if (have + add + 4 > sizeof(l->tail)) {
        size_t drop = PK__MIN(have, have + add + 4 - sizeof(l->tail));
        while (drop < have && ((unsigned char)l->tail[drop] & 0xC0) == 0x80) {
            drop++; // not in the middle of a character
        }
        memmove(l->tail, l->tail + drop, have - drop + 1);
        have -= drop;
    }
    (void)snprintf(l->tail + have, sizeof(l->tail) - have, "%s%s", have ? " | " : "", clean);
}

static void pk__launching_on_error_line(void *user, pk_str line)
{
    pk_launch *l = (pk_launch *)user;
    pk__launching_tail(l, line);
    pk__output_log(l->life->alloc, l->life->desc->on_log, l->life->desc->user, "plugin.output",
                   pk_str_from(l->plugin->id), PK_STR("stderr"), line);
}

/* A framework plugin tells its address by a line on stdout; what else it prints there is output like any other. */
static bool pk__launching_is_address(pk_str line)
{
    pk__address a;
    static const char *const forms[] = {"http+unix://", "http://", "unix:", "tcp://"};
    if (line.len > 300) {
        return false;
    }
    bool form = line.len > 2 && (line.ptr[0] == '[' || (line.ptr[0] >= '0' && line.ptr[0] <= '9'));
    for (size_t i = 0; i < PK__COUNT(forms); i++) {
        form = form || pk_str_starts(line, pk_str_from(forms[i]));
    }
    return form && pk__address_parse(&a, line, NULL) == PK_OK && a.kind != PK__ADDRESS_OTHER;
}

static void pk__launching_on_out_line(void *user, pk_str line)
{
    pk_launch *l = (pk_launch *)user;
    if (l->is_framework && l->step == PK__LAUNCH_STARTING && l->instance && !l->instance->channel &&
        pk__launching_is_address(line)) {
        pk_error why;
        if (pk__launching_connect(l, "go-framework", line, "", &why)) {
            pk__launching_fail(l, &why);
        } else {
            pk__health_ask(l); // it is up when it answers
        }
        return;
    }
    pk__output_log(l->life->alloc, l->life->desc->on_log, l->life->desc->user, "plugin.output",
                   pk_str_from(l->plugin->id), PK_STR("stdout"), line);
}

static void pk__launching_on_message(pk_launch *l, const pk__control_message *said)
{
    pk_error why;
    if (said->has_listening && !l->instance->channel) {
        const char *dialect = pk_str_starts(said->listening, PK_STR("lines:")) ? "lines" : "plugkit/1";
        if (pk__launching_connect(l, dialect, said->listening, l->instance->token, &why)) {
            pk__launching_fail(l, &why);
            return;
        }
    }
    if (said->has_error) {
        char text[200];
        (void)pk__error_clean(text, sizeof(text), said->error);
        (void)pk_error_set(&why, PK_ERR_START, "cannot start '%s': %s", l->plugin->id, text);
        if (said->has_code) {
            (void)pk__error_clean(why.app_code, sizeof(why.app_code), said->code);
        }
        pk__launching_fail(l, &why);
    } else if (said->has_ready && said->ready && l->instance->channel) {
        pk__keeper_up(l->keeper);
    } else if (said->has_ready && said->ready) {
        (void)pk_error_set(&why, PK_ERR_PROTOCOL, "cannot start '%s': it says that it is ready, but not where it listens",
                           l->plugin->id);
        pk__launching_fail(l, &why);
    }
}

static void pk__launching_on_control_line(pk_launch *l, pk_str line)
{
    pk__control_message said;
    pk_error why;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = l->life->alloc;
    if (pk__control_read(&mem, line, &said, &why)) {
        pk__lines_take(&l->link, line); // whoever waits for an answer learns that this was none
        (void)pk__error_wrap(&why, "cannot understand the plugin '%s'", l->plugin->id);
        pk__launching_fail(l, &why);
    } else if (said.has_id) {
        pk__lines_take(&l->link, line);
    } else {
        pk__launching_on_message(l, &said);
    }
    pk_mem_free(&mem);
}

static void pk__launching_on_control(pk_launch *l, pk_str bytes)
{
    pk_error why;
    pk_str line;
    if (!l->instance || l->step >= PK__LAUNCH_KILLED) {
        return; // a probe has nothing to say there
    }
    pk_err rc = pk__control_lines_feed(&l->control, bytes, &why);
    while (!rc && l->step < PK__LAUNCH_KILLED) {
        rc = pk__control_lines_next(&l->control, &line, &why);
        if (!rc && !line.ptr) {
            return;
        }
        if (!rc) {
            pk__launching_on_control_line(l, line);
        }
    }
    if (rc) {
        (void)pk__error_wrap(&why, "cannot understand the plugin '%s'", l->plugin->id);
        pk__launching_fail(l, &why);
    }
}

static pk_err pk__launching_send(void *user, pk_str bytes, pk_error *err)
{
    pk_launch *l = (pk_launch *)user;
    if (!l->launcher || !l->launcher->send || !l->state || l->step >= PK__LAUNCH_EXITED) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot write to '%s': it has no control socket",
                            l->plugin->id);
    }
    return l->launcher->send(l->state, bytes, err);
}

/* ---- reports of launchers */

PK_API void pk_launch_output(pk_launch *l, pk_stream stream, pk_str bytes)
{
    if (stream == PK_STREAM_CONTROL) {
        pk__launching_on_control(l, bytes);
    } else if (stream == PK_STREAM_ERR) {
        pk__output_add(&l->err, bytes);
    } else if (l->instance) {
        pk__output_add(&l->out, bytes);
    } else if (l->failure.code == PK_OK && !pk_buf_add(&l->printed, bytes)) {
        pk_error why;
        (void)pk_error_set(&why, PK_ERR_LIMIT, "cannot use the capabilities of '%s': it prints more than 1 MiB",
                           l->plugin->id);
        pk__launching_fail(l, &why);
    }
}

PK_API void pk_launch_pid(pk_launch *l, int64_t pid)
{
    pk__registry_lock(l->life->registry);
    if (l->instance) {
        l->instance->pid = pid;
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
    } else if (pk__launching_connect(l, l->dialect, pk_str_from(l->address), l->token, &why)) {
        pk__launching_fail(l, &why);
    } else {
        pk__keeper_up(l->keeper);
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
        pk__output_end(&l->out);
        pk__output_end(&l->err);
        l->step = PK__LAUNCH_EXITED;
        pk_timer_stop(l->life->loop, &l->timer);
        pk__keeper_exited(l->keeper);
    }
}

/* ---- beginning and end */

static void pk__launching_on_time(void *user)
{
    pk_launch *l = (pk_launch *)user;
    pk_error why;
    switch (l->step) {
    case PK__LAUNCH_STARTING:
        (void)pk_error_set(&why, PK_ERR_PLUGIN_TIMEOUT, "cannot %s '%s': it was not ready within %lu ms%s%s",
                           l->instance ? "start" : "probe", l->plugin->id,
                           (unsigned long)l->life->desc->deadline.start_ms, l->tail[0] ? ": " : "", l->tail);
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

PK__FN pk_err pk__launching_connect(pk_launch *l, const char *dialect, pk_str address, const char *token,
                                    pk_error *err)
{
    pk__instance *i = l->instance;
    char text[PK__ADDRESS_TEXT_MAX];
    pk__address a;
    pk_endpoint endpoint;
    void *channel = NULL;
    memset(&endpoint, 0, sizeof(endpoint));
    const pk_dialect *d = pk__life_dialect(l->life, dialect);
    if (!d) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot talk to '%s': nobody knows the dialect '%s'",
                            l->plugin->id, dialect);
    }
    const char *shown = pk_mem_dup(&i->mem, address).ptr;
    if (pk__address_parse(&a, address, NULL) == PK_OK && a.kind != PK__ADDRESS_OTHER) {
        pk__address_loopback(&a);
        (void)pk__address_format(&a, text, sizeof(text));
        shown = pk_mem_dup(&i->mem, pk_str_from(text)).ptr;
    }
    if (!shown) {
        return pk__error_memory(err, "take the plugin's address");
    }
    endpoint.address = shown;
    endpoint.dialect = dialect;
    endpoint.token = pk_str_from(token);
    endpoint.link = &l->link;
    pk_err rc = d->open(d->user, l->life->loop, &endpoint, &channel, err);
    if (rc) {
        (void)pk__error_wrap(err, "cannot talk to '%s'", l->plugin->id);
        return rc;
    }
    pk__registry_lock(l->life->registry);
    i->dialect = d;
    i->channel = channel;
    i->address = shown;
    pk__registry_unlock(l->life->registry);
    return PK_OK;
}

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
    (void)snprintf(i->name, sizeof(i->name), "%s-%lu", l->plugin->id, (unsigned long)++l->keeper->serial);
    l->instance = i;
    pk__registry_lock(l->life->registry);
    pk__list_push(&l->life->registry->instances, &i->node);
    pk__registry_unlock(l->life->registry);
    pk_err rc = pk__random_token(token, err);
    if (!rc) {
        i->token = pk_mem_dup(&i->mem, pk_str_from(token)).ptr;
        rc = i->token ? PK_OK : pk__error_memory(err, "start a plugin");
    }
    return rc ? rc : pk__launching_config_check(l, err);
}

static pk_err pk__launching_run(pk_launch *l, pk_error *err)
{
    l->launcher = pk__launching_launcher(l->life, l->plugin);
    if (!l->launcher && l->plugin->path) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot start '%s': this build starts no processes", l->plugin->id);
    }
    if (!l->launcher) { // it runs already
        pk_launch_listening(l, &l->plugin->endpoint);
        return PK_OK;
    }
    l->is_framework = l->instance && !l->plugin->speaks_plugkit;
    l->info.id = l->plugin->id;
    l->info.instance = l->instance ? l->instance->name : l->plugin->id;
    l->info.path = l->plugin->path;
    l->info.probe = !l->instance;
    l->info.control = !l->is_framework;
    l->info.die_with_host = l->is_framework && l->life->is_pinned;
    l->info.loop = l->life->loop;
    pk_buf hello;
    pk_buf_init(&hello, l->life->alloc, 1024 * 1024);
    pk_err rc = pk__launching_env(l, err);
    rc = rc ? rc : pk__launching_argv(l, err);
    if (!rc && l->instance && !l->is_framework) {
        rc = pk__launching_hello(l, &hello, err);
        l->info.config = pk_buf_str(&hello);
    }
    /* Reports may come before start has returned; what they ask for waits until there is something to stop. */
    void *state = NULL;
    rc = rc ? rc : l->launcher->start(l->launcher->user, l, &l->info, &state, err);
    l->state = state;
    if (!rc && l->failure.code) {
        pk__launching_signal(l, 2);
    }
    if (!rc && hello.len && l->launcher->send) {
        rc = l->launcher->send(l->state, pk_buf_str(&hello), err);
        if (rc) {
            pk__launching_signal(l, 2); // it has started: its exit ends it
            l->failure = *err;
            rc = PK_OK;
        }
    }
    pk_buf_free(&hello);
    return rc;
}

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
    l->link.alloc = life->alloc;
    l->link.send = pk__launching_send;
    l->link.user = l;
    pk__output_init(&l->out, life->alloc, PK__OUTPUT_LINE, pk__launching_on_out_line, l);
    pk__output_init(&l->err, life->alloc, PK__OUTPUT_LINE, pk__launching_on_error_line, l);
    pk__control_lines_init(&l->control, life->alloc, PK__CONTROL_START_MAX); // answers in lines mode are large
    pk_buf_init(&l->printed, life->alloc, PK__LIFE_PROBE_MAX);
    k->launch = l;
    pk_err rc = probe ? PK_OK : pk__launching_instance(l, err);
    rc = rc ? rc : pk_timer_start(life->loop, &l->timer, life->desc->deadline.start_ms, err);
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
    pk__strfree(life->alloc, l->dialect);
    pk__strfree(life->alloc, l->token);
    pk__output_deinit(&l->out);
    pk__output_deinit(&l->err);
    pk__control_lines_deinit(&l->control);
    pk_buf_free(&l->printed);
    pk_mem_free(&l->mem);
    l->keeper->launch = NULL;
    pk__free(life->alloc, l, sizeof(*l));
}
