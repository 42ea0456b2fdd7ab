/* test_watchdog.c - plugins that stand still or hang, and when that is noticed: under a clock that only the test moves.
 *
 * The launcher is made up: what it says of the process, and what the plugin answers, is the test's to decide. */
#include "unit.h"

#define OF_LINES "{\"types\":{\"c\":[{\"type\":\"x\"}]},\"protocols\":[\"plugkit/1\"]}"
#define OF_LINES_ASKED "{\"types\":{\"c\":[{\"type\":\"x\"}]},\"protocols\":[\"plugkit/1\"],\"health\":true}"
#define OF_FRAMEWORK "{\"types\":{\"c\":[{\"type\":\"x\"}]}}"

enum { INTERVAL = 10000 }; // ms

typedef struct world {
    pk_loop *loop;
    pk_manager *m;
    pk_manager_desc desc;
    pk_finder finder;
    pk_launcher launcher;
    pk_dialect dialect;
    const pk_finder *finders[1];
    const pk_launcher *launchers[1];
    const pk_dialect *dialects[1];
    const char *capabilities;
    pk_look look;
    pk_launch *running; // NULL = none
    int starts, kills;
    /* in lines mode */
    char asked[200]; // the last line, and its number
    unsigned long id;
    int questions, calls;
    /* as the Go framework does it */
    pk_attempt *held;
    bool is_mute;
    /* of calls */
    int outcomes, good;
    char events[2048], why[300];
} world;

static pk_err find(void *user, pk_sink *sink, pk_error *err)
{
    world *w = user;
    pk_found found = {.id = "p", .path = "/made/up", .manifest = pk_str_from(w->capabilities)};
    pk_err rc = pk_sink_found(sink, &found, err);
    if (!rc) {
        pk_sink_done(sink);
    }
    return rc;
}

static pk_err launch(void *user, pk_launch *l, const pk_launch_info *info, void **state, pk_error *err)
{
    world *w = user;
    (void)err;
    *state = w;
    w->starts++;
    w->running = l;
    if (info->control) {
        pk_launch_output(l, PK_STREAM_CONTROL, PK_STR("{\"listening\":\"lines:\"}\n{\"ready\":true}\n"));
    } else {
        pk_launch_output(l, PK_STREAM_OUT, PK_STR("http://127.0.0.1:1\n"));
    }
    return PK_OK;
}

static pk_err launch_send(void *state, pk_str bytes, pk_error *err)
{
    world *w = state;
    (void)err;
    if (pk_str_starts(bytes, PK_STR("{\"id\":"))) {
        snprintf(w->asked, sizeof(w->asked), "%" PK_FMT, PK_ARG(bytes));
        w->id = strtoul(w->asked + 6, NULL, 10);
        w->questions += strstr(w->asked, "\"GET /healthz\"") != NULL;
        w->calls += strstr(w->asked, "\"GET /healthz\"") == NULL;
    }
    return PK_OK;
}

static void launch_stop(void *state, int how)
{
    world *w = state;
    pk_launch *l = w->running;
    w->running = NULL;
    w->kills += how == 2;
    if (l) {
        pk_launch_exited(l, how == 2 ? 9 : 15, NULL);
    }
}

static pk_look launch_look(void *state)
{
    return ((world *)state)->look;
}

static pk_err dialect_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    (void)loop, (void)endpoint, (void)err;
    *channel = user;
    return PK_OK;
}

static pk_err dialect_start(void *channel, pk_attempt *a, pk_error *err)
{
    world *w = channel;
    (void)err;
    w->questions += pk_str_is(a->path, "/healthz");
    if (w->is_mute) {
        a->sent = PK_SENT_MAYBE;
        w->held = a;
        return PK_OK;
    }
    pk_attempt_head(a, 200, NULL, 0);
    pk_attempt_end(a, NULL);
    return PK_OK;
}

static void dialect_cancel(void *channel, pk_attempt *a)
{
    (void)a;
    ((world *)channel)->held = NULL;
}

static void dialect_interrupt(void *channel)
{
    world *w = channel;
    pk_error why;
    pk_attempt *a = w->held;
    w->held = NULL;
    if (a) {
        (void)pk_error_set(&why, PK_ERR_PLUGIN_CONNECTION, "interrupted");
        pk_attempt_end(a, &why);
    }
}

static void dialect_close(void *channel)
{
    (void)channel;
}

static void on_event(void *user, const pk_event *e)
{
    world *w = user;
    size_t have = strlen(w->events);
    snprintf(w->events + have, sizeof(w->events) - have, "%s ", strncmp(e->name, "plugin.", 7) ? e->name : e->name + 7);
    if (e->why) {
        snprintf(w->why, sizeof(w->why), "%s", e->why->msg);
    }
}

static void step(world *w)
{
    for (int i = 0; i < 6; i++) {
        (void)pk_loop_step(w->loop, 0, NULL);
    }
}

static void pass(world *w, int64_t ms)
{
    pk__clock_advance(ms * PK__MS);
    step(w);
}

static pk_err open_world(world *w, const char *capabilities)
{
    w->capabilities = capabilities;
    w->finder = (pk_finder){"made-up", find, NULL, w};
    w->launcher = (pk_launcher){.name = "made-up", .start = launch, .send = launch_send, .stop = launch_stop,
                                .look = launch_look, .user = w};
    w->dialect = (pk_dialect){.name = "go-framework", .flags = PK_DIALECT_HEALTH, .open = dialect_open,
                              .start = dialect_start, .cancel = dialect_cancel, .interrupt = dialect_interrupt,
                              .close = dialect_close, .user = w};
    w->finders[0] = &w->finder;
    w->launchers[0] = &w->launcher;
    w->dialects[0] = &w->dialect;
    w->desc.alloc = *test_alloc();
    w->desc.finders = w->finders;
    w->desc.launchers = w->launchers;
    w->desc.dialects = w->dialects;
    w->desc.finder_count = w->desc.launcher_count = w->desc.dialect_count = 1;
    w->desc.on_event = on_event;
    w->desc.user = w;
    w->desc.runtime_dir = ".";
    w->desc.eager = true;
    w->desc.deadline.stop_ms = 20;
    pk_err rc = pk_loop_create(&w->loop, test_alloc(), NULL);
    w->desc.loop = w->loop;
    rc = rc ? rc : pk_manager_create(&w->m, &w->desc, NULL);
    pk__clock_fake(1000 * PK__SECOND);
    rc = rc ? rc : pk_manager_start(w->m, NULL);
    if (!rc) {
        step(w);
    }
    return rc;
}

static void close_world(world *w)
{
    pk__clock_real();
    pk_manager_destroy(w->m);
    pk_loop_destroy(w->loop);
    CHECK(w->held == NULL);
}

static void on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    world *w = user;
    (void)call, (void)reply;
    w->outcomes++;
    w->good += !err;
}

static pk_call call(world *w, uint32_t timeout_ms)
{
    pk_call c = {0};
    pk_call_desc d = {.plugin = "p", .http = "POST /go", .ctx = {.timeout_ms = timeout_ms}, .on_reply = on_reply,
                      .user = w};
    REQUIRE_OK(pk_caller_start(pk_manager_caller(w->m), &d, &c, NULL));
    step(w);
    return c;
}

/* The plugin answers what it was asked last. */
static void answer(world *w, const char *rest)
{
    char line[200];
    REQUIRE(w->running != NULL);
    snprintf(line, sizeof(line), "{\"id\":%lu,%s}\n", w->id, rest);
    pk_launch_output(w->running, PK_STREAM_CONTROL, pk_str_from(line));
    step(w);
}

/* ---- whether the process stands still */

static const char *const kinds[] = {OF_LINES, OF_FRAMEWORK};

TEST(watchdog, a_stopped_process_is_noticed_though_nobody_asks_the_plugin)
{
    for (size_t i = 0; i < PK__COUNT(kinds); i++) {
        CASE("%s", kinds[i]) {
            world w = {0};
            REQUIRE_OK(open_world(&w, kinds[i]));
            int questions = w.questions; // of the start
            pass(&w, 10 * INTERVAL);
            w.look = PK_LOOK_STOPPED;
            pass(&w, INTERVAL);
            pass(&w, INTERVAL);
            CHECK_INT(w.kills, ==, 0);
            pass(&w, INTERVAL);
            CHECK_INT(w.kills, ==, 1);
            CHECK_STR(w.why, "plugin 'p' is not healthy: its process is stopped");
            CHECK_INT(w.questions, ==, questions);
            w.look = PK_LOOK_RUNS;
            pass(&w, 200);
            CHECK_INT(w.starts, ==, 2);
            CHECK_CONTAINS(w.events, "ready backoff starting ready ");
            close_world(&w);
        }
    }
}

TEST(watchdog, one_that_goes_on_is_forgiven)
{
    world w = {0};
    REQUIRE_OK(open_world(&w, OF_LINES));
    for (int i = 0; i < 5; i++) {
        w.look = PK_LOOK_STOPPED;
        pass(&w, INTERVAL);
        pass(&w, INTERVAL);
        w.look = PK_LOOK_RUNS;
        pass(&w, INTERVAL);
    }
    CHECK_INT(w.kills, ==, 0);
    close_world(&w);
}

TEST(watchdog, nothing_counts_while_a_call_is_inside_its_deadline)
{
    world w = {0};
    REQUIRE_OK(open_world(&w, OF_LINES));
    (void)call(&w, 20 * INTERVAL);
    w.look = PK_LOOK_STOPPED;
    for (int i = 0; i < 19; i++) {
        pass(&w, INTERVAL);
    }
    CHECK_INT(w.kills, ==, 0);
    pass(&w, INTERVAL); // it had its time
    CHECK_INT(w.outcomes, ==, 1);
    (void)call(&w, 20 * INTERVAL); // and who goes on calling does not keep it
    for (int i = 0; i < 3; i++) {
        pass(&w, INTERVAL);
    }
    CHECK_INT(w.kills, ==, 1);
    close_world(&w);
    CHECK_INT(w.good, ==, 0);
    CHECK_INT(w.outcomes, ==, 2);
}

TEST(watchdog, nothing_counts_while_a_debugger_has_the_process)
{
    static const char *const all[] = {OF_LINES, OF_LINES_ASKED, OF_FRAMEWORK};
    for (size_t i = 0; i < PK__COUNT(all); i++) {
        CASE("%s", all[i]) {
            world w = {0};
            REQUIRE_OK(open_world(&w, all[i]));
            w.look = PK_LOOK_TRACED;
            w.is_mute = true;
            (void)call(&w, INTERVAL / 2); // has no answer
            for (int k = 0; k < 50; k++) {
                pass(&w, INTERVAL);
            }
            CHECK_INT(w.kills, ==, 0);
            w.look = PK_LOOK_RUNS; // and hangs without it
            for (int k = 0; k < 6; k++) {
                pass(&w, INTERVAL);
            }
            CHECK_INT(w.kills, ==, 1);
            w.is_mute = false;
            close_world(&w);
        }
    }
}

TEST(watchdog, may_be_off)
{
    for (size_t i = 0; i < PK__COUNT(kinds); i++) {
        world w = {.look = PK_LOOK_STOPPED};
        w.desc.health.off = true;
        REQUIRE_OK(open_world(&w, kinds[i]));
        for (int k = 0; k < 10; k++) {
            pass(&w, INTERVAL);
        }
        CHECK_INT(w.kills, ==, 0);
        close_world(&w);
    }
}

/* ---- whether it says anything */

TEST(watchdog, a_plugin_in_lines_mode_is_asked_if_it_says_so)
{
    world w = {0};
    REQUIRE_OK(open_world(&w, OF_LINES_ASKED));
    for (int i = 1; i <= 3; i++) {
        pass(&w, INTERVAL);
        CHECK_INT(w.questions, ==, i);
        CHECK_CONTAINS(w.asked, ",\"call\":\"GET /healthz\",");
        answer(&w, "\"status\":200");
    }
    pass(&w, INTERVAL);
    answer(&w, "\"status\":200,\"body\":{\"status\":\"degraded\",\"reason\":\"no database\"}");
    CHECK_STR(w.why, "plugin 'p' is degraded: no database");
    pass(&w, INTERVAL);
    answer(&w, "\"status\":200");
    CHECK_CONTAINS(w.events, "ready degraded recovered ");
    CHECK_INT(w.kills, ==, 0);
    close_world(&w);
}

TEST(watchdog, a_plugin_in_lines_mode_that_answers_no_question_is_started_anew)
{
    static const char *const bad[] = {NULL, "\"status\":503", "\"status\":404,\"error\":\"what?\"",
                                      "\"body\":{\"status\":\"unhealthy\",\"reason\":\"ill\"}"};
    for (size_t i = 0; i < PK__COUNT(bad); i++) {
        CASE("%s", bad[i] ? bad[i] : "nothing") {
            world w = {0};
            REQUIRE_OK(open_world(&w, OF_LINES_ASKED));
            for (int k = 0; k < 3; k++) {
                CHECK_INT(w.kills, ==, 0);
                pass(&w, INTERVAL);
                CHECK_INT(w.questions, ==, k + 1);
                if (bad[i]) {
                    answer(&w, bad[i]);
                } else {
                    pass(&w, INTERVAL / 2); // the question's own deadline
                }
            }
            CHECK_INT(w.kills, ==, 1);
            CHECK_CONTAINS(w.why, "plugin 'p' is not healthy: ");
            close_world(&w);
        }
    }
}

TEST(watchdog, a_question_waits_behind_a_call_in_lines_mode_and_is_not_sent_when_nobody_wants_it_any_more)
{
    world w = {0};
    REQUIRE_OK(open_world(&w, OF_LINES_ASKED));
    (void)call(&w, 20 * INTERVAL);
    for (int i = 0; i < 10; i++) {
        pass(&w, INTERVAL);
        pass(&w, INTERVAL / 2);
    }
    CHECK_INT(w.questions, ==, 0);
    CHECK_INT(w.kills, ==, 0);
    answer(&w, "\"status\":200");
    CHECK_INT(w.good, ==, 1);
    pass(&w, INTERVAL);
    CHECK_INT(w.questions, ==, 1);
    answer(&w, "\"status\":200");
    close_world(&w);
}

TEST(watchdog, one_that_does_not_come_to_the_question_because_it_answers_calls_is_well)
{
    world w = {0};
    REQUIRE_OK(open_world(&w, OF_LINES_ASKED));
    for (int i = 0; i < 20; i++) { // more is wanted than it can do: every other call waits too long
        (void)call(&w, 8000);
        (void)call(&w, 8000);
        pass(&w, 7000);
        answer(&w, "\"status\":200"); // to the first
        pass(&w, 1000);
        pass(&w, 1999);
        (void)call(&w, 1500);
        pass(&w, 1);
        pass(&w, 1499);
    }
    CHECK_INT(w.kills, ==, 0);
    CHECK_INT(w.good, ==, 20);
    close_world(&w);
}

TEST(watchdog, one_in_lines_mode_that_lets_a_call_wait_and_says_nothing_more_is_started_anew)
{
    world w = {0};
    REQUIRE_OK(open_world(&w, OF_LINES));
    (void)call(&w, 1000);
    pass(&w, 1000);
    CHECK_INT(w.outcomes, ==, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(w.kills, ==, 0);
        pass(&w, INTERVAL);
    }
    CHECK_INT(w.kills, ==, 1);
    CHECK_STR(w.why, "plugin 'p' is not healthy: a call had no answer in time, and it has said nothing since");
    close_world(&w);
}

TEST(watchdog, an_answer_that_comes_too_late_is_a_sign_of_life)
{
    world w = {0};
    REQUIRE_OK(open_world(&w, OF_LINES));
    for (int i = 0; i < 10; i++) {
        (void)call(&w, 1000);
        pass(&w, INTERVAL);
        pass(&w, INTERVAL);
        answer(&w, "\"status\":200");
    }
    CHECK_INT(w.outcomes, ==, 10);
    CHECK_INT(w.good, ==, 0);
    CHECK_INT(w.kills, ==, 0);
    (void)call(&w, 1000);
    for (int i = 0; i < 4; i++) { // but of no other life than until then
        pass(&w, INTERVAL);
    }
    CHECK_INT(w.kills, ==, 1);
    close_world(&w);
}

TEST(watchdog, one_of_the_go_framework_is_asked_only_after_a_call_without_an_answer)
{
    world w = {0};
    REQUIRE_OK(open_world(&w, OF_FRAMEWORK));
    int start = w.questions;
    pass(&w, 5 * INTERVAL);
    CHECK_INT(w.questions, ==, start);
    w.is_mute = true;
    (void)call(&w, 1000);
    pass(&w, 1000);
    CHECK_INT(w.outcomes, ==, 1);
    w.is_mute = false;
    pass(&w, INTERVAL);
    CHECK_INT(w.questions, ==, start + 1);
    pass(&w, INTERVAL); // it has answered: it may end for idleness again
    pass(&w, INTERVAL);
    CHECK_INT(w.questions, ==, start + 1);
    w.is_mute = true;
    (void)call(&w, 1000);
    pass(&w, 1000);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(w.kills, ==, 0);
        pass(&w, INTERVAL);
        pass(&w, INTERVAL / 2);
    }
    CHECK_INT(w.kills, ==, 1);
    w.is_mute = false;
    close_world(&w);
}

TEST_TORTURE(watchdog, whatever_fails_nothing_is_left)
{
    world w = {.capabilities = OF_LINES_ASKED};
    if (open_world(&w, OF_LINES_ASKED) == PK_OK) {
        pass(&w, INTERVAL);
        w.look = PK_LOOK_STOPPED;
        pass(&w, INTERVAL);
        pass(&w, INTERVAL);
    }
    close_world(&w);
}
