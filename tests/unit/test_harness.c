/* test_harness.c - the harness itself: what must fail does fail. Each row below is a small test, run by the harness in
 * a process of its own, whose failures are expected. */
#include "unit.h"

#include <pthread.h>

TEST(harness, passes_when_checks_hold)
{
    CHECK(true);
    CHECK_INT(-1, <, 2);
    CHECK_UINT(SIZE_MAX, >, 2u);
    CHECK_STR("a", "a");
    CHECK_CONTAINS("cannot open 'x'", "open");
    CHECK_MEM("ab", "ac", 1);
    CHECK_PK_STR(PK_STR("x"), "x");
    CHECK_OK(PK_OK);
    CHECK_ERR(PK_ERR_PARSE, PK_ERR_PARSE);
    REQUIRE(TRY(true) && TRY_OK(PK_OK));
}

TEST_EXITS(harness, sees_a_signal, SIGABRT)
{
    abort();
}

TEST_EXITS(harness, sees_an_exit_status, TEST_STATUS(3))
{
    exit(3);
}

TEST(harness, runs_in_an_empty_folder_of_its_own)
{
    int count = 0;
    DIR *dir = opendir(".");
    REQUIRE(dir != NULL);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    CHECK_INT(count, ==, 2); // . and ..
}

/* ---- bad tests */

static void harness_fails_softly(void)
{
    CHECK_INT(1, ==, 2);
    CHECK_STR("a", "b");
    CHECK_ERR(PK_ERR_PARSE, PK_OK);
}

static void harness_fails_in_a_helper(void)
{
    REQUIRE(1 == 2);
    abort(); // not reached
}

static void harness_leaks_a_descriptor(void)
{
    CHECK(dup(0) >= 0);
}

static void harness_closes_a_foreign_descriptor(void)
{
    close(0);
}

static void harness_leaks_memory(void)
{
    CHECK(pk__resize(test_alloc(), NULL, 0, 10) != NULL);
}

static void harness_writes_behind_a_block(void)
{
    char *p = (char *)pk__resize(test_alloc(), NULL, 0, 10);
    memset(p, 0, 11);
    pk__resize(test_alloc(), p, 10, 0);
}

static void harness_frees_with_a_wrong_size(void)
{
    pk__resize(test_alloc(), pk__resize(test_alloc(), NULL, 0, 10), 9, 0);
}

static void harness_leaks_a_zombie(void)
{
    siginfo_t info;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
}

static void harness_leaks_a_child(void)
{
    if (fork() == 0) {
        pause();
        _exit(0);
    }
}

static void *harness_sleep(void *unused)
{
    pause();
    return unused;
}

static void harness_leaks_a_thread(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, harness_sleep, NULL) == 0);
}

static void harness_leaves_an_orphan(void)
{
    int left[2]; // the group; before that it would be killed with the rest of it, and be no orphan to look for
    char end;
    CHECK(pipe(left) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            setsid();
            close(left[0]);
            close(left[1]);
            pause();
        }
        _exit(0);
    }
    close(left[1]);
    CHECK(waitpid(pid, NULL, 0) == pid);
    CHECK(read(left[0], &end, 1) == 0);
    close(left[0]);
}

static void harness_reads_behind_guarded_bytes(void)
{
    const volatile char *p = test_guarded("abc", 3);
    CHECK(p[2] == 'c');
    CHECK(p[3] == 0);
}

static void harness_hangs(void)
{
    for (;;) {
        pause();
    }
}

static void harness_exits(void)
{
    exit(3);
}

static void harness_skips(void)
{
    SKIP("on purpose");
}

/* Runs a bad test as main would, with its output in a file; gives the result and the output. */
static int harness_outcome(void (*run)(void), int exits, char *out, size_t cap)
{
    const test_case c = {"bad", "test", run, exits, 1, NULL};
    char mine[sizeof(test_now.folder)];
    memcpy(mine, test_now.folder, sizeof(mine));
    int before = dup(1), file = open("output", O_RDWR | O_CREAT | O_TRUNC, 0600);
    fflush(stdout);
    dup2(file, 1);
    int result = test__run_apart(&c);
    fflush(stdout);
    dup2(before, 1);
    ssize_t n = pread(file, out, cap - 1, 0);
    out[n > 0 ? n : 0] = '\0';
    close(before);
    close(file);
    CHECK_INT(access(test_now.folder, F_OK), ==, -1); // its folder is gone
    memcpy(test_now.folder, mine, sizeof(mine));
    return result;
}

TEST(harness, fails_bad_tests_and_says_why)
{
    static const struct {
        const char *says;
        void (*run)(void);
    } rows[] = {
        {"1 == 2: 1 against 2", harness_fails_softly},
        {"expected \"b\"", harness_fails_softly},
        {"PK_ERR_PARSE, expected PK_OK", harness_fails_softly},
        {"REQUIRE(1 == 2)", harness_fails_in_a_helper},
        {"is still open", harness_leaks_a_descriptor},
        {"descriptor 0, which is not the test's", harness_closes_a_foreign_descriptor},
        {"1 blocks of test_alloc()", harness_leaks_memory},
        {"signal 6", harness_writes_behind_a_block},
        {"signal 6", harness_frees_with_a_wrong_size},
        {"was not waited for", harness_leaks_a_zombie},
        {"a child is still running", harness_leaks_a_child},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("row %zu", i)
        {
            char out[4096];
            CHECK_INT(harness_outcome(rows[i].run, 0, out, sizeof(out)), ==, TEST__FAILED);
            CHECK_CONTAINS(out, rows[i].says);
        }
    }
}

TEST(harness, finds_threads)
{
    char out[4096];
    if (test__threads() == 0) {
        SKIP("threads cannot be counted here");
    }
    CHECK_INT(harness_outcome(harness_leaks_a_thread, 0, out, sizeof(out)), ==, TEST__FAILED);
    CHECK_CONTAINS(out, "threads are still running");
}

TEST(harness, kills_orphans_by_their_folder)
{
    char out[4096];
    if (access("/proc/self/cwd", F_OK) != 0) {
        SKIP("there is no /proc");
    }
    CHECK_INT(harness_outcome(harness_leaves_an_orphan, 0, out, sizeof(out)), ==, TEST__FAILED);
    CHECK_CONTAINS(out, "had to be killed");
}

TEST(harness, leaves_out_what_cannot_work_here_and_says_why)
{
    static const struct {
        const char *name, *why;
    } rows[] = {
        {"one", "there is no moon"}, {"two", "a long one, with commas"}, {"three", NULL}, {"on", NULL}, {"#", NULL},
    };
    FILE *file = fopen("list", "w");
    REQUIRE(file != NULL);
    fputs("# module name why\n\nother three it is another module's\nm   one  there is no moon\n"
          "m two a long one, with commas\nm three", file);
    fclose(file);
    setenv("TEST_EXCEPT", "list", 1);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].name) {
            test_case c = {.module = "m", .name = rows[i].name};
            CHECK_STR(test__exception(&c), rows[i].why);
        }
    }
    setenv("TEST_EXCEPT", "", 1);
    CHECK(test__exception(&(test_case){.module = "m", .name = "one"}) == NULL);
}

TEST(harness, guards_pages)
{
    char out[4096];
    CHECK_INT(harness_outcome(harness_reads_behind_guarded_bytes, 0, out, sizeof(out)), ==, TEST__FAILED);
}

TEST(harness, ends_what_hangs)
{
    char out[4096];
    setenv("TEST_TIMEOUT_MS", "50", 1);
    CHECK_INT(harness_outcome(harness_hangs, 0, out, sizeof(out)), ==, TEST__FAILED);
    CHECK_CONTAINS(out, "took longer than 50 ms");
}

TEST(harness, knows_three_outcomes)
{
    char out[4096];
    CHECK_INT(harness_outcome(harness_skips, 0, out, sizeof(out)), ==, TEST__SKIPPED);
    CHECK_CONTAINS(out, "SKIP on purpose");
    CHECK_INT(harness_outcome(harness_exits, TEST_STATUS(3), out, sizeof(out)), ==, TEST__PASSED);
    CHECK_INT(harness_outcome(harness_exits, TEST_STATUS(4), out, sizeof(out)), ==, TEST__FAILED);
    CHECK_INT(harness_outcome(harness_exits, SIGSEGV, out, sizeof(out)), ==, TEST__FAILED);
}

TEST(harness, feeds_prefixes_and_splits)
{
    size_t prefixes = 0, splits = 0;
    EACH_PREFIX("abc", 3, part, len)
    {
        prefixes += len + 1;
        CHECK_MEM(part, "abc", len);
    }
    EACH_SPLIT(3, cut)
    {
        splits += cut;
    }
    CHECK_UINT(prefixes, ==, 1 + 2 + 3);
    CHECK_UINT(splits, ==, 0 + 1 + 2 + 3);
}

TEST(harness, fails_the_nth_allocation)
{
    test_alloc_fail_at(2);
    void *a = pk__resize(test_alloc(), NULL, 0, 8), *b = pk__resize(test_alloc(), NULL, 0, 8);
    void *c = pk__resize(test_alloc(), NULL, 0, 8);
    CHECK(a && !b && c);
    pk__resize(test_alloc(), a, 8, 0);
    pk__resize(test_alloc(), c, 8, 0);
    CHECK_INT(test_alloc_live(), ==, 0);
}

#ifdef TEST_TORTURE
static void harness_careless(void)
{
    char *p = (char *)pk__resize(test_alloc(), NULL, 0, 8);
    *p = 1; // nobody looked whether there is one
    pk__resize(test_alloc(), p, 8, 0);
}

static void harness_untidy(void)
{
    void *p = pk__resize(test_alloc(), NULL, 0, 8), *q = pk__resize(test_alloc(), NULL, 0, 8);
    if (!TRY(p && q)) {
        return; // one of them may be left
    }
    pk__resize(test_alloc(), p, 8, 0);
    pk__resize(test_alloc(), q, 8, 0);
}

static void harness_torture_careless(void)
{
    torture_run(harness_careless);
}

static void harness_torture_untidy(void)
{
    torture_run(harness_untidy);
}

TEST(harness, torture_finds_careless_and_untidy_code)
{
    char out[4096];
    CHECK_INT(harness_outcome(harness_torture_careless, 0, out, sizeof(out)), ==, TEST__FAILED);
    CHECK_CONTAINS(out, "PK_TORTURE_AT=a1");
    CHECK_INT(harness_outcome(harness_torture_untidy, 0, out, sizeof(out)), ==, TEST__FAILED);
    CHECK_CONTAINS(out, "blocks of test_alloc()");
}

TEST_TORTURE(harness, torture_passes_tidy_code)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    int fd = PK__SYS(open)("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (!TRY(fd >= 0) || !TRY(pk_mem_get(&mem, 100) != NULL) || !TRY(PK__SYS(write)(fd, "x", 1) == 1)) {
        goto out;
    }
    char c = 0;
    if (TRY(PK__SYS(pread)(fd, &c, 1, 0) == 1)) {
        CHECK_INT(c, ==, 'x');
    }
out:
    if (fd >= 0) {
        PK__SYS(close)(fd);
    }
    pk_mem_free(&mem);
}
#endif
