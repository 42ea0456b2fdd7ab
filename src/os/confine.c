/* confine.c - the limits of a child. */
#ifdef PLUGKIT_WITH_ISOLATE
#include "confine.h"

#include <string.h>

#include "fd.h"

#ifdef O_PATH
#define PK__CONFINE_O_PATH O_PATH
#else
#define PK__CONFINE_O_PATH 0
#endif

#ifdef __GLIBC__ // where a resource is an enum, for compilers that mind
typedef __rlimit_resource_t pk__confine_resource;
#else
typedef int pk__confine_resource;
#endif

PK__FN int pk__confine_port_get_limit(int what, struct rlimit *out)
{
    return getrlimit((pk__confine_resource)what, out);
}

PK__FN int pk__confine_port_set_limit(int what, const struct rlimit *limit)
{
    return setrlimit((pk__confine_resource)what, limit);
}

/* ---- what systems do differently */
#ifdef PK__LINUX
#include <sys/prctl.h>
#include <sys/syscall.h>

/* On 32-bit systems the calls of these names know users below 65536 only. */
#ifdef SYS_setgroups32
#define PK__CONFINE_CALL(name) SYS_##name##32
#else
#define PK__CONFINE_CALL(name) SYS_##name
#endif

PK__FN int pk__confine_port_drop_capability(int number)
{
    return prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
}

PK__FN int pk__confine_port_drop_inherited(void)
{
    struct {
        uint32_t version;
        int pid;
    } who = {0x20080522, 0}; // _LINUX_CAPABILITY_VERSION_3: two words of each set
    struct {
        uint32_t effective, permitted, inheritable;
    } sets[2];
    if (syscall(SYS_capget, &who, sets) != 0) {
        return -1;
    }
    sets[0].inheritable = sets[1].inheritable = 0; // and with them the ambient ones
    return (int)syscall(SYS_capset, &who, sets);
}

PK__FN int pk__confine_port_set_groups(size_t count, const gid_t *groups)
{
    return (int)syscall(PK__CONFINE_CALL(setgroups), count, groups);
}

PK__FN int pk__confine_port_set_group(gid_t gid)
{
    return (int)syscall(PK__CONFINE_CALL(setresgid), gid, gid, gid);
}

PK__FN int pk__confine_port_set_user(uid_t uid)
{
    return (int)syscall(PK__CONFINE_CALL(setresuid), uid, uid, uid);
}

PK__FN int pk__confine_port_unshare(unsigned spaces)
{
    return (int)syscall(SYS_unshare, (unsigned long)spaces);
}

PK__FN int pk__confine_port_mount(const char *what, const char *where, const char *type, unsigned long how,
                                  const char *more)
{
    return (int)syscall(SYS_mount, what, where, type, how, more);
}

PK__FN int pk__confine_port_no_new_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
#undef PK__CONFINE_CALL

/* The numbers are the same on all kinds of processors. */
PK__FN int pk__confine_port_landlock_create(uint64_t access)
{
    return access ? (int)syscall(444, &access, sizeof(access), 0) : (int)syscall(444, NULL, 0, 1);
}

PK__FN int pk__confine_port_landlock_add(int set, int place, uint64_t access)
{
    struct { // struct landlock_path_beneath_attr, which is packed
        uint32_t access[2];
        int32_t place;
    } rule = {{0, 0}, place};
    memcpy(rule.access, &access, sizeof(access));
    return (int)syscall(445, set, 1, &rule, 0);
}

PK__FN int pk__confine_port_landlock_enter(int set)
{
    return (int)syscall(446, set, 0);
}

PK__FN int pk__confine_port_filter_calls(const void *program)
{
    return (int)syscall(SYS_seccomp, 1, 0, program); // SECCOMP_SET_MODE_FILTER
}

#else // there the child is forked, and has no other threads
#include <grp.h>

PK__FN int pk__confine_port_drop_capability(int number)
{
    (void)number;
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_drop_inherited(void)
{
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_set_groups(size_t count, const gid_t *groups)
{
    return setgroups(count, groups);
}

PK__FN int pk__confine_port_set_group(gid_t gid)
{
    return setgid(gid);
}

PK__FN int pk__confine_port_set_user(uid_t uid)
{
    return setuid(uid);
}

PK__FN int pk__confine_port_unshare(unsigned spaces)
{
    (void)spaces;
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_mount(const char *what, const char *where, const char *type, unsigned long how,
                                  const char *more)
{
    (void)what, (void)where, (void)type, (void)how, (void)more;
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_no_new_privileges(void)
{
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_landlock_create(uint64_t access)
{
    (void)access;
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_landlock_add(int set, int place, uint64_t access)
{
    (void)set, (void)place, (void)access;
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_landlock_enter(int set)
{
    (void)set;
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_filter_calls(const void *program)
{
    (void)program;
    return pk__sys_port_missing();
}
#endif

/* ---- one by one */

static bool pk__confine_write(const char *path, const char *text, size_t len)
{
    int fd = PK__SYS(open)(path, O_WRONLY | O_CLOEXEC, 0);
    bool ok = fd >= 0 && PK__SYS(write)(fd, text, len) == (ssize_t)len;
    int error = errno;
    if (fd >= 0) {
        (void)PK__SYS(close)(fd);
    }
    errno = error;
    return ok;
}

/* Who has not root's rights has them in a space of users of its own, until it execs; there it is who it was. */
static bool pk__confine_unshare(const pk__confine *c, unsigned space, bool first)
{
    if (c->is_root || !first) {
        return PK__SYS(unshare)(space) == 0;
    }
    return PK__SYS(unshare)(space | PK__SYS_SPACE_USER) == 0 &&
           pk__confine_write("/proc/self/setgroups", "deny", 4) &&
           pk__confine_write("/proc/self/uid_map", c->users, strlen(c->users)) &&
           pk__confine_write("/proc/self/gid_map", c->numbers, strlen(c->numbers));
}

/* Makes a directory in /tmp, and those that it is in. The path is as it was afterwards. */
static bool pk__confine_make(char *path)
{
    for (char *at = path + sizeof("/tmp/") - 1;; at++) {
        if (*at == '/' || *at == '\0') {
            char was = *at;
            *at = '\0';
            int result = PK__SYS(mkdir)(path, 0755);
            *at = was;
            if (result != 0 && errno != EEXIST) {
                return false;
            }
            if (was == '\0') {
                return true;
            }
        }
    }
}

/* What a descriptor stands for, seen at that path too. */
static bool pk__confine_bind(int fd, char *path)
{
    char name[] = "/proc/self/fd/0000";
    int number = fd;
    for (size_t i = sizeof(name) - 2; i > sizeof(name) - 6; i--, number /= 10) {
        name[i] = (char)('0' + number % 10);
    }
    char *digits = name + sizeof("/proc/self/fd/") - 1; // without zeros in front
    size_t zeros = 0;
    while (zeros < 3 && digits[zeros] == '0') {
        zeros++;
    }
    memmove(digits, digits + zeros, 5 - zeros);
    bool ok = number == 0 && pk__confine_make(path) &&
              PK__SYS(mount)(name, path, NULL, PK__SYS_MOUNT_BIND, NULL) == 0;
    int error = errno;
    (void)PK__SYS(close)(fd);
    errno = error;
    return ok;
}

/* Nothing of the old /tmp is left: not even by the way up from where the host is. */
static bool pk__confine_tmp(pk__confine *c)
{
    int kept[2] = {-1, -1};
    bool first = (c->wanted & (1u << PK__CONFINE_NETWORK | 1u << PK__CONFINE_IPC)) == 0;
    bool ok = pk__confine_unshare(c, PK__SYS_SPACE_MOUNTS, first) &&
              PK__SYS(mount)("none", "/", NULL, PK__SYS_MOUNT_PRIVATE, NULL) == 0;
    for (size_t i = 0; ok && i < PK__COUNT(kept); i++) {
        kept[i] = c->keep[i][0] ? PK__SYS(open)(c->keep[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC | PK__CONFINE_O_PATH, 0)
                                : -1;
        ok = kept[i] >= 0 || !c->keep[i][0];
    }
    ok = ok && PK__SYS(mount)("tmpfs", "/tmp", "tmpfs", PK__SYS_MOUNT_FRESH, c->tmp_options) == 0;
    for (size_t i = 0; ok && i < PK__COUNT(kept); i++) {
        ok = kept[i] < 0 || pk__confine_bind(kept[i], c->keep[i]);
    }
    return ok && PK__SYS(chdir)("/") == 0;
}

/* Never above what holds already. */
static bool pk__confine_limit(const pk__confine *c, pk__confine_what what, int resource)
{
    struct rlimit now, limit;
    if (PK__SYS(get_limit)(resource, &now) != 0) {
        return false;
    }
    uint64_t number = c->number[what], more = what == PK__CONFINE_CPU ? number + 1 : number; // SIGXCPU, then SIGKILL
    limit.rlim_max = now.rlim_max < more ? now.rlim_max : (rlim_t)more;
    limit.rlim_cur = limit.rlim_max < number ? limit.rlim_max : (rlim_t)number;
    return PK__SYS(set_limit)(resource, &limit) == 0;
}

static bool pk__confine_join(const pk__confine *c)
{
    for (size_t i = 0; i < c->join_count; i++) {
        if (PK__SYS(write)(c->join[i], "0", 1) != 1) { // 0 = who writes
            return false;
        }
    }
    return true;
}

/* What a program of root's is given when it begins is bounded by a set; others have only what they inherit. */
static bool pk__confine_capabilities(const pk__confine *c)
{
    if (PK__SYS(drop_inherited)() != 0) {
        return false;
    }
    for (int number = 0; c->is_root && number < 64; number++) {
        if (PK__SYS(drop_capability)(number) != 0) {
            return errno == EINVAL && number > 0; // all that this system has
        }
    }
    return true;
}

static bool pk__confine_user(const pk__confine *c)
{
    return PK__SYS(set_groups)(c->group_count, c->groups) == 0 && PK__SYS(set_group)(c->gid) == 0 &&
           PK__SYS(set_user)(c->uid) == 0;
}

static bool pk__confine_paths(const pk__confine *c)
{
    return PK__SYS(no_new_privileges)() == 0 && PK__SYS(landlock_enter)(c->paths) == 0;
}

static bool pk__confine_filter(const pk__confine *c)
{
    return PK__SYS(no_new_privileges)() == 0 && PK__SYS(filter_calls)(&c->program) == 0;
}

static bool pk__confine_do(pk__confine *c, pk__confine_what what)
{
    switch (what) {
    case PK__CONFINE_MEMORY:
    case PK__CONFINE_SHARE:
    case PK__CONFINE_TASKS: return pk__confine_join(c);
    case PK__CONFINE_NETWORK: return pk__confine_unshare(c, PK__SYS_SPACE_NETWORK, true);
    case PK__CONFINE_IPC:
        return pk__confine_unshare(c, PK__SYS_SPACE_IPC, (c->wanted & (1u << PK__CONFINE_NETWORK)) == 0);
    case PK__CONFINE_TMP: return pk__confine_tmp(c);
    case PK__CONFINE_NICE: return PK__SYS(set_nice)(c->nice) == 0;
    case PK__CONFINE_ADDRESS_SPACE: return pk__confine_limit(c, what, RLIMIT_AS);
    case PK__CONFINE_CPU: return pk__confine_limit(c, what, RLIMIT_CPU);
    case PK__CONFINE_FILES: return pk__confine_limit(c, what, RLIMIT_NOFILE);
    case PK__CONFINE_PROCESSES: return pk__confine_limit(c, what, RLIMIT_NPROC);
    case PK__CONFINE_FILE_SIZE: return pk__confine_limit(c, what, RLIMIT_FSIZE);
    case PK__CONFINE_CORE: return pk__confine_limit(c, what, RLIMIT_CORE);
    case PK__CONFINE_CAPABILITIES: return pk__confine_capabilities(c);
    case PK__CONFINE_USER: return pk__confine_user(c);
    case PK__CONFINE_DIRECTORY: return PK__SYS(chdir)(c->directory) == 0;
    case PK__CONFINE_UMASK: return (void)PK__SYS(set_umask)(c->umask), true;
    case PK__CONFINE_PRIVILEGES: return PK__SYS(no_new_privileges)() == 0;
    case PK__CONFINE_PATHS: return pk__confine_paths(c);
    case PK__CONFINE_CALLS: return pk__confine_filter(c);
    case PK__CONFINE_COUNT: break;
    }
    return true;
}

PK__FN const char *pk__confine_name(pk__confine_what what)
{
    static const char *const names[] = {
#define PK__CONFINE_NAME(name, text) text,
        PK__CONFINES(PK__CONFINE_NAME)
#undef PK__CONFINE_NAME
    };
    return names[what];
}

PK__FN const char *pk__confine_run(void *confine)
{
    pk__confine *c = (pk__confine *)confine;
    for (int what = 0; what < PK__CONFINE_COUNT; what++) {
        if ((c->wanted & (1u << what)) && !pk__confine_do(c, (pk__confine_what)what)) {
            return pk__confine_name((pk__confine_what)what);
        }
    }
    return NULL;
}

/* ---- in the parent: paths */

/* Bits of LANDLOCK_ACCESS_FS_, from version 1 on; later ones know more of them. */
#define PK__CONFINE_FS_EXECUTE 1u
#define PK__CONFINE_FS_READ 0xcu       // files and directories
#define PK__CONFINE_FS_WRITE 0x77b2u   // and truncate, remove, make, link between; no devices
#define PK__CONFINE_FS_SOCKET 0x220u   // make one, remove it
#define PK__CONFINE_FS_FILE 0xc007u    // what makes sense for what is no directory
#define PK__CONFINE_FS_DEVICE 0x8000u  // ioctl

static uint64_t pk__confine_known(int version)
{
    return version >= 5 ? 0xffffu : version >= 3 ? 0x7fffu : version == 2 ? 0x3fffu : 0x1fffu;
}

PK__FN int pk__confine_paths_open(pk__confine *c)
{
    int version = PK__SYS(landlock_create)(0);
    int fd = version < 1 ? -1 : PK__SYS(landlock_create)(pk__confine_known(version));
    if (fd < 0) {
        return -1;
    }
    c->paths = PK__SYS(fcntl)(fd, F_DUPFD_CLOEXEC, 2 * PK__SPAWN_FDS); // what the child has lies below
    pk__fd_close(fd);
    return c->paths < 0 ? -1 : version;
}

PK__FN bool pk__confine_paths_allow(const pk__confine *c, const char *path, unsigned how)
{
    struct stat st;
    uint64_t access = (how & PK__CONFINE_READ ? PK__CONFINE_FS_READ : 0) |
                      (how & PK__CONFINE_WRITE ? PK__CONFINE_FS_WRITE : 0) |
                      (how & PK__CONFINE_EXECUTE ? PK__CONFINE_FS_EXECUTE : 0) |
                      (how & PK__CONFINE_SOCKETS ? PK__CONFINE_FS_SOCKET : 0);
    int version = PK__SYS(landlock_create)(0);
    int fd = version < 1 ? -1 : PK__SYS(open)(path, O_RDONLY | O_CLOEXEC | PK__CONFINE_O_PATH, 0);
    if (fd < 0) {
        return false;
    }
    bool ok = PK__SYS(fstat)(fd, &st) == 0;
    if (ok && !S_ISDIR(st.st_mode)) {
        access = (access & PK__CONFINE_FS_FILE) | (S_ISREG(st.st_mode) ? 0 : PK__CONFINE_FS_DEVICE);
    }
    ok = ok && PK__SYS(landlock_add)(c->paths, fd, access & pk__confine_known(version)) == 0;
    int error = errno;
    pk__fd_close(fd);
    errno = error;
    return ok;
}

/* ---- in the parent: system calls */

#if defined(PK__LINUX) && defined(__x86_64__) && defined(__LP64__)
#define PK__CONFINE_ARCH 0xc000003eu // AUDIT_ARCH_..
#elif defined(PK__LINUX) && defined(__aarch64__) && defined(__LP64__) && !defined(__AARCH64EB__)
#define PK__CONFINE_ARCH 0xc00000b7u
#elif defined(PK__LINUX) && defined(__riscv) && defined(__LP64__)
#define PK__CONFINE_ARCH 0xc00000f3u
#endif

#ifdef PK__CONFINE_ARCH

/* What programs do that serve, compute, read and write. Numbers from 424 on are the same everywhere. */
static const uint16_t pk__confine_allowed[] = {
    SYS_read, SYS_write, SYS_close, SYS_fstat, SYS_lseek, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev, SYS_preadv,
    SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_openat, SYS_dup, SYS_dup3, SYS_fcntl, SYS_flock, SYS_ioctl, SYS_fsync,
    SYS_fdatasync, SYS_syncfs, SYS_truncate, SYS_ftruncate, SYS_fallocate, SYS_fadvise64, SYS_readahead, SYS_sendfile,
    SYS_splice, SYS_tee, SYS_copy_file_range, SYS_pipe2, SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir,
    SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_readlinkat, SYS_faccessat, SYS_newfstatat,
    SYS_statx, SYS_statfs, SYS_fstatfs, SYS_utimensat, SYS_umask, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat,
    SYS_getxattr, SYS_lgetxattr, SYS_fgetxattr, SYS_listxattr, SYS_llistxattr, SYS_flistxattr,
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_msync, SYS_mincore, SYS_mlock, SYS_munlock,
    SYS_brk, SYS_memfd_create, SYS_membarrier,
    SYS_socket, SYS_socketpair, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_shutdown, SYS_sendto,
    SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_getsockname, SYS_getpeername,
    SYS_setsockopt, SYS_getsockopt,
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_ppoll, SYS_pselect6, SYS_eventfd2, SYS_signalfd4,
    SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_inotify_init1, SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_rt_sigsuspend,
    SYS_sigaltstack, SYS_restart_syscall, SYS_kill, SYS_tkill, SYS_tgkill,
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_times, SYS_getitimer,
    SYS_setitimer, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun, SYS_timer_delete,
    SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_set_tid_address, SYS_gettid, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_getparam, SYS_sched_getscheduler,
    SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_sched_rr_get_interval, SYS_getcpu, SYS_getpriority,
    SYS_setpriority, SYS_prctl, SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid, SYS_execve, SYS_execveat,
    SYS_getpid, SYS_getppid, SYS_getpgid, SYS_setpgid, SYS_getsid, SYS_setsid, SYS_getuid, SYS_geteuid, SYS_getgid,
    SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_capget, SYS_uname, SYS_sysinfo, SYS_getrusage,
    SYS_prlimit64, SYS_getrandom,
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef SYS_getrlimit
    SYS_getrlimit, SYS_setrlimit,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef __x86_64__
    SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename,
    SYS_link, SYS_symlink, SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat, SYS_getdents,
    SYS_pipe, SYS_dup2, SYS_poll, SYS_select, SYS_epoll_create, SYS_epoll_wait, SYS_eventfd, SYS_signalfd,
    SYS_inotify_init, SYS_pause, SYS_alarm, SYS_time, SYS_getpgrp, SYS_arch_prctl,
#endif
    424 /* pidfd_send_signal */, 434 /* pidfd_open */, 436 /* close_range */, 437 /* openat2 */, 439 /* faccessat2 */,
    441 /* epoll_pwait2 */, 444, 445, 446 /* landlock: it may have less */, 449 /* futex_waitv */, 452 /* fchmodat2 */,
    454, 455, 456 /* futex_wake, _wait, _requeue */
};

enum { PK__CONFINE_NEWEST = 456 };

static void pk__confine_add(pk__confine *c, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
    pk__confine_code *at = &c->code[c->program.count++];
    at->code = code;
    at->yes = yes;
    at->no = no;
    at->k = k;
}

#define PK__CONFINE_LOAD 0x20u   // BPF_LD | BPF_W | BPF_ABS
#define PK__CONFINE_EQUAL 0x15u  // BPF_JMP | BPF_JEQ | BPF_K
#define PK__CONFINE_LEAST 0x35u  // .. JGE
#define PK__CONFINE_HAS 0x45u    // .. JSET
#define PK__CONFINE_RETURN 0x06u
#define PK__CONFINE_YES 0x7fff0000u             // SECCOMP_RET_ALLOW
#define PK__CONFINE_NO (0x00050000u | (uint32_t)EPERM) // .. ERRNO
#define PK__CONFINE_NEW (0x00050000u | (uint32_t)ENOSYS)

#ifdef __x86_64__
static void pk__confine_older(pk__confine *c, bool processes)
{
    if (processes) {
        pk__confine_add(c, PK__CONFINE_EQUAL, 0, 1, SYS_fork);
        pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_YES);
        pk__confine_add(c, PK__CONFINE_EQUAL, 0, 1, SYS_vfork);
        pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_YES);
    }
    pk__confine_add(c, PK__CONFINE_LEAST, 0, 1, 0x40000000); // those of x32
    pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_NO);
}
#else
static void pk__confine_older(const pk__confine *c, bool processes)
{
    (void)c, (void)processes;
}
#endif

PK__FN bool pk__confine_calls(pk__confine *c, bool processes)
{
    c->program.count = 0;
    c->program.code = c->code;
    pk__confine_add(c, PK__CONFINE_LOAD, 0, 0, 4); // seccomp_data.arch
    pk__confine_add(c, PK__CONFINE_EQUAL, 1, 0, PK__CONFINE_ARCH);
    pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_NO);
    pk__confine_add(c, PK__CONFINE_LOAD, 0, 0, 0); // .nr
    for (size_t i = 0; i < PK__COUNT(pk__confine_allowed); i++) {
        pk__confine_add(c, PK__CONFINE_EQUAL, 0, 1, pk__confine_allowed[i]);
        pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_YES);
    }
    pk__confine_older(c, processes);
    pk__confine_add(c, PK__CONFINE_EQUAL, 0, 1, 435); // clone3, whose flags cannot be seen: who hears this takes clone
    pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_NEW);
    pk__confine_add(c, PK__CONFINE_LEAST, 0, 1, PK__CONFINE_NEWEST + 1);
    pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_NEW);
    pk__confine_add(c, PK__CONFINE_EQUAL, 1, 0, SYS_clone);
    pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_NO);
    pk__confine_add(c, PK__CONFINE_LOAD, 0, 0, 16); // .args[0], the lower half
    if (processes) { // but none in namespaces of its own
        pk__confine_add(c, PK__CONFINE_HAS, 0, 1, 0x7e020000);
    } else { // CLONE_THREAD
        pk__confine_add(c, PK__CONFINE_HAS, 1, 0, 0x10000);
    }
    pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_NO);
    pk__confine_add(c, PK__CONFINE_RETURN, 0, 0, PK__CONFINE_YES);
    return true;
}
#else
PK__FN bool pk__confine_calls(pk__confine *c, bool processes)
{
    (void)c, (void)processes;
    return false;
}
#endif
#endif
