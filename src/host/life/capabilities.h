/* capabilities.h - what a plugin says that it is, in every form that is about.
 *
 *     {"types":{"dataProcessor":[{"type":"x","jsonSchema":".."}]},"configTypes":["c"]}       the Go framework
 *     ... and "protocols", "contracts", "methods", "version"                                 plugkit/1
 *     {"capabilities":[{"type":"inputRepository","supportedInputTypes":[{"type":"T/v1"}]}],
 *      "supportedConfigTypes":[..]}                                                          OCM
 *
 * Everything is copied to the plugin's own memory. An error names what is wrong with which key. */
#ifndef PK__CAPABILITIES_H
#define PK__CAPABILITIES_H
#include "../registry/registry.h"

typedef struct pk__capabilities {
    pk__service_entry *services; // of the plugin, not yet registered
    size_t count;
    const char *const *config_types; // NULL-terminated
    pk_str version, text;
    bool speaks_plugkit, can_survive;
    bool answers_health; // by lines, too
    bool ends_its_group; // when its host dies
} pk__capabilities;

/* Errors: PK_ERR_BAD_JSON, PK_ERR_PROTOCOL, PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__capabilities_parse(pk__plugin *p, pk_str text, pk__capabilities *out, pk_error *err);

#endif
