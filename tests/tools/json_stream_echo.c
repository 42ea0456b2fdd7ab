/* json_stream_echo.c - reads streams of JSON in pieces and tells what came, for comparison with other readers.
 *
 * A stream is a frame: four bytes of length, big-endian, then a byte 'v' or 'l' (values one behind the other, or
 * lines), one that says how it is cut, and its text. The answer is a frame of lines: "OFFSET VALUE" for each value that
 * came, and "refused MESSAGE". It runs in the locale of the environment. */
#define PLUGKIT_STATIC // what is not used is left out, and compiles the faster
#define PLUGKIT_WITH_JSON_TOOLS
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

static pk_json_stream stream;
static pk_buf out;

static pk_err on_value(void *user, const pk_json_value *v, pk_error *err)
{
    pk_json_writer w;
    (void)user;
    if (!pk_buf_printf(&out, "%zu ", stream.offset)) {
        return PK_ERR_NO_MEMORY;
    }
    size_t line = out.len;
    pk_json_write(&w, &out);
    pk_json_put_value(&w, v);
    pk_err rc = pk_json_finish(&w, err);
    return rc ? rc : pk_json_line_end(&out, line, err);
}

static pk_err on_bad(void *user, const pk_error *why, pk_error *err)
{
    (void)user, (void)err;
    return pk_buf_printf(&out, "refused %s\n", why->msg) ? PK_OK : PK_ERR_NO_MEMORY;
}

/* Pieces of one byte, of all bytes, or of lengths that `cuts` leads to. */
static size_t piece_len(unsigned cuts, size_t at, size_t left)
{
    size_t len = cuts == 0 ? left : cuts < 16 ? cuts : 1 + (at * 31 + cuts) % cuts;
    return len < left ? len : left;
}

static void read_stream(char kind, unsigned cuts, pk_str text)
{
    pk_error err = {0};
    pk_err rc = PK_OK;
    stream.on_value = on_value;
    stream.on_bad = kind == 'l' ? on_bad : NULL;
    stream.lines = kind == 'l';
    for (size_t at = 0, len; at < text.len && rc == PK_OK; at += len) {
        len = piece_len(cuts, at, text.len - at);
        pk_str piece = {text.ptr + at, len};
        rc = pk_json_stream_read(&stream, piece, &err);
    }
    if (rc == PK_OK) {
        rc = pk_json_stream_finish(&stream, &err);
    }
    if (rc) {
        (void)on_bad(NULL, &err, NULL);
    }
    (void)pk_json_stream_finish(&stream, NULL); // after a failure, too: the next one is another stream
    pk_json_stream_free(&stream);
}

static bool read_frame(pk_buf *in)
{
    unsigned char head[4];
    if (fread(head, 1, 4, stdin) != 4) {
        return false;
    }
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    pk_buf_clear(in);
    if (!pk_buf_reserve(in, len) || fread(in->ptr, 1, len, stdin) != len) {
        return false;
    }
    in->len = len;
    return len >= 2;
}

int main(void)
{
    pk_buf in;
    (void)setlocale(LC_ALL, "");
    if (getenv("COMMA") && localeconv()->decimal_point[0] != ',') {
        return 4; // the caller meant another locale
    }
    pk_buf_init(&in, NULL, (size_t)1 << 26);
    pk_buf_init(&out, NULL, (size_t)1 << 28);
    while (read_frame(&in)) {
        pk_str text = {in.ptr + 2, in.len - 2};
        pk_buf_clear(&out);
        read_stream(in.ptr[0], (unsigned char)in.ptr[1], text);
        const unsigned char head[4] = {(unsigned char)(out.len >> 24), (unsigned char)(out.len >> 16),
                                       (unsigned char)(out.len >> 8), (unsigned char)out.len};
        if (fwrite(head, 1, sizeof(head), stdout) != sizeof(head) ||
            fwrite(out.ptr, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
            return 1;
        }
    }
    pk_buf_free(&in);
    pk_buf_free(&out);
    return ferror(stdin) ? 2 : 0;
}
