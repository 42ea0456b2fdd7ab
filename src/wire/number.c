/* number.c - the grammar of numbers, integers, and decimal digits; see number.h. */
#include "number.h"

#include <string.h>

#include "swar.h"

/* ---- the grammar */

static const char *pk__number_skip_digits(const char *p, const char *end)
{
    while (pk__number_at_digit(p, end)) {
        p++;
    }
    return p;
}

PK__FN pk__number_kind pk__number_scan(const char **at, const char *end)
{
    const char *p = *at;
    pk__number_kind kind = PK__NUMBER_INTEGER;
    if (p < end && *p == '-') {
        p++;
    }
    *at = p;
    if (!pk__number_at_digit(p, end)) {
        return PK__NUMBER_BAD;
    }
    p = *p == '0' ? p + 1 : pk__number_skip_digits(p, end); // a leading zero stands alone
    if (p < end && *p == '.') {
        *at = ++p;
        if (!pk__number_at_digit(p, end)) {
            return PK__NUMBER_BAD;
        }
        p = pk__number_skip_digits(p, end);
        kind = PK__NUMBER_REAL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) {
            p++;
        }
        *at = p;
        if (!pk__number_at_digit(p, end)) {
            return PK__NUMBER_BAD;
        }
        p = pk__number_skip_digits(p, end);
        kind = PK__NUMBER_REAL;
    }
    *at = p;
    return kind;
}

/* ---- integers */

PK__FN bool pk__number_to_uint(pk_str text, uint64_t *out)
{
    const char *p = text.ptr;
    const char *end = p + text.len;
    uint64_t value = 0;
    bool negative = *p == '-';
    for (p += negative; p < end; p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (digit > 9 || value > UINT64_MAX / 10 || value * 10 > UINT64_MAX - digit) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (negative && value > 0) {
        return false;
    }
    *out = value;
    return true;
}

static bool pk__number_sign(uint64_t size, bool negative, int64_t *out)
{
    if (size > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = !negative ? (int64_t)size : size == 0 ? 0 : -(int64_t)(size - 1) - 1;
    return true;
}

PK__FN bool pk__number_to_int(pk_str text, int64_t *out)
{
    uint64_t size;
    bool negative = text.ptr[0] == '-';
    pk_str digits = {text.ptr + negative, text.len - negative};
    return pk__number_to_uint(digits, &size) && pk__number_sign(size, negative, out);
}

#if PK__SMALL
PK__FN char *pk__number_put_uint(char *out, uint64_t value)
{
    char digits[20];
    char *first = digits + sizeof(digits);
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    size_t count = (size_t)(digits + sizeof(digits) - first);
    memcpy(out, first, count);
    return out + count;
}
#else
/* Eight digits, all of them. */
PK__HOT char *pk__number_put_eight(char *out, uint32_t value)
{
    pk__swar_store(out, pk__swar_digits(value) + PK__SWAR_ONES * '0');
    return out + 8;
}

/* Up to eight, without zeros in front. */
PK__HOT char *pk__number_put_short(char *out, uint32_t value)
{
    uint64_t word = pk__swar_digits(value);
    unsigned zeros = word ? pk__swar_zeros(word) : 7;
    pk__swar_store(out, (word + PK__SWAR_ONES * '0') >> zeros * 8);
    return out + 8 - zeros;
}

PK__FN char *pk__number_put_uint(char *out, uint64_t value)
{
    const uint64_t eight = 100000000;
    if (value < 10) {
        *out = (char)('0' + value);
        return out + 1;
    }
    if (value < eight) {
        return pk__number_put_short(out, (uint32_t)value);
    }
    uint64_t high = value / eight;
    uint32_t low = (uint32_t)(value - high * eight);
    if (high < 10) {
        *out++ = (char)('0' + high);
    } else if (high < eight) {
        out = pk__number_put_short(out, (uint32_t)high);
    } else {
        uint64_t top = high / eight;
        out = pk__number_put_short(out, (uint32_t)top);
        out = pk__number_put_eight(out, (uint32_t)(high - top * eight));
    }
    return pk__number_put_eight(out, low);
}
#endif

PK__FN char *pk__number_put_int(char *out, int64_t value)
{
    if (value < 0) {
        *out++ = '-';
        return pk__number_put_uint(out, 0 - (uint64_t)value);
    }
    return pk__number_put_uint(out, (uint64_t)value);
}

/* ---- reading in one go */

/* The digits at *at, as a number that has overflown if there are more than 19 of them. */
PK__HOT uint64_t pk__number_digits(const char **at, const char *end)
{
    const char *p = *at;
    uint64_t value = 0;
    while (end - p >= 8 && !PK__SMALL && pk__swar_is_number(pk__swar_load(p))) {
        value = value * 100000000 + pk__swar_number(pk__swar_load(p));
        p += 8;
    }
    for (unsigned digit; p < end && (digit = (unsigned char)(*p - '0')) < 10; p++) {
        value = value * 10 + digit;
    }
    *at = p;
    return value;
}

/* The same digits, of an integer: mostly a few, all in one look. */
PK__HOT uint64_t pk__number_digits_all(const char **at, const char *end)
{
    if (end - *at >= 8 && !PK__SMALL) {
        uint64_t word = pk__swar_load(*at), others = pk__swar_no_digits(word);
        unsigned count = others ? pk__swar_first(others) : 0;
        if (count > 0) { // what is behind the digits goes, and zeros come in front
            *at += count;
            return pk__swar_number(word << (64 - 8 * count) | (PK__SWAR_ONES * '0') >> 8 * count);
        }
    }
    return pk__number_digits(at, end);
}

/* What an integer of so many digits is. */
PK__HOT pk__number_form pk__number_integer(uint64_t size, size_t count, bool negative, uint64_t *bits)
{
    if (count > 19 || (negative && (size == 0 || size > (uint64_t)1 << 63))) {
        return PK__NUMBER_TEXT;
    }
    *bits = negative ? 0 - size : size;
    return negative ? PK__NUMBER_INT : PK__NUMBER_UINT;
}

/* Text that one look did not settle: has it 20 digits, and fits all the same? */
PK__FN pk__number_form pk__number_long(pk_str text, uint64_t *bits)
{
    return text.ptr[0] != '-' && pk__number_to_uint(text, bits) ? PK__NUMBER_UINT : PK__NUMBER_TEXT;
}

#if PK__SMALL
PK__FN pk__number_form pk__number_take_integer(const char **at, const char *end, uint64_t *bits)
{
    const char *p = *at;
    if (pk__number_scan(&p, end) != PK__NUMBER_INTEGER) {
        return PK__NUMBER_NONE;
    }
    bool negative = **at == '-';
    pk_str digits = {*at + negative, (size_t)(p - *at) - negative};
    *at = p;
    if (!pk__number_to_uint(digits, bits) || (negative && *bits - 1 >= (uint64_t)1 << 63)) {
        return PK__NUMBER_TEXT;
    }
    *bits = negative ? 0 - *bits : *bits;
    return negative ? PK__NUMBER_INT : PK__NUMBER_UINT;
}
#else
PK__FN pk__number_form pk__number_take_integer(const char **at, const char *end, uint64_t *bits)
{
    const char *first = *at, *p = first;
    bool negative = p < end && *p == '-';
    const char *digits = p += negative;
    uint64_t size = pk__number_digits_all(&p, end);
    size_t count = (size_t)(p - digits);
    if (count > 1 && *digits == '0') { // which stands alone
        p = digits + 1;
        size = 0;
        count = 1;
    } else if (count == 0 || (p < end && (*p == '.' || *p == 'e' || *p == 'E'))) {
        return PK__NUMBER_NONE;
    }
    *at = p;
    pk__number_form form = pk__number_integer(size, count, negative, bits);
    pk_str text = {first, (size_t)(p - first)};
    return form == PK__NUMBER_TEXT ? pk__number_long(text, bits) : form;
}
#endif

/* ---- decimal numbers */

PK__FN int64_t pk__number_read_exponent(const char *p, const char *end)
{
    int64_t exponent = 0;
    bool negative = p < end && *p == '-';
    for (p += p < end && !pk__number_at_digit(p, end); p < end && exponent < INT64_MAX / 32; p++) {
        exponent = exponent * 10 + (*p - '0');
    }
    return negative ? -exponent : exponent;
}

PK__FN pk__number_decimal pk__number_read(pk_str text)
{
    const uint64_t full = UINT64_C(1000000000000000000); // at least this: 19 digits
    const char *end = text.ptr + text.len;
    pk__number_decimal d = {0, 0, false, false};
    int behind_point = 0;
    d.negative = text.ptr[0] == '-';
    for (const char *p = text.ptr + d.negative; p < end; p++) {
        while (end - p >= 8 && !PK__SMALL && d.digits < full / 100000000 && pk__swar_is_number(pk__swar_load(p))) {
            d.digits = d.digits * 100000000 + pk__swar_number(pk__swar_load(p));
            d.exponent -= 8 * behind_point;
            p += 8;
        }
        if (p == end) {
            break;
        }
        unsigned digit = (unsigned char)(*p - '0');
        if (digit < 10 && d.digits < full) {
            d.digits = d.digits * 10 + digit;
            d.exponent -= behind_point;
        } else if (digit < 10) {
            d.more |= digit != 0;
            d.exponent += 1 - behind_point;
        } else if (*p == '.') {
            behind_point = 1;
        } else {
            d.exponent += pk__number_read_exponent(p + 1, end);
            break;
        }
    }
    return d;
}

PK__FN bool pk__number_to_whole(pk_str text, int64_t *out)
{
    pk__number_decimal d = pk__number_read(text);
    for (; d.exponent < 0 && d.digits > 0; d.exponent++) {
        d.digits /= 10;
    }
    for (; d.exponent > 0 && d.digits > 0; d.exponent--) {
        if (d.digits > INT64_MAX / 10) {
            return false;
        }
        d.digits *= 10;
    }
    return pk__number_sign(d.digits, d.negative, out);
}
