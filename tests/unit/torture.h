/* torture.h - runs a test again and again, and lets something fail each time.
 *
 *     TEST_TORTURE(manager, starts_and_stops)
 *     {
 *         pk_manager *m = NULL;
 *         if (!TRY_OK(pk_manager_create(&m, &desc, NULL))) {
 *             goto out;              // give up tidily: what is left behind fails the test
 *         }
 *         CHECK(...);                // must hold whenever it is reached
 *     out:
 *         pk_manager_destroy(m);
 *     }
 *
 * The first run is unharmed and counts allocations (those through test_alloc()) and system calls (through PK__SYS).
 * Then each of them fails in turn, in a process and a folder of its own, with the checks for leaks that every test
 * has. A failure is injected once; in `make torture` also from then on: all later allocations, and the next 64 calls
 * (not for ever: a loop around EINTR has a right to go on).
 *
 * `make test` takes a sample, chosen by a seed that is printed (TORTURE_SEED=n repeats it); PK_TORTURE=all takes all.
 * PK_TORTURE_AT=a17 (or c17, A17, C17: capitals fail for good) repeats one in place, for a debugger. */
#ifndef TORTURE_H
#define TORTURE_H
#ifdef PK__SYS

#define TEST_TORTURE(module, what)                                                                          \
    static void torture_##module##_##what(void);                                                            \
    TEST__CASE(module, what, 0, 12)                                                                         \
    {                                                                                                       \
        torture_run(torture_##module##_##what);                                                             \
    }                                                                                                       \
    static void torture_##module##_##what(void)

enum { TORTURE_SAMPLE = 40, TORTURE_CALLS_FOR_GOOD = 64 };

/* What a repetition tells the process that waits for it. */
typedef struct torture_report {
    long allocations, calls;
    char failed[32]; // what was made to fail
} torture_report;

static torture_report *torture_shared;

/* kind: 'a' allocation, 'c' system call, a capital for good; 0 = unharmed. Runs here. */
static void torture_once(void (*body)(void), char kind, long at)
{
    pk__sys_reset();
    test_points.count = 0;
    test_points.fail_at = kind == 'a' || kind == 'A' ? at : 0;
    test_points.persistent = kind == 'A';
    test_now.torture = kind != 0;
    if (kind == 'c' || kind == 'C') {
        pk__sys_fail_at = (uint32_t)at;
        pk__sys_fail_times = kind == 'C' ? TORTURE_CALLS_FOR_GOOD : 0;
    }
    body();
    if (torture_shared) {
        const char *name = test_points.name ? test_points.name : pk__sys_failed ? pk__sys_failed : "nothing";
        torture_shared->allocations = test_points.count;
        torture_shared->calls = (long)pk__sys_count.all;
        snprintf(torture_shared->failed, sizeof(torture_shared->failed), "%s", name);
    }
    test_points.fail_at = 0;
    pk__sys_fail_at = 0;
    test_now.torture = false;
}

static struct {
    void (*body)(void);
    char kind;
    long at;
} torture_now;

static void torture_body(void)
{
    torture_once(torture_now.body, torture_now.kind, torture_now.at);
}

/* One repetition in a process of its own, and everything that could be left behind looked for. */
static bool torture_apart(void (*body)(void), char kind, long at)
{
    int status = 0;
    char folder[sizeof(test_now.folder)];
    REQUIRE(test__folder(folder, sizeof(folder)));
    torture_now.body = body;
    torture_now.kind = kind;
    torture_now.at = at;
    snprintf(torture_shared->failed, sizeof(torture_shared->failed), "%s", "something"); // all that one that hangs says
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        test_now.failed = 0; // of this repetition, not of those before
        if (chdir(folder) != 0 || setenv("TMPDIR", folder, 1) != 0) {
            _exit(1);
        }
        test__run_here(torture_body);
        fflush(stdout);
        exit(test_now.failed ? 1 : 0);
    }
    setpgid(pid, pid);
    bool in_time = test__wait(pid, 10000, &status);
    kill(-pid, SIGKILL);
    int orphans = test__sweep(folder);
    test__remove(folder);
    if (in_time && orphans == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    test__failed("torture", 0, "%s%s%.0d when %s (%c) number %ld failed; repeat with PK_TORTURE_AT=%c%ld",
                 !in_time              ? "did not end"
                 : orphans             ? "left processes behind"
                 : WIFSIGNALED(status) ? "died by "
                                       : "failed",
                 WIFSIGNALED(status) && in_time ? strsignal(WTERMSIG(status)) : "", orphans, torture_shared->failed,
                 kind ? kind : '-', at, kind ? kind : '-', at);
    return false;
}

/* xorshift: the sample must be the same for the same seed everywhere. */
static uint32_t torture_next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void torture_all(void (*body)(void), long allocations, long calls)
{
    const char *kinds = "acAC";
    for (int k = 0; kinds[k]; k++) {
        long last = kinds[k] == 'a' || kinds[k] == 'A' ? allocations : calls;
        for (long at = 1; at <= last && test_now.failed < 20; at++) {
            torture_apart(body, kinds[k], at);
        }
    }
}

static void torture_sample(void (*body)(void), long allocations, long calls)
{
    const char *text = getenv("TORTURE_SEED");
    uint32_t seed = text ? (uint32_t)strtoul(text, NULL, 10) : (uint32_t)(test__ms() * 2654435761) | 1;
    int64_t limit = test__ms() + 5000; // one slow test must not take all the time there is
    printf("# torture: %ld allocations, %ld calls; TORTURE_SEED=%u\n", allocations, calls, (unsigned)seed);
    for (int i = 0; i < TORTURE_SAMPLE && test__ms() < limit && test_now.failed < 5; i++) {
        long at = 1 + (long)(torture_next(&seed) % (uint32_t)(allocations + calls));
        torture_apart(body, at <= allocations ? 'a' : 'c', at <= allocations ? at : at - allocations);
    }
}

static TEST__UNUSED void torture_run(void (*body)(void))
{
    const char *mode = getenv("PK_TORTURE"), *one = getenv("PK_TORTURE_AT");
    if (one) {
        torture_once(body, one[0], atol(one + 1));
        return;
    }
    torture_shared = (torture_report *)mmap(NULL, sizeof(*torture_shared), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(torture_shared != (torture_report *)MAP_FAILED);
    if (torture_apart(body, 0, 0)) {
        long allocations = torture_shared->allocations, calls = torture_shared->calls;
        if (mode && strcmp(mode, "all") == 0) {
            torture_all(body, allocations, calls);
        } else if (allocations + calls > 0) {
            torture_sample(body, allocations, calls);
        }
    }
    munmap(torture_shared, sizeof(*torture_shared));
    torture_shared = NULL;
}

#endif
#endif
