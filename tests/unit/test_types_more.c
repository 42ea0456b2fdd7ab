/* test_types_more.c - struct tables with defaults, with keys that are in no table, and readings that refuse. */
#include "unit.h"

#define MODE(V, T) V(T, MODE_FAST, "fast") V(T, MODE_SAFE, "safe")
PK_ENUM(mode, MODE)

#define RETRY(F, T)                                 \
    F(T, DEFAULT(3), int32_t, max, "max")           \
    F(T, DEFAULT("100ms"), pk_ns, delay, "delay")
PK_STRUCT(retry, RETRY)

#define SETTINGS(F, T)                                                             \
    F(T, REQ, pk_str, name, "name")                                                \
    F(T, DEFAULT(8080), uint32_t, port, "port")                                    \
    F(T, DEFAULT("a \"quoted\", \\u00e9 text"), pk_str, greeting, "greeting")      \
    F(T, DEFAULT(true), bool, verbose, "verbose")                                  \
    F(T, DEFAULT("safe"), mode, mode, "mode")                                      \
    F(T, DEFAULT(-0.5), double, factor, "factor")                                  \
    F(T, DEFAULT("AP9/"), pk_b64, bytes, "bytes")                                  \
    F(T, DEFAULT({"a": [1, 2]}), pk_json, any, "any")                              \
    F(T, DEFAULT({}), retry, retry, "retry")                                       \
    F(T, DEFAULT({"max": 7}), retry, again, "again")                               \
    F(T, LIST, retry, more, "more")
PK_MESSAGE(settings, SETTINGS)

static pk_err decode(pk_mem *mem, const pk_type *type, const char *text, const pk_json_options *options, void *out,
                     pk_error *err)
{
    size_t len = strlen(text);
    char *guarded = test_guarded(text, len);
    pk_err rc = pk_json_decode_with(mem, type, (pk_str){guarded, len}, options, out, err);
    test_guarded_free(guarded, len);
    return rc;
}

TEST(types_more, what_is_missing_or_null_has_its_default)
{
    static const char *const rows[] = {
        "{\"name\":\"n\",\"more\":[{},{\"max\":4}]}",
        "{\"more\":[{\"delay\":null},{\"max\":4}],\"any\":null,\"port\":null,\"name\":\"n\",\"retry\":{\"max\":null}}",
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i])
        {
            settings s = {.mem = {test_alloc(), NULL, NULL, 0}};
            CHECK_OK(decode(&s.mem, &pk_type_settings, rows[i], NULL, &s, NULL));
            CHECK_UINT(s.port, ==, 8080);
            CHECK_PK_STR(s.greeting, "a \"quoted\", \\u00e9 text");
            CHECK_STR(s.greeting.ptr, "a \"quoted\", \\u00e9 text"); // a NUL follows
            CHECK(s.verbose && s.mode == MODE_SAFE && s.factor == -0.5);
            CHECK_UINT(s.bytes.len, ==, 3);
            CHECK_MEM(s.bytes.ptr, "\x00\xFF\x7F", 3);
            CHECK_PK_STR(s.any, "{\"a\": [1, 2]}");
            CHECK(s.retry.max == 3 && s.retry.delay == 100000000);
            CHECK(s.again.max == 7 && s.again.delay == 100000000);
            CHECK_UINT(s.more.count, ==, 2);
            CHECK(s.more.items[0].max == 3 && s.more.items[1].max == 4 && s.more.items[0].delay == 100000000);
            pk_mem_free(&s.mem);
        }
    }
}

TEST(types_more, what_is_there_outranks_the_default_and_all_is_written)
{
    settings s = {.mem = {test_alloc(), NULL, NULL, 0}};
    pk_buf buf;
    static const char text[] =
        "{\"name\":\"n\",\"port\":1,\"greeting\":\"\",\"verbose\":false,\"mode\":\"fast\",\"factor\":2.5,"
        "\"bytes\":\"\",\"any\":0,\"retry\":{\"max\":0,\"delay\":1},\"again\":{\"max\":1,\"delay\":2},"
        "\"more\":[]}";
    CHECK_OK(decode(&s.mem, &pk_type_settings, text, NULL, &s, NULL));
    pk_buf_init(&buf, test_alloc(), 10000);
    CHECK_OK(pk_json_encode(&buf, &pk_type_settings, &s, NULL));
    CHECK_PK_STR(pk_buf_str(&buf), text);
    pk_buf_free(&buf);
    pk_mem_free(&s.mem);
}

#define ODD(F, T) F(T, DEFAULT("x"), int32_t, number, "number")
PK_STRUCT(odd, ODD)
#define ODDER(F, T) F(T, DEFAULT(1 2), int32_t, number, "number")
PK_STRUCT(odder, ODDER)

TEST(types_more, a_default_that_does_not_fit_is_a_mistake_of_the_program)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    odd v;
    odder w;
    pk_error err;
    CHECK_ERR(decode(&mem, &pk_type_odd, "{}", NULL, &v, &err), PK_ERR_MISUSE);
    CHECK_STR(err.msg, "cannot decode odd: the default of 'number' does not fit: \"x\"");
    CHECK_ERR(decode(&mem, &pk_type_odder, "{}", NULL, &w, &err), PK_ERR_MISUSE);
    CHECK_OK(decode(&mem, &pk_type_odd, "{\"number\":1}", NULL, &v, &err));
    pk_mem_free(&mem);
}

/* ---- keys that are in no table */

#define PLACE(F, T)               \
    F(T, REQ, double, x, "x")     \
    F(T, REST, int32_t, counts, "")
PK_STRUCT(place, PLACE)
#define OPEN(F, T)                \
    F(T, REQ, pk_str, name, "name") \
    F(T, OPT, place, here, "here")  \
    F(T, REST, pk_json, others, "")
PK_STRUCT(open_struct, OPEN)

TEST(types_more, other_keys_are_kept_and_written_again)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    open_struct v;
    pk_buf buf;
    CHECK_OK(decode(&mem, &pk_type_open_struct,
                    " {\"a\": [1, {}], \"name\":\"n\",\"\":null,\"b\\u0062\":\"x\","
                    "\"here\":{\"n\":1,\"x\":2,\"m\":3,\"k\":null}}", NULL,
                    &v, NULL));
    CHECK_UINT(v.others.count, ==, 3);
    CHECK_PK_STR(v.others.keys[0], "a");
    CHECK_PK_STR(v.others.values[0], "[1, {}]");
    CHECK_PK_STR(v.others.keys[1], "");
    CHECK_PK_STR(v.others.values[1], "null");
    CHECK_PK_STR(v.others.keys[2], "bb");
    CHECK_UINT(v.here.counts.count, ==, 2);
    CHECK(v.here.x == 2 && v.here.counts.values[0] == 1 && v.here.counts.values[1] == 3);
    pk_buf_init(&buf, test_alloc(), 1000);
    CHECK_OK(pk_json_encode(&buf, &pk_type_open_struct, &v, NULL));
    CHECK_PK_STR(pk_buf_str(&buf),
                 "{\"name\":\"n\",\"here\":{\"x\":2,\"n\":1,\"m\":3},\"a\":[1, {}],\"\":null,\"bb\":\"x\"}");
    pk_buf_free(&buf);
    pk_mem_free(&mem);
}

TEST(types_more, of_many_other_keys_the_last_of_equal_ones_counts)
{
    for (int count = 0; count < 70; count++) { // around the sizes where memory grows
        pk_mem mem = {test_alloc(), NULL, NULL, 0};
        open_struct v;
        char text[4000] = "{\"name\":\"n\"";
        size_t len = strlen(text);
        for (int i = 0; i < count; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"k%d\":%d", i % 40, i);
        }
        (void)snprintf(text + len, sizeof(text) - len, "}");
        CHECK_OK(decode(&mem, &pk_type_open_struct, text, NULL, &v, NULL));
        CHECK_UINT(v.others.count, ==, PK__MIN((size_t)count, 40));
        for (size_t i = 0; i < v.others.count; i++) {
            int key = 0, value = 0;
            CHECK_INT(sscanf(v.others.keys[i].ptr, "k%d", &key), ==, 1);
            CHECK_INT(sscanf(v.others.values[i].ptr, "%d", &value), ==, 1);
            CHECK(value % 40 == key && value + 40 >= count);
        }
        pk_json_options unique = {.unique_keys = true};
        CHECK_INT(decode(&mem, &pk_type_open_struct, text, &unique, &v, NULL), ==,
            count > 40 ? PK_ERR_BAD_JSON : PK_OK);
        pk_mem_free(&mem);
    }
}

TEST(types_more, a_value_of_another_kind_is_named_by_its_own_key)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    open_struct v;
    pk_error err;
    CHECK_ERR(decode(&mem, &pk_type_open_struct, "{\n \"name\":\"n\",\n \"here\":{\"x\":1,\"n\":\"1\"}}", NULL, &v,
        &err),
              PK_ERR_SERIALIZE);
    CHECK_STR(err.msg,
        "cannot decode open_struct: here.n: expected integer, got \"1\" (line 3, column 20, offset 34)");
    CHECK_ERR(decode(&mem, &pk_type_open_struct, "{\"name\":\"n\",\"z\":[1,]}", NULL, &v, &err), PK_ERR_BAD_JSON);
    pk_mem_free(&mem);
}

/* ---- what is refused */

#define RULES(F, T)                    \
    F(T, OPT, retry, retry, "retry")   \
    F(T, OPT, pk_json, free, "free")   \
    F(T, MAP, int32_t, map, "map")
PK_STRUCT(rules, RULES)

TEST(types_more, keys_that_stand_twice_or_are_not_known_are_refused_if_asked)
{
    static const struct {
        const char *json;
        pk_err twice;
        const char *light, *unknown;
    } rows[] = {
        {"{}", PK_OK, NULL, NULL},
        {"{\"retry\":{\"max\":1},\"map\":{\"a\":1,\"b\":1}}", PK_OK, NULL, NULL},
        {"{\"retry\":{\"max\":1,\"max\":1}}", PK_ERR_SERIALIZE,
         "retry.max: it stands there twice (line 1, column 25, offset 24)", NULL},
        {"{\"map\":{\"a\":1,\"b\":2,\"\\u0061\":2}}", PK_ERR_BAD_JSON, NULL, NULL},
        {"{\"free\":{\"a\":1,\"a\":2}}", PK_ERR_BAD_JSON, NULL, NULL},
        {"{\"retry\":{},\n\"retyr\":{}}", PK_OK, NULL, "retyr: there is no such key (line 2, column 9, offset 21)"},
        {"{\"retry\":{\"mxa\":1}}", PK_OK, NULL, "retry.mxa: there is no such key (line 1, column 17, offset 16)"},
        {"{\"x\":1,\"x\":1}", PK_ERR_BAD_JSON, NULL, "x: there is no such key (line 1, column 6, offset 5)"},
    };
    pk_json_options twice = {.unique_keys = true}, known = {.known_keys = true};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].json)
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            rules v;
            char message[256];
            pk_error err = {0};
            CHECK_OK(decode(&mem, &pk_type_rules, rows[i].json, NULL, &v, NULL));
            CHECK_INT(decode(&mem, &pk_type_rules, rows[i].json, &twice, &v, &err), ==, rows[i].twice);
            if (rows[i].twice) {
                CHECK_CONTAINS(err.msg, "stands there twice");
            }
            CHECK_INT(pk__types_decode(&mem, &pk_type_rules, pk_str_from(rows[i].json), &twice, &v, &err), ==,
                      rows[i].light ? PK_ERR_SERIALIZE : PK_OK);
            if (rows[i].light) {
                snprintf(message, sizeof(message), "cannot decode rules: %s", rows[i].light);
                CHECK_STR(err.msg, message);
            }
            CHECK_INT(decode(&mem, &pk_type_rules, rows[i].json, &known, &v, &err), ==,
                      rows[i].unknown ? PK_ERR_SERIALIZE : PK_OK);
            if (rows[i].unknown) {
                snprintf(message, sizeof(message), "cannot decode rules: %s", rows[i].unknown);
                CHECK_STR(err.msg, message);
            }
            pk_mem_free(&mem);
        }
    }
}

TEST(types_more, a_secret_is_not_quoted)
{
    static const char *const rows[] = {"{\"retry\":\"hush\"}", "{\"retry\":{\"max\":\"hush\"}}",
        "{\"map\":{\"a\":\"hush\"}}",
                                       "{\"free\":\"hush\"hush}", "{\"map\":{\"a\":\"hush\\x\"}}"};
    pk_json_options secret = {.secret = true};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i])
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            rules v;
            pk_error err = {0};
            CHECK(decode(&mem, &pk_type_rules, rows[i], &secret, &v, &err) != PK_OK);
            CHECK(strstr(err.msg, "expected") && !strstr(err.msg, "hush"));
            CHECK(decode(&mem, &pk_type_rules, rows[i], NULL, &v, &err) != PK_OK);
            CHECK_CONTAINS(err.msg, "hush");
            pk_mem_free(&mem);
        }
    }
}

TEST_TORTURE(types_more, nothing_is_lost_when_memory_is_short)
{
    settings s = {.mem = {test_alloc(), NULL, NULL, 0}};
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    open_struct v;
    pk_error err = {0};
    pk_json_options strict = {.unique_keys = true, .known_keys = true};
    char text[4000] = "{\"name\":\"n\"";
    size_t len = strlen(text);
    for (int i = 0; i < 100; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"k%d\":\"a longer text %d\"", i, i);
    }
    (void)snprintf(text + len, sizeof(text) - len, "}");
    if (TRY_OK(pk_json_decode_with(&s.mem, &pk_type_settings, PK_STR("{\"name\":\"n\"}"), &strict, &s, &err)) &&
        TRY_OK(pk_json_decode_with(&mem, &pk_type_open_struct, pk_str_from(text), &strict, &v, &err))) {
        CHECK_PK_STR(s.any, "{\"a\": [1, 2]}");
        CHECK_UINT(v.others.count, ==, 100);
    } else {
        CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
    }
    pk_mem_free(&s.mem);
    pk_mem_free(&mem);
}
