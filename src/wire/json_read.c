/* json_read.c - reading JSON by RFC 8259 and nothing else. */
#include "json_read.h"

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "swar.h"
#include "utf8.h"

PK__FN void pk__json_begin(pk__json_reader *r, pk_str text)
{
    memset(r, 0, sizeof(*r));
    r->begin = text.len > 0 ? text.ptr : "";
    r->end = r->begin + text.len;
}

PK__FN const char *pk__json_wrong(pk__json_reader *r, const char *at, const char *expected)
{
    r->failed = PK_ERR_BAD_JSON;
    r->wrong = at;
    r->expected = expected;
    return NULL;
}

static const char *pk__json_out_of(pk__json_reader *r, const char *at, pk_err what)
{
    (void)pk__json_wrong(r, at, "");
    r->failed = what;
    return NULL;
}

/* ---- tokens */

PK__FN const char *pk__json_skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
        if (end - p >= 8) { // indentation
            uint64_t others = pk__swar_not(pk__swar_load(p), ' ');
            p += others ? pk__swar_first(others) : 8;
        }
    }
    return p;
}

/* The value of four hex digits at p, or -1. */
static int pk__json_hex4(const char *p, const char *end)
{
    int value = 0;
    if (end - p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        char lower = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* Goes over the escape whose backslash is at p. */
static const char *pk__json_escape(pk__json_reader *r, const char *p)
{
    const char *end = r->end;
    if (end - p < 2 || !memchr("\"\\/bfnrtu", p[1], 9)) {
        return pk__json_wrong(r, p + 1, "one of \"\\/bfnrtu behind the backslash");
    }
    if (p[1] != 'u') {
        return p + 2;
    }
    int code = pk__json_hex4(p + 2, end);
    if (code < 0) {
        return pk__json_wrong(r, p + 2, "four hex digits");
    }
    if (code < 0xD800 || code > 0xDFFF) {
        return p + 6;
    }
    int low = code < 0xDC00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? pk__json_hex4(p + 8, end) : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        return pk__json_wrong(r, p, "both halves of a surrogate pair");
    }
    return p + 12;
}

PK__FN const char *pk__json_string(pk__json_reader *r, const char *p)
{
    const char *end = r->end;
    r->escaped = false;
    for (p++;;) {
        if (end - p >= 8) {
            uint64_t mask = pk__swar_json(pk__swar_load(p));
            if (mask == 0) {
                p += 8;
                continue;
            }
            p += pk__swar_first(mask);
        }
        if (p >= end) {
            return pk__json_wrong(r, p, "'\"'");
        }
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            return p + 1;
        }
        if (c == '\\') {
            r->escaped = true;
            if (!(p = pk__json_escape(r, p))) {
                return NULL;
            }
        } else if (c < 0x20) {
            return pk__json_wrong(r, p, "an escape instead of a control character");
        } else {
            do {
                size_t len = pk__utf8_len(p, end);
                if (len == 0) {
                    return pk__json_wrong(r, p, "UTF-8");
                }
                p += len;
            } while (p < end && (unsigned char)*p >= 0x80);
        }
    }
}

PK__FN size_t pk__json_unescape(char *text, size_t len)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *p = text, *end = text + len;
    char *out = text;
    while (p < end) {
        const char *stop = (const char *)memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((stop ? stop : end) - p);
        memmove(out, p, run);
        out += run;
        p += run;
        if (!stop) {
            break;
        }
        const char *simple = (const char *)memchr(from, p[1], sizeof(from) - 1);
        if (p[1] != 'u') {
            *out++ = simple ? to[simple - from] : p[1];
            p += 2;
            continue;
        }
        uint32_t code = (uint32_t)pk__json_hex4(p + 2, end);
        p += 6;
        if (code >= 0xD800 && code < 0xDC00) {
            code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)pk__json_hex4(p + 2, end) - 0xDC00);
            p += 6;
        }
        out += pk__utf8_put(out, code);
    }
    return (size_t)(out - text);
}

/* ---- the tree */

static bool pk__json_grow(pk__json_tree *t)
{
    size_t size;
    pk_json_value *nodes = NULL;
    if (pk__size_mul(t->cap, 2 * sizeof(*nodes), &size)) {
        nodes = (pk_json_value *)pk_mem_get(t->mem, size);
    }
    if (nodes) {
        memcpy(nodes, t->nodes, t->count * sizeof(*nodes));
        t->nodes = nodes;
        t->cap *= 2;
    }
    return nodes != NULL;
}

/* A new node, or NULL: out of memory. */
static inline pk_json_value *pk__json_add(pk__json_tree *t, uint64_t type, uint64_t len)
{
    if (t->count == t->cap && !pk__json_grow(t)) {
        return NULL;
    }
    pk_json_value *node = &t->nodes[t->count++];
    node->tag = type | len << PK__JSON_TYPE_BITS;
    return node;
}

static bool pk__json_add_text(pk__json_tree *t, uint64_t type, const char *text, size_t len)
{
    pk_json_value *node = pk__json_add(t, type, len);
    if (node) {
        node->of.text = text;
    }
    return node != NULL;
}

/* A string or key between the quotes at first[-1] and end[-1]. */
static bool pk__json_add_string(pk__json_reader *r, pk__json_tree *t, uint64_t type, const char *first, const char *end)
{
    char *text = (char *)first; // the tree's own copy
    size_t len = (size_t)(end - 1 - first);
    if (r->escaped) {
        len = pk__json_unescape(text, len);
    }
    text[len] = '\0';
    return pk__json_add_text(t, type, text, len);
}

static bool pk__json_add_open(pk__json_tree *t, char bracket)
{
    size_t outer = t->open;
    t->open = t->count;
    pk_json_value *node = pk__json_add(t, bracket == '{' ? PK_JSON_OBJECT : PK_JSON_ARRAY, 0);
    if (node) {
        node->of.span = outer;
    }
    return node != NULL;
}

static void pk__json_count_item(pk__json_tree *t)
{
    t->nodes[t->open].tag += 1 << PK__JSON_TYPE_BITS;
}

static void pk__json_add_close(pk__json_tree *t)
{
    pk_json_value *node = &t->nodes[t->open];
    size_t outer = node->of.span;
    node->of.span = t->count - t->open;
    if (node->of.span > 1) {
        pk__json_count_item(t); // the last one; commas counted the others
    }
    t->open = outer;
}

/* ---- values */

static const char *pk__json_literal(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    static const struct {
        char text[6];
        uint8_t len, type, value;
    } literals[] = {{"null", 4, PK_JSON_NULL, 0}, {"true", 4, PK_JSON_BOOL, 1}, {"false", 5, PK_JSON_BOOL, 0}};
    for (size_t i = 0; i < PK__COUNT(literals); i++) {
        size_t len = literals[i].len;
        if ((size_t)(r->end - p) >= len && memcmp(p, literals[i].text, len) == 0) {
            if (tree && !pk__json_add(tree, literals[i].type, literals[i].value)) {
                return pk__json_out_of(r, p, PK_ERR_NO_MEMORY);
            }
            return p + len;
        }
    }
    return pk__json_wrong(r, p, "a value");
}

/* A value that is no container. */
static const char *pk__json_scalar(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    const char *first = p;
    char c = pk__json_peek(r, p);
    bool good = true;
    if (c == '"') {
        if (!(p = pk__json_string(r, p))) {
            return NULL;
        }
        good = !tree || pk__json_add_string(r, tree, PK_JSON_STRING, first + 1, p);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        if (pk__number_scan(&p, r->end) == PK__NUMBER_BAD) {
            return pk__json_wrong(r, p, "a digit");
        }
        good = !tree || pk__json_add_text(tree, PK_JSON_NUMBER, first, (size_t)(p - first));
    } else {
        return pk__json_literal(r, p, tree);
    }
    return good ? p : pk__json_out_of(r, first, PK_ERR_NO_MEMORY);
}

PK__FN const char *pk__json_key(pk__json_reader *r, const char *p, pk_str *key)
{
    p = pk__json_space(p, r->end);
    if (pk__json_peek(r, p) != '"') {
        return pk__json_wrong(r, p, "a key in quotes");
    }
    key->ptr = p + 1;
    if (!(p = pk__json_string(r, p))) {
        return NULL;
    }
    key->len = (size_t)(p - 1 - key->ptr);
    p = pk__json_space(p, r->end);
    return pk__json_peek(r, p) == ':' ? p + 1 : pk__json_wrong(r, p, "':'");
}

static const char *pk__json_add_key(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    pk_str key;
    p = pk__json_key(r, p, &key);
    if (p && tree && !pk__json_add_string(r, tree, PK__JSON_KEY, key.ptr, key.ptr + key.len + 1)) {
        return pk__json_out_of(r, p, PK_ERR_NO_MEMORY);
    }
    return p;
}

PK__FN const char *pk__json_value(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    uint64_t objects[PLUGKIT_JSON_DEPTH / 64 + 1] = {0}; // one bit a level: it is an object, not an array
    unsigned depth = 0;
    bool in_object = false;
    for (;;) {
        p = pk__json_space(p, r->end);
        char c = pk__json_peek(r, p);
        if (c == '{' || c == '[') {
            if (depth + r->depth >= PLUGKIT_JSON_DEPTH) {
                return pk__json_out_of(r, p, PK_ERR_LIMIT);
            }
            if (tree && !pk__json_add_open(tree, c)) {
                return pk__json_out_of(r, p, PK_ERR_NO_MEMORY);
            }
            in_object = c == '{';
            objects[depth / 64] &= ~(UINT64_C(1) << depth % 64);
            objects[depth / 64] |= (uint64_t)in_object << depth % 64;
            depth++;
            p = pk__json_space(p + 1, r->end);
            if (pk__json_peek(r, p) != c + 2) { // in ASCII each bracket closes two further on
                if (in_object && !(p = pk__json_add_key(r, p, tree))) {
                    return NULL;
                }
                continue;
            }
        } else if (!(p = pk__json_scalar(r, p, tree))) {
            return NULL;
        }

        /* Behind a value: containers close until a comma asks for one more. */
        for (;;) {
            if (depth == 0) {
                return p;
            }
            p = pk__json_space(p, r->end);
            c = pk__json_peek(r, p);
            if (c == ',') {
                if (tree) {
                    pk__json_count_item(tree);
                }
                if (!in_object) {
                    p++;
                } else if (!(p = pk__json_add_key(r, p + 1, tree))) {
                    return NULL;
                }
                break;
            }
            if (c != (in_object ? '}' : ']')) {
                return pk__json_wrong(r, p, in_object ? "',' or '}'" : "',' or ']'");
            }
            if (tree) {
                pk__json_add_close(tree);
            }
            p++;
            depth--;
            in_object = depth > 0 && (objects[(depth - 1) / 64] >> (depth - 1) % 64 & 1);
        }
    }
}

PK__FN const char *pk__json_end(pk__json_reader *r, const char *p)
{
    p = pk__json_space(p, r->end);
    return p == r->end ? p : pk__json_wrong(r, p, "nothing more");
}

PK__FN const char *pk__json_open(pk__json_reader *r, const char *p, bool *more)
{
    char bracket = *p;
    if (r->depth >= PLUGKIT_JSON_DEPTH) {
        return pk__json_out_of(r, p, PK_ERR_LIMIT);
    }
    p = pk__json_space(p + 1, r->end);
    *more = pk__json_peek(r, p) != bracket + 2;
    r->depth += *more;
    return *more ? p : p + 1;
}

PK__FN const char *pk__json_more(pk__json_reader *r, const char *p, char bracket, bool *more)
{
    p = pk__json_space(p, r->end);
    char c = pk__json_peek(r, p);
    *more = c == ',';
    if (c != ',' && c != bracket) {
        return pk__json_wrong(r, p, bracket == '}' ? "',' or '}'" : "',' or ']'");
    }
    r->depth -= !*more;
    return p + 1;
}

/* ---- what went wrong */

/* What stands at p, in words. */
static void pk__json_got(char *out, size_t cap, const char *p, const char *end)
{
    unsigned char c = p < end ? (unsigned char)*p : 0;
    if (p >= end) {
        (void)snprintf(out, cap, "the end");
    } else if (end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
        (void)snprintf(out, cap, "a byte order mark"); // some editors put one in front
    } else if (c > 0x20 && c < 0x7F) {
        (void)snprintf(out, cap, "'%c'", c);
    } else {
        (void)snprintf(out, cap, "byte 0x%02X", c);
    }
}

PK__FN pk_err pk__json_error(const pk__json_reader *r, pk_str text, const char *what, pk_error *err)
{
    if (r->failed == PK_ERR_NO_MEMORY) {
        return pk__error_memory(err, what);
    }
    size_t at = (size_t)(r->wrong - r->begin);
    const char *begin = text.len > 0 ? text.ptr : "", *p = begin + at, *end = begin + text.len;
    size_t line = 1, column = 1; // in characters
    for (const char *c = begin; c < p; c++) {
        line += *c == '\n';
        column = *c == '\n' ? 1 : column + ((unsigned char)(*c & 0xC0) != 0x80);
    }
    if (r->failed == PK_ERR_LIMIT) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot %s: line %zu, column %zu: nested deeper than %d levels", what,
                            line, column, PLUGKIT_JSON_DEPTH);
    }
    char got[24], near[64];
    const char *from = p - begin > 16 ? p - 16 : begin, *to = end - p > 16 ? p + 16 : end;
    while (from < p && (unsigned char)(*from & 0xC0) == 0x80) { // not within a character
        from++;
    }
    while (to > p && to < end && (unsigned char)(*to & 0xC0) == 0x80) {
        to--;
    }
    pk_str part = {from, (size_t)(to - from)};
    pk__json_got(got, sizeof(got), p, end);
    (void)pk__error_clean(near, sizeof(near), part);
    return pk_error_set(err, PK_ERR_BAD_JSON, "cannot %s: line %zu, column %zu: expected %s, got %s%s%s%s", what, line,
                        column, r->expected, got, part.len ? " near \"" : "", near, part.len ? "\"" : "");
}

/* ---- public */

PK_API pk_err pk_json_check(pk_str text, pk_error *err)
{
    pk__json_reader r;
    pk__json_begin(&r, text);
    const char *p = pk__json_value(&r, r.begin, NULL);
    if (p && pk__json_end(&r, p)) {
        return PK_OK;
    }
    return pk__json_error(&r, text, "parse JSON", err);
}

PK_API pk_err pk_json_parse(pk_mem *mem, pk_str text, const pk_json_value **out, pk_error *err)
{
    pk__json_reader r;
    pk__json_tree t = {mem, NULL, 0, text.len / 8 + 16, 0}; // dense text has more nodes: the array doubles then
    size_t size;
    *out = NULL;
    pk_str copy = pk_mem_dup(mem, text);
    if (copy.ptr && pk__size_mul(t.cap, sizeof(*t.nodes), &size)) {
        t.nodes = (pk_json_value *)pk_mem_get(mem, size);
    }
    if (!t.nodes) {
        return pk__error_memory(err, "parse JSON");
    }
    pk__json_begin(&r, copy);
    (void)pk__json_add(&t, PK_JSON_NONE, 0);
    const char *p = pk__json_value(&r, r.begin, &t);
    if (!p || !pk__json_end(&r, p)) {
        return pk__json_error(&r, text, "parse JSON", err);
    }
    pk__mem_trim(mem, t.nodes, t.cap * sizeof(*t.nodes), t.count * sizeof(*t.nodes));
    *out = &t.nodes[1];
    return PK_OK;
}
