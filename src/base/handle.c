/* handle.c - handles with generations. */
#include "handle.h"
#include "memory.h"

#include <string.h>

PK__FN void pk__handles_init(pk__handles *t, const pk_alloc *alloc)
{
    memset(t, 0, sizeof(*t));
    t->alloc = alloc;
}

PK__FN void pk__handles_deinit(pk__handles *t)
{
    pk__free(t->alloc, t->slots, t->cap * sizeof(*t->slots));
    memset(t, 0, sizeof(*t));
}

PK__FN uint64_t pk__handles_add(pk__handles *t, void *object)
{
    uint32_t index;
    if (t->first_free) {
        index = t->first_free - 1;
        t->first_free = t->slots[index].next_free;
    } else {
        if (t->count == t->cap) {
            if (t->cap > UINT32_MAX / 4) {
                return 0;
            }
            uint32_t cap = t->cap ? t->cap * 2 : 8;
            pk__handle_slot *slots = (pk__handle_slot *)pk__resize(t->alloc, t->slots, t->cap * sizeof(*slots),
                                                                   cap * sizeof(*slots));
            if (!slots) {
                return 0;
            }
            t->slots = slots;
            t->cap = cap;
        }
        index = t->count++;
        t->slots[index].generation = 1;
    }
    t->slots[index].object = object;
    t->slots[index].next_free = 0;
    return (uint64_t)t->slots[index].generation << 32 | (index + 1);
}

PK__FN void *pk__handles_get(const pk__handles *t, uint64_t handle)
{
    uint32_t index = (uint32_t)(handle & UINT32_MAX) - 1; // 0 wraps and is out of range
    if (index >= t->count || t->slots[index].generation != (uint32_t)(handle >> 32)) {
        return NULL;
    }
    return t->slots[index].object;
}

PK__FN void *pk__handles_any(const pk__handles *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->slots[i].object) {
            return t->slots[i].object;
        }
    }
    return NULL;
}

PK__FN void pk__handles_remove(pk__handles *t, uint64_t handle)
{
    if (!pk__handles_get(t, handle)) {
        return;
    }
    uint32_t index = (uint32_t)(handle & UINT32_MAX) - 1;
    t->slots[index].object = NULL;
    t->slots[index].generation++;
    if (t->slots[index].generation == 0) {
        t->slots[index].generation = 1;
    }
    t->slots[index].next_free = t->first_free;
    t->first_free = index + 1;
}
