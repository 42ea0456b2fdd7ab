/* sys.c - system calls that not every system has, and the machinery that tests replace them with. */
#include "sys.h"

#ifndef PK__NO_FD
#include <sys/mman.h>
#endif

/* ---- Linux */
#ifdef PK__LINUX
#ifndef PK__NO_FD
#include <sched.h>
#include <sys/syscall.h>

/* Numbers that the C library's headers may be too old to know; -1 answers ENOSYS. */
#ifdef SYS_openat2
#define PK__SYS_OPENAT2 SYS_openat2
#else
#define PK__SYS_OPENAT2 (-1)
#endif
#ifdef SYS_close_range
#define PK__SYS_CLOSE_RANGE SYS_close_range
#else
#define PK__SYS_CLOSE_RANGE (-1)
#endif
#ifdef SYS_pidfd_open
#define PK__SYS_PIDFD_OPEN SYS_pidfd_open
#else
#define PK__SYS_PIDFD_OPEN (-1)
#endif
#ifdef SYS_pidfd_send_signal
#define PK__SYS_PIDFD_SEND_SIGNAL SYS_pidfd_send_signal
#else
#define PK__SYS_PIDFD_SEND_SIGNAL (-1)
#endif
#ifdef SYS_memfd_create
#define PK__SYS_MEMFD_CREATE SYS_memfd_create
#else
#define PK__SYS_MEMFD_CREATE (-1)
#endif
#ifdef SYS_execveat
#define PK__SYS_EXECVEAT SYS_execveat
#else
#define PK__SYS_EXECVEAT (-1)
#endif

typedef struct pk__sys_open_how { // struct open_how of linux/openat2.h
    uint64_t flags, mode, resolve;
} pk__sys_open_how;

PK__FN int pk__sys_port_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    pk__sys_open_how how = {(uint64_t)flags, (flags & O_CREAT) ? mode : 0, 0};
    how.resolve |= (resolve & PK__SYS_BENEATH) ? 0x08u : 0;     // RESOLVE_BENEATH
    how.resolve |= (resolve & PK__SYS_NO_SYMLINKS) ? 0x04u : 0; // RESOLVE_NO_SYMLINKS
    return (int)syscall(PK__SYS_OPENAT2, dir, path, &how, sizeof(how));
}

PK__FN int pk__sys_port_pipe(int out[2], int flags)
{
    return pipe2(out, flags);
}

PK__FN ssize_t pk__sys_port_getrandom(void *out, size_t len)
{
    return (ssize_t)syscall(SYS_getrandom, out, len, 0);
}

PK__FN int pk__sys_port_cpu_count(void)
{
    cpu_set_t set; // room for 1024, which is enough to count to two
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

PK__FN int pk__sys_port_memfd_create(const char *name, unsigned flags)
{
    return (int)syscall(PK__SYS_MEMFD_CREATE, name, flags);
}

PK__FN void *pk__sys_port_fork_page(size_t size)
{
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    /* MADV_WIPEONFORK, since Linux 4.14. An emulation that says yes to whatever it is advised to does nothing. */
    if (madvise(page, size, 18) != 0 || madvise(page, size, 0x7fff) == 0) {
        munmap(page, size);
        errno = ENOSYS;
        return NULL;
    }
    return page;
}
#endif // PK__NO_FD

#ifndef PK__NO_POLL
#include <string.h>
#include <sys/sendfile.h>

PK__FN int pk__sys_port_socket(int domain, int type, int protocol)
{
    return socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

PK__FN int pk__sys_port_socketpair(int domain, int type, int out[2])
{
    return socketpair(domain, type | SOCK_CLOEXEC, 0, out);
}

PK__FN int pk__sys_port_accept(int fd, struct sockaddr *address, socklen_t *len)
{
    return accept4(fd, address, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

PK__FN int pk__sys_port_peer_uid(int fd, uid_t *uid, pid_t *pid)
{
    struct ucred peer = {0, 0, 0};
    socklen_t len = sizeof(peer);
    int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    *uid = peer.uid;
    *pid = peer.pid;
    return result;
}

PK__FN int pk__sys_port_show_sender(int fd)
{
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

PK__FN ssize_t pk__sys_port_recv_sender(int fd, void *buf, size_t cap, pid_t *pid)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = {buf, cap};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof(control);
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    *pid = 0;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
        struct ucred sender;
        memcpy(&sender, CMSG_DATA(c), sizeof(sender));
        *pid = sender.pid;
    }
    return n;
}

PK__FN int pk__sys_port_dup_over(int from, int to)
{
    return dup3(from, to, O_CLOEXEC);
}

PK__FN ssize_t pk__sys_port_sendfile(int out, int in, off_t *at, size_t len)
{
    return sendfile(out, in, at, len);
}
#endif // PK__NO_POLL

#ifndef PLUGKIT_NO_PROCESS
#include <sched.h>
#include <sys/prctl.h>

#ifndef PK__SYS_WATCHED // sanitizers do not follow two processes in one memory
/* The child runs on a stack of its own in our memory, and we go on when it has exec'd or ended. */
PK__FN pid_t pk__sys_port_spawn_vm(int (*run)(void *), void *stack, size_t size, void *arg)
{
    char *top = (char *)stack + size;
    return clone(run, top - ((uintptr_t)top & 15), CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
}
#else
PK__FN pid_t pk__sys_port_spawn_vm(int (*run)(void *), void *stack, size_t size, void *arg)
{
    (void)run, (void)stack, (void)size, (void)arg;
    errno = ENOSYS; // the caller forks
    return -1;
}
#endif

PK__FN ssize_t pk__sys_port_getdents(int fd, void *buf, size_t cap)
{
    return (ssize_t)syscall(SYS_getdents64, fd, buf, cap);
}

PK__FN int pk__sys_port_execveat(int fd, char *const *argv, char *const *env)
{
    return (int)syscall(PK__SYS_EXECVEAT, fd, "", argv, env, 0x1000); // AT_EMPTY_PATH
}

PK__FN int pk__sys_port_close_range(unsigned first)
{
    return (int)syscall(PK__SYS_CLOSE_RANGE, first, ~0u, 4); // CLOSE_RANGE_CLOEXEC
}

PK__FN int pk__sys_port_die_with_parent(int number)
{
    return prctl(PR_SET_PDEATHSIG, number);
}

PK__FN bool pk__sys_port_is_main_thread(void)
{
    return syscall(SYS_gettid) == (long)getpid();
}

PK__FN int pk__sys_port_pidfd_open(pid_t pid)
{
    return (int)syscall(PK__SYS_PIDFD_OPEN, pid, 0); // close-on-exec by itself
}

PK__FN int pk__sys_port_wait_pidfd(int fd, siginfo_t *out, int options)
{
    return waitid((idtype_t)3, (id_t)fd, out, options); // P_PIDFD, since Linux 5.4
}

PK__FN int pk__sys_port_pidfd_send_signal(int fd, int number, unsigned flags)
{
    return (int)syscall(PK__SYS_PIDFD_SEND_SIGNAL, fd, number, NULL, flags);
}
#endif // PLUGKIT_NO_PROCESS

/* ---- any POSIX system */
#else // not PK__LINUX

PK__FN int pk__sys_port_missing(void)
{
    errno = ENOSYS;
    return -1;
}

#ifndef PK__NO_FD
/* Two steps where Linux has one. A fork by another thread in between leaks the descriptor into its child: one
 * reason why our own children close everything that was not declared. */
PK__FN int pk__sys_port_mark(int fd, int flags)
{
    if (fd >= 0 && ((flags & O_CLOEXEC) == 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) &&
        ((flags & O_NONBLOCK) == 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0)) {
        return fd;
    }
    if (fd >= 0) {
        int error = errno;
        close(fd);
        errno = error;
    }
    return -1;
}

PK__FN int pk__sys_port_mark_pair(int fds[2], int flags)
{
    if (pk__sys_port_mark(fds[0], flags) < 0) {
        close(fds[1]);
        return -1;
    }
    if (pk__sys_port_mark(fds[1], flags) < 0) {
        close(fds[0]);
        return -1;
    }
    return 0;
}

PK__FN int pk__sys_port_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    (void)dir, (void)path, (void)flags, (void)mode, (void)resolve;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_pipe(int out[2], int flags)
{
    return pipe(out) == 0 ? pk__sys_port_mark_pair(out, flags) : -1;
}

PK__FN ssize_t pk__sys_port_getrandom(void *out, size_t len)
{
    (void)out, (void)len;
    return pk__sys_port_missing(); // the caller reads /dev/urandom
}

PK__FN int pk__sys_port_cpu_count(void)
{
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

PK__FN int pk__sys_port_memfd_create(const char *name, unsigned flags)
{
    (void)name, (void)flags;
    return pk__sys_port_missing();
}

PK__FN void *pk__sys_port_fork_page(size_t size)
{
    (void)size;
    errno = ENOSYS;
    return NULL;
}
#endif // PK__NO_FD

#ifndef PK__NO_POLL
PK__FN int pk__sys_port_socket(int domain, int type, int protocol)
{
    return pk__sys_port_mark(socket(domain, type, protocol), O_CLOEXEC | O_NONBLOCK);
}

PK__FN int pk__sys_port_socketpair(int domain, int type, int out[2])
{
    return socketpair(domain, type, 0, out) == 0 ? pk__sys_port_mark_pair(out, O_CLOEXEC) : -1;
}

PK__FN int pk__sys_port_accept(int fd, struct sockaddr *address, socklen_t *len)
{
    return pk__sys_port_mark(accept(fd, address, len), O_CLOEXEC | O_NONBLOCK);
}

#ifdef SO_PEERCRED // PLUGKIT_POSIX on Linux, where there is no getpeereid
PK__FN int pk__sys_port_peer_uid(int fd, uid_t *uid, pid_t *pid)
{
    struct ucred peer = {0, 0, 0};
    socklen_t len = sizeof(peer);
    int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    *uid = peer.uid;
    *pid = 0;
    return result;
}
#else
PK__FN int pk__sys_port_peer_uid(int fd, uid_t *uid, pid_t *pid)
{
    gid_t gid = 0;
    *pid = 0;
    return getpeereid(fd, uid, &gid);
}
#endif

PK__FN int pk__sys_port_show_sender(int fd)
{
    (void)fd;
    return pk__sys_port_missing();
}

PK__FN ssize_t pk__sys_port_recv_sender(int fd, void *buf, size_t cap, pid_t *pid)
{
    *pid = 0;
    return recv(fd, buf, cap, MSG_DONTWAIT);
}

PK__FN int pk__sys_port_dup_over(int from, int to)
{
    return pk__sys_port_mark(dup2(from, to), O_CLOEXEC);
}

PK__FN ssize_t pk__sys_port_sendfile(int out, int in, off_t *at, size_t len)
{
    (void)out, (void)in, (void)at, (void)len;
    return pk__sys_port_missing(); // the caller copies
}
#endif // PK__NO_POLL

#ifndef PLUGKIT_NO_PROCESS
PK__FN pid_t pk__sys_port_spawn_vm(int (*run)(void *), void *stack, size_t size, void *arg)
{
    (void)run, (void)stack, (void)size, (void)arg;
    return pk__sys_port_missing(); // the caller forks
}

PK__FN ssize_t pk__sys_port_getdents(int fd, void *buf, size_t cap)
{
    (void)fd, (void)buf, (void)cap;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_execveat(int fd, char *const *argv, char *const *env)
{
    (void)fd, (void)argv, (void)env;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_close_range(unsigned first)
{
    (void)first;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_die_with_parent(int number)
{
    (void)number;
    return pk__sys_port_missing();
}

PK__FN bool pk__sys_port_is_main_thread(void)
{
    return false;
}

PK__FN int pk__sys_port_pidfd_open(pid_t pid)
{
    (void)pid;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_wait_pidfd(int fd, siginfo_t *out, int options)
{
    (void)fd, (void)out, (void)options;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_pidfd_send_signal(int fd, int number, unsigned flags)
{
    (void)fd, (void)number, (void)flags;
    return pk__sys_port_missing();
}
#endif // PLUGKIT_NO_PROCESS
#endif // PK__LINUX

#ifndef PK__NO_POLL
#include <string.h>

#ifdef MSG_NOSIGNAL
#define PK__SYS_NOSIGNAL MSG_NOSIGNAL
#else
#define PK__SYS_NOSIGNAL 0
#endif
#ifdef MSG_CMSG_CLOEXEC
#define PK__SYS_CMSG_CLOEXEC MSG_CMSG_CLOEXEC
#else
#define PK__SYS_CMSG_CLOEXEC 0
#endif

typedef union pk__sys_rights {
    struct cmsghdr align;
    char room[CMSG_SPACE(PK__SYS_FDS * sizeof(int))];
} pk__sys_rights;

PK__FN ssize_t pk__sys_port_send_fds(int fd, const void *buf, size_t len, const int *fds, size_t count)
{
    pk__sys_rights rights;
    struct iovec part = {(void *)(uintptr_t)buf, len};
    struct msghdr message;
    memset(&message, 0, sizeof(message));
    memset(&rights, 0, sizeof(rights));
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &rights;
    message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    return sendmsg(fd, &message, MSG_DONTWAIT | PK__SYS_NOSIGNAL);
}

PK__FN ssize_t pk__sys_port_recv_fds(int fd, void *buf, size_t cap, int *fds, size_t *count)
{
    pk__sys_rights rights;
    struct iovec part = {buf, cap};
    struct msghdr message;
    size_t room = *count;
    *count = 0;
    memset(&message, 0, sizeof(message));
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &rights;
    message.msg_controllen = sizeof(rights);
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | PK__SYS_CMSG_CLOEXEC);
    const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&message); // systems gather all rights in one
    bool ours = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
    for (size_t at = 0; ours && CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
        int one = -1;
        memcpy(&one, CMSG_DATA(c) + at, sizeof(one));
        (void)fcntl(one, F_SETFD, FD_CLOEXEC);
        if (*count < room) {
            fds[(*count)++] = one;
        } else {
            close(one);
        }
    }
    return n;
}
#undef PK__SYS_NOSIGNAL
#undef PK__SYS_CMSG_CLOEXEC
#endif

#ifndef PLUGKIT_NO_NET
#include <string.h>

PK__FN int pk__sys_port_look_up(const char *host, pk__sys_names *out)
{
    struct addrinfo hints;
    struct addrinfo *found = NULL;
    memset(&hints, 0, sizeof(hints));
    memset(out, 0, sizeof(*out));
    hints.ai_socktype = SOCK_STREAM;
    int rc = getaddrinfo(host, NULL, &hints, &found);
    for (struct addrinfo *a = found; rc == 0 && a && out->count < PK__COUNT(out->at); a = a->ai_next) {
        bool known = a->ai_family == AF_INET || a->ai_family == AF_INET6;
        if (known && a->ai_addrlen <= sizeof(out->at[0])) {
            memcpy(&out->at[out->count++], a->ai_addr, a->ai_addrlen);
        }
    }
    if (rc == 0) {
        freeaddrinfo(found);
    }
    return rc == 0 && out->count == 0 ? EAI_NONAME : rc;
}
#endif

#ifndef PK__NO_FD
#ifndef PLUGKIT_NO_THREADS
PK__FN int pk__sys_port_mask_signals(int how, const sigset_t *set, sigset_t *old)
{
    return pthread_sigmask(how, set, old);
}
#else
PK__FN int pk__sys_port_mask_signals(int how, const sigset_t *set, sigset_t *old)
{
    return sigprocmask(how, set, old);
}
#endif
#endif

#ifndef PLUGKIT_NO_PROCESS
PK__FN int pk__sys_port_reset_signal(int number, bool ignored)
{
    struct sigaction action;
    sigset_t *mask = &action.sa_mask;
    sigemptyset(mask);
    action.sa_handler = ignored ? SIG_IGN : SIG_DFL;
    action.sa_flags = 0;
    return sigaction(number, &action, NULL);
}
#endif

/* ---- tests */
#ifdef PLUGKIT_TEST
#include <stdlib.h>
#include <string.h>

#include "atomic.h"

PK__DATA pk__sys_counters pk__sys_count;
PK__DATA uint32_t pk__sys_fail_at, pk__sys_fail_times;
PK__DATA const char *pk__sys_failed;
PK__DATA int pk__sys_old_kernel;

#define PK__SYS_DEFINE(type, name, params, call, number, error)                                             \
    PK__FN type pk__sys_do_##name params                                                                     \
    {                                                                                                       \
        if (pk__sys_fails(#name, &pk__sys_count.name, number)) {                                            \
            type result = error;                                                                            \
            errno = number;                                                                                 \
            return result;                                                                                  \
        }                                                                                                   \
        return call;                                                                                        \
    }
PK__SYS_LIST(PK__SYS_DEFINE)
#define PK__SYS_ENTRY(type, name, params, call, number, error) pk__sys_do_##name,
PK__DATA pk__sys_table pk__sys = {PK__SYS_LIST(PK__SYS_ENTRY)};

PK__FN void pk__sys_reset(void)
{
    static const pk__sys_table real = {PK__SYS_LIST(PK__SYS_ENTRY)};
    pk__sys = real;
    memset(&pk__sys_count, 0, sizeof(pk__sys_count));
    pk__sys_fail_at = pk__sys_fail_times = 0;
    pk__sys_failed = NULL;
}

PK__FN bool pk__sys_is_old(void)
{
    if (pk__sys_old_kernel == 0) {
        const char *text = getenv("PK_TEST_ENOSYS");
        pk__sys_old_kernel = text && strcmp(text, "1") == 0 ? 1 : -1;
    }
    return pk__sys_old_kernel > 0;
}

PK__FN bool pk__sys_is_young(const char *name)
{
    static const char *const young[] = {"pidfd_open", "close_range", "openat2", "memfd_create", "execveat",
                                        "landlock_create"};
    for (size_t i = 0; i < PK__COUNT(young); i++) {
        if (strcmp(name, young[i]) == 0) {
            return true;
        }
    }
    return false;
}

PK__FN bool pk__sys_fails(const char *name, uint32_t *count, int number)
{
    uint32_t turn;
    (void)pk__atomic_add(count, 1);
    if (number == ENOSYS && pk__sys_is_old() && pk__sys_is_young(name)) {
        return true;
    }
    if (number == 0) { // never fails: not a case to try
        return false;
    }
    turn = pk__atomic_add(&pk__sys_count.all, 1) + 1;
    if (pk__sys_fail_at == 0 || turn < pk__sys_fail_at || turn - pk__sys_fail_at > pk__sys_fail_times) {
        return false;
    }
    if (turn == pk__sys_fail_at) {
        pk__sys_failed = name;
    }
    return true;
}
#endif
