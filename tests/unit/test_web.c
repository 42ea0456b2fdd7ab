/* test_web.c - CORS, rate limit and request log: over a real server, by a clock that is set. */
#define UNIT_WHOLE
#include "unit.h"
#include "peer.h"

static struct {
    pk_loop *loop;
    pk_server *server;
    int runs;
} site;

static pk_err run_hello(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user;
    site.runs++;
    if (pk_str_is(q->query, "fail")) {
        return pk_error_set(err, PK_ERR_NOT_FOUND, "no such thing as '\x1b[31mred\n'");
    }
    a->body.bytes = PK_STR("hello");
    return PK_OK;
}

static pk_err read_one(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    (void)cap, (void)err;
    *got = (*(int *)user)++ == 0;
    memset(buf, 's', *got);
    return PK_OK;
}

static pk_err run_stream(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    static int turn;
    (void)user, (void)q, (void)err;
    turn = 0;
    pk__clock_advance(1234567); // it takes a while
    a->body.read = read_one;
    a->body.user = &turn;
    return PK_OK;
}

static pk_err site_try(pk_server_desc *desc, pk_interceptor *chain, size_t count)
{
    static const pk_interceptor *list[4];
    static const pk_route routes[] = {{"GET /hello", 0, run_hello, NULL},
                                      {"PUT /things/{id}", 0, run_hello, NULL},
                                      {"GET /stream", 0, run_stream, NULL},
                                      {"GET /healthz", PK_INLINE, run_hello, NULL}};
    for (size_t i = 0; i < count; i++) {
        list[i] = &chain[i];
    }
    memset(&site, 0, sizeof(site));
    desc->alloc = test_alloc();
    desc->listen = desc->listen ? desc->listen : "unix:x.sock";
    desc->interceptors = list;
    desc->interceptor_count = count;
    pk_err rc = pk_loop_create(&site.loop, test_alloc(), NULL);
    desc->loop = site.loop;
    if (rc == PK_OK) {
        rc = pk_server_create(&site.server, desc, NULL);
    }
    for (size_t i = 0; i < PK__COUNT(routes) && rc == PK_OK; i++) {
        rc = pk_server_add(site.server, &routes[i], NULL);
    }
    return rc;
}

static void site_open(pk_server_desc *desc, pk_interceptor *chain, size_t count)
{
    pk_server_desc none = {0};
    pk__clock_fake(1000 * PK__SECOND);
    REQUIRE_OK(site_try(desc ? desc : &none, chain, count));
}

static void site_close(void)
{
    pk_server_destroy(site.server);
    pk_loop_destroy(site.loop);
    unlink("x.sock");
}

/* One request on a connection of its own, and the answer to it. */
static const char *ask(const char *request)
{
    static char text[8192];
    int fds[2];
    size_t len = 0;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    pk__http_server_add(site.server->engine, fds[0]);
    (void)peer_write(fds[1], request, strlen(request));
    for (int quiet = 0; quiet < 3;) {
        (void)pk_loop_step(site.loop, 0, NULL);
        ssize_t n = recv(fds[1], text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
    }
    text[len] = '\0';
    close(fds[1]);
    (void)pk_loop_step(site.loop, 0, NULL);
    return text;
}

static int status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : -1;
}

/* The value of a header of the answer; "" if it has none. */
static const char *header(const char *answer, const char *name)
{
    static char value[400];
    char start[64];
    snprintf(start, sizeof(start), "\r\n%s: ", name);
    const char *at = strstr(answer, start), *end = at ? strstr(at + 2, "\r\n") : NULL;
    at = end ? at + strlen(start) : "";
    snprintf(value, sizeof(value), "%.*s", end ? (int)(end - at) : 0, at);
    return value;
}

#define H " HTTP/1.1\r\nHost: srv:80\r\n"
#define FROM(origin) "Origin: " origin "\r\n"
#define ASKS(method) "Access-Control-Request-Method: " method "\r\n"
#define WITH(headers) "Access-Control-Request-Headers: " headers "\r\n"

/* ---- CORS */

static const char *const two_origins[] = {"https://app.example", "http://localhost:3000", NULL};
static const char *const any_origin[] = {"*", NULL};
static const char *const put_too[] = {"GET", "PUT", NULL};
static const char *const own_header[] = {"X-Own", NULL};
static const char *const shown[] = {"X-A", "X-B", NULL};

TEST(web, cors_names_the_origins_that_may)
{
    static const pk_cors cors = {.origins = two_origins, .exposed = shown, .credentials = true};
    static const struct {
        const char *origin;
        int status;
        bool named;
    } rows[] = {
        {"https://app.example", 200, true},
        {"http://localhost:3000", 200, true},
        {"https://APP.example", 403, false}, // browsers write them one way
        {"http://app.example", 403, false},
        {"https://app.example:443", 403, false},
        {"https://app.example.evil", 403, false},
        {"https://evil/https://app.example", 403, false},
        {"https://app.exampl", 403, false},
        {"null", 403, false},
        {"*", 403, false},
        {"http://srv:80", 200, false}, // its own pages need no leave
        {"https://srv:80", 403, false},
        {"http://srv", 403, false},
    };
    pk_interceptor chain[] = {pk_cors_allow(&cors)};
    site_open(NULL, chain, 1);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].origin)
        {
            char request[300];
            site.runs = 0;
            snprintf(request, sizeof(request), "GET /hello" H FROM("%s") "\r\n", rows[i].origin);
            const char *a = ask(request);
            CHECK_INT(status_of(a), ==, rows[i].status);
            CHECK_INT(site.runs, ==, rows[i].status == 200);
            CHECK_STR(header(a, "Access-Control-Allow-Origin"), rows[i].named ? rows[i].origin : "");
            CHECK_STR(header(a, "Access-Control-Allow-Credentials"), rows[i].named ? "true" : "");
            CHECK_STR(header(a, "Access-Control-Expose-Headers"), rows[i].named ? "X-A, X-B" : "");
            CHECK_STR(header(a, "Vary"), "Origin");
        }
    }
    const char *a = ask("GET /hello" H "\r\n"); // no browser, or no other page
    CHECK_INT(status_of(a), ==, 200);
    CHECK_STR(header(a, "Access-Control-Allow-Origin"), "");
    CHECK_STR(header(a, "Vary"), "Origin"); // a cache may have asked for somebody
    site_close();
}

TEST(web, cors_names_them_on_failures_too)
{
    static const pk_cors cors = {.origins = two_origins};
    pk_server_desc desc = {.token = PK_STR_INIT("t")};
    pk_interceptor chain[] = {pk_cors_allow(&cors)};
    site_open(&desc, chain, 1);
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"GET /hello?fail" H "PlugKit-Token: t\r\n" FROM("https://app.example") "\r\n", 404},
        {"GET /hello" H FROM("https://app.example") "\r\n", 401},
        {"GET /hello?fail" H "pLUGKIT-tOKEN: t\r\n" FROM("https://app.example") "\r\n", 404},
        {"GET /hello" H "PlugKit-Token: t\r\nPlugKit-Token: t\r\n" FROM("https://app.example") "\r\n", 401},
        {"GET /hello" H "PlugKit-Token: u\r\nX: y\r\nPlugKit-Token: t\r\nPlugKit-Token: t\r\n"
         FROM("https://app.example") "\r\n", 401},
        {"GET /nope" H "PlugKit-Token: t\r\n" FROM("https://app.example") "\r\n", 404},
        {"POST /hello" H "PlugKit-Token: t\r\n" FROM("https://app.example") "\r\n", 405},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].request)
        {
            const char *a = ask(rows[i].request);
            CHECK_INT(status_of(a), ==, rows[i].status);
            CHECK_STR(header(a, "Access-Control-Allow-Origin"), "https://app.example");
        }
    }
    site_close();
}

TEST(web, cors_gives_leave_before_anybody_asks_for_a_token)
{
    static const pk_cors cors = {.origins = two_origins, .methods = put_too, .headers = own_header, .max_age_s = 600};
    static const struct {
        const char *headers;
        int status;
    } rows[] = {
        {FROM("https://app.example") ASKS("PUT"), 204},
        {FROM("https://app.example") ASKS("PUT") WITH("x-own, content-type"), 204},
        {FROM("https://app.example") ASKS("GET") WITH(""), 204},
        {FROM("https://app.example") ASKS("POST"), 403}, // methods name GET and PUT
        {FROM("https://app.example") ASKS("put"), 403},
        {FROM("https://app.example") ASKS("PUT") WITH("x-own, x-other"), 403},
        {FROM("https://app.example") ASKS("PUT") WITH("authorization"), 403},
        {FROM("https://app.example") ASKS("PUT") WITH("x-own\xff"), 403},
        {FROM("https://app.example") ASKS("PUT") WITH("x own"), 403},
        {FROM("https://evil.example") ASKS("PUT"), 403},
        {FROM("https://app.example"), 401}, // OPTIONS that asks for nothing is a request like others
        {ASKS("PUT"), 401},
    };
    pk_server_desc desc = {.token = PK_STR_INIT("t")};
    pk_interceptor chain[] = {pk_cors_allow(&cors)};
    site_open(&desc, chain, 1);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].headers)
        {
            char request[400];
            snprintf(request, sizeof(request), "OPTIONS /things/7" H "%s\r\n", rows[i].headers);
            const char *a = ask(request);
            CHECK_INT(status_of(a), ==, rows[i].status);
            bool given = rows[i].status == 204;
            CHECK_STR(header(a, "Access-Control-Max-Age"), given ? "600" : "");
            CHECK_INT(header(a, "Access-Control-Allow-Methods")[0] != '\0', ==, given);
            CHECK_STR(header(a, "Access-Control-Allow-Credentials"), "");
            CHECK(!given || strstr(a, "\r\nVary: Access-Control-Request-Method, Access-Control-Request-Headers\r\n"));
        }
    }
    CHECK_INT(site.runs, ==, 0);
    CHECK_STR(header(ask("OPTIONS /things/7" H FROM("https://app.example") ASKS("PUT") WITH("X-Own") "\r\n"),
                     "Access-Control-Allow-Headers"),
              "X-Own");
    site_close();
}

static bool allow_odd(void *user, pk_str origin)
{
    (void)user;
    return origin.len % 2 == 1;
}

TEST(web, cors_for_any_origin_never_goes_with_credentials)
{
    static const pk_cors any = {.origins = any_origin}, both = {.origins = any_origin, .credentials = true},
                         asked = {.origins = any_origin, .credentials = true, .allow = allow_odd},
                         none = {0}, all_headers = {.origins = any_origin, .headers = any_origin};
    static const struct {
        const pk_cors *cors;
        const char *request;
        int status;
        const char *origin, *vary;
    } rows[] = {
        {&any, "GET /hello" H FROM("https://x") "\r\n", 200, "*", ""},
        {&any, "GET /hello" H "\r\n", 200, "", ""},
        {&both, "GET /hello" H FROM("https://x") "\r\n", 403, "", "Origin"},
        {&both, "GET /hello" H FROM("*") "\r\n", 403, "", "Origin"},
        {&asked, "GET /hello" H FROM("https://x") "\r\n", 200, "https://x", "Origin"},
        {&asked, "GET /hello" H FROM("https://xy") "\r\n", 403, "", "Origin"},
        {&none, "GET /hello" H FROM("https://x") "\r\n", 403, "", "Origin"},
        {&all_headers, "OPTIONS /hello" H FROM("https://x") ASKS("GET") WITH("x-any") "\r\n", 204, "*", NULL},
        {&all_headers, "OPTIONS /hello" H FROM("https://x") ASKS("GET") WITH("Authorization") "\r\n", 403, "", NULL},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%zu: %s", i, rows[i].request)
        {
            pk_interceptor chain[] = {pk_cors_allow(rows[i].cors)};
            site_open(NULL, chain, 1);
            const char *a = ask(rows[i].request);
            CHECK_INT(status_of(a), ==, rows[i].status);
            CHECK_STR(header(a, "Access-Control-Allow-Origin"), rows[i].origin);
            if (rows[i].vary) {
                CHECK_STR(header(a, "Vary"), rows[i].vary);
            }
            site_close();
        }
    }
}

/* ---- rate limit */

static pk_rate_limit *limit_of(const pk_rate_limit_desc *desc)
{
    pk_rate_limit *limit = NULL;
    pk_rate_limit_desc d = *desc;
    d.alloc = test_alloc();
    REQUIRE_OK(pk_rate_limit_create(&limit, &d, NULL));
    return limit;
}

TEST(web, rate_limit_fills_its_buckets_evenly)
{
    pk_rate_limit *limit = limit_of(&(pk_rate_limit_desc){.requests = 10, .per_ms = 1000, .burst = 3});
    int64_t now = 1000 * PK__SECOND, token = 100 * PK__MS;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now), ==, 0);
    }
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now), ==, token);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now), ==, token); // asking again costs nothing
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("b"), now), ==, 0);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now + token - 1), ==, 1);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now + token), ==, 0);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now + token), ==, token);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now + 4 * token), ==, 0); // three are back, and no more
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now + 1000 * token), ==, 0);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now + 1000 * token), ==, 0);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now + 1000 * token), ==, 0);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("a"), now + 1000 * token), ==, token);
    pk_rate_limit_destroy(limit);

    limit = limit_of(&(pk_rate_limit_desc){0}); // 100 in a second
    int taken = 0;
    while (pk__rate_limit_take(limit, PK_STR("a"), now) == 0) {
        taken++;
    }
    CHECK_INT(taken, ==, 100);
    pk_rate_limit_destroy(limit);
    pk_rate_limit_destroy(NULL);
}

/* However many there are: the table stays as it is, and who is active is remembered. */
TEST(web, rate_limit_has_room_for_so_many)
{
    pk_rate_limit *limit = limit_of(&(pk_rate_limit_desc){.requests = 1, .per_ms = 1000, .peers = 60});
    int64_t now = 1000 * PK__SECOND;
    CHECK_UINT(limit->count, ==, 64);
    for (int i = 0; i < 10000; i++) {
        char name[80];
        snprintf(name, sizeof(name), "%d", i);
        CHECK_INT(pk__rate_limit_take(limit, pk_str_from(name), now + i * PK__SECOND), ==, 0);
        CHECK_INT(pk__rate_limit_take(limit, pk_str_from(name), now + i * PK__SECOND), >, 0);
    }
    /* Of names that are longer than there is room for the beginning counts. */
    static const char long_name[] = "0123456789012345678901234567890123456789";
    now += 20000 * PK__SECOND;
    CHECK_INT(pk__rate_limit_take(limit, PK_STR("012345678901234567890123456789012345678Z"), now), ==, 0);
    CHECK_INT(pk__rate_limit_take(limit, pk_str_from(long_name), now), >, 0);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR(""), now), ==, 0);
    CHECK_INT(pk__rate_limit_take(limit, PK_STR(""), now), >, 0);
    pk_rate_limit_destroy(limit);
}

TEST(web, rate_limit_says_when_to_come_again)
{
    pk_rate_limit *limit = limit_of(&(pk_rate_limit_desc){.requests = 2, .per_ms = 5000});
    pk_interceptor chain[] = {pk_rate_limit_check(limit)};
    site_open(NULL, chain, 1);
    CHECK_INT(status_of(ask("GET /hello" H "\r\n")), ==, 200);
    CHECK_INT(status_of(ask("GET /nope" H "\r\n")), ==, 404); // counts as well
    const char *a = ask("GET /hello" H "\r\n");
    CHECK_INT(status_of(a), ==, 429);
    CHECK_STR(header(a, "Retry-After"), "3"); // 2.5 s
    CHECK_CONTAINS(a, "\"code\":\"RATELIMIT_1501\"");
    CHECK_INT(status_of(ask("GET /healthz" H "\r\n")), ==, 200); // is always heard
    CHECK_INT(status_of(ask("GET /nope" H "\r\n")), ==, 429);
    CHECK_INT(site.runs, ==, 2);
    pk__clock_advance(2500 * PK__MS);
    CHECK_INT(status_of(ask("GET /hello" H "\r\n")), ==, 200);
    CHECK_INT(status_of(ask("GET /hello" H "\r\n")), ==, 429);
    site_close();
    pk_rate_limit_destroy(limit);
}

static pk_str key_of_path(void *user, const pk_exchange *x)
{
    (void)user;
    return pk_str_is(x->request->path, "/stream") ? PK_STR("") : x->request->path;
}

TEST(web, rate_limit_counts_together_who_is_to_be)
{
#define T "PlugKit-Token: t\r\n"
#define A "PlugKit-Caller: a\r\n"
#define B "PlugKit-Caller: b\r\n"
    static const struct {
        pk_rate_limit_desc desc;
        const char *token, *requests[3];
        int statuses[3];
    } rows[] = {
        {{.requests = 1}, "t", {"GET /hello" H T A "\r\n", "GET /hello" H T B "\r\n", NULL}, {200, 429, 0}},
        {{.requests = 1, .by = PK_RATE_ALL}, "t", {"GET /hello" H T A "\r\n", "GET /hello" H T B "\r\n", NULL},
         {200, 429, 0}},
        {{.requests = 1, .by = PK_RATE_CALLER}, "t",
         {"GET /hello" H T A "\r\n", "GET /hello" H T B "\r\n", "GET /hello" H T A "\r\n"}, {200, 200, 429}},
        /* A name that nobody has proven is not counted as such: it would be a way past the limit. */
        {{.requests = 1, .by = PK_RATE_CALLER}, "t",
         {"GET /hello" H A "\r\n", "GET /hello" H B "\r\n", "GET /hello" H T A "\r\n"}, {401, 429, 200}},
        {{.requests = 1, .by = PK_RATE_CALLER}, "", {"GET /hello" H A "\r\n", "GET /hello" H B "\r\n", NULL},
         {200, 429, 0}},
        {{.requests = 1, .key = key_of_path}, "", {"GET /hello" H "\r\n", "GET /nope" H "\r\n", "GET /hello" H "\r\n"},
         {200, 404, 429}},
        {{.requests = 1, .key = key_of_path}, "", {"GET /stream" H "\r\n", "GET /stream" H "\r\n", NULL},
         {200, 200, 0}},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("row %zu", i)
        {
            pk_server_desc desc = {0};
            pk_rate_limit_desc d = rows[i].desc;
            d.per_ms = 1000000;
            pk_rate_limit *limit = limit_of(&d);
            pk_interceptor chain[] = {pk_rate_limit_check(limit)};
            desc.token = pk_str_from(rows[i].token);
            site_open(&desc, chain, 1);
            for (int k = 0; k < 3 && rows[i].requests[k]; k++) {
                CHECK_INT(status_of(ask(rows[i].requests[k])), ==, rows[i].statuses[k]);
            }
            site_close();
            pk_rate_limit_destroy(limit);
        }
    }
}

typedef struct crowd {
    pk_rate_limit *limit;
    int64_t now;
    int taken;
} crowd;

static void *take_all(void *arg)
{
    crowd *c = (crowd *)arg;
    for (int i = 0; i < 2000; i++) {
        c->taken += pk__rate_limit_take(c->limit, PK_STR("together"), c->now) == 0;
    }
    return NULL;
}

TEST(web, rate_limit_counts_every_thread)
{
    pk_rate_limit *limit = limit_of(&(pk_rate_limit_desc){.requests = 3000, .per_ms = 1000000});
    crowd all[4];
    pthread_t threads[4];
    int taken = 0;
    for (int i = 0; i < 4; i++) {
        all[i] = (crowd){limit, 1000 * PK__SECOND, 0};
        REQUIRE(pthread_create(&threads[i], NULL, take_all, &all[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        taken += all[i].taken;
    }
    CHECK_INT(taken, ==, 3000);
    pk_rate_limit_destroy(limit);
}

/* ---- request log */

static char logged[4096];

static void on_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields, size_t count)
{
    size_t at = strlen(logged);
    (void)user;
    CHECK_STR(event, "http.request");
    at += (size_t)snprintf(logged + at, sizeof(logged) - at, "%s %" PK_FMT " |", level == PK_LOG_WARN ? "WARN" : "INFO",
                           PK_ARG(text));
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(logged + at, sizeof(logged) - at, " %" PK_FMT "=%" PK_FMT, PK_ARG(fields[i].name),
                               PK_ARG(fields[i].value));
    }
    snprintf(logged + at, sizeof(logged) - at, "\n");
}

static int refused_status;
static char refused_why[100];

static void on_refused(void *user, int status, const char *why)
{
    (void)user;
    refused_status = status;
    snprintf(refused_why, sizeof(refused_why), "%s", why);
}

TEST(web, request_log_has_one_record_for_each)
{
    static const pk_request_log log = {.log = on_log};
    static const struct {
        const char *request, *record;
    } rows[] = {
        {"GET /hello?secret=1" H T A "Authorization: Bearer secret\r\n\r\n",
         "INFO GET /hello 200 5 0.00ms a | method=GET path=/hello status=200 bytes=5 ms=0.00 caller=a "
         "route=GET /hello\n"},
        {"PUT /things/a%20b" H T "\r\n",
         "INFO PUT /things/a b 200 5 0.00ms - | method=PUT path=/things/a b status=200 bytes=5 ms=0.00 caller= "
         "route=PUT /things/{id}\n"},
        {"GET /stream" H T "\r\n",
         "INFO GET /stream 200 - 1.23ms - | method=GET path=/stream status=200 bytes=- ms=1.23 caller= "
         "route=GET /stream\n"},
        {"GET /hello?fail" H T "\r\n",
         "INFO GET /hello 404 - 0.00ms - | method=GET path=/hello status=404 bytes=- ms=0.00 caller= route=GET /hello "
         "error=no such thing as '\\x1b[31mred\\x0a'\n"},
        {"GET /nope" H T "\r\n",
         "INFO GET /nope 404 - 0.00ms - | method=GET path=/nope status=404 bytes=- ms=0.00 caller= route= "
         "error=nothing is here at '/nope'\n"},
        {"GET /hello" H "PlugKit-Caller: x\xff y\r\n\r\n",
         "INFO GET /hello 401 - 0.00ms x\\xff y | method=GET path=/hello status=401 bytes=- ms=0.00 caller=x\\xff y "
         "route= error=cannot serve the request: the token is missing or wrong\n"},
        {"GET /%0d%0aINFO" H T "\r\n",
         "INFO GET /%0d%0aINFO 400 - 0.00ms - | method=GET path=/%0d%0aINFO status=400 bytes=- ms=0.00 caller= route= "
         "error=malformed request target\n"},
        {"GET ftp:x" H T "\r\n",
         "INFO GET ftp:x 400 - 0.00ms - | method=GET path=ftp:x status=400 bytes=- ms=0.00 caller= route= "
         "error=malformed request target\n"},
        {"OPTIONS /hello" H T "\r\n",
         "INFO OPTIONS /hello 204 0 0.00ms - | method=OPTIONS path=/hello status=204 bytes=0 ms=0.00 caller= route=\n"},
        {"TRACE /hello" H T "\r\n",
         "WARN TRACE /hello 501 - 0.00ms - | method=TRACE path=/hello status=501 bytes=- ms=0.00 caller= route= "
         "error=nothing here knows method 'TRACE'\n"},
        {"GET /healthz" H T "\r\n", ""},
        {"GET /hello HTTP/1.1\r\n\r\n", ""},
    };
    pk_server_desc desc = {.token = PK_STR_INIT("t"), .on_refused = on_refused};
    pk_interceptor chain[] = {pk_request_log_write(&log)};
    site_open(&desc, chain, 1);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].request)
        {
            logged[0] = '\0';
            refused_status = 0;
            (void)ask(rows[i].request);
            CHECK_STR(logged, rows[i].record);
            CHECK_INT(refused_status, ==, i + 1 == PK__COUNT(rows) ? 400 : 0);
        }
    }
    CHECK_STR(refused_why, "missing required Host header");
    site_close();
}

TEST(web, request_log_cuts_what_is_long_and_shows_health_if_asked)
{
    static const pk_request_log log = {.log = on_log, .health = true};
    pk_interceptor chain[] = {pk_request_log_write(&log)};
    char request[3000] = "GET /";
    site_open(NULL, chain, 1);
    logged[0] = '\0';
    (void)ask("GET /healthz" H "\r\n");
    CHECK_CONTAINS(logged, "GET /healthz 200");
    logged[0] = '\0';
    memset(request + 5, 'x', 2000);
    strcpy(request + 2005, H "PlugKit-Caller: ");
    memset(request + strlen(request), 'y', 500);
    strcat(request, "\r\n\r\n");
    (void)ask(request);
    CHECK_CONTAINS(logged, " path=/xxxx");
    CHECK_UINT(strlen(logged), <, 2000);
    site_close();
}

/* All together, in their order: the log sees what the limit refuses, and the limit comes before the leave. */
TEST(web, all_of_them_stand_in_their_order)
{
    static const pk_cors cors = {.origins = two_origins};
    static const pk_request_log log = {.log = on_log};
    pk_rate_limit *limit = limit_of(&(pk_rate_limit_desc){.requests = 2, .per_ms = 1000000});
    pk_interceptor chain[] = {pk_cors_allow(&cors), pk_rate_limit_check(limit), pk_request_log_write(&log)};
    site_open(NULL, chain, 3);
    logged[0] = '\0';
    CHECK_INT(status_of(ask("OPTIONS /hello" H FROM("https://app.example") ASKS("GET") "\r\n")), ==, 204);
    CHECK_INT(status_of(ask("GET /hello" H FROM("https://evil") "\r\n")), ==, 403);
    CHECK_INT(status_of(ask("OPTIONS /hello" H FROM("https://app.example") ASKS("GET") "\r\n")), ==, 429);
    CHECK_CONTAINS(logged, "INFO OPTIONS /hello 204 0 ");
    CHECK_CONTAINS(logged, "error=cannot serve the request: its origin is not allowed here (CORS)\n");
    CHECK_CONTAINS(logged, "INFO OPTIONS /hello 429 ");
    CHECK_INT(site.runs, ==, 0);
    site_close();
    pk_rate_limit_destroy(limit);
}

TEST_TORTURE(web, serves)
{
    static const pk_cors cors = {.origins = two_origins, .exposed = shown};
    static const pk_request_log log = {.log = on_log};
    pk_rate_limit *limit = NULL;
    pk_rate_limit_desc d = {.alloc = test_alloc()};
    pk_server_desc desc = {0};
    logged[0] = '\0';
    pk_interceptor chain[] = {pk_cors_allow(&cors), {0}, pk_request_log_write(&log)};
    memset(&site, 0, sizeof(site));
    if (TRY_OK(pk_rate_limit_create(&limit, &d, NULL))) {
        chain[1] = pk_rate_limit_check(limit);
        if (TRY_OK(site_try(&desc, chain, 3))) {
            (void)ask("GET /hello" H FROM("https://app.example") "\r\n");
            (void)ask("OPTIONS /hello" H FROM("https://app.example") ASKS("GET") "\r\n");
        }
        site_close();
    }
    pk_rate_limit_destroy(limit);
}
