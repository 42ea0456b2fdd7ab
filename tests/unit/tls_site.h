/* tls_site.h - a server by TLS and calls to it, for the tests of net/tls*. The server and calls of `site_call` share
 * one loop; `site_wait` calls from the test's thread, while another one steps the loop (site_thread). */
#ifndef TLS_SITE_H
#define TLS_SITE_H
#include "unit.h"
#ifdef HAS_MBEDTLS
#include "certs.h"

#include <pthread.h>

typedef struct site {
    pk_tls *server_tls, *client_tls;
    pk_loop *loop;
    pk_server *server;
    pk__http_pool pool;
    /* What the server saw. */
    int runs, refusals;
    char name[128], uri[128], version[16], refused[300];
    bool resumed;
    pthread_t thread;
    pk__atomic_u32 quit;
    pk_err (*run)(struct site *s, const pk_request *q, pk_response *a, pk_error *err); // NULL = echo
} site;

typedef struct answer {
    pk__http_exchange x;
    pk_body body;
    int status, ends;
    pk_buf got;
    pk_error error;
} answer;

static pk_err site_run(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    site *s = (site *)user;
    const pk_tls_peer *peer = pk_ctx_peer(q->ctx);
    s->runs++;
    REQUIRE(peer != NULL);
    snprintf(s->name, sizeof(s->name), "%" PK_FMT, PK_ARG(peer->name));
    snprintf(s->uri, sizeof(s->uri), "%" PK_FMT, peer->uri_count ? (int)peer->uris[0].len : 0,
             peer->uri_count ? peer->uris[0].ptr : "");
    snprintf(s->version, sizeof(s->version), "%s", peer->version);
    s->resumed = peer->is_resumed;
    if (s->run) {
        return s->run(s, q, a, err);
    }
    a->body = q->body;
    return PK_OK;
}

static void site_on_refused(void *user, const pk_error *why)
{
    site *s = (site *)user;
    s->refusals++;
    snprintf(s->refused, sizeof(s->refused), "%s", why->msg);
}

/* A server with these two; client NULL = no pool. address NULL = https+unix://x.sock. */
static TEST__UNUSED void site_open(site *s, pk_tls_desc server, const pk_tls_desc *client, const char *address)
{
    pk_route route = {"ANY /*", 0, site_run, s};
    memset(s, 0, sizeof(*s));
    server.alloc = test_alloc();
    server.on_refused = site_on_refused;
    server.user = s;
    REQUIRE_OK(pk_tls_create(&s->server_tls, &server, NULL));
    REQUIRE_OK(pk_loop_create(&s->loop, test_alloc(), NULL));
    pk_server_desc desc = {.alloc = test_alloc(), .loop = s->loop, .tls = s->server_tls};
    desc.listen = address ? address : "https+unix://x.sock";
    REQUIRE_OK(pk_server_create(&s->server, &desc, NULL));
    REQUIRE_OK(pk_server_add(s->server, &route, NULL));
    if (client) {
        pk_tls_desc c = *client;
        c.alloc = test_alloc();
        REQUIRE_OK(pk_tls_create(&s->client_tls, &c, NULL));
        pk__http_pool_desc pool = {.alloc = test_alloc(), .address = pk_server_address(s->server), .tls = s->client_tls};
        REQUIRE_OK(pk__http_pool_init(&s->pool, &pool, NULL));
    }
}

static void *site_serve(void *arg)
{
    site *s = (site *)arg;
    while (!pk__atomic_load(&s->quit)) {
        (void)pk_loop_step(s->loop, 1000, NULL);
    }
    return NULL;
}

static TEST__UNUSED void site_thread(site *s)
{
    REQUIRE(pthread_create(&s->thread, NULL, site_serve, s) == 0);
}

static TEST__UNUSED void site_join(site *s)
{
    pk__atomic_store(&s->quit, 1);
    pk_loop_wake(s->loop);
    pthread_join(s->thread, NULL);
}

static TEST__UNUSED void site_close(site *s)
{
    if (s->client_tls) {
        pk__http_pool_deinit(&s->pool);
    }
    pk_server_destroy(s->server);
    (void)unlink("x.sock");
    pk_loop_destroy(s->loop);
    pk_tls_destroy(s->server_tls);
    pk_tls_destroy(s->client_tls);
}

static pk_err answer_on_head(void *user, const pk__http_answer *head, pk_error *err)
{
    (void)err;
    ((answer *)user)->status = head->status;
    return PK_OK;
}

static pk_err answer_on_chunk(void *user, pk_str bytes, pk_error *err)
{
    return pk_buf_add(&((answer *)user)->got, bytes) ? PK_OK : pk_error_set(err, PK_ERR_NO_MEMORY, "no memory");
}

static void answer_on_end(void *user, const pk_error *why)
{
    answer *a = (answer *)user;
    a->ends++;
    if (why) {
        a->error = *why;
    }
}

static TEST__UNUSED void answer_init(answer *a, pk_str body)
{
    memset(a, 0, sizeof(*a));
    a->body.bytes = body;
    a->x.method = PK_STR("POST");
    a->x.target = PK_STR("/echo");
    a->x.body = &a->body;
    a->x.deadline = pk__clock_after_ms(pk__clock_ns(), 15000);
    a->x.on_head = answer_on_head;
    a->x.on_chunk = answer_on_chunk;
    a->x.on_end = answer_on_end;
    a->x.user = a;
    pk_buf_init(&a->got, test_alloc(), 64 << 20);
}

/* Until the call has its outcome. */
static TEST__UNUSED pk_err site_call(site *s, answer *a)
{
    pk__http_client *c = NULL;
    pk_err rc = pk__http_pool_take(&s->pool, pk__clock_ns(), &c, &a->error);
    if (rc == PK_OK) {
        rc = pk__http_client_start(c, s->loop, &a->x, &a->error);
        while (rc == PK_OK && !a->ends && pk_loop_step(s->loop, 1000, NULL) == PK_OK) {
        }
        pk__http_pool_give(&s->pool, c);
    }
    return rc ? rc : a->error.code;
}

static TEST__UNUSED pk_err site_wait(site *s, answer *a)
{
    pk__http_client *c = NULL;
    pk_err rc = pk__http_pool_take(&s->pool, pk__clock_ns(), &c, &a->error);
    if (rc == PK_OK) {
        rc = pk__http_client_run(c, &a->x, &a->error);
        pk__http_pool_give(&s->pool, c);
    }
    return rc;
}

/* Steps the loop until then, or until nothing happens for a second. */
#define SITE_UNTIL(s, condition)                                            \
    for (int64_t site_end = test__ms() + 10000; !(condition);) {            \
        REQUIRE(test__ms() < site_end);                                     \
        REQUIRE_OK(pk_loop_step((s)->loop, 20, NULL));                      \
    }

/* One whole call: what the answer's body is, or the error's sentence. Valid until the next. */
static TEST__UNUSED const char *site_ask(site *s, const char *body)
{
    static char text[400];
    answer a;
    answer_init(&a, pk_str_from(body));
    if (site_call(s, &a) == PK_OK) {
        snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(pk_buf_str(&a.got)));
    } else {
        snprintf(text, sizeof(text), "%s", a.error.msg);
    }
    pk_buf_free(&a.got);
    return text;
}

/* Sets the wall clock: seconds ahead of the real one. */
static int64_t site_clock_ahead;
static int site_clock(clockid_t which, struct timespec *out)
{
    int rc = clock_gettime(which, out);
    out->tv_sec += which == CLOCK_REALTIME ? (time_t)site_clock_ahead : 0;
    return rc;
}

static TEST__UNUSED void site_set_clock(int64_t ahead_s)
{
    site_clock_ahead = ahead_s;
    pk__sys.clock_gettime = site_clock;
}

#endif
#endif
