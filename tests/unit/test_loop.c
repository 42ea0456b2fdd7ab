/* test_loop.c - the event loop: each test runs with every backend. */
#include "unit.h"

#include <sys/socket.h>

typedef const pk__loop_backend *(*backend_fn)(void);
static const struct {
    const char *name;
    backend_fn get;
} backends[] = {
    {"poll", pk__loop_poll},
#ifdef PK__LINUX
    {"epoll", pk__loop_epoll},
#endif
#ifdef PK__KQUEUE
    {"kqueue", pk__loop_kqueue},
#endif
};

/* EACH_BACKEND(loop) { ... }: a fresh loop for each, destroyed behind the block. */
static pk_loop *loop_with(size_t i)
{
    pk_loop *loop = NULL;
    REQUIRE_OK(pk__loop_create(&loop, test_alloc(), backends[i].get(), NULL));
    return loop;
}
#define EACH_BACKEND(loop)                                                                                  \
    for (size_t row = 0; row < PK__COUNT(backends); row++)                                                  \
        CASE("%s", backends[row].name)                                                                      \
            for (pk_loop *loop = loop_with(row); loop; pk_loop_destroy(loop), loop = NULL)

typedef struct probe {
    pk_loop *loop;
    pk_watch watch;
    pk_timer timer;
    pk_task task;
    int fds[2]; // a socket pair; the watch is for [0]
    int calls, reads, writes;
    void (*then)(struct probe *p);
    struct probe *other;
} probe;

static void probe_ready(void *user, bool can_read, bool can_write)
{
    probe *p = (probe *)user;
    p->calls++;
    p->reads += can_read;
    p->writes += can_write;
    if (p->then) {
        p->then(p);
    }
}

static void probe_run(void *user)
{
    probe_ready(user, false, false);
}

static void probe_open(probe *p, pk_loop *loop)
{
    memset(p, 0, sizeof(*p));
    p->loop = loop;
    REQUIRE_OK(pk__fd_socketpair(p->fds, NULL));
    p->watch.fd = p->fds[0];
    p->watch.on_ready = probe_ready;
    p->timer.on_time = probe_run;
    p->task.run = probe_run;
    p->watch.user = p->timer.user = p->task.user = p;
}

static void probe_close(probe *p)
{
    pk_watch_remove(p->loop, &p->watch);
    pk_timer_stop(p->loop, &p->timer);
    pk__fd_close(p->fds[0]);
    pk__fd_close(p->fds[1]);
}

static void probe_feed(probe *p)
{
    REQUIRE(write(p->fds[1], "x", 1) == 1);
}

static void probe_drain(probe *p)
{
    char bytes[64];
    while (read(p->fds[0], bytes, sizeof(bytes)) > 0) {
    }
}

static unsigned waits(void)
{
    unsigned count = pk__sys_count.poll;
#ifdef PK__LINUX
    count += pk__sys_count.epoll_wait;
#endif
#ifdef PK__KQUEUE
    count += pk__sys_count.kevent;
#endif
    return count;
}

static void step(pk_loop *loop)
{
    REQUIRE_OK(pk_loop_step(loop, 0, NULL));
}

/* ---- watches */

TEST(loop, tells_what_is_ready)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        step(loop);
        CHECK_INT(p.calls, ==, 0);
        probe_feed(&p);
        step(loop);
        CHECK_INT(p.reads, ==, 1);
        CHECK_INT(p.writes, ==, 0);
        step(loop); // level-triggered: the byte is still there
        CHECK_INT(p.reads, ==, 2);
        REQUIRE_OK(pk_watch_set(loop, &p.watch, false, true, NULL));
        step(loop);
        CHECK_INT(p.reads, ==, 2);
        CHECK_INT(p.writes, ==, 1);
        REQUIRE_OK(pk_watch_set(loop, &p.watch, true, true, NULL));
        step(loop);
        CHECK_INT(p.reads, ==, 3);
        CHECK_INT(p.writes, ==, 2);
        CHECK_INT(p.calls, ==, 4);
        probe_close(&p);
    }
}

TEST(loop, a_watch_for_news_hears_of_all_bytes_and_of_a_hang_up_until_it_goes)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        p.watch.pk__news = true;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        for (int i = 1; i <= 3; i++) { // not read, so that other backends tell it each time as well
            probe_feed(&p);
            step(loop);
            CHECK_INT(p.reads, ==, i);
        }
        bool once = strcmp(loop->backend->name, "epoll") == 0;
        step(loop);
        CHECK_INT(p.reads, ==, once ? 3 : 4);
        p.reads = 0;
        REQUIRE_OK(pk_watch_set(loop, &p.watch, false, true, NULL)); // writing is told again and again
        step(loop);
        step(loop);
        CHECK_INT(p.writes, ==, 2);
        REQUIRE_OK(pk_watch_set(loop, &p.watch, true, false, NULL)); // what is there counts as news
        step(loop);
        CHECK_INT(p.reads, ==, 1);
        /* Bytes and the end at once: whoever reads the bytes only hears of the end all the same. */
        probe_feed(&p);
        pk__fd_close(p.fds[1]);
        p.fds[1] = -1;
        for (int i = 2; i <= 5; i++) {
            step(loop);
            CHECK_INT(p.reads, ==, i);
        }
        probe_close(&p);
    }
}

TEST(loop, a_hang_up_counts_as_what_is_wanted)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        pk__fd_close(p.fds[1]);
        p.fds[1] = -1;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, false, true, NULL));
        step(loop);
        CHECK_INT(p.reads, ==, 0);
        CHECK_INT(p.writes, ==, 1);
        REQUIRE_OK(pk_watch_set(loop, &p.watch, true, false, NULL));
        step(loop);
        CHECK_INT(p.reads, ==, 1);
        probe_close(&p);
    }
}

TEST(loop, wanting_nothing_is_silence_even_after_a_hang_up)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        REQUIRE_OK(pk_watch_add(loop, &p.watch, false, false, NULL));
        probe_feed(&p);
        pk__fd_close(p.fds[1]);
        p.fds[1] = -1;
        for (int i = 0; i < 5; i++) {
            step(loop);
        }
        CHECK_INT(p.calls, ==, 0);
        /* And it does not spin: with nothing wanted there is nothing to wake up for. */
        pk__sys_reset();
        REQUIRE_OK(pk_timer_start(loop, &p.timer, 20, NULL));
        while (p.calls == 0) {
            REQUIRE_OK(pk_loop_step(loop, -1, NULL));
        }
        CHECK_UINT(waits(), <=, 4);
        REQUIRE_OK(pk_watch_set(loop, &p.watch, true, false, NULL));
        step(loop);
        CHECK_INT(p.reads, ==, 1);
        probe_close(&p);
    }
}

TEST(loop, adding_twice_or_a_bad_descriptor_is_misuse)
{
    EACH_BACKEND(loop) {
        pk_error err = {0};
        probe p, q;
        probe_open(&p, loop);
        memset(&q, 0, sizeof(q));
        q.watch = p.watch;
        CHECK_ERR(pk_watch_set(loop, &p.watch, true, false, NULL), PK_ERR_MISUSE);
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        CHECK_ERR(pk_watch_add(loop, &p.watch, true, false, &err), PK_ERR_MISUSE);
        CHECK_CONTAINS(err.msg, "in use");
        CHECK_ERR(pk_watch_add(loop, &q.watch, true, false, &err), PK_ERR_MISUSE);
        CHECK_CONTAINS(err.msg, "cannot watch descriptor");
        q.watch.fd = 900;
        CHECK_ERR(pk_watch_add(loop, &q.watch, true, false, &err), PK_ERR_MISUSE);
        pk_watch_remove(loop, &q.watch);
        probe_close(&p);
    }
}

TEST(loop, a_regular_file_is_always_ready)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        p.watch.fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        REQUIRE(p.watch.fd >= 0);
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        step(loop);
        step(loop);
        CHECK_INT(p.reads, ==, 2);
        REQUIRE_OK(pk_watch_set(loop, &p.watch, false, false, NULL));
        step(loop);
        CHECK_INT(p.calls, ==, 2);
        pk_watch_remove(loop, &p.watch);
        step(loop);
        CHECK_INT(p.calls, ==, 2);
        pk__fd_close(p.watch.fd);
        probe_close(&p);
    }
}

static void remove_other(probe *p)
{
    if (p->other->calls == 0) {
        pk_watch_remove(p->loop, &p->other->watch);
        memset(&p->other->watch, 0xee, sizeof(p->other->watch)); // as if it had been freed
        p->other->watch.pk__slot = 0;
        pk__fd_close(p->other->fds[0]);
        p->other->fds[0] = -1;
    }
}

TEST(loop, a_watch_removed_in_the_same_turn_is_not_called)
{
    EACH_BACKEND(loop) {
        probe p, q;
        probe_open(&p, loop);
        probe_open(&q, loop);
        p.other = &q;
        q.other = &p;
        p.then = q.then = remove_other;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        REQUIRE_OK(pk_watch_add(loop, &q.watch, true, false, NULL));
        probe_feed(&p);
        probe_feed(&q);
        step(loop);
        CHECK_INT(p.calls + q.calls, ==, 1);
        step(loop);
        CHECK_INT(p.calls + q.calls, ==, 2);
        probe_close(&p);
        probe_close(&q);
    }
}

static void replace_other(probe *p)
{
    if (p->other) {
        probe *other = p->other;
        pk_watch_remove(p->loop, &other->watch);
        other->then = NULL;
        REQUIRE_OK(pk_watch_add(p->loop, &other->watch, true, false, NULL)); // takes the same slot
        p->other = other->other = NULL;
    }
}

TEST(loop, an_event_for_the_slot_s_former_watch_is_dropped)
{
    EACH_BACKEND(loop) {
        probe p, q;
        probe_open(&p, loop);
        probe_open(&q, loop);
        p.other = &q;
        q.other = &p;
        p.then = q.then = replace_other;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        REQUIRE_OK(pk_watch_add(loop, &q.watch, true, false, NULL));
        probe_feed(&p);
        probe_feed(&q);
        step(loop);
        CHECK_INT(p.calls + q.calls, ==, 1);
        probe_close(&p);
        probe_close(&q);
    }
}

static void add_many(probe *p)
{
    probe *many = p->other;
    for (int i = 0; i < 40; i++) {
        REQUIRE_OK(pk_watch_add(p->loop, &many[i].watch, true, false, NULL));
    }
    pk_watch_remove(p->loop, &p->watch);
}

TEST(loop, callbacks_may_add_many_and_remove_themselves)
{
    EACH_BACKEND(loop) {
        probe p, many[40];
        probe_open(&p, loop);
        for (int i = 0; i < 40; i++) {
            probe_open(&many[i], loop);
            probe_feed(&many[i]);
        }
        p.other = many;
        p.then = add_many;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        probe_feed(&p);
        step(loop);
        step(loop);
        CHECK_INT(p.calls, ==, 1);
        for (int i = 0; i < 40; i++) {
            CHECK_INT(many[i].calls, ==, 1);
            probe_close(&many[i]);
        }
        probe_close(&p);
    }
}

TEST(loop, more_ready_descriptors_than_a_batch_all_get_their_turn)
{
    enum { COUNT = 3 * PK__LOOP_BATCH / 2 };
    EACH_BACKEND(loop) {
        static probe many[COUNT];
        int least = 1000, most = 0;
        for (int i = 0; i < COUNT; i++) {
            probe_open(&many[i], loop);
            probe_feed(&many[i]);
            REQUIRE_OK(pk_watch_add(loop, &many[i].watch, true, false, NULL));
        }
        for (int turn = 0; turn < 30; turn++) {
            step(loop);
        }
        for (int i = 0; i < COUNT; i++) {
            least = PK__MIN(least, many[i].calls);
            most = PK__MAX(most, many[i].calls);
        }
        CHECK_INT(least, >=, 18); // 30 turns of 64 for 96
        CHECK_INT(most, <=, 22);
        for (int i = 0; i < COUNT; i++) {
            probe_close(&many[i]);
        }
    }
}

/* ---- turns inside turns */

static void step_inside(probe *p)
{
    for (int i = 0; i < 3; i++) {
        step(p->loop);
    }
}

TEST(loop, a_watch_is_silent_in_the_turns_its_callback_makes)
{
    EACH_BACKEND(loop) {
        probe p, q;
        probe_open(&p, loop);
        probe_open(&q, loop);
        p.then = step_inside;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        probe_feed(&p);
        step(loop);
        CHECK_INT(p.calls, ==, 1); // not entered again, though its byte was there all the time
        REQUIRE_OK(pk_watch_add(loop, &q.watch, true, false, NULL));
        probe_feed(&q);
        step(loop);
        CHECK_INT(p.calls, ==, 2); // and it is watched again
        CHECK_INT(q.calls, >=, 3); // by the inner turns, and perhaps before them by the outer one
        probe_close(&p);
        probe_close(&q);
    }
}

static void drain_then(probe *p)
{
    probe_drain(p);
}

static void step_once_inside(probe *p)
{
    p->then = drain_then;
    step(p->loop);
}

TEST(loop, what_an_inner_turn_has_served_is_not_served_again)
{
    EACH_BACKEND(loop) {
        probe p, q;
        probe_open(&p, loop);
        probe_open(&q, loop);
        p.then = q.then = step_once_inside;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        REQUIRE_OK(pk_watch_add(loop, &q.watch, true, false, NULL));
        probe_feed(&p);
        probe_feed(&q);
        step(loop); // the first steps, the second is called in there and steps in turn: nobody is left
        CHECK_INT(p.calls, ==, 1);
        CHECK_INT(q.calls, ==, 1);
        probe_close(&p);
        probe_close(&q);
    }
}

static void remove_then_step(probe *p)
{
    pk_watch_remove(p->loop, &p->watch);
    step(p->loop);
    p->then = NULL;
    REQUIRE_OK(pk_watch_add(p->loop, &p->watch, true, false, NULL));
    step(p->loop);
}

TEST(loop, a_callback_may_remove_itself_and_come_back_while_it_runs)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        p.then = remove_then_step;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        probe_feed(&p);
        step(loop);
        CHECK_INT(p.calls, ==, 2);
        step(loop);
        CHECK_INT(p.calls, ==, 3);
        probe_close(&p);
    }
}

static void change_then_step(probe *p)
{
    step(p->loop); // silences it
    REQUIRE_OK(pk_watch_set(p->loop, &p->watch, false, true, NULL));
    step(p->loop);
    p->then = NULL;
}

TEST(loop, a_change_made_while_silent_counts_afterwards)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        p.then = change_then_step;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        probe_feed(&p);
        step(loop);
        CHECK_INT(p.calls, ==, 1);
        step(loop);
        CHECK_INT(p.reads, ==, 1);
        CHECK_INT(p.writes, ==, 1);
        probe_close(&p);
    }
}

static void destroy_loop(probe *p)
{
    pk_loop_destroy(p->loop);
}

TEST(loop, can_be_destroyed_from_inside)
{
    for (size_t i = 0; i < PK__COUNT(backends); i++) {
        CASE("%s", backends[i].name) {
            probe p, q, r;
            pk_loop *loop = loop_with(i);
            probe_open(&p, loop);
            probe_open(&q, loop);
            probe_open(&r, loop);
            r.timer.on_time = probe_run;
            p.then = q.then = destroy_loop;
            REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
            REQUIRE_OK(pk_watch_add(loop, &q.watch, true, false, NULL));
            REQUIRE_OK(pk_timer_start(loop, &r.timer, 100000, NULL));
            pk_loop_post(loop, &r.task);
            probe_feed(&p);
            probe_feed(&q);
            REQUIRE_OK(pk_loop_step(loop, -1, NULL));
            CHECK_INT(p.calls + q.calls, ==, 1);
            CHECK_INT(r.calls, ==, 0);
            probe_close(&p); // what was added knows that the loop is gone
            probe_close(&q);
            probe_close(&r);
        }
    }
}

/* ---- timers */

static int order[64], order_count;

static void note(void *user)
{
    order[order_count++] = (int)(intptr_t)user;
}

TEST(loop, timers_run_once_and_in_order)
{
    static const uint32_t delays[] = {50, 10, 40, 20, 30, 60, 15, 5};
    EACH_BACKEND(loop) {
        pk_timer timers[8] = {{0}};
        pk__clock_fake(1000);
        order_count = 0;
        for (int i = 0; i < 8; i++) {
            timers[i].on_time = note;
            timers[i].user = (void *)(intptr_t)delays[i];
            REQUIRE_OK(pk_timer_start(loop, &timers[i], delays[i], NULL));
        }
        pk_timer_stop(loop, &timers[2]);
        pk_timer_stop(loop, &timers[2]);
        REQUIRE_OK(pk_timer_start(loop, &timers[5], 1, NULL)); // moves it to the front
        step(loop);
        CHECK_INT(order_count, ==, 0);
        pk__clock_advance(49 * PK__MS);
        step(loop);
        CHECK_INT(order_count, ==, 6);
        pk__clock_advance(1 * PK__MS);
        step(loop);
        static const int expected[] = {60, 5, 10, 15, 20, 30, 50};
        CHECK_INT(order_count, ==, 7);
        CHECK_MEM(order, expected, sizeof(expected));
        pk__clock_advance(1000 * PK__MS);
        step(loop);
        CHECK_INT(order_count, ==, 7);
        CHECK(!pk__timer_is_running(&timers[0]));
        pk__clock_real();
    }
}

TEST(loop, a_thousand_timers_keep_their_order)
{
    EACH_BACKEND(loop) {
        enum { COUNT = 1000 };
        static pk_timer timers[COUNT];
        static int64_t last;
        uint64_t random = 12345;
        memset(timers, 0, sizeof(timers));
        pk__clock_fake(1000);
        for (int i = 0; i < COUNT; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            timers[i].on_time = note;
            REQUIRE_OK(pk_timer_start(loop, &timers[i], (uint32_t)(random >> 40) % 5000, NULL));
        }
        for (int i = 0; i < COUNT; i += 3) {
            pk_timer_stop(loop, &timers[i]);
        }
        for (int i = 1; i < COUNT; i += 3) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            REQUIRE_OK(pk_timer_start(loop, &timers[i], (uint32_t)(random >> 40) % 5000, NULL));
        }
        last = 0;
        while (loop->timer_count > 0) {
            CHECK(loop->timers[0]->pk__at >= last);
            last = loop->timers[0]->pk__at;
            pk_timer_stop(loop, loop->timers[0]);
        }
        pk__clock_real();
    }
}

static void start_again(probe *p)
{
    REQUIRE_OK(pk_timer_start(p->loop, &p->timer, 0, NULL));
}

TEST(loop, a_timer_that_starts_itself_again_does_not_hold_up_the_turn)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        pk__clock_fake(1000);
        p.then = start_again;
        REQUIRE_OK(pk_timer_start(loop, &p.timer, 0, NULL));
        step(loop);
        CHECK_INT(p.calls, ==, 1);
        step(loop);
        CHECK_INT(p.calls, ==, 2);
        probe_close(&p);
        pk__clock_real();
    }
}

TEST(loop, waits_for_a_timer_without_spinning)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        pk__sys_reset();
        REQUIRE_OK(pk_timer_start(loop, &p.timer, 30, NULL));
        while (p.calls == 0) {
            REQUIRE_OK(pk_loop_step(loop, -1, NULL));
        }
        CHECK_UINT(waits(), <=, 3);
        probe_close(&p);
    }
}

#ifdef PK__LINUX
static void drain_and_delay(probe *p)
{
    probe_drain(p);
    REQUIRE_OK(pk_timer_start(p->loop, &p->timer, 60000, NULL));
}

TEST(loop, a_deadline_that_moves_away_costs_no_system_calls)
{
    pk_loop *loop = NULL;
    probe p;
    REQUIRE_OK(pk__loop_create(&loop, test_alloc(), pk__loop_epoll(), NULL));
    probe_open(&p, loop);
    p.then = drain_and_delay;
    REQUIRE_OK(pk_timer_start(loop, &p.timer, 60000, NULL));
    REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
    pk__sys_reset();
    for (int i = 0; i < 10; i++) {
        probe_feed(&p);
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
    }
    CHECK_INT(p.calls, ==, 10);
    CHECK_UINT(pk__sys_count.timerfd_settime, ==, 1);
    CHECK_UINT(pk__sys_count.epoll_wait, ==, 10);
    probe_close(&p);
    pk_loop_destroy(loop);
}

TEST(loop, an_alarm_that_comes_too_early_is_set_again)
{
    pk_loop *loop = NULL;
    probe p, q;
    REQUIRE_OK(pk__loop_create(&loop, test_alloc(), pk__loop_epoll(), NULL));
    probe_open(&p, loop);
    probe_open(&q, loop);
    uint32_t slow = getenv("TEST_VALGRIND") ? 20 : 1; // the first step has to end before the first of them
    REQUIRE_OK(pk_timer_start(loop, &p.timer, 25 * slow, NULL));
    REQUIRE_OK(pk_timer_start(loop, &q.timer, 75 * slow, NULL));
    pk__sys_reset();
    probe_feed(&p);
    REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
    REQUIRE_OK(pk_loop_step(loop, -1, NULL)); // it is armed now, for p
    pk_watch_remove(loop, &p.watch);
    pk_timer_stop(loop, &p.timer);
    while (q.calls == 0) {
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
    }
    CHECK_INT(p.calls, ==, 1);
    CHECK_UINT(waits(), <=, 6);
    probe_close(&p);
    probe_close(&q);
    pk_loop_destroy(loop);
}

static int no_timerfd(clockid_t id, int flags)
{
    (void)id, (void)flags;
    errno = EMFILE;
    return -1;
}

TEST(loop, without_an_alarm_it_waits_by_timeouts)
{
    pk_loop *loop = NULL;
    probe p;
    pk__sys.timerfd_create = no_timerfd;
    REQUIRE_OK(pk__loop_create(&loop, test_alloc(), pk__loop_epoll(), NULL));
    pk__sys_reset();
    probe_open(&p, loop);
    REQUIRE_OK(pk_timer_start(loop, &p.timer, 30, NULL));
    while (p.calls == 0) {
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
    }
    CHECK_UINT(pk__sys_count.timerfd_settime, ==, 0);
    CHECK_UINT(waits(), <=, 3);
    probe_close(&p);
    pk_loop_destroy(loop);
}
#endif

TEST(loop, nothing_waits_while_the_clock_is_faked)
{
    EACH_BACKEND(loop) {
        pk__clock_fake(PK__SECOND);
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
        REQUIRE_OK(pk_loop_step(loop, 100000, NULL));
        pk__clock_real();
    }
}

/* ---- tasks */

TEST(loop, tasks_run_once_in_the_order_they_were_posted)
{
    EACH_BACKEND(loop) {
        pk_task tasks[5] = {{0}};
        order_count = 0;
        for (int i = 0; i < 5; i++) {
            tasks[i].run = note;
            tasks[i].user = (void *)(intptr_t)i;
            pk_loop_post(loop, &tasks[i]);
            pk_loop_post(loop, &tasks[i]);
        }
        pk_loop_unpost(loop, &tasks[4]); // the last,
        pk_loop_unpost(loop, &tasks[0]); // the first,
        pk_loop_unpost(loop, &tasks[2]); // one in between
        pk_loop_unpost(loop, &tasks[2]);
        pk_loop_post(loop, &tasks[4]);
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
        static const int expected[] = {1, 3, 4};
        CHECK_INT(order_count, ==, 3);
        CHECK_MEM(order, expected, sizeof(expected));
    }
}

static void post_again(probe *p)
{
    pk_loop_post(p->loop, &p->task);
}

TEST(loop, a_task_that_posts_itself_runs_once_a_turn)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        p.then = post_again;
        pk_loop_post(loop, &p.task);
        for (int i = 0; i < 4; i++) {
            REQUIRE_OK(pk_loop_step(loop, -1, NULL)); // does not sleep: there is always one more
        }
        CHECK_INT(p.calls, ==, 4);
        pk_loop_unpost(loop, &p.task);
        probe_close(&p);
    }
}

typedef struct poster {
    pk__thread thread;
    pk_loop *loop;
    pk_task task;
    pk__atomic_u32 runs;
    int times;
} poster;

static void poster_run(void *user)
{
    (void)pk__atomic_add(&((poster *)user)->runs, 1);
}

static void poster_main(void *arg)
{
    poster *p = (poster *)arg;
    for (int i = 0; i < p->times; i++) {
        uint32_t before = pk__atomic_load(&p->runs);
        pk_loop_post(p->loop, &p->task);
        WAIT_UNTIL(pk__atomic_load(&p->runs) != before); // a lost wake-up hangs here
    }
}

TEST(loop, posts_of_other_threads_always_wake_it)
{
    EACH_BACKEND(loop) {
        enum { THREADS = 4, TIMES = 300 };
        poster posters[THREADS];
        uint32_t runs = 0;
        for (int i = 0; i < THREADS; i++) {
            memset(&posters[i], 0, sizeof(posters[i]));
            posters[i].loop = loop;
            posters[i].times = TIMES;
            posters[i].task.run = poster_run;
            posters[i].task.user = &posters[i];
            REQUIRE_OK(pk__thread_start(&posters[i].thread, poster_main, &posters[i], NULL));
        }
        while (runs < THREADS * TIMES) {
            REQUIRE_OK(pk_loop_step(loop, -1, NULL));
            runs = 0;
            for (int i = 0; i < THREADS; i++) {
                runs += pk__atomic_load(&posters[i].runs);
            }
        }
        for (int i = 0; i < THREADS; i++) {
            pk__thread_join(&posters[i].thread);
        }
    }
}

/* ---- waiting awake */

enum { FOR_LONG_NS = 2000000000 }; // nobody looks that long here

typedef struct caller_of_loop {
    pk__thread thread;
    pk_loop *loop;
    pk_task task;
    int fd, what; // 0: writes to fd, 1: posts, 2: wakes
} caller_of_loop;

static void caller_main(void *arg)
{
    caller_of_loop *c = (caller_of_loop *)arg;
    pk__thread_nap(5 * PK__MS); // as a rule it looks by then, and what it does must not depend on that
    if (c->what == 0) {
        REQUIRE(write(c->fd, "x", 1) == 1);
    } else if (c->what == 1) {
        pk_loop_post(c->loop, &c->task);
    } else {
        pk_loop_wake(c->loop);
    }
}

TEST(loop, finds_bytes_tasks_and_wakes_while_it_looks)
{
    EACH_BACKEND(loop) {
        for (int what = 0; what < 3; what++) {
            probe p;
            caller_of_loop c;
            probe_open(&p, loop);
            REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
            memset(&c, 0, sizeof(c));
            c.loop = loop;
            c.task = p.task;
            c.fd = p.fds[1];
            c.what = what;
            loop->spin = (pk__spin){FOR_LONG_NS, 0, 0};
            REQUIRE_OK(pk__thread_start(&c.thread, caller_main, &c, NULL));
            REQUIRE_OK(pk_loop_step(loop, -1, NULL));
            CHECK_INT(p.calls, ==, what < 2);
            CHECK_UINT(loop->spin.last, ==, 0); // found, and not slept for
            pk__thread_join(&c.thread);
            probe_drain(&p);
            probe_close(&p);
        }
    }
}

TEST(loop, looks_no_longer_than_it_may_and_sleeps_then)
{
    EACH_BACKEND(loop) {
        probe p;
        probe_open(&p, loop);
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        loop->spin = (pk__spin){FOR_LONG_NS, 0, 0};
        REQUIRE_OK(pk_timer_start(loop, &p.timer, 3, NULL));
        while (p.calls == 0) { // a timer that is due ends it
            REQUIRE_OK(pk_loop_step(loop, -1, NULL));
        }
        CHECK_UINT(loop->spin.last, >, 0);
        loop->spin = (pk__spin){1000, 0, 0};
        REQUIRE_OK(pk_timer_start(loop, &p.timer, 60, NULL));
        pk__sys_reset();
        while (p.calls == 1) { // some looks of a microsecond, and then one sleep
            REQUIRE_OK(pk_loop_step(loop, -1, NULL));
        }
        CHECK_UINT(waits(), <, 1000);
        CHECK_UINT(loop->spin.last, >, 0);
        REQUIRE_OK(pk_loop_step(loop, 0, NULL)); // who does not wait does not look
        probe_close(&p);
    }
}

TEST(loop, a_wake_ends_a_wait_and_many_are_one_call)
{
    EACH_BACKEND(loop) {
        pk__sys_reset();
        for (int i = 0; i < 10; i++) {
            pk_loop_wake(loop);
        }
        CHECK_UINT(pk__sys_count.write, ==, 1);
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
        pk_loop_wake(loop);
        CHECK_UINT(pk__sys_count.write, ==, 2);
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
    }
}

static int bad_writes; // so many fail now

static ssize_t write_badly(int fd, const void *buf, size_t len)
{
    if (bad_writes > 0) {
        bad_writes--;
        errno = EIO;
        return -1;
    }
    return write(fd, buf, len);
}

TEST(loop, a_wake_that_fails_is_tried_again)
{
    EACH_BACKEND(loop) {
        for (int bad = 1; bad <= 64; bad += 63) {
            int timeout_ms;
            pk_fd fd;
            bad_writes = bad;
            pk__sys.write = write_badly;
            errno = ENOENT;
            pk_loop_wake(loop);
            CHECK_INT(errno, ==, ENOENT);
            CHECK_INT(bad_writes, ==, 0);
            CHECK_UINT(pk_loop_fds(loop, &fd, 1, &timeout_ms), ==, 1);
            struct pollfd set = {fd.fd, POLLIN, 0};
            REQUIRE(poll(&set, 1, 0) == 1); // otherwise who sleeps there sleeps on
            REQUIRE_OK(pk_loop_step(loop, -1, NULL));
        }
        pk__sys_reset();
    }
}

static void post_other(probe *p)
{
    pk_loop_post(p->loop, &p->other->task);
}

TEST(loop, posting_from_inside_a_turn_makes_no_system_call)
{
    EACH_BACKEND(loop) {
        probe p, q;
        probe_open(&p, loop);
        probe_open(&q, loop);
        p.other = &q;
        p.then = post_other;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        probe_feed(&p);
        pk__sys_reset();
        step(loop);
        CHECK_INT(q.calls, ==, 1); // tasks come last: the same turn
        CHECK_UINT(pk__sys_count.write, ==, 0);
        probe_close(&p);
        probe_close(&q);
    }
}

/* ---- in a poll loop of somebody else */

static int foreign_poll(pk_loop *loop)
{
    pk_fd want[32];
    struct pollfd set[32];
    int timeout_ms = 0;
    size_t n = pk_loop_fds(loop, want, 32, &timeout_ms);
    REQUIRE(n <= 32);
    for (size_t i = 0; i < n; i++) {
        set[i].fd = want[i].fd;
        set[i].events = (short)((want[i].read ? POLLIN : 0) | (want[i].write ? POLLOUT : 0));
    }
    return poll(set, (nfds_t)n, timeout_ms);
}

TEST(loop, can_be_driven_by_a_foreign_poll)
{
    EACH_BACKEND(loop) {
        probe p, q;
#ifdef LIBKQUEUE // its descriptor is no kernel's: it cannot be polled
        if (strcmp(loop->backend->name, "kqueue") == 0) {
            continue;
        }
#endif
        int timeout_ms = 0;
        poster t = {0};
        probe_open(&p, loop);
        probe_open(&q, loop);
        CHECK_UINT(pk_loop_fds(loop, NULL, 0, &timeout_ms), >=, 1);
        CHECK_INT(timeout_ms, ==, -1);
        p.then = drain_then;
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        REQUIRE_OK(pk_watch_add(loop, &q.watch, false, false, NULL));
        probe_feed(&p);
        CHECK_INT(foreign_poll(loop), ==, 1);
        step(loop);
        CHECK_INT(p.calls, ==, 1);

        REQUIRE_OK(pk_timer_start(loop, &p.timer, 20, NULL));
        while (p.calls == 1) {
            (void)foreign_poll(loop);
            step(loop);
        }

        t.loop = loop;
        t.times = 50;
        t.task.run = poster_run;
        t.task.user = &t;
        REQUIRE_OK(pk__thread_start(&t.thread, poster_main, &t, NULL));
        while (pk__atomic_load(&t.runs) < 50) {
            CHECK_INT(foreign_poll(loop), >=, 0);
            step(loop);
        }
        pk__thread_join(&t.thread);

        pk_loop_post(loop, &q.task);
        (void)pk_loop_fds(loop, NULL, 0, &timeout_ms);
        CHECK_INT(timeout_ms, ==, 0);
        pk_loop_unpost(loop, &q.task);
        probe_close(&p);
        probe_close(&q);
    }
}

/* ---- what goes wrong */

TEST(loop, in_a_forked_child_it_is_refused_and_the_parent_keeps_its_events)
{
    EACH_BACKEND(loop) {
        probe p;
        int status = 0;
        pid_t pid;
        probe_open(&p, loop);
        REQUIRE_OK(pk_watch_add(loop, &p.watch, true, false, NULL));
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            bool good = pk_loop_step(loop, 0, NULL) == PK_ERR_MISUSE && pk__loop_is_forked(loop);
            pk_loop_wake(loop);
            pk_watch_set(loop, &p.watch, false, false, NULL);
            pk_watch_remove(loop, &p.watch);
            good = good && pk_watch_add(loop, &p.watch, true, false, NULL) == PK_ERR_MISUSE;
            pk_loop_destroy(loop);
            _exit(good ? 0 : 1);
        }
        REQUIRE(waitpid(pid, &status, 0) == pid);
        CHECK_INT(status, ==, 0);
        probe_feed(&p);
        step(loop);
        CHECK_INT(p.reads, ==, 1);
        probe_close(&p);
    }
}

static int eintr_left;

static bool is_interrupted(void)
{
    errno = EINTR;
    return eintr_left-- > 0;
}

static int poll_interrupted(struct pollfd *set, nfds_t count, int timeout_ms)
{
    return is_interrupted() ? -1 : poll(set, count, timeout_ms);
}

#ifdef PK__LINUX
static int epoll_interrupted(int fd, struct epoll_event *out, int cap, int timeout_ms)
{
    return is_interrupted() ? -1 : epoll_wait(fd, out, cap, timeout_ms);
}
#endif

#ifdef PK__KQUEUE
static int kevent_interrupted(int fd, const struct kevent *changes, int count, struct kevent *out, int cap,
                              const struct timespec *timeout)
{
    return is_interrupted() ? -1 : kevent(fd, changes, count, out, cap, timeout);
}
#endif

TEST(loop, an_interrupted_wait_is_no_error)
{
    EACH_BACKEND(loop) {
        pk__sys.poll = poll_interrupted;
#ifdef PK__LINUX
        pk__sys.epoll_wait = epoll_interrupted;
#endif
#ifdef PK__KQUEUE
        pk__sys.kevent = kevent_interrupted;
#endif
        eintr_left = 1;
        CHECK_OK(pk_loop_step(loop, 0, NULL));
        CHECK_INT(eintr_left, ==, 0);
        pk__sys_reset();
    }
}

static void step_from_thread(void *arg)
{
    probe *p = (probe *)arg;
    p->calls = pk_loop_step(p->loop, 0, NULL);
}

static void step_elsewhere(probe *p)
{
    pk__thread thread;
    REQUIRE_OK(pk__thread_start(&thread, step_from_thread, p->other, NULL));
    pk__thread_join(&thread);
}

TEST(loop, a_second_thread_may_not_step_it)
{
    EACH_BACKEND(loop) {
        probe p, q;
        probe_open(&p, loop);
        probe_open(&q, loop);
        p.then = step_elsewhere;
        p.other = &q;
        pk_loop_post(loop, &p.task);
        step(loop);
        CHECK_INT(q.calls, ==, PK_ERR_MISUSE);
        probe_close(&p);
        probe_close(&q);
    }
}

#if defined(PK__LINUX) || defined(PK__KQUEUE)
#ifdef PK__LINUX
static int best_missing(int flags)
{
    (void)flags;
    errno = ENOSYS;
    return -1;
}
#define BEST "epoll"
#define BEST_CALL epoll_create1
#else
static int best_missing(void)
{
    errno = ENOSYS;
    return -1;
}
#define BEST "kqueue"
#define BEST_CALL kqueue
#endif

TEST(loop, takes_the_best_of_the_system_and_says_what_it_lacks)
{
    pk_loop *loop = NULL;
    pk_error err = {0};
    pk__sys.BEST_CALL = best_missing;
    CHECK_ERR(pk_loop_create(&loop, test_alloc(), &err), PK_ERR_OS);
    CHECK_CONTAINS(err.msg, "cannot create a loop");
    CHECK_INT(err.sys_errno, ==, ENOSYS);
    CHECK(!loop);
    pk__sys_reset();
    REQUIRE_OK(pk_loop_create(&loop, NULL, NULL));
    CHECK_STR(loop->backend->name, BEST);
    pk_loop_destroy(loop);
    pk_loop_destroy(NULL);
}
#endif

static void torture_backend(const pk__loop_backend *backend)
{
    pk_loop *loop = NULL;
    probe p[12];
    int opened = 0;
    if (!TRY_OK(pk__loop_create(&loop, test_alloc(), backend, NULL))) {
        return;
    }
    while (opened < 12) {
        probe *q = &p[opened];
        memset(q, 0, sizeof(*q));
        q->loop = loop;
        if (!TRY_OK(pk__fd_socketpair(q->fds, NULL))) {
            break;
        }
        opened++;
        q->watch.fd = q->fds[0];
        q->watch.on_ready = probe_ready;
        q->timer.on_time = probe_run;
        q->watch.user = q->timer.user = q;
        if (!TRY_OK(pk_watch_add(loop, &q->watch, true, false, NULL)) ||
            !TRY_OK(pk_timer_start(loop, &q->timer, 0, NULL))) {
            break;
        }
    }
    (void)TRY_OK(pk_loop_step(loop, 0, NULL));
    for (int i = 0; i < opened; i++) {
        probe_close(&p[i]);
    }
    pk_loop_destroy(loop);
}

TEST_TORTURE(loop, survives_each_failure)
{
    for (size_t i = 0; i < PK__COUNT(backends); i++) {
        torture_backend(backends[i].get());
    }
}
