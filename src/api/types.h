/* types.h - structs described once, so that JSON goes in and out of them by itself.
 *
 *     #define POINT(F, T)                        // F(T, shape, type, member, "key in JSON")
 *         F(T, REQ,  double, x,    "x")          // required: a missing key is an error
 *         F(T, OPT,  pk_str, name, "name")       // optional: bool has_name; pk_str name;
 *         F(T, LIST, int64_t, tags, "tags")      // struct { int64_t *items; size_t count; } tags;
 *         F(T, MAP,  pk_json, more, "more")      // struct { pk_str *keys; pk_json *values; size_t count; } more;
 *
 *         F(T, DEFAULT(80), int32_t, port, "port")      // PLUGKIT_WITH_JSON_TOOLS: a missing key has this value,
 *         F(T, DEFAULT("5s"), pk_ns, wait, "wait")      // which is JSON
 *         F(T, REST, pk_json, others, "")        // so, too: like a MAP, of all keys that are not in the table
 *     PK_STRUCT(point, POINT)                    // (each line but the last ends in a backslash)
 *
 * Member types: pk_str, pk_b64 (bytes), pk_json (any value, kept as text), pk_ns (a duration), bool, double, int32_t,
 * uint32_t, int64_t, uint64_t, enums by PK_ENUM, and other structs. PK_MESSAGE makes a struct that owns its memory
 * (it begins with a pk_mem): requests and responses of contracts are messages. Unknown keys are ignored, unless there
 * is a REST, last in its table; a member that is null counts as missing, and a missing LIST or MAP is empty. Of
 * duplicate keys the last one counts. DEFAULT({}) of a struct has the defaults that are in it. */

typedef struct pk_type pk_type;
typedef struct pk_field pk_field;

/* Private: how values become JSON and back. A table leads to the functions of its own types and shapes, so that a
 * program that is linked with care (PLUGKIT_STATIC, or --gc-sections) holds those that it needs. */
struct pk__types_in;
struct pk__types_out;
struct pk__types_path;
typedef struct pk_codec {
    bool (*read)(struct pk__types_in *in, const struct pk__types_path *path, const pk_type *type, void *value);
    bool (*write)(struct pk__types_out *out, const struct pk__types_path *path, const pk_type *type,
                  const void *value);
} pk_codec;
typedef struct pk_shape {
    bool is_due; // a missing key is an error
    bool (*read)(struct pk__types_in *in, const struct pk__types_path *path, const pk_field *field, char *object);
    bool (*write)(struct pk__types_out *out, const struct pk__types_path *path, const pk_field *field,
                  const char *object);
    /* Called for keys that are not in the table, and at the end if its own was not there. */
    bool (*other)(struct pk__types_in *in, const struct pk__types_path *path, const pk_field *field, char *object,
                  bool at_end);
} pk_shape;
PK_API_DATA const pk_codec pk_codec_struct, pk_codec_enum;
PK_API_DATA const pk_shape pk_shape_req, pk_shape_opt, pk_shape_list, pk_shape_map;
#ifdef PLUGKIT_WITH_JSON_TOOLS
PK_API_DATA const pk_shape pk_shape_default, pk_shape_rest;
#endif

typedef enum pk_type_kind {
    PK_TYPE_STRUCT, PK_TYPE_STR, PK_TYPE_B64, PK_TYPE_JSON, PK_TYPE_NS, PK_TYPE_BOOL, PK_TYPE_I32, PK_TYPE_U32,
    PK_TYPE_I64, PK_TYPE_U64, PK_TYPE_DOUBLE, PK_TYPE_ENUM,
    PK_TYPE_NONE, // pk_none: nothing on the wire
    PK_TYPE_BLOB  // pk_blob: raw bytes instead of JSON, as a whole body only
} pk_type_kind;

struct pk_field {
    const char *json; // behind its NUL a DEFAULT has the text of the value
    const pk_type *type;
    const pk_shape *shape;
    uint32_t at;       // offset in the struct
    uint16_t has_back; // has_MEMBER is so many bytes before that; 0 = there is none
    uint16_t json_len;
};

typedef struct pk_enum_name {
    int value;
    const char *json;
} pk_enum_name;

struct pk_type {
    const char *name;
    pk_type_kind kind;
    uint32_t size, count;      // sizeof; how many fields or names
    bool has_mem;              // begins with a pk_mem
    const pk_field *fields;    // of a struct
    const pk_enum_name *names; // of an enum
    const pk_codec *codec;
};

typedef struct pk_none {
    char unused;
} pk_none;

PK_API_DATA const pk_type pk_type_pk_str, pk_type_pk_b64, pk_type_pk_json, pk_type_pk_ns, pk_type_bool,
    pk_type_int32_t, pk_type_uint32_t, pk_type_int64_t, pk_type_uint64_t, pk_type_double, pk_type_pk_none,
    pk_type_pk_blob;

#define PK_STRUCT(T, FIELDS)                                                                                  \
    typedef struct T T;                                                                                       \
    struct T {                                                                                                \
        FIELDS(PK__MEMBER, T)                                                                                 \
    };                                                                                                        \
    PK__TABLE(T, FIELDS, false)
#define PK_MESSAGE(T, FIELDS)                                                                                 \
    typedef struct T T;                                                                                       \
    struct T {                                                                                                \
        pk_mem mem;                                                                                           \
        FIELDS(PK__MEMBER, T)                                                                                 \
    };                                                                                                        \
    PK__TABLE(T, FIELDS, true)

/* #define LEVEL(V, T) V(T, LEVEL_LOW, "low") V(T, LEVEL_HIGH, "high")
 * PK_ENUM(level, LEVEL)            values count from 0 in this order; unknown text is an error */
#define PK_ENUM(T, VALUES)                                                                                    \
    typedef enum T { VALUES(PK__ENUM_VALUE, T) T##__count } T;                                                \
    PK_UNUSED static const pk_enum_name pk__names_##T[] = {VALUES(PK__ENUM_NAME, T)};                         \
    PK_UNUSED static const pk_type pk_type_##T = {#T, PK_TYPE_ENUM, PK__SIZE(T),                              \
                                                  PK__CAST(uint32_t, T##__count), false, NULL,                \
                                                  pk__names_##T, &pk_codec_enum};
#define PK__SIZE(T) PK__CAST(uint32_t, sizeof(T))
#define PK__ENUM_VALUE(T, value, json) value,
#define PK__ENUM_NAME(T, value, json) {value, json},

#define PK__MEMBER(T, shape, type, member, json) PK__MEMBER_##shape(type, member)
#define PK__MEMBER_REQ(type, member) type member;
#define PK__MEMBER_OPT(type, member)                                                                          \
    bool has_##member;                                                                                        \
    type member;
#define PK__MEMBER_LIST(type, member)                                                                         \
    struct {                                                                                                  \
        type *items;                                                                                          \
        size_t count;                                                                                         \
    } member;
#define PK__MEMBER_MAP(type, member)                                                                          \
    struct {                                                                                                  \
        pk_str *keys;                                                                                         \
        type *values;                                                                                         \
        size_t count;                                                                                         \
    } member;
#define PK__MEMBER_DEFAULT(...) PK__MEMBER_REQ
#define PK__MEMBER_REST(type, member) PK__MEMBER_MAP(type, member)

#define PK__ROW(T, shape, type, member, json)                                                                 \
    {PK__HEAD_##shape json PK__TAIL_##shape, &pk_type_##type, PK__SHAPE_##shape, PK__AT(T, member),           \
     PK__HAS_##shape(T, member), PK__CAST(uint16_t, sizeof(PK__HEAD_##shape json) - 1)},
#define PK__AT(T, member) PK__CAST(uint32_t, offsetof(T, member))
#define PK__SHAPE_REQ &pk_shape_req
#define PK__SHAPE_OPT &pk_shape_opt
#define PK__SHAPE_LIST &pk_shape_list
#define PK__SHAPE_MAP &pk_shape_map
#define PK__SHAPE_DEFAULT(...) &pk_shape_default
#define PK__SHAPE_REST &pk_shape_rest
#define PK__HAS_REQ(T, member) 0
#define PK__HAS_OPT(T, member) PK__CAST(uint16_t, offsetof(T, member) - offsetof(T, has_##member))
#define PK__HAS_LIST(T, member) 0
#define PK__HAS_MAP(T, member) 0
#define PK__HAS_DEFAULT(...) PK__HAS_REQ
#define PK__HAS_REST(T, member) 0
#define PK__HEAD_REQ
#define PK__HEAD_OPT
#define PK__HEAD_LIST
#define PK__HEAD_MAP
#define PK__HEAD_DEFAULT(...)
#define PK__HEAD_REST "\xFF" // no key has this byte
#define PK__TAIL_REQ
#define PK__TAIL_OPT
#define PK__TAIL_LIST
#define PK__TAIL_MAP
#define PK__TAIL_DEFAULT(...) "\0" #__VA_ARGS__
#define PK__TAIL_REST

#define PK__TABLE(T, FIELDS, has_mem)                                                                         \
    PK_UNUSED static const pk_field pk__fields_##T[] = {FIELDS(PK__ROW, T)};                                  \
    PK_UNUSED static const pk_type pk_type_##T = {                                                            \
        #T,      PK_TYPE_STRUCT,   PK__SIZE(T), PK__SIZE(pk__fields_##T) / PK__SIZE(pk_field),                \
        has_mem, pk__fields_##T, NULL,        &pk_codec_struct};

/* Reads JSON text into the struct *out of that type. What it points to lives in *mem, each string with a NUL behind
 * it; `json` is not needed afterwards. *out is zeroed first, and again after a failure (a message's own pk_mem is left
 * alone: pass &out->mem as mem to use it). For pk_none nothing is read.
 * Errors: PK_ERR_BAD_JSON (syntax); PK_ERR_SERIALIZE with the path, as in
 * "cannot decode settings: config.retry.max: expected integer, got "3" (line 1, column 25, offset 24)" (small builds
 * name the path alone); PK_ERR_LIMIT (nesting), PK_ERR_NO_MEMORY, PK_ERR_MISUSE (a pk_blob, a DEFAULT that does
 * not fit). */
PK_API pk_err pk_json_decode(pk_mem *mem, const pk_type *type, pk_str json, void *out, pk_error *err);
#ifdef PLUGKIT_WITH_JSON_TOOLS
/* The same with what is to be refused, or not to be quoted. NULL = nothing. */
PK_API pk_err pk_json_decode_with(pk_mem *mem, const pk_type *type, pk_str json, const pk_json_options *options,
                                  void *out, pk_error *err);
#endif
/* Appends the struct as compact JSON, without a line break; pk_none appends nothing. After a failure the buffer is as
 * long as before. Errors: PK_ERR_SERIALIZE (not UTF-8, not finite, an enum's value without name, with the path),
 * PK_ERR_LIMIT, PK_ERR_NO_MEMORY, PK_ERR_MISUSE (a pk_blob). */
PK_API pk_err pk_json_encode(pk_buf *buf, const pk_type *type, const void *in, pk_error *err);
