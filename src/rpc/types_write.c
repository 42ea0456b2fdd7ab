/* types_write.c - structs as JSON text. */
#include <string.h>

#include "../wire/json_write.h"
#include "types.h"

typedef struct pk__types_out {
    pk_json_writer json;
    const pk_type *root;
    pk_error *err;
    pk_err failed; // what the writer does not know about, or not where
} pk__types_out;

static bool pk__types_write(pk__types_out *out, const pk__types_path *path, const pk_type *type, const void *in);

static bool pk__types_write_enum(pk__types_out *out, const pk__types_path *path, const pk_type *type, const void *in)
{
    int value;
    for (uint32_t i = 0; i < type->count; i++) {
        pk__types_enum_set(type, &value, type->names[i].value);
        if (memcmp(&value, in, type->size) == 0) {
            pk_json_put_text(&out->json, type->names[i].json);
            return true;
        }
    }
    out->failed = pk__types_fail(out->err, "encode", out->root, path, "the enum's value has no name");
    return false;
}

static bool pk__types_write_list(pk__types_out *out, const pk__types_path *path, const pk_field *field, const void *in)
{
    pk__types_list list;
    pk__types_path item = {path, {NULL, 0}, 0};
    memcpy(&list, in, sizeof(list));
    pk_json_put_array(&out->json);
    for (; item.index < list.count; item.index++) {
        const char *at = (const char *)list.items + item.index * field->item_size;
        if (!pk__types_write(out, &item, field->type, at)) {
            return false;
        }
    }
    pk_json_put_end(&out->json);
    return true;
}

static bool pk__types_write_map(pk__types_out *out, const pk__types_path *path, const pk_field *field, const void *in)
{
    pk__types_map map;
    pk__types_path item = {path, {NULL, 0}, 0};
    memcpy(&map, in, sizeof(map));
    pk_json_put_object(&out->json);
    for (size_t i = 0; i < map.count; i++) {
        item.name.ptr = map.keys[i].ptr ? map.keys[i].ptr : "";
        item.name.len = map.keys[i].len;
        pk_json_put_key_str(&out->json, item.name);
        if (!pk__types_write(out, &item, field->type, (const char *)map.values + i * field->item_size)) {
            return false;
        }
    }
    pk_json_put_end(&out->json);
    return true;
}

static bool pk__types_write_struct(pk__types_out *out, const pk__types_path *path, const pk_type *type, const char *in)
{
    pk__types_path member = {path, {NULL, 0}, 0};
    bool good = true;
    pk_json_put_object(&out->json);
    for (uint32_t i = 0; i < type->count && good; i++) {
        const pk_field *field = &type->fields[i];
        const void *at = in + field->at;
        if (field->shape == PK_SHAPE_OPT && !*(const bool *)(in + field->has_at)) {
            continue;
        }
        member.name = pk_str_from(field->json);
        pk_json_put_key_str(&out->json, member.name);
        good = field->shape == PK_SHAPE_LIST  ? pk__types_write_list(out, &member, field, at)
               : field->shape == PK_SHAPE_MAP ? pk__types_write_map(out, &member, field, at)
                                              : pk__types_write(out, &member, field->type, at);
    }
    pk_json_put_end(&out->json);
    return good;
}

static bool pk__types_write(pk__types_out *out, const pk__types_path *path, const pk_type *type, const void *in)
{
    pk_json_writer *w = &out->json;
    switch (type->kind) {
    case PK_TYPE_STRUCT: return pk__types_write_struct(out, path, type, (const char *)in);
    case PK_TYPE_ENUM: return pk__types_write_enum(out, path, type, in);
    case PK_TYPE_STR: pk_json_put_str(w, *(const pk_str *)in); break;
    case PK_TYPE_B64: pk_json_put_b64(w, *(const pk_b64 *)in); break;
    case PK_TYPE_JSON: pk_json_put_raw(w, *(const pk_json *)in); break;
    case PK_TYPE_NS: pk_json_put_int(w, *(const pk_ns *)in); break;
    case PK_TYPE_BOOL: pk_json_put_bool(w, *(const bool *)in); break;
    case PK_TYPE_I32: pk_json_put_int(w, *(const int32_t *)in); break;
    case PK_TYPE_U32: pk_json_put_uint(w, *(const uint32_t *)in); break;
    case PK_TYPE_I64: pk_json_put_int(w, *(const int64_t *)in); break;
    case PK_TYPE_U64: pk_json_put_uint(w, *(const uint64_t *)in); break;
    case PK_TYPE_DOUBLE: pk_json_put_double(w, *(const double *)in); break;
    case PK_TYPE_NONE: pk_json_put_null(w); break;
    case PK_TYPE_BLOB:
        out->failed = pk_error_set(out->err, PK_ERR_MISUSE, "cannot encode %s: it is raw bytes, not JSON", type->name);
        return false;
    }
    if (w->failed && pk__json_fault_code(w) == PK_ERR_SERIALIZE) { // here and not elsewhere: say where
        out->failed = pk__types_fail(out->err, "encode", out->root, path, pk__json_fault_text(w));
    }
    return !w->failed;
}

PK_API pk_err pk_json_encode(pk_buf *buf, const pk_type *type, const void *in, pk_error *err)
{
    pk__types_out out;
    pk__types_path path = {NULL, {NULL, 0}, 0};
    size_t start = buf->len;
    if (type->kind == PK_TYPE_NONE) {
        return PK_OK;
    }
    out.root = type;
    out.err = err;
    out.failed = PK_OK;
    pk_json_write(&out.json, buf);
    if (pk__types_write(&out, &path, type, in) && !out.json.failed) {
        return PK_OK;
    }
    buf->len = start; // nothing half done
    if (out.failed) {
        return out.failed;
    }
    return pk_error_set(err, pk__json_fault_code(&out.json), "cannot encode %s: %s", type->name,
                        pk__json_fault_text(&out.json));
}
