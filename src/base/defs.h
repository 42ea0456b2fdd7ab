/* defs.h - the few macros that every module uses. Undefined again at the end of the generated header. */
#ifndef PK__DEFS_H
#define PK__DEFS_H

#define PK__FN static PK_UNUSED // every private function: the joined header has only one translation unit

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

/* Programming mistakes only. Define PLUGKIT_ASSERT(x) to see them; runtime conditions return errors. */
#ifdef PLUGKIT_ASSERT
#define PK__ASSERT(x) PLUGKIT_ASSERT(x)
#else
#define PK__ASSERT(x) ((void)0)
#endif

#endif
