/* test_http_client.c - exchanges of a client, waiting and driven by a loop, against scripted servers. */
#include "unit.h"
#include "peer.h"
#include "torture.h"

/* What came of an exchange. */
typedef struct outcome {
    pk__http_exchange x;
    int heads, status, ends;
    int64_t length;
    char type[64];
    pk_buf body;
    pk_error error; // of on_end
    pk__http_client *client;
    size_t pause_at; // pauses once so much has come
    pk_err refuse;   // on_chunk fails with it
    bool cancel;     // on_chunk cancels
} outcome;

static pk_err on_head(void *user, const pk__http_answer *answer, pk_error *err)
{
    outcome *o = (outcome *)user;
    pk_str type = pk__http_head_find(answer->fields, answer->field_count, PK_STR("Content-Type"));
    (void)err;
    o->heads++;
    o->status = answer->status;
    o->length = answer->length;
    snprintf(o->type, sizeof(o->type), "%" PK_FMT, PK_ARG(type));
    return PK_OK;
}

static pk_err on_chunk(void *user, pk_str bytes, pk_error *err)
{
    outcome *o = (outcome *)user;
    if (!pk_buf_add(&o->body, bytes)) {
        return pk_error_set(err, PK_ERR_NO_MEMORY, "no memory");
    }
    if (o->pause_at && o->body.len >= o->pause_at) {
        pk__http_client_pause(o->client, true);
    }
    if (o->cancel) {
        pk__http_client_cancel(o->client);
        return PK_OK;
    }
    return o->refuse ? pk_error_set(err, o->refuse, "refused") : PK_OK;
}

static void on_end(void *user, const pk_error *why)
{
    outcome *o = (outcome *)user;
    o->ends++;
    if (why) {
        o->error = *why;
    }
}

static void ask(outcome *o, const char *method, const char *target)
{
    memset(o, 0, sizeof(*o));
    o->x.method = pk_str_from(method);
    o->x.target = pk_str_from(target);
    o->x.deadline = pk__clock_after_ms(pk__clock_ns(), 15000);
    o->x.on_head = on_head;
    o->x.on_chunk = on_chunk;
    o->x.on_end = on_end;
    o->x.user = o;
    pk_buf_init(&o->body, test_alloc(), 64 << 20);
}

static pk__address address;

static pk__http_client *client(const char *path)
{
    pk__http_client_desc desc;
    pk__http_client *c = NULL;
    static char text[256];
    snprintf(text, sizeof(text), "unix:%s", path);
    REQUIRE_OK(pk__address_parse(&address, pk_str_from(text), NULL));
    memset(&desc, 0, sizeof(desc));
    desc.alloc = test_alloc();
    desc.address = &address;
    desc.transport = pk__transport_find(NULL, 0, &address);
    desc.text = pk_str_from(text);
    desc.lines = PK_STR("Host: unix\r\n");
    REQUIRE_OK(pk__http_client_create(&c, &desc, NULL));
    return c;
}

/* Both drivers, one after the other: `drive` 0 waits, 1 is stepped. */
static pk_err go(pk__http_client *c, outcome *o, int drive, pk_error *err)
{
    pk_loop *loop = NULL;
    o->client = c;
    if (drive == 0) {
        return pk__http_client_run(c, &o->x, err);
    }
    pk_err rc = pk_loop_create(&loop, test_alloc(), err);
    if (rc == PK_OK) {
        rc = pk__http_client_start(c, loop, &o->x, err);
    }
    if (rc == PK_OK) {
        while (o->ends == 0 && c->x) {
            (void)pk_loop_step(loop, 1000, NULL);
        }
        CHECK_INT(o->ends, <=, 1);
        rc = o->ends ? o->error.code : PK_ERR_CANCELED;
        if (err) {
            *err = o->error;
        }
    }
    pk__http_client_undrive(c);
    pk_loop_destroy(loop);
    return rc;
}

/* One exchange with a server that answers `answer`, in both ways. */
static void check_answer(const char *method, const char *answer, int status, const char *body, bool keep)
{
    for (int drive = 0; drive < 2; drive++) {
        for (int drip = 0; drip < 2; drip++) {
            CASE("%s %s, drive %d, drip %d", method, answer, drive, drip)
            {
                const peer_step script[] = {
                    ACCEPT, HEAD, {drip ? PEER_DRIP : PEER_SEND, answer, 0}, {keep ? PEER_EOF : PEER_CLOSE, NULL, 0},
                    END,
                };
                peer p;
                outcome o;
                peer_start(&p, "x.sock", script);
                pk__http_client *c = client("x.sock");
                ask(&o, method, "/x");
                CHECK_OK(go(c, &o, drive, NULL));
                CHECK_INT(o.heads, ==, 1);
                CHECK_INT(o.status, ==, status);
                CHECK_PK_STR(pk_buf_str(&o.body), body);
                CHECK_UINT(o.x.bytes_in, ==, strlen(body));
                CHECK_INT(o.x.sent, ==, PK_SENT_ANSWERED);
                CHECK_INT(pk__http_client_is_reusable(c), ==, keep);
                pk_buf_free(&o.body);
                pk__http_client_destroy(c);
                peer_join(&p);
                unlink("x.sock");
            }
        }
    }
}

TEST(http_client, reads_every_kind_of_answer)
{
    check_answer("GET", "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n", 200, "", true);
    check_answer("HEAD", "HTTP/1.1 200 OK\r\nDate: x\r\n\r\n", 200, "", true);
    check_answer("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "", true);
    check_answer("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true);
    check_answer("GET",
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5\r\nhello\r\n3;x\r\n yo\r\n0\r\nA: b\r\n\r\n",
                 200, "hello yo", true);
    check_answer("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true);
    check_answer("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n", 304, "", true);
    check_answer("GET", "HTTP/1.1 200 OK\r\n\r\nuntil close", 200, "until close", false);
    check_answer("GET", "HTTP/1.0 200 OK\r\n\r\nold", 200, "old", false);
    check_answer("GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold", 200, "old", true);
    check_answer("GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", 200, "x", false);
    check_answer("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 201 Created\r\n"
                        "Content-Length: 2\r\n\r\nok", 201, "ok", true);
    check_answer("GET", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno", 500, "no", true);
}

TEST(http_client, refuses_answers_that_are_no_proper_http)
{
    static const struct {
        pk_err code;
        const char *answer;
    } rows[] = {
        {PK_ERR_HTTP, "hello\r\n"},
        {PK_ERR_HTTP, "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
        {PK_ERR_HTTP, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"},
        {PK_ERR_HTTP, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {PK_ERR_HTTP, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
        {PK_ERR_HTTP, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"},
        {PK_ERR_HTTP, "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
        {PK_ERR_LIMIT, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello hello"},
        {PK_ERR_LIMIT, "HTTP/1.1 200 OK\r\n\r\nhello hello"},
        {PK_ERR_LIMIT, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello hello\r\n0\r\n\r\n"},
        {PK_ERR_PLUGIN_CONNECTION, ""},
        {PK_ERR_PLUGIN_CONNECTION, "HTTP/1.1 200"},
        {PK_ERR_PLUGIN_CONNECTION, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"},
        {PK_ERR_PLUGIN_CONNECTION, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"},
    };
    for (size_t i = 0; i < PK__COUNT(rows) * 2; i++) {
        CASE("%s, drive %zu", rows[i / 2].answer, i % 2)
        {
            const peer_step script[] = {ACCEPT, HEAD, SEND(rows[i / 2].answer), CLOSE, END};
            peer p;
            outcome o;
            pk_error err = {0};
            peer_start(&p, "x.sock", script);
            pk__http_client *c = client("x.sock");
            ask(&o, "GET", "/x");
            o.x.max_body = 10;
            CHECK_ERR(go(c, &o, (int)(i % 2), &err), rows[i / 2].code);
            CHECK(err.msg[0] != '\0' && err.where != NULL);
            CHECK_INT(err.sent, ==, o.x.sent);
            CHECK_INT(o.x.sent, >=, PK_SENT_MAYBE);
            CHECK(!o.x.is_stale); // it is no kept connection
            CHECK(!pk__http_client_is_reusable(c));
            pk_buf_free(&o.body);
            pk__http_client_destroy(c);
            peer_join(&p);
            unlink("x.sock");
        }
    }
}

TEST(http_client, does_not_reuse_a_connection_with_bytes_behind_the_answer)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n";
    static const peer_step script[] = {ACCEPT, HEAD, SEND(answer), UNTIL_EOF, END};
    peer p;
    outcome o;
    peer_start(&p, "x.sock", script);
    pk__http_client *c = client("x.sock");
    ask(&o, "GET", "/");
    CHECK_OK(pk__http_client_run(c, &o.x, NULL));
    CHECK(!pk__http_client_is_reusable(c));
    pk_buf_free(&o.body);
    pk__http_client_destroy(c);
    peer_join(&p);
}

/* ---- requests */

typedef struct source {
    const char *text;
    size_t at, piece, len; // len 0 = of the text
    int busy; // says so, so many times
    pk_err fail;
} source;

static pk_err read_source(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    source *s = (source *)user;
    size_t left = (s->len ? s->len : strlen(s->text)) - s->at;
    if (s->busy > 0) {
        s->busy--;
        return PK_ERR_BUSY;
    }
    if (s->fail && left == 0) {
        return pk_error_set(err, s->fail, "the source failed");
    }
    *got = PK__MIN(PK__MIN(left, cap), s->piece);
    memcpy(buf, s->text + s->at, *got);
    s->at += *got;
    return PK_OK;
}

#define FIELD(name, value) {PK_STR_INIT(name), PK_STR_INIT(value)}
#define JSON "Content-Type: application/json\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static void check_request(const outcome *what, const char *bytes)
{
    for (int drive = 0; drive < 2; drive++) {
        CASE("%s, drive %d", bytes, drive)
        {
            const peer_step script[] = {ACCEPT, READ(strlen(bytes)), SEND(OK_EMPTY), UNTIL_EOF, END};
            peer p;
            outcome o = *what;
            pk_error err = {0};
            source again;
            pk_body body;
            if (o.x.body && o.x.body->read) {
                again = *(source *)o.x.body->user;
                body = *o.x.body;
                body.user = &again;
                o.x.body = &body;
            }
            o.x.user = &o;
            peer_start(&p, "x.sock", script);
            pk__http_client *c = client("x.sock");
            CHECK_OK(go(c, &o, drive, &err));
            CHECK_INT(o.status, ==, 200);
            CHECK(pk__http_client_is_reusable(c));
            pk__http_client_destroy(c);
            peer_join(&p);
            CHECK_STR(p.got, bytes);
            unlink("x.sock");
        }
    }
}

TEST(http_client, sends_requests_of_every_kind)
{
    outcome o;
    ask(&o, "GET", "/healthz");
    check_request(&o, "GET /healthz HTTP/1.1\r\nHost: unix\r\n\r\n");

    static const pk_meta own[] = {FIELD("PlugKit-Token", "t"), FIELD("Accept", "*/*")};
    static const pk_meta users[] = {FIELD("Authorization", "{\"a\": 1}"), FIELD("X", "")};
    pk_body body = {0};
    body.bytes = PK_STR("{\"a\":1}");
    ask(&o, "POST", "/process?x=1");
    o.x.own = own;
    o.x.own_count = 2;
    o.x.fields = users;
    o.x.field_count = 2;
    o.x.body = &body;
    check_request(&o, "POST /process?x=1 HTTP/1.1\r\nHost: unix\r\nPlugKit-Token: t\r\nAccept: */*\r\n"
                      "Authorization: {\"a\": 1}\r\nX: \r\n" JSON "Content-Length: 7\r\n\r\n{\"a\":1}");

    ask(&o, "POST", "/");
    check_request(&o, "POST / HTTP/1.1\r\nHost: unix\r\nContent-Length: 0\r\n\r\n");

    static const pk_meta typed[] = {FIELD("content-type", "text/x")};
    body.content_type = PK_STR("text/plain");
    ask(&o, "PUT", "/");
    o.x.body = &body;
    check_request(&o, "PUT / HTTP/1.1\r\nHost: unix\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    o.x.fields = typed;
    o.x.field_count = 1;
    check_request(&o, "PUT / HTTP/1.1\r\nHost: unix\r\ncontent-type: text/x\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
}

TEST(http_client, sends_a_reader_as_chunks)
{
    source s = {"hello world", 0, 6, 0, 0, PK_OK};
    pk_body body = {0};
    outcome o;
    body.read = read_source;
    body.user = &s;
    ask(&o, "POST", "/");
    o.x.body = &body;
    check_request(&o, "POST / HTTP/1.1\r\nHost: unix\r\n" JSON "Transfer-Encoding: chunked\r\n\r\n"
                      "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n");
    s.text = "";
    check_request(&o, "POST / HTTP/1.1\r\nHost: unix\r\n" JSON "Transfer-Encoding: chunked\r\n\r\n"
                      "0\r\n\r\n");
}

static int make_file(const char *text)
{
    int fd = open("body", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

static ssize_t no_sendfile(int out, int in, off_t *at, size_t len)
{
    (void)out, (void)in, (void)at, (void)len;
    errno = ENOSYS;
    return -1;
}

TEST(http_client, sends_a_range_of_a_file)
{
    pk_body body = {0};
    outcome o;
    body.has_fd = true;
    body.fd = make_file("0123456789");
    body.offset = 2;
    body.size = 5;
    body.content_type = PK_STR("application/octet-stream");
    ask(&o, "POST", "/");
    o.x.body = &body;
    for (int copy = 0; copy < 2; copy++) {
        check_request(&o, "POST / HTTP/1.1\r\nHost: unix\r\nContent-Type: application/octet-stream\r\n"
                          "Content-Length: 5\r\n\r\n23456");
        pk__sys.sendfile = no_sendfile; // and once more where the system cannot
    }
    close(body.fd);
}

TEST(http_client, fails_when_the_body_does)
{
    static const peer_step script[] = {ACCEPT, UNTIL_EOF, END};
    for (int i = 0; i < 4; i++) {
        CASE("body %d, drive %d", i / 2, i % 2)
        {
            source s = {"hello", 0, 3, 0, 0, PK_ERR_DENIED};
            pk_body body = {0};
            pk_error err = {0};
            outcome o;
            peer p;
            peer_start(&p, "x.sock", script);
            pk__http_client *c = client("x.sock");
            ask(&o, "POST", "/");
            o.x.body = &body;
            if (i / 2 == 0) {
                body.read = read_source;
                body.user = &s;
            } else {
                body.has_fd = true;
                body.fd = make_file("short");
                body.size = 6;
            }
            CHECK_ERR(go(c, &o, i % 2, &err), i / 2 == 0 ? PK_ERR_DENIED : PK_ERR_OS);
            CHECK_INT(err.sent, ==, PK_SENT_MAYBE);
            CHECK(!pk__http_client_is_reusable(c));
            pk__http_client_destroy(c);
            peer_join(&p);
            unlink("x.sock");
            if (body.has_fd) {
                close(body.fd);
            }
        }
    }
}

TEST(http_client, refuses_to_send_what_would_be_two_requests)
{
    static const struct {
        const char *method, *target, *name, *value;
    } rows[] = {
        {"GET", "/a b", "X", "y"},
        {"GET", "/a\r\nX: y", "X", "y"},
        {"GET", "", "X", "y"},
        {"GE T", "/", "X", "y"},
        {"", "/", "X", "y"},
        {"GET", "/", "X", "y\r\nZ: z"},
        {"GET", "/", "X", "y\n"},
        {"GET", "/", "X\r\nY", "z"},
        {"GET", "/", "", "z"},
        {"GET", "/", "X:", "z"},
        {"GET", "/", "content-length", "5"},
        {"GET", "/", "Transfer-Encoding", "chunked"},
        {"GET", "/", "Connection", "close"},
        {"GET", "/", "host", "a"},
        {"GET", "/", "plugkit-token", "forged"},
        {"GET", "/", "Expect", "100-continue"},
    };
    pk__http_client *c = client("nobody.sock");
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s %s %s", rows[i].method, rows[i].target, rows[i].name)
        {
            pk_error err = {0};
            outcome o;
            pk_meta field = {pk_str_from(rows[i].name), pk_str_from(rows[i].value)};
            ask(&o, rows[i].method, rows[i].target);
            o.x.fields = &field;
            o.x.field_count = 1;
            CHECK_ERR(pk__http_client_run(c, &o.x, &err), PK_ERR_MISUSE);
            CHECK_INT(o.x.sent, ==, PK_SENT_NO);
            CHECK(err.msg[0] != '\0');
        }
    }
    /* The library's own values are looked at as well: some come from elsewhere. */
    outcome o;
    static const pk_meta own = FIELD("traceparent", "a\r\nb");
    ask(&o, "GET", "/");
    o.x.own = &own;
    o.x.own_count = 1;
    CHECK_ERR(pk__http_client_run(c, &o.x, NULL), PK_ERR_MISUSE);
    pk__http_client_destroy(c);
}

/* ---- the warm path */

TEST(http_client, makes_two_system_calls_for_a_warm_exchange)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    static const peer_step script[] = {
        ACCEPT, HEAD, SEND(answer), HEAD, SEND(answer), HEAD, SEND(answer), UNTIL_EOF, END,
    };
    peer p;
    outcome o;
    pk_body body = {0};
    peer_start(&p, "x.sock", script);
    pk__http_client *c = client("x.sock");
    body.bytes = PK_STR("[]");
    for (int i = 0; i < 3; i++) {
        ask(&o, "POST", "/");
        o.x.body = &body;
        o.x.deadline = pk__clock_after_ms(pk__clock_ns(), i == 2 ? 20000 : 30000);
        pk__sys_reset();
        CHECK_OK(pk__http_client_run(c, &o.x, NULL));
        if (i > 0) { // also with another deadline
            CHECK_UINT(pk__sys_count.send, ==, 1);
            CHECK_UINT(pk__sys_count.recv, ==, 1);
            CHECK_UINT(pk__sys_count.all, ==, 2);
        }
        pk_buf_free(&o.body);
    }
    pk__http_client_destroy(c);
    peer_join(&p);
}

/* ---- when things go wrong on the way */

TEST(http_client, keeps_deadlines_also_against_a_server_that_drips)
{
    static const peer_step silent[] = {ACCEPT, STAY, END};
    static const peer_step dripping[] = {
        ACCEPT, SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), FILL("1\r\nx\r\n", 1 << 20), END,
    };
    for (int i = 0; i < 4; i++) {
        CASE("server %d, drive %d", i / 2, i % 2)
        {
            peer p;
            outcome o;
            pk_error err = {0};
            peer_start(&p, "x.sock", i / 2 ? dripping : silent);
            pk__http_client *c = client("x.sock");
            ask(&o, "GET", "/");
            o.x.on_chunk = NULL;
            o.x.deadline = pk__clock_after_ms(pk__clock_ns(), 70);
            CHECK_ERR(go(c, &o, i % 2, &err), PK_ERR_PLUGIN_TIMEOUT);
            CHECK(pk__clock_ns() >= o.x.deadline);
            CHECK_INT(err.sent, ==, i / 2 ? PK_SENT_ANSWERED : PK_SENT_MAYBE);
            CHECK(!pk__http_client_is_reusable(c));
            pk__http_client_destroy(c);
            if (i / 2 == 0) {
                peer_release(&p);
            }
            peer_join(&p);
            unlink("x.sock");
        }
    }
}

static void *interrupt_later(void *arg);

/* Awake or not: answers come, deadlines hold, and an interrupt is heard. */
TEST(http_client, may_look_for_its_answer_before_it_sleeps)
{
    static const peer_step script[] = {ACCEPT, HEAD, SEND(OK_EMPTY), HEAD, SEND(OK_EMPTY), HEAD, STAY, END};
    peer p;
    outcome o;
    pk_error err = {0};
    pthread_t thread;
    peer_start(&p, "x.sock", script);
    pk__http_client *c = client("x.sock");
    c->spin.ns = PK__SECOND * 10;
    for (int i = 0; i < 2; i++) {
        ask(&o, "GET", "/");
        CHECK_OK(go(c, &o, 0, &err));
        CHECK_UINT(c->spin.last, ==, 0); // found
    }
    ask(&o, "GET", "/");
    o.x.deadline = pk__clock_after_ms(pk__clock_ns(), 30);
    CHECK_ERR(go(c, &o, 0, &err), PK_ERR_PLUGIN_TIMEOUT);
    CHECK(pk__clock_ns() >= o.x.deadline);
    CHECK_UINT(c->spin.last, ==, 1);
    pk__http_client_destroy(c);
    peer_release(&p);
    peer_join(&p);
    unlink("x.sock");

    static const peer_step silent[] = {ACCEPT, HEAD, STAY, END};
    peer_start(&p, "x.sock", silent);
    c = client("x.sock");
    c->spin.ns = PK__SECOND * 10;
    ask(&o, "GET", "/");
    REQUIRE(pthread_create(&thread, NULL, interrupt_later, c) == 0);
    CHECK_ERR(go(c, &o, 0, &err), PK_ERR_CANCELED);
    pthread_join(thread, NULL);
    pk__http_client_destroy(c);
    peer_release(&p);
    peer_join(&p);
}

TEST(http_client, sends_nothing_after_the_deadline)
{
    for (int drive = 0; drive < 2; drive++) {
        outcome o;
        pk_error err = {0};
        pk__http_client *c = client("nobody.sock");
        ask(&o, "GET", "/");
        o.x.deadline = pk__clock_ns();
        CHECK_ERR(go(c, &o, drive, &err), PK_ERR_PLUGIN_TIMEOUT);
        CHECK_INT(o.x.sent, ==, PK_SENT_NO);
        CHECK_INT(o.ends, ==, 0);
        pk__http_client_destroy(c);
    }
}

TEST(http_client, says_that_nothing_was_sent)
{
    for (int drive = 0; drive < 2; drive++) {
        outcome o;
        pk_error err = {0};
        pk__http_client *c = client("nobody.sock");
        ask(&o, "GET", "/");
        CHECK_ERR(go(c, &o, drive, &err), PK_ERR_PLUGIN_CONNECTION);
        CHECK_INT(err.sent, ==, PK_SENT_NO);
        CHECK_INT(err.sys_errno, ==, ENOENT);
        CHECK_CONTAINS(err.msg, "cannot connect to 'http+unix://nobody.sock'");
        pk__http_client_destroy(c);
    }
}

/* A server that closes a kept connection: before, or just as the next request comes. */
TEST(http_client, tells_of_a_kept_connection_that_has_died)
{
    static const peer_step early[] = {ACCEPT, HEAD, SEND(OK_EMPTY), CLOSE, END};
    static const peer_step late[] = {ACCEPT, HEAD, SEND(OK_EMPTY), HEAD, CLOSE, END};
    for (int i = 0; i < 4; i++) {
        CASE("%s, drive %d", i / 2 ? "late" : "early", i % 2)
        {
            peer p;
            outcome o;
            pk_error err = {0};
            peer_start(&p, "x.sock", i / 2 ? late : early);
            pk__http_client *c = client("x.sock");
            ask(&o, "GET", "/");
            CHECK_OK(go(c, &o, i % 2, NULL));
            CHECK(pk__http_client_is_reusable(c));
            if (i / 2 == 0) {
                WAIT_UNTIL(!pk__http_client_is_alive(c));
            }
            ask(&o, "GET", "/");
            CHECK_ERR(go(c, &o, i % 2, &err), PK_ERR_PLUGIN_CONNECTION);
            CHECK(o.x.is_stale);
            CHECK_INT(o.x.sent, ==, i / 2 ? PK_SENT_MAYBE : PK_SENT_NO);
            pk__http_client_destroy(c);
            peer_join(&p);
            unlink("x.sock");
        }
    }
}

#define BIG (4u << 20)

static char *big_text(void)
{
    static char *text;
    if (!text) {
        text = (char *)malloc(BIG + 1);
        REQUIRE(text != NULL);
        for (size_t i = 0; i < BIG; i++) {
            text[i] = (char)('a' + i % 23);
        }
        text[BIG] = '\0';
    }
    return text;
}

/* 0 bytes, 1 reader, 2 file */
static void big_body(pk_body *body, source *s, int kind)
{
    memset(body, 0, sizeof(*body));
    if (kind == 0) {
        body->bytes.ptr = big_text();
        body->bytes.len = BIG;
    } else if (kind == 1) {
        memset(s, 0, sizeof(*s));
        s->text = big_text();
        s->piece = 10000;
        s->len = BIG;
        body->read = read_source;
        body->user = s;
    } else {
        body->has_fd = true;
        body->fd = open("big", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        body->size = BIG;
        REQUIRE(body->fd >= 0 && write(body->fd, big_text(), BIG) == (ssize_t)BIG);
    }
}

TEST(http_client, sends_large_bodies_and_reads_large_answers)
{
    static const peer_step script[] = {
        ACCEPT, BODY(BIG), SEND("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n"), FILL("abc", 1000000),
        UNTIL_EOF, END,
    };
    for (int i = 0; i < 6; i++) {
        CASE("body %d, drive %d", i / 2, i % 2)
        {
            peer p;
            outcome o;
            source s;
            pk_body body;
            pk_error err = {0};
            peer_start(&p, "x.sock", script);
            pk__http_client *c = client("x.sock");
            big_body(&body, &s, i / 2);
            ask(&o, "POST", "/");
            o.x.body = &body;
            CHECK_OK(go(c, &o, i % 2, &err));
            CHECK_UINT(o.body.len, ==, 3000000);
            CHECK_INT(o.length, ==, 3000000);
            CHECK_UINT(o.x.bytes_out, ==, BIG);
            CHECK_UINT(o.x.bytes_in, ==, 3000000);
            CHECK(pk__http_client_is_reusable(c));
            pk_buf_free(&o.body);
            pk__http_client_destroy(c);
            peer_join(&p);
            CHECK_UINT(p.got_all, >, BIG);
            if (body.has_fd) {
                close(body.fd);
            }
            unlink("x.sock");
        }
    }
}

/* The server says no while most of the body is still to come, and reads no further. */
TEST(http_client, reads_an_early_refusal)
{
    static const peer_step script[] = {
        ACCEPT, HEAD, SEND("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"), STAY, CLOSE, END,
    };
    static const peer_step closing[] = {
        ACCEPT, HEAD, SEND("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"), CLOSE, END,
    };
    for (int i = 0; i < 12; i++) {
        CASE("body %d, drive %d, %s", i / 2 % 3, i % 2, i < 6 ? "open" : "closing")
        {
            peer p;
            outcome o;
            source s;
            pk_body body;
            pk_error err = {0};
            peer_start(&p, "x.sock", i < 6 ? script : closing);
            pk__http_client *c = client("x.sock");
            big_body(&body, &s, i / 2 % 3);
            ask(&o, "POST", "/");
            o.x.body = &body;
            CHECK_OK(go(c, &o, i % 2, &err));
            CHECK_INT(o.status, ==, 413);
            CHECK_PK_STR(pk_buf_str(&o.body), "no");
            CHECK_UINT(o.x.bytes_out, <=, BIG);
            CHECK(!pk__http_client_is_reusable(c));
            pk_buf_free(&o.body);
            pk__http_client_destroy(c);
            if (i < 6) {
                peer_release(&p);
            }
            peer_join(&p);
            if (body.has_fd) {
                close(body.fd);
            }
            unlink("x.sock");
        }
    }
}

/* Servers that answer while they read (an echo): both directions go on. */
TEST(http_client, goes_on_sending_while_a_good_answer_comes)
{
    static const peer_step script[] = {
        ACCEPT, HEAD, SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), READ(BIG - (128u << 10)),
        SEND("2\r\nok\r\n0\r\n\r\n"), UNTIL_EOF, END,
    };
    for (int drive = 0; drive < 2; drive++) {
        peer p;
        outcome o;
        pk_body body;
        peer_start(&p, "x.sock", script);
        pk__http_client *c = client("x.sock");
        big_body(&body, NULL, 0);
        ask(&o, "POST", "/");
        o.x.body = &body;
        CHECK_OK(go(c, &o, drive, NULL));
        CHECK_PK_STR(pk_buf_str(&o.body), "ok");
        pk_buf_free(&o.body);
        pk__http_client_destroy(c);
        peer_join(&p);
        unlink("x.sock");
    }
}

TEST(http_client, ends_with_what_a_callback_says)
{
    static const peer_step script[] = {
        ACCEPT, SEND("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), UNTIL_EOF, END,
    };
    for (int i = 0; i < 4; i++) {
        CASE("%s, drive %d", i / 2 ? "cancel" : "refuse", i % 2)
        {
            peer p;
            outcome o;
            peer_start(&p, "x.sock", script);
            pk__http_client *c = client("x.sock");
            ask(&o, "GET", "/");
            o.refuse = i / 2 ? PK_OK : PK_ERR_DENIED;
            o.cancel = i / 2;
            CHECK_ERR(go(c, &o, i % 2, NULL), i / 2 ? PK_ERR_CANCELED : PK_ERR_DENIED);
            CHECK_INT(o.ends, ==, i == 1);
            CHECK(!pk__http_client_is_reusable(c));
            pk_buf_free(&o.body);
            pk__http_client_destroy(c);
            peer_join(&p);
            unlink("x.sock");
        }
    }
}

/* ---- only with a loop */

static void destroy_on_end(void *user, const pk_error *why)
{
    outcome *o = (outcome *)user;
    on_end(user, why);
    pk__http_client_destroy(o->client);
}

static pk_err destroy_on_chunk(void *user, pk_str bytes, pk_error *err)
{
    outcome *o = (outcome *)user;
    (void)bytes, (void)err;
    o->ends = 100;
    pk__http_client_destroy(o->client);
    return PK_OK;
}

TEST(http_client, may_be_destroyed_in_its_callbacks)
{
    static const peer_step script[] = {
        ACCEPT, SEND("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), UNTIL_EOF, END,
    };
    for (int i = 0; i < 2; i++) {
        peer p;
        outcome o;
        pk_loop *loop = NULL;
        REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
        peer_start(&p, "x.sock", script);
        ask(&o, "GET", "/");
        o.client = client("x.sock");
        o.x.on_end = destroy_on_end;
        o.x.on_chunk = i ? destroy_on_chunk : on_chunk;
        CHECK_OK(pk__http_client_start(o.client, loop, &o.x, NULL));
        CHECK_INT(o.ends, ==, 0);
        while (o.ends == 0) {
            (void)pk_loop_step(loop, 1000, NULL);
        }
        CHECK_INT(o.ends, ==, i ? 100 : 1);
        pk_buf_free(&o.body);
        peer_join(&p);
        unlink("x.sock");
        pk_loop_destroy(loop);
    }
}

TEST(http_client, holds_the_answer_back_while_it_is_paused)
{
    static const peer_step script[] = {
        ACCEPT, SEND("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n"), FILL("abc", 1000000), CLOSE, END,
    };
    peer p;
    outcome o;
    pk_loop *loop = NULL;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    peer_start(&p, "x.sock", script);
    ask(&o, "GET", "/");
    o.client = client("x.sock");
    o.pause_at = 1000;
    CHECK_OK(pk__http_client_start(o.client, loop, &o.x, NULL));
    int pauses = 0;
    while (o.ends == 0) {
        (void)pk_loop_step(loop, 1000, NULL);
        if (o.client->paused && o.client->x) {
            size_t before = o.body.len;
            for (int i = 0; i < 5; i++) {
                (void)pk_loop_step(loop, 0, NULL);
            }
            CHECK_UINT(o.body.len, ==, before); // nothing comes while it is held
            pauses++;
            o.pause_at = o.body.len + 500000;
            pk__http_client_pause(o.client, false);
        }
    }
    CHECK_INT(pauses, >=, 4);
    CHECK_UINT(o.body.len, ==, 3000000);
    CHECK_INT(o.error.code, ==, PK_OK);
    pk_buf_free(&o.body);
    pk__http_client_destroy(o.client);
    peer_join(&p);
    pk_loop_destroy(loop);
}

TEST(http_client, waits_for_a_reader_that_has_nothing_yet)
{
    static const peer_step script[] = {ACCEPT, READ(111), SEND(OK_EMPTY), UNTIL_EOF, END};
    peer p;
    outcome o;
    source s = {"hello", 0, 3, 0, 1, PK_OK};
    pk_body body = {0};
    pk_loop *loop = NULL;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    peer_start(&p, "x.sock", script);
    body.read = read_source;
    body.user = &s;
    ask(&o, "POST", "/");
    o.x.body = &body;
    o.client = client("x.sock");
    CHECK_OK(pk__http_client_start(o.client, loop, &o.x, NULL));
    while (s.busy > 0) {
        (void)pk_loop_step(loop, 1000, NULL);
    }
    CHECK(o.client->out.busy);
    s.busy = 1; // says no once more
    pk__http_client_resume(o.client);
    while (s.busy > 0) {
        (void)pk_loop_step(loop, 1000, NULL);
    }
    pk__http_client_resume(o.client);
    while (o.ends == 0) {
        (void)pk_loop_step(loop, 1000, NULL);
    }
    CHECK_INT(o.error.code, ==, PK_OK);
    pk__http_client_destroy(o.client);
    peer_join(&p);
    CHECK_CONTAINS(p.got, "\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
    pk_loop_destroy(loop);
}

/* ---- interrupted from another thread */

static void *interrupt_later(void *arg)
{
    pk__http_client *c = (pk__http_client *)arg;
    WAIT_UNTIL(pk__atomic_load(&c->reach) != 0);
    pk__http_client_interrupt(c);
    return NULL;
}

TEST(http_client, can_be_interrupted_by_another_thread)
{
    static const peer_step script[] = {ACCEPT, UNTIL_EOF, END};
    peer p;
    outcome o;
    pthread_t thread;
    pk_error err = {0};
    peer_start(&p, "x.sock", script);
    pk__http_client *c = client("x.sock");
    ask(&o, "GET", "/");
    o.x.deadline = PK_FOREVER;
    REQUIRE(pthread_create(&thread, NULL, interrupt_later, c) == 0);
    CHECK_ERR(pk__http_client_run(c, &o.x, &err), PK_ERR_CANCELED);
    pthread_join(thread, NULL);
    pk__http_client_destroy(c);
    peer_join(&p);

    c = client("x.sock"); // and one that was interrupted before it began
    pk__http_client_interrupt(c);
    CHECK_ERR(pk__http_client_run(c, &o.x, &err), PK_ERR_CANCELED);
    pk__http_client_destroy(c);
}

/* ---- transports of users */

static struct {
    pk_conn *conn;
    int opens, closes, fd;
    bool slow; // not open at once
    char sent[4096];
    size_t sent_len;
    const char *answer;
    size_t answer_at;
    int turns;
} wire;

static pk_io wire_open(void *user, pk_str text, pk_conn *conn, void **state, pk_error *err)
{
    (void)user, (void)err;
    CHECK_PK_STR(text, "wire://somewhere");
    wire.conn = conn;
    wire.opens++;
    *state = &wire;
    return wire.slow ? PK_IO_WANT_WRITE : PK_IO_DONE;
}

/* Gives one byte, then nothing until it was asked again. */
static pk_io wire_recv(void *state, void *buf, size_t cap, size_t *got, pk_error *err)
{
    (void)state, (void)err, (void)cap;
    if (++wire.turns % 2) {
        pk_conn_ready(wire.conn);
        return PK_IO_WANT_READ;
    }
    if (wire.answer[wire.answer_at] == '\0') {
        return PK_IO_CLOSED;
    }
    *(char *)buf = wire.answer[wire.answer_at++];
    *got = 1;
    return PK_IO_DONE;
}

static pk_io wire_send(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    (void)state, (void)err, (void)count;
    if (++wire.turns % 2) {
        pk_conn_ready(wire.conn);
        return PK_IO_WANT_WRITE;
    }
    wire.sent[wire.sent_len++] = parts[0].ptr[0];
    *sent = 1;
    return PK_IO_DONE;
}

static int wire_fd(void *state)
{
    (void)state;
    return wire.fd;
}

static void wire_close(void *state)
{
    (void)state;
    wire.closes++;
}

TEST(http_client, speaks_over_a_transport_without_a_descriptor)
{
    static const pk_transport own = {"wire", wire_open, wire_recv, wire_send, wire_fd, wire_close, NULL};
    static const pk_transport *const list[] = {&own};
    for (int slow = 0; slow < 2; slow++) {
        pk__http_client_desc desc;
        pk__http_client *c = NULL;
        outcome o;
        memset(&wire, 0, sizeof(wire));
        wire.fd = -1;
        wire.slow = slow;
        wire.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        memset(&desc, 0, sizeof(desc));
        desc.alloc = test_alloc();
        desc.address = &address;
        desc.text = PK_STR("wire://somewhere");
        desc.lines = PK_STR("Host: plugkit\r\n");
        REQUIRE_OK(pk__address_parse(&address, desc.text, NULL));
        desc.transport = pk__transport_find(list, 1, &address);
        CHECK(desc.transport == &own);
        REQUIRE_OK(pk__http_client_create(&c, &desc, NULL));
        pk_loop *loop = NULL;
        REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
        ask(&o, "GET", "/");
        CHECK_OK(pk__http_client_start(c, loop, &o.x, NULL));
        if (slow) { // nothing but the transport tells us that it is open
            (void)pk_loop_step(loop, 0, NULL);
            CHECK_UINT(wire.sent_len, ==, 0);
            pk_conn_ready(wire.conn);
        }
        while (o.ends == 0) {
            (void)pk_loop_step(loop, 1000, NULL);
        }
        CHECK_INT(o.error.code, ==, PK_OK);
        CHECK_PK_STR(pk_buf_str(&o.body), "hello");
        CHECK_STR(wire.sent, "GET / HTTP/1.1\r\nHost: plugkit\r\n\r\n");
        pk_buf_free(&o.body);
        ask(&o, "GET", "/"); // waiting is not possible: nothing is sent, the caller goes through a loop
        CHECK_ERR(pk__http_client_run(c, &o.x, NULL), PK_ERR_UNSUPPORTED);
        CHECK_INT(o.x.sent, ==, PK_SENT_NO);
        pk_conn_ready(wire.conn); // while nobody listens
        pk__http_client_destroy(c);
        (void)pk_loop_step(loop, 0, NULL);
        pk_loop_destroy(loop);
        CHECK_INT(wire.opens, ==, 1);
        CHECK_INT(wire.closes, ==, 1);
    }
}

/* ---- hostile kernel: one byte at a time, signals, and both */

static ssize_t tiny_recv(int fd, void *buf, size_t cap, int flags)
{
    static unsigned turn;
    if (++turn % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    return recv(fd, buf, cap ? 1 : 0, flags);
}

static ssize_t tiny_send(int fd, const void *buf, size_t len, int flags)
{
    static unsigned turn;
    if (++turn % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    if (turn % 7 == 0) {
        errno = EAGAIN;
        return -1;
    }
    return send(fd, buf, len ? 1 : 0, flags);
}

TEST(http_client, works_byte_by_byte_and_through_signals)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    pk__sys.recv = tiny_recv;
    pk__sys.send = tiny_send;
    check_answer("GET", answer, 200, "hello", true);
    check_answer("GET", "HTTP/1.1 200 OK\r\n\r\nuntil close", 200, "until close", false);
}

TEST_TORTURE(http_client, survives_every_failure)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    static const peer_step script[] = {ACCEPT, HEAD, SEND(answer), HEAD, SEND(answer), UNTIL_EOF, END};
    peer p;
    outcome o;
    pk_body body = {0};
    pk_error err = {0};
    pk__http_client_desc desc;
    pk__http_client *c = NULL;
    memset(&desc, 0, sizeof(desc));
    REQUIRE_OK(pk__address_parse(&address, PK_STR("unix:x.sock"), NULL));
    desc.alloc = test_alloc();
    desc.address = &address;
    desc.transport = pk__transport_find(NULL, 0, &address);
    desc.text = PK_STR("unix:x.sock");
    desc.lines = PK_STR("Host: unix\r\n");
    peer_start(&p, "x.sock", script);
    body.bytes = PK_STR("[]");
    if (TRY_OK(pk__http_client_create(&c, &desc, &err))) {
        for (int drive = 0; drive < 2 && (drive == 0 || pk__http_client_is_reusable(c)); drive++) {
            ask(&o, "POST", "/");
            o.x.body = &body;
            if (TRY_OK(go(c, &o, drive, &err))) {
                CHECK_INT(o.status, ==, 200);
            } else {
                CHECK(err.code != PK_OK && err.msg[0] != '\0');
                CHECK_INT(o.ends, <=, 1);
            }
            pk_buf_free(&o.body);
        }
    }
    pk__http_client_destroy(c);
    peer_join(&p);
}

/* ---- the pool */

static void pool_desc(pk__http_pool_desc *desc, const char *text)
{
    memset(desc, 0, sizeof(*desc));
    desc->alloc = test_alloc();
    desc->address = text;
}

TEST(http_pool, hands_out_the_warmest_and_closes_the_old)
{
    pk__http_pool pool;
    pk__http_pool_desc desc;
    pk__http_client *a, *b, *c;
    int listener = peer_listen("x.sock"), peers[3];
    pool_desc(&desc, "unix:x.sock");
    desc.max_idle = 2;
    desc.idle_ms = 10000;
    REQUIRE_OK(pk__http_pool_init(&pool, &desc, NULL));
    pk__http_client **all[] = {&a, &b, &c};
    for (int i = 0; i < 3; i++) {
        outcome o;
        REQUIRE_OK(pk__http_pool_take(&pool, pk__clock_ns(), all[i], NULL));
        for (uint32_t ms = 5; !(*all[i])->io; ms *= 2) { // connects, sends, and is late
            ask(&o, "GET", "/");
            o.x.deadline = pk__clock_after_ms(pk__clock_ns(), ms);
            (void)pk__http_client_run(*all[i], &o.x, NULL);
        }
        peers[i] = accept(listener, NULL, NULL);
        (*all[i])->dead = false; // as if it had gone well
    }
    pk__clock_fake(pk__clock_ns());
    pk__http_pool_give(&pool, a);
    pk__http_pool_give(&pool, b);
    CHECK(!a->room && b->room); // only the warmest keeps its buffers
    CHECK_UINT(pool.idle_count, ==, 2);
    pk__http_pool_give(&pool, c); // one too many
    CHECK_UINT(pool.idle_count, ==, 2);

    pk__http_client *got;
    REQUIRE_OK(pk__http_pool_take(&pool, pk__clock_ns(), &got, NULL));
    CHECK(got == b);
    pk__http_pool_give(&pool, got);
    close(peers[1]); // b dies while idle: noticed when it has been idle for a while
    pk__clock_advance(2 * PK__SECOND);
    REQUIRE_OK(pk__http_pool_take(&pool, pk__clock_ns(), &got, NULL));
    CHECK(got == a);
    pk__http_pool_give(&pool, got);
    pk__clock_advance(11 * PK__SECOND);
    pk__http_pool_prune(&pool);
    CHECK_UINT(pool.idle_count, ==, 0);

    pk__http_pool_interrupt(&pool);
    CHECK_ERR(pk__http_pool_take(&pool, pk__clock_ns(), &got, NULL), PK_ERR_STOPPED);
    pk__http_pool_deinit(&pool);
    close(peers[0]);
    close(peers[2]);
    close(listener);
}

TEST(http_pool, sends_its_own_fields_with_every_request)
{
    static const pk_meta own[] = {FIELD("PlugKit-Token", "t"), FIELD("PlugKit-Caller", "me")};
    static const pk_meta forged[] = {FIELD("PlugKit-Token", "t\r\nX: y")};
    static const peer_step script[] = {
        ACCEPT, HEAD, SEND("HTTP/1.1 204 No Content\r\n\r\n"),
        HEAD,   SEND("HTTP/1.1 204 No Content\r\n\r\n"),
        UNTIL_EOF, END,
    };
    pk__http_pool pool;
    pk__http_pool_desc desc;
    pk__http_client *c = NULL;
    peer p;
    outcome o;
    peer_start(&p, "x.sock", script);
    pool_desc(&desc, "unix:x.sock");
    desc.own = own;
    desc.own_count = 2;
    REQUIRE_OK(pk__http_pool_init(&pool, &desc, NULL));
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(pk__http_pool_take(&pool, pk__clock_ns(), &c, NULL));
        ask(&o, "GET", i == 0 ? "/a" : "/b");
        CHECK_OK(pk__http_client_run(c, &o.x, NULL));
        pk__http_pool_give(&pool, c);
    }
    pk__http_pool_deinit(&pool);
    peer_join(&p);
    CHECK_STR(p.got, "GET /a HTTP/1.1\r\nHost: unix\r\nPlugKit-Token: t\r\nPlugKit-Caller: me\r\n\r\n"
                     "GET /b HTTP/1.1\r\nHost: unix\r\nPlugKit-Token: t\r\nPlugKit-Caller: me\r\n\r\n");

    desc.own = forged;
    desc.own_count = 1;
    CHECK_ERR(pk__http_pool_init(&pool, &desc, NULL), PK_ERR_MISUSE);
    pk_meta endless = {PK_STR("PlugKit-Token"), {NULL, 16 * 1024}};
    char *token = (char *)malloc(endless.value.len);
    REQUIRE(token != NULL);
    memset(token, 't', endless.value.len);
    endless.value.ptr = token;
    desc.own = &endless;
    CHECK_ERR(pk__http_pool_init(&pool, &desc, NULL), PK_ERR_LIMIT);
    free(token);
    unlink("x.sock");
}

static void *pool_call(void *arg)
{
    pk__http_pool *pool = (pk__http_pool *)arg;
    pk__http_client *c = NULL;
    outcome o;
    if (pk__http_pool_take(pool, pk__clock_ns(), &c, NULL) == PK_OK) {
        ask(&o, "GET", "/");
        o.x.deadline = PK_FOREVER;
        CHECK_ERR(pk__http_client_run(c, &o.x, NULL), PK_ERR_CANCELED);
        pk__http_pool_give(pool, c);
    }
    return NULL;
}

TEST(http_pool, interrupts_those_who_wait)
{
    pk__http_pool pool;
    pk__http_pool_desc desc;
    pthread_t threads[4];
    int listener = peer_listen("x.sock"), peers[4];
    pool_desc(&desc, "unix:x.sock");
    REQUIRE_OK(pk__http_pool_init(&pool, &desc, NULL));
    for (int i = 0; i < 4; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, pool_call, &pool) == 0);
    }
    for (int i = 0; i < 4; i++) {
        peers[i] = accept(listener, NULL, NULL);
    }
    pk__http_pool_interrupt(&pool);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        close(peers[i]);
    }
    pk__http_pool_deinit(&pool);
    close(listener);
}

TEST(http_pool, refuses_addresses_it_cannot_use)
{
    pk__http_pool pool;
    pk__http_pool_desc desc;
    pk_error err = {0};
    pool_desc(&desc, "https://example.org:443"); // and no pk_tls
    CHECK_ERR(pk__http_pool_init(&pool, &desc, &err), PK_ERR_CONFIG);
    CHECK_CONTAINS(err.msg, "no pk_tls says whom to believe there");
    pk__http_pool_deinit(&pool);
    pool_desc(&desc, "gopher://example.org:70");
    CHECK_ERR(pk__http_pool_init(&pool, &desc, &err), PK_ERR_UNSUPPORTED);
    pk__http_pool_deinit(&pool);
    pool_desc(&desc, "nonsense");
    CHECK_ERR(pk__http_pool_init(&pool, &desc, &err), PK_ERR_BAD_ENDPOINT);
    pk__http_pool_deinit(&pool);
}

/* ---- a transport of somebody's with a descriptor: here a plain socket that we know nothing of */

static pk_io pipe_open(void *user, pk_str text, pk_conn *conn, void **state, pk_error *err)
{
    (void)text, (void)conn, (void)err;
    *state = user;
    return PK_IO_DONE;
}

static pk_io pipe_recv(void *state, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return pk__socket_recv(*(int *)state, buf, cap, false, got, err);
}

static pk_io pipe_send(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    return pk__socket_send(*(int *)state, parts, count, sent, err);
}

static int pipe_fd(void *state)
{
    return *(int *)state;
}

static void pipe_close(void *state)
{
    (void)state;
}

TEST(http_client, waits_on_descriptors_of_other_transports)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    static const peer_step script[] = {BODY(BIG), SEND(answer), UNTIL_EOF, END};
    for (int drive = 0; drive < 2; drive++) {
        int fds[2];
        peer p;
        outcome o;
        pk_body body;
        pk__http_client *c = NULL;
        pk__http_client_desc desc;
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
        const pk_transport own = {"pipe", pipe_open, pipe_recv, pipe_send, pipe_fd, pipe_close, &fds[0]};
        memset(&p, 0, sizeof(p));
        p.script = script;
        p.fd = fds[1];
        p.listener = -1;
        REQUIRE(pipe(p.gate) == 0 && pthread_create(&p.thread, NULL, peer_run, &p) == 0);
        memset(&desc, 0, sizeof(desc));
        desc.alloc = test_alloc();
        desc.address = &address;
        desc.transport = &own;
        desc.lines = PK_STR("Host: pipe\r\n");
        REQUIRE_OK(pk__http_client_create(&c, &desc, NULL));
        big_body(&body, NULL, 2); // a file, which such a transport cannot send by itself
        ask(&o, "POST", "/");
        o.x.body = &body;
        CHECK_OK(go(c, &o, drive, NULL));
        CHECK_PK_STR(pk_buf_str(&o.body), "ok");
        CHECK_UINT(o.x.bytes_out, ==, BIG);
        CHECK(pk__http_client_is_reusable(c) && pk__http_client_is_alive(c));
        close(body.fd);
        pk_buf_free(&o.body);
        pk__http_client_destroy(c);
        close(fds[0]);
        peer_join(&p);
    }
}

/* ---- a server whose queue is full */

TEST(http_client, tries_again_while_the_queue_is_full)
{
    for (int i = 0; i < 4; i++) {
        CASE("%s, drive %d", i / 2 ? "until somebody accepts" : "in vain", i % 2)
        {
            static const peer_step script[] = {ACCEPT, CLOSE,          ACCEPT,    CLOSE, ACCEPT,
                                               HEAD,   SEND(OK_EMPTY), UNTIL_EOF, END};
            static const peer_step nothing[] = {STAY, END};
            struct sockaddr_un name;
            peer p;
            outcome o;
            pk_error err = {0};
            int others[2];
            memset(&name, 0, sizeof(name));
            name.sun_family = AF_UNIX;
            memcpy(name.sun_path, "x.sock", 7);
            memset(&p, 0, sizeof(p));
            p.listener = peer_listen("x.sock");
            REQUIRE(listen(p.listener, 1) == 0 && pipe(p.gate) == 0);
            for (int k = 0; k < 2; k++) { // as many as fit
                others[k] = socket(AF_UNIX, SOCK_STREAM, 0);
                REQUIRE(connect(others[k], (struct sockaddr *)&name, sizeof(name)) == 0);
            }
            p.script = i / 2 ? script : nothing;
            p.fd = -1;
            pk__http_client *c = client("x.sock");
            ask(&o, "GET", "/");
            if (i / 2 == 0) {
                o.x.deadline = pk__clock_after_ms(pk__clock_ns(), 50);
            }
            REQUIRE(pthread_create(&p.thread, NULL, peer_run, &p) == 0);
            CHECK_ERR(go(c, &o, i % 2, &err), i / 2 ? PK_OK : PK_ERR_PLUGIN_TIMEOUT);
            CHECK_INT(o.x.sent, ==, i / 2 ? PK_SENT_ANSWERED : PK_SENT_NO);
            pk__http_client_destroy(c);
            if (i / 2 == 0) {
                peer_release(&p);
            }
            peer_join(&p);
            close(others[0]), close(others[1]);
            unlink("x.sock");
        }
    }
}
