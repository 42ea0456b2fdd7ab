/* lock.c - lock files by the kernel's lock, readable for those who only know pids. */
#include "lock.h"

#include "clock.h"
#include "fd.h"
#include "file.h"

#include <stdio.h>
#include <string.h>

#ifndef PLUGKIT_NO_FILES

#define PK__LOCK_TRIES 16

/* The pid in the file; 0 = it is empty; -1 = something else is in it. Digits only: others parse it strictly.
 * */
PK__FN int64_t pk__lock_read_pid(int fd)
{
    char text[24];
    int64_t pid = 0;
    ssize_t n;
    do {
        n = PK__SYS(pread)(fd, text, sizeof(text), 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return n;
    }
    if (n > 1 && text[n - 1] == '\n') { // written by hand
        n--;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9' || i >= 10) {
            return -1;
        }
        pid = pid * 10 + (text[i] - '0');
    }
    return pid > 0 && pid <= INT32_MAX ? pid : -1;
}

#ifdef PK__LINUX

/* When the process began, in seconds since 1970; 0 = not known. */
PK__FN int64_t pk__lock_birth(int64_t pid)
{
    char path[64], text[1024], *at;
    struct timespec boot = {0, 0}, now = {0, 0};
    int64_t ticks = 0; // since the system started
    int fd;
    ssize_t n;
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = PK__SYS(open)(path, O_RDONLY | O_CLOEXEC, 0);
    n = fd >= 0 ? pk__fd_read(fd, text, sizeof(text) - 1) : -1;
    pk__fd_close(fd);
    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    at = strrchr(text, ')'); // behind the name, which may hold anything
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    for (int digits = 0; at && *++at >= '0' && *at <= '9' && digits < 18; digits++) {
        ticks = ticks * 10 + (*at - '0');
    }
    if (!at || PK__SYS(clock_gettime)(CLOCK_BOOTTIME, &boot) != 0 ||
        PK__SYS(clock_gettime)(CLOCK_REALTIME, &now) != 0) {
        return 0;
    }
    return (int64_t)now.tv_sec - ((int64_t)boot.tv_sec - ticks / sysconf(_SC_CLK_TCK));
}
#else
PK__FN int64_t pk__lock_birth(int64_t pid)
{
    (void)pid;
    return 0;
}
#endif

/* Does the process that wrote its number into the file still live? A process that is younger than the file
 * has only inherited the number. */
PK__FN bool pk__lock_owner_lives(int fd, int64_t pid)
{
    struct stat st;
    if (pid == (int64_t)getpid() || (PK__SYS(kill)((pid_t)pid, 0) != 0 && errno != EPERM)) {
        return false; // our own number in a file that we do not hold: of an earlier life
    }
    /* 2: both clocks are coarse. */
    return PK__SYS(fstat)(fd, &st) != 0 || pk__lock_birth(pid) <= (int64_t)st.st_mtime + 2;
}

PK__FN pk__lock_state pk__lock_judge(int fd, int64_t pid)
{
    if (pid == 0) {
        return PK__LOCK_FREE;
    }
    if (pid < 0) {
        return PK__LOCK_BROKEN;
    }
    return pk__lock_owner_lives(fd, pid) ? PK__LOCK_LIVE : PK__LOCK_STALE;
}

PK__FN bool pk__lock_flock(int fd, int operation)
{
    int result;
    do {
        result = PK__SYS(flock)(fd, operation | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

PK__FN pk_err pk__lock_look(const char *path, pk__lock_state *out, int64_t *pid, pk_error *err)
{
    int fd = -1;
    int64_t number;
    pk_err code = pk__fd_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd, err);
    *out = PK__LOCK_FREE;
    if (pid) {
        *pid = 0;
    }
    if (code == PK_ERR_NOT_FOUND) {
        return PK_OK;
    }
    if (code) {
        return code;
    }
    number = pk__lock_read_pid(fd);
    if (pid && number > 0) {
        *pid = number;
    }
    /* Shared, so that those who look do not see each other; who takes it at this moment tries again. */
    if (pk__lock_flock(fd, LOCK_SH)) {
        *out = pk__lock_judge(fd, number);
    } else if (errno == EWOULDBLOCK) {
        *out = PK__LOCK_LIVE;
    } else {
        code = pk_error_sys(err, PK_ERR_OS, errno, "cannot look at lock '%s'", path);
    }
    pk__fd_close(fd);
    return code;
}

PK__FN pk_err pk__lock_busy(pk_error *err, const char *path, int64_t pid)
{
    if (pid <= 0) {
        return pk_error_set(err, PK_ERR_BUSY, "cannot take lock '%s': another process holds it", path);
    }
    return pk_error_set(err, PK_ERR_BUSY, "cannot take lock '%s': process %ld holds it", path, (long)pid);
}

/* Does the path still name the file that we have locked? */
PK__FN bool pk__lock_is_current(int fd, const char *path)
{
    struct stat ours, named;
    return PK__SYS(fstat)(fd, &ours) == 0 && PK__SYS(lstat)(path, &named) == 0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* Opens and locks the file. PK_ERR_BUSY with its pid; *fd -1 and PK_OK: the file was replaced meanwhile, try
 * again. */
PK__FN pk_err pk__lock_open(const char *path, int *fd, int64_t *pid, pk_error *err)
{
    struct stat st;
    int error = 0;
    pk_err code = pk__fd_open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600, fd, err);
    *pid = 0;
    if (code) {
        return pk_error_sys(err, errno == EACCES || errno == ELOOP ? PK_ERR_PERMISSION : code, errno,
                            "cannot take lock '%s'", path);
    }
    if (PK__SYS(fstat)(*fd, &st) != 0) {
        error = errno;
        code = pk_error_sys(err, PK_ERR_OS, error, "cannot take lock '%s'", path);
    } else if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0)) {
        code = pk_error_set(err, PK_ERR_PERMISSION, "cannot take lock '%s': %s", path,
                            S_ISREG(st.st_mode) ? "it belongs to another user" : "not a regular file");
    } else if (!pk__lock_flock(*fd, LOCK_EX)) {
        error = errno;
        *pid = pk__lock_read_pid(*fd);
        code = error == EWOULDBLOCK ? PK_ERR_BUSY
                                    : pk_error_sys(err, PK_ERR_OS, error, "cannot take lock '%s'", path);
    } else if (pk__lock_is_current(*fd, path)) {
        return PK_OK;
    }
    pk__fd_close(*fd);
    *fd = -1;
    return code;
}

/* Waits out those who only look, and those who are about to release and unlink it. */
PK__FN pk_err pk__lock_open_patiently(const char *path, int *fd, pk_error *err)
{
    const struct timespec pause = {0, (long)PK__MS};
    int64_t pid = 0;
    for (int tries = 0; tries < PK__LOCK_TRIES; tries++) {
        pk_err code = pk__lock_open(path, fd, &pid, err);
        if (code && code != PK_ERR_BUSY) {
            return code;
        }
        if (*fd >= 0) {
            return PK_OK;
        }
        if (code == PK_ERR_BUSY) {
            (void)PK__SYS(nanosleep)(&pause);
        }
    }
    return pk__lock_busy(err, path, pid);
}

PK__FN pk_err pk__lock_write_pid(int fd, const char *path, pk_error *err)
{
    char text[24];
    pk_str bytes = {text, (size_t)snprintf(text, sizeof(text), "%ld", (long)getpid())};
    if (PK__SYS(ftruncate)(fd, 0) != 0 || PK__SYS(lseek)(fd, 0, SEEK_SET) != 0 ||
        pk__fd_write_all(fd, bytes, NULL) != PK_OK) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot write lock '%s'", path);
    }
    return PK_OK;
}

/* May who has the kernel's lock have it? Without that lock: a plugin of the Go framework. */
PK__FN pk_err pk__lock_check_owner(int fd, const char *path, pk_error *err)
{
    int64_t pid = pk__lock_read_pid(fd);
    switch (pk__lock_judge(fd, pid)) {
    case PK__LOCK_LIVE: return pk__lock_busy(err, path, pid);
    case PK__LOCK_BROKEN:
        return pk_error_set(err, PK_ERR_BUSY, "cannot take lock '%s': what is in it is not a process number", path);
    case PK__LOCK_FREE:
    case PK__LOCK_STALE: break;
    }
    return PK_OK;
}

PK__FN pk_err pk__lock_take_by(pk__lock *lock, const pk_alloc *alloc, const char *path, bool by_pid, pk_error *err)
{
    int fd = -1;
    pk_err code;
    memset(lock, 0, sizeof(*lock));
    lock->alloc = alloc;
    lock->path = pk__strdup(alloc, path);
    if (!lock->path) {
        return pk__error_memory(err, "take a lock");
    }
    code = pk__lock_open_patiently(path, &fd, err);
    if (code == PK_OK && by_pid) {
        code = pk__lock_check_owner(fd, path, err);
    }
    if (code == PK_OK) {
        code = pk__lock_write_pid(fd, path, err);
    }
    if (code) {
        pk__fd_close(fd); // gives the lock up
        pk__strfree(alloc, lock->path);
        memset(lock, 0, sizeof(*lock));
        return code;
    }
    lock->fd = fd;
    lock->owner = (long)getpid();
    return PK_OK;
}

PK__FN pk_err pk__lock_take(pk__lock *lock, const pk_alloc *alloc, const char *path, pk_error *err)
{
    return pk__lock_take_by(lock, alloc, path, true, err);
}

PK__FN pk_err pk__lock_take_ours(pk__lock *lock, const pk_alloc *alloc, const char *path, pk_error *err)
{
    return pk__lock_take_by(lock, alloc, path, false, err);
}

PK__FN bool pk__lock_exists(const char *path)
{
    struct stat st;
    return PK__SYS(lstat)(path, &st) == 0 || errno != ENOENT;
}

/* What a dead owner left. */
PK__FN pk_err pk__lock_remove_socket(const char *path, pk_error *err)
{
    struct stat st;
    if (PK__SYS(lstat)(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        return pk_error_set(err, PK_ERR_PATH, "cannot use socket '%s': it is not a socket", path);
    }
    if (PK__SYS(unlink)(path) != 0 && errno != ENOENT) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot remove socket '%s'", path);
    }
    return PK_OK;
}

PK__FN pk_err pk__lock_take_socket(pk__lock *lock, const pk_alloc *alloc, const char *socket_path,
                                   pk_error *err)
{
    char path[256]; // a socket's path is shorter than that
    pk_err code;
    memset(lock, 0, sizeof(*lock));
    if (snprintf(path, sizeof(path), "%s.lock", socket_path) >= (int)sizeof(path)) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot use socket '%.80s...': the path is too long",
                            socket_path);
    }
    /* The socket is looked at twice: its owner removes it first, and then the lock. */
    if (pk__lock_exists(socket_path) && !pk__lock_exists(path) && pk__lock_exists(socket_path)) {
        return pk_error_set(err, PK_ERR_BUSY,
                            "cannot use socket '%s': there is no '.lock' beside it that tells whose it is",
                            socket_path);
    }
    code = pk__lock_take(lock, alloc, path, err);
    if (code == PK_OK) {
        code = pk__lock_remove_socket(socket_path, err);
        if (code) {
            pk__lock_release(lock);
        }
    }
    return code;
}

PK__FN void pk__lock_release(pk__lock *lock)
{
    if (lock->fd <= 0) {
        return;
    }
    /* Unlinked while it is held: whoever has it open already will find that the path names another file. */
    if (lock->owner == (long)getpid() && pk__lock_is_current(lock->fd, lock->path)) {
        (void)PK__SYS(unlink)(lock->path);
    }
    pk__fd_close(lock->fd);
    pk__strfree(lock->alloc, lock->path);
    memset(lock, 0, sizeof(*lock));
}

#endif
