/* memory.h - the allocator hook as modules use it.
 *
 * Each object keeps a `const pk_alloc *` (NULL or all zero = libc) from its descriptor and passes it here. Sizes are
 * given back on free, so that a hook can be a plain arena. pk_mem is a chain of blocks, newest first: small requests
 * are cut from the newest, which doubles from 1 KiB to 64 KiB; adopted foreign blocks are entries in the same chain.
 * The caller's bytes are the last block of the chain, and the one that is never freed: it is foreign to itself. */
#ifndef PK__MEMORY_H
#define PK__MEMORY_H
#include "defs.h"

PK__FN void *pk__resize(const pk_alloc *alloc, void *ptr, size_t old_size, size_t new_size);
PK__FN void *pk__new(const pk_alloc *alloc, size_t size);                // zeroed; NULL = out of memory
PK__FN void pk__free(const pk_alloc *alloc, void *ptr, size_t size);     // NULL is fine
PK__FN char *pk__strdup(const pk_alloc *alloc, const char *text);        // free with pk__strfree
PK__FN char *pk__strndup(const pk_alloc *alloc, pk_str s);               // likewise; must not hold a NUL
PK__FN void pk__strfree(const pk_alloc *alloc, char *text);
/* Where the next `count` bytes of a buffer go, at least one; NULL = it has failed. Inline: it is asked for often. */
PK__HOT char *pk__buf_room(pk_buf *buf, size_t count)
{
    bool fits = count <= buf->cap - buf->len && !buf->failed;
    return fits || pk_buf_reserve(buf, count) ? buf->ptr + buf->len : NULL;
}
PK__FN void pk__mem_trim(pk_mem *mem, void *piece, size_t old_size, size_t new_size); // if it was the last one
PK__FN bool pk__size_add(size_t a, size_t b, size_t *out);               // false = overflow
PK__FN bool pk__size_mul(size_t a, size_t b, size_t *out);

#endif
