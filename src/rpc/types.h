/* types.h - the struct tables of api/types.h at work: JSON text straight into structs, and back.
 *
 * A pk_type is a table that the macros make at compile time: each field has its JSON key, shape, type and offsets. The
 * decoder copies the text once into the pk_mem and walks copy and table together: no tree in between, strings and free
 * JSON are views into the copy, unescaped in place. Lists and maps are counted first and then get their memory in one
 * piece. Usually the keys come in the order of the table, so the search for a field begins behind the last one.
 *
 * There is no switch over kinds: each type has a codec and each field a shape (types_table.c), so a program is linked
 * with what the tables in it lead to. One without a double has no arithmetic of doubles.
 *
 * Both directions recurse as deep as the types are nested, which the programmer decided; foreign input only decides
 * about values that nobody asked for, and those are skipped without recursion. A path, one link on the stack a level,
 * becomes the words of an error: "cannot decode settings: servers[2].port: expected integer, got "80"". */
#ifndef PK__TYPES_H
#define PK__TYPES_H
#include "../base/defs.h"

/* Where in a value we are: a member's name, or an index if the name is "". */
typedef struct pk__types_path {
    const struct pk__types_path *up; // NULL = the root, which has neither
    pk_str name;
    size_t index;
} pk__types_path;

/* The members that PK_STRUCT declares for lists and maps, with all pointers alike: they are copied, not cast. */
typedef struct pk__types_list {
    void *items;
    size_t count;
} pk__types_list;

typedef struct pk__types_map {
    pk_str *keys;
    void *values;
    size_t count;
} pk__types_map;

PK__FN size_t pk__types_path_text(const pk__types_path *path, char *out, size_t cap); // "servers[2].port"
/* "cannot <verb> <type>: <path>: <reason> (<place>)", PK_ERR_SERIALIZE; place NULL = without. */
PK__COLD pk_err pk__types_fail(pk_error *err, const char *verb, const pk_type *root, const pk__types_path *path,
                             const char *reason, const char *place);
/* Stores an enum's value, as wide as the compiler made the enum. */
PK__FN void pk__types_enum_set(const pk_type *type, void *at, int value);

/* What the tables lead to. The value at the cursor goes into *value, which holds anything; false: the reason is set. */
typedef struct pk__types_in pk__types_in;
#define PK__TYPES_READ(name)                                                                                  \
    PK__FN bool pk__types_read_##name(pk__types_in *in, const pk__types_path *path, const pk_type *type, void *value)
PK__TYPES_READ(struct);
PK__TYPES_READ(enum);
PK__TYPES_READ(str);
PK__TYPES_READ(b64);
PK__TYPES_READ(json);
PK__TYPES_READ(ns);
PK__TYPES_READ(bool);
PK__TYPES_READ(int);
PK__TYPES_READ(uint64);
PK__TYPES_READ(double);
PK__TYPES_READ(none);
PK__TYPES_READ(blob);
#define PK__TYPES_READ_SHAPE(name)                                                                            \
    PK__FN bool pk__types_read_##name(pk__types_in *in, const pk__types_path *path, const pk_field *field, char *object)
PK__TYPES_READ_SHAPE(req);
PK__TYPES_READ_SHAPE(opt);
PK__TYPES_READ_SHAPE(list);
PK__TYPES_READ_SHAPE(map);

typedef struct pk__types_out pk__types_out;
#define PK__TYPES_WRITE(name)                                                                                 \
    PK__FN bool pk__types_write_##name(pk__types_out *out, const pk__types_path *path, const pk_type *type,   \
                                       const void *value)
PK__TYPES_WRITE(struct);
PK__TYPES_WRITE(enum);
PK__TYPES_WRITE(str);
PK__TYPES_WRITE(b64);
PK__TYPES_WRITE(json);
PK__TYPES_WRITE(bool);
PK__TYPES_WRITE(int32);
PK__TYPES_WRITE(uint32);
PK__TYPES_WRITE(int64);
PK__TYPES_WRITE(uint64);
PK__TYPES_WRITE(double);
PK__TYPES_WRITE(none);
PK__TYPES_WRITE(blob);
#define PK__TYPES_WRITE_SHAPE(name)                                                                           \
    PK__FN bool pk__types_write_##name(pk__types_out *out, const pk__types_path *path, const pk_field *field, \
                                       const char *object)
PK__TYPES_WRITE_SHAPE(req);
PK__TYPES_WRITE_SHAPE(opt);
PK__TYPES_WRITE_SHAPE(list);
PK__TYPES_WRITE_SHAPE(map);

#ifdef PLUGKIT_WITH_JSON_TOOLS
#define PK__TYPES_OTHER(name)                                                                                 \
    PK__FN bool pk__types_other_##name(pk__types_in *in, const pk__types_path *path, const pk_field *field,   \
                                       char *object, bool at_end)
PK__TYPES_OTHER(default);
PK__TYPES_OTHER(rest);
PK__TYPES_WRITE_SHAPE(rest);
#endif

/* pk_json_decode_with, but keys that stand twice are seen only if they are in the table: that needs no memory. */
PK__FN pk_err pk__types_decode(pk_mem *mem, const pk_type *type, pk_str json, const pk_json_options *options, void *out,
                               pk_error *err);

#endif
