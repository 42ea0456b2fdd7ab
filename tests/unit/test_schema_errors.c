/* test_schema_errors.c - JSON Schema: schemas that are wrong, faults in words and places, limits, other documents. */
#include "unit.h"

#include <pthread.h>

#include "json_text.h"

TEST(schema_errors, a_schema_that_is_wrong_is_refused_with_place_and_reason)
{
    static const struct {
        const char *schema, *why;
        pk_err rc;
    } rows[] = {
        {"", "cannot use the schema '': cannot parse JSON: line 1, column 1", PK_ERR_BAD_JSON},
        {"1", "cannot use the schema: #: expected a schema: an object, true or false, got 1", PK_ERR_PARSE},
        {"{'type':'objekt'}", "cannot use the schema: #/type: expected a type's name, or an array of different ones, "
                                  "got \"objekt\"", PK_ERR_PARSE},
        {"{'properties':{'port':{'minimum':'1'}}}",
         "cannot use the schema: #/properties/port/minimum: expected a number, got \"1\"", PK_ERR_PARSE},
        {"{'properties':{'a/b~':{'allOf':[true,{'minLength':-1}]}}}",
         "cannot use the schema: #/properties/a~1b~0/allOf/1/minLength: expected an integer, 0 or more, got -1",
         PK_ERR_PARSE},
        {"{'properties':{'a':5}}", "#/properties/a: expected a schema: an object, true or false, got 5", PK_ERR_PARSE},
        {"{'properties':{'a':['b']}}", "#/properties/a: expected a schema: an object, true or false, got an array",
         PK_ERR_PARSE},
        {"{'dependentSchemas':{'a':['b']}}", "#/dependentSchemas/a: expected a schema", PK_ERR_PARSE},
        {"{'items':[{}]}", "#/items: expected a schema (in draft 2020-12 an array of them is called prefixItems), "
                           "got an array", PK_ERR_PARSE},
        {"{'allOf':[]}", "#/allOf: expected an array of schemas, at least one, got an empty array", PK_ERR_PARSE},
        {"{'required':['a','b','a']}", "#/required: expected an array of different strings", PK_ERR_PARSE},
        {"{'multipleOf':-0.1}", "#/multipleOf: expected a number above 0, got -0.1", PK_ERR_PARSE},
        {"{'multipleOf':0.1234567890123456789}", "#/multipleOf: it has more than 18 digits", PK_ERR_UNSUPPORTED},
        {"{'type':'object','type':'array'}", "#/type: it stands there twice", PK_ERR_PARSE},
        {"{'properties':{'a':{},'b':{},'a':{}}}", "#/properties: \"a\" stands there twice", PK_ERR_PARSE},
        {"{'pattern':'(a'}", "#/pattern: cannot use the regular expression '(a': at 1: a ) is missing", PK_ERR_PARSE},
        {"{'patternProperties':{'(?=a)':{}}}", "#/patternProperties: cannot use the regular expression '(?=a)': at 1: "
                                                   "looking ahead", PK_ERR_UNSUPPORTED},
        {"{'$ref':'#/$defs/x'}", "#/$ref: there is nothing at '#/$defs/x'", PK_ERR_NOT_FOUND},
        {"{'$ref':'#/type','type':'object'}", "#/type: expected a schema: an object, true or false, got \"object\"",
         PK_ERR_PARSE},
        {"{'$ref':'#x'}", "#/$ref: there is nothing at '#x'", PK_ERR_NOT_FOUND},
        {"{'$ref':'#/%'}", "#/$ref: '#/%' is not properly encoded", PK_ERR_PARSE},
        {"{'allOf':[{'$ref':'other.json#/a'}]}", "#/allOf/0/$ref: there is no schema 'other.json': hand its text in",
         PK_ERR_NOT_FOUND},
        {"{'$dynamicRef':'#x'}", "#/$dynamicRef: there is nothing at '#x'", PK_ERR_NOT_FOUND},
        {"{'$ref':'https://json-schema.org/draft/2020-12/schema#/$defs/x'}", "there is no schema", PK_ERR_NOT_FOUND},
        {"{'$defs':{'a':{'$id':'x'},'b':{'$id':'x'}}}", "there is another schema of the name 'x'",
         PK_ERR_PARSE},
        {"{'$defs':{'a':{'$anchor':'x'},'b':{'$anchor':'x'}}}",
         "#/$defs/b/$anchor: there is another anchor of the name 'x'", PK_ERR_PARSE},
        {"{'$id':'a#b'}", "#/$id: expected a URI without fragment, got \"a#b\"", PK_ERR_PARSE},
        {"{'$anchor':'#a'}", "#/$anchor: expected a name of letters", PK_ERR_PARSE},
        {"{'uniqueItems':1}", "#/uniqueItems: expected true or false, got 1", PK_ERR_PARSE},
        {"{'dependentRequired':{'a':{}}}", "#/dependentRequired: expected an object of arrays of different strings",
         PK_ERR_PARSE},
        {"{'dependencies':{'a':5}}", "#/dependencies/a: expected a schema: an object, true or false, got 5",
         PK_ERR_PARSE},
        {"{'$schema':5}", "#/$schema: expected a string, got 5", PK_ERR_PARSE},
        {"{'contentSchema':5}", "#/contentSchema: expected a schema", PK_ERR_PARSE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].schema)
        {
            pk_schema *s = NULL;
            pk_error err;
            pk_schema_desc desc = {.alloc = test_alloc()};
            size_t len = strlen(rows[i].schema);
            const char *text = test_guarded(json_text(rows[i].schema), len);
            pk_err rc = pk_schema_create(&s, (pk_str){text, len}, &desc, &err);
            CHECK_INT(rc, ==, rows[i].rc);
            CHECK_INT(err.code, ==, rows[i].rc);
            CHECK_CONTAINS(err.msg, rows[i].why);
            CHECK(s == NULL);
            pk_schema_destroy(s);
        }
    }
}

/* "path | instance | schema | reason", a line for each. */
static void check_faults(const char *schema, const char *value, const char *wanted)
{
    pk_schema_desc desc = {.alloc = test_alloc(), .formats = true};
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *v = NULL;
    pk_schema *s = NULL;
    pk_schema_fault *faults = NULL;
    pk_error err;
    char said[2000] = "";
    size_t count, len = 0;
    REQUIRE_OK(pk_schema_create(&s, J(schema), &desc, NULL));
    REQUIRE_OK(pk_json_parse(&mem, J(value), &v, NULL));
    CHECK_ERR(pk_schema_faults(s, v, &mem, 20, &faults, &count, &err), PK_ERR_SCHEMA);
    for (size_t i = 0; i < count && len < sizeof(said); i++) {
        const pk_schema_fault *f = &faults[i];
        len += (size_t)snprintf(said + len, sizeof(said) - len, "%s%s | %s | %s | %s", i ? "\n" : "", f->path.ptr,
                                f->instance.ptr, f->schema.ptr, f->reason.ptr);
    }
    CHECK_STR(said, wanted);
    if (count > 0) { // the first of them is what the short form says
        char first[300];
        (void)snprintf(first, sizeof(first), "%s%s%s", faults[0].path.ptr, faults[0].path.len ? ": " : "",
                       faults[0].reason.ptr);
        first[255] = '\0';
        CHECK_STR(err.msg, first);
        CHECK_ERR(pk_schema_check(s, v, &err), PK_ERR_SCHEMA);
        CHECK_STR(err.msg, first);
        CHECK_ERR(pk_schema_check_text(s, J(value), &err), PK_ERR_SCHEMA);
        CHECK_STR(err.msg, first);
    }
    pk_schema_destroy(s);
    pk_mem_free(&mem);
}

TEST(schema_errors, all_that_does_not_fit_is_said_with_its_place)
{
    check_faults("{'type':'object','properties':{'config':{'properties':{'retry':{'properties':{'max':"
                 "{'type':'integer'}}}}},'mode':{'enum':['fast','safe']}},'required':['id','mode'],"
                 "'additionalProperties':false}",
                 "{'config':{'retry':{'max':'3'}},'mode':'slow','modus':1}",
                 " |  | #/required | \"id\" is missing\n"
                 "config.retry.max | /config/retry/max | #/properties/config/properties/retry/properties/max/type | "
                 "expected integer, got \"3\"\n"
                 "mode | /mode | #/properties/mode/enum | expected one of \"fast\", \"safe\", got \"slow\"\n"
                 "modus | /modus | #/additionalProperties | this key is not known; there is config, mode");
    check_faults("{'items':{'minimum':1,'maximum':5,'multipleOf':2,'exclusiveMaximum':6,'exclusiveMinimum':0}}",
                 "[0,3,7,8]",
                 "[0] | /0 | #/items/minimum | expected at least 1, got 0\n"
                 "[1] | /1 | #/items/multipleOf | expected a multiple of 2, got 3\n"
                 "[2] | /2 | #/items/maximum | expected at most 5, got 7\n"
                 "[2] | /2 | #/items/multipleOf | expected a multiple of 2, got 7\n"
                 "[3] | /3 | #/items/maximum | expected at most 5, got 8");
    check_faults("{'items':{'exclusiveMaximum':6,'exclusiveMinimum':0}}", "[0,6]",
                 "[0] | /0 | #/items/exclusiveMinimum | expected more than 0, got 0\n"
                 "[1] | /1 | #/items/exclusiveMaximum | expected less than 6, got 6");
    check_faults("{'properties':{'a b':{'items':{'type':['null','string','boolean']}},'c':{'minLength':3},"
                 "'d':{'maxLength':2,'pattern':'^[a-z]+$','format':'date'}}}",
                 "{'a b':[null,1,{'x':1}],'c':'\xC3\xA4','d':'AB3'}",
                 "[\"a b\"][1] | /a b/1 | #/properties/a b/items/type | expected null, boolean or string, got 1\n"
                 "[\"a b\"][2] | /a b/2 | #/properties/a b/items/type | expected null, boolean or string, "
                 "got an object\n"
                 "c | /c | #/properties/c/minLength | expected at least 3 characters, got 1 in \"\xC3\xA4\"\n"
                 "d | /d | #/properties/d/maxLength | expected at most 2 characters, got 3 in \"AB3\"\n"
                 "d | /d | #/properties/d/pattern | expected text that matches '^[a-z]+$', got \"AB3\"\n"
                 "d | /d | #/properties/d/format | expected date, got \"AB3\"");
    check_faults("{'properties':{'a':{'minItems':2},'b':{'maxItems':1},'c':{'uniqueItems':true},"
                 "'d':{'contains':{'type':'string'}},'e':{'contains':true,'maxContains':1},"
                 "'f':{'contains':true,'minContains':2},'g':{'minProperties':1},'h':{'maxProperties':0},"
                 "'i':{'const':[1]},'j':{'not':{'type':'null'}},'k':false}}",
                 "{'a':[1],'b':[1,2],'c':[1,2,1],'d':[1],'e':[1,2,3],'f':[1],'g':{},'h':{'x':1},'i':[],"
                 "'j':null,'k':1}",
                 "a | /a | #/properties/a/minItems | expected at least 2 items, got 1\n"
                 "b | /b | #/properties/b/maxItems | expected at most 1 items, got 2\n"
                 "c | /c | #/properties/c/uniqueItems | items 0 and 2 are the same\n"
                 "d | /d | #/properties/d/contains | expected at least 1 items that fit, found 0\n"
                 "e | /e | #/properties/e/maxContains | expected at most 1 items that fit, found more\n"
                 "f | /f | #/properties/f/minContains | expected at least 2 items that fit, found 1\n"
                 "g | /g | #/properties/g/minProperties | expected at least 1 members, got 0\n"
                 "h | /h | #/properties/h/maxProperties | expected at most 0 members, got 1\n"
                 "i | /i | #/properties/i/const | expected an array, got an empty array\n"
                 "j | /j | #/properties/j/not | fits a schema that it must not fit: null\n"
                 "k | /k | #/properties/k | it is not allowed");
    check_faults("{'propertyNames':{'maxLength':2},'dependentRequired':{'a':['b']},'dependentSchemas':{'a':"
                 "{'required':['c']}},'patternProperties':{'^x/':{'type':'null'}}}",
                 "{'a':1,'abc':2,'x/':3}",
                 " |  | #/dependentSchemas/a/required | \"c\" is missing\n"
                 " |  | #/dependentRequired | \"b\" is missing, which \"a\" needs\n"
                 "abc | /abc | #/propertyNames/maxLength | as a key: expected at most 2 characters, got 3 in \"abc\"\n"
                 "[\"x/\"] | /x~1 | #/patternProperties/^x~1/type | expected null, got 3");
    check_faults("{'unevaluatedProperties':false,'properties':{'l':{'prefixItems':[{}],'unevaluatedItems':false}}}",
                 "{'l':[1,2],'m':1}",
                 "l[1] | /l/1 | #/properties/l/unevaluatedItems | it is not allowed\n"
                 "m | /m | #/unevaluatedProperties | this key is not known; there is l");
    check_faults("{'$ref':'https://json-schema.org/draft/2020-12/schema'}", "{'allOf':[{'type':1,'minItems':-1}]}",
                 "allOf[0].type | /allOf/0/type | #/$ref | expected a type's name, or an array of different ones, "
                 "got 1\n"
                 "allOf[0].minItems | /allOf/0/minItems | #/$ref | expected an integer, 0 or more, got -1");
    check_faults("{'type':'object'}", "'\\u001b[0m\\n'", " |  | #/type | expected object, got \"\\x1b[0m\\x0a\"");
    check_faults("{'if':true,'then':{'type':'null'}}", "1", " |  | #/then/type | expected null, got 1");
    check_faults("{'allOf':[{'minimum':5},{'minimum':6}]}", "1",
                 " |  | #/allOf/0/minimum | expected at least 5, got 1\n"
                 " |  | #/allOf/1/minimum | expected at least 6, got 1");
    check_faults("{'oneOf':[{'minimum':5},true,{'maximum':7}]}", "6",
                 " |  | #/oneOf | fits more than one of 3 schemas, number 0 and number 1");
}

TEST(schema_errors, of_several_schemas_the_nearest_says_why)
{
    static const char schema[] = "{'items':{'anyOf':[{'type':'string'},{'type':'object','required':['port'],"
                                 "'properties':{'port':{'maximum':65535}}}]}}";
    check_faults(schema, "[{'port':70000}]", "[0] | /0 | #/items/anyOf | fits none of 2 schemas; the nearest says: "
                                               "[0].port: expected at most 65535, got 70000");
    check_faults(schema, "[{}]", "[0] | /0 | #/items/anyOf | fits none of 2 schemas; the nearest says: "
                                 "\"port\" is missing");
    check_faults(schema, "[5]", "[0] | /0 | #/items/anyOf | fits none of 2 schemas; the nearest says: "
                                "expected string, got 5");
    check_faults("{'oneOf':[{'anyOf':[{'const':1},{'properties':{'a':{'properties':{'b':false}}}}]}]}",
                 "{'a':{'b':1}}", " |  | #/oneOf | does not fit the only one of 1 schemas: a.b: it is not allowed");
}

TEST(schema_errors, the_number_of_faults_is_limited)
{
    pk_schema *s = NULL;
    pk_mem mem = {0};
    const pk_json_value *v;
    pk_schema_fault *faults;
    size_t count;
    REQUIRE_OK(pk_schema_create(&s, J("{'items':false}"), NULL, NULL));
    REQUIRE_OK(pk_json_parse(&mem, PK_STR("[1,2,3,4,5]"), &v, NULL));
    for (size_t max = 0; max < 8; max++) {
        CHECK_ERR(pk_schema_faults(s, v, &mem, max, &faults, &count, NULL), PK_ERR_SCHEMA);
        CHECK_UINT(count, ==, max == 0 ? 1 : max > 5 ? 5 : max);
    }
    REQUIRE_OK(pk_json_parse(&mem, PK_STR("[]"), &v, NULL));
    CHECK_OK(pk_schema_faults(s, v, &mem, 8, &faults, &count, NULL));
    CHECK_UINT(count, ==, 0);
    CHECK(faults == NULL);
    CHECK_ERR(pk_schema_check(s, NULL, NULL), PK_ERR_MISUSE);
    CHECK_ERR(pk_schema_check_text(s, PK_STR("{"), NULL), PK_ERR_BAD_JSON);
    pk_schema_destroy(s);
    pk_mem_free(&mem);
}

/* ---- limits */

static pk_err check_limited(const char *schema, const char *value, uint64_t steps, pk_error *err)
{
    pk_schema_desc desc = {.alloc = test_alloc(), .max_steps = steps};
    pk_schema *s = NULL;
    pk_err rc = pk_schema_create(&s, J(schema), &desc, err);
    rc = rc ? rc : pk_schema_check_text(s, J(value), err);
    pk_schema_destroy(s);
    return rc;
}

TEST(schema_errors, a_schema_that_refers_to_itself_ends)
{
    pk_error err;
    static const char *const rows[] = {
        "{'$ref':'#'}",
        "{'allOf':[{'$ref':'#'}]}",
        "{'anyOf':[{'$ref':'#'}]}",
        "{'not':{'$ref':'#'}}",
        "{'if':{'$ref':'#'}, 'then':true}",
        "{'oneOf':[{'$ref':'#'}]}",
        "{'$dynamicAnchor':'a','$dynamicRef':'#a'}",
        "{'$ref':'#/$defs/a','$defs':{'a':{'$ref':'#/$defs/b'},'b':{'$ref':'#/$defs/a'}}}",
        "{'dependentSchemas':{'a':{'$ref':'#'}}}",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i])
        {
            CHECK_ERR(check_limited(rows[i], "{'a':1}", 0, &err), PK_ERR_LIMIT);
            CHECK_STR(err.msg, "cannot check a value against its schema: too many schemas apply inside each other: "
                               "does one refer to itself?");
        }
    }
}

TEST(schema_errors, work_is_limited)
{
    char text[6000] = "";
    size_t len = 0;
    pk_error err;
    /* Each level asks two of the next: 2^40 schemas. */
    len += (size_t)snprintf(text + len, sizeof(text) - len, "{'$ref':'#/$defs/0','$defs':{");
    for (int i = 0; i < 40; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "'%d':{'allOf':[{'$ref':'#/$defs/%d'},{'$ref':'#/$defs/%d'}]},", i, i + 1, i + 1);
    }
    (void)snprintf(text + len, sizeof(text) - len, "'40':{'type':'integer'}}}");
    CHECK_ERR(check_limited(text, "1", 100000, &err), PK_ERR_LIMIT);
    CHECK_STR(err.msg, "cannot check a value against its schema: it takes too many steps");
    CHECK_ERR(check_limited(text, "''", 100000, &err), PK_ERR_SCHEMA); // the first of them says no
    /* A pattern over a long text, an array of different items, a long list of names. */
    len = (size_t)snprintf(text, sizeof(text), "[");
    for (int i = 0; i < 700; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s'%d'", i ? "," : "", i);
    }
    (void)snprintf(text + len, sizeof(text) - len, "]");
    CHECK_OK(check_limited("{'uniqueItems':true}", text, 5000, &err));
    CHECK_ERR(check_limited("{'uniqueItems':true}", text, 500, &err), PK_ERR_LIMIT);
    CHECK_ERR(check_limited("{'items':{'pattern':'(a?){100}'}}", text, 5000, &err), PK_ERR_LIMIT);
    CHECK_ERR(check_limited("{'patternProperties':{'(a?){100}b':true}}", "{'aaaaaaaaaa':1}", 500, &err), PK_ERR_LIMIT);
}

TEST(schema_errors, a_value_may_be_as_deep_as_the_reader_lets_it_be)
{
    pk_schema *s = NULL;
    pk_error err;
    char text[PLUGKIT_JSON_DEPTH * 6 + 10], *p = text;
    REQUIRE_OK(pk_schema_create(&s, J("{'properties':{'a':{'$ref':'#'}},'type':['object','null']}"), NULL, NULL));
    for (int i = 0; i < PLUGKIT_JSON_DEPTH; i++) {
        p += snprintf(p, 7, "{\"a\":");
    }
    p += snprintf(p, 6, "null");
    memset(p, '}', PLUGKIT_JSON_DEPTH);
    pk_str value = {text, (size_t)(p - text) + PLUGKIT_JSON_DEPTH};
    CHECK_OK(pk_schema_check_text(s, value, &err));
    memcpy(p - 4, "5   ", 4);
    CHECK_ERR(pk_schema_check_text(s, value, &err), PK_ERR_SCHEMA);
    CHECK_CONTAINS(err.msg, "a.a.a.a.a.a.");
    pk_schema_destroy(s);
}

/* ---- other documents */

static pk_err find(void *user, pk_str uri, pk_mem *mem, pk_str *text, pk_error *err)
{
    ++*(int *)user;
    if (pk_str_starts(uri, PK_STR("http://gen/"))) { // each refers to the next
        *text = pk_mem_printf(mem, "{\"items\":{\"$ref\":\"%ld\"}}", strtol(uri.ptr + 11, NULL, 10) + 1);
        return text->ptr ? PK_OK : PK_ERR_NO_MEMORY;
    }
    if (pk_str_is(uri, "http://found/int.json")) {
        *text = J("{'type':'integer'}");
        return PK_OK;
    }
    return pk_str_is(uri, "http://found/denied") ? pk_error_set(err, PK_ERR_DENIED, "not for you") : PK_ERR_NOT_FOUND;
}

TEST(schema_errors, other_documents_are_handed_in)
{
    pk_mem texts = {0};
    pk_schema_source sources[] = {
        {"http://x/common.json",
         pk_mem_dup(&texts, J("{'$defs':{'port':{'type':'integer','maximum':65535}},'$ref':'dir/deep.json'}"))},
        {"http://x/dir/deep.json", pk_mem_dup(&texts, J("{'type':'integer','$ref':'../common.json#/$defs/port'}"))},
        {"http://x/broken.json", pk_mem_dup(&texts, J("{'type':5}"))},
        {"http://x/text.json", pk_mem_dup(&texts, J("{"))},
        {NULL, pk_mem_dup(&texts, J("{'$id':'urn:own:name','type':'null'}"))},
        {"http://x/renamed.json", pk_mem_dup(&texts, J("{'$id':'http://y/other.json','$ref':'#n','$defs':{'n':"
                                                       "{'$anchor':'n','type':'string'}}}"))},
    };
    int found = 0;
    pk_schema_desc desc = {.alloc = test_alloc(), .uri = "http://x/main.json", .sources = sources, .source_count = 6,
                           .find = find, .user = &found};
    static const struct {
        const char *schema, *yes, *no;
    } rows[] = {
        {"{'$ref':'common.json#/$defs/port'}", "80", "70000"},
        {"{'$ref':'common.json'}", "80", "''"},
        {"{'$ref':'/dir/deep.json'}", "80", "70000"},
        {"{'$ref':'urn:own:name'}", "null", "0"},
        {"{'$ref':'renamed.json'}", "''", "0"},
        {"{'$ref':'http://y/other.json#n'}", "''", "0"},
        {"{'$ref':'http://found/int.json'}", "1", "null"},
        {"{'$ref':'main.json#/$defs/a','$defs':{'a':{'type':'integer'}}}", "1", "null"},
        {"{'$id':'http://elsewhere/','$ref':'#/$defs/a','$defs':{'a':{'type':'integer'}}}", "1", "null"},
    };
    static const struct {
        const char *schema, *why;
        pk_err rc;
    } bad[] = {
        {"{'$ref':'broken.json'}", "cannot use the schema: http://x/broken.json#/type: expected a type's name",
         PK_ERR_PARSE},
        {"{'$ref':'text.json'}", "cannot use the schema 'http://x/text.json': cannot parse JSON: line 1, column 2",
         PK_ERR_BAD_JSON},
        {"{'$ref':'nowhere.json'}", "#/$ref: there is no schema 'http://x/nowhere.json': hand its text in",
         PK_ERR_NOT_FOUND},
        {"{'$ref':'http://found/denied'}", "#/$ref: cannot get 'http://found/denied': not for you", PK_ERR_DENIED},
        {"{'$ref':'http://gen/0'}", "it consists of more than 100 documents", PK_ERR_LIMIT},
    };
    pk_schema *s = NULL;
    pk_error err;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].schema)
        {
            CHECK_OK(pk_schema_create(&s, J(rows[i].schema), &desc, &err));
            CHECK_OK(pk_schema_check_text(s, J(rows[i].yes), &err));
            CHECK_ERR(pk_schema_check_text(s, J(rows[i].no), &err), PK_ERR_SCHEMA);
            pk_schema_destroy(s);
        }
    }
    CHECK_INT(found, ==, 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CASE("%s", bad[i].schema)
        {
            CHECK_ERR(pk_schema_create(&s, J(bad[i].schema), &desc, &err), bad[i].rc);
            CHECK_CONTAINS(err.msg, bad[i].why);
        }
    }
    pk_mem_free(&texts);
}

TEST(schema_errors, a_fault_names_the_document_of_the_rule)
{
    pk_schema_source source = {"common.json", J("{'$defs':{'port':{'maximum':65535}}}")};
    pk_schema_desc desc = {.alloc = test_alloc(), .sources = &source, .source_count = 1};
    pk_schema *s = NULL;
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *v;
    pk_schema_fault *faults;
    size_t count;
    REQUIRE_OK(pk_schema_create(&s, J("{'properties':{'p':{'$ref':'common.json#/$defs/port'}}}"), &desc, NULL));
    REQUIRE_OK(pk_json_parse(&mem, J("{'p':70000}"), &v, NULL));
    CHECK_ERR(pk_schema_faults(s, v, &mem, 5, &faults, &count, NULL), PK_ERR_SCHEMA);
    CHECK_UINT(count, ==, 1);
    CHECK_PK_STR(faults[0].schema, "common.json#/$defs/port/maximum");
    CHECK_PK_STR(faults[0].path, "p");
    pk_schema_destroy(s);
    pk_mem_free(&mem);
}

/* ---- threads, memory */

static void *check_often(void *arg)
{
    const pk_schema *s = (const pk_schema *)arg;
    long wrong = 0;
    for (int i = 0; i < 200; i++) {
        pk_error err;
        wrong += pk_schema_check_text(s, PK_STR("{\"a\":[1,2,{\"b\":\"x\"}],\"c\":1}"), &err) != PK_OK;
        wrong += pk_schema_check_text(s, PK_STR("{\"a\":[1,2,{\"b\":\"y\"}],\"c\":1}"), &err) != PK_ERR_SCHEMA;
    }
    return (void *)wrong;
}

TEST(schema_errors, one_schema_serves_many_threads)
{
    pthread_t threads[4];
    pk_schema *s = NULL;
    REQUIRE_OK(pk_schema_create(&s, J("{'properties':{'a':{'items':{'anyOf':[{'type':'integer'},{'properties':"
                                      "{'b':{'pattern':'^x$'}}}]},'uniqueItems':true}},'unevaluatedProperties':"
                                      "{'type':'integer'}}"), NULL, NULL));
    for (int i = 0; i < 4; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, check_often, s) == 0);
    }
    for (int i = 0; i < 4; i++) {
        void *wrong = (void *)1;
        REQUIRE(pthread_join(threads[i], &wrong) == 0);
        CHECK(wrong == NULL);
    }
    pk_schema_destroy(s);
}

TEST_TORTURE(schema_errors, survives_lack_of_memory)
{
    pk_schema_source source = {NULL, J("{'$id':'common.json','$defs':{'n':{'type':'integer'}}}")};
    pk_schema_desc desc = {.alloc = test_alloc(), .sources = &source, .source_count = 1, .formats = true};
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *v = NULL;
    pk_schema *s = NULL;
    pk_schema_fault *faults = NULL;
    size_t count = 0;
    pk_error err = {0};
    static const char schema[] =
        "{'$id':'http://x/y/','properties':{'a':{'$ref':'#x'},'b':{'pattern':'^[a-z]{3}$','format':'regex'},"
        "'c':{'uniqueItems':true,'contains':{'$dynamicRef':'#dyn'}},'d':{'enum':[1,2]}},'patternProperties':{'^q':{}},"
        "'dependentRequired':{'a':['b']},'anyOf':[{'required':['zz']},{'properties':{'a':{}}}],"
        "'unevaluatedProperties':false,'$defs':{'x':{'$anchor':'x','type':'integer'},'y':{'$dynamicAnchor':'dyn'},"
        "'z':{'$id':'sub','minimum':5,'multipleOf':0.1},'w':{'$ref':'#/$defs/z'}}}";
    if (TRY_OK(pk_schema_create(&s, J(schema), &desc, &err)) &&
        TRY_OK(pk_json_parse(&mem, J("{'a':'','b':'(','c':[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,1],'d':3,"
                                     "'e':1}"), &v, &err))) {
        pk_err rc = pk_schema_faults(s, v, &mem, 9, &faults, &count, &err);
        if (test_now.torture && rc == PK_ERR_NO_MEMORY) {
            CHECK_STR(err.msg, "cannot check a value: out of memory");
        } else {
            CHECK_ERR(rc, PK_ERR_SCHEMA);
            CHECK_UINT(count, ==, 6);
        }
    } else {
        CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
        CHECK_CONTAINS(err.msg, "out of memory");
    }
    pk_schema_destroy(s);
    s = NULL;
    if (!TRY_OK(pk_schema_create(&s, J("{'$ref':'common.json#/$defs/n'}"), &desc, &err))) {
        CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
    }
    pk_schema_destroy(s);
    pk_mem_free(&mem);
}
