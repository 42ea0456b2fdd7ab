/* buf.c - pk_buf: a growing buffer with a limit and a sticky failure. */
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

PK_API void pk_buf_init(pk_buf *buf, const pk_alloc *alloc, size_t max)
{
    PK__ASSERT(max > 0);
    memset(buf, 0, sizeof(*buf));
    buf->alloc = alloc;
    buf->max = max;
}

PK_API void pk_buf_free(pk_buf *buf)
{
    if (!buf) {
        return;
    }
    pk__free(buf->alloc, buf->ptr, buf->cap);
    buf->ptr = NULL;
    buf->len = 0;
    buf->cap = 0;
    buf->failed = 0;
}

PK_API void pk_buf_clear(pk_buf *buf)
{
    buf->len = 0;
    buf->failed = 0;
}

PK_API bool pk_buf_reserve(pk_buf *buf, size_t extra)
{
    if (buf->failed) {
        return false;
    }
    if (extra <= buf->cap - buf->len) {
        return true;
    }
    if (buf->len > buf->max || extra > buf->max - buf->len) {
        buf->failed = PK_ERR_LIMIT;
        return false;
    }
    size_t need = buf->len + extra;
    size_t cap = buf->cap < 64 ? PK__MIN(64, buf->max) : buf->cap;
    while (cap < need) {
        cap = cap > buf->max / 2 ? buf->max : cap * 2; // need <= max, so this ends
    }
    char *ptr = (char *)pk__resize(buf->alloc, buf->ptr, buf->cap, cap);
    if (!ptr) {
        buf->failed = PK_ERR_NO_MEMORY;
        return false;
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

PK_API bool pk_buf_add(pk_buf *buf, pk_str bytes)
{
    if (!pk_buf_reserve(buf, bytes.len)) {
        return false;
    }
    if (bytes.len > 0) {
        memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
        buf->len += bytes.len;
    }
    return true;
}

PK_API bool pk_buf_add_char(pk_buf *buf, char c)
{
    if (!pk_buf_reserve(buf, 1)) {
        return false;
    }
    buf->ptr[buf->len++] = c;
    return true;
}

PK_API bool pk_buf_printf(pk_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !pk_buf_reserve(buf, (size_t)len + 1)) { // vsnprintf wants room for its NUL
        return false;
    }
    va_start(args, format);
    (void)vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
    return true;
}

PK_API void pk_buf_drop(pk_buf *buf, size_t count)
{
    PK__ASSERT(count <= buf->len);
    if (count > 0 && count < buf->len) {
        memmove(buf->ptr, buf->ptr + count, buf->len - count);
    }
    buf->len -= count;
}

PK_API pk_str pk_buf_str(const pk_buf *buf)
{
    pk_str s;
    s.ptr = buf->ptr;
    s.len = buf->len;
    return s;
}
