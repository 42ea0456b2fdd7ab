/* test_http_head.c - heads of requests and responses: what is read, what is refused, in whatever pieces it comes. */
#include "unit.h"

static const pk__http_limits limits = {16 * 1024, 8 * 1024, 100};
static pk_meta fields[100];

static pk__http_result parse(pk__http_head *head, pk__http_kind kind, const char *text, size_t len)
{
    pk__http_head_init(head, kind, fields, &limits);
    return pk__http_head_parse(head, text, len);
}

static pk__http_result parse_request(pk__http_head *head, const char *text)
{
    return parse(head, PK__HTTP_REQUEST, text, strlen(text));
}

static pk__http_result parse_response(pk__http_head *head, const char *text)
{
    return parse(head, PK__HTTP_RESPONSE, text, strlen(text));
}

/* The request of a Go client, byte for byte. */
static const char go_request[] = "POST /healthz?deep=1 HTTP/1.1\r\nHost: unix\r\nUser-Agent: Go-http-client/1.1\r\n"
                                 "Content-Length: 7\r\nAccept: application/json\r\n"
                                 "Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n{\"a\":1}";

static void check_go_request(const pk__http_head *head)
{
    CHECK_PK_STR(head->method, "POST");
    CHECK_PK_STR(head->target, "/healthz?deep=1");
    CHECK_INT(head->minor, ==, 1);
    CHECK_PK_STR(head->host, "unix");
    CHECK_UINT(head->field_count, ==, 6);
    CHECK_PK_STR(head->fields[1].name, "User-Agent");
    CHECK_PK_STR(head->fields[1].value, "Go-http-client/1.1");
    CHECK_PK_STR(pk__http_head_find(head->fields, head->field_count, PK_STR("accept-ENCODING")), "gzip");
    CHECK_PK_STR(pk__http_head_find(head->fields, head->field_count, PK_STR("Accept-Encodin")), "");
    CHECK_INT(head->framing, ==, PK__HTTP_LENGTH);
    CHECK_UINT(head->length, ==, 7);
    CHECK_UINT(head->size, ==, sizeof(go_request) - 1 - 7);
    CHECK(head->keep_alive);
    CHECK(!head->expects_continue);
}

TEST(http_head, reads_a_request_of_go)
{
    pk__http_head head;
    REQUIRE(parse_request(&head, go_request) == PK__HTTP_DONE);
    check_go_request(&head);
}

TEST(http_head, wants_more_of_every_prefix_and_reads_no_further)
{
    pk__http_head head;
    EACH_PREFIX(go_request, sizeof(go_request) - 1 - 7, part, len)
    {
        CASE("%zu bytes", len)
        {
            CHECK_INT(parse(&head, PK__HTTP_REQUEST, part, len), ==, PK__HTTP_MORE);
        }
    }
}

TEST(http_head, comes_in_two_pieces_in_a_buffer_that_moves)
{
    size_t len = sizeof(go_request) - 1;
    EACH_SPLIT(len, cut)
    {
        CASE("cut at %zu", cut)
        {
            pk__http_head head;
            char *first = test_guarded(go_request, cut), *whole = test_guarded(go_request, len);
            pk__http_head_init(&head, PK__HTTP_REQUEST, fields, &limits);
            pk__http_result r = pk__http_head_parse(&head, first, cut);
            if (r == PK__HTTP_MORE) {
                test_guarded_free(first, cut); // views into it would crash now
                r = pk__http_head_parse(&head, whole, len);
                REQUIRE(r == PK__HTTP_DONE);
                check_go_request(&head);
            } else {
                CHECK_INT(r, ==, PK__HTTP_DONE);
                CHECK_UINT(cut, >=, len - 7);
                test_guarded_free(first, cut);
            }
            test_guarded_free(whole, len);
        }
    }
}

TEST(http_head, comes_byte_by_byte)
{
    pk__http_head head;
    size_t len = 0;
    pk__http_head_init(&head, PK__HTTP_REQUEST, fields, &limits);
    while (pk__http_head_parse(&head, go_request, len) == PK__HTTP_MORE) {
        len++;
        REQUIRE(len <= sizeof(go_request));
    }
    CHECK_UINT(len, ==, sizeof(go_request) - 1 - 7);
    check_go_request(&head);
}

/* What must be refused, with the status. The smuggling section is the reason for this file's existence. */
static const struct {
    int status;
    const char *text;
} refused[] = {
    /* lengths */
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x10\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_000\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e3\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00000000000000000001\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 6\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\v\r\n\r\n"},
    /* both, and codings */
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunke\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \vchunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\r\n: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
    /* lines */
    {400, "GET / HTTP/1.1\nHost: a\n\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\n\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\n\rX"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
    {400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    /* names and values */
    {400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX Y: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX(Y): a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX\x80: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaaaaaa\x7f\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaa\x1f" "aaaaaaaaaaa\r\n\r\n"},
    /* Host */
    {400, "GET / HTTP/1.1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"},
    {400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"},
    /* the request line */
    {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
    {400, "GET /\r\nHost: a\r\n\r\n"},
    {400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /aaaaaaaaaaaaaaa\x7f HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\rX\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/1.\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/11\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTPS/1.1\r\nHost: a\r\n\r\n"},
    {400, "\x16\x03\x01\x02"},
    {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
    {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    {501, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"},
};

TEST(http_head, refuses_what_can_be_read_in_two_ways)
{
    for (size_t i = 0; i < PK__COUNT(refused); i++) {
        CASE("%s", refused[i].text)
        {
            pk__http_head head;
            CHECK_INT(parse_request(&head, refused[i].text), ==, PK__HTTP_ERROR);
            CHECK_INT(head.error_status, ==, refused[i].status);
            CHECK(head.error != NULL && head.error[0] != '\0');
            /* Once refused it stays so, whatever follows. */
            CHECK_INT(pk__http_head_parse(&head, "GET / HTTP/1.0\r\n\r\n", 18), ==, PK__HTTP_ERROR);
        }
    }
}

TEST(http_head, refuses_the_same_in_any_two_pieces)
{
    for (size_t i = 0; i < PK__COUNT(refused); i++) {
        size_t len = strlen(refused[i].text);
        EACH_SPLIT(len, cut)
        {
            CASE("%s, cut at %zu", refused[i].text, cut)
            {
                pk__http_head head;
                char *whole = test_guarded(refused[i].text, len);
                pk__http_head_init(&head, PK__HTTP_REQUEST, fields, &limits);
                if (pk__http_head_parse(&head, whole, cut) == PK__HTTP_MORE) {
                    (void)pk__http_head_parse(&head, whole, len);
                }
                CHECK_INT(head.error_status, ==, refused[i].status);
                test_guarded_free(whole, len);
            }
        }
    }
}

TEST(http_head, refuses_a_nul_anywhere)
{
    static const char text[] = "GET /abcdefgh HTTP/1.1\r\nHost: abcdefgh\r\nName: value value\r\n\r\n";
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        CASE("at %zu", i)
        {
            char copy[sizeof(text)];
            pk__http_head head;
            memcpy(copy, text, sizeof(text));
            copy[i] = '\0';
            CHECK_INT(parse(&head, PK__HTTP_REQUEST, copy, sizeof(text) - 1), ==, PK__HTTP_ERROR);
        }
    }
}

TEST(http_head, accepts_what_is_odd_but_clear)
{
    pk__http_head head;
    REQUIRE(parse_request(&head, "\r\nGET /a|b{c}\"d HTTP/1.1\r\nhOsT:  [::1]:80 \t\r\nX:\r\nY: \xc3\xa4\tz\r\n\r\n") ==
            PK__HTTP_DONE);
    CHECK_PK_STR(head.method, "GET");
    CHECK_PK_STR(head.target, "/a|b{c}\"d");
    CHECK_PK_STR(head.host, "[::1]:80");
    CHECK_PK_STR(head.fields[1].value, "");
    CHECK_PK_STR(head.fields[2].value, "\xc3\xa4\tz");
    CHECK_INT(head.framing, ==, PK__HTTP_NO_BODY);

    REQUIRE(parse_request(&head, "GET / HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n") == PK__HTTP_DONE);
    CHECK_INT(head.framing, ==, PK__HTTP_NO_BODY);
    REQUIRE(parse_request(&head, "GET / HTTP/1.9\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n") == PK__HTTP_DONE);
    CHECK_INT(head.framing, ==, PK__HTTP_CHUNKED);
    CHECK_INT(head.minor, ==, 1);
    REQUIRE(parse_request(&head, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n") ==
            PK__HTTP_DONE);
    CHECK_UINT(head.length, ==, UINT64_C(9223372036854775807));
}

TEST(http_head, knows_who_wants_to_go_on)
{
    static const struct {
        const char *text;
        bool keep;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, Close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\nConnection: ,,close ,\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            pk__http_head head;
            CHECK_INT(parse_request(&head, rows[i].text), ==, PK__HTTP_DONE);
            CHECK_INT(head.keep_alive, ==, rows[i].keep);
        }
    }
}

TEST(http_head, knows_who_waits_for_100)
{
    pk__http_head head;
    CHECK_INT(parse_request(&head, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n"),
              ==, PK__HTTP_DONE);
    CHECK(head.expects_continue);
    CHECK_INT(parse_request(&head, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), ==, PK__HTTP_DONE);
    CHECK(!head.expects_continue); // there is no body to wait for
    CHECK_INT(parse_request(&head, "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"), ==,
              PK__HTTP_DONE);
    CHECK(!head.expects_continue); // HTTP/1.0 does not know it
}

/* ---- limits: one below, one above, and what never ends */

static size_t fill(char *out, const char *before, char c, size_t count, const char *after)
{
    size_t at = strlen(before);
    memcpy(out, before, at);
    memset(out + at, c, count);
    memcpy(out + at + count, after, strlen(after) + 1);
    return at + count + strlen(after);
}

TEST(http_head, caps_the_target)
{
    static char text[20000];
    pk__http_head head;
    size_t len = fill(text, "GET /", 'a', 8191, " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(parse(&head, PK__HTTP_REQUEST, text, len), ==, PK__HTTP_DONE);
    CHECK_UINT(head.target.len, ==, 8192);
    len = fill(text, "GET /", 'a', 8192, " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(parse(&head, PK__HTTP_REQUEST, text, len), ==, PK__HTTP_ERROR);
    CHECK_INT(head.error_status, ==, 414);

    pk__http_head_init(&head, PK__HTTP_REQUEST, fields, &limits);
    len = fill(text, "GET /", 'a', 12000, "");
    size_t at = 0;
    while (at < len && pk__http_head_parse(&head, text, at) == PK__HTTP_MORE) {
        at += 100;
    }
    CHECK_INT(head.error_status, ==, 414); // without waiting for the line to end
    CHECK_UINT(at, <=, 8400);
}

TEST(http_head, caps_the_whole)
{
    static char text[20000];
    pk__http_head head;
    static const char before[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    size_t room = 16384 - (sizeof(before) - 1) - 4;
    size_t len = fill(text, before, 'a', room, "\r\n\r\n");
    CHECK_UINT(len, ==, 16384);
    CHECK_INT(parse(&head, PK__HTTP_REQUEST, text, len), ==, PK__HTTP_DONE);
    len = fill(text, before, 'a', room + 1, "\r\n\r\n");
    CHECK_INT(parse(&head, PK__HTTP_REQUEST, text, len), ==, PK__HTTP_ERROR);
    CHECK_INT(head.error_status, ==, 431);

    pk__http_head_init(&head, PK__HTTP_REQUEST, fields, &limits);
    size_t at = 0;
    while (at < len && pk__http_head_parse(&head, text, at) == PK__HTTP_MORE) {
        at++;
    }
    CHECK_INT(head.error_status, ==, 431);
    CHECK_UINT(at, ==, 16384);
}

TEST(http_head, caps_the_number_of_fields)
{
    static char text[4000];
    pk__http_head head;
    for (int count = 100; count <= 101; count++) {
        size_t at = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 1; i < count; i++) {
            at += (size_t)snprintf(text + at, sizeof(text) - at, "X-%d: y\r\n", i);
        }
        at += (size_t)snprintf(text + at, sizeof(text) - at, "\r\n");
        CHECK_INT(parse(&head, PK__HTTP_REQUEST, text, at), ==, count == 100 ? PK__HTTP_DONE : PK__HTTP_ERROR);
        CHECK_INT(head.error_status, ==, count == 100 ? 0 : 431);
    }
}

/* ---- responses */

TEST(http_head, reads_responses)
{
    static const struct {
        const char *text;
        int status;
        bool to_head, keep;
        pk__http_framing framing;
        uint64_t length;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n", 200, false, true, PK__HTTP_NO_BODY, 0},
        {"HTTP/1.1 200 OK\r\nDate: x\r\n\r\n", 200, true, true, PK__HTTP_NO_BODY, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200, true, true, PK__HTTP_NO_BODY, 12},
        {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200, false, true, PK__HTTP_LENGTH, 12},
        {"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", 200, false, true, PK__HTTP_CHUNKED, 0},
        {"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", 200, true, true, PK__HTTP_NO_BODY, 0},
        {"HTTP/1.1 200 OK\r\n\r\n", 200, false, false, PK__HTTP_UNTIL_CLOSE, 0},
        {"HTTP/1.0 200 OK\r\n\r\n", 200, false, false, PK__HTTP_UNTIL_CLOSE, 0},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n", 200, false, true,
         PK__HTTP_LENGTH, 3},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, false, true, PK__HTTP_NO_BODY, 0},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, false, true, PK__HTTP_NO_BODY, 99},
        {"HTTP/1.1 100 Continue\r\n\r\n", 100, false, true, PK__HTTP_NO_BODY, 0},
        {"HTTP/1.1 400 Bad Request: missing required Host header\r\nConnection: close\r\n\r\n", 400, false, false,
         PK__HTTP_UNTIL_CLOSE, 0},
        {"HTTP/1.1 999 \xff\r\nContent-Length: 1\r\n\r\n", 999, false, true, PK__HTTP_LENGTH, 1},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            pk__http_head head;
            CHECK_INT(parse_response(&head, rows[i].text), ==, PK__HTTP_DONE);
            pk__http_head_response(&head, rows[i].to_head);
            CHECK_INT(head.status, ==, rows[i].status);
            CHECK_INT(head.framing, ==, rows[i].framing);
            CHECK_UINT(head.length, ==, rows[i].length);
            CHECK_INT(head.keep_alive, ==, rows[i].keep);
            CHECK_UINT(head.size, ==, strlen(rows[i].text));
            EACH_PREFIX(rows[i].text, strlen(rows[i].text), part, len)
            {
                CHECK_INT(parse(&head, PK__HTTP_RESPONSE, part, len), ==, PK__HTTP_MORE);
            }
        }
    }
}

TEST(http_head, refuses_responses)
{
    static const char *const rows[] = {
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "hello\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i])
        {
            pk__http_head head;
            CHECK_INT(parse_response(&head, rows[i]), ==, PK__HTTP_ERROR);
        }
    }
}

/* ---- what is sent */

TEST(http_head, says_what_may_be_sent)
{
    CHECK(pk__http_head_is_token(PK_STR("X-A_b~1")));
    CHECK(!pk__http_head_is_token(PK_STR("")));
    CHECK(!pk__http_head_is_token(PK_STR("a b")));
    CHECK(!pk__http_head_is_token(PK_STR("a:b")));
    CHECK(pk__http_head_is_value(PK_STR("")));
    CHECK(pk__http_head_is_value(PK_STR("a\tb \xc3\xa4 c")));
    CHECK(!pk__http_head_is_value(PK_STR("a\r\nb: c")));
    CHECK(!pk__http_head_is_value(PK_STR("a\0b")));
    CHECK(!pk__http_head_is_value(PK_STR("12345678\n")));
    CHECK_STR(pk__http_head_reason(404), "Not Found");
    CHECK_STR(pk__http_head_reason(299), "");
}
