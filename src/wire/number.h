/* number.h - numbers between JSON text and machine words, exactly.
 *
 * No strtod, no printf: neither the locale nor the rounding mode nor the width of floating registers plays a part,
 * everything is integer arithmetic. A decimal number w * 10^q becomes the nearest double by multiplying w with the
 * first 128 bits of 5^q; the few cases that this cannot decide (exact ties, more than 19 digits next to one) are
 * compared digit by digit with big integers. A double becomes the shortest decimal that reads back as the same double,
 * and of those the closest, by Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles").
 *
 * Both need 5^q for q from -343 to 324. A full table has 10 KiB; here are 25 powers of 192 bits and 28 small ones, and
 * one multiplication makes all others of them, exact to the last of 128 bits: a test computes each of them anew.
 *
 * Integers are in number.c, doubles in number_double.c: who has no doubles links none of their arithmetic. */
#ifndef PK__NUMBER_H
#define PK__NUMBER_H
#include "../base/defs.h"

typedef enum pk__number_kind { PK__NUMBER_BAD, PK__NUMBER_INTEGER, PK__NUMBER_REAL } pk__number_kind;

enum { PK__NUMBER_CAP = 40 }; // bytes that the longest number needs, with room to spare

/* Moves *at behind the number that starts there, by JSON's grammar. BAD: *at is where it went wrong. */
PK__FN pk__number_kind pk__number_scan(const char **at, const char *end);

/* What a number is once it was read: 64 bits, or text that they cannot hold. */
typedef enum pk__number_form {
    PK__NUMBER_NONE,   // no number; *at is where it went wrong
    PK__NUMBER_UINT,   // an integer from 0 on
    PK__NUMBER_INT,    // an integer below 0
    PK__NUMBER_DOUBLE, // any other number, as the bits of the nearest double
    PK__NUMBER_TEXT    // -0, an integer beyond 64 bits, or larger than any double: only its text says what it is
} pk__number_form;

/* Reads the number that starts at *at in one go, and moves *at behind it. */
PK__FN pk__number_form pk__number_take(const char **at, const char *end, uint64_t *bits);
/* The same for those who want an integer: NONE also stands for what is none, or begins like none; *at stays then. */
PK__FN pk__number_form pk__number_take_integer(const char **at, const char *end, uint64_t *bits);

/* These take text that pk__number_scan accepted. False: no integer, or one that does not fit. "-0" is the integer 0. */
PK__FN bool pk__number_to_int(pk_str text, int64_t *out);
PK__FN bool pk__number_to_uint(pk_str text, uint64_t *out);
/* What stands before the point, of any number, once its exponent has moved that: 1.5e3 is 1500, -0.9 is 0. */
PK__FN bool pk__number_to_whole(pk_str text, int64_t *out);
/* The nearest double, ties to even. False: larger than any double. Tiny numbers become 0 with their sign. */
PK__FN bool pk__number_to_double(pk_str text, double *out);
/* The double nearest to an integer, whatever the rounding mode is. */
PK__FN double pk__number_round(uint64_t size, bool negative);

/* These write to out, which has room for PK__NUMBER_CAP bytes, and return the end; no NUL. What is behind the end may
 * be overwritten, as far as there is room. */
PK__FN char *pk__number_put_int(char *out, int64_t value);
PK__FN char *pk__number_put_uint(char *out, uint64_t value);
PK__FN char *pk__number_put_double(char *out, double value); // which is finite: 0.1, 100, 1e16, 5e-324, -0

/* ---- between the two files */

/* The first 19 significant digits of a number. */
typedef struct pk__number_decimal {
    uint64_t digits;
    int64_t exponent;    // the number is digits * 10^exponent,
    bool more, negative; // or, with `more`, less than one digit larger
} pk__number_decimal;

PK__FN pk__number_decimal pk__number_read(pk_str text);
PK__FN int64_t pk__number_read_exponent(const char *p, const char *end); // behind the 'e'; stops counting far away
PK__HOT bool pk__number_at_digit(const char *p, const char *end)
{
    return p < end && (unsigned char)(*p - '0') < 10;
}

#endif
