/* tls_config.c - what is spoken, and which certificate is shown. */
#include "tls.h"
#ifdef PLUGKIT_WITH_TLS
#include "../base/error.h"

#include <string.h>

/* P-256 first, always: mbedTLS's own order begins with curves that cost half as much again for a handshake. */
#if MBEDTLS_VERSION_MAJOR >= 3
static void pk__tls_set_curves(mbedtls_ssl_config *c)
{
    static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    mbedtls_ssl_conf_groups(c, groups);
}
#else
static void pk__tls_set_curves(mbedtls_ssl_config *c)
{
    static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_CURVE25519,
                                                  MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_SECP521R1,
                                                  MBEDTLS_ECP_DP_NONE};
    mbedtls_ssl_conf_curves(c, curves);
}
#endif

/* Forward secrecy and authenticated encryption, nothing else. */
static void pk__tls_set_ciphers(mbedtls_ssl_config *c)
{
    static const int ciphers[] = {
        PK__TLS_CIPHERS_13 // begins the list
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, 0};
    mbedtls_ssl_conf_ciphersuites(c, ciphers);
}

/* Between a host and its own plugins TLS 1.2 is spoken. To resume, 1.3 makes new keys on the curve (2.1 ms for both
 * ends together), and 1.2 does not (0.12 ms); mbedTLS's clients have nothing between the two. What 1.3 would be better
 * for is not there: both ends are told the same, so nobody can be talked into less; the first handshake has forward
 * secrecy in 1.2 as well; and who could read the key of the tickets, which is in the memory of the plugin and ends with
 * it, could read what was sent, too. */
#if PK__TLS_HAS_13
static pk_err pk__tls_set_13(mbedtls_ssl_config *c, const pk_tls_desc *desc, pk_error *err)
{
    bool insists = desc->min_version == PK_TLS_1_3;
    if (psa_crypto_init() != PSA_SUCCESS) {
        return pk_error_set(err, PK_ERR_OS, "cannot prepare TLS: mbedTLS has no random numbers");
    }
    mbedtls_ssl_conf_min_tls_version(c, insists ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2);
    if (desc->pk__is_issued) {
        mbedtls_ssl_conf_max_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2);
    }
    mbedtls_ssl_conf_tls13_key_exchange_modes(c, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(c, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_new_session_tickets(c, 1); // one is enough for all further connections
    return PK_OK;
}
#else
static pk_err pk__tls_set_13(mbedtls_ssl_config *c, const pk_tls_desc *desc, pk_error *err)
{
    if (desc->min_version == PK_TLS_1_3) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot insist on TLS 1.3: this mbedTLS speaks 1.2");
    }
    mbedtls_ssl_conf_min_version(c, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    return PK_OK;
}
#endif

static pk_err pk__tls_configure_one(pk__tls_material *m, mbedtls_ssl_config *c, int end, const pk_tls_desc *desc,
                                    pk_error *err)
{
    static const char *protocols[] = {"http/1.1", "http/1.0", NULL}; // the second for peers that know no better
    int code = mbedtls_ssl_config_defaults(c, end, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    pk_err rc = code == 0 ? pk__tls_set_13(c, desc, err) : pk__error_memory(err, "prepare TLS");
    if (rc) {
        return rc;
    }
    mbedtls_ssl_conf_rng(c, pk__tls_random, NULL);
    pk__tls_set_curves(c);
    pk__tls_set_ciphers(c);
    mbedtls_ssl_conf_cert_profile(c, &mbedtls_x509_crt_profile_next);
    mbedtls_ssl_conf_authmode(c, end == MBEDTLS_SSL_IS_CLIENT || m->has_trust ? MBEDTLS_SSL_VERIFY_REQUIRED
                                                                              : MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_ca_chain(c, m->has_trust ? &m->trust : NULL, m->has_crls ? &m->crls : NULL);
    code = mbedtls_ssl_conf_alpn_protocols(c, protocols);
    for (size_t i = 0; i < m->own_count && code == 0; i++) {
        code = mbedtls_ssl_conf_own_cert(c, &m->own[i].chain, &m->own[i].key);
    }
    return code == 0 ? PK_OK : pk__error_memory(err, "prepare TLS");
}

PK__FN pk_err pk__tls_configure(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err)
{
    pk_err rc = pk__tls_configure_one(m, &m->server, MBEDTLS_SSL_IS_SERVER, desc, err);
    if (rc == PK_OK) {
        rc = pk__tls_configure_one(m, &m->client, MBEDTLS_SSL_IS_CLIENT, desc, err);
    }
    return rc;
}

/* A client says whom it wants. All certificates of that name are offered: one may be RSA, and another not. */
PK__FN int pk__tls_on_name(void *session, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
    const pk__tls_material *m = ((const pk__tls_session *)session)->material;
    char wanted[256];
    int code = 0;
    if (len == 0 || len >= sizeof(wanted) || memchr(name, '\0', len)) {
        return 0; // nobody is called that: the first
    }
    memcpy(wanted, name, len);
    wanted[len] = '\0';
    for (size_t i = 0; i < m->own_count && code == 0; i++) {
        if (pk__tls_is_host(wanted) && pk__tls_is_called(&m->own[i].chain, wanted)) {
            code = mbedtls_ssl_set_hs_own_cert(ssl, &m->own[i].chain, &m->own[i].key);
        }
    }
    return code;
}
#endif
