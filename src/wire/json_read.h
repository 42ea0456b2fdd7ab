/* json_read.h - the strict JSON reader behind pk_json_parse, pk_json_check and the struct tables.
 *
 * One cursor, a plain `const char *`, goes through the text once; every function takes it and returns where it stands
 * afterwards, or NULL after a mistake. The reader knows then where and why, and pk__json_error makes a sentence of it.
 * Nothing recurses: pk__json_value goes through a value of any depth with one bit a level, so that ten megabytes of
 * brackets cost a comparison and no stack.
 *
 * Parsing copies the text once and works in the copy: strings are unescaped in place (they only get shorter) and end
 * with a NUL where their quote was, numbers stay as they are and are converted when somebody asks. So a document is two
 * pieces of memory, the copy and an array of 16-byte nodes in the order of the text, keys in front of their values.
 * A container knows how many nodes it spans: stepping over it takes one addition. */
#ifndef PK__JSON_READ_H
#define PK__JSON_READ_H
#include "../base/defs.h"
#include "number.h"

typedef struct pk__json_reader {
    const char *begin, *end;
    uint32_t depth;       // levels that the caller has opened already
    bool escaped;         // the last string has escapes
    pk_err failed;        // PK_OK, PK_ERR_BAD_JSON, PK_ERR_LIMIT (depth), PK_ERR_NO_MEMORY
    const char *wrong;    // after a mistake: where,
    const char *expected; // and what should have been there (static)
} pk__json_reader;

/* A value, or the key of a member. Node 0 of a document is empty and the root is node 1, so that there is always a
 * node before a value: it is a key if and only if the value is a member. */
struct pk_json_value {
    uint64_t tag; // the type in the low three bits; above: bytes of a string, key or number; items; or true
    union {
        const char *text; // of a string, key (a NUL follows both) or number
        size_t span;      // of an array or object: nodes to what follows it
    } of;
};

enum { PK__JSON_KEY = 7, PK__JSON_TYPE_BITS = 3, PK__JSON_TYPE_MASK = 7 };

/* Where pk__json_value puts what it reads. */
typedef struct pk__json_tree {
    pk_mem *mem;
    pk_json_value *nodes;
    size_t count, cap;
    size_t open; // the innermost open container; its span is the next one outwards until it closes
} pk__json_tree;

PK__FN void pk__json_begin(pk__json_reader *r, pk_str text);
/* Fails at `at`; returns NULL. */
PK__FN const char *pk__json_wrong(pk__json_reader *r, const char *at, const char *expected);
/* Makes the error of a failed reader: "cannot <what>: line 3, column 14: expected ..., got ... near ...". The text is
 * passed again, for the reader may have unescaped its own copy. */
PK__FN pk_err pk__json_error(const pk__json_reader *r, pk_str text, const char *what, pk_error *err);

PK__FN const char *pk__json_skip_space(const char *p, const char *end);
/* Most tokens follow each other at once. */
PK__FN inline const char *pk__json_space(const char *p, const char *end)
{
    return p < end && (unsigned char)*p <= ' ' ? pk__json_skip_space(p, end) : p;
}
/* What stands at p: NUL at the end, for no token begins with one. */
PK__FN inline char pk__json_peek(const pk__json_reader *r, const char *p)
{
    return p < r->end ? *p : '\0';
}
/* Goes over the string whose opening quote is at p. What is between the quotes is valid UTF-8 with valid escapes. */
PK__FN const char *pk__json_string(pk__json_reader *r, const char *p);
/* Takes the escapes out of what stood between the quotes, in place; returns the new length. */
PK__FN size_t pk__json_unescape(char *text, size_t len);
/* Goes over the value at p and all that is in it. With a tree the text is the tree's copy, and nodes are made. */
PK__FN const char *pk__json_value(pk__json_reader *r, const char *p, pk__json_tree *tree);
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
/* Goes over a key and its colon; *key is what stood between the quotes, r->escaped tells whether it has escapes. */
PK__FN const char *pk__json_key(pk__json_reader *r, const char *p, pk_str *key);

#endif
