/* test_adopt.c - a manager finds a plugin that the last one left: a child of ours which plays it. */
#include "unit.h"

#include <sys/un.h>

#define ADOPT_CAPS "{\"types\":{\"c\":[{\"type\":\"x\"}]},\"protocols\":[\"plugkit/1\"],\"survives\":true}"

static char keep[400];
static pid_t plugin;

/* Listens as a plugin does, and says `answer` to who comes; heeds {"shutdown":true}, unless it is deaf. Whatever it
 * needs of the system it asks for directly: its calls are not made to fail. */
static void play(const char *answer, bool deaf)
{
    struct sockaddr_un address;
    char heard[1000];
    int door = socket(AF_UNIX, SOCK_STREAM, 0), ready[2];
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/p-3.control", keep);
    (void)unlink(address.sun_path);
    REQUIRE(pipe(ready) == 0);
    REQUIRE(bind(door, (struct sockaddr *)&address, sizeof(address)) == 0);
    plugin = fork();
    REQUIRE(plugin >= 0);
    if (plugin != 0) {
        close(door);
        close(ready[1]);
        CHECK(read(ready[0], heard, 1) == 0); // it listens
        close(ready[0]);
        return;
    }
    setpgid(0, 0);
    if (deaf) {
        signal(SIGTERM, SIG_IGN);
    }
    if (listen(door, 5) != 0) { // here: the kernel remembers who did that
        _exit(1);
    }
    close(ready[0]);
    close(ready[1]);
    for (;;) {
        int fd = accept(door, NULL, NULL);
        for (ssize_t n; (n = read(fd, heard, sizeof(heard) - 1)) > 0;) {
            heard[n] = '\0';
            if (strstr(heard, "shutdown") && !deaf) {
                _exit(0);
            }
            if (strstr(heard, "\"adopt\":true") && write(fd, answer, strlen(answer)) < 0) {
                _exit(1);
            }
        }
        close(fd);
    }
}

static void play_no_more(void)
{
    kill(plugin, SIGKILL);
    while (waitpid(plugin, NULL, 0) < 0 && errno == EINTR) {
    }
}

static void write_record(void)
{
    char path[500];
    snprintf(path, sizeof(path), "%.300s/plugkit-%ld", test_now.folder, (long)geteuid());
    mkdir(path, 0700);
    snprintf(keep, sizeof(keep), "%.350s/keep-x", path);
    mkdir(keep, 0700);
    snprintf(path, sizeof(path), "%s/p-3.json", keep);
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    fputs("{\"id\":\"p\",\"instance\":\"p-3\",\"path\":\"/made/up/p\",\"token\":\"t\",\"proof\":\"me\","
          "\"pid\":1}", file);
    fclose(file);
}

static pk_err find_one(void *user, pk_sink *sink, pk_error *err)
{
    pk_found found = {.id = "p", .path = "/made/up/p", .manifest = PK_STR_INIT(ADOPT_CAPS)};
    (void)user;
    pk_err rc = pk_sink_found(sink, &found, err);
    if (!rc) {
        pk_sink_done(sink);
    }
    return rc;
}

static char events[2000], why[600];

static void on_event(void *user, const pk_event *event)
{
    (void)user;
    size_t len = strlen(events);
    snprintf(events + len, sizeof(events) - len, "%s ", event->name);
    if (event->why) {
        snprintf(why, sizeof(why), "%s", event->why->msg);
    }
}

typedef struct host {
    pk_loop *loop;
    pk_manager *m;
} host;

static pk_err open_host_on(host *h, bool own_thread)
{
    static const pk_finder finder = {"made-up", find_one, NULL, NULL};
    static const pk_finder *const finders[] = {&finder};
    static const pk_plugin_rule rules[] = {{.survive = true}};
    pk_manager_desc desc = {.alloc = *test_alloc(), .finders = finders, .finder_count = 1, .rules = rules,
                            .rule_count = 1, .survive_as = "x", .runtime_dir = test_now.folder, .reattach = "",
                            .deadline = {.stop_ms = 200}, .on_event = on_event};
    memset(h, 0, sizeof(*h));
    events[0] = why[0] = '\0';
    pk_err rc = own_thread ? PK_OK : pk_loop_create(&h->loop, test_alloc(), NULL);
    desc.loop = h->loop;
    rc = rc ? rc : pk_manager_create(&h->m, &desc, NULL);
    return rc ? rc : pk_manager_start(h->m, NULL);
}

static pk_err open_host(host *h)
{
    return open_host_on(h, false);
}

static void close_host(host *h)
{
    pk_manager_destroy(h->m);
    pk_loop_destroy(h->loop);
}

static bool has_happened(host *h, const char *event)
{
    return pk_loop_step(h->loop, 5, NULL) != PK_OK || strstr(events, event);
}

static const char *status(host *h)
{
    static char text[40];
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info info;
    REQUIRE_OK(pk_plugin_get(h->m, pk_manager_find(h->m, "p"), &mem, &info, NULL));
    snprintf(text, sizeof(text), "%" PK_FMT " %d", PK_ARG(info.status), info.pid == (int64_t)plugin);
    pk_mem_free(&mem);
    return text;
}

/* An old kernel has no pidfd, and valgrind does not let it through: then nobody is known by number. */
static bool has_pidfd(void)
{
    int fd = PK__SYS(pidfd_open)(getpid());
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

#define WELCOME "{\"adopted\":\"me\"}\n{\"listening\":\"http+unix:///nowhere.sock\"}\n{\"ready\":true}\n"

TEST(adopt, a_plugin_that_the_last_host_left_is_the_next_one_s)
{
    host h;
    write_record();
    play(WELCOME, false);
    REQUIRE_OK(open_host(&h));
    WAIT_UNTIL(has_happened(&h, "plugin.ready"));
    CHECK_CONTAINS(events, "plugin.starting plugin.adopted plugin.ready ");
    CHECK_STR(status(&h), has_pidfd() ? "ready 1" : "ready 0");
    CHECK_OK(pk_plugin_stop(h.m, pk_manager_find(h.m, "p"), NULL));
    CHECK_INT(waitpid(plugin, NULL, 0), ==, plugin);
    CHECK_INT(access(keep, F_OK), ==, 0);
    close_host(&h);
    CHECK_INT(access(keep, F_OK), ==, -1);
}

TEST(adopt, one_that_hangs_is_killed_if_it_is_known_whose_it_is)
{
    host h;
    write_record();
    play(WELCOME, true);
    REQUIRE_OK(open_host(&h));
    WAIT_UNTIL(has_happened(&h, "plugin.ready"));
    CHECK_OK(pk_plugin_stop(h.m, pk_manager_find(h.m, "p"), NULL));
    if (has_pidfd()) {
        int how = 0;
        CHECK_INT(waitpid(plugin, &how, 0), ==, plugin);
        CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    } else { // let go
        CHECK_INT(waitpid(plugin, NULL, WNOHANG), ==, 0);
        play_no_more();
    }
    close_host(&h);
}

TEST(adopt, whoever_does_not_know_the_proof_is_left_alone)
{
    static const char *const answers[] = {
        "{\"adopted\":\"you\"}\n{\"listening\":\"http+unix:///nowhere.sock\"}\n{\"ready\":true}\n",
        "{\"listening\":\"http+unix:///nowhere.sock\"}\n{\"ready\":true}\n", "\n\n{}\n", "HTTP/1.1 400 Bad Request\r\n\r\n",
    };
    for (size_t i = 0; i < PK__COUNT(answers); i++) {
        CASE("%s", answers[i]) {
            host h;
            write_record();
            play(answers[i], false);
            REQUIRE_OK(open_host(&h));
            WAIT_UNTIL(has_happened(&h, "plugin.lost"));
            CHECK_STR(why, "cannot adopt 'p': what listens there is not the plugin");
            CHECK_INT(waitpid(plugin, NULL, WNOHANG), ==, 0);
            close_host(&h);
            play_no_more();
        }
    }
}

TEST(adopt, an_answer_may_come_in_pieces)
{
    host h;
    write_record();
    play("{\"adopted\":\"me\"}\n{\"listen", false);
    REQUIRE_OK(open_host(&h));
    WAIT_UNTIL(has_happened(&h, "plugin.lost")); // the second piece never comes
    CHECK_CONTAINS(why, "cannot adopt 'p': it was not ready within 1000 ms: it did not say where it listens");
    close_host(&h);
    play_no_more();
}

TEST(adopt, a_call_that_waits_for_it_is_told_that_the_new_one_does_not_start_either)
{
    host h;
    pk_error err = {0};
    write_record();
    REQUIRE_OK(open_host(&h)); // nobody listens
    CHECK_ERR(pk_plugin_start(h.m, pk_manager_find(h.m, "p"), &err), PK_ERR_EXEC);
    CHECK_CONTAINS(events, "plugin.starting plugin.lost plugin.stopped plugin.starting ");
    close_host(&h);
}

TEST_TORTURE(adopt, whatever_fails_nothing_is_left)
{
    host h;
    write_record();
    play(WELCOME, false);
    if (TRY_OK(open_host(&h))) {
        for (int i = 0; i < 50 && !strstr(events, "plugin.ready") && !strstr(events, "plugin.lost"); i++) {
            (void)pk_loop_step(h.loop, 5, NULL);
        }
        (void)pk_manager_stop(h.m, NULL);
    }
    close_host(&h);
    play_no_more();
    char path[500];
    snprintf(path, sizeof(path), "rm -rf '%.300s/plugkit-%ld'", test_now.folder, (long)geteuid());
    (void)!system(path); // a record that could not be read stays for another day
}

/* The loop is another thread's: whoever waits here is woken by it, or not at all. */
TEST_TORTURE(adopt, whatever_fails_nobody_waits_for_ever)
{
    host h;
    write_record();
    play(WELCOME, false);
    if (TRY_OK(open_host_on(&h, true))) {
        pk_plugin p = pk_manager_find(h.m, "p");
        (void)pk_plugin_start(h.m, p, NULL); // adopts it, or fails to start another
        (void)pk_plugin_stop(h.m, p, NULL);
        (void)pk_manager_stop(h.m, NULL);
    }
    close_host(&h);
    play_no_more();
    char path[500];
    snprintf(path, sizeof(path), "rm -rf '%.300s/plugkit-%ld'", test_now.folder, (long)geteuid());
    (void)!system(path);
}
