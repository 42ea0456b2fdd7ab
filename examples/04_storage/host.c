/* host.c - puts files of any size into a store, and gets them back:
 *
 *     host DIRECTORY store FILE             prints the key
 *     host DIRECTORY retrieve KEY FILE                                                          */
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "../../contracts/blob_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* {"directory":"..."} for the plugin; it may start elsewhere, so the path is made absolute. */
static pk_err write_config(const char *directory, pk_buf *out, pk_error *err)
{
    pk_json_writer w;
    char *path = realpath(directory, NULL);
    if (!path) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot use '%s'", directory);
    }
    pk_json_write(&w, out);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "directory");
    pk_json_put_text(&w, path);
    pk_json_put_end(&w);
    free(path);
    return pk_json_finish(&w, err);
}

/* The file goes out by descriptor: it is never whole in memory. */
static pk_err store_file(pk_caller *caller, const char *path, pk_error *err)
{
    blob_store store;
    store_response stored = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot open '%s'", path);
    }
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return pk_error_set(err, PK_ERR_OS, "cannot store '%s': it is no regular file", path);
    }
    pk_blob file = {.body = {.has_fd = true, .fd = fd, .size = (uint64_t)st.st_size}};
    pk_err rc = blob_store_bind(&store, caller, PK_STR("directory"), err);
    if (!rc) {
        rc = store.store(&store, NULL, &file, &stored, err);
    }
    if (!rc) {
        printf("%" PK_FMT "\n", PK_ARG(stored.key));
    }
    pk_mem_free(&stored.mem);
    (void)close(fd);
    return rc;
}

static pk_err write_chunk(void *user, pk_str chunk, pk_error *err)
{
    FILE *file = (FILE *)user;
    if (fwrite(chunk.ptr, 1, chunk.len, file) != chunk.len) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot write the file");
    }
    return PK_OK;
}

/* The answer is taken piece by piece: the same call as store.retrieve, one level below. */
static pk_err retrieve_file(pk_caller *caller, const char *key, const char *path, pk_error *err)
{
    retrieve_request request = {.key = pk_str_from(key)};
    pk_reply reply = {0};
    pk_buf body;
    FILE *file = fopen(path, "wb");
    if (!file) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot open '%s'", path);
    }
    pk_buf_init(&body, NULL, 4096);
    pk_err rc = pk_json_encode(&body, &pk_type_retrieve_request, &request, err);
    if (!rc) {
        pk_call_desc call = {.contract = "blobStore", .type = "directory", .method = "retrieve",
                             .body = {.bytes = pk_buf_str(&body)}, .on_chunk = write_chunk, .user = file};
        rc = pk_caller_call(caller, &call, &reply, err);
    }
    if (fclose(file) && !rc) {
        rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot write '%s'", path);
    }
    if (rc) {
        (void)remove(path); // half a file is worse than none
    }
    pk_mem_free(&reply.mem);
    pk_buf_free(&body);
    return rc;
}

int main(int argc, char **argv)
{
    bool is_store = argc == 4 && strcmp(argv[2], "store") == 0;
    pk_plugin_config config = {.plugin = "storage", .type = "storage-config"};
    pk_manager_desc desc = {.plugin_dir = "plugins", .config = &config, .config_count = 1};
    pk_manager *manager = NULL;
    pk_error err = {0};
    pk_buf text;
    if (!is_store && (argc != 5 || strcmp(argv[2], "retrieve") != 0)) {
        fprintf(stderr, "usage: host DIRECTORY store FILE\n       host DIRECTORY retrieve KEY FILE\n");
        return 2;
    }
    pk_buf_init(&text, NULL, 65536);
    pk_err rc = write_config(argv[1], &text, &err);
    config.data = pk_buf_str(&text);
    if (!rc && (rc = pk_manager_create(&manager, &desc, &err)) == PK_OK &&
        (rc = pk_manager_start(manager, &err)) == PK_OK) {
        pk_caller *caller = pk_manager_caller(manager);
        rc = is_store ? store_file(caller, argv[3], &err) : retrieve_file(caller, argv[3], argv[4], &err);
    }
    if (rc) {
        fprintf(stderr, "host: %s\n", err.msg);
    }
    pk_manager_destroy(manager);
    pk_buf_free(&text);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
