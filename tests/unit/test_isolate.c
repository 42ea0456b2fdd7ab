/* test_isolate.c - limits of plugins: what a child does to itself, what is reported, what is refused.
 *
 * The children are this very program: with CHILD=what in its environment it tells of its limits instead of testing. */
#include "unit.h"

#include <sys/resource.h>

/* ---- the child's side */

static void child_print_limit(const char *name, int resource)
{
    struct rlimit limit = {0, 0};
    (void)getrlimit(resource, &limit);
    dprintf(1, "%s %llu %llu;", name, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
}

__attribute__((constructor)) static void child_begin(void)
{
    char place[4096];
    if (!getenv("CHILD")) {
        return;
    }
    child_print_limit("files", RLIMIT_NOFILE);
    child_print_limit("core", RLIMIT_CORE);
    child_print_limit("cpu", RLIMIT_CPU);
    child_print_limit("size", RLIMIT_FSIZE);
    dprintf(1, "nice %d;umask %o;in %s;", getpriority(PRIO_PROCESS, 0), (unsigned)umask(0),
            getcwd(place, sizeof(place)) ? place : "?");
    _exit(0);
}

/* ---- the host's side: an instance that is started, with nothing behind it */

typedef struct stage {
    pk_manager_desc desc;
    pk__registry registry;
    pk__life life;
    pk__plugin plugin;
    pk__instance instance;
    pk_launch launch;
    pk__process process;
    pk__isolate_start start;
    char logged[400], said[1024]; // the warning; what the child printed
    int warnings;
} stage;

static void stage_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields,
                      size_t count)
{
    stage *s = (stage *)user;
    CHECK_INT(level, ==, PK_LOG_WARN);
    CHECK_STR(event, "plugin.isolate");
    CHECK_UINT(count, ==, 1);
    CHECK_PK_STR(fields[0].value, "p");
    (void)snprintf(s->logged, sizeof(s->logged), "%" PK_FMT, PK_ARG(text));
    s->warnings++;
}

static void stage_open(stage *s)
{
    memset(s, 0, sizeof(*s));
    pk__mutex_init(&s->registry.lock);
    s->desc.on_log = stage_log;
    s->desc.user = s;
    s->life.desc = &s->desc;
    s->life.registry = &s->registry;
    s->life.alloc = test_alloc();
    s->plugin.id = "p";
    s->launch.life = &s->life;
    s->launch.plugin = &s->plugin;
    s->launch.instance = &s->instance;
    s->instance.mem.alloc = test_alloc();
}

static void stage_close(stage *s)
{
    pk__process_deinit(&s->process);
    pk__isolate_end(&s->start);
    pk_mem_free(&s->instance.mem);
    pk__mutex_deinit(&s->registry.lock);
}

static pk_err stage_try(stage *s, const pk_isolate *isolate, const char *path, pk_error *err)
{
    static char self[4096];
    const char *const argv[] = {"child", NULL}, *const env[] = {"CHILD=limits", NULL};
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    REQUIRE(n > 0);
    self[n] = '\0';
    int fds[2] = {-1, -1};
    if (!TRY_OK(pk__fd_pipe(fds, err))) {
        return PK_ERR_OS;
    }
    pk__spawn_fd out = {1, fds[1]};
    pk_launch_info info = {.id = "p", .instance = "p-1", .path = path ? path : self, .argv = argv, .env = env,
                           .isolate = isolate};
    pk__spawn_desc desc = {.path = info.path, .argv = argv, .env = env, .fds = &out, .fd_count = 1};
    s->start.alloc = test_alloc();
    s->start.launch = &s->launch;
    s->start.info = &info;
    pk_err rc = pk__isolate_spawn(&s->start, &s->process, &desc, err);
    s->start.info = NULL;
    pk__fd_close(fds[1]);
    size_t len = 0;
    for (ssize_t got = 1; !rc && got > 0 && len + 1 < sizeof(s->said); len += (size_t)(got > 0 ? got : 0)) {
        got = read(fds[0], s->said + len, sizeof(s->said) - 1 - len); // the harness's own: it does not fail
    }
    pk__fd_close(fds[0]);
    return rc;
}

static const pk_limit_report *stage_report(const stage *s, const char *name)
{
    for (size_t i = 0; i < s->instance.limit_count; i++) {
        if (strcmp(s->instance.limits[i].name, name) == 0) {
            return &s->instance.limits[i];
        }
    }
    test__failed(__FILE__, __LINE__, "there is no report of '%s'", name);
    test__leave();
    return NULL;
}

static pid_t no_shared_memory(int (*run)(void *), void *stack, size_t size, void *arg)
{
    (void)run, (void)stack, (void)size, (void)arg;
    errno = ENOSYS;
    return -1;
}

TEST(isolate, a_child_has_all_that_it_is_to_have_and_nothing_else)
{
    const pk_isolate all = {.cpu_s = 7, .files = 40, .file_size_bytes = 123456, .no_core = true, .nice = 5,
                            .umask = 027, .directory = "/"};
    const pk_isolate one = {.files = 41};
    struct rlimit size = {0, 0};
    char expected[100];
    stage s;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &size) == 0);
    for (int forked = 0; forked < 2; forked++) {
        if (forked) {
            pk__sys.spawn_vm = no_shared_memory;
        }
        stage_open(&s);
        REQUIRE_OK(stage_try(&s, &all, NULL, NULL));
        CHECK_STR(s.said, "files 40 40;core 0 0;cpu 7 8;size 123456 123456;nice 5;umask 27;in /;");
        CHECK_UINT(s.instance.limit_count, ==, 7);
        CHECK_INT(stage_report(&s, "umask")->state, ==, PK_LIMIT_BEST_EFFORT);
        CHECK_STR(stage_report(&s, "umask")->why, "it may choose another one");
        CHECK_INT(s.warnings, ==, 0);
        stage_close(&s);
        stage_open(&s);
        REQUIRE_OK(stage_try(&s, &one, NULL, NULL));
        snprintf(expected, sizeof(expected), "size %llu %llu;nice 0", (unsigned long long)size.rlim_cur,
                 (unsigned long long)size.rlim_max);
        CHECK_CONTAINS(s.said, "files 41 41;");
        CHECK_CONTAINS(s.said, expected);
        CHECK_UINT(s.instance.limit_count, ==, 1);
        CHECK_STR(s.instance.limits[0].name, "open files");
        stage_close(&s);
        stage_open(&s);
        REQUIRE_OK(stage_try(&s, NULL, NULL, NULL));
        CHECK(!s.launch.is_isolated);
        stage_close(&s);
    }
    pk__sys_reset();
}

TEST(isolate, a_limit_is_never_above_what_holds_already)
{
    const pk_isolate more = {.files = 5000};
    struct rlimit low = {100, 300};
    stage s;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    stage_open(&s);
    REQUIRE_OK(stage_try(&s, &more, NULL, NULL));
    CHECK_CONTAINS(s.said, "files 300 300;");
    stage_close(&s);
}

static int no_privileges(void)
{
    errno = ENOSYS;
    return -1;
}

static int no_limit(int what, const struct rlimit *limit)
{
    (void)limit;
    errno = what == RLIMIT_CORE ? EPERM : 0;
    return what == RLIMIT_CORE ? -1 : setrlimit(what, limit);
}

TEST(isolate, what_the_system_refuses_is_a_refusal_that_names_it)
{
    const pk_isolate asked = {.files = 40, .no_new_privileges = true};
    pk_error err = {0};
    stage s;
    for (int forked = 0; forked < 2; forked++) {
        pk__sys.spawn_vm = forked ? no_shared_memory : pk__sys.spawn_vm;
        pk__sys.no_new_privileges = no_privileges;
        stage_open(&s);
        CHECK_ERR(stage_try(&s, &asked, NULL, &err), PK_ERR_EXEC);
        CHECK_CONTAINS(err.msg, ": new privileges: ");
        CHECK_INT(err.sys_errno, ==, ENOSYS);
        CHECK_INT(s.process.pid, ==, 0);
        CHECK_UINT(s.instance.limit_count, ==, 0);
        stage_close(&s);
    }
    pk__sys_reset();
}

TEST(isolate, or_it_goes_on_without_and_says_so_once)
{
    const pk_isolate asked = {.go_on = true, .files = 40, .no_core = true, .no_new_privileges = true,
                              .directory = "/no"};
    stage s;
    pk__sys.no_new_privileges = no_privileges;
    pk__sys.set_limit = no_limit;
    stage_open(&s);
    REQUIRE_OK(stage_try(&s, &asked, NULL, NULL));
    CHECK_CONTAINS(s.said, "files 40 40;");
    CHECK_INT(stage_report(&s, "new privileges")->state, ==, PK_LIMIT_UNAVAILABLE);
    CHECK_STR(stage_report(&s, "new privileges")->why, strerror(ENOSYS));
    CHECK_STR(stage_report(&s, "directory")->why, strerror(ENOENT));
    CHECK_STR(stage_report(&s, "core files")->why, strerror(EPERM));
    CHECK_INT(stage_report(&s, "open files")->state, !=, PK_LIMIT_UNAVAILABLE);
    CHECK_INT(s.warnings, ==, 1);
    CHECK_CONTAINS(s.logged, "it runs without limits of core files: ");
    CHECK_CONTAINS(s.logged, "; directory: ");
    CHECK_CONTAINS(s.logged, "; new privileges: ");
    stage_close(&s);
    pk__sys_reset();
}

TEST(isolate, what_fails_for_another_reason_is_not_tried_again)
{
    const pk_isolate asked = {.go_on = true, .files = 40};
    pk_error err = {0};
    stage s;
    stage_open(&s);
    CHECK_ERR(stage_try(&s, &asked, "/no/such/program", &err), PK_ERR_EXEC);
    CHECK_CONTAINS(err.msg, "cannot start '/no/such/program': exec: ");
    CHECK_UINT(pk__sys_count.spawn_vm, ==, 1);
    stage_close(&s);
}

TEST(isolate, a_relative_path_and_another_directory_do_not_go_together)
{
    const pk_isolate asked = {.directory = "/"};
    pk_error err = {0};
    stage s;
    stage_open(&s);
    CHECK_ERR(stage_try(&s, &asked, "plugins/p", &err), PK_ERR_MISUSE);
    CHECK_STR(err.msg, "cannot start 'plugins/p': its path has to be absolute, for it is to start in another "
                       "directory");
    stage_close(&s);
}

static int no_landlock(uint64_t access)
{
    (void)access;
    errno = ENOSYS;
    return -1;
}

static int no_filter(const void *program)
{
    (void)program;
    errno = EINVAL;
    return -1;
}

static int old_landlock(uint64_t access)
{
    return access ? pk__confine_port_landlock_create(access & 0x3fff) : 2;
}

TEST(isolate, a_kernel_without_landlock_or_filters_is_told_of)
{
    const pk_path_rule path = {.path = "/", .execute = true};
    const pk_isolate asked = {.paths = &path, .path_count = 1, .calls = PK_CALLS_RUN};
    pk_isolate anyway = asked;
    pk_error err = {0};
    stage s;
    anyway.go_on = true;
    pk__sys.landlock_create = no_landlock;
    pk__sys.filter_calls = no_filter;
    stage_open(&s);
    CHECK_ERR(stage_try(&s, &asked, NULL, &err), PK_ERR_EXEC);
    CHECK_CONTAINS(err.msg, ": paths: ");
    CHECK_CONTAINS(err.msg, strerror(ENOSYS));
    REQUIRE_OK(stage_try(&s, &anyway, NULL, &err));
    CHECK_CONTAINS(s.said, "files ");
    CHECK_UINT(s.instance.limit_count, ==, 2);
    CHECK_INT(stage_report(&s, "paths")->state, ==, PK_LIMIT_UNAVAILABLE);
    CHECK_STR(stage_report(&s, "paths")->why, strerror(ENOSYS));
    CHECK_INT(stage_report(&s, "system calls")->state, ==, PK_LIMIT_UNAVAILABLE);
    CHECK_CONTAINS(s.logged, "it runs without limits of paths: ");
    stage_close(&s);
    pk__sys_reset();
}

TEST(isolate, an_old_landlock_is_a_best_effort)
{
    const pk_path_rule path = {.path = "/", .execute = true};
    const pk_isolate asked = {.paths = &path, .path_count = 1};
    stage s;
    if (pk__confine_port_landlock_create(0) < 2) {
        SKIP("this kernel has no Landlock of version 2");
    }
    pk__sys.landlock_create = old_landlock;
    stage_open(&s);
    REQUIRE_OK(stage_try(&s, &asked, NULL, NULL));
    CHECK_INT(stage_report(&s, "paths")->state, ==, PK_LIMIT_BEST_EFFORT);
    CHECK_STR(stage_report(&s, "paths")->why, "this kernel does not keep it from truncating files");
    stage_close(&s);
    pk__sys_reset();
}

TEST(isolate, nothing_of_a_set_of_paths_stays_open_in_the_host)
{
    const pk_path_rule path = {.path = "/", .execute = true}, none = {.path = "/no/such/place"};
    const pk_isolate asked = {.paths = &path, .path_count = 1, .go_on = true, .calls = PK_CALLS_SERVE};
    const pk_isolate wrong = {.paths = &none, .path_count = 1};
    pk_error err = {0};
    stage s;
    stage_open(&s);
    REQUIRE_OK(stage_try(&s, &asked, NULL, NULL)); // the harness looks for descriptors that are left
    CHECK_ERR(stage_try(&s, &wrong, NULL, &err), PK_ERR_EXEC);
    CHECK_CONTAINS(err.msg, "paths: ");
    stage_close(&s);
}

/* ---- control groups of version 2: a fake tree, for its controllers are not everywhere. What is real: files, order,
 * contents. What is not: that anybody obeys them. (integration/test_isolate.py has the real ones of version 1.) */

static const char *const fake_files[] = {"cgroup.procs", "cgroup.kill", "memory.max", "cpu.max", "pids.max"};

static int fake_mkdir(const char *path, mode_t mode)
{
    char name[1200];
    int result = pk__sys_do_mkdir(path, mode);
    for (size_t i = 0; result == 0 && i < PK__COUNT(fake_files); i++) {
        snprintf(name, sizeof(name), "%s/%s", path, fake_files[i]);
        int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        REQUIRE(fd >= 0);
        close(fd);
    }
    return result;
}

static char fake_seen[400]; // what the files held when the group was removed

static int fake_remove(int dir, const char *path, int flags)
{
    char name[1200], text[64];
    fake_seen[0] = '\0';
    for (size_t i = 0; i < PK__COUNT(fake_files); i++) {
        snprintf(name, sizeof(name), "%s/%s", path, fake_files[i]);
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        size_t len = strlen(fake_seen);
        snprintf(fake_seen + len, sizeof(fake_seen) - len, "%s=%s;", fake_files[i], text);
        close(fd);
        unlink(name);
    }
    return pk__sys_do_unlinkat(dir, path, flags);
}

static void fake_tree(void)
{
    (void)mkdir("tree", 0700);
    int fd = open("tree/cgroup.subtree_control", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    close(fd);
    pk__sys.mkdir = fake_mkdir;
    pk__sys.unlinkat = fake_remove;
}

static const char *const fake_groups[] = {"tree", NULL};

TEST(isolate, groups_of_version_2_get_their_limits_and_the_child_and_are_removed)
{
    const pk_isolate asked = {.groups_in = fake_groups, .memory_bytes = 1 << 20, .cpu_percent = 150, .tasks = 9};
    char text[100] = "";
    stage s;
    fake_tree();
    stage_open(&s);
    REQUIRE_OK(stage_try(&s, &asked, NULL, NULL));
    CHECK_CONTAINS(s.said, "files ");
    CHECK_UINT(s.instance.limit_count, ==, 3);
    CHECK_INT(stage_report(&s, "cpu share")->state, !=, PK_LIMIT_UNAVAILABLE);
    int fd = open("tree/cgroup.subtree_control", O_RDONLY | O_CLOEXEC);
    REQUIRE(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    CHECK_STR(text, "+memory +cpu +pids");
    stage_close(&s);
    CHECK_STR(fake_seen, "cgroup.procs=000;cgroup.kill=1;memory.max=1048576;cpu.max=150000 100000;pids.max=9;");
    pk__sys_reset();
    CHECK_INT(unlink("tree/cgroup.subtree_control"), ==, 0);
    CHECK_INT(rmdir("tree"), ==, 0); // nothing else is in it
}

static int pids_file(const char *text)
{
    int fd = open("tree/cgroup.procs", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return close(fd);
}

TEST(isolate, who_is_listed_in_a_group_of_version_1_is_killed_and_nobody_else)
{
    pk__cgroups g = {.count = 1};
    char path[] = "tree", text[100];
    int status = 0;
    pid_t in = fork(), other = in ? fork() : 0;
    if (in == 0 || other == 0) {
        alarm(60);
        pause();
        _exit(0);
    }
    REQUIRE(mkdir("tree", 0700) == 0);
    g.path[0] = path;
    snprintf(text, sizeof(text), "%ld\n%ld", (long)in, (long)other); // the last number may be half of one
    pids_file(text);
    int pidfd = PK__SYS(pidfd_open)(in);
    pk__cgroups_kill(&g);
    if (pidfd >= 0) {
        close(pidfd);
        CHECK_INT(waitpid(in, &status, 0), ==, in);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    } else { // without pidfds a number is just a number
        CHECK_INT(waitpid(in, &status, WNOHANG), ==, 0);
        kill(in, SIGKILL);
        waitpid(in, &status, 0);
    }
    CHECK_INT(waitpid(other, &status, WNOHANG), ==, 0);
    kill(other, SIGKILL);
    waitpid(other, &status, 0);
}

TEST_TORTURE(isolate, groups_are_joined_by_who_runs_and_gone_afterwards)
{
    const pk_isolate asked = {.groups_in = fake_groups, .memory_bytes = 1 << 20, .tasks = 9};
    pk_error err = {0};
    stage s;
    fake_tree();
    stage_open(&s);
    fake_seen[0] = '\0';
    if (TRY_OK(stage_try(&s, &asked, NULL, &err)) && s.said[0] && s.launch.is_isolated) {
        stage_close(&s);
        if (fake_seen[0]) {
            CHECK_CONTAINS(fake_seen, "memory.max=1048576;");
            CHECK_CONTAINS(fake_seen, "pids.max=9;");
            CHECK_CONTAINS(fake_seen, "cgroup.procs=00;");
        }
    } else {
        stage_close(&s);
    }
    CHECK(fake_seen[0] || test_now.torture);
}

TEST(isolate, the_report_is_a_part_of_what_a_plugin_is_in_json)
{
    const pk_limit_report limits[] = {{"open files", PK_LIMIT_ENFORCED, ""}, {"tasks", PK_LIMIT_UNAVAILABLE, "no"}};
    const pk_plugin_info info = {.id = PK_STR("p"), .capabilities = PK_STR("{}"), .limits = limits, .limit_count = 2};
    pk_json_writer w;
    pk_buf text;
    pk_buf_init(&text, NULL, 1 << 16);
    pk_json_write(&w, &text);
    pk_json_put_plugin(&w, &info);
    REQUIRE_OK(pk_json_finish(&w, NULL));
    REQUIRE(pk_buf_add_char(&text, '\0'));
    CHECK_CONTAINS(text.ptr, "\"limits\":[{\"limit\":\"open files\",\"state\":\"enforced\",\"why\":null},"
                             "{\"limit\":\"tasks\",\"state\":\"unavailable\",\"why\":\"no\"}]");
    pk_buf_free(&text);
}

TEST(isolate, what_cannot_be_meant_is_refused)
{
    static const uint32_t many[33] = {1};
    static const struct {
        pk_isolate isolate;
        const char *why;
    } cases[] = {
        {{.nice = 20}, "nice is from -20 to 19"},
        {{.nice = -21}, "nice is from -20 to 19"},
        {{.umask = 01000}, "umask is at most 0777"},
        {{.directory = "here"}, "directory has to be absolute"},
        {{.uid = 5}, "with uid gid has to be given"},
        {{.gid = 5}, "gid and groups need uid"},
        {{.groups = many, .group_count = 1}, "gid and groups need uid"},
        {{.uid = 5, .gid = 5, .groups = many, .group_count = 33}, "there are more than 32 groups"},
        {{.paths = NULL, .path_count = 65}, "there are more than 64 paths"},
        {{.tasks = 5}, "memory, cpu share and tasks need groups_in"},
        {{.no_network = true}, "without a network it cannot be called by TCP"},
        {{.calls = (pk_calls)3}, "there is no such list of calls"},
    };
    for (size_t i = 0; i < PK__COUNT(cases); i++) {
        const pk_plugin_rule rules[] = {{.plugin = "other"}, {.plugin = "p", .isolate = &cases[i].isolate}};
        const pk_manager_desc desc = {.rules = rules, .rule_count = 2, .tcp = true};
        pk_manager *m = NULL;
        pk_error err = {0};
        char expected[200];
        CHECK_ERR(pk_manager_create(&m, &desc, &err), PK_ERR_MISUSE);
        snprintf(expected, sizeof(expected), "cannot isolate 'p': %s", cases[i].why);
        CHECK_STR(err.msg, expected);
    }
}

/* ---- a launcher of the user's that knows of no limits */

static pk_launch *foreign;

static pk_err foreign_start(void *user, pk_launch *l, const pk_launch_info *info, void **state, pk_error *err)
{
    const bool *tells = (const bool *)user;
    const pk_limit_report report = {"open files", PK_LIMIT_ENFORCED, ""};
    (void)err;
    CHECK(info->isolate && info->isolate->files == 40 && info->runtime_dir);
    foreign = l;
    *state = &foreign;
    if (*tells) {
        pk_launch_isolated(l, &report, 1);
    }
    return PK_OK;
}

static void foreign_stop(void *state, int how)
{
    (void)how;
    CHECK(state == &foreign);
    pk_launch_exited(foreign, 0, NULL);
}

static pk_err found_one(void *user, pk_sink *sink, pk_error *err)
{
    const pk_found found = {.id = "p", .path = "/p",
                            .manifest = PK_STR_INIT("{\"protocols\":[\"plugkit/1\"],\"types\":{}}")};
    (void)user;
    pk_err rc = pk_sink_found(sink, &found, err);
    pk_sink_done(sink);
    return rc;
}

TEST(isolate, a_launcher_that_does_not_tell_of_limits_starts_nothing_that_is_to_have_them)
{
    const pk_isolate asked = {.files = 40};
    const pk_plugin_rule rule = {.isolate = &asked};
    for (int i = 0; i < 2; i++) {
        bool tells = i == 1;
        const pk_launcher launcher = {.name = "foreign", .start = foreign_start, .stop = foreign_stop, .user = &tells};
        const pk_finder finder = {.name = "one", .start = found_one};
        const pk_launcher *const launchers[] = {&launcher};
        const pk_finder *const finders[] = {&finder};
        const pk_manager_desc desc = {.launchers = launchers, .launcher_count = 1,
                                      .finders = finders, .finder_count = 1, .rules = &rule, .rule_count = 1,
                                      .deadline.start_ms = 50};
        pk_manager *m = NULL;
        pk_error err = {0};
        REQUIRE_OK(pk_manager_create(&m, &desc, &err));
        REQUIRE_OK(pk_manager_start(m, &err));
        CHECK(pk_plugin_start(m, pk_manager_find(m, "p"), &err) != PK_OK);
        if (tells) { // nothing is behind it, but it was let start
            CHECK_INT(err.code, ==, PK_ERR_PLUGIN_TIMEOUT);
        } else {
            CHECK_STR(err.msg, "cannot start 'p': its launcher 'foreign' does not say that its limits hold");
        }
        pk_manager_destroy(m);
    }
}

TEST_TORTURE(isolate, a_start_with_limits_is_whole_or_none)
{
    const pk_isolate asked = {.files = 40, .no_core = true, .umask = 027, .no_new_privileges = true,
                              .no_capabilities = true, .no_network = true, .no_ipc = true,
                              .private_tmp_bytes = 1 << 20};
    pk_error err = {0};
    stage s;
    stage_open(&s);
    pk_err rc = stage_try(&s, &asked, NULL, &err);
    CHECK(s.said[0] || test_now.torture);
    /* Else life ends it: there was no memory for the report. And a child that is forked counts, and fails, for itself:
     * then it has ended, and said nothing, and the parent may have failed to hear why. */
    if (TRY_OK(rc) && s.launch.is_isolated && s.said[0]) {
        CHECK_CONTAINS(s.said, "files 40 40;core 0 0;");
        CHECK_CONTAINS(s.said, "umask 27;");
        CHECK_UINT(s.instance.limit_count, ==, 8);
        CHECK_CONTAINS(s.said, "in /;");
    }
    CHECK(s.instance.limit_count == 0 || s.launch.is_isolated);
    stage_close(&s);
}

TEST_TORTURE(isolate, what_goes_on_says_what_it_runs_without)
{
    const pk_path_rule path = {.path = "/", .execute = true};
    const pk_isolate asked = {.go_on = true, .files = 40, .no_core = true, .umask = 027, .paths = &path,
                              .path_count = 1, .calls = PK_CALLS_RUN};
    pk_error err = {0};
    stage s;
    stage_open(&s);
    s.desc.on_log = NULL;
    pk_err rc = stage_try(&s, &asked, NULL, &err);
    CHECK(s.said[0] || test_now.torture);
    if (TRY_OK(rc) && s.launch.is_isolated && s.said[0]) {
        CHECK(strstr(s.said, "files 40 40;") || stage_report(&s, "open files")->state == PK_LIMIT_UNAVAILABLE);
        CHECK(strstr(s.said, "core 0 0;") || stage_report(&s, "core files")->state == PK_LIMIT_UNAVAILABLE);
    }
    stage_close(&s);
}

TEST_TORTURE(isolate, rules_with_limits_are_copied_whole_or_not_at_all)
{
    uint32_t groups[] = {3, 4};
    pk_path_rule path = {.path = "/there", .write = true};
    pk_isolate asked = {.uid = 7, .gid = 8, .groups = groups, .group_count = 2, .directory = "/somewhere",
                        .paths = &path, .path_count = 1};
    pk_plugin_rule rule = {.isolate = &asked};
    pk_mem mem = {.alloc = test_alloc()};
    if (pk__isolate_copy(&mem, &rule)) {
        groups[1] = 0;
        path.path = NULL;
        CHECK_STR(rule.isolate->paths[0].path, "/there");
        CHECK(rule.isolate->paths[0].write && !rule.isolate->paths[0].execute);
        CHECK(rule.isolate != &asked && rule.isolate->groups[1] == 4 && rule.isolate->uid == 7);
        CHECK_STR(rule.isolate->directory, "/somewhere");
    } else {
        CHECK(test_now.torture);
    }
    pk_mem_free(&mem);
}
