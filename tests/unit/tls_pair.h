/* tls_pair.h - two ends of a secured connection, on a wire that is made of memory: it can be narrow, slow, broken, and
 * somebody may sit on it.
 *
 *     pair_certs(&ends);                  // an authority, a server, a client; ends.d and ends.c are their descriptions
 *     pair_make(&ends);                   // a pk_tls of each
 *     pair_connect(&ends, "localhost", "key"); pair_shake(&ends);
 *     carry(ends.client, ends.server, 1000, 100);
 *     pair_hang_up(&ends);                // and connect again, or
 *     pair_free(&ends); */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

/* ---- the wire */

typedef struct lane { // one direction
    unsigned char bytes[1 << 17];
    size_t at, end;
    size_t room;  // at most so much lies on it
    size_t grain; // and so much is sent or received at once
    bool is_cut;
    uint64_t total;
} lane;

typedef struct wire_end { // what a transport's state is
    lane *in, *out;
    int recvs, sends;
} wire_end;

static pk_io lane_recv(void *state, void *buf, size_t cap, size_t *got, pk_error *err)
{
    wire_end *e = (wire_end *)state;
    lane *l = e->in;
    (void)err;
    e->recvs++;
    if (l->at == l->end) {
        return l->is_cut ? PK_IO_CLOSED : PK_IO_WANT_READ;
    }
    size_t n = PK__MIN(cap, PK__MIN(l->end - l->at, l->grain));
    memcpy(buf, l->bytes + l->at, n);
    l->at += n;
    *got = n;
    return PK_IO_DONE;
}

static pk_io lane_send(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    wire_end *e = (wire_end *)state;
    lane *l = e->out;
    e->sends++;
    REQUIRE(count == 1);
    if (l->is_cut) {
        (void)pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cut");
        return PK_IO_FAILED;
    }
    memmove(l->bytes, l->bytes + l->at, l->end - l->at);
    l->end -= l->at;
    l->at = 0;
    size_t n = PK__MIN(parts[0].len, PK__MIN(l->room - PK__MIN(l->room, l->end), l->grain));
    if (n == 0) {
        return PK_IO_WANT_WRITE;
    }
    memcpy(l->bytes + l->end, parts[0].ptr, n);
    l->end += n;
    l->total += n;
    *sent = n;
    return PK_IO_DONE;
}

static const pk_transport memory = {"memory", NULL, lane_recv, lane_send, NULL, NULL, NULL};

typedef struct pair {
    cert ca, cert_server, cert_client;
    pk_tls_cert shown_server, shown_client;
    pk_tls_source trust;
    pk_tls_desc d, c;
    pk_tls *server_tls, *client_tls;
    lane up, down;
    wire_end ends[2];
    pk__secure *client, *server;
    pk_error client_error, server_error;
    char refused[300];
    void (*meddle)(struct pair *p); // between two steps
    int meddled;
} pair;

static pair ends;

static void pair_on_refused(void *user, const pk_error *why)
{
    pair *p = (pair *)user;
    snprintf(p->refused, sizeof(p->refused), "%s", why->msg);
}

static void pair_certs(pair *p)
{
    memset(p, 0, sizeof(*p));
    cert_make(&p->ca, &(cert_plan){.name = "Test CA", .is_ca = true});
    cert_make(&p->cert_server, &(cert_plan){.name = "server", .by = &p->ca, .dns = "localhost", .use = CERT_SERVER});
    cert_make(&p->cert_client, &(cert_plan){.name = "client", .by = &p->ca, .uri = "urn:me", .use = CERT_CLIENT});
    p->shown_server = cert_both(&p->cert_server);
    p->shown_client = cert_both(&p->cert_client);
    p->trust = cert_chain(&p->ca);
    p->d.alloc = p->c.alloc = test_alloc();
    p->d.certs = &p->shown_server;
    p->c.certs = &p->shown_client;
    p->d.trust = p->c.trust = &p->trust;
    p->d.cert_count = p->c.cert_count = p->d.trust_count = p->c.trust_count = 1;
    p->d.on_refused = pair_on_refused;
    p->d.user = p;
}

static TEST__UNUSED void pair_make(pair *p)
{
    REQUIRE_OK(pk_tls_create(&p->server_tls, &p->d, NULL));
    REQUIRE_OK(pk_tls_create(&p->client_tls, &p->c, NULL));
}

static pk_err pair_open(pair *p, bool is_server, const char *name, const char *key)
{
    pk__secure_desc d;
    memset(&d, 0, sizeof(d));
    d.is_server = is_server;
    d.below.transport = &memory;
    d.below.socket = -1;
    d.below.io = &p->ends[is_server];
    d.name = pk_str_from(name);
    d.key = pk_str_from(key);
    return pk__tls_table()->open(is_server ? p->server_tls : p->client_tls, &d, is_server ? &p->server : &p->client,
                                 is_server ? &p->server_error : &p->client_error);
}

/* A fresh wire, and an end on either side of it. */
static bool pair_begin(pair *p, const char *name, const char *key)
{
    memset(&p->up, 0, sizeof(p->up));
    memset(&p->down, 0, sizeof(p->down));
    memset(p->ends, 0, sizeof(p->ends));
    memset(&p->client_error, 0, sizeof(p->client_error));
    memset(&p->server_error, 0, sizeof(p->server_error));
    p->refused[0] = '\0';
    p->up.room = p->down.room = sizeof(p->up.bytes);
    p->up.grain = p->down.grain = SIZE_MAX;
    p->ends[0].in = p->ends[1].out = &p->down;
    p->ends[0].out = p->ends[1].in = &p->up;
    return TRY_OK(pair_open(p, false, name, key)) && TRY_OK(pair_open(p, true, "", ""));
}

static TEST__UNUSED void pair_connect(pair *p, const char *name, const char *key)
{
    REQUIRE(pair_begin(p, name, key));
}

static void pair_hang_up(pair *p)
{
    if (p->client) {
        p->client->table->close(p->client);
    }
    if (p->server) {
        p->server->table->close(p->server);
    }
    p->client = p->server = NULL;
}

static void pair_free(pair *p)
{
    pair_hang_up(p);
    pk_tls_destroy(p->server_tls);
    pk_tls_destroy(p->client_tls);
    cert_free(&p->ca);
    cert_free(&p->cert_server);
    cert_free(&p->cert_client);
}

/* Both handshakes, step by step. True: both are done. */
static bool pair_shake(pair *p)
{
    pk_io client = PK_IO_WANT_READ, server = PK_IO_WANT_READ;
    for (int i = 0; i < 200000 && (client != PK_IO_DONE || server != PK_IO_DONE); i++) {
        if (client != PK_IO_DONE && client != PK_IO_FAILED) {
            client = p->client->table->shake(p->client, &p->client_error);
        }
        if (p->meddle) {
            p->meddle(p);
        }
        if (server != PK_IO_DONE && server != PK_IO_FAILED) {
            server = p->server->table->shake(p->server, &p->server_error);
        }
        if (client == PK_IO_DONE && server != PK_IO_DONE) { // a ticket may be in the way
            size_t n = 0;
            char byte;
            (void)p->client->table->recv(p->client, &byte, 1, false, &n, &p->client_error);
        }
        p->up.is_cut = p->up.is_cut || client == PK_IO_FAILED;
        p->down.is_cut = p->down.is_cut || server == PK_IO_FAILED;
        if (client == PK_IO_FAILED && server == PK_IO_FAILED) {
            break;
        }
        REQUIRE(client != PK_IO_CLOSED && server != PK_IO_CLOSED);
    }
    return client == PK_IO_DONE && server == PK_IO_DONE;
}

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at * 7 + at / 251);
}

/* Sends that many bytes from one end to the other; both sides take turns. */
static TEST__UNUSED void carry(pk__secure *from, pk__secure *to, size_t size, size_t piece)
{
    static char text[1 << 17], got[1 << 17];
    size_t sent = 0, came = 0;
    REQUIRE(size <= sizeof(text));
    for (size_t i = 0; i < size; i++) {
        text[i] = (char)pattern(i);
    }
    for (int i = 0; i < 2000000 && came < size; i++) {
        if (sent < size) { // in two parts, as heads and bodies are
            size_t n = 0, half = (size - sent) / 3;
            pk_str parts[2] = {{text + sent, half}, {text + sent + half, size - sent - half}};
            pk_io io = from->table->send(from, parts, 2, &n, NULL);
            REQUIRE(io == PK_IO_DONE || io == PK_IO_WANT_WRITE);
            REQUIRE(io != PK_IO_DONE || n > 0);
            sent += n;
        }
        size_t n = 0;
        pk_io io = to->table->recv(to, got + came, PK__MIN(piece, sizeof(got) - came), false, &n, NULL);
        REQUIRE(io == PK_IO_DONE || io == PK_IO_WANT_READ);
        came += n;
    }
    REQUIRE(came == size && sent == size);
    CHECK_MEM(got, text, size);
}

#endif
