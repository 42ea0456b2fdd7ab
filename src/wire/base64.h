/* base64.h - bytes as text: base64 (RFC 4648) and hex.
 *
 * Decoding is strict: no white space, no characters of another alphabet, no bits left over, so that every text has one
 * meaning and every meaning one text. Flags widen it: JSON Web Keys and some peers leave the padding away. */
#ifndef PK__BASE64_H
#define PK__BASE64_H
#include "../base/defs.h"

enum {
    PK__BASE64_STD = 0,      // + and /, padded
    PK__BASE64_UNPADDED = 1, // padding may be missing
    PK__BASE64_URL = 2       // - and _ instead of + and /
};

PK__FN bool pk__base64_encode(pk_buf *out, pk_str bytes); // appends, standard and padded; false: the buffer failed
/* Writes to out, which has room for text.len bytes and may be text.ptr itself; returns false if it is not base64. */
PK__FN bool pk__base64_decode(pk_str text, unsigned flags, char *out, size_t *len);

PK__FN bool pk__hex_encode(pk_buf *out, pk_str bytes); // appends lower case; false: the buffer failed
/* Both cases; out has room for text.len / 2 bytes and may be text.ptr itself. False: an odd length, or no hex. */
PK__FN bool pk__hex_decode(pk_str text, char *out, size_t *len);

#endif
