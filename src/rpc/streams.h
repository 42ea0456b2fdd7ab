/* streams.h - behind api/streams.h: bodies that handlers take piece by piece, and streams of events.
 *
 * A taken body is the engine's business (net/http_server_take.c); here it meets the handler, and the answer its
 * interceptors.
 *
 * A stream of events is a bounded buffer that two sides hold: its user, who puts events in from any thread, and the
 * response, whose reader empties it on the loop's thread and says PK_ERR_BUSY when there is nothing. Whoever comes last
 * frees it. Putting in posts a task, which tells the server that there is more. The response goes with its `done`, and
 * from then on the stream is gone for its user. */
#ifndef PK__STREAMS_H
#define PK__STREAMS_H
#if defined(PLUGKIT_WITH_STREAMS) && !defined(PLUGKIT_NO_NET)
#include "serve.h"

#define PK__STREAMS_EVENTS_MAX (256 * 1024) // bytes that wait for the client, if nothing else is said
#define PK__STREAMS_ALIVE_MS (15 * 1000)

struct pk_sse {
    const pk_alloc *alloc;
    pk_loop *loop;
    pk_ctx *ctx;         // of the request; the loop's thread, while the response lives
    pk_sse_desc desc;
    pk_task task;        // begins to keep alive, and tells the server that there is more
    pk_timer timer;
    pk__mutex lock;      // of what follows
    pk_buf text;         // to be sent
    bool sent;           // something, since the timer was started
    bool ended;          // nothing reaches the client any more
    bool closed, gone;   // the user is done with it; the response is
};

#endif
#endif
