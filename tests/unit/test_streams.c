/* test_streams.c - bodies that handlers take piece by piece, and streams of events, over real sockets: one thread plays
 * the clients and steps the loop. */
#include "unit.h"

#include <limits.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#define H " HTTP/1.1\r\nHost: unix\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define OK_TEXT "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

static struct {
    pk_loop *loop;
    pk_server *server;
    /* Uploads. */
    pk_ctx *ctx; // of the one that is under way
    uint64_t bytes;
    int pieces, ends, dones, afters;
    int busy;         // so many times
    const char *fail; // the word in a piece that is refused
    bool twice, fail_in_handler;
    void *held; // an exchange
    /* Events. */
    pk_sse *stream;
    pk_sse_desc events;
    int gone;
    bool close_when_gone;
} site;

/* ---- the site */

static pk_err take(void *user, pk_str piece, pk_response *a, pk_error *err)
{
    CHECK(user == &site);
    if (site.busy > 0) {
        site.busy--;
        return PK_ERR_BUSY;
    }
    if (site.fail && piece.len > 0 && memmem(piece.ptr, piece.len, site.fail, strlen(site.fail))) {
        return pk_error_set(err, PK_ERR_DENIED, "this is not wanted");
    }
    if (piece.len > 0) {
        site.pieces++;
        site.bytes += piece.len;
        return PK_OK;
    }
    site.ends++;
    a->body.bytes = pk_mem_printf(site.ctx->mem, "%llu", (unsigned long long)site.bytes);
    a->body.content_type = PK_STR("text/plain");
    return PK_OK;
}

static void on_done(void *user)
{
    (void)user;
    site.dones++;
    site.ctx = NULL;
}

static pk_err run_put(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user;
    site.ctx = q->ctx;
    a->done = on_done;
    pk_err rc = pk_request_take(q, take, &site, err);
    if (site.twice) {
        rc = pk_request_take(q, take, &site, err);
    }
    return site.fail_in_handler ? pk_error_set(err, PK_ERR_DENIED, "not even begun") : rc;
}

static pk_err run_empty(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)q, (void)a, (void)err;
    return PK_OK;
}

static void on_gone(void *user)
{
    CHECK(user == &site);
    site.gone++;
    if (site.close_when_gone) {
        pk_sse_close(site.stream);
        site.stream = NULL;
    }
}

static pk_err run_events(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user;
    site.events.on_gone = on_gone;
    site.events.user = &site;
    return pk_sse_open(&site.stream, q, a, &site.events, err);
}

static pk_err try_site(pk_server_desc *desc)
{
    static const pk_route routes[] = {{"PUT /up", PK_UPLOAD, run_put, NULL},
                                      {"PUT /whole", 0, run_put, NULL},
                                      {"GET /empty", 0, run_empty, NULL},
                                      {"GET /events", 0, run_events, NULL}};
    pk_server_desc none;
    memset(&none, 0, sizeof(none));
    memset(&site, 0, sizeof(site));
    desc = desc ? desc : &none;
    pk_err rc = pk_loop_create(&site.loop, test_alloc(), NULL);
    if (rc) {
        return rc;
    }
    desc->alloc = test_alloc();
    desc->loop = site.loop;
    desc->listen = "unix:x.sock";
    rc = pk_server_create(&site.server, desc, NULL);
    for (size_t i = 0; i < PK__COUNT(routes) && rc == PK_OK; i++) {
        rc = pk_server_add(site.server, &routes[i], NULL);
    }
    return rc;
}

static void open_site(pk_server_desc *desc)
{
    REQUIRE_OK(try_site(desc));
}

static void close_site(void)
{
    pk_server_destroy(site.server);
    pk_loop_destroy(site.loop);
    (void)unlink("x.sock");
}

static void step(int times)
{
    for (int i = 0; i < times; i++) {
        (void)pk_loop_step(site.loop, 0, NULL);
    }
}

static int dial(void)
{
    struct sockaddr_un name;
    memset(&name, 0, sizeof(name));
    name.sun_family = AF_UNIX;
    snprintf(name.sun_path, sizeof(name.sun_path), "x.sock");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    return fd;
}

static void say(int fd, const char *text)
{
    REQUIRE(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
    step(3);
}

/* What has come; "<end>" behind it if the connection was closed. */
static const char *heard(int fd)
{
    static char text[1 << 16];
    size_t len = 0;
    ssize_t n;
    while (len < sizeof(text) - 8 && (n = recv(fd, text + len, sizeof(text) - 8 - len, MSG_DONTWAIT)) > 0) {
        len += (size_t)n;
    }
    snprintf(text + len, 8, "%s", len < sizeof(text) - 8 && n == 0 ? "<end>" : "");
    return text;
}

/* ---- bodies that are taken */

TEST(streams, a_body_is_taken_as_it_comes)
{
    open_site(NULL);
    int fd = dial();
    say(fd, "PUT /up" H "Content-Length: 10\r\n\r\n");
    CHECK(site.ctx != NULL);
    CHECK_INT(site.pieces, ==, 0);
    say(fd, "0123");
    CHECK_INT(site.pieces, ==, 1);
    say(fd, "456");
    CHECK_INT(site.pieces, ==, 2);
    CHECK_STR(heard(fd), "");
    say(fd, "789GET /empty" H "\r\n"); // and the next request behind it
    CHECK_INT(site.pieces, ==, 3);
    CHECK_UINT(site.bytes, ==, 10);
    CHECK_INT(site.ends, ==, 1);
    CHECK_INT(site.dones, ==, 1);
    CHECK_STR(heard(fd), OK_TEXT "Content-Length: 2\r\n\r\n10" OK_EMPTY);
    close(fd);
    close_site();
}

TEST(streams, bodies_of_every_form_in_any_two_pieces)
{
    static const struct {
        const char *text;
        int bytes;
    } rows[] = {
        {"PUT /up" H "Content-Length: 5\r\n\r\nhello", 5},
        {"PUT /up" H "Content-Length: 0\r\n\r\n", 0},
        {"PUT /up" H "\r\n", 0},
        {"PUT /up" H "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: x\r\n\r\n", 5},
        {"PUT /up" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
    };
    char expected[256];
    for (size_t i = 0; i < PK__COUNT(rows); i++) CASE("row %zu", i) {
        size_t len = strlen(rows[i].text);
        snprintf(expected, sizeof(expected), OK_TEXT "Content-Length: 1\r\n\r\n%d" OK_EMPTY, rows[i].bytes);
        for (size_t at = 0; at < len; at += 3) {
            char first[256];
            open_site(NULL);
            int fd = dial();
            snprintf(first, sizeof(first), "%.*s", (int)at, rows[i].text);
            say(fd, first);
            say(fd, rows[i].text + at);
            say(fd, "GET /empty" H "\r\n");
            CHECK_STR(heard(fd), expected);
            CHECK_INT(site.ends, ==, 1);
            CHECK_INT(site.dones, ==, 1);
            close(fd);
            close_site();
        }
    }
}

TEST(streams, a_slow_body_does_not_hold_up_others)
{
    open_site(NULL);
    int slow = dial(), other = dial();
    say(slow, "PUT /up" H "Content-Length: 10\r\n\r\n0");
    say(other, "GET /empty" H "\r\n");
    CHECK_STR(heard(other), OK_EMPTY);
    say(slow, "123456789");
    CHECK_STR(heard(slow), OK_TEXT "Content-Length: 2\r\n\r\n10");
    close(slow), close(other);
    close_site();
}

TEST(streams, who_waits_for_100_gets_it_when_the_body_is_wanted)
{
    open_site(NULL);
    int fd = dial();
    say(fd, "PUT /up" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    CHECK_STR(heard(fd), "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "hi");
    CHECK_STR(heard(fd), OK_TEXT "Content-Length: 1\r\n\r\n2");
    close(fd);
    close_site();
}

/* Sends as much as fits. */
static size_t stuff(int fd, size_t most)
{
    static char bytes[4096];
    size_t sum = 0;
    for (int quiet = 0; quiet < 50 && sum < most;) {
        ssize_t n = send(fd, bytes, PK__MIN(sizeof(bytes), most - sum), MSG_DONTWAIT | MSG_NOSIGNAL);
        sum += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        step(1);
    }
    return sum;
}

TEST(streams, who_is_busy_is_not_sent_more_and_gets_the_same_piece_again)
{
    open_site(NULL);
    int fd = dial();
    site.busy = INT_MAX;
    say(fd, "PUT /up" H "Content-Length: 3000000\r\n\r\n");
    size_t sent = stuff(fd, 3000000);
    CHECK_UINT(sent, <, 1000000); // what the system and one buffer hold
    CHECK_INT(INT_MAX - site.busy, <=, 2);
    CHECK_INT(site.pieces, ==, 0);
    site.busy = 3;
    for (int i = 0; i < 4; i++) {
        pk_server_more(site.ctx);
    }
    while (sent < 3000000) {
        sent += stuff(fd, 3000000 - sent);
    }
    step(10);
    CHECK_UINT(site.bytes, ==, 3000000);
    CHECK_STR(heard(fd), OK_TEXT "Content-Length: 7\r\n\r\n3000000");
    close(fd);
    close_site();
}

TEST(streams, the_end_can_wait_too)
{
    open_site(NULL);
    int fd = dial();
    say(fd, "PUT /up" H "Content-Length: 2\r\n\r\n");
    say(fd, "h");
    CHECK_INT(site.pieces, ==, 1);
    site.busy = 1;
    say(fd, "i");
    site.busy = 1; // and for the piece of length 0
    pk_server_more(site.ctx);
    CHECK_INT(site.pieces, ==, 1);
    pk_server_more(site.ctx);
    CHECK_INT(site.pieces, ==, 2);
    CHECK_INT(site.ends, ==, 1);
    step(3);
    CHECK_STR(heard(fd), OK_TEXT "Content-Length: 1\r\n\r\n2");
    close(fd);
    close_site();
}

TEST(streams, an_error_of_the_taker_is_the_answer)
{
    open_site(NULL);
    int fd = dial();
    site.fail = "bad";
    say(fd, "PUT /up" H "Content-Length: 12\r\n\r\ngood");
    say(fd, "bad!");
    CHECK_CONTAINS(heard(fd), "HTTP/1.1 401 ");
    say(fd, "rest"); // read away, and on with the next
    say(fd, "GET /empty" H "\r\n");
    CHECK_STR(heard(fd), OK_EMPTY);
    CHECK_INT(site.ends, ==, 0);
    CHECK_INT(site.dones, ==, 1);
    site.fail_in_handler = true;
    say(fd, "PUT /up" H "Content-Length: 2\r\n\r\nhi");
    CHECK_CONTAINS(heard(fd), "not even begun");
    CHECK_INT(site.dones, ==, 2);
    CHECK_INT(site.pieces, ==, 1);
    close(fd);
    close_site();
}

TEST(streams, a_body_that_breaks_off_ends_with_done)
{
    pk__clock_fake(1000 * PK__SECOND);
    open_site(NULL);
    int fd = dial();
    say(fd, "PUT /up" H "Content-Length: 10\r\n\r\n0123");
    close(fd);
    step(3);
    CHECK_INT(site.dones, ==, 1);

    fd = dial(); // also while it is busy
    site.busy = 1;
    say(fd, "PUT /up" H "Content-Length: 10\r\n\r\n0123");
    CHECK_INT(site.busy, ==, 0);
    close(fd);
    step(3);
    CHECK_INT(site.dones, ==, 2);

    fd = dial();
    say(fd, "PUT /up" H "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx\r\n");
    CHECK_CONTAINS(heard(fd), "HTTP/1.1 400 ");
    CHECK_INT(site.dones, ==, 3);
    close(fd);

    fd = dial();
    say(fd, "PUT /up" H "Content-Length: 10\r\n\r\n0123");
    pk__clock_advance(59 * PK__SECOND);
    step(3);
    say(fd, "4");
    pk__clock_advance(59 * PK__SECOND);
    step(3);
    CHECK_STR(heard(fd), "");
    pk__clock_advance(2 * PK__SECOND);
    step(3);
    CHECK_CONTAINS(heard(fd), "HTTP/1.1 408 ");
    CHECK_INT(site.dones, ==, 4);
    close(fd);

    fd = dial(); // who is busy himself has time
    site.busy = 1;
    say(fd, "PUT /up" H "Content-Length: 4\r\n\r\n0123");
    pk__clock_advance(1000 * PK__SECOND);
    step(3);
    pk_server_more(site.ctx);
    step(3);
    CHECK_CONTAINS(heard(fd), "HTTP/1.1 200 ");
    CHECK_INT(site.ends, ==, 1);
    close(fd);
    close_site();
}

TEST(streams, taking_needs_an_upload_on_the_loop_s_thread)
{
    open_site(NULL);
    int fd = dial();
    say(fd, "PUT /whole" H "Content-Length: 2\r\n\r\nhi");
    CHECK_CONTAINS(heard(fd), "cannot take the body: the route has no PK_UPLOAD");
    site.twice = true;
    say(fd, "PUT /up" H "Content-Length: 2\r\n\r\nhi");
    CHECK_CONTAINS(heard(fd), "cannot take the body: it is taken already");
    close(fd);
    close_site();

    pk_server_desc desc = {0};
    desc.workers = 1;
    open_site(&desc);
    fd = dial();
    say(fd, "PUT /up" H "Content-Length: 2\r\n\r\nhi");
    const char *answer = "";
    WAIT_UNTIL((step(1), (answer = heard(fd))[0]));
    CHECK_CONTAINS(answer, "cannot take the body: this handler runs on a worker");
    close(fd);
    close_site();
}

static pk_verdict before_hold(void *user, pk_exchange *x)
{
    (void)user;
    site.held = x;
    return PK_WAIT;
}

static pk_verdict after_count(void *user, pk_exchange *x, uint32_t *delay_ms)
{
    (void)user, (void)delay_ms;
    CHECK_INT(site.ends, ==, 1);
    CHECK_INT(x->reply->status, ==, 200);
    site.afters++;
    return PK_GO;
}

TEST(streams, interceptors_stand_around_the_whole_of_it)
{
    static const pk_interceptor hold = {.name = "hold", .scope = PK_SCOPE_SERVE, .before = before_hold,
                                        .after = after_count};
    static const pk_interceptor *const all[] = {&hold};
    pk_server_desc desc = {0};
    desc.interceptors = all;
    desc.interceptor_count = 1;
    open_site(&desc);
    int fd = dial();
    say(fd, "PUT /up" H "Content-Length: 4\r\n\r\nhi");
    CHECK_INT(site.pieces, ==, 0);
    pk_exchange_resume((pk_exchange *)site.held, PK_GO);
    step(3);
    CHECK_INT(site.pieces, ==, 1);
    CHECK_INT(site.afters, ==, 0);
    say(fd, "ho");
    CHECK_INT(site.afters, ==, 1);
    CHECK_STR(heard(fd), OK_TEXT "Content-Length: 1\r\n\r\n4");
    close(fd);
    close_site();
}

/* ---- events */

#define EVENTS                                                                                              \
    "HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nContent-Type: text/event-stream\r\n"                      \
    "Transfer-Encoding: chunked\r\n\r\n"

static const pk_sse_event hello = {.event = PK_STR_INIT("greet"), .data = PK_STR_INIT("hello\nyou")};
enum { HELLO = 36 }; // bytes of its text

TEST(streams, events_go_out_as_they_are_sent)
{
    pk__clock_fake(1000 * PK__SECOND);
    open_site(NULL);
    int fd = dial();
    say(fd, "GET /events" H "\r\n");
    CHECK_STR(heard(fd), EVENTS);
    CHECK_OK(pk_sse_send(site.stream, &hello, NULL));
    step(2);
    CHECK_CONTAINS(heard(fd), "event: greet\ndata: hello\ndata: you\n\n");
    CHECK_OK(pk_sse_send(site.stream, &hello, NULL));
    CHECK_OK(pk_sse_send(site.stream, &hello, NULL));
    pk_sse_close(site.stream); // what was sent goes out
    step(2);
    CHECK_CONTAINS(heard(fd), "you\n\nevent: greet\ndata: hello\ndata: you\n\n\r\n0\r\n\r\n");
    CHECK_INT(site.gone, ==, 0);
    say(fd, "GET /empty" H "\r\n"); // the connection goes on
    CHECK_STR(heard(fd), OK_EMPTY);
    close(fd);
    close_site();
}

TEST(streams, silence_is_broken_by_comments)
{
    pk__clock_fake(1000 * PK__SECOND);
    open_site(NULL);
    int fd = dial();
    say(fd, "GET /events" H "\r\n");
    CHECK_STR(heard(fd), EVENTS);
    for (int i = 0; i < 3; i++) {
        pk__clock_advance(14 * PK__SECOND);
        step(2);
        CHECK_STR(heard(fd), "");
        pk__clock_advance(2 * PK__SECOND);
        step(2);
        CHECK_STR(heard(fd), i == 0 ? "2\r\n:\n" : "\r\n2\r\n:\n");
    }
    CHECK_OK(pk_sse_send(site.stream, &hello, NULL)); // no silence
    step(2);
    (void)heard(fd);
    pk__clock_advance(16 * PK__SECOND);
    step(2);
    CHECK_STR(heard(fd), "");
    pk__clock_advance(16 * PK__SECOND);
    step(2);
    CHECK_CONTAINS(heard(fd), ":\n");
    pk_sse_close(site.stream);
    close(fd);
    close_site();
}

TEST(streams, who_hangs_up_is_told)
{
    for (int closes = 0; closes < 2; closes++) CASE("closes %d", closes) {
        open_site(NULL);
        site.close_when_gone = closes;
        int fd = dial();
        say(fd, "GET /events" H "\r\n");
        close(fd);
        step(3);
        CHECK_INT(site.gone, ==, 1);
        if (!closes) {
            pk_error err = {0};
            CHECK_ERR(pk_sse_send(site.stream, &hello, &err), PK_ERR_PLUGIN_CONNECTION);
            CHECK_STR(err.msg, "cannot send an event: the client has gone");
            pk_sse_close(site.stream);
        }
        close_site();
    }
}

TEST(streams, the_end_of_the_server_is_told_and_closing_later_is_fine)
{
    open_site(NULL);
    int fd = dial();
    say(fd, "GET /events" H "\r\n");
    pk_server_destroy(site.server);
    site.server = NULL;
    CHECK_INT(site.gone, ==, 1);
    CHECK_ERR(pk_sse_send(site.stream, &hello, NULL), PK_ERR_PLUGIN_CONNECTION);
    close_site();
    pk_sse_close(site.stream);
    pk_sse_close(NULL);
    close(fd);
}

TEST(streams, who_does_not_keep_up_is_told_and_given_up)
{
    char text[1000];
    pk_sse_event event = {.data = {text, sizeof(text)}};
    pk_error err = {0};
    size_t sent = 0;
    memset(text, 'x', sizeof(text));
    pk__clock_fake(1000 * PK__SECOND);
    open_site(NULL);
    site.events.max_bytes = 10000;
    int fd = dial();
    say(fd, "GET /events" H "\r\n");
    while (pk_sse_send(site.stream, &event, &err) == PK_OK && sent < 10000) {
        sent++;
        step(1);
    }
    CHECK_INT(err.code, ==, PK_ERR_BUSY);
    CHECK_UINT(sent, >, 10);
    CHECK_UINT(sent, <, 10000);
    event.data.len = 0;
    (void)heard(fd);
    step(3); // there is room again
    CHECK_OK(pk_sse_send(site.stream, &hello, &err));
    while (pk_sse_send(site.stream, &hello, &err) == PK_OK) {
        step(1);
    }
    pk__clock_advance(61 * PK__SECOND);
    step(3);
    CHECK_INT(site.gone, ==, 1);
    pk_sse_close(site.stream);
    close(fd);

    char large[20000];
    memset(large, 'x', sizeof(large));
    event.data.ptr = large;
    event.data.len = sizeof(large);
    fd = dial();
    say(fd, "GET /events" H "\r\n");
    CHECK_ERR(pk_sse_send(site.stream, &event, &err), PK_ERR_LIMIT); // it will never fit
    CHECK_OK(pk_sse_send(site.stream, &hello, &err));
    pk_sse_close(site.stream);
    step(3);
    CHECK_CONTAINS(heard(fd), "event: greet\n");
    close(fd);
    close_site();
}

TEST(streams, who_asks_for_the_head_only_is_gone_at_once)
{
    open_site(NULL);
    site.close_when_gone = true;
    int fd = dial();
    say(fd, "HEAD /events" H "\r\n");
    CHECK_CONTAINS(heard(fd), "text/event-stream");
    CHECK_INT(site.gone, ==, 1);
    CHECK(!site.stream);
    close(fd);
    close_site();
}

enum { SENDERS = 4, SENDS = 500 };

static void *send_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < SENDS;) {
        pk_err rc = pk_sse_send(site.stream, &hello, NULL);
        i += rc == PK_OK;
        if (rc == PK_ERR_PLUGIN_CONNECTION) {
            break;
        }
    }
    return NULL;
}

/* Also with a worker, which has the first say. */
TEST(streams, any_thread_may_send_and_the_client_may_go_meanwhile)
{
    for (int workers = 0; workers < 2; workers++) {
        for (int leaves = 0; leaves < 2; leaves++) CASE("workers %d, leaves %d", workers, leaves) {
            pthread_t threads[SENDERS];
            size_t got = 0;
            pk_server_desc desc = {0};
            desc.workers = workers;
            open_site(&desc);
            int fd = dial();
            say(fd, "GET /events" H "\r\n");
            WAIT_UNTIL((step(1), strstr(heard(fd), "text/event-stream")));
            for (int i = 0; i < SENDERS; i++) {
                REQUIRE(pthread_create(&threads[i], NULL, send_many, NULL) == 0);
            }
            for (size_t want = leaves ? 1000 : (size_t)HELLO * SENDERS * SENDS; got < want;) {
                got += strlen(heard(fd));
                (void)pk_loop_step(site.loop, 1, NULL);
            }
            if (leaves) {
                close(fd);
                WAIT_UNTIL((step(1), site.gone == 1));
            }
            for (int i = 0; i < SENDERS; i++) {
                pthread_join(threads[i], NULL);
            }
            pk_sse_close(site.stream);
            step(3);
            if (!leaves) {
                close(fd);
            }
            CHECK_INT(site.gone, ==, leaves);
            close_site();
        }
    }
}

/* ---- all that can fail */

TEST_TORTURE(streams, survives_every_failure)
{
    unlink("x.sock");
    site.server = NULL;
    if (TRY_OK(try_site(NULL))) {
        int fd = dial();
        static const char bytes[] = "PUT /up" H "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\n"
                                    "GET /events" H "\r\n";
        site.busy = 1;
        site.close_when_gone = true;
        REQUIRE(send(fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(bytes) - 1);
        step(4);
        if (site.ctx) {
            pk_server_more(site.ctx);
        }
        step(4);
        for (int i = 0; i < 3 && site.stream; i++) {
            (void)TRY_OK(pk_sse_send(site.stream, &hello, NULL));
            step(2);
        }
        const char *answers = heard(fd);
        CHECK(!answers[0] || strncmp(answers, "HTTP/1.1 ", 9) == 0 || strcmp(answers, "<end>") == 0);
        if (!test_now.torture) {
            CHECK_CONTAINS(answers, "event: greet\n");
        }
        close(fd);
        step(3);
    }
    pk_server_destroy(site.server);
    pk_loop_destroy(site.loop);
    pk_sse_close(site.stream);
}
