/* counter.c - a plugin with something to lose: integration/test_survive.py says what.
 *
 *     POST /count         one more: what the count is now
 *     GET /about          {"pid":..,"instance":".."}
 *     POST /host          asks the host's "greeter" for its greeting
 *     POST /die           prints its last words, and ends with status 3
 *     POST /deaf          ignores SIGTERM, and does not end when it is asked to, from now on */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static unsigned count;
static pk_sdk *running;

static pk_err answer(const pk_request *request, pk_response *response, pk_str text)
{
    (void)request;
    response->body.bytes = text;
    return text.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static pk_err post_count(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    fprintf(stderr, "counting\n");
    return answer(request, response, pk_mem_printf(request->ctx->mem, "%u", ++count));
}

static pk_err get_about(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    return answer(request, response, pk_mem_printf(request->ctx->mem, "{\"pid\":%ld,\"instance\":\"%s\"}",
                                                   (long)getpid(), pk_sdk_instance(running)));
}

static pk_err post_host(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    pk_call_desc call = {.contract = "greeter", .method = "greet", .body.bytes = PK_STR_INIT("{}")};
    pk_reply reply = {0};
    (void)user;
    pk_err rc = pk_caller_call(pk_sdk_host(running), &call, &reply, err);
    rc = rc ? rc : answer(request, response, pk_mem_dup(request->ctx->mem, reply.body.bytes));
    pk_mem_free(&reply.mem);
    return rc;
}

static pk_err post_die(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)response, (void)err;
    printf("on stdout\n");
    fflush(stdout);
    fprintf(stderr, "last words\n");
    _exit(3);
}

/* In a handler: the loop stands still. */
static pk_err post_deaf(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)response, (void)err;
    signal(SIGTERM, SIG_IGN);
    while (pause() != 0) {
    }
    return PK_OK;
}

static pk_err on_start(void *user, pk_sdk *p, pk_error *err)
{
    (void)user, (void)err;
    running = p;
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const pk_route routes[] = {{"POST /count", 0, post_count, NULL},
                                      {"GET /about", 0, get_about, NULL},
                                      {"POST /host", 0, post_host, NULL},
                                      {"POST /die", 0, post_die, NULL},
                                      {"POST /deaf", 0, post_deaf, NULL}};
    pk_sdk_desc desc = {.id = "counter", .version = "1.0.0", .routes = routes, .route_count = 5, .on_start = on_start};
    return pk_sdk_main(argc, argv, &desc);
}
