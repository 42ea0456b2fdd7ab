/* json_stream.c - values from a stream: pk_json_stream.
 *
 * A value that has come as a whole is read where it lies, in the caller's piece; the beginning of one that has not is
 * kept in `rest` until its end has come.
 *
 * Whatever the pieces are, callbacks and errors are the same, but for what an error quotes of the text behind a
 * mistake: that is as much as has come. The state lives apart from the public struct: a callback may free that. */
#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../wire/json_read.h"
#include "../wire/json_split.h"
#ifdef PLUGKIT_WITH_JSON_TOOLS

#define PK__JSON_STREAM_MAX ((size_t)8 * 1024 * 1024) // bytes of a value, if nothing else is said
enum { PK__JSON_STREAM_BEHIND = 16 };                 // bytes behind a mistake that an error may quote

typedef struct pk__json_intake {
    const pk_alloc *alloc;
    pk__json_split split;
    pk__json_origin at; // where the next value begins, or the one that has begun
    size_t max;
    pk_buf rest;
    pk_mem mem;      // of the value that is given
    pk_err failed;
    bool skips;      // to the end of the line
    bool is_running; // a callback, perhaps
    bool is_freed;   // by that
} pk__json_intake;

static void pk__json_intake_free(pk__json_intake *in)
{
    pk_buf_free(&in->rest);
    pk_mem_free(&in->mem);
    pk__free(in->alloc, in, sizeof(*in));
}

/* The value in `rest` is done with. */
static void pk__json_intake_next(pk__json_intake *in)
{
    pk_buf_clear(&in->rest);
    memset(&in->split, 0, sizeof(in->split));
}

static void pk__json_intake_begin(pk__json_intake *in)
{
    static const pk__json_origin first = {1, 1, 0};
    pk__json_intake_next(in);
    in->at = first;
    in->failed = PK_OK;
    in->skips = false;
}

static pk_err pk__json_stream_open(pk_json_stream *s, pk_error *err)
{
    pk__json_intake *in = s->pk__in;
    if (in && in->is_running) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot read from a JSON stream: a callback of it runs");
    }
    if (s->type ? !s->on_struct : !s->on_value) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot read from a JSON stream: it has no callback");
    }
    if (!in) {
        if (!(in = (pk__json_intake *)pk__new(s->alloc, sizeof(*in)))) {
            return pk__error_memory(err, "read from a JSON stream");
        }
        in->alloc = in->mem.alloc = s->alloc;
        in->max = PK__MIN(s->max_bytes > 0 ? s->max_bytes : PK__JSON_STREAM_MAX, SIZE_MAX / 2);
        pk_buf_init(&in->rest, s->alloc, in->max + PK__JSON_STREAM_BEHIND);
        pk__json_intake_begin(in);
        s->pk__in = in;
    }
    return in->failed ? pk_error_set(err, in->failed, "cannot read from a JSON stream: it has failed before") : PK_OK;
}

/* A callback or more have been called, and rc has come of it. *s may be gone. */
static pk_err pk__json_intake_pause(pk__json_intake *in, pk_err rc, pk_error *err)
{
    in->failed = rc;
    in->is_running = false;
    if (in->is_freed) {
        pk__json_intake_free(in);
        rc = rc ? rc : pk_error_set(err, PK_ERR_CANCELED, "cannot read from a JSON stream: a callback has freed it");
    }
    return rc;
}

/* ---- values */

/* Asks what is to become of a value that is refused. */
static pk_err pk__json_stream_refuse(pk_json_stream *s, const pk_error *why, bool goes_on, pk_error *err)
{
    bool its_own = why->code == PK_ERR_BAD_JSON || why->code == PK_ERR_SERIALIZE || why->code == PK_ERR_LIMIT;
    return goes_on && its_own && s->on_bad ? s->on_bad(s->user, why, err) : pk__error_copy(err, why);
}

/* Gives a whole value; or the error, if it is none. goes_on: it is clear where the next one begins. */
static pk_err pk__json_stream_give(pk_json_stream *s, pk_str text, bool goes_on, pk_error *err)
{
    pk__json_intake *in = s->pk__in;
    pk_json_options options = s->options;
    const pk_json_value *value = NULL;
    void *out = NULL;
    pk_error why;
    pk_err rc;
    bool lines = s->lines;
    s->line = in->at.line;
    s->offset = in->at.offset;
    options.from = &in->at;
    pk_mem_reset(&in->mem);
    if (!s->type) {
        rc = pk_json_parse_with(&in->mem, text, &options, &value, &why);
    } else if ((out = pk_mem_zero(&in->mem, s->type->size)) != NULL) {
        rc = pk_json_decode_with(&in->mem, s->type, text, &options, out, &why);
    } else {
        rc = pk__error_memory(&why, "decode JSON");
    }
    rc = rc        ? pk__json_stream_refuse(s, &why, goes_on, err)
         : s->type ? s->on_struct(s->user, out, err)
                   : s->on_value(s->user, value, err);
    if (lines) {
        in->at.offset += text.len; // the end of the line begins a new one
    } else {
        pk__json_pass(&in->at, text);
    }
    pk__json_intake_next(in);
    return rc;
}

static pk_err pk__json_stream_too_large(pk_json_stream *s, pk_error *err)
{
    pk__json_intake *in = s->pk__in;
    pk_error why;
    s->line = in->at.line;
    s->offset = in->at.offset;
    in->skips = true;
    (void)pk_error_set(&why, PK_ERR_LIMIT, "cannot read JSON: line %zu, column %zu, offset %zu: larger than %zu bytes",
                       in->at.line, in->at.column, in->at.offset, in->max);
    in->at.offset += in->rest.len;
    pk__json_intake_next(in);
    return pk__json_stream_refuse(s, &why, s->lines, err);
}

/* ---- pieces */

static void pk__json_intake_drop(pk__json_intake *in, pk_str *piece, size_t count)
{
    pk_str part = {piece->ptr, count};
    pk__json_pass(&in->at, part);
    piece->ptr += count;
    piece->len -= count;
}

static void pk__json_stream_skip_space(const pk_json_stream *s, pk_str *piece)
{
    const char *p = piece->ptr, *end = p + piece->len;
    while ((p = pk__json_space(p, end)) < end && *p == '\x1E' && !s->lines) {
        p++;
    }
    pk__json_intake_drop(s->pk__in, piece, (size_t)(p - piece->ptr));
}

/* Does the value at *p lie there as a whole? Then *p goes to its end. That of a line needs no looking for, and that of
 * anything in brackets or quotes the reader finds fastest. `len` bytes are here, and no more than there may be. */
static bool pk__json_stream_at_once(const pk_json_stream *s, const char **p, const char *line_end, size_t len)
{
    pk__json_reader r;
    pk_str text = {*p, len};
    const char *end = NULL;
    if (s->pk__in->rest.len > 0 || (s->lines && (!line_end || (size_t)(line_end - *p) > len))) {
        return false;
    }
    if (s->lines) {
        end = line_end;
    } else if (**p == '{' || **p == '[' || **p == '"') {
        pk__json_begin(&r, text);
        end = pk__json_skip(&r, *p);
    }
    *p = end ? end : *p;
    return end != NULL;
}

/* Takes the value at the front of the piece, or the beginning of it; or goes on with the one that has begun. */
static pk_err pk__json_stream_take(pk_json_stream *s, pk_str *piece, pk_error *err)
{
    pk__json_intake *in = s->pk__in;
    const char *p = piece->ptr;
    const char *line_end = s->lines ? (const char *)memchr(p, '\n', piece->len) : NULL;
    size_t len = line_end ? (size_t)(line_end - p) : piece->len, room = in->max - in->rest.len;
    pk__json_part part = PK__JSON_WHOLE;
    if (!pk__json_stream_at_once(s, &p, line_end, PK__MIN(len, room))) {
        const char *end = p + PK__MIN(len, room + 1);
        do {
            part = pk__json_split_next(&in->split, &p, end);
        } while (s->lines && part == PK__JSON_WHOLE && p < end);
        if (s->lines && part != PK__JSON_NEVER) {
            part = p == line_end ? PK__JSON_WHOLE : PK__JSON_PART;
        }
    }
    pk_str text = {piece->ptr, (size_t)(p - piece->ptr)};
    if (text.len > room) {
        return pk__json_stream_too_large(s, err);
    }
    if (part == PK__JSON_NEVER) {
        text.len = PK__MIN(text.len + PK__JSON_STREAM_BEHIND, len);
        in->skips = true;
    }
    piece->ptr += text.len;
    piece->len -= text.len;
    if (part == PK__JSON_PART || in->rest.len > 0) {
        if (!pk_buf_add(&in->rest, text)) {
            return pk__error_memory(err, "read from a JSON stream");
        }
        text = pk_buf_str(&in->rest);
    }
    return part == PK__JSON_PART ? PK_OK : pk__json_stream_give(s, text, s->lines || part == PK__JSON_WHOLE, err);
}

PK_API pk_err pk_json_stream_read(pk_json_stream *s, pk_str piece, pk_error *err)
{
    pk_err rc = pk__json_stream_open(s, err);
    pk__json_intake *in = s->pk__in; // *s may be gone after a callback
    if (rc) {
        return rc;
    }
    in->is_running = true;
    while (rc == PK_OK && !in->is_freed && piece.len > 0) {
        if (in->skips) {
            const char *end = (const char *)memchr(piece.ptr, '\n', piece.len);
            in->skips = end == NULL;
            pk__json_intake_drop(in, &piece, end ? (size_t)(end - piece.ptr) : piece.len);
        } else if (in->rest.len == 0) {
            pk__json_stream_skip_space(s, &piece);
            rc = piece.len > 0 ? pk__json_stream_take(s, &piece, err) : PK_OK;
        } else {
            rc = pk__json_stream_take(s, &piece, err);
        }
    }
    return pk__json_intake_pause(in, rc, err);
}

PK_API pk_err pk_json_stream_finish(pk_json_stream *s, pk_error *err)
{
    pk__json_intake *in = s->pk__in;
    pk_err rc = in ? pk__json_stream_open(s, err) : PK_OK;
    if (!in || in->is_running) {
        return rc;
    }
    if (rc == PK_OK && in->rest.len > 0) {
        const char *blank = " "; // which ends a number
        bool whole = pk__json_split_next(&in->split, &blank, blank + 1) == PK__JSON_WHOLE;
        in->is_running = true;
        rc = pk__json_stream_give(s, pk_buf_str(&in->rest), s->lines || whole, err);
        if (in->is_freed) {
            return pk__json_intake_pause(in, rc, err);
        }
        in->is_running = false;
    }
    pk__json_intake_begin(in);
    return rc;
}

PK_API void pk_json_stream_free(pk_json_stream *s)
{
    if (s && s->pk__in) {
        s->pk__in->is_freed = true;
        if (!s->pk__in->is_running) {
            pk__json_intake_free(s->pk__in);
        }
        s->pk__in = NULL;
    }
}

/* ---- lines to be written */

PK_API pk_err pk_json_line_end(pk_buf *buf, size_t line, pk_error *err)
{
    pk_err rc = (pk_err)buf->failed;
    if (line > buf->len) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot write a line of JSON: the buffer ends in front of it");
    }
    pk_str text = {buf->len > line ? buf->ptr + line : "", buf->len - line};
    if (rc == PK_OK && (rc = pk_json_check(text, err)) == PK_OK) {
        buf->len = line;
        for (size_t i = 0; i < text.len; i++) { // in what has been checked they are white space
            buf->ptr[buf->len] = text.ptr[i];
            buf->len += text.ptr[i] != '\n' && text.ptr[i] != '\r';
        }
        if (pk_buf_add_char(buf, '\n')) {
            return PK_OK;
        }
        rc = (pk_err)buf->failed;
    }
    if (buf->failed) {
        rc = rc == PK_ERR_LIMIT ? pk_error_set(err, rc, "cannot write a line of JSON: there is no room for it")
                                : pk__error_memory(err, "write a line of JSON");
    }
    buf->len = line;
    buf->failed = 0;
    return rc;
}
#endif
