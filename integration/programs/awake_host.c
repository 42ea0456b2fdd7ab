/* awake_host.c - calls a plugin with .spin_us from several threads, past a deadline, and without waiting; then
 * waits until the plugin and this program use no processor time any more. */
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"
#include "awake.h"

#include <pthread.h>

enum { THREADS = 3, CALLS = 400 };

static pk_manager *m;

static void fail(const char *what, const pk_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err->msg);
    exit(1);
}

static void *call_often(void *arg)
{
    pk_error err;
    awake object;
    awake_number resp = {0};
    (void)arg;
    if (awake_bind(&object, pk_manager_caller(m), PK_STR("plugin"), &err)) {
        fail("bind", &err);
    }
    for (int32_t i = 0; i < CALLS; i++) {
        awake_number req = {.number = i, .nap_ms = i % 100 == 99}; // now and then longer than anybody looks
        if (object.twice(&object, NULL, &req, &resp, &err)) {
            fail("call", &err);
        }
        if (resp.number != 2 * i) {
            fprintf(stderr, "twice %d is %d\n", i, resp.number);
            exit(1);
        }
    }
    pk_mem_free(&resp.mem);
    return NULL;
}

static void call_too_late(void)
{
    pk_error err = {0};
    awake object;
    awake_number req = {.nap_ms = 300}, resp = {0};
    pk_ctx ctx = {.timeout_ms = 20};
    (void)awake_bind(&object, pk_manager_caller(m), PK_STR("plugin"), &err);
    if (object.twice(&object, &ctx, &req, &resp, &err) != PK_ERR_PLUGIN_TIMEOUT) {
        fail("a deadline", &err);
    }
    pk_mem_free(&resp.mem);
}

static void on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    (void)call, (void)reply;
    __atomic_store_n((int *)user, err ? err->code : 1, __ATOMIC_SEQ_CST);
}

static void call_and_cancel(void)
{
    static int outcome;
    pk_error err;
    pk_call call;
    pk_call_desc desc = {.contract = "awake", .method = "twice", .on_reply = on_reply, .user = &outcome};
    desc.body.bytes = PK_STR("{\"number\":1,\"napMs\":300}");
    if (pk_caller_start(pk_manager_caller(m), &desc, &call, &err) ||
        pk_caller_cancel(pk_manager_caller(m), call)) {
        fail("cancel", &err);
    }
    while (__atomic_load_n(&outcome, __ATOMIC_SEQ_CST) == 0) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    if (outcome != PK_ERR_CANCELED) {
        fprintf(stderr, "canceled, and the outcome is %d\n", outcome);
        exit(1);
    }
}

/* Clock ticks of both, so far. */
static long busy(long pid)
{
    char path[64], text[1024];
    long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file) {
        fclose(file);
    }
    text[len] = '\0';
    const char *behind = strrchr(text, ')');
    if (!behind || sscanf(behind, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system) != 2) {
        fprintf(stderr, "cannot read '%s'\n", path);
        exit(1);
    }
    return user + system;
}

static void wait_until_idle(void)
{
    pk_error err;
    pk_mem mem = {0};
    pk_plugin_info info;
    if (pk_plugin_get(m, pk_manager_find(m, "awake"), &mem, &info, &err)) {
        fail("get", &err);
    }
    for (long before = -1, now; (now = busy((long)info.pid) + busy((long)getpid())) != before; before = now) {
        nanosleep(&(struct timespec){0, 200000000}, NULL); // 20 ticks of one that never sleeps
    }
    pk_mem_free(&mem);
}

int main(int argc, char **argv)
{
    pk_error err;
    pthread_t threads[THREADS];
    pk_manager_desc desc = {.plugin_dir = argv[argc - 1], .spin_us = SPIN_US};
    if (pk_manager_create(&m, &desc, &err) || pk_manager_start(m, &err)) {
        fail("start", &err);
    }
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, call_often, NULL)) {
            return 1;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    call_too_late();
    call_and_cancel();
    wait_until_idle();
    pk_manager_destroy(m);
    puts("all is well");
    return 0;
}
