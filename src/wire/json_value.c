/* json_value.c - getting at the values of a parsed document. */
#include <string.h>

#include "json_read.h"
#include "number.h"

PK_API pk_json_type pk_json_type_of(const pk_json_value *v)
{
    return v ? (pk_json_type)(v->tag & PK__JSON_TYPE_MASK) : PK_JSON_NONE;
}

static pk_str pk__json_text(const pk_json_value *v, uint64_t type)
{
    pk_str text = {"", 0};
    if (v && (v->tag & PK__JSON_TYPE_MASK) == type) {
        text.ptr = v->of.text;
        text.len = pk__json_len(v);
    }
    return text;
}

PK_API bool pk_json_bool(const pk_json_value *v, bool otherwise)
{
    return pk_json_type_of(v) == PK_JSON_BOOL ? pk__json_len(v) != 0 : otherwise;
}

PK_API pk_str pk_json_str(const pk_json_value *v)
{
    return pk__json_text(v, PK_JSON_STRING);
}

PK_API bool pk_json_is(const pk_json_value *v, const char *text)
{
    return pk_json_type_of(v) == PK_JSON_STRING && pk_str_is(pk_json_str(v), text);
}

PK_API pk_str pk_json_number_text(const pk_json_value *v)
{
    pk_str text = {"", 0};
    if (pk_json_type_of(v) == PK_JSON_NUMBER) {
        text.ptr = pk__json_number_at(v);
        text.len = strspn(text.ptr, "+-.0123456789Ee"); // what follows a number is none of these
    }
    return text;
}

PK_API pk_json_number pk_json_number_kind(const pk_json_value *v)
{
    double real;
    uint64_t bits;
    if (pk_json_type_of(v) != PK_JSON_NUMBER) {
        return PK_JSON_NUMBER_NONE;
    }
    if (pk__json_form(v) != PK__NUMBER_TEXT) {
        return pk__json_form(v) == PK__NUMBER_DOUBLE ? PK_JSON_NUMBER_REAL : PK_JSON_NUMBER_INTEGER;
    }
    pk_str text = pk_json_number_text(v);
    const char *p = text.ptr, *end = p + text.len;
    if (pk__number_scan(&p, end) == PK__NUMBER_INTEGER) {
        bool fits = pk__number_to_uint(text, &bits) || pk__number_to_int(text, (int64_t *)&bits);
        return fits ? PK_JSON_NUMBER_INTEGER : PK_JSON_NUMBER_BEYOND;
    }
    return pk__number_to_double(text, &real) ? PK_JSON_NUMBER_REAL : PK_JSON_NUMBER_BEYOND;
}

PK_API bool pk_json_get_int(const pk_json_value *v, int64_t *out)
{
    pk__number_form form = pk_json_type_of(v) == PK_JSON_NUMBER ? pk__json_form(v) : PK__NUMBER_NONE;
    if (form == PK__NUMBER_TEXT) {
        return pk__number_to_int(pk_json_number_text(v), out);
    }
    if (form == PK__NUMBER_INT || (form == PK__NUMBER_UINT && v->of.bits <= INT64_MAX)) {
        memcpy(out, &v->of.bits, sizeof(*out));
        return true;
    }
    return false;
}

PK_API bool pk_json_get_uint(const pk_json_value *v, uint64_t *out)
{
    pk__number_form form = pk_json_type_of(v) == PK_JSON_NUMBER ? pk__json_form(v) : PK__NUMBER_NONE;
    if (form == PK__NUMBER_TEXT) {
        return pk__number_to_uint(pk_json_number_text(v), out);
    }
    if (form == PK__NUMBER_UINT) {
        *out = v->of.bits;
    }
    return form == PK__NUMBER_UINT;
}

PK_API int64_t pk_json_int(const pk_json_value *v, int64_t otherwise)
{
    (void)pk_json_get_int(v, &otherwise);
    return otherwise;
}

PK_API uint64_t pk_json_uint(const pk_json_value *v, uint64_t otherwise)
{
    (void)pk_json_get_uint(v, &otherwise);
    return otherwise;
}

PK_API double pk_json_double(const pk_json_value *v, double otherwise)
{
    switch (pk_json_type_of(v) == PK_JSON_NUMBER ? pk__json_form(v) : PK__NUMBER_NONE) {
    case PK__NUMBER_UINT: return pk__number_round(v->of.bits, false);
    case PK__NUMBER_INT: return pk__number_round(0 - v->of.bits, true);
    case PK__NUMBER_DOUBLE: memcpy(&otherwise, &v->of.bits, sizeof(otherwise)); break;
    case PK__NUMBER_TEXT: (void)pk__number_to_double(pk_json_number_text(v), &otherwise); break;
    case PK__NUMBER_NONE: break;
    }
    return otherwise;
}

/* ---- containers */

static bool pk__json_is_container(const pk_json_value *v)
{
    pk_json_type type = pk_json_type_of(v);
    return type == PK_JSON_ARRAY || type == PK_JSON_OBJECT;
}

PK_API size_t pk_json_count(const pk_json_value *v)
{
    return pk__json_is_container(v) ? pk__json_len(v) : 0;
}

/* The value at `node` of this container, or behind its key; NULL at the container's end. */
static const pk_json_value *pk__json_item_at(const pk_json_value *parent, const pk_json_value *node)
{
    if (node >= parent + parent->of.span) {
        return NULL;
    }
    return pk_json_type_of(parent) == PK_JSON_OBJECT ? node + 1 : node;
}

PK_API const pk_json_value *pk_json_first(const pk_json_value *v)
{
    return pk__json_is_container(v) ? pk__json_item_at(v, v + 1) : NULL;
}

PK_API const pk_json_value *pk_json_next(const pk_json_value *parent, const pk_json_value *item)
{
    if (!pk__json_is_container(parent) || !item) {
        return NULL;
    }
    return pk__json_item_at(parent, item + (pk__json_is_container(item) ? item->of.span : 1));
}

PK_API pk_str pk_json_key(const pk_json_value *member)
{
    return pk__json_text(member ? member - 1 : NULL, PK__JSON_KEY);
}

PK_API const pk_json_value *pk_json_get(const pk_json_value *object, const char *key)
{
    const pk_json_value *found = NULL;
    pk_str name = pk_str_from(key);
    if (pk_json_type_of(object) == PK_JSON_OBJECT) {
        for (const pk_json_value *v = pk_json_first(object); v; v = pk_json_next(object, v)) {
            found = pk_str_eq(pk_json_key(v), name) ? v : found; // of duplicates the last one
        }
    }
    return found;
}

PK_API const pk_json_value *pk_json_item(const pk_json_value *array, size_t index)
{
    if (pk_json_type_of(array) != PK_JSON_ARRAY || index >= pk_json_count(array)) {
        return NULL;
    }
    if (array->of.span == pk_json_count(array) + 1) { // no containers within
        return array + 1 + index;
    }
    const pk_json_value *v = pk_json_first(array);
    while (index-- > 0) {
        v = pk_json_next(array, v);
    }
    return v;
}

/* ---- JSON Pointer */

/* Does a reference token, which has ~1 for '/' and ~0 for '~', name this key? */
static bool pk__json_token_is(pk_str token, pk_str key)
{
    size_t k = 0;
    for (size_t i = 0; i < token.len; i++, k++) {
        char c = token.ptr[i];
        if (c == '~') {
            c = ++i < token.len && token.ptr[i] == '0' ? '~' : i < token.len && token.ptr[i] == '1' ? '/' : '\0';
            if (c == '\0') {
                return false;
            }
        }
        if (k >= key.len || key.ptr[k] != c) {
            return false;
        }
    }
    return k == key.len;
}

static const pk_json_value *pk__json_pointer_down(const pk_json_value *v, pk_str token)
{
    const pk_json_value *found = NULL;
    if (pk_json_type_of(v) == PK_JSON_ARRAY) {
        const char *p = token.ptr;
        uint64_t index;
        bool number = pk__number_scan(&p, token.ptr + token.len) == PK__NUMBER_INTEGER && p == token.ptr + token.len;
        if (!number || *token.ptr == '-' || !pk__number_to_uint(token, &index) || index >= pk_json_count(v)) {
            return NULL;
        }
        return pk_json_item(v, (size_t)index);
    }
    if (pk_json_type_of(v) == PK_JSON_OBJECT) {
        for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
            found = pk__json_token_is(token, pk_json_key(m)) ? m : found;
        }
    }
    return found;
}

PK_API const pk_json_value *pk_json_at(const pk_json_value *v, const char *pointer)
{
    while (v && *pointer) {
        if (*pointer++ != '/') {
            return NULL;
        }
        pk_str token = {pointer, strcspn(pointer, "/")};
        v = pk__json_pointer_down(v, token);
        pointer += token.len;
    }
    return v;
}
