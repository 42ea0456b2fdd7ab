/* test_file.c - files, private directories, removal, listing, and paths that must not lead out. */
#define UNIT_WHOLE
#include "unit.h"

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int open_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    return fd;
}

/* ---- whole files */

TEST(file, is_read_whole_up_to_its_limit)
{
    static char many[100000];
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk_str text;
    pk_error err = {0};
    memset(many, 'x', sizeof(many) - 1);
    put("many", many);
    put("empty", "");
    REQUIRE_OK(pk__file_read(&mem, "many", 99999, &text, &err));
    CHECK_UINT(text.len, ==, 99999);
    CHECK_INT(text.ptr[text.len], ==, 0);
    CHECK_ERR(pk__file_read(&mem, "many", 99998, &text, &err), PK_ERR_LIMIT);
    CHECK_CONTAINS(err.msg, "cannot read 'many': larger than 99998 bytes");
    REQUIRE_OK(pk__file_read(&mem, "empty", 10, &text, &err));
    CHECK_PK_STR(text, "");
    REQUIRE_OK(pk__file_read(&mem, "/proc/self/status", 1 << 20, &text, &err)); // says that its size is 0
    CHECK_UINT(text.len, >, 100);
    CHECK_ERR(pk__file_read(&mem, "missing", 10, &text, &err), PK_ERR_NOT_FOUND);
    CHECK_ERR(pk__file_read(&mem, ".", 10, &text, &err), PK_ERR_OS);
    REQUIRE(mkfifo("fifo", 0600) == 0);
    CHECK_OK(pk__file_read(&mem, "fifo", 10, &text, &err)); // does not wait for a writer
    pk_mem_free(&mem);
}

TEST(file, of_exactly_the_limit_is_fine)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk_str text;
    put("ten", "0123456789");
    for (size_t max = 8; max < 13; max++) {
        pk_err code = pk__file_read(&mem, "ten", max, &text, NULL);
        CHECK_INT(code, ==, max < 10 ? PK_ERR_LIMIT : PK_OK);
        if (code == PK_OK) {
            CHECK_PK_STR(text, "0123456789");
        }
    }
    pk_mem_free(&mem);
}

TEST(file, is_replaced_completely_or_not_at_all)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk_str text;
    pk_error err = {0};
    struct stat st;
    umask(077);
    REQUIRE_OK(pk__file_write("f", PK_STR("first"), 0644, &err));
    REQUIRE(stat("f", &st) == 0);
    CHECK_INT(st.st_mode & 0777, ==, 0644);
    REQUIRE_OK(pk__file_write("f", PK_STR("2"), 0600, &err));
    REQUIRE_OK(pk__file_read(&mem, "f", 100, &text, &err));
    CHECK_PK_STR(text, "2");
    CHECK_ERR(pk__file_write("no/such/dir", PK_STR("x"), 0600, &err), PK_ERR_NOT_FOUND);
    CHECK_CONTAINS(err.msg, "cannot write 'no/such/dir': ");
    REQUIRE(mkdir("d", 0700) == 0);
    CHECK_ERR(pk__file_write("d", PK_STR("x"), 0600, &err), PK_ERR_OS);
    char longest[5000];
    memset(longest, 'a', sizeof(longest));
    longest[4999] = '\0';
    CHECK_ERR(pk__file_write(longest, PK_STR("x"), 0600, &err), PK_ERR_LIMIT);
    pk_mem_free(&mem);
}

TEST_TORTURE(file, writing_leaves_the_old_or_the_new_and_nothing_else)
{
    pk_mem mem = {NULL, NULL, NULL, 0};
    pk__file_entry *entries;
    size_t count = 0;
    char bytes[16] = "";
    put("f", "old");
    (void)TRY_OK(pk__file_write("./f", PK_STR("new"), 0600, NULL));
    int fd = open("f", O_RDONLY | O_CLOEXEC);
    CHECK(read(fd, bytes, sizeof(bytes)) == 3 && (strcmp(bytes, "old") == 0 || strcmp(bytes, "new") == 0));
    close(fd);
    if (TRY_OK(pk__file_list(&mem, open_dir("."), 100, ".", &entries, &count, NULL)) && !test_now.torture) {
        CHECK_UINT(count, ==, 1);
    }
    pk_mem_free(&mem);
}

/* ---- private directories */

TEST(file, a_private_directory_is_made_or_checked)
{
    pk_error err = {0};
    struct stat st;
    umask(0);
    REQUIRE_OK(pk__file_make_private_dir("mine", &err));
    REQUIRE(stat("mine", &st) == 0);
    CHECK_INT(st.st_mode & 0777, ==, 0700);
    CHECK_OK(pk__file_make_private_dir("mine", &err));

    REQUIRE(chmod("mine", 0755) == 0);
    CHECK_ERR(pk__file_make_private_dir("mine", &err), PK_ERR_PERMISSION);
    CHECK_CONTAINS(err.msg, "cannot use 'mine': its mode is 0755 and must be 0700");
    REQUIRE(symlink("mine", "link") == 0);
    CHECK_ERR(pk__file_make_private_dir("link", &err), PK_ERR_PERMISSION);
    CHECK_CONTAINS(err.msg, "cannot use 'link': it is a symbolic link");
    put("file", "");
    CHECK_ERR(pk__file_make_private_dir("file", &err), PK_ERR_PERMISSION);
    CHECK_CONTAINS(err.msg, "not a directory");
    CHECK_ERR(pk__file_make_private_dir("no/such", &err), PK_ERR_NOT_FOUND);
    if (geteuid() == 0) {
        REQUIRE(chmod("mine", 0700) == 0 && chown("mine", 12345, 12345) == 0);
        CHECK_ERR(pk__file_make_private_dir("mine", &err), PK_ERR_PERMISSION);
        CHECK_CONTAINS(err.msg, "it belongs to user 12345");
    }
}

TEST(file, directories_in_which_others_can_exchange_things_are_refused)
{
    pk_error err = {0};
    umask(0);
    REQUIRE(mkdir("d", 0755) == 0 && symlink("d", "link") == 0);
    CHECK_OK(pk__file_check_dir("d", &err));
    CHECK_OK(pk__file_check_dir("link", &err));
    CHECK_OK(pk__file_check_dir("/tmp", &err)); // sticky
    REQUIRE(chmod("d", 0775) == 0);
    CHECK_OK(pk__file_check_dir("d", &err)); // our own group
    if (geteuid() == 0) {
        REQUIRE(chown("d", 0, 12345) == 0);
        CHECK_ERR(pk__file_check_dir("d", &err), PK_ERR_PERMISSION);
    }
    REQUIRE(chmod("d", 0777) == 0);
    CHECK_ERR(pk__file_check_dir("d", &err), PK_ERR_PERMISSION);
    CHECK_CONTAINS(err.msg, "cannot use 'd': others may write to it (mode 0777)");
    CHECK_ERR(pk__file_check_dir("link", &err), PK_ERR_PERMISSION);
    put("file", "");
    CHECK_ERR(pk__file_check_dir("file", &err), PK_ERR_PATH);
    CHECK_ERR(pk__file_check_dir("missing", &err), PK_ERR_NOT_FOUND);
    REQUIRE(symlink("missing", "dangling") == 0);
    CHECK_ERR(pk__file_check_dir("dangling", &err), PK_ERR_NOT_FOUND);
    if (geteuid() == 0) {
        REQUIRE(mkdir("foreign", 0755) == 0 && chown("foreign", 12345, 0) == 0);
        CHECK_ERR(pk__file_check_dir("foreign", &err), PK_ERR_PERMISSION);
        REQUIRE(chmod("d", 0755) == 0 && lchown("link", 12345, 0) == 0);
        CHECK_ERR(pk__file_check_dir("link", &err), PK_ERR_PERMISSION);
    }
}

static void check_runtime_dir(const char *path, const char *base)
{
    struct stat st;
    REQUIRE(stat(path, &st) == 0);
    CHECK(S_ISDIR(st.st_mode));
    CHECK_INT(st.st_mode & 0777, ==, 0700);
    CHECK(strncmp(path, base, strlen(base)) == 0);
    CHECK_CONTAINS(path, "/plugkit-");
}

TEST(file, a_runtime_directory_is_private_and_each_one_is_new)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk_error err = {0};
    const char *a = NULL, *b = NULL, *base = pk__file_join(&mem, test_now.folder, "base");
    REQUIRE(mkdir(base, 0755) == 0);
    REQUIRE_OK(pk__file_make_runtime_dir(&mem, base, &a, &err));
    REQUIRE_OK(pk__file_make_runtime_dir(&mem, base, &b, &err));
    check_runtime_dir(a, base);
    check_runtime_dir(b, base);
    CHECK(strcmp(a, b) != 0);
    put(pk__file_join(&mem, a, "x.sock"), "");
    pk__file_remove_runtime_dir(a);
    CHECK(!exists(a) && exists(b));
    pk__file_remove_runtime_dir(b);
    CHECK(rmdir(base) == 0); // nothing is left in it

    CHECK_ERR(pk__file_make_runtime_dir(&mem, base, &a, &err), PK_ERR_NOT_FOUND);
    CHECK(a == NULL);
    REQUIRE(mkdir(base, 0700) == 0 && chmod(base, 0777) == 0);
    CHECK_ERR(pk__file_make_runtime_dir(&mem, base, &a, &err), PK_ERR_PERMISSION);
    CHECK_CONTAINS(err.msg, "others may write to it");
    pk_mem_free(&mem);
}

TEST(file, the_runtime_directory_s_base_is_the_session_s_if_it_is_fit)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const char *path = NULL, *base = pk__file_join(&mem, test_now.folder, "session");
    REQUIRE(mkdir(base, 0700) == 0);
    setenv("XDG_RUNTIME_DIR", base, 1);
    REQUIRE_OK(pk__file_make_runtime_dir(&mem, NULL, &path, NULL));
    check_runtime_dir(path, base);
    pk__file_remove_runtime_dir(path);

    static const char *const unfit[] = {"", "session", "/no/such/folder", NULL};
    for (int i = 0; i < 4; i++) {
        CASE("%s", unfit[i] ? unfit[i] : "unset") {
            if (unfit[i]) {
                setenv("XDG_RUNTIME_DIR", unfit[i], 1);
            } else {
                unsetenv("XDG_RUNTIME_DIR");
            }
            CHECK_STR(pk__file_default_base(), "/tmp");
        }
    }
    setenv("XDG_RUNTIME_DIR", base, 1);
    REQUIRE(chmod(base, 0777) == 0);
    CHECK_STR(pk__file_default_base(), "/tmp");
    pk_mem_free(&mem);
}

/* ---- removing */

TEST(file, a_tree_is_removed_without_following_links)
{
    pk_error err = {0};
    REQUIRE(mkdir("keep", 0700) == 0 && mkdir("t", 0700) == 0 && mkdir("t/a", 0700) == 0 &&
            mkdir("t/a/b", 0700) == 0);
    put("keep/precious", "x");
    put("t/f", "x");
    put("t/a/b/f", "x");
    REQUIRE(symlink("../keep", "t/link") == 0 && symlink("nowhere", "t/a/dangling") == 0);
    REQUIRE_OK(pk__file_remove_tree("t", &err));
    CHECK(!exists("t"));
    CHECK(exists("keep/precious"));
    CHECK_OK(pk__file_remove_tree("t", &err)); // gone already

    REQUIRE(symlink("keep", "link") == 0);
    CHECK_ERR(pk__file_remove_tree("link", &err), PK_ERR_OS);
    CHECK(exists("keep/precious"));
    CHECK_ERR(pk__file_remove_tree("keep/precious", &err), PK_ERR_OS);
}

TEST(file, removal_has_bounds)
{
    char path[200] = "deep";
    pk_error err = {0};
    for (int i = 0; i < 20; i++) {
        REQUIRE(mkdir(path, 0700) == 0);
        strcat(path, "/d");
    }
    CHECK_ERR(pk__file_remove_tree("deep", &err), PK_ERR_OS);
    CHECK_INT(err.sys_errno, ==, ELOOP);
    CHECK(exists("deep"));
    if (geteuid() == 0) {
        REQUIRE(mkdir("foreign", 0700) == 0);
        put("foreign/f", "x");
        REQUIRE(chown("foreign", 12345, 0) == 0);
        CHECK_ERR(pk__file_remove_tree("foreign", &err), PK_ERR_PERMISSION);
        CHECK(exists("foreign/f"));
    }
}

/* ---- listing */

TEST(file, a_listing_is_sorted_and_says_what_things_are)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk_error err = {0};
    pk__file_entry *e;
    size_t count;
    umask(0);
    REQUIRE(mkdir("d", 0700) == 0);
    put("d/zz", "12345");
    put("d/.hidden", "");
    put("d/A b\nc", "");
    REQUIRE(mkdir("d/dir", 0751) == 0 && symlink("zz", "d/link") == 0 && mkfifo("d/fifo", 0600) == 0);
    REQUIRE(chmod("d/zz", 0755) == 0);
    REQUIRE_OK(pk__file_list(&mem, open_dir("d"), 6, "d", &e, &count, &err));
    REQUIRE(count == 6);
    static const char *const names[] = {".hidden", "A b\nc", "dir", "fifo", "link", "zz"};
    static const pk__file_kind kinds[] = {PK__FILE_REGULAR, PK__FILE_REGULAR, PK__FILE_DIR,
                                          PK__FILE_OTHER,   PK__FILE_LINK,    PK__FILE_REGULAR};
    for (int i = 0; i < 6; i++) {
        CHECK_STR(e[i].name, names[i]);
        CHECK_INT(e[i].kind, ==, kinds[i]);
        CHECK_INT(e[i].owner, ==, geteuid());
    }
    CHECK_INT(e[5].mode, ==, 0755);
    CHECK_UINT(e[5].size, ==, 5);
    CHECK_INT(e[2].mode, ==, 0751);

    CHECK_ERR(pk__file_list(&mem, open_dir("d"), 5, "d", &e, &count, &err), PK_ERR_LIMIT);
    CHECK_CONTAINS(err.msg, "cannot list 'd': more than 5 entries");
    REQUIRE_OK(pk__file_list(&mem, open_dir("d/dir"), 5, "d/dir", &e, &count, &err));
    CHECK_UINT(count, ==, 0);
    CHECK_ERR(pk__file_list(&mem, open("d/zz", O_RDONLY | O_CLOEXEC), 5, "d/zz", &e, &count, &err), PK_ERR_OS);
    pk_mem_free(&mem);
}

/* ---- beneath */

TEST(file, nothing_beneath_leads_out)
{
    static const struct {
        const char *path;
        pk_err code;
    } rows[] = {
        {"f", PK_OK},
        {"./f", PK_OK},
        {"a//b/./f", PK_OK},
        {".", PK_OK},
        {"a/b/", PK_OK},
        {"", PK_ERR_PATH},
        {"/etc/passwd", PK_ERR_PATH},
        {"..", PK_ERR_PATH},
        {"../out", PK_ERR_PATH},
        {"a/../../out", PK_ERR_PATH},
        {"a/../f", PK_ERR_PATH}, // harmless, and nobody needs it
        {"a/b/..", PK_ERR_PATH},
        {"link", PK_ERR_PATH},
        {"dirlink/f", PK_ERR_PATH},
        {"outlink/passwd", PK_ERR_PATH},
        {"a/loop/loop", PK_ERR_PATH},
        {"missing", PK_ERR_NOT_FOUND},
        {"a/missing/f", PK_ERR_NOT_FOUND},
        {"f/x", PK_ERR_OS},
        {"...", PK_ERR_NOT_FOUND},
    };
    REQUIRE(mkdir("root", 0700) == 0 && mkdir("root/a", 0700) == 0 && mkdir("root/a/b", 0700) == 0);
    put("out", "secret");
    put("root/f", "x");
    put("root/a/b/f", "x");
    REQUIRE(symlink("f", "root/link") == 0 && symlink("a/b", "root/dirlink") == 0 &&
            symlink("/etc", "root/outlink") == 0 && symlink("loop", "root/a/loop") == 0);
    int root = open_dir("root");
    for (int old = 0; old < 2; old++) {
        pk__sys_old_kernel = old ? 1 : -1;
        for (size_t i = 0; i < PK__COUNT(rows); i++) {
            CASE("%s on %s kernel", rows[i].path, old ? "an old" : "a new") {
                int fd = -2;
                pk_error err = {0};
                CHECK_ERR(pk__file_open_beneath(root, rows[i].path, O_RDONLY, 0, &fd, &err), rows[i].code);
                CHECK(rows[i].code == PK_OK ? fd > 2 : fd == -1);
                if (fd >= 0) {
                    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
                    close(fd);
                }
            }
        }
        char longest[600];
        int fd;
        memset(longest, 'n', sizeof(longest));
        longest[599] = '\0';
        CHECK_ERR(pk__file_open_beneath(root, longest, O_RDONLY, 0, &fd, NULL), PK_ERR_PATH);
        CHECK_OK(pk__file_open_beneath(root, "made", O_RDWR | O_CREAT | O_EXCL, 0600, &fd, NULL));
        close(fd);
        REQUIRE(unlink("root/made") == 0);
    }
    close(root);
}

static int openat2_errno, openat2_calls;

static int openat2_fails(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    (void)dir, (void)path, (void)flags, (void)mode, (void)resolve;
    openat2_calls++;
    errno = openat2_errno;
    return -1;
}

TEST(file, sandboxes_that_do_not_know_openat2_are_no_obstacle)
{
    int root = open_dir("."), fd;
    put("f", "x");
    pk__sys.openat2 = openat2_fails;
    openat2_errno = EPERM;
    CHECK_OK(pk__file_open_beneath(root, "f", O_RDONLY, 0, &fd, NULL));
    close(fd);
    openat2_errno = EAGAIN; // a rename storm: not for ever
    CHECK_ERR(pk__file_open_beneath(root, "f", O_RDONLY, 0, &fd, NULL), PK_ERR_OS);
    CHECK_INT(openat2_calls, ==, 17);
    pk__sys_reset();
    close(root);
}

TEST(file, paths_are_joined_and_cut)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    CHECK_STR(pk__file_join(&mem, "a", "b"), "a/b");
    CHECK_STR(pk__file_join(&mem, "a/", "b"), "a/b");
    CHECK_STR(pk__file_join(&mem, "/", "b"), "/b");
    CHECK_PK_STR(pk__file_basename("/a/b"), "b");
    CHECK_PK_STR(pk__file_basename("b"), "b");
    CHECK_PK_STR(pk__file_basename("a/"), "");
    pk_mem_free(&mem);
}

TEST_TORTURE(file, survives_each_failure)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const char *dir = NULL;
    pk__file_entry *entries;
    pk_str text;
    size_t count;
    int fd;
    put("f", "text");
    REQUIRE(mkdir("d", 0700) == 0 && mkdir("d/e", 0700) == 0);
    put("d/e/f", "x");
    if (TRY_OK(pk__file_read(&mem, "f", 100, &text, NULL))) {
        CHECK_PK_STR(text, "text");
    }
    (void)TRY_OK(pk__file_list(&mem, open_dir("."), 100, ".", &entries, &count, NULL));
    int root = open_dir(".");
    if (TRY_OK(pk__file_open_beneath(root, "d/e/f", O_RDONLY, 0, &fd, NULL))) {
        pk__fd_close(fd);
    }
    close(root);
    if (TRY_OK(pk__file_make_runtime_dir(&mem, test_now.folder, &dir, NULL))) {
        pk__file_remove_runtime_dir(dir);
    }
    if (TRY_OK(pk__file_remove_tree("d", NULL))) {
        CHECK(!exists("d"));
    }
    pk_mem_free(&mem);
}
