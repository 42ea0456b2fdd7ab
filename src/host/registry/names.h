/* names.h - what there is instead of the name that somebody asked for: sorted, and no longer than fits into a message.
 *
 * Names come in any order and more than once, from wherever they are, with a NUL behind them; nothing is allocated, and
 * nothing is copied but what is shown. So the source is walked once for each name:
 *
 *     pk__names have = {{0}};
 *     do {
 *         for (..) { pk__names_see(&have, name); }
 *     } while (pk__names_take(&have));
 *     have.text                                         // "lower, upper, wordcount"; "" if there is nothing
 *
 * What does not fit is shown as "...". */
#ifndef PK__NAMES_H
#define PK__NAMES_H
#include "../../base/defs.h"

typedef struct pk__names {
    char text[100];
    size_t len;
    const char *last, *next; // the one that was taken; the least behind it that was seen since. NULL = none
} pk__names;

PK__FN void pk__names_see(pk__names *n, const char *name);
PK__FN bool pk__names_take(pk__names *n); // appends what comes next; false: that was all, or all that fits

#endif
