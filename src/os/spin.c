/* spin.c - when waiting awake pays. */
#include "spin.h"

enum { PK__SPIN_MOST_US = 1000, PK__SPIN_SKIP = 1024 };

#ifndef PK__NO_FD
PK__FN int64_t pk__spin_ns(uint32_t us)
{
    if (PK__SMALL || us == 0 || PK__SYS(cpu_count)() < 2) {
        return 0;
    }
    return (int64_t)PK__MIN(us, (uint32_t)PK__SPIN_MOST_US) * 1000;
}
#else // nobody to ask
PK__FN int64_t pk__spin_ns(uint32_t us)
{
    (void)us;
    return 0;
}
#endif

PK__FN bool pk__spin_try(pk__spin *s)
{
    bool may = !PK__SMALL && s->ns > 0 && !pk__clock_is_fake(); // by a faked clock the moment would never pass
    if (may && s->skip > 0) {
        s->skip--;
        may = false;
    }
    return may;
}

PK__FN void pk__spin_learn(pk__spin *s, bool found)
{
    s->last = found ? 0 : s->last ? PK__MIN(s->last * 2, (uint32_t)PK__SPIN_SKIP) : 1;
    s->skip = s->last;
}
