/* hostile.c - a plugin that takes all it can get: integration/test_isolate.py says what. Each of its doings stops by
 * itself, should no limit stop it.
 *
 *     POST /eat           memory, up to 1 GiB: how many MiB it got
 *     POST /open          descriptors, up to 2000: how many
 *     POST /fork          processes, up to 200: how many, and they are gone again
 *     POST /write         a file in its directory, up to 64 MiB: how many bytes it got
 *     POST /read, /make   the file whose path is the body: opens it, or makes it and writes to it
 *     POST /run           the program whose path is the body, in a child: its exit status
 *     POST /calls         what comes of unshare, mount, ptrace, bpf, clone for a namespace, and of one that is no call
 *     POST /net           what it can reach: [how many interfaces, errno of connecting to 127.0.0.1 at the port in the
 *                         body, errno of sending to another machine, errno of finding System V memory 4711]
 *     POST /leave         a child in a session of its own, which outlives it: its number
 *     POST /die           ends, with status 3
 *     POST /burn          computes for 20 s, without an answer
 *     GET /about          {"pid":..,"uid":..,"gid":..,"groups":[..],"nice":..,"umask":..,"directory":"..",
 *                          "noNewPrivs":..,"capabilities":".."} */
#define _GNU_SOURCE
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pk_err answer(const pk_request *request, pk_response *response, long number, int error)
{
    response->body.bytes = pk_mem_printf(request->ctx->mem, "[%ld,\"%s\"]", number, error ? strerror(error) : "");
    return response->body.bytes.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static pk_err post_eat(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    static void *eaten[1024];
    int count = 0;
    (void)user, (void)err;
    errno = 0;
    while (count < 1024 && (eaten[count] = malloc(1 << 20)) != NULL) {
        memset(eaten[count++], 1, 1 << 20);
    }
    int error = errno;
    for (int i = 0; i < count; i++) {
        free(eaten[i]);
    }
    return answer(request, response, count, error);
}

static pk_err post_open(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    static int fds[2000];
    int count = 0;
    (void)user, (void)err;
    errno = 0;
    while (count < 2000 && (fds[count] = open("/dev/null", O_RDONLY)) >= 0) {
        count++;
    }
    int error = errno;
    for (int i = 0; i < count; i++) {
        close(fds[i]);
    }
    return answer(request, response, count, error);
}

static pk_err post_fork(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    pid_t children[200];
    int count = 0;
    (void)user, (void)err;
    errno = 0;
    while (count < 200 && (children[count] = fork()) >= 0) {
        if (children[count] == 0) {
            alarm(30);
            pause();
            _exit(0);
        }
        count++;
    }
    int error = errno;
    for (int i = 0; i < count; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    return answer(request, response, count, error);
}

static pk_err post_write(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    static char bytes[65536];
    long total = 0;
    (void)user, (void)err;
    signal(SIGXFSZ, SIG_IGN);
    int fd = open("filled", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    errno = 0;
    for (ssize_t n = 0; total < 64 << 20 && (n = write(fd, bytes, sizeof(bytes))) > 0;) {
        total += n;
    }
    int error = errno;
    close(fd);
    unlink("filled");
    return answer(request, response, total, error);
}

static pk_err open_it(const pk_request *request, pk_response *response, int flags)
{
    char path[4096];
    snprintf(path, sizeof(path), "%" PK_FMT, PK_ARG(request->body.bytes));
    errno = 0;
    int fd = open(path, flags, 0600);
    int error = fd < 0 || ((flags & O_CREAT) && write(fd, "x", 1) != 1) ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return answer(request, response, fd < 0 ? -1 : 0, error);
}

static pk_err post_read(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    return open_it(request, response, O_RDONLY);
}

static pk_err post_make(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    return open_it(request, response, O_WRONLY | O_CREAT);
}

static pk_err post_run(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    char path[4096];
    int status = 0;
    (void)user, (void)err;
    snprintf(path, sizeof(path), "%" PK_FMT, PK_ARG(request->body.bytes));
    errno = 0;
    pid_t pid = fork();
    if (pid == 0) {
        execl(path, path, (char *)NULL);
        _exit(errno == EACCES ? 99 : 98);
    }
    int error = errno;
    if (pid > 0) {
        waitpid(pid, &status, 0);
        error = 0;
    }
    return answer(request, response, pid < 0 ? -1 : WEXITSTATUS(status), error);
}

static pk_err post_calls(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    int errors[6] = {0};
    (void)user, (void)err;
    errors[0] = syscall(SYS_unshare, 0x04000000) ? errno : 0;
    errors[1] = syscall(SYS_mount, "none", "/no/such/place", "tmpfs", 0, NULL) ? errno : 0;
    errors[2] = syscall(SYS_ptrace, 16, getppid(), 0, 0) ? errno : 0;
    errors[3] = syscall(SYS_bpf, -1, NULL, 0) ? errno : 0;
    errors[4] = syscall(SYS_clone, 0x04000000 | SIGCHLD, NULL, NULL, NULL, NULL) < 0 ? errno : 0;
    errors[5] = syscall(2000, 0) ? errno : 0;
    response->body.bytes = pk_mem_printf(request->ctx->mem, "[%d,%d,%d,%d,%d,%d]", errors[0], errors[1], errors[2],
                                         errors[3], errors[4], errors[5]);
    return response->body.bytes.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static int try_connect(int type, uint32_t host, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(host)}};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    int error = connect(fd, (const struct sockaddr *)&to, sizeof(to)) ? errno : 0;
    close(fd);
    return error;
}

static pk_err post_net(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    struct if_nameindex *all = if_nameindex();
    int count = 0, port = 0;
    (void)user, (void)err;
    while (all && all[count].if_index) {
        count++;
    }
    if_freenameindex(all);
    for (size_t i = 0; i < request->body.bytes.len; i++) {
        port = port * 10 + (request->body.bytes.ptr[i] - '0');
    }
    int here = try_connect(SOCK_STREAM, 0x7f000001, port), there = try_connect(SOCK_DGRAM, 0xc0000201, 9);
    int shared = shmget(4711, 0, 0) < 0 ? errno : 0;
    response->body.bytes = pk_mem_printf(request->ctx->mem, "[%d,%d,%d,%d]", count, here, there, shared);
    return response->body.bytes.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static pk_err post_leave(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        alarm(60);
        for (;;) {
            pause();
        }
    }
    return answer(request, response, (long)pid, 0);
}

static pk_err post_die(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)response, (void)err;
    _exit(3);
}

static pk_err post_burn(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    struct timespec used;
    (void)user, (void)err;
    do {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (used.tv_sec < 20);
    return answer(request, response, (long)used.tv_sec, 0);
}

/* The value of a line in /proc/self/status; "" = there is none. */
static const char *status_of(const char *name, char *text, size_t cap)
{
    FILE *file = fopen("/proc/self/status", "r");
    size_t len = strlen(name);
    text[0] = '\0';
    while (file && fgets(text, (int)cap, file)) {
        if (strncmp(text, name, len) == 0 && text[len] == ':') {
            text[strcspn(text, "\n")] = '\0';
            fclose(file);
            return text + len + 2;
        }
    }
    if (file) {
        fclose(file);
    }
    return "";
}

static pk_err get_about(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    char place[4096], privileges[200], capabilities[200], list[400] = "";
    gid_t groups[40];
    int count = getgroups(40, groups);
    mode_t mask = umask(0);
    (void)user, (void)err;
    umask(mask);
    for (int i = 0; i < count; i++) {
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%lu", i ? "," : "", (unsigned long)groups[i]);
    }
    response->body.bytes = pk_mem_printf(
        request->ctx->mem,
        "{\"pid\":%ld,\"uid\":%lu,\"gid\":%lu,\"groups\":[%s],\"nice\":%d,\"umask\":%lu,\"directory\":\"%s\","
        "\"noNewPrivs\":%s,\"capabilities\":\"%s\"}",
        (long)getpid(), (unsigned long)getuid(), (unsigned long)getgid(), list, getpriority(PRIO_PROCESS, 0),
        (unsigned long)mask, getcwd(place, sizeof(place)) ? place : "",
        status_of("NoNewPrivs", privileges, sizeof(privileges)),
        status_of("CapPrm", capabilities, sizeof(capabilities)));
    return response->body.bytes.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

int main(int argc, char **argv)
{
    static const pk_route routes[] = {{"POST /eat", 0, post_eat, NULL},     {"POST /open", 0, post_open, NULL},
                                      {"POST /fork", 0, post_fork, NULL},   {"POST /write", 0, post_write, NULL},
                                      {"POST /read", 0, post_read, NULL},   {"POST /make", 0, post_make, NULL},
                                      {"POST /run", 0, post_run, NULL},     {"POST /calls", 0, post_calls, NULL},
                                      {"POST /net", 0, post_net, NULL},     {"POST /leave", 0, post_leave, NULL},
                                      {"POST /die", 0, post_die, NULL},
                                      {"POST /burn", 0, post_burn, NULL},   {"GET /about", 0, get_about, NULL}};
    pk_sdk_desc desc = {.id = "hostile", .version = "1.0.0", .routes = routes,
                        .route_count = sizeof(routes) / sizeof(routes[0])};
    return pk_sdk_main(argc, argv, &desc);
}
