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

#ifdef PLUGKIT_WITH_MANIFESTS
/* ---- ranges: words that all have to hold, and alternatives of them */

static bool pk__semver_is_same(const pk__semver *a, const pk__semver *b, int count)
{
    return memcmp(a->part, b->part, (size_t)count * sizeof(a->part[0])) == 0;
}

/* The sign that a word begins with: one of ^ ~ > < =, twice as much with "=" behind > and <; it is taken off. */
static int pk__semver_sign(pk_str *word)
{
    int sign = word->len > 0 && strchr("^~><=", *word->ptr) ? *word->ptr : 0;
    size_t len = sign ? 1 : 0;
    if ((sign == '>' || sign == '<') && word->len > 1 && word->ptr[1] == '=') {
        sign *= 2;
        len = 2;
    }
    while (len < word->len && sign && word->ptr[len] == ' ') {
        len++;
    }
    word->ptr += len;
    word->len -= len;
    return sign;
}

/* "^": the same up to the first number that is not 0; "~": major and minor. */
static int pk__semver_fixed(const pk__semver *least, int sign, int count)
{
    int same = 1;
    if (sign == '~') {
        return PK__MIN(count, 2);
    }
    while (sign == '^' && same < count && least->part[same - 1] == 0) {
        same++;
    }
    return sign == '^' ? same : count;
}

static bool pk__semver_holds(const pk__semver *v, const pk__semver *least, int sign, int count)
{
    pk__semver cut = *v; // of "1.2" only two numbers count
    if (count < 3) {
        memset(cut.part + count, 0, (size_t)(3 - count) * sizeof(cut.part[0]));
        cut.before.len = sign == '^' || sign == '~' ? cut.before.len : 0;
    }
    int order = pk__semver_compare(&cut, least);
    switch (sign) {
    case '>': return order > 0;
    case 2 * '>': return order >= 0;
    case '<': return order < 0;
    case 2 * '<': return order <= 0;
    case '^':
    case '~':
        return pk__semver_is_same(v, least, pk__semver_fixed(least, sign, count)) &&
               pk__semver_compare(v, least) >= 0;
    default: return order == 0;
    }
}

/* Takes the next word of an alternative: what stands up to a blank, but one behind a sign. False: there is none. */
static bool pk__semver_word(pk_str *rest, pk_str *word)
{
    while (rest->len > 0 && *rest->ptr == ' ') {
        rest->ptr++;
        rest->len--;
    }
    word->ptr = rest->ptr;
    size_t len = 0;
    while (len < rest->len && strchr("^~><=", rest->ptr[len])) {
        len++;
    }
    while (len < rest->len && len > 0 && rest->ptr[len] == ' ') {
        len++;
    }
    while (len < rest->len && rest->ptr[len] != ' ') {
        len++;
    }
    word->len = len;
    rest->ptr += len;
    rest->len -= len;
    return len > 0;
}

/* Do all words hold? False in *readable: one is none. With version NULL only that is asked. */
static bool pk__semver_all_hold(const pk__semver *version, pk_str words, bool *readable)
{
    bool holds = true, named = false; // is this prerelease asked for?
    pk_str word;
    while (pk__semver_word(&words, &word)) {
        pk__semver least;
        int count;
        if (pk_str_is(word, "*")) {
            continue;
        }
        int sign = pk__semver_sign(&word);
        if (!pk__semver_read(word, &least, &count)) {
            return *readable = false;
        }
        if (version) {
            holds = holds && pk__semver_holds(version, &least, sign, count);
            named = named || (least.before.len > 0 && pk__semver_is_same(version, &least, 3));
        }
    }
    return version && holds && (version->before.len == 0 || named);
}

static bool pk__semver_any_holds(const pk__semver *version, pk_str range, bool *readable)
{
    bool holds = false, more = true;
    *readable = true;
    while (more) {
        pk_str words = range;
        more = false;
        for (size_t i = 0; i + 1 < range.len && !more; i++) {
            if (range.ptr[i] == '|' && range.ptr[i + 1] == '|') {
                words.len = i;
                range.ptr += i + 2;
                range.len -= i + 2;
                more = true;
            }
        }
        holds = pk__semver_all_hold(version, words, readable) || holds;
    }
    return holds && *readable;
}

PK__FN bool pk__semver_matches(const pk__semver *version, pk_str range)
{
    bool readable;
    return pk__semver_any_holds(version, range, &readable);
}

PK__FN bool pk__semver_is_range(pk_str range)
{
    bool readable;
    (void)pk__semver_any_holds(NULL, range, &readable);
    return readable;
}
#endif
