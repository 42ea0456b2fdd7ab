/* test_door.c - where a plugin listens: every way to be told, every refusal, and that nothing is left behind. */
#include "unit.h"

static pk__settings told(pk__settings_profile profile, const char *listen)
{
    pk__settings s;
    memset(&s, 0, sizeof(s));
    s.profile = profile;
    s.listen = pk_str_from(listen);
    s.instance = PK_STR("x");
    return s;
}

static void in_folder(char *out, size_t cap, const char *scheme, const char *name)
{
    snprintf(out, cap, "%s%s/%s", scheme, test_now.folder, name);
}

static bool can_connect(const char *address)
{
    pk__address a;
    pk_error err;
    int fd = -1;
    REQUIRE_OK(pk__address_parse(&a, pk_str_from(address), NULL));
    pk_io io = pk__socket_connect(&a, &fd, &err);
    if (io == PK_IO_WANT_WRITE) {
        (void)pk__fd_wait(fd, false, true, pk__clock_ns() + PK__SECOND);
        io = pk__socket_connected(fd, &a, NULL) ? PK_IO_FAILED : PK_IO_DONE;
    }
    if (fd >= 0) {
        close(fd);
    }
    return io == PK_IO_DONE;
}

TEST(door, opens_the_hosts_path_without_a_lock)
{
    char address[300], path[300];
    struct stat st;
    pk__door d;
    in_folder(address, sizeof(address), "http+unix://", "x-1.sock");
    in_folder(path, sizeof(path), "", "x-1.sock");
    pk__settings s = told(PK__SETTINGS_CONTROL, address);

    REQUIRE_OK(pk__door_open(&d, test_alloc(), &s, -1, NULL));
    CHECK_STR(d.address, address);
    REQUIRE(lstat(path, &st) == 0);
    CHECK(S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
    CHECK(can_connect(address));
    CHECK(access("x-1.sock.lock", F_OK) != 0);
    pk__door_deinit(&d);
    CHECK(access(path, F_OK) != 0);
    pk__door_deinit(&d);
}

TEST(door, opens_a_free_loopback_port)
{
    static const char *const rows[] = {"http://127.0.0.1:0", "127.0.0.1:0", "http://localhost:0", "tcp://127.0.0.1:0", ""};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i]) {
            pk__settings s = told(PK__SETTINGS_CONTROL, rows[i]);
            pk__door d;
            pk_error err;
            CHECK_OK(pk__door_open(&d, test_alloc(), &s, -1, &err));
            CHECK(strncmp(d.address, "http://127.0.0.1:", 17) == 0 && atoi(d.address + 17) > 0);
            CHECK(can_connect(d.address));
            pk__door_deinit(&d);
        }
    }
}

TEST(door, refuses_what_is_no_place_for_a_plugin)
{
    static const struct {
        const char *listen;
        pk_err code;
    } rows[] = {
        {"http://0.0.0.0:0", PK_ERR_BAD_ENDPOINT}, {"[::]:0", PK_ERR_BAD_ENDPOINT},
        {":80", PK_ERR_BAD_ENDPOINT},              {"http://example.com:80", PK_ERR_BAD_ENDPOINT},
        {"pipe://x", PK_ERR_BAD_ENDPOINT},         {"nonsense", PK_ERR_BAD_ENDPOINT},
        {"/nowhere/at/all/x.sock", PK_ERR_OS},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("'%s'", rows[i].listen) {
            pk__settings s = told(PK__SETTINGS_CONTROL, rows[i].listen);
            pk__door d;
            CHECK_ERR(pk__door_open(&d, test_alloc(), &s, -1, NULL), rows[i].code);
            pk__door_deinit(&d);
        }
    }
}

TEST(door, says_when_a_path_is_too_long_for_a_socket)
{
    char address[300] = "/";
    pk__door d;
    pk_error err;
    memset(address + 1, 'x', 150);
    pk__settings s = told(PK__SETTINGS_CONTROL, address);
    CHECK_ERR(pk__door_open(&d, test_alloc(), &s, -1, &err), PK_ERR_BAD_ENDPOINT);
    CHECK_CONTAINS(err.msg, "107");
}

TEST(door, does_not_take_a_path_that_is_taken)
{
    pk__door first, second;
    char address[300];
    in_folder(address, sizeof(address), "", "x.sock");
    pk__settings s = told(PK__SETTINGS_CONTROL, address);
    REQUIRE_OK(pk__door_open(&first, test_alloc(), &s, -1, NULL));
    CHECK_ERR(pk__door_open(&second, test_alloc(), &s, -1, NULL), PK_ERR_OS);
    CHECK(can_connect(address)); // it is still the first one's
    pk__door_deinit(&first);
}

TEST(door, locks_paths_that_others_could_want_and_cleans_up_after_the_dead)
{
    char address[300], path[320];
    int status;
    pk__door d, again;
    pk_error err;
    in_folder(address, sizeof(address), "", "x.sock");
    pk__settings s = told(PK__SETTINGS_BY_HAND, address);

    pid_t pid = fork(); // somebody who dies without tidying up
    REQUIRE(pid >= 0);
    if (pid == 0) {
        _exit(pk__door_open(&d, NULL, &s, -1, NULL) ? 1 : 0);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(access("x.sock", F_OK) == 0 && access("x.sock.lock", F_OK) == 0);

    REQUIRE_OK(pk__door_open(&d, test_alloc(), &s, -1, &err));
    CHECK(can_connect(address));
    FILE *file = fopen("x.sock.lock", "r");
    REQUIRE(file && fgets(path, sizeof(path), file));
    fclose(file);
    CHECK_INT(atol(path), ==, getpid());
    CHECK_UINT(strspn(path, "0123456789"), ==, strlen(path)); // digits only: Go reads all of it as a number

    pid = fork(); // a second one, while the first lives
    REQUIRE(pid >= 0);
    if (pid == 0) {
        _exit(pk__door_open(&again, NULL, &s, -1, NULL) == PK_ERR_BUSY ? 0 : 1);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), ==, 0);
    CHECK(can_connect(address));

    pk__door_shut(&d);
    CHECK(access("x.sock", F_OK) != 0 && access("x.sock.lock", F_OK) == 0); // the lock goes last
    pk__door_deinit(&d);
    CHECK(access("x.sock.lock", F_OK) != 0);
}

TEST(door, listens_where_the_framework_looks)
{
    char id[40], address[100];
    pk__door d;
    snprintf(id, sizeof(id), "test-door-%ld", (long)getpid());
    snprintf(address, sizeof(address), "http+unix:///tmp/%s-plugin.socket", id);
    pk__settings s = told(PK__SETTINGS_FRAMEWORK, "");
    s.instance = pk_str_from(id);

    REQUIRE_OK(pk__door_open(&d, test_alloc(), &s, -1, NULL));
    CHECK_STR(d.address, address);
    pk__door_deinit(&d);
    CHECK(access(address + 12, F_OK) != 0);
    s.tcp = true;
    REQUIRE_OK(pk__door_open(&d, test_alloc(), &s, -1, NULL));
    CHECK(strncmp(d.address, "http://127.0.0.1:", 17) == 0);
    pk__door_deinit(&d);
}

TEST(door, takes_a_descriptor_that_listens_and_no_other)
{
    char address[300];
    int fd = -1, pair[2];
    pk__address a;
    pk__door d;
    pk_error err;
    in_folder(address, sizeof(address), "http+unix://", "given.sock");
    pk__settings s = told(PK__SETTINGS_CONTROL, "");
    REQUIRE_OK(pk__address_parse(&a, pk_str_from(address), NULL));
    REQUIRE_OK(pk__socket_listen(&a, &fd, NULL));
    REQUIRE_OK(pk__fd_set_cloexec(fd, false, NULL));

    REQUIRE_OK(pk__door_open(&d, test_alloc(), &s, fd, NULL));
    CHECK_STR(d.address, address);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(can_connect(address));
    pk__door_deinit(&d);
    CHECK(access("given.sock", F_OK) == 0); // whoever made the file removes it

    REQUIRE_OK(pk__fd_socketpair(pair, NULL));
    CHECK_ERR(pk__door_open(&d, test_alloc(), &s, pair[0], &err), PK_ERR_PROTOCOL);
    CHECK_CONTAINS(err.msg, "it does not listen");
    CHECK_ERR(pk__door_open(&d, test_alloc(), &s, 999, &err), PK_ERR_PROTOCOL);
    close(pair[0]);
    close(pair[1]);
}

TEST(door, gives_its_descriptor_away)
{
    pk__settings s = told(PK__SETTINGS_CONTROL, "127.0.0.1:0");
    pk__door d;
    REQUIRE_OK(pk__door_open(&d, test_alloc(), &s, -1, NULL));
    int fd = pk__door_take_fd(&d);
    pk__door_deinit(&d);
    CHECK(fcntl(fd, F_GETFD) >= 0); // somebody else's now
    close(fd);
}

TEST_TORTURE(door, leaves_nothing_whatever_fails)
{
    char address[300], lock[320];
    pk__door d;
    in_folder(address, sizeof(address), "", "t.sock");
    in_folder(lock, sizeof(lock), "", "t.sock.lock");
    pk__settings s = told(PK__SETTINGS_BY_HAND, address);
    if (TRY_OK(pk__door_open(&d, test_alloc(), &s, -1, NULL))) {
        pk__door_deinit(&d);
    }
    CHECK(test_now.torture || (access(address, F_OK) != 0 && access(lock, F_OK) != 0));
}
