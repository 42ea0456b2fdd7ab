/* http_channel.h - calls over HTTP/1.1: what the dialects plugkit/1 and Go framework share, and what a plugin calls its
 * host with.
 *
 * A channel is a pool of connections to one server. An attempt is one exchange on one of them: `run` waits for it on
 * the caller's thread, `start` leaves it to the loop. Sent besides the user's own fields:
 *
 *     plugkit/1        PlugKit-Token, PlugKit-Type (which of several services with the same path), PlugKit-Caller,
 *                      Connect-Timeout-Ms, traceparent
 *     Go framework     Accept and Content-Type: application/json, always: its client does */
#ifndef PK__HTTP_CHANNEL_H
#define PK__HTTP_CHANNEL_H
#include "../net/http_pool.h"
#include "call.h"

typedef struct pk__http_channel_env { // the `user` of the dialects that are built on it
    const pk_alloc *alloc;
    const char *caller; // sent as PlugKit-Caller; "" = not sent
    const pk_transport *const *transports;
    size_t transport_count;
    uint32_t spin_us; // how long a call waits awake, where that pays; 0 = never
    pk_tls *tls;        // for https addresses whose endpoint has none; NULL = none
} pk__http_channel_env;

/* A dialect of this name over HTTP; `env` is borrowed. `framework` chooses the second set of fields. */
PK__FN pk_dialect pk__http_channel_dialect(const char *name, const pk__http_channel_env *env, bool framework);

#endif
