/* securing.h - mutual TLS with the plugins that are started here: certificates for both sides, and new ones in time.
 *
 * The manager's authority (net/authority.h) makes one certificate for the host and one for each instance. An instance
 * gets its own, and the key, on its control socket, in the line that starts or adopts it: nothing of it is in argv, in
 * the environment or in a file, and what is written here is wiped when it is sent. The host calls it by a pk_tls that
 * believes this authority alone, and wants the instance's URI in the certificate; the plugin wants the host's.
 *
 * Half of a certificate's life later the next one is issued: a plugin is told by another line, and takes it for new
 * connections; those that are open go on. The host's own is exchanged in the same way.
 *
 * Without PLUGKIT_WITH_TLS all of this is nothing. */
#ifndef PK__SECURING_H
#define PK__SECURING_H
#include "life.h"

#ifdef PLUGKIT_WITH_TLS
PK__FN pk_err pk__securing_open(pk__life *life, pk_error *err); // does nothing unless it is wanted
/* Out of life, for its end: the offers' server has it longer. Then, NULL does nothing: */
PK__FN pk__securing *pk__securing_take(pk__life *life);
PK__FN void pk__securing_close(pk__securing *s);
PK__FN pk_tls *pk__securing_tls(const pk__life *life);           // of all plugins, both ends; NULL = not wanted of all
PK__FN pk_err pk__securing_prepare(pk_launch *l, pk_error *err); // decides, and makes the certificate
PK__FN bool pk__securing_is_on(const pk_launch *l);
PK__FN void pk__securing_tell(const pk_launch *l, pk__control_start *start);
PK__FN pk_err pk__securing_adopt(const pk_launch *l, pk_buf *out, pk_error *err); // the line
PK__FN void pk__securing_told(pk_launch *l, pk_buf *sent);       // wipes it all
PK__FN pk_err pk__securing_check(const pk_launch *l, pk_str address, pk_error *err); // is that where TLS is spoken?
PK__FN void pk__securing_up(pk_launch *l);
PK__FN void pk__securing_end(pk_launch *l);
#else
static inline pk_err pk__securing_open(pk__life *life, pk_error *err)
{
    (void)life, (void)err;
    return PK_OK;
}

static inline pk__securing *pk__securing_take(pk__life *life)
{
    (void)life;
    return NULL;
}

static inline void pk__securing_close(pk__securing *s)
{
    (void)s;
}

static inline pk_tls *pk__securing_tls(const pk__life *life)
{
    (void)life;
    return NULL;
}

static inline pk_err pk__securing_prepare(pk_launch *l, pk_error *err)
{
    (void)l, (void)err;
    return PK_OK;
}

static inline bool pk__securing_is_on(const pk_launch *l)
{
    (void)l;
    return false;
}

static inline void pk__securing_tell(const pk_launch *l, pk__control_start *start)
{
    (void)l, (void)start;
}

static inline pk_err pk__securing_adopt(const pk_launch *l, pk_buf *out, pk_error *err)
{
    (void)l, (void)out, (void)err;
    return PK_OK;
}

static inline void pk__securing_told(pk_launch *l, pk_buf *sent)
{
    (void)l, (void)sent;
}

static inline pk_err pk__securing_check(const pk_launch *l, pk_str address, pk_error *err)
{
    (void)l, (void)address, (void)err;
    return PK_OK;
}

static inline void pk__securing_up(pk_launch *l)
{
    (void)l;
}

static inline void pk__securing_end(pk_launch *l)
{
    (void)l;
}
#endif
#endif
