/* driven_host.c - a host that does what it is told, line by line: for tests that attack a manager from outside.
 *
 *     driven_host '{"dir":"plugins","start_ms":2000}'
 *
 * Both ways one JSON object a line. integration/driven.py is the other end. The argument:
 *
 *     dir, runtime (its runtime_dir), start_ms, call_ms, stop_ms, idle_ms, health_ms, restart_max, eager, tcp,
 *     own_loop (the program steps the loop, on its main thread), providers (several plugins may offer one type)
 *     rules        [{"plugin":..,"restart":"always"|"never","stop_ms":..,"disabled":..,"needs":[..],"survive":..,
 *                   "isolate":{fields of pk_isolate},
 *                   "isolation":"process"}]
 *     mtls (required, not only possible),
 *     survive_as, survive_ms, attach_dir, reattach, offers (plugins may call its "greeter")
 *     schemas      ["config","requests","answers","formats","off"], what is held against schemas; otherwise the default
 *     sigchld      "ignore", "handler" (counts), "thread" (waits for every child there is)
 *     runner       (object_runner), compiled (ids of the object it was built with)
 *     config       [{"plugin":..,"type":..,"data":..}]
 *
 * Commands, each with the key "do":
 *
 *     call         on a thread of its own; with "async" on the loop: tag, plugin, contract, type, method, http, body
 *                  (text, sent as it is), size (so many bytes of 'x' instead), file (its contents instead), timeout_ms,
 *                  max_reply, idempotent
 *     cancel       an asynchronous call, by its tag
 *     start, stop, enable, disable  one plugin
 *     list         all plugins
 *     fds          how many descriptors are open; "limit" sets how many there may be
 *     fork         a child that goes on without exec, with copies of all descriptors, and sleeps: its pid
 *     end          stops and destroys the manager and leaves main; so does the end of stdin
 *     exit, abort  leaves at once, without a word to anybody
 *     exec         becomes another program, which sleeps
 *
 * Each call is answered once, {"tag":..,"error":..,...}; so are the others but for the last four. Between them come
 * {"event":..} and {"log":..}. The last line is {"ended":true,"allocations":0}: what was never given back. */
#define PLUGKIT_WITH_ATTACH
#define PLUGKIT_WITH_DLOPEN
#define PLUGKIT_WITH_ISOLATE
#define PLUGKIT_WITH_MANIFESTS
#define PLUGKIT_WITH_SCHEMA
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct job { // one command, on its own thread or until its outcome
    pk_mem mem;
    const pk_json_value *command;
    pk_str tag;
    pk_call call;
    int fd; // of a file that is sent, or 0
    struct job *next;
} job;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of everything below, and of stdout
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pk_manager *manager;
static job *running;
static int jobs;
static long blocks;
static bool ended;

/* ---- memory that is counted */

static void *counted_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user, (void)old_size;
    if (new_size == 0) {
        __atomic_fetch_sub(&blocks, ptr ? 1 : 0, __ATOMIC_RELAXED);
        free(ptr);
        return NULL;
    }
    void *moved = realloc(ptr, new_size);
    __atomic_fetch_add(&blocks, moved && !ptr ? 1 : 0, __ATOMIC_RELAXED);
    return moved;
}

/* ---- lines out */

static void put_text(pk_json_writer *w, const char *key, pk_str value)
{
    pk_json_put_key(w, key);
    pk_json_put_str(w, value);
}

static void put_int(pk_json_writer *w, const char *key, int64_t value)
{
    pk_json_put_key(w, key);
    pk_json_put_int(w, value);
}

static void line_begin(pk_json_writer *w, pk_buf *buf)
{
    pk_buf_init(buf, NULL, 64u << 20);
    pk_json_write(w, buf);
    pk_json_put_object(w);
}

static void line_end(pk_json_writer *w)
{
    pk_error err = {0};
    pk_json_put_end(w);
    if (pk_json_finish(w, &err)) {
        fprintf(stderr, "cannot write a line: %s\n", err.msg);
        exit(3);
    }
    (void)pk_buf_add_char(w->buf, '\n');
    pthread_mutex_lock(&lock);
    fwrite(w->buf->ptr, 1, w->buf->len, stdout);
    fflush(stdout);
    pthread_mutex_unlock(&lock);
    pk_buf_free(w->buf);
}

static void put_error(pk_json_writer *w, const pk_error *err)
{
    put_text(w, "error", pk_str_from(err->code ? pk_err_name(err->code) : ""));
    put_text(w, "msg", pk_str_from(err->msg));
    put_int(w, "status", err->status);
    put_int(w, "sent", err->sent);
}

static void on_event(void *user, const pk_event *event)
{
    pk_json_writer w;
    pk_buf buf;
    (void)user;
    line_begin(&w, &buf);
    put_text(&w, "event", pk_str_from(event->name));
    put_text(&w, "plugin", pk_str_from(event->id));
    put_text(&w, "why", pk_str_from(event->why ? event->why->msg : ""));
    line_end(&w);
}

static void on_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields, size_t count)
{
    pk_json_writer w;
    pk_buf buf;
    (void)user;
    if (strcmp(event, "plugin.output") != 0 && strcmp(event, "plugin.survive") != 0 &&
        strcmp(event, "plugin.isolate") != 0) {
        return; // what the manager logs is told as events, too
    }
    line_begin(&w, &buf);
    put_text(&w, "log", text);
    put_int(&w, "level", level);
    for (size_t i = 0; i < count; i++) {
        pk_json_put_key_str(&w, fields[i].name);
        pk_json_put_str(&w, fields[i].value);
    }
    line_end(&w);
}

/* ---- jobs */

static void job_end(job *j)
{
    pthread_mutex_lock(&lock);
    for (job **at = &running; *at; at = &(*at)->next) {
        if (*at == j) {
            *at = j->next;
            break;
        }
    }
    jobs--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    if (j->fd) {
        close(j->fd);
    }
    pk_mem_free(&j->mem);
    free(j);
}

static void job_answer(job *j, const pk_reply *reply, const pk_error *err)
{
    pk_json_writer w;
    pk_buf buf;
    line_begin(&w, &buf);
    put_text(&w, "tag", j->tag);
    put_error(&w, err);
    if (reply) {
        put_int(&w, "reply", reply->status);
        put_int(&w, "size", (int64_t)reply->body.bytes.len);
        pk_str shown = reply->body.bytes;
        shown.len = shown.len > 300 ? 300 : shown.len;
        put_text(&w, "body", shown);
    }
    line_end(&w);
}

static const char *text_in(const pk_json_value *object, const char *key)
{
    const pk_json_value *v = pk_json_get(object, key);
    return v ? pk_json_str(v).ptr : NULL;
}

static const char *text_of(const job *j, const char *key)
{
    return text_in(j->command, key);
}

static bool is_set(const job *j, const char *key)
{
    return pk_json_bool(pk_json_get(j->command, key), false);
}

static uint64_t number_of(const job *j, const char *key)
{
    return pk_json_uint(pk_json_get(j->command, key), 0);
}

static void on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    static const pk_error none;
    (void)call;
    job_answer(user, reply, err ? err : &none);
    job_end(user);
}

static void job_describe(job *j, pk_call_desc *d)
{
    memset(d, 0, sizeof(*d));
    d->contract = text_of(j, "contract");
    d->type = text_of(j, "type");
    d->method = text_of(j, "method");
    d->plugin = text_of(j, "plugin");
    d->http = text_of(j, "http");
    d->max_reply = number_of(j, "max_reply");
    d->ctx.timeout_ms = (uint32_t)number_of(j, "timeout_ms");
    d->ctx.idempotent = is_set(j, "idempotent");
    d->body.bytes = pk_json_str(pk_json_get(j->command, "body"));
    size_t size = (size_t)number_of(j, "size");
    if (size) {
        char *fill = pk_mem_get(&j->mem, size);
        memset(fill, 'x', size);
        d->body.bytes.ptr = fill;
        d->body.bytes.len = size;
    }
    const char *file = text_of(j, "file");
    if (file) {
        d->body.has_fd = true;
        d->body.fd = j->fd = open(file, O_RDONLY | O_CLOEXEC);
        d->body.size = (uint64_t)lseek(j->fd, 0, SEEK_END);
    }
    d->on_reply = on_reply;
    d->user = j;
}

static void *run_call(void *arg)
{
    job *j = arg;
    pk_call_desc d;
    pk_reply reply = {0};
    pk_error err = {0};
    job_describe(j, &d);
    (void)pk_caller_call(pk_manager_caller(manager), &d, &reply, &err);
    job_answer(j, &reply, &err);
    pk_mem_free(&reply.mem);
    job_end(j);
    return NULL;
}

static void *run_change(void *arg)
{
    job *j = arg;
    pk_error err = {0};
    pk_plugin p = pk_manager_find(manager, text_of(j, "plugin"));
    const pk_json_value *what = pk_json_get(j->command, "do");
    (void)(pk_json_is(what, "start")    ? pk_plugin_start(manager, p, &err)
           : pk_json_is(what, "stop")   ? pk_plugin_stop(manager, p, &err)
           : pk_json_is(what, "enable") ? pk_plugin_enable(manager, p, &err)
                                        : pk_plugin_disable(manager, p, &err));
    job_answer(j, NULL, &err);
    job_end(j);
    return NULL;
}

static void start_call(job *j)
{
    pk_call_desc d;
    pk_error err = {0};
    pk_call call;
    job_describe(j, &d);
    if (pk_caller_start(pk_manager_caller(manager), &d, &call, &err)) {
        job_answer(j, NULL, &err);
        job_end(j);
        return;
    }
    pthread_mutex_lock(&lock);
    for (job *at = running; at; at = at->next) { // it may be over already
        at->call = at == j ? call : at->call;
    }
    pthread_mutex_unlock(&lock);
}

static void cancel(job *j)
{
    pk_call call = {0};
    pk_error err = {0};
    pthread_mutex_lock(&lock);
    for (job *at = running; at; at = at->next) {
        call = at != j && pk_str_eq(at->tag, pk_json_str(pk_json_get(j->command, "which"))) ? at->call : call;
    }
    pthread_mutex_unlock(&lock);
    err.code = pk_caller_cancel(pk_manager_caller(manager), call);
    job_answer(j, NULL, &err);
    job_end(j);
}

static void put_limits(pk_json_writer *w, const pk_plugin_info *info)
{
    pk_json_put_key(w, "limits");
    pk_json_put_object(w);
    for (size_t i = 0; i < info->limit_count; i++) {
        pk_json_put_key(w, info->limits[i].name);
        pk_json_put_array(w);
        pk_json_put_text(w, pk_limit_state_name(info->limits[i].state));
        pk_json_put_text(w, info->limits[i].why);
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}

static void list(job *j)
{
    pk_json_writer w;
    pk_buf buf;
    pk_mem mem = {0};
    pk_plugin_info *all = NULL;
    size_t count = 0;
    (void)pk_manager_list(manager, &mem, &all, &count, NULL);
    line_begin(&w, &buf);
    put_text(&w, "tag", j->tag);
    pk_json_put_key(&w, "list");
    pk_json_put_array(&w);
    for (size_t i = 0; i < count; i++) {
        pk_json_put_object(&w);
        put_text(&w, "id", all[i].id);
        put_text(&w, "path", all[i].path);
        put_text(&w, "plugin_status", all[i].status);
        put_error(&w, &all[i].why);
        put_text(&w, "address", all[i].address);
        put_int(&w, "pid", all[i].pid);
        put_text(&w, "host_death", all[i].host_death);
        put_text(&w, "health", all[i].health);
        put_text(&w, "health_reason", all[i].health_reason);
        put_text(&w, "unavailable", all[i].unavailable);
        put_int(&w, "up_time", all[i].up_time);
        put_int(&w, "crashes", all[i].crashes);
        put_int(&w, "starts", all[i].starts);
        put_int(&w, "in_flight", all[i].in_flight);
        put_limits(&w, &all[i]);
        pk_json_put_end(&w);
    }
    pk_json_put_end(&w);
    pk_mem_free(&mem);
    line_end(&w);
    job_end(j);
}

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 4096; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

static void fds(job *j)
{
    pk_json_writer w;
    pk_buf buf;
    struct rlimit limit;
    uint64_t most = number_of(j, "limit");
    getrlimit(RLIMIT_NOFILE, &limit);
    if (most) {
        limit.rlim_cur = most > limit.rlim_max ? limit.rlim_max : (rlim_t)most;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    line_begin(&w, &buf);
    put_text(&w, "tag", j->tag);
    put_int(&w, "fds", count_fds());
    line_end(&w);
    job_end(j);
}

static void fork_here(job *j)
{
    pk_json_writer w;
    pk_buf buf;
    pid_t pid = fork();
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        for (;;) {
            pause();
        }
    }
    line_begin(&w, &buf);
    put_text(&w, "tag", j->tag);
    put_int(&w, "pid", pid);
    line_end(&w);
    job_end(j);
}

static void on_thread(job *j, void *(*run)(void *arg))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, j)) {
        fprintf(stderr, "cannot start a thread\n");
        exit(3);
    }
    pthread_detach(thread);
}

static bool take_line(char *text)
{
    job *j = calloc(1, sizeof(*j));
    pk_error err = {0};
    if (pk_json_parse(&j->mem, pk_str_from(text), &j->command, &err)) {
        fprintf(stderr, "cannot read '%s': %s\n", text, err.msg);
        exit(3);
    }
    j->tag = pk_json_str(pk_json_get(j->command, "tag"));
    pthread_mutex_lock(&lock);
    j->next = running;
    running = j;
    jobs++;
    pthread_mutex_unlock(&lock);
    const pk_json_value *what = pk_json_get(j->command, "do");
    if (pk_json_is(what, "call")) {
        is_set(j, "async") ? start_call(j) : on_thread(j, run_call);
    } else if (pk_json_is(what, "cancel")) {
        cancel(j);
    } else if (pk_json_is(what, "start") || pk_json_is(what, "stop") || pk_json_is(what, "enable") ||
               pk_json_is(what, "disable")) {
        on_thread(j, run_change);
    } else if (pk_json_is(what, "list")) {
        list(j);
    } else if (pk_json_is(what, "fds")) {
        fds(j);
    } else if (pk_json_is(what, "fork")) {
        fork_here(j);
    } else if (pk_json_is(what, "exec")) {
        (void)signal(SIGCHLD, SIG_IGN); // nobody will wait for the plugins
        (void)execlp("sleep", "sleep", "1000", (char *)NULL);
        _exit(127);
    } else if (pk_json_is(what, "exit")) {
        _exit(7);
    } else if (pk_json_is(what, "abort")) {
        abort();
    } else {
        bool end = pk_json_is(what, "end");
        job_end(j);
        return !end;
    }
    return true;
}

static void *read_lines(void *arg)
{
    char *text = NULL;
    size_t cap = 0;
    (void)arg;
    while (getline(&text, &cap, stdin) > 0 && take_line(text)) {
    }
    free(text);
    pthread_mutex_lock(&lock);
    ended = true;
    pthread_mutex_unlock(&lock);
    if (manager) {
        pk_loop_wake(pk_manager_loop(manager));
    }
    return NULL;
}

/* ---- a host with children of its own */

static volatile sig_atomic_t chld_count;

static void on_chld(int number)
{
    (void)number;
    chld_count++;
}

static void *wait_for_everybody(void *arg)
{
    (void)arg;
    for (;;) {
        if (waitpid(-1, NULL, 0) < 0) {
            usleep(200);
        }
    }
    return NULL;
}

static void set_sigchld(pk_str how)
{
    struct sigaction action;
    pthread_t thread;
    memset(&action, 0, sizeof(action));
    if (pk_str_is(how, "ignore")) {
        signal(SIGCHLD, SIG_IGN);
    } else if (pk_str_is(how, "handler")) {
        action.sa_handler = on_chld; // without SA_RESTART: calls are interrupted
        sigaction(SIGCHLD, &action, NULL);
    } else if (pk_str_is(how, "thread") && pthread_create(&thread, NULL, wait_for_everybody, NULL) == 0) {
        pthread_detach(thread);
    }
}

/* ---- what plugins may call here */

#define GREETING(F, T) F(T, REQ, pk_str, text, "text")
PK_MESSAGE(greeting, GREETING)
#define GREETER(M, C) M(C, greet, "POST /greet", pk_none, greeting, 0)
PK_CONTRACT(greeter, "greeter", "1.0.0", GREETER)

static pk_err greet(const greeter *self, pk_ctx *ctx, const pk_none *request, greeting *response, pk_error *err)
{
    (void)self, (void)request, (void)err;
    response->text = pk_mem_printf(&response->mem, "%ld greets %" PK_FMT, (long)getpid(), PK_ARG(ctx->caller));
    return response->text.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static const greeter greeter_here = {.greet = greet};
static const pk_service offer = {&greeter_contract, "host", &greeter_here, PK_STR_INIT("")};

/* ---- main */

static const char *const *texts_in(pk_mem *mem, const pk_json_value *list)
{
    const char **texts = pk_mem_zero(mem, (pk_json_count(list) + 1) * sizeof(*texts));
    size_t count = 0;
    for (const pk_json_value *v = pk_json_first(list); v; v = pk_json_next(list, v)) {
        texts[count++] = pk_mem_dup(mem, pk_json_str(v)).ptr;
    }
    return texts;
}

static const pk_isolate *isolate_in(pk_mem *mem, const pk_json_value *o)
{
    pk_isolate *i = pk_mem_zero(mem, sizeof(*i));
    const pk_json_value *groups = pk_json_get(o, "groups");
    uint32_t *numbers = pk_mem_zero(mem, (pk_json_count(groups) + 1) * sizeof(*numbers));
    for (const pk_json_value *v = pk_json_first(groups); v; v = pk_json_next(groups, v)) {
        numbers[i->group_count++] = (uint32_t)pk_json_uint(v, 0);
    }
    i->groups = numbers;
    i->go_on = pk_json_bool(pk_json_get(o, "go_on"), false);
    i->address_space_bytes = pk_json_uint(pk_json_get(o, "address_space_bytes"), 0);
    i->file_size_bytes = pk_json_uint(pk_json_get(o, "file_size_bytes"), 0);
    i->cpu_s = (uint32_t)pk_json_uint(pk_json_get(o, "cpu_s"), 0);
    i->files = (uint32_t)pk_json_uint(pk_json_get(o, "files"), 0);
    i->processes = (uint32_t)pk_json_uint(pk_json_get(o, "processes"), 0);
    i->no_core = pk_json_bool(pk_json_get(o, "no_core"), false);
    i->nice = (int)pk_json_int(pk_json_get(o, "nice"), 0);
    i->umask = (uint32_t)pk_json_uint(pk_json_get(o, "umask"), 0);
    i->directory = text_in(o, "directory");
    i->no_new_privileges = pk_json_bool(pk_json_get(o, "no_new_privileges"), false);
    i->no_capabilities = pk_json_bool(pk_json_get(o, "no_capabilities"), false);
    i->uid = (uint32_t)pk_json_uint(pk_json_get(o, "uid"), 0);
    i->gid = (uint32_t)pk_json_uint(pk_json_get(o, "gid"), 0);
    const pk_json_value *paths = pk_json_get(o, "paths");
    pk_path_rule *rules = pk_mem_zero(mem, (pk_json_count(paths) + 1) * sizeof(*rules));
    for (const pk_json_value *v = pk_json_first(paths); v; v = pk_json_next(paths, v)) {
        pk_path_rule *rule = &rules[i->path_count++];
        rule->path = text_in(v, "path");
        rule->write = pk_json_bool(pk_json_get(v, "write"), false);
        rule->execute = pk_json_bool(pk_json_get(v, "execute"), false);
    }
    i->paths = rules;
    i->no_network = pk_json_bool(pk_json_get(o, "no_network"), false);
    i->groups_in = texts_in(mem, pk_json_get(o, "groups_in"));
    i->memory_bytes = pk_json_uint(pk_json_get(o, "memory_bytes"), 0);
    i->cpu_percent = (uint32_t)pk_json_uint(pk_json_get(o, "cpu_percent"), 0);
    i->tasks = (uint32_t)pk_json_uint(pk_json_get(o, "tasks"), 0);
    i->private_tmp_bytes = pk_json_uint(pk_json_get(o, "private_tmp_bytes"), 0);
    i->no_ipc = pk_json_bool(pk_json_get(o, "no_ipc"), false);
    const pk_json_value *calls = pk_json_get(o, "calls");
    i->calls = pk_json_is(calls, "run") ? PK_CALLS_RUN : pk_json_is(calls, "serve") ? PK_CALLS_SERVE : PK_CALLS_ALL;
    return o ? i : NULL;
}

static void rules_in(pk_mem *mem, const pk_json_value *o, pk_manager_desc *desc)
{
    const pk_json_value *list = pk_json_get(o, "rules");
    pk_plugin_rule *rules = pk_mem_zero(mem, (pk_json_count(list) + 1) * sizeof(*rules));
    for (const pk_json_value *r = pk_json_first(list); r; r = pk_json_next(list, r)) {
        pk_plugin_rule *rule = &rules[desc->rule_count++];
        const pk_json_value *restart = pk_json_get(r, "restart");
        rule->plugin = text_in(r, "plugin");
        rule->restart = pk_json_is(restart, "always")  ? PK_RESTART_ALWAYS
                        : pk_json_is(restart, "never") ? PK_RESTART_NEVER
                                                       : PK_RESTART_ON_FAILURE;
        rule->stop_ms = (uint32_t)pk_json_uint(pk_json_get(r, "stop_ms"), 0);
        rule->disabled = pk_json_bool(pk_json_get(r, "disabled"), false);
        rule->needs = texts_in(mem, pk_json_get(r, "needs"));
        rule->isolation = pk_json_is(pk_json_get(r, "isolation"), "process") ? PK_ISOLATION_PROCESS : PK_ISOLATION_NONE;
        rule->isolate = isolate_in(mem, pk_json_get(r, "isolate"));
        rule->survive = pk_json_bool(pk_json_get(r, "survive"), false);
    }
    desc->rules = rules;
}

#ifdef PLUGKIT_COMPILED_IN
extern const pk_object PLUGKIT_COMPILED_IN;

static void compiled_in(pk_mem *mem, const pk_json_value *ids, pk_manager_desc *desc)
{
    pk_compiled *all = pk_mem_zero(mem, (pk_json_count(ids) + 1) * sizeof(*all));
    for (const pk_json_value *v = pk_json_first(ids); v; v = pk_json_next(ids, v)) {
        all[desc->compiled_in_count].id = pk_mem_dup(mem, pk_json_str(v)).ptr;
        all[desc->compiled_in_count++].object = &PLUGKIT_COMPILED_IN;
    }
    desc->compiled_in = all;
}
#else
static void compiled_in(pk_mem *mem, const pk_json_value *ids, pk_manager_desc *desc)
{
    (void)mem, (void)ids, (void)desc;
}
#endif

static unsigned schemas_in(const pk_json_value *list)
{
    static const char *const names[] = {"config", "requests", "answers", "formats", "off"}; // PK_SCHEMAS_..
    unsigned what = 0;
    for (const pk_json_value *v = pk_json_first(list); v; v = pk_json_next(list, v)) {
        for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
            what |= pk_json_is(v, names[i]) ? 1u << i : 0;
        }
    }
    return what;
}

static pk_err open_manager(pk_mem *mem, const pk_json_value *o, pk_loop *loop, pk_error *err)
{
    pk_manager_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.alloc.resize = counted_resize;
    desc.loop = loop;
    desc.plugin_dir = text_in(o, "dir");
    desc.runtime_dir = text_in(o, "runtime");
    desc.deadline.start_ms = (uint32_t)pk_json_uint(pk_json_get(o, "start_ms"), 0);
    desc.deadline.call_ms = (uint32_t)pk_json_uint(pk_json_get(o, "call_ms"), 0);
    desc.deadline.stop_ms = (uint32_t)pk_json_uint(pk_json_get(o, "stop_ms"), 0);
    desc.idle_ms = pk_json_uint(pk_json_get(o, "idle_ms"), 0);
    desc.health.interval_ms = (uint32_t)pk_json_uint(pk_json_get(o, "health_ms"), 0);
    desc.restart.max = (uint32_t)pk_json_uint(pk_json_get(o, "restart_max"), 0);
    rules_in(mem, o, &desc);
    desc.object_runner = text_in(o, "runner");
    compiled_in(mem, pk_json_get(o, "compiled"), &desc);
    desc.offers = &offer;
    desc.offer_count = pk_json_bool(pk_json_get(o, "offers"), false);
    desc.attach_dir = text_in(o, "attach_dir");
    desc.reattach = text_in(o, "reattach");
    desc.survive_as = text_in(o, "survive_as");
    desc.survive_ms = (uint32_t)pk_json_uint(pk_json_get(o, "survive_ms"), 0);
    desc.eager = pk_json_bool(pk_json_get(o, "eager"), false);
    desc.tcp = pk_json_bool(pk_json_get(o, "tcp"), false);
    desc.mtls = pk_json_bool(pk_json_get(o, "mtls"), false) ? PK_MTLS_REQUIRED : PK_MTLS_OFF;
    desc.duplicates = pk_json_bool(pk_json_get(o, "providers"), false) ? PK_DUPLICATES_PROVIDERS : PK_DUPLICATES_REFUSE;
    desc.schemas = schemas_in(pk_json_get(o, "schemas"));
    desc.on_event = on_event;
    desc.on_log = on_log;
    const pk_json_value *config = pk_json_get(o, "config");
    pk_plugin_config *entries = pk_mem_zero(mem, (pk_json_count(config) + 1) * sizeof(*entries));
    for (const pk_json_value *c = pk_json_first(config); c; c = pk_json_next(config, c)) {
        pk_plugin_config *e = &entries[desc.config_count++];
        e->plugin = text_in(c, "plugin");
        e->type = text_in(c, "type");
        e->data = pk_json_str(pk_json_get(c, "data")); // the text of JSON
    }
    desc.config = entries;
    pk_err rc = pk_manager_create(&manager, &desc, err);
    return rc ? rc : pk_manager_start(manager, err);
}

static void say_ready(const pk_error *err)
{
    pk_json_writer w;
    pk_buf buf;
    line_begin(&w, &buf);
    pk_json_put_key(&w, "ready");
    pk_json_put_bool(&w, err->code == PK_OK);
    put_error(&w, err);
    put_text(&w, "runtime", pk_str_from(manager ? pk_manager_runtime_dir(manager) : ""));
    line_end(&w);
}

static void say_ended(void)
{
    pk_json_writer w;
    pk_buf buf;
    line_begin(&w, &buf);
    pk_json_put_key(&w, "ended");
    pk_json_put_bool(&w, true);
    put_int(&w, "allocations", blocks);
    put_int(&w, "sigchld", (int64_t)chld_count);
    line_end(&w);
}

int main(int argc, char **argv)
{
    pk_mem mem = {0};
    const pk_json_value *options = NULL;
    pk_error err = {0};
    pk_loop *loop = NULL;
    pthread_t reader;
    if (argc > 2 && strcmp(argv[1], "object") == 0) {
        return pk_object_main(argc, argv);
    }
    if (argc != 2 || pk_json_parse(&mem, pk_str_from(argv[1]), &options, &err)) {
        fprintf(stderr, "usage: driven_host OPTIONS: %s\n", err.msg);
        return 2;
    }
    set_sigchld(pk_json_str(pk_json_get(options, "sigchld")));
    if (pk_json_bool(pk_json_get(options, "own_loop"), false) && pk_loop_create(&loop, NULL, &err)) {
        return 2;
    }
    pk_err rc = open_manager(&mem, options, loop, &err);
    say_ready(&err);
    if (!rc) {
        pthread_create(&reader, NULL, read_lines, NULL);
        pthread_mutex_lock(&lock);
        while (loop && !ended) {
            pthread_mutex_unlock(&lock);
            (void)pk_loop_step(loop, 100, NULL);
            pthread_mutex_lock(&lock);
        }
        pthread_mutex_unlock(&lock);
        pthread_join(reader, NULL);
        (void)pk_manager_stop(manager, NULL);
        pthread_mutex_lock(&lock);
        while (jobs > 0) { // every call has its outcome
            if (loop) {
                pthread_mutex_unlock(&lock);
                (void)pk_loop_step(loop, 10, NULL);
                pthread_mutex_lock(&lock);
            } else {
                pthread_cond_wait(&changed, &lock);
            }
        }
        pthread_mutex_unlock(&lock);
    }
    pk_manager_destroy(manager);
    pk_loop_destroy(loop);
    pk_mem_free(&mem);
    say_ended();
    return rc ? 1 : 0;
}
