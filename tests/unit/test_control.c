/* test_control.c - the lines of the control socket: the exact bytes, what is read from them, and how they are cut. */
#include "unit.h"

static const char first_line[] =
    "{\"config\":[{\"type\":\"t\",\"data\":{\"a\":[1,2]}}],\"instance\":\"shout-1\",\"token\":\"00ff\","
    "\"listen\":\"http+unix:///run/x/shout-1.sock\",\"idleTimeout\":3600000000000,"
    "\"host\":{\"address\":\"http+unix:///run/x/host.sock\",\"services\":[{\"contract\":\"c\",\"type\":\"t\","
    "\"version\":\"1.0.0\",\"path\":\"/services/c/t\"}]}}";

static pk__control_start start_example(pk__control_config *config, pk__control_service *service)
{
    pk__control_start s;
    memset(&s, 0, sizeof(s));
    config->type = PK_STR("t");
    config->has_data = true;
    config->data = PK_STR("{\"a\":[1,2]}");
    s.config.items = config;
    s.config.count = 1;
    s.instance = PK_STR("shout-1");
    s.token = PK_STR("00ff");
    s.has_listen = true;
    s.listen = PK_STR("http+unix:///run/x/shout-1.sock");
    s.has_idle = true;
    s.idle = INT64_C(3600000000000);
    service->contract = PK_STR("c");
    service->type = PK_STR("t");
    service->version = PK_STR("1.0.0");
    service->path = PK_STR("/services/c/t");
    s.has_host = true;
    s.host.address = PK_STR("http+unix:///run/x/host.sock");
    s.host.services.items = service;
    s.host.services.count = 1;
    return s;
}

static const char *written(pk_buf *buf)
{
    REQUIRE(pk_buf_add_char(buf, '\0'));
    return buf->ptr;
}

TEST(control, writes_the_first_line_key_by_key)
{
    pk__control_config config;
    pk__control_service service;
    pk__control_start s = start_example(&config, &service);
    char expected[sizeof(first_line) + 1];
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 4096);
    snprintf(expected, sizeof(expected), "%s\n", first_line);

    CHECK_OK(pk__control_write_start(&buf, &s, NULL));
    CHECK_STR(written(&buf), expected);
    pk_buf_free(&buf);
}

TEST(control, leaves_out_what_there_is_not)
{
    pk__control_start s;
    pk_buf buf;
    memset(&s, 0, sizeof(s));
    s.instance = PK_STR("a-1");
    s.token = PK_STR("x");
    pk_buf_init(&buf, test_alloc(), 4096);

    CHECK_OK(pk__control_write_start(&buf, &s, NULL));
    CHECK_STR(written(&buf), "{\"config\":[],\"instance\":\"a-1\",\"token\":\"x\"}\n");
    pk_buf_free(&buf);
}

TEST(control, writes_every_other_line)
{
    pk_error why;
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 4096);
    (void)pk_error_set(&why, PK_ERR_CONFIG, "cannot read \"x\"");

    CHECK_OK(pk__control_write_ready(&buf, PK_STR("http://127.0.0.1:8080"), NULL));
    CHECK_OK(pk__control_write_error(&buf, &why, NULL));
    CHECK_OK(pk__control_write_shutdown(&buf, NULL));
    CHECK_STR(written(&buf), "{\"listening\":\"http://127.0.0.1:8080\"}\n"
                             "{\"ready\":true}\n"
                             "{\"error\":\"cannot read \\\"x\\\"\",\"code\":\"CONFIG_1703\"}\n"
                             "{\"shutdown\":true}\n");
    pk_buf_free(&buf);
}

TEST(control, reads_back_the_first_line)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk__control_start s;

    REQUIRE_OK(pk__control_read_start(&mem, pk_str_from(first_line), &s, NULL));
    CHECK_PK_STR(s.instance, "shout-1");
    CHECK_PK_STR(s.token, "00ff");
    CHECK_PK_STR(s.listen, "http+unix:///run/x/shout-1.sock");
    CHECK_INT(s.idle, ==, INT64_C(3600000000000));
    REQUIRE(s.config.count == 1);
    CHECK_PK_STR(s.config.items[0].type, "t");
    CHECK_PK_STR(s.config.items[0].data, "{\"a\":[1,2]}");
    CHECK_PK_STR(s.host.address, "http+unix:///run/x/host.sock");
    REQUIRE(s.host.services.count == 1);
    CHECK_PK_STR(s.host.services.items[0].path, "/services/c/t");
    pk_mem_free(&mem);
}

TEST(control, reads_durations_as_text_and_ignores_what_it_does_not_know)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk__control_start s;
    pk__control_message m;

    CHECK_OK(pk__control_read_start(
        &mem, PK_STR("{\"swap\":{\"x\":1},\"instance\":\"a\",\"token\":\"t\",\"idleTimeout\":\"1h30m\"}"), &s, NULL));
    CHECK_INT(s.idle, ==, INT64_C(5400000000000));
    CHECK_OK(pk__control_read(&mem, PK_STR("{\"later\":[1,{}],\"ready\":true}"), &m, NULL));
    CHECK(m.has_ready && m.ready && !m.has_listening && !m.has_shutdown);
    CHECK_OK(pk__control_read(&mem, PK_STR("{}"), &m, NULL));
    CHECK(!m.has_ready);
    pk_mem_free(&mem);
}

TEST(control, refuses_lines_that_say_nonsense)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"", "line 1, column 1, offset 0: expected a value"},
        {"hello", "line 1, column 1, offset 0: expected a value"},
        {"{\"instance\":\"a\",\"token\":\"b\",\"token\":\"c\"}",
            "token: it stands there twice (line 1, column 37, offset 36)"},
        {"{\"instance\":\"a\",\"token\":\"b\",\"config\":[{\"type\":\"a\",\"type\":\"b\"}]}",
            "config[0].type: it stands"},
        {"{\"instance\":\"a\",\"token\":77}", "token: expected string (line 1, column 25, offset 24)"},
        {"{\"instance\":\"a\"}", "token"},
        {"{\"token\":\"a\"}", "instance"},
        {"{\"instance\":1,\"token\":\"a\"}", "instance"},
        {"{\"instance\":\"a\",\"token\":\"b\",\"idleTimeout\":\"soon\"}", "idleTimeout"},
        {"{\"instance\":\"a\",\"token\":\"b\",\"config\":[{\"data\":1}]}", "config[0].type"},
        {"{\"instance\":\"a\",\"token\":\"b\",\"host\":{}}", "host.address"},
    };
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("line %s", rows[i].line) {
            pk__control_start s;
            pk_error err;
            CHECK_ERR(pk__control_read_start(&mem, pk_str_from(rows[i].line), &s, &err), PK_ERR_PROTOCOL);
            CHECK_CONTAINS(err.msg, rows[i].says);
        }
    }
    pk_mem_free(&mem);
}

TEST(control, never_quotes_the_token)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk__control_start s;
    pk_error err;
    for (size_t len = 0; len < sizeof(first_line) - 1; len++) {
        pk_str part = {first_line, len};
        CHECK_ERR(pk__control_read_start(&mem, part, &s, &err), PK_ERR_PROTOCOL);
        CHECK(strstr(err.msg, "00f") == NULL);
    }
    pk_mem_free(&mem);
}

TEST(control, cuts_lines_however_they_arrive)
{
    static const char text[] = "{\"a\":1}\n\r\n\n{\"b\":2}\r\n{\"c\":3}\n{\"d\"";
    EACH_SPLIT(sizeof(text) - 1, cut) {
        pk__control_lines l;
        pk_str line, parts[2] = {{text, cut}, {text + cut, sizeof(text) - 1 - cut}};
        char got[64] = "";
        pk__control_lines_init(&l, test_alloc(), 32);
        for (int i = 0; i < 2; i++) {
            CHECK_OK(pk__control_lines_feed(&l, parts[i], NULL));
            while (pk__control_lines_next(&l, &line, NULL) == PK_OK && line.ptr) {
                snprintf(got + strlen(got), sizeof(got) - strlen(got), "%" PK_FMT ";", PK_ARG(line));
            }
        }
        CHECK_STR(got, "{\"a\":1};{\"b\":2};{\"c\":3};");
        CHECK(!pk__control_lines_is_empty(&l));
        pk__control_lines_deinit(&l);
    }
}

TEST(control, takes_lines_up_to_the_limit_and_not_a_byte_more)
{
    pk__control_lines l;
    pk_str line;
    pk__control_lines_init(&l, test_alloc(), 4);

    CHECK_OK(pk__control_lines_feed(&l, PK_STR("1234\n12345"), NULL));
    CHECK_OK(pk__control_lines_next(&l, &line, NULL));
    CHECK_PK_STR(line, "1234");
    CHECK_ERR(pk__control_lines_next(&l, &line, NULL), PK_ERR_PROTOCOL); // although it is not complete yet
    CHECK(line.ptr == NULL);
    pk__control_lines_deinit(&l);
}

TEST(control, looks_at_each_byte_of_a_slow_line_once)
{
    pk__control_lines l;
    pk_str line, byte = {"x", 1};
    pk__control_lines_init(&l, test_alloc(), 100000);
    for (size_t i = 0; i < 1000; i++) {
        CHECK_OK(pk__control_lines_feed(&l, byte, NULL));
        CHECK_OK(pk__control_lines_next(&l, &line, NULL));
        CHECK_UINT(l.seen, ==, i + 1);
    }
    CHECK_OK(pk__control_lines_feed(&l, PK_STR("\n"), NULL));
    CHECK_OK(pk__control_lines_next(&l, &line, NULL));
    CHECK_UINT(line.len, ==, 1000);
    CHECK(pk__control_lines_is_empty(&l));
    pk__control_lines_deinit(&l);
}

TEST_TORTURE(control, survives_having_no_memory)
{
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk__control_config config;
    pk__control_service service;
    pk__control_start s = start_example(&config, &service), back;
    pk__control_lines l;
    pk_str line = {NULL, 0};
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 4096);
    pk__control_lines_init(&l, test_alloc(), 4096);

    if (TRY_OK(pk__control_write_start(&buf, &s, NULL)) &&
        TRY_OK(pk__control_lines_feed(&l, pk_buf_str(&buf), NULL)) &&
        TRY_OK(pk__control_lines_next(&l, &line, NULL)) &&
        TRY_OK(pk__control_read_start(&mem, line, &back, NULL))) {
        CHECK_PK_STR(back.token, "00ff");
    }
    pk__control_lines_deinit(&l);
    pk_buf_free(&buf);
    pk_mem_free(&mem);
}
