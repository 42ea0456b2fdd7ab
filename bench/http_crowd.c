/* http_crowd.c - ten thousand connections that do next to nothing: what they cost others in time, and us in memory.
 *
 * The crowd is a process of its own, on the core of the one who measures, and gives way to him. Half of it has asked
 * once and is idle; four thousand send a header byte by byte, one a second each; a thousand have asked for more than
 * they take, and take a byte a second. It comes and goes with each round. */
#include "server.h"

enum { CROWD = 10000, FEW = 100, LAPS = 4000, TICK_MS = 10, TICKS = 100 }; // each acts once in TICKS ticks

enum { IDLE, HEAD, READER };

static int crowd_count(void)
{
    return bench_smoke ? 60 : CROWD;
}

static int kind_of(int i)
{
    return i % 10 < 5 ? IDLE : i % 10 < 9 ? HEAD : READER;
}

/* ---- the crowd */

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) {
        bench_die("the crowd cannot send: %s", strerror(errno));
    }
}

static int join_in(int port, int i, int kind)
{
    int small = 4096, fd = server_dial(port, 2 + i % 200);
    if (kind == IDLE) {
        server_ask(fd);
    } else if (kind == HEAD) {
        say(fd, "GET /hello HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    } else {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        say(fd, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    return fd;
}

static void act(int fd, int kind)
{
    char byte;
    if (kind == HEAD) {
        say(fd, "x");
    } else if (kind == READER && recv(fd, &byte, 1, 0) != 1) {
        bench_die("the crowd cannot read: it was cut off");
    }
}

/* `all_kind` -1 = of all kinds. It goes when `in` ends. */
__attribute__((noreturn)) static void crowd_run(int port, int count, int all_kind, int in, int out)
{
    int *fds = (int *)calloc((size_t)count, sizeof(*fds));
    struct pollfd told = {.fd = in, .events = POLLIN};
    bench_die_with_parent();
    server_pin(true);
    (void)server_files();
    for (int i = 0; fds && i < count; i++) {
        fds[i] = join_in(port, i, all_kind < 0 ? kind_of(i) : all_kind);
    }
    (void)!nice(19);
    if (!fds || write(out, "k", 1) != 1) {
        bench_die("the crowd is too large");
    }
    for (int tick = 0; poll(&told, 1, all_kind < 0 ? TICK_MS : -1) == 0; tick++) {
        for (int i = tick % TICKS; i < count; i += TICKS) {
            act(fds[i], kind_of(i));
        }
    }
    _exit(0);
}

typedef struct crowd {
    pid_t pid;
    int to, from;
} crowd;

static void crowd_come(crowd *c, int port, int count, int all_kind)
{
    int to[2], from[2];
    char byte;
    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) {
        bench_die("pipe: %s", strerror(errno));
    }
    fflush(stdout);
    c->pid = fork();
    if (c->pid == 0) {
        close(to[1]);
        close(from[0]);
        crowd_run(port, count, all_kind, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    c->to = to[1];
    c->from = from[0];
    if (c->pid < 0 || read(c->from, &byte, 1) != 1) {
        bench_die("the crowd did not come");
    }
}

static void crowd_go(crowd *c)
{
    int status = 0;
    close(c->to);
    close(c->from);
    if (waitpid(c->pid, &status, 0) != c->pid || status != 0) {
        bench_die("the crowd did not stay to the end");
    }
}

/* ---- what it costs others */

static void measure(int fd, int laps, double *p50, double *p99)
{
    static double lap[LAPS];
    for (int i = 0; i < laps; i++) {
        int64_t began = bench_clock_ns(CLOCK_MONOTONIC);
        server_ask(fd);
        lap[i] = (double)(bench_clock_ns(CLOCK_MONOTONIC) - began) / 1e3;
    }
    *p50 = bench_percentile(lap, (size_t)laps, 50);
    *p99 = bench_percentile(lap, (size_t)laps, 99);
}

static void bench_others(void)
{
    static double p50[2][BENCH_ROUNDS_MAX], p99[2][BENCH_ROUNDS_MAX];
    double unused[2];
    pid_t server;
    crowd c;
    int port = server_start(&server), fd = server_dial(port, 1), laps = bench_smoke ? 10 : LAPS;
    for (int round = 0; round < bench_rounds; round++) {
        measure(fd, laps / 10, &unused[0], &unused[1]);
        measure(fd, laps, &p50[0][round], &p99[0][round]);
        crowd_come(&c, port, crowd_count(), -1);
        measure(fd, laps / 10, &unused[0], &unused[1]);
        measure(fd, laps, &p50[1][round], &p99[1][round]);
        crowd_go(&c);
    }
    close(fd);
    server_stop(server);
    for (int i = 0; i < 2; i++) {
        unused[i] = bench_median(p50[i], (size_t)bench_rounds);
    }
    bench_report(&(bench_result){"http.slow10k", "p50", unused[1], "us", "without the crowd", unused[0]});
    for (int i = 0; i < 2; i++) {
        unused[i] = bench_median(p99[i], (size_t)bench_rounds);
    }
    bench_report_ratio(&(bench_result){"http.slow10k", "p99", unused[1], "us", "without the crowd", unused[0]}, 2);
}

/* ---- what it costs us */

/* Resident memory of a server with so many connections of one kind. */
static double resident(int count, int kind)
{
    pid_t server;
    crowd c;
    int port = server_start(&server), fd = server_dial(port, 1);
    server_ask(fd);
    crowd_come(&c, port, count, kind);
    server_ask(fd); // what came before it is done
    double kib = bench_resident_kib((long)server);
    crowd_go(&c);
    close(fd);
    server_stop(server);
    return kib;
}

static void bench_memory(const char *name, int kind)
{
    int few = bench_smoke ? 1 : FEW, many = crowd_count();
    double small = resident(few, kind), large = resident(many, kind);
    bench_report_most(&(bench_result){name, "resident", (large - small) / (many - few), "KiB", "server with a few",
                                      small}, 1);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    if (server_files() < CROWD + 100) {
        const char *why = "this process may not have so many descriptors";
        bench_skip("http.slow10k", why);
        bench_skip("rss.http_connection", why);
        return 0;
    }
    bench_others();
    bench_memory("rss.http_connection", IDLE);
    bench_memory("rss.http_slow_head", HEAD);
    return 0;
}
