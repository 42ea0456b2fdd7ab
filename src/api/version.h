/* version.h - what release this is, and how the functions below are linked. */

#define PK_VERSION_MAJOR 0
#define PK_VERSION_MINOR 1
#define PK_VERSION_PATCH 0
#define PK_VERSION "0.1.0"

#if defined(__GNUC__) || defined(__clang__)
#define PK_UNUSED __attribute__((unused))
#define PK_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#else
#define PK_UNUSED
#define PK_PRINTF(format_at, first_at)
#endif

/* Private: casts in macros that C++ compilers see, too; they can warn of those of C (-Wold-style-cast). */
#ifdef __cplusplus
#define PK__CAST(T, x) static_cast<T>(x)
#else
#define PK__CAST(T, x) ((T)(x))
#endif

/* The version of the implementation that was linked in, as text. Compare it with PK_VERSION. */
PK_API const char *pk_version(void);
