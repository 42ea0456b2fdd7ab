/* config_schema.c - configurations, held against the plugin's own JSON Schemas. */
#ifdef PLUGKIT_WITH_SCHEMA
#include "config_schema.h"

#include "../base/error.h"

static pk_str pk__config_schema_of(const pk_sdk_desc *desc, pk_str type)
{
    for (size_t i = 0; desc->config_schemas && desc->config_types && desc->config_types[i]; i++) {
        if (pk_str_is(type, desc->config_types[i])) {
            return desc->config_schemas[i];
        }
    }
    return PK_STR("");
}

/* No data at all arrives as null, and is an empty object to hosts that look at it. */
static pk_err pk__config_schema_fits(const pk_alloc *alloc, pk_str text, pk_json data, pk_error *why)
{
    pk_schema_desc how = {0};
    pk_schema *s;
    how.alloc = alloc;
    pk_err rc = pk_schema_create(&s, text, &how, why);
    if (rc) {
        pk__error_wrap(why, "its schema is wrong");
        return rc;
    }
    rc = pk_schema_check_text(s, pk_str_is(data, "null") ? PK_STR("{}") : data, why);
    pk_schema_destroy(s);
    return rc;
}

PK__FN pk_err pk__config_schema_check(void *user, pk_str type, pk_json data, pk_error *err)
{
    const pk_sdk_desc *desc = (const pk_sdk_desc *)user;
    pk_error why;
    pk_str text = pk__config_schema_of(desc, type);
    pk_err rc = text.len ? pk__config_schema_fits(desc->alloc, text, data, &why) : PK_OK;
    if (rc == PK_ERR_NO_MEMORY) {
        return pk__error_copy(err, &why);
    }
    if (rc) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot configure '%s' with '%" PK_FMT "': %s", desc->id, PK_ARG(type),
                            why.msg);
    }
    return desc->on_config ? desc->on_config(desc->user, type, data, err) : PK_OK;
}

PK__FN pk_err pk__config_schema_put(pk_buf *capabilities, const pk_sdk_desc *desc, pk_error *err)
{
    pk_json_writer w;
    pk_buf all;
    bool any = false;
    pk_buf_init(&all, desc->alloc, capabilities->max);
    pk_json_write(&w, &all);
    pk_json_put_object(&w);
    for (size_t i = 0; desc->config_schemas && desc->config_types && desc->config_types[i]; i++) {
        if (desc->config_schemas[i].len) {
            pk_json_put_key(&w, desc->config_types[i]);
            pk_json_put_raw(&w, desc->config_schemas[i]);
            any = true;
        }
    }
    pk_json_put_end(&w);
    pk_err rc = pk_json_finish(&w, err);
    if (rc) {
        pk__error_wrap(err, "cannot say what configSchemas there are");
    } else if (any) {
        capabilities->len--; // the brace that closes them
        (void)pk_buf_printf(capabilities, ",\"configSchemas\":%" PK_FMT "}", PK_ARG(pk_buf_str(&all)));
        rc = (pk_err)capabilities->failed;
        rc = rc ? pk_error_set(err, rc, "cannot say what configSchemas there are: %s", pk_err_text(rc)) : PK_OK;
    }
    pk_buf_free(&all);
    return rc;
}

#endif
