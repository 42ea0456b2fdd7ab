/* fd.c - file descriptors. */
#include "fd.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PK__NO_FD

PK__FN void pk__fd_close(int fd)
{
    int error = errno;
    if (fd >= 0) {
        /* Not again after EINTR: the number is free by then, and may be another thread's. */
        (void)PK__SYS(close)(fd);
    }
    errno = error;
}

PK__FN int pk__fd_lift(int fd)
{
    int lifted;
    if (fd < 0 || fd > 2) {
        return fd;
    }
    lifted = PK__SYS(fcntl)(fd, F_DUPFD_CLOEXEC, 3);
    pk__fd_close(fd);
    return lifted;
}

/* Lifts both; closes both if that fails. */
PK__FN bool pk__fd_lift_pair(int out[2])
{
    out[0] = pk__fd_lift(out[0]);
    if (out[0] >= 0) {
        out[1] = pk__fd_lift(out[1]);
        if (out[1] >= 0) {
            return true;
        }
    }
    pk__fd_close(out[0] >= 0 ? out[0] : out[1]);
    out[0] = out[1] = -1;
    return false;
}

PK__FN pk_err pk__fd_open(const char *path, int flags, mode_t mode, int *out, pk_error *err)
{
    int fd;
    do {
        fd = PK__SYS(open)(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    fd = pk__fd_lift(fd);
    *out = fd;
    if (fd < 0) {
        int error = errno;
        pk_err code = error == ENOENT ? PK_ERR_NOT_FOUND : PK_ERR_OS;
        (void)pk_error_sys(err, code, error, "cannot open '%s'", path);
        errno = error; // for callers who say it in their own words
        return code;
    }
    return PK_OK;
}

PK__FN pk_err pk__fd_pipe(int out[2], pk_error *err)
{
    if (PK__SYS(pipe)(out, O_CLOEXEC) != 0) {
        out[0] = out[1] = -1;
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot make a pipe");
    }
    return pk__fd_lift_pair(out) ? PK_OK : pk_error_sys(err, PK_ERR_OS, errno, "cannot make a pipe");
}

PK__FN pk_err pk__fd_set_nonblock(int fd, bool on, pk_error *err)
{
    int flags = PK__SYS(fcntl)(fd, F_GETFL, 0);
    int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (flags < 0 || (wanted != flags && PK__SYS(fcntl)(fd, F_SETFL, wanted) != 0)) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot change descriptor %d", fd);
    }
    return PK_OK;
}

PK__FN pk_err pk__fd_set_cloexec(int fd, bool on, pk_error *err)
{
    if (PK__SYS(fcntl)(fd, F_SETFD, on ? FD_CLOEXEC : 0) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot change descriptor %d", fd);
    }
    return PK_OK;
}

PK__FN ssize_t pk__fd_read(int fd, void *buf, size_t cap)
{
    ssize_t n;
    do {
        n = PK__SYS(read)(fd, buf, cap);
    } while (n < 0 && errno == EINTR);
    return n;
}

PK__FN pk_err pk__fd_read_at(int fd, void *buf, size_t cap, uint64_t at, size_t *got, pk_error *err)
{
    ssize_t n;
    do {
        n = PK__SYS(pread)(fd, buf, cap, (off_t)at);
    } while (n < 0 && errno == EINTR);
    *got = n > 0 ? (size_t)n : 0;
    return n < 0 ? pk_error_sys(err, PK_ERR_OS, errno, "cannot read the file") : PK_OK;
}

PK__FN ssize_t pk__fd_write(int fd, const void *buf, size_t len)
{
    ssize_t n;
    do {
        n = PK__SYS(write)(fd, buf, len);
    } while (n < 0 && errno == EINTR);
    return n;
}

#ifndef PK__NO_POLL
PK__FN bool pk__fd_is_worth_waiting(int fd, int error)
{
    return (error == EAGAIN || error == EWOULDBLOCK) && pk__fd_wait(fd, false, true, PK_FOREVER);
}
#else
PK__FN bool pk__fd_is_worth_waiting(int fd, int error)
{
    (void)fd, (void)error; // files do not block
    return false;
}
#endif

PK__FN pk_err pk__fd_write_all(int fd, pk_str bytes, pk_error *err)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = pk__fd_write(fd, bytes.ptr + done, bytes.len - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (!pk__fd_is_worth_waiting(fd, errno)) {
            return pk_error_sys(err, PK_ERR_OS, errno, "cannot write to descriptor %d", fd);
        }
    }
    return PK_OK;
}

PK__FN size_t pk__fd_count(void)
{
    size_t count = 0;
    int fd = PK__SYS(open)("/dev/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? PK__SYS(fdopendir)(fd) : NULL;
    struct dirent *entry;
    if (!dir) {
        pk__fd_close(fd);
        return 0;
    }
    while ((entry = PK__SYS(readdir)(dir)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    (void)PK__SYS(closedir)(dir);
    return count ? count - 1 : 0; // without the one we looked with
}

PK__FN void pk__fd_explain(pk_error *err)
{
    struct rlimit limit;
    size_t len = strlen(err->msg);
    if (err->sys_errno == EMFILE && PK__SYS(fd_limit)(&limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        (void)snprintf(err->msg + len, sizeof(err->msg) - len, " (at most %lu: ulimit -n)",
                       (unsigned long)limit.rlim_cur);
    }
}

#else

PK__FN pk_err pk__fd_read_at(int fd, void *buf, size_t cap, uint64_t at, size_t *got, pk_error *err)
{
    (void)fd, (void)buf, (void)cap, (void)at;
    *got = 0;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot read the file: this build knows no descriptors");
}

PK__FN void pk__fd_explain(pk_error *err)
{
    (void)err;
}

#endif // PK__NO_FD

#ifndef PK__NO_POLL

PK__FN pk_err pk__fd_socketpair(int out[2], pk_error *err)
{
    if (PK__SYS(socketpair)(AF_UNIX, SOCK_STREAM, out) != 0) {
        out[0] = out[1] = -1;
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot make a socket pair");
    }
    if (!pk__fd_lift_pair(out)) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot make a socket pair");
    }
    if (pk__fd_set_nonblock(out[0], true, err) != PK_OK || pk__fd_set_nonblock(out[1], true, err) != PK_OK) {
        pk__fd_close(out[0]);
        pk__fd_close(out[1]);
        out[0] = out[1] = -1;
        return PK_ERR_OS;
    }
    return PK_OK;
}

PK__FN pk_err pk__fd_check_peer(int fd, pid_t *pid, pk_error *err)
{
    uid_t uid = 0;
    pid_t from = 0;
    if (PK__SYS(peer_uid)(fd, &uid, &from) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot find out who is connected");
    }
    if (pid) {
        *pid = from;
    }
    if (uid != geteuid() && uid != 0) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot accept a connection of user %ld: we are user %ld",
                            (long)uid, (long)geteuid());
    }
    return PK_OK;
}

PK__FN bool pk__fd_wait(int fd, bool read, bool write, int64_t until_ns)
{
    struct pollfd set = {fd, (short)((read ? POLLIN : 0) | (write ? POLLOUT : 0)), 0};
    for (;;) {
        int n = PK__SYS(poll)(&set, 1, pk__clock_is_fake() ? 1 : pk__clock_wait_ms(until_ns));
        if (n > 0 || (n < 0 && errno != EINTR)) {
            return true; // after an error, what the caller does next will tell
        }
        if (pk__clock_ns() >= until_ns) {
            return false;
        }
    }
}

/* A wake that is lost leaves somebody asleep for ever, and no other comes: it is believed to be under way. So none is
 * given up for a failure that may pass. EAGAIN is none: what is full can be read. */
PK__FN void pk__fd_wake(int fd, const void *bytes, size_t len)
{
    int error = errno;
    int tries = 100;
    while (PK__SYS(write)(fd, bytes, len) < 0 && errno != EAGAIN && --tries > 0) {
    }
    errno = error;
}

#endif // PK__NO_POLL
