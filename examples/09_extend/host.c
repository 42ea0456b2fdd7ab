/* host.c - runs a file through a Unix filter, as a call to a plugin:  host sorted README.md    */
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "filter.h"

static pk_err write_out(void *user, pk_str chunk, pk_error *err)
{
    (void)user;
    return fwrite(chunk.ptr, 1, chunk.len, stdout) == chunk.len
               ? PK_OK
               : pk_error_sys(err, PK_ERR_OS, errno, "cannot write the result");
}

/* The file goes in as a stream, and the result comes out as one. */
static pk_err run_filter(pk_caller *caller, const char *type, const char *path, pk_error *err)
{
    pk_reply reply = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (size < 0) {
        pk_err rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot open '%s'", path);
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    pk_call_desc call = {.contract = "filter", .type = type, .method = "run",
                         .body = {.has_fd = true, .fd = fd, .size = (uint64_t)size,
                                  .content_type = PK_STR("application/octet-stream")},
                         .on_chunk = write_out};
    pk_err rc = pk_caller_call(caller, &call, &reply, err);
    pk_mem_free(&reply.mem);
    (void)close(fd);
    return rc;
}

int main(int argc, char **argv)
{
    static const pk_launcher *const launchers[] = {&filter_launcher};
    static const pk_dialect *const dialects[] = {&filter_dialect};
    pk_manager_desc desc = {.plugin_dir = "filters", .launchers = launchers, .launcher_count = 1,
                            .dialects = dialects, .dialect_count = 1};
    pk_manager *manager = NULL;
    pk_error err = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: host FILTER FILE\n");
        return 2;
    }
    if (pk_manager_create(&manager, &desc, &err) || pk_manager_start(manager, &err) ||
        run_filter(pk_manager_caller(manager), argv[1], argv[2], &err)) {
        fprintf(stderr, "host: %s\n", err.msg);
    }
    pk_manager_destroy(manager);
    return err.code ? EXIT_FAILURE : EXIT_SUCCESS;
}
