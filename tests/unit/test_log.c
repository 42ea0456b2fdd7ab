/* test_log.c - the lines of pk_sdk_log: form, odd bytes, lengths. stderr is a pipe of ours meanwhile. */
#include "unit.h"

static char line[PK__LOG_LINE_MAX + 4096];

/* What fd 2 gets while a record is written. */
static void log_and_read(pk_log_level level, const char *message, const pk_meta *fields, size_t count)
{
    int p[2], keep = fcntl(2, F_DUPFD_CLOEXEC, 3);
    REQUIRE(keep >= 0 && pk__fd_pipe(p, NULL) == PK_OK);
    REQUIRE(fcntl(p[1], F_SETPIPE_SZ, (int)sizeof(line)) > 0);
    REQUIRE(dup2(p[1], 2) == 2);
    pk_sdk_log(level, message, fields, count);
    REQUIRE(dup2(keep, 2) == 2);
    close(p[1]);
    close(keep);
    size_t len = 0;
    for (ssize_t n; (n = read(p[0], line + len, sizeof(line) - 1 - len)) > 0;) {
        len += (size_t)n;
    }
    line[len] = '\0';
    close(p[0]);
}

static const pk_json_value *parsed(pk_mem *mem)
{
    const pk_json_value *v = NULL;
    size_t len = strlen(line);
    pk_str text = {line, len - 1};
    REQUIRE(len > 1 && line[len - 1] == '\n' && strchr(line, '\n') == line + len - 1);
    REQUIRE_OK(pk_json_parse(mem, text, &v, NULL));
    return v;
}

TEST(log, writes_a_line_as_slog_does)
{
    const pk_meta fields[] = {{PK_STR_INIT("port"), PK_STR_INIT("80")}, {PK_STR_INIT("a \"b\""), PK_STR_INIT("c\nd")}};
    log_and_read(PK_LOG_WARN, "ready", fields, 2);
    pk_str text = pk_str_from(line);
    CHECK(pk_str_starts(text, PK_STR("{\"time\":\"20")));
    CHECK_INT(text.ptr[sizeof("{\"time\":\"2026-03-01T12:00:00.125Z") - 2], ==, 'Z');
    CHECK_STR(line + sizeof("{\"time\":\"2026-03-01T12:00:00.125Z\"") - 1,
              ",\"level\":\"WARN\",\"msg\":\"ready\",\"port\":\"80\",\"a \\\"b\\\"\":\"c\\nd\"}\n");
}

TEST(log, knows_the_levels)
{
    static const struct {
        pk_log_level level;
        const char *name;
    } rows[] = {{PK_LOG_DEFAULT, "INFO"}, {PK_LOG_DEBUG, "DEBUG"}, {PK_LOG_INFO, "INFO"}, {PK_LOG_WARN, "WARN"},
                {PK_LOG_ERROR, "ERROR"}, {(pk_log_level)99, "INFO"}};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        pk_mem mem = {test_alloc(), NULL, NULL, 0};
        log_and_read(rows[i].level, NULL, NULL, 0);
        CHECK(pk_json_is(pk_json_get(parsed(&mem), "level"), rows[i].name));
        CHECK(pk_json_is(pk_json_get(parsed(&mem), "msg"), ""));
        pk_mem_free(&mem);
    }
}

TEST(log, shows_what_is_no_text)
{
    const pk_meta field = {PK_STR_INIT("k\xff"), PK_STR_INIT("v\xc3")};
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    log_and_read(PK_LOG_INFO, "m\xfe", &field, 1);
    const pk_json_value *v = parsed(&mem);
    CHECK(pk_json_is(pk_json_get(v, "msg"), "m\\xfe"));
    CHECK(pk_json_is(pk_json_get(v, "k\\xff"), "v\\xc3"));
    pk_mem_free(&mem);
}

TEST(log, takes_long_records_and_cuts_longer_ones)
{
    static char text[PK__LOG_LINE_MAX + 1];
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    const pk_meta field = {PK_STR_INIT("k"), PK_STR_INIT("v")};
    memset(text, 'x', 3000);
    log_and_read(PK_LOG_INFO, text, &field, 1);
    CHECK_UINT(pk_json_str(pk_json_get(parsed(&mem), "msg")).len, ==, 3000);

    memset(text, 'x', sizeof(text) - 1);
    memcpy(text + 254, "\xe2\x82\xac", 3); // the cut falls into a character
    log_and_read(PK_LOG_INFO, text, &field, 1);
    const pk_json_value *v = parsed(&mem);
    CHECK_UINT(pk_json_str(pk_json_get(v, "msg")).len, ==, 254);
    CHECK(pk_json_get(v, "k") == NULL);
    pk_mem_free(&mem);
}
