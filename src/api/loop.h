/* loop.h - the event loop, for hosts and plugins that bring their own main loop.
 *
 * Most programs never see it: with `.loop = NULL` a manager runs its own on its own thread. With a loop of yours, step
 * it, or hand its descriptors to your own poll:
 *
 *     n = pk_loop_fds(loop, fds, cap, &timeout_ms);   // poll those, then
 *     pk_loop_step(loop, 0, &err);
 *
 * A loop belongs to the thread that steps it; only pk_loop_post and pk_loop_wake may be called from others. Removing
 * or freeing anything from inside a callback is fine. */

typedef struct pk_loop pk_loop;

typedef struct pk_fd {
    int fd;
    bool read, write;
} pk_fd;

PK_API pk_err pk_loop_create(pk_loop **out, const pk_alloc *alloc, pk_error *err);
PK_API void pk_loop_destroy(pk_loop *loop);
/* Waits until something happens or timeout_ms passed (-1 = for ever), and delivers it. */
PK_API pk_err pk_loop_step(pk_loop *loop, int timeout_ms, pk_error *err);
/* What to poll for instead, and for how long at most. Returns how many there are; fills up to `cap`. */
PK_API size_t pk_loop_fds(pk_loop *loop, pk_fd *out, size_t cap, int *timeout_ms);
PK_API void pk_loop_wake(pk_loop *loop); // makes a waiting step return; any thread

/* A descriptor to watch. Yours, not moved while it is added; on_ready runs when it is readable or writable (errors
 * and hang-ups count as both). The descriptor stays yours: remove the watch before closing it. */
typedef struct pk_watch {
    int fd;
    void (*on_ready)(void *user, bool can_read, bool can_write);
    void *user;
    struct pk_watch *pk__next; // private
    uint32_t pk__slot;         // private
    uint8_t pk__want;          // private
    bool pk__news;             // private
} pk_watch;
PK_API pk_err pk_watch_add(pk_loop *loop, pk_watch *w, bool read, bool write, pk_error *err);
PK_API pk_err pk_watch_set(pk_loop *loop, pk_watch *w, bool read, bool write, pk_error *err);
PK_API void pk_watch_remove(pk_loop *loop, pk_watch *w); // not added: does nothing

/* A timer that runs once. Starting a running one moves it. */
typedef struct pk_timer {
    void (*on_time)(void *user);
    void *user;
    int64_t pk__at;   // private
    uint32_t pk__pos; // private: place in the heap + 1; 0 = not running
} pk_timer;
PK_API pk_err pk_timer_start(pk_loop *loop, pk_timer *t, uint32_t delay_ms, pk_error *err);
PK_API void pk_timer_stop(pk_loop *loop, pk_timer *t);

/* A task runs once on the loop's thread. Yours until it has run; posting a posted one does nothing. Any thread. */
typedef struct pk_task {
    void (*run)(void *user);
    void *user;
    struct pk_task *pk__next; // private
    uint32_t pk__queued;      // private
} pk_task;
PK_API void pk_loop_post(pk_loop *loop, pk_task *task);
PK_API void pk_loop_unpost(pk_loop *loop, pk_task *task); // takes it back if it has not run; the loop's thread
