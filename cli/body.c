/* body.c - files and pipes as bodies. */
#include "body.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "term.h"

enum { BODY_WATCHED = 1 << 20 }; // larger files show their progress

static bool body_is_stdio(const char *path)
{
    return strcmp(path, "-") == 0;
}

static ssize_t body_read_some(int fd, char *to, size_t cap)
{
    ssize_t got;
    do {
        got = read(fd, to, cap);
    } while (got < 0 && errno == EINTR);
    return got;
}

pk_err body_read_file(pk_mem *mem, const char *path, pk_str *out, pk_error *err)
{
    pk_buf buf;
    pk_err rc = PK_OK;
    const char *name = body_is_stdio(path) ? "stdin" : path;
    int fd = body_is_stdio(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot open '%s'", path);
    }
    pk_buf_init(&buf, NULL, (size_t)256 << 20);
    for (ssize_t got = 1; !rc && got > 0;) {
        if (!pk_buf_reserve(&buf, 65536)) {
            rc = pk_error_set(err, (pk_err)buf.failed, "cannot read '%s': it is larger than 256 MiB; see --upload",
                              name);
            break;
        }
        got = body_read_some(fd, buf.ptr + buf.len, buf.cap - buf.len);
        if (got < 0) {
            rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot read '%s'", name);
        }
        buf.len += got > 0 ? (size_t)got : 0;
    }
    if (fd != STDIN_FILENO) {
        (void)close(fd);
    }
    *out = rc ? PK_STR("") : pk_mem_dup(mem, pk_buf_str(&buf));
    pk_buf_free(&buf);
    if (!rc && !out->ptr) {
        rc = pk_error_set(err, PK_ERR_NO_MEMORY, "cannot read '%s': out of memory", name);
    }
    return rc;
}

/* ---- out */

static pk_err body_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    body_source *source = (body_source *)user;
    struct pollfd fds[2] = {{source->fd, POLLIN, 0}, {source->stop_fd, POLLIN, 0}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if (fds[1].revents) {
        return pk_error_set(err, PK_ERR_CANCELED, "cannot read '%s': interrupted", source->path);
    }
    ssize_t n = body_read_some(source->fd, (char *)buf, cap);
    *got = n > 0 ? (size_t)n : 0;
    source->done += *got;
    term_progress_bytes("sending", source->done, source->size);
    return n < 0 ? pk_error_sys(err, PK_ERR_OS, errno, "cannot read '%s'", source->path) : PK_OK;
}

pk_err body_open(body_source *source, const char *path, int stop_fd, pk_body *out, pk_error *err)
{
    struct stat info;
    memset(source, 0, sizeof(*source));
    source->stop_fd = stop_fd;
    source->path = body_is_stdio(path) ? "stdin" : path;
    source->fd = body_is_stdio(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0 || fstat(source->fd, &info) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot open '%s'", source->path);
    }
    if (S_ISDIR(info.st_mode)) {
        return pk_error_set(err, PK_ERR_OS, "cannot send '%s': it is a directory", source->path);
    }
    bool regular = S_ISREG(info.st_mode) && !body_is_stdio(path); // stdin may stand in the middle of its file
    source->size = regular ? (uint64_t)info.st_size : 0;
    if (regular && (source->size < BODY_WATCHED || isatty(STDERR_FILENO) != 1)) {
        out->has_fd = true;
        out->fd = source->fd;
        out->size = source->size;
    } else {
        out->read = body_read;
        out->user = source;
    }
    return PK_OK;
}

void body_close(body_source *source)
{
    if (source->fd > STDIN_FILENO) {
        (void)close(source->fd);
    }
}

/* ---- in */

pk_err body_create(body_sink *sink, const char *path, pk_error *err)
{
    memset(sink, 0, sizeof(*sink));
    sink->path = path;
    if (body_is_stdio(path)) {
        sink->file = stdout;
        sink->path = "stdout";
        return PK_OK;
    }
    int len = snprintf(sink->temporary, sizeof(sink->temporary), "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof(sink->temporary)) {
        sink->temporary[0] = '\0';
        return pk_error_set(err, PK_ERR_LIMIT, "cannot write '%.80s...': the name is too long", path);
    }
    int fd = mkstemp(sink->temporary);
    if (fd < 0) {
        sink->temporary[0] = '\0';
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot write '%s'", path);
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fd, 0666 & ~mask); // as any file that is created; mkstemp gives 0600
    sink->file = fdopen(fd, "wb");
    if (!sink->file) {
        (void)close(fd);
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot write '%s'", path);
    }
    return PK_OK;
}

pk_err body_take(void *user, pk_str chunk, pk_error *err)
{
    body_sink *sink = (body_sink *)user;
    if (fwrite(chunk.ptr, 1, chunk.len, sink->file) != chunk.len) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot write '%s'", sink->path);
    }
    sink->done += chunk.len;
    if (sink->temporary[0]) {
        term_progress_bytes("receiving", sink->done, 0);
    }
    return PK_OK;
}

pk_err body_finish(body_sink *sink, bool keep, pk_error *err)
{
    pk_err rc = PK_OK;
    if (!sink->file) {
        return PK_OK;
    }
    if (fflush(sink->file) != 0 && keep) {
        rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot write '%s'", sink->path);
    }
    if (!sink->temporary[0]) {
        return rc;
    }
    if (fclose(sink->file) != 0 && keep && !rc) {
        rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot write '%s'", sink->path);
    }
    if (!rc && keep && rename(sink->temporary, sink->path) != 0) {
        rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot write '%s'", sink->path);
    }
    if (rc || !keep) {
        (void)unlink(sink->temporary);
    }
    sink->file = NULL;
    return rc;
}
