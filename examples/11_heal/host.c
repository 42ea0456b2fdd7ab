/* host.c - a patient to play with: kill its organs, and watch it heal.
 *
 * Every second each organ is called once, and a line tells what came of that. What happens to them stands between: the
 * host does nothing about it itself. README.md says what to try. */
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_WITH_ADMIN // for `plugkit top` and its like
#include "../../plugkit.h"
#include "organ.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const organs[] = {"heart", "lung", "brain"};
static const char *const blood_and_air[] = {"heart", "lung", NULL};
static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

/* The manager's thread: only printing here. */
static void on_event(void *user, const pk_event *event)
{
    pk_manager *manager = *(pk_manager **)user;
    pk_plugin_info info;
    pk_mem mem = {0};
    if (event->moments & PK_ON_READY && pk_plugin_get(manager, event->plugin, &mem, &info, NULL) == PK_OK) {
        printf("    + %s is up: pid %lld, after %.1f ms\n", event->id, (long long)info.pid,
               (double)info.start_time / 1e6);
    } else if (event->moments & PK_ON_CRASH) {
        printf("    - %s\n", event->why ? event->why->msg : event->id);
    } else if (event->moments & PK_ON_DEGRADED) {
        printf("    ~ %s\n", event->why->msg);
    } else if (event->moments & PK_ON_STOP) {
        printf("    . %s is down\n", event->id);
    }
    if (strcmp(event->to, "failed") == 0) {
        printf("    ! %s is given up: it fell too often. plugkit start %s tries again\n", event->id, event->id);
    }
    pk_mem_free(&mem);
    fflush(stdout);
}

/* One call to each, and one line about all of them: events may be printed meanwhile. */
static void look_after(pk_manager *manager)
{
    pk_buf line;
    pk_buf_init(&line, NULL, 4096);
    for (size_t i = 0; i < sizeof(organs) / sizeof(*organs); i++) {
        pk_ctx ctx = {.timeout_ms = 800};
        organ one;
        organ_work request = {0};
        organ_result result = {0};
        pk_error err = {0};
        if (organ_bind(&one, pk_manager_caller(manager), pk_str_from(organs[i]), &err) == PK_OK) {
            (void)one.work(&one, &ctx, &request, &result, &err);
        }
        (void)pk_buf_printf(&line, "%s%s: ", i > 0 ? ", " : "", organs[i]);
        if (err.code) {
            (void)pk_buf_printf(&line, "%s", pk_err_text(err.code));
        } else {
            (void)pk_buf_printf(&line, "%" PK_FMT " %llu", PK_ARG(result.what), (unsigned long long)result.count);
        }
        pk_mem_free(&result.mem);
    }
    printf("%" PK_FMT "\n", PK_ARG(pk_buf_str(&line)));
    pk_buf_free(&line);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const pk_plugin_rule rules[] = {{.plugin = "brain", .needs = blood_and_air}};
    pk_manager *manager = NULL;
    pk_error err = {0};
    pk_manager_desc desc = {.plugin_dir = argc > 1 ? argv[1] : "organs",
                            .eager = true,
                            .deadline = {.stop_ms = 1000},
                            .health = {.interval_ms = 1000, .misses = 2},
                            .rules = rules,
                            .rule_count = 1,
                            .on_event = on_event,
                            .user = &manager};

    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (pk_manager_create(&manager, &desc, &err) || pk_manager_serve(manager, &err) ||
        pk_manager_start(manager, &err)) {
        fprintf(stderr, "host: %s\n", err.msg);
    }
    while (!err.code && !is_over && !pk_manager_is_stopped(manager)) {
        const struct timespec second = {1, 0};
        look_after(manager);
        (void)nanosleep(&second, NULL);
    }
    pk_manager_destroy(manager);
    return err.code ? 1 : 0;
}
