/* syscalls.c - how often a warm call asks the system for something, on either side. Counted, not timed: this program
 * and its plugin are built with PLUGKIT_TEST, where every system call goes through a table that counts. Reading the
 * clock is none on systems that keep it in user space; it is shown beside. */
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include "bench.h"
#include "echo.h"

enum { BATCHES = 5, CALLS = 200, WARM_UP = 10 };

static pk_error error;

static echo_counts ask_plugin(const echo *e)
{
    echo_counts counts = {0};
    pk_none nothing = {0};
    if (e->counts(e, NULL, &nothing, &counts, &error)) {
        bench_die("%s", error.msg);
    }
    pk_mem_free(&counts.mem); // it holds no text
    return counts;
}

static void call(pk_caller *caller, int times)
{
    const pk_call_desc desc = {.contract = "echo", .method = "echo", .body.bytes = pk_str_from(echo_request_json)};
    pk_reply reply = {0};
    for (int i = 0; i < times; i++) {
        if (pk_caller_call(caller, &desc, &reply, &error)) {
            bench_die("%s", error.msg);
        }
    }
    pk_mem_free(&reply.mem);
}

static void keep_least(double *least, uint32_t count, int calls)
{
    double each = count / (double)calls;
    *least = *least == 0 || each < *least ? each : *least;
}

static void report(const char *metric, double value, double most)
{
    bench_report_most(&(bench_result){"call.syscalls", metric, value, "calls", NULL, 0}, most);
}

int main(int argc, char **argv)
{
    pk_manager *m = NULL;
    echo e;
    double least[4] = {0}; // system calls and clock readings, here and there
    bench_begin(argc, argv);
    const pk_manager_desc desc = {.plugin_dir = bench_path("plugins_counting")};
    if (pk_manager_create(&m, &desc, &error) || pk_manager_start(m, &error) ||
        echo_bind(&e, pk_manager_caller(m), PK_STR("echo"), &error)) {
        bench_die("%s", error.msg);
    }
    call(pk_manager_caller(m), WARM_UP);
    (void)ask_plugin(&e);

    /* The least of several batches: now and then something else happens in between, a health check for one. The host's
     * numbers are taken right around the calls: asking the plugin is a call too. Its own are taken inside of two calls,
     * CALLS + 1 requests apart. */
    for (int batch = 0; batch < BATCHES; batch++) {
        echo_counts before = ask_plugin(&e);
        pk__sys_counters host = pk__sys_count;
        call(pk_manager_caller(m), CALLS);
        keep_least(&least[0], pk__sys_count.all - host.all, CALLS);
        keep_least(&least[1], pk__sys_count.clock_gettime - host.clock_gettime, CALLS);
        echo_counts after = ask_plugin(&e);
        keep_least(&least[2], after.system_calls - before.system_calls, CALLS + 1);
        keep_least(&least[3], after.clock_readings - before.clock_readings, CALLS + 1);
    }
    report("host", least[0], 2);
    report("plugin", least[2], 3);
    printf("%-27s of the clock: %.2f in the host, %.2f in the plugin\n", "  and readings", least[1], least[3]);
    pk_manager_destroy(m);
    return 0;
}
