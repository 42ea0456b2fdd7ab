/* test_error_body.c - errors on the wire, in our words and in those of others; and the context of a call. */
#include "unit.h"

TEST(error_body, writes_what_go_reads)
{
    char out[PK__ERROR_BODY_MAX];
    pk_error e = {0};
    (void)pk_error_set(&e, PK_ERR_NOT_FOUND, "cannot open 'x': no such note");
    CHECK_INT(pk__error_body_status(&e), ==, 404);
    size_t len = pk__error_body_write(out, &e);
    CHECK_MEM(out, "{\"message\":\"cannot open 'x': no such note\",\"statusCode\":404,\"code\":\"CORE_3008\"}\n", len);
    e.status = 418;
    memcpy(e.app_code, "TEAPOT", 7);
    CHECK_INT(pk__error_body_status(&e), ==, 418);
    len = pk__error_body_write(out, &e);
    CHECK_MEM(out, "{\"message\":\"cannot open 'x': no such note\",\"statusCode\":418,\"code\":\"TEAPOT\"}\n", len);
    e.status = 200; // no error has such a status
    CHECK_INT(pk__error_body_status(&e), ==, 404);
}

TEST(error_body, stays_json_whatever_the_message_holds)
{
    char out[PK__ERROR_BODY_MAX];
    for (int c = 1; c < 256; c++) {
        pk_error e = {0};
        pk_mem mem = {0};
        const pk_json_value *doc = NULL;
        mem.alloc = test_alloc();
        (void)pk_error_set(&e, PK_ERR_OS, "x");
        memset(e.msg, c, sizeof(e.msg) - 1);
        memset(e.app_code, c, sizeof(e.app_code) - 1);
        e.msg[sizeof(e.msg) - 1] = e.app_code[sizeof(e.app_code) - 1] = '\0';
        size_t len = pk__error_body_write(out, &e);
        CHECK_UINT(len, <, sizeof(out));
        pk_str text = {out, len};
        CHECK_OK(pk_json_parse(&mem, text, &doc, NULL));
        CHECK_INT(pk_json_int(pk_json_get(doc, "statusCode"), 0), ==, 500);
        pk_mem_free(&mem);
    }
}

TEST(error_body, reads_every_form)
{
    static const struct {
        int status;
        const char *body, *words, *code; // words: what follows "cannot call 'shout': "
    } rows[] = {
        {404, "{\"message\":\"no such note\",\"statusCode\":404,\"code\":\"NOTE_7\"}\n",
         "404 Not Found: no such note", "NOTE_7"},
        {405, "{\"message\":\"this endpoint may only be called with either HEAD or GET method\",\"statusCode\":405}\n",
         "405 Method Not Allowed: this endpoint may only be called with either HEAD or GET method", ""},
        {400, "{\"code\":\"invalid_argument\",\"message\":\"bad\"}", "400 Bad Request: bad", "invalid_argument"},
        {500, "{\"error\":\"it broke\",\"success\":false}", "500 Internal Server Error: it broke", ""},
        {500, "{\"error\":{\"code\":17,\"message\":\"inner\"}}", "500 Internal Server Error: inner", "17"},
        {500, "\"just text\"", "500 Internal Server Error: just text", ""},
        {404, "404 page not found\n", "404 Not Found: 404 page not found", ""},
        {503, "", "503 Service Unavailable", ""},
        {599, "{}", "599: {}", ""},
        {500, "{\"message\":", "500 Internal Server Error: {\"message\":", ""},
        {500, "two\nlines\x1b[31m\r\n", "500 Internal Server Error: two\\x0alines\\x1b[31m", ""},
        {500, "{\"message\":\"a\\u0000b\\nc\"}", "500 Internal Server Error: a\\x00b\\x0ac", ""},
    };
    static const char before[] = "cannot call 'shout': ";
    pk_str who = PK_STR("shout");
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].body)
        {
            pk_error e = {0};
            size_t len = strlen(rows[i].body);
            char *body = test_guarded(rows[i].body, len);
            pk_str view = {body, len};
            CHECK_ERR(pk__error_body_read(&e, test_alloc(), who, rows[i].status, NULL, 0, view), PK_ERR_PLUGIN_FAULT);
            CHECK_MEM(e.msg, before, sizeof(before) - 1);
            CHECK_STR(e.msg + sizeof(before) - 1, rows[i].words);
            CHECK_STR(e.app_code, rows[i].code);
            CHECK_INT(e.status, ==, rows[i].status);
            CHECK_INT(e.sent, ==, PK_SENT_ANSWERED);
            CHECK_ERR(pk__error_body_read(NULL, test_alloc(), who, 500, NULL, 0, view), PK_ERR_PLUGIN_FAULT);
            test_guarded_free(body, len);
        }
    }
}

TEST(error_body, cuts_what_is_too_long)
{
    static char body[1 << 20];
    pk_error e = {0};
    pk_str view = {body, sizeof(body)};
    memset(body, 'x', sizeof(body));
    (void)pk__error_body_read(&e, test_alloc(), PK_STR("shout"), 500, NULL, 0, view);
    CHECK_UINT(strlen(e.msg), <, sizeof(e.msg) - 1);
    CHECK_CONTAINS(e.msg, "xxx...");
}

TEST(error_body, reads_retry_after)
{
    static const struct {
        const char *value;
        uint32_t ms;
    } rows[] = {
        {"3", 3000}, {"0", 0}, {"", 0}, {"-1", 0}, {"Fri, 31 Dec 1999 23:59:59 GMT", 0}, {"99999999999", UINT32_MAX},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        pk_error e = {0};
        pk_meta field = {PK_STR("retry-after"), pk_str_from(rows[i].value)};
        (void)pk__error_body_read(&e, test_alloc(), PK_STR("x"), 503, &field, 1, PK_STR(""));
        CHECK_UINT(e.retry_after_ms, ==, rows[i].ms);
    }
}

/* ---- contexts */

TEST(ctx, knows_its_deadline)
{
    pk_ctx ctx = {0};
    pk__ctx_impl impl;
    pk__clock_fake(1000 * PK__SECOND);
    CHECK_INT(pk_ctx_left(NULL), ==, PK_FOREVER);
    CHECK_INT(pk_ctx_left(&ctx), ==, PK_FOREVER);
    CHECK(!pk_ctx_is_canceled(NULL) && !pk_ctx_is_canceled(&ctx));
    ctx.timeout_ms = 20; // not running yet
    CHECK_INT(pk_ctx_left(&ctx), ==, 20 * PK__MS);
    pk__ctx_init(&impl, pk__ctx_deadline(NULL, pk__clock_ns(), ctx.timeout_ms, 30000));
    ctx.impl = &impl;
    pk__clock_advance(15 * PK__MS);
    CHECK_INT(pk_ctx_left(&ctx), ==, 5 * PK__MS);
    CHECK_UINT(pk__ctx_left_ms(impl.deadline, pk__clock_ns()), ==, 5);
    CHECK_INT(pk__ctx_deadline(&ctx, pk__clock_ns(), 30, 0), ==, impl.deadline); // never behind the outer one
    CHECK_INT(pk__ctx_deadline(&ctx, pk__clock_ns(), 2, 0), ==, impl.deadline - 3 * PK__MS);
    pk__clock_advance(1);
    CHECK_UINT(pk__ctx_left_ms(impl.deadline, pk__clock_ns()), ==, 5); // rounded up
    CHECK(!pk_ctx_is_canceled(&ctx));
    pk__clock_advance(5 * PK__MS);
    CHECK_INT(pk_ctx_left(&ctx), ==, 0);
    CHECK_UINT(pk__ctx_left_ms(impl.deadline, pk__clock_ns()), ==, 0);
    CHECK(pk_ctx_is_canceled(&ctx));
    CHECK_INT(pk__ctx_deadline(NULL, pk__clock_ns(), 0, 0), ==, PK_FOREVER);
    CHECK_UINT(pk__ctx_left_ms(PK_FOREVER, pk__clock_ns()), ==, UINT32_MAX);
    CHECK_INT(pk__ctx_deadline(NULL, pk__clock_ns(), 0, 7), ==, pk__clock_ns() + 7 * PK__MS);
}

static bool is_gone(void *user)
{
    return *(bool *)user;
}

TEST(ctx, knows_when_nobody_waits)
{
    pk_ctx ctx = {0};
    pk__ctx_impl impl;
    uint32_t flag = 0;
    bool gone = false;
    pk__ctx_init(&impl, PK_FOREVER);
    impl.canceled = &flag;
    impl.is_gone = is_gone;
    impl.user = &gone;
    ctx.impl = &impl;
    CHECK(!pk_ctx_is_canceled(&ctx));
    flag = 1;
    CHECK(pk_ctx_is_canceled(&ctx));
    flag = 0;
    gone = true;
    CHECK(pk_ctx_is_canceled(&ctx));
}

TEST(ctx, carries_headers_both_ways)
{
    pk_ctx ctx = {0};
    pk__ctx_impl impl;
    pk_mem mem = {0};
    pk_meta in[] = {{PK_STR("Accept"), PK_STR("x")}, {PK_STR("X-Y"), PK_STR("z")}};
    mem.alloc = test_alloc();
    pk_ctx_meta_out(NULL, PK_STR("a"), PK_STR("b"));
    pk_ctx_meta_out(&ctx, PK_STR("a"), PK_STR("b")); // nobody would send it
    pk__ctx_init(&impl, PK_FOREVER);
    ctx.impl = &impl;
    ctx.mem = &mem;
    ctx.meta = in;
    ctx.meta_count = 2;
    CHECK_PK_STR(pk_ctx_meta(&ctx, "x-y"), "z");
    CHECK_PK_STR(pk_ctx_meta(&ctx, "x-z"), "");
    CHECK_PK_STR(pk_ctx_meta(NULL, "x-z"), "");
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof(name), "N%d", i);
        pk_ctx_meta_out(&ctx, pk_str_from(name), PK_STR("v"));
    }
    CHECK_UINT(impl.out_count, ==, 20);
    CHECK_PK_STR(impl.out[0].name, "N0");
    CHECK_PK_STR(impl.out[19].name, "N19");
    pk_mem_free(&mem);
}
