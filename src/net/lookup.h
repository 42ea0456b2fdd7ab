/* lookup.h - what addresses a host name stands for, without making the loop wait.
 *
 * The system's resolver (getaddrinfo) waits, sometimes for half a minute, and nothing can interrupt it. So a look-up
 * runs on a thread of its own, which ends with it. Who does not want to know any more takes the look-up back: then the
 * thread throws away what it finds, whenever that is, and nobody waits for it. That is why it touches nothing of the
 * loop's or the user's: its memory is the C library's.
 *
 *     pk__lookup_begin(&look, loop, "plugins.example", on_found, user, &err);     // loop's thread, as is all of it
 *     .. on_found(user, &names, NULL), or on_found(user, NULL, &why): once, never before _begin has returned
 *     pk__lookup_end(&look);                                                      // always; also before on_found
 *
 * With PLUGKIT_NO_THREADS there is nobody else to wait: _begin looks the name up itself, and the loop stands still
 * meanwhile. Numbers and "localhost" are never asked for anywhere. */
#ifndef PK__LOOKUP_H
#define PK__LOOKUP_H
#ifdef PLUGKIT_WITH_ATTACH
#include "../os/loop.h"
#include "address.h"

#define PK__LOOKUP_MAX 16
#define PK__LOOKUP_TEXT 64 // "fe80::1%4294967295" and the like, with the NUL

typedef struct pk__lookup_names {
    uint32_t count;
    char number[PK__LOOKUP_MAX][PK__LOOKUP_TEXT]; // in the order in which they are to be tried
} pk__lookup_names;

typedef void (*pk__lookup_on_found)(void *user, const pk__lookup_names *names, const pk_error *why);

typedef struct pk__lookup pk__lookup;

PK__FN bool pk__lookup_is_name(const char *host); // it is no number
PK__FN pk_err pk__lookup_begin(pk__lookup **out, pk_loop *loop, const char *host, pk__lookup_on_found on_found,
                               void *user, pk_error *err);
PK__FN void pk__lookup_end(pk__lookup **look); // NULL in it: does nothing

#endif
#endif
