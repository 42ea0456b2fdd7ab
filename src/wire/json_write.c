/* json_write.c - the streaming JSON writer. */
#include "json_write.h"

#include <string.h>

#include "../base/error.h"
#include "base64.h"
#include "json_quote.h"
#include "json_read.h"
#include "number.h"

PK__FN pk_err pk__json_fault_code(const pk_json_writer *w)
{
    switch ((pk__json_fault)w->failed) {
    case PK__JSON_FINE: return PK_OK;
    case PK__JSON_BUFFER: return (pk_err)w->buf->failed;
    case PK__JSON_NOT_UTF8:
    case PK__JSON_NOT_FINITE:
    case PK__JSON_BAD_RAW: return PK_ERR_SERIALIZE;
    case PK__JSON_TOO_DEEP: return PK_ERR_LIMIT;
    default: return PK_ERR_MISUSE;
    }
}

PK__FN const char *pk__json_fault_text(const pk_json_writer *w)
{
    static const char words[] = // in the order of pk__json_fault
        "\0" "the buffer is full\0" "a string is not UTF-8\0" "a number is not finite\0" "a raw value is not JSON\0"
        "it is nested too deep\0" "a value stands where a key is due\0" "a key stands outside of an object\0"
        "a value is missing\0" "a second value stands behind the first\0" "an end stands outside of a container\0"
        "a container is still open";
    bool memory = w->failed == PK__JSON_BUFFER && w->buf->failed == PK_ERR_NO_MEMORY;
    return memory ? "out of memory" : pk__words_at(words, (size_t)w->failed);
}

PK_API void pk_json_write(pk_json_writer *w, pk_buf *buf)
{
    memset(w, 0, sizeof(*w));
    w->buf = buf;
    w->failed = buf->failed ? PK__JSON_BUFFER : PK__JSON_FINE;
}

/* ---- bytes */

static void pk__json_bytes(pk_json_writer *w, const char *bytes, size_t count)
{
    char *out = count > 0 ? pk__json_room(w, count) : NULL;
    if (out) {
        memcpy(out, bytes, count);
        w->buf->len += count;
    }
}

static void pk__json_new_line(pk_json_writer *w)
{
    size_t count = (size_t)w->indent * w->depth;
    char *out = w->indent > 0 ? pk__json_room(w, count + 1) : NULL;
    if (out) {
        out[0] = '\n';
        memset(out + 1, ' ', count);
        w->buf->len += count + 1;
    }
}

/* ---- structure */

static bool pk__json_in_array(const pk_json_writer *w)
{
    return w->depth > 0 && (w->arrays[w->depth / 64] >> w->depth % 64 & 1);
}

/* The comma and the new line between the last value and the next one. False: no value may stand here. */
PK__FN bool pk__json_before_value(pk_json_writer *w)
{
    if (w->failed) {
        return false;
    }
    if (w->have_key) {
        w->have_key = false;
        return true;
    }
    if (w->depth == 0) {
        return w->need_comma ? pk__json_fail(w, PK__JSON_SECOND) : (w->need_comma = true);
    }
    if (!pk__json_in_array(w)) {
        return pk__json_fail(w, PK__JSON_NO_KEY);
    }
    if (w->need_comma) {
        pk__json_char(w, ',');
    }
    pk__json_new_line(w);
    w->need_comma = true;
    return !w->failed;
}

/* Where a value of up to `count` bytes and the slack goes, behind its comma; the caller writes it and calls _done.
 * NULL: nothing has happened, and the careful way has to be gone. */
#if PK__SMALL
#define PK__JSON_FAST(w, count) NULL
PK__FN void pk__json_done(pk_json_writer *w, const char *end)
{
    (void)w, (void)end;
}
#else
PK__HOT char *pk__json_fast(pk_json_writer *w, size_t count)
{
    bool in_array = pk__json_in_array(w);
    char *out = w->indent == 0 && (w->have_key || in_array) ? pk__json_slack(w, count) : NULL;
    if (out && !w->have_key && w->need_comma) {
        *out++ = ',';
    }
    return out;
}
#define PK__JSON_FAST(w, count) pk__json_fast(w, count)

PK__HOT void pk__json_done(pk_json_writer *w, const char *end)
{
    w->have_key = false;
    w->need_comma = true;
    w->buf->len = (size_t)(end - w->buf->ptr);
}
#endif

static void pk__json_put_open(pk_json_writer *w, char bracket)
{
    if (!pk__json_before_value(w)) {
        return;
    }
    if (w->depth == PLUGKIT_JSON_DEPTH) {
        (void)pk__json_fail(w, PK__JSON_TOO_DEEP);
        return;
    }
    w->depth++;
    w->arrays[w->depth / 64] &= ~(UINT64_C(1) << w->depth % 64);
    w->arrays[w->depth / 64] |= (uint64_t)(bracket == '[') << w->depth % 64;
    w->need_comma = false;
    pk__json_char(w, bracket);
}

PK_API void pk_json_put_object(pk_json_writer *w)
{
    pk__json_put_open(w, '{');
}

PK_API void pk_json_put_array(pk_json_writer *w)
{
    pk__json_put_open(w, '[');
}

PK_API void pk_json_put_end(pk_json_writer *w)
{
    if (w->failed) {
        return;
    }
    if (w->depth == 0 || w->have_key) {
        (void)pk__json_fail(w, w->have_key ? PK__JSON_NO_VALUE : PK__JSON_TOO_MANY_ENDS);
        return;
    }
    char bracket = pk__json_in_array(w) ? ']' : '}';
    w->depth--;
    if (w->need_comma) {
        pk__json_new_line(w); // an empty container stays on its line
    }
    w->need_comma = true;
    pk__json_char(w, bracket);
}

#if PK__SMALL
PK__FN bool pk__json_key_fast(pk_json_writer *w, pk_str key)
{
    (void)w, (void)key;
    return false;
}

PK__FN bool pk__json_str_fast(pk_json_writer *w, pk_str value)
{
    (void)w, (void)value;
    return false;
}
#else
PK__HOT bool pk__json_str_fast(pk_json_writer *w, pk_str value)
{
    size_t start = w->buf->len;
    char *out = PK__JSON_FAST(w, value.len);
    if (out && (out = pk__json_quoted_at(w, out, value, false)) != NULL) {
        pk__json_done(w, out);
        return true;
    }
    w->buf->len = start;
    return w->failed;
}

/* False: it goes the careful way. */
PK__HOT bool pk__json_key_fast(pk_json_writer *w, pk_str key)
{
    char *out = w->indent == 0 && !w->have_key && w->depth > 0 && !pk__json_in_array(w) ? pk__json_slack(w, key.len)
                                                                                         : NULL;
    size_t start = w->buf->len;
    if (!out) {
        return false;
    }
    if (w->need_comma) {
        *out++ = ',';
    }
    if (!(out = pk__json_quoted_at(w, out, key, false))) {
        w->buf->len = start;
        return w->failed;
    }
    *out++ = ':';
    w->have_key = true;
    w->need_comma = true;
    w->buf->len = (size_t)(out - w->buf->ptr);
    return true;
}
#endif

PK_API void pk_json_put_key_str(pk_json_writer *w, pk_str key)
{
    if (w->failed || pk__json_key_fast(w, key)) {
        return;
    }
    if (w->have_key || w->depth == 0 || pk__json_in_array(w)) {
        (void)pk__json_fail(w, w->have_key ? PK__JSON_NO_VALUE : PK__JSON_NO_OBJECT);
        return;
    }
    if (w->need_comma) {
        pk__json_char(w, ',');
    }
    pk__json_new_line(w);
    pk__json_quoted(w, key, ':');
    if (w->indent > 0) {
        pk__json_char(w, ' ');
    }
    w->have_key = true;
    w->need_comma = true;
}

PK_API void pk_json_put_key(pk_json_writer *w, const char *key)
{
    pk_json_put_key_str(w, pk_str_from(key));
}

/* ---- values */

static void pk__json_word(pk_json_writer *w, const char *word, size_t len)
{
    if (pk__json_before_value(w)) {
        pk__json_bytes(w, word, len);
    }
}

PK_API void pk_json_put_str(pk_json_writer *w, pk_str value)
{
    if (!pk__json_str_fast(w, value) && pk__json_before_value(w)) {
        pk__json_quoted(w, value, '\0');
    }
}

PK_API void pk_json_put_text(pk_json_writer *w, const char *value)
{
    if (value) {
        pk_json_put_str(w, pk_str_from(value));
    } else {
        pk_json_put_null(w);
    }
}

PK_API void pk_json_put_b64(pk_json_writer *w, pk_str bytes)
{
    if (pk__json_before_value(w)) {
        pk__json_char(w, '"');
        if (!w->failed && !pk__base64_encode(w->buf, bytes)) {
            (void)pk__json_fail(w, PK__JSON_BUFFER);
        }
        pk__json_char(w, '"');
    }
}

PK_API void pk_json_put_int(pk_json_writer *w, int64_t value)
{
    char text[PK__NUMBER_CAP], *out = PK__JSON_FAST(w, 0);
    if (out) {
        pk__json_done(w, pk__number_put_int(out, value));
        return;
    }
    pk__json_word(w, text, (size_t)(pk__number_put_int(text, value) - text));
}

PK_API void pk_json_put_uint(pk_json_writer *w, uint64_t value)
{
    char text[PK__NUMBER_CAP], *out = PK__JSON_FAST(w, 0);
    if (out) {
        pk__json_done(w, pk__number_put_uint(out, value));
        return;
    }
    pk__json_word(w, text, (size_t)(pk__number_put_uint(text, value) - text));
}

PK_API void pk_json_put_double(pk_json_writer *w, double value)
{
    char text[PK__NUMBER_CAP];
    if (!(value - value == 0)) { // not a number, or infinite
        (void)pk__json_fail(w, PK__JSON_NOT_FINITE);
        return;
    }
    char *out = PK__JSON_FAST(w, 0);
    if (out) {
        pk__json_done(w, pk__number_put_double(out, value));
        return;
    }
    pk__json_word(w, text, (size_t)(pk__number_put_double(text, value) - text));
}

PK_API void pk_json_put_bool(pk_json_writer *w, bool value)
{
    char *out = PK__JSON_FAST(w, 0);
    if (out) {
        memcpy(out, value ? "true" : "fals", 4);
        out[4] = 'e';
        pk__json_done(w, out + 5 - value);
        return;
    }
    pk__json_word(w, value ? "true" : "false", value ? 4 : 5);
}

PK_API void pk_json_put_null(pk_json_writer *w)
{
    pk__json_word(w, "null", 4);
}

PK_API void pk_json_put_raw(pk_json_writer *w, pk_json value)
{
    pk__json_reader r;
    if (value.len == 0) {
        pk_json_put_null(w);
        return;
    }
    pk__json_begin(&r, value);
    r.depth = w->depth;
    const char *p = pk__json_skip(&r, r.begin);
    if (!p || !pk__json_end(&r, p)) {
        (void)pk__json_fail(w, r.failed == PK_ERR_LIMIT ? PK__JSON_TOO_DEEP : PK__JSON_BAD_RAW);
        return;
    }
    if (!pk__json_before_value(w)) {
        return;
    }
    /* Line breaks can only stand between tokens. They go, because lines of JSON must stay lines. */
    for (p = r.begin; p < r.end; p++) {
        const char *stop = p;
        while (stop < r.end && *stop != '\n' && *stop != '\r') {
            stop++;
        }
        pk__json_bytes(w, p, (size_t)(stop - p));
        p = stop;
    }
}

PK_API pk_err pk_json_finish(pk_json_writer *w, pk_error *err)
{
    if (!w->failed && w->depth > 0) {
        (void)pk__json_fail(w, w->have_key ? PK__JSON_NO_VALUE : PK__JSON_OPEN);
    } else if (!w->failed && !w->need_comma) {
        (void)pk__json_fail(w, PK__JSON_NO_VALUE); // nothing was written
    }
    if (!w->failed) {
        return PK_OK;
    }
    return pk_error_set(err, pk__json_fault_code(w), "cannot write JSON: %s", pk__json_fault_text(w));
}
