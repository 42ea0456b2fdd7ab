/* test_life.c - plugins' lives under a manager, with a made-up finder, launcher and dialect: no process, no socket. */
#include "unit.h"

#define LIFE_WORD(F, T) F(T, REQ, pk_str, text, "text")
#define CAPS "{\"types\":{\"c\":[{\"type\":\"x\"}]},\"configTypes\":[\"t\"],\"protocols\":[\"plugkit/1\"]}"

typedef struct world {
    pk_loop *loop;
    pk_manager *m;
    pk_finder finder;
    pk_launcher launcher;
    pk_dialect dialect;
    const pk_finder *finders[1];
    const pk_launcher *launchers[1];
    const pk_dialect *dialects[1];
    pk_manager_desc desc;
    /* what the launcher does */
    const char *caps;
    int probe_status, start_status; // wait statuses; start_status >= 0: it exits at once
    bool never_ready, deaf;         // deaf: ignores everything but being killed
    const char *last_words;
    pk_launch *running;
    int probes, starts, stops[3], frees;
    bool over; // the running one has exited
    /* what the dialect does */
    pk_err fail;
    int calls, interrupts, opens, closes;
    bool hold;
    pk_attempt *held;
    char events[2048];
    char why[256];
} world;

static pk_err find_one(void *user, pk_sink *sink, pk_error *err)
{
    pk_found found = {.id = "p", .path = "/made/up/p"};
    (void)user;
    pk_err rc = pk_sink_found(sink, &found, err);
    if (!rc) {
        pk_sink_done(sink);
    }
    return rc;
}

static void end(world *w, int status)
{
    if (!w->over) {
        w->over = true;
        pk_launch_exited(w->running, status, NULL);
    }
}

static pk_err launch(void *user, pk_launch *l, const pk_launch_info *info, void **state, pk_error *err)
{
    world *w = user;
    (void)err;
    *state = w;
    w->running = l;
    w->over = false;
    if (info->probe) {
        w->probes++;
        CHECK_STR(info->argv[1], "capabilities");
        pk_launch_output(l, PK_STREAM_OUT, pk_str_from(w->caps));
        end(w, w->probe_status);
        return PK_OK;
    }
    w->starts++;
    if (w->last_words) {
        pk_launch_output(l, PK_STREAM_ERR, pk_str_from(w->last_words));
    }
    if (w->start_status >= 0) {
        w->over = true;
        pk_launch_exited(l, w->start_status, NULL);
    } else if (!w->never_ready) {
        pk_launch_pid(l, 4711);
        pk_endpoint endpoint = {.address = "made-up://here", .dialect = "made-up"};
        pk_launch_listening(l, &endpoint);
    }
    return PK_OK;
}

static pk_err launch_send(void *state, pk_str bytes, pk_error *err)
{
    (void)state;
    (void)bytes;
    (void)err;
    return PK_OK;
}

static void launch_stop(void *state, int how)
{
    world *w = state;
    w->stops[how]++;
    if (how == 2 || !w->deaf) {
        end(w, how == 2 ? 9 : 15);
    }
}

static void launch_free(void *state)
{
    ((world *)state)->frees++;
}

static pk_err dialect_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    world *w = user;
    (void)loop;
    (void)err;
    CHECK_STR(endpoint->address, "made-up://here");
    w->opens++;
    *channel = w;
    return PK_OK;
}

static void answer(world *w, pk_attempt *a)
{
    pk_error why;
    if (w->fail) {
        pk_error_set(&why, w->fail, "made-up failure");
        pk_attempt_end(a, &why);
        return;
    }
    pk_attempt_head(a, 200, NULL, 0);
    pk_attempt_chunk(a, PK_STR("\"fine\""), NULL);
    pk_attempt_end(a, NULL);
}

static pk_err dialect_start(void *channel, pk_attempt *a, pk_error *err)
{
    world *w = channel;
    (void)err;
    w->calls++;
    if (w->hold) {
        w->held = a;
    } else {
        answer(w, a);
    }
    return PK_OK;
}

static void dialect_cancel(void *channel, pk_attempt *a)
{
    world *w = channel;
    CHECK(w->held == a);
    w->held = NULL;
}

static void dialect_interrupt(void *channel)
{
    world *w = channel;
    w->interrupts++;
    if (w->held) {
        pk_error why;
        pk_attempt *a = w->held;
        w->held = NULL;
        pk_error_set(&why, PK_ERR_PLUGIN_CONNECTION, "interrupted");
        a->sent = PK_SENT_MAYBE;
        pk_attempt_end(a, &why);
    }
}

static void dialect_close(void *channel)
{
    ((world *)channel)->closes++;
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

static void prepare(world *w)
{
    memset(w, 0, sizeof(*w));
    w->caps = CAPS;
    w->start_status = -1;
    w->finder = (pk_finder){"made-up", find_one, NULL, NULL};
    w->launcher = (pk_launcher){"made-up", NULL, launch, launch_send, launch_stop, launch_free, NULL, w};
    w->dialect = (pk_dialect){.name = "made-up", .open = dialect_open, .start = dialect_start, .cancel = dialect_cancel,
                              .interrupt = dialect_interrupt, .close = dialect_close, .user = w};
    w->finders[0] = &w->finder;
    w->launchers[0] = &w->launcher;
    w->dialects[0] = &w->dialect;
    w->desc.alloc = *test_alloc();
    w->desc.finders = w->finders;
    w->desc.finder_count = 1;
    w->desc.launchers = w->launchers;
    w->desc.launcher_count = 1;
    w->desc.dialects = w->dialects;
    w->desc.dialect_count = 1;
    w->desc.on_event = on_event;
    w->desc.user = w;
    w->desc.runtime_dir = ".";
    w->desc.deadline.stop_ms = 100; // it does not heed control lines: half of that passes at each stop
}

static pk_err open_world(world *w)
{
    pk_err rc = pk_loop_create(&w->loop, test_alloc(), NULL);
    w->desc.loop = w->loop;
    rc = rc ? rc : pk_manager_create(&w->m, &w->desc, NULL);
    return rc ? rc : pk_manager_start(w->m, NULL);
}

static void close_world(world *w)
{
    pk_manager_destroy(w->m);
    pk_loop_destroy(w->loop);
    CHECK_INT(w->opens, ==, w->closes);
    CHECK(!w->held);
}

static pk_err call(world *w, pk_error *err)
{
    pk_call_desc d = {.contract = "c", .type = "x", .method = "go", .ctx = {.timeout_ms = 3000}};
    return pk_caller_call(pk_manager_caller(w->m), &d, NULL, err);
}

static const char *status_of(world *w)
{
    static char text[64];
    pk_mem mem = {.alloc = test_alloc()};
    pk_plugin_info info;
    text[0] = '\0';
    if (pk_plugin_get(w->m, pk_manager_find(w->m, "p"), &mem, &info, NULL) == PK_OK) {
        snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(info.status));
    }
    pk_mem_free(&mem);
    return text;
}

static void step(world *w, int times)
{
    for (int i = 0; i < times; i++) {
        pk_loop_step(w->loop, 0, NULL);
    }
}

TEST(life, a_plugin_is_found_probed_started_by_its_first_call_and_stopped)
{
    world w;
    prepare(&w);
    REQUIRE_OK(open_world(&w));
    CHECK_INT(w.probes, ==, 1);
    CHECK_INT(w.starts, ==, 0);
    CHECK_STR(status_of(&w), "stopped");
    CHECK_OK(call(&w, NULL));
    CHECK_OK(call(&w, NULL));
    CHECK_INT(w.starts, ==, 1);
    CHECK_INT(w.calls, ==, 2);
    CHECK_STR(status_of(&w), "ready");
    CHECK_OK(pk_manager_stop(w.m, NULL));
    CHECK_STR(w.events,
              "found probing stopped starting ready manager.stopping stopping stopped unloaded manager.stopped ");
    CHECK_INT(w.stops[0], ==, 1); // it does not listen to control lines, so it was told by a signal
    CHECK_INT(w.stops[2], ==, 0);
    close_world(&w);
}

TEST(life, eager_plugins_run_when_start_returns)
{
    world w;
    prepare(&w);
    w.desc.eager = true;
    REQUIRE_OK(open_world(&w));
    CHECK_STR(status_of(&w), "ready");
    w.desc.deadline.stop_ms = 20;
    close_world(&w);
}

TEST(life, a_bad_probe_rejects_the_plugin_and_says_why)
{
    static const struct {
        const char *caps;
        int status;
        const char *says;
    } rows[] = {
        {"garbage", 0, "cannot use the capabilities of 'p'"},
        {"", 0, "it printed nothing"},
        {CAPS, 3 << 8, "cannot probe 'p': exit status 3"},
        {CAPS, 11, "signal 11"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("row %d", (int)i)
        {
            world w;
            pk_error err;
            prepare(&w);
            w.caps = rows[i].caps;
            w.probe_status = rows[i].status;
            REQUIRE_OK(open_world(&w));
            CHECK_STR(status_of(&w), "rejected");
            CHECK_CONTAINS(w.why, rows[i].says);
            CHECK_ERR(call(&w, &err), PK_ERR_PLUGIN_NOT_FOUND);
            close_world(&w);
        }
    }
}

TEST(life, a_start_that_fails_is_told_to_the_caller_with_the_last_words)
{
    world w;
    pk_error err;
    prepare(&w);
    w.start_status = 3 << 8;
    w.last_words = "cannot open the database\n";
    REQUIRE_OK(open_world(&w));
    CHECK_ERR(call(&w, &err), PK_ERR_START);
    CHECK_CONTAINS(err.msg, "cannot start 'p': exit status 3: cannot open the database");
    CHECK_STR(status_of(&w), "stopped");
    w.start_status = -1;
    CHECK_OK(call(&w, &err)); // mended: the next call starts it
    w.desc.deadline.stop_ms = 20;
    close_world(&w);
}

TEST(life, one_that_is_never_ready_is_killed_at_the_deadline)
{
    world w;
    pk_error err;
    prepare(&w);
    w.never_ready = true;
    w.desc.deadline.start_ms = 400; // for the probe, too
    REQUIRE_OK(open_world(&w));
    CHECK_ERR(call(&w, &err), PK_ERR_PLUGIN_TIMEOUT);
    CHECK_CONTAINS(err.msg, "'p': it was not ready within 400 ms: it did not say where it listens");
    CHECK_INT(w.stops[2], >=, 1);
    close_world(&w);
}

TEST(life, a_crashed_plugin_comes_back_and_calls_wait_for_it)
{
    world w;
    prepare(&w);
    w.desc.restart.delay_ms = 1;
    REQUIRE_OK(open_world(&w));
    CHECK_OK(call(&w, NULL));
    end(&w, 11);
    step(&w, 3);
    CHECK_CONTAINS(w.events, "backoff");
    CHECK_CONTAINS(w.why, "the plugin 'p' crashed: signal 11");
    CHECK_OK(call(&w, NULL));
    CHECK_INT(w.starts, ==, 2);
    close_world(&w);
}

TEST(life, too_many_crashes_give_up_and_start_is_the_way_back)
{
    world w;
    pk_error err;
    prepare(&w);
    w.desc.restart.delay_ms = 1;
    w.desc.restart.max = 3;
    REQUIRE_OK(open_world(&w));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(call(&w, NULL));
        end(&w, 6);
        step(&w, 3);
    }
    CHECK_STR(status_of(&w), "failed");
    CHECK_ERR(call(&w, &err), PK_ERR_PLUGIN_DISABLED);
    CHECK_CONTAINS(err.msg, "it failed too often");
    CHECK_OK(pk_plugin_start(w.m, pk_manager_find(w.m, "p"), NULL));
    CHECK_OK(call(&w, NULL));
    close_world(&w);
}

TEST(life, an_idle_exit_is_no_crash)
{
    world w;
    prepare(&w);
    REQUIRE_OK(open_world(&w));
    CHECK_OK(call(&w, NULL));
    end(&w, 0);
    step(&w, 3);
    CHECK_STR(status_of(&w), "stopped");
    CHECK(!strstr(w.events, "backoff"));
    CHECK_OK(call(&w, NULL));
    CHECK_INT(w.starts, ==, 2);
    close_world(&w);
}

typedef struct outcome {
    int count;
    pk_err code;
} outcome;

static void on_reply(void *user, pk_call id, pk_reply *reply, const pk_error *err)
{
    outcome *o = user;
    (void)id;
    (void)reply;
    o->count++;
    o->code = err ? err->code : PK_OK;
}

/* A host that ignores SIGCHLD, or waits for every child there is, takes the statuses away. */
TEST(life, without_statuses_plugins_are_probed_and_end_for_idleness_all_the_same)
{
    world w;
    prepare(&w);
    w.probe_status = PK__STATUS_UNKNOWN;
    REQUIRE_OK(open_world(&w));
    CHECK_OK(call(&w, NULL));
    end(&w, PK__STATUS_UNKNOWN);
    step(&w, 3);
    CHECK_STR(status_of(&w), "stopped");
    CHECK_OK(call(&w, NULL));
    CHECK_INT(w.starts, ==, 2);
    close_world(&w);
}

TEST(life, without_a_status_a_probe_that_printed_nothing_is_told_with_its_last_words)
{
    world w;
    prepare(&w);
    w.caps = "";
    w.probe_status = PK__STATUS_UNKNOWN;
    REQUIRE_OK(open_world(&w));
    CHECK_STR(status_of(&w), "rejected");
    CHECK_STR(w.why, "cannot probe 'p': exited, status unknown");
    close_world(&w);
}

TEST(life, without_a_status_an_end_in_the_middle_of_a_call_is_a_crash)
{
    world w;
    outcome o = {0, PK_OK};
    prepare(&w);
    REQUIRE_OK(open_world(&w));
    w.hold = true;
    pk_call_desc d = {.contract = "c", .type = "x", .method = "go", .on_reply = on_reply, .user = &o};
    REQUIRE_OK(pk_caller_start(pk_manager_caller(w.m), &d, NULL, NULL));
    for (int i = 0; i < 100 && !w.held; i++) {
        step(&w, 1);
    }
    REQUIRE(w.held);
    end(&w, PK__STATUS_UNKNOWN);
    step(&w, 5);
    CHECK_INT(o.count, ==, 1);
    CHECK_CONTAINS(w.events, "backoff");
    CHECK_CONTAINS(w.why, "the plugin 'p' crashed: exited, status unknown");
    close_world(&w);
}

TEST(life, stopping_drains_and_a_call_that_takes_too_long_is_interrupted)
{
    world w;
    outcome o = {0, PK_OK};
    prepare(&w);
    w.desc.deadline.stop_ms = 30;
    REQUIRE_OK(open_world(&w));
    w.hold = true;
    pk_call_desc d = {.contract = "c", .type = "x", .method = "go", .on_reply = on_reply, .user = &o};
    REQUIRE_OK(pk_caller_start(pk_manager_caller(w.m), &d, NULL, NULL));
    for (int i = 0; i < 100 && !w.held; i++) {
        step(&w, 1);
    }
    REQUIRE(w.held);
    CHECK_OK(pk_plugin_stop(w.m, pk_manager_find(w.m, "p"), NULL));
    CHECK_INT(o.count, ==, 1);
    CHECK_ERR(o.code, PK_ERR_PLUGIN_CONNECTION);
    CHECK_INT(w.interrupts, >=, 1);
    CHECK_STR(status_of(&w), "stopped");
    CHECK_CONTAINS(w.events, "ready stopping draining interrupted stopped ");
    CHECK_STR(w.why, "plugin 'p': 1 calls did not finish within 30 ms");
    close_world(&w);
}

TEST(life, a_deaf_plugin_is_killed_after_the_grace)
{
    world w;
    prepare(&w);
    w.deaf = true;
    w.desc.deadline.stop_ms = 30;
    REQUIRE_OK(open_world(&w));
    CHECK_OK(call(&w, NULL));
    CHECK_OK(pk_manager_stop(w.m, NULL));
    CHECK_INT(w.stops[0], ==, 1);
    CHECK_INT(w.stops[2], >=, 1);
    CHECK_CONTAINS(w.events, "manager.stopping stopping killed stopped ");
    CHECK_STR(w.why, "plugin 'p' did not end within 30 ms: it is killed");
    close_world(&w);
}

TEST(life, a_call_that_cannot_reach_its_plugin_ends_it_and_the_next_one_works)
{
    world w;
    prepare(&w);
    w.desc.restart.delay_ms = 1;
    REQUIRE_OK(open_world(&w));
    CHECK_OK(call(&w, NULL));
    w.fail = PK_ERR_PLUGIN_CONNECTION;
    pk_call_desc d = {.contract = "c", .type = "x", .method = "go", .ctx = {.timeout_ms = 50}};
    CHECK(pk_caller_call(pk_manager_caller(w.m), &d, NULL, NULL) != PK_OK);
    w.fail = PK_OK;
    CHECK_OK(call(&w, NULL));
    CHECK_INT(w.starts, >=, 2);
    close_world(&w);
}

TEST(life, stopping_what_is_stopped_is_done_at_once)
{
    world w;
    prepare(&w);
    REQUIRE_OK(pk_manager_create(&w.m, &w.desc, NULL)); // on a thread of its own, which nobody steps while we wait
    REQUIRE_OK(pk_manager_start(w.m, NULL));
    pk_plugin p = pk_manager_find(w.m, "p");
    CHECK_OK(pk_plugin_stop(w.m, p, NULL));
    CHECK_OK(call(&w, NULL));
    CHECK_OK(pk_plugin_stop(w.m, p, NULL));
    CHECK_OK(pk_plugin_stop(w.m, p, NULL));
    CHECK_OK(pk_manager_stop(w.m, NULL));
    CHECK_OK(pk_plugin_stop(w.m, p, NULL));
    close_world(&w);
}

/* What two threads have noted before the loop came to look. */
static void wish(world *w, bool start, bool stop)
{
    pk__registry *r = &w->m->registry;
    pk__registry_lock(r);
    pk__plugin *p = pk__registry_find(r, PK_STR("p"));
    p->is_unasked = stop;
    p->is_asked = start;
    pk_loop_post(w->loop, &r->work);
    pk__registry_unlock(r);
}

TEST(life, a_wish_to_stop_and_one_to_start_are_both_granted)
{
    world w;
    prepare(&w);
    w.desc.deadline.stop_ms = 30;
    REQUIRE_OK(open_world(&w));
    CHECK_OK(call(&w, NULL));
    wish(&w, true, true);
    for (int i = 0; i < 500 && w.starts < 2; i++) {
        pk_loop_step(w.loop, 10, NULL);
    }
    step(&w, 10);
    CHECK_INT(w.stops[0], ==, 1);
    CHECK_INT(w.starts, ==, 2);
    CHECK_STR(status_of(&w), "ready");
    close_world(&w);
}

static void stop_on_starting(void *user, const pk_event *e)
{
    world *w = user;
    on_event(user, e);
    if (strcmp(e->name, "plugin.starting") == 0 && w->starts == 0) {
        wish(w, false, true);
    }
}

TEST(life, a_start_that_is_stopped_on_its_way_goes_on_afterwards)
{
    world w;
    prepare(&w);
    w.desc.on_event = stop_on_starting;
    w.desc.deadline.stop_ms = 30;
    w.never_ready = true;
    REQUIRE_OK(open_world(&w));
    wish(&w, true, false);
    step(&w, 10);
    w.never_ready = false;
    CHECK_OK(pk_plugin_start(w.m, pk_manager_find(w.m, "p"), NULL));
    CHECK_STR(status_of(&w), "ready");
    close_world(&w);
}

TEST(life, events_tell_why_only_if_there_is_a_reason)
{
    world w;
    prepare(&w);
    w.start_status = 3 << 8;
    REQUIRE_OK(open_world(&w));
    CHECK_ERR(call(&w, NULL), PK_ERR_START);
    w.start_status = -1;
    w.why[0] = '\0';
    CHECK_OK(call(&w, NULL)); // "starting" has nothing to do with the failure before
    CHECK_STR(w.why, "");
    close_world(&w);
}

TEST(life, configuration_for_a_plugin_that_does_not_declare_the_type_is_refused_by_name)
{
    world w;
    pk_error err;
    prepare(&w);
    static const pk_plugin_config config[] = {{"p", "unknown", PK_STR_INIT("{}")}};
    w.desc.config = config;
    w.desc.config_count = 1;
    REQUIRE_OK(open_world(&w));
    CHECK_ERR(call(&w, &err), PK_ERR_CONFIG);
    CHECK_CONTAINS(err.msg, "cannot configure 'p': it declares no config type 'unknown'");
    close_world(&w);
}

TEST(life, after_stop_every_call_is_refused)
{
    world w;
    prepare(&w);
    REQUIRE_OK(open_world(&w));
    CHECK_OK(pk_manager_stop(w.m, NULL));
    CHECK_ERR(call(&w, NULL), PK_ERR_STOPPED);
    CHECK_OK(pk_manager_stop(w.m, NULL)); // once more is fine
    close_world(&w);
}

static pk_manager *to_destroy;
static void destroy_on_ready(void *user, const pk_event *e)
{
    on_event(user, e);
    if (strcmp(e->name, "plugin.ready") == 0) {
        pk_manager_destroy(to_destroy);
    }
}

TEST(life, destroying_from_inside_a_callback_is_put_off)
{
    world w;
    prepare(&w);
    w.desc.on_event = destroy_on_ready;
    w.desc.deadline.stop_ms = 30;
    REQUIRE_OK(open_world(&w));
    to_destroy = w.m;
    pk_call_desc d = {.contract = "c", .type = "x", .method = "go", .on_reply = on_reply, .user = &(outcome){0, PK_OK}};
    REQUIRE_OK(pk_caller_start(pk_manager_caller(w.m), &d, NULL, NULL));
    for (int i = 0; i < 200 && !strstr(w.events, "manager.stopped"); i++) {
        pk_loop_step(w.loop, 10, NULL);
    }
    step(&w, 3);
    CHECK_CONTAINS(w.events, "manager.stopped");
    pk_loop_destroy(w.loop);
}

TEST(life, destroying_from_inside_a_callback_waits_for_the_call_that_steps_the_loop)
{
    world w;
    pk_error err;
    prepare(&w);
    w.desc.on_event = destroy_on_ready;
    w.desc.deadline.stop_ms = 30;
    w.hold = true; // the answer does not come: the call is in flight when all is over
    REQUIRE_OK(open_world(&w));
    to_destroy = w.m;
    CHECK_ERR(call(&w, &err), PK_ERR_STOPPED);
    for (int i = 0; i < 200 && w.frees < 2; i++) {
        pk_loop_step(w.loop, 10, NULL);
    }
    for (int i = 0; i < 5; i++) {
        pk_loop_step(w.loop, 10, NULL);
    }
    CHECK_CONTAINS(w.events, "manager.stopped");
    pk_loop_destroy(w.loop);
}

PK_MESSAGE(life_word, LIFE_WORD)
#define LIFE_ECHO(M, C) M(C, say, "POST /say", life_word, life_word, 0)
PK_CONTRACT(life_echo, "echo", "1.2.0", LIFE_ECHO)

static pk_err say(const life_echo *self, pk_ctx *ctx, const life_word *req, life_word *resp, pk_error *err)
{
    (void)ctx;
    ++*(int *)self->stub.user;
    resp->text = pk_mem_printf(&resp->mem, "%" PK_FMT "!", PK_ARG(req->text));
    return resp->text.ptr ? PK_OK : pk_error_set(err, PK_ERR_NO_MEMORY, "cannot say it");
}

TEST(life, an_internal_plugin_is_called_directly_and_through_the_pipeline_and_the_manager_stops)
{
    world w;
    int said = 0;
    life_echo impl = {.stub = {.user = &said}, .say = say}, echo;
    const pk_service service = {&life_echo_contract, "built-in", &impl, {NULL, 0}};
    prepare(&w);
    REQUIRE_OK(open_world(&w));
    REQUIRE_OK(pk_manager_add(w.m, "inside", &service, 1, NULL, NULL));
    CHECK_ERR(pk_manager_add(w.m, "inside", &service, 1, NULL, NULL), PK_ERR_DUPLICATE);
    CHECK_ERR(pk_manager_add(w.m, "other", &service, 1, NULL, NULL), PK_ERR_DUPLICATE); // of the type
    REQUIRE_OK(life_echo_bind(&echo, pk_manager_caller(w.m), PK_STR("built-in"), NULL));
    CHECK(echo.stub.direct == &impl);
    life_word req = {.text = PK_STR("hi")}, resp = {.mem = {.alloc = test_alloc()}};
    CHECK_OK(echo.say(&echo, NULL, &req, &resp, NULL));
    CHECK_PK_STR(resp.text, "hi!");
    pk_mem_free(&resp.mem);
    pk_call_desc d = {.contract = "echo", .method = "say", .body = {.bytes = PK_STR("{\"text\":\"you\"}")}};
    pk_reply reply = {.mem = {.alloc = test_alloc()}};
    CHECK_OK(pk_caller_call(pk_manager_caller(w.m), &d, &reply, NULL));
    CHECK_PK_STR(reply.body.bytes, "{\"text\":\"you!\"}");
    d.body.bytes = PK_STR("{}");
    CHECK(pk_caller_call(pk_manager_caller(w.m), &d, &reply, NULL) != PK_OK);
    pk_mem_free(&reply.mem);
    CHECK_INT(said, ==, 2);
    life_echo incomplete = {.say = NULL};
    const pk_service bad = {&life_echo_contract, "bad", &incomplete, {NULL, 0}};
    pk_error err;
    CHECK_ERR(pk_manager_add(w.m, "bad", &bad, 1, NULL, &err), PK_ERR_BAD_CONTRACT);
    CHECK_CONTAINS(err.msg, "'say'");
    CHECK_OK(pk_manager_stop(w.m, NULL));
    close_world(&w);
}

/* ---- rules, listeners */

static void use_rule(world *w, const pk_plugin_rule *rule)
{
    w->desc.rules = rule;
    w->desc.rule_count = 1;
    w->desc.restart.delay_ms = 1;
}

TEST(life, one_that_is_always_to_run_is_started_again_after_a_good_end_too)
{
    static const pk_plugin_rule always = {.plugin = "p", .restart = PK_RESTART_ALWAYS};
    world w;
    prepare(&w);
    use_rule(&w, &always);
    REQUIRE_OK(open_world(&w));
    CHECK_OK(call(&w, NULL));
    end(&w, 0);
    step(&w, 3);
    CHECK_CONTAINS(w.why, "the plugin 'p' ended: exit status 0");
    for (int i = 0; w.starts < 2 && i < 1000; i++) {
        pk_loop_step(w.loop, 10, NULL);
    }
    CHECK_INT(w.starts, ==, 2);
    CHECK_STR(status_of(&w), "ready");
    close_world(&w);
}

TEST(life, one_that_is_always_to_run_is_tried_again_after_a_bad_first_start)
{
    static const pk_plugin_rule always = {.restart = PK_RESTART_ALWAYS};
    world w;
    prepare(&w);
    use_rule(&w, &always);
    w.start_status = 256;
    REQUIRE_OK(open_world(&w));
    CHECK_ERR(call(&w, NULL), PK_ERR_START);
    w.start_status = -1;
    for (int i = 0; w.starts < 2 && i < 1000; i++) {
        pk_loop_step(w.loop, 10, NULL);
    }
    step(&w, 3);
    CHECK_STR(status_of(&w), "ready");
    close_world(&w);
}

TEST(life, one_that_is_never_to_be_restarted_waits_for_the_next_call)
{
    static const pk_plugin_rule never = {.plugin = "p", .restart = PK_RESTART_NEVER};
    world w;
    prepare(&w);
    use_rule(&w, &never);
    REQUIRE_OK(open_world(&w));
    CHECK_OK(call(&w, NULL));
    end(&w, 11);
    step(&w, 3);
    CHECK_STR(status_of(&w), "stopped");
    CHECK_CONTAINS(w.why, "crashed: signal 11");
    CHECK_OK(call(&w, NULL));
    CHECK_INT(w.starts, ==, 2);
    close_world(&w);
}

TEST(life, one_that_is_started_as_soon_as_it_is_enabled_starts)
{
    world w;
    prepare(&w);
    REQUIRE_OK(open_world(&w));
    pk_plugin p = pk_manager_find(w.m, "p");
    REQUIRE_OK(pk_plugin_disable(w.m, p, NULL));
    REQUIRE_OK(pk_plugin_enable(w.m, p, NULL));
    CHECK_OK(pk_plugin_start(w.m, p, NULL)); // is wished while it is found once more
    CHECK_STR(status_of(&w), "ready");
    close_world(&w);
}

TEST(life, a_disabled_plugin_is_not_even_probed_and_comes_when_it_is_enabled)
{
    static const pk_plugin_rule disabled = {.plugin = "p", .disabled = true};
    world w;
    pk_error err;
    prepare(&w);
    use_rule(&w, &disabled);
    w.desc.eager = true;
    REQUIRE_OK(open_world(&w));
    pk_plugin p = pk_manager_find(w.m, "p");
    CHECK_INT(w.probes + w.starts, ==, 0);
    CHECK_STR(status_of(&w), "disabled");
    CHECK_ERR(pk_plugin_start(w.m, p, &err), PK_ERR_PLUGIN_DISABLED);
    CHECK_STR(err.msg, "cannot start 'p': it is disabled");
    CHECK_OK(pk_plugin_enable(w.m, p, NULL));
    CHECK_OK(pk_plugin_start(w.m, p, NULL));
    CHECK_OK(pk_plugin_disable(w.m, p, NULL));
    CHECK_STR(status_of(&w), "disabled");
    CHECK_ERR(call(&w, &err), PK_ERR_PLUGIN_DISABLED);
    CHECK_STR(err.msg, "cannot call 'p': it is disabled");
    CHECK_OK(pk_plugin_enable(w.m, p, NULL));
    CHECK_OK(call(&w, NULL));
    CHECK_INT(w.probes, ==, 1); // what it offers is known
    CHECK_OK(pk_manager_stop(w.m, NULL));
    CHECK_STR(w.events, "found disabled found probing stopped starting ready stopping stopped disabled found stopped "
                        "starting ready manager.stopping stopping stopped unloaded manager.stopped ");
    close_world(&w);
}

TEST(life, one_in_backoff_or_failed_can_be_disabled)
{
    world w;
    prepare(&w);
    w.desc.restart.delay_ms = 100000;
    REQUIRE_OK(open_world(&w));
    CHECK_OK(call(&w, NULL));
    end(&w, 11);
    step(&w, 3);
    CHECK_STR(status_of(&w), "backoff");
    CHECK_OK(pk_plugin_disable(w.m, pk_manager_find(w.m, "p"), NULL));
    CHECK_STR(status_of(&w), "disabled");
    CHECK_OK(pk_plugin_enable(w.m, pk_manager_find(w.m, "p"), NULL));
    CHECK_OK(call(&w, NULL));
    close_world(&w);
}

typedef struct ear {
    pk_listener listener;
    world *w;
    unsigned heard; // moments, or'ed
    int count;
    struct ear *removes; // at the first event
} ear;

static void on_ear(void *user, const pk_event *e)
{
    ear *it = user;
    it->heard |= e->moments;
    it->count++;
    CHECK(!(e->moments & PK_ON_ERROR) == !e->why);
    if (it->removes) {
        pk_manager_unlisten(it->w->m, &it->removes->listener);
        it->removes = NULL;
    }
}

TEST(life, listeners_hear_of_the_moments_that_they_ask_for_and_may_go_at_any_time)
{
    world w;
    pk_error err;
    prepare(&w);
    w.desc.restart.delay_ms = 1;
    REQUIRE_OK(open_world(&w));
    ear all = {.w = &w}, crashes = {.w = &w}, last = {.w = &w}, once = {.w = &w};
    ear *ears[] = {&all, &crashes, &once, &last};
    crashes.listener.moments = PK_ON_CRASH;
    once.removes = &once;
    all.removes = &last; // before it was ever told
    for (size_t i = 0; i < PK__COUNT(ears); i++) {
        ears[i]->listener.on_event = on_ear;
        ears[i]->listener.user = ears[i];
        REQUIRE_OK(pk_manager_listen(w.m, &ears[i]->listener, &err));
    }
    CHECK_OK(call(&w, NULL));
    CHECK_UINT(all.heard, ==, PK_ON_START | PK_ON_READY);
    end(&w, 11);
    step(&w, 3);
    CHECK_UINT(crashes.heard, ==, PK_ON_CRASH | PK_ON_STOP | PK_ON_ERROR);
    CHECK_INT(crashes.count, ==, 1);
    CHECK_OK(pk_plugin_disable(w.m, pk_manager_find(w.m, "p"), NULL));
    CHECK_UINT(all.heard & PK_ON_UNLOAD, ==, PK_ON_UNLOAD);
    CHECK_INT(once.count, ==, 1);
    CHECK_INT(last.count, ==, 0);
    CHECK_ERR(pk_manager_listen(w.m, NULL, &err), PK_ERR_MISUSE);
    CHECK_STR(err.msg, "cannot listen: there is no on_event to call");
    close_world(&w);
}

TEST(life, rules_that_cannot_be_followed_are_refused)
{
    static const char *const a[] = {"a", NULL}, *const b[] = {"b", NULL}, *const c[] = {"c", "a", NULL};
    static const pk_plugin_rule self[] = {{.plugin = "a", .needs = a}}, everybody[] = {{.needs = a}},
                                round[] = {{.plugin = "a", .needs = b}, {.plugin = "b", .needs = c}, {.plugin = "c"}},
                                hasty[] = {{.plugin = "a", .stop_ms = 1}};
    static const struct {
        const pk_plugin_rule *rules;
        size_t count;
        const char *says;
    } rows[] = {
        {self, 1, "cannot use the rule for 'a': it needs itself through others"},
        {everybody, 1, "cannot use the rule for all plugins: 'a' would need itself"},
        {round, 3, "cannot use the rule for 'a': it needs itself through others"},
        {hasty, 1, "cannot use the rule for 'a': stop_ms is too short to stop anything"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].says)
        {
            pk_manager_desc d = {.alloc = *test_alloc(), .rules = rows[i].rules, .rule_count = rows[i].count,
                                 .runtime_dir = "."};
            pk_manager *m = NULL;
            pk_error err = {0};
            CHECK(pk_manager_create(&m, &d, &err) != PK_OK);
            CHECK_STR(err.msg, rows[i].says);
            pk_manager_destroy(m);
        }
    }
}

TEST_TORTURE(life, whatever_fails_nothing_is_left)
{
    world w;
    prepare(&w);
    w.desc.deadline.stop_ms = 20;
    w.desc.deadline.start_ms = 500;
    if (pk_loop_create(&w.loop, test_alloc(), NULL)) {
        return;
    }
    w.desc.loop = w.loop;
    if (pk_manager_create(&w.m, &w.desc, NULL) == PK_OK) {
        if (pk_manager_start(w.m, NULL) == PK_OK) {
            pk_call_desc d = {.contract = "c", .type = "x", .method = "go", .ctx = {.timeout_ms = 500}};
            pk_caller_call(pk_manager_caller(w.m), &d, NULL, NULL);
        }
        pk_manager_destroy(w.m);
    }
    pk_loop_destroy(w.loop);
    CHECK_INT(w.opens, ==, w.closes);
}

/* The loop is another thread's: whoever waits here is woken by it, or not at all. */
TEST_TORTURE(life, whatever_fails_nobody_waits_for_ever)
{
    world w;
    prepare(&w);
    w.desc.deadline.stop_ms = 20;
    w.desc.deadline.start_ms = 500;
    if (pk_manager_create(&w.m, &w.desc, NULL)) {
        return;
    }
    pk_call_desc d = {.contract = "c", .type = "x", .method = "go", .ctx = {.timeout_ms = 500}};
    if (pk_manager_start(w.m, NULL) == PK_OK) {
        pk_caller_call(pk_manager_caller(w.m), &d, NULL, NULL);
        pk_plugin_stop(w.m, pk_manager_find(w.m, "p"), NULL);
        pk_caller_call(pk_manager_caller(w.m), &d, NULL, NULL);
        pk_plugin_disable(w.m, pk_manager_find(w.m, "p"), NULL);
        pk_plugin_enable(w.m, pk_manager_find(w.m, "p"), NULL);
        pk_plugin_start(w.m, pk_manager_find(w.m, "p"), NULL);
        pk_manager_stop(w.m, NULL);
    }
    pk_manager_destroy(w.m);
    CHECK_INT(w.opens, ==, w.closes);
}
