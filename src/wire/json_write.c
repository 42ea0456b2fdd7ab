/* json_write.c - the streaming JSON writer. */
#include "json_write.h"

#include <string.h>

#include "../base/error.h"
#include "base64.h"
#include "json_read.h"
#include "number.h"
#include "swar.h"
#include "utf8.h"

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

static bool pk__json_fail(pk_json_writer *w, pk__json_fault fault)
{
    if (!w->failed) {
        w->failed = (int)fault;
    }
    return false;
}

/* Where the next `count` bytes go, or NULL: after the first failure nothing is written any more. */
static inline char *pk__json_room(pk_json_writer *w, size_t count)
{
    pk_buf *buf = w->buf;
    if (w->failed) {
        return NULL;
    }
    if (count > buf->cap - buf->len && !pk_buf_reserve(buf, count)) {
        (void)pk__json_fail(w, PK__JSON_BUFFER);
        return NULL;
    }
    return buf->ptr + buf->len;
}

static void pk__json_bytes(pk_json_writer *w, const char *bytes, size_t count)
{
    char *out = count > 0 ? pk__json_room(w, count) : NULL;
    if (out) {
        memcpy(out, bytes, count);
        w->buf->len += count;
    }
}

static void pk__json_char(pk_json_writer *w, char c)
{
    char *out = pk__json_room(w, 1);
    if (out) {
        *out = c;
        w->buf->len++;
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

/* Where the bytes stop that a string takes as they are: at a quote, backslash, control character, or broken UTF-8. */
static const char *pk__json_plain(const char *p, const char *end)
{
    while (p < end) {
        if (end - p >= 8) {
            uint64_t mask = pk__swar_json(pk__swar_load(p));
            if (mask == 0) {
                p += 8;
                continue;
            }
            p += pk__swar_first(mask);
        }
        unsigned char c = (unsigned char)*p;
        size_t len = c == '"' || c == '\\' || c < 0x20 ? 0 : c < 0x80 ? 1 : pk__utf8_len(p, end);
        if (len == 0) {
            return p;
        }
        p += len;
    }
    return p;
}

/* Writes the escape of a quote, backslash or control character; returns the end. */
static char *pk__json_put_escape(char *out, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *simple = (const char *)memchr(from, c, sizeof(from) - 1);
    *out++ = '\\';
    if (simple) {
        *out++ = to[simple - from];
        return out;
    }
    memcpy(out, "u00", 3);
    out[3] = hex[c >> 4];
    out[4] = hex[c & 15];
    return out + 5;
}

static void pk__json_quoted(pk_json_writer *w, pk_str s)
{
    const char *p = s.len > 0 ? s.ptr : "";
    const char *end = p + s.len;
    char *out = pk__json_room(w, s.len + 2);
    if (!out) {
        return;
    }
    *out++ = '"';
    for (;;) {
        const char *stop = pk__json_plain(p, end);
        memcpy(out, p, (size_t)(stop - p));
        out += stop - p;
        w->buf->len = (size_t)(out - w->buf->ptr);
        if (stop == end) {
            break;
        }
        if ((unsigned char)*stop >= 0x80) {
            (void)pk__json_fail(w, PK__JSON_NOT_UTF8);
            return;
        }
        p = stop + 1;
        out = pk__json_room(w, (size_t)(end - p) + 7); // the longest escape, the rest, the quote
        if (!out) {
            return;
        }
        out = pk__json_put_escape(out, (unsigned char)*stop);
    }
    *out = '"';
    w->buf->len++;
}

/* ---- structure */

static bool pk__json_in_array(const pk_json_writer *w)
{
    return w->depth > 0 && (w->arrays[w->depth / 64] >> w->depth % 64 & 1);
}

/* What goes between the last value and the next one. False: no value may stand here. */
static bool pk__json_before_value(pk_json_writer *w)
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

PK_API void pk_json_put_key_str(pk_json_writer *w, pk_str key)
{
    if (w->failed) {
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
    pk__json_quoted(w, key);
    pk__json_bytes(w, ": ", w->indent > 0 ? 2 : 1);
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
    if (pk__json_before_value(w)) {
        pk__json_quoted(w, value);
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
    char text[PK__NUMBER_CAP];
    pk__json_word(w, text, (size_t)(pk__number_put_int(text, value) - text));
}

PK_API void pk_json_put_uint(pk_json_writer *w, uint64_t value)
{
    char text[PK__NUMBER_CAP];
    pk__json_word(w, text, (size_t)(pk__number_put_uint(text, value) - text));
}

PK_API void pk_json_put_double(pk_json_writer *w, double value)
{
    char text[PK__NUMBER_CAP];
    if (!(value - value == 0)) { // not a number, or infinite
        (void)pk__json_fail(w, PK__JSON_NOT_FINITE);
        return;
    }
    pk__json_word(w, text, (size_t)(pk__number_put_double(text, value) - text));
}

PK_API void pk_json_put_bool(pk_json_writer *w, bool value)
{
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
    const char *p = pk__json_value(&r, r.begin, NULL);
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
