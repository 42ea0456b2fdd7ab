/* test_fd.c - descriptors: close-on-exec, never 0 to 2, whole writes. */
#include "unit.h"

#include <sys/socket.h>

static bool is_cloexec(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static bool is_nonblock(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

TEST(fd, everything_is_closed_by_exec)
{
    int p[2], s[2], f;
    REQUIRE_OK(pk__fd_pipe(p, NULL));
    REQUIRE_OK(pk__fd_socketpair(s, NULL));
    REQUIRE_OK(pk__fd_open("file", O_RDWR | O_CREAT, 0600, &f, NULL));
    CHECK(is_cloexec(p[0]) && is_cloexec(p[1]) && is_cloexec(s[0]) && is_cloexec(s[1]) && is_cloexec(f));
    CHECK(!is_nonblock(p[0]) && !is_nonblock(p[1]));
    CHECK(is_nonblock(s[0]) && is_nonblock(s[1]));
    REQUIRE_OK(pk__fd_set_nonblock(p[0], true, NULL));
    REQUIRE_OK(pk__fd_set_cloexec(p[0], false, NULL));
    CHECK(is_nonblock(p[0]) && !is_cloexec(p[0]));
    REQUIRE_OK(pk__fd_set_nonblock(p[0], false, NULL));
    CHECK(!is_nonblock(p[0]));
    CHECK_ERR(pk__fd_set_nonblock(-1, true, NULL), PK_ERR_OS);
    CHECK_ERR(pk__fd_set_cloexec(-1, true, NULL), PK_ERR_OS);
    for (int i = 0; i < 2; i++) {
        pk__fd_close(p[i]);
        pk__fd_close(s[i]);
    }
    pk__fd_close(f);
    errno = 7;
    pk__fd_close(-1);
    CHECK_INT(errno, ==, 7);
}

TEST(fd, nothing_takes_the_place_of_stdin_stdout_and_stderr)
{
    int status = 1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int p[2], s[2], f;
        close(0), close(1), close(2);
        bool good = pk__fd_pipe(p, NULL) == PK_OK && p[0] > 2 && p[1] > 2;
        good = good && pk__fd_socketpair(s, NULL) == PK_OK && s[0] > 2 && s[1] > 2;
        good = good && pk__fd_open("/dev/null", O_RDONLY, 0, &f, NULL) == PK_OK && f > 2 && is_cloexec(f);
        good = good && fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0;
        _exit(good ? 0 : 1);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, ==, 0);
}

TEST(fd, a_missing_file_is_told_from_other_failures)
{
    pk_error err = {0};
    int fd = 0;
    CHECK_ERR(pk__fd_open("./missing", O_RDONLY, 0, &fd, &err), PK_ERR_NOT_FOUND);
    CHECK_INT(fd, ==, -1);
    CHECK_CONTAINS(err.msg, "cannot open './missing': ");
    CHECK_ERR(pk__fd_open("/", O_WRONLY, 0, &fd, &err), PK_ERR_OS);
    CHECK_INT(err.sys_errno, ==, EISDIR);
}

static int interruptions;

static ssize_t write_slowly(int fd, const void *buf, size_t len)
{
    if (interruptions++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    return write(fd, buf, len > 3 ? 3 : len);
}

static ssize_t read_interrupted(int fd, void *buf, size_t cap)
{
    if (interruptions++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    return read(fd, buf, cap);
}

TEST(fd, writes_all_in_spite_of_interruptions)
{
    char bytes[32] = "";
    int p[2];
    REQUIRE_OK(pk__fd_pipe(p, NULL));
    interruptions = 0;
    pk__sys.write = write_slowly;
    pk__sys.read = read_interrupted;
    REQUIRE_OK(pk__fd_write_all(p[1], PK_STR("all of these bytes"), NULL));
    CHECK_INT(pk__fd_read(p[0], bytes, sizeof(bytes)), ==, 18);
    CHECK_STR(bytes, "all of these bytes");
    pk__sys_reset();
    pk__fd_close(p[0]);
    pk__fd_close(p[1]);
    CHECK_ERR(pk__fd_write_all(p[1], PK_STR("x"), NULL), PK_ERR_OS);
}

typedef struct reader {
    int fd;
    size_t total;
} reader;

static void reader_main(void *arg)
{
    reader *r = (reader *)arg;
    char bytes[4096];
    ssize_t n;
    while ((n = read(r->fd, bytes, sizeof(bytes))) > 0) {
        r->total += (size_t)n;
    }
}

TEST(fd, writes_all_to_a_descriptor_that_does_not_block)
{
    static char many[1 << 20];
    pk_str bytes = {many, sizeof(many)};
    pk__thread thread;
    int p[2];
    reader r = {0};
    REQUIRE_OK(pk__fd_pipe(p, NULL));
    REQUIRE_OK(pk__fd_set_nonblock(p[1], true, NULL));
    r.fd = p[0];
    REQUIRE_OK(pk__thread_start(&thread, reader_main, &r, NULL));
    CHECK_OK(pk__fd_write_all(p[1], bytes, NULL));
    pk__fd_close(p[1]);
    pk__thread_join(&thread);
    CHECK_UINT(r.total, ==, sizeof(many));
    pk__fd_close(p[0]);
}

TEST(fd, waiting_ends_with_readiness_or_time)
{
    int p[2];
    REQUIRE_OK(pk__fd_pipe(p, NULL));
    CHECK(!pk__fd_wait(p[0], true, false, pk__clock_ns() + 2 * PK__MS));
    CHECK(!pk__fd_wait(p[0], true, false, 1));
    CHECK(pk__fd_wait(p[1], false, true, PK_FOREVER));
    REQUIRE(write(p[1], "x", 1) == 1);
    CHECK(pk__fd_wait(p[0], true, false, PK_FOREVER));
    pk__clock_fake(PK__SECOND);
    CHECK(pk__fd_wait(p[0], true, false, 2 * PK__SECOND));
    pk__clock_real();
    pk__fd_close(p[0]);
    pk__fd_close(p[1]);
}

TEST(fd, counts_what_is_open)
{
    size_t before = pk__fd_count();
    int p[2];
    REQUIRE(before > 0);
    REQUIRE_OK(pk__fd_pipe(p, NULL));
    CHECK_UINT(pk__fd_count(), ==, before + 2);
    pk__fd_close(p[0]);
    pk__fd_close(p[1]);
    CHECK_UINT(pk__fd_count(), ==, before);
}

static uid_t peer_is;

static int peer_uid_says(int fd, uid_t *uid, pid_t *pid)
{
    (void)fd;
    *uid = peer_is;
    *pid = 77;
    return 0;
}

TEST(fd, only_our_own_user_and_root_are_let_in)
{
    pk_error err = {0};
    pid_t pid = 0;
    int s[2];
    REQUIRE_OK(pk__fd_socketpair(s, NULL));
    CHECK_OK(pk__fd_check_peer(s[0], NULL, &err));
    pk__sys.peer_uid = peer_uid_says;
    peer_is = geteuid();
    CHECK_OK(pk__fd_check_peer(s[0], &pid, &err));
    CHECK_INT(pid, ==, 77);
    peer_is = 0;
    CHECK_OK(pk__fd_check_peer(s[0], NULL, &err));
    peer_is = geteuid() + 1;
    CHECK_ERR(pk__fd_check_peer(s[0], NULL, &err), PK_ERR_PERMISSION);
    CHECK_CONTAINS(err.msg, "cannot accept a connection of user ");
    pk__sys_reset();
    CHECK_ERR(pk__fd_check_peer(-1, NULL, &err), PK_ERR_OS);
    pk__fd_close(s[0]);
    pk__fd_close(s[1]);
}

TEST_TORTURE(fd, survives_each_failure)
{
    int p[2], s[2];
    if (TRY_OK(pk__fd_pipe(p, NULL))) {
        (void)TRY_OK(pk__fd_set_nonblock(p[0], true, NULL));
        (void)TRY_OK(pk__fd_write_all(p[1], PK_STR("x"), NULL));
        pk__fd_close(p[0]);
        pk__fd_close(p[1]);
    }
    if (TRY_OK(pk__fd_socketpair(s, NULL))) {
        (void)TRY_OK(pk__fd_check_peer(s[0], NULL, NULL));
        pk__fd_close(s[0]);
        pk__fd_close(s[1]);
    }
    (void)pk__fd_count();
}

/* ---- SIGPIPE */

TEST(signal, a_broken_pipe_is_an_error_and_no_signal)
{
    pk__sigpipe guard;
    sigset_t pending, set;
    int p[2];
    REQUIRE_OK(pk__fd_pipe(p, NULL));
    pk__fd_close(p[0]);
    signal(SIGPIPE, SIG_DFL);
    pk__sigpipe_block(&guard);
    ssize_t n = write(p[1], "x", 1);
    int number = errno;
    pk__sigpipe_restore(&guard); // would kill us if it had been left pending
    CHECK_INT(n, ==, -1);
    CHECK_INT(number, ==, EPIPE);
    sigpending(&pending);
    CHECK_INT(sigismember(&pending, SIGPIPE), ==, 0);

    /* One that the program has blocked and not yet taken is its own. */
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    pk__sigpipe_block(&guard);
    CHECK_INT(write(p[1], "x", 1), ==, -1);
    pk__sigpipe_restore(&guard);
    sigpending(&pending);
    CHECK_INT(sigismember(&pending, SIGPIPE), ==, 1);
    signal(SIGPIPE, SIG_IGN);
    pk__fd_close(p[1]);
}

/* ---- SIGINT and SIGTERM in a loop */

static int heard[8], heard_count;

static void on_signal(void *user, int number)
{
    (void)user;
    heard[heard_count++ % 8] = number;
}

TEST(signal, become_events_of_the_loop_and_go_back)
{
    pk_loop *loop = NULL;
    pk__signals s = {0}, other = {0};
    pk_error err = {0};
    struct sigaction now;
    signal(SIGINT, SIG_IGN);
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    REQUIRE_OK(pk__signals_start(&s, loop, on_signal, NULL, &err));
    CHECK_ERR(pk__signals_start(&other, loop, on_signal, NULL, &err), PK_ERR_BUSY);
    pk__signals_stop(&other);
    raise(SIGTERM);
    raise(SIGINT);
    CHECK_INT(heard_count, ==, 0); // not in the handler
    while (heard_count < 2) {
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
    }
    CHECK_INT(heard[0], ==, SIGTERM);
    CHECK_INT(heard[1], ==, SIGINT);
    for (int i = 0; i < 100; i++) {
        raise(SIGINT);
    }
    pk__signals_stop(&s);
    pk__signals_stop(&s);
    sigaction(SIGINT, NULL, &now);
    CHECK(now.sa_handler == SIG_IGN);
    sigaction(SIGTERM, NULL, &now);
    CHECK(now.sa_handler == SIG_DFL);
    REQUIRE_OK(pk__signals_start(&s, loop, on_signal, NULL, &err)); // and again
    pk__signals_stop(&s);
    pk_loop_destroy(loop);
}

static void own_handler(int number)
{
    (void)number;
}

TEST(signal, of_hangup_and_continuation_only_those_are_taken_that_nobody_wants)
{
    static void (*const before[])(int) = {SIG_DFL, SIG_IGN, own_handler};
    static const int numbers[] = {SIGHUP, SIGCONT};
    for (size_t i = 0; i < PK__COUNT(numbers); i++) {
        for (size_t k = 0; k < PK__COUNT(before); k++) {
            CASE("signal %d, case %d", numbers[i], (int)k) {
                pk_loop *loop = NULL;
                pk__signals s = {0};
                struct sigaction now;
                heard_count = 0;
                signal(numbers[i], before[k]);
                REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
                REQUIRE_OK(pk__signals_start(&s, loop, on_signal, NULL, NULL));
                raise(numbers[i]);
                REQUIRE_OK(pk_loop_step(loop, 0, NULL));
                CHECK_INT(heard_count, ==, k == 0);
                pk__signals_stop(&s);
                sigaction(numbers[i], NULL, &now);
                CHECK(now.sa_handler == before[k]);
                pk_loop_destroy(loop);
                signal(numbers[i], SIG_DFL);
            }
        }
    }
}

TEST(signal, a_hushed_one_does_nothing_until_somebody_wants_it)
{
    pk_loop *loop = NULL;
    pk__signals s = {0};
    struct sigaction now;
    signal(SIGHUP, own_handler);
    pk__signals_hush(SIGHUP);
    sigaction(SIGHUP, NULL, &now);
    CHECK(now.sa_handler == own_handler);
    signal(SIGHUP, SIG_DFL);
    pk__signals_hush(SIGHUP);
    raise(SIGHUP); // would end us
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    REQUIRE_OK(pk__signals_start(&s, loop, on_signal, NULL, NULL));
    raise(SIGHUP);
    while (heard_count == 0) {
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
    }
    CHECK_INT(heard[0], ==, SIGHUP);
    pk__signals_stop(&s);
    raise(SIGHUP);
    pk_loop_destroy(loop);
}

TEST_TORTURE(signal, survives_each_failure)
{
    pk_loop *loop = NULL;
    pk__signals s = {0};
    if (TRY_OK(pk_loop_create(&loop, test_alloc(), NULL))) {
        (void)TRY_OK(pk__signals_start(&s, loop, on_signal, NULL, NULL));
        pk__signals_stop(&s);
        pk_loop_destroy(loop);
    }
}
