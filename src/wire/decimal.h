/* decimal.h - numbers of JSON by their text, exactly: no double is made of them.
 *
 * A number is its significant digits, without zeros at either end, and where the point stands: 0.DIGITS * 10^exponent.
 * So 1, 1.0 and 10e-1 are the same, and of any size. An exponent beyond 10^15 counts as 10^15. */
#ifndef PK__DECIMAL_H
#define PK__DECIMAL_H
#if defined(PLUGKIT_WITH_SCHEMA) || defined(PLUGKIT_WITH_JSON_TOOLS)
#include "../base/defs.h"

typedef struct pk__decimal {
    const char *digits; // of the text; a point may stand between them
    size_t count;       // 0 = the number is zero
    int64_t exponent;
    bool negative;
} pk__decimal;

typedef struct pk__divisor { // factor * 10^exponent
    uint64_t factor;         // below 10^18, does not end with a zero
    int64_t exponent;
} pk__divisor;

PK__FN pk__decimal pk__decimal_from(pk_str text); // what pk__number_scan accepts
PK__FN int pk__decimal_compare(const pk__decimal *a, const pk__decimal *b); // <0, 0, >0
PK__FN bool pk__decimal_is_integer(const pk__decimal *d);
PK__FN size_t pk__decimal_to_size(const pk__decimal *d); // of an integer that is not negative; at most SIZE_MAX
PK__FN uint64_t pk__decimal_hash(const pk__decimal *d);  // the same for equal numbers
PK__FN bool pk__decimal_to_divisor(const pk__decimal *d, pk__divisor *out); // false: over 18 digits, or <= 0
PK__FN bool pk__decimal_is_multiple(const pk__decimal *d, const pk__divisor *of);

#endif
#endif
