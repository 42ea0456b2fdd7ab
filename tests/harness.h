/* harness.h - tests in C, in one file.
 *
 *     #define PLUGKIT_IMPLEMENTATION      // optional: with plugkit.h in front there are checks for its types, too
 *     #include "plugkit.h"
 *     #include "harness.h"
 *
 *     TEST(shout, makes_text_loud)
 *     {
 *         char *text = shout("hi");
 *         REQUIRE(text != NULL);           // stops this test
 *         CHECK_STR(text, "HI");           // goes on; shows both values
 *         free(text);
 *     }
 *
 *     cc test_shout.c -o test_shout && ./test_shout
 *
 * There is no main to write and no list to keep: each TEST registers itself. Each runs in a process and an empty
 * folder of its own (also its TMPDIR), which are gone afterwards. It fails when it takes longer than ten seconds
 * (TEST_TIMEOUT_MS in the environment changes that), dies, or leaves anything behind: descriptors, children, threads,
 * processes that still stand in its folder, blocks taken from test_alloc(). Output is TAP; the last line is
 * "N passed, N failed".
 *
 *     ./test_x                run all                ./test_x NAME       run one in this very process, for debuggers
 *     ./test_x --list         print the names        ./test_x --filter T those whose "module: name" contains T
 *
 * The checks. Every one shows file, line and the expression; those with two operands show both values.
 *
 *     CHECK(x)  REQUIRE(x)               x is true; REQUIRE ends the test
 *     CHECK_INT(a, ==, b)                signed; any comparison operator
 *     CHECK_UINT(a, <=, b)               unsigned, sizes
 *     CHECK_STR(a, b)                    C strings
 *     CHECK_MEM(a, b, n)                 n bytes
 *     CHECK_CONTAINS(text, part)         a C string within another
 *     CHECK_OK(call)  REQUIRE_OK(call)   a pk_err that is PK_OK
 *     CHECK_ERR(call, PK_ERR_X)          a pk_err that is that one
 *     CHECK_PK_STR(pk_str, "text")       same bytes
 *     FAIL("why %d", n)  SKIP("why")     end the test
 *     CASE("row %s", name) { ... }       failures inside name the row: for loops over tables
 *
 * TEST_EXITS(module, what, SIGABRT) must die by that signal; TEST_EXITS(module, what, TEST_STATUS(3)) must exit so.
 *
 * Helpers: test_alloc() counts and can fail (test_alloc_fail_at); test_guarded() puts bytes right before a page that
 * cannot be touched; EACH_PREFIX and EACH_SPLIT feed parsers; TRY and TRY_OK are for bodies that are run again with
 * failures. A test that must wait does so with WAIT_UNTIL(condition), never with a sleep.
 *
 * TEST_SETUP() and TEST_TEARDOWN(), if they are defined first, run in each test's process before it is looked at what
 * is there, and before it is looked at what was left.
 *
 * TEST_EXCEPT=FILE names tests that cannot work where they are run, for reasons that lie outside of them (an emulator,
 * a container): lines of "module name the reason why". They are not run, and counted as skipped. */
#ifndef PK_HARNESS_H
#define PK_HARNESS_H

#ifdef NDEBUG
#error "harness.h: tests without asserts test nothing: compile them without -DNDEBUG"
#endif
#if !defined(_GNU_SOURCE) && !defined(_POSIX_C_SOURCE)
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEST__UNUSED __attribute__((unused))
#ifndef TEST_SETUP
#define TEST_SETUP() ((void)0)
#endif
#ifndef TEST_TEARDOWN
#define TEST_TEARDOWN() ((void)0)
#endif

/* ---- registration */

typedef struct test_case {
    const char *module, *name;
    void (*run)(void);
    int exits; // 0 = returns; a signal; TEST_STATUS(code)
    int patience; // times the usual timeout
    struct test_case *next;
} test_case;

#define TEST_STATUS(code) (1000 + (code))

#define TEST(module, what) TEST__CASE(module, what, 0, 1)
#define TEST_EXITS(module, what, how) TEST__CASE(module, what, how, 1)
#define TEST__CASE(module, what, how, patience)                                                             \
    static void test_##module##_##what(void);                                                               \
    static test_case test__case_##module##_##what = {#module, #what, test_##module##_##what, how, patience, NULL}; \
    __attribute__((constructor)) static void test__add_##module##_##what(void)                              \
    {                                                                                                       \
        test__register(&test__case_##module##_##what);                                                      \
    }                                                                                                       \
    static void test_##module##_##what(void)

/* ---- state of the running test: one process, one test */

static struct {
    test_case *first, **last;
    volatile int failed;   // checks that did not hold
    volatile bool skipped;
    volatile bool torture; // a failure is being injected: TRY may be false
    bool has_jump;
    jmp_buf jump;          // out of the test: REQUIRE, SKIP
    pid_t pid;             // of the process that jump belongs to
    char row[160];         // CASE
    char folder[4096];     // the test's own
} test_now;

static TEST__UNUSED void test__register(test_case *c)
{
    if (!test_now.last) {
        test_now.last = &test_now.first;
    }
    *test_now.last = c;
    test_now.last = &c->next;
}

/* Ends the running test at once, also from a function that it called. */
static TEST__UNUSED void test__leave(void)
{
    if (test_now.has_jump && test_now.pid == getpid()) {
        longjmp(test_now.jump, 1);
    }
    fflush(stdout);
    _exit(test_now.failed ? 1 : 0); // a process that the test forked
}

static TEST__UNUSED void test__failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static TEST__UNUSED void test__failed(const char *file, int line, const char *format, ...)
{
    va_list args;
    test_now.failed++;
    printf("# %s:%d: ", file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("%s%s\n", test_now.row[0] ? " -- " : "", test_now.row);
    fflush(stdout);
}

/* ---- checks */

#define CHECK(x) ((x) ? (void)0 : test__failed(__FILE__, __LINE__, "CHECK(%s)", #x))
#define REQUIRE(x) ((x) ? (void)0 : (test__failed(__FILE__, __LINE__, "REQUIRE(%s)", #x), test__leave()))
#define FAIL(...) (test__failed(__FILE__, __LINE__, __VA_ARGS__), test__leave())
#define SKIP(why) (printf("# SKIP %s\n", (why)), test_now.skipped = true, test__leave())

#define CHECK_INT(a, op, b)                                                                                 \
    do {                                                                                                    \
        long long test__a = (long long)(a), test__b = (long long)(b);                                       \
        if (!(test__a op test__b)) {                                                                        \
            test__failed(__FILE__, __LINE__, "%s %s %s: %lld against %lld", #a, #op, #b, test__a, test__b); \
        }                                                                                                   \
    } while (0)
#define CHECK_UINT(a, op, b)                                                                                \
    do {                                                                                                    \
        unsigned long long test__a = (unsigned long long)(a), test__b = (unsigned long long)(b);            \
        if (!(test__a op test__b)) {                                                                        \
            test__failed(__FILE__, __LINE__, "%s %s %s: %llu against %llu", #a, #op, #b, test__a, test__b); \
        }                                                                                                   \
    } while (0)
#define CHECK_STR(a, b) test__str(__FILE__, __LINE__, #a, (a), (b))
#define CHECK_CONTAINS(text, part) test__contains(__FILE__, __LINE__, #text, (text), (part))
#define CHECK_MEM(a, b, n) test__mem(__FILE__, __LINE__, #a, (a), (size_t)(n), (b), (size_t)(n))

/* Text with everything unprintable as \xNN, cut at 400 bytes; from a ring of four static buffers. */
static TEST__UNUSED const char *test__shown(const void *bytes, size_t len)
{
    static char rings[4][1700];
    static unsigned turn;
    char *out = rings[turn++ % 4], *at = out;
    const unsigned char *in = (const unsigned char *)bytes;
    if (!in && len) {
        return "NULL";
    }
    *at++ = '"';
    for (size_t i = 0; i < len && i < 400; i++) {
        if (in[i] < 0x20 || in[i] >= 0x7f || in[i] == '\\' || in[i] == '"') {
            at += snprintf(at, 5, "\\x%02x", in[i]);
        } else {
            *at++ = (char)in[i];
        }
    }
    snprintf(at, 32, "\"%s", len > 400 ? "..." : "");
    return out;
}

static TEST__UNUSED void test__mem(const char *file, int line, const char *what, const void *a, size_t a_len,
                                   const void *b, size_t b_len)
{
    size_t at = 0;
    const char *x = (const char *)a, *y = (const char *)b;
    if (a_len == b_len && (a_len == 0 || (a && b && memcmp(a, b, a_len) == 0))) {
        return;
    }
    while (a && b && at < a_len && at < b_len && x[at] == y[at]) {
        at++;
    }
    test__failed(file, line, "%s: %s (%zu bytes)\n#     expected %s (%zu bytes)\n#     first difference at %zu", what,
                 test__shown(a, a_len), a_len, test__shown(b, b_len), b_len, at);
}

static TEST__UNUSED void test__str(const char *file, int line, const char *what, const char *a, const char *b)
{
    if (!a || !b) {
        if (a != b) {
            test__failed(file, line, "%s: %s, expected %s", what, a ? test__shown(a, strlen(a)) : "NULL",
                         b ? test__shown(b, strlen(b)) : "NULL");
        }
        return;
    }
    test__mem(file, line, what, a, strlen(a), b, strlen(b));
}

static TEST__UNUSED void test__contains(const char *file, int line, const char *what, const char *text,
                                        const char *part)
{
    if (!text || !strstr(text, part)) {
        test__failed(file, line, "%s: %s, expected it to contain \"%s\"", what,
                     text ? test__shown(text, strlen(text)) : "NULL", part);
    }
}

/* A row of a table: for (...) { CASE("input %s", row->in) { checks } } */
#define CASE(...)                                                                                           \
    for (bool test__once = test__row(__VA_ARGS__); test__once; test__once = false, test_now.row[0] = '\0')
static TEST__UNUSED bool test__row(const char *format, ...) __attribute__((format(printf, 1, 2)));
static TEST__UNUSED bool test__row(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(test_now.row, sizeof(test_now.row), format, args);
    va_end(args);
    return true;
}

/* For bodies that are repeated with injected failures (TEST_TORTURE): false means give up tidily, as in
 *     if (!TRY_OK(pk_thing_create(&thing, &err))) { goto out; }
 * Without an injected failure a false one fails the test. */
#define TRY(x) test__try(__FILE__, __LINE__, #x, (x))
static TEST__UNUSED bool test__try(const char *file, int line, const char *what, bool good)
{
    if (!good && !test_now.torture) {
        test__failed(file, line, "TRY(%s)", what);
    }
    return good;
}

/* ---- waiting: polls every millisecond until the condition holds; the test's timeout is the limit. */
#define WAIT_UNTIL(condition)                                                                               \
    while (!(condition)) {                                                                                  \
        test__nap(1);                                                                                       \
    }
static TEST__UNUSED void test__nap(long ms)
{
    struct timespec t;
    t.tv_sec = ms / 1000;
    t.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&t, NULL);
}

static TEST__UNUSED int64_t test__ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- bytes flush against a page that cannot be touched: reading one byte too many is a crash.
 * The copy lives until the test ends, or until test_guarded_free. */
static TEST__UNUSED size_t test__guarded_size(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (len + page - 1) / page * page + page;
}

static TEST__UNUSED char *test_guarded(const void *bytes, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = test__guarded_size(len);
    char *base = (char *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(base != (char *)MAP_FAILED);
    REQUIRE(mprotect(base + size - page, page, PROT_NONE) == 0);
    if (len) {
        memcpy(base + size - page - len, bytes, len);
    }
    return base + size - page - len;
}

static TEST__UNUSED void test_guarded_free(char *guarded, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = test__guarded_size(len);
    munmap(guarded + len + page - size, size);
}

/* EACH_PREFIX(text, len, part, part_len) { ... }: every proper prefix, the empty one first, each in guarded memory.
 * EACH_SPLIT(len, cut) { first `cut` bytes, then the rest }: every way to receive a message in two pieces. */
#define EACH_PREFIX(text, len, part, part_len)                                                              \
    for (size_t part_len = 0; part_len < (size_t)(len); part_len++)                                         \
        for (char *part = test_guarded((text), part_len); part; test_guarded_free(part, part_len), part = NULL)
#define EACH_SPLIT(len, cut) for (size_t cut = 0; cut <= (size_t)(len); cut++)

/* ---- fallible points: what a torture run counts and fails. Allocations are counted here; tests/unit/torture.h adds
 * system calls. Point numbers begin with 1. */
static struct {
    long count;        // points passed so far
    long fail_at;      // this one fails; 0 = none
    bool persistent;   // and all after it
    const char *name;  // of the point that failed first
} test_points;

static TEST__UNUSED bool test_point(const char *name)
{
    long n = __sync_add_and_fetch(&test_points.count, 1);
    if (test_points.fail_at == 0 || n < test_points.fail_at || (n > test_points.fail_at && !test_points.persistent)) {
        return false;
    }
    if (n == test_points.fail_at) {
        test_points.name = name;
    }
    return true;
}

/* ---- what knows about PlugKit's types */
#ifdef PK_VERSION

#define CHECK_OK(call) test__err(__FILE__, __LINE__, #call, (call), PK_OK)
#define CHECK_ERR(call, code) test__err(__FILE__, __LINE__, #call, (call), (code))
#define REQUIRE_OK(call) (test__err(__FILE__, __LINE__, #call, (call), PK_OK) ? (void)0 : test__leave())
#define CHECK_PK_STR(a, text) test__pk_str(__FILE__, __LINE__, #a, (a), (text))
#define TRY_OK(call) test__try_ok(__FILE__, __LINE__, #call, (call))

static TEST__UNUSED bool test__err(const char *file, int line, const char *what, pk_err got, pk_err expected)
{
    if (got != expected) {
        test__failed(file, line, "%s: %s, expected %s", what, pk_err_name(got), pk_err_name(expected));
    }
    return got == expected;
}

static TEST__UNUSED bool test__try_ok(const char *file, int line, const char *what, pk_err got)
{
    return got == PK_OK || (!test_now.torture && test__err(file, line, what, got, PK_OK));
}

static TEST__UNUSED void test__pk_str(const char *file, int line, const char *what, pk_str got, const char *expected)
{
    test__mem(file, line, what, got.ptr, got.len, expected, strlen(expected));
}

/* An allocator that counts, and that notices wrong sizes, double frees and writes behind a block's end. */
typedef struct test__block {
    size_t size;
    uint64_t magic;
} test__block;

#define TEST__LIVE UINT64_C(0x6c69766562797465)
#define TEST__DEAD UINT64_C(0x6465616462797465)
#define TEST__TAIL "tail...."

static struct {
    long live;    // blocks
    long fail_at; // counts down; the request that reaches 0 fails
} test__memory;

static TEST__UNUSED void *test__resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    test__block *block = ptr ? (test__block *)ptr - 1 : NULL;
    (void)user;
    if (block && (block->magic != TEST__LIVE || block->size != old_size ||
                  memcmp((char *)ptr + block->size, TEST__TAIL, 8) != 0)) {
        fprintf(stderr, "# test_alloc: block of %zu given back as %zu: freed twice, wrong size or written behind\n",
                block->size, old_size);
        abort();
    }
    if (new_size == 0) {
        if (block) {
            block->magic = TEST__DEAD;
            memset(ptr, 0xdd, old_size);
            free(block);
            __sync_sub_and_fetch(&test__memory.live, 1);
        }
        return NULL;
    }
    if (test_point("allocation") || (test__memory.fail_at > 0 && __sync_sub_and_fetch(&test__memory.fail_at, 1) == 0)) {
        return NULL;
    }
    /* Always a new place: code that keeps a pointer into the old one is found. */
    test__block *fresh = (test__block *)malloc(sizeof(test__block) + new_size + 8);
    if (!fresh) {
        return NULL;
    }
    fresh->size = new_size;
    fresh->magic = TEST__LIVE;
    memset(fresh + 1, 0xaa, new_size);
    memcpy((char *)(fresh + 1) + new_size, TEST__TAIL, 8);
    __sync_add_and_fetch(&test__memory.live, 1);
    if (block) {
        memcpy(fresh + 1, ptr, old_size < new_size ? old_size : new_size);
        test__resize(NULL, ptr, old_size, 0);
    }
    return fresh + 1;
}

/* The counting allocator. Blocks that are left when the test ends fail it. Any thread. */
static TEST__UNUSED const pk_alloc *test_alloc(void)
{
    static const pk_alloc counting = {test__resize, NULL};
    return &counting;
}

/* The n-th request from now on fails, once; 0 = none does. */
static TEST__UNUSED void test_alloc_fail_at(long n)
{
    test__memory.fail_at = n;
}

static TEST__UNUSED long test_alloc_live(void)
{
    return test__memory.live;
}

#else
static TEST__UNUSED long test_alloc_live(void)
{
    return 0;
}
#endif

/* ---- what a test may not leave behind */

enum { TEST__FDS = 1024 };

typedef struct test__state {
    bool open[TEST__FDS];
    int threads;
} test__state;

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST__TSAN
#endif
#elif defined(__SANITIZE_THREAD__)
#define TEST__TSAN
#endif

#ifdef TEST__TSAN
static TEST__UNUSED int test__threads(void)
{
    return 0; // it has a thread of its own, and reports threads that were not joined itself
}
#else
static TEST__UNUSED int test__threads(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/task"); // elsewhere than on Linux: no such folder, nothing to count
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (dir) {
        closedir(dir);
    }
    return count;
}
#endif

static TEST__UNUSED void test__look(test__state *state)
{
    state->threads = test__threads();
    for (int fd = 0; fd < TEST__FDS; fd++) {
        state->open[fd] = fcntl(fd, F_GETFD) >= 0;
    }
}

static TEST__UNUSED void test__compare(const test__state *before)
{
    test__state after;
    int64_t limit = test__ms() + 2000;
    int status;
    test__look(&after);
    for (int fd = 0; fd < TEST__FDS; fd++) {
        if (after.open[fd] && !before->open[fd]) {
            char link[64], target[256] = "?";
            snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
            ssize_t n = readlink(link, target, sizeof(target) - 1);
            target[n > 0 ? n : 0] = '\0';
            test__failed("leak", 0, "descriptor %d is still open: %s", fd, target);
        } else if (!after.open[fd] && before->open[fd]) {
            test__failed("leak", 0, "descriptor %d, which is not the test's, was closed", fd);
        }
    }
    /* A thread that was joined may be seen for a moment longer. */
    while (after.threads > before->threads && test__ms() < limit) {
        test__nap(1);
        after.threads = test__threads();
    }
    if (after.threads > before->threads) {
        test__failed("leak", 0, "%d threads are still running", after.threads - before->threads);
    }
    pid_t child = waitpid(-1, &status, WNOHANG);
    if (child >= 0) {
        test__failed("leak", 0, child ? "child %d was not waited for" : "a child is still running%.0d", (int)child);
    }
    if (test_alloc_live()) {
        test__failed("leak", 0, "%ld blocks of test_alloc() were not given back", test_alloc_live());
    }
}

/* Ends every process whose current folder is below `folder`: children inherit it, so this finds orphans too. Those that
 * are about to end get two seconds. Returns how many had to be killed. */
static TEST__UNUSED int test__sweep(const char *folder)
{
    int64_t limit = test__ms() + 2000;
    size_t len = strlen(folder);
    for (int killed = 0;;) {
        int found = 0;
        DIR *dir = opendir("/proc");
        struct dirent *entry;
        while (dir && (entry = readdir(dir)) != NULL) {
            char link[300], target[4096];
            pid_t pid = (pid_t)atoi(entry->d_name);
            if (pid <= 0 || pid == getpid()) {
                continue;
            }
            snprintf(link, sizeof(link), "/proc/%s/cwd", entry->d_name);
            ssize_t n = readlink(link, target, sizeof(target) - 1);
            target[n > 0 ? n : 0] = '\0';
            if (strncmp(target, folder, len) == 0 && (target[len] == '\0' || target[len] == '/')) {
                found++;
                if (test__ms() >= limit && kill(pid, SIGKILL) == 0) {
                    killed++;
                }
            }
        }
        if (dir) {
            closedir(dir);
        }
        if (found == 0 || test__ms() >= limit + 2000) {
            return killed;
        }
        test__nap(2);
    }
}

static TEST__UNUSED void test__remove(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        (void)chmod(path, 0700);
        DIR *dir = opendir(path);
        struct dirent *entry;
        while (dir && (entry = readdir(dir)) != NULL) {
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
                char below[4096];
                if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < (int)sizeof(below)) {
                    test__remove(below);
                }
            }
        }
        if (dir) {
            closedir(dir);
        }
        (void)rmdir(path);
    } else {
        (void)unlink(path);
    }
}

/* ---- running */

static TEST__UNUSED long test__timeout_ms(void)
{
    const char *text = getenv("TEST_TIMEOUT_MS");
    long ms = text ? atol(text) : 0;
    return ms > 0 ? ms : 10000;
}

/* Runs the body, with checks for leaks, in this process. */
static TEST__UNUSED void test__run_here(void (*body)(void))
{
    test__state before;
    test_now.pid = getpid();
    TEST_SETUP();
    test__look(&before);
    test_now.has_jump = true;
    if (setjmp(test_now.jump) == 0) {
        body();
    }
    test_now.has_jump = false;
    test_now.row[0] = '\0';
    TEST_TEARDOWN();
    if (!test_now.failed && !test_now.skipped) { // after a failure leaks are no news
        test__compare(&before);
    }
}

/* Waits for one process; after the timeout kills it with its group. False: it was killed. */
static TEST__UNUSED bool test__wait(pid_t pid, long timeout_ms, int *status)
{
    int64_t limit = test__ms() + timeout_ms, began = test__ms();
    while (waitpid(pid, status, WNOHANG) == 0) {
        if (test__ms() > limit) {
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL);
            (void)waitpid(pid, status, 0);
            return false;
        }
        struct timespec nap = {0, test__ms() - began < 5 ? 200000 : 2000000};
        nanosleep(&nap, NULL);
    }
    return true;
}

/* Makes an empty folder for one test below TMPDIR. */
static TEST__UNUSED bool test__folder(char *out, size_t cap)
{
    const char *base = getenv("TMPDIR");
    snprintf(out, cap, "%s/test-XXXXXX", base && base[0] == '/' ? base : "/tmp");
    if (!mkdtemp(out)) {
        printf("Bail out! cannot make '%s': %s\n", out, strerror(errno));
        return false;
    }
    char *real = realpath(out, NULL); // as /proc shows it
    if (real && strlen(real) < cap) {
        memcpy(out, real, strlen(real) + 1);
    }
    free(real);
    return true;
}

enum { TEST__PASSED, TEST__FAILED, TEST__SKIPPED };

/* Forks, runs one test there, and says how it went. */
static TEST__UNUSED int test__run_apart(const test_case *c)
{
    int status = 0, result;
    if (!test__folder(test_now.folder, sizeof(test_now.folder))) {
        exit(2);
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        printf("Bail out! cannot fork: %s\n", strerror(errno));
        exit(2);
    }
    if (pid == 0) {
        setpgid(0, 0);
        if (chdir(test_now.folder) != 0 || setenv("TMPDIR", test_now.folder, 1) != 0) {
            _exit(1);
        }
        test__run_here(c->run);
        fflush(stdout);
        exit(test_now.failed ? 1 : test_now.skipped ? 77 : 0); // exit: sanitizers and gcov report here
    }
    setpgid(pid, pid);
    long timeout_ms = test__timeout_ms() * c->patience;
    bool in_time = test__wait(pid, timeout_ms, &status);
    kill(-pid, SIGKILL);
    int orphans = test__sweep(test_now.folder);
    test__remove(test_now.folder);

    if (!in_time) {
        printf("# took longer than %ld ms\n", timeout_ms);
        result = TEST__FAILED;
    } else if (c->exits) {
        bool good = c->exits >= TEST_STATUS(0) ? WIFEXITED(status) && WEXITSTATUS(status) == c->exits - TEST_STATUS(0)
                                               : WIFSIGNALED(status) && WTERMSIG(status) == c->exits;
        printf("%s", good ? "" : "# did not end as it must\n");
        result = good ? TEST__PASSED : TEST__FAILED;
    } else if (WIFSIGNALED(status)) {
        printf("# died by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
        result = TEST__FAILED;
    } else if (WEXITSTATUS(status) == 77) {
        result = TEST__SKIPPED;
    } else {
        result = WEXITSTATUS(status) == 0 ? TEST__PASSED : TEST__FAILED;
        if (WEXITSTATUS(status) > 1) {
            printf("# exited with status %d\n", WEXITSTATUS(status));
        }
    }
    if (orphans) {
        printf("# %d processes had to be killed after the test\n", orphans);
        result = TEST__FAILED;
    }
    return result;
}

/* Why this test is not run here: what TEST_EXCEPT says, or NULL. */
static TEST__UNUSED const char *test__exception(const test_case *c)
{
    static char line[512];
    char module[128], name[256];
    const char *path = getenv("TEST_EXCEPT"), *why = NULL;
    FILE *file = path && path[0] ? fopen(path, "r") : NULL;
    int at = 0;
    if (!file && path && path[0]) {
        printf("Bail out! cannot open '%s': %s\n", path, strerror(errno));
        exit(2);
    }
    while (file && !why && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%127s %255s %n", module, name, &at) == 2 && strcmp(module, c->module) == 0 &&
            strcmp(name, c->name) == 0 && line[at]) {
            why = line + at;
        }
    }
    if (file) {
        fclose(file);
    }
    return why;
}

/* For debuggers: no fork, no timeout. */
static TEST__UNUSED int test__run_in_place(const test_case *c)
{
    if (!test__folder(test_now.folder, sizeof(test_now.folder)) || chdir(test_now.folder) != 0) {
        return 2;
    }
    test__run_here(c->run);
    if (chdir("/") == 0) {
        test__remove(test_now.folder);
    }
    printf("%d passed, %d failed\n", !test_now.failed, !!test_now.failed);
    return test_now.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    bool list = argc > 1 && strcmp(argv[1], "--list") == 0;
    const char *filter = argc > 2 && strcmp(argv[1], "--filter") == 0 ? argv[2] : "", *word[] = {"ok", "not ok", "ok"};
    int total = 0, number = 0, counts[3] = {0, 0, 0};

    for (const test_case *c = test_now.first; c; c = c->next) {
        char title[512];
        snprintf(title, sizeof(title), "%s: %s", c->module, c->name);
        if (list) {
            puts(title);
        } else if (argc > 1 && argv[1][0] != '-' && (strcmp(argv[1], c->name) == 0 || strcmp(argv[1], title) == 0)) {
            return test__run_in_place(c);
        }
        total += strstr(title, filter) != NULL;
    }
    if (list) {
        return 0;
    }
    if (argc > 1 && argv[1][0] != '-') {
        fprintf(stderr, "%s: there is no test '%s'; --list shows all\n", argv[0], argv[1]);
        return 2;
    }
    printf("1..%d\n", total);
    for (const test_case *c = test_now.first; c; c = c->next) {
        char title[512];
        snprintf(title, sizeof(title), "%s: %s", c->module, c->name);
        if (strstr(title, filter)) {
            const char *why = test__exception(c);
            int result = why ? TEST__SKIPPED : test__run_apart(c);
            counts[result]++;
            printf("%s %d - %s%s%s%s\n", word[result], ++number, title, result == TEST__SKIPPED ? " # SKIP" : "",
                   why ? " " : "", why ? why : "");
        }
    }
    printf("%d passed, %d failed", counts[TEST__PASSED], counts[TEST__FAILED]);
    if (counts[TEST__SKIPPED]) {
        printf(", %d skipped", counts[TEST__SKIPPED]);
    }
    printf("\n");
    return counts[TEST__FAILED] ? 1 : 0;
}

#endif
