/* http_out.c - sending heads and bodies. */
#include "http_out.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../os/fd.h"
#include "../wire/http_chunk.h"
#include "socket.h"

#include <string.h>

enum {
    PK__HTTP_OUT_HEAD = 64 * 1024,  // the largest head, with a small body
    PK__HTTP_OUT_SMALL = 8 * 1024,  // bodies up to here are copied behind the head
    PK__HTTP_OUT_PIECE = 16 * 1024, // of a reader or, where it has to be copied, a file
    PK__HTTP_OUT_MOST = 256 * 1024, // handed to the system at once
    PK__HTTP_OUT_TURNS = 16         // sends before others have their turn
};

#ifndef PLUGKIT_NO_NET
static pk_io pk__http_out_send_file(const pk__http_out *o, const pk__wire *wire, size_t *sent, pk_error *err)
{
    uint64_t size = PK__MIN(o->file_left, (uint64_t)PK__HTTP_OUT_MOST);
    return pk__socket_send_file(wire->socket, o->body->fd, o->file_at, size, sent, err);
}
#else // without sockets there is none that it could be asked for
static pk_io pk__http_out_send_file(const pk__http_out *o, const pk__wire *wire, size_t *sent, pk_error *err)
{
    (void)o, (void)wire, (void)sent, (void)err;
    return PK_IO_CLOSED;
}
#endif

PK__FN void pk__http_out_init(pk__http_out *o, const pk_alloc *alloc)
{
    memset(o, 0, sizeof(*o));
    pk_buf_init(&o->buf, alloc, PK__HTTP_OUT_HEAD);
}

PK__FN void pk__http_out_deinit(pk__http_out *o)
{
    pk_buf_free(&o->buf);
}

PK__FN void pk__http_out_reset(pk__http_out *o)
{
    pk_buf_clear(&o->buf);
    o->at = 0;
    o->tail.len = 0;
    o->body = NULL;
    o->file_left = 0;
    o->has_reader = false;
    o->copies = false;
    o->began = false;
    o->pending = false;
    o->busy = false;
    o->sent_any = false;
    o->total = 0;
}

PK__FN pk_err pk__http_out_begin(pk__http_out *o, const pk_body *body, bool chunked, pk_error *err)
{
    o->body = body;
    o->chunked = chunked;
    o->pending = true;
    if (body && body->read) {
        o->has_reader = true;
    } else if (body && body->has_fd) {
        if (body->offset > INT64_MAX || body->size > INT64_MAX - body->offset) {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot send a file: the range is too large");
        }
        o->file_at = body->offset;
        o->file_left = body->size;
    } else if (body) {
        o->total = body->bytes.len;
        if (body->bytes.len <= PK__HTTP_OUT_SMALL) {
            (void)pk_buf_add(&o->buf, body->bytes);
        } else {
            o->tail = body->bytes;
        }
    }
    if (o->buf.failed == PK_ERR_NO_MEMORY) {
        return pk__error_memory(err, "send a message");
    }
    return o->buf.failed ? pk_error_set(err, PK_ERR_LIMIT, "cannot send a message: its header is larger than %d KiB",
                                        PK__HTTP_OUT_HEAD / 1024)
                         : PK_OK;
}

/* A piece of a file for a transport that knows no files. */
static pk_io pk__http_out_stage_file(pk__http_out *o, char *data, pk_error *err)
{
    size_t want = (size_t)PK__MIN(o->file_left, (uint64_t)PK__HTTP_OUT_PIECE), n = 0;
    if (pk__fd_read_at(o->body->fd, data, want, o->file_at, &n, err)) {
        return PK_IO_FAILED;
    }
    if (n == 0) {
        (void)pk_error_set(err, PK_ERR_OS, "cannot send a file: it is shorter than promised");
        return PK_IO_FAILED;
    }
    o->buf.len = n;
    o->file_at += n;
    o->file_left -= n;
    o->total += n;
    return PK_IO_DONE;
}

static pk_io pk__http_out_stage_reader(pk__http_out *o, char *data, pk_error *err)
{
    size_t got = 0, head = 0;
    pk_err rc = o->body->read(o->body->user, data, PK__HTTP_OUT_PIECE, &got, err);
    o->busy = rc == PK_ERR_BUSY;
    if (rc) {
        return o->busy ? PK_IO_WANT_READ : PK_IO_FAILED;
    }
    if (o->chunked) {
        head = pk__http_chunk_head(o->buf.ptr, got, !o->began);
    }
    memmove(o->buf.ptr + head, data, got);
    o->buf.len = head + got;
    o->began = true;
    o->has_reader = got > 0;
    o->total += got;
    return PK_IO_DONE;
}

/* The next piece of what has to be copied. */
static pk_io pk__http_out_stage(pk__http_out *o, pk_error *err)
{
    pk_buf_clear(&o->buf);
    o->at = 0;
    if (!pk_buf_reserve(&o->buf, PK__CHUNK_HEAD_MAX + PK__HTTP_OUT_PIECE)) {
        (void)pk__error_memory(err, "send a body");
        return PK_IO_FAILED;
    }
    return o->has_reader ? pk__http_out_stage_reader(o, o->buf.ptr + PK__CHUNK_HEAD_MAX, err)
                         : pk__http_out_stage_file(o, o->buf.ptr, err);
}

static pk_io pk__http_out_send(pk__http_out *o, const pk__wire *wire, pk_error *err)
{
    pk_str parts[2];
    size_t count = 0, sent = 0;
    if (o->at < o->buf.len) {
        parts[count].ptr = o->buf.ptr + o->at;
        parts[count++].len = o->buf.len - o->at;
    }
    if (o->tail.len > 0) {
        parts[count] = o->tail;
        parts[count].len = PK__MIN(o->tail.len, (size_t)PK__HTTP_OUT_MOST);
        count++;
    }
    pk_io io = wire->transport->send(wire->io, parts, count, &sent, err);
    if (io != PK_IO_DONE || sent == 0) {
        return io == PK_IO_DONE ? PK_IO_WANT_WRITE : io;
    }
    size_t part = PK__MIN(sent, o->buf.len - o->at);
    o->sent_any = true;
    o->at += part;
    if (sent > part) {
        o->tail.ptr += sent - part;
        o->tail.len -= sent - part;
    }
    return io;
}

static pk_io pk__http_out_file(pk__http_out *o, const pk__wire *wire, pk_error *err)
{
    size_t sent = 0;
    pk_io io = pk__http_out_send_file(o, wire, &sent, err);
    if (io == PK_IO_DONE) {
        o->file_at += sent;
        o->file_left -= sent;
        o->total += sent;
    } else if (io == PK_IO_FAILED && err->code == PK_ERR_UNSUPPORTED) {
        pk__error_none(err);
        o->copies = true;
        return PK_IO_DONE;
    }
    return io == PK_IO_FAILED && err->code != PK_ERR_OS ? PK_IO_CLOSED : io;
}

PK__FN pk_io pk__http_out_push(pk__http_out *o, const pk__wire *wire, pk_error *err)
{
    for (int turn = 0; o->pending; turn++) {
        pk_io io;
        if (turn == PK__HTTP_OUT_TURNS) {
            return PK_IO_WANT_WRITE;
        }
        if (o->at < o->buf.len || o->tail.len > 0) {
            io = pk__http_out_send(o, wire, err);
            io = io == PK_IO_FAILED ? PK_IO_CLOSED : io;
        } else if (o->file_left > 0 && wire->socket >= 0 && !o->copies) {
            io = pk__http_out_file(o, wire, err);
        } else {
            io = pk__http_out_stage(o, err);
        }
        if (io != PK_IO_DONE) {
            return io;
        }
        o->pending = o->at < o->buf.len || o->tail.len > 0 || o->file_left > 0 || o->has_reader;
    }
    return PK_IO_DONE;
}
