/* format_uri.c - host names, addresses, URIs and what they resolve to. */
#ifdef PLUGKIT_WITH_SCHEMA
#include "format_uri.h"

#include <string.h>

#include "utf8.h"

static bool pk__uri_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool pk__uri_is_hex(char c)
{
    return pk__uri_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool pk__uri_is_alnum(char c)
{
    return pk__uri_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool pk__uri_is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* ---- hosts */

PK__FN bool pk__format_hostname(const char *p, const char *end, bool is_idn)
{
    bool before = false; // a letter or digit stands before
    size_t label = 0;
    if (p == end || end - p > 253) {
        return false;
    }
    for (const char *c = p; c < end; c++) {
        bool good = pk__uri_is_alnum(*c) || ((*c & 0x80) && is_idn);
        if (*c == '.' ? !before : !good && !(*c == '-' && label > 0)) {
            return false;
        }
        label = *c == '.' ? 0 : label + 1;
        before = good;
        if (label > 63) {
            return false;
        }
    }
    return before;
}

/* Four numbers up to 255 without leading zeros. */
PK__FN bool pk__format_ipv4(const char *p, const char *end)
{
    for (int part = 0; part < 4; part++) {
        const char *begin = p;
        int value = 0;
        for (; p < end && pk__uri_is_digit(*p) && p - begin < 3; p++) {
            value = value * 10 + (*p - '0');
        }
        if (p == begin || value > 255 || (p - begin > 1 && *begin == '0')) {
            return false;
        }
        if (part < 3 && (p == end || *p++ != '.')) {
            return false;
        }
    }
    return p == end;
}

/* Groups of up to four hex digits, eight or with one gap "::" fewer; the last two may be written as IPv4. */
PK__FN bool pk__format_ipv6(const char *p, const char *end)
{
    int groups = 0;
    bool gap = false;
    if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
        gap = true;
        p += 2;
    }
    while (p < end) {
        const char *begin = p;
        while (p < end && pk__uri_is_hex(*p) && p - begin < 4) {
            p++;
        }
        if (p < end && *p == '.') {
            groups += 2;
            if (!pk__format_ipv4(begin, end)) {
                return false;
            }
            break;
        }
        if (p == begin || ++groups > 8) {
            return false;
        }
        if (p == end) {
            break;
        }
        if (*p++ != ':' || p == end) {
            return false;
        }
        if (*p == ':') {
            if (gap) {
                return false;
            }
            gap = true;
            p++;
        }
    }
    return gap ? groups < 8 : groups == 8;
}

/* ---- URIs: the grammar */

PK__FN void pk__uri_split(pk_str text, pk__uri *out)
{
    const char *p = text.len ? text.ptr : "", *end = p + text.len, *c = p;
    memset(out, 0, sizeof(*out));
    while (c < end && !pk__uri_is_one_of(*c, ":/?#")) {
        c++;
    }
    if (c < end && *c == ':' && c > p) {
        out->scheme.ptr = p;
        out->scheme.len = (size_t)(c - p);
        p = c + 1;
    }
    if (end - p >= 2 && p[0] == '/' && p[1] == '/') {
        for (c = p + 2; c < end && !pk__uri_is_one_of(*c, "/?#");) {
            c++;
        }
        out->authority.ptr = p + 2;
        out->authority.len = (size_t)(c - p) - 2;
        p = c;
    }
    for (c = p; c < end && *c != '?' && *c != '#';) {
        c++;
    }
    out->path.ptr = p;
    out->path.len = (size_t)(c - p);
    if (c < end && *c == '?') {
        for (p = ++c; c < end && *c != '#';) {
            c++;
        }
        out->query.ptr = p;
        out->query.len = (size_t)(c - p);
    }
    if (c < end) {
        out->fragment.ptr = c + 1;
        out->fragment.len = (size_t)(end - c) - 1;
    }
}

static bool pk__uri_is_pct(const char *p, const char *end)
{
    return end - p >= 3 && *p == '%' && pk__uri_is_hex(p[1]) && pk__uri_is_hex(p[2]);
}

/* Beyond ASCII: what an IRI may hold; private characters only in queries. */
static bool pk__uri_is_other(const char *p, const char *end, size_t *len, bool is_query)
{
    *len = pk__utf8_len(p, end);
    uint32_t c = *len ? pk__utf8_get(p, *len) : 0;
    bool is_private = (c >= 0xE000 && c <= 0xF8FF) || c >= 0xF0000;
    return c >= 0xA0 && (!is_private || is_query) && (c & 0xFFFE) != 0xFFFE && !(c >= 0xFDD0 && c <= 0xFDEF) &&
           !(c >= 0xFFF0 && c <= 0xFFFF) && !(c >= 0xE0000 && c <= 0xE0FFF);
}

/* Unreserved characters, sub-delimiters, %XX and those of `more`. */
static bool pk__uri_holds(pk_str part, const char *more, bool is_iri)
{
    const char *p = part.len ? part.ptr : "", *end = p + part.len;
    while (p < end) {
        size_t len = 1;
        if (*p == '%') {
            if (!pk__uri_is_pct(p, end)) {
                return false;
            }
            len = 3;
        } else if (*p & 0x80) {
            if (!is_iri || !pk__uri_is_other(p, end, &len, more[0] == '?')) {
                return false;
            }
        } else if (!pk__uri_is_alnum(*p) && !pk__uri_is_one_of(*p, "-._~!$&'()*+,;=") && !pk__uri_is_one_of(*p, more)) {
            return false;
        }
        p += len;
    }
    return true;
}

/* "[::1]" or "[v1.x]" */
static bool pk__uri_literal(const char *p, const char *end)
{
    if (p < end && (*p | 0x20) == 'v') {
        const char *dot = p + 1;
        while (dot < end && pk__uri_is_hex(*dot)) {
            dot++;
        }
        pk_str rest = {dot + 1, dot < end ? (size_t)(end - dot) - 1 : 0};
        return dot > p + 1 && rest.len > 0 && *dot == '.' && !memchr(rest.ptr, '%', rest.len) &&
               pk__uri_holds(rest, ":", false);
    }
    return pk__format_ipv6(p, end);
}

static bool pk__uri_authority(pk_str authority, bool is_iri)
{
    const char *p = authority.ptr, *end = p + authority.len, *at = end, *close;
    while (at > p && at[-1] != '@') {
        at--;
    }
    if (at > p) {
        pk_str user = {p, (size_t)(at - p) - 1};
        if (!pk__uri_holds(user, ":", is_iri)) {
            return false;
        }
    }
    pk_str host = {at, (size_t)(end - at)};
    if (at < end && *at == '[') {
        close = (const char *)memchr(at, ']', host.len);
        if (!close || !pk__uri_literal(at + 1, close)) {
            return false;
        }
        close++;
    } else {
        for (close = at; close < end && *close != ':';) {
            close++;
        }
        host.len = (size_t)(close - at);
        if (!pk__uri_holds(host, "", is_iri)) {
            return false;
        }
    }
    if (close < end && *close++ != ':') {
        return false;
    }
    while (close < end && pk__uri_is_digit(*close)) {
        close++;
    }
    return close == end;
}

static bool pk__uri_is(const char *p, const char *end, bool needs_scheme, bool is_iri)
{
    pk_str text = {p, (size_t)(end - p)};
    pk__uri uri;
    pk__uri_split(text, &uri);
    for (size_t i = 0; i < uri.scheme.len; i++) {
        char c = uri.scheme.ptr[i];
        if (!pk__uri_is_alnum(c) && !pk__uri_is_one_of(c, "+-.")) {
            return false;
        }
    }
    if (uri.scheme.len ? pk__uri_is_digit(*uri.scheme.ptr) || !pk__uri_is_alnum(*uri.scheme.ptr)
                       : needs_scheme || (p < end && *p == ':')) {
        return false;
    }
    return (!uri.authority.ptr || pk__uri_authority(uri.authority, is_iri)) &&
           pk__uri_holds(uri.path, ":@/", is_iri) && pk__uri_holds(uri.query, "?:@/", is_iri) &&
           pk__uri_holds(uri.fragment, ":@/?", is_iri);
}

PK__FN bool pk__format_uri(const char *p, const char *end)
{
    return pk__uri_is(p, end, true, false);
}

PK__FN bool pk__format_uri_reference(const char *p, const char *end)
{
    return pk__uri_is(p, end, false, false);
}

PK__FN bool pk__format_iri(const char *p, const char *end)
{
    return pk__uri_is(p, end, true, true);
}

PK__FN bool pk__format_iri_reference(const char *p, const char *end)
{
    return pk__uri_is(p, end, false, true);
}

/* ---- URI templates */

/* Behind "{": operator, names with modifiers, "}". Returns what follows, or NULL. */
static const char *pk__uri_expression(const char *p, const char *end)
{
    p += p < end && pk__uri_is_one_of(*p, "+#./;?&=,!@|");
    for (;;) {
        const char *name = p;
        while (p < end && (pk__uri_is_alnum(*p) || *p == '_' || pk__uri_is_pct(p, end) ||
                           (*p == '.' && p > name && p[-1] != '.' && p + 1 < end && p[1] != '.'))) {
            p += *p == '%' ? 3 : 1;
        }
        if (p == name || p[-1] == '.') {
            return NULL;
        }
        if (p < end && *p == '*') {
            p++;
        } else if (p < end && *p == ':') {
            const char *digits = ++p;
            while (p < end && pk__uri_is_digit(*p)) {
                p++;
            }
            if (p == digits || p - digits > 4 || *digits == '0') {
                return NULL;
            }
        }
        if (p == end || (*p != ',' && *p != '}')) {
            return NULL;
        }
        if (*p++ == '}') {
            return p;
        }
    }
}

PK__FN bool pk__format_uri_template(const char *p, const char *end)
{
    while (p && p < end) {
        if (*p == '{') {
            p = pk__uri_expression(p + 1, end);
        } else if (*p == '%') {
            p = pk__uri_is_pct(p, end) ? p + 3 : NULL;
        } else {
            bool bad = !(*p & 0x80) && (*p <= ' ' || *p == 0x7F || pk__uri_is_one_of(*p, "\"<>\\^`|}"));
            p = bad ? NULL : p + 1;
        }
    }
    return p != NULL;
}

/* ---- resolving */

/* Takes "." and ".." out of the path that begins at `from` in the buffer (RFC 3986, 5.2.4). */
static void pk__uri_remove_dots(pk_buf *out, size_t from)
{
    size_t in = from, to = from;
    char *p = out->ptr;
    while (in < out->len) {
        const char *slash = (const char *)memchr(p + in + 1, '/', out->len - in - 1);
        size_t next = slash ? (size_t)(slash - p) : out->len;
        pk_str segment = {p + in, next - in}; // "/name", or a first one without slash
        bool last = next == out->len;
        if (pk_str_is(segment, "/.") || pk_str_is(segment, "/..")) {
            if (segment.len == 3) {
                while (to > from && p[--to] != '/') {
                }
            }
            if (last) {
                p[to++] = '/';
            }
        } else {
            memmove(p + to, p + in, segment.len);
            to += segment.len;
        }
        in = next;
    }
    out->len = to;
}

static void pk__uri_put(pk_buf *out, const char *before, pk_str part, const char *behind)
{
    if (part.ptr) {
        (void)pk_buf_add(out, pk_str_from(before));
        (void)pk_buf_add(out, part);
        (void)pk_buf_add(out, pk_str_from(behind));
    }
}

PK__FN bool pk__uri_resolve(pk_mem *mem, pk_str base, pk_str text, pk_str *out, pk_str *fragment)
{
    pk__uri b, t;
    pk_buf buf;
    pk__uri_split(base, &b);
    pk__uri_split(text, &t);
    *fragment = t.fragment.ptr ? t.fragment : PK_STR("");
    if (!t.scheme.ptr && !t.authority.ptr && t.path.len == 0 && !t.query.ptr) {
        out->ptr = base.ptr;
        out->len = b.fragment.ptr ? base.len - b.fragment.len - 1 : base.len;
        return true;
    }
    pk_buf_init(&buf, mem->alloc, 8192);
    bool own = t.scheme.ptr || t.authority.ptr;
    pk__uri_put(&buf, "", t.scheme.ptr ? t.scheme : b.scheme, ":");
    pk__uri_put(&buf, "//", own ? t.authority : b.authority, "");
    size_t path = buf.len;
    if (!own && t.path.len == 0) {
        pk__uri_put(&buf, "", b.path, "");
    } else {
        if (!own && t.path.ptr[0] != '/') { // it takes the place of what follows the base's last slash
            while (b.path.len > 0 && b.path.ptr[b.path.len - 1] != '/') {
                b.path.len--;
            }
            b.path = b.path.len == 0 && b.authority.ptr ? PK_STR("/") : b.path;
            (void)pk_buf_add(&buf, b.path);
        }
        (void)pk_buf_add(&buf, t.path);
        if (!buf.failed) {
            pk__uri_remove_dots(&buf, path);
        }
    }
    pk__uri_put(&buf, "?", t.query, "");
    *out = pk_mem_dup(mem, pk_buf_str(&buf));
    bool good = !buf.failed && out->ptr;
    pk_buf_free(&buf);
    return good;
}

#endif
