/* chaos.c - a host that has no luck, and its plugin, in one program: for sanitizers, which then need one build.
 *
 *     chaos MODE DIR SECONDS [SEED]      DIR holds one file: this program, named "victim"
 *
 * As a plugin it serves POST /echo (gives back what it gets), /nap (does so after a few ms), /hang (never) and offers
 * the same as methods of the contract "chaos". As a host it makes calls whose answers it can check, and meanwhile
 *
 *     kill      kills the plugin every 50 ms
 *     idle      lets it end for idleness, 50 ms after each call: not one call may fail
 *     restart   stops and starts it from other threads
 *     cancel    starts calls on the loop and cancels them at random, streams too
 *     destroy   destroys the manager with calls in flight and calls that wait for a start, again and again
 *     all       kill, restart and cancel at once
 *
 * Whatever happens each call has one outcome, a right answer or an error that is allowed here; the plugin works again
 * afterwards; and what was taken is given back: memory, descriptors, processes, sockets. Prints one JSON line; status
 * 0 = all was well. */
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit.h"
#include "plugkit_sdk.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 16, BODY = 200 };

/* ---- the plugin */

static pk_err give_back(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)err;
    if (user) {
        usleep((useconds_t)(intptr_t)user);
    }
    response->body.bytes = request->body.bytes;
    response->body.content_type = PK_STR("text/plain");
    return PK_OK;
}

static pk_err hang(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)response;
    while (!pk_ctx_is_canceled(request->ctx)) {
        usleep(1000);
    }
    return pk_error_set(err, PK_ERR_CANCELED, "cannot go on: nobody waits");
}

static int be_plugin(int argc, char **argv)
{
    static const pk_route routes[] = {
        {"POST /echo", 0, give_back, NULL}, {"POST /nap", 0, give_back, (void *)3000}, {"POST /hang", 0, hang, NULL}};
    pk_sdk_desc desc = {.id = "victim", .routes = routes, .route_count = 3, .workers = 4};
    return pk_sdk_main(argc, argv, &desc);
}

/* ---- the host: what all modes share */

static pk_manager *manager;
static pk_plugin victim;
static long blocks;
static volatile int over; // time is up
static unsigned seed = 1;
static const char *mode;

/* Counts of outcomes. Everything but `good` and `allowed` is wrong. */
static long good, allowed, wrong, starts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char first_wrong[400];

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

static bool is_over(void)
{
    return __atomic_load_n(&over, __ATOMIC_RELAXED) != 0;
}

static unsigned chance(unsigned *state, unsigned below) // xorshift
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

static void complain(const char *what, const pk_error *err)
{
    pthread_mutex_lock(&lock);
    if (!first_wrong[0]) {
        snprintf(first_wrong, sizeof(first_wrong), "%s%s%s", what, err ? ": " : "", err ? err->msg : "");
    }
    wrong++;
    pthread_mutex_unlock(&lock);
}

static bool is_mode(const char *name)
{
    return strcmp(mode, name) == 0;
}

/* May a call end like that here? */
static bool is_allowed(pk_err code)
{
    bool dies = is_mode("kill") || is_mode("all");
    bool stops = is_mode("restart") || is_mode("all");
    switch (code) {
    case PK_ERR_PLUGIN_CONNECTION: return dies || stops || is_mode("destroy");
    case PK_ERR_START: return dies;                    // killed on its way
    case PK_ERR_CANCELED: return is_mode("cancel") || is_mode("all");
    case PK_ERR_STOPPED: return is_mode("destroy");
    case PK_ERR_PLUGIN_FAULT: return stops || is_mode("destroy"); // a hanging one was told to end
    default: return false;
    }
}

static void judge(const pk_error *err, pk_str body, const char *expected)
{
    if (err->code == PK_OK && pk_str_is(body, expected)) {
        __atomic_fetch_add(&good, 1, __ATOMIC_RELAXED);
    } else if (err->code == PK_OK) {
        complain("the answer of another call", NULL);
    } else if (is_allowed(err->code)) {
        __atomic_fetch_add(&allowed, 1, __ATOMIC_RELAXED);
    } else {
        complain(pk_err_name(err->code), err);
    }
}

/* What a sanitizer finds in the plugin is seen here alone. */
static void on_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields, size_t count)
{
    char line[300];
    (void)user, (void)level, (void)event, (void)fields, (void)count;
    snprintf(line, sizeof(line), "%" PK_FMT, PK_ARG(text));
    if (strstr(line, "Sanitizer") || strstr(line, "runtime error")) {
        complain(line, NULL);
    }
}

static pk_err open_manager(const char *dir, pk_error *err)
{
    pk_manager_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.alloc.resize = counted_resize;
    desc.plugin_dir = dir;
    desc.restart.max = 1000000000;
    desc.restart.delay_ms = 1;
    desc.restart.delay_max_ms = 5;
    desc.deadline.start_ms = 60000;
    desc.deadline.call_ms = 120000;
    desc.deadline.stop_ms = is_mode("destroy") ? 50 : 2000;
    desc.health.interval_ms = 20;
    desc.idle_ms = is_mode("idle") ? 50 : 0;
    desc.on_log = on_log;
    pk_err rc = pk_manager_create(&manager, &desc, err);
    rc = rc ? rc : pk_manager_start(manager, err);
    victim = rc ? victim : pk_manager_find(manager, "victim");
    return rc;
}

static void fill(char *body, unsigned number, unsigned size)
{
    snprintf(body, BODY, "%010u", number);
    memset(body + 10, 'a' + (int)(number % 26), size);
    body[10 + size] = '\0';
}

/* ---- blocking calls */

static void *make_calls(void *arg)
{
    unsigned number = (unsigned)(uintptr_t)arg * 100000000u, state = seed + number + 1;
    pk_reply reply;
    memset(&reply, 0, sizeof(reply));
    while (!is_over()) {
        char body[BODY];
        pk_error err = {0};
        fill(body, ++number, chance(&state, BODY - 20));
        pk_call_desc d = {.plugin = "victim", .http = chance(&state, 4) ? "POST /echo" : "POST /nap",
                          .body = {.bytes = pk_str_from(body)}};
        (void)pk_caller_call(pk_manager_caller(manager), &d, &reply, &err);
        judge(&err, reply.body.bytes, body);
        if (is_mode("idle")) { // about as long as it takes to get tired
            usleep((useconds_t)(49800 + chance(&state, 1200)));
        }
    }
    pk_mem_free(&reply.mem);
    return NULL;
}

/* ---- asynchronous calls */

typedef struct async_call {
    char body[BODY];
    int outcomes;
} async_call;

static long pending;

static void on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    static const pk_error none;
    async_call *a = user;
    (void)call;
    if (++a->outcomes != 1) {
        complain("two outcomes of one call", NULL);
    }
    judge(err ? err : &none, reply->body.bytes, a->body);
    free(a);
    __atomic_fetch_sub(&pending, 1, __ATOMIC_RELEASE);
}

static void one_async(unsigned *state, unsigned number)
{
    async_call *a = calloc(1, sizeof(*a));
    pk_error err = {0};
    pk_call call = {0};
    fill(a->body, number, chance(state, BODY - 20));
    pk_call_desc d = {.plugin = "victim", .http = chance(state, 2) ? "POST /echo" : "POST /nap",
                      .body = {.bytes = pk_str_from(a->body)}, .on_reply = on_reply, .user = a};
    __atomic_fetch_add(&pending, 1, __ATOMIC_RELAXED);
    if (pk_caller_start(pk_manager_caller(manager), &d, &call, &err)) {
        complain("cannot start a call", &err);
        free(a);
        __atomic_fetch_sub(&pending, 1, __ATOMIC_RELAXED);
        return;
    }
    unsigned how = chance(state, 4);
    if (how > 1) {
        usleep((useconds_t)chance(state, how == 2 ? 300 : 4000));
    }
    pk_err rc = how ? pk_caller_cancel(pk_manager_caller(manager), call) : PK_OK;
    if (rc && rc != PK_ERR_STALE) {
        complain("cannot cancel", NULL);
    }
}

/* A stream that is written and read by hand, and left at any point. */
static void one_stream(unsigned *state, unsigned number)
{
    char body[BODY], got[BODY * 2];
    pk_error err = {0};
    pk_call call = {0};
    size_t have = 0, n = 0;
    fill(body, number, chance(state, BODY - 20));
    pk_call_desc d = {.plugin = "victim", .http = "POST /echo"};
    pk_caller *caller = pk_manager_caller(manager);
    if (pk_caller_start(caller, &d, &call, &err)) {
        complain("cannot start a stream", &err);
        return;
    }
    unsigned leave = chance(state, 4);
    pk_err rc = leave == 0 ? PK_ERR_CANCELED : pk_caller_write(caller, call, pk_str_from(body), true, &err);
    while (!rc && leave != 1) {
        rc = pk_caller_read(caller, call, got + have, sizeof(got) - have, &n, &err);
        have += n;
        if (!rc && n == 0) {
            pk_str all = {got, have};
            judge(&err, all, body);
            return;
        }
    }
    if (rc && err.code) {
        judge(&err, PK_STR(""), "");
    }
    (void)pk_caller_cancel(caller, call);
}

static void *make_async_calls(void *arg)
{
    unsigned number = (unsigned)(uintptr_t)arg * 100000000u, state = seed + number + 7;
    while (!is_over()) {
        chance(&state, 3) ? one_async(&state, ++number) : one_stream(&state, ++number);
    }
    return NULL;
}

/* ---- bad luck */

static void *kill_it(void *arg)
{
    unsigned state = seed + 99;
    (void)arg;
    while (!is_over()) {
        pk_mem mem = {0};
        pk_plugin_info info;
        usleep(50000);
        if (pk_plugin_get(manager, victim, &mem, &info, NULL) == PK_OK && info.pid > 0) {
            kill((pid_t)info.pid, chance(&state, 8) ? SIGKILL : SIGHUP);
        }
        pk_mem_free(&mem);
    }
    return NULL;
}

static void *restart_it(void *arg)
{
    unsigned state = seed + (unsigned)(uintptr_t)arg;
    while (!is_over()) {
        pk_error err = {0};
        usleep((useconds_t)chance(&state, 40000));
        if ((chance(&state, 2) ? pk_plugin_stop : pk_plugin_start)(manager, victim, &err) && !is_allowed(err.code)) {
            complain("cannot stop or start", &err);
        }
    }
    return NULL;
}

static void run_threads(double seconds)
{
    pthread_t threads[THREADS + 3];
    int n = 0;
    bool async = is_mode("cancel") || is_mode("all"), kills = is_mode("kill") || is_mode("all");
    for (uintptr_t i = 0; i < (is_mode("idle") ? 1 : THREADS); i++) {
        pthread_create(&threads[n++], NULL, async && i % 2 ? make_async_calls : make_calls, (void *)i);
    }
    if (kills) {
        pthread_create(&threads[n++], NULL, kill_it, NULL);
    }
    if (is_mode("restart") || is_mode("all")) {
        pthread_create(&threads[n++], NULL, restart_it, (void *)1);
        pthread_create(&threads[n++], NULL, restart_it, (void *)2);
    }
    usleep((useconds_t)(seconds * 1e6));
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    while (n > 0) {
        pthread_join(threads[--n], NULL);
    }
    while (__atomic_load_n(&pending, __ATOMIC_ACQUIRE) > 0) {
        usleep(1000);
    }
}

/* Whatever it has been through: it works. */
static void check_it_works(void)
{
    pk_error err = {0};
    pk_reply reply = {0};
    pk_call_desc d = {.plugin = "victim", .http = "POST /echo", .body = {.bytes = PK_STR("still here")},
                      .ctx = {.idempotent = true}};
    (void)pk_caller_call(pk_manager_caller(manager), &d, &reply, &err);
    if (err.code || !pk_str_is(reply.body.bytes, "still here")) {
        complain("it does not work any more", &err);
    }
    pk_plugin_info info;
    if (pk_plugin_get(manager, victim, &reply.mem, &info, NULL) == PK_OK) {
        starts += info.starts;
    }
    pk_mem_free(&reply.mem);
}

/* ---- destroying while calls are in flight */

static void *one_long_call(void *arg)
{
    pk_error err = {0};
    pk_call_desc d = {.plugin = "victim", .http = (uintptr_t)arg % 3 ? "POST /hang" : "POST /nap"};
    (void)pk_caller_call(pk_manager_caller(manager), &d, NULL, &err);
    judge(&err, PK_STR(""), "");
    __atomic_fetch_sub(&pending, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void destroy_once(const char *dir, unsigned *state)
{
    pthread_t threads[THREADS];
    pk_error err = {0};
    if (open_manager(dir, &err)) {
        complain("cannot open a manager", &err);
        return;
    }
    if (chance(state, 3)) {
        check_it_works(); // otherwise the calls wait for its start
    }
    for (uintptr_t i = 0; i < THREADS; i++) {
        __atomic_fetch_add(&pending, 1, __ATOMIC_RELAXED);
        pthread_create(&threads[i], NULL, one_long_call, (void *)i);
    }
    usleep(20000 +
           (useconds_t)chance(state, 60000)); // they are all in their calls: starting one later would be a misuse
    pk_manager_destroy(manager);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* ---- main */

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 2048; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

int main(int argc, char **argv)
{
    pk_error err = {0};
    if (argc < 4) {
        return be_plugin(argc, argv);
    }
    mode = argv[1];
    seed = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : (unsigned)getpid();
    double seconds = strtod(argv[3], NULL);
    int fds = count_fds();
    if (is_mode("destroy")) {
        unsigned state = seed + 5;
        for (int64_t end = pk_now_ns() + (int64_t)(seconds * 1e9); pk_now_ns() < end;) {
            destroy_once(argv[2], &state);
        }
    } else if (open_manager(argv[2], &err)) {
        complain("cannot open a manager", &err);
        pk_manager_destroy(manager);
    } else {
        run_threads(seconds);
        check_it_works();
        pk_manager_destroy(manager);
    }
    int left = count_fds() - fds;
    bool children = waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
    printf("{\"mode\":\"%s\",\"seed\":%u,\"good\":%ld,\"allowed\":%ld,\"wrong\":%ld,\"starts\":%ld,\"descriptors\":%d,"
           "\"allocations\":%ld,"
           "\"children\":%s}\n",
           mode, seed, good, allowed, wrong, starts, left, blocks, children ? "true" : "false");
    if (first_wrong[0]) {
        fprintf(stderr, "%s\n", first_wrong);
    }
    return wrong || left || blocks || children || good + allowed == 0 ? 1 : 0;
}
