/* signal.h - signals, where there is no way around them.
 *
 * A library has no business with a program's signal handlers, so nothing is installed unless asked:
 * pk__signals_start is for plugins whose main is ours, and puts the handlers back when stopped. The handler
 * writes one byte into a pipe that the loop watches. It finds that pipe through the only variable in the
 * library that is not in an object of the user's: a handler gets no argument. So one pk__signals at a time
 * can be started.
 *
 * SIGPIPE: sockets are written with MSG_NOSIGNAL. For what has no such flag (sendfile, pipes) it is blocked
 * in this thread meanwhile, and taken back if it came. */
#ifndef PK__SIGNAL_H
#define PK__SIGNAL_H
#include "loop.h"
#include "sys.h"

#ifndef PLUGKIT_NO_PROCESS
enum { PK__SIGNALS = 4 };

typedef struct pk__signals {
    pk_loop *loop;
    pk_watch watch;
    int pipe[2];
    struct sigaction old[PK__SIGNALS];
    unsigned taken; // bits: those whose action is ours
    void (*on_signal)(void *user, int number);
    void *user;
    bool started;
} pk__signals;

/* SIGINT and SIGTERM become on_signal, on the loop's thread; and SIGHUP and SIGCONT, unless the program does something
 * about them itself. PK_ERR_BUSY: another one is started. */
PK__FN pk_err pk__signals_start(pk__signals *s, pk_loop *loop, void (*on_signal)(void *user, int number),
                                void *user, pk_error *err);
PK__FN void pk__signals_stop(pk__signals *s); // not started: does nothing
/* Until something is started that wants to hear of it, this signal does nothing, unless the program handles it. For a
 * process whose main is ours: it is not put back. Children that run other programs do not inherit it. */
PK__FN void pk__signals_hush(int number);
#endif

#ifndef PK__NO_FD
typedef struct pk__sigpipe {
    sigset_t old;
    bool was_pending;
} pk__sigpipe;
PK__FN void pk__sigpipe_block(pk__sigpipe *s);
PK__FN void pk__sigpipe_restore(pk__sigpipe *s); // keeps errno
#endif

#endif
