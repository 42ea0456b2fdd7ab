/* test_schema.c - JSON Schema, keyword by keyword: what fits, and what is said of what does not. */
#include "unit.h"

#include "json_text.h"

#define D7 "'$schema':'http://json-schema.org/draft-07/schema#',"

typedef struct row {
    const char *schema, *yes, *no; // values with " ; " between them
} row;

static const pk_schema_desc with_formats = {.formats = true};

static pk_schema *compile(const char *text, const pk_schema_desc *desc)
{
    pk_schema *s = NULL;
    pk_error err;
    pk_schema_desc d = desc ? *desc : (pk_schema_desc){0};
    d.alloc = test_alloc();
    if (pk_schema_create(&s, J(text), &d, &err)) {
        FAIL("%s: %s", text, err.msg);
    }
    return s;
}

static void check_values(const pk_schema *s, const char *schema, const char *values, pk_err wanted)
{
    pk_error err;
    values = json_text(values);
    while (*values) {
        const char *end = strstr(values, " ; ");
        size_t len = end ? (size_t)(end - values) : strlen(values);
        CASE("%s: %.*s", schema, (int)len, values)
        {
            pk_err rc = pk_schema_check_text(s, (pk_str){test_guarded(values, len), len}, &err);
            CHECK_INT(rc, ==, wanted);
            CHECK(rc != PK_ERR_SCHEMA || err.msg[0]);
        }
        values += len + (end ? 3 : 0);
    }
}

static void check_rows(const row *rows, size_t count, const pk_schema_desc *desc)
{
    for (size_t i = 0; i < count; i++) {
        pk_schema *s = compile(rows[i].schema, desc);
        check_values(s, rows[i].schema, rows[i].yes, PK_OK);
        check_values(s, rows[i].schema, rows[i].no, PK_ERR_SCHEMA);
        pk_schema_destroy(s);
    }
}

#define ROWS(rows, desc) check_rows(rows, sizeof(rows) / sizeof(rows[0]), desc)

TEST(schema, any_value)
{
    static const row rows[] = {
        {"true", "1 ; null ; {} ; []", ""},
        {"{}", "1 ; null ; {} ; []", ""},
        {"false", "", "1 ; null ; {} ; []"},
        {"{'type':'null'}", "null", "0 ; false ; '' ; [] ; {}"},
        {"{'type':'boolean'}", "true ; false", "0 ; null ; 'true'"},
        {"{'type':'number'}", "0 ; -1.5 ; 1e400", "'1' ; true"},
        {"{'type':'integer'}", "0 ; 1.0 ; 1e3 ; 98249283749234923498293171823948729348710298", "1.5 ; '1' ; 1e-1"},
        {"{'type':'string'}", "'' ; 'a'", "1 ; null"},
        {"{'type':'array'}", "[] ; [1]", "{} ; ''"},
        {"{'type':'object'}", "{} ; {'a':1}", "[] ; null"},
        {"{'type':['integer','null']}", "1 ; null", "1.5 ; '' ; []"},
        {"{'type':['number','integer']}", "1 ; 1.5", "''"},
        {"{'const':1}", "1 ; 1.0 ; 10e-1", "2 ; true ; '1' ; [1]"},
        {"{'const':false}", "false", "0 ; null ; [] ; true"},
        {"{'const':[false]}", "[false]", "[0] ; [0.0] ; false"},
        {"{'const':null}", "null", "0 ; ''"},
        {"{'const':{'a':[1,{'b':2}],'c':'\\u0064'}}", "{'c':'d','a':[1.0,{'b':2}]}",
         "{'a':[1,{'b':2}]} ; {'a':[{'b':2},1],'c':'d'} ; {'a':[1,{'b':2}],'d':'d'} ; "
         "{'a':[1,{'b':2}],'c':'d','e':1}"},
        {"{'enum':[1,'a',null,[2],{'k':3}]}", "1 ; 1.0 ; 'a' ; null ; [2] ; {'k':3.0}",
         "2 ; 'b' ; false ; [] ; {} ; [2,2] ; {'k':4}"},
        {"{'enum':[]}", "", "1 ; null"},
        {"{'title':'t','description':'d','default':5,'examples':[1],'readOnly':true,'$comment':'c',"
         "'deprecated':true,'writeOnly':false,'contentEncoding':'base64','contentMediaType':'a/b',"
         "'contentSchema':false,'unknown':{'type':7}}", "1 ; '%'", ""},
    };
    ROWS(rows, NULL);
}

TEST(schema, numbers)
{
    static const row rows[] = {
        {"{'minimum':1.1}", "1.1 ; 2 ; 1.10 ; 'x' ; null", "1 ; 1.0999999999999999999999 ; -5"},
        {"{'maximum':3}", "3 ; 3.0 ; -1e400 ; '9'", "3.00000000000000000001 ; 4 ; 1e400"},
        {"{'exclusiveMinimum':0}", "0.1 ; 1e-400", "0 ; -0 ; 0.0 ; -1"},
        {"{'exclusiveMaximum':18446744073709551616}", "18446744073709551615",
         "18446744073709551616 ; 18446744073709551616.0 ; 18446744073709551617"},
        {"{'minimum':1,'maximum':2}", "1 ; 1.5 ; 2", "0 ; 3"},
        {"{'multipleOf':0.01}", "4.35 ; 0.3 ; 0 ; 1e300 ; 'x'", "0.005 ; 4.355"},
        {"{'multipleOf':3}", "9 ; -9 ; 0", "10 ; 1e308"},
        {"{'multipleOf':1e-8}", "12391239123", "1e-9"},
    };
    ROWS(rows, NULL);
}

TEST(schema, strings)
{
    static const row rows[] = {
        {"{'minLength':2}", "'ab' ; '\\uD83D\\uDCA9\\uD83D\\uDCA9' ; 1", "'a' ; '\\uD83D\\uDCA9' ; ''"},
        {"{'maxLength':2.0}", "'' ; 'ab' ; '\xC3\xA4\xC3\xB6' ; '\\uD83D\\uDCA9x'", "'abc'"},
        {"{'pattern':'^a*$'}", "'' ; 'aaa' ; 5 ; {}", "'b' ; 'ab'"},
        {"{'pattern':'a+'}", "'xxaay'", "'b'"},
        {"{'format':'date'}", "'nonsense' ; 1", ""}, // a remark
    };
    static const row formats[] = {
        {"{'format':'date'}", "'2024-02-29' ; 1 ; null", "'nonsense' ; '2023-02-29'"},
        {"{'format':'regex'}", "'(a)\\\\1'", "'('"},
        {"{'format':'nobody-knows'}", "'x'", ""},
        {"{'items':{'format':'ipv4'}}", "['1.2.3.4']", "['1.2.3']"},
    };
    ROWS(rows, NULL);
    ROWS(formats, &with_formats);
}

TEST(schema, arrays)
{
    static const row rows[] = {
        {"{'items':{'type':'integer'}}", "[] ; [1,2] ; {'0':'x'} ; 1", "[1,'x'] ; [null]"},
        {"{'items':false}", "[] ; 1", "[1]"},
        {"{'prefixItems':[{'type':'integer'},{'type':'string'}]}", "[] ; [1] ; [1,'a'] ; [1,'a',null]",
         "['a'] ; [1,2]"},
        {"{'prefixItems':[true,true],'items':false}", "[] ; [1,2]", "[1,2,3]"},
        {"{'prefixItems':[{}],'items':{'type':'integer'}}", "['a',1,2]", "[1,'a']"},
        {"{" D7 "'items':[{'type':'integer'}],'additionalItems':{'type':'string'}}", "[] ; [1] ; [1,'a']",
         "['a'] ; [1,2]"},
        {"{" D7 "'items':{},'additionalItems':false}", "[1,2,3]", ""},
        {"{" D7 "'additionalItems':false}", "[1]", ""},
        {"{" D7 "'prefixItems':[false],'minContains':5,'contains':true}", "[1]", "[]"},
        {"{'additionalItems':false,'prefixItems':[true]}", "[1,2]", ""}, // not of this draft
        {"{'minItems':1,'maxItems':2}", "[1] ; [1,2] ; ''", "[] ; [1,2,3]"},
        {"{'uniqueItems':true}", "[] ; [1] ; [1,2,'1',true,[1],{'a':1},null] ; [0,false] ; [1,true] ; "
         "[{'a':1,'b':2},{'a':2,'b':1}] ; [[1],['1']] ; [{'a':{'b':1}},{'a':{'b':2}}]",
         "[1,1] ; [1,1.0] ; ['a','b','a'] ; [{'a':1,'b':2},{'b':2,'a':1.0}] ; [[1,[2]],[1,[2]]] ; "
         "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,1e0] ; [null,null] ; [[],[]] ; [{},{}]"},
        {"{'uniqueItems':false}", "[1,1]", ""},
        {"{'contains':{'minimum':5}}", "[5] ; [1,6] ; {}", "[] ; [1,2]"},
        {"{'contains':{'minimum':5},'minContains':2}", "[5,6] ; [5,1,6,7]", "[5] ; []"},
        {"{'contains':{'minimum':5},'maxContains':1}", "[5] ; [1,6,2]", "[] ; [5,6]"},
        {"{'contains':{'minimum':5},'minContains':0}", "[] ; [1]", ""},
        {"{'contains':{'minimum':5},'minContains':0,'maxContains':1}", "[] ; [5]", "[5,6]"},
        {"{'minContains':3,'maxContains':0}", "[1]", ""}, // without contains
    };
    ROWS(rows, NULL);
}

TEST(schema, objects)
{
    static const row rows[] = {
        {"{'properties':{'a':{'type':'integer'},'b':false,'':true}}",
         "{} ; {'a':1} ; {'c':'x'} ; [] ; {'':1}", "{'a':'1'} ; {'b':1} ; {'a':1,'a':'x'}"},
        {"{'required':['a','b']}", "{'b':1,'a':null} ; []", "{} ; {'a':1} ; {'A':1,'b':1}"},
        {"{'required':['a\\u0000b']}", "{'a\\u0000b':1}", "{'a':1}"},
        {"{'required':[]}", "{}", ""},
        {"{'patternProperties':{'^a':{'type':'integer'},'z$':{'minimum':5}}}",
         "{'a':1,'z':5,'az':5,'b':'x'}", "{'a':''} ; {'z':1} ; {'az':1} ; {'az':5.5}"},
        {"{'properties':{'a':{}},'patternProperties':{'^x':{}},'additionalProperties':false}",
         "{} ; {'a':1,'x1':2}", "{'b':1} ; {'a':1,'ax':2}"},
        {"{'additionalProperties':{'type':'boolean'}}", "{'a':true}", "{'a':1}"},
        {"{'allOf':[{'properties':{'a':{}}}],'additionalProperties':false}", "{}", "{'a':1}"},
        {"{'propertyNames':{'maxLength':3}}", "{} ; {'abc':1}", "{'abcd':1}"},
        {"{'propertyNames':{'pattern':'^a+$'}}", "{'aa':1}", "{'':1} ; {'b':1}"},
        {"{'propertyNames':{'enum':['a','b']}}", "{'a':1}", "{'c':1}"},
        {"{'propertyNames':{'const':'a'}}", "{'a':1}", "{'b':1}"},
        {"{'propertyNames':{'type':'string','not':{'const':'x'}}}", "{'a':1}", "{'x':1}"},
        {"{'propertyNames':{'type':'object'}}", "{}", "{'a':1}"},
        {"{'propertyNames':false}", "{}", "{'a':1}"},
        {"{'minProperties':1,'maxProperties':2}", "{'a':1} ; []", "{} ; {'a':1,'b':1,'c':1}"},
        {"{'dependentRequired':{'a':['b','c'],'x':[]}}", "{} ; {'b':1} ; {'a':1,'b':1,'c':1} ; {'x':1}",
         "{'a':1} ; {'a':1,'b':1}"},
        {"{'dependentSchemas':{'a':{'required':['b']},'x':false}}", "{} ; {'a':1,'b':1} ; 5",
         "{'a':1} ; {'x':1}"},
        {"{" D7 "'dependencies':{'a':['b'],'c':{'maxProperties':1}}}", "{} ; {'a':1,'b':1} ; {'c':1}",
         "{'a':1} ; {'c':1,'d':1}"},
        {"{" D7 "'dependentRequired':{'a':['b']},'dependentSchemas':{'a':false}}", "{'a':1}", ""},
    };
    ROWS(rows, NULL);
}

TEST(schema, schemas_in_place)
{
    static const row rows[] = {
        {"{'allOf':[{'minimum':1},{'maximum':3}]}", "1 ; 3", "0 ; 4"},
        {"{'anyOf':[{'type':'string'},{'minimum':5}]}", "'' ; 5 ; null", "1"},
        {"{'oneOf':[{'minimum':5},{'maximum':7}]}", "1 ; 8", "6 ; 'x'"},
        {"{'oneOf':[{'type':'string'},{'type':'null'}]}", "'' ; null", "1"},
        {"{'not':{'type':'integer'}}", "1.5 ; ''", "1"},
        {"{'not':{}}", "", "1"},
        {"{'not':false}", "1", ""},
        {"{'if':{'minimum':10},'then':{'multipleOf':10},'else':{'multipleOf':2}}", "10 ; 20 ; 4", "15 ; 3"},
        {"{'if':{'minimum':10},'then':{'multipleOf':10}}", "3 ; 20", "15"},
        {"{'if':true,'then':false,'else':true}", "", "1"},
        {"{'then':false,'else':false}", "1", ""},
        {"{'if':false}", "1", ""},
        {"{'$ref':'#/$defs/a','maximum':5,'$defs':{'a':{'minimum':3}}}", "3 ; 5", "2 ; 6"},
        {"{" D7 "'$ref':'#/definitions/a','maximum':5,'definitions':{'a':{'minimum':3}}}", "3 ; 9", "2"},
        {"{'properties':{'a':{'$ref':'#'},'n':{'type':'integer'}}}",
         "{'a':{'a':{'a':{'n':1}}}}", "{'a':{'a':{'a':{'n':''}}}}"},
        {"{'$ref':'#/$defs/a~1b~0c%25d%22','$defs':{'a/b~c%d\\'':{'type':'integer'}}}", "1", "''"},
        {"{'$ref':'#/prefixItems/1','prefixItems':[true,{'type':'integer'}]}", "1", "''"},
        {"{'$ref':'#/unknown/deep/0','unknown':{'deep':[{'type':'integer'}]}}", "1", "''"},
        {"{'$ref':'#x','$defs':{'a':{'$anchor':'x','type':'integer'}}}", "1", "''"},
        {"{" D7 "'allOf':[{'$ref':'#x'}],'definitions':{'a':{'$id':'#x','type':'integer'}}}", "1",
         "''"},
        {"{'$id':'http://a/b/','$ref':'c.json','$defs':{'x':{'$id':'c.json','$ref':'#/$defs/n',"
         "'$defs':{'n':{'type':'integer'}}}}}", "1", "''"},
        {"{'$id':'urn:x:y','$ref':'urn:x:y#a','$defs':{'x':{'$anchor':'a','type':'integer'}}}", "1",
         "''"},
        {"{'$ref':'#/$defs/%61','$defs':{'a':{'$ref':'#/$defs/b'},'b':{'type':'integer'}}}", "1",
         "''"},
    };
    ROWS(rows, NULL);
}

TEST(schema, what_was_not_evaluated)
{
    static const row rows[] = {
        {"{'unevaluatedProperties':false}", "{} ; []", "{'a':1}"},
        {"{'properties':{'a':{}},'unevaluatedProperties':{'type':'integer'}}", "{'a':'','b':1}",
         "{'b':''}"},
        {"{'allOf':[{'properties':{'a':{}}},{'patternProperties':{'^x':{}}}],'unevaluatedProperties':false}",
         "{'a':1,'x1':1}", "{'b':1}"},
        {"{'anyOf':[{'properties':{'a':{'const':1}},'required':['a']},{'properties':{'b':{}},"
         "'required':['b']}],'unevaluatedProperties':false}", "{'a':1} ; {'b':1} ; {'a':1,'b':1}",
         "{'a':2,'b':1} ; {'a':1,'c':1}"},
        {"{'oneOf':[{'properties':{'a':{}},'required':['a']},{'properties':{'b':{}},'required':['b']}],"
         "'unevaluatedProperties':false}", "{'a':1}", "{'a':1,'b':1} ; {'a':1,'c':1}"},
        {"{'if':{'properties':{'a':{'const':1}},'required':['a']},'then':{'properties':{'b':{}}},"
         "'else':{'properties':{'c':{}}},'unevaluatedProperties':false}",
         "{'a':1} ; {'a':1,'b':1} ; {'c':1}", "{'a':1,'c':1} ; {'a':2} ; {'b':1}"},
        {"{'if':{'properties':{'a':{}},'required':['a']},'unevaluatedProperties':false}", "{'a':1}",
         "{'b':1}"},
        {"{'not':{'not':{'properties':{'a':{}}}},'unevaluatedProperties':false}", "{}", "{'a':1}"},
        {"{'$ref':'#/$defs/x','unevaluatedProperties':false,'$defs':{'x':{'properties':{'a':{}}}}}",
         "{'a':1}", "{'b':1}"},
        {"{'dependentSchemas':{'a':{'properties':{'b':{}}}},'properties':{'a':{}},"
         "'unevaluatedProperties':false}", "{'a':1,'b':1}", "{'b':1}"},
        {"{'properties':{'a':{'properties':{'x':{}}}},'unevaluatedProperties':false}", "{'a':{'x':1}}",
         "{'x':1}"}, // inside of another value does not count
        {"{'allOf':[{'unevaluatedProperties':true}],'unevaluatedProperties':false}", "{'a':1}", ""},
        {"{'properties':{'a':{}},'allOf':[{'unevaluatedProperties':false}]}", "{}", "{'a':1}"}, // cousins
        {"{'unevaluatedItems':false}", "[] ; {}", "[1]"},
        {"{'prefixItems':[{}],'unevaluatedItems':{'type':'integer'}}", "[''] ; ['',1]", "[1,'']"},
        {"{'items':{},'unevaluatedItems':false}", "[1,2]", ""},
        {"{'contains':{'type':'string'},'unevaluatedItems':{'type':'integer'}}", "['a'] ; [1,'a',2]",
         "['a',null] ; [1]"},
        {"{'allOf':[{'prefixItems':[{}]},{'prefixItems':[{},{}]}],'unevaluatedItems':false}", "[1,2]",
         "[1,2,3]"},
        {"{'anyOf':[{'prefixItems':[{'const':1}]},{'prefixItems':[{},{'const':2}]}],"
         "'unevaluatedItems':false}", "[1] ; [9,2] ; [1,2]", "[9,3] ; [1,2,3]"},
    };
    ROWS(rows, NULL);
}

TEST(schema, dynamic_references)
{
    static const row rows[] = {
        /* A tree that is extended: the recursion goes to the outermost. */
        {"{'$id':'http://x/strict','$dynamicAnchor':'node','$ref':'tree','unevaluatedProperties':false,"
         "'$defs':{'t':{'$id':'tree','$dynamicAnchor':'node','type':'object','properties':{'data':true,"
         "'children':{'items':{'$dynamicRef':'#node'}}}}}}",
         "{'data':1,'children':[{'data':2}]}", "{'children':[{'daat':2}]} ; {'daat':1} ; {'children':[1]}"},
        /* Alone it means itself. */
        {"{'$dynamicAnchor':'node','properties':{'c':{'$dynamicRef':'#node'},'n':{'type':'integer'}}}",
         "{'c':{'c':{'n':1}}}", "{'c':{'c':{'n':''}}}"},
        /* To an ordinary anchor, or by a pointer, it is an ordinary $ref. */
        {"{'$dynamicRef':'#a','$defs':{'x':{'$anchor':'a','type':'integer'}}}", "1", "''"},
        {"{'$dynamicRef':'#/$defs/x','$defs':{'x':{'$dynamicAnchor':'a','type':'integer'}}}", "1", "''"},
        /* $ref to a dynamic anchor does not look around. */
        {"{'$id':'http://x/outer','$dynamicAnchor':'a','properties':{'p':{'$ref':'inner'}},'$defs':{'i':"
         "{'$id':'inner','$ref':'#a','$defs':{'y':{'$dynamicAnchor':'a','type':'integer'}}}}}",
         "{'p':1}", "{'p':{}}"},
    };
    ROWS(rows, NULL);
}

TEST(schema, schemas_of_schemas_are_built_in)
{
    static const row rows[] = {
        {"{'$ref':'https://json-schema.org/draft/2020-12/schema'}",
         "true ; {} ; {'type':'object','properties':{'a':{'minLength':1.0}}} ; {'unknown':5} ; "
         "{'$ref':'nowhere'} ; {'pattern':'('} ; {'additionalItems':5} ; {'items':false}",
         "1 ; [] ; '' ; {'type':'objekt'} ; {'type':['null','null']} ; {'type':[]} ; {'minLength':-1} ; "
         "{'properties':{'a':{'minLength':0.5}}} ; {'properties':[]} ; {'items':[{}]} ; {'allOf':[]} ; "
         "{'allOf':[{'not':1}]} ; {'required':['a','a']} ; {'required':'a'} ; {'multipleOf':0} ; "
         "{'$id':'a#b'} ; {'$anchor':'1a'} ; {'enum':1} ; {'uniqueItems':1} ; {'title':1} ; "
         "{'dependentRequired':{'a':{}}} ; {'dependencies':{'a':1}} ; {'$vocabulary':{'x':1}} ; "
         "{'minimum':'1'} ; {'pattern':1} ; {'examples':{}} ; {'$defs':{'a':1}} ; {'contentSchema':1}"},
        {"{'$ref':'http://json-schema.org/draft-07/schema#'}",
         "true ; {'items':[{}]} ; {'items':{}} ; {'$id':'a#b'} ; {'prefixItems':1} ; {'dependencies':{'a':['b']}}",
         "1 ; {'items':[]} ; {'items':[1]} ; {'additionalItems':1} ; {'dependencies':{'a':[1]}} ; "
         "{'definitions':{'a':{'type':1}}}"},
        {"{'$ref':'https://json-schema.org/draft/2020-12/meta/validation'}", "{'items':5}", "{'minItems':-1}"},
        {"{'items':{'$ref':'https://json-schema.org/draft/2020-12/schema'}}", "[{},true]", "[{},{'type':1}]"},
    };
    ROWS(rows, NULL);
}

TEST(schema, a_dialect_has_the_vocabularies_that_its_schema_names)
{
    pk_mem texts = {0};
#define VOCABULARY "https://json-schema.org/draft/2020-12/vocab/"
    pk_schema_source sources[] = {
        {"http://x/no-validation",
         pk_mem_dup(&texts, J("{'$schema':'https://json-schema.org/draft/2020-12/schema','$vocabulary':{'" VOCABULARY
                              "core':true,'" VOCABULARY "applicator':true,'http://x/vocabulary':false}}"))},
        {"http://x/formats",
         pk_mem_dup(&texts, J("{'$vocabulary':{'" VOCABULARY "core':true,'" VOCABULARY "format-assertion':true}}"))},
        {"http://x/unknown", pk_mem_dup(&texts, J("{'$vocabulary':{'http://x/vocabulary':true}}"))},
        {"http://x/indirect", pk_mem_dup(&texts, J("{'$schema':'http://x/no-validation'}"))},
        {"http://x/circle", pk_mem_dup(&texts, J("{'$schema':'http://x/circle'}"))},
        {"http://x/broken", pk_mem_dup(&texts, J("{"))},
        {"http://x/old", pk_mem_dup(&texts, J("{'$schema':'http://json-schema.org/draft-07/schema#'}"))},
    };
    pk_schema_desc desc = {.sources = sources, .source_count = 7};
    static const row rows[] = {
        {"{'$schema':'http://x/no-validation','properties':{'a':{'minimum':10},'b':false}}", "{'a':1}",
         "{'b':1}"},
        {"{'$schema':'http://x/no-validation#','type':7}", "1", ""}, // nobody reads it
        {"{'$schema':'http://x/indirect','minimum':10}", "1", ""},
        {"{'$schema':'http://x/formats','format':'date','minimum':5}", "1 ; '2024-01-01'", "'x'"},
        {"{'$schema':'http://x/old','items':[{'type':'integer'}]}", "[1]", "['']"},
    };
    pk_schema *s;
    pk_error err;
    ROWS(rows, &desc);
    CHECK_ERR(pk_schema_create(&s, J("{'$schema':'http://x/unknown'}"), &desc, &err), PK_ERR_UNSUPPORTED);
    CHECK_STR(err.msg, "cannot use the schema: #/$schema: it needs the unknown vocabulary 'http://x/vocabulary'");
    CHECK_ERR(pk_schema_create(&s, J("{'$schema':'http://x/circle'}"), &desc, &err), PK_ERR_LIMIT);
    CHECK_ERR(pk_schema_create(&s, J("{'$schema':'http://x/broken'}"), &desc, &err), PK_ERR_BAD_JSON);
    CHECK_CONTAINS(err.msg, "cannot read 'http://x/broken'");
    CHECK_ERR(pk_schema_create(&s, J("{'$schema':'http://json-schema.org/draft-04/schema#'}"), NULL, &err),
              PK_ERR_UNSUPPORTED);
    CHECK_CONTAINS(err.msg, "is neither draft 2020-12 nor draft-07");
    pk_mem_free(&texts);
}

TEST(schema, the_draft_is_that_of_the_schema_or_else_of_the_description)
{
    static const pk_schema_desc old = {.draft_07 = true};
    static const row rows[] = {
        {"{'items':[{'type':'integer'}]}", "[1,'']", "['']"},
        {"{'$schema':'https://json-schema.org/draft/2020-12/schema','prefixItems':[{'type':'integer'}]}", "[1]",
         "['']"},
        /* each with a name of its own may have a draft of its own */
        {"{'definitions':{'n':{'$id':'http://x/n','$schema':'https://json-schema.org/draft/2020-12/schema',"
         "'prefixItems':[{'type':'integer'}]}},'allOf':[{'$ref':'http://x/n'}],'prefixItems':[false]}", "[1]",
         "['']"},
    };
    ROWS(rows, &old);
}
