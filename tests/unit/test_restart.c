/* test_restart.c - when crashed plugins come back, to the millisecond: under a clock that only the test moves.
 *
 * Plugins here are made up: the launcher reports them ready at once, and they crash when the test says so. */
#include "unit.h"

#define CAPS "{\"types\":{\"c\":[{\"type\":\"x\"}]},\"protocols\":[\"plugkit/1\"]}"
#define DAY ((int64_t)86400 * 1000)

enum { PLUGINS = 2 };

typedef struct made_up { // one plugin
    const char *id;
    pk_launch *running; // NULL = none
    int starts;
    bool is_broken; // exits before it is ready
    bool is_stuck;  // starts, and is never ready
} made_up;

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
    made_up plugins[PLUGINS];
    char events[4096]; // of plugin 0, without "found probing stopped starting ready"
    int events_of_other;
} world;

static pk_err find(void *user, pk_sink *sink, pk_error *err)
{
    world *w = user;
    for (int i = 0; i < PLUGINS; i++) {
        pk_found found = {.id = w->plugins[i].id, .path = "/made/up"};
        found.manifest = i == 0 ? PK_STR(CAPS) : PK_STR("{\"types\":{},\"protocols\":[\"plugkit/1\"]}");
        REQUIRE_OK(pk_sink_found(sink, &found, err));
    }
    pk_sink_done(sink);
    return PK_OK;
}

static pk_err launch(void *user, pk_launch *l, const pk_launch_info *info, void **state, pk_error *err)
{
    world *w = user;
    made_up *p = strcmp(info->id, w->plugins[0].id) == 0 ? &w->plugins[0] : &w->plugins[1];
    (void)err;
    *state = p;
    p->starts++;
    p->running = l;
    if (p->is_broken) {
        p->running = NULL;
        pk_launch_exited(l, 11, NULL);
    } else if (!p->is_stuck) {
        pk_endpoint endpoint = {.address = "made-up://here", .dialect = "made-up"};
        pk_launch_listening(l, &endpoint);
    }
    return PK_OK;
}

static void end(made_up *p, int status)
{
    pk_launch *l = p->running;
    p->running = NULL;
    if (l) {
        pk_launch_exited(l, status, NULL);
    }
}

static void launch_stop(void *state, int how)
{
    end(state, how == 2 ? 9 : 15);
}

static pk_err dialect_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    (void)loop, (void)endpoint, (void)err;
    *channel = user;
    return PK_OK;
}

static pk_err dialect_start(void *channel, pk_attempt *a, pk_error *err)
{
    (void)channel, (void)err;
    pk_attempt_head(a, 200, NULL, 0);
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
}

static void on_event(void *user, const pk_event *e)
{
    world *w = user;
    size_t have = strlen(w->events);
    if (e->plugin.id && strcmp(e->id, w->plugins[0].id) != 0) {
        w->events_of_other++;
    } else if (strcmp(e->name, "plugin.backoff") == 0 || strcmp(e->name, "plugin.failed") == 0) {
        snprintf(w->events + have, sizeof(w->events) - have, "%s ", e->name + 7);
    }
}

static void step(world *w)
{
    for (int i = 0; i < 4; i++) {
        REQUIRE_OK(pk_loop_step(w->loop, 0, NULL));
    }
}

/* ---- jitter: what the system gives as random */

static enum { JITTER_LEAST, JITTER_MOST } jitter;

static ssize_t made_up_random(void *out, size_t len)
{
    uint64_t value = 0;
    if (jitter == JITTER_MOST && len == sizeof(value)) {
        /* 2 * spread of every delay whose tenth is a whole number n: for all those here, value % (2n + 1) == 2n. The
         * moduli are 21, 41, 81, 161 ...: minus one fits to all of them. */
        value = UINT64_C(2) * 21 * 41 * 27 * 161 * 107 * 641 * 1281 - 1;
    }
    memset(out, 0, len);
    memcpy(out, &value, len < sizeof(value) ? len : sizeof(value));
    return (ssize_t)len;
}

static void open_world(world *w)
{
    w->plugins[0].id = "p";
    w->plugins[1].id = "q";
    w->finder = (pk_finder){"made-up", find, NULL, w};
    w->launcher = (pk_launcher){.name = "made-up", .start = launch, .stop = launch_stop, .user = w};
    w->dialect = (pk_dialect){.name = "made-up", .open = dialect_open, .start = dialect_start,
                              .cancel = dialect_cancel, .close = dialect_close, .user = w};
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
    REQUIRE_OK(pk_loop_create(&w->loop, test_alloc(), NULL));
    w->desc.loop = w->loop;
    REQUIRE_OK(pk_manager_create(&w->m, &w->desc, NULL)); // with a token of real bytes
    pk__sys.getrandom = made_up_random;
    pk__clock_fake(1000 * PK__SECOND);
    REQUIRE_OK(pk_manager_start(w->m, NULL));
    step(w);
    CHECK_INT(w->plugins[0].starts, ==, 1);
    CHECK_INT(w->plugins[1].starts, ==, 1);
    w->events_of_other = 0;
}

static void close_world(world *w)
{
    pk__clock_real();
    pk_manager_destroy(w->m);
    pk_loop_destroy(w->loop);
}

static void pass(world *w, int64_t ms)
{
    pk__clock_advance(ms * PK__MS);
    step(w);
}

static void crash(world *w)
{
    REQUIRE(w->plugins[0].running != NULL);
    end(&w->plugins[0], 11);
    step(w);
}

/* It crashes now, and comes back after exactly so many milliseconds. */
#define CHECK_BACK_AFTER(w, ms)                              \
    do {                                                     \
        int before = (w)->plugins[0].starts;                 \
        crash(w);                                            \
        pass(w, (ms) - 1);                                   \
        CHECK_INT((w)->plugins[0].starts, ==, before);       \
        pass(w, 1);                                          \
        CHECK_INT((w)->plugins[0].starts, ==, before + 1);   \
    } while (0)

static const char *status_of(world *w, const char *id)
{
    static char text[64];
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info info;
    REQUIRE_OK(pk_plugin_get(w->m, pk_manager_find(w->m, id), &mem, &info, NULL));
    snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(info.status));
    pk_mem_free(&mem);
    return text;
}

static pk_err call(world *w)
{
    pk_call_desc d = {.plugin = "p", .http = "GET /x"};
    return pk_caller_call(pk_manager_caller(w->m), &d, NULL, NULL);
}

/* ---- the sequence */

TEST(restart, delays_double_and_the_fifth_crash_in_ten_seconds_is_the_last)
{
    world w = {0};
    jitter = JITTER_LEAST;
    open_world(&w);
    CHECK_BACK_AFTER(&w, 90); // 100 ms less a tenth
    CHECK_BACK_AFTER(&w, 180);
    CHECK_BACK_AFTER(&w, 360);
    CHECK_BACK_AFTER(&w, 720);
    crash(&w);
    CHECK_STR(status_of(&w, "p"), "failed");
    pass(&w, DAY);
    CHECK_INT(w.plugins[0].starts, ==, 5);
    CHECK_ERR(call(&w), PK_ERR_PLUGIN_DISABLED);
    CHECK_STR(w.events, "backoff backoff backoff backoff failed ");
    close_world(&w);
}

TEST(restart, without_a_delay_it_is_back_at_once_and_crashes_count_all_the_same)
{
    world w = {.desc = {.restart = {.no_delay = true}}};
    open_world(&w);
    for (int i = 1; i < 5; i++) {
        CHECK_INT(w.plugins[0].starts, ==, i);
        crash(&w); // the clock stands still
    }
    CHECK_INT(w.plugins[0].starts, ==, 5);
    CHECK_STR(status_of(&w, "p"), "ready");
    crash(&w);
    CHECK_STR(status_of(&w, "p"), "failed");
    CHECK_STR(w.events, "backoff backoff backoff backoff failed ");
    close_world(&w);
}

TEST(restart, jitter_is_a_tenth_either_way)
{
    world w = {0};
    jitter = JITTER_MOST;
    open_world(&w);
    CHECK_BACK_AFTER(&w, 110);
    CHECK_BACK_AFTER(&w, 220);
    CHECK_BACK_AFTER(&w, 440);
    CHECK_BACK_AFTER(&w, 880);
    close_world(&w);
}

TEST(restart, failed_has_a_way_back_by_hand_and_the_count_begins_anew)
{
    world w = {0};
    jitter = JITTER_LEAST;
    w.desc.restart.max = 2;
    open_world(&w);
    for (int round = 0; round < 3; round++) {
        CHECK_BACK_AFTER(&w, 90);
        crash(&w);
        CHECK_STR(status_of(&w, "p"), "failed");
        CHECK_OK(pk_plugin_start(w.m, pk_manager_find(w.m, "p"), NULL));
        CHECK_OK(call(&w));
    }
    CHECK_STR(w.events, "backoff failed backoff failed backoff failed ");
    close_world(&w);
}

TEST(restart, one_crash_may_be_enough)
{
    world w = {0};
    w.desc.restart.max = 1;
    open_world(&w);
    crash(&w);
    CHECK_STR(status_of(&w, "p"), "failed");
    close_world(&w);
}

TEST(restart, any_number_of_crashes_is_counted)
{
    static const uint32_t most[] = {16, 17, 18, 100};
    for (size_t i = 0; i < PK__COUNT(most); i++) CASE("%u", most[i]) {
        world w = {0};
        jitter = JITTER_LEAST;
        w.desc.restart.max = most[i];
        w.desc.restart.delay_ms = w.desc.restart.delay_max_ms = 10;
        open_world(&w);
        for (uint32_t n = 1; n < most[i]; n++) {
            CHECK_BACK_AFTER(&w, 9);
        }
        crash(&w);
        CHECK_STR(status_of(&w, "p"), "failed");
        close_world(&w);
    }
}

TEST(restart, crashes_that_lie_a_window_apart_are_not_counted_together)
{
    world w = {0};
    jitter = JITTER_LEAST;
    w.desc.restart.max = 2;
    w.desc.restart.window_ms = 5000;
    open_world(&w);
    CHECK_BACK_AFTER(&w, 90);
    pass(&w, 5000 - 90); // the first crash was exactly a window ago
    CHECK_BACK_AFTER(&w, 180);
    pass(&w, 5000 - 180 - 1); // and now one millisecond less
    crash(&w);
    CHECK_STR(status_of(&w, "p"), "failed");
    close_world(&w);
}

TEST(restart, the_delay_begins_anew_only_after_it_ran_well_for_a_window)
{
    world w = {0};
    jitter = JITTER_LEAST;
    open_world(&w);
    CHECK_BACK_AFTER(&w, 90);
    CHECK_BACK_AFTER(&w, 180);
    pass(&w, 9999);
    CHECK_BACK_AFTER(&w, 360);
    pass(&w, 10000);
    CHECK_BACK_AFTER(&w, 90);
    close_world(&w);
}

/* Three seconds of work between two crashes are not enough to fail, and time spent in a delay is no time of work. */
TEST(restart, one_that_never_runs_well_is_started_less_and_less_often)
{
    static const int64_t delays[] = {90, 180, 360, 720, 1440, 2880, 5760, 11520, 23040, 27000, 27000, 27000};
    world w = {0};
    jitter = JITTER_LEAST;
    open_world(&w);
    for (size_t i = 0; i < PK__COUNT(delays); i++) CASE("crash %d", (int)i + 1) {
        CHECK_BACK_AFTER(&w, delays[i]);
        pass(&w, 3000);
    }
    CHECK_STR(status_of(&w, "p"), "ready");
    close_world(&w);
}

TEST(restart, one_that_fails_on_its_way_up_after_a_crash_goes_on_in_the_same_count)
{
    world w = {0};
    jitter = JITTER_LEAST;
    open_world(&w);
    crash(&w);
    w.plugins[0].is_broken = true;
    pass(&w, 90);
    CHECK_STR(status_of(&w, "p"), "backoff");
    pass(&w, 180);
    pass(&w, 360);
    CHECK_INT(w.plugins[0].starts, ==, 4);
    CHECK_STR(status_of(&w, "p"), "backoff");
    pass(&w, 720);
    CHECK_INT(w.plugins[0].starts, ==, 5);
    CHECK_STR(status_of(&w, "p"), "failed");
    close_world(&w);
}

TEST(restart, one_that_is_never_ready_again_is_ended_at_its_deadline_and_that_counts)
{
    world w = {0};
    jitter = JITTER_LEAST;
    w.desc.deadline.start_ms = 1000;
    w.desc.restart.max = 2;
    open_world(&w);
    crash(&w);
    w.plugins[0].is_stuck = true;
    pass(&w, 90);
    pass(&w, 999);
    CHECK_STR(status_of(&w, "p"), "starting");
    pass(&w, 1);
    CHECK_STR(status_of(&w, "p"), "failed");
    close_world(&w);
}

TEST(restart, nobody_else_is_affected)
{
    world w = {0};
    open_world(&w);
    for (int i = 0; i < 5; i++) {
        crash(&w);
        pass(&w, 1000);
    }
    CHECK_STR(status_of(&w, "p"), "failed");
    CHECK_STR(status_of(&w, "q"), "ready");
    CHECK_INT(w.events_of_other, ==, 0);
    CHECK_INT(w.plugins[1].starts, ==, 1);
    close_world(&w);
}

TEST(restart, stopping_in_the_middle_of_a_delay_ends_it)
{
    world w = {0};
    open_world(&w);
    crash(&w);
    CHECK_STR(status_of(&w, "p"), "backoff");
    CHECK_OK(pk_plugin_stop(w.m, pk_manager_find(w.m, "p"), NULL));
    pass(&w, DAY);
    CHECK_INT(w.plugins[0].starts, ==, 1);
    CHECK_OK(call(&w)); // and the next call starts it
    CHECK_INT(w.plugins[0].starts, ==, 2);
    close_world(&w);
}

TEST(restart, starting_by_hand_does_not_wait_for_the_delay_and_does_not_start_twice)
{
    world w = {0};
    open_world(&w);
    crash(&w);
    CHECK_OK(pk_plugin_start(w.m, pk_manager_find(w.m, "p"), NULL));
    CHECK_INT(w.plugins[0].starts, ==, 2);
    pass(&w, DAY);
    CHECK_INT(w.plugins[0].starts, ==, 2);
    close_world(&w);
}

/* ---- clocks that jump. The monotonic one should not; a suspended machine, or a broken one, may think otherwise. */

TEST(restart, a_clock_that_jumps_ahead_ends_the_delay_once)
{
    world w = {0};
    jitter = JITTER_LEAST;
    open_world(&w);
    crash(&w);
    pass(&w, 30 * DAY);
    CHECK_INT(w.plugins[0].starts, ==, 2);
    CHECK_STR(status_of(&w, "p"), "ready");
    pass(&w, 30 * DAY);
    CHECK_BACK_AFTER(&w, 90);
    close_world(&w);
}

TEST(restart, a_clock_that_jumps_back_neither_fails_a_plugin_nor_loses_it)
{
    world w = {0};
    jitter = JITTER_LEAST;
    open_world(&w);
    CHECK_BACK_AFTER(&w, 90);
    CHECK_BACK_AFTER(&w, 180);
    CHECK_BACK_AFTER(&w, 360);
    CHECK_BACK_AFTER(&w, 720);
    pass(&w, -500 * 1000); // all four crashes lie in the future now
    CHECK_BACK_AFTER(&w, 1440);
    crash(&w);
    CHECK_STR(status_of(&w, "p"), "backoff");
    pass(&w, -400 * 1000); // in a delay: it has to wait until then, or until somebody wants it
    CHECK_STR(status_of(&w, "p"), "backoff");
    CHECK_OK(pk_plugin_start(w.m, pk_manager_find(w.m, "p"), NULL));
    CHECK_OK(call(&w));
    close_world(&w);
}
