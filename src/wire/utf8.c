/* utf8.c - checking and writing UTF-8. */
#include "utf8.h"
#include "swar.h"

PK__FN size_t pk__utf8_len(const char *p, const char *end)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    unsigned char c = s[0];
    if (c < 0x80) {
        return 1;
    }
    if (left < 2 || c < 0xC2 || c > 0xF4 || (s[1] & 0xC0) != 0x80) {
        return 0;
    }
    if (c < 0xE0) {
        return 2;
    }
    if (left < 3 || (s[2] & 0xC0) != 0x80) {
        return 0;
    }
    if (c < 0xF0) { // E0 80..9F would be overlong, ED A0..BF is a surrogate
        return (c == 0xE0 && s[1] < 0xA0) || (c == 0xED && s[1] > 0x9F) ? 0 : 3;
    }
    if (left < 4 || (s[3] & 0xC0) != 0x80) {
        return 0;
    }
    return (c == 0xF0 && s[1] < 0x90) || (c == 0xF4 && s[1] > 0x8F) ? 0 : 4; // overlong, above U+10FFFF
}

PK__FN uint32_t pk__utf8_get(const char *p, size_t len)
{
    uint32_t code = (unsigned char)p[0];
    if (len > 1) {
        code &= 0x7Fu >> len;
    }
    for (size_t i = 1; i < len; i++) {
        code = code << 6 | ((unsigned char)p[i] & 0x3F);
    }
    return code;
}

PK__FN bool pk__utf8_valid(pk_str text)
{
    const char *p = text.ptr;
    const char *end = text.len > 0 ? p + text.len : p;
    while (p < end) {
        if (end - p >= 8 && (pk__swar_load(p) & PK__SWAR_TOPS) == 0) {
            p += 8;
            continue;
        }
        size_t len = pk__utf8_len(p, end);
        if (len == 0) {
            return false;
        }
        p += len;
    }
    return true;
}

PK__FN size_t pk__utf8_put(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}
