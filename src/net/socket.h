/* socket.h - sockets: listen, connect, accept, and the few options that matter. Unix and TCP look the same from here.
 *
 * All are close-on-exec. A Unix listener is made with mode 0600 (its directory is the caller's to check); its file is
 * the caller's to remove. A TCP listener has SO_REUSEADDR, every TCP connection TCP_NODELAY.
 *
 * Connected sockets of clients are left in blocking mode and read with MSG_DONTWAIT where nobody may wait, so that one
 * socket serves both drivers; sockets that a server accepted are non-blocking for good. */
#ifndef PK__SOCKET_H
#define PK__SOCKET_H
#ifndef PLUGKIT_NO_NET
#include "address.h"

#define PK__SOCKET_BACKLOG 511

/* Opens a listener. Unix: the path must not exist. TCP: port 0 takes a free one. */
PK__FN pk_err pk__socket_listen(const pk__address *a, int *fd, pk_error *err);
/* Begins to connect. PK_IO_DONE: connected. PK_IO_WANT_WRITE: under way; when it is writable, ask _connected.
 * PK_IO_FAILED: *err has code PK_ERR_PLUGIN_CONNECTION. A host name is looked up by the system, which may wait. */
PK__FN pk_io pk__socket_connect(const pk__address *a, int *fd, pk_error *err);
PK__FN pk_io pk__socket_connected(int fd, pk_error *err);

/* The next connection, non-blocking. *fd -1: there is none now.
 * PK_ERR_LIMIT: no descriptors left; one connection was turned away if `reserve` allowed it: stop accepting for a while.
 * *reserve is a descriptor kept open for that moment (-1 = none yet): giving it up lets us accept and close, so that
 * the peer learns of it and the listener does not stay readable for ever. */
PK__FN pk_err pk__socket_accept(int listener, int *reserve, int *fd, pk_error *err);
PK__FN pk_err pk__socket_local(int fd, pk__address *out, pk_error *err); // what it is bound to
PK__FN pk_err pk__socket_peer_uid(int fd, uint32_t *uid, pk_error *err);  // of a Unix socket
PK__FN bool pk__socket_is_unix(int fd);

/* recv and send with the results that transports give. `wait`: a receive may wait (as long as SO_RCVTIMEO says; then
 * PK_IO_WANT_READ). Never a signal. */
PK__FN pk_io pk__socket_recv(int fd, void *buf, size_t cap, bool wait, size_t *got, pk_error *err);
PK__FN pk_io pk__socket_send(int fd, const pk_str *parts, size_t count, size_t *sent, pk_error *err);
/* Sends a piece of a file without copying it where the system can; otherwise through a small buffer. */
PK__FN pk_io pk__socket_send_file(int fd, int file, uint64_t offset, uint64_t size, size_t *sent, pk_error *err);
PK__FN pk_err pk__socket_set_timeout(int fd, int64_t ns, pk_error *err); // SO_RCVTIMEO; at least a microsecond
PK__FN pk_err pk__socket_set_blocking(int fd, bool blocking, pk_error *err);
/* Waits until it can be read or written, or the deadline (by pk__clock_ns): false. */
PK__FN bool pk__socket_wait(int fd, bool read, bool write, int64_t deadline);
PK__FN bool pk__socket_is_quiet(int fd); // open, and nothing has come: fit to send the next request on

#endif
#endif
