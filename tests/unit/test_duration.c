/* test_duration.c - durations: what Go's time.ParseDuration takes, plain integers, overflow, and the way back. */
#include "unit.h"

TEST(duration, reads_what_people_write)
{
    static const struct {
        const char *text;
        pk_ns value;
    } rows[] = {
        {"0", 0},
        {"0s", 0},
        {"-0s", 0},
        {"+0", 0},
        {"42", 42},
        {"-42", -42},
        {"1ns", 1},
        {"1us", 1000},
        {"1\xC2\xB5s", 1000},
        {"1\xCE\xBCs", 1000},
        {"100ms", 100000000},
        {"1s", 1000000000},
        {"5m", 300000000000},
        {"2h", 7200000000000},
        {"1h30m", 5400000000000},
        {"1h2m3s4ms5us6ns", 3723004005006},
        {"30m1h", 5400000000000}, // any order, as in Go
        {"1s1s", 2000000000},
        {"1.5s", 1500000000},
        {"-1.5h", -5400000000000},
        {"+5s", 5000000000},
        {".5s", 500000000},
        {"1.s", 1000000000},
        {"00005s", 5000000000},
        {"0.000000001s", 1},
        {"0.0000000019s", 1}, // cut off
        {"0.9ns", 0},
        {"1.000000000999999999999999999999999999999999s", 1000000000},
        {"0.3333333333333333333h", 1199999999999},
        {"0.33333333333333333333333333333333333333333333h", 1199999999999},
        {"0.000000000000277777777777777777777777777777778h", 1}, // every digit counts
        {"0.000000000000277777777777777777777777777777777h", 0},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"9223372036854775807ns", INT64_MAX},
        {"-9223372036854775808ns", INT64_MIN},
        {"2562047h47m16.854775807s", INT64_MAX},
        {"-2562047h47m16.854775808s", INT64_MIN},
        {"9223372036.854775807s", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].text)
        {
            size_t len = strlen(rows[i].text);
            pk_ns value = 77;
            CHECK(pk__duration_parse((pk_str){test_guarded(rows[i].text, len), len}, &value));
            CHECK_INT(value, ==, rows[i].value);
        }
    }
}

TEST(duration, refuses_what_is_none_or_does_not_fit)
{
    static const char *const rows[] = {
        "", " ", "-", "+", "s", ".s", ".", "1.", "-.s", "5 m", " 5m", "5m ", "5M", "5d", "5w", "5min", "5sec", "5S",
        "1h-5m", "1h+5m", "--5s", "+-5s", "1..5s", "1e3s", "0x5s", "1,5s", "5m3", "5mss", "5\xC2s", "5\xC2\xB5", "5u",
        "5n", "1h 5m", "\xEF\xBC\x95s", "nan", "inf", "9223372036854775808", "-9223372036854775809",
        "9223372036854775808ns", "9223372037s", "2562048h", "2562047h47m16.854775808s", "99999999999999999999",
        "99999999999999999999h", "3000000h", "18446744073709551616ns", "9223372036854775807.5us", "106752d",
        "1h9223372036854775807ns", "1.5", "5s\n",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("'%s'", rows[i])
        {
            size_t len = strlen(rows[i]);
            pk_ns value = 77;
            CHECK(!pk__duration_parse((pk_str){test_guarded(rows[i], len), len}, &value));
            CHECK_INT(value, ==, 77);
        }
    }
    pk_ns value;
    CHECK(!pk__duration_parse((pk_str){NULL, 0}, &value));
    CHECK(!pk__duration_parse((pk_str){"5\0s", 3}, &value));
}

TEST(duration, every_prefix_is_read_within_its_bytes)
{
    static const char text[] = "-1h2.25m3.5s4ms5\xC2\xB5s6ns";
    static const char ends[] = "\2\3\10\14\16\17\23"; // behind -1, -1h, -1h2.25m and so on
    EACH_PREFIX(text, sizeof(text) - 1, part, len)
    {
        pk_ns value;
        bool good = pk__duration_parse((pk_str){part, len}, &value);
        CHECK_INT(good, ==, len > 0 && strchr(ends, (int)len) != NULL);
    }
}

TEST(duration, writes_the_shortest_exact_text)
{
    static const struct {
        pk_ns value;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1, "1ns"},
        {-1, "-1ns"},
        {999, "999ns"},
        {1000, "1us"},
        {1500, "1.5us"},
        {1000000, "1ms"},
        {250000000, "250ms"},
        {1000001, "1.000001ms"},
        {1000000000, "1s"},
        {1500000000, "1.5s"},
        {1000000001, "1.000000001s"},
        {60000000000, "1m"},
        {90000000000, "1m30s"},
        {300000000000, "5m"},
        {3600000000000, "1h"},
        {5400000000000, "1h30m"},
        {3600000000001, "1h0.000000001s"},
        {3601500000000, "1h1.5s"},
        {-5400000000000, "-1h30m"},
        {INT64_MAX, "2562047h47m16.854775807s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].text)
        {
            char text[PK__DURATION_CAP];
            pk_ns back;
            CHECK_UINT(pk__duration_format(text, rows[i].value), ==, strlen(rows[i].text));
            CHECK_STR(text, rows[i].text);
            CHECK(pk__duration_parse(pk_str_from(text), &back));
            CHECK_INT(back, ==, rows[i].value);
        }
    }
}

TEST(duration, all_sizes_come_back)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 200000 && !test_now.failed; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        pk_ns value = (pk_ns)(state >> i % 64), back = 0;
        char text[PK__DURATION_CAP];
        size_t len = pk__duration_format(text, value);
        CHECK(len < PK__DURATION_CAP && pk__duration_parse((pk_str){text, len}, &back));
        CHECK_INT(back, ==, value);
    }
}
