/* adopt_launcher.c - plugins that the last host left. */
#include "adopt_launcher.h"
#ifdef PK__KEEP

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../net/socket.h"
#include "../../os/fd.h"
#include "../../os/loop.h"
#include "../../os/random.h"
#include "../../rpc/control.h"

enum { PK__ADOPT_READ = 16 * 1024, PK__ADOPT_PENDING = 1024 * 1024, PK__ADOPT_LAST = 64 };

typedef struct pk__adopted_output {
    struct pk__adopted *owner;
    pk_stream stream;
    pk_watch watch; // watch.fd -1 = there is none
} pk__adopted_output;

typedef struct pk__adopted {
    const pk_alloc *alloc;
    pk_launch *launch;
    pk_loop *loop;
    pk_watch control; // control.fd -1 = closed
    pk_watch process; // process.fd is the pidfd; -1 = there is none
    pk__adopted_output outputs[2]; // stdout, stderr
    int theirs[2];    // the plugin's ends, until they are sent; 0 = none
    pid_t pid;        // of who listens; 0 = not known
    pk__control_lines first; // what has come, until it is ours
    const char *proof;       // by which it is known; the launch's
    bool is_ours;
    bool is_proven;   // process.fd is who said it
    bool reported;
    pk_buf pending;
} pk__adopted;

static void pk__adopted_close(pk__adopted *a, pk_watch *w)
{
    if (w->fd >= 0) {
        pk_watch_remove(a->loop, w);
        pk__fd_close(w->fd);
        w->fd = -1;
    }
}

/* ---- what it prints */

static bool pk__adopted_hear(pk__adopted_output *o)
{
    char buf[PK__ADOPT_READ];
    ssize_t n = pk__fd_read(o->watch.fd, buf, sizeof(buf));
    if (n > 0) {
        pk_str bytes = {buf, (size_t)n};
        pk_launch_output(o->owner->launch, o->stream, bytes);
    } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        pk__adopted_close(o->owner, &o->watch);
    }
    return n > 0;
}

static void pk__adopted_on_output(void *user, bool can_read, bool can_write)
{
    (void)can_read, (void)can_write;
    (void)pk__adopted_hear((pk__adopted_output *)user);
}

static void pk__adopted_close_theirs(pk__adopted *a)
{
    for (int i = 0; i < 2; i++) {
        if (a->theirs[i] > 0) {
            pk__fd_close(a->theirs[i]);
            a->theirs[i] = 0;
        }
    }
}

/* Without them it prints to nobody, and works all the same. */
static void pk__adopted_open_outputs(pk__adopted *a)
{
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (pk__fd_pipe(ends, NULL)) {
            break;
        }
        a->outputs[i].watch.fd = ends[0];
        a->theirs[i] = ends[1];
        (void)pk__fd_set_nonblock(ends[0], true, NULL);
    }
}

/* It is ours: what it prints is heard from now on. */
static void pk__adopted_watch_outputs(pk__adopted *a)
{
    for (int i = 0; i < 2; i++) {
        pk__adopted_output *o = &a->outputs[i];
        if (o->watch.fd >= 0 && pk_watch_add(a->loop, &o->watch, true, false, NULL)) {
            pk__adopted_close(a, &o->watch);
        }
    }
}

/* The last words, which are there already. A grandchild may hold the pipes: nobody waits for their ends. */
static void pk__adopted_end_outputs(pk__adopted *a)
{
    for (int i = 0; i < 2; i++) {
        pk__adopted_output *o = &a->outputs[i];
        for (int n = 0; a->is_ours && n < PK__ADOPT_LAST && o->watch.fd >= 0; n++) {
            if (!pk__adopted_hear(o)) {
                break;
            }
        }
        pk__adopted_close(a, &o->watch);
    }
    pk__adopted_close_theirs(a);
}

static void pk__adopted_report(pk__adopted *a, const char *why)
{
    if (!a->reported) {
        a->reported = true;
        pk__adopted_end_outputs(a);
        pk__adopted_close(a, &a->control);
        pk__adopted_close(a, &a->process);
        pk_launch_exited(a->launch, PK__STATUS_UNKNOWN, why);
    }
}

/* ---- whose process it is */

static bool pk__adopted_has_ended(const pk__adopted *a)
{
    struct pollfd set = {a->process.fd, POLLIN, 0};
    return PK__SYS(poll)(&set, 1, 0) != 0; // also when that cannot be told
}

static void pk__adopted_on_exit(void *user, bool can_read, bool can_write)
{
    pk__adopted *a = (pk__adopted *)user;
    (void)can_read, (void)can_write;
    if (a->is_proven) {
        (void)PK__SYS(pidfd_send_signal)(a->process.fd, SIGKILL, PK__SYS_TO_GROUP); // what it started and left behind
    }
    pk__adopted_report(a, a->is_ours ? NULL : "it has gone");
}

/* The first answer has come, from that process. */
static void pk__adopted_judge(pk__adopted *a, pid_t sender)
{
    a->is_ours = true;
    pk__adopted_watch_outputs(a);
    a->is_proven = a->process.fd >= 0 && sender > 0 && sender == a->pid && !pk__adopted_has_ended(a);
    if (a->is_proven) {
        a->process.on_ready = pk__adopted_on_exit;
        a->process.user = a;
        a->is_proven = pk_watch_add(a->loop, &a->process, true, false, NULL) == PK_OK;
    }
    if (!a->is_proven) {
        pk__adopted_close(a, &a->process);
    }
    pk_launch_pid(a->launch, a->is_proven ? a->pid : 0);
}

/* ---- the control socket */

static void pk__adopted_on_end(pk__adopted *a)
{
    pk__adopted_close(a, &a->control);
    if (!a->is_proven) { // otherwise the process tells when it has ended, and until then it may have much to do
        pk__adopted_report(a, a->is_ours ? NULL : "it has closed the connection");
    }
}

/* The first line of the answer. False: there is nobody any more who could be told the rest. */
static bool pk__adopted_meet(pk__adopted *a, pk_str line, pid_t sender)
{
    pk__control_message said;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    memset(&said, 0, sizeof(said));
    mem.alloc = a->alloc;
    (void)pk__control_read(&mem, line, &said, NULL);
    bool knows = said.has_adopted && pk__token_equal(said.adopted, pk_str_from(a->proof));
    bool refuses = said.has_error;
    pk_mem_free(&mem);
    if (knows) {
        pk__adopted_judge(a, sender);
    } else if (refuses) {
        pk_launch_output(a->launch, PK_STREAM_CONTROL, line);
        pk_launch_output(a->launch, PK_STREAM_CONTROL, PK_STR("\n"));
    } else {
        pk__adopted_report(a, "what listens there is not the plugin");
    }
    return knows;
}

/* Takes what comes before it is ours; afterwards *bytes is what came behind the first line. */
static bool pk__adopted_begin(pk__adopted *a, pk_str *bytes, pid_t sender)
{
    pk_str line = {NULL, 0};
    if (pk__control_lines_feed(&a->first, *bytes, NULL) || pk__control_lines_next(&a->first, &line, NULL)) {
        pk__adopted_report(a, "what listens there is not the plugin");
        return false;
    }
    if (!line.ptr || !pk__adopted_meet(a, line, sender)) {
        return false;
    }
    bytes->ptr = a->first.buf.ptr + a->first.at;
    bytes->len = a->first.buf.len - a->first.at;
    return true;
}

static void pk__adopted_read(pk__adopted *a)
{
    char buf[PK__ADOPT_READ];
    pk_str bytes = {buf, 0};
    pid_t sender = 0;
    ssize_t n;
    do {
        n = PK__SYS(recv_sender)(a->control.fd, buf, sizeof(buf), &sender);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return;
    }
    if (n <= 0) {
        pk__adopted_on_end(a);
        return;
    }
    bytes.len = (size_t)n;
    if (!a->is_ours && !pk__adopted_begin(a, &bytes, sender)) {
        return;
    }
    pk_launch_output(a->launch, PK_STREAM_CONTROL, bytes);
    pk__control_lines_deinit(&a->first);
}

static void pk__adopted_flush(pk__adopted *a)
{
    while (a->pending.len && a->control.fd >= 0) {
        ssize_t n = a->theirs[1] > 0
                        ? PK__SYS(send_fds)(a->control.fd, a->pending.ptr, a->pending.len, a->theirs, 2)
                        : PK__SYS(send)(a->control.fd, a->pending.ptr, a->pending.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            pk__adopted_close_theirs(a);
            pk_buf_drop(&a->pending, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                pk_buf_clear(&a->pending); // nobody reads it any more
            }
            break;
        }
    }
    if (a->control.fd >= 0) {
        (void)pk_watch_set(a->loop, &a->control, true, a->pending.len > 0, NULL);
    }
    if (a->pending.len == 0) {
        pk_buf_free(&a->pending);
    }
}

static void pk__adopted_on_ready(void *user, bool can_read, bool can_write)
{
    pk__adopted *a = (pk__adopted *)user;
    if (can_write && a->pending.len) {
        pk__adopted_flush(a);
    }
    if (can_read && a->control.fd >= 0) {
        pk__adopted_read(a);
    }
}

static pk_err pk__adopted_send(void *state, pk_str bytes, pk_error *err)
{
    pk__adopted *a = (pk__adopted *)state;
    if (a->control.fd < 0) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot write to the plugin: its control socket is closed");
    }
    if (!pk_buf_add(&a->pending, bytes)) {
        pk_err rc = (pk_err)a->pending.failed;
        a->pending.failed = 0;
        return pk_error_set(err, rc, "cannot write to the plugin: %s", pk_err_text(rc));
    }
    pk__adopted_flush(a);
    return PK_OK;
}

/* ---- start and stop */

static void pk__adopted_free(void *state)
{
    pk__adopted *a = (pk__adopted *)state;
    for (int i = 0; i < 2; i++) {
        pk__adopted_close(a, &a->outputs[i].watch);
    }
    pk__adopted_close_theirs(a);
    pk__adopted_close(a, &a->control);
    pk__adopted_close(a, &a->process);
    pk__control_lines_deinit(&a->first);
    pk_buf_free(&a->pending);
    pk__free(a->alloc, a, sizeof(*a));
}

/* Connects; a Unix socket is connected at once or never. */
static pk_err pk__adopt_connect(const char *path, int *fd, pid_t *pid, pk_error *err)
{
    pk__address address;
    pk_err rc = pk__address_parse(&address, pk_str_from(path), err);
    if (rc) {
        return rc;
    }
    pk_io io = pk__socket_connect(&address, fd, err);
    if (io == PK_IO_FAILED) {
        return err->code;
    }
    if (io != PK_IO_DONE) {
        rc = pk_error_set(err, PK_ERR_BUSY, "too many want to connect to '%s'", path);
    }
    rc = rc ? rc : pk__fd_check_peer(*fd, pid, err);
    if (rc) {
        pk__fd_close(*fd);
    }
    return rc;
}

static pk_err pk__adopt_start(void *user, pk_launch *l, const pk_launch_info *info, void **state, pk_error *err)
{
    const pk_alloc *alloc = (const pk_alloc *)user;
    pk__adopted *a = (pk__adopted *)pk__new(alloc, sizeof(*a));
    if (!a) {
        return pk__error_memory(err, "adopt a plugin");
    }
    a->alloc = alloc;
    a->launch = l;
    a->loop = info->loop;
    a->proof = info->argv[1];
    pk__control_lines_init(&a->first, alloc, PK__CONTROL_LINE_MAX);
    a->control.on_ready = pk__adopted_on_ready;
    a->control.user = a;
    a->control.fd = a->process.fd = -1;
    for (int i = 0; i < 2; i++) {
        a->outputs[i].owner = a;
        a->outputs[i].stream = i == 0 ? PK_STREAM_OUT : PK_STREAM_ERR;
        a->outputs[i].watch.fd = -1;
        a->outputs[i].watch.on_ready = pk__adopted_on_output;
        a->outputs[i].watch.user = &a->outputs[i];
    }
    pk_buf_init(&a->pending, alloc, PK__ADOPT_PENDING);
    pk_err rc = pk__adopt_connect(info->path, &a->control.fd, &a->pid, err);
    if (rc) {
        a->control.fd = -1;
    } else {
        if (PK__SYS(show_sender)(a->control.fd) == 0 && a->pid > 0) {
            a->process.fd = pk__fd_lift(PK__SYS(pidfd_open)(a->pid));
        }
        rc = pk_watch_add(a->loop, &a->control, true, false, err);
        pk__adopted_open_outputs(a);
    }
    if (rc) {
        pk__adopted_free(a);
        return rc;
    }
    *state = a;
    return PK_OK;
}

static void pk__adopt_stop(void *state, int how)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGKILL};
    pk__adopted *a = (pk__adopted *)state;
    if (a->is_proven) {
        int to_group = PK__SYS(pidfd_send_signal)(a->process.fd, signals[how], PK__SYS_TO_GROUP);
        if (to_group != 0 || how == 2) { // an older kernel; or it leads a group, and has left it
            (void)PK__SYS(pidfd_send_signal)(a->process.fd, signals[how], 0);
        }
        return;
    }
    (void)pk__adopted_send(a, PK_STR("{\"shutdown\":true}\n"), NULL);
    if (how == 2) {
        pk__adopted_report(a, a->is_ours ? "it does not end when it is asked, and whose process it is cannot be known"
                                         : NULL);
    }
}

static pk_look pk__adopt_look(void *state)
{
    pk__adopted *a = (pk__adopted *)state;
    pk__process_stand stand = a->is_proven ? pk__process_stands_at(a->pid) : PK__PROCESS_RUNS;
    return stand == PK__PROCESS_RUNS || pk__adopted_has_ended(a) ? PK_LOOK_RUNS : (pk_look)stand; // the same values
}

PK__FN pk_launcher pk__adopt_launcher(const pk_alloc *alloc)
{
    pk_launcher l = {"adopt", NULL, pk__adopt_start, pk__adopted_send, pk__adopt_stop, pk__adopted_free,
                     pk__adopt_look, (void *)(uintptr_t)alloc};
    return l;
}

PK__FN void pk__adopt_dismiss(const char *control, pk_str token, const pk_alloc *alloc)
{
    pk_error why;
    pk_buf line;
    int fd = -1;
    if (pk__adopt_connect(control, &fd, NULL, &why)) {
        return;
    }
    pk_buf_init(&line, alloc, PK__CONTROL_LINE_MAX);
    if (pk__control_write_adopt(&line, token, true, NULL) == PK_OK) {
        (void)PK__SYS(send)(fd, line.ptr, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    pk_buf_free(&line);
    pk__fd_close(fd);
}
#endif
