/* types_table.c - the tables of the basic types, and the functions that tables lead to. */
#include "types.h"

PK__DATA const pk_shape pk_shape_req = {true, pk__types_read_req, pk__types_write_req, NULL};
PK__DATA const pk_shape pk_shape_opt = {false, pk__types_read_opt, pk__types_write_opt, NULL};
PK__DATA const pk_shape pk_shape_list = {false, pk__types_read_list, pk__types_write_list, NULL};
PK__DATA const pk_shape pk_shape_map = {false, pk__types_read_map, pk__types_write_map, NULL};
#ifdef PLUGKIT_WITH_JSON_TOOLS
PK__DATA const pk_shape pk_shape_default = {false, pk__types_read_req, pk__types_write_req, pk__types_other_default};
PK__DATA const pk_shape pk_shape_rest = {false, NULL, pk__types_write_rest, pk__types_other_rest};
#endif

PK__DATA const pk_codec pk_codec_struct = {pk__types_read_struct, pk__types_write_struct};
PK__DATA const pk_codec pk_codec_enum = {pk__types_read_enum, pk__types_write_enum};

#define PK__TYPES_BASIC(name, T, kind, reader, writer)                                                        \
    static const pk_codec pk__types_codec_##name = {pk__types_read_##reader, pk__types_write_##writer};       \
    PK__DATA const pk_type pk_type_##name = {#name, kind, (uint32_t)sizeof(T), 0, kind == PK_TYPE_BLOB,       \
                                             NULL,  NULL, &pk__types_codec_##name}
PK__TYPES_BASIC(pk_str, pk_str, PK_TYPE_STR, str, str);
PK__TYPES_BASIC(pk_b64, pk_b64, PK_TYPE_B64, b64, b64);
PK__TYPES_BASIC(pk_json, pk_json, PK_TYPE_JSON, json, json);
PK__TYPES_BASIC(pk_ns, pk_ns, PK_TYPE_NS, ns, int64);
PK__TYPES_BASIC(bool, bool, PK_TYPE_BOOL, bool, bool);
PK__TYPES_BASIC(int32_t, int32_t, PK_TYPE_I32, int, int32);
PK__TYPES_BASIC(uint32_t, uint32_t, PK_TYPE_U32, int, uint32);
PK__TYPES_BASIC(int64_t, int64_t, PK_TYPE_I64, int, int64);
PK__TYPES_BASIC(uint64_t, uint64_t, PK_TYPE_U64, uint64, uint64);
PK__TYPES_BASIC(double, double, PK_TYPE_DOUBLE, double, double);
PK__TYPES_BASIC(pk_none, pk_none, PK_TYPE_NONE, none, none);
PK__TYPES_BASIC(pk_blob, pk_blob, PK_TYPE_BLOB, blob, blob);
