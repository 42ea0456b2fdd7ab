/* test_loop_idle.c - the loop of a build without processes, sockets and files, but with threads. */
#define UNIT_WHOLE
#define PLUGKIT_NO_PROCESS
#define PLUGKIT_NO_NET
#define PLUGKIT_NO_FILES
#include "unit.h"

static int runs;

static void count(void *user)
{
    (void)user;
    runs++;
}

static pk_loop *new_loop(void)
{
    pk_loop *loop = NULL;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    CHECK_STR(loop->backend->name, "idle");
    return loop;
}

TEST(loop_idle, sleeps_until_a_timer_is_due)
{
    pk_loop *loop = new_loop();
    pk_timer timer = {.on_time = count};
    int turns = 0;
    REQUIRE_OK(pk_timer_start(loop, &timer, 10, NULL));
    for (; runs == 0; turns++) {
        REQUIRE_OK(pk_loop_step(loop, -1, NULL));
    }
    CHECK_INT(turns, <=, 2); // it slept, it did not spin
    pk_loop_destroy(loop);
}

typedef struct other {
    pk_loop *loop;
    pk_task task;
} other;

static void post_main(void *arg)
{
    other *o = (other *)arg;
    pk_loop_post(o->loop, &o->task);
}

TEST(loop_idle, wakes_for_other_threads)
{
    other o = {new_loop(), {.run = count}};
    for (int i = 1; i <= 50; i++) {
        pk__thread thread;
        REQUIRE_OK(pk__thread_start(&thread, post_main, &o, NULL));
        while (runs < i) {
            REQUIRE_OK(pk_loop_step(o.loop, -1, NULL));
        }
        pk__thread_join(&thread);
    }
    pk_loop_wake(o.loop);
    REQUIRE_OK(pk_loop_step(o.loop, -1, NULL));
    pk_loop_destroy(o.loop);
}

TEST(loop_idle, has_no_descriptors)
{
    pk_loop *loop = new_loop();
    pk_watch watch = {.fd = 1};
    pk_error err = {0};
    int timeout_ms = 7;
    CHECK_UINT(pk_loop_fds(loop, NULL, 0, &timeout_ms), ==, 0);
    CHECK_INT(timeout_ms, ==, -1);
    CHECK_ERR(pk_watch_add(loop, &watch, true, false, &err), PK_ERR_UNSUPPORTED);
    CHECK_CONTAINS(err.msg, "cannot watch descriptor 1");
    pk_watch_remove(loop, &watch);
    pk_loop_destroy(loop);
}

TEST_TORTURE(loop_idle, survives_each_failure)
{
    pk_loop *loop = NULL;
    pk_timer timer = {.on_time = count};
    if (TRY_OK(pk_loop_create(&loop, test_alloc(), NULL))) {
        (void)TRY_OK(pk_timer_start(loop, &timer, 0, NULL));
        CHECK_OK(pk_loop_step(loop, 0, NULL));
        pk_loop_destroy(loop);
    }
}
