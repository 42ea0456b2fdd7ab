/* host.c - transforms a file line by line, or tells how it could:
 *
 *     host
 *     host sort README.md reverse=true                                                          */
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "../../contracts/transformer.h"
#include "../read_file.h"

#include <stdlib.h>

static pk_err list(const transformer *t, pk_error *err)
{
    pk_none nothing = {0};
    transformations_response response = {0};
    pk_err rc = t->transformations(t, NULL, &nothing, &response, err);
    for (size_t i = 0; !rc && i < response.transformations.count; i++) {
        const transformation_info *info = &response.transformations.items[i];
        printf("%-8" PK_FMT " %" PK_FMT "\n", PK_ARG(info->name), PK_ARG(info->description));
        for (size_t k = 0; k < info->parameters.count; k++) {
            const transform_parameter *p = &info->parameters.items[k];
            printf("    %" PK_FMT "=%s%" PK_FMT "%s   %" PK_FMT "\n", PK_ARG(p->name), p->required ? "<" : "",
                   PK_ARG(p->required ? p->type : p->default_value), p->required ? ">" : "", PK_ARG(p->description));
        }
    }
    pk_mem_free(&response.mem);
    return rc;
}

/* name=value: the value is JSON if it reads as such, and a string otherwise. */
static pk_err add_parameter(transform_request *request, const char *argument, pk_error *err)
{
    pk_str name, value;
    if (!pk_str_cut(pk_str_from(argument), '=', &name, &value)) {
        return pk_error_set(err, PK_ERR_PARSE, "cannot understand '%s': a parameter reads name=value", argument);
    }
    if (pk_json_check(value, NULL) != PK_OK) {
        pk_json_writer w;
        pk_buf text;
        pk_buf_init(&text, NULL, 65536);
        pk_json_write(&w, &text);
        pk_json_put_str(&w, value);
        pk_err rc = pk_json_finish(&w, err);
        value = pk_mem_dup(&request->mem, pk_buf_str(&text));
        pk_buf_free(&text);
        if (rc) {
            return rc;
        }
    }
    request->parameters.keys[request->parameters.count] = name;
    request->parameters.values[request->parameters.count++] = value;
    return PK_OK;
}

/* argv: NAME FILE name=value... */
static pk_err transform(const transformer *t, int argc, char **argv, pk_error *err)
{
    transform_request request = {.transformation = pk_str_from(argv[0])};
    transform_response response = {0};
    pk_buf text;
    pk_err rc = PK_OK;
    pk_buf_init(&text, NULL, 4 << 20);
    request.parameters.keys = (pk_str *)pk_mem_get(&request.mem, (size_t)argc * sizeof(pk_str));
    request.parameters.values = (pk_json *)pk_mem_get(&request.mem, (size_t)argc * sizeof(pk_json));
    if (!request.parameters.keys || !request.parameters.values) {
        rc = pk_error_set(err, PK_ERR_NO_MEMORY, "cannot read the arguments: out of memory");
    }
    for (int i = 2; i < argc && !rc; i++) {
        rc = add_parameter(&request, argv[i], err);
    }
    if (!rc) {
        rc = read_file(argv[1], &text, err);
    }
    if (!rc) {
        request.data = pk_buf_str(&text);
        rc = t->transform(t, NULL, &request, &response, err);
    }
    if (!rc) {
        (void)fwrite(response.data.ptr, 1, response.data.len, stdout);
    }
    pk_mem_free(&request.mem);
    pk_mem_free(&response.mem);
    pk_buf_free(&text);
    return rc;
}

int main(int argc, char **argv)
{
    pk_manager_desc desc = {.plugin_dir = "plugins"};
    pk_manager *manager = NULL;
    transformer t;
    pk_error err = {0};
    if (argc == 2) {
        fprintf(stderr, "usage: host [TRANSFORMATION FILE [name=value...]]\n");
        return 2;
    }
    if (pk_manager_create(&manager, &desc, &err) || pk_manager_start(manager, &err) ||
        transformer_bind(&t, pk_manager_caller(manager), PK_STR("lines"), &err) ||
        (argc == 1 ? list(&t, &err) : transform(&t, argc - 1, argv + 1, &err))) {
        fprintf(stderr, "host: %s\n", err.msg);
    }
    pk_manager_destroy(manager);
    return err.code ? EXIT_FAILURE : EXIT_SUCCESS;
}
