/* http_server.c - requests a second of a hello server with one thread, against nginx with one worker, asked by wrk.
 *
 * The server is on the first core, wrk on the last. nginx answers `return 200` with the same body and the same header
 * lines, and one more: Connection: keep-alive. Both listen on 127.0.0.1, keep connections, and log nothing. */
#include "server.h"

#include <sys/stat.h>

enum { SECONDS = 2, TURNS = 5 };

static char folder[8192];
static const char *const kinds[] = {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}; // of its temporary files

/* Is a program of this name to be had? Gives its path. */
static bool found(const char *name, char out[4096])
{
    const char *path = getenv("PATH");
    char all[8192];
    snprintf(all, sizeof(all), "%s:/usr/sbin:/usr/local/sbin", path ? path : "");
    for (char *rest = all, *dir; (dir = strsep(&rest, ":")) != NULL;) {
        snprintf(out, 4096, "%s/%s", dir, name);
        if (dir[0] && access(out, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* A port that is free now. */
static int free_port(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) ||
        getsockname(fd, (struct sockaddr *)&name, &len)) {
        bench_die("cannot get a port: %s", strerror(errno));
    }
    close(fd);
    return ntohs(name.sin_port);
}

static void write_config(const char *path, int port)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        bench_die("cannot write '%s': %s", path, strerror(errno));
    }
    /* One process that is its own worker: it ends when it is told to, and leaves nothing behind. */
    fprintf(file, "daemon off; master_process off; pid %s/pid; error_log %s/errors;\n", folder, folder);
    fprintf(file, "events { worker_connections 1024; }\nhttp {\n");
    fprintf(file, "    access_log off; server_tokens off; keepalive_requests 1000000000; keepalive_timeout 600s;\n");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        fprintf(file, "    %s_temp_path %s/%s;\n", kinds[i], folder, kinds[i]);
    }
    fprintf(file, "    default_type text/plain;\n    server { listen 127.0.0.1:%d;\n", port);
    fprintf(file, "        location = /hello { return 200 \"Hello, world\\n\"; } }\n}\n");
    if (fclose(file)) {
        bench_die("cannot write '%s': %s", path, strerror(errno));
    }
}

static bool answers(int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool ok = connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
    close(fd);
    return ok;
}

static pid_t start_nginx(const char *nginx, int port)
{
    char config[8300], errors[8300];
    snprintf(errors, sizeof(errors), "%s/errors", folder);
    snprintf(config, sizeof(config), "%s/nginx.conf", folder);
    write_config(config, port);
    pid_t pid = fork();
    if (pid == 0) {
        bench_die_with_parent();
        server_pin(false);
        (void)execl(nginx, "nginx", "-e", errors, "-p", folder, "-c", config, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && !answers(port); i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            bench_die("nginx did not start; see %s/errors", folder);
        }
        usleep(10000);
    }
    return pid;
}

/* What wrk says of so many connections. */
static double rate(const char *wrk, int connections, int port)
{
    char url[64], count[16], seconds[16], line[512];
    int ends[2];
    double result = 0;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/hello", port);
    snprintf(count, sizeof(count), "-c%d", connections);
    snprintf(seconds, sizeof(seconds), "-d%ds", bench_smoke ? 1 : SECONDS);
    if (pipe(ends)) {
        bench_die("pipe: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        bench_die_with_parent();
        server_pin(true);
        (void)dup2(ends[1], 1);
        (void)execl(wrk, "wrk", "-t1", count, seconds, url, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    while (out && fgets(line, sizeof(line), out)) {
        if (strstr(line, "Non-2xx") || strstr(line, "Socket errors")) {
            bench_die("wrk: %s", line);
        }
        (void)sscanf(line, "Requests/sec: %lf", &result);
    }
    if (out) {
        fclose(out);
    }
    (void)waitpid(pid, NULL, 0);
    if (result <= 0) {
        bench_die("wrk did not say how many requests there were");
    }
    return result;
}

static void compare(const char *name, const char *wrk, int connections, const int ports[2])
{
    double rates[2][BENCH_ROUNDS_MAX];
    int rounds = bench_smoke || getenv("ROUNDS") ? bench_rounds : TURNS;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < 2; i++) {
            rates[i][round] = rate(wrk, connections, ports[i]);
        }
    }
    double nginx = bench_median(rates[0], (size_t)rounds), ours = bench_median(rates[1], (size_t)rounds);
    bench_report_least_ratio(&(bench_result){name, "rate", ours, "req/s", "nginx return 200", nginx}, 0.95);
}

static void remove_folder(void)
{
    static const char *const names[] = {"nginx.conf", "errors", "pid"};
    char path[8400];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, kinds[i]);
        (void)rmdir(path);
    }
    if (rmdir(folder)) {
        bench_die("cannot remove '%s': %s", folder, strerror(errno));
    }
}

int main(int argc, char **argv)
{
    char nginx[4096], wrk[4096];
    int ports[2];
    pid_t pids[2];
    bench_begin(argc, argv);
    const char *missing = !found("wrk", wrk) ? "no wrk" : !found("nginx", nginx) ? "no nginx"
                          : CPU_COUNT(&bench_all_cores) < 2 ? "one core only" : NULL;
    if (missing) {
        bench_skip("http.server.c16", missing);
        bench_skip("http.server.c64", missing);
        return 0;
    }
    const char *path = bench_path("nginx.files");
    if ((mkdir(path, 0755) && errno != EEXIST) || !realpath(path, folder)) { // nginx wants the whole path
        bench_die("mkdir '%s': %s", path, strerror(errno));
    }
    ports[0] = free_port();
    pids[0] = start_nginx(nginx, ports[0]);
    ports[1] = server_start(&pids[1]);
    compare("http.server.c16", wrk, 16, ports);
    compare("http.server.c64", wrk, 64, ports);
    server_stop(pids[1]);
    server_stop(pids[0]);
    remove_folder();
    return 0;
}
