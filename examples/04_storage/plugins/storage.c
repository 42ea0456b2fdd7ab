/* storage.c - keeps blobs as files in a directory, which a configuration names:
 *
 *     {"type":"storage-config","data":{"directory":"/var/lib/blobs"}}
 *
 * A blob is written piece by piece as it arrives, to a file that nobody looks at; only a complete one gets its key, in
 * one step (link). It goes out as a descriptor: the kernel moves the bytes. Neither way is it ever whole in memory. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include "../../../contracts/blob_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_LENGTH = 6, PATH_LIMIT = 1024, PIECE = 64 * 1024 };

typedef struct storage {
    char directory[PATH_LIMIT - 64]; // "" = not configured
} storage;

/* ---- configuration */

#define STORAGE_CONFIG(F, T) F(T, REQ, pk_str, directory, "directory")
PK_MESSAGE(storage_config, STORAGE_CONFIG)

static pk_err configure(void *user, pk_str type, pk_json data, pk_error *err)
{
    storage *s = (storage *)user;
    storage_config config = {0};
    struct stat st;
    (void)type; // there is only one
    pk_err rc = pk_json_decode(&config.mem, &pk_type_storage_config, data, &config, err);
    if (!rc && (config.directory.len == 0 || config.directory.len >= sizeof(s->directory))) {
        rc = pk_error_set(err, PK_ERR_CONFIG, "cannot use '%" PK_FMT "': a directory has 1 to %lu bytes",
                          PK_ARG(config.directory), (unsigned long)sizeof(s->directory) - 1);
    }
    if (!rc) {
        (void)snprintf(s->directory, sizeof(s->directory), "%" PK_FMT, PK_ARG(config.directory));
        if (stat(s->directory, &st)) {
            rc = pk_error_sys(err, PK_ERR_CONFIG, errno, "cannot keep blobs in '%s'", s->directory);
        } else if (!S_ISDIR(st.st_mode)) {
            rc = pk_error_sys(err, PK_ERR_CONFIG, ENOTDIR, "cannot keep blobs in '%s'", s->directory);
        } else if (access(s->directory, W_OK | X_OK)) {
            rc = pk_error_sys(err, PK_ERR_CONFIG, errno, "cannot keep blobs in '%s'", s->directory);
        }
    }
    pk_mem_free(&config.mem);
    return rc;
}

static void health(void *user, pk_health_report *report)
{
    const storage *s = (const storage *)user;
    if (!s->directory[0]) {
        report->health = PK_HEALTH_DEGRADED;
        (void)snprintf(report->reason, sizeof(report->reason), "no directory is configured");
    }
}

static pk_err check_configured(const storage *s, pk_error *err)
{
    return s->directory[0] ? PK_OK : pk_error_set(err, PK_ERR_CONFIG, "cannot keep blobs: no directory is configured");
}

/* ---- store */

/* Writes all that the request's body holds. */
static pk_err copy_body(const pk_body *body, int fd, uint64_t *size, pk_error *err)
{
    char piece[PIECE];
    size_t got = 0;
    for (;;) {
        pk_err rc = body->read(body->user, piece, sizeof(piece), &got, err);
        if (rc || got == 0) {
            return rc; // an upload that breaks off is an error, not an end
        }
        for (size_t at = 0; at < got;) {
            ssize_t n = write(fd, piece + at, got - at);
            if (n < 0 && errno != EINTR) {
                return pk_error_sys(err, PK_ERR_OS, errno, "cannot keep the blob");
            }
            at += n < 0 ? 0 : (size_t)n;
        }
        *size += got;
    }
}

/* Gives a complete file its name. mkstemp made the name up; somebody may have it already, from an earlier file. */
static pk_err publish(const storage *s, const char *part, char *path, pk_error *err)
{
    const char *key = part + strlen(part) - KEY_LENGTH;
    (void)snprintf(path, PATH_LIMIT, "%s/%s", s->directory, key);
    if (link(part, path)) {
        return pk_error_sys(err, errno == EEXIST ? PK_ERR_BUSY : PK_ERR_OS, errno, "cannot keep the blob as '%s'", key);
    }
    return PK_OK;
}

static pk_err store(const blob_store *self, pk_ctx *ctx, const pk_blob *request, store_response *response,
                    pk_error *err)
{
    const storage *s = (const storage *)self->stub.user;
    char part[PATH_LIMIT], path[PATH_LIMIT] = "";
    (void)ctx;
    pk_err rc = check_configured(s, err);
    if (rc) {
        return rc;
    }
    (void)snprintf(part, sizeof(part), "%s/.part-XXXXXX", s->directory);
    int fd = mkstemp(part); // 0600
    if (fd < 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot make a file in '%s'", s->directory);
    }
    rc = copy_body(&request->body, fd, &response->size, err);
    if (!rc && fsync(fd)) {
        rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot keep the blob");
    }
    if (!rc) {
        rc = publish(s, part, path, err);
    }
    (void)close(fd);
    (void)unlink(part);
    if (!rc) {
        response->key = pk_mem_dup(&response->mem, pk_str_from(path + strlen(path) - KEY_LENGTH));
        rc = response->key.ptr ? PK_OK : pk_error_set(err, PK_ERR_NO_MEMORY, "cannot keep the blob: out of memory");
    }
    return rc;
}

/* ---- retrieve */

/* Keys are ours: letters and digits. Nothing else becomes part of a path. */
static bool is_key(pk_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) {
            return false;
        }
    }
    return key.len == KEY_LENGTH;
}

static void close_file(void *user, void *block)
{
    int *fd = (int *)block;
    (void)user;
    (void)close(*fd);
    free(fd);
}

/* The descriptor is closed with the response's memory: after the last byte has left. */
static pk_err answer_with(int fd, uint64_t size, pk_blob *response, pk_error *err)
{
    int *kept = (int *)malloc(sizeof(*kept));
    if (!kept || !pk_mem_adopt(&response->mem, kept, close_file, NULL)) {
        free(kept);
        (void)close(fd);
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot retrieve the blob: out of memory");
    }
    *kept = fd;
    response->body.has_fd = true;
    response->body.fd = fd;
    response->body.size = size;
    response->body.content_type = PK_STR("application/octet-stream");
    return PK_OK;
}

static pk_err retrieve(const blob_store *self, pk_ctx *ctx, const retrieve_request *request, pk_blob *response,
                       pk_error *err)
{
    const storage *s = (const storage *)self->stub.user;
    char path[PATH_LIMIT];
    struct stat st;
    (void)ctx;
    pk_err rc = check_configured(s, err);
    if (!rc && !is_key(request->key)) {
        rc = pk_error_set(err, PK_ERR_NOT_FOUND, "cannot retrieve '%" PK_FMT "': no key looks like that",
                          PK_ARG(request->key));
    }
    if (rc) {
        return rc;
    }
    (void)snprintf(path, sizeof(path), "%s/%" PK_FMT, s->directory, PK_ARG(request->key));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st)) {
        rc = pk_error_sys(err, errno == ENOENT ? PK_ERR_NOT_FOUND : PK_ERR_OS, errno, "cannot retrieve '%" PK_FMT "'",
                          PK_ARG(request->key));
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    return answer_with(fd, (uint64_t)st.st_size, response, err);
}

int main(int argc, char **argv)
{
    static storage state;
    static const blob_store impl = {.stub = {.user = &state}, .store = store, .retrieve = retrieve};
    static const pk_service service = {&blob_store_contract, "directory", &impl, PK_STR_INIT("")};
    static const char *const config_types[] = {"storage-config", NULL};
    static const pk_sdk_desc desc = {
        .id = "storage",
        .version = "1.0.0",
        .description = "keeps blobs as files in a directory",
        .services = &service,
        .service_count = 1,
        .config_types = config_types,
        .on_config = configure,
        .on_health = health,
        .user = &state,
    };

    return pk_sdk_main(argc, argv, &desc);
}
