/* test_credentials.c - API keys, bearer tokens and passwords: shown by hosts, checked by servers. */
#define UNIT_WHOLE
#include "unit.h"

#define CRED_CAPS "{\"types\":{\"c\":[{\"type\":\"x\"}]},\"protocols\":[\"plugkit/1\"]}"

/* ---- a server that lets in whom `access` names, and keeps what it saw last */

static struct {
    pk_access access;
    char authorization[200], key[200];
    int served, health, peak; // peak: most headers of one kind in a request
    int strangers;            // served, though they showed "u:x"
} seen;

static void note(const pk_request *request)
{
    int authorizations = 0;
    seen.authorization[0] = seen.key[0] = '\0';
    for (size_t i = 0; i < request->field_count; i++) {
        const pk_meta *f = &request->fields[i];
        if (pk_str_ieq(f->name, PK_STR("authorization"))) {
            authorizations++;
            snprintf(seen.authorization, sizeof(seen.authorization), "%" PK_FMT, PK_ARG(f->value));
        } else if (pk_str_ieq(f->name, PK_STR("x-api-key"))) {
            snprintf(seen.key, sizeof(seen.key), "%" PK_FMT, PK_ARG(f->value));
        }
    }
    seen.peak = PK__MAX(seen.peak, authorizations);
}

static pk_err on_go(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    note(request);
    seen.served++;
    seen.strangers += strcmp(seen.authorization, "Basic dTp4") == 0;
    response->body.bytes = PK_STR("\"in\"");
    return PK_OK;
}

static pk_err on_capabilities(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err, (void)request;
    response->body.bytes = PK_STR(CRED_CAPS);
    return PK_OK;
}

static pk_err on_health(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err, (void)request, (void)response;
    seen.health++;
    return PK_OK;
}

static pk_interceptor check;
static const pk_interceptor *const checks[] = {&check};

static pk_err open_server(pk_server **out, pk_loop *loop, const char *token)
{
    pk_server_desc desc = {.alloc = test_alloc(), .loop = loop, .listen = "http://127.0.0.1:0", .interceptors = checks,
                           .interceptor_count = 1, .token = pk_str_from(token)};
    const pk_route routes[] = {{"ANY /go", 0, on_go, NULL}, {"GET /capabilities", 0, on_capabilities, NULL},
                               {"GET /healthz", PK_INLINE, on_health, NULL}};
    check = pk_access_check(&seen.access);
    pk_err rc = pk_server_create(out, &desc, NULL);
    for (size_t i = 0; !rc && i < PK__COUNT(routes); i++) {
        rc = pk_server_add(*out, &routes[i], NULL);
    }
    return rc;
}

/* ---- a host */

typedef struct host {
    pk_loop *loop;
    pk_manager *m;
    pk_server *server;
    pk_interceptor show;
    pk_credentials shown;
    pk_reply reply;
    pk_error err;
    char challenge[200], logged[4000];
} host;

static void on_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields, size_t count)
{
    host *h = (host *)user;
    size_t len = strlen(h->logged);
    (void)level, (void)fields, (void)count;
    snprintf(h->logged + len, sizeof(h->logged) - len, "%s %" PK_FMT "\n", event, PK_ARG(text));
}

static pk_err open_host(host *h, const pk_credential *items, size_t count, const char *token)
{
    static const pk_interceptor *interceptors[1];
    memset(h, 0, sizeof(*h));
    h->shown.alloc = test_alloc();
    h->shown.items = items;
    h->shown.count = count;
    h->show = pk_credentials_show(&h->shown);
    h->reply.mem.alloc = test_alloc();
    interceptors[0] = &h->show;
    pk_err rc = pk_loop_create(&h->loop, test_alloc(), &h->err);
    rc = rc ? rc : open_server(&h->server, h->loop, token);
    pk_manager_desc desc = {.alloc = *test_alloc(), .loop = h->loop, .runtime_dir = test_now.folder, .reattach = "",
                            .interceptors = interceptors, .interceptor_count = 1, .health = {.interval_ms = 20},
                            .on_log = on_log, .user = h};
    rc = rc ? rc : pk_manager_create(&h->m, &desc, &h->err);
    pk_found found = {.id = "p", .endpoint = {.address = rc ? "" : pk_server_address(h->server),
                                              .token = pk_str_from(token)}};
    rc = rc ? rc : pk_manager_attach(h->m, &found, NULL, &h->err);
    return rc ? rc : pk_manager_start(h->m, &h->err);
}

static void close_host(host *h)
{
    pk_mem_free(&h->reply.mem);
    pk_manager_destroy(h->m);
    pk_server_destroy(h->server);
    pk_loop_destroy(h->loop);
}

static pk_err go(host *h, const char *authorization)
{
    const pk_meta meta[] = {{PK_STR_INIT("X-Other"), PK_STR_INIT("1")},
                            {PK_STR_INIT("Authorization"), pk_str_from(authorization)}};
    pk_call_desc d = {.plugin = "p", .http = "POST /go", .ctx = {.meta = meta, .meta_count = *authorization ? 2 : 1}};
    pk_err rc = pk_caller_call(pk_manager_caller(h->m), &d, &h->reply, &h->err);
    h->challenge[0] = '\0';
    for (size_t i = 0; i < h->reply.meta_count; i++) {
        if (pk_str_ieq(h->reply.meta[i].name, PK_STR("www-authenticate"))) {
            snprintf(h->challenge, sizeof(h->challenge), "%" PK_FMT, PK_ARG(h->reply.meta[i].value));
        }
    }
    return rc;
}

#define SECRET "s3cret-0123456789"

static pk_err get_secret(void *context, const pk_exchange *x, pk_str *secret, pk_error *err)
{
    int *times = (int *)context;
    (void)x;
    ++*times;
    if (*times < 0) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "the vault is shut");
    }
    *secret = PK_STR(SECRET);
    return PK_OK;
}

TEST(credentials, each_kind_opens_what_asks_for_it_and_nothing_else)
{
    static const struct {
        pk_credential item;
        const char *authorization, *key, *challenge;
    } rows[] = {
        {{.kind = PK_CREDENTIAL_API_KEY, .secret = PK_STR_INIT(SECRET)}, "", SECRET, "ApiKey realm=\"plugin\""},
        {{.kind = PK_CREDENTIAL_BEARER, .secret = PK_STR_INIT(SECRET)}, "Bearer " SECRET, "",
         "Bearer realm=\"plugin\""},
        {{.kind = PK_CREDENTIAL_BASIC, .user = PK_STR_INIT("Aladdin"), .secret = PK_STR_INIT("open sesame")},
         "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "", "Basic realm=\"plugin\", charset=\"UTF-8\""},
        {{.kind = PK_CREDENTIAL_CUSTOM, .header = "X-API-Key", .secret = PK_STR_INIT("other " SECRET)}, "",
         "other " SECRET, "ApiKey realm=\"plugin\""},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        for (size_t k = 0; k < PK__COUNT(rows); k++) {
            CASE("shows %zu where %zu is asked for", i, k) {
                host h;
                memset(&seen, 0, sizeof(seen));
                seen.access.accept.items = &rows[k].item;
                seen.access.accept.count = 1;
                REQUIRE_OK(open_host(&h, &rows[i].item, 1, ""));
                pk_err rc = go(&h, "");
                if (i == k) {
                    CHECK_INT(rc, ==, PK_OK);
                    CHECK_STR(seen.authorization, rows[i].authorization);
                    CHECK_STR(seen.key, rows[i].key);
                    CHECK_INT(seen.served, ==, 1);
                } else {
                    CHECK_INT(rc, ==, PK_ERR_PLUGIN_FAULT);
                    CHECK_INT(h.err.status, ==, 401);
                    CHECK_CONTAINS(h.err.msg, "credentials are missing or wrong");
                    CHECK_STR(h.challenge, rows[k].challenge);
                    CHECK_INT(seen.served, ==, 0);
                }
                close_host(&h);
                CHECK(!strstr(h.logged, SECRET) && !strstr(h.err.msg, SECRET));
            }
        }
    }
}

TEST(credentials, health_and_capabilities_are_asked_with_them_too)
{
    static const pk_credential key = {.kind = PK_CREDENTIAL_API_KEY, .header = "X-Key", .secret = PK_STR_INIT(SECRET)};
    host h;
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info info;
    memset(&seen, 0, sizeof(seen));
    seen.access.accept.items = &key;
    seen.access.accept.count = 1;
    REQUIRE_OK(open_host(&h, &key, 1, ""));
    REQUIRE_OK(pk_plugin_get(h.m, pk_manager_find(h.m, "p"), &mem, &info, NULL));
    CHECK(pk_str_is(info.status, "ready"));
    CHECK_INT((int)info.service_count, ==, 1);
    pk_mem_free(&mem);
    WAIT_UNTIL(pk_loop_step(h.loop, 50, NULL) != PK_OK || seen.health >= 3);
    close_host(&h);
}

TEST(credentials, what_is_wrong_is_refused_whatever_it_looks_like)
{
    static const pk_credential accept[] = {
        {.kind = PK_CREDENTIAL_BEARER, .secret = PK_STR_INIT(SECRET)},
        {.kind = PK_CREDENTIAL_BASIC, .user = PK_STR_INIT("Aladdin"), .secret = PK_STR_INIT("open sesame")},
        {.kind = PK_CREDENTIAL_BASIC, .secret = PK_STR_INIT("no user")},
        {.kind = PK_CREDENTIAL_API_KEY}, // without a secret: fits nothing
    };
    static const struct {
        const char *authorization;
        bool good;
    } rows[] = {
        {"", false},
        {"Bearer", false},
        {"Bearer ", false},
        {"Bearer " SECRET, true},
        {"bearer " SECRET, true}, // RFC 9110, 11.1
        {"BEARER  " SECRET, true},
        {"Bearer " SECRET SECRET, false},
        {"Bearer s3cret-012345678", false},
        {"Bearer S3cret-0123456789", false},
        {SECRET, false},
        {"Basic " SECRET, false},
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true},
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", false},       // no padding
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZSE=", false},     // Aladdin:open sesame!
        {"Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ==", false},     // aladdin:..
        {"Basic OG9wZW4gc2VzYW1l", false},                 // 8open sesame: no colon
        {"Basic Om5vIHVzZXI=", true},                      // :no user
        {"Basic QWxhZGRpbjpubyB1c2Vy", false},             // Aladdin:no user
        {"Basic ", false},
        {"Basic Og==", false},                             // :
        {"Digest username=\"Aladdin\"", false},
    };
    memset(&seen, 0, sizeof(seen));
    seen.access.accept.items = accept;
    seen.access.accept.count = PK__COUNT(accept);
    host h;
    REQUIRE_OK(open_host(&h, NULL, 0, ""));
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].authorization) {
            pk_err rc = go(&h, rows[i].authorization);
            CHECK_INT(rc, ==, rows[i].good ? PK_OK : PK_ERR_PLUGIN_FAULT);
            if (!rows[i].good) {
                CHECK_STR(h.challenge, "Bearer realm=\"plugin\", Basic realm=\"plugin\", charset=\"UTF-8\", "
                                       "ApiKey realm=\"plugin\"");
            }
        }
    }
    close_host(&h);
}

TEST(credentials, the_call_s_own_authorization_stays_the_user_s)
{
    static const pk_credential bearer = {.kind = PK_CREDENTIAL_BEARER, .secret = PK_STR_INIT(SECRET)};
    static const pk_credential users = {.kind = PK_CREDENTIAL_BEARER, .secret = PK_STR_INIT("theirs")};
    host h;
    memset(&seen, 0, sizeof(seen));
    seen.access.accept.items = &users;
    seen.access.accept.count = 1;
    REQUIRE_OK(open_host(&h, &bearer, 1, ""));
    CHECK_OK(go(&h, "Bearer theirs"));
    CHECK_STR(seen.authorization, "Bearer theirs");
    CHECK_INT(seen.peak, ==, 1);
    CHECK_ERR(go(&h, ""), PK_ERR_PLUGIN_FAULT);
    close_host(&h);
}

TEST(credentials, each_plugin_has_its_own_and_some_have_none)
{
    static const pk_credential items[] = {
        {.kind = PK_CREDENTIAL_BEARER, .secret = PK_STR_INIT("for all")},
        {.kind = PK_CREDENTIAL_BEARER, .secret = PK_STR_INIT("for p"), .plugin = "p"},
        {.kind = PK_CREDENTIAL_NONE, .plugin = "q"},
    };
    const pk_credentials all = {.items = items, .count = PK__COUNT(items)};
    CHECK(pk__credentials_for(&all, PK_STR("p")) == &items[1]);
    CHECK(pk__credentials_for(&all, PK_STR("q")) == &items[2]);
    CHECK(pk__credentials_for(&all, PK_STR("r")) == &items[0]);
    const pk_credentials none = {.items = &items[1], .count = 2};
    CHECK(pk__credentials_for(&none, PK_STR("r")) == NULL);
}

TEST(credentials, a_callback_gives_what_is_right_at_the_time)
{
    int times = 0;
    const pk_credential item = {.kind = PK_CREDENTIAL_BEARER, .get = get_secret, .context = &times};
    const pk_credential accept = {.kind = PK_CREDENTIAL_BEARER, .secret = PK_STR_INIT(SECRET)};
    host h;
    memset(&seen, 0, sizeof(seen));
    seen.access.accept.items = &accept;
    seen.access.accept.count = 1;
    REQUIRE_OK(open_host(&h, &item, 1, ""));
    int before = times;
    CHECK_OK(go(&h, ""));
    CHECK_INT(times, >, before);
    times = -1000;
    CHECK_ERR(go(&h, ""), PK_ERR_UNSUPPORTED);
    CHECK_STR(h.err.msg, "cannot show credentials to 'p': the vault is shut");
    close_host(&h);
}

TEST(credentials, one_that_cannot_be_sent_is_never_in_the_message)
{
    static const struct {
        pk_credential item;
        const char *says;
    } rows[] = {
        {{.kind = PK_CREDENTIAL_BEARER, .secret = PK_STR_INIT(SECRET "\r\nX: y")}, "missing or holds odd characters"},
        {{.kind = PK_CREDENTIAL_BEARER}, "missing or holds odd characters"},
        {{.kind = PK_CREDENTIAL_API_KEY, .secret = PK_STR_INIT(SECRET), .header = "X Key"}, "odd characters"},
        {{.kind = PK_CREDENTIAL_BASIC, .user = PK_STR_INIT("a:b"), .secret = PK_STR_INIT(SECRET)}, "user or password"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%zu", i) {
            host h;
            memset(&seen, 0, sizeof(seen));
            REQUIRE_OK(open_host(&h, &rows[i].item, 1, ""));
            CHECK_ERR(go(&h, ""), PK_ERR_MISUSE);
            CHECK_CONTAINS(h.err.msg, "cannot show credentials to 'p': ");
            CHECK_CONTAINS(h.err.msg, rows[i].says);
            CHECK(!strstr(h.err.msg, SECRET));
            close_host(&h);
            CHECK(!strstr(h.logged, SECRET));
        }
    }
}

/* ---- the server's own word */

static bool allow(void *context, const pk_exchange *x, pk_str scheme, pk_str user, pk_str secret, pk_error *err)
{
    (void)x;
    snprintf((char *)context, 100, "%" PK_FMT "|%" PK_FMT "|%" PK_FMT, PK_ARG(scheme), PK_ARG(user), PK_ARG(secret));
    if (pk_str_is(secret, "not here")) {
        (void)pk_error_set(err, PK_ERR_PERMISSION, "cannot serve the request: this is not for you");
        err->status = 403;
    }
    return pk_str_is(user, "Aladdin");
}

TEST(credentials, a_callback_has_the_last_word)
{
    char said[100];
    host h;
    memset(&seen, 0, sizeof(seen));
    seen.access.allow = allow;
    seen.access.context = said;
    seen.access.realm = "cave";
    REQUIRE_OK(open_host(&h, NULL, 0, ""));
    CHECK_OK(go(&h, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    CHECK_STR(said, "Basic|Aladdin|open sesame");
    CHECK_ERR(go(&h, "Bearer abc"), PK_ERR_PLUGIN_FAULT);
    CHECK_STR(said, "Bearer||abc");
    CHECK_INT(h.err.status, ==, 401);
    CHECK_CONTAINS(h.challenge, "Bearer realm=\"cave\", Basic realm=\"cave\"");
    CHECK_ERR(go(&h, "Bearer not here"), PK_ERR_PLUGIN_FAULT);
    CHECK_INT(h.err.status, ==, 403);
    CHECK_CONTAINS(h.err.msg, "this is not for you");
    CHECK_STR(h.challenge, "");
    CHECK_ERR(go(&h, ""), PK_ERR_PLUGIN_FAULT);
    CHECK_STR(said, "||");
    close_host(&h);
}

TEST(credentials, a_host_that_has_the_token_needs_none_for_its_own_questions)
{
    static const pk_credential accept = {.kind = PK_CREDENTIAL_BEARER, .secret = PK_STR_INIT(SECRET)};
    host h;
    memset(&seen, 0, sizeof(seen));
    seen.access.accept.items = &accept;
    seen.access.accept.count = 1;
    REQUIRE_OK(open_host(&h, NULL, 0, "0123"));
    WAIT_UNTIL(pk_loop_step(h.loop, 50, NULL) != PK_OK || seen.health >= 2);
    CHECK_ERR(go(&h, ""), PK_ERR_PLUGIN_FAULT);
    CHECK_OK(go(&h, "Bearer " SECRET));
    close_host(&h);
}

TEST(credentials, comparing_looks_at_every_byte)
{
    CHECK(pk__credentials_equal(PK_STR("abc"), PK_STR("abc")));
    CHECK(!pk__credentials_equal(PK_STR("abc"), PK_STR("abd")));
    CHECK(!pk__credentials_equal(PK_STR("abc"), PK_STR("xbc")));
    CHECK(!pk__credentials_equal(PK_STR("abcabc"), PK_STR("abc"))); // lengths count, though the bytes go round
    CHECK(!pk__credentials_equal(PK_STR("ab"), PK_STR("abc")));
    CHECK(!pk__credentials_equal(PK_STR(""), PK_STR("abc")));
    CHECK(!pk__credentials_equal(PK_STR(""), PK_STR("")));
    CHECK(!pk__credentials_equal(PK_STR("abc"), PK_STR("")));
}

TEST_TORTURE(credentials, whatever_fails_nobody_gets_in_and_nothing_is_left)
{
    static const pk_credential good = {.kind = PK_CREDENTIAL_BASIC, .user = PK_STR_INIT("u"),
                                       .secret = PK_STR_INIT(SECRET)};
    static const pk_credential bad = {.kind = PK_CREDENTIAL_BASIC, .user = PK_STR_INIT("u"),
                                      .secret = PK_STR_INIT("x")};
    host h;
    memset(&seen, 0, sizeof(seen));
    seen.access.accept.items = &good;
    seen.access.accept.count = 1;
    pk_credential item = good;
    if (TRY_OK(open_host(&h, &item, 1, ""))) {
        (void)go(&h, "");
        item = bad;
        CHECK(go(&h, "") != PK_OK);
        CHECK_INT(seen.strangers, ==, 0);
    }
    close_host(&h);
}
