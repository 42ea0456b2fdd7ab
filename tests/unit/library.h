/* library.h - PlugKit as unit tests see it: all of it, with the private functions, and fakes for calls and clock. */
#ifndef LIBRARY_H
#define LIBRARY_H

#define PLUGKIT_WITH_ALL
#ifdef HAS_MBEDTLS // tests/mbedtls.sh
#define PLUGKIT_WITH_TLS
#endif
#define PLUGKIT_TEST // the table of system calls and the clock can be replaced
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_SDK_IMPLEMENTATION
#if defined(UNIT_GENERATED)
#include "plugkit.h"
#include "plugkit_sdk.h"
#elif defined(UNIT_WHOLE)
#ifndef PLUGKIT_STATIC // compilers leave out what the test does not reach, if they optimise at all
#define PLUGKIT_STATIC
#endif
#include "build/src_all.h"
#else
#define PK__FN extern
#ifdef UNIT_LIBRARY
#include "build/src_all.h"
#else
#include "build/src_declarations.h"
#endif
#endif

#endif
