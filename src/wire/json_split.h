/* json_split.h - finds where a JSON value ends while it is coming in, byte by byte if it has to be.
 *
 * A token's first byte says what it is, so a few states and one bit a level know what may come next: the end is found
 * at the last byte, and what cannot become JSON any more at the first byte that is wrong, however much would follow.
 * What is inside of numbers, words and escapes is left to the reader, and so is UTF-8. The reader refuses all that is
 * refused here, and finds its first mistake there or before; so what it says does not depend on the pieces. */
#ifndef PK__JSON_SPLIT_H
#define PK__JSON_SPLIT_H
#ifdef PLUGKIT_WITH_JSON_TOOLS
#include "../base/defs.h"

/* Zeroed before each value. */
typedef struct pk__json_split {
    uint64_t objects[PLUGKIT_JSON_DEPTH / 64 + 1]; // a level's bit says that it is an object
    uint32_t depth;
    uint32_t due;    // what comes next; zero: a value
    uint32_t inside; // of which token
} pk__json_split;

typedef enum pk__json_part {
    PK__JSON_PART,  // it has not ended
    PK__JSON_WHOLE, // it has; the bytes behind it are not looked at. Called again, it lets white space follow alone
    PK__JSON_NEVER  // the byte in front of *at cannot be
} pk__json_part;

/* Goes on at *at, and leaves it behind what was read. */
PK__FN pk__json_part pk__json_split_next(pk__json_split *s, const char **at, const char *end);

#endif
#endif
