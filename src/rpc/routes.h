/* routes.h - which handler answers a method and a path.
 *
 * A route is "VERB /path", with ANY for every verb, and may end in "/" + "*" for everything below. The path is compared
 * as it is after decoding (wire/url.h). A literal path wins over a star, a longer star over a shorter one, and a verb
 * over ANY. GET answers HEAD too. A path that exists for other verbs only gives the list for `Allow`. */
#ifndef PK__ROUTES_H
#define PK__ROUTES_H
#include "../base/defs.h"

#define PK__ROUTES_ALLOW_MAX 128

typedef struct pk__route {
    pk_route route;
    pk_str verb, path; // views into route.match; path without the star
    bool is_star;
} pk__route;

typedef struct pk__routes {
    const pk_alloc *alloc;
    pk__route *items;
    size_t count, cap;
} pk__routes;

/* Errors: PK_ERR_MISUSE (the form), PK_ERR_DUPLICATE, PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__routes_add(pk__routes *r, const pk_route *route, pk_error *err);
PK__FN void pk__routes_deinit(pk__routes *r);
/* *rest: what stands for the star. NULL: allow[] is then "" (no such path) or the verbs that it has. Verbs are
 * written with room for PK__ROUTES_ALLOW_MAX bytes. */
PK__FN const pk__route *pk__routes_find(const pk__routes *r, pk_str verb, pk_str path, pk_str *rest, char *allow);
PK__FN bool pk__routes_knows(const pk__routes *r, pk_str verb); // some route or the standard has this verb

#endif
