/* json_split.c - where a JSON value ends. */
#include "json_split.h"
#ifdef PLUGKIT_WITH_JSON_TOOLS
#include <string.h>

#include "json_scan.h"

enum { // due
    PK__SPLIT_VALUE,
    PK__SPLIT_ITEM,   // a value, or the end of the array
    PK__SPLIT_KEY,
    PK__SPLIT_MEMBER, // a key, or the end of the object
    PK__SPLIT_COLON,
    PK__SPLIT_MORE    // a comma, or the end of what is open; nothing if nothing is
};

enum { // inside
    PK__SPLIT_NOTHING,
    PK__SPLIT_STRING,
    PK__SPLIT_ESCAPE, // behind its backslash
    PK__SPLIT_PLAIN   // a number or a word
};

static bool pk__json_split_in_object(const pk__json_split *s)
{
    return s->depth > 0 && (s->objects[(s->depth - 1) / 64] >> (s->depth - 1) % 64 & 1);
}

static bool pk__json_split_open(pk__json_split *s, bool object)
{
    uint64_t bit = UINT64_C(1) << s->depth % 64, *word = &s->objects[s->depth / 64];
    if (s->due > PK__SPLIT_ITEM || s->depth >= PLUGKIT_JSON_DEPTH) {
        return false;
    }
    *word = object ? *word | bit : *word & ~bit;
    s->depth++;
    s->due = object ? PK__SPLIT_MEMBER : PK__SPLIT_ITEM;
    return true;
}

static bool pk__json_split_close(pk__json_split *s, bool object)
{
    bool may = s->due == PK__SPLIT_MORE || s->due == (object ? PK__SPLIT_MEMBER : PK__SPLIT_ITEM);
    if (!may || s->depth == 0 || object != pk__json_split_in_object(s)) {
        return false;
    }
    s->depth--;
    s->due = PK__SPLIT_MORE;
    return true;
}

/* Is c one that a number or word may have? */
static bool pk__json_split_is_plain(char c)
{
    char lower = (char)(c | 0x20);
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || c == '-' || c == '+' || c == '.';
}

/* The first byte of a token. False: it cannot be. */
static bool pk__json_split_token(pk__json_split *s, char c)
{
    bool value = s->due <= PK__SPLIT_ITEM;
    switch (c) {
    case '{':
    case '[':
        return pk__json_split_open(s, c == '{');
    case '}':
    case ']':
        return pk__json_split_close(s, c == '}');
    case ',':
        value = s->due == PK__SPLIT_MORE && s->depth > 0;
        s->due = pk__json_split_in_object(s) ? PK__SPLIT_KEY : PK__SPLIT_VALUE;
        return value;
    case ':':
        value = s->due == PK__SPLIT_COLON;
        s->due = PK__SPLIT_VALUE;
        return value;
    case '"':
        value = s->due <= PK__SPLIT_MEMBER;
        s->due = s->due <= PK__SPLIT_ITEM ? PK__SPLIT_MORE : PK__SPLIT_COLON;
        s->inside = PK__SPLIT_STRING;
        return value;
    default:
        s->due = PK__SPLIT_MORE;
        s->inside = PK__SPLIT_PLAIN;
        return value && (c == '-' || (c >= '0' && c <= '9') || c == 't' || c == 'f' || c == 'n');
    }
}

/* Inside of a string, up to behind its end or the first byte that cannot be: then *good is false. */
static const char *pk__json_split_string(pk__json_split *s, const char *p, const char *end, bool *good)
{
    while (p < end && *good) {
        if (s->inside == PK__SPLIT_ESCAPE) {
            s->inside = PK__SPLIT_STRING;
            *good = memchr("\"\\/bfnrtu", *p++, 9) != NULL;
            continue;
        }
        p = pk__json_plain(p, end);
        if (p == end) {
            break;
        }
        char c = *p++;
        if (c == '"') {
            s->inside = PK__SPLIT_NOTHING;
            break;
        }
        s->inside = c == '\\' ? PK__SPLIT_ESCAPE : PK__SPLIT_STRING;
        *good = (unsigned char)c >= 0x20;
    }
    return p;
}

/* Inside of a number or word, up to what follows it. */
static const char *pk__json_split_plain(pk__json_split *s, const char *p, const char *end)
{
    while (p < end && pk__json_split_is_plain(*p)) {
        p++;
    }
    s->inside = p < end ? PK__SPLIT_NOTHING : PK__SPLIT_PLAIN;
    return p;
}

PK__FN pk__json_part pk__json_split_next(pk__json_split *s, const char **at, const char *end)
{
    const char *p = *at;
    bool good = true, whole = false;
    while (p < end && good && !whole) {
        if (s->inside == PK__SPLIT_NOTHING) {
            p = pk__json_space(p, end);
            if (p == end) {
                break;
            }
            good = pk__json_split_token(s, *p++);
            if (!good) {
                break;
            }
        }
        if (s->inside == PK__SPLIT_PLAIN) {
            p = pk__json_split_plain(s, p, end);
        } else if (s->inside != PK__SPLIT_NOTHING) {
            p = pk__json_split_string(s, p, end, &good);
        }
        whole = s->depth == 0 && s->due == PK__SPLIT_MORE && s->inside == PK__SPLIT_NOTHING;
    }
    *at = p;
    return !good ? PK__JSON_NEVER : whole ? PK__JSON_WHOLE : PK__JSON_PART;
}
#endif
