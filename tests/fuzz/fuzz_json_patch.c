/* fuzz_json_patch.c - JSON Patch and Merge Patch: the first line is a document, the rest a patch. What comes of it is
 * what a plain model says that writes the whole document anew for each operation; both agree about what is refused. */
#define PLUGKIT_WITH_JSON_TOOLS
#define PLUGKIT_JSON_PATCH_BYTES ((size_t)1 << 24)
#include "fuzz.h"

enum { MOST_BYTES = 3000, MOST_OPERATIONS = 40, MOST_TEXT = 1 << 13 };

/* ---- values: of duplicates the last one counts */

static const pk_json_value *member(const pk_json_value *v, pk_str key)
{
    const pk_json_value *found = NULL;
    v = pk_json_type_of(v) == PK_JSON_OBJECT ? v : NULL;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        found = pk_str_eq(pk_json_key(m), key) ? m : found;
    }
    return found;
}

static bool counts(const pk_json_value *v, const pk_json_value *m)
{
    return pk_json_type_of(v) != PK_JSON_OBJECT || member(v, pk_json_key(m)) == m;
}

static bool covers(const pk_json_value *a, const pk_json_value *b);

static bool equal(const pk_json_value *a, const pk_json_value *b)
{
    pk_json_type type = pk_json_type_of(a);
    if (type != pk_json_type_of(b)) {
        return false;
    }
    if (type == PK_JSON_NUMBER) {
        pk__decimal x = pk__decimal_from(pk_json_number_text(a)), y = pk__decimal_from(pk_json_number_text(b));
        return pk__decimal_compare(&x, &y) == 0;
    }
    if (type == PK_JSON_OBJECT) {
        return covers(a, b) && covers(b, a);
    }
    if (type != PK_JSON_ARRAY) {
        return pk_str_eq(pk_json_str(a), pk_json_str(b)) && pk_json_bool(a, true) == pk_json_bool(b, true);
    }
    const pk_json_value *n = pk_json_first(b);
    for (const pk_json_value *m = pk_json_first(a); m; m = pk_json_next(a, m), n = pk_json_next(b, n)) {
        if (!n || !equal(m, n)) {
            return false;
        }
    }
    return n == NULL;
}

static bool covers(const pk_json_value *a, const pk_json_value *b)
{
    for (const pk_json_value *m = pk_json_first(b); m; m = pk_json_next(b, m)) {
        const pk_json_value *n = counts(b, m) ? member(a, pk_json_key(m)) : NULL;
        if (counts(b, m) && (!n || !equal(n, m))) {
            return false;
        }
    }
    return true;
}

static void put(pk_json_writer *w, const pk_json_value *v)
{
    pk_json_type type = pk_json_type_of(v);
    if (type == PK_JSON_NUMBER) {
        pk_json_put_raw(w, pk_json_number_text(v)); // exactly
        return;
    }
    if (type != PK_JSON_ARRAY && type != PK_JSON_OBJECT) {
        pk_json_put_value(w, v);
        return;
    }
    type == PK_JSON_OBJECT ? pk_json_put_object(w) : pk_json_put_array(w);
    for (const pk_json_value *m = pk_json_first(v); m && !w->failed; m = pk_json_next(v, m)) {
        if (counts(v, m)) {
            if (type == PK_JSON_OBJECT) {
                pk_json_put_key_str(w, pk_json_key(m));
            }
            put(w, m);
        }
    }
    pk_json_put_end(w);
}

/* ---- the model of JSON Patch */

typedef enum how { ADD, REMOVE, REPLACE } how;

typedef struct model {
    pk_mem mem;
    const pk_json_value *doc;
    bool too_much; // it cannot tell
} model;

static bool change(pk_json_writer *w, const pk_json_value *v, pk_str pointer, how how, const pk_json_value *value);

/* `rest` is what follows the token; v has the member or item for it unless `there` is NULL. */
static bool change_object(pk_json_writer *w, const pk_json_value *v, pk_str token, pk_str rest, how how,
                          const pk_json_value *value)
{
    const pk_json_value *there = member(v, token);
    bool done = true, adds = rest.len == 0 && how == ADD;
    pk_json_put_object(w);
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        if (!counts(v, m) || (m == there && (adds || (rest.len == 0 && how == REMOVE)))) {
            continue;
        }
        pk_json_put_key_str(w, pk_json_key(m));
        if (m == there) {
            done = change(w, m, rest, how, value);
        } else {
            put(w, m);
        }
    }
    if (adds) {
        pk_json_put_key_str(w, token);
        put(w, value);
    }
    pk_json_put_end(w);
    return done && (there || adds);
}

static bool change_array(pk_json_writer *w, const pk_json_value *v, pk_str token, pk_str rest, how how,
                         const pk_json_value *value)
{
    size_t count = pk_json_count(v), at = 0;
    bool done = false;
    pk_json_put_array(w);
    for (const pk_json_value *m = pk_json_first(v); at <= count; m = pk_json_next(v, m), at++) {
        char index[24];
        snprintf(index, sizeof(index), "%zu", at);
        bool here = pk_str_is(token, index) || (at == count && pk_str_is(token, "-"));
        if (here && rest.len == 0 && how == ADD) {
            put(w, value);
            done = true;
        } else if (here && m) {
            done = (rest.len == 0 && how == REMOVE) || change(w, m, rest, how, value);
            continue;
        }
        if (m) {
            put(w, m);
        }
    }
    pk_json_put_end(w);
    return done;
}

/* Writes v with the change at `pointer`; false: that is nowhere. */
static bool change(pk_json_writer *w, const pk_json_value *v, pk_str pointer, how how, const pk_json_value *value)
{
    char name[MOST_BYTES];
    pk_str token = {name, 0}, rest;
    size_t i = 1;
    if (pointer.len == 0) {
        put(w, value);
        return how != REMOVE;
    }
    for (; i < pointer.len && pointer.ptr[i] != '/'; i++) {
        char c = pointer.ptr[i];
        name[token.len++] = (char)(c != '~' ? c : pointer.ptr[++i] == '0' ? '~' : '/');
    }
    rest = (pk_str){pointer.ptr + i, pointer.len - i};
    switch (pk_json_type_of(v)) {
    case PK_JSON_OBJECT: return change_object(w, v, token, rest, how, value);
    case PK_JSON_ARRAY: return change_array(w, v, token, rest, how, value);
    default: return false;
    }
}

/* The document becomes what was written; false: it is too long, or too deep. */
static bool take(model *m, pk_json_writer *w)
{
    m->too_much = pk_json_finish(w, NULL) || pk_json_parse(&m->mem, pk_buf_str(w->buf), &m->doc, NULL);
    return !m->too_much;
}

static bool apply_change(model *m, pk_str pointer, how how, const pk_json_value *value)
{
    pk_buf buf;
    pk_json_writer w;
    pk_buf_init(&buf, NULL, MOST_TEXT);
    pk_json_write(&w, &buf);
    bool good = change(&w, m->doc, pointer, how, value) && take(m, &w);
    m->too_much = m->too_much || w.failed;
    pk_buf_free(&buf);
    return good;
}

static bool is_pointer(const pk_json_value *v)
{
    pk_str text = pk_json_str(v);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '~' && (i + 1 == text.len || !strchr("01", text.ptr[i + 1]) || text.ptr[i + 1] == '\0')) {
            return false;
        }
    }
    return pk_json_type_of(v) == PK_JSON_STRING && (text.len == 0 || text.ptr[0] == '/');
}

static pk_err apply_operation(model *m, const pk_json_value *o)
{
    static const char *const names[] = {"op", "path", "from", "value"};
    const pk_json_value *path = pk_json_get(o, "path"), *from = pk_json_get(o, "from");
    const pk_json_value *value = pk_json_get(o, "value");
    const pk_json_value *op = pk_json_get(o, "op");
    bool adds = pk_json_is(op, "add"), replaces = pk_json_is(op, "replace"), tests = pk_json_is(op, "test");
    bool removes = pk_json_is(op, "remove"), moves = pk_json_is(op, "move"), copies = pk_json_is(op, "copy");
    for (const pk_json_value *n = op ? pk_json_first(o) : NULL; n; n = pk_json_next(o, n)) {
        for (size_t i = 0; i < 4; i++) {
            if (pk_str_is(pk_json_key(n), names[i]) && !counts(o, n)) {
                return PK_ERR_BAD_JSON;
            }
        }
    }
    if (!is_pointer(path) || !(adds || replaces || tests || removes || moves || copies) ||
        ((moves || copies) && !is_pointer(from)) || ((adds || replaces || tests) && !value)) {
        return PK_ERR_BAD_JSON;
    }
    pk_str to = pk_json_str(path);
    if (adds) {
        return apply_change(m, to, ADD, value) ? PK_OK : PK_ERR_NOT_FOUND;
    }
    if (replaces) {
        return apply_change(m, to, REPLACE, value) ? PK_OK : PK_ERR_NOT_FOUND;
    }
    if (removes && to.len == 0) {
        return PK_ERR_BAD_JSON;
    }
    if (removes) {
        return apply_change(m, to, REMOVE, NULL) ? PK_OK : PK_ERR_NOT_FOUND;
    }
    pk_str at = tests ? to : pk_json_str(from);
    if (memchr(at.ptr, '\0', at.len)) {
        m->too_much = true; // pk_json_at takes C strings
        return PK_OK;
    }
    const pk_json_value *there = pk_json_at(m->doc, at.ptr);
    if (!there) {
        return PK_ERR_NOT_FOUND;
    }
    if (tests) {
        return equal(there, value) ? PK_OK : PK_ERR_CONFLICT;
    }
    if (moves && pk_str_eq(to, at)) {
        return PK_OK;
    }
    if (moves && pk_str_starts(to, at) && to.ptr[at.len] == '/') {
        return PK_ERR_BAD_JSON;
    }
    if (moves && !apply_change(m, at, REMOVE, NULL)) {
        return PK_ERR_NOT_FOUND;
    }
    return apply_change(m, to, ADD, there) ? PK_OK : PK_ERR_NOT_FOUND;
}

static void check_patch(const pk_json_value *doc, const pk_json_value *patch)
{
    model m = {.doc = doc};
    pk_mem mem = {0};
    pk_error err = {0};
    const pk_json_value *out;
    pk_err wanted = pk_json_type_of(patch) == PK_JSON_ARRAY ? PK_OK : PK_ERR_BAD_JSON;
    pk_err rc = pk_json_patch(&mem, doc, patch, &out, &err);
    MUST((rc == PK_OK) == (out != NULL) && (rc == PK_OK) == (err.msg[0] == '\0'));
    const pk_json_value *o = wanted ? NULL : pk_json_first(patch);
    for (; o && !wanted && !m.too_much; o = pk_json_next(patch, o)) {
        wanted = apply_operation(&m, o);
    }
    if (!m.too_much) {
        MUST(rc == wanted);
        MUST(rc != PK_OK || equal(out, m.doc));
    }
    MUST(rc != PK_ERR_LIMIT || m.too_much);
    pk_mem_free(&mem);
    pk_mem_free(&m.mem);
}

/* ---- the model of Merge Patch: the RFC's own words in C, but for writing what comes of it */

static void merge(pk_json_writer *w, const pk_json_value *target, const pk_json_value *patch)
{
    if (pk_json_type_of(patch) != PK_JSON_OBJECT) {
        put(w, patch);
        return;
    }
    target = pk_json_type_of(target) == PK_JSON_OBJECT ? target : NULL;
    pk_json_put_object(w);
    for (const pk_json_value *t = pk_json_first(target); t && !w->failed; t = pk_json_next(target, t)) {
        const pk_json_value *p = member(patch, pk_json_key(t));
        if (!counts(target, t) || pk_json_type_of(p) == PK_JSON_NULL) {
            continue;
        }
        pk_json_put_key_str(w, pk_json_key(t));
        if (p) {
            merge(w, t, p);
        } else {
            put(w, t);
        }
    }
    for (const pk_json_value *p = pk_json_first(patch); p && !w->failed; p = pk_json_next(patch, p)) {
        if (counts(patch, p) && pk_json_type_of(p) != PK_JSON_NULL && !member(target, pk_json_key(p))) {
            pk_json_put_key_str(w, pk_json_key(p));
            merge(w, NULL, p);
        }
    }
    pk_json_put_end(w);
}

static void check_merge(const pk_json_value *doc, const pk_json_value *patch)
{
    model m = {.doc = doc};
    pk_mem mem = {0};
    pk_error err = {0};
    const pk_json_value *out, *again;
    pk_buf buf;
    pk_json_writer w;
    pk_err rc = pk_json_merge_patch(&mem, doc, patch, &out, &err);
    MUST((rc == PK_OK) == (out != NULL) && (rc == PK_OK) == (err.msg[0] == '\0'));
    MUST(rc == PK_OK || rc == PK_ERR_LIMIT);
    pk_buf_init(&buf, NULL, MOST_TEXT);
    pk_json_write(&w, &buf);
    merge(&w, doc, patch);
    if (take(&m, &w)) {
        MUST(rc == PK_OK && equal(out, m.doc));
    }
    if (rc == PK_OK) {
        MUST(pk_json_merge_patch(&mem, out, patch, &again, NULL) == PK_OK && equal(out, again));
    }
    pk_buf_free(&buf);
    pk_mem_free(&mem);
    pk_mem_free(&m.mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size && size < MOST_BYTES ? memchr(data, '\n', size) : NULL;
    pk_mem mem = {0};
    const pk_json_value *doc, *patch;
    if (!line) {
        return 0;
    }
    pk_str first = {(const char *)data, (size_t)(line - data)};
    pk_str rest = {(const char *)line + 1, size - first.len - 1};
    if (pk_json_parse(&mem, first, &doc, NULL) == PK_OK && pk_json_parse(&mem, rest, &patch, NULL) == PK_OK) {
        if (pk_json_count(patch) <= MOST_OPERATIONS) {
            check_patch(doc, patch);
        }
        check_merge(doc, patch);
    }
    pk_mem_free(&mem);
    return 0;
}
