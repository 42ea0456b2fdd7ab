/* cgroups.c - control groups for instances. */
#ifdef PLUGKIT_WITH_ISOLATE
#include "cgroups.h"

#include <stdio.h>
#include <string.h>

#include "../../base/memory.h"
#include "../../os/fd.h"

enum { PK__CGROUPS_PATH = 1024, PK__CGROUPS_NAMES = 100, PK__CGROUPS_ROUNDS = 50, PK__CGROUPS_LIST = 8192 };

static int pk__cgroups_file(const char *group, const char *name, int flags)
{
    char path[PK__CGROUPS_PATH];
    int len = snprintf(path, sizeof(path), "%s/%s", group, name);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return PK__SYS(open)(path, flags | O_CLOEXEC, 0);
}

static bool pk__cgroups_write(const char *group, const char *name, const char *text)
{
    int fd = pk__cgroups_file(group, name, O_WRONLY);
    bool ok = fd >= 0 && PK__SYS(write)(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;
    pk__fd_close(fd);
    errno = error;
    return ok;
}

/* ---- making them */

static bool pk__cgroups_make(pk__cgroups *g, const char *in, const pk_launch_info *info)
{
    char path[PK__CGROUPS_PATH];
    errno = EEXIST;
    for (int number = 0; number < PK__CGROUPS_NAMES && errno == EEXIST; number++) { // other managers of this process
        int len = snprintf(path, sizeof(path), "%s/plugkit-%ld-%s%s.%d", in, (long)getpid(), info->instance,
                           info->probe ? ".probe" : "", number);
        if (len < 0 || (size_t)len >= sizeof(path)) {
            errno = ENAMETOOLONG;
        } else if (PK__SYS(mkdir)(path, 0755) == 0) {
            g->path[g->count] = pk__strdup(g->alloc, path);
            if (!g->path[g->count]) {
                (void)PK__SYS(unlinkat)(AT_FDCWD, path, AT_REMOVEDIR);
                errno = ENOMEM;
                return false;
            }
            g->count++;
            return true;
        }
    }
    return false;
}

PK__FN bool pk__cgroups_open(pk__cgroups *g, const pk_alloc *alloc, const pk_launch_info *info)
{
    memset(g, 0, sizeof(*g));
    g->alloc = alloc;
    for (size_t i = 0; info->isolate->groups_in[i]; i++) {
        /* Version 2 hands controllers on if it may; if not, somebody has done so, or the limit is not to be had. */
        (void)pk__cgroups_write(info->isolate->groups_in[i], "cgroup.subtree_control", "+memory +cpu +pids");
        if (!pk__cgroups_make(g, info->isolate->groups_in[i], info)) {
            return false;
        }
    }
    return true;
}

/* To the first that has the file; -1 = none has it, 0 = it failed, 1 = done. */
static int pk__cgroups_set(const pk__cgroups *g, const char *name, const char *text)
{
    for (size_t i = 0; i < g->count; i++) {
        if (pk__cgroups_write(g->path[i], name, text)) {
            return 1;
        }
        if (errno != ENOENT) {
            return 0;
        }
    }
    return -1;
}

PK__FN bool pk__cgroups_limit(const pk__cgroups *g, pk__confine_what what, uint64_t number)
{
    unsigned long long n = number;
    char first[64], second[64];
    const char *newer = what == PK__CONFINE_MEMORY ? "memory.max" : what == PK__CONFINE_SHARE ? "cpu.max" : "pids.max";
    const char *older = what == PK__CONFINE_MEMORY ? "memory.limit_in_bytes" : "cpu.cfs_quota_us"; // of pids: the same
    if (what == PK__CONFINE_SHARE) { // microseconds in each tenth of a second
        (void)snprintf(first, sizeof(first), "%llu 100000", n * 1000);
        (void)snprintf(second, sizeof(second), "%llu", n * 1000);
    } else {
        (void)snprintf(first, sizeof(first), "%llu", n);
        (void)snprintf(second, sizeof(second), "%llu", n);
    }
    int done = pk__cgroups_set(g, newer, first);
    if (done < 0 && what == PK__CONFINE_SHARE) {
        (void)pk__cgroups_set(g, "cpu.cfs_period_us", "100000"); // its default
    }
    done = done < 0 && what != PK__CONFINE_TASKS ? pk__cgroups_set(g, older, second) : done;
    errno = done < 0 ? ENOENT : errno;
    return done > 0;
}

PK__FN bool pk__cgroups_join(const pk__cgroups *g, pk__confine *c)
{
    for (size_t i = 0; i < g->count; i++) {
        int fd = pk__cgroups_file(g->path[i], "cgroup.procs", O_WRONLY);
        int above = fd < 0 ? -1 : PK__SYS(fcntl)(fd, F_DUPFD_CLOEXEC, 2 * PK__SPAWN_FDS); // above the child's
        int error = errno;
        pk__fd_close(fd);
        errno = error;
        if (above < 0) {
            return false;
        }
        c->join[c->join_count++] = above;
    }
    return true;
}

PK__FN void pk__cgroups_joined(pk__confine *c)
{
    while (c->join_count > 0) {
        pk__fd_close(c->join[--c->join_count]);
    }
}

/* ---- ending them */

static size_t pk__cgroups_list(const char *group, char *text, size_t cap)
{
    int fd = pk__cgroups_file(group, "cgroup.procs", O_RDONLY);
    ssize_t n = fd < 0 ? -1 : pk__fd_read(fd, text, cap - 1);
    pk__fd_close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static bool pk__cgroups_has(const char *list, long pid)
{
    char line[24];
    int len = snprintf(line, sizeof(line), "%ld\n", pid);
    for (const char *at = list; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        if (strncmp(at, line, (size_t)len) == 0) {
            return true;
        }
    }
    return false;
}

static void pk__cgroups_kill_listed(const char *group)
{
    char list[PK__CGROUPS_LIST], again[PK__CGROUPS_LIST];
    if (pk__cgroups_list(group, list, sizeof(list)) == 0) {
        return;
    }
    for (const char *at = list; *at;) {
        long pid = 0;
        while (*at >= '0' && *at <= '9') {
            pid = pid * 10 + (*at++ - '0');
        }
        at += *at != '\0';
        int fd = pid > 1 && *(at - 1) == '\n' ? PK__SYS(pidfd_open)((pid_t)pid) : -1; // a last line may be cut
        if (fd >= 0 && pk__cgroups_list(group, again, sizeof(again)) > 0 && pk__cgroups_has(again, pid)) {
            (void)PK__SYS(pidfd_send_signal)(fd, SIGKILL, 0);
        }
        pk__fd_close(fd);
    }
}

PK__FN void pk__cgroups_kill(const pk__cgroups *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (!pk__cgroups_write(g->path[i], "cgroup.kill", "1")) {
            pk__cgroups_kill_listed(g->path[i]);
        }
    }
}

PK__FN void pk__cgroups_close(pk__cgroups *g)
{
    const struct timespec pause = {0, (long)PK__MS};
    for (int round = 0; g->count > 0 && round < PK__CGROUPS_ROUNDS; round++) {
        const char *path = g->path[g->count - 1];
        if (PK__SYS(unlinkat)(AT_FDCWD, path, AT_REMOVEDIR) == 0 || errno != EBUSY) {
            pk__strfree(g->alloc, g->path[--g->count]);
            continue;
        }
        pk__cgroups_kill(g); // who is dying takes a moment
        (void)PK__SYS(nanosleep)(&pause);
    }
    while (g->count > 0) {
        pk__strfree(g->alloc, g->path[--g->count]);
    }
}
#endif
