/* test_settings.c - what a plugin is told: every form of the framework's --config, and the host's first line. */
#include "unit.h"

#include "json_text.h"

static pk_err never_configured(void *user, pk_str type, pk_json data, pk_error *err)
{
    (void)user, (void)type, (void)data, (void)err;
    CHECK(false);
    return PK_OK;
}

static pk_err read_config(pk__settings *s, const char *json, pk_error *err)
{
    memset(s, 0, sizeof(*s));
    s->mem.alloc = test_alloc();
    return pk__settings_read_config(s, pk_str_from(json), err);
}

static pk_err read_line(pk__settings *s, const char *line, pk_error *err)
{
    memset(s, 0, sizeof(*s));
    s->mem.alloc = test_alloc();
    return pk__settings_read_line(s, pk_str_from(line), err);
}

TEST(settings, reads_what_go_writes)
{
    pk__settings s;
    CHECK_OK(read_config(&s,
                         "{\"id\":\"simple-processor\",\"type\":\"unix\",\"idleTimeout\":300000000000,\"configTypes\":["
                         "{\"type\":\"database-config\",\"data\":\"eyJob3N0IjoibG9jYWxob3N0IiwicG9ydCI6NTQzMn0=\"}]}",
                         NULL));
    CHECK(s.profile == PK__SETTINGS_FRAMEWORK && !s.tcp);
    CHECK_STR(s.instance.ptr, "simple-processor");
    CHECK_INT(s.idle, ==, INT64_C(300000000000));
    REQUIRE(s.config_count == 1);
    CHECK_PK_STR(s.config[0].type, "database-config");
    CHECK_PK_STR(s.config[0].data, "{\"host\":\"localhost\",\"port\":5432}");
    CHECK_PK_STR(s.token, "");
    pk_mem_free(&s.mem);
}

TEST(settings, reads_every_form_of_data)
{
    static const struct {
        const char *entry, *data;
    } rows[] = {
        {"{\"type\":\"t\",\"data\":\"eyJhIjoxfQ==\"}", "{\"a\":1}"},      // base64
        {"{\"type\":\"t\",\"data\":\"{\\\"a\\\": 1}\"}", "{\"a\": 1}"},   // JSON as text
        {"{\"type\":\"t\",\"data\":{\"a\":1}}", "{\"a\":1}"},             // JSON
        {"{\"type\":\"t\",\"data\":[1]}", "[1]"},
        {"{\"type\":\"t\",\"data\":\"true\"}", "true"},                   // base64 as well, but of no JSON
        {"{\"type\":\"t\",\"data\":\"1234\"}", "1234"},
        {"{\"type\":\"t\",\"data\":\"\"}", "null"},
        {"{\"type\":\"t\",\"data\":null}", "null"},
        {"{\"type\":\"t\"}", "null"},
        {"{\"type\":\"t\",\"host\":\"x\"}", "{\"type\":\"t\",\"host\":\"x\"}"}, // OCM: the entry itself
        {"{\"a\":{\"data\":1},\"type\":\"t\",\"b\":[{}]}", "{\"a\":{\"data\":1},\"type\":\"t\",\"b\":[{}]}"},
        {"{\"host\" : \"x\" , \"data\" : null , \"type\" : \"t\" }", "null"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].entry) {
            char json[256];
            pk__settings s;
            snprintf(json, sizeof(json), "{\"id\":\"x\",\"pluginType\":\"\",\"configTypes\":[%s]}", rows[i].entry);
            REQUIRE_OK(read_config(&s, json, NULL));
            REQUIRE(s.config_count == 1);
            CHECK_PK_STR(s.config[0].data, rows[i].data);
            pk_mem_free(&s.mem);
        }
    }
}

TEST(settings, reads_every_form_of_the_timeout)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"\"5m\"", INT64_C(300000000000)}, {"\"1h30m\"", INT64_C(5400000000000)}, {"1000", 1000}, {"0", 0},
        {"null", 0},                       {"\"100ms\"", 100000000},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text) {
            char json[64];
            pk__settings s;
            snprintf(json, sizeof(json), "{\"id\":\"x\",\"idleTimeout\":%s}", rows[i].text);
            CHECK_OK(read_config(&s, json, NULL));
            CHECK_INT(s.idle, ==, rows[i].ns);
            pk_mem_free(&s.mem);
        }
    }
}

TEST(settings, refuses_bad_configs)
{
    static const struct {
        const char *json, *says;
        pk_err code;
    } rows[] = {
        {"{}", "plugin config has no ID", PK_ERR_CONFIG},
        {"{\"id\":\"\"}", "plugin config has no ID", PK_ERR_CONFIG},
        {"", "cannot decode --config", PK_ERR_CONFIG},
        {"{\"id\":", "cannot decode --config", PK_ERR_CONFIG},
        {"{\"id\":7}", "id: expected string, got 7 (line 1, column 7, offset 6)", PK_ERR_CONFIG},
        {"{\"id\":\"x\",\"id\":\"y\"}", "id: it stands there twice (line 1, column 16, offset 15)", PK_ERR_CONFIG},
        {"{\"id\":\"x\",\"configTypes\":[{\"type\":\"t\",\"data\":1,\"data\":2}]}", "data: it stands there twice",
         PK_ERR_CONFIG},
        {"{\"id\":\"../x\"}", "cannot use '../x' as an id", PK_ERR_BAD_NAME},
        {"{\"id\":\"a b\"}", "as an id", PK_ERR_BAD_NAME},
        {"{\"id\":\"x\",\"type\":\"udp\"}", "connection type 'udp'", PK_ERR_CONFIG},
        {"{\"id\":\"x\",\"idleTimeout\":-1}", "below zero", PK_ERR_CONFIG},
        {"{\"id\":\"x\",\"idleTimeout\":\"5 minutes\"}", "idleTimeout", PK_ERR_CONFIG},
        {"{\"id\":\"x\",\"configTypes\":[{\"data\":1}]}", "type", PK_ERR_CONFIG},
        {"{\"id\":\"x\",\"configTypes\":[{\"type\":\"t\",\"data\":\"host: x\"}]}", "neither base64 of JSON nor JSON",
         PK_ERR_CONFIG},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].json) {
            pk__settings s;
            pk_error err;
            CHECK_ERR(read_config(&s, rows[i].json, &err), rows[i].code);
            CHECK_CONTAINS(err.msg, rows[i].says);
            pk_mem_free(&s.mem);
        }
    }
}

/* Wherever the configuration came from: two readers could understand it in two ways. */
TEST(settings, a_configuration_with_a_key_that_stands_twice_configures_nothing)
{
    static const struct {
        const char *config, *line; // of --config and of the host's first line, whichever it is
        const char *says;
    } rows[] = {
        {"{'type':'t','data':{'a':1,'a':2}}", NULL, "line 1, column 8, offset 7"},
        {"{'type':'t','data':{'b':[{'a':1,'\\u0061':2}]}}", NULL, "line 1, column 14, offset 13"},
        {"{'type':'t','data':'eyJhIjoxLCJhIjoyfQ=='}", NULL, "line 1, column 8, offset 7"},
        {"{'type':'t','data':'{\\'a\\':1,\\'a\\':2}'}", NULL, "line 1, column 8, offset 7"},
        {"{'type':'t','host':1,'host':2}", NULL, "offset 21"}, // OCM: the entry itself
        {NULL, "{'config':[{'type':'t','data':{'a':1,'a':2}}],'instance':'x-1','token':'s'}", "offset 7"},
    };
    static const char *const types[] = {"t", NULL};
    for (size_t i = 0; i < PK__COUNT(rows) && !PK__SMALL; i++) { // small builds rely on hosts
        CASE("%s", rows[i].config ? rows[i].config : rows[i].line)
        {
            pk__settings s;
            pk_error err;
            pk_sdk_desc desc = {.id = "x", .config_types = types, .on_config = never_configured};
            char json[256];
            if (rows[i].config) {
                snprintf(json, sizeof(json), "{'id':'x','configTypes':[%s]}", rows[i].config);
                REQUIRE_OK(read_config(&s, json_text(json), NULL));
            } else {
                REQUIRE_OK(read_line(&s, json_text(rows[i].line), NULL));
            }
            CHECK_ERR(pk__settings_apply(&s, &desc, &err), PK_ERR_CONFIG);
            CHECK_CONTAINS(err.msg, "cannot configure 'x' with 't': cannot parse JSON: line 1, column ");
            CHECK_CONTAINS(err.msg, rows[i].says);
            CHECK_CONTAINS(err.msg, ": expected another key: this one stands there twice");
            pk_mem_free(&s.mem);
        }
    }
}

TEST(settings, takes_the_connection_type)
{
    pk__settings s;
    CHECK_OK(read_config(&s, "{\"id\":\"x\",\"type\":\"tcp\"}", NULL));
    CHECK(s.tcp);
    pk_mem_free(&s.mem);
    CHECK_OK(read_config(&s, "{\"id\":\"x\",\"type\":\"\"}", NULL));
    CHECK(!s.tcp);
    pk_mem_free(&s.mem);
}

TEST(settings, reads_the_hosts_first_line)
{
    pk__settings s;
    CHECK_OK(read_line(&s,
                       "{\"config\":[{\"type\":\"t\",\"data\":\"aGk=\"},{\"type\":\"u\"}],\"instance\":\"x-1\","
                       "\"token\":\"secret\",\"listen\":\"/run/x\",\"idleTimeout\":5,"
                       "\"host\":{\"address\":\"/run/h\",\"services\":[]}}",
                       NULL));
    CHECK(s.profile == PK__SETTINGS_CONTROL);
    CHECK_STR(s.instance.ptr, "x-1");
    CHECK_STR(s.token.ptr, "secret");
    CHECK_PK_STR(s.listen, "/run/x");
    CHECK_INT(s.idle, ==, 5);
    CHECK_STR(s.host.address.ptr, "/run/h");
    REQUIRE(s.config_count == 2);
    CHECK_PK_STR(s.config[0].data, "\"aGk=\""); // JSON as it is: nothing is guessed here
    CHECK_PK_STR(s.config[1].data, "null");
    pk_mem_free(&s.mem);
}

TEST(settings, refuses_bad_first_lines)
{
    static const char *const rows[] = {
        "{\"instance\":\"a b\",\"token\":\"x\"}",   "{\"instance\":\"\",\"token\":\"x\"}",
        "{\"instance\":\"a\",\"token\":\"\"}",      "{\"instance\":\"a\",\"token\":\"x\\ny\"}",
        "{\"instance\":\"a\",\"token\":\"x\",\"idleTimeout\":-5}",
        "{\"instance\":\"a\",\"token\":\"x\",\"survive\":{\"ms\":0,\"control\":\"/x\",\"proof\":\"p\"}}",
        "{\"instance\":\"a\",\"token\":\"x\",\"survive\":{\"ms\":1,\"control\":\"x\",\"proof\":\"p\"}}",
        "{\"instance\":\"a\",\"token\":\"x\",\"survive\":{\"ms\":-1,\"control\":\"/x\",\"proof\":\"p\"}}",
        "{\"instance\":\"a\",\"token\":\"x\",\"survive\":{\"ms\":1}}",
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i]) {
            pk__settings s;
            CHECK(read_line(&s, rows[i], NULL) != PK_OK);
            pk_mem_free(&s.mem);
        }
    }
}

/* ---- applying */

static char told[256];

static pk_err on_config(void *user, pk_str type, pk_json data, pk_error *err)
{
    (void)user;
    if (pk_str_is(data, "\"refuse\"")) {
        return pk_error_set(err, PK_ERR_PARSE, "cannot understand that");
    }
    if (pk_str_is(data, "\"silent\"")) {
        return PK_ERR_NOT_FOUND;
    }
    snprintf(told + strlen(told), sizeof(told) - strlen(told), "%" PK_FMT "=%" PK_FMT ";", PK_ARG(type), PK_ARG(data));
    return PK_OK;
}

static pk_err apply(const char *config, const pk_sdk_desc *desc, pk_error *err)
{
    char line[256];
    pk__settings s;
    snprintf(line, sizeof(line), "{\"instance\":\"a\",\"token\":\"x\",\"config\":[%s]}", config);
    pk_err rc = read_line(&s, line, err);
    rc = rc ? rc : pk__settings_apply(&s, desc, err);
    pk_mem_free(&s.mem);
    return rc;
}

TEST(settings, hands_over_declared_types_only)
{
    static const char *const types[] = {"db", "log", NULL};
    pk_sdk_desc desc = {.id = "shout", .config_types = types, .on_config = on_config};
    pk_sdk_desc deaf = {.id = "shout"};
    pk_error err;

    CHECK_OK(apply("{\"type\":\"db\",\"data\":1},{\"type\":\"log\",\"data\":{}},{\"type\":\"db\",\"data\":2}", &desc,
                   NULL));
    CHECK_STR(told, "db=1;log={};db=2;");
    CHECK_ERR(apply("{\"type\":\"cache\",\"data\":1}", &desc, &err), PK_ERR_CONFIG);
    CHECK_STR(err.msg,
              "cannot configure 'shout': it does not understand the config type 'cache' (it declares: db, log)");
    CHECK_ERR(apply("{\"type\":\"db\",\"data\":1}", &deaf, &err), PK_ERR_CONFIG);
    CHECK_CONTAINS(err.msg, "(it declares: none)");
    CHECK_OK(apply("", &deaf, NULL));
}

TEST(settings, passes_on_what_the_callback_says)
{
    static const char *const types[] = {"db", NULL};
    pk_sdk_desc desc = {.id = "shout", .config_types = types, .on_config = on_config};
    pk_sdk_desc mute = {.id = "shout", .config_types = types};
    pk_error err;

    CHECK_ERR(apply("{\"type\":\"db\",\"data\":\"refuse\"}", &desc, &err), PK_ERR_PARSE);
    CHECK_STR(err.msg, "cannot understand that");
    CHECK_ERR(apply("{\"type\":\"db\",\"data\":\"silent\"}", &desc, &err), PK_ERR_NOT_FOUND);
    CHECK_CONTAINS(err.msg, "cannot configure 'shout' with 'db'");
    CHECK_OK(apply("{\"type\":\"db\",\"data\":1}", &mute, NULL)); // declared, but nobody asked to be told
}

TEST_TORTURE(settings, survives_having_no_memory)
{
    pk__settings s;
    if (TRY_OK(read_config(&s,
                           "{\"id\":\"x\",\"configTypes\":[{\"type\":\"t\",\"data\":\"eyJhIjoxfQ==\"},"
                           "{\"type\":\"u\",\"more\":[1,2,3]}]}",
                           NULL))) {
        CHECK_PK_STR(s.config[0].data, "{\"a\":1}");
    }
    pk_mem_free(&s.mem);
}
