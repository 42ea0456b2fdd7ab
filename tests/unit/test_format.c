/* test_format.c - what strings of each format look like, and what is resolved to what. */
#include "unit.h"

typedef struct row {
    const char *format, *yes, *no; // strings with a '|' between them
} row;

static const row rows[] = {
    {"date", "2024-02-29|1900-02-28|2000-02-29|0000-01-31|9999-12-31",
     "2023-02-29|1900-02-29|2024-00-01|2024-13-01|2024-04-31|2024-1-1|24-01-01|2024-01-01T|2024/01/01|2024-01-0|x"},
    {"time", "00:00:00Z|23:59:59z|12:00:00.5+01:00|12:00:00.123456789-00:30|23:59:60Z|00:29:60+00:30|22:59:60-01:00",
     "24:00:00Z|12:60:00Z|12:00:61Z|12:00:00|12:00Z|12:00:00.Z|12:00:00+24:00|12:00:00+01:60|12:00:00+1:00|"
     "12:00:60Z|23:59:60+01:00|12:00:00Z |1:00:00Z"},
    {"date-time", "2024-05-31T12:00:00Z|2024-05-31t12:00:00z|1998-12-31T23:59:60Z|2024-05-31T12:00:00.1+05:30",
     "2024-05-31|2024-05-31 12:00:00Z|2024-05-31T12:00:00|2024-02-30T12:00:00Z|2024-05-31T12:00:00Zx"},
    {"duration", "P1Y|P1M|P1D|P1Y2M3D|P1YT1H|PT1H2M3S|PT36H|P4W|PT0S|P1DT12H",
     "P|PT|P1|1D|P1Y2D|PT1H2S|P1S|P1DT|P2D1Y|P1Y2W|P1W2D|PT1D|P-1D|p1d|P1.5D"},
    {"email", "a@b.c|a.b+c@example.com|\"a b\"@example.com|\"a\\\"b\"@x|!#$%&'*+-/=?^_`{}~@x|a@[127.0.0.1]|"
              "a@[IPv6:::1]|"
              "a@localhost",
     "|a|@b|a@|a@b@c d|.a@b|a.@b|a..b@c|a b@c|\"a@b|\"a\"b\"@c|a@-b|a@b-|a@[300.1.1.1]|a@[IPv6:x]|a@[127.0.0.1|"
     "\xC3\xA4@b|a@b..c"},
    {"idn-email", "\xC3\xA4@\xC3\xB6.de|\"\xC3\xA4 b\"@x|a@b", "a|\xC3\xA4|a@b c"},
    {"hostname", "a|a.b|a-b.c-d|1.2|xn--nxasmq6b|"
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "|.|a.|.a|a..b|-a|a-|a_b|a b|\xC3\xA4|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {"ipv4", "0.0.0.0|255.255.255.255|127.0.0.1",
     "|1.2.3|1.2.3.4.5|256.1.1.1|01.1.1.1|1.1.1.1 |1.1.1.-1|a.b.c.d|1..1.1"},
    {"ipv6", "::|::1|1::|1:2:3:4:5:6:7:8|1::8|::ffff:127.0.0.1|1:2:3:4:5:6:1.2.3.4|fe80::1|1:2:3:4:5:6:7::",
     "|:|:::|1|1:2:3:4:5:6:7|1:2:3:4:5:6:7:8:9|1::2::3|12345::|::g|::1:|:1::|fe80::1%eth0|::1.2.3|"
     "1:2:3:4:5:6:7:1.2.3.4|1:2:3:4:5:6:7:8::"},
    {"uri", "http://a|http://a:80/b?c#d|urn:a:b|mailto:a@b|http://u:p@[::1]:80/|file:///a|a:|http://[v1.x]/|a+b-c.1:x|"
            "http://%41/%42|http://a:/",
     "|a|/a|//a|http://a b|http://a/\\|http://a/%|http://a/%4|:a|1a:b|http://[::1|http://[x]|http://a:x|"
     "http://\xC3\xA4|http://a/<|a_b:c|http://[::1]x"},
    {"uri-reference", "|a|/a|//a/b|?q|#f|../a|http://a|a/b:c|./a:b", "a b|\\a|1a:b|:a|#a#b|%|\xC3\xA4|[a]"},
    {"iri", "http://\xC3\xA4/\xC3\xB6?\xC3\xBC#\xE6\xBC\xA2|http://a|http://a?\xEE\x80\x80",
     "a|http://a b|http://a/\xEE\x80\x80"},
    {"iri-reference", "\xC3\xA4|#\xC3\xA4|a", "a b|\\"},
    {"uri-template", "a|a{b}|{+a,b*,c:3}|{?a}{&b.c}|http://a/{b}#{%41}|a'b|{/a:9999}",
     "{|}|{}|a}|{a|{a b}|{a:0}|{a:10000}|{a:}|{a,}|{.}|{a.}|{a..b}|a b|a%|a<|{a*b}|{-a}"},
    {"uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380|2EB8AA08-AA98-11EA-B4AA-73B441D16380",
     "|2eb8aa08-aa98-11ea-b4aa-73b441d1638|2eb8aa08aa9811eab4aa73b441d16380|2eb8aa08-aa98-11ea-b4aa-73b441d1638g|"
     "2eb8aa08-aa98-11eab-4aa-73b441d16380"},
    {"json-pointer", "|/|/a|/a/0|/a~0b~1c|//|/ ", "a|#|/~|/~2|/a~"},
    {"relative-json-pointer", "0|1/a|0#|10/b~1|2/", "|/a|a|01|-1|0a|0##|1#/a|+1/a"},
    {"regex", "|a|^(b)*$|(?=a)b|(a)\\1", "(|a**|\\a|[z-a]"},
};

static void check_texts(const char *format, const char *texts, pk_err wanted)
{
    unsigned number = pk__format_named(pk_str_from(format));
    REQUIRE(number > 0);
    for (const char *text = texts;; text++) {
        size_t len = strcspn(text, "|");
        CASE("%s '%.*s'", format, (int)len, text)
        {
            CHECK_INT(pk__format_check(number, (pk_str){test_guarded(text, len), len}, test_alloc()), ==, wanted);
        }
        text += len;
        if (!*text) {
            return;
        }
    }
}

TEST(format, knows_what_strings_look_like)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_texts(rows[i].format, rows[i].yes, PK_OK);
        check_texts(rows[i].format, rows[i].no, PK_ERR_PARSE);
    }
    CHECK_UINT(pk__format_named(PK_STR("idn-hostname")), ==, 0);
    CHECK_UINT(pk__format_named(PK_STR("")), ==, 0);
    CHECK_UINT(pk__format_named(PK_STR("Date")), ==, 0);
}

TEST(format, every_prefix_is_read_within_its_bytes)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned number = pk__format_named(pk_str_from(rows[i].format));
        const char *texts = rows[i].yes;
        EACH_PREFIX(texts, strlen(texts), part, len)
        {
            pk_err rc = pk__format_check(number, (pk_str){part, len}, test_alloc());
            CHECK(rc == PK_OK || rc == PK_ERR_PARSE);
        }
    }
}

TEST(format, nul_is_in_none_of_them)
{
    for (unsigned n = 1; n < 18; n++) {
        pk_err rc = pk__format_check(n, (pk_str){"\0", 1}, test_alloc());
        CASE("format %u", n)
        {
            CHECK_ERR(rc, PK_ERR_PARSE);
        }
    }
}

TEST(format, references_are_resolved_by_the_rfc)
{
    static const struct {
        const char *base, *text, *result, *fragment;
    } cases[] = {
        /* RFC 3986, 5.4 */
        {"http://a/b/c/d;p?q", "g:h", "g:h", ""},
        {"http://a/b/c/d;p?q", "g", "http://a/b/c/g", ""},
        {"http://a/b/c/d;p?q", "./g", "http://a/b/c/g", ""},
        {"http://a/b/c/d;p?q", "g/", "http://a/b/c/g/", ""},
        {"http://a/b/c/d;p?q", "/g", "http://a/g", ""},
        {"http://a/b/c/d;p?q", "//g", "http://g", ""},
        {"http://a/b/c/d;p?q", "?y", "http://a/b/c/d;p?y", ""},
        {"http://a/b/c/d;p?q", "g?y", "http://a/b/c/g?y", ""},
        {"http://a/b/c/d;p?q", "#s", "http://a/b/c/d;p?q", "s"},
        {"http://a/b/c/d;p?q", "g#s", "http://a/b/c/g", "s"},
        {"http://a/b/c/d;p?q", "g?y#s", "http://a/b/c/g?y", "s"},
        {"http://a/b/c/d;p?q", ";x", "http://a/b/c/;x", ""},
        {"http://a/b/c/d;p?q", "", "http://a/b/c/d;p?q", ""},
        {"http://a/b/c/d;p?q", ".", "http://a/b/c/", ""},
        {"http://a/b/c/d;p?q", "..", "http://a/b/", ""},
        {"http://a/b/c/d;p?q", "../g", "http://a/b/g", ""},
        {"http://a/b/c/d;p?q", "../..", "http://a/", ""},
        {"http://a/b/c/d;p?q", "../../../g", "http://a/g", ""},
        {"http://a/b/c/d;p?q", "/./g", "http://a/g", ""},
        {"http://a/b/c/d;p?q", "/../g", "http://a/g", ""},
        {"http://a/b/c/d;p?q", "g.", "http://a/b/c/g.", ""},
        {"http://a/b/c/d;p?q", "..g", "http://a/b/c/..g", ""},
        {"http://a/b/c/d;p?q", "./../g", "http://a/b/g", ""},
        {"http://a/b/c/d;p?q", "g/./h", "http://a/b/c/g/h", ""},
        {"http://a/b/c/d;p?q", "g/../h", "http://a/b/c/h", ""},
        {"http://a/b/c/d;p?q", "g;x=1/../y", "http://a/b/c/y", ""},
        /* and what schemas do */
        {"", "a.json#/b", "a.json", "/b"},
        {"", "#/b", "", "/b"},
        {"", "#", "", ""},
        {"a.json#", "#x", "a.json", "x"},
        {"http://a", "b", "http://a/b", ""},
        {"urn:a:b", "#c", "urn:a:b", "c"},
        {"dir/a.json", "b.json", "dir/b.json", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CASE("%s from %s", cases[i].text, cases[i].base)
        {
            pk_mem mem = {test_alloc(), NULL, NULL, 0};
            pk_str out, fragment;
            CHECK(pk__uri_resolve(&mem, pk_str_from(cases[i].base), pk_str_from(cases[i].text), &out, &fragment));
            CHECK_PK_STR(out, cases[i].result);
            CHECK_PK_STR(fragment, cases[i].fragment);
            pk_mem_free(&mem);
        }
    }
}
