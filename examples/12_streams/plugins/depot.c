/* depot.c - a plugin that keeps one file: takes it piece by piece, gives it back, and tells whoever watches how much
 * has come. However large the file is, no more than a piece of it is in memory. */
#define PLUGKIT_WITH_STREAMS
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include <stdio.h>

static FILE *kept;         // without a name: it ends with us
static pk_sse *watcher;    // NULL = nobody
static uint64_t size, next_news;

static void tell(const char *name, pk_mem *mem)
{
    pk_sse_event event = {.event = pk_str_from(name)};
    event.data = pk_mem_printf(mem, "%llu", (unsigned long long)size);
    if (watcher) {
        (void)pk_sse_send(watcher, &event, NULL); // who does not keep up misses one
    }
}

/* ---- PUT /file */

static pk_err take(void *user, pk_str piece, pk_response *response, pk_error *err)
{
    pk_ctx *ctx = (pk_ctx *)user;
    if (piece.len == 0) { // the end
        response->body.bytes = pk_mem_printf(ctx->mem, "{\"bytes\":%llu}", (unsigned long long)size);
        return fflush(kept) == 0 ? PK_OK : pk_error_sys(err, PK_ERR_OS, errno, "cannot keep the file");
    }
    if (fwrite(piece.ptr, 1, piece.len, kept) != piece.len) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot keep the file");
    }
    size += piece.len;
    if (size >= next_news) {
        tell("progress", ctx->mem);
        next_news *= 4;
    }
    return PK_OK;
}

static pk_err put_file(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)response;
    if (kept) {
        fclose(kept);
    }
    kept = tmpfile();
    if (!kept) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot keep a file");
    }
    size = 0;
    next_news = 64 * 1024;
    return pk_request_take(request, take, request->ctx, err);
}

/* ---- GET /file */

static pk_err get_file(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request;
    if (!kept) {
        return pk_error_set(err, PK_ERR_NOT_FOUND, "cannot give a file: nobody has brought one");
    }
    response->body.has_fd = true; // sent by the system, without a detour through us
    response->body.fd = fileno(kept);
    response->body.size = size;
    response->body.content_type = PK_STR("application/octet-stream");
    return PK_OK;
}

/* ---- GET /events */

static void on_gone(void *user)
{
    (void)user;
    pk_sse_close(watcher);
    watcher = NULL;
}

static pk_err get_events(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    const pk_sse_desc desc = {.on_gone = on_gone};
    (void)user;
    if (watcher) {
        return pk_error_set(err, PK_ERR_BUSY, "cannot tell a second one: somebody watches already");
    }
    pk_err rc = pk_sse_open(&watcher, request, response, &desc, err);
    if (rc == PK_OK) {
        tell("watching", request->ctx->mem);
    }
    return rc;
}

int main(int argc, char **argv)
{
    static const pk_route routes[] = {
        {.match = "PUT /file", .flags = PK_UPLOAD, .run = put_file},
        {.match = "GET /file", .run = get_file},
        {.match = "GET /events", .run = get_events},
    };
    static const pk_sdk_desc depot = {.id = "depot", .routes = routes, .route_count = 3};

    return pk_sdk_main(argc, argv, &depot);
}
