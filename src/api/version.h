/* version.h - what release this is, and how the functions below are linked. */

#define PK_VERSION_MAJOR 0
#define PK_VERSION_MINOR 1
#define PK_VERSION_PATCH 0
#define PK_VERSION "0.1.0"

/* Two headers of different releases cannot share one program: their core would differ silently. */
#ifdef PK__CORE_VERSION
#if PK__CORE_VERSION != 100
#error "plugkit.h and plugkit_sdk.h are of different releases: copy both from the same one"
#endif
#else
#define PK__CORE_VERSION 100
#endif

#if defined(__GNUC__) || defined(__clang__)
#define PK_UNUSED __attribute__((unused))
#define PK_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#else
#define PK_UNUSED
#define PK_PRINTF(format_at, first_at)
#endif

/* PLUGKIT_STATIC: every function is private to the file that includes the header. */
#ifdef PLUGKIT_STATIC
#define PK_API static PK_UNUSED
#define PK_API_DATA static PK_UNUSED
#else
#define PK_API extern
#define PK_API_DATA extern
#endif

/* The version of the implementation that was linked in, as text. Compare it with PK_VERSION. */
PK_API const char *pk_version(void);
