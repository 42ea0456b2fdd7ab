/* thread.h - threads, locks, conditions.
 *
 * With PLUGKIT_NO_THREADS locks do nothing, starting a thread is PK_ERR_UNSUPPORTED, and waiting for a
 * condition comes back at once: nobody else could make it true. Threads of ours have all signals blocked: the
 * program's handlers run on the program's threads. Locks are not recursive, and none is held across I/O or a
 * callback. */
#ifndef PK__THREAD_H
#define PK__THREAD_H
#include "atomic.h"
#include "clock.h"
#include "sys.h"

#ifndef PLUGKIT_NO_THREADS
typedef struct pk__mutex {
    pthread_mutex_t os;
    bool made;
} pk__mutex;
typedef struct pk__cond {
    pthread_cond_t os;
    bool made;  // false: the system had none to give, and waiting looks every millisecond
    pid_t maker;
} pk__cond;
typedef struct pk__thread {
    pthread_t os;
    bool started;
    void *self; // atomic: its pk__thread_self, once it runs
    void (*run)(void *arg);
    void *arg;
} pk__thread;
#else
typedef struct pk__mutex {
    bool made;
} pk__mutex;
typedef struct pk__cond {
    bool made;
} pk__cond;
typedef struct pk__thread {
    bool started;
} pk__thread;
#endif

PK__FN void pk__mutex_init(pk__mutex *m);
PK__FN void pk__mutex_deinit(pk__mutex *m); // zeroed: does nothing
PK__FN void pk__mutex_lock(pk__mutex *m);
PK__FN void pk__mutex_unlock(pk__mutex *m);

PK__FN void pk__cond_init(pk__cond *c);
PK__FN void pk__cond_deinit(pk__cond *c); // zeroed: does nothing
PK__FN void pk__cond_signal(pk__cond *c);
PK__FN void pk__cond_broadcast(pk__cond *c);
/* Waits with the lock given up, until a signal or `until_ns` by pk__clock_ns (PK_FOREVER = no end). May also
 * wake for no reason: look at the condition again. False = the time has come. */
PK__FN bool pk__cond_wait(pk__cond *c, pk__mutex *m, int64_t until_ns);

/* Runs run(arg) on a new thread. *t is the caller's, is not moved until joined. */
PK__FN pk_err pk__thread_start(pk__thread *t, void (*run)(void *arg), void *arg, pk_error *err);
PK__FN void pk__thread_join(pk__thread *t);   // not started: does nothing
PK__FN void pk__thread_forget(pk__thread *t); // by the thread itself: nobody will join it; *t may be freed
PK__FN bool pk__thread_is_self(const pk__thread *t);
PK__FN uintptr_t pk__thread_self(void);     // differs between running threads; never 0
PK__FN void pk__thread_nap(int64_t ns);     // really sleeps, also by a faked clock: others go on meanwhile

#endif
