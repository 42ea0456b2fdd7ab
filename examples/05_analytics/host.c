/* host.c - counts the words of files twice: in a plugin, and in itself, by the same source and the same calls. */
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "../read_file.h"
#include "counting.h"

typedef struct way {
    const char *name;
    analytics object;
    int64_t spent_ns;
} way;

static pk_err analyze_by(way *w, pk_str text, analyze_response *response, pk_error *err)
{
    analyze_request request = {.data = text, .has_top = true, .top = 5};
    int64_t began = pk_now_ns();
    pk_err rc = w->object.analyze(&w->object, NULL, &request, response, err);
    w->spent_ns += pk_now_ns() - began;
    return rc;
}

static void print_row(const char *path, const analyze_response *r)
{
    printf("%8llu %8llu %9llu %9llu   %-28s", (unsigned long long)r->lines, (unsigned long long)r->words,
           (unsigned long long)r->chars, (unsigned long long)r->bytes, path);
    for (size_t i = 0; i < r->characters.count; i++) {
        pk_str c = r->characters.items[i].character;
        if (c.len == 1 && c.ptr[0] <= ' ') {
            printf(" \\x%02x", (unsigned)c.ptr[0]);
        } else {
            printf(" %" PK_FMT, PK_ARG(c));
        }
    }
    printf("\n");
}

/* Both ways have to tell the same, or one of them is wrong. */
static pk_err analyze_file(way *ways, const char *path, pk_error *err)
{
    analyze_response inside = {0}, outside = {0};
    pk_buf text;
    pk_buf_init(&text, NULL, 4 << 20);
    pk_err rc = read_file(path, &text, err);
    if (!rc) {
        rc = analyze_by(&ways[0], pk_buf_str(&text), &inside, err);
    }
    if (!rc) {
        rc = analyze_by(&ways[1], pk_buf_str(&text), &outside, err);
    }
    if (!rc && (inside.chars != outside.chars || inside.words != outside.words || inside.lines != outside.lines)) {
        rc = pk_error_set(err, PK_ERR_PROTOCOL, "cannot trust the counts of '%s': they differ", path);
    }
    if (!rc) {
        print_row(path, &outside);
    }
    pk_mem_free(&inside.mem);
    pk_mem_free(&outside.mem);
    pk_buf_free(&text);
    return rc;
}

int main(int argc, char **argv)
{
    static const pk_service built_in = {&analytics_contract, "text-built-in", &counting, PK_STR_INIT("")};
    way ways[] = {{.name = "compiled in"}, {.name = "as a process"}};
    pk_manager_desc desc = {.plugin_dir = "plugins"};
    pk_manager *manager = NULL;
    pk_error err = {0};
    int status = EXIT_SUCCESS;
    if (argc < 2) {
        fprintf(stderr, "usage: host FILE...\n");
        return 2;
    }
    if (pk_manager_create(&manager, &desc, &err) || pk_manager_add(manager, "built-in", &built_in, 1, NULL, &err) ||
        pk_manager_start(manager, &err) ||
        analytics_bind(&ways[0].object, pk_manager_caller(manager), PK_STR("text-built-in"), &err) ||
        analytics_bind(&ways[1].object, pk_manager_caller(manager), PK_STR("text"), &err)) {
        fprintf(stderr, "host: %s\n", err.msg);
        pk_manager_destroy(manager);
        return EXIT_FAILURE;
    }
    printf("   lines    words     chars     bytes   file                         most frequent\n");
    for (int i = 1; i < argc; i++) {
        if (analyze_file(ways, argv[i], &err)) {
            fprintf(stderr, "host: %s\n", err.msg);
            status = EXIT_FAILURE;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        printf("%-13s %8.1f us a file\n", ways[i].name, (double)ways[i].spent_ns / 1000.0 / (argc - 1));
    }
    pk_manager_destroy(manager);
    return status;
}
