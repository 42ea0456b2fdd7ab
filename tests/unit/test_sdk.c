/* test_sdk.c - a whole plugin in this process: started by lines on a socket pair, asked over its socket, ended. What
 * needs a process of its own is in integration/test_sdk.py. */
#include "unit.h"

#include "data_processor.h"
#include "plugin_base.h"

/* ---- a plugin */

static pk_err process(const data_processor *self, pk_ctx *ctx, const process_request *req, process_response *resp,
                      pk_error *err)
{
    (void)self, (void)ctx, (void)err;
    resp->data = req->data;
    return PK_OK;
}

static pk_err formats(const data_processor *self, pk_ctx *ctx, const pk_none *req, formats_response *resp,
                      pk_error *err)
{
    (void)self, (void)ctx, (void)req, (void)resp, (void)err;
    return PK_OK;
}

static int pings;
static bool is_sick;

static pk_err ping(const plugin_base *self, pk_ctx *ctx, const pk_none *req, pk_none *resp, pk_error *err)
{
    (void)self, (void)ctx, (void)req, (void)resp;
    pings++;
    return is_sick ? pk_error_set(err, PK_ERR_UNHEALTHY, "sick") : PK_OK;
}

static const data_processor processor = {.process = process, .formats = formats};
static const plugin_base base = {.ping = ping};
static const pk_service services[] = {
    {&data_processor_contract, "echo", &processor, PK_STR_INIT("")},
    {&plugin_base_contract, "echo", &base, PK_STR_INIT("")},
};

static int starts, closes;

static pk_err on_start(void *user, pk_sdk *p, pk_error *err)
{
    (void)user, (void)err;
    starts++;
    CHECK(pk_sdk_is_running(p) && pk_sdk_server(p) && pk_sdk_host(p) && pk_sdk_loop(p));
    return PK_OK;
}

static void on_close(void *user)
{
    (void)user;
    closes++;
}

static pk_sdk_desc example(void)
{
    pk_sdk_desc desc = {.id = "echo", .alloc = test_alloc(), .services = services, .service_count = 2,
                        .on_start = on_start, .on_close = on_close};
    return desc;
}

/* ---- its host */

static int control = -1; // the host's end
static char place[100];  // of the socket

static void say(const char *text)
{
    REQUIRE(write(control, text, strlen(text)) == (ssize_t)strlen(text));
}

/* The environment and the first line of a plugkit/1 start; the other end is the plugin's to close. */
static int prepare(void)
{
    int pair[2];
    char number[16], line[600];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    REQUIRE(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    control = pair[0];
    snprintf(number, sizeof(number), "%d", pair[1]);
    setenv("PLUGKIT_PROTOCOL", "plugkit/1", 1);
    setenv("PLUGKIT_CONTROL_FD", number, 1);
    snprintf(place, sizeof(place), "%.80s/echo.sock", test_now.folder);
    snprintf(line, sizeof(line),
             "{\"config\":[],\"instance\":\"echo-1\",\"token\":\"secret\",\"listen\":\"%s\"}\n", place);
    say(line);
    return pair[1];
}

static const char *heard(void)
{
    static char text[1024];
    ssize_t n = read(control, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void hang_up(void)
{
    if (control >= 0) {
        close(control);
        control = -1;
    }
}

static int dial(void)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", place);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* Sends a request and steps the loop until an answer is there. */
static const char *ask_on(int fd, pk_loop *loop, const char *what, const char *body)
{
    static char text[4096];
    int len = snprintf(text, sizeof(text),
                       "%s HTTP/1.1\r\nHost: x\r\nPlugKit-Token: secret\r\nContent-Length: %zu\r\n\r\n%s", what,
                       strlen(body), body);
    REQUIRE(write(fd, text, (size_t)len) == len);
    ssize_t n = -1;
    WAIT_UNTIL(pk_loop_step(loop, 10, NULL) != PK_OK || (n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static const char *ask(pk_sdk *p, const char *what, const char *body)
{
    int fd = dial();
    const char *answer = ask_on(fd, pk_sdk_loop(p), what, body);
    close(fd);
    return answer;
}

static void step_until_stopped(pk_sdk *p)
{
    WAIT_UNTIL(pk_loop_step(pk_sdk_loop(p), 10, NULL) != PK_OK || !pk_sdk_is_running(p));
}

/* ---- life */

TEST(sdk, serves_and_ends_when_asked)
{
    pk_sdk *p;
    pk_sdk_desc desc = example();
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    CHECK_INT(starts, ==, 1);
    CHECK_CONTAINS(heard(), "echo.sock\"}\n{\"ready\":true}\n");
    CHECK_STR(pk_sdk_instance(p), "echo-1");

    const char *answer = ask(p, "POST /process", "{\"data\":\"aGk=\"}");
    CHECK_CONTAINS(answer, "HTTP/1.1 200 OK\r\n");
    CHECK_CONTAINS(answer, "\r\n\r\n{\"data\":\"aGk=\",\"metadata\":{}}");
    CHECK_CONTAINS(ask(p, "GET /readyz", ""), "200 OK");

    say("{\"shutdown\":true}\n");
    step_until_stopped(p);
    CHECK(access(place, F_OK) != 0);
    CHECK_INT(closes, ==, 0); // only when nothing runs any more
    pk_sdk_destroy(p);
    CHECK_INT(closes, ==, 1);
    hang_up();
}

TEST(sdk, makes_three_system_calls_for_a_warm_request)
{
    pk_sdk *p;
    pk_sdk_desc desc = example();
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    int fd = dial();
    for (int i = 0; i < 5; i++) {
        (void)ask_on(fd, pk_sdk_loop(p), "POST /process", "{\"data\":\"aGk=\"}");
    }
    char text[4096];
    const char *request = "POST /process HTTP/1.1\r\nHost: x\r\nPlugKit-Token: secret\r\nContent-Length: 15\r\n\r\n"
                          "{\"data\":\"aGk=\"}";
    REQUIRE(write(fd, request, strlen(request)) == (ssize_t)strlen(request));
    memset(&pk__sys_count, 0, sizeof(pk__sys_count));
    CHECK_OK(pk_loop_step(pk_sdk_loop(p), 0, NULL));
    CHECK_UINT(pk__sys_count.all, <=, 3);
    CHECK_INT(recv(fd, text, sizeof(text), MSG_DONTWAIT), >, 0);
    close(fd);
    pk_sdk_destroy(p);
    hang_up();
}

TEST(sdk, answers_the_shutdown_before_it_ends)
{
    pk_sdk *p;
    pk_sdk_desc desc = example();
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    CHECK_CONTAINS(ask(p, "POST /shutdown", ""), "HTTP/1.1 200 OK\r\n");
    step_until_stopped(p);
    pk_sdk_destroy(p);
    hang_up();
}

TEST(sdk, ends_when_its_host_is_gone)
{
    pk_sdk *p;
    pk_sdk_desc desc = example();
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    hang_up();
    step_until_stopped(p);
    pk_sdk_destroy(p);
}

static void stop_it(void *arg)
{
    pk_sdk_stop((pk_sdk *)arg);
}

TEST(sdk, may_be_stopped_from_any_thread_and_stepped_by_the_program)
{
    pk_sdk *p;
    pk_loop *loop;
    pk__thread thread;
    pk_sdk_desc desc = example();
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    desc.loop = loop;
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    CHECK(pk_sdk_loop(p) == loop);
    REQUIRE_OK(pk__thread_start(&thread, stop_it, p, NULL));
    step_until_stopped(p);
    pk__thread_join(&thread);
    pk_sdk_destroy(p);
    CHECK_OK(pk_loop_step(loop, 0, NULL)); // the program's loop lives on
    pk_loop_destroy(loop);
    hang_up();
}

TEST(sdk, may_be_destroyed_while_it_runs)
{
    pk_sdk *p;
    pk_sdk_desc desc = example();
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    int fd = dial();
    CHECK_OK(pk_loop_step(pk_sdk_loop(p), 0, NULL));
    pk_sdk_stop(p); // posted, and never run
    pk_sdk_destroy(p);
    CHECK(access(place, F_OK) != 0);
    CHECK_INT(closes, ==, 1);
    close(fd);
    hang_up();
    pk_sdk_destroy(NULL);
    CHECK(!pk_sdk_is_running(NULL));
}

TEST(sdk, leaves_the_parents_things_alone_in_a_forked_child)
{
    pk_sdk *p;
    int status;
    pk_sdk_desc desc = example();
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        pk_sdk_destroy(p);
        _exit(access(place, F_OK) == 0 && closes == 0 ? 0 : 1);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, ==, 0);
    CHECK_CONTAINS(ask(p, "GET /formats", ""), "200 OK");
    pk_sdk_destroy(p);
    hang_up();
}

static volatile sig_atomic_t terms;

static void on_term(int number)
{
    (void)number;
    terms++;
}

TEST(sdk, takes_signals_only_from_programs_without_handlers)
{
    pk_sdk *p;
    struct sigaction mine, now;
    pk_sdk_desc desc = example();
    memset(&mine, 0, sizeof(mine));
    mine.sa_handler = on_term;
    REQUIRE(sigaction(SIGTERM, &mine, NULL) == 0);
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    raise(SIGTERM);
    CHECK_INT(terms, ==, 1);
    CHECK(pk_sdk_is_running(p));
    pk_sdk_destroy(p);
    hang_up();

    mine.sa_handler = SIG_DFL;
    REQUIRE(sigaction(SIGTERM, &mine, NULL) == 0);
    REQUIRE(sigaction(SIGPIPE, &mine, NULL) == 0);
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    REQUIRE(sigaction(SIGPIPE, NULL, &now) == 0);
    CHECK(now.sa_handler == SIG_IGN);
    raise(SIGTERM);
    step_until_stopped(p);
    pk_sdk_destroy(p);
    REQUIRE(sigaction(SIGTERM, NULL, &now) == 0);
    CHECK(now.sa_handler == SIG_DFL); // put back
    REQUIRE(sigaction(SIGPIPE, NULL, &now) == 0);
    CHECK(now.sa_handler == SIG_DFL);
    hang_up();
}

/* ---- health */

TEST(sdk, asks_services_that_answer_pings)
{
    pk_sdk *p;
    pk_sdk_desc desc = example();
    (void)prepare();
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    CHECK_CONTAINS(ask(p, "GET /healthz", ""), "HTTP/1.1 200 OK\r\n");
    CHECK_INT(pings, ==, 1);
    is_sick = true;
    CHECK_CONTAINS(ask(p, "GET /healthz", ""), "HTTP/1.1 503 ");
    CHECK_CONTAINS(ask(p, "DELETE /healthz", ""), "HTTP/1.1 405 ");
    pk_sdk_destroy(p);
    hang_up();
}

/* ---- refusals */

#define CLASH(M, C) M(C, process, "POST /process", pk_none, pk_none, 0)
PK_CONTRACT(clash, "clash", "1.0.0", CLASH)
#define STREAM(M, C) M(C, process, "POST /process", pk_blob, pk_none, PK_UPLOAD)
PK_CONTRACT(stream, "stream", "1.0.0", STREAM)
#define GREEDY(M, C) M(C, end, "POST /shutdown", pk_none, pk_none, 0)
PK_CONTRACT(greedy, "greedy", "1.0.0", GREEDY)

static pk_err nothing(const clash *self, pk_ctx *ctx, const pk_none *req, pk_none *resp, pk_error *err)
{
    (void)self, (void)ctx, (void)req, (void)resp, (void)err;
    return PK_OK;
}

static pk_err upload(const stream *self, pk_ctx *ctx, const pk_blob *req, pk_none *resp, pk_error *err)
{
    (void)self, (void)ctx, (void)req, (void)resp, (void)err;
    return PK_OK;
}

static pk_err end(const greedy *self, pk_ctx *ctx, const pk_none *req, pk_none *resp, pk_error *err)
{
    (void)self, (void)ctx, (void)req, (void)resp, (void)err;
    return PK_OK;
}

static pk_err route(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)response, (void)err;
    return PK_OK;
}

static void check_refused(const pk_sdk_desc *desc, pk_err code, const char *says)
{
    pk_sdk *p;
    pk_error err;
    (void)prepare();
    CHECK_ERR(pk_sdk_create(&p, 0, NULL, desc, &err), code);
    CHECK(p == NULL);
    CHECK_CONTAINS(err.msg, says);
    CHECK_CONTAINS(heard(), "{\"error\":");
    CHECK(access(place, F_OK) != 0);
    CHECK_INT(starts, ==, 0);
    CHECK_INT(closes, ==, 0);
    hang_up();
}

TEST(sdk, refuses_services_that_get_in_each_others_way)
{
    static const clash clashing = {.process = nothing};
    static const stream streaming = {.process = upload};
    static const greedy greed = {.end = end};
    pk_service two[2] = {services[0], {&clash_contract, "echo", &clashing, PK_STR_INIT("")}};
    pk_sdk_desc desc = example();
    desc.services = two;
    check_refused(&desc, PK_ERR_DUPLICATE,
                  "cannot offer 'dataProcessor' and 'clash' with one type, 'echo': both answer POST /process");
    two[1].contract = &stream_contract;
    two[1].object = &streaming;
    two[1].type = "other";
    check_refused(&desc, PK_ERR_BAD_CONTRACT, "only one of them reads the body");
    two[1].contract = &greedy_contract;
    two[1].object = &greed;
    check_refused(&desc, PK_ERR_BAD_CONTRACT, "method 'end' claims POST /shutdown, which every plugin has");
}

TEST(sdk, refuses_routes_that_every_plugin_has)
{
    pk_route routes[] = {{"GET /healthz", 0, route, NULL}};
    pk_sdk_desc desc = example();
    desc.routes = routes;
    desc.route_count = 1;
    check_refused(&desc, PK_ERR_DUPLICATE, "cannot add the route 'GET /healthz': every plugin has it");
    routes[0].match = "POST /process";
    check_refused(&desc, PK_ERR_DUPLICATE, "POST /process");
    routes[0].match = "nonsense";
    check_refused(&desc, PK_ERR_MISUSE, "nonsense");
}

TEST(sdk, refuses_descriptions_that_are_not_complete)
{
    pk_sdk *p;
    pk_error err;
    pk_sdk_desc desc = example();
    desc.id = NULL;
    check_refused(&desc, PK_ERR_BAD_NAME, "is not an id");
    desc = example();
    desc.workers = -1;
    check_refused(&desc, PK_ERR_MISUSE, "not complete");
    desc = example();
    desc.services = NULL;
    check_refused(&desc, PK_ERR_MISUSE, "not complete");
    CHECK_ERR(pk_sdk_create(&p, 0, NULL, NULL, &err), PK_ERR_MISUSE);
    CHECK_ERR(pk_sdk_create(NULL, 0, NULL, &desc, &err), PK_ERR_MISUSE);
}

static pk_err fail_to_start(void *user, pk_sdk *p, pk_error *err)
{
    (void)user, (void)p, (void)err;
    return PK_ERR_CANCELED; // without a word, and with a code that means something else here
}

TEST(sdk, does_not_take_a_callbacks_code_for_its_own)
{
    pk_sdk *p;
    pk_error err;
    pk_sdk_desc desc = example();
    desc.on_start = fail_to_start;
    (void)prepare();
    CHECK_ERR(pk_sdk_create(&p, 0, NULL, &desc, &err), PK_ERR_CONFIG);
    CHECK_CONTAINS(err.msg, "cannot start 'echo'");
    hang_up();
}

TEST(sdk, says_that_capabilities_were_all_that_was_asked_for)
{
    char program[] = "echo", word[] = "capabilities", *argv[] = {program, word, NULL};
    pk_sdk *p;
    int keep = fcntl(1, F_DUPFD_CLOEXEC, 3), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pk_sdk_desc desc = example();
    fflush(stdout);
    REQUIRE(dup2(null, 1) == 1);
    pk_err rc = pk_sdk_create(&p, 2, argv, &desc, NULL);
    int status = pk_sdk_main(2, argv, &desc);
    REQUIRE(dup2(keep, 1) == 1);
    close(keep);
    close(null);
    CHECK_ERR(rc, PK_ERR_CANCELED);
    CHECK_INT(status, ==, 0);
    CHECK_INT(starts + closes, ==, 0);
}

TEST_TORTURE(sdk, starts_serves_and_ends_whatever_fails)
{
    pk_sdk *p = NULL;
    pk_sdk_desc desc = example();
    int fd = -1, plugin_end = prepare();
    if (TRY_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL))) {
        struct sockaddr_un address;
        memset(&address, 0, sizeof(address));
        address.sun_family = AF_UNIX;
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", place);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const char *request = "GET /formats HTTP/1.1\r\nHost: x\r\nPlugKit-Token: secret\r\n\r\n";
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && write(fd, request, strlen(request)) > 0) {
            for (int i = 0; i < 10; i++) {
                (void)pk_loop_step(pk_sdk_loop(p), 1, NULL);
            }
        }
        pk_sdk_stop(p);
        for (int i = 0; i < 100 && pk_sdk_is_running(p); i++) {
            (void)pk_loop_step(pk_sdk_loop(p), 1, NULL);
        }
        close(fd);
        pk_sdk_destroy(p);
    } else if (p == NULL && fcntl(plugin_end, F_GETFD) >= 0 && test_now.torture) {
        close(plugin_end); // it failed before it took the socket
    }
    hang_up();
}
