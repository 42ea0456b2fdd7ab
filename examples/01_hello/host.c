/* host.c - finds the plugins in a folder, and lets one of them greet. */
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "greeter.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    pk_manager_desc desc = {.plugin_dir = "plugins"};
    pk_manager *manager = NULL;
    greeter polite;
    greet_request request = {.name = pk_str_from(argc > 1 ? argv[1] : "world")};
    greet_response response = {0};
    pk_error err = {0};

    if (pk_manager_create(&manager, &desc, &err) || pk_manager_start(manager, &err) ||
        greeter_bind(&polite, pk_manager_caller(manager), PK_STR("polite"), &err) ||
        polite.greet(&polite, NULL, &request, &response, &err)) {
        fprintf(stderr, "host: %s\n", err.msg);
    } else {
        printf("%" PK_FMT "\n", PK_ARG(response.text));
    }
    pk_mem_free(&response.mem);
    pk_manager_destroy(manager);
    return err.code ? 1 : 0;
}
