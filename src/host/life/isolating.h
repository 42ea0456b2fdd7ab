/* isolating.h - the limits of plugins as life sees them: which ones its rule has, and what the launcher says of them.
 *
 * A launcher that is given limits has to say what of them holds before its start returns; one that does not, because it
 * is the user's and older than this, gets no plugin started: who asks for limits relies on them. Without
 * PLUGKIT_WITH_ISOLATE all of this is nothing. */
#ifndef PK__ISOLATING_H
#define PK__ISOLATING_H
#include "life.h"

#ifdef PLUGKIT_WITH_ISOLATE
PK__FN void pk__isolating_prepare(pk_launch *l);
PK__FN void pk__isolating_check(pk_launch *l); // after the start: sets l->failure if limits are asked for and not given
#else
static inline void pk__isolating_prepare(pk_launch *l)
{
    (void)l;
}

static inline void pk__isolating_check(pk_launch *l)
{
    (void)l;
}
#endif
#endif
