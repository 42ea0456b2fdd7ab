/* where.h - where in a text of JSON a value stands, for messages that editors can follow. */
#ifndef CLI_WHERE_H
#define CLI_WHERE_H
#include "../plugkit.h"

typedef struct where {
    size_t line, column; // from 1; columns are characters
} where;

/* `text` has been parsed, and `pointer` (RFC 6901) leads to a value in it. Of a key that stands twice the last counts.
 * False: there is no such value. */
bool where_is(pk_str text, pk_str pointer, where *out);

#endif
