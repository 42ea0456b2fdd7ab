/* bench.h - what all benchmarks share: one core, rounds in turns, medians, and a line for each result.
 *
 * A contestant runs an operation many times. bench_compare lets several take turns, round after round, so that whatever
 * else the machine does meets them all alike. Each round gives a p50 and a p99 of its laps; the result is the median of
 * the rounds. A lap is one operation, or a batch where the clock is coarser than the operation.
 *
 *     bench_contestant c[] = {{.name = "raw", .run = raw, .batch = 1, .laps = 2000}, {.name = "ours", ...}};
 *     bench_begin(argc, argv);
 *     bench_compare(c, 2);
 *     bench_report_ratio(&(bench_result){"call.unix", "p50", c[1].p50 / 1e3, "us", "raw", c[0].p50 / 1e3}, 1.6);
 *
 * Results go to stdout as a table and, one JSON object a line, to the file that BENCH_JSONL names. ROUNDS=n sets how
 * many rounds; ROUNDS=0 is one round of a few laps, which shows that everything runs and measures nothing. */
#ifndef BENCH_H
#define BENCH_H
#ifndef _GNU_SOURCE
#error "compile benchmarks with -D_GNU_SOURCE: they pin themselves to a core"
#endif
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BENCH_FN __attribute__((unused)) static

enum { BENCH_ROUNDS_MAX = 1000, BENCH_ROUNDS = 9 };

static int bench_rounds = BENCH_ROUNDS;
static bool bench_smoke;      // ROUNDS=0
static char bench_home[4096]; // where the programs were built
static cpu_set_t bench_all_cores;

__attribute__((noreturn, format(printf, 1, 2))) BENCH_FN void bench_die(const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "bench: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(1);
}

/* ---- the machine */

/* This thread, and every thread and process that it starts from now on, on the last core: the first is where
 * interrupts tend to go. Without the right to choose, the scheduler does. */
BENCH_FN void bench_pin(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (CPU_ISSET(cpu, &bench_all_cores)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    (void)sched_setaffinity(0, sizeof(one), &one);
}

/* A process on the first core: the other end of something that needs two. */
BENCH_FN void bench_pin_away(pid_t pid)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &bench_all_cores)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    (void)sched_setaffinity(pid, sizeof(one), &one);
}

BENCH_FN void bench_unpin(void)
{
    (void)sched_setaffinity(0, sizeof(bench_all_cores), &bench_all_cores);
}

BENCH_FN void bench_begin(int argc, char **argv)
{
    const char *rounds = getenv("ROUNDS");
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    snprintf(bench_home, sizeof(bench_home), "%.*s", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
    if (rounds && rounds[0]) {
        bench_smoke = strcmp(rounds, "0") == 0;
        bench_rounds = bench_smoke ? 1 : atoi(rounds);
        if (bench_rounds < 1 || bench_rounds > BENCH_ROUNDS_MAX) {
            bench_die("ROUNDS=%s: must be a number from 0 to %d", rounds, BENCH_ROUNDS_MAX);
        }
    }
    if (sched_getaffinity(0, sizeof(bench_all_cores), &bench_all_cores)) {
        bench_die("cannot ask for the cores: %s", strerror(errno));
    }
    bench_pin();
}

/* The path of something built beside this program. Static; valid until the next but three. */
BENCH_FN const char *bench_path(const char *name)
{
    static char paths[4][8192];
    static unsigned turn;
    char *out = paths[turn++ % 4];
    snprintf(out, sizeof(paths[0]), "%s/%s", bench_home, name);
    return out;
}

/* Ends this process when its parent ends: raw peers must not stay behind. */
BENCH_FN void bench_die_with_parent(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A process that carries out `serve` with one end of a socket pair, and ends, at the latest with this one. Gives the
 * other end. Those of earlier peers (`others`) it closes: each peer sees when its own is closed here. */
BENCH_FN int bench_fork_peer(void (*serve)(int fd), const int *others, int count)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        bench_die("socketpair: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid < 0) {
        bench_die("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        bench_die_with_parent();
        for (int i = 0; i < count; i++) {
            close(others[i]);
        }
        close(pair[0]);
        serve(pair[1]);
        _exit(0);
    }
    close(pair[1]);
    return pair[0];
}

static int64_t bench_clock_ns(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Keeps the compiler from leaving out work whose result nobody reads. */
BENCH_FN void bench_use(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* "Rss" of /proc/PID/smaps_rollup. */
BENCH_FN double bench_resident_kib(long pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file) && sscanf(line, "Rss: %llu", &kib) != 1) {
    }
    if (file) {
        fclose(file);
    }
    if (kib == 0) {
        bench_die("cannot read '%s'", path);
    }
    return (double)kib;
}

/* ---- statistics */

static int bench_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

BENCH_FN double bench_percentile(double *values, size_t count, double percent)
{
    qsort(values, count, sizeof(*values), bench_by_value);
    size_t at = (size_t)ceil(percent / 100 * (double)count);
    return values[at > 0 ? at - 1 : 0];
}

BENCH_FN double bench_median(double *values, size_t count)
{
    return bench_percentile(values, count, 50);
}

typedef struct bench_contestant {
    const char *name;
    void (*run)(void *user, size_t times); // carries the operation out so many times
    void (*before)(void *user);            // optional: before each lap, not counted
    void *user;
    size_t laps, batch;  // laps of a round; operations of a lap
    double p50, p99;     // out: nanoseconds of one operation
    double round_p50[BENCH_ROUNDS_MAX], round_p99[BENCH_ROUNDS_MAX];
} bench_contestant;

static void bench_round(bench_contestant *c, clockid_t clock, size_t laps, double *p50, double *p99)
{
    double *lap = (double *)malloc(laps * sizeof(*lap));
    if (!lap) {
        bench_die("out of memory");
    }
    for (size_t i = 0; i < laps; i++) {
        if (c->before) {
            c->before(c->user);
        }
        int64_t began = bench_clock_ns(clock);
        c->run(c->user, c->batch);
        lap[i] = (double)(bench_clock_ns(clock) - began) / (double)c->batch;
    }
    *p50 = bench_percentile(lap, laps, 50);
    *p99 = bench_percentile(lap, laps, 99);
    free(lap);
}

/* Rounds in turns, after one that nobody looks at. */
static void bench_turns(bench_contestant *c, size_t count, clockid_t clock)
{
    for (int round = -1; round < bench_rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            size_t laps = bench_smoke ? 3 : round < 0 ? c[i].laps / 10 + 1 : c[i].laps;
            int slot = round < 0 ? 0 : round;
            bench_round(&c[i], clock, laps, &c[i].round_p50[slot], &c[i].round_p99[slot]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        c[i].p50 = bench_median(c[i].round_p50, (size_t)bench_rounds);
        c[i].p99 = bench_median(c[i].round_p99, (size_t)bench_rounds);
    }
}

BENCH_FN void bench_compare(bench_contestant *c, size_t count)
{
    bench_turns(c, count, CLOCK_MONOTONIC);
}

/* The same for what neither waits nor talks to others: processor time, so that who shares the core does not matter. */
BENCH_FN void bench_compare_computing(bench_contestant *c, size_t count)
{
    bench_turns(c, count, CLOCK_THREAD_CPUTIME_ID);
}

/* ---- results */

typedef struct bench_result {
    const char *bench, *metric;
    double value;
    const char *unit, *baseline; // baseline NULL: there is nothing to compare with
    double baseline_value;
} bench_result;

static void bench_append(const bench_result *r)
{
    const char *path = getenv("BENCH_JSONL");
    FILE *file = path && path[0] ? fopen(path, "a") : NULL;
    if (!file) {
        if (path && path[0]) {
            bench_die("cannot write '%s': %s", path, strerror(errno));
        }
        return;
    }
    fprintf(file, "{\"bench\":\"%s\",\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",", r->bench, r->metric, r->value,
            r->unit);
    if (r->baseline && r->baseline_value > 0) {
        fprintf(file, "\"baseline\":\"%s\",\"baseline_value\":%.6g,\"ratio\":%.6g}\n", r->baseline, r->baseline_value,
                r->value / r->baseline_value);
    } else {
        fprintf(file, "\"baseline\":null,\"baseline_value\":null,\"ratio\":null}\n");
    }
    if (fclose(file)) {
        bench_die("cannot write '%s': %s", path, strerror(errno));
    }
}

static const char *bench_number(char out[32], double value)
{
    double size = fabs(value);
    snprintf(out, 32, "%.*f", size < 0.995 ? 3 : size < 99.5 ? 2 : size < 999.5 ? 1 : 0, value);
    return out;
}

/* `target` in words; "" = none. */
static void bench_print(const bench_result *r, const char *target, bool over)
{
    char value[32], base[32] = "", ratio[32] = "";
    if (r->baseline && r->baseline_value > 0) {
        bench_number(base, r->baseline_value);
        snprintf(ratio, sizeof(ratio), "%.2f", r->value / r->baseline_value);
    }
    printf("%-27s %-8s %10s %-7s  %-22s %10s %7s  %-12s%s\n", r->bench, r->metric, bench_number(value, r->value),
           r->unit, r->baseline ? r->baseline : "", base, ratio, target, over ? " over" : target[0] ? " ok" : "");
    fflush(stdout);
    bench_append(r);
}

BENCH_FN void bench_report(const bench_result *r)
{
    bench_print(r, "", false);
}

/* With a target: the value is at most so much. */
BENCH_FN void bench_report_most(const bench_result *r, double most)
{
    char target[64];
    snprintf(target, sizeof(target), "<= %g %s", most, r->unit);
    bench_print(r, target, r->value > most);
}

/* With a target: the value is at most so many times its baseline. */
BENCH_FN void bench_report_ratio(const bench_result *r, double most)
{
    char target[64];
    snprintf(target, sizeof(target), "<= %g x", most);
    bench_print(r, target, r->value > most * r->baseline_value);
}

/* With a target: the value is at least so many times its baseline. */
BENCH_FN void bench_report_least_ratio(const bench_result *r, double least)
{
    char target[64];
    snprintf(target, sizeof(target), ">= %g x", least);
    bench_print(r, target, r->value < least * r->baseline_value);
}

BENCH_FN void bench_skip(const char *bench, const char *why)
{
    printf("%-27s not measured: %s\n", bench, why);
    fflush(stdout);
}
#endif
