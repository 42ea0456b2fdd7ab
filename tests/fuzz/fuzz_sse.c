/* fuzz_sse.c - streams of server-sent events: the same events whether they come at once or in pieces, each of them one
 * that can be written, and written and read again it is the same. */
#define PLUGKIT_WITH_STREAMS
#include "fuzz.h"

enum { MOST = 500 };

typedef struct seen {
    pk_buf all; // the events, one behind the other, with lengths in front
    int count;
} seen;

static void add(pk_buf *to, pk_str text)
{
    pk_str len = {(const char *)&text.len, sizeof(text.len)};
    MUST(pk_buf_add(to, len) && pk_buf_add(to, text));
}

static pk_err on_event(void *user, const pk_sse_event *e, pk_error *err)
{
    seen *s = (seen *)user;
    (void)err;
    MUST(e->event.len > 0 && e->event.len <= MOST && e->data.len <= MOST && e->id.len <= MOST);
    MUST(!memchr(e->event.ptr, '\n', e->event.len) && !memchr(e->event.ptr, '\r', e->event.len));
    MUST(e->id.len == 0 || !memchr(e->id.ptr, '\n', e->id.len));
    MUST(e->data.len == 0 || !memchr(e->data.ptr, '\r', e->data.len));
    add(&s->all, e->event);
    add(&s->all, e->data);
    add(&s->all, e->id);
    s->count++;
    return PK_OK;
}

static pk_err read_all(seen *s, pk_str text, size_t step, size_t max)
{
    pk_sse_reader r;
    pk_err rc = PK_OK;
    memset(&r, 0, sizeof(r));
    memset(s, 0, sizeof(*s));
    pk_buf_init(&s->all, NULL, (size_t)1 << 26);
    r.on_event = on_event;
    r.user = s;
    r.max_bytes = max;
    for (size_t at = 0; at < text.len && rc == PK_OK; at += step) {
        pk_str piece = {text.ptr + at, step < text.len - at ? step : text.len - at};
        rc = pk_sse_read(&r, piece, NULL);
    }
    pk_sse_reader_free(&r);
    MUST(rc == PK_OK || rc == PK_ERR_LIMIT);
    return rc;
}

/* What was read can be written, unless a name has a NUL in it, and reads back. */
static pk_err write_again(void *user, const pk_sse_event *e, pk_error *err)
{
    pk_buf text;
    seen once = {.count = 0}, again;
    (void)user;
    pk_buf_init(&text, NULL, (size_t)1 << 20);
    pk_buf_init(&once.all, NULL, (size_t)1 << 20);
    if (pk_sse_write(&text, e, err) == PK_OK) {
        MUST(on_event(&once, e, NULL) == PK_OK);
        MUST(read_all(&again, pk_buf_str(&text), text.len, 4 * MOST) == PK_OK && again.count == 1);
        MUST(pk_str_eq(pk_buf_str(&once.all), pk_buf_str(&again.all)));
        pk_buf_free(&again.all);
    } else {
        MUST(memchr(e->event.ptr, '\0', e->event.len) && text.len == 0);
    }
    pk_buf_free(&once.all);
    pk_buf_free(&text);
    return PK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_str text = {(const char *)data, size};
    seen whole, pieces;
    pk_err rc = read_all(&whole, text, size ? size : 1, MOST);
    for (size_t step = 1; step < 8; step += 2) {
        MUST(read_all(&pieces, text, step, MOST) == rc);
        MUST(pieces.count == whole.count && pk_str_eq(pk_buf_str(&pieces.all), pk_buf_str(&whole.all)));
        pk_buf_free(&pieces.all);
    }
    pk_buf_free(&whole.all);

    pk_sse_reader r;
    memset(&r, 0, sizeof(r));
    r.on_event = write_again;
    r.max_bytes = MOST;
    (void)pk_sse_read(&r, text, NULL);
    pk_sse_reader_free(&r);
    return 0;
}
