/* fuzz_schema.c - JSON Schema: the first line is the schema, the rest a value. All ways of asking agree; what compiles
 * is a schema by the schema of schemas; two negations change nothing. */
#define PLUGKIT_WITH_SCHEMA
#include "fuzz.h"

static pk_err check(const pk_schema *s, const pk_json_value *value)
{
    pk_error err = {0};
    pk_mem mem = {0};
    pk_schema_fault *faults;
    size_t count;
    pk_err rc = pk_schema_check(s, value, &err);
    MUST(rc == PK_OK || rc == PK_ERR_SCHEMA || rc == PK_ERR_LIMIT);
    MUST(rc == PK_OK || err.msg[0] != '\0');
    MUST(pk_schema_faults(s, value, &mem, 50, &faults, &count, NULL) == rc);
    MUST(count <= 50 && (rc == PK_ERR_SCHEMA || count == 0));
    for (size_t i = 0; i < count; i++) {
        const pk_json_value *there = pk_json_at(value, faults[i].instance.ptr);
        MUST(faults[i].reason.len > 0 && faults[i].schema.len > 0);
        MUST(there != NULL || memchr(faults[i].instance.ptr, '\0', faults[i].instance.len));
    }
    pk_mem_free(&mem);
    return rc;
}

/* Does it name places, so that it means something else inside of another schema? */
static bool is_bound(pk_str text)
{
    return memmem(text.ptr, text.len, "$", 1) || memmem(text.ptr, text.len, "\\u0024", 6);
}

static void check_wrapped(pk_str schema, const pk_json_value *value, pk_err wanted, const char *wrap)
{
    pk_schema_desc desc = {.formats = true, .max_steps = 200000};
    pk_mem mem = {0};
    pk_schema *s = NULL;
    pk_str text = pk_mem_printf(&mem, wrap, PK_ARG(schema));
    pk_err rc = pk_schema_create(&s, text, &desc, NULL);
    if (rc == PK_OK) {
        rc = check(s, value);
        MUST(rc == wanted || rc == PK_ERR_LIMIT || wanted == PK_ERR_LIMIT);
    } else {
        MUST(rc == PK_ERR_LIMIT || rc == PK_ERR_BAD_JSON); // one level more
    }
    pk_schema_destroy(s);
    pk_mem_free(&mem);
}

static void check_is_schema(pk_str schema)
{
    pk_schema *meta = NULL;
    pk_error err = {0};
    MUST(pk_schema_create(&meta, PK_STR("{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}"), NULL, NULL) ==
         PK_OK);
    pk_err rc = pk_schema_check_text(meta, schema, &err);
    MUST(rc == PK_OK || rc == PK_ERR_LIMIT);
    pk_schema_destroy(meta);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    pk_str schema = {(const char *)data, line ? (size_t)(line - data) : size};
    pk_str text = {(const char *)data + size, 0};
    pk_schema_desc desc = {.formats = true, .max_steps = 200000};
    pk_schema *s = NULL;
    pk_error err = {0};
    pk_mem mem = {0};
    const pk_json_value *value;
    if (line) {
        text.ptr = (const char *)line + 1;
        text.len = size - schema.len - 1;
    }
    pk_err rc = pk_schema_create(&s, schema, &desc, &err);
    MUST((rc == PK_OK) == (s != NULL) && (rc == PK_OK || err.msg[0] != '\0'));
    MUST(rc != PK_ERR_NO_MEMORY && rc != PK_ERR_SCHEMA);
    if (rc == PK_OK) {
        if (!memmem(schema.ptr, schema.len, "$", 1) && !memmem(schema.ptr, schema.len, "\\u", 2)) {
            check_is_schema(schema);
        }
        if (pk_json_parse(&mem, text, &value, NULL) == PK_OK) {
            rc = check(s, value);
            if (!is_bound(schema)) {
                check_wrapped(schema, value, rc, "{\"not\":{\"not\":%" PK_FMT "}}");
                check_wrapped(schema, value, rc, "{\"allOf\":[%" PK_FMT "]}");
                check_wrapped(schema, value, rc, "{\"oneOf\":[%" PK_FMT ",false],\"unevaluatedProperties\":true}");
            }
        }
        pk_mem_free(&mem);
    }
    pk_schema_destroy(s);
    return 0;
}
