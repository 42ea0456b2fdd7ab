/* json_stream.h - JSON as it comes in, with PLUGKIT_WITH_JSON_TOOLS. */
#ifdef PLUGKIT_WITH_JSON_TOOLS
/* A stream in pieces of any size: values one behind the other, or one on each line (NDJSON, JSON Lines).
 *
 *     static pk_err on_row(void *user, void *in, pk_error *err); // *(row *)in
 *
 *     pk_json_stream stream = {.lines = true, .type = &pk_type_row, .on_struct = on_row}; // or .on_value
 *     while (rc == PK_OK && (piece.len = fread(bytes, 1, sizeof(bytes), file)) > 0) {
 *         rc = pk_json_stream_read(&stream, piece, &err);
 *     }
 *     rc = rc ? rc : pk_json_stream_finish(&stream, &err);
 *     pk_json_stream_free(&stream);
 *
 * A value is given as soon as its last byte has come (a number or word: what follows it), and the memory of the one
 * before is used again. What cannot become JSON any more is refused at once. Places in errors are those in the stream.
 *
 * Without .lines white space or nothing stands between values, or RS (RFC 7464); numbers and words need something.
 * Lines end in LF or CRLF, the last one also with the stream; those with nothing but blanks are skipped. */
typedef struct pk_json_stream {
    /* One of them is required. What they get is valid until they return; their error ends it and is returned. */
    pk_err (*on_value)(void *user, const pk_json_value *value, pk_error *err);
    pk_err (*on_struct)(void *user, void *in, pk_error *err); // with .type: of that type; it may be changed
    /* A value that is refused, and it is clear where the next one begins: with .lines always; else if it is larger,
     * nested or written wrongly, no more. PK_OK: go on with that one. NULL: it ends there. */
    pk_err (*on_bad)(void *user, const pk_error *why, pk_error *err);
    void *user;
    const pk_type *type;
    bool lines;
    size_t max_bytes;        // of one value, or of a line; 0 = 8 MiB
    pk_json_options options; // as of pk_json_parse_with and pk_json_decode_with
    const pk_alloc *alloc;   // NULL = libc
    size_t line, offset;     // set for the callbacks: where the value begins; from 1, and in bytes from 0
    struct pk__json_intake *pk__in; // private
} pk_json_stream;

/* The next piece, which is not needed afterwards. After an error nothing more is read until pk_json_stream_finish.
 * Errors: those of pk_json_parse_with and pk_json_decode_with; PK_ERR_LIMIT (max_bytes); PK_ERR_MISUSE (from inside a
 * callback); PK_ERR_CANCELED (freed from inside a callback, which is allowed). Not thread-safe. */
PK_API pk_err pk_json_stream_read(pk_json_stream *stream, pk_str piece, pk_error *err);
/* There is no more: tells of a value that has not ended, and of an error before. The next piece begins a new stream. */
PK_API pk_err pk_json_stream_finish(pk_json_stream *stream, pk_error *err);
PK_API void pk_json_stream_free(pk_json_stream *stream);

/* Writing lines: what stands in the buffer from `line` on, written in any way, becomes one. It is checked, line breaks
 * in it are taken out, and one is put behind it. After a failure, also one of the writer's before, the buffer ends at
 * `line` and can be used again: it never has half a line.
 *
 *     size_t line = buf.len;
 *     rc = pk_json_encode(&buf, &pk_type_row, &row, &err); // or pk_json_write .. pk_json_finish
 *     rc = rc ? rc : pk_json_line_end(&buf, line, &err);   // after pk_json_finish in any case
 *
 * Errors: those of pk_json_check; PK_ERR_LIMIT, PK_ERR_NO_MEMORY (of the buffer). */
PK_API pk_err pk_json_line_end(pk_buf *buf, size_t line, pk_error *err);
#endif
