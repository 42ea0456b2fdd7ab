/* schema_equal.c - are two values the same, and are all items of an array different? 1 and 1.0 are the same number, and
 * the order of members makes no difference. */
#ifdef PLUGKIT_WITH_SCHEMA
#include <string.h>

#include "schema.h"

enum { PK__SCHEMA_FEW = 16 };

PK__FN const pk_json_value *pk__schema_get_member(pk__schema_run *run, const pk_json_value *object, pk_str key)
{
    const pk_json_value *found = NULL;
    if (pk_json_type_of(object) != PK_JSON_OBJECT || !pk__schema_step(run, 1 + pk_json_count(object) / 4)) {
        return NULL;
    }
    for (const pk_json_value *m = pk_json_first(object); m; m = pk_json_next(object, m)) {
        found = pk_str_eq(pk_json_key(m), key) ? m : found; // of duplicates the last one
    }
    return found;
}

PK__FN bool pk__schema_equal_text(const pk_json_value *a, pk_str text)
{
    return pk_json_type_of(a) == PK_JSON_STRING && pk_str_eq(pk_json_str(a), text);
}

/* ---- equality */

static bool pk__schema_equal_objects(pk__schema_run *run, const pk_json_value *a, const pk_json_value *b)
{
    const pk_json_value *same = pk_json_first(b); // most objects have one order
    for (const pk_json_value *m = pk_json_first(a); m; m = pk_json_next(a, m)) {
        pk_str key = pk_json_key(m);
        const pk_json_value *other =
            same && pk_str_eq(pk_json_key(same), key) ? same : pk__schema_get_member(run, b, key);
        if (!other || !pk__schema_equal(run, m, other)) {
            return false;
        }
        same = same ? pk_json_next(b, same) : NULL;
    }
    return true;
}

static bool pk__schema_equal_arrays(pk__schema_run *run, const pk_json_value *a, const pk_json_value *b)
{
    const pk_json_value *other = pk_json_first(b);
    for (const pk_json_value *m = pk_json_first(a); m; m = pk_json_next(a, m), other = pk_json_next(b, other)) {
        if (!pk__schema_equal(run, m, other)) {
            return false;
        }
    }
    return true;
}

/* As deep as the reader lets values be. */
PK__FN bool pk__schema_equal(pk__schema_run *run, const pk_json_value *a, const pk_json_value *b)
{
    pk_json_type type = pk_json_type_of(a);
    if (type != pk_json_type_of(b) || !pk__schema_step(run, 1)) {
        return false;
    }
    switch (type) {
    case PK_JSON_BOOL: return pk_json_bool(a, false) == pk_json_bool(b, false);
    case PK_JSON_NUMBER: {
        pk__decimal x = pk__decimal_from(pk_json_number_text(a)), y = pk__decimal_from(pk_json_number_text(b));
        return pk__decimal_compare(&x, &y) == 0;
    }
    case PK_JSON_STRING: return pk_str_eq(pk_json_str(a), pk_json_str(b));
    case PK_JSON_ARRAY: return pk_json_count(a) == pk_json_count(b) && pk__schema_equal_arrays(run, a, b);
    case PK_JSON_OBJECT: return pk_json_count(a) == pk_json_count(b) && pk__schema_equal_objects(run, a, b);
    default: return true;
    }
}

/* ---- different items: sorted by a hash, equal ones stand side by side */

static uint64_t pk__schema_mix(uint64_t hash)
{
    hash = (hash ^ hash >> 32) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

static uint64_t pk__schema_hash_text(pk_str text, uint64_t hash)
{
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001B3);
    }
    return pk__schema_mix(hash + text.len);
}

static uint64_t pk__schema_hash(pk__schema_run *run, const pk_json_value *v)
{
    uint64_t hash = (uint64_t)pk_json_type_of(v) * 31 + pk_json_count(v);
    if (!pk__schema_step(run, 1)) {
        return 0;
    }
    switch (pk_json_type_of(v)) {
    case PK_JSON_BOOL: return pk__schema_mix(hash + pk_json_bool(v, false));
    case PK_JSON_NUMBER: {
        pk__decimal d = pk__decimal_from(pk_json_number_text(v));
        return pk__schema_mix(hash ^ pk__decimal_hash(&d));
    }
    case PK_JSON_STRING: return pk__schema_hash_text(pk_json_str(v), hash);
    case PK_JSON_ARRAY:
        for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
            hash = pk__schema_mix(hash * 3 + pk__schema_hash(run, m));
        }
        return hash;
    case PK_JSON_OBJECT: // in any order
        for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
            hash += pk__schema_mix(pk__schema_hash_text(pk_json_key(m), 5) ^ pk__schema_hash(run, m) * 7);
        }
        return hash;
    default: return pk__schema_mix(hash);
    }
}

typedef struct pk__schema_hashed {
    uint64_t hash;
    const pk_json_value *value;
    size_t index;
} pk__schema_hashed;

static void pk__schema_sink_hashed(pk__schema_hashed *items, size_t at, size_t count)
{
    pk__schema_hashed one = items[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && items[child].hash < items[child + 1].hash;
        if (one.hash >= items[child].hash) {
            break;
        }
        items[at] = items[child];
        at = child;
    }
    items[at] = one;
}

static void pk__schema_sort_hashed(pk__schema_hashed *items, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) {
        pk__schema_sink_hashed(items, i, count);
    }
    for (; count > 1; count--) {
        pk__schema_hashed last = items[count - 1];
        items[count - 1] = items[0];
        items[0] = last;
        pk__schema_sink_hashed(items, 0, count - 1);
    }
}

static bool pk__schema_equal_hashed(pk__schema_run *run, const pk__schema_hashed *items, size_t count, size_t *first,
                                    size_t *second)
{
    for (size_t i = 0; i < count && !run->failed; i++) {
        for (size_t k = i + 1; k < count && items[k].hash == items[i].hash && !run->failed; k++) {
            if (pk__schema_equal(run, items[i].value, items[k].value)) {
                *first = PK__MIN(items[i].index, items[k].index);
                *second = PK__MAX(items[i].index, items[k].index);
                return true;
            }
        }
    }
    return false;
}

PK__FN bool pk__schema_has_equal_items(pk__schema_run *run, const pk_json_value *array, size_t *first, size_t *second)
{
    size_t count = pk_json_count(array), i = 0;
    pk__schema_hashed few[PK__SCHEMA_FEW], *items = few;
    if (!pk__schema_step(run, count)) {
        return false;
    }
    if (count > PK__SCHEMA_FEW) {
        items = (pk__schema_hashed *)pk__resize(run->alloc, NULL, 0, count * sizeof(*items));
        if (!items) {
            return pk__schema_fail(run, PK_ERR_NO_MEMORY, "");
        }
    }
    for (const pk_json_value *m = pk_json_first(array); m; m = pk_json_next(array, m), i++) {
        items[i].hash = pk__schema_hash(run, m);
        items[i].value = m;
        items[i].index = i;
    }
    pk__schema_sort_hashed(items, count);
    bool found = pk__schema_equal_hashed(run, items, count, first, second);
    if (items != few) {
        pk__free(run->alloc, items, count * sizeof(*items));
    }
    return found;
}

#endif
