/* test_launch_process.c - plugins as child processes: their output, their control socket, their end.
 *
 * The children are this very program: with CHILD=what in its environment it does that instead of testing. What the
 * launcher reports goes into a pk_launch that has nothing behind it: lines of output and the exit come to the test. */
#define UNIT_WHOLE
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

static void child_note_end(int number)
{
    int fd = open("asked", O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)number;
    (void)!write(fd, "T", 1);
    (void)close(fd);
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
    } else if (strcmp(what, "tree") == 0) { // its child is as deaf as itself
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        if (fork() != 0) {
            dprintf(1, "ready\n");
        }
        for (;;) {
            pause();
        }
    } else if (strcmp(what, "count") == 0) { // how often it is asked to end
        signal(SIGTERM, child_note_end);
        dprintf(1, "ready\n");
        for (;;) {
            pause();
        }
    } else if (strcmp(what, "leave") == 0) { // its group, before there can be a guardian
        setpgid(0, getpgid(getppid()));
        dprintf(1, "ready\n");
        pause();
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
    pk__launching_processes processes;
    pk_launcher launcher;
    bool guard; // tell the launcher to see to its end with us
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
    s->launcher = pk__process_launcher(&s->processes, test_alloc());
    return true;
}

static void stage_close(stage *s)
{
    if (s->state) {
        s->launcher.free(s->state);
    }
    pk__process_launcher_deinit(&s->processes);
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
                           .control = control, .loop = s->loop, .die_with_host = s->guard};
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

/* ---- the guardian */

static pk__guardian *stage_guardian(const stage *s)
{
    return &((pk__launcher_child *)s->state)->guardian;
}

static void stage_start_guarded(stage *s, const char *what)
{
    REQUIRE(stage_open(s));
    s->guard = true;
    REQUIRE_OK(stage_try(s, what, NULL, true, NULL));
    CHECK_STR(s->instance.group_death, "asked");
    while (!pk__guardian_is_there(stage_guardian(s))) {
        stage_step(s);
    }
    CHECK_STR(s->instance.group_death, "guardian");
    CHECK_STR(s->instance.death, "asked");
}

/* How many run in this group: zombies are whoever's business they are now. */
static int group_size(pid_t group)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    int count = 0;
    REQUIRE(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        char path[300], text[512] = "", state = 'Z';
        int parent, of = 0;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (file) {
            size_t n = fread(text, 1, sizeof(text) - 1, file);
            const char *name_end = n ? strrchr(text, ')') : NULL;
            bool is_read = name_end && sscanf(name_end, ") %c %d %d", &state, &parent, &of) == 3;
            count += is_read && of == group && state != 'Z';
            fclose(file);
        }
    }
    closedir(dir);
    return count;
}

/* A host that ends in some way; true when nobody of the plugin's group is left, nor holds its output. */
static void host_ends(const char *what, void (*end)(stage *s, int out))
{
    stage s;
    int fds[2], status;
    int32_t pids[2] = {0, 0}; // the plugin, and what the host leaves behind
    REQUIRE_OK(pk__fd_pipe(fds, NULL));
    fflush(stdout);
    pid_t host = fork();
    if (host == 0) {
        pk__fd_close(fds[0]);
        stage_start_guarded(&s, what);
        stage_wait_line(&s, "ready|");
        pids[0] = (int32_t)s.instance.pid;
        REQUIRE(write(fds[1], &pids[0], sizeof(pids[0])) == (ssize_t)sizeof(pids[0]));
        end(&s, fds[1]);
        raise(SIGKILL);
    }
    pk__fd_close(fds[1]);
    REQUIRE(read(fds[0], &pids[0], sizeof(pids[0])) == (ssize_t)sizeof(pids[0]));
    (void)!read(fds[0], &pids[1], sizeof(pids[1]));
    if (pids[1] != host) {
        REQUIRE(waitpid(host, &status, 0) == host);
    }
    REQUIRE(pids[0] > 1);
    WAIT_UNTIL(group_size(pids[0]) == 0);
    if (pids[1] > 1) {
        CHECK_INT(kill(pids[1], SIGKILL), ==, 0);
    }
    if (pids[1] == host) {
        REQUIRE(waitpid(host, &status, 0) == host);
    }
    pk__fd_close(fds[0]);
}

static void end_killed(stage *s, int out)
{
    (void)s, (void)out;
}

static void end_with_all_stopped(stage *s, int out)
{
    (void)out;
    kill(-(pid_t)s->instance.pid, SIGSTOP);
}

/* First the descriptors, as the system does it; a large host takes a while until it is really gone. */
static void end_slowly(stage *s, int out)
{
    (void)out;
    pk__fd_close(s->processes.line[1]);
    usleep(20000);
}

/* The child has all of our descriptors. */
static void end_forked(stage *s, int out)
{
    (void)s;
    int32_t pid = (int32_t)fork();
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    (void)!write(out, &pid, sizeof(pid));
}

static void end_forked_and_stopped(stage *s, int out)
{
    end_with_all_stopped(s, out);
    end_forked(s, out);
}

static void end_by_exec(stage *s, int out)
{
    int32_t pid = (int32_t)getpid();
    (void)s;
    (void)!write(out, &pid, sizeof(pid));
    signal(SIGCHLD, SIG_IGN); // it reaps nobody, and then need not
    execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

TEST(launch_process, a_guardian_kills_the_group_however_the_host_ends)
{
    static void (*const ways[])(stage *s, int out) = {end_killed, end_with_all_stopped, end_by_exec};
    for (size_t i = 0; i < PK__COUNT(ways); i++) {
        CASE("way %d", (int)i) {
            host_ends("tree", ways[i]);
        }
    }
}

#ifdef PK__LINUX
TEST(launch_process, a_guardian_notices_that_a_host_has_died_whose_forked_child_lives)
{
    host_ends("tree", end_forked);
    host_ends("tree", end_forked_and_stopped);
}
#endif

/* The end of the pipe and that of the parent are one death. */
TEST(launch_process, a_guardian_asks_once_before_it_kills)
{
    char asked[8] = "";
    for (int i = 0; i < 50 && !asked[0]; i++) { // on a busy machine it may be killed before it has written anything
        host_ends("count", end_slowly);
        FILE *file = fopen("asked", "r");
        if (file) {
            (void)!fgets(asked, sizeof(asked), file);
            fclose(file);
        }
    }
    CHECK_STR(asked, "T");
}

TEST(launch_process, a_guardian_does_not_mind_what_is_meant_for_the_plugin)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1,
                                  SIGUSR2, SIGALRM, SIGPIPE, SIGTSTP, SIGCONT};
    stage s;
    stage_start_guarded(&s, "stubborn");
    stage_wait_line(&s, "ready|");
    pid_t guardian = stage_guardian(&s)->process.pid;
    for (size_t i = 0; i < PK__COUNT(signals); i++) {
        CHECK_INT(kill(guardian, signals[i]), ==, 0);
    }
    s.launcher.stop(s.state, 0);
    for (int i = 0; i < 10; i++) {
        REQUIRE_OK(pk_loop_step(s.loop, 5, NULL));
    }
    CHECK_INT(stage_guardian(&s)->process.pid, ==, guardian);
    CHECK_INT(s.exits, ==, 0);
    s.launcher.stop(s.state, 2);
    stage_wait(&s);
    CHECK(!pk__guardian_is_there(stage_guardian(&s))); // both are reaped when the exit is told
    stage_close(&s);
}

TEST(launch_process, a_guardian_that_was_killed_is_replaced)
{
    stage s;
    stage_start_guarded(&s, "deaf");
    pid_t first = stage_guardian(&s)->process.pid;
    CHECK_INT(kill(first, SIGKILL), ==, 0);
    while (pk__guardian_is_there(stage_guardian(&s))) {
        stage_step(&s);
    }
    CHECK_STR(s.instance.group_death, "asked"); // until then
    while (!pk__guardian_is_there(stage_guardian(&s))) {
        stage_step(&s);
    }
    CHECK_STR(s.instance.group_death, "guardian");
    CHECK_UINT(stage_guardian(&s)->starts, ==, 2);
    s.launcher.stop(s.state, 2);
    stage_wait(&s);
    stage_close(&s);
}

static int (*real_execve)(const char *path, char *const *argv, char *const *env);

static int execve_without_a_shell(const char *path, char *const *argv, char *const *env)
{
    if (strcmp(path, "/bin/sh") == 0) {
        errno = ENOENT;
        return -1;
    }
    return real_execve(path, argv, env);
}

TEST(launch_process, without_a_shell_there_is_no_guardian_and_the_plugin_runs)
{
    stage s;
    pk__clock_fake(PK__SECOND);
    real_execve = pk__sys.execve;
    pk__sys.execve = execve_without_a_shell;
    REQUIRE(stage_open(&s));
    s.guard = true;
    REQUIRE_OK(stage_try(&s, "deaf", NULL, true, NULL));
    while (stage_guardian(&s)->starts < PK__GUARDIAN_STARTS) {
        pk__clock_advance(PK__SECOND);
        REQUIRE_OK(pk_loop_step(s.loop, 1, NULL));
    }
    CHECK_STR(s.instance.group_death, "asked");
    pk__clock_advance(3600 * PK__SECOND);
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(pk_loop_step(s.loop, 1, NULL));
    }
    CHECK_UINT(stage_guardian(&s)->starts, ==, PK__GUARDIAN_STARTS); // it has been given up
    CHECK_INT(s.exits, ==, 0);
    pk__sys_reset();
    pk__clock_real();
    s.launcher.stop(s.state, 2);
    stage_wait(&s);
    stage_close(&s);
}

TEST(launch_process, a_guardian_joins_only_the_plugin_s_own_group)
{
    stage s;
    REQUIRE(stage_open(&s));
    s.guard = true;
    REQUIRE_OK(stage_try(&s, "leave", NULL, true, NULL));
    pid_t pid = (pid_t)s.instance.pid;
    WAIT_UNTIL(getpgid(pid) == getpgid(0));
    while (stage_guardian(&s)->starts == 0) {
        stage_step(&s);
    }
    CHECK(!pk__guardian_is_there(stage_guardian(&s)));
    CHECK_STR(s.instance.group_death, "asked");
    stage_close(&s);
}

TEST(launch_process, a_guardian_of_a_plugin_that_ends_at_once_leaves_nothing)
{
    for (int i = 0; i < 30; i++) { // the harness looks for what is left
        stage s;
        REQUIRE(stage_open(&s));
        s.guard = true;
        REQUIRE_OK(stage_try(&s, "nothing", NULL, true, NULL));
        if (i % 2) {
            usleep((useconds_t)(i * 100)); // it may be a zombie when the guardian joins
        }
        stage_wait(&s);
        CHECK_INT(s.launch.wait_status, ==, 0);
        stage_close(&s);
    }
}

/* Its number may be another's by then: who joined a group after that must not stay there. */
TEST(launch_process, a_guardian_of_a_plugin_that_somebody_has_reaped_does_not_stay)
{
    stage s;
    REQUIRE(stage_open(&s));
    s.guard = true;
    REQUIRE_OK(stage_try(&s, "tree", NULL, true, NULL));
    pid_t pid = (pid_t)s.instance.pid;
    stage_wait_line(&s, "ready|");
    pk__process *plugin = &((pk__launcher_child *)s.state)->process;
    if (plugin->loop) {
        pk_watch_remove(s.loop, &plugin->watch); // so that nobody notices
        pk_timer_stop(s.loop, &plugin->timer);
    }
    kill(pid, SIGKILL);
    REQUIRE(waitpid(pid, NULL, 0) == pid);
    pk__guardian_deinit(stage_guardian(&s));
    CHECK_INT(pk__guardian_spawn(stage_guardian(&s)), ==, PK_ERR_STALE); // the grandchild keeps the group
    pk__process_deinit(&stage_guardian(&s)->process);
    kill(-pid, SIGKILL);
    stage_close(&s);
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
    s.guard = true;
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
