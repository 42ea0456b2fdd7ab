/* test_args.c - how a plugin was started: arguments and environment. */
#include "unit.h"

static pk_err parse(pk__args *out, pk_error *err, int argc, char *argv[])
{
    char program[] = "plugin", *all[8] = {program};
    for (int i = 0; i < argc; i++) {
        all[i + 1] = argv[i];
    }
    return pk__args_parse(out, argc + 1, all, err);
}

#define PARSE(out, err, ...) parse(out, err, (int)PK__COUNT(((char *[]){__VA_ARGS__})), (char *[]){__VA_ARGS__})

static void clear_environment(void)
{
    unsetenv("PLUGKIT_PROTOCOL");
    unsetenv("PLUGKIT_CONTROL_FD");
    unsetenv("PLUGKIT_LISTEN_FD");
}

TEST(args, understands_flags_as_go_does)
{
    static char word[] = "--config", json[] = "{}", joined[] = "--config={}", dash[] = "-config", one[] = "-config={}";
    char *rows[][2] = {{word, json}, {joined, NULL}, {dash, json}, {one, NULL}};
    pk__args a;
    clear_environment();
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i][0]) {
            CHECK_OK(parse(&a, NULL, rows[i][1] ? 2 : 1, rows[i]));
            CHECK_STR(a.config, "{}");
            CHECK(!a.listen && !a.capabilities && !a.help);
        }
    }
}

TEST(args, understands_the_rest)
{
    pk__args a;
    clear_environment();
    CHECK_OK(PARSE(&a, NULL, "capabilities"));
    CHECK(a.capabilities);
    CHECK_OK(PARSE(&a, NULL, "--listen", "/tmp/x", "--config", "{}"));
    CHECK_STR(a.listen, "/tmp/x");
    CHECK_STR(a.config, "{}");
    CHECK_OK(PARSE(&a, NULL, "--help"));
    CHECK(a.help);
    CHECK_OK(PARSE(&a, NULL, "-h"));
    CHECK(a.help);
    CHECK_OK(pk__args_parse(&a, 0, NULL, NULL));
    CHECK_INT(a.control_fd, ==, -1);
    CHECK_INT(a.listen_fd, ==, -1);
}

TEST(args, refuses_what_it_does_not_know)
{
    pk__args a;
    pk_error err;
    clear_environment();
    CHECK_ERR(PARSE(&a, &err, "--confi", "{}"), PK_ERR_PARSE);
    CHECK_STR(err.msg, "cannot understand the argument '--confi'");
    CHECK_ERR(PARSE(&a, &err, "--configs={}"), PK_ERR_PARSE);
    CHECK_ERR(PARSE(&a, &err, "--config"), PK_ERR_PARSE);
    CHECK_CONTAINS(err.msg, "its value is missing");
    CHECK_ERR(PARSE(&a, &err, "--config", "{}", "capabilities"), PK_ERR_PARSE);
}

TEST(args, takes_the_control_socket_from_the_environment)
{
    pk__args a;
    clear_environment();
    setenv("PLUGKIT_PROTOCOL", "plugkit/1", 1);
    setenv("PLUGKIT_CONTROL_FD", "7", 1);
    setenv("PLUGKIT_LISTEN_FD", "8", 1);
    CHECK_OK(pk__args_parse(&a, 0, NULL, NULL));
    CHECK_INT(a.control_fd, ==, 7);
    CHECK_INT(a.listen_fd, ==, 8);
    CHECK_OK(PARSE(&a, NULL, "--something", "else")); // the host's business
    CHECK_INT(a.control_fd, ==, 7);
    CHECK_OK(PARSE(&a, NULL, "capabilities"));
    CHECK(a.capabilities && a.control_fd == -1);
    CHECK_OK(PARSE(&a, NULL, "--config", "{}")); // who passes arguments means them
    CHECK_INT(a.control_fd, ==, -1);
    CHECK_INT(a.listen_fd, ==, 8);
}

TEST(args, refuses_a_broken_environment)
{
    static const struct {
        const char *protocol, *control, *listen, *says;
    } rows[] = {
        {"plugkit/2", "3", "", "cannot speak 'plugkit/2'"}, {"plugkit/1", "", "", "PLUGKIT_CONTROL_FD is missing"},
        {"plugkit/1", "x", "", "'x' is not a descriptor"},  {"plugkit/1", "-1", "", "not a descriptor"},
        {"plugkit/1", "2", "", "stdin, stdout or stderr"},  {"plugkit/1", "99999999999", "", "not a descriptor"},
        {"plugkit/1", "3 ", "", "not a descriptor"},        {"", "", "1", "PLUGKIT_LISTEN_FD"},
    };
    pk__args a;
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s %s %s", rows[i].protocol, rows[i].control, rows[i].listen) {
            pk_error err;
            setenv("PLUGKIT_PROTOCOL", rows[i].protocol, 1);
            setenv("PLUGKIT_CONTROL_FD", rows[i].control, 1);
            setenv("PLUGKIT_LISTEN_FD", rows[i].listen, 1);
            CHECK_ERR(pk__args_parse(&a, 0, NULL, &err), PK_ERR_PROTOCOL);
            CHECK_CONTAINS(err.msg, rows[i].says);
        }
    }
}

TEST(args, tells_people_what_this_is)
{
    pk_sdk_desc desc = {.id = "shout", .version = "1.2.0", .description = "makes text loud"};
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 4096);
    pk__args_usage(&buf, "./shout", &desc);
    REQUIRE(pk_buf_add_char(&buf, '\0'));
    CHECK_CONTAINS(buf.ptr, "shout 1.2.0 - makes text loud\n");
    CHECK_CONTAINS(buf.ptr, "./shout capabilities ");
    CHECK_CONTAINS(buf.ptr, "./shout --config JSON ");
    CHECK_CONTAINS(buf.ptr, "./shout --listen ADDRESS ");
    pk_buf_free(&buf);
}
