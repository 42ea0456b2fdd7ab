/* tls.h - TLS for servers and calls. With PLUGKIT_WITH_TLS; mbedTLS 2.28 (TLS 1.2) or 3.6 (1.2 and 1.3) is linked in.
 *
 * A pk_tls is what one side shows and whom it believes. It serves in both directions and for any number of connections:
 *
 *     static const pk_tls_cert cert = {.chain.file = "server.pem", .key.file = "server.key"};
 *     static const pk_tls_source ca = {.file = "clients-ca.pem"};
 *     pk_tls_desc desc = {.certs = &cert, .cert_count = 1, .trust = &ca, .trust_count = 1};
 *     pk_tls *tls = NULL;
 *     if (pk_tls_create(&tls, &desc, &err)) ...
 *     pk_server_desc server = {.loop = loop, .listen = "https://127.0.0.1:8443", .tls = tls};
 *
 * A server shows the certificate that fits the name it is asked for, otherwise the first one. If it has `trust`, its
 * clients must show a certificate as well (mutual TLS); without, anybody may come. A client must have `trust`: nobody
 * is believed by default, also not the authorities of the system (name their file: they are a pk_tls_source like
 * others). It checks that the certificate has the name of the server, and shows its own first one if it is asked to.
 *
 * Certificates are checked by the wall clock, for their use (server, client), against revocation lists if there are
 * any, and every signature; P-256, P-384, P-521 and RSA from 2048 bits, SHA-256 and better. TLS 1.2 is the least that
 * is spoken, with forward secrecy and authenticated ciphers only. A further connection to the same server resumes the
 * session of an earlier one, which costs a fraction of a new one. Identities are checked again then.
 *
 * What mbedTLS needs for itself it takes from libc's calloc, not from .alloc: 40 KiB a connection. With 3.6 it keeps
 * global state (psa_crypto_init): the only one in a program with PlugKit. */

typedef struct pk_tls pk_tls;

/* Certificates, keys or revocation lists: PEM (any number of them) or DER (one), in a file or in memory. */
typedef struct pk_tls_source {
    const char *file; // or
    pk_str bytes;
} pk_tls_source;

typedef struct pk_tls_cert {
    pk_tls_source chain;  // the certificate, then those that lead from it to the authority
    pk_tls_source key;    // of the first one
    const char *password; // of the key; NULL = none
} pk_tls_cert;

typedef enum pk_tls_version { PK_TLS_DEFAULT, PK_TLS_1_2, PK_TLS_1_3 } pk_tls_version;

/* The other side, as its certificate says. Texts are made safe: valid UTF-8, no control characters. A client without
 * certificate has empty texts. */
typedef struct pk_tls_peer {
    pk_str name;            // common name (CN)
    pk_str subject;         // the whole: "CN=backup, O=Example"
    const pk_str *dns;      size_t dns_count;  // of its alternative names
    const pk_str *uris;     size_t uri_count;  // "spiffe://example.org/backup"
    pk_str certificate;     // DER
    pk_str fingerprint;     // SHA-256 of it, 64 hexadecimal digits
    const char *version;    // "TLSv1.3"
    const char *cipher;     // as mbedTLS calls it
    bool is_server;         // the other side is the server
    bool is_resumed;        // it has shown its certificate on an earlier connection
} pk_tls_peer;

typedef struct pk_tls_desc {
    const pk_alloc *alloc;       // NULL = libc
    const pk_tls_cert *certs;    size_t cert_count;  // what is shown
    const pk_tls_source *trust;  size_t trust_count; // whom to believe: authorities; or a peer's own certificate, and
                                                     // then exactly that one
    const pk_tls_source *crls;   size_t crl_count;   // what these authorities have revoked
    pk_tls_version min_version;  // PK_TLS_DEFAULT = 1.2; PK_TLS_1_3 with mbedTLS 3.6 only: PK_ERR_UNSUPPORTED
    /* Clients: the name that certificates of servers must have: DNS name, IP address, or URI ("spiffe://.."). NULL =
     * the host of the address, which Unix sockets do not have: there it is needed, here or in the endpoint. */
    const char *peer_name;
    /* Has the last word on a peer whose certificate is good: an error refuses it. Called at the end of each handshake,
     * resumed ones included, on the thread that makes it; *peer lives until it returns. Must not wait. */
    pk_err (*on_peer)(void *user, const pk_tls_peer *peer, pk_error *err);
    /* Servers: told of each connection that came to nothing, and why. Clients get that as the outcome of their call. */
    void (*on_refused)(void *user, const pk_error *why);
    void *user;
    bool pk__is_issued;          // private: by a manager's authority: its keys need no check, and TLS 1.2 is spoken
} pk_tls_desc;

#ifdef PLUGKIT_WITH_TLS
/* Everything is read and checked here; the description and its sources are not needed afterwards. Errors: PK_ERR_CONFIG
 * (a certificate, key or list cannot be read, or they do not belong together: the sentence says which),
 * PK_ERR_NOT_FOUND, PK_ERR_OS (files), PK_ERR_UNSUPPORTED, PK_ERR_NO_MEMORY. */
PK_API pk_err pk_tls_create(pk_tls **out, const pk_tls_desc *desc, pk_error *err);
/* The same for one that is in use: new connections use what is new, old ones go on as they are, no session from before
 * is resumed. After a failure everything is as it was. Any thread. .alloc stays. */
PK_API pk_err pk_tls_reload(pk_tls *tls, const pk_tls_desc *desc, pk_error *err);
/* Only when no server, manager or plugin uses it any more. */
PK_API void pk_tls_destroy(pk_tls *tls);
/* Who is on the other side of this request's connection. NULL: it is not secure. As long as the request. */
PK_API const pk_tls_peer *pk_ctx_peer(const pk_ctx *ctx);
#endif
