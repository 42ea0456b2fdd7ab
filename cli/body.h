/* body.h - where a request's body comes from, and where an answer's goes: arguments, files, stdin and stdout. */
#ifndef CLI_BODY_H
#define CLI_BODY_H
#include "../plugkit.h"

#include <stdio.h>

/* A whole file, or (path "-") all of stdin; at most 256 MiB. Lives in *mem. */
pk_err body_read_file(pk_mem *mem, const char *path, pk_str *out, pk_error *err);

/* A request's body of any size. A regular file goes out by its descriptor; stdin, pipes and what is watched on a
 * terminal are read as they come, and waiting for them ends when `stop_fd` becomes readable. */
typedef struct body_source {
    int fd, stop_fd;
    const char *path;
    uint64_t size, done; // size 0 = unknown
} body_source;
pk_err body_open(body_source *source, const char *path, int stop_fd, pk_body *out, pk_error *err);
void body_close(body_source *source);

/* An answer's body of any size, as it comes. A file appears under its name when it is complete, or not at all. */
typedef struct body_sink {
    FILE *file;
    const char *path;
    char temporary[4096]; // "" for stdout
    uint64_t done;
} body_sink;
pk_err body_create(body_sink *sink, const char *path, pk_error *err);
pk_err body_take(void *sink, pk_str chunk, pk_error *err); // pk_call_desc.on_chunk
pk_err body_finish(body_sink *sink, bool keep, pk_error *err);

#endif
