/* http_serve.c - a pk_server with a route for everything that peers of other making should be able to do with it.
 *
 *     http_serve ADDRESS [WORKERS [all]]
 *
 * Prints the address it listens at, and serves until its stdin ends. Streams are the byte 's', counted by the query.
 * With "all" there is one route for everything, and requests are told as they were read.
 * With PLUGKIT_WITH_STREAMS /events is a stream of events, one at a time, and what is sent to /tell is put in.
 * With PLUGKIT_WITH_TLS also by https (see tls_args.h): then /who is the caller, and a line on stdin reads everything
 * anew. */
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include "seen.h"
#include "tls_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pk_err healthz(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)q, (void)a, (void)err;
    return PK_OK;
}

static pk_err echo(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)err;
    a->body = q->body;
    return PK_OK;
}

/* Reads an upload to its end; answers how many bytes there were, and their sum. */
static pk_err upload(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    unsigned char buf[5000];
    size_t got = 1, size = 0;
    unsigned long sum = 0;
    (void)user;
    while (got > 0) {
        pk_err rc = q->body.read(q->body.user, buf, sizeof(buf), &got, err);
        if (rc) {
            return rc;
        }
        for (size_t i = 0; i < got; i++) {
            sum += buf[i];
        }
        size += got;
    }
    a->body.bytes = pk_mem_printf(q->ctx->mem, "{\"size\":%zu,\"sum\":%lu}", size, sum);
    return PK_OK;
}

/* Answers an upload before it has looked at it. */
static pk_err ignore(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)q, (void)a;
    return pk_error_set(err, PK_ERR_LIMIT, "cannot take that");
}

static pk_err stream_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    size_t *left = (size_t *)user;
    (void)err;
    *got = cap < *left ? cap : *left;
    memset(buf, 's', *got);
    *left -= *got;
    return PK_OK;
}

static pk_err stream(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    size_t *left = (size_t *)pk_mem_get(q->ctx->mem, sizeof(*left));
    char text[24] = "";
    (void)user, (void)err;
    memcpy(text, q->query.ptr ? q->query.ptr : "", q->query.len < 23 ? q->query.len : 23);
    *left = (size_t)strtoull(text, NULL, 10);
    a->body.read = stream_read;
    a->body.user = left;
    a->body.content_type = PK_STR("application/octet-stream");
    return PK_OK;
}

/* This very program, as a file. */
static pk_err file(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    const int *fd = (const int *)user;
    (void)q, (void)err;
    a->body.has_fd = true;
    a->body.fd = *fd;
    a->body.size = (uint64_t)lseek(*fd, 0, SEEK_END);
    a->body.content_type = PK_STR("application/octet-stream");
    return PK_OK;
}

static pk_err status(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    static const pk_meta etag = {PK_STR_INIT("ETag"), PK_STR_INIT("\"1\"")};
    (void)user, (void)err;
    a->status = atoi(q->rest.len == 3 ? q->rest.ptr : "500");
    a->fields = &etag;
    a->field_count = 1;
    return PK_OK;
}

static pk_err show(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)err;
    a->body.bytes = pk_mem_printf(q->ctx->mem, "%" PK_FMT " %" PK_FMT " ?%" PK_FMT, PK_ARG(q->method), PK_ARG(q->path),
                                  PK_ARG(q->query));
    a->body.content_type = PK_STR("text/plain; charset=utf-8");
    return PK_OK;
}

static pk_err see(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    pk_buf out;
    pk_json_writer w;
    const struct {
        const char *key;
        pk_str bytes;
    } rows[] = {{"method", q->method}, {"path", q->path}, {"query", q->query}, {"body", q->body.bytes}};
    (void)user;
    pk_buf_init(&out, NULL, 1 << 24);
    pk_json_write(&w, &out);
    pk_json_put_object(&w);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pk_json_put_key(&w, rows[i].key);
        put_bytes(&w, rows[i].bytes);
    }
    pk_json_put_key(&w, "fields");
    put_fields(&w, q->fields, q->field_count);
    pk_json_put_end(&w);
    pk_err rc = pk_json_finish(&w, err);
    a->body.bytes = pk_mem_printf(q->ctx->mem, "%" PK_FMT, PK_ARG(pk_buf_str(&out)));
    pk_buf_free(&out);
    return rc;
}

#ifdef PLUGKIT_WITH_STREAMS
static pk_sse *events;

static void on_gone(void *user)
{
    pk_sse **mine = (pk_sse **)user;
    pk_sse_close(*mine);
    *mine = NULL;
}

static pk_err watch_events(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    const pk_sse_desc desc = {.on_gone = on_gone, .user = &events};
    (void)user;
    return events ? pk_error_set(err, PK_ERR_BUSY, "cannot open a second stream")
                  : pk_sse_open(&events, q, a, &desc, err);
}

static pk_err tell(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    const pk_sse_event e = {.event = PK_STR_INIT("told"), .data = q->body.bytes};
    (void)user, (void)a;
    return events ? pk_sse_send(events, &e, err) : pk_error_set(err, PK_ERR_NOT_FOUND, "cannot tell: nobody listens");
}
#endif

#ifdef PLUGKIT_WITH_TLS
static pk_tls *tls;

static pk_err who(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    const pk_tls_peer *p = pk_ctx_peer(q->ctx);
    (void)user, (void)err;
    a->body.bytes = pk_mem_printf(q->ctx->mem, "{\"name\":\"%" PK_FMT "\",\"uri\":\"%" PK_FMT "\",\"version\":\"%s\","
                                               "\"cipher\":\"%s\",\"resumed\":%s}",
                                  PK_ARG(p->name), p->uri_count ? (int)p->uris[0].len : 0,
                                  p->uri_count ? p->uris[0].ptr : "", p->version, p->cipher,
                                  p->is_resumed ? "true" : "false");
    return PK_OK;
}
#endif

static void on_stdin(void *user, bool can_read, bool can_write)
{
    char buf[64];
    (void)can_read, (void)can_write;
    *(bool *)user = read(0, buf, sizeof(buf)) > 0;
#ifdef PLUGKIT_WITH_TLS
    pk_error err = {0};
    if (*(bool *)user && tls) {
        puts(tls_args_read(&tls, true, &err) ? err.msg : "reloaded");
        fflush(stdout);
    }
#endif
}

int main(int argc, char **argv)
{
    pk_loop *loop = NULL;
    pk_server *server = NULL;
    pk_error err = {0};
    bool running = true;
    FILE *self = fopen(argv[0], "rb");
    int self_fd = self ? fileno(self) : -1;
    const pk_route all = {"ANY /*", 0, see, NULL};
    const pk_route routes[] = {
        {"GET /healthz", PK_INLINE, healthz, NULL},
        {"POST /echo", 0, echo, NULL},
        {"POST /upload", PK_UPLOAD, upload, NULL},
        {"PUT /ignore", PK_UPLOAD, ignore, NULL},
        {"GET /stream", 0, stream, NULL},
        {"GET /file", 0, file, &self_fd},
        {"GET /status/*", 0, status, NULL},
        {"ANY /show/*", 0, show, NULL},
#ifdef PLUGKIT_WITH_STREAMS
        {"GET /events", 0, watch_events, NULL},
        {"POST /tell", 0, tell, NULL},
#endif
#ifdef PLUGKIT_WITH_TLS
        {"GET /who", 0, who, NULL},
#endif
    };
    pk_watch watch = {.fd = 0, .on_ready = on_stdin, .user = &running};
    pk_server_desc desc = {.listen = argc > 1 ? argv[1] : "http://127.0.0.1:0", .workers = argc > 2 ? atoi(argv[2]) : 0};
    pk_err rc = pk_loop_create(&loop, NULL, &err);
    desc.loop = loop;
#ifdef PLUGKIT_WITH_TLS
    rc = rc ? rc : tls_args_read(&tls, false, &err);
    desc.tls = tls;
#endif
    rc = rc ? rc : pk_server_create(&server, &desc, &err);
    bool only_all = argc > 3 && strcmp(argv[3], "all") == 0;
    rc = rc || !only_all ? rc : pk_server_add(server, &all, &err);
    for (size_t i = 0; !rc && !only_all && i < sizeof(routes) / sizeof(routes[0]); i++) {
        rc = pk_server_add(server, &routes[i], &err);
    }
    rc = rc ? rc : pk_watch_add(loop, &watch, true, false, &err);
    if (!rc) {
        puts(pk_server_address(server));
        fflush(stdout);
    }
    while (!rc && running) {
        rc = pk_loop_step(loop, -1, &err);
    }
    if (rc) {
        fprintf(stderr, "http_serve: %s\n", err.msg);
    }
    pk_server_destroy(server);
    pk_loop_destroy(loop);
#ifdef PLUGKIT_WITH_TLS
    pk_tls_destroy(tls);
#endif
    if (self) {
        fclose(self);
    }
    return rc ? 1 : 0;
}
