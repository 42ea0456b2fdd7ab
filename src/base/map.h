/* map.h - a hash map from strings to pointers: open addressing, kept at most three quarters full.
 * Keys are views that the caller keeps alive as long as the entry. Not thread-safe. */
#ifndef PK__MAP_H
#define PK__MAP_H
#include "defs.h"

typedef struct pk__map_entry {
    pk_str key;  // ptr NULL = empty
    void *value; // NULL with a key = a removed entry
    uint32_t hash;
} pk__map_entry;

typedef struct pk__map {
    const pk_alloc *alloc;
    pk__map_entry *entries;
    size_t cap, used, live; // cap: 0 or a power of two; used counts removed entries too
} pk__map;

PK__FN void pk__map_init(pk__map *map, const pk_alloc *alloc);
PK__FN void pk__map_deinit(pk__map *map);
PK__FN void *pk__map_get(const pk__map *map, pk_str key);            // NULL = absent
PK__FN bool pk__map_put(pk__map *map, pk_str key, void *value);      // replaces; false = out of memory
PK__FN void *pk__map_remove(pk__map *map, pk_str key);               // what was there
PK__FN bool pk__map_next(const pk__map *map, size_t *at, pk__map_entry **out); // *at starts as 0

#endif
