/* test_process.c - starting, watching, signalling and reaping children.
 *
 * The children are this very program: with CHILD=what in its environment it does that instead of testing. */
#define UNIT_WHOLE
#include "unit.h"

#ifdef __linux__
#include <sys/ptrace.h>
#endif
#include <sys/resource.h>
#include <sys/socket.h>

extern char **environ;

/* ---- the child's side */

static void child_print_fds(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            dprintf(1, "%d ", fd);
        }
    }
}

static void child_print_signals(void)
{
    sigset_t blocked;
    struct sigaction action;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int number = 1; number < 32; number++) {
        if (sigismember(&blocked, number) == 1) {
            dprintf(1, "%d is blocked\n", number);
        }
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN) { // exec makes the others default
            dprintf(1, "%d is ignored\n", number);
        }
    }
}

static void child_run(const char *what)
{
    if (strcmp(what, "fds") == 0) {
        child_print_fds();
    } else if (strcmp(what, "env") == 0) {
        for (char **e = environ; *e; e++) {
            dprintf(1, "%s\n", *e);
        }
    } else if (strcmp(what, "signals") == 0) {
        child_print_signals();
    } else if (strcmp(what, "group") == 0) {
        dprintf(1, "%d", getpgrp() == getpid());
    } else if (strcmp(what, "cwd") == 0) {
        char path[4096];
        dprintf(1, "%s", getcwd(path, sizeof(path)) ? path : "?");
    } else if (strcmp(what, "move") == 0) {
        dprintf(1, "%s\n", setpgid(0, getpgid(getppid())) == 0 ? "moved" : "cannot move");
        for (;;) {
            pause();
        }
    } else if (strcmp(what, "exit") == 0) {
        _exit(7);
    } else if (strcmp(what, "abort") == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        abort();
    } else if (strcmp(what, "stdin") == 0) {
        char byte;
        dprintf(1, "%d", (int)read(0, &byte, 1));
    } else if (strcmp(what, "hang") == 0 || strcmp(what, "family") == 0) {
        signal(SIGTERM, SIG_IGN);
        if (what[0] == 'f' && fork() == 0) {
            dprintf(1, "grandchild %d\n", (int)getpid());
        }
        if (what[0] == 'h') {
            dprintf(1, "ready\n");
        }
        for (;;) {
            pause();
        }
    } else if (strcmp(what, "leave") == 0 && fork() == 0) {
        signal(SIGTERM, SIG_IGN);
        dprintf(1, "grandchild %d\n", (int)getpid());
        for (;;) {
            pause();
        }
    } else if (strcmp(what, "leave") == 0) {
        struct timespec t = {0, 50000000};
        nanosleep(&t, NULL);
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

/* ---- the parent's side */

typedef struct family {
    pk_loop *loop;
    pk__process process;
    int out; // reads what the child prints
    int exits, status;
} family;

static const char *self_path(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    REQUIRE(n > 0);
    path[n] = '\0';
    return path;
}

static void family_exited(void *user, int status)
{
    family *f = (family *)user;
    f->exits++;
    f->status = status;
}

/* Starts the child `what` with its standard output in a pipe. */
static pk_err family_try(family *f, const char *what, pk__spawn_desc *desc, pk_error *err)
{
    static const char *env[2];
    static char child[64];
    static const char *argv[] = {"child", NULL};
    pk__spawn_fd out = {1, -1};
    int fds[2];
    pk_err code = pk__fd_pipe(fds, err);
    if (code) {
        return code;
    }
    snprintf(child, sizeof(child), "CHILD=%s", what);
    env[0] = child;
    desc->path = desc->path ? desc->path : self_path();
    desc->argv = desc->argv ? desc->argv : argv;
    desc->env = desc->env ? desc->env : env;
    out.parent = fds[1];
    if (!desc->fds) {
        desc->fds = &out;
        desc->fd_count = 1;
    }
    code = pk__process_spawn(&f->process, desc, err);
    pk__fd_close(fds[1]);
    if (desc->fds == &out) {
        desc->fds = NULL;
        desc->fd_count = 0;
    }
    f->out = fds[0];
    if (code) {
        pk__fd_close(fds[0]);
    }
    return code;
}

static void family_start(family *f, const char *what)
{
    pk__spawn_desc desc = {0};
    memset(f, 0, sizeof(*f));
    REQUIRE_OK(pk_loop_create(&f->loop, NULL, NULL));
    REQUIRE_OK(family_try(f, what, &desc, NULL));
}

static void family_watch(family *f)
{
    REQUIRE_OK(pk__process_watch(&f->process, f->loop, family_exited, f, NULL));
}

static void family_wait(family *f)
{
    while (f->exits == 0) {
        REQUIRE_OK(pk_loop_step(f->loop, -1, NULL));
    }
}

static void family_end(family *f)
{
    pk__process_deinit(&f->process);
    pk__fd_close(f->out);
    pk_loop_destroy(f->loop);
}

/* All that it prints until nobody holds the pipe any more. */
static const char *family_output(const family *f)
{
    static char text[65536];
    size_t len = 0;
    ssize_t n;
    while ((n = pk__fd_read(f->out, text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

/* The first line. */
static const char *family_line(const family *f)
{
    static char text[128];
    size_t len = 0;
    while (len + 1 < sizeof(text) && pk__fd_read(f->out, text + len, 1) == 1 && text[len] != '\n') {
        len++;
    }
    text[len] = '\0';
    return text;
}

/* Runs `what` to its end and gives what it printed. */
static const char *family_run(const char *what, pk__spawn_desc *desc)
{
    family f = {0};
    const char *text;
    REQUIRE_OK(family_try(&f, what, desc, NULL));
    text = family_output(&f);
    WAIT_UNTIL(pk__process_reap(&f.process));
    CHECK_INT(f.process.status, ==, 0);
    pk__process_deinit(&f.process);
    pk__fd_close(f.out);
    return text;
}

/* EACH_KERNEL() { ... }: with the young features, and without. */
#define EACH_KERNEL()                                                                                       \
    for (int old = 0, before = pk__sys_is_old() ? 1 : -1; old < 2; pk__sys_old_kernel = before, old++)      \
        for (bool once = (pk__sys_old_kernel = old || before > 0 ? 1 : -1) != 0; once; once = false)        \
            CASE("%s", old ? "old kernel" : "new kernel")

/* ---- start */

TEST(process, gets_exactly_the_declared_descriptors)
{
    EACH_KERNEL() {
        pk__spawn_desc desc = {0};
        int leak = open("/dev/null", O_RDONLY), high; // not close-on-exec: what a careless host does
        REQUIRE(leak >= 0);
        high = dup2(leak, 700);
        CHECK_STR(family_run("fds", &desc), "0 1 2 ");
        close(leak);
        close(high);
    }
}

TEST(process, without_close_range_and_proc_all_is_still_closed)
{
    struct rlimit limit;
    pk__spawn_desc desc = {0};
    int leak = dup2(1, 200);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 256;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    pk__sys_old_kernel = 1;
    pk__sys_fail_times = 0;
    pk__process_job job;
    const char *const argv[] = {"x", NULL};
    desc.path = "x";
    desc.argv = argv;
    REQUIRE_OK(pk__process_init_job(&job, &desc, NULL));
    CHECK_INT(job.fd_limit, ==, 256);
    pid_t pid = fork();
    if (pid == 0) {
        pk__sys_fail_at = pk__sys_count.all + 2; // open("/proc/self/fd"), right behind close_range
        pk__process_mark_rest(&job, 100);
        _exit((fcntl(leak, F_GETFD) & FD_CLOEXEC) != 0 && pk__sys_failed ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, ==, 0);
    close(leak);
}

TEST(process, places_descriptors_wherever_they_come_from)
{
    /* The sources lie where targets are to be, in each other's way. */
    EACH_KERNEL() {
        int a = open("a", O_RDWR | O_CREAT | O_CLOEXEC, 0600), b = open("b", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        REQUIRE(write(a, "a", 1) == 1 && write(b, "b", 1) == 1);
        int three = 60, four = 61, out[2];
        char text[64] = "";
        REQUIRE_OK(pk__fd_pipe(out, NULL));
        REQUIRE(dup3(a, three, O_CLOEXEC) == three && dup3(b, four, O_CLOEXEC) == four);
        const pk__spawn_fd fds[] = {{60, four}, {61, three}, {1, out[1]}, {62, three}, {5, out[1]}};
        const char *const argv[] = {"sh", "-c",
                                    "for i in 60 61 62; do readlink /proc/$$/fd/$i | sed 's,.*/,,' >&5; done", NULL};
        const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
        pk__spawn_desc desc = {.path = "/bin/sh", .argv = argv, .env = env, .fds = fds, .fd_count = 5};
        pk__process p;
        REQUIRE_OK(pk__process_spawn(&p, &desc, NULL));
        pk__fd_close(out[1]);
        size_t len = 0;
        ssize_t n;
        while ((n = pk__fd_read(out[0], text + len, sizeof(text) - 1 - len)) > 0) {
            len += (size_t)n;
        }
        CHECK_STR(text, "b\na\na\n");
        pk__process_deinit(&p);
        pk__fd_close(out[0]);
        close(a), close(b), close(three), close(four);
    }
}

TEST(process, gets_exactly_the_given_environment)
{
    static const char *const env[] = {"CHILD=env", "A=1", "B=two words", NULL};
    pk__spawn_desc desc = {.env = env};
    setenv("LD_LIBRARY_PATH", "/nowhere", 1);
    setenv("SECRET", "of the host", 1);
    const char *all = family_run("env", &desc); // in any order: emulators turn it round
    CHECK_UINT(strlen(all), ==, strlen("CHILD=env\nA=1\nB=two words\n"));
    for (size_t i = 0; env[i]; i++) {
        CHECK_CONTAINS(all, env[i]);
    }
}

TEST(process, gets_an_empty_stdin_a_group_and_a_directory)
{
    pk__spawn_desc desc = {0}, elsewhere = {.cwd = "/"};
    CHECK_STR(family_run("stdin", &desc), "0");
    CHECK_STR(family_run("group", &desc), "1");
    CHECK_STR(family_run("cwd", &elsewhere), "/");
}

static void host_handler(int number)
{
    (void)number;
}

TEST(process, gets_default_signals_whatever_the_host_has_done)
{
    pk__spawn_desc desc = {0};
    sigset_t all, old;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, host_handler);
    signal(SIGHUP, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    CHECK_STR(family_run("signals", &desc), "");
    sigset_t now;
    sigprocmask(SIG_SETMASK, &old, &now);
    CHECK_INT(sigismember(&now, SIGUSR2), ==, 1); // and the host's mask is as it was
}

TEST(process, can_be_a_file_that_is_only_held_open)
{
    EACH_KERNEL() {
        static const char *const argv[] = {"held", NULL};
        pk__spawn_desc desc = {.path = "held", .argv = argv, .exec_fd = open(self_path(), O_RDONLY | O_CLOEXEC)};
        CHECK_STR(family_run("fds", &desc), "0 1 2 ");
        close(desc.exec_fd);
    }
}

TEST(process, starts_with_descriptors_0_to_2_closed)
{
    pk__spawn_desc desc = {0};
    int saved[3], status = 1;
    for (int fd = 0; fd < 3; fd++) {
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 20);
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        family f = {0};
        pk__process_deinit(&f.process);
        close(0), close(1), close(2);
        bool good = family_try(&f, "fds", &desc, NULL) == PK_OK && f.out > 2;
        good = good && strcmp(family_output(&f), "0 1 2 ") == 0;
        pk__process_deinit(&f.process);
        _exit(good ? 0 : 1);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, ==, 0);
    for (int fd = 0; fd < 3; fd++) {
        close(saved[fd]);
    }
}

/* ---- what can go wrong with it */

/* Valgrind does not survive an exec that fails late. */
static bool under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

static void make_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    REQUIRE(fchmod(fd, mode) == 0 && close(fd) == 0);
}

TEST(process, says_which_step_failed_and_why)
{
    static const struct {
        const char *path, *cwd;
        int number;
        const char *message;
    } rows[] = {
        {"./missing", NULL, ENOENT, "cannot start './missing': exec: "},
        {"./plain", NULL, EACCES, "cannot start './plain': exec: "},
        {"./empty", NULL, ENOEXEC, "cannot start './empty': exec: "},
        {"./script", NULL, ENOENT, "cannot start './script': exec: "},
        {"/", NULL, EACCES, "cannot start '/': exec: "},
        {"./plain/x", NULL, ENOTDIR, "cannot start './plain/x': exec: "},
        {"/bin/sh", "./nowhere", ENOENT, "cannot start '/bin/sh': directory: "},
    };
    make_file("plain", "text", 0644);
    make_file("empty", "", 0755);
    make_file("script", "#!/no/such/interpreter\n", 0755);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        if (rows[i].number == ENOENT && rows[i].path[2] == 's' && under_valgrind()) {
            continue;
        }
        CASE("%s", rows[i].path) {
            pk__spawn_desc desc = {.path = rows[i].path, .cwd = rows[i].cwd};
            pk_error err = {0};
            family f = {0};
            CHECK_ERR(family_try(&f, "exit", &desc, &err), PK_ERR_EXEC);
            CHECK_INT(err.sys_errno, ==, rows[i].number);
            CHECK_CONTAINS(err.msg, rows[i].message);
            CHECK(!pk__process_is_alive(&f.process));
        }
    }
}

static int fails_with;

static int setpgid_fails(pid_t pid, pid_t group)
{
    (void)pid, (void)group;
    errno = fails_with;
    return -1;
}

static int dup2_fails(int from, int to)
{
    (void)from, (void)to;
    errno = fails_with;
    return -1;
}

static pid_t fork_fails(void)
{
    errno = fails_with;
    return -1;
}

static pid_t spawn_vm_fails(int (*run)(void *), void *stack, size_t size, void *arg)
{
    (void)run, (void)stack, (void)size, (void)arg;
    errno = fails_with;
    return -1;
}

TEST(process, says_so_of_the_earlier_steps_too)
{
    pk__spawn_desc desc = {0};
    pk_error err = {0};
    family f = {0};
    fails_with = EPERM;
    pk__sys.setpgid = setpgid_fails;
    CHECK_ERR(family_try(&f, "exit", &desc, &err), PK_ERR_EXEC);
    CHECK_CONTAINS(err.msg, ": process group: ");
    pk__sys_reset();
    fails_with = EMFILE;
    pk__sys.dup2 = dup2_fails;
    CHECK_ERR(family_try(&f, "exit", &desc, &err), PK_ERR_EXEC);
    CHECK_CONTAINS(err.msg, ": descriptors: ");
    pk__sys_reset();
    fails_with = ENOMEM;
    pk__sys.spawn_vm = spawn_vm_fails;
    pk__sys.fork = fork_fails;
    CHECK_ERR(family_try(&f, "exit", &desc, &err), PK_ERR_NO_MEMORY);
    CHECK_CONTAINS(err.msg, ": start: ");
    fails_with = EAGAIN;
    CHECK_ERR(family_try(&f, "exit", &desc, &err), PK_ERR_EXEC);
    pk__sys_reset();
}

TEST(process, a_busy_file_is_tried_again)
{
    /* A copy of ourselves that somebody is still writing to. */
    char command[4200];
    int writer, status, pipe_fds[2];
    char byte;
    if (under_valgrind()) {
        SKIP("valgrind does not survive it");
    }
    snprintf(command, sizeof(command), "cp '%s' busy", self_path());
    REQUIRE(system(command) == 0);
    REQUIRE(pipe2(pipe_fds, O_CLOEXEC) == 0);
    writer = open("busy", O_WRONLY | O_CLOEXEC);
    pk__spawn_desc desc = {.path = "./busy"};
    pk_error err = {0};
    family f = {0};
    pk__sys_reset();
    CHECK_ERR(family_try(&f, "exit", &desc, &err), PK_ERR_EXEC);
    CHECK_INT(err.sys_errno, ==, ETXTBSY);
    CHECK_UINT(pk__sys_count.nanosleep, ==, 6);

    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) { // holds it for a little while
        REQUIRE(write(pipe_fds[1], "x", 1) == 1);
        test__nap(8);
        _exit(0);
    }
    close(writer);
    REQUIRE(read(pipe_fds[0], &byte, 1) == 1);
    if (TRY_OK(family_try(&f, "exit", &desc, &err))) {
        WAIT_UNTIL(pk__process_reap(&f.process));
        CHECK_INT(WEXITSTATUS(f.process.status), ==, 7);
        pk__fd_close(f.out);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    close(pipe_fds[0]), close(pipe_fds[1]);
}

TEST(process, shares_memory_with_its_child_instead_of_copying_it)
{
    pk__spawn_desc desc = {0};
    pk__sys_reset();
    CHECK_STR(family_run("group", &desc), "1");
    CHECK_UINT(pk__sys_count.spawn_vm, ==, 1);
#if defined(PK__LINUX) && !defined(PK__SYS_WATCHED)
    CHECK_UINT(pk__sys_count.fork, ==, 0);
    fails_with = ENOSYS; // and where that cannot be had, it forks
    pk__sys.spawn_vm = spawn_vm_fails;
    CHECK_STR(family_run("group", &desc), "1");
    CHECK_UINT(pk__sys_count.fork, ==, 1);
    desc.path = "./missing";
    pk_error err = {0};
    family f = {0};
    CHECK_ERR(family_try(&f, "group", &desc, &err), PK_ERR_EXEC);
    CHECK_INT(err.sys_errno, ==, ENOENT);
    pk__sys_reset();
#else
    CHECK_UINT(pk__sys_count.fork, ==, 1);
#endif
}

/* ---- the end */

TEST(process, reports_its_status_once)
{
    static const struct {
        const char *what;
        int status;
        const char *text;
    } rows[] = {
        {"exit", 7 << 8, "exit status 7"},
        {"abort", SIGABRT, "signal 6 (aborted)"},
        {"group", 0, "exit status 0"},
    };
    EACH_KERNEL() {
        for (size_t i = 0; i < PK__COUNT(rows); i++) {
            char text[64];
            family f;
            family_start(&f, rows[i].what);
            family_watch(&f);
            family_wait(&f);
            CHECK_INT(f.status & ~0x80, ==, rows[i].status);
            CHECK_STR(pk__process_describe(f.status & ~0x80, text, sizeof(text)), rows[i].text);
            CHECK(!pk__process_is_alive(&f.process));
            REQUIRE_OK(pk_loop_step(f.loop, 0, NULL));
            CHECK_INT(f.exits, ==, 1);
            family_end(&f);
        }
    }
}

TEST(process, describes_what_cannot_be_known)
{
    char text[64];
    CHECK_STR(pk__process_describe(PK__STATUS_UNKNOWN, text, sizeof(text)), "exited, status unknown");
    CHECK_STR(pk__process_describe(SIGSEGV, text, sizeof(text)), "signal 11 (segmentation fault)");
    CHECK_STR(pk__process_describe(SIGWINCH, text, sizeof(text)), "signal 28 (no name)");
    CHECK_STR(pk__process_describe(0x137f, text, sizeof(text)), "status 4991");
}

TEST(process, a_group_dies_together)
{
    EACH_KERNEL() {
        family f;
        family_start(&f, "family");
        CHECK_CONTAINS(family_line(&f), "grandchild ");
        family_watch(&f);
        pk__process_signal(&f.process, SIGTERM); // both ignore it
        REQUIRE_OK(pk_loop_step(f.loop, 0, NULL));
        CHECK_INT(f.exits, ==, 0);
        CHECK(pk__process_is_alive(&f.process));
        pk__process_signal(&f.process, SIGKILL);
        family_wait(&f);
        CHECK_INT(f.status, ==, SIGKILL);
        CHECK_STR(family_output(&f), ""); // the end of it: nobody holds the pipe
        family_end(&f);
    }
}

TEST(process, what_a_dead_leader_left_behind_is_killed)
{
    EACH_KERNEL() {
        family f;
        family_start(&f, "leave");
        CHECK_CONTAINS(family_line(&f), "grandchild ");
        family_watch(&f);
        family_wait(&f);
        CHECK_INT(f.status, ==, 0);
        CHECK_STR(family_output(&f), "");
        family_end(&f);
    }
}

/* In its own session a process may join any group: that of its host, say. */
TEST(process, one_that_has_left_its_group_is_signalled_all_the_same)
{
    EACH_KERNEL()
    {
        family f = {0};
        family_start(&f, "move");
        CHECK_STR(family_line(&f), "moved");
        CHECK(getpgid(f.process.pid) != f.process.pid);
        family_watch(&f);
        pk__process_signal(&f.process, SIGTERM);
        family_wait(&f);
        CHECK_INT(f.status, ==, SIGTERM);
        family_end(&f);
    }
}

TEST(process, deinit_kills_what_still_runs)
{
    EACH_KERNEL() {
        family f;
        family_start(&f, "family");
        CHECK_CONTAINS(family_line(&f), "grandchild ");
        family_watch(&f);
        pk__process_deinit(&f.process);
        CHECK(!pk__process_is_alive(&f.process));
        CHECK_STR(family_output(&f), "");
        CHECK_INT(f.exits, ==, 0);
        pk__process_signal(&f.process, SIGKILL); // nobody there: does nothing
        family_end(&f);
    }
}

static void deinit_on_exit(void *user, int status)
{
    family_exited(user, status);
    pk__process_deinit(&((family *)user)->process);
    memset(&((family *)user)->process, 0xee, sizeof(pk__process));
}

TEST(process, may_be_freed_by_its_exit)
{
    EACH_KERNEL() {
        family f;
        family_start(&f, "exit");
        REQUIRE_OK(pk__process_watch(&f.process, f.loop, deinit_on_exit, &f, NULL));
        family_wait(&f);
        memset(&f.process, 0, sizeof(f.process));
        family_end(&f);
    }
}

TEST(process, a_hint_makes_polling_look_soon)
{
    family f;
    pk__sys_old_kernel = 1;
    pk__clock_fake(PK__SECOND);
    family_start(&f, "hang");
    CHECK_STR(family_line(&f), "ready");
    family_watch(&f);
    for (int i = 0; i < 20; i++) {
        pk__clock_advance(50 * PK__MS);
        REQUIRE_OK(pk_loop_step(f.loop, 0, NULL));
    }
    CHECK_UINT(f.process.poll_ms, ==, 50);
    pk__process_signal(&f.process, SIGKILL);
    CHECK_STR(family_output(&f), ""); // it is dead, or as good as
    siginfo_t info;
    REQUIRE(waitid(P_PID, (id_t)f.process.pid, &info, WEXITED | WNOWAIT) == 0);
    REQUIRE_OK(pk_loop_step(f.loop, 0, NULL)); // no time has passed
    CHECK_INT(f.exits, ==, 0);
    pk__process_hint(&f.process);
    REQUIRE_OK(pk_loop_step(f.loop, 0, NULL));
    CHECK_INT(f.exits, ==, 1);
    pk__clock_real();
    family_end(&f);
}

/* ---- hosts that have children of their own */

static volatile sig_atomic_t chld_count;

static void chld_handler(int number)
{
    (void)number;
    chld_count++;
}

TEST(process, leaves_the_host_s_sigchld_handler_alone)
{
    EACH_KERNEL() {
        struct sigaction now;
        family f;
        chld_count = 0;
        signal(SIGCHLD, chld_handler);
        family_start(&f, "exit");
        family_watch(&f);
        family_wait(&f);
        CHECK_INT(f.status, ==, 7 << 8);
        CHECK_INT(chld_count, >=, 1);
        REQUIRE(sigaction(SIGCHLD, NULL, &now) == 0);
        CHECK(now.sa_handler == chld_handler);
        signal(SIGCHLD, SIG_DFL);
        family_end(&f);
    }
}

TEST(process, does_not_reap_the_host_s_children)
{
    family f;
    int status = 0;
    pid_t own = fork();
    if (own == 0) {
        _exit(3);
    }
    family_start(&f, "exit");
    family_watch(&f);
    family_wait(&f);
    REQUIRE(waitpid(own, &status, 0) == own);
    CHECK_INT(WEXITSTATUS(status), ==, 3);
    family_end(&f);
}

TEST(process, ends_although_the_host_ignores_sigchld)
{
    EACH_KERNEL() {
        family f;
        signal(SIGCHLD, SIG_IGN);
        family_start(&f, "leave");
        pid_t grandchild = (pid_t)atoi(family_line(&f) + strlen("grandchild "));
        bool has_pidfd = f.process.pidfd >= 0;
        family_watch(&f);
        family_wait(&f);
        CHECK_INT(f.status, ==, PK__STATUS_UNKNOWN);
        if (!has_pidfd) { // only that reaches the group of a process that is gone
            REQUIRE(grandchild > 1 && kill(grandchild, SIGKILL) == 0);
        }
        CHECK_STR(family_output(&f), "");
        signal(SIGCHLD, SIG_DFL);
        family_end(&f);
    }
}

TEST(process, exec_failures_are_reported_although_the_host_ignores_sigchld)
{
    pk__spawn_desc desc = {.path = "./missing"};
    pk_error err = {0};
    family f = {0};
    signal(SIGCHLD, SIG_IGN);
    CHECK_ERR(family_try(&f, "exit", &desc, &err), PK_ERR_EXEC);
    CHECK_INT(err.sys_errno, ==, ENOENT);
    signal(SIGCHLD, SIG_DFL);
}

static pk__atomic_u32 thief_goes_on;

static void thief_main(void *arg)
{
    int status;
    (void)arg;
    while (pk__atomic_load(&thief_goes_on)) {
        if (waitpid(-1, &status, 0) < 0) {
            test__nap(1);
        }
    }
}

TEST(process, ends_although_a_thread_waits_for_everybody)
{
    EACH_KERNEL() {
        pk__thread thief;
        pk__atomic_store(&thief_goes_on, 1);
        REQUIRE_OK(pk__thread_start(&thief, thief_main, NULL, NULL));
        for (int i = 0; i < 20; i++) {
            family f;
            family_start(&f, "exit");
            family_watch(&f);
            family_wait(&f);
            CHECK(f.status == PK__STATUS_UNKNOWN || f.status == 7 << 8);
            family_end(&f);
        }
        pk__atomic_store(&thief_goes_on, 0);
        pk__thread_join(&thief);
    }
}

TEST(process, in_a_forked_child_nobody_is_signalled)
{
    EACH_KERNEL() {
        family f;
        int status = 1;
        family_start(&f, "hang");
        CHECK_STR(family_line(&f), "ready");
        family_watch(&f);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            pk__process_signal(&f.process, SIGKILL);
            bool good = !pk__process_reap(&f.process);
            pk__process_deinit(&f.process);
            pk_loop_destroy(f.loop);
            _exit(good ? 0 : 1);
        }
        REQUIRE(waitpid(pid, &status, 0) == pid);
        CHECK_INT(status, ==, 0);
        REQUIRE_OK(pk_loop_step(f.loop, 0, NULL));
        CHECK_INT(f.exits, ==, 0);
        pk__process_signal(&f.process, SIGKILL);
        family_wait(&f);
        CHECK_INT(f.status, ==, SIGKILL);
        family_end(&f);
    }
}

/* ---- does it stand still? */

static int open_for_real(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static int no_proc(const char *path, int flags, mode_t mode)
{
    if (strncmp(path, "/proc/", 6) == 0) {
        errno = ENOENT;
        return -1;
    }
    return open(path, flags, mode);
}

TEST(process, tells_whether_a_child_is_stopped_and_takes_no_status_away)
{
    EACH_KERNEL() {
        for (int proc = 0; proc < 2; proc++) {
            family f;
            int status = 0;
            pk__sys.open = proc ? open_for_real : no_proc;
            family_start(&f, "hang");
            CHECK_STR(family_line(&f), "ready");
            pid_t pid = f.process.pid;
            CHECK_INT(pk__process_stands(&f.process), ==, PK__PROCESS_RUNS);
            kill(pid, SIGSTOP);
            WAIT_UNTIL(pk__process_stands(&f.process) == PK__PROCESS_STOPPED);
            CHECK_INT(pk__process_stands(&f.process), ==, PK__PROCESS_STOPPED); // asking changes nothing
            REQUIRE(waitpid(pid, &status, WUNTRACED) == pid);
            CHECK(WIFSTOPPED(status));
#ifdef PK__LINUX
            CHECK_INT(pk__process_stands(&f.process), ==, proc ? PK__PROCESS_STOPPED : PK__PROCESS_RUNS);
#endif
            kill(pid, SIGCONT);
            WAIT_UNTIL(pk__process_stands(&f.process) == PK__PROCESS_RUNS);
            pk__process_signal(&f.process, SIGKILL);
            WAIT_UNTIL(pk__process_reap(&f.process));
            CHECK_INT(f.process.status, ==, SIGKILL);
            CHECK_INT(pk__process_stands(&f.process), ==, PK__PROCESS_RUNS); // there is none
            family_end(&f);
            pk__sys_reset();
        }
    }
}

#ifdef PK__LINUX
static const char *made_up_child, *made_up_self;

/* /proc/PID/status says what the test wants. */
static int made_up_proc(const char *path, int flags, mode_t mode)
{
    const char *text = strcmp(path, "/proc/self/status") == 0 ? made_up_self : made_up_child;
    FILE *file = fopen("status", "w");
    (void)mode;
    fputs(text, file);
    fclose(file);
    return open("status", flags);
}

TEST(process, believes_proc_only_if_it_knows_us_by_our_number)
{
    char us[64];
    family f;
    snprintf(us, sizeof(us), "Name:\tx\nState:\tR (running)\nPid:\t%d\nTracerPid:\t0\n", (int)getpid());
    static const struct {
        const char *text;
        pk__process_stand is;
    } rows[] = {
        {"Name:\tx\nState:\tT (stopped)\nPid:\t5\nTracerPid:\t0\n", PK__PROCESS_STOPPED},
        {"Name:\tx\nState:\tS (sleeping)\nPid:\t5\nTracerPid:\t0\n", PK__PROCESS_RUNS},
        {"Name:\tx\nState:\tS (sleeping)\nPid:\t5\nTracerPid:\t77\n", PK__PROCESS_TRACED},
        {"Name:\tx\nState:\tT (stopped)\nPid:\t5\nTracerPid:\t77\n", PK__PROCESS_TRACED},
        {"Name:\tx\nState:\tt (tracing stop)\nPid:\t5\nTracerPid:\t0\n", PK__PROCESS_TRACED},
        {"Name:\tState:\\nT\nState:\tR (running)\n", PK__PROCESS_RUNS},
        {"Name:\tx\nState:", PK__PROCESS_RUNS},
        {"", PK__PROCESS_RUNS},
    };
    family_start(&f, "hang");
    CHECK_STR(family_line(&f), "ready");
    pk__sys.open = made_up_proc;
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text) {
            made_up_child = rows[i].text;
            made_up_self = us;
            CHECK_INT(pk__process_stands(&f.process), ==, rows[i].is);
            CHECK_INT(pk__process_stands_at(f.process.pid), ==, rows[i].is);
            made_up_self = "Name:\tx\nState:\tR (running)\nPid:\t1\n"; // of an outer world
            CHECK_INT(pk__process_stands(&f.process), ==, PK__PROCESS_RUNS);
        }
    }
    pk__sys_reset();
    family_end(&f);
}

/* Holds the process as a debugger does, standing or running, until the pipe ends. */
static pid_t hold(pid_t pid, bool standing, int until)
{
    int ready[2];
    char byte;
    REQUIRE(pipe(ready) == 0);
    fflush(stdout);
    pid_t tracer = fork();
    if (tracer == 0) {
        bool good = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 &&
                    (!standing || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0);
        (void)!write(ready[1], good ? "y" : "n", 1);
        (void)!read(until, &byte, 1);
        _exit(0);
    }
    close(ready[1]);
    byte = 'n';
    (void)!read(ready[0], &byte, 1);
    close(ready[0]);
    if (byte != 'y') {
        kill(tracer, SIGKILL);
        (void)waitpid(tracer, NULL, 0);
        return 0;
    }
    return tracer;
}

TEST(process, knows_when_a_debugger_has_a_child)
{
    for (int standing = 0; standing < 2; standing++) {
        family f;
        int until[2];
        REQUIRE(pipe(until) == 0);
        family_start(&f, "hang");
        CHECK_STR(family_line(&f), "ready");
        pid_t tracer = hold(f.process.pid, standing, until[0]);
        if (tracer) {
            CHECK_INT(pk__process_stands(&f.process), ==, PK__PROCESS_TRACED);
        }
        close(until[1]);
        close(until[0]);
        if (tracer) {
            kill(tracer, SIGKILL);
            (void)waitpid(tracer, NULL, 0);
            WAIT_UNTIL(pk__process_stands(&f.process) == PK__PROCESS_RUNS);
        }
        pk__process_signal(&f.process, SIGKILL);
        WAIT_UNTIL(pk__process_reap(&f.process));
        family_end(&f);
        if (!tracer) {
            SKIP("nobody may trace here");
        }
    }
}
#endif

/* ---- together with threads */

static pk__atomic_u32 storm_goes_on;
static pthread_mutex_t environment = PTHREAD_MUTEX_INITIALIZER; // setenv of musl has none of its own

static void storm_main(void *arg)
{
    (void)arg;
    while (pk__atomic_load(&storm_goes_on)) {
        void *block = malloc(100);
        pthread_mutex_lock(&environment);
        setenv("STORM", "1", 1);
        pthread_mutex_unlock(&environment);
        int fd = open("/dev/null", O_RDONLY); // not close-on-exec
        free(block);
        close(fd);
    }
}

TEST(process, starts_while_threads_allocate_and_open_files)
{
    enum { THREADS = 4 };
    pk__thread threads[THREADS];
    pk__atomic_store(&storm_goes_on, 1);
    for (int i = 0; i < THREADS; i++) {
        REQUIRE_OK(pk__thread_start(&threads[i], storm_main, NULL, NULL));
    }
    for (int i = 0; i < 50; i++) {
        pk__spawn_desc desc = {0};
        CHECK_STR(family_run("fds", &desc), "0 1 2 ");
    }
    pk__atomic_store(&storm_goes_on, 0);
    for (int i = 0; i < THREADS; i++) {
        pk__thread_join(&threads[i]);
    }
}

#ifdef PK__LINUX
TEST(process, can_die_with_its_parent)
{
    int fds[2], status;
    char byte;
    REQUIRE(pipe(fds) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        pk__spawn_fd keep[] = {{1, fds[1]}};
        pk__spawn_desc desc = {.fds = keep, .fd_count = 1, .death_signal = SIGKILL};
        family f = {0};
        close(fds[0]);
        _exit(family_try(&f, "hang", &desc, NULL) == PK_OK ? 0 : 1);
    }
    close(fds[1]);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, ==, 0);
    while (read(fds[0], &byte, 1) > 0) { // ends when the orphan is gone
    }
    close(fds[0]);
}
#endif

static int cannot_die_with_parent(int number)
{
    (void)number;
    errno = ENOSYS;
    return -1;
}

TEST(process, starts_where_the_system_cannot_kill_it_with_its_parent)
{
    pk__spawn_desc desc = {.death_signal = SIGKILL};
    pk__sys.die_with_parent = cannot_die_with_parent;
    CHECK_STR(family_run("group", &desc), "1");
    pk__sys_reset();
}

TEST_TORTURE(process, starts_and_ends)
{
    family f = {0};
    pk__spawn_desc desc = {0};
    if (!TRY_OK(pk_loop_create(&f.loop, test_alloc(), NULL))) {
        return;
    }
    if (TRY_OK(family_try(&f, "hang", &desc, NULL))) {
        if (TRY_OK(pk__process_watch(&f.process, f.loop, family_exited, &f, NULL))) {
            (void)family_line(&f);
            (void)pk__process_stands(&f.process);
            pk__process_signal(&f.process, SIGKILL);
            for (int i = 0; i < 20 && f.exits == 0; i++) {
                (void)pk_loop_step(f.loop, 10, NULL);
            }
        }
        pk__process_deinit(&f.process);
        pk__fd_close(f.out);
    }
    pk_loop_destroy(f.loop);
}
