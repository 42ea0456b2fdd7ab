/* test_base64.c - base64 and hex: RFC 4648's vectors, strictness, every byte, in place. */
#include "unit.h"

static const struct {
    const char *bytes, *text;
} vectors[] = {
    {"", ""},           {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xFB\xFF\xFE", "+//+"},
};

/* Decodes into fresh memory: true and the bytes in *out, or false. */
static bool decode(const char *text, unsigned flags, char *out, size_t *len)
{
    size_t size = strlen(text);
    pk_str guarded = {test_guarded(text, size), size};
    bool good = pk__base64_decode(guarded, flags, out, len);
    test_guarded_free((char *)guarded.ptr, size);
    return good;
}

TEST(base64, follows_the_vectors_of_the_rfc)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        CASE("%s", vectors[i].text)
        {
            char bytes[16];
            size_t len = 99, size = strlen(vectors[i].bytes);
            pk_buf buf;
            pk_buf_init(&buf, test_alloc(), 100);
            CHECK(pk__base64_encode(&buf, (pk_str){test_guarded(vectors[i].bytes, size), size}));
            CHECK_PK_STR(pk_buf_str(&buf), vectors[i].text);
            CHECK(decode(vectors[i].text, PK__BASE64_STD, bytes, &len));
            CHECK_UINT(len, ==, size);
            CHECK_MEM(bytes, vectors[i].bytes, size);
            pk_buf_free(&buf);
        }
    }
}

TEST(base64, refuses_what_is_not_quite_base64)
{
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zg===", "Zg==Zg==", "Zh==", "Zm9=", "Zm8", "Zm 8=", "Zm8=\n", "=", "==", "====", "Z===",
        "Zm9v=", "Zm9v==", "Zm9v====", "-__-", "Zm9v\377g==", "*m9v", "Zm9,", "Zm9.", "Zm9[", "Zm9{", "Zm9@", "Zm9`",
        "Zm9:", "Zm9v+", "Z\x80 9",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CASE("'%s'", bad[i])
        {
            char bytes[32];
            size_t len;
            CHECK(!decode(bad[i], PK__BASE64_STD, bytes, &len));
        }
    }
    char bytes[8];
    size_t len;
    CHECK(!pk__base64_decode((pk_str){"Zm\0v", 4}, PK__BASE64_STD, bytes, &len));
}

TEST(base64, takes_other_forms_only_when_asked_to)
{
    static const struct {
        const char *text;
        unsigned flags;
        bool good;
    } rows[] = {
        {"Zg", PK__BASE64_UNPADDED, true},
        {"Zg==", PK__BASE64_UNPADDED, true},
        {"Zg=", PK__BASE64_UNPADDED, false},
        {"Zm9vYg", PK__BASE64_UNPADDED, true},
        {"Zm9vY", PK__BASE64_UNPADDED, false},
        {"Zh", PK__BASE64_UNPADDED, false},
        {"-__-", PK__BASE64_URL, true},
        {"+//+", PK__BASE64_URL, false},
        {"-__-", PK__BASE64_STD, false},
        {"-__", PK__BASE64_URL, false},
        {"-_8", PK__BASE64_URL | PK__BASE64_UNPADDED, true},
        {"", PK__BASE64_URL | PK__BASE64_UNPADDED, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("'%s' %u", rows[i].text, rows[i].flags)
        {
            char bytes[32];
            size_t len;
            CHECK_INT(decode(rows[i].text, rows[i].flags, bytes, &len), ==, rows[i].good);
        }
    }
}

TEST(base64, returns_every_byte_at_every_length)
{
    char bytes[259], text[512];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i * 7);
    }
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        pk_buf buf;
        size_t back = 0;
        pk_buf_init(&buf, test_alloc(), sizeof(text));
        REQUIRE(pk__base64_encode(&buf, (pk_str){bytes, len}));
        memcpy(text, buf.ptr ? buf.ptr : "", buf.len);
        CHECK(pk__base64_decode((pk_str){text, buf.len}, PK__BASE64_STD, text, &back)); // in place
        CHECK_UINT(back, ==, len);
        CHECK_MEM(text, bytes, len);
        pk_buf_free(&buf);
    }
}

TEST(base64, respects_the_limit_of_the_buffer)
{
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 7);
    CHECK(!pk__base64_encode(&buf, PK_STR("foobar")));
    CHECK_INT(buf.failed, ==, PK_ERR_LIMIT);
    CHECK_UINT(buf.len, ==, 0);
    CHECK(!pk__base64_encode(&buf, PK_STR("f"))); // a failure stays
    pk_buf_clear(&buf);
    CHECK(pk__base64_encode(&buf, PK_STR("f")));
    pk_buf_free(&buf);
    pk_buf_init(&buf, test_alloc(), 100);
    test_alloc_fail_at(1);
    CHECK(!pk__hex_encode(&buf, PK_STR("f")));
    CHECK_INT(buf.failed, ==, PK_ERR_NO_MEMORY);
    pk_buf_free(&buf);
}

TEST(hex, writes_lower_case_and_reads_both)
{
    char out[32];
    size_t len;
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 100);
    CHECK(pk__hex_encode(&buf, (pk_str){"\x00\x9F\xAB\xFF", 4}));
    CHECK_PK_STR(pk_buf_str(&buf), "009fabff");
    CHECK(pk__hex_decode(PK_STR("009FaBff"), out, &len));
    CHECK_UINT(len, ==, 4);
    CHECK_MEM(out, "\x00\x9F\xAB\xFF", 4);
    CHECK(pk__hex_decode(pk_buf_str(&buf), buf.ptr, &len)); // in place
    CHECK_MEM(buf.ptr, "\x00\x9F\xAB\xFF", 4);
    CHECK(pk__hex_decode(PK_STR(""), out, &len));
    CHECK_UINT(len, ==, 0);
    static const char *const bad[] = {"0", "0g", "g0", "00 ", "0x00", "/0", ":0", "@0", "G0", "`0", "\2600"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CASE("'%s'", bad[i])
        {
            CHECK(!pk__hex_decode(pk_str_from(bad[i]), out, &len));
        }
    }
    pk_buf_free(&buf);
}
