/* address.c - the forms of addresses. */
#include "address.h"
#include "../base/error.h"
#include "../wire/url.h"
#include "secure.h"

#include <stdio.h>
#include <string.h>

static pk_str pk__address_from(pk_str s, size_t from)
{
    pk_str rest;
    rest.ptr = s.ptr + from;
    rest.len = s.len - from;
    return rest;
}

static bool pk__address_take(pk_str *s, const char *prefix)
{
    pk_str p = pk_str_from(prefix);
    if (!pk_str_starts(*s, p)) {
        return false;
    }
    *s = pk__address_from(*s, p.len);
    return true;
}

static pk_err pk__address_bad(pk_error *err, pk_str text, const char *why)
{
    char shown[80]; // the reason comes behind it, and must fit
    (void)pk__error_clean(shown, sizeof(shown), text);
    return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot use address '%s': %s", shown, why);
}

static pk_err pk__address_unix(pk__address *out, pk_str text, pk_str path, pk_error *err)
{
    char decoded[sizeof(out->host)];
    out->kind = PK__ADDRESS_UNIX;
    if (path.len == 0) {
        return pk__address_bad(err, text, "the socket path is missing");
    }
    if (path.ptr[0] == '%' && path.len < sizeof(decoded)) { // "http+unix://%2Frun%2Fx.sock", as some libraries write it
        size_t len;
        if (!pk__url_decode(path, false, decoded, &len)) {
            return pk__address_bad(err, text, "broken percent sign");
        }
        path.ptr = decoded;
        path.len = len;
    }
    if (path.len > PK__ADDRESS_PATH_MAX) {
        char why[96];
        (void)snprintf(why, sizeof(why), "the socket path has %zu bytes, and %d is the most that fits", path.len,
                       PK__ADDRESS_PATH_MAX);
        return pk__address_bad(err, text, why);
    }
    if (memchr(path.ptr, '\0', path.len)) {
        return pk__address_bad(err, text, "NUL in the socket path");
    }
    memcpy(out->host, path.ptr, path.len);
    return PK_OK;
}

/* Digits only, at most 65535. */
static bool pk__address_port(pk_str digits, uint16_t *out)
{
    uint32_t value = 0;
    if (digits.len == 0 || digits.len > 5) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(digits.ptr[i] - '0');
    }
    *out = (uint16_t)value;
    return value <= 65535;
}

static bool pk__address_is_host(pk_str host, bool in_brackets)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '-' || c == '_' || (in_brackets && (c == ':' || c == '%'));
        if (!good) {
            return false;
        }
    }
    return true;
}

static pk_err pk__address_tcp(pk__address *out, pk_str text, pk_str rest, bool has_default, pk_error *err)
{
    pk_str host = {rest.ptr, 0}, port = {NULL, 0};
    bool in_brackets = rest.len > 0 && rest.ptr[0] == '[';
    out->kind = PK__ADDRESS_TCP;
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '/') {
        rest.len--;
    }
    if (in_brackets) {
        pk_str after;
        pk_str inner = pk__address_from(rest, 1);
        if (!pk_str_cut(inner, ']', &host, &after) || host.len == 0 || (after.len > 0 && after.ptr[0] != ':')) {
            return pk__address_bad(err, text, "malformed brackets");
        }
        port = after.len > 0 ? pk__address_from(after, 1) : port;
        has_default = has_default && after.len == 0;
    } else if (pk_str_cut(rest, ':', &host, &port)) {
        has_default = false;
    } else {
        host = rest;
    }
    if (has_default) {
        out->port = PK__SECURE_BUILT && out->is_secure ? 443 : 80;
    } else if (!pk__address_port(port, &out->port)) {
        return pk__address_bad(err, text, "the port is missing or no number from 0 to 65535");
    }
    if (host.len >= sizeof(out->host) || !pk__address_is_host(host, in_brackets)) {
        return pk__address_bad(err, text, "malformed host name");
    }
    if (has_default && host.len == 0) {
        return pk__address_bad(err, text, "the host name is missing");
    }
    out->is_wildcard = host.len == 0 || pk_str_is(host, "0.0.0.0") || pk_str_is(host, "::");
    if (host.len == 0) {
        host = pk_str_from("0.0.0.0");
    }
    memcpy(out->host, host.ptr, host.len);
    return PK_OK;
}

/* The length of "name" in "name://...", of letters, digits and "+-."; 0 = there is no scheme. */
static size_t pk__address_scheme(pk_str s)
{
    size_t n = 0;
    for (; n < s.len; n++) {
        char c = s.ptr[n];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_letter && !(n > 0 && is_other)) {
            break;
        }
    }
    return n > 0 && pk_str_starts(pk__address_from(s, n), pk_str_from("://")) ? n : 0;
}

PK__FN pk_err pk__address_parse(pk__address *out, pk_str text, pk_error *err)
{
    memset(out, 0, sizeof(*out));
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = pk__address_from(text, 1);
    }
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1])) {
        text.len--;
    }
    pk_str rest = text;
    if (text.len == 0) {
        return pk__address_bad(err, text, "it is empty");
    }
    if (PK__SECURE_BUILT && pk__address_take(&rest, "https")) {
        out->is_secure = true;
        if (pk__address_take(&rest, "+unix://")) {
            return pk__address_unix(out, text, rest, err);
        }
        if (pk__address_take(&rest, "://")) {
            return pk__address_tcp(out, text, rest, true, err);
        }
        out->is_secure = false; // a scheme of somebody else's, or a host called that
        rest = text;
    }
    if (text.ptr[0] == '/' || pk__address_take(&rest, "http+unix://") || pk__address_take(&rest, "unix://") ||
        pk__address_take(&rest, "unix:")) {
        return pk__address_unix(out, text, rest, err);
    }
    if (pk__address_take(&rest, "http://")) {
        return pk__address_tcp(out, text, rest, true, err);
    }
    if (pk__address_take(&rest, "tcp://")) {
        return pk__address_tcp(out, text, rest, false, err);
    }
    size_t scheme = pk__address_scheme(text);
    if (scheme == 0) {
        return pk__address_tcp(out, text, rest, false, err);
    }
    pk_str name = {text.ptr, scheme};
    (void)pk__address_take(&name, "http+");
    if (name.len == 0 || name.len >= sizeof(out->host)) {
        return pk__address_bad(err, text, "malformed scheme");
    }
    out->kind = PK__ADDRESS_OTHER;
    memcpy(out->host, name.ptr, name.len);
    return PK_OK;
}

PK__FN void pk__address_loopback(pk__address *a)
{
    if (a->is_wildcard) {
        static const char loopback[] = "127.0.0.1";
        memcpy(a->host, loopback, sizeof(loopback));
        a->is_wildcard = false;
    }
}

static size_t pk__address_printed(int n, size_t cap)
{
    return n < 0 ? 0 : PK__MIN((size_t)n, cap - 1);
}

PK__FN size_t pk__address_host(const pk__address *a, char *out, size_t cap)
{
    int n;
    if (a->kind == PK__ADDRESS_TCP) {
        bool is_v6 = strchr(a->host, ':') != NULL;
        n = snprintf(out, cap, "%s%s%s:%u", is_v6 ? "[" : "", a->host, is_v6 ? "]" : "", (unsigned)a->port);
    } else {
        n = snprintf(out, cap, "%s", a->kind == PK__ADDRESS_UNIX ? "unix" : "plugkit");
    }
    return pk__address_printed(n, cap);
}

PK__FN size_t pk__address_format(const pk__address *a, char *out, size_t cap)
{
    static const char http[] = "http://";
    if (PK__SECURE_BUILT && a->is_secure) {
        bool is_unix = a->kind == PK__ADDRESS_UNIX;
        size_t n = pk__address_printed(snprintf(out, cap, "https%s://%s", is_unix ? "+unix" : "",
                                                is_unix ? a->host : ""), cap);
        return is_unix ? n : n + pk__address_host(a, out + n, cap - n);
    }
    if (a->kind == PK__ADDRESS_TCP && cap > sizeof(http)) {
        memcpy(out, http, sizeof(http));
        return sizeof(http) - 1 + pk__address_host(a, out + sizeof(http) - 1, cap - (sizeof(http) - 1));
    }
    return pk__address_printed(snprintf(out, cap, "%s%s", a->kind == PK__ADDRESS_UNIX ? "http+unix://" : "", a->host), cap);
}
