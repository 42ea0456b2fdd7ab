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

typedef struct pk__adopted {
    const pk_alloc *alloc;
    pk_launch *launch;
    pk_loop *loop;
    pk__pipes pipes;
    pk_watch process; // process.fd is the pidfd; -1 = there is none
    pid_t pid;        // of who listens; 0 = not known
    pk__control_lines first; // what has come, until it is ours
    const char *proof;       // by which it is known; the launch's
    bool is_ours;
    bool is_proven;   // process.fd is who said it
    bool reported;
} pk__adopted;

static void pk__adopted_leave_process(pk__adopted *a)
{
    if (a->process.fd >= 0) {
        pk_watch_remove(a->loop, &a->process);
        pk__fd_close(a->process.fd);
        a->process.fd = -1;
    }
}

/* Two pipes for what it prints, which go with the first line. Without them it prints to nobody, and works all the
 * same. */
static void pk__adopted_open_outputs(pk__adopted *a)
{
    (void)(pk__pipe_open(&a->pipes.each[PK_STREAM_OUT], &a->pipes.travel[0], NULL) ||
           pk__pipe_open(&a->pipes.each[PK_STREAM_ERR], &a->pipes.travel[1], NULL));
}

/* It is ours: what it prints is heard from now on. */
static void pk__adopted_watch_outputs(pk__adopted *a)
{
    for (size_t i = PK_STREAM_OUT; i <= PK_STREAM_ERR; i++) {
        if (pk__pipe_watch(&a->pipes.each[i], NULL)) {
            pk__pipe_close(&a->pipes.each[i]);
        }
    }
}

static void pk__adopted_report(pk__adopted *a, const char *why)
{
    if (!a->reported) {
        a->reported = true;
        pk__pipe_close(&a->pipes.each[PK_STREAM_CONTROL]);
        if (a->is_ours) { // the last words are there already; a grandchild may hold the pipes, and nobody waits for it
            pk__pipes_drain(&a->pipes);
        }
        pk__pipes_close(&a->pipes);
        pk__adopted_leave_process(a);
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
        pk__adopted_leave_process(a);
    }
    pk_launch_pid(a->launch, a->is_proven ? a->pid : 0);
}

/* ---- the control socket */

static void pk__adopted_on_end(pk__adopted *a)
{
    pk__pipe_close(&a->pipes.each[PK_STREAM_CONTROL]);
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
    char buf[PK__PIPES_READ];
    pk_str bytes = {buf, 0};
    pid_t sender = 0;
    ssize_t n;
    do {
        n = PK__SYS(recv_sender)(a->pipes.each[PK_STREAM_CONTROL].watch.fd, buf, sizeof(buf), &sender);
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

static void pk__adopted_take(void *user, pk__pipe *p)
{
    if (p->stream == PK_STREAM_CONTROL) {
        pk__adopted_read((pk__adopted *)user);
    } else {
        (void)pk__pipe_read(p);
    }
}

static pk_err pk__adopted_send(void *state, pk_str bytes, pk_error *err)
{
    return pk__pipes_send(&((pk__adopted *)state)->pipes, bytes, err);
}

/* ---- start and stop */

static void pk__adopted_free(void *state)
{
    pk__adopted *a = (pk__adopted *)state;
    pk__pipes_deinit(&a->pipes);
    pk__adopted_leave_process(a);
    pk__control_lines_deinit(&a->first);
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
    pk__pipes_init(&a->pipes, alloc, l, a->loop);
    a->pipes.take = pk__adopted_take;
    a->pipes.user = a;
    a->process.fd = -1;
    pk__pipe *control = &a->pipes.each[PK_STREAM_CONTROL];
    pk_err rc = pk__adopt_connect(info->path, &control->watch.fd, &a->pid, err);
    if (rc) {
        control->watch.fd = -1;
    } else {
        if (PK__SYS(show_sender)(control->watch.fd) == 0 && a->pid > 0) {
            a->process.fd = pk__fd_lift(PK__SYS(pidfd_open)(a->pid));
        }
        rc = pk__pipe_watch(control, err);
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
