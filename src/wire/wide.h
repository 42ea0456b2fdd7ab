/* wide.h - more bytes at a time than a word has, where every processor of a kind can do that.
 *
 * SSE2 belongs to every x86 of 64 bits, NEON to every ARM of 64 bits: which of them is known when this is compiled, and
 * nothing is asked of the processor. Elsewhere, and with PLUGKIT_NO_SIMD, the same functions are made of swar.h. A mask
 * marks bytes; its first mark is what counts. PK__WIDE is how many bytes there are in one piece.
 *
 *     for (; end - p >= PK__WIDE; p += PK__WIDE) {
 *         pk__wide piece = pk__wide_load(p);
 *         uint64_t mask = pk__wide_json(piece);
 *         if (mask) { p += pk__wide_first(mask); break; }
 *     }                                                                                                           */
#ifndef PK__WIDE_H
#define PK__WIDE_H
#include "../base/defs.h"
#include "swar.h"

#if defined(__SSE2__) && !defined(PLUGKIT_NO_SIMD) && !PK__SMALL
#include <emmintrin.h>
#define PK__WIDE 16
typedef __m128i pk__wide;

PK__LOCAL inline pk__wide pk__wide_load(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

PK__LOCAL inline void pk__wide_store(char *at, pk__wide piece)
{
    _mm_storeu_si128((__m128i *)(void *)at, piece);
}

/* As pk__swar_json. Compared as signed bytes, what is not ASCII is below a blank as well. */
PK__LOCAL inline uint64_t pk__wide_json(pk__wide piece)
{
    __m128i quote = _mm_cmpeq_epi8(piece, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(piece, _mm_set1_epi8('\\'));
    __m128i low = _mm_cmplt_epi8(piece, _mm_set1_epi8(0x20));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), low));
}

/* As pk__swar_escape. */
PK__LOCAL inline uint64_t pk__wide_escape(pk__wide piece)
{
    __m128i quote = _mm_cmpeq_epi8(piece, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(piece, _mm_set1_epi8('\\'));
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(piece, _mm_set1_epi8(0x1F)), piece);
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), low));
}

PK__LOCAL inline unsigned pk__wide_first(uint64_t mask)
{
    return (unsigned)__builtin_ctz((unsigned)mask);
}

#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(PLUGKIT_NO_SIMD) && !PK__SMALL
#include <arm_neon.h>
#define PK__WIDE 16
typedef uint8x16_t pk__wide;

PK__LOCAL inline pk__wide pk__wide_load(const char *at)
{
    return vld1q_u8((const uint8_t *)at);
}

PK__LOCAL inline void pk__wide_store(char *at, pk__wide piece)
{
    vst1q_u8((uint8_t *)at, piece);
}

/* Four bits for each byte: there is no instruction that gathers one. */
PK__LOCAL inline uint64_t pk__wide_marks(uint8x16_t hits)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(hits), 4)), 0);
}

PK__LOCAL inline uint64_t pk__wide_json(pk__wide piece)
{
    uint8x16_t special = vorrq_u8(vceqq_u8(piece, vdupq_n_u8('"')), vceqq_u8(piece, vdupq_n_u8('\\')));
    uint8x16_t low = vcltq_s8(vreinterpretq_s8_u8(piece), vdupq_n_s8(0x20));
    return pk__wide_marks(vorrq_u8(special, low));
}

PK__LOCAL inline uint64_t pk__wide_escape(pk__wide piece)
{
    uint8x16_t special = vorrq_u8(vceqq_u8(piece, vdupq_n_u8('"')), vceqq_u8(piece, vdupq_n_u8('\\')));
    return pk__wide_marks(vorrq_u8(special, vcltq_u8(piece, vdupq_n_u8(0x20))));
}

PK__LOCAL inline unsigned pk__wide_first(uint64_t mask)
{
    return (unsigned)__builtin_ctzll(mask) / 4;
}

#else
#define PK__WIDE 8
typedef uint64_t pk__wide;

PK__LOCAL inline pk__wide pk__wide_load(const char *at)
{
    return pk__swar_load(at);
}

PK__LOCAL inline void pk__wide_store(char *at, pk__wide piece)
{
    pk__swar_store(at, piece);
}

PK__LOCAL inline uint64_t pk__wide_json(pk__wide piece)
{
    return pk__swar_json(piece);
}

PK__LOCAL inline uint64_t pk__wide_escape(pk__wide piece)
{
    return pk__swar_escape(piece);
}

PK__LOCAL inline unsigned pk__wide_first(uint64_t mask)
{
    return pk__swar_first(mask);
}
#endif

#endif
