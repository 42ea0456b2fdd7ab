/* attach.h - the finder of plugins that somebody else runs: a debugger, a service manager, a container.
 *
 * In the drop-in directory `dir` there is for each of them
 *
 *     ID.sock     a Unix socket on which it answers HTTP
 *     ID.json     {"address":"http://127.0.0.1:8080","token":"..","dialect":"plugkit/1","capabilities":{..}}; all of it
 *                 may be left out, the address if ID.sock is there
 *
 * or both. The directory is looked at once a second. When the files go, the plugin goes. Whoever may write to the
 * directory decides what is called, so it must be ours or root's, and nobody else's to write to.
 *
 * Such a plugin is never started, signalled or asked to end. What it offers, if the file does not say, it is asked by
 * *life* (reaching.h). All of it happens on the loop's thread. */
#ifndef PK__ATTACH_H
#define PK__ATTACH_H
#include "../../base/list.h"
#include "../../os/atomic.h"
#include "sink.h"
#if defined(PLUGKIT_WITH_ATTACH) && !defined(PLUGKIT_NO_FILES)

/* Where a plugin is, as JSON says it: in ID.json, and in PLUGKIT_REATTACH. */
#define PK__ATTACH_ENTRY(F, T)                                                                                \
    F(T, OPT, pk_str, address, "address")                                                                     \
    F(T, OPT, pk_str, token, "token")                                                                         \
    F(T, OPT, pk_str, dialect, "dialect")                                                                     \
    F(T, OPT, pk_json, capabilities, "capabilities")
PK_STRUCT(pk__attach_entry, PK__ATTACH_ENTRY)

/* Caller's memory; alive as long as the finder is used. Zeroed = unused. */
typedef struct pk__attach {
    const pk_alloc *alloc; // NULL = it has not begun
    const char *dir;       // borrowed
    pk_sink *sink;
    pk_loop *loop;
    pk_task begin;
    pk_timer timer;
    pk__node items;
    pk__atomic_u32 stopped;
} pk__attach;

PK__FN pk_finder pk__attach_finder(pk__attach *a, const pk_alloc *alloc, const char *dir);
PK__FN void pk__attach_deinit(pk__attach *a); // the loop is not stepped any more. Zeroed: does nothing

/* What is wrong with a text that may hold a token, without quoting it; NULL: it is JSON, and no key stands there
 * twice. */
PK__FN const char *pk__attach_flaw(pk_mem *mem, pk_str text);
/* Is it an address that can be called, and fit for a header? `what` is named in errors: PK_ERR_CONFIG. */
PK__FN pk_err pk__attach_check(const pk__attach_entry *e, const char *what, pk_error *err);
/* Reports one plugin that somebody else runs. */
PK__FN pk_err pk__attach_found(pk_sink *sink, const char *id, const pk__attach_entry *e, pk_error *err);

#endif
#endif
