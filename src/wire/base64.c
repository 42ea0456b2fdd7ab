/* base64.c - base64 and hex, both ways. */
#include "base64.h"

#include <string.h>

#include "../base/memory.h"

static const char pk__base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

PK__FN bool pk__base64_encode(pk_buf *out, pk_str bytes)
{
    const char *alphabet = pk__base64_alphabet;
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len, size;
    if (!pk__size_mul(left / 3 + (left % 3 > 0), 4, &size) || !pk_buf_reserve(out, size)) {
        out->failed = out->failed ? out->failed : PK_ERR_LIMIT;
        return false;
    }
    if (size == 0) {
        return true; // and out->ptr may be NULL
    }
    char *to = out->ptr + out->len;
    for (; left >= 3; left -= 3, p += 3, to += 4) {
        uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        to[0] = alphabet[bits >> 18];
        to[1] = alphabet[bits >> 12 & 63];
        to[2] = alphabet[bits >> 6 & 63];
        to[3] = alphabet[bits & 63];
    }
    if (left > 0) {
        uint32_t bits = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0);
        to[0] = alphabet[bits >> 18];
        to[1] = alphabet[bits >> 12 & 63];
        to[2] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        to[3] = '=';
    }
    out->len += size;
    return true;
}

/* The six bits of each character from '+' to 'z', of both alphabets; 64 = of neither. */
static const unsigned char pk__base64_values[80] = {
    62, 64, 62, 64, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64,
    64, 64,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
    18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63, 64, 26, 27, 28, 29, 30, 31,
    32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51,
};

static uint32_t pk__base64_value(char c)
{
    unsigned char at = (unsigned char)(c - '+');
    return at < sizeof(pk__base64_values) ? pk__base64_values[at] : 64;
}

PK__FN bool pk__base64_decode(pk_str text, unsigned flags, char *out, size_t *len)
{
    const char *foreign = flags & PK__BASE64_URL ? "+/" : "-_";
    const char *p = text.ptr;
    char *to = out;
    size_t left = text.len;
    while (left > 0 && text.len - left < 2 && p[left - 1] == '=') {
        left--;
    }
    bool padded = left < text.len || !(flags & PK__BASE64_UNPADDED);
    if (left % 4 == 1 || (padded && text.len % 4 != 0) ||
        (left > 0 && (memchr(p, foreign[0], left) || memchr(p, foreign[1], left)))) {
        return false;
    }
    uint32_t bad = 0;
    for (; left >= 4; left -= 4, p += 4, to += 3) {
        uint32_t a = pk__base64_value(p[0]), b = pk__base64_value(p[1]);
        uint32_t c = pk__base64_value(p[2]), d = pk__base64_value(p[3]);
        bad |= a | b | c | d;
        to[0] = (char)(a << 2 | b >> 4);
        to[1] = (char)(b << 4 | c >> 2);
        to[2] = (char)(c << 6 | d);
    }
    if (left > 0) { // two or three characters; the bits that no byte takes are 0
        uint32_t a = pk__base64_value(p[0]), b = pk__base64_value(p[1]), c = left > 2 ? pk__base64_value(p[2]) : 0;
        bad |= a | b | c | ((left > 2 ? c & 3 : b & 15) ? 64 : 0);
        *to++ = (char)(a << 2 | b >> 4);
        if (left > 2) {
            *to++ = (char)(b << 4 | c >> 2);
        }
    }
    *len = (size_t)(to - out);
    return (bad & 64) == 0;
}

PK__FN bool pk__hex_encode(pk_buf *out, pk_str bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t size;
    if (!pk__size_mul(bytes.len, 2, &size) || !pk_buf_reserve(out, size)) {
        out->failed = out->failed ? out->failed : PK_ERR_LIMIT;
        return false;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        out->ptr[out->len++] = digits[(unsigned char)bytes.ptr[i] >> 4];
        out->ptr[out->len++] = digits[bytes.ptr[i] & 15];
    }
    return true;
}

static unsigned pk__hex_value(char c)
{
    unsigned char digit = (unsigned char)(c - '0'), letter = (unsigned char)((c | 0x20) - 'a');
    return digit < 10 ? digit : letter < 6 ? letter + 10u : 16u;
}

PK__FN bool pk__hex_decode(pk_str text, char *out, size_t *len)
{
    for (size_t i = 0; i + 1 < text.len; i += 2) {
        unsigned high = pk__hex_value(text.ptr[i]), low = pk__hex_value(text.ptr[i + 1]);
        if ((high | low) & 16) {
            return false;
        }
        out[i / 2] = (char)(high << 4 | low);
    }
    *len = text.len / 2;
    return text.len % 2 == 0;
}
