/* test_http_strict_answers.c - one row for each way in which answers may be wrong, or odd and right (RFC 9110, 9112).
 *
 * A row is what a server sends before it closes, and what a client must make of it: "STATUS BODY", with '+' if the
 * connection may be used again; or why not: "refused", "cut", "large". Each row comes at once, cut in two at every
 * byte, and byte by byte. */
#include "unit.h"

typedef struct row {
    const char *made; // of it
    const char *text;
    size_t len;
} row;

#define R(made, text) {made, text, sizeof(text) - 1}
#define OK "HTTP/1.1 200 OK\r\n"
#define CL(value) OK "Content-Length:" value "\r\n\r\n"
#define TE(value) OK "Transfer-Encoding:" value "\r\n\r\n"
#define CHUNKED TE(" chunked")
#define INTERIM "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
#define FOUR INTERIM INTERIM INTERIM INTERIM
#define THIRTY_TWO FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR

static const row to_get[] = {
    /* status lines */
    R("200 +", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("200 +", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
    R("200 +", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), // without the blank, as some do
    R("200 +", "HTTP/1.1 200 \xc3\xbc \t x\r\nContent-Length: 0\r\n\r\n"),
    R("599 +", "HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n"),
    R("200 +", "HTTP/1.7 200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.11 200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", " HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "ICY 200 OK\r\n\r\n"),
    R("refused", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1 2e2 OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1 200OK\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1 200 OK\0\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1 200 OK\rX\r\nContent-Length: 0\r\n\r\n"),
    R("refused", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
    R("refused", "<html>"),
    R("refused", "GET / HTTP/1.1\r\n\r\n"),
    R("cut", ""),
    R("cut", "HTTP/1.1 200 OK\r\n"),
    R("cut", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"),
    /* lengths */
    R("200 hello+", CL(" 5") "hello"),
    R("200 hello+", CL("\t005 ") "hello"),
    R("cut", CL(" 6") "hello"),
    R("refused", CL("") "hello"),
    R("refused", CL(" -5") "hello"),
    R("refused", CL(" +5") "hello"),
    R("refused", CL(" 0x5") "hello"),
    R("refused", CL(" 5 5") "hello"),
    R("refused", CL(" 5, 5") "hello"),
    R("refused", CL(" 9223372036854775808") "hello"),
    R("refused", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    R("refused", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    R("large", CL(" 2001") "hello"),
    /* codings */
    R("200 hello+", CHUNKED "5\r\nhello\r\n0\r\n\r\n"),
    R("200 hello+", TE("CHUNKED") "1;x\r\nh\r\n4\r\nello\r\n0;y=\"z\"\r\nX: y\r\n\r\n"),
    R("cut", CHUNKED "5\r\nhello\r\n0\r\n"),
    R("cut", CHUNKED "5\r\nhel"),
    R("200 hello+", TE("\t chunked") "5\r\nhello\r\n0\r\n\r\n"),
    R("refused", TE(" chunked ") "5\r\nhello\r\n0\r\n\r\n"), // others read to the end of the connection
    R("refused", TE(" chunked\t") "5\r\nhello\r\n0\r\n\r\n"),
    R("refused", TE("") "5\r\nhello\r\n0\r\n\r\n"),
    R("refused", TE(" identity") "hello"),
    R("refused", TE(" gzip") "hello"),
    R("refused", TE(" gzip, chunked") "5\r\nhello\r\n0\r\n\r\n"),
    R("refused", TE(" chunked, gzip") "5\r\nhello\r\n0\r\n\r\n"),
    R("refused", TE(" chunked,") "5\r\nhello\r\n0\r\n\r\n"),
    R("refused", TE(" xchunked") "5\r\nhello\r\n0\r\n\r\n"),
    R("refused", OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    R("refused", OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    R("refused", OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R("refused", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R("refused", CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
    R("refused", CHUNKED "5;\r\nhello\r\n0\r\n\r\n"),
    R("refused", CHUNKED "5;x=\"y\r\nhello\r\n0\r\n\r\n"),
    R("refused", CHUNKED "5\r\nhello\r\n0;x=\r\n\r\n"),
    R("refused", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
    R("refused", CHUNKED "-5\r\nhello\r\n0\r\n\r\n"),
    R("refused", CHUNKED "5\nhello\r\n0\r\n\r\n"),
    R("refused", CHUNKED "5\r\nhello\n0\r\n\r\n"),
    R("refused", CHUNKED "5\r\nhello!\r\n0\r\n\r\n"),
    R("refused", CHUNKED "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
    R("refused", CHUNKED "5\r\nhello\r\n0\r\nX y\r\n\r\n"),
    /* until the end */
    R("200 hello", OK "\r\nhello"),
    R("200 hello", "HTTP/1.0 200 OK\r\n\r\nhello"),
    R("200 ", OK "\r\n"),
    R("200 hello", OK "Connection: keep-alive\r\n\r\nhello"),
    /* none */
    R("204 +", "HTTP/1.1 204 No Content\r\n\r\n"),
    R("304 +", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    R("204 +", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    R("204 ", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), // there may be some all the same
    R("204 ", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
    /* interim answers */
    R("200 hello+", INTERIM CL(" 5") "hello"),
    R("200 hello+", "HTTP/1.1 100 Continue\r\n\r\n" INTERIM "HTTP/1.1 102 Processing\r\n\r\n" CL(" 5") "hello"),
    R("200 hello+", THIRTY_TWO CL(" 5") "hello"),
    R("refused", THIRTY_TWO INTERIM CL(" 5") "hello"),
    R("refused", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello" CL(" 0")),
    R("refused", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    R("cut", "HTTP/1.1 100 Continue\r\n\r\n"),
    /* connections */
    R("200 hello", OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello"),
    R("200 hello", OK "connection: x,CLOSE\r\nContent-Length: 5\r\n\r\nhello"),
    R("200 hello", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    R("200 hello+", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello"),
    R("refused", OK "Connection: content-length\r\nContent-Length: 5\r\n\r\nhello"),
    /* lines and fields */
    R("200 +", OK "Host: a b\r\nhost: c\r\nExpect: x\r\nContent-Length: 0\r\n\r\n"), // mean nothing here
    R("refused", OK "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    R("refused", OK "X : a\r\nContent-Length: 0\r\n\r\n"),
    R("refused", OK ": a\r\nContent-Length: 0\r\n\r\n"),
    R("refused", OK "X: a\rb\r\nContent-Length: 0\r\n\r\n"),
    R("refused", OK "X: a\nContent-Length: 0\r\n\r\n"),
    R("refused", OK "X: a\0\r\nContent-Length: 0\r\n\r\n"),
    R("refused", OK "Content-Length : 0\r\n\r\n"),
    R("refused", OK "Content-Length: 0\r\n\n"),
};

static const row to_head[] = {
    R("200 +", OK "\r\n"),
    R("200 +", CL(" 5")),
    R("200 +", CHUNKED),
    R("404 +", "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"),
    R("204 +", "HTTP/1.1 204 No Content\r\n\r\n"),
    R("refused", CL(" -5")),
    R("refused", OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
};

/* ---- a wire without a descriptor, which hands out what it is given */

static struct {
    const char *bytes;
    size_t len, at, cut, step;
} wire;

static pk_io wire_open(void *user, pk_str address, pk_conn *conn, void **state, pk_error *err)
{
    (void)user, (void)address, (void)conn, (void)err;
    *state = &wire;
    return PK_IO_DONE;
}

static pk_io wire_recv(void *state, void *buf, size_t cap, size_t *got, pk_error *err)
{
    (void)state, (void)err;
    size_t n = PK__MIN(PK__MIN(wire.len - wire.at, cap), wire.at < wire.cut ? wire.cut - wire.at : wire.step);
    memcpy(buf, wire.bytes + wire.at, n);
    wire.at += n;
    *got = n;
    return n > 0 ? PK_IO_DONE : PK_IO_CLOSED;
}

static pk_io wire_send(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    (void)state, (void)err;
    *sent = 0;
    for (size_t i = 0; i < count; i++) {
        *sent += parts[i].len;
    }
    return PK_IO_DONE;
}

static int wire_fd(void *state)
{
    (void)state;
    return -1;
}

static void wire_close(void *state)
{
    (void)state;
}

typedef struct outcome {
    char text[200];
    size_t len;
    bool ended;
    pk_err code;
} outcome;

static void add(outcome *o, pk_str s)
{
    size_t n = PK__MIN(s.len, sizeof(o->text) - 1 - o->len);
    memcpy(o->text + o->len, s.ptr, n);
    o->len += n;
    o->text[o->len] = '\0';
}

static pk_err on_head(void *user, const pk__http_answer *answer, pk_error *err)
{
    char number[16];
    (void)err;
    snprintf(number, sizeof(number), "%d ", answer->status);
    add((outcome *)user, pk_str_from(number));
    return PK_OK;
}

static pk_err on_chunk(void *user, pk_str bytes, pk_error *err)
{
    (void)err;
    add((outcome *)user, bytes);
    return PK_OK;
}

static void on_end(void *user, const pk_error *why)
{
    outcome *o = (outcome *)user;
    o->ended = true;
    o->code = why ? why->code : PK_OK;
    CHECK(!why || (why->msg[0] && why->sent >= PK_SENT_MAYBE));
}

static const char *ask(const row *r, const char *method, size_t cut, size_t step)
{
    static const pk_transport transport = {"wire", wire_open, wire_recv, wire_send, wire_fd, wire_close, NULL};
    static outcome o;
    static pk_loop *loop;
    pk__address address;
    pk__http_client_desc desc;
    pk__http_exchange x;
    pk__http_client *c = NULL;
    memset(&o, 0, sizeof(o));
    memset(&address, 0, sizeof(address));
    memset(&desc, 0, sizeof(desc));
    memset(&x, 0, sizeof(x));
    wire.bytes = r->text;
    wire.len = r->len;
    wire.at = 0;
    wire.cut = cut;
    wire.step = step;
    REQUIRE_OK(pk_loop_create(&loop, NULL, NULL));
    desc.alloc = test_alloc();
    desc.transport = &transport;
    desc.address = &address;
    desc.lines = PK_STR("Host: a\r\n");
    x.method = pk_str_from(method);
    x.target = PK_STR("/");
    x.max_body = 2000;
    x.deadline = PK_FOREVER;
    x.on_head = on_head;
    x.on_chunk = on_chunk;
    x.on_end = on_end;
    x.user = &o;
    REQUIRE_OK(pk__http_client_create(&c, &desc, NULL));
    REQUIRE_OK(pk__http_client_start(c, loop, &x, NULL));
    while (!o.ended) {
        REQUIRE_OK(pk_loop_step(loop, 0, NULL));
    }
    bool reusable = pk__http_client_is_reusable(c);
    pk__http_client_destroy(c);
    pk_loop_destroy(loop);
    if (o.code != PK_OK) {
        CHECK(!reusable);
        return o.code == PK_ERR_HTTP ? "refused" : o.code == PK_ERR_LIMIT ? "large" : "cut";
    }
    add(&o, reusable ? PK_STR("+") : PK_STR(""));
    return o.text;
}

static void check_rows(const row *rows, size_t count, const char *method)
{
    for (size_t i = 0; i < count; i++) {
        const row *r = &rows[i];
        CASE("%s <- %.*s", r->made, (int)r->len, r->text)
        {
            CHECK_STR(ask(r, method, r->len, r->len + 1), r->made);
            CHECK_STR(ask(r, method, 1, 1), r->made);
            size_t every = r->len > 400 ? 37 : 1; // of what only repeats itself some will do
            for (size_t cut = 1; cut < r->len && !test_now.failed; cut += every) {
                CHECK_STR(ask(r, method, cut, r->len), r->made);
            }
        }
    }
}

TEST(http_strict_answers, to_a_get)
{
    check_rows(to_get, PK__COUNT(to_get), "GET");
}

TEST(http_strict_answers, to_a_head)
{
    check_rows(to_head, PK__COUNT(to_head), "HEAD");
}
