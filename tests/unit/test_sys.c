/* test_sys.c - the table of system calls: what every other test relies on. */
#include "unit.h"

TEST(sys, passes_calls_on_and_counts_them)
{
    char bytes[8] = "";
    int fds[2];
    pk__sys_reset();
    REQUIRE(PK__SYS(pipe)(fds, O_CLOEXEC) == 0);
    CHECK_INT(PK__SYS(write)(fds[1], "abc", 3), ==, 3);
    CHECK_INT(PK__SYS(read)(fds[0], bytes, sizeof(bytes)), ==, 3);
    CHECK_STR(bytes, "abc");
    CHECK_INT(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    CHECK_INT(PK__SYS(close)(fds[0]), ==, 0);
    CHECK_INT(PK__SYS(close)(fds[1]), ==, 0);
    CHECK_UINT(pk__sys_count.close, ==, 2);
    CHECK_UINT(pk__sys_count.all, ==, 5);
}

TEST(sys, files_are_larger_and_times_later_than_32_bits_hold)
{
    CHECK_UINT(sizeof(off_t), ==, 8);
    CHECK_UINT(sizeof(time_t), ==, 8);
    CHECK_UINT(sizeof(((struct dirent *)NULL)->d_ino), ==, 8);
}

static ssize_t read_nothing(int fd, void *buf, size_t cap)
{
    (void)fd, (void)buf, (void)cap;
    return 0;
}

TEST(sys, calls_can_be_replaced)
{
    char byte;
    pk__sys.read = read_nothing;
    CHECK_INT(PK__SYS(read)(-1, &byte, 1), ==, 0);
    pk__sys_reset();
    CHECK_INT(PK__SYS(read)(-1, &byte, 1), ==, -1);
    CHECK_INT(errno, ==, EBADF);
}

TEST(sys, the_nth_call_fails_and_a_failed_close_has_closed)
{
    char byte;
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    pk__sys_reset();
    pk__sys_fail_at = 2;
    CHECK_INT(PK__SYS(write)(fds[1], "x", 1), ==, 1);
    CHECK_INT(PK__SYS(close)(fds[1]), ==, -1);
    CHECK_INT(errno, ==, EIO);
    CHECK_STR(pk__sys_failed, "close");
    CHECK_INT(PK__SYS(read)(fds[0], &byte, 1), ==, 1); // only the one
    CHECK_INT(PK__SYS(read)(fds[0], &byte, 1), ==, 0); // the other end is closed

    pk__sys_reset();
    pk__sys_fail_at = 1;
    pk__sys_fail_times = 2;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(PK__SYS(read)(fds[0], &byte, 1), ==, -1);
    }
    CHECK_INT(PK__SYS(read)(fds[0], &byte, 1), ==, 0);
    pk__sys_reset();
    close(fds[0]);
}

TEST(sys, an_old_kernel_lacks_five_calls)
{
    const char *const argv[] = {"x", NULL};
    char *const *args = (char *const *)(uintptr_t)argv;
    pk__sys_old_kernel = 1;
    errno = 0;
    CHECK(PK__SYS(pidfd_open)(getpid()) == -1 && errno == ENOSYS);
    errno = 0;
    CHECK(PK__SYS(close_range)(1000) == -1 && errno == ENOSYS);
    errno = 0;
    CHECK(PK__SYS(openat2)(AT_FDCWD, ".", O_RDONLY, 0, 0) == -1 && errno == ENOSYS);
    errno = 0;
    CHECK(PK__SYS(memfd_create)("x", 0) == -1 && errno == ENOSYS);
    errno = 0;
    CHECK(PK__SYS(execveat)(-1, args, args) == -1 && errno == ENOSYS);
    CHECK_UINT(pk__sys_count.pidfd_open, ==, 1);

    pk__sys_old_kernel = 0;
    setenv("PK_TEST_ENOSYS", "1", 1);
    CHECK(pk__sys_is_old());
    pk__sys_old_kernel = 0;
    setenv("PK_TEST_ENOSYS", "0", 1);
    CHECK(!pk__sys_is_old());
    errno = 0;
    CHECK(PK__SYS(close_range)(1000) == 0 || errno == ENOSYS); // this kernel's own answer
}

TEST(sys, reading_the_clock_is_no_failure_to_try)
{
    struct timespec t;
    pk__sys_reset();
    pk__sys_fail_at = 1;
    CHECK_INT(PK__SYS(clock_gettime)(CLOCK_MONOTONIC, &t), ==, 0);
    CHECK_UINT(pk__sys_count.all, ==, 0);
    CHECK_UINT(pk__sys_count.clock_gettime, ==, 1);
    pk__sys_reset();
}
