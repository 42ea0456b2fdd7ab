/* doctor_place.c - what lies around plugins: directories, and what was left over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"

enum {
    DOCTOR_SOCKET_PATH = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
    DOCTOR_SOCKET_NAME = 13 + 1 + 5 + 5, // "/", 12 digits; "/", ID, "-1234", ".sock"
    DOCTOR_FDS_EACH = 8,
    DOCTOR_SHOWN = 3, // of things of one kind
    DOCTOR_DAY = 24 * 3600
};

/* ---- directories */

/* Where somebody else may put or exchange files. True = it is there, and is a directory. */
static bool doctor_directory(doctor *d, const char *path, const char *purpose)
{
    struct stat info;
    char what[200];
    int error = stat(path, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
    if (error) {
        (void)snprintf(what, sizeof(what), "%s: %s", purpose, strerror(error));
        doctor_find(d, NULL, DOCTOR_ERROR, path, what, "make it, or name another one");
        return false;
    }
    if ((info.st_mode & S_IWOTH) && !(info.st_mode & S_ISVTX)) {
        (void)snprintf(what, sizeof(what), "%s: everybody may exchange what is in it", purpose);
        doctor_find(d, NULL, DOCTOR_ERROR, path, what, "chmod o-w it");
    }
    if (info.st_uid != 0 && info.st_uid != geteuid()) {
        (void)snprintf(what, sizeof(what), "%s: it belongs to another user (%ld)", purpose, (long)info.st_uid);
        doctor_find(d, NULL, DOCTOR_ERROR, path, what, "chown it, or run as that user");
    }
    return true;
}

/* What the library takes if no --runtime-dir is given. */
static const char *doctor_runtime_base(const doctor *d)
{
    struct stat info;
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    if (d->args->runtime_dir) {
        return d->args->runtime_dir;
    }
    bool fit = xdg && xdg[0] == '/' && stat(xdg, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid();
    return fit ? xdg : "/tmp";
}

static void doctor_runtime(doctor *d, const char *base)
{
    struct stat info;
    if (!doctor_directory(d, base, "the runtime directory, where sockets go")) {
        return;
    }
    if (access(base, W_OK | X_OK) != 0) {
        doctor_find(d, NULL, DOCTOR_ERROR, base, "the runtime directory, where sockets go, cannot be written to",
                    "choose another one with --runtime-dir");
    }
    pk_str own = pk_mem_printf(&d->mem, "%s/plugkit-%ld", base, (long)geteuid());
    if (!own.ptr) {
        return;
    }
    if (lstat(own.ptr, &info) == 0 &&
        (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 077) != 0)) {
        doctor_find(d, NULL, DOCTOR_ERROR, own.ptr, "it is no directory of mode 0700 that belongs to you",
                    "remove it: hosts make it anew");
    }
    size_t longest = 0;
    for (size_t i = 0; i < d->s.count; i++) {
        longest = d->s.plugins[i].id.len > longest ? d->s.plugins[i].id.len : longest;
    }
    if (!d->args->tcp && own.len + DOCTOR_SOCKET_NAME + longest > DOCTOR_SOCKET_PATH) {
        doctor_find(d, NULL, DOCTOR_WARNING, own.ptr,
                    "its path leaves too little room for the sockets of plugins with such long names",
                    "choose a shorter --runtime-dir");
    }
}

static void doctor_limits(doctor *d)
{
    struct rlimit limit;
    char what[120];
    rlim_t wanted = (rlim_t)(32 + d->s.count * DOCTOR_FDS_EACH);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted) {
        (void)snprintf(what, sizeof(what), "this process may open %lu descriptors; that many plugins need about %lu",
                       (unsigned long)limit.rlim_cur, (unsigned long)wanted);
        doctor_find(d, NULL, DOCTOR_WARNING, "descriptors", what, "raise the limit with ulimit -n");
    }
}

/* ---- what dead programs left over */

/* A socket file of ours that nobody listens on. */
static bool doctor_is_dead_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;
    if (lstat(path, &info) != 0 || !S_ISSOCK(info.st_mode) || info.st_uid != geteuid() ||
        strlen(path) >= sizeof(address.sun_path)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        return false;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK); // a full backlog is alive enough
    memcpy(address.sun_path, path, strlen(path) + 1);
    bool dead = connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return dead;
}

static bool doctor_ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

typedef void (*doctor_visit)(doctor *d, const char *path, const char *name);

static size_t doctor_each(doctor *d, const char *dir, doctor_visit visit)
{
    size_t count = 0;
    DIR *open_dir = opendir(dir);
    for (const struct dirent *e; open_dir && (e = readdir(open_dir)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            pk_str path = pk_mem_printf(&d->mem, "%s/%s", dir, e->d_name);
            count++;
            if (path.ptr) {
                visit(d, path.ptr, e->d_name);
            }
        }
    }
    if (open_dir) {
        (void)closedir(open_dir);
    }
    return count;
}

/* The sockets that Go framework plugins make in /tmp, and their locks. */
static void doctor_visit_tmp(doctor *d, const char *path, const char *name)
{
    struct stat info;
    if (doctor_ends_with(name, "-plugin.socket") && doctor_is_dead_socket(path)) {
        doctor_find(d, NULL, DOCTOR_WARNING, path, "a socket that nobody listens on: its plugin was killed",
                    pk_mem_printf(&d->mem, "rm '%s'*", path).ptr);
    } else if (doctor_ends_with(name, "-plugin.socket.lock") && lstat(path, &info) == 0 && info.st_uid == geteuid()) {
        pk_str socket_path = pk_mem_printf(&d->mem, "%.*s", (int)(strlen(path) - strlen(".lock")), path);
        bool left = socket_path.ptr && lstat(socket_path.ptr, &info) != 0 && errno == ENOENT;
        if (left && d->locks++ < DOCTOR_SHOWN) {
            doctor_find(d, NULL, DOCTOR_NOTE, path, "a lock without its socket: its plugin was killed",
                        pk_mem_printf(&d->mem, "rm '%s'", path).ptr);
        }
    }
}

static void doctor_visit_socket(doctor *d, const char *path, const char *name)
{
    (void)name;
    if (doctor_is_dead_socket(path)) {
        doctor_find(d, NULL, DOCTOR_WARNING, path, "a socket that nobody listens on: its host was killed",
                    pk_mem_printf(&d->mem, "rm '%s'", path).ptr);
    }
}

/* One host's runtime directory. */
static void doctor_visit_host(doctor *d, const char *path, const char *name)
{
    struct stat info;
    (void)name;
    if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && doctor_each(d, path, doctor_visit_socket) == 0 &&
        info.st_mtime < time(NULL) - DOCTOR_DAY) {
        doctor_find(d, NULL, DOCTOR_NOTE, path, "empty for a day: its host was killed, or starts nothing",
                    pk_mem_printf(&d->mem, "if no host runs: rmdir '%s'", path).ptr);
    }
}

void doctor_places(doctor *d)
{
    const char *base = doctor_runtime_base(d);
    (void)doctor_directory(d, d->args->rest[0], "the plugin directory");
    doctor_runtime(d, base);
    doctor_limits(d);
    (void)doctor_each(d, "/tmp", doctor_visit_tmp);
    if (d->locks > DOCTOR_SHOWN) {
        pk_str more = pk_mem_printf(&d->mem, "%zu more locks without their sockets", d->locks - DOCTOR_SHOWN);
        doctor_find(d, NULL, DOCTOR_NOTE, "/tmp", more.ptr, "remove those, too");
    }
    pk_str own = pk_mem_printf(&d->mem, "%s/plugkit-%ld", base, (long)geteuid());
    if (own.ptr) {
        (void)doctor_each(d, own.ptr, doctor_visit_host);
    }
}
