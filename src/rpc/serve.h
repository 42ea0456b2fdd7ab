/* serve.h - pk_server: what the engine (net/http_server.h) leaves open. Who may ask, which handler answers, on which
 * thread, and what an error looks like.
 *
 * A request passes: peer's uid (the engine, at accept) - path (wire/url.h) - token - route - interceptors of serve scope,
 * `before` in order - handler - `after` in reverse - answer. Token before route: who may not ask does not learn what there
 * is. With workers the handler and the interceptors run on a worker's thread; routes with PK_INLINE run on the loop's
 * thread always, so that /healthz answers while every worker is busy, and do not count as work.
 *
 * An interceptor that waits holds its request, not its thread: when it is resumed the request takes its place in the
 * queue again. Destroying the server from inside a handler is put off until the handler has returned. */
#ifndef PK__SERVE_H
#define PK__SERVE_H
#ifndef PLUGKIT_NO_NET
#include "../base/list.h"
#include "../net/http_server.h"
#include "../os/thread.h"
#include "ctx.h"
#include "routes.h"

/* Public functions only: api/server.h. */

#endif
#endif
