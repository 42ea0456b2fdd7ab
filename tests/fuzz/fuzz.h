/* fuzz.h - what every fuzz target includes: PlugKit from src/, and a way to say what must hold.
 *
 * A target does more than survive: it states a property (two readings agree, what was written reads back), so that
 * wrong answers are found as well as crashes. */
#ifndef FUZZ_H
#define FUZZ_H

#define PLUGKIT_TEST
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_SDK_IMPLEMENTATION
#include "build/src_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(x) ((x) ? (void)0 : fuzz_failed(__LINE__, #x))

static void fuzz_failed(int line, const char *what)
{
    fprintf(stderr, "line %d: does not hold: %s\n", line, what);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
