/* clock.c - the two clocks, and the one that tests set. */
#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#ifdef PLUGKIT_TEST
static int64_t pk__clock_faked_ns; // 0 = the real one; tests run where 64 bits are atomic

PK__FN int64_t pk__clock_faked(void)
{
    return __atomic_load_n(&pk__clock_faked_ns, __ATOMIC_SEQ_CST);
}

PK__FN void pk__clock_fake(int64_t ns)
{
    __atomic_store_n(&pk__clock_faked_ns, ns, __ATOMIC_SEQ_CST);
}

PK__FN void pk__clock_advance(int64_t ns)
{
    __atomic_add_fetch(&pk__clock_faked_ns, ns, __ATOMIC_SEQ_CST);
}

PK__FN void pk__clock_real(void)
{
    pk__clock_fake(0);
}
#else
PK__FN int64_t pk__clock_faked(void)
{
    return 0;
}
#endif

PK__FN bool pk__clock_is_fake(void)
{
    return pk__clock_faked() != 0;
}

#ifdef PLUGKIT_CLOCK_NS
enum { PK__CLOCK_FINE, PK__CLOCK_COARSE };

static int64_t pk__clock_read(int id)
{
    (void)id;
    return (int64_t)PLUGKIT_CLOCK_NS();
}
#else
#define PK__CLOCK_FINE CLOCK_MONOTONIC
#ifdef CLOCK_MONOTONIC_COARSE
#define PK__CLOCK_COARSE CLOCK_MONOTONIC_COARSE
#else
#define PK__CLOCK_COARSE CLOCK_MONOTONIC
#endif

static int64_t pk__clock_read(clockid_t id)
{
    struct timespec t = {0, 0};
    (void)PK__SYS(clock_gettime)(id, &t);
    return (int64_t)t.tv_sec * PK__SECOND + t.tv_nsec;
}

PK__FN int64_t pk__clock_unix_ms(void)
{
    struct timespec t = {0, 0};
    (void)PK__SYS(clock_gettime)(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / PK__MS;
}

PK__FN const char *pk__clock_text(char out[PK__CLOCK_TEXT])
{
    struct tm parts;
    int64_t ms = pk__clock_unix_ms();
    time_t seconds = (time_t)(ms / 1000);
    memset(&parts, 0, sizeof(parts));
    (void)gmtime_r(&seconds, &parts);
    size_t len = strftime(out, PK__CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out + len, PK__CLOCK_TEXT - len, ".%03dZ", (int)(ms % 1000));
    return out;
}
#endif

PK__FN int64_t pk__clock_ns(void)
{
    int64_t faked = pk__clock_faked();
    return faked ? faked : pk__clock_read(PK__CLOCK_FINE) + 1; // never 0
}

PK__FN int64_t pk__clock_coarse_ns(void)
{
    int64_t faked = pk__clock_faked();
    return faked ? faked : pk__clock_read(PK__CLOCK_COARSE) + 1;
}

PK__FN int64_t pk__clock_after_ms(int64_t ns, uint64_t ms)
{
    uint64_t room = (uint64_t)(PK_FOREVER - ns) / (uint64_t)PK__MS; // what the clock reads is not negative
    return ms >= room ? PK_FOREVER : ns + (int64_t)ms * PK__MS;
}

PK__FN int pk__clock_wait_ms(int64_t until_ns)
{
    int64_t left;
    if (pk__clock_is_fake()) {
        return 0;
    }
    if (until_ns == PK_FOREVER) {
        return -1;
    }
    left = until_ns - pk__clock_ns();
    if (left <= 0) {
        return 0;
    }
    left = (left + PK__MS - 1) / PK__MS;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

PK_API int64_t pk_now_ns(void)
{
    return pk__clock_ns();
}
