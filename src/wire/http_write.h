/* http_write.h - putting heads of messages together.
 *
 * Everything goes into a pk_buf, whose failure sticks: one check at the end is enough. Names and values must have been
 * checked before (pk__http_write_refused): whoever writes foreign bytes into a head lets them write messages.
 *
 *     pk__http_write_request(&buf, method, target, lines);       pk__http_write_status(&buf, 200);
 *     pk__http_write_fields(&buf, fields, count);
 *     pk__http_write_number(&buf, PK_STR("Content-Length"), 12);
 *     pk__http_write_end(&buf);
 *
 * Heads are written for every message. What is the same in all of them (`lines`) is written once and copied. */
#ifndef PK__HTTP_WRITE_H
#define PK__HTTP_WRITE_H
#include <string.h>

#include "../base/memory.h"

PK__HOT char *pk__http_write_put(char *at, pk_str s)
{
    if (s.len > 0) {
        memcpy(at, s.ptr, s.len);
    }
    return at + s.len;
}

/* Inline: of a name that is known when compiling nothing is left but a move or two. */
PK__HOT void pk__http_write_field(pk_buf *buf, pk_str name, pk_str value)
{
    size_t len = name.len + value.len + 4;
    char *at = pk__buf_room(buf, len);
    if (at) {
        at = pk__http_write_put(at, name);
        at = pk__http_write_put(at, PK_STR(": "));
        at = pk__http_write_put(at, value);
        (void)pk__http_write_put(at, PK_STR("\r\n"));
        buf->len += len;
    }
}

/* `lines`: whole lines, each with its end, that come first: Host, and what else is known beforehand. */
PK__FN void pk__http_write_request(pk_buf *buf, pk_str method, pk_str target, pk_str lines);
PK__FN void pk__http_write_status(pk_buf *buf, int status);
PK__FN void pk__http_write_number(pk_buf *buf, pk_str name, uint64_t value);
PK__FN void pk__http_write_fields(pk_buf *buf, const pk_meta *fields, size_t count);
PK__HOT void pk__http_write_end(pk_buf *buf)
{
    char *at = pk__buf_room(buf, 2);
    if (at) {
        (void)pk__http_write_put(at, PK_STR("\r\n"));
        buf->len += 2;
    }
}

/* Is there a field that users may not send: a malformed one, or one that says where messages end or who is asking?
 * Says why, with its number in *at; NULL = all are fine. */
PK__FN const char *pk__http_write_refused(const pk_meta *fields, size_t count, size_t *at);

#endif
