/* tls_error.c - why there is no secure connection, in words. */
#include "tls.h"
#ifdef PLUGKIT_WITH_TLS
#include "../base/error.h"

#include <stdio.h>
#include <string.h>

PK__FN pk_err pk__tls_source_error(const char *what, const char *which, int code, pk_error *err)
{
    static const struct {
        int code;
        const char *text;
    } rows[] = {
        {MBEDTLS_ERR_X509_ALLOC_FAILED, "out of memory"},
        {MBEDTLS_ERR_PEM_ALLOC_FAILED, "out of memory"},
        {MBEDTLS_ERR_PK_ALLOC_FAILED, "out of memory"},
        {MBEDTLS_ERR_PK_PASSWORD_REQUIRED, "it needs a password"},
        {MBEDTLS_ERR_PK_PASSWORD_MISMATCH, "the password is wrong"},
        {MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT, "it is neither PEM nor DER"},
        {MBEDTLS_ERR_PK_KEY_INVALID_FORMAT, "it is neither PEM nor DER"},
        {MBEDTLS_ERR_X509_CERT_UNKNOWN_FORMAT, "it is neither PEM nor DER"},
        {MBEDTLS_ERR_X509_INVALID_FORMAT, "it is neither PEM nor DER"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        if (rows[i].code == code) {
            return pk_error_set(err, i < 3 ? PK_ERR_NO_MEMORY : PK_ERR_CONFIG, "cannot read %s '%.150s': %s", what,
                                which, rows[i].text);
        }
    }
    if (code > 0) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot read %s '%.150s': %d of it are malformed", what, which, code);
    }
    return pk_error_set(err, PK_ERR_CONFIG, "cannot read %s '%.150s': it is malformed (mbedTLS -0x%04x)", what, which,
                        (unsigned)-code);
}

/* ---- alerts: what the peer has against us */

static const char *pk__tls_alert(int alert)
{
    switch (alert) {
    case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE: return "it finds no cipher, version or certificate that both accept";
    case MBEDTLS_SSL_ALERT_MSG_NO_CERT:
    case 116: return "it wants a certificate, and none was shown"; // certificate_required
    case MBEDTLS_SSL_ALERT_MSG_BAD_CERT: return "it does not accept our certificate";
    case MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT:
        return "our certificate is not meant for this use, or of a kind that it does not know";
    case MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED: return "our certificate has been revoked";
    case MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED: return "our certificate has expired, or is not valid yet";
    case MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN: return "it does not accept our certificate";
    case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA: return "it does not trust the authority of our certificate";
    case MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED: return "it knows who we are, and does not let us in";
    case MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR: return "it finds a signature or a key wrong";
    case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION: return "it does not speak a version of TLS that we speak";
    case MBEDTLS_SSL_ALERT_MSG_INSUFFICIENT_SECURITY: return "our ciphers are too weak for it";
    case MBEDTLS_SSL_ALERT_MSG_INAPROPRIATE_FALLBACK: return "it speaks a better version than we asked for";
    case MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME: return "it is not called by the name that we asked for";
    case MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL: return "it does not speak http/1.1 there";
    case MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR: return "it has trouble of its own";
    default: return NULL;
    }
}

static void pk__tls_say_alert(const pk__tls_session *s, int alert, char *out, size_t cap)
{
    const char *text = pk__tls_alert(alert);
    /* TLS 1.2 has no word of its own for a certificate that is missing. */
    bool has_none = alert == MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE && !s->is_server && s->material->own_count == 0;
    if (text) {
        (void)snprintf(out, cap, "the peer refuses: %s%s", text,
                       has_none ? "; it may want one, and there is none" : "");
    } else {
        (void)snprintf(out, cap, "the peer refuses: alert %d", alert);
    }
}

/* ---- mbedTLS */

static void pk__tls_say_certificate(const pk__tls_session *s, char *out, size_t cap)
{
    char why[PK__TLS_WHY];
    if (s->why[0]) {
        (void)snprintf(out, cap, "the peer's certificate is refused: %s", s->why);
        return;
    }
    uint32_t flags = mbedtls_ssl_get_verify_result(&s->ssl);
    if (flags & MBEDTLS_X509_BADCERT_MISSING) {
        (void)snprintf(out, cap, "the client shows no certificate");
        return;
    }
    pk__tls_flags_text(why, sizeof(why), flags);
    (void)snprintf(out, cap, "the peer's certificate is refused: %s", why);
}

/* In TLS 1.3 mbedTLS has but one code for all that goes wrong; behind a good certificate comes its signature. */
static void pk__tls_say_failure(const pk__tls_session *s, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s",
                   PK__TLS_IS_13(&s->ssl) && s->is_checked
                       ? "the peer's signature is wrong: it does not have the key of its certificate"
                       : "there is no cipher or signature that both accept");
}

static void pk__tls_say_bad_record(const pk__tls_session *s, char *out, size_t cap)
{
    if (s->clear_alert) {
        pk__tls_say_alert(s, s->clear_alert, out, cap);
    } else {
        (void)snprintf(out, cap, "a record cannot be decrypted: it was forged or damaged%s",
                       !s->got_any && !s->is_server && s->state == PK__TLS_BROKEN && PK__TLS_IS_13(&s->ssl)
                           ? ", or the peer refuses the handshake"
                           : "");
    }
}

static void pk__tls_say_code(const pk__tls_session *s, int code, char *out, size_t cap)
{
    switch (code) {
    case MBEDTLS_ERR_SSL_CONN_EOF: (void)snprintf(out, cap, "the connection was closed"); return;
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: pk__tls_say_alert(s, s->ssl.PK__TLS_PRIVATE(in_msg)[1], out, cap); return;
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
    case PK__TLS_BAD_CERT: pk__tls_say_certificate(s, out, cap); return;
    case PK__TLS_ILLEGAL:
        (void)snprintf(out, cap,
                       "the handshake holds what cannot be: the peer is broken, or somebody has changed it, to make us "
                       "use an older version");
        return;
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE: (void)snprintf(out, cap, "the client shows no certificate"); return;
    case PK__TLS_BAD_VERSION:
        (void)snprintf(out, cap, "the peer speaks no version of TLS that is accepted here");
        return;
    case PK__TLS_NO_SUITE:
    case PK__TLS_NO_CIPHER: pk__tls_say_failure(s, out, cap); return;
    case MBEDTLS_ERR_ECP_VERIFY_FAILED:
    case MBEDTLS_ERR_RSA_VERIFY_FAILED:
        (void)snprintf(out, cap, "the peer's signature is wrong: it does not have the key of its certificate");
        return;
    case MBEDTLS_ERR_SSL_INVALID_MAC: pk__tls_say_bad_record(s, out, cap); return;
    default: (void)snprintf(out, cap, "the peer breaks the protocol (mbedTLS -0x%04x)", (unsigned)-code); return;
    }
}

static bool pk__tls_is_memory(int code)
{
    return code == MBEDTLS_ERR_SSL_ALLOC_FAILED || code == MBEDTLS_ERR_X509_ALLOC_FAILED ||
           code == MBEDTLS_ERR_MPI_ALLOC_FAILED || code == MBEDTLS_ERR_ECP_ALLOC_FAILED ||
           code == MBEDTLS_ERR_PK_ALLOC_FAILED || code == MBEDTLS_ERR_MD_ALLOC_FAILED ||
           code == MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
}

PK__FN pk_err pk__tls_shake_error(const pk__tls_session *s, int code, pk_error *err)
{
    char why[PK__TLS_WHY + 40];
    bool is_eof = code == MBEDTLS_ERR_SSL_CONN_EOF;
    int where = s->is_server ? 0 : (int)PK__MIN(strcspn(s->key, "\n"), (size_t)80); // the address
    pk_err rc = is_eof ? PK_ERR_PLUGIN_CONNECTION : PK_ERR_HANDSHAKE;
    if (pk__tls_is_memory(code)) {
        return pk__error_memory(err, "make a secure connection");
    }
    if (s->is_foreign) {
        (void)snprintf(why, sizeof(why), "the peer does not speak TLS%s", s->secure.is_plain ? ", but plain HTTP" : "");
    } else if (code == 0) {
        (void)snprintf(why, sizeof(why), "the peer is refused: %s", s->why);
    } else {
        pk__tls_say_code(s, code, why, sizeof(why));
    }
    if (is_eof && s->sys_errno != 0) {
        return s->is_server ? pk_error_sys(err, rc, s->sys_errno, "cannot serve a connection")
                            : pk_error_sys(err, rc, s->sys_errno, "cannot connect to '%.*s' securely", where, s->key);
    }
    if (s->is_server) {
        return pk_error_set(err, rc, "cannot serve a connection: %s", why);
    }
    return pk_error_set(err, rc, "cannot connect to '%.*s' securely: %s", where, s->key, why);
}

PK__FN pk_err pk__tls_bytes_error(const pk__tls_session *s, int code, pk_error *err)
{
    char why[PK__TLS_WHY + 40];
    if (pk__tls_is_memory(code)) {
        return pk__error_memory(err, "go on with a secure connection");
    }
    if (code == MBEDTLS_ERR_SSL_CONN_EOF) {
        return s->sys_errno != 0
                   ? pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, s->sys_errno, "cannot go on")
                   : pk_error_set(err, PK_ERR_PLUGIN_CONNECTION,
                                  "cannot go on: the connection was cut: it ended without a word (no close_notify)");
    }
    pk__tls_say_code(s, code, why, sizeof(why));
    return pk_error_set(err, PK_ERR_HANDSHAKE, "cannot go on: %s", why);
}
#endif
