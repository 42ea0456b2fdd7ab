/* test_tls_matrix.c - everything that must be refused, in both directions, and the reason that is given. Where the peer
 * has to break the rules it is a script of bytes, or a pk_tls whose material has been tampered with. */
#include "tls_site.h"
#ifndef HAS_MBEDTLS
TEST(tls_matrix, needs_mbedtls)
{
    SKIP("mbedTLS is not there");
}
#else
#include "peer.h"

enum { HOUR = 3600, DAY = 24 * HOUR };

/* What is wrong with the certificate of one side. The other one is always good. */
typedef struct flaw {
    const char *what;
    cert_kind kind;       // of the authority, and so of its signatures
    bool none;            // no certificate (clients)
    bool alone;           // self-signed
    bool stranger;        // signed by an authority that nobody trusts
    bool impostor;        // signed by an authority that is called like the trusted one, and has another key
    bool forged;          // a bit of the signature is wrong
    bool stolen;          // the certificate is right, and the key is another one
    bool revoked, list_is_old;
    bool other_use, other_name, old_middle;
    long from, to;
    const char *reason;   // what the side that refuses says
    const char *told;     // what the other one is told by it: in TLS 1.2, and
    const char *told_13;  // in 1.3; NULL = the same
} flaw;

/* In TLS 1.2 alerts say less. A signature that does not fit the key is found by the peer in the handshake itself. */
static const flaw flaws[] = {
    {.what = "no certificate", .none = true, .reason = "the client shows no certificate",
     .told = "it may want one, and there is none", .told_13 = "it wants a certificate, and none was shown"},
    {.what = "self-signed", .alone = true, .reason = "it is self-signed ('CN=it') and not trusted",
     .told = "it does not trust the authority of our certificate"},
    {.what = "wrong authority", .stranger = true, .reason = "it is signed by 'CN=Other CA', which is not trusted",
     .told = "it does not trust the authority of our certificate"},
    {.what = "impostor", .impostor = true, .reason = "the signature is not that of 'CN=Test CA', which is trusted",
     .told = "it does not trust the authority of our certificate"},
    {.what = "expired", .from = -2 * DAY, .to = -DAY, .reason = "it has expired since 20",
     .told = "our certificate has expired, or is not valid yet"},
    {.what = "not yet valid", .from = DAY, .to = 2 * DAY, .reason = "it is not valid before 20",
     .told = "our certificate"},
    {.what = "an expired one above it", .old_middle = true,
     .reason = "of 'CN=Middle' above it: it has expired since 20",
     .told = "our certificate has expired, or is not valid yet"},
    {.what = "wrong usage", .other_use = true, .reason = "it is not meant for this use (extended key usage)",
     .told = "our certificate"},
    {.what = "forged, P-256", .kind = CERT_P256, .forged = true,
     .reason = "the signature is not that of 'CN=Test CA', which is trusted",
     .told = "it does not trust the authority of our certificate"},
    {.what = "forged, P-384", .kind = CERT_P384, .forged = true,
     .reason = "the signature is not that of 'CN=Test CA', which is trusted",
     .told = "it does not trust the authority of our certificate"},
    {.what = "forged, RSA", .kind = CERT_RSA, .forged = true,
     .reason = "the signature is not that of 'CN=Test CA', which is trusted",
     .told = "it does not trust the authority of our certificate"},
    {.what = "without its key, P-256", .kind = CERT_P256, .stolen = true, .reason = "", .told = "the peer refuses"},
    {.what = "without its key, P-384", .kind = CERT_P384, .stolen = true, .reason = "", .told = "the peer refuses"},
    {.what = "without its key, RSA", .kind = CERT_RSA, .stolen = true, .reason = "", .told = "the peer refuses"},
    {.what = "revoked", .revoked = true, .reason = "it has been revoked", .told = "our certificate has been revoked"},
    {.what = "list of last week", .list_is_old = true, .reason = "the revocation list is out of date",
     .told = "our certificate"},
    {.what = "wrong name", .other_name = true, .reason = "it is that of 'CN=it', and has no name 'localhost'",
     .told = "it does not accept our certificate"},
};

typedef struct party {
    cert ca, other_ca, middle, it;
    pk_tls_cert shown;
    pk_tls_source trust; // who believes in it
} party;

/* A certificate with that flaw, or with none. */
static void party_make(party *p, const flaw *f, int use)
{
    static const flaw good = {.what = "good"};
    f = f ? f : &good;
    bool is_other = f->stranger || f->impostor;
    cert_make(&p->ca, &(cert_plan){.name = "Test CA", .is_ca = true, .kind = f->kind});
    cert_make(&p->other_ca, &(cert_plan){.name = f->stranger ? "Other CA" : "Test CA", .is_ca = true});
    cert_plan plan = {.name = "it", .by = is_other ? &p->other_ca : &p->ca, .dns = "localhost", .use = use};
    if (f->old_middle) {
        cert_plan middle = {.name = "Middle", .is_ca = true, .by = &p->ca, .from = -2 * DAY, .to = -DAY};
        cert_make(&p->middle, &middle);
        plan.by = &p->middle;
    }
    plan.by = f->alone ? NULL : plan.by;
    plan.kind = f->stolen ? f->kind : CERT_P256;
    plan.from = f->from;
    plan.to = f->to;
    plan.use = f->other_use && use == CERT_CLIENT ? CERT_SERVER : use;
    plan.dns = f->other_name ? "elsewhere" : plan.dns;
    plan.is_forged = f->forged;
    plan.serial = 7;
    cert_make(&p->it, &plan);
    if (f->old_middle) { // the chain, in PEM
        cert_add(&p->it, &p->middle);
    }
    p->shown = cert_both(&p->it);
    p->trust = cert_chain(&p->ca);
}

static void party_free(party *p)
{
    cert_free(&p->ca);
    cert_free(&p->other_ca);
    cert_free(&p->middle);
    cert_free(&p->it);
}

/* Another key in the place of the right one, which pk_tls_create would not have taken. */
static void party_steal(pk_tls *tls, cert_kind kind)
{
    cert other = {0};
    cert_new_key(&other, kind);
    mbedtls_pk_free(&tls->material->own[0].key);
    tls->material->own[0].key = other.key;
}

/* A certificate for clients, which mbedTLS would not show as a server's. */
static void party_misuse(pk_tls *tls, const party *p)
{
    cert wrong;
    mbedtls_x509_crt *own = &tls->material->own[0].chain;
    cert_plan plan = {.name = "it", .by = &p->ca, .key_of = &p->it, .dns = "localhost", .use = CERT_CLIENT};
    cert_make(&wrong, &plan);
    mbedtls_x509_crt_free(own);
    mbedtls_x509_crt_init(own);
    REQUIRE(mbedtls_x509_crt_parse_der(own, wrong.der, wrong.len) == 0);
    own->PK__TLS_PRIVATE(ext_types) &= ~MBEDTLS_OID_X509_EXT_EXTENDED_KEY_USAGE;
    cert_free(&wrong);
}

static void meet(const flaw *f, bool server_is_bad)
{
    static party server, client;
    site s;
    answer a;
    memset(&server, 0, sizeof(server));
    memset(&client, 0, sizeof(client));
    party_make(&server, server_is_bad ? f : NULL, CERT_SERVER);
    party_make(&client, server_is_bad ? NULL : f, CERT_CLIENT);
    party *bad = server_is_bad ? &server : &client;
    unsigned char list_der[1024];
    pk_tls_source list = {NULL, {(const char *)list_der, 0}};
    list.bytes.len = cert_revoke(&bad->ca, f->revoked ? 7 : 9, f->list_is_old ? -DAY : DAY, list_der, sizeof(list_der));
    bool has_list = f->revoked || f->list_is_old;

    pk_tls_desc d = {.certs = &server.shown, .cert_count = 1, .trust = &client.trust, .trust_count = 1};
    pk_tls_desc c = {.trust = &server.trust, .trust_count = 1, .peer_name = "localhost"};
    c.certs = &client.shown;
    c.cert_count = f->none ? 0 : 1;
    if (has_list) {
        pk_tls_desc *strict = server_is_bad ? &c : &d;
        strict->crls = &list;
        strict->crl_count = 1;
    }
    site_open(&s, d, &c, NULL);
    if (f->other_use && server_is_bad) {
        party_misuse(s.server_tls, &server);
    }
    if (f->stolen) {
        party_steal(server_is_bad ? s.server_tls : s.client_tls, f->kind);
    }
    answer_init(&a, PK_STR("secret"));
    pk_err rc = site_call(&s, &a);
    CHECK(rc != PK_OK);
    CHECK_INT(s.runs, ==, 0);
    SITE_UNTIL(&s, s.refusals > 0);
    const char *refuser = server_is_bad ? a.error.msg : s.refused;
    CHECK_CONTAINS(refuser, f->reason);
    const char *told = server_is_bad ? s.refused : a.error.msg;
    bool is_13 = PK__TLS_HAS_13;
    if (!f->stolen || server_is_bad) {
        CHECK_CONTAINS(told, is_13 && f->told_13 ? f->told_13 : f->told);
    }
    if (getenv("PK_TLS_MATRIX")) {
        printf("# | %-24s | %s | %s |\n", f->what, server_is_bad ? a.error.msg : s.refused, told);
    }
    pk_buf_free(&a.got);
    site_close(&s);
    party_free(&server);
    party_free(&client);
}

TEST(tls_matrix, client_refuses_server)
{
    for (size_t i = 0; i < PK__COUNT(flaws); i++) {
        if (flaws[i].none) {
            continue; // a server cannot even begin without
        }
        CASE("%s", flaws[i].what)
        {
            meet(&flaws[i], true);
        }
    }
}

TEST(tls_matrix, server_refuses_client)
{
    for (size_t i = 0; i < PK__COUNT(flaws); i++) {
        if (flaws[i].other_name) {
            continue; // which names clients must have is the policy's business: on_peer
        }
        CASE("%s", flaws[i].what)
        {
            meet(&flaws[i], false);
        }
    }
}

/* ---- peers that are not of this world */

typedef struct bytes {
    const char *ptr;
    size_t len;
} bytes;
#define BYTES(literal) {literal, sizeof(literal) - 1}

static void open_plain(site *s, party *p)
{
    memset(p, 0, sizeof(*p));
    party_make(p, NULL, CERT_SERVER);
    pk_tls_desc d = {.certs = &p->shown, .cert_count = 1};
    pk_tls_desc c = {.trust = &p->trust, .trust_count = 1, .peer_name = "localhost"};
    site_open(s, d, &c, NULL);
}

/* Sends that to the server and reads all that it has to say, until it hangs up. */
static size_t say(site *s, bytes what, char *out, size_t cap)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "x.sock"};
    size_t got = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    REQUIRE(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    REQUIRE(send(fd, what.ptr, what.len, MSG_NOSIGNAL) == (ssize_t)what.len);
    for (ssize_t n = -1; n != 0;) {
        n = recv(fd, out + got, cap - 1 - got, 0);
        got += n > 0 ? (size_t)n : 0;
        REQUIRE(n >= 0 || errno == EAGAIN || errno == ECONNRESET);
        if (n < 0 && errno == ECONNRESET) {
            break;
        }
        REQUIRE_OK(pk_loop_step(s->loop, n < 0 ? 100 : 0, NULL));
    }
    out[got] = '\0';
    close(fd);
    REQUIRE_OK(pk_loop_step(s->loop, 0, NULL));
    return got;
}

#define RANDOM32 "0123456789abcdef0123456789abcdef"
/* A hello of a client that knows one cipher of these days (ECDHE-ECDSA-AES128-GCM-SHA256) and this version. */
#define HELLO(minor)                                                                                                  \
    "\x16\x03" minor "\x00\x41\x01\x00\x00\x3d\x03" minor RANDOM32 "\x00\x00\x02\xc0\x2b\x01\x00\x00\x12"            \
    "\x00\x0a\x00\x04\x00\x02\x00\x17\x00\x0d\x00\x06\x00\x04\x04\x03\x04\x01"

TEST(tls_matrix, old_versions_are_refused)
{
    static const struct {
        const char *what;
        bytes hello;
    } rows[] = {{"SSL 3", BYTES(HELLO("\x00"))}, {"TLS 1.0", BYTES(HELLO("\x01"))}, {"TLS 1.1", BYTES(HELLO("\x02"))}};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].what)
        {
            static party p;
            site s;
            char out[200];
            open_plain(&s, &p);
            size_t got = say(&s, rows[i].hello, out, sizeof(out));
            REQUIRE(got == 7); // an alert: fatal, protocol_version
            CHECK_MEM(out + 5, "\x02\x46", 2);
            CHECK_STR(s.refused, "cannot serve a connection: the peer speaks no version of TLS that is accepted here");
            CHECK_INT(s.refusals, ==, 1);
            site_close(&s);
            party_free(&p);
        }
    }
}

TEST(tls_matrix, a_hello_of_tls_1_2_is_answered)
{
    static party p;
    site s;
    char out[4096];
    bytes hello = BYTES(HELLO("\x03"));
    open_plain(&s, &p);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "x.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    REQUIRE(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    REQUIRE(send(fd, hello.ptr, hello.len, 0) == (ssize_t)hello.len);
    ssize_t n = -1;
    SITE_UNTIL(&s, (n = recv(fd, out, sizeof(out), 0)) >= 0);
    REQUIRE(n > 7);
    CHECK_MEM(out, "\x16\x03\x03", 3);
    CHECK_INT(s.refusals, ==, 0);
    close(fd);
    SITE_UNTIL(&s, s.refusals == 1);
    CHECK_CONTAINS(s.refused, "the connection was closed");
    site_close(&s);
    party_free(&p);
}

TEST(tls_matrix, plain_http_to_a_tls_port_is_answered_in_plain_words)
{
    static const bytes rows[] = {BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), BYTES("POST /x HTTP/1.0\r\n"), BYTES("G")};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%.4s", rows[i].ptr)
        {
            static party p;
            site s;
            char out[1000];
            open_plain(&s, &p);
            (void)say(&s, rows[i], out, sizeof(out));
            CHECK_CONTAINS(out, "HTTP/1.1 400 Bad Request\r\n");
            CHECK_CONTAINS(out, "this port speaks TLS: ask it by https");
            CHECK_CONTAINS(out, "Connection: close\r\n");
            CHECK_STR(s.refused, "cannot serve a connection: the peer does not speak TLS, but plain HTTP");
            CHECK_INT(s.runs, ==, 0);
            site_close(&s);
            party_free(&p);
        }
    }
}

TEST(tls_matrix, what_is_neither_is_hung_up_on)
{
    static const bytes rows[] = {BYTES("\x80\x2e\x01\x00\x02"), BYTES("\0\0\0\0"), BYTES("\x17\x03\x03\x00\x01x")};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%zu", i)
        {
            static party p;
            site s;
            char out[200];
            open_plain(&s, &p);
            (void)say(&s, rows[i], out, sizeof(out));
            CHECK_STR(s.refused, "cannot serve a connection: the peer does not speak TLS");
            site_close(&s);
            party_free(&p);
        }
    }
}

#define HELLO_BACK_1_1 "\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02" RANDOM32 "\x00\xc0\x09\x00"

/* A server that answers our hello with what it likes. */
TEST(tls_matrix, servers_that_do_not_speak_tls_are_told_so)
{
    static const struct {
        const char *what;
        peer_step script[5];
        const char *why;
        pk_err code;
    } rows[] = {
        {"plain HTTP", {ACCEPT, READ(1), SEND("HTTP/1.1 400 Bad Request\r\n\r\n"), UNTIL_EOF, END},
         "the peer does not speak TLS", PK_ERR_HANDSHAKE},
        {"a banner", {ACCEPT, SEND("SSH-2.0-OpenSSH_9.2\r\n"), UNTIL_EOF, END}, "the peer does not speak TLS",
         PK_ERR_HANDSHAKE},
        {"TLS 1.1", {ACCEPT, READ(1), SEND_BYTES(HELLO_BACK_1_1), UNTIL_EOF, END},
         "the peer speaks no version of TLS that is accepted here", PK_ERR_HANDSHAKE},
        {"an alert: version", {ACCEPT, READ(1), SEND_BYTES("\x15\x03\x03\x00\x02\x02\x46"), UNTIL_EOF, END},
         "the peer refuses: it does not speak a version of TLS that we speak", PK_ERR_HANDSHAKE},
        {"an alert: name", {ACCEPT, READ(1), SEND_BYTES("\x15\x03\x03\x00\x02\x02\x70"), UNTIL_EOF, END},
         "the peer refuses: it is not called by the name that we asked for", PK_ERR_HANDSHAKE},
        {"an alert: a new one", {ACCEPT, READ(1), SEND_BYTES("\x15\x03\x03\x00\x02\x02\xc8"), UNTIL_EOF, END},
         "the peer refuses: alert 200", PK_ERR_HANDSHAKE},
        {"nothing", {ACCEPT, READ(1), CLOSE, END}, "the connection was closed", PK_ERR_PLUGIN_CONNECTION},
        {"half a record", {ACCEPT, READ(1), SEND_BYTES("\x16\x03\x03\x01"), CLOSE, END}, "the connection was closed",
         PK_ERR_PLUGIN_CONNECTION},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].what)
        {
            static party p;
            static peer server;
            site s;
            answer a;
            memset(&s, 0, sizeof(s));
            memset(&p, 0, sizeof(p));
            party_make(&p, NULL, CERT_SERVER);
            pk_tls_desc c = {.alloc = test_alloc(), .trust = &p.trust, .trust_count = 1, .peer_name = "localhost"};
            REQUIRE_OK(pk_tls_create(&s.client_tls, &c, NULL));
            pk__http_pool_desc pool = {.alloc = test_alloc(), .address = "https+unix://p.sock", .tls = s.client_tls};
            REQUIRE_OK(pk__http_pool_init(&s.pool, &pool, NULL));
            peer_start(&server, "p.sock", rows[i].script);
            answer_init(&a, PK_STR("secret"));
            CHECK_ERR(site_wait(&s, &a), rows[i].code);
            CHECK_CONTAINS(a.error.msg, "cannot connect to 'https+unix://p.sock' securely: ");
            CHECK_CONTAINS(a.error.msg, rows[i].why);
            CHECK_INT(a.x.sent, ==, PK_SENT_NO);
            CHECK_INT(a.error.sent, ==, PK_SENT_NO);
            peer_join(&server);
            CHECK(memcmp(server.got, "\x16\x03", 2) == 0);
            CHECK(!strstr(server.got, "secret"));
            pk_buf_free(&a.got);
            pk__http_pool_deinit(&s.pool);
            pk_tls_destroy(s.client_tls);
            party_free(&p);
            (void)unlink("p.sock");
        }
    }
}

static pk_err run_nothing(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)q, (void)a, (void)err;
    ++*(int *)user;
    return PK_OK;
}

TEST(tls_matrix, a_plain_server_of_ours_is_told_too)
{
    static party p;
    site s;
    answer a;
    int runs = 0;
    pk_route route = {"ANY /*", 0, run_nothing, &runs};
    memset(&s, 0, sizeof(s));
    memset(&p, 0, sizeof(p));
    party_make(&p, NULL, CERT_SERVER);
    REQUIRE_OK(pk_loop_create(&s.loop, test_alloc(), NULL));
    pk_server_desc desc = {.alloc = test_alloc(), .loop = s.loop, .listen = "http+unix://x.sock"};
    REQUIRE_OK(pk_server_create(&s.server, &desc, NULL));
    REQUIRE_OK(pk_server_add(s.server, &route, NULL));
    pk_tls_desc c = {.alloc = test_alloc(), .trust = &p.trust, .trust_count = 1, .peer_name = "localhost"};
    REQUIRE_OK(pk_tls_create(&s.client_tls, &c, NULL));
    pk__http_pool_desc pool = {.alloc = test_alloc(), .address = "https+unix://x.sock", .tls = s.client_tls};
    REQUIRE_OK(pk__http_pool_init(&s.pool, &pool, NULL));
    answer_init(&a, PK_STR("secret"));
    CHECK_ERR(site_call(&s, &a), PK_ERR_HANDSHAKE);
    CHECK_STR(a.error.msg, "cannot connect to 'https+unix://x.sock' securely: the peer does not speak TLS");
    CHECK_INT(runs, ==, 0);
    pk_buf_free(&a.got);
    site_close(&s);
    party_free(&p);
}

TEST(tls_matrix, a_plain_client_of_ours_reads_what_is_wrong)
{
    static party p;
    site s;
    answer a;
    open_plain(&s, &p);
    pk__http_pool pool;
    pk__http_client *c = NULL;
    pk__http_pool_desc desc = {.alloc = test_alloc(), .address = "http+unix://x.sock"};
    REQUIRE_OK(pk__http_pool_init(&pool, &desc, NULL));
    answer_init(&a, PK_STR("hello"));
    REQUIRE_OK(pk__http_pool_take(&pool, pk__clock_ns(), &c, NULL));
    REQUIRE_OK(pk__http_client_start(c, s.loop, &a.x, NULL));
    SITE_UNTIL(&s, a.ends);
    CHECK_STR(a.error.msg, "");
    CHECK_INT(a.status, ==, 400);
    CHECK(pk_buf_add_char(&a.got, '\0'));
    CHECK_CONTAINS(a.got.ptr, "this port speaks TLS: ask it by https");
    pk__http_pool_give(&pool, c);
    pk_buf_free(&a.got);
    pk__http_pool_deinit(&pool);
    site_close(&s);
    party_free(&p);
}
#endif
