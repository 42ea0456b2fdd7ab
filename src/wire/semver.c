/* semver.c - versions and ranges of versions. */
#include "semver.h"

#include <string.h>

#include "number.h"

/* Reads "1.4.0" up to what follows; a version has three parts, a range one to three. Returns NULL if it is none. */
static const char *pk__semver_numbers(const char *p, const char *end, uint64_t part[3], int *count)
{
    for (*count = 0;; p++) {
        const char *digits = p;
        while (p < end && *p >= '0' && *p <= '9') {
            p++;
        }
        pk_str text = {digits, (size_t)(p - digits)};
        if (text.len == 0 || (text.len > 1 && *digits == '0') || !pk__number_to_uint(text, &part[*count])) {
            return NULL;
        }
        if (++*count == 3 || p == end || *p != '.') {
            return p;
        }
    }
}

static bool pk__semver_is_number(pk_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] < '0' || id.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

/* Goes over dot-separated identifiers of letters, digits and dashes. Returns what follows, or NULL. */
static const char *pk__semver_ids(const char *p, const char *end, bool strict_numbers, pk_str *out)
{
    out->ptr = p;
    for (;;) {
        pk_str id = {p, 0};
        while (p < end && ((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') || *p == '-')) {
            p++;
        }
        id.len = (size_t)(p - id.ptr);
        if (id.len == 0 || (strict_numbers && id.len > 1 && *id.ptr == '0' && pk__semver_is_number(id))) {
            return NULL;
        }
        if (p == end || *p != '.') {
            out->len = (size_t)(p - out->ptr);
            return p;
        }
        p++;
    }
}

/* A version with `count` of its numbers. */
static bool pk__semver_read(pk_str text, pk__semver *out, int *count)
{
    const char *p = text.len > 0 ? text.ptr : "";
    const char *end = p + text.len;
    memset(out, 0, sizeof(*out));
    p = pk__semver_numbers(p, end, out->part, count);
    if (p && p < end && *p == '-') {
        p = *count == 3 ? pk__semver_ids(p + 1, end, true, &out->before) : NULL;
    }
    if (p && p < end && *p == '+') {
        p = *count == 3 ? pk__semver_ids(p + 1, end, false, &out->build) : NULL;
    }
    return p == end;
}

PK__FN bool pk__semver_parse(pk_str text, pk__semver *out)
{
    int count;
    return pk__semver_read(text, out, &count) && count == 3;
}

static int pk__semver_compare_ids(pk_str a, pk_str b)
{
    bool a_number = pk__semver_is_number(a), b_number = pk__semver_is_number(b);
    if (a_number != b_number) {
        return a_number ? -1 : 1; // numbers are lower than words
    }
    if (a_number && a.len != b.len) {
        return a.len < b.len ? -1 : 1; // there are no leading zeros
    }
    int order = memcmp(a.ptr, b.ptr, PK__MIN(a.len, b.len));
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

PK__FN int pk__semver_compare(const pk__semver *a, const pk__semver *b)
{
    for (int i = 0; i < 3; i++) {
        if (a->part[i] != b->part[i]) {
            return a->part[i] < b->part[i] ? -1 : 1;
        }
    }
    pk_str x = a->before, y = b->before;
    if (x.len == 0 || y.len == 0) {
        return (x.len == 0) - (y.len == 0); // a prerelease is lower than its release
    }
    while (x.len > 0 && y.len > 0) {
        pk_str x_id = x, y_id = y, none = {"", 0};
        if (!pk_str_cut(x, '.', &x_id, &x)) {
            x = none;
        }
        if (!pk_str_cut(y, '.', &y_id, &y)) {
            y = none;
        }
        int order = pk__semver_compare_ids(x_id, y_id);
        if (order != 0) {
            return order;
        }
    }
    return (x.len > 0) - (y.len > 0); // with more identifiers: higher
}

PK__FN bool pk__semver_serves(const pk__semver *provider, const pk__semver *needed)
{
    return provider->part[0] == needed->part[0] && provider->part[1] >= needed->part[1];
}

typedef struct pk__semver_range {
    pk__semver least;
    int same;   // so many of its numbers must be the same
    bool exact; // all must be the same, the prerelease too
} pk__semver_range;

static bool pk__semver_read_range(pk_str text, pk__semver_range *out)
{
    int count;
    char sign = text.len > 0 ? *text.ptr : '\0';
    memset(out, 0, sizeof(*out));
    if (sign == '\0' || pk_str_is(text, "*")) {
        return true;
    }
    if (sign == '^' || sign == '~') {
        text.ptr++;
        text.len--;
    }
    if (!pk__semver_read(text, &out->least, &count)) {
        return false;
    }
    if (sign == '^') { // up to the first number that is not 0
        for (out->same = 1; out->same < count && out->least.part[out->same - 1] == 0; out->same++) {
        }
    } else {
        out->same = sign == '~' ? PK__MIN(count, 2) : count;
        out->exact = sign != '~' && count == 3;
    }
    return true;
}

PK__FN bool pk__semver_matches(const pk__semver *version, pk_str range)
{
    pk__semver_range r;
    if (!pk__semver_read_range(range, &r)) {
        return false;
    }
    int order = pk__semver_compare(version, &r.least);
    bool same_release = memcmp(version->part, r.least.part, sizeof(r.least.part)) == 0;
    if (version->before.len > 0 && !(same_release && r.least.before.len > 0)) {
        return false;
    }
    bool same = memcmp(version->part, r.least.part, (size_t)r.same * sizeof(r.least.part[0])) == 0;
    return r.exact ? order == 0 : same && order >= 0;
}

PK__FN bool pk__semver_is_range(pk_str range)
{
    pk__semver_range r;
    return pk__semver_read_range(range, &r);
}
