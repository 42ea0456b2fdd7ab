/* types_read.c - JSON text into structs. */
#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../base/sort.h"
#include "../wire/base64.h"
#include "../wire/duration.h"
#include "../wire/json_read.h"
#include "../wire/number.h"
#include "types_read.h"

PK__FN bool pk__types_no_memory(pk__types_in *in)
{
    in->failed = pk__error_memory(in->err, "decode JSON");
    return false;
}

/* The value at `at`, which is that of the path, is refused. */
#if PK__SMALL // the path has to be enough
PK__FN bool pk__types_refuse(pk__types_in *in, const pk__types_path *path, const char *at, const char *reason)
{
    (void)at;
    in->failed = pk__types_fail(in->err, "decode", in->root, path, reason, NULL);
    return false;
}
#else
PK__FN bool pk__types_refuse(pk__types_in *in, const pk__types_path *path, const char *at, const char *reason)
{
    char place[PK__JSON_PLACE_CAP];
    (void)pk__json_place(place, in->text, (size_t)(at - in->json.begin), in->json.options.from);
    in->failed = pk__types_fail(in->err, "decode", in->root, path, reason, place);
    return false;
}
#endif

/* The value at `value` is not what the table says. If it is no JSON either, that is the error. */
static bool pk__types_mismatch(pk__types_in *in, const pk__types_path *path, const char *value, const char *expected)
{
    pk__json_reader r; // over the original: the copy may be unescaped here
    pk__json_begin(&r, in->text);
    r.depth = in->json.depth;
    const char *p = r.begin + (value - in->json.begin);
    const char *end = pk__json_skip(&r, p);
    if (!end) {
        (void)pk__json_wrong(&in->json, in->json.begin + (r.wrong - r.begin), r.expected);
        in->json.failed = r.failed;
        return false;
    }
    char got[48], reason[160];
    pk_str text = {p, (size_t)(end - p)};
    (void)pk__error_clean(got, sizeof(got), text);
    (void)snprintf(reason, sizeof(reason), in->json.options.secret ? "expected %s" : "expected %s, got %s", expected,
                   got);
    return pk__types_refuse(in, path, value, reason);
}

/* The string at the cursor, unescaped, with a NUL behind it. */
PK__HOT bool pk__types_read_text(pk__types_in *in, pk_str *out)
{
    char *text = (char *)(uintptr_t)in->at + 1; // of the copy, which is ours
    const char *p = pk__json_body_open(&in->json, text, in->json.end, out);
    if (!p) {
        return false;
    }
    text[out->len] = '\0';
    in->at = p + 1;
    return true;
}

static bool pk__types_read_string(pk__types_in *in, const pk__types_path *path, const char *expected, pk_str *out)
{
    if (pk__json_peek(in->at, in->json.end) != '"') {
        return pk__types_mismatch(in, path, in->at, expected);
    }
    return pk__types_read_text(in, out);
}

PK__TYPES_READ(str)
{
    (void)type;
    return pk__types_read_string(in, path, "string", (pk_str *)value);
}

/* The bytes are put where the text was. */
PK__TYPES_READ(b64)
{
    static const char expected[] = "base64 text";
    char *first = (char *)in->at;
    pk_b64 *bytes = (pk_b64 *)value;
    (void)type;
    if (!pk__types_read_string(in, path, expected, bytes)) {
        return false;
    }
    return pk__base64_decode(*bytes, PK__BASE64_STD, first + 1, &bytes->len) ||
           pk__types_mismatch(in, path, first, expected);
}

PK__TYPES_READ(enum)
{
    const char *first = in->at;
    pk_str text = {NULL, 0};
    if (pk__json_peek(first, in->json.end) == '"' && !pk__types_read_text(in, &text)) {
        return false;
    }
    char expected[96] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < type->count; i++) {
        if (text.ptr && pk_str_is(text, type->names[i].json)) {
            pk__types_enum_set(type, value, type->names[i].value);
            return true;
        }
        if (len < sizeof(expected)) { // a long list is cut
            len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%s\"%s\"", len > 0 ? ", " : "one of ",
                                    type->names[i].json);
        }
    }
    return pk__types_mismatch(in, path, first, expected);
}

/* The number at the cursor; BAD if there is none. The cursor goes behind it. */
static pk__number_kind pk__types_scan_number(pk__types_in *in, pk_str *text)
{
    const char *p = in->at;
    pk__number_kind kind = pk__number_scan(&p, in->json.end);
    text->ptr = in->at;
    text->len = (size_t)(p - in->at);
    in->at = kind == PK__NUMBER_BAD ? in->at : p;
    return kind;
}

/* The integer at the cursor; the cursor goes behind it. */
PK__HOT pk__number_form pk__types_take_integer(pk__types_in *in, uint64_t *bits)
{
    const char *first = in->at;
    pk__number_form form = pk__number_take_integer(&in->at, in->json.end, bits);
    if (form == PK__NUMBER_TEXT && first[1] == '0' && in->at - first == 2) { // -0
        *bits = 0;
        form = PK__NUMBER_UINT;
    }
    return form;
}

PK__TYPES_READ(uint64)
{
    const char *first = in->at;
    (void)type;
    switch (pk__types_take_integer(in, (uint64_t *)value)) {
    case PK__NUMBER_UINT: return true;
    case PK__NUMBER_NONE: return pk__types_mismatch(in, path, first, "integer");
    default: return pk__types_mismatch(in, path, first, "integer from 0 to 18446744073709551615");
    }
}

PK__TYPES_READ(int)
{
    const char *first = in->at, *expected = "integer";
    uint64_t bits = 0;
    pk__number_form form = pk__types_take_integer(in, &bits);
    if (form == PK__NUMBER_NONE) {
        return pk__types_mismatch(in, path, first, expected);
    }
    int64_t i = (int64_t)bits;
    bool fits = form == PK__NUMBER_INT || (form == PK__NUMBER_UINT && bits <= INT64_MAX);
    if (type->kind == PK_TYPE_I32) {
        fits = fits && i >= INT32_MIN && i <= INT32_MAX;
        *(int32_t *)value = fits ? (int32_t)i : 0;
        expected = "integer from -2147483648 to 2147483647";
    } else if (type->kind == PK_TYPE_U32) {
        fits = fits && i >= 0 && i <= UINT32_MAX;
        *(uint32_t *)value = fits ? (uint32_t)i : 0;
        expected = "integer from 0 to 4294967295";
    } else {
        *(int64_t *)value = fits ? i : 0;
        expected = "integer of 64 bits";
    }
    return fits || pk__types_mismatch(in, path, first, expected);
}

PK__TYPES_READ(double)
{
    const char *first = in->at, *p = first;
    uint64_t bits = 0;
    (void)type;
    pk__number_form form = pk__number_take(&p, in->json.end, &bits);
    pk_str text = {first, (size_t)(p - first)};
    if (form == PK__NUMBER_NONE) {
        return pk__types_mismatch(in, path, first, "number");
    }
    in->at = p;
    switch (form) {
    case PK__NUMBER_UINT: *(double *)value = pk__number_round(bits, false); return true;
    case PK__NUMBER_INT: *(double *)value = pk__number_round(0 - bits, true); return true;
    case PK__NUMBER_DOUBLE: memcpy(value, &bits, sizeof(bits)); return true;
    default: break;
    }
    return pk__number_to_double(text, (double *)value) ||
           pk__types_mismatch(in, path, first, "number that a double can hold");
}

/* A duration: a number of nanoseconds, or text. What is behind a point is less than one of them. */
PK__TYPES_READ(ns)
{
    const char *first = in->at;
    pk_str text;
    bool good;
    (void)type;
    if (pk__json_peek(first, in->json.end) == '"') {
        if (!pk__types_read_text(in, &text)) {
            return false;
        }
        good = pk__duration_parse(text, (pk_ns *)value);
    } else {
        good = pk__types_scan_number(in, &text) != PK__NUMBER_BAD && pk__number_to_whole(text, (pk_ns *)value);
    }
    return good || pk__types_mismatch(in, path, first, "duration such as \"1m30s\"");
}

PK__TYPES_READ(bool)
{
    size_t left = (size_t)(in->json.end - in->at);
    bool yes = left >= 4 && memcmp(in->at, "true", 4) == 0;
    (void)type;
    if (!yes && (left < 5 || memcmp(in->at, "false", 5) != 0)) {
        return pk__types_mismatch(in, path, in->at, "true or false");
    }
    *(bool *)value = yes;
    in->at += yes ? 4 : 5;
    return true;
}

/* Goes over a value that nobody looks into. */
PK__FN bool pk__types_skip(pk__types_in *in)
{
    const char *p = pk__json_skip(&in->json, in->at);
    in->at = p ? p : in->at;
    return p != NULL;
}

PK__TYPES_READ(none)
{
    (void)path, (void)type, (void)value;
    return pk__types_skip(in);
}

PK__TYPES_READ(json)
{
    pk_json *json = (pk_json *)value;
    (void)path, (void)type;
    json->ptr = in->at;
    if (!pk__types_skip(in)) {
        return false;
    }
    json->len = (size_t)(in->at - json->ptr);
    return true;
}

PK__TYPES_READ(blob)
{
    (void)path, (void)value;
    in->failed = pk_error_set(in->err, PK_ERR_MISUSE, "cannot decode %s: it is raw bytes, not JSON", type->name);
    return false;
}

/* ---- containers */

PK__HOT bool pk__types_open(pk__types_in *in, const pk__types_path *path, char bracket, bool *more)
{
    if (pk__json_peek(in->at, in->json.end) != bracket) {
        return pk__types_mismatch(in, path, in->at, bracket == '{' ? "object" : "array");
    }
    const char *p = pk__json_open(&in->json, in->at, more);
    in->at = p ? p : in->at;
    return p != NULL;
}

/* Behind an item: goes over a comma or the closing bracket, and to what follows the comma. */
PK__HOT bool pk__types_more(pk__types_in *in, char bracket, bool *more)
{
    char next = pk__json_peek(in->at, in->json.end);
    if (next == ',' && !PK__SMALL) { // nearly always
        *more = true;
        in->at = pk__json_space(in->at + 1, in->json.end);
        return true;
    }
    const char *p = pk__json_more(&in->json, in->at, bracket, more);
    if (p) {
        in->at = *more ? pk__json_space(p, in->json.end) : p;
    }
    return p != NULL;
}

/* Goes over a member's key, its colon, and the space in front of the value. */
static bool pk__types_key(pk__types_in *in, pk_str *key)
{
    const char *p = pk__json_key(&in->json, in->at, key);
    if (!p) {
        return false;
    }
    char *text = (char *)(uintptr_t)key->ptr; // of the copy
    if (in->json.escaped) {
        key->len = pk__json_unescape(text, key->len);
    }
    text[key->len] = '\0';
    in->at = pk__json_space(p, in->json.end);
    return true;
}

PK__FN bool pk__types_is_null(const pk__types_in *in)
{
    return in->json.end - in->at >= 4 && memcmp(in->at, "null", 4) == 0;
}

/* How many items the container at the cursor has. Nothing is touched. */
static bool pk__types_count(pk__types_in *in, const pk__types_path *path, char bracket, size_t *count)
{
    pk__types_in ahead = *in;
    bool more = false, good = pk__types_open(&ahead, path, bracket, &more);
    pk_str key;
    for (*count = 0; good && more; ++*count) {
        if (bracket == '{') {
            const char *p = pk__json_key(&ahead.json, ahead.at, &key);
            good = p != NULL;
            ahead.at = p ? p : ahead.at;
        }
        good = good && pk__types_skip(&ahead) && pk__types_more(&ahead, (char)(bracket + 2), &more);
    }
    if (!good) {
        in->json = ahead.json;
        in->failed = ahead.failed;
    }
    return good;
}

/* Memory for that many items; NULL for none. */
PK__FN bool pk__types_get(pk__types_in *in, size_t count, size_t item_size, void **out)
{
    size_t size;
    *out = count > 0 && pk__size_mul(count, item_size, &size) ? pk_mem_get(in->mem, size) : NULL;
    return count == 0 || *out || pk__types_no_memory(in);
}

/* Twice as many items: usually the memory behind them is free. */
static bool pk__types_grow(pk__types_in *in, void **items, size_t *count, size_t item_size)
{
    size_t size = *count * item_size; // no overflow: there are as many
    void *more;
    if (!pk__types_get(in, *count, item_size, &more)) {
        return false;
    }
    if (more != (char *)*items + size) {
        pk__mem_trim(in->mem, more, size, 0);
        if (!pk__types_get(in, *count * 2, item_size, &more)) {
            return false;
        }
        memcpy(more, *items, size);
        *items = more;
    }
    *count *= 2;
    return true;
}

PK__TYPES_READ_SHAPE(list)
{
    const pk_type *type = field->type;
    pk__types_list list = {NULL, 0};
    pk__types_path item = {path, {NULL, 0}, 0};
    size_t count = 16; // what is no struct takes no memory of its own: then the list can grow as it is read
    bool more = false, grows = !PK__SMALL && type->kind != PK_TYPE_STRUCT;
    if ((!grows && !pk__types_count(in, path, '[', &count)) || !pk__types_open(in, path, '[', &more) ||
        (more && !pk__types_get(in, count, type->size, &list.items))) {
        return false;
    }
    for (; more; list.count++) {
        item.index = list.count;
        if (grows && list.count == count && !pk__types_grow(in, &list.items, &count, type->size)) {
            return false;
        }
        if (!type->codec->read(in, &item, type, (char *)list.items + list.count * type->size) ||
            !pk__types_more(in, ']', &more)) {
            return false;
        }
    }
    if (grows && list.count > 0) {
        pk__mem_trim(in->mem, list.items, count * type->size, list.count * type->size);
    }
    memcpy(object + field->at, &list, sizeof(list));
    return true;
}

/* ---- maps: of equal keys the last one stays */

/* By their bytes; equal ones by their place. */
static bool pk__types_key_before(const void *a, const void *b)
{
    const pk_str *x = (const pk_str *)a, *y = (const pk_str *)b;
    size_t least = PK__MIN(x->len, y->len);
    int order = least > 0 ? memcmp(x->ptr, y->ptr, least) : 0;
    return order != 0 ? order < 0 : x->len != y->len ? x->len < y->len : x < y;
}

/* Takes all but the last of equal keys out of a large map. */
PK__FN bool pk__types_unique(pk__types_in *in, pk__types_map *map, size_t item_size)
{
    size_t kept = 0, size = map->count * sizeof(pk_str *); // no overflow: there are as many keys
    const void **sorted = (const void **)pk_mem_get(in->mem, size);
    if (!sorted) {
        return pk__types_no_memory(in);
    }
    for (size_t i = 0; i < map->count; i++) {
        sorted[i] = &map->keys[i];
    }
    pk__sort(sorted, map->count, pk__types_key_before);
    for (size_t i = 0; i + 1 < map->count; i++) {
        const pk_str *key = (const pk_str *)sorted[i];
        if (pk_str_eq(*key, *(const pk_str *)sorted[i + 1])) {
            map->keys[key - map->keys].ptr = NULL;
        }
    }
    pk__mem_trim(in->mem, (void *)(uintptr_t)sorted, size, 0);
    for (size_t i = 0; i < map->count; i++) {
        if (map->keys[i].ptr) {
            map->keys[kept] = map->keys[i];
            memmove((char *)map->values + kept * item_size, (char *)map->values + i * item_size, item_size);
            kept++;
        }
    }
    map->count = kept;
    return true;
}

/* Where this key goes: among few keys that may be the place of an equal one. */
PK__FN size_t pk__types_slot(const pk__types_map *map, pk_str key, bool few)
{
    size_t i = few ? 0 : map->count;
    while (i < map->count && !pk_str_eq(map->keys[i], key)) {
        i++;
    }
    return i;
}

PK__TYPES_READ_SHAPE(map)
{
    const pk_type *type = field->type;
    pk__types_map map = {NULL, NULL, 0};
    pk__types_path item = {path, {NULL, 0}, 0};
    size_t total;
    bool more = false;
    void *keys = NULL;
    if (!pk__types_count(in, path, '{', &total) || !pk__types_get(in, total, sizeof(pk_str), &keys) ||
        !pk__types_get(in, total, type->size, &map.values) || !pk__types_open(in, path, '{', &more)) {
        return false;
    }
    map.keys = (pk_str *)keys;
    while (more) {
        if (!pk__types_key(in, &item.name)) {
            return false;
        }
        if (pk__types_is_null(in) && type->kind != PK_TYPE_JSON) {
            in->at += 4; // as if it were not there
        } else {
            size_t slot = pk__types_slot(&map, item.name, total <= PK__TYPES_FEW);
            if (!type->codec->read(in, &item, type, (char *)map.values + slot * type->size)) {
                return false;
            }
            map.keys[slot] = item.name;
            map.count += slot == map.count;
        }
        if (!pk__types_more(in, '}', &more)) {
            return false;
        }
    }
    if (total > PK__TYPES_FEW && map.count > 1 && !pk__types_unique(in, &map, type->size)) {
        return false;
    }
    memcpy(object + field->at, &map, sizeof(map));
    return true;
}

/* ---- structs */

PK__TYPES_READ_SHAPE(req)
{
    return field->type->codec->read(in, path, field->type, object + field->at);
}

PK__TYPES_READ_SHAPE(opt)
{
    *(bool *)(object + field->at - field->has_back) = true;
    return pk__types_read_req(in, path, field, object);
}

/* The field of that name: senders keep the order of the table, so the search begins at the expected one. */
static uint32_t pk__types_find(const pk_type *type, pk_str key, uint32_t expected)
{
    for (uint32_t n = 0; n < type->count; n++) {
        uint32_t i = expected + n < type->count ? expected + n : expected + n - type->count;
        const pk_field *field = &type->fields[i];
        if (field->json_len == key.len && memcmp(field->json, key.ptr, key.len) == 0) {
            return i;
        }
    }
    return type->count;
}

PK__HOT uint32_t pk__types_load(const char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* The same bytes, and none that would be escaped in JSON, or is not ASCII: those are compared elsewhere. */
PK__HOT bool pk__types_same(const char *p, const char *json, size_t len)
{
    if (len >= 4 && len <= 8) {
        uint32_t low = pk__types_load(p), high = pk__types_load(p + len - 4);
        return low == pk__types_load(json) && high == pk__types_load(json + len - 4) &&
               pk__swar_json(low | (uint64_t)high << 32) == 0;
    }
    for (size_t i = 0; i < len; i++) {
        if (p[i] != json[i] || p[i] == '"' || p[i] == '\\' || (unsigned char)(p[i] - 0x20) >= 0x60) {
            return false;
        }
    }
    return true;
}

/* Is this the member that comes next in the table, written as there? Goes over its key and colon, or nowhere. */
PK__HOT bool pk__types_expected(pk__types_in *in, const pk_field *field, pk_str *key)
{
    const char *p = in->at, *end = in->json.end;
    size_t len = field->json_len;
    if (PK__SMALL || (size_t)(end - p) < len + 3 || p[0] != '"' || p[len + 1] != '"' || p[len + 2] != ':' ||
        !pk__types_same(p + 1, field->json, len)) {
        return false;
    }
    key->ptr = p + 1;
    key->len = len;
    in->at = pk__json_space(p + len + 3, end);
    return true;
}

/* A member that is not in the table. */
#ifdef PLUGKIT_WITH_JSON_TOOLS
static bool pk__types_read_unknown(pk__types_in *in, const pk__types_path *path, const pk_type *type, char *object)
{
    const pk_field *last = type->count > 0 ? &type->fields[type->count - 1] : NULL;
    if (last && last->shape->other) {
        return last->shape->other(in, path, last, object, false);
    }
    return in->json.options.known_keys ? pk__types_refuse(in, path, in->at, "there is no such key")
                                       : pk__types_skip(in);
}
#else
static bool pk__types_read_unknown(pk__types_in *in, const pk__types_path *path, const pk_type *type, char *object)
{
    (void)path, (void)type, (void)object;
    return pk__types_skip(in);
}
#endif

/* Into an object of zeros; it may begin with a pk_mem that is in use. */
static bool pk__types_read_members(pk__types_in *in, const pk__types_path *path, const pk_type *type, char *object)
{
    uint64_t few = 0, *seen = &few; // one bit a field
    uint32_t next = 0;
    pk__types_path member = {path, {NULL, 0}, 0};
    bool more = false;
    if (type->count > 64 && !(seen = (uint64_t *)pk_mem_zero(in->mem, (type->count + 63) / 64 * sizeof(uint64_t)))) {
        return pk__types_no_memory(in);
    }
    if (!pk__types_open(in, path, '{', &more)) {
        return false;
    }
    while (more) {
        uint32_t i = next;
        if (type->count == 0 || !pk__types_expected(in, &type->fields[next], &member.name)) {
            if (!pk__types_key(in, &member.name)) {
                return false;
            }
            i = pk__types_find(type, member.name, next);
        }
        if (i == type->count) {
            if (!pk__types_read_unknown(in, &member, type, object)) {
                return false;
            }
        } else if (pk__types_is_null(in)) {
            in->at += 4; // as if it were not there
        } else {
            if (in->json.options.unique_keys && seen[i / 64] >> i % 64 & 1) {
                return pk__types_refuse(in, &member, in->at, "it stands there twice");
            }
            seen[i / 64] |= UINT64_C(1) << i % 64;
            next = i + 1 < type->count ? i + 1 : 0;
            if (!type->fields[i].shape->read(in, &member, &type->fields[i], object)) {
                return false;
            }
        }
        if (!pk__types_more(in, '}', &more)) {
            return false;
        }
    }
    if (type->count < 64 && few == (UINT64_C(1) << type->count) - 1 && !PK__SMALL) {
        return true;
    }
    for (uint32_t i = 0; i < type->count; i++) {
        const pk_field *field = &type->fields[i];
        if (seen[i / 64] >> i % 64 & 1) {
            continue;
        }
        member.name.ptr = field->json;
        member.name.len = field->json_len;
#ifdef PLUGKIT_WITH_JSON_TOOLS
        if (field->shape->other && !field->shape->other(in, &member, field, object, true)) {
            return false;
        }
#endif
        if (field->shape->is_due && field->type->kind != PK_TYPE_NONE) {
            return pk__types_refuse(in, &member, in->at, "it is missing");
        }
    }
    return true;
}

PK__TYPES_READ(struct)
{
    memset(value, 0, type->size);
    return pk__types_read_members(in, path, type, (char *)value);
}

PK__FN pk_err pk__types_decode(pk_mem *mem, const pk_type *type, pk_str json, const pk_json_options *options, void *out,
                               pk_error *err)
{
    pk__types_in in;
    pk__types_path path = {NULL, {NULL, 0}, 0};
    size_t head = type->has_mem ? sizeof(pk_mem) : 0;
    char what[96];
    if (type->kind == PK_TYPE_NONE) {
        return PK_OK;
    }
    pk_str copy = pk_mem_dup(mem, json);
    if (!copy.ptr) {
        return pk__error_memory(err, "decode JSON");
    }
    pk__json_begin(&in.json, copy);
    in.text = json;
    in.mem = mem;
    in.root = type;
    in.err = err;
    in.failed = PK_OK;
    if (options) {
        in.json.options = *options;
    }
    in.at = pk__json_space(in.json.begin, in.json.end);
    if (type->kind != PK_TYPE_BLOB) {
        memset((char *)out + head, 0, type->size - head);
    }
    bool good = type->kind == PK_TYPE_STRUCT ? pk__types_read_members(&in, &path, type, (char *)out)
                                             : type->codec->read(&in, &path, type, out);
    if (good && pk__json_end(&in.json, in.at)) {
        return PK_OK;
    }
    if (type->kind != PK_TYPE_BLOB) {
        memset((char *)out + head, 0, type->size - head);
    }
    (void)snprintf(what, sizeof(what), "decode %s", type->name);
    return in.json.failed ? pk__json_error(&in.json, json, what, err) : in.failed;
}

PK_API pk_err pk_json_decode(pk_mem *mem, const pk_type *type, pk_str json, void *out, pk_error *err)
{
    return pk__types_decode(mem, type, json, NULL, out, err);
}
