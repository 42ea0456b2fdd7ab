/* http_head.h - the head of an HTTP/1.x message: bytes in, views out (RFC 9110, RFC 9112).
 *
 * Nothing is copied and nothing is allocated: method, target and fields are views into the caller's buffer, the field
 * array is the caller's. Feed the whole buffer each time more bytes have come; while it stays where it is, finished
 * lines are not read again, so a peer that sends one byte at a time costs no more than one that sends all:
 *
 *     pk__http_head_init(&head, PK__HTTP_REQUEST, fields, cap, &limits);
 *     switch (pk__http_head_parse(&head, buf, len)) {
 *     case PK__HTTP_MORE:  read more into buf (which may have moved), call again
 *     case PK__HTTP_DONE:  head.size bytes were the head; head.framing says how the body goes on
 *     case PK__HTTP_ERROR: answer head.error_status with head.error, and close
 *     }
 *
 * One reading of every message, or none: lengths are digits only (19 at most), and a second or a listed one, one
 * together with Transfer-Encoding, any coding but one "chunked" with the line's end right behind it, folded lines, a CR
 * or LF that is not a line end, a space before the colon, an empty name, control characters, a missing, second or
 * malformed Host, a Connection that names one of these are all refused. After a refusal nothing on the connection can
 * be trusted: it must be closed. */
#ifndef PK__HTTP_HEAD_H
#define PK__HTTP_HEAD_H
#include <string.h>

#include "../base/defs.h"

typedef enum pk__http_result { PK__HTTP_MORE, PK__HTTP_DONE, PK__HTTP_ERROR } pk__http_result;
typedef enum pk__http_kind { PK__HTTP_REQUEST, PK__HTTP_RESPONSE } pk__http_kind;
typedef enum pk__http_framing {
    PK__HTTP_NO_BODY,
    PK__HTTP_LENGTH,     // head.length bytes follow
    PK__HTTP_CHUNKED,
    PK__HTTP_UNTIL_CLOSE // responses only
} pk__http_framing;

typedef struct pk__http_limits {
    size_t head_bytes, target_bytes, fields; // a field array must have room for `fields`
} pk__http_limits;

struct pk__http_head;
typedef const char *(pk__http_start)(struct pk__http_head *h, const char *p, const char *end);

typedef struct pk__http_head {
    pk_str method, target;    // of a request
    int status;               // of a response
    pk_str reason;            //   and its words
    int minor;                // 0 or 1: HTTP/1.0 or HTTP/1.1
    pk_meta *fields;          // in the order in which they came
    size_t field_count;
    size_t size;              // bytes of the head, when done
    pk__http_framing framing; // of a response: call pk__http_head_response first
    uint64_t length;          // of the body, if framing is LENGTH
    bool keep_alive;          // the peer is willing to go on after this message
    bool expects_continue;    // it waits for "100 Continue" before it sends the body
    pk_str host;              // the Host field; "" if absent (HTTP/1.0) or empty
    int error_status;         // 400, 413, 414, 417, 431, 501 or 505, when refused
    const char *error;        //   and why: static text

    /* private: where the parser stands */
    pk__http_start *read_start; // reads the first line
    pk__http_limits limit;
    const char *base;         // the buffer at the last call: when it moves, reading begins anew
    size_t at, seen;          // start of the first unfinished line; bytes that were looked at
    uint8_t phase;            // see pk__http_head_more
    bool is_request, has_start, has_length, has_coding, has_host, says_close, says_keep;
} pk__http_head;

/* Which first line is to be read is decided here, so that a program that only asks, or only answers, has one of the
 * two readers. */
PK__FN pk__http_start pk__http_head_request_line, pk__http_head_status_line;
PK__FN void pk__http_head_begin(pk__http_head *head, pk__http_start *start, pk_meta *fields,
                                const pk__http_limits *limit);
PK__LOCAL inline void pk__http_head_init(pk__http_head *head, pk__http_kind kind, pk_meta *fields,
                                      const pk__http_limits *limit)
{
    pk__http_head_begin(head, kind == PK__HTTP_REQUEST ? pk__http_head_request_line : pk__http_head_status_line, fields,
                        limit);
}
PK__FN pk__http_result pk__http_head_parse(pk__http_head *head, const char *buf, size_t len);
/* What a response's framing is depends on the request: answers to HEAD, 1xx, 204 and 304 have no body. */
PK__FN void pk__http_head_response(pk__http_head *head, bool to_head_request);
/* The value of the first field of that name (any case); "" if absent. */
PK__FN pk_str pk__http_head_find(const pk_meta *fields, size_t count, pk_str name);

/* Is a field called that? Most peers write names as everybody does, and that is quickly seen. */
PK__HOT bool pk__http_head_named(pk_str field, pk_str name)
{
    if (PK__SMALL) {
        return pk_str_ieq(field, name);
    }
    return field.len == name.len && ((field.ptr[0] ^ name.ptr[0]) & ~0x20) == 0 &&
           (memcmp(field.ptr, name.ptr, name.len) == 0 || pk_str_ieq(field, name));
}

/* May it be sent? Field names and methods are tokens; values hold no control characters but tabs. */
PK__FN bool pk__http_head_is_token(pk_str s);
PK__FN bool pk__http_head_is_value(pk_str s);
PK__FN bool pk__http_head_is_host(pk_str s); // "name", "name:80", "[::1]:80"; "" is one
/* Does it say where a message ends or where it goes? It may stand in no trailer, nor be named in Connection. */
PK__FN bool pk__http_head_is_vital(pk_str name);
/* The next element of a comma-separated list, without the blanks around it. False: there is none. */
PK__FN bool pk__http_head_next(pk_str *list, pk_str *element);
/* Is `token` in this comma-separated list (any case)? */
PK__FN bool pk__http_head_has_token(pk_str list, pk_str token);
/* Digits only, at least one, at most 19, below 2^63. */
PK__FN bool pk__http_head_number(pk_str digits, uint64_t *out);
/* "Not Found"; "" for a status without a usual phrase. Static. */
PK__FN const char *pk__http_head_reason(int status);

#endif
