/* http_write.c - heads of messages. */
#include "http_write.h"
#include "http_head.h"

#include <string.h>

static char *pk__http_write_put(char *at, const char *from, size_t len)
{
    if (len > 0) {
        memcpy(at, from, len);
    }
    return at + len;
}

/* Five pieces in a row, with one look at the room: heads are written for every message. */
static void pk__http_write_line(pk_buf *buf, pk_str a, pk_str b, pk_str c, pk_str d, pk_str e)
{
    size_t len = a.len + b.len + c.len + d.len + e.len;
    if (pk_buf_reserve(buf, len)) {
        char *at = buf->ptr + buf->len;
        at = pk__http_write_put(at, a.ptr, a.len);
        at = pk__http_write_put(at, b.ptr, b.len);
        at = pk__http_write_put(at, c.ptr, c.len);
        at = pk__http_write_put(at, d.ptr, d.len);
        (void)pk__http_write_put(at, e.ptr, e.len);
        buf->len += len;
    }
}

static void pk__http_write_pair(pk_buf *buf, pk_str name, pk_str value)
{
    pk__http_write_line(buf, name, PK_STR(": "), value, PK_STR("\r\n"), PK_STR(""));
}

PK__FN void pk__http_write_request(pk_buf *buf, pk_str method, pk_str target, pk_str host)
{
    pk__http_write_line(buf, method, PK_STR(" "), target, PK_STR(" HTTP/1.1\r\nHost: "), host);
    (void)pk_buf_add(buf, PK_STR("\r\n"));
}

PK__FN void pk__http_write_status(pk_buf *buf, int status)
{
    char number[4] = {'0', '0', '0', ' '};
    number[0] = (char)('0' + status / 100 % 10);
    number[1] = (char)('0' + status / 10 % 10);
    number[2] = (char)('0' + status % 10);
    pk_str text = {number, sizeof(number)};
    pk__http_write_line(buf, PK_STR("HTTP/1.1 "), text, pk_str_from(pk__http_head_reason(status)), PK_STR("\r\n"),
                        PK_STR(""));
}

PK__FN void pk__http_write_field(pk_buf *buf, const char *name, pk_str value)
{
    pk__http_write_pair(buf, pk_str_from(name), value);
}

PK__FN void pk__http_write_number(pk_buf *buf, const char *name, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    pk_str text = {digits + at, sizeof(digits) - at};
    pk__http_write_field(buf, name, text);
}

PK__FN void pk__http_write_fields(pk_buf *buf, const pk_meta *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pk__http_write_pair(buf, fields[i].name, fields[i].value);
    }
}

PK__FN void pk__http_write_end(pk_buf *buf)
{
    (void)pk_buf_add(buf, PK_STR("\r\n"));
}

static bool pk__http_write_is_ours(pk_str name)
{
    static const char *const ours[] = {
        "Host",   "Content-Length",   "Transfer-Encoding", "Connection", "Keep-Alive",    "TE",
        "Expect", "Proxy-Connection", "Trailer",           "Upgrade",    "PlugKit-Token",
    };
    for (size_t i = 0; i < PK__COUNT(ours); i++) {
        if (pk_str_ieq(name, pk_str_from(ours[i]))) {
            return true;
        }
    }
    return false;
}

PK__FN const char *pk__http_write_refused(const pk_meta *fields, size_t count, size_t *at)
{
    for (*at = 0; *at < count; ++*at) {
        const pk_meta *f = &fields[*at];
        if (!pk__http_head_is_token(f->name)) {
            return "the name is not a header name";
        }
        if (!pk__http_head_is_value(f->value)) {
            return "the value holds control characters";
        }
        if (pk__http_write_is_ours(f->name)) {
            return "the library sends this header itself";
        }
    }
    return NULL;
}
