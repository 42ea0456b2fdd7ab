/* pattern_match.c - running a pattern's program over a text. */
#ifdef PLUGKIT_WITH_SCHEMA
#include <string.h>

#include "pattern.h"
#include "utf8.h"

enum { PK__PATTERN_WORDS = PK__PATTERN_CODE_MAX / 64, PK__PATTERN_NO_CHAR = 0x110000 };

/* Where the matcher stands: between `before` and `next`, either of which may be missing. */
typedef struct pk__pattern_place {
    const pk_pattern *pattern;
    uint32_t before, next;
    uint64_t work; // operations visited
} pk__pattern_place;

static bool pk__pattern_is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool pk__pattern_in_class(const pk__pattern_range *ranges, uint32_t count, uint32_t c)
{
    while (count > 0) {
        uint32_t half = count / 2;
        if (c > ranges[half].last) {
            ranges += half + 1;
            count -= half + 1;
        } else if (c < ranges[half].first) {
            count = half;
        } else {
            return true;
        }
    }
    return false;
}

/* Does an operation that matches nothing let pass here? */
static bool pk__pattern_passes(const pk__pattern_place *at, unsigned op)
{
    switch (op) {
    case PK__PATTERN_BEGIN: return at->before == PK__PATTERN_NO_CHAR;
    case PK__PATTERN_END: return at->next == PK__PATTERN_NO_CHAR;
    case PK__PATTERN_EDGE: return pk__pattern_is_word(at->before) != pk__pattern_is_word(at->next);
    case PK__PATTERN_NOT_EDGE: return pk__pattern_is_word(at->before) == pk__pattern_is_word(at->next);
    default: return false; // it wants a character
    }
}

/* Adds an operation to the set, and all that can be reached from it without a character. True: the end is one. */
static bool pk__pattern_add(pk__pattern_place *at, uint64_t *set, uint32_t first)
{
    uint16_t visit[PK__PATTERN_CODE_MAX];
    size_t count = 1;
    visit[0] = (uint16_t)first;
    if (set[first / 64] >> first % 64 & 1) {
        return false;
    }
    set[first / 64] |= UINT64_C(1) << first % 64;
    while (count > 0) {
        uint32_t n = visit[--count], to[2], ways = 0;
        const pk__pattern_code *code = &at->pattern->code[n];
        at->work++;
        if (code->op == PK__PATTERN_MATCH) {
            return true;
        }
        if (code->op == PK__PATTERN_SPLIT || code->op == PK__PATTERN_JUMP) {
            to[ways++] = (uint32_t)((int32_t)n + code->arg);
        }
        if (code->op == PK__PATTERN_SPLIT || pk__pattern_passes(at, code->op)) {
            to[ways++] = n + 1;
        }
        while (ways-- > 0) { // each operation is put on the list once
            uint32_t t = to[ways];
            if (!(set[t / 64] >> t % 64 & 1)) {
                set[t / 64] |= UINT64_C(1) << t % 64;
                visit[count++] = (uint16_t)t;
            }
        }
    }
    return false;
}

static bool pk__pattern_takes(const pk_pattern *p, const pk__pattern_code *code, uint32_t c)
{
    return code->op == PK__PATTERN_CHAR
               ? (uint32_t)code->arg == c
               : code->op == PK__PATTERN_CLASS && pk__pattern_in_class(p->ranges + code->arg, code->count, c);
}

/* From the set before a character to the one behind it, where `at` is already. */
static bool pk__pattern_step(pk__pattern_place *at, const uint64_t *from, uint64_t *to, bool *is_empty)
{
    const pk_pattern *p = at->pattern;
    size_t words = (p->count + 63) / 64;
    memset(to, 0, words * sizeof(*to));
    *is_empty = true;
    at->work += words;
    for (size_t w = 0; w < words; w++) {
        uint32_t n = (uint32_t)w * 64;
        for (uint64_t set = from[w]; set; set >>= 1, n++) {
            if ((set & 1) && pk__pattern_takes(p, &p->code[n], at->before)) {
                *is_empty = false;
                if (pk__pattern_add(at, to, n + 1)) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* The character at *p, which goes behind it. What is no UTF-8 is a character of its own, byte by byte. */
static uint32_t pk__pattern_next(const char **p, const char *end)
{
    if (*p == end) {
        return PK__PATTERN_NO_CHAR;
    }
    size_t len = pk__utf8_len(*p, end);
    uint32_t c = len ? pk__utf8_get(*p, len) : 0xFFFD;
    *p += len ? len : 1;
    return c;
}

PK__FN int pk__pattern_run(const pk_pattern *p, pk_str text, uint64_t *steps)
{
    uint64_t sets[2][PK__PATTERN_WORDS], *now = sets[0], *later = sets[1];
    const char *c = text.len ? text.ptr : "", *end = c + text.len;
    pk__pattern_place at = {p, PK__PATTERN_NO_CHAR, PK__PATTERN_NO_CHAR, 0};
    at.next = pk__pattern_next(&c, end);
    memset(now, 0, (p->count + 63) / 64 * sizeof(*now));
    bool found = pk__pattern_add(&at, now, 0);
    while (!found && at.next != PK__PATTERN_NO_CHAR) {
        bool is_empty;
        at.before = at.next;
        at.next = pk__pattern_next(&c, end);
        found = pk__pattern_step(&at, now, later, &is_empty);
        if (!found && p->is_anchored && is_empty) {
            break;
        }
        found = found || (!p->is_anchored && pk__pattern_add(&at, later, 0));
        if (at.work > *steps) {
            *steps = 0;
            return -1;
        }
        uint64_t *other = now;
        now = later;
        later = other;
    }
    *steps -= PK__MIN(at.work, *steps);
    return found;
}

PK_API bool pk_pattern_match(const pk_pattern *p, pk_str text)
{
    uint64_t steps = UINT64_MAX;
    return pk__pattern_run(p, text, &steps) == 1;
}

#endif
