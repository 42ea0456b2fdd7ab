/* test_http_scan.c - the fast ways of looking at heads against the plain ones: the same answer to every input. */
#define UNIT_WHOLE
#include "unit.h"

typedef const char *(*scanner)(const char *p, const char *end);

static const char *token_plain(const char *p, const char *end)
{
    return pk__http_scan_class(p, end, PK__HTTP_TOKEN);
}

static const char *value_slow(const char *p, const char *end)
{
    return pk__http_scan_class(p, end, PK__HTTP_VALUE);
}

static const char *target_slow(const char *p, const char *end)
{
    return pk__http_scan_class(p, end, PK__HTTP_TARGET);
}

static const struct {
    const char *name;
    scanner slow, plain, best;
} scanners[] = {
    {"token", token_plain, token_plain, pk__http_scan_token},
    {"value", value_slow, pk__http_scan_value_plain, pk__http_scan_value},
    {"target", target_slow, pk__http_scan_target_plain, pk__http_scan_target},
};

/* Every byte at every place of a text of any length up to four registers, which ends at a page that is not there. */
TEST(http_scan, stops_at_the_same_byte_however_it_looks)
{
    enum { MOST = 67 };
    for (size_t k = 0; k < PK__COUNT(scanners); k++) {
        for (size_t len = 0; len <= MOST; len++) {
            char text[MOST];
            memset(text, 'a', sizeof(text));
            char *p = test_guarded(text, len);
            for (size_t at = 0; at < PK__MAX(len, (size_t)1); at++) {
                for (int byte = 0; byte < 256; byte++) {
                    if (len > 0) {
                        p[at] = (char)byte;
                    }
                    size_t want = (size_t)(scanners[k].slow(p, p + len) - p);
                    if ((size_t)(scanners[k].plain(p, p + len) - p) != want ||
                        (size_t)(scanners[k].best(p, p + len) - p) != want) {
                        CASE("%s, byte %02x at %zu of %zu", scanners[k].name, byte, at, len)
                        {
                            CHECK_UINT(scanners[k].plain(p, p + len) - p, ==, want);
                            CHECK_UINT(scanners[k].best(p, p + len) - p, ==, want);
                        }
                    }
                }
                if (len > 0) {
                    p[at] = at % 5 == 0 ? '-' : at % 7 == 0 ? 'Z' : '7'; // what comes next has others before it
                }
            }
            test_guarded_free(p, len);
        }
    }
}

/* What stands where is written down, once: RFC 9110, 5.6.2 and 5.5; RFC 9112, 3; RFC 3986, 3.2.2. */
TEST(http_scan, knows_its_characters)
{
    static const char delimiters[] = "\"(),/:;<=>?@[\\]{}", host_others[] = "-._~!$&'()*+;=%";
    for (int byte = 0; byte < 256; byte++) {
        CASE("byte %02x", byte)
        {
            char c = (char)byte;
            bool printable = byte > 0x20 && byte < 0x7f;
            bool alnum = (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z' && byte < 0x80);
            CHECK_INT(pk__http_scan_class(&c, &c + 1, PK__HTTP_TOKEN) != &c, ==, printable && !strchr(delimiters, c));
            CHECK_INT(pk__http_scan_class(&c, &c + 1, PK__HTTP_TARGET) != &c, ==, printable);
            CHECK_INT(pk__http_scan_class(&c, &c + 1, PK__HTTP_VALUE) != &c, ==,
                      byte == '\t' || byte == ' ' || printable || byte >= 0x80);
            CHECK_INT(pk__http_scan_class(&c, &c + 1, PK__HTTP_HOST) != &c, ==,
                      alnum || (byte != 0 && strchr(host_others, c)));
        }
    }
}

static uint32_t seed = 88172645;

static uint32_t next(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

/* Lines as they come, with something odd in some of them. */
static size_t make_lines(char *out, size_t cap)
{
    static const char *const names[] = {"Host", "A", "Content-Length", "Sec-WebSocket-Extensions", "x_y", "X.Y", "DNT",
                                        "Access-Control-Request-Headers"};
    static const char *const blanks[] = {"", " ", " ", "  ", "\t", " \t "};
    static const char odd[] = "\r\n\t :\x7f\x80\xff";
    size_t at = 0;
    while (at + 160 < cap) {
        at += (size_t)snprintf(out + at, cap - at, "%s:%s", names[next(PK__COUNT(names))],
                               blanks[next(PK__COUNT(blanks))]);
        for (uint32_t n = next(4) == 0 ? next(90) : next(20); n > 0; n--) {
            out[at++] = (char)(0x20 + next(0x5f));
        }
        at += (size_t)snprintf(out + at, cap - at, "%s\r\n", blanks[next(PK__COUNT(blanks))]);
    }
    for (uint32_t n = next(3); n > 0; n--) {
        out[next((uint32_t)at)] = next(2) ? odd[next(sizeof(odd))] : (char)next(256);
    }
    return at;
}

/* The fast line may leave a line to the other reader, but it never reads one differently. */
TEST(http_scan, reads_lines_as_the_careful_reader_does)
{
    static const pk__http_limits limits = {16 * 1024, 8 * 1024, 100};
    size_t fast = 0, all = 0;
    for (int round = 0; round < 20000; round++) {
        char text[600];
        pk__http_head head;
        pk__http_scan scan;
        size_t len = make_lines(text, 161 + next(sizeof(text) - 161)), begin = next(20);
        char *guarded = test_guarded(text, len);
        const char *p = guarded + begin, *end = guarded + len;
        pk__http_head_init(&head, PK__HTTP_REQUEST, NULL, &limits);
        pk__http_scan_begin(&scan, guarded, p, end);
        while (p && p < end && *p != '\r') {
            pk_meta field = {{NULL, 0}, {NULL, 0}}, careful = field;
            const char *line = pk__http_scan_line(&scan, p, &field);
            p = pk__http_head_line(&head, p, end, &careful);
            all++;
            if (line) {
                fast++;
                REQUIRE(line == p);
                REQUIRE(field.name.ptr == careful.name.ptr && field.name.len == careful.name.len);
                REQUIRE(field.value.len == careful.value.len);
                REQUIRE(field.value.ptr == careful.value.ptr || field.value.len == 0);
            }
        }
        test_guarded_free(guarded, len);
    }
    CHECK_UINT(all, >, 50000);
#ifdef PK__HTTP_SCAN_WIDE
    CHECK_UINT(fast, >, all / 5);
#else
    CHECK_UINT(fast, ==, 0);
#endif
}
