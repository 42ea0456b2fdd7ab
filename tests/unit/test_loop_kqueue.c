/* test_loop_kqueue.c - the tests of the loop again where kqueue is a library's (libkqueue, on Linux): with it as one of
 * the backends. On macOS and the BSDs it is one of them in test_loop.c. The Makefile says whether there is one.
 *
 * The library has a thread and descriptors of its own, and gives back those of a closed kqueue a moment later. */
#define UNIT_WHOLE
#ifdef PLUGKIT_TEST_KQUEUE
static void kqueue_begin(void), kqueue_settle(void);
#define TEST_SETUP() kqueue_begin()
#define TEST_TEARDOWN() kqueue_settle()
#include "test_loop.c"

/* Neither does it give back all of its memory. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libkqueue";
}

static size_t kqueue_own; // descriptors that stay

static void kqueue_begin(void)
{
    size_t count = 0;
    int fd = kqueue();
    struct kevent change;
    EV_SET(&change, 0, EVFILT_READ, EV_ADD, 0, 0, NULL);
    (void)kevent(fd, &change, 1, NULL, 0, NULL);
    close(fd);
    for (int quiet = 0; quiet < 50; quiet++) { // until their number does not change any more
        size_t now = pk__fd_count();
        quiet = now == count ? quiet : 0;
        count = now;
        test__nap(1);
    }
    kqueue_own = count;
}

static void kqueue_settle(void)
{
    int64_t limit = test__ms() + 2000;
    while (pk__fd_count() > kqueue_own && test__ms() < limit) {
        test__nap(1);
    }
}
#else
#include "unit.h"

TEST(loop_kqueue, needs_a_library_with_kqueue)
{
    SKIP("not run: pkg-config knows no libkqueue");
}
#endif
