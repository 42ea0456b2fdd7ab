/* survive.c - where a plugin that survives its host is found by the next one. */
#include "survive.h"
#if !defined(PLUGKIT_NO_NET) && !defined(PLUGKIT_NO_SURVIVE)

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../net/socket.h"
#include "../os/fd.h"
#include "../os/loop.h"
#include "../os/random.h"

enum { PK__SURVIVE_LINE_MAX = 4096, PK__SURVIVE_MS = 1000 };

/* ---- who has come, and not said enough yet */

static void pk__survive_close_outputs(pk__survive_guest *g)
{
    for (int i = 0; i < 2; i++) {
        if (g->outputs[i] > 0) {
            pk__fd_close(g->outputs[i]);
            g->outputs[i] = 0;
        }
    }
}

/* What is printed goes to this host now. */
static void pk__survive_use_outputs(pk__survive_guest *g)
{
    for (int i = 0; i < 2; i++) {
        if (g->outputs[i] > 0 && PK__SYS(dup_over)(g->outputs[i], i + 1) >= 0) {
            (void)pk__fd_set_cloexec(i + 1, false, NULL); // children print there, too
        }
    }
}

/* The descriptor is the caller's from now on. */
static int pk__survive_take(pk__survive_guest *g)
{
    int fd = g->watch.fd;
    pk__survive_close_outputs(g);
    pk_watch_remove(g->survive->loop, &g->watch);
    pk_timer_stop(g->survive->loop, &g->timer);
    pk__control_lines_deinit(&g->lines);
    g->watch.fd = 0;
    return fd;
}

static void pk__survive_drop(pk__survive_guest *g)
{
    if (g->watch.fd > 0) {
        pk__fd_close(pk__survive_take(g));
    }
}

static void pk__survive_refuse(pk__survive_guest *g, const pk_error *why)
{
    pk_buf buf;
    pk_buf_init(&buf, g->lines.buf.alloc, PK__CONTROL_LINE_MAX);
    if (pk__control_write_error(&buf, why, NULL) == PK_OK) {
        (void)PK__SYS(send)(g->watch.fd, buf.ptr, buf.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    pk_buf_free(&buf);
    pk__survive_drop(g);
}

/* Does it know the token, and may it have us? */
static pk_err pk__survive_judge(const pk__survive *s, const pk__control_message *said, pk_error *err)
{
    if (!said->has_adopt || !said->adopt || !said->has_token) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "only hosts that adopt it are heard here");
    }
    if (!pk__token_equal(said->token, s->token)) {
        return pk_error_set(err, PK_ERR_PERMISSION, "the token is wrong");
    }
    if (pk__lifeline_has_host(s->lifeline)) {
        return pk_error_set(err, PK_ERR_BUSY, "it has a host that lives");
    }
    return s->fd ? PK_OK : pk_error_set(err, PK_ERR_STOPPED, "it is ending");
}

static void pk__survive_welcome(pk__survive_guest *g)
{
    pk__survive *s = g->survive;
    const pk_alloc *alloc = g->lines.buf.alloc;
    pk_error why;
    pk_buf buf;
    pk_buf_init(&buf, alloc, PK__CONTROL_LINE_MAX);
    if (pk__control_write_adopted(&buf, s->proof, &why) ||
        pk__control_write_ready(&buf, pk_str_from(s->address), &why)) {
        pk__survive_refuse(g, &why);
    } else {
        pk__survive_use_outputs(g);
        if (pk__lifeline_adopt(s->lifeline, pk__survive_take(g), NULL) == PK_OK) {
            (void)pk__lifeline_send(s->lifeline, pk_buf_str(&buf), NULL); // should it have gone: that is noticed next
        }
    }
    pk_buf_free(&buf);
}

static void pk__survive_hear(pk__survive_guest *g, pk_str line)
{
    pk__survive *s = g->survive;
    pk__lifeline *l = s->lifeline;
    pk__control_message said;
    pk_error why;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = g->lines.buf.alloc;
    memset(&said, 0, sizeof(said));
    (void)pk__control_read(&mem, line, &said, NULL); // what cannot be read says nothing
    pk_err rc = pk__survive_judge(s, &said, &why);
    bool shutdown = said.has_shutdown && said.shutdown;
    bool useless = !rc && !shutdown && (rc = pk__lifeline_hear_tls(l, &said, &why)) != PK_OK;
    pk_mem_free(&mem);
    if (g->watch.fd == 0) {
        return; // judging has ended us
    }
    if (rc) {
        pk__survive_refuse(g, &why);
        if (useless) { // this host is ours, cannot use us, and nobody else knows of us
            l->on_end(l->user, PK__LIFELINE_SHUTDOWN);
        }
    } else if (shutdown) {
        pk__survive_drop(g);
        l->on_end(l->user, PK__LIFELINE_SHUTDOWN);
    } else {
        pk__survive_welcome(g);
    }
}

/* Two, and only once; above the three that everybody has, so that one is never taken for another. */
static void pk__survive_bring(pk__survive_guest *g, int *fds, size_t count)
{
    bool fit = count == 2 && !g->outputs[0] && fds[0] > 2 && fds[1] > 2;
    for (size_t i = 0; i < count; i++) {
        if (fit) {
            g->outputs[i] = fds[i];
        } else {
            pk__fd_close(fds[i]);
        }
    }
}

static void pk__survive_on_guest(void *user, bool can_read, bool can_write)
{
    pk__survive_guest *g = (pk__survive_guest *)user;
    char buf[PK__SURVIVE_LINE_MAX];
    pk_str bytes = {buf, 0}, line = {NULL, 0};
    (void)can_read, (void)can_write;
    int fds[PK__SYS_FDS];
    size_t count = PK__SYS_FDS;
    ssize_t n = PK__SYS(recv_fds)(g->watch.fd, buf, sizeof(buf), fds, &count);
    pk__survive_bring(g, fds, n >= 0 ? count : 0);
    if (n < 0 && errno == EINTR) {
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return;
    }
    bytes.len = n > 0 ? (size_t)n : 0;
    if (n <= 0 || pk__control_lines_feed(&g->lines, bytes, NULL) ||
        pk__control_lines_next(&g->lines, &line, NULL)) {
        pk__survive_drop(g);
    } else if (line.ptr) {
        pk__survive_hear(g, line);
    }
}

static void pk__survive_on_time(void *user)
{
    pk__survive_drop((pk__survive_guest *)user);
}

static pk__survive_guest *pk__survive_place(pk__survive *s)
{
    pk__survive_guest *oldest = &s->guests[0];
    for (int i = 0; i < PK__SURVIVE_GUESTS; i++) {
        pk__survive_guest *g = &s->guests[i];
        if (g->watch.fd == 0) {
            return g;
        }
        oldest = g->turn < oldest->turn ? g : oldest;
    }
    pk__survive_drop(oldest);
    return oldest;
}

static void pk__survive_on_connection(void *user, bool can_read, bool can_write)
{
    pk__survive *s = (pk__survive *)user;
    int fd = -1;
    (void)can_read, (void)can_write;
    if (pk__socket_accept(s->fd, &s->reserve, &fd, NULL) || fd < 0) {
        return;
    }
    if (pk__fd_check_peer(fd, NULL, NULL)) {
        pk__fd_close(fd);
        return;
    }
    pk__survive_guest *g = pk__survive_place(s);
    g->survive = s;
    g->turn = ++s->turns;
    g->watch.fd = fd;
    g->watch.on_ready = pk__survive_on_guest;
    g->watch.user = g;
    g->timer.on_time = pk__survive_on_time;
    g->timer.user = g;
    pk__control_lines_init(&g->lines, s->lifeline->lines.buf.alloc, PK__SURVIVE_LINE_MAX);
    if (pk_timer_start(s->loop, &g->timer, PK__SURVIVE_MS, NULL) ||
        pk_watch_add(s->loop, &g->watch, true, false, NULL)) {
        pk__survive_drop(g);
    }
}

/* ---- open and close */

PK__FN pk_err pk__survive_open(pk__survive *s, pk_loop *loop, const pk__settings *settings, pk__lifeline *lifeline,
                               const char *address, pk_error *err)
{
    pk__address a;
    memset(s, 0, sizeof(*s));
    s->reserve = -1;
    s->loop = loop;
    s->token = settings->token;
    s->proof = settings->proof;
    s->lifeline = lifeline;
    s->address = address;
    pk_err rc = pk__address_parse(&a, settings->control, err);
    rc = rc ? rc : pk__socket_listen(&a, &s->fd, err);
    if (rc) {
        s->fd = 0;
        return rc;
    }
    (void)snprintf(s->path, sizeof(s->path), "%s", a.host);
    s->watch.fd = s->fd;
    s->watch.on_ready = pk__survive_on_connection;
    s->watch.user = s;
    return pk_watch_add(loop, &s->watch, true, false, err);
}

PK__FN void pk__survive_close(pk__survive *s)
{
    for (int i = 0; i < PK__SURVIVE_GUESTS; i++) {
        pk__survive_drop(&s->guests[i]);
    }
    if (s->fd > 0) {
        pk_watch_remove(s->loop, &s->watch);
        pk__fd_close(s->fd);
        pk__fd_close(s->reserve);
        s->fd = 0;
    }
    if (s->path[0]) {
        (void)PK__SYS(unlink)(s->path);
        s->path[0] = '\0';
    }
}
#elif !defined(PLUGKIT_NO_NET) // its capabilities do not say that it can, so no host asks for it

PK__FN pk_err pk__survive_open(pk__survive *s, pk_loop *loop, const pk__settings *settings, pk__lifeline *lifeline,
                               const char *address, pk_error *err)
{
    (void)s, (void)loop, (void)settings, (void)lifeline, (void)address;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot survive the host: this build cannot");
}

PK__FN void pk__survive_close(pk__survive *s)
{
    (void)s;
}
#endif
