/* words.h - tables of texts without pointers.
 *
 *     static const char words[] = "none\0" "one\0" "two\0";
 *     pk__words_at(words, 2)                               // "two"
 *
 * A pointer to a text costs eight bytes, and as much again or more for the loader to mend it: often as much as the
 * text. Texts that are looked at rarely stand one behind the other instead, and are counted off. */
#ifndef PK__WORDS_H
#define PK__WORDS_H
#include <string.h>
#include "defs.h"

PK__LOCAL const char *pk__words_at(const char *words, size_t n)
{
    while (n-- > 0) {
        words += strlen(words) + 1;
    }
    return words;
}

#endif
