/* test_work.c - idleness: what holds it off, and when it comes. The clock is ours. */
#include "unit.h"

static int idles;

static void on_idle(void *user)
{
    (void)user;
    idles++;
}

static pk_loop *loop_at(int64_t ns)
{
    pk_loop *loop = NULL;
    pk__clock_fake(ns);
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    return loop;
}

/* Lets so much time pass, in steps small enough for every timer. */
static void pass(pk_loop *loop, int64_t seconds)
{
    for (int64_t i = 0; i < seconds * 2; i++) {
        pk__clock_advance(PK__SECOND / 2);
        CHECK_OK(pk_loop_step(loop, 0, NULL));
    }
}

static void finish(pk__work *w, pk_loop *loop)
{
    pk__work_stop(w);
    pk_loop_destroy(loop);
    pk__clock_real();
}

TEST(work, ends_after_the_whole_time_without_any)
{
    pk__work w = {0};
    pk_loop *loop = loop_at(PK__SECOND);
    CHECK_OK(pk__work_start(&w, loop, 10 * PK__SECOND, on_idle, NULL, NULL));
    pass(loop, 9);
    CHECK_INT(idles, ==, 0);
    pass(loop, 2);
    CHECK_INT(idles, ==, 1);
    pass(loop, 100);
    CHECK_INT(idles, ==, 1); // told once
    finish(&w, loop);
}

TEST(work, counts_from_the_end_of_the_last_request)
{
    pk__work w = {0};
    pk_loop *loop = loop_at(PK__SECOND);
    CHECK_OK(pk__work_start(&w, loop, 10 * PK__SECOND, on_idle, NULL, NULL));
    pass(loop, 8);
    pk__work_change(&w, 1);
    pk__work_change(&w, -1);
    pass(loop, 9);
    CHECK_INT(idles, ==, 0);
    pass(loop, 2);
    CHECK_INT(idles, ==, 1);
    finish(&w, loop);
}

TEST(work, is_held_off_by_any_request_however_long)
{
    pk__work w = {0};
    pk_loop *loop = loop_at(PK__SECOND);
    CHECK_OK(pk__work_start(&w, loop, 10 * PK__SECOND, on_idle, NULL, NULL));
    pk__work_change(&w, 1);
    pk__work_change(&w, 1);
    pass(loop, 35);
    pk__work_change(&w, -1); // one is still running
    pass(loop, 35);
    CHECK_INT(idles, ==, 0);
    pk__work_change(&w, -1);
    pass(loop, 9);
    CHECK_INT(idles, ==, 0);
    pass(loop, 11); // at most one timeout later
    CHECK_INT(idles, ==, 1);
    finish(&w, loop);
}

TEST(work, sees_a_request_that_comes_in_the_last_moment)
{
    pk__work w = {0};
    pk_loop *loop = loop_at(PK__SECOND);
    CHECK_OK(pk__work_start(&w, loop, 10 * PK__SECOND, on_idle, NULL, NULL));
    pk__clock_advance(10 * PK__SECOND);
    CHECK_OK(pk_loop_step(loop, 0, NULL)); // the timer fires, and behind it the request is seen
    pk__work_change(&w, 1);
    pk__work_change(&w, -1);
    pass(loop, 9);
    CHECK_INT(idles, ==, 0);
    pass(loop, 2);
    CHECK_INT(idles, ==, 1);
    finish(&w, loop);
}

TEST(work, never_ends_without_a_timeout)
{
    pk__work w = {0};
    pk_loop *loop = loop_at(PK__SECOND);
    CHECK_OK(pk__work_start(&w, loop, 0, on_idle, NULL, NULL));
    pass(loop, 1000);
    CHECK_INT(idles, ==, 0);
    finish(&w, loop);
    pk__work_stop(&(pk__work){0});
}
