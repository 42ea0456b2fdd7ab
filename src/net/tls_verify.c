/* tls_verify.c - is the peer's certificate to be believed?
 *
 * mbedTLS builds the chain and checks signatures, constraints and revocation lists, and then asks here about each
 * certificate, from the authority's down to the peer's own, which has depth 0. What it thinks of the time is thrown
 * away and found out anew, by our clock. Added are peers whose own certificate is trusted, and names of servers.
 *
 * In TLS 1.3 a server that refuses a client's certificate in the middle of the handshake has to say so with keys that
 * mbedTLS does not use yet, and the client could not read why. So there the handshake is brought to its end whatever
 * the certificate is like, and what was found counts then, before a byte of the client's is read (pk__tls_admit). The
 * ticket of a client that is going to be refused is an empty one. */
#include "tls.h"
#ifdef PLUGKIT_WITH_TLS
#include "../base/error.h"

#include <stdio.h>
#include <string.h>

static const uint32_t pk__tls_time_flags = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE |
                                           MBEDTLS_X509_BADCRL_EXPIRED | MBEDTLS_X509_BADCRL_FUTURE;

static bool pk__tls_same(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static uint32_t pk__tls_check_time(const mbedtls_x509_crt *crt, const mbedtls_x509_crl *crls)
{
    int64_t now = pk__clock_unix_ms() / 1000;
    uint32_t flags = 0;
    if (now > pk__tls_seconds(&crt->valid_to)) {
        flags |= MBEDTLS_X509_BADCERT_EXPIRED;
    }
    if (now < pk__tls_seconds(&crt->valid_from)) {
        flags |= MBEDTLS_X509_BADCERT_FUTURE;
    }
    for (const mbedtls_x509_crl *c = crls; c && c->raw.len > 0; c = c->next) {
        if (!pk__tls_same(&c->issuer_raw, &crt->issuer_raw)) {
            continue;
        }
        if (c->next_update.year > 0 && now > pk__tls_seconds(&c->next_update)) {
            flags |= MBEDTLS_X509_BADCRL_EXPIRED;
        }
        if (now < pk__tls_seconds(&c->this_update)) {
            flags |= MBEDTLS_X509_BADCRL_FUTURE;
        }
    }
    return flags;
}

PK__FN bool pk__tls_is_current(const mbedtls_x509_crt *crt)
{
    return pk__tls_check_time(crt, NULL) == 0;
}

static bool pk__tls_is_trusted_itself(const pk__tls_material *m, const mbedtls_x509_crt *crt)
{
    for (const mbedtls_x509_crt *t = &m->trust; m->has_trust && t; t = t->next) {
        if (pk__tls_same(&t->raw, &crt->raw)) {
            return true;
        }
    }
    return false;
}

/* ---- in words */

/* Either nobody is trusted who has that name, or somebody is, and the signature is not theirs. */
static void pk__tls_say_untrusted(const pk__tls_material *m, const mbedtls_x509_crt *crt, char *out, size_t cap)
{
    char issuer[100];
    pk__tls_name(issuer, sizeof(issuer), &crt->issuer);
    for (const mbedtls_x509_crt *t = &m->trust; m->has_trust && t; t = t->next) {
        if (t->raw.len > 0 && pk__tls_same(&t->subject_raw, &crt->issuer_raw)) {
            (void)snprintf(out, cap, "the signature is not that of '%s', which is trusted", issuer);
            return;
        }
    }
    if (pk__tls_same(&crt->subject_raw, &crt->issuer_raw)) {
        (void)snprintf(out, cap, "it is self-signed ('%s') and not trusted", issuer);
    } else {
        (void)snprintf(out, cap, "it is signed by '%s', which is not trusted", issuer);
    }
}

static void pk__tls_say_name(const mbedtls_x509_crt *crt, const char *wanted, char *out, size_t cap)
{
    char subject[100];
    pk__tls_name(subject, sizeof(subject), &crt->subject);
    (void)snprintf(out, cap, "it is that of '%.60s', and has no name '%.100s'", subject, wanted);
}

PK__FN void pk__tls_flags_text(char *out, size_t cap, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *text;
    } rows[] = {
        {MBEDTLS_X509_BADCERT_REVOKED, "it has been revoked"},
        {MBEDTLS_X509_BADCRL_NOT_TRUSTED, "the signature of the revocation list is wrong"},
        {MBEDTLS_X509_BADCRL_EXPIRED, "the revocation list is out of date"},
        {MBEDTLS_X509_BADCRL_FUTURE, "the revocation list is not valid yet"},
        {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "it is not meant for this use (extended key usage)"},
        {MBEDTLS_X509_BADCERT_KEY_USAGE, "it is not meant for this use (key usage)"},
        {MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "it is not meant for this use"},
        {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCRL_BAD_MD, "it is signed by way of a weak hash"},
        {MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCRL_BAD_PK, "it is signed by a kind of key that is refused"},
        {MBEDTLS_X509_BADCERT_BAD_KEY | MBEDTLS_X509_BADCRL_BAD_KEY, "a key is too short or of a curve that is not "
                                                                     "accepted"},
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "it is not trusted"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        if (flags & rows[i].flag) {
            (void)snprintf(out, cap, "%s", rows[i].text);
            return;
        }
    }
    (void)snprintf(out, cap, "mbedTLS says 0x%x", (unsigned)flags);
}

static void pk__tls_say(pk__tls_session *s, const mbedtls_x509_crt *crt, int depth, uint32_t flags)
{
    char why[sizeof(s->why)], date[PK__CLOCK_TEXT], subject[80];
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED) {
        pk__tls_date(date, &crt->valid_to);
        (void)snprintf(why, sizeof(why), "it has expired since %s", date);
    } else if (flags & MBEDTLS_X509_BADCERT_FUTURE) {
        pk__tls_date(date, &crt->valid_from);
        (void)snprintf(why, sizeof(why), "it is not valid before %s", date);
    } else if (flags == MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        pk__tls_say_untrusted(s->material, crt, why, sizeof(why));
    } else if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        pk__tls_say_name(crt, s->name, why, sizeof(why));
    } else {
        pk__tls_flags_text(why, sizeof(why), flags);
    }
    if (depth == 0) {
        memcpy(s->why, why, sizeof(why));
    } else {
        pk__tls_name(subject, sizeof(subject), &crt->subject);
        (void)snprintf(s->why, sizeof(s->why), "of '%s' above it: %.100s", subject, why);
    }
}

PK__FN unsigned char pk__tls_flags_alert(uint32_t flags)
{
    static const struct {
        uint32_t flag;
        unsigned char alert;
    } rows[] = {
        {MBEDTLS_X509_BADCERT_MISSING, 116}, // certificate_required
        {MBEDTLS_X509_BADCERT_REVOKED, MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED},
        {MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE, MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED},
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA},
        {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
         MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        if (flags & rows[i].flag) {
            return rows[i].alert;
        }
    }
    return MBEDTLS_SSL_ALERT_MSG_BAD_CERT;
}

#if PK__TLS_HAS_13
static int pk__tls_on_hello(mbedtls_ssl_context *ssl)
{
    const mbedtls_ssl_config *conf = mbedtls_ssl_context_get_config(ssl);
    if (PK__TLS_IS_13(ssl) && conf->PK__TLS_PRIVATE(authmode) == MBEDTLS_SSL_VERIFY_REQUIRED) {
        mbedtls_ssl_set_hs_authmode(ssl, MBEDTLS_SSL_VERIFY_OPTIONAL);
    }
    return 0;
}

PK__FN void pk__tls_verify_late(mbedtls_ssl_config *server)
{
    mbedtls_ssl_conf_cert_cb(server, pk__tls_on_hello);
}
#else
PK__FN void pk__tls_verify_late(mbedtls_ssl_config *server)
{
    (void)server;
}
#endif

PK__FN int pk__tls_on_certificate(void *session, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    pk__tls_session *s = (pk__tls_session *)session;
    pk__tls_material *m = s->material;
    uint32_t found = *flags & ~(pk__tls_time_flags | MBEDTLS_X509_BADCERT_CN_MISMATCH);
    found |= pk__tls_check_time(crt, m->has_crls ? &m->crls : NULL);
    if (depth == 0) {
        if ((found & MBEDTLS_X509_BADCERT_NOT_TRUSTED) && pk__tls_is_trusted_itself(m, crt)) {
            found &= ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED;
        }
        if (found == 0 && !s->is_server && !pk__tls_is_called(crt, s->name)) {
            found |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
        }
        s->is_checked = true;
        pk_mem_reset(&s->mem);
        if (pk__tls_identify(&s->mem, crt, &s->peer, NULL)) {
            return MBEDTLS_ERR_SSL_ALLOC_FAILED;
        }
    }
    if (found != 0 && !s->why[0]) {
        pk__tls_say(s, crt, depth, found);
    }
    *flags = found;
    return 0;
}
#endif
