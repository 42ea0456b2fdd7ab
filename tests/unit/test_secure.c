/* test_secure.c - the seam of net/secure.h, with something else than TLS behind it: what may come from there comes, in
 * every order. It turns each byte around, and says every other time that it wants to write first. */
#include "unit.h"

typedef struct turned {
    pk__secure secure; // first
    pk__wire below;
    bool is_server;
    int calls[3], shakes;
    bool said_end, is_over;
    char out[4096];
    size_t out_at, out_end;
} turned;

typedef struct maker { // what a pk_tls is here
    const pk__secure_table *table;
    int live, checked;
    bool is_bad; // the handshake fails
    pk_io wants; // what every other call says; DONE = none of them
    char name[50], host[50], key[50];
} maker;

static maker bench;

static pk_err turned_check(pk_tls *tls, bool is_server, pk_error *err)
{
    (void)tls, (void)is_server, (void)err;
    bench.checked++;
    return PK_OK;
}

static pk_err turned_open(pk_tls *tls, const pk__secure_desc *desc, pk__secure **out, pk_error *err)
{
    turned *t = (turned *)pk__new(test_alloc(), sizeof(*t));
    if (!t) {
        return pk__error_memory(err, "turn bytes around");
    }
    t->secure.table = ((const maker *)(const void *)tls)->table;
    t->below = desc->below;
    t->is_server = desc->is_server;
    if (!desc->is_server) {
        snprintf(bench.name, sizeof(bench.name), "%" PK_FMT, PK_ARG(desc->name));
        snprintf(bench.host, sizeof(bench.host), "%" PK_FMT, PK_ARG(desc->host));
        snprintf(bench.key, sizeof(bench.key), "%" PK_FMT, PK_ARG(desc->key));
    }
    bench.live++;
    *out = &t->secure;
    return PK_OK;
}

/* It has something to send first, every other time, also when it is asked to receive. */
static bool turned_balks(turned *t, int what)
{
    return bench.wants != PK_IO_DONE && ++t->calls[what] % 2 == 1;
}

static pk_io turned_flush(turned *t, pk_error *err)
{
    while (t->out_at < t->out_end) {
        size_t n = 0;
        pk_str part = {t->out + t->out_at, t->out_end - t->out_at};
        pk_io io = pk__socket_send(t->below.socket, &part, 1, &n, err);
        if (io != PK_IO_DONE) {
            return io;
        }
        t->out_at += n;
    }
    t->out_at = t->out_end = 0;
    return PK_IO_DONE;
}

/* One byte each way: 'c' from the client, 's' from the server. */
static pk_io turned_shake(pk__secure *s, pk_error *err)
{
    turned *t = (turned *)(void *)s;
    char byte = 0;
    size_t n = 0;
    if (turned_balks(t, 0)) {
        return bench.wants;
    }
    if (t->shakes == 0) {
        t->out[t->out_end++] = t->is_server ? 's' : 'c';
        t->shakes++;
    }
    pk_io io = turned_flush(t, err);
    if (io == PK_IO_DONE) {
        io = pk__socket_recv(t->below.socket, &byte, 1, false, &n, err);
    }
    if (io == PK_IO_DONE && (byte != (t->is_server ? 'c' : 's') || bench.is_bad)) {
        (void)pk_error_set(err, PK_ERR_HANDSHAKE, "cannot shake hands: '%c'", byte);
        s->is_plain = t->is_server && byte == 'P';
        return PK_IO_FAILED;
    }
    return io == PK_IO_CLOSED ? PK_IO_FAILED : io;
}

static pk_io turned_recv(pk__secure *s, void *buf, size_t cap, bool wait, size_t *got, pk_error *err)
{
    turned *t = (turned *)(void *)s;
    *got = 0;
    s->wants_write = false;
    if (turned_balks(t, 1)) {
        s->wants_write = bench.wants == PK_IO_WANT_WRITE;
        return bench.wants;
    }
    if (t->is_over) {
        return PK_IO_CLOSED;
    }
    pk_io io = pk__socket_recv(t->below.socket, buf, cap, wait, got, err);
    char *bytes = (char *)buf;
    for (size_t i = 0; i < *got; i++) {
        bytes[i] = (char)~bytes[i];
        if (bytes[i] == '\4') { // the end, said
            t->is_over = true;
            *got = i;
            return i > 0 ? PK_IO_DONE : PK_IO_CLOSED;
        }
    }
    if (io == PK_IO_CLOSED) {
        (void)pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cut");
        return PK_IO_FAILED;
    }
    return io;
}

static pk_io turned_send(pk__secure *s, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    turned *t = (turned *)(void *)s;
    (void)count;
    *sent = 0;
    if (turned_balks(t, 2)) {
        return bench.wants;
    }
    size_t n = PK__MIN(parts[0].len, sizeof(t->out));
    for (size_t i = 0; i < n && t->out_end < n; i++) {
        t->out[t->out_end++] = (char)~parts[0].ptr[i];
    }
    pk_io io = turned_flush(t, err);
    *sent = io == PK_IO_DONE ? n : 0;
    return io;
}

static pk_io turned_end(pk__secure *s)
{
    turned *t = (turned *)(void *)s;
    char end = (char)~'\4';
    size_t n = 0;
    pk_str part = {&end, 1};
    if (t->said_end) {
        return PK_IO_DONE;
    }
    pk_io io = pk__socket_send(t->below.socket, &part, 1, &n, NULL);
    t->said_end = io != PK_IO_WANT_WRITE;
    return io;
}

static bool turned_is_gone(pk__secure *s)
{
    return ((turned *)(void *)s)->is_over;
}

static void turned_close(pk__secure *s)
{
    pk__free(test_alloc(), s, sizeof(turned));
    bench.live--;
}

static const pk__secure_table turning = {turned_check, turned_open, turned_shake,   turned_recv,
                                         turned_send,  turned_end,  turned_is_gone, turned_close};

/* ---- a server and a pool, both of them turned around */

typedef struct shop {
    pk_loop *loop;
    pk_server *server;
    pk__http_pool pool;
    pk_mem mem;
    int runs;
} shop;

static pk_err run_echo(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)err;
    ((shop *)user)->runs++;
    a->body = q->body;
    return PK_OK;
}

static uint64_t left_to_give;

static pk_err give(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    (void)user, (void)err;
    *got = (size_t)PK__MIN(left_to_give, (uint64_t)cap);
    memset(buf, 'y', *got);
    left_to_give -= *got;
    return PK_OK;
}

static pk_err run_stream(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)q, (void)err;
    ((shop *)user)->runs++;
    left_to_give = 300000;
    a->body.read = give;
    return PK_OK;
}

static pk_err run_upload(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    char piece[1000];
    size_t got = 0, all = 0;
    ((shop *)user)->runs++;
    do {
        pk_err rc = q->body.read(q->body.user, piece, sizeof(piece), &got, err);
        if (rc) {
            return rc;
        }
        all += got;
    } while (got > 0);
    a->body.bytes = pk_mem_printf(q->ctx->mem, "%zu", all);
    return PK_OK;
}

static void shop_open(shop *s, int workers)
{
    memset(s, 0, sizeof(*s));
    memset(&bench, 0, sizeof(bench));
    bench.table = &turning;
    REQUIRE_OK(pk_loop_create(&s->loop, test_alloc(), NULL));
    pk_server_desc desc = {.alloc = test_alloc(), .loop = s->loop, .listen = "https+unix://x.sock", .workers = workers};
    desc.tls = (pk_tls *)(void *)&bench;
    REQUIRE_OK(pk_server_create(&s->server, &desc, NULL));
    const pk_route routes[] = {{"POST /echo", 0, run_echo, s}, {"GET /stream", 0, run_stream, s},
                               {"POST /upload", PK_UPLOAD, run_upload, s}};
    for (size_t i = 0; i < PK__COUNT(routes); i++) {
        REQUIRE_OK(pk_server_add(s->server, &routes[i], NULL));
    }
    pk__http_pool_desc pool = {.alloc = test_alloc(), .address = "https+unix://x.sock", .tls_name = "somebody"};
    pool.tls = (pk_tls *)(void *)&bench;
    REQUIRE_OK(pk__http_pool_init(&s->pool, &pool, NULL));
    CHECK_INT(bench.checked, ==, 2);
}

static void shop_close(shop *s)
{
    pk__http_pool_deinit(&s->pool);
    pk_server_destroy(s->server);
    pk_loop_destroy(s->loop);
    CHECK_INT(bench.live, ==, 0);
    (void)unlink("x.sock");
}

typedef struct outcome {
    pk__http_exchange x;
    pk_body body;
    int status, ends;
    size_t got;
    char first;
    pk_error error;
} outcome;

static pk_err on_head(void *user, const pk__http_answer *head, pk_error *err)
{
    (void)err;
    ((outcome *)user)->status = head->status;
    return PK_OK;
}

static pk_err on_chunk(void *user, pk_str bytes, pk_error *err)
{
    outcome *o = (outcome *)user;
    (void)err;
    o->first = bytes.ptr[0];
    o->got += bytes.len;
    return PK_OK;
}

static void on_end(void *user, const pk_error *why)
{
    outcome *o = (outcome *)user;
    o->ends++;
    if (why) {
        o->error = *why;
    }
}

/* On the loop, or (the server has threads for that) waiting beside it. */
static void call(shop *s, outcome *o, const char *method, const char *target, size_t size)
{
    static char bytes[200000];
    pk__http_client *c = NULL;
    memset(bytes, 'y', sizeof(bytes));
    memset(o, 0, sizeof(*o));
    o->x.method = pk_str_from(method);
    o->x.target = pk_str_from(target);
    o->body.bytes.ptr = bytes;
    o->body.bytes.len = size;
    o->x.body = size > 0 ? &o->body : NULL;
    o->x.deadline = pk__clock_after_ms(pk__clock_ns(), 8000);
    o->x.on_head = on_head;
    o->x.on_chunk = on_chunk;
    o->x.on_end = on_end;
    o->x.user = o;
    REQUIRE_OK(pk__http_pool_take(&s->pool, pk__clock_ns(), &c, NULL));
    REQUIRE_OK(pk__http_client_start(c, s->loop, &o->x, NULL));
    while (!o->ends) {
        REQUIRE_OK(pk_loop_step(s->loop, 1000, NULL));
    }
    pk__http_pool_give(&s->pool, c);
}

TEST(secure, whatever_it_wants_it_gets)
{
    static const pk_io wants[] = {PK_IO_DONE, PK_IO_WANT_WRITE};
    for (size_t i = 0; i < 2 * PK__COUNT(wants); i++) {
        CASE("wants %d, %s workers", (int)wants[i / 2], i % 2 ? "with" : "without")
        {
            shop s;
            outcome o;
            shop_open(&s, i % 2 ? 2 : 0);
            bench.wants = wants[i / 2];
            call(&s, &o, "POST", "/echo", 6);
            CHECK_STR(o.error.msg, "");
            CHECK_INT(o.status, ==, 200);
            CHECK_INT(o.got, ==, 6);
            CHECK_INT(o.first, ==, 'y');
            CHECK_STR(bench.name, "somebody");
            CHECK_STR(bench.host, "");
            CHECK_STR(bench.key, "https+unix://x.sock");
            call(&s, &o, "POST", "/echo", 150000);
            CHECK_INT(o.got, ==, 150000);
            call(&s, &o, "GET", "/stream", 0);
            CHECK_INT(o.got, ==, 300000);
            if (i % 2) { // on the loop's thread nobody would send the rest
                call(&s, &o, "POST", "/upload", 100000);
                CHECK_STR(o.error.msg, "");
                CHECK_INT(o.got, ==, 6);
            }
            CHECK_INT(bench.live, ==, 2); // one connection
            shop_close(&s);
        }
    }
}

TEST(secure, a_handshake_that_fails_is_the_outcome)
{
    shop s;
    outcome o;
    shop_open(&s, 0);
    bench.is_bad = true;
    call(&s, &o, "POST", "/echo", 6);
    CHECK_INT(o.error.code, ==, PK_ERR_HANDSHAKE);
    CHECK_STR(o.error.msg, "cannot shake hands: 's'");
    CHECK_INT(o.x.sent, ==, PK_SENT_NO);
    CHECK_INT(s.runs, ==, 0);
    shop_close(&s);
}

/* Whether a body that lasts until the end is whole, only the end can say. */
TEST(secure, an_answer_that_is_cut_short_looks_like_that)
{
    static const char *const requests[] = {"GET /stream HTTP/1.0\r\n\r\n",
                                           "POST /echo HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi"};
    for (size_t r = 0; r < PK__COUNT(requests); r++) {
        shop s;
        char got[4096];
        size_t all = 0;
        bool said = false;
        struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "x.sock"};
        shop_open(&s, 0);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        REQUIRE(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
        REQUIRE(send(fd, "c", 1, 0) == 1);
        for (const char *c = requests[r]; *c; c++) {
            char byte = (char)~*c;
            REQUIRE(send(fd, &byte, 1, 0) == 1);
        }
        for (int i = 0; i < 10000; i++) {
            ssize_t n = recv(fd, got, sizeof(got), 0);
            if (n == 0) {
                break;
            }
            for (ssize_t k = 0; k < n; k++) {
                CHECK(!said);
                said = said || (char)~got[k] == '\4';
            }
            all += n > 0 ? (size_t)n : 0;
            if (r == 0 && all > 100000) { // it is destroyed in the middle of that
                pk_server_destroy(s.server);
                s.server = NULL;
            } else {
                REQUIRE_OK(pk_loop_step(s.loop, n < 0 ? 100 : 0, NULL));
            }
        }
        CHECK_INT(said, ==, r == 1);
        close(fd);
        shop_close(&s);
    }
}

TEST(secure, plain_requests_get_a_plain_answer)
{
    shop s;
    char got[1000];
    size_t all = 0;
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "x.sock"};
    shop_open(&s, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    REQUIRE(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    REQUIRE(send(fd, "P", 1, 0) == 1);
    for (ssize_t n = -1; n != 0;) {
        n = recv(fd, got + all, sizeof(got) - 1 - all, 0);
        all += n > 0 ? (size_t)n : 0;
        REQUIRE_OK(pk_loop_step(s.loop, n < 0 ? 100 : 0, NULL));
    }
    got[all] = '\0';
    CHECK_CONTAINS(got, "sHTTP/1.1 400 Bad Request\r\n"); // the 's' was its half of the handshake
    CHECK_CONTAINS(got, "this port speaks TLS");
    close(fd);
    shop_close(&s);
}

TEST(secure, an_address_without_a_pk_tls_is_refused)
{
    pk__http_pool pool;
    pk_error err = {0};
    pk__http_pool_desc desc = {.alloc = test_alloc(), .address = "https://localhost:1"};
    CHECK_ERR(pk__http_pool_init(&pool, &desc, &err), PK_ERR_CONFIG);
    CHECK_CONTAINS(err.msg, "cannot use address 'https://localhost:1': no pk_tls says whom to believe there");
}

TEST_TORTURE(secure, a_call)
{
    shop s;
    outcome o;
    pk__http_client *c = NULL;
    memset(&s, 0, sizeof(s));
    memset(&o, 0, sizeof(o));
    memset(&bench, 0, sizeof(bench));
    bench.table = &turning;
    bool has_pool = false;
    pk_server_desc desc = {.alloc = test_alloc(), .listen = "https+unix://x.sock", .tls = (pk_tls *)(void *)&bench};
    pk__http_pool_desc pool = {.alloc = test_alloc(), .address = "https+unix://x.sock"};
    pool.tls = (pk_tls *)(void *)&bench;
    if (!TRY_OK(pk_loop_create(&s.loop, test_alloc(), NULL))) {
        goto out;
    }
    desc.loop = s.loop;
    pk_route route = {"POST /echo", 0, run_echo, &s};
    if (!TRY_OK(pk_server_create(&s.server, &desc, NULL)) || !TRY_OK(pk_server_add(s.server, &route, NULL))) {
        goto out;
    }
    has_pool = TRY_OK(pk__http_pool_init(&s.pool, &pool, NULL));
    if (!has_pool || !TRY_OK(pk__http_pool_take(&s.pool, pk__clock_ns(), &c, NULL))) {
        goto out;
    }
    o.body.bytes = PK_STR("hi");
    o.x.method = PK_STR("POST");
    o.x.target = PK_STR("/echo");
    o.x.body = &o.body;
    o.x.deadline = pk__clock_after_ms(pk__clock_ns(), 3000);
    o.x.on_head = on_head;
    o.x.on_chunk = on_chunk;
    o.x.on_end = on_end;
    o.x.user = &o;
    if (TRY_OK(pk__http_client_start(c, s.loop, &o.x, NULL))) {
        for (int i = 0; i < 400 && !o.ends; i++) {
            (void)pk_loop_step(s.loop, 10, NULL);
        }
        if (!o.ends) {
            pk__http_client_cancel(c);
        } else if (o.error.code == PK_OK && o.status == 200) {
            CHECK_INT(o.got, ==, 2);
        }
    }
    pk__http_pool_give(&s.pool, c);
out:
    if (has_pool) {
        pk__http_pool_deinit(&s.pool);
    }
    pk_server_destroy(s.server);
    pk_loop_destroy(s.loop);
    CHECK_INT(bench.live, ==, 0);
    (void)unlink("x.sock");
}
