/* memory.c - the allocator hook, pk_mem. */
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PK__FN void *pk__resize(const pk_alloc *alloc, void *ptr, size_t old_size, size_t new_size)
{
    if (alloc && alloc->resize) {
        return alloc->resize(alloc->user, ptr, old_size, new_size);
    }
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

PK__FN void *pk__new(const pk_alloc *alloc, size_t size)
{
    void *ptr = pk__resize(alloc, NULL, 0, size);
    if (ptr) {
        memset(ptr, 0, size);
    }
    return ptr;
}

PK__FN void pk__free(const pk_alloc *alloc, void *ptr, size_t size)
{
    if (ptr) {
        (void)pk__resize(alloc, ptr, size, 0);
    }
}

PK__FN char *pk__strndup(const pk_alloc *alloc, pk_str s)
{
    char *copy = (char *)pk__resize(alloc, NULL, 0, s.len + 1);
    if (copy) {
        if (s.len > 0) {
            memcpy(copy, s.ptr, s.len);
        }
        copy[s.len] = '\0';
    }
    return copy;
}

PK__FN char *pk__strdup(const pk_alloc *alloc, const char *text)
{
    return pk__strndup(alloc, pk_str_from(text));
}

PK__FN void pk__strfree(const pk_alloc *alloc, char *text)
{
    if (text) {
        pk__free(alloc, text, strlen(text) + 1);
    }
}

PK__FN bool pk__size_add(size_t a, size_t b, size_t *out)
{
    *out = a + b;
    return *out >= a;
}

PK__FN bool pk__size_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b) {
        return false;
    }
    *out = a * b;
    return true;
}

/* ---- pk_mem */

enum { PK__MEM_ALIGN = 16, PK__MEM_FIRST = 1024, PK__MEM_LARGEST = 64 * 1024 };

typedef struct pk__mem_block {
    struct pk__mem_block *next;
    size_t size; // of the whole block, this head included
    void (*release)(void *user, void *block); // NULL = bytes of ours behind the head
    void *user;
    void *foreign;
} pk__mem_block;

enum { PK__MEM_HEAD = (sizeof(pk__mem_block) + PK__MEM_ALIGN - 1) / PK__MEM_ALIGN * PK__MEM_ALIGN };

static pk__mem_block *pk__mem_block_add(pk_mem *mem, size_t size)
{
    pk__mem_block *block = (pk__mem_block *)pk__resize(mem->alloc, NULL, 0, size);
    if (!block) {
        return NULL;
    }
    memset(block, 0, sizeof(*block));
    block->size = size;
    block->next = (pk__mem_block *)mem->blocks;
    mem->blocks = block;
    return block;
}

static void pk__mem_block_free(pk_mem *mem, pk__mem_block *block)
{
    if (block->release) {
        block->release(block->user, block->foreign);
    }
    if (block->foreign != block) {
        pk__free(mem->alloc, block, block->size);
    }
}

static void *pk__mem_nothing(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user, (void)ptr, (void)old_size, (void)new_size;
    return NULL;
}

PK_API void pk_mem_over(pk_mem *mem, void *bytes, size_t size, const pk_alloc *more)
{
    static const pk_alloc nowhere = {pk__mem_nothing, NULL};
    size_t skip = (size_t)(0 - (uintptr_t)bytes) % PK__MEM_ALIGN;
    memset(mem, 0, sizeof(*mem));
    mem->alloc = more ? more : &nowhere;
    if (size < skip + PK__MEM_HEAD) {
        return;
    }
    pk__mem_block *block = (pk__mem_block *)(void *)((char *)bytes + skip);
    memset(block, 0, sizeof(*block));
    block->size = size - skip;
    block->foreign = block;
    mem->blocks = block;
    mem->at = (char *)block + PK__MEM_HEAD;
    mem->left = block->size - PK__MEM_HEAD;
}

/* A request that does not fit into what is left gets a block of its own if it is large: the rest stays in use. */
static void *pk__mem_get_slow(pk_mem *mem, size_t size)
{
    size_t want;
    size_t usual = PK__MEM_FIRST;
    for (const pk__mem_block *b = (const pk__mem_block *)mem->blocks; b && usual < PK__MEM_LARGEST; b = b->next) {
        usual *= 2;
    }
    if (!pk__size_add(size, PK__MEM_HEAD, &want)) {
        return NULL;
    }
    bool own = want > usual / 2 && mem->left > 64;
    pk__mem_block *block = pk__mem_block_add(mem, own ? want : PK__MAX(want, usual));
    if (!block) {
        return NULL;
    }
    char *start = (char *)block + PK__MEM_HEAD;
    if (!own) {
        mem->at = start + size;
        mem->left = block->size - want;
    }
    return start;
}

PK_API void *pk_mem_get(pk_mem *mem, size_t size)
{
    if (size > SIZE_MAX - PK__MEM_ALIGN) {
        return NULL;
    }
    size = (size + PK__MEM_ALIGN - 1) & ~(size_t)(PK__MEM_ALIGN - 1);
    if (size == 0) {
        size = PK__MEM_ALIGN;
    }
    if (size > mem->left) {
        return pk__mem_get_slow(mem, size);
    }
    void *at = mem->at;
    mem->at += size;
    mem->left -= size;
    return at;
}

PK__FN void pk__mem_trim(pk_mem *mem, void *piece, size_t old_size, size_t new_size)
{
    size_t was = (old_size + PK__MEM_ALIGN - 1) & ~(size_t)(PK__MEM_ALIGN - 1);
    size_t stays = (new_size + PK__MEM_ALIGN - 1) & ~(size_t)(PK__MEM_ALIGN - 1);
    if (stays < was && (char *)piece + was == mem->at) {
        mem->at -= was - stays;
        mem->left += was - stays;
    }
}

PK_API void *pk_mem_zero(pk_mem *mem, size_t size)
{
    void *at = pk_mem_get(mem, size);
    if (at) {
        memset(at, 0, size);
    }
    return at;
}

PK_API pk_str pk_mem_dup(pk_mem *mem, pk_str s)
{
    pk_str copy = {NULL, 0};
    char *at = s.len == SIZE_MAX ? NULL : (char *)pk_mem_get(mem, s.len + 1);
    if (at) {
        if (s.len > 0) {
            memcpy(at, s.ptr, s.len);
        }
        at[s.len] = '\0';
        copy.ptr = at;
        copy.len = s.len;
    }
    return copy;
}

PK_API pk_str pk_mem_printf(pk_mem *mem, const char *format, ...)
{
    pk_str text = {NULL, 0};
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *at = len < 0 ? NULL : (char *)pk_mem_get(mem, (size_t)len + 1);
    if (at) {
        (void)vsnprintf(at, (size_t)len + 1, format, again);
        text.ptr = at;
        text.len = (size_t)len;
    }
    va_end(again);
    va_end(args);
    return text;
}

PK_API bool pk_mem_adopt(pk_mem *mem, void *block, void (*release)(void *user, void *block), void *user)
{
    pk__mem_block *entry = pk__mem_block_add(mem, PK__MEM_HEAD);
    if (!entry) {
        return false;
    }
    entry->release = release;
    entry->user = user;
    entry->foreign = block;
    return true;
}

PK_API void pk_mem_reset(pk_mem *mem)
{
    pk__mem_block *keep = NULL;
    for (pk__mem_block *b = (pk__mem_block *)mem->blocks, *next; b; b = next) {
        next = b->next;
        /* The largest one of usual size is kept: a warm message allocates nothing, a huge one is not held for ever.
         * The caller's bytes come last, and win. */
        if (b->foreign == b || (!b->release && b->size <= PK__MEM_LARGEST && (!keep || b->size > keep->size))) {
            if (keep) {
                pk__mem_block_free(mem, keep);
            }
            keep = b;
        } else {
            pk__mem_block_free(mem, b);
        }
    }
    mem->blocks = keep;
    mem->at = keep ? (char *)keep + PK__MEM_HEAD : NULL;
    mem->left = keep ? keep->size - PK__MEM_HEAD : 0;
    if (keep) {
        keep->next = NULL;
    }
}

PK_API void pk_mem_free(pk_mem *mem)
{
    if (!mem) {
        return;
    }
    for (pk__mem_block *b = (pk__mem_block *)mem->blocks, *next; b; b = next) {
        next = b->next;
        pk__mem_block_free(mem, b);
    }
    mem->blocks = NULL;
    mem->at = NULL;
    mem->left = 0;
}
