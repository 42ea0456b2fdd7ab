/* surviving.h - plugins that go on when their host ends, and what the next host does with them.
 *
 * Of a plugin that is to survive there is a record in the host's keep directory (launch/keep.h), from before its start
 * to its end. The next host reads them when it starts. As soon as it knows a plugin of that id, it starts it by the
 * adopt launcher in the place of the usual one: to the keeper that is a start like any other, and a short one. If it
 * fails, the plugin is as stopped as one that never ran, and the next call starts it. Nothing waits for a record that
 * does not answer but calls to this one plugin. Records of plugins that are not there any more, or are not to survive
 * any more, are asked to end. */
#ifndef PK__SURVIVING_H
#define PK__SURVIVING_H
#include "life.h"
#ifdef PK__KEEP

PK__FN void pk__surviving_read(pk__life *life);   // what the last host left; once, when the manager is being started
PK__FN bool pk__surviving_adopt(pk__keeper *k);   // true: the plugin has been left running, and is being adopted
PK__FN void pk__surviving_sweep(pk__life *life);  // all plugins are known: what is left belongs to nobody
PK__FN uint32_t pk__surviving_serial(const pk__life *life, const char *id); // that instances of the last host had
/* Of a launch that is being prepared: sets l->stem if it is to survive, and can. */
PK__FN pk_err pk__surviving_prepare(pk_launch *l, pk_error *err);
PK__FN pk_err pk__surviving_record(const pk_launch *l, pk_error *err); // writes it
PK__FN void pk__surviving_up(pk_launch *l);       // it can be called: tells, or writes where
PK__FN void pk__surviving_clean_up(const pk_launch *l); // it has ended, or was never ours
PK__FN void pk__surviving_lost(pk__keeper *k, const pk_error *why); // it could not be adopted
PK__FN void pk__surviving_free(pk__kept *kept);

#else // nothing survives

static inline void pk__surviving_read(pk__life *life)
{
    (void)life;
}

static inline bool pk__surviving_adopt(pk__keeper *k)
{
    (void)k;
    return false;
}

static inline void pk__surviving_sweep(pk__life *life)
{
    (void)life;
}

static inline uint32_t pk__surviving_serial(const pk__life *life, const char *id)
{
    (void)life, (void)id;
    return 0;
}

static inline pk_err pk__surviving_prepare(pk_launch *l, pk_error *err)
{
    (void)l, (void)err;
    return PK_OK;
}

static inline pk_err pk__surviving_record(const pk_launch *l, pk_error *err)
{
    (void)l, (void)err;
    return PK_OK;
}

static inline void pk__surviving_up(pk_launch *l)
{
    (void)l;
}

static inline void pk__surviving_clean_up(const pk_launch *l)
{
    (void)l;
}

static inline void pk__surviving_lost(pk__keeper *k, const pk_error *why)
{
    (void)k, (void)why;
}

static inline void pk__surviving_free(pk__kept *kept)
{
    (void)kept;
}
#endif
#endif
