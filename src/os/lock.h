/* lock.h - lock files: who serves this socket?
 *
 * The kernel's lock on the open file is what counts: it ends with its holder, however that ends. The file's
 * content, the decimal pid and nothing else, is information for people and for plugins of the Go framework,
 * which have no kernel lock and go by the pid alone. So a file is
 *     FREE    it does not exist, or is empty and unlocked
 *     STALE   unlocked, and the process named in it is gone
 *     LIVE    locked by another process, or unlocked while the process named in it lives (a Go plugin)
 *     BROKEN  unlocked, and what is in it is not a pid
 *
 * The file is opened without truncation, and after locking compared with what the path names now: whoever
 * loses the race against an unlink tries again. Only a holder unlinks, so nothing can be stolen. */
#ifndef PK__LOCK_H
#define PK__LOCK_H
#include "sys.h"

#ifndef PLUGKIT_NO_FILES
typedef enum pk__lock_state { PK__LOCK_FREE, PK__LOCK_STALE, PK__LOCK_LIVE, PK__LOCK_BROKEN } pk__lock_state;

typedef struct pk__lock {
    int fd; // 0 or negative = not held
    char *path;
    const pk_alloc *alloc;
    long owner; // our pid: a forked child must not release it
} pk__lock;

/* What is the state of that file? *pid is the number in it, 0 if there is none; may be NULL. */
PK__FN pk_err pk__lock_look(const char *path, pk__lock_state *out, int64_t *pid, pk_error *err);
/* Takes the lock and writes our pid. PK_ERR_BUSY: it is LIVE; the message names the pid. */
PK__FN pk_err pk__lock_take(pk__lock *lock, const pk_alloc *alloc, const char *path, pk_error *err);
/* The same for files that only we lock: a number that is left in one says nothing, whoever has it now. */
PK__FN pk_err pk__lock_take_ours(pk__lock *lock, const pk_alloc *alloc, const char *path, pk_error *err);
/* The Go framework's rule for a socket and its lock `SOCKET.lock`: takes the lock as above, and removes the
 * socket that a dead owner left. PK_ERR_BUSY: a live owner, or a socket without a lock file (its owner cannot
 * be known). */
PK__FN pk_err pk__lock_take_socket(pk__lock *lock, const pk_alloc *alloc, const char *socket_path,
                                   pk_error *err);
/* Unlinks the file and gives the lock up; in a forked child only closes. Not held: does nothing. */
PK__FN void pk__lock_release(pk__lock *lock);
#endif

#endif
