/* hosts.c - the hosts of this user that run now. */
#include "hosts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "command.h"
#include "session.h"
#include "term.h"

enum { HOSTS_MAX = 64 };

typedef struct hosts {
    pk_mem *mem;
    hosts_one items[HOSTS_MAX];
    size_t count, dead;
    const char *bases[2];
} hosts;

/* ---- one socket */

/* Who listens at the other end. False: it is another user, who must not see our token. */
#if defined(SO_PEERCRED) && defined(__linux__)
static bool hosts_peer(int fd, int64_t *pid)
{
    struct ucred who = {0, 0, 0};
    socklen_t len = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0) {
        return false;
    }
    *pid = who.pid;
    return who.uid == geteuid() || geteuid() == 0;
}
#else
static bool hosts_peer(int fd, int64_t *pid)
{
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    *pid = 0;
    return getpeereid(fd, &uid, &gid) == 0 && (uid == geteuid() || geteuid() == 0);
}
#endif

/* 0, or an errno: ECONNREFUSED = nobody listens any more, EPERM = another user does. */
static int hosts_knock(const char *path, int64_t *pid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *pid = 0;
    if (strlen(path) >= sizeof(address.sun_path)) {
        return ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        return errno;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    int error = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
    if (error == 0 && !hosts_peer(fd, pid)) {
        error = EPERM;
    }
    (void)close(fd);
    return error == EAGAIN ? 0 : error; // its queue is full: alive enough
}

bool hosts_is_alive(const char *socket)
{
    int64_t pid;
    return hosts_knock(socket, &pid) == 0;
}

pk_str hosts_command(pk_mem *mem, int64_t pid)
{
    char path[64], text[512];
    (void)snprintf(path, sizeof(path), "/proc/%lld/cmdline", (long long)pid);
    FILE *file = pid > 0 ? fopen(path, "r") : NULL;
    size_t len = file ? fread(text, 1, sizeof(text), file) : 0;
    if (file) {
        (void)fclose(file);
    }
    while (len > 0 && text[len - 1] == '\0') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        text[i] = text[i] ? text[i] : ' ';
    }
    pk_str shown = {text, len};
    return pk_mem_dup(mem, shown);
}

/* ---- all of them */

static void hosts_add(hosts *h, const char *socket, int64_t pid)
{
    pk_str line = hosts_command(h->mem, pid);
    pk_str path = pk_mem_dup(h->mem, pk_str_from(socket));
    if (h->count < HOSTS_MAX && path.ptr) {
        hosts_one one = {path.ptr, pid, line.ptr ? line.ptr : ""};
        h->items[h->count++] = one;
    }
}

static void hosts_look(hosts *h, const char *base)
{
    pk_str own = pk_mem_printf(h->mem, "%s/plugkit-%ld", base, (long)geteuid());
    struct stat info;
    if (!own.ptr || lstat(own.ptr, &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid()) {
        return;
    }
    DIR *dir = opendir(own.ptr);
    for (const struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        int64_t pid = 0;
        pk_str path = pk_mem_printf(h->mem, "%s/%s/control.sock", own.ptr, e->d_name);
        if (e->d_name[0] == '.' || !path.ptr || lstat(path.ptr, &info) != 0 || !S_ISSOCK(info.st_mode)) {
            continue;
        }
        int error = hosts_knock(path.ptr, &pid);
        if (error == 0) {
            hosts_add(h, path.ptr, pid);
        }
        h->dead += error == ECONNREFUSED;
    }
    if (dir) {
        (void)closedir(dir);
    }
}

/* all: also where hosts without XDG_RUNTIME_DIR are, if some were found already. */
static void hosts_look_everywhere(hosts *h, const args *a, bool all)
{
    struct stat info;
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    bool fit = xdg && xdg[0] == '/' && stat(xdg, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid();
    h->bases[0] = a->runtime_dir ? a->runtime_dir : fit ? xdg : "/tmp";
    h->bases[1] = fit && !a->runtime_dir && strcmp(xdg, "/tmp") != 0 ? "/tmp" : NULL;
    for (size_t i = 0; i < 2 && h->bases[i] && (h->count == 0 || all); i++) {
        hosts_look(h, h->bases[i]);
    }
}

/* ---- the one that is meant */

static int hosts_none(const args *a, const hosts *h, int64_t pid)
{
    char dead[80] = "";
    if (pid) {
        return session_complain(a, EXIT_NOTHING, "there is no host with pid %lld, or it does not serve",
                                (long long)pid);
    }
    if (h->dead) {
        const char *were = h->dead == 1 ? "was" : "were";
        (void)snprintf(dead, sizeof(dead), "; %zu that %s killed left a socket", h->dead, were);
    }
    int status = session_complain(a, EXIT_NOTHING, "no host runs below '%s'%s%s%s%s", h->bases[0],
                                  h->bases[1] ? " or '" : "", h->bases[1] ? h->bases[1] : "", h->bases[1] ? "'" : "",
                                  dead);
    fputs("  start one with 'plugkit run DIR'; a program of yours calls pk_manager_serve\n", stderr);
    return status;
}

static int hosts_many(const args *a, const hosts *h)
{
    int status = session_complain(a, EXIT_USAGE, "%zu hosts run: say which one with --host", h->count);
    for (size_t i = 0; i < h->count; i++) {
        fprintf(stderr, "  --host %-8lld  ", (long long)h->items[i].pid);
        term_text(stderr, TERM_PLAIN, h->items[i].command[0] ? h->items[i].command : h->items[i].socket);
        fputc('\n', stderr);
    }
    return status;
}

static int hosts_by_path(const args *a, pk_mem *mem, hosts_one *out)
{
    struct stat info;
    const char *path = a->host;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        path = pk_mem_printf(mem, "%s/control.sock", a->host).ptr;
    }
    int error = !path ? ENOMEM : stat(path, &info) != 0 ? errno : S_ISSOCK(info.st_mode) ? 0 : ENOTSOCK;
    error = error ? error : hosts_knock(path, &out->pid);
    if (error == ECONNREFUSED) {
        return session_complain(a, EXIT_NOTHING, "nobody listens on '%s': its host has ended", path);
    }
    if (error == EPERM) {
        return session_complain(a, EXIT_FAILED, "the host at '%s' is another user's", path);
    }
    if (error) {
        return session_complain(a, EXIT_NOTHING, "cannot reach a host at '%s': %s", a->host, strerror(error));
    }
    out->socket = path;
    out->command = hosts_command(mem, out->pid).ptr;
    return EXIT_GOOD;
}

int hosts_find(const args *a, pk_mem *mem, hosts_one *out)
{
    hosts h = {.mem = mem};
    bool by_pid = a->host && a->host[0] && a->host[strspn(a->host, "0123456789")] == '\0';
    int64_t pid = by_pid ? (int64_t)strtoull(a->host, NULL, 10) : 0;
    if (a->host && !by_pid) {
        return hosts_by_path(a, mem, out);
    }
    hosts_look_everywhere(&h, a, by_pid);
    for (size_t i = 0; by_pid && i < h.count; i++) {
        if (h.items[i].pid == pid) {
            *out = h.items[i];
            return EXIT_GOOD;
        }
    }
    if (by_pid || h.count == 0) {
        return hosts_none(a, &h, pid);
    }
    if (h.count > 1) {
        return hosts_many(a, &h);
    }
    *out = h.items[0];
    return EXIT_GOOD;
}
