/* own.h - linkage of what only one of the two headers has. */
#undef PK_API
#ifdef PLUGKIT_STATIC
#define PK_API static PK_UNUSED
#else
#define PK_API extern
#endif
