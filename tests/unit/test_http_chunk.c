/* test_http_chunk.c - the chunked coding. */
#include "unit.h"

/* Feeds the text in pieces of at most `piece` bytes, each against a guard page; collects the data. */
static pk__chunk_result decode(pk__http_chunk *c, const char *text, size_t len, size_t piece, pk_buf *out, size_t *used)
{
    pk__chunk_result r = PK__CHUNK_MORE;
    pk__http_chunk_init(c);
    *used = 0;
    for (size_t at = 0; at < len && r == PK__CHUNK_MORE; at += piece) {
        size_t n = PK__MIN(piece, len - at);
        char *part = test_guarded(text + at, n);
        pk_str in = {part, n}, data;
        while ((r = pk__http_chunk_next(c, &in, &data)) == PK__CHUNK_DATA) {
            CHECK_UINT(data.len, >, 0);
            CHECK(pk_buf_add(out, data));
        }
        *used += n - in.len;
        test_guarded_free(part, n);
    }
    return r;
}

static void check_good(const char *text, const char *data, size_t rest)
{
    size_t len = strlen(text), used;
    for (size_t piece = 1; piece <= len; piece++) {
        CASE("%s in pieces of %zu", text, piece)
        {
            pk__http_chunk c;
            pk_buf out;
            pk_buf_init(&out, test_alloc(), 1 << 20);
            CHECK_INT(decode(&c, text, len, piece, &out, &used), ==, PK__CHUNK_DONE);
            CHECK_PK_STR(pk_buf_str(&out), data);
            if (piece == len) {
                CHECK_UINT(used, ==, len - rest);
            }
            pk_buf_free(&out);
        }
    }
}

TEST(http_chunk, decodes_in_any_pieces)
{
    check_good("0\r\n\r\n", "", 0);
    check_good("5\r\nhello\r\n0\r\n\r\n", "hello", 0);
    check_good("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /", "hello world", 5);
    check_good("A\r\n0123456789\r\na\r\nabcdefghij\r\n000\r\n\r\n", "0123456789abcdefghij", 0);
    check_good("1;a=b;c=\"d e\"\r\nx\r\n0;last\r\nTrailer: dropped\r\nX:\r\n\r\n", "x", 0);
    check_good("1 \t;a\r\nx\r\n0\r\n\r\n", "x", 0);
    check_good("1;a;b ; c\t;\td\r\nx\r\n0\r\n\r\n", "x", 0);
    check_good("1;a=b \t; c = d;e \t=\t f\r\nx\r\n0\r\n\r\n", "x", 0);
    check_good("1;!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~\r\nx\r\n0\r\n\r\n", "x", 0);
    check_good("1;a=\"\";b=\" \t;=,\\\"\\\\\\ \x80\\\xff\" ; c\r\nx\r\n0 ;a=\"\"\r\n\r\n", "x", 0);
    check_good("000000000000001\r\nx\r\n0\r\n\r\n", "x", 0);
    check_good("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", 0);
}

TEST(http_chunk, refuses_what_is_unclear)
{
    static const char *const rows[] = {
        "\r\n", ";a\r\n", "-1\r\nx\r\n0\r\n\r\n", "+1\r\nx\r\n0\r\n\r\n", "0x1\r\nx\r\n0\r\n\r\n", "1_0\r\n", " 1\r\n",
        "g\r\n", "1\nx\n0\n\n", "1\r\nx\n0\r\n\r\n", "1\r\nxy\r\n0\r\n\r\n", "1\r\r\nx", "1\rx", "1 \r\nx\r\n0\r\n\r\n",
        "1 x\r\n", "1;a\nb\r\nx\r\n0\r\n\r\n", "1;a\rb\r\nx\r\n0\r\n\r\n", "1;\x01\r\n", "1;\x7f\r\n",
        /* extensions: a name, and a value that is a token or in quotes, which end in the line */
        "1;\r\nx\r\n0\r\n\r\n", "1; \r\n", "1;;a\r\n", "1;a;\r\n", "1;=b\r\n", "1;a=\r\n", "1;a= \r\n", "1;a=;b\r\n",
        "1;a==b\r\n", "1;a=b=c\r\n", "1;a b\r\n", "1;a=b c\r\n", "1;a \r\n", "1;a=b \r\n", "1;a=b \t;\r\n",
        "1;a,b\r\n", "1;a=b,c\r\n", "1;a(b)\r\n", "1;\"a\"=b\r\n", "1;a\"\r\n", "1;a=b\"\r\n", "1;a=\"\r\n",
        "1;a=\"b\r\n", "1;a=\"b\\\r\n", "1;a=\"b\\\"\r\n", "1;a=\"\"b\r\n", "1;a=\"\"\"\"\r\n", "1;a=\"b\"=c\r\n",
        "1;a=\"b\" \r\n", "1;a=\"\x01\"\r\n", "1;a=\"\\\x7f\"\r\n", "1;a=\"\n\"\r\n", "1;a=\"\r\n\"\r\n",
        "1;a=\"\\\n\"\r\n", "1;\x80\r\n", "1;a=\xc3\xbc\r\n", "1;a\xc3\xbc=b\r\n", "1;a\n\r\n", "1;a=b\rx",
        "1;a=\"b\"\rx", "1;a=\"b\"\n", "1 ;\n", "1;[a]\r\n", "1 =a\r\n", "1=a\r\n", "1\"a\"\r\n", "1;a=/b\r\n",
        "1;a=b\\c\r\n", "1;a\\=b\r\n",
        "0000000000000001\r\nx\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "10000000000000000\r\n",
        "0\r\n\n", "0\r\nX\r\n\r\n", "0\r\n: x\r\n\r\n", "0\r\n X: y\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\nX: y\n\r\n",
        "0\r\nX: \x01\r\n\r\n", "0\r\n\rX", "0\n\n", "0\r\nX: y\r\n z\r\n\r\n",
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        size_t used;
        for (size_t piece = 1; piece <= strlen(rows[i]); piece++) {
            CASE("%s in pieces of %zu", rows[i], piece)
            {
                pk__http_chunk c;
                pk_buf out;
                pk_buf_init(&out, test_alloc(), 1 << 20);
                CHECK_INT(decode(&c, rows[i], strlen(rows[i]), piece, &out, &used), ==, PK__CHUNK_ERROR);
                CHECK(c.error != NULL);
                pk_str more = PK_STR("0\r\n\r\n"), data;
                CHECK_INT(pk__http_chunk_next(&c, &more, &data), ==, PK__CHUNK_ERROR); // for good
                pk_buf_free(&out);
            }
        }
    }
}

TEST(http_chunk, wants_more_of_every_prefix)
{
    static const char text[] = "5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n";
    EACH_PREFIX(text, sizeof(text) - 1, part, len)
    {
        pk__http_chunk c;
        pk_str in = {part, len}, data;
        pk__chunk_result r;
        pk__http_chunk_init(&c);
        while ((r = pk__http_chunk_next(&c, &in, &data)) == PK__CHUNK_DATA) {
        }
        CHECK_INT(r, ==, PK__CHUNK_MORE);
    }
}

static pk__chunk_result feed(pk__http_chunk *c, const char *text)
{
    pk_str in = pk_str_from(text), data;
    pk__chunk_result r;
    while ((r = pk__http_chunk_next(c, &in, &data)) == PK__CHUNK_DATA) {
    }
    return r;
}

TEST(http_chunk, caps_extensions_and_trailers_over_the_whole_message)
{
    pk__http_chunk c;
    pk__http_chunk_init(&c);
    int rounds = 0;
    while (feed(&c, "1;aaaaaaaaaaaaaaa\r\nx\r\n") == PK__CHUNK_MORE) {
        rounds++;
        REQUIRE(rounds < 1000);
    }
    CHECK_INT(rounds, ==, 4096 / 16);

    pk__http_chunk_init(&c);
    CHECK_INT(feed(&c, "0\r\n"), ==, PK__CHUNK_MORE);
    for (rounds = 0; feed(&c, "Name: value567\r\n") == PK__CHUNK_MORE; rounds++) {
        REQUIRE(rounds < 1000);
    }
    CHECK_INT(rounds, >=, 4096 / 16);
    CHECK_INT(rounds, <=, 4096 / 14);
}

TEST(http_chunk, writes_what_it_reads)
{
    char text[64];
    size_t at = pk__http_chunk_head(text, 10, true);
    CHECK_MEM(text, "a\r\n", 3);
    CHECK_UINT(at, ==, 3);
    at = pk__http_chunk_head(text, UINT64_C(0xfedcba987654321), false);
    CHECK_UINT(at, ==, 19);
    CHECK_MEM(text, "\r\nfedcba987654321\r\n", at);
    CHECK_UINT(pk__http_chunk_head(text, UINT64_MAX, false), ==, PK__CHUNK_HEAD_MAX);
    at = pk__http_chunk_head(text, 0, false);
    CHECK_MEM(text, "\r\n0\r\n\r\n", at);
    at = pk__http_chunk_head(text, 0, true);
    CHECK_MEM(text, "0\r\n\r\n", at);
}
