/* telling.h - what a process is started with: environment, arguments, and the first line on its control socket. */
#ifndef PK__TELLING_H
#define PK__TELLING_H
#include "life.h"
#ifndef PLUGKIT_NO_PROCESS

/* Is there configuration that the host means for just this plugin, and the plugin does not know? PK_ERR_CONFIG. */
PK__FN pk_err pk__telling_check(const pk_launch *l, pk_error *err);
/* Fills l->info, all of it in l->mem, and *hello: "" for probes and for plugins of the Go framework. */
PK__FN pk_err pk__telling_prepare(pk_launch *l, pk_buf *hello, pk_error *err);
/* Removes the socket that it was told to make, should it not have done so itself. The process is no more. */
PK__FN void pk__telling_clean_up(const pk_launch *l);

#else
static inline void pk__telling_clean_up(const pk_launch *l)
{
    (void)l; // nothing was started
}
#endif
#endif
