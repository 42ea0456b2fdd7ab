/* test_tls_sources.c - certificates, keys and lists as they come: files, memory, PEM, DER, and what is wrong with them;
 * names in certificates. */
#include "tls_site.h"
#ifndef HAS_MBEDTLS
TEST(tls_sources, needs_mbedtls)
{
    SKIP("mbedTLS is not there");
}
#else
#include "tls_pair.h"

static void put(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "w");
    REQUIRE(file && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

static const char *pem(const char *what, const unsigned char *der, size_t len)
{
    static char texts[4][8192];
    static int next;
    char head[60], tail[60], *out = texts[next++ % 4];
    size_t n = 0;
    snprintf(head, sizeof(head), "-----BEGIN %s-----\n", what);
    snprintf(tail, sizeof(tail), "-----END %s-----\n", what);
    REQUIRE(mbedtls_pem_write_buffer(head, tail, der, len, (unsigned char *)out, sizeof(texts[0]), &n) == 0);
    return out;
}

static pk_tls_source text_of(const char *text)
{
    pk_tls_source s = {NULL, pk_str_from(text)};
    return s;
}

static pk_tls_source file_of(const char *path)
{
    pk_tls_source s = {path, PK_STR_INIT("")};
    return s;
}

TEST(tls_sources, files_and_memory_pem_and_der)
{
    pair_certs(&ends);
    const char *cert_pem = pem("CERTIFICATE", ends.cert_server.der, ends.cert_server.len);
    const char *ca_pem = pem("CERTIFICATE", ends.ca.der, ends.ca.len);
    const char *key_pem = pem("EC PRIVATE KEY", ends.cert_server.key_der, ends.cert_server.key_len);
    put("cert.pem", cert_pem, strlen(cert_pem));
    put("cert.der", ends.cert_server.der, ends.cert_server.len);
    put("key.pem", key_pem, strlen(key_pem));
    put("key.der", ends.cert_server.key_der, ends.cert_server.key_len);
    put("ca.pem", ca_pem, strlen(ca_pem));
    put("ca.der", ends.ca.der, ends.ca.len);
    const struct {
        pk_tls_source cert, key, ca;
    } rows[] = {
        {file_of("cert.pem"), file_of("key.pem"), file_of("ca.pem")},
        {file_of("cert.der"), file_of("key.der"), file_of("ca.der")},
        {text_of(cert_pem), text_of(key_pem), text_of(ca_pem)},
        {cert_chain(&ends.cert_server), cert_key(&ends.cert_server), cert_chain(&ends.ca)},
        {file_of("cert.pem"), cert_key(&ends.cert_server), text_of(ca_pem)},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("row %zu", i)
        {
            pk_tls_cert shown = {rows[i].cert, rows[i].key, NULL};
            ends.d.certs = &shown;
            ends.c.trust = &rows[i].ca;
            pair_make(&ends);
            pair_connect(&ends, "localhost", "k");
            CHECK(pair_shake(&ends));
            CHECK_STR(ends.client_error.msg, "");
            pair_hang_up(&ends);
            pk_tls_destroy(ends.server_tls);
            pk_tls_destroy(ends.client_tls);
            ends.server_tls = ends.client_tls = NULL;
        }
    }
    pair_free(&ends);
}

TEST(tls_sources, what_is_wrong_is_said)
{
    static cert other;
    pair_certs(&ends);
    cert_make(&other, &(cert_plan){.name = "other", .by = &ends.ca});
    put("empty", "", 0);
    put("text", "this is no certificate\n", 23);
    put("half.pem", "-----BEGIN CERTIFICATE-----\nMIIB", 32);
    put("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 59);
    put("cut.der", ends.cert_server.der, ends.cert_server.len - 1);
    pk_tls_source good_cert = cert_chain(&ends.cert_server), good_key = cert_key(&ends.cert_server);
    pk_tls_source good_ca = cert_chain(&ends.ca);
    const struct {
        pk_tls_source cert, key, ca, crl;
        pk_err code;
        const char *why;
    } rows[] = {
        {file_of("none"), good_key, good_ca, file_of(NULL), PK_ERR_NOT_FOUND, "none"},
        {file_of("empty"), good_key, good_ca, file_of(NULL), PK_ERR_CONFIG,
         "cannot read certificate 'empty': it is neither PEM nor DER"},
        {file_of("text"), good_key, good_ca, file_of(NULL), PK_ERR_CONFIG,
         "cannot read certificate 'text': it is neither PEM nor DER"},
        {file_of("half.pem"), good_key, good_ca, file_of(NULL), PK_ERR_CONFIG, "cannot read certificate 'half.pem': "},
        {file_of("bad.pem"), good_key, good_ca, file_of(NULL), PK_ERR_CONFIG, "cannot read certificate 'bad.pem': "},
        {file_of("cut.der"), good_key, good_ca, file_of(NULL), PK_ERR_CONFIG, "cannot read certificate 'cut.der': "},
        {good_cert, file_of("text"), good_ca, file_of(NULL), PK_ERR_CONFIG,
         "cannot read key 'text': it is neither PEM nor DER"},
        {good_cert, text_of(""), good_ca, file_of(NULL), PK_ERR_CONFIG, "cannot read key 'in memory': "},
        {good_cert, cert_key(&other), good_ca, file_of(NULL), PK_ERR_CONFIG,
         "cannot use key 'in memory': it is not that of certificate 'in memory'"},
        {good_cert, good_key, file_of("text"), file_of(NULL), PK_ERR_CONFIG,
         "cannot read trusted certificate 'text': it is neither PEM nor DER"},
        {good_cert, good_key, good_ca, file_of("text"), PK_ERR_CONFIG, "cannot read revocation list 'text': "},
        {good_cert, good_key, good_ca, file_of("none"), PK_ERR_NOT_FOUND, "none"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].why)
        {
            pk_error err = {0};
            pk_tls *tls = NULL;
            pk_tls_cert shown = {rows[i].cert, rows[i].key, NULL};
            pk_tls_desc d = {.alloc = test_alloc(), .certs = &shown, .cert_count = 1};
            d.trust = &rows[i].ca;
            d.trust_count = 1;
            d.crls = &rows[i].crl;
            d.crl_count = rows[i].crl.file ? 1 : 0;
            CHECK_ERR(pk_tls_create(&tls, &d, &err), rows[i].code);
            CHECK_CONTAINS(err.msg, rows[i].why);
            CHECK(tls == NULL);
        }
    }
    cert_free(&other);
    pair_free(&ends);
}

TEST(tls_sources, a_failed_reload_changes_nothing)
{
    pk_error err = {0};
    pair_certs(&ends);
    pair_make(&ends);
    pk_tls_source none = file_of("none");
    pk_tls_desc bad = ends.d;
    bad.trust = &none;
    CHECK_ERR(pk_tls_reload(ends.server_tls, &bad, &err), PK_ERR_NOT_FOUND);
    pair_connect(&ends, "localhost", "k");
    CHECK(pair_shake(&ends));
    pair_free(&ends);
}

TEST(tls_sources, old_connections_go_on_after_a_reload)
{
    static cert new_ca, new_server;
    pair_certs(&ends);
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    REQUIRE(pair_shake(&ends));
    cert_make(&new_ca, &(cert_plan){.name = "New CA", .is_ca = true});
    cert_make(&new_server, &(cert_plan){.name = "new", .by = &new_ca, .dns = "localhost"});
    pk_tls_cert shown = cert_both(&new_server);
    ends.d.certs = &shown;
    REQUIRE_OK(pk_tls_reload(ends.server_tls, &ends.d, NULL));
    carry(ends.client, ends.server, 1000, 100);
    carry(ends.server, ends.client, 1000, 100);
    pair_hang_up(&ends);
    pair_connect(&ends, "localhost", "k");
    CHECK(!pair_shake(&ends)); // the client does not know the new one yet
    CHECK_CONTAINS(ends.client_error.msg, "it is signed by 'CN=New CA', which is not trusted");
    pair_hang_up(&ends);
    pk_tls_source trust = cert_chain(&new_ca);
    ends.c.trust = &trust;
    REQUIRE_OK(pk_tls_reload(ends.client_tls, &ends.c, NULL));
    pair_connect(&ends, "localhost", "k");
    REQUIRE(pair_shake(&ends));
    CHECK_PK_STR(ends.client->peer->name, "new");
    cert_free(&new_ca);
    cert_free(&new_server);
    pair_free(&ends);
}

TEST(tls_sources, who_cannot_serve_or_call_is_told_before)
{
    pk_tls *tls = NULL;
    pk_error err = {0};
    pk_loop *loop = NULL;
    pk_server *server = NULL;
    pk__http_pool pool;
    pk_tls_desc nothing = {.alloc = test_alloc()};
    pair_certs(&ends);
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    REQUIRE_OK(pk_tls_create(&tls, &nothing, NULL)); // may be filled later
    pk_server_desc desc = {.alloc = test_alloc(), .loop = loop, .listen = "https+unix://x.sock", .tls = tls};
    CHECK_ERR(pk_server_create(&server, &desc, &err), PK_ERR_CONFIG);
    CHECK_CONTAINS(err.msg, "there is no certificate (certs)");
    pk__http_pool_desc p = {.alloc = test_alloc(), .address = "https+unix://x.sock", .tls = tls};
    CHECK_ERR(pk__http_pool_init(&pool, &p, &err), PK_ERR_CONFIG);
    CHECK_CONTAINS(err.msg, "nobody is trusted (trust)");
    pk_tls_desc as_client = ends.c;
    as_client.cert_count = 1;
    as_client.certs = &ends.shown_client;
    REQUIRE_OK(pk_tls_reload(tls, &as_client, NULL));
    CHECK_ERR(pk_server_create(&server, &desc, &err), PK_ERR_CONFIG);
    CHECK_CONTAINS(err.msg, "the certificate is not meant for servers");
    desc.tls = NULL;
    CHECK_ERR(pk_server_create(&server, &desc, &err), PK_ERR_MISUSE);
    CHECK_CONTAINS(err.msg, "no pk_tls is given");
    ends.client_tls = tls;
    CHECK_ERR(pair_open(&ends, false, "", "k"), PK_ERR_CONFIG); // a Unix socket has no name
    CHECK_CONTAINS(ends.client_error.msg, "nobody says what name its certificate must have (peer_name)");
    pk_loop_destroy(loop);
    pair_free(&ends);
    (void)unlink("x.sock");
}

/* ---- exactly that one */

TEST(tls_sources, a_peer_may_be_trusted_itself)
{
    static cert twin;
    pair_certs(&ends);
    pk_tls_source server = cert_chain(&ends.cert_server), client = cert_chain(&ends.cert_client);
    ends.c.trust = &server;
    ends.d.trust = &client;
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    CHECK(pair_shake(&ends));
    CHECK_STR(ends.client_error.msg, "");
    CHECK_STR(ends.refused, "");
    pair_hang_up(&ends);
    /* Another certificate of the same authority, with the same names. */
    cert_make(&twin, &(cert_plan){.name = "server", .by = &ends.ca, .dns = "localhost", .use = CERT_SERVER});
    pk_tls_cert shown = cert_both(&twin);
    ends.d.certs = &shown;
    REQUIRE_OK(pk_tls_reload(ends.server_tls, &ends.d, NULL));
    pair_connect(&ends, "localhost", "k");
    CHECK(!pair_shake(&ends));
    CHECK_CONTAINS(ends.client_error.msg, "it is signed by 'CN=Test CA', which is not trusted");
    cert_free(&twin);
    pair_free(&ends);
}

TEST(tls_sources, a_trusted_peer_can_sign_nobody)
{
    static cert child;
    pair_certs(&ends);
    cert_make(&child, &(cert_plan){.name = "child", .by = &ends.cert_server, .dns = "localhost"});
    pk_tls_source server = cert_chain(&ends.cert_server);
    pk_tls_cert shown = cert_both(&child);
    ends.c.trust = &server;
    ends.d.certs = &shown;
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    CHECK(!pair_shake(&ends));
    CHECK_CONTAINS(ends.client_error.msg, "the peer's certificate is refused: ");
    cert_free(&child);
    pair_free(&ends);
}

/* ---- names */

TEST(tls_sources, names_fit_or_do_not)
{
    static const struct {
        cert_plan plan;
        const char *name;
        bool fits;
    } rows[] = {
        {{.dns = "example.org"}, "example.org", true},
        {{.dns = "example.org"}, "EXAMPLE.org", true},
        {{.dns = "example.org"}, "example.org.", true},
        {{.dns = "example.org"}, "www.example.org", false},
        {{.dns = "example.org"}, "xexample.org", false},
        {{.dns = "*.example.org"}, "www.example.org", true},
        {{.dns = "*.example.org"}, "a.b.example.org", false},
        {{.dns = "*.example.org"}, "example.org", false},
        {{.dns = "*.example.org"}, ".example.org", false},
        {{.dns = "*.org"}, "example.org", false},
        {{.dns = "w*.example.org"}, "www.example.org", false},
        {{.dns = "*"}, "localhost", false},
        {{.dns = "www.example.org"}, "*.example.org", false},
        {{.ip = "127.0.0.1"}, "127.0.0.1", true},
        {{.ip = "127.0.0.1"}, "127.0.0.2", false},
        {{.dns = "127.0.0.1"}, "127.0.0.1", false}, // an address is no DNS name
        {{.ip = "127.0.0.1"}, "::1", false},
        {{.uri = "spiffe://example.org/a"}, "spiffe://example.org/a", true},
        {{.uri = "spiffe://example.org/a"}, "spiffe://example.org/A", false},
        {{.uri = "spiffe://example.org/a"}, "example.org", false},
        {{.uri = "urn:x:1"}, "urn:x:1", true},
        {{.name = "example.org"}, "example.org", true}, // as in old times
        {{.name = "example.org", .dns = "other.org"}, "example.org", false},
        {{.name = "127.0.0.1"}, "127.0.0.1", false},
        {{.name = "urn:x:1"}, "urn:x:1", false},
        {{.dns = "good.org\1.evil.org"}, "good.org", false},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("row %zu: %s", i, rows[i].name)
        {
            cert c;
            mbedtls_x509_crt crt;
            cert_plan plan = rows[i].plan;
            plan.name = plan.name ? plan.name : "cn";
            cert_make(&c, &plan);
            mbedtls_x509_crt_init(&crt);
            REQUIRE(mbedtls_x509_crt_parse_der(&crt, c.der, c.len) == 0);
            CHECK_INT(pk__tls_is_called(&crt, rows[i].name), ==, rows[i].fits);
            mbedtls_x509_crt_free(&crt);
            cert_free(&c);
        }
    }
}

/* A NUL in the middle: what C takes for good.org is somebody else's. */
TEST(tls_sources, names_with_a_nul_are_nobodys)
{
    cert c;
    mbedtls_x509_crt crt;
    pk_tls_peer peer;
    pk_mem mem = {.alloc = test_alloc()};
    memset(&peer, 0, sizeof(peer));
    cert_make(&c, &(cert_plan){.name = "good.orgX.evil.org", .dns = "good.orgX.evil.org", .uri = "urn:fine"});
    for (size_t i = 0; i + 9 < c.len; i++) { // the signature is not looked at here
        if (memcmp(c.der + i, "good.orgX", 9) == 0) {
            c.der[i + 8] = '\0';
        }
    }
    mbedtls_x509_crt_init(&crt);
    REQUIRE(mbedtls_x509_crt_parse_der(&crt, c.der, c.len) == 0);
    CHECK(!pk__tls_is_called(&crt, "good.org"));
    CHECK_OK(pk__tls_identify(&mem, &crt, &peer, NULL));
    CHECK_INT(peer.dns_count, ==, 0);
    REQUIRE(peer.uri_count == 1);
    CHECK_PK_STR(peer.uris[0], "urn:fine");
    CHECK_INT(peer.name.len, >, 8);
    CHECK(!pk_str_is(peer.name, "good.org"));
    CHECK(memchr(peer.name.ptr, '\0', peer.name.len) == NULL);
    pk_mem_free(&mem);
    mbedtls_x509_crt_free(&crt);
    cert_free(&c);
}

TEST(tls_sources, dates_are_seconds)
{
    static const struct {
        mbedtls_x509_time t;
        int64_t seconds;
    } rows[] = {
        {{1970, 1, 1, 0, 0, 0}, 0},
        {{1970, 1, 1, 0, 0, 1}, 1},
        {{1969, 12, 31, 23, 59, 59}, -1},
        {{2000, 2, 29, 12, 0, 0}, 951825600},
        {{2000, 3, 1, 0, 0, 0}, 951868800},
        {{2038, 1, 19, 3, 14, 8}, 2147483648},
        {{2100, 2, 28, 0, 0, 0}, 4107456000},
        {{9999, 12, 31, 23, 59, 59}, 253402300799},
    };
    char text[PK__CLOCK_TEXT];
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CHECK_INT(pk__tls_seconds(&rows[i].t), ==, rows[i].seconds);
    }
    pk__tls_date(text, &rows[3].t);
    CHECK_STR(text, "2000-02-29T12:00:00Z");
}

/* ---- several certificates */

TEST(tls_sources, the_certificate_that_was_asked_for_is_shown)
{
    static cert a, b, wild, rsa;
    pair_certs(&ends);
    cert_make(&a, &(cert_plan){.name = "a", .by = &ends.ca, .dns = "a.example.org"});
    cert_make(&b, &(cert_plan){.name = "b", .by = &ends.ca, .dns = "b.example.org"});
    cert_make(&wild, &(cert_plan){.name = "wild", .by = &ends.ca, .dns = "*.example.net"});
    cert_make(&rsa, &(cert_plan){.name = "rsa", .by = &ends.ca, .dns = "a.example.org", .kind = CERT_RSA});
    pk_tls_cert shown[] = {cert_both(&a), cert_both(&b), cert_both(&wild), cert_both(&rsa)};
    ends.d.certs = shown;
    ends.d.cert_count = 4;
    pair_make(&ends);
    static const char *const rows[][2] = {{"a.example.org", "a"}, {"b.example.org", "b"}, {"x.example.net", "wild"}};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        pair_connect(&ends, rows[i][0], rows[i][0]);
        CHECK(pair_shake(&ends));
        CHECK_STR(ends.client_error.msg, "");
        CHECK_PK_STR(ends.client->peer->name, rows[i][1]);
        pair_hang_up(&ends);
    }
    pair_connect(&ends, "unknown.example", "k"); // the first; and the client does not want that
    CHECK(!pair_shake(&ends));
    CHECK_CONTAINS(ends.client_error.msg, "it is that of 'CN=a', and has no name 'unknown.example'");
    pair_free(&ends);
    cert_free(&a);
    cert_free(&b);
    cert_free(&wild);
    cert_free(&rsa);
}

TEST(tls_sources, rsa_and_p_384_serve_and_call_too)
{
    for (int i = 0; i < 2; i++) {
        cert_kind kind = i == 0 ? CERT_RSA : CERT_P384;
        static cert server, client;
        pair_certs(&ends);
        cert_make(&server, &(cert_plan){.name = "server", .by = &ends.ca, .dns = "localhost", .kind = kind});
        cert_make(&client, &(cert_plan){.name = "client", .by = &ends.ca, .kind = kind});
        pk_tls_cert shown = cert_both(&server), shown_client = cert_both(&client);
        ends.d.certs = &shown;
        ends.c.certs = &shown_client;
        pair_make(&ends);
        pair_connect(&ends, "localhost", "k");
        CHECK(pair_shake(&ends));
        CHECK_STR(ends.client_error.msg, "");
        carry(ends.client, ends.server, 100, 100);
        cert_free(&server);
        cert_free(&client);
        pair_free(&ends);
    }
}
#endif
