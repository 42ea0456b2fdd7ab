/* http_client.h - one connection to an HTTP/1.1 server, and one exchange at a time on it.
 *
 * An exchange is a request with a body in any form, and an answer that is reported as it comes: one head, any number
 * of chunks, an end. The connection opens itself when the first exchange begins. One state machine, two drivers:
 *
 *     pk__http_client_run    waits on the caller's thread. A warm exchange whose request and answer fit into one buffer
 *                            is exactly one send and one receive: the receive itself waits, its timeout is set once
 *                            and again only if a deadline demands less.
 *     pk__http_client_start  is driven by a loop: never waits, reports the end to on_end.
 *
 * Transports with a descriptor are polled. One without is asked again when it calls pk_conn_ready, which needs a loop:
 * _run gives PK_ERR_UNSUPPORTED there, and nothing is sent. Such a client is destroyed on the loop's thread, before the
 * loop is.
 * Callbacks run on the driving thread, never after the end, and may do anything, destroy included.
 *
 * How far a failed exchange got is told exactly (x->sent): PK_SENT_NO only if no byte of the request was handed to the
 * system, so that it may be repeated whatever it does; PK_SENT_ANSWERED once a whole answer head has come; between them
 * PK_SENT_MAYBE. A kept connection may have been closed by the server just as we used it: that ends with MAYBE and
 * is_stale, as nobody can know whether the request was read. Idempotent requests should then be repeated, others not.
 *
 * Answers may come before the request is all sent: one of 300 or above stops the sending, others go on both ways. A
 * connection whose request was not sent to its end, or on which more came than the answer, is not used again. Lengths,
 * framing and limits are as strict as in wire/http_head.h. */
#ifndef PK__HTTP_CLIENT_H
#define PK__HTTP_CLIENT_H
#include "../base/list.h"
#include "../os/atomic.h"
#include "../os/loop.h"
#include "../os/spin.h"
#include "../wire/http_chunk.h"
#include "../wire/http_head.h"
#include "address.h"
#include "http_out.h"

typedef struct pk__http_answer {
    int status;
    const pk_meta *fields; // valid until on_head returns
    size_t field_count;
    int64_t length;        // of the body; -1 = it will turn out; 0 also for answers that have none
} pk__http_answer;

/* Filled by the caller, kept alive and unmoved until the end. */
typedef struct pk__http_exchange {
    pk_str method, target;   // "POST", "/process?x=1"; checked
    const pk_meta *own;      // PlugKit's fields of this request: type, deadline. They go first. Values are checked
    size_t own_count;        //
    const pk_meta *fields;   // the user's: checked, and PK_ERR_MISUSE if they would frame the message or forge a token
    size_t field_count;
    const pk_body *body;     // NULL = none. With _start a reader may give PK_ERR_BUSY, until pk__http_client_resume.
                             //   Content-Type comes from it, if it is not empty, unless fields have one
    uint64_t max_body;       // bytes of answer accepted; 0 = any number
    int64_t deadline;        // by pk__clock_ns; PK_FOREVER = none
    int64_t now;             // what pk__clock_ns said a moment ago; 0 = is read when it is needed
    pk_err (*on_head)(void *user, const pk__http_answer *answer, pk_error *err);  // may be NULL
    pk_err (*on_chunk)(void *user, pk_str bytes, pk_error *err);                  // may be NULL: bytes are dropped
    void (*on_end)(void *user, const pk_error *why); // of pk__http_client_start: exactly once; NULL = all went well
    void *user;
    /* Written as it goes: */
    pk_sent sent;
    bool is_stale;           // failed on a kept connection before a byte of answer came
    uint64_t bytes_out, bytes_in; // of bodies
} pk__http_exchange;

typedef struct pk__http_client_desc {
    const pk_alloc *alloc;
    const pk_transport *transport;
    const pk__address *address; // borrowed as long as the client
    pk_str text;                // the address as a transport is given it; borrowed likewise
    pk_str lines;               // of each head, below the first: "Host: x\r\n" and so on; checked, borrowed likewise
    uint32_t connect_ms;        // 0 = only the exchange's own deadline
    int64_t spin_ns;            // receives that wait look for so long first, where that pays (os/spin.h)
    bool any_uid;               // talk to Unix servers of other users
    pk_tls *tls;                // the connection is to be secure; NULL = plain
    pk_str tls_name, tls_host;  // see pk__secure_desc.name and .host; borrowed likewise
} pk__http_client_desc;

#define PK__HTTP_CLIENT_FIELDS 100         // of an answer
#define PK__HTTP_CLIENT_ROOM (16 * 1024)   // the largest head of an answer, and one receive

typedef struct pk__http_client_room {
    pk_meta fields[PK__HTTP_CLIENT_FIELDS];
    char bytes[PK__HTTP_CLIENT_ROOM];
} pk__http_client_room;

typedef enum pk__http_client_rx { PK__HTTP_RX_HEAD, PK__HTTP_RX_BODY, PK__HTTP_RX_DONE } pk__http_client_rx;

typedef struct pk__http_client {
    pk_conn conn;            // first: a transport wakes us by it
    pk__node node;           // the pool's
    int64_t taken_at;        // the pool's

    /* The connection. It is closed by destroy only: until then an interrupt may reach for it. */
    void *io;
    pk__secure *secure;      // lies on io; NULL = plain
    int fd;                  // to poll; -1 = none
    bool is_socket;
    bool opened;             // io is valid
    bool connecting;         // and not yet ready to be written
    bool is_open;
    bool is_nonblocking;     // for the time of a sendfile, which has no MSG_DONTWAIT
    bool used;               // it has carried an exchange: a kept connection
    bool dead;               // and will not carry another one
    pk__atomic_u32 interrupted;
    pk__atomic_u32 reach;    // fd of an open socket, for whoever interrupts; 0 = none
    int64_t timeout_ns;      // of receives on the socket; 0 = none was set
    pk__spin spin;
    int64_t retry_at;        // the server's queue was full: open again then; 0 = no
    int64_t connect_by;

    /* The request. */
    pk__http_exchange *x;    // NULL = idle
    bool stopped;            // the rest is not sent: the answer was no
    int send_errno;          // it could not be sent to the end; there may be an answer all the same

    /* The answer. */
    pk__http_client_room *room;
    size_t begin, end;       // of what was received and not used
    pk__http_client_rx rx;
    uint64_t left;
    uint8_t interim;         // answers of 1xx so far
    bool got_any, paused;

    /* The drivers (http_client_run.c). */
    bool wants_read, wants_write;
    bool has_more;           // stopped in the middle, to let others have their turn
    bool driven;             // by a loop
    bool watching;
    bool doomed;             // destroyed in a callback
    unsigned depth;          // of callbacks on the stack
    pk_loop *loop;           // of the running exchange
    void *wakes;             // the same for pk_conn_ready; atomic, and kept

    /* Large ones: the request's, the answer's and the drivers'. */
    pk_task task;
    pk_timer timer;
    pk_watch watch;
    pk__http_chunk chunk;
    pk__http_out out;
    pk__http_head head;
    pk__http_client_desc desc;
} pk__http_client;

PK__FN pk_err pk__http_client_create(pk__http_client **out, const pk__http_client_desc *desc, pk_error *err);
PK__FN void pk__http_client_destroy(pk__http_client *c); // an exchange that runs ends without a word

/* Carries out the exchange, waiting. On failure *err says what happened and x->sent how far it got. */
PK__FN pk_err pk__http_client_run(pk__http_client *c, pk__http_exchange *x, pk_error *err);

/* Begins the exchange on the loop. An error: nothing was begun, on_end will not run. on_end never runs before this has
 * returned. */
PK__FN pk_err pk__http_client_start(pk__http_client *c, pk_loop *loop, pk__http_exchange *x, pk_error *err);
PK__FN void pk__http_client_resume(pk__http_client *c); // the body's reader has bytes again; loop's thread
/* Stops reading the answer until called with false: back-pressure. Loop's thread; of pk__http_client_start only. */
PK__FN void pk__http_client_pause(pk__http_client *c, bool paused);
/* Ends the exchange without a word (on_end does not run) and closes the connection. Loop's thread. */
PK__FN void pk__http_client_cancel(pk__http_client *c);

/* Makes a `run` on another thread end soon with PK_ERR_CANCELED. The client must not be destroyed meanwhile. */
PK__FN void pk__http_client_interrupt(pk__http_client *c);
PK__FN bool pk__http_client_is_reusable(const pk__http_client *c); // connected and idle, and the server keeps it
PK__FN bool pk__http_client_is_alive(pk__http_client *c);          // asks the system: still open and silent?
PK__FN void pk__http_client_shrink(pk__http_client *c);            // gives its buffers back while it is idle

/* Between the files of this module: prepares an exchange; moves it on as far as it goes (WANT_*: see wants_read,
 * wants_write, retry_at); ends it. `wait`: the receive may wait. */
PK__FN pk_err pk__http_client_begin(pk__http_client *c, pk__http_exchange *x, pk_error *err);
PK__FN pk_io pk__http_client_advance(pk__http_client *c, bool wait, pk_error *err);
PK__FN pk_io pk__http_client_pull(pk__http_client *c, bool wait, pk_error *err); // receives once; DONE: perhaps more
PK__FN int64_t pk__http_client_now(pk__http_exchange *x); // reads the clock once, until the next wait
PK__FN void pk__http_client_finish(pk__http_client *c);
PK__FN void pk__http_client_fail(pk__http_client *c, pk_error *err);
PK__FN pk_err pk__http_client_needs_loop(const pk__http_client *c, pk_error *err); // an error, always
PK__FN void pk__http_client_undrive(pk__http_client *c); // takes it off its loop

#endif
