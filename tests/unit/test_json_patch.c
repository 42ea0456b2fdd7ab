/* test_json_patch.c - JSON Patch and JSON Merge Patch. The first rows are those of the appendices of their RFCs. */
#include "unit.h"

#include "json_text.h"

static pk_str written(pk_buf *buf, const pk_json_value *v)
{
    pk_json_writer w;
    pk_buf_clear(buf);
    pk_json_write(&w, buf);
    pk_json_put_value(&w, v);
    CHECK_OK(pk_json_finish(&w, NULL));
    return pk_buf_str(buf);
}

typedef pk_err (*apply_fn)(pk_mem *mem, const pk_json_value *doc, const pk_json_value *patch,
                           const pk_json_value **out, pk_error *err);

typedef struct row {
    const char *doc, *patch;
    const char *becomes; // or NULL
    pk_err code;
    const char *says; // a part of it
} row;

/* The two texts are parsed, taken away, and must be as they were; of the result all is walked over. */
static void check_row(apply_fn apply, const row *r)
{
    pk_mem before = {test_alloc(), NULL, NULL, 0}, after = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *doc = NULL, *patch, *out = NULL;
    pk_error err = {0};
    pk_buf buf, doc_was, patch_was;
    pk_buf_init(&buf, test_alloc(), 1 << 20);
    pk_buf_init(&doc_was, test_alloc(), 1 << 20);
    pk_buf_init(&patch_was, test_alloc(), 1 << 20);
    if (r->doc) {
        REQUIRE_OK(pk_json_parse(&before, J(r->doc), &doc, NULL));
    }
    REQUIRE_OK(pk_json_parse(&before, J(r->patch), &patch, NULL));
    (void)written(&doc_was, doc);
    (void)written(&patch_was, patch);
    pk_err rc = apply(&after, doc, patch, &out, &err);
    CHECK_ERR(rc, r->code);
    pk_str now = written(&buf, doc);
    CHECK_MEM(now.ptr, doc_was.ptr, doc_was.len);
    now = written(&buf, patch);
    CHECK_MEM(now.ptr, patch_was.ptr, patch_was.len);
    pk_mem_free(&before);
    if (rc == PK_OK && r->becomes) {
        CHECK_PK_STR(written(&buf, out), json_text(r->becomes));
        CHECK_STR(err.msg, "");
    } else {
        CHECK(out == NULL);
        CHECK_INT(err.code, ==, rc);
        CHECK_CONTAINS(err.msg, r->says);
    }
    pk_mem_free(&after);
    pk_buf_free(&buf);
    pk_buf_free(&doc_was);
    pk_buf_free(&patch_was);
}

static void check_rows(apply_fn apply, const row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CASE("%s with %s", rows[i].doc ? rows[i].doc : "nothing", rows[i].patch)
        {
            check_row(apply, &rows[i]);
        }
    }
}

#define GOOD(doc, patch, becomes) {doc, patch, becomes, PK_OK, ""}
#define BAD(doc, patch, code, says) {doc, patch, NULL, PK_ERR_##code, says}

/* ---- JSON Patch */

TEST(json_patch, examples_of_the_rfc)
{
    static const row rows[] = {
        GOOD("{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]", "{'foo':'bar','baz':'qux'}"),
        GOOD("{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]", "{'foo':['bar','qux','baz']}"),
        GOOD("{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]", "{'foo':'bar'}"),
        GOOD("{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]", "{'foo':['bar','baz']}"),
        GOOD("{'baz':'qux','foo':'bar'}", "[{'op':'replace','path':'/baz','value':'boo'}]",
             "{'baz':'boo','foo':'bar'}"),
        GOOD("{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}",
             "[{'op':'move','from':'/foo/waldo','path':'/qux/thud'}]",
             "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}"),
        GOOD("{'foo':['all','grass','cows','eat']}", "[{'op':'move','from':'/foo/1','path':'/foo/3'}]",
             "{'foo':['all','cows','eat','grass']}"),
        GOOD("{'baz':'qux','foo':['a',2,'c']}",
             "[{'op':'test','path':'/baz','value':'qux'},{'op':'test','path':'/foo/1','value':2}]",
             "{'baz':'qux','foo':['a',2,'c']}"),
        BAD("{'baz':'qux'}", "[{'op':'test','path':'/baz','value':'bar'}]", CONFLICT,
            "cannot apply JSON Patch: operation 0 (test /baz): another value is there"),
        GOOD("{'foo':'bar'}", "[{'op':'add','path':'/child','value':{'grandchild':{}}}]",
             "{'foo':'bar','child':{'grandchild':{}}}"),
        GOOD("{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux','xyz':123}]", "{'foo':'bar','baz':'qux'}"),
        BAD("{'foo':'bar'}", "[{'op':'add','path':'/baz/bat','value':'qux'}]", NOT_FOUND,
            "operation 0 (add /baz/bat): there is no member \"baz\""),
        BAD("{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux','op':'remove'}]", BAD_JSON,
            "operation 0: there are two members \"op\""),
        GOOD("{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10}]", "{'/':9,'~1':10}"),
        BAD("{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':'10'}]", CONFLICT, "(test /~01)"),
        GOOD("{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc','def']}]",
             "{'foo':['bar',['abc','def']]}"),
    };
    check_rows(pk_json_patch, rows, PK__COUNT(rows));
}

TEST(json_patch, each_operation_at_its_edges)
{
    static const row rows[] = {
        GOOD("{}", "[]", "{}"),
        GOOD("7", "[]", "7"),
        /* add */
        GOOD("{'a':1,'b':2}", "[{'op':'add','path':'/a','value':null}]", "{'a':null,'b':2}"),
        GOOD("{'a':1}", "[{'op':'add','path':'/','value':2}]", "{'a':1,'':2}"),
        GOOD("{'a':1}", "[{'op':'add','path':'','value':[]},{'op':'add','path':'/0','value':5}]", "[5]"),
        GOOD("[]", "[{'op':'add','path':'/0','value':1},{'op':'add','path':'/0','value':2},"
                   "{'op':'add','path':'/2','value':3},{'op':'add','path':'/-','value':4}]", "[2,1,3,4]"),
        GOOD("{'-':1,'0':2,'01':3}", "[{'op':'replace','path':'/-','value':4},{'op':'remove','path':'/0'},"
                                     "{'op':'copy','from':'/01','path':'/007'}]", "{'-':4,'01':3,'007':3}"),
        GOOD("{}", "[{'op':'add','path':'/a~0~1b~01','value':1}]", "{'a~/b~1':1}"),
        BAD("{'a\\u0000b':1}", "[{'op':'add','path':'/a\\u0000c','value':2},{'op':'add','path':'/a','value':3},"
                               "{'op':'test','path':'/a\\u0000b','value':1},{'op':'remove','path':'/a\\u0000'}]",
            NOT_FOUND, "operation 3 (remove /a"),
        GOOD("{'a\\u0000b':1}", "[{'op':'add','path':'/a\\u0000','value':2},{'op':'add','path':'/a','value':3},"
                                "{'op':'add','path':'/a\\u0000c','value':4},{'op':'remove','path':'/a\\u0000b'}]",
             "{'a\\u0000':2,'a':3,'a\\u0000c':4}"),
        /* remove */
        GOOD("[1,2,3]", "[{'op':'remove','path':'/2'},{'op':'remove','path':'/0'},{'op':'remove','path':'/0'}]", "[]"),
        GOOD("{'a':{'b':1}}", "[{'op':'remove','path':'/a/b'},{'op':'add','path':'/a/b','value':2},"
                              "{'op':'add','path':'/a/c','value':3}]", "{'a':{'b':2,'c':3}}"),
        GOOD("{'a':null}", "[{'op':'remove','path':'/a'}]", "{}"),
        /* replace */
        GOOD("[1]", "[{'op':'replace','path':'','value':{'a':1}}]", "{'a':1}"),
        GOOD("[1]", "[{'op':'replace','path':'/0','value':[]}]", "[[]]"),
        GOOD("[1]", "[{'op':'replace','path':'/0','value':[]},{'op':'add','path':'/0/-','value':2}]", "[[2]]"),
        /* move */
        GOOD("{'a':{'b':1}}", "[{'op':'move','from':'/a/b','path':'/a'}]", "{'a':1}"),
        GOOD("{'a':{'b':1}}", "[{'op':'move','from':'/a/b','path':''}]", "1"),
        GOOD("{'a':1}", "[{'op':'move','from':'/a','path':'/a'}]", "{'a':1}"),
        GOOD("{'a':1}", "[{'op':'move','from':'','path':''}]", "{'a':1}"),
        GOOD("{'a':[1],'ab':{}}", "[{'op':'move','from':'/a','path':'/ab/c'}]", "{'ab':{'c':[1]}}"),
        GOOD("[1,2,3]", "[{'op':'move','from':'/0','path':'/-'}]", "[2,3,1]"),
        GOOD("[1,2,3]", "[{'op':'move','from':'/2','path':'/2'}]", "[1,2,3]"),
        BAD("[[1],[2]]", "[{'op':'move','from':'/0','path':'/0/0'}]", BAD_JSON, "cannot be moved into itself"),
        GOOD("{'a':{'x':1}}", "[{'op':'add','path':'/a/y','value':2},{'op':'move','from':'/a','path':'/b'},"
                              "{'op':'add','path':'/b/z','value':3}]", "{'b':{'x':1,'y':2,'z':3}}"),
        /* copy: the two go on apart */
        GOOD("{'a':{'x':[1]}}", "[{'op':'copy','from':'/a','path':'/b'},{'op':'add','path':'/a/x/-','value':2},"
                                "{'op':'add','path':'/b/x/0','value':3}]", "{'a':{'x':[1,2]},'b':{'x':[3,1]}}"),
        GOOD("{'a':{'x':[1]}}", "[{'op':'add','path':'/a/x/-','value':2},{'op':'copy','from':'/a','path':'/b'},"
                                "{'op':'add','path':'/a/x/-','value':3},{'op':'add','path':'/b/y','value':4}]",
             "{'a':{'x':[1,2,3]},'b':{'x':[1,2],'y':4}}"),
        GOOD("{'a':1}", "[{'op':'copy','from':'','path':'/b'},{'op':'copy','from':'','path':'/a'}]",
             "{'a':{'a':1,'b':{'a':1}},'b':{'a':1}}"),
        GOOD("[]", "[{'op':'add','path':'/-','value':{'k':[]}},{'op':'copy','from':'/0','path':'/0/k/0'},"
                   "{'op':'copy','from':'/0','path':'/-'}]", "[{'k':[{'k':[]}]},{'k':[{'k':[]}]}]"),
        /* what is not touched keeps its text; of duplicates the last one counts */
        GOOD("{'a':1,'b':{'x':1,'x':2},'a':3}", "[{'op':'test','path':'/a','value':3},"
                                                "{'op':'test','path':'/b','value':{'x':2}}]", "{'a':3,'b':{'x':2}}"),
        GOOD("{'a':1,'a':2}", "[{'op':'remove','path':'/a'}]", "{}"),
    };
    check_rows(pk_json_patch, rows, PK__COUNT(rows));
}

TEST(json_patch, what_is_refused_and_why)
{
    static const row rows[] = {
        /* not a patch */
        BAD("{}", "{}", BAD_JSON, "cannot apply JSON Patch: it is no array"),
        BAD("{}", "[[]]", BAD_JSON, "cannot apply JSON Patch: operation 0: it is no object"),
        BAD("{}", "[{}]", BAD_JSON, "operation 0: \"op\" is missing, or no string"),
        BAD("{}", "[{'op':1,'path':''}]", BAD_JSON, "operation 0: \"op\" is missing, or no string"),
        BAD("{}", "[{'op':'Add','path':'','value':1}]", BAD_JSON, "operation 0: there is no operation \"Add\""),
        BAD("{}", "[{'op':'','path':'','value':1}]", BAD_JSON, "operation 0: there is no operation \"\""),
        BAD("{}", "[{'op':'add','value':1}]", BAD_JSON, "operation 0 (add): \"path\" is missing, or no string"),
        BAD("{}", "[{'op':'add','path':1,'value':1}]", BAD_JSON, "(add): \"path\" is missing, or no string"),
        BAD("{}", "[{'op':'add','path':'a','value':1}]", BAD_JSON, "(add a): \"path\" is no JSON Pointer"),
        BAD("{}", "[{'op':'add','path':'/~','value':1}]", BAD_JSON, "(add /~): \"path\" is no JSON Pointer"),
        BAD("{}", "[{'op':'add','path':'/~2','value':1}]", BAD_JSON, "\"path\" is no JSON Pointer"),
        BAD("{}", "[{'op':'add','path':'#/a','value':1}]", BAD_JSON, "\"path\" is no JSON Pointer"),
        BAD("{'a':1}", "[{'op':'add','path':'/a'}]", BAD_JSON, "operation 0 (add /a): \"value\" is missing"),
        BAD("{'a':1}", "[{'op':'replace','path':'/a'}]", BAD_JSON, "(replace /a): \"value\" is missing"),
        BAD("{'a':1}", "[{'op':'test','path':'/a'}]", BAD_JSON, "(test /a): \"value\" is missing"),
        BAD("{'a':1}", "[{'op':'move','path':'/a'}]", BAD_JSON, "(move /a): \"from\" is missing, or no string"),
        BAD("{'a':1}", "[{'op':'copy','path':'/a','from':null}]", BAD_JSON, "(copy /a): \"from\" is missing"),
        BAD("{'a':1}", "[{'op':'copy','path':'/a','from':'b'}]", BAD_JSON, "(copy /a): \"from\" is no JSON Pointer"),
        BAD("{'a':1}", "[{'op':'add','path':'/a','path':'/b','value':1}]", BAD_JSON, "two members \"path\""),
        BAD("{'a':1}", "[{'op':'add','path':'/a','value':1,'value':1}]", BAD_JSON, "two members \"value\""),
        /* nothing is there */
        BAD("{'a':1}", "[{'op':'remove','path':'/b'}]", NOT_FOUND, "(remove /b): there is no member \"b\""),
        BAD("{'a':1}", "[{'op':'replace','path':'/b','value':1}]", NOT_FOUND, "there is no member \"b\""),
        BAD("{'a':1}", "[{'op':'test','path':'/b','value':null}]", NOT_FOUND, "there is no member \"b\""),
        BAD("{'a':1}", "[{'op':'move','from':'/b','path':'/b'}]", NOT_FOUND, "there is no member \"b\""),
        BAD("{'a':1}", "[{'op':'copy','from':'/b~1','path':'/c'}]", NOT_FOUND, "there is no member \"b/\""),
        BAD("{'a':1}", "[{'op':'copy','from':'/a','path':'/b/c'}]", NOT_FOUND, "there is no member \"b\""),
        BAD("{'a':1}", "[{'op':'add','path':'/a/b','value':1}]", NOT_FOUND,
            "there is no object or array around \"b\""),
        BAD("'a'", "[{'op':'test','path':'/0','value':'a'}]", NOT_FOUND, "there is no object or array around \"0\""),
        BAD("[1,2]", "[{'op':'remove','path':'/2'}]", NOT_FOUND, "(remove /2): there is no item \"2\""),
        BAD("[1,2]", "[{'op':'add','path':'/3','value':1}]", NOT_FOUND, "there is no item \"3\""),
        BAD("[1,2]", "[{'op':'replace','path':'/-','value':1}]", NOT_FOUND, "there is no item \"-\""),
        BAD("[1,2]", "[{'op':'add','path':'/-/a','value':1}]", NOT_FOUND, "there is no item \"-\""),
        BAD("[1,2]", "[{'op':'test','path':'/00','value':1}]", NOT_FOUND, "there is no item \"00\""),
        BAD("[1,2]", "[{'op':'add','path':'/01','value':1}]", NOT_FOUND, "there is no item \"01\""),
        BAD("[1,2]", "[{'op':'add','path':'/+1','value':1}]", NOT_FOUND, "there is no item \"+1\""),
        BAD("[1,2]", "[{'op':'add','path':'/-0','value':1}]", NOT_FOUND, "there is no item \"-0\""),
        BAD("[1,2]", "[{'op':'add','path':'/1e0','value':1}]", NOT_FOUND, "there is no item \"1e0\""),
        BAD("[1,2]", "[{'op':'add','path':'/','value':1}]", NOT_FOUND, "there is no item \"\""),
        BAD("[1,2]", "[{'op':'add','path':'/18446744073709551616','value':1}]", NOT_FOUND, "there is no item"),
        BAD("[1,2]", "[{'op':'add','path':'/18446744073709551615','value':1}]", NOT_FOUND, "there is no item"),
        BAD("[1,2]", "[{'op':'move','from':'/0','path':'/2'}]", NOT_FOUND, "there is no item \"2\""),
        /* what cannot be done */
        BAD("{'a':1}", "[{'op':'remove','path':''}]", BAD_JSON,
            "operation 0 (remove): the whole document cannot be removed"),
        BAD("{'a':{}}", "[{'op':'move','from':'/a','path':'/a/b'}]", BAD_JSON, "cannot be moved into itself"),
        BAD("{'a':{}}", "[{'op':'move','from':'','path':'/a/b'}]", BAD_JSON, "cannot be moved into itself"),
        /* all or nothing */
        BAD("{'a':1}", "[{'op':'replace','path':'/a','value':2},{'op':'test','path':'/a','value':1}]", CONFLICT,
            "operation 1 (test /a): another value is there"),
        BAD("{'a':1}", "[{'op':'remove','path':'/a'},{'op':'test','path':'','value':{'a':1}}]", CONFLICT,
            "operation 1 (test): another value is there"),
        /* what others wrote is cut, and cleaned */
        BAD("{'a':1}", "[{'op':'remove','path':'/a\\u001b\\n'}]", NOT_FOUND, "(remove /a\\x1b\\x0a): there is no"),
        BAD("{}", "[{'op':'remove','path':'/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}]",
            NOT_FOUND, "aaa...): there is no member \"aaa"),
    };
    check_rows(pk_json_patch, rows, PK__COUNT(rows));
}

TEST(json_patch, what_a_test_takes_for_equal)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"1", "1.0", true},
        {"1", "10e-1", true},
        {"0", "-0", true},
        {"0.0", "0e9", true},
        {"100", "1E+2", true},
        {"9007199254740993", "9007199254740992", false}, // the same as doubles
        {"0.1", "0.10000000000000000000000000000000001", false},
        {"123456789012345678901234567890", "1.2345678901234567890123456789e29", true},
        {"1e400", "10e399", true},
        {"1e400", "1e401", false},
        {"-1", "1", false},
        {"1", "'1'", false},
        {"1", "true", false},
        {"0", "false", false},
        {"null", "false", false},
        {"null", "null", true},
        {"true", "true", true},
        {"true", "false", false},
        {"''", "''", true},
        {"'a'", "'\\u0061'", true},
        {"'a\\u0000b'", "'a\\u0000c'", false},
        {"'\\u00e9'", "'e\\u0301'", false}, // one character and two: no normal forms
        {"[]", "{}", false},
        {"[]", "[]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false},
        {"[1,[2]]", "[1.0,[2e0]]", true},
        {"{}", "{}", true},
        {"{'a':1,'b':[{}]}", "{'b':[{}],'a':1.0}", true},
        {"{'a':1}", "{'a':1,'b':null}", false},
        {"{'a':1,'b':null}", "{'a':1}", false},
        {"{'a':1}", "{'b':1}", false},
        {"{'a':{'b':{'c':[1,{'d':2,'e':3}]}}}", "{'a':{'b':{'c':[1,{'e':3,'d':2}]}}}", true},
        {"{'a':{'b':{'c':[1,{'d':2,'e':3}]}}}", "{'a':{'b':{'c':[1,{'e':3,'d':3}]}}}", false},
        {"{'a':1,'a':2}", "{'a':2}", true},
        {"{'a':1,'a':2}", "{'a':1}", false},
        {"{'a':1,'a':2}", "{'a':3,'a':2}", true},
    };
    for (size_t i = 0; i < 2 * PK__COUNT(rows); i++) {
        const char *a = i % 2 ? rows[i / 2].b : rows[i / 2].a, *b = i % 2 ? rows[i / 2].a : rows[i / 2].b;
        char patch[500], opened[600];
        snprintf(patch, sizeof(patch), "[{'op':'test','path':'','value':%s}]", b);
        snprintf(opened, sizeof(opened), "[{'op':'add','path':'/x','value':1},{'op':'remove','path':'/x'},"
                                         "{'op':'test','path':'','value':%s}]", b);
        pk_err wanted = rows[i / 2].equal ? PK_OK : PK_ERR_CONFLICT;
        CASE("%s and %s", a, b)
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            const pk_json_value *doc, *p, *out;
            REQUIRE_OK(pk_json_parse(&mem, J(a), &doc, NULL));
            REQUIRE_OK(pk_json_parse(&mem, J(patch), &p, NULL));
            CHECK_ERR(pk_json_patch(&mem, doc, p, &out, NULL), wanted);
            if (*a == '{') { // opened, and with a member that is gone
                REQUIRE_OK(pk_json_parse(&mem, J(opened), &p, NULL));
                CHECK_ERR(pk_json_patch(&mem, doc, p, &out, NULL), wanted);
            }
            pk_mem_free(&mem);
        }
    }
}

TEST(json_patch, numbers_keep_their_text_and_all_getters_work)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0}, result = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *doc, *patch, *out;
    REQUIRE_OK(pk_json_parse(&mem, J("{'a':[1.50,1e2,-0,0.1000000000000000000001,18446744073709551615,-7],'s':'x'}"),
                             &doc, NULL));
    REQUIRE_OK(pk_json_parse(&mem, J("[{'op':'add','path':'/a/0','value':123456789012345678901234567890},"
                                     "{'op':'add','path':'/b','value':2.500}]"), &patch, NULL));
    REQUIRE_OK(pk_json_patch(&result, doc, patch, &out, NULL));
    pk_mem_free(&mem);
    static const char *const texts[] = {"123456789012345678901234567890", "1.50", "1e2", "-0",
                                        "0.1000000000000000000001", "18446744073709551615", "-7"};
    const pk_json_value *a = pk_json_get(out, "a");
    CHECK_UINT(pk_json_count(a), ==, PK__COUNT(texts));
    for (size_t i = 0; i < PK__COUNT(texts); i++) {
        CHECK_PK_STR(pk_json_number_text(pk_json_item(a, i)), texts[i]);
    }
    CHECK(pk_json_double(pk_json_item(a, 1), 0) == 1.5);
    CHECK_UINT(pk_json_uint(pk_json_item(a, 5), 0), ==, UINT64_MAX);
    CHECK_INT(pk_json_int(pk_json_at(out, "/a/6"), 0), ==, -7);
    CHECK_PK_STR(pk_json_number_text(pk_json_get(out, "b")), "2.500");
    CHECK_PK_STR(pk_json_key(pk_json_first(out)), "a");
    CHECK_PK_STR(pk_json_key(pk_json_next(out, pk_json_first(out))), "s");
    CHECK_STR(pk_json_str(pk_json_get(out, "s")).ptr, "x");
    CHECK(pk_json_key(out).len == 0); // the document itself is no member
    pk_mem_free(&result);
}

/* ---- limits */

static const pk_json_value *parsed(pk_mem *mem, const char *text)
{
    const pk_json_value *v = NULL;
    REQUIRE_OK(pk_json_parse(mem, pk_str_from(text), &v, NULL));
    return v;
}

/* A patch of `count` operations; each is printed from `format`, which may have two %d: the number, and that less 1. */
static const pk_json_value *many(pk_mem *mem, int count, const char *format)
{
    pk_buf buf;
    const pk_json_value *patch = NULL;
    pk_buf_init(&buf, test_alloc(), 1 << 26);
    pk_buf_add_char(&buf, '[');
    for (int i = 0; i < count; i++) {
        char text[200];
        snprintf(text, sizeof(text), format, i, i - 1);
        pk_buf_add(&buf, pk_str_from(i ? "," : ""));
        pk_buf_add(&buf, J(text));
    }
    pk_buf_add_char(&buf, ']');
    REQUIRE_OK(pk_json_parse(mem, pk_buf_str(&buf), &patch, NULL));
    pk_buf_free(&buf);
    return patch;
}

TEST(json_patch, doubling_ends_at_the_limit)
{
    static const char *const patches[] = {
        "{'op':'copy','from':'','path':'/%d'}",                 // twice as many with each
        "{'op':'copy','from':'/a','path':'/a/-'}",
        "{'op':'copy','from':'/a','path':'/x%d'}",              // one that is not open: it grows at the end
    };
    for (size_t i = 0; i < PK__COUNT(patches); i++) {
        CASE("%s", patches[i])
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0}, result = {test_alloc(), NULL, NULL, 0};
            pk_error err;
            pk_buf text;
            const pk_json_value *doc, *out;
            pk_buf_init(&text, test_alloc(), 1 << 20);
            pk_buf_add(&text, PK_STR("{\"a\":[\""));
            for (int k = 0; k < 60000; k++) {
                pk_buf_add_char(&text, 'x');
            }
            pk_buf_add(&text, PK_STR("\"]}"));
            REQUIRE_OK(pk_json_parse(&mem, pk_buf_str(&text), &doc, NULL));
            const pk_json_value *patch = many(&mem, 2000, patches[i]);
            CHECK_ERR(pk_json_patch(&result, doc, patch, &out, &err), PK_ERR_LIMIT);
            CHECK(out == NULL);
            CHECK_CONTAINS(err.msg, "it takes more than 67108864 bytes");
            pk_buf_free(&text);
            pk_mem_free(&mem);
            pk_mem_free(&result);
        }
    }
}

TEST(json_patch, no_result_is_deeper_than_what_can_be_read)
{
    for (int levels = PLUGKIT_JSON_DEPTH - 1; levels <= PLUGKIT_JSON_DEPTH + 1; levels++) {
        CASE("%d levels", levels)
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            pk_error err = {0};
            pk_buf path, text;
            const pk_json_value *patch, *out;
            pk_buf_init(&text, test_alloc(), 1 << 20);
            pk_buf_init(&path, test_alloc(), 1 << 20);
            pk_buf_add_char(&text, '[');
            for (int i = 1; i < levels; i++) { // each puts one more array into the last one
                pk_buf_add(&path, PK_STR("/0"));
                pk_buf_printf(&text, "%s{\"op\":\"add\",\"value\":[],\"path\":\"%.*s\"}", i > 1 ? "," : "",
                              (int)path.len, path.ptr);
            }
            pk_buf_add_char(&text, ']');
            REQUIRE_OK(pk_json_parse(&mem, pk_buf_str(&text), &patch, NULL));
            CHECK_ERR(pk_json_patch(&mem, parsed(&mem, "[]"), patch, &out, &err),
                      levels <= PLUGKIT_JSON_DEPTH ? PK_OK : PK_ERR_LIMIT);
            CHECK_STR(err.msg, levels <= PLUGKIT_JSON_DEPTH ? ""
                                                            : "cannot apply JSON Patch: nested deeper than 256 levels");
            pk_buf_free(&path);
            pk_buf_free(&text);
            pk_mem_free(&mem);
        }
    }
}

static void check_many(const char *doc, int count, const char *format, size_t members)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0}, result = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *out;
    REQUIRE_OK(pk_json_patch(&result, parsed(&mem, doc), many(&mem, count, format), &out, NULL));
    CHECK_UINT(pk_json_count(out), ==, members);
    pk_mem_free(&mem);
    pk_mem_free(&result);
}

TEST(json_patch, ten_thousand_operations_are_few)
{
    check_many("{}", 10000, "{'op':'add','path':'/key-%d','value':1}", 10000);
    check_many("{}", 10000, "{'op':'add','path':'/0','value':1}", 1);
    check_many("[]", 10000, "{'op':'add','path':'/0','value':%d}", 10000);
    check_many("{\"-1\":1}", 10000, "{'op':'move','path':'/%d','from':'/%d'}", 1);
}

/* ---- JSON Merge Patch */

TEST(json_merge_patch, examples_of_the_rfc)
{
    static const row rows[] = {
        GOOD("{'a':'b'}", "{'a':'c'}", "{'a':'c'}"),
        GOOD("{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"),
        GOOD("{'a':'b'}", "{'a':null}", "{}"),
        GOOD("{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}"),
        GOOD("{'a':['b']}", "{'a':'c'}", "{'a':'c'}"),
        GOOD("{'a':'c'}", "{'a':['b']}", "{'a':['b']}"),
        GOOD("{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"),
        GOOD("{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"),
        GOOD("['a','b']", "['c','d']", "['c','d']"),
        GOOD("{'a':'b'}", "['c']", "['c']"),
        GOOD("{'a':'foo'}", "null", "null"),
        GOOD("{'a':'foo'}", "'bar'", "'bar'"),
        GOOD("{'e':null}", "{'a':1}", "{'e':null,'a':1}"),
        GOOD("[1,2]", "{'a':'b','c':null}", "{'a':'b'}"),
        GOOD("{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"),
        GOOD("{'title':'Goodbye!','author':{'givenName':'John','familyName':'Doe'},'tags':['example','sample'],"
             "'content':'This will be unchanged'}",
             "{'title':'Hello!','phoneNumber':'+01-123-456-7890','author':{'familyName':null},'tags':['example']}",
             "{'title':'Hello!','author':{'givenName':'John'},'tags':['example'],'content':'This will be unchanged',"
             "'phoneNumber':'+01-123-456-7890'}"),
    };
    check_rows(pk_json_merge_patch, rows, PK__COUNT(rows));
}

TEST(json_merge_patch, edges)
{
    static const row rows[] = {
        GOOD(NULL, "{'a':1,'b':null}", "{'a':1}"),
        GOOD(NULL, "7", "7"),
        GOOD("7", "{}", "{}"),
        GOOD("{'a':1}", "{}", "{'a':1}"),
        GOOD("{'a':{'b':1.50}}", "{'a':{'c':{'d':null,'e':[null,{'f':null}]}}}",
             "{'a':{'b':1.5,'c':{'e':[null,{'f':null}]}}}"), // nulls within arrays stay
        GOOD("{'a':1}", "{'a':{'b':{'c':null}}}", "{'a':{'b':{}}}"),
        GOOD("{'a':1,'a':{'x':1}}", "{'a':{'y':2}}", "{'a':{'x':1,'y':2}}"), // of duplicates the last one counts,
        GOOD("{'a':{}}", "{'a':{'x':1},'a':{'y':2}}", "{'a':{'y':2}}"),       // in both
        GOOD("{'a':1}", "{'a':2,'a':null}", "{}"),
        GOOD("{'a':1}", "{'a':null,'a':2}", "{'a':2}"),
        GOOD("{'':1,'\\u0000':2}", "{'':null,'\\u0000\\u0000':3}", "{'\\u0000':2,'\\u0000\\u0000':3}"),
    };
    check_rows(pk_json_merge_patch, rows, PK__COUNT(rows));
}

TEST(json_merge_patch, a_hundred_thousand_members)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0}, result = {test_alloc(), NULL, NULL, 0};
    pk_buf doc, patch;
    const pk_json_value *d, *p, *out;
    pk_buf_init(&doc, test_alloc(), 1 << 24);
    pk_buf_init(&patch, test_alloc(), 1 << 24);
    for (int i = 0; i < 100000; i++) {
        pk_buf_printf(&doc, "%c\"key-%d\":%d", i ? ',' : '{', i, i);
        pk_buf_printf(&patch, i % 3 ? "%c\"key-%d\":\"%d\"" : "%c\"key-%d\":null", i ? ',' : '{', i * 2, i);
    }
    pk_buf_add_char(&doc, '}');
    pk_buf_add_char(&patch, '}');
    REQUIRE_OK(pk_json_parse(&mem, pk_buf_str(&doc), &d, NULL));
    REQUIRE_OK(pk_json_parse(&mem, pk_buf_str(&patch), &p, NULL));
    REQUIRE_OK(pk_json_merge_patch(&result, d, p, &out, NULL));
    /* Of the 50,000 that both have a third (16,667) goes; of 50,000 others two thirds come (33,333). */
    CHECK_UINT(pk_json_count(out), ==, 100000 - 16667 + 33333);
    CHECK(pk_json_get(out, "key-0") == NULL);
    CHECK(pk_json_is(pk_json_get(out, "key-2"), "1"));
    CHECK_INT(pk_json_int(pk_json_get(out, "key-3"), 0), ==, 3);
    CHECK(pk_json_is(pk_json_get(out, "key-199996"), "99998"));
    pk_buf_free(&doc);
    pk_buf_free(&patch);
    pk_mem_free(&mem);
    pk_mem_free(&result);
}

/* ---- memory */

static const char small_doc[] = "{\"a\":{\"b\":[1,2.50,\"x\"]},\"c\":null}";
static const char small_patch[] = "[{\"op\":\"add\",\"path\":\"/a/b/1\",\"value\":{\"k\":true}},"
                                  "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/~1d\"},"
                                  "{\"op\":\"test\",\"path\":\"/~1d/b/1\",\"value\":{\"k\":true}},"
                                  "{\"op\":\"remove\",\"path\":\"/c\"}]";

TEST_TORTURE(json_patch, survives_any_failure)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0}, result = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *doc, *patch, *out = NULL;
    pk_error err;
    if (TRY_OK(pk_json_parse(&mem, pk_str_from(small_doc), &doc, NULL)) &&
        TRY_OK(pk_json_parse(&mem, pk_str_from(small_patch), &patch, NULL))) {
        if (TRY_OK(pk_json_patch(&result, doc, patch, &out, &err))) {
            CHECK_PK_STR(pk_json_str(pk_json_at(out, "/~1d/b/3")), "x");
        } else {
            CHECK(out == NULL);
            CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
            CHECK_CONTAINS(err.msg, "out of memory");
        }
        if (TRY_OK(pk_json_merge_patch(&result, doc, pk_json_at(doc, ""), &out, &err))) {
            CHECK(pk_json_count(out) == 1); // its null takes itself away
        } else {
            CHECK(out == NULL);
            CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
        }
    }
    pk_mem_free(&mem);
    pk_mem_free(&result);
}

TEST(json_patch, bytes_of_the_caller_are_enough_or_not)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0}, over;
    const pk_json_value *doc = parsed(&mem, small_doc), *patch = parsed(&mem, small_patch), *out;
    static const char zeros[4096];
    pk_error err;
    bool enough = false;
    for (size_t size = 0; size <= 4096; size += 16) {
        char *bytes = test_guarded(zeros, size);
        pk_mem_over(&over, bytes, size, NULL);
        pk_err rc = pk_json_patch(&over, doc, patch, &out, &err);
        CHECK(rc == PK_OK || (rc == PK_ERR_NO_MEMORY && !enough));
        CHECK((rc == PK_OK) == (out != NULL));
        enough = enough || rc == PK_OK;
        pk_mem_free(&over);
        test_guarded_free(bytes, size);
    }
    CHECK(enough);
    pk_mem_free(&mem);
}

TEST(json_patch, misuse_is_told)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *doc = parsed(&mem, "{}"), *out;
    CHECK_ERR(pk_json_patch(&mem, NULL, parsed(&mem, "[]"), &out, NULL), PK_ERR_MISUSE);
    CHECK_ERR(pk_json_patch(&mem, doc, NULL, &out, NULL), PK_ERR_BAD_JSON);
    CHECK_ERR(pk_json_merge_patch(&mem, doc, NULL, &out, NULL), PK_ERR_MISUSE);
    CHECK_ERR(pk_json_merge_patch(&mem, NULL, NULL, &out, NULL), PK_ERR_MISUSE);
    pk_mem_free(&mem);
}
