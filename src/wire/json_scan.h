/* json_scan.h - the tokens of JSON, and what went wrong: the ground under the reader and the struct tables.
 *
 * One cursor, a plain `const char *`, goes through the text once; every function takes it and returns where it stands
 * afterwards, or NULL after a mistake. The reader knows then where and why, and pk__json_error makes a sentence of it.
 * No byte at or behind `end` is ever read, so that any piece of memory can be read as it lies.
 */
#ifndef PK__JSON_SCAN_H
#define PK__JSON_SCAN_H
#include "../base/defs.h"
#include "number.h"
#include "swar.h"
#include "wide.h"

/* Where a text begins in a longer one: line and column count from 1, the offset from 0. */
typedef struct pk__json_origin {
    size_t line, column, offset;
} pk__json_origin;

typedef struct pk__json_reader {
    const char *begin, *end;
    uint32_t depth;       // levels that the caller has opened already
    bool escaped;         // the last string has escapes
    pk_json_options options;
    pk_err failed;        // PK_OK, PK_ERR_BAD_JSON, PK_ERR_LIMIT (depth), PK_ERR_NO_MEMORY
    const char *wrong;    // after a mistake: where,
    const char *expected; // and what should have been there (static); NULL: another key, this one is there already
} pk__json_reader;

PK__FN void pk__json_begin(pk__json_reader *r, pk_str text);

/* ---- mistakes */

/* Fails at `at`; returns NULL. */
PK__FN const char *pk__json_wrong(pk__json_reader *r, const char *at, const char *expected);
PK__FN const char *pk__json_out_of(pk__json_reader *r, const char *at, pk_err what); // PK_ERR_LIMIT, PK_ERR_NO_MEMORY
/* Makes the error of a failed reader: "cannot <what>: line 3, column 14, offset 40: expected .., got .. near ..". The
 * text is passed again, for the reader may have unescaped its own copy. */
PK__FN pk_err pk__json_error(const pk__json_reader *r, pk_str text, const char *what, pk_error *err);
/* Where the byte at `offset` stands, as in "line 3, column 14, offset 40": columns are characters, and count from 1
 * as lines do; the offset counts bytes from 0. */
enum { PK__JSON_PLACE_CAP = 80 };
PK__FN const char *pk__json_place(char out[PK__JSON_PLACE_CAP], pk_str text, size_t offset,
                                  const pk__json_origin *from);
/* Moves a place over bytes that follow it. */
PK__FN void pk__json_pass(pk__json_origin *at, pk_str bytes);

/* ---- tokens */

PK__FN const char *pk__json_skip_space(const char *p, const char *end);
/* Most tokens follow each other at once. */
PK__HOT const char *pk__json_space(const char *p, const char *end)
{
    return p < end && (unsigned char)*p <= ' ' ? pk__json_skip_space(p, end) : p;
}

/* What stands at p: NUL at the end, for no token begins with one. */
PK__HOT char pk__json_peek(const char *p, const char *end)
{
    return p < end ? *p : '\0';
}

/* Over a string, from inside of it to its closing quote: what is between the quotes is valid UTF-8 with valid escapes.
 * Sets r->escaped if there are escapes, or leaves it. */
PK__FN const char *pk__json_string_rest(pk__json_reader *r, const char *p);
/* The same in text that is ours: escapes are taken out where they stand. *out_end is the new end of the string. */
PK__FN const char *pk__json_string_open(pk__json_reader *r, char *p, char **out_end);
/* Takes the escapes out of what stood between the quotes, in place; returns the new length. */
PK__FN size_t pk__json_unescape(char *text, size_t len);

/* Nearly all strings are short and plain: where the first byte is that says otherwise, or a quote. */
PK__HOT const char *pk__json_plain(const char *p, const char *end)
{
    while (end - p >= PK__WIDE && !PK__SMALL) {
        uint64_t mask = pk__wide_json(pk__wide_load(p));
        if (mask) {
            return p + pk__wide_first(mask);
        }
        p += PK__WIDE;
    }
    return p;
}

/* From behind the opening quote of a string to its closing one. Clears r->escaped. */
PK__HOT const char *pk__json_body(pk__json_reader *r, const char *p, const char *end)
{
    r->escaped = false;
    p = pk__json_plain(p, end);
    return p < end && *p == '"' ? p : pk__json_string_rest(r, p);
}

/* The same in text that is ours; gives what the string means. NULL: a mistake. */
PK__HOT const char *pk__json_body_open(pk__json_reader *r, char *first, const char *end, pk_str *out)
{
    const char *p = pk__json_plain(first, end);
    char *out_end = (char *)(uintptr_t)p;
    if (p == end) { // no quote, then: not even room for a NUL
        return pk__json_wrong(r, p, "'\"'");
    }
    if (*p != '"') {
        p = pk__json_string_open(r, out_end, &out_end);
    }
    out->ptr = first;
    out->len = (size_t)(out_end - first);
    return p;
}

/* Goes over the string whose opening quote is at p. */
PK__FN const char *pk__json_string(pk__json_reader *r, const char *p);
/* Goes over true, false or null. */
PK__FN const char *pk__json_literal(pk__json_reader *r, const char *p);
/* Goes over a key and its colon; *key is what stood between the quotes, r->escaped tells whether it has escapes. */
PK__FN const char *pk__json_key(pk__json_reader *r, const char *p, pk_str *key);
/* Checks that only white space follows. */
PK__FN const char *pk__json_end(pk__json_reader *r, const char *p);

/* Containers, for callers that know what is in them:
 *
 *     for (p = pk__json_open(r, p, &more); p && more; p = pk__json_more(r, p, '}', &more)) {
 *         p = pk__json_key(r, p, &key);  then the value
 *     }
 *
 * Opening starts at the bracket, and is at the first item afterwards; without items (*more is false) behind the end.
 * After an item pk__json_more goes over a comma (*more is true) or the closing bracket. */
PK__FN const char *pk__json_open(pk__json_reader *r, const char *p, bool *more);
PK__FN const char *pk__json_more(pk__json_reader *r, const char *p, char bracket, bool *more);

#endif
