/* test_tls.c - HTTP by TLS from end to end, over real sockets: calls that wait and calls on a loop, bodies of all
 * kinds, handlers on workers, ends, deadlines, reload under load. */
#include "tls_site.h"
#ifndef HAS_MBEDTLS
TEST(tls, needs_mbedtls)
{
    SKIP("mbedTLS is not there");
}
#else
#include "peer.h"

#include <fcntl.h>

/* An authority, a server called localhost and 127.0.0.1, and a client. */
typedef struct house {
    cert ca, server, client;
    pk_tls_cert shown, shown_by_client;
    pk_tls_source trust;
    pk_tls_desc d, c;
} house;

static house home;

static void house_make(void)
{
    cert_make(&home.ca, &(cert_plan){.name = "Test CA", .is_ca = true});
    cert_plan server = {.name = "server", .by = &home.ca, .dns = "localhost", .ip = "127.0.0.1", .use = CERT_SERVER};
    cert_make(&home.server, &server);
    cert_make(&home.client, &(cert_plan){.name = "client", .by = &home.ca, .uri = "urn:me", .use = CERT_CLIENT});
    home.shown = cert_both(&home.server);
    home.shown_by_client = cert_both(&home.client);
    home.trust = cert_chain(&home.ca);
    memset(&home.d, 0, sizeof(home.d));
    memset(&home.c, 0, sizeof(home.c));
    home.d.certs = &home.shown;
    home.c.certs = &home.shown_by_client;
    home.d.trust = home.c.trust = &home.trust;
    home.d.cert_count = home.c.cert_count = home.d.trust_count = home.c.trust_count = 1;
    home.c.peer_name = "localhost";
}

static void house_free(void)
{
    cert_free(&home.ca);
    cert_free(&home.server);
    cert_free(&home.client);
}

TEST(tls, a_handler_knows_who_calls)
{
    site s;
    house_make();
    site_open(&s, home.d, &home.c, NULL);
    CHECK_STR(pk_server_address(s.server), "https+unix://x.sock");
    CHECK_STR(site_ask(&s, "hello"), "hello");
    CHECK_STR(s.name, "client");
    CHECK_STR(s.uri, "urn:me");
    CHECK_STR(s.version, PK__TLS_HAS_13 ? "TLSv1.3" : "TLSv1.2");
    CHECK(!s.resumed);
    CHECK_STR(site_ask(&s, "again"), "again"); // the same connection
    CHECK(!s.resumed);
    CHECK_INT(s.refusals, ==, 0);
    site_close(&s);
    house_free();
}

TEST(tls, a_thread_waits_for_its_answer)
{
    site s;
    answer a;
    house_make();
    home.c.peer_name = NULL; // the address has a name
    site_open(&s, home.d, &home.c, "https://127.0.0.1:0");
    CHECK(strncmp(pk_server_address(s.server), "https://127.0.0.1:", 18) == 0);
    site_thread(&s);
    for (int i = 0; i < 5; i++) {
        answer_init(&a, PK_STR("hello"));
        CHECK_OK(site_wait(&s, &a));
        CHECK_STR(a.error.msg, "");
        CHECK_PK_STR(pk_buf_str(&a.got), "hello");
        pk_buf_free(&a.got);
    }
    site_join(&s);
    CHECK_STR(s.name, "client");
    site_close(&s);
    house_free();
}

/* A warm call costs what a plain one does: one send and one receive a side, and one wait of the server's. */
TEST(tls, a_warm_call_is_one_send_and_one_receive_a_side)
{
    site s;
    answer a;
    house_make();
    site_open(&s, home.d, &home.c, NULL);
    for (int i = 0; i < 3; i++) {
        answer_init(&a, PK_STR("hello"));
        pk__sys_reset();
        CHECK_OK(site_call(&s, &a));
        pk_buf_free(&a.got);
    }
    CHECK_UINT(pk__sys_count.send, ==, 2);
    CHECK_UINT(pk__sys_count.sendmsg, ==, 0);
    CHECK_UINT(pk__sys_count.recv, <=, 3); // the client looks once before it waits
    site_close(&s);
    house_free();
}

/* ---- bodies */

static pk_err give_size(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    uint64_t *left = (uint64_t *)user;
    (void)err;
    *got = (size_t)PK__MIN(*left, (uint64_t)cap);
    memset(buf, 'x', *got);
    *left -= *got;
    return PK_OK;
}

static uint64_t streamed;

static void close_file(void *user)
{
    close(*(int *)user);
}

static pk_err run_bodies(site *s, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)s, (void)err;
    if (pk_str_is(q->path, "/file")) {
        static int fd;
        fd = open("file", O_RDONLY | O_CLOEXEC);
        REQUIRE(fd >= 0);
        a->body.has_fd = true;
        a->body.fd = fd;
        a->body.offset = 1;
        a->body.size = 999999;
        a->done = close_file;
        a->user = &fd;
    } else if (pk_str_is(q->path, "/stream")) {
        streamed = 3000000;
        a->body.read = give_size;
        a->body.user = &streamed;
    } else {
        a->body = q->body;
    }
    return PK_OK;
}

typedef struct ask {
    const char *what, *target;
    bool file, reader;
    size_t size;    // of what is sent
    size_t expected;
} ask;

static const ask asks[] = {
    {"nothing", "/echo", false, false, 0, 0},
    {"one byte", "/echo", false, false, 1, 1},
    {"a record", "/echo", false, false, 16384, 16384},
    {"a record and a byte", "/echo", false, false, 16385, 16385},
    {"megabytes", "/echo", false, false, 5000000, 5000000},
    {"a file up", "/echo", true, false, 1000000, 1000000},
    {"a stream up", "/echo", false, true, 3000000, 3000000},
    {"a file down", "/file", false, false, 5, 999999},
    {"a stream down", "/stream", false, false, 5, 3000000},
};

/* Carries one of them out, on the loop or waiting. */
static void carry_out(site *s, const ask *what, bool waits)
{
    answer a;
    static char body[5000000];
    uint64_t left = what->size;
    memset(body, 'x', sizeof(body));
    answer_init(&a, PK_STR(""));
    a.body.bytes.ptr = body;
    a.body.bytes.len = what->file || what->reader ? 0 : what->size;
    a.x.target = pk_str_from(what->target);
    if (what->file) {
        a.body.has_fd = true;
        a.body.fd = open("file", O_RDONLY | O_CLOEXEC);
        a.body.size = what->size;
    } else if (what->reader) {
        a.body.read = give_size;
        a.body.user = &left;
    }
    CHECK_OK(waits ? site_wait(s, &a) : site_call(s, &a));
    CHECK_STR(a.error.msg, "");
    CHECK_INT(a.status, ==, 200);
    CHECK_INT(a.got.len, ==, what->expected);
    CHECK(a.got.len == 0 || (a.got.ptr[0] == 'x' && memcmp(a.got.ptr, a.got.ptr + 1, a.got.len - 1) == 0));
    if (what->file) {
        close(a.body.fd);
    }
    pk_buf_free(&a.got);
}

static void make_file(void)
{
    char piece[10000];
    FILE *file = fopen("file", "w");
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < 100; i++) {
        REQUIRE(fwrite(piece, 1, sizeof(piece), file) == sizeof(piece));
    }
    REQUIRE(fclose(file) == 0);
}

TEST(tls, bodies_of_all_kinds_on_a_loop)
{
    site s;
    house_make();
    make_file();
    site_open(&s, home.d, &home.c, NULL);
    s.run = run_bodies;
    for (size_t i = 0; i < PK__COUNT(asks); i++) {
        CASE("%s", asks[i].what)
        {
            carry_out(&s, &asks[i], false);
        }
    }
    site_close(&s);
    house_free();
}

TEST(tls, bodies_of_all_kinds_waiting)
{
    site s;
    house_make();
    make_file();
    site_open(&s, home.d, &home.c, "https://127.0.0.1:0");
    s.run = run_bodies;
    site_thread(&s);
    for (size_t i = 0; i < PK__COUNT(asks); i++) {
        CASE("%s", asks[i].what)
        {
            carry_out(&s, &asks[i], true);
        }
    }
    site_join(&s);
    site_close(&s);
    house_free();
}

/* ---- ends and cuts: a server that plays a script, by TLS */

typedef struct script { // what is sent after the request, and how it ends
    const char *what, *answer;
    bool says_end;
    pk_err code;
    const char *got; // of the body, or of the error
} script;

typedef struct player {
    const script *script;
    int listener;
    pk_tls *tls;
} player;

static bool turn(pk_io io, int fd)
{
    bool reads = io == PK_IO_WANT_READ, writes = io == PK_IO_WANT_WRITE;
    return (reads || writes) && pk__fd_wait(fd, reads, writes, pk__clock_after_ms(pk__clock_ns(), 5000));
}

static void *play(void *arg)
{
    player *p = (player *)arg;
    pk__secure *s = NULL;
    pk__secure_desc d;
    char got[2000];
    size_t n = 0, all = 0;
    int fd = accept(p->listener, NULL, NULL);
    memset(&d, 0, sizeof(d));
    d.is_server = true;
    d.below.socket = fd;
    d.below.transport = pk__transport_accepted(&d.below.io, fd);
    REQUIRE_OK(pk__tls_table()->open(p->tls, &d, &s, NULL));
    pk_io io;
    while ((io = s->table->shake(s, NULL)) != PK_IO_DONE && turn(io, fd)) {
    }
    REQUIRE(io == PK_IO_DONE);
    memset(got, 0, sizeof(got));
    while (!strstr(got, "\r\n\r\n") && all < sizeof(got) - 1) {
        io = s->table->recv(s, got + all, sizeof(got) - 1 - all, false, &n, NULL);
        REQUIRE(io == PK_IO_DONE || turn(io, fd));
        all += io == PK_IO_DONE ? n : 0;
    }
    pk_str text = pk_str_from(p->script->answer);
    REQUIRE(text.len == 0 || s->table->send(s, &text, 1, &n, NULL) == PK_IO_DONE);
    if (p->script->says_end) { // and hangs up only when the other side has
        REQUIRE(s->table->end(s) == PK_IO_DONE);
        while (recv(fd, got, sizeof(got), 0) > 0) {
        }
    }
    s->table->close(s);
    close(fd);
    return NULL;
}

TEST(tls, what_was_cut_off_is_no_answer)
{
    static const script scripts[] = {
        {"until the end, said", "HTTP/1.1 200 OK\r\n\r\nall of it", true, PK_OK, "all of it"},
        {"until the end, cut", "HTTP/1.1 200 OK\r\n\r\nhalf of ", false, PK_ERR_PLUGIN_CONNECTION, "no close_notify"},
        {"of a length, said too early", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", true,
         PK_ERR_PLUGIN_CONNECTION, "was cut off"},
        {"of a length, cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false, PK_ERR_PLUGIN_CONNECTION,
         "no close_notify"},
        {"of a length, cut behind it", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfull", false, PK_OK, "full"},
        {"no answer, said", "", true, PK_ERR_PLUGIN_CONNECTION, "did not come"},
        {"no answer, cut", "", false, PK_ERR_PLUGIN_CONNECTION, "no close_notify"},
    };
    for (size_t k = 0; k < 2 * PK__COUNT(scripts); k++) {
        size_t i = k / 2;
        CASE("%s, %s", scripts[i].what, k % 2 ? "on a loop" : "waiting")
        {
            site s;
            answer a;
            player p = {&scripts[i], peer_listen("p.sock"), NULL};
            pthread_t thread;
            memset(&s, 0, sizeof(s));
            house_make();
            REQUIRE_OK(pk_tls_create(&p.tls, &home.d, NULL));
            REQUIRE_OK(pk_tls_create(&s.client_tls, &home.c, NULL));
            pk__http_pool_desc pool = {.alloc = test_alloc(), .address = "https+unix://p.sock", .tls = s.client_tls};
            REQUIRE_OK(pk__http_pool_init(&s.pool, &pool, NULL));
            REQUIRE(pthread_create(&thread, NULL, play, &p) == 0);
            answer_init(&a, PK_STR("hello"));
            REQUIRE_OK(pk_loop_create(&s.loop, test_alloc(), NULL));
            CHECK_ERR(k % 2 ? site_call(&s, &a) : site_wait(&s, &a), scripts[i].code);
            CHECK(pk_buf_add_char(&a.got, '\0'));
            CHECK_CONTAINS(scripts[i].code ? a.error.msg : a.got.ptr, scripts[i].got);
            CHECK_INT(a.x.sent, ==, scripts[i].answer[0] ? PK_SENT_ANSWERED : PK_SENT_MAYBE);
            pk_buf_free(&a.got);
            pk__http_pool_deinit(&s.pool);
            pthread_join(thread, NULL);
            pk_loop_destroy(s.loop);
            pk_tls_destroy(s.client_tls);
            pk_tls_destroy(p.tls);
            house_free();
            close(p.listener);
            (void)unlink("p.sock");
        }
    }
}

/* ---- the server's side of things */

static pk_err run_big(site *s, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)s, (void)q, (void)err;
    streamed = UINT64_MAX; // until somebody hangs up
    a->body.read = give_size;
    a->body.user = &streamed;
    return PK_OK;
}

TEST(tls, a_call_that_is_cancelled_ends_the_stream)
{
    site s;
    answer a;
    pk__http_client *c = NULL;
    house_make();
    site_open(&s, home.d, &home.c, NULL);
    s.run = run_big;
    answer_init(&a, PK_STR("hello"));
    REQUIRE_OK(pk__http_pool_take(&s.pool, pk__clock_ns(), &c, NULL));
    REQUIRE_OK(pk__http_client_start(c, s.loop, &a.x, NULL));
    SITE_UNTIL(&s, a.got.len > 1000000);
    pk__http_client_cancel(c);
    pk__http_pool_give(&s.pool, c);
    SITE_UNTIL(&s, pk_server_is_idle(s.server));
    CHECK(streamed > 0);
    pk_buf_free(&a.got);
    site_close(&s);
    house_free();
}

static void *held_exchange;

static pk_err run_slow(site *s, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)s, (void)err;
    while (!pk_ctx_is_canceled(q->ctx)) {
        (void)poll(NULL, 0, 1);
    }
    pk__atomic_store_ptr(&held_exchange, s);
    a->body.bytes = PK_STR("too late");
    return PK_OK;
}

/* On a worker's thread: it asks the connection, which belongs to it meanwhile. */
TEST(tls, a_handler_learns_that_nobody_waits)
{
    site s;
    answer a;
    pk__http_client *c = NULL;
    house_make();
    home.d.alloc = test_alloc();
    memset(&s, 0, sizeof(s));
    s.run = run_slow;
    REQUIRE_OK(pk_tls_create(&s.server_tls, &home.d, NULL));
    home.c.alloc = test_alloc();
    REQUIRE_OK(pk_tls_create(&s.client_tls, &home.c, NULL));
    REQUIRE_OK(pk_loop_create(&s.loop, test_alloc(), NULL));
    pk_route route = {"ANY /*", 0, site_run, &s};
    pk_server_desc desc = {.alloc = test_alloc(), .loop = s.loop, .tls = s.server_tls, .workers = 2};
    desc.listen = "https+unix://x.sock";
    REQUIRE_OK(pk_server_create(&s.server, &desc, NULL));
    REQUIRE_OK(pk_server_add(s.server, &route, NULL));
    pk__http_pool_desc pool = {.alloc = test_alloc(), .address = "https+unix://x.sock", .tls = s.client_tls};
    REQUIRE_OK(pk__http_pool_init(&s.pool, &pool, NULL));
    answer_init(&a, PK_STR("hello"));
    REQUIRE_OK(pk__http_pool_take(&s.pool, pk__clock_ns(), &c, NULL));
    REQUIRE_OK(pk__http_client_start(c, s.loop, &a.x, NULL));
    SITE_UNTIL(&s, !pk_server_is_idle(s.server));
    pk__http_client_cancel(c);
    pk__http_pool_give(&s.pool, c);
    SITE_UNTIL(&s, pk__atomic_load_ptr(&held_exchange) != NULL);
    SITE_UNTIL(&s, pk_server_is_idle(s.server));
    pk_buf_free(&a.got);
    site_close(&s);
    house_free();
}

TEST(tls, who_is_slow_to_shake_hands_is_hung_up_on)
{
    site s;
    char byte;
    house_make();
    memset(&s, 0, sizeof(s));
    REQUIRE_OK(pk_tls_create(&s.server_tls, &home.d, NULL));
    REQUIRE_OK(pk_loop_create(&s.loop, test_alloc(), NULL));
    pk_server_desc desc = {.alloc = test_alloc(), .loop = s.loop, .tls = s.server_tls, .limit = {.header_ms = 1000}};
    desc.listen = "https+unix://x.sock";
    REQUIRE_OK(pk_server_create(&s.server, &desc, NULL));
    pk__clock_fake(PK__SECOND);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "x.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    REQUIRE(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    static const char hello[] = "\x16\x03\x01\x02\x00\x01";
    REQUIRE_OK(pk_loop_step(s.loop, 0, NULL));
    for (size_t i = 0; i < 6; i++) { // a byte now and then keeps nobody
        REQUIRE(send(fd, hello + i, 1, MSG_NOSIGNAL) == 1);
        pk__clock_advance(150 * PK__MS);
        REQUIRE_OK(pk_loop_step(s.loop, 0, NULL));
        CHECK(recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
    }
    pk__clock_advance(150 * PK__MS);
    REQUIRE_OK(pk_loop_step(s.loop, 0, NULL));
    CHECK(recv(fd, &byte, 1, 0) == 0);
    pk__clock_real();
    close(fd);
    site_close(&s);
    house_free();
}

TEST(tls, a_server_that_drains_finishes_what_was_asked)
{
    site s;
    answer a;
    pk__http_client *c = NULL;
    house_make();
    site_open(&s, home.d, &home.c, NULL);
    CHECK_STR(site_ask(&s, "one"), "one");
    REQUIRE_OK(pk__http_pool_take(&s.pool, pk__clock_ns(), &c, NULL)); // the warm one
    answer_init(&a, PK_STR("two"));
    REQUIRE_OK(pk__http_client_start(c, s.loop, &a.x, NULL));
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "x.sock"};
    int mute = socket(AF_UNIX, SOCK_STREAM, 0); // connects, and never says a word
    REQUIRE(connect(mute, (struct sockaddr *)&name, sizeof(name)) == 0);
    REQUIRE_OK(pk_loop_step(s.loop, 0, NULL));
    pk_server_drain(s.server);
    SITE_UNTIL(&s, a.ends);
    CHECK_OK(a.error.code);
    CHECK_PK_STR(pk_buf_str(&a.got), "two");
    SITE_UNTIL(&s, s.server->engine->link_count == 0);
    CHECK_INT(s.refusals, ==, 0);
    pk__http_pool_give(&s.pool, c);
    close(mute);
    pk_buf_free(&a.got);
    site_close(&s);
    house_free();
}

TEST(tls, a_new_connection_resumes_the_session)
{
    site s;
    house_make();
    site_open(&s, home.d, &home.c, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_STR(site_ask(&s, "hello"), "hello");
        CHECK_INT(s.resumed, ==, i > 0);
        CHECK_STR(s.name, "client");
        pk__http_client *c = NULL;
        REQUIRE_OK(pk__http_pool_take(&s.pool, pk__clock_ns(), &c, NULL));
        c->dead = true; // so that the next one is new
        pk__http_pool_give(&s.pool, c);
    }
    site_close(&s);
    house_free();
}

TEST(tls, a_kept_connection_is_alive_though_a_ticket_lies_on_it)
{
    site s;
    house_make();
    site_open(&s, home.d, &home.c, NULL);
    CHECK_STR(site_ask(&s, "hello"), "hello");
    pk__http_client *c = NULL;
    REQUIRE_OK(pk__http_pool_take(&s.pool, pk__clock_ns(), &c, NULL));
    CHECK(pk__http_client_is_alive(c));
    pk__http_pool_give(&s.pool, c);
    pk_server_destroy(s.server);
    s.server = NULL;
    REQUIRE_OK(pk__http_pool_take(&s.pool, pk__clock_ns(), &c, NULL));
    CHECK(!pk__http_client_is_alive(c));
    pk__http_pool_give(&s.pool, c);
    site_close(&s);
    house_free();
}

/* A child has copies of the connections, which are its parent's: it may not say a word on them. */
TEST(tls, a_forked_child_leaves_the_connection_alone)
{
    site s;
    house_make();
    site_open(&s, home.d, &home.c, NULL);
    CHECK_STR(site_ask(&s, "one"), "one");
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        pk__http_pool_deinit(&s.pool);
        pk_tls_destroy(s.client_tls);
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, ==, 0);
    CHECK_STR(site_ask(&s, "two"), "two");
    CHECK_STR(s.name, "client");
    CHECK(!s.resumed); // it is still the first
    site_close(&s);
    house_free();
}

/* ---- all at once: calls from several threads, while both sides reload */

typedef struct caller {
    site *s;
    pthread_t thread;
    int failed;
} caller;

static void *call_many(void *arg)
{
    caller *c = (caller *)arg;
    for (int i = 0; i < 60; i++) {
        answer a;
        answer_init(&a, PK_STR("hello"));
        if (site_wait(c->s, &a) != PK_OK || !pk_str_is(pk_buf_str(&a.got), "hello")) {
            c->failed++;
            printf("# %s\n", a.error.msg);
        }
        pk_buf_free(&a.got);
        pk__http_client *one = NULL;
        if (i % 7 == 0 && pk__http_pool_take(&c->s->pool, pk__clock_ns(), &one, NULL) == PK_OK) {
            one->dead = true;
            pk__http_pool_give(&c->s->pool, one);
        }
    }
    return NULL;
}

TEST(tls, reloads_disturb_nobody)
{
    site s;
    caller callers[3];
    house_make();
    site_open(&s, home.d, &home.c, "https://127.0.0.1:0");
    home.d.on_refused = site_on_refused;
    home.d.user = &s;
    site_thread(&s);
    memset(callers, 0, sizeof(callers));
    for (size_t i = 0; i < PK__COUNT(callers); i++) {
        callers[i].s = &s;
        REQUIRE(pthread_create(&callers[i].thread, NULL, call_many, &callers[i]) == 0);
    }
    for (int i = 0; i < 20; i++) {
        CHECK_OK(pk_tls_reload(s.server_tls, &home.d, NULL));
        CHECK_OK(pk_tls_reload(s.client_tls, &home.c, NULL));
    }
    for (size_t i = 0; i < PK__COUNT(callers); i++) {
        pthread_join(callers[i].thread, NULL);
        CHECK_INT(callers[i].failed, ==, 0);
    }
    site_join(&s);
    CHECK_STR(s.refused, "");
    site_close(&s);
    house_free();
}
#endif
