/* category.h - the general categories of Unicode: which characters are letters, digits, upper case ...
 *
 * Regular expressions ask for them as \p{L} or \p{Letter}. The locale of libc knows no answer that is the same
 * everywhere, so here is a table: all characters in order, as runs of one category, a byte or two each. It is read
 * from its beginning when a pattern is compiled, and never while one is matched. */
#ifndef PK__CATEGORY_H
#define PK__CATEGORY_H
#ifdef PLUGKIT_WITH_SCHEMA
#include "../base/defs.h"

/* A set of categories, one bit each. The name is short or long, "L", "Lu", "Letter", "Uppercase_Letter"; 0 = there is
 * no such category. */
PK__FN uint32_t pk__category_named(pk_str name);
/* Calls add(user, first, last) for each range of characters of these categories, upwards. */
PK__FN void pk__category_ranges(uint32_t set, void (*add)(void *user, uint32_t first, uint32_t last), void *user);

#endif
#endif
