/* test_keep.c - the keep directory: who may have it, what is read from it, what is left in it. */
#include "unit.h"

static int bad;
static char bad_why[600];

static void on_bad(void *user, const pk_error *why)
{
    (void)user;
    bad++;
    snprintf(bad_why, sizeof(bad_why), "%s", why->msg);
}

typedef struct kept {
    pk__keep keep;
    pk_mem mem;
    const char *dir;
    pk_error err;
} kept;

static pk_err open_keep(kept *k, const char *name)
{
    memset(k, 0, sizeof(*k));
    k->mem.alloc = test_alloc();
    return pk__keep_open(&k->keep, &k->mem, test_alloc(), test_now.folder, name, &k->dir, &k->err);
}

static void close_keep(kept *k)
{
    pk__keep_close(&k->keep, false);
    pk_mem_free(&k->mem);
}

static const char *in(const char *dir, const char *name)
{
    static char path[600];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void put(const char *dir, const char *name, const char *text)
{
    FILE *file = fopen(in(dir, name), "w");
    REQUIRE(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static bool is_there(const char *dir, const char *name)
{
    return access(in(dir, name), F_OK) == 0;
}

static pk_err note(const kept *k, const char *id, const char *instance)
{
    char stem[600];
    pk__keep_record r;
    memset(&r, 0, sizeof(r));
    r.id = pk_str_from(id);
    r.instance = pk_str_from(instance);
    r.path = PK_STR("/x");
    r.token = PK_STR("secret");
    r.proof = PK_STR("me");
    snprintf(stem, sizeof(stem), "%s/%s", k->dir, instance);
    return pk__keep_write(&k->keep, stem, &r, NULL);
}

TEST(keep, one_host_at_a_time_may_have_a_name)
{
    kept a, b, c;
    REQUIRE_OK(open_keep(&a, "x"));
    CHECK_ERR(open_keep(&b, "x"), PK_ERR_BUSY);
    CHECK_CONTAINS(b.err.msg, "cannot keep plugins as 'x': cannot take lock '");
    REQUIRE_OK(open_keep(&c, "y"));
    close_keep(&b);
    CHECK(is_there(a.dir, "lock")); // who came second leaves it alone
    close_keep(&c);
    close_keep(&a);
    REQUIRE_OK(open_keep(&a, "x"));
    close_keep(&a);
    CHECK(!is_there(test_now.folder, "keep-x"));
}

TEST(keep, a_number_in_the_lock_of_a_dead_host_says_nothing)
{
    kept a;
    char number[20], dir[600];
    REQUIRE_OK(open_keep(&a, "x"));
    snprintf(dir, sizeof(dir), "%s", a.dir);
    REQUIRE_OK(note(&a, "p", "p-1")); // so that the directory stays
    close_keep(&a);
    snprintf(number, sizeof(number), "%ld", (long)getppid()); // somebody lives who has it now
    put(dir, "lock", number);
    REQUIRE_OK(open_keep(&a, "x"));
    close_keep(&a);
}

TEST(keep, names_become_parts_of_paths)
{
    static const char *const names[] = {"", ".", "..", "a/b", "a b", "-x", "x23456789012345678901234567890123"};
    for (size_t i = 0; i < PK__COUNT(names); i++) {
        CASE("%s", names[i]) {
            kept k;
            CHECK_ERR(open_keep(&k, names[i]), PK_ERR_BAD_NAME);
            close_keep(&k);
        }
    }
}

TEST(keep, what_no_record_mentions_is_cleared_away)
{
    kept k;
    REQUIRE_OK(open_keep(&k, "x"));
    REQUIRE_OK(note(&k, "p", "p-1"));
    put(k.dir, "p-1.sock", "");
    put(k.dir, "p-1.control", "");
    put(k.dir, "p-2.sock", "");
    put(k.dir, "p-2.control", "");
    put(k.dir, "host.sock", "");
    put(k.dir, "p-1.json.01234567", ""); // a record that was being written
    close_keep(&k);

    REQUIRE_OK(open_keep(&k, "x"));
    CHECK(is_there(k.dir, "p-1.sock") && is_there(k.dir, "p-1.control") && is_there(k.dir, "p-1.json"));
    CHECK(!is_there(k.dir, "p-2.sock") && !is_there(k.dir, "p-2.control") && !is_there(k.dir, "host.sock"));
    CHECK(!is_there(k.dir, "p-1.json.01234567"));
    pk__keep_remove(in(k.dir, "p-1"));
    CHECK(!is_there(k.dir, "p-1.sock") && !is_there(k.dir, "p-1.control") && !is_there(k.dir, "p-1.json"));
    close_keep(&k);
}

TEST(keep, a_record_with_two_tokens_is_none)
{
    static const char record[] = "{\"id\":\"p\",\"instance\":\"p-1\",\"path\":\"/p\",\"token\":\"secret\",%s\"proof\""
                                 ":\"y\"}";
    for (int twice = 0; twice < 2; twice++) {
        kept k;
        char text[160];
        bad = 0;
        snprintf(text, sizeof(text), record, twice ? "\"token\":\"other\"," : "");
        REQUIRE_OK(open_keep(&k, twice ? "x" : "y"));
        put(k.dir, "p-1.json", text);
        pk__keep_read(&k.keep, on_bad, NULL);
        CHECK_INT(bad, ==, twice);
        CHECK(!twice || (strstr(bad_why, "it is no record of a plugin") && !strstr(bad_why, "secret")));
        close_keep(&k);
    }
}

TEST(keep, records_are_read_once_and_taken_by_id)
{
    kept k;
    bad = 0;
    REQUIRE_OK(open_keep(&k, "x"));
    REQUIRE_OK(note(&k, "p", "p-1"));
    REQUIRE_OK(note(&k, "p", "p-12"));
    REQUIRE_OK(note(&k, "q-1", "q-1-4294967295"));
    put(k.dir, "bad.json", "{\"token\":\"secret\"");
    pk__keep_read(&k.keep, on_bad, NULL);
    CHECK_INT(bad, ==, 1);
    CHECK_CONTAINS(bad_why, "bad.json': it is no record of a plugin");
    CHECK(!strstr(bad_why, "secret"));
    CHECK(!is_there(k.dir, "bad.json"));
    pk__keep_read(&k.keep, on_bad, NULL);
    CHECK_UINT(pk__keep_serial(&k.keep, "p"), ==, 12);
    CHECK_UINT(pk__keep_serial(&k.keep, "q-1"), ==, 4294967295u);
    CHECK_UINT(pk__keep_serial(&k.keep, "q"), ==, 0);

    pk__kept *one = pk__keep_take(&k.keep, "p"), *two = pk__keep_take(&k.keep, "p");
    REQUIRE(one && two && one != two && !pk__keep_take(&k.keep, "p"));
    CHECK_PK_STR(one->record.token, "secret");
    CHECK_PK_STR(one->record.proof, "me");
    CHECK_CONTAINS(one->control, "/p-1.control");
    pk__keep_free(one);
    pk__keep_free(two);
    close_keep(&k);
}

TEST(keep, a_forked_child_leaves_it_to_its_parent)
{
    kept k, again;
    REQUIRE_OK(open_keep(&k, "x"));
    put(k.dir, "host.sock", "");
    pid_t pid = fork();
    if (pid == 0) {
        pk__keep_close(&k.keep, true);
        _exit(0);
    }
    REQUIRE(waitpid(pid, NULL, 0) == pid);
    CHECK(is_there(k.dir, "host.sock") && is_there(k.dir, "lock"));
    CHECK_ERR(open_keep(&again, "x"), PK_ERR_BUSY);
    close_keep(&again);
    close_keep(&k);
}

TEST_TORTURE(keep, whatever_fails_nothing_is_left)
{
    kept k;
    if (TRY_OK(open_keep(&k, "x"))) {
        (void)note(&k, "p", "p-1");
        put(k.dir, "p-1.sock", "");
        put(k.dir, "bad.json", "{}");
        pk__keep_read(&k.keep, on_bad, NULL);
        pk__kept *p = pk__keep_take(&k.keep, "p");
        if (p) {
            pk__keep_remove(p->stem);
        }
        pk__keep_free(p);
    }
    close_keep(&k);
}
