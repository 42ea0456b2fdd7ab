/* fuzz_json_stream.c - JSON from streams: the same whatever the pieces are, and what the reader of whole texts makes of
 * each value and of each line.
 *
 * The first byte chooses the kind of stream, the second one how it is cut; the others are its text. */
#define PLUGKIT_WITH_JSON_TOOLS
#include "fuzz.h"

enum { LINES = 1, UNIQUE = 2, SMALL = 4, STRUCTS = 8 };

#define ITEM(F, T) F(T, OPT, int64_t, a, "a") F(T, DEFAULT(1), int64_t, b, "b") F(T, REST, pk_json, rest, "")
PK_STRUCT(item, ITEM)

/* What came, as text: values with their place, and the words of errors, without what they quote. */
typedef struct seen {
    pk_json_stream stream;
    pk_buf all;
} seen;

static void add_place(pk_buf *all, size_t line, size_t offset)
{
    MUST(pk_buf_printf(all, "@%zu:%zu\n", line, offset));
}

static void add_value(pk_buf *all, const pk_json_value *v)
{
    pk_json_writer w;
    pk_json_write(&w, all);
    pk_json_put_value(&w, v);
    MUST(pk_json_finish(&w, NULL) == PK_OK);
}

static void add_error(pk_buf *all, const pk_error *err)
{
    const char *end = strstr(err->msg, ", got ");
    pk_str words = {err->msg, end ? (size_t)(end - err->msg) : strlen(err->msg)};
    MUST(words.len > 0 && pk_buf_printf(all, "!%d ", err->code) && pk_buf_add(all, words));
    MUST(pk_buf_add_char(all, '\n'));
}

static pk_err on_value(void *user, const pk_json_value *v, pk_error *err)
{
    seen *s = (seen *)user;
    (void)err;
    add_value(&s->all, v);
    add_place(&s->all, s->stream.line, s->stream.offset);
    return PK_OK;
}

static pk_err on_struct(void *user, void *in, pk_error *err)
{
    seen *s = (seen *)user;
    MUST(pk_json_encode(&s->all, &pk_type_item, in, err) == PK_OK);
    add_place(&s->all, s->stream.line, s->stream.offset);
    return PK_OK;
}

static pk_err on_bad(void *user, const pk_error *why, pk_error *err)
{
    (void)err;
    add_error(&((seen *)user)->all, why);
    return PK_OK;
}

/* Pieces of so many bytes; 0: of lengths by chance. */
static void read_all(seen *s, int kind, pk_str text, size_t step, uint32_t cuts)
{
    pk_error err;
    pk_err rc = PK_OK;
    memset(s, 0, sizeof(*s));
    pk_buf_init(&s->all, NULL, (size_t)1 << 26);
    s->stream.user = s;
    s->stream.on_value = on_value;
    s->stream.on_struct = on_struct;
    s->stream.type = kind & STRUCTS ? &pk_type_item : NULL;
    s->stream.on_bad = on_bad;
    s->stream.lines = kind & LINES;
    s->stream.options.unique_keys = kind & UNIQUE;
    s->stream.max_bytes = kind & SMALL ? 20 : 0;
    for (size_t at = 0, len; at < text.len && rc == PK_OK; at += len) {
        cuts = cuts * 1103515245u + 12345u;
        len = step ? step : 1 + (cuts >> 16) % ((cuts >> 28) + 1);
        len = len < text.len - at ? len : text.len - at;
        char *piece = (char *)malloc(len); // to its last byte
        MUST(piece);
        memcpy(piece, text.ptr + at, len);
        pk_str part = {piece, len};
        rc = pk_json_stream_read(&s->stream, part, &err);
        free(piece);
    }
    if (rc == PK_OK) {
        rc = pk_json_stream_finish(&s->stream, &err);
    }
    if (rc) {
        MUST(rc == err.code && (rc == PK_ERR_BAD_JSON || rc == PK_ERR_LIMIT || rc == PK_ERR_SERIALIZE));
        add_error(&s->all, &err);
    }
    pk_json_stream_free(&s->stream);
}

/* ---- what should come, by the functions for whole texts */

static bool give(pk_buf *all, int kind, pk_str text, const pk__json_origin *at)
{
    pk_mem mem = {0};
    pk_json_options options = {.unique_keys = kind & UNIQUE, .from = at};
    const pk_json_value *v;
    pk_error err;
    item i;
    pk_err rc = kind & STRUCTS ? pk_json_decode_with(&mem, &pk_type_item, text, &options, &i, &err)
                               : pk_json_parse_with(&mem, text, &options, &v, &err);
    if (rc) {
        add_error(all, &err);
    } else {
        if (kind & STRUCTS) {
            MUST(pk_json_encode(all, &pk_type_item, &i, NULL) == PK_OK);
        } else {
            add_value(all, v);
        }
        add_place(all, at->line, at->offset);
    }
    pk_mem_free(&mem);
    return rc == PK_OK;
}

static void expect_lines(pk_buf *all, int kind, pk_str text)
{
    pk__json_origin at = {1, 1, 0};
    while (text.len > 0) {
        const char *end = (const char *)memchr(text.ptr, '\n', text.len);
        pk_str line = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
        size_t blank = 0;
        while (blank < line.len && strchr(" \t\r", line.ptr[blank]) && line.ptr[blank]) {
            blank++;
        }
        pk__json_origin from = {at.line, blank + 1, at.offset + blank};
        pk_str rest = {line.ptr + blank, line.len - blank};
        if (rest.len > 0) {
            give(all, kind, rest, &from);
        }
        at.line++;
        at.offset += line.len + 1;
        text.ptr += line.len + (end != NULL);
        text.len -= line.len + (end != NULL);
    }
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("+-.", c));
}

/* Up to the first mistake: what comes behind that, the other test says. */
static void expect_values(pk_buf *all, int kind, pk_str text)
{
    pk__json_origin at = {1, 1, 0};
    for (;;) {
        size_t len = 0;
        while (len < text.len && text.ptr[len] && strchr(" \t\r\n\x1E", text.ptr[len])) {
            len++;
        }
        pk__json_pass(&at, (pk_str){text.ptr, len});
        text.ptr += len;
        text.len -= len;
        if (text.len == 0) {
            return;
        }
        pk__json_reader r;
        pk__json_begin(&r, text);
        const char *end = pk__json_skip(&r, text.ptr);
        pk_str value = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
        while (end && is_plain(text.ptr[0]) && value.len < text.len && is_plain(text.ptr[value.len])) {
            value.len++; // numbers and words end where something else begins
        }
        if (!give(all, kind, value, &at)) {
            return;
        }
        pk__json_pass(&at, value);
        text.ptr += value.len;
        text.len -= value.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    int kind = data[0];
    pk_str text = {(const char *)data + 2, size - 2};
    seen whole, pieces;
    read_all(&whole, kind, text, text.len + 1, 0);
    for (size_t step = 0; step < 4; step++) {
        read_all(&pieces, kind, text, step, data[1] * 0x01010101u);
        MUST(pk_str_eq(pk_buf_str(&pieces.all), pk_buf_str(&whole.all)));
        pk_buf_free(&pieces.all);
    }
    if (!(kind & SMALL)) {
        pk_buf expected;
        pk_buf_init(&expected, NULL, (size_t)1 << 26);
        kind & LINES ? expect_lines(&expected, kind, text) : expect_values(&expected, kind, text);
        pk_str all = pk_buf_str(&whole.all);
        MUST(kind & LINES ? pk_str_eq(all, pk_buf_str(&expected)) : pk_str_starts(all, pk_buf_str(&expected)));
        pk_buf_free(&expected);
    }
    pk_buf_free(&whole.all);
    return 0;
}
