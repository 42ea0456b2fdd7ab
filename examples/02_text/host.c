/* host.c - runs files through a text processor:  host upper README.md ...                        */
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "../../contracts/data_processor.h"
#include "../read_file.h"

#include <stdlib.h>

static pk_err process_file(const data_processor *dp, const char *path, pk_error *err)
{
    process_request request = {.has_format = true, .format = PK_STR("text/plain")};
    process_response response = {0};
    pk_buf text;
    pk_buf_init(&text, NULL, 4 << 20);
    pk_err rc = read_file(path, &text, err);
    if (!rc) {
        request.data = pk_buf_str(&text);
        rc = dp->process(dp, NULL, &request, &response, err);
    }
    if (!rc) {
        (void)fwrite(response.data.ptr, 1, response.data.len, stdout);
    }
    pk_mem_free(&response.mem);
    pk_buf_free(&text);
    return rc;
}

int main(int argc, char **argv)
{
    pk_manager_desc desc = {.plugin_dir = "plugins"};
    pk_manager *manager = NULL;
    data_processor dp;
    pk_error err = {0};
    int status = EXIT_SUCCESS;
    if (argc < 3) {
        fprintf(stderr, "usage: host upper|lower|wordcount FILE...\n");
        return 2;
    }
    if (pk_manager_create(&manager, &desc, &err) || pk_manager_start(manager, &err) ||
        data_processor_bind(&dp, pk_manager_caller(manager), pk_str_from(argv[1]), &err)) {
        fprintf(stderr, "host: %s\n", err.msg);
        status = EXIT_FAILURE;
        argc = 2;
    }
    for (int i = 2; i < argc; i++) { // a file that cannot be processed does not keep the others from it
        if (process_file(&dp, argv[i], &err)) {
            fprintf(stderr, "host: %s: %s\n", argv[i], err.msg);
            status = EXIT_FAILURE;
        }
    }
    pk_manager_destroy(manager);
    return status;
}
