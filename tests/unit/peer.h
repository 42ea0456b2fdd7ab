/* peer.h - the other end of a connection, played by a script with plain sockets: for tests of what reads from one.
 *
 *     static const peer_step script[] = {ACCEPT, HEAD, SEND("HTTP/1.1 200 OK\r\n..."), CLOSE, END};
 *     peer p;
 *     peer_start(&p, "x.sock", script);       // listens at once, plays on a thread of its own
 *     ...
 *     peer_join(&p);                          // p.got: all that it read
 *
 * System calls are made directly: they are not counted, and not made to fail. */
#ifndef PEER_H
#define PEER_H

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef enum peer_verb {
    PEER_END,
    PEER_ACCEPT,
    PEER_HEAD,
    PEER_READ,
    PEER_BODY,
    PEER_SEND,
    PEER_DRIP,
    PEER_FILL,
    PEER_EOF,
    PEER_CLOSE,
    PEER_STAY
} peer_verb;

#define ACCEPT {PEER_ACCEPT, NULL, 0}          // the next connection
#define HEAD {PEER_HEAD, NULL, 0}              // reads until an empty line
#define READ(count) {PEER_READ, NULL, count}   // reads so many bytes
#define BODY(count) {PEER_BODY, NULL, count}   // reads a request with so long a body, plain or chunked
#define SEND(text) {PEER_SEND, text, 0}
#define SEND_BYTES(literal) {PEER_SEND, literal, sizeof(literal) - 1} // with NULs in them
#define DRIP(text) {PEER_DRIP, text, 0}        // byte by byte
#define FILL(text, count) {PEER_FILL, text, count} // so many times
#define UNTIL_EOF {PEER_EOF, NULL, 0}          // reads until the end
#define CLOSE {PEER_CLOSE, NULL, 0}
#define STAY {PEER_STAY, NULL, 0}              // does nothing until peer_release
#define END {PEER_END, NULL, 0}

typedef struct peer_step {
    peer_verb verb;
    const char *text;
    size_t count;
} peer_step;

typedef struct peer {
    const peer_step *script;
    int listener, fd, gate[2];
    pthread_t thread;
    char got[1 << 16]; // the first bytes that came
    size_t got_len;
    uint64_t got_all;
    char last[5]; // bytes
} peer;

static TEST__UNUSED bool peer_read(peer *p)
{
    char piece[1 << 16];
    ssize_t n = recv(p->fd, piece, sizeof(piece), 0);
    if (n <= 0) {
        return false;
    }
    size_t keep = PK__MIN((size_t)n, sizeof(p->got) - 1 - p->got_len);
    memcpy(p->got + p->got_len, piece, keep);
    p->got_len += keep;
    p->got_all += (uint64_t)n;
    for (ssize_t i = n < 5 ? 0 : n - 5; i < n; i++) {
        memmove(p->last, p->last + 1, 4);
        p->last[4] = piece[i];
    }
    p->got[p->got_len] = '\0';
    return true;
}

static TEST__UNUSED bool peer_write(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* The text `count` times, many of them in one call: three bytes at a time would take the system ten seconds. */
static TEST__UNUSED void peer_fill(int fd, const char *text, size_t count)
{
    char many[32768];
    size_t len = strlen(text), most = sizeof(many) / len;
    bool good = true;
    for (size_t i = 0; i < most; i++) {
        memcpy(many + i * len, text, len);
    }
    for (; count > 0 && good; count -= most) {
        most = most < count ? most : count;
        good = peer_write(fd, many, most * len);
    }
}

/* Everything up to the end of a body of `size` bytes: chunked ones end in an empty chunk. */
static TEST__UNUSED void peer_body(peer *p, size_t size)
{
    while (!strstr(p->got, "\r\n\r\n") && peer_read(p)) {
    }
    bool chunked = strstr(p->got, "chunked") != NULL;
    size_t head = (size_t)(strstr(p->got, "\r\n\r\n") - p->got) + 4;
    while ((chunked ? memcmp(p->last, "0\r\n\r\n", 5) != 0 : p->got_all < head + size) && peer_read(p)) {
    }
}

static TEST__UNUSED void peer_play(peer *p, const peer_step *step)
{
    size_t mark = p->got_len, len = step->text ? strlen(step->text) : 0;
    uint64_t all = p->got_all;
    char byte;
    switch (step->verb) {
    case PEER_ACCEPT: p->fd = accept(p->listener, NULL, NULL); break;
    case PEER_HEAD:
        while (!strstr(p->got + mark, "\r\n\r\n") && peer_read(p)) {
        }
        break;
    case PEER_READ:
        while (p->got_all - all < step->count && peer_read(p)) {
        }
        break;
    case PEER_BODY: peer_body(p, step->count); break;
    case PEER_SEND: (void)peer_write(p->fd, step->text, step->count > 0 ? step->count : len); break;
    case PEER_DRIP:
        for (size_t i = 0; i < len; i++) {
            (void)peer_write(p->fd, step->text + i, 1);
        }
        break;
    case PEER_FILL:
        peer_fill(p->fd, step->text, step->count);
        break;
    case PEER_EOF:
        while (peer_read(p)) {
        }
        break;
    case PEER_CLOSE:
        close(p->fd);
        p->fd = -1;
        break;
    case PEER_STAY:
        while (read(p->gate[0], &byte, 1) < 0) {
        }
        break;
    default: break;
    }
}

static TEST__UNUSED void *peer_run(void *arg)
{
    peer *p = (peer *)arg;
    for (const peer_step *step = p->script; step->verb != PEER_END; step++) {
        peer_play(p, step);
    }
    return NULL;
}

static TEST__UNUSED int peer_listen(const char *path)
{
    struct sockaddr_un name;
    memset(&name, 0, sizeof(name));
    name.sun_family = AF_UNIX;
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(fd, 16) == 0);
    return fd;
}

static TEST__UNUSED void peer_start(peer *p, const char *path, const peer_step *script)
{
    memset(p, 0, sizeof(*p));
    p->script = script;
    p->fd = -1;
    p->listener = peer_listen(path);
    REQUIRE(pipe(p->gate) == 0);
    REQUIRE(pthread_create(&p->thread, NULL, peer_run, p) == 0);
}

/* Lets a peer that stays go on to its next step. */
static TEST__UNUSED void peer_release(peer *p)
{
    REQUIRE(write(p->gate[1], "", 1) == 1);
}

static TEST__UNUSED void peer_join(peer *p)
{
    (void)shutdown(p->listener, SHUT_RDWR); // one that still waits for a connection ends
    pthread_join(p->thread, NULL);
    close(p->listener);
    close(p->gate[0]);
    close(p->gate[1]);
    if (p->fd >= 0) {
        close(p->fd);
    }
}

#endif
