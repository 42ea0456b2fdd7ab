/* test_discover.c - what the directory finder finds, leaves out, and says about it. */
#include "unit.h"

typedef struct scan {
    pk_loop *loop;
    pk_manager_desc desc;
    pk__registry registry;
    pk__directory directory;
    pk_finder finder;
    pk_sink sink;
    char text[16384]; // "id path\n", or "id: why\n" of what was skipped or is not allowed
} scan;

static void no_work(void *user)
{
    (void)user;
}

/* Looks through the folder `path` below the test's own. */
static pk_err scan_run(scan *s, const char *path, bool (*filter)(void *user, const char *path), void *user,
                       pk_error *err)
{
    memset(s, 0, sizeof(*s));
    if (!TRY_OK(pk_loop_create(&s->loop, NULL, err))) {
        return PK_ERR_OS;
    }
    pk__registry_init(&s->registry, test_alloc(), &s->desc, s->loop);
    s->registry.work.run = no_work;
    s->finder = pk__directory_finder(&s->directory, test_alloc(), path, filter, user);
    s->sink.registry = &s->registry;
    s->sink.finder = &s->finder;
    pk_err code = pk__sink_start(&s->sink, err);
    CHECK_UINT(s->registry.scans, ==, 0);
    for (pk__node *n = s->registry.plugins.next; n != &s->registry.plugins; n = n->next) {
        const pk__plugin *p = PK__OF(n, pk__plugin, node);
        size_t len = strlen(s->text);
        snprintf(s->text + len, sizeof(s->text) - len, p->why.code ? "%s: %s\n" : "%s %s\n", p->id,
                 p->why.code ? p->why.msg : p->path);
    }
    return code;
}

static void scan_end(scan *s)
{
    if (!s->loop) {
        return;
    }
    pk__sink_stop(&s->sink);
    pk_loop_unpost(s->loop, &s->registry.work);
    pk__registry_deinit(&s->registry);
    pk_loop_destroy(s->loop);
}

static void put(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, "x", 1) == 1 && fchmod(fd, mode) == 0);
    close(fd);
}

static void put_dir(const char *path)
{
    REQUIRE(mkdir(path, 0700) == 0);
}

TEST(discover, executables_without_extension_sorted_and_recursively)
{
    scan s;
    pk_error err = {0};
    put_dir("p");
    put_dir("p/zoo");
    put_dir("p/a dir\nwith 'odd\" name");
    put("p/shout", 0755);
    put("p/alpha_2-b", 0755);
    put("p/zoo/yak", 0700);
    put("p/a dir\nwith 'odd\" name/inner", 0755);
    CHECK_OK(scan_run(&s, "p", NULL, NULL, &err));
    CHECK_STR(s.text, "inner p/a dir\nwith 'odd\" name/inner\n"
                      "alpha_2-b p/alpha_2-b\n"
                      "shout p/shout\n"
                      "yak p/zoo/yak\n");
    CHECK(s.sink.is_done);
    scan_end(&s);
}

TEST(discover, what_nobody_would_take_for_a_plugin_is_not_mentioned)
{
    static const char *const clutter[] = {"README.md", "notes.txt", "schema.json", "x.h", "x.c", "lib.py", "Makefile",
                                          "README", "LICENSE", ".hidden", "libx.so.1"};
    scan s;
    put_dir("p");
    put_dir("p/.git");
    put("p/.git/hook", 0755);
    put("p/.profile", 0755);
    for (size_t i = 0; i < PK__COUNT(clutter); i++) {
        char path[64];
        snprintf(path, sizeof(path), "p/%s", clutter[i]);
        put(path, 0644);
    }
    REQUIRE(mkfifo("p/fifo", 0700) == 0);
    CHECK_OK(scan_run(&s, "p", NULL, NULL, NULL));
    CHECK_STR(s.text, "");
    scan_end(&s);
}

TEST(discover, what_is_nearly_a_plugin_is_told_with_the_cure)
{
    scan s;
    put_dir("p");
    put("p/shout.sh", 0755);
    put("p/tool", 0644);
    put("p/two.parts.py", 0755);
    put("p/open", 0757);
    put("elsewhere", 0755);
    REQUIRE(symlink("../elsewhere", "p/link") == 0 && symlink("../elsewhere", "p/data.txt") == 0);
    CHECK_OK(scan_run(&s, "p", NULL, NULL, NULL));
    CHECK_CONTAINS(s.text, "shout.sh: it has the extension '.sh': plugins have none; rename it to 'shout'\n");
    CHECK_CONTAINS(s.text, "tool: it is not executable: chmod +x 'p/tool'\n");
    CHECK_CONTAINS(s.text, "two.parts.py: it has the extension '.py'");
    CHECK_CONTAINS(s.text, "open: everybody may write to it: chmod o-w 'p/open'\n");
    CHECK_CONTAINS(s.text, "link: it is a symbolic link");
    CHECK(strstr(s.text, "data.txt") == NULL);
    for (pk__node *n = s.registry.plugins.next; n != &s.registry.plugins; n = n->next) {
        CHECK(PK__OF(n, pk__plugin, node)->skipped);
    }
    scan_end(&s);
}

TEST(discover, files_of_strangers_are_left_alone)
{
    scan s;
    if (geteuid() != 0) {
        SKIP("only root can give files away");
    }
    put_dir("p");
    put("p/foreign", 0755);
    REQUIRE(chown("p/foreign", 12345, 12345) == 0);
    CHECK_OK(scan_run(&s, "p", NULL, NULL, NULL));
    CHECK_CONTAINS(s.text, "foreign: it belongs to another user (12345)");
    scan_end(&s);
}

TEST(discover, names_that_are_not_allowed_are_shown_with_the_rule)
{
    scan s;
    char longest[80] = "p/";
    put_dir("p");
    put("p/-dash", 0755);
    put("p/two words", 0755);
    put("p/esc\033[31m", 0755);
    memset(longest + 2, 'n', 65);
    put(longest, 0755);
    CHECK_OK(scan_run(&s, "p", NULL, NULL, NULL));
    CHECK_CONTAINS(s.text, "-dash: cannot name a plugin '-dash'");
    CHECK_CONTAINS(s.text, "two words: cannot name a plugin");
    CHECK_CONTAINS(s.text, "nnn: cannot name a plugin");
    CHECK(strchr(s.text, '\033') == NULL);
    scan_end(&s);
}

static bool no_secrets(void *user, const char *path)
{
    ++*(int *)user;
    return strstr(path, "secret") == NULL;
}

TEST(discover, the_host_may_leave_files_out)
{
    scan s;
    int asked = 0;
    put_dir("p");
    put("p/one", 0755);
    put("p/secret", 0755);
    put("p/secret.sh", 0755);
    CHECK_OK(scan_run(&s, "p", no_secrets, &asked, NULL));
    CHECK_STR(s.text, "one p/one\n");
    CHECK_INT(asked, ==, 3);
    scan_end(&s);
}

TEST(discover, directories_have_a_greatest_depth_and_safe_modes)
{
    scan s;
    char path[200] = "p";
    for (int depth = 0; depth <= 9; depth++) {
        put_dir(path);
        char file[220];
        snprintf(file, sizeof(file), "%s/at%d", path, depth);
        put(file, 0755);
        strcat(path, "/d");
    }
    put_dir("p/open");
    put("p/open/x", 0755);
    REQUIRE(chmod("p/open", 0777) == 0 && symlink("..", "p/loop") == 0);
    CHECK_OK(scan_run(&s, "p", NULL, NULL, NULL));
    CHECK_CONTAINS(s.text, "at8 p/d/d/d/d/d/d/d/d/at8\n");
    CHECK(strstr(s.text, "at9") == NULL);
    CHECK_CONTAINS(s.text, "d: it lies too deep");
    CHECK_CONTAINS(s.text, "open: everybody may change what is in this directory: chmod o-w it\n");
    CHECK(strstr(s.text, "p/open/x") == NULL);
    scan_end(&s);
}

TEST(discover, a_directory_that_cannot_be_used_is_an_error)
{
    scan s;
    pk_error err = {0};
    CHECK_ERR(scan_run(&s, "missing", NULL, NULL, &err), PK_ERR_NOT_FOUND);
    CHECK_CONTAINS(err.msg, "cannot scan for plugins: cannot open 'missing'");
    scan_end(&s);
    put_dir("p");
    REQUIRE(chmod("p", 0777) == 0);
    CHECK_ERR(scan_run(&s, "p", NULL, NULL, &err), PK_ERR_PERMISSION);
    CHECK_CONTAINS(err.msg, "others may write to it");
    scan_end(&s);
    put("file", 0755);
    CHECK_ERR(scan_run(&s, "file", NULL, NULL, &err), PK_ERR_OS);
    scan_end(&s);
}

TEST(discover, the_same_name_twice_is_told_with_both_places)
{
    scan s;
    put_dir("p");
    put_dir("p/a");
    put_dir("p/b");
    put("p/a/x", 0755);
    put("p/b/x", 0755);
    CHECK_OK(scan_run(&s, "p", NULL, NULL, NULL));
    CHECK_STR(s.text, "x p/a/x\nx: cannot add plugin 'x': the id is taken by 'p/a/x'\n");
    scan_end(&s);
}

TEST_TORTURE(discover, survives_each_failure)
{
    scan s;
    put_dir("p");
    put_dir("p/d");
    put("p/one", 0755);
    put("p/d/two", 0755);
    put("p/x.sh", 0755);
    (void)TRY_OK(scan_run(&s, "p", NULL, NULL, NULL));
    scan_end(&s);
}
