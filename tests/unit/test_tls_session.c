/* test_tls_session.c - what happens between two ends of a secured connection: bytes, ends, and meddling. */
#include "tls_site.h"
#ifndef HAS_MBEDTLS
TEST(tls_session, needs_mbedtls)
{
    SKIP("mbedTLS is not there");
}
#else

#include "tls_pair.h"

/* ---- bytes */

TEST(tls_session, any_grain_and_any_room_will_do)
{
    static const struct {
        size_t grain, room;
    } rows[] = {{SIZE_MAX, 1 << 17}, {1, 1 << 17}, {7, 100}, {1000, 1000}, {SIZE_MAX, 1}, {4096, 5000}};
    pair_certs(&ends);
    ends.c.peer_name = "localhost";
    pair_make(&ends);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%zu bytes at a time, room for %zu", rows[i].grain, rows[i].room)
        {
            char key[20];
            snprintf(key, sizeof(key), "row %zu", i); // a whole handshake each
            pair_connect(&ends, "", key);
            ends.up.grain = ends.down.grain = rows[i].grain;
            ends.up.room = ends.down.room = rows[i].room;
            REQUIRE(pair_shake(&ends));
            CHECK_STR(ends.client_error.msg, "");
            CHECK_PK_STR(ends.server->peer->name, "client");
            CHECK_PK_STR(ends.client->peer->name, "server");
            CHECK(!ends.client->peer->is_resumed);
            carry(ends.client, ends.server, 1, 100);
            carry(ends.server, ends.client, 1, 1);
            carry(ends.client, ends.server, 20000, 333);
            carry(ends.server, ends.client, 50000, 1 << 17);
            pair_hang_up(&ends);
        }
    }
    pair_free(&ends);
}

TEST(tls_session, a_receive_that_gave_less_has_left_nothing)
{
    pair_certs(&ends);
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    REQUIRE(pair_shake(&ends));
    char text[30000], got[40000];
    size_t n = 0, all = 0;
    memset(text, 'x', sizeof(text));
    for (size_t size = 1; size <= sizeof(text); size = size * 3 + 1) { // one to two records
        pk_str part = {text, size};
        for (int i = 0; i < 3; i++) {
            REQUIRE(ends.client->table->send(ends.client, &part, 1, &n, NULL) == PK_IO_DONE && n == size);
        }
        all = 0;
        pk_io io;
        do {
            size_t cap = PK__MIN(sizeof(got), size + 5);
            io = ends.server->table->recv(ends.server, got, cap, false, &n, NULL);
            REQUIRE(io == PK_IO_DONE);
            all += n;
            if (n < cap) { // then there is nothing more
                CHECK_INT(ends.up.end - ends.up.at, ==, 0);
                break;
            }
        } while (all < 3 * size);
        CHECK_INT(all, ==, 3 * size);
        CHECK_INT(ends.server->table->recv(ends.server, got, 1, false, &n, NULL), ==, PK_IO_WANT_READ);
    }
    pair_free(&ends);
}

/* In TLS 1.3 tickets come with the first answer, or before it: while a question is still on its way out. */
TEST(tls_session, a_ticket_in_the_middle_of_a_question_does_no_harm)
{
    static char text[60000], got[60000];
    pair_certs(&ends);
    pair_make(&ends);
    for (size_t room = 100; room < 40000; room = room * 3) {
        CASE("room for %zu", room)
        {
            char key[20], byte;
            size_t sent = 0, came = 0;
            snprintf(key, sizeof(key), "%zu", room);
            pair_connect(&ends, "localhost", key);
            REQUIRE(pair_shake(&ends));
            ends.up.room = room;
            for (size_t i = 0; i < sizeof(text); i++) {
                text[i] = (char)pattern(i);
            }
            for (int i = 0; i < 100000 && came < sizeof(text); i++) {
                size_t n = 0;
                pk_str part = {text + sent, sizeof(text) - sent};
                pk_error err = {0};
                pk_io io = part.len > 0 ? ends.client->table->send(ends.client, &part, 1, &n, &err) : PK_IO_DONE;
                CHECK_STR(err.msg, "");
                REQUIRE(io == PK_IO_DONE || io == PK_IO_WANT_WRITE);
                sent += n;
                io = ends.client->table->recv(ends.client, &byte, 1, false, &n, NULL);
                REQUIRE(io == PK_IO_WANT_READ || io == PK_IO_WANT_WRITE);
                io = ends.server->table->recv(ends.server, got + came, sizeof(got) - came, false, &n, NULL);
                REQUIRE(io == PK_IO_DONE || io == PK_IO_WANT_READ);
                came += n;
            }
            CHECK_INT(sent, ==, sizeof(text));
            REQUIRE(came == sizeof(got));
            CHECK_MEM(got, text, sizeof(text));
            pair_hang_up(&ends);
        }
    }
    pair_free(&ends);
}

/* ---- ends */

TEST(tls_session, an_end_that_is_said_is_no_cut)
{
    size_t n = 0;
    char byte[8];
    pk_error err = {0};
    pk_str word = PK_STR("word");
    pair_certs(&ends);
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    REQUIRE(pair_shake(&ends));
    REQUIRE(ends.server->table->send(ends.server, &word, 1, &n, NULL) == PK_IO_DONE);
    CHECK_INT(ends.server->table->end(ends.server), ==, PK_IO_DONE);
    CHECK_INT(ends.server->table->end(ends.server), ==, PK_IO_DONE); // once only
    ends.down.is_cut = true;
    CHECK_INT(ends.client->table->recv(ends.client, byte, sizeof(byte), false, &n, &err), ==, PK_IO_DONE);
    CHECK_MEM(byte, "word", 4);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(ends.client->table->recv(ends.client, byte, sizeof(byte), false, &n, &err), ==, PK_IO_CLOSED);
    }
    CHECK_STR(err.msg, "");
    /* The other direction is still open. */
    CHECK_INT(ends.client->table->end(ends.client), ==, PK_IO_DONE);
    CHECK_INT(ends.server->table->recv(ends.server, byte, sizeof(byte), false, &n, &err), ==, PK_IO_CLOSED);
    pair_free(&ends);
}

TEST(tls_session, a_cut_is_no_end)
{
    size_t n = 0;
    char byte[8];
    pk_str word = PK_STR("word");
    pair_certs(&ends);
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    REQUIRE(pair_shake(&ends));
    REQUIRE(ends.server->table->send(ends.server, &word, 1, &n, NULL) == PK_IO_DONE);
    ends.down.is_cut = true;
    CHECK_INT(ends.client->table->recv(ends.client, byte, sizeof(byte), false, &n, NULL), ==, PK_IO_DONE);
    for (int i = 0; i < 2; i++) {
        pk_error err = {0};
        CHECK_INT(ends.client->table->recv(ends.client, byte, sizeof(byte), false, &n, &err), ==, PK_IO_FAILED);
        CHECK_INT(err.code, ==, PK_ERR_PLUGIN_CONNECTION);
        CHECK_CONTAINS(err.msg, "it ended without a word (no close_notify)");
    }
    CHECK_INT(ends.client->table->end(ends.client), ==, PK_IO_DONE); // nothing to say any more
    pair_free(&ends);
}

TEST(tls_session, the_end_waits_for_what_is_on_its_way)
{
    char text[20000], got[20000];
    size_t n = 0, came = 0;
    pk_str part = {text, sizeof(text)};
    memset(text, 'x', sizeof(text));
    pair_certs(&ends);
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    REQUIRE(pair_shake(&ends));
    (void)ends.client->table->recv(ends.client, got, 1, false, &n, NULL); // tickets
    ends.down.room = 1000;
    REQUIRE(ends.server->table->send(ends.server, &part, 1, &n, NULL) == PK_IO_WANT_WRITE);
    CHECK_INT(ends.server->table->end(ends.server), ==, PK_IO_WANT_WRITE);
    pk_io io = PK_IO_WANT_READ, end = PK_IO_WANT_WRITE;
    for (int i = 0; i < 1000 && io != PK_IO_CLOSED; i++) {
        io = ends.client->table->recv(ends.client, got, sizeof(got), false, &n, NULL);
        came += io == PK_IO_DONE ? n : 0;
        end = end == PK_IO_WANT_WRITE ? ends.server->table->end(ends.server) : end;
    }
    CHECK_INT(io, ==, PK_IO_CLOSED);
    CHECK_INT(end, ==, PK_IO_DONE);
    CHECK(came == 16384 || came == 16383); // the record that had been begun
    pair_free(&ends);
}

TEST(tls_session, who_has_hung_up_is_gone)
{
    size_t n = 0;
    char got[20000];
    pk_str word = PK_STR("word");
    pair_certs(&ends);
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    REQUIRE(pair_shake(&ends));
    CHECK(!ends.server->table->is_gone(ends.server));
    for (int i = 0; i < 300; i++) { // more than is received ahead
        REQUIRE(ends.client->table->send(ends.client, &word, 1, &n, NULL) == PK_IO_DONE);
        CHECK(!ends.server->table->is_gone(ends.server));
    }
    CHECK_INT(ends.server->table->recv(ends.server, got, sizeof(got), false, &n, NULL), ==, PK_IO_DONE);
    CHECK_INT(n, ==, 1200);
    CHECK_MEM(got + 1196, "word", 4);
    REQUIRE(ends.client->table->send(ends.client, &word, 1, &n, NULL) == PK_IO_DONE);
    CHECK_INT(ends.client->table->end(ends.client), ==, PK_IO_DONE);
    ends.up.is_cut = true;
    CHECK(!ends.server->table->is_gone(ends.server)); // it is still being read
    CHECK(ends.server->table->is_gone(ends.server));
    CHECK_INT(ends.server->table->recv(ends.server, got, sizeof(got), false, &n, NULL), ==, PK_IO_DONE);
    CHECK_MEM(got, "word", 4);
    CHECK_INT(ends.server->table->recv(ends.server, got, sizeof(got), false, &n, NULL), ==, PK_IO_CLOSED);
    CHECK(ends.server->table->is_gone(ends.server));
    pair_free(&ends);
}

/* ---- somebody sits on the wire */

TEST(tls_session, a_record_that_was_changed_is_refused)
{
    size_t n = 0;
    char got[100];
    pk_str word = PK_STR("transfer 1 to Mallory");
    pair_certs(&ends);
    pair_make(&ends);
    for (int i = 0; i < 2; i++) {
        pk_error err = {0};
        pair_connect(&ends, "localhost", "k");
        REQUIRE(pair_shake(&ends));
        REQUIRE(ends.client->table->send(ends.client, &word, 1, &n, NULL) == PK_IO_DONE);
        if (i == 0) {
            ends.up.bytes[ends.up.at + 20] ^= 1;
        } else { // twice
            size_t len = ends.up.end - ends.up.at;
            memcpy(ends.up.bytes + ends.up.end, ends.up.bytes + ends.up.at, len);
            ends.up.end += len;
            REQUIRE(ends.server->table->recv(ends.server, got, word.len, false, &n, &err) == PK_IO_DONE);
        }
        CHECK_INT(ends.server->table->recv(ends.server, got, sizeof(got), false, &n, &err), ==, PK_IO_FAILED);
        CHECK_CONTAINS(err.msg, "a record cannot be decrypted: it was forged or damaged");
        CHECK_INT(err.code, ==, PK_ERR_HANDSHAKE);
        pair_hang_up(&ends);
    }
    pair_free(&ends);
}

/* Each byte that the client says in the handshake is changed once: no connection comes about. */
static size_t changed_at;
static void change(pair *p)
{
    if (p->up.total > changed_at && !p->meddled && changed_at >= p->up.total - (p->up.end - p->up.at)) {
        p->up.bytes[p->up.end - (size_t)(p->up.total - changed_at)] ^= 0x10;
        p->meddled = 1;
    }
}

TEST(tls_session, a_handshake_that_was_changed_fails)
{
    pair_certs(&ends);
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    REQUIRE(pair_shake(&ends));
    size_t all = (size_t)ends.up.total;
    pair_hang_up(&ends);
    ends.meddle = change;
    for (changed_at = 6; changed_at < all; changed_at += 29) {
        CASE("byte %zu of %zu", changed_at, all)
        {
            char key[20];
            snprintf(key, sizeof(key), "%zu", changed_at);
            ends.meddled = 0;
            pair_connect(&ends, "localhost", key);
            bool is_done = pair_shake(&ends);
            if (is_done && ends.meddled) { // in 1.3 the client is done first, and hears of it when it reads
                size_t n = 0;
                char byte;
                CHECK_INT(ends.server->table->recv(ends.server, &byte, 1, false, &n, NULL), ==, PK_IO_FAILED);
            }
            pair_hang_up(&ends);
        }
    }
    pair_free(&ends);
}

#if PK__TLS_HAS_13
/* Takes the client's offer of TLS 1.3 out of its hello (supported_versions, 43, becomes one that nobody knows). */
static void downgrade(pair *p)
{
    static const unsigned char offer[] = {0, 43, 0, 5, 4, 3, 4, 3, 3};
    for (size_t i = p->up.at; i + sizeof(offer) <= p->up.end; i++) {
        if (memcmp(p->up.bytes + i, offer, sizeof(offer)) == 0) {
            p->up.bytes[i] = 0x7a;
            p->up.bytes[i + 1] = 0x7a;
            p->meddled++;
        }
    }
}

TEST(tls_session, a_downgrade_is_noticed)
{
    pair_certs(&ends);
    pair_make(&ends);
    pair_connect(&ends, "localhost", "k");
    ends.meddle = downgrade;
    CHECK(!pair_shake(&ends));
    CHECK_INT(ends.meddled, ==, 1);
    CHECK_INT(ends.client_error.code, ==, PK_ERR_HANDSHAKE);
    CHECK_CONTAINS(ends.client_error.msg, "somebody has changed it, to make us use an older version");
    CHECK_CONTAINS(ends.refused, "the peer refuses");
    pair_free(&ends);
}

TEST(tls_session, the_least_version_is_insisted_on)
{
    for (int i = 0; i < 2; i++) {
        pair_certs(&ends);
        ends.d.min_version = i == 0 ? PK_TLS_1_3 : PK_TLS_DEFAULT;
        ends.c.min_version = i == 0 ? PK_TLS_DEFAULT : PK_TLS_1_3;
        pair_make(&ends);
        pk__tls_material *other = i == 0 ? ends.client_tls->material : ends.server_tls->material;
        mbedtls_ssl_conf_max_tls_version(i == 0 ? &other->client : &other->server, MBEDTLS_SSL_VERSION_TLS1_2);
        pair_connect(&ends, "localhost", "k");
        CHECK(!pair_shake(&ends));
        CHECK_CONTAINS(i == 0 ? ends.refused : ends.client_error.msg, "version");
        pair_free(&ends);
    }
}
#else
TEST(tls_session, the_least_version_is_not_promised_in_vain)
{
    pk_tls *tls = NULL;
    pk_error err = {0};
    pk_tls_desc d = {.alloc = test_alloc(), .min_version = PK_TLS_1_3};
    CHECK_ERR(pk_tls_create(&tls, &d, &err), PK_ERR_UNSUPPORTED);
    CHECK_CONTAINS(err.msg, "this mbedTLS speaks 1.2");
}
#endif
#endif
