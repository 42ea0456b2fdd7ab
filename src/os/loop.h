/* loop.h - the event loop behind api/loop.h.
 *
 * One turn (pk_loop_step) is: wait for descriptors, at most until the next timer; run the timers that are
 * due; run the callbacks of descriptors that are ready, at most PK__LOOP_BATCH; run the tasks that were
 * posted until then. Each of the three takes a bounded share, so that none starves the others, and what is
 * left comes with the next turn.
 *
 * Callbacks may do anything: remove, add, free, post, and step the loop again (a blocking call inside a
 * callback does). That is safe because an event is not a pointer but a slot and the slot's generation: a
 * removed watch's events find nobody. While the callback of a watch runs, the watch itself is silent in inner
 * turns: no callback is entered twice.
 *
 * Posting is a lock-free push, so threads, signal handlers and interrupts can do it. It wakes the loop only
 * if the loop sleeps (or is not being stepped, which is the same to a poster) and nobody has woken it yet.
 *
 * A watch of ours with pk__news set before it is added need not be told twice that it can read: it reads until less
 * comes than there was room for. epoll saves itself a look at the descriptor each time. (Only news of bytes: that there
 * is room for writing, and a hang-up, are told again and again.)
 *
 * How to wait is the business of a backend: epoll on Linux, kqueue on macOS and the BSDs, poll elsewhere and with
 * PLUGKIT_POSIX, and where there are no descriptors (firmware) a condition variable or, without threads, nothing at
 * all: such a loop never sleeps. */
#ifndef PK__LOOP_H
#define PK__LOOP_H
#include "atomic.h"
#include "clock.h"
#include "fork.h"
#include "spin.h"
#include "sys.h"
#include "thread.h"

#define PK__LOOP_BATCH 64
#define PK__LOOP_READ 1u
#define PK__LOOP_WRITE 2u

typedef struct pk__loop_slot {
    pk_watch *watch;     // NULL = free
    uint64_t served;     // the turn in which its callback last ran: older events are void
    uint32_t generation; // raised when the watch is removed
    uint32_t next_free;  // slot number + 1; 0 = none
    int fd;
    uint8_t want;  // PK__LOOP_READ | PK__LOOP_WRITE
    bool running;  // its callback is on the stack
    bool silenced; // the backend was told to want nothing meanwhile
    bool always;   // the backend cannot wait for it: it is always ready (a regular file)
    bool news;     // the backend need not tell twice of what has come
} pk__loop_slot;

typedef struct pk__loop_event {
    uint32_t slot, generation;
    uint8_t ready; // PK__LOOP_READ | PK__LOOP_WRITE
} pk__loop_event;

/* A callback of a watch that is on the stack; linked there, innermost first. */
typedef struct pk__loop_frame {
    uint32_t slot, generation;
    struct pk__loop_frame *outer;
} pk__loop_frame;

typedef struct pk__loop_backend {
    const char *name;
    pk_err (*open)(pk_loop *loop, pk_error *err);
    void (*close)(pk_loop *loop);
    /* Watches a slot whose fd and want are set; wants something else of it; ends. Only `add` can fail. */
    pk_err (*add)(pk_loop *loop, uint32_t slot, pk_error *err);
    void (*change)(pk_loop *loop, uint32_t slot, uint8_t want);
    void (*remove)(pk_loop *loop, uint32_t slot);
    /* Waits until then at most: 0 = not at all, PK_FOREVER. Returns how many events it filled in; -1 with errno. */
    int (*wait)(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap);
    void (*wake)(pk_loop *loop); // any thread, signal handlers
    size_t (*fds)(pk_loop *loop, pk_fd *out, size_t cap);
} pk__loop_backend;

struct pk_loop {
    pk_alloc alloc;
    const pk__loop_backend *backend;
    pk__fork_guard fork;
    pk__loop_slot *slots;
    uint32_t slot_cap, first_free; // first_free: slot number + 1; 0 = none
    pk_timer **timers;             // a binary heap, the earliest first
    uint32_t timer_count, timer_cap;
    void *posted;                  // atomic: tasks as they were posted, the last one first
    pk_task *tasks, *last_task;    // in order; the loop's thread only
    pk__atomic_u32 awake;          // in a turn and not waiting: will look at `posted` before it sleeps
    pk__atomic_u32 woken;          // somebody has called backend->wake since
    uint64_t turn;                 // counts waits
    uint32_t depth;                // turns on the stack
    void *thread;                  // atomic: pk__thread_self of who made or last stepped it
    bool doomed;                   // destroyed from within: freed when the outermost turn ends
    pk__loop_frame *frames;
    /* The backends' own. */
    int fds[3];            // epoll, eventfd and timerfd; poll: the pipe that wakes it; kqueue: that, and its own
    int64_t alarm_at;      // epoll: when the timerfd goes off; 0 = never
    pk__spin spin;         // a loop may wait awake; its owner says how long
    uint32_t wakes;        // that were heard
    bool none_due;         // epoll: it was armed and has not gone off, so that no timer is due
    uint32_t always_count; // slots that are always ready
    uint32_t next_slot;    // poll: where to look first, so that all get their turn
    struct pollfd *set;    // poll: one for each slot, and for the pipe
    uint32_t set_cap;
    pk__mutex lock;        // idle
    pk__cond wake_up;
};

#ifndef PK__NO_POLL
PK__FN const pk__loop_backend *pk__loop_poll(void);
#ifdef PK__LINUX
PK__FN const pk__loop_backend *pk__loop_epoll(void);
#endif
#ifdef PK__KQUEUE
PK__FN const pk__loop_backend *pk__loop_kqueue(void);
#endif
#else
PK__FN const pk__loop_backend *pk__loop_idle(void);
#endif

/* pk_loop_create with a backend of choice; NULL = the best of this system. */
PK__FN pk_err pk__loop_create(pk_loop **out, const pk_alloc *alloc, const pk__loop_backend *backend,
                              pk_error *err);
PK__FN bool pk__loop_is_forked(const pk_loop *loop); // we are in a forked child: the loop is the parent's
/* Does this thread drive the loop? Then it must not wait for others to do so, but step it. */
PK__FN bool pk__loop_is_mine(const pk_loop *loop);
PK__FN void pk__loop_give_away(pk_loop *loop);  // to whichever thread steps it next
PK__FN void pk__loop_was_woken(pk_loop *loop); // a backend has heard pk_loop_wake
PK__FN int pk__loop_depth(const pk_loop *loop); // turns on the stack; the loop's thread
/* Like pk_timer_start, for an absolute time by pk__clock_ns. */
PK__FN pk_err pk__timer_start_at(pk_loop *loop, pk_timer *t, int64_t at_ns, pk_error *err);
PK__FN bool pk__timer_is_running(const pk_timer *t);

#endif
