/* lifeline.h - a plugin's end of the control socket, and how it ends with its host: by itself, and with all it started.
 *
 *     1. The control socket ends: the kernel closes the host's end, however the host dies. Noticed at once.
 *     2. The parent changes: a host that forked without exec left a child behind that keeps the socket open. Looked at
 *        once in PK__LIFELINE_PARENT_MS, and when SIGCONT comes: where the kernel can tell of a parent's death, hosts
 *        let it do so by this signal, which also wakes a plugin that was stopped.
 *     3. The guard, a thread that does nothing but wait for (1) and (2), from before the first callback of the plugin's
 *        to behind the last one: should the loop not notice within PK__LIFELINE_NOTICE_MS, because a handler or a
 *        callback never returns, or all of it take longer than PK__LIFELINE_FINISH_MS, it ends the process. Only for
 *        processes whose main is ours.
 *
 * The last thing that a process does whose main is ours and whose host is gone is to kill its process group, if it
 * leads it: nobody else is there to do that. Hosts know it from its capabilities ("lifeline":"group").
 *
 * A plugin that is to survive its host does none of that at first: it is alone then, for at most survive_ms, and goes
 * on when another host adopts it (survive.h). The new connection takes the old one's number, so that the guard needs
 * not be told. Only if nobody comes the host counts as dead.
 *
 * Before the loop runs, the socket is used waiting: the first line is read with a deadline, and our two lines or
 * the error are written. Then it is watched: {"shutdown":true} and {"tls":{..}} are passed on, what is not understood
 * is ignored. */
#ifndef PK__LIFELINE_H
#define PK__LIFELINE_H
#ifndef PLUGKIT_NO_NET
#include "../os/atomic.h"
#include "../os/thread.h"
#include "../rpc/control.h"

typedef enum pk__lifeline_end {
    PK__LIFELINE_SHUTDOWN, // the host asks us to end
    PK__LIFELINE_DEAD      // there is no host any more
} pk__lifeline_end;

typedef struct pk__lifeline {
    int fd; // the control socket; 0 = none: only the parent is watched
    pk__control_lines lines;
    pk_loop *loop;
    pk_watch watch;
    pk_timer timer;
    pk__atomic_u32 parent; // 0 = not known, or none of ours
    void (*on_end)(void *user, pk__lifeline_end why); // the loop's thread; may come more than once
    void *user;
#ifdef PLUGKIT_WITH_TLS
    pk_err (*on_tls)(void *user, pk__control_tls *told, pk_error *err); // the next certificate; the loop's thread
#endif
    uint32_t survive_ms;            // 0 = it ends with its host. Set before it is watched and guarded
    bool is_alone, is_adopted;      // without a host; by another one than that which started it
    pk__thread guard;
    pk__atomic_u32 noticed, released; // that it is the end, by who steps the loop; the guard is not needed any more
    void *litter; // atomic: a path that the guard removes before it ends the process, or NULL
} pk__lifeline;

/* Takes the descriptor, which must be a socket. Errors: PK_ERR_PROTOCOL; it is left open then. */
PK__FN pk_err pk__lifeline_open(pk__lifeline *l, const pk_alloc *alloc, int fd, pk_error *err);
/* Waits for the first line; valid until the socket is watched. Errors: PK_ERR_PROTOCOL, PK_ERR_PLUGIN_TIMEOUT. */
PK__FN pk_err pk__lifeline_first(pk__lifeline *l, uint32_t timeout_ms, pk_str *line, pk_error *err);
PK__FN pk_err pk__lifeline_send(pk__lifeline *l, pk_str bytes, pk_error *err);
/* Watches socket and parent from now on. */
PK__FN pk_err pk__lifeline_watch(pk__lifeline *l, pk_loop *loop, void (*on_end)(void *user, pk__lifeline_end why),
                                 void *user, pk_error *err);
PK__FN void pk__lifeline_look(pk__lifeline *l);  // is the parent another one now? Tells on_end
PK__FN void pk__lifeline_guard(pk__lifeline *l); // if a thread is to be had; without a socket it does nothing
/* Looks now, and does not wait for the loop to notice. */
PK__FN bool pk__lifeline_has_host(pk__lifeline *l);
/* The socket of another host, while there is none. Takes fd, also on failure. */
PK__FN pk_err pk__lifeline_adopt(pk__lifeline *l, int fd, pk_error *err);
PK__FN void pk__lifeline_part(pk__lifeline *l); // to a host that adopted us: this is no crash
/* Does it end its group with itself, when its host is gone? Whether the process leads one is seen then. */
PK__FN bool pk__lifeline_has_group(const pk__lifeline *l);
PK__FN bool pk__lifeline_is_orphan(const pk__lifeline *l); // there was a host, and it is gone
PK__FN void pk__lifeline_end_group(void); // kills the group that this process leads, itself included; else returns
PK__FN pk_err pk__lifeline_hear_tls(pk__lifeline *l, pk__control_message *said, pk_error *err); // if it says that
PK__FN void pk__lifeline_deinit(pk__lifeline *l); // closes the socket. Zeroed: does nothing

#endif
#endif
