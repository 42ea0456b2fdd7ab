/* host.c - the same plugin as a program, as a shared object here and in a process of its own, and compiled in. */
#define PLUGKIT_WITH_DLOPEN
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "shouter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const pk_object shout_plugin; // cc -DPLUGKIT_COMPILED_IN=shout_plugin -c shout/shout.c

static pk_err ask(const char *how, const pk_manager_desc *desc, const char *text, pk_error *err)
{
    pk_manager *manager = NULL;
    pk_plugin_info *all = NULL;
    size_t count = 0;
    pk_mem mem = {0};
    shouter loud;
    shout_request request = {.text = pk_str_from(text)};
    shout_response response = {0};

    pk_err rc = pk_manager_create(&manager, desc, err);
    rc = rc ? rc : pk_manager_start(manager, err);
    rc = rc ? rc : shouter_bind(&loud, pk_manager_caller(manager), PK_STR("loud"), err);
    rc = rc ? rc : loud.shout(&loud, NULL, &request, &response, err);
    rc = rc ? rc : pk_manager_list(manager, &mem, &all, &count, err);
    if (!rc) {
        printf("%-12s %" PK_FMT "   (%s)\n", how, PK_ARG(response.text),
               all[0].pid ? "another process" : "this process");
    }
    pk_mem_free(&mem);
    pk_mem_free(&response.mem);
    pk_manager_destroy(manager);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "object") == 0) {
        return pk_object_main(argc, argv); // this program is its own runner
    }
    const char *text = argc > 1 ? argv[1] : "hello";
    char *self = realpath(argv[0], NULL);
    pk_plugin_rule apart = {.isolation = PK_ISOLATION_PROCESS};
    pk_compiled compiled = {"shout", &shout_plugin};
    pk_manager_desc program = {.plugin_dir = "programs"};
    pk_manager_desc object = {.plugin_dir = "objects", .object_runner = self};
    pk_manager_desc isolated = {.plugin_dir = "objects", .object_runner = self, .rules = &apart, .rule_count = 1};
    pk_manager_desc compiled_in = {.compiled_in = &compiled, .compiled_in_count = 1};
    pk_error err = {0};

    if (ask("program", &program, text, &err) || ask("object", &object, text, &err) ||
        ask("isolated", &isolated, text, &err) || ask("compiled in", &compiled_in, text, &err)) {
        fprintf(stderr, "host: %s\n", err.msg);
    }
    free(self);
    return err.code ? 1 : 0;
}
