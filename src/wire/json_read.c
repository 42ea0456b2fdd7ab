/* json_read.c - values: checked, skipped, or put into a tree. */
#include "json_read.h"

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"

/* ---- nodes */

PK__FN const char *pk__json_number_at(const pk_json_value *v)
{
    int64_t distance = (int64_t)v->tag >> (PK__JSON_TYPE_BITS + PK__JSON_FORM_BITS); // arithmetic, as everywhere
    return pk__json_form(v) == PK__NUMBER_TEXT ? v->of.text : (const char *)v - distance;
}

PK__FN void pk__json_copy(pk_json_value *to, const pk_json_value *from, size_t count)
{
    memcpy(to, from, count * sizeof(*to));
    for (size_t i = 0; i < count && !PK__SMALL; i++) {
        if ((from[i].tag & PK__JSON_TYPE_MASK) == PK_JSON_NUMBER) {
            pk__json_set_number(&to[i], pk__json_form(&from[i]), from[i].of.bits, pk__json_number_at(&from[i]));
        }
    }
}

/* Twice as many nodes, the first of them copied; NULL: there is no memory. By value, so that a tree can stay in
 * registers. */
static pk_json_value *pk__json_grown(pk_mem *mem, const pk_json_value *nodes, size_t count, size_t cap)
{
    size_t size;
    pk_json_value *more = NULL;
    if (pk__size_mul(cap, 2 * sizeof(*more), &size)) {
        more = (pk_json_value *)pk_mem_get(mem, size);
    }
    if (more) {
        pk__json_copy(more, nodes, count);
    }
    return more;
}

/* Room for two more nodes: a key and its value. */
PK__HOT bool pk__json_room_for(pk__json_tree *t)
{
    if (t->cap - t->count >= 2) {
        return true;
    }
    pk_json_value *nodes = pk__json_grown(t->mem, t->nodes, t->count, t->cap);
    if (nodes) {
        t->nodes = nodes;
        t->cap *= 2;
    }
    return nodes != NULL;
}

/* A string or key, from behind its opening quote, and its node if there is a tree. Gives its closing quote. */
PK__HOT const char *pk__json_add_string(pk__json_reader *r, pk__json_tree *t, uint64_t type, const char *p,
                                        const char *end)
{
    pk_str text = {p, 0};
    if (!t) {
        return pk__json_body(r, p, end);
    }
    if (t->keep || PK__SMALL) {
        p = pk__json_body(r, p, end);
        text.len = p ? (size_t)(p - text.ptr) : 0;
    } else {
        char *first = (char *)(uintptr_t)p; // of the tree's own copy
        p = pk__json_body_open(r, first, end, &text);
        first[text.len] = '\0';
    }
    pk_json_value *node = &t->nodes[t->count++];
    node->tag = type | (uint64_t)text.len << PK__JSON_TYPE_BITS;
    node->of.text = text.ptr;
    return p;
}

/* ---- one loop for all

 * A level's bit says that it is an object. In a tree the items of the innermost container are counted here, and those
 * of the others in their nodes; until it closes, the span of a container is the node of the next one outwards. */
typedef struct pk__json_levels {
    uint64_t objects[PLUGKIT_JSON_DEPTH / 64 + 1];
    unsigned depth;
    bool in_object;
    size_t open;
    uint64_t items;
} pk__json_levels;

/* Goes down, to behind the bracket c. */
PK__HOT bool pk__json_descend(pk__json_reader *r, pk__json_levels *l, pk__json_tree *tree, char c)
{
    uint64_t bit = UINT64_C(1) << l->depth % 64, *word = &l->objects[l->depth / 64];
    if (l->depth + r->depth >= PLUGKIT_JSON_DEPTH) {
        return false;
    }
    if (tree) {
        pk_json_value *node = &tree->nodes[tree->count];
        if (l->depth > 0) {
            tree->nodes[l->open].tag += l->items << PK__JSON_TYPE_BITS;
        }
        node->tag = c == '{' ? PK_JSON_OBJECT : PK_JSON_ARRAY;
        node->of.span = l->open;
        l->open = tree->count++;
        l->items = 0;
    }
    l->in_object = c == '{';
    *word = l->in_object ? *word | bit : *word & ~bit;
    l->depth++;
    return true;
}

/* Goes up, from the closing bracket; `last`: there was an item behind the last comma. */
PK__HOT void pk__json_ascend(pk__json_levels *l, pk__json_tree *tree, bool last)
{
    if (tree) {
        pk_json_value *node = &tree->nodes[l->open];
        size_t outer = node->of.span;
        node->tag += (l->items + last) << PK__JSON_TYPE_BITS;
        node->of.span = tree->count - l->open;
        l->open = outer;
        l->items = 0;
    }
    l->depth--;
    l->in_object = l->depth > 0 && (l->objects[(l->depth - 1) / 64] >> (l->depth - 1) % 64 & 1);
}

PK__HOT const char *pk__json_literal_at(pk__json_reader *r, const char *p, const char *end, char c)
{
    if (end - p >= 5 && !PK__SMALL) {
        if (c == 'n' && memcmp(p, "null", 4) == 0) {
            return p + 4;
        }
        if (c == 't' && memcmp(p, "true", 4) == 0) {
            return p + 4;
        }
        if (c == 'f' && memcmp(p + 1, "alse", 4) == 0) {
            return p + 5;
        }
    }
    (void)end, (void)c;
    return pk__json_literal(r, p);
}

/* A value that is no container. */
PK__HOT const char *pk__json_scalar(pk__json_reader *r, const char *p, const char *end, pk__json_tree *tree)
{
    const char *first = p;
    char c = pk__json_peek(p, end);
    if (c == '"') {
        p = pk__json_add_string(r, tree, PK_JSON_STRING, p + 1, end);
        return p ? p + 1 : NULL;
    }
    if (c == '-' || (unsigned char)(c - '0') < 10) {
        uint64_t bits = 0;
        pk__number_form form = PK__NUMBER_TEXT;
        if (tree && !PK__SMALL) {
            form = pk__number_take(&p, end, &bits);
        } else if (pk__number_scan(&p, end) == PK__NUMBER_BAD) {
            form = PK__NUMBER_NONE;
        }
        if (form == PK__NUMBER_NONE) {
            return pk__json_wrong(r, p, "a digit");
        }
        if (tree) {
            pk__json_set_number(&tree->nodes[tree->count++], form, bits, first);
        }
        return p;
    }
    p = pk__json_literal_at(r, p, end, c);
    if (p && tree) {
        uint64_t type = c == 'n' ? PK_JSON_NULL : PK_JSON_BOOL;
        tree->nodes[tree->count++].tag = type | (uint64_t)(c == 't') << PK__JSON_TYPE_BITS;
    }
    return p;
}

/* A member's key and colon. */
PK__HOT const char *pk__json_member(pk__json_reader *r, const char *p, const char *end, pk__json_tree *tree)
{
    p = pk__json_space(p, end);
    if (pk__json_peek(p, end) != '"') {
        return pk__json_wrong(r, p, "a key in quotes");
    }
    if (!(p = pk__json_add_string(r, tree, PK__JSON_KEY, p + 1, end))) {
        return NULL;
    }
    p = pk__json_space(p + 1, end);
    return pk__json_peek(p, end) == ':' ? p + 1 : pk__json_wrong(r, p, "':'");
}

PK__HOT const char *pk__json_walk(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    pk__json_levels l = {{0}, 0, false, 0, 0};
    const char *end = r->end;
    for (;;) {
        if (tree && !pk__json_room_for(tree)) {
            return pk__json_out_of(r, p, PK_ERR_NO_MEMORY);
        }
        if (l.in_object && !(p = pk__json_member(r, p, end, tree))) {
            return NULL;
        }
        p = pk__json_space(p, end);
        char c = pk__json_peek(p, end);
        if (c == '{' || c == '[') {
            if (!pk__json_descend(r, &l, tree, c)) {
                return pk__json_out_of(r, p, PK_ERR_LIMIT);
            }
            p = pk__json_space(p + 1, end);
            if (pk__json_peek(p, end) != c + 2) { // in ASCII each bracket closes two further on
                continue;
            }
            pk__json_ascend(&l, tree, false);
            p++;
        } else if (!(p = pk__json_scalar(r, p, end, tree))) {
            return NULL;
        }

        /* Behind a value: containers close until a comma asks for one more. */
        for (;;) {
            if (l.depth == 0) {
                return p;
            }
            p = pk__json_space(p, end);
            c = pk__json_peek(p, end);
            if (c == ',') {
                l.items++;
                p++;
                break;
            }
            if (c != (l.in_object ? '}' : ']')) {
                return pk__json_wrong(r, p, l.in_object ? "',' or '}'" : "',' or ']'");
            }
            pk__json_ascend(&l, tree, true);
            p++;
        }
    }
}

#if PK__SMALL
static const char *pk__json_both(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    return pk__json_walk(r, p, tree);
}

PK__FN const char *pk__json_skip(pk__json_reader *r, const char *p)
{
    return pk__json_both(r, p, NULL);
}

PK__FN const char *pk__json_build(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    return pk__json_both(r, p, tree);
}
#else
PK__FN const char *pk__json_skip(pk__json_reader *r, const char *p)
{
    return pk__json_walk(r, p, NULL);
}

PK__FN const char *pk__json_build(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    pk__json_tree local = *tree; // which no store through a pointer can change: it stays in registers
    p = pk__json_walk(r, p, &local);
    *tree = local;
    return p;
}
#endif

/* ---- documents */

/* What a tree with `keep` has left to do: strings get their bytes and their NULs. */
static void pk__json_settle(const pk__json_tree *t)
{
    for (size_t i = 1; i < t->count; i++) {
        pk_json_value *node = &t->nodes[i];
        uint64_t type = node->tag & PK__JSON_TYPE_MASK;
        if (type == PK_JSON_STRING || type == PK__JSON_KEY) {
            char *text = (char *)(uintptr_t)node->of.text;
            size_t len = pk__json_unescape(text, pk__json_len(node));
            text[len] = '\0';
            node->tag = type | (uint64_t)len << PK__JSON_TYPE_BITS;
        }
    }
}

/* Memory for a document, one piece: in front its copy of the text, unless that is to be kept where it is. Of a block
 * that has room all is taken; what is not needed goes back. False: there is none. */
static bool pk__json_begin_tree(pk__json_tree *t, pk_str *text)
{
    size_t before = t->keep ? 0 : (text->len | 15) + 1; // a NUL among them
    size_t rest = t->mem->left & ~(size_t)15;
    /* A short text gets all that it could need, in one block. Others have fewer values mostly, or the array grows. */
    t->cap = text->len <= 256 ? text->len / 2 + 4 : text->len / 8 + 16;
    size_t size = PK__MAX(before + t->cap * sizeof(*t->nodes), rest);
    char *piece = text->len < SIZE_MAX / 4 ? (char *)pk_mem_get(t->mem, size) : NULL;
    if (!piece && rest >= before + 4 * sizeof(*t->nodes)) { // bytes of the caller's, perhaps
        piece = (char *)pk_mem_get(t->mem, size = rest);
    }
    if (!piece) {
        return false;
    }
    t->nodes = (pk_json_value *)(void *)(piece + before);
    t->cap = (size - before) / sizeof(*t->nodes);
    t->nodes[0].tag = PK_JSON_NONE;
    t->count = 1;
    if (!t->keep) {
        memcpy(piece, text->len > 0 ? text->ptr : "", text->len);
        piece[text->len] = '\0';
        text->ptr = piece;
    }
    return true;
}

static pk_err pk__json_parse(pk_mem *mem, pk_str text, bool keep, const pk_json_options *options,
                             const pk_json_value **out, pk_error *err)
{
    static const char what[] = "parse JSON";
    pk__json_reader r;
    pk__json_tree t = {mem, NULL, 0, 0, keep};
    pk_str copy = text;
    *out = NULL;
    if (!pk__json_begin_tree(&t, &copy)) {
        return pk__error_memory(err, what);
    }
    pk__json_begin(&r, copy);
    if (options) {
        r.options = *options;
    }
    const char *p = pk__json_build(&r, r.begin, &t);
    if (p && (p = pk__json_end(&r, p)) != NULL && (keep || PK__SMALL)) {
        pk__json_settle(&t);
    }
    if (p && options && options->unique_keys) {
        bool failed;
        const pk_json_value *twice = pk__json_twice(&t, &failed);
        p = failed  ? pk__json_out_of(&r, p, PK_ERR_NO_MEMORY)
            : twice ? pk__json_wrong(&r, twice->of.text - 1, NULL)
                    : p;
    }
    pk__mem_trim(mem, t.nodes, t.cap * sizeof(*t.nodes), p ? t.count * sizeof(*t.nodes) : 0);
    if (!p) {
        return pk__json_error(&r, text, what, err);
    }
    *out = &t.nodes[1];
    return PK_OK;
}

PK_API pk_err pk_json_parse_with(pk_mem *mem, pk_str text, const pk_json_options *options, const pk_json_value **out,
                                 pk_error *err)
{
    return pk__json_parse(mem, text, false, options, out, err);
}

PK_API pk_err pk_json_parse(pk_mem *mem, pk_str text, const pk_json_value **out, pk_error *err)
{
    return pk_json_parse_with(mem, text, NULL, out, err);
}

PK_API pk_err pk_json_parse_in_place(pk_mem *mem, char *text, size_t len, const pk_json_value **out, pk_error *err)
{
    pk_str all = {text, len};
    pk__json_reader r;
    pk__json_begin(&r, all);
    const char *p = pk__json_space(r.begin, r.end);
    bool lone = p < r.end && *p != '{' && *p != '[' && *p != '"'; // a number needs an end
    return pk__json_parse(mem, all, !lone, NULL, out, err);
}

PK_API pk_err pk_json_check(pk_str text, pk_error *err)
{
    pk__json_reader r;
    pk__json_begin(&r, text);
    const char *p = pk__json_skip(&r, r.begin);
    return p && pk__json_end(&r, p) ? PK_OK : pk__json_error(&r, text, "parse JSON", err);
}
