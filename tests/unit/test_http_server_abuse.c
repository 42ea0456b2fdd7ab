/* test_http_server_abuse.c - peers that want all of the server for themselves, or nothing but its patience. One thread
 * plays them all and steps the loop. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#define H " HTTP/1.1\r\nHost: unix\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static pk_loop *loop;
static pk_server *server;
static int runs;

static pk_err run_empty(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)q, (void)a, (void)err;
    runs++;
    return PK_OK;
}

/* Without end. */
static pk_err read_zeros(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    (void)user, (void)err;
    memset(buf, 0, cap);
    *got = cap;
    return PK_OK;
}

static char *bytes;
static int file;
enum { BYTES = 8 << 20 };

static pk_err run_large(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)err;
    if (pk_str_is(q->rest, "bytes")) {
        a->body.bytes.ptr = bytes;
        a->body.bytes.len = BYTES;
    } else if (pk_str_is(q->rest, "file")) {
        a->body.has_fd = true;
        a->body.fd = file;
        a->body.size = BYTES;
    } else {
        a->body.read = read_zeros;
    }
    return PK_OK;
}

static void open_site(pk_server_desc *desc)
{
    static const pk_route routes[] = {{"GET /empty", 0, run_empty, NULL},
                                      {"POST /empty", 0, run_empty, NULL},
                                      {"GET /large/*", 0, run_large, NULL}};
    pk_server_desc none;
    memset(&none, 0, sizeof(none));
    desc = desc ? desc : &none;
    runs = 0;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    desc->alloc = test_alloc();
    desc->loop = loop;
    desc->listen = desc->listen ? desc->listen : "unix:x.sock";
    REQUIRE_OK(pk_server_create(&server, desc, NULL));
    for (size_t i = 0; i < PK__COUNT(routes); i++) {
        REQUIRE_OK(pk_server_add(server, &routes[i], NULL));
    }
}

static void close_site(void)
{
    pk_server_destroy(server);
    pk_loop_destroy(loop);
    (void)unlink("x.sock");
}

static void step(int times)
{
    for (int i = 0; i < times; i++) {
        REQUIRE_OK(pk_loop_step(loop, 0, NULL));
    }
}

static int dial(void)
{
    struct sockaddr_un name;
    memset(&name, 0, sizeof(name));
    name.sun_family = AF_UNIX;
    snprintf(name.sun_path, sizeof(name.sun_path), "x.sock");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    step(2); // it is accepted, and its job is at hand
    return fd;
}

static void say(int fd, const char *text)
{
    REQUIRE(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* What has come; "<end>" behind it if the connection was closed. */
static const char *heard(int fd)
{
    static char text[4096];
    size_t len = 0;
    ssize_t n;
    while (len < sizeof(text) - 8 && (n = recv(fd, text + len, sizeof(text) - 8 - len, MSG_DONTWAIT)) > 0) {
        len += (size_t)n;
    }
    snprintf(text + len, 8, "%s", len < sizeof(text) - 8 && n == 0 ? "<end>" : "");
    return text;
}

/* ---- those who want it all: others have their turn in the same step */

TEST(http_server_abuse, a_pipeline_does_not_hold_up_others)
{
    static const char request[] = "GET /empty" H "\r\n";
    open_site(NULL);
    int greedy = dial(), other = dial();
    char *many = (char *)calloc(400, sizeof(request));
    for (int i = 0; i < 400; i++) {
        strcat(many, request);
    }
    say(greedy, many);
    free(many);
    say(other, request);
    step(1);
    CHECK_STR(heard(other), OK_EMPTY);
    CHECK_INT(runs, <, 40);
    for (int i = 0; i < 400 && runs < 401; i++) { // it gets its turn again by itself
        step(1);
        (void)heard(greedy);
    }
    CHECK_INT(runs, ==, 401);
    say(greedy, request);
    step(2);
    CHECK_STR(heard(greedy), OK_EMPTY);
    close(greedy), close(other);
    close_site();
}

TEST(http_server_abuse, who_pipelines_and_never_reads_is_not_read_from_and_given_up)
{
    static const char request[] = "GET /empty" H "\r\n";
    pk__clock_fake(1000 * PK__SECOND);
    open_site(NULL);
    int greedy = dial();
    int small = 4096;
    size_t sent = 0;
    ssize_t n = 0;
    REQUIRE(setsockopt(greedy, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
    for (int quiet = 0; quiet < 200; quiet++) {
        n = send(greedy, request, sizeof(request) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
            quiet = 0;
        }
        REQUIRE(sent < 64u << 20);
        step(1);
    }
    CHECK_INT(errno, ==, EAGAIN);
    pk__clock_advance(61 * PK__SECOND);
    step(4);
    CHECK_UINT(server->engine->link_count, ==, 0);
    close(greedy);
    close_site();
}

static int endless_fd;
static size_t endless_bytes;

/* This one always has more to say, and always room for more. */
static ssize_t endless_recv(int fd, void *buf, size_t cap, int flags)
{
    if (fd == endless_fd || endless_fd < 0) {
        memset(buf, 'x', cap);
        endless_bytes += cap;
        return (ssize_t)cap;
    }
    return recv(fd, buf, cap, flags);
}

static ssize_t endless_send(int fd, const void *buf, size_t len, int flags)
{
    (void)fd, (void)buf, (void)flags;
    endless_bytes += len;
    return (ssize_t)len;
}

static ssize_t endless_sendmsg(int fd, const struct msghdr *message, int flags)
{
    size_t sum = 0;
    (void)fd, (void)flags;
    for (size_t i = 0; i < (size_t)message->msg_iovlen; i++) {
        sum += message->msg_iov[i].iov_len;
    }
    endless_bytes += sum;
    return (ssize_t)sum;
}

static ssize_t endless_sendfile(int out, int in, off_t *at, size_t len)
{
    (void)out, (void)in, (void)at;
    endless_bytes += len;
    return (ssize_t)len;
}

TEST(http_server_abuse, an_upload_at_full_speed_does_not_hold_up_others)
{
    static const struct {
        const char *name, *head;
    } rows[] = {
        {"collected", "POST /empty" H "Content-Length: 8000000\r\n\r\n"},
        {"thrown away", "POST /nope" H "Content-Length: 262144\r\n\r\n"},
        {"lingering", "POST /nope HTTP/1.0\r\nContent-Length: 8000000\r\n\r\n"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) CASE("%s", rows[i].name) {
        open_site(NULL);
        int fd = dial();
        say(fd, rows[i].head);
        step(1);
        endless_bytes = 0;
        endless_fd = -1; // there is but one
        pk__sys.recv = endless_recv;
        say(fd, "x"); // wakes it
        step(1);
        CHECK_UINT(endless_bytes, >, 0);
        CHECK_UINT(endless_bytes, <=, 16 * 64 * 1024);
        for (int turn = 0; turn < 200 && runs == 0 && endless_bytes < 8000000; turn++) {
            step(1);
        }
        CHECK_INT(runs, ==, i == 0);
        pk__sys_reset();
        close(fd);
        close_site();
    }
}

TEST(http_server_abuse, a_download_at_full_speed_does_not_hold_up_others)
{
    static const char *const kinds[] = {"bytes", "file", "reader"};
    bytes = (char *)calloc(1, BYTES);
    file = open("large", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(file >= 0);
    for (size_t i = 0; i < PK__COUNT(kinds); i++) CASE("%s", kinds[i]) {
        char request[128];
        open_site(NULL);
        int fd = dial();
        snprintf(request, sizeof(request), "GET /large/%s" H "\r\n", kinds[i]);
        say(fd, request);
        endless_bytes = 0;
        pk__sys.send = endless_send;
        pk__sys.sendmsg = endless_sendmsg;
        pk__sys.sendfile = endless_sendfile;
        step(1);
        CHECK_UINT(endless_bytes, >, 0);
        CHECK_UINT(endless_bytes, <=, 17 * 256 * 1024);
        size_t before = endless_bytes;
        step(1);
        CHECK_UINT(endless_bytes, >, before);
        CHECK_UINT(endless_bytes - before, <=, 17 * 256 * 1024);
        pk__sys_reset();
        close(fd);
        close_site();
    }
    close(file);
    free(bytes);
}

/* ---- those who want nothing but a place */

TEST(http_server_abuse, slow_heads_make_room_for_the_next_one_the_longest_silent_first)
{
    int fds[5];
    pk_server_desc desc = {0};
    desc.limit.connections = 4;
    open_site(&desc);
    for (int i = 0; i < 4; i++) {
        fds[i] = dial();
        say(fds[i], "GET /em");
        step(1);
    }
    say(fds[0], "p"); // not silent any more
    step(1);
    fds[4] = dial();
    say(fds[4], "GET /empty" H "\r\n");
    step(2);
    CHECK_STR(heard(fds[4]), OK_EMPTY);
    CHECK_STR(heard(fds[1]), "<end>");
    CHECK_STR(heard(fds[0]), "");
    say(fds[0], "ty" H "\r\n");
    step(1);
    CHECK_STR(heard(fds[0]), OK_EMPTY);
    for (int i = 0; i < 5; i++) {
        close(fds[i]);
    }
    close_site();
}

TEST(http_server_abuse, a_slow_head_costs_no_more_than_an_idle_connection)
{
    static const char request[] = "GET /empty" H "\r\n";
    int fds[40];
    open_site(NULL);
    int fd = dial();
    say(fd, request);
    step(1);
    (void)heard(fd);
    long before = test_alloc_live();
    for (size_t i = 0; i < PK__COUNT(fds); i++) {
        fds[i] = dial();
        for (size_t at = 0; at < 20; at++) {
            REQUIRE(send(fds[i], request + at, 1, MSG_NOSIGNAL) == 1);
            step(1);
        }
    }
    CHECK_INT(test_alloc_live() - before, <=, 2 * 40 + 2); // a connection and a piece of a head; lists that have grown
    CHECK_UINT(server->engine->spare_count, ==, 1);
    for (size_t i = 0; i < PK__COUNT(fds); i++) {
        say(fds[i], request + 20);
        step(1);
        CHECK_STR(heard(fds[i]), OK_EMPTY);
        close(fds[i]);
    }
    CHECK_INT(runs, ==, 41);
    close(fd);
    close_site();
}

TEST(http_server_abuse, a_large_head_comes_in_pieces_too)
{
    char head[9000], piece[8];
    open_site(NULL);
    int fd = dial();
    int len = snprintf(head, sizeof(head), "GET /empty" H "X: %05000d\r\nY: %03000d\r\n\r\n", 0, 0);
    for (int at = 0; at < len; at += 7) {
        snprintf(piece, sizeof(piece), "%.7s", head + at);
        say(fd, piece);
        step(1);
    }
    CHECK_STR(heard(fd), OK_EMPTY);
    close(fd);
    close_site();
}

/* ---- limits per peer */

static int port_of_site(void)
{
    return atoi(strrchr(pk_server_address(server), ':') + 1);
}

static int dial_from(const char *address)
{
    struct sockaddr_in local, name;
    memset(&local, 0, sizeof(local));
    local.sin_family = AF_INET;
    name = local;
    REQUIRE(inet_pton(AF_INET, address, &local.sin_addr) == 1);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons((uint16_t)port_of_site());
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0 &&
            connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    step(2);
    return fd;
}

TEST(http_server_abuse, no_address_gets_more_connections_than_its_share)
{
    static const char request[] = "GET /empty" H "\r\n";
    int fds[4];
    pk_server_desc desc = {0};
    desc.listen = "http://127.0.0.1:0";
    open_site(&desc);
    pk_server_limit_peers(server, 2);
    for (int i = 0; i < 3; i++) {
        fds[i] = dial_from("127.0.0.1");
    }
    fds[3] = dial_from("127.0.0.2");
    for (int i = 0; i < 4; i++) {
        if (i != 2) {
            say(fds[i], request);
            step(2);
            CHECK_STR(heard(fds[i]), OK_EMPTY);
        }
    }
    CHECK_STR(heard(fds[2]), "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
                             "Connection: close\r\n\r\n<end>");
    CHECK_UINT(server->engine->link_count, ==, 3);
    close(fds[2]);
    close(fds[0]); // who leaves makes room for another of his
    step(2);
    fds[0] = dial_from("127.0.0.1");
    say(fds[0], request);
    step(2);
    CHECK_STR(heard(fds[0]), OK_EMPTY);
    close(fds[0]), close(fds[1]), close(fds[3]);
    step(2);
    CHECK_UINT(server->engine->link_count, ==, 0);
    for (size_t i = 0; i < PK__HTTP_SERVER_PEERS; i++) {
        CHECK(pk__list_is_empty(&server->engine->peers[i]));
    }
    close_site();
}

TEST(http_server_abuse, nor_does_a_user_of_a_unix_socket)
{
    int fds[3];
    pk_server_desc desc = {0};
    open_site(&desc);
    pk_server_limit_peers(server, 2);
    for (int i = 0; i < 3; i++) {
        fds[i] = dial();
    }
    CHECK_STR(heard(fds[0]), "");
    CHECK_STR(heard(fds[1]), "");
    CHECK_CONTAINS(heard(fds[2]), "HTTP/1.1 503 ");
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    close_site();
}

static struct sockaddr_in6 pretended;

static int pretend_peer(int fd, struct sockaddr *address, socklen_t *len)
{
    (void)fd;
    memcpy(address, &pretended, sizeof(pretended));
    *len = sizeof(pretended);
    return 0;
}

static int no_peer(int fd, struct sockaddr *address, socklen_t *len)
{
    (void)fd, (void)address, (void)len;
    errno = ENOTCONN;
    return -1;
}

TEST(http_server_abuse, whoever_has_one_address_of_an_ipv6_network_has_them_all)
{
    static const struct {
        const char *address;
        uint64_t id;
    } rows[] = {
        {"2001:db8:1:2::1", 0x20010db800010002},
        {"2001:db8:1:2:ffff:ffff:ffff:ffff", 0x20010db800010002},
        {"2001:db8:1:3::1", 0x20010db800010003},
        {"::1", 0},
        {"::ffff:127.0.0.1", 0x7f000001}, // IPv4, through a listener for both
        {"::ffff:10.1.2.3", 0x0a010203},
    };
    uint64_t id = 0;
    pk__sys.getpeername = pretend_peer;
    for (size_t i = 0; i < PK__COUNT(rows); i++) CASE("%s", rows[i].address) {
        memset(&pretended, 0, sizeof(pretended));
        pretended.sin6_family = AF_INET6;
        REQUIRE(inet_pton(AF_INET6, rows[i].address, &pretended.sin6_addr) == 1);
        CHECK(pk__socket_peer(0, &id));
        CHECK_UINT(id, ==, rows[i].id);
    }
    pk__sys.getpeername = no_peer;
    CHECK(!pk__socket_peer(0, &id));
    pk_server_desc desc = {0};
    open_site(&desc);
    pk_server_limit_peers(server, 2);
    int fd = dial(); // gone before it could be asked for: closed
    CHECK_UINT(server->engine->link_count, ==, 0);
    close(fd);
    close_site();
}

TEST_TORTURE(http_server_abuse, survives_every_failure)
{
    static const pk_route route = {"GET /empty", 0, run_empty, NULL};
    static const char request[] = "GET /empty" H "\r\n";
    pk_server_desc desc = {0};
    struct sockaddr_un name;
    unlink("x.sock");
    server = NULL;
    if (!TRY_OK(pk_loop_create(&loop, test_alloc(), NULL))) {
        return;
    }
    desc.alloc = test_alloc();
    desc.loop = loop;
    desc.listen = "unix:x.sock";
    if (TRY_OK(pk_server_create(&server, &desc, NULL)) && TRY_OK(pk_server_add(server, &route, NULL))) {
        int fds[3];
        pk_server_limit_peers(server, 2);
        memset(&name, 0, sizeof(name));
        name.sun_family = AF_UNIX;
        snprintf(name.sun_path, sizeof(name.sun_path), "x.sock");
        for (int i = 0; i < 3; i++) {
            fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            REQUIRE(fds[i] >= 0 && connect(fds[i], (struct sockaddr *)&name, sizeof(name)) == 0);
            (void)send(fds[i], request, 9, MSG_NOSIGNAL);
            (void)pk_loop_step(loop, 0, NULL);
            (void)pk_loop_step(loop, 0, NULL);
        }
        for (int i = 0; i < 3; i++) {
            (void)send(fds[i], request + 9, sizeof(request) - 10, MSG_NOSIGNAL);
            (void)pk_loop_step(loop, 0, NULL);
            const char *answer = heard(fds[i]);
            CHECK(!answer[0] || strncmp(answer, "HTTP/1.1 ", 9) == 0 || strcmp(answer, "<end>") == 0);
            if (!test_now.torture) {
                CHECK_CONTAINS(answer, i < 2 ? "HTTP/1.1 200" : "HTTP/1.1 503");
            }
            close(fds[i]);
        }
    }
    pk_server_destroy(server);
    pk_loop_destroy(loop);
}
