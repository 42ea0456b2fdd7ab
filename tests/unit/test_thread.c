/* test_thread.c - threads, locks, conditions, and what a forked child is told. */
#include "unit.h"

typedef struct shared {
    pk__mutex lock;
    pk__cond changed;
    pk__thread threads[4];
    int count, seen;
    bool is_self, signals_blocked;
    uintptr_t self;
} shared;

static void count_main(void *arg)
{
    shared *s = (shared *)arg;
    for (int i = 0; i < 1000; i++) {
        pk__mutex_lock(&s->lock);
        s->count++;
        pk__mutex_unlock(&s->lock);
    }
    pk__mutex_lock(&s->lock);
    pk__cond_broadcast(&s->changed);
    pk__mutex_unlock(&s->lock);
}

TEST(thread, locks_exclude_and_conditions_wake)
{
    shared s = {0};
    pk__mutex_init(&s.lock);
    pk__cond_init(&s.changed);
    for (int i = 0; i < 4; i++) {
        REQUIRE_OK(pk__thread_start(&s.threads[i], count_main, &s, NULL));
    }
    pk__mutex_lock(&s.lock);
    while (s.count < 4000) {
        CHECK(pk__cond_wait(&s.changed, &s.lock, PK_FOREVER));
    }
    pk__mutex_unlock(&s.lock);
    for (int i = 0; i < 4; i++) {
        pk__thread_join(&s.threads[i]);
        pk__thread_join(&s.threads[i]); // once more: does nothing
    }
    pk__cond_deinit(&s.changed);
    pk__mutex_deinit(&s.lock);
    pk__cond_deinit(&s.changed);
    pk__mutex_deinit(&s.lock);
}

TEST(thread, waiting_has_an_end)
{
    shared s = {0};
    int64_t until = pk__clock_ns() + 5 * PK__MS;
    pk__mutex_init(&s.lock);
    pk__cond_init(&s.changed);
    pk__mutex_lock(&s.lock);
    while (pk__cond_wait(&s.changed, &s.lock, until)) {
    }
    CHECK(pk__clock_ns() >= until);
    CHECK(!pk__cond_wait(&s.changed, &s.lock, 1)); // long ago
    s.changed.made = false;                        // where the system had no condition to give, it looks again
    until = pk__clock_ns() + 3 * PK__MS;
    while (pk__cond_wait(&s.changed, &s.lock, until)) {
    }
    s.changed.made = true;
    pk__mutex_unlock(&s.lock);
    pk__cond_deinit(&s.changed);
    pk__mutex_deinit(&s.lock);
}

static void advance_main(void *arg)
{
    (void)arg;
    pk__clock_advance(PK__SECOND);
}

TEST(thread, waiting_goes_by_the_faked_clock)
{
    shared s = {0};
    pk__mutex_init(&s.lock);
    pk__cond_init(&s.changed);
    pk__clock_fake(PK__SECOND);
    pk__mutex_lock(&s.lock);
    REQUIRE_OK(pk__thread_start(&s.threads[0], advance_main, NULL, NULL));
    while (pk__cond_wait(&s.changed, &s.lock, 2 * PK__SECOND)) {
    }
    pk__mutex_unlock(&s.lock);
    pk__thread_join(&s.threads[0]);
    pk__clock_real();
    pk__cond_deinit(&s.changed);
    pk__mutex_deinit(&s.lock);
}

static void look_main(void *arg)
{
    shared *s = (shared *)arg;
    sigset_t set;
    s->is_self = pk__thread_is_self(&s->threads[0]) && !pk__thread_is_self(&s->threads[1]);
    s->self = pk__thread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    s->signals_blocked = sigismember(&set, SIGINT) == 1 && sigismember(&set, SIGTERM) == 1 &&
                         sigismember(&set, SIGCHLD) == 1;
}

TEST(thread, knows_itself_and_leaves_signals_to_the_program)
{
    shared s = {0};
    sigset_t set;
    REQUIRE_OK(pk__thread_start(&s.threads[0], look_main, &s, NULL));
    CHECK(!pk__thread_is_self(&s.threads[0]));
    pk__thread_join(&s.threads[0]);
    CHECK(s.is_self);
    CHECK(s.signals_blocked);
    CHECK(s.self != 0 && s.self != pk__thread_self());
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    CHECK_INT(sigismember(&set, SIGINT), ==, 0); // ours is as it was
}

static void forget_main(void *arg)
{
    shared *s = (shared *)arg;
    pk__thread_forget(&s->threads[0]);
    pk__mutex_lock(&s->lock);
    s->seen = 1;
    pk__cond_signal(&s->changed);
    pk__mutex_unlock(&s->lock);
}

static void wait_main(void *arg)
{
    shared *s = (shared *)arg;
    pk__mutex_lock(&s->lock);
    s->seen = 1;
    while (s->count == 0) {
        (void)pk__cond_wait(&s->changed, &s->lock, PK_FOREVER);
    }
    pk__mutex_unlock(&s->lock);
}

TEST(thread, a_condition_that_somebody_waits_for_can_be_freed_in_a_forked_child)
{
    shared s = {0};
    pk__mutex_init(&s.lock);
    pk__cond_init(&s.changed);
    REQUIRE_OK(pk__thread_start(&s.threads[0], wait_main, &s, NULL));
    pk__mutex_lock(&s.lock);
    while (!s.seen) { // from then on the lock is free only while it waits
        pk__mutex_unlock(&s.lock);
        pk__thread_nap(PK__MS);
        pk__mutex_lock(&s.lock);
    }
    pid_t child = fork();
    if (child == 0) {
        pk__cond_deinit(&s.changed); // the system would wait for a thread that is not here
        _exit(0);
    }
    s.count = 1;
    pk__cond_broadcast(&s.changed);
    pk__mutex_unlock(&s.lock);
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_INT(status, ==, 0);
    pk__thread_join(&s.threads[0]);
    pk__cond_deinit(&s.changed);
    pk__mutex_deinit(&s.lock);
}

TEST(thread, can_forget_itself)
{
    static shared s; // outlives the thread's last look at it
    pk__mutex_init(&s.lock);
    pk__cond_init(&s.changed);
    REQUIRE_OK(pk__thread_start(&s.threads[0], forget_main, &s, NULL));
    pk__mutex_lock(&s.lock);
    while (!s.seen) {
        (void)pk__cond_wait(&s.changed, &s.lock, PK_FOREVER);
    }
    pk__mutex_unlock(&s.lock);
    pk__thread_join(&s.threads[0]);
}

static int no_thread(pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
    (void)out, (void)attributes, (void)run, (void)arg;
    return EAGAIN;
}

TEST(thread, says_when_there_is_none_to_be_had)
{
    shared s = {0};
    pk_error err = {0};
    pk__sys.pthread_create = no_thread;
    CHECK_ERR(pk__thread_start(&s.threads[0], count_main, &s, &err), PK_ERR_OS);
    CHECK_INT(err.sys_errno, ==, EAGAIN);
    pk__sys_reset();
    pk__thread_join(&s.threads[0]);
}

TEST(thread, atomics_do_what_they_say)
{
    pk__atomic_u32 n = 5;
    int x, y;
    void *p = &x;
    size_t size = 1;
    CHECK_UINT(pk__atomic_add(&n, 2), ==, 5);
    CHECK_UINT(pk__atomic_swap(&n, 9), ==, 7);
    CHECK(!pk__atomic_cas(&n, 7, 1));
    CHECK(pk__atomic_cas(&n, 9, 1));
    CHECK_UINT(pk__atomic_load(&n), ==, 1);
    pk__atomic_store(&n, 0);
    CHECK_UINT(n, ==, 0);
    CHECK(!pk__atomic_cas_ptr(&p, &y, NULL));
    CHECK(pk__atomic_cas_ptr(&p, &x, &y));
    CHECK(pk__atomic_swap_ptr(&p, NULL) == &y);
    pk__atomic_store_ptr(&p, &x);
    CHECK(pk__atomic_load_ptr(&p) == &x);
    CHECK_UINT(pk__atomic_add_size(&size, 3), ==, 1);
    CHECK_UINT(pk__atomic_load_size(&size), ==, 4);
}

/* ---- fork guard */

static void *no_page(size_t size)
{
    (void)size;
    errno = EINVAL;
    return NULL;
}

TEST(fork, is_noticed_with_and_without_the_kernel_s_help)
{
    for (int help = 0; help < 2; help++) {
        CASE(help ? "by a page" : "by pid") {
            pk__fork_guard guard = {0};
            int status = 1;
            CHECK(!pk__fork_guard_is_child(&guard)); // not made
            if (!help) {
                pk__sys.fork_page = no_page;
            }
            pk__fork_guard_init(&guard);
            CHECK(!pk__fork_guard_is_child(&guard));
            fflush(stdout);
            pid_t pid = fork();
            if (pid == 0) {
                bool good = pk__fork_guard_is_child(&guard);
                pk__fork_guard_deinit(&guard);
                pk__fork_guard_init(&guard); // made here, it is not
                good = good && !pk__fork_guard_is_child(&guard);
                pk__fork_guard_deinit(&guard);
                _exit(good ? 0 : 1);
            }
            REQUIRE(waitpid(pid, &status, 0) == pid);
            CHECK_INT(status, ==, 0);
            pk__fork_guard_deinit(&guard);
            pk__fork_guard_deinit(&guard);
            pk__sys_reset();
        }
    }
}
