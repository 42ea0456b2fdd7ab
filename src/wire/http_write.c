/* http_write.c - heads of messages. */
#include "http_write.h"
#include "http_head.h"

#include <string.h>

static void pk__http_write_text(pk_buf *buf, const char *text)
{
    (void)pk_buf_add(buf, pk_str_from(text));
}

PK__FN void pk__http_write_request(pk_buf *buf, pk_str method, pk_str target, pk_str host)
{
    (void)pk_buf_add(buf, method);
    (void)pk_buf_add_char(buf, ' ');
    (void)pk_buf_add(buf, target);
    pk__http_write_text(buf, " HTTP/1.1\r\nHost: ");
    (void)pk_buf_add(buf, host);
    pk__http_write_text(buf, "\r\n");
}

PK__FN void pk__http_write_status(pk_buf *buf, int status)
{
    char line[] = "HTTP/1.1 000 ";
    line[9] = (char)('0' + status / 100 % 10);
    line[10] = (char)('0' + status / 10 % 10);
    line[11] = (char)('0' + status % 10);
    pk__http_write_text(buf, line);
    pk__http_write_text(buf, pk__http_head_reason(status));
    pk__http_write_text(buf, "\r\n");
}

PK__FN void pk__http_write_field(pk_buf *buf, const char *name, pk_str value)
{
    pk__http_write_text(buf, name);
    pk__http_write_text(buf, ": ");
    (void)pk_buf_add(buf, value);
    pk__http_write_text(buf, "\r\n");
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
        (void)pk_buf_add(buf, fields[i].name);
        pk__http_write_text(buf, ": ");
        (void)pk_buf_add(buf, fields[i].value);
        pk__http_write_text(buf, "\r\n");
    }
}

PK__FN void pk__http_write_end(pk_buf *buf)
{
    pk__http_write_text(buf, "\r\n");
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
