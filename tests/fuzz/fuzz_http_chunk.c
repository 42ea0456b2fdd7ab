/* fuzz_http_chunk.c - chunked bodies: the same bytes come out whether they are fed at once or in pieces. */
#include "fuzz.h"

static pk__chunk_result decode(pk_str text, size_t step, pk_buf *out, size_t *used)
{
    pk__http_chunk c;
    pk__chunk_result result = PK__CHUNK_MORE;
    pk__http_chunk_init(&c);
    pk_buf_init(out, NULL, (size_t)1 << 24);
    for (size_t at = 0; at < text.len && result == PK__CHUNK_MORE; at += step) {
        size_t len = step < text.len - at ? step : text.len - at;
        pk_str in = {text.ptr + at, len}, piece = {NULL, 0};
        while ((result = pk__http_chunk_next(&c, &in, &piece)) == PK__CHUNK_DATA) {
            MUST(piece.len > 0 && pk_buf_add(out, piece));
        }
        MUST(result != PK__CHUNK_MORE || in.len == 0);
        *used = at + len - in.len;
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_str text = {(const char *)data, size};
    pk_buf whole, pieces;
    size_t used = 0, used_too = 0;
    pk__chunk_result result = decode(text, size ? size : 1, &whole, &used);
    for (size_t step = 1; step < 8; step += 2) {
        MUST(decode(text, step, &pieces, &used_too) == result);
        MUST(pk_str_eq(pk_buf_str(&whole), pk_buf_str(&pieces)));
        MUST(result != PK__CHUNK_DONE || used == used_too);
        pk_buf_free(&pieces);
    }
    pk_buf_free(&whole);
    return 0;
}
