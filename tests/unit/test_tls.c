/* test_tls.c - TLS from end to end: a server and clients over real sockets, on one loop or with a thread that waits. */
#ifdef HAS_MBEDTLS
#define PLUGKIT_WITH_TLS
#endif
#include "unit.h"
#ifndef HAS_MBEDTLS
TEST(tls, needs_mbedtls)
{
    SKIP("mbedTLS is not there");
}
#else
#include "certs.h"

#include <pthread.h>

/* ---- a server, and an authority that has signed it */

typedef struct site {
    cert ca, server, client;
    pk_tls *tls, *client_tls;
    pk_loop *loop;
    pk_server *server_of;
    pk__http_pool pool;
    bool has_pool;
    int runs;
    char seen[512], refused[512];
    pthread_t thread;
    pk__atomic_u32 quit;
} site;

static pk_err run_echo(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    const pk_tls_peer *peer = pk_ctx_peer(q->ctx);
    (void)err;
    s->runs++;
    if (peer) {
        snprintf(s->seen, sizeof(s->seen), "%" PK_FMT "|%s|%s", PK_ARG(peer->name), peer->version,
                 peer->is_resumed ? "resumed" : "new");
    }
    a->body = q->body;
    return PK_OK;
}

static void on_refused(void *user, const pk_error *why)
{
    site *s = (site *)user;
    snprintf(s->refused, sizeof(s->refused), "%s", why->msg);
}

static const cert_plan plan_ca = {.name = "Test CA", .is_ca = true};

static void site_open(site *s, const char *listen, bool mutual)
{
    cert_plan server = {.name = "server", .by = &s->ca, .dns = "localhost", .ip = "127.0.0.1", .use = CERT_SERVER};
    cert_plan client = {.name = "client", .by = &s->ca, .uri = "urn:test:client", .use = CERT_CLIENT};
    pk_route route = {"POST /echo", 0, run_echo, s};
    memset(s, 0, sizeof(*s));
    cert_make(&s->ca, &plan_ca);
    cert_make(&s->server, &server);
    cert_make(&s->client, &client);
    pk_tls_cert shown = cert_both(&s->server), shown_by_client = cert_both(&s->client);
    pk_tls_source trust = cert_chain(&s->ca);
    pk_tls_desc d = {.alloc = test_alloc(), .certs = &shown, .cert_count = 1, .on_refused = on_refused, .user = s};
    d.trust = mutual ? &trust : NULL;
    d.trust_count = mutual ? 1 : 0;
    REQUIRE_OK(pk_tls_create(&s->tls, &d, NULL));
    pk_tls_desc c = {.alloc = test_alloc(), .trust = &trust, .trust_count = 1};
    c.certs = &shown_by_client;
    c.cert_count = 1;
    REQUIRE_OK(pk_tls_create(&s->client_tls, &c, NULL));
    REQUIRE_OK(pk_loop_create(&s->loop, test_alloc(), NULL));
    pk_server_desc desc = {.alloc = test_alloc(), .loop = s->loop, .listen = listen, .tls = s->tls};
    REQUIRE_OK(pk_server_create(&s->server_of, &desc, NULL));
    REQUIRE_OK(pk_server_add(s->server_of, &route, NULL));
    pk__http_pool_desc pool = {.alloc = test_alloc(), .address = pk_server_address(s->server_of), .tls = s->client_tls,
                               .tls_name = "localhost"};
    REQUIRE_OK(pk__http_pool_init(&s->pool, &pool, NULL));
}

static void site_close(site *s)
{
    pk__http_pool_deinit(&s->pool);
    pk_server_destroy(s->server_of);
    pk_loop_destroy(s->loop);
    pk_tls_destroy(s->tls);
    pk_tls_destroy(s->client_tls);
    cert_free(&s->ca);
    cert_free(&s->server);
    cert_free(&s->client);
}

static void *site_serve(void *arg)
{
    site *s = (site *)arg;
    while (!pk__atomic_load(&s->quit)) {
        pk_loop_step(s->loop, 50, NULL);
    }
    return NULL;
}

typedef struct outcome {
    pk__http_exchange x;
    pk_body body;
    int status, ends;
    pk_buf got;
    pk_error error;
} outcome;

static pk_err on_head(void *user, const pk__http_answer *answer, pk_error *err)
{
    (void)err;
    ((outcome *)user)->status = answer->status;
    return PK_OK;
}

static pk_err on_chunk(void *user, pk_str bytes, pk_error *err)
{
    return pk_buf_add(&((outcome *)user)->got, bytes) ? PK_OK : pk_error_set(err, PK_ERR_NO_MEMORY, "no memory");
}

static void on_end(void *user, const pk_error *why)
{
    outcome *o = (outcome *)user;
    o->ends++;
    if (why) {
        o->error = *why;
    }
}

static void ask(outcome *o, pk_str body)
{
    memset(o, 0, sizeof(*o));
    o->body.bytes = body;
    o->x.method = PK_STR("POST");
    o->x.target = PK_STR("/echo");
    o->x.body = &o->body;
    o->x.deadline = pk__clock_after_ms(pk__clock_ns(), 15000);
    o->x.on_head = on_head;
    o->x.on_chunk = on_chunk;
    o->x.on_end = on_end;
    o->x.user = o;
    pk_buf_init(&o->got, test_alloc(), 64 << 20);
}

static pk_err by_loop(site *s, outcome *o)
{
    pk__http_client *c = NULL;
    REQUIRE_OK(pk__http_pool_take(&s->pool, pk__clock_ns(), &c, NULL));
    REQUIRE_OK(pk__http_client_start(c, s->loop, &o->x, NULL));
    while (!o->ends) {
        REQUIRE_OK(pk_loop_step(s->loop, 1000, NULL));
    }
    pk__http_pool_give(&s->pool, c);
    return o->error.code;
}

static pk_err by_waiting(site *s, outcome *o)
{
    pk__http_client *c = NULL;
    REQUIRE_OK(pk__http_pool_take(&s->pool, pk__clock_ns(), &c, NULL));
    pk_err rc = pk__http_client_run(c, &o->x, &o->error);
    pk__http_pool_give(&s->pool, c);
    return rc;
}

TEST(tls, goes_round_on_a_loop)
{
    static site s;
    outcome o;
    site_open(&s, "https+unix://x.sock", false);
    CHECK_STR(pk_server_address(s.server_of), "https+unix://x.sock");
    ask(&o, PK_STR("\"hello\""));
    CHECK_OK(by_loop(&s, &o));
    CHECK_STR(o.error.msg, "");
    CHECK_STR(s.refused, "");
    CHECK_INT(o.status, ==, 200);
    CHECK_PK_STR(pk_buf_str(&o.got), "\"hello\"");
    CHECK_CONTAINS(s.seen, "|TLSv1.");
    pk_buf_free(&o.got);
    site_close(&s);
}

TEST(tls, goes_round_with_a_thread_that_waits)
{
    static site s;
    outcome o;
    site_open(&s, "https://127.0.0.1:0", true);
    REQUIRE(pthread_create(&s.thread, NULL, site_serve, &s) == 0);
    for (int i = 0; i < 3; i++) {
        ask(&o, PK_STR("\"hello\""));
        CHECK_OK(by_waiting(&s, &o));
        CHECK_STR(o.error.msg, "");
        CHECK_STR(s.refused, "");
        CHECK_INT(o.status, ==, 200);
        CHECK_PK_STR(pk_buf_str(&o.got), "\"hello\"");
        pk_buf_free(&o.got);
    }
    printf("# %s\n", s.seen);
    pk__atomic_store(&s.quit, 1);
    pthread_join(s.thread, NULL);
    site_close(&s);
}
#endif
