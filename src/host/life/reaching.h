/* reaching.h - plugins that somebody else runs: found by name, tried at each address, asked what they offer.
 *
 * To start one means to reach it. Its host name is looked up (net/lookup.h), anew for each start; the addresses are
 * tried in the order that the system gives, each with its share of the time that is left, by a request on a channel to
 * just that number. The first that answers is the instance's as long as that lives. What it is asked is GET /healthz,
 * or GET /capabilities if nobody knows yet what it offers; any answer will do, as only who speaks can be called.
 *
 * If none answers, or the one that did goes away, the plugin is in backoff until it is tried again: 100 ms, twice that
 * and so on, for ever. It never counts as failed, for nobody here can mend it. A call that comes meanwhile is told why;
 * but once a second one of them is let through, as it were: it has the plugin tried at once, and is told what came of
 * that. */
#ifndef PK__REACHING_H
#define PK__REACHING_H
#include "life.h"

enum { PK__REACHING_FIRST_MS = 1000, PK__REACHING_RETRY_MS = 1000 };

PK__FN void pk__reaching_begin(pk_launch *l); // it has an address, and nothing more
#ifdef PLUGKIT_WITH_ATTACH
PK__FN bool pk__reaching_asks(const pk__life *life, const pk__plugin *p); // is it to be asked what it offers?
PK__FN uint32_t pk__reaching_share_ms(const pk_launch *l); // how long it may take to answer this time
PK__FN void pk__reaching_on_reply(pk_launch *l, const pk_reply *reply, const pk_error *err);
PK__FN void pk__reaching_end(pk_launch *l);

static inline bool pk__reaching_is_refused(const pk_launch *l)
{
    return l->is_refused;
}
#else // what a finder of the user's reports is there when a call reaches it
static inline bool pk__reaching_asks(const pk__life *life, const pk__plugin *p)
{
    (void)life, (void)p;
    return false;
}

static inline bool pk__reaching_is_refused(const pk_launch *l)
{
    (void)l;
    return false;
}

static inline uint32_t pk__reaching_share_ms(const pk_launch *l)
{
    return l->life->desc->deadline.start_ms;
}

static inline void pk__reaching_on_reply(pk_launch *l, const pk_reply *reply, const pk_error *err)
{
    (void)l, (void)reply, (void)err;
}

static inline void pk__reaching_end(pk_launch *l)
{
    (void)l;
}
#endif
#endif
