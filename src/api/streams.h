/* streams.h - request bodies taken piece by piece, and server-sent events on both sides. With PLUGKIT_WITH_STREAMS.
 *
 * A handler of a PK_UPLOAD route on the loop's thread should not wait for the body: others would wait with it. It says
 * who takes it, and returns:
 *
 *     static pk_err put(void *user, const pk_request *q, pk_response *a, pk_error *err)
 *     {
 *         upload *u = upload_begin();
 *         a->done = upload_end, a->user = u;           // also if the body breaks off
 *         return pk_request_take(q, take, u, err);     // `take` gets each piece, and fills the answer at the end
 *     }
 *
 * Events go to whoever asked for them, as text/event-stream, which browsers read by themselves (EventSource):
 *
 *     static pk_err watch(void *user, const pk_request *q, pk_response *a, pk_error *err)
 *     {
 *         return pk_sse_open(&board.stream, q, a, &(pk_sse_desc){.on_gone = gone, .user = &board}, err);
 *     }
 *     ...
 *     pk_sse_send(board.stream, &(pk_sse_event){.event = PK_STR("score"), .data = text}, &err);  // any thread
 *
 * On the side that calls, pk_sse_read takes them apart again: give it the pieces that on_chunk gets. */

#ifdef PLUGKIT_WITH_STREAMS
/* One event. `event` and `id` are one line each; data may be any lines, which arrive with LF between them. */
typedef struct pk_sse_event {
    pk_str event;      // its name; "" = "message"
    pk_str data;       // with neither data nor name it only tells id and retry_ms, and nobody gets it
    pk_str id;         // sent: "" = none. Received: the last one that came; who comes back says it in Last-Event-ID
    uint32_t retry_ms; // how long to wait before coming back; 0 = not said (received: so far)
} pk_sse_event;

/* Reads events from a stream in any pieces. Zeroed, with on_event; free it with pk_sse_reader_free. */
typedef struct pk_sse_reader {
    pk_err (*on_event)(void *user, const pk_sse_event *event, pk_error *err); // the event is valid until it returns
    void *user;
    size_t max_bytes;      // of one event; 0 = 1 MiB
    const pk_alloc *alloc; // NULL = libc
    pk_buf pk__line, pk__data, pk__name, pk__id; // private from here on
    uint32_t pk__retry_ms;
    bool pk__has_data, pk__after_cr, pk__began, pk__past_mark;
} pk_sse_reader;

/* The next piece. An error of on_event ends it and is returned. Errors: PK_ERR_LIMIT (an event larger than max_bytes),
 * PK_ERR_NO_MEMORY. What is no event (comments, unknown fields) is skipped, as the standard says; an event that has not
 * ended when the stream does is none. */
PK_API pk_err pk_sse_read(pk_sse_reader *reader, pk_str piece, pk_error *err);
PK_API void pk_sse_reader_free(pk_sse_reader *reader);
/* Appends an event as text. Errors: PK_ERR_MISUSE (a name or id with a line break or NUL), PK_ERR_NO_MEMORY,
 * PK_ERR_LIMIT; then the buffer is as before. */
PK_API pk_err pk_sse_write(pk_buf *buf, const pk_sse_event *event, pk_error *err);

#ifndef PLUGKIT_NO_NET
/* A piece of the body; of length 0 at its end: then *response is filled, as handlers do it. PK_ERR_BUSY: the same piece
 * again after pk_server_more, and nothing is read from the peer until then. Another error is the request's. */
typedef pk_err (*pk_take)(void *user, pk_str piece, pk_response *response, pk_error *err);
/* From now on the request's body goes to `take`, on the loop's thread, as it comes. From inside the handler of a
 * PK_UPLOAD route, which then returns PK_OK. If the body breaks off, `take` hears no more, and response->done is
 * called. Errors: PK_ERR_MISUSE (another route, a server with workers). */
PK_API pk_err pk_request_take(const pk_request *request, pk_take take, void *user, pk_error *err);

typedef struct pk_sse pk_sse;

typedef struct pk_sse_desc {
    size_t max_bytes;            // that wait until the client takes them; 0 = 256 KiB
    uint32_t keep_alive_ms;      // a comment when nothing was sent for so long, which finds out who has gone; 0 = 15 s
    void (*on_gone)(void *user); // the client has hung up, or the server ends: close the stream. The loop's thread
    void *user;
} pk_sse_desc;

/* Makes a stream of events the answer; in a handler, which then returns PK_OK. *out is yours until pk_sse_close. */
PK_API pk_err pk_sse_open(pk_sse **out, const pk_request *request, pk_response *response, const pk_sse_desc *desc,
                          pk_error *err);
/* Sends one event. Any thread. Errors: PK_ERR_BUSY (the client does not keep up: leave this one out, or close),
 * PK_ERR_PLUGIN_CONNECTION (it has gone), and those of pk_sse_write. */
PK_API pk_err pk_sse_send(pk_sse *stream, const pk_sse_event *event, pk_error *err);
/* Ends the stream when what was sent has gone out. Any thread, on_gone included; not called again after it begins. */
PK_API void pk_sse_close(pk_sse *stream);
#endif
#endif
