/* fuzz_http_server.c - a whole server, asked nonsense: it answers the same however the bytes are cut, answers are HTTP,
 * handlers run no oftener than there are answers, and nothing stays behind on the connection. */
#include "fuzz.h"

#include <sys/socket.h>
#include <sys/un.h>

static pk_loop *loop;
static pk_server *server;
static int runs;
static bool uploads;

static pk_err echo(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)err;
    runs++;
    a->body = q->body;
    a->body.content_type = PK_STR("text/plain");
    return PK_OK;
}

static pk_err upload(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    char buf[7];
    size_t got = 1, sum = 0;
    (void)user;
    runs++;
    uploads = true;
    while (got > 0) {
        pk_err rc = q->body.read(q->body.user, buf, sizeof(buf), &got, err);
        if (rc) {
            return rc;
        }
        sum += got;
    }
    a->body.bytes = pk_mem_printf(q->ctx->mem, "%zu", sum);
    return PK_OK;
}

/* An upload's handler waits for what only we could send: time passes at once. Otherwise it stands still. */
static int wait_in_vain(struct pollfd *set, nfds_t count, int timeout_ms)
{
    (void)set, (void)count, (void)timeout_ms;
    pk__clock_advance(3600 * PK__SECOND);
    return 0;
}

static void open_server(void)
{
    static const pk_route routes[] = {
        {"POST /e", 0, echo, NULL}, {"GET /*", 0, echo, NULL}, {"POST /u", PK_UPLOAD, upload, NULL},
    };
    struct sockaddr_un name; // without a path the system chooses one of its own
    pk_server_desc desc;
    pk__clock_fake(PK__SECOND);
    pk__sys.poll = wait_in_vain;
    memset(&name, 0, sizeof(name));
    memset(&desc, 0, sizeof(desc));
    name.sun_family = AF_UNIX;
    desc.has_listen_fd = true;
    desc.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(desc.listen_fd, (struct sockaddr *)&name, sizeof(sa_family_t)) == 0 && listen(desc.listen_fd, 1) == 0);
    MUST(pk_loop_create(&loop, NULL, NULL) == PK_OK);
    desc.loop = loop;
    desc.limit.body_bytes = 1000;
    desc.limit.head_bytes = 2000;
    desc.limit.fields = 10;
    MUST(pk_server_create(&server, &desc, NULL) == PK_OK);
    for (size_t i = 0; i < PK__COUNT(routes); i++) {
        MUST(pk_server_add(server, &routes[i], NULL) == PK_OK);
    }
}

/* Whoever waits for 100 is answered by what has come of the body, and so by where the bytes are cut. */
static bool expects(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 4 <= size; i++) {
        if (memcmp(data + i, "100-", 4) == 0) {
            return true;
        }
    }
    return false;
}

/* What the server answers to these bytes, sent in pieces of `step`, and then the end. */
static size_t ask(const uint8_t *data, size_t size, size_t step, char *out, size_t cap)
{
    int fds[2];
    size_t len = 0;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    pk__http_server_add(server->engine, fds[0]);
    for (size_t at = 0, quiet = 0; quiet < 4;) {
        size_t n = size - at < step ? size - at : step;
        if (n > 0 && send(fds[1], data + at, n, MSG_NOSIGNAL) == (ssize_t)n) {
            at += n;
            quiet = 0;
        } else if (n == 0 && quiet == 1) {
            shutdown(fds[1], SHUT_WR);
        }
        (void)pk_loop_step(loop, 0, NULL);
        ssize_t got = recv(fds[1], out + len, cap - len, 0);
        quiet = got > 0 ? 0 : quiet + 1;
        len += got > 0 ? (size_t)got : 0;
    }
    close(fds[1]);
    (void)pk_loop_step(loop, 0, NULL);
    MUST(server->engine->link_count == 0 && pk_server_is_idle(server));
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[1 << 18], pieces[1 << 18];
    if (!server) {
        open_server();
    }
    if (size > 8000) {
        return 0;
    }
    runs = 0;
    uploads = false;
    size_t len = ask(data, size, size, whole, sizeof(whole));
    int answers = 0;
    for (size_t i = 0; i + 9 <= len; i++) {
        answers += memcmp(whole + i, "HTTP/1.1 ", 9) == 0;
    }
    MUST(len == 0 || memcmp(whole, "HTTP/1.1 ", 9) == 0);
    MUST(runs <= answers);
    for (size_t step = 1; step < 70 && size < 2000 && !uploads && !expects(data, size); step += 23) {
        size_t other = ask(data, size, step, pieces, sizeof(pieces));
        MUST(other == len && memcmp(whole, pieces, len) == 0);
    }
    return 0;
}
