/* decimal.c - comparing and dividing numbers of any size. */
#if defined(PLUGKIT_WITH_SCHEMA) || defined(PLUGKIT_WITH_JSON_TOOLS)
#include "decimal.h"

#define PK__DECIMAL_FAR INT64_C(1000000000000000)

static int64_t pk__decimal_exponent(const char *p, const char *end)
{
    int64_t value = 0;
    bool negative = p < end && *p == '-';
    for (p += p < end && (*p == '-' || *p == '+'); p < end; p++) {
        value = PK__MIN(value * 10 + (*p - '0'), PK__DECIMAL_FAR);
    }
    return negative ? -value : value;
}

PK__FN pk__decimal pk__decimal_from(pk_str text)
{
    pk__decimal d = {NULL, 0, 0, false};
    const char *p = text.ptr, *end = p + text.len;
    int64_t seen = 0, point = -1, first = 0, last = 0; // digits before here; their numbers
    d.negative = p < end && *p == '-';
    for (p += d.negative; p < end && (*p | 0x20) != 'e'; p++) {
        if (*p == '.') {
            point = seen;
            continue;
        }
        if (*p != '0') {
            first = d.digits ? first : seen;
            d.digits = d.digits ? d.digits : p;
            last = seen;
        }
        seen++;
    }
    if (d.digits) {
        int64_t exponent = p < end ? pk__decimal_exponent(p + 1, end) : 0;
        d.count = (size_t)(last - first) + 1;
        d.exponent = (point < 0 ? seen : point) - first + exponent;
    } else {
        d.negative = false; // -0 is 0
    }
    return d;
}

/* The next digit; *p goes behind it. */
static int pk__decimal_next(const char **p)
{
    *p += **p == '.';
    return *(*p)++ - '0';
}

static int pk__decimal_compare_size(const pk__decimal *a, const pk__decimal *b)
{
    if (a->count == 0 || b->count == 0) {
        return (a->count > 0) - (b->count > 0);
    }
    if (a->exponent != b->exponent) {
        return a->exponent < b->exponent ? -1 : 1;
    }
    const char *p = a->digits, *q = b->digits;
    size_t common = PK__MIN(a->count, b->count);
    for (size_t i = 0; i < common; i++) {
        int difference = pk__decimal_next(&p) - pk__decimal_next(&q);
        if (difference) {
            return difference;
        }
    }
    return (a->count > common) - (b->count > common); // the last digit is no zero
}

PK__FN int pk__decimal_compare(const pk__decimal *a, const pk__decimal *b)
{
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    int order = pk__decimal_compare_size(a, b);
    return a->negative ? -order : order;
}

PK__FN bool pk__decimal_is_integer(const pk__decimal *d)
{
    return d->count == 0 || d->exponent >= (int64_t)d->count;
}

PK__FN size_t pk__decimal_to_size(const pk__decimal *d)
{
    size_t value = 0;
    const char *p = d->digits;
    for (int64_t i = 0; d->count > 0 && i < d->exponent; i++) {
        size_t digit = i < (int64_t)d->count ? (size_t)pk__decimal_next(&p) : 0;
        if (value > (SIZE_MAX - digit) / 10) {
            return SIZE_MAX;
        }
        value = value * 10 + digit;
    }
    return value;
}

PK__FN uint64_t pk__decimal_hash(const pk__decimal *d)
{
    const char *p = d->digits;
    uint64_t hash = d->count ? (uint64_t)d->exponent * 2 + d->negative + 7 : 7;
    for (size_t i = 0; i < d->count; i++) {
        hash = (hash ^ (uint64_t)pk__decimal_next(&p)) * UINT64_C(0x100000001B3);
    }
    return hash;
}

PK__FN bool pk__decimal_to_divisor(const pk__decimal *d, pk__divisor *out)
{
    const char *p = d->digits;
    out->factor = 0;
    out->exponent = d->exponent - (int64_t)d->count;
    for (size_t i = 0; i < d->count && i < 18; i++) {
        out->factor = out->factor * 10 + (uint64_t)pk__decimal_next(&p);
    }
    return d->count > 0 && d->count <= 18 && !d->negative;
}

/* digits * 10^p is a multiple of factor * 10^q: not if p < q, for the digits do not end with a zero. Otherwise the
 * remainder of digits * 10^(p-q) is found digit by digit. More than 60 zeros make no difference: factor, below 2^60,
 * has no more twos and fives to give. */
PK__FN bool pk__decimal_is_multiple(const pk__decimal *d, const pk__divisor *of)
{
    const char *p = d->digits;
    int64_t zeros = d->exponent - (int64_t)d->count - of->exponent;
    uint64_t rest = 0;
    if (d->count == 0 || zeros < 0) {
        return d->count == 0;
    }
    for (size_t i = 0; i < d->count; i++) {
        rest = (rest * 10 + (uint64_t)pk__decimal_next(&p)) % of->factor;
    }
    for (int64_t i = 0; i < zeros && i < 60 && rest; i++) {
        rest = rest * 10 % of->factor;
    }
    return rest == 0;
}

#endif
