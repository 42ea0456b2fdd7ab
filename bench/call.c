/* call.c - what a call costs: over a Unix socket, typed, through the call machine alone, to an internal plugin. */
#include "bench.h"

#include <pthread.h>

#include "plugkit.h"

#include "echo.h"

enum { THREADS = 8 };

static pk_error error;

/* ---- raw: one send and one blocking receive a side */

typedef struct ping_pong {
    int fd;
} ping_pong;

static void raw_serve(int fd)
{
    char buf[4096], answer[ECHO_RESPONSE_BYTES];
    memset(answer, 'a', sizeof(answer));
    while (recv(fd, buf, sizeof(buf), 0) > 0) {
        if (send(fd, answer, sizeof(answer), MSG_NOSIGNAL) < 0) {
            return;
        }
    }
}

static void *raw_serve_thread(void *user)
{
    raw_serve(*(int *)user);
    return NULL;
}

/* A process that answers on `count` sockets, with a thread for each. It ends when we do. */
static void raw_open(ping_pong *ends, int count)
{
    int theirs[THREADS];
    for (int i = 0; i < count; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
            bench_die("socketpair: %s", strerror(errno));
        }
        ends[i].fd = pair[0];
        theirs[i] = pair[1];
    }
    pid_t pid = fork();
    if (pid < 0) {
        bench_die("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        pthread_t thread;
        bench_die_with_parent();
        for (int i = 0; i < count; i++) {
            close(ends[i].fd);
        }
        for (int i = 1; i < count; i++) {
            if (pthread_create(&thread, NULL, raw_serve_thread, &theirs[i])) {
                _exit(1);
            }
        }
        raw_serve(theirs[0]);
        _exit(0);
    }
    for (int i = 0; i < count; i++) {
        close(theirs[i]);
    }
}

static void raw_run(void *user, size_t times)
{
    const ping_pong *p = (const ping_pong *)user;
    char buf[4096];
    for (size_t i = 0; i < times; i++) {
        if (send(p->fd, echo_request_json, ECHO_REQUEST_BYTES, MSG_NOSIGNAL) < 0 ||
            recv(p->fd, buf, sizeof(buf), 0) <= 0) {
            bench_die("the raw peer has gone");
        }
    }
}

/* ---- ours */

typedef struct client {
    pk_caller *caller;
    pk_call_desc desc;
    pk_reply reply;
    echo typed;
    echo_request request;
    echo_response response;
} client;

static void client_open(client *c, pk_manager *m, const char *type)
{
    memset(c, 0, sizeof(*c));
    c->caller = pk_manager_caller(m);
    c->desc.contract = "echo";
    c->desc.type = type;
    c->desc.method = "echo";
    c->desc.body.bytes = pk_str_from(echo_request_json);
    if (echo_bind(&c->typed, c->caller, pk_str_from(type), &error) ||
        pk_json_decode(&c->request.mem, &pk_type_echo_request, c->desc.body.bytes, &c->request, &error)) {
        bench_die("%s", error.msg);
    }
}

static void client_close(client *c)
{
    pk_mem_free(&c->reply.mem);
    pk_mem_free(&c->request.mem);
    pk_mem_free(&c->response.mem);
}

static void client_call(void *user, size_t times)
{
    client *c = (client *)user;
    for (size_t i = 0; i < times; i++) {
        pk_mem_reset(&c->response.mem);
        if (pk_caller_call(c->caller, &c->desc, &c->reply, &error) ||
            pk_json_decode(&c->response.mem, &pk_type_echo_response, c->reply.body.bytes, &c->response, &error)) {
            bench_die("%s", error.msg);
        }
    }
}

static void client_typed(void *user, size_t times)
{
    client *c = (client *)user;
    for (size_t i = 0; i < times; i++) {
        if (c->typed.echo(&c->typed, NULL, &c->request, &c->response, &error)) {
            bench_die("%s", error.msg);
        }
    }
}

/* The sizes that README.md promises are those that travel. */
static void check_sizes(client *c)
{
    pk_buf text;
    client_call(c, 1);
    pk_buf_init(&text, NULL, 4096);
    if (pk_json_encode(&text, &pk_type_echo_request, &c->request, &error) || text.len != ECHO_REQUEST_BYTES ||
        c->reply.body.bytes.len != ECHO_RESPONSE_BYTES) {
        bench_die("the messages have %zu and %zu bytes", text.len, c->reply.body.bytes.len);
    }
    pk_buf_free(&text);
}

static pk_manager *manager_open(const pk_manager_desc *desc)
{
    pk_manager *m = NULL;
    if (pk_manager_create(&m, desc, &error) || pk_manager_start(m, &error)) {
        bench_die("%s", error.msg);
    }
    return m;
}

static void bench_unix(void)
{
    ping_pong raw;
    client ours;
    raw_open(&raw, 1);
    pk_manager *m = manager_open(&(pk_manager_desc){.plugin_dir = bench_path("plugins")});
    client_open(&ours, m, "echo");
    check_sizes(&ours);

    static bench_contestant c[] = {{.name = "raw ping-pong", .run = raw_run, .batch = 1, .laps = 3000},
                                   {.name = "pk_caller_call", .run = client_call, .batch = 1, .laps = 3000},
                                   {.name = "typed stub", .run = client_typed, .batch = 1, .laps = 3000}};
    c[0].user = &raw;
    c[1].user = c[2].user = &ours;
    bench_compare(c, 3);
    bench_report_ratio(&(bench_result){"call.unix", "p50", c[1].p50 / 1e3, "us", c[0].name, c[0].p50 / 1e3}, 1.6);
    bench_report(&(bench_result){"call.unix", "p99", c[1].p99 / 1e3, "us", c[0].name, c[0].p99 / 1e3});
    bench_report(&(bench_result){"call.typed", "p50", c[2].p50 / 1e3, "us", c[0].name, c[0].p50 / 1e3});
    client_close(&ours);
    pk_manager_destroy(m);
    close(raw.fd);
}

/* ---- both ends awake, each on a core of its own */

enum { SPIN_US = 100 };

/* On the other core. Between the rounds it sleeps, so that others have it. */
static void raw_serve_awake(int fd)
{
    char buf[4096], answer[ECHO_RESPONSE_BYTES];
    memset(answer, 'a', sizeof(answer));
    bench_pin_away(0);
    for (;;) {
        int64_t end = bench_clock_ns(CLOCK_MONOTONIC) + 1000 * SPIN_US;
        ssize_t n;
        do {
            n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        } while (n < 0 && bench_clock_ns(CLOCK_MONOTONIC) < end);
        n = n < 0 ? recv(fd, buf, sizeof(buf), 0) : n;
        if (n <= 0 || send(fd, answer, sizeof(answer), MSG_NOSIGNAL) < 0) {
            return;
        }
    }
}

static void raw_run_awake(void *user, size_t times)
{
    const ping_pong *p = (const ping_pong *)user;
    char buf[4096];
    for (size_t i = 0; i < times; i++) {
        ssize_t n;
        if (send(p->fd, echo_request_json, ECHO_REQUEST_BYTES, MSG_NOSIGNAL) < 0) {
            bench_die("the raw peer has gone");
        }
        while ((n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT)) <= 0) {
            if (n == 0 || errno != EAGAIN) {
                bench_die("the raw peer has gone");
            }
        }
    }
}

static void bench_spin(void)
{
    static const char name[] = "call.unix_spin";
    ping_pong raw;
    client ours;
    pk_plugin_info info = {0};
    pk_mem mem = {0};
    if (CPU_COUNT(&bench_all_cores) < 2) {
        bench_skip(name, "it needs two cores");
        return;
    }
    bench_unpin(); // who may use one core only does not spin
    raw.fd = bench_fork_peer(raw_serve_awake, NULL, 0);
    pk_manager *m = manager_open(&(pk_manager_desc){.plugin_dir = bench_path("plugins_spin"), .spin_us = SPIN_US});
    client_open(&ours, m, "echo");
    client_call(&ours, 1);
    if (pk_plugin_get(m, pk_manager_find(m, "echo"), &mem, &info, &error)) {
        bench_die("%s", error.msg);
    }
    bench_pin_away((pid_t)info.pid);
    bench_pin();

    static bench_contestant c[] = {{.name = "raw, spinning", .run = raw_run_awake, .batch = 1, .laps = 3000},
                                   {.name = "pk_caller_call", .run = client_call, .batch = 1, .laps = 3000}};
    c[0].user = &raw;
    c[1].user = &ours;
    bench_compare(c, 2);
    bench_report_ratio(&(bench_result){name, "p50", c[1].p50 / 1e3, "us", c[0].name, c[0].p50 / 1e3}, 1.6);
    pk_mem_free(&mem);
    client_close(&ours);
    pk_manager_destroy(m);
    close(raw.fd);
}

/* ---- eight threads on two cores: how much gets through */

typedef struct crowd_member {
    pthread_t thread;
    void (*run)(void *user, size_t times);
    void *user;
    size_t times;
} crowd_member;

static void *crowd_thread(void *user)
{
    crowd_member *one = (crowd_member *)user;
    one->run(one->user, one->times);
    return NULL;
}

static void crowd_run(void *user, size_t times)
{
    crowd_member *all = (crowd_member *)user;
    for (int i = 0; i < THREADS; i++) {
        all[i].times = times / THREADS;
        if (pthread_create(&all[i].thread, NULL, crowd_thread, &all[i])) {
            bench_die("cannot start a thread");
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(all[i].thread, NULL);
    }
}

static void bench_threads(void)
{
    static ping_pong raw[THREADS];
    static client ours[THREADS];
    static crowd_member raw_crowd[THREADS], our_crowd[THREADS];
    bench_unpin();
    raw_open(raw, THREADS);
    pk_manager *m = manager_open(&(pk_manager_desc){.plugin_dir = bench_path("plugins")});
    for (int i = 0; i < THREADS; i++) {
        client_open(&ours[i], m, "echo");
        client_call(&ours[i], 1);
        raw_crowd[i].run = raw_run;
        raw_crowd[i].user = &raw[i];
        our_crowd[i].run = client_call;
        our_crowd[i].user = &ours[i];
    }
    static bench_contestant c[] = {{.name = "raw ping-pong", .run = crowd_run, .user = raw_crowd, .laps = 1},
                                   {.name = "pk_caller_call", .run = crowd_run, .user = our_crowd, .laps = 1}};
    c[0].batch = c[1].batch = bench_smoke ? 80 : 16000;
    bench_compare(c, 2);
    bench_report(&(bench_result){"call.threads", "rate", 1e9 / c[1].p50, "calls/s", c[0].name, 1e9 / c[0].p50});
    for (int i = 0; i < THREADS; i++) {
        client_close(&ours[i]);
        close(raw[i].fd);
    }
    pk_manager_destroy(m);
    bench_pin();
}

/* ---- the machine alone: a dialect that answers at once */

static char instant_answer[ECHO_RESPONSE_BYTES];

static pk_err instant_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    (void)user, (void)loop, (void)endpoint, (void)err;
    *channel = instant_answer;
    return PK_OK;
}

static void instant_run(void *channel, pk_attempt *a)
{
    static const pk_meta type = {PK_STR_INIT("content-type"), PK_STR_INIT("application/json")};
    (void)channel;
    pk_attempt_head(a, 200, &type, 1);
    (void)pk_attempt_chunk(a, (pk_str){instant_answer, sizeof(instant_answer)}, NULL);
    pk_attempt_end(a, NULL);
}

static pk_err instant_start(void *channel, pk_attempt *a, pk_error *err)
{
    (void)err;
    instant_run(channel, a);
    return PK_OK;
}

static void instant_cancel(void *channel, pk_attempt *a)
{
    (void)channel, (void)a;
}

static void instant_close(void *channel)
{
    (void)channel;
}

static pk_err instant_find(void *user, pk_sink *sink, pk_error *err)
{
    const pk_found found = {.id = "instant",
                            .endpoint = {.address = "instant://here", .dialect = "instant"},
                            .manifest = PK_STR_INIT("{\"types\":{\"echo\":[{\"type\":\"instant\"}]},"
                                                    "\"contracts\":{\"echo\":\"1.0.0\"}}")};
    (void)user;
    pk_err rc = pk_sink_found(sink, &found, err);
    pk_sink_done(sink);
    return rc;
}

static void instant_call(void *user, size_t times)
{
    client *c = (client *)user;
    for (size_t i = 0; i < times; i++) {
        if (pk_caller_call(c->caller, &c->desc, &c->reply, &error)) {
            bench_die("%s", error.msg);
        }
    }
}

/* The same answer, through a function pointer and into the same kind of memory. */
static void instant_copy(pk_reply *reply)
{
    char *to = (char *)pk_mem_get(&reply->mem, sizeof(instant_answer));
    if (!to) {
        bench_die("out of memory");
    }
    memcpy(to, instant_answer, sizeof(instant_answer));
    reply->body.bytes = (pk_str){to, sizeof(instant_answer)};
}

static void copy_call(void *user, size_t times)
{
    void (*volatile answer)(pk_reply *) = instant_copy;
    client *c = (client *)user;
    for (size_t i = 0; i < times; i++) {
        pk_mem_reset(&c->reply.mem);
        answer(&c->reply);
    }
}

/* ---- an internal plugin, typed */

static pk_err inside_run(const echo *self, pk_ctx *ctx, const echo_request *request, echo_response *response,
                         pk_error *err)
{
    (void)self, (void)ctx, (void)err;
    response->id = request->id;
    return PK_OK;
}

static pk_err inside_count(const echo *self, pk_ctx *ctx, const pk_none *request, echo_counts *response, pk_error *err)
{
    (void)self, (void)ctx, (void)request, (void)response, (void)err;
    return PK_OK;
}

static void pointer_call(void *user, size_t times)
{
    pk_err (*volatile run)(const echo *, pk_ctx *, const echo_request *, echo_response *, pk_error *) = inside_run;
    client *c = (client *)user;
    for (size_t i = 0; i < times; i++) {
        bench_use(c);
        (void)run(&c->typed, NULL, &c->request, &c->response, &error);
    }
}

static void inside_call(void *user, size_t times)
{
    client *c = (client *)user;
    for (size_t i = 0; i < times; i++) {
        bench_use(c); // the object may have changed: nothing is kept in registers from call to call
        (void)c->typed.echo(&c->typed, NULL, &c->request, &c->response, &error);
    }
}

static void bench_within(void)
{
    static const pk_dialect instant = {.name = "instant", .open = instant_open, .start = instant_start,
                                       .run = instant_run, .cancel = instant_cancel, .close = instant_close};
    static const pk_finder finder = {.name = "instant", .start = instant_find};
    static const pk_dialect *const dialects[] = {&instant};
    static const pk_finder *const finders[] = {&finder};
    static const echo object = {.echo = inside_run, .counts = inside_count};
    static const pk_service service = {&echo_contract, "inside", &object, PK_STR_INIT("")};
    client outer, inner;
    memset(instant_answer, 'a', sizeof(instant_answer));
    pk_manager *m = manager_open(&(pk_manager_desc){.dialects = dialects, .dialect_count = 1, .finders = finders,
                                                    .finder_count = 1});
    if (pk_manager_add(m, "inside", &service, 1, NULL, &error)) {
        bench_die("%s", error.msg);
    }
    client_open(&outer, m, "instant");
    client_open(&inner, m, "inside");

    static bench_contestant c[] = {{.name = "copying the answer", .run = copy_call, .batch = 1000, .laps = 50},
                                   {.name = "pk_caller_call", .run = instant_call, .batch = 1000, .laps = 50},
                                   {.name = "function pointer", .run = pointer_call, .batch = 10000, .laps = 50},
                                   {.name = "typed stub", .run = inside_call, .batch = 10000, .laps = 50}};
    c[0].user = c[1].user = &outer;
    c[2].user = c[3].user = &inner;
    bench_compare_computing(c, 4);
    bench_report(&(bench_result){"call.pipeline", "p50", (c[1].p50 - c[0].p50) / 1e3, "us", c[0].name,
                                 c[0].p50 / 1e3});
    bench_report_most(&(bench_result){"call.internal", "p50", c[3].p50 - c[2].p50, "ns", c[2].name, c[2].p50}, 5);
    client_close(&outer);
    client_close(&inner);
    pk_manager_destroy(m);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_unix();
    bench_spin();
    bench_within();
    bench_threads();
    return 0;
}
