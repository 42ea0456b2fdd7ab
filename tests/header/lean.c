/* lean.c - a host without what is opted into, and plugins that somebody else runs: what needs PLUGKIT_WITH_ATTACH is
 * refused with its name; what a finder of one's own says is taken at its word, and called. Prints the release. */
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, const pk_error *err)
{
    printf("%s: %d %s\n", what, err->code, err->msg);
    return 1;
}

static pk_err find(void *user, pk_sink *sink, pk_error *err)
{
    const pk_found found = {.id = "echo",
                            .endpoint = {.address = user},
                            .manifest = PK_STR_INIT("{\"types\":{\"echo\":[{\"type\":\"far\"}]},"
                                                    "\"contracts\":{\"echo\":\"1.0.0\"}}")};
    pk_err rc = pk_sink_found(sink, &found, err);
    pk_sink_done(sink);
    return rc;
}

static int shutdowns;

static pk_err on_echo(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    response->body = request->body;
    return PK_OK;
}

static pk_err on_shutdown(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)response, (void)err;
    shutdowns++;
    return PK_OK;
}

/* The "somebody else": a server in this program, on the host's loop. */
static int call_far(void)
{
    pk_error err = {0};
    pk_loop *loop = NULL;
    pk_server *server = NULL;
    pk_manager *m = NULL;
    pk_reply reply = {0};
    if (pk_loop_create(&loop, NULL, &err)) {
        return fail("loop", &err);
    }
    const pk_server_desc on = {.loop = loop, .listen = "http://127.0.0.1:0", .any_uid = true};
    const pk_route routes[] = {{.match = "POST /shout", .run = on_echo},
                               {.match = "POST /shutdown", .run = on_shutdown}};
    if (pk_server_create(&server, &on, &err) || pk_server_add(server, &routes[0], &err) ||
        pk_server_add(server, &routes[1], &err)) {
        return fail("server", &err);
    }
    char address[128];
    snprintf(address, sizeof(address), "%s", pk_server_address(server));
    const pk_finder finder = {.name = "mine", .start = find, .user = address};
    const pk_finder *finders[] = {&finder};
    const pk_manager_desc desc = {.loop = loop, .finders = finders, .finder_count = 1};
    const pk_call_desc call = {.contract = "echo", .method = "shout", .body.bytes = PK_STR_INIT("\"far\"")};
    if (pk_manager_create(&m, &desc, &err) || pk_manager_start(m, &err) ||
        pk_caller_call(pk_manager_caller(m), &call, &reply, &err)) {
        return fail("call", &err);
    }
    bool same = pk_str_eq(reply.body.bytes, call.body.bytes);
    pk_mem_free(&reply.mem);
    pk_manager_destroy(m);
    pk_server_destroy(server);
    pk_loop_destroy(loop);
    return !same || shutdowns ? fail("not what was sent, or it was asked to end", &err) : 0;
}

int main(void)
{
    static const pk_manager_desc descs[] = {{.attach_dir = "/"}, {.reattach = "{}"}, {.plugin_dir = NULL}};
    for (size_t i = 0; i < sizeof(descs) / sizeof(descs[0]); i++) {
        pk_error err = {0};
        pk_manager *m = NULL;
        (void)setenv("PLUGKIT_REATTACH", "{}", 1);
        pk_err rc = pk_manager_create(&m, &descs[i], &err);
        if (rc != PK_ERR_UNSUPPORTED || m || !strstr(err.msg, "PLUGKIT_WITH_ATTACH")) {
            return fail("not refused", &err);
        }
    }
    static const pk_manager_desc none = {.reattach = ""};
    pk_error err = {0};
    pk_manager *m = NULL;
    if (pk_manager_create(&m, &none, &err)) {
        return fail("refused", &err);
    }
    pk_manager_destroy(m);
    (void)unsetenv("PLUGKIT_REATTACH");
    if (call_far()) {
        return 1;
    }
    puts(pk_version());
    return 0;
}
