/* test_schemas.c - a manager holds configurations, requests and answers against what plugins advertise. */
#include "unit.h"

#include "json_text.h"

#define REQUEST(F, T) F(T, OPT, pk_json, n, "n")
PK_MESSAGE(schemas_message, REQUEST)
#define DOUBLER(M, C) M(C, run, "POST /run", schemas_message, schemas_message, 0)
PK_CONTRACT(doubler, "doubler", "1.0.0", DOUBLER)

static int runs;

static pk_err doubler_run(const doubler *self, pk_ctx *ctx, const schemas_message *in, schemas_message *out,
                          pk_error *err)
{
    (void)self, (void)ctx, (void)err;
    runs++;
    out->has_n = true;
    out->n = pk_mem_dup(&out->mem, in->n.len ? in->n : PK_STR("null"));
    return PK_OK;
}

static const doubler object = {.run = doubler_run};

static pk_err ask(pk_manager *m, const char *body, pk_error *err)
{
    pk_call_desc call = {.contract = "doubler", .type = "d", .method = "run"};
    pk_reply reply = {.mem.alloc = test_alloc()};
    call.body.bytes = J(body);
    pk_err rc = pk_caller_call(pk_manager_caller(m), &call, &reply, err);
    pk_mem_free(&reply.mem);
    return rc;
}

static pk_manager *manage(const char *schema, unsigned what)
{
    static pk_service service;
    pk_manager *m = NULL;
    pk_manager_desc desc = {.alloc = *test_alloc(), .schemas = what};
    service.contract = &doubler_contract;
    service.type = "d";
    service.object = &object;
    service.schema = J(schema);
    runs = 0;
    REQUIRE_OK(pk_manager_create(&m, &desc, NULL));
    REQUIRE_OK(pk_manager_add(m, "double", &service, 1, NULL, NULL));
    REQUIRE_OK(pk_manager_start(m, NULL));
    return m;
}

TEST(schemas, a_request_that_does_not_fit_is_not_sent)
{
    pk_error err;
    pk_manager *m = manage("{'properties':{'n':{'type':'integer'}},'required':['n']}", PK_SCHEMAS_REQUESTS);
    CHECK_OK(ask(m, "{'n':1}", &err));
    CHECK_ERR(ask(m, "{'n':'1'}", &err), PK_ERR_SCHEMA);
    CHECK_STR(err.msg, "cannot call 'run' of 'double': n: expected integer, got \"1\"");
    CHECK_INT(err.sent, ==, PK_SENT_NO);
    CHECK_ERR(ask(m, "", &err), PK_ERR_SCHEMA);
    CHECK_STR(err.msg, "cannot call 'run' of 'double': \"n\" is missing");
    CHECK_ERR(ask(m, "{", &err), PK_ERR_BAD_JSON);
    CHECK_INT(runs, ==, 1);
    pk_manager_destroy(m);
}

TEST(schemas, answers_are_looked_at_if_the_schema_speaks_of_methods)
{
    static const char schema[] = "{'$id':'urn:x','x-methods':{'run':{'request':{'$ref':'#/$defs/any'},'response':"
                                 "{'properties':{'n':{'maximum':5}}}}},'$defs':{'any':{'type':'object'}}}";
    pk_error err;
    pk_manager *m = manage(schema, PK_SCHEMAS_REQUESTS | PK_SCHEMAS_ANSWERS);
    CHECK_OK(ask(m, "{'n':5}", &err));
    CHECK_ERR(ask(m, "{'n':6}", &err), PK_ERR_SCHEMA);
    CHECK_STR(err.msg, "cannot take the answer of 'double' to 'run': n: expected at most 5, got 6");
    CHECK_INT(err.sent, ==, PK_SENT_ANSWERED);
    CHECK_INT(runs, ==, 2);
    CHECK_ERR(ask(m, "[]", &err), PK_ERR_SCHEMA);
    CHECK_INT(runs, ==, 2);
    pk_manager_destroy(m);
}

TEST(schemas, nothing_is_looked_at_unless_somebody_asks)
{
    pk_error err;
    static const unsigned ways[] = {0, PK_SCHEMAS_OFF, PK_SCHEMAS_CONFIG, PK_SCHEMAS_ANSWERS};
    for (size_t i = 0; i < 4; i++) {
        pk_manager *m = manage("false", ways[i]);
        CHECK_OK(ask(m, "{'n':'x'}", &err));
        pk_manager_destroy(m);
    }
}

TEST(schemas, a_schema_that_is_wrong_lets_nothing_through)
{
    pk_error err;
    pk_manager *m = manage("{'type':'objekt'}", PK_SCHEMAS_REQUESTS);
    CHECK_ERR(ask(m, "{'n':1}", &err), PK_ERR_PARSE);
    CHECK_CONTAINS(err.msg, "cannot call 'run' of 'double': its schema is wrong: cannot use the schema: #/type: ");
    CHECK_INT(runs, ==, 0);
    pk_manager_destroy(m);
}

static void write_plugin(const char *capabilities)
{
    FILE *file;
    REQUIRE(mkdir("plugins", 0755) == 0);
    REQUIRE((file = fopen("plugins/db", "w")) != NULL);
    fprintf(file, "#!/bin/sh\n[ \"$1\" = capabilities ] || { touch ran; exit 1; }\ncat <<'END'\n%s\nEND\n",
            json_text(capabilities));
    REQUIRE(fclose(file) == 0 && chmod("plugins/db", 0755) == 0);
}

static pk_err start_with(const char *data, unsigned what, pk_error *err)
{
    pk_plugin_config config = {NULL, "db", J(data)};
    pk_manager_desc desc = {.alloc = *test_alloc(), .plugin_dir = "plugins", .config = &config, .config_count = 1,
                            .schemas = what};
    pk_manager *m = NULL;
    REQUIRE_OK(pk_manager_create(&m, &desc, NULL));
    REQUIRE_OK(pk_manager_start(m, NULL));
    pk_err rc = pk_plugin_start(m, pk_manager_find(m, "db"), err);
    pk_manager_destroy(m);
    return rc;
}

TEST(schemas, a_configuration_that_does_not_fit_starts_nothing)
{
    pk_error err;
    write_plugin("{'types':{'c':[{'type':'t'}]},'protocols':['plugkit/1'],'configTypes':['db'],'configSchemas':{'db':"
                 "{'properties':{'retry':{'properties':{'max':{'type':'integer'}}}}}}}");
    CHECK_ERR(start_with("{'retry':{'max':'3'}}", 0, &err), PK_ERR_CONFIG);
    CHECK_CONTAINS(err.msg, "cannot configure 'db' with 'db': retry.max: expected integer, got \"3\"");
    CHECK(access("plugins/ran", F_OK) != 0 && access("ran", F_OK) != 0);
    CHECK(start_with("{'retry':{'max':3}}", 0, &err) != PK_ERR_CONFIG); // it is started, and ends at once
    CHECK(start_with("{'retry':{'max':'3'}}", PK_SCHEMAS_OFF, &err) != PK_ERR_CONFIG);
}

TEST_TORTURE(schemas, survives_lack_of_memory)
{
    static const pk_service service = {&doubler_contract, "d", &object,
                                       PK_STR_INIT("{\"properties\":{\"n\":{\"type\":\"integer\"}}}")};
    pk_manager *m = NULL;
    pk_manager_desc desc = {.alloc = *test_alloc(), .schemas = PK_SCHEMAS_REQUESTS | PK_SCHEMAS_ANSWERS};
    pk_error err;
    if (TRY_OK(pk_manager_create(&m, &desc, NULL)) &&
        TRY_OK(pk_manager_add(m, "double", &service, 1, NULL, NULL)) &&
        TRY_OK(pk_manager_start(m, NULL)) && TRY_OK(ask(m, "{'n':1}", &err))) {
        pk_err rc = ask(m, "{'n':'x'}", &err);
        CHECK(rc == PK_ERR_SCHEMA || test_now.torture);
        CHECK(rc != PK_OK);
    }
    pk_manager_destroy(m);
}
