/* json_quote.c - strings, and what in them cannot be copied. */
#include "json_quote.h"

#include "json_scan.h"
#include "utf8.h"

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

/* Where the bytes stop that a string takes as they are: at a quote, backslash, control character, or broken UTF-8. */
static const char *pk__json_takes(const char *p, const char *end)
{
    while (p < end) {
        p = pk__json_plain(p, end);
        unsigned char c = p < end ? (unsigned char)*p : '"';
        const char *next = c == '"' || c == '\\' || c < 0x20 ? p : c < 0x80 ? p + 1 : pk__utf8_run(p, end);
        if (next == p) {
            return p;
        }
        p = next;
    }
    return p;
}

PK__FN void pk__json_quoted_careful(pk_json_writer *w, pk_str s, char behind)
{
    const char *p = s.len > 0 ? s.ptr : "";
    const char *end = p + s.len;
    char *out = pk__json_room(w, s.len + 2), escape[8];
    if (!out) {
        return;
    }
    *out++ = '"';
    for (;;) {
        const char *stop = pk__json_takes(p, end);
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
        size_t escaped = (size_t)(pk__json_put_escape(escape, (unsigned char)*stop) - escape);
        p = stop + 1;
        out = pk__json_room(w, escaped + (size_t)(end - p) + 1);
        if (!out) {
            return;
        }
        memcpy(out, escape, escaped);
        out += escaped;
    }
    *out = '"';
    w->buf->len++;
    if (behind) {
        pk__json_char(w, behind);
    }
}

#if !PK__SMALL
PK__FN char *pk__json_quoted_rest(pk_json_writer *w, char *out, const char *p, const char *end, bool is_utf8)
{
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x80) {
            const char *next = pk__utf8_run(p, end);
            if (next == p) {
                (void)pk__json_fail(w, PK__JSON_NOT_UTF8);
                return NULL;
            }
            memcpy(out, p, (size_t)(next - p));
            out += next - p;
            p = next;
        } else if (c == '"' || c == '\\' || c < 0x20) {
            w->buf->len = (size_t)(out - w->buf->ptr);
            p++;
            out = pk__json_slack(w, (size_t)(end - p) + 6);
            if (!out) {
                return NULL;
            }
            out = pk__json_put_escape(out, c);
        }
        size_t done = pk__json_copy_plain(out, p, (size_t)(end - p), is_utf8);
        out += done;
        p += done;
        if (done == 0 && p < end && end - p < 16 && (unsigned char)*p < 0x80) { // somewhere in the last few
            while (p < end && *p != '"' && *p != '\\' && (unsigned char)(*p - 0x20) < 0x60) {
                *out++ = *p++;
            }
        }
    }
    return out;
}
#endif
