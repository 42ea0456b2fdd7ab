/* test_swar.c - eight bytes at a time, and as many as there are registers for: every byte at every place against the
 * plain loop. */
#include "unit.h"

static bool is_json_stop(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
}

static bool is_no_blank(unsigned char c)
{
    return c != ' ';
}

/* The first byte that a mask marks must be the first one for which the plain test is true. */
static void check_mask(const unsigned char *bytes, uint64_t mask, bool (*is_hit)(unsigned char c))
{
    unsigned first = 0;
    while (first < 8 && !is_hit(bytes[first])) {
        first++;
    }
    CHECK_INT(mask != 0, ==, first < 8);
    CHECK(mask == 0 || pk__swar_first(mask) == first);
}

TEST(swar, finds_the_first_hit_and_no_other)
{
    static const unsigned char others[] = {'a', ' ', 0x00, 0x1F, 0x21, 0x23, 0x5B, 0x5D, 0x7F, 0x80, 0xFF, '"', '\\'};
    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < 8; at++) {
            for (size_t o = 0; o < sizeof(others); o++) {
                unsigned char bytes[8];
                memset(bytes, others[o], sizeof(bytes));
                bytes[at] = (unsigned char)c;
                uint64_t word = pk__swar_load((const char *)bytes);
                check_mask(bytes, pk__swar_json(word), is_json_stop);
                check_mask(bytes, pk__swar_not(word, ' '), is_no_blank);
            }
        }
    }
}

TEST(swar, loads_the_first_byte_lowest)
{
    CHECK_UINT(pk__swar_load("\x01\x02\x03\x04\x05\x06\x07\x08"), ==, 0x0807060504030201);
    CHECK_UINT(pk__swar_reverse(0x0807060504030201), ==, 0x0102030405060708);
    CHECK_UINT(pk__swar_load(test_guarded("12345678", 8)), ==, 0x3837363534333231);
}

TEST(swar, reads_eight_digits)
{
    static const char *const rows[] = {"00000000", "00000001", "12345678", "99999999", "10000000", "90807060"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK(pk__swar_is_number(pk__swar_load(rows[i])));
        CHECK_UINT(pk__swar_number(pk__swar_load(rows[i])), ==, strtoul(rows[i], NULL, 10));
    }
    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < 8; at++) {
            char text[] = "19283746";
            text[at] = (char)c;
            CHECK_INT(pk__swar_is_number(pk__swar_load(text)), ==, c >= '0' && c <= '9');
        }
    }
}

static bool is_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* The same for words and for wide registers: where they mark first. */
static void check_wide(const unsigned char *bytes, uint64_t mask, bool (*is_hit)(unsigned char c))
{
    unsigned first = 0;
    while (first < PK__WIDE && !is_hit(bytes[first])) {
        first++;
    }
    CHECK_INT(mask != 0, ==, first < PK__WIDE);
    CHECK(mask == 0 || pk__wide_first(mask) == first);
}

TEST(swar, words_and_wide_registers_find_the_same)
{
    static const unsigned char others[] = {'a', ' ', 0x00, 0x1F, 0x21, 0x23, 0x5B, 0x5D, 0x7F, 0x80, 0xFF, '"', '\\'};
    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < PK__WIDE; at++) {
            for (size_t o = 0; o < sizeof(others); o++) {
                unsigned char bytes[PK__WIDE];
                memset(bytes, others[o], sizeof(bytes));
                bytes[at] = (unsigned char)c;
                pk__wide piece = pk__wide_load((const char *)bytes);
                check_wide(bytes, pk__wide_json(piece), is_json_stop);
                check_wide(bytes, pk__wide_escape(piece), is_escape);
                check_mask(bytes, pk__swar_escape(pk__swar_load((const char *)bytes)), is_escape);
            }
        }
    }
}

TEST(swar, stores_what_it_loads)
{
    char out[PK__WIDE + 1] = {0};
    const char *text = test_guarded("0123456789abcdef", PK__WIDE);
    pk__wide_store(out, pk__wide_load(text));
    CHECK_MEM(out, text, PK__WIDE);
    pk__swar_store(out, pk__swar_load("abcdefgh"));
    CHECK_MEM(out, "abcdefgh", 8);
}

TEST(swar, writes_eight_digits)
{
    for (uint32_t n = 0; n < 100000000; n += n < 100000 ? 1 : n % 9973 + 1) {
        char mine[9] = {0}, theirs[16];
        pk__swar_store(mine, pk__swar_digits(n) + PK__SWAR_ONES * '0');
        snprintf(theirs, sizeof(theirs), "%08u", (unsigned)n);
        if (strcmp(mine, theirs) != 0) {
            test__failed(__FILE__, __LINE__, "%s, expected %s", mine, theirs);
            return;
        }
    }
    CHECK_UINT(pk__swar_digits(99999999), ==, 0x0909090909090909);
}
