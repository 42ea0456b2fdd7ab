/* test_tls_torture.c - TLS while allocations (mbedTLS's own included, where this is glibc) and system calls fail. */
#include "tls_site.h"
#ifndef HAS_MBEDTLS
TEST(tls_torture, needs_mbedtls)
{
    SKIP("mbedTLS is not there");
}
#else
#include "tls_pair.h"

/* mbedTLS takes its memory from calloc: 40,000 times for a handshake with version 2.28, most of them for numbers. Each
 * 97th may be made to fail. Sanitizers have a calloc of their own. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern void *__libc_calloc(size_t count, size_t size);
static volatile bool calloc_may_fail;
static unsigned calloc_count;

void *calloc(size_t count, size_t size)
{
    if (calloc_may_fail && ++calloc_count % 97 == 0 && test_point("an allocation of mbedTLS")) {
        return NULL;
    }
    return __libc_calloc(count, size);
}
#else
static volatile bool calloc_may_fail;
#endif

/* What is needed for all repetitions is made once, before anything fails. */
static void prepare(bool with_mbedtls)
{
    calloc_may_fail = false;
    pair_certs(&ends);
    calloc_may_fail = with_mbedtls;
}

static void tidy_up(void)
{
    calloc_may_fail = false;
    pair_free(&ends);
}

/* A word there and back. False: something failed, and said so. */
static bool talk(void)
{
    char got[20];
    size_t n = 0;
    pk_error err = {0};
    pk_str word = PK_STR("a word");
    pk__secure *way[2][2] = {{ends.client, ends.server}, {ends.server, ends.client}};
    for (int i = 0; i < 2; i++) {
        pk_io io = way[i][0]->table->send(way[i][0], &word, 1, &n, &err);
        if (io != PK_IO_DONE) {
            CHECK_INT(io, ==, PK_IO_FAILED);
            CHECK(err.code != PK_OK && err.msg[0]);
            return false;
        }
        io = way[i][1]->table->recv(way[i][1], got, sizeof(got), false, &n, &err);
        if (io != PK_IO_DONE) {
            CHECK(io == PK_IO_FAILED || io == PK_IO_CLOSED);
            CHECK(io == PK_IO_CLOSED || (err.code != PK_OK && err.msg[0]));
            return false;
        }
        CHECK_INT(n, ==, word.len);
        CHECK_MEM(got, word.ptr, word.len);
    }
    return true;
}

static void visit(void)
{
    if (pair_begin(&ends, "localhost", "k")) {
        if (pair_shake(&ends)) {
            CHECK_PK_STR(ends.server->peer->name, "client");
            CHECK_PK_STR(ends.client->peer->name, "server");
            (void)talk();
            (void)ends.client->table->end(ends.client);
        } else {
            CHECK(ends.client_error.code != PK_OK || ends.server_error.code != PK_OK);
        }
    }
    pair_hang_up(&ends);
}

static void visits(bool with_mbedtls)
{
    prepare(with_mbedtls);
    if (TRY_OK(pk_tls_create(&ends.server_tls, &ends.d, NULL)) &&
        TRY_OK(pk_tls_create(&ends.client_tls, &ends.c, NULL))) {
        visit();
        visit(); // resumed, perhaps
        if (TRY_OK(pk_tls_reload(ends.server_tls, &ends.d, NULL))) {
            visit();
        }
    }
    tidy_up();
}

TEST_TORTURE(tls_torture, connections_and_a_reload)
{
    visits(false);
}

TEST_TORTURE(tls_torture, connections_when_mbedtls_has_no_memory)
{
    visits(true);
}

/* ---- all of it: files, a server, a call */

static void put(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "w");
    REQUIRE(file && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

TEST_TORTURE(tls_torture, a_call_by_https)
{
    site s;
    answer a;
    memset(&s, 0, sizeof(s));
    prepare(false);
    put("ca", ends.ca.der, ends.ca.len);
    put("cert", ends.cert_server.der, ends.cert_server.len);
    put("key", ends.cert_server.key_der, ends.cert_server.key_len);
    (void)unlink("x.sock");
    pk_tls_source ca = {"ca", PK_STR_INIT("")};
    pk_tls_cert shown = {{"cert", PK_STR_INIT("")}, {"key", PK_STR_INIT("")}, NULL};
    pk_tls_desc d = {.alloc = test_alloc(), .certs = &shown, .cert_count = 1};
    pk_tls_desc c = {.alloc = test_alloc(), .trust = &ca, .trust_count = 1, .peer_name = "localhost"};
    pk_route route = {"ANY /*", 0, site_run, &s};
    pk_server_desc desc = {.alloc = test_alloc(), .listen = "https+unix://x.sock"};
    answer_init(&a, PK_STR("hello"));
    pk__http_client *client = NULL;
    bool has_pool = false;
    if (!TRY_OK(pk_tls_create(&s.server_tls, &d, NULL)) || !TRY_OK(pk_tls_create(&s.client_tls, &c, NULL)) ||
        !TRY_OK(pk_loop_create(&s.loop, test_alloc(), NULL))) {
        goto out;
    }
    desc.loop = s.loop;
    desc.tls = s.server_tls;
    if (!TRY_OK(pk_server_create(&s.server, &desc, NULL)) || !TRY_OK(pk_server_add(s.server, &route, NULL))) {
        goto out;
    }
    pk__http_pool_desc pool = {.alloc = test_alloc(), .address = pk_server_address(s.server), .tls = s.client_tls};
    has_pool = TRY_OK(pk__http_pool_init(&s.pool, &pool, NULL));
    if (!has_pool || !TRY_OK(pk__http_pool_take(&s.pool, pk__clock_ns(), &client, NULL))) {
        goto out;
    }
    if (TRY_OK(pk__http_client_start(client, s.loop, &a.x, NULL))) {
        for (int i = 0; i < 400 && !a.ends; i++) {
            (void)pk_loop_step(s.loop, 10, NULL); // may fail, and goes on
        }
        if (!a.ends) {
            pk__http_client_cancel(client);
        } else if (a.error.code == PK_OK && a.status == 200) {
            CHECK_PK_STR(pk_buf_str(&a.got), "hello");
        }
    }
    pk__http_pool_give(&s.pool, client);
out:
    if (has_pool) {
        pk__http_pool_deinit(&s.pool);
    }
    pk_server_destroy(s.server);
    pk_loop_destroy(s.loop);
    pk_tls_destroy(s.server_tls);
    pk_tls_destroy(s.client_tls);
    pk_buf_free(&a.got);
    tidy_up();
}
#endif
