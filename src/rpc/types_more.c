/* types_more.c - shapes beyond those that every program has: defaults, and keys that are in no table; and reading that
 * refuses. */
#ifdef PLUGKIT_WITH_JSON_TOOLS
#include <string.h>

#include "../base/error.h"
#include "types_read.h"

/* ---- what is not in a table: the map grows as it comes */

static bool pk__types_take_rest(pk__types_in *in, const pk__types_path *path, const pk_field *field, char *object)
{
    const pk_type *type = field->type;
    pk__types_map map;
    memcpy(&map, object + field->at, sizeof(map));
    if (pk__types_is_null(in) && type->kind != PK_TYPE_JSON) {
        in->at += 4;
        return true;
    }
    size_t slot = pk__types_slot(&map, path->name, map.count <= PK__TYPES_FEW);
    if (slot == map.count && (map.count & (map.count - 1)) == 0) { // a power of two, so it is full
        size_t count = map.count > 0 ? map.count * 2 : 1;
        void *keys = NULL, *values = NULL;
        if (!pk__types_get(in, count, sizeof(pk_str), &keys) || !pk__types_get(in, count, type->size, &values)) {
            return false;
        }
        if (map.count > 0) {
            memcpy(keys, map.keys, map.count * sizeof(pk_str));
            memcpy(values, map.values, map.count * type->size);
        }
        map.keys = (pk_str *)keys;
        map.values = values;
    }
    if (!type->codec->read(in, path, type, (char *)map.values + slot * type->size)) {
        return false;
    }
    map.keys[slot] = path->name;
    map.count += slot == map.count;
    memcpy(object + field->at, &map, sizeof(map));
    return true;
}

PK__TYPES_OTHER(rest)
{
    pk__types_map map;
    if (!at_end) {
        return pk__types_take_rest(in, path, field, object);
    }
    memcpy(&map, object + field->at, sizeof(map));
    if (map.count > PK__TYPES_FEW && !pk__types_unique(in, &map, field->type->size)) {
        return false;
    }
    memcpy(object + field->at, &map, sizeof(map));
    return true;
}

/* A missing member gets the value that the table has for it: that is JSON as well. */
PK__TYPES_OTHER(default)
{
    if (!at_end) {
        return in->json.options.known_keys ? pk__types_refuse(in, path, in->at, "there is no such key")
                                           : pk__types_skip(in);
    }
    pk__types_in in_table = *in;
    in_table.text = pk_str_from(field->json + field->json_len + 1);
    pk_str copy = pk_mem_dup(in->mem, in_table.text);
    if (!copy.ptr) {
        return pk__types_no_memory(in);
    }
    pk__json_begin(&in_table.json, copy);
    in_table.json.depth = in->json.depth;
    in_table.at = in_table.json.begin;
    if (field->type->codec->read(&in_table, path, field->type, object + field->at) &&
        pk__json_end(&in_table.json, in_table.at)) {
        return true;
    }
    in->failed = in_table.failed == PK_ERR_NO_MEMORY
                     ? PK_ERR_NO_MEMORY
                     : pk_error_set(in->err, PK_ERR_MISUSE, "cannot decode %s: the default of '%s' does not fit: %s",
                                    in->root->name, field->json, in_table.text.ptr);
    return false;
}

PK_API pk_err pk_json_decode_with(pk_mem *mem, const pk_type *type, pk_str json, const pk_json_options *options,
                                  void *out, pk_error *err)
{
    pk_err rc = pk__types_decode(mem, type, json, options, out, err);
    if (rc || !options || !options->unique_keys || type->kind == PK_TYPE_NONE) {
        return rc;
    }
    rc = pk__json_check_unique(mem->alloc, json, options->secret, err); // those in values that nobody looks into, too
    if (rc) {
        size_t head = type->has_mem ? sizeof(pk_mem) : 0;
        memset((char *)out + head, 0, type->size - head);
    }
    return rc;
}

#endif
