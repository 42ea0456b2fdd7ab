/* map.c - the string map. */
#include "map.h"
#include "memory.h"

#include <string.h>

static uint32_t pk__map_hash(pk_str key)
{
    uint32_t h = 2166136261u; // FNV-1a
    for (size_t i = 0; i < key.len; i++) {
        h = (h ^ (unsigned char)key.ptr[i]) * 16777619u;
    }
    return h;
}

/* The entry with this key, or else the first one where it may be put; NULL only for an empty table. */
static pk__map_entry *pk__map_seek(const pk__map *map, pk_str key, uint32_t hash)
{
    pk__map_entry *removed = NULL;
    for (size_t i = hash, n = 0; n < map->cap; i++, n++) {
        pk__map_entry *e = &map->entries[i & (map->cap - 1)];
        if (!e->key.ptr) {
            return removed ? removed : e;
        }
        if (!e->value) {
            removed = removed ? removed : e;
        } else if (e->hash == hash && pk_str_eq(e->key, key)) {
            return e;
        }
    }
    return removed;
}

static bool pk__map_grow(pk__map *map)
{
    size_t cap = map->cap ? map->cap : 8;
    while (map->live + 1 > cap / 2) {
        cap *= 2;
    }
    pk__map bigger = {map->alloc, NULL, cap, map->live, map->live};
    bigger.entries = (pk__map_entry *)pk__new(map->alloc, cap * sizeof(*bigger.entries));
    if (!bigger.entries) {
        return false;
    }
    for (size_t i = 0; i < map->cap; i++) {
        if (map->entries[i].value) {
            *pk__map_seek(&bigger, map->entries[i].key, map->entries[i].hash) = map->entries[i];
        }
    }
    pk__free(map->alloc, map->entries, map->cap * sizeof(*map->entries));
    *map = bigger;
    return true;
}

PK__FN void pk__map_init(pk__map *map, const pk_alloc *alloc)
{
    memset(map, 0, sizeof(*map));
    map->alloc = alloc;
}

PK__FN void pk__map_deinit(pk__map *map)
{
    pk__free(map->alloc, map->entries, map->cap * sizeof(*map->entries));
    memset(map, 0, sizeof(*map));
}

PK__FN void *pk__map_get(const pk__map *map, pk_str key)
{
    const pk__map_entry *e = map->cap ? pk__map_seek(map, key, pk__map_hash(key)) : NULL;
    return e && e->key.ptr ? e->value : NULL; // a removed entry has no value
}

PK__FN bool pk__map_put(pk__map *map, pk_str key, void *value)
{
    PK__ASSERT(value);
    if ((map->used + 1) * 4 > map->cap * 3 && !pk__map_grow(map)) {
        return false;
    }
    uint32_t hash = pk__map_hash(key);
    pk__map_entry *e = pk__map_seek(map, key, hash);
    map->used += !e->key.ptr;
    map->live += !e->value;
    e->key.ptr = key.ptr ? key.ptr : "";
    e->key.len = key.len;
    e->value = value;
    e->hash = hash;
    return true;
}

PK__FN void *pk__map_remove(pk__map *map, pk_str key)
{
    pk__map_entry *e = map->cap ? pk__map_seek(map, key, pk__map_hash(key)) : NULL;
    if (!e || !e->key.ptr || !e->value) {
        return NULL;
    }
    void *value = e->value;
    e->value = NULL;
    e->key = PK_STR(""); // the caller's bytes may go now
    map->live--;
    return value;
}

PK__FN bool pk__map_next(const pk__map *map, size_t *at, pk__map_entry **out)
{
    while (*at < map->cap) {
        pk__map_entry *e = &map->entries[(*at)++];
        if (e->value) {
            *out = e;
            return true;
        }
    }
    return false;
}
