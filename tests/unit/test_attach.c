/* test_attach.c - plugins that somebody else runs: found in a directory or a text, spoken to in a made-up dialect. */
#include "unit.h"

#define ATTACH_CAPS "{\"types\":{\"c\":[{\"type\":\"x\"}]},\"protocols\":[\"plugkit/1\"]}"

/* ---- the dialect */

static int asked, opened, closed;
static bool is_silent; // it cannot be reached

static pk_err dialect_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    (void)user, (void)loop, (void)err;
    CHECK_STR(endpoint->address, "made-up://here");
    CHECK_PK_STR(endpoint->token, "t");
    *channel = &opened;
    opened++;
    return PK_OK;
}

static pk_err dialect_start(void *channel, pk_attempt *a, pk_error *err)
{
    (void)channel;
    if (is_silent) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "nobody answers");
    }
    a->sent = PK_SENT_ANSWERED;
    if (pk_str_is(a->path, "/capabilities")) {
        asked++;
        pk_attempt_head(a, 200, NULL, 0);
        (void)pk_attempt_chunk(a, PK_STR(ATTACH_CAPS), NULL);
    } else {
        pk_attempt_head(a, 200, NULL, 0);
    }
    pk_attempt_end(a, NULL);
    return PK_OK;
}

static void dialect_cancel(void *channel, pk_attempt *a)
{
    (void)channel, (void)a;
}

static void dialect_close(void *channel)
{
    (void)channel;
    closed++;
}

/* ---- the host */

typedef struct host {
    pk_loop *loop;
    pk_manager *m;
    pk_error err;
} host;

static pk_err open_host(host *h, const char *dir, const char *reattach)
{
    static const pk_dialect dialect = {.name = "made-up", .open = dialect_open, .start = dialect_start,
                                       .cancel = dialect_cancel, .close = dialect_close,
                                       .flags = PK_DIALECT_HEALTH};
    static const pk_dialect *const dialects[] = {&dialect};
    pk_manager_desc desc = {.alloc = *test_alloc(), .dialects = dialects, .dialect_count = 1, .attach_dir = dir,
                            .runtime_dir = test_now.folder, .reattach = reattach};
    memset(h, 0, sizeof(*h));
    opened = closed = asked = 0;
    pk_err rc = pk_loop_create(&h->loop, test_alloc(), &h->err);
    desc.loop = h->loop;
    rc = rc ? rc : pk_manager_create(&h->m, &desc, &h->err);
    return rc ? rc : pk_manager_start(h->m, &h->err);
}

static void close_host(host *h)
{
    pk_manager_destroy(h->m);
    pk_loop_destroy(h->loop);
    CHECK_INT(opened, ==, closed);
}

static const char *status(host *h, const char *id)
{
    static char text[60];
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info info;
    pk_plugin p = pk_manager_find(h->m, id);
    if (p.id == 0 || pk_plugin_get(h->m, p, &mem, &info, NULL)) {
        return "none";
    }
    snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(info.status));
    pk_mem_free(&mem);
    return text;
}

static void drop(const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof(path), "drop/%s", name);
    FILE *file = fopen(path, "w");
    REQUIRE(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static pk_err call(host *h, const pk_call_desc *d)
{
    pk_reply reply = {0};
    pk_err rc = pk_caller_call(pk_manager_caller(h->m), d, &reply, &h->err);
    pk_mem_free(&reply.mem);
    return rc;
}

#define ENTRY "{\"address\":\"made-up://here\",\"token\":\"t\",\"dialect\":\"made-up\"}"

TEST(attach, what_lies_in_the_directory_is_asked_what_it_offers_and_called)
{
    host h;
    pk_call_desc d = {.contract = "c", .type = "x", .http = "GET /"};
    REQUIRE(mkdir("drop", 0700) == 0);
    drop("p.json", ENTRY);
    drop(".hidden.json", ENTRY);
    drop("p.txt", "nothing to us");
    REQUIRE_OK(open_host(&h, "drop", ""));
    CHECK_STR(status(&h, "p"), "ready");
    CHECK_INT(asked, ==, 1);
    CHECK_OK(call(&h, &d));
    REQUIRE(unlink("drop/p.json") == 0);
    WAIT_UNTIL(pk_loop_step(h.loop, 50, NULL) != PK_OK || call(&h, &d) == PK_ERR_PLUGIN_NOT_FOUND);
    drop("p.json", ENTRY);
    WAIT_UNTIL(pk_loop_step(h.loop, 50, NULL) != PK_OK || call(&h, &d) == PK_OK);
    close_host(&h);
}

TEST(attach, who_does_not_answer_is_asked_again)
{
    host h;
    REQUIRE(mkdir("drop", 0700) == 0);
    drop("p.json", ENTRY);
    is_silent = true;
    REQUIRE_OK(open_host(&h, "drop", ""));
    CHECK_STR(status(&h, "p"), "backoff");
    is_silent = false;
    WAIT_UNTIL(pk_loop_step(h.loop, 50, NULL) != PK_OK || strcmp(status(&h, "p"), "ready") == 0);
    CHECK_INT(asked, ==, 1);
    close_host(&h);
}

TEST(attach, a_text_names_plugins_that_run_already)
{
    host h;
    pk_call_desc by_type = {.contract = "c", .type = "y", .http = "GET /"}, by_id = {.plugin = "q", .http = "GET /"};
    REQUIRE_OK(open_host(&h, NULL, "{\"p\":{\"address\":\"made-up://here\",\"token\":\"t\",\"dialect\":\"made-up\","
                                   "\"capabilities\":{\"types\":{\"c\":[{\"type\":\"y\"}]}}},\"q\":" ENTRY "}"));
    CHECK_INT(asked, ==, 1); // only the one that does not say
    CHECK_OK(call(&h, &by_type));
    CHECK_OK(call(&h, &by_id));
    CHECK_OK(pk_plugin_stop(h.m, pk_manager_find(h.m, "q"), NULL));
    CHECK_OK(call(&h, &by_id));
    close_host(&h);
}

TEST(attach, a_text_that_cannot_be_used_names_where_it_came_from)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"x", "cannot use reattach: it is not JSON"},
        {"{\"p\":{\"token\":\"a\",\"token\":\"b\"}}", "cannot use reattach: a key stands in it twice"},
        {"{\"p\":{},\"\\u0070\":{}}", "cannot use reattach: a key stands in it twice"},
        {"{\"p\":{\"token\":\"secret\"", "cannot use reattach: it is not JSON"},
        {"[]", "cannot use reattach: cannot decode reattach: plugins: expected"},
        {"{\"p\":{}}", "cannot use 'p' of reattach: it names no address"},
        {"{\"p\":{\"address\":\"\"}}", "cannot use 'p' of reattach: it names no address"},
        {"{\"p\":{\"address\":\"/x\",\"token\":\"a\\u0000b\"}}", "cannot use 'p' of reattach: its token holds"},
        {"{\"../p\":{\"address\":\"/x\"}}", "cannot use reattach: cannot name a plugin '../p'"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text) {
            host h;
            CHECK_ERR(open_host(&h, NULL, rows[i].text), PK_ERR_CONFIG);
            CHECK_CONTAINS(h.err.msg, rows[i].says);
            CHECK(!strstr(h.err.msg, "secret"));
            close_host(&h);
        }
    }
}

TEST_TORTURE(attach, whatever_fails_nothing_is_left)
{
    host h;
    pk_call_desc d = {.plugin = "p", .http = "GET /", .ctx = {.timeout_ms = 2000}};
    (void)mkdir("drop", 0700);
    drop("p.json", ENTRY);
    drop("bad.json", "{");
    if (TRY_OK(open_host(&h, "drop", "{\"q\":" ENTRY "}"))) {
        (void)call(&h, &d);
    }
    close_host(&h);
}

TEST(attach, a_directory_that_is_missing_is_an_error_also_if_nobody_wants_to_know_why)
{
    pk_manager_desc desc = {.alloc = *test_alloc(), .attach_dir = "nowhere", .runtime_dir = test_now.folder};
    pk_manager *m = NULL;
    REQUIRE_OK(pk_manager_create(&m, &desc, NULL));
    CHECK_ERR(pk_manager_start(m, NULL), PK_ERR_NOT_FOUND);
    pk_manager_destroy(m);
}

/* The loop is another thread's: whoever waits here is woken by it, or not at all. */
TEST_TORTURE(attach, whatever_fails_nobody_waits_for_ever)
{
    static const pk_dialect dialect = {.name = "made-up", .open = dialect_open, .start = dialect_start,
                                       .cancel = dialect_cancel, .close = dialect_close, .flags = PK_DIALECT_HEALTH};
    static const pk_dialect *const dialects[] = {&dialect};
    pk_manager_desc desc = {.alloc = *test_alloc(), .dialects = dialects, .dialect_count = 1, .attach_dir = "drop",
                            .runtime_dir = test_now.folder, .reattach = "{\"q\":" ENTRY "}",
                            .deadline = {.start_ms = 500, .stop_ms = 50}};
    pk_found found = {.id = "r", .endpoint = {.address = "made-up://here", .token = PK_STR_INIT("t"),
                                               .dialect = "made-up"}};
    pk_call_desc d = {.plugin = "p", .http = "GET /", .ctx = {.timeout_ms = 2000}};
    pk_manager *m = NULL;
    (void)mkdir("drop", 0700);
    drop("p.json", ENTRY);
    drop("bad.json", "{");
    opened = closed = 0;
    if (TRY_OK(pk_manager_create(&m, &desc, NULL)) && TRY_OK(pk_manager_start(m, NULL))) {
        (void)pk_caller_call(pk_manager_caller(m), &d, NULL, NULL);
        (void)pk_plugin_stop(m, pk_manager_find(m, "q"), NULL);
        (void)pk_plugin_start(m, pk_manager_find(m, "q"), NULL);
        (void)pk_manager_attach(m, &found, NULL, NULL);
        (void)pk_plugin_start(m, pk_manager_find(m, "r"), NULL);
        (void)pk_manager_stop(m, NULL);
    }
    pk_manager_destroy(m);
    CHECK_INT(opened, ==, closed);
}
