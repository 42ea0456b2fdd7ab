/* secure.h - mutual TLS with the host, if that wants it: one pk_tls, made of what it tells on the control socket.
 *
 * It serves, and calls the host: at both ends whoever is there must have a certificate of that host's authority, and in
 * it the host's own name. So an instance of another plugin, which has a certificate of the same authority, is refused
 * like everybody else. When the host tells of the next certificate, new connections have that, and open ones go on.
 *
 * What the host has told is wiped as soon as it is in use. */
#ifndef PK__SDK_SECURE_H
#define PK__SDK_SECURE_H
#ifdef PLUGKIT_WITH_TLS
#include "../net/tls.h"
#include "../rpc/control.h"

typedef struct pk__sdk_secure {
    const pk_alloc *alloc;
    pk_tls *tls; // NULL = the host does not want it
    pk_mem mem;  // of the host's names, one for each host that we had
    const char *host;
} pk__sdk_secure;

/* Takes what was told, and wipes it: the first time, and each time. Errors: as pk_tls_create; PK_ERR_PROTOCOL. */
PK__FN pk_err pk__sdk_secure_take(pk__sdk_secure *s, const pk_alloc *alloc, pk__control_tls *told, pk_error *err);
PK__FN void pk__sdk_secure_deinit(pk__sdk_secure *s); // when nobody serves or calls any more. Zeroed: does nothing
PK__FN void pk__sdk_secure_wipe(void *bytes, size_t len);

#endif
#endif
