/* server.h - the hello server of the HTTP benchmarks, in a process of its own on the first core. */
#ifndef SERVER_H
#define SERVER_H
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>

#include "plugkit.h"

/* On one core: 0 = the first that we may have, otherwise the last. */
BENCH_FN void server_pin(bool last)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        int cpu = last ? CPU_SETSIZE - 1 - i : i;
        if (CPU_ISSET(cpu, &bench_all_cores)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    (void)sched_setaffinity(0, sizeof(one), &one);
}

/* As many descriptors as the system lets us have. */
BENCH_FN long server_files(void)
{
    struct rlimit limit = {0, 0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return (long)limit.rlim_cur;
}

/* The header lines that nginx sends by itself; the date is made once a second there, too. */
static pk_err server_hello(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    static pk_meta fields[2];
    static char date[64];
    static time_t made;
    time_t now = time(NULL);
    (void)user, (void)request, (void)err;
    if (now != made) {
        struct tm parts;
        made = now;
        strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
        fields[0] = (pk_meta){PK_STR("Server"), PK_STR("hello")};
        fields[1] = (pk_meta){PK_STR("Date"), pk_str_from(date)};
    }
    response->fields = fields;
    response->field_count = 2;
    response->body.bytes = PK_STR("Hello, world\n");
    response->body.content_type = PK_STR("text/plain");
    return PK_OK;
}

/* A large answer, for those who take it slowly. */
static pk_err server_large(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    static char bytes[4 << 20];
    (void)user, (void)request, (void)err;
    response->body.bytes = (pk_str){bytes, sizeof(bytes)};
    return PK_OK;
}

__attribute__((noreturn)) static void server_run(int report)
{
    static const pk_route hello = {"GET /hello", 0, server_hello, NULL}, large = {"GET /large", 0, server_large, NULL};
    pk_loop *loop = NULL;
    pk_server *server = NULL;
    pk_error err = {0};
    pk_server_desc desc = {.listen = "http://127.0.0.1:0"};
    bench_die_with_parent();
    server_pin(false);
    desc.limit.connections = (size_t)server_files();
    desc.limit.header_ms = 600 * 1000; // the slow ones are to last
    desc.limit.body_ms = 600 * 1000;
    if (pk_loop_create(&loop, NULL, &err)) {
        bench_die("%s", err.msg);
    }
    desc.loop = loop;
    if (pk_server_create(&server, &desc, &err) || pk_server_add(server, &hello, &err) ||
        pk_server_add(server, &large, &err)) {
        bench_die("%s", err.msg);
    }
    int port = atoi(strrchr(pk_server_address(server), ':') + 1);
    if (write(report, &port, sizeof(port)) != (ssize_t)sizeof(port)) {
        bench_die("cannot tell the port");
    }
    for (;;) {
        (void)pk_loop_step(loop, -1, NULL);
    }
}

/* Starts it; gives its port. */
BENCH_FN int server_start(pid_t *pid)
{
    int ends[2], port = 0;
    if (pipe(ends)) {
        bench_die("pipe: %s", strerror(errno));
    }
    fflush(stdout);
    *pid = fork();
    if (*pid == 0) {
        close(ends[0]);
        server_run(ends[1]);
    }
    close(ends[1]);
    if (*pid < 0 || read(ends[0], &port, sizeof(port)) != (ssize_t)sizeof(port)) {
        bench_die("the server did not start");
    }
    close(ends[0]);
    return port;
}

BENCH_FN void server_stop(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

/* A connection from 127.0.0.`from`. */
BENCH_FN int server_dial(int port, int from)
{
    struct sockaddr_in local = {.sin_family = AF_INET}, name = {.sin_family = AF_INET};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct linger reset = {1, 0}; // leaves no port behind that is not free yet
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)from - 1);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons((uint16_t)port);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)) ||
        connect(fd, (struct sockaddr *)&name, sizeof(name))) {
        bench_die("cannot connect to port %d: %s", port, strerror(errno));
    }
    return fd;
}

/* One request, and its answer to the last byte. */
BENCH_FN void server_ask(int fd)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[1024];
    size_t len = 0;
    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1) {
        bench_die("cannot ask: %s", strerror(errno));
    }
    do {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (n <= 0) {
            bench_die("no answer: %s", n < 0 ? strerror(errno) : "closed");
        }
        len += (size_t)n;
        answer[len] = '\0';
    } while (!strstr(answer, "Hello, world\n"));
}
#endif
