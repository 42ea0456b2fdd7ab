/* defs.h - the few macros that every module uses. Undefined again at the end of the generated header. */
#ifndef PK__DEFS_H
#define PK__DEFS_H

/* Private functions are static: the joined header has only one translation unit. (Unit tests make PK__FN extern: they
 * are linked with one that has been compiled before.) What a header defines is static everywhere. */
#ifndef PK__FN
#define PK__FN static PK_UNUSED
#endif
#define PK__LOCAL static PK_UNUSED

/* Definitions of PK_API_DATA objects. */
#if defined(PLUGKIT_STATIC) || defined(PLUGKIT_NO_CORE)
#define PK__DATA static PK_UNUSED
#else
#define PK__DATA
#endif

#define PK__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PK__MIN(a, b) ((a) < (b) ? (a) : (b))
#define PK__MAX(a, b) ((a) > (b) ? (a) : (b))
/* The struct that `ptr` is the `member` of. */
#define PK__OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* Is small code wanted rather than fast code? Where there are two ways, both give the same results, but
 * for the place in an error of a struct table. */
#if defined(PLUGKIT_SMALL) || defined(__OPTIMIZE_SIZE__)
#define PK__SMALL 1
#else
#define PK__SMALL 0
#endif

/* Functions that pay only where they are inlined. */
#if defined(__GNUC__) && !PK__SMALL
#define PK__HOT static inline __attribute__((always_inline, unused))
#else
#define PK__HOT PK__FN
#endif

/* Functions that are called when something is wrong: one copy is enough. */
#ifdef __GNUC__
#define PK__COLD __attribute__((noinline)) PK__FN
#else
#define PK__COLD PK__FN
#endif

/* The same number, and no compiler knows it. Where one knows how many bytes to clear, and these are more than 64, it
 * makes a string instruction of it, which takes several times as long as the library's function. */
#if defined(__GNUC__) && !PK__SMALL
PK__HOT size_t pk__unknown(size_t number)
{
    __asm__("" : "+r"(number));
    return number;
}
#define PK__UNKNOWN(number) pk__unknown(number)
#else
#define PK__UNKNOWN(number) (number)
#endif

/* Programming mistakes only. Define PLUGKIT_ASSERT(x) to see them; runtime conditions return errors. */
#ifdef PLUGKIT_ASSERT
#define PK__ASSERT(x) PLUGKIT_ASSERT(x)
#else
#define PK__ASSERT(x) ((void)0)
#endif

#endif
