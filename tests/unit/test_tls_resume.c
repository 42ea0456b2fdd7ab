/* test_tls_resume.c - sessions that go on, whom they belong to, and when they must not. */
#define UNIT_WHOLE // looks for a session that is kept
#include "tls_site.h"
#ifndef HAS_MBEDTLS
TEST(tls_resume, needs_mbedtls)
{
    SKIP("mbedTLS is not there");
}
#else
#include "tls_pair.h"

/* One connection, with a word each way: in TLS 1.3 a ticket comes with it. */
static void visit(pair *p, const char *key)
{
    pair_connect(p, "localhost", key);
    REQUIRE(pair_shake(p));
    CHECK_STR(p->client_error.msg, "");
    CHECK_STR(p->refused, "");
    carry(p->client, p->server, 10, 10);
    carry(p->server, p->client, 10, 10);
    CHECK_INT(p->client->peer->is_resumed, ==, p->server->peer->is_resumed);
    CHECK_PK_STR(p->client->peer->name, "server");
    CHECK(p->client->peer->is_server && !p->server->peer->is_server);
}

static bool visit_resumes(pair *p, const char *key)
{
    visit(p, key);
    bool is_resumed = p->server->peer->is_resumed;
    pair_hang_up(p);
    return is_resumed;
}

TEST(tls_resume, the_second_connection_knows_who_it_is)
{
    pair_certs(&ends);
    pair_make(&ends);
    for (int i = 0; i < 4; i++) {
        visit(&ends, "k");
        CHECK_INT(ends.server->peer->is_resumed, ==, i > 0);
        CHECK_PK_STR(ends.server->peer->name, "client");
        CHECK_PK_STR(ends.server->peer->subject, "CN=client");
        REQUIRE(ends.server->peer->uri_count == 1);
        CHECK_PK_STR(ends.server->peer->uris[0], "urn:me");
        CHECK_INT(ends.server->peer->certificate.len, ==, ends.cert_client.len);
        CHECK_INT(ends.server->peer->fingerprint.len, ==, 64);
        REQUIRE(ends.client->peer->dns_count == 1);
        CHECK_PK_STR(ends.client->peer->dns[0], "localhost");
        CHECK_INT(ends.client->peer->certificate.len, ==, ends.cert_server.len);
        pair_hang_up(&ends);
    }
    pair_free(&ends);
}

TEST(tls_resume, a_session_is_for_one_server_and_one_name)
{
    pair_certs(&ends);
    cert_free(&ends.cert_server);
    cert_plan plan = {.name = "server", .by = &ends.ca, .dns = "localhost", .uri = "urn:other"};
    cert_make(&ends.cert_server, &plan);
    ends.shown_server = cert_both(&ends.cert_server);
    pair_make(&ends);
    CHECK(!visit_resumes(&ends, "a"));
    CHECK(!visit_resumes(&ends, "b"));
    CHECK(visit_resumes(&ends, "a"));
    pair_connect(&ends, "urn:other", "a");
    REQUIRE(pair_shake(&ends));
    CHECK(!ends.client->peer->is_resumed);
    pair_hang_up(&ends);
    pair_connect(&ends, "elsewhere", "a");
    CHECK(!pair_shake(&ends));
    CHECK_CONTAINS(ends.client_error.msg, "has no name 'elsewhere'");
    pair_free(&ends);
}

TEST(tls_resume, without_client_certificates_too)
{
    pair_certs(&ends);
    ends.d.trust_count = 0;
    pair_make(&ends);
    CHECK(!visit_resumes(&ends, "k"));
    CHECK(visit_resumes(&ends, "k"));
    visit(&ends, "k");
    CHECK_PK_STR(ends.server->peer->name, "");
    CHECK_PK_STR(ends.server->peer->subject, "");
    CHECK_PK_STR(ends.server->peer->fingerprint, "");
    CHECK_INT(ends.server->peer->certificate.len, ==, 0);
    pair_free(&ends);
}

TEST(tls_resume, more_servers_than_sessions_are_kept)
{
    char key[20];
    pair_certs(&ends);
    pair_make(&ends);
    for (int i = 0; i < PK__TLS_KEPT + 3; i++) {
        snprintf(key, sizeof(key), "%d", i);
        CHECK(!visit_resumes(&ends, key));
    }
    CHECK(visit_resumes(&ends, key));
    CHECK(!visit_resumes(&ends, "0"));
    pair_free(&ends);
}

/* ---- when it must not */

TEST(tls_resume, nothing_from_before_a_reload_goes_on)
{
    for (int i = 0; i < 2; i++) {
        CASE("%s", i == 0 ? "the server reloads" : "the client reloads")
        {
            pair_certs(&ends);
            pair_make(&ends);
            CHECK(!visit_resumes(&ends, "k"));
            CHECK(visit_resumes(&ends, "k"));
            pk_tls *tls = i == 0 ? ends.server_tls : ends.client_tls;
            REQUIRE_OK(pk_tls_reload(tls, i == 0 ? &ends.d : &ends.c, NULL));
            CHECK(!visit_resumes(&ends, "k"));
            CHECK(visit_resumes(&ends, "k"));
            pair_free(&ends);
        }
    }
}

TEST(tls_resume, who_has_been_revoked_since_is_refused)
{
    unsigned char list[1024];
    pair_certs(&ends);
    pair_make(&ends);
    CHECK(!visit_resumes(&ends, "k"));
    size_t len = cert_revoke(&ends.ca, 0, 24 * 3600, list, sizeof(list)); // all certificates of this test have number 0
    pk_tls_source source = {NULL, {(const char *)list, len}};
    ends.d.crls = &source;
    ends.d.crl_count = 1;
    REQUIRE_OK(pk_tls_reload(ends.server_tls, &ends.d, NULL));
    pair_connect(&ends, "localhost", "k");
    (void)pair_shake(&ends);
    CHECK_CONTAINS(ends.refused, "it has been revoked");
    pair_free(&ends);
}

TEST(tls_resume, tickets_grow_old)
{
    pair_certs(&ends);
    pair_make(&ends);
    CHECK(!visit_resumes(&ends, "k"));
    site_set_clock(PK__TLS_TICKET_S - 60);
    CHECK(visit_resumes(&ends, "k")); // and a new one
    site_set_clock(2 * PK__TLS_TICKET_S + 60);
    CHECK(!visit_resumes(&ends, "k"));
    site_set_clock(0); // it is from the future now
    CHECK(!visit_resumes(&ends, "k"));
    pair_free(&ends);
}

TEST(tls_resume, certificates_end_in_the_middle_of_a_session)
{
    for (int i = 0; i < 2; i++) {
        CASE("%s", i == 0 ? "the server's" : "the client's")
        {
            pair_certs(&ends);
            cert *c = i == 0 ? &ends.cert_server : &ends.cert_client;
            cert_free(c);
            cert_plan plan = {.name = i == 0 ? "server" : "client", .by = &ends.ca, .dns = "localhost", .to = 1800};
            cert_make(c, &plan);
            ends.shown_server = cert_both(&ends.cert_server);
            ends.shown_client = cert_both(&ends.cert_client);
            pair_make(&ends);
            site_set_clock(0);
            CHECK(!visit_resumes(&ends, "k"));
            CHECK(visit_resumes(&ends, "k"));
            site_set_clock(2000);
            pair_connect(&ends, "localhost", "k");
            (void)pair_shake(&ends);
            CHECK_CONTAINS(i == 0 ? ends.client_error.msg : ends.refused, "it has expired since");
            pair_free(&ends);
        }
    }
}

static pk_err only_once(void *user, const pk_tls_peer *peer, pk_error *err)
{
    pair *p = (pair *)user;
    if (!peer->is_resumed) {
        return PK_OK;
    }
    snprintf(p->refused, sizeof(p->refused), "%" PK_FMT, PK_ARG(peer->name));
    return pk_error_set(err, PK_ERR_DENIED, "not twice");
}

TEST(tls_resume, the_policy_is_asked_each_time)
{
    pair_certs(&ends);
    ends.d.on_peer = only_once;
    ends.d.on_refused = NULL;
    pair_make(&ends);
    CHECK(!visit_resumes(&ends, "k"));
    pair_connect(&ends, "localhost", "k");
    CHECK(!pair_shake(&ends));
    CHECK_STR(ends.refused, "client");
    CHECK_CONTAINS(ends.server_error.msg, "cannot serve a connection: the peer is refused: not twice");
    pair_free(&ends);
}

/* ---- tickets in the wrong hands: they are sent in the clear, so anybody may have them */

TEST(tls_resume, a_ticket_of_anybody_elses_is_worth_nothing)
{
    pair_certs(&ends);
    pair_make(&ends);
    visit(&ends, "k");
    const pk__tls_session *server = (const pk__tls_session *)(void *)ends.server;
    void *me = (void *)(uintptr_t)server;
    const pk__tls_kept *kept = pk__tls_kept_find(ends.client_tls->material, "k\nlocalhost");
    REQUIRE(kept != NULL);
    mbedtls_ssl_session session;
    unsigned char ticket[8192];
    size_t len = kept->session.PK__TLS_PRIVATE(ticket_len);
    REQUIRE(len > 300 && len < sizeof(ticket));
    memcpy(ticket, kept->session.PK__TLS_PRIVATE(ticket), len);
    CHECK(kept->session.PK__TLS_PRIVATE(ticket_lifetime) == PK__TLS_TICKET_S);
    for (size_t i = 0; i < len; i += i < 40 ? 1 : 17) { // a bit is wrong
        unsigned char copy[sizeof(ticket)];
        memcpy(copy, ticket, len);
        copy[i] ^= 4;
        mbedtls_ssl_session_init(&session);
        CHECK(pk__tls_ticket_parse(me, &session, copy, len) != 0);
        CHECK(!server->is_resumed);
        mbedtls_ssl_session_free(&session);
    }
    for (size_t i = 0; i < len; i += i < 40 ? 1 : 17) { // it is too short
        unsigned char *copy = (unsigned char *)test_guarded(ticket, i);
        mbedtls_ssl_session_init(&session);
        CHECK(pk__tls_ticket_parse(me, &session, copy, i) != 0);
        mbedtls_ssl_session_free(&session);
        test_guarded_free((char *)copy, i);
    }
    mbedtls_ssl_session_init(&session);
    CHECK(pk__tls_ticket_parse(me, &session, ticket, len) == 0); // and this is the right one
    CHECK(server->is_resumed);
    for (size_t room = 0; room < len; room += 13) { // there is no room for a new one
        unsigned char *out = (unsigned char *)test_guarded((const char *)ticket, room);
        size_t n = 0;
        uint32_t lifetime = 0;
        CHECK(pk__tls_ticket_write(me, &session, out, out + room, &n, &lifetime) != 0);
        CHECK_INT(n, ==, 0);
        test_guarded_free((char *)out, room);
    }
    mbedtls_ssl_session_free(&session);
    pair_free(&ends);
}

#if PK__TLS_HAS_13
/* A client has somebody's ticket, but not the secret, nor a certificate. It offers the ticket in a mode that the server
 * does not want, so that the server reads it, asks for no proof of the secret, and makes a whole handshake. */
TEST(tls_resume, a_ticket_is_no_certificate)
{
    pair_certs(&ends);
    pair_make(&ends);
    CHECK(!visit_resumes(&ends, "k"));
    CHECK(visit_resumes(&ends, "k"));
    mbedtls_ssl_config *client = &ends.client_tls->material->client;
    mbedtls_ssl_key_cert *own = client->MBEDTLS_PRIVATE(key_cert);
    client->MBEDTLS_PRIVATE(key_cert) = NULL;
    pk__tls_kept_find(ends.client_tls->material, "k\nlocalhost")->session.MBEDTLS_PRIVATE(ticket_flags) = 0xf;
    mbedtls_ssl_conf_tls13_key_exchange_modes(client, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK |
                                                          MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
    pair_connect(&ends, "localhost", "k");
    client->MBEDTLS_PRIVATE(key_cert) = own;
    (void)pair_shake(&ends);
    CHECK(ends.server->peer == NULL);
    CHECK_STR(ends.server_error.msg, "cannot serve a connection: the client shows no certificate");
    const pk__tls_session *server = (const pk__tls_session *)(void *)ends.server;
    CHECK(server->is_resumed); // the ticket was read: this is what it is about
    pair_free(&ends);
}
#endif
#endif
