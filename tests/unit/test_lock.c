/* test_lock.c - lock files: states, races, and plugins of the Go framework, which know only pids. */
#include "unit.h"

#include <sys/socket.h>
#include <sys/un.h>

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static const char *content(const char *path)
{
    static char text[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n >= 0 ? text : "no file";
}

static void put_socket(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, path);
    REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    close(fd); // stays behind, as after a crash
}

static pk__lock_state look(const char *path, int64_t *pid)
{
    pk__lock_state state = PK__LOCK_BROKEN;
    REQUIRE_OK(pk__lock_look(path, &state, pid, NULL));
    return state;
}

/* The number of a process that has ended. */
static const char *dead_pid(void)
{
    static char text[24];
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    REQUIRE(waitpid(pid, NULL, 0) == pid);
    snprintf(text, sizeof(text), "%d", (int)pid);
    return text;
}

TEST(lock, is_taken_shown_and_released)
{
    pk__lock lock = {0}, second = {0};
    pk_error err = {0};
    char own[24];
    int64_t pid = 0;
    snprintf(own, sizeof(own), "%ld", (long)getpid());
    CHECK_INT(look("l", &pid), ==, PK__LOCK_FREE);
    REQUIRE_OK(pk__lock_take(&lock, test_alloc(), "l", &err));
    CHECK_STR(content("l"), own); // digits only
    CHECK_INT(look("l", &pid), ==, PK__LOCK_LIVE);
    CHECK_INT(pid, ==, getpid());
    CHECK_ERR(pk__lock_take(&second, test_alloc(), "l", &err), PK_ERR_BUSY);
    CHECK_CONTAINS(err.msg, "cannot take lock 'l': process ");
    pk__lock_release(&second);
    CHECK_INT(look("l", NULL), ==, PK__LOCK_LIVE);
    pk__lock_release(&lock);
    pk__lock_release(&lock);
    CHECK_STR(content("l"), "no file");
    REQUIRE_OK(pk__lock_take(&lock, test_alloc(), "l", &err));
    pk__lock_release(&lock);
}

TEST(lock, what_a_dead_process_left_is_taken_over)
{
    pk__lock lock = {0};
    int64_t pid = 0;
    put("l", dead_pid());
    CHECK_INT(look("l", &pid), ==, PK__LOCK_STALE);
    CHECK_INT(pid, ==, atoi(content("l")));
    REQUIRE_OK(pk__lock_take(&lock, test_alloc(), "l", NULL));
    CHECK_INT(atoi(content("l")), ==, getpid());
    pk__lock_release(&lock);

    put("l", ""); // died before it wrote
    CHECK_INT(look("l", NULL), ==, PK__LOCK_FREE);
    REQUIRE_OK(pk__lock_take(&lock, test_alloc(), "l", NULL));
    pk__lock_release(&lock);

    char own[24];
    snprintf(own, sizeof(own), "%ld\n", (long)getpid()); // our number, of an earlier life (containers begin with 1)
    put("l", own);
    CHECK_INT(look("l", NULL), ==, PK__LOCK_STALE);
}

TEST(lock, a_living_process_without_the_kernel_s_lock_is_respected)
{
    pk__lock lock = {0};
    pk_error err = {0};
    char parent[24];
    snprintf(parent, sizeof(parent), "%ld", (long)getppid());
    put("l", parent);
    CHECK_INT(look("l", NULL), ==, PK__LOCK_LIVE);
    CHECK_ERR(pk__lock_take(&lock, test_alloc(), "l", &err), PK_ERR_BUSY);
    CHECK_CONTAINS(err.msg, parent);
    CHECK_STR(content("l"), parent);
#ifdef PK__LINUX
    /* Written long before that process began: the number has been used again. */
    struct timespec times[2] = {{1000000, 0}, {1000000, 0}};
    REQUIRE(utimensat(AT_FDCWD, "l", times, 0) == 0);
    CHECK_INT(look("l", NULL), ==, PK__LOCK_STALE);
    REQUIRE_OK(pk__lock_take(&lock, test_alloc(), "l", &err));
    pk__lock_release(&lock);
#endif
}

TEST(lock, what_is_not_a_number_is_nobody_s_to_overwrite)
{
    static const char *const texts[] = {"hello", "-1", "+5", " 5", "5 ", "0", "0x10", "99999999999", "5\n5", "\n",
                                        "4294967297", "12345678901234567890123456789"};
    for (size_t i = 0; i < PK__COUNT(texts); i++) {
        CASE("%s", texts[i]) {
            pk__lock lock = {0};
            pk_error err = {0};
            put("l", texts[i]);
            CHECK_INT(look("l", NULL), ==, PK__LOCK_BROKEN);
            CHECK_ERR(pk__lock_take(&lock, test_alloc(), "l", &err), PK_ERR_BUSY);
            CHECK_CONTAINS(err.msg, "is not a process number");
            CHECK_STR(content("l"), texts[i]);
        }
    }
}

TEST(lock, links_and_odd_files_are_refused)
{
    pk__lock lock = {0};
    pk_error err = {0};
    put("precious", "");
    REQUIRE(symlink("precious", "link") == 0 && mkdir("dir", 0700) == 0 && mkfifo("fifo", 0600) == 0);
    CHECK_ERR(pk__lock_take(&lock, test_alloc(), "link", &err), PK_ERR_PERMISSION);
    CHECK_STR(content("precious"), "");
    CHECK_ERR(pk__lock_take(&lock, test_alloc(), "dir", &err), PK_ERR_OS);
    CHECK_ERR(pk__lock_take(&lock, test_alloc(), "fifo", &err), PK_ERR_PERMISSION);
    CHECK_CONTAINS(err.msg, "not a regular file");
    CHECK_ERR(pk__lock_take(&lock, test_alloc(), "no/such", &err), PK_ERR_NOT_FOUND);
    if (geteuid() == 0) {
        put("foreign", "");
        REQUIRE(chown("foreign", 12345, 12345) == 0);
        CHECK_ERR(pk__lock_take(&lock, test_alloc(), "foreign", &err), PK_ERR_PERMISSION);
        CHECK_CONTAINS(err.msg, "belongs to another user");
    }
}

TEST(lock, ends_with_its_holder)
{
    pk__lock lock = {0};
    int p[2];
    char byte;
    REQUIRE_OK(pk__fd_pipe(p, NULL));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (pk__lock_take(&lock, NULL, "l", NULL) == PK_OK) {
            (void)!write(p[1], "x", 1);
        }
        for (;;) {
            pause();
        }
    }
    REQUIRE(read(p[0], &byte, 1) == 1);
    CHECK_INT(look("l", NULL), ==, PK__LOCK_LIVE);
    kill(pid, SIGKILL);
    REQUIRE(waitpid(pid, NULL, 0) == pid);
    CHECK_INT(look("l", NULL), ==, PK__LOCK_STALE);
    REQUIRE_OK(pk__lock_take(&lock, test_alloc(), "l", NULL));
    pk__lock_release(&lock);
    pk__fd_close(p[0]);
    pk__fd_close(p[1]);
}

TEST(lock, a_forked_child_does_not_release_it)
{
    pk__lock lock = {0};
    REQUIRE_OK(pk__lock_take(&lock, test_alloc(), "l", NULL));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        pk__lock_release(&lock);
        _exit(0);
    }
    REQUIRE(waitpid(pid, NULL, 0) == pid);
    CHECK_INT(look("l", NULL), ==, PK__LOCK_LIVE);
    pk__lock_release(&lock);
}

/* Each of many processes takes the lock, looks whether anybody else is inside, and releases it: never two at once,
 * although every release unlinks the file under the others. */
TEST(lock, races_have_one_winner_at_a_time)
{
    enum { PROCESSES = 8, ROUNDS = 60 };
    pid_t pids[PROCESSES];
    fflush(stdout);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            for (int won = 0; won < ROUNDS;) {
                pk__lock lock = {0};
                if (pk__lock_take(&lock, NULL, "l", NULL) != PK_OK) {
                    continue;
                }
                int fd = open("inside", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                if (fd < 0) {
                    _exit(1); // somebody else holds it, too
                }
                close(fd);
                unlink("inside");
                pk__lock_release(&lock);
                won++;
            }
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 1;
        REQUIRE(waitpid(pids[i], &status, 0) == pids[i]);
        CHECK_INT(status, ==, 0);
    }
    CHECK_STR(content("l"), "no file");
}

/* ---- the framework's rule */

TEST(lock, the_socket_of_a_dead_owner_is_removed)
{
    pk__lock lock = {0};
    REQUIRE_OK(pk__lock_take_socket(&lock, test_alloc(), "s", NULL)); // neither is there
    CHECK_INT(atoi(content("s.lock")), ==, getpid());
    pk__lock_release(&lock);
    CHECK_STR(content("s.lock"), "no file");

    put("s.lock", dead_pid());
    put_socket("s");
    REQUIRE_OK(pk__lock_take_socket(&lock, test_alloc(), "s", NULL));
    CHECK(access("s", F_OK) != 0);
    pk__lock_release(&lock);
}

TEST(lock, the_socket_of_a_living_or_unknown_owner_is_left_alone)
{
    pk__lock lock = {0};
    pk_error err = {0};
    char parent[24];
    put_socket("s");
    CHECK_ERR(pk__lock_take_socket(&lock, test_alloc(), "s", &err), PK_ERR_BUSY);
    CHECK_CONTAINS(err.msg, "cannot use socket 's': there is no '.lock' beside it");
    snprintf(parent, sizeof(parent), "%ld", (long)getppid());
    put("s.lock", parent);
    CHECK_ERR(pk__lock_take_socket(&lock, test_alloc(), "s", &err), PK_ERR_BUSY);
    CHECK_CONTAINS(err.msg, parent);
    CHECK(access("s", F_OK) == 0);

    put("file", "precious");
    put("file.lock", dead_pid());
    CHECK_ERR(pk__lock_take_socket(&lock, test_alloc(), "file", &err), PK_ERR_PATH);
    CHECK_STR(content("file"), "precious");
    char longest[400];
    memset(longest, 's', sizeof(longest));
    longest[399] = '\0';
    CHECK_ERR(pk__lock_take_socket(&lock, test_alloc(), longest, &err), PK_ERR_LIMIT);
}

TEST_TORTURE(lock, survives_each_failure)
{
    pk__lock lock = {0};
    pk__lock_state state;
    put("s.lock", "1999999999"); // no such process
    put_socket("s");
    (void)TRY_OK(pk__lock_look("s.lock", &state, NULL, NULL));
    if (TRY_OK(pk__lock_take_socket(&lock, test_alloc(), "s", NULL))) {
        CHECK(access("s", F_OK) != 0);
        pk__lock_release(&lock);
    }
}
