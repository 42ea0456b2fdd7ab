/* test_number.c - numbers to text and back: grammar, edges of integers, rounding of doubles, shortest output.
 * strtod and printf are the judges here, and only here. Random tests print their seed; TEST_SEED=n repeats one. */
#define UNIT_WHOLE
#include "unit.h"

#include <fenv.h>
#include <float.h>
#include <math.h>

#include "comma.h"

static uint64_t next_random(void)
{
    static uint64_t state;
    if (state == 0) {
        const char *seed = getenv("TEST_SEED");
        state = seed ? strtoull(seed, NULL, 10) : (uint64_t)test__ms() * 2654435761u + (uint64_t)getpid();
        printf("# TEST_SEED=%llu\n", (unsigned long long)state);
        state |= 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545F4914F6CDD1D);
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* ---- grammar */

TEST(number, scan_follows_the_grammar_of_json)
{
    static const struct {
        const char *text;
        pk__number_kind kind;
        size_t end; // behind the number, or where it goes wrong
    } rows[] = {
        {"0", PK__NUMBER_INTEGER, 1},       {"-0", PK__NUMBER_INTEGER, 2},      {"7", PK__NUMBER_INTEGER, 1},
        {"1234567890", PK__NUMBER_INTEGER, 10}, {"-12,", PK__NUMBER_INTEGER, 3}, {"01", PK__NUMBER_INTEGER, 1},
        {"-01", PK__NUMBER_INTEGER, 2},     {"0x1F", PK__NUMBER_INTEGER, 1},    {"1_000", PK__NUMBER_INTEGER, 1},
        {"0.5", PK__NUMBER_REAL, 3},        {"-0.0", PK__NUMBER_REAL, 4},       {"1.25e3", PK__NUMBER_REAL, 6},
        {"1e5", PK__NUMBER_REAL, 3},        {"1E+05]", PK__NUMBER_REAL, 5},     {"1e-05", PK__NUMBER_REAL, 5},
        {"0e0", PK__NUMBER_REAL, 3},        {"1.0.0", PK__NUMBER_REAL, 3},      {"1e5.5", PK__NUMBER_REAL, 3},
        {"", PK__NUMBER_BAD, 0},            {"-", PK__NUMBER_BAD, 1},           {"+1", PK__NUMBER_BAD, 0},
        {".5", PK__NUMBER_BAD, 0},          {"-.5", PK__NUMBER_BAD, 1},         {"1.", PK__NUMBER_BAD, 2},
        {"1.e5", PK__NUMBER_BAD, 2},        {"1e", PK__NUMBER_BAD, 2},          {"1e+", PK__NUMBER_BAD, 3},
        {"1E-x", PK__NUMBER_BAD, 3},        {"NaN", PK__NUMBER_BAD, 0},         {"-Infinity", PK__NUMBER_BAD, 1},
        {"--1", PK__NUMBER_BAD, 1},         {"\xEF\xBC\x91", PK__NUMBER_BAD, 0}, // a full-width one
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("'%s'", rows[i].text)
        {
            size_t len = strlen(rows[i].text);
            const char *text = test_guarded(rows[i].text, len), *p = text;
            CHECK_INT(pk__number_scan(&p, text + len), ==, rows[i].kind);
            CHECK_UINT(p - text, ==, rows[i].end);
        }
    }
}

TEST(number, scan_and_conversion_stay_within_every_prefix)
{
    static const char text[] = "-123456789012345678901234567890.123456789012345678901234567890e-12345678901234567890";
    EACH_PREFIX(text, sizeof(text) - 1, part, len)
    {
        const char *p = part;
        double value;
        if (pk__number_scan(&p, part + len) != PK__NUMBER_BAD) {
            CHECK(p == part + len);
            CHECK(pk__number_to_double((pk_str){part, len}, &value));
        }
    }
}

/* ---- integers */

TEST(number, integers_are_exact_or_refused)
{
    static const struct {
        const char *text;
        bool is_int, is_uint;
        int64_t i;
        uint64_t u;
    } rows[] = {
        {"0", true, true, 0, 0},
        {"-0", true, true, 0, 0},
        {"1", true, true, 1, 1},
        {"-1", true, false, -1, 0},
        {"9007199254740993", true, true, 9007199254740993, 9007199254740993},
        {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
        {"9223372036854775808", false, true, 0, UINT64_C(9223372036854775808)},
        {"-9223372036854775808", true, false, INT64_MIN, 0},
        {"-9223372036854775809", false, false, 0, 0},
        {"18446744073709551615", false, true, 0, UINT64_MAX},
        {"18446744073709551616", false, false, 0, 0},
        {"18446744073709551620", false, false, 0, 0},
        {"-18446744073709551615", false, false, 0, 0},
        {"99999999999999999999", false, false, 0, 0},
        {"100000000000000000000000000000000000000000", false, false, 0, 0},
        {"1.0", false, false, 0, 0},
        {"1e3", false, false, 0, 0},
        {"-0.0", false, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].text)
        {
            int64_t value = 77;
            uint64_t size = 77;
            CHECK_INT(pk__number_to_int(pk_str_from(rows[i].text), &value), ==, rows[i].is_int);
            CHECK_INT(pk__number_to_uint(pk_str_from(rows[i].text), &size), ==, rows[i].is_uint);
            CHECK_INT(value, ==, rows[i].is_int ? rows[i].i : 77);
            CHECK_UINT(size, ==, rows[i].is_uint ? rows[i].u : 77);
        }
    }
}

static void check_integer(uint64_t bits)
{
    char mine[PK__NUMBER_CAP], theirs[40];
    int64_t i = (int64_t)bits, i_back;
    uint64_t u_back;
    size_t len = (size_t)(pk__number_put_int(mine, i) - mine);
    snprintf(theirs, sizeof(theirs), "%lld", (long long)i);
    CHECK_PK_STR(((pk_str){mine, len}), theirs);
    CHECK(pk__number_to_int((pk_str){mine, len}, &i_back) && i_back == i);
    len = (size_t)(pk__number_put_uint(mine, bits) - mine);
    snprintf(theirs, sizeof(theirs), "%llu", (unsigned long long)bits);
    CHECK_PK_STR(((pk_str){mine, len}), theirs);
    CHECK(pk__number_to_uint((pk_str){mine, len}, &u_back) && u_back == bits);
}

TEST(number, integers_come_back_from_text)
{
    uint64_t power = 1;
    for (int i = 0; i < 64; i++) {
        for (int d = -2; d <= 2; d++) {
            check_integer((UINT64_C(1) << i) + (uint64_t)d);
            check_integer(power + (uint64_t)d);
        }
        power *= 10;
    }
    for (int i = 0; i < 100000 && !test_now.failed; i++) {
        check_integer(next_random() >> next_random() % 64);
    }
}

TEST(number, whole_numbers_come_in_every_form)
{
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } rows[] = {
        {"0", true, 0}, {"-0.0e9", true, 0}, {"1", true, 1}, {"-1.9", true, -1}, {"1.5e9", true, 1500000000},
        {"150e-1", true, 15}, {"0.000000001e9", true, 1}, {"9.99e-1", true, 0}, {"5e-400", true, 0},
        {"0e999999999999999999999", true, 0}, {"1e18", true, INT64_C(1000000000000000000)}, {"1e19", false, 0},
        {"1e999999999999999999999", false, 0}, {"1e-999999999999999999999", true, 0},
        {"9223372036854775807", true, INT64_MAX}, {"9223372036854775807.9", true, INT64_MAX},
        {"9223372036854775808", false, 0}, {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775808.00", true, INT64_MIN}, {"-9223372036854775809", false, 0},
        {"922337203685477580700e-2", true, INT64_MAX}, {"92233720368547758070", false, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].text)
        {
            int64_t value = 77;
            CHECK_INT(pk__number_to_whole(pk_str_from(rows[i].text), &value), ==, rows[i].fits);
            CHECK_INT(value, ==, rows[i].fits ? rows[i].value : 77);
        }
    }
}

/* ---- powers of five, with a big integer made for nothing else */

typedef struct big {
    uint32_t limb[64];
} big;

static void big_add_twice(big *n) // n *= 2
{
    uint32_t carry = 0;
    for (size_t i = 0; i < 64; i++) {
        uint32_t out = n->limb[i] >> 31;
        n->limb[i] = n->limb[i] << 1 | carry;
        carry = out;
    }
}

static bool big_take(big *n, const big *other) // n -= other, if that is not negative
{
    big rest;
    uint64_t borrow = 0;
    for (size_t i = 0; i < 64; i++) {
        uint64_t d = (uint64_t)n->limb[i] - other->limb[i] - borrow;
        rest.limb[i] = (uint32_t)d;
        borrow = d >> 63;
    }
    if (!borrow) {
        *n = rest;
    }
    return !borrow;
}

static int big_bits(const big *n)
{
    int bits = 64 * 32;
    while (bits > 0 && !(n->limb[(bits - 1) / 32] >> (bits - 1) % 32 & 1)) {
        bits--;
    }
    return bits;
}

static int big_bit(const big *n, int at)
{
    return at < 0 ? 0 : (int)(n->limb[at / 32] >> at % 32 & 1);
}

TEST(number, every_power_of_five_is_exact_to_128_bits)
{
    for (int q = -343; q <= 324; q++) {
        big five = {{1}}, rest = {{0}};
        for (int i = 0; i < (q < 0 ? -q : q); i++) {
            uint64_t carry = 0;
            for (size_t k = 0; k < 64; k++) {
                carry += (uint64_t)five.limb[k] * 5;
                five.limb[k] = (uint32_t)carry;
                carry >>= 32;
            }
        }
        int bits = big_bits(&five);
        uint64_t words[2] = {0, 0};
        rest.limb[(bits - 1) / 32] = UINT32_C(1) << (bits - 1) % 32; // below five^-q: long division starts with it
        for (int i = 0; i < 128; i++) {
            int bit = big_bit(&five, bits - 1 - i);
            if (q < 0) {
                big_add_twice(&rest);
                bit = big_take(&rest, &five);
            }
            words[i / 64] = words[i / 64] << 1 | (uint64_t)bit;
        }
        pk__number_wide power = pk__number_power(q);
        CASE("5^%d", q)
        {
            CHECK_UINT(power.hi, ==, words[0]);
            CHECK_UINT(power.lo, ==, words[1]);
        }
    }
}

TEST(number, logarithms_are_rounded_down)
{
    for (int e = -1100; e <= 1100; e++) {
        CASE("%d", e)
        {
            CHECK_INT(pk__number_log10_of_2(e, false), ==, (int)floorl(e * 0.30102999566398119521L));
            CHECK_INT(pk__number_log10_of_2(e, true), ==,
                      (int)floorl(e * 0.30102999566398119521L - 0.12493873660829995313L));
            if (e >= -343 && e <= 324) {
                CHECK_INT(pk__number_log2_of_10(e), ==, (int)floorl(e * 3.32192809488736234787L));
            }
        }
    }
}

/* ---- doubles from text */

static void check_double(const char *text, size_t len)
{
    double mine = 77, theirs = strtod(text, NULL);
    bool good = pk__number_to_double((pk_str){text, len}, &mine);
    if (good != !isinf(theirs) || (good && bits_of(mine) != bits_of(theirs))) {
        test__failed(__FILE__, __LINE__, "%.400s: %s %a, expected %a", text, good ? "" : "refused", mine, theirs);
    }
}

TEST(number, the_nearest_double_is_found_in_hard_cases)
{
    static const struct {
        const char *text;
        uint64_t bits;
    } rows[] = {
        {"0", 0},
        {"-0", UINT64_C(1) << 63},
        {"-0.0e9", UINT64_C(1) << 63},
        {"0e99999999999999999999", 0},
        {"0.1", UINT64_C(0x3FB999999999999A)},
        {"9007199254740991", UINT64_C(0x433FFFFFFFFFFFFF)},   // 2^53 - 1
        {"9007199254740993", UINT64_C(0x4340000000000000)},   // 2^53 + 1 is a tie: to even
        {"9007199254740993.0", UINT64_C(0x4340000000000000)},
        {"9007199254740993.00000000000000000000000001", UINT64_C(0x4340000000000001)},
        {"9007199254740992.99999999999999999999999999", UINT64_C(0x4340000000000000)},
        {"9007199254740995", UINT64_C(0x4340000000000002)},   // the next tie goes up
        {"1.00000000000000011102230246251565404236316680908203125", UINT64_C(0x3FF0000000000000)}, // tie above 1
        {"1.00000000000000011102230246251565404236316680908203126", UINT64_C(0x3FF0000000000001)},
        {"1.00000000000000011102230246251565404236316680908203124", UINT64_C(0x3FF0000000000000)},
        {"0.500000000000000166533453693773481063544750213623046875", UINT64_C(0x3FE0000000000002)}, // tie, odd below
        {"1e23", UINT64_C(0x44B52D02C7E14AF6)},
        {"8.5", UINT64_C(0x4021000000000000)},
        {"2.2250738585072011e-308", UINT64_C(0x000FFFFFFFFFFFFF)}, // the largest subnormal one
        {"2.2250738585072012e-308", UINT64_C(0x0010000000000000)}, // hung PHP once
        {"2.2250738585072014e-308", UINT64_C(0x0010000000000000)},
        {"4.9406564584124654e-324", 1},
        {"5e-324", 1},
        {"3e-324", 1},
        {"2.4703282292062328e-324", 1},
        {"2.4703282292062327e-324", 0}, // below half of the least one
        {"2.47032822920623272088284396434110686182e-324", 0},
        {"2.47032822920623272088284396434110686183e-324", 1},
        {"7.4109846876186981626485318930233205854e-324", 1}, // 1.5 of the least, cut: below the tie
        {"7.4109846876186981626485318930233205855e-324", 2},
        {"1e-400", 0},
        {"-1e-99999999999999999999", UINT64_C(1) << 63},
        {"1.7976931348623157e308", UINT64_C(0x7FEFFFFFFFFFFFFF)},
        {"1.7976931348623158079372897140530341507993413271003782e308", UINT64_C(0x7FEFFFFFFFFFFFFF)},
        {"123456789012345678901234567890", UINT64_C(0x45F8EE90FF6C373E)},
        {"0.000000000000000000000000000000000000000000000000000000000000000000000001e72", UINT64_C(0x3FF0000000000000)},
        {"100000000000000000000000000000000000000000000000000e-50", UINT64_C(0x3FF0000000000000)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%.60s", rows[i].text)
        {
            double value = 77;
            CHECK(pk__number_to_double(pk_str_from(rows[i].text), &value));
            CHECK_UINT(bits_of(value), ==, rows[i].bits);
            check_double(rows[i].text, strlen(rows[i].text));
        }
    }
}

TEST(number, what_no_double_can_hold_is_refused)
{
    static const char *const rows[] = {
        "1e309", "-1e309", "1.7976931348623159e308", "17976931348623158079372897140530341507993413271003783e256",
        "1e400", "1e2147483648", "-1e99999999999999999999999999", "123456789e301",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i])
        {
            double value = 77;
            CHECK(!pk__number_to_double(pk_str_from(rows[i]), &value));
            CHECK(value == 77);
        }
    }
}

TEST(number, the_middle_between_two_doubles_is_decided_to_the_last_digit)
{
    static char text[1400];
    if (LDBL_MANT_DIG <= DBL_MANT_DIG) {
        SKIP("long doubles are no longer than doubles here");
    }
    for (int i = 0; i < 1000 && !test_now.failed; i++) {
        uint64_t bits = next_random() & ~(UINT64_C(1) << 63);
        bits >>= i % 8 ? 0 : next_random() % 63; // small ones are subnormal
        double low = double_of(bits), high = double_of(bits + 1);
        if (!isfinite(low) || !isfinite(high)) {
            continue;
        }
        /* The middle has one bit more than a double: with long doubles of 64 bits printf shows it exactly. */
        int len = snprintf(text, sizeof(text), "%.1100Lg", ((long double)low + high) / 2);
        check_double(text, (size_t)len);
        char *last = strpbrk(text, "e");
        char *at = last ? last - 1 : text + len - 1;
        char digit = *at;
        for (int step = -1; step <= 1 && digit > '0' && digit < '9'; step++) {
            *at = (char)(digit + step);
            check_double(text, (size_t)len);
        }
    }
}

TEST(number, long_texts_count_to_the_last_digit)
{
    static char text[4000];
    for (size_t zeros = 0; zeros < 3000; zeros += zeros < 40 ? 1 : 193) {
        size_t len = (size_t)snprintf(text, sizeof(text), "9007199254740993.");
        memset(text + len, '0', zeros);
        len += zeros;
        snprintf(text + len, sizeof(text) - len, "0");
        check_double(text, len + 1);
        snprintf(text + len, sizeof(text) - len, "1");
        check_double(text, len + 1);
        CHECK(pk__number_is_above_middle((pk_str){text, len + 1}, UINT64_C(0x4340000000000000)));

        memset(text, '0', zeros + 2);
        text[1] = '.';
        int more = snprintf(text + zeros + 2, 100, "1e%zu", zeros + 1);
        check_double(text, zeros + 2 + (size_t)more);
        text[0] = '1';
        memset(text + 1, '0', zeros);
        more = snprintf(text + zeros + 1, 100, "e-%zu", zeros);
        check_double(text, zeros + 1 + (size_t)more);
    }
}

/* ---- doubles to text */

/* How many significant digits the shortest text has, by trying; *text gets the first that comes back. */
static int shortest_by_trying(double value, char text[40])
{
    int digits = 1;
    while (digits < 17) {
        snprintf(text, 40, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value) {
            break;
        }
        digits++;
    }
    snprintf(text, 40, "%.*e", digits - 1, value);
    return digits;
}

/* The digits of a number without sign, point, exponent, and zeros at either end. */
static size_t digits_of(const char *text, char out[40])
{
    size_t len = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (len > 0 || *text != '0') && len < 39) {
            out[len++] = *text;
        }
    }
    while (len > 1 && out[len - 1] == '0') {
        len--;
    }
    out[len] = '\0';
    return len;
}

static void check_shortest(double value)
{
    char mine[PK__NUMBER_CAP + 1], theirs[40], mine_digits[40], theirs_digits[40];
    double back = 77;
    size_t len = (size_t)(pk__number_put_double(mine, value) - mine);
    REQUIRE(len <= PK__NUMBER_CAP);
    mine[len] = '\0';
    const char *p = mine;
    CHECK(pk__number_scan(&p, mine + len) != PK__NUMBER_BAD && p == mine + len);
    CHECK(pk__number_to_double((pk_str){mine, len}, &back) && bits_of(back) == bits_of(value));
    CHECK(bits_of(strtod(mine, NULL)) == bits_of(value));
    (void)shortest_by_trying(value, theirs);
    /* Above a power of two doubles are twice as far apart as below: there a shorter text can read back although it is
     * not what printf rounds to. Otherwise the digits are the same. */
    size_t mine_len = digits_of(mine, mine_digits), theirs_len = digits_of(theirs, theirs_digits);
    bool is_power = (bits_of(value) & (UINT64_MAX >> 12)) == 0;
    if (is_power ? mine_len > theirs_len : strcmp(mine_digits, theirs_digits) != 0) {
        test__failed(__FILE__, __LINE__, "%a: %s, expected %s", value, mine, theirs);
    }
}

TEST(number, doubles_are_written_as_people_would)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1.0, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"},
        {100.0, "100"},
        {123456.789, "123456.789"},
        {0.000001, "0.000001"},
        {0.0000012345, "0.0000012345"},
        {0.0000001, "1e-7"},
        {1.5e-7, "1.5e-7"},
        {9999999999999998.0, "9999999999999998"},
        {1e16, "1e16"}, // from here on doubles are no exact integers any more
        {12345678901234568.0, "1.2345678901234568e16"},
        {1e21, "1e21"},
        {1.5e300, "1.5e300"},
        {1e23, "1e23"},
        {9007199254740992.0, "9007199254740992"},
        {9007199254740993.0, "9007199254740992"},
        {5e-324, "5e-324"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {DBL_MAX, "1.7976931348623157e308"},
        {-DBL_MAX, "-1.7976931348623157e308"},
        {2e-323, "2e-323"},
        {4.5e15, "4500000000000000"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%a", rows[i].value)
        {
            char text[PK__NUMBER_CAP];
            size_t len = (size_t)(pk__number_put_double(text, rows[i].value) - text);
            CHECK_PK_STR(((pk_str){text, len}), rows[i].text);
            check_shortest(rows[i].value);
        }
    }
}

/* Whoever reads such a text as an integer gets the same number. */
TEST(number, doubles_without_point_and_exponent_are_exact)
{
    for (int i = 0; i < 100000 && !test_now.failed; i++) {
        double value = (double)(next_random() >> next_random() % 60);
        char text[PK__NUMBER_CAP];
        size_t len = (size_t)(pk__number_put_double(text, value) - text);
        uint64_t exact;
        if (pk__number_to_uint((pk_str){text, len}, &exact)) {
            CHECK_UINT(exact, ==, (uint64_t)value);
        } else {
            CHECK(value >= 1e16);
        }
    }
}

TEST(number, powers_and_their_neighbours_come_back_shortest)
{
    for (int e = 0; e < 2047; e++) { // the lower neighbour of a power of two is nearer than the upper one
        for (int d = -1; d <= 1; d++) {
            uint64_t bits = ((uint64_t)e << 52) + (uint64_t)d;
            if (bits < UINT64_C(0x7FF) << 52) {
                check_shortest(double_of(bits));
            }
        }
    }
    for (int e = -323; e <= 308; e++) {
        char text[16];
        snprintf(text, sizeof(text), "1e%d", e);
        uint64_t bits = bits_of(strtod(text, NULL));
        for (int d = -1; d <= 1; d++) {
            check_shortest(double_of(bits + (uint64_t)d));
        }
    }
}

TEST(number, random_doubles_come_back_shortest)
{
    for (int i = 0; i < 60000 && !test_now.failed; i++) {
        uint64_t bits = next_random();
        if (i % 4 == 1) { // few digits, as people write them
            bits = bits_of((double)(bits % 1000000) / 100.0);
        } else if (i % 4 == 2) {
            bits = bits_of((double)(int64_t)(bits >> bits % 50));
        } else if (i % 16 == 3) {
            bits &= UINT64_MAX >> 12; // subnormal
        }
        if (isfinite(double_of(bits))) {
            check_shortest(double_of(bits));
        }
    }
}

TEST(number, random_texts_become_what_strtod_makes_of_them)
{
    for (int i = 0; i < 200000 && !test_now.failed; i++) {
        char text[80];
        size_t len = 0, digits = (size_t)(1 + next_random() % 25), point = (size_t)(next_random() % 25);
        if (i % 5 == 0) {
            text[len++] = '-';
        }
        text[len++] = (char)('1' + next_random() % 9);
        for (size_t k = 1; k < digits; k++) {
            if (k == point) {
                text[len++] = '.';
            }
            text[len++] = (char)('0' + next_random() % 10);
        }
        int more = snprintf(text + len, 16, "e%d", (int)(next_random() % (i % 2 ? 60 : 700)) - (i % 2 ? 30 : 350));
        check_double(text, len + (size_t)more);
    }
}

/* ---- in one go */

/* What pk__number_take makes of a text is what grammar and conversions make of it, one after the other. */
static void check_take(const char *text, size_t len)
{
    const char *p = text, *q = text, *end = text + len;
    uint64_t bits = 77, u = 0;
    int64_t i = 0;
    double d = 0;
    pk__number_kind kind = pk__number_scan(&p, end);
    pk__number_form form = pk__number_take(&q, end, &bits);
    pk_str all = {text, (size_t)(p - text)};
    bool negative = len > 0 && text[0] == '-';
    CHECK(p == q);
    if (kind == PK__NUMBER_BAD) {
        CHECK_INT(form, ==, PK__NUMBER_NONE);
    } else if (kind == PK__NUMBER_REAL) {
        bool fits = pk__number_to_double(all, &d);
        CHECK_INT(form, ==, fits ? PK__NUMBER_DOUBLE : PK__NUMBER_TEXT);
        CHECK(!fits || bits == bits_of(d));
    } else if (negative) {
        bool fits = pk__number_to_int(all, &i) && i < 0;
        CHECK_INT(form, ==, fits ? PK__NUMBER_INT : PK__NUMBER_TEXT);
        CHECK(!fits || bits == (uint64_t)i);
    } else {
        bool fits = pk__number_to_uint(all, &u);
        CHECK_INT(form, ==, fits ? PK__NUMBER_UINT : PK__NUMBER_TEXT);
        CHECK(!fits || bits == u);
    }
    q = text;
    bits = 77;
    pk__number_form integer = pk__number_take_integer(&q, end, &bits);
    bool is_one = kind == PK__NUMBER_INTEGER;
    CHECK_INT(integer, ==, is_one ? form : PK__NUMBER_NONE);
    CHECK(q == (is_one ? p : text));
}

TEST(number, reading_in_one_go_gives_the_same)
{
    static const char *const rows[] = {
        "", "-", "0", "-0", "00", "-01", "01.5", "1", "-1", "12,", "1.5", "1.", "1.e", ".5", "1e", "1e+", "1e5",
            "1E-5]", "1e5.5",
        "0.0", "-0.0", "0e9", "-0e-999999999999", "1e999", "-1e999", "1e-999", "9223372036854775807",
            "9223372036854775808",
        "-9223372036854775808", "-9223372036854775809", "9999999999999999999", "10000000000000000000",
        "18446744073709551615", "18446744073709551616", "99999999999999999999", "123456789012345678901234567890",
        "0.1234567890123456789", "0.12345678901234567890123", "00.1", "12345678.12345678", "1234567890123456789.5",
        "0.000000000000000000000000000001", "9007199254740993.0", "9007199254740993.00000000000000000000000001",
        "2.2250738585072011e-308", "2.2250738585072014e-308", "4.9e-324", "2.4e-324", "1.7976931348623157e308",
        "1.7976931348623159e308", "179769313486231580793e289", "-x", "+1", "1x", "1-", "1.5.5",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t len = 0; len <= strlen(rows[i]); len++) {
            CASE("%.*s", (int)len, rows[i])
            {
                char *text = (char *)test_guarded(rows[i], len);
                check_take(text, len);
                test_guarded_free(text, len);
            }
        }
    }
    static const char alphabet[] = "0123456789000111999.-e+E,";
    for (int i = 0; i < 20000 && !test_now.failed; i++) {
        char text[32];
        size_t len = next_random() % sizeof(text);
        for (size_t k = 0; k < len; k++) {
            text[k] = alphabet[next_random() % (k < 2 ? 18 : sizeof(alphabet) - 1)];
        }
        CASE("%.*s", (int)len, text)
        {
            check_take(text, len);
        }
    }
}

TEST(number, integers_round_to_the_nearest_double)
{
    for (int i = 0; i < 20000 && !test_now.failed; i++) {
        uint64_t size = next_random() >> next_random() % 64;
        CHECK(bits_of(pk__number_round(size, false)) == bits_of((double)size));
        CHECK(bits_of(pk__number_round(size, true)) == bits_of(-(double)size));
    }
}

TEST(number, products_are_the_same_without_wide_integers)
{
    for (int i = 0; i < 20000; i++) {
        uint64_t a = next_random() >> next_random() % 64, b = next_random() >> next_random() % 64;
        pk__number_wide one = pk__number_mul(a, b), other = pk__number_mul_parts(a, b);
        CHECK(one.hi == other.hi && one.lo == other.lo);
    }
}

/* ---- both ways, as many as one likes */

static void check_round_trip(uint64_t bits)
{
    char text[PK__NUMBER_CAP];
    const char *p = text;
    uint64_t back = 0;
    double value = 0;
    if ((bits >> 52 & 0x7FF) == 0x7FF) {
        return;
    }
    size_t len = (size_t)(pk__number_put_double(text, double_of(bits)) - text);
    bool good = pk__number_to_double((pk_str){text, len}, &value) && bits_of(value) == bits;
    pk__number_form form = pk__number_take(&p, text + len, &back);
    if (form == PK__NUMBER_UINT || form == PK__NUMBER_INT) {
        back = bits_of(form == PK__NUMBER_UINT ? pk__number_round(back, false) : pk__number_round(0 - back, true));
    } else if (form == PK__NUMBER_TEXT) {
        back = bits; // -0: to_double was asked
    }
    if (!good || back != bits || p != text + len) {
        test__failed(__FILE__, __LINE__, "%a does not come back from %.*s", double_of(bits), (int)len, text);
    }
}

/* And no shorter text does: that of one digit less is another number. strtod and printf judge. */
static void check_no_shorter(uint64_t bits)
{
    char text[PK__NUMBER_CAP + 1], other[48], digits[40];
    if ((bits >> 52 & 0x7FF) == 0x7FF || bits << 1 == 0) {
        return;
    }
    double value = double_of(bits);
    size_t len = (size_t)(pk__number_put_double(text, value) - text);
    text[len] = '\0';
    size_t count = digits_of(text, digits);
    bool good = bits_of(strtod(text, NULL)) == bits;
    if (count > 1) {
        snprintf(other, sizeof(other), "%.*e", (int)count - 2, value);
        good = good && bits_of(strtod(other, NULL)) != bits;
    }
    if (!good) {
        test__failed(__FILE__, __LINE__, "%a: %s, and %s", value, text, count > 1 ? other : "-");
    }
}

/* TEST_DOUBLES=100000000 TEST_TIMEOUT_MS=3600000 build/unit/test_number every_double_comes_back */
TEST(number, every_double_comes_back)
{
    const char *text = getenv("TEST_DOUBLES");
    uint64_t count = text ? strtoull(text, NULL, 10) : 10000;
    for (uint64_t i = 0; i < count && !test_now.failed; i++) {
        uint64_t bits = next_random();
        check_round_trip(bits);
        check_no_shorter(bits);
    }
    for (int e = 0; e < 2047 && !test_now.failed; e++) { // the ends of every binade
        for (int d = -2; d <= 2; d++) {
            check_round_trip(((uint64_t)e << 52) + (uint64_t)(int64_t)d);
        }
    }
}

/* Every power of two and of ten with its neighbours, both signs, as all that an integer can be. */
TEST(number, every_edge_of_integers_comes_back)
{
    uint64_t ten = 1;
    for (int i = 0; i < 64 + 20; i++) {
        uint64_t edge = i < 64 ? UINT64_C(1) << i : ten;
        ten *= i < 64 ? 1 : 10;
        for (uint64_t d = 0; d <= 6; d++) {
            uint64_t u = edge + d - 3, bits = 77;
            char text[PK__NUMBER_CAP];
            const char *p = text;
            char *end = pk__number_put_uint(text, u);
            CHECK_INT(pk__number_take(&p, end, &bits), ==, PK__NUMBER_UINT);
            CHECK_UINT(bits, ==, u);
            CHECK(p == end);
            p = text;
            end = pk__number_put_int(text, (int64_t)u);
            CHECK_INT(pk__number_take(&p, end, &bits), ==, (int64_t)u < 0 ? PK__NUMBER_INT : PK__NUMBER_UINT);
            CHECK_UINT(bits, ==, u);
            CHECK(p == end);
        }
    }
}

/* ---- what must play no part */

static void check_some(const char *why)
{
    static const struct {
        const char *text;
        uint64_t bits;
    } rows[] = {
        {"0.1", UINT64_C(0x3FB999999999999A)},
        {"1.5", UINT64_C(0x3FF8000000000000)},
        {"1e23", UINT64_C(0x44B52D02C7E14AF6)},
        {"123456.789", UINT64_C(0x40FE240C9FBE76C9)},
        {"2.2250738585072014e-308", UINT64_C(0x0010000000000000)},
        {"5e-324", 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s %s", why, rows[i].text)
        {
            char text[PK__NUMBER_CAP];
            double value = 0;
            CHECK(pk__number_to_double(pk_str_from(rows[i].text), &value));
            CHECK_UINT(bits_of(value), ==, rows[i].bits);
            size_t len = (size_t)(pk__number_put_double(text, value) - text);
            CHECK_PK_STR(((pk_str){text, len}), rows[i].text);
        }
    }
}

TEST(number, the_rounding_mode_plays_no_part)
{
#if defined(FE_UPWARD) && defined(FE_DOWNWARD) && defined(FE_TOWARDZERO)
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (size_t i = 0; i < 3; i++) {
        REQUIRE(fesetround(modes[i]) == 0);
        check_some("mode");
    }
    (void)fesetround(FE_TONEAREST);
#else
    SKIP("this machine rounds in one way only");
#endif
}

TEST(number, the_locale_plays_no_part)
{
    if (!take_comma_locale()) {
        SKIP("no locale with a decimal comma is installed, and localedef makes none");
    }
    char text[PK__NUMBER_CAP];
    CHECK_INT(snprintf(text, sizeof(text), "%.1f", 1.5), ==, 3);
    CHECK_MEM(text, "1,5", 3); // it is at work
    check_some("comma");
    for (int i = 0; i < 20000 && !test_now.failed; i++) {
        check_round_trip(next_random());
    }
}
