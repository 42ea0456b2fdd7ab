/* http_scan.c - a table, words of eight, registers of sixteen. */
#include "http_scan.h"

/* One row for each sixteen bytes. What is above 0x7f may stand in values only (obs-text). */
static const uint8_t pk__http_scan_table[128] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  2,  0,  0,  0,  0,  0,  0,
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    2,  15, 6,  7,  15, 15, 15, 15, 14, 14, 15, 15, 6,  15, 15, 6,  //   ! " # $ % & ' ( ) * + , - . /
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6,  14, 6,  14, 6,  6,  // 0 1 2 3 4 5 6 7 8 9 : ; < = > ?
    6,  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, // @ A to O
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6,  6,  6,  7,  15, // P to Z [ \ ] ^ _
    7,  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, // ` a to o
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6,  7,  6,  15, 0,  // p to z { | } ~
};

PK__FN const char *pk__http_scan_class(const char *p, const char *end, unsigned classes)
{
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (((c < 0x80 ? pk__http_scan_table[c] : PK__HTTP_VALUE) & classes) == 0) {
            break;
        }
    }
    return p;
}

/* Printable ASCII from `least` on, eight at a time; what is not plain is looked up. */
PK__FN inline const char *pk__http_scan_words(const char *p, const char *end, unsigned char least, unsigned classes)
{
    while (end - p >= 8) {
        uint64_t word = pk__swar_load(p);
        uint64_t odd = word | (word - PK__SWAR_ONES * least) | ((word ^ PK__SWAR_ONES * 0x7f) - PK__SWAR_ONES);
        odd &= PK__SWAR_TOPS; // above 0x7f, or below the least, or 0x7f
        if (odd != 0) {
            p += pk__swar_first(odd);
            break;
        }
        p += 8;
    }
    return pk__http_scan_class(p, end, classes);
}

#if !defined(PK__HTTP_SCAN_WIDE) || defined(PLUGKIT_TEST)
PK__FN const char *pk__http_scan_value_plain(const char *p, const char *end)
{
    return pk__http_scan_words(p, end, 0x20, PK__HTTP_VALUE);
}

PK__FN const char *pk__http_scan_target_plain(const char *p, const char *end)
{
    return pk__http_scan_words(p, end, 0x21, PK__HTTP_TARGET);
}
#endif

#ifndef PK__HTTP_SCAN_WIDE
PK__FN const char *pk__http_scan_token(const char *p, const char *end)
{
    return pk__http_scan_class(p, end, PK__HTTP_TOKEN);
}

PK__FN const char *pk__http_scan_value(const char *p, const char *end)
{
    return pk__http_scan_value_plain(p, end);
}

PK__FN const char *pk__http_scan_target(const char *p, const char *end)
{
    return pk__http_scan_target_plain(p, end);
}

PK__FN void pk__http_scan_begin(pk__http_scan *s, const char *begin, const char *at, const char *end)
{
    (void)s, (void)begin, (void)at, (void)end;
}

PK__FN const char *pk__http_scan_line(pk__http_scan *s, const char *p, pk_meta *field)
{
    (void)s, (void)p, (void)field;
    return NULL;
}
#else

/* ---- sixteen at a time. Each test gives a number with a bit for each byte that fails, the first one lowest. */

#ifdef __SSE2__
/* Of the bytes that tokens can have, those that names do have: letters, digits and '-'. */
PK__FN inline __m128i pk__http_scan_no_name(__m128i c)
{
    __m128i letter = _mm_sub_epi8(_mm_or_si128(c, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
    letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
    digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    __m128i good = _mm_or_si128(_mm_or_si128(letter, digit), _mm_cmpeq_epi8(c, _mm_set1_epi8('-')));
    return _mm_cmpeq_epi8(good, _mm_setzero_si128());
}

PK__FN inline __m128i pk__http_scan_no_value(__m128i c)
{
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(c, _mm_set1_epi8(0x1f)), c);
    return _mm_or_si128(low, _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f)));
}

PK__FN inline __m128i pk__http_scan_no_target(__m128i c)
{
    __m128i low = _mm_cmplt_epi8(c, _mm_set1_epi8(0x21)); // signed: what is above 0x7f is below
    return _mm_or_si128(low, _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f)));
}

PK__FN inline unsigned pk__http_scan_bits(__m128i bad)
{
    return (unsigned)_mm_movemask_epi8(bad);
}

PK__FN inline uint64_t pk__http_scan_odd(const char *p)
{
    uint64_t low = pk__http_scan_bits(pk__http_scan_no_value(pk__wide_load(p))) |
                   pk__http_scan_bits(pk__http_scan_no_value(pk__wide_load(p + 16))) << 16;
    uint64_t high = pk__http_scan_bits(pk__http_scan_no_value(pk__wide_load(p + 32))) |
                    pk__http_scan_bits(pk__http_scan_no_value(pk__wide_load(p + 48))) << 16;
    return low | high << 32;
}
#else
PK__FN inline uint8x16_t pk__http_scan_no_name(uint8x16_t c)
{
    uint8x16_t letter = vcltq_u8(vsubq_u8(vorrq_u8(c, vdupq_n_u8(0x20)), vdupq_n_u8('a')), vdupq_n_u8(26));
    uint8x16_t digit = vcltq_u8(vsubq_u8(c, vdupq_n_u8('0')), vdupq_n_u8(10));
    return vmvnq_u8(vorrq_u8(vorrq_u8(letter, digit), vceqq_u8(c, vdupq_n_u8('-'))));
}

PK__FN inline uint8x16_t pk__http_scan_no_value(uint8x16_t c)
{
    return vorrq_u8(vcltq_u8(c, vdupq_n_u8(0x20)), vceqq_u8(c, vdupq_n_u8(0x7f)));
}

PK__FN inline uint8x16_t pk__http_scan_no_target(uint8x16_t c)
{
    return vorrq_u8(vcltq_u8(c, vdupq_n_u8(0x21)), vcgeq_u8(c, vdupq_n_u8(0x7f)));
}

/* Of each byte one bit: its place in the byte of eight neighbours. */
PK__FN inline uint8x16_t pk__http_scan_places(uint8x16_t bad)
{
    const uint8x16_t place = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    return vandq_u8(bad, place);
}

PK__FN inline uint64_t pk__http_scan_four(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    uint8x16_t low = vpaddq_u8(pk__http_scan_places(a), pk__http_scan_places(b));
    uint8x16_t high = vpaddq_u8(pk__http_scan_places(c), pk__http_scan_places(d));
    uint8x16_t sum = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

PK__FN inline unsigned pk__http_scan_bits(uint8x16_t bad)
{
    const uint8x16_t none = vdupq_n_u8(0);
    return (unsigned)pk__http_scan_four(bad, none, none, none);
}

PK__FN inline uint64_t pk__http_scan_odd(const char *p)
{
    return pk__http_scan_four(pk__http_scan_no_value(pk__wide_load(p)),
                              pk__http_scan_no_value(pk__wide_load(p + 16)),
                              pk__http_scan_no_value(pk__wide_load(p + 32)),
                              pk__http_scan_no_value(pk__wide_load(p + 48)));
}
#endif

/* Bytes of names; at the end of the buffer some of them may be left over. */
PK__FN inline const char *pk__http_scan_name(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned bad = pk__http_scan_bits(pk__http_scan_no_name(pk__wide_load(p)));
        if (bad != 0) {
            return p + (unsigned)__builtin_ctz(bad);
        }
    }
    return p;
}

PK__FN inline const char *pk__http_scan_token(const char *p, const char *end)
{
    return pk__http_scan_class(pk__http_scan_name(p, end), end, PK__HTTP_TOKEN);
}

PK__FN inline const char *pk__http_scan_value(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned bad = pk__http_scan_bits(pk__http_scan_no_value(pk__wide_load(p)));
        if (bad != 0) {
            p += (unsigned)__builtin_ctz(bad);
            break;
        }
    }
    return pk__http_scan_words(p, end, 0x20, PK__HTTP_VALUE); // tabs are
}

PK__FN inline const char *pk__http_scan_target(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned bad = pk__http_scan_bits(pk__http_scan_no_target(pk__wide_load(p)));
        if (bad != 0) {
            return p + (unsigned)__builtin_ctz(bad);
        }
    }
    return pk__http_scan_words(p, end, 0x21, PK__HTTP_TARGET);
}

PK__FN inline void pk__http_scan_begin(pk__http_scan *s, const char *begin, const char *at, const char *end)
{
    s->base = end - at >= 64 ? at : end - begin >= 64 ? end - 64 : NULL;
    s->end = end;
    s->odd = s->base ? pk__http_scan_odd(s->base) : 0;
}

/* The first control character from p on, or the end. */
PK__FN inline const char *pk__http_scan_next(pk__http_scan *s, const char *p)
{
    for (;;) {
        const char *behind = s->base + 64;
        uint64_t odd = p < behind ? s->odd >> (p - s->base) : 0;
        if (odd != 0) {
            return p + (unsigned)__builtin_ctzll(odd);
        }
        if (behind == s->end) {
            return behind;
        }
        p = PK__MAX(p, behind);
        s->base = s->end - behind >= 64 ? behind : s->end - 64;
        s->odd = pk__http_scan_odd(s->base);
    }
}

PK__FN inline const char *pk__http_scan_line(pk__http_scan *s, const char *p, pk_meta *field)
{
    if (!s->base || s->end - p < 2) {
        return NULL;
    }
    const char *value_end = pk__http_scan_next(s, p), *next = value_end + 2;
    if (next > s->end || value_end[0] != '\r' || value_end[1] != '\n') {
        return NULL;
    }
    const char *value = pk__http_scan_name(p, s->end); // goes no further than the CR
    if (*value != ':' || value == p) {
        return NULL;
    }
    field->name.ptr = p;
    field->name.len = (size_t)(value - p);
    do {
        value++;
    } while (*value == ' ');
    while (value_end > value && value_end[-1] == ' ') {
        value_end--;
    }
    field->value.ptr = value;
    field->value.len = (size_t)(value_end - value);
    return next;
}
#endif
