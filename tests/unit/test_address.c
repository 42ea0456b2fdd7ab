/* test_address.c - every form in which plugins say where they are; and sockets made from them. */
#include "unit.h"
#include "torture.h"

#include <netinet/tcp.h>

static void check_unix(const char *text, const char *path)
{
    CASE("%s", text)
    {
        pk__address a;
        char out[PK__ADDRESS_TEXT_MAX];
        CHECK_OK(pk__address_parse(&a, pk_str_from(text), NULL));
        CHECK_INT(a.kind, ==, PK__ADDRESS_UNIX);
        CHECK_STR(a.host, path);
        CHECK_UINT(pk__address_format(&a, out, sizeof(out)), ==, strlen(path) + 12);
        CHECK(strncmp(out, "http+unix://", 12) == 0);
        CHECK_STR(out + 12, path);
        (void)pk__address_host(&a, out, sizeof(out));
        CHECK_STR(out, "unix");
    }
}

TEST(address, reads_every_form_of_a_unix_path)
{
    check_unix("http+unix:///tmp/a-plugin.socket", "/tmp/a-plugin.socket");
    check_unix("http+unix:///tmp/a-plugin.socket\r\n", "/tmp/a-plugin.socket");
    check_unix("  unix:///run/x.sock ", "/run/x.sock");
    check_unix("unix:/run/x.sock", "/run/x.sock");
    check_unix("unix:x.sock", "x.sock");
    check_unix("/run/x.sock", "/run/x.sock");
    check_unix("http+unix://%2Frun%2Fx%20y.sock", "/run/x y.sock");
    check_unix("unix:/run/50%/x:80", "/run/50%/x:80"); // a percent sign of its own
    check_unix("unix:/run/a b\n'c", "/run/a b\n'c");
}

TEST(address, reads_every_form_of_host_and_port)
{
    static const struct {
        const char *text, *host, *formatted;
        unsigned port;
        bool wildcard;
    } rows[] = {
        {"http://127.0.0.1:8080", "127.0.0.1", "http://127.0.0.1:8080", 8080, false},
        {"http://127.0.0.1:8080/", "127.0.0.1", "http://127.0.0.1:8080", 8080, false},
        {"http://localhost", "localhost", "http://localhost:80", 80, false},
        {"tcp://10.0.0.1:0", "10.0.0.1", "http://10.0.0.1:0", 0, false},
        {"127.0.0.1:1", "127.0.0.1", "http://127.0.0.1:1", 1, false},
        {"plugins.example:65535", "plugins.example", "http://plugins.example:65535", 65535, false},
        {"[::1]:80", "::1", "http://[::1]:80", 80, false},
        {"http://[fe80::1%eth0]:80", "fe80::1%eth0", "http://[fe80::1%eth0]:80", 80, false},
        {"[::]:41233", "::", "http://127.0.0.1:41233", 41233, true},
        {"0.0.0.0:41233", "0.0.0.0", "http://127.0.0.1:41233", 41233, true},
        {":41233", "0.0.0.0", "http://127.0.0.1:41233", 41233, true},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            pk__address a;
            char out[PK__ADDRESS_TEXT_MAX];
            CHECK_OK(pk__address_parse(&a, pk_str_from(rows[i].text), NULL));
            CHECK_INT(a.kind, ==, PK__ADDRESS_TCP);
            CHECK_STR(a.host, rows[i].host);
            CHECK_UINT(a.port, ==, rows[i].port);
            CHECK_INT(a.is_wildcard, ==, rows[i].wildcard);
            pk__address_loopback(&a); // what is called is this machine
            (void)pk__address_format(&a, out, sizeof(out));
            CHECK_STR(out, rows[i].formatted);
            (void)pk__address_host(&a, out, sizeof(out));
            CHECK_STR(out, rows[i].formatted + 7);
        }
    }
}

TEST(address, knows_secure_ones)
{
    static const struct {
        const char *text, *host;
        pk__address_kind kind;
        unsigned port;
        const char *formatted;
    } rows[] = {
        {"https://example.org", "example.org", PK__ADDRESS_TCP, 443, "https://example.org:443"},
        {"https://[::1]:8443/", "::1", PK__ADDRESS_TCP, 8443, "https://[::1]:8443"},
        {"https+unix:///run/x.sock", "/run/x.sock", PK__ADDRESS_UNIX, 0, "https+unix:///run/x.sock"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            pk__address a;
            char out[PK__ADDRESS_TEXT_MAX];
            REQUIRE_OK(pk__address_parse(&a, pk_str_from(rows[i].text), NULL));
            CHECK(a.is_secure);
            CHECK_INT(a.kind, ==, rows[i].kind);
            CHECK_STR(a.host, rows[i].host);
            CHECK_UINT(a.port, ==, rows[i].port);
            (void)pk__address_format(&a, out, sizeof(out));
            CHECK_STR(out, rows[i].formatted);
        }
    }
    pk__address a;
    CHECK_OK(pk__address_parse(&a, PK_STR("https:80"), NULL)); // a host that is called so
    CHECK(!a.is_secure);
    CHECK_STR(a.host, "https");
    CHECK_ERR(pk__address_parse(&a, PK_STR("https+unix://"), NULL), PK_ERR_BAD_ENDPOINT);
}

TEST(address, leaves_other_schemes_to_transports)
{
    pk__address a;
    char out[PK__ADDRESS_TEXT_MAX];
    CHECK_OK(pk__address_parse(&a, PK_STR("uart://1"), NULL));
    CHECK_INT(a.kind, ==, PK__ADDRESS_OTHER);
    CHECK_STR(a.host, "uart");
    CHECK_OK(pk__address_parse(&a, PK_STR("http+pipe:///x"), NULL));
    CHECK_STR(a.host, "pipe");
    CHECK_OK(pk__address_parse(&a, PK_STR("httpsx://example.org"), NULL));
    CHECK_STR(a.host, "httpsx");
    (void)pk__address_host(&a, out, sizeof(out));
    CHECK_STR(out, "plugkit");
    CHECK(pk__transport_find(NULL, 0, &a) == NULL);
}

TEST(address, refuses_what_is_none)
{
    static const char *const rows[] = {
        "", " ", "unix:", "http+unix://", "http+unix://%2", "http+unix://%2F%00", "http://", "http://:80x", "tcp://127.0.0.1",
        "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:0x1", "127.0.0.1:1 2",
        "[::1]", "[::1", "[]:80", "[::1]80", "::1:80", "a b:80", "http://127.0.0.1:80/path", "http://user@host:80", "+x://y",
        "plugin ready", "{\"listening\":true}",
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i])
        {
            pk__address a;
            pk_error err = {0};
            size_t len = strlen(rows[i]);
            char *text = test_guarded(rows[i], len);
            pk_str view = {text, len};
            CHECK_ERR(pk__address_parse(&a, view, &err), PK_ERR_BAD_ENDPOINT);
            CHECK_CONTAINS(err.msg, "cannot use address '");
            test_guarded_free(text, len);
        }
    }
}

TEST(address, checks_the_length_of_a_socket_path)
{
    char text[300];
    pk__address a;
    pk_error err = {0};
    memset(text, 'p', sizeof(text));
    memcpy(text, "unix:/", 6);
    text[5 + 107] = '\0';
    CHECK_OK(pk__address_parse(&a, pk_str_from(text), &err));
    text[5 + 107] = 'p';
    text[5 + 108] = '\0';
    CHECK_ERR(pk__address_parse(&a, pk_str_from(text), &err), PK_ERR_BAD_ENDPOINT);
    CHECK_CONTAINS(err.msg, "has 108 bytes, and 107 is the most that fits");
    CHECK_CONTAINS(err.msg, "/ppppp");
}

/* ---- sockets */

TEST(socket, listens_privately_and_connects)
{
    pk__address a, local;
    pk_error err = {0};
    struct stat st;
    int listener = -1, client = -1, server = -1, reserve = -1;
    size_t n = 0;
    char buf[16];
    (void)umask(0);
    REQUIRE_OK(pk__address_parse(&a, PK_STR("unix:x.sock"), NULL));
    CHECK_INT(pk__socket_connect(&a, &client, &err), ==, PK_IO_FAILED);
    CHECK_INT(err.code, ==, PK_ERR_PLUGIN_CONNECTION);
    REQUIRE_OK(pk__socket_listen(&a, &listener, &err));
    CHECK(stat("x.sock", &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK_ERR(pk__socket_listen(&a, &client, &err), PK_ERR_OS); // it is taken, and stays as it is
    CHECK_CONTAINS(err.msg, "cannot listen at 'http+unix://x.sock'");
    CHECK_OK(pk__socket_local(listener, &local, NULL));
    CHECK_STR(local.host, "x.sock");
    CHECK_OK(pk__socket_accept(listener, &reserve, &server, NULL));
    CHECK_INT(server, ==, -1); // nobody is there yet
    CHECK_INT(pk__socket_connect(&a, &client, &err), ==, PK_IO_DONE);
    CHECK_OK(pk__socket_accept(listener, &reserve, &server, NULL));
    REQUIRE(server > 2 && client > 2);
    CHECK(fcntl(server, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(client, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(server, F_GETFL) & O_NONBLOCK);
    CHECK(!(fcntl(client, F_GETFL) & O_NONBLOCK));
    CHECK(pk__socket_is_quiet(client));
    pk_str parts[3] = {PK_STR("a"), PK_STR("bc"), PK_STR("d")};
    CHECK_INT(pk__socket_send(server, parts, 3, &n, NULL), ==, PK_IO_DONE);
    CHECK_UINT(n, ==, 4);
    CHECK(!pk__socket_is_quiet(client));
    CHECK_INT(pk__socket_recv(client, buf, sizeof(buf), true, &n, NULL), ==, PK_IO_DONE);
    CHECK_MEM(buf, "abcd", n);
    CHECK_INT(pk__socket_recv(client, buf, sizeof(buf), false, &n, NULL), ==, PK_IO_WANT_READ);
    CHECK(pk__socket_set_timeout(client, 1));
    CHECK_INT(pk__socket_recv(client, buf, sizeof(buf), true, &n, NULL), ==, PK_IO_WANT_READ);
    close(server);
    CHECK_INT(pk__socket_recv(client, buf, sizeof(buf), false, &n, NULL), ==, PK_IO_CLOSED);
    CHECK(!pk__socket_is_quiet(client));
    CHECK_INT(pk__socket_send(client, parts, 1, &n, &err), ==, PK_IO_FAILED); // and no SIGPIPE
    CHECK_INT(err.sys_errno, ==, EPIPE);
    close(client), close(listener), close(reserve);
}

TEST(socket, connects_over_tcp)
{
    pk__address a, local;
    int listener = -1, client = -1, server = -1, reserve = -1, on = 0;
    socklen_t len = sizeof(on);
    REQUIRE_OK(pk__address_parse(&a, PK_STR("http://127.0.0.1:0"), NULL));
    REQUIRE_OK(pk__socket_listen(&a, &listener, NULL));
    REQUIRE_OK(pk__socket_local(listener, &local, NULL));
    CHECK_INT(local.kind, ==, PK__ADDRESS_TCP);
    CHECK_STR(local.host, "127.0.0.1");
    CHECK_UINT(local.port, !=, 0);
    pk_io io = pk__socket_connect(&local, &client, NULL);
    CHECK(io == PK_IO_DONE || io == PK_IO_WANT_WRITE);
    CHECK(pk__fd_wait(client, false, true, PK_FOREVER));
    CHECK_OK(pk__socket_connected(client, &local, NULL));
    CHECK(pk__fd_wait(listener, true, false, PK_FOREVER));
    CHECK_OK(pk__socket_accept(listener, &reserve, &server, NULL));
    CHECK(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on);
    on = 0;
    CHECK(getsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on);
    close(client), close(server), close(reserve), close(listener);

    pk_error err = {0}; // nobody listens there now
    io = pk__socket_connect(&local, &client, &err);
    if (io == PK_IO_WANT_WRITE) {
        CHECK(pk__fd_wait(client, false, true, PK_FOREVER));
        CHECK_ERR(pk__socket_connected(client, &local, &err), PK_ERR_PLUGIN_CONNECTION);
        close(client);
    }
    CHECK_INT(err.sys_errno, ==, ECONNREFUSED);
    CHECK_CONTAINS(err.msg, "cannot connect to 'http://127.0.0.1:");
}

static int no_descriptors(int fd, struct sockaddr *address, socklen_t *len)
{
    static int turn;
    if (turn++ == 0) {
        errno = EMFILE;
        return -1;
    }
    return pk__sys_port_accept(fd, address, len); // the reserve was given up
}

TEST(socket, turns_one_away_when_descriptors_run_out)
{
    pk__address a;
    int listener = -1, client = -1, server = -1, reserve = -1;
    size_t n = 0;
    char buf[4];
    REQUIRE_OK(pk__address_parse(&a, PK_STR("unix:x.sock"), NULL));
    REQUIRE_OK(pk__socket_listen(&a, &listener, NULL));
    CHECK_OK(pk__socket_accept(listener, &reserve, &server, NULL));
    CHECK_INT(reserve, >, 2);
    CHECK_INT(pk__socket_connect(&a, &client, NULL), ==, PK_IO_DONE);
    pk__sys.accept = no_descriptors;
    CHECK_ERR(pk__socket_accept(listener, &reserve, &server, NULL), PK_ERR_LIMIT);
    CHECK_INT(server, ==, -1);
    CHECK_INT(reserve, >, 2); // taken again
    CHECK_INT(pk__socket_recv(client, buf, sizeof(buf), false, &n, NULL), ==, PK_IO_CLOSED);
    close(client), close(listener), close(reserve);
}

TEST_TORTURE(socket, survives_every_failure)
{
    pk__address a;
    int listener = -1, client = -1, server = -1, reserve = -1;
    pk_error err = {0};
    REQUIRE_OK(pk__address_parse(&a, PK_STR("unix:x.sock"), NULL));
    if (TRY_OK(pk__socket_listen(&a, &listener, &err))) {
        if (TRY(pk__socket_connect(&a, &client, &err) == PK_IO_DONE)) {
            (void)pk__socket_accept(listener, &reserve, &server, &err);
        }
    } else {
        CHECK_INT(listener, ==, -1);
        CHECK(access("x.sock", F_OK) != 0 || pk__sys_fail_times > 0); // nothing is left, unless unlink failed as well
    }
    pk__fd_close(client), pk__fd_close(server), pk__fd_close(reserve), pk__fd_close(listener);
}
