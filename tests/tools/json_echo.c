/* json_echo.c - reads JSON documents and writes them again, for comparison with other readers and writers.
 *
 * Both ways a document is a frame: four bytes of length, big-endian, then so many bytes. The answer to a document is
 * one byte, 'y' or 'n', and the document rewritten by pk_json_writer, or the error's message. */
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include <stdio.h>
#include <stdlib.h>

static void put(pk_json_writer *w, const pk_json_value *v)
{
    int64_t i;
    uint64_t u;
    switch (pk_json_type_of(v)) {
    case PK_JSON_NONE:
    case PK_JSON_NULL: pk_json_put_null(w); break;
    case PK_JSON_BOOL: pk_json_put_bool(w, pk_json_bool(v, false)); break;
    case PK_JSON_STRING: pk_json_put_str(w, pk_json_str(v)); break;
    case PK_JSON_NUMBER:
        if (pk_json_double(v, 1) == 0) {
            pk_json_put_double(w, pk_json_double(v, 1)); // 0 and -0
        } else if (pk_json_get_int(v, &i)) {
            pk_json_put_int(w, i);
        } else if (pk_json_get_uint(v, &u)) {
            pk_json_put_uint(w, u);
        } else if (pk_json_double(v, 1) == pk_json_double(v, 2)) {
            pk_json_put_double(w, pk_json_double(v, 1));
        } else {
            pk_json_put_raw(w, pk_json_number_text(v)); // too large for a double
        }
        break;
    case PK_JSON_ARRAY:
    case PK_JSON_OBJECT: {
        bool is_object = pk_json_type_of(v) == PK_JSON_OBJECT;
        is_object ? pk_json_put_object(w) : pk_json_put_array(w);
        for (const pk_json_value *item = pk_json_first(v); item; item = pk_json_next(v, item)) {
            if (is_object) {
                pk_json_put_key_str(w, pk_json_key(item));
            }
            put(w, item);
        }
        pk_json_put_end(w);
    }
    }
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
    return true;
}

static void write_frame(char verdict, pk_str text)
{
    size_t len = text.len + 1;
    const unsigned char head[5] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16), (unsigned char)(len >> 8),
                                   (unsigned char)len, (unsigned char)verdict};
    if (fwrite(head, 1, sizeof(head), stdout) != sizeof(head) || fwrite(text.ptr, 1, text.len, stdout) != text.len ||
        fflush(stdout) != 0) {
        exit(1);
    }
}

int main(void)
{
    pk_buf in, out;
    pk_mem mem = {0};
    pk_buf_init(&in, NULL, (size_t)1 << 26);
    pk_buf_init(&out, NULL, (size_t)1 << 28);
    pk_buf_reserve(&in, 1); // fread wants a pointer, for empty frames too
    while (read_frame(&in)) {
        const pk_json_value *doc;
        pk_json_writer w;
        pk_error err;
        pk_err rc = pk_json_parse(&mem, pk_buf_str(&in), &doc, &err);
        if ((pk_json_check(pk_buf_str(&in), NULL) == PK_OK) != (rc == PK_OK)) {
            return 3; // the two ways to read do not agree
        }
        if (rc == PK_OK) {
            pk_buf_clear(&out);
            pk_json_write(&w, &out);
            put(&w, doc);
            rc = pk_json_finish(&w, &err);
        }
        write_frame(rc == PK_OK ? 'y' : 'n', rc == PK_OK ? pk_buf_str(&out) : pk_str_from(err.msg));
        pk_mem_reset(&mem);
    }
    pk_mem_free(&mem);
    pk_buf_free(&in);
    pk_buf_free(&out);
    return ferror(stdin) ? 2 : 0;
}
