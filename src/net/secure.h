/* secure.h - the seam where TLS goes between HTTP and the bytes. Nothing below or beside it knows of TLS but net/tls*.
 *
 * A secured connection is a pk__secure: it lies on a transport that is open, and is asked instead of it. Its maker is a
 * pk_tls, whose first member is the table of functions below; so the core calls through a table, and what nobody makes
 * is not linked. Without PLUGKIT_WITH_TLS, PK__SECURE_ON is a constant, and the compiler drops every branch behind it:
 * a plain build has not one line of it. (Test builds keep the branches, to put a table of their own there.)
 *
 *     check     can it serve, or call? Told before the first connection, so that nobody finds out by trying
 *     open      makes one; sends and receives nothing. Client or server
 *     shake     moves the handshake on; to be called until DONE. Never waits. Afterwards `peer` is there
 *     recv      like a transport's, and one promise more: DONE with less than `cap` bytes means that neither it nor the
 *               socket has any left, so who waits for the socket forgets nothing; but with `has_more` it has an end to
 *               tell, which no socket announces a second time. CLOSED: the peer has said that it has finished. FAILED:
 *               it has not, and the bytes so far may have been cut off. `wait`: may wait as long as the socket's
 *               timeout says, once; WANT_READ may still follow
 *     send      like a transport's. What was not DONE must be offered again with the same bytes, or not at all
 *     end       says that we have finished; to be called until it is not WANT_WRITE, or once if nobody cares
 *     is_gone   has the peer hung up? May receive ahead. The thread that receives
 *     close     frees it; sends nothing, and leaves the transport open
 *
 * WANT_READ and WANT_WRITE may come from each of them: the two directions depend on each
 * other. One thread at a time. */
#ifndef PK__SECURE_H
#define PK__SECURE_H
#include "transport.h"

#if defined(PLUGKIT_WITH_TLS) || defined(PLUGKIT_TEST)
#define PK__SECURE_BUILT 1
#else
#define PK__SECURE_BUILT 0
#endif

typedef struct pk__secure pk__secure;

typedef struct pk__wire { // where bytes go
    const pk_transport *transport;
    void *io;
    int socket;           // -1 = it is none. Non-blocking at least while a piece of a file is sent
} pk__wire;

typedef struct pk__secure_desc {
    bool is_server;
    pk__wire below;
    pk_str name;          // clients: whom the peer has to be; "" = whom the pk_tls says
    pk_str host;          // clients: of the address; "" = it has none
    pk_str key;           // clients: a session is resumed with the same key only
} pk__secure_desc;

typedef struct pk__secure_table {
    pk_err (*check)(pk_tls *tls, bool is_server, pk_error *err);
    pk_err (*open)(pk_tls *tls, const pk__secure_desc *desc, pk__secure **out, pk_error *err);
    pk_io (*shake)(pk__secure *s, pk_error *err);
    pk_io (*recv)(pk__secure *s, void *buf, size_t cap, bool wait, size_t *got, pk_error *err);
    pk_io (*send)(pk__secure *s, const pk_str *parts, size_t count, size_t *sent, pk_error *err);
    pk_io (*end)(pk__secure *s);
    bool (*is_gone)(pk__secure *s);
    void (*close)(pk__secure *s);
} pk__secure_table;

struct pk__secure {
    const pk__secure_table *table;
    const pk_tls_peer *peer; // after the handshake
    bool wants_write;        // the last recv was WANT_WRITE: it has to send something first
    bool has_more;           // the last recv was DONE, and has to be asked again whatever the socket says
    bool is_plain;           // the peer speaks plain HTTP: the handshake failed for that reason
};

/* A connection, a pk_tls: is there one? Constants where nothing is built that could make one. */
#define PK__SECURE_ON(s) (PK__SECURE_BUILT && (s) != NULL)

static inline const pk__secure_table *pk__secure_table_of(const pk_tls *tls)
{
    return *(const pk__secure_table *const *)(const void *)tls;
}

#if PK__SECURE_BUILT
/* Sends through it: nothing that looks like a socket is left for sendfile. */
PK__FN pk__wire pk__secure_wire(pk__secure *s);
PK__FN void pk__secure_close(pk__secure *s, bool says_end); // if there is room for that; and frees it
#else
static inline pk__wire pk__secure_wire(pk__secure *s)
{
    pk__wire none = {NULL, s, -1};
    return none;
}

static inline void pk__secure_close(pk__secure *s, bool says_end)
{
    (void)s, (void)says_end;
}
#endif

#endif
