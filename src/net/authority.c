/* authority.c - certificates for one host and its plugins. */
#include "authority.h"
#ifdef PLUGKIT_WITH_TLS
#include "../base/error.h"
#include "../os/random.h"

#include <mbedtls/ecp.h>
#include <stdio.h>
#include <string.h>

enum { PK__AUTHORITY_YEARS = 20, PK__AUTHORITY_SERIAL = 16 };

static pk_err pk__authority_failed(int code, const char *what, pk_error *err)
{
    if (code == MBEDTLS_ERR_PK_ALLOC_FAILED || code == MBEDTLS_ERR_X509_ALLOC_FAILED ||
        code == MBEDTLS_ERR_MPI_ALLOC_FAILED || code == MBEDTLS_ERR_ECP_ALLOC_FAILED ||
        code == MBEDTLS_ERR_ASN1_ALLOC_FAILED) {
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot make %s: out of memory", what);
    }
    return pk_error_set(err, PK_ERR_OS, "cannot make %s: mbedTLS says -0x%04x", what, (unsigned)-code);
}

PK__FN void pk__authority_wipe(void *bytes, size_t len)
{
    mbedtls_platform_zeroize(bytes, len);
}

static int pk__authority_new_key(mbedtls_pk_context *key)
{
    mbedtls_pk_init(key);
    int code = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    return code ? code : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), pk__tls_random, NULL);
}

PK__FN void pk__authority_prepare(pk__authority *a)
{
    if (a->is_made && !a->has_spare) {
        a->has_spare = pk__authority_new_key(&a->spare) == 0;
        if (!a->has_spare) { // then the next start has to
            mbedtls_pk_free(&a->spare);
        }
    }
}

static int pk__authority_key(pk__authority *a, mbedtls_pk_context *out)
{
    if (!a->has_spare) {
        return pk__authority_new_key(out);
    }
    *out = a->spare; // it owns what it points to
    a->has_spare = false;
    mbedtls_pk_init(&a->spare);
    return 0;
}

/* ---- what a certificate says */

/* "20260301120000", of seconds since 1970: as Howard Hinnant counts days. */
PK__FN void pk__authority_date(char out[16], int64_t seconds)
{
    int64_t days = seconds / 86400 + 719468, of_day = seconds % 86400;
    int64_t era = days / 146097, of_era = days % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    unsigned day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
    month = month < 10 ? month + 3 : month - 9;
    year += era * 400 + (month <= 2);
    (void)snprintf(out, 16, "%04u%02u%02u%02u%02u%02u", (unsigned)year % 10000, (unsigned)month % 100, day % 100,
                   (unsigned)(of_day / 3600) % 100, (unsigned)(of_day / 60 % 60), (unsigned)(of_day % 60));
}

#if MBEDTLS_VERSION_NUMBER >= 0x03040000
static int pk__authority_set_serial(mbedtls_x509write_cert *crt, unsigned char serial[PK__AUTHORITY_SERIAL])
{
    return mbedtls_x509write_crt_set_serial_raw(crt, serial, PK__AUTHORITY_SERIAL);
}
#else
static int pk__authority_set_serial(mbedtls_x509write_cert *crt, const unsigned char serial[PK__AUTHORITY_SERIAL])
{
    mbedtls_mpi number;
    mbedtls_mpi_init(&number);
    int code = mbedtls_mpi_read_binary(&number, serial, PK__AUTHORITY_SERIAL);
    code = code ? code : mbedtls_x509write_crt_set_serial(crt, &number);
    mbedtls_mpi_free(&number);
    return code;
}
#endif

static int pk__authority_serial(mbedtls_x509write_cert *crt)
{
    unsigned char serial[PK__AUTHORITY_SERIAL];
    int code = pk__tls_random(NULL, serial, sizeof(serial));
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); // positive, and no zero in front
    return code ? code : pk__authority_set_serial(crt, serial);
}

/* SEQUENCE { [6] the URI } */
static int pk__authority_put_uri(mbedtls_x509write_cert *crt, const char *uri)
{
    unsigned char der[PK__AUTHORITY_URI + 4];
    size_t len = strlen(uri); // below 126
    der[0] = 0x30;
    der[1] = (unsigned char)(len + 2);
    der[2] = 0x86;
    der[3] = (unsigned char)len;
    memcpy(der + 4, uri, len);
    return mbedtls_x509write_crt_set_extension(crt, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                               MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, der, len + 4);
}

/* SEQUENCE { serverAuth, clientAuth } */
static int pk__authority_put_use(mbedtls_x509write_cert *crt)
{
    static const unsigned char der[] = {0x30, 0x14, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03,
                                        0x01, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02};
    return mbedtls_x509write_crt_set_extension(crt, MBEDTLS_OID_EXTENDED_KEY_USAGE,
                                               MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, der, sizeof(der));
}

typedef struct pk__authority_plan {
    const char *subject, *issuer, *uri; // uri NULL = the authority's own
    mbedtls_pk_context *key;            // of the subject
    int64_t hours;
} pk__authority_plan;

static int pk__authority_fill(mbedtls_x509write_cert *crt, const pk__authority *a, const pk__authority_plan *plan)
{
    char from[16], to[16];
    bool is_own = !plan->uri;
    int64_t now = pk__clock_unix_ms() / 1000;
    pk__authority_date(from, now - PK__AUTHORITY_PAST_HOURS * 3600);
    pk__authority_date(to, now + plan->hours * 3600);
    mbedtls_x509write_crt_set_version(crt, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(crt, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(crt, plan->key);
    mbedtls_x509write_crt_set_issuer_key(crt, (mbedtls_pk_context *)(uintptr_t)&a->key);
    int code = mbedtls_x509write_crt_set_subject_name(crt, plan->subject);
    code = code ? code : mbedtls_x509write_crt_set_issuer_name(crt, plan->issuer);
    code = code ? code : mbedtls_x509write_crt_set_validity(crt, from, to);
    code = code ? code : pk__authority_serial(crt);
    code = code ? code : mbedtls_x509write_crt_set_basic_constraints(crt, is_own, is_own ? 0 : -1);
    code = code ? code : mbedtls_x509write_crt_set_key_usage(crt, is_own ? MBEDTLS_X509_KU_KEY_CERT_SIGN
                                                                         : MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    code = code || is_own ? code : pk__authority_put_use(crt);
    return code || is_own ? code : pk__authority_put_uri(crt, plan->uri);
}

/* Returns the length, or an error; it is written at the end of the room, and moved to its beginning. */
static int pk__authority_sign(const pk__authority *a, const pk__authority_plan *plan,
                              unsigned char out[PK__AUTHORITY_DER])
{
    mbedtls_x509write_cert crt;
    mbedtls_x509write_crt_init(&crt);
    int code = pk__authority_fill(&crt, a, plan);
    code = code ? code : mbedtls_x509write_crt_der(&crt, out, PK__AUTHORITY_DER, pk__tls_random, NULL);
    if (code > 0) {
        memmove(out, out + PK__AUTHORITY_DER - code, (size_t)code);
    }
    mbedtls_x509write_crt_free(&crt);
    return code;
}

/* ---- made, used, forgotten */

static void pk__authority_self(const pk__authority *a, char out[64])
{
    (void)snprintf(out, 64, "CN=plugkit %s", a->base + sizeof("plugkit://") - 1);
}

PK__FN pk_err pk__authority_make(pk__authority *a, pk_error *err)
{
    char self[64];
    uint64_t id = 0;
    pk_err rc = pk__random_bytes(&id, sizeof(id), err);
    if (rc) {
        return rc;
    }
    (void)snprintf(a->base, sizeof(a->base), "plugkit://%08lx%08lx", (unsigned long)(id >> 32 & 0xffffffffu),
                   (unsigned long)(id & 0xffffffffu));
    mbedtls_pk_init(&a->spare);
    a->is_made = true;
    mbedtls_pk_init(&a->key);
    int code = pk__authority_new_key(&a->key);
    if (code == 0) {
        pk__authority_self(a, self);
        pk__authority_plan plan = {self, self, NULL, &a->key, (int64_t)PK__AUTHORITY_YEARS * 365 * 24};
        code = pk__authority_sign(a, &plan, a->certificate);
    }
    if (code <= 0) {
        pk__authority_deinit(a);
        return pk__authority_failed(code, "an authority", err);
    }
    a->certificate_len = (size_t)code;
    return PK_OK;
}

PK__FN void pk__authority_deinit(pk__authority *a)
{
    if (a->is_made) {
        mbedtls_pk_free(&a->key); // wipes it
        mbedtls_pk_free(&a->spare);
        memset(a, 0, sizeof(*a));
    }
}

PK__FN void pk__authority_name(const pk__authority *a, const char *who, char out[PK__AUTHORITY_URI])
{
    (void)snprintf(out, PK__AUTHORITY_URI - 2, "%s/%.90s", a->base, who);
}

PK__FN pk_err pk__authority_issue(pk__authority *a, const char *who, pk__authority_issued *out, pk_error *err)
{
    mbedtls_pk_context key;
    char self[64], subject[80];
    memset(out, 0, sizeof(*out));
    pk__authority_name(a, who, out->uri);
    pk__authority_self(a, self);
    (void)snprintf(subject, sizeof(subject), "CN=%.60s", who);
    int code = pk__authority_key(a, &key);
    if (code == 0) {
        pk__authority_plan plan = {subject, self, out->uri, &key, PK__AUTHORITY_HOURS - PK__AUTHORITY_PAST_HOURS};
        code = pk__authority_sign(a, &plan, out->certificate);
        out->certificate_len = code > 0 ? (size_t)code : 0;
    }
    if (code > 0) {
        code = mbedtls_pk_write_key_der(&key, out->key, sizeof(out->key));
        out->key_len = code > 0 ? (size_t)code : 0;
    }
    if (code > 0) {
        memmove(out->key, out->key + sizeof(out->key) - out->key_len, out->key_len);
        pk__authority_wipe(out->key + out->key_len, sizeof(out->key) - out->key_len);
    }
    mbedtls_pk_free(&key);
    return code > 0 ? PK_OK : pk__authority_failed(code, "a certificate", err);
}

PK__FN uint32_t pk__authority_renew_ms(void)
{
    return (PK__AUTHORITY_HOURS - PK__AUTHORITY_PAST_HOURS) / 2 * 3600u * 1000u;
}
#endif
