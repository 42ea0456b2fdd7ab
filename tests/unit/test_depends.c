/* test_depends.c - what plugins need by their manifests: order; what is missing, of another version, in a circle. */
#include "unit.h"

/* Nothing is started: all are disabled, and what is known of them is looked at. */
static const pk_plugin_rule asleep = {.disabled = true};

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t len = strlen(text);
    REQUIRE(fd >= 0 && write(fd, text, len) == (ssize_t)len && fchmod(fd, mode) == 0);
    close(fd);
}

/* p/ID with a manifest: "a 1.0.0: b@^1 c@2 | d" is a, which needs b and c, and may use d. */
static void put_plugin(const char *line)
{
    char id[40], version[40], path[100], text[1500], rest[1000] = "";
    REQUIRE(sscanf(line, "%39s %39[^:]:%999[^\n]", id, version, rest) >= 2);
    snprintf(path, sizeof(path), "p/%s", id);
    REQUIRE((mkdir("p", 0700) == 0 || errno == EEXIST) && mkdir(path, 0700) == 0);
    snprintf(path, sizeof(path), "p/%s/%s", id, id);
    put(path, "#!/bin/sh\nexit 3\n", 0755);
    int len = snprintf(text, sizeof(text), "{\"name\":\"%s\",\"version\":\"%s\",\"dependencies\":[", id, version);
    const char *comma = "", *optional = "false";
    char *save = NULL;
    for (char *word = strtok_r(rest, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *at = strchr(word, '@');
        if (strcmp(word, "|") == 0) {
            optional = "true";
            continue;
        }
        if (at) {
            *at++ = '\0';
        }
        len += snprintf(text + len, sizeof(text) - (size_t)len,
                        "%s{\"name\":\"%s\",\"version\":\"%s\",\"optional\":%s}", comma, word, at ? at : "*", optional);
        comma = ",";
    }
    snprintf(text + len, sizeof(text) - (size_t)len, "],\"source\":{}}");
    snprintf(path, sizeof(path), "p/%s/plugin.json", id);
    put(path, text, 0644);
}

static void put_plugins(const char *const *lines)
{
    while (*lines) {
        put_plugin(*lines++);
    }
}

typedef struct set {
    pk_loop *loop;
    pk_manager *m;
    pk_manager_desc desc;
    char text[16000]; // "id: why\n" of those that cannot start
} set;

static void look(set *s)
{
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info *all = NULL;
    size_t count = 0;
    s->text[0] = '\0';
    if (TRY_OK(pk_manager_list(s->m, &mem, &all, &count, NULL))) {
        for (size_t i = 0; i < count; i++) {
            size_t len = strlen(s->text);
            if (all[i].why.code) {
                snprintf(s->text + len, sizeof(s->text) - len, "%s\n", all[i].why.msg);
            }
        }
    }
    pk_mem_free(&mem);
}

static bool open_set(set *s, const pk_plugin_rule *rules, size_t count)
{
    memset(s, 0, sizeof(*s));
    s->desc.plugin_dir = "p";
    s->desc.runtime_dir = test_now.folder;
    s->desc.alloc = *test_alloc();
    s->desc.rules = rules;
    s->desc.rule_count = count;
    if (!TRY_OK(pk_loop_create(&s->loop, test_alloc(), NULL))) {
        return false;
    }
    s->desc.loop = s->loop;
    if (!TRY_OK(pk_manager_create(&s->m, &s->desc, NULL)) || !TRY_OK(pk_manager_start(s->m, NULL))) {
        return false;
    }
    look(s);
    return true;
}

static void close_set(set *s)
{
    pk_manager_destroy(s->m);
    pk_loop_destroy(s->loop);
}

/* "b c?": whom it waits for; '?' = if it is there. */
static const char *needs(set *s, const char *id, char out[200])
{
    const pk__plugin *p = pk__registry_find(&s->m->registry, pk_str_from(id));
    out[0] = '\0';
    for (size_t i = 0; p && i < p->need_count; i++) {
        size_t len = strlen(out);
        snprintf(out + len, 200 - len, "%s%s%s", i ? " " : "", p->needs[i].plugin->id,
                 p->needs[i].is_optional ? "?" : "");
    }
    return out;
}

TEST(depends, what_is_there_in_the_right_version_is_waited_for)
{
    static const char *const lines[] = {"web 1.0.0: store@^1.2 db | cache@~2 log@1", "store 1.4.0: db@>=1.0.0",
                                        "db 2.0.0: ", "cache 2.0.9: ", "log 2.0.0: ", NULL};
    set s;
    char text[200];
    put_plugins(lines);
    REQUIRE(open_set(&s, &asleep, 1));
    CHECK_STR(s.text, "");
    CHECK_STR(needs(&s, "web", text), "store db cache?"); // log is there in a version that it cannot use
    CHECK_STR(needs(&s, "store", text), "db");
    CHECK_STR(needs(&s, "db", text), "");
    close_set(&s);
}

TEST(depends, what_is_missing_or_of_another_version_is_told_and_what_follows_from_it)
{
    static const char *const lines[] = {"a 1.0.0: nobody@^1.2", "b 1.0.0: db@^2.0.0", "c 1.0.0: a", "d 1.0.0: c",
                                        "e 1.0.0: db | nobody", "f 1.0.0: bad", "g 1.0.0: plain@1", "h 1.0.0: beta@>=1",
                                        "i 1.0.0: e | a", "db 1.4.0: ", "beta 2.0.0-rc.1: ", "odd 1.0: ",
                                        "j 1.0.0: odd@1", NULL};
    set s;
    char text[200];
    put_plugins(lines);
    REQUIRE(mkdir("p/bad", 0700) == 0);
    put("p/bad/plugin.json", "[]", 0644);
    REQUIRE(open_set(&s, &asleep, 1));
    CHECK_CONTAINS(s.text, "cannot start 'a': it needs 'nobody' ^1.2, and there is no such plugin\n");
    CHECK_CONTAINS(s.text, "cannot start 'b': it needs 'db' ^2.0.0, but 'db' is 1.4.0\n");
    CHECK_CONTAINS(s.text, "cannot start 'c': it needs 'a', which cannot start: it needs 'nobody' ^1.2, and there is "
                           "no such plugin\n");
    CHECK_CONTAINS(s.text, "cannot start 'd': it needs 'c', and so 'a', which cannot start: it needs 'nobody' ^1.2");
    CHECK(strstr(s.text, "'e'") == NULL && strstr(s.text, "'i'") == NULL);
    CHECK_CONTAINS(s.text, "cannot start 'f': it needs 'bad', which cannot be used: cannot use 'p/bad/plugin.json': ");
    CHECK_CONTAINS(s.text, "cannot start 'g': it needs 'plain' 1, and there is no such plugin\n");
    CHECK_CONTAINS(s.text, "cannot start 'h': it needs 'beta' >=1, but 'beta' is 2.0.0-rc.1\n");
    CHECK_CONTAINS(s.text, "cannot start 'j': it needs 'odd' 1, but 'odd' is 1.0\n");
    CHECK_STR(needs(&s, "i", text), "e a?");
    close_set(&s);
}

TEST(depends, circles_of_every_length_are_named_and_the_others_run)
{
    set s;
    char text[200];
    put_plugin("alone 1.0.0: self2@1");
    put_plugin("self 1.0.0: self");
    put_plugin("self2 1.0.0:  | self2");
    put_plugin("two 1.0.0: owt");
    put_plugin("owt 1.0.0: two");
    put_plugin("tail 1.0.0: x03");
    put_plugin("tip 1.0.0: tail");
    for (int i = 0; i < 40; i++) {
        char line[60];
        snprintf(line, sizeof(line), "x%02d 1.0.0: alone x%02d", i, (i + 1) % 40);
        put_plugin(line);
    }
    put_plugin("eight 1.0.0: two self"); // one reason is enough
    REQUIRE(open_set(&s, &asleep, 1));
    CHECK(strstr(s.text, "'alone': it") == NULL && strstr(s.text, "'self2'") == NULL);
    CHECK_CONTAINS(s.text, "cannot start 'self': it needs itself\n");
    CHECK_CONTAINS(s.text, "cannot start 'two': it needs itself: 'two' -> 'owt' -> 'two'\n");
    CHECK_CONTAINS(s.text, "cannot start 'owt': it needs itself: 'owt' -> 'two' -> 'owt'\n");
    CHECK_CONTAINS(s.text, "cannot start 'x39': it needs itself in a circle of 40: 'x39' -> 'x00' -> 'x01' -> ");
    CHECK_CONTAINS(s.text, "cannot start 'tail': it needs 'x03', which cannot start: it needs itself in a circle of");
    CHECK_CONTAINS(s.text, "cannot start 'tip': it needs 'tail', and so 'x03', which cannot start: it needs itself");
    CHECK_CONTAINS(s.text, "cannot start 'eight': it needs 'two', which cannot start: it needs itself: 'two' ->");
    CHECK_STR(needs(&s, "self2", text), "");
    close_set(&s);
}

TEST(depends, what_is_optional_makes_no_circle)
{
    static const char *const lines[] = {"a 1.0.0: b", "b 1.0.0: | a", "c 1.0.0: | d", "d 1.0.0: | c", NULL};
    set s;
    char text[200];
    put_plugins(lines);
    REQUIRE(open_set(&s, &asleep, 1));
    CHECK_STR(s.text, "");
    CHECK_STR(needs(&s, "a", text), "b");
    CHECK_STR(needs(&s, "b", text), "");
    close_set(&s);
}

TEST(depends, rules_of_the_user_belong_to_the_circle)
{
    static const char *const needs_a[] = {"a", NULL};
    const pk_plugin_rule rules[] = {{.plugin = "b", .needs = needs_a, .disabled = true}, asleep};
    set s;
    put_plugin("a 1.0.0: b");
    put_plugin("b 1.0.0: ");
    REQUIRE(open_set(&s, rules, 2));
    CHECK_STR(s.text, "cannot start 'a': it needs itself: 'a' -> 'b' -> 'a'\n"
                      "cannot start 'b': it needs itself: 'b' -> 'a' -> 'b'\n");
    close_set(&s);
}

TEST(depends, is_looked_at_again_when_something_comes)
{
    set s;
    pk_error err = {0};
    put_plugin("a 1.0.0: late");
    put_plugin("b 1.0.0: late@^1");
    REQUIRE(open_set(&s, &asleep, 1));
    CHECK_CONTAINS(s.text, "cannot start 'a': it needs 'late', and there is no such plugin\n");
    REQUIRE_OK(pk_manager_add(s.m, "late", NULL, 0, NULL, &err));
    for (int i = 0; i < 100 && s.text[0]; i++) {
        (void)pk_loop_step(s.loop, 0, NULL);
        look(&s);
        if (strncmp(s.text, "cannot start 'b'", 16) == 0) {
            break;
        }
    }
    CHECK_STR(s.text, "cannot start 'b': it needs 'late' ^1, but 'late' does not say its version\n");
    close_set(&s);
}

TEST_TORTURE(depends, survives_each_failure)
{
    set s;
    put_plugin("a 1.0.0: b@^1 | e");
    put_plugin("b 1.0.0: c nobody");
    put_plugin("c 1.0.0: d");
    put_plugin("d 1.0.0: c");
    (void)open_set(&s, &asleep, 1);
    close_set(&s);
}
