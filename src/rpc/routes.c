/* routes.c - the table of routes. */
#include "routes.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../wire/http_head.h"

#include <string.h>

enum { PK__ROUTES_PARAM = 0x200, PK__ROUTES_STAR }; // behind all bytes

/* The next sign of a route's path: a byte and one, a parameter, a star; 0 at the end. */
static unsigned pk__routes_sign(pk_str path, size_t *at)
{
    size_t i = *at;
    if (i == path.len) {
        return 0;
    }
    bool begins = i > 0 && path.ptr[i - 1] == '/';
    *at = i + 1;
    if (begins && path.ptr[i] == '*' && i + 1 == path.len) {
        return PK__ROUTES_STAR;
    }
    if (begins && path.ptr[i] == '{') {
        while (path.ptr[i] != '}') { // it is there: see parse
            i++;
        }
        *at = i + 1;
        return PK__ROUTES_PARAM;
    }
    return (unsigned char)path.ptr[i] + 1u;
}

/* ---- adding */

/* It begins with a slash, and braces stand around whole segments only. */
static bool pk__routes_is_path(pk_str path)
{
    char last = 0;
    bool open = false;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if ((c == '{' && last != '/') || (open && c == '/') || (last == '}' && c != '/') ||
            (c == '}' && (!open || last == '{'))) {
            return false;
        }
        open = c == '{' || (open && c != '}');
        last = c;
    }
    return path.len > 0 && path.ptr[0] == '/' && !open;
}

static bool pk__routes_is_literal(const pk__route *r)
{
    return r->plain == r->path.len;
}

/* Which of two wins, where both fit: less than 0 = the first. 1 and -1: only their verbs differ. */
static int pk__routes_order(const pk__route *a, const pk__route *b)
{
    pk_str x = a->path, y = b->path;
    if (pk__routes_is_literal(a) != pk__routes_is_literal(b)) {
        return pk__routes_is_literal(a) ? -2 : 2;
    }
    for (int differ = 2; differ > 0; differ--) {
        unsigned left, right;
        size_t i = 0, j = 0;
        do {
            left = pk__routes_sign(x, &i);
            right = pk__routes_sign(y, &j);
            if (left != right) {
                return left < right ? -differ : differ;
            }
        } while (left);
        x = a->verb;
        y = b->verb;
    }
    return 0;
}

PK__FN pk_err pk__routes_add(pk__routes *r, const pk_route *route, pk_error *err)
{
    pk__route fresh;
    memset(&fresh, 0, sizeof(fresh));
    fresh.route = *route;
    pk_str match = pk_str_from(route->match);
    if (!route->run || !pk_str_cut(match, ' ', &fresh.verb, &fresh.path) || !pk__http_head_is_token(fresh.verb) ||
        !pk__routes_is_path(fresh.path)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot add route '%.128s': write \"GET /path/{name}\" and a handler",
                            match.ptr);
    }
    for (size_t i = 0; i < fresh.path.len && pk__routes_sign(fresh.path, &i) < PK__ROUTES_PARAM;) {
        fresh.plain = i;
    }
    size_t at = r->count;
    int order = 1;
    while (at > 0 && (order = pk__routes_order(&r->items[at - 1], &fresh)) > 0) {
        at--;
    }
    if (order == 0) {
        return pk_error_set(err, PK_ERR_DUPLICATE, "cannot add route '%.128s': it is there already", match.ptr);
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
    memmove(r->items + at + 1, r->items + at, (r->count++ - at) * sizeof(*r->items));
    r->items[at] = fresh;
    r->literals += pk__routes_is_literal(&fresh);
    return PK_OK;
}

PK__FN void pk__routes_deinit(pk__routes *r)
{
    pk__free(r->alloc, r->items, r->cap * sizeof(*r->items));
    r->items = NULL;
    r->count = 0;
    r->cap = 0;
    r->literals = 0;
}

/* ---- finding */

static size_t pk__routes_segment_end(pk_str path, size_t at)
{
    while (at < path.len && path.ptr[at] != '/') {
        at++;
    }
    return at;
}

/* *rest: what the star stands for; "" without one. */
static bool pk__routes_fits(const pk__route *r, pk_str path, size_t *rest)
{
    size_t at = r->plain;
    if (path.len < at || memcmp(path.ptr, r->path.ptr, at) != 0) {
        return false;
    }
    for (size_t i = at; i < r->path.len;) {
        unsigned sign = pk__routes_sign(r->path, &i);
        if (sign == PK__ROUTES_STAR) {
            *rest = at;
            return true;
        }
        size_t begin = at;
        if (sign == PK__ROUTES_PARAM) {
            at = pk__routes_segment_end(path, at);
        } else {
            at += at < path.len && (unsigned char)path.ptr[at] + 1u == sign;
        }
        if (at == begin) {
            return false;
        }
    }
    *rest = at;
    return at == path.len;
}

/* The first of the literal routes that is not before the path. */
static size_t pk__routes_seek(const pk__routes *r, pk_str path)
{
    size_t begin = 0, end = r->literals;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        pk_str other = r->items[middle].path;
        int order = path.len > 0 ? memcmp(other.ptr, path.ptr, PK__MIN(other.len, path.len)) : 1; // none is no place
        if (order < 0 || (order == 0 && other.len < path.len)) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

static void pk__routes_allow(char *allow, pk_str verb)
{
    size_t at = strlen(allow);
    if (pk__http_head_has_token(pk_str_from(allow), verb) || at + verb.len + 3 > PK__ROUTES_ALLOW_MAX) {
        return;
    }
    if (at > 0) {
        allow[at++] = ',';
        allow[at++] = ' ';
    }
    memcpy(allow + at, verb.ptr, verb.len);
    allow[at + verb.len] = '\0';
    if (pk_str_is(verb, "GET")) {
        pk__routes_allow(allow, pk_str_from("HEAD"));
    }
}

/* How well it fits the verb: 3 = it names it, 2 = GET for HEAD, 1 = ANY, 0 = not at all. */
static int pk__routes_score(pk_str has, pk_str verb)
{
    if (pk_str_eq(has, verb)) {
        return 3;
    }
    return pk_str_is(has, "GET") && pk_str_is(verb, "HEAD") ? 2 : pk_str_is(has, "ANY");
}

PK__FN const pk__route *pk__routes_find(const pk__routes *r, pk_str verb, pk_str path, pk_str *rest, char *allow)
{
    const pk__route *best = NULL;
    size_t star = 0, best_star = path.len;
    int best_score = 0;
    allow[0] = '\0';
    for (size_t i = pk__routes_seek(r, path); i < r->count && best_score < 3; i++) {
        const pk__route *at = &r->items[i];
        if (best && pk__routes_order(best, at) < -1) {
            break; // whatever fits from here on is worse
        }
        if (!pk__routes_fits(at, path, &star)) {
            i = pk__routes_is_literal(at) ? r->literals - 1 : i; // no other literal one does
            continue;
        }
        int score = pk__routes_score(at->verb, verb);
        if (score > best_score) {
            best = at;
            best_score = score;
            best_star = star;
        } else if (score == 0) {
            pk__routes_allow(allow, at->verb);
        }
    }
    if (best) {
        allow[0] = '\0';
    } else if (allow[0]) {
        pk__routes_allow(allow, pk_str_from("OPTIONS"));
    }
    rest->ptr = path.ptr + best_star;
    rest->len = path.len - best_star;
    return best;
}

PK__FN bool pk__routes_knows(const pk__routes *r, pk_str verb)
{
    for (pk_str list = pk_str_from(pk__routes_standard), one; pk__http_head_next(&list, &one);) {
        if (pk_str_eq(one, verb)) {
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

#ifndef PLUGKIT_NO_NET
PK_API pk_str pk_request_param(const pk_request *request, const char *name)
{
    pk_str route = pk_str_from(request->route), path = request->path, value = {"", 0};
    size_t at = 0, i = 0;
    while (i < route.len && route.ptr[i++] != ' ') {
    }
    while (i < route.len) {
        size_t sign_at = i, begin = at;
        if (pk__routes_sign(route, &i) != PK__ROUTES_PARAM) {
            at++;
            continue;
        }
        at = pk__routes_segment_end(path, at);
        pk_str is = {route.ptr + sign_at + 1, i - sign_at - 2};
        if (pk_str_is(is, name)) {
            value.ptr = path.ptr + begin;
            value.len = at - begin;
            break;
        }
    }
    return value;
}
#endif
