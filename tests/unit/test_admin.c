/* test_admin.c - the host's own door: who gets in, what it tells, what it does, and readers that do not read. */
#include "unit.h"

#define SCRIPT                                                                                                \
    "#!/bin/sh\n"                                                                                             \
    "if [ \"$1\" = capabilities ]; then\n"                                                                    \
    "  echo '{\"types\":{\"c\":[{\"type\":\"t\"}]},\"protocols\":[\"plugkit/1\"],\"version\":\"1.2.3\"}'\n"     \
    "  exit 0\n"                                                                                              \
    "fi\n"                                                                                                    \
    "read -r config <&3\n"                                                                                    \
    "printf '{\"listening\":\"lines:\"}\\n{\"ready\":true}\\n' >&3\n"                                           \
    "while read -r line <&3; do\n"                                                                            \
    "  case $line in *shutdown*) exit 0;; esac\n"                                                             \
    "  id=${line#*:}; id=${id%%,*}\n"                                                                         \
    "  printf '{\"id\":%s,\"status\":200}\\n' \"$id\" >&3\n"                                                   \
    "done\n"

typedef struct world {
    pk_manager *m;
    pk_manager_desc desc;
    char socket[200], token[80];
} world;

static void prepare(world *w)
{
    memset(w, 0, sizeof(*w));
    w->desc.alloc = *test_alloc();
    w->desc.runtime_dir = ".";
    w->desc.deadline.stop_ms = 2000;
}

static void prepare_plugin(world *w)
{
    prepare(w);
    REQUIRE(mkdir("plugins", 0755) == 0);
    FILE *f = fopen("plugins/good", "w");
    REQUIRE(f != NULL);
    fputs(SCRIPT, f);
    fclose(f);
    REQUIRE(chmod("plugins/good", 0755) == 0);
    w->desc.plugin_dir = "plugins";
}

static void look_around(world *w)
{
    char path[200];
    snprintf(w->socket, sizeof(w->socket), "%s/control.sock", pk_manager_runtime_dir(w->m));
    snprintf(path, sizeof(path), "%s/control.token", pk_manager_runtime_dir(w->m));
    FILE *f = fopen(path, "r");
    REQUIRE(f != NULL && fgets(w->token, sizeof(w->token), f) != NULL);
    fclose(f);
}

static void start(world *w)
{
    pk_error err = {0};
    if (pk_manager_create(&w->m, &w->desc, &err) || pk_manager_serve(w->m, &err) || pk_manager_start(w->m, &err)) {
        FAIL("%s", err.msg);
    }
    look_around(w);
}

static int dial(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void say(int fd, const char *request, const char *token)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\nPlugKit-Token: %s\r\nConnection: close\r\n\r\n",
                       request, token);
    REQUIRE(send(fd, text, (size_t)len, MSG_NOSIGNAL) == len);
}

typedef struct answer {
    char text[256 * 1024];
    size_t len;
} answer;

/* Reads until `end` has come, or the other side has closed. */
static const char *hear(int fd, answer *a, const char *end)
{
    ssize_t n = 1;
    while (n > 0 && a->len < sizeof(a->text) - 1 && !(end && strstr(a->text, end))) {
        n = recv(fd, a->text + a->len, sizeof(a->text) - 1 - a->len, 0);
        a->len += n > 0 ? (size_t)n : 0;
        a->text[a->len] = '\0';
    }
    return a->text;
}

static const char *ask_as(const world *w, const char *request, const char *token)
{
    static answer a;
    a.len = 0;
    a.text[0] = '\0';
    int fd = dial(w->socket);
    REQUIRE(fd >= 0);
    say(fd, request, token);
    (void)hear(fd, &a, NULL);
    close(fd);
    return a.text;
}

static const char *ask(const world *w, const char *request)
{
    return ask_as(w, request, w->token);
}

#define OK_200 "HTTP/1.1 200 OK"

/* ---- what it tells and does */

TEST(admin, plugins_are_shown_and_obey)
{
    world w;
    prepare_plugin(&w);
    start(&w);
    CHECK_CONTAINS(ask(&w, "GET /plugins"), "\"plugins\":[{\"id\":\"good\",\"path\":\"plugins/good\",\"status\":"
                                            "\"stopped\"");
    CHECK_CONTAINS(ask(&w, "GET /plugins"), "\"host\":{\"pid\":");
    CHECK_CONTAINS(ask(&w, "GET /plugins"), "\"version\":\"1.2.3\",\"services\":[{\"contract\":\"c\",\"type\":\"t\"");
    CHECK_CONTAINS(ask(&w, "GET /plugins/good"), "\"capabilities\":{\"types\":");
    CHECK_CONTAINS(ask(&w, "POST /plugins/good/start"), "\"status\":\"ready\"");
    CHECK_CONTAINS(ask(&w, "GET /plugins/good"), "\"starts\":1");
    CHECK_CONTAINS(ask(&w, "POST /plugins/good/restart"), "\"status\":\"ready\"");
    CHECK_CONTAINS(ask(&w, "GET /plugins/good"), "\"starts\":2");
    CHECK_CONTAINS(ask(&w, "POST /plugins/good/stop"), "\"status\":\"stopped\"");
    CHECK_CONTAINS(ask(&w, "GET /plugins/good"), "\"pid\":null");
    CHECK_CONTAINS(ask(&w, "POST /plugins/good/disable"), "\"status\":\"disabled\"");
    CHECK_CONTAINS(ask(&w, "POST /plugins/good/start"), "HTTP/1.1 400");
    CHECK_CONTAINS(ask(&w, "POST /plugins/good/enable"), OK_200);
    CHECK(strstr(ask(&w, "GET /plugins/good"), "\"status\":\"disabled\"") == NULL);
    CHECK_CONTAINS(ask(&w, "POST /plugins/good/start"), "\"status\":\"ready\"");
    CHECK_CONTAINS(ask(&w, "GET /healthz"), "{\"status\":\"ok\"}");
    pk_manager_destroy(w.m);
}

TEST(admin, what_is_not_there_is_said)
{
    world w;
    prepare(&w);
    start(&w);
    CHECK_CONTAINS(ask(&w, "GET /plugins/nobody"), "HTTP/1.1 404 Not Found");
    CHECK_CONTAINS(ask(&w, "GET /plugins/nobody"), "there is no plugin 'nobody'");
    CHECK_CONTAINS(ask(&w, "POST /plugins/nobody/stop"), "there is no plugin 'nobody'");
    CHECK_CONTAINS(ask(&w, "POST /plugins/a%0ab/stop"), "HTTP/1.1 400");
    CHECK_CONTAINS(ask(&w, "POST /plugins/nobody/explode"), "HTTP/1.1 404");
    CHECK_CONTAINS(ask(&w, "POST /plugins/nobody"), "HTTP/1.1 404");
    CHECK_CONTAINS(ask(&w, "DELETE /plugins/nobody"), "HTTP/1.1 405");
    CHECK_CONTAINS(ask(&w, "GET /nowhere"), "HTTP/1.1 404");
    CHECK_CONTAINS(ask(&w, "GET /events?last=many"), "HTTP/1.1 400");
    CHECK_CONTAINS(ask(&w, "GET /plugins"), "\"plugins\":[]}");
    pk_manager_destroy(w.m);
}

#define ADMIN_WORD(F, T) F(T, REQ, pk_str, text, "text")
PK_MESSAGE(admin_word, ADMIN_WORD)
#define ADMIN_ECHO(M, C) M(C, say, "POST /say", admin_word, admin_word, 0)
PK_CONTRACT(admin_echo, "echo", "1.2.0", ADMIN_ECHO)

static pk_err echo_say(const admin_echo *self, pk_ctx *ctx, const admin_word *req, admin_word *resp, pk_error *err)
{
    (void)self, (void)ctx, (void)err;
    resp->text = req->text;
    return PK_OK;
}

TEST(admin, internal_plugins_are_shown_and_cannot_be_stopped)
{
    admin_echo impl = {.say = echo_say};
    const pk_service service = {&admin_echo_contract, "inside", &impl, {NULL, 0}};
    world w;
    prepare(&w);
    start(&w);
    REQUIRE_OK(pk_manager_add(w.m, "inside", &service, 1, NULL, NULL));
    CHECK_CONTAINS(ask(&w, "GET /plugins/inside"), "\"status\":\"built in\"");
    CHECK_CONTAINS(ask(&w, "POST /plugins/inside/stop"), "cannot stop 'inside': it is compiled in");
    pk_manager_destroy(w.m);
}

/* ---- who gets in */

TEST(admin, without_the_token_nobody_learns_anything)
{
    world w;
    char other[80];
    prepare(&w);
    start(&w);
    memcpy(other, w.token, sizeof(other));
    other[63] = other[63] == 'a' ? 'b' : 'a';
    CHECK_CONTAINS(ask_as(&w, "GET /plugins", ""), "HTTP/1.1 401");
    CHECK_CONTAINS(ask_as(&w, "GET /plugins", other), "HTTP/1.1 401");
    CHECK_CONTAINS(ask_as(&w, "GET /plugins/nobody", other), "HTTP/1.1 401");
    CHECK_CONTAINS(ask_as(&w, "POST /stop", other), "HTTP/1.1 401");
    CHECK_CONTAINS(ask_as(&w, "GET /events?follow=1", "x"), "HTTP/1.1 401");
    CHECK(!pk_manager_is_stopped(w.m));
    pk_manager_destroy(w.m);
}

TEST(admin, socket_and_token_are_for_this_user_alone)
{
    struct stat info;
    char path[200];
    world w;
    prepare(&w);
    start(&w);
    REQUIRE(stat(w.socket, &info) == 0);
    CHECK_UINT(info.st_mode & 0777, ==, 0600);
    snprintf(path, sizeof(path), "%s/control.token", pk_manager_runtime_dir(w.m));
    REQUIRE(stat(path, &info) == 0);
    CHECK_UINT(info.st_mode & 0777, ==, 0600);
    CHECK_UINT(strlen(w.token), ==, PK__TOKEN_LEN);
    pk_manager_destroy(w.m);
}

static int somebody_else(int fd, uid_t *uid, pid_t *pid)
{
    (void)fd;
    *uid = geteuid() + 1;
    *pid = 0;
    return 0;
}

TEST(admin, another_user_is_not_even_answered)
{
    world w;
    prepare(&w);
    pk__sys.peer_uid = somebody_else; // before there is a thread that could look at it
    start(&w);
    int fd = dial(w.socket);
    static answer a;
    if (fd >= 0) {
        (void)send(fd, "GET /plugins HTTP/1.1\r\n\r\n", 25, MSG_NOSIGNAL); // it may be closed already
        CHECK_STR(hear(fd, &a, NULL), "");
        close(fd);
    }
    pk_manager_destroy(w.m);
    pk__sys_reset();
}

/* ---- events */

static bool has_event(const char *text, const char *name)
{
    char key[80];
    snprintf(key, sizeof(key), "\"event\":\"%s\"", name);
    return strstr(text, key) != NULL;
}

TEST(admin, events_are_remembered)
{
    world w;
    prepare_plugin(&w);
    start(&w);
    REQUIRE_OK(pk_plugin_start(w.m, pk_manager_find(w.m, "good"), NULL));
    const char *text = ask(&w, "GET /events");
    CHECK_CONTAINS(text, "Content-Type: application/x-ndjson\r\n");
    CHECK(has_event(text, "plugin.found") && has_event(text, "plugin.ready"));
    text = ask(&w, "GET /events?last=1");
    CHECK(!has_event(text, "plugin.found") && has_event(text, "plugin.ready"));
    CHECK_CONTAINS(text, "\"kind\":\"event\",\"event\":\"plugin.ready\",\"plugin\":\"good\",\"from\":\"starting\","
                         "\"to\":\"running\",\"pid\":");
    CHECK(!has_event(ask(&w, "GET /events?last=0"), "plugin.ready"));
    CHECK(has_event(ask(&w, "GET /events?last=1000000&follow=0"), "plugin.found"));
    pk_manager_destroy(w.m);
}

TEST(admin, who_follows_sees_what_happens_up_to_the_end_of_the_host)
{
    world w;
    static answer a, b;
    prepare_plugin(&w);
    start(&w);
    int fd = dial(w.socket), late = dial(w.socket);
    say(fd, "GET /events?follow=1", w.token);
    (void)hear(fd, &a, "plugin.stopped"); // it is known
    say(late, "GET /events?follow=1&last=0", w.token);
    (void)hear(late, &b, "\r\n\r\n");
    REQUIRE_OK(pk_plugin_start(w.m, pk_manager_find(w.m, "good"), NULL));
    (void)hear(fd, &a, "plugin.ready");
    CHECK_OK(pk_manager_stop(w.m, NULL));
    (void)hear(fd, &a, NULL);
    CHECK(has_event(a.text, "plugin.found") && has_event(a.text, "manager.stopped"));
    CHECK_CONTAINS(a.text, "\r\n0\r\n\r\n");
    (void)hear(late, &b, NULL);
    CHECK(!has_event(b.text, "plugin.found") && has_event(b.text, "plugin.ready"));
    CHECK_CONTAINS(b.text, "\r\n0\r\n\r\n");
    CHECK_INT(dial(w.socket), ==, -1);
    CHECK(access(w.socket, F_OK) != 0);
    close(fd);
    close(late);
    pk_manager_destroy(w.m);
}

TEST(admin, a_host_ends_under_a_reader_that_does_not_read)
{
    world w;
    static answer a;
    prepare(&w);
    start(&w);
    int fd = dial(w.socket), silent = dial(w.socket);
    say(fd, "GET /events?follow=1", w.token);
    (void)hear(fd, &a, "\r\n\r\n");
    pk_manager_destroy(w.m);
    CHECK(has_event(hear(fd, &a, NULL), "manager.stopped"));
    close(fd);
    close(silent);
}

/* Many events, told on the loop's thread, which is this one. */
static void flood(world *w, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char name[32];
        pk_event event = {.id = name, .from = "", .to = "", .name = "plugin.flood"};
        snprintf(name, sizeof(name), "n%u", i);
        pk__admin_on_event(w->m->admin, &event);
    }
}

typedef struct tally {
    unsigned events, dropped, next, holes;
} tally;

/* What has come by now, line by line; chunk sizes between them are no JSON and so nothing. */
static void count_lines(answer *a, tally *t)
{
    char *line = a->text, *end;
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        const char *id = strstr(line, "\"plugin\":\"n"), *count = strstr(line, "\"dropped\",\"count\":");
        if (id) {
            unsigned number = (unsigned)strtoul(id + 11, NULL, 10);
            CHECK_UINT(number, ==, t->next);
            t->next = number + 1;
            t->events++;
        } else if (count) {
            unsigned number = (unsigned)strtoul(count + 18, NULL, 10);
            t->dropped += number;
            t->next += number;
            t->holes++;
        }
    }
    a->len = strlen(line);
    memmove(a->text, line, a->len + 1);
}

/* Lines are split by chunks here and there, so the chunked form is undone on the way. */
static void drain(world *w, int fd, answer *a, tally *t)
{
    static char raw[1 << 16];
    static pk__http_chunk chunk;
    static bool begun;
    for (int quiet = 0; quiet < 5;) {
        ssize_t n = recv(fd, raw, sizeof(raw), MSG_DONTWAIT);
        quiet = n > 0 ? 0 : quiet + 1;
        pk_str in = {raw, n > 0 ? (size_t)n : 0}, data;
        if (!begun && in.len > 0) {
            const char *body = strstr(raw, "\r\n\r\n");
            REQUIRE(body != NULL);
            in.len -= (size_t)(body + 4 - raw);
            in.ptr = body + 4;
            pk__http_chunk_init(&chunk);
            begun = true;
        }
        while (in.len > 0 && pk__http_chunk_next(&chunk, &in, &data) == PK__CHUNK_DATA) {
            memcpy(a->text + a->len, data.ptr, data.len);
            a->len += data.len;
            a->text[a->len] = '\0';
            count_lines(a, t);
        }
        (void)pk_loop_step(w->desc.loop, 0, NULL);
    }
}

TEST(admin, a_reader_that_does_not_read_costs_its_queue_and_is_told_what_it_missed)
{
    enum { MANY = 20000 };
    world w;
    static answer a;
    tally t = {0};
    prepare(&w);
    REQUIRE_OK(pk_loop_create(&w.desc.loop, test_alloc(), NULL));
    start(&w);
    int fd = dial(w.socket);
    char text[300];
    int len = snprintf(text, sizeof(text),
                       "GET /events?follow=1&last=0 HTTP/1.1\r\nHost: x\r\nPlugKit-Token: %s\r\n\r\n", w.token);
    REQUIRE(send(fd, text, (size_t)len, 0) == len);
    for (int i = 0; i < 10; i++) {
        (void)pk_loop_step(w.desc.loop, 0, NULL);
    }
    flood(&w, 0, MANY);
    const pk__admin_reader *r = PK__OF(w.m->admin->readers.next, pk__admin_reader, node);
    REQUIRE(!pk__list_is_empty(&w.m->admin->readers));
    CHECK_UINT(r->lines.len, <=, PK__ADMIN_QUEUE);
    CHECK_UINT(r->dropped, >, 0);
    CHECK_UINT(w.m->admin->past.len, <=, PK__ADMIN_PAST);
    drain(&w, fd, &a, &t);
    CHECK_UINT(t.events + t.dropped, ==, MANY);
    CHECK_UINT(t.holes, ==, 1);
    flood(&w, MANY, MANY + 10); // and from here on all is well again
    drain(&w, fd, &a, &t);
    CHECK_UINT(t.next, ==, MANY + 10);
    CHECK_UINT(t.holes, ==, 1);
    close(fd);
    pk_manager_destroy(w.m);
    pk_loop_destroy(w.desc.loop);
}

TEST(admin, readers_come_and_go_while_things_happen)
{
    world w;
    int fds[20];
    prepare(&w);
    REQUIRE_OK(pk_loop_create(&w.desc.loop, test_alloc(), NULL));
    start(&w);
    for (unsigned i = 0; i < PK__COUNT(fds); i++) {
        fds[i] = dial(w.socket);
        say(fds[i], "GET /events?follow=1", w.token);
        (void)pk_loop_step(w.desc.loop, 0, NULL);
        if (i >= 5) {
            close(fds[i - 5]);
        }
        flood(&w, i * 50, i * 50 + 50);
    }
    for (unsigned i = PK__COUNT(fds) - 5; i < PK__COUNT(fds); i++) {
        close(fds[i]);
    }
    for (int i = 0; i < 100 && !pk__list_is_empty(&w.m->admin->readers); i++) {
        (void)pk_loop_step(w.desc.loop, 10, NULL);
    }
    CHECK(pk__list_is_empty(&w.m->admin->readers));
    pk_manager_destroy(w.m);
    pk_loop_destroy(w.desc.loop);
}

/* ---- its life */

TEST(admin, the_host_can_be_stopped_through_it)
{
    world w;
    prepare_plugin(&w);
    start(&w);
    REQUIRE_OK(pk_plugin_start(w.m, pk_manager_find(w.m, "good"), NULL));
    CHECK_CONTAINS(ask(&w, "POST /stop"), "HTTP/1.1 202 Accepted");
    while (!pk_manager_is_stopped(w.m)) {
        pk__thread_nap(PK__MS);
    }
    CHECK_ERR(pk_manager_serve(w.m, NULL), PK_ERR_MISUSE);
    pk_manager_destroy(w.m);
}

TEST(admin, it_is_opened_once_and_not_behind_the_end)
{
    world w;
    pk_error err = {0};
    prepare(&w);
    start(&w);
    CHECK_ERR(pk_manager_serve(w.m, &err), PK_ERR_MISUSE);
    CHECK_CONTAINS(err.msg, "it is open already");
    pk_manager_destroy(w.m);

    REQUIRE_OK(pk_manager_create(&w.m, &w.desc, NULL));
    CHECK_OK(pk_manager_stop(w.m, NULL));
    CHECK_ERR(pk_manager_serve(w.m, &err), PK_ERR_STOPPED);
    pk_manager_destroy(w.m);
    CHECK_ERR(pk_manager_serve(NULL, &err), PK_ERR_MISUSE);
}

TEST(admin, a_place_that_is_too_deep_for_a_socket_is_refused_with_the_reason)
{
    world w;
    pk_error err = {0};
    char deep[120] = "";
    prepare(&w);
    memset(deep, 'd', 100);
    REQUIRE(mkdir(deep, 0700) == 0);
    w.desc.runtime_dir = deep;
    REQUIRE_OK(pk_manager_create(&w.m, &w.desc, NULL));
    CHECK_ERR(pk_manager_serve(w.m, &err), PK_ERR_BAD_ENDPOINT);
    CHECK_CONTAINS(err.msg, "cannot open the control socket: ");
    pk_manager_destroy(w.m);
}

TEST(admin, a_forked_child_leaves_the_door_alone)
{
    world w;
    prepare(&w);
    start(&w);
    pid_t child = fork();
    if (child == 0) {
        bool refused = pk_manager_serve(w.m, NULL) == PK_ERR_MISUSE;
        pk_manager_destroy(w.m);
        _exit(refused ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_INT(status, ==, 0);
    CHECK_CONTAINS(ask(&w, "GET /plugins"), OK_200);
    pk_manager_destroy(w.m);
}

/* A plugin that will not end is stopped from outside while the host goes. */
TEST(admin, a_host_ends_while_somebody_waits_for_an_answer)
{
    world w;
    static answer a;
    prepare_plugin(&w);
    w.desc.deadline.stop_ms = 200;
    FILE *f = fopen("plugins/good", "w");
    REQUIRE(f != NULL);
    fputs("#!/bin/sh\ntrap '' TERM\nif [ \"$1\" = capabilities ]; then\n"
          "echo '{\"types\":{\"c\":[{\"type\":\"t\"}]},\"protocols\":[\"plugkit/1\"]}'; exit; fi\n"
          "printf '{\"listening\":\"lines:\"}\\n{\"ready\":true}\\n' >&3\nwhile :; do sleep 1; done\n",
          f);
    fclose(f);
    start(&w);
    REQUIRE_OK(pk_plugin_start(w.m, pk_manager_find(w.m, "good"), NULL));
    int one = dial(w.socket), two = dial(w.socket), three = dial(w.socket);
    say(one, "POST /plugins/good/stop", w.token);
    say(two, "POST /plugins/good/restart", w.token);
    say(three, "POST /plugins/good/stop", w.token);
    CHECK_CONTAINS(ask(&w, "GET /healthz"), OK_200); // nobody waits for them
    pk_manager_destroy(w.m);
    (void)hear(one, &a, NULL);
    close(one);
    close(two);
    close(three);
}

TEST_TORTURE(admin, opens_answers_and_closes)
{
    world w;
    pk_error err = {0};
    prepare(&w);
    if (!TRY_OK(pk_loop_create(&w.desc.loop, test_alloc(), &err))) {
        return;
    }
    if (TRY_OK(pk_manager_create(&w.m, &w.desc, &err)) && TRY_OK(pk_manager_serve(w.m, &err))) {
        snprintf(w.socket, sizeof(w.socket), "%s/control.sock", pk_manager_runtime_dir(w.m));
        int fd = dial(w.socket), follower = dial(w.socket);
        if (fd >= 0 && follower >= 0) {
            char token[PK__TOKEN_LEN + 1];
            snprintf(token, sizeof(token), "%" PK_FMT, PK_ARG(w.m->admin->server->token));
            say(follower, "GET /events?follow=1", token);
            say(fd, "GET /plugins", token);
            flood(&w, 0, 3);
            for (int i = 0; i < 6; i++) {
                (void)pk_loop_step(w.desc.loop, 0, NULL);
            }
        }
        close(fd);
        close(follower);
    }
    pk_manager_destroy(w.m);
    pk_loop_destroy(w.desc.loop);
}
