/* test_call.c - the call machine over a made-up router and a made-up dialect. */
#include "unit.h"

typedef struct world {
    pk_loop *loop;
    pk_caller caller;
    pk_dialect dialect;
    /* the router */
    int busy; // so many times it answers PK_ERR_BUSY first
    pk__waiter *waiting;
    int taken, given;
    /* the dialect: attempt i ends with fail[i], or answers status with text */
    pk_err fail[8];
    pk_sent sent[8];
    int status;
    const char *text;
    bool silent; // never answers
    bool echo;   // answers with the request's body
    int attempts, cancels;
    pk_attempt *open;
    pk_buf got;
    pk_task answer;
    unsigned flags;
    char log[256];
} world;

static void note(world *w, const char *what)
{
    size_t have = strlen(w->log);
    snprintf(w->log + have, sizeof(w->log) - have, "%s ", what);
}

static pk_err take(void *user, const pk_call_desc *desc, pk__waiter *waiter, pk__target *out, pk_error *err)
{
    world *w = user;
    if (desc->type && strcmp(desc->type, "missing") == 0) {
        return pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found for type 'missing'");
    }
    if (w->busy > 0) {
        w->busy--;
        w->waiting = waiter;
        return PK_ERR_BUSY;
    }
    memset(out, 0, sizeof(*out));
    out->dialect = &w->dialect;
    out->channel = w;
    out->plugin = PK_STR("p");
    out->instance_name = PK_STR("p-1");
    out->verb = PK_STR("POST");
    out->path = PK_STR("/x");
    out->flags = w->flags;
    w->taken++;
    return PK_OK;
}

static void unqueue(void *user, pk__waiter *waiter)
{
    world *w = user;
    CHECK(w->waiting == waiter);
    w->waiting = NULL;
}

static void give_back(void *user, pk__target *target, const pk__usage *usage)
{
    world *w = user;
    (void)target;
    (void)usage;
    w->given++;
}

static void finish(world *w, pk_attempt *a)
{
    int i = w->attempts++ % 8;
    a->sent = w->sent[i];
    if (w->fail[i]) {
        pk_error why;
        pk_error_set(&why, w->fail[i], "made-up failure");
        pk_attempt_end(a, &why);
        return;
    }
    static const pk_meta fields[] = {{PK_STR_INIT("content-type"), PK_STR_INIT("text/plain")},
                                     {PK_STR_INIT("x-answer"), PK_STR_INIT("42")}};
    pk_error why;
    pk_attempt_head(a, w->status, fields, 2);
    pk_err rc = pk_attempt_chunk(a, w->echo ? pk_buf_str(&w->got) : pk_str_from(w->text), &why);
    pk_attempt_end(a, rc && rc != PK_ERR_BUSY ? &why : NULL);
}

/* Reads the request's body as far as it is there: true at its end. */
static bool pull(world *w, pk_attempt *a)
{
    for (;;) {
        size_t got;
        if (!pk_buf_reserve(&w->got, 1000)) {
            return true;
        }
        pk_err rc = pk_attempt_read(a, w->got.ptr + w->got.len, 1000, &got, NULL);
        if (rc) {
            return false;
        }
        if (got == 0) {
            return true;
        }
        w->got.len += got;
    }
}

static void run(void *channel, pk_attempt *a)
{
    world *w = channel;
    pull(w, a);
    finish(w, a);
}

static void on_answer(void *user)
{
    world *w = user;
    pk_attempt *a = w->open;
    if (a) {
        w->open = NULL;
        finish(w, a);
    }
}

static void resume(void *channel, pk_attempt *a)
{
    world *w = channel;
    if (w->open && !w->silent && pull(w, a)) {
        pk_loop_post(w->loop, &w->answer);
    }
}

static pk_err start(void *channel, pk_attempt *a, pk_error *err)
{
    world *w = channel;
    (void)err;
    w->open = a;
    resume(channel, a);
    return PK_OK;
}

static void cancel(void *channel, pk_attempt *a)
{
    world *w = channel;
    CHECK(w->open == a);
    w->open = NULL;
    w->cancels++;
    pk_loop_unpost(w->loop, &w->answer);
}

static bool open_world(world *w, const pk_interceptor *const *chain, size_t count)
{
    memset(w, 0, sizeof(*w));
    w->status = 200;
    w->text = "hello";
    w->dialect.name = "made-up";
    w->dialect.start = start;
    w->dialect.run = run;
    w->dialect.resume = resume;
    w->dialect.cancel = cancel;
    w->answer.run = on_answer;
    w->answer.user = w;
    pk_buf_init(&w->got, test_alloc(), 1 << 20);
    pk__router router = {take, unqueue, give_back, NULL, w};
    if (pk_loop_create(&w->loop, test_alloc(), NULL)) {
        return false;
    }
    if (pk__caller_init(&w->caller, test_alloc(), w->loop, &router, chain, count, NULL)) {
        pk_loop_destroy(w->loop);
        return false;
    }
    return true;
}

static void close_world(world *w)
{
    pk__caller_cancel_all(&w->caller);
    CHECK_INT(w->taken, ==, w->given);
    CHECK(!w->waiting);
    pk__caller_deinit(&w->caller);
    pk_loop_destroy(w->loop);
    pk_buf_free(&w->got);
}

TEST(call, a_blocking_call_brings_status_headers_and_body)
{
    world w;
    REQUIRE(open_world(&w, NULL, 0));
    pk_call_desc d = {.contract = "c", .method = "m", .body = {.bytes = PK_STR("request")}};
    pk_reply reply = {.mem = {.alloc = test_alloc()}};
    pk_error err = {0};
    for (int i = 0; i < 2; i++) { // on the loop's thread, and elsewhere; the reply is used again
        if (i == 1) {
            pk__loop_give_away(w.loop);
        }
        CHECK_OK(pk_caller_call(&w.caller, &d, &reply, &err));
        CHECK_INT(reply.status, ==, 200);
        CHECK_PK_STR(reply.body.bytes, "hello");
        CHECK_PK_STR(reply.body.content_type, "text/plain");
        REQUIRE(reply.meta_count == 2);
        CHECK_PK_STR(reply.meta[1].value, "42");
    }
    CHECK_PK_STR(pk_buf_str(&w.got), "requestrequest");
    pk_mem_free(&reply.mem);
    close_world(&w);
}

TEST(call, through_the_loop_it_is_the_same)
{
    world w;
    REQUIRE(open_world(&w, NULL, 0));
    w.dialect.run = NULL;
    pk_call_desc d = {.contract = "c", .method = "m"};
    pk_reply reply = {.mem = {.alloc = test_alloc()}};
    CHECK_OK(pk_caller_call(&w.caller, &d, &reply, NULL));
    CHECK_PK_STR(reply.body.bytes, "hello");
    pk_mem_free(&reply.mem);
    close_world(&w);
}

TEST(call, a_status_other_than_2xx_is_a_fault_with_the_plugins_words)
{
    world w;
    REQUIRE(open_world(&w, NULL, 0));
    w.status = 404;
    w.text = "{\"message\":\"no such note\",\"statusCode\":404,\"code\":\"NOTE_7\"}";
    pk_call_desc d = {.contract = "c", .method = "m"};
    pk_error err = {0};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, &err), PK_ERR_PLUGIN_FAULT);
    CHECK_INT(err.status, ==, 404);
    CHECK_STR(err.app_code, "NOTE_7");
    CHECK_CONTAINS(err.msg, "no such note");
    CHECK_INT(err.sent, ==, PK_SENT_ANSWERED);
    close_world(&w);
}

TEST(call, what_was_certainly_not_sent_is_tried_again_and_nothing_else)
{
    static const struct {
        pk_sent sent;
        bool idempotent;
        pk_err code, want;
        int attempts;
    } rows[] = {
        {PK_SENT_NO, false, PK_ERR_PLUGIN_CONNECTION, PK_OK, 2},
        {PK_SENT_MAYBE, false, PK_ERR_PLUGIN_CONNECTION, PK_ERR_PLUGIN_CONNECTION, 1},
        {PK_SENT_MAYBE, true, PK_ERR_PLUGIN_CONNECTION, PK_OK, 2},
        {PK_SENT_ANSWERED, true, PK_ERR_PLUGIN_CONNECTION, PK_ERR_PLUGIN_CONNECTION, 1},
        {PK_SENT_NO, true, PK_ERR_LIMIT, PK_ERR_LIMIT, 1},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("row %d", (int)i)
        {
            world w;
            REQUIRE(open_world(&w, NULL, 0));
            w.fail[0] = rows[i].code;
            w.sent[0] = rows[i].sent;
            pk_call_desc d = {.contract = "c", .method = "m", .ctx = {.idempotent = rows[i].idempotent},
                              .body = {.bytes = PK_STR("x")}};
            CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, NULL), rows[i].want);
            CHECK_INT(w.attempts, ==, rows[i].attempts);
            close_world(&w);
        }
    }
}

TEST(call, an_idempotent_call_that_may_have_been_seen_is_repeated_once)
{
    world w;
    REQUIRE(open_world(&w, NULL, 0));
    for (int i = 0; i < 8; i++) {
        w.fail[i] = PK_ERR_PLUGIN_CONNECTION;
        w.sent[i] = PK_SENT_MAYBE;
    }
    pk_call_desc d = {.contract = "c", .method = "m", .ctx = {.idempotent = true}};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, NULL), PK_ERR_PLUGIN_CONNECTION);
    CHECK_INT(w.attempts, ==, 2);
    close_world(&w);
}

TEST(call, a_plugin_that_noticed_the_deadline_first_timed_out)
{
    world w;
    REQUIRE(open_world(&w, NULL, 0));
    w.status = 499;
    pk_call_desc d = {.contract = "c", .method = "m", .ctx = {.timeout_ms = 2}};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, NULL), PK_ERR_PLUGIN_TIMEOUT);
    d.ctx.timeout_ms = 20000;
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, NULL), PK_ERR_PLUGIN_FAULT);
    close_world(&w);
}

TEST(call, an_unreachable_plugin_is_not_tried_for_ever)
{
    world w;
    REQUIRE(open_world(&w, NULL, 0));
    for (int i = 0; i < 8; i++) {
        w.fail[i] = PK_ERR_PLUGIN_CONNECTION;
    }
    pk_call_desc d = {.contract = "c", .method = "m"};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, NULL), PK_ERR_PLUGIN_CONNECTION);
    CHECK_INT(w.attempts, ==, 3);
    close_world(&w);
}

TEST(call, a_silent_plugin_ends_with_the_deadline_and_is_cancelled)
{
    world w;
    REQUIRE(open_world(&w, NULL, 0));
    w.dialect.run = NULL;
    w.silent = true;
    pk_call_desc d = {.contract = "c", .method = "m", .ctx = {.timeout_ms = 5}};
    pk_error err = {0};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, &err), PK_ERR_PLUGIN_TIMEOUT);
    CHECK_CONTAINS(err.msg, "cannot call 'p': the deadline passed");
    CHECK_INT(w.cancels, ==, 1);
    close_world(&w);
}

TEST(call, waiting_for_an_instance_ends_with_the_deadline_too)
{
    world w;
    REQUIRE(open_world(&w, NULL, 0));
    w.busy = 100;
    pk_call_desc d = {.contract = "c", .method = "m", .ctx = {.timeout_ms = 5}};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, NULL), PK_ERR_PLUGIN_TIMEOUT);
    CHECK_INT(w.attempts, ==, 0);
    close_world(&w);
}

typedef struct outcome {
    int count;
    pk_err code;
    char body[64];
} outcome;

static void on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    outcome *o = user;
    CHECK(call.id != 0);
    o->count++;
    o->code = err ? err->code : PK_OK;
    snprintf(o->body, sizeof(o->body), "%" PK_FMT, PK_ARG(reply->body.bytes));
}

static void wake_waiting(void *user)
{
    world *w = user;
    if (w->waiting) {
        w->waiting->wake(w->waiting);
    }
}

TEST(call, an_asynchronous_call_outlives_its_description_and_has_one_outcome)
{
    world w;
    outcome o = {0, PK_OK, ""};
    pk_task wake = {.run = wake_waiting, .user = &w};
    pk_call call;
    REQUIRE(open_world(&w, NULL, 0));
    w.busy = 1;
    w.echo = true;
    {
        char body[] = "copied";
        pk_call_desc d = {.contract = "c", .method = "m", .on_reply = on_reply, .user = &o};
        d.body.bytes = pk_str_from(body);
        REQUIRE_OK(pk_caller_start(&w.caller, &d, &call, NULL));
        memset(body, 'z', sizeof(body) - 1);
    }
    pk_loop_post(w.loop, &wake);
    for (int i = 0; i < 100 && !o.count; i++) {
        pk_loop_step(w.loop, 10, NULL);
        pk_loop_post(w.loop, &wake);
    }
    CHECK_INT(o.count, ==, 1);
    CHECK_STR(o.body, "copied");
    CHECK_ERR(pk_caller_cancel(&w.caller, call), PK_ERR_STALE);
    pk_loop_unpost(w.loop, &wake);
    close_world(&w);
}

TEST(call, cancelling_gives_the_outcome_canceled)
{
    world w;
    outcome o = {0, PK_OK, ""};
    pk_call call;
    REQUIRE(open_world(&w, NULL, 0));
    w.silent = true;
    pk_call_desc d = {.contract = "c", .method = "m", .on_reply = on_reply, .user = &o};
    REQUIRE_OK(pk_caller_start(&w.caller, &d, &call, NULL));
    pk_loop_step(w.loop, 0, NULL);
    REQUIRE(w.open);
    CHECK_OK(pk_caller_cancel(&w.caller, call));
    for (int i = 0; i < 10 && !o.count; i++) {
        pk_loop_step(w.loop, 0, NULL);
    }
    CHECK_INT(o.count, ==, 1);
    CHECK_ERR(o.code, PK_ERR_CANCELED);
    CHECK_INT(w.cancels, ==, 1);
    close_world(&w);
}

TEST(call, a_destroyed_caller_gives_every_call_its_outcome)
{
    world w;
    outcome o = {0, PK_OK, ""};
    REQUIRE(open_world(&w, NULL, 0));
    w.silent = true;
    for (int i = 0; i < 5; i++) {
        pk_call_desc d = {.contract = "c", .method = "m", .on_reply = on_reply, .user = &o};
        REQUIRE_OK(pk_caller_start(&w.caller, &d, NULL, NULL));
    }
    pk__caller_cancel_all(&w.caller);
    CHECK_INT(o.count, ==, 5);
    close_world(&w);
}

TEST(call, a_stream_that_nobody_reads_to_its_end_goes_with_its_caller)
{
    world w;
    pk_call open, ended;
    pk_call_desc d = {.contract = "c", .method = "m"};
    REQUIRE(open_world(&w, NULL, 0));
    REQUIRE_OK(pk_caller_start(&w.caller, &d, &ended, NULL));
    REQUIRE_OK(pk_caller_write(&w.caller, ended, PK_STR("x"), true, NULL));
    for (int i = 0; i < 5; i++) {
        pk_loop_step(w.loop, 0, NULL);
    }
    REQUIRE_OK(pk_caller_start(&w.caller, &d, &open, NULL));
    pk_loop_step(w.loop, 0, NULL);
    close_world(&w);
}

TEST(call, a_stream_is_written_and_read_by_hand_in_any_size)
{
    world w;
    pk_call call;
    char chunk[1000], back[300];
    size_t got, total = 0;
    REQUIRE(open_world(&w, NULL, 0));
    w.echo = true;
    memset(chunk, 'y', sizeof(chunk));
    pk_call_desc d = {.contract = "c", .method = "m"};
    REQUIRE_OK(pk_caller_start(&w.caller, &d, &call, NULL));
    for (int i = 0; i < 200; i++) { // more than the buffer holds: writing waits
        pk_str part = {chunk, sizeof(chunk)};
        REQUIRE_OK(pk_caller_write(&w.caller, call, part, i == 199, NULL));
    }
    CHECK_ERR(pk_caller_write(&w.caller, call, PK_STR("more"), true, NULL), PK_ERR_MISUSE);
    do {
        REQUIRE_OK(pk_caller_read(&w.caller, call, back, sizeof(back), &got, NULL));
        total += got;
    } while (got > 0);
    CHECK_UINT(total, ==, 200000);
    CHECK_ERR(pk_caller_read(&w.caller, call, back, sizeof(back), &got, NULL), PK_ERR_STALE);
    close_world(&w);
}

TEST(call, a_cancelled_stream_is_stale_at_once_and_leaves_nothing)
{
    world w;
    pk_call call;
    REQUIRE(open_world(&w, NULL, 0));
    w.silent = true;
    pk_call_desc d = {.contract = "c", .method = "m"};
    REQUIRE_OK(pk_caller_start(&w.caller, &d, &call, NULL));
    REQUIRE_OK(pk_caller_write(&w.caller, call, PK_STR("abc"), false, NULL));
    CHECK_OK(pk_caller_cancel(&w.caller, call));
    CHECK_ERR(pk_caller_write(&w.caller, call, PK_STR("abc"), false, NULL), PK_ERR_STALE);
    for (int i = 0; i < 5; i++) {
        pk_loop_step(w.loop, 0, NULL);
    }
    close_world(&w);
}

static pk_err count_chunk(void *user, pk_str chunk, pk_error *err)
{
    *(size_t *)user += chunk.len;
    return *(size_t *)user > 3 ? pk_error_set(err, PK_ERR_LIMIT, "enough") : PK_OK;
}

TEST(call, a_reader_of_chunks_may_stop_the_answer)
{
    world w;
    size_t seen = 0;
    pk_error err = {0};
    REQUIRE(open_world(&w, NULL, 0));
    pk_call_desc d = {.contract = "c", .method = "m", .on_chunk = count_chunk, .user = &seen};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, &err), PK_ERR_LIMIT);
    CHECK_STR(err.msg, "enough");
    close_world(&w);
}

TEST(call, an_answer_over_the_limit_is_refused_with_the_limit)
{
    world w;
    pk_error err = {0};
    REQUIRE(open_world(&w, NULL, 0));
    pk_call_desc d = {.contract = "c", .method = "m", .max_reply = 4};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, &err), PK_ERR_LIMIT);
    CHECK_CONTAINS(err.msg, "more than 4 bytes");
    close_world(&w);
}

/* ---- interceptors */

typedef struct probe {
    world *w;
    const char *name;
    pk_verdict before;
    int again; // so many times
    pk_exchange *held;
} probe;

static pk_verdict probe_before(void *user, pk_exchange *x)
{
    probe *p = user;
    char text[32];
    snprintf(text, sizeof(text), "+%s", p->name);
    note(p->w, text);
    CHECK(*(int *)x->state == 0);
    *(int *)x->state = 7;
    if (p->before == PK_REFUSE) {
        pk_error_set(x->err, PK_ERR_RATE_LIMIT, "too fast");
    }
    if (p->before == PK_ANSWER) {
        x->reply->body.bytes = PK_STR("from the cache");
    }
    if (p->before == PK_WAIT) {
        p->held = x;
    }
    return p->before;
}

static pk_verdict probe_after(void *user, pk_exchange *x, uint32_t *delay_ms)
{
    probe *p = user;
    char text[32];
    snprintf(text, sizeof(text), "-%s", p->name);
    note(p->w, text);
    CHECK(*(int *)x->state == 7);
    if (p->again > 0) {
        p->again--;
        *delay_ms = 1;
        return PK_AGAIN;
    }
    return PK_GO;
}

static pk_interceptor make_probe(probe *p, pk_scope scope, int order)
{
    pk_interceptor i = {.name = p->name, .scope = scope, .order = order, .state_size = sizeof(int),
                        .before = probe_before, .after = probe_after, .user = p};
    return i;
}

static void probe_call(probe *a, probe *b, probe *t, const char *want, pk_err code)
{
    world w;
    pk_interceptor list[] = {make_probe(t, PK_SCOPE_ATTEMPT, -5), make_probe(b, PK_SCOPE_CALL, 2),
                             make_probe(a, PK_SCOPE_CALL, 1)};
    const pk_interceptor *const chain[] = {&list[0], &list[1], &list[2]};
    REQUIRE(open_world(&w, chain, 3));
    a->w = b->w = t->w = &w;
    pk_call_desc d = {.contract = "c", .method = "m"};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, NULL), code);
    CHECK_STR(w.log, want);
    close_world(&w);
}

TEST(call, interceptors_run_by_scope_and_order_and_back)
{
    probe a = {NULL, "a", PK_GO, 0, NULL}, b = {NULL, "b", PK_GO, 0, NULL}, t = {NULL, "t", PK_GO, 0, NULL};
    probe_call(&a, &b, &t, "+a +b +t -t -b -a ", PK_OK);
}

TEST(call, who_refuses_or_answers_turns_the_call_and_only_who_ran_runs_again)
{
    probe a = {NULL, "a", PK_GO, 0, NULL}, b = {NULL, "b", PK_REFUSE, 0, NULL}, t = {NULL, "t", PK_GO, 0, NULL};
    probe_call(&a, &b, &t, "+a +b -b -a ", PK_ERR_RATE_LIMIT);
    b.before = PK_ANSWER;
    probe_call(&a, &b, &t, "+a +b -b -a ", PK_OK);
    b.before = PK_GO;
    t.before = PK_REFUSE;
    probe_call(&a, &b, &t, "+a +b +t -t -b -a ", PK_ERR_RATE_LIMIT);
}

TEST(call, again_repeats_what_lies_behind_the_one_that_asks)
{
    /* b asks twice; a, which stands before it, runs once; b keeps its state from its before to its last after */
    probe a = {NULL, "a", PK_GO, 0, NULL}, b = {NULL, "b", PK_GO, 2, NULL}, t = {NULL, "t", PK_GO, 0, NULL};
    probe_call(&a, &b, &t, "+a +b +t -t -b +t -t -b +t -t -b -a ", PK_OK);
}

static pk_exchange *held_exchange;
static void resume_held(void *user)
{
    (void)user;
    pk_exchange_resume(held_exchange, PK_GO);
}

TEST(call, an_interceptor_may_hold_a_call_until_it_is_resumed)
{
    world w;
    outcome o = {0, PK_OK, ""};
    probe a = {&w, "a", PK_WAIT, 0, NULL};
    pk_interceptor i = make_probe(&a, PK_SCOPE_CALL, 0);
    const pk_interceptor *const chain[] = {&i};
    REQUIRE(open_world(&w, chain, 1));
    pk_call_desc d = {.contract = "c", .method = "m", .on_reply = on_reply, .user = &o};
    REQUIRE_OK(pk_caller_start(&w.caller, &d, NULL, NULL));
    pk_loop_step(w.loop, 0, NULL);
    REQUIRE(a.held);
    CHECK_INT(o.count, ==, 0);
    held_exchange = a.held;
    pk_task task = {.run = resume_held};
    pk_loop_post(w.loop, &task);
    for (int k = 0; k < 20 && !o.count; k++) {
        pk_loop_step(w.loop, 10, NULL);
    }
    CHECK_INT(o.count, ==, 1);
    CHECK_STR(w.log, "+a -a ");
    close_world(&w);
}

TEST(call, a_held_call_ends_with_its_deadline)
{
    world w;
    probe a = {&w, "a", PK_WAIT, 0, NULL};
    pk_interceptor i = make_probe(&a, PK_SCOPE_ATTEMPT, 0);
    const pk_interceptor *const chain[] = {&i};
    REQUIRE(open_world(&w, chain, 1));
    pk_call_desc d = {.contract = "c", .method = "m", .ctx = {.timeout_ms = 5}};
    CHECK_ERR(pk_caller_call(&w.caller, &d, NULL, NULL), PK_ERR_PLUGIN_TIMEOUT);
    CHECK_STR(w.log, "+a -a ");
    close_world(&w);
}

TEST_TORTURE(call, without_memory_or_system_every_call_still_ends)
{
    world w;
    outcome o = {0, PK_OK, ""};
    probe a = {&w, "a", PK_GO, 0, NULL};
    pk_interceptor i = make_probe(&a, PK_SCOPE_CALL, 0);
    const pk_interceptor *const chain[] = {&i};
    if (!open_world(&w, chain, 1)) {
        return;
    }
    pk_call_desc d = {.contract = "c", .method = "m", .ctx = {.timeout_ms = 2000}, .body = {.bytes = PK_STR("x")}};
    pk_reply reply = {.mem = {.alloc = test_alloc()}};
    pk_caller_call(&w.caller, &d, &reply, NULL);
    w.dialect.run = NULL;
    pk_caller_call(&w.caller, &d, &reply, NULL);
    pk_mem_free(&reply.mem);
    d.on_reply = on_reply;
    d.user = &o;
    if (pk_caller_start(&w.caller, &d, NULL, NULL) == PK_OK) {
        for (int k = 0; k < 1000 && !o.count; k++) {
            pk_loop_step(w.loop, 10, NULL);
        }
        CHECK_INT(o.count, ==, 1);
    }
    close_world(&w);
}
