/* test_decimal.c - numbers compared, divided and hashed by their text. */
#include "unit.h"

static pk__decimal number(const char *text)
{
    size_t len = strlen(text);
    return pk__decimal_from((pk_str){test_guarded(text, len), len});
}

TEST(decimal, compares_exactly)
{
    /* Each line is smaller than the next; all on one line are equal. */
    static const char *const lines[] = {
        "-1e400 -10e399",
        "-98249283749234923498293171823948729348710298301928331",
        "-18446744073709551616",
        "-1.5 -15e-1 -0.15e1 -1500e-3",
        "-1 -1.0 -1e0",
        "-1e-400",
        "0 -0 0.0 -0.000 0e10 0e-10 0.0E+5",
        "1e-400 0.1e-399",
        "0.1 1e-1 0.10 0.01e1 100E-3",
        "0.10000000000000000000000000000000001",
        "0.3",
        "1 1.0 1.00 1e0 10e-1 0.1e1 0.001e3 1E+0 100e-2",
        "1.0000000000000000000000001",
        "9.9",
        "10 1e1 1E1 0.1e2 10.0",
        "9007199254740993",
        "9007199254740994",
        "18446744073709551615",
        "18446744073709551616 18446744073709551616.0 1844674407370955161600e-2",
        "1e308",
        "1e309 10e308",
        "1e999999",
    };
    enum { LINES = sizeof(lines) / sizeof(lines[0]) };
    for (size_t i = 0; i < LINES; i++) {
        for (size_t k = 0; k < LINES; k++) {
            char a[200], b[200], *save_a, *save_b;
            (void)snprintf(a, sizeof(a), "%s", lines[i]);
            for (char *x = strtok_r(a, " ", &save_a); x; x = strtok_r(NULL, " ", &save_a)) {
                (void)snprintf(b, sizeof(b), "%s", lines[k]);
                for (char *y = strtok_r(b, " ", &save_b); y; y = strtok_r(NULL, " ", &save_b)) {
                    CASE("%s and %s", x, y)
                    {
                        char copy[200];
                        pk__decimal p = number(x);
                        (void)snprintf(copy, sizeof(copy), "%s", y);
                        pk__decimal q = pk__decimal_from(pk_str_from(copy));
                        int order = pk__decimal_compare(&p, &q);
                        CHECK_INT((order > 0) - (order < 0), ==, (i > k) - (i < k));
                        CHECK_INT(pk__decimal_hash(&p) == pk__decimal_hash(&q), ==, i == k);
                    }
                }
            }
        }
    }
}

TEST(decimal, knows_integers)
{
    static const char *const yes[] = {"0", "-0", "0.0", "1", "1.0", "-1.00", "1e3", "1.5e1", "150e-1", "1E400", "0e-9",
                                      "98249283749234923498293171823948729348710298301928331", "1e9999999999999999999"};
    static const char *const no[] = {"0.1", "1.5", "1e-1", "15e-1", "1.00000000000000000000000001", "1e-400",
                                     "1e-9999999999999999999"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        pk__decimal d = number(yes[i]);
        CASE("%s", yes[i])
        {
            CHECK(pk__decimal_is_integer(&d));
        }
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        pk__decimal d = number(no[i]);
        CASE("%s", no[i])
        {
            CHECK(!pk__decimal_is_integer(&d));
        }
    }
}

TEST(decimal, gives_sizes)
{
    static const struct {
        const char *text;
        size_t value;
    } rows[] = {{"0", 0}, {"7", 7}, {"2.0", 2}, {"1e3", 1000}, {"120e-1", 12}, {"4294967295", 4294967295u},
                {"1e30", SIZE_MAX}, {"99999999999999999999999", SIZE_MAX}, {"1e999999999999", SIZE_MAX}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pk__decimal d = number(rows[i].text);
        CHECK_UINT(pk__decimal_to_size(&d), ==, rows[i].value);
    }
}

TEST(decimal, divides_exactly)
{
    static const struct {
        const char *number, *by;
        bool yes;
    } rows[] = {
        {"0", "3", true},
        {"9", "3", true},
        {"-9", "3", true},
        {"10", "3", false},
        {"0.3", "0.1", true}, // not as doubles
        {"0.35", "0.1", false},
        {"0.0075", "0.0001", true},
        {"0.00751", "0.0001", false},
        {"4.35", "0.01", true},
        {"4.355", "0.01", false},
        {"1.1", "0.11", true},
        {"1e308", "0.5", true},
        {"1e308", "3", false},
        {"3e308", "3", true},
        {"1e400", "1024", true},
        {"1e9", "1024", false},
        {"1e10", "1024", true},
        {"1e1000000000000", "999999999999999999", false},
        {"1e1000000000000", "576460752303423488", true}, // 2^59
        {"1e58", "576460752303423488", false},
        {"1e59", "576460752303423488", true},
        {"98249283749234923498293171823948729348710298301928331", "1", true},
        {"98249283749234923498293171823948729348710298301928331", "2", false},
        {"1.5", "1.5", true},
        {"1", "1.5", false},
        {"30", "1.5", true},
        {"5", "1e1", false},
        {"50", "1e1", true},
        {"1e-5", "1e-5", true},
        {"1e-6", "1e-5", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s / %s", rows[i].number, rows[i].by)
        {
            pk__divisor divisor;
            pk__decimal by = pk__decimal_from(pk_str_from(rows[i].by));
            CHECK(pk__decimal_to_divisor(&by, &divisor));
            pk__decimal d = number(rows[i].number);
            CHECK_INT(pk__decimal_is_multiple(&d, &divisor), ==, rows[i].yes);
        }
    }
    static const char *const bad[] = {"0", "-1", "1234567890123456789", "0.0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pk__divisor divisor;
        pk__decimal by = number(bad[i]);
        CHECK(!pk__decimal_to_divisor(&by, &divisor));
    }
}
