/* flood.c - a plugin that prints more than anybody wants to read, and its host. One program is both.
 *
 *     flood BYTES LINE DIR      DIR holds one file: this program, as "spout"
 *
 * The plugin prints so many bytes on stdout and as many on stderr, in lines of LINE bytes; LINE 0 = in one line each.
 * Meanwhile it is called, and all calls are answered. Each byte is either delivered to the log or counted as dropped,
 * and the host does not grow. Prints one JSON line; status 0 = all was well. */
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit.h"
#include "plugkit_sdk.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the plugin */

typedef struct spout {
    pthread_t thread;
    int fd;
    unsigned long long bytes, line;
} spout;

static void *print(void *arg)
{
    spout *s = arg;
    static char block[2][65536];
    char *mine = block[s->fd - 1];
    unsigned long long at = 0; // in its line
    for (unsigned long long left = s->bytes; left > 0;) {
        size_t n = left < sizeof(block[0]) ? (size_t)left : sizeof(block[0]);
        memset(mine, 'x', n);
        for (size_t i = 0; i < n; i++) {
            at++;
            if (at == s->line || (left == n && i == n - 1)) { // the last byte ends the last line
                mine[i] = '\n';
                at = 0;
            }
        }
        left -= n;
        for (size_t done = 0; done < n;) {
            ssize_t w = write(s->fd, mine + done, n - done);
            if (w < 0 && errno != EINTR) {
                return NULL;
            }
            done += w > 0 ? (size_t)w : 0;
        }
    }
    return NULL;
}

static spout spouts[2];

static pk_err flood(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    char text[64];
    (void)user, (void)response;
    snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(request->body.bytes));
    for (int i = 0; i < 2; i++) {
        spouts[i].fd = i + 1;
        if (sscanf(text, "%llu %llu", &spouts[i].bytes, &spouts[i].line) != 2) {
            return pk_error_set(err, PK_ERR_PARSE, "cannot understand '%s'", text);
        }
        pthread_create(&spouts[i].thread, NULL, print, &spouts[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(spouts[i].thread, NULL);
    }
    return PK_OK;
}

static pk_err echo(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    response->body.bytes = request->body.bytes;
    return PK_OK;
}

static int be_plugin(int argc, char **argv)
{
    static const pk_route routes[] = {{"POST /flood", 0, flood, NULL}, {"POST /echo", 0, echo, NULL}};
    pk_sdk_desc desc = {.id = "spout", .routes = routes, .route_count = 2, .workers = 2};
    return pk_sdk_main(argc, argv, &desc);
}

/* ---- the host */

static pk_manager *manager;
static unsigned long long kept, lines, cuts; // bytes of lines with their ends
static bool over;
static long calls, wrong;
static double longest_ms;

static void on_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields, size_t count)
{
    (void)user, (void)level, (void)fields, (void)count;
    if (strcmp(event, "plugin.output") == 0) {
        __atomic_fetch_add(&kept, text.len + 1, __ATOMIC_RELAXED);
        lines++;
    } else if (strcmp(event, "plugin.output_cut") == 0) {
        cuts++;
    }
}

static void call(const char *http, const char *body)
{
    pk_error err = {0};
    pk_reply reply = {0};
    pk_call_desc d = {.plugin = "spout", .http = http, .body = {.bytes = pk_str_from(body)},
                      .ctx = {.timeout_ms = 3600000}};
    if (pk_caller_call(pk_manager_caller(manager), &d, &reply, &err)) {
        fprintf(stderr, "%s: %s\n", http, err.msg);
        wrong++;
    }
    pk_mem_free(&reply.mem);
}

static void *call_on(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        int64_t began = pk_now_ns();
        call("POST /echo", "still here");
        double ms = (double)(pk_now_ns() - began) / 1e6;
        longest_ms = ms > longest_ms ? ms : longest_ms;
        calls++;
        usleep(1000);
    }
    return NULL;
}

static long resident_kib(const char *what) // VmRSS, or VmHWM: the most since it was reset
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, what, strlen(what)) == 0) {
            kib = strtol(line + strlen(what) + 1, NULL, 10);
        }
    }
    if (file) {
        fclose(file);
    }
    return kib;
}

static void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

/* All of it is read when nothing has come for a while: what the plugin wrote last may still lie in the pipe. */
static void settle(void)
{
    unsigned long long before = 0;
    for (int same = 0; same < 20; usleep(5000)) {
        unsigned long long now = __atomic_load_n(&kept, __ATOMIC_RELAXED);
        same = now == before ? same + 1 : 0;
        before = now;
    }
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pk_error err = {0};
    pk_mem mem = {0};
    pk_plugin_info info = {0};
    char body[128];
    if (argc != 4) {
        return be_plugin(argc, argv);
    }
    unsigned long long bytes = strtoull(argv[1], NULL, 10), dropped = 0;
    pk_manager_desc desc = {.plugin_dir = argv[3], .on_log = on_log};
    if (pk_manager_create(&manager, &desc, &err) || pk_manager_start(manager, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 3;
    }
    call("POST /flood", "200000 0"); // what it takes once is taken
    settle();
    if (pk_plugin_get(manager, pk_manager_find(manager, "spout"), &mem, &info, &err) == PK_OK) {
        dropped = info.output_dropped;
    }
    __atomic_store_n(&kept, 0, __ATOMIC_RELAXED);
    lines = cuts = 0; // nothing is printed now
    pthread_create(&thread, NULL, call_on, NULL);
    usleep(20000);
    long before = resident_kib("VmRSS");
    reset_peak();
    snprintf(body, sizeof(body), "%s %s", argv[1], argv[2]);
    int64_t began = pk_now_ns();
    call("POST /flood", body);
    double seconds = (double)(pk_now_ns() - began) / 1e9;
    settle();
    long growth = resident_kib("VmHWM") - before;
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    pk_mem_reset(&mem);
    if (pk_plugin_get(manager, pk_manager_find(manager, "spout"), &mem, &info, &err) == PK_OK) {
        dropped = info.output_dropped - dropped;
    }
    pk_mem_free(&mem);
    pk_manager_destroy(manager);
    printf("{\"printed\":%llu,\"kept\":%llu,\"dropped\":%llu,\"lines\":%llu,\"cuts\":%llu,\"growth_kib\":%ld,"
           "\"calls\":%ld,\"wrong\":%ld,\"longest_call_ms\":%.1f,\"seconds\":%.2f}\n",
           bytes * 2, kept, dropped, lines, cuts, growth, calls, wrong, longest_ms, seconds);
    return wrong ? 1 : 0;
}
