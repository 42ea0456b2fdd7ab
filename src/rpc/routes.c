/* routes.c - the table of routes. */
#include "routes.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../wire/http_head.h"

#include <string.h>

/* What RFC 9110 and 5789 define, but for TRACE and CONNECT, which have no business here. */
static const char *const pk__routes_verbs[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

static pk_err pk__routes_parse(pk__route *r, pk_error *err)
{
    pk_str match = pk_str_from(r->route.match);
    if (!r->route.run || !pk_str_cut(match, ' ', &r->verb, &r->path) || !pk__http_head_is_token(r->verb) ||
        r->path.len == 0 || r->path.ptr[0] != '/') {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot add route '%.*s': write \"GET /path\" and a handler",
                            (int)PK__MIN(match.len, (size_t)128), match.ptr);
    }
    r->is_star = r->path.len >= 2 && r->path.ptr[r->path.len - 1] == '*' && r->path.ptr[r->path.len - 2] == '/';
    r->path.len -= r->is_star;
    return PK_OK;
}

PK__FN pk_err pk__routes_add(pk__routes *r, const pk_route *route, pk_error *err)
{
    pk__route fresh;
    memset(&fresh, 0, sizeof(fresh));
    fresh.route = *route;
    pk_err rc = pk__routes_parse(&fresh, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < r->count; i++) {
        const pk__route *old = &r->items[i];
        if (old->is_star == fresh.is_star && pk_str_eq(old->verb, fresh.verb) && pk_str_eq(old->path, fresh.path)) {
            return pk_error_set(err, PK_ERR_DUPLICATE, "cannot add route '%.128s': it is there already", route->match);
        }
    }
    if (r->count == r->cap) {
        size_t cap = r->cap > 0 ? r->cap * 2 : 8;
        pk__route *items = (pk__route *)pk__resize(r->alloc, r->items, r->cap * sizeof(*items), cap * sizeof(*items));
        if (!items) {
            return pk__error_memory(err, "add a route");
        }
        r->items = items;
        r->cap = cap;
    }
    r->items[r->count++] = fresh;
    return PK_OK;
}

PK__FN void pk__routes_deinit(pk__routes *r)
{
    pk__free(r->alloc, r->items, r->cap * sizeof(*r->items));
    r->items = NULL;
    r->count = 0;
    r->cap = 0;
}

/* How well a route fits the path: 0 = not at all; literal paths beat stars, longer stars shorter ones. */
static size_t pk__routes_path_score(const pk__route *r, pk_str path)
{
    if (!r->is_star) {
        return pk_str_eq(r->path, path) ? SIZE_MAX / 4 : 0;
    }
    return pk_str_starts(path, r->path) ? r->path.len : 0; // at least 1, for "/"
}

/* How well it fits the verb: 3 = it names it, 2 = GET for HEAD, 1 = ANY, 0 = not at all. */
static size_t pk__routes_verb_score(const pk__route *r, pk_str verb)
{
    if (pk_str_eq(r->verb, verb)) {
        return 3;
    }
    if (pk_str_is(verb, "HEAD") && pk_str_is(r->verb, "GET")) {
        return 2;
    }
    return pk_str_is(r->verb, "ANY") ? 1 : 0;
}

static void pk__routes_allow_add(char *allow, size_t *at, pk_str verb)
{
    if (pk__http_head_has_token(pk_str_from(allow), verb) || *at + verb.len + 3 > PK__ROUTES_ALLOW_MAX) {
        return;
    }
    if (*at > 0) {
        memcpy(allow + *at, ", ", 2);
        *at += 2;
    }
    memcpy(allow + *at, verb.ptr, verb.len);
    *at += verb.len;
    allow[*at] = '\0';
}

static void pk__routes_allow(const pk__routes *r, pk_str path, char *allow)
{
    size_t at = 0;
    allow[0] = '\0';
    for (size_t i = 0; i < r->count; i++) {
        if (pk__routes_path_score(&r->items[i], path) > 0) {
            pk__routes_allow_add(allow, &at, r->items[i].verb);
            if (pk_str_is(r->items[i].verb, "GET")) {
                pk__routes_allow_add(allow, &at, pk_str_from("HEAD"));
            }
        }
    }
    if (at > 0) {
        pk__routes_allow_add(allow, &at, pk_str_from("OPTIONS"));
    }
}

PK__FN const pk__route *pk__routes_find(const pk__routes *r, pk_str verb, pk_str path, pk_str *rest, char *allow)
{
    const pk__route *best = NULL;
    size_t best_score = 0;
    for (size_t i = 0; i < r->count; i++) {
        size_t fits = pk__routes_path_score(&r->items[i], path);
        size_t score = fits > 0 ? pk__routes_verb_score(&r->items[i], verb) : 0;
        if (score > 0 && fits * 4 + score > best_score) {
            best = &r->items[i];
            best_score = fits * 4 + score;
        }
    }
    if (!best) {
        pk__routes_allow(r, path, allow);
        return NULL;
    }
    rest->ptr = path.ptr + path.len;
    rest->len = 0;
    if (best->is_star) {
        rest->ptr = path.ptr + best->path.len;
        rest->len = path.len - best->path.len;
    }
    return best;
}

PK__FN bool pk__routes_knows(const pk__routes *r, pk_str verb)
{
    for (size_t i = 0; i < PK__COUNT(pk__routes_verbs); i++) {
        if (pk_str_is(verb, pk__routes_verbs[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < r->count; i++) {
        if (pk_str_eq(r->items[i].verb, verb)) {
            return true;
        }
    }
    return false;
}
