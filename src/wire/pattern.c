/* pattern.c - from the text of a regular expression to its program. */
#ifdef PLUGKIT_WITH_SCHEMA
#include "pattern.h"

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "category.h"
#include "utf8.h"

typedef struct pk__pattern_reader {
    const char *begin, *at, *end;
    pk_buf code, ranges;
    uint32_t groups;     // open ones
    const char *refused; // the first thing that is proper ECMA-262 and not supported; NULL = none
    const char *where;   // that stands there
    const char *wrong;   // the mistake; NULL = none
    bool is_loop;        // the last atom can be repeated
} pk__pattern_reader;

static bool pk__pattern_wrong(pk__pattern_reader *r, const char *at, const char *what)
{
    if (!r->wrong) {
        r->wrong = what;
        r->where = at;
    }
    return false;
}

/* Not supported; goes on reading, for there may be a mistake further on. */
static void pk__pattern_refuse(pk__pattern_reader *r, const char *at, const char *what)
{
    if (!r->refused) {
        r->refused = what;
        r->where = at;
    }
}

static char pk__pattern_peek(const pk__pattern_reader *r)
{
    return r->at < r->end ? *r->at : '\0';
}

static bool pk__pattern_take(pk__pattern_reader *r, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0) {
        return false;
    }
    r->at += len;
    return true;
}

/* ---- emitting */

static uint32_t pk__pattern_count(const pk__pattern_reader *r)
{
    return (uint32_t)(r->code.len / sizeof(pk__pattern_code));
}

static void pk__pattern_emit(pk__pattern_reader *r, pk__pattern_op op, uint32_t count, int32_t arg)
{
    pk__pattern_code code;
    code.op = (uint16_t)op;
    code.count = (uint16_t)count;
    code.arg = arg;
    pk_str bytes = {(const char *)&code, sizeof(code)};
    (void)pk_buf_add(&r->code, bytes);
}

static pk__pattern_code *pk__pattern_at(const pk__pattern_reader *r, uint32_t at)
{
    return (pk__pattern_code *)(void *)r->code.ptr + at;
}

/* Puts an operation in front of what begins at `at`. */
static void pk__pattern_insert(pk__pattern_reader *r, uint32_t at, pk__pattern_op op, int32_t arg)
{
    uint32_t behind = pk__pattern_count(r) - at;
    pk__pattern_emit(r, op, 0, arg);
    if (r->code.failed) {
        return;
    }
    pk__pattern_code *code = pk__pattern_at(r, at), last = code[behind];
    memmove(code + 1, code, behind * sizeof(*code));
    code[0] = last;
}

/* Appends a copy of `count` operations; what they jump to is among them. */
static void pk__pattern_copy(pk__pattern_reader *r, uint32_t from, uint32_t count)
{
    size_t size = count * sizeof(pk__pattern_code);
    if (pk_buf_reserve(&r->code, size)) {
        memcpy(r->code.ptr + r->code.len, pk__pattern_at(r, from), size);
        r->code.len += size;
    }
}

/* ---- classes: ranges that are sorted, and do not touch */

static uint32_t pk__pattern_ranges(const pk__pattern_reader *r)
{
    return (uint32_t)(r->ranges.len / sizeof(pk__pattern_range));
}

static pk__pattern_range *pk__pattern_range_at(const pk__pattern_reader *r, uint32_t at)
{
    return (pk__pattern_range *)(void *)r->ranges.ptr + at;
}

static void pk__pattern_add_range(void *user, uint32_t first, uint32_t last)
{
    pk__pattern_reader *r = (pk__pattern_reader *)user;
    pk__pattern_range range;
    range.first = first;
    range.last = last;
    pk_str bytes = {(const char *)&range, sizeof(range)};
    (void)pk_buf_add(&r->ranges, bytes);
}

/* Sorts the ranges from `begin` on, and joins those that meet. */
static void pk__pattern_sort(pk__pattern_reader *r, uint32_t begin)
{
    uint32_t count = pk__pattern_ranges(r) - begin, kept = 0;
    if (count == 0) {
        return; // there may be no memory either
    }
    pk__pattern_range *range = pk__pattern_range_at(r, begin);
    for (uint32_t i = 1; i < count; i++) { // what \p{..} adds is sorted already: few have a long way
        pk__pattern_range one = range[i];
        uint32_t k = i;
        for (; k > 0 && range[k - 1].first > one.first; k--) {
            range[k] = range[k - 1];
        }
        range[k] = one;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (kept > 0 && range[i].first <= range[kept - 1].last + 1) {
            range[kept - 1].last = PK__MAX(range[kept - 1].last, range[i].last);
        } else {
            range[kept++] = range[i];
        }
    }
    r->ranges.len = (begin + kept) * sizeof(*range);
}

/* Turns the ranges from `begin` on into all others. */
static void pk__pattern_invert(pk__pattern_reader *r, uint32_t begin)
{
    pk__pattern_sort(r, begin);
    uint32_t count = pk__pattern_ranges(r) - begin, next = 0, kept = 0;
    pk__pattern_add_range(r, 0, 0); // room for one more
    if (r->ranges.failed) {
        return;
    }
    pk__pattern_range *range = pk__pattern_range_at(r, begin);
    for (uint32_t i = 0; i < count; i++) {
        pk__pattern_range one = range[i];
        if (one.first > next) {
            range[kept].first = next;
            range[kept++].last = one.first - 1;
        }
        next = one.last + 1;
    }
    if (next <= 0x10FFFF) {
        range[kept].first = next;
        range[kept++].last = 0x10FFFF;
    }
    r->ranges.len = (begin + kept) * sizeof(*range);
}

/* Adds the characters of \d, \w or \s. */
static void pk__pattern_shorthand(pk__pattern_reader *r, char letter)
{
    static const pk__pattern_range spaces[] = {{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
                                               {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                               {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    if (letter == 's') {
        for (size_t i = 0; i < PK__COUNT(spaces); i++) {
            pk__pattern_add_range(r, spaces[i].first, spaces[i].last);
        }
        return;
    }
    pk__pattern_add_range(r, '0', '9');
    if (letter == 'w') {
        pk__pattern_add_range(r, 'A', 'Z');
        pk__pattern_add_range(r, '_', '_');
        pk__pattern_add_range(r, 'a', 'z');
    }
}

/* The class of all ranges from `begin` on. */
static void pk__pattern_emit_class(pk__pattern_reader *r, uint32_t begin, bool inverted)
{
    if (inverted) {
        pk__pattern_invert(r, begin);
    } else if (!r->ranges.failed) {
        pk__pattern_sort(r, begin);
    }
    pk__pattern_emit(r, PK__PATTERN_CLASS, pk__pattern_ranges(r) - begin, (int32_t)begin);
}

/* ---- escapes */

static int pk__pattern_hex(char c)
{
    char lower = (char)(c | 0x20);
    return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* `count` hex digits at the cursor. False: there are fewer, and the cursor is where it was. */
static bool pk__pattern_hex_digits(pk__pattern_reader *r, int count, uint32_t *out)
{
    const char *p = r->at;
    *out = 0;
    for (int i = 0; i < count; i++, p++) {
        int digit = p < r->end ? pk__pattern_hex(*p) : -1;
        if (digit < 0) {
            return false;
        }
        *out = *out * 16 + (uint32_t)digit;
    }
    r->at = p;
    return true;
}

static bool pk__pattern_hex_code(pk__pattern_reader *r, int count, uint32_t *out)
{
    return pk__pattern_hex_digits(r, count, out) || pk__pattern_wrong(r, r->at, "hex digits should follow");
}

/* Behind \u: four digits, two such halves of one character, or {digits}. */
static bool pk__pattern_unicode(pk__pattern_reader *r, uint32_t *out)
{
    if (pk__pattern_take(r, "{")) {
        int digits = 0;
        for (*out = 0; r->at < r->end && pk__pattern_hex(*r->at) >= 0 && *out <= 0x10FFFF; r->at++, digits++) {
            *out = *out * 16 + (uint32_t)pk__pattern_hex(*r->at);
        }
        if (digits == 0 || *out > 0x10FFFF || !pk__pattern_take(r, "}")) {
            return pk__pattern_wrong(r, r->at, "\\u{..} needs a number up to 10FFFF");
        }
        return true;
    }
    if (!pk__pattern_hex_code(r, 4, out)) {
        return false;
    }
    const char *behind = r->at;
    uint32_t low;
    if (*out >= 0xD800 && *out < 0xDC00 && pk__pattern_take(r, "\\u") && pk__pattern_hex_digits(r, 4, &low) &&
        low >= 0xDC00 && low < 0xE000) {
        *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
        return true;
    }
    r->at = behind; // half a character, which no text holds
    return true;
}

/* Behind \p or \P: adds the characters of {Letter}, {L} or {gc=L}. */
static bool pk__pattern_property(pk__pattern_reader *r, bool inverted)
{
    const char *begin = r->at;
    const char *close = r->at < r->end ? (const char *)memchr(r->at, '}', (size_t)(r->end - r->at)) : NULL;
    if (!close || !pk__pattern_take(r, "{")) {
        return pk__pattern_wrong(r, begin, "\\p needs the name of a property in braces");
    }
    pk_str name = {r->at, (size_t)(close - r->at)}, key, value;
    r->at = close + 1;
    if (pk_str_cut(name, '=', &key, &value) && (pk_str_is(key, "gc") || pk_str_is(key, "General_Category"))) {
        name = value;
    }
    uint32_t set = pk__category_named(name), first = pk__pattern_ranges(r);
    if (pk_str_is(name, "ASCII")) {
        pk__pattern_add_range(r, 0, 0x7F);
    } else if (set) {
        pk__category_ranges(set, pk__pattern_add_range, r);
    } else {
        pk__pattern_refuse(r, begin - 2, "of \\p{..} only general categories are known");
    }
    if (inverted && !r->ranges.failed) {
        pk__pattern_invert(r, first);
    }
    return true;
}

/* Behind a backslash. True: either *code is a character, or (UINT32_MAX) ranges were added. */
static bool pk__pattern_escape(pk__pattern_reader *r, uint32_t *code)
{
    static const char letters[] = "fnrtv", meant[] = "\f\n\r\t\v";
    const char *begin = r->at - 1;
    char c = pk__pattern_peek(r);
    r->at++;
    *code = UINT32_MAX;
    if (begin + 1 >= r->end || c == '\0') {
        r->at = begin + 1;
        return pk__pattern_wrong(r, begin, "a character should follow the backslash");
    }
    if (strchr("dDwWsS", c)) {
        uint32_t first = pk__pattern_ranges(r);
        pk__pattern_shorthand(r, (char)(c | 0x20));
        if (c < 'a' && !r->ranges.failed) {
            pk__pattern_invert(r, first);
        }
        return true;
    }
    if (strchr(letters, c)) {
        *code = (uint32_t)meant[strchr(letters, c) - letters];
        return true;
    }
    char lower = (char)(c | 0x20), next = pk__pattern_peek(r);
    if (c == '0' && !(next >= '0' && next <= '9')) {
        *code = 0;
    } else if (c == 'x') {
        return pk__pattern_hex_code(r, 2, code);
    } else if (c == 'u') {
        return pk__pattern_unicode(r, code);
    } else if (c == 'p' || c == 'P') {
        return pk__pattern_property(r, c == 'P');
    } else if (c == 'c' && (next | 0x20) >= 'a' && (next | 0x20) <= 'z') {
        *code = (uint32_t)next & 31;
        r->at++;
    } else if ((c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || (c & 0x80)) {
        return pk__pattern_wrong(r, begin, "this means nothing behind a backslash");
    } else {
        *code = (unsigned char)c;
    }
    return true;
}

/* A character of the text itself. */
static bool pk__pattern_plain(pk__pattern_reader *r, uint32_t *code)
{
    size_t len = pk__utf8_len(r->at, r->end);
    if (len == 0) {
        return pk__pattern_wrong(r, r->at, "it is no UTF-8");
    }
    *code = pk__utf8_get(r->at, len);
    r->at += len;
    return true;
}

/* ---- [..] */

static bool pk__pattern_class_atom(pk__pattern_reader *r, uint32_t *code)
{
    if (!pk__pattern_take(r, "\\")) {
        return pk__pattern_plain(r, code);
    }
    if (pk__pattern_take(r, "b")) {
        *code = '\b';
        return true;
    }
    return pk__pattern_escape(r, code);
}

static bool pk__pattern_class(pk__pattern_reader *r)
{
    const char *begin = r->at - 1;
    uint32_t first = pk__pattern_ranges(r), from, to;
    bool inverted = pk__pattern_take(r, "^");
    while (pk__pattern_peek(r) != ']' || r->at == r->end) {
        const char *item = r->at;
        if (r->at == r->end) {
            return pk__pattern_wrong(r, begin, "a ] is missing");
        }
        if (!pk__pattern_class_atom(r, &from)) {
            return false;
        }
        to = from;
        if (r->end - r->at >= 2 && r->at[0] == '-' && r->at[1] != ']') {
            r->at++;
            if (!pk__pattern_class_atom(r, &to)) {
                return false;
            }
            if (from == UINT32_MAX || to == UINT32_MAX || from > to) {
                return pk__pattern_wrong(r, item, "a range needs a lower character and a higher one");
            }
        }
        if (from != UINT32_MAX) {
            pk__pattern_add_range(r, from, to);
        }
    }
    r->at++;
    pk__pattern_emit_class(r, first, inverted);
    return true;
}

/* ---- quantifiers */

/* Digits; large numbers become one that is too large for every program. */
static bool pk__pattern_number(pk__pattern_reader *r, uint32_t *out)
{
    const char *begin = r->at;
    for (*out = 0; pk__pattern_peek(r) >= '0' && pk__pattern_peek(r) <= '9'; r->at++) {
        *out = PK__MIN(*out * 10 + (uint32_t)(*r->at - '0'), 1000000u);
    }
    return r->at > begin;
}

/* The quantifier at the cursor; *most UINT32_MAX = no end. False: there is none, or it is wrong. */
static bool pk__pattern_quantifier(pk__pattern_reader *r, uint32_t *least, uint32_t *most)
{
    const char *begin = r->at;
    *least = 0;
    *most = UINT32_MAX;
    if (pk__pattern_take(r, "+")) {
        *least = 1;
    } else if (pk__pattern_take(r, "?")) {
        *most = 1;
    } else if (pk__pattern_take(r, "{")) {
        if (!pk__pattern_number(r, least)) {
            return pk__pattern_wrong(r, begin, "a lone { is written \\{");
        }
        *most = *least;
        if (pk__pattern_take(r, ",") && !pk__pattern_number(r, most)) {
            *most = UINT32_MAX;
        }
        if (!pk__pattern_take(r, "}")) {
            return pk__pattern_wrong(r, begin, "a repetition is written {2}, {2,} or {2,5}");
        }
        if (*most < *least) {
            return pk__pattern_wrong(r, begin, "the second number of a repetition is lower than the first");
        }
    } else if (!pk__pattern_take(r, "*")) {
        return false;
    }
    (void)pk__pattern_take(r, "?"); // lazy
    return true;
}

/* Repeats what was emitted from `begin` on: so many copies, the optional ones behind a SPLIT. */
static void pk__pattern_repeat(pk__pattern_reader *r, uint32_t begin, uint32_t least, uint32_t most)
{
    uint32_t size = pk__pattern_count(r) - begin;
    if (size == 0 || most == 0) {
        r->code.len = begin * sizeof(pk__pattern_code);
        return;
    }
    if (most == UINT32_MAX && least == 0) { // SPLIT behind; body; JUMP to the SPLIT
        pk__pattern_insert(r, begin, PK__PATTERN_SPLIT, (int32_t)size + 2);
        pk__pattern_emit(r, PK__PATTERN_JUMP, 0, -(int32_t)size - 1);
        return;
    }
    for (uint32_t i = 1; i < least && !r->code.failed; i++) {
        pk__pattern_copy(r, begin, size);
    }
    if (most == UINT32_MAX) { // the last copy is a loop: SPLIT goes on, or back
        pk__pattern_emit(r, PK__PATTERN_SPLIT, 0, -(int32_t)size);
        return;
    }
    /* (a(a(a)?)?)?, flat: each SPLIT leads to the end. */
    uint32_t extra = most - least;
    if (least == 0) {
        uint64_t way = (uint64_t)(size + 1) * extra;
        pk__pattern_insert(r, begin, PK__PATTERN_SPLIT, (int32_t)PK__MIN(way, (uint64_t)INT32_MAX));
        begin++;
        extra--;
    }
    for (; extra > 0 && !r->code.failed; extra--) {
        uint64_t way = (uint64_t)(size + 1) * extra;
        pk__pattern_emit(r, PK__PATTERN_SPLIT, 0, (int32_t)PK__MIN(way, (uint64_t)INT32_MAX));
        pk__pattern_copy(r, begin, size);
    }
}

/* ---- terms */

static bool pk__pattern_alternatives(pk__pattern_reader *r);

/* Behind "(": what kind of group it is. False: a mistake. *is_aside: it looks around, and matches nothing itself. */
static bool pk__pattern_group_kind(pk__pattern_reader *r, const char *begin, bool *is_aside)
{
    *is_aside = false;
    if (!pk__pattern_take(r, "?") || pk__pattern_take(r, ":")) {
        return true;
    }
    if (pk__pattern_take(r, "=") || pk__pattern_take(r, "!") || pk__pattern_take(r, "<=") ||
        pk__pattern_take(r, "<!")) {
        *is_aside = true;
        pk__pattern_refuse(r, begin, "looking ahead or behind is not possible in linear time");
        return true;
    }
    if (pk__pattern_take(r, "<")) {
        const char *name = r->at;
        for (char c = pk__pattern_peek(r); (c >= '0' && c <= '9' && r->at > name) || c == '_' || c == '$' ||
                                           ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c & 0x80);) {
            r->at++;
            c = pk__pattern_peek(r);
        }
        if (r->at > name && pk__pattern_take(r, ">")) {
            return true;
        }
        return pk__pattern_wrong(r, begin, "a named group is written (?<name>..)");
    }
    return pk__pattern_wrong(r, begin, "there is no such kind of group");
}

static bool pk__pattern_group(pk__pattern_reader *r)
{
    const char *begin = r->at - 1;
    uint32_t first = pk__pattern_count(r);
    bool is_aside;
    if (!pk__pattern_group_kind(r, begin, &is_aside)) {
        return false;
    }
    if (++r->groups > PK__PATTERN_GROUPS_MAX) {
        r->code.failed = PK_ERR_LIMIT;
        return false;
    }
    if (!pk__pattern_alternatives(r)) {
        return false;
    }
    if (!pk__pattern_take(r, ")")) {
        return pk__pattern_wrong(r, begin, "a ) is missing");
    }
    r->groups--;
    if (is_aside) {
        r->code.len = first * sizeof(pk__pattern_code);
        r->is_loop = false;
    } else {
        r->is_loop = true;
    }
    return true;
}

/* Behind a backslash, outside of a class. */
static bool pk__pattern_term_escape(pk__pattern_reader *r)
{
    const char *begin = r->at - 1;
    char c = pk__pattern_peek(r);
    if (pk__pattern_take(r, "b") || pk__pattern_take(r, "B")) {
        pk__pattern_emit(r, c == 'b' ? PK__PATTERN_EDGE : PK__PATTERN_NOT_EDGE, 0, 0);
        r->is_loop = false;
        return true;
    }
    if ((c >= '1' && c <= '9') || (c == 'k' && r->end - r->at > 1 && r->at[1] == '<')) {
        const char *close = c == 'k' ? (const char *)memchr(r->at, '>', (size_t)(r->end - r->at)) : r->at;
        uint32_t number;
        pk__pattern_refuse(r, begin, "referring back to a group is not possible in linear time");
        r->at = close ? close + (c == 'k') : r->end;
        (void)pk__pattern_number(r, &number);
        return true;
    }
    uint32_t code, first = pk__pattern_ranges(r);
    if (!pk__pattern_escape(r, &code)) {
        return false;
    }
    if (code == UINT32_MAX) {
        pk__pattern_emit_class(r, first, false);
    } else {
        pk__pattern_emit(r, PK__PATTERN_CHAR, 0, (int32_t)code);
    }
    return true;
}

static bool pk__pattern_atom(pk__pattern_reader *r)
{
    const char *begin = r->at;
    uint32_t code;
    r->is_loop = true;
    if (pk__pattern_take(r, "(")) {
        return pk__pattern_group(r);
    }
    if (pk__pattern_take(r, "[")) {
        return pk__pattern_class(r);
    }
    if (pk__pattern_take(r, "\\")) {
        return pk__pattern_term_escape(r);
    }
    if (pk__pattern_take(r, ".")) {
        uint32_t first = pk__pattern_ranges(r);
        pk__pattern_add_range(r, '\n', '\n');
        pk__pattern_add_range(r, '\r', '\r');
        pk__pattern_add_range(r, 0x2028, 0x2029);
        pk__pattern_emit_class(r, first, true);
        return true;
    }
    if (pk__pattern_take(r, "^") || pk__pattern_take(r, "$")) {
        pk__pattern_emit(r, *begin == '^' ? PK__PATTERN_BEGIN : PK__PATTERN_END, 0, 0);
        r->is_loop = false;
        return true;
    }
    if (*begin != '\0' && strchr("*+?", *begin)) {
        return pk__pattern_wrong(r, begin, "there is nothing to repeat");
    }
    if (*begin == '{' || *begin == '}' || *begin == ']') {
        return pk__pattern_wrong(r, begin, "a lone {, } or ] needs a backslash");
    }
    if (!pk__pattern_plain(r, &code)) {
        return false;
    }
    pk__pattern_emit(r, PK__PATTERN_CHAR, 0, (int32_t)code);
    return true;
}

static bool pk__pattern_sequence(pk__pattern_reader *r)
{
    while (r->at < r->end && *r->at != '|' && *r->at != ')') {
        uint32_t begin = pk__pattern_count(r), least, most;
        const char *quantifier;
        if (!pk__pattern_atom(r)) {
            return false;
        }
        quantifier = r->at;
        if (pk__pattern_quantifier(r, &least, &most)) {
            if (!r->is_loop) {
                return pk__pattern_wrong(r, quantifier, "there is nothing to repeat");
            }
            pk__pattern_repeat(r, begin, least, most);
        }
        if (r->wrong || r->code.failed || r->ranges.failed) {
            return false;
        }
    }
    return true;
}

/* a|b|c: SPLIT; a; JUMP end; SPLIT; b; JUMP end; c. Until the end is known, a JUMP tells where the one before is. */
static bool pk__pattern_alternatives(pk__pattern_reader *r)
{
    uint32_t begin = pk__pattern_count(r), last = UINT32_MAX;
    while (pk__pattern_sequence(r)) {
        if (!pk__pattern_take(r, "|")) {
            uint32_t end = pk__pattern_count(r);
            while (last != UINT32_MAX) {
                pk__pattern_code *jump = pk__pattern_at(r, last);
                uint32_t before = jump->arg < 0 ? UINT32_MAX : (uint32_t)jump->arg;
                jump->arg = (int32_t)(end - last);
                last = before;
            }
            return true;
        }
        uint32_t size = pk__pattern_count(r) - begin;
        pk__pattern_insert(r, begin, PK__PATTERN_SPLIT, (int32_t)size + 2);
        pk__pattern_emit(r, PK__PATTERN_JUMP, 0, last == UINT32_MAX ? -1 : (int32_t)last);
        last = pk__pattern_count(r) - 1;
        begin = last + 1;
        if (r->code.failed) {
            return false;
        }
    }
    return false;
}

/* ---- the whole */

static pk_err pk__pattern_read(pk__pattern_reader *r, pk_str text, const pk_alloc *alloc)
{
    memset(r, 0, sizeof(*r));
    r->begin = r->at = text.len ? text.ptr : "";
    r->end = r->begin + text.len;
    pk_buf_init(&r->code, alloc, PK__PATTERN_CODE_MAX * sizeof(pk__pattern_code));
    pk_buf_init(&r->ranges, alloc, PK__PATTERN_RANGES_MAX * sizeof(pk__pattern_range));
    if (pk__pattern_alternatives(r) && r->at < r->end) {
        (void)pk__pattern_wrong(r, r->at, "there is a ) too many");
    }
    pk__pattern_emit(r, PK__PATTERN_MATCH, 0, 0);
    return r->wrong              ? PK_ERR_PARSE
           : r->code.failed      ? (pk_err)r->code.failed
           : r->ranges.failed    ? (pk_err)r->ranges.failed
           : r->refused          ? PK_ERR_UNSUPPORTED
                                 : PK_OK;
}

static void pk__pattern_reader_deinit(pk__pattern_reader *r)
{
    pk_buf_free(&r->code);
    pk_buf_free(&r->ranges);
}

static pk_err pk__pattern_error(const pk__pattern_reader *r, pk_str text, pk_err rc, pk_error *err)
{
    char shown[60];
    (void)pk__error_clean(shown, sizeof(shown), text);
    if (rc == PK_ERR_NO_MEMORY) {
        return pk__error_memory(err, "read a regular expression");
    }
    if (rc == PK_ERR_LIMIT) {
        return pk_error_set(err, rc,
                            "cannot use the regular expression '%s': it is too large: more than %d operations, with "
                            "all repetitions written out, or than %d groups inside each other", shown,
                            PK__PATTERN_CODE_MAX, PK__PATTERN_GROUPS_MAX);
    }
    return pk_error_set(err, rc, "cannot use the regular expression '%s': at %lu: %s", shown,
                        (unsigned long)(r->where - r->begin) + 1, rc == PK_ERR_PARSE ? r->wrong : r->refused);
}

PK_API pk_err pk_pattern_create(pk_pattern **out, pk_str text, const pk_alloc *alloc, pk_error *err)
{
    pk__pattern_reader r;
    *out = NULL;
    pk_err rc = pk__pattern_read(&r, text, alloc);
    if (!rc) {
        size_t size = sizeof(pk_pattern) + r.code.len + r.ranges.len;
        pk_pattern *p = (pk_pattern *)pk__new(alloc, size);
        if (p) {
            char *code = (char *)(p + 1), *ranges = code + r.code.len;
            memcpy(code, r.code.ptr, r.code.len);
            if (r.ranges.len) {
                memcpy(ranges, r.ranges.ptr, r.ranges.len);
            }
            p->alloc = alloc;
            p->size = size;
            p->code = (const pk__pattern_code *)(void *)code;
            p->ranges = (const pk__pattern_range *)(void *)ranges;
            p->count = pk__pattern_count(&r);
            p->is_anchored = p->code[0].op == PK__PATTERN_BEGIN;
            *out = p;
        }
        rc = p ? PK_OK : PK_ERR_NO_MEMORY;
    }
    if (rc) {
        (void)pk__pattern_error(&r, text, rc, err);
    }
    pk__pattern_reader_deinit(&r);
    return rc;
}

PK_API void pk_pattern_destroy(pk_pattern *p)
{
    if (p) {
        pk__free(p->alloc, p, p->size);
    }
}

PK__FN pk_err pk__pattern_is_regex(pk_str text, const pk_alloc *alloc)
{
    pk__pattern_reader r;
    pk_err rc = pk__pattern_read(&r, text, alloc);
    pk__pattern_reader_deinit(&r);
    return rc == PK_ERR_PARSE || rc == PK_ERR_NO_MEMORY ? rc : PK_OK;
}

#endif
