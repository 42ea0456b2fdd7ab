/* routes.h - which handler answers a method and a path.
 *
 * A route is "VERB /path", with ANY for every verb. A segment "{name}" stands for one segment, whatever it is; a path
 * may end in "/" + "*" for everything below. The path is compared as it is after decoding (wire/url.h). Where several
 * routes fit, they are compared segment by segment from the left: a literal one wins over a parameter, that over a
 * star; of the same path a verb wins over ANY. GET answers HEAD too. A route that does not have the verb is as good as
 * absent, so that "POST /{x}" answers beside "GET /about". A path that exists for other verbs only gives the list for
 * `Allow`.
 *
 * The table is kept in the order in which routes win. Literal paths come first, sorted, and are found by halving,
 * however many there are; patterns are tried one after the other, which costs as much as comparing how they begin.
 * What a parameter stands for is not kept: pk_request_param reads it off route and path when it is asked. */
#ifndef PK__ROUTES_H
#define PK__ROUTES_H
#include "../base/defs.h"

#define PK__ROUTES_ALLOW_MAX 128

/* What RFC 9110 and 5789 define, but for TRACE and CONNECT, which have no business here. */
static const char pk__routes_standard[] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

typedef struct pk__route {
    pk_route route;
    pk_str verb, path; // views into route.match
    size_t plain;      // bytes of the path before its first parameter or star; all, if there is none
} pk__route;

typedef struct pk__routes {
    const pk_alloc *alloc;
    pk__route *items;
    size_t count, cap;
    size_t literals; // of them
} pk__routes;

/* Errors: PK_ERR_MISUSE (the form), PK_ERR_DUPLICATE (also if only names of parameters differ), PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__routes_add(pk__routes *r, const pk_route *route, pk_error *err);
PK__FN void pk__routes_deinit(pk__routes *r);
/* *rest: what stands for the star. NULL: allow[] is then "" (no such path) or the verbs that it has. Verbs are
 * written with room for PK__ROUTES_ALLOW_MAX bytes. */
PK__FN const pk__route *pk__routes_find(const pk__routes *r, pk_str verb, pk_str path, pk_str *rest, char *allow);
PK__FN bool pk__routes_knows(const pk__routes *r, pk_str verb); // some route or the standard has this verb

#endif
