/* fuzz_http_client.c - a client that is answered nonsense: the same outcome however the bytes are cut, never more body
 * than is accepted, and no connection used again that is not at the end of an answer. */
#include "fuzz.h"

static struct {
    const uint8_t *data;
    size_t size, at, step;
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
    size_t n = wire.size - wire.at;
    n = n < cap ? n : cap;
    n = n < wire.step ? n : wire.step;
    memcpy(buf, wire.data + wire.at, n);
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
    pk_err code;
    int status, heads, ends;
    pk_buf body;
    bool reusable;
    size_t used;
} outcome;

static pk_err on_head(void *user, const pk__http_answer *answer, pk_error *err)
{
    outcome *o = (outcome *)user;
    (void)err;
    o->heads++;
    o->status = answer->status;
    MUST(answer->status >= 200 && answer->length >= -1);
    return PK_OK;
}

static pk_err on_chunk(void *user, pk_str bytes, pk_error *err)
{
    outcome *o = (outcome *)user;
    (void)err;
    MUST(bytes.len > 0 && pk_buf_add(&o->body, bytes));
    return PK_OK;
}

static void on_end(void *user, const pk_error *why)
{
    outcome *o = (outcome *)user;
    o->ends++;
    o->code = why ? why->code : PK_OK;
    MUST(!why || why->msg[0] != '\0');
}

static void run(outcome *o, pk_loop *loop, const char *method, size_t step)
{
    static const pk_transport transport = {"wire", wire_open, wire_recv, wire_send, wire_fd, wire_close, NULL};
    pk__address address;
    pk__http_client_desc desc;
    pk__http_client *c = NULL;
    pk__http_exchange x;
    memset(o, 0, sizeof(*o));
    memset(&desc, 0, sizeof(desc));
    memset(&address, 0, sizeof(address));
    memset(&x, 0, sizeof(x));
    pk_buf_init(&o->body, NULL, 10000);
    wire.at = 0;
    wire.step = step;
    desc.transport = &transport;
    desc.address = &address;
    desc.lines = PK_STR("Host: x\r\n");
    MUST(pk__http_client_create(&c, &desc, NULL) == PK_OK);
    x.method = pk_str_from(method);
    x.target = PK_STR("/");
    x.max_body = 5000;
    x.deadline = PK_FOREVER;
    x.on_head = on_head;
    x.on_chunk = on_chunk;
    x.on_end = on_end;
    x.user = o;
    MUST(pk__http_client_start(c, loop, &x, NULL) == PK_OK);
    while (o->ends == 0) {
        MUST(pk_loop_step(loop, 0, NULL) == PK_OK);
    }
    MUST(o->ends == 1 && o->heads <= 1 && x.bytes_in <= 5000 && x.bytes_in == o->body.len);
    MUST(o->code != PK_OK || (o->heads == 1 && x.sent == PK_SENT_ANSWERED));
    o->reusable = pk__http_client_is_reusable(c);
    MUST(!o->reusable || o->code == PK_OK);
    pk__http_client_destroy(c);
    o->used = wire.at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pk_loop *loop;
    outcome whole, pieces;
    if (!loop) {
        MUST(pk_loop_create(&loop, NULL, NULL) == PK_OK);
    }
    const char *method = size > 0 && data[0] == 'h' ? "HEAD" : "GET"; // "h" and "g" in front choose
    wire.data = data + (size > 0);
    wire.size = size - (size > 0);
    run(&whole, loop, method, SIZE_MAX);
    MUST(!whole.reusable || whole.used == wire.size);
    for (size_t step = 1; step < 8; step += 3) {
        run(&pieces, loop, method, step);
        MUST(pieces.status == whole.status && pieces.heads == whole.heads);
        /* Too much behind an answer is only seen if it comes along with it. */
        MUST(pieces.code == whole.code && pk_str_eq(pk_buf_str(&pieces.body), pk_buf_str(&whole.body)));
        pk_buf_free(&pieces.body);
    }
    pk_buf_free(&whole.body);
    return 0;
}
