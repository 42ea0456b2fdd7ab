/* test_json_stream.c - JSON from a stream, in pieces of every kind, and lines that are written. */
#include "unit.h"

#include "comma.h"
#include "json_text.h"

/* What came: each value as compact JSON, with the line and the offset where it begins, and what was refused as "!" and
 * what the error says. */
typedef struct seen {
    char text[8192];
    size_t len;
    int values, bad;
    int fail_at;   // the callback of this value, from 1, fails
    bool strict;   // so does that of one that is refused
    pk_json_stream *stream;
} seen;

static void note(seen *s, const char *format, ...) PK_PRINTF(2, 3);
static void note(seen *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s->len += (size_t)vsnprintf(s->text + s->len, sizeof(s->text) - s->len, format, args);
    va_end(args);
    REQUIRE(s->len < sizeof(s->text));
}

/* The error without its code, and without what it quotes: of that there is as much as has come. */
static void note_error(seen *s, const pk_error *err)
{
    const char *end = strstr(err->msg, ", got ");
    int len = end ? (int)(end - err->msg) : (int)strlen(err->msg);
    CHECK(err->code != PK_OK && err->msg[0]);
    note(s, "!%.*s;", len, err->msg);
}

static pk_err on_value(void *user, const pk_json_value *v, pk_error *err)
{
    seen *s = (seen *)user;
    pk_json_writer w;
    pk_buf out;
    pk_buf_init(&out, test_alloc(), 100000);
    pk_json_write(&w, &out);
    pk_json_put_value(&w, v);
    if (TRY_OK(pk_json_finish(&w, NULL))) {
        note(s, "%" PK_FMT "@%zu:%zu;", PK_ARG(pk_buf_str(&out)), s->stream->line, s->stream->offset);
    }
    pk_buf_free(&out);
    return ++s->values == s->fail_at ? pk_error_set(err, PK_ERR_STOPPED, "that is enough") : PK_OK;
}

static pk_err on_bad(void *user, const pk_error *why, pk_error *err)
{
    seen *s = (seen *)user;
    note_error(s, why);
    s->bad++;
    return s->strict ? pk_error_set(err, PK_ERR_PARSE, "no further") : PK_OK;
}

/* A piece right before a page that cannot be touched; gone when it has been read. */
static pk_err feed(pk_json_stream *stream, const char *text, size_t len, pk_error *err)
{
    char *guarded = test_guarded(text, len);
    pk_err rc = pk_json_stream_read(stream, (pk_str){guarded, len}, err);
    test_guarded_free(guarded, len);
    return rc;
}

/* The text in pieces of so many bytes, the first one of `first`. */
static pk_err read_pieces(const pk_json_stream *desc, seen *s, pk_str text, size_t first, size_t step)
{
    pk_json_stream stream = *desc;
    pk_error err = {0};
    pk_err rc = PK_OK;
    stream.alloc = test_alloc();
    stream.user = s;
    s->stream = &stream;
    for (size_t at = 0, len = first; at < text.len && rc == PK_OK; at += len, len = step) {
        len = PK__MIN(len, text.len - at);
        rc = feed(&stream, text.ptr + at, len, &err);
    }
    if (rc == PK_OK) {
        rc = pk_json_stream_finish(&stream, &err);
    }
    if (rc) {
        CHECK_INT(rc, ==, err.code);
        note_error(s, &err);
    }
    pk_json_stream_free(&stream);
    return rc;
}

/* In one piece, at every split, and in small pieces: always the same. */
static void check_pieces(const pk_json_stream *desc, pk_str text, const char *expected)
{
    for (size_t first = 0; first <= text.len; first++) {
        for (size_t step = 1; step <= (first ? 1 : 5); step++) {
            seen s = {.len = 0};
            (void)read_pieces(desc, &s, text, first ? first : step, first ? text.len + 1 : step);
            if (strcmp(s.text, expected) != 0) {
                FAIL("first %zu, step %zu:\n  %s\n  %s", first, step, s.text, expected);
            }
        }
    }
}

#define WRONG(place, expected) "!cannot parse JSON: " place ": expected " expected ";"

typedef struct stream_row {
    const char *name;
    pk_str text;
    const char *seen;
} stream_row;

TEST(json_stream, values_follow_each_other)
{
    static const stream_row rows[] = {
        {"nothing", PK_STR_INIT(""), ""},
        {"blanks", PK_STR_INIT(" \r\n\t "), ""},
        {"a number ends with the stream", PK_STR_INIT("12"), "12@1:0;"},
        {"or with a blank", PK_STR_INIT("12 \n-3e2\t0"), "12@1:0;-300@2:4;0@2:9;"},
        {"or with another value", PK_STR_INIT("1[2]3\"4\"5{}6"), "1@1:0;[2]@1:1;3@1:4;\"4\"@1:5;5@1:8;{}@1:9;6@1:11;"},
        {"words", PK_STR_INIT("true null\nfalse"), "true@1:0;null@1:5;false@2:10;"},
        {"side by side", PK_STR_INIT("{}[]{}\"\"\"a\"[[]]"), "{}@1:0;[]@1:2;{}@1:4;\"\"@1:6;\"a\"@1:8;[[]]@1:11;"},
        {"lines in a value", PK_STR_INIT("{\n \"a\": [\n1,\n2]\n}\n{}"), "{\"a\":[1,2]}@1:0;{}@6:18;"},
        {"brackets and quotes in strings", PK_STR_INIT("[\"]\",\"\\\"]\",\"\\\\\"]{\"}\":\"{\"}"),
         "[\"]\",\"\\\"]\",\"\\\\\"]@1:0;{\"}\":\"{\"}@1:16;"},
        {"escapes", PK_STR_INIT("\"\\u0041\\ud83d\\ude00\\n\" \"\\/\""), "\"A\xF0\x9F\x98\x80\\n\"@1:0;\"/\"@1:23;"},
        {"UTF-8", PK_STR_INIT("\"\xC3\xA9\"[\"\xE2\x82\xAC\"] \"\xF0\x9F\x98\x80\""),
         "\"\xC3\xA9\"@1:0;[\"\xE2\x82\xAC\"]@1:4;\"\xF0\x9F\x98\x80\"@1:12;"},
        {"RFC 7464", PK_STR_INIT("\x1E{\"a\":1}\n\x1E\x1E" "12\n\x1E[]\n"), "{\"a\":1}@1:1;12@2:11;[]@3:15;"},
        {"RS ends a number", PK_STR_INIT("1\x1E" "2"), "1@1:0;2@1:2;"},
        {"an end is missing", PK_STR_INIT("{} [1,\n 2"), "{}@1:0;" WRONG("line 2, column 3, offset 9", "',' or ']'")},
        {"that of a string", PK_STR_INIT("\"\xE2\x82\xAC"), WRONG("line 1, column 3, offset 4", "'\"'")},
        {"that of a word", PK_STR_INIT("1 tru"), "1@1:0;" WRONG("line 1, column 3, offset 2", "a value")},
        {"columns are characters", PK_STR_INIT("\"\xE2\x82\xAC\" \"\xC3\xA9\"  [x]"),
         "\"\xE2\x82\xAC\"@1:0;\"\xC3\xA9\"@1:6;" WRONG("line 1, column 11, offset 13", "a value")},
        {"a comma too many", PK_STR_INIT("[1],[2]"), "[1]@1:0;" WRONG("line 1, column 4, offset 3", "a value")},
        {"an end too many", PK_STR_INIT("[1]]"), "[1]@1:0;" WRONG("line 1, column 4, offset 3", "a value")},
        {"a trailing comma", PK_STR_INIT("[1,] 2"), WRONG("line 1, column 4, offset 3", "a value")},
        {"the wrong end", PK_STR_INIT("[1} 2"), WRONG("line 1, column 3, offset 2", "',' or ']'")},
        {"a key without quotes", PK_STR_INIT("{a:1} 2"), WRONG("line 1, column 2, offset 1", "a key in quotes")},
        {"no colon", PK_STR_INIT("{\"a\" 1} 2"), WRONG("line 1, column 6, offset 5", "':'")},
        {"a value that never came", PK_STR_INIT("{\"a\":\n{\"a\":1}\n{\"a\":2}\n"),
         WRONG("line 3, column 1, offset 14", "',' or '}'")},
        {"a string that broke off", PK_STR_INIT("{\"a\":\"b\n{\"a\":\"b\"}\n"),
         WRONG("line 1, column 8, offset 7", "an escape instead of a control character")},
        {"a number that is none", PK_STR_INIT("1 01 2"), "1@1:0;" WRONG("line 1, column 4, offset 3", "nothing more")},
        {"words run together", PK_STR_INIT("truefalse"), WRONG("line 1, column 5, offset 4", "nothing more")},
        {"half a surrogate", PK_STR_INIT("[\"\\ud800\"]1"),
         WRONG("line 1, column 3, offset 2", "both halves of a surrogate pair")},
        {"an escape that is none", PK_STR_INIT("\"\\ud83d\\x\""),
         WRONG("line 1, column 2, offset 1", "both halves of a surrogate pair")},
        {"NUL between values", PK_STR_INIT("1\0" "2"), "1@1:0;" WRONG("line 1, column 2, offset 1", "a value")},
        {"NUL in a string", PK_STR_INIT("1 \"a\0b\""),
         "1@1:0;" WRONG("line 1, column 5, offset 4", "an escape instead of a control character")},
        {"no UTF-8", PK_STR_INIT("\"\xC0\x80\"1"), WRONG("line 1, column 2, offset 1", "UTF-8")},
        {"a mark in front", PK_STR_INIT("\xEF\xBB\xBF{}"), WRONG("line 1, column 1, offset 0", "a value")},
        {"no JSON at all", PK_STR_INIT("<html>"), WRONG("line 1, column 1, offset 0", "a value")},
    };
    pk_json_stream desc = {.on_value = on_value};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].name)
        {
            check_pieces(&desc, rows[i].text, rows[i].seen);
        }
    }
}

TEST(json_stream, lines_are_values)
{
    static const stream_row rows[] = {
        {"nothing", PK_STR_INIT(""), ""},
        {"blank lines", PK_STR_INIT("\n\r\n \t\n1\n\n"), "1@4:6;"},
        {"the last line has no end", PK_STR_INIT("{\"a\":1}\n[2]"), "{\"a\":1}@1:0;[2]@2:8;"},
        {"CRLF", PK_STR_INIT("1\r\n[2]\r\n"), "1@1:0;[2]@2:3;"},
        {"blanks around", PK_STR_INIT("  1 \n\t[ 2 ] \n"), "1@1:2;[2]@2:6;"},
        {"UTF-8", PK_STR_INIT("\"\xC3\xA9\"\n[\"\xE2\x82\xAC\"]\n"), "\"\xC3\xA9\"@1:0;[\"\xE2\x82\xAC\"]@2:5;"},
        {"two on a line", PK_STR_INIT("1\n{} {}\n2\n"),
         "1@1:0;" WRONG("line 2, column 4, offset 5", "nothing more") "2@3:8;"},
        {"two numbers", PK_STR_INIT("1 2 3\n4"), WRONG("line 1, column 3, offset 2", "nothing more") "4@2:6;"},
        {"one that broke off", PK_STR_INIT("{\"a\":[1,\n{\"a\":2}\n"),
         WRONG("line 1, column 9, offset 8", "a value") "{\"a\":2}@2:9;"},
        {"in a string", PK_STR_INIT("{\"a\":\"b\r\n1\n"),
         WRONG("line 1, column 8, offset 7", "an escape instead of a control character") "1@2:9;"},
        {"in an escape", PK_STR_INIT("\"\\u00\n1\n"), WRONG("line 1, column 4, offset 3", "four hex digits") "1@2:6;"},
        {"the last one broke off", PK_STR_INIT("1\n[2"), "1@1:0;" WRONG("line 2, column 3, offset 4", "',' or ']'")},
        {"a line that is none", PK_STR_INIT("hello \"world\n[1]\n"),
         WRONG("line 1, column 1, offset 0", "a value") "[1]@2:13;"},
        {"two of them", PK_STR_INIT("a\nb\n1"),
         WRONG("line 1, column 1, offset 0", "a value") WRONG("line 2, column 1, offset 2", "a value") "1@3:4;"},
        {"a long one", PK_STR_INIT("[1] and then much more of the kind that nobody reads\n[1]\n"),
         WRONG("line 1, column 5, offset 4", "nothing more") "[1]@2:53;"},
        {"RS is for other streams", PK_STR_INIT("\x1E" "1\n2\n"),
         WRONG("line 1, column 1, offset 0", "a value") "2@2:3;"},
        {"CR alone ends nothing", PK_STR_INIT("1\r2\n3"), WRONG("line 1, column 3, offset 2", "nothing more") "3@2:4;"},
        {"NUL", PK_STR_INIT("\0\n[\0]\n1\n"), WRONG("line 1, column 1, offset 0", "a value")
         WRONG("line 2, column 2, offset 3", "a value") "1@3:6;"},
        {"a mark in front", PK_STR_INIT("\xEF\xBB\xBF" "1\n2"),
         WRONG("line 1, column 1, offset 0", "a value") "2@2:5;"},
    };
    pk_json_stream desc = {.on_value = on_value, .on_bad = on_bad, .lines = true};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].name)
        {
            check_pieces(&desc, rows[i].text, rows[i].seen);
        }
    }
}

/* Without on_bad the first one is the last, whatever follows; what was said of it is the error. */
TEST(json_stream, a_line_that_is_refused_ends_it_unless_somebody_wants_to_go_on)
{
    pk_json_stream plain = {.on_value = on_value, .lines = true};
    pk_json_stream asked = {.on_value = on_value, .on_bad = on_bad, .lines = true};
    pk_str text = PK_STR("1\n[2\n3\n");
    check_pieces(&plain, text, "1@1:0;" WRONG("line 2, column 3, offset 4", "',' or ']'"));
    check_pieces(&asked, text, "1@1:0;" WRONG("line 2, column 3, offset 4", "',' or ']'") "3@3:5;");
    seen s = {.strict = true};
    CHECK_ERR(read_pieces(&asked, &s, text, 1, 1), PK_ERR_PARSE);
    CHECK_STR(s.text, "1@1:0;" WRONG("line 2, column 3, offset 4", "',' or ']'") "!no further;");
}

/* Without lines one goes on behind what ends where it should, and is wrong inside. */
TEST(json_stream, a_value_that_is_only_written_wrongly_can_be_left_out)
{
    pk_json_stream desc = {.on_value = on_value, .on_bad = on_bad, .options.unique_keys = true};
    check_pieces(&desc, PK_STR("[01] \"\\ud800\" nul {\"a\":1,\"a\":2} 1 [}"),
                 WRONG("line 1, column 3, offset 2", "',' or ']'")
                 WRONG("line 1, column 7, offset 6", "both halves of a surrogate pair")
                 WRONG("line 1, column 15, offset 14", "a value")
                 WRONG("line 1, column 26, offset 25", "another key: this one stands there twice")
                 "1@1:32;" WRONG("line 1, column 36, offset 35", "a value"));
}

/* But where brackets or quotes are not in order nobody knows where the next one begins. */
TEST(json_stream, what_has_no_end_ends_the_stream)
{
    static const char *const rows[] = {"[} 1\n2\n", "x\n1\n", "[1,2\x01\n] 1\n2", "\"a\n1\n2", "{\"a\" 1}\n1\n"};
    pk_json_stream desc = {.on_value = on_value, .on_bad = on_bad};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i])
        {
            for (size_t step = 1; step < 20; step += 18) {
                seen s = {.len = 0};
                CHECK_ERR(read_pieces(&desc, &s, pk_str_from(rows[i]), step, step), PK_ERR_BAD_JSON);
                CHECK(s.bad == 0 && s.values == 0);
            }
        }
    }
}

/* Each prefix gives the values that are whole, and an error if something has begun. */
TEST(json_stream, every_prefix)
{
    static const char text[] = "{\"a\": [1, \"\xE2\x82\xAC\\n\", {}]}\n-12.5e3 \"x\"[]\ntrue\n{\"b\":null}";
    static const size_t ends[] = {23, 31, 35, 37, 42, 53};
    for (size_t len = 0; len < sizeof(text); len++) {
        CASE("%zu bytes", len)
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            pk_json_stream desc = {.on_value = on_value};
            const pk_json_value *v;
            seen s = {.len = 0};
            size_t whole = 0, from = 0;
            while (whole < PK__COUNT(ends) && ends[whole] <= len) {
                from = ends[whole++];
            }
            while (from < len && text[from] <= ' ') {
                from++;
            }
            pk_err wanted = from < len ? pk_json_parse(&mem, (pk_str){text + from, len - from}, &v, NULL) : PK_OK;
            whole += from < len && wanted == PK_OK; // half of a number is a number
            CHECK_INT(read_pieces(&desc, &s, (pk_str){text, len}, len / 2, 3), ==, wanted);
            CHECK_INT(s.values, ==, (int)whole);
            pk_mem_free(&mem);
        }
    }
}

/* There is no waiting for an end that cannot come: the error is there with the first byte that is wrong. */
TEST(json_stream, what_cannot_become_json_is_refused_with_its_first_wrong_byte)
{
    static const char *const rows[] = {
        "x", "{}}", "{x", "{1", "{,", "{\"a\"}", "{\"a\"1", "{\"a\",", "{\"a\":}", "{\"a\":,", "{\"a\":1:",
        "{\"a\":1 2", "{\"a\":1]", "{\"a\":1,}", "{\"a\":1,1", "{\"a\":{}{", "{\"a\":[][", "[,", "[}", "[1 2", "[1}",
        "[1:", "[1,]", "[1,,", "[\"a\" \"", "[\"a\\x", "[\"a\n", "[\"\x01", "[\x7F", "[\xC3", "\xEF", "[+", "[.",
        "[/", "[N", "[e", "[1\x1E", "[[1]\x0C",
    };
    pk_json_stream stream = {.on_value = on_value, .alloc = test_alloc()};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i])
        {
            size_t len = strlen(rows[i]), whole = i == 1 ? 2 : 0;
            seen s = {.stream = &stream};
            pk_error err = {0}, of_parser = {0};
            pk_str all = {rows[i] + whole, len - whole};
            stream.user = &s;
            CHECK_OK(feed(&stream, rows[i], len - 1, &err));
            CHECK_ERR(feed(&stream, rows[i] + len - 1, 1, &err), PK_ERR_BAD_JSON);
            CHECK_ERR(pk_json_check(all, &of_parser), PK_ERR_BAD_JSON);
            if (whole == 0) {
                CHECK_STR(err.msg, of_parser.msg);
            }
            CHECK_ERR(pk_json_stream_finish(&stream, NULL), PK_ERR_BAD_JSON);
        }
    }
    pk_json_stream_free(&stream);
}

TEST(json_stream, also_on_a_line_and_one_level_too_deep)
{
    static const char *const rows[] = {"1,", "[1] [", "\"a\":", "{}}", "1 2", "tru\"", "nul,"};
    pk_json_stream stream = {.on_value = on_value, .on_bad = on_bad, .lines = true, .alloc = test_alloc()};
    pk_json_stream values = {.on_value = on_value, .alloc = test_alloc()};
    seen s = {.stream = &stream};
    stream.user = values.user = &s;
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i])
        {
            size_t len = strlen(rows[i]);
            CHECK_OK(feed(&stream, rows[i], len - 1, NULL));
            CHECK_INT(s.bad, ==, (int)i);
            CHECK_OK(feed(&stream, rows[i] + len - 1, 1, NULL));
            CHECK_INT(s.bad, ==, (int)i + 1);
            CHECK_OK(feed(&stream, "\n", 1, NULL));
        }
    }
    for (int i = 0; i < PLUGKIT_JSON_DEPTH; i++) {
        CHECK_OK(feed(&values, i % 2 ? "[" : "{\"\":", i % 2 ? 1 : 4, NULL));
    }
    CHECK_ERR(feed(&values, "[", 1, NULL), PK_ERR_LIMIT);
    CHECK_ERR(pk_json_stream_finish(&values, NULL), PK_ERR_LIMIT);
    pk_json_stream_free(&stream);
    pk_json_stream_free(&values);
}

TEST(json_stream, an_error_quotes_what_stands_around)
{
    static const char text[] = "{\"first\": 1}\n{\n  \"second\": [1, 2, x, 3, 4, 5, 6, 7]\n}\n";
    pk_json_stream stream = {.on_value = on_value, .alloc = test_alloc()};
    seen s = {.stream = &stream};
    pk_error err = {0};
    stream.user = &s;
    CHECK_ERR(feed(&stream, text, strlen(text), &err), PK_ERR_BAD_JSON);
    CHECK_STR(err.msg, "cannot parse JSON: line 3, column 20, offset 34: expected a value, got 'x' near "
                       "\"second\": [1, 2, x, 3, 4, 5, 6, 7\"");
    CHECK_ERR(pk_json_stream_finish(&stream, NULL), PK_ERR_BAD_JSON);
    CHECK_ERR(feed(&stream, "\xEF\xBB\xBF{}", 5, &err), PK_ERR_BAD_JSON);
    CHECK_CONTAINS(err.msg, "got a byte order mark");
    CHECK_ERR(pk_json_stream_finish(&stream, NULL), PK_ERR_BAD_JSON);
    stream.options.secret = true;
    CHECK_ERR(feed(&stream, "[hush]", 6, &err), PK_ERR_BAD_JSON);
    CHECK_STR(err.msg, "cannot parse JSON: line 1, column 2, offset 1: expected a value");
    pk_json_stream_free(&stream);
}

/* Eight bytes at a time, and one by one; of texts with few lines, with many, and with none. */
TEST(json_stream, places_are_counted_in_characters)
{
    static const char some[] = {'a', '\n', '\xC3', '\x80', '\xBF', '\x7F', '\0', '\xFF', '\x9F', ' '};
    uint32_t seed = 1;
    for (size_t len = 0; len < 200; len++) {
        char bytes[200];
        pk__json_origin at = {3, 5, 7}, slow = {3, 5, 7 + len};
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1103515245u + 12345u;
            bytes[i] = some[(seed >> 16) % (len % 2 ? 10 : 4) + (len % 2 ? 0 : 1 + len % 3)];
            slow.line += bytes[i] == '\n';
            slow.column = bytes[i] == '\n' ? 1 : slow.column + ((unsigned char)(bytes[i] & 0xC0) != 0x80);
        }
        char *guarded = test_guarded(bytes, len);
        pk__json_pass(&at, (pk_str){guarded, len});
        test_guarded_free(guarded, len);
        CHECK(at.line == slow.line && at.column == slow.column && at.offset == slow.offset);
    }
}

/* ---- limits */

/* Memory that knows how much of it was in use at most, and how often some was asked for. */
static struct {
    size_t now, most, asked;
} used;

static void *counting_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user;
    used.now += new_size - old_size;
    used.most = PK__MAX(used.most, used.now);
    used.asked += new_size > 0;
    return test_alloc()->resize(test_alloc()->user, ptr, old_size, new_size);
}
static const pk_alloc counting = {counting_resize, NULL};

static pk_err count_values(void *user, const pk_json_value *v, pk_error *err)
{
    (void)v, (void)err;
    ++*(size_t *)user;
    return PK_OK;
}

static pk_err count_bad(void *user, const pk_error *why, pk_error *err)
{
    (void)err;
    CHECK_INT(why->code, ==, PK_ERR_LIMIT);
    ((size_t *)user)[1]++;
    return PK_OK;
}

TEST(json_stream, ten_megabytes_of_brackets_are_refused_at_the_cap)
{
    static char piece[4096];
    size_t counts[2] = {0, 0};
    memset(piece, '[', sizeof(piece));
    for (int lines = 0; lines < 2; lines++) {
        pk_json_stream stream = {.on_value = count_values, .user = counts, .alloc = &counting, .lines = lines > 0,
                                 .on_bad = lines ? count_bad : NULL};
        pk_error err = {0};
        pk_err rc = PK_OK;
        memset(&used, 0, sizeof(used));
        for (int i = 0; i < 2560; i++) {
            rc = pk_json_stream_read(&stream, (pk_str){piece + i % 2, sizeof(piece) - 1}, &err);
            CHECK_INT(rc, ==, lines ? PK_OK : PK_ERR_LIMIT);
            if (i == 0 && !lines) {
                CHECK_STR(err.msg, "cannot parse JSON: line 1, column 257, offset 256: nested deeper than 256 levels");
            }
        }
        if (lines) {
            CHECK_OK(pk_json_stream_read(&stream, PK_STR("\n[1]\n"), &err));
            CHECK(counts[0] == 1 && counts[1] == 1);
            CHECK_UINT(stream.line, ==, 2);
            CHECK_UINT(stream.offset, ==, 2560 * 4095 + 1);
        }
        CHECK_UINT(used.most, <, 16384);
        pk_json_stream_free(&stream);
        CHECK_UINT(used.now, ==, 0);
    }
}

#define LARGE(place) "!cannot read JSON: " place ": larger than 8 bytes;"

TEST(json_stream, a_value_is_as_large_as_was_said_or_less)
{
    static const stream_row rows[] = {
        {"as large", PK_STR_INIT("[12345] \"123456\"12345678 1"), "[12345]@1:0;\"123456\"@1:8;12345678@1:16;1@1:25;"},
        {"a number at the end", PK_STR_INIT("12345678"), "12345678@1:0;"},
        {"larger", PK_STR_INIT("1\n [123,567]"), "1@1:0;" LARGE("line 2, column 2, offset 3")},
        {"a number", PK_STR_INIT("123456789"), LARGE("line 1, column 1, offset 0")},
        {"a number that ends", PK_STR_INIT("123456789 1"), LARGE("line 1, column 1, offset 0")},
        {"a string", PK_STR_INIT("\"12345678\""), LARGE("line 1, column 1, offset 0")},
        {"wrong before", PK_STR_INIT("[1234,x,12]"), WRONG("line 1, column 7, offset 6", "a value")},
        {"wrong at the last byte", PK_STR_INIT("[12345,x"), WRONG("line 1, column 8, offset 7", "a value")},
        {"and more behind that", PK_STR_INIT("[12345,x99]"), WRONG("line 1, column 8, offset 7", "a value")},
        {"wrong behind it", PK_STR_INIT("[123456,x]"), LARGE("line 1, column 1, offset 0")},
        {"not ended", PK_STR_INIT("[1,2,3,4"), WRONG("line 1, column 9, offset 8", "',' or ']'")},
        {"much space between", PK_STR_INIT("1                    2                      \n"), "1@1:0;2@1:21;"},
    };
    static const stream_row lines[] = {
        {"as large", PK_STR_INIT("[12345]\r\n\"123456\"\n12345678\n1"),
         "[12345]@1:0;\"123456\"@2:9;12345678@3:18;1@4:27;"},
        {"larger", PK_STR_INIT("1\n[1234567]\n2\n123456789\n3\n12345678  \n4\n1234567890"),
         "1@1:0;" LARGE("line 2, column 1, offset 2") "2@3:12;" LARGE("line 4, column 1, offset 14") "3@5:24;"
         LARGE("line 6, column 1, offset 26") "4@7:37;" LARGE("line 8, column 1, offset 39")},
        {"space in front does not count", PK_STR_INIT("         12345678\n"), "12345678@1:9;"},
        {"wrong before", PK_STR_INIT("[1,x,2345,1234]\n1"), WRONG("line 1, column 4, offset 3", "a value") "1@2:16;"},
        {"wrong behind it", PK_STR_INIT("[123456,x]\n1"), LARGE("line 1, column 1, offset 0") "1@2:11;"},
    };
    pk_json_stream desc = {.on_value = on_value, .max_bytes = 8};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].name)
        {
            check_pieces(&desc, rows[i].text, rows[i].seen);
        }
    }
    desc.lines = true;
    desc.on_bad = on_bad;
    for (size_t i = 0; i < PK__COUNT(lines); i++) {
        CASE("lines: %s", lines[i].name)
        {
            check_pieces(&desc, lines[i].text, lines[i].seen);
        }
    }
    desc.max_bytes = SIZE_MAX;
    check_pieces(&desc, PK_STR("1\n[2]\n"), "1@1:0;[2]@2:2;");
}

/* Values that come as a whole are not kept, and the memory of one is that of the next. */
TEST(json_stream, the_number_of_values_costs_no_memory)
{
    static char piece[40 * 50];
    for (size_t i = 0; i < 50; i++) {
        memcpy(piece + i * 40, "{\"name\":\"somebody\",\"numbers\":[1,2,3.5]}\n", 40);
    }
    for (int lines = 0; lines < 2; lines++) {
        size_t count = 0, asked = 0;
        pk_json_stream stream = {.on_value = count_values, .user = &count, .alloc = &counting, .lines = lines > 0};
        memset(&used, 0, sizeof(used));
        for (size_t i = 0; i < 200; i++) {
            CHECK_OK(pk_json_stream_read(&stream, (pk_str){piece, sizeof(piece)}, NULL));
            asked = i == 0 ? used.asked : asked;
        }
        CHECK_UINT(asked, ==, 2); // the state of the stream, and a block for values
        CHECK_UINT(used.asked, ==, asked);
        for (size_t at = 0; at + 333 < sizeof(piece); at += 333) { // and when they come in pieces
            CHECK_OK(pk_json_stream_read(&stream, (pk_str){piece + at, 333}, NULL));
        }
        CHECK_UINT(count, ==, 10000 + (sizeof(piece) / 333 * 333) / 40);
        CHECK_UINT(used.most, <, 4096);
        pk_json_stream_free(&stream);
    }
}

/* ---- callbacks */

TEST(json_stream, an_error_of_the_callback_ends_it)
{
    pk_json_stream stream = {.on_value = on_value, .alloc = test_alloc()};
    seen s = {.stream = &stream, .fail_at = 2};
    pk_error err = {0};
    stream.user = &s;
    CHECK_ERR(feed(&stream, "1 2 3 [", 7, &err), PK_ERR_STOPPED);
    CHECK_STR(err.msg, "that is enough");
    CHECK_ERR(feed(&stream, "4 ", 2, &err), PK_ERR_STOPPED);
    CHECK_STR(err.msg, "cannot read from a JSON stream: it has failed before");
    CHECK_ERR(pk_json_stream_finish(&stream, &err), PK_ERR_STOPPED);
    CHECK_STR(s.text, "1@1:0;2@1:2;");

    CHECK_OK(feed(&stream, "\n5 ", 3, &err)); // another stream
    CHECK_OK(pk_json_stream_finish(&stream, &err));
    CHECK_OK(pk_json_stream_finish(&stream, &err));
    CHECK_STR(s.text, "1@1:0;2@1:2;5@2:1;");
    s.fail_at = 4;
    CHECK_OK(feed(&stream, "6", 1, &err));
    CHECK_ERR(pk_json_stream_finish(&stream, &err), PK_ERR_STOPPED); // one that is whole with the end
    CHECK_OK(pk_json_stream_finish(&stream, &err));
    pk_json_stream_free(&stream);
    pk_json_stream_free(&stream);
    pk_json_stream_free(NULL);
    CHECK_OK(feed(&stream, "7 ", 2, &err)); // freed, it is as new
    CHECK_STR(s.text, "1@1:0;2@1:2;5@2:1;6@1:0;7@1:0;");
    pk_json_stream_free(&stream);
}

static pk_err feed_again(void *user, const pk_json_value *v, pk_error *err)
{
    pk_json_stream *stream = (pk_json_stream *)user;
    CHECK_ERR(pk_json_stream_read(stream, PK_STR("1"), err), PK_ERR_MISUSE);
    CHECK_ERR(pk_json_stream_finish(stream, err), PK_ERR_MISUSE);
    CHECK_INT(pk_json_int(v, 0), ==, 7); // and it is still there
    return PK_OK;
}

TEST(json_stream, it_is_not_read_from_inside_of_its_callbacks)
{
    pk_json_stream stream = {.on_value = feed_again, .alloc = test_alloc()}, none = {.alloc = test_alloc()};
    pk_json_stream no_struct = {.on_value = feed_again, .type = &pk_type_pk_str};
    pk_error err = {0};
    stream.user = &stream;
    CHECK_OK(feed(&stream, "7 7", 3, &err));
    CHECK_OK(pk_json_stream_finish(&stream, &err));
    pk_json_stream_free(&stream);
    CHECK_ERR(feed(&none, "7", 1, &err), PK_ERR_MISUSE);
    CHECK_STR(err.msg, "cannot read from a JSON stream: it has no callback");
    CHECK_ERR(feed(&no_struct, "7", 1, &err), PK_ERR_MISUSE);
    CHECK_OK(pk_json_stream_finish(&none, &err));
}

static pk_err free_it(void *user, const pk_json_value *v, pk_error *err)
{
    pk_json_stream *stream = (pk_json_stream *)user;
    pk_json_stream_free(stream);
    memset(stream, 0xAA, sizeof(*stream));
    free(stream);
    CHECK(!v || pk_json_is(v, "a value")); // it stays until the callback returns
    (void)err;
    return PK_OK;
}

static pk_err free_bad(void *user, const pk_error *why, pk_error *err)
{
    pk_err rc = free_it(user, NULL, err);
    CHECK_INT(why->code, ==, PK_ERR_BAD_JSON);
    return rc;
}

static pk_err free_and_fail(void *user, const pk_json_value *v, pk_error *err)
{
    (void)free_it(user, v, err);
    return pk_error_set(err, PK_ERR_STOPPED, "gone");
}

TEST(json_stream, a_callback_may_free_it)
{
    static const struct {
        const char *text;
        bool lines, refused;
    } rows[] = {{"\"a value\" 3", false, false}, {"\"a value\"\n3\n", true, false}, {"[1\n2\n", true, true},
                {"01 2", false, true}, {"[3\n\n", true, true}};
    for (size_t i = 0; i < 4 * PK__COUNT(rows); i++) {
        CASE("%s, %zu", rows[i / 4].text, i % 4)
        {
            pk_json_stream *stream = (pk_json_stream *)calloc(1, sizeof(*stream));
            pk_error err = {0};
            pk_err rc = PK_OK;
            const char *text = rows[i / 4].text;
            size_t len = strlen(text), step = i % 2 ? 1 : len;
            bool fails = i % 4 >= 2 && !rows[i / 4].refused;
            REQUIRE(stream);
            stream->alloc = test_alloc();
            stream->user = stream;
            stream->on_value = fails ? free_and_fail : free_it;
            stream->on_bad = free_bad;
            stream->lines = rows[i / 4].lines;
            for (size_t at = 0; at < len && rc == PK_OK; at += step) {
                rc = feed(stream, text + at, step, &err);
            }
            CHECK_INT(rc, ==, fails ? PK_ERR_STOPPED : PK_ERR_CANCELED);
            CHECK_STR(err.msg, fails ? "gone" : "cannot read from a JSON stream: a callback has freed it");
        }
    }
}

static pk_err free_number(void *user, const pk_json_value *v, pk_error *err)
{
    (void)v, (void)err;
    pk_json_stream_free((pk_json_stream *)user);
    free(user);
    return PK_OK;
}

TEST(json_stream, also_that_of_the_last_value)
{
    pk_json_stream *stream = (pk_json_stream *)calloc(1, sizeof(*stream));
    pk_error err = {0};
    REQUIRE(stream);
    stream->alloc = test_alloc();
    stream->user = stream;
    stream->on_value = free_number;
    CHECK_OK(feed(stream, "12", 2, &err));
    CHECK_ERR(pk_json_stream_finish(stream, &err), PK_ERR_CANCELED);
}

/* ---- structs */

#define SPOT(F, T)                      \
    F(T, REQ, int32_t, x, "x")           \
    F(T, DEFAULT(7), int32_t, y, "y")    \
    F(T, OPT, pk_str, name, "name")
PK_MESSAGE(spot, SPOT)

static pk_err on_spot(void *user, void *in, pk_error *err)
{
    seen *s = (seen *)user;
    spot *p = (spot *)in;
    (void)err;
    CHECK(p->mem.blocks == NULL);
    note(s, "%d,%d,%" PK_FMT "@%zu;", p->x, p->y, PK_ARG(p->has_name ? p->name : PK_STR("-")), s->stream->line);
    s->values++;
    memset(p, 0xAA, sizeof(*p)); // it is ours
    return PK_OK;
}

#if PK__SMALL // there the path has to be enough
#define PLACE(text)
#else
#define PLACE(text) " (" text ")"
#endif

TEST(json_stream, values_become_structs)
{
    pk_json_stream desc = {.on_struct = on_spot, .type = &pk_type_spot, .on_bad = on_bad, .lines = true};
    check_pieces(&desc, J("{'x':1}\n{'x':2,'y':3,'name':'\\u00e9'}\r\n\n{'x':'3'}\n{'y':4}\n[]\n{'x':4\n{'x':5}"),
                 "1,7,-@1;2,3,\xC3\xA9@2;"
                 "!cannot decode spot: x: expected integer;"
                 "!cannot decode spot: x: it is missing" PLACE("line 5, column 8, offset 57") ";"
                 "!cannot decode spot: expected object;"
                 "!cannot decode spot: line 7, column 7, offset 67: expected ',' or '}';"
                 "5,7,-@8;");
    desc.lines = false;
    desc.options.known_keys = true;
    check_pieces(&desc, J("{'x':1}{'x':2,'z':3}\n{'x':'3'} {'x':4}]"),
                 "1,7,-@1;!cannot decode spot: z: there is no such key" PLACE("line 1, column 19, offset 18") ";"
                 "!cannot decode spot: x: expected integer;4,7,-@2;"
                 "!cannot decode spot: line 2, column 18, offset 38: expected a value;");
}

TEST(json_stream, what_does_not_fit_a_struct_is_named_with_its_place_in_the_stream)
{
    pk_json_stream stream = {.on_struct = on_spot, .type = &pk_type_spot, .alloc = test_alloc()};
    seen s = {.stream = &stream};
    pk_error err = {0};
    pk_str text = J("{'x':1}\n{\n 'x':'3'\n}\n");
    stream.user = &s;
    CHECK_ERR(feed(&stream, text.ptr, text.len, &err), PK_ERR_SERIALIZE);
    CHECK_STR(err.msg, "cannot decode spot: x: expected integer, got \"3\"" PLACE("line 3, column 6, offset 15"));
    pk_json_stream_free(&stream);
}

/* ---- another locale, lack of memory */

TEST(json_stream, the_locale_plays_no_part)
{
    if (!take_comma_locale()) {
        SKIP("no locale with a decimal comma is installed, and localedef makes none");
    }
    pk_json_stream desc = {.on_value = on_value};
    check_pieces(&desc, PK_STR("1.5 [-0.25,1e3]\n 1,5"),
                 "1.5@1:0;[-0.25,1000]@1:4;1@2:17;" WRONG("line 2, column 3, offset 18", "a value"));
}

TEST_TORTURE(json_stream, nothing_is_lost_when_memory_is_short)
{
    static char text[9000];
    size_t len = 0;
    pk_json_stream stream = {.on_value = on_value, .on_bad = on_bad, .lines = true, .alloc = test_alloc()};
    pk_json_stream structs = {.on_struct = on_spot, .on_bad = on_bad, .type = &pk_type_spot, .alloc = test_alloc()};
    seen s = {.stream = &stream}, t = {.stream = &structs};
    pk_error err = {0};
    stream.user = &s;
    structs.user = &t;
    len += (size_t)snprintf(text + len, sizeof(text) - len, "[1,2]\n[3\n[\"");
    memset(text + len, 'a', 5000); // more than one block
    len += 5000;
    len += (size_t)snprintf(text + len, sizeof(text) - len, "\"]\n4\n");
    for (size_t at = 0; at < len; at += 700) {
        if (!TRY_OK(pk_json_stream_read(&stream, (pk_str){text + at, PK__MIN(700, len - at)}, &err))) {
            CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
            CHECK_INT(pk_json_stream_finish(&stream, &err), ==, stream.pk__in ? PK_ERR_NO_MEMORY : PK_OK);
            break;
        }
    }
    if (TRY_OK(pk_json_stream_read(&structs, J("{'x':1,'name':'a"), &err)) &&
        TRY_OK(pk_json_stream_read(&structs, J(" name'}{'x':2}"), &err)) &&
        TRY_OK(pk_json_stream_finish(&structs, &err))) {
        CHECK_STR(t.text, "1,7,a name@1;2,7,-@1;");
    } else {
        CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
    }
    CHECK_INT(s.bad + t.bad, <=, 1); // lack of memory is nobody's mistake
    CHECK_INT(s.values, <=, 3);
    pk_json_stream_free(&stream);
    pk_json_stream_free(&structs);
}

/* ---- lines that are written */

static pk_err line_of(pk_buf *buf, pk_str text, pk_error *err)
{
    size_t line = buf->len;
    (void)pk_buf_add(buf, text);
    return pk_json_line_end(buf, line, err);
}

TEST(json_stream, what_is_written_becomes_a_line_or_nothing)
{
    static const struct {
        const char *text, *line, *error;
    } rows[] = {
        {"1", "1", NULL},
        {"{\n  \"a\": [\r\n1\n]\n}\n", "{  \"a\": [1]}", NULL},
        {"\"\\n\"", "\"\\n\"", NULL},
        {"", NULL, "line 1, column 1, offset 0: expected a value, got the end near \"\""},
        {"\n", NULL, "line 2, column 1, offset 1: expected a value, got the end near \"\\x0a\""},
        {"[1", NULL, "line 1, column 3, offset 2: expected ',' or ']', got the end near \"[1\""},
        {"1\n2", NULL, "line 2, column 1, offset 2: expected nothing more, got '2' near \"1\\x0a2\""},
        {"\"a\nb\"", NULL, "line 1, column 3, offset 2: expected an escape instead of a control character, "
         "got byte 0x0A near \"\"a\\x0ab\"\""},
    };
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 1000);
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            pk_error err = {0};
            char message[256];
            size_t before = buf.len;
            CHECK_INT(line_of(&buf, pk_str_from(rows[i].text), &err), ==, rows[i].error ? PK_ERR_BAD_JSON : PK_OK);
            if (rows[i].error) {
                snprintf(message, sizeof(message), "cannot parse JSON: %s", rows[i].error);
                CHECK_STR(err.msg, message);
                CHECK_UINT(buf.len, ==, before);
            } else {
                CHECK_UINT(buf.len, ==, before + strlen(rows[i].line) + 1);
            }
        }
    }
    CHECK_PK_STR(pk_buf_str(&buf), "1\n{  \"a\": [1]}\n\"\\n\"\n");
    CHECK_ERR(pk_json_line_end(&buf, buf.len + 1, NULL), PK_ERR_MISUSE);
    pk_buf_free(&buf);
    CHECK_ERR(pk_json_line_end(&buf, 0, NULL), PK_ERR_BAD_JSON); // nothing was written, nowhere
}

TEST(json_stream, a_writer_that_failed_leaves_no_half_line)
{
    spot p = {.x = 1};
    pk_json_writer w;
    pk_error err = {0};
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 40);
    CHECK_OK(pk_json_encode(&buf, &pk_type_spot, &p, &err));
    CHECK_OK(pk_json_line_end(&buf, 0, &err));
    size_t line = buf.len;
    for (int i = 0; i < 3; i++) { // not ended, not UTF-8, too long
        pk_json_write(&w, &buf);
        w.indent = 2;
        pk_json_put_array(&w);
        pk_json_put_int(&w, 1);
        if (i > 0) {
            pk_json_put_str(&w, i == 1 ? PK_STR("\xFF") : PK_STR("a text that is longer than the buffer"));
            pk_json_put_end(&w);
        }
        CHECK(pk_json_finish(&w, NULL) != PK_OK);
        CHECK_ERR(pk_json_line_end(&buf, line, &err), i < 2 ? PK_ERR_BAD_JSON : PK_ERR_LIMIT);
        CHECK_PK_STR(pk_buf_str(&buf), "{\"x\":1,\"y\":0}\n");
    }
    CHECK_STR(err.msg, "cannot write a line of JSON: there is no room for it");
    pk_json_write(&w, &buf);
    w.indent = 2;
    pk_json_put_array(&w);
    pk_json_put_int(&w, 2);
    pk_json_put_end(&w);
    CHECK_OK(pk_json_finish(&w, &err));
    CHECK_OK(pk_json_line_end(&buf, line, &err));
    CHECK_PK_STR(pk_buf_str(&buf), "{\"x\":1,\"y\":0}\n[  2]\n");
    CHECK_ERR(line_of(&buf, PK_STR("\"234567890123456789\""), &err), PK_ERR_LIMIT); // no room for the line's end
    CHECK_UINT(buf.len, ==, 20);
    CHECK_OK(line_of(&buf, PK_STR("\"23456789012345678\""), &err)); // to the last byte
    CHECK_UINT(buf.len, ==, 40);
    CHECK_ERR(pk_json_line_end(&buf, 40, &err), PK_ERR_BAD_JSON);
    pk_buf_free(&buf);
}

TEST_TORTURE(json_stream, a_line_without_memory_is_none)
{
    pk_str text = PK_STR("[\"a line that is about as long as half of what is allocated\"]");
    pk_buf buf;
    pk_error err = {0};
    size_t lines = 0;
    pk_buf_init(&buf, test_alloc(), 1000);
    for (int i = 0; i < 3; i++) {
        size_t before = buf.len;
        if (TRY_OK(line_of(&buf, text, &err))) {
            lines++;
        } else {
            CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
            CHECK_STR(err.msg, "cannot write a line of JSON: out of memory");
            CHECK_UINT(buf.len, ==, before);
        }
    }
    CHECK_UINT(buf.len, ==, lines * (text.len + 1));
    pk_buf_free(&buf);
}
