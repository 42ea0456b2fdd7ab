/* start.c - from the decision to start a plugin to its first answer. The plugin is known: found and probed before. Each
 * lap stops it first, which is not counted; then one call starts it, waits until it is ready, and is answered. */
#include "bench.h"

#include <sys/mman.h>

#include "plugkit.h"

#include "echo.h"
#include "one_byte.h"

static pk_error error;

/* ---- ours */

typedef struct starter {
    pk_manager *manager;
    pk_plugin plugin;
    pk_reply reply;
} starter;

static void our_stop(void *user)
{
    starter *s = (starter *)user;
    if (pk_plugin_stop(s->manager, s->plugin, &error)) {
        bench_die("%s", error.msg);
    }
}

static void our_first_call(void *user, size_t times)
{
    starter *s = (starter *)user;
    const pk_call_desc desc = {.contract = "echo", .type = "echo", .method = "echo",
                               .body.bytes = pk_str_from(echo_request_json)};
    (void)times; // one a lap: the second would be warm
    if (pk_caller_call(pk_manager_caller(s->manager), &desc, &s->reply, &error)) {
        bench_die("%s", error.msg);
    }
}

static void compare(const char *name, one_byte *raw, starter *ours)
{
    static bench_contestant c[2];
    c[0] = (bench_contestant){.name = "vfork, exec, one byte", .run = raw_start, .before = raw_reap, .user = raw};
    c[1] = (bench_contestant){.name = "first call", .run = our_first_call, .before = our_stop, .user = ours};
    c[0].batch = c[1].batch = 1;
    c[0].laps = c[1].laps = 30;
    bench_compare(c, 2);
    bench_report_most(&(bench_result){name, "p50", c[1].p50 / 1e6, "ms", c[0].name, c[0].p50 / 1e6}, 3);
    bench_report(&(bench_result){name, "p99", c[1].p99 / 1e6, "ms", c[0].name, c[0].p99 / 1e6});
    raw_reap(raw);
}

/* ---- a large host */

static bool has_memory(size_t bytes)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof(line), file) && sscanf(line, "MemAvailable: %llu", &kib) != 1) {
    }
    if (file) {
        fclose(file);
    }
    return kib / 1024 > bytes / (1024 * 1024) + 512;
}

/* Small pages, each touched: as expensive to copy as memory can be. */
static char *occupy(size_t bytes)
{
    char *memory = (char *)mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        bench_die("mmap: %s", strerror(errno));
    }
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    memset(memory, 1, bytes);
    return memory;
}

int main(int argc, char **argv)
{
    one_byte raw;
    starter ours = {0};
    bench_begin(argc, argv);
    raw_open(&raw);
    /* A plugin that is stopped on purpose has not crashed; but a limit on restarts has no business here. */
    const pk_manager_desc desc = {.plugin_dir = bench_path("plugins"), .restart.max = 1000000};
    if (pk_manager_create(&ours.manager, &desc, &error) || pk_manager_start(ours.manager, &error)) {
        bench_die("%s", error.msg);
    }
    ours.plugin = pk_manager_find(ours.manager, "echo");
    our_first_call(&ours, 1);

    compare("start.first_call", &raw, &ours);
    size_t bytes = bench_smoke ? (size_t)16 << 20 : (size_t)1 << 30;
    if (has_memory(bytes)) {
        char *memory = occupy(bytes);
        compare("start.first_call_1gib", &raw, &ours);
        munmap(memory, bytes);
    } else {
        bench_skip("start.first_call_1gib", "less than 1.5 GiB of memory to be had");
    }
    pk_mem_free(&ours.reply.mem);
    pk_manager_destroy(ours.manager);
    return 0;
}
