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

/* Of a plugin, from its command line: see object.h. */
#if defined(PLUGKIT_OBJECT) || defined(PLUGKIT_COMPILED_IN)
#undef PLUGKIT_STATIC
#define PLUGKIT_STATIC
#undef PLUGKIT_WITH_DLOPEN
#define PLUGKIT_WITH_DLOPEN
#endif

/* What is opted into, part by part or all at once: all but TLS, which needs another library. */
#ifdef PLUGKIT_WITH_ALL
#undef PLUGKIT_WITH_SCHEMA
#define PLUGKIT_WITH_SCHEMA
#undef PLUGKIT_WITH_JSON_TOOLS
#define PLUGKIT_WITH_JSON_TOOLS
#undef PLUGKIT_WITH_STREAMS
#define PLUGKIT_WITH_STREAMS
#undef PLUGKIT_WITH_MANIFESTS
#define PLUGKIT_WITH_MANIFESTS
#ifndef PLUGKIT_NO_PROCESS
#undef PLUGKIT_WITH_ISOLATE
#define PLUGKIT_WITH_ISOLATE
#endif
#ifndef PLUGKIT_NO_NET
#undef PLUGKIT_WITH_ATTACH
#define PLUGKIT_WITH_ATTACH
#undef PLUGKIT_WITH_CREDENTIALS
#define PLUGKIT_WITH_CREDENTIALS
#undef PLUGKIT_WITH_WEB
#define PLUGKIT_WITH_WEB
#ifndef PLUGKIT_NO_FILES
#undef PLUGKIT_WITH_ADMIN
#define PLUGKIT_WITH_ADMIN
#ifndef PLUGKIT_NO_PROCESS
#undef PLUGKIT_WITH_DLOPEN
#define PLUGKIT_WITH_DLOPEN
#endif
#endif
#endif
#endif
#if defined(PLUGKIT_NO_NET) && (defined(PLUGKIT_WITH_TLS) || defined(PLUGKIT_WITH_ATTACH) || \
                                defined(PLUGKIT_WITH_CREDENTIALS) || defined(PLUGKIT_WITH_WEB))
#error "plugkit: each of PLUGKIT_WITH_TLS, _ATTACH, _CREDENTIALS and _WEB needs sockets: leave out PLUGKIT_NO_NET"
#endif
#if defined(PLUGKIT_WITH_ISOLATE) && defined(PLUGKIT_NO_PROCESS)
#error "plugkit: PLUGKIT_WITH_ISOLATE is about child processes: leave out PLUGKIT_NO_PROCESS"
#endif
#if defined(PLUGKIT_WITH_ADMIN) && (defined(PLUGKIT_NO_NET) || defined(PLUGKIT_NO_FILES))
#error "plugkit: PLUGKIT_WITH_ADMIN needs sockets and files: leave out PLUGKIT_NO_NET and PLUGKIT_NO_FILES"
#endif
#if defined(PLUGKIT_WITH_DLOPEN) && \
    (defined(PLUGKIT_NO_NET) || defined(PLUGKIT_NO_FILES) || defined(PLUGKIT_NO_PROCESS))
#error "plugkit: PLUGKIT_WITH_DLOPEN needs sockets, files and processes: leave out PLUGKIT_NO_NET, _FILES and _PROCESS"
#endif
