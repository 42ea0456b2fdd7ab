/* json_write.h - what the struct tables need of the JSON writer beyond its public functions.
 *
 * The writer (api/json.h) notices the first mistake, writes nothing from then on, and tells at the end: its `failed` is
 * one of these reasons. A pk_buf that fails is a mistake like any other; the buffer knows whether it is full or memory
 * is short. */
#ifndef PK__JSON_WRITE_H
#define PK__JSON_WRITE_H
#include "../base/defs.h"

typedef enum pk__json_fault {
    PK__JSON_FINE,
    PK__JSON_BUFFER,
    PK__JSON_NOT_UTF8,
    PK__JSON_NOT_FINITE,
    PK__JSON_BAD_RAW,
    PK__JSON_TOO_DEEP,
    PK__JSON_NO_KEY,     // a value where a key is due
    PK__JSON_NO_OBJECT,  // a key outside of an object
    PK__JSON_NO_VALUE,   // a key or the end where a value is due
    PK__JSON_SECOND,     // a second value at the top
    PK__JSON_TOO_MANY_ENDS,
    PK__JSON_OPEN        // finished within a container
} pk__json_fault;

PK__FN bool pk__json_before_value(pk_json_writer *w); // puts comma and new line; false: no value may stand here
PK__FN pk_err pk__json_fault_code(const pk_json_writer *w);
PK__FN const char *pk__json_fault_text(const pk_json_writer *w); // "a string is not UTF-8"

#endif
