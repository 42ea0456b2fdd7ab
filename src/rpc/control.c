/* control.c - the lines of the control socket: built, read, and cut out of a stream. */
#include "control.h"

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"

/* ---- writing */

static pk_err pk__control_put(pk_buf *out, const pk_type *type, const void *in, pk_error *err)
{
    pk_err rc = pk_json_encode(out, type, in, err);
    if (!rc && !pk_buf_add_char(out, '\n')) {
        rc = pk_error_set(err, (pk_err)out->failed, "cannot write a control line: %s",
                          pk_err_text((pk_err)out->failed));
    }
    return rc;
}

PK__FN pk_err pk__control_write_start(pk_buf *out, const pk__control_start *start, pk_error *err)
{
    return pk__control_put(out, &pk_type_pk__control_start, start, err);
}

PK__FN pk_err pk__control_write(pk_buf *out, const pk__control_message *message, pk_error *err)
{
    return pk__control_put(out, &pk_type_pk__control_message, message, err);
}

PK__FN pk_err pk__control_write_ready(pk_buf *out, pk_str address, pk_error *err)
{
    pk__control_message listening, ready;
    memset(&listening, 0, sizeof(listening));
    listening.has_listening = true;
    listening.listening = address;
    memset(&ready, 0, sizeof(ready));
    ready.has_ready = true;
    ready.ready = true;
    pk_err rc = pk__control_write(out, &listening, err);
    return rc ? rc : pk__control_write(out, &ready, err);
}

PK__FN pk_err pk__control_write_error(pk_buf *out, const pk_error *what, pk_error *err)
{
    pk__control_message m;
    memset(&m, 0, sizeof(m));
    m.has_error = true;
    m.error = pk_str_from(what->msg);
    m.has_code = true;
    m.code = pk_str_from(pk_err_id(what->code));
    return pk__control_write(out, &m, err);
}

PK__FN pk_err pk__control_write_shutdown(pk_buf *out, pk_error *err)
{
    pk__control_message m;
    memset(&m, 0, sizeof(m));
    m.has_shutdown = true;
    m.shutdown = true;
    return pk__control_write(out, &m, err);
}

PK__FN pk_err pk__control_write_adopt(pk_buf *out, pk_str token, bool shutdown, pk_error *err)
{
    pk__control_message m;
    memset(&m, 0, sizeof(m));
    m.has_adopt = true;
    m.adopt = true;
    m.has_token = true;
    m.token = token;
    m.has_shutdown = shutdown;
    m.shutdown = shutdown;
    return pk__control_write(out, &m, err);
}

PK__FN pk_err pk__control_write_adopted(pk_buf *out, pk_str proof, pk_error *err)
{
    pk__control_message m;
    memset(&m, 0, sizeof(m));
    m.has_adopted = true;
    m.adopted = proof;
    return pk__control_write(out, &m, err);
}

/* ---- reading */

/* `name` is what the line is called in errors. */
static pk_err pk__control_get(pk_mem *mem, const pk_type *type, const char *name, pk_str line, void *out,
                              pk_error *err)
{
    static const pk_json_options careful = {.unique_keys = true, .secret = true};
    bool is_start = type == &pk_type_pk__control_start; // there is a token in it
    pk_type named = *type;
    named.name = name;
    pk_err rc = pk__types_decode(mem, &named, line, is_start ? &careful : NULL, out, err);
    if (rc && rc != PK_ERR_NO_MEMORY) {
        rc = PK_ERR_PROTOCOL;
        if (err) {
            err->code = rc;
        }
    }
    return rc;
}

PK__FN pk_err pk__control_read_start(pk_mem *mem, pk_str line, pk__control_start *out, pk_error *err)
{
    return pk__control_get(mem, &pk_type_pk__control_start, "the host's first line", line, out, err);
}

PK__FN pk_err pk__control_read(pk_mem *mem, pk_str line, pk__control_message *out, pk_error *err)
{
    return pk__control_get(mem, &pk_type_pk__control_message, "a control line", line, out, err);
}

/* ---- lines out of a stream */

PK__FN void pk__control_lines_init(pk__control_lines *l, const pk_alloc *alloc, size_t max)
{
    memset(l, 0, sizeof(*l));
    pk_buf_init(&l->buf, alloc, SIZE_MAX / 2); // the limit is on lines, and one piece may bring many
    l->max = max;
}

PK__FN void pk__control_lines_deinit(pk__control_lines *l)
{
    pk_buf_free(&l->buf);
    l->at = 0;
    l->seen = 0;
}

PK__FN pk_err pk__control_lines_feed(pk__control_lines *l, pk_str bytes, pk_error *err)
{
    pk_buf_drop(&l->buf, l->at);
    l->at = 0;
    if (!pk_buf_add(&l->buf, bytes)) {
        return pk__error_memory(err, "take a control line");
    }
    return PK_OK;
}

PK__FN pk_err pk__control_lines_next(pk__control_lines *l, pk_str *line, pk_error *err)
{
    line->ptr = NULL;
    line->len = 0;
    while (l->at < l->buf.len) {
        const char *start = l->buf.ptr + l->at;
        size_t left = l->buf.len - l->at;
        const char *end = (const char *)memchr(start + l->seen, '\n', left - l->seen);
        size_t len = end ? (size_t)(end - start) : left;
        if (len > l->max) {
            return pk_error_set(err, PK_ERR_PROTOCOL, "cannot read a control line: it has more than %lu bytes",
                                (unsigned long)l->max);
        }
        if (!end) {
            l->seen = left;
            return PK_OK;
        }
        l->at += len + 1;
        l->seen = 0;
        len -= len && start[len - 1] == '\r';
        if (len) {
            line->ptr = start;
            line->len = len;
            return PK_OK;
        }
    }
    return PK_OK;
}

PK__FN bool pk__control_lines_is_empty(const pk__control_lines *l)
{
    return l->at == l->buf.len;
}
