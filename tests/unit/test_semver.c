/* test_semver.c - versions: what is one, which is higher, and which are in a range. */
#include "unit.h"

static pk__semver version(const char *text)
{
    pk__semver v;
    size_t len = strlen(text);
    if (!pk__semver_parse((pk_str){test_guarded(text, len), len}, &v)) {
        FAIL("'%s' is a version", text);
    }
    return v;
}

TEST(semver, reads_all_parts)
{
    pk__semver v = version("1.20.300-rc.1.x-y+build.007");
    CHECK_UINT(v.part[0], ==, 1);
    CHECK_UINT(v.part[1], ==, 20);
    CHECK_UINT(v.part[2], ==, 300);
    CHECK_PK_STR(v.before, "rc.1.x-y");
    CHECK_PK_STR(v.build, "build.007");
    v = version("0.0.18446744073709551615");
    CHECK_UINT(v.part[2], ==, UINT64_MAX);
    CHECK_UINT(v.before.len, ==, 0);
}

TEST(semver, accepts_and_refuses)
{
    static const char *const good[] = {
        "0.0.0", "1.2.3", "10.20.30", "1.0.0-0", "1.0.0-a", "1.0.0--", "1.0.0-0a", "1.0.0-a.0.b", "1.0.0+1",
        "1.0.0+001", "1.0.0-a+b", "1.0.0+b-a", "1.0.0-alpha-a.b-c+d.e-f",
    };
    static const char *const bad[] = {
        "", "1", "1.2", "1.2.", ".1.2", "1..2", "1.2.3.", "1.2.3.4", "v1.2.3", "01.2.3", "1.02.3", "1.2.03", "1.2.3-",
        "1.2.3+", "1.2.3-+b", "1.2.3-a+", "1.2.3-01", "1.2.3-a..b", "1.2.3-a.", "1.2.3+a..b", "1.2.3+a+b", "-1.2.3",
        "1.-2.3", "1.2.3 ", " 1.2.3", "1.2.x", "a.b.c", "1.2.3-\xC3\xA9", "1.2.3-a_b", "18446744073709551616.0.0",
        "+1.2.3", "1.2.3-a@", "1.2.3-a[", "1.2.3-a`", "1.2.3-a{", "1.2.3-a/", "1.2.3-a:",
    };
    pk__semver v;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CASE("'%s'", good[i])
        {
            CHECK(pk__semver_parse(pk_str_from(good[i]), &v));
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CASE("'%s'", bad[i])
        {
            CHECK(!pk__semver_parse(pk_str_from(bad[i]), &v));
        }
    }
    CHECK(!pk__semver_parse((pk_str){NULL, 0}, &v));
    EACH_PREFIX("1.2.3-a.1+b.2", 13, part, len)
    {
        bool good_prefix = pk__semver_parse((pk_str){part, len}, &v);
        CHECK_INT(good_prefix, ==, len == 5 || len == 7 || len == 9 || len == 11);
    }
}

TEST(semver, orders_as_the_specification_does)
{
    static const char *const rising[] = {
        "0.0.0-0", "0.0.0", "0.0.1", "0.1.0", "0.9.9", "1.0.0-0", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0--",
        "1.0.0-10a", "1.0.0-A", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.1.0", "1.0.0-alpha.beta", "1.0.0-beta",
        "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.0.10", "1.2.0", "1.10.0", "2.0.0",
        "10.0.0", "18446744073709551615.0.0",
    };
    size_t count = sizeof(rising) / sizeof(rising[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            CASE("%s against %s", rising[i], rising[k])
            {
                pk__semver a = version(rising[i]), b = version(rising[k]);
                int order = pk__semver_compare(&a, &b);
                CHECK_INT((order > 0) - (order < 0), ==, (i > k) - (i < k));
            }
        }
    }
    pk__semver a = version("1.0.0+a"), b = version("1.0.0+b");
    CHECK_INT(pk__semver_compare(&a, &b), ==, 0);
}

TEST(semver, a_provider_serves_the_same_major_and_a_lower_minor)
{
    static const struct {
        const char *provider, *needed;
        bool serves;
    } rows[] = {
        {"1.2.0", "1.2.0", true},  {"1.2.0", "1.2.9", true},  {"1.3.0", "1.2.0", true},       {"1.1.9", "1.2.0", false},
        {"2.0.0", "1.2.0", false}, {"1.9.0", "2.0.0", false}, {"0.2.0", "0.1.0", true},       {"0.1.0", "0.2.0", false},
        {"1.0.0", "0.9.0", false}, {"1.10.0", "1.9.0", true}, {"1.2.0-rc.1", "1.2.0", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s for %s", rows[i].provider, rows[i].needed)
        {
            pk__semver provider = version(rows[i].provider), needed = version(rows[i].needed);
            CHECK_INT(pk__semver_serves(&provider, &needed), ==, rows[i].serves);
        }
    }
}

TEST(semver, ranges_take_in_what_they_say)
{
    static const struct {
        const char *range, *in, *out; // versions, separated by blanks
    } rows[] = {
        {"", "0.0.0 1.2.3 99.0.0", "1.0.0-rc.1"},
        {"*", "0.0.0 1.2.3", "1.0.0-rc.1"},
        {"1.2.3", "1.2.3 1.2.3+build", "1.2.4 1.2.2 1.3.3 2.2.3 1.2.3-rc.1"},
        {"1.2.3-rc.1", "1.2.3-rc.1", "1.2.3 1.2.3-rc.2 1.2.3-rc"},
        {"1.2", "1.2.0 1.2.99", "1.1.9 1.3.0 2.2.0 1.2.0-rc.1"},
        {"1", "1.0.0 1.99.0", "0.9.0 2.0.0"},
        {"^1.2.3", "1.2.3 1.2.4 1.9.0", "1.2.2 1.1.9 2.0.0 0.9.9 1.3.0-rc.1"},
        {"^1.2", "1.2.0 1.9.9", "1.1.9 2.0.0"},
        {"^1", "1.0.0 1.9.9", "0.9.9 2.0.0"},
        {"^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0 1.0.0"},
        {"^0.0.3", "0.0.3", "0.0.2 0.0.4 0.1.0"},
        {"^0.0", "0.0.0 0.0.9", "0.1.0 1.0.0"},
        {"^0", "0.0.0 0.9.9", "1.0.0"},
        {"^1.2.3-rc.2", "1.2.3-rc.2 1.2.3-rc.10 1.2.3 1.5.0", "1.2.3-rc.1 1.2.4-rc.3 2.0.0"},
        {"~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0 2.2.3"},
        {"~1.2", "1.2.0 1.2.9", "1.1.9 1.3.0"},
        {"~1", "1.0.0 1.9.9", "0.9.9 2.0.0"},
        {"~0.0.3", "0.0.3 0.0.9", "0.0.2 0.1.0"},
        {"=1.2.3", "1.2.3", "1.2.4 1.2.3-a"},
        {">=1.2.3", "1.2.3 1.2.4 2.0.0", "1.2.2 1.3.0-rc.1"},
        {">= 1.2.3", "1.2.3 9.0.0", "1.2.2"},
        {">1.2.3", "1.2.4 2.0.0", "1.2.3 1.2.2"},
        {">1.2", "1.3.0 2.0.0", "1.2.0 1.2.9"},
        {">=1.2", "1.2.0 1.2.9 2.0.0", "1.1.9 1.2.0-a"},
        {"<1.2.3", "1.2.2 0.0.0", "1.2.3 1.2.3-a 1.2.4"},
        {"<=1.2.3", "1.2.3 1.0.0", "1.2.4 1.2.3-a"},
        {"<1.2", "1.1.9", "1.2.0 1.2.0-a"},
        {"<=1.2", "1.2.0 1.2.9 1.1.0", "1.3.0"},
        {">=1.2.3 <2.0.0", "1.2.3 1.9.9", "1.2.2 2.0.0 2.0.0-a 1.4.0-a"},
        {"  >=1.0.0   <1.5  ", "1.0.0 1.4.9", "0.9.9 1.5.0"},
        {">=1.2.3-rc.1 <2", "1.2.3-rc.1 1.2.3-rc.2 1.2.3 1.9.9", "1.2.3-beta 1.2.4-rc.1 2.0.0"},
        {"^1.2.3 || ^3.0.0", "1.2.3 1.9.0 3.0.0 3.4.5", "1.2.2 2.0.0 4.0.0"},
        {"1.0.0||>=2.1.0 <2.2.0||~4", "1.0.0 2.1.0 2.1.9 4.9.9", "1.0.1 2.0.9 2.2.0 3.0.0 5.0.0"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int inside = 0; inside <= 1; inside++) {
            char list[100], *save = NULL;
            snprintf(list, sizeof(list), "%s", inside ? rows[i].in : rows[i].out);
            for (char *text = strtok_r(list, " ", &save); text; text = strtok_r(NULL, " ", &save)) {
                CASE("%s in %s", text, rows[i].range)
                {
                    pk__semver v = version(text);
                    CHECK_INT(pk__semver_matches(&v, pk_str_from(rows[i].range)), ==, inside);
                    CHECK(pk__semver_is_range(pk_str_from(rows[i].range)));
                }
            }
        }
    }
}

TEST(semver, what_is_no_range_holds_nothing)
{
    static const char *const bad[] = {
        "^", "~", "^*", "~*", "^^1.0.0", ">", ">=", "=>1.0.0", "><1.0.0", ">==1.0.0", "1.x", "1.*", "1.2-rc", "1+b",
        "^1.2-rc.1", "1.0.0 - 2.0.0", "1.0.0 | 2.0.0", "1.0.0|2.0.0", "|1.0.0", "1.0.0 || nothing", "1.0.0 and 2", "v1",
        "latest", "1.", ".", "01", "-1", "1.0.0,2.0.0", "1.0.0\t", ">= ^1.0.0",
    };
    pk__semver v = version("1.0.0");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CASE("'%s'", bad[i])
        {
            CHECK(!pk__semver_is_range(pk_str_from(bad[i])));
            CHECK(!pk__semver_matches(&v, pk_str_from(bad[i])));
        }
    }
}
