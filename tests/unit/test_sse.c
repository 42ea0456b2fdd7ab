/* test_sse.c - text/event-stream, written and read. */
#include "unit.h"

/* What was read, as text: "name|data|id|retry;" each. */
static char got[4096];

static pk_err on_event(void *user, const pk_sse_event *e, pk_error *err)
{
    size_t len = strlen(got);
    (void)user, (void)err;
    snprintf(got + len, sizeof(got) - len, "%" PK_FMT "|%" PK_FMT "|%" PK_FMT "|%u;", PK_ARG(e->event), PK_ARG(e->data),
             PK_ARG(e->id), (unsigned)e->retry_ms);
    return PK_OK;
}

static const struct {
    const char *name, *text, *events;
} rows[] = {
    {"nothing", "", ""},
    {"one", "data: hi\n\n", "message|hi||0;"},
    {"without a blank", "data:hi\n\n", "message|hi||0;"},
    {"only one blank goes", "data:  hi \n\n", "message| hi ||0;"},
    {"lines are joined", "data: a\ndata:\ndata: b\n\n", "message|a\n\nb||0;"},
    {"CRLF", "data: a\r\ndata: b\r\n\r\n", "message|a\nb||0;"},
    {"CR", "data: a\rdata: b\r\r", "message|a\nb||0;"},
    {"a mixture", "data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\r", "message|a\nb\nc||0;message|d||0;"},
    {"name, id, retry", "event: add\nid: 7\nretry: 1500\ndata: x\n\n", "add|x|7|1500;"},
    {"the order does not matter", "data: x\nretry: 1500\nid: 7\nevent: add\n\n", "add|x|7|1500;"},
    {"names do not last, ids and retry do",
     "event: a\nid: 1\nretry: 9\ndata: x\n\ndata: y\n\n", "a|x|1|9;message|y|1|9;"},
    {"an empty id takes it back", "id: 1\ndata: x\n\nid\ndata: y\n\n", "message|x|1|0;message|y||0;"},
    {"an id alone is no event, but counts", "id: 1\n\ndata: y\n\n", "message|y|1|0;"},
    {"a name alone is no event, and does not count", "event: a\n\ndata: y\n\n", "message|y||0;"},
    {"empty data is an event", "data\n\n", "message|||0;"},
    {"two empty lines of data", "data\ndata\n\n", "message|\n||0;"},
    {"comments", ": hello\n:\ndata: x\n: again\n\n:\n\n", "message|x||0;"},
    {"unknown fields", "date: x\nData: y\ndata : z\n data: z\ndata: x\n\n", "message|x||0;"},
    {"the last name counts", "event: a\nevent: b\ndata: x\n\n", "b|x||0;"},
    {"what has not ended is none", "data: x\n\ndata: y\n", "message|x||0;"},
    {"nor what has no line end", "data: x\n\ndata: y", "message|x||0;"},
    {"colons", "data: a: b:c\n\n", "message|a: b:c||0;"},
    {"retry is digits only", "retry: 1x\nretry: -1\nretry: 1.5\nretry:\nretry: +2\ndata: x\n\n", "message|x||0;"},
    {"a huge retry", "retry: 99999999999999999999999\ndata: x\n\n", "message|x||4294967295;"},
    {"a byte order mark", "\xEF\xBB\xBF" "data: x\n\n", "message|x||0;"},
    {"only one of them", "\xEF\xBB\xBF\xEF\xBB\xBF" "data: x\n\ndata: y\n\n", "message|y||0;"},
    {"and only in front", "data: y\n\n\xEF\xBB\xBF" "data: x\n\n", "message|y||0;"},
    {"short lines first", "\n\nx\ndata: x\n\n", "message|x||0;"},
    {"more empty lines", "\n\r\r\n\ndata: x\n\n\n\n", "message|x||0;"},
};

static void read_pieces(const char *text, size_t len, size_t piece)
{
    pk_sse_reader r = {.on_event = on_event, .alloc = test_alloc()};
    got[0] = '\0';
    for (size_t at = 0; at < len; at += piece) {
        pk_str part = {text + at, PK__MIN(piece, len - at)};
        CHECK_OK(pk_sse_read(&r, part, NULL));
    }
    pk_sse_reader_free(&r);
}

TEST(sse, reads_what_the_standard_says_in_pieces_of_any_size)
{
    for (size_t i = 0; i < PK__COUNT(rows); i++) CASE("%s", rows[i].name) {
        size_t len = strlen(rows[i].text);
        for (size_t piece = 1; piece <= len + 1; piece++) {
            read_pieces(rows[i].text, len, piece);
            CHECK_STR(got, rows[i].events);
        }
    }
}

TEST(sse, reads_any_two_pieces_from_memory_that_ends_there)
{
    for (size_t i = 0; i < PK__COUNT(rows); i++) CASE("%s", rows[i].name) {
        size_t len = strlen(rows[i].text);
        for (size_t at = 0; at <= len; at++) {
            pk_sse_reader r = {.on_event = on_event, .alloc = test_alloc()};
            pk_str first = {test_guarded(rows[i].text, at), at};
            pk_str second = {test_guarded(rows[i].text + at, len - at), len - at};
            got[0] = '\0';
            CHECK_OK(pk_sse_read(&r, first, NULL));
            CHECK_OK(pk_sse_read(&r, second, NULL));
            CHECK_STR(got, rows[i].events);
            pk_sse_reader_free(&r);
        }
    }
}

TEST(sse, an_id_with_nul_is_none)
{
    static const char text[] = "id: a\0b\ndata: x\n\n";
    read_pieces(text, sizeof(text) - 1, sizeof(text));
    CHECK_STR(got, "message|x||0;");
}

TEST(sse, events_have_a_limit_however_they_are_large)
{
    static const char *const texts[] = {"data: 0123456789abcdef\n\n", "data: 01234\ndata: 01234\ndata: 01234\n\n",
                                        ": 0123456789abcdef\n\n", "x0123456789abcdef"};
    for (size_t i = 0; i < PK__COUNT(texts); i++) CASE("%s", texts[i]) {
        pk_sse_reader r = {.on_event = on_event, .alloc = test_alloc(), .max_bytes = 16};
        pk_error err = {0};
        CHECK_ERR(pk_sse_read(&r, pk_str_from(texts[i]), &err), PK_ERR_LIMIT);
        CHECK_STR(err.msg, "cannot read an event: it is larger than 16 bytes");
        CHECK_ERR(pk_sse_read(&r, PK_STR("data: x\n\n"), &err), PK_ERR_LIMIT); // it does not get well again
        pk_sse_reader_free(&r);
    }
    pk_sse_reader_free(NULL);
}

static pk_err refuse_event(void *user, const pk_sse_event *e, pk_error *err)
{
    ++*(int *)user;
    (void)e;
    return pk_error_set(err, PK_ERR_DENIED, "no more");
}

TEST(sse, an_error_of_on_event_ends_reading)
{
    int calls = 0;
    pk_error err = {0};
    pk_sse_reader r = {.on_event = refuse_event, .user = &calls};
    CHECK_ERR(pk_sse_read(&r, PK_STR("data: x\n\ndata: y\n\n"), &err), PK_ERR_DENIED);
    CHECK_STR(err.msg, "no more");
    CHECK_INT(calls, ==, 1);
    pk_sse_reader_free(&r);
}

/* ---- writing */

static const struct {
    pk_sse_event event;
    const char *text;
} written[] = {
    {{.data = PK_STR_INIT("hi")}, "data: hi\n\n"},
    {{.event = PK_STR_INIT("add"), .data = PK_STR_INIT("x"), .id = PK_STR_INIT("7"), .retry_ms = 1500},
     "event: add\nid: 7\nretry: 1500\ndata: x\n\n"},
    {{.data = PK_STR_INIT("a\nb\r\nc\rd")}, "data: a\ndata: b\ndata: c\ndata: d\n\n"},
    {{.data = PK_STR_INIT("a\n\n")}, "data: a\ndata: \ndata: \n\n"},
    {{.data = PK_STR_INIT("\r")}, "data: \ndata: \n\n"},
    {{.data = PK_STR_INIT("event: evil\n\n: x")}, "data: event: evil\ndata: \ndata: : x\n\n"},
    {{.event = PK_STR_INIT("ping")}, "event: ping\ndata: \n\n"},
    {{.retry_ms = 10}, "retry: 10\n\n"},
};

TEST(sse, writes_what_is_read_back)
{
    for (size_t i = 0; i < PK__COUNT(written); i++) CASE("row %zu", i) {
        pk_buf buf;
        pk_buf_init(&buf, test_alloc(), 4096);
        CHECK_OK(pk_sse_write(&buf, &written[i].event, NULL));
        CHECK_PK_STR(pk_buf_str(&buf), written[i].text);
        pk_buf_free(&buf);
    }
    read_pieces(written[2].text, strlen(written[2].text), 100);
    CHECK_STR(got, "message|a\nb\nc\nd||0;");
    read_pieces(written[5].text, strlen(written[5].text), 100);
    CHECK_STR(got, "message|event: evil\n\n: x||0;");
    read_pieces(written[6].text, strlen(written[6].text), 100);
    CHECK_STR(got, "ping|||0;");
}

TEST(sse, a_name_or_id_cannot_smuggle_fields)
{
    static const pk_sse_event evil[] = {
        {.event = PK_STR_INIT("a\ndata: b"), .data = PK_STR_INIT("x")},
        {.event = PK_STR_INIT("a\rb"), .data = PK_STR_INIT("x")},
        {.id = PK_STR_INIT("1\n\ndata: x"), .data = PK_STR_INIT("x")},
        {.id = {"1\0002", 3}, .data = PK_STR_INIT("x")},
    };
    pk_buf buf;
    pk_error err = {0};
    pk_buf_init(&buf, test_alloc(), 4096);
    CHECK(pk_buf_add(&buf, PK_STR("before")));
    for (size_t i = 0; i < PK__COUNT(evil); i++) CASE("row %zu", i) {
        CHECK_ERR(pk_sse_write(&buf, &evil[i], &err), PK_ERR_MISUSE);
        CHECK_PK_STR(pk_buf_str(&buf), "before");
    }
    pk_buf_free(&buf);
}

TEST(sse, what_has_no_room_is_left_out_as_a_whole)
{
    pk_buf buf;
    pk_error err = {0};
    pk_buf_init(&buf, test_alloc(), 20);
    CHECK_OK(pk_sse_write(&buf, &written[0].event, NULL));
    CHECK_ERR(pk_sse_write(&buf, &written[2].event, &err), PK_ERR_LIMIT);
    CHECK_PK_STR(pk_buf_str(&buf), "data: hi\n\n");
    CHECK_OK(pk_sse_write(&buf, &written[0].event, NULL));
    CHECK_PK_STR(pk_buf_str(&buf), "data: hi\n\ndata: hi\n\n");
    pk_buf_free(&buf);
}

TEST_TORTURE(sse, survives_every_failure)
{
    pk_buf buf;
    pk_sse_reader r = {.on_event = on_event, .alloc = test_alloc()};
    got[0] = '\0';
    pk_buf_init(&buf, test_alloc(), 4096);
    for (size_t i = 0; i < 2; i++) {
        size_t before = buf.len;
        if (!TRY_OK(pk_sse_write(&buf, &written[1].event, NULL))) {
            CHECK_UINT(buf.len, ==, before);
        }
    }
    (void)TRY_OK(pk_sse_read(&r, pk_buf_str(&buf), NULL));
    CHECK(!got[0] || strncmp(got, "add|x|7|1500;", 13) == 0);
    pk_sse_reader_free(&r);
    pk_buf_free(&buf);
}
