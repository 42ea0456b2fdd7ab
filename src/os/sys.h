/* sys.h - every system call that the library makes, in one list.
 *
 *     n = PK__SYS(read)(fd, buf, cap);
 *
 * In a normal build PK__SYS(read) is a function that does nothing but the call, and the compiler removes it.
 * A build with PLUGKIT_TEST goes through a table of function pointers instead, so that a test can replace a
 * call (pk__sys.read = mine), count it (pk__sys_count.read) or make the n-th one fail (pk__sys_fail_at):
 * every failure path is reached on purpose.
 *
 * A line of the list:  X(type, name, (parameters), call, errno of a made-up failure, what it then returns)
 * The name is the name at PK__SYS; the call may be any expression, which is where systems differ: what only
 * Linux has is done by pk__sys_port_*, whole alternatives in sys.c. A made-up failure must not lose what a real
 * one would not lose either, so close and its kind do their work before they fail.
 *
 * Five features are younger than the kernels we run on: pidfd_open, close_range, openat2, memfd_create,
 * execveat. They answer ENOSYS where they are missing, and each caller has another way. A test build answers
 * so on demand (pk__sys_old_kernel, or PK_TEST_ENOSYS=1 in the environment). */
#ifndef PK__SYS_H
#define PK__SYS_H
#include "../base/defs.h"

/* Without processes, sockets and files there are no descriptors; without the first two there is nothing to
 * wait for. */
#if defined(PLUGKIT_NO_PROCESS) && defined(PLUGKIT_NO_NET)
#define PK__NO_POLL
#ifdef PLUGKIT_NO_FILES
#define PK__NO_FD
#endif
#endif
/* Linux calls are used where they exist; PLUGKIT_POSIX builds the portable alternatives on Linux too. */
#if defined(__linux__) && !defined(PLUGKIT_POSIX)
#define PK__LINUX
#endif
/* Likewise kqueue. Elsewhere there may be a library that has it: tests ask for that. */
#if !defined(PK__NO_POLL) && (defined(PLUGKIT_TEST_KQUEUE) ||                                               \
                              (!defined(PLUGKIT_POSIX) &&                                                   \
                               (defined(__APPLE__) || defined(__FreeBSD__) || defined(__DragonFly__) ||     \
                                defined(__OpenBSD__) || defined(__NetBSD__))))
#define PK__KQUEUE
#endif

#include <errno.h>
#include <stdint.h>
#ifndef PK__NO_FD
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
#endif
/* Sanitizers keep books of memory, by what they see of the C library. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PK__SYS_WATCHED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PK__SYS_WATCHED
#endif
#endif
/* The three calls that every request makes are points of cancellation in glibc, which costs each of them 25 ns in a
 * program with threads. Nothing of ours could be cancelled there without loss: so they are none. */
#if defined(PK__LINUX) && defined(__GLIBC__) && defined(__LP64__) && !defined(PK__SYS_WATCHED)
#include <sys/syscall.h>
#define PK__SYS_SEND(fd, buf, len, flags) syscall(SYS_sendto, fd, buf, len, flags, NULL, 0)
#define PK__SYS_RECV(fd, buf, cap, flags) syscall(SYS_recvfrom, fd, buf, cap, flags, NULL, NULL)
#define PK__SYS_EPOLL_WAIT(fd, out, cap, ms) (int)syscall(SYS_epoll_pwait, fd, out, cap, ms, NULL, 8)
#else
#define PK__SYS_SEND(fd, buf, len, flags) send(fd, buf, len, flags)
#define PK__SYS_RECV(fd, buf, cap, flags) recv(fd, buf, cap, flags)
#define PK__SYS_EPOLL_WAIT(fd, out, cap, ms) epoll_wait(fd, out, cap, ms)
#endif
#ifndef PK__NO_POLL
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#endif
#ifndef PLUGKIT_NO_NET
#include <netdb.h>
#endif
#ifndef PLUGKIT_NO_PROCESS
#include <sys/wait.h>
#endif
#ifdef PLUGKIT_WITH_DLOPEN
#include <dlfcn.h>
#endif
#ifndef PLUGKIT_NO_THREADS
#include <pthread.h>
#endif
#ifdef PK__KQUEUE
#include <sys/event.h>
#endif
#ifdef PK__LINUX
#ifndef PK__NO_POLL
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#endif
#endif

#ifndef PLUGKIT_CLOCK_NS
#include <time.h>
#define PK__SYS_LIST_CLOCK(X)                                                                               \
    X(int, clock_gettime, (clockid_t id, struct timespec *out), clock_gettime(id, out), 0,                  \
      clock_gettime(id, out))                                                                               \
    X(int, nanosleep, (const struct timespec *time), nanosleep(time, NULL), EINTR, -1)
#elif defined(PK__NO_FD) && defined(PLUGKIT_NO_THREADS)
#define PK__SYS_LIST_CLOCK(X)
#else
#error "plugkit: PLUGKIT_CLOCK_NS needs all four PLUGKIT_NO_..: what waits in the system goes by the system's clock"
#endif

#ifndef PK__NO_FD
#define PK__SYS_LIST_FD(X)                                                                                  \
    X(int, open, (const char *path, int flags, mode_t mode), open(path, flags, mode), EMFILE, -1)           \
    X(int, openat, (int dir, const char *path, int flags, mode_t mode), openat(dir, path, flags, mode),     \
      EMFILE, -1)                                                                                           \
    X(int, openat2, (int dir, const char *path, int flags, mode_t mode, uint64_t resolve),                  \
      pk__sys_port_openat2(dir, path, flags, mode, resolve), ENOSYS, -1)                                    \
    X(int, close, (int fd), close(fd), EIO, (close(fd), -1))                                                \
    X(ssize_t, read, (int fd, void *buf, size_t cap), read(fd, buf, cap), EIO, -1)                          \
    X(ssize_t, write, (int fd, const void *buf, size_t len), write(fd, buf, len), EIO, -1)                  \
    X(ssize_t, readv, (int fd, const struct iovec *parts, int count), readv(fd, parts, count), EIO, -1)     \
    X(ssize_t, writev, (int fd, const struct iovec *parts, int count), writev(fd, parts, count), EIO, -1)   \
    X(ssize_t, pread, (int fd, void *buf, size_t cap, off_t at), pread(fd, buf, cap, at), EIO, -1)          \
    X(off_t, lseek, (int fd, off_t at, int whence), lseek(fd, at, whence), ESPIPE, -1)                      \
    X(int, fcntl, (int fd, int command, int value), fcntl(fd, command, value), EMFILE, -1)                  \
    X(int, cpu_count, (void), pk__sys_port_cpu_count(), EINVAL, -1)                                         \
    X(int, fd_limit, (struct rlimit *out), getrlimit(RLIMIT_NOFILE, out), EINVAL, -1)                       \
    X(int, flock, (int fd, int operation), flock(fd, operation), ENOLCK, -1)                                \
    X(int, pipe, (int out[2], int flags), pk__sys_port_pipe(out, flags), EMFILE, -1)                        \
    X(int, stat, (const char *path, struct stat *out), stat(path, out), EIO, -1)                            \
    X(int, lstat, (const char *path, struct stat *out), lstat(path, out), EIO, -1)                          \
    X(int, fstat, (int fd, struct stat *out), fstat(fd, out), EIO, -1)                                      \
    X(int, fstatat, (int dir, const char *path, struct stat *out, int flags),                               \
      fstatat(dir, path, out, flags), EIO, -1)                                                              \
    X(int, mkdir, (const char *path, mode_t mode), mkdir(path, mode), ENOSPC, -1)                           \
    X(int, chmod, (const char *path, mode_t mode), chmod(path, mode), EPERM, -1)                            \
    X(int, fchmod, (int fd, mode_t mode), fchmod(fd, mode), EPERM, -1)                                      \
    X(int, ftruncate, (int fd, off_t size), ftruncate(fd, size), EIO, -1)                                   \
    X(int, fsync, (int fd), fsync(fd), EIO, -1)                                                             \
    X(int, rename, (const char *from, const char *to), rename(from, to), EIO, -1)                           \
    X(int, unlink, (const char *path), unlink(path), EIO, -1)                                               \
    X(int, unlinkat, (int dir, const char *path, int flags), unlinkat(dir, path, flags), EIO, -1)           \
    X(DIR *, fdopendir, (int fd), fdopendir(fd), ENOMEM, NULL)                                              \
    X(struct dirent *, readdir, (DIR *dir), readdir(dir), EIO, NULL)                                        \
    X(int, closedir, (DIR *dir), closedir(dir), EIO, (closedir(dir), -1))                                   \
    X(int, faccessat, (int dir, const char *path, int mode), faccessat(dir, path, mode, AT_EACCESS),        \
      EACCES, -1)                                                                                           \
    X(ssize_t, getrandom, (void *out, size_t len), pk__sys_port_getrandom(out, len), EIO, -1)               \
    X(int, memfd_create, (const char *name, unsigned flags), pk__sys_port_memfd_create(name, flags),        \
      ENOSYS, -1)                                                                                           \
    X(int, mask_signals, (int how, const sigset_t *set, sigset_t *old),                                     \
      pk__sys_port_mask_signals(how, set, old), 0, pk__sys_port_mask_signals(how, set, old))                \
    X(int, sigaction, (int number, const struct sigaction *set, struct sigaction *old),                     \
      sigaction(number, set, old), EINVAL, -1)                                                              \
    X(int, restore_signal, (int number, const struct sigaction *old), sigaction(number, old, NULL), 0,      \
      sigaction(number, old, NULL))                                                                         \
    X(int, kill, (pid_t pid, int number), kill(pid, number), ESRCH, -1)                                     \
    X(void *, fork_page, (size_t size), pk__sys_port_fork_page(size), ENOMEM, NULL)
#else
#define PK__SYS_LIST_FD(X)
#endif

#ifndef PK__NO_POLL
#define PK__SYS_LIST_SOCKET(X)                                                                              \
    X(int, poll, (struct pollfd *set, nfds_t count, int timeout_ms), poll(set, count, timeout_ms), EINTR,   \
      -1)                                                                                                   \
    X(int, socket, (int domain, int type, int protocol), pk__sys_port_socket(domain, type, protocol),       \
      EMFILE, -1)                                                                                           \
    X(int, socketpair, (int domain, int type, int out[2]), pk__sys_port_socketpair(domain, type, out),      \
      EMFILE, -1)                                                                                           \
    X(int, bind, (int fd, const struct sockaddr *address, socklen_t len), bind(fd, address, len),           \
      EADDRINUSE, -1)                                                                                       \
    X(int, listen, (int fd, int backlog), listen(fd, backlog), EADDRINUSE, -1)                              \
    X(int, accept, (int fd, struct sockaddr *address, socklen_t *len),                                      \
      pk__sys_port_accept(fd, address, len), EMFILE, -1)                                                    \
    X(int, connect, (int fd, const struct sockaddr *address, socklen_t len), connect(fd, address, len),     \
      ECONNREFUSED, -1)                                                                                     \
    X(int, shutdown, (int fd, int how), shutdown(fd, how), ENOTCONN, -1)                                    \
    X(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),                     \
      setsockopt(fd, level, name, value, len), EINVAL, -1)                                                  \
    X(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),                          \
      getsockopt(fd, level, name, value, len), EINVAL, -1)                                                  \
    X(int, getsockname, (int fd, struct sockaddr *address, socklen_t *len), getsockname(fd, address, len),  \
      ENOBUFS, -1)                                                                                          \
    X(int, getpeername, (int fd, struct sockaddr *address, socklen_t *len), getpeername(fd, address, len),  \
      ENOTCONN, -1)                                                                                         \
    X(int, peer_uid, (int fd, uid_t *uid, pid_t *pid), pk__sys_port_peer_uid(fd, uid, pid), EINVAL, -1)     \
    X(ssize_t, send, (int fd, const void *buf, size_t len, int flags), PK__SYS_SEND(fd, buf, len, flags),   \
      ECONNRESET, -1)                                                                                       \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), sendmsg(fd, message, flags),     \
      ECONNRESET, -1)                                                                                       \
    X(ssize_t, recv, (int fd, void *buf, size_t cap, int flags), PK__SYS_RECV(fd, buf, cap, flags),         \
      ECONNRESET, -1)                                                                                       \
    X(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), recvmsg(fd, message, flags),           \
      ECONNRESET, -1)                                                                                       \
    X(int, show_sender, (int fd), pk__sys_port_show_sender(fd), EINVAL, -1)                                 \
    X(ssize_t, recv_sender, (int fd, void *buf, size_t cap, pid_t *pid),                                    \
      pk__sys_port_recv_sender(fd, buf, cap, pid), ECONNRESET, -1)                                          \
    X(ssize_t, send_fds, (int fd, const void *buf, size_t len, const int *fds, size_t count),               \
      pk__sys_port_send_fds(fd, buf, len, fds, count), ECONNRESET, -1)                                      \
    X(ssize_t, recv_fds, (int fd, void *buf, size_t cap, int *fds, size_t *count),                          \
      pk__sys_port_recv_fds(fd, buf, cap, fds, count), ECONNRESET, -1)                                      \
    X(int, dup_over, (int from, int to), pk__sys_port_dup_over(from, to), EMFILE, -1)                       \
    X(ssize_t, sendfile, (int out, int in, off_t *at, size_t len),                                          \
      pk__sys_port_sendfile(out, in, at, len), ENOSYS, -1)
#else
#define PK__SYS_LIST_SOCKET(X)
#endif

#ifndef PLUGKIT_NO_NET
#define PK__SYS_LIST_NAME(X)                                                                                \
    X(int, look_up, (const char *host, pk__sys_names *out), pk__sys_port_look_up(host, out), EIO, EAI_AGAIN)

/* What a name stands for, in the order in which it is to be tried; ports are 0. */
typedef struct pk__sys_names {
    size_t count;
    struct sockaddr_storage at[16];
} pk__sys_names;
#else
#define PK__SYS_LIST_NAME(X)
#endif

#if defined(PK__LINUX) && !defined(PK__NO_POLL)
#define PK__SYS_LIST_LINUX(X)                                                                               \
    X(int, epoll_create1, (int flags), epoll_create1(flags), EMFILE, -1)                                    \
    X(int, epoll_ctl, (int fd, int operation, int target, struct epoll_event *event),                       \
      epoll_ctl(fd, operation, target, event), ENOMEM, -1)                                                  \
    X(int, epoll_wait, (int fd, struct epoll_event *out, int cap, int timeout_ms),                          \
      PK__SYS_EPOLL_WAIT(fd, out, cap, timeout_ms), EINTR, -1)                                              \
    X(int, eventfd, (unsigned value, int flags), eventfd(value, flags), EMFILE, -1)                         \
    X(int, timerfd_create, (clockid_t id, int flags), timerfd_create(id, flags), EMFILE, -1)                \
    X(int, timerfd_settime, (int fd, int flags, const struct itimerspec *time),                             \
      timerfd_settime(fd, flags, time, NULL), EINVAL, -1)
#else
#define PK__SYS_LIST_LINUX(X)
#endif

#ifdef PK__KQUEUE
#define PK__SYS_LIST_KQUEUE(X)                                                                              \
    X(int, kqueue, (void), kqueue(), EMFILE, -1)                                                            \
    X(int, kevent, (int fd, const struct kevent *changes, int count, struct kevent *out, int cap,           \
                    const struct timespec *timeout),                                                        \
      kevent(fd, changes, count, out, cap, timeout), ENOMEM, -1)
#else
#define PK__SYS_LIST_KQUEUE(X)
#endif

#ifndef PLUGKIT_NO_PROCESS
#define PK__SYS_LIST_PROCESS(X)                                                                             \
    X(pid_t, fork, (void), fork(), EAGAIN, -1)                                                              \
    X(pid_t, spawn_vm, (int (*run)(void *), void *stack, size_t size, void *arg),                           \
      pk__sys_port_spawn_vm(run, stack, size, arg), EAGAIN, -1)                                             \
    X(int, execve, (const char *path, char *const *argv, char *const *env), execve(path, argv, env),        \
      EACCES, -1)                                                                                           \
    X(int, execveat, (int fd, char *const *argv, char *const *env), pk__sys_port_execveat(fd, argv, env),   \
      ENOSYS, -1)                                                                                           \
    X(int, dup2, (int from, int to), dup2(from, to), EMFILE, -1)                                            \
    X(int, chdir, (const char *path), chdir(path), ENOENT, -1)                                              \
    X(int, reset_signal, (int number, bool ignored), pk__sys_port_reset_signal(number, ignored), 0,         \
      pk__sys_port_reset_signal(number, ignored))                                                           \
    X(ssize_t, getdents, (int fd, void *buf, size_t cap), pk__sys_port_getdents(fd, buf, cap), ENOSYS, -1)  \
    X(int, setpgid, (pid_t pid, pid_t group), setpgid(pid, group), EPERM, -1)                               \
    X(pid_t, getpgid, (pid_t pid), getpgid(pid), ESRCH, -1)                                                 \
    X(int, close_range, (unsigned first), pk__sys_port_close_range(first), ENOSYS, -1)                      \
    X(int, die_with_parent, (int number), pk__sys_port_die_with_parent(number), EINVAL, -1)                 \
    X(int, waitid, (idtype_t type, id_t id, siginfo_t *out, int options), waitid(type, id, out, options),   \
      EINTR, -1)                                                                                            \
    X(int, wait_pidfd, (int fd, siginfo_t *out, int options), pk__sys_port_wait_pidfd(fd, out, options),    \
      EINTR, -1)                                                                                            \
    X(pid_t, waitpid, (pid_t pid, int *status, int options), waitpid(pid, status, options), EINTR, -1)      \
    X(pid_t, getppid, (void), getppid(), 0, getppid())                                                       \
    X(int, pidfd_open, (pid_t pid), pk__sys_port_pidfd_open(pid), ENOSYS, -1)                               \
    X(int, pidfd_send_signal, (int fd, int number, unsigned flags),                                         \
      pk__sys_port_pidfd_send_signal(fd, number, flags), EINVAL, -1)
#else
#define PK__SYS_LIST_PROCESS(X)
#endif

#ifdef PLUGKIT_WITH_ISOLATE // what confine.h makes
#define PK__SYS_LIST_CONFINE(X)                                                                             \
    X(int, get_limit, (int what, struct rlimit *out), pk__confine_port_get_limit(what, out), EINVAL, -1)    \
    X(int, set_limit, (int what, const struct rlimit *limit), pk__confine_port_set_limit(what, limit),      \
      EPERM, -1)                                                                                            \
    X(int, set_nice, (int nice), setpriority(PRIO_PROCESS, 0, nice), EACCES, -1)                            \
    X(mode_t, set_umask, (mode_t mask), umask(mask), 0, umask(mask))                                        \
    X(int, drop_capability, (int number), pk__confine_port_drop_capability(number), EPERM, -1)              \
    X(int, drop_inherited, (void), pk__confine_port_drop_inherited(), EPERM, -1)                            \
    X(int, set_groups, (size_t count, const gid_t *groups), pk__confine_port_set_groups(count, groups),     \
      EPERM, -1)                                                                                            \
    X(int, set_group, (gid_t gid), pk__confine_port_set_group(gid), EPERM, -1)                              \
    X(int, set_user, (uid_t uid), pk__confine_port_set_user(uid), EPERM, -1)                                \
    X(int, unshare, (unsigned spaces), pk__confine_port_unshare(spaces), EPERM, -1)                         \
    X(int, mount, (const char *what, const char *where, const char *type, unsigned long how, const char *more),     \
      pk__confine_port_mount(what, where, type, how, more), EPERM, -1)                                      \
    X(int, no_new_privileges, (void), pk__confine_port_no_new_privileges(), EINVAL, -1)                     \
    X(int, landlock_create, (uint64_t access), pk__confine_port_landlock_create(access), ENOSYS, -1)        \
    X(int, landlock_add, (int set, int place, uint64_t access),                                             \
      pk__confine_port_landlock_add(set, place, access), EINVAL, -1)                                        \
    X(int, landlock_enter, (int set), pk__confine_port_landlock_enter(set), E2BIG, -1)                      \
    X(int, filter_calls, (const void *program), pk__confine_port_filter_calls(program), EINVAL, -1)

PK__FN int pk__confine_port_get_limit(int what, struct rlimit *out);
PK__FN int pk__confine_port_set_limit(int what, const struct rlimit *limit);
PK__FN int pk__confine_port_drop_capability(int number); // EINVAL: there are not so many
PK__FN int pk__confine_port_drop_inherited(void); // those that programs would get from here without being root's
PK__FN int pk__confine_port_set_groups(size_t count, const gid_t *groups);
PK__FN int pk__confine_port_set_group(gid_t gid);
PK__FN int pk__confine_port_set_user(uid_t uid);
PK__FN int pk__confine_port_unshare(unsigned spaces); // PK__SYS_SPACE_..
PK__FN int pk__confine_port_mount(const char *what, const char *where, const char *type, unsigned long how,
                                  const char *more); // PK__SYS_MOUNT_..
#define PK__SYS_MOUNT_FRESH 6u         // no setuid programs and no devices in it
#define PK__SYS_MOUNT_BIND 0x1000u
#define PK__SYS_MOUNT_PRIVATE 0x44000u // and all below it
#define PK__SYS_SPACE_MOUNTS 0x00020000u
#define PK__SYS_SPACE_IPC 0x08000000u
#define PK__SYS_SPACE_USER 0x10000000u
#define PK__SYS_SPACE_NETWORK 0x40000000u
PK__FN int pk__confine_port_no_new_privileges(void);
PK__FN int pk__confine_port_landlock_create(uint64_t access); // a descriptor; with 0 the version
PK__FN int pk__confine_port_landlock_add(int set, int place, uint64_t access);
PK__FN int pk__confine_port_landlock_enter(int set);
PK__FN int pk__confine_port_filter_calls(const void *program); // a struct sock_fprog
#else
#define PK__SYS_LIST_CONFINE(X)
#endif

#ifndef PLUGKIT_NO_THREADS
#define PK__SYS_LIST_THREAD(X)                                                                              \
    X(int, pthread_create,                                                                                  \
      (pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *), void *arg),                  \
      pthread_create(out, attributes, run, arg), EAGAIN, EAGAIN)
#else
#define PK__SYS_LIST_THREAD(X)
#endif

#ifdef PLUGKIT_WITH_DLOPEN
#define PK__SYS_LIST_OBJECT(X)                                                                              \
    X(void *, dlopen, (const char *path, int flags), dlopen(path, flags), ENOMEM, NULL)                     \
    X(void *, dlsym, (void *object, const char *name), dlsym(object, name), ENOMEM, NULL)
#else
#define PK__SYS_LIST_OBJECT(X)
#endif

#define PK__SYS_LIST(X)                                                                                     \
    PK__SYS_LIST_CLOCK(X)                                                                                   \
    PK__SYS_LIST_FD(X)                                                                                      \
    PK__SYS_LIST_SOCKET(X)                                                                                  \
    PK__SYS_LIST_NAME(X)                                                                                    \
    PK__SYS_LIST_LINUX(X)                                                                                   \
    PK__SYS_LIST_KQUEUE(X)                                                                                  \
    PK__SYS_LIST_PROCESS(X)                                                                                 \
    PK__SYS_LIST_CONFINE(X)                                                                                 \
    PK__SYS_LIST_OBJECT(X)                                                                                  \
    PK__SYS_LIST_THREAD(X)

/* What only some systems have, as functions that exist on all: with errno ENOSYS where there is no other way.
 * */
#ifndef PK__NO_FD
PK__FN int pk__sys_port_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve);
PK__FN int pk__sys_port_pipe(int out[2], int flags); // flags: O_CLOEXEC, O_NONBLOCK
PK__FN ssize_t pk__sys_port_getrandom(void *out, size_t len);
PK__FN int pk__sys_port_cpu_count(void); // that this thread may run on; less than 1 = unknown
PK__FN int pk__sys_port_memfd_create(const char *name, unsigned flags);
PK__FN int pk__sys_port_mask_signals(int how, const sigset_t *set, sigset_t *old); // of this thread
PK__FN void *pk__sys_port_fork_page(size_t size); // zeroed again in a forked child
#define PK__SYS_BENEATH 1     // for openat2: nothing outside of `dir`, whatever the path says
#define PK__SYS_NO_SYMLINKS 2 // nor any symbolic link on the way
#endif
#ifndef PK__NO_POLL
PK__FN int pk__sys_port_socket(int domain, int type, int protocol); // close-on-exec, non-blocking
PK__FN int pk__sys_port_socketpair(int domain, int type, int out[2]); // close-on-exec
PK__FN int pk__sys_port_accept(int fd, struct sockaddr *address, socklen_t *len); // likewise
PK__FN int pk__sys_port_peer_uid(int fd, uid_t *uid, pid_t *pid); // of a Unix socket; pid 0 = not known
/* From show_sender on, recv_sender says which process has sent what it returns (at least the first byte of it), as the
 * kernel knows it. *pid 0 = not known. Never waits. */
PK__FN int pk__sys_port_show_sender(int fd);
PK__FN ssize_t pk__sys_port_recv_sender(int fd, void *buf, size_t cap, pid_t *pid);
/* Descriptors that travel over a Unix socket with the first byte. *count: room for them, at most PK__SYS_FDS; then how
 * many have come, close-on-exec and the caller's, also if nothing else came. Never waits, never raises SIGPIPE where
 * the system can be asked for that. */
#define PK__SYS_FDS 4
PK__FN ssize_t pk__sys_port_send_fds(int fd, const void *buf, size_t len, const int *fds, size_t count);
PK__FN ssize_t pk__sys_port_recv_fds(int fd, void *buf, size_t cap, int *fds, size_t *count);
PK__FN int pk__sys_port_dup_over(int from, int to); // dup2, and `to` is close-on-exec
PK__FN ssize_t pk__sys_port_sendfile(int out, int in, off_t *at, size_t len); // may raise SIGPIPE
#endif
#ifndef PLUGKIT_NO_NET
PK__FN int pk__sys_port_look_up(const char *host, pk__sys_names *out); // an error of getaddrinfo; may wait for long
#endif
#ifndef PLUGKIT_NO_PROCESS
PK__FN pid_t pk__sys_port_spawn_vm(int (*run)(void *), void *stack, size_t size, void *arg);
PK__FN int pk__sys_port_execveat(int fd, char *const *argv, char *const *env);
PK__FN int pk__sys_port_close_range(unsigned first); // marks first and all above as close-on-exec
PK__FN int pk__sys_port_die_with_parent(int number);
PK__FN bool pk__sys_port_is_main_thread(void); // false also where that cannot be told
PK__FN int pk__sys_port_reset_signal(int number, bool ignored);
PK__FN ssize_t pk__sys_port_getdents(int fd, void *buf, size_t cap); // as getdents64 of Linux
PK__FN int pk__sys_port_pidfd_open(pid_t pid);
PK__FN int pk__sys_port_wait_pidfd(int fd, siginfo_t *out, int options); // waitid
PK__FN int pk__sys_port_pidfd_send_signal(int fd, int number, unsigned flags);
#define PK__SYS_TO_GROUP 4u // PIDFD_SIGNAL_PROCESS_GROUP: signal the group that the process leads
#endif

#ifndef PLUGKIT_TEST
#define PK__SYS(name) pk__sys_do_##name
#define PK__SYS_DEFINE(type, name, params, call, number, error)                                             \
    PK__LOCAL type pk__sys_do_##name params                                                                    \
    {                                                                                                       \
        return call;                                                                                        \
    }
PK__SYS_LIST(PK__SYS_DEFINE)

#else // PLUGKIT_TEST: the table
#define PK__SYS(name) pk__sys.name
#define PK__SYS_MEMBER(type, name, params, call, number, error) type(*name) params;
typedef struct pk__sys_table {
    PK__SYS_LIST(PK__SYS_MEMBER)
} pk__sys_table;
PK_API_DATA pk__sys_table pk__sys;
#define PK__SYS_DECLARE(type, name, params, call, number, error) PK__FN type pk__sys_do_##name params;
PK__SYS_LIST(PK__SYS_DECLARE) // the real ones

/* How often each was called since pk__sys_reset, by name, and those that can fail together. */
#define PK__SYS_COUNTER(type, name, params, call, number, error) uint32_t name;
typedef struct pk__sys_counters {
    PK__SYS_LIST(PK__SYS_COUNTER)
    uint32_t all;
} pk__sys_counters;
PK_API_DATA pk__sys_counters pk__sys_count;

PK_API_DATA uint32_t pk__sys_fail_at;    // the call with this number (pk__sys_count.all) fails; 0 = none
PK_API_DATA uint32_t pk__sys_fail_times; // and so many after it
PK_API_DATA const char *pk__sys_failed;  // the name of the first that was made to fail, or NULL
PK_API_DATA int pk__sys_old_kernel;      // 1: the five answer ENOSYS; -1: not; 0: as PK_TEST_ENOSYS says
PK__FN void pk__sys_reset(void); // the real calls, all counters zero, no failures
PK__FN bool pk__sys_fails(const char *name, uint32_t *count, int number); // true = pretend; errno is set
PK__FN bool pk__sys_is_old(void);
#endif
#endif
