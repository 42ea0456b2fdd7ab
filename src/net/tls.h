/* tls.h - TLS behind the seam of net/secure.h, by mbedTLS. The only files that know it are tls_mbed.h and tls*.c.
 *
 *     tls.c            pk_tls: a description is read into material; material is exchanged while it is used
 *     tls_config.c     what is spoken: versions, curves, ciphers, which certificate for which name
 *     tls_identity.c   who the peer is: names of certificates, whether one has the wanted name
 *     tls_verify.c     whether a certificate is to be believed, and why not
 *     tls_resume.c     tickets of servers, sessions that clients keep
 *     tls_session.c    a connection: handshake, bytes, end
 *     tls_error.c      what mbedTLS and alerts say, in words
 *
 * MATERIAL is what a pk_tls_desc says, read and checked: certificates, keys, authorities, lists, two configurations (as
 * server, as client), the key for tickets, and the sessions that clients may resume. It never changes but for those
 * sessions, and is shared: a pk_tls holds one, each connection holds the one that it began with, and the last to let go
 * frees it. pk_tls_reload makes new material and puts it in the place of the old one. So a connection sees one state of
 * things from beginning to end; and as tickets and sessions belong to their material, nothing that was agreed on before
 * a reload is resumed after it: a certificate that has been revoked since gets a full handshake, and is refused.
 *
 * TIME is os/clock's wall clock. RANDOM numbers are os/random's; without them no connection comes about.
 *
 * RESUMING must not become a way around identity. A ticket holds the peer's certificate, and a kept session has it
 * beside it: on a resumed connection it is checked again (its time, its name, on_peer), in TLS 1.3 as in 1.2.
 *
 * THREADS. A pk_tls is used by any number of threads: its lock guards the pointer to the material and the counts, the
 * material's lock the kept sessions. A connection belongs to one thread at a time. In a forked child nothing is locked
 * and nothing is sent, for the connections are the parent's: everything is only freed. */
#ifndef PK__TLS_H
#define PK__TLS_H
#ifdef PLUGKIT_WITH_TLS
#include "../os/clock.h"
#include "../os/fork.h"
#include "../os/thread.h"
#include "secure.h"
#include "tls_mbed.h"

enum {
    PK__TLS_FILE_MAX = 4 * 1024 * 1024, // bytes of a file; a bundle of all authorities has 250 KiB
    PK__TLS_AHEAD = 4 * 1024,           // bytes received ahead of what is asked for: a small record is one receive
    PK__TLS_KEPT = 16,                  // sessions that clients keep
    PK__TLS_TICKET_S = 60 * 60,         // how long a ticket is good
    PK__TLS_TICKET_KEY = 32,
    PK__TLS_NAMES = 64,                 // of each kind that are read of a certificate
    PK__TLS_WHY = 240
};

typedef struct pk__tls_own { // a certificate to show
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
} pk__tls_own;

typedef struct pk__tls_kept { // a session to resume
    char *key;                // name and address; NULL = free
    mbedtls_ssl_session session;
    unsigned char *certificate; // DER of the server's
    size_t certificate_len;
} pk__tls_kept;

typedef struct pk__tls_material {
    uint32_t users;           // under the lock of the pk_tls
    const pk_alloc *alloc;
    mbedtls_ssl_config server, client;
    pk__tls_own *own;
    size_t own_count;
    mbedtls_x509_crt trust;
    mbedtls_x509_crl crls;
    bool has_trust, has_crls;
    char *peer_name;          // "" = none
    pk_err (*on_peer)(void *user, const pk_tls_peer *peer, pk_error *err);
    void (*on_refused)(void *user, const pk_error *why);
    void *user;
    unsigned char ticket_key[PK__TLS_TICKET_KEY];
    pk__mutex lock;           // of kept
    pk__tls_kept kept[PK__TLS_KEPT];
    unsigned next;            // to be overwritten
} pk__tls_material;

struct pk_tls {
    const pk__secure_table *table; // first: see net/secure.h
    const pk_alloc *alloc;
    pk__fork_guard guard;
    pk__mutex lock;
    pk__tls_material *material;
};

typedef enum pk__tls_state { PK__TLS_SHAKING, PK__TLS_OPEN, PK__TLS_ENDED, PK__TLS_BROKEN } pk__tls_state;

typedef struct pk__tls_session {
    pk__secure secure;        // first
    pk_tls *tls;
    pk__tls_material *material;
    pk__wire below;
    bool is_server;
    pk__tls_state state;
    mbedtls_ssl_config conf;  // see tls_mbed.h
    mbedtls_ssl_context ssl;
    char *name;               // clients: the name that the server must have
    char *key;                // clients: for kept sessions; address and name

    /* Who the peer is: its certificate was checked now, or when the session began that goes on. */
    pk_tls_peer peer;
    pk_mem mem;               // of peer
    bool is_checked, is_resumed;
    char why[PK__TLS_WHY];    // its certificate is refused; "" = it is not

    /* Bytes. */
    unsigned char ahead[PK__TLS_AHEAD]; // [at, end) was received and not used
    size_t at, end;
    size_t committed;         // bytes of the record that is on its way out
    bool may_wait, is_dry;    // of this recv: may it wait; has the socket nothing more
    bool looked, is_foreign;  // at the first byte: it is none of TLS
    bool is_eof, end_said, got_any;
    unsigned char clear_alert; // 0 = none
    int broken_by;            // what mbedTLS said
    int sys_errno;
} pk__tls_session;

/* tls.c */
PK__FN int pk__tls_random(void *unused, unsigned char *out, size_t len);
PK__FN pk__tls_material *pk__tls_hold(pk_tls *tls);
PK__FN void pk__tls_let_go(pk_tls *tls, pk__tls_material *m);

/* tls_config.c: *m is filled but for the two configurations. */
PK__FN pk_err pk__tls_configure(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err);
PK__FN int pk__tls_on_name(void *session, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len);

/* tls_identity.c. Dates are seconds since 1970. */
PK__FN int64_t pk__tls_seconds(const mbedtls_x509_time *t);
PK__FN void pk__tls_date(char out[PK__CLOCK_TEXT], const mbedtls_x509_time *t);
PK__FN bool pk__tls_is_called(const mbedtls_x509_crt *crt, const char *name); // DNS name, address or URI
PK__FN bool pk__tls_is_host(const char *name); // a DNS name, which servers may be asked for
PK__FN pk_err pk__tls_identify(pk_mem *mem, const mbedtls_x509_crt *crt, pk_tls_peer *out, pk_error *err);
PK__FN void pk__tls_name(char *out, size_t cap, const mbedtls_x509_name *name); // for messages

/* tls_verify.c */
PK__FN int pk__tls_on_certificate(void *session, mbedtls_x509_crt *crt, int depth, uint32_t *flags);
PK__FN bool pk__tls_is_current(const mbedtls_x509_crt *crt); // by its dates alone
PK__FN void pk__tls_verify_late(mbedtls_ssl_config *server);
PK__FN void pk__tls_flags_text(char *out, size_t cap, uint32_t flags);
PK__FN unsigned char pk__tls_flags_alert(uint32_t flags);

/* tls_resume.c */
PK__FN int pk__tls_ticket_write(void *session, const mbedtls_ssl_session *what, unsigned char *start,
                                const unsigned char *end, size_t *len, uint32_t *lifetime);
PK__FN int pk__tls_ticket_parse(void *session, mbedtls_ssl_session *what, unsigned char *buf, size_t len);
PK__FN void pk__tls_keep(pk__tls_session *s);   // what the connection has now
PK__FN void pk__tls_resume(pk__tls_session *s); // before the handshake: if there is something
PK__FN void pk__tls_forget(pk__tls_session *s); // it was of no use
PK__FN void pk__tls_kept_free(pk__tls_material *m);

/* tls_session.c */
PK__FN const pk__secure_table *pk__tls_table(void);

/* tls_error.c */
PK__FN pk_err pk__tls_shake_error(const pk__tls_session *s, int code, pk_error *err);
PK__FN pk_err pk__tls_bytes_error(const pk__tls_session *s, int code, pk_error *err);
PK__FN pk_err pk__tls_source_error(const char *what, const char *which, int code, pk_error *err);

#endif
#endif
