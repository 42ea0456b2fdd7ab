/* work.h - is anybody using this plugin? Counts requests, and tells when there have been none for long enough.
 *
 * Any request under way holds the timeout off, however long it runs; when the last one ends, the time begins anew.
 * So that a request costs no timer, the timer is left running: when it fires too early it looks at when work last
 * ended, and sleeps for the rest. All of it happens on the loop's thread. */
#ifndef PK__WORK_H
#define PK__WORK_H
#include "../base/defs.h"

typedef struct pk__work {
    pk_loop *loop;
    pk_timer timer;
    int64_t idle_ns;  // 0 = never idle
    int64_t since;    // when the last request ended
    uint32_t running;
    bool was_idle;    // it was time one turn of the loop ago
    void (*on_idle)(void *user);
    void *user;
} pk__work;

PK__FN pk_err pk__work_start(pk__work *w, pk_loop *loop, int64_t idle_ns, void (*on_idle)(void *user), void *user,
                             pk_error *err);
PK__FN void pk__work_change(pk__work *w, int change); // +1 a request begins, -1 its answer is written
PK__FN void pk__work_stop(pk__work *w);               // no more on_idle; counting goes on. Zeroed: does nothing

#endif
