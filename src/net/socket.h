/* socket.h - sockets: listen, connect, accept, and moving bytes. Unix and TCP look the same from here.
 *
 * All are close-on-exec and never 0, 1 or 2. A Unix listener is made with mode 0600 (its directory is the caller's to
 * check, its file the caller's to remove). A TCP listener has SO_REUSEADDR, every TCP connection TCP_NODELAY.
 *
 * Connected sockets of clients are left in blocking mode and are written, and read where nobody may wait, with
 * MSG_DONTWAIT: so one socket serves both drivers. Sockets that a server accepted are non-blocking for good. */
#ifndef PK__SOCKET_H
#define PK__SOCKET_H
#ifndef PLUGKIT_NO_NET
#include "../os/fd.h"
#include "address.h"

#define PK__SOCKET_BACKLOG 511

/* Opens a listener. Unix: the path must not exist. TCP: port 0 takes a free one. Errors: PK_ERR_OS, BAD_ENDPOINT. */
PK__FN pk_err pk__socket_listen(const pk__address *a, int *fd, pk_error *err);
PK__FN pk_err pk__socket_local(int fd, pk__address *out, pk_error *err); // what it is bound to

/* Begins to connect. PK_IO_DONE: connected. PK_IO_WANT_WRITE: under way; when it is writable, ask _connected.
 * PK_IO_WANT_READ: the server's queue is full: close it and try again a little later. PK_IO_FAILED: *err has code
 * PK_ERR_PLUGIN_CONNECTION, *fd is -1. A host name is looked up by the system, which may wait; numbers are not. */
PK__FN pk_io pk__socket_connect(const pk__address *a, int *fd, pk_error *err);
PK__FN pk_err pk__socket_connected(int fd, const pk__address *a, pk_error *err);

/* The next connection, non-blocking. *fd -1: there is none now. PK_ERR_LIMIT: no descriptors or memory left: stop
 * accepting for a while. *reserve is a descriptor kept open for that moment (-1 = none yet): we give it up, accept,
 * close, and take it again, so that the peer learns of it and the listener does not stay readable for ever. */
PK__FN pk_err pk__socket_accept(int listener, int *reserve, int *fd, pk_error *err);
/* A number that all connections of one peer share: of its IPv4 address, of the /64 that an IPv6 address is in (whoever
 * has one of those has them all), of its user on Unix sockets. False: it has gone. */
PK__FN bool pk__socket_peer(int fd, uint64_t *id);

/* recv and send with the results of transports. `wait`: a receive waits as long as the socket's timeout says (then
 * PK_IO_WANT_READ, which also a signal may cause). Never SIGPIPE. Errors: PK_ERR_PLUGIN_CONNECTION. */
PK__FN pk_io pk__socket_recv(int fd, void *buf, size_t cap, bool wait, size_t *got, pk_error *err);
PK__FN pk_io pk__socket_send(int fd, const pk_str *parts, size_t count, size_t *sent, pk_error *err);
/* Sends a piece of a file without copying it. The socket must be non-blocking. Errors: also PK_ERR_UNSUPPORTED (the
 * system cannot, with this file), PK_ERR_OS (it cannot be read, or is shorter). */
PK__FN pk_io pk__socket_send_file(int fd, int file, uint64_t offset, uint64_t size, size_t *sent, pk_error *err);
PK__FN bool pk__socket_set_timeout(int fd, int64_t ns); // of receives; at least a microsecond
PK__FN bool pk__socket_is_quiet(int fd); // open, and nothing has come: fit to send the next request on

#endif
#endif
