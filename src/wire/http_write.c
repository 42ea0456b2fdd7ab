/* http_write.c - heads of messages. */
#include "http_write.h"
#include "http_head.h"
#include "number.h"

PK__FN void pk__http_write_request(pk_buf *buf, pk_str method, pk_str target, pk_str lines)
{
    const pk_str version = PK_STR(" HTTP/1.1\r\n");
    size_t len = method.len + 1 + target.len + version.len + lines.len;
    char *at = pk__buf_room(buf, len);
    if (at) {
        at = pk__http_write_put(at, method);
        *at++ = ' ';
        at = pk__http_write_put(at, target);
        at = pk__http_write_put(at, version);
        (void)pk__http_write_put(at, lines);
        buf->len += len;
    }
}

PK__FN void pk__http_write_status(pk_buf *buf, int status)
{
    if (status == 200) { // as nearly always
        (void)pk_buf_add(buf, PK_STR("HTTP/1.1 200 OK\r\n"));
        return;
    }
    (void)pk_buf_printf(buf, "HTTP/1.1 %03d %s\r\n", status, pk__http_head_reason(status));
}

PK__FN void pk__http_write_number(pk_buf *buf, pk_str name, uint64_t value)
{
    char digits[PK__NUMBER_CAP];
    pk_str text = {digits, (size_t)(pk__number_put_uint(digits, value) - digits)};
    pk__http_write_field(buf, name, text);
}

PK__FN void pk__http_write_fields(pk_buf *buf, const pk_meta *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pk__http_write_field(buf, fields[i].name, fields[i].value);
    }
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
