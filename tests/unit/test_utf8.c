/* test_utf8.c - UTF-8: what is well-formed and what is not, by RFC 3629. */
#include "unit.h"

/* Written from the RFC's grammar, not from the code: decodes, then looks at the code point. 0 = not well-formed. */
static size_t expected_len(const unsigned char *s, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (need == 0 || need > len) {
        return 0;
    }
    uint32_t code = need == 1 ? s[0] : s[0] & (0x7Fu >> need);
    for (size_t i = 1; i < need; i++) {
        if (s[i] >> 6 != 2) {
            return 0;
        }
        code = code << 6 | (s[i] & 63);
    }
    return code < least[need] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ? 0 : need;
}

TEST(utf8, knows_every_sequence_of_up_to_three_bytes)
{
    unsigned char s[4] = {0};
    size_t wrong = 0;
    for (uint32_t n = 0; n < 1u << 24; n++) {
        s[0] = (unsigned char)(n >> 16);
        s[1] = (unsigned char)(n >> 8);
        s[2] = (unsigned char)n;
        wrong += pk__utf8_len((const char *)s, (const char *)s + 3) != expected_len(s, 3);
        n += s[0] < 0xC0 ? 0xFFFF : 0; // the rest of the sequence does not matter
    }
    CHECK_UINT(wrong, ==, 0);
}

TEST(utf8, knows_sequences_of_four_bytes_by_their_ends)
{
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (unsigned a = 0xEE; a <= 0xFF; a++) {
        for (size_t n = 0; n < 10 * 10 * 10; n++) {
            unsigned char s[4] = {(unsigned char)a, edges[n / 100], edges[n / 10 % 10], edges[n % 10]};
            CASE("%02x %02x %02x %02x", s[0], s[1], s[2], s[3])
            {
                CHECK_UINT(pk__utf8_len((const char *)s, (const char *)s + 4), ==, expected_len(s, 4));
            }
        }
    }
}

TEST(utf8, writes_every_code_point_so_that_it_is_well_formed)
{
    size_t wrong = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char out[4];
        if (code == 0xD800) {
            code = 0xE000;
        }
        size_t len = pk__utf8_put(out, code);
        wrong += len != expected_len((const unsigned char *)out, len);
        wrong += len != (code < 0x80 ? 1u : code < 0x800 ? 2u : code < 0x10000 ? 3u : 4u);
    }
    CHECK_UINT(wrong, ==, 0);
}

TEST(utf8, accepts_and_refuses_texts)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"exactly8", true},
        {"\xC3\xA9t\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", true},
        {"a long line of ASCII and then \xE3\x81\x82", true},
        {"a long line of ASCII and then \xE3\x81", false},
        {"a long line \xFF and more of it", false},
        {"\x80", false},
        {"\xC0\x80", false},                 // an overlong NUL
        {"\xE0\x80\xAF", false},             // an overlong slash
        {"\xED\xA0\x80\xED\xB0\x80", false}, // surrogates, as CESU-8 has them
        {"\xF4\x90\x80\x80", false},         // U+110000
        {"\xF8\x88\x80\x80\x80", false},     // five bytes
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("row %zu", i)
        {
            size_t len = strlen(rows[i].text);
            pk_str text = {test_guarded(rows[i].text, len), len};
            CHECK_INT(pk__utf8_valid(text), ==, rows[i].valid);
        }
    }
    CHECK(pk__utf8_valid((pk_str){NULL, 0}));
    CHECK(pk__utf8_valid((pk_str){"a\0b", 3}));
}

TEST(utf8, never_reads_behind_the_end)
{
    static const char text[] = "ASCII \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 and eight more";
    EACH_PREFIX(text, sizeof(text) - 1, part, len)
    {
        const unsigned char *p = (const unsigned char *)part;
        size_t left = len, n = 1;
        while (left > 0 && (n = expected_len(p, left)) > 0) {
            p += n;
            left -= n;
        }
        CHECK_INT(pk__utf8_valid((pk_str){part, len}), ==, n > 0);
    }
}
