/* test_capabilities.c - what plugins print about themselves, in every form that is about, and garbage. */
#include "unit.h"

typedef struct fixture {
    pk__plugin plugin;
    pk__capabilities caps;
    pk_error err;
} fixture;

static pk_err parse(fixture *f, const char *text)
{
    memset(f, 0, sizeof(*f));
    f->plugin.id = "p";
    f->plugin.mem.alloc = test_alloc();
    return pk__capabilities_parse(&f->plugin, pk_str_from(text), &f->caps, &f->err);
}

static void done(fixture *f)
{
    pk_mem_free(&f->plugin.mem);
}

TEST(capabilities, the_go_frameworks_own_form_is_read)
{
    fixture f;
    REQUIRE_OK(parse(&f, "{\"types\":{\"dataProcessor\":[{\"type\":\"simple-text-processor\",\"jsonSchema\":"
                         "\"eyJ0eXBlIjogIm9iamVjdCJ9\"}]},\"configTypes\":[\"database-config\"]}\n"));
    REQUIRE(f.caps.count == 1);
    CHECK_PK_STR(f.caps.services[0].contract, "dataProcessor");
    CHECK_PK_STR(f.caps.services[0].type, "simple-text-processor");
    CHECK_UINT(f.caps.services[0].version.len, ==, 0);
    CHECK(!f.caps.speaks_plugkit);
    CHECK_STR(f.caps.config_types[0], "database-config");
    CHECK(!f.caps.config_types[1]);
    done(&f);
}

TEST(capabilities, plugkits_form_adds_protocols_versions_and_methods)
{
    fixture f;
    REQUIRE_OK(parse(&f,
                     "{\"types\":{\"a\":[{\"type\":\"x\"},{\"type\":\"y\"}],\"b\":[\"z\"]},\"protocols\":[\"other\","
                     "\"plugkit/1\"],\"contracts\":{\"a\":\"1.2.0\"},\"methods\":{\"a\":{\"go\":\"POST /go\",\"look\":"
                     "\"GET /look\"}},\"version\":\"3.1.0\"}"));
    REQUIRE(f.caps.count == 3);
    CHECK(f.caps.speaks_plugkit);
    CHECK_PK_STR(f.caps.version, "3.1.0");
    CHECK_PK_STR(f.caps.services[1].version, "1.2.0");
    REQUIRE(f.caps.services[0].method_count == 2);
    CHECK_PK_STR(f.caps.services[0].methods[0].path, "/go");
    CHECK_PK_STR(f.caps.services[0].methods[1].verb, "GET");
    CHECK_UINT(f.caps.services[0].methods[1].flags, ==, PK_IDEMPOTENT);
    CHECK_PK_STR(f.caps.services[2].type, "z");
    done(&f);
}

TEST(capabilities, ocms_form_is_read_with_its_aliases)
{
    fixture f;
    REQUIRE_OK(parse(&f, "{\"capabilities\":[{\"type\":\"inputRepository\",\"supportedInputTypes\":[{\"type\":\"T/v1\","
                         "\"aliases\":[\"T\"],\"jsonSchema\":\"e30=\"}]}],\"supportedConfigTypes\":[\"c\"]}"));
    REQUIRE(f.caps.count == 2);
    CHECK_PK_STR(f.caps.services[0].contract, "inputRepository");
    CHECK_PK_STR(f.caps.services[1].type, "T");
    CHECK_STR(f.caps.config_types[0], "c");
    done(&f);
}

TEST(capabilities, what_is_null_is_not_there)
{
    fixture f; // Go writes null for what is empty
    CHECK_OK(parse(&f, "{\"types\":{\"a\":[\"x\"]},\"configTypes\":null,\"protocols\":null,\"contracts\":null,"
                       "\"methods\":null,\"version\":null}"));
    CHECK_UINT(f.caps.count, ==, 1);
    done(&f);
}

TEST(capabilities, garbage_is_refused_with_the_plugins_name_and_the_reason)
{
    static const struct {
        const char *text, *says;
        pk_err code;
    } rows[] = {
        {"", "it printed nothing", PK_ERR_PROTOCOL},
        {"\n", "it printed nothing", PK_ERR_PROTOCOL},
        {"hello", "cannot use the capabilities of 'p'", PK_ERR_BAD_JSON},
        {"{\"types\":{", "cannot use the capabilities of 'p'", PK_ERR_BAD_JSON},
        {"[]", "should be a JSON object", PK_ERR_PROTOCOL},
        {"{}", "\"types\" is missing", PK_ERR_PROTOCOL},
        {"{\"types\":[]}", "\"types\" should be an object", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":{}}}", "should be an array", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[{\"type\":7}]}}", "\"type\" should be a string", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[{}]}}", "\"type\" should be a string", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"\"]}}", "has no name", PK_ERR_PROTOCOL},
        {"{\"types\":{\"\":[\"x\"]}}", "has no name", PK_ERR_PROTOCOL},
        {"{\"types\":{},\"configTypes\":[1]}", "\"configTypes\"", PK_ERR_PROTOCOL},
        {"{\"types\":{},\"configTypes\":7}", "\"configTypes\" should be an array", PK_ERR_PROTOCOL},
        {"{\"types\":{},\"configTypes\":[\"a\\u0000b\"]}", "control characters", PK_ERR_PROTOCOL},
        {"{\"types\":{},\"protocols\":\"plugkit/1\"}", "\"protocols\" should be an array", PK_ERR_PROTOCOL},
        {"{\"types\":{},\"version\":7}", "\"version\" should be a string", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\"]},\"contracts\":[]}", "\"contracts\" should be an object", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\"]},\"contracts\":{\"a\":7}}", "of a contract should be a string", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\"]},\"methods\":7}", "\"methods\" should be an object", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\\nb\":[\"x\"]}}", "control characters", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\",\"y\",\"x\"]}}", "it offers 'x' of contract 'a' twice", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\\u001b[31m\"]}}", "control characters", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\"]},\"methods\":{\"a\":{\"go\":\"POST /x HTTP/1.1\\r\\nEvil: y\"}}}", "POST /path",
         PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\"]},\"methods\":{\"a\":{\"go\":\"PO ST /x\"}}}", "POST /path", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\"]},\"protocols\":[\"plugkit/9\"]}", "none of its \"protocols\" is plugkit/1",
         PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\"]},\"methods\":{\"a\":[\"go\"]}}", "\"methods\"", PK_ERR_PROTOCOL},
        {"{\"types\":{\"a\":[\"x\"]},\"methods\":{\"a\":{\"go\":\"go\"}}}", "POST /path", PK_ERR_PROTOCOL},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            fixture f;
            CHECK_ERR(parse(&f, rows[i].text), rows[i].code);
            CHECK_CONTAINS(f.err.msg, rows[i].says);
            CHECK_CONTAINS(f.err.msg, "'p'");
            done(&f);
        }
    }
}

TEST_TORTURE(capabilities, without_memory_it_is_an_error)
{
    fixture f;
    pk_err rc =
        parse(&f, "{\"types\":{\"a\":[{\"type\":\"x\"}]},\"methods\":{\"a\":{\"go\":\"POST /go\"}},\"configTypes\":"
                  "[\"c\"]}");
    CHECK(rc == PK_OK || rc == PK_ERR_NO_MEMORY);
    done(&f);
}
