/* fd.h - file descriptors.
 *
 * Every descriptor made here is close-on-exec, and never 0, 1 or 2: a host that was started with those closed
 * must not find a plugin's socket where its next printf goes. Reading and writing go on after EINTR; nothing
 * here raises SIGPIPE except pk__fd_write_all on a pipe (see signal.h). */
#ifndef PK__FD_H
#define PK__FD_H
#include "sys.h"

#ifndef PK__NO_FD
PK__FN void pk__fd_close(int fd);                                   // keeps errno; negative: does nothing
PK__FN pk_err pk__fd_open(const char *path, int flags, mode_t mode, int *out, pk_error *err);
PK__FN pk_err pk__fd_pipe(int out[2], pk_error *err);               // out[0] is read from; both blocking
PK__FN pk_err pk__fd_set_nonblock(int fd, bool on, pk_error *err);
PK__FN pk_err pk__fd_set_cloexec(int fd, bool on, pk_error *err);
/* Takes fd; returns it or a copy above 2 in its place. Negative: returns it with errno. -1 = failed, fd is
 * closed. */
PK__FN int pk__fd_lift(int fd);
PK__FN ssize_t pk__fd_read(int fd, void *buf, size_t cap);          // -1 with errno; 0 = the end
PK__FN ssize_t pk__fd_write(int fd, const void *buf, size_t len);   // -1 with errno
PK__FN pk_err pk__fd_write_all(int fd, pk_str bytes, pk_error *err); // waits where fd is non-blocking
PK__FN size_t pk__fd_count(void);                                   // open in this process; 0 = unknown
#endif
/* Fills buf from byte `at` of a file, as far as one read goes; *got 0 = the file ends there. Without descriptors in the
 * build: PK_ERR_UNSUPPORTED. */
PK__FN pk_err pk__fd_read_at(int fd, void *buf, size_t cap, uint64_t at, size_t *got, pk_error *err);
PK__FN void pk__fd_explain(pk_error *err); // no descriptors left? Then it says how many there may be
#ifndef PK__NO_POLL
PK__FN pk_err pk__fd_socketpair(int out[2], pk_error *err);         // Unix stream; both non-blocking
/* Is the other end of a Unix socket our own user (or root)? PK_ERR_PERMISSION: it is not. *pid may be NULL.
 * */
PK__FN pk_err pk__fd_check_peer(int fd, pid_t *pid, pk_error *err);
PK__FN bool pk__fd_wait(int fd, bool read, bool write, int64_t until_ns); // false = the time has come
/* Wakes whoever sleeps by the other end of a non-blocking pipe, or by an eventfd. Any thread, signal handlers. */
PK__FN void pk__fd_wake(int fd, const void *bytes, size_t len);
#endif

#endif
