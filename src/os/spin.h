/* spin.h - waiting awake: looking again and again for a moment, before one sleeps.
 *
 * A message that has to wake its receiver takes 20 us and more between two idle cores; one that finds it awake takes
 * two. So who has a `pk__spin` and is about to wait looks for a while first:
 *
 *     if (pk__spin_try(&spin)) { look until something is there or spin.ns have passed; pk__spin_learn(&spin, found); }
 *     if (!found) { sleep }
 *
 * Each time that nothing was found it is left alone for a while: one wait, then two, four, up to 1024. So whoever is
 * rarely spoken to, has a slow peer, or shares a core with it burns next to nothing; and one that finds something goes
 * on looking. Where only one CPU may be used there is no limit but 0: the other side could not run meanwhile. */
#ifndef PK__SPIN_H
#define PK__SPIN_H
#include "clock.h"

typedef struct pk__spin {
    int64_t ns;          // the limit; 0 = never
    uint32_t skip, last; // waits that are left without it; and how many there were the last time
} pk__spin;

PK__FN int64_t pk__spin_ns(uint32_t us); // a limit of the user's: at most a millisecond, 0 where it cannot pay
PK__FN bool pk__spin_try(pk__spin *s);   // is it worth it this time?
PK__FN void pk__spin_learn(pk__spin *s, bool found);

#endif
