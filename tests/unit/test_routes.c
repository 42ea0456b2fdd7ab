/* test_routes.c - which route answers: literal, parameter, star, verbs; what is refused; what is found among many. */
#include "unit.h"

static pk_err run_none(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)q, (void)a, (void)err;
    return PK_OK;
}

static pk_err add(pk__routes *r, const char *match, pk_error *err)
{
    const pk_route route = {match, 0, run_none, NULL};
    return pk__routes_add(r, &route, err);
}

static void add_all(pk__routes *r, const char *const *matches)
{
    memset(r, 0, sizeof(*r));
    r->alloc = test_alloc();
    for (; *matches; matches++) {
        REQUIRE_OK(add(r, *matches, NULL));
    }
}

/* "ROUTE" or "ROUTE *rest" for a star, "405 ALLOW" or "404". */
static const char *find(const pk__routes *r, const char *verb, const char *path)
{
    static char out[300];
    char allow[PK__ROUTES_ALLOW_MAX] = "old";
    pk_str rest;
    const pk__route *found = pk__routes_find(r, pk_str_from(verb), pk_str_from(path), &rest, allow);
    if (!found) {
        CHECK(rest.len == 0);
        snprintf(out, sizeof(out), allow[0] ? "405 %s" : "404", allow);
        return out;
    }
    CHECK_STR(allow, "");
    CHECK(rest.ptr + rest.len == path + strlen(path));
    bool is_star = strcmp(found->route.match + strlen(found->route.match) - 2, "/*") == 0;
    snprintf(out, sizeof(out), "%s%s%" PK_FMT, found->route.match, is_star ? " " : "", PK_ARG(rest));
    return out;
}

TEST(routes, prefer_what_says_more_from_left_to_right)
{
    static const char *const matches[] = {
        "GET /*",         "GET /{a}",           "GET /about",        "GET /users/{id}",  "GET /users/me",
        "GET /users/*",   "ANY /users/{id}/*",  "POST /users/{who}", "GET /{a}/{b}",     "GET /{a}/me",
        "GET /x/{y}/z",   "GET /x/{other}/{w}", "DELETE /x/{y}/z",   "ANY /x/y/*",       "GET /files/",
        "GET /a/{b}/c/d", "GET /a/b/{c}/e",     "GET /\xc3\xa4/{n}", "PUT /users/me",    NULL,
    };
    static const struct {
        const char *verb, *path, *found;
    } rows[] = {
        {"GET", "/", "GET /* "},
        {"GET", "/about", "GET /about"},
        {"HEAD", "/about", "GET /about"},
        {"GET", "/abou", "GET /{a}"},
        {"GET", "/about/", "GET /* about/"}, // a parameter is never empty
        {"GET", "/users", "GET /{a}"},
        {"GET", "/users/", "GET /users/* "},
        {"GET", "/users/me", "GET /users/me"},
        {"GET", "/users/7", "GET /users/{id}"},
        {"GET", "/users/7/", "ANY /users/{id}/* "},
        {"GET", "/users/7/posts/1", "ANY /users/{id}/* posts/1"},
        {"BREW", "/users/7/x", "ANY /users/{id}/* x"},
        {"POST", "/users/7", "POST /users/{who}"},
        {"POST", "/users/me", "POST /users/{who}"}, // /users/me has no POST: as if it were not there
        {"PUT", "/users/me", "PUT /users/me"},
        {"PUT", "/users/7", "405 GET, HEAD, POST, OPTIONS"},
        {"PUT", "/nothing", "405 GET, HEAD, OPTIONS"},
        {"GET", "/you/me", "GET /{a}/me"},
        {"GET", "/you/too", "GET /{a}/{b}"},
        {"GET", "/x/y/z", "ANY /x/y/* z"}, // y is literal, and further to the left
        {"GET", "/x/1/z", "GET /x/{y}/z"},
        {"GET", "/x/1/w", "GET /x/{other}/{w}"},
        {"DELETE", "/x/1/z", "DELETE /x/{y}/z"},
        {"DELETE", "/x/1/w", "405 GET, HEAD, OPTIONS"},
        {"GET", "/files/", "GET /files/"},
        {"GET", "/a/b/c/d", "GET /a/{b}/c/d"}, // /a/b/{c}/e does not fit to its end
        {"GET", "/a/b/c/e", "GET /a/b/{c}/e"},
        {"GET", "/a/b/c/f", "GET /* a/b/c/f"},
        {"GET", "/\xc3\xa4/\xc3\xb6", "GET /\xc3\xa4/{n}"},
    };
    pk__routes r;
    add_all(&r, matches);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s %s", rows[i].verb, rows[i].path)
        {
            CHECK_STR(find(&r, rows[i].verb, rows[i].path), rows[i].found);
        }
    }
    pk__routes_deinit(&r);
}

TEST(routes, prefer_a_verb_to_any_and_get_to_any_for_head)
{
    static const char *const matches[] = {"ANY /a", "GET /a", "ANY /b", "HEAD /a", "GET /c/{x}", "ANY /c/{y}", NULL};
    pk__routes r;
    add_all(&r, matches);
    CHECK_STR(find(&r, "GET", "/a"), "GET /a");
    CHECK_STR(find(&r, "HEAD", "/a"), "HEAD /a");
    CHECK_STR(find(&r, "POST", "/a"), "ANY /a");
    CHECK_STR(find(&r, "OPTIONS", "/a"), "ANY /a");
    CHECK_STR(find(&r, "HEAD", "/b"), "ANY /b");
    CHECK_STR(find(&r, "HEAD", "/c/1"), "GET /c/{x}");
    CHECK_STR(find(&r, "PUT", "/c/1"), "ANY /c/{y}");
    CHECK_STR(find(&r, "PUT", "/d"), "404");
    CHECK(pk__routes_knows(&r, PK_STR("PATCH")) && pk__routes_knows(&r, PK_STR("ANY")));
    CHECK(!pk__routes_knows(&r, PK_STR("get")) && !pk__routes_knows(&r, PK_STR("")) &&
          !pk__routes_knows(&r, PK_STR("TRACE")));
    pk__routes_deinit(&r);
}

TEST(routes, of_none_there_is_nothing)
{
    pk__routes r;
    static const char *const matches[] = {NULL};
    add_all(&r, matches);
    CHECK_STR(find(&r, "GET", "/"), "404");
    pk__routes_deinit(&r);
}

TEST(routes, refuse_what_is_no_route_or_there_already)
{
    static const char *const matches[] = {"GET /a", "GET /u/{id}", "GET /u/{id}/*", "GET /*", NULL};
    static const char *const malformed[] = {
        "",            "GET",        "/a",          "GET a",       "GET  /a",       "G(T /a",      "GET /{",
        "GET /}",      "GET /{}",    "GET /{a",     "GET /a}",     "GET /x{a}",     "GET /{a}x",   "GET /{a{b}}",
        "GET /{a}{b}", "GET /{a/b}", "GET /{a}/{b", "GET /a/{b}c", "GET /a/b}",     "GET {a}",     "GET /{a}}",
    };
    static const char *const twice[] = {"GET /a", "GET /u/{name}", "GET /u/{x}/*", "GET /*"};
    static const char *const fine[] = {"POST /a",  "ANY /u/{name}", "GET /u/{x}/{y}",
                                       "GET /u/*", "GET /a*",       "GET /b/*c"};
    pk__routes r;
    add_all(&r, matches);
    for (size_t i = 0; i < PK__COUNT(malformed); i++) {
        CASE("%s", malformed[i])
        {
            pk_error err = {0};
            CHECK_ERR(add(&r, malformed[i], &err), PK_ERR_MISUSE);
            CHECK_CONTAINS(err.msg, "cannot add route '");
        }
    }
    for (size_t i = 0; i < PK__COUNT(twice); i++) {
        CASE("%s", twice[i])
        {
            CHECK_ERR(add(&r, twice[i], NULL), PK_ERR_DUPLICATE);
        }
    }
    for (size_t i = 0; i < PK__COUNT(fine); i++) {
        CHECK_OK(add(&r, fine[i], NULL));
    }
    CHECK_STR(find(&r, "GET", "/a*"), "GET /a*"); // a star like any other character
    CHECK_STR(find(&r, "GET", "/b/*c"), "GET /b/*c");
    CHECK_UINT(r.count, ==, 10);
    const pk_route none = {"GET /z", 0, NULL, NULL};
    CHECK_ERR(pk__routes_add(&r, &none, NULL), PK_ERR_MISUSE);
    pk__routes_deinit(&r);
}

TEST(routes, tell_what_parameters_stand_for)
{
    static const struct {
        const char *route, *path, *name, *value;
    } rows[] = {
        {"GET /users/{id}", "/users/7", "id", "7"},
        {"GET /users/{id}/posts/{post}", "/users/a b/posts/\xc3\xa4", "id", "a b"},
        {"GET /users/{id}/posts/{post}", "/users/a b/posts/\xc3\xa4", "post", "\xc3\xa4"},
        {"GET /users/{id}/posts/{post}", "/users/1/posts/2", "i", ""},
        {"GET /users/{id}/posts/{post}", "/users/1/posts/2", "users", ""},
        {"GET /users/{id}/posts/{post}", "/users/1/posts/2", "", ""},
        {"ANY /{a}/{b}/*", "/x/y/z/1", "b", "y"},
        {"ANY /{a}/{a}", "/x/y", "a", "x"}, // the first of two
        {"ANY /files/*", "/files/{a}", "a", ""},
        {"GET /{a}/end", "/{b}/end", "a", "{b}"},
        {NULL, "/x", "a", ""},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s of %s", rows[i].name, rows[i].route ? rows[i].route : "no route")
        {
            pk_request q;
            memset(&q, 0, sizeof(q));
            q.route = rows[i].route;
            q.path = pk_str_from(rows[i].path);
            CHECK_PK_STR(pk_request_param(&q, rows[i].name), rows[i].value);
        }
    }
}

/* ---- among many: against a search that does nothing clever */

static uint32_t seed = 2463534242u;

static uint32_t next(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static const char *const words[] = {"a", "b", "ab", "c-d", "x.y", "z"};

static void make_route(char *out, size_t cap)
{
    static const char *const verbs[] = {"GET", "POST", "ANY"};
    size_t at = (size_t)snprintf(out, cap, "%s ", verbs[next(3)]);
    uint32_t depth = 1 + next(4);
    for (uint32_t i = 0; i < depth; i++) {
        uint32_t kind = next(5);
        if (kind == 0 && i + 1 == depth) {
            at += (size_t)snprintf(out + at, cap - at, "/*");
        } else if (kind <= 1) {
            at += (size_t)snprintf(out + at, cap - at, "/{p%u}", (unsigned)next(3));
        } else {
            at += (size_t)snprintf(out + at, cap - at, "/%s", words[next(PK__COUNT(words))]);
        }
    }
    if (next(6) == 0 && out[at - 1] != '*') {
        snprintf(out + at, cap - at, "/");
    }
}

/* One letter for each segment: how well it fits, the best first in the alphabet. False: it does not. */
static bool rank(const char *route, const char *path, char *out)
{
    while (*route && *path) {
        size_t n = strcspn(route + 1, "/"), m = strcspn(path + 1, "/");
        if (n == 1 && route[1] == '*' && route[2] == '\0') {
            strcpy(out, "s");
            return true;
        }
        if (n > 1 && route[1] == '{') {
            *out++ = 'p';
            if (m == 0) {
                return false;
            }
        } else if (n == m && memcmp(route + 1, path + 1, n) == 0) {
            *out++ = 'l';
        } else {
            return false;
        }
        route += n + 1;
        path += m + 1;
    }
    *out = '\0';
    return !*route && !*path;
}

static const char *find_slowly(const pk__routes *r, const char *verb, const char *path)
{
    const char *best = NULL;
    char best_rank[16] = "";
    for (size_t i = 0; i < r->count; i++) {
        const char *match = r->items[i].route.match, *of_path = strchr(match, ' ') + 1;
        size_t len = strlen(verb);
        char how[16];
        bool is_verb = strncmp(match, verb, len) == 0 && match[len] == ' ';
        bool is_get = strcmp(verb, "HEAD") == 0 && strncmp(match, "GET ", 4) == 0;
        if (!rank(of_path, path, how) || (!is_verb && !is_get && strncmp(match, "ANY ", 4) != 0)) {
            continue;
        }
        strcat(how, is_verb || is_get ? "1" : "2");
        if (!best || strcmp(how, best_rank) < 0) {
            best = match;
            strcpy(best_rank, how);
        }
    }
    return best;
}

TEST(routes, find_among_many_what_a_slow_search_finds)
{
    for (int round = 0; round < 300; round++) {
        static char texts[60][64];
        pk__routes r;
        memset(&r, 0, sizeof(r));
        r.alloc = test_alloc();
        size_t count = 1 + next(PK__COUNT(texts));
        for (size_t i = 0; i < count; i++) {
            make_route(texts[i], sizeof(texts[i]));
            (void)add(&r, texts[i], NULL); // some are there already
        }
        for (int i = 0; i < 200; i++) {
            static const char *const verbs[] = {"GET", "HEAD", "POST", "PUT"};
            char path[64] = "", allow[PK__ROUTES_ALLOW_MAX];
            pk_str rest;
            size_t at = 0;
            for (uint32_t depth = 1 + next(4); depth > 0; depth--) {
                const char *word = next(7) ? words[next(PK__COUNT(words))] : "q";
                at += (size_t)snprintf(path + at, sizeof(path) - at, "/%s", word);
            }
            snprintf(path + at, sizeof(path) - at, "%s", next(6) ? "" : "/");
            const char *verb = verbs[next(4)], *want = find_slowly(&r, verb, path);
            const pk__route *got = pk__routes_find(&r, pk_str_from(verb), pk_str_from(path), &rest, allow);
            if ((got ? got->route.match : NULL) != want) {
                CASE("%s %s", verb, path)
                {
                    CHECK_STR(got ? got->route.match : "none", want ? want : "none");
                }
            }
        }
        pk__routes_deinit(&r);
    }
}

TEST_TORTURE(routes, are_added)
{
    static const char *const matches[] = {"GET /a", "GET /{b}", "GET /c", "GET /d", "GET /e", "GET /f",
                                          "GET /g", "GET /h",   "GET /i", "GET /*"};
    pk__routes r;
    memset(&r, 0, sizeof(r));
    r.alloc = test_alloc();
    for (size_t i = 0; i < PK__COUNT(matches); i++) {
        if (!TRY_OK(add(&r, matches[i], NULL))) {
            break;
        }
        CHECK_STR(find(&r, "GET", "/a"), "GET /a");
    }
    pk__routes_deinit(&r);
}
