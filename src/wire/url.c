/* url.c - request targets, paths and queries. */
#include "url.h"
#include "http_head.h"
#include "utf8.h"

#include <string.h>

static pk_str pk__url_part(pk_str s, size_t from, size_t to)
{
    pk_str part;
    part.ptr = s.ptr + from;
    part.len = to - from;
    return part;
}

static bool pk__url_is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* Does a target mean just what it says: a path of plain characters, with nothing to decode, resolve or cut off? */
static bool pk__url_is_itself(pk_str target)
{
    for (size_t i = 0; i < target.len; i++) {
        char next = i + 1 < target.len ? target.ptr[i + 1] : 'x';
        if (target.ptr[i] == '/' ? next == '/' || next == '.' : !pk__url_is_plain(target.ptr[i])) {
            return false;
        }
    }
    return target.len > 0 && target.ptr[0] == '/';
}

/* Printable ASCII, no space, no '#' (fragments stay with the client), no '\' (some read it as a slash). */
static bool pk__url_is_clean(pk_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\') { // a char above 0x7f may count as negative: refused too
            return false;
        }
    }
    return true;
}

/* The length of the scheme that the target begins with, or 0. */
static size_t pk__url_scheme(pk_str target, pk_str scheme)
{
    return pk_str_ieq(pk__url_part(target, 0, PK__MIN(target.len, scheme.len)), scheme) ? scheme.len : 0;
}

PK__FN bool pk__url_split(pk_str method, pk_str target, pk__url *out)
{
    memset(out, 0, sizeof(*out));
    bool connects = pk_str_is(method, "CONNECT");
    out->is_plain = !connects && pk__url_is_itself(target); // as nearly all are
    if (out->is_plain) {
        out->path = target;
        return true;
    }
    if (!pk__url_is_clean(target)) {
        return false;
    }
    if (pk_str_is(target, "*")) {
        out->form = PK__URL_ASTERISK;
        out->path = target;
        return pk_str_is(method, "OPTIONS");
    }
    if (connects) {
        out->form = PK__URL_AUTHORITY;
        return pk__http_head_is_host(target);
    }
    size_t at = pk__url_scheme(target, PK_STR("http://"));
#ifdef PLUGKIT_WITH_TLS
    if (at == 0) {
        at = pk__url_scheme(target, PK_STR("https://"));
        out->is_secure = at > 0;
    }
#endif
    if (at > 0) {
        size_t authority = at;
        while (at < target.len && target.ptr[at] != '/' && target.ptr[at] != '?') {
            at++;
        }
        out->form = PK__URL_ABSOLUTE;
        out->authority = pk__url_part(target, authority, at);
        if (at == authority || !pk__http_head_is_host(out->authority)) {
            return false;
        }
    } else if (target.len == 0 || target.ptr[0] != '/') {
        return false;
    }
    size_t path = at;
    while (at < target.len && target.ptr[at] != '?') {
        at++;
    }
    out->path = pk__url_part(target, path, at);
    if (out->path.len == 0) { // "http://host" and "http://host?x" mean the root
        out->path = pk_str_from("/");
    }
    if (at < target.len) {
        out->query = pk__url_part(target, at + 1, target.len);
    }
    return true;
}

static int pk__url_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

PK__FN bool pk__url_decode(pk_str in, bool plus_is_space, char *out, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            int high = i + 2 < in.len ? pk__url_digit(in.ptr[i + 1]) : -1;
            int low = high >= 0 ? pk__url_digit(in.ptr[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[n++] = c;
    }
    *len = n;
    return true;
}

/* UTF-8 without control characters, those of two bytes (C1) included. */
static bool pk__url_is_text(const char *s, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        unsigned char c = (unsigned char)s[i];
        n = pk__utf8_len(s + i, s + len);
        if (n == 0 || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[i + 1] < 0xa0)) {
            return false;
        }
    }
    return true;
}

/* Removes empty, "." and ".." segments in place. False: ".." at the root. */
static bool pk__url_walk(char *path, size_t *len)
{
    size_t in = 0, out = 0;
    while (in < *len) {
        size_t begin = ++in; // behind the slash
        while (in < *len && path[in] != '/') {
            in++;
        }
        size_t n = in - begin;
        bool is_last = in == *len;
        bool is_up = n == 2 && path[begin] == '.' && path[begin + 1] == '.';
        if (is_up) {
            if (out == 0) {
                return false;
            }
            while (path[--out] != '/') {
            }
        }
        if (is_up || n == 0 || (n == 1 && path[begin] == '.')) {
            if (is_last) {
                path[out++] = '/';
            }
            continue;
        }
        path[out++] = '/';
        memmove(path + out, path + begin, n);
        out += n;
    }
    *len = out;
    return true;
}

/* "%2F" or "%5C" at i? */
static bool pk__url_hides_slash(pk_str path, size_t i)
{
    char low = i + 2 < path.len && path.ptr[i] == '%' ? path.ptr[i + 2] | 0x20 : 0;
    return (low == 'f' && path.ptr[i + 1] == '2') || (low == 'c' && path.ptr[i + 1] == '5');
}

PK__FN bool pk__url_decode_path(pk_str path, char *out, size_t *len)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '\\' || pk__url_hides_slash(path, i)) {
            return false;
        }
    }
    return pk__url_decode(path, false, out, len) && pk__url_is_text(out, *len) && pk__url_walk(out, len);
}

PK__FN bool pk__url_query_next(pk_str *rest, pk_str *name, pk_str *value)
{
    while (rest->len > 0) {
        pk_str pair, more;
        if (!pk_str_cut(*rest, '&', &pair, &more)) {
            pair = *rest;
            more.ptr = rest->ptr + rest->len;
            more.len = 0;
        }
        *rest = more;
        if (pair.len == 0) {
            continue; // "a=1&&b=2"
        }
        if (!pk_str_cut(pair, '=', name, value)) {
            *name = pair;
            value->ptr = pair.ptr + pair.len;
            value->len = 0;
        }
        return true;
    }
    return false;
}

PK__FN bool pk__url_encode(pk_buf *out, pk_str in, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (pk__url_is_plain(c) || (c == '/' && keep_slash)) {
            (void)pk_buf_add_char(out, c);
        } else {
            char three[3] = {'%', '0', '0'};
            three[1] = hex[(unsigned char)c >> 4];
            three[2] = hex[(unsigned char)c & 15];
            pk_str part = {three, 3};
            (void)pk_buf_add(out, part);
        }
    }
    return out->failed == 0;
}
