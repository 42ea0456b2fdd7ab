/* features.h - the implementation needs POSIX.1-2008 and a few calls beyond it: this must come before the first
 * system header of the file. Declarations alone need nothing. */
#if defined(PLUGKIT_IMPLEMENTATION) || defined(PLUGKIT_SDK_IMPLEMENTATION)
#if defined(__APPLE__) && !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#endif
