/* test_http_server.c - the server, asked over real sockets: by one thread that plays the client and steps the loop. */
#include "unit.h"
#include "peer.h"
#include "torture.h"

/* ---- a site with a route for everything, and a client */

typedef struct site {
    pk_loop *loop;
    pk_server *server;
    int listener;
    int work, runs, dones; // on_work, handlers, done callbacks
    char seen[4096];       // what the last handler saw
    bool destroy;          // in the handler
    void *held; // an exchange; atomic
} site;

static pk_err run_empty(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    (void)q, (void)a, (void)err;
    s->runs++;
    return PK_OK;
}

static pk_err run_echo(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    (void)err;
    s->runs++;
    a->body = q->body;
    return PK_OK;
}

/* Says what it was asked for. */
static pk_err run_show(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    (void)err;
    s->runs++;
    snprintf(s->seen, sizeof(s->seen), "%" PK_FMT " %" PK_FMT " ?%" PK_FMT " *%" PK_FMT " [%" PK_FMT "]",
             PK_ARG(q->method), PK_ARG(q->path), PK_ARG(q->query), PK_ARG(q->rest), PK_ARG(q->body.bytes));
    a->body.bytes = pk_mem_printf(q->ctx->mem, "%s", s->seen);
    a->body.content_type = PK_STR("text/plain");
    return PK_OK;
}

static pk_err run_param(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)err;
    a->body.bytes = pk_mem_printf(q->ctx->mem, "%s: %" PK_FMT ", %" PK_FMT, q->route,
                                  PK_ARG(pk_request_param(q, "id")), PK_ARG(pk_request_param(q, "post")));
    return PK_OK;
}

static pk_err run_fail(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    (void)a;
    s->runs++;
    if (pk_str_is(q->query, "busy")) {
        pk_err rc = pk_error_set(err, PK_ERR_RATE_LIMIT, "cannot serve: too many");
        err->retry_after_ms = 1500;
        return rc;
    }
    if (pk_str_is(q->query, "bare")) {
        return PK_ERR_DENIED;
    }
    pk_err rc = pk_error_set(err, PK_ERR_NOT_FOUND, "cannot open '%s': \"no\"\n such note", "x");
    snprintf(err->app_code, sizeof(err->app_code), "NOTE_7");
    return rc;
}

#define FIELD(name, value) {PK_STR_INIT(name), PK_STR_INIT(value)}

static pk_err run_header(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    static const pk_meta fields[] = {FIELD("X-A", "1"), FIELD("content-type", "a/b")};
    static const pk_meta evil[] = {FIELD("X", "a\r\nSet-Cookie: b")};
    static const pk_meta framing[] = {FIELD("Content-Length", "5")};
    (void)err;
    s->runs++;
    a->body.bytes = PK_STR("body");
    a->fields = pk_str_is(q->query, "evil") ? evil : pk_str_is(q->query, "framing") ? framing : fields;
    a->field_count = a->fields == fields ? 2 : 1;
    a->status = pk_str_is(q->query, "no") ? 204 : pk_str_is(q->query, "odd") ? 42 : 203;
    if (pk_str_is(q->query, "added")) {
        char name[] = "X-Added", value[] = "yes";
        pk_ctx_meta_out(q->ctx, pk_str_from(name), pk_str_from(value));
        memset(name, 'z', sizeof(name) - 1); // it was copied
    }
    return PK_OK;
}

static void count_done(void *user)
{
    ((site *)user)->dones++;
}

#define LARGE (3u << 20)
static char *large;

typedef struct stream {
    size_t left, piece;
    bool fail;
} stream;

static pk_err read_stream(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    stream *s = (stream *)user;
    if (s->fail && s->left == 0) {
        return pk_error_set(err, PK_ERR_OS, "the source broke");
    }
    *got = PK__MIN(PK__MIN(cap, s->piece), s->left);
    memset(buf, 's', *got);
    s->left -= *got;
    return PK_OK;
}

static pk_err run_large(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    static stream source;
    (void)err;
    s->runs++;
    a->done = count_done;
    a->user = s;
    if (pk_str_is(q->rest, "bytes")) {
        a->body.bytes.ptr = large;
        a->body.bytes.len = LARGE;
    } else if (pk_str_is(q->rest, "file")) {
        a->body.has_fd = true;
        a->body.fd = open("large", O_RDONLY | O_CLOEXEC);
        a->body.offset = 10;
        a->body.size = LARGE - 10;
    } else {
        source.left = pk_str_is(q->rest, "short") ? 11 : LARGE;
        source.piece = pk_str_is(q->rest, "short") ? 6 : 100000;
        source.fail = pk_str_is(q->rest, "broken");
        a->body.read = read_stream;
        a->body.user = &source;
    }
    return PK_OK;
}

/* Reads as many bytes of an upload as the query says; "all" for all. */
static pk_err run_upload(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    char buf[1000];
    size_t got = 1, sum = 0, want = q->query.len ? (size_t)atol(q->query.ptr) : 0;
    want = pk_str_is(q->query, "all") ? SIZE_MAX : want;
    s->runs++;
    while (got > 0 && sum < want) {
        pk_err rc = q->body.read(q->body.user, buf, PK__MIN(sizeof(buf), want - sum), &got, err);
        if (rc) {
            return rc;
        }
        sum += got;
    }
    a->body.bytes = pk_mem_printf(q->ctx->mem, "%zu", sum);
    return PK_OK;
}

static pk_err run_context(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    pk_ns left = pk_ctx_left(q->ctx);
    (void)err;
    s->runs++;
    a->body.bytes = pk_mem_printf(q->ctx->mem, "%s %d %" PK_FMT " %" PK_FMT " %" PK_FMT " token=%" PK_FMT " %zu",
                                  left == PK_FOREVER ? "forever" : left > 0 && left <= 5 * PK__SECOND ? "soon" : "?",
                                  pk_ctx_is_canceled(q->ctx), PK_ARG(q->ctx->caller), PK_ARG(q->ctx->traceparent),
                                  PK_ARG(pk_ctx_meta(q->ctx, "x-own")), PK_ARG(pk_ctx_meta(q->ctx, "plugkit-token")),
                                  q->field_count);
    return PK_OK;
}

/* An answer that comes bit by bit: what `later_say` puts in. */
static struct {
    pk_ctx *ctx; // NULL = nobody listens
    char text[64];
    bool ended;
    int dones;
} later;

static pk_err read_later(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    (void)user, (void)err;
    *got = PK__MIN(strlen(later.text), cap);
    memcpy(buf, later.text, *got);
    later.text[0] = '\0';
    return *got > 0 || later.ended ? PK_OK : PK_ERR_BUSY;
}

static void done_later(void *user)
{
    (void)user;
    later.ctx = NULL;
    later.dones++;
}

static pk_err run_later(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)err;
    ((site *)user)->runs++;
    later.ctx = q->ctx;
    a->body.read = read_later;
    a->done = done_later;
    return PK_OK;
}

static void later_say(const char *text)
{
    snprintf(later.text, sizeof(later.text), "%s", text);
    later.ended = !*text;
    pk_server_more(later.ctx);
}

static pk_err run_destroy(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    (void)q, (void)err;
    s->runs++;
    pk_server_destroy(s->server);
    s->server = NULL;
    a->body.bytes = PK_STR("last words");
    return PK_OK;
}

static pk_err run_drain(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    (void)q, (void)err, (void)a;
    s->runs++;
    pk_server_drain(s->server);
    CHECK(!pk_server_is_idle(s->server));
    return PK_OK;
}

static void on_work(void *user, int change)
{
    ((site *)user)->work += change;
}

static pk_err site_try(site *s, pk_server_desc *desc, pk_error *err)
{
    const pk_route routes[] = {
        {"GET /healthz", PK_INLINE, run_empty, s},
        {"POST /echo", 0, run_echo, s},
        {"ANY /show/*", 0, run_show, s},
        {"GET /show/exact", 0, run_show, s},
        {"GET /fail", 0, run_fail, s},
        {"GET /header", 0, run_header, s},
        {"GET /large/*", 0, run_large, s},
        {"POST /upload", PK_UPLOAD, run_upload, s},
        {"GET /context", 0, run_context, s},
        {"GET /destroy", 0, run_destroy, s},
        {"GET /later", 0, run_later, s},
        {"POST /drain", 0, run_drain, s},
        {"BREW /pot", 0, run_empty, s},
        {"GET /users/{id}/posts/{post}", 0, run_param, s},
    };
    memset(s, 0, sizeof(*s));
    pk_err rc = pk_loop_create(&s->loop, test_alloc(), err);
    if (rc) {
        return rc;
    }
    desc->alloc = test_alloc();
    desc->loop = s->loop;
    if (!desc->listen && !desc->has_listen_fd) {
        desc->listen = "unix:x.sock";
    }
    desc->on_work = on_work;
    desc->user = s;
    rc = pk_server_create(&s->server, desc, err);
    for (size_t i = 0; i < PK__COUNT(routes) && rc == PK_OK; i++) {
        rc = pk_server_add(s->server, &routes[i], err);
    }
    return rc;
}

static void site_open(site *s, pk_server_desc *desc)
{
    pk_server_desc none;
    memset(&none, 0, sizeof(none));
    REQUIRE_OK(site_try(s, desc ? desc : &none, NULL));
}

static void site_close(site *s)
{
    pk_server_destroy(s->server);
    pk_loop_destroy(s->loop);
    CHECK_INT(s->work, ==, 0);
    unlink("x.sock");
}

static int dial(const char *path)
{
    struct sockaddr_un name;
    memset(&name, 0, sizeof(name));
    name.sun_family = AF_UNIX;
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    return fd;
}

static int socket_refused(const char *path)
{
    struct sockaddr_un name;
    memset(&name, 0, sizeof(name));
    name.sun_family = AF_UNIX;
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int reason = connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 ? 0 : errno;
    close(fd);
    return reason;
}

typedef struct answer {
    char text[1 << 16]; // the first bytes
    size_t len;
    uint64_t all;
    bool eof;
} answer;

static bool answer_more(answer *a, int fd)
{
    static char piece[1 << 16];
    ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
    if (n <= 0) {
        a->eof |= n == 0 || (errno != EAGAIN && errno != EINTR);
        return false;
    }
    size_t keep = PK__MIN((size_t)n, sizeof(a->text) - 1 - a->len);
    memcpy(a->text + a->len, piece, keep);
    a->len += keep;
    a->all += (uint64_t)n;
    a->text[a->len] = '\0';
    return true;
}

/* Steps the loop until nothing happens any more; what comes is added to *a. */
static void settle(site *s, int fd, answer *a)
{
    for (int quiet = 0; quiet < 4; quiet++) {
        (void)pk_loop_step(s->loop, 0, NULL);
        while (!a->eof && answer_more(a, fd)) {
            quiet = 0;
        }
    }
}

static const char *talk_n(site *s, int fd, const char *bytes, size_t len, answer *a)
{
    memset(a, 0, sizeof(*a));
    REQUIRE(peer_write(fd, bytes, len));
    settle(s, fd, a);
    return a->text;
}

static const char *talk(site *s, int fd, const char *bytes, answer *a)
{
    return talk_n(s, fd, bytes, strlen(bytes), a);
}

/* One connection, these bytes, that answer; `open` says whether the connection is to stay. */
static void check_talk(site *s, const char *bytes, const char *expected, bool open)
{
    static answer a;
    int fd = dial("x.sock");
    CHECK_STR(talk(s, fd, bytes, &a), expected);
    CHECK_INT(a.eof, ==, !open);
    close(fd);
    settle(s, -1, &a);
}

#define H " HTTP/1.1\r\nHost: unix\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define OK_JSON "HTTP/1.1 200 OK\r\n" JSON
#define EXPECT "Expect: 100-continue\r\n"
#define OK_LAST "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define JSON "Content-Type: application/json\r\n"

/* ---- the plain things */

TEST(http_server, a_reader_that_has_nothing_yet_is_left_alone_until_it_has)
{
    site s;
    static answer a;
    pk_server_desc desc = {.limit = {.body_ms = 1}};
    memset(&later, 0, sizeof(later));
    site_open(&s, &desc);
    int fd = dial("x.sock");
    CHECK_CONTAINS(talk(&s, fd, "GET /later" H "\r\n", &a), "Transfer-Encoding: chunked\r\n\r\n");
    REQUIRE(later.ctx != NULL);
    later_say("one");
    settle(&s, fd, &a);
    CHECK_CONTAINS(a.text, "\r\n\r\n3\r\none");
    REQUIRE(peer_write(fd, "GET /healthz" H "\r\n", 12 + sizeof(H "\r\n") - 1)); // its turn comes behind it
    settle(&s, fd, &a);
    later_say("two");
    settle(&s, fd, &a);
    CHECK(later.dones == 0 && strstr(a.text, "Content-Length") == NULL);
    later_say("");
    settle(&s, fd, &a);
    CHECK_CONTAINS(a.text, "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" OK_EMPTY);
    CHECK_INT(later.dones, ==, 1);
    close(fd);
    site_close(&s);
}

TEST(http_server, who_hangs_up_while_a_reader_has_nothing_is_noticed_at_once)
{
    site s;
    static answer a;
    memset(&later, 0, sizeof(later));
    site_open(&s, NULL);
    int fd = dial("x.sock");
    (void)talk(&s, fd, "GET /later" H "\r\n", &a);
    REQUIRE(later.ctx != NULL);
    close(fd);
    settle(&s, -1, &a);
    CHECK_INT(later.dones, ==, 1);
    fd = dial("x.sock");
    (void)talk(&s, fd, "GET /later" H "\r\n", &a);
    site_close(&s); // with one that is still told something
    CHECK_INT(later.dones, ==, 2);
    close(fd);
}

TEST(http_server, answers_as_go_does)
{
    site s;
    site_open(&s, NULL);
    CHECK_STR(pk_server_address(s.server), "http+unix://x.sock");
    check_talk(&s, "GET /healthz" H "\r\n", OK_EMPTY, true);
    check_talk(&s, "HEAD /healthz" H "\r\n", OK_EMPTY, true);
    check_talk(&s,
               "POST /echo HTTP/1.1\r\nHost: unix\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 7\r\nAccept: "
               "application/json\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n{\"a\":1}",
               OK_JSON "Content-Length: 7\r\n\r\n{\"a\":1}", true);
    check_talk(&s, "POST /healthz" H "\r\n",
               "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, OPTIONS\r\n" JSON "Content-Length: 88\r\n\r\n"
               "{\"message\":\"this path does not take method 'POST'\",\"statusCode\":405,\"code\":\"CORE_3006\"}\n",
               true);
    check_talk(&s, "GET /nope%0Ax" H "\r\n",
               "HTTP/1.1 400 Bad Request\r\n" JSON "Content-Length: 75\r\nConnection: close\r\n\r\n"
               "{\"message\":\"malformed request target\",\"statusCode\":400,\"code\":\"CORE_3011\"}\n",
               false);
    check_talk(&s, "GET /nope" H "\r\n",
               "HTTP/1.1 404 Not Found\r\n" JSON "Content-Length: 77\r\n\r\n"
               "{\"message\":\"nothing is here at '/nope'\",\"statusCode\":404,\"code\":\"CORE_3008\"}\n",
               true);
    check_talk(&s, "GET /healthz HTTP/1.1\r\n\r\n",
               "HTTP/1.1 400 Bad Request\r\n" JSON "Content-Length: 84\r\nConnection: close\r\n\r\n"
               "{\"message\":\"missing required Host header\",\"statusCode\":400,\"code\":\"TRANSPORT_1301\"}\n",
               false);
    check_talk(&s, "TRACE /healthz" H "\r\n",
               "HTTP/1.1 501 Not Implemented\r\n" JSON "Content-Length: 84\r\n\r\n"
               "{\"message\":\"nothing here knows method 'TRACE'\",\"statusCode\":501,\"code\":\"CORE_3006\"}\n",
               true);
    check_talk(&s, "BREW /pot" H "\r\n", OK_EMPTY, true);
    check_talk(&s, "OPTIONS /echo" H "\r\n", "HTTP/1.1 204 No Content\r\nAllow: POST, OPTIONS\r\n\r\n", true);
    check_talk(&s, "OPTIONS *" H "\r\n",
               "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n\r\n", true);
    site_close(&s);
}

TEST(http_server, finds_routes_by_the_decoded_path)
{
    static const struct {
        const char *target, *seen;
    } rows[] = {
        {"/show/exact", "GET /show/exact ? * []"},
        {"/show/exact/", "GET /show/exact/ ? *exact/ []"},
        {"/show/", "GET /show/ ? * []"},
        {"/show/a%20b?c=%20d", "GET /show/a b ?c=%20d *a b []"},
        {"//show//./x/../exact", "GET /show/exact ? * []"},
        {"/echo/../show/%2e%2e/show/y", "GET /show/y ? *y []"},
        {"http://unix/show/abs?q", "GET /show/abs ?q *abs []"},
    };
    site s;
    site_open(&s, NULL);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].target)
        {
            static answer a;
            char bytes[300];
            int fd = dial("x.sock");
            snprintf(bytes, sizeof(bytes), "GET %s" H "\r\n", rows[i].target);
            CHECK_CONTAINS(talk(&s, fd, bytes, &a), rows[i].seen);
            close(fd);
        }
    }
    int fd = dial("x.sock");
    static answer a;
    CHECK_CONTAINS(talk(&s, fd, "GET /users/a%20b/posts/%C3%A4" H "\r\n", &a),
                   "\r\n\r\nGET /users/{id}/posts/{post}: a b, \xc3\xa4");
    CHECK_CONTAINS(talk(&s, fd, "PUT /users/1/posts/2" H "\r\n", &a), "405 Method Not Allowed\r\nAllow: GET, HEAD");
    close(fd);
    pk_error err = {0};
    const pk_route bad[] = {{"/x", 0, run_empty, NULL}, {"GET x", 0, run_empty, NULL}, {"GET /x", 0, NULL, NULL},
                            {"G T /x", 0, run_empty, NULL}, {"", 0, run_empty, NULL}};
    for (size_t i = 0; i < PK__COUNT(bad); i++) {
        CHECK_ERR(pk_server_add(s.server, &bad[i], &err), PK_ERR_MISUSE);
    }
    const pk_route twice = {"GET /show/exact", 0, run_empty, NULL};
    CHECK_ERR(pk_server_add(s.server, &twice, &err), PK_ERR_DUPLICATE);
    site_close(&s);
}

TEST(http_server, makes_json_of_errors)
{
    site s;
    site_open(&s, NULL);
    check_talk(&s, "GET /fail" H "\r\n",
               "HTTP/1.1 404 Not Found\r\n" JSON "Content-Length: 86\r\n\r\n"
               "{\"message\":\"cannot open 'x': \\\"no\\\"\\\\x0a such note\","
               "\"statusCode\":404,\"code\":\"NOTE_7\"}\n",
               true);
    check_talk(&s, "GET /fail?busy" H "\r\n",
               "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\n" JSON "Content-Length: 78\r\n\r\n"
               "{\"message\":\"cannot serve: too many\",\"statusCode\":429,\"code\":\"RATELIMIT_1501\"}\n",
               true);
    check_talk(&s, "GET /fail?bare" H "\r\n",
               "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: PlugKit-Token\r\n" JSON "Content-Length: 91\r\n\r\n"
               "{\"message\":\"the caller is not allowed to do that\",\"statusCode\":401,\"code\":\"SECURITY_1801\"}\n",
               true);
    site_close(&s);
}

#define ODD "HTTP/1.1 203 \r\nX-A: 1\r\ncontent-type: a/b\r\n"

TEST(http_server, sends_the_headers_of_handlers_but_no_others)
{
    static answer a;
    site s;
    site_open(&s, NULL);
    check_talk(&s, "GET /header" H "\r\n",
               ODD "Content-Length: 4\r\n\r\nbody", true);
    check_talk(&s, "GET /header?added" H "\r\n",
               ODD "X-Added: yes\r\n"
               "Content-Length: 4\r\n\r\nbody", true);
    check_talk(&s, "HEAD /header" H "\r\n",
               ODD "Content-Length: 4\r\n\r\n", true);
    check_talk(&s, "GET /header?no" H "\r\n", "HTTP/1.1 204 No Content\r\nX-A: 1\r\ncontent-type: a/b\r\n\r\n", true);
    static const char *const bad[] = {"evil", "framing", "odd"};
    for (size_t i = 0; i < PK__COUNT(bad); i++) {
        CASE("%s", bad[i])
        {
            char bytes[100];
            int fd = dial("x.sock");
            snprintf(bytes, sizeof(bytes), "GET /header?%s" H "\r\n", bad[i]);
            CHECK_CONTAINS(talk(&s, fd, bytes, &a), "HTTP/1.1 500 Internal Server Error\r\n");
            CHECK(!strstr(a.text, "Set-Cookie: b\r\n"));
            CHECK(a.eof);
            close(fd);
        }
    }
    site_close(&s);
}

/* ---- connections */

TEST(http_server, keeps_connections_as_the_peer_wishes)
{
    site s;
    site_open(&s, NULL);
    check_talk(&s, "GET /healthz" H "Connection: close\r\n\r\n",
               OK_LAST, false);
    check_talk(&s, "GET /healthz HTTP/1.0\r\n\r\n", OK_LAST, false);
    check_talk(&s, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
               "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", true);
    check_talk(&s, "GET /large/short" H "\r\n",
               OK_JSON "Transfer-Encoding: chunked\r\n\r\n"
               "6\r\nssssss\r\n5\r\nsssss\r\n0\r\n\r\n", true);
    check_talk(&s, "GET /large/short HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
               OK_JSON "Connection: close\r\n\r\nsssssssssss", false);
    CHECK_INT(s.dones, ==, 2);
    site_close(&s);
}

static const char three[] = "POST /echo" H "Content-Length: 3\r\n\r\none"
                            "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n2;x\r\ntw\r\n1\r\no\r\n0\r\nA: b\r\n\r\n"
                            "GET /show/three?q" H "\r\n";
static const char three_answers[] =
    OK_JSON "Content-Length: 3\r\n\r\none"
    OK_JSON "Content-Length: 3\r\n\r\ntwo"
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n\r\nGET /show/three ?q *three []";

TEST(http_server, answers_pipelined_requests_in_order)
{
    site s;
    site_open(&s, NULL);
    check_talk(&s, three, three_answers, true);
    CHECK_INT(s.runs, ==, 3);
    site_close(&s);
}

TEST(http_server, reads_requests_in_any_two_pieces_and_byte_by_byte)
{
    static answer a;
    site s;
    site_open(&s, NULL);
    EACH_SPLIT(sizeof(three) - 1, cut)
    {
        CASE("cut at %zu", cut)
        {
            int fd = dial("x.sock");
            memset(&a, 0, sizeof(a));
            REQUIRE(peer_write(fd, three, cut));
            settle(&s, fd, &a);
            REQUIRE(peer_write(fd, three + cut, sizeof(three) - 1 - cut));
            settle(&s, fd, &a);
            CHECK_STR(a.text, three_answers);
            close(fd);
        }
    }
    int fd = dial("x.sock");
    memset(&a, 0, sizeof(a));
    for (size_t i = 0; i < sizeof(three) - 1; i++) {
        REQUIRE(peer_write(fd, three + i, 1));
        settle(&s, fd, &a);
    }
    CHECK_STR(a.text, three_answers);
    close(fd);
    site_close(&s);
}

/* Each hides a second request that a confused server would answer: /show/canary must never run. */
TEST(http_server, is_not_fooled_by_smuggled_requests)
{
#define CANARY "GET /show/canary" H "\r\n"
    static const char *const rows[] = {
        "POST /echo" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" CANARY,
        "POST /echo" H "Content-Length: 0\r\nContent-Length: 50\r\n\r\n" CANARY,
        "POST /echo" H "Content-Length: 0, 50\r\n\r\n" CANARY,
        "POST /echo" H "Content-Length: +0\r\n\r\n" CANARY,
        "POST /echo" H "Content-Length: -0\r\n\r\n" CANARY,
        "POST /echo" H "Content-Length: 0x0\r\n\r\n" CANARY,
        "POST /echo" H "Content-Length : 0\r\n\r\n" CANARY,
        "POST /echo" H "Content-Length\t: 0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" CANARY,
        "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n0\n\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" CANARY,
        "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" CANARY,
        "GET /healthz HTTP/1.1\nHost: a\n\n" CANARY,
        "GET /healthz" H "X: a\n\r\n" CANARY,
        "GET /healthz" H "X: a\r\r\n\r\n" CANARY,
        "GET /healthz" H "\rX: a\r\n\r\n" CANARY,
        "GET /healthz" H "X: a\r\n b\r\n\r\n" CANARY,
        "GET /healthz" H ": a\r\n\r\n" CANARY,
        "GET /healthz" H "Host: b\r\n\r\n" CANARY,
        "GET /healthz HTTP/1.1\r\n\r\n" CANARY,
    };
    static answer a;
    site s;
    site_open(&s, NULL);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        for (size_t piece = 1; piece < 200; piece += 66) {
            CASE("%s in pieces of %zu", rows[i], piece)
            {
                int fd = dial("x.sock");
                s.seen[0] = '\0';
                memset(&a, 0, sizeof(a));
                for (size_t at = 0; at < strlen(rows[i]); at += piece) {
                    (void)peer_write(fd, rows[i] + at, PK__MIN(piece, strlen(rows[i]) - at));
                    settle(&s, fd, &a);
                }
                CHECK_STR(s.seen, "");
                CHECK(strncmp(a.text, "HTTP/1.1 400", 12) == 0 || strncmp(a.text, "HTTP/1.1 501", 12) == 0);
                CHECK(strstr(a.text + 1, "HTTP/1.1") == NULL);
                CHECK_CONTAINS(a.text, "Connection: close\r\n");
                CHECK(a.eof);
                close(fd);
            }
        }
    }
    site_close(&s);
}

TEST(http_server, waits_for_nobody_who_waits_for_100)
{
    static answer a;
    site s;
    site_open(&s, NULL);
    int fd = dial("x.sock");
    CHECK_STR(talk(&s, fd, "POST /echo" H EXPECT "Content-Length: 5\r\n\r\n", &a), "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_CONTAINS(talk(&s, fd, "hello", &a), "\r\n\r\nhello");
    CHECK(!a.eof);
    /* Who sends the body along is not answered twice. */
    CHECK_STR(talk(&s, fd, "POST /echo" H "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx", &a),
              OK_JSON "Content-Length: 1\r\n\r\nx");
    close(fd);
    /* A refusal instead of 100: the body will not come, and the connection ends. */
    fd = dial("x.sock");
    CHECK_CONTAINS(talk(&s, fd, "POST /nope" H EXPECT "Content-Length: 5\r\n\r\n", &a), "HTTP/1.1 404");
    CHECK(a.eof);
    close(fd);
    check_talk(&s, "POST /echo" H "Expect: 99\r\nContent-Length: 5\r\n\r\n",
               "HTTP/1.1 417 Expectation Failed\r\n" JSON "Content-Length: 91\r\nConnection: close\r\n\r\n"
               "{\"message\":\"expectation other than 100-continue\","
               "\"statusCode\":417,\"code\":\"TRANSPORT_1301\"}\n",
               false);
    site_close(&s);
}

TEST(http_server, holds_its_limits)
{
    static answer a;
    static char bytes[70000];
    site s;
    pk_server_desc desc = {0};
    desc.limit.body_bytes = 1000;
    site_open(&s, &desc);
    static const struct {
        const char *before, *after;
        size_t fill;
        const char *status;
    } rows[] = {
        {"GET /", H "\r\n", 9000, "HTTP/1.1 414 URI Too Long"},
        {"GET /healthz" H "X: ", "\r\n\r\n", 17000, "HTTP/1.1 431 Request Header Fields Too Large"},
        {"POST /echo" H "Content-Length: 1000\r\n\r\n", "", 1000, "HTTP/1.1 200 OK"},
        {"POST /echo" H "Content-Length: 1001\r\n\r\n", "", 1001, "HTTP/1.1 413 Content Too Large"},
        {"POST /echo" H "Content-Length: 60000\r\n\r\n", "", 60000, "HTTP/1.1 413 Content Too Large"},
        {"POST /echo" H "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", "\r\n0\r\n\r\n", 1001,
         "HTTP/1.1 413 Content Too Large"},
        {"POST /echo" H "Transfer-Encoding: chunked\r\n\r\n3e8\r\n", "\r\n0\r\n\r\n", 1000, "HTTP/1.1 200 OK"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s, %zu", rows[i].before, rows[i].fill)
        {
            size_t len = strlen(rows[i].before);
            memcpy(bytes, rows[i].before, len);
            memset(bytes + len, 'x', rows[i].fill);
            memcpy(bytes + len + rows[i].fill, rows[i].after, strlen(rows[i].after) + 1);
            int fd = dial("x.sock");
            CHECK_CONTAINS(talk_n(&s, fd, bytes, len + rows[i].fill + strlen(rows[i].after), &a), rows[i].status);
            CHECK_INT(a.eof, ==, !strstr(rows[i].status, "200"));
            close(fd);
        }
    }
    /* The next request of a connection is read from the start again. */
    check_talk(&s, three, three_answers, true);
    site_close(&s);
}

/* ---- time */

TEST(http_server, gives_heads_and_bodies_only_so_long)
{
    static answer a;
    site s;
    pk__clock_fake(1000 * PK__SECOND);
    site_open(&s, NULL);
    int head = dial("x.sock"), silent = dial("x.sock"), body = dial("x.sock"), idle = dial("x.sock");
    CHECK_STR(talk(&s, idle, "GET /healthz" H "\r\n", &a), OK_EMPTY);
    CHECK_STR(talk(&s, body, "POST /echo" H "Content-Length: 5\r\n\r\nhe", &a), "");
    for (int i = 0; i < 9; i++) { // a byte each second does not keep it alive
        char byte = "GET /heal"[i];
        CHECK_STR(talk_n(&s, head, &byte, 1, &a), "");
        pk__clock_advance(PK__SECOND);
    }
    pk__clock_advance(PK__SECOND - 1);
    settle(&s, head, &a);
    CHECK(!a.eof);
    pk__clock_advance(1);
    settle(&s, head, &a);
    CHECK_CONTAINS(a.text, "HTTP/1.1 408 Request Timeout\r\n");
    CHECK(a.eof);
    memset(&a, 0, sizeof(a));
    settle(&s, silent, &a); // it never said a word: neither do we
    CHECK_STR(a.text, "");
    CHECK(a.eof);

    memset(&a, 0, sizeof(a)); // a body is measured from piece to piece
    pk__clock_advance(40 * PK__SECOND);
    CHECK_STR(talk(&s, body, "l", &a), "");
    pk__clock_advance(59 * PK__SECOND);
    settle(&s, body, &a);
    CHECK(!a.eof);
    pk__clock_advance(2 * PK__SECOND);
    settle(&s, body, &a);
    CHECK_CONTAINS(a.text, "HTTP/1.1 408 Request Timeout\r\n");
    CHECK(a.eof);

    memset(&a, 0, sizeof(a));
    pk__clock_advance(180 * PK__SECOND);
    settle(&s, idle, &a);
    CHECK(!a.eof);
    pk__clock_advance(20 * PK__SECOND);
    settle(&s, idle, &a);
    CHECK(a.eof);
    close(head), close(silent), close(body), close(idle);
    site_close(&s);
}

TEST(http_server, gives_up_on_who_takes_no_answer)
{
    static answer a;
    site s;
    large = (char *)calloc(1, LARGE);
    pk__clock_fake(1000 * PK__SECOND);
    site_open(&s, NULL);
    int fd = dial("x.sock");
    REQUIRE(peer_write(fd, "GET /large/bytes" H "\r\n", 16 + sizeof(H "\r\n") - 1));
    for (int i = 0; i < 10; i++) {
        (void)pk_loop_step(s.loop, 0, NULL);
    }
    CHECK_INT(s.dones, ==, 0);
    pk__clock_advance(61 * PK__SECOND);
    for (int i = 0; i < 10; i++) {
        (void)pk_loop_step(s.loop, 0, NULL);
    }
    CHECK_INT(s.dones, ==, 1);
    memset(&a, 0, sizeof(a));
    settle(&s, fd, &a);
    CHECK(a.eof);
    CHECK_UINT(a.all, <, LARGE);
    close(fd);
    site_close(&s);
    free(large);
}

/* ---- who may ask */

TEST(http_server, asks_for_the_token)
{
    static const char *const open_paths[] = {"/healthz", NULL};
    static answer a;
    site s;
    pk_server_desc desc = {0};
    desc.token = PK_STR("0123456789abcdef");
    desc.open_paths = open_paths;
    site_open(&s, &desc);
    check_talk(&s, "GET /healthz" H "\r\n", OK_EMPTY, true);
    static const char refused[] =
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: PlugKit-Token\r\n" JSON "Content-Length: 110\r\n\r\n"
        "{\"message\":\"cannot serve the request: the token is missing or wrong\","
        "\"statusCode\":401,\"code\":\"SECURITY_1801\"}\n";
    check_talk(&s, "GET /show/x" H "\r\n", refused, true);
    check_talk(&s, "GET /nope" H "\r\n", refused, true);
    check_talk(&s, "TRACE /nope" H "\r\n", refused, true);
    check_talk(&s, "GET /healthz/../show/x" H "\r\n", refused, true);
    check_talk(&s, "GET /show/x" H "PlugKit-Token: 0123456789abcde\r\n\r\n", refused, true);
    check_talk(&s, "GET /show/x" H "PlugKit-Token: 0123456789abcdef0\r\n\r\n", refused, true);
    check_talk(&s, "GET /show/x" H "PlugKit-Token:\r\n\r\n", refused, true);
    check_talk(&s, "GET /show/x" H "PlugKit-Token: x\r\nPlugKit-Token: 0123456789abcdef\r\n\r\n", refused, true);
    check_talk(&s, "GET /show/x" H "PlugKit-Token: 0123456789abcdef\r\nplugkit-token: x\r\n\r\n", refused, true);
    check_talk(&s, "GET /show/x" H "Authorization: 0123456789abcdef\r\n\r\n", refused, true);
    CHECK_INT(s.runs, ==, 1);
    CHECK_INT(s.work, ==, 0);
    int fd = dial("x.sock");
    CHECK_CONTAINS(talk(&s, fd, "GET /context" H "plugkit-TOKEN: 0123456789abcdef\r\nX-Own: o\r\n\r\n", &a),
                   "forever 0   o token= 2"); // the handler does not see it
    close(fd);
    site_close(&s);
}

static bool knows_token(void *user, pk_str token, pk_str caller)
{
    (void)user;
    return pk__token_equal(token, PK_STR("of-shop")) && pk_str_is(caller, "shop");
}

TEST(http_server, lets_a_callback_decide_about_tokens)
{
    static answer a;
    site s;
    pk_server_desc desc = {0};
    desc.on_token = knows_token;
    site_open(&s, &desc);
    int fd = dial("x.sock");
    CHECK_CONTAINS(talk(&s, fd, "GET /show/x" H "\r\n", &a), "HTTP/1.1 401");
    CHECK_CONTAINS(talk(&s, fd, "GET /show/x" H "PlugKit-Token: of-shop\r\n\r\n", &a), "HTTP/1.1 401");
    (void)talk(&s, fd, "GET /show/x" H "PlugKit-Token: of-shop\r\nPlugKit-Caller: shop\r\n\r\n", &a);
    CHECK_CONTAINS(a.text, "200 OK");
    close(fd);
    site_close(&s);
}

static int other_uid(int fd, uid_t *uid, pid_t *pid)
{
    (void)fd;
    *uid = geteuid() + 1;
    *pid = 1;
    return 0;
}

TEST(http_server, turns_other_users_away)
{
    for (int any = 0; any < 2; any++) {
        static answer a;
        site s;
        pk_server_desc desc = {0};
        desc.any_uid = any;
        site_open(&s, &desc);
        pk__sys.peer_uid = other_uid;
        int fd = dial("x.sock");
        (void)talk(&s, fd, "GET /healthz" H "\r\n", &a);
        CHECK_INT(a.all > 0, ==, any);
        CHECK_INT(a.eof, ==, !any);
        CHECK_INT(s.runs, ==, any);
        close(fd);
        site_close(&s);
    }
}

TEST(http_server, tells_handlers_about_their_call)
{
    static answer a;
    site s;
    site_open(&s, NULL);
    int fd = dial("x.sock");
    static const char known[] =
        "GET /context" H "Connect-Timeout-Ms: 5000\r\nPlugKit-Caller: shop-1\r\ntraceparent: 00-1\r\n\r\n";
    CHECK_CONTAINS(talk(&s, fd, known, &a),
                   "soon 0 shop-1 00-1  token= 4");
    CHECK_CONTAINS(talk(&s, fd, "GET /context" H "Connect-Timeout-Ms: -5\r\n\r\n", &a), "forever 0");
    /* Somebody who has hung up by the time the handler asks. */
    REQUIRE(peer_write(fd, "GET /context" H "\r\n", 12 + sizeof(H "\r\n") - 1) && shutdown(fd, SHUT_WR) == 0);
    memset(&a, 0, sizeof(a));
    settle(&s, fd, &a);
    CHECK_CONTAINS(a.text, "forever 1");
    CHECK(a.eof); // the end came with the request, and is not news for the loop
    close(fd);
    site_close(&s);
}

/* ---- bodies */

static void make_large(void)
{
    large = (char *)malloc(LARGE);
    REQUIRE(large != NULL);
    for (size_t i = 0; i < LARGE; i++) {
        large[i] = (char)('a' + i % 26);
    }
    int fd = open("large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, large, LARGE) == (ssize_t)LARGE);
    close(fd);
}

static ssize_t no_sendfile(int out, int in, off_t *at, size_t len)
{
    (void)out, (void)in, (void)at, (void)len;
    errno = ENOSYS;
    return -1;
}

TEST(http_server, sends_large_bodies_of_every_kind)
{
    static const struct {
        const char *name;
        uint64_t size;
    } rows[] = {{"bytes", LARGE}, {"file", LARGE - 10}, {"stream", LARGE}};
    static answer a;
    site s;
    make_large();
    site_open(&s, NULL);
    for (size_t i = 0; i < PK__COUNT(rows) + 1; i++) {
        size_t row = PK__MIN(i, PK__COUNT(rows) - 1);
        CASE("%s", rows[row].name)
        {
            char bytes[100];
            int fd = dial("x.sock");
            if (i == PK__COUNT(rows)) {
                pk__sys.sendfile = no_sendfile;
                row = 1;
            }
            snprintf(bytes, sizeof(bytes), "GET /large/%s" H "\r\n", rows[row].name);
            (void)talk(&s, fd, bytes, &a);
            size_t head = (size_t)(strstr(a.text, "\r\n\r\n") - a.text) + 4;
            if (row < 2) {
                CHECK_UINT(a.all - head, ==, rows[row].size);
                CHECK_MEM(a.text + head, large + (row == 1 ? 10 : 0), 30000);
            } else {
                CHECK_UINT(a.all - head, >, rows[row].size);
                CHECK_CONTAINS(a.text, "Transfer-Encoding: chunked");
            }
            CHECK(!a.eof);
            CHECK_STR(talk(&s, fd, "GET /healthz" H "\r\n", &a), OK_EMPTY);
            close(fd);
        }
    }
    CHECK_INT(s.dones, ==, 4);
    site_close(&s);
    free(large);
    for (int fd = 3; fd < 64; fd++) { // the handler left its file open
        struct stat st;
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
            close(fd);
        }
    }
}

/* A body whose reader fails ends in the middle, so that nobody takes it for whole. */
TEST(http_server, cuts_off_what_it_cannot_finish)
{
    static answer a;
    site s;
    site_open(&s, NULL);
    int fd = dial("x.sock");
    (void)talk(&s, fd, "GET /large/broken" H "\r\n", &a);
    CHECK(a.eof);
    CHECK_UINT(a.all, >, LARGE);
    CHECK_INT(s.dones, ==, 1);
    close(fd);
    /* And a peer that goes away in the middle costs nothing but its connection. */
    fd = dial("x.sock");
    REQUIRE(peer_write(fd, "GET /large/stream" H "\r\n", 17 + sizeof(H "\r\n") - 1));
    for (int i = 0; i < 5; i++) {
        (void)pk_loop_step(s.loop, 0, NULL);
    }
    close(fd);
    memset(&a, 0, sizeof(a));
    settle(&s, -1, &a);
    CHECK_INT(s.dones, ==, 2);
    CHECK(pk_server_is_idle(s.server));
    site_close(&s);
}

static size_t upload(char *out, size_t body, bool chunked, const char *query)
{
    size_t at = (size_t)sprintf(out, "POST /upload?%s" H, query);
    if (chunked) {
        at += (size_t)sprintf(out + at, "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t left = body; left > 0;) {
            size_t n = PK__MIN(left, (size_t)7000);
            at += (size_t)sprintf(out + at, "%zx;e\r\n", n);
            memset(out + at, 'u', n);
            at += n;
            at += (size_t)sprintf(out + at, "\r\n");
            left -= n;
        }
        at += (size_t)sprintf(out + at, "0\r\n\r\n");
    } else {
        at += (size_t)sprintf(out + at, "Content-Length: %zu\r\n\r\n", body);
        memset(out + at, 'u', body);
        at += body;
    }
    return at;
}

TEST(http_server, lets_handlers_read_uploads_themselves)
{
    static answer a;
    static char bytes[200000];
    site s;
    pk_server_desc desc = {0};
    desc.limit.body_bytes = 100; // does not count for uploads
    site_open(&s, &desc);
    for (int chunked = 0; chunked < 2; chunked++) {
        CASE("chunked %d", chunked)
        {
            int fd = dial("x.sock");
            size_t len = upload(bytes, 50000, chunked, "all");
            CHECK_CONTAINS(talk_n(&s, fd, bytes, len, &a), "\r\n\r\n50000");
            CHECK(!a.eof);
            len = upload(bytes, 60000, chunked, "10"); // what it leaves is read away ...
            len += (size_t)sprintf(bytes + len, "GET /show/next" H "\r\n");
            CHECK_CONTAINS(talk_n(&s, fd, bytes, len, &a), "\r\n\r\n10HTTP/1.1 200 OK");
            CHECK_CONTAINS(a.text, "GET /show/next"); // ... and the next request is found behind it
            CHECK(!a.eof);
            len = upload(bytes, 0, chunked, "all");
            CHECK_CONTAINS(talk_n(&s, fd, bytes, len, &a), "\r\n\r\n0");
            close(fd);
        }
    }
    /* Too much to read away: the connection ends instead. */
    int fd = dial("x.sock");
    CHECK_CONTAINS(talk(&s, fd, "POST /upload?2" H "Content-Length: 99999999\r\n\r\nuu", &a),
                   "Connection: close\r\n\r\n2");
    CHECK(a.eof);
    close(fd);
    site_close(&s);
}

/* ---- threads: the loop on one, the client on another */

typedef struct running {
    site *site;
    pthread_t thread;
    uint32_t stop;
} running;

static void *run_loop(void *arg)
{
    running *r = (running *)arg;
    while (!pk__atomic_load(&r->stop)) {
        (void)pk_loop_step(r->site->loop, 100, NULL);
    }
    return NULL;
}

static void run_start(running *r, site *s)
{
    r->site = s;
    r->stop = 0;
    REQUIRE(pthread_create(&r->thread, NULL, run_loop, r) == 0);
}

static void run_stop(running *r)
{
    pk__atomic_store(&r->stop, 1);
    pk_loop_wake(r->site->loop);
    pthread_join(r->thread, NULL);
}

/* Sends and reads until `until` is there, waiting. */
static const char *ask(int fd, const char *bytes, size_t len, const char *until, answer *a)
{
    memset(a, 0, sizeof(*a));
    (void)peer_write(fd, bytes, len);
    while (!strstr(a->text, until) && !a->eof) {
        struct pollfd p = {fd, POLLIN, 0};
        (void)poll(&p, 1, 5000);
        (void)answer_more(a, fd);
    }
    return a->text;
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t change;
    int inside;
    bool open, canceled;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false, false};

static pk_err run_gate(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)err;
    pthread_mutex_lock(&gate.lock);
    gate.inside++;
    pthread_cond_broadcast(&gate.change);
    while (!gate.open) {
        pthread_cond_wait(&gate.change, &gate.lock);
    }
    pthread_mutex_unlock(&gate.lock);
    a->body.bytes = pk_mem_dup(q->ctx->mem, PK_STR("through"));
    return PK_OK;
}

static void gate_open(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.change);
    pthread_mutex_unlock(&gate.lock);
}

TEST(http_server, runs_handlers_on_workers_and_health_beside_them)
{
    static answer a;
    site s;
    running r;
    pk_server_desc desc = {0};
    desc.workers = 2;
    site_open(&s, &desc);
    const pk_route route = {"GET /gate", 0, run_gate, NULL};
    REQUIRE_OK(pk_server_add(s.server, &route, NULL));
    run_start(&r, &s);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial("x.sock");
        REQUIRE(peer_write(fds[i], "GET /gate" H "\r\n", 9 + sizeof(H "\r\n") - 1));
    }
    pthread_mutex_lock(&gate.lock);
    while (gate.inside < 2) { // two at once; the third waits for a worker
        pthread_cond_wait(&gate.change, &gate.lock);
    }
    CHECK_INT(gate.inside, ==, 2);
    pthread_mutex_unlock(&gate.lock);
    int fd = dial("x.sock");
    CHECK_CONTAINS(ask(fd, "GET /healthz" H "\r\n", 12 + sizeof(H "\r\n") - 1, "\r\n\r\n", &a), "200 OK");
    close(fds[2]); // it hangs up before its turn
    gate_open();
    for (int i = 0; i < 2; i++) {
        CHECK_CONTAINS(ask(fds[i], "", 0, "through", &a), "through");
        /* And the connection goes on. */
        CHECK_CONTAINS(ask(fds[i], three, sizeof(three) - 1, "[]", &a), three_answers);
        close(fds[i]);
    }
    close(fd);
    run_stop(&r);
    site_close(&s);
}

TEST(http_server, streams_from_and_to_workers)
{
    static answer a;
    static char bytes[200000];
    site s;
    running r;
    pk_server_desc desc = {0};
    desc.workers = 1;
    make_large();
    site_open(&s, &desc);
    run_start(&r, &s);
    int fd = dial("x.sock");
    CHECK_CONTAINS(ask(fd, "POST /upload?all" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
                       16 + sizeof(H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n") - 1, "\r\n\r\n", &a),
                   "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_CONTAINS(ask(fd, "hello", 5, "\r\n\r\n5", &a), "200 OK");
    size_t len = upload(bytes, 150000, true, "all");
    CHECK_CONTAINS(ask(fd, bytes, len, "\r\n\r\n150000", &a), "200 OK");
    static const char *const kinds[] = {"bytes", "stream"};
    for (size_t i = 0; i < 2; i++) {
        len = (size_t)snprintf(bytes, sizeof(bytes), "GET /large/%s" H "\r\n", kinds[i]);
        memset(&a, 0, sizeof(a));
        REQUIRE(peer_write(fd, bytes, len));
        while (a.all <= LARGE && !a.eof) {
            struct pollfd p = {fd, POLLIN, 0};
            (void)poll(&p, 1, 5000);
            (void)answer_more(&a, fd);
        }
        CHECK_UINT(a.all, >, LARGE);
        CHECK(!a.eof);
        while (i == 1 && answer_more(&a, fd)) {
        }
        close(fd);
        fd = dial("x.sock");
    }
    close(fd);
    run_stop(&r);
    site_close(&s);
    free(large);
}

/* What becomes of an upload whose sender goes away, stops, or sends what is no chunk. */
TEST(http_server, tells_handlers_that_an_upload_broke)
{
    static const struct {
        const char *text, *status;
        bool hang_up, late;
    } rows[] = {
        {"POST /upload?all" H "Content-Length: 10\r\n\r\nhalf", "", true, false},
        {"POST /upload?all" H "Transfer-Encoding: chunked\r\n\r\n5\r\nha", "", true, false},
        {"POST /upload?all" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 500", false, false},
        {"POST /upload?all" H "Content-Length: 10\r\n\r\nhalf", "HTTP/1.1 504", false, true},
        {"POST /upload?all" H "Connect-Timeout-Ms: 50\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 504", false, false},
        {"POST /upload?0" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 200", false, false},
    };
    static answer a;
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            site s;
            running r;
            pk_server_desc desc = {0};
            desc.workers = 1;
            desc.limit.body_ms = rows[i].late ? 50 : 0;
            site_open(&s, &desc);
            run_start(&r, &s);
            int fd = dial("x.sock");
            REQUIRE(peer_write(fd, rows[i].text, strlen(rows[i].text)));
            if (rows[i].hang_up) {
                close(fd);
                fd = dial("x.sock"); // the server goes on
                CHECK_CONTAINS(ask(fd, "GET /show/y" H "\r\n", 11 + sizeof(H "\r\n") - 1, "[]", &a), "200 OK");
            } else {
                CHECK_CONTAINS(ask(fd, "", 0, "\r\n\r\n", &a), rows[i].status);
                while (!a.eof) { // and this connection is not used again
                    struct pollfd p = {fd, POLLIN, 0};
                    (void)poll(&p, 1, 5000);
                    (void)answer_more(&a, fd);
                }
            }
            close(fd);
            run_stop(&r);
            while (!pk_server_is_idle(s.server)) { // the job may still be on its way home
                (void)pk_loop_step(s.loop, 10, NULL);
            }
            site_close(&s);
        }
    }
}

static pk_err run_until_canceled(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)a;
    pthread_mutex_lock(&gate.lock);
    gate.inside++;
    pthread_mutex_unlock(&gate.lock);
    while (!pk_ctx_is_canceled(q->ctx)) {
        test__nap(1);
    }
    return pk_error_set(err, PK_ERR_CANCELED, "gave up");
}

TEST(http_server, ends_handlers_when_it_is_destroyed)
{
    site s;
    running r;
    pk_server_desc desc = {0};
    desc.workers = 2;
    site_open(&s, &desc);
    const pk_route route = {"GET /wait", 0, run_until_canceled, NULL};
    REQUIRE_OK(pk_server_add(s.server, &route, NULL));
    run_start(&r, &s);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial("x.sock");
        REQUIRE(peer_write(fds[i], "GET /wait" H "\r\n", 9 + sizeof(H "\r\n") - 1));
    }
    for (int inside = 0; inside < 2;) {
        pthread_mutex_lock(&gate.lock);
        inside = gate.inside;
        pthread_mutex_unlock(&gate.lock);
    }
    run_stop(&r);
    site_close(&s); // one of them is still in the queue
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

/* ---- interceptors */

static char trail[400];
static site *trail_site;

static pk_verdict before_a(void *user, pk_exchange *x)
{
    CHECK_UINT(((const char *)x->state)[0], ==, 0);
    memcpy(x->state, "s", 2);
    strcat(trail, (const char *)user);
    if (pk_str_is(pk_ctx_meta(x->ctx, "X-Do"), "answer")) {
        x->reply->status = 202;
        x->reply->body.bytes = PK_STR("from before");
        return PK_ANSWER;
    }
    if (pk_str_is(pk_ctx_meta(x->ctx, "X-Do"), "refuse")) {
        return PK_REFUSE;
    }
    if (pk_str_is(pk_ctx_meta(x->ctx, "X-Do"), "wait")) {
        pk__atomic_store_ptr(&trail_site->held, x);
        return PK_WAIT;
    }
    if (pk_str_is(pk_ctx_meta(x->ctx, "X-Do"), "early")) {
        pk_exchange_resume(x, PK_GO); // before we have even returned
        return PK_WAIT;
    }
    return PK_GO;
}

static pk_verdict after_a(void *user, pk_exchange *x, uint32_t *delay_ms)
{
    (void)delay_ms;
    CHECK_STR((const char *)x->state, "s");
    strcat(trail, "-");
    strcat(trail, (const char *)user);
    if (pk_str_is(pk_ctx_meta(x->ctx, "X-Do"), "change")) {
        x->reply->status = 201;
    }
    return PK_GO;
}

TEST(http_server, runs_interceptors_around_handlers)
{
    static const pk_interceptor one = {.name = "one", .scope = PK_SCOPE_SERVE, .order = 1, .state_size = 2,
                                       .before = before_a, .after = after_a, .user = (void *)(uintptr_t)"one "};
    static const pk_interceptor two = {.name = "two", .scope = PK_SCOPE_SERVE, .order = 2, .state_size = 2,
                                       .before = before_a, .after = after_a, .user = (void *)(uintptr_t)"two "};
    static const pk_interceptor not_here = {.name = "call", .scope = PK_SCOPE_CALL, .order = 0, .state_size = 0,
                                            .before = before_a, .after = after_a};
    static const pk_interceptor *const list[] = {&two, &not_here, &one};
    static const struct {
        const char *act, *answer, *trail;
        int runs;
    } rows[] = {
        {"nothing", "HTTP/1.1 200 OK\r\n", "one two -two -one ", 1},
        {"change", "HTTP/1.1 201 Created\r\n", "one two -two -one ", 1},
        {"answer", "HTTP/1.1 202 Accepted\r\n" JSON "Content-Length: 11\r\n\r\nfrom before", "one -one ", 0},
        {"refuse", "HTTP/1.1 401 Unauthorized\r\n", "one -one ", 0},
        {"early", "HTTP/1.1 200 OK\r\n", "one two -two -one ", 1},
        {"wait", "HTTP/1.1 200 OK\r\n", "one two -two -one ", 1},
    };
    for (int workers = 0; workers < 2; workers++) {
        static answer a;
        site s;
        running r;
        pk_server_desc desc = {0};
        desc.interceptors = list;
        desc.interceptor_count = 3;
        desc.workers = workers;
        site_open(&s, &desc);
        trail_site = &s;
        for (size_t i = 0; i < PK__COUNT(rows); i++) {
            CASE("%s, workers %d", rows[i].act, workers)
            {
                char bytes[200];
                int fd = dial("x.sock");
                size_t len = (size_t)snprintf(bytes, sizeof(bytes), "GET /show/x" H "X-Do: %s\r\n\r\n", rows[i].act);
                trail[0] = '\0';
                s.runs = 0;
                s.held = NULL;
                if (strcmp(rows[i].act, "wait") == 0) {
                    (void)peer_write(fd, bytes, len);
                    for (int turn = 0; turn < 2; turn++) { // held by both, one after the other
                        pk_exchange *x;
                        while ((x = (pk_exchange *)pk__atomic_swap_ptr(&s.held, NULL)) == NULL) {
                            (void)pk_loop_step(s.loop, 1, NULL);
                        }
                        pk_exchange_resume(x, PK_GO);
                    }
                    run_start(&r, &s);
                    (void)ask(fd, "", 0, "[]", &a);
                } else {
                    run_start(&r, &s);
                    (void)ask(fd, bytes, len, "\r\n\r\n", &a);
                }
                run_stop(&r);
                settle(&s, fd, &a);
                CHECK_CONTAINS(a.text, rows[i].answer);
                CHECK_STR(trail, rows[i].trail);
                CHECK_INT(s.runs, ==, rows[i].runs);
                close(fd);
            }
        }
        site_close(&s);
    }
}

/* Sees what the server refuses by itself: notes it, and does with it as the path says. */
static pk_verdict before_refused(void *user, pk_exchange *x)
{
    const pk_request *q = x->request;
    (void)user;
    strcat(trail, x->refused ? "refused:" : "fine:");
    CHECK(x->refused == (q->route == NULL) && x->call->http == q->route);
    CHECK_INT(x->err->code, ==, PK_OK);
    if (pk_str_is(q->query, "answer")) {
        x->reply->status = 299;
        return PK_ANSWER;
    }
    if (pk_str_is(q->query, "refuse")) {
        (void)pk_error_set(x->err, PK_ERR_RATE_LIMIT, "too many");
        return PK_REFUSE;
    }
    if (pk_str_is(q->query, "wait")) {
        pk__atomic_store_ptr(&trail_site->held, x);
        return PK_WAIT;
    }
    return PK_GO;
}

static pk_verdict after_refused(void *user, pk_exchange *x, uint32_t *delay_ms)
{
    (void)user, (void)delay_ms;
    char text[40];
    snprintf(text, sizeof(text), "%d ", x->err->code ? pk__error_body_status(x->err) : x->reply->status);
    strcat(trail, text);
    pk_ctx_meta_out(x->ctx, PK_STR("X-Seen"), PK_STR("yes"));
    return PK_GO;
}

TEST(http_server, shows_refused_requests_to_interceptors_that_ask_for_them)
{
    static const pk_interceptor watcher = {.name = "watcher", .scope = PK_SCOPE_SERVE, .before = before_refused,
                                           .after = after_refused, .refused = true};
    static const pk_interceptor other = {.name = "other", .scope = PK_SCOPE_SERVE, .state_size = 2, .before = before_a,
                                         .after = after_a, .user = (void *)(uintptr_t)"o "};
    static const pk_interceptor *const list[] = {&watcher, &other};
    static const struct {
        const char *bytes, *answer, *trail;
    } rows[] = {
        {"GET /show/x" H "PlugKit-Token: t\r\n\r\n", "200 OK", "fine:o -o 200 "},
        {"GET /show/x" H "\r\n", "401 Unauthorized", "refused:401 "},
        {"GET /nope" H "PlugKit-Token: t\r\n\r\n", "404 Not Found", "refused:404 "},
        {"PUT /echo" H "PlugKit-Token: t\r\nContent-Length: 5\r\n\r\nhello", "405 Method Not Allowed", "refused:405 "},
        {"OPTIONS /echo" H "PlugKit-Token: t\r\n\r\n", "204 No Content", "refused:204 "},
        {"TRACE /echo" H "PlugKit-Token: t\r\n\r\n", "501 Not Implemented", "refused:501 "},
        {"GET /%00" H "PlugKit-Token: t\r\n\r\n", "400 Bad Request", "refused:400 "},
        {"GET /nope?answer" H "\r\n", "299 ", "refused:299 "},
        {"GET /nope?refuse" H "\r\n", "429 Too Many Requests", "refused:429 "},
        {"GET /nope?wait" H "\r\n", "401 Unauthorized", "refused:401 "},
    };
    for (int workers = 0; workers < 2; workers++) {
        static answer a;
        site s;
        pk_server_desc desc = {0};
        desc.interceptors = list;
        desc.interceptor_count = 2;
        desc.token = PK_STR("t");
        site_open(&s, &desc);
        trail_site = &s;
        for (size_t i = 0; i < PK__COUNT(rows); i++) {
            CASE("%s, workers %d", rows[i].bytes, workers)
            {
                int fd = dial("x.sock");
                trail[0] = '\0';
                (void)talk(&s, fd, rows[i].bytes, &a);
                pk_exchange *held = (pk_exchange *)pk__atomic_swap_ptr(&s.held, NULL);
                if (held) {
                    CHECK_STR(a.text, "");
                    pk_exchange_resume(held, PK_GO);
                    settle(&s, fd, &a);
                }
                CHECK_CONTAINS(a.text, rows[i].answer);
                CHECK_CONTAINS(a.text, "\r\nX-Seen: yes\r\n");
                CHECK_STR(trail, rows[i].trail);
                CHECK_INT(s.work, ==, 0);
                close(fd);
            }
        }
        site_close(&s);
    }
}

/* ---- its own life */

TEST(http_server, drains)
{
    static answer a, b;
    site s;
    site_open(&s, NULL);
    int idle = dial("x.sock"), busy = dial("x.sock");
    (void)talk(&s, idle, "GET /healthz" H "\r\n", &a);
    CHECK_STR(talk(&s, busy, "POST /drain" H "\r\n", &b), OK_LAST);
    CHECK(b.eof);
    settle(&s, idle, &a);
    CHECK(a.eof);
    CHECK(pk_server_is_idle(s.server));
    CHECK_INT(socket_refused("x.sock"), ==, ECONNREFUSED);
    close(idle), close(busy);
    site_close(&s);
}

TEST(http_server, may_be_destroyed_in_a_handler)
{
    static answer a;
    site s;
    site_open(&s, NULL);
    int fd = dial("x.sock"), other = dial("x.sock");
    CHECK_CONTAINS(talk(&s, fd, "GET /destroy" H "\r\nGET /healthz" H "\r\n", &a),
                   "Connection: close\r\n\r\nlast words");
    CHECK(a.eof);
    CHECK_INT(s.runs, ==, 1);
    close(fd), close(other);
    site_close(&s);
}

static int no_descriptors(int fd, struct sockaddr *address, socklen_t *len)
{
    (void)fd, (void)address, (void)len;
    errno = EMFILE;
    return -1;
}

TEST(http_server, rests_when_descriptors_run_out)
{
    static answer a;
    site s;
    pk__clock_fake(1000 * PK__SECOND);
    site_open(&s, NULL);
    memset(&a, 0, sizeof(a));
    int fd = dial("x.sock");
    pk__sys_reset();
    pk__sys.accept = no_descriptors;
    for (int i = 0; i < 20; i++) {
        (void)pk_loop_step(s.loop, 0, NULL);
    }
    CHECK(!s.server->engine->accepting); // it is not asked again and again
    pk__sys_reset();
    REQUIRE(peer_write(fd, "GET /healthz" H "\r\n", 12 + sizeof(H "\r\n") - 1));
    settle(&s, fd, &a);
    CHECK_STR(a.text, "");
    pk__clock_advance(51 * PK__MS);
    settle(&s, fd, &a);
    CHECK_CONTAINS(a.text, "200 OK");
    close(fd);
    site_close(&s);
}

TEST(http_server, closes_the_longest_idle_when_connections_run_out)
{
    static answer a;
    site s;
    pk_server_desc desc = {0};
    desc.limit.connections = 3;
    site_open(&s, &desc);
    int fds[5];
    static const char begun[] = "POST /echo" H "Content-Length: 5\r\n\r\nhe";
    for (int i = 0; i < 4; i++) {
        fds[i] = dial("x.sock");
        CHECK_CONTAINS(talk(&s, fds[i], i == 1 ? begun : "GET /healthz" H "\r\n", &a), i == 1 ? "" : "200 OK");
    }
    memset(&a, 0, sizeof(a));
    settle(&s, fds[0], &a);
    CHECK(a.eof);
    CHECK_UINT(s.server->engine->link_count, ==, 3);
    /* All busy: a new one waits until somebody leaves. */
    CHECK_STR(talk(&s, fds[2], begun, &a), "");
    CHECK_STR(talk(&s, fds[3], begun, &a), "");
    fds[4] = dial("x.sock");
    CHECK_STR(talk(&s, fds[4], "GET /healthz" H "\r\n", &a), "");
    CHECK(!s.server->engine->accepting);
    close(fds[2]);
    settle(&s, fds[4], &a);
    CHECK_CONTAINS(a.text, "200 OK");
    close(fds[0]), close(fds[1]), close(fds[3]), close(fds[4]);
    site_close(&s);
}

TEST(http_server, makes_three_system_calls_for_a_warm_request)
{
    static const char request[] = "POST /echo" H "Content-Length: 5\r\n\r\nhello";
    static answer a;
    site s;
    site_open(&s, NULL);
    int fd = dial("x.sock");
    for (int i = 0; i < 3; i++) {
        REQUIRE(peer_write(fd, request, sizeof(request) - 1));
        if (i > 0) {
            pk__sys_reset();
        }
        (void)pk_loop_step(s.loop, 1000, NULL);
        if (i == 0) {
            (void)pk_loop_step(s.loop, 1000, NULL); // the first one is the connection itself
            memset(&a, 0, sizeof(a));
        }
        (void)answer_more(&a, fd);
        CHECK_CONTAINS(a.text, "hello");
        if (i > 0) {
            CHECK_UINT(pk__sys_count.recv, ==, 1);
            CHECK_UINT(pk__sys_count.send, ==, 1);
            CHECK_UINT(pk__sys_count.all, ==, 3);
        }
    }
    close(fd);
    site_close(&s);
}

TEST(http_server, is_small_while_it_waits)
{
    static answer a;
    site s;
    site_open(&s, NULL);
    CHECK_UINT(sizeof(pk__http_link), <, 512);
    int fds[40];
    for (size_t i = 0; i < PK__COUNT(fds); i++) {
        fds[i] = dial("x.sock");
        CHECK_CONTAINS(talk(&s, fds[i], "GET /healthz" H "\r\n", &a), "200 OK");
    }
    CHECK_UINT(s.server->engine->spare_count, ==, 1); // one job served them all
    for (size_t i = 0; i < PK__COUNT(fds); i++) {
        close(fds[i]);
    }
    site_close(&s);
}

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
    turn++;
    if (turn % 3 == 0 || turn % 7 == 0) {
        errno = turn % 3 == 0 ? EINTR : EAGAIN;
        return -1;
    }
    return send(fd, buf, len ? 1 : 0, flags);
}

TEST(http_server, works_byte_by_byte_and_through_signals)
{
    static answer a;
    site s;
    site_open(&s, NULL);
    int fd = dial("x.sock");
    pk__sys.recv = tiny_recv;
    pk__sys.send = tiny_send;
    memset(&a, 0, sizeof(a));
    REQUIRE(peer_write(fd, three, sizeof(three) - 1));
    while (a.len < sizeof(three_answers) - 1) {
        settle(&s, fd, &a);
    }
    CHECK_STR(a.text, three_answers);
    close(fd);
    site_close(&s);
}

TEST(http_server, listens_on_tcp_and_on_what_it_is_given)
{
    site s;
    pk_server_desc desc = {0};
    pk__http_pool pool;
    pk__http_pool_desc pd;
    pk__http_client *c = NULL;
    running r;
    pk__http_exchange x;
    desc.listen = "http://127.0.0.1:0";
    site_open(&s, &desc);
    CHECK(strncmp(pk_server_address(s.server), "http://127.0.0.1:", 17) == 0);
    memset(&pd, 0, sizeof(pd));
    memset(&x, 0, sizeof(x));
    pd.alloc = test_alloc();
    pd.address = pk_server_address(s.server);
    REQUIRE_OK(pk__http_pool_init(&pool, &pd, NULL));
    run_start(&r, &s);
    x.method = PK_STR("GET");
    x.target = PK_STR("/healthz");
    x.deadline = PK_FOREVER;
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(pk__http_pool_take(&pool, pk__clock_ns(), &c, NULL));
        CHECK_OK(pk__http_client_run(c, &x, NULL));
        pk__http_pool_give(&pool, c);
    }
    CHECK_UINT(pool.idle_count, ==, 1);
    run_stop(&r);
    pk__http_pool_deinit(&pool);
    site_close(&s);

    pk_server_desc given = {0};
    given.has_listen_fd = true;
    given.listen_fd = peer_listen("x.sock");
    site_open(&s, &given);
    check_talk(&s, "GET /healthz" H "\r\n", OK_EMPTY, true);
    site_close(&s);

    pk_error err = {0};
    given.has_listen_fd = true;
    given.listen_fd = open("/dev/null", O_RDONLY | O_CLOEXEC); // closed, also on failure
    CHECK_ERR(site_try(&s, &given, &err), PK_ERR_OS);
    pk_loop_destroy(s.loop);
    pk_server_desc taken = {0};
    int listener = peer_listen("taken.sock");
    taken.listen = "unix:taken.sock";
    CHECK_ERR(site_try(&s, &taken, &err), PK_ERR_OS);
    CHECK_CONTAINS(err.msg, "cannot listen at 'http+unix://taken.sock'");
    pk_loop_destroy(s.loop);
    close(listener);
}

TEST_TORTURE(http_server, survives_every_failure)
{
    static answer a;
    site s;
    pk_server_desc desc = {0};
    pk_error err = {0};
    desc.token = PK_STR("t");
    unlink("x.sock");
    if (TRY_OK(site_try(&s, &desc, &err))) {
        int fd = dial("x.sock");
        static const char bytes[] = "POST /echo" H "PlugKit-Token: t\r\nContent-Length: 5\r\n\r\nhello"
                                    "GET /large/short" H "PlugKit-Token: t\r\n\r\nGET /nope" H "\r\n";
        memset(&a, 0, sizeof(a));
        REQUIRE(peer_write(fd, bytes, sizeof(bytes) - 1));
        for (int i = 0; i < 30; i++) {
            (void)pk_loop_step(s.loop, 10, NULL);
            while (!a.eof && answer_more(&a, fd)) {
            }
        }
        if (!test_now.torture) {
            CHECK_CONTAINS(a.text, "HTTP/1.1 401");
        }
        CHECK(a.len == 0 || strncmp(a.text, "HTTP/1.1 ", 9) == 0);
        close(fd);
    }
    pk_server_destroy(s.server);
    pk_loop_destroy(s.loop);
    CHECK_INT(s.work, ==, 0);
}
