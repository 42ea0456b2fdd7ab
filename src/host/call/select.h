/* select.h - which instance gets the next attempt: the manager's half of pk__router.
 *
 * `take` finds the services that the call asks for, internal ones first, and takes a ready instance. Is there none, it
 * notes a wish on the plugin, which *life* grants, and queues the caller's waiter. A wish is granted once: a waiter
 * that was woken because the start failed gets that failure, and does not wish again. */
#ifndef PK__SELECT_H
#define PK__SELECT_H
#include "../registry/registry.h"

PK__FN pk__router pk__select_router(pk__registry *r);

#endif
