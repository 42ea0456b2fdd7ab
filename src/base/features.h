/* features.h - stops with a sentence, instead of a page of unknown functions, if a system header came too early. */
#ifndef PK__FEATURES_H
#define PK__FEATURES_H

#ifdef __cplusplus
#error "plugkit: the implementation is C99: put it into a .c file; C++ files include the header without it"
#endif

#if (defined(__GLIBC__) && !defined(__USE_GNU)) ||                                                                     \
    (defined(__APPLE__) && defined(__DARWIN_C_LEVEL) && __DARWIN_C_LEVEL < __DARWIN_C_FULL)
#error "plugkit: a system header came first: include plugkit.h before it here, or compile this file with -D_GNU_SOURCE"
#endif

#endif
