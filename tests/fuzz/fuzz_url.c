/* fuzz_url.c - request targets: a path that was decoded has one reading, and encodes and decodes to itself. */
#include "fuzz.h"

static void look_at_path(pk_str path)
{
    char decoded[4096], again[4096 * 3];
    size_t len = 0, len_again = 0;
    pk_buf encoded;
    if (path.len > sizeof(decoded) || !pk__url_decode_path(path, decoded, &len)) {
        return;
    }
    MUST(len > 0 && len <= path.len && decoded[0] == '/');
    for (size_t i = 0; i < len; i++) {
        pk_str rest = {decoded + i, len - i};
        MUST((unsigned char)decoded[i] >= 0x20 && decoded[i] != 0x7f);
        MUST(!pk_str_starts(rest, PK_STR("//")) && !pk_str_starts(rest, PK_STR("/../")));
        MUST(!pk_str_starts(rest, PK_STR("/./")) && !pk_str_eq(rest, PK_STR("/..")) && !pk_str_eq(rest, PK_STR("/.")));
    }
    pk_buf_init(&encoded, NULL, sizeof(again));
    MUST(pk__url_encode(&encoded, (pk_str){decoded, len}, true));
    MUST(pk__url_decode_path(pk_buf_str(&encoded), again, &len_again));
    MUST(len_again == len && memcmp(decoded, again, len) == 0);
    pk_buf_free(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_str text = {(const char *)data, size};
    pk__url url;
    if (pk__url_split(PK_STR("GET"), text, &url)) {
        pk_str rest = url.query, name, value;
        char out[65536];
        size_t len = 0;
        look_at_path(url.path);
        while (pk__url_query_next(&rest, &name, &value)) {
            if (value.len <= sizeof(out) && pk__url_decode(value, true, out, &len)) {
                MUST(len <= value.len);
            }
        }
    }
    (void)pk__url_split(PK_STR("OPTIONS"), text, &url);
    look_at_path(text);
    return 0;
}
