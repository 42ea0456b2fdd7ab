/* tls_mbed.h - mbedTLS 2.28 and 3.6: all that differs between the two, in one place.
 *
 * What is used of it: x509 and pk to read certificates and keys, ssl for the protocol, gcm for tickets. Not used:
 * its files, its sockets, its entropy (random numbers come from os/random), its clock where it matters (validity is
 * checked by os/clock; its own verdict on that is thrown away), its ticket and cache modules.
 *
 * Two liberties, where it has no function for it: its ssl context is asked for the last alert (`in_msg`), for what is
 * still to be sent (`out_left`), and whether a ticket is half read (`state`); and its ssl configuration is copied as a
 * struct, for each connection one, so that callbacks which are given nothing but the configuration's pointer know their
 * connection. A copy shares everything it points to, and is never freed by it. */
#ifndef PK__TLS_MBED_H
#define PK__TLS_MBED_H
#ifdef PLUGKIT_WITH_TLS

#include <mbedtls/version.h>

#if MBEDTLS_VERSION_NUMBER < 0x021C0000 || MBEDTLS_VERSION_NUMBER >= 0x04000000
#error "plugkit: PLUGKIT_WITH_TLS needs mbedTLS 2.28 or 3.x"
#endif

#include <mbedtls/asn1.h>
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>

#if !defined(MBEDTLS_SSL_CLI_C) || !defined(MBEDTLS_SSL_SRV_C) || !defined(MBEDTLS_SSL_PROTO_TLS1_2)
#error "plugkit: PLUGKIT_WITH_TLS needs an mbedTLS with client, server and TLS 1.2"
#endif
#if !defined(MBEDTLS_THREADING_C) && !defined(PLUGKIT_NO_THREADS)
#error "plugkit: PLUGKIT_WITH_TLS needs an mbedTLS with MBEDTLS_THREADING_C, or PLUGKIT_NO_THREADS"
#endif

#if MBEDTLS_VERSION_MAJOR >= 3
#define PK__TLS_PRIVATE(member) MBEDTLS_PRIVATE(member)
#define PK__TLS_RNG , pk__tls_random, NULL // as last arguments
#define PK__TLS_BAD_VERSION MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION
#define PK__TLS_NO_CIPHER MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE
#define PK__TLS_NO_SUITE (-1) // there is no such code
#define PK__TLS_ILLEGAL MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER
#define PK__TLS_BAD_CERT MBEDTLS_ERR_SSL_BAD_CERTIFICATE
#else
#define PK__TLS_PRIVATE(member) member
#define PK__TLS_RNG
#define PK__TLS_BAD_VERSION MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#define PK__TLS_NO_CIPHER MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN
#define PK__TLS_NO_SUITE MBEDTLS_ERR_SSL_NO_USABLE_CIPHERSUITE
#define PK__TLS_ILLEGAL (-2)
#define PK__TLS_BAD_CERT MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE
#endif

#if MBEDTLS_VERSION_MAJOR >= 3 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
#include <psa/crypto.h>
#define PK__TLS_HAS_13 1
#define PK__TLS_CIPHERS_13                                                                                             \
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384, MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#define PK__TLS_IS_13(ssl) (mbedtls_ssl_get_version_number(ssl) == MBEDTLS_SSL_VERSION_TLS1_3)
#define PK__TLS_IS_UNSETTLED(ssl) ((ssl)->MBEDTLS_PRIVATE(state) != MBEDTLS_SSL_HANDSHAKE_OVER)
#define PK__TLS_IS_TICKET(code) ((code) == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
#else
#define PK__TLS_HAS_13 0
#define PK__TLS_CIPHERS_13
#define PK__TLS_IS_13(ssl) false
#define PK__TLS_IS_UNSETTLED(ssl) false
#define PK__TLS_IS_TICKET(code) ((void)(code), false)
#endif

#endif
#endif
