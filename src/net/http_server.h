/* http_server.h - the engine of the HTTP/1.1 server: connections, framing, deadlines, back-pressure. What is asked and
 * answered is none of its business: that is rpc/serve.h, which plugs in here with a few callbacks.
 *
 * A connection (link) that waits for its next request is a small struct and a descriptor. When bytes come it borrows a
 * job: buffer, field array, memory and scratch of one request, and gives it back when the answer is out and nothing
 * more has come, or no more than the beginning of a head: those few bytes the link keeps itself. One request at a time
 * is worked on, so that pipelined ones are answered in order. The way of a link:
 *
 *     SHAKE     with TLS: the handshake, within the time of the first head
 *     IDLE      no request; closed after a while, or when connections run out
 *     HEAD      part of a head has come; until an absolute deadline: no trickle keeps it alive     408, 431, 400 ...
 *               on_head says: COLLECT the body, or hand the request over now and READ it, or it was ANSWERED already
 *     BODY      is collected up to the limit                                                       408, 413
 *     WORK      on_job was told. Somebody calls pk__http_server_answer, now or later; on any thread if it was detached
 *     WRITE     the answer goes out as the peer takes it: bytes, a piece of a file, or a reader's chunks. A reader that
 *               has nothing yet says PK_ERR_BUSY: then it is left alone until pk__http_server_more, or a hang-up
 *     DRAIN     what the handler left of the request's body is read away, up to a cap; then IDLE again
 *     LINGER    or the connection ends: nothing more is sent, and what still comes is thrown away for a moment, so that
 *               a peer that is still writing reads our answer instead of a reset
 *
 * Nobody keeps the loop for himself: after a few requests of a pipeline, pieces of a body or pieces of an answer the
 * others have their turn. When connections run out, whoever has been silent longest in IDLE or HEAD makes room: no
 * request of his was begun, and so a thousand slow heads do not keep the next one out.
 *
 * On a warm connection, without workers, a small request costs one wait, one receive and one send.
 *
 * All of it runs on the loop's thread, except what says otherwise. */
#ifndef PK__HTTP_SERVER_H
#define PK__HTTP_SERVER_H
#ifndef PLUGKIT_NO_NET
#include "../base/list.h"
#include "../os/atomic.h"
#include "../os/fd.h"
#include "../os/loop.h"
#include "../wire/http_chunk.h"
#include "../wire/http_head.h"
#include "http_out.h"

typedef struct pk__http_server pk__http_server;
typedef struct pk__http_link pk__http_link;
typedef struct pk__http_job pk__http_job;

typedef enum pk__http_plan { PK__HTTP_COLLECT, PK__HTTP_READ, PK__HTTP_ANSWERED } pk__http_plan;

/* How a link goes on. */
typedef enum pk__http_step {
    PK__HTTP_STEP_ON,    // at once, in its new state
    PK__HTTP_STEP_READ,  // when something comes
    PK__HTTP_STEP_WRITE, // when there is room
    PK__HTTP_STEP_YIELD, // when others have had their turn
    PK__HTTP_STEP_HOLD,  // when it is told
    PK__HTTP_STEP_CLOSE  // not at all
} pk__http_step;

struct pk__http_job {
    pk__http_server *server;
    pk_mem mem;       // emptied when the answer is written
    void *extra;      // `extra` bytes of whoever plugs in, of any content
    int64_t deadline; // by pk__clock_ns: reading the body ends with it; PK_FOREVER at first

    /* private, but for the head */
    pk__http_link *link;
    pk_meta *fields;
    char *buf;             // what was received: [at, end) is not used yet
    size_t cap, at, end;
    uint64_t left;         // of a request body with a length
    bool is_fresh;         // nothing of a request is in it
    pk__node node;
    pk_task task;          // brings a detached job home
    pk_buf collected;
    pk__http_chunk chunk;
    pk__http_head head;
    pk__http_out out;

    /* From here on all is zero at first. */
    pk_str body;           // collected; lives as long as the job works
    pk_response answer;
    pk__http_step (*take)(pk__http_link *l); // NULL, or gets the body on: see http_server_take.c
    pk_err (*on_piece)(pk__http_job *job, pk_str piece);
    pk_io state_out;       // of `out`: how the last push ended
    bool told;             // on_head was called, on_done is due
    bool detached, body_done, answered, keep, wants_continue;
};

/* Who has how many connections. */
typedef struct pk__http_peer {
    pk__node node;
    uint64_t id; // see pk__socket_peer
    size_t count;
} pk__http_peer;

struct pk__http_link {
    pk__http_server *server;
    pk__http_job *job;     // NULL while idle
    pk__node node, idle;   // of all; of those without a whole head, the longest silent first
    pk_watch watch;
    pk__secure *secure;    // NULL = plain, or nothing has come yet
    pk_timer timer;
    int64_t deadline;      // PK_FOREVER = none. The timer may be earlier: then it is only wound up again
    size_t thrown;         // bytes read away
    pk__http_peer *peer;   // NULL = not counted
    char *part;            // of a head, while it waits for the rest without a job
    uint16_t part_len;
    uint8_t state, want;
    uint8_t share;         // of this turn: receives and requests that are left
    bool watching, can_read;
    bool took_all;         // the last receive left nothing
    bool running;          // is being moved on: whoever answers now need not do it
    bool leaving;          // to be closed, but for a request that has come already
};

typedef struct pk__http_server_desc {
    const pk_alloc *alloc;
    pk_loop *loop;
    int listen_fd;           // the server's from now on, also on failure
    bool any_uid;
    pk_tls *tls;             // NULL = plain; borrowed
    uint32_t header_ms, body_ms, idle_ms; // no zeros from here on
    size_t head_bytes, fields, body_bytes, connections;
    size_t extra;            // bytes of extra for each job
    size_t spare;            // jobs kept for reuse
    pk__http_plan (*on_head)(void *user, pk__http_job *job);
    void (*on_job)(void *user, pk__http_job *job);
    void (*on_done)(void *user, pk__http_job *job);   // the answer is written, or given up; once for each on_head
    /* The body of an answer that the engine gives itself; room for PK__HTTP_SERVER_REFUSAL bytes. */
    size_t (*refusal)(void *user, char *out, int status, const char *why);
    void (*on_destroyed)(void *user); // the last that is heard
    void *user;
} pk__http_server_desc;

#define PK__HTTP_SERVER_REFUSAL 512
#define PK__HTTP_SERVER_PEERS 64

struct pk__http_server {
    int reserve;             // see pk__socket_accept
    bool is_unix, accepting, doomed;
    pk__atomic_u32 draining; // read by workers, too: whether they say keep-alive
    unsigned depth;          // of our callbacks on the stack
    pk__node links, idle, spare;
    /* NULL, or counts one more connection of the other end's owner. False: turned away. */
    bool (*admit)(pk__http_server *s, int fd, pk__http_peer **out);
    size_t per_peer;
    size_t link_count, spare_count;
    pk_timer rest;           // from accepting
    pk_watch listener;
    pk__http_server_desc desc;
    pk__node peers[PK__HTTP_SERVER_PEERS]; // by a hash of their id
};

PK__FN pk_err pk__http_server_create(pk__http_server **out, const pk__http_server_desc *desc, pk_error *err);
/* No job may be with another thread any more. From inside a callback: is put off until that has returned. */
PK__FN void pk__http_server_destroy(pk__http_server *s);
/* So many connections for each peer, 0 = any number. Those that are there are not counted. */
PK__FN void pk__http_server_limit_peers(pk__http_server *s, size_t connections);
PK__FN void pk__http_server_drain(pk__http_server *s); // no more connections; those that are idle are closed

/* Answers a job, once, with job->answer, whose parts must live until on_done. Any thread if the job was detached: there
 * a reader is pumped to its end before this returns; what else cannot be sent at once is left to the loop. */
PK__FN void pk__http_server_answer(pk__http_job *job);
/* The body's reader, or on_piece, said PK_ERR_BUSY and can go on now. Harmless otherwise; the loop's thread, before
 * on_done. */
PK__FN void pk__http_server_more(pk__http_job *job);
/* From here on the job belongs to another thread, until it has answered. */
PK__FN void pk__http_server_detach(pk__http_job *job);
/* The next bytes of the body, for plan READ; waits for them. *got 0 = the end. Owner's thread.
 * Errors: PK_ERR_PLUGIN_TIMEOUT, PK_ERR_PLUGIN_CONNECTION, PK_ERR_HTTP. */
PK__FN pk_err pk__http_server_read(pk__http_job *job, void *buf, size_t cap, size_t *got, pk_error *err);
PK__FN bool pk__http_server_is_gone(pk__http_job *job); // the peer has hung up; owner's thread

#ifdef PLUGKIT_WITH_STREAMS
/* Instead of reading: `on_piece` gets the body as it comes, and at last a piece of length 0. From inside on_job, or
 * later on the loop's thread; not for a detached job. PK_ERR_BUSY: the same piece again after pk__http_server_more;
 * anything else is PK_OK. Once the job is answered it hears no more. */
PK__FN void pk__http_server_take(pk__http_job *job, pk_err (*on_piece)(pk__http_job *job, pk_str piece));
#endif

/* Around callbacks that do not come from here but may destroy the server, which is put off until the last leave. */
PK__FN void pk__http_server_enter(pk__http_server *s);
PK__FN void pk__http_server_leave(pk__http_server *s);

/* Between the files of this module. */
typedef enum pk__http_link_state {
    PK__HTTP_LINK_IDLE,
    PK__HTTP_LINK_HEAD,
    PK__HTTP_LINK_BODY,
    PK__HTTP_LINK_WORK,
    PK__HTTP_LINK_WRITE,
    PK__HTTP_LINK_DRAIN,
    PK__HTTP_LINK_LINGER,
    PK__HTTP_LINK_SHAKE
} pk__http_link_state;
PK__FN pk__http_step pk__http_link_head(pk__http_link *l);
PK__FN pk__http_step pk__http_link_body(pk__http_link *l);
PK__FN pk__http_step pk__http_link_throw(pk__http_link *l); // DRAIN and LINGER
PK__FN pk__http_step pk__http_link_write(pk__http_link *l);
PK__FN pk__http_step pk__http_link_refuse(pk__http_link *l, int status, const char *why);
PK__FN pk__http_step pk__http_link_receive_job(pk__http_link *l); // behind what is in the job's buffer
PK__FN pk__chunk_result pk__http_job_next(pk__http_job *job, size_t most, pk_str *data);
PK__FN bool pk__http_job_continue(pk__http_job *job); // says 100, if that is waited for
PK__FN void pk__http_link_due(pk__http_link *l, uint32_t ms); // 0 = no deadline
PK__FN void pk__http_link_next(pk__http_link *l); // on to the next request
PK__FN void pk__http_link_answered(pk__http_link *l);
PK__FN bool pk__http_link_watch(pk__http_link *l, bool read, bool write);
PK__FN void pk__http_link_run(pk__http_link *l); // as far as it goes
PK__FN void pk__http_link_on_ready(void *user, bool can_read, bool can_write);
PK__FN void pk__http_link_on_time(void *user);
PK__FN void pk__http_link_close(pk__http_link *l);
PK__FN void pk__http_job_free(pk__http_job *job);
PK__FN void pk__http_peer_leave(pk__http_server *s, pk__http_peer *p); // NULL is nobody
PK__FN void pk__http_server_listen(pk__http_server *s); // accepts again, if nothing is against it
PK__FN pk_io pk__http_link_recv(pk__http_link *l, void *buf, size_t cap, size_t *got, pk_error *err);
PK__FN pk__wire pk__http_link_wire(pk__http_link *l); // to send by
PK__FN bool pk__http_job_take(pk__http_link *l);
PK__FN void pk__http_job_reset(pk__http_job *job); // for the next request; what has come already stays

#endif
#endif
