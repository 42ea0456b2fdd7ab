/* reattach.h - the finder of plugins that were started by hand: PLUGKIT_REATTACH.
 *
 *     PLUGKIT_REATTACH='{"shout":{"address":"http+unix:///tmp/shout.sock","capabilities":{..}}}'
 *
 * A plugin that is started with --listen prints such a line; a host with it in its environment (or with that text in
 * pk_manager_desc.reattach) uses these plugins where they run, in the place of those of the same names in its plugin
 * directory. They are never started, signalled or asked to end: that is what the debugger is for. This finder comes
 * before all others, so that the names are its own. */
#ifndef PK__REATTACH_H
#define PK__REATTACH_H
#include "attach.h"
#if defined(PLUGKIT_WITH_ATTACH) && !defined(PLUGKIT_NO_FILES)

typedef struct pk__reattach {
    const pk_alloc *alloc;
    const char *text, *from; // both borrowed; `from` is named in errors
} pk__reattach;

PK__FN pk_finder pk__reattach_finder(pk__reattach *r, const pk_alloc *alloc, const char *text, const char *from);

#endif
#endif
