/* fuzz_text.c - the small formats: base64, hex, durations and versions. What was written reads back. */
#define PLUGKIT_WITH_MANIFESTS // ranges of versions
#include "fuzz.h"

static void try_base64(pk_str text)
{
    char *out = malloc(text.len + 1);
    size_t len = 0;
    pk_buf buf;
    MUST(out != NULL);
    pk_buf_init(&buf, NULL, (size_t)1 << 24);
    if (pk__base64_decode(text, PK__BASE64_STD, out, &len)) { // strict: one text, one meaning
        MUST(pk__base64_encode(&buf, (pk_str){out, len}) && pk_str_eq(pk_buf_str(&buf), text));
    }
    (void)pk__base64_decode(text, PK__BASE64_URL | PK__BASE64_UNPADDED, out, &len);
    pk_buf_clear(&buf);
    MUST(pk__base64_encode(&buf, text));
    char *back = malloc(buf.len + 1);
    MUST(back && pk__base64_decode(pk_buf_str(&buf), PK__BASE64_STD, back, &len));
    MUST(len == text.len && (len == 0 || memcmp(back, text.ptr, len) == 0));
    (void)pk__hex_decode(text, out, &len);
    free(back);
    free(out);
    pk_buf_free(&buf);
}

static void try_duration(pk_str text)
{
    pk_ns value = 0, again = 0;
    char out[PK__DURATION_CAP];
    if (pk__duration_parse(text, &value)) {
        size_t len = pk__duration_format(out, value);
        MUST(len < sizeof(out) && pk__duration_parse((pk_str){out, len}, &again) && again == value);
    }
}

static void try_version(pk_str text)
{
    pk__semver version;
    pk_str a, b;
    if (pk__semver_parse(text, &version)) {
        MUST(pk__semver_compare(&version, &version) == 0 && pk__semver_serves(&version, &version));
    }
    if (pk_str_cut(text, ' ', &a, &b) && pk__semver_parse(a, &version)) {
        MUST(!pk__semver_matches(&version, b) || pk__semver_is_range(b));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_str text = {(const char *)data, size};
    try_base64(text);
    try_duration(text);
    try_version(text);
    return 0;
}
