/* shared.h - linkage of what host and SDK share. PLUGKIT_STATIC: private to the file that includes the header.
 * PLUGKIT_NO_CORE: this file has a private copy of the shared part, because another file of the program exports it. */
#undef PK_API
#undef PK_API_DATA
#if defined(PLUGKIT_STATIC) || defined(PLUGKIT_NO_CORE)
#define PK_API static PK_UNUSED
#define PK_API_DATA static PK_UNUSED
#else
#define PK_API extern
#define PK_API_DATA extern
#endif
