/* test_manager.c - the manager with real processes: shell scripts that behave, and that do not. */
#include "unit.h"

/* A plugin in lines mode: answers `capabilities`, then runs START, then BODY for each call ($id is set). */
#define SCRIPT(type, start, body)                                                                             \
    "#!/bin/sh\n"                                                                                             \
    "if [ \"$1\" = capabilities ]; then\n"                                                                    \
    "  echo '{\"types\":{\"c\":[{\"type\":\"" type "\"}]},\"protocols\":[\"plugkit/1\"]}'\n"                    \
    "  exit 0\n"                                                                                              \
    "fi\n"                                                                                                    \
    "read -r config <&3\n" start "\n"                                                                          \
    "printf '{\"listening\":\"lines:\"}\\n{\"ready\":true}\\n' >&3\n"                                           \
    "while read -r line <&3; do\n"                                                                            \
    "  case $line in *shutdown*) exit 0;; esac\n"                                                             \
    "  id=${line#*:}; id=${id%%,*}\n" body "\n"                                                                \
    "done\n"
#define ANSWER "printf '{\"id\":%s,\"status\":200,\"body\":\"fine\"}\\n' \"$id\" >&3"

typedef struct world {
    pk_manager *m;
    pk_manager_desc desc;
    char events[8192];
    pk__mutex lock;
} world;

static void put(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    REQUIRE(f != NULL);
    fputs(text, f);
    fclose(f);
    REQUIRE(chmod(path, mode) == 0);
}

static void on_event(void *user, const pk_event *e)
{
    world *w = user;
    pk__mutex_lock(&w->lock);
    size_t have = strlen(w->events);
    snprintf(w->events + have, sizeof(w->events) - have, "%s:%s ", e->id, e->name);
    pk__mutex_unlock(&w->lock);
}

static void prepare(world *w)
{
    memset(w, 0, sizeof(*w));
    pk__mutex_init(&w->lock);
    mkdir("plugins", 0755);
    w->desc.alloc = *test_alloc();
    w->desc.plugin_dir = "plugins";
    w->desc.runtime_dir = ".";
    w->desc.on_event = on_event;
    w->desc.user = w;
    w->desc.deadline.stop_ms = 2000;
}

static void start(world *w)
{
    pk_error err = {0};
    if (pk_manager_create(&w->m, &w->desc, &err) || pk_manager_start(w->m, &err)) {
        FAIL("%s", err.msg);
    }
}

static void stop(world *w)
{
    pk_manager_destroy(w->m);
    pk__mutex_deinit(&w->lock);
}

static pk_err call(world *w, const char *type, uint32_t timeout_ms, pk_error *err)
{
    pk_call_desc d = {.contract = "c", .type = type, .method = "go", .ctx = {.timeout_ms = timeout_ms}};
    return pk_caller_call(pk_manager_caller(w->m), &d, NULL, err);
}

/* Status and reason of a plugin by id, also of skipped ones; "" = there is none. */
static void look(world *w, const char *id, char *status, char *why)
{
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info *all;
    size_t count;
    status[0] = why[0] = '\0';
    REQUIRE_OK(pk_manager_list(w->m, &mem, &all, &count, NULL));
    for (size_t i = 0; i < count; i++) {
        if (pk_str_is(all[i].id, id)) {
            snprintf(status, 64, "%" PK_FMT, PK_ARG(all[i].status));
            snprintf(why, 256, "%s", all[i].why.msg);
        }
    }
    pk_mem_free(&mem);
}

TEST(manager, a_script_is_found_called_and_stopped_and_nothing_stays)
{
    world w;
    pk_reply reply = {.mem = {.alloc = test_alloc()}};
    prepare(&w);
    put("plugins/good", SCRIPT("good", "", ANSWER), 0755);
    start(&w);
    pk_call_desc d = {.contract = "c", .type = "good", .method = "go"};
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(pk_caller_call(pk_manager_caller(w.m), &d, &reply, NULL));
        CHECK_PK_STR(reply.body.bytes, "\"fine\"");
    }
    pk_mem_free(&reply.mem);
    CHECK_OK(pk_manager_stop(w.m, NULL));
    CHECK_STR(w.events,
              "good:plugin.found good:plugin.probing good:plugin.stopped good:plugin.starting good:plugin.ready "
              ":manager.stopping good:plugin.stopping good:plugin.stopped good:plugin.unloaded :manager.stopped ");
    stop(&w);
    CHECK_UINT(pk__fd_count(), <, 20);
}

TEST(manager, every_bad_plugin_is_named_with_its_reason_and_disturbs_nobody)
{
    static const struct {
        const char *id, *script;
        mode_t mode;
        const char *status, *why;
    } rows[] = {
        {"plain", "hello", 0644, "skipped", "it is not executable: chmod +x 'plugins/plain'"},
        {"named.sh", "#!/bin/sh\n", 0755, "skipped", "rename it to 'named'"},
        {"exits", "#!/bin/sh\necho no database >&2\nexit 3\n", 0755, "rejected",
         "cannot probe 'exits': exit status 3: no database"},
        {"garbage", "#!/bin/sh\necho hello\n", 0755, "rejected", "cannot use the capabilities of 'garbage'"},
        {"nothing", "#!/bin/sh\n", 0755, "rejected", "cannot use the capabilities of 'nothing': it printed nothing"},
        {"half", "#!/bin/sh\nprintf '{\"types\":{\"c\":['\n", 0755, "rejected", "'half'"},
        {"typed", "#!/bin/sh\necho '{\"types\":{\"c\":[{\"type\":7}]}}'\n", 0755, "rejected",
         "\"type\" should be a string"},
        {"flood", "#!/bin/sh\nhead -c 100000000 /dev/zero | tr '\\0' x\n", 0755, "rejected", "prints more than 1 MiB"},
        {"hangs", "#!/bin/sh\nexec sleep 100\n", 0755, "rejected",
         "cannot probe 'hangs': it was not ready within 3000 ms: it did not print its capabilities"},
        {"noexec", "#!/no/such/interpreter\n", 0755, "rejected", "cannot start 'plugins/noexec'"},
        {"bad name", "#!/bin/sh\n", 0755, "rejected", "cannot name a plugin 'bad name'"},
        {"open", "#!/bin/sh\n", 0777, "skipped", "everybody may write to it: chmod o-w 'plugins/open'"},
    };
    world w;
    char path[300], status[64], why[256];
    prepare(&w);
    w.desc.deadline.start_ms = 3000;
    put("plugins/good", SCRIPT("good", "", ANSWER), 0755);
    put("plugins/README", "text", 0644);
    put("plugins/notes.txt", "text", 0644);
    put("plugins/.hidden", "#!/bin/sh\n", 0755);
    REQUIRE(symlink("good", "plugins/link") == 0);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        snprintf(path, sizeof(path), "plugins/%s", rows[i].id);
        put(path, rows[i].script, rows[i].mode);
    }
    start(&w);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        if (strcmp(rows[i].id, "noexec") == 0 && getenv("TEST_VALGRIND")) {
            continue; // it cannot fail an execve
        }
        CASE("%s", rows[i].id)
        {
            look(&w, rows[i].id, status, why);
            CHECK_STR(status, rows[i].status);
            CHECK_CONTAINS(why, rows[i].why);
        }
    }
    look(&w, "link", status, why);
    CHECK_CONTAINS(why, "symbolic link");
    look(&w, "README", status, why);
    CHECK_STR(status, "");
    look(&w, ".hidden", status, why);
    CHECK_STR(status, "");
    CHECK_OK(call(&w, "good", 5000, NULL));
    stop(&w);
}

TEST(manager, what_is_missing_may_have_been_skipped_and_a_method_may_not_exist)
{
    world w;
    pk_error err = {0};
    prepare(&w);
    put("plugins/hello", SCRIPT("hello", "", ANSWER), 0644);
    start(&w);
    CHECK_ERR(call(&w, "hello", 1000, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_CONTAINS(err.msg, "no plugin found for contract 'c': there is none; 'hello' was skipped: it is not");
    stop(&w); // the event comes from the manager's thread, at the latest now
    CHECK_CONTAINS(w.events, "hello:plugin.skipped");
}

TEST(manager, two_files_with_one_id_and_odd_directories)
{
    world w;
    char status[64], why[256];
    prepare(&w);
    REQUIRE(mkdir("plugins/a 'b' \"c\"\nd", 0755) == 0);
    REQUIRE(mkdir("plugins/sub", 0755) == 0);
    put("plugins/a 'b' \"c\"\nd/odd", SCRIPT("odd", "", ANSWER), 0755);
    put("plugins/sub/odd", SCRIPT("odd", "", ANSWER), 0755);
    start(&w);
    CHECK_OK(call(&w, "odd", 5000, NULL));
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info *all;
    size_t count, rejected = 0;
    REQUIRE_OK(pk_manager_list(w.m, &mem, &all, &count, NULL));
    CHECK_UINT(count, ==, 2);
    for (size_t i = 0; i < count; i++) {
        if (pk_str_is(all[i].status, "rejected")) {
            rejected++;
            CHECK_CONTAINS(all[i].why.msg, "cannot add plugin 'odd': the id is taken by");
        }
    }
    CHECK_UINT(rejected, ==, 1);
    pk_mem_free(&mem);
    look(&w, "nobody", status, why);
    CHECK_STR(status, "");
    stop(&w);
}

TEST(manager, what_goes_wrong_in_a_call_is_told_and_the_next_call_works)
{
    static const struct {
        const char *id, *script, *says;
        pk_err code;
    } rows[] = {
        {"fails", SCRIPT("fails", "", "printf '{\"id\":%s,\"status\":500,\"error\":\"no disk\"}\\n' \"$id\" >&3"),
         "no disk", PK_ERR_PLUGIN_FAULT},
        {"dies", SCRIPT("dies", "", "exit 4"), "the plugin has gone", PK_ERR_PLUGIN_CONNECTION},
        {"mumbles", SCRIPT("mumbles", "", "echo 'no json' >&3"), "cannot call 'mumbles': cannot decode its answer: ",
         PK_ERR_PROTOCOL},
        {"sleeps", SCRIPT("sleeps", "", "exec sleep 100"), "the deadline passed", PK_ERR_PLUGIN_TIMEOUT},
        {"unready", SCRIPT("unready", "exec sleep 100", ANSWER),
         "'unready': it was not ready within 3000 ms: it did not say where it listens", PK_ERR_PLUGIN_TIMEOUT},
        {"gives-up", SCRIPT("gives-up", "printf '{\"error\":\"no license\",\"code\":\"L1\"}\\n' >&3; exit 1", ANSWER),
         "cannot start 'gives-up': no license", PK_ERR_START},
    };
    world w;
    char path[300];
    prepare(&w);
    w.desc.deadline.start_ms = 3000;
    w.desc.deadline.stop_ms = 300;
    static const pk_plugin_rule never = {.restart = PK_RESTART_NEVER};
    w.desc.rules = &never;
    w.desc.rule_count = 1;
    put("plugins/good", SCRIPT("good", "", ANSWER), 0755);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        snprintf(path, sizeof(path), "plugins/%s", rows[i].id);
        put(path, rows[i].script, 0755);
    }
    start(&w);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].id)
        {
            pk_error err = {0};
            uint32_t timeout_ms =
                rows[i].code == PK_ERR_PLUGIN_TIMEOUT && strcmp(rows[i].id, "sleeps") == 0 ? 300 : 8000;
            CHECK_ERR(call(&w, rows[i].id, timeout_ms, &err), rows[i].code);
            CHECK_CONTAINS(err.msg, rows[i].says);
            CHECK_OK(call(&w, "good", 5000, NULL));
        }
    }
    stop(&w);
}

TEST(manager, two_managers_share_a_directory)
{
    world a, b;
    prepare(&a);
    prepare(&b);
    put("plugins/good", SCRIPT("good", "", ANSWER), 0755);
    start(&a);
    start(&b);
    CHECK_OK(call(&a, "good", 5000, NULL));
    CHECK_OK(call(&b, "good", 5000, NULL));
    stop(&a);
    CHECK_OK(call(&b, "good", 5000, NULL));
    stop(&b);
}

TEST(manager, a_runtime_directory_that_others_may_write_to_is_refused)
{
    world w;
    pk_error err = {0};
    prepare(&w);
    REQUIRE(mkdir("open", 0777) == 0 && chmod("open", 0777) == 0);
    w.desc.runtime_dir = "open";
    CHECK(pk_manager_create(&w.m, &w.desc, &err) != PK_OK);
    CHECK_CONTAINS(err.msg, "open");
    w.desc.runtime_dir = "missing/dir";
    CHECK(pk_manager_create(&w.m, &w.desc, &err) != PK_OK);
    CHECK_CONTAINS(err.msg, "missing");
    pk__mutex_deinit(&w.lock);
}

TEST(manager, a_missing_plugin_directory_is_an_error_that_names_it)
{
    world w;
    pk_error err = {0};
    prepare(&w);
    w.desc.plugin_dir = "nowhere";
    REQUIRE_OK(pk_manager_create(&w.m, &w.desc, &err));
    CHECK(pk_manager_start(w.m, &err) != PK_OK);
    CHECK_CONTAINS(err.msg, "'nowhere'");
    stop(&w);
}

TEST(manager, in_a_forked_child_it_is_of_no_use_and_hurts_nobody)
{
    world w;
    prepare(&w);
    put("plugins/good", SCRIPT("good", "", ANSWER), 0755);
    start(&w);
    CHECK_OK(call(&w, "good", 5000, NULL));
    pid_t pid = fork();
    if (pid == 0) {
        pk_error err = {0};
        bool ok = pk_manager_stop(w.m, &err) == PK_ERR_MISUSE && strstr(err.msg, "forked child") != NULL;
        pk_manager_destroy(w.m);
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK_INT(status, ==, 0);
    CHECK_OK(call(&w, "good", 5000, NULL)); // still there
    stop(&w);
}

typedef struct many {
    world *w;
    int good;
} many;

static void call_often(void *arg)
{
    many *t = arg;
    for (int i = 0; i < 20; i++) {
        t->good += call(t->w, "good", 10000, NULL) == PK_OK;
    }
}

TEST(manager, many_threads_may_call_at_once_also_while_it_starts)
{
    world w;
    pk__thread threads[8];
    many arg[8];
    prepare(&w);
    put("plugins/good", SCRIPT("good", "sleep 0.1", ANSWER), 0755);
    start(&w);
    for (int i = 0; i < 8; i++) {
        arg[i] = (many){&w, 0};
        memset(&threads[i], 0, sizeof(threads[i]));
        REQUIRE_OK(pk__thread_start(&threads[i], call_often, &arg[i], NULL));
    }
    for (int i = 0; i < 8; i++) {
        pk__thread_join(&threads[i]);
        CHECK_INT(arg[i].good, ==, 20);
    }
    stop(&w);
}

TEST(manager, what_plugins_print_reaches_the_log_and_never_stalls_them)
{
    world w;
    prepare(&w);
    put("plugins/loud",
        SCRIPT("loud", "head -c 3000000 /dev/zero | tr '\\0' y; head -c 3000000 /dev/zero >&2", ANSWER), 0755);
    start(&w);
    CHECK_OK(call(&w, "loud", 10000, NULL));
    stop(&w);
}

typedef struct told {
    pk__mutex lock;
    char text[2000];
} told;

static void on_config_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields,
                          size_t count)
{
    told *t = user;
    if (strcmp(event, "manager.config") == 0) {
        pk__mutex_lock(&t->lock);
        size_t have = strlen(t->text);
        snprintf(t->text + have, sizeof(t->text) - have, "%d %" PK_FMT ": %" PK_FMT "\n", level == PK_LOG_WARN,
                 PK_ARG(count ? fields[0].value : PK_STR("?")), PK_ARG(text));
        pk__mutex_unlock(&t->lock);
    }
}

TEST(manager, a_configuration_that_nobody_takes_is_told_once)
{
    static const pk_plugin_config config[] = {
        {NULL, "limits", PK_STR_INIT("{}")},
        {NULL, "limts", PK_STR_INIT("{}")},
        {"there", "limits", PK_STR_INIT("{}")},
        {"gone", "limits", PK_STR_INIT("{}")},
    };
    told t = {.text = ""};
    pk_manager *m = NULL;
    pk_manager_desc desc = {.alloc = *test_alloc(), .plugin_dir = "plugins", .runtime_dir = ".", .config = config,
                            .config_count = PK__COUNT(config), .on_log = on_config_log, .user = &t};
    pk__mutex_init(&t.lock);
    REQUIRE(mkdir("plugins", 0755) == 0);
    put("plugins/there", "#!/bin/sh\necho '{\"types\":{},\"configTypes\":[\"tables\",\"limits\"]}'\n", 0755);
    REQUIRE_OK(pk_manager_create(&m, &desc, NULL));
    CHECK_STR(t.text, "");
    REQUIRE_OK(pk_manager_start(m, NULL));
    CHECK_STR(t.text, "1 : cannot use the configuration of type 'limts': no plugin declares it; there is limits, "
                      "tables\n1 gone: cannot use the configuration of type 'limits': there is no plugin 'gone'\n");
    pk_manager_destroy(m);
    pk__mutex_deinit(&t.lock);
}

TEST(manager, a_call_before_the_start_says_what_to_do)
{
    world w;
    pk_error err = {0};
    prepare(&w);
    REQUIRE_OK(pk_manager_create(&w.m, &w.desc, NULL));
    CHECK_ERR(call(&w, "x", 1000, &err), PK_ERR_MISUSE);
    CHECK_CONTAINS(err.msg, "pk_manager_start");
    stop(&w);
}

TEST(manager, last_words_are_the_message_of_a_json_line)
{
    char status[64], why[256];
    world w;
    prepare(&w);
    put("plugins/sad",
        "#!/bin/sh\necho '{\"time\":\"now\",\"level\":\"ERROR\",\"msg\":\"no database\"}' >&2\nexit 3\n", 0755);
    start(&w);
    look(&w, "sad", status, why);
    CHECK_STR(why, "cannot probe 'sad': exit status 3: error: no database");
    stop(&w);
}

/* The manager's loop is a thread of its own: whoever waits here is woken by it, or not at all. */
TEST_TORTURE(manager, whatever_fails_nobody_waits_for_ever)
{
    world w;
    prepare(&w);
    w.desc.deadline.start_ms = 1000;
    w.desc.deadline.stop_ms = 200;
    put("plugins/good", SCRIPT("good", "", ANSWER), 0755);
    if (pk_manager_create(&w.m, &w.desc, NULL) == PK_OK) {
        if (pk_manager_start(w.m, NULL) == PK_OK) {
            (void)call(&w, "good", 1000, NULL);
            (void)pk_plugin_stop(w.m, pk_manager_find(w.m, "good"), NULL);
            (void)call(&w, "good", 1000, NULL);
            (void)pk_manager_stop(w.m, NULL);
        }
    }
    stop(&w);
}

TEST(manager, configurations_are_understood_in_one_way_only)
{
    static const struct {
        const char *data, *says;
    } rows[] = {
        {"{\"a\":1,\"b\":{\"c\":1,\"c\":2}}",
         "line 1, column 19, offset 18: expected another key: this one stands there twice"},
        {"{\"a\":1,}", "line 1, column 8, offset 7: expected a key in quotes"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].data)
        {
            pk_plugin_config config = {.type = "t", .data = pk_str_from(rows[i].data)};
            pk_manager_desc desc = {.alloc = *test_alloc(), .config = &config, .config_count = 1};
            pk_manager *m = NULL;
            pk_error err;
            CHECK_ERR(pk_manager_create(&m, &desc, &err), PK_ERR_CONFIG);
            CHECK_CONTAINS(err.msg, "cannot use the configuration of type 't': cannot parse JSON: ");
            CHECK_CONTAINS(err.msg, rows[i].says);
            CHECK(m == NULL);
        }
    }
}
