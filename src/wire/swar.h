/* swar.h - eight bytes at a time, in plain C.
 *
 * A word holds eight bytes, the first one lowest, on every machine. A test gives a mask with the top bit of each byte
 * that passes set. Borrows run upwards, so a byte behind the first hit may be a false hit: only the first one counts,
 * and pk__swar_first tells which byte that is.
 *
 *     while (end - p >= 8 && !pk__swar_json(pk__swar_load(p))) { p += 8; } */
#ifndef PK__SWAR_H
#define PK__SWAR_H
#include <string.h>
#include "../base/defs.h"

#define PK__SWAR_ONES UINT64_C(0x0101010101010101)
#define PK__SWAR_TOPS UINT64_C(0x8080808080808080)

PK__FN uint64_t pk__swar_reverse(uint64_t word)
{
    word = (word >> 8 & UINT64_C(0x00FF00FF00FF00FF)) | (word & UINT64_C(0x00FF00FF00FF00FF)) << 8;
    word = (word >> 16 & UINT64_C(0x0000FFFF0000FFFF)) | (word & UINT64_C(0x0000FFFF0000FFFF)) << 16;
    return word >> 32 | word << 32;
}

PK__FN inline uint64_t pk__swar_load(const char *at)
{
    const uint16_t one = 1;
    unsigned char lowest; // 1 where the first byte is the lowest one; compilers know it beforehand
    uint64_t word;
    memcpy(&lowest, &one, sizeof(lowest));
    memcpy(&word, at, sizeof(word));
    return lowest ? word : pk__swar_reverse(word);
}

/* Every byte but c. */
PK__FN inline uint64_t pk__swar_not(uint64_t word, unsigned char c)
{
    word ^= PK__SWAR_ONES * c;
    return (((word & ~PK__SWAR_TOPS) + ~PK__SWAR_TOPS) | word) & PK__SWAR_TOPS;
}

/* Are all eight digits? */
PK__FN inline bool pk__swar_is_number(uint64_t word)
{
    const uint64_t high = PK__SWAR_ONES * 0xF0, zeros = PK__SWAR_ONES * '0';
    return (word & high) == zeros && ((word + PK__SWAR_ONES * 6) & high) == zeros;
}

/* Eight digits as a number: pairs first, then fours, then all. */
PK__FN inline uint64_t pk__swar_number(uint64_t word)
{
    const uint64_t pairs = UINT64_C(0x000000FF000000FF);
    word -= PK__SWAR_ONES * '0';
    word = word * 10 + (word >> 8);
    return ((word & pairs) * UINT64_C(0x000F424000000064) + (word >> 16 & pairs) * UINT64_C(0x0000271000000001)) >> 32;
}

/* What a JSON string cannot simply run over: control characters and the quote (which is 0x20 once bit 1 is turned, so
 * that one comparison finds both), the backslash, and all that is not ASCII. */
PK__FN inline uint64_t pk__swar_json(uint64_t word)
{
    uint64_t low = (word ^ PK__SWAR_ONES * 0x02) - PK__SWAR_ONES * 0x21;
    uint64_t backslash = (word ^ PK__SWAR_ONES * '\\') - PK__SWAR_ONES;
    return (low | backslash | word) & PK__SWAR_TOPS;
}

/* The index of the first byte that a mask marks; the mask is not 0. */
PK__FN inline unsigned pk__swar_first(uint64_t mask)
{
    uint64_t lowest = (mask & (0 - mask)) >> 7;
    return (unsigned)(((lowest - 1) & PK__SWAR_ONES) * PK__SWAR_ONES >> 56);
}

#endif
