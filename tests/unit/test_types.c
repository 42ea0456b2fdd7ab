/* test_types.c - struct tables: JSON into structs and back, what is refused and how that is said. */
#include "unit.h"

#include <math.h>

#define LEVEL(V, T) V(T, LEVEL_LOW, "low") V(T, LEVEL_MIDDLE, "middle") V(T, LEVEL_HIGH, "h\"i\xC3\xA9")
PK_ENUM(level, LEVEL)

#define POINT(F, T)                \
    F(T, REQ, double, x, "x")      \
    F(T, OPT, double, y, "y")      \
    F(T, OPT, pk_str, name, "name")
PK_STRUCT(point, POINT)

#define EVERYTHING(F, T)                  \
    F(T, REQ, pk_str, text, "text")       \
    F(T, REQ, pk_b64, bytes, "bytes")     \
    F(T, REQ, pk_json, any, "any")        \
    F(T, REQ, pk_ns, wait, "wait")        \
    F(T, REQ, bool, yes, "yes")           \
    F(T, REQ, int32_t, i32, "i32")        \
    F(T, REQ, uint32_t, u32, "u32")       \
    F(T, REQ, int64_t, i64, "i64")        \
    F(T, REQ, uint64_t, u64, "u64")       \
    F(T, REQ, double, real, "real")       \
    F(T, REQ, level, level, "level")      \
    F(T, REQ, point, point, "point")      \
    F(T, OPT, point, maybe, "maybe")      \
    F(T, LIST, int64_t, numbers, "numbers") \
    F(T, LIST, point, points, "points")   \
    F(T, LIST, level, levels, "levels")   \
    F(T, LIST, bool, flags, "flags")      \
    F(T, MAP, pk_str, names, "names")     \
    F(T, MAP, pk_json, more, "more")      \
    F(T, MAP, point, places, "places")
PK_MESSAGE(everything, EVERYTHING)

static const char full[] =
    "{\"text\":\"a\xC3\xA9\\n\",\"bytes\":\"AP9/\",\"any\":{\"k\": [1, 2]},\"wait\":90000000000,\"yes\":true,"
    "\"i32\":-2147483648,\"u32\":4294967295,\"i64\":-9223372036854775808,\"u64\":18446744073709551615,"
    "\"real\":0.1,\"level\":\"h\\\"i\xC3\xA9\",\"point\":{\"x\":1,\"y\":-2.5,\"name\":\"p\"},\"maybe\":{\"x\":3},"
    "\"numbers\":[1,2,-3],\"points\":[{\"x\":4},{\"x\":5,\"name\":\"q\"}],\"levels\":[\"low\",\"middle\",\"low\"],"
    "\"flags\":[true,false],\"names\":{\"a\":\"1\",\"\":\"2\"},\"more\":{\"n\":null,\"o\":{}},"
    "\"places\":{\"here\":{\"x\":6,\"y\":7}}}";

/* Decodes from memory that ends at once and is gone afterwards. */
static pk_err decode(pk_mem *mem, const pk_type *type, const char *text, void *out, pk_error *err)
{
    size_t len = strlen(text);
    char *guarded = test_guarded(text, len);
    pk_err rc = pk_json_decode(mem, type, (pk_str){guarded, len}, out, err);
    test_guarded_free(guarded, len);
    return rc;
}

TEST(types, everything_goes_in_and_comes_out)
{
    everything v = {.mem = {test_alloc(), NULL, NULL, 0}};
    pk_error err = {0};
    pk_buf buf;
    if (decode(&v.mem, &pk_type_everything, full, &v, &err) != PK_OK) {
        FAIL("%s", err.msg);
    }
    CHECK_PK_STR(v.text, "a\xC3\xA9\n");
    CHECK_STR(v.text.ptr, "a\xC3\xA9\n"); // a NUL follows
    CHECK_UINT(v.bytes.len, ==, 3);
    CHECK_MEM(v.bytes.ptr, "\x00\xFF\x7F", 3);
    CHECK_PK_STR(v.any, "{\"k\": [1, 2]}");
    CHECK_INT(v.wait, ==, 90000000000);
    CHECK(v.yes);
    CHECK_INT(v.i32, ==, INT32_MIN);
    CHECK_UINT(v.u32, ==, UINT32_MAX);
    CHECK_INT(v.i64, ==, INT64_MIN);
    CHECK_UINT(v.u64, ==, UINT64_MAX);
    CHECK(v.real == 0.1);
    CHECK_INT(v.level, ==, LEVEL_HIGH);
    CHECK(v.point.x == 1 && v.point.has_y && v.point.y == -2.5 && v.point.has_name);
    CHECK(v.has_maybe && v.maybe.x == 3 && !v.maybe.has_y && !v.maybe.has_name);
    CHECK_UINT(v.numbers.count, ==, 3);
    CHECK_INT(v.numbers.items[2], ==, -3);
    CHECK_UINT(v.points.count, ==, 2);
    CHECK(v.points.items[1].x == 5 && !v.points.items[0].has_name);
    CHECK_PK_STR(v.points.items[1].name, "q");
    CHECK_UINT(v.levels.count, ==, 3);
    CHECK_INT(v.levels.items[1], ==, LEVEL_MIDDLE);
    CHECK_UINT(v.flags.count, ==, 2);
    CHECK(v.flags.items[0] && !v.flags.items[1]);
    CHECK_UINT(v.names.count, ==, 2);
    CHECK_PK_STR(v.names.keys[1], "");
    CHECK_PK_STR(v.names.values[0], "1");
    CHECK_PK_STR(v.more.values[0], "null");
    CHECK(v.places.count == 1 && v.places.values[0].y == 7);

    pk_buf_init(&buf, test_alloc(), 10000);
    CHECK_OK(pk_json_encode(&buf, &pk_type_everything, &v, NULL));
    CHECK_PK_STR(pk_buf_str(&buf), full);
    pk_buf_free(&buf);
    pk_mem_free(&v.mem);
}

TEST(types, order_space_escapes_and_unknown_keys_do_not_matter)
{
    static const char *const rows[] = {
        "{\"x\":1,\"y\":2,\"name\":\"n\"}", "{\"name\":\"n\",\"y\":2,\"x\":1}",
        " { \"y\" : 2 ,\n\"x\":\t1 , \"name\" : \"n\" } ",
        "{\"\\u0078\":1,\"\\u0079\":2.0,\"n\\u0061me\":\"\\u006e\"}",
        "{\"z\":[1,{\"x\":9}],\"x\":1,\"xx\":{},\"y\":2e0,\"nam\":\"\",\"name\":\"n\",\"names\":null,\"\":\"\"}",
        "{\"x\":7,\"x\":1,\"name\":\"first\",\"y\":9,\"y\":2,\"name\":\"n\"}", // the last one wins
        "{\"x\":1,\"y\":2,\"name\":\"n\",\"name\":null,\"x\":null}",           // and null is as if it were not there
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i])
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            point p;
            memset(&p, 0xAA, sizeof(p));
            CHECK_OK(decode(&mem, &pk_type_point, rows[i], &p, NULL));
            CHECK(p.x == 1 && p.has_y && p.y == 2 && p.has_name);
            CHECK_PK_STR(p.name, "n");
            pk_mem_free(&mem);
        }
    }
}

#define LOOSE(F, T)                    \
    F(T, OPT, pk_str, text, "text")    \
    F(T, OPT, pk_json, any, "any")     \
    F(T, OPT, point, point, "point")   \
    F(T, LIST, pk_str, list, "list")   \
    F(T, MAP, int32_t, map, "map")     \
    F(T, MAP, pk_json, free, "free")   \
    F(T, OPT, pk_ns, wait, "wait")     \
    F(T, OPT, pk_b64, bytes, "bytes")  \
    F(T, OPT, level, level, "level")   \
    F(T, OPT, double, real, "real")    \
    F(T, OPT, bool, yes, "yes")        \
    F(T, OPT, int32_t, i32, "i32")     \
    F(T, OPT, uint32_t, u32, "u32")    \
    F(T, OPT, int64_t, i64, "i64")     \
    F(T, OPT, uint64_t, u64, "u64")
PK_STRUCT(loose, LOOSE)

TEST(types, what_is_missing_or_null_is_empty)
{
    static const char *const rows[] = {"{}", "{\"text\":null,\"any\":null,\"point\":null,\"list\":null,\"map\":null"
        ",\"free\":null,"
                                             "\"wait\":null}", "{\"list\":[],\"map\":{},\"free\":{}}"};
    loose zero;
    memset(&zero, 0, sizeof(zero));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pk_mem mem = {test_alloc(), NULL, NULL, 0};
        loose v;
        memset(&v, 0xAA, sizeof(v));
        CHECK_OK(decode(&mem, &pk_type_loose, rows[i], &v, NULL));
        CHECK_MEM(&v, &zero, sizeof(v));
        pk_mem_free(&mem);
    }
}

TEST(types, numbers_and_durations_take_their_forms)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    loose v;
    static const struct {
        const char *json;
        pk_ns value;
    } waits[] = {
        {"5", 5}, {"-5", -5}, {"\"5\"", 5}, {"\"1m30s\"", 90000000000}, {"\"1\\u006d\"", 60000000000}, {"1.5e9",
        1500000000},
        {"1e0", 1}, {"-1.9", -1}, {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN},
        {"-9223372036854775808.0", INT64_MIN},
        {"0.0", 0},
    };
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"wait\":%s}", waits[i].json);
        CASE("%s", text)
        {
            CHECK_OK(decode(&mem, &pk_type_loose, text, &v, NULL));
            CHECK(v.has_wait);
            CHECK_INT(v.wait, ==, waits[i].value);
        }
    }
    CHECK_OK(decode(&mem, &pk_type_loose, "{\"i32\":-0,\"u32\":0,\"real\":12345678901234567890}", &v, NULL));
    CHECK(v.i32 == 0 && v.real == 12345678901234567890.0);
    CHECK_OK(decode(&mem, &pk_type_loose, "{\"bytes\":\"Zm9vYg=\\u003d\"}", &v, NULL));
    CHECK_PK_STR(v.bytes, "foob");
    CHECK_OK(decode(&mem, &pk_type_loose, "{\"bytes\":\"\\/\\/\\/\\/\"}", &v, NULL)); // as PHP writes slashes
    CHECK_UINT(v.bytes.len, ==, 3);
    CHECK_OK(decode(&mem, &pk_type_loose, "{\"any\": [1, {\"a\" : \"\\u0041\"}] }", &v, NULL));
    CHECK_PK_STR(v.any, "[1, {\"a\" : \"\\u0041\"}]"); // as it was written
    pk_mem_free(&mem);
}

/* ---- errors */

#define RETRY(F, T) F(T, REQ, int32_t, max, "max") F(T, MAP, int32_t, by_code, "by code")
PK_STRUCT(retry, RETRY)
#define CONFIG(F, T) F(T, REQ, retry, retry, "retry") F(T, LIST, retry, all, "all")
PK_STRUCT(config, CONFIG)
#define SETTINGS(F, T) F(T, REQ, config, config, "config") F(T, MAP, config, others, "others")
PK_MESSAGE(settings, SETTINGS)

/* A message, and where in its one line the value stands that is meant. Small builds name the path alone. */
static void check_message(const char *got, const char *type, const char *message)
{
    char wanted[512];
    if (PK__SMALL) {
        (void)snprintf(wanted, sizeof(wanted), "cannot decode %s: %s", type, message);
        CHECK_STR(got, wanted);
        return;
    }
    unsigned column = 0, offset = 0;
    const char *place = strstr(got, " (line 1, column ");
    int len = snprintf(wanted, sizeof(wanted), "cannot decode %s: %s", type, message);
    REQUIRE(place != NULL);
    CHECK_INT(place - got, ==, len);
    CHECK_MEM(got, wanted, (size_t)len);
    CHECK_INT(sscanf(place, " (line 1, column %u, offset %u)", &column, &offset), ==, 2);
    CHECK(column > 0 && offset + 1 >= column);
}

TEST(types, errors_name_the_place)
{
    static const struct {
        const char *json, *message;
    } rows[] = {
        {"{\"config\":{\"retry\":{\"max\":\"3\"}}}", "config.retry.max: expected integer, got \"3\""},
        {"{\"config\":{\"retry\":{}}}", "config.retry.max: it is missing"},
        {"{\"config\":{\"retry\":{\"max\":null}}}", "config.retry.max: it is missing"},
        {"{}", "config: it is missing"},
        {"{\"config\":[]}", "config: expected object, got []"},
        {"[]", "expected object, got []"},
        {"\"text\"", "expected object, got \"text\""},
        {"null", "expected object, got null"},
        {"{\"config\":{\"retry\":{\"max\":1},\"all\":{}}}", "config.all: expected array, got {}"},
        {"{\"config\":{\"retry\":{\"max\":1},\"all\":[{\"max\":1},{\"max\":[1,2]}]}}",
         "config.all[1].max: expected integer, got [1,2]"},
        {"{\"config\":{\"retry\":{\"max\":1},\"all\":[null]}}", "config.all[0]: expected object, got null"},
        {"{\"config\":{\"retry\":{\"max\":1,\"by code\":{\"a b\":true}}}}",
         "config.retry.by code.a b: expected integer, got true"},
        {"{\"config\":{\"retry\":{\"max\":1,\"by code\":[]}}}", "config.retry.by code: expected object, got []"},
        {"{\"others\":{\"\\u0001\xC3\xA9\":{\"retry\":7}}}", "others.\\x01\xC3\xA9.retry: expected object, got 7"},
        {"{\"config\":{\"retry\":{\"max\":\"a long text that goes on and on and on, and on\"}}}",
         "config.retry.max: expected integer, got \"a long text that goes on and on and on, and..."},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].json)
        {
            settings v = {.mem = {test_alloc(), NULL, NULL, 0}};
            pk_error err = {0};
            CHECK_ERR(decode(&v.mem, &pk_type_settings, rows[i].json, &v, &err), PK_ERR_SERIALIZE);
            check_message(err.msg, "settings", rows[i].message);
            CHECK_ERR(decode(&v.mem, &pk_type_settings, rows[i].json, &v, NULL), PK_ERR_SERIALIZE);
            CHECK(v.config.retry.max == 0 && v.others.count == 0); // nothing half done
            pk_mem_free(&v.mem);
        }
    }
}

TEST(types, every_kind_says_what_it_expects)
{
    static const struct {
        const char *json, *message;
    } rows[] = {
        {"{\"text\":1}", "text: expected string, got 1"},
        {"{\"bytes\":1}", "bytes: expected base64 text, got 1"},
        {"{\"bytes\":\"Zg\"}", "bytes: expected base64 text, got \"Zg\""},
        {"{\"bytes\":\"\\u005Ag\"}", "bytes: expected base64 text, got \"\\u005Ag\""},
        {"{\"wait\":true}", "wait: expected duration such as \"1m30s\", got true"},
        {"{\"wait\":\"soon\"}", "wait: expected duration such as \"1m30s\", got \"soon\""},
        {"{\"wait\":1e19}", "wait: expected duration such as \"1m30s\", got 1e19"},
        {"{\"wait\":9223372036854775808}", "wait: expected duration such as \"1m30s\", got 9223372036854775808"},
        {"{\"wait\":1e999}", "wait: expected duration such as \"1m30s\", got 1e999"},
        {"{\"yes\":\"true\"}", "yes: expected true or false, got \"true\""},
        {"{\"yes\":1}", "yes: expected true or false, got 1"},
        {"{\"i32\":1.0}", "i32: expected integer, got 1.0"},
        {"{\"i32\":1e3}", "i32: expected integer, got 1e3"},
        {"{\"i32\":2147483648}", "i32: expected integer from -2147483648 to 2147483647, got 2147483648"},
        {"{\"i32\":-2147483649}", "i32: expected integer from -2147483648 to 2147483647, got -2147483649"},
        {"{\"i32\":99999999999999999999}",
         "i32: expected integer from -2147483648 to 2147483647, got 99999999999999999999"},
        {"{\"u32\":-1}", "u32: expected integer from 0 to 4294967295, got -1"},
        {"{\"u32\":4294967296}", "u32: expected integer from 0 to 4294967295, got 4294967296"},
        {"{\"i64\":9223372036854775808}", "i64: expected integer of 64 bits, got 9223372036854775808"},
        {"{\"u64\":-1}", "u64: expected integer from 0 to 18446744073709551615, got -1"},
        {"{\"u64\":18446744073709551616}",
         "u64: expected integer from 0 to 18446744073709551615, got 18446744073709551616"},
        {"{\"real\":\"1\"}", "real: expected number, got \"1\""},
        {"{\"real\":1e999}", "real: expected number that a double can hold, got 1e999"},
        {"{\"level\":\"lo\"}", "level: expected one of \"low\", \"middle\", \"h\"i\xC3\xA9\", got \"lo\""},
        {"{\"level\":0}", "level: expected one of \"low\", \"middle\", \"h\"i\xC3\xA9\", got 0"},
        {"{\"list\":\"x\"}", "list: expected array, got \"x\""},
        {"{\"map\":{\"a\":1,\"b\":\"2\"}}", "map.b: expected integer, got \"2\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].json)
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            loose v;
            pk_error err = {0};
            CHECK_ERR(decode(&mem, &pk_type_loose, rows[i].json, &v, &err), PK_ERR_SERIALIZE);
            check_message(err.msg, "loose", rows[i].message);
            pk_mem_free(&mem);
        }
    }
}

TEST(types, bad_syntax_is_told_as_such_wherever_it_stands)
{
    static const char *const rows[] = {
        "", "{", "{\"text\"", "{\"text\":", "{\"text\":}", "{\"text\":\"", "{\"text\":\"\\x\"}", "{\"text\":\"a\"",
        "{\"text\":\"a\",}", "{\"text\":\"a\"}}", "{\"text\":\"a\"} x", "{\"text\" \"a\"}", "{text:1}",
        "{\"i32\":01}", "{\"i32\":-}", "{\"i32\":1.}", "{\"i32\":+1}", "{\"real\":1e}", "{\"real\":.5}",
        "{\"yes\":tru}", "{\"yes\":truex}", "{\"yes\":t", "{\"level\":\"\\ud800\"}", "{\"level\":low}",
        "{\"bytes\":\"\xFF\"}", "{\"any\":[1,}", "{\"any\":nul}", "{\"any\":\"\\q\"}", "{\"list\":[}",
        "{\"list\":[\"a\"", "{\"list\":[\"a\",]}", "{\"list\":[\"a\" \"b\"]}", "{\"list\":[\"1\",}",
        "{\"map\":{\"a\":1,}}", "{\"map\":{a:1}}", "{\"map\":{\"a\"1}}", "{\"map\":{\"a\":1", "{\"free\":{\"a\":[}}",
        "{\"unknown\":[1,]}", "{\"unknown\":\"\\u12\"}", "{\"text\":nulL}", "{\"text\":null,}", "{\"wait\":\"5m}",
        "{\"wait\":5m}", "{\"point\":{\"x\":1,}}", "{\"point\":{\"x\"}}", "nul", "\xEF\xBB\xBF{}", "{\"te\nxt\":1}",
        "[1,2", "{\"i32\":\"a}", "{\"text\":{\"a\":}}",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i])
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            loose v;
            pk_error err = {0};
            CHECK_ERR(decode(&mem, &pk_type_loose, rows[i], &v, &err), PK_ERR_BAD_JSON);
            CHECK(strncmp(err.msg, "cannot decode loose: line ", 26) == 0);
            pk_mem_free(&mem);
        }
    }
}

TEST(types, no_prefix_is_accepted_and_none_is_read_too_far)
{
    EACH_PREFIX(full, sizeof(full) - 1, part, len)
    {
        everything v = {.mem = {NULL, NULL, NULL, 0}};
        pk_err rc = pk_json_decode(&v.mem, &pk_type_everything, (pk_str){part, len}, &v, NULL);
        CHECK(rc == PK_ERR_BAD_JSON || rc == PK_ERR_SERIALIZE);
        pk_mem_free(&v.mem);
    }
}

TEST(types, syntax_counts_for_every_changed_byte)
{
    static const char bytes[] = "\"\\{}[],:0-.eutfn \x01\x80\xFF";
    char text[sizeof(full)];
    for (size_t at = 0; at < sizeof(full) - 1; at++) {
        for (size_t b = 0; b < sizeof(bytes); b++) {
            memcpy(text, full, sizeof(full));
            text[at] = bytes[b];
            everything v = {.mem = {NULL, NULL, NULL, 0}};
            pk_str json = {text, sizeof(full) - 1};
            pk_err rc = pk_json_decode(&v.mem, &pk_type_everything, json, &v, NULL);
            pk_err syntax = pk_json_check(json, NULL);
            if (rc == PK_OK ? syntax != PK_OK : rc == PK_ERR_BAD_JSON ? syntax == PK_OK : rc != PK_ERR_SERIALIZE) {
                FAIL("decode %s, check %s: %s", pk_err_name(rc), pk_err_name(syntax), text);
            }
            pk_mem_free(&v.mem);
        }
    }
}

TEST(types, nesting_is_limited_where_nobody_looks_too)
{
    static const char *const keys[] = {"any", "free", "unknown", "list"};
    for (size_t k = 0; k < 4; k++) {
        CASE("%s", keys[k])
        {
            char *text = malloc(200000);
            pk_mem mem = {0};
            loose v;
            REQUIRE(text != NULL);
            for (int deep = 0; deep < 2; deep++) {
                size_t levels = (k == 1 ? 254 : 255) + (size_t)deep; // with the object around, and the map
                int len = snprintf(text, 200, "{\"%s\":%s", keys[k], k == 1 ? "{\"a\":" : "");
                memset(text + len, '[', levels);
                memset(text + len + levels, ']', levels);
                snprintf(text + (size_t)len + 2 * levels, 200, "}%s", k == 1 ? "}" : "");
                pk_err rc = pk_json_decode(&mem, &pk_type_loose, pk_str_from(text), &v, NULL);
                CHECK_ERR(rc, deep ? PK_ERR_LIMIT : k == 3 ? PK_ERR_SERIALIZE : PK_OK);
                CHECK_ERR(pk_json_check(pk_str_from(text), NULL), deep ? PK_ERR_LIMIT : PK_OK);
            }
            pk_mem_free(&mem);
            free(text);
        }
    }
}

/* ---- maps and their duplicates */

TEST(types, of_equal_keys_in_a_map_the_last_one_stays)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    loose v;
    CHECK_OK(decode(&mem, &pk_type_loose, "{\"map\":{\"a\":1,\"b\":2,\"\\u0061\":3,\"c\":null,\"c\":4,\"b\":null}}",
        &v, NULL));
    CHECK_UINT(v.map.count, ==, 3);
    CHECK(v.map.values[0] == 3 && v.map.values[1] == 2 && v.map.values[2] == 4);
    CHECK_PK_STR(v.map.keys[0], "a");
    pk_mem_free(&mem);
}

/* What is null does not count: seventeen members, two of them null, are few after all. */
TEST(types, maps_that_are_large_only_by_their_nulls_lose_their_duplicates_too)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    loose v;
    CHECK_OK(decode(&mem, &pk_type_loose,
                    "{\"map\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10,"
                    "\"k\":11,\"l\":12,\"m\":13,\"n\":14,\"a\":15,\"x\":null,\"y\":null}}", &v, NULL));
    CHECK_UINT(v.map.count, ==, 14);
    CHECK_PK_STR(v.map.keys[13], "a");
    CHECK_INT(v.map.values[13], ==, 15);
    pk_mem_free(&mem);
}

TEST(types, large_maps_lose_their_duplicates_too)
{
    enum { KEYS = 5000 };
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    char *text = malloc(KEYS * 40), *at = text;
    loose v;
    REQUIRE(text != NULL);
    at += snprintf(at, 20, "{\"map\":{");
    for (int i = 0; i < KEYS; i++) { // each key three times or so, in an order that is neither up nor down
        at += snprintf(at, 40, "%s\"k%d\":%d", i ? "," : "", (i * 7919) % (KEYS / 3), i);
    }
    (void)snprintf(at, 20, "}}");
    REQUIRE_OK(pk_json_decode(&mem, &pk_type_loose, pk_str_from(text), &v, NULL));
    CHECK_UINT(v.map.count, ==, KEYS / 3);
    static int last[KEYS];
    for (int i = 0; i < KEYS; i++) {
        last[(i * 7919) % (KEYS / 3)] = i;
    }
    for (size_t i = 0; i < v.map.count; i++) {
        CHECK_INT(v.map.values[i], ==, last[atoi(v.map.keys[i].ptr + 1)]);
        CHECK(i == 0 || v.map.values[i] > v.map.values[i - 1]); // the order is that of the text
    }
    free(text);
    pk_mem_free(&mem);
}

/* Equal keys in masses take n log n steps, not n squared: this would not end in time. */
TEST(types, a_map_of_equal_keys_is_no_attack)
{
    enum { KEYS = 100000 };
    pk_mem mem = {0};
    char *text = malloc(KEYS * 8 + 100), *at = text;
    loose v;
    REQUIRE(text != NULL);
    at += snprintf(at, 20, "{\"map\":{\"z\":0");
    for (int i = 0; i < KEYS; i++) {
        memcpy(at, ",\"aa\":1", 7);
        at[2] = (char)('a' + i % 2);
        at += 7;
    }
    (void)snprintf(at, 20, "}}");
    CHECK_OK(pk_json_decode(&mem, &pk_type_loose, pk_str_from(text), &v, NULL));
    CHECK_UINT(v.map.count, ==, 3);
    free(text);
    pk_mem_free(&mem);
}

/* ---- wide types */

#define WIDE_TWO(F, T, a, b) F(T, REQ, int32_t, f##a, "f" #a) F(T, REQ, int32_t, f##b, "f" #b)
#define WIDE_TEN(F, T, n)                                                                                     \
    WIDE_TWO(F, T, n##0, n##1) WIDE_TWO(F, T, n##2, n##3) WIDE_TWO(F, T, n##4, n##5)                          \
    WIDE_TWO(F, T, n##6, n##7) WIDE_TWO(F, T, n##8, n##9)
#define WIDE(F, T)                                                                                            \
    WIDE_TEN(F, T, 0) WIDE_TEN(F, T, 1) WIDE_TEN(F, T, 2) WIDE_TEN(F, T, 3)                                   \
    WIDE_TEN(F, T, 4) WIDE_TEN(F, T, 5) WIDE_TEN(F, T, 6) WIDE_TEN(F, T, 7)
PK_STRUCT(wide, WIDE)

TEST_TORTURE(types, more_than_64_fields_are_watched)
{
    for (int leave = 79; leave <= 80; leave++) {
        pk_mem mem = {test_alloc(), NULL, NULL, 0};
        pk_error err = {0};
        char text[2000] = "{";
        size_t len = 1;
        wide v;
        for (int i = 79; i >= 0; i--) { // backwards: the worst order
            if (i != leave) {
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"f%02d\":%d", len > 1 ? "," : "", i, i);
            }
        }
        text[len++] = '}';
        pk_err rc = pk_json_decode(&mem, &pk_type_wide, (pk_str){text, len}, &v, &err);
        if (rc == PK_ERR_NO_MEMORY) {
            CHECK_STR(err.msg, "cannot decode JSON: out of memory");
        } else if (leave == 80) {
            CHECK_OK(rc);
            CHECK_INT(v.f00, ==, 0);
            CHECK_INT(v.f64, ==, 64);
            CHECK_INT(v.f79, ==, 79);
        } else {
            CHECK_ERR(rc, PK_ERR_SERIALIZE);
            CHECK_STR(err.msg, PK__SMALL ? "cannot decode wide: f79: it is missing"
                                         : "cannot decode wide: f79: it is missing (line 1, column 703, offset 702)");
        }
        pk_mem_free(&mem);
    }
}

/* ---- memory */

TEST(types, a_warm_message_allocates_nothing)
{
    everything v = {.mem = {test_alloc(), NULL, NULL, 0}};
    REQUIRE_OK(pk_json_decode(&v.mem, &pk_type_everything, pk_str_from(full), &v, NULL));
    pk_mem_reset(&v.mem);
    REQUIRE_OK(pk_json_decode(&v.mem, &pk_type_everything, pk_str_from(full), &v, NULL));
    pk_mem_reset(&v.mem);
    long before = test_points.count;
    for (int i = 0; i < 10; i++) {
        REQUIRE_OK(pk_json_decode(&v.mem, &pk_type_everything, pk_str_from(full), &v, NULL));
        pk_mem_reset(&v.mem);
    }
    CHECK_INT(test_points.count, ==, before);
    pk_mem_free(&v.mem);
    before = test_points.count;
    point p;
    pk_mem cold = {test_alloc(), NULL, NULL, 0};
    REQUIRE_OK(pk_json_decode(&cold, &pk_type_point, PK_STR("{\"x\":1,\"name\":\"a name\"}"), &p, NULL));
    CHECK_INT(test_points.count, ==, before + 1);
    pk_mem_free(&cold);
}

TEST(types, into_bytes_of_the_caller_it_does_not_allocate)
{
    static const char message[] = // 200 bytes
        "{\"text\":\"a\\u00e9b\",\"bytes\":\"AP9/\",\"any\":[1,{}],\"wait\":9,\"yes\":true,\"i32\":-1,\"u32\":2,"
        "\"i64\":-3,\"u64\":4,\"real\":0.12345,\"level\":\"low\",\"point\":{\"x\":1},\"numbers\":[1,2],"
        "\"points\":[{\"x\":2}],\"names\":{\"a\":\"12\"}}";
    char room[2048];
    everything v;
    long before = test_points.count;
    CHECK_UINT(sizeof(message) - 1, ==, 200);
    for (int i = 0; i < 3; i++) { // the bytes are used again
        memset(&v, 0, sizeof(v));
        pk_mem_over(&v.mem, room, sizeof(room), test_alloc());
        REQUIRE_OK(decode(&v.mem, &pk_type_everything, message, &v, NULL));
        CHECK_PK_STR(v.text, "a\xC3\xA9" "b");
        CHECK(v.u64 == 4 && v.numbers.count == 2 && v.points.items[0].x == 2 && v.names.count == 1);
        CHECK_INT(test_points.count, ==, before);
        pk_mem_free(&v.mem);
    }
    /* The whole of a longer one, where no other memory is to be had. */
    char more_room[8192];
    pk_mem_over(&v.mem, more_room, sizeof(more_room), NULL);
    REQUIRE_OK(decode(&v.mem, &pk_type_everything, full, &v, NULL));
    CHECK_UINT(v.places.count, ==, 1);
    CHECK((const char *)v.places.keys[0].ptr >= more_room && v.places.keys[0].ptr < more_room + sizeof(more_room));
    pk_mem_free(&v.mem);
}

TEST_TORTURE(types, survives_lack_of_memory)
{
    everything v = {.mem = {test_alloc(), NULL, NULL, 0}};
    loose l;
    pk_error err = {0};
    pk_buf buf;
    char text[4000] = "{\"free\":{\"k\":0";
    size_t len = strlen(text);
    for (int i = 0; i < 100; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"k%d\":%d", i % 60, i);
    }
    (void)snprintf(text + len, sizeof(text) - len, "}}");
    pk_buf_init(&buf, test_alloc(), 10000);
    if (TRY_OK(pk_json_decode(&v.mem, &pk_type_everything, pk_str_from(full), &v, &err)) &&
        TRY_OK(pk_json_encode(&buf, &pk_type_everything, &v, &err)) &&
        TRY_OK(pk_json_decode(&v.mem, &pk_type_loose, pk_str_from(text), &l, &err))) {
        CHECK_PK_STR(pk_buf_str(&buf), full);
        CHECK_UINT(l.free.count, ==, 61);
    } else {
        CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
        CHECK_CONTAINS(err.msg, "out of memory");
    }
    pk_buf_free(&buf);
    pk_mem_free(&v.mem);
}

/* ---- encoding */

static void check_encode_fails(const pk_type *type, const void *in, pk_err code, const char *message)
{
    pk_buf buf;
    pk_error err = {0};
    pk_buf_init(&buf, test_alloc(), 1000);
    (void)pk_buf_add(&buf, PK_STR("before"));
    CHECK_ERR(pk_json_encode(&buf, type, in, &err), code);
    CHECK_STR(err.msg, message);
    CHECK_PK_STR(pk_buf_str(&buf), "before"); // nothing half done
    pk_buf_free(&buf);
}

TEST(types, encoding_says_what_cannot_be_written)
{
    config c;
    memset(&c, 0, sizeof(c));
    pk_str key = PK_STR_INIT("bad \xFF key");
    int32_t value = 1;
    retry list[2];
    memset(list, 0, sizeof(list));
    list[1].by_code.keys = &key;
    list[1].by_code.values = &value;
    list[1].by_code.count = 1;
    c.all.items = list;
    c.all.count = 2;
    check_encode_fails(&pk_type_config, &c, PK_ERR_SERIALIZE,
        "cannot encode config: all[1].by code.bad \\xff key: a string is not UTF-8");

    point p = {.x = (double)NAN};
    check_encode_fails(&pk_type_point, &p, PK_ERR_SERIALIZE, "cannot encode point: x: a number is not finite");
    p.x = 0;
    p.has_name = true;
    p.name = PK_STR("\xC3");
    check_encode_fails(&pk_type_point, &p, PK_ERR_SERIALIZE, "cannot encode point: name: a string is not UTF-8");

    loose v;
    memset(&v, 0, sizeof(v));
    v.has_any = true;
    v.any = PK_STR("{bad}");
    check_encode_fails(&pk_type_loose, &v, PK_ERR_SERIALIZE, "cannot encode loose: any: a raw value is not JSON");
    memset(&v, 0, sizeof(v));
    v.has_level = true;
    v.level = level__count;
    check_encode_fails(&pk_type_loose, &v, PK_ERR_SERIALIZE, "cannot encode loose: level: the enum's value has no na"
        "me");

    pk_str text = PK_STR_INIT("top \x80");
    check_encode_fails(&pk_type_pk_str, &text, PK_ERR_SERIALIZE, "cannot encode pk_str: a string is not UTF-8");

    pk_buf buf;
    pk_error err = {0};
    p.name = PK_STR("a name that is too long");
    pk_buf_init(&buf, test_alloc(), 20);
    CHECK_ERR(pk_json_encode(&buf, &pk_type_point, &p, &err), PK_ERR_LIMIT);
    CHECK_STR(err.msg, "cannot encode point: the buffer is full");
    CHECK_UINT(buf.len, ==, 0);
    pk_buf_free(&buf);
}

TEST(types, empty_values_have_their_forms)
{
    loose v;
    pk_buf buf;
    memset(&v, 0, sizeof(v));
    pk_buf_init(&buf, test_alloc(), 1000);
    CHECK_OK(pk_json_encode(&buf, &pk_type_loose, &v, NULL));
    CHECK_PK_STR(pk_buf_str(&buf), "{\"list\":[],\"map\":{},\"free\":{}}");
    pk_buf_clear(&buf);
    v.has_text = v.has_any = v.has_bytes = true; // present, and empty
    CHECK_OK(pk_json_encode(&buf, &pk_type_loose, &v, NULL));
    CHECK_PK_STR(pk_buf_str(&buf), "{\"text\":\"\",\"any\":null,\"list\":[],\"map\":{},\"free\":{},\"bytes\":\"\"}");
    pk_buf_free(&buf);
}

TEST(types, free_json_stays_on_one_line)
{
    loose v;
    pk_buf buf;
    memset(&v, 0, sizeof(v));
    v.has_any = true;
    v.any = PK_STR("{\r\n  \"a\": 1\n}");
    pk_buf_init(&buf, test_alloc(), 1000);
    CHECK_OK(pk_json_encode(&buf, &pk_type_loose, &v, NULL));
    CHECK_PK_STR(pk_buf_str(&buf), "{\"any\":{  \"a\": 1},\"list\":[],\"map\":{},\"free\":{}}");
    pk_buf_free(&buf);
}

/* ---- values that are no structs */

TEST(types, any_type_can_be_a_whole_body)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk_str text;
    int64_t number;
    level l = LEVEL_LOW;
    pk_buf buf;
    CHECK_OK(decode(&mem, &pk_type_pk_str, " \"hi\" ", &text, NULL));
    CHECK_PK_STR(text, "hi");
    CHECK_OK(decode(&mem, &pk_type_int64_t, "-7", &number, NULL));
    CHECK_INT(number, ==, -7);
    CHECK_OK(decode(&mem, &pk_type_level, "\"middle\"", &l, NULL));
    CHECK_INT(l, ==, LEVEL_MIDDLE);
    CHECK_ERR(decode(&mem, &pk_type_int64_t, "-7 1", &number, NULL), PK_ERR_BAD_JSON);
    CHECK_INT(number, ==, 0);
    CHECK_ERR(decode(&mem, &pk_type_int64_t, "", &number, NULL), PK_ERR_BAD_JSON);
    pk_buf_init(&buf, test_alloc(), 100);
    CHECK_OK(pk_json_encode(&buf, &pk_type_level, &l, NULL));
    CHECK_PK_STR(pk_buf_str(&buf), "\"middle\"");
    pk_buf_free(&buf);
    pk_mem_free(&mem);
}

TEST(types, nothing_and_raw_bytes_are_no_json)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk_none none = {'x'};
    pk_blob blob;
    pk_error err = {0};
    pk_buf buf;
    memset(&blob, 0, sizeof(blob));
    pk_buf_init(&buf, test_alloc(), 100);
    CHECK_OK(pk_json_decode(&mem, &pk_type_pk_none, PK_STR("not even JSON"), &none, NULL));
    CHECK_OK(pk_json_encode(&buf, &pk_type_pk_none, &none, NULL));
    CHECK_UINT(buf.len, ==, 0);
    CHECK_ERR(pk_json_decode(&mem, &pk_type_pk_blob, PK_STR("{}"), &blob, &err), PK_ERR_MISUSE);
    CHECK_STR(err.msg, "cannot decode pk_blob: it is raw bytes, not JSON");
    CHECK_ERR(pk_json_encode(&buf, &pk_type_pk_blob, &blob, &err), PK_ERR_MISUSE);
    CHECK_STR(err.msg, "cannot encode pk_blob: it is raw bytes, not JSON");
    pk_buf_free(&buf);
    pk_mem_free(&mem);
}

#define HOLLOW(F, T) F(T, REQ, pk_none, nothing, "nothing") F(T, OPT, pk_none, perhaps, "perhaps")
PK_STRUCT(hollow, HOLLOW)

TEST(types, a_member_that_is_nothing_takes_anything)
{
    static const char *const rows[] = {"{}", "{\"nothing\":null}", "{\"nothing\":[1,{}],\"perhaps\":\"x\"}"};
    for (size_t i = 0; i < 3; i++) {
        pk_mem mem = {test_alloc(), NULL, NULL, 0};
        hollow v;
        pk_buf buf;
        pk_buf_init(&buf, test_alloc(), 100);
        CHECK_OK(decode(&mem, &pk_type_hollow, rows[i], &v, NULL));
        CHECK_INT(v.has_perhaps, ==, i == 2);
        CHECK_OK(pk_json_encode(&buf, &pk_type_hollow, &v, NULL));
        CHECK_PK_STR(pk_buf_str(&buf), i == 2 ? "{\"nothing\":null,\"perhaps\":null}" : "{\"nothing\":null}");
        pk_buf_free(&buf);
        pk_mem_free(&mem);
    }
}

/* An enum may be as narrow as one byte (-fshort-enums): tables say how wide it is. */
TEST(types, enums_are_as_wide_as_their_tables_say)
{
    static const pk_enum_name names[] = {{0, "zero"}, {200, "two hundred"}};
    for (uint32_t size = 1; size <= 4; size *= 2) {
        const pk_type type = {"narrow", PK_TYPE_ENUM, size, 2, false, NULL, names, &pk_codec_enum};
        unsigned char bytes[8];
        pk_mem mem = {test_alloc(), NULL, NULL, 0};
        pk_buf buf;
        memset(bytes, 0xAA, sizeof(bytes));
        pk_buf_init(&buf, test_alloc(), 100);
        CHECK_OK(decode(&mem, &type, "\"two hundred\"", bytes, NULL));
        CHECK_INT(bytes[size], ==, 0xAA);
        CHECK_OK(pk_json_encode(&buf, &type, bytes, NULL));
        CHECK_PK_STR(pk_buf_str(&buf), "\"two hundred\"");
        pk_buf_free(&buf);
        pk_mem_free(&mem);
    }
}
