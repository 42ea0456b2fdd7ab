/* fuzz_number.c - numbers: text becomes what strtod makes of it, doubles and integers come back from their text. */
#include "fuzz.h"

#include <errno.h>
#include <math.h>

static void try_text(pk_str text)
{
    const char *p = text.ptr, *end = p + text.len;
    pk__number_kind kind = text.len > 0 ? pk__number_scan(&p, end) : PK__NUMBER_BAD;
    MUST(p >= text.ptr && p <= end);
    if (kind == PK__NUMBER_BAD) {
        return;
    }
    text.len = (size_t)(p - text.ptr);
    char *copy = malloc(text.len + 1);
    MUST(copy != NULL);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';

    double mine = 0, theirs = strtod(copy, NULL);
    bool fits = pk__number_to_double(text, &mine);
    MUST(fits ? memcmp(&mine, &theirs, sizeof(mine)) == 0 : isinf(theirs));

    int64_t i = 0;
    uint64_t u = 0;
    errno = 0;
    long long signed_one = strtoll(copy, NULL, 10);
    MUST(pk__number_to_int(text, &i) == (kind == PK__NUMBER_INTEGER && errno == 0));
    MUST(errno != 0 || kind != PK__NUMBER_INTEGER || i == signed_one);
    errno = 0;
    unsigned long long unsigned_one = strtoull(copy, NULL, 10);
    bool negative = copy[0] == '-' && unsigned_one != 0;
    MUST(pk__number_to_uint(text, &u) == (kind == PK__NUMBER_INTEGER && errno == 0 && !negative));
    MUST(errno != 0 || kind != PK__NUMBER_INTEGER || negative || u == unsigned_one);
    free(copy);
}

static void try_bits(uint64_t bits)
{
    char out[PK__NUMBER_CAP];
    double value, back = 0;
    int64_t i = 0;
    uint64_t u = 0;
    memcpy(&value, &bits, sizeof(value));
    if (isfinite(value)) {
        pk_str text = {out, (size_t)(pk__number_put_double(out, value) - out)};
        const char *p = out;
        MUST(text.len <= sizeof(out) && pk__number_scan(&p, out + text.len) != PK__NUMBER_BAD && p == out + text.len);
        MUST(pk__number_to_double(text, &back) && memcmp(&back, &value, sizeof(value)) == 0);
    }
    pk_str text = {out, (size_t)(pk__number_put_uint(out, bits) - out)};
    MUST(pk__number_to_uint(text, &u) && u == bits);
    text.len = (size_t)(pk__number_put_int(out, (int64_t)bits) - out);
    MUST(pk__number_to_int(text, &i) && i == (int64_t)bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t bits = 0;
    try_text((pk_str){(const char *)data, size});
    memcpy(&bits, data, size < sizeof(bits) ? size : sizeof(bits));
    try_bits(bits);
    return 0;
}
