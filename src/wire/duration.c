/* duration.c - durations from text and to text. */
#include "duration.h"

#include <string.h>

#include "number.h"

typedef struct pk__duration_unit {
    char name[4];
    uint64_t ns;
} pk__duration_unit;

static const pk__duration_unit pk__duration_units[] = {
    {"ns", 1},  {"us", 1000},       {"\xC2\xB5s", 1000}, {"\xCE\xBCs", 1000}, // U+00B5, U+03BC
    {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}, // "ms" before "m"
};

/* The unit that stands at p; NULL = none. */
static const pk__duration_unit *pk__duration_find(const char *p, const char *end)
{
    for (size_t i = 0; i < PK__COUNT(pk__duration_units); i++) {
        size_t len = strlen(pk__duration_units[i].name);
        if ((size_t)(end - p) >= len && memcmp(p, pk__duration_units[i].name, len) == 0) {
            return &pk__duration_units[i];
        }
    }
    return NULL;
}

/* Adds count units to *sum, up to 2^63, the size of INT64_MIN. False: too large. */
static bool pk__duration_add(uint64_t *sum, uint64_t count, uint64_t unit)
{
    const uint64_t most = (uint64_t)INT64_MAX + 1;
    if (count > most / unit || count * unit > most - *sum) {
        return false;
    }
    *sum += count * unit;
    return true;
}

static const char *pk__duration_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p;
}

/* Adds one number with its unit, as in "1.5h", to *sum. Returns what follows, or NULL. */
static const char *pk__duration_part(const char *first, const char *end, uint64_t *sum)
{
    const char *point = pk__duration_digits(first, end);
    const char *p = point < end && *point == '.' ? pk__duration_digits(point + 1, end) : point;
    const pk__duration_unit *unit = pk__duration_find(p, end);
    uint64_t whole = 0, fraction = 0;
    if (!unit || (point == first && p <= point + 1)) { // "." has no digits on either side
        return NULL;
    }
    for (const char *digit = first; digit < point; digit++) {
        if (!pk__duration_add(&whole, whole, 9) || !pk__duration_add(&whole, (uint64_t)(*digit - '0'), 1)) {
            return NULL;
        }
    }
    /* From the last digit on, with the rest cut off at each step: that is the same as to cut it off once. */
    for (const char *digit = p; digit > point + 1; digit--) {
        fraction = ((uint64_t)(digit[-1] - '0') * unit->ns + fraction) / 10;
    }
    bool fits = pk__duration_add(sum, whole, unit->ns) && pk__duration_add(sum, fraction, 1);
    return fits ? p + strlen(unit->name) : NULL;
}

PK__FN bool pk__duration_parse(pk_str text, pk_ns *out)
{
    const char *p = text.len > 0 ? text.ptr : "";
    const char *end = p + text.len;
    bool negative = text.len > 0 && *p == '-';
    uint64_t sum = 0;
    p += text.len > 0 && (*p == '-' || *p == '+');
    if (p == end) {
        return false;
    }
    if (pk__duration_digits(p, end) == end) {
        pk_str digits = {p, (size_t)(end - p)};
        if (!pk__number_to_uint(digits, &sum)) {
            return false;
        }
        p = end;
    }
    while (p && p < end) {
        p = pk__duration_part(p, end, &sum);
    }
    if (!p || sum > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = !negative ? (pk_ns)sum : sum == 0 ? 0 : -(pk_ns)(sum - 1) - 1;
    return true;
}

/* Writes ns as a decimal number of units without trailing zeros; returns the end. */
static char *pk__duration_put(char *out, uint64_t ns, uint64_t unit, const char *name)
{
    out = pk__number_put_uint(out, ns / unit);
    uint64_t rest = ns % unit;
    if (rest > 0) {
        *out++ = '.';
    }
    while (rest > 0) {
        unit /= 10; // a unit with a rest is a power of ten
        *out++ = (char)('0' + rest / unit);
        rest %= unit;
    }
    size_t len = strlen(name);
    memcpy(out, name, len);
    return out + len;
}

PK__FN size_t pk__duration_format(char out[PK__DURATION_CAP], pk_ns value)
{
    const uint64_t second = 1000000000, minute = 60 * second, hour = 60 * minute;
    uint64_t ns = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *p = out;
    if (value < 0) {
        *p++ = '-';
    }
    if (ns >= hour) {
        p = pk__duration_put(p, ns - ns % hour, hour, "h");
    }
    if (ns % hour >= minute) {
        p = pk__duration_put(p, ns % hour - ns % minute, minute, "m");
    }
    uint64_t rest = ns % minute;
    if (ns >= second && rest > 0) {
        p = pk__duration_put(p, rest, second, "s");
    } else if (ns < second) {
        p = ns == 0        ? pk__duration_put(p, 0, 1, "s")
            : ns < 1000    ? pk__duration_put(p, ns, 1, "ns")
            : ns < 1000000 ? pk__duration_put(p, ns, 1000, "us")
                           : pk__duration_put(p, ns, 1000000, "ms");
    }
    *p = '\0';
    return (size_t)(p - out);
}
