/* many.c - a thousand plugins in one manager: what a call costs there, what each takes, and what they do when nobody
 * calls them. */
#include "bench.h"

#include <dirent.h>

#include "plugkit.h"

#include "echo.h"
#include "folder.h"

enum { PLUGINS = 1000, IDLE_SECONDS = 10 };

static pk_error error;

/* ---- a manager with so many plugins, all of them running and called once */

typedef struct crowd {
    pk_manager *m;
    char folder[8192];
    int count, next; // next: whose turn it is
    pk_call_desc desc;
    pk_reply reply;
    echo_response response;
    char (*ids)[32];
} crowd;

static void crowd_call(crowd *c, int i)
{
    c->desc.plugin = c->ids[i];
    pk_mem_reset(&c->response.mem);
    if (pk_caller_call(pk_manager_caller(c->m), &c->desc, &c->reply, &error) ||
        pk_json_decode(&c->response.mem, &pk_type_echo_response, c->reply.body.bytes, &c->response, &error)) {
        bench_die("%s", error.msg);
    }
}

static void crowd_open(crowd *c, int count)
{
    memset(c, 0, sizeof(*c));
    c->count = count;
    c->ids = calloc((size_t)count, sizeof(*c->ids));
    folder_make(c->folder, count);
    const pk_manager_desc desc = {.plugin_dir = c->folder, .duplicates = PK_DUPLICATES_PROVIDERS};
    if (pk_manager_create(&c->m, &desc, &error) || pk_manager_start(c->m, &error)) {
        bench_die("%s", error.msg);
    }
    c->desc = (pk_call_desc){.contract = "echo", .type = "echo", .method = "echo",
                             .body.bytes = pk_str_from(echo_request_json)};
    for (int i = 0; i < count; i++) {
        snprintf(c->ids[i], sizeof(c->ids[i]), "echo-%d", i);
        crowd_call(c, i);
    }
}

static void crowd_close(crowd *c)
{
    pk_manager_destroy(c->m);
    pk_mem_free(&c->reply.mem);
    pk_mem_free(&c->response.mem);
    folder_remove(c->folder, c->count);
    free(c->ids);
}

static void call_one(void *user, size_t times)
{
    crowd *c = (crowd *)user;
    for (size_t i = 0; i < times; i++) {
        crowd_call(c, c->count / 2);
    }
}

static void call_in_turn(void *user, size_t times)
{
    crowd *c = (crowd *)user;
    for (size_t i = 0; i < times; i++) {
        crowd_call(c, c->next);
        c->next = (c->next + 1) % c->count;
    }
}

/* ---- raw: as many processes, each with one end of a socket pair */

typedef struct raw_crowd {
    int fds[PLUGINS];
    int count, next;
} raw_crowd;

static void raw_serve(int fd)
{
    char buf[4096], answer[ECHO_RESPONSE_BYTES];
    memset(answer, 'a', sizeof(answer));
    while (recv(fd, buf, sizeof(buf), 0) > 0 && send(fd, answer, sizeof(answer), MSG_NOSIGNAL) > 0) {
    }
}

static void raw_open(raw_crowd *raw, int count)
{
    raw->count = count;
    for (int i = 0; i < count; i++) {
        raw->fds[i] = bench_fork_peer(raw_serve, raw->fds, i);
    }
}

static void raw_in_turn(void *user, size_t times)
{
    raw_crowd *raw = (raw_crowd *)user;
    char buf[4096];
    for (size_t i = 0; i < times; i++) {
        int fd = raw->fds[raw->next];
        if (send(fd, echo_request_json, ECHO_REQUEST_BYTES, MSG_NOSIGNAL) < 0 || recv(fd, buf, sizeof(buf), 0) <= 0) {
            bench_die("a raw peer has gone");
        }
        raw->next = (raw->next + 1) % raw->count;
    }
}

static void raw_close(const raw_crowd *raw)
{
    for (int i = 0; i < raw->count; i++) {
        close(raw->fds[i]);
    }
}

/* ---- what it takes to have them */

static int count_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        n += e->d_name[0] != '.';
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

/* Time on a processor so far, in seconds: of this process, or of all plugins. */
static double busy_seconds(long pid)
{
    char path[64], line[256] = "";
    unsigned long long ns = 0;
    snprintf(path, sizeof(path), "/proc/%ld/task", pid);
    DIR *dir = opendir(path);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        char file[400];
        snprintf(file, sizeof(file), "%s/%.255s/schedstat", path, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(file, "r");
        if (f) {
            unsigned long long mine = 0;
            if (fgets(line, sizeof(line), f) && sscanf(line, "%llu", &mine) == 1) {
                ns += mine;
            }
            fclose(f);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return (double)ns / 1e9;
}

static double busy_plugins(crowd *c)
{
    double sum = 0;
    pk_mem mem = {0};
    pk_plugin_info *all = NULL;
    size_t count = 0;
    if (pk_manager_list(c->m, &mem, &all, &count, &error)) {
        bench_die("%s", error.msg);
    }
    for (size_t i = 0; i < count; i++) {
        sum += busy_seconds((long)all[i].pid);
    }
    pk_mem_free(&mem);
    return sum;
}

static void bench_idle(crowd *c)
{
    double theirs = busy_plugins(c);
    double ours = busy_seconds((long)getpid());
    int64_t began = bench_clock_ns(CLOCK_MONOTONIC);
    usleep(bench_smoke ? 20000 : IDLE_SECONDS * 1000000);
    double seconds = (double)(bench_clock_ns(CLOCK_MONOTONIC) - began) / 1e9;
    ours = (busy_seconds((long)getpid()) - ours) / seconds * 100;
    theirs = (busy_plugins(c) - theirs) / seconds * 100;
    bench_report_most(&(bench_result){"idle.host_1000", "core", ours, "%", NULL, 0}, 1);
    bench_report(&(bench_result){"idle.plugins_1000", "core", theirs, "%", NULL, 0});
}

static void bench_calls(crowd *one, crowd *all)
{
    static raw_crowd raw;
    raw_open(&raw, all->count);
    static bench_contestant c[] = {{.name = "one plugin", .run = call_one, .batch = 1, .laps = 3000},
                                   {.name = "one of many", .run = call_one, .batch = 1, .laps = 3000},
                                   {.name = "raw, in turn", .run = raw_in_turn, .batch = 1, .laps = 3000},
                                   {.name = "each in turn", .run = call_in_turn, .batch = 1, .laps = 3000}};
    c[0].user = one;
    c[1].user = c[3].user = all;
    c[2].user = &raw;
    bench_compare(c, 4);
    bench_report_ratio(&(bench_result){"call.unix_1000", "p50", c[1].p50 / 1e3, "us", c[0].name, c[0].p50 / 1e3}, 1.2);
    bench_report(&(bench_result){"call.unix_1000", "turns", c[3].p50 / 1e3, "us", c[2].name, c[2].p50 / 1e3});
    raw_close(&raw);
}

int main(int argc, char **argv)
{
    static crowd one, all;
    bench_begin(argc, argv);
    int plugins = bench_smoke ? 5 : PLUGINS;
    if (!folder_may_run(plugins * 2)) { // the raw ones take one each
        bench_skip("call.unix_1000", "this process may not have so many descriptors");
        return 0;
    }
    crowd_open(&one, 1);
    int few = count_fds();
    crowd_open(&all, plugins);
    int many = count_fds();
    bench_calls(&one, &all);
    bench_report_most(&(bench_result){"fds.manager_per_plugin", "open", (double)(many - few) / plugins, "fds", NULL,
                                      0}, 6);
    bench_idle(&all);
    crowd_close(&all);
    crowd_close(&one);
    return 0;
}
