/* pattern.h - regular expressions that take time linear in the text, whatever they are.
 *
 * They are those of ECMA-262 with the flag u, as JSON Schema has them, and match anywhere in the text unless ^ and $
 * say otherwise. The text is UTF-8, and a character is a code point.
 *
 *     characters    a  \t \n \v \f \r  \0  \cA  \x41  \u0041  \u{1F600}  \.  and . for all but the end of a line
 *     classes       [abc] [^a-z] [\d_]  \d \D \w \W (ASCII)  \s \S  \p{L} \P{Letter} \p{gc=Nd} (general categories)
 *     quantifiers   * + ? {2} {2,} {2,5}, also lazy ones: for the question whether it matches that is the same
 *     others        ^ $ \b \B  a|b  (a) (?:a) (?<name>a)
 *
 * What takes more than linear time, or memory of what was matched, is refused: (?=a) (?!a) (?<=a) (?<!a), \1, \k<name>.
 * So is \p{..} of anything but general categories, and what the flag u forbids because it is most often a mistake: a
 * lone { or }, letters behind a backslash that mean nothing. Behind a backslash every other ASCII character stands for
 * itself.
 *
 * A pattern becomes a program of a dozen operations. What matches one character goes on to the next operation; SPLIT
 * goes on to two. The matcher reads the text once and keeps the set of all operations at which it could be, one bit
 * each: no backtracking, and no more time than length * operations. Repetitions are written out ({3} is three copies),
 * jumps are relative, so that a copy is a memcpy. A program has 4096 operations at most; the sets and the list of what
 * is to be visited fit on the stack (9 KiB), and matching allocates nothing and cannot fail. */
#ifndef PK__PATTERN_H
#define PK__PATTERN_H
#ifdef PLUGKIT_WITH_SCHEMA
#include "../base/defs.h"

enum {
    PK__PATTERN_CODE_MAX = 4096,   // operations
    PK__PATTERN_RANGES_MAX = 4096, // of all classes together
    PK__PATTERN_GROUPS_MAX = 100   // levels of nesting
};

typedef enum pk__pattern_op {
    PK__PATTERN_CHAR,     // the character `arg`
    PK__PATTERN_CLASS,    // one of `count` ranges from number `arg`
    PK__PATTERN_SPLIT,    // the next operation, and the one that is `arg` away
    PK__PATTERN_JUMP,     // the one that is `arg` away
    PK__PATTERN_BEGIN,    // nothing stands before
    PK__PATTERN_END,      // nothing follows
    PK__PATTERN_EDGE,     // of a word
    PK__PATTERN_NOT_EDGE,
    PK__PATTERN_MATCH
} pk__pattern_op;

typedef struct pk__pattern_code {
    uint16_t op, count;
    int32_t arg;
} pk__pattern_code;

typedef struct pk__pattern_range {
    uint32_t first, last;
} pk__pattern_range;

struct pk_pattern {
    const pk_alloc *alloc;
    size_t size; // of this block, which holds all
    const pk__pattern_code *code;
    const pk__pattern_range *ranges;
    uint32_t count;
    bool is_anchored; // it can only match from the beginning
};

/* Is that a regular expression of ECMA-262, also one of those that are refused here? PK_ERR_PARSE = no; or
 * PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__pattern_is_regex(pk_str text, const pk_alloc *alloc);
/* Matches like pk_pattern_match and counts its work down from *steps: -1 = they have run out. */
PK__FN int pk__pattern_run(const pk_pattern *p, pk_str text, uint64_t *steps);

#endif
#endif
