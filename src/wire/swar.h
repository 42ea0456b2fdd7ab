/* swar.h - eight bytes at a time, in plain C.
 *
 * A word holds eight bytes, the first one lowest, on every machine: compilers turn the load into one instruction. A test
 * gives a mask with the top bit of each byte that passes set. Borrows run upwards, so a byte behind the first hit may
 * be a false hit: only the first one counts, and pk__swar_first tells which byte that is.
 *
 *     while (end - p >= 8 && !pk__swar_zero(pk__swar_load(p))) { p += 8; } */
#ifndef PK__SWAR_H
#define PK__SWAR_H
#include <string.h>
#include "../base/defs.h"

#define PK__SWAR_ONES UINT64_C(0x0101010101010101)
#define PK__SWAR_TOPS UINT64_C(0x8080808080808080)

PK__FN inline uint64_t pk__swar_load(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

PK__FN inline uint64_t pk__swar_zero(uint64_t word)
{
    return (word - PK__SWAR_ONES) & ~word & PK__SWAR_TOPS;
}

PK__FN inline uint64_t pk__swar_equal(uint64_t word, unsigned char c)
{
    return pk__swar_zero(word ^ PK__SWAR_ONES * c);
}

/* Bytes below `limit`, which is 128 at most. */
PK__FN inline uint64_t pk__swar_below(uint64_t word, unsigned char limit)
{
    return (word - PK__SWAR_ONES * limit) & ~word & PK__SWAR_TOPS;
}

/* What a JSON string cannot simply run over: quote, backslash, control characters, and all that is not ASCII. */
PK__FN inline uint64_t pk__swar_json(uint64_t word)
{
    return pk__swar_below(word, 0x20) | pk__swar_equal(word, '"') | pk__swar_equal(word, '\\') | (word & PK__SWAR_TOPS);
}

/* The index of the first byte that a mask marks; the mask is not 0. */
PK__FN inline unsigned pk__swar_first(uint64_t mask)
{
    uint64_t lowest = (mask & (0 - mask)) >> 7;
    return (unsigned)(((lowest - 1) & PK__SWAR_ONES) * PK__SWAR_ONES >> 56);
}

#endif
