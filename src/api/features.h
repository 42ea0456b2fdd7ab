/* features.h - the implementation needs POSIX.1-2008 and a few calls beyond it: this must come before the first
 * system header of the file. Declarations alone need nothing. */
#if defined(PLUGKIT_IMPLEMENTATION) || defined(PLUGKIT_SDK_IMPLEMENTATION)
#if defined(__APPLE__) && !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS // on 32-bit systems: files of more than 2 GiB, and times beyond 2038
#define _FILE_OFFSET_BITS 64
#define _TIME_BITS 64
#endif
#endif

/* What is opted into, part by part or all at once. */
#if defined(PLUGKIT_WITH_ALL) && !defined(PLUGKIT_NO_NET) && !defined(PLUGKIT_NO_FILES) && !defined(PLUGKIT_WITH_ADMIN)
#define PLUGKIT_WITH_ADMIN
#endif
#if defined(PLUGKIT_WITH_ALL) && !defined(PLUGKIT_NO_NET) && !defined(PLUGKIT_WITH_ATTACH)
#define PLUGKIT_WITH_ATTACH
#endif
#if defined(PLUGKIT_WITH_ALL) && !defined(PLUGKIT_WITH_SCHEMA)
#define PLUGKIT_WITH_SCHEMA
#endif
#if defined(PLUGKIT_WITH_ALL) && !defined(PLUGKIT_WITH_JSON_TOOLS)
#define PLUGKIT_WITH_JSON_TOOLS
#endif
#if defined(PLUGKIT_WITH_ALL) && !defined(PLUGKIT_NO_NET) && !defined(PLUGKIT_WITH_CREDENTIALS)
#define PLUGKIT_WITH_CREDENTIALS
#endif
#if defined(PLUGKIT_WITH_ALL) && !defined(PLUGKIT_WITH_STREAMS)
#define PLUGKIT_WITH_STREAMS
#endif
#if defined(PLUGKIT_WITH_ALL) && !defined(PLUGKIT_NO_NET) && !defined(PLUGKIT_WITH_WEB)
#define PLUGKIT_WITH_WEB
#endif
#if defined(PLUGKIT_WITH_ATTACH) && defined(PLUGKIT_NO_NET)
#error "plugkit: PLUGKIT_WITH_ATTACH needs sockets: leave out PLUGKIT_NO_NET"
#endif
#if defined(PLUGKIT_WITH_WEB) && defined(PLUGKIT_NO_NET)
#error "plugkit: PLUGKIT_WITH_WEB needs sockets: leave out PLUGKIT_NO_NET"
#endif
#if defined(PLUGKIT_WITH_CREDENTIALS) && defined(PLUGKIT_NO_NET)
#error "plugkit: PLUGKIT_WITH_CREDENTIALS needs sockets: leave out PLUGKIT_NO_NET"
#endif
/* All but TLS, which needs another library: that is always asked for by name. */
#if defined(PLUGKIT_WITH_TLS) && defined(PLUGKIT_NO_NET)
#error "plugkit: PLUGKIT_WITH_TLS needs sockets: leave out PLUGKIT_NO_NET"
#endif
#if defined(PLUGKIT_WITH_ADMIN) && (defined(PLUGKIT_NO_NET) || defined(PLUGKIT_NO_FILES))
#error "plugkit: PLUGKIT_WITH_ADMIN needs sockets and files: leave out PLUGKIT_NO_NET and PLUGKIT_NO_FILES"
#endif
