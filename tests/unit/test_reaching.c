/* test_reaching.c - plugins that somebody else runs, by host name: real servers, and a resolver that says what it is
 * told to. All addresses are of this machine. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define REACH_CAPS "{\"types\":{\"c\":[{\"type\":\"x\"}]},\"protocols\":[\"plugkit/1\"],\"version\":\"2.0.0\"}"

/* ---- the resolver; its answers are set between look-ups */

static struct {
    pk__mutex lock;
    const char *numbers[4]; // NULL ends them; none at all: nobody knows the name
    int asked;
} names;

static int fake_look_up(const char *host, pk__sys_names *out)
{
    memset(out, 0, sizeof(*out));
    pk__mutex_lock(&names.lock);
    names.asked++;
    for (size_t i = 0; i < PK__COUNT(names.numbers) && names.numbers[i]; i++) {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        memset(&v4, 0, sizeof(v4));
        memset(&v6, 0, sizeof(v6));
        v4.sin_family = AF_INET;
        v6.sin6_family = AF_INET6;
        if (inet_pton(AF_INET, names.numbers[i], &v4.sin_addr) == 1) {
            memcpy(&out->at[out->count++], &v4, sizeof(v4));
        } else {
            (void)inet_pton(AF_INET6, names.numbers[i], &v6.sin6_addr);
            memcpy(&out->at[out->count++], &v6, sizeof(v6));
        }
    }
    pk__mutex_unlock(&names.lock);
    return strcmp(host, "peer.test") == 0 && out->count ? 0 : EAI_NONAME;
}

static void says(const char *first, const char *second, const char *third)
{
    pk__mutex_lock(&names.lock);
    names.numbers[0] = first;
    names.numbers[1] = second;
    names.numbers[2] = third;
    pk__mutex_unlock(&names.lock);
}

static int times_asked(void)
{
    pk__mutex_lock(&names.lock);
    int asked = names.asked;
    pk__mutex_unlock(&names.lock);
    return asked;
}

/* ---- servers */

typedef struct peer {
    pk_server *server;
    const char *name;
    int health; // the status of /healthz
    int asked;  // GET /capabilities
    pk_str host; // that it was called by
    char host_text[80];
} peer;

static pk_err on_capabilities(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    peer *p = (peer *)user;
    (void)err, (void)request;
    p->asked++;
    response->body.bytes = PK_STR(REACH_CAPS);
    return PK_OK;
}

static pk_err on_health(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)request, (void)err;
    response->status = ((peer *)user)->health;
    return PK_OK;
}

static pk_err on_who(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    peer *p = (peer *)user;
    (void)err;
    for (size_t i = 0; i < request->field_count; i++) {
        if (pk_str_ieq(request->fields[i].name, PK_STR("host"))) {
            snprintf(p->host_text, sizeof(p->host_text), "%" PK_FMT, PK_ARG(request->fields[i].value));
        }
    }
    response->body.bytes = pk_str_from(p->name);
    return PK_OK;
}

static uint16_t port_of(const peer *p)
{
    pk__address a;
    REQUIRE_OK(pk__address_parse(&a, pk_str_from(pk_server_address(p->server)), NULL));
    return a.port;
}

/* Listens at HOST:PORT; port 0 = a free one. */
static void open_peer(peer *p, pk_loop *loop, const char *host, unsigned port)
{
    char listen_at[80];
    snprintf(listen_at, sizeof(listen_at), "http://%s:%u", host, port);
    pk_server_desc desc = {.alloc = test_alloc(), .loop = loop, .listen = listen_at};
    pk_route routes[] = {{"GET /capabilities", 0, on_capabilities, p}, {"GET /healthz", 0, on_health, p},
                         {"GET /who", 0, on_who, p}};
    p->name = host;
    p->health = 200;
    p->asked = 0;
    REQUIRE_OK(pk_server_create(&p->server, &desc, NULL));
    for (size_t i = 0; i < PK__COUNT(routes); i++) {
        REQUIRE_OK(pk_server_add(p->server, &routes[i], NULL));
    }
}

static void close_peer(peer *p)
{
    pk_server_destroy(p->server);
    p->server = NULL;
}

/* One that takes connections and says nothing. */
static int open_silent(const char *host, unsigned port)
{
    pk__address a;
    int fd = -1;
    memset(&a, 0, sizeof(a));
    a.kind = PK__ADDRESS_TCP;
    a.port = (uint16_t)port;
    snprintf(a.host, sizeof(a.host), "%s", host);
    REQUIRE_OK(pk__socket_listen(&a, &fd, NULL));
    return fd;
}

/* ---- the host */

typedef struct host {
    pk_loop *loop;
    pk_manager *m;
    pk_error err;
    char text[200]; // of the last answer
} host;

static void open_host(host *h, const pk_manager_desc *more)
{
    pk_manager_desc desc = *more;
    memset(h, 0, sizeof(*h));
    pk__mutex_init(&names.lock);
    pk__sys.look_up = fake_look_up;
    REQUIRE_OK(pk_loop_create(&h->loop, test_alloc(), NULL));
    desc.alloc = *test_alloc();
    desc.loop = h->loop;
    desc.runtime_dir = test_now.folder;
    desc.reattach = "";
    REQUIRE_OK(pk_manager_create(&h->m, &desc, NULL));
}

static void close_host(host *h)
{
    pk_manager_destroy(h->m);
    pk_loop_destroy(h->loop);
}

static pk_err attach(host *h, const char *address, const char *manifest)
{
    pk_found found = {.id = "p", .endpoint = {.address = address}, .manifest = pk_str_from(manifest)};
    return pk_manager_attach(h->m, &found, NULL, &h->err);
}

static const char *at(char *text, size_t cap, unsigned port)
{
    snprintf(text, cap, "http://peer.test:%u", port);
    return text;
}

static pk_err who(host *h)
{
    pk_call_desc d = {.plugin = "p", .http = "GET /who", .ctx = {.timeout_ms = 5000}};
    pk_reply reply = {0};
    pk_err rc = pk_caller_call(pk_manager_caller(h->m), &d, &reply, &h->err);
    snprintf(h->text, sizeof(h->text), "%" PK_FMT, PK_ARG(reply.body.bytes));
    pk_mem_free(&reply.mem);
    return rc;
}

static const char *status(host *h)
{
    static char text[60];
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info info;
    text[0] = '\0';
    if (pk_plugin_get(h->m, pk_manager_find(h->m, "p"), &mem, &info, NULL) == PK_OK) {
        snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(info.status));
        h->err = info.why;
    }
    pk_mem_free(&mem);
    return text;
}

static void becomes(host *h, const char *wanted)
{
    WAIT_UNTIL(pk_loop_step(h->loop, 20, NULL) != PK_OK || strcmp(status(h), wanted) == 0);
}

/* A description that makes all times short. */
#define QUICK .health = {.interval_ms = 150}, .restart = {.delay_ms = 10, .delay_max_ms = 40}

TEST(reaching, a_name_is_looked_up_and_what_it_offers_is_asked)
{
    host h;
    peer one = {0};
    char text[80];
    pk_call_desc by_type = {.contract = "c", .type = "x", .http = "GET /who"};
    open_host(&h, &(pk_manager_desc){QUICK});
    open_peer(&one, h.loop, "127.0.0.1", 0);
    says("127.0.0.1", NULL, NULL);
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port_of(&one)), ""));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_STR(status(&h), "ready");
    CHECK_INT(one.asked, ==, 1);
    CHECK_OK(pk_caller_call(pk_manager_caller(h.m), &by_type, NULL, &h.err));
    CHECK_STR(one.host_text, text + strlen("http://")); // by its name, not by its number
    close_peer(&one);
    close_host(&h);
    CHECK_INT(times_asked(), ==, 1);
}

TEST(reaching, addresses_that_refuse_or_say_nothing_are_passed_over)
{
    host h;
    peer good = {0};
    char text[80];
    open_host(&h, &(pk_manager_desc){QUICK, .deadline = {.start_ms = getenv("TEST_VALGRIND") ? 6000 : 600}});
    open_peer(&good, h.loop, "127.0.0.3", 0);
    int silent = open_silent("127.0.0.2", port_of(&good));
    says("127.0.0.1", "127.0.0.2", "127.0.0.3");
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port_of(&good)), REACH_CAPS));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_STR(status(&h), "stopped"); // it is known what it offers, so nobody has to be asked
    CHECK_OK(who(&h));
    CHECK_STR(h.text, "127.0.0.3");
    CHECK_INT(good.asked, ==, 0);
    close_peer(&good);
    close_host(&h);
    pk__fd_close(silent);
}

TEST(reaching, over_ipv6_and_by_number)
{
    host h;
    peer one = {0};
    char text[80];
    open_host(&h, &(pk_manager_desc){QUICK});
    open_peer(&one, h.loop, "[::1]", 0);
    says("::1", NULL, NULL);
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port_of(&one)), ""));
    pk_found number = {.id = "q", .endpoint = {.address = pk_server_address(one.server)},
                       .manifest = PK_STR_INIT("{\"types\":{}}")};
    REQUIRE_OK(pk_manager_attach(h.m, &number, NULL, NULL));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_OK(who(&h));
    CHECK_STR(one.host_text, text + strlen("http://"));
    pk_call_desc d = {.plugin = "q", .http = "GET /who"};
    CHECK_OK(pk_caller_call(pk_manager_caller(h.m), &d, NULL, NULL));
    CHECK_CONTAINS(one.host_text, "[::1]:");
    close_peer(&one);
    close_host(&h);
}

TEST(reaching, localhost_is_here_in_both_ways)
{
    host h;
    peer one = {0};
    char text[80];
    open_host(&h, &(pk_manager_desc){QUICK});
    open_peer(&one, h.loop, "[::1]", 0);
    snprintf(text, sizeof(text), "http://localhost:%u", port_of(&one));
    REQUIRE_OK(attach(&h, text, ""));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_OK(who(&h));
    CHECK_STR(h.text, "[::1]");
    close_peer(&one);
    close_host(&h);
    CHECK_INT(times_asked(), ==, 0);
}

TEST(reaching, one_that_goes_away_is_found_where_its_name_is_then)
{
    host h;
    peer first = {0}, second = {0};
    char text[80];
    open_host(&h, &(pk_manager_desc){QUICK});
    open_peer(&first, h.loop, "127.0.0.1", 0);
    unsigned port = port_of(&first);
    says("127.0.0.1", NULL, NULL);
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port), ""));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_OK(who(&h));
    CHECK_STR(h.text, "127.0.0.1");
    close_peer(&first);
    becomes(&h, "backoff"); // by its health: nobody calls it
    CHECK_CONTAINS(h.err.msg, "'p'");
    open_peer(&second, h.loop, "127.0.0.2", port);
    says("127.0.0.2", NULL, NULL);
    becomes(&h, "ready");
    CHECK_OK(who(&h));
    CHECK_STR(h.text, "127.0.0.2");
    CHECK_INT(h.err.code, ==, PK_OK);
    close_peer(&second);
    close_host(&h);
}

TEST(reaching, a_call_that_finds_it_gone_goes_where_it_is_then)
{
    host h;
    peer first = {0}, second = {0};
    char text[80];
    open_host(&h, &(pk_manager_desc){.restart = {.delay_ms = 10}}); // its health is not asked meanwhile
    open_peer(&first, h.loop, "127.0.0.1", 0);
    unsigned port = port_of(&first);
    says("127.0.0.1", NULL, NULL);
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port), ""));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_OK(who(&h));
    close_peer(&first);
    open_peer(&second, h.loop, "127.0.0.2", port);
    says("127.0.0.1", "127.0.0.2", NULL); // the old one still stands first
    CHECK_OK(who(&h));
    CHECK_STR(h.text, "127.0.0.2");
    close_peer(&second);
    close_host(&h);
}

TEST(reaching, calls_to_one_that_cannot_be_reached_are_told_why_at_once)
{
    host h;
    char text[80];
    peer one = {0};
    open_host(&h, &(pk_manager_desc){.restart = {.delay_ms = 60000, .delay_max_ms = 60000}});
    open_peer(&one, h.loop, "127.0.0.1", 0);
    unsigned port = port_of(&one);
    close_peer(&one);
    says("127.0.0.1", "127.0.0.2", NULL);
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port), ""));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_STR(status(&h), "backoff");
    int asked = times_asked();
    CHECK_ERR(who(&h), PK_ERR_PLUGIN_CONNECTION);
    CHECK_CONTAINS(h.err.msg, "cannot reach 'p': none of its 2 addresses answers, and the last one: "
                              "cannot connect to 'http://127.0.0.2:");
    CHECK_INT(times_asked(), ==, asked); // nothing was tried for that
    open_peer(&one, h.loop, "127.0.0.1", port);
    WAIT_UNTIL(pk_loop_step(h.loop, 50, NULL) != PK_OK || who(&h) == PK_OK); // a second later one has it tried
    close_peer(&one);
    close_host(&h);
}

TEST(reaching, a_name_that_nobody_knows_yet)
{
    host h;
    peer one = {0};
    char text[80];
    open_host(&h, &(pk_manager_desc){QUICK});
    open_peer(&one, h.loop, "127.0.0.1", 0);
    says(NULL, NULL, NULL);
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port_of(&one)), ""));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_STR(status(&h), "backoff");
    CHECK_CONTAINS(h.err.msg, "cannot reach 'p': cannot find host 'peer.test': ");
    says("127.0.0.1", NULL, NULL);
    becomes(&h, "ready");
    CHECK_INT(one.asked, ==, 1);
    close_peer(&one);
    close_host(&h);
}

TEST(reaching, it_never_counts_as_failed)
{
    host h;
    peer one = {0};
    char text[80];
    open_host(&h, &(pk_manager_desc){.restart = {.delay_ms = 1, .delay_max_ms = 1, .max = 2}});
    open_peer(&one, h.loop, "127.0.0.1", 0);
    unsigned port = port_of(&one);
    close_peer(&one);
    says("127.0.0.1", NULL, NULL);
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port), ""));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    WAIT_UNTIL(pk_loop_step(h.loop, 20, NULL) != PK_OK || times_asked() > 20);
    open_peer(&one, h.loop, "127.0.0.1", port);
    becomes(&h, "ready");
    close_peer(&one);
    close_host(&h);
}

TEST(reaching, one_that_is_not_well_is_degraded_and_then_given_up_and_taken_again)
{
    host h;
    peer one = {0};
    char text[80];
    open_host(&h, &(pk_manager_desc){QUICK});
    open_peer(&one, h.loop, "127.0.0.1", 0);
    says("127.0.0.1", NULL, NULL);
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port_of(&one)), REACH_CAPS));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_OK(who(&h));
    one.health = 503;
    becomes(&h, "degraded");
    becomes(&h, "backoff"); // three times in a row
    CHECK_INT(h.err.code, ==, PK_ERR_UNHEALTHY);
    CHECK_CONTAINS(h.err.msg, "plugin 'p' is not healthy: ");
    one.health = 200;
    becomes(&h, "ready");
    close_peer(&one);
    close_host(&h);
}

TEST(reaching, what_it_offers_must_be_of_use)
{
    host h;
    peer one = {0};
    char text[80];
    pk_found other = {.id = "other", .endpoint = {.address = "http://127.0.0.1:1"},
                      .manifest = PK_STR_INIT(REACH_CAPS)};
    open_host(&h, &(pk_manager_desc){QUICK});
    REQUIRE_OK(pk_manager_attach(h.m, &other, NULL, &h.err));
    open_peer(&one, h.loop, "127.0.0.1", 0);
    says("127.0.0.1", NULL, NULL);
    REQUIRE_OK(attach(&h, at(text, sizeof(text), port_of(&one)), ""));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    CHECK_STR(status(&h), "rejected");
    CHECK_INT(h.err.code, ==, PK_ERR_DUPLICATE);
    close_peer(&one);
    close_host(&h);
}

TEST(reaching, what_cannot_be_attached_is_refused_with_the_reason)
{
    host h;
    open_host(&h, &(pk_manager_desc){.eager = false});
    CHECK_ERR(attach(&h, "nonsense", ""), PK_ERR_BAD_ENDPOINT);
    pk_found found = {.id = "../p", .endpoint = {.address = "http://peer.test:1"}};
    CHECK_ERR(pk_manager_attach(h.m, &found, NULL, &h.err), PK_ERR_BAD_NAME);
    found.id = "p";
    found.path = "/bin/true";
    CHECK_ERR(pk_manager_attach(h.m, &found, NULL, &h.err), PK_ERR_MISUSE);
    CHECK_ERR(pk_manager_attach(h.m, NULL, NULL, &h.err), PK_ERR_MISUSE);
    CHECK_OK(attach(&h, "http://peer.test:1", REACH_CAPS));
    CHECK_ERR(attach(&h, "http://peer.test:1", REACH_CAPS), PK_ERR_DUPLICATE);
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    REQUIRE_OK(pk_manager_stop(h.m, NULL));
    found.id = "late";
    found.path = NULL;
    CHECK_ERR(pk_manager_attach(h.m, &found, NULL, &h.err), PK_ERR_STOPPED);
    close_host(&h);
}

TEST(reaching, a_manager_that_goes_does_not_wait_for_the_resolver)
{
    host h;
    open_host(&h, &(pk_manager_desc){QUICK});
    REQUIRE_OK(attach(&h, "http://peer.test:1", ""));
    REQUIRE_OK(pk_manager_start(h.m, NULL));
    pk__mutex_lock(&names.lock); // who asks now waits for that
    WAIT_UNTIL(pk_loop_step(h.loop, 20, NULL) != PK_OK || strcmp(status(&h), "starting") == 0);
    close_host(&h);
    pk__mutex_unlock(&names.lock);
    pk__thread_nap(5 * PK__MS); // for the sanitizers
}

TEST_TORTURE(reaching, whatever_fails_nothing_is_left)
{
    host h;
    peer one = {0};
    pk__address a;
    char text[80];
    memset(&h, 0, sizeof(h));
    memset(&a, 0, sizeof(a));
    pk__mutex_init(&names.lock);
    pk__sys.look_up = fake_look_up;
    says("127.0.0.1", "::1", NULL);
    pk_manager_desc desc = {.alloc = *test_alloc(), QUICK, .runtime_dir = test_now.folder, .reattach = "",
                            .deadline = {.start_ms = 500}};
    pk_found found = {.id = "p", .endpoint = {.address = text}};
    if (!TRY_OK(pk_loop_create(&h.loop, test_alloc(), NULL))) {
        return;
    }
    desc.loop = h.loop;
    pk_server_desc server = {.alloc = test_alloc(), .loop = h.loop, .listen = "http://[::1]:0"};
    pk_route route = {"GET /capabilities", 0, on_capabilities, &one};
    if (TRY_OK(pk_server_create(&one.server, &server, NULL)) && TRY_OK(pk_server_add(one.server, &route, NULL)) &&
        TRY_OK(pk__address_parse(&a, pk_str_from(pk_server_address(one.server)), NULL)) &&
        TRY_OK(pk_manager_create(&h.m, &desc, NULL))) {
        (void)at(text, sizeof(text), a.port);
        if (TRY_OK(pk_manager_attach(h.m, &found, NULL, NULL)) && TRY_OK(pk_manager_start(h.m, NULL))) {
            (void)who(&h);
        }
    }
    pk_manager_destroy(h.m);
    pk_server_destroy(one.server);
    pk_loop_destroy(h.loop);
}
