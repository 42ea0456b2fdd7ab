/* declarations.c - what a file sees that has no implementation: C99, C11, C17 and C++11, in any order, twice. */
#ifdef REVERSED
#include "plugkit_sdk.h"
#include "plugkit.h"
#else
#include "plugkit.h"
#include "plugkit_sdk.h"
#endif
#include "plugkit.h"
#include "plugkit_sdk.h"

#include <stdio.h>

#ifdef PK__FN
#error "private macros are left"
#endif
#if defined(_GNU_SOURCE) && !defined(__cplusplus) // g++ defines it itself
#error "declarations must not change what system headers declare"
#endif

#define LOUDNESS(V, T) V(T, LOUDNESS_LOW, "low") V(T, LOUDNESS_HIGH, "high")
PK_ENUM(loudness, LOUDNESS)
#define NOTE(F, T)                                                                                          \
    F(T, REQ, pk_str, title, "title")                                                                       \
    F(T, OPT, int64_t, stars, "stars")                                                                      \
    F(T, REQ, loudness, loud, "loud")                                                                       \
    F(T, LIST, pk_str, tags, "tags")                                                                        \
    F(T, MAP, pk_json, more, "more")
PK_MESSAGE(note, NOTE)

#define NOTES(M, C) M(C, keep, "POST /keep", note, pk_none, 0)
PK_CONTRACT(notes, "notes", "1.0.0", NOTES)

int main(void)
{
    pk_str text = PK_STR("a literal");
    pk_mem mem = {0, 0, 0, 0};
    char copy[16];
    int len = snprintf(copy, sizeof(copy), "%" PK_FMT, PK_ARG(text));
    return len == 9 && mem.blocks == 0 && sizeof(note) > sizeof(notes) ? 0 : 1;
}
