/* types_read.h - what reads structs, for those who add a shape. */
#ifndef PK__TYPES_READ_H
#define PK__TYPES_READ_H
#include "../wire/json_read.h"
#include "types.h"

struct pk__types_in {
    pk__json_reader json; // over the copy
    const char *at;       // the cursor
    pk_str text;          // what the caller passed: never changed
    pk_mem *mem;
    const pk_type *root;
    pk_error *err;
    pk_err failed; // what the JSON reader does not know about
};

/* All of these return false, and the reason is set. `at` is the value that is that of the path. */
PK__FN bool pk__types_no_memory(pk__types_in *in);
PK__FN bool pk__types_refuse(pk__types_in *in, const pk__types_path *path, const char *at, const char *reason);

PK__FN bool pk__types_skip(pk__types_in *in); // goes over a value that nobody looks into
PK__FN bool pk__types_is_null(const pk__types_in *in);
/* Memory for that many items; NULL for none. */
PK__FN bool pk__types_get(pk__types_in *in, size_t count, size_t item_size, void **out);

enum { PK__TYPES_FEW = 16 }; // up to so many keys of a map are compared with each other, more are sorted
/* Where this key goes: among few keys that may be the place of an equal one. */
PK__FN size_t pk__types_slot(const pk__types_map *map, pk_str key, bool few);
/* Takes all but the last of equal keys out of a large map. */
PK__FN bool pk__types_unique(pk__types_in *in, pk__types_map *map, size_t item_size);

#endif
