/* sdk.c - a plugin process from its first argument to its exit status. */
#include "object.h"
#include "sdk.h"
#ifndef PLUGKIT_NO_NET

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../os/clock.h"
#include "../os/fd.h"
#include "../os/loop.h"
#include "../os/sys.h"
#include "../rpc/service.h"

enum {
    PK__SDK_FIRST_LINE_MS = 10000,
    PK__SDK_DRAIN_MS = 5000,
    PK__SDK_DRAIN_DEAD_MS = 50, // the host is gone: nobody waits for the answers
    PK__SDK_DRAIN_LOOK_MS = 10,
    PK__SDK_OUTPUT_MAX = 16 * 1024 * 1024
};

#define PK__SDK_IDLE_DEFAULT (3600 * PK__SECOND)
#define PK__SDK_IDLE_MAX (INT64_MAX / 4)

static pk__sdk_state pk__sdk_state_of(const pk_sdk *p)
{
    return (pk__sdk_state)pk__atomic_load(&p->state);
}

/* ---- the end */

static void pk__sdk_on_drain(void *user)
{
    pk_sdk *p = (pk_sdk *)user;
    bool idle = p->work.running == 0 && pk_server_is_idle(p->server);
    if (!idle && pk__clock_ns() < p->drain_until &&
        pk_timer_start(p->loop, &p->drain, PK__SDK_DRAIN_LOOK_MS, NULL) == PK_OK) {
        return;
    }
    pk__atomic_store(&p->state, PK__SDK_STOPPED);
    pk_loop_wake(p->loop);
}

static void pk__sdk_begin_end(pk_sdk *p, uint32_t drain_ms)
{
    int64_t until = pk__clock_after_ms(pk__clock_ns(), drain_ms);
    switch (pk__sdk_state_of(p)) {
    case PK__SDK_DRAINING:
        p->drain_until = PK__MIN(p->drain_until, until);
        return;
    case PK__SDK_RUNNING: break;
    default: return;
    }
    pk__atomic_store(&p->state, PK__SDK_DRAINING);
    p->drain_until = until;
    pk__work_stop(&p->work);
    pk__door_shut(&p->door);
    pk__survive_close(&p->survive);
    pk__lifeline_part(&p->lifeline);
    pk_server_drain(p->server);
    p->drain.on_time = pk__sdk_on_drain;
    p->drain.user = p;
    if (pk_timer_start(p->loop, &p->drain, 0, NULL)) {
        pk__sdk_on_drain(p); // no memory for a timer: end now rather than never
    }
}

static void pk__sdk_on_stop(void *user)
{
    pk__sdk_begin_end((pk_sdk *)user, PK__SDK_DRAIN_MS);
}

PK_API void pk_sdk_stop(pk_sdk *p)
{
    if (!pk__sdk_inside_stops(p)) {
        pk_loop_post(p->loop, &p->stop);
    }
}

/* From inside the server, which is not to be drained there. */
static void pk__sdk_on_shutdown(void *owner)
{
    pk_sdk_stop((pk_sdk *)owner);
}

static void pk__sdk_on_lifeline(void *user, pk__lifeline_end why)
{
    pk__sdk_begin_end((pk_sdk *)user, why == PK__LIFELINE_DEAD ? PK__SDK_DRAIN_DEAD_MS : PK__SDK_DRAIN_MS);
}

static bool pk__sdk_is_ready(void *owner)
{
    return pk__sdk_state_of((const pk_sdk *)owner) == PK__SDK_RUNNING;
}

static void pk__sdk_on_work(void *user, int change)
{
    pk_sdk *p = (pk_sdk *)user;
    pk__work_change(&p->work, change);
    if (p->work.running == 0 && pk__sdk_state_of(p) == PK__SDK_DRAINING) {
        (void)pk_timer_start(p->loop, &p->drain, 0, NULL); // it runs already: this only brings it forward
    }
}

/* ---- what a process has only once */

#ifndef PLUGKIT_NO_PROCESS
static void pk__sdk_on_signal(void *user, int number)
{
    pk_sdk *p = (pk_sdk *)user;
    if (number == SIGCONT) {
        pk__lifeline_look(&p->lifeline);
    } else {
        pk__sdk_begin_end(p, PK__SDK_DRAIN_MS);
    }
}

static bool pk__sdk_is_handled(int number)
{
    struct sigaction now;
    memset(&now, 0, sizeof(now));
    return PK__SYS(sigaction)(number, NULL, &now) == 0 &&
           ((now.sa_flags & SA_SIGINFO) || (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN));
}

static pk_err pk__sdk_take_signals(pk_sdk *p, pk_error *err)
{
    if (!p->is_main && (pk__sdk_is_handled(SIGINT) || pk__sdk_is_handled(SIGTERM))) {
        return PK_OK; // the program has its own way to end
    }
    pk_err rc = pk__signals_start(&p->signals, p->loop, pk__sdk_on_signal, p, err);
    return rc == PK_ERR_BUSY ? PK_OK : rc; // another SDK of this process has them
}

static void pk__sdk_give_signals(pk_sdk *p)
{
    pk__signals_stop(&p->signals);
}

/* If its host dies while it has a stopped child, the system sends SIGHUP to the group: the guard ends it, and all. */
static void pk__sdk_hush_hangup(void)
{
    pk__signals_hush(SIGHUP);
}
#else
static void pk__sdk_hush_hangup(void)
{
}

static pk_err pk__sdk_take_signals(pk_sdk *p, pk_error *err)
{
    (void)p, (void)err;
    return PK_OK;
}

static void pk__sdk_give_signals(pk_sdk *p)
{
    (void)p;
}
#endif

/* A host that dies while we write to its pipe must not kill us before we have noticed. */
static void pk__sdk_ignore_sigpipe(pk_sdk *p)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof(ignore));
    ignore.sa_handler = SIG_IGN;
    if (PK__SYS(sigaction)(SIGPIPE, NULL, &p->old_pipe) == 0 && !(p->old_pipe.sa_flags & SA_SIGINFO) &&
        p->old_pipe.sa_handler == SIG_DFL) {
        p->has_old_pipe = PK__SYS(sigaction)(SIGPIPE, &ignore, NULL) == 0;
    }
}

/* ---- the start */

PK__FN pk_err pk__sdk_check(const pk_sdk_desc *desc, pk_error *err)
{
    if (!pk__service_is_name(pk_str_from(desc->id))) {
        return pk_error_set(err, PK_ERR_BAD_NAME,
                            "cannot be a plugin: '%s' is not an id: letters, digits, '_', '.' and '-', at most %d",
                            desc->id ? desc->id : "", PK__SERVICE_NAME_MAX);
    }
    if (desc->workers < 0 || (desc->service_count && !desc->services) || (desc->route_count && !desc->routes)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start '%s': its description is not complete", desc->id);
    }
    return pk__service_check(desc->services, desc->service_count, err);
}

static pk_err pk__sdk_capabilities(const pk_sdk *p, pk_buf *out, pk_error *err)
{
    const pk_sdk_desc *desc = &p->desc;
    const char *lifeline = p->is_main && pk__lifeline_has_group(&p->lifeline) ? "group" : NULL;
    const pk__service_about about = {desc->services,    desc->service_count, desc->config_types,
                                     desc->id,          desc->version,       desc->description,
                                     desc->author,      desc->license,       lifeline,
                                     PK__SURVIVE_CAN,   PK__CONTROL_HAS_TLS};
    pk_buf_init(out, desc->alloc, PK__SDK_OUTPUT_MAX);
    pk_err rc = pk__service_capabilities(out, &about, err);
#ifdef PLUGKIT_WITH_SCHEMA
    rc = rc ? rc : pk__config_schema_put(out, desc, err);
#endif
    return rc;
}

static pk_err pk__sdk_print_capabilities(const pk_sdk *p, pk_error *err)
{
    const pk__stdout plain = {0};
    pk_buf buf;
    pk_err rc = pk__sdk_capabilities(p, &buf, err);
    if (!rc) {
        rc = pk__stdout_print(&plain, pk_buf_str(&buf), err);
    }
    pk_buf_free(&buf);
    return rc ? rc : pk_error_set(err, PK_ERR_CANCELED, "the capabilities were printed: there is nothing else to do");
}

/* For hosts that did not start it, and cannot run it to ask. */
static pk_err pk__sdk_get_capabilities(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    pk_buf buf;
    pk_err rc = pk__sdk_capabilities((const pk_sdk *)user, &buf, err);
    if (!rc) {
        response->body.bytes = pk_mem_dup(request->ctx->mem, pk_buf_str(&buf));
        rc = response->body.bytes.ptr ? PK_OK : pk__error_memory(err, "answer");
    }
    pk_buf_free(&buf);
    return rc;
}

/* For people: a host with this in its environment uses the plugin where it runs. */
static void pk__sdk_print_reattach(const pk_sdk *p)
{
    pk_buf capabilities, line;
    pk_buf_init(&line, p->alloc, PK__SDK_OUTPUT_MAX);
    (void)pk__sdk_capabilities(p, &capabilities, NULL);
    pk_buf_printf(&line, "PLUGKIT_REATTACH='{\"%s\":{\"address\":\"%s\",\"capabilities\":", p->desc.id,
                  p->door.address);
    for (size_t i = 0; i < capabilities.len; i++) {
        pk_str quote = PK_STR("\\u0027"), plain = {capabilities.ptr + i, 1};
        pk_buf_add(&line, *plain.ptr == '\'' ? quote : plain); // one that the shell does not see
    }
    pk_buf_add(&line, PK_STR("}}'\n"));
    bool quotable = !strpbrk(p->door.address, "'\"\\");
    if (quotable && capabilities.len && !line.failed) {
        (void)pk__fd_write_all(2, pk_buf_str(&line), NULL);
    }
    pk_buf_free(&capabilities);
    pk_buf_free(&line);
}

static pk_err pk__sdk_print_usage(const char *program, const pk_sdk_desc *desc, pk_error *err)
{
    pk_buf buf;
    pk_buf_init(&buf, desc->alloc, PK__SDK_OUTPUT_MAX);
    pk__args_usage(&buf, program && program[0] ? program : desc->id, desc);
    (void)pk__fd_write_all(2, pk_buf_str(&buf), NULL);
    pk_buf_free(&buf);
    return pk_error_set(err, PK_ERR_CANCELED, "the usage was printed: there is nothing else to do");
}

#ifdef PLUGKIT_WITH_SCHEMA
static pk_err pk__sdk_configure(pk_sdk *p, pk_error *err)
{
    pk_sdk_desc checked = p->desc;
    checked.on_config = pk__config_schema_check;
    checked.user = &p->desc;
    return pk__settings_apply(&p->settings, &checked, err);
}
#else
static pk_err pk__sdk_configure(pk_sdk *p, pk_error *err)
{
    return pk__settings_apply(&p->settings, &p->desc, err);
}
#endif

#ifdef PLUGKIT_WITH_TLS
/* The next certificate. The host's wish must not turn a plain server into another one. */
static pk_err pk__sdk_on_tls(void *user, pk__control_tls *told, pk_error *err)
{
    pk_sdk *p = (pk_sdk *)user;
    return p->secure.tls ? pk__sdk_secure_take(&p->secure, p->alloc, told, err)
                         : pk_error_set(err, PK_ERR_HANDSHAKE, "it serves without TLS");
}

static pk_err pk__sdk_take_tls(pk_sdk *p, pk_str line, pk_error *err)
{
    p->lifeline.on_tls = pk__sdk_on_tls;
    if (!p->settings.has_tls) {
        return PK_OK;
    }
    pk_err rc = pk__sdk_secure_take(&p->secure, p->alloc, &p->settings.tls, err);
    pk__sdk_secure_wipe((void *)(uintptr_t)line.ptr, line.len); // it lies in a buffer of ours
    p->settings.secure = p->secure.tls;
    return rc;
}

static void pk__sdk_drop_tls(pk_sdk *p)
{
    pk__sdk_secure_deinit(&p->secure);
}
#else
static pk_err pk__sdk_take_tls(pk_sdk *p, pk_str line, pk_error *err)
{
    (void)p, (void)line, (void)err;
    return PK_OK;
}

static void pk__sdk_drop_tls(pk_sdk *p)
{
    (void)p;
}
#endif

/* Where what we were told comes from. */
static pk_err pk__sdk_read_settings(pk_sdk *p, const char *program, pk_error *err)
{
    pk__settings *s = &p->settings;
    pk_err rc = PK_OK;
    s->mem.alloc = p->alloc;
    s->instance = pk_mem_dup(&s->mem, pk_str_from(p->desc.id));
    if (!s->instance.ptr) {
        return pk__error_memory(err, "start the plugin");
    }
    if (p->args.control_fd >= 0) {
        pk_str line;
        rc = pk__lifeline_first(&p->lifeline, PK__SDK_FIRST_LINE_MS, &line, err);
        rc = rc ? rc : pk__settings_read_line(s, line, err);
        return rc ? rc : pk__sdk_take_tls(p, line, err);
    }
    if (p->args.config) {
        rc = pk__settings_read_config(s, pk_str_from(p->args.config), err);
    } else if (!p->args.listen && p->args.listen_fd < 0) {
        (void)pk__sdk_print_usage(program, &p->desc, NULL);
        return pk_error_set(err, PK_ERR_CONFIG, "missing required flag --config");
    }
    if (!rc && p->args.listen) {
        s->listen = pk_str_from(p->args.listen);
    }
    return rc;
}

static pk_err pk__sdk_open_server(pk_sdk *p, pk_error *err)
{
    pk_server_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.alloc = p->alloc;
    desc.loop = p->loop;
    desc.has_listen_fd = true;
    desc.listen_fd = pk__door_take_fd(&p->door);
    desc.token = p->settings.token;
    desc.tls = pk__settings_secure(&p->settings) ? pk__settings_secure(&p->settings) : p->desc.tls;
    desc.interceptors = p->desc.interceptors;
    desc.interceptor_count = p->desc.interceptor_count;
    desc.workers = p->desc.workers;
    desc.limit.body_bytes = p->desc.body_bytes;
    desc.on_work = pk__sdk_on_work;
    desc.user = p;
    pk_err rc = pk_server_create(&p->server, &desc, err);
    if (rc) {
        return rc;
    }
    p->endpoints.alloc = p->alloc;
    p->endpoints.on_health = p->desc.on_health;
    p->endpoints.user = p->desc.user;
    p->endpoints.any_verb_shuts_down = p->settings.profile == PK__SETTINGS_FRAMEWORK;
    p->endpoints.is_ready = pk__sdk_is_ready;
    p->endpoints.on_shutdown = pk__sdk_on_shutdown;
    p->endpoints.owner = p;
    const pk_route capabilities = {"GET /capabilities", PK_INLINE, pk__sdk_get_capabilities, p};
    rc = pk__endpoints_add(&p->endpoints, p->server, &p->desc, err);
    if (rc || !PK__SURVIVE_CAN) {
        return rc;
    }
    rc = pk_server_add(p->server, &capabilities, err);
    return rc == PK_ERR_DUPLICATE ? PK_OK : rc; // a plugin may have something else there
}

/* Tells where we are, and that requests may come. */
static pk_err pk__sdk_announce(pk_sdk *p, pk_error *err)
{
    if (PK__SURVIVE_CAN && p->settings.profile == PK__SETTINGS_BY_HAND) {
        pk__sdk_print_reattach(p);
    }
    if (p->settings.profile != PK__SETTINGS_CONTROL) {
        return pk__stdout_print(&p->real_stdout, pk_str_from(p->door.address), err);
    }
    pk__service_scratch scratch;
    pk_buf buf;
    pk__service_scratch_init(&scratch, p->alloc, &buf, PK__CONTROL_LINE_MAX);
    pk_err rc = pk__control_write_ready(&buf, pk_str_from(p->door.address), err);
    if (!rc) {
        rc = pk__lifeline_send(&p->lifeline, pk_buf_str(&buf), err);
    }
    pk_buf_free(&buf);
    return rc;
}

PK__FN pk_err pk__sdk_call_on_start(pk_sdk *p, pk_error *err)
{
    pk_error why;
    memset(&why, 0, sizeof(why));
    pk_err rc = p->desc.on_start ? p->desc.on_start(p->desc.user, p, &why) : PK_OK;
    p->started = rc == PK_OK;
    if (rc && why.code != rc) { // returned a code, and did not say more
        return pk_error_set(err, rc, "cannot start '%s': %s", p->desc.id, pk_err_text(rc));
    }
    return rc ? pk__error_copy(err, &why) : PK_OK;
}

/* From here on things are watched that can ask for the end. */
static pk_err pk__sdk_run(pk_sdk *p, pk_error *err)
{
    int64_t idle = p->desc.idle_ms ? (int64_t)PK__MIN(p->desc.idle_ms, (uint64_t)(PK__SDK_IDLE_MAX / PK__MS)) * PK__MS
                   : p->settings.idle ? PK__MIN(p->settings.idle, PK__SDK_IDLE_MAX)
                                      : PK__SDK_IDLE_DEFAULT;
    pk__atomic_store(&p->state, PK__SDK_RUNNING);
    pk_err rc = pk__work_start(&p->work, p->loop, idle, pk__sdk_on_stop, p, err);
    if (!rc) {
        rc = pk__sdk_take_signals(p, err);
    }
    if (!rc && p->settings.profile != PK__SETTINGS_BY_HAND) {
        rc = pk__lifeline_watch(&p->lifeline, p->loop, pk__sdk_on_lifeline, p, err);
        if (!rc && p->settings.survive_ms) {
            rc = pk__survive_open(&p->survive, p->loop, &p->settings, &p->lifeline, p->door.address, err);
        }
    }
    return rc ? rc : pk__sdk_announce(p, err);
}

static pk_err pk__sdk_start(pk_sdk *p, const char *program, pk_error *err)
{
    pk_err rc = pk__sdk_check(&p->desc, err);
    if (!rc) {
        rc = pk__sdk_read_settings(p, program, err);
    }
    if (rc) {
        return rc;
    }
    /* Before anything of the user's runs: */
    if (p->settings.profile == PK__SETTINGS_FRAMEWORK) {
        pk__stdout_keep(&p->real_stdout);
    }
    p->lifeline.survive_ms = p->settings.survive_ms;
    if (p->is_main && p->lifeline.fd) {
        pk__sdk_hush_hangup();
        pk__lifeline_guard(&p->lifeline);
    }
    rc = pk__sdk_configure(p, err);
    if (!rc) {
        p->settings.is_secure = pk__settings_secure(&p->settings) || p->desc.tls;
        rc = pk__door_open(&p->door, p->alloc, &p->settings, p->args.listen_fd, err);
        pk__atomic_store_ptr(&p->lifeline.litter, p->door.path);
    }
    if (!rc && !p->loop) {
        rc = pk_loop_create(&p->loop, p->alloc, err);
        p->owns_loop = rc == PK_OK;
        if (!rc) {
            p->loop->spin.ns = pk__spin_ns(p->desc.spin_us);
        }
    }
    if (!rc) {
        rc = pk__sdk_open_server(p, err);
    }
    if (!rc) {
        rc = pk__sdk_call_on_start(p, err);
    }
    return rc ? rc : pk__sdk_run(p, err);
}

/* Why there will be no plugin: for the host on the control socket, for people on stderr. */
static void pk__sdk_report(pk_sdk *p, const pk_error *why)
{
    pk__service_scratch scratch;
    pk_buf buf;
    pk__service_scratch_init(&scratch, p->alloc, &buf, PK__CONTROL_LINE_MAX);
    if (p->lifeline.fd && pk__control_write_error(&buf, why, NULL) == PK_OK) {
        (void)pk__lifeline_send(&p->lifeline, pk_buf_str(&buf), NULL);
    }
    pk_buf_free(&buf);
    if (p->is_main && (p->settings.profile != PK__SETTINGS_BY_HAND || p->lifeline.fd)) {
        const pk_meta code = {PK_STR_INIT("code"), pk_str_from(pk_err_id(why->code))};
        pk_sdk_log(PK_LOG_ERROR, why->msg, &code, 1);
    } else if (p->is_main) {
        (void)fprintf(stderr, "%s: %s\n", p->desc.id ? p->desc.id : "plugin", why->msg);
    }
}

/* The description may be gone when pk_sdk_create has returned; what its arrays point to is borrowed. */
static bool pk__sdk_copy(pk_sdk *p, const pk_sdk_desc *desc)
{
    size_t services = desc->services ? desc->service_count * sizeof(pk_service) : 0;
    size_t interceptors = desc->interceptors ? desc->interceptor_count * sizeof(void *) : 0;
    pk_service *s = (pk_service *)pk_mem_get(&p->mem, services);
    const pk_interceptor **i = (const pk_interceptor **)pk_mem_get(&p->mem, interceptors);
    if (!s || !i) {
        return false;
    }
    p->desc = *desc;
    if (services) {
        memcpy(s, desc->services, services);
        p->desc.services = s;
    }
    if (interceptors) {
        memcpy(i, desc->interceptors, interceptors);
        p->desc.interceptors = i;
    }
    return true;
}

PK__FN pk_sdk *pk__sdk_new(const pk_sdk_desc *desc)
{
    pk_sdk *p = (pk_sdk *)pk__new(desc->alloc, sizeof(*p));
    if (!p) {
        return NULL;
    }
    p->alloc = desc->alloc;
    p->mem.alloc = desc->alloc;
    if (!pk__sdk_copy(p, desc)) {
        pk_mem_free(&p->mem);
        pk__free(desc->alloc, p, sizeof(*p));
        return NULL;
    }
    p->loop = desc->loop;
    p->stop.run = pk__sdk_on_stop;
    p->stop.user = p;
    pk__mutex_init(&p->host_lock);
    return p;
}

/* What pk_sdk_destroy does. True: its host is gone. */
static bool pk__sdk_free(pk_sdk *p)
{
    const pk_alloc *alloc = p->alloc;
    bool forked = p->loop && pk__loop_is_forked(p->loop); // then files, signals and callbacks are the parent's
    if (forked) {
        p->door.path[0] = '\0';
        p->survive.path[0] = '\0';
    }
    pk__atomic_store(&p->state, PK__SDK_STOPPED); // whatever still asks for the end comes too late
    pk__atomic_store(&p->lifeline.noticed, 1); // the guard need not think that the loop is stuck: it is over
    pk__work_stop(&p->work);
    pk__door_shut(&p->door);
    if (p->interrupt_host) {
        p->interrupt_host(&p->host); // a handler that waits for the host may end
    }
    pk_server_destroy(p->server);
    if (p->loop) {
        pk_loop_unpost(p->loop, &p->stop);
        pk_loop_unpost(p->loop, &p->report);
        pk_timer_stop(p->loop, &p->drain);
    }
    pk__endpoints_deinit(&p->endpoints);
    if (p->deinit_host) {
        p->deinit_host(&p->host);
    }
    pk__sdk_drop_tls(p);
    pk__mutex_deinit(&p->host_lock);
    if (p->started && p->desc.on_close && !forked) {
        p->desc.on_close(p->desc.user);
    }
    pk__survive_close(&p->survive);
    bool is_orphan = pk__lifeline_is_orphan(&p->lifeline);
    if (!p->is_main || !is_orphan) { // SIGHUP, which comes when a group is orphaned, must not end it before its group
        pk__sdk_give_signals(p);
    }
    pk__lifeline_deinit(&p->lifeline);
    pk__stdout_restore(&p->real_stdout);
    if (p->owns_loop) {
        pk_loop_destroy(p->loop);
    }
    pk__door_deinit(&p->door);
    if (p->has_old_pipe) {
        (void)PK__SYS(sigaction)(SIGPIPE, &p->old_pipe, NULL);
    }
    pk_mem_free(&p->settings.mem);
    pk_mem_free(&p->mem);
    pk__free(alloc, p, sizeof(*p));
    return is_orphan;
}

PK__FN pk_err pk__sdk_create(pk_sdk **out, int argc, char *const *argv, const pk_sdk_desc *desc, bool is_main,
                             pk_error *err)
{
    pk_error own;
    err = err ? err : &own;
    *out = NULL;
    pk_sdk *p = pk__sdk_new(desc);
    if (!p) {
        return pk__error_memory(err, "start the plugin");
    }
    p->is_main = is_main;
    pk_err rc = pk__args_parse(&p->args, argc, argv, err);
    if (!rc && p->args.control_fd >= 0) {
        rc = pk__lifeline_open(&p->lifeline, p->alloc, p->args.control_fd, err);
    }
    if (!rc && p->args.capabilities) {
        rc = pk__sdk_check(desc, err);
        rc = rc ? rc : pk__sdk_print_capabilities(p, err);
    } else if (!rc && p->args.help) {
        rc = pk__sdk_print_usage(argv[0], desc, err);
    } else if (!rc) {
        pk__sdk_ignore_sigpipe(p);
        rc = pk__sdk_start(p, argc > 0 ? argv[0] : NULL, err);
    }
    if (rc == PK_ERR_CANCELED && !p->args.capabilities && !p->args.help) { // a callback's: here it means something else
        rc = err->code = PK_ERR_CONFIG;
    }
    if (rc) {
        if (rc != PK_ERR_CANCELED) {
            pk__sdk_report(p, err);
        }
        bool is_orphan = pk__sdk_free(p);
        if (is_main && is_orphan) {
            pk__lifeline_end_group();
        }
        return rc;
    }
    *out = p;
    return PK_OK;
}

/* ---- public */

PK_API pk_err pk_sdk_create(pk_sdk **out, int argc, char **argv, const pk_sdk_desc *desc, pk_error *err)
{
    if (!out || !desc) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start a plugin: there is no description");
    }
    return pk__sdk_create(out, argc, argv, desc, false, err);
}

PK_API bool pk_sdk_is_running(const pk_sdk *p)
{
    return p && pk__sdk_state_of(p) != PK__SDK_STOPPED;
}

PK_API void pk_sdk_destroy(pk_sdk *p)
{
    if (p) {
        (void)pk__sdk_free(p);
    }
}

PK_API pk_loop *pk_sdk_loop(pk_sdk *p)
{
    return p->loop;
}

PK_API pk_server *pk_sdk_server(pk_sdk *p)
{
    return p->server;
}

PK_API const char *pk_sdk_instance(const pk_sdk *p)
{
    return p->settings.instance.ptr;
}

PK_API pk_caller *pk_sdk_host(pk_sdk *p)
{
    pk__mutex_lock(&p->host_lock);
    if (!p->deinit_host) {
        (void)pk__host_client_init(&p->host, &p->settings, &p->desc, p->alloc, p->loop);
        pk__sdk_inside_no_host(p);
        p->interrupt_host = pk__host_client_interrupt;
        p->deinit_host = pk__host_client_deinit;
    }
    pk__mutex_unlock(&p->host_lock);
    return &p->host.caller;
}

/* A handler that does not return on its worker cannot be waited for: the rest is the kernel's to clean up. */
static void pk__sdk_leave_stuck(pk_sdk *p)
{
    char text[96];
    (void)snprintf(text, sizeof(text), "ended while %u requests were still running", (unsigned)p->work.running);
    pk_sdk_log(PK_LOG_WARN, text, NULL, 0);
    pk__door_deinit(&p->door);
    if (pk__lifeline_is_orphan(&p->lifeline)) {
        pk__lifeline_end_group();
    }
    _exit(0);
}

/* What is still to be written out goes to files, as nobody reads our output. Returns if we lead no group. */
static void pk__sdk_leave_orphaned(void)
{
    pk__sigpipe quiet;
    pk__sigpipe_block(&quiet);
    (void)pk__fd_set_nonblock(1, true, NULL);
    (void)pk__fd_set_nonblock(2, true, NULL);
    (void)fflush(NULL);
    pk__lifeline_end_group();
    pk__sigpipe_restore(&quiet);
}

PK_API int pk_sdk_main(int argc, char **argv, const pk_sdk_desc *desc)
{
    pk_sdk *p = NULL;
    pk_error err;
    pk_err rc = desc ? pk__sdk_create(&p, argc, argv, desc, true, &err) : PK_ERR_MISUSE;
    if (rc) {
        return rc == PK_ERR_CANCELED ? 0 : 1;
    }
    while (!rc && pk_sdk_is_running(p)) {
        rc = pk_loop_step(p->loop, -1, &err);
    }
    if (rc) {
        pk_sdk_log(PK_LOG_ERROR, err.msg, NULL, 0);
    } else if (p->work.running && p->desc.workers) {
        pk__sdk_leave_stuck(p);
    }
    if (pk__sdk_free(p)) {
        pk__sdk_leave_orphaned();
    }
    return rc ? 1 : 0;
}
#endif
