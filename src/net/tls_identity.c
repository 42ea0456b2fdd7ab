/* tls_identity.c - names in certificates. */
#include "tls.h"
#ifdef PLUGKIT_WITH_TLS
#include "../base/error.h"
#include "../base/memory.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { PK__TLS_SAN_DNS = 2, PK__TLS_SAN_URI = 6, PK__TLS_SAN_IP = 7 };

/* ---- dates */

PK__FN int64_t pk__tls_seconds(const mbedtls_x509_time *t)
{
    /* Days since 1970 in the calendar that is counted on backwards: years begin in March. */
    int64_t year = t->mon > 2 ? t->year : t->year - 1;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (t->mon > 2 ? t->mon - 3 : t->mon + 9) + 2) / 5 + t->day - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return days * 86400 + (int64_t)t->hour * 3600 + (int64_t)t->min * 60 + t->sec;
}

PK__FN void pk__tls_date(char out[PK__CLOCK_TEXT], const mbedtls_x509_time *t)
{
    (void)snprintf(out, PK__CLOCK_TEXT, "%04d-%02d-%02dT%02d:%02d:%02dZ", t->year, t->mon, t->day, t->hour, t->min,
                   t->sec);
}

/* ---- texts. What is no plain text is no name: it neither fits anything nor is it shown. */

static pk_str pk__tls_view(const mbedtls_x509_buf *buf)
{
    pk_str s;
    s.ptr = (const char *)buf->p;
    s.len = buf->len;
    return s;
}

static bool pk__tls_is_ascii(pk_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return s.len > 0;
}

static const mbedtls_x509_name *pk__tls_common_name(const mbedtls_x509_crt *crt)
{
    const mbedtls_x509_name *found = NULL;
    for (const mbedtls_x509_name *n = &crt->subject; n; n = n->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0) {
            found = n; // of several the most specific one
        }
    }
    return found;
}

/* The next alternative name of that kind, from *at on; *at is behind it then. */
static bool pk__tls_next_name(const mbedtls_x509_sequence **at, int kind, pk_str *out)
{
    for (; *at; *at = (*at)->next) {
        if ((*at)->buf.p && (*at)->buf.tag == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | kind)) {
            *out = pk__tls_view(&(*at)->buf);
            *at = (*at)->next;
            return true;
        }
    }
    return false;
}

/* ---- is it called so? */

/* RFC 9525: a star stands for one whole label, the leftmost. */
static bool pk__tls_fits_host(pk_str pattern, pk_str host)
{
    pk_str label, rest_pattern, rest_host;
    if (pattern.len > 2 && pattern.ptr[0] == '*' && pattern.ptr[1] == '.') {
        return pk_str_cut(pattern, '.', &label, &rest_pattern) && pk_str_cut(host, '.', &label, &rest_host) &&
               label.len > 0 && pk_str_ieq(rest_pattern, rest_host) && memchr(rest_host.ptr, '.', rest_host.len);
    }
    return pk_str_ieq(pattern, host);
}

static size_t pk__tls_address(const char *name, unsigned char out[16])
{
    return inet_pton(AF_INET, name, out) == 1 ? 4 : inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

static bool pk__tls_is_uri(const char *name)
{
    return strchr(name, '/') || (strchr(name, ':') && strncmp(name, "urn:", 4) == 0);
}

PK__FN bool pk__tls_is_host(const char *name)
{
    unsigned char bytes[16];
    return name[0] && !pk__tls_is_uri(name) && pk__tls_address(name, bytes) == 0;
}

PK__FN bool pk__tls_is_called(const mbedtls_x509_crt *crt, const char *name)
{
    unsigned char bytes[16];
    size_t len = pk__tls_address(name, bytes);
    bool is_uri = pk__tls_is_uri(name);
    int kind = is_uri ? PK__TLS_SAN_URI : len > 0 ? PK__TLS_SAN_IP : PK__TLS_SAN_DNS;
    const mbedtls_x509_sequence *at = &crt->subject_alt_names;
    pk_str wanted = pk_str_from(name), found;
    if (wanted.len > 1 && wanted.ptr[wanted.len - 1] == '.' && kind == PK__TLS_SAN_DNS) {
        wanted.len--;
    }
    while (pk__tls_next_name(&at, kind, &found)) {
        if (kind == PK__TLS_SAN_IP ? found.len == len && memcmp(found.ptr, bytes, len) == 0
            : !pk__tls_is_ascii(found) ? false
            : is_uri                   ? pk_str_eq(found, wanted)
                                       : pk__tls_fits_host(found, wanted)) {
            return true;
        }
    }
    /* The common name counts where there is nothing better: certificates of old, which have no other. */
    const mbedtls_x509_name *cn = pk__tls_common_name(crt);
    return kind == PK__TLS_SAN_DNS && !crt->subject_alt_names.buf.p && cn && pk__tls_is_ascii(pk__tls_view(&cn->val)) &&
           pk__tls_fits_host(pk__tls_view(&cn->val), wanted);
}

/* ---- the peer */

static pk_err pk__tls_names(pk_mem *mem, const mbedtls_x509_crt *crt, int kind, const pk_str **out, size_t *count)
{
    const mbedtls_x509_sequence *at = &crt->subject_alt_names;
    pk_str found[PK__TLS_NAMES];
    size_t n = 0;
    while (n < PK__TLS_NAMES && pk__tls_next_name(&at, kind, &found[n])) {
        if (pk__tls_is_ascii(found[n])) {
            found[n] = pk_mem_dup(mem, found[n]);
            if (!found[n].ptr) {
                return PK_ERR_NO_MEMORY;
            }
            n++;
        }
    }
    pk_str *all = (pk_str *)pk_mem_get(mem, (n + 1) * sizeof(*all));
    if (!all) {
        return PK_ERR_NO_MEMORY;
    }
    memcpy(all, found, n * sizeof(*all));
    *out = all;
    *count = n;
    return PK_OK;
}

PK__FN void pk__tls_name(char *out, size_t cap, const mbedtls_x509_name *name)
{
    char raw[256];
    int n = mbedtls_x509_dn_gets(raw, sizeof(raw), name);
    (void)pk__error_clean(out, cap, pk_str_from(n > 0 ? raw : "?"));
}

static pk_str pk__tls_fingerprint(pk_mem *mem, const mbedtls_x509_crt *crt)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char hash[32];
    char text[64];
    pk_str s = {text, sizeof(text)};
    memset(hash, 0, sizeof(hash));
    if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), crt->raw.p, crt->raw.len, hash) != 0) {
        s.ptr = NULL;
        return s;
    }
    for (size_t i = 0; i < sizeof(hash); i++) {
        text[2 * i] = hex[hash[i] >> 4];
        text[2 * i + 1] = hex[hash[i] & 15];
    }
    return pk_mem_dup(mem, s);
}

PK__FN pk_err pk__tls_identify(pk_mem *mem, const mbedtls_x509_crt *crt, pk_tls_peer *out, pk_error *err)
{
    char subject[512];
    const mbedtls_x509_name *cn = pk__tls_common_name(crt);
    pk_str name = {"", 0};
    pk__tls_name(subject, sizeof(subject), &crt->subject);
    if (cn) { // as long as it is: a name that was cut short might be another's
        size_t cap = cn->val.len * 4 + 8;
        char *text = (char *)pk_mem_get(mem, cap);
        if (!text) {
            return pk__error_memory(err, "read the peer's certificate");
        }
        name.len = pk__error_clean(text, cap, pk__tls_view(&cn->val));
        name.ptr = text;
    }
    out->name = name;
    out->subject = pk_mem_dup(mem, pk_str_from(subject));
    out->certificate = pk_mem_dup(mem, pk__tls_view(&crt->raw));
    out->fingerprint = pk__tls_fingerprint(mem, crt);
    if (!out->subject.ptr || !out->certificate.ptr || !out->fingerprint.ptr ||
        pk__tls_names(mem, crt, PK__TLS_SAN_DNS, &out->dns, &out->dns_count) ||
        pk__tls_names(mem, crt, PK__TLS_SAN_URI, &out->uris, &out->uri_count)) {
        return pk__error_memory(err, "read the peer's certificate");
    }
    return PK_OK;
}
#endif
