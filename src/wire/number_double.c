/* number_double.c - doubles from text and back, see number.h. */
#include "number.h"

#include <float.h>
#include <string.h>

#include "swar.h"

typedef char pk__number_needs_binary64[DBL_MANT_DIG == 53 && DBL_MAX_EXP == 1024 && sizeof(double) == 8 ? 1 : -1];

/* ---- powers of five, 128 bits each */

typedef struct pk__number_wide {
    uint64_t hi, lo;
} pk__number_wide;

/* In four parts, for compilers that have no wider integers. */
PK__FN pk__number_wide pk__number_mul_parts(uint64_t a, uint64_t b)
{
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0;
    uint64_t mid = a1 * b0 + (low >> 32);
    uint64_t mid2 = a0 * b1 + (uint32_t)mid;
    pk__number_wide product;
    product.hi = a1 * b1 + (mid >> 32) + (mid2 >> 32);
    product.lo = mid2 << 32 | (uint32_t)low;
    return product;
}

#if defined(__SIZEOF_INT128__) && !defined(PLUGKIT_NO_SIMD)
__extension__ typedef unsigned __int128 pk__number_twice;

PK__HOT pk__number_wide pk__number_mul(uint64_t a, uint64_t b)
{
    pk__number_twice both = (pk__number_twice)a * b;
    pk__number_wide product = {(uint64_t)(both >> 64), (uint64_t)both};
    return product;
}
#else
PK__HOT pk__number_wide pk__number_mul(uint64_t a, uint64_t b)
{
    return pk__number_mul_parts(a, b);
}
#endif

/* Of what is not 0. */
#if defined(__GNUC__) && !PK__SMALL
static unsigned pk__number_leading_zeros(uint64_t x)
{
    return (unsigned)__builtin_clzll(x);
}
#else
static unsigned pk__number_leading_zeros(uint64_t x)
{
    unsigned count = 0;
    for (unsigned step = 32; step > 0; step /= 2) {
        if (x >> (64 - step) == 0) {
            count += step;
            x <<= step;
        }
    }
    return count;
}
#endif

enum { PK__NUMBER_STEP = 28, PK__NUMBER_LEAST = -13 * PK__NUMBER_STEP };

/* 5^LEAST, 5^(LEAST + STEP), ... 5^308: the first 192 bits of each, cut off. */
static const uint64_t pk__number_powers[][3] = {
    {0xe1afa13afbd14d6d, 0x82189c09a3a1ec21, 0x7a43516213c7e04c},
    {0xe3e27a444d8d98b7, 0xfd1b1b2308169b25, 0x363b1f2c568dc3e2},
    {0xe61acf033d1a45df, 0x6fb92487298e33bd, 0xadd7728c20b99bd1},
    {0xe858ad248f5c22c9, 0xd1b3400f8f9cff68, 0xf910f9f648232f14},
    {0xea9c227723ee8bcb, 0x465e15a979c1cadc, 0x0a0ce827eac11f2d},
    {0xece53cec4a314ebd, 0xa4f8bf5635246428, 0x4609ac5c7899ca36},
    {0xef340a98172aace4, 0x86fb897116c87c34, 0x9c39c1da4c49278d},
    {0xf18899b1bc3f8ca1, 0xdc44e6c3cb279ac1, 0xf80f36174730ca34},
    {0xf3e2f893dec3f126, 0x5a89dba3c3efccfa, 0xd8ecb58659be9c90},
    {0xf64335bcf065d37d, 0x4d4617b5ff4a16d5, 0xaa09501d5954a559},
    {0xf8a95fcf88747d94, 0x75a44c6397ce912a, 0x33cca6c06b07b74d},
    {0xfb158592be068d2e, 0xeed6e2f0f0d56712, 0xac2e4f162cfad40a},
    {0xfd87b5f28300ca0d, 0x8bca9d6e188853fc, 0x76dcb60081ce0fa5},
    {0x8000000000000000, 0x0000000000000000, 0x0000000000000000},
    {0x813f3978f8940984, 0x4000000000000000, 0x0000000000000000},
    {0x82818f1281ed449f, 0xbff8f10e7a8921a4, 0x2000000000000000},
    {0x83c7088e1aab65db, 0x792667c6da79e0fa, 0x0861d3ee22d1cc53},
    {0x850fadc09923329e, 0x03e2cf6bc604ddb0, 0x74a7ef0198791097},
    {0x865b86925b9bc5c2, 0x0b8a2392ba45a9b2, 0x5c6658d409fb8bf7},
    {0x87aa9aff79042286, 0x90fb44d2f05d0842, 0xfb118fc9c217a1d2},
    {0x88fcf317f22241e2, 0x441fece3bdf81f03, 0x12f274928400100d},
    {0x8a5296ffe33cc92f, 0x82bd6b70d99aaa6f, 0xbc10c5c5cda97c8d},
    {0x8bab8eefb6409c1a, 0x1ad089b6c2f7548e, 0x25c7b885ba466e37},
    {0x8d07e33455637eb2, 0xdb0b487b6423e1e8, 0x7ec63730f500b406},
    {0x8e679c2f5e44ff8f, 0x570f09eaa7ea7648, 0x5961db50c6d2b886},
};

/* 5^0 ... 5^27, moved up to the top bit. */
static const uint64_t pk__number_small[PK__NUMBER_STEP] = {
    0x8000000000000000, 0xa000000000000000, 0xc800000000000000, 0xfa00000000000000,
    0x9c40000000000000, 0xc350000000000000, 0xf424000000000000, 0x9896800000000000,
    0xbebc200000000000, 0xee6b280000000000, 0x9502f90000000000, 0xba43b74000000000,
    0xe8d4a51000000000, 0x9184e72a00000000, 0xb5e620f480000000, 0xe35fa931a0000000,
    0x8e1bc9bf04000000, 0xb1a2bc2ec5000000, 0xde0b6b3a76400000, 0x8ac7230489e80000,
    0xad78ebc5ac620000, 0xd8d726b7177a8000, 0x878678326eac9000, 0xa968163f0a57b400,
    0xd3c21bcecceda100, 0x84595161401484a0, 0xa56fa5b99019a5c8, 0xcecb8f27f4200f3a,
};

/* The first 128 bits of 5^q, cut off, for q from -343 to 324: 5^q = (these bits + less than 1) * 2^(e - 127) with
 * e = floor(log2(5^q)). Exact for 0 <= q <= 55. */
static pk__number_wide pk__number_power(int q)
{
    unsigned at = (unsigned)(q - PK__NUMBER_LEAST);
    const uint64_t *base = pk__number_powers[at / PK__NUMBER_STEP];
    uint64_t factor = pk__number_small[at % PK__NUMBER_STEP];
    pk__number_wide a = pk__number_mul(base[0], factor);
    pk__number_wide b = pk__number_mul(base[1], factor);
    pk__number_wide c = pk__number_mul(base[2], factor);
    b.lo += c.hi;
    b.hi += b.lo < c.hi;
    a.lo += b.hi;
    a.hi += a.lo < b.hi;
    if (a.hi >> 63 == 0) {
        a.hi = a.hi << 1 | a.lo >> 63;
        a.lo = a.lo << 1 | b.lo >> 63;
    }
    return a;
}

/* floor(log2(10^e)), floor(log10(2^e)) and floor(log10(2^e * 3/4)), exact for all exponents of doubles. Negative
 * numbers are shifted arithmetically by every compiler there is; tests would notice one that does not. */
static int pk__number_log2_of_10(int e)
{
    return (e * 1741647) >> 19;
}

static int pk__number_log10_of_2(int e, bool three_quarters)
{
    return (e * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}

/* ---- text to double */

/* A double by its bits, without sign; infinity is what comes behind the largest. */
typedef struct pk__number_guess {
    uint64_t below; // the double at or below the number
    bool up;        // the next one is nearer
    bool unsure;    // `up` could not be decided with 128 bits
} pk__number_guess;

static const uint64_t pk__number_infinity = UINT64_C(0x7FF) << 52;

/* digits * 10^q, for digits > 0 and q from -343 to 308. */
static pk__number_guess pk__number_guess_double(uint64_t digits, int q)
{
    pk__number_guess guess = {0, false, false};
    unsigned zeros = pk__number_leading_zeros(digits);
    pk__number_wide power = pk__number_power(q);
    pk__number_wide product = pk__number_mul(digits << zeros, power.hi);
    pk__number_wide low = pk__number_mul(digits << zeros, power.lo);
    uint64_t hi = product.hi, lo = product.lo + low.hi;
    hi += lo < low.hi;

    /* The number is (hi:lo + less than 2) * 2^x, and exactly hi:lo:low.lo for small powers. Its first bit is worth
     * 2^e, so all bits below the 53rd one behind it are cut off, or more of a subnormal number. */
    unsigned top = (unsigned)(hi >> 63);
    int e = pk__number_log2_of_10(q) + 63 - (int)zeros + (int)top;
    int cut = 10 + (int)top + (e < -1022 ? -1022 - e : 0); // bits of hi; all of lo goes anyway
    if (e > 1023) {
        guess.below = pk__number_infinity;
        return guess;
    }
    if (cut > 64) { // below half of the least number; or so near to it that "less than 2" could reach it
        guess.unsure = cut == 65 && hi == UINT64_MAX;
        return guess;
    }
    uint64_t half = UINT64_C(1) << (cut - 1);
    uint64_t rest = hi & (half - 1 + half);
    guess.below = cut < 64 ? hi >> cut : 0;
    guess.below += e < -1022 ? 0 : (uint64_t)(e + 1022) << 52; // the first bit itself counts one up in the exponent
    guess.up = rest >= half;
    if (q >= 0 && q <= 55) {
        bool tie = rest == half && (lo | low.lo) == 0;
        guess.up = tie ? guess.below & 1 : guess.up;
    } else {
        guess.unsure = (rest == half && lo == 0) || (rest == half - 1 && lo == UINT64_MAX);
    }
    return guess;
}

/* Big integers for what 128 bits cannot decide. The longest has 2,712 bits: 54 of a double times 5^1143. */
enum { PK__NUMBER_LIMBS = 96, PK__NUMBER_DIGITS = 800 };

typedef struct pk__number_big {
    size_t count;
    uint32_t limbs[PK__NUMBER_LIMBS]; // lowest first
} pk__number_big;

static void pk__number_big_mul(pk__number_big *n, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    for (size_t i = 0; i < n->count; i++) {
        carry += (uint64_t)n->limbs[i] * factor;
        n->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && n->count < PK__NUMBER_LIMBS) {
        n->limbs[n->count++] = (uint32_t)carry;
    }
}

static void pk__number_big_scale(pk__number_big *n, int fives, int twos)
{
    for (; fives >= 13; fives -= 13) {
        pk__number_big_mul(n, 1220703125, 0);
    }
    for (; fives > 0; fives--) {
        pk__number_big_mul(n, 5, 0);
    }
    for (; twos >= 31; twos -= 31) {
        pk__number_big_mul(n, UINT32_C(1) << 31, 0);
    }
    pk__number_big_mul(n, UINT32_C(1) << (twos > 0 ? twos : 0), 0);
}

static int pk__number_big_compare(const pk__number_big *a, const pk__number_big *b)
{
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    for (size_t i = a->count; i-- > 0;) {
        if (a->limbs[i] != b->limbs[i]) {
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Is the number in `text` nearer to the double behind `below`? Both are compared with the middle between the two, which
 * has 767 significant digits at most: of a longer number the first 800 and whether more follow are enough. */
static bool pk__number_is_above_middle(pk_str text, uint64_t below)
{
    pk__number_big number = {0, {0}}, middle = {0, {0}};
    int count = 0;
    int64_t exponent = 0;
    bool more = false, behind_point = false;
    const char *end = text.ptr + text.len;
    for (const char *p = text.ptr + (text.ptr[0] == '-'); p < end; p++) {
        if (*p == '.') {
            behind_point = true;
        } else if (!pk__number_at_digit(p, end)) {
            exponent += pk__number_read_exponent(p + 1, end);
            break;
        } else if (count < PK__NUMBER_DIGITS) {
            pk__number_big_mul(&number, 10, (uint32_t)(*p - '0'));
            count += number.count > 0;
            exponent -= behind_point;
        } else {
            more |= *p != '0';
            exponent += !behind_point;
        }
    }

    int biased = (int)(below >> 52);
    uint64_t mantissa = (below & (UINT64_MAX >> 12)) | (uint64_t)(biased > 0) << 52;
    int twos = (biased > 0 ? biased : 1) - 1075 - 1; // of the middle, (2 mantissa + 1) * 2^twos
    mantissa = 2 * mantissa + 1;
    pk__number_big_mul(&middle, 0, (uint32_t)(mantissa >> 32));
    pk__number_big_scale(&middle, 0, 32);
    middle.count = middle.count ? middle.count : 1;
    middle.limbs[0] |= (uint32_t)mantissa;

    int q = (int)exponent; // of a number within the range of doubles
    pk__number_big_scale(&number, q, q - twos);
    pk__number_big_scale(&middle, -q, twos - q);
    int order = pk__number_big_compare(&number, &middle);
    return order > 0 || (order == 0 && (more || (below & 1)));
}

PK__FN bool pk__number_to_double(pk_str text, double *out)
{
    pk__number_decimal d = pk__number_read(text);
    uint64_t bits = 0;
    if (d.digits > 0 && d.exponent > 308) {
        return false;
    }
    if (d.digits > 0 && d.exponent >= -343) {
        pk__number_guess guess = pk__number_guess_double(d.digits, (int)d.exponent);
        if (d.more) { // somewhere between digits and digits + 1
            pk__number_guess next = pk__number_guess_double(d.digits + 1, (int)d.exponent);
            guess.unsure |= next.unsure || next.below + next.up != guess.below + guess.up;
        }
        if (guess.unsure) {
            guess.up = pk__number_is_above_middle(text, guess.below);
        }
        bits = guess.below + guess.up;
    }
    if (bits >= pk__number_infinity) {
        return false;
    }
    bits |= (uint64_t)d.negative << 63;
    memcpy(out, &bits, sizeof(bits));
    return true;
}

/* The usual case: a normal double that 64 bits of the power settle. The true product is less than two units of its
 * upper half larger; unless that reaches the middle between two doubles, it decides nothing. */
PK__HOT bool pk__number_nearest(uint64_t digits, int q, uint64_t *bits)
{
    unsigned zeros = pk__number_leading_zeros(digits);
    uint64_t hi = pk__number_mul(digits << zeros, pk__number_power(q).hi).hi;
    unsigned cut = 10 + (unsigned)(hi >> 63);
    int e = pk__number_log2_of_10(q) + 53 - (int)zeros + (int)cut;
    uint64_t half = UINT64_C(1) << (cut - 1), rest = hi & (2 * half - 1);
    if (e < -1022 || e > 1022 || rest - (half - 2) <= 2) {
        return false;
    }
    *bits = ((uint64_t)(e + 1022) << 52) + (hi >> cut) + (rest >= half);
    return true;
}

PK__FN double pk__number_round(uint64_t size, bool negative)
{
    double value;
    uint64_t bits = 0;
    if (size <= (uint64_t)1 << 53) {
        value = (double)size; // exact
        return negative ? -value : value;
    }
    pk__number_guess guess = pk__number_guess_double(size, 0);
    bits = (guess.below + guess.up) | (uint64_t)negative << 63;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

#if PK__SMALL
PK__FN pk__number_form pk__number_take(const char **at, const char *end, uint64_t *bits)
{
    const char *first = *at;
    double value;
    pk__number_form form = pk__number_take_integer(at, end, bits);
    if (form != PK__NUMBER_NONE) {
        return form;
    }
    if (pk__number_scan(at, end) == PK__NUMBER_BAD) {
        return PK__NUMBER_NONE;
    }
    pk_str text = {first, (size_t)(*at - first)};
    if (!pk__number_to_double(text, &value)) {
        return PK__NUMBER_TEXT;
    }
    memcpy(bits, &value, sizeof(*bits));
    return PK__NUMBER_DOUBLE;
}
#else
/* A number that is no integer: its point or exponent is at *at, and `size` is what its digits so far are worth. */
static pk__number_form pk__number_take_real(const char **at, const char *end, const char *first, uint64_t size,
                                            uint64_t *bits)
{
    const char *p = *at, *digits = first + (*first == '-');
    size_t count = (size_t)(p - digits);
    int64_t exponent = 0;
    bool negative = *first == '-';
    if (*p == '.') {
        const char *fraction = ++p;
        while (end - p >= 8 && pk__swar_is_number(pk__swar_load(p))) {
            size = size * 100000000 + pk__swar_number(pk__swar_load(p));
            p += 8;
        }
        for (unsigned digit; p < end && (digit = (unsigned char)(*p - '0')) < 10; p++) {
            size = size * 10 + digit;
        }
        if (p == fraction) {
            *at = p;
            return PK__NUMBER_NONE;
        }
        exponent = fraction - p;
        count += (size_t)(p - fraction);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *e = ++p;
        p += p < end && (*p == '+' || *p == '-');
        if (!pk__number_at_digit(p, end)) {
            *at = p;
            return PK__NUMBER_NONE;
        }
        while (pk__number_at_digit(p, end)) {
            p++;
        }
        exponent += pk__number_read_exponent(e, p);
    }
    *at = p;
    if (count <= 19 && size == 0) {
        *bits = (uint64_t)negative << 63;
        return PK__NUMBER_DOUBLE;
    }
    if (count <= 19 && exponent >= -343 && exponent <= 308 && pk__number_nearest(size, (int)exponent, bits)) {
        *bits |= (uint64_t)negative << 63;
        return PK__NUMBER_DOUBLE;
    }
    double value;
    pk_str text = {first, (size_t)(p - first)};
    if (!pk__number_to_double(text, &value)) {
        return PK__NUMBER_TEXT;
    }
    memcpy(bits, &value, sizeof(*bits));
    return PK__NUMBER_DOUBLE;
}

PK__FN pk__number_form pk__number_take(const char **at, const char *end, uint64_t *bits)
{
    const char *first = *at, *p = first;
    bool negative = p < end && *p == '-';
    const char *digits = p += negative;
    uint64_t size = pk__number_digits(&p, end);
    size_t count = (size_t)(p - digits);
    if (count == 0) {
        *at = p;
        return PK__NUMBER_NONE;
    }
    if (count > 1 && *digits == '0') { // which stands alone
        p = digits + 1;
        size = 0;
        count = 1;
    } else if (p < end && (*p == '.' || *p == 'e' || *p == 'E')) {
        *at = p;
        return pk__number_take_real(at, end, first, size, bits);
    }
    *at = p;
    pk__number_form form = pk__number_integer(size, count, negative, bits);
    pk_str text = {first, (size_t)(p - first)};
    return form == PK__NUMBER_TEXT ? pk__number_long(text, bits) : form;
}
#endif

/* ---- double to text */

/* 192 bits of a product. What is in the lowest 64 counts only when something is added. */
typedef struct pk__number_product {
    uint64_t hi, mid, lo;
} pk__number_product;

/* The product / 2^128, with the last bit set if anything was cut off. The power is rounded up, so that a remainder of
 * one is none. */
PK__HOT uint64_t pk__number_round_to_odd(pk__number_product p)
{
    return p.hi | (p.mid > 1);
}

/* power * x, and then `step` times the power more or less, for a step that is a power of two. */
PK__HOT pk__number_product pk__number_scale(pk__number_wide power, uint64_t x)
{
    pk__number_wide low = pk__number_mul(power.lo, x), high = pk__number_mul(power.hi, x);
    pk__number_product p = {high.hi, high.lo + low.hi, low.lo};
    p.hi += p.mid < low.hi;
    return p;
}

/* power * (x + 2^bits), and power * (x - 2^bits), from power * x: no product is needed for that. */
#if PK__SMALL
static pk__number_product pk__number_above(pk__number_product p, pk__number_wide power, uint64_t x, int bits)
{
    (void)p;
    return pk__number_scale(power, x + (UINT64_C(1) << bits));
}

static pk__number_product pk__number_below(pk__number_product p, pk__number_wide power, uint64_t x, int bits)
{
    (void)p;
    return pk__number_scale(power, x - (UINT64_C(1) << bits));
}
#else
PK__HOT pk__number_product pk__number_above(pk__number_product p, pk__number_wide power, uint64_t x, int bits)
{
    uint64_t lo = power.lo << bits, mid = power.hi << bits | power.lo >> (64 - bits), hi = power.hi >> (64 - bits);
    pk__number_product sum = {p.hi + hi, p.mid + mid, p.lo + lo};
    uint64_t carry = sum.lo < lo;
    (void)x;
    sum.hi += sum.mid < mid;
    sum.mid += carry;
    sum.hi += sum.mid < carry;
    return sum;
}

PK__HOT pk__number_product pk__number_below(pk__number_product p, pk__number_wide power, uint64_t x, int bits)
{
    uint64_t lo = power.lo << bits, mid = power.hi << bits | power.lo >> (64 - bits), hi = power.hi >> (64 - bits);
    pk__number_product rest = {p.hi - hi, p.mid - mid, p.lo - lo};
    uint64_t borrow = p.lo < lo;
    (void)x;
    rest.hi -= p.mid < mid;
    rest.hi -= rest.mid < borrow;
    rest.mid -= borrow;
    return rest;
}
#endif

/* A number and the ends of what still rounds to it, in units of 10^k, times 4. The lowest bit says that there is more
 * behind. */
typedef struct pk__number_range {
    uint64_t least, middle, most;
} pk__number_range;

PK__HOT pk__number_range pk__number_range_far(int k, uint64_t x, int above, int below)
{
    pk__number_wide power = pk__number_power(-k);
    if (k > 0 || k < -55) {
        power.hi += ++power.lo == 0; // inexact: the next one up
    }
    pk__number_product exact = pk__number_scale(power, x);
    pk__number_range range = {pk__number_round_to_odd(pk__number_below(exact, power, x, below)),
                              pk__number_round_to_odd(exact),
                              pk__number_round_to_odd(pk__number_above(exact, power, x, above))};
    return range;
}

#if PK__SMALL
static pk__number_range pk__number_range_of(int k, uint64_t x, int above, int below)
{
    return pk__number_range_far(k, x, above, below);
}
#else
/* The same where the power fits 64 bits: of numbers that are neither small nor large, and they are the usual ones. */
PK__HOT pk__number_range pk__number_range_near(int k, uint64_t x, int above, int below)
{
    uint64_t power = pk__number_small[-k];
    pk__number_wide exact = pk__number_mul(power, x);
    uint64_t more = exact.lo + (power << above), less = exact.lo - (power << below);
    pk__number_range range;
    range.middle = exact.hi | (exact.lo > 1);
    range.most = (exact.hi + (power >> (64 - above)) + (more < exact.lo)) | (more > 1);
    range.least = (exact.hi - (power >> (64 - below)) - (less > exact.lo)) | (less > 1);
    return range;
}

PK__HOT pk__number_range pk__number_range_of(int k, uint64_t x, int above, int below)
{
    return k <= 0 && k > -PK__NUMBER_STEP ? pk__number_range_near(k, x, above, below)
                                          : pk__number_range_far(k, x, above, below);
}
#endif

/* The shortest decimal that reads back as mantissa * 2^e, of those the closest: digits * 10^exponent. */
PK__HOT pk__number_decimal pk__number_shortest(uint64_t mantissa, int e, bool nearer_below)
{
    /* An end itself counts if the mantissa is even. */
    int k = pk__number_log10_of_2(e, nearer_below);
    int shift = e + pk__number_log2_of_10(-k) + 1; // from 1 to 4
    uint64_t odd = mantissa & 1, x = mantissa * 4 << shift;
    int above = shift + 1, below = above - nearer_below;
    pk__number_range range = pk__number_range_of(k, x, above, below);
    range.least += odd;
    range.most -= odd;

    /* One digit less, if exactly one neighbour is inside; or one of the next two; or the nearer one of both. Which way
     * it goes nobody can foretell: so all are computed. */
    uint64_t whole = range.middle / 4, tens = whole / 10 * 10;
    unsigned rest = (unsigned)(range.middle & 3) + (unsigned)(whole & 1);
    bool under_tens = range.least <= tens * 4, over_tens = tens * 4 + 40 <= range.most;
    bool under = range.least <= whole * 4, over = whole * 4 + 4 <= range.most;
    uint64_t shorter = tens + (over_tens ? 10 : 0);
    uint64_t nearer = whole + (under != over ? over : rest > 2);
    bool shorten = (under_tens != over_tens) & (whole >= 10);
    pk__number_decimal d = {shorten ? shorter : nearer, k, false, false};
    return d;
}

/* Plain between 1e-6 and 1e16, so that what looks like an integer is the exact value. `point` digits stand before the
 * point; 24 bytes can be read at `digits`. */
static char *pk__number_put_decimal(char *out, const char *digits, int count, int point)
{
    if (point > 16 || point < -5) {
        *out++ = digits[0];
        if (count > 1) {
            *out++ = '.';
            memcpy(out, digits + 1, 16);
            out += count - 1;
        }
        *out++ = 'e';
        return pk__number_put_int(out, point - 1);
    }
    if (point <= 0) {
        memcpy(out, "0.00000", 7);
        out += 2 - point;
        memcpy(out, digits, 17);
        return out + count;
    }
    memcpy(out, digits, 16);
    if (count <= point) {
        memset(out + count, '0', 16);
        return out + point;
    }
    out[point] = '.';
    memcpy(out + point + 1, digits + point, 16);
    return out + count + 1;
}

static char *pk__number_put_other(char *out, pk__number_decimal d)
{
    char digits[2 * PK__NUMBER_CAP];
    char *end = pk__number_put_uint(digits, d.digits);
    int all = (int)(end - digits);
    while (end[-1] == '0') {
        end--;
    }
    memset(end, '0', 17);
    return pk__number_put_decimal(out, digits, (int)(end - digits), all + (int)d.exponent);
}

#if PK__SMALL
static char *pk__number_put_usual(char *out, pk__number_decimal d)
{
    (void)out, (void)d;
    return NULL;
}
#else
/* A number of 16 or 17 digits, as normal doubles have them, where it stands; zeros at its end go. NULL: it needs an
 * exponent, or its point is further back. */
PK__HOT char *pk__number_put_usual(char *out, pk__number_decimal d)
{
    const uint64_t sixteen = UINT64_C(10000000000000000), eight = 100000000;
    bool less = d.digits < sixteen;
    int point = 17 - less + (int)d.exponent;
    if (point > 7 || point < -5) {
        return NULL;
    }
    uint64_t digits = less ? d.digits * 10 : d.digits;
    uint64_t top = digits / sixteen, rest = digits - top * sixteen;
    uint64_t high = rest / eight, low = rest - high * eight;
    uint64_t first = pk__swar_digits((uint32_t)high), last = pk__swar_digits((uint32_t)low);
    int zeros = last ? (int)pk__number_leading_zeros(last) / 8
                     : 8 + (first ? (int)pk__number_leading_zeros(first) / 8 : 8);
    int count = 17 - zeros;
    first += PK__SWAR_ONES * '0';
    last += PK__SWAR_ONES * '0';
    top += '0';
    if (point <= 0) {
        pk__swar_store(out, UINT64_C(0x3030303030302E30)); // "0.000000"
        out += 2 - point;
        *out = (char)top;
        pk__swar_store(out + 1, first);
        pk__swar_store(out + 9, last);
        return out + count;
    }
    /* All of them behind the point, and then the first seven again, around it. */
    pk__swar_store(out + 2, first);
    pk__swar_store(out + 10, last);
    uint64_t word = first << 8 | top, before = (UINT64_C(1) << 8 * point) - 1;
    pk__swar_store(out, (word & before) | (uint64_t)'.' << 8 * point | (word & ~before) << 8);
    return out + (count > point ? count + 1 : point);
}
#endif

PK__FN char *pk__number_put_double(char *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t fraction = bits & (UINT64_MAX >> 12);
    int biased = (int)(bits >> 52 & 0x7FF);
    if (bits >> 63) {
        *out++ = '-';
    }
    if (biased == 0 && fraction == 0) {
        *out++ = '0';
        return out;
    }
    bool normal = biased > 0;
    pk__number_decimal d = pk__number_shortest(fraction | (uint64_t)normal << 52, (normal ? biased : 1) - 1075,
                                               fraction == 0 && biased > 1);
    char *end = normal ? pk__number_put_usual(out, d) : NULL;
    return end ? end : pk__number_put_other(out, d);
}
