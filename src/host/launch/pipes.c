/* pipes.c - the three channels of a launch. */
#include "pipes.h"
#ifndef PLUGKIT_NO_PROCESS

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/fd.h"

enum { PK__PIPES_LAST = 64 }; // reads at the end: 1 MiB, as much as a pipe holds

static void pk__pipes_flush(pk__pipes *p);

static void pk__pipe_on_ready(void *user, bool can_read, bool can_write)
{
    pk__pipe *p = (pk__pipe *)user;
    if (can_write && p->stream == PK_STREAM_CONTROL && p->all->pending.len) {
        pk__pipes_flush(p->all);
    }
    if (can_read && p->watch.fd >= 0) {
        p->all->take(p->all->user, p); // the last thing: the launch may be over now
    }
}

PK__FN void pk__pipes_init(pk__pipes *p, const pk_alloc *alloc, pk_launch *launch, pk_loop *loop)
{
    memset(p, 0, sizeof(*p));
    p->launch = launch;
    p->loop = loop;
    pk_buf_init(&p->pending, alloc, PK__PIPES_PENDING);
    for (size_t i = 0; i < PK__COUNT(p->each); i++) {
        p->each[i].all = p;
        p->each[i].stream = (pk_stream)i;
        p->each[i].watch.fd = -1;
        p->each[i].watch.on_ready = pk__pipe_on_ready;
        p->each[i].watch.user = &p->each[i];
    }
}

PK__FN void pk__pipes_deinit(pk__pipes *p)
{
    pk__pipes_close(p);
    pk_buf_free(&p->pending);
}

PK__FN pk_err pk__pipe_open(pk__pipe *p, int *theirs, pk_error *err)
{
    int ends[2];
    bool control = p->stream == PK_STREAM_CONTROL;
    pk_err rc = control ? pk__fd_socketpair(ends, err) : pk__fd_pipe(ends, err);
    if (rc) {
        return rc;
    }
    rc = control ? pk__fd_set_nonblock(ends[1], false, err) : pk__fd_set_nonblock(ends[0], true, err);
    if (rc) {
        pk__fd_close(ends[0]);
        pk__fd_close(ends[1]);
        return rc;
    }
    p->watch.fd = ends[0];
    *theirs = ends[1];
    return PK_OK;
}

PK__FN pk_err pk__pipe_watch(pk__pipe *p, pk_error *err)
{
    return p->watch.fd >= 0 ? pk_watch_add(p->all->loop, &p->watch, true, false, err) : PK_OK;
}

PK__FN void pk__pipe_close(pk__pipe *p)
{
    if (p->watch.fd >= 0) {
        pk_watch_remove(p->all->loop, &p->watch);
        pk__fd_close(p->watch.fd);
        p->watch.fd = -1;
    }
}

PK__FN bool pk__pipe_read(pk__pipe *p)
{
    char buf[PK__PIPES_READ];
    ssize_t n = pk__fd_read(p->watch.fd, buf, sizeof(buf));
    if (n > 0) {
        pk_str bytes = {buf, (size_t)n};
        pk_launch_output(p->all->launch, p->stream, bytes);
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        pk__pipe_close(p);
    }
    return false;
}

PK__FN void pk__pipes_drain(pk__pipes *p)
{
    for (size_t i = 0; i < PK__COUNT(p->each); i++) {
        for (int n = 0; n < PK__PIPES_LAST && p->each[i].watch.fd >= 0; n++) {
            if (!pk__pipe_read(&p->each[i])) {
                break;
            }
        }
    }
}

static void pk__pipes_have_travelled(pk__pipes *p)
{
    for (size_t i = 0; i < PK__COUNT(p->travel); i++) {
        if (p->travel[i] > 0) {
            pk__fd_close(p->travel[i]);
            p->travel[i] = 0;
        }
    }
}

PK__FN void pk__pipes_close(pk__pipes *p)
{
    for (size_t i = 0; i < PK__COUNT(p->each); i++) {
        pk__pipe_close(&p->each[i]);
    }
    pk__pipes_have_travelled(p);
}

/* ---- the control socket */

static void pk__pipes_flush(pk__pipes *p)
{
    pk__pipe *control = &p->each[PK_STREAM_CONTROL];
    pk_buf *b = &p->pending;
    while (b->len && control->watch.fd >= 0) {
        int fd = control->watch.fd;
        ssize_t n = p->travel[1] > 0 ? PK__SYS(send_fds)(fd, b->ptr, b->len, p->travel, PK__COUNT(p->travel))
                                     : PK__SYS(send)(fd, b->ptr, b->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            pk__pipes_have_travelled(p);
            pk_buf_drop(b, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                pk_buf_clear(b); // it closed its end: nobody reads this any more
            }
            break;
        }
    }
    if (control->watch.fd >= 0) {
        (void)pk_watch_set(p->loop, &control->watch, true, b->len > 0, NULL);
    }
    if (b->len == 0) {
        pk_buf_free(b);
    }
}

PK__FN pk_err pk__pipes_send(pk__pipes *p, pk_str bytes, pk_error *err)
{
    if (p->each[PK_STREAM_CONTROL].watch.fd < 0) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot write to the plugin: its control socket is closed");
    }
    if (!pk_buf_add(&p->pending, bytes)) {
        pk_err rc = (pk_err)p->pending.failed;
        p->pending.failed = 0;
        return pk_error_set(err, rc, "cannot write to the plugin: %s",
                            rc == PK_ERR_LIMIT ? "it does not read its control socket" : "out of memory");
    }
    pk__pipes_flush(p);
    return PK_OK;
}
#endif
