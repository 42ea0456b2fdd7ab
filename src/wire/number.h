/* number.h - numbers between JSON text and machine words, exactly.
 *
 * No strtod, no printf: neither the locale nor the rounding mode nor the width of floating registers plays a part,
 * everything is integer arithmetic. A decimal number w * 10^q becomes the nearest double by multiplying w with the
 * first 128 bits of 5^q; the few cases that this cannot decide (exact ties, more than 19 digits next to one) are
 * compared digit by digit with big integers. A double becomes the shortest decimal that reads back as the same double,
 * and of those the closest, by Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles").
 *
 * Both need 5^q for q from -343 to 324. A full table has 10 KiB; here are 25 powers of 192 bits and 28 small ones, and
 * one multiplication makes all others of them, exact to the last of 128 bits: a test computes each of them anew. */
#ifndef PK__NUMBER_H
#define PK__NUMBER_H
#include "../base/defs.h"

typedef enum pk__number_kind { PK__NUMBER_BAD, PK__NUMBER_INTEGER, PK__NUMBER_REAL } pk__number_kind;

enum { PK__NUMBER_CAP = 32 }; // bytes that the longest number needs, with room to spare

/* Moves *at behind the number that starts there, by JSON's grammar. BAD: *at is where it went wrong. */
PK__FN pk__number_kind pk__number_scan(const char **at, const char *end);

/* These take text that pk__number_scan accepted. False: no integer, or one that does not fit. "-0" is the integer 0. */
PK__FN bool pk__number_to_int(pk_str text, int64_t *out);
PK__FN bool pk__number_to_uint(pk_str text, uint64_t *out);
/* What stands before the point, of any number, once its exponent has moved that: 1.5e3 is 1500, -0.9 is 0. */
PK__FN bool pk__number_to_whole(pk_str text, int64_t *out);
/* The nearest double, ties to even. False: larger than any double. Tiny numbers become 0 with their sign. */
PK__FN bool pk__number_to_double(pk_str text, double *out);

/* These write to out, which has room for PK__NUMBER_CAP bytes, and return the end; no NUL. */
PK__FN char *pk__number_put_int(char *out, int64_t value);
PK__FN char *pk__number_put_uint(char *out, uint64_t value);
PK__FN char *pk__number_put_double(char *out, double value); // which is finite: 0.1, 100, 1e16, 5e-324, -0

#endif
