/* memory.h - strings, the allocator hook, and the two places where bytes live: pk_mem and pk_buf.
 *
 * Ownership, once for the whole header: arguments are borrowed for the duration of the call. A pk_str is a view;
 * the sentence above a function says until when the views it returns are valid. What has `create` or `dup` in its
 * name is yours to free. Freeing NULL or a zeroed object does nothing. */

typedef struct pk_str {
    const char *ptr; // not NUL-terminated; may be NULL when len is 0
    size_t len;      // bytes
} pk_str;

#ifdef __cplusplus
#define PK_STR(literal) (pk_str{("" literal), sizeof(literal) - 1})
#else
#define PK_STR(literal) ((pk_str){("" literal), sizeof(literal) - 1})
#endif
#define PK_STR_INIT(literal) {("" literal), sizeof(literal) - 1} // where C99 wants a constant initialiser

/* printf("%" PK_FMT "\n", PK_ARG(s)); */
#define PK_FMT ".*s"
#define PK_ARG(s) PK__CAST(int, (s).len), (s).ptr ? (s).ptr : ""

typedef pk_str pk_b64;  // bytes in C, base64 text in JSON
typedef pk_str pk_json; // any JSON value, kept as its text
typedef int64_t pk_ns;  // a duration in nanoseconds; in JSON an integer, or text such as "5m" or "1h30m"

PK_API pk_str pk_str_from(const char *text);                   // a view of a C string; NULL gives ""
PK_API bool pk_str_eq(pk_str a, pk_str b);                     // same bytes
PK_API bool pk_str_is(pk_str a, const char *text);             // same bytes as a C string
PK_API bool pk_str_ieq(pk_str a, pk_str b);                    // same but for ASCII case
PK_API bool pk_str_starts(pk_str s, pk_str prefix);            // begins with prefix
PK_API bool pk_str_cut(pk_str s, char at, pk_str *before, pk_str *after); // splits at the first `at`; false if none

/* The one memory hook. All zero means libc's realloc and free.
 * resize(user, NULL, 0, n) allocates, resize(user, p, old, n) moves, resize(user, p, old, 0) frees and returns
 * NULL. A failed call returns NULL and leaves the old block as it was. Blocks are aligned for any C type.
 * Must be thread-safe unless PLUGKIT_NO_THREADS is defined. */
typedef struct pk_alloc {
    void *(*resize)(void *user, void *ptr, size_t old_size, size_t new_size);
    void *user;
} pk_alloc;

/* pk_mem is where decoded values live: many small allocations, one release. {0} is ready to use.
 * Every message struct begins with one. Passing a message again reuses its memory: the values of the last call
 * are gone then. Not thread-safe. */
typedef struct pk_mem {
    const pk_alloc *alloc; // NULL = libc
    void *blocks;          // private
    char *at;              // private
    size_t left;           // private
} pk_mem;

/* Makes *mem one that lives in `bytes`, which are yours: on the stack, perhaps. As long as they are enough,
 * nothing is allocated. What does not fit comes from `more`, which must stay as long as *mem; with NULL it is out of
 * memory then. pk_mem_reset begins anew with these bytes, pk_mem_free forgets them. It takes up to 64 for itself. */
PK_API void pk_mem_over(pk_mem *mem, void *bytes, size_t size, const pk_alloc *more);
PK_API void *pk_mem_get(pk_mem *mem, size_t size);         // uninitialised, for any C type; NULL = out of memory
PK_API void *pk_mem_zero(pk_mem *mem, size_t size);        // the same, zeroed
PK_API pk_str pk_mem_dup(pk_mem *mem, pk_str s);           // a copy with a NUL behind it; ptr NULL = out of memory
PK_API pk_str pk_mem_printf(pk_mem *mem, const char *format, ...) PK_PRINTF(2, 3); // likewise
/* Hands a foreign block over: pk_mem_free calls release(user, block). False = out of memory, and the block is
 * still yours. */
PK_API bool pk_mem_adopt(pk_mem *mem, void *block, void (*release)(void *user, void *block), void *user);
PK_API void pk_mem_reset(pk_mem *mem); // empties it, keeps one block for the next use
PK_API void pk_mem_free(pk_mem *mem);  // empties it and gives everything back

/* pk_buf is a growing byte buffer with a limit. The first failure (no memory, over the limit) sticks, further
 * appends do nothing, and pk_buf_status tells at the end: a chain of appends needs one check. */
typedef struct pk_buf {
    char *ptr;             // the bytes; not NUL-terminated
    size_t len;            // how many
    size_t cap;            // private
    size_t max;            // the limit in bytes
    const pk_alloc *alloc; // NULL = libc
    int failed;            // 0, PK_ERR_NO_MEMORY or PK_ERR_LIMIT
} pk_buf;

PK_API void pk_buf_init(pk_buf *buf, const pk_alloc *alloc, size_t max); // max in bytes; must not be 0
PK_API void pk_buf_free(pk_buf *buf);
PK_API void pk_buf_clear(pk_buf *buf);                  // empties it and forgets a failure; keeps the memory
PK_API bool pk_buf_reserve(pk_buf *buf, size_t extra);  // room for `extra` more bytes behind len
PK_API bool pk_buf_add(pk_buf *buf, pk_str bytes);      // false once the buffer has failed
PK_API bool pk_buf_add_char(pk_buf *buf, char c);
PK_API bool pk_buf_printf(pk_buf *buf, const char *format, ...) PK_PRINTF(2, 3);
PK_API void pk_buf_drop(pk_buf *buf, size_t count);     // removes the first `count` bytes
PK_API pk_str pk_buf_str(const pk_buf *buf);            // a view, valid until the buffer changes
