/* door.c - where a plugin listens. */
#include "door.h"
#ifndef PLUGKIT_NO_NET

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../net/socket.h"
#include "../os/fd.h"
#include "../os/sys.h"

static bool pk__door_is_loopback(const pk__address *a)
{
    return !a->is_wildcard && (strncmp(a->host, "127.", 4) == 0 || strcmp(a->host, "::1") == 0 ||
                               strcmp(a->host, "localhost") == 0);
}

/* What to listen on: told, or the framework's place. */
static pk_err pk__door_find(const pk__settings *s, pk__address *out, pk_error *err)
{
    char text[PK__ADDRESS_TEXT_MAX];
    if (s->listen.len) {
        return pk__address_parse(out, s->listen, err);
    }
    if (s->tcp || s->profile == PK__SETTINGS_CONTROL) {
        return pk__address_parse(out, PK_STR("http://127.0.0.1:0"), err);
    }
    (void)snprintf(text, sizeof(text), "http+unix:///tmp/%" PK_FMT "-plugin.socket", PK_ARG(s->instance));
    return pk__address_parse(out, pk_str_from(text), err);
}

#ifndef PLUGKIT_NO_FILES
static pk_err pk__door_lock(pk__door *d, const pk_alloc *alloc, const char *path, pk_error *err)
{
    return pk__lock_take_socket(&d->lock, alloc, path, err);
}

static void pk__door_unlock(pk__door *d)
{
    pk__lock_release(&d->lock);
}
#else
static pk_err pk__door_lock(pk__door *d, const pk_alloc *alloc, const char *path, pk_error *err)
{
    (void)d, (void)alloc;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot lock '%s': this build has no files", path);
}

static void pk__door_unlock(pk__door *d)
{
    (void)d;
}
#endif

static pk_err pk__door_open_new(pk__door *d, const pk_alloc *alloc, const pk__settings *s, pk_error *err)
{
    pk__address a;
    pk_err rc = pk__door_find(s, &a, err);
    if (rc) {
        return rc;
    }
    if (a.kind == PK__ADDRESS_OTHER || (a.kind == PK__ADDRESS_TCP && !pk__door_is_loopback(&a))) {
        return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot listen on '%s': plugins listen on Unix sockets and on "
                            "loopback addresses only", a.host);
    }
    if (PK__SECURE_BUILT && a.is_secure && !s->is_secure) {
        return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot listen on '%" PK_FMT "': the plugin has no pk_tls",
                            PK_ARG(s->listen));
    }
    bool is_unix = a.kind == PK__ADDRESS_UNIX;
    if (is_unix && s->profile != PK__SETTINGS_CONTROL) { // there the path is the host's, and nobody else's
        rc = pk__door_lock(d, alloc, a.host, err);
    }
    int fd = 0;
    if (!rc) {
        rc = pk__socket_listen(&a, &fd, err);
    }
    if (rc) {
        return rc;
    }
    d->fd = fd;
    if (is_unix) {
        (void)snprintf(d->path, sizeof(d->path), "%s", a.host);
    }
    return PK_OK;
}

/* A descriptor from outside must be what it is said to be: serving a socket that does not listen fails much later. */
static pk_err pk__door_adopt(pk__door *d, int fd, pk_error *err)
{
    int listens = 0;
    socklen_t len = sizeof(listens);
    if (PK__SYS(getsockopt)(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0) {
        return pk_error_sys(err, PK_ERR_PROTOCOL, errno, "cannot use descriptor %d of PLUGKIT_LISTEN_FD", fd);
    }
    if (!listens) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use descriptor %d of PLUGKIT_LISTEN_FD: it does not listen",
                            fd);
    }
    pk_err rc = pk__fd_set_cloexec(fd, true, err);
    if (!rc) {
        rc = pk__fd_set_nonblock(fd, true, err);
    }
    if (!rc) {
        d->fd = fd;
    }
    return rc;
}

PK__FN pk_err pk__door_open(pk__door *d, const pk_alloc *alloc, const pk__settings *s, int inherited_fd, pk_error *err)
{
    pk__address a;
    memset(d, 0, sizeof(*d));
    pk_err rc = inherited_fd >= 0 ? pk__door_adopt(d, inherited_fd, err) : pk__door_open_new(d, alloc, s, err);
    if (!rc) {
        rc = pk__socket_local(d->fd, &a, err); // with the port that was taken
    }
    if (!rc && PK__SECURE_BUILT) {
        a.is_secure = s->is_secure;
    }
    if (!rc) {
        (void)pk__address_format(&a, d->address, sizeof(d->address));
    } else {
        pk__door_deinit(d);
    }
    return rc;
}

PK__FN int pk__door_take_fd(pk__door *d)
{
    int fd = d->fd;
    d->fd = 0;
    return fd;
}

PK__FN void pk__door_shut(pk__door *d)
{
    if (d->path[0]) {
        (void)PK__SYS(unlink)(d->path);
        d->path[0] = '\0';
    }
}

PK__FN void pk__door_deinit(pk__door *d)
{
    if (d->fd > 0) {
        pk__fd_close(d->fd);
        d->fd = 0;
    }
    pk__door_shut(d);
    pk__door_unlock(d);
}
#endif
