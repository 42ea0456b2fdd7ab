/* certs.h - certificates, keys and revocation lists for tests, made when they are needed.
 *
 *     static cert ca, server;
 *     cert_make(&ca, &(cert_plan){.name = "Test CA", .is_ca = true});
 *     cert_make(&server, &(cert_plan){.name = "server", .by = &ca, .dns = "localhost", .use = CERT_SERVER});
 *     ... cert_chain(&server), cert_key(&server)     // sources for a pk_tls_desc
 *
 * Without `by` a certificate is self-signed. Times are seconds from now; 0 stands for an hour ago and in a day. */
#ifndef CERTS_H
#define CERTS_H

#include <arpa/inet.h>
#include <mbedtls/ecp.h>
#include <mbedtls/rsa.h>
#include <mbedtls/x509_csr.h>
#include <time.h>

#if MBEDTLS_VERSION_MAJOR >= 3
#define CERT_RNG , cert_random, NULL
#else
#define CERT_RNG
#endif

typedef enum cert_kind { CERT_P256, CERT_P384, CERT_RSA } cert_kind;
enum { CERT_SERVER = 1, CERT_CLIENT = 2 };

typedef struct cert {
    unsigned char der[4096];
    size_t len;
    unsigned char key_der[2048];
    size_t key_len;
    mbedtls_pk_context key;
    char name[80]; // "CN=server"
} cert;

typedef struct cert_plan {
    const char *name;
    const cert *by;       // NULL = itself
    const cert *key_of;   // takes this one's key; NULL = a new one
    cert_kind kind;
    bool is_ca;
    const char *dns, *uri, *ip; // alternative names
    int use;              // CERT_SERVER | CERT_CLIENT; 0 = any
    long from, to;
    bool is_forged;       // one bit of the signature is wrong
    unsigned serial;
} cert_plan;

/* Not by PK__SYS: what tests prepare does not fail. */
static int cert_random(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    return len <= 256 && getentropy(out, len) == 0 ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static void cert_new_key(cert *c, cert_kind kind)
{
    mbedtls_pk_init(&c->key);
    if (kind == CERT_RSA) {
        REQUIRE(mbedtls_pk_setup(&c->key, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)) == 0);
        REQUIRE(mbedtls_rsa_gen_key(mbedtls_pk_rsa(c->key), cert_random, NULL, 2048, 65537) == 0);
        return;
    }
    mbedtls_ecp_group_id group = kind == CERT_P384 ? MBEDTLS_ECP_DP_SECP384R1 : MBEDTLS_ECP_DP_SECP256R1;
    REQUIRE(mbedtls_pk_setup(&c->key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) == 0);
    REQUIRE(mbedtls_ecp_gen_key(group, mbedtls_pk_ec(c->key), cert_random, NULL) == 0);
}

static TEST__UNUSED int cert_sign(mbedtls_pk_context *key, const unsigned char hash[32], unsigned char *sig,
                                  size_t *len)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, 32, sig, 600, len, cert_random, NULL);
#else
    return mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, 32, sig, len, cert_random, NULL);
#endif
}

/* One alternative name: type, length, bytes. */
static size_t cert_put_name(unsigned char *at, int type, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len == 0) {
        return 0;
    }
    at[0] = (unsigned char)(0x80 | type);
    if (type == 7) {
        at[1] = 4;
        REQUIRE(inet_pton(AF_INET, text, at + 2) == 1);
        return 6;
    }
    at[1] = (unsigned char)len;
    memcpy(at + 2, text, len);
    return len + 2;
}

static void cert_put_extension(mbedtls_x509write_cert *w, const char *oid, size_t oid_len, unsigned char *text,
                               size_t n)
{
    text[0] = 0x30;
    text[1] = (unsigned char)(n - 2);
    REQUIRE(n < 130);
    REQUIRE(mbedtls_x509write_crt_set_extension(w, oid, oid_len, 0, text, n) == 0);
}

static void cert_put_extensions(mbedtls_x509write_cert *w, const cert_plan *p)
{
    static const unsigned char server[] = {0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1};
    static const unsigned char client[] = {0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2};
    unsigned char text[600];
    size_t n = 2;
    n += cert_put_name(text + n, 2, p->dns);
    n += cert_put_name(text + n, 6, p->uri);
    n += cert_put_name(text + n, 7, p->ip);
    if (n > 2) {
        cert_put_extension(w, MBEDTLS_OID_SUBJECT_ALT_NAME, MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), text, n);
    }
    n = 2;
    if (p->use & CERT_SERVER) {
        memcpy(text + n, server, sizeof(server));
        n += sizeof(server);
    }
    if (p->use & CERT_CLIENT) {
        memcpy(text + n, client, sizeof(client));
        n += sizeof(client);
    }
    if (n > 2) {
        cert_put_extension(w, MBEDTLS_OID_EXTENDED_KEY_USAGE, MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), text,
                           n);
    }
    REQUIRE(mbedtls_x509write_crt_set_basic_constraints(w, p->is_ca, -1) == 0);
    if (p->is_ca) {
        REQUIRE(mbedtls_x509write_crt_set_key_usage(w, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN) == 0);
    }
}

static void cert_put_serial(mbedtls_x509write_cert *w, unsigned serial)
{
    unsigned char bytes[3] = {1, (unsigned char)(serial >> 8), (unsigned char)serial};
#if MBEDTLS_VERSION_MAJOR >= 3
    REQUIRE(mbedtls_x509write_crt_set_serial_raw(w, bytes, sizeof(bytes)) == 0);
#else
    mbedtls_mpi n;
    mbedtls_mpi_init(&n);
    REQUIRE(mbedtls_mpi_read_binary(&n, bytes, sizeof(bytes)) == 0);
    REQUIRE(mbedtls_x509write_crt_set_serial(w, &n) == 0);
    mbedtls_mpi_free(&n);
#endif
}

static void cert_make(cert *c, const cert_plan *p)
{
    mbedtls_x509write_cert w;
    char from[16], to[16];
    time_t begins = time(NULL) + (p->from ? p->from : -3600), ends = time(NULL) + (p->to ? p->to : 86400);
    struct tm t;
    memset(c, 0, sizeof(*c));
    if (p->key_of) {
        mbedtls_pk_init(&c->key);
        REQUIRE(mbedtls_pk_parse_key(&c->key, p->key_of->key_der, p->key_of->key_len, NULL, 0 CERT_RNG) == 0);
    } else {
        cert_new_key(c, p->kind);
    }
    const cert *by = p->by ? p->by : c;
    snprintf(c->name, sizeof(c->name), "CN=%s", p->name);
    strftime(from, sizeof(from), "%Y%m%d%H%M%S", gmtime_r(&begins, &t));
    strftime(to, sizeof(to), "%Y%m%d%H%M%S", gmtime_r(&ends, &t));
    mbedtls_x509write_crt_init(&w);
    mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&w, &c->key);
    mbedtls_x509write_crt_set_issuer_key(&w, (mbedtls_pk_context *)(uintptr_t)&by->key);
    REQUIRE(mbedtls_x509write_crt_set_subject_name(&w, c->name) == 0);
    REQUIRE(mbedtls_x509write_crt_set_issuer_name(&w, by->name) == 0);
    REQUIRE(mbedtls_x509write_crt_set_validity(&w, from, to) == 0);
    cert_put_serial(&w, p->serial);
    cert_put_extensions(&w, p);
    unsigned char buf[sizeof(c->der)];
    int len = mbedtls_x509write_crt_der(&w, buf, sizeof(buf), cert_random, NULL);
    REQUIRE(len > 0);
    c->len = (size_t)len;
    memcpy(c->der, buf + sizeof(buf) - c->len, c->len);
    if (p->is_forged) {
        c->der[c->len - 9] ^= 1;
    }
    mbedtls_x509write_crt_free(&w);
    len = mbedtls_pk_write_key_der(&c->key, buf, sizeof(buf));
    REQUIRE(len > 0);
    c->key_len = (size_t)len;
    memcpy(c->key_der, buf + sizeof(buf) - c->key_len, c->key_len);
}

/* Puts another one behind it: what is shown is a chain then, in PEM. */
static TEST__UNUSED void cert_add(cert *c, const cert *next)
{
    static const char head[] = "-----BEGIN CERTIFICATE-----\n", tail[] = "-----END CERTIFICATE-----\n";
    static unsigned char pem[sizeof(c->der)];
    size_t first = 0, second = 0;
    REQUIRE(mbedtls_pem_write_buffer(head, tail, c->der, c->len, pem, sizeof(pem), &first) == 0);
    REQUIRE(mbedtls_pem_write_buffer(head, tail, next->der, next->len, pem + first - 1, sizeof(pem) - first + 1,
                                     &second) == 0);
    c->len = first + second - 2;
    memcpy(c->der, pem, c->len);
}

/* A DER value: its length may take two or three bytes. Written backwards, before *at. */
static void cert_wrap(unsigned char **at, unsigned char tag, size_t len)
{
    if (len > 255) {
        *--*at = (unsigned char)len;
        *--*at = (unsigned char)(len >> 8);
        *--*at = 0x82;
    } else {
        *--*at = (unsigned char)len;
        if (len > 127) {
            *--*at = 0x81;
        }
    }
    *--*at = tag;
}

static void cert_put(unsigned char **at, unsigned char tag, const void *bytes, size_t len)
{
    *at -= len;
    memcpy(*at, bytes, len);
    cert_wrap(at, tag, len);
}

static void cert_put_time(unsigned char **at, long from_now)
{
    char text[16];
    struct tm t;
    time_t when = time(NULL) + from_now;
    strftime(text, sizeof(text), "%y%m%d%H%M%SZ", gmtime_r(&when, &t));
    cert_put(at, 0x17, text, 13);
}

/* A revocation list of this authority with one serial number in it, good until `to` seconds from now; the list of last
 * week if that is past. Returns its length; it begins at out. */
static TEST__UNUSED size_t cert_revoke(const cert *ca, unsigned serial, long to, unsigned char *out, size_t cap)
{
    static const unsigned char by_sha256[] = {0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}; // ECDSA
    static const unsigned char by_rsa[] = {0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0};
    bool is_rsa = mbedtls_pk_get_type(&ca->key) == MBEDTLS_PK_RSA;
    const unsigned char *algorithm = is_rsa ? by_rsa : by_sha256;
    size_t algorithm_len = is_rsa ? sizeof(by_rsa) : sizeof(by_sha256);
    unsigned char room[1024], *end = room + sizeof(room), *at = end, *piece, number[3], hash[32], sig[600];
    size_t sig_len = 0;
    mbedtls_x509_crt crt;
    number[0] = 1;
    number[1] = (unsigned char)(serial >> 8);
    number[2] = (unsigned char)serial;
    cert_put_time(&at, -60 * 24 * 3600);
    cert_put(&at, 0x02, number, sizeof(number));
    cert_wrap(&at, 0x30, (size_t)(end - at));
    cert_wrap(&at, 0x30, (size_t)(end - at));
    cert_put_time(&at, to);
    cert_put_time(&at, -7 * 24 * 3600);
    mbedtls_x509_crt_init(&crt);
    REQUIRE(mbedtls_x509_crt_parse_der(&crt, ca->der, ca->len) == 0);
    at -= crt.subject_raw.len;
    memcpy(at, crt.subject_raw.p, crt.subject_raw.len);
    mbedtls_x509_crt_free(&crt);
    at -= algorithm_len;
    memcpy(at, algorithm, algorithm_len);
    cert_put(&at, 0x02, "\1", 1); // version 2
    cert_wrap(&at, 0x30, (size_t)(end - at));
    size_t body = (size_t)(end - at);
    REQUIRE(mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), at, body, hash) == 0);
    REQUIRE(cert_sign((mbedtls_pk_context *)(uintptr_t)&ca->key, hash, sig, &sig_len) == 0);
    memmove(room, at, body); // and now the whole, from the end again
    at = end;
    at -= sig_len;
    memcpy(at, sig, sig_len);
    *--at = 0;
    cert_wrap(&at, 0x03, sig_len + 1);
    at -= algorithm_len;
    memcpy(at, algorithm, algorithm_len);
    piece = at - body;
    REQUIRE(piece > room + body);
    memcpy(piece, room, body);
    at = piece;
    cert_wrap(&at, 0x30, (size_t)(end - at));
    REQUIRE((size_t)(end - at) <= cap);
    memcpy(out, at, (size_t)(end - at));
    return (size_t)(end - at);
}

static void cert_free(cert *c)
{
    mbedtls_pk_free(&c->key);
}

static TEST__UNUSED pk_tls_source cert_chain(const cert *c)
{
    pk_tls_source s = {NULL, {(const char *)c->der, c->len}};
    return s;
}

static TEST__UNUSED pk_tls_source cert_key(const cert *c)
{
    pk_tls_source s = {NULL, {(const char *)c->key_der, c->key_len}};
    return s;
}

static TEST__UNUSED pk_tls_cert cert_both(const cert *c)
{
    pk_tls_cert both = {cert_chain(c), cert_key(c), NULL};
    return both;
}

#endif
