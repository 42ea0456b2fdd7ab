/* test_tls_auto.c - mutual TLS between a host and the plugins that it starts: a manager and a plugin of the SDK in one
 * process, on one loop, with a real control socket and real connections between them. */
#define UNIT_WHOLE // looks inside securing.c
#include "unit.h"
#ifndef HAS_MBEDTLS
TEST(tls_auto, needs_mbedtls)
{
    SKIP("mbedTLS is not there");
}
#else
#define AUTO_CAPS(more) "{\"types\":{\"c\":[{\"type\":\"x\"}]},\"protocols\":[\"plugkit/1\"]" more "}"

/* ---- the plugin */

typedef struct world {
    pk_loop *loop;
    pk_manager *m;
    pk_sdk *sdk;
    pk_launch *launch;
    pk_watch watch;     // the host's end of the control socket
    pk_task over;       // looks whether the plugin has ended
    const char *caps, *listening; // listening: there is no plugin, but this is said, once
    char hello[8192], lines[16384]; // what the plugin was told: at the start, and since
    char peer[200], fingerprint[80], version[16];
    int calls, resumed;  // resumed: calls on connections that went on where another one ended
    char first[80];      // fingerprint of the host's certificate, at the first call
    int changed;         // calls where it was another one
    bool holds_back;    // the next lines do not reach it
    pk_error err;
    char logged[8192];
} world;

static pk_err on_go(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    world *w = (world *)user;
    const pk_tls_peer *peer = pk_ctx_peer(request->ctx);
    (void)err;
    w->calls++;
    w->peer[0] = '\0';
    if (peer) {
        snprintf(w->peer, sizeof(w->peer), "%" PK_FMT, PK_ARG(peer->uri_count ? peer->uris[0] : peer->name));
        snprintf(w->fingerprint, sizeof(w->fingerprint), "%" PK_FMT, PK_ARG(peer->fingerprint));
        if (!w->first[0]) {
            snprintf(w->first, sizeof(w->first), "%s", w->fingerprint);
        }
        snprintf(w->version, sizeof(w->version), "%s", peer->version);
        w->resumed += peer->is_resumed;
        w->changed += strcmp(w->first, w->fingerprint) != 0;
    }
    response->body.bytes = PK_STR("\"here\"");
    return PK_OK;
}

static void on_over(void *user)
{
    world *w = (world *)user;
    if (w->sdk && pk_sdk_is_running(w->sdk)) {
        pk_loop_post(w->loop, &w->over);
        return;
    }
    pk_sdk_destroy(w->sdk);
    w->sdk = NULL;
    pk_watch_remove(w->loop, &w->watch);
    pk__fd_close(w->watch.fd);
    w->watch.fd = -1;
    pk_launch *l = w->launch;
    w->launch = NULL;
    pk_launch_exited(l, 0, NULL);
}

static void on_control(void *user, bool can_read, bool can_write)
{
    world *w = (world *)user;
    char buf[2000];
    (void)can_read, (void)can_write;
    ssize_t n = recv(w->watch.fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n > 0) {
        pk_str bytes = {buf, (size_t)n};
        pk_launch_output(w->launch, PK_STREAM_CONTROL, bytes);
    } else if (n == 0) {
        pk_watch_set(w->loop, &w->watch, false, false, NULL);
    }
}

static pk_err start_sdk(world *w, int fd, pk_error *err)
{
    char number[16];
    char *argv[] = {(char *)(uintptr_t)"plugin", NULL};
    const pk_route route = {"ANY /go", 0, on_go, w};
    const pk_sdk_desc desc = {.id = "p", .routes = &route, .route_count = 1, .loop = w->loop, .alloc = test_alloc()};
    snprintf(number, sizeof(number), "%d", fd);
    setenv("PLUGKIT_PROTOCOL", "plugkit/1", 1);
    setenv("PLUGKIT_CONTROL_FD", number, 1);
    pk_err rc = pk_sdk_create(&w->sdk, 1, argv, &desc, err);
    unsetenv("PLUGKIT_PROTOCOL");
    unsetenv("PLUGKIT_CONTROL_FD");
    if (rc && fcntl(fd, F_GETFD) >= 0) { // it had not come so far as to take it
        pk__fd_close(fd);
    }
    return rc;
}

static pk_err launch_start(void *user, pk_launch *l, const pk_launch_info *info, void **state, pk_error *err)
{
    world *w = (world *)user;
    int fds[2];
    *state = w;
    w->launch = l;
    w->watch.fd = -1;
    if (info->probe) {
        pk_launch_output(l, PK_STREAM_OUT, pk_str_from(w->caps));
        w->launch = NULL;
        pk_launch_exited(l, 0, NULL);
        return PK_OK;
    }
    snprintf(w->hello, sizeof(w->hello), "%" PK_FMT, PK_ARG(info->config));
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    w->watch.fd = fds[0];
    w->watch.on_ready = on_control;
    w->watch.user = w;
    w->over.run = on_over;
    w->over.user = w;
    if (w->listening) {
        pk__fd_close(fds[1]);
        char line[300];
        snprintf(line, sizeof(line), "{\"listening\":\"%s\"}\n{\"ready\":true}\n", w->listening);
        pk_launch_output(l, PK_STREAM_CONTROL, pk_str_from(line));
        return PK_OK;
    }
    REQUIRE(write(fds[0], info->config.ptr, info->config.len) == (ssize_t)info->config.len); // before it is sent again
    pk_err rc = start_sdk(w, fds[1], err);
    rc = rc ? rc : pk_watch_add(w->loop, &w->watch, true, false, err);
    if (rc) {
        pk_sdk_destroy(w->sdk);
        w->sdk = NULL;
        pk__fd_close(fds[0]);
        return rc;
    }
    pk_loop_post(w->loop, &w->over);
    return PK_OK;
}

static pk_err launch_send(void *state, pk_str bytes, pk_error *err)
{
    world *w = (world *)state;
    (void)err;
    if (pk_str_starts(bytes, PK_STR("{\"config\""))) {
        return PK_OK; // it has that
    }
    size_t len = strlen(w->lines);
    snprintf(w->lines + len, sizeof(w->lines) - len, "%" PK_FMT, PK_ARG(bytes));
    if (!w->holds_back && w->watch.fd >= 0) {
        (void)!write(w->watch.fd, bytes.ptr, bytes.len);
    }
    return PK_OK;
}

static void launch_stop(void *state, int how)
{
    world *w = (world *)state;
    (void)how;
    if (w->sdk) {
        pk_sdk_stop(w->sdk);
    } else if (w->launch) {
        pk_loop_post(w->loop, &w->over);
    }
}

/* ---- the host */

static void on_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields, size_t count)
{
    world *w = (world *)user;
    size_t len = strlen(w->logged);
    (void)level, (void)fields, (void)count;
    snprintf(w->logged + len, sizeof(w->logged) - len, "%s %" PK_FMT "\n", event, PK_ARG(text));
}

static pk_err find(void *user, pk_sink *sink, pk_error *err)
{
    const pk_found found = {.id = "p", .path = "/made/up"};
    (void)user;
    pk_err rc = pk_sink_found(sink, &found, err);
    pk_sink_done(sink);
    return rc;
}

static pk_err open_world(world *w, const char *caps, pk_mtls mtls, bool tcp)
{
    static pk_launcher launcher = {.name = "here", .start = launch_start, .send = launch_send, .stop = launch_stop};
    static const pk_finder finder = {.name = "made up", .start = find};
    static const pk_launcher *const launchers[] = {&launcher};
    static const pk_finder *const finders[] = {&finder};
    const char *listening = w->listening;
    memset(w, 0, sizeof(*w));
    w->listening = listening;
    w->caps = caps;
    w->watch.fd = -1;
    launcher.user = w;
    pk_manager_desc desc = {.alloc = *test_alloc(), .runtime_dir = test_now.folder, .reattach = "", .mtls = mtls,
                            .tcp = tcp, .finders = finders, .finder_count = 1, .launchers = launchers,
                            .launcher_count = 1, .health = {.off = true}, .on_log = on_log, .user = w,
                            .deadline = {.stop_ms = 200}, .idle_ms = 1000u * 3600 * 1000};
    pk_err rc = pk_loop_create(&w->loop, test_alloc(), &w->err);
    desc.loop = w->loop;
    rc = rc ? rc : pk_manager_create(&w->m, &desc, &w->err);
    return rc ? rc : pk_manager_start(w->m, &w->err);
}

static void close_world(world *w)
{
    pk_manager_destroy(w->m);
    pk_loop_destroy(w->loop);
}

static pk_err go(world *w)
{
    const pk_call_desc d = {.plugin = "p", .http = "POST /go"};
    return pk_caller_call(pk_manager_caller(w->m), &d, NULL, &w->err);
}

static void on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    (void)call, (void)reply;
    CHECK(!err);
    ++*(int *)user;
}

/* Two calls at once: one of them needs a connection of its own. */
static void go_twice(world *w)
{
    int done = 0;
    const pk_call_desc d = {.plugin = "p", .http = "POST /go", .on_reply = on_reply, .user = &done};
    REQUIRE_OK(pk_caller_start(pk_manager_caller(w->m), &d, NULL, NULL));
    REQUIRE_OK(pk_caller_start(pk_manager_caller(w->m), &d, NULL, NULL));
    WAIT_UNTIL(pk_loop_step(w->loop, 20, NULL) != PK_OK || done == 2);
}

static const char *address_of(world *w)
{
    static char text[300];
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info info;
    REQUIRE_OK(pk_plugin_get(w->m, pk_manager_find(w->m, "p"), &mem, &info, NULL));
    snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(info.address));
    pk_mem_free(&mem);
    return text;
}

static pk__authority *authority_of(world *w)
{
    return &w->m->life.securing->authority;
}

/* ---- both together */

TEST(tls_auto, a_plugin_is_called_over_mutual_tls_and_further_connections_resume)
{
    static const bool by_tcp[] = {false, true};
    for (size_t i = 0; i < PK__COUNT(by_tcp); i++) {
        CASE("tcp %d", by_tcp[i]) {
            world w = {.listening = NULL};
            char host[PK__AUTHORITY_URI];
            REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_REQUIRED, by_tcp[i]));
            CHECK_OK(go(&w));
            CHECK(strstr(address_of(&w), by_tcp[i] ? "https://127.0.0.1:" : "https+unix://") == address_of(&w));
            pk__authority_name(authority_of(&w), "host", host);
            CHECK_STR(w.peer, host);
            CHECK_STR(w.version, "TLSv1.2"); // where resuming needs no new keys
            CHECK_INT(w.resumed, ==, 0);
            go_twice(&w);
            CHECK_INT(w.calls, ==, 3);
            CHECK_INT(w.resumed, ==, 1); // on the one that was opened for it
            close_world(&w);
        }
    }
}

TEST(tls_auto, one_that_cannot_is_refused_or_used_without)
{
    world w = {.listening = NULL};
    REQUIRE_OK(open_world(&w, AUTO_CAPS(""), PK_MTLS_REQUIRED, false));
    CHECK_ERR(go(&w), PK_ERR_HANDSHAKE);
    CHECK_STR(w.err.msg, "cannot start 'p': mutual TLS is required, and its capabilities do not say \"mtls\":true");
    close_world(&w);
    REQUIRE_OK(open_world(&w, AUTO_CAPS(""), PK_MTLS_POSSIBLE, false));
    CHECK_OK(go(&w));
    CHECK_STR(w.peer, "");
    CHECK(!strstr(w.hello, "\"tls\""));
    close_world(&w);
    REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_POSSIBLE, false));
    CHECK_OK(go(&w));
    CHECK_CONTAINS(w.peer, "/host");
    close_world(&w);
    REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_OFF, false));
    CHECK_OK(go(&w));
    CHECK_STR(w.peer, "");
    close_world(&w);
}

/* ---- strangers, at the plugin's door */

typedef struct knocking {
    int ends, status;
    pk_error err;
} knocking;

static pk_err on_head(void *user, const pk__http_answer *answer, pk_error *err)
{
    (void)err;
    ((knocking *)user)->status = answer->status;
    return PK_OK;
}

static void on_end(void *user, const pk_error *why)
{
    knocking *k = (knocking *)user;
    k->ends++;
    if (why) {
        k->err = *why;
    }
}

/* A request without the token: who gets through TLS is told so (401). `tls` NULL: none is spoken. */
static void knock(world *w, knocking *k, const char *address, pk_tls *tls)
{
    pk__http_pool pool;
    pk__http_client *client = NULL;
    char name[PK__AUTHORITY_URI];
    pk__authority_name(authority_of(w), "p-1", name);
    memset(k, 0, sizeof(*k));
    pk__http_pool_desc desc = {.alloc = test_alloc(), .address = address, .tls = tls, .tls_name = tls ? name : NULL};
    pk__http_exchange x = {.method = PK_STR_INIT("POST"), .target = PK_STR_INIT("/go"), .on_head = on_head,
                           .on_end = on_end, .user = k};
    x.deadline = pk__clock_after_ms(pk__clock_ns(), 5000);
    REQUIRE_OK(pk__http_pool_init(&pool, &desc, NULL));
    REQUIRE_OK(pk__http_pool_take(&pool, pk__clock_ns(), &client, NULL));
    REQUIRE_OK(pk__http_client_start(client, w->loop, &x, NULL));
    WAIT_UNTIL(pk_loop_step(w->loop, 20, NULL) != PK_OK || k->ends > 0);
    pk__http_pool_give(&pool, client);
    pk__http_pool_deinit(&pool);
}

/* Shows what was issued, if anything, and believes the authority. */
static pk_tls *tls_of(const pk__authority *trusted, const pk__authority_issued *shown)
{
    pk_tls *tls = NULL;
    pk_tls_source trust = {NULL, {(const char *)trusted->certificate, trusted->certificate_len}};
    pk_tls_cert own = {.password = NULL};
    pk_tls_desc desc = {.alloc = test_alloc(), .trust = &trust, .trust_count = 1};
    if (shown) {
        own.chain.bytes = (pk_str){(const char *)shown->certificate, shown->certificate_len};
        own.key.bytes = (pk_str){(const char *)shown->key, shown->key_len};
        desc.certs = &own;
        desc.cert_count = 1;
    }
    REQUIRE_OK(pk_tls_create(&tls, &desc, NULL));
    return tls;
}

TEST(tls_auto, a_plugin_lets_in_nobody_but_its_host)
{
    static const bool by_tcp[] = {false, true};
    for (size_t i = 0; i < PK__COUNT(by_tcp); i++) {
        CASE("tcp %d", by_tcp[i]) {
            static pk__authority other_host;
            static pk__authority_issued other_instance, stranger, stranger_as_host;
            world w = {.listening = NULL};
            knocking k;
            REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_REQUIRED, by_tcp[i]));
            CHECK_OK(go(&w));
            const char *address = address_of(&w);
            pk__authority *ours = authority_of(&w);
            memset(&other_host, 0, sizeof(other_host));
            REQUIRE_OK(pk__authority_make(&other_host, NULL));
            REQUIRE_OK(pk__authority_issue(ours, "other-1", &other_instance, NULL));
            REQUIRE_OK(pk__authority_issue(&other_host, "host", &stranger, NULL));
            char base[32];
            memcpy(base, other_host.base, sizeof(base));
            memcpy(other_host.base, ours->base, sizeof(base)); // the right name, by the wrong authority
            REQUIRE_OK(pk__authority_issue(&other_host, "host", &stranger_as_host, NULL));
            memcpy(other_host.base, base, sizeof(base));
            const struct {
                const char *who;
                const pk__authority_issued *shown;
            } rows[] = {{"no certificate", NULL},
                        {"another instance of this host", &other_instance},
                        {"another host", &stranger},
                        {"another host by this one's name", &stranger_as_host}};
            for (size_t r = 0; r < PK__COUNT(rows); r++) {
                pk_tls *tls = tls_of(ours, rows[r].shown);
                knock(&w, &k, address, tls);
                if (k.status != 0 || k.err.code == PK_OK) {
                    FAIL("%s is let in", rows[r].who);
                }
                pk_tls_destroy(tls);
            }
            char plain[300];
            snprintf(plain, sizeof(plain), "http%s", address + strlen("https"));
            knock(&w, &k, plain, NULL);
            CHECK_INT(k.status, !=, 401); // TLS was not even begun: 400 at most, and nothing is run
            knock(&w, &k, address, w.m->life.securing->tls); // the host, without the token
            CHECK_INT(k.status, ==, 401);
            CHECK_INT(w.calls, ==, 1);
            pk__authority_deinit(&other_host);
            close_world(&w);
        }
    }
}

/* ---- strangers, in the plugin's place */

static void serve_as(world *w, pk_server **server, const char *listen, pk_tls *tls)
{
    pk_server_desc desc = {.alloc = test_alloc(), .loop = w->loop, .listen = listen, .tls = tls};
    const pk_route route = {"ANY /go", 0, on_go, w};
    REQUIRE_OK(pk_server_create(server, &desc, NULL));
    REQUIRE_OK(pk_server_add(*server, &route, NULL));
}

TEST(tls_auto, a_host_believes_nobody_but_that_instance)
{
    enum { RIGHT, WRONG_INSTANCE, THE_HOST, OTHER_AUTHORITY, PLAIN_BEHIND_HTTPS, PLAIN, KINDS };
    static const char *const names[] = {"p-1", "p-2", "host", "p-1", NULL, NULL};
    for (int kind = 0; kind < KINDS; kind++) {
        CASE("%d", kind) {
            static pk__authority other;
            static pk__authority_issued shown;
            world w = {.listening = "https://127.0.0.1:1"}; // until we know which port it is
            char address[100];
            REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_REQUIRED, true));
            memset(&other, 0, sizeof(other));
            REQUIRE_OK(pk__authority_make(&other, NULL));
            pk__authority *by = authority_of(&w);
            if (kind == OTHER_AUTHORITY) {
                memcpy(other.base, by->base, sizeof(by->base));
                by = &other;
            }
            pk_tls *tls = NULL;
            pk_server *server = NULL;
            if (names[kind]) {
                REQUIRE_OK(pk__authority_issue(by, names[kind], &shown, NULL));
                tls = tls_of(authority_of(&w), &shown);
            }
            serve_as(&w, &server, tls ? "https://127.0.0.1:0" : "http://127.0.0.1:0", tls);
            snprintf(address, sizeof(address), "http%s%s", kind == PLAIN ? "" : "s",
                     strchr(pk_server_address(server), ':'));
            w.listening = address;
            pk_err rc = go(&w);
            if (kind == RIGHT) {
                CHECK_INT(rc, ==, PK_OK);
                CHECK_CONTAINS(w.peer, "/host");
            } else {
                CHECK(rc != PK_OK);
                CHECK_INT(w.calls, ==, 0);
            }
            if (kind == PLAIN) {
                CHECK_STR(w.err.msg, "cannot start 'p': it was told to serve TLS, and listens without");
            }
            if (kind == WRONG_INSTANCE) {
                CHECK_CONTAINS(w.err.msg, "it is that of");
            }
            pk_manager_destroy(w.m);
            pk_server_destroy(server);
            pk_tls_destroy(tls);
            pk__authority_deinit(&other);
            pk_loop_destroy(w.loop);
        }
    }
}

TEST(tls_auto, a_certificate_will_do_where_credentials_are_asked_for)
{
    static const pk_credential key = {.kind = PK_CREDENTIAL_API_KEY, .secret = PK_STR_INIT("a key")};
    static const pk_access access = {.accept = {.items = &key, .count = 1}, .certificate = true};
    static const pk_access keys_only = {.accept = {.items = &key, .count = 1}};
    static pk_interceptor check;
    static const pk_interceptor *const checks[] = {&check};
    static pk__authority_issued served, shown;
    world w = {.listening = NULL};
    knocking k;
    REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_REQUIRED, false));
    REQUIRE_OK(pk__authority_issue(authority_of(&w), "p-1", &served, NULL));
    REQUIRE_OK(pk__authority_issue(authority_of(&w), "somebody", &shown, NULL));
    pk_tls *ours = tls_of(authority_of(&w), &served), *theirs = tls_of(authority_of(&w), &shown);
    for (int certificates = 0; certificates < 2; certificates++) {
        pk_server *server = NULL;
        check = pk_access_check(certificates ? &access : &keys_only);
        pk_server_desc desc = {.alloc = test_alloc(), .loop = w.loop, .listen = "https://127.0.0.1:0", .tls = ours,
                               .interceptors = checks, .interceptor_count = 1};
        const pk_route route = {"ANY /go", 0, on_go, &w};
        REQUIRE_OK(pk_server_create(&server, &desc, NULL));
        REQUIRE_OK(pk_server_add(server, &route, NULL));
        knock(&w, &k, pk_server_address(server), theirs);
        CHECK_INT(k.status, ==, certificates ? 200 : 401);
        CHECK_INT(w.calls, ==, certificates);
        pk_server_destroy(server);
    }
    pk_tls_destroy(ours);
    pk_tls_destroy(theirs);
    close_world(&w);
}

/* ---- time passes */

static pk__atomic_u32 hours; // that the wall clock is ahead

static int ahead_clock(clockid_t id, struct timespec *out)
{
    int rc = clock_gettime(id, out);
    if (id == CLOCK_REALTIME) {
        out->tv_sec += 3600 * (time_t)pk__atomic_load(&hours);
    }
    return rc;
}

/* Both clocks; and what is due is done. */
static void pass(world *w, uint32_t by_hours)
{
    (void)pk__atomic_add(&hours, by_hours);
    pk__clock_advance((int64_t)by_hours * 3600 * PK__SECOND);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(pk_loop_step(w->loop, 0, NULL));
    }
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what)) {
        n++;
    }
    return n;
}

/* A connection that is made now: does the plugin show a good certificate? */
static int fresh(world *w, knocking *k)
{
    pk__securing *s = w->m->life.securing;
    pk_error why;
    char name[PK__AUTHORITY_URI];
    static pk__authority_issued shown;
    pk__authority_name(&s->authority, "p-1", name);
    REQUIRE_OK(pk__authority_issue(&s->authority, "host", &shown, &why));
    pk_tls *tls = tls_of(&s->authority, &shown); // nothing to resume
    knock(w, k, address_of(w), tls);
    pk_tls_destroy(tls);
    return k->status;
}

TEST(tls_auto, certificates_are_renewed_in_time_and_open_connections_go_on)
{
    world w = {.listening = NULL};
    knocking k;
    pk__clock_fake(pk__clock_ns());
    pk__sys.clock_gettime = ahead_clock;
    REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_REQUIRED, false));
    CHECK_OK(go(&w));
    pk__http_channel *ch = (pk__http_channel *)pk__registry_instance(&w.m->registry, PK_STR("p-1"))->channel;
    pk__http_client *first = PK__OF(ch->pool.idle.prev, pk__http_client, node);
    CHECK_INT(fresh(&w, &k), ==, 401);
    for (int day = 1; day <= 3; day++) {
        pass(&w, 12); // half of 23 hours are 11 hours and a half
        CHECK_INT(count(w.lines, "{\"tls\":{"), ==, 2 * day - 1);
        pass(&w, 12);
        CHECK_INT(count(w.lines, "{\"tls\":{"), ==, 2 * day);
        CHECK_INT(fresh(&w, &k), ==, 401);
    }
    /* The pool may have closed it, idle for so long; what it must not be is broken. */
    CHECK(ch->pool.idle_count == 0 || PK__OF(ch->pool.idle.prev, pk__http_client, node) != first || !first->dead);
    CHECK_OK(go(&w));
    CHECK_CONTAINS(w.peer, "/host");
    CHECK(!strstr(w.logged, "tls"));
    close_world(&w);
    pk__clock_real();
}

TEST(tls_auto, without_the_next_one_the_last_one_expires)
{
    world w = {.listening = NULL};
    knocking k;
    pk__clock_fake(pk__clock_ns());
    pk__sys.clock_gettime = ahead_clock;
    REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_REQUIRED, false));
    CHECK_OK(go(&w));
    w.holds_back = true;
    pass(&w, 12);
    CHECK_INT(count(w.lines, "{\"tls\":{"), ==, 1);
    CHECK_INT(fresh(&w, &k), ==, 401); // it is good for 23 hours
    pass(&w, 12);
    CHECK_INT(fresh(&w, &k), ==, 0);
    CHECK_CONTAINS(k.err.msg, "expired");
    w.holds_back = false;
    pass(&w, 12);
    CHECK_INT(fresh(&w, &k), ==, 401); // there is the next
    close_world(&w);
    pk__clock_real();
}

TEST(tls_auto, a_connection_is_not_dropped_when_there_is_the_next_certificate)
{
    world w = {.listening = NULL};
    pk__clock_fake(pk__clock_ns());
    pk__sys.clock_gettime = ahead_clock;
    REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_REQUIRED, false));
    CHECK_OK(go(&w));
    /* Both ends take new ones, now. */
    pk__securing_on_renew_own(&w.m->life);
    pk__securing_on_renew(w.launch);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(pk_loop_step(w.loop, 0, NULL));
    }
    CHECK_INT(count(w.lines, "{\"tls\":{"), ==, 1);
    CHECK_OK(go(&w));
    CHECK_INT(w.changed, ==, 0); // it is the same connection
    go_twice(&w);
    CHECK_INT(w.changed, ==, 1); // and a new one has the new certificate,
    CHECK_INT(w.resumed, ==, 0); // which nobody has seen before
    close_world(&w);
    pk__clock_real();
}

/* ---- secrets */

TEST(tls_auto, what_was_told_is_wiped_and_in_no_log)
{
    world w = {.listening = NULL};
    REQUIRE_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_REQUIRED, false));
    CHECK_OK(go(&w));
    const char *key = strstr(w.hello, "\"key\":\"");
    REQUIRE(key);
    char text[41];
    snprintf(text, sizeof(text), "%.40s", key + strlen("\"key\":\""));
    CHECK(!w.launch->issued);
    for (size_t i = 0; i < w.sdk->settings.tls.key.len; i++) {
        CHECK_INT(w.sdk->settings.tls.key.ptr[i], ==, 0);
    }
    const pk_buf *lines = &w.sdk->lifeline.lines.buf;
    CHECK(lines->len == 0 || !memmem(lines->ptr, lines->len, text, strlen(text)));
    CHECK(!strstr(w.logged, text));
    close_world(&w);
}

TEST(tls_auto, an_authority_is_as_it_should_be)
{
    static pk__authority a, b;
    static pk__authority_issued one, two;
    mbedtls_x509_crt ca, crt;
    uint32_t flags = 0;
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    REQUIRE_OK(pk__authority_make(&a, NULL));
    REQUIRE_OK(pk__authority_make(&b, NULL));
    CHECK(strcmp(a.base, b.base) != 0);
    pk__authority_prepare(&a);
    REQUIRE_OK(pk__authority_issue(&a, "p-1", &one, NULL));
    REQUIRE_OK(pk__authority_issue(&a, "p-1", &two, NULL));
    CHECK(one.key_len != two.key_len || memcmp(one.key, two.key, one.key_len) != 0);
    mbedtls_x509_crt_init(&ca);
    mbedtls_x509_crt_init(&crt);
    REQUIRE(mbedtls_x509_crt_parse_der(&ca, a.certificate, a.certificate_len) == 0);
    REQUIRE(mbedtls_x509_crt_parse_der(&crt, one.certificate, one.certificate_len) == 0);
    CHECK_INT(mbedtls_x509_crt_verify(&crt, &ca, NULL, NULL, &flags, NULL, NULL), ==, 0);
    int64_t valid = pk__tls_seconds(&crt.valid_to) - pk__tls_seconds(&crt.valid_from);
    CHECK_INT(valid, ==, 24 * 3600);
    int64_t now = pk__clock_unix_ms() / 1000;
    CHECK_INT(pk__tls_seconds(&crt.valid_from), <=, now);
    CHECK_INT(pk__tls_seconds(&crt.valid_from), >=, now - 3700);
    CHECK_INT(mbedtls_pk_get_bitlen(&crt.pk), ==, 256);
    CHECK(pk__tls_is_called(&crt, one.uri));
    CHECK(!pk__tls_is_called(&crt, "p-1"));
    mbedtls_x509_crt_free(&ca);
    mbedtls_x509_crt_free(&crt);
    pk__authority_deinit(&a);
    pk__authority_deinit(&b);
}

TEST(tls_auto, dates_are_those_of_the_calendar)
{
    static const long long seconds[] = {0, 951782399, 951782400, 1709164800, 1735689599, 4102444800};
    static const char *const texts[] = {"19700101000000", "20000228235959", "20000229000000", "20240229000000",
                                        "20241231235959", "21000101000000"};
    for (size_t i = 0; i < PK__COUNT(seconds); i++) {
        char out[16];
        pk__authority_date(out, seconds[i]);
        CHECK_STR(out, texts[i]);
    }
}

TEST_TORTURE(tls_auto, whatever_fails_nothing_is_left_and_nothing_is_said_in_the_clear)
{
    world w = {.listening = NULL};
    if (TRY_OK(open_world(&w, AUTO_CAPS(",\"mtls\":true"), PK_MTLS_REQUIRED, false))) {
        const pk_call_desc d = {.plugin = "p", .http = "POST /go", .ctx = {.timeout_ms = 3000}};
        if (pk_caller_call(pk_manager_caller(w.m), &d, NULL, &w.err) == PK_OK) {
            CHECK_CONTAINS(w.peer, "/host");
        }
    }
    close_world(&w);
}
#endif
