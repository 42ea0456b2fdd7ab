/* types_write.c - structs as JSON text. */
#include <string.h>

#include "../wire/json_write.h"
#include "types.h"

struct pk__types_out {
    pk_json_writer json;
    const pk_type *root;
    pk_error *err;
    pk_err failed; // what the writer does not know about, or not where
};

/* ---- values */

static bool pk__types_put(pk__types_out *out, const pk__types_path *path, const pk_type *type, const void *value)
{
    pk_json_writer *w = &out->json;
    if (!type->codec->write(out, path, type, value)) {
        return false;
    }
    if (w->failed && pk__json_fault_code(w) == PK_ERR_SERIALIZE) { // here and not elsewhere: say where
        out->failed = pk__types_fail(out->err, "encode", out->root, path, pk__json_fault_text(w), NULL);
    }
    return !w->failed;
}

/* The body of those that are one call to the writer, which remembers whether it failed. */
#define PK__TYPES_PUT(T, put)                                                                                 \
    {                                                                                                         \
        (void)path, (void)type;                                                                               \
        put(&out->json, *(const T *)value);                                                                   \
        return true;                                                                                          \
    }
PK__TYPES_WRITE(str) PK__TYPES_PUT(pk_str, pk_json_put_str)
PK__TYPES_WRITE(b64) PK__TYPES_PUT(pk_b64, pk_json_put_b64)
PK__TYPES_WRITE(json) PK__TYPES_PUT(pk_json, pk_json_put_raw)
PK__TYPES_WRITE(bool) PK__TYPES_PUT(bool, pk_json_put_bool)
PK__TYPES_WRITE(int32) PK__TYPES_PUT(int32_t, pk_json_put_int)
PK__TYPES_WRITE(uint32) PK__TYPES_PUT(uint32_t, pk_json_put_uint)
PK__TYPES_WRITE(int64) PK__TYPES_PUT(int64_t, pk_json_put_int)
PK__TYPES_WRITE(uint64) PK__TYPES_PUT(uint64_t, pk_json_put_uint)
PK__TYPES_WRITE(double) PK__TYPES_PUT(double, pk_json_put_double)

PK__TYPES_WRITE(none)
{
    (void)path, (void)type, (void)value;
    pk_json_put_null(&out->json);
    return true;
}

PK__TYPES_WRITE(enum)
{
    int known;
    for (uint32_t i = 0; i < type->count; i++) {
        pk__types_enum_set(type, &known, type->names[i].value);
        if (memcmp(&known, value, type->size) == 0) {
            pk_json_put_text(&out->json, type->names[i].json);
            return true;
        }
    }
    out->failed = pk__types_fail(out->err, "encode", out->root, path, "the enum's value has no name", NULL);
    return false;
}

PK__TYPES_WRITE(blob)
{
    (void)path, (void)value;
    out->failed = pk_error_set(out->err, PK_ERR_MISUSE, "cannot encode %s: it is raw bytes, not JSON", type->name);
    return false;
}

/* ---- members, keys included */

PK__TYPES_WRITE_SHAPE(req)
{
    pk_json_put_key_str(&out->json, path->name);
    return pk__types_put(out, path, field->type, object + field->at);
}

PK__TYPES_WRITE_SHAPE(opt)
{
    return !*(const bool *)(object + field->at - field->has_back) || pk__types_write_req(out, path, field, object);
}

PK__TYPES_WRITE_SHAPE(list)
{
    pk__types_list list;
    pk__types_path item = {path, {NULL, 0}, 0};
    memcpy(&list, object + field->at, sizeof(list));
    pk_json_put_key_str(&out->json, path->name);
    pk_json_put_array(&out->json);
    for (; item.index < list.count; item.index++) {
        if (!pk__types_put(out, &item, field->type, (const char *)list.items + item.index * field->type->size)) {
            return false;
        }
    }
    pk_json_put_end(&out->json);
    return true;
}

/* The members of a map, of the object at `up`. */
static bool pk__types_write_items(pk__types_out *out, const pk__types_path *up, const pk_field *field,
                                  const char *object)
{
    pk__types_map map;
    pk__types_path item = {up, {NULL, 0}, 0};
    memcpy(&map, object + field->at, sizeof(map));
    for (size_t i = 0; i < map.count; i++) {
        item.name.ptr = map.keys[i].ptr ? map.keys[i].ptr : "";
        item.name.len = map.keys[i].len;
        pk_json_put_key_str(&out->json, item.name);
        if (!pk__types_put(out, &item, field->type, (const char *)map.values + i * field->type->size)) {
            return false;
        }
    }
    return true;
}

PK__TYPES_WRITE_SHAPE(map)
{
    pk_json_put_key_str(&out->json, path->name);
    pk_json_put_object(&out->json);
    bool good = pk__types_write_items(out, path, field, object);
    pk_json_put_end(&out->json);
    return good;
}

#ifdef PLUGKIT_WITH_JSON_TOOLS
PK__TYPES_WRITE_SHAPE(rest)
{
    return pk__types_write_items(out, path->up, field, object);
}
#endif

PK__TYPES_WRITE(struct)
{
    pk__types_path member = {path, {NULL, 0}, 0};
    bool good = true;
    pk_json_put_object(&out->json);
    for (uint32_t i = 0; i < type->count && good; i++) {
        member.name.ptr = type->fields[i].json;
        member.name.len = type->fields[i].json_len;
        good = type->fields[i].shape->write(out, &member, &type->fields[i], (const char *)value);
    }
    pk_json_put_end(&out->json);
    return good;
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
    if (pk__types_put(&out, &path, type, in) && !out.json.failed) {
        return PK_OK;
    }
    buf->len = start; // nothing half done
    if (out.failed) {
        return out.failed;
    }
    return pk_error_set(err, pk__json_fault_code(&out.json), "cannot encode %s: %s", type->name,
                        pk__json_fault_text(&out.json));
}
