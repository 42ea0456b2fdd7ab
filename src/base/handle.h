/* handle.h - numbers for users to hold instead of pointers.
 *
 * A handle is a slot index (+1) in the low half and the slot's generation in the high half. Freeing a slot raises its
 * generation, so an old handle finds nothing: stale use is an error, never a crash. 0 is no handle. The table is not
 * thread-safe; its owner locks. Pointers stay where they are when the table grows. */
#ifndef PK__HANDLE_H
#define PK__HANDLE_H
#include "defs.h"

typedef struct pk__handle_slot {
    void *object; // NULL = free
    uint32_t generation, next_free;
} pk__handle_slot;

typedef struct pk__handles {
    const pk_alloc *alloc;
    pk__handle_slot *slots;
    uint32_t count, cap, first_free; // first_free: index + 1, 0 = none
} pk__handles;

PK__FN void pk__handles_init(pk__handles *t, const pk_alloc *alloc);
PK__FN void pk__handles_deinit(pk__handles *t);
PK__FN uint64_t pk__handles_add(pk__handles *t, void *object); // 0 = out of memory
PK__FN void *pk__handles_get(const pk__handles *t, uint64_t handle); // NULL = stale
PK__FN void *pk__handles_any(const pk__handles *t); // one that is left; NULL = none
PK__FN void pk__handles_remove(pk__handles *t, uint64_t handle);

#endif
