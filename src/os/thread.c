/* thread.c - threads, locks, conditions: on POSIX threads, or none. */
#include "thread.h"

#include <string.h>

#ifndef PLUGKIT_NO_THREADS
#include <signal.h>
#include <unistd.h>

PK__FN void pk__mutex_init(pk__mutex *m)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER; // unlike pthread_mutex_init, cannot fail
    memset(m, 0, sizeof(*m));
    m->os = fresh;
    m->made = true;
}

PK__FN void pk__mutex_deinit(pk__mutex *m)
{
    if (m->made) {
        pthread_mutex_destroy(&m->os);
        m->made = false;
    }
}

PK__FN void pk__mutex_lock(pk__mutex *m)
{
    PK__ASSERT(m->made);
    pthread_mutex_lock(&m->os);
}

PK__FN void pk__mutex_unlock(pk__mutex *m)
{
    pthread_mutex_unlock(&m->os);
}

#ifdef __APPLE__ // conditions know the calendar's clock only, but can wait for a span of time

PK__FN bool pk__cond_make(pk__cond *c)
{
    return pthread_cond_init(&c->os, NULL) == 0;
}

PK__FN void pk__cond_wait_ns(pk__cond *c, pk__mutex *m, int64_t until_ns)
{
    int64_t left = until_ns - pk__clock_ns();
    struct timespec t = {(time_t)(left / PK__SECOND), (long)(left % PK__SECOND)};
    if (left > 0) {
        pthread_cond_timedwait_relative_np(&c->os, &m->os, &t);
    }
}

#else

PK__FN bool pk__cond_make(pk__cond *c)
{
    pthread_condattr_t attributes;
    bool good;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    good = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
           pthread_cond_init(&c->os, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return good;
}

PK__FN void pk__cond_wait_ns(pk__cond *c, pk__mutex *m, int64_t until_ns)
{
    struct timespec t = {(time_t)(until_ns / PK__SECOND), (long)(until_ns % PK__SECOND)};
    (void)pthread_cond_timedwait(&c->os, &m->os, &t);
}

#endif

PK__FN void pk__cond_init(pk__cond *c)
{
    memset(c, 0, sizeof(*c));
    c->made = pk__cond_make(c);
    c->maker = getpid();
}

PK__FN void pk__cond_deinit(pk__cond *c)
{
    if (c->made && c->maker == getpid()) { // in a forked child the system would wait for those who wait
        pthread_cond_destroy(&c->os);
    }
    c->made = false;
}

PK__FN void pk__cond_signal(pk__cond *c)
{
    if (c->made) {
        pthread_cond_signal(&c->os);
    }
}

PK__FN void pk__cond_broadcast(pk__cond *c)
{
    if (c->made) {
        pthread_cond_broadcast(&c->os);
    }
}

PK__FN void pk__thread_nap(int64_t ns)
{
    struct timespec t = {(time_t)(ns / PK__SECOND), (long)(ns % PK__SECOND)};
    (void)PK__SYS(nanosleep)(&t);
}

/* A short real nap with the lock given up: for a faked clock, which only others move, and where there is no
 * condition to wait for. */
PK__FN void pk__cond_nap(pk__mutex *m)
{
    pthread_mutex_unlock(&m->os);
    pk__thread_nap(PK__MS);
    pthread_mutex_lock(&m->os);
}

PK__FN bool pk__cond_wait(pk__cond *c, pk__mutex *m, int64_t until_ns)
{
    if (pk__clock_ns() >= until_ns) {
        return false;
    }
    if (!c->made || pk__clock_is_fake()) {
        pk__cond_nap(m);
    } else if (until_ns == PK_FOREVER) {
        pthread_cond_wait(&c->os, &m->os);
    } else {
        pk__cond_wait_ns(c, m, until_ns);
    }
    return pk__clock_ns() < until_ns;
}

PK__FN void *pk__thread_main(void *arg)
{
    pk__thread *t = (pk__thread *)arg;
    pk__atomic_store_ptr(&t->self, (void *)pk__thread_self());
    t->run(t->arg);
    return NULL;
}

PK__FN pk_err pk__thread_start(pk__thread *t, void (*run)(void *arg), void *arg, pk_error *err)
{
    sigset_t all, old;
    int error;
    memset(t, 0, sizeof(*t));
    t->run = run;
    t->arg = arg;
    sigfillset(&all);
    t->started = true; // before it runs: it may look at itself
    (void)pthread_sigmask(SIG_SETMASK, &all, &old); // the new thread inherits it
    error = PK__SYS(pthread_create)(&t->os, NULL, pk__thread_main, t);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        t->started = false;
        return pk_error_sys(err, PK_ERR_OS, error, "cannot start a thread");
    }
    return PK_OK;
}

PK__FN void pk__thread_join(pk__thread *t)
{
    if (t->started) {
        pthread_join(t->os, NULL);
        t->started = false;
        t->self = NULL;
    }
}

PK__FN void pk__thread_forget(pk__thread *t)
{
    if (t->started) {
        /* musl notes in t->os who it is after the thread has begun: it asks for itself. */
        pthread_detach(pk__thread_is_self(t) ? pthread_self() : t->os);
        t->started = false;
    }
}

PK__FN bool pk__thread_is_self(const pk__thread *t)
{
    return pk__atomic_load_ptr(&t->self) == (void *)pk__thread_self();
}

/* The address of errno: POSIX gives each thread its own, and unlike pthread_t it is a number everywhere. */
PK__FN uintptr_t pk__thread_self(void)
{
    return (uintptr_t)&errno;
}

#else // PLUGKIT_NO_THREADS

PK__FN void pk__mutex_init(pk__mutex *m)
{
    m->made = true;
}

PK__FN void pk__mutex_deinit(pk__mutex *m)
{
    m->made = false;
}

PK__FN void pk__mutex_lock(pk__mutex *m)
{
    (void)m;
}

PK__FN void pk__mutex_unlock(pk__mutex *m)
{
    (void)m;
}

PK__FN void pk__cond_init(pk__cond *c)
{
    c->made = true;
}

PK__FN void pk__cond_deinit(pk__cond *c)
{
    c->made = false;
}

PK__FN void pk__cond_signal(pk__cond *c)
{
    (void)c;
}

PK__FN void pk__cond_broadcast(pk__cond *c)
{
    (void)c;
}

PK__FN bool pk__cond_wait(pk__cond *c, pk__mutex *m, int64_t until_ns)
{
    (void)c, (void)m;
    return pk__clock_ns() < until_ns;
}

PK__FN pk_err pk__thread_start(pk__thread *t, void (*run)(void *arg), void *arg, pk_error *err)
{
    (void)run, (void)arg;
    t->started = false;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot start a thread: built with PLUGKIT_NO_THREADS");
}

PK__FN void pk__thread_join(pk__thread *t)
{
    (void)t;
}

PK__FN void pk__thread_forget(pk__thread *t)
{
    (void)t;
}

PK__FN bool pk__thread_is_self(const pk__thread *t)
{
    (void)t;
    return false;
}

PK__FN uintptr_t pk__thread_self(void)
{
    return 1;
}

PK__FN void pk__thread_nap(int64_t ns)
{
    (void)ns; // there are no others
}

#endif
