/* http_server.h - the engine of the HTTP/1.1 server: connections, framing, deadlines, back-pressure. What is asked and
 * answered is none of its business: that is rpc/serve.h, which plugs in here with three callbacks.
 *
 * A connection that waits for its next request is a small struct and a descriptor. When bytes come it borrows a job:
 * buffer, field array, memory and scratch of one request, and gives it back when the answer is out and nothing more has
 * come. One request at a time is worked on, so that pipelined ones are answered in order. The way of a job:
 *
 *     HEAD      bytes come; until the deadline for heads (absolute: no trickle keeps it alive)   408, 431, 400 ...
 *     on_head   which plan? COLLECT the body, or hand the request over now and let the handler READ it, or REFUSE
 *     BODY      collected up to the limit                                                        408, 413
 *     on_job    the request is whole: somebody must call pk__http_server_answer, now or later, on any thread once the
 *               job was detached
 *     ANSWER    written as the peer takes it: bytes, a piece of a file, or a reader's chunks
 *     then      a rest of the request's body is read away up to a cap, and the connection waits again; or it lingers
 *               (nothing more is sent, what comes is thrown away for a moment, so that a peer that still writes reads
 *               our answer instead of a reset) and is closed
 *
 * On a warm connection, without workers, a small request costs one wait, one receive and one send.
 *
 * All of it runs on the loop's thread, except what is marked. */
#ifndef PK__HTTP_SERVER_H
#define PK__HTTP_SERVER_H
#ifndef PLUGKIT_NO_NET
#include "../base/list.h"
#include "../wire/http_chunk.h"
#include "../wire/http_head.h"
#include "address.h"

typedef struct pk__http_server pk__http_server;
typedef struct pk__http_link pk__http_link; // one connection

typedef enum pk__http_plan { PK__HTTP_COLLECT, PK__HTTP_READ, PK__HTTP_REFUSE } pk__http_plan;

typedef struct pk__http_job {
    pk__http_server *server;
    pk__http_head head;
    pk_str body;   // collected; a view that lives as long as the job works
    pk_mem mem;    // emptied when the answer is written
    void *extra;   // `extra` bytes of whoever plugs in, zeroed for each request
    bool is_head;  // HEAD: the answer is sent without its body

    /* private */
    pk__http_link *link;
    pk__node node;
    pk_response answer;
    pk__http_chunk chunk;
    pk_buf collected, out;  // out: the answer's head, and small bodies
    pk_task task;           // brings a detached job home
    char *buf;              // what was received: [at, end) is not used yet
    size_t cap, at, end;
    uint64_t left;          // of a request body with a length
    uint64_t taken;         // body bytes so far
    uint64_t sent;          // of the answer: bytes of out and body
    int64_t piece_by;       // detached reads and writes: deadline of the next piece
    uint8_t step;
    bool detached, body_done, answered, keep, chunked, continue_due, broken, has_error;
    int error_status;
} pk__http_job;

typedef struct pk__http_server_desc {
    const pk_alloc *alloc;
    pk_loop *loop;
    int listen_fd;           // the server's from now on, also on failure
    bool any_uid;
    uint32_t header_ms, body_ms, idle_ms; // resolved: no zeros from here on
    size_t head_bytes, fields, body_bytes, connections;
    size_t extra;            // bytes of extra for each job
    size_t spare;            // jobs kept for reuse
    pk__http_plan (*on_head)(void *user, pk__http_job *job); // REFUSE: it has answered
    void (*on_job)(void *user, pk__http_job *job);
    void (*on_done)(void *user, pk__http_job *job);          // the answer is written, or given up
    size_t (*error_body)(void *user, char *out, size_t cap, int status, const char *reason); // of the engine's own
    void *user;
} pk__http_server_desc;

PK__FN pk_err pk__http_server_create(pk__http_server **out, const pk__http_server_desc *desc, pk_error *err);
/* No job may be detached any more. */
PK__FN void pk__http_server_destroy(pk__http_server *s);
PK__FN void pk__http_server_drain(pk__http_server *s);
PK__FN size_t pk__http_server_links(const pk__http_server *s); // open connections

/* Answers a job, once. The answer's parts must live until on_done, which calls answer->done. Any thread if detached:
 * there a reader is pumped to its end before this returns; what else cannot be sent at once is left to the loop. */
PK__FN void pk__http_server_answer(pk__http_job *job, const pk_response *answer);
/* From here on the job belongs to another thread, until it has answered. */
PK__FN void pk__http_server_detach(pk__http_job *job);
/* The next bytes of the body, for plan READ; waits for them. *got 0 = the end. Owner's thread.
 * Errors: PK_ERR_PLUGIN_TIMEOUT, PK_ERR_PLUGIN_CONNECTION, PK_ERR_HTTP. */
PK__FN pk_err pk__http_server_read(pk__http_job *job, void *buf, size_t cap, size_t *got, pk_error *err);
PK__FN bool pk__http_server_is_gone(pk__http_job *job); // the peer has hung up; owner's thread

#endif
#endif
