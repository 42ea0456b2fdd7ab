/* sse.c - server-sent events as text. */
#include "sse.h"
#ifdef PLUGKIT_WITH_STREAMS
#include "../base/error.h"
#include "../base/memory.h"
#include "number.h"

#include <string.h>

/* ---- writing */

/* Cuts the first line off `rest`. False: there was none left. */
static bool pk__sse_line(pk_str *rest, pk_str *line)
{
    size_t len = 0;
    if (!rest->ptr) {
        return false;
    }
    while (len < rest->len && rest->ptr[len] != '\n' && rest->ptr[len] != '\r') {
        len++;
    }
    line->ptr = rest->ptr;
    line->len = len;
    if (len == rest->len) {
        rest->ptr = NULL; // that was the last
        return true;
    }
    len += rest->ptr[len] == '\r' && len + 1 < rest->len && rest->ptr[len + 1] == '\n' ? 2 : 1;
    rest->ptr += len;
    rest->len -= len;
    return true;
}

static void pk__sse_field(pk_buf *buf, const char *name, pk_str value)
{
    (void)pk_buf_add(buf, pk_str_from(name));
    (void)pk_buf_add(buf, PK_STR(": "));
    (void)pk_buf_add(buf, value);
    (void)pk_buf_add_char(buf, '\n');
}

static bool pk__sse_is_line(pk_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\n' || s.ptr[i] == '\r' || s.ptr[i] == '\0') {
            return false;
        }
    }
    return true;
}

PK_API pk_err pk_sse_write(pk_buf *buf, const pk_sse_event *e, pk_error *err)
{
    size_t before = buf->len;
    pk_str rest = e->data, line;
    if (!pk__sse_is_line(e->event) || !pk__sse_is_line(e->id)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot send an event: its name or id is more than one line");
    }
    if (e->event.len > 0) {
        pk__sse_field(buf, "event", e->event);
    }
    if (e->id.len > 0) {
        pk__sse_field(buf, "id", e->id);
    }
    if (e->retry_ms > 0) {
        char digits[PK__NUMBER_CAP];
        pk_str text = {digits, (size_t)(pk__number_put_uint(digits, e->retry_ms) - digits)};
        pk__sse_field(buf, "retry", text);
    }
    if (rest.len == 0) {
        rest.ptr = e->event.len > 0 ? "" : NULL; // a name alone is an event, too
    }
    while (pk__sse_line(&rest, &line)) {
        pk__sse_field(buf, "data", line);
    }
    if (pk_buf_add_char(buf, '\n')) {
        return PK_OK;
    }
    pk_err why = (pk_err)buf->failed;
    buf->len = before;
    buf->failed = 0;
    return why == PK_ERR_LIMIT ? pk_error_set(err, why, "cannot send an event: it is larger than there is room for")
                               : pk__error_memory(err, "send an event");
}

/* ---- reading */

static bool pk__sse_set(pk_buf *buf, pk_str value)
{
    pk_buf_clear(buf);
    return pk_buf_add(buf, value);
}

static pk_err pk__sse_dispatch(pk_sse_reader *r, pk_error *err)
{
    pk_sse_event e;
    pk_err rc = PK_OK;
    if (r->pk__has_data) {
        e.event = r->pk__name.len > 0 ? pk_buf_str(&r->pk__name) : PK_STR("message");
        e.data = pk_buf_str(&r->pk__data);
        e.data.len--; // the line end of the last line
        e.id = pk_buf_str(&r->pk__id);
        e.retry_ms = r->pk__retry_ms;
        rc = r->on_event(r->user, &e, err);
    }
    pk_buf_clear(&r->pk__data);
    pk_buf_clear(&r->pk__name);
    r->pk__has_data = false;
    return rc;
}

static void pk__sse_take_retry(pk_sse_reader *r, pk_str value)
{
    uint64_t ms = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') {
            return;
        }
        ms = PK__MIN(ms * 10 + (uint64_t)(value.ptr[i] - '0'), (uint64_t)UINT32_MAX);
    }
    r->pk__retry_ms = value.len > 0 ? (uint32_t)ms : r->pk__retry_ms;
}

/* A line that is not empty. False: no memory or no room. */
static bool pk__sse_take_line(pk_sse_reader *r, pk_str line)
{
    const char *colon = (const char *)memchr(line.ptr, ':', line.len);
    pk_str name = {line.ptr, colon ? (size_t)(colon - line.ptr) : line.len};
    pk_str value = {"", 0};
    if (colon) {
        value.ptr = colon + 1;
        value.len = line.len - name.len - 1;
        if (value.len > 0 && value.ptr[0] == ' ') {
            value.ptr++;
            value.len--;
        }
    }
    if (pk_str_is(name, "data")) {
        r->pk__has_data = true;
        return pk_buf_add(&r->pk__data, value) && pk_buf_add_char(&r->pk__data, '\n');
    }
    if (pk_str_is(name, "event")) {
        return pk__sse_set(&r->pk__name, value);
    }
    if (pk_str_is(name, "id") && (value.len == 0 || !memchr(value.ptr, '\0', value.len))) {
        return pk__sse_set(&r->pk__id, value);
    }
    if (pk_str_is(name, "retry")) {
        pk__sse_take_retry(r, value);
    }
    return true;
}

static void pk__sse_begin(pk_sse_reader *r)
{
    size_t max = r->max_bytes > 0 ? r->max_bytes : PK__SSE_EVENT_MAX;
    pk_buf_init(&r->pk__line, r->alloc, max);
    pk_buf_init(&r->pk__data, r->alloc, max);
    pk_buf_init(&r->pk__name, r->alloc, max);
    pk_buf_init(&r->pk__id, r->alloc, max);
    r->pk__began = true;
}

static pk_err pk__sse_failed(pk_sse_reader *r, pk_error *err)
{
    bool is_large = r->pk__line.failed == PK_ERR_LIMIT || r->pk__data.failed == PK_ERR_LIMIT;
    return is_large ? pk_error_set(err, PK_ERR_LIMIT, "cannot read an event: it is larger than %zu bytes",
                                   r->pk__line.max)
                    : pk__error_memory(err, "read an event");
}

/* The line in pk__line has ended. */
static pk_err pk__sse_end_line(pk_sse_reader *r, pk_error *err)
{
    pk_str line = pk_buf_str(&r->pk__line);
    bool good = true;
    if (line.len == 0) {
        return pk__sse_dispatch(r, err);
    }
    if (line.ptr[0] != ':') {
        good = pk__sse_take_line(r, line);
    }
    pk_buf_clear(&r->pk__line);
    return good ? PK_OK : pk__sse_failed(r, err);
}

/* A byte order mark may stand in front of it all. */
static void pk__sse_drop_mark(pk_sse_reader *r)
{
    pk_str line = pk_buf_str(&r->pk__line);
    if (!r->pk__past_mark && line.len >= 3) {
        if (memcmp(line.ptr, "\xEF\xBB\xBF", 3) == 0) {
            pk_buf_drop(&r->pk__line, 3);
        }
        r->pk__past_mark = true;
    }
}

PK_API pk_err pk_sse_read(pk_sse_reader *r, pk_str piece, pk_error *err)
{
    if (!r->pk__began) {
        pk__sse_begin(r);
    }
    while (piece.len > 0) {
        size_t len = 0;
        if (r->pk__after_cr && piece.ptr[0] == '\n') {
            piece.ptr++;
            piece.len--;
        }
        r->pk__after_cr = false;
        while (len < piece.len && piece.ptr[len] != '\n' && piece.ptr[len] != '\r') {
            len++;
        }
        pk_str part = {piece.ptr, len};
        if (!pk_buf_add(&r->pk__line, part)) {
            return pk__sse_failed(r, err);
        }
        pk__sse_drop_mark(r);
        if (len == piece.len) {
            return PK_OK;
        }
        r->pk__past_mark = true;
        r->pk__after_cr = piece.ptr[len] == '\r';
        piece.ptr += len + 1;
        piece.len -= len + 1;
        pk_err rc = pk__sse_end_line(r, err);
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

PK_API void pk_sse_reader_free(pk_sse_reader *r)
{
    if (r) {
        pk_buf_free(&r->pk__line);
        pk_buf_free(&r->pk__data);
        pk_buf_free(&r->pk__name);
        pk_buf_free(&r->pk__id);
    }
}
#endif
