/* test_http_server_drain.c - the last moments of a server: whoever asks just then is answered, or knows for certain that
 * nobody has read the question, and can ask the next server. */
#include "unit.h"
#include "peer.h"

#define ASK "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"

typedef struct site {
    pk_loop *loop;
    pk_server *server;
    int runs;
} site;

static pk_err run_echo(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)err;
    ((site *)user)->runs++;
    a->body = q->body;
    return PK_OK;
}

static void open_site(site *s)
{
    memset(s, 0, sizeof(*s));
    REQUIRE_OK(pk_loop_create(&s->loop, test_alloc(), NULL));
    pk_server_desc desc = {.alloc = test_alloc(), .loop = s->loop, .listen = "http+unix://site.sock"};
    REQUIRE_OK(pk_server_create(&s->server, &desc, NULL));
    pk_route route = {"POST /echo", 0, run_echo, s};
    REQUIRE_OK(pk_server_add(s->server, &route, NULL));
}

static void close_site(site *s)
{
    pk_server_destroy(s->server);
    pk_loop_destroy(s->loop);
}

static void step(site *s)
{
    for (int i = 0; i < 10; i++) {
        pk_loop_step(s->loop, 0, NULL);
    }
}

static int dial(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "site.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool ask(int fd)
{
    return send(fd, ASK, strlen(ASK), MSG_NOSIGNAL) == (ssize_t)strlen(ASK);
}

static const char *hear(int fd)
{
    static char text[1000];
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return n < 0 ? strerror(errno) : text;
}

TEST(http_server_drain, a_connection_that_nobody_has_accepted_is_answered)
{
    site s;
    open_site(&s);
    int fd = dial();
    REQUIRE(fd >= 0);
    REQUIRE(ask(fd));
    pk_server_drain(s.server);
    step(&s);
    CHECK_CONTAINS(hear(fd), "\r\n\r\nhi");
    CHECK_INT(dial(), ==, -1);
    close(fd);
    close_site(&s);
}

TEST(http_server_drain, who_has_connected_and_not_asked_cannot_ask_in_vain)
{
    site s;
    open_site(&s);
    int waiting = dial(), accepted = dial();
    step(&s);
    int late = dial();
    pk_server_drain(s.server);
    step(&s);
    CHECK(!ask(waiting) && !ask(accepted) && !ask(late)); // EPIPE: not a byte of it was taken
    CHECK_INT(s.runs, ==, 0);
    close(waiting);
    close(accepted);
    close(late);
    close_site(&s);
}

/* Asks at the worst moment: when the server has just looked for the last time and found nothing. */
static int asks_late;
static bool has_asked, was_taken;

static ssize_t recv_and_ask(int fd, void *buf, size_t cap, int flags)
{
    ssize_t n = pk__sys_do_recv(fd, buf, cap, flags);
    if (n < 0 && errno == EAGAIN && asks_late >= 0) {
        has_asked = true;
        was_taken = ask(asks_late);
        asks_late = -1;
        errno = EAGAIN;
    }
    return n;
}

TEST(http_server_drain, a_request_that_comes_between_the_last_look_and_the_end_is_answered_or_refused_for_certain)
{
    site s;
    open_site(&s);
    int fd = dial();
    REQUIRE(ask(fd));
    step(&s);
    CHECK_CONTAINS(hear(fd), "\r\n\r\nhi");
    pk__sys.recv = recv_and_ask;
    asks_late = fd;
    pk_server_drain(s.server);
    step(&s);
    pk__sys_reset();
    REQUIRE(has_asked);
    if (was_taken) {
        CHECK_CONTAINS(hear(fd), "\r\n\r\nhi");
        CHECK_INT(s.runs, ==, 2);
    }
    close(fd);
    close_site(&s);
}

TEST(http_server_drain, so_is_one_that_comes_just_when_its_connection_is_closed_for_idleness)
{
    site s;
    memset(&s, 0, sizeof(s));
    pk__clock_fake(1000 * PK__SECOND);
    REQUIRE_OK(pk_loop_create(&s.loop, test_alloc(), NULL));
    pk_server_desc desc = {.alloc = test_alloc(), .loop = s.loop, .listen = "http+unix://site.sock",
                           .limit = {.idle_ms = 1000}};
    REQUIRE_OK(pk_server_create(&s.server, &desc, NULL));
    pk_route route = {"POST /echo", 0, run_echo, &s};
    REQUIRE_OK(pk_server_add(s.server, &route, NULL));
    int fd = dial();
    REQUIRE(ask(fd));
    step(&s);
    CHECK_CONTAINS(hear(fd), "\r\n\r\nhi");
    pk__clock_advance(2 * PK__SECOND);
    REQUIRE(ask(fd)); // it is there when the timer comes
    pk__sys.recv = recv_and_ask;
    asks_late = -1;
    for (int i = 0; i < 10; i++) {
        pk_loop_step(s.loop, 0, NULL);
    }
    pk__sys_reset();
    CHECK_CONTAINS(hear(fd), "\r\n\r\nhi");
    close(fd);
    close_site(&s);
}
