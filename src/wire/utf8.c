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

/* Most texts stay with one length: up to two characters in one look, as far as that is enough. */
static const char *pk__utf8_usual(const char *p, const char *end)
{
    while (end - p >= 8 && (unsigned char)*p >= 0x80) {
        uint64_t word = pk__swar_load(p);
        if ((word & UINT64_C(0x0000C0C0F0C0C0F0)) == UINT64_C(0x00008080E08080E0)) {
            /* E0 is followed by A0 at least, ED by 9F at most: the other half would be overlong, or a surrogate. */
            uint64_t first = word & 0x200F, second = word >> 24 & 0x200F;
            if (first == 0 || first == 0x200D || second == 0 || second == 0x200D) {
                break;
            }
            p += 6;
        } else if ((word & 0xC0E0) == 0x80C0 && (word & 0x1E) != 0) {
            p += 2;
        } else if ((word & 0xC0C0F0) == 0x8080E0 && (word & 0x200F) != 0 && (word & 0x200F) != 0x200D) {
            p += 3;
        } else {
            break;
        }
    }
    return p;
}

PK__FN const char *pk__utf8_run(const char *p, const char *end)
{
    p = PK__SMALL ? p : pk__utf8_usual(p, end);
    while (p < end && (unsigned char)*p >= 0x80) {
        size_t len = pk__utf8_len(p, end);
        if (len == 0) {
            break;
        }
        p += len;
    }
    return p;
}

PK__FN bool pk__utf8_valid(pk_str text)
{
    const char *p = text.ptr;
    const char *end = text.len > 0 ? p + text.len : p;
    while (p < end) {
        if (end - p >= 8 && !PK__SMALL && (pk__swar_load(p) & PK__SWAR_TOPS) == 0) {
            p += 8;
            continue;
        }
        if ((unsigned char)*p < 0x80) {
            p++;
            continue;
        }
        const char *next = pk__utf8_run(p, end);
        if (next == p) {
            return false;
        }
        p = next;
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
