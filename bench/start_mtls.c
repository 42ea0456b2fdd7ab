/* start_mtls.c - what mutual TLS costs between a host and a plugin that it starts: the first call, as in start.c, with
 * the certificate that is made for it and a whole handshake; and a further connection, which resumes. The library is
 * compiled in, to look inside. Without mbedTLS both rows are left out. */
#ifdef HAS_MBEDTLS
#define PLUGKIT_WITH_TLS
#endif
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include "bench.h"

#include "echo.h"
#include "one_byte.h"

#ifdef HAS_MBEDTLS
static pk_error error;

typedef struct starter {
    pk_manager *manager;
    pk_plugin plugin;
    pk_reply reply;
    pk__http_client *warm;  // so that the pool has to open another one
    pk__http_client *fresh; // that other one
} starter;

static void our_stop(void *user)
{
    starter *s = (starter *)user;
    if (pk_plugin_stop(s->manager, s->plugin, &error)) {
        bench_die("%s", error.msg);
    }
}

static void our_first_call(void *user, size_t times)
{
    starter *s = (starter *)user;
    const pk_call_desc desc = {.contract = "echo", .type = "echo", .method = "echo",
                               .body.bytes = pk_str_from(echo_request_json)};
    (void)times; // one a lap: the second would be warm
    if (pk_caller_call(pk_manager_caller(s->manager), &desc, &s->reply, &error)) {
        bench_die("%s", error.msg);
    }
}

/* ---- a further connection */

static pk__http_pool *pool_of(starter *s)
{
    char *node = (char *)s->manager->registry.plugins.next; // of the only one
    const pk__plugin *plugin = (const pk__plugin *)(void *)(node - offsetof(pk__plugin, node));
    return &((pk__http_channel *)plugin->instance->channel)->pool;
}

static void another_before(void *user)
{
    starter *s = (starter *)user;
    if (s->fresh) {
        s->fresh->dead = true;
        pk__http_pool_give(pool_of(s), s->fresh);
        s->fresh = NULL;
    }
    if (!s->warm && pk__http_pool_take(pool_of(s), pk__clock_ns(), &s->warm, &error)) {
        bench_die("%s", error.msg);
    }
}

static void another_connection(void *user, size_t times)
{
    starter *s = (starter *)user;
    pk__http_exchange x = {.method = PK_STR_INIT("GET"), .target = PK_STR_INIT("/healthz"), .deadline = PK_FOREVER};
    (void)times;
    if (pk__http_pool_take(pool_of(s), pk__clock_ns(), &s->fresh, &error) ||
        pk__http_client_run(s->fresh, &x, &error)) {
        bench_die("%s", error.msg);
    }
}

static void another_end(starter *s)
{
    another_before(s);
    pk__http_pool_give(pool_of(s), s->warm);
    s->warm = NULL;
}

static void open_host(starter *s, pk_mtls mtls)
{
    const pk_manager_desc desc = {.plugin_dir = bench_path("plugins_mtls"), .restart.max = 1000000, .mtls = mtls};
    if (pk_manager_create(&s->manager, &desc, &error) || pk_manager_start(s->manager, &error)) {
        bench_die("%s", error.msg);
    }
    s->plugin = pk_manager_find(s->manager, "echo");
    our_first_call(s, 1);
}

static void report(const char *name, const bench_contestant c[2], double most)
{
    bench_report_most(&(bench_result){name, "p50", c[1].p50 / 1e6, "ms", c[0].name, c[0].p50 / 1e6}, most);
    bench_report(&(bench_result){name, "p99", c[1].p99 / 1e6, "ms", c[0].name, c[0].p99 / 1e6});
}

int main(int argc, char **argv)
{
    static bench_contestant c[2];
    one_byte raw;
    starter secure = {0}, plain = {0};
    bench_begin(argc, argv);
    raw_open(&raw);
    open_host(&secure, PK_MTLS_REQUIRED);
    open_host(&plain, PK_MTLS_OFF);
    c[0] = (bench_contestant){.name = "vfork, exec, one byte", .run = raw_start, .before = raw_reap, .user = &raw};
    c[1] = (bench_contestant){.name = "first call", .run = our_first_call, .before = our_stop, .user = &secure};
    c[0].batch = c[1].batch = 1;
    c[0].laps = c[1].laps = 30;
    bench_compare(c, 2);
    report("start.first_call_mtls", c, 15);
    raw_reap(&raw);

    our_first_call(&secure, 1);
    c[0] = (bench_contestant){.name = "connection, plain", .run = another_connection, .before = another_before,
                              .user = &plain};
    c[1] = (bench_contestant){.name = "connection, resumed", .run = another_connection, .before = another_before,
                              .user = &secure};
    c[0].batch = c[1].batch = 1;
    c[0].laps = c[1].laps = 100;
    bench_compare(c, 2);
    report("tls.resume", c, 0.3);
    another_end(&secure);
    another_end(&plain);
    pk_mem_free(&secure.reply.mem);
    pk_mem_free(&plain.reply.mem);
    pk_manager_destroy(secure.manager);
    pk_manager_destroy(plain.manager);
    return 0;
}
#else
int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_skip("start.first_call_mtls", "mbedTLS is not there");
    bench_skip("tls.resume", "mbedTLS is not there");
    return 0;
}
#endif
