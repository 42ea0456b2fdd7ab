/* config_schema.h - configurations, held against the plugin's own JSON Schemas: pk_sdk_desc.config_schemas.
 *
 * Hosts may do the same, for the schemas are part of the capabilities; those of the Go framework do not, and neither do
 * people who type --config. Nothing of the SDK knows this but sdk.c, which puts pk__config_schema_check in the place of
 * the plugin's on_config. */
#ifndef PK__CONFIG_SCHEMA_H
#define PK__CONFIG_SCHEMA_H
#ifdef PLUGKIT_WITH_SCHEMA
#include "../base/defs.h"

/* An on_config whose `user` is the plugin's pk_sdk_desc, and whose on_config is called with what fits. It has been told
 * of no type that is not declared. Errors: PK_ERR_CONFIG, PK_ERR_NO_MEMORY, and those of on_config. */
PK__FN pk_err pk__config_schema_check(void *user, pk_str type, pk_json data, pk_error *err);
/* Adds "configSchemas" to the text of capabilities. */
PK__FN pk_err pk__config_schema_put(pk_buf *capabilities, const pk_sdk_desc *desc, pk_error *err);

#endif
#endif
