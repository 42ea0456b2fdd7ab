/* authority.h - certificates for one host and the plugins that it starts: who is meant by "mutual TLS by itself".
 *
 * An authority is made with its manager, and is in memory only: its key is never written anywhere, and ends with the
 * process. It signs certificates, each for one name and for at most 24 hours (an hour of that lies in the past: a clock
 * may be set back). The names are URIs:
 *
 *     plugkit://8f3a05c1d2e4b6a7/host        the host, at both ends of a connection
 *     plugkit://8f3a05c1d2e4b6a7/shout-1     the instance shout-1
 *
 * of which the first part is the authority's own, at random. A certificate is good for both ends, as plugins call their
 * host, too; who may be where is said by the names.
 *
 * All keys are of the curve P-256. Making one takes about as long as signing; so the next one is made ahead, when there
 * is time for it (_prepare), and a start does not wait for that. */
#ifndef PK__AUTHORITY_H
#define PK__AUTHORITY_H
#ifdef PLUGKIT_WITH_TLS
#include "tls.h"

enum {
    PK__AUTHORITY_HOURS = 24,
    PK__AUTHORITY_PAST_HOURS = 1,
    PK__AUTHORITY_DER = 1024, // bytes of a certificate: about 500
    PK__AUTHORITY_KEY = 256,  //   of a key: 121
    PK__AUTHORITY_URI = 128
};

typedef struct pk__authority {
    mbedtls_pk_context key, spare;
    bool is_made, has_spare;
    char base[32];      // "plugkit://8f3a05c1d2e4b6a7"
    unsigned char certificate[PK__AUTHORITY_DER];
    size_t certificate_len;
} pk__authority;

typedef struct pk__authority_issued {
    unsigned char certificate[PK__AUTHORITY_DER], key[PK__AUTHORITY_KEY]; // DER
    size_t certificate_len, key_len;
    char uri[PK__AUTHORITY_URI], host[PK__AUTHORITY_URI]; // host: room for whoever tells of it
} pk__authority_issued;

/* Caller's memory, zeroed; not moved. Errors: PK_ERR_OS (no random numbers), PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__authority_make(pk__authority *a, pk_error *err);
PK__FN void pk__authority_deinit(pk__authority *a); // zeroed: does nothing
PK__FN void pk__authority_name(const pk__authority *a, const char *who, char out[PK__AUTHORITY_URI]);
/* A certificate for `who`, with a key of its own, from now on. To be wiped. */
PK__FN pk_err pk__authority_issue(pk__authority *a, const char *who, pk__authority_issued *out, pk_error *err);
PK__FN void pk__authority_wipe(void *bytes, size_t len); // not to be optimised away
PK__FN void pk__authority_prepare(pk__authority *a); // makes the next key, if there is none
PK__FN void pk__authority_date(char out[16], int64_t seconds); // as certificates write it
/* How long a certificate that is issued now is used before the next one takes its place. */
PK__FN uint32_t pk__authority_renew_ms(void);

#endif
#endif
