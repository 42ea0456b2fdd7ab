/* json_scan.c - tokens by RFC 8259 and nothing else; sentences about what is none. */
#include "json_scan.h"

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "utf8.h"

PK__FN void pk__json_begin(pk__json_reader *r, pk_str text)
{
    memset(r, 0, sizeof(*r));
    r->begin = text.len > 0 ? text.ptr : "";
    r->end = r->begin + text.len;
}

PK__FN const char *pk__json_wrong(pk__json_reader *r, const char *at, const char *expected)
{
    r->failed = PK_ERR_BAD_JSON;
    r->wrong = at;
    r->expected = expected;
    return NULL;
}

PK__FN const char *pk__json_out_of(pk__json_reader *r, const char *at, pk_err what)
{
    (void)pk__json_wrong(r, at, "");
    r->failed = what;
    return NULL;
}

/* ---- space and literals */

PK__FN const char *pk__json_skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
        if (end - p >= 8 && !PK__SMALL) { // indentation
            uint64_t others = pk__swar_not(pk__swar_load(p), ' ');
            p += others ? pk__swar_first(others) : 8;
        }
    }
    return p;
}

PK__FN const char *pk__json_literal(pk__json_reader *r, const char *p)
{
    static const char words[] = "null\0true\0false";
    size_t left = (size_t)(r->end - p);
    for (size_t at = 0; at <= 10; at += 5) {
        size_t len = at < 10 ? 4 : 5;
        if (left >= len && memcmp(p, words + at, len) == 0) {
            return p + len;
        }
    }
    return pk__json_wrong(r, p, "a value");
}

/* ---- strings */

static const char pk__json_escape_words[] = "one of \"\\/bfnrtu behind the backslash";
static const char pk__json_control_words[] = "an escape instead of a control character";

/* The value of four hex digits at p, or -1. */
static int pk__json_hex4(const char *p, const char *end)
{
    int value = 0;
    if (end - p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        char lower = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* Goes over an escape with hex digits, whose backslash is at p. */
static const char *pk__json_escape_hex(pk__json_reader *r, const char *p)
{
    const char *end = r->end;
    int code = pk__json_hex4(p + 2, end);
    if (code < 0) {
        return pk__json_wrong(r, p + 2, "four hex digits");
    }
    if (code < 0xD800 || code > 0xDFFF) {
        return p + 6;
    }
    int low = code < 0xDC00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? pk__json_hex4(p + 8, end) : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        return pk__json_wrong(r, p, "both halves of a surrogate pair");
    }
    return p + 12;
}

PK__FN const char *pk__json_string_rest(pk__json_reader *r, const char *p)
{
    static const char escapes[] = "\"\\/bfnrtu";
    const char *end = r->end;
    for (;;) {
        p = pk__json_plain(p, end);
        if (p >= end) {
            return pk__json_wrong(r, p, "'\"'");
        }
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            return p;
        }
        if (c >= 0x80) {
            const char *next = pk__utf8_run(p, end);
            if (next == p) {
                return pk__json_wrong(r, p, "UTF-8");
            }
            p = next;
        } else if (c == '\\') {
            r->escaped = true;
            if (end - p < 2 || !memchr(escapes, p[1], sizeof(escapes) - 1)) {
                return pk__json_wrong(r, p + 1, pk__json_escape_words);
            }
            if (p[1] != 'u') {
                p += 2;
            } else if (!(p = pk__json_escape_hex(r, p))) {
                return NULL;
            }
        } else if (c < 0x20) {
            return pk__json_wrong(r, p, pk__json_control_words);
        } else {
            p++;
        }
    }
}

#if PK__SMALL
PK__FN const char *pk__json_string_open(pk__json_reader *r, char *p, char **out_end)
{
    const char *end;
    r->escaped = false;
    if ((end = pk__json_string_rest(r, p)) != NULL) {
        *out_end = r->escaped ? p + pk__json_unescape(p, (size_t)(end - p)) : p + (end - p);
    }
    return end;
}
#else
/* What stands behind a backslash for what; 1: hex digits follow. */
static const unsigned char pk__json_escapes[128] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b', ['f'] = '\f',
    ['n'] = '\n', ['r'] = '\r',  ['t'] = '\t', ['u'] = 1,
};

/* Moves fewer bytes than a piece has to a place that may overlap, in front of them. */
PK__HOT void pk__json_move(char *out, const char *p, size_t count)
{
    if (count >= 8) {
        uint64_t first = pk__swar_load(p), last = pk__swar_load(p + count - 8);
        pk__swar_store(out, first);
        pk__swar_store(out + count - 8, last);
    } else {
        for (size_t i = 0; i < count; i++) {
            out[i] = p[i];
        }
    }
}

/* The escape at p, of which there are two bytes, goes to *out; gives what follows it. */
PK__HOT const char *pk__json_open_escape(pk__json_reader *r, const char *p, char **out)
{
    unsigned char means = (unsigned char)p[1] < 128 ? pk__json_escapes[(unsigned char)p[1]] : 0;
    if (means > 1) {
        *(*out)++ = (char)means;
        return p + 2;
    }
    if (means == 0) {
        return pk__json_wrong(r, p + 1, pk__json_escape_words);
    }
    const char *next = pk__json_escape_hex(r, p);
    if (next) {
        uint32_t code = (uint32_t)pk__json_hex4(p + 2, next);
        if (next - p > 6) {
            code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)pk__json_hex4(p + 8, next) - 0xDC00);
        }
        *out += pk__utf8_put(*out, code);
    }
    return next;
}

PK__FN const char *pk__json_string_open(pk__json_reader *r, char *start, char **out_end)
{
    const char *p = start, *end = r->end;
    char *out = start;
    for (;;) {
        if (end - p >= PK__WIDE) {
            pk__wide piece = pk__wide_load(p);
            uint64_t mask = pk__wide_json(piece);
            unsigned count = mask ? pk__wide_first(mask) : PK__WIDE;
            if (out != p && mask) {
                pk__json_move(out, p, count);
            } else if (out != p) {
                pk__wide_store(out, piece);
            }
            out += count;
            p += count;
            if (!mask) {
                continue;
            }
        } else if (p >= end) {
            return pk__json_wrong(r, p, "'\"'");
        }
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            *out_end = out;
            return p;
        }
        if (c >= 0x80) {
            const char *next = pk__utf8_run(p, end);
            if (next == p) {
                return pk__json_wrong(r, p, "UTF-8");
            }
            if (out != p) {
                memmove(out, p, (size_t)(next - p));
            }
            out += next - p;
            p = next;
        } else if (c == '\\') {
            if (end - p < 2) {
                return pk__json_wrong(r, p + 1, pk__json_escape_words);
            }
            if (!(p = pk__json_open_escape(r, p, &out))) {
                return NULL;
            }
        } else if (c < 0x20) {
            return pk__json_wrong(r, p, pk__json_control_words);
        } else {
            *out++ = *p++;
        }
    }
}
#endif

PK__FN const char *pk__json_string(pk__json_reader *r, const char *p)
{
    p = pk__json_body(r, p + 1, r->end);
    return p ? p + 1 : NULL;
}

PK__FN size_t pk__json_unescape(char *text, size_t len)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *p = text, *end = text + len;
    char *out = text;
    while (p < end) {
        const char *stop = (const char *)memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((stop ? stop : end) - p);
        memmove(out, p, run);
        out += run;
        p += run;
        if (!stop) {
            break;
        }
        const char *simple = (const char *)memchr(from, p[1], sizeof(from) - 1);
        if (p[1] != 'u') {
            *out++ = simple ? to[simple - from] : p[1];
            p += 2;
            continue;
        }
        uint32_t code = (uint32_t)pk__json_hex4(p + 2, end);
        p += 6;
        if (code >= 0xD800 && code < 0xDC00) {
            code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)pk__json_hex4(p + 2, end) - 0xDC00);
            p += 6;
        }
        out += pk__utf8_put(out, code);
    }
    return (size_t)(out - text);
}

PK__FN const char *pk__json_key(pk__json_reader *r, const char *p, pk_str *key)
{
    const char *end = r->end;
    p = pk__json_space(p, end);
    if (pk__json_peek(p, end) != '"') {
        return pk__json_wrong(r, p, "a key in quotes");
    }
    key->ptr = ++p;
    if (!(p = pk__json_body(r, p, end))) {
        return NULL;
    }
    key->len = (size_t)(p - key->ptr);
    p = pk__json_space(p + 1, end);
    return pk__json_peek(p, end) == ':' ? p + 1 : pk__json_wrong(r, p, "':'");
}

/* ---- containers */

PK__FN const char *pk__json_end(pk__json_reader *r, const char *p)
{
    p = pk__json_space(p, r->end);
    return p == r->end ? p : pk__json_wrong(r, p, "nothing more");
}

PK__FN const char *pk__json_open(pk__json_reader *r, const char *p, bool *more)
{
    char bracket = *p;
    if (r->depth >= PLUGKIT_JSON_DEPTH) {
        return pk__json_out_of(r, p, PK_ERR_LIMIT);
    }
    p = pk__json_space(p + 1, r->end);
    *more = pk__json_peek(p, r->end) != bracket + 2; // in ASCII each bracket closes two further on
    r->depth += *more;
    return *more ? p : p + 1;
}

PK__FN const char *pk__json_more(pk__json_reader *r, const char *p, char bracket, bool *more)
{
    p = pk__json_space(p, r->end);
    char c = pk__json_peek(p, r->end);
    *more = c == ',';
    if (c != ',' && c != bracket) {
        return pk__json_wrong(r, p, bracket == '}' ? "',' or '}'" : "',' or ']'");
    }
    r->depth -= !*more;
    return p + 1;
}

/* ---- what went wrong */

PK__FN void pk__json_pass(pk__json_origin *at, pk_str bytes)
{
    const char *p = bytes.len > 0 ? bytes.ptr : "", *end = p + bytes.len, *line;
    at->offset += bytes.len;
    while (p < end && (line = (const char *)memchr(p, '\n', (size_t)(end - p))) != NULL) {
        at->line++;
        at->column = 1;
        p = line + 1;
    }
    at->column += (size_t)(end - p);
    for (; end - p >= 8 && !PK__SMALL; p += 8) { // characters are bytes but those that continue one: 10xxxxxx
        uint64_t word = pk__swar_load(p), continues = word >> 7 & ~(word >> 6) & UINT64_C(0x0101010101010101);
        at->column -= (size_t)((continues * UINT64_C(0x0101010101010101)) >> 56);
    }
    for (; p < end; p++) {
        at->column -= (unsigned char)(*p & 0xC0) == 0x80;
    }
}

PK__FN const char *pk__json_place(char out[PK__JSON_PLACE_CAP], pk_str text, size_t offset,
                                  const pk__json_origin *from)
{
    pk__json_origin at = {1, 1, 0};
    text.len = offset;
#ifdef PLUGKIT_WITH_JSON_TOOLS // nobody else reads texts in pieces
    at = from ? *from : at;
#endif
    (void)from;
    pk__json_pass(&at, text);
    (void)snprintf(out, PK__JSON_PLACE_CAP, "line %zu, column %zu, offset %zu", at.line, at.column, at.offset);
    return out;
}

/* What stands at p, in words. */
static const char *pk__json_got(char *out, size_t cap, const char *p, const char *end)
{
    if (p >= end) {
        return "the end";
    }
    if (end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
        return "a byte order mark"; // some editors put one in front
    }
    unsigned char c = (unsigned char)*p;
    (void)snprintf(out, cap, c > 0x20 && c < 0x7F ? "'%c'" : "byte 0x%02X", c);
    return out;
}

/* The text around p, as far as whole characters go. */
static void pk__json_near(char *out, size_t cap, pk_str text, const char *p)
{
    const char *begin = text.len > 0 ? text.ptr : "", *end = begin + text.len;
    const char *from = p - begin > 16 ? p - 16 : begin, *to = end - p > 16 ? p + 16 : end;
    while (from < p && (unsigned char)(*from & 0xC0) == 0x80) {
        from++;
    }
    while (to > p && to < end && (unsigned char)(*to & 0xC0) == 0x80) {
        to--;
    }
    pk_str part = {from, (size_t)(to - from)};
    (void)pk__error_clean(out, cap, part);
}

PK__FN pk_err pk__json_error(const pk__json_reader *r, pk_str text, const char *what, pk_error *err)
{
    char got[24], near[64], place[PK__JSON_PLACE_CAP];
    const char *expected = r->expected ? r->expected : "another key: this one stands there twice";
    if (r->failed == PK_ERR_NO_MEMORY) {
        return pk__error_memory(err, what);
    }
    size_t at = (size_t)(r->wrong - r->begin);
    const char *begin = text.len > 0 ? text.ptr : "", *p = begin + at;
    (void)pk__json_place(place, text, at, r->options.from);
    if (r->failed == PK_ERR_LIMIT) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot %s: %s: nested deeper than %d levels", what, place,
                            PLUGKIT_JSON_DEPTH);
    }
    pk__json_near(near, sizeof(near), text, p);
    return pk_error_set(err, PK_ERR_BAD_JSON,
                        r->options.secret ? "cannot %s: %s: expected %s"
                                          : "cannot %s: %s: expected %s, got %s near \"%s\"",
                        what, place, expected, pk__json_got(got, sizeof(got), p, begin + text.len), near);
}
