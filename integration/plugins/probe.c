/* probe.c - a plugin that does what a test wants: integration/test_sdk.py says what.
 *
 * In the environment: PROBE_WORKERS, PROBE_IDLE_MS (numbers), PROBE_START ("fail", "print"), PROBE_HEALTH (a file:
 * "d..." degraded, "b..." bad, the rest is the reason), PROBE_CLOSED (a file that on_close makes). Compiled with
 * -DINCOMPLETE a method is missing, with -DOWN_LOOP the loop is the program's. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"

#include "data_processor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTE(F, T) F(T, REQ, pk_str, text, "text")
PK_MESSAGE(note, NOTE)
#define AUDIT(M, C) M(C, write, "POST /write", note, note, 0)
PK_CONTRACT(audit, "audit", "1.1.0", AUDIT)

static char configs[1024];
static pk_sdk *running;

/* ---- the service */

static pk_err process(const data_processor *self, pk_ctx *ctx, const process_request *request,
                      process_response *response, pk_error *err)
{
    const char *prefix = (const char *)self->stub.user;
    if (pk_str_is(request->data, "fail")) {
        return pk_error_set(err, PK_ERR_NOT_FOUND, "cannot find it");
    }
    response->data = pk_mem_printf(&response->mem, "%s%" PK_FMT, prefix, PK_ARG(request->data));
    response->has_format = ctx->caller.len > 0;
    response->format = ctx->caller;
    return response->data.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

#ifndef INCOMPLETE
static pk_err formats(const data_processor *self, pk_ctx *ctx, const pk_none *request, formats_response *response,
                      pk_error *err)
{
    static pk_str list[] = {PK_STR_INIT("text/plain")};
    (void)self, (void)ctx, (void)request, (void)err;
    response->formats.items = list;
    response->formats.count = 1;
    return PK_OK;
}
#define FORMATS .formats = formats
#else
#define FORMATS .formats = NULL
#endif

static const data_processor first = {.stub = {.user = (void *)"1:"}, .process = process, FORMATS};
static const data_processor second = {.stub = {.user = (void *)"2:"}, .process = process, FORMATS};
static const pk_service services[] = {
    {&data_processor_contract, "probe", &first, PK_STR_INIT("{\"type\":\"object\"}")},
    {&data_processor_contract, "other", &second, PK_STR_INIT("")},
};

/* ---- routes */

static pk_err answer(const pk_request *request, pk_response *response, const char *text)
{
    response->body.bytes = pk_mem_dup(request->ctx->mem, pk_str_from(text));
    response->body.content_type = PK_STR("text/plain");
    return response->body.bytes.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static pk_err get_config(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    return answer(request, response, configs);
}

static pk_err get_instance(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    return answer(request, response, pk_sdk_instance(running));
}

/* GET /wait/PATH: answers when that file is there, and makes PATH.running meanwhile. */
static pk_err get_wait(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    char path[256], mark[272];
    (void)user, (void)err;
    snprintf(path, sizeof(path), "/%" PK_FMT, PK_ARG(request->rest));
    snprintf(mark, sizeof(mark), "%s.running", path);
    FILE *file = fopen(mark, "w");
    if (file) {
        fclose(file);
    }
    while (access(path, F_OK) != 0) {
        usleep(2000);
    }
    return answer(request, response, "waited");
}

static pk_err get_print(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    printf("stray print\n");
    fflush(stdout);
    return answer(request, response, "printed");
}

static pk_err get_log(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    const pk_meta field = {PK_STR_INIT("answer"), PK_STR_INIT("42")};
    (void)user, (void)err;
    pk_sdk_log(PK_LOG_WARN, "logged", &field, 1);
    return answer(request, response, "logged");
}

static pk_err post_host(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    audit host;
    note out = {.text = request->body.bytes}, in;
    (void)user;
    memset(&in, 0, sizeof(in));
    pk_err rc = audit_bind(&host, pk_sdk_host(running), PK_STR("log"), err);
    if (!rc) {
        rc = host.write(&host, request->ctx, &out, &in, err);
    }
    if (!rc) {
        response->body.bytes = pk_mem_dup(request->ctx->mem, in.text);
    }
    pk_mem_free(&in.mem);
    return rc;
}

/* POST /report: "h", "d" or "u", a reason, a semicolon, names. */
static pk_err post_report(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    pk_health_report report = {PK_HEALTH_OK, "", ""};
    pk_str said = request->body.bytes, reason, names;
    (void)user, (void)err;
    if (said.len > 1 && pk_str_cut(said, ';', &reason, &names)) {
        snprintf(report.reason, sizeof(report.reason), "%.*s", (int)reason.len - 1, reason.ptr + 1);
        snprintf(report.unavailable, sizeof(report.unavailable), "%" PK_FMT, PK_ARG(names));
    }
    report.health = said.ptr[0] == 'd' ? PK_HEALTH_DEGRADED : said.ptr[0] == 'u' ? PK_HEALTH_BAD : PK_HEALTH_OK;
    pk_sdk_report(running, &report);
    return answer(request, response, "reported");
}

static const pk_route routes[] = {
    {"GET /config", 0, get_config, NULL}, {"GET /instance", 0, get_instance, NULL}, {"GET /wait/*", 0, get_wait, NULL},
    {"GET /print", 0, get_print, NULL},   {"GET /log", 0, get_log, NULL},           {"POST /host", 0, post_host, NULL},
    {"POST /report", 0, post_report, NULL},
};

/* ---- callbacks */

static pk_err on_config(void *user, pk_str type, pk_json data, pk_error *err)
{
    (void)user;
    if (pk_str_is(type, "refused")) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use this configuration: the test wants it so");
    }
    snprintf(configs + strlen(configs), sizeof(configs) - strlen(configs), "%" PK_FMT "=%" PK_FMT "\n", PK_ARG(type),
             PK_ARG(data));
    return PK_OK;
}

static pk_err on_start(void *user, pk_sdk *p, pk_error *err)
{
    const char *how = getenv("PROBE_START");
    (void)user;
    running = p;
    if (how && strcmp(how, "fail") == 0) {
        return pk_error_set(err, PK_ERR_NOT_FOUND, "cannot find what it needs");
    }
    if (how && strcmp(how, "print") == 0) {
        printf("http://127.0.0.1:1 is not the address\n");
    }
    return PK_OK;
}

static void on_health(void *user, pk_health_report *report)
{
    const char *path = getenv("PROBE_HEALTH");
    FILE *file = path ? fopen(path, "r") : NULL;
    (void)user;
    if (!file) {
        return;
    }
    report->health = fgetc(file) == 'd' ? PK_HEALTH_DEGRADED : PK_HEALTH_BAD;
    if (!fgets(report->reason, sizeof(report->reason), file)) {
        report->reason[0] = '\0';
    }
    fclose(file);
}

static void on_close(void *user)
{
    const char *path = getenv("PROBE_CLOSED");
    FILE *file = path ? fopen(path, "w") : NULL;
    (void)user;
    if (file) {
        fclose(file);
    }
}

static const char *const config_types[] = {"probe-config", "refused", NULL};

#ifndef OWN_LOOP
static int run(int argc, char **argv, pk_sdk_desc *desc)
{
    return pk_sdk_main(argc, argv, desc);
}
#else
static int run(int argc, char **argv, pk_sdk_desc *desc)
{
    pk_sdk *p = NULL;
    pk_error err = {0};
    pk_loop *loop = NULL;
    if (pk_loop_create(&loop, NULL, &err)) {
        return 1;
    }
    desc->loop = loop;
    pk_err rc = pk_sdk_create(&p, argc, argv, desc, &err);
    while (!rc && pk_sdk_is_running(p)) {
        rc = pk_loop_step(loop, -1, &err);
    }
    if (rc && rc != PK_ERR_CANCELED) {
        fprintf(stderr, "%s\n", err.msg);
    }
    pk_sdk_destroy(p);
    pk_loop_destroy(loop);
    return rc && rc != PK_ERR_CANCELED ? 1 : 0;
}
#endif

int main(int argc, char **argv)
{
    const char *workers = getenv("PROBE_WORKERS"), *idle = getenv("PROBE_IDLE_MS");
    pk_sdk_desc desc = {.id = "probe", .version = "1.0.0", .description = "does what a test wants",
                        .services = services, .service_count = 2, .routes = routes,
                        .route_count = sizeof(routes) / sizeof(routes[0]), .config_types = config_types,
                        .on_config = on_config, .on_start = on_start, .on_close = on_close};
    desc.on_health = getenv("PROBE_HEALTH") ? on_health : NULL;
    desc.workers = workers ? atoi(workers) : 0;
    desc.idle_ms = idle ? (uint64_t)atoi(idle) : 0;
    return run(argc, argv, &desc);
}
