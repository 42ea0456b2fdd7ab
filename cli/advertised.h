/* advertised.h - the JSON Schemas in a plugin's capabilities.
 *
 *     "configSchemas":{"db":{..}}                                 of a config type
 *     "types":{"dataProcessor":[{"type":"x","jsonSchema":..}]}    of a type, also in OCM's form
 *
 * With "x-methods" the latter says of each method what its request and its response are. A jsonSchema is
 * base64 of JSON, JSON as text, or JSON. */
#ifndef CLI_ADVERTISED_H
#define CLI_ADVERTISED_H
#include "../plugkit.h"

typedef struct advertised {
    pk_str contract, type; // contract "" = a config type
    pk_json text;          // should be JSON, and perhaps is
    struct advertised *next;
} advertised;

/* All of them, in order; NULL = none. They live in *mem, as do the capabilities, which may be NULL. */
advertised *advertised_all(pk_mem *mem, const pk_json_value *capabilities);
const advertised *advertised_find(const advertised *list, pk_str contract, pk_str type); // NULL = none

/* What is said of a method's requests. method NULL = all that is said is to be usable. *out is NULL if nothing is said.
 * Errors: as pk_schema_create, and PK_ERR_BAD_JSON. */
pk_err advertised_compile(const advertised *a, const char *method, pk_schema **out, pk_error *err);
bool advertised_has_methods(const advertised *a);

#endif
