/* str.c - views of bytes. */
#include "defs.h"

#include <string.h>

PK_API pk_str pk_str_from(const char *text)
{
    pk_str s;
    s.ptr = text ? text : "";
    s.len = text ? strlen(text) : 0;
    return s;
}

PK_API bool pk_str_eq(pk_str a, pk_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

PK_API bool pk_str_is(pk_str a, const char *text)
{
    return pk_str_eq(a, pk_str_from(text));
}

static unsigned char pk__str_lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

PK_API bool pk_str_ieq(pk_str a, pk_str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] != b.ptr[i] && pk__str_lower(a.ptr[i]) != pk__str_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

PK_API bool pk_str_starts(pk_str s, pk_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

PK_API bool pk_str_cut(pk_str s, char at, pk_str *before, pk_str *after)
{
    const char *hit = s.len ? (const char *)memchr(s.ptr, at, s.len) : NULL;
    if (!hit) {
        return false;
    }
    size_t len = (size_t)(hit - s.ptr);
    after->ptr = hit + 1;
    after->len = s.len - len - 1;
    before->ptr = s.ptr;
    before->len = len;
    return true;
}
