/* utf8.h - UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * Whatever crosses a process boundary as text is checked here once. */
#ifndef PK__UTF8_H
#define PK__UTF8_H
#include "../base/defs.h"

/* How many bytes the character at p has, 1 to 4; 0 = that is no UTF-8, or it is cut off by `end`. p is before end. */
PK__FN size_t pk__utf8_len(const char *p, const char *end);
/* The code point of the character at p, which has `len` bytes by pk__utf8_len. */
PK__FN uint32_t pk__utf8_get(const char *p, size_t len);
/* Goes over characters that are not ASCII, as long as they are UTF-8; gives where it stops. */
PK__FN const char *pk__utf8_run(const char *p, const char *end);
PK__FN bool pk__utf8_valid(pk_str text);
/* Writes a code point, which must be a valid one; returns how many bytes (1 to 4). */
PK__FN size_t pk__utf8_put(char *out, uint32_t code);

#endif
