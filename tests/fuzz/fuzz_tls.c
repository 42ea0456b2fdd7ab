/* fuzz_tls.c - TLS connections that somebody sits on: a server and a client of ours, on a wire of memory.
 *
 * The first byte chooses. Even: the rest is what a client (or a server, with bit 1) gets instead of a peer's words. It
 * never gets through, says why, and the outcome does not depend on how the bytes are cut. Odd: the rest are changes, of
 * four bytes each, to what a real client and a real server say to each other, up to the bytes behind the handshake.
 * Then either both know each other and every byte that arrives is the one that was sent, or somebody says why not. With
 * bit 2 or 3 they resume a session that they had before, which takes no arithmetic and so a twentieth of the time.
 *
 * Needs mbedTLS: tests/mbedtls.sh knows where. */
#define PLUGKIT_WITH_TLS
#include "fuzz.h"

#include <unistd.h>

#define REQUIRE MUST
#define REQUIRE_OK(x) MUST((x) == PK_OK)
#define TRY_OK(x) ((x) == PK_OK)
#define CHECK_MEM(a, b, len) MUST(memcmp(a, b, len) == 0)
#define TEST__UNUSED __attribute__((unused))
#define test_alloc() NULL
#include "../unit/certs.h"
#include "../unit/tls_pair.h"

/* ---- a wire on which nobody else is */

static pk_io shake_alone(bool is_server, const uint8_t *data, size_t size, size_t grain, pk_error *why)
{
    lane *in = is_server ? &ends.up : &ends.down;
    pk_io io = PK_IO_WANT_READ;
    pair_connect(&ends, "localhost", "");
    pk__secure *s = is_server ? ends.server : ends.client;
    memcpy(in->bytes, data, size);
    in->end = size;
    in->grain = grain;
    in->is_cut = true;
    for (int i = 0; i < 100000 && (io == PK_IO_WANT_READ || io == PK_IO_WANT_WRITE); i++) {
        io = s->table->shake(s, why);
    }
    MUST(io == PK_IO_FAILED && why->msg[0] != '\0' && s->peer == NULL);
    pair_hang_up(&ends);
    return io;
}

static void speak_nonsense(bool is_server, const uint8_t *data, size_t size)
{
    for (size_t grain = 1; grain < 40; grain += 19) {
        pk_error whole = {0}, pieces = {0};
        (void)shake_alone(is_server, data, size, SIZE_MAX, &whole);
        (void)shake_alone(is_server, data, size, grain, &pieces);
        MUST(whole.code == pieces.code);
    }
}

/* ---- a wire on which somebody sits */

static struct {
    const uint8_t *changes; // each: which way and what is done, where (two bytes), with what
    size_t count;
    uint64_t seen[2];       // bytes of each way that were looked at
} sitter;

static void sit(lane *l, int way)
{
    for (size_t i = 0; i < sitter.count; i++) {
        const uint8_t *c = sitter.changes + 4 * i;
        uint64_t at = (uint64_t)c[1] << 8 | c[2], first = l->total - (l->end - l->at);
        if ((c[0] & 1) != way || at < sitter.seen[way] || at < first || at >= l->total) {
            continue;
        }
        size_t place = l->at + (size_t)(at - first);
        switch (c[0] >> 1 & 3) {
        case 0: l->bytes[place] ^= c[3]; break;
        case 1: l->bytes[place] = c[3]; break;
        case 2: // some are lost
            l->end = place;
            break;
        default: // and some come twice
            if (l->end + c[3] < sizeof(l->bytes) && place + c[3] <= l->end) {
                memmove(l->bytes + place + c[3], l->bytes + place, l->end - place);
                l->end += c[3];
            }
        }
    }
    sitter.seen[way] = l->total;
}

static bool is_over(pk_io io)
{
    return io == PK_IO_DONE || io == PK_IO_FAILED || io == PK_IO_CLOSED;
}

/* Both handshakes. Whoever waits for what does not come any more is cut off. */
static void shake_both(pk_io *client, pk_io *server)
{
    *client = *server = PK_IO_WANT_READ;
    for (int i = 0, quiet = 0; i < 2000 && !(is_over(*client) && is_over(*server)); i++) {
        uint64_t before = ends.up.total + ends.down.total;
        if (!is_over(*client)) {
            *client = ends.client->table->shake(ends.client, &ends.client_error);
        }
        sit(&ends.up, 0);
        if (!is_over(*server)) {
            *server = ends.server->table->shake(ends.server, &ends.server_error);
        }
        sit(&ends.down, 1);
        quiet = ends.up.total + ends.down.total == before ? quiet + 1 : 0;
        ends.up.is_cut = ends.up.is_cut || *client == PK_IO_FAILED || quiet > 3;
        ends.down.is_cut = ends.down.is_cut || *server == PK_IO_FAILED || quiet > 3;
    }
    MUST(is_over(*client) && is_over(*server) && *client != PK_IO_CLOSED && *server != PK_IO_CLOSED);
    MUST(*client == PK_IO_DONE || ends.client_error.msg[0] != '\0');
    MUST(*server == PK_IO_DONE || ends.server_error.msg[0] != '\0');
}

static void say(pk__secure *from, lane *way, int which, pk__secure *to)
{
    char text[600], got[1200];
    size_t n = 0, came = 0;
    pk_io io = PK_IO_DONE;
    pk_error why = {0};
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)pattern(i);
    }
    pk_str part = {text, sizeof(text)};
    if (from->table->send(from, &part, 1, &n, NULL) != PK_IO_DONE) {
        return;
    }
    sit(way, which);
    for (int i = 0; i < 50 && io == PK_IO_DONE && came < sizeof(text); i++) {
        io = to->table->recv(to, got + came, sizeof(got) - came, false, &n, &why);
        came += io == PK_IO_DONE ? n : 0;
        MUST(came <= sizeof(text) && memcmp(got, text, came) == 0);
    }
    MUST(io != PK_IO_FAILED || why.msg[0] != '\0');
}

#define KEPT "meddled\nlocalhost" // the key below and the name of the server

/* What the client keeps of a connection that nobody has touched, so that each run begins with the same. */
static struct {
    unsigned char session[4000], certificate[2000];
    size_t session_len, certificate_len;
} first;

static void remember(void)
{
    pk__tls_kept *k = pk__tls_kept_find(ends.client_tls->material, KEPT);
    MUST(k && k->certificate_len <= sizeof(first.certificate));
    MUST(mbedtls_ssl_session_save(&k->session, first.session, sizeof(first.session), &first.session_len) == 0);
    memcpy(first.certificate, k->certificate, k->certificate_len);
    first.certificate_len = k->certificate_len;
}

static void recall(void)
{
    pk__tls_material *m = ends.client_tls->material;
    pk__tls_kept *k = &m->kept[0];
    k->key = pk__strdup(m->alloc, KEPT);
    k->certificate = (unsigned char *)pk__resize(m->alloc, NULL, 0, first.certificate_len);
    MUST(k->key && k->certificate);
    memcpy(k->certificate, first.certificate, first.certificate_len);
    k->certificate_len = first.certificate_len;
    mbedtls_ssl_session_init(&k->session);
    MUST(mbedtls_ssl_session_load(&k->session, first.session, first.session_len) == 0);
}

static void meddle(const uint8_t *data, size_t size)
{
    pk_io client, server;
    memset(&sitter, 0, sizeof(sitter));
    sitter.changes = data;
    sitter.count = size / 4 < 16 ? size / 4 : 16;
    pair_connect(&ends, "localhost", "meddled");
    shake_both(&client, &server);
    MUST(sitter.count > 0 || (client == PK_IO_DONE && server == PK_IO_DONE));
    if (client == PK_IO_DONE) {
        MUST(pk_str_is(ends.client->peer->name, "server"));
    }
    if (server == PK_IO_DONE) {
        MUST(pk_str_is(ends.server->peer->name, "client"));
    }
    if (client == PK_IO_DONE && server == PK_IO_DONE) {
        say(ends.client, &ends.up, 0, ends.server);
        say(ends.server, &ends.down, 1, ends.client);
    }
    pair_hang_up(&ends);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!ends.server_tls) {
        pair_certs(&ends);
        pair_make(&ends);
        meddle(NULL, 0);
        remember();
    }
    if (size == 0 || size > 20000) {
        return 0;
    }
    pk__tls_kept_free(ends.client_tls->material);
    if (data[0] & 1) {
        if (data[0] & 12) {
            recall();
        }
        meddle(data + 1, size - 1);
    } else {
        speak_nonsense((data[0] & 2) == 0, data + 1, size - 1);
    }
    return 0;
}
