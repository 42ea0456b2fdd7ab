/* test_survive.c - a plugin that goes on without its host, and the hosts that come to adopt it. */
#include "unit.h"

#include <sys/un.h>

static int control = -1; // of the host that started it
static char place[100];  // of its socket; with ".control" behind it, of the one where hosts come

static int prepare(unsigned ms)
{
    int pair[2];
    char number[16], line[600];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    control = pair[0];
    snprintf(number, sizeof(number), "%d", pair[1]);
    setenv("PLUGKIT_PROTOCOL", "plugkit/1", 1);
    setenv("PLUGKIT_CONTROL_FD", number, 1);
    snprintf(place, sizeof(place), "%.80s/echo", test_now.folder);
    int len = snprintf(line, sizeof(line),
                       "{\"config\":[],\"instance\":\"echo-1\",\"token\":\"secret\",\"listen\":\"%s\","
                       "\"survive\":{\"ms\":%u,\"control\":\"%s.control\",\"proof\":\"me\"}}\n", place, ms, place);
    REQUIRE(write(control, line, (size_t)len) == len);
    return pair[1];
}

static pk_sdk *start(unsigned ms)
{
    pk_sdk *p = NULL;
    pk_sdk_desc desc = {.id = "echo", .alloc = test_alloc()};
    char heard[300] = "";
    (void)prepare(ms);
    REQUIRE_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL));
    REQUIRE(read(control, heard, sizeof(heard) - 1) > 0);
    CHECK_CONTAINS(heard, "{\"ready\":true}\n");
    return p;
}

static void hang_up(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* A host comes. -1: it cannot. */
static int come(const char *says)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s.control", place);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        write(fd, says, strlen(says)) == (ssize_t)strlen(says)) {
        return fd;
    }
    hang_up(&fd);
    return -1;
}

/* What it hears, the first bytes of it; "" = the connection ended. */
static const char *hear(pk_sdk *p, int fd)
{
    static char text[500];
    ssize_t n = -1;
    WAIT_UNTIL(pk_loop_step(pk_sdk_loop(p), 5, NULL) != PK_OK || (n = read(fd, text, sizeof(text) - 1)) >= 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void check_refused(pk_sdk *p, const char *says, const char *why)
{
    int fd = come(says);
    REQUIRE(fd >= 0);
    const char *heard = hear(p, fd);
    if (why[0]) {
        CHECK_CONTAINS(heard, "{\"error\":\"");
        CHECK_CONTAINS(heard, why);
        heard = hear(p, fd);
    }
    CHECK_STR(heard, "");
    close(fd);
}

#define ADOPT "{\"adopt\":true,\"token\":\"secret\"}\n"

TEST(survive, a_plugin_goes_on_without_its_host_and_is_adopted_again_and_again)
{
    pk_sdk *p = start(60000);
    int host = control;
    for (int i = 0; i < 3; i++) {
        close(host); // the loop need not have noticed when the next one comes
        host = come(ADOPT);
        REQUIRE(host >= 0);
        const char *heard = hear(p, host);
        CHECK_CONTAINS(heard, "{\"adopted\":\"me\"}\n{\"listening\":\"http+unix://");
        CHECK_CONTAINS(heard, "/echo\"}\n{\"ready\":true}\n");
        CHECK(pk_sdk_is_running(p));
        CHECK((fcntl(p->lifeline.fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
    close(host);
    WAIT_UNTIL(pk_loop_step(pk_sdk_loop(p), 5, NULL) != PK_OK || p->lifeline.is_alone);
    host = come(ADOPT);
    CHECK_CONTAINS(hear(p, host), "{\"ready\":true}\n");

    REQUIRE(write(host, "{\"shutdown\":true}\n", 18) == 18);

    WAIT_UNTIL(pk_loop_step(pk_sdk_loop(p), 5, NULL) != PK_OK || !pk_sdk_is_running(p));
    CHECK_STR(hear(p, host), "{\"ending\":true}\n"); // nobody has its exit status
    CHECK_INT(access("echo.control", F_OK), ==, -1);
    pk_sdk_destroy(p);
    close(host);
}

TEST(survive, only_a_host_that_knows_the_token_may_have_it_and_only_if_there_is_no_other)
{
    pk_sdk *p = start(60000);
    char endless[2000];
    memset(endless, 'x', sizeof(endless));
    endless[sizeof(endless) - 1] = '\0';
    check_refused(p, ADOPT, "it has a host that lives");
    check_refused(p, "{\"adopt\":true,\"token\":\"secret\",\"shutdown\":true}\n", "it has a host that lives");
    hang_up(&control);

    check_refused(p, "{\"adopt\":true,\"token\":\"Secret\"}\n", "the token is wrong");
    check_refused(p, "{\"adopt\":true,\"token\":\"\"}\n", "the token is wrong");
    check_refused(p, "{\"adopt\":true}\n", "only hosts that adopt it are heard here");
    check_refused(p, "{\"adopt\":false,\"token\":\"secret\"}\n", "only hosts");
    check_refused(p, "{\"shutdown\":true,\"token\":\"secret\"}\n", "only hosts");
    check_refused(p, "GET / HTTP/1.1\n", "only hosts");
    check_refused(p, endless, "");
    CHECK(pk_sdk_is_running(p));

    int host = come(ADOPT);
    CHECK_CONTAINS(hear(p, host), "{\"ready\":true}\n");
    check_refused(p, ADOPT, "it has a host that lives");
    pk_sdk_destroy(p);
    close(host);
}

TEST(survive, a_host_that_does_not_want_it_any_more_ends_it)
{
    pk_sdk *p = start(60000);
    hang_up(&control);

    int host = come("{\"adopt\":true,\"token\":\"secret\",\"shutdown\":true}\n");

    hang_up(&host); // it need not wait for an answer
    WAIT_UNTIL(pk_loop_step(pk_sdk_loop(p), 5, NULL) != PK_OK || !pk_sdk_is_running(p));
    pk_sdk_destroy(p);
}

TEST(survive, who_says_nothing_keeps_nobody_out)
{
    pk_sdk *p = start(60000);
    int silent[10];
    hang_up(&control);
    for (int i = 0; i < 10; i++) {
        silent[i] = come("{\"adopt\":");
        REQUIRE(silent[i] >= 0);
        (void)pk_loop_step(pk_sdk_loop(p), 0, NULL);
    }

    int host = come(ADOPT);

    CHECK_CONTAINS(hear(p, host), "{\"ready\":true}\n");
    CHECK_STR(hear(p, silent[9]), ""); // after a second, it goes
    for (int i = 0; i < 10; i++) {
        close(silent[i]);
    }
    pk_sdk_destroy(p);
    close(host);
}

/* A host comes, and brings so many descriptors: ends of one pipe, whose other end is *reads. */
static int come_with(const char *says, size_t count, int *reads)
{
    int fd = come(""), ends[2], fds[PK__SYS_FDS];
    REQUIRE(fd >= 0 && pipe(ends) == 0);
    for (size_t i = 0; i < count; i++) {
        fds[i] = ends[1];
    }
    REQUIRE(pk__sys_port_send_fds(fd, says, strlen(says), fds, count) == (ssize_t)strlen(says));
    close(ends[1]);
    *reads = ends[0];
    return fd;
}

TEST(survive, what_it_prints_goes_to_the_host_that_adopts_it)
{
    pk_sdk *p = start(60000);
    int reads, out, err;
    char heard[20] = "";
    hang_up(&control);
    fflush(stdout);
    out = dup(1);
    err = dup(2);
    int host = come_with(ADOPT, 2, &reads);
    const char *answer = hear(p, host);
    bool printed = write(1, "one ", 4) == 4 && write(2, "two", 3) == 3;
    bool inherited = (fcntl(1, F_GETFD) & FD_CLOEXEC) == 0 && (fcntl(2, F_GETFD) & FD_CLOEXEC) == 0;
    dup2(out, 1); // the test's own again
    dup2(err, 2);
    close(out);
    close(err);
    CHECK_CONTAINS(answer, "{\"ready\":true}\n");
    CHECK(printed && inherited);
    CHECK(read(reads, heard, sizeof(heard) - 1) > 0);
    CHECK_STR(heard, "one two");
    CHECK_INT(read(reads, heard, sizeof(heard)), ==, 0); // and nobody else holds it
    close(reads);
    close(host);
    pk_sdk_destroy(p);
}

TEST(survive, descriptors_that_it_does_not_want_are_closed)
{
    static const struct {
        const char *says;
        size_t count;
    } rows[] = {{"{\"adopt\":true,\"token\":\"wrong\"}\n", 2}, {"{\"adopt\":true,\"token\":\"wrong\"}\n", 4},
                {"nonsense\n", 1}, {ADOPT, 1}, {ADOPT, 3}};
    pk_sdk *p = start(60000);
    hang_up(&control);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s with %zu", rows[i].says, rows[i].count) {
            int reads;
            char byte;
            int host = come_with(rows[i].says, rows[i].count, &reads);
            CHECK(hear(p, host)[0] == '{');
            CHECK_INT(read(reads, &byte, 1), ==, 0); // its other ends are closed
            close(reads);
            close(host);
        }
    }
    pk_sdk_destroy(p);
}

TEST(survive, if_nobody_comes_it_ends)
{
    pk_sdk *p = start(50);
    hang_up(&control);

    WAIT_UNTIL(pk_loop_step(pk_sdk_loop(p), 5, NULL) != PK_OK || !pk_sdk_is_running(p));

    CHECK_INT(come(ADOPT), ==, -1);
    pk_sdk_destroy(p);
}

TEST(survive, a_plugin_with_another_socket_in_its_place_does_not_start)
{
    pk_sdk *p = NULL;
    pk_sdk_desc desc = {.id = "echo", .alloc = test_alloc()};
    pk_error err;
    (void)prepare(1000);
    fclose(fopen("echo.control", "w"));
    CHECK_ERR(pk_sdk_create(&p, 0, NULL, &desc, &err), PK_ERR_OS);
    CHECK_CONTAINS(err.msg, "cannot listen at");
    CHECK_INT(access("echo.control", F_OK), ==, 0); // not its own
    hang_up(&control);
}

TEST_EXITS(survive, the_guard_waits_as_long_as_it_may_be_alone_and_not_longer, SIGKILL)
{
    pk__lifeline l;
    int pair[2];
    pk_loop *loop = NULL;
    REQUIRE_OK(pk__fd_socketpair(pair, NULL));
    REQUIRE_OK(pk__lifeline_open(&l, NULL, pair[1], NULL));
    REQUIRE_OK(pk_loop_create(&loop, NULL, NULL));
    l.survive_ms = 300;
    pk__lifeline_guard(&l);
    close(pair[0]);
    pause(); // a handler that never returns
}

TEST_TORTURE(survive, whatever_fails_nothing_is_left)
{
    pk_sdk *p = NULL;
    pk_sdk_desc desc = {.id = "echo", .alloc = test_alloc()};
    int host = -1, plugin_end = prepare(60000);
    if (TRY_OK(pk_sdk_create(&p, 0, NULL, &desc, NULL))) {
        hang_up(&control);
        for (int i = 0; i < 3 && pk_sdk_is_running(p); i++) {
            hang_up(&host);
            host = come(ADOPT);
            for (int k = 0; k < 10; k++) {
                (void)pk_loop_step(pk_sdk_loop(p), 1, NULL);
            }
        }
        pk_sdk_stop(p);
        for (int i = 0; i < 100 && pk_sdk_is_running(p); i++) {
            (void)pk_loop_step(pk_sdk_loop(p), 1, NULL);
        }
        pk_sdk_destroy(p);
    } else if (fcntl(plugin_end, F_GETFD) >= 0 && test_now.torture) {
        close(plugin_end); // it failed before it took the socket
    }
    hang_up(&host);
    hang_up(&control);
}
