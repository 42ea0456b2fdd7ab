/* serve.h - pk_server: what the engine (net/http_server.h) leaves open. Who may ask, which handler answers, on which
 * thread, and what an error looks like.
 *
 * A request passes: peer's uid (the engine, at accept) - path (wire/url.h) - token - verb - route - its body -
 * interceptors of serve scope, `before` in order - handler - `after` in reverse - answer. Token before route: who may
 * not ask does not learn what there is. What is refused on the way has no handler, and only those interceptors that
 * ask for it (pk_interceptor.refused): so there is one way for all that has a head which could be read. With workers
 * the handler and the interceptors run on a worker's thread; routes with PK_INLINE always run on the loop's thread, so
 * that /healthz answers while every worker is busy.
 *
 * An interceptor that waits holds its request, not its thread: when it is resumed the request goes on, on a worker or
 * on the loop's thread. It may be resumed before its `before` has even returned, so both sides meet at `held`.
 *
 * A call (pk__serve_call) lives in the scratch of the engine's job, from on_head to on_done. Destroying the server from
 * inside a handler on the loop's thread is put off until that has returned; it waits for handlers on workers. */
#ifndef PK__SERVE_H
#define PK__SERVE_H
#ifndef PLUGKIT_NO_NET
#include "../base/list.h"
#include "../net/http_server.h"
#include "../os/thread.h"
#include "chain.h"
#include "ctx.h"
#include "error_body.h"
#include "routes.h"

struct pk_server {
    const pk_alloc *alloc;
    pk_loop *loop;
    pk__http_server *engine;
    pk__routes routes;
    const pk_interceptor **chain;
    size_t chain_count, chain_states; // states: bytes that a call needs for them
    pk_str token;
    char **open_paths;
    size_t open_count;
    char *address;
    uint32_t running;                 // calls between on_head and on_done
    pk__atomic_u32 canceled;          // handlers are to end soon
    bool (*on_token)(void *user, pk_str token, pk_str caller);
    void (*on_work)(void *user, int change);
    void (*on_refused)(void *user, int status, const char *why);
    void *user;
    /* Workers. */
    pk__thread *threads;
    size_t thread_count;
    pk__mutex lock;
    pk__cond more;
    pk__node queue;                   // of calls
    bool stopping;
};

enum { PK__SERVE_RUNNING, PK__SERVE_HELD, PK__SERVE_RESUMED };

typedef struct pk__serve_call {
    pk__resumer resumer; // first: exchange.impl
    pk_server *server;
    pk__http_job *job;
    pk__node node;       // in the queue
    pk_err (*take)(void *user, pk_str piece, pk_response *response, pk_error *err); // if job->take is set
    void *take_user;
    struct {
        int status;        // 0 = there is a handler
        pk_err code;       // PK_OK: OPTIONS
        const char *what;
    } refused;
    char *states;        // of interceptors
    size_t at;           // how many `before` have run
    pk_verdict verdict;
    pk__atomic_u32 held;
    bool counted;        // told to on_work
    pk_task task;        // goes on, on the loop's thread
    pk_route route;      // a copy: the table may grow meanwhile
    pk_request request;
    pk_response response;
    pk_ctx ctx;
    pk__ctx_impl impl;
    /* Not cleared for each request: */
    pk_error error;      // code PK_OK: there is an answer
    pk_meta extra[2];    // headers of an error
    char allow[PK__ROUTES_ALLOW_MAX];
    char text[PK__ERROR_BODY_MAX];
    /* Only with interceptors: */
    pk_exchange exchange;
    pk_call_desc desc;
    pk_reply reply;
} pk__serve_call;

/* What the engine calls, and what workers do. */
PK__FN pk__http_plan pk__serve_on_head(void *user, pk__http_job *job);
PK__FN void pk__serve_on_job(void *user, pk__http_job *job);
PK__FN void pk__serve_on_done(void *user, pk__http_job *job);
PK__FN size_t pk__serve_refusal(void *user, char *out, int status, const char *why);
PK__FN void pk__serve_go(pk__serve_call *c);
PK__FN void pk__serve_returned(pk__serve_call *c, pk_err rc);
PK__FN void pk__serve_finish(pk__serve_call *c); // the handler has had its say

#endif
#endif
