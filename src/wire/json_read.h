/* json_read.h - the strict JSON reader behind pk_json_parse and pk_json_check.
 *
 * Nothing recurses: one loop goes through a value of any depth with one bit a level, so that ten megabytes of brackets
 * cost a comparison and no stack. It is compiled twice, with a tree and without; once in small builds.
 *
 * Parsing copies the text once and works in the copy: strings are unescaped in place (they only get shorter) and end
 * with a NUL where their quote was. So a document is the copy, and behind it an array of 16-byte nodes in the order of
 * the text, keys in front of their values. A container knows how many nodes it spans: stepping over it
 * takes one addition. Numbers are converted at once, and their text stays where it is: a node knows how far away,
 * which costs nothing, for 59 bits are left beside the type. The array may move as it grows, and then the distances
 * are set anew. In small builds a number is its text, and converted when somebody asks: who never does links no
 * arithmetic. */
#ifndef PK__JSON_READ_H
#define PK__JSON_READ_H
#include "../base/defs.h"
#include "json_scan.h"

/* A value, or the key of a member. Node 0 of a document is empty and the root is node 1, so that there is always a
 * node before a value: it is a key if and only if the value is a member. */
struct pk_json_value {
    /* The type in the low three bits. Above it: bytes of a string or key; items; true. Of a number two bits of its
     * form, less 1, and how many bytes before the node its text begins. */
    uint64_t tag;
    union {
        const char *text; // of a string or key (a NUL follows both), or a PK__NUMBER_TEXT
        uint64_t bits;    // of any other number
        size_t span;      // of an array or object: nodes to what follows it
    } of;
};

enum { PK__JSON_KEY = 7, PK__JSON_TYPE_BITS = 3, PK__JSON_TYPE_MASK = 7, PK__JSON_FORM_BITS = 2 };

PK__HOT pk__number_form pk__json_form(const pk_json_value *v)
{
    return (pk__number_form)((v->tag >> PK__JSON_TYPE_BITS & 3) + 1);
}

PK__HOT size_t pk__json_len(const pk_json_value *v)
{
    return (size_t)(v->tag >> PK__JSON_TYPE_BITS);
}

/* Makes a number of a node. Where the upper byte of addresses is a mark of its own (tagged memory), a distance between
 * pieces of memory is none: such a number keeps its text instead of its bits. */
#if PK__SMALL
PK__LOCAL void pk__json_set_number(pk_json_value *v, pk__number_form form, uint64_t bits, const char *text)
{
    (void)form, (void)bits;
    v->tag = PK_JSON_NUMBER | (PK__NUMBER_TEXT - 1) << PK__JSON_TYPE_BITS;
    v->of.text = text;
}
#else
PK__HOT void pk__json_set_number(pk_json_value *v, pk__number_form form, uint64_t bits, const char *text)
{
    uint64_t here = (uint64_t)(uintptr_t)v, there = (uint64_t)(uintptr_t)text;
    v->of.bits = bits;
    if (form == PK__NUMBER_TEXT || (here ^ there) >> 56) {
        form = PK__NUMBER_TEXT;
        v->of.text = text;
    }
    uint64_t low = PK_JSON_NUMBER | (uint64_t)(form - 1) << PK__JSON_TYPE_BITS;
    v->tag = low | (here - there) << (PK__JSON_TYPE_BITS + PK__JSON_FORM_BITS);
}
#endif

/* Where the text of a number begins. */
PK__FN const char *pk__json_number_at(const pk_json_value *v);
/* Copies nodes; what is in them still finds its text. */
PK__FN void pk__json_copy(pk_json_value *to, const pk_json_value *from, size_t count);

/* Where pk__json_build puts what it reads. */
typedef struct pk__json_tree {
    pk_mem *mem;
    pk_json_value *nodes;
    size_t count, cap;
    bool keep; // leave the text as it is; pk__json_settle changes it (small builds always do it this way)
} pk__json_tree;

/* Goes over the value at p and all that is in it. */
PK__FN const char *pk__json_skip(pk__json_reader *r, const char *p);
/* The same, and makes nodes of it. */
PK__FN const char *pk__json_build(pk__json_reader *r, const char *p, pk__json_tree *tree);
/* The key of the second of two members of that name, anywhere in the tree; NULL if there is none. *failed: there was no
 * memory to find out. */
PK__FN const pk_json_value *pk__json_twice(const pk__json_tree *tree, bool *failed);
/* Checks syntax and keys alone: what pk_json_parse_with says, and nothing is kept. */
PK__FN pk_err pk__json_check_unique(const pk_alloc *alloc, pk_str text, bool secret, pk_error *err);

#endif
