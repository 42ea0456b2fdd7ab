/* test_firmware.c - the lowest layers with everything left out: no processes, sockets, files or threads. */
#define UNIT_WHOLE
#define PLUGKIT_NO_PROCESS
#define PLUGKIT_NO_NET
#define PLUGKIT_NO_FILES
#define PLUGKIT_NO_THREADS
#include "unit.h"

static int runs;

static void count(void *user)
{
    (void)user;
    runs++;
}

static void nothing(void *user)
{
    (void)user;
}

TEST(firmware, a_loop_never_sleeps)
{
    pk_loop *loop = NULL;
    pk_timer timer = {.on_time = count};
    pk_task task = {.run = count};
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    REQUIRE_OK(pk_loop_step(loop, -1, NULL)); // nothing could ever wake it
    pk_loop_wake(loop);
    pk__clock_fake(PK__SECOND);
    REQUIRE_OK(pk_timer_start(loop, &timer, 5, NULL));
    REQUIRE_OK(pk_loop_step(loop, -1, NULL));
    CHECK_INT(runs, ==, 0);
    pk__clock_advance(5 * PK__MS);
    pk_loop_post(loop, &task); // as an interrupt does
    REQUIRE_OK(pk_loop_step(loop, 0, NULL));
    CHECK_INT(runs, ==, 2);
    pk__clock_real();
    pk_loop_destroy(loop);
}

TEST(firmware, what_is_not_there_says_so)
{
    pk__thread thread = {0};
    pk_error err = {0};
    char token[PK__TOKEN_LEN + 1];
    CHECK_ERR(pk__thread_start(&thread, nothing, NULL, &err), PK_ERR_UNSUPPORTED);
    pk__thread_join(&thread);
    CHECK(!pk__thread_is_self(&thread));
    CHECK_ERR(pk__random_token(token, &err), PK_ERR_UNSUPPORTED);
    CHECK(pk__random_u64() != pk__random_u64()); // jitter needs no system
}

TEST(firmware, locks_and_conditions_do_nothing)
{
    pk__mutex lock;
    pk__cond changed;
    pk__mutex_init(&lock);
    pk__cond_init(&changed);
    pk__mutex_lock(&lock);
    CHECK(pk__cond_wait(&changed, &lock, PK_FOREVER));
    CHECK(!pk__cond_wait(&changed, &lock, 1));
    pk__cond_signal(&changed);
    pk__cond_broadcast(&changed);
    pk__mutex_unlock(&lock);
    pk__cond_deinit(&changed);
    pk__mutex_deinit(&lock);
}
