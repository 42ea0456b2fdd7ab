/* streams_host.c - moves so many bytes through a call, after a few of the same kind, and prints by how many KiB the
 * largest memory of host and plugin has grown meanwhile. Arguments: folder of plugins, kind, bytes. */
#define PLUGKIT_WITH_STREAMS
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include "streams.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM = 4 << 20 };

static pk_manager *manager;
static pk_error error;
static uint64_t left, came;
static unsigned events;

static void die(const char *what)
{
    printf("%s: %s\n", what, error.msg);
    exit(1);
}

static long peak_kib(long pid)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof(path), "/proc/%ld/status", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file) && sscanf(line, "VmHWM: %ld", &kib) != 1) {
    }
    if (file) {
        fclose(file);
    }
    return kib;
}

static long plugin_pid(void)
{
    pk_mem mem = {0};
    pk_plugin_info info;
    if (pk_plugin_get(manager, pk_manager_find(manager, "streams"), &mem, &info, &error)) {
        die("info");
    }
    long pid = (long)info.pid;
    pk_mem_free(&mem);
    return pid;
}

static pk_err read_some(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    (void)user, (void)err;
    *got = left < cap ? (size_t)left : cap;
    memset(buf, 0, *got);
    left -= *got;
    return PK_OK;
}

static pk_err count(void *user, pk_str chunk, pk_error *err)
{
    (void)user, (void)err;
    came += chunk.len;
    return PK_OK;
}

static pk_err count_event(void *user, const pk_sse_event *event, pk_error *err)
{
    char expected[64];
    (void)user;
    snprintf(expected, sizeof(expected), "number\n%u", events);
    if (!pk_str_is(event->event, "tick") || !pk_str_is(event->data, expected)) {
        return pk_error_set(err, PK_ERR_PARSE, "event %u is another", events);
    }
    return ++events == left ? pk_error_set(err, PK_ERR_CANCELED, "enough") : PK_OK;
}

static pk_err count_events(void *user, pk_str chunk, pk_error *err)
{
    return pk_sse_read((pk_sse_reader *)user, chunk, err);
}

static int sparse(uint64_t size)
{
    int fd = open("sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size)) {
        die("sparse file");
    }
    return fd;
}

/* Writes or reads by hand. */
static void by_hand(pk_call_desc *call, bool writes, uint64_t size)
{
    static char buf[64 * 1024];
    pk_call c;
    size_t got = 1;
    if (pk_caller_start(pk_manager_caller(manager), call, &c, &error)) {
        die("start");
    }
    for (left = writes ? size : 0; left > 0; left -= got) {
        got = left < sizeof(buf) ? (size_t)left : sizeof(buf);
        if (pk_caller_write(pk_manager_caller(manager), c, (pk_str){buf, got}, false, &error)) {
            die("write");
        }
    }
    for (came = 0; got > 0; came += got) {
        if (pk_caller_read(pk_manager_caller(manager), c, buf, sizeof(buf), &got, &error)) {
            die("read");
        }
        if (writes && got > 0) {
            came = number_in((pk_str){buf, got}) - got; // it says how much has come
        }
    }
}

static void move(const char *kind, uint64_t size)
{
    char http[64];
    pk_reply reply = {0};
    pk_call_desc call = {.contract = "streams", .ctx.timeout_ms = 3600 * 1000, .http = http};
    bool uploads = strncmp(kind, "up", 2) == 0, hand = strstr(kind, "hand") != NULL;
    int fd = -1;
    came = 0;
    left = size;
    if (uploads) {
        snprintf(http, sizeof(http), "PUT /%s", strstr(kind, "taken") ? "take" : "read");
    } else if (strstr(kind, "file")) {
        snprintf(http, sizeof(http), "GET /file");
    } else {
        snprintf(http, sizeof(http), "GET /zeros/%llu", (unsigned long long)size);
    }
    if (strstr(kind, "file")) {
        fd = sparse(size);
    }
    if (uploads && fd >= 0) {
        call.body.has_fd = true;
        call.body.fd = fd;
        call.body.size = size;
    } else if (uploads && !hand) {
        call.body.read = read_some;
    }
    if (hand) {
        by_hand(&call, uploads, size);
    } else {
        call.on_chunk = uploads ? NULL : count;
        if (pk_caller_call(pk_manager_caller(manager), &call, &reply, &error)) {
            die(kind);
        }
        if (uploads) {
            came = number_in(reply.body.bytes);
        }
    }
    pk_mem_free(&reply.mem);
    close(fd);
    if (came != size) {
        printf("%s: %llu of %llu bytes came\n", kind, (unsigned long long)came, (unsigned long long)size);
        exit(1);
    }
}

/* Ends a call in the midst of it. */
static void cancel(const char *kind)
{
    pk_call c;
    pk_call_desc call = {.contract = "streams", .http = strcmp(kind, "cancel-wait") == 0 ? "GET /wait"
                                                        : strcmp(kind, "cancel-up") == 0 ? "PUT /read"
                                                                                         : "GET /zeros/100000000000"};
    char buf[1000] = "";
    size_t got = 0;
    if (pk_caller_start(pk_manager_caller(manager), &call, &c, &error)) {
        die("start");
    }
    bool last = strcmp(kind, "cancel-up") != 0;
    if (pk_caller_write(pk_manager_caller(manager), c, (pk_str){buf, last ? 0 : sizeof(buf)}, last, &error)) {
        die("write");
    }
    if (strcmp(kind, "cancel-down") == 0 &&
        pk_caller_read(pk_manager_caller(manager), c, buf, sizeof(buf), &got, &error)) {
        die("read");
    }
    puts("begun");
    fflush(stdout);
    (void)!read(0, buf, 1); // when we are told
    if (pk_caller_cancel(pk_manager_caller(manager), c)) {
        die("cancel");
    }
    bool over = pk_caller_read(pk_manager_caller(manager), c, buf, sizeof(buf), &got, &error) == PK_ERR_STALE;
    puts(over ? "over" : "not over");
    fflush(stdout);
    (void)!read(0, buf, 1);
}

static void listen_for(uint64_t size)
{
    pk_reply reply = {0};
    pk_sse_reader reader = {.on_event = count_event};
    pk_call_desc call = {.contract = "streams", .http = "GET /events", .on_chunk = count_events, .user = &reader};
    left = size;
    if (pk_caller_call(pk_manager_caller(manager), &call, &reply, &error) == PK_OK || events != size) {
        die("events");
    }
    printf("%u events, then: %s\n", events, error.msg);
    fflush(stdout);
    pk_sse_reader_free(&reader);
    pk_mem_free(&reply.mem);
    char byte;
    (void)!read(0, &byte, 1);
}

int main(int argc, char **argv)
{
    const pk_manager_desc desc = {.plugin_dir = argv[1]};
    uint64_t size = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    if (pk_manager_create(&manager, &desc, &error) || pk_manager_start(manager, &error)) {
        die("manager");
    }
    if (strncmp(argv[2], "cancel", 6) == 0) {
        cancel(argv[2]);
    } else if (strcmp(argv[2], "events") == 0) {
        listen_for(size);
    } else {
        move(argv[2], WARM);
        long host = peak_kib((long)getpid()), plugin = peak_kib(plugin_pid());
        move(argv[2], size);
        printf("host %ld plugin %ld\n", peak_kib((long)getpid()) - host, peak_kib(plugin_pid()) - plugin);
    }
    pk_manager_destroy(manager);
    return 0;
}
