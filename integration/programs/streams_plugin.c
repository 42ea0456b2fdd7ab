/* streams_plugin.c - takes and gives bodies of any size, sends events, and notes when a call was cancelled. */
#define PLUGKIT_WITH_STREAMS
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"

#include "streams.h"

#include <string.h>
#include <unistd.h>

typedef struct upload {
    uint64_t bytes;
    pk_ctx *ctx;
} upload;

static void note(const char *word)
{
    FILE *file = fopen("notes", "a");
    if (file) {
        fprintf(file, "%s\n", word);
        fclose(file);
    }
}

static pk_err say_size(const upload *u, pk_response *a)
{
    a->body.bytes = pk_mem_printf(u->ctx->mem, "%llu", (unsigned long long)u->bytes);
    return a->body.bytes.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static pk_err take(void *user, pk_str piece, pk_response *a, pk_error *err)
{
    upload *u = (upload *)user;
    (void)err;
    u->bytes += piece.len;
    return piece.len > 0 ? PK_OK : say_size(u, a);
}

static pk_err run_take(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    upload *u = (upload *)pk_mem_zero(q->ctx->mem, sizeof(*u));
    (void)user, (void)a;
    if (!u) {
        return PK_ERR_NO_MEMORY;
    }
    u->ctx = q->ctx;
    return pk_request_take(q, take, u, err);
}

static pk_err run_read(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    static char buf[64 * 1024]; // one worker
    upload u = {0, q->ctx};
    size_t got = 0;
    (void)user;
    note("waiting");
    do {
        pk_err rc = q->body.read(q->body.user, buf, sizeof(buf), &got, err);
        if (rc) {
            note("upload broke off");
            return rc;
        }
        u.bytes += got;
    } while (got > 0);
    return say_size(&u, a);
}

static pk_err read_zeros(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    uint64_t *left = (uint64_t *)user;
    (void)err;
    *got = *left < cap ? (size_t)*left : cap;
    memset(buf, 0, *got);
    *left -= *got;
    return PK_OK;
}

static void zeros_done(void *user)
{
    if (*(uint64_t *)user > 0) {
        note("download given up");
    }
}

static pk_err run_zeros(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    uint64_t *left = (uint64_t *)pk_mem_get(q->ctx->mem, sizeof(*left));
    (void)user, (void)err;
    if (!left) {
        return PK_ERR_NO_MEMORY;
    }
    note("waiting");
    *left = number_in(q->rest);
    a->body.read = read_zeros;
    a->body.user = left;
    a->done = zeros_done;
    a->user = left;
    return PK_OK;
}

static pk_err run_file(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)q, (void)err;
    a->body.has_fd = true;
    a->body.fd = open("sparse", O_RDONLY | O_CLOEXEC); // as long as this process lives
    a->body.size = (uint64_t)lseek(a->body.fd, 0, SEEK_END);
    return PK_OK;
}

/* Works until nobody waits any more. */
static pk_err run_wait(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)a, (void)err;
    note("waiting");
    while (!pk_ctx_is_canceled(q->ctx)) {
        usleep(1000);
    }
    note("cancelled");
    return PK_OK;
}

/* ---- events */

static struct {
    pk_sse *stream;
    pk_task task;
    pk_loop *loop;
    unsigned count;
} ticker;

static void tick(void *unused)
{
    char text[64];
    pk_sse_event event = {.event = PK_STR("tick"), .data = {text, 0}};
    (void)unused;
    if (ticker.stream) {
        event.data.len = (size_t)snprintf(text, sizeof(text), "number\n%u", ticker.count);
        ticker.count += pk_sse_send(ticker.stream, &event, NULL) == PK_OK;
        pk_loop_post(ticker.loop, &ticker.task);
    }
}

static void gone(void *unused)
{
    (void)unused;
    note("listener gone");
    pk_sse_close(ticker.stream);
    ticker.stream = NULL;
}

static pk_err run_events(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    static const pk_sse_desc desc = {.on_gone = gone};
    (void)user;
    pk_err rc = pk_sse_open(&ticker.stream, q, a, &desc, err);
    ticker.task.run = tick;
    pk_loop_post(ticker.loop, &ticker.task);
    return rc;
}

static pk_err ping(const streams *self, pk_ctx *ctx, const streams_nothing *in, streams_nothing *out, pk_error *err)
{
    (void)self, (void)ctx, (void)in, (void)out, (void)err;
    return PK_OK;
}

static pk_err on_start(void *user, pk_sdk *p, pk_error *err)
{
    static const pk_route routes[] = {
        {"PUT /take", PK_UPLOAD, run_take, NULL}, {"PUT /read", PK_UPLOAD, run_read, NULL},
        {"GET /zeros/*", 0, run_zeros, NULL},     {"GET /file", 0, run_file, NULL},
        {"GET /wait", 0, run_wait, NULL},         {"GET /events", PK_INLINE, run_events, NULL},
    };
    (void)user;
    ticker.loop = pk_sdk_loop(p);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        pk_err rc = pk_server_add(pk_sdk_server(p), &routes[i], err);
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const streams impl = {.ping = ping};
    static const pk_service service = {&streams_contract, "plugin", &impl, {NULL, 0}};
    static const pk_sdk_desc desc = {.id = "streams", .services = &service, .service_count = 1, .on_start = on_start,
                                     .workers = WORKERS};
    return pk_sdk_main(argc, argv, &desc);
}
