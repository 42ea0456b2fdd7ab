/* seen.h - messages told in JSON as they were read, for comparison with other readers: each byte is a character of
 * Latin-1. */
#ifndef SEEN_H
#define SEEN_H
#include <stdlib.h>

static void put_bytes(pk_json_writer *w, pk_str bytes)
{
    char *text = (char *)malloc(2 * bytes.len + 1);
    pk_str out = {text, 0};
    if (!text) {
        abort();
    }
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (c >= 0x80) {
            text[out.len++] = (char)(0xc0 | c >> 6);
            c = (unsigned char)(0x80 | (c & 0x3f));
        }
        text[out.len++] = (char)c;
    }
    pk_json_put_str(w, out);
    free(text);
}

/* A list of [name, value]. */
static void put_fields(pk_json_writer *w, const pk_meta *fields, size_t count)
{
    pk_json_put_array(w);
    for (size_t i = 0; i < count; i++) {
        pk_json_put_array(w);
        put_bytes(w, fields[i].name);
        put_bytes(w, fields[i].value);
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}

#endif
