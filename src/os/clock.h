/* clock.h - what time it is, by the only two clocks that the library reads.
 *
 * Deadlines, timers and measurements use the monotonic one. Tests can set it: while it is faked, nothing
 * waits in the loop or on a condition: they come back at once, and time passes only when the test moves it.
 *
 * Firmware has a timer instead of a system: with PLUGKIT_CLOCK_NS() the monotonic clock is that, and there is no
 * other. */
#ifndef PK__CLOCK_H
#define PK__CLOCK_H
#include "sys.h"

#define PK__MS ((int64_t)1000000) // nanoseconds in a millisecond
#define PK__SECOND ((int64_t)1000000000)

PK__FN int64_t pk__clock_ns(void);      // monotonic; never 0
/* The same, but perhaps 10 ms ago: for what is counted in seconds. Costs a quarter of it where the system has one. */
PK__FN int64_t pk__clock_coarse_ns(void);
#ifndef PLUGKIT_CLOCK_NS
PK__FN int64_t pk__clock_unix_ms(void); // since 1970, for people and for logs
#define PK__CLOCK_TEXT 64
PK__FN const char *pk__clock_text(char out[PK__CLOCK_TEXT]); // now: "2026-03-01T12:00:00.125Z"
#endif
/* How long poll and its kind may wait for an absolute time: milliseconds, rounded up, at least 0; -1 for
 * PK_FOREVER. 0 while the clock is faked. */
PK__FN int pk__clock_wait_ms(int64_t until_ns);
PK__FN bool pk__clock_is_fake(void);    // always false outside of tests
/* a + ms, as far as there is time. */
PK__FN int64_t pk__clock_after_ms(int64_t ns, uint64_t ms);

#ifdef PLUGKIT_TEST
PK__FN void pk__clock_fake(int64_t ns);    // from now on it is `ns`, for all threads
PK__FN void pk__clock_advance(int64_t ns); // and now so much later
PK__FN void pk__clock_real(void);          // back to the real one
#endif
#endif
