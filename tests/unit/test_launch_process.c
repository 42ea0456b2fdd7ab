/* test_launch_process.c - plugins as child processes: their output, their control socket, their end.
 *
 * The children are this very program: with CHILD=what in its environment it does that instead of testing. What the
 * launcher reports goes into a pk_launch that has nothing behind it: lines of output and the exit come to the test. */
#include "unit.h"

/* ---- the child's side */

static void child_write(int fd, size_t total)
{
    static char bytes[65536];
    memset(bytes, 'x', sizeof(bytes));
    while (total > 0) {
        ssize_t n = write(fd, bytes, total < sizeof(bytes) ? total : sizeof(bytes));
        if (n <= 0) {
            _exit(9);
        }
        total -= (size_t)n;
    }
}

/* A grandchild that leaves the group and holds the output for ever. */
static void child_escape(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (write(1, "escaped\n", 8) != 8) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
}

static void child_run(const char *what)
{
    char bytes[4096];
    ssize_t n;
    if (strcmp(what, "speak") == 0) {
        dprintf(1, "one\ntwo\n");
        dprintf(2, "err\n");
        _exit(3);
    } else if (strcmp(what, "flood") == 0) {
        child_write(1, 20 << 20);
        child_write(2, 1 << 20);
        dprintf(1, "\nlast words");
    } else if (strcmp(what, "fds") == 0) {
        for (int fd = 0; fd < 256; fd++) {
            if (fcntl(fd, F_GETFD) >= 0) {
                dprintf(1, "%d ", fd);
            }
        }
    } else if (strcmp(what, "echo") == 0) { // from the control socket to the output, until the host is gone
        while ((n = read(3, bytes, sizeof(bytes))) > 0) {
            if (write(1, bytes, (size_t)n) != n) {
                _exit(1);
            }
        }
        dprintf(1, "end of the socket\n");
    } else if (strcmp(what, "answer") == 0) {
        if (write(3, "half a li", 9) != 9) {
            _exit(1);
        }
        pause();
    } else if (strcmp(what, "deaf") == 0) { // does not read its control socket
        dprintf(1, "ready\n");
        for (;;) {
            pause();
        }
    } else if (strcmp(what, "hang up") == 0) {
        close(3);
        dprintf(1, "ready\n");
        pause();
    } else if (strcmp(what, "stubborn") == 0) {
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        dprintf(1, "ready\n");
        for (;;) {
            pause();
        }
    } else if (strcmp(what, "escape") == 0) {
        child_escape();
        while (read(3, bytes, 1) > 0) {
        }
    } else if (strcmp(what, "close") == 0) { // its output ends long before it does
        close(1), close(2);
        pause();
    }
}

__attribute__((constructor)) static void child_begin(void)
{
    const char *what = getenv("CHILD");
    if (what) {
        child_run(what);
        _exit(0);
    }
}

/* ---- the host's side */

typedef struct stage {
    pk_loop *loop;
    pk__registry registry;
    pk__life life;
    pk__plugin plugin;
    pk__instance instance;
    pk_launch launch;
    pk_launcher launcher;
    void *state;
    char out[4096]; // complete lines, each with '|' behind it
    size_t out_lines, out_bytes, err_bytes;
    int exits;
} stage;

static void stage_out(void *user, pk_str line)
{
    stage *s = (stage *)user;
    size_t len = strlen(s->out);
    snprintf(s->out + len, sizeof(s->out) - len, "%" PK_FMT "|", (int)PK__MIN(line.len, 100), line.ptr);
    s->out_lines++;
    s->out_bytes += line.len;
}

static void stage_err(void *user, pk_str line)
{
    ((stage *)user)->err_bytes += line.len;
}

static void stage_exited(void *user)
{
    ((stage *)user)->exits++;
}

static bool stage_open(stage *s)
{
    memset(s, 0, sizeof(*s));
    if (!TRY_OK(pk_loop_create(&s->loop, NULL, NULL))) {
        return false;
    }
    pk__mutex_init(&s->registry.lock);
    s->life.registry = &s->registry;
    s->life.loop = s->loop;
    s->launch.life = &s->life;
    s->launch.plugin = &s->plugin;
    s->launch.instance = &s->instance;
    s->launch.task.run = stage_exited;
    s->launch.task.user = s;
    pk__output_init(&s->launch.out, NULL, 1 << 16, stage_out, s);
    pk__output_init(&s->launch.err, NULL, 1 << 16, stage_err, s);
    pk__control_lines_init(&s->launch.control, NULL, PK__CONTROL_LINE_MAX);
    s->launcher = pk__process_launcher(test_alloc());
    return true;
}

static void stage_close(stage *s)
{
    if (s->state) {
        s->launcher.free(s->state);
    }
    pk_loop_unpost(s->loop, &s->launch.task);
    pk__output_deinit(&s->launch.out);
    pk__output_deinit(&s->launch.err);
    pk__control_lines_deinit(&s->launch.control);
    pk__mutex_deinit(&s->registry.lock);
    pk_loop_destroy(s->loop);
}

static pk_err stage_try(stage *s, const char *what, const char *path, bool control, pk_error *err)
{
    static char self[4096];
    char child[64];
    const char *const argv[] = {"child", NULL}, *const env[] = {child, NULL};
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    REQUIRE(n > 0);
    self[n] = '\0';
    snprintf(child, sizeof(child), "CHILD=%s", what);
    pk_launch_info info = {.id = "p", .instance = "p-1", .path = path ? path : self, .argv = argv, .env = env,
                           .control = control, .loop = s->loop};
    return s->launcher.start(s->launcher.user, &s->launch, &info, &s->state, err);
}

static void stage_start(stage *s, const char *what, bool control)
{
    REQUIRE(stage_open(s));
    REQUIRE_OK(stage_try(s, what, NULL, control, NULL));
    CHECK_INT(s->instance.pid, >, 1);
}

static void stage_step(stage *s)
{
    REQUIRE_OK(pk_loop_step(s->loop, -1, NULL));
}

static void stage_wait(stage *s)
{
    while (s->exits == 0) {
        stage_step(s);
    }
    CHECK_INT(s->exits, ==, 1);
    CHECK(s->launch.has_exit);
    pk__output_end(&s->launch.out);
    pk__output_end(&s->launch.err);
}

static void stage_wait_line(stage *s, const char *line)
{
    while (!strstr(s->out, line)) {
        stage_step(s);
    }
}

TEST(launch_process, hands_over_the_output_and_then_the_exit_once)
{
    stage s;
    stage_start(&s, "speak", false);
    stage_wait(&s);
    CHECK_STR(s.out, "one|two|");
    CHECK_UINT(s.err_bytes, ==, 3);
    CHECK_INT(s.launch.wait_status, ==, 3 << 8);
    CHECK_STR(s.launch.exit_why, "");
    REQUIRE_OK(pk_loop_step(s.loop, 0, NULL));
    CHECK_INT(s.exits, ==, 1);
    s.launcher.stop(s.state, 2); // too late: does nothing
    stage_close(&s);
}

TEST(launch_process, reads_on_whatever_is_printed)
{
    stage s;
    stage_start(&s, "flood", false);
    stage_wait(&s);
    CHECK_UINT(s.out_lines, ==, 2); // the first one cut, the last one without an end
    CHECK_CONTAINS(s.out, "|last words|");
    CHECK_UINT(s.launch.out.dropped + s.out_bytes, ==, (20 << 20) + strlen("last words"));
    CHECK_UINT(s.launch.err.dropped + s.err_bytes, ==, 1 << 20);
    CHECK_INT(s.launch.wait_status, ==, 0);
    stage_close(&s);
}

TEST(launch_process, gives_the_control_socket_only_to_those_who_talk)
{
    stage s;
    int leak = fcntl(1, F_DUPFD, 50); // not close-on-exec
    stage_start(&s, "fds", false);
    stage_wait(&s);
    CHECK_STR(s.out, "0 1 2 |");
    stage_close(&s);
    stage_start(&s, "fds", true);
    stage_wait(&s);
    CHECK_STR(s.out, "0 1 2 3 |");
    stage_close(&s);
    close(leak);
}

TEST(launch_process, control_lines_go_both_ways)
{
    stage s;
    pk_error err = {0};
    stage_start(&s, "echo", true);
    REQUIRE_OK(s.launcher.send(s.state, PK_STR("{\"config\":1}\n"), &err));
    REQUIRE_OK(s.launcher.send(s.state, PK_STR("{\"more\":2}\n"), &err));
    stage_wait_line(&s, "{\"config\":1}|{\"more\":2}|");
    s.launcher.stop(s.state, 2);
    stage_wait(&s);
    CHECK_INT(s.launch.wait_status, ==, SIGKILL);
    stage_close(&s);

    stage_start(&s, "answer", true);
    while (s.launch.control.buf.len < 9) {
        stage_step(&s);
    }
    CHECK_PK_STR(pk_buf_str(&s.launch.control.buf), "half a li");
    stage_close(&s);
}

TEST(launch_process, a_large_first_line_goes_out_as_it_is_read)
{
    static char many[3 << 20];
    stage s;
    pk_error err = {0};
    pk_str bytes = {many, sizeof(many)};
    memset(many, 'c', sizeof(many));
    stage_start(&s, "echo", true);
    REQUIRE_OK(s.launcher.send(s.state, bytes, &err));
    REQUIRE_OK(s.launcher.send(s.state, PK_STR("\nsecond\n"), &err));
    stage_wait_line(&s, "second|");
    CHECK_UINT(s.launch.out.dropped + s.out_bytes, ==, sizeof(many) + strlen("second"));
    stage_close(&s);
}

TEST(launch_process, one_that_does_not_read_its_socket_is_told_on)
{
    static char many[9 << 20];
    stage s;
    pk_error err = {0};
    pk_str bytes = {many, sizeof(many)};
    stage_start(&s, "deaf", true);
    REQUIRE_OK(s.launcher.send(s.state, bytes, &err));
    CHECK_ERR(s.launcher.send(s.state, bytes, &err), PK_ERR_LIMIT);
    CHECK_CONTAINS(err.msg, "it does not read its control socket");
    stage_close(&s);

    stage_start(&s, "hang up", true);
    stage_wait_line(&s, "ready|");
    while (s.launcher.send(s.state, PK_STR("x\n"), &err) == PK_OK) {
        REQUIRE_OK(pk_loop_step(s.loop, 1, NULL));
    }
    CHECK_INT(err.code, ==, PK_ERR_PLUGIN_CONNECTION);
    stage_close(&s);
}

TEST(launch_process, stops_in_three_ways)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGKILL};
    for (int how = 0; how < 3; how++) {
        CASE("way %d", how) {
            stage s;
            stage_start(&s, "deaf", false);
            stage_wait_line(&s, "ready|");
            s.launcher.stop(s.state, how);
            stage_wait(&s);
            CHECK_INT(s.launch.wait_status, ==, signals[how]);
            stage_close(&s);
        }
    }
    stage s;
    stage_start(&s, "stubborn", false);
    stage_wait_line(&s, "ready|");
    s.launcher.stop(s.state, 0);
    s.launcher.stop(s.state, 1);
    REQUIRE_OK(pk_loop_step(s.loop, 5, NULL));
    CHECK_INT(s.exits, ==, 0);
    s.launcher.stop(s.state, 2);
    stage_wait(&s);
    stage_close(&s);
}

TEST(launch_process, the_socket_s_end_is_the_lifeline)
{
    stage s;
    int fds[2], status;
    char text[64] = "";
    REQUIRE_OK(pk__fd_pipe(fds, NULL));
    fflush(stdout);
    pid_t host = fork(); // a host that is killed without a chance to tidy up
    if (host == 0) {
        dup2(fds[1], 1);
        stage_start(&s, "echo", true);
        REQUIRE_OK(s.launcher.send(s.state, PK_STR("up\n"), NULL));
        stage_wait_line(&s, "up|");
        (void)!write(fds[1], "P", 1);
        dprintf(fds[1], "%d", (int)s.instance.pid);
        raise(SIGKILL);
    }
    REQUIRE(waitpid(host, &status, 0) == host);
    pk__fd_close(fds[1]);
    REQUIRE(read(fds[0], text, sizeof(text) - 1) > 1);
    pid_t plugin = (pid_t)atoi(text + 1);
    REQUIRE(plugin > 1);
    WAIT_UNTIL(kill(plugin, 0) != 0 && errno == ESRCH);
    pk__fd_close(fds[0]);
}

TEST(launch_process, a_pipe_that_a_stranger_holds_does_not_hold_up_the_exit)
{
    stage s;
    stage_start(&s, "escape", true);
    stage_wait_line(&s, "escaped|");
    s.launcher.stop(s.state, 2);
    stage_wait(&s);
    CHECK_INT(s.launch.wait_status, ==, SIGKILL);
    stage_close(&s);
    /* The stranger is nobody's but ours. */
    pid_t stranger = 0;
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        char link[300], target[4096];
        snprintf(link, sizeof(link), "/proc/%s/cwd", entry->d_name);
        ssize_t n = readlink(link, target, sizeof(target) - 1);
        if (n > 0 && atoi(entry->d_name) != getpid()) {
            target[n] = '\0';
            stranger = strcmp(target, test_now.folder) == 0 ? (pid_t)atoi(entry->d_name) : stranger;
        }
    }
    closedir(dir);
    REQUIRE(stranger > 1);
    kill(stranger, SIGKILL);
}

TEST(launch_process, an_early_end_of_output_is_no_exit)
{
    stage s;
    stage_start(&s, "close", false);
    while (!pk__launcher_child_is_drained((const pk__launcher_child *)s.state)) {
        stage_step(&s);
    }
    CHECK_INT(s.exits, ==, 0);
    s.launcher.stop(s.state, 0);
    stage_wait(&s);
    CHECK_INT(s.launch.wait_status, ==, SIGTERM);
    stage_close(&s);
}

TEST(launch_process, what_cannot_be_started_is_an_error_and_leaves_nothing)
{
    stage s;
    pk_error err = {0};
    REQUIRE(stage_open(&s));
    CHECK_ERR(stage_try(&s, "speak", "./missing", true, &err), PK_ERR_EXEC);
    CHECK_CONTAINS(err.msg, "cannot start './missing': exec: ");
    CHECK_INT(s.exits, ==, 0);
    CHECK(s.state == NULL);
    stage_close(&s);
}

TEST(launch_process, is_killed_when_it_is_freed)
{
    stage s;
    stage_start(&s, "stubborn", true);
    stage_wait_line(&s, "ready|");
    pid_t pid = (pid_t)s.instance.pid;
    stage_close(&s);
    CHECK(kill(pid, 0) != 0 && errno == ESRCH);
}

TEST(launch_process, an_unknown_status_is_passed_on)
{
    stage s;
    signal(SIGCHLD, SIG_IGN);
    stage_start(&s, "speak", false);
    stage_wait(&s);
    CHECK_INT(s.launch.wait_status, ==, PK__STATUS_UNKNOWN);
    CHECK_STR(s.out, "one|two|");
    signal(SIGCHLD, SIG_DFL);
    stage_close(&s);
}

TEST_TORTURE(launch_process, survives_each_failure)
{
    stage s;
    if (!stage_open(&s)) {
        return;
    }
    if (TRY_OK(stage_try(&s, "echo", NULL, true, NULL))) {
        (void)TRY_OK(s.launcher.send(s.state, PK_STR("hello\n"), NULL));
        for (int i = 0; i < 20 && !strstr(s.out, "hello|"); i++) {
            (void)pk_loop_step(s.loop, 20, NULL);
        }
        s.launcher.stop(s.state, 2);
        for (int i = 0; i < 20 && s.exits == 0; i++) {
            (void)pk_loop_step(s.loop, 20, NULL);
        }
    }
    stage_close(&s);
}
