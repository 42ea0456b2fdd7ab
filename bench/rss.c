/* rss.c - how much memory plugins take, in their own process and in the host.
 *
 * Resident is "Rss" of /proc/PID/smaps_rollup: shared pages of libraries count in full, for the do-nothing process that
 * is taken off as well. */
#include "bench.h"

#include <dirent.h>
#include <fcntl.h>

#include "plugkit.h"

#include "../examples/01_hello/greeter.h"
#include "echo.h"
#include "folder.h"

enum { CALLS = 10000 };

static pk_error error;

/* ---- a plugin under load, and a process that does nothing */

static double nothing_kib(void)
{
    int in[2], out[2];
    char byte;
    const char *path = bench_path("nothing");
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) {
        bench_die("pipe: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(in[0], 0);
        (void)dup2(out[1], 1);
        (void)execl(path, path, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    if (pid < 0 || read(out[0], &byte, 1) != 1) {
        bench_die("cannot start '%s'", path);
    }
    double kib = bench_resident_kib(pid);
    close(in[1]);
    close(out[0]);
    (void)waitpid(pid, NULL, 0);
    return kib;
}

static double plugin_kib(void)
{
    pk_manager *m = NULL;
    greeter g;
    pk_mem mem = {0};
    pk_plugin_info info;
    greet_request request = {.name = PK_STR("world")};
    greet_response response = {0};
    const pk_manager_desc desc = {.plugin_dir = bench_path("plugins")};
    if (pk_manager_create(&m, &desc, &error) || pk_manager_start(m, &error) ||
        greeter_bind(&g, pk_manager_caller(m), PK_STR("polite"), &error)) {
        bench_die("%s", error.msg);
    }
    for (int i = 0; i < (bench_smoke ? 10 : CALLS); i++) {
        if (g.greet(&g, NULL, &request, &response, &error)) {
            bench_die("%s", error.msg);
        }
    }
    if (pk_plugin_get(m, pk_manager_find(m, "hello"), &mem, &info, &error)) {
        bench_die("%s", error.msg);
    }
    double kib = bench_resident_kib((long)info.pid);
    pk_mem_free(&mem);
    pk_mem_free(&response.mem);
    pk_manager_destroy(m);
    return kib;
}

static void bench_plugin(void)
{
    double nothing = nothing_kib(), plugin = plugin_kib();
    bench_report_most(&(bench_result){"rss.plugin", "resident", plugin - nothing, "KiB", "do-nothing C process",
                                      nothing}, 2048);
}

/* ---- many plugins in one host */

/* What a host takes that has called each of its plugins once. */
static double host_kib(const char *folder, int plugins)
{
    pk_manager *m = NULL;
    pk_reply reply = {0};
    const pk_manager_desc desc = {.plugin_dir = folder, .duplicates = PK_DUPLICATES_PROVIDERS};
    if (pk_manager_create(&m, &desc, &error) || pk_manager_start(m, &error)) {
        bench_die("%s", error.msg);
    }
    for (int i = 0; i < plugins; i++) {
        char id[32];
        snprintf(id, sizeof(id), "echo-%d", i);
        const pk_call_desc call = {.contract = "echo", .type = "echo", .method = "echo", .plugin = id,
                                   .body.bytes = pk_str_from(echo_request_json)};
        if (pk_caller_call(pk_manager_caller(m), &call, &reply, &error)) {
            bench_die("%s", error.msg);
        }
    }
    double kib = bench_resident_kib((long)getpid());
    pk_mem_free(&reply.mem);
    pk_manager_destroy(m);
    return kib;
}

/* The same in a process of its own: memory that an earlier manager gave back would still be ours. */
static double fresh_host_kib(int plugins)
{
    char folder[8192];
    int ends[2];
    double kib = 0;
    folder_make(folder, plugins);
    if (pipe2(ends, O_CLOEXEC)) {
        bench_die("pipe: %s", strerror(errno));
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        double mine = host_kib(folder, plugins);
        _exit(write(ends[1], &mine, sizeof(mine)) == (ssize_t)sizeof(mine) ? 0 : 1);
    }
    close(ends[1]);
    bool ok = pid > 0 && read(ends[0], &kib, sizeof(kib)) == (ssize_t)sizeof(kib);
    close(ends[0]);
    (void)waitpid(pid, NULL, 0);
    folder_remove(folder, plugins);
    if (!ok) {
        bench_die("the host with %d plugins failed", plugins);
    }
    return kib;
}

static void bench_host(const char *name, int plugins)
{
    plugins = bench_smoke ? 3 : plugins;
    if (!folder_may_run(plugins)) {
        bench_skip(name, "this process may not have so many descriptors");
        return;
    }
    double one = fresh_host_kib(1), all = fresh_host_kib(plugins);
    bench_report_most(&(bench_result){name, "resident", (all - one) / (plugins - 1), "KiB", "host with one plugin",
                                      one}, 32);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_plugin();
    bench_host("rss.manager_per_plugin", 100);
    bench_host("rss.manager_per_plugin_1000", 1000);
    return 0;
}
