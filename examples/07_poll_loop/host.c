/* host.c - a program with a poll loop of its own, and a manager in it.
 *
 *     ls *.c | host
 *
 * Reads names of files from its standard input as they come, and writes their checksums as they come: one thread, no
 * waiting but in poll(). Up to IN_FLIGHT calls are under way at a time; meanwhile no further names are read. */
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "../../contracts/data_processor.h"
#include "../read_file.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN_FLIGHT = 8, FDS_MAX = 64, NAME_MAX_BYTES = 4096 };

typedef struct program {
    pk_caller *caller;
    pk_buf names; // read, and not yet asked for
    bool is_input_over;
    int in_flight;
    int failed;
} program;

typedef struct question {
    program *program;
    char path[NAME_MAX_BYTES];
} question;

static void complain(program *p, const char *path, const pk_error *err)
{
    fprintf(stderr, "host: %s: %s\n", path, err->msg);
    p->failed++;
}

/* The outcome of one call; runs inside of pk_loop_step. */
static void on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *why)
{
    question *q = (question *)user;
    process_response response = {0};
    pk_error err = {0};
    (void)call;
    q->program->in_flight--;
    if (why) {
        complain(q->program, q->path, why);
    } else if (pk_json_decode(&reply->mem, &pk_type_process_response, reply->body.bytes, &response, &err)) {
        complain(q->program, q->path, &err);
    } else {
        printf("%.8s  %s\n", response.data.ptr, q->path);
    }
    free(q);
}

/* Begins a call. Its body is copied before pk_caller_start returns. */
static void ask(program *p, pk_str path)
{
    question *q = (question *)calloc(1, sizeof(*q));
    process_request request = {0};
    pk_error err = {0};
    pk_buf data, body;
    if (!q || path.len >= sizeof(q->path)) {
        fprintf(stderr, "host: the name is too long, or there is no memory\n");
        p->failed++;
        free(q);
        return;
    }
    q->program = p;
    memcpy(q->path, path.ptr, path.len);
    pk_buf_init(&data, NULL, 4 << 20);
    pk_buf_init(&body, NULL, 8 << 20);
    pk_err rc = read_file(q->path, &data, &err);
    if (!rc) {
        request.data = pk_buf_str(&data);
        rc = pk_json_encode(&body, &pk_type_process_request, &request, &err);
    }
    if (!rc) {
        pk_call_desc desc = {.contract = "dataProcessor", .type = "crc32", .method = "process",
                             .body = {.bytes = pk_buf_str(&body)}, .on_reply = on_reply, .user = q};
        rc = pk_caller_start(p->caller, &desc, NULL, &err);
    }
    if (rc) {
        complain(p, q->path, &err);
        free(q);
    } else {
        p->in_flight++;
    }
    pk_buf_free(&body);
    pk_buf_free(&data);
}

static void ask_for_names(program *p)
{
    pk_str line, rest;
    while (p->in_flight < IN_FLIGHT && pk_str_cut(pk_buf_str(&p->names), '\n', &line, &rest)) {
        if (line.len > 0) {
            ask(p, line);
        }
        pk_buf_drop(&p->names, line.len + 1);
    }
}

static void read_names(program *p)
{
    char piece[4096];
    ssize_t got = read(STDIN_FILENO, piece, sizeof(piece));
    if (got > 0) {
        (void)pk_buf_add(&p->names, (pk_str){piece, (size_t)got});
    } else if (got == 0 || errno != EINTR) {
        p->is_input_over = true;
        if (p->names.len > 0 && p->names.ptr[p->names.len - 1] != '\n') {
            (void)pk_buf_add_char(&p->names, '\n');
        }
    }
}

/* One round: the program's own descriptor and the manager's, in one poll. */
static pk_err run_once(program *p, pk_loop *loop, pk_error *err)
{
    struct pollfd set[FDS_MAX + 1];
    pk_fd want[FDS_MAX];
    int timeout_ms = -1;
    size_t count = pk_loop_fds(loop, want, FDS_MAX, &timeout_ms);
    count = count < FDS_MAX ? count : FDS_MAX;
    for (size_t i = 0; i < count; i++) {
        set[i].fd = want[i].fd;
        set[i].events = (short)((want[i].read ? POLLIN : 0) | (want[i].write ? POLLOUT : 0));
    }
    bool wants_names = !p->is_input_over && p->in_flight < IN_FLIGHT;
    set[count].fd = wants_names ? STDIN_FILENO : -1; // poll leaves negative ones out
    set[count].events = POLLIN;
    set[count].revents = 0;
    if (poll(set, (nfds_t)count + 1, timeout_ms) < 0 && errno != EINTR) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot poll");
    }
    if (set[count].revents) {
        read_names(p);
    }
    pk_err rc = pk_loop_step(loop, 0, err);
    ask_for_names(p);
    return rc;
}

int main(void)
{
    program p = {0};
    pk_loop *loop = NULL;
    pk_manager *manager = NULL;
    pk_error err = {0};
    pk_buf_init(&p.names, NULL, 1 << 20);
    pk_err rc = pk_loop_create(&loop, NULL, &err);
    if (!rc) {
        pk_manager_desc desc = {.loop = loop, .plugin_dir = "plugins"};
        rc = pk_manager_create(&manager, &desc, &err);
    }
    if (!rc) {
        rc = pk_manager_start(manager, &err); // steps the loop until the plugins are found
    }
    if (!rc) {
        p.caller = pk_manager_caller(manager);
    }
    while (!rc && (!p.is_input_over || p.names.len > 0 || p.in_flight > 0)) {
        rc = run_once(&p, loop, &err);
    }
    if (rc) {
        fprintf(stderr, "host: %s\n", err.msg);
    }
    pk_manager_destroy(manager);
    pk_loop_destroy(loop);
    pk_buf_free(&p.names);
    return rc || p.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
