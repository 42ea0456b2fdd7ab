/* schemas.h - what is exchanged with plugins, held against the JSON Schemas that they advertise.
 *
 *     "configSchemas":{"db":{..}}                            of a config type: the configuration, before a start
 *     "types":{"dataProcessor":[{"type":"x","jsonSchema":..}]}   of a type: requests, before they are sent, and answers
 *
 * A jsonSchema is base64 of JSON, JSON as text, or JSON. It describes requests; one with "x-methods" (as those of
 * contracts/) says of each method what its "request" and its "response" are. It is compiled when it is needed first,
 * and kept. One that cannot be used lets nothing through, and says why: somebody asked for the check.
 *
 * Attached by a hook of life and an interceptor of attempt scope. Bodies that are not in memory, or not JSON, are not
 * looked at; nor are direct calls of typed objects that are compiled in, which pass no interceptor. */
#ifndef PK__SCHEMAS_H
#define PK__SCHEMAS_H
#ifdef PLUGKIT_WITH_SCHEMA
#include "../registry/registry.h"

typedef struct pk__schemas {
    const pk_alloc *alloc;
    pk__registry *registry;
    unsigned what; // PK_SCHEMAS_..
    pk_interceptor interceptor;
    pk__mutex lock; // of kept; a leaf
    struct pk__schemas_kept *kept;
} pk__schemas;

PK__FN void pk__schemas_init(pk__schemas *s, const pk_alloc *alloc, pk__registry *registry, unsigned what);
PK__FN void pk__schemas_deinit(pk__schemas *s);
/* Life's hook: may the plugin be started with this configuration? Errors: PK_ERR_CONFIG, PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__schemas_check_config(void *user, const pk__plugin *p, const pk_plugin_config *c, pk_error *err);

#endif
#endif
