/* host.c - runs a file through every plugin whose type ends in "-processor", whatever language it is written in. */
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "../../contracts/data_processor.h"
#include "../read_file.h"

#include <stdlib.h>
#include <string.h>

enum { PREVIEW_LINES = 5 };

static bool ends_with(pk_str s, pk_str end)
{
    return s.len >= end.len && memcmp(s.ptr + (s.len - end.len), end.ptr, end.len) == 0;
}

/* The first lines of what came back; of data that is no text, the size. */
static void preview(const process_response *r)
{
    pk_str rest = r->data, line;
    if (r->format.len > 0 && !pk_str_starts(r->format, PK_STR("text/"))) {
        printf("    %lu bytes of %" PK_FMT "\n", (unsigned long)r->data.len, PK_ARG(r->format));
        return;
    }
    for (int i = 0; i < PREVIEW_LINES && pk_str_cut(rest, '\n', &line, &rest); i++) {
        printf("    %" PK_FMT "\n", PK_ARG(line));
    }
    if (rest.len > 0) {
        printf("    ...\n");
    }
}

static bool is_wanted(const pk_service_info *service)
{
    return pk_str_is(service->contract, "dataProcessor") && ends_with(service->type, PK_STR("-processor"));
}

static pk_err process(pk_manager *m, pk_str type, pk_str text, pk_error *err)
{
    data_processor dp;
    process_request request = {.data = text};
    process_response response = {0};
    pk_err rc = data_processor_bind(&dp, pk_manager_caller(m), type, err);
    if (!rc) {
        rc = dp.process(&dp, NULL, &request, &response, err);
    }
    if (!rc) {
        preview(&response);
    }
    pk_mem_free(&response.mem);
    return rc;
}

/* Returns how many plugins could not do it. */
static int process_by_all(pk_manager *m, pk_str text)
{
    pk_plugin_info *plugins = NULL;
    size_t count = 0;
    pk_mem mem = {0};
    pk_error err = {0};
    int failed = 0;
    if (pk_manager_list(m, &mem, &plugins, &count, &err)) {
        fprintf(stderr, "host: %s\n", err.msg);
        failed++;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < plugins[i].service_count; k++) {
            pk_str type = plugins[i].services[k].type;
            if (!is_wanted(&plugins[i].services[k])) {
                continue;
            }
            printf("%" PK_FMT "\n", PK_ARG(type));
            if (process(m, type, text, &err)) {
                printf("    failed: %s\n", err.msg);
                failed++;
            }
        }
    }
    pk_mem_free(&mem);
    return failed;
}

int main(int argc, char **argv)
{
    pk_manager_desc desc = {.plugin_dir = "plugins"};
    pk_manager *manager = NULL;
    pk_error err = {0};
    pk_buf text;
    int failed = 1;
    if (argc != 2) {
        fprintf(stderr, "usage: host FILE\n");
        return 2;
    }
    pk_buf_init(&text, NULL, 4 << 20);
    if (read_file(argv[1], &text, &err) || pk_manager_create(&manager, &desc, &err) ||
        pk_manager_start(manager, &err)) {
        fprintf(stderr, "host: %s\n", err.msg);
    } else {
        failed = process_by_all(manager, pk_buf_str(&text));
    }
    pk_manager_destroy(manager);
    pk_buf_free(&text);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
