/* test_swar.c - eight bytes at a time: every byte at every place against the plain loop. */
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
