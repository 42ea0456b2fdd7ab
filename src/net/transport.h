/* transport.h - the transports that PlugKit brings itself, and how users' ones are found and woken.
 *
 * A transport moves bytes and never waits. The built-in two, "unix" and "tcp", are instances of the same struct that
 * users fill; the HTTP client knows them by their address and then may use their socket in one more way: a blocking
 * receive on the caller's own thread, which is what makes a warm call one send and one receive.
 *
 * `open` may say WANT_WRITE: wait until it is writable, and go on with send. Or WANT_READ, before there is anything to
 * read: the server's queue is full, close and open again a little later. */
#ifndef PK__TRANSPORT_H
#define PK__TRANSPORT_H
#include "address.h"

/* What a transport knows of a connection. pk_conn_ready may be called by any thread or an interrupt handler: on_ready
 * may only do what is allowed there. */
struct pk_conn {
    void (*on_ready)(pk_conn *conn);
};

/* The transport of an address: the user's first, then the built-in ones. NULL: there is none. */
PK__FN const pk_transport *pk__transport_find(const pk_transport *const *more, size_t count, const pk__address *a);
PK__FN bool pk__transport_is_socket(const pk_transport *t); // one of the built-in two: fd() is a socket
#ifndef PLUGKIT_NO_NET
/* What sends on a socket that was accepted. It cannot open any: a program that only serves has nothing that
 * connects. */
PK__FN const pk_transport *pk__transport_accepted(void **state, int fd);
#endif

#endif
