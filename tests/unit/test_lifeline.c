/* test_lifeline.c - the control socket from the plugin's side, and the ways to notice that the host has died. */
#include "unit.h"

static struct {
    int shutdowns, deaths;
} ends;

static void on_end(void *user, pk__lifeline_end why)
{
    (void)user;
    *(why == PK__LIFELINE_DEAD ? &ends.deaths : &ends.shutdowns) += 1;
}

static void say(int fd, const char *text)
{
    REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void open_pair(pk__lifeline *l, int *host)
{
    int pair[2];
    REQUIRE_OK(pk__fd_socketpair(pair, NULL));
    *host = pair[0];
    REQUIRE_OK(pk__fd_set_cloexec(pair[1], false, NULL)); // as it is inherited
    REQUIRE_OK(pk__lifeline_open(l, test_alloc(), pair[1], NULL));
}

TEST(lifeline, takes_stream_sockets_only_and_hides_them_from_children)
{
    pk__lifeline l;
    int host, pipes[2], dgram[2];
    pk_error err;
    REQUIRE_OK(pk__fd_pipe(pipes, NULL));
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram) == 0);
    CHECK_ERR(pk__lifeline_open(&l, test_alloc(), pipes[0], &err), PK_ERR_PROTOCOL);
    CHECK_CONTAINS(err.msg, "it is no stream socket");
    CHECK_ERR(pk__lifeline_open(&l, test_alloc(), dgram[0], NULL), PK_ERR_PROTOCOL);
    CHECK_ERR(pk__lifeline_open(&l, test_alloc(), 999, NULL), PK_ERR_PROTOCOL);
    pk__lifeline_deinit(&l);

    open_pair(&l, &host);
    CHECK((fcntl(l.fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(l.fd, F_GETFL) & O_NONBLOCK) != 0);
    pk__lifeline_deinit(&l);
    close(host);
    close(pipes[0]);
    close(pipes[1]);
    close(dgram[0]);
    close(dgram[1]);
}

TEST(lifeline, waits_for_the_first_line)
{
    pk__lifeline l;
    pk_str line;
    pk_error err;
    int host;
    open_pair(&l, &host);

    CHECK_ERR(pk__lifeline_first(&l, 20, &line, &err), PK_ERR_PLUGIN_TIMEOUT);
    CHECK_STR(err.msg, "cannot start: the host did not say how within 20 ms");
    say(host, "{\"a\"");
    CHECK_ERR(pk__lifeline_first(&l, 20, &line, NULL), PK_ERR_PLUGIN_TIMEOUT); // half a line is none
    say(host, ":1}\n{\"b\":2}\n");
    CHECK_OK(pk__lifeline_first(&l, 5000, &line, NULL));
    CHECK_PK_STR(line, "{\"a\":1}");
    pk__lifeline_deinit(&l);
    close(host);
}

TEST(lifeline, notices_a_host_that_ends_before_the_first_line)
{
    pk__lifeline l;
    pk_str line;
    pk_error err;
    int host;
    open_pair(&l, &host);
    say(host, "{\"a\":");
    close(host);
    CHECK_ERR(pk__lifeline_first(&l, 5000, &line, &err), PK_ERR_PROTOCOL);
    CHECK_STR(err.msg, "cannot start: the control socket ended before the first line");
    CHECK_ERR(pk__lifeline_send(&l, PK_STR("x\n"), &err), PK_ERR_OS); // and no SIGPIPE
    pk__lifeline_deinit(&l);
}

TEST(lifeline, passes_on_that_the_host_asks_us_to_end)
{
    pk__lifeline l;
    pk_loop *loop;
    pk_str line;
    int host;
    open_pair(&l, &host);
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    say(host, "{\"first\":1}\n{\"later\":{\"verb\":1}}\n");
    REQUIRE_OK(pk__lifeline_first(&l, 5000, &line, NULL));
    REQUIRE_OK(pk__lifeline_watch(&l, loop, on_end, NULL, NULL));

    say(host, "{\"swap\":true}\nnot json\n[]\n{\"shutdown\":false}\n{\"shutdown\":\"yes\"}\n");
    for (int i = 0; i < 10; i++) {
        CHECK_OK(pk_loop_step(loop, 10, NULL));
    }
    CHECK_INT(ends.shutdowns + ends.deaths, ==, 0); // not understood, not harmful
    say(host, "{\"shutdown\":true}\n");
    WAIT_UNTIL(pk_loop_step(loop, 10, NULL) == PK_OK && ends.shutdowns == 1);
    close(host);
    WAIT_UNTIL(pk_loop_step(loop, 10, NULL) == PK_OK && ends.deaths == 1);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(pk_loop_step(loop, 1, NULL)); // told once: the dead socket is not looked at again
    }
    CHECK_INT(ends.deaths, ==, 1);
    pk__lifeline_deinit(&l);
    pk_loop_destroy(loop);
}

TEST(lifeline, sees_what_came_right_behind_the_first_line)
{
    pk__lifeline l;
    pk_loop *loop;
    pk_str line;
    int host;
    open_pair(&l, &host);
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    say(host, "{\"first\":1}\n{\"shutdown\":true}\n");
    REQUIRE_OK(pk__lifeline_first(&l, 5000, &line, NULL));
    REQUIRE_OK(pk__lifeline_watch(&l, loop, on_end, NULL, NULL));
    CHECK_INT(ends.shutdowns, ==, 1);
    pk__lifeline_deinit(&l);
    pk_loop_destroy(loop);
    close(host);
}

TEST(lifeline, ends_the_conversation_at_an_endless_line)
{
    static char text[PK__CONTROL_LINE_MAX];
    pk__lifeline l;
    pk_loop *loop;
    pk_str line;
    int host;
    open_pair(&l, &host);
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    say(host, "{}\n");
    REQUIRE_OK(pk__lifeline_first(&l, 5000, &line, NULL));
    REQUIRE_OK(pk__lifeline_watch(&l, loop, on_end, NULL, NULL));
    memset(text, 'x', sizeof(text));
    for (size_t sent = 0; ends.deaths == 0;) {
        ssize_t n = sent < 2 * sizeof(text) ? write(host, text, sizeof(text)) : 0;
        sent += n > 0 ? (size_t)n : 0;
        CHECK_OK(pk_loop_step(loop, 1, NULL));
    }
    pk__lifeline_deinit(&l);
    pk_loop_destroy(loop);
    close(host);
}

static pid_t parent;

static pid_t fake_getppid(void)
{
    return parent;
}

TEST(lifeline, notices_that_the_parent_has_changed)
{
    pk__lifeline l = {0}; // no socket: the framework's way
    pk_loop *loop;
    pk__clock_fake(PK__SECOND);
    parent = 100;
    pk__sys.getppid = fake_getppid;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    REQUIRE_OK(pk__lifeline_watch(&l, loop, on_end, NULL, NULL));
    for (int i = 0; i < 20; i++) {
        pk__clock_advance(PK__SECOND / 2);
        CHECK_OK(pk_loop_step(loop, 0, NULL));
    }
    CHECK_INT(ends.deaths, ==, 0);
    parent = 1;
    pk__clock_advance(PK__SECOND);
    CHECK_OK(pk_loop_step(loop, 0, NULL));
    CHECK_INT(ends.deaths, ==, 1);
    pk__lifeline_deinit(&l);
    pk_loop_destroy(loop);
    pk__sys_reset();
    pk__clock_real();
}

TEST(lifeline, guard_ends_a_process_that_hangs)
{
    int status;
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        pk__lifeline l;
        int host;
        open_pair(&l, &host);
        pk__lifeline_guard(&l);
        close(host);
        for (;;) { // stands for a handler: nobody steps the loop
            test__nap(1000);
        }
    }
    REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 1 || getenv("TEST_VALGRIND")); // valgrind has a status of its own for such an end
}

/* Runs plugin(arg) in a process that leads a group, with a child that would live on; waits until both are gone. */
static int end_of_group(void (*plugin)(pk__lifeline *l, int host))
{
    int ends_of[2], status = 0;
    char byte;
    REQUIRE(pipe(ends_of) == 0);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        pk__lifeline l;
        int host;
        close(ends_of[0]);
        (void)setpgid(0, 0);
        if (fork() == 0) {
            signal(SIGTERM, SIG_IGN);
            signal(SIGHUP, SIG_IGN);
            for (;;) {
                pause();
            }
        }
        open_pair(&l, &host);
        plugin(&l, host);
        _exit(3);
    }
    close(ends_of[1]);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    while (read(ends_of[0], &byte, 1) > 0) { // ends when nobody of the group is left
    }
    close(ends_of[0]);
    return status;
}

static void hang(void)
{
    for (;;) {
        test__nap(1000);
    }
}

static void hang_while_the_host_dies(pk__lifeline *l, int host)
{
    pk__atomic_store_ptr(&l->litter, (void *)(uintptr_t)"socket");
    pk__lifeline_guard(l);
    close(host);
    hang();
}

/* The socket stays open: a forked child of the host has it. */
static void hang_while_the_parent_dies(pk__lifeline *l, int host)
{
    (void)host;
    pk__atomic_store(&l->parent, 100);
    parent = 1;
    pk__sys.getppid = fake_getppid;
    pk__lifeline_guard(l);
    hang();
}

static void end_by_itself(pk__lifeline *l, int host)
{
    bool before = pk__lifeline_is_orphan(l);
    close(host);
    if (!before && pk__lifeline_is_orphan(l) && pk__lifeline_has_group(l)) {
        pk__lifeline_deinit(l);
        pk__lifeline_end_group();
    }
}

TEST(lifeline, a_process_that_leads_a_group_ends_with_all_of_it)
{
    FILE *file = fopen("socket", "w");
    REQUIRE(file != NULL);
    fclose(file);
    int status = end_of_group(hang_while_the_host_dies);
    if (!getenv("TEST_VALGRIND")) {
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    CHECK(access("socket", F_OK) != 0); // and leaves no socket
    status = end_of_group(hang_while_the_parent_dies);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = end_of_group(end_by_itself);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(lifeline, who_leads_no_group_kills_none)
{
    pk__lifeline l;
    int host;
    open_pair(&l, &host);
    pid_t pid = fork(); // not a leader, whatever this process is
    REQUIRE(pid >= 0);
    if (pid == 0) {
        pk__lifeline_end_group();
        _exit(pk__lifeline_has_group(&l) ? 1 : 0);
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, ==, 0);
    pk__lifeline_deinit(&l);
    CHECK(pk__lifeline_has_group(&l)); // asked by hand: what it would do
    CHECK(!pk__lifeline_is_orphan(&l));
    close(host);
}

TEST(lifeline, looks_at_the_parent_when_told_to)
{
    pk__lifeline l = {0};
    pk_loop *loop;
    pk__lifeline_look(&l); // nobody would hear of it
    parent = 100;
    pk__sys.getppid = fake_getppid;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    REQUIRE_OK(pk__lifeline_watch(&l, loop, on_end, NULL, NULL));
    pk__lifeline_look(&l);
    CHECK_INT(ends.deaths, ==, 0);
    parent = 1;
    pk__lifeline_look(&l);
    CHECK_INT(ends.deaths, ==, 1);
    pk__lifeline_deinit(&l);
    pk_loop_destroy(loop);
    pk__sys_reset();
}

TEST(lifeline, guard_leaves_a_process_alone_that_ends_by_itself)
{
    pk__lifeline l;
    pk_loop *loop;
    int host;
    open_pair(&l, &host);
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    REQUIRE_OK(pk__lifeline_watch(&l, loop, on_end, NULL, NULL));
    pk__lifeline_guard(&l);
    pk__lifeline_deinit(&l); // the host lives: the guard must be woken
    close(host);
    open_pair(&l, &host);
    REQUIRE_OK(pk__lifeline_watch(&l, loop, on_end, NULL, NULL));
    pk__lifeline_guard(&l);
    close(host);
    WAIT_UNTIL(pk_loop_step(loop, 10, NULL) == PK_OK && ends.deaths == 1);
    CHECK_UINT(pk__atomic_load(&l.noticed), ==, 1);
    pk__lifeline_deinit(&l);
    pk_loop_destroy(loop);
}
