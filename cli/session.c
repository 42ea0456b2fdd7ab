/* session.c - options into a description, signals into a stop. */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "body.h"
#include "command.h"
#include "info.h"
#include "term.h"

/* ---- saying what is wrong */

static int session_status(pk_err code)
{
    return code == PK_ERR_PLUGIN_NOT_FOUND || code == PK_ERR_NOT_FOUND ? EXIT_NOTHING : EXIT_FAILED;
}

int session_fail(const args *a, const pk_error *err)
{
    term_progress_end();
    fputs("plugkit: ", stderr);
    term_text(stderr, TERM_PLAIN, err->msg);
    fputc('\n', stderr);
    if (a->json) {
        info_print_error(err, a->command->run == run_run ? "error" : NULL);
    }
    return session_status(err->code);
}

int session_report(session *s, const pk_error *err)
{
    return session_is_interrupted(s) ? EXIT_INTERRUPTED : session_fail(s->args, err);
}

int session_complain(const args *a, int status, const char *format, ...)
{
    pk_error err = {0};
    va_list list;
    va_start(list, format);
    (void)vsnprintf(err.msg, sizeof(err.msg), format, list);
    va_end(list);
    err.code = status == EXIT_NOTHING ? PK_ERR_NOT_FOUND : status == EXIT_USAGE ? PK_ERR_MISUSE : PK_ERR_OS;
    (void)session_fail(a, &err);
    return status;
}

void session_print_log(FILE *file, pk_log_level level, const char *event, pk_str text, const pk_meta *fields,
                       size_t count)
{
    static const char *const names[] = {"info", "debug", "info", "warn", "error"};
    static const term_style styles[] = {TERM_PLAIN, TERM_DIM, TERM_PLAIN, TERM_WARN, TERM_BAD};
    bool output = strcmp(event, "plugin.output") == 0;
    size_t first = count > 0 && pk_str_is(fields[0].name, "plugin");
    if (first) {
        term_format(file, TERM_NAME, "%-16" PK_FMT, PK_ARG(fields[0].value));
        fputs("  ", file);
    }
    const char *dot = strchr(event, '.');
    term_format(file, styles[level], "%-5s", output ? names[level] : dot ? dot + 1 : event);
    fputs(text.len ? "  " : "", file);
    term_put(file, styles[level], text);
    for (size_t i = first; i < count; i++) {
        if (fields[i].value.len > 0 && !pk_str_is(fields[i].name, "stream")) {
            fputs("  ", file);
            term_put(file, TERM_DIM, fields[i].name);
            term_text(file, TERM_DIM, "=");
            term_put(file, TERM_PLAIN, fields[i].value);
        }
    }
    fputc('\n', file);
    fflush(file);
}

/* ---- signals */

void session_wake(session *s)
{
    ssize_t ignored = write(s->wake[1], "!", 1); // full: it is readable already
    (void)ignored;
}

void session_rest(session *s)
{
    char bytes[16];
    while (read(s->wake[0], bytes, sizeof(bytes)) > 0) {
    }
}

static void session_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGHUP);
}

static void *session_watch(void *user)
{
    session *s = (session *)user;
    sigset_t set;
    int number = 0;
    bool closed = false;
    session_signals(&set);
    while (!closed && sigwait(&set, &number) == 0) {
        pthread_mutex_lock(&s->lock);
        closed = s->closed;
        if (!closed && s->interrupted) {
            (void)term_screen(false);
            _exit(EXIT_INTERRUPTED); // the second time: plugins end with their host, however it ends
        }
        s->interrupted = s->interrupted || !closed;
        if (!closed && !s->leaving) {
            pk_manager_stop_begin(s->manager);
        }
        pthread_mutex_unlock(&s->lock);
        session_wake(s);
    }
    return NULL;
}

static int session_watch_begin(session *s)
{
    sigset_t set;
    session_signals(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); // inherited by every thread that comes
    if (pipe(s->wake) != 0 || fcntl(s->wake[0], F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(s->wake[1], F_SETFD, FD_CLOEXEC) != 0 || fcntl(s->wake[0], F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(s->wake[1], F_SETFL, O_NONBLOCK) != 0) {
        return session_complain(s->args, EXIT_FAILED, "cannot make a pipe: %s", strerror(errno));
    }
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        return session_complain(s->args, EXIT_FAILED, "cannot make a lock: out of memory");
    }
    return EXIT_GOOD;
}

bool session_is_interrupted(session *s)
{
    if (!s->has_watcher) {
        return false;
    }
    pthread_mutex_lock(&s->lock);
    bool interrupted = s->interrupted;
    pthread_mutex_unlock(&s->lock);
    return interrupted;
}

bool session_is_ending(session *s)
{
    pthread_mutex_lock(&s->lock);
    bool ending = s->interrupted || s->leaving;
    pthread_mutex_unlock(&s->lock);
    return ending;
}

bool session_is_stopped(session *s)
{
    pthread_mutex_lock(&s->lock);
    bool stopped = s->stopped;
    pthread_mutex_unlock(&s->lock);
    return stopped;
}

int session_fd(const session *s)
{
    return s->wake[0];
}

/* ---- what the manager tells */

static void session_on_event(void *user, const pk_event *event)
{
    session *s = (session *)user;
    pthread_mutex_lock(&s->lock);
    s->found += strcmp(event->name, "plugin.found") == 0;
    s->probed += strcmp(event->from, "probing") == 0;
    s->stopped = s->stopped || strcmp(event->name, "manager.stopped") == 0;
    bool wakes = s->stopped;
    uint64_t found = s->found, probed = s->probed;
    pthread_mutex_unlock(&s->lock);
    if (probed < found && !s->on_event) {
        term_progress("looking at plugins", probed, found);
    }
    if (s->on_event) {
        s->on_event(s->user, event);
    }
    if (wakes) {
        session_wake(s);
    }
}

/* A --config that reaches no plugin. Who shows logs shows this one, too. */
static void session_on_config(session *s, pk_str text)
{
    pthread_mutex_lock(&s->lock);
    bool first = s->config_trouble[0] == '\0';
    if (first) {
        (void)snprintf(s->config_trouble, sizeof(s->config_trouble), "%" PK_FMT, PK_ARG(text));
    }
    pthread_mutex_unlock(&s->lock);
    if (!s->needs_config && !s->on_log && !s->args->verbose) {
        term_progress_end();
        fputs("plugkit: ", stderr);
        term_put(stderr, TERM_WARN, text);
        fputc('\n', stderr);
    }
}

static void session_on_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields,
                           size_t count)
{
    session *s = (session *)user;
    if (strcmp(event, "manager.config") == 0) {
        session_on_config(s, text);
    }
    if (s->on_log) {
        s->on_log(s->user, level, event, text, fields, count);
    } else if (s->args->verbose) {
        session_print_log(stderr, level, event, text, fields, count);
    }
}

/* ---- options */

/* --config [ID:]TYPE=JSON or [ID:]TYPE=@FILE */
static int session_config(session *s, const char *text, pk_plugin_config *out)
{
    pk_str name, value, id, type;
    pk_error err = {0};
    if (!pk_str_cut(pk_str_from(text), '=', &name, &value) || name.len == 0) {
        return session_complain(s->args, EXIT_USAGE, "cannot use --config '%s': it should read TYPE=JSON", text);
    }
    if (!pk_str_cut(name, ':', &id, &type)) {
        type = name;
        id.len = 0;
    }
    if (value.len > 0 && value.ptr[0] == '@') {
        const char *path = text + (value.ptr - text) + 1;
        if (body_read_file(&s->mem, path, &value, &err)) {
            return session_fail(s->args, &err);
        }
    }
    if (pk_json_check(value, &err)) {
        return session_complain(s->args, EXIT_USAGE, "cannot use --config '%" PK_FMT "': %s", PK_ARG(name), err.msg);
    }
    out->plugin = id.len ? pk_mem_dup(&s->mem, id).ptr : NULL;
    out->type = pk_mem_dup(&s->mem, type).ptr;
    out->data = value;
    return EXIT_GOOD;
}

/* --env NAME or NAME=VALUE: the latter is set here, so that it can be inherited. */
static int session_env(session *s, const char *text, const char **out)
{
    pk_str name, value;
    if (!pk_str_cut(pk_str_from(text), '=', &name, &value)) {
        *out = text;
        return EXIT_GOOD;
    }
    *out = pk_mem_dup(&s->mem, name).ptr;
    if (name.len == 0 || !*out || setenv(*out, value.ptr, 1) != 0) {
        return session_complain(s->args, EXIT_USAGE, "cannot use --env '%s': it should read NAME or NAME=VALUE", text);
    }
    return EXIT_GOOD;
}

/* This program, which runs shared objects in processes of their own; NULL = nobody knows. */
static const char *session_self(session *s)
{
    char *self = realpath("/proc/self/exe", NULL);
    const char *copy = self ? pk_mem_dup(&s->mem, pk_str_from(self)).ptr : NULL;
    free(self);
    return copy;
}

static int session_describe(session *s, pk_manager_desc *d)
{
    static const pk_plugin_rule apart = {.isolation = PK_ISOLATION_PROCESS};
    const args *a = s->args;
    int status = EXIT_GOOD;
    pk_plugin_config *config = (pk_plugin_config *)pk_mem_zero(&s->mem, (a->config.count + 1) * sizeof(*config));
    const char **env = (const char **)pk_mem_zero(&s->mem, (a->env.count + 1) * sizeof(*env));
    if (!config || !env) {
        return session_complain(a, EXIT_FAILED, "cannot start: out of memory");
    }
    for (size_t i = 0; i < a->config.count && !status; i++) {
        status = session_config(s, a->config.items[i], &config[i]);
    }
    for (size_t i = 0; i < a->env.count && !status; i++) {
        status = session_env(s, a->env.items[i], &env[i]);
    }
    d->plugin_dir = s->directory;
    d->object_runner = session_self(s);
    d->rules = d->object_runner ? &apart : NULL;
    d->rule_count = d->object_runner ? 1 : 0;
    d->runtime_dir = a->runtime_dir;
    d->eager = s->eager;
    d->tcp = a->tcp;
    d->deadline.start_ms = a->timeout_ms;
    d->deadline.call_ms = a->timeout_ms;
    d->config = s->config = config;
    d->config_count = s->config_count = a->config.count;
    d->env = env;
    d->on_log = session_on_log;
    d->on_event = session_on_event;
    d->user = s;
    if (s->finder) { // nothing of ours is to be started, looked after, or waited for
        d->finders = &s->finder;
        d->finder_count = 1;
        d->health.off = true;
        d->deadline.stop_ms = 20;
    }
    if (s->no_deadlines) { // a plugin that stands in a debugger answers nobody
        d->deadline.start_ms = d->deadline.call_ms = 24u * 3600 * 1000;
        d->health.off = true;
    }
    return status;
}

/* ---- open and close */

static int session_check_directory(const session *s)
{
    struct stat info;
    if (s->finder) {
        return EXIT_GOOD;
    }
    if (stat(s->directory, &info) != 0) {
        return session_complain(s->args, EXIT_NOTHING, "cannot look into '%s': %s", s->directory, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode)) {
        return session_complain(s->args, EXIT_NOTHING, "cannot look into '%s': it is no directory", s->directory);
    }
    return EXIT_GOOD;
}

int session_refresh(session *s)
{
    pk_error err = {0};
    return pk_manager_list(s->manager, &s->mem, &s->plugins, &s->count, &err) ? session_report(s, &err) : EXIT_GOOD;
}

static int session_no_manager(session *s, const pk_error *err)
{
    if (s->keeps_error) {
        s->err = *err;
        return EXIT_FAILED;
    }
    return session_report(s, err);
}

/* Plugins that run already, named on the command line. */
static int session_attach(session *s)
{
    for (size_t i = 0; i < s->args->attach.count; i++) {
        pk_error err = {0};
        pk_str id, address;
        if (!pk_str_cut(pk_str_from(s->args->attach.items[i]), '=', &id, &address)) {
            return session_complain(s->args, EXIT_USAGE, "--attach takes ID=ADDRESS, not '%s'",
                                    s->args->attach.items[i]);
        }
        const pk_found found = {.id = pk_mem_dup(&s->mem, id).ptr, .endpoint = {.address = address.ptr}};
        if (pk_manager_attach(s->manager, &found, NULL, &err)) {
            return session_complain(s->args, EXIT_USAGE, "%s", err.msg);
        }
    }
    return EXIT_GOOD;
}

int session_open(session *s, const args *a, const char *directory)
{
    pk_manager_desc desc = {0};
    pk_error err = {0};
    s->args = a;
    s->directory = directory;
    s->wake[0] = s->wake[1] = -1;
    int status = session_check_directory(s);
    status = status ? status : session_watch_begin(s);
    status = status ? status : session_describe(s, &desc);
    if (status) {
        return status;
    }
    if (pk_manager_create(&s->manager, &desc, &err)) {
        return session_no_manager(s, &err);
    }
    s->has_watcher = pthread_create(&s->watcher, NULL, session_watch, s) == 0;
    if (!s->has_watcher) {
        return session_complain(a, EXIT_FAILED, "cannot start a thread: out of memory");
    }
    if (s->serves) {
        (void)pk_manager_serve(s->manager, &s->serve_err);
    }
    status = session_attach(s);
    if (status) {
        return status;
    }
    pk_err rc = pk_manager_start(s->manager, &err);
    term_progress_end();
    if (session_is_interrupted(s)) {
        return EXIT_INTERRUPTED;
    }
    if (!rc && s->needs_config && s->config_trouble[0]) {
        return session_complain(a, EXIT_USAGE, "%s", s->config_trouble);
    }
    return rc ? session_no_manager(s, &err) : session_refresh(s);
}

int session_close(session *s, int status)
{
    term_progress_end();
    if (s->has_watcher) {
        pthread_mutex_lock(&s->lock);
        s->leaving = true;
        pthread_mutex_unlock(&s->lock);
    }
    pk_manager_destroy(s->manager);
    if (s->has_watcher) {
        pthread_mutex_lock(&s->lock);
        s->closed = true;
        status = s->interrupted ? EXIT_INTERRUPTED : status;
        pthread_mutex_unlock(&s->lock);
        (void)pthread_kill(s->watcher, SIGHUP); // blocked in all threads, so only sigwait sees it
        (void)pthread_join(s->watcher, NULL);
        (void)pthread_mutex_destroy(&s->lock);
    }
    for (int i = 0; i < 2; i++) {
        if (s->wake[i] >= 0) {
            (void)close(s->wake[i]);
        }
    }
    pk_mem_free(&s->mem);
    return status;
}
