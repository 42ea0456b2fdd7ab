/* hello_server.c - a server with one thread; arguments: where to listen, how many connections. Prints its address. */
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include <stdio.h>
#include <stdlib.h>

static pk_err hello(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)q, (void)err;
    a->body.bytes = PK_STR("hello\n");
    a->body.content_type = PK_STR("text/plain");
    return PK_OK;
}

static pk_err large(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    static char bytes[8 << 20];
    (void)user, (void)q, (void)err;
    a->body.bytes = (pk_str){bytes, sizeof(bytes)};
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const pk_route routes[] = {{"GET /hello", 0, hello, NULL}, {"GET /large", 0, large, NULL}};
    pk_loop *loop = NULL;
    pk_server *server = NULL;
    pk_error err = {0};
    pk_server_desc desc = {.listen = argc > 1 ? argv[1] : "http://127.0.0.1:0"};
    desc.limit.connections = argc > 2 ? (size_t)atoi(argv[2]) : 0;
    if (pk_loop_create(&loop, NULL, &err)) {
        return 1;
    }
    desc.loop = loop;
    if (pk_server_create(&server, &desc, &err) || pk_server_add(server, &routes[0], &err) ||
        pk_server_add(server, &routes[1], &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    puts(pk_server_address(server));
    fflush(stdout);
    for (;;) {
        if (pk_loop_step(loop, -1, &err)) {
            return 1;
        }
    }
}
