/* test_url.c - request targets, paths, queries. */
#include "unit.h"

TEST(url, splits_targets)
{
    static const struct {
        const char *method, *target;
        bool good;
        pk__url_form form;
        const char *authority, *path, *query;
    } rows[] = {
        {"GET", "/", true, PK__URL_ORIGIN, "", "/", ""},
        {"GET", "/a/b?c=d?e", true, PK__URL_ORIGIN, "", "/a/b", "c=d?e"},
        {"GET", "/?", true, PK__URL_ORIGIN, "", "/", ""},
        {"GET", "//evil/x", true, PK__URL_ORIGIN, "", "//evil/x", ""},
        {"GET", "http://host:80/a?b", true, PK__URL_ABSOLUTE, "host:80", "/a", "b"},
        {"GET", "HTTP://host", true, PK__URL_ABSOLUTE, "host", "/", ""},
        {"GET", "http://host?q", true, PK__URL_ABSOLUTE, "host", "/", "q"},
        {"OPTIONS", "*", true, PK__URL_ASTERISK, "", "*", ""},
        {"GET", "*", false, PK__URL_ORIGIN, "", "", ""},
        {"OPTIONS", "*a", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "a", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "?a", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "/a#b", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "/a b", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "/a\\b", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "/a\x7f", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "/\xc3\xa4", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "http://", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "http:///a", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "http://user@host/", false, PK__URL_ORIGIN, "", "", ""},
#ifdef PLUGKIT_WITH_TLS
        {"GET", "https://host/", true, PK__URL_ABSOLUTE, "host", "/", ""},
        {"GET", "HTTPS://[::1]:443?q", true, PK__URL_ABSOLUTE, "[::1]:443", "/", "q"},
#else
        {"GET", "https://host/", false, PK__URL_ABSOLUTE, "", "", ""},
#endif
        {"GET", "https:/host/", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "http://a:b/", false, PK__URL_ORIGIN, "", "", ""},
        {"GET", "http://[::1/", false, PK__URL_ORIGIN, "", "", ""},
        {"CONNECT", "host:80", true, PK__URL_AUTHORITY, "", "", ""},
        {"CONNECT", "/", false, PK__URL_ORIGIN, "", "", ""},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s %s", rows[i].method, rows[i].target)
        {
            pk__url url;
            size_t len = strlen(rows[i].target);
            char *target = test_guarded(rows[i].target, len);
            pk_str text = {target, len};
            CHECK_INT(pk__url_split(pk_str_from(rows[i].method), text, &url), ==, rows[i].good);
            if (rows[i].good) {
                CHECK_INT(url.form, ==, rows[i].form);
                CHECK_INT(url.is_secure, ==, len > 5 && (target[4] | 0x20) == 's');
                CHECK_PK_STR(url.authority, rows[i].authority);
                CHECK_PK_STR(url.path, rows[i].path);
                CHECK_PK_STR(url.query, rows[i].query);
            }
            test_guarded_free(target, len);
        }
    }
}

TEST(url, decodes_paths_once_and_walks_them)
{
    static const struct {
        const char *in, *out; // NULL = refused
    } rows[] = {
        {"/", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a%20b", "/a b"},
        {"/%C3%a4", "/\xc3\xa4"},
        {"//", "/"},
        {"//a///b//", "/a/b/"},
        {"/./a/./b/.", "/a/b/"},
        {"/a/../b", "/b"},
        {"/a/b/..", "/a/"},
        {"/a/b/../..", "/"},
        {"/a/b/../../", "/"},
        {"/a/%2e%2E/b", "/b"},
        {"/a%2fb", NULL}, // two segments for some, one for others
        {"/a%2f..%2fb", NULL},
        {"/a%5Cb", NULL},
        {"/a\\b", NULL},
        {"/a%2", NULL},
        {"/...", "/..."},
        {"/.a/..b", "/.a/..b"},
        {"/%252e%252e/", "/%2e%2e/"}, // once, and not twice
        {"", NULL},
        {"a", NULL},
        {"/..", NULL},
        {"/../a", NULL},
        {"/a/../../b", NULL},
        {"/%2e%2e/a", NULL},
        {"/.%2e", NULL},
        {"/a%00b", NULL},
        {"/a%0ab", NULL},
        {"/a%7f", NULL},
        {"/%", NULL},
        {"/%2", NULL},
        {"/%2g", NULL},
        {"/%g2", NULL},
        {"/%c0%ae%c0%ae/", NULL},     // overlong dots
        {"/%e0%80%af", NULL},         // overlong slash
        {"/%f0%80%80%af", NULL},
        {"/%ed%a0%80", NULL},         // a surrogate
        {"/%f4%90%80%80", NULL},      // above Unicode
        {"/%c2%85", NULL},            // a control character of two bytes
        {"/%ff", NULL},
        {"/%c3", NULL},
        {"/%80", NULL},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].in)
        {
            size_t len = strlen(rows[i].in), got = 0;
            char *in = test_guarded(rows[i].in, len), *out = test_guarded(rows[i].in, len);
            pk_str path = {in, len}, same = {out, len};
            CHECK_INT(pk__url_decode_path(path, out, &got), ==, rows[i].out != NULL);
            if (rows[i].out) {
                pk_str shown = {out, got};
                CHECK_PK_STR(shown, rows[i].out);
            }
            if (len) {
                memcpy(out, rows[i].in, len); // and in place
            }
            CHECK_INT(pk__url_decode_path(same, out, &got), ==, rows[i].out != NULL);
            if (rows[i].out) {
                same.len = got;
                CHECK_PK_STR(same, rows[i].out);
            }
            test_guarded_free(in, len);
            test_guarded_free(out, len);
        }
    }
}

/* 10,000 ways up: none of them may leave the root. */
TEST(url, what_is_plain_would_decode_to_itself)
{
    static const char alphabet[] = "/.a%?";
    char target[6], path[6];
    size_t plain = 0;
    for (size_t n = 0; n < 5 * 5 * 5 * 5 * 5 * 5; n++) { // all of one to six of them
        size_t len = 1 + n % 6, decoded = 0;
        for (size_t i = 0, rest = n; i < len; i++, rest /= 5) {
            target[i] = alphabet[rest % 5];
        }
        pk__url url;
        pk_str text = {target, len};
        if (pk__url_split(PK_STR("GET"), text, &url) && url.is_plain) {
            plain++;
            CHECK_UINT(url.path.len, ==, len);
            CHECK(pk__url_decode_path(text, path, &decoded));
            CHECK_UINT(decoded, ==, len);
            CHECK(memcmp(path, target, len) == 0);
        }
    }
    CHECK_UINT(plain, >, 20);
    pk__url url;
    REQUIRE(pk__url_split(PK_STR("GET"), PK_STR("/v1.2/a-b_c~d/"), &url));
    CHECK(url.is_plain);
}

TEST(url, never_climbs_above_its_root)
{
    static const char *const parts[] = {"..", "%2e%2e", ".%2E", "%2e.", "...", ".", "", "%252e%252e", "..%2f", "%2f..",
                                        "%5c..", "a", "..%00", "%c0%ae%c0%ae", "..;", "%2e%2e%2f%2e%2e"};
    unsigned seed = 1;
    for (int round = 0; round < 10000; round++) {
        char text[256];
        size_t at = 0, len;
        for (int i = 0; i < 8; i++) {
            seed = seed * 1103515245u + 12345u;
            at += (size_t)snprintf(text + at, sizeof(text) - at, "/%s", parts[(seed >> 16) % PK__COUNT(parts)]);
        }
        pk_str path = {text, at};
        if (pk__url_decode_path(path, text, &len)) {
            REQUIRE(len > 0 && text[0] == '/');
            text[len] = '\0';
            REQUIRE(!strstr(text, "/../") && !strstr(text, "//") && !strstr(text, "/./") && strlen(text) == len);
            REQUIRE(len < 3 || strcmp(text + len - 3, "/..") != 0);
        }
    }
}

TEST(url, decodes_and_encodes_values)
{
    char out[64];
    size_t len;
    CHECK(pk__url_decode(PK_STR("a+b%20c%2B%c3%a4"), true, out, &len));
    CHECK_MEM(out, "a b c+\xc3\xa4", len);
    CHECK(pk__url_decode(PK_STR("a+b"), false, out, &len));
    CHECK_MEM(out, "a+b", len);
    CHECK(!pk__url_decode(PK_STR("%zz"), true, out, &len));

    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 64);
    CHECK(pk__url_encode(&buf, PK_STR("a/b c~\xc3\xa4%"), true));
    CHECK_PK_STR(pk_buf_str(&buf), "a/b%20c~%C3%A4%25");
    pk_buf_clear(&buf);
    CHECK(pk__url_encode(&buf, PK_STR("/?"), false));
    CHECK_PK_STR(pk_buf_str(&buf), "%2F%3F");
    CHECK(!pk__url_encode(&buf, PK_STR("                              "), false));
    pk_buf_free(&buf);
}

TEST(url, walks_queries)
{
    pk_str rest = PK_STR("a=1&&b&c=&=d&e=f=g&"), name, value;
    static const char *const want[][2] = {{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"e", "f=g"}};
    for (size_t i = 0; i < PK__COUNT(want); i++) {
        REQUIRE(pk__url_query_next(&rest, &name, &value));
        CHECK_PK_STR(name, want[i][0]);
        CHECK_PK_STR(value, want[i][1]);
    }
    CHECK(!pk__url_query_next(&rest, &name, &value));
}
