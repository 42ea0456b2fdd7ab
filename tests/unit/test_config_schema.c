/* test_config_schema.c - what a plugin of ours says of its configurations, and what it does with those that do not
 * fit. Whole plugins are in integration/test_schemas.py. */
#include "unit.h"

#include "json_text.h"
#include "torture.h"

static const char *const types[] = {"db", "log", "any", NULL};
static int configured;

static pk_err on_config(void *user, pk_str type, pk_json data, pk_error *err)
{
    CHECK(user == &configured && type.len && data.len);
    configured++;
    return pk_str_is(data, "7") ? pk_error_set(err, PK_ERR_CONFIG, "not 7") : PK_OK;
}

static pk_sdk_desc describe(const pk_json schemas[3])
{
    pk_sdk_desc desc = {.id = "x", .alloc = test_alloc(), .config_types = types, .config_schemas = schemas,
                        .on_config = on_config, .user = &configured};
    configured = 0;
    return desc;
}

static const pk_json usual[] = {
    PK_STR_INIT("{\"required\":[\"host\"],"
                "\"properties\":{\"retry\":{\"properties\":{\"max\":{\"type\":\"integer\"}}}}}"),
    PK_STR_INIT("{\"type\":\"objct\"}"), PK_STR_INIT("")};

TEST(config_schema, what_fits_is_handed_on)
{
    static const struct {
        const char *type, *data;
    } rows[] = {{"db", "{'host':'h','retry':{'max':3}}"}, {"any", "[]"}, {"any", "null"}, {"other", "{}"}};
    pk_sdk_desc desc = describe(usual);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CHECK_OK(pk__config_schema_check(&desc, pk_str_from(rows[i].type), J(rows[i].data), NULL));
    }
    CHECK_INT(configured, ==, 4);
    pk_error err;
    CHECK_ERR(pk__config_schema_check(&desc, PK_STR("any"), PK_STR("7"), &err), PK_ERR_CONFIG);
    CHECK_STR(err.msg, "not 7");
    desc.on_config = NULL;
    CHECK_OK(pk__config_schema_check(&desc, PK_STR("any"), PK_STR("7"), &err));
}

TEST(config_schema, what_does_not_fit_is_refused_with_place_and_reason)
{
    static const struct {
        const char *type, *data, *says;
    } rows[] = {
        {"db", "{'host':'h','retry':{'max':'3'}}",
         "cannot configure 'x' with 'db': retry.max: expected integer, got \"3\""},
        {"db", "{}", "cannot configure 'x' with 'db': \"host\" is missing"},
        {"db", "null", "cannot configure 'x' with 'db': \"host\" is missing"}, // no data at all
        {"log", "{}", "cannot configure 'x' with 'log': its schema is wrong: cannot use the schema: #/type: "},
    };
    pk_sdk_desc desc = describe(usual);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].data)
        {
            pk_error err;
            CHECK_ERR(pk__config_schema_check(&desc, pk_str_from(rows[i].type), J(rows[i].data), &err), PK_ERR_CONFIG);
            CHECK_CONTAINS(err.msg, rows[i].says);
        }
    }
    CHECK_INT(configured, ==, 0);
}

static const char *capabilities(const pk_sdk_desc *desc, pk_err wanted, pk_error *err)
{
    static char text[512];
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 400);
    pk_buf_add(&buf, PK_STR("{\"id\":\"x\"}"));
    CHECK_INT(pk__config_schema_put(&buf, desc, err), ==, wanted);
    snprintf(text, sizeof(text), "%.*s", (int)buf.len, buf.ptr);
    pk_buf_free(&buf);
    return text;
}

TEST(config_schema, schemas_are_part_of_the_capabilities)
{
    static const pk_json some[] = {PK_STR_INIT("{\"a\": 1}"), PK_STR_INIT(""), PK_STR_INIT("true")};
    static const pk_json none[] = {PK_STR_INIT(""), PK_STR_INIT(""), PK_STR_INIT("")};
    static const pk_json bad[] = {PK_STR_INIT("{"), PK_STR_INIT(""), PK_STR_INIT("")};
    pk_sdk_desc desc = describe(some);
    pk_error err;
    CHECK_STR(capabilities(&desc, PK_OK, NULL),
              "{\"id\":\"x\",\"configSchemas\":{\"db\":{\"a\": 1},\"any\":true}}");
    desc.config_schemas = none;
    CHECK_STR(capabilities(&desc, PK_OK, NULL), "{\"id\":\"x\"}");
    desc.config_schemas = NULL;
    CHECK_STR(capabilities(&desc, PK_OK, NULL), "{\"id\":\"x\"}");
    desc.config_schemas = some;
    desc.config_types = NULL;
    CHECK_STR(capabilities(&desc, PK_OK, NULL), "{\"id\":\"x\"}");
    desc = describe(bad);
    (void)capabilities(&desc, PK_ERR_SERIALIZE, &err);
    CHECK_CONTAINS(err.msg, "cannot say what configSchemas there are: cannot write JSON: a raw value is not JSON");
}

TEST(config_schema, a_schema_too_large_for_the_capabilities_is_an_error)
{
    static char text[300] = "{}";
    static pk_json large[3];
    memset(text + 1, ' ', sizeof(text) - 2);
    text[sizeof(text) - 1] = '}';
    large[0].ptr = large[1].ptr = large[2].ptr = text;
    large[0].len = large[1].len = sizeof(text);
    pk_sdk_desc desc = describe(large);
    (void)capabilities(&desc, PK_ERR_LIMIT, NULL);
    large[1].len = 0; // alone it fits, but not behind the others
    large[0].len = sizeof(text);
    (void)capabilities(&desc, PK_OK, NULL);
}

TEST_TORTURE(config_schema, survives_lack_of_memory)
{
    pk_sdk_desc desc = describe(usual);
    pk_error err;
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 4096);
    if (pk_buf_add(&buf, PK_STR("{}"))) {
        pk_err rc = pk__config_schema_put(&buf, &desc, &err);
        CHECK(rc == PK_OK || rc == PK_ERR_NO_MEMORY);
    }
    pk_err rc = pk__config_schema_check(&desc, PK_STR("db"), J("{'host':'h'}"), &err);
    CHECK((rc == PK_OK && configured == 1) || (rc == PK_ERR_NO_MEMORY && configured == 0));
    pk_buf_free(&buf);
}
