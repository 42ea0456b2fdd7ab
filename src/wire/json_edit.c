/* json_edit.c - opened containers: finding, changing, comparing, and making a document of them. */
#ifdef PLUGKIT_WITH_JSON_TOOLS
#include "json_edit.h"

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "decimal.h"

PK__FN void pk__json_edit_begin(pk__json_edit *e, pk_mem *mem, const pk_json_value *doc)
{
    memset(e, 0, sizeof(*e));
    e->mem = mem;
    e->scratch.alloc = mem->alloc;
    e->left = PLUGKIT_JSON_PATCH_BYTES;
    e->root = doc;
}

PK__FN void pk__json_edit_end(pk__json_edit *e)
{
    pk_mem_free(&e->scratch);
}

PK__FN pk_err pk__json_edit_error(const pk__json_edit *e, const char *what, pk_error *err)
{
    if (e->failed == PK_ERR_NO_MEMORY) {
        return pk__error_memory(err, what);
    }
    if (e->too_deep) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot %s: nested deeper than %d levels", what, PLUGKIT_JSON_DEPTH);
    }
    return pk_error_set(err, PK_ERR_LIMIT, "cannot %s: it takes more than %zu bytes", what,
                        (size_t)PLUGKIT_JSON_PATCH_BYTES);
}

static bool pk__json_edit_fail(pk__json_edit *e, pk_err why)
{
    e->failed = e->failed ? e->failed : why;
    return false;
}

static bool pk__json_edit_count(pk__json_edit *e, size_t size)
{
    if (size > e->left) {
        return pk__json_edit_fail(e, PK_ERR_LIMIT);
    }
    e->left -= size;
    return true;
}

/* What has been counted. */
static void *pk__json_edit_take(pk__json_edit *e, pk_mem *from, size_t size)
{
    void *at = pk_mem_get(from ? from : &e->scratch, size);
    if (!at && !from) {
        at = pk_mem_get(e->mem, size); // bytes of the caller's, perhaps
    }
    if (!at) {
        (void)pk__json_edit_fail(e, PK_ERR_NO_MEMORY);
    }
    return at;
}

PK__FN void *pk__json_edit_get(pk__json_edit *e, size_t size)
{
    return pk__json_edit_count(e, size) ? pk__json_edit_take(e, NULL, size) : NULL;
}

/* ---- the tree of keys */

PK__FN pk_str pk__json_edit_key(const pk__json_edit_member *member)
{
    pk_str key = {member->key->of.text, pk__json_len(member->key)};
    return key;
}

/* Nine bits for each byte: whether there is one, and its own; 0 behind the end. */
static unsigned pk__json_key_nine(pk_str key, size_t at)
{
    return at < key.len ? 0x100u | (unsigned char)key.ptr[at] : 0;
}

/* Bits count from 1. */
static unsigned pk__json_key_bit(pk_str key, uint64_t bit)
{
    return bit == 0 ? 0 : pk__json_key_nine(key, (size_t)((bit - 1) / 9)) >> (8 - (bit - 1) % 9) & 1;
}

/* The first bit in which two keys differ; 0: in none. */
static uint64_t pk__json_key_differ(pk_str a, pk_str b)
{
    size_t at = 0, common = PK__MIN(a.len, b.len);
    while (at < common && a.ptr[at] == b.ptr[at]) {
        at++;
    }
    unsigned differ = pk__json_key_nine(a, at) ^ pk__json_key_nine(b, at), bit = 1;
    if (!differ) {
        return 0;
    }
    for (; !(differ & 0x100); differ <<= 1) {
        bit++;
    }
    return (uint64_t)at * 9 + bit;
}

/* Goes down as far as the bits before `end` lead. Gives where that is; *above is where it came from. */
static size_t pk__json_edit_down(const pk__json_edit_member *members, pk_str key, uint64_t end, size_t *above)
{
    size_t at = 0, next = members[0].below[0];
    while (members[next].bit > members[at].bit && members[next].bit < end) {
        at = next;
        next = members[at].below[pk__json_key_bit(key, members[at].bit)];
    }
    *above = at;
    return next;
}

PK__FN const pk_json_value **pk__json_edit_find(const pk__json_opened_value *object, pk_str key)
{
    size_t above;
    if (object->count == 0) {
        return NULL;
    }
    pk__json_edit_member *member = &object->members[pk__json_edit_down(object->members, key, UINT64_MAX, &above)];
    return member->value && pk_str_eq(pk__json_edit_key(member), key) ? &member->value : NULL;
}

/* Room for so many items or members in all. */
static bool pk__json_edit_room(pk__json_edit *e, pk__json_opened_value *o, size_t count)
{
    size_t each = o->is_object ? sizeof(*o->members) : sizeof(const pk_json_value *), size;
    if (count <= o->cap) {
        return true;
    }
    count = PK__MAX(count, o->cap * 2);
    void *more = pk__size_mul(count, each, &size) ? pk__json_edit_get(e, size) : NULL;
    if (!more) {
        return pk__json_edit_fail(e, PK_ERR_LIMIT);
    }
    o->cap = count;
    if (o->is_object) {
        if (o->count > 0) {
            memcpy(more, o->members, o->count * each);
        }
        o->members = (pk__json_edit_member *)more;
    } else {
        if (o->count > 0) {
            memcpy(more, o->items, o->count * each);
        }
        o->items = (const pk_json_value **)more;
    }
    return true;
}

PK__FN bool pk__json_edit_put(pk__json_edit *e, pk__json_opened_value *object, const pk_json_value *key,
                              const pk_json_value *value)
{
    pk__json_edit_member fresh = {key, value, 0, {0, 0}}, *members = object->members;
    pk_str name = pk__json_edit_key(&fresh);
    size_t above = 0, next = 0;
    if (object->count > 0) {
        size_t near = pk__json_edit_down(members, name, UINT64_MAX, &above);
        fresh.bit = pk__json_key_differ(name, pk__json_edit_key(&members[near]));
        if (fresh.bit == 0) {
            members[near].value = value;
            return true;
        }
        next = pk__json_edit_down(members, name, fresh.bit, &above);
    }
    if (!pk__json_edit_room(e, object, object->count + 1)) {
        return false;
    }
    members = object->members;
    if (object->count > 0) {
        unsigned side = pk__json_key_bit(name, fresh.bit);
        fresh.below[side] = object->count; // itself
        fresh.below[!side] = next;
        members[above].below[pk__json_key_bit(name, members[above].bit)] = object->count;
    }
    members[object->count++] = fresh;
    return true;
}

/* ---- arrays */

PK__FN bool pk__json_edit_insert(pk__json_edit *e, pk__json_opened_value *array, size_t at, const pk_json_value *value)
{
    if (!pk__json_edit_room(e, array, array->count + 1)) {
        return false;
    }
    memmove(array->items + at + 1, array->items + at, (array->count - at) * sizeof(*array->items));
    array->items[at] = value;
    array->count++;
    return true;
}

PK__FN void pk__json_edit_cut(pk__json_opened_value *array, size_t at)
{
    array->count--;
    memmove(array->items + at, array->items + at + 1, (array->count - at) * sizeof(*array->items));
}

/* ---- opening */

static pk__json_opened_value *pk__json_opened_from(const pk_json_value *v)
{
    return PK__OF((uintptr_t)v, pk__json_opened_value, mark);
}

PK__FN pk_json_type pk__json_edit_type(const pk_json_value *v)
{
    pk_json_type type = pk_json_type_of(v);
    return type != PK_JSON_NONE ? type : pk__json_opened_from(v)->is_object ? PK_JSON_OBJECT : PK_JSON_ARRAY;
}

static pk__json_opened_value *pk__json_edit_new(pk__json_edit *e, bool is_object)
{
    pk__json_opened_value *open = (pk__json_opened_value *)pk__json_edit_get(e, sizeof(*open));
    if (open) {
        memset(open, 0, sizeof(*open));
        open->mark.tag = PK_JSON_NONE;
        open->is_object = is_object;
    }
    return open;
}

PK__FN pk__json_opened_value *pk__json_edit_object(pk__json_edit *e, const pk_json_value **slot)
{
    pk__json_opened_value *open = pk__json_edit_new(e, true);
    *slot = open ? &open->mark : *slot;
    return open;
}

PK__FN pk__json_opened_value *pk__json_edit_open(pk__json_edit *e, const pk_json_value **slot)
{
    const pk_json_value *v = *slot;
    pk_json_type type = pk_json_type_of(v);
    if (type == PK_JSON_NONE) {
        return pk__json_opened_from(v);
    }
    if (type != PK_JSON_ARRAY && type != PK_JSON_OBJECT) {
        return NULL;
    }
    pk__json_opened_value *open = pk__json_edit_new(e, type == PK_JSON_OBJECT);
    if (!open || !pk__json_edit_room(e, open, pk_json_count(v) + 1)) {
        return NULL;
    }
    for (const pk_json_value *item = pk_json_first(v); item; item = pk_json_next(v, item)) {
        if (!(open->is_object ? pk__json_edit_put(e, open, item - 1, item)
                              : pk__json_edit_insert(e, open, open->count, item))) {
            return NULL;
        }
    }
    *slot = &open->mark;
    return open;
}

/* ---- equality (RFC 6902, 4.6) */

/* Of duplicates the last one counts, and order does not: both are opened. */
static bool pk__json_same_objects(pk__json_edit *e, const pk_json_value **a, const pk_json_value *b)
{
    const pk__json_opened_value *x = pk__json_edit_open(e, a), *y = x ? pk__json_edit_open(e, &b) : NULL;
    size_t more = 0; // members that x has and y has not
    for (size_t i = 0; y && i < x->count; i++) {
        more += x->members[i].value != NULL;
    }
    for (size_t i = 0; y && i < y->count; i++) { // none of these was removed
        const pk_json_value **other = pk__json_edit_find(x, pk__json_edit_key(&y->members[i]));
        if (!other || !pk__json_edit_same(e, other, y->members[i].value)) {
            return false;
        }
        more--;
    }
    return y && more == 0;
}

static bool pk__json_same_arrays(pk__json_edit *e, const pk_json_value **a, const pk_json_value *b)
{
    const pk__json_opened_value *x = pk__json_edit_open(e, a);
    const pk_json_value *other = pk_json_first(b);
    if (!x || x->count != pk_json_count(b)) {
        return false;
    }
    for (size_t i = 0; i < x->count; i++, other = pk_json_next(b, other)) {
        if (!pk__json_edit_same(e, &x->items[i], other)) {
            return false;
        }
    }
    return true;
}

/* As deep as the reader lets b be. */
PK__FN bool pk__json_edit_same(pk__json_edit *e, const pk_json_value **a, const pk_json_value *b)
{
    pk_json_type type = pk__json_edit_type(*a);
    if (type != pk_json_type_of(b)) {
        return false;
    }
    switch (type) {
    case PK_JSON_BOOL: return pk_json_bool(*a, false) == pk_json_bool(b, false);
    case PK_JSON_NUMBER: {
        pk__decimal x = pk__decimal_from(pk_json_number_text(*a)), y = pk__decimal_from(pk_json_number_text(b));
        return pk__decimal_compare(&x, &y) == 0;
    }
    case PK_JSON_STRING: return pk_str_eq(pk_json_str(*a), pk_json_str(b));
    case PK_JSON_ARRAY: return pk__json_same_arrays(e, a, b);
    case PK_JSON_OBJECT: return pk__json_same_objects(e, a, b);
    default: return true;
    }
}

/* ---- a new document: all is gone over twice, to know how large it is, and to copy it */

typedef struct pk__json_built {
    pk__json_edit *edit;
    pk_json_value *nodes; // NULL: it is only counted
    char *text;           // where the next one goes
    size_t count, bytes;  // of nodes and text
} pk__json_built;

/* A node without others in it. */
static bool pk__json_build_leaf(pk__json_built *b, const pk_json_value *v)
{
    uint64_t type = v->tag & PK__JSON_TYPE_MASK;
    pk_str text = {NULL, 0};
    if (type == PK_JSON_NUMBER) {
        text = pk_json_number_text(v);
    } else if (type == PK_JSON_STRING || type == PK__JSON_KEY) {
        text.ptr = v->of.text;
        text.len = pk__json_len(v);
    }
    size_t at = b->count++, bytes = text.ptr ? text.len + 1 : 0;
    if (!b->nodes) {
        b->bytes += bytes;
        return pk__json_edit_count(b->edit, bytes + sizeof(*v));
    }
    if (text.ptr) {
        memcpy(b->text, text.ptr, text.len);
        b->text[text.len] = '\0';
    }
    b->nodes[at].tag = v->tag;
    b->nodes[at].of.text = b->text;
    if (type == PK_JSON_NUMBER) {
        pk__json_set_number(&b->nodes[at], pk__json_form(v), v->of.bits, b->text);
    }
    b->text += bytes;
    return true;
}

static bool pk__json_build_value(pk__json_built *b, const pk_json_value *v, int depth);

static bool pk__json_build_opened(pk__json_built *b, const pk__json_opened_value *o, int depth, uint64_t *items)
{
    for (size_t i = 0; i < o->count; i++) {
        const pk_json_value *item = o->is_object ? o->members[i].value : o->items[i];
        if (item && ((o->is_object && !pk__json_build_leaf(b, o->members[i].key)) ||
                     !pk__json_build_value(b, item, depth + 1))) {
            return false;
        }
        *items += item != NULL;
    }
    return true;
}

static bool pk__json_build_read(pk__json_built *b, const pk_json_value *v, int depth, uint64_t *items)
{
    bool is_object = pk_json_type_of(v) == PK_JSON_OBJECT;
    for (const pk_json_value *item = pk_json_first(v); item; item = pk_json_next(v, item)) {
        if ((is_object && !pk__json_build_leaf(b, item - 1)) || !pk__json_build_value(b, item, depth + 1)) {
            return false;
        }
        *items += 1;
    }
    return true;
}

/* No deeper than the reader goes. */
static bool pk__json_build_value(pk__json_built *b, const pk_json_value *v, int depth)
{
    pk_json_type type = pk__json_edit_type(v);
    uint64_t items = 0;
    size_t at = b->count;
    if (type != PK_JSON_ARRAY && type != PK_JSON_OBJECT) {
        return pk__json_build_leaf(b, v);
    }
    if (depth >= PLUGKIT_JSON_DEPTH) {
        b->edit->too_deep = true;
        return pk__json_edit_fail(b->edit, PK_ERR_LIMIT);
    }
    if (!b->nodes && !pk__json_edit_count(b->edit, sizeof(*v))) {
        return false;
    }
    b->count++;
    if (!(pk_json_type_of(v) == PK_JSON_NONE ? pk__json_build_opened(b, pk__json_opened_from(v), depth, &items)
                                             : pk__json_build_read(b, v, depth, &items))) {
        return false;
    }
    if (b->nodes) {
        b->nodes[at].tag = (uint64_t)type | items << PK__JSON_TYPE_BITS;
        b->nodes[at].of.span = b->count - at;
    }
    return true;
}

PK__FN const pk_json_value *pk__json_edit_build(pk__json_edit *e, pk_mem *to, const pk_json_value *v)
{
    pk__json_built b = {e, NULL, NULL, 1, 0}; // an empty node in front, as every document has one
    if (!pk__json_edit_count(e, sizeof(*v)) || !pk__json_build_value(&b, v, 0)) {
        return NULL;
    }
    b.nodes = (pk_json_value *)pk__json_edit_take(e, to, b.count * sizeof(*v) + b.bytes); // counted, so no overflow
    if (!b.nodes) {
        return NULL;
    }
    b.text = (char *)(b.nodes + b.count);
    b.nodes[0].tag = PK_JSON_NONE;
    b.count = 1;
    (void)pk__json_build_value(&b, v, 0);
    return &b.nodes[1];
}

#endif
