/* test_json_read.c - the JSON reader: what is JSON and what is not, values, errors, limits. */
#include "unit.h"

#include <pthread.h>

/* Bytes with their length: texts may hold NULs. */
#define ROW(literal) {literal, sizeof(literal) - 1}
typedef struct row {
    const char *text;
    size_t len;
} row;

static const row accepted[] = {
    /* structure */
    ROW("[]"), ROW("{}"), ROW("[ ]"), ROW("{ }"), ROW(" [1] "), ROW("\t\n\r [\r\n] \t"), ROW("[[]]"), ROW("[[],[]]"),
    ROW("[{}]"), ROW("{\"a\":{}}"), ROW("{\"a\":[]}"), ROW("[1,2,3]"), ROW("[1 , 2\n,\t3]"), ROW("{\"a\":1,\"b\":2}"),
    ROW("{\"a\" : 1 , \"b\" : 2}"), ROW("{\"a\":{\"b\":{\"c\":[{\"d\":[]}]}}}"), ROW("[null,true,false]"),
    ROW("{\"\":0}"), ROW("{\"a\":1,\"a\":2}"), ROW("{\"a\":\"b\",\"a\":\"b\"}"), ROW("{\"a\\u0000b\":1}"),
    ROW("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"), ROW("        []"), ROW("\n         [\n         1\n        ]         "),
    /* lone values */
    ROW("null"), ROW("true"), ROW("false"), ROW("0"), ROW("-1.5e3"), ROW("\"text\""), ROW("\"\""), ROW(" 42 "),
    /* numbers */
    ROW("[0]"), ROW("[-0]"), ROW("[0.0]"), ROW("[-0.0]"), ROW("[0e1]"), ROW("[0E+1]"), ROW("[0e-1]"), ROW("[1e5]"),
    ROW("[1E5]"), ROW("[1e+5]"), ROW("[1e-5]"), ROW("[1.5e5]"), ROW("[123.456e78]"), ROW("[10]"), ROW("[-10]"),
    ROW("[1e05]"), ROW("[9223372036854775808]"), ROW("[123456789012345678901234567890]"), ROW("[1e400]"),
    ROW("[-1e400]"), ROW("[1e-400]"), ROW("[0.00000000000000000000000000000000000000000000000000000000001]"),
    /* strings */
    ROW("[\"a\"]"), ROW("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"), ROW("[\"\\u0000\"]"), ROW("[\"\\u00e9\\u00E9\"]"),
    ROW("[\"\\uD83D\\uDE00\"]"), ROW("[\"\\ud83d\\ude00\"]"), ROW("[\"\\uDBFF\\uDFFF\"]"), ROW("[\"\\uFFFF\"]"),
    ROW("[\"\\uFFFE\\uFDD0\"]"), ROW("[\"\\u2028\\u2029\"]"), ROW("[\"\x7F\"]"), ROW("[\"\xC3\xA9\"]"),
    ROW("[\"\xE2\x80\xA8\"]"), ROW("[\"\xF0\x9F\x98\x80\"]"), ROW("[\"\xF4\x8F\xBF\xBF\"]"),
    ROW("[\"\xEF\xBF\xBF\"]"), ROW("[\"\xEF\xBB\xBF\"]"), ROW("[\"// no comment /* here */\"]"), ROW("[\"[{}],:\"]"),
    ROW("[\"'\"]"), ROW("[\"a string that is longer than eight bytes, and another eight\"]"), ROW("[\"1234567\\n\"]"),
    ROW("[\"1234567\xC3\xA9\"]"), ROW("[\"\\\\\"]"), ROW("[\"\\\\u0041\"]"), ROW("[\"\\u0022\"]"),
};

static const row refused[] = {
    /* nothing, and ends that are missing */
    ROW(""), ROW(" "), ROW("\n"), ROW("["), ROW("{"), ROW("[1"), ROW("[1,"), ROW("[\""), ROW("[\"a"), ROW("{\"a\""),
    ROW("{\"a\":"), ROW("{\"a\":1"), ROW("{\"a\":1,"), ROW("[[]"), ROW("\"\\"), ROW("\"\\u"), ROW("\"\\u00"),
    ROW("\"\\u00e"), ROW("\"\\u00e9"), ROW("\"\\ud800"), ROW("\"\\ud800\\"), ROW("\"\\ud800\\u"),
    ROW("\"\\ud800\\udc0"), ROW("-"), ROW("1."), ROW("1e"), ROW("1e+"), ROW("t"), ROW("tr"), ROW("tru"), ROW("nul"),
    ROW("fals"),
    /* too many ends, and something behind the value */
    ROW("]"), ROW("}"), ROW("[]]"), ROW("{}}"), ROW("[1]]"), ROW("1 2"), ROW("[][]"), ROW("{}{}"), ROW("[]1"),
    ROW("nullx"), ROW("null null"), ROW("\"a\"\"b\""), ROW("[1]x"), ROW("[1],"), ROW("1,"), ROW("[] // end"),
    ROW("true false"),
    /* brackets of the other kind */
    ROW("[1}"), ROW("{\"a\":1]"), ROW("[{]"), ROW("{[}"), ROW("[{}]}"), ROW("(1)"), ROW("<null>"),
    /* commas and colons */
    ROW("[,]"), ROW("[1,]"), ROW("[,1]"), ROW("[1,,2]"), ROW("[1 2]"), ROW("{,}"), ROW("{\"a\":1,}"),
    ROW("{,\"a\":1}"), ROW("{\"a\":1,,\"b\":2}"), ROW("{\"a\":1 \"b\":2}"), ROW("{\"a\"}"), ROW("{\"a\":}"),
    ROW("{\"a\" 1}"), ROW("{:1}"), ROW("{\"a\"::1}"), ROW("[\"a\":1]"), ROW("{\"a\",1}"), ROW("[:]"), ROW(","),
    ROW(":"), ROW("{\"a\":1:2}"),
    /* keys */
    ROW("{a:1}"), ROW("{'a':1}"), ROW("{1:1}"), ROW("{null:1}"), ROW("{[]:1}"), ROW("{\"a\":1,b:2}"), ROW("{\"a:1}"),
    /* numbers */
    ROW("[01]"), ROW("[-01]"), ROW("[00]"), ROW("[+1]"), ROW("[.5]"), ROW("[-.5]"), ROW("[1.]"), ROW("[1.e5]"),
    ROW("[1.5.5]"), ROW("[1e]"), ROW("[1e5.5]"), ROW("[1e1e1]"), ROW("[1 e5]"), ROW("[1e 5]"), ROW("[- 1]"),
    ROW("[--1]"), ROW("[0x1]"), ROW("[0b1]"), ROW("[1a]"), ROW("[1_000]"), ROW("[1,000.5.1]"), ROW("[NaN]"),
    ROW("[Infinity]"), ROW("[-Infinity]"), ROW("[-NaN]"), ROW("[1/2]"), ROW("[\xEF\xBC\x91]"), ROW("[0.]"),
    ROW("[-]"), ROW("[1+2]"),
    /* literals */
    ROW("[True]"), ROW("[TRUE]"), ROW("[nil]"), ROW("[NULL]"), ROW("[truee]"), ROW("[undefined]"), ROW("[t]"),
    ROW("[a]"),
    /* strings */
    ROW("['a']"), ROW("[\"a]"), ROW("[a\"]"), ROW("[\"a\tb\"]"), ROW("[\"a\nb\"]"), ROW("[\"a\rb\"]"),
    ROW("[\"\x1F\"]"), ROW("[\"\x01\"]"), ROW("[\"\0\"]"), ROW("[\"\\a\"]"), ROW("[\"\\x41\"]"), ROW("[\"\\'\"]"),
    ROW("[\"\\0\"]"), ROW("[\"\\U0041\"]"), ROW("[\"\\u004\"]"), ROW("[\"\\u004g\"]"), ROW("[\"\\u 041\"]"),
    ROW("[\"\\u-041\"]"), ROW("[\"\\u+041\"]"), ROW("[\"\\u00:1\"]"), ROW("[\"\\u00@1\"]"), ROW("[\"\\u00`1\"]"),
    ROW("[\"\\\n\"]"), ROW("[\"\\\xC3\xA9\"]"), ROW("[\"\\\0\"]"), ROW("[\"\\ \"]"), ROW("[\"\\\"]"),
    ROW("[\"1234567\x01\"]"),
    /* surrogates */
    ROW("[\"\\ud800\"]"), ROW("[\"\\udbff\"]"), ROW("[\"\\udc00\"]"), ROW("[\"\\udfff\"]"), ROW("[\"\\ud800x\"]"),
    ROW("[\"\\ud800\\n\"]"), ROW("[\"\\ud800\\u0041\"]"), ROW("[\"\\ud800\\ud800\"]"), ROW("[\"\\udc00\\ud800\"]"),
    ROW("[\"\\ud800\\udbff\"]"), ROW("[\"\\ud800\\ue000\"]"), ROW("[\"\\ud83d\\\\ude00\"]"),
    ROW("[\"\\ud83d\\ud83d\\ude00\"]"),
    /* UTF-8 */
    ROW("[\"\x80\"]"), ROW("[\"\xBF\"]"), ROW("[\"\xC0\x80\"]"), ROW("[\"\xC1\xBF\"]"), ROW("[\"\xC3\"]"),
    ROW("[\"\xC3(\"]"), ROW("[\"\xE0\x80\x80\"]"), ROW("[\"\xE0\x9F\xBF\"]"), ROW("[\"\xE2\x82\"]"),
    ROW("[\"\xED\xA0\x80\"]"), ROW("[\"\xED\xBF\xBF\"]"), ROW("[\"\xF0\x80\x80\x80\"]"),
    ROW("[\"\xF0\x8F\xBF\xBF\"]"), ROW("[\"\xF0\x9F\x98\"]"), ROW("[\"\xF4\x90\x80\x80\"]"),
    ROW("[\"\xF5\x80\x80\x80\"]"), ROW("[\"\xFE\"]"), ROW("[\"\xFF\"]"), ROW("{\"\xFF\":1}"), ROW("[\xC3\xA9]"),
    ROW("\xE2\x80\xA8[]"), ROW("[\"\xC3\x80\xA8\"]"), ROW("\xFF"), ROW("[\"12345678\xFF\"]"),
    /* marks, foreign white space, comments */
    ROW("\xEF\xBB\xBF{}"), ROW("\xEF\xBB\xBF"), ROW("\xFE\xFF\0[\0]"), ROW("[\0]\0"), ROW("[]\0"), ROW("\0"),
    ROW("\v[]"), ROW("\f[]"), ROW("[\xC2\xA0]"), ROW("[\v1]"), ROW("[1\f]"), ROW("/* c */[]"), ROW("[]#"),
    ROW("[/**/]"), ROW("[1//\n]"), ROW("*"), ROW("{*}"), ROW("\\"), ROW("[\\n]"), ROW("\\u0031"),
    ROW("[\"a\" \"b\"]"), ROW("{\"a\":\"b\" \"c\"}"),
};

/* Both entry points must agree. The text ends where no byte can be read any more. */
static bool is_json(const char *text, size_t len)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *doc = NULL;
    pk_error err = {0};
    pk_str guarded = {test_guarded(text, len), len};
    pk_err checked = pk_json_check(guarded, &err);
    pk_err parsed = pk_json_parse(&mem, guarded, &doc, NULL);
    CHECK_INT(checked, ==, parsed);
    CHECK_INT(doc != NULL, ==, parsed == PK_OK);
    CHECK(checked == PK_OK || checked == PK_ERR_BAD_JSON || checked == PK_ERR_LIMIT);
    CHECK_INT(err.code, ==, checked);
    CHECK(checked == PK_OK || strncmp(err.msg, "cannot parse JSON: line ", 24) == 0);
    pk_mem_free(&mem);
    test_guarded_free((char *)guarded.ptr, len);
    return checked == PK_OK;
}

TEST(json_read, accepts_all_that_is_json)
{
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        CASE("%s", accepted[i].text)
        {
            CHECK(is_json(accepted[i].text, accepted[i].len));
        }
    }
}

TEST(json_read, refuses_all_that_is_not)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        CASE("%s", refused[i].text)
        {
            CHECK(!is_json(refused[i].text, refused[i].len));
        }
    }
}

TEST(json_read, no_proper_prefix_of_a_container_is_json)
{
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        const char *text = accepted[i].text;
        size_t begin = strspn(text, " \t\r\n"), end = accepted[i].len;
        while (end > begin && strchr(" \t\r\n", text[end - 1])) {
            end--;
        }
        for (size_t len = 0; len < end && (text[begin] == '[' || text[begin] == '{'); len++) {
            CASE("%zu bytes of %s", len, text)
            {
                CHECK(!is_json(text, len));
            }
        }
    }
}

TEST(json_read, both_readers_agree_on_every_changed_byte)
{
    static const char bytes[] = "\"\\{}[],:0-.eEutnfx/ \n\x01\x7F\x80\xBF\xC3\xED\xF4\xFF";
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        char text[128];
        REQUIRE(accepted[i].len <= sizeof(text));
        for (size_t at = 0; at < accepted[i].len; at++) {
            for (size_t b = 0; b < sizeof(bytes); b++) { // the NUL, too
                memcpy(text, accepted[i].text, accepted[i].len);
                text[at] = bytes[b];
                (void)is_json(text, accepted[i].len); // has the checks
            }
        }
    }
}

/* ---- errors */

TEST(json_read, says_where_and_what_is_wrong)
{
    static const struct {
        row in;
        const char *message;
    } rows[] = {
        {ROW("[1,2"), "line 1, column 5, offset 4: expected ',' or ']', got the end near \"[1,2\""},
        {ROW("{\"a\": 1\n  \"b\": 2}"),
         "line 2, column 3, offset 10: expected ',' or '}', got '\"' near \"{\"a\": 1\\x0a  \"b\": 2}\""},
        {ROW(""), "line 1, column 1, offset 0: expected a value, got the end near \"\""},
        {ROW("[1,]"), "line 1, column 4, offset 3: expected a value, got ']' near \"[1,]\""},
        {ROW("{a:1}"), "line 1, column 2, offset 1: expected a key in quotes, got 'a' near \"{a:1}\""},
        {ROW("{\"a\" 1}"), "line 1, column 6, offset 5: expected ':', got '1' near \"{\"a\" 1}\""},
        {ROW("01"), "line 1, column 2, offset 1: expected nothing more, got '1' near \"01\""},
        {ROW("[-]"), "line 1, column 3, offset 2: expected a digit, got ']' near \"[-]\""},
        {ROW("[\"\\x\"]"),
         "line 1, column 4, offset 3: expected one of \"\\/bfnrtu behind the backslash, got 'x' near \"[\"\\x\"]\""},
        {ROW("\"\\u12g4\""), "line 1, column 4, offset 3: expected four hex digits, got '1' near \"\"\\u12g4\"\""},
        {ROW("\"\\ud800\""),
         "line 1, column 2, offset 1: expected both halves of a surrogate pair, got '\\' near \"\"\\ud800\"\""},
        {ROW("\"a\tb\""), "line 1, column 3, offset 2: expected an escape instead of a control character, got byte 0x"
                          "09 near "
                          "\"\"a\\x09b\"\""},
        {ROW("\"\xC3\xA9\xFF\""), "line 1, column 3, offset 3: expected UTF-8, got byte 0xFF near \"\"\xC3\xA9\\xff\""
                                  "\""},
        {ROW("\"abc"), "line 1, column 5, offset 4: expected '\"', got the end near \"\"abc\""},
        {ROW("\xEF\xBB\xBF{}"), "line 1, column 1, offset 0: expected a value, got a byte order mark near \"\xEF\xBB"
                                "\xBF{}\""},
        {ROW("[\0]"), "line 1, column 2, offset 1: expected a value, got byte 0x00 near \"[\\x00]\""},
        {ROW("[\"abcdefghijklmnopqrstuvwxyz\", x, \"ABCDEFGHIJKLMNOPQRSTUVWXYZ\"]"),
         "line 1, column 32, offset 31: expected a value, got 'x' near \"nopqrstuvwxyz\", x, \"ABCDEFGHIJKL\""},
        {ROW("\"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9 \n"), // cut between characters
         "line 1, column 12, offset 20: expected an escape instead of a control character, got byte 0x0A near "
         "\"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9 \\x0a\""},
        {ROW("\n\n \xC3\xA9"), "line 3, column 2, offset 3: expected a value, got byte 0xC3 near \"\\x0a\\x0a \xC3"
                               "\xA9\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].in.text)
        {
            pk_error err = {0};
            char message[256];
            snprintf(message, sizeof(message), "cannot parse JSON: %s", rows[i].message);
            CHECK_ERR(pk_json_check((pk_str){rows[i].in.text, rows[i].in.len}, &err), PK_ERR_BAD_JSON);
            CHECK_STR(err.msg, message);
        }
    }
}

TEST(json_read, errors_are_optional)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *doc;
    CHECK_ERR(pk_json_check(PK_STR("["), NULL), PK_ERR_BAD_JSON);
    CHECK_ERR(pk_json_parse(&mem, PK_STR("["), &doc, NULL), PK_ERR_BAD_JSON);
    CHECK(doc == NULL);
    pk_mem_free(&mem);
}

/* ---- depth */

static char *nested(size_t levels, const char *open, const char *inside, const char *close)
{
    size_t open_len = strlen(open), close_len = strlen(close), inside_len = strlen(inside);
    char *text = malloc(levels * (open_len + close_len) + inside_len + 1), *at = text;
    REQUIRE(text != NULL);
    for (size_t i = 0; i < levels; i++, at += open_len) {
        memcpy(at, open, open_len);
    }
    memcpy(at, inside, inside_len + 1);
    at += inside_len;
    for (size_t i = 0; i < levels; i++, at += close_len) {
        memcpy(at, close, close_len + 1);
    }
    return text;
}

TEST(json_read, nesting_ends_at_256_levels)
{
    static const struct {
        const char *open, *inside, *close;
    } rows[] = {{"[", "", "]"}, {"[", "1", "]"}, {"{\"a\":", "1", "}"}, {"[{\"a\":", "1", "}]"}, {"[1,", "2", "]"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].open)
        {
            size_t per = i == 3 ? 2 : 1;
            char *deep = nested(256 / per, rows[i].open, rows[i].inside, rows[i].close);
            char *deeper = nested(256 / per + 1, rows[i].open, rows[i].inside, rows[i].close);
            pk_error err = {0};
            CHECK(is_json(deep, strlen(deep)));
            CHECK(!is_json(deeper, strlen(deeper)));
            CHECK_ERR(pk_json_check(pk_str_from(deeper), &err), PK_ERR_LIMIT);
            CHECK_CONTAINS(err.msg, "nested deeper than 256 levels");
            free(deep);
            free(deeper);
        }
    }
}

/* Siblings do not add up. */
TEST(json_read, width_is_not_limited)
{
    char *wide = nested(1, "[", "[[]],{\"a\":[]},[[]],{\"a\":{}},[[[[]]]]", "]");
    char *line = nested(5000, "[],", "[]", "");
    char *text = nested(1, "[", line, "]");
    CHECK(is_json(wide, strlen(wide)));
    CHECK(is_json(text, strlen(text)));
    free(wide);
    free(line);
    free(text);
}

static void *read_ten_megabytes(void *unused)
{
    enum { SIZE = 10 * 1024 * 1024 };
    char *text = malloc(SIZE);
    pk_mem mem = {0};
    const pk_json_value *doc;
    if (text) {
        memset(text, '[', SIZE);
        CHECK_ERR(pk_json_check((pk_str){text, SIZE}, NULL), PK_ERR_LIMIT);
        CHECK_ERR(pk_json_parse(&mem, (pk_str){text, SIZE}, &doc, NULL), PK_ERR_LIMIT);
        for (size_t i = 0; i + 5 <= SIZE; i += 5) {
            memcpy(text + i, "{\"\":[", 5);
        }
        CHECK_ERR(pk_json_check((pk_str){text, SIZE}, NULL), PK_ERR_LIMIT);
        pk_mem_free(&mem);
    }
    free(text);
    return unused;
}

TEST(json_read, ten_megabytes_of_brackets_cost_no_stack)
{
    pthread_attr_t attr;
    pthread_t thread;
    REQUIRE(pthread_attr_init(&attr) == 0);
    size_t least = (size_t)PTHREAD_STACK_MIN; // 128 KiB on ARM
    REQUIRE(pthread_attr_setstacksize(&attr, least > 64 * 1024 ? least : 64 * 1024) == 0);
    REQUIRE(pthread_create(&thread, &attr, read_ten_megabytes, NULL) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
}

/* ---- values */

static const char sample[] =
    "{\"null\":null,\"yes\":true,\"no\":false,\"int\":-42,\"big\":18446744073709551615,\"real\":1.5e3,\"huge\":1e999,"
    "\"text\":\"a\\u00e9\\n\\ud83d\\ude00\\u0000z\",\"empty\":\"\",\"array\":[1,\"two\",[3,[4]],{\"five\":5},6],"
    "\"flat\":[10,20,30],\"object\":{\"x\":{\"y\":[{\"z\":true}]}},\"none\":[],\"nothing\":{},\"twice\":1,\"twice\":2,"
    "\"a/b\":\"slash\",\"m~n\":\"tilde\",\"~1\":\"both\",\" \":\"space\",\"\":\"no name\"}";

static const pk_json_value *read_sample(pk_mem *mem)
{
    const pk_json_value *doc = NULL;
    mem->alloc = test_alloc();
    char *text = strdup(sample);
    REQUIRE(text != NULL);
    CHECK_OK(pk_json_parse(mem, pk_str_from(text), &doc, NULL));
    memset(text, '#', strlen(text)); // it is not needed any more
    free(text);
    REQUIRE(doc != NULL);
    return doc;
}

TEST(json_read, values_have_their_types_and_contents)
{
    pk_mem mem = {0};
    const pk_json_value *doc = read_sample(&mem);
    CHECK_INT(pk_json_type_of(doc), ==, PK_JSON_OBJECT);
    CHECK_UINT(pk_json_count(doc), ==, 21);
    CHECK_INT(pk_json_type_of(pk_json_get(doc, "null")), ==, PK_JSON_NULL);
    CHECK_INT(pk_json_type_of(pk_json_get(doc, "yes")), ==, PK_JSON_BOOL);
    CHECK_INT(pk_json_type_of(pk_json_get(doc, "int")), ==, PK_JSON_NUMBER);
    CHECK_INT(pk_json_type_of(pk_json_get(doc, "text")), ==, PK_JSON_STRING);
    CHECK_INT(pk_json_type_of(pk_json_get(doc, "array")), ==, PK_JSON_ARRAY);
    CHECK_INT(pk_json_type_of(pk_json_get(doc, "missing")), ==, PK_JSON_NONE);
    CHECK(pk_json_bool(pk_json_get(doc, "yes"), false));
    CHECK(!pk_json_bool(pk_json_get(doc, "no"), true));
    CHECK_INT(pk_json_int(pk_json_get(doc, "int"), 0), ==, -42);
    CHECK_UINT(pk_json_uint(pk_json_get(doc, "big"), 0), ==, UINT64_MAX);
    CHECK(pk_json_double(pk_json_get(doc, "real"), 0) == 1500.0);
    CHECK(pk_json_double(pk_json_get(doc, "int"), 0) == -42.0);
    CHECK_PK_STR(pk_json_number_text(pk_json_get(doc, "real")), "1.5e3");
    CHECK_PK_STR(pk_json_number_text(pk_json_get(doc, "huge")), "1e999");
    CHECK_UINT(pk_json_count(pk_json_get(doc, "array")), ==, 5);
    CHECK_UINT(pk_json_count(pk_json_get(doc, "none")), ==, 0);
    pk_str text = pk_json_str(pk_json_get(doc, "text"));
    CHECK_UINT(text.len, ==, 10);
    CHECK_MEM(text.ptr, "a\xC3\xA9\n\xF0\x9F\x98\x80\0z", 11); // and the NUL behind it
    CHECK(pk_json_is(pk_json_get(doc, "empty"), ""));
    CHECK(pk_json_is(pk_json_get(doc, ""), "no name"));
    CHECK(!pk_json_is(pk_json_get(doc, "int"), "-42"));
    CHECK(!pk_json_is(NULL, ""));
    pk_mem_free(&mem);
}

TEST(json_read, getters_take_anything)
{
    pk_mem mem = {0};
    const pk_json_value *doc = read_sample(&mem);
    static const char *const keys[] = {"null", "yes", "int", "huge", "text", "array", "object", "missing"};
    int64_t i;
    uint64_t u;
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
        const pk_json_value *v = pk_json_get(doc, keys[k]);
        CASE("%s", keys[k])
        {
            CHECK_INT(pk_json_bool(v, true), ==, 1);
            CHECK_INT(pk_json_int(v, 7), ==, k == 2 ? -42 : 7);
            CHECK_UINT(pk_json_uint(v, 7), ==, 7);
            CHECK(pk_json_double(v, 7) == (k == 2 ? -42.0 : 7.0)); // no double can hold 1e999
            CHECK_INT(pk_json_get_int(v, &i), ==, k == 2);
            CHECK_INT(pk_json_get_uint(v, &u), ==, false);
            CHECK_UINT(pk_json_str(v).len, ==, k == 4 ? 10 : 0);
            CHECK(pk_json_str(v).ptr != NULL);
            CHECK_UINT(pk_json_number_text(v).len, ==, k == 2 ? 3 : k == 3 ? 5 : 0);
            CHECK_UINT(pk_json_count(v), ==, k == 5 ? 5 : k == 6 ? 1 : 0);
            CHECK((pk_json_first(v) != NULL) == (k == 5 || k == 6));
            CHECK(pk_json_next(v, v) == NULL || k == 5 || k == 6);
            CHECK((pk_json_item(v, 0) != NULL) == (k == 5));
            CHECK((pk_json_get(v, "x") != NULL) == (k == 6));
            CHECK_UINT(pk_json_key(v).len, ==, v ? strlen(keys[k]) : 0);
        }
    }
    CHECK(pk_json_next(doc, NULL) == NULL);
    CHECK_UINT(pk_json_key(doc).len, ==, 0);
    CHECK_UINT(pk_json_key(NULL).len, ==, 0);
    CHECK_UINT(pk_json_key(pk_json_item(pk_json_get(doc, "array"), 1)).len, ==, 0); // not a member
    pk_mem_free(&mem);
}

TEST(json_read, of_duplicate_keys_the_last_one_counts)
{
    pk_mem mem = {0};
    const pk_json_value *doc = read_sample(&mem);
    CHECK_INT(pk_json_int(pk_json_get(doc, "twice"), 0), ==, 2);
    CHECK_INT(pk_json_int(pk_json_at(doc, "/twice"), 0), ==, 2);
    pk_mem_free(&mem);
}

TEST(json_read, walks_step_over_containers)
{
    pk_mem mem = {0};
    const pk_json_value *doc = read_sample(&mem), *v;
    char keys[256] = "";
    size_t count = 0;
    for (v = pk_json_first(doc); v; v = pk_json_next(doc, v), count++) {
        pk_str key = pk_json_key(v);
        snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%" PK_FMT ",", PK_ARG(key));
    }
    CHECK_UINT(count, ==, 21);
    CHECK_STR(keys, "null,yes,no,int,big,real,huge,text,empty,array,flat,object,none,nothing,twice,twice,a/b,m~n,~1,"
        " ,,");
    const pk_json_value *array = pk_json_get(doc, "array");
    count = 0;
    for (v = pk_json_first(array); v; v = pk_json_next(array, v), count++) {
        CHECK(v == pk_json_item(array, count));
    }
    CHECK_UINT(count, ==, 5);
    CHECK(pk_json_item(array, 5) == NULL);
    CHECK_INT(pk_json_int(pk_json_item(array, 4), 0), ==, 6);
    CHECK_INT(pk_json_int(pk_json_item(pk_json_get(doc, "flat"), 2), 0), ==, 30);
    CHECK(pk_json_item(pk_json_get(doc, "flat"), 3) == NULL);
    CHECK(pk_json_first(pk_json_get(doc, "none")) == NULL);
    CHECK(pk_json_first(pk_json_get(doc, "nothing")) == NULL);
    pk_mem_free(&mem);
}

TEST(json_read, pointers_follow_rfc_6901)
{
    static const struct {
        const char *pointer, *value; // as a number, or a string; NULL = none
    } rows[] = {
        {"/int", "-42"},       {"/array/0", "1"},      {"/array/1", "two"},    {"/array/2/1/0", "4"},
        {"/array/3/five", "5"}, {"/array/4", "6"},      {"/a~1b", "slash"},     {"/m~0n", "tilde"},
        {"/~01", "both"},      {"/ ", "space"},        {"/", "no name"},       {"/missing", NULL},
        {"int", NULL},         {"/array/5", NULL},     {"/array/-", NULL},     {"/array/-0", NULL},
        {"/array/00", NULL},   {"/array/01", NULL},    {"/array/+1", NULL},    {"/array/1.0", NULL},
        {"/array/1e0", NULL},  {"/array/", NULL},      {"/array/x", NULL},     {"/array/18446744073709551616", NULL},
        {"/int/0", NULL},      {"/text/0", NULL},      {"/m~n", NULL},         {"/m~2n", NULL},
        {"/a~", NULL},         {"/object/x/y/0/w", NULL}, {"//", NULL},        {"/array/0/", NULL},
    };
    pk_mem mem = {0};
    const pk_json_value *doc = read_sample(&mem);
    CHECK(pk_json_at(doc, "") == doc);
    CHECK(pk_json_at(NULL, "") == NULL);
    CHECK(pk_json_at(NULL, "/a") == NULL);
    CHECK(pk_json_bool(pk_json_at(doc, "/object/x/y/0/z"), false));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].pointer)
        {
            const pk_json_value *v = pk_json_at(doc, rows[i].pointer);
            CHECK_INT(v != NULL, ==, rows[i].value != NULL);
            if (v && rows[i].value) {
                pk_str text = pk_json_type_of(v) == PK_JSON_STRING ? pk_json_str(v) : pk_json_number_text(v);
                CHECK_PK_STR(text, rows[i].value);
            }
        }
    }
    pk_mem_free(&mem);
}

TEST(json_read, escapes_mean_what_the_rfc_says)
{
    static const struct {
        const char *text, *bytes;
    } rows[] = {
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00DF\\u6c34\"", "A\xC3\x9F\xE6\xB0\xB4"},
        {"\"\\ud834\\udd1e\\uDBFF\\uDFFF\"", "\xF0\x9D\x84\x9E\xF4\x8F\xBF\xBF"},
        {"\"before \\u0041 between \\\\ after\"", "before A between \\ after"},
        {"\"\\\\n\"", "\\n"},
        {"\"\\\\\\\\\"", "\\\\"},
        {"\"a\\tb\\tc\\td\\te\\tf\"", "a\tb\tc\td\te\tf"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].text)
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            const pk_json_value *doc;
            CHECK_OK(pk_json_parse(&mem, pk_str_from(rows[i].text), &doc, NULL));
            CHECK_PK_STR(pk_json_str(doc), rows[i].bytes);
            CHECK_STR(pk_json_str(doc).ptr, rows[i].bytes);
            pk_mem_free(&mem);
        }
    }
}

TEST(json_read, every_code_point_survives_an_escape)
{
    for (uint32_t code = 0; code < 0x110000; code += code < 0x3000 ? 1 : 61) {
        char text[16], bytes[4];
        if (code >= 0xD800 && code < 0xE000) {
            continue;
        }
        if (code < 0x10000) {
            snprintf(text, sizeof(text), "\"\\u%04x\"", (unsigned)code);
        } else {
            snprintf(text, sizeof(text), "\"\\u%04X\\u%04x\"", (unsigned)(0xD7C0 + (code >> 10)),
                     (unsigned)(0xDC00 + (code & 0x3FF)));
        }
        pk_mem mem = {0};
        const pk_json_value *doc;
        REQUIRE_OK(pk_json_parse(&mem, pk_str_from(text), &doc, NULL));
        pk_str got = pk_json_str(doc);
        CHECK_UINT(got.len, ==, pk__utf8_put(bytes, code));
        CHECK_MEM(got.ptr, bytes, got.len);
        pk_mem_free(&mem);
    }
}

/* ---- numbers */

TEST(json_read, numbers_say_what_they_are_and_keep_their_text)
{
    static const struct {
        const char *text;
        pk_json_number kind;
        bool is_int, is_uint, is_double;
        int64_t i;
        uint64_t u;
        double d;
    } rows[] = {
        {"0", PK_JSON_NUMBER_INTEGER, true, true, true, 0, 0, 0},
        {"-0", PK_JSON_NUMBER_INTEGER, true, true, true, 0, 0, -0.0},
        {"-1", PK_JSON_NUMBER_INTEGER, true, false, true, -1, 0, -1},
        {"9007199254740993", PK_JSON_NUMBER_INTEGER, true, true, true, 9007199254740993, 9007199254740993,
         9007199254740992.0},
        {"9223372036854775807", PK_JSON_NUMBER_INTEGER, true, true, true, INT64_MAX, INT64_MAX, 9223372036854775808.0},
        {"9223372036854775808", PK_JSON_NUMBER_INTEGER, false, true, true, 0, (uint64_t)INT64_MAX + 1,
         9223372036854775808.0},
        {"-9223372036854775808", PK_JSON_NUMBER_INTEGER, true, false, true, INT64_MIN, 0, -9223372036854775808.0},
        {"-9223372036854775809", PK_JSON_NUMBER_BEYOND, false, false, true, 0, 0, -9223372036854775808.0},
        {"9999999999999999999", PK_JSON_NUMBER_INTEGER, false, true, true, 0, UINT64_C(9999999999999999999), 1e19},
        {"10000000000000000000", PK_JSON_NUMBER_INTEGER, false, true, true, 0, UINT64_C(10000000000000000000), 1e19},
        {"18446744073709551615", PK_JSON_NUMBER_INTEGER, false, true, true, 0, UINT64_MAX, 18446744073709551616.0},
        {"18446744073709551616", PK_JSON_NUMBER_BEYOND, false, false, true, 0, 0, 18446744073709551616.0},
        {"123456789012345678901234567890", PK_JSON_NUMBER_BEYOND, false, false, true, 0, 0,
         123456789012345678901234567890.0},
        {"1.0", PK_JSON_NUMBER_REAL, false, false, true, 0, 0, 1},
        {"1e3", PK_JSON_NUMBER_REAL, false, false, true, 0, 0, 1000},
        {"-0.0", PK_JSON_NUMBER_REAL, false, false, true, 0, 0, -0.0},
        {"0e0", PK_JSON_NUMBER_REAL, false, false, true, 0, 0, 0},
        {"1e-999", PK_JSON_NUMBER_REAL, false, false, true, 0, 0, 0},
        {"5e-324", PK_JSON_NUMBER_REAL, false, false, true, 0, 0, 5e-324},
        {"0.30000000000000004", PK_JSON_NUMBER_REAL, false, false, true, 0, 0, 0.30000000000000004},
        {"123456789.1234567890123456789"
         "0", PK_JSON_NUMBER_REAL, false, false, true, 0, 0, 123456789.12345678901234567890},
        {"1e999", PK_JSON_NUMBER_BEYOND, false, false, false, 0, 0, 0},
        {"-1e309", PK_JSON_NUMBER_BEYOND, false, false, false, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t inside = 0; inside < 3; inside++) {
            static const char *const around[] = {"%s", "[%s]", "{\"k\":[7,%s ]}"};
            char text[80];
            int64_t got_i = 77;
            uint64_t got_u = 77;
            snprintf(text, sizeof(text), around[inside], rows[i].text);
            CASE("%s", text)
            {
                pk_mem mem = {test_alloc(), NULL, NULL, 0};
                const pk_json_value *doc;
                REQUIRE_OK(pk_json_parse(&mem, pk_str_from(text), &doc, NULL));
                const pk_json_value *v = inside == 0 ? doc : pk_json_at(doc, inside == 1 ? "/0" : "/k/1");
                CHECK_INT(pk_json_number_kind(v), ==, rows[i].kind);
                CHECK_PK_STR(pk_json_number_text(v), rows[i].text);
                CHECK_INT(pk_json_get_int(v, &got_i), ==, rows[i].is_int);
                CHECK_INT(got_i, ==, rows[i].is_int ? rows[i].i : 77);
                CHECK_INT(pk_json_get_uint(v, &got_u), ==, rows[i].is_uint);
                CHECK_UINT(got_u, ==, rows[i].is_uint ? rows[i].u : 77);
                double d = pk_json_double(v, 77), expected = rows[i].is_double ? rows[i].d : 77;
                CHECK_MEM(&d, &expected, sizeof(d));
                pk_mem_free(&mem);
            }
        }
    }
    CHECK_INT(pk_json_number_kind(NULL), ==, PK_JSON_NUMBER_NONE);
}

/* ---- keys that stand twice */

static pk_err parse_unique(const char *text, bool secret, pk_error *err)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *doc;
    pk_json_options options = {.unique_keys = true, .secret = secret};
    pk_err rc = pk_json_parse_with(&mem, pk_str_from(text), &options, &doc, err);
    CHECK_INT(doc != NULL, ==, rc == PK_OK);
    pk_mem_free(&mem);
    return rc;
}

TEST(json_read, keys_that_stand_twice_are_refused_when_asked)
{
    static const struct {
        const char *text;
        size_t offset; // of the second one; 0 = there is none
    } rows[] = {
        {"{}", 0},
        {"[1,1]", 0},
        {"{\"a\":1,\"b\":1}", 0},
        {"{\"a\":{\"a\":{\"a\":1}}}", 0},
        {"[{\"a\":1},{\"a\":1}]", 0},
        {"{\"a\":1,\"A\":1,\"aa\":1,\"\":1,\"a\\u0000\":1}", 0},
        {"{\"a\":1,\"a\":1}", 7},
        {"{\"\":1,\"\":1}", 6},
        {"{\"a\":1,\"\\u0061\":2}", 7}, // the same key in another dress
        {"[0,{\"x\":[{\"k\":1,\"l\":{},\"k\":null}]}]", 23},
        {"{\"a\":1,\"b\":{\"c\":1},\"b\":2}", 19},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].text)
        {
            pk_error err = {0};
            char place[64];
            snprintf(place, sizeof(place), "line 1, column %zu, offset %zu: ", rows[i].offset + 1, rows[i].offset);
            CHECK_ERR(parse_unique(rows[i].text, false, &err), rows[i].offset ? PK_ERR_BAD_JSON : PK_OK);
            if (rows[i].offset) {
                CHECK_CONTAINS(err.msg, place);
                CHECK_CONTAINS(err.msg, "expected another key: this one stands there twice, got '\"' near ");
            }
        }
    }
}

/* More keys are sorted: every pair of equal ones is found. */
TEST(json_read, equal_keys_are_found_among_many)
{
    for (int count = 2; count < 40; count++) {
        for (int twin = -1; twin < count; twin++) {
            char text[1024] = "{";
            size_t len = 1;
            for (int i = 0; i <= count; i++) { // the last one may be a twin
                int key = i < count ? i * 7 % 41 : twin < 0 ? 99 : twin * 7 % 41;
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"%d\":0", i ? "," : "", key);
            }
            snprintf(text + len, sizeof(text) - len, "}");
            CASE("%d keys, the last one is that of %d", count, twin)
            {
                CHECK_ERR(parse_unique(text, false, NULL), twin < 0 ? PK_OK : PK_ERR_BAD_JSON);
            }
        }
    }
}

TEST_TORTURE(json_read, looking_for_equal_keys_survives_lack_of_memory)
{
    char text[512] = "{";
    size_t len = 1;
    for (int i = 0; i < 40; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"%d\":0", i ? "," : "", i);
    }
    snprintf(text + len, sizeof(text) - len, "}");
    pk_error err = {0};
    if (!TRY_OK(parse_unique(text, false, &err))) {
        CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
    }
}

TEST(json_read, secret_texts_are_not_quoted)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"{\"token\":\"hush\"", "line 1, column 16, offset 15: expected ',' or '}'"},
        {"{\"token\":hush}", "line 1, column 10, offset 9: expected a value"},
        {"{\"hush\":1,\"hush\":1}",
         "line 1, column 11, offset 10: expected another key: this one stands there twice"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].text)
        {
            pk_error err = {0};
            char message[256];
            snprintf(message, sizeof(message), "cannot parse JSON: %s", rows[i].message);
            CHECK_ERR(parse_unique(rows[i].text, true, &err), PK_ERR_BAD_JSON);
            CHECK_STR(err.msg, message);
        }
    }
}

/* ---- in place */

static pk_err parse_in_place(pk_mem *mem, char *text, size_t len, const pk_json_value **doc)
{
    mem->alloc = test_alloc();
    return pk_json_parse_in_place(mem, text, len, doc, NULL);
}

TEST(json_read, in_place_it_reads_the_same)
{
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        CASE("%s", accepted[i].text)
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0}, other = {0};
            char *text = (char *)test_guarded(accepted[i].text, accepted[i].len);
            const pk_json_value *a, *b;
            pk_buf written[2];
            CHECK_OK(pk_json_parse(&mem, (pk_str){accepted[i].text, accepted[i].len}, &a, NULL));
            REQUIRE_OK(parse_in_place(&other, text, accepted[i].len, &b));
            for (int k = 0; k < 2; k++) {
                pk_json_writer w;
                pk_buf_init(&written[k], test_alloc(), 1000);
                pk_json_write(&w, &written[k]);
                pk_json_put_value(&w, k ? b : a);
                CHECK_OK(pk_json_finish(&w, NULL));
            }
            CHECK(pk_str_eq(pk_buf_str(&written[0]), pk_buf_str(&written[1])));
            pk_buf_free(&written[0]);
            pk_buf_free(&written[1]);
            pk_mem_free(&mem);
            pk_mem_free(&other);
            test_guarded_free(text, accepted[i].len);
        }
    }
}

TEST(json_read, in_place_the_strings_are_those_of_the_text)
{
    pk_mem mem = {0};
    const pk_json_value *doc;
    char text[] = "{\"k\\u00e9y\":[\"a\\nb\",12.5]}";
    REQUIRE_OK(parse_in_place(&mem, text, sizeof(text) - 1, &doc));
    pk_str s = pk_json_str(pk_json_at(doc, "/k\xC3\xA9y/0"));
    CHECK_PK_STR(s, "a\nb");
    CHECK(s.ptr > text && s.ptr < text + sizeof(text));
    CHECK_PK_STR(pk_json_number_text(pk_json_at(doc, "/k\xC3\xA9y/1")), "12.5");
    pk_mem_free(&mem);
}

/* What is refused is as it was before. */
TEST(json_read, in_place_a_bad_text_is_left_alone)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        CASE("%s", refused[i].text)
        {
            pk_mem mem = {0};
            const pk_json_value *doc;
            char *text = (char *)test_guarded(refused[i].text, refused[i].len);
            CHECK_ERR(parse_in_place(&mem, text, refused[i].len, &doc), PK_ERR_BAD_JSON);
            CHECK(doc == NULL);
            CHECK_MEM(text, refused[i].text, refused[i].len);
            pk_mem_free(&mem);
            test_guarded_free(text, refused[i].len);
        }
    }
}

/* ---- memory */

/* Texts with many more nodes than the first estimate, so that the array grows, some more than once. */
TEST_TORTURE(json_read, values_move_when_the_array_grows)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    char text[8192] = "[";
    size_t len = 1;
    for (int i = 0; i < 300; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s[%d],{\"\":%d}", i ? "," : "", i, i);
    }
    text[len++] = ']';
    const pk_json_value *doc = NULL;
    pk_error err = {0};
    if (TRY_OK(pk_json_parse(&mem, (pk_str){text, len}, &doc, &err))) {
        CHECK_UINT(pk_json_count(doc), ==, 600);
        for (int i = 0; i < 300; i++) {
            char number[16];
            const pk_json_value *v = pk_json_first(pk_json_item(doc, (size_t)i * 2));
            CHECK_INT(pk_json_int(v, -1), ==, i);
            snprintf(number, sizeof(number), "%d", i);
            CHECK_PK_STR(pk_json_number_text(v), number);
            CHECK_INT(pk_json_int(pk_json_get(pk_json_item(doc, (size_t)i * 2 + 1), ""), -1), ==, i);
        }
    } else {
        CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
        CHECK_STR(err.msg, "cannot parse JSON: out of memory");
        CHECK(doc == NULL);
    }
    pk_mem_free(&mem);
}

TEST(json_read, a_message_needs_no_allocation_when_there_is_room)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *doc;
    REQUIRE_OK(pk_json_parse(&mem, pk_str_from(sample), &doc, NULL));
    pk_mem_reset(&mem);
    long before = test_points.count;
    for (int i = 0; i < 100; i++) {
        REQUIRE_OK(pk_json_parse(&mem, PK_STR("{\"id\":1,\"method\":\"greet\",\"params\":[1,2,3]}"), &doc, NULL));
        pk_mem_reset(&mem);
    }
    CHECK_INT(test_points.count, ==, before);
    pk_mem_free(&mem);
}

/* 200 bytes with as many values as there can be, and others. */
static const char *const messages[] = {
    "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"
    ",1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,12]",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "{\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},"
    "\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},\"\":{},"
    "\"\":{},\"\":{},\"\":{},\"a\":[]}",
    "{\"jsonrpc\":\"2.0\",\"id\":4711,\"method\":\"textDocument/completion\",\"params\":{\"textDocument\":{\"uri\":"
    "\"file:///home/me/src/main.c\"},\"position\":{\"line\":119,\"character\":17},\"context\":{\"triggerKind\":1}}}",
    "\"a\"", "-12.5", "[]",
};

TEST(json_read, a_message_allocates_once_at_most)
{
    for (size_t i = 0; i < PK__COUNT(messages); i++) {
        CASE("%s", messages[i])
        {
            const pk_json_value *doc;
            pk_str text = pk_str_from(messages[i]);
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            long before = test_points.count;
            CHECK_UINT(text.len, <=, 200);
            REQUIRE_OK(pk_json_parse(&mem, text, &doc, NULL));
            CHECK_INT(test_points.count, <=, before + 1);
            pk_mem_free(&mem);
        }
    }
}

/* Into bytes of every size: either all of it is there or nothing, and the allocator is not asked. */
TEST(json_read, into_bytes_of_the_caller_it_does_not_allocate)
{
    static char zeros[4096];
    for (size_t i = 0; i < PK__COUNT(messages); i++) {
        pk_str text = pk_str_from(messages[i]);
        size_t least = 0;
        for (size_t size = 0; size < 9 * text.len + 200 || !least; size += 1 + size / 64) {
            CASE("%zu bytes for %s", size, messages[i])
            {
                const pk_json_value *doc = NULL;
                pk_error err;
                pk_mem mem;
                pk_buf out;
                char *bytes = (char *)test_guarded(zeros, size);
                REQUIRE(size < sizeof(zeros));
                pk_mem_over(&mem, bytes, size, NULL);
                pk_err rc = pk_json_parse(&mem, text, &doc, &err);
                if (rc) {
                    CHECK_ERR(rc, PK_ERR_NO_MEMORY);
                    CHECK(doc == NULL && least == 0); // more bytes never do less
                } else {
                    pk_json_writer w;
                    least = least ? least : size;
                    pk_buf_init(&out, test_alloc(), 1024);
                    pk_json_write(&w, &out);
                    pk_json_put_value(&w, doc);
                    CHECK_OK(pk_json_finish(&w, NULL));
                    CHECK_PK_STR(pk_buf_str(&out), messages[i]);
                    pk_buf_free(&out);
                }
                pk_mem_free(&mem);
                test_guarded_free(bytes, size);
            }
        }
        CHECK_UINT(least, <=, 9 * text.len + 200);
    }
}

TEST(json_read, into_bytes_of_the_caller_keys_are_compared_without_allocating)
{
    char text[1024] = "{", room[8192];
    size_t len = 1;
    for (int i = 0; i < 40; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"%d\":%d", i ? "," : "", i, i);
    }
    text[len++] = '}';
    const pk_json_options unique = {.unique_keys = true};
    const pk_json_value *doc;
    pk_mem mem;
    pk_mem_over(&mem, room, sizeof(room), NULL);
    REQUIRE_OK(pk_json_parse_with(&mem, (pk_str){text, len}, &unique, &doc, NULL));
    CHECK_INT(pk_json_int(pk_json_get(doc, "39"), -1), ==, 39);
    text[len - 5] = '8'; // "38":39
    pk_mem_reset(&mem);
    CHECK_ERR(pk_json_parse_with(&mem, (pk_str){text, len}, &unique, &doc, NULL), PK_ERR_BAD_JSON);
    pk_mem_free(&mem);
}

/* In place the text is not copied, and the bytes are for the values alone. */
TEST(json_read, in_place_into_bytes_of_the_caller)
{
    char text[] = "{\"a\":[1,2,{\"b\":\"c\\n\"}]}", room[64 + 16 * 9];
    const pk_json_value *doc;
    pk_mem mem;
    pk_mem_over(&mem, room, sizeof(room), NULL);
    REQUIRE_OK(pk_json_parse_in_place(&mem, text, sizeof(text) - 1, &doc, NULL));
    CHECK_PK_STR(pk_json_str(pk_json_at(doc, "/a/2/b")), "c\n");
    pk_mem_free(&mem);
}

/* What the estimate took too much is given back: two documents stand next to each other. */
TEST(json_read, documents_share_a_block)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_json_value *a, *b;
    (void)pk_mem_get(&mem, 1);
    REQUIRE_OK(pk_json_parse(&mem, PK_STR("[1,2,3]"), &a, NULL));
    REQUIRE_OK(pk_json_parse(&mem, PK_STR("[4,5,6]"), &b, NULL));
    CHECK((const char *)b - (const char *)a <= 6 * 16);
    CHECK_INT(pk_json_int(pk_json_item(a, 2), 0), ==, 3);
    CHECK_INT(pk_json_int(pk_json_item(b, 2), 0), ==, 6);
    pk_mem_free(&mem);
}
