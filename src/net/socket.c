/* socket.c - sockets. */
#include "socket.h"
#ifndef PLUGKIT_NO_NET
#include "../base/error.h"
#include "../os/signal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* Systems without the flag have an option of the socket's instead. */
#ifdef MSG_NOSIGNAL
#define PK__SOCKET_NOSIGNAL MSG_NOSIGNAL
#else
#define PK__SOCKET_NOSIGNAL 0
#endif
#ifdef SO_NOSIGPIPE
#define PK__SOCKET_NOSIGPIPE SO_NOSIGPIPE
#else
#define PK__SOCKET_NOSIGPIPE 0
#endif

enum { PK__SOCKET_PARTS = 8, PK__SOCKET_FILE_PIECE = 1 << 20 };

typedef union pk__socket_name {
    struct sockaddr any;
    struct sockaddr_un path;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
} pk__socket_name;

static bool pk__socket_name_unix(pk__socket_name *out, socklen_t *len, const char *path)
{
    size_t n = strlen(path);
    if (n >= sizeof(out->path.sun_path)) { // some systems have less room than PK__ADDRESS_PATH_MAX
        return false;
    }
    out->path.sun_family = AF_UNIX;
    memcpy(out->path.sun_path, path, n + 1);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return true;
}

/* Numbers, and the one name that needs no resolver. */
static bool pk__socket_name_number(pk__socket_name *out, socklen_t *len, const pk__address *a)
{
    const char *host = strcmp(a->host, "localhost") == 0 ? "127.0.0.1" : a->host;
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(a->port);
        *len = sizeof(out->v4);
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(a->port);
        *len = sizeof(out->v6);
        return true;
    }
    return false;
}

static pk_err pk__socket_name_resolve(pk__socket_name *out, socklen_t *len, const pk__address *a, pk_error *err)
{
    pk__sys_names found;
    int rc = PK__SYS(look_up)(a->host, &found);
    if (rc != 0) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot find host '%s': %s", a->host, gai_strerror(rc));
    }
    memcpy(&out->room, &found.at[0], sizeof(out->room));
    if (out->any.sa_family == AF_INET6) {
        out->v6.sin6_port = htons(a->port);
        *len = sizeof(out->v6);
    } else {
        out->v4.sin_port = htons(a->port);
        *len = sizeof(out->v4);
    }
    return PK_OK;
}

static pk_err pk__socket_name_make(pk__socket_name *out, socklen_t *len, const pk__address *a, pk_error *err)
{
    memset(out, 0, sizeof(*out));
    if (a->kind == PK__ADDRESS_UNIX) {
        return pk__socket_name_unix(out, len, a->host)
                   ? PK_OK
                   : pk_error_set(err, PK_ERR_BAD_ENDPOINT,
                                  "cannot use socket path '%s': it has %zu bytes, and %zu is the most that fits",
                                  a->host, strlen(a->host), sizeof(out->path.sun_path) - 1);
    }
    if (a->kind != PK__ADDRESS_TCP) {
        return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot use address '%s://': not a socket", a->host);
    }
    return pk__socket_name_number(out, len, a) ? PK_OK : pk__socket_name_resolve(out, len, a, err);
}

static void pk__socket_option(int fd, int level, int name)
{
    int on = 1;
    (void)PK__SYS(setsockopt)(fd, level, name, &on, sizeof(on)); // all of them improve, none is needed
}

static void pk__socket_prepare(int fd, int family)
{
    if (family == AF_INET || family == AF_INET6) {
        pk__socket_option(fd, IPPROTO_TCP, TCP_NODELAY);
    }
    if (PK__SOCKET_NOSIGPIPE != 0) {
        pk__socket_option(fd, SOL_SOCKET, PK__SOCKET_NOSIGPIPE);
    }
}

/* ---- listening */

static pk_err pk__socket_bind(int fd, const pk__address *a, const pk__socket_name *name, socklen_t len, pk_error *err)
{
    char text[PK__ADDRESS_TEXT_MAX];
    (void)pk__address_format(a, text, sizeof(text));
    if (a->kind == PK__ADDRESS_UNIX) {
        (void)PK__SYS(fchmod)(fd, 0600); // where this counts, the socket is never open to others, not for a moment
    } else {
        pk__socket_option(fd, SOL_SOCKET, SO_REUSEADDR);
    }
    if (PK__SYS(bind)(fd, &name->any, len) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot listen at '%s'", text);
    }
    if ((a->kind == PK__ADDRESS_UNIX && PK__SYS(chmod)(a->host, 0600) != 0) ||
        PK__SYS(listen)(fd, PK__SOCKET_BACKLOG) != 0) {
        int reason = errno;
        if (a->kind == PK__ADDRESS_UNIX) {
            (void)PK__SYS(unlink)(a->host);
        }
        return pk_error_sys(err, PK_ERR_OS, reason, "cannot listen at '%s'", text);
    }
    return PK_OK;
}

PK__FN pk_err pk__socket_listen(const pk__address *a, int *fd, pk_error *err)
{
    pk__socket_name name;
    socklen_t len = 0;
    *fd = -1;
    pk_err rc = pk__socket_name_make(&name, &len, a, err);
    if (rc) {
        return rc;
    }
    int s = pk__fd_lift(PK__SYS(socket)(name.any.sa_family, SOCK_STREAM, 0));
    if (s < 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot open a socket");
    }
    rc = pk__socket_bind(s, a, &name, len, err);
    if (rc) {
        pk__fd_close(s);
        return rc;
    }
    *fd = s;
    return PK_OK;
}

PK__FN pk_err pk__socket_local(int fd, pk__address *out, pk_error *err)
{
    pk__socket_name name;
    socklen_t len = sizeof(name);
    memset(&name, 0, sizeof(name));
    memset(out, 0, sizeof(*out));
    if (PK__SYS(getsockname)(fd, &name.any, &len) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot read the socket's address");
    }
    switch (name.any.sa_family) {
    case AF_UNIX: {
        const size_t head = offsetof(struct sockaddr_un, sun_path);
        size_t n = (size_t)len > head ? (size_t)len - head : 0;
        out->kind = PK__ADDRESS_UNIX;
        memcpy(out->host, name.path.sun_path, PK__MIN(n, PK__MIN(sizeof(name.path.sun_path), sizeof(out->host) - 1)));
        return PK_OK;
    }
    case AF_INET:
        out->kind = PK__ADDRESS_TCP;
        out->port = ntohs(name.v4.sin_port);
        out->is_wildcard = name.v4.sin_addr.s_addr == htonl(INADDR_ANY);
        (void)inet_ntop(AF_INET, &name.v4.sin_addr, out->host, sizeof(out->host));
        return PK_OK;
    case AF_INET6:
        out->kind = PK__ADDRESS_TCP;
        out->port = ntohs(name.v6.sin6_port);
        out->is_wildcard = IN6_IS_ADDR_UNSPECIFIED(&name.v6.sin6_addr) != 0;
        (void)inet_ntop(AF_INET6, &name.v6.sin6_addr, out->host, sizeof(out->host));
        return PK_OK;
    default: return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot listen on descriptor %d: not a stream socket", fd);
    }
}

static uint64_t pk__socket_number(const void *bytes, size_t len)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        number = number << 8 | ((const uint8_t *)bytes)[i];
    }
    return number;
}

PK__FN bool pk__socket_peer(int fd, uint64_t *id)
{
    pk__socket_name name;
    socklen_t len = sizeof(name);
    memset(&name, 0, sizeof(name));
    if (PK__SYS(getpeername)(fd, &name.any, &len) != 0) {
        return false;
    }
    if (name.any.sa_family == AF_INET6) {
        const struct in6_addr *a = &name.v6.sin6_addr;
        *id = IN6_IS_ADDR_V4MAPPED(a) ? pk__socket_number(a->s6_addr + 12, 4) : pk__socket_number(a->s6_addr, 8);
        return true;
    }
    if (name.any.sa_family == AF_INET) {
        *id = pk__socket_number(&name.v4.sin_addr, 4);
        return true;
    }
    uid_t uid = 0;
    pid_t pid = 0;
    bool known = PK__SYS(peer_uid)(fd, &uid, &pid) == 0;
    *id = uid;
    return known;
}

/* ---- connecting */

static pk_err pk__socket_refused(const pk__address *a, int reason, pk_error *err)
{
    char text[PK__ADDRESS_TEXT_MAX];
    (void)pk__address_format(a, text, sizeof(text));
    (void)pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, reason, "cannot connect to '%s'", text);
    if (err) {
        pk__fd_explain(err);
    }
    return PK_ERR_PLUGIN_CONNECTION;
}

PK__FN pk_io pk__socket_connect(const pk__address *a, int *fd, pk_error *err)
{
    pk__socket_name name;
    socklen_t len = 0;
    *fd = -1;
    if (pk__socket_name_make(&name, &len, a, err)) {
        return PK_IO_FAILED;
    }
    int s = pk__fd_lift(PK__SYS(socket)(name.any.sa_family, SOCK_STREAM, 0));
    if (s < 0) {
        (void)pk_error_sys(err, PK_ERR_OS, errno, "cannot open a socket"); // that is our fault, not the peer's
        return PK_IO_FAILED;
    }
    pk__socket_prepare(s, name.any.sa_family);
    int rc = PK__SYS(connect)(s, &name.any, len);
    int reason = rc == 0 ? 0 : errno;
    bool under_way = reason == EINPROGRESS || reason == EINTR;
    bool is_full = reason == EAGAIN && a->kind == PK__ADDRESS_UNIX;
    if (reason != 0 && !under_way && !is_full) {
        pk__fd_close(s);
        (void)pk__socket_refused(a, reason, err);
        return PK_IO_FAILED;
    }
    if (pk__fd_set_nonblock(s, false, err)) {
        pk__fd_close(s);
        return PK_IO_FAILED;
    }
    *fd = s;
    return under_way ? PK_IO_WANT_WRITE : is_full ? PK_IO_WANT_READ : PK_IO_DONE;
}

PK__FN pk_err pk__socket_connected(int fd, const pk__address *a, pk_error *err)
{
    int reason = 0;
    socklen_t len = sizeof(reason);
    if (PK__SYS(getsockopt)(fd, SOL_SOCKET, SO_ERROR, &reason, &len) != 0) {
        reason = errno;
    }
    return reason == 0 ? PK_OK : pk__socket_refused(a, reason, err);
}

/* ---- accepting */

static void pk__socket_reserve(int *reserve)
{
    if (*reserve < 0) {
        *reserve = pk__fd_lift(PK__SYS(open)("/dev/null", O_RDONLY | O_CLOEXEC, 0));
    }
}

static pk_err pk__socket_turn_away(int listener, int *reserve, int reason, pk_error *err)
{
    if (*reserve >= 0 && (reason == EMFILE || reason == ENFILE)) {
        pk__fd_close(*reserve);
        *reserve = -1;
        pk__fd_close(PK__SYS(accept)(listener, NULL, NULL));
        pk__socket_reserve(reserve);
    }
    return pk_error_sys(err, PK_ERR_LIMIT, reason, "cannot accept a connection");
}

PK__FN pk_err pk__socket_accept(int listener, int *reserve, int *fd, pk_error *err)
{
    pk__socket_name name;
    *fd = -1;
    pk__socket_reserve(reserve);
    for (;;) {
        socklen_t len = sizeof(name);
        name.any.sa_family = AF_UNSPEC;
        int s = pk__fd_lift(PK__SYS(accept)(listener, &name.any, &len));
        if (s >= 0) {
            pk__socket_prepare(s, name.any.sa_family);
            *fd = s;
            return PK_OK;
        }
        switch (errno) {
        case EINTR:
        case ECONNABORTED: continue; // that one is gone, the next may be there
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return pk__socket_turn_away(listener, reserve, errno, err);
        case EBADF:
        case EINVAL:
        case ENOTSOCK: return pk_error_sys(err, PK_ERR_OS, errno, "cannot accept a connection");
        default: return PK_OK; // none there, or the network ended it before we came
        }
    }
}

/* ---- bytes */

static bool pk__socket_is_later(int reason)
{
    return reason == EAGAIN || reason == EWOULDBLOCK; // two names, and on a few systems two numbers
}

PK__FN pk_io pk__socket_recv(int fd, void *buf, size_t cap, bool wait, size_t *got, pk_error *err)
{
    for (;;) {
        ssize_t n = PK__SYS(recv)(fd, buf, cap, wait ? 0 : MSG_DONTWAIT);
        if (n > 0) {
            *got = (size_t)n;
            return PK_IO_DONE;
        }
        if (n == 0) {
            return PK_IO_CLOSED;
        }
        if (pk__socket_is_later(errno) || (errno == EINTR && wait)) {
            return PK_IO_WANT_READ;
        }
        if (errno != EINTR) {
            (void)pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, errno, "cannot receive");
            return PK_IO_FAILED;
        }
    }
}

static pk_io pk__socket_sent(ssize_t n, size_t *sent, pk_error *err)
{
    if (n >= 0) {
        *sent = (size_t)n;
        return PK_IO_DONE;
    }
    if (pk__socket_is_later(errno)) {
        return PK_IO_WANT_WRITE;
    }
    (void)pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, errno, "cannot send");
    return PK_IO_FAILED;
}

PK__FN pk_io pk__socket_send(int fd, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    int flags = MSG_DONTWAIT | PK__SOCKET_NOSIGNAL;
    ssize_t n;
    if (count == 1) {
        do {
            n = PK__SYS(send)(fd, parts[0].ptr, parts[0].len, flags);
        } while (n < 0 && errno == EINTR);
        return pk__socket_sent(n, sent, err);
    }
    struct iovec vector[PK__SOCKET_PARTS];
    struct msghdr message;
    memset(&message, 0, sizeof(message));
    message.msg_iov = vector;
    for (size_t i = 0; i < count && i < PK__SOCKET_PARTS; i++) {
        vector[i].iov_base = (void *)(uintptr_t)parts[i].ptr; // sendmsg only reads it
        vector[i].iov_len = parts[i].len;
        message.msg_iovlen++;
    }
    do {
        n = PK__SYS(sendmsg)(fd, &message, flags);
    } while (n < 0 && errno == EINTR);
    return pk__socket_sent(n, sent, err);
}

PK__FN pk_io pk__socket_send_file(int fd, int file, uint64_t offset, uint64_t size, size_t *sent, pk_error *err)
{
    pk__sigpipe guard; // sendfile has no MSG_NOSIGNAL
    size_t piece = (size_t)PK__MIN(size, (uint64_t)PK__SOCKET_FILE_PIECE);
    off_t at = (off_t)offset;
    ssize_t n;
    pk__sigpipe_block(&guard);
    do {
        n = PK__SYS(sendfile)(fd, file, &at, piece);
    } while (n < 0 && errno == EINTR);
    pk__sigpipe_restore(&guard);
    if (n < 0 && (errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP)) {
        (void)pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot send a file without copying it");
        return PK_IO_FAILED;
    }
    if (n == 0) {
        (void)pk_error_set(err, PK_ERR_OS, "cannot send a file: it is shorter than promised");
        return PK_IO_FAILED;
    }
    return pk__socket_sent(n, sent, err);
}

PK__FN bool pk__socket_set_timeout(int fd, int64_t ns)
{
    struct timeval t;
    int64_t us = ns < 1000 ? 1 : ns / 1000; // 0 would mean for ever
    t.tv_sec = (time_t)(us / 1000000);
    t.tv_usec = (suseconds_t)(us % 1000000);
    return PK__SYS(setsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) == 0;
}

PK__FN bool pk__socket_is_quiet(int fd)
{
    char byte;
    for (;;) {
        ssize_t n = PK__SYS(recv)(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n >= 0 || errno != EINTR) {
            return n < 0 && pk__socket_is_later(errno);
        }
    }
}
#endif
