/* swar.h - eight bytes at a time, in plain C.
 *
 * A word holds eight bytes, the first one lowest, on every machine. A test gives a mask with the top bit of each byte
 * that passes set. Borrows run upwards, so a byte behind the first hit may be a false hit: only the first one counts,
 * and pk__swar_first tells which byte that is.
 *
 *     while (end - p >= 8 && !pk__swar_json(pk__swar_load(p))) { p += 8; }
 *
 * What is faster with the machine's own wide registers stands in wide.h, which gives the same results. */
#ifndef PK__SWAR_H
#define PK__SWAR_H
#include <string.h>
#include "../base/defs.h"

#define PK__SWAR_ONES UINT64_C(0x0101010101010101)
#define PK__SWAR_TOPS UINT64_C(0x8080808080808080)

PK__LOCAL uint64_t pk__swar_reverse(uint64_t word)
{
    word = (word >> 8 & UINT64_C(0x00FF00FF00FF00FF)) | (word & UINT64_C(0x00FF00FF00FF00FF)) << 8;
    word = (word >> 16 & UINT64_C(0x0000FFFF0000FFFF)) | (word & UINT64_C(0x0000FFFF0000FFFF)) << 16;
    return word >> 32 | word << 32;
}

/* A word as it lies in memory, or back: nothing happens where the first byte is the lowest one. */
PK__LOCAL inline uint64_t pk__swar_order(uint64_t word)
{
    const uint16_t one = 1;
    unsigned char lowest; // compilers know it beforehand
    memcpy(&lowest, &one, sizeof(lowest));
    return lowest ? word : pk__swar_reverse(word);
}

PK__LOCAL inline uint64_t pk__swar_load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return pk__swar_order(word);
}

PK__LOCAL inline void pk__swar_store(char *at, uint64_t word)
{
    word = pk__swar_order(word);
    memcpy(at, &word, sizeof(word));
}

/* Every byte but c. */
PK__LOCAL inline uint64_t pk__swar_not(uint64_t word, unsigned char c)
{
    word ^= PK__SWAR_ONES * c;
    return (((word & ~PK__SWAR_TOPS) + ~PK__SWAR_TOPS) | word) & PK__SWAR_TOPS;
}

/* Are all eight digits? */
PK__LOCAL inline bool pk__swar_is_number(uint64_t word)
{
    const uint64_t high = PK__SWAR_ONES * 0xF0, zeros = PK__SWAR_ONES * '0';
    return (word & high) == zeros && ((word + PK__SWAR_ONES * 6) & high) == zeros;
}

/* Every byte that is no digit. */
PK__LOCAL inline uint64_t pk__swar_no_digits(uint64_t word)
{
    uint64_t value = word ^ PK__SWAR_ONES * '0';
    return (((value & ~PK__SWAR_TOPS) + PK__SWAR_ONES * 0x76) | value) & PK__SWAR_TOPS;
}

/* Eight digits as a number: pairs first, then fours, then all. */
PK__LOCAL inline uint64_t pk__swar_number(uint64_t word)
{
    const uint64_t pairs = UINT64_C(0x000000FF000000FF);
    word -= PK__SWAR_ONES * '0';
    word = word * 10 + (word >> 8);
    return ((word & pairs) * UINT64_C(0x000F424000000064) + (word >> 16 & pairs) * UINT64_C(0x0000271000000001)) >> 32;
}

/* And back: a number below 100,000,000 as eight bytes from 0 to 9, the first digit lowest. */
PK__LOCAL inline uint64_t pk__swar_digits(uint32_t number)
{
    uint64_t fours = number / 10000 | (uint64_t)(number % 10000) << 32;
    uint64_t hundreds = (fours * 10486 >> 20) & UINT64_C(0x0000007F0000007F);
    uint64_t pairs = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = (pairs * 103 >> 10) & UINT64_C(0x000F000F000F000F);
    return tens | (pairs - tens * 10) << 8;
}

/* What a JSON string cannot simply run over: control characters and the quote (which is 0x20 once bit 1 is turned, so
 * that one comparison finds both), the backslash, and all that is not ASCII. */
PK__LOCAL inline uint64_t pk__swar_json(uint64_t word)
{
    uint64_t low = (word ^ PK__SWAR_ONES * 0x02) - PK__SWAR_ONES * 0x21;
    uint64_t backslash = (word ^ PK__SWAR_ONES * '\\') - PK__SWAR_ONES;
    return (low | backslash | word) & PK__SWAR_TOPS;
}

/* The same where the text is known to be UTF-8: without what is not ASCII. */
PK__LOCAL inline uint64_t pk__swar_escape(uint64_t word)
{
    uint64_t low = (word ^ PK__SWAR_ONES * 0x02) - PK__SWAR_ONES * 0x21;
    uint64_t backslash = (word ^ PK__SWAR_ONES * '\\') - PK__SWAR_ONES;
    return (low | backslash) & ~word & PK__SWAR_TOPS;
}

/* How many zero bytes stand in front; the word is not 0. */
#if defined(__GNUC__) && !PK__SMALL
PK__LOCAL inline unsigned pk__swar_zeros(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word) / 8;
}
#else
PK__LOCAL unsigned pk__swar_zeros(uint64_t word)
{
    unsigned count = 0;
    for (; (word & 0xFF) == 0; word >>= 8) {
        count++;
    }
    return count;
}
#endif

/* The index of the first byte that a mask marks; the mask is not 0. */
PK__LOCAL inline unsigned pk__swar_first(uint64_t mask)
{
    return pk__swar_zeros(mask);
}

#endif
