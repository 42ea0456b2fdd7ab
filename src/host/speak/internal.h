/* internal.h - the dialect of plugins that are compiled in: no bytes move, the service is run on the spot.
 *
 * It is what pk_call takes to an internal plugin, so that raw calls, interceptors and people on a command line see one
 * kind of plugin. Typed callers jump past it (api/contract.h). */
#ifndef PK__INTERNAL_H
#define PK__INTERNAL_H
#include "../../rpc/call.h"

typedef struct pk__internal { // the channel; caller's memory
    const pk_alloc *alloc;
    const pk_service *services;
    size_t count;
} pk__internal;

PK__FN const pk_dialect *pk__internal_dialect(void);

#endif
