/* host.c - brings a file to a plugin and fetches it again, while the plugin tells how far it is. One thread: the
 * manager has our loop, and a call that waits steps it, so that events arrive meanwhile. */
#define PLUGKIT_WITH_STREAMS
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct sum { // FNV-1a
    uint64_t bytes, hash;
} sum;

static void add(sum *s, const char *bytes, size_t len)
{
    s->bytes += len;
    for (size_t i = 0; i < len; i++) {
        s->hash = (s->hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    }
}

static pk_err on_piece(void *user, pk_str piece, pk_error *err)
{
    (void)err;
    add((sum *)user, piece.ptr, piece.len);
    return PK_OK;
}

/* ---- what the plugin tells */

static bool is_watching;

static pk_err on_event(void *user, const pk_sse_event *event, pk_error *err)
{
    (void)user, (void)err;
    if (pk_str_eq(event->event, PK_STR("watching"))) {
        is_watching = true;
    } else {
        printf("  %-10.*s %12.*s bytes\n", (int)event->event.len, event->event.ptr, (int)event->data.len,
               event->data.ptr);
    }
    return PK_OK;
}

static pk_err on_events(void *user, pk_str piece, pk_error *err)
{
    return pk_sse_read((pk_sse_reader *)user, piece, err);
}

static void on_events_end(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    (void)user, (void)call, (void)reply;
    is_watching = err && err->code == PK_ERR_CANCELED ? is_watching : true; // or nobody tells us anything
}

/* ---- the three calls */

static pk_err run(pk_manager *m, pk_loop *loop, int fd, uint64_t size, sum *back, pk_error *err)
{
    pk_caller *caller = pk_manager_caller(m);
    pk_sse_reader reader = {.on_event = on_event};
    pk_call_desc watch = {.plugin = "depot", .http = "GET /events", .on_chunk = on_events, .user = &reader,
                          .on_reply = on_events_end, .ctx.timeout_ms = 24 * 3600 * 1000};
    pk_call_desc upload = {.plugin = "depot", .http = "PUT /file", .ctx.timeout_ms = 3600 * 1000,
                           .body = {.has_fd = true, .fd = fd, .size = size}};
    pk_call_desc download = {.plugin = "depot", .http = "GET /file", .ctx.timeout_ms = 3600 * 1000,
                             .on_chunk = on_piece, .user = back};
    pk_reply reply = {0};
    pk_call events;

    pk_err rc = pk_caller_start(caller, &watch, &events, err);
    while (rc == PK_OK && !is_watching) {
        rc = pk_loop_step(loop, -1, err);
    }
    rc = rc ? rc : pk_caller_call(caller, &upload, &reply, err);
    if (rc == PK_OK) {
        printf("uploaded   %12llu bytes\n", (unsigned long long)size);
        pk_mem_free(&reply.mem);
        rc = pk_caller_call(caller, &download, &reply, err);
    }
    pk_mem_free(&reply.mem);
    (void)pk_caller_cancel(caller, events); // which closes its stream: the plugin notices
    pk_manager_destroy(m);
    pk_sse_reader_free(&reader);
    return rc;
}

static bool read_file(int fd, sum *s)
{
    char buf[64 * 1024];
    ssize_t n;
    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        add(s, buf, (size_t)n);
    }
    return n == 0;
}

int main(int argc, char **argv)
{
    sum there = {0, 14695981039346656037u}, back = there;
    pk_manager_desc desc = {.plugin_dir = argc > 2 ? argv[2] : "plugins"};
    pk_manager *m = NULL;
    pk_error err = {0};
    int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE [PLUGINS]\n", argv[0]);
        return 2;
    }
    if (fd < 0 || !read_file(fd, &there)) {
        fprintf(stderr, "host: cannot read '%s': %s\n", argv[1], strerror(errno));
        return 1;
    }
    if (pk_loop_create(&desc.loop, NULL, &err) == PK_OK && pk_manager_create(&m, &desc, &err) == PK_OK) {
        if (pk_manager_start(m, &err)) {
            pk_manager_destroy(m);
        } else if (run(m, desc.loop, fd, there.bytes, &back, &err) == PK_OK) {
            bool same = back.bytes == there.bytes && back.hash == there.hash;
            printf("downloaded %12llu bytes, %s\n", (unsigned long long)back.bytes, same ? "the same" : "OTHERS");
            err.code = same ? PK_OK : PK_ERR_PROTOCOL;
        }
    }
    if (err.msg[0]) {
        fprintf(stderr, "host: %s\n", err.msg);
    }
    pk_loop_destroy(desc.loop);
    close(fd);
    return err.code ? 1 : 0;
}
