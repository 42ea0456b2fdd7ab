/* http_write.h - putting heads of messages together.
 *
 * Everything goes into a pk_buf, whose failure sticks: one check at the end is enough. Names and values must have been
 * checked before (pk__http_write_refused): whoever writes foreign bytes into a head lets them write messages.
 *
 *     pk__http_write_request(&buf, method, target, host);        pk__http_write_status(&buf, 200);
 *     pk__http_write_fields(&buf, fields, count);
 *     pk__http_write_number(&buf, "Content-Length", 12);
 *     pk__http_write_end(&buf);                                                                               */
#ifndef PK__HTTP_WRITE_H
#define PK__HTTP_WRITE_H
#include "../base/defs.h"

PK__FN void pk__http_write_request(pk_buf *buf, pk_str method, pk_str target, pk_str host);
PK__FN void pk__http_write_status(pk_buf *buf, int status);
PK__FN void pk__http_write_field(pk_buf *buf, const char *name, pk_str value);
PK__FN void pk__http_write_number(pk_buf *buf, const char *name, uint64_t value);
PK__FN void pk__http_write_fields(pk_buf *buf, const pk_meta *fields, size_t count);
PK__FN void pk__http_write_end(pk_buf *buf);

/* Is there a field that users may not send: a malformed one, or one that says where messages end or who is asking?
 * Says why, with its number in *at; NULL = all are fine. */
PK__FN const char *pk__http_write_refused(const pk_meta *fields, size_t count, size_t *at);

#endif
