/* test_json_write.c - the streaming JSON writer: what it writes, and what it refuses. */
#include "unit.h"

#include <float.h>
#include <math.h>

static void written(pk_buf *buf, pk_json_writer *w, size_t max)
{
    pk_buf_init(buf, test_alloc(), max);
    pk_json_write(w, buf);
}

/* Finishes, compares, and reads it back. */
static void finish(pk_buf *buf, pk_json_writer *w, const char *expected)
{
    CHECK_OK(pk_json_finish(w, NULL));
    CHECK_PK_STR(pk_buf_str(buf), expected);
    CHECK_OK(pk_json_check(pk_buf_str(buf), NULL));
    pk_buf_free(buf);
}

static void finish_failed(pk_buf *buf, pk_json_writer *w, pk_err code, const char *message)
{
    pk_error err = {0};
    CHECK_ERR(pk_json_finish(w, &err), code);
    CHECK_STR(err.msg, message);
    CHECK_ERR(pk_json_finish(w, NULL), code); // it stays
    pk_buf_free(buf);
}

TEST(json_write, puts_commas_and_colons)
{
    pk_buf buf;
    pk_json_writer w;
    written(&buf, &w, 1000);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "name");
    pk_json_put_text(&w, "x");
    pk_json_put_key_str(&w, PK_STR("list"));
    pk_json_put_array(&w);
    pk_json_put_int(&w, -1);
    pk_json_put_uint(&w, UINT64_MAX);
    pk_json_put_bool(&w, true);
    pk_json_put_bool(&w, false);
    pk_json_put_null(&w);
    pk_json_put_text(&w, NULL);
    pk_json_put_double(&w, 0.1);
    pk_json_put_b64(&w, PK_STR("hi!"));
    pk_json_put_array(&w);
    pk_json_put_end(&w);
    pk_json_put_object(&w);
    pk_json_put_end(&w);
    pk_json_put_end(&w);
    pk_json_put_key(&w, "raw");
    pk_json_put_raw(&w, PK_STR("{\"a\": [1]}"));
    pk_json_put_key(&w, "none");
    pk_json_put_raw(&w, PK_STR(""));
    pk_json_put_end(&w);
    finish(&buf, &w, "{\"name\":\"x\",\"list\":[-1,18446744073709551615,true,false,null,null,0.1,\"aGkh\",[],{}],"
                     "\"raw\":{\"a\": [1]},\"none\":null}");
}

TEST(json_write, indents_when_asked_to)
{
    pk_buf buf;
    pk_json_writer w;
    written(&buf, &w, 1000);
    w.indent = 2;
    pk_json_put_object(&w);
    pk_json_put_key(&w, "a");
    pk_json_put_array(&w);
    pk_json_put_int(&w, 1);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "b");
    pk_json_put_null(&w);
    pk_json_put_end(&w);
    pk_json_put_end(&w);
    pk_json_put_key(&w, "c");
    pk_json_put_object(&w);
    pk_json_put_end(&w);
    pk_json_put_end(&w);
    finish(&buf, &w, "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": {}\n}");
}

TEST(json_write, writes_lone_values)
{
    pk_buf buf;
    pk_json_writer w;
    written(&buf, &w, 100);
    pk_json_put_text(&w, "alone");
    finish(&buf, &w, "\"alone\"");
    written(&buf, &w, 100);
    pk_json_put_array(&w);
    pk_json_put_end(&w);
    finish(&buf, &w, "[]");
    written(&buf, &w, 100);
    CHECK(pk_buf_add(&buf, PK_STR("data: "))); // it appends
    pk_json_put_int(&w, INT64_MIN);
    CHECK_OK(pk_json_finish(&w, NULL));
    CHECK_PK_STR(pk_buf_str(&buf), "data: -9223372036854775808");
    pk_buf_free(&buf);
}

TEST(json_write, escapes_what_must_be_escaped_and_nothing_else)
{
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"quotes\" and \\ and /", "\"\\\"quotes\\\" and \\\\ and /\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1F\x7F", "\"\\u0001\\u001f\x7F\""},
        {"\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80", "\"\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80\""},
        {"eight888", "\"eight888\""},
        {"long text with an end\n", "\"long text with an end\\n\""},
        {"\"\"\"\"\"\"\"\"\"\"", "\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\""},
        {"</script><!-- & -->", "\"</script><!-- & -->\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].text)
        {
            pk_buf buf;
            pk_json_writer w;
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            const pk_json_value *back;
            size_t len = strlen(rows[i].text);
            written(&buf, &w, 1000);
            pk_json_put_str(&w, (pk_str){test_guarded(rows[i].text, len), len});
            CHECK_OK(pk_json_finish(&w, NULL));
            CHECK_PK_STR(pk_buf_str(&buf), rows[i].json);
            CHECK_OK(pk_json_parse(&mem, pk_buf_str(&buf), &back, NULL));
            CHECK_PK_STR(pk_json_str(back), rows[i].text);
            pk_mem_free(&mem);
            pk_buf_free(&buf);
        }
    }
}

TEST(json_write, every_byte_comes_back_or_is_refused)
{
    for (int c = 0; c < 256; c++) {
        char text[11] = "0123456789";
        text[c % 10] = (char)c;
        pk_buf buf;
        pk_json_writer w;
        pk_mem mem = {0};
        const pk_json_value *back;
        written(&buf, &w, 1000);
        pk_json_put_str(&w, (pk_str){text, 10});
        CASE("byte %d", c)
        {
            CHECK_ERR(pk_json_finish(&w, NULL), c < 0x80 ? PK_OK : PK_ERR_SERIALIZE);
            if (c < 0x80) {
                CHECK_OK(pk_json_parse(&mem, pk_buf_str(&buf), &back, NULL));
                CHECK_MEM(pk_json_str(back).ptr, text, 10);
            }
        }
        pk_mem_free(&mem);
        pk_buf_free(&buf);
    }
}

TEST(json_write, strings_that_are_not_utf8_are_refused)
{
    static const char *const rows[] = {"\xFF", "abc\xC3", "\xED\xA0\x80", "\xC0\x80", "01234567\x80",
        "\xF4\x90\x80\x80"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("row %zu", i)
        {
            pk_buf buf;
            pk_json_writer w;
            written(&buf, &w, 1000);
            pk_json_put_array(&w);
            pk_json_put_text(&w, rows[i]);
            pk_json_put_int(&w, 1); // ignored
            pk_json_put_end(&w);
            finish_failed(&buf, &w, PK_ERR_SERIALIZE, "cannot write JSON: a string is not UTF-8");
            written(&buf, &w, 1000);
            pk_json_put_object(&w);
            pk_json_put_key(&w, rows[i]);
            finish_failed(&buf, &w, PK_ERR_SERIALIZE, "cannot write JSON: a string is not UTF-8");
        }
    }
}

TEST(json_write, numbers_that_are_not_finite_are_refused)
{
    const double rows[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < 3; i++) {
        pk_buf buf;
        pk_json_writer w;
        written(&buf, &w, 100);
        pk_json_put_double(&w, rows[i]);
        finish_failed(&buf, &w, PK_ERR_SERIALIZE, "cannot write JSON: a number is not finite");
    }
    pk_buf buf;
    pk_json_writer w;
    written(&buf, &w, 100);
    pk_json_put_array(&w);
    pk_json_put_double(&w, DBL_MAX);
    pk_json_put_double(&w, -0.0);
    pk_json_put_double(&w, 5e-324);
    pk_json_put_end(&w);
    finish(&buf, &w, "[1.7976931348623157e308,-0,5e-324]");
}

/* ---- misuse */

static void two_values(pk_json_writer *w)
{
    pk_json_put_int(w, 1);
    pk_json_put_int(w, 2);
}

static void value_for_key(pk_json_writer *w)
{
    pk_json_put_object(w);
    pk_json_put_int(w, 1);
    pk_json_put_end(w);
}

static void array_for_key(pk_json_writer *w)
{
    pk_json_put_object(w);
    pk_json_put_array(w);
}

static void key_outside(pk_json_writer *w)
{
    pk_json_put_key(w, "a");
}

static void key_in_array(pk_json_writer *w)
{
    pk_json_put_array(w);
    pk_json_put_key(w, "a");
}

static void key_twice(pk_json_writer *w)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "a");
    pk_json_put_key(w, "b");
}

static void end_for_value(pk_json_writer *w)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "a");
    pk_json_put_end(w);
}

static void too_many_ends(pk_json_writer *w)
{
    pk_json_put_array(w);
    pk_json_put_end(w);
    pk_json_put_end(w);
}

static void open_array(pk_json_writer *w)
{
    pk_json_put_array(w);
    pk_json_put_int(w, 1);
}

static void open_member(pk_json_writer *w)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "a");
}

static void nothing(pk_json_writer *w)
{
    (void)w;
}

static void bad_raw(pk_json_writer *w)
{
    pk_json_put_raw(w, PK_STR("{\"a\":}"));
}

static void two_raw(pk_json_writer *w)
{
    pk_json_put_raw(w, PK_STR("1 2"));
}

TEST(json_write, misuse_is_told_at_the_end)
{
    static const struct {
        void (*write)(pk_json_writer *w);
        pk_err code;
        const char *reason;
    } rows[] = {
        {two_values, PK_ERR_MISUSE, "a second value stands behind the first"},
        {value_for_key, PK_ERR_MISUSE, "a value stands where a key is due"},
        {array_for_key, PK_ERR_MISUSE, "a value stands where a key is due"},
        {key_outside, PK_ERR_MISUSE, "a key stands outside of an object"},
        {key_in_array, PK_ERR_MISUSE, "a key stands outside of an object"},
        {key_twice, PK_ERR_MISUSE, "a value is missing"},
        {end_for_value, PK_ERR_MISUSE, "a value is missing"},
        {too_many_ends, PK_ERR_MISUSE, "an end stands outside of a container"},
        {open_array, PK_ERR_MISUSE, "a container is still open"},
        {open_member, PK_ERR_MISUSE, "a value is missing"},
        {nothing, PK_ERR_MISUSE, "a value is missing"},
        {bad_raw, PK_ERR_SERIALIZE, "a raw value is not JSON"},
        {two_raw, PK_ERR_SERIALIZE, "a raw value is not JSON"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("row %zu", i)
        {
            pk_buf buf;
            pk_json_writer w;
            char message[100];
            written(&buf, &w, 1000);
            rows[i].write(&w);
            snprintf(message, sizeof(message), "cannot write JSON: %s", rows[i].reason);
            finish_failed(&buf, &w, rows[i].code, message);
        }
    }
}

/* Whatever is called in whatever order: what finishes well is JSON. */
TEST(json_write, no_sequence_of_calls_gives_bad_json)
{
    enum { CALLS = 7, LONGEST = 6 };
    size_t total = 0, good = 0;
    for (size_t n = 0; n < 7 * 7 * 7 * 7 * 7 * 7; n++) {
        pk_buf buf;
        pk_json_writer w;
        pk_buf_init(&buf, NULL, 200);
        pk_json_write(&w, &buf);
        for (size_t rest = n, i = 0; i < LONGEST; i++, rest /= CALLS) {
            switch (rest % CALLS) {
            case 0: pk_json_put_object(&w); break;
            case 1: pk_json_put_array(&w); break;
            case 2: pk_json_put_end(&w); break;
            case 3: pk_json_put_key(&w, "k"); break;
            case 4: pk_json_put_text(&w, "v"); break;
            case 5: pk_json_put_raw(&w, PK_STR("[{}]")); break;
            default: break; // shorter sequences
            }
        }
        if (pk_json_finish(&w, NULL) == PK_OK) {
            good++;
            total += pk_json_check(pk_buf_str(&buf), NULL) == PK_OK;
        }
        pk_buf_free(&buf);
    }
    CHECK_UINT(good, >, 100);
    CHECK_UINT(total, ==, good);
}

/* ---- raw values */

TEST(json_write, raw_values_lose_their_line_breaks)
{
    pk_buf buf;
    pk_json_writer w;
    written(&buf, &w, 1000);
    pk_json_put_array(&w);
    pk_json_put_raw(&w, PK_STR("\n{\r\n  \"a\": [1,\n2],\n  \"b\\n\": \"\\r\"\n}\n"));
    pk_json_put_raw(&w, PK_STR("\n\n1"));
    pk_json_put_raw(&w, PK_STR("true\r"));
    pk_json_put_end(&w);
    finish(&buf, &w, "[{  \"a\": [1,2],  \"b\\n\": \"\\r\"},1,true]");
    written(&buf, &w, 1000);
    pk_json_put_raw(&w, PK_STR("\n1"));
    finish(&buf, &w, "1");
}

TEST(json_write, what_it_writes_can_be_read_again_or_is_refused)
{
    pk_buf buf;
    pk_json_writer w;
    char raw[64] = "";
    memset(raw, '[', 16);
    memset(raw + 16, ']', 16);
    for (int outside = 239; outside <= 241; outside++) {
        CASE("%d levels", outside)
        {
            written(&buf, &w, 10000);
            for (int i = 0; i < outside; i++) {
                pk_json_put_array(&w);
            }
            pk_json_put_raw(&w, pk_str_from(raw));
            for (int i = 0; i < outside; i++) {
                pk_json_put_end(&w);
            }
            if (outside <= 240) {
                CHECK_OK(pk_json_finish(&w, NULL));
                CHECK_OK(pk_json_check(pk_buf_str(&buf), NULL));
                pk_buf_free(&buf);
            } else {
                finish_failed(&buf, &w, PK_ERR_LIMIT, "cannot write JSON: it is nested too deep");
            }
        }
    }
    written(&buf, &w, 10000);
    for (int i = 0; i < 256; i++) {
        pk_json_put_object(&w);
        pk_json_put_key(&w, "");
    }
    pk_json_put_object(&w);
    finish_failed(&buf, &w, PK_ERR_LIMIT, "cannot write JSON: it is nested too deep");
}

TEST(json_write, levels_keep_their_kind)
{
    pk_buf buf;
    pk_json_writer w;
    written(&buf, &w, 10000);
    for (int i = 0; i < 128; i++) {
        pk_json_put_object(&w);
        pk_json_put_key(&w, "k");
        pk_json_put_array(&w);
    }
    for (int i = 0; i < 256; i++) {
        pk_json_put_end(&w);
    }
    CHECK_OK(pk_json_finish(&w, NULL));
    CHECK_OK(pk_json_check(pk_buf_str(&buf), NULL));
    pk_buf_free(&buf);
}

/* ---- buffers */

static void write_some(pk_json_writer *w)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "text");
    pk_json_put_text(w, "with \"quotes\" \x01");
    pk_json_put_key(w, "bytes");
    pk_json_put_b64(w, PK_STR("bytes"));
    pk_json_put_key(w, "raw");
    pk_json_put_raw(w, PK_STR("[1,\n2]"));
    pk_json_put_key(w, "n");
    pk_json_put_double(w, 1.5);
    pk_json_put_end(w);
}

TEST(json_write, every_limit_of_the_buffer_is_kept)
{
    static const char all[] = "{\"text\":\"with \\\"quotes\\\" \\u0001\",\"bytes\":\"Ynl0ZXM=\",\"raw\":[1,2],\"n\":"
        "1.5}";
    for (size_t max = 1; max < sizeof(all) + 20; max++) {
        pk_buf buf;
        pk_json_writer w;
        written(&buf, &w, max);
        write_some(&w);
        pk_err rc = pk_json_finish(&w, NULL);
        CASE("%zu bytes", max)
        {
            CHECK_ERR(rc, max < sizeof(all) - 1 ? PK_ERR_LIMIT : PK_OK);
            CHECK_UINT(buf.len, <=, max);
            CHECK_MEM(buf.ptr ? buf.ptr : "", all, buf.len); // a beginning of it
        }
        pk_buf_free(&buf);
    }
}

TEST(json_write, a_buffer_that_has_failed_stays_failed)
{
    pk_buf buf;
    pk_json_writer w;
    pk_buf_init(&buf, test_alloc(), 10);
    CHECK(pk_buf_add(&buf, PK_STR("123")));
    CHECK(!pk_buf_add(&buf, PK_STR("1234567890")));
    pk_json_write(&w, &buf);
    pk_json_put_int(&w, 1);
    CHECK_UINT(buf.len, ==, 3);
    finish_failed(&buf, &w, PK_ERR_LIMIT, "cannot write JSON: the buffer is full");
}

TEST_TORTURE(json_write, survives_lack_of_memory)
{
    pk_buf buf;
    pk_json_writer w;
    pk_error err = {0};
    written(&buf, &w, 10000);
    pk_json_put_array(&w);
    for (int i = 0; i < 10; i++) {
        write_some(&w);
    }
    pk_json_put_end(&w);
    if (TRY_OK(pk_json_finish(&w, &err))) {
        CHECK_OK(pk_json_check(pk_buf_str(&buf), NULL));
    } else {
        CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
        CHECK_STR(err.msg, "cannot write JSON: out of memory");
    }
    pk_buf_free(&buf);
}

/* ---- what was parsed */

static const char parsed[] =
    "{\"text\":\"with \\\"quotes\\\", \\u0001, \\u00e9 and what makes it long enough for wide registers\",\"e\":\"\","
    "\"a\":[],\"o\":{},\"deep\":[[[{\"k\":[null,true,false]}]],[]],\"n\":[0,-0,-1,18446744073709551615,-9223372036854"
    "775808,"
    "18446744073709551616,0.1,-2.5e-300,1e999,100],\"\xC3\xA9\":\"\xE6\xB0\xB4\xE6\xB0\xB4\xE6\xB0\xB4\\n\"}";
static const char parsed_written[] =
    "{\"text\":\"with \\\"quotes\\\", \\u0001, \xC3\xA9 and what makes it long enough for wide registers\",\"e\":\"\","
    "\"a\":[],\"o\":{},\"deep\":[[[{\"k\":[null,true,false]}]],[]],\"n\":[0,-0,-1,18446744073709551615,-9223372036854"
    "775808,"
    "18446744073709551616,0.1,-2.5e-300,1e999,100],\"\xC3\xA9\":\"\xE6\xB0\xB4\xE6\xB0\xB4\xE6\xB0\xB4\\n\"}";

static const pk_json_value *parse_sample(pk_mem *mem, const char *text)
{
    const pk_json_value *doc = NULL;
    mem->alloc = test_alloc();
    REQUIRE_OK(pk_json_parse(mem, pk_str_from(text), &doc, NULL));
    return doc;
}

TEST(json_write, writes_what_was_parsed)
{
    pk_buf buf;
    pk_json_writer w;
    pk_mem mem = {0};
    const pk_json_value *doc = parse_sample(&mem, parsed);
    written(&buf, &w, 10000);
    pk_json_put_value(&w, doc);
    finish(&buf, &w, parsed_written);

    written(&buf, &w, 10000); // parts of it, between other things
    pk_json_put_array(&w);
    pk_json_put_value(&w, pk_json_at(doc, "/deep/0"));
    pk_json_put_value(&w, pk_json_at(doc, "/e"));
    pk_json_put_int(&w, 1);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "x");
    pk_json_put_value(&w, pk_json_at(doc, "/a"));
    pk_json_put_key(&w, "y");
    pk_json_put_value(&w, NULL);
    pk_json_put_end(&w);
    pk_json_put_value(&w, pk_json_at(doc, "/n/3"));
    pk_json_put_end(&w);
    finish(&buf, &w, "[[[{\"k\":[null,true,false]}]],\"\",1,{\"x\":[],\"y\":null},18446744073709551615]");

    written(&buf, &w, 10000);
    w.indent = 2;
    pk_json_put_value(&w, pk_json_at(doc, "/deep/0/0"));
    finish(&buf, &w, "[\n  {\n    \"k\": [\n      null,\n      true,\n      false\n    ]\n  }\n]");

    written(&buf, &w, 10000); // twice is a mistake, here as elsewhere
    pk_json_put_value(&w, doc);
    pk_json_put_value(&w, doc);
    finish_failed(&buf, &w, PK_ERR_MISUSE, "cannot write JSON: a second value stands behind the first");
    pk_mem_free(&mem);
}

TEST(json_write, what_was_parsed_fits_exactly_or_not_at_all)
{
    pk_mem mem = {0};
    const pk_json_value *doc = parse_sample(&mem, parsed);
    for (size_t max = 1; max < sizeof(parsed_written) + 200; max++) {
        pk_buf buf;
        pk_json_writer w;
        written(&buf, &w, max);
        pk_json_put_value(&w, doc);
        pk_err rc = pk_json_finish(&w, NULL);
        CASE("%zu bytes", max)
        {
            CHECK_ERR(rc, max < sizeof(parsed_written) - 1 ? PK_ERR_LIMIT : PK_OK);
            CHECK_UINT(buf.len, <=, max);
            CHECK_MEM(buf.ptr ? buf.ptr : "", parsed_written, buf.len);
        }
        pk_buf_free(&buf);
    }
    pk_mem_free(&mem);
}

TEST(json_write, what_was_parsed_keeps_to_the_levels)
{
    char text[2 * 256 + 1];
    pk_mem mem = {0};
    memset(text, '[', 256);
    memset(text + 256, ']', 256);
    text[512] = '\0';
    const pk_json_value *doc = parse_sample(&mem, text);
    pk_buf buf;
    pk_json_writer w;
    written(&buf, &w, 10000);
    pk_json_put_value(&w, doc);
    finish(&buf, &w, text);
    written(&buf, &w, 10000);
    pk_json_put_array(&w);
    pk_json_put_value(&w, doc);
    finish_failed(&buf, &w, PK_ERR_LIMIT, "cannot write JSON: it is nested too deep");
    pk_mem_free(&mem);
}

TEST_TORTURE(json_write, writing_what_was_parsed_survives_lack_of_memory)
{
    pk_mem mem = {0};
    pk_buf buf;
    pk_json_writer w;
    pk_error err = {0};
    const pk_json_value *doc = NULL;
    mem.alloc = test_alloc();
    written(&buf, &w, 10000);
    if (TRY_OK(pk_json_parse(&mem, pk_str_from(parsed), &doc, NULL))) {
        pk_json_put_value(&w, doc);
        if (TRY_OK(pk_json_finish(&w, &err))) {
            CHECK_PK_STR(pk_buf_str(&buf), parsed_written);
            CHECK_INT(buf.failed, ==, 0);
        } else {
            CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
        }
    }
    pk_buf_free(&buf);
    pk_mem_free(&mem);
}

/* Strings of every length, with something special at every place: all ways of copying give the same. */
TEST(json_write, strings_of_every_length_come_out_whole)
{
    static const char *const rows[][2] = {{"", ""}, {"\"", "\\\""}, {"\\", "\\\\"}, {"\n", "\\n"}, {"\x1F", "\\u001f"},
                                          {"\xC3\xA9", "\xC3\xA9"}, {"\xE6\xB0\xB4", "\xE6\xB0\xB4"},
                                          {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"}, {"\xFF", NULL}};
    for (size_t n = 0; n < 40 * 40 * sizeof(rows) / sizeof(rows[0]); n++) {
        const char *const *now = rows[n / 1600];
        size_t len = n % 40, at = n / 40 % 40, more = strlen(now[0]), escaped = now[1] ? strlen(now[1]) : 0;
        char text[64], expected[64];
        if (at > len) {
            continue;
        }
        memset(text, 'x', sizeof(text));
        memcpy(text + at, now[0], more);
        memset(expected, 'x', sizeof(expected));
        expected[0] = expected[len + escaped + 1] = '"';
        expected[len + escaped + 2] = '\0';
        memcpy(expected + 1 + at, now[1] ? now[1] : "", escaped);
        char *guarded = (char *)test_guarded(text, len + more);
        pk_buf buf;
        pk_json_writer w;
        written(&buf, &w, 1000);
        pk_json_put_str(&w, (pk_str){guarded, len + more});
        CHECK_ERR(pk_json_finish(&w, NULL), now[1] ? PK_OK : PK_ERR_SERIALIZE);
        if (now[1]) {
            CHECK_PK_STR(pk_buf_str(&buf), expected);
        }
        pk_buf_free(&buf);
        test_guarded_free(guarded, len + more);
    }
}

/* Escapes make a string longer than it was, and behind it many containers close: there is room for both, whatever the
 * buffer's size. */
TEST(json_write, strings_that_grow_leave_room_for_the_ends_behind_them)
{
    enum { DEPTH = 250 };
    for (size_t len = 1; len < 700; len += 3) {
        char text[DEPTH * 2 + 700 * 6 + 8];
        size_t at = DEPTH;
        memset(text, '[', at);
        text[at++] = '"';
        for (size_t i = 0; i < len; i++, at += 6) {
            memcpy(text + at, "\\u0001", 6);
        }
        text[at++] = '"';
        memset(text + at, ']', DEPTH);
        at += DEPTH;
        CASE("%zu bytes", len)
        {
            for (size_t max = at; max < at + 400; max += 7) {
                pk_mem mem = {test_alloc(), NULL, NULL, 0};
                const pk_json_value *doc;
                pk_json_writer w;
                pk_buf out;
                REQUIRE_OK(pk_json_parse(&mem, (pk_str){text, at}, &doc, NULL));
                pk_buf_init(&out, test_alloc(), max);
                pk_json_write(&w, &out);
                pk_json_put_value(&w, doc);
                CHECK_OK(pk_json_finish(&w, NULL));
                CHECK(pk_str_eq(pk_buf_str(&out), (pk_str){text, at}));
                pk_buf_free(&out);
                pk_mem_free(&mem);
            }
        }
    }
}
