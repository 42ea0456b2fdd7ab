/* http_head.c - reading the head of a message, one line at a time, in place. */
#include "http_head.h"
#include "../base/words.h"
#include "http_scan.h"

#include <string.h>

/* Readers of parts return where the next part begins. NULL: it was refused, or more is needed. */
static const char *pk__http_head_refuse(pk__http_head *h, int status, const char *why)
{
    h->error_status = status;
    h->error = why;
    return NULL;
}

static const char *pk__http_head_skip(const char *p, const char *end, uint8_t class_bit)
{
    return class_bit == PK__HTTP_TOKEN   ? pk__http_scan_token(p, end)
           : class_bit == PK__HTTP_VALUE ? pk__http_scan_value(p, end)
                                         : pk__http_scan_target(p, end);
}

/* Is it `lower`, of at least four letters, but for their case? That is all that 0x20 makes where there are no control
 * characters. */
PK__FN inline bool pk__http_head_same(pk_str s, const char *lower, size_t len)
{
    uint64_t odd = 0;
    if (s.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i += 4) {
        uint32_t word, want;
        size_t at = PK__MIN(i, len - 4);
        memcpy(&word, s.ptr + at, sizeof(word));
        memcpy(&want, lower + at, sizeof(want));
        odd |= word ^ want;
    }
    return (odd & ~(PK__SWAR_ONES * 0x20)) == 0;
}

#define PK__HTTP_HEAD_IS(str, literal) pk__http_head_same(str, literal, sizeof(literal) - 1)

/* More is needed, and the line was good up to its end: `phase` is the class of bytes that may go on with it. */
static const char *pk__http_head_more(pk__http_head *h, uint8_t phase)
{
    h->phase = phase;
    return NULL;
}

static pk_str pk__http_head_view(const char *from, const char *to)
{
    pk_str s;
    s.ptr = from;
    s.len = (size_t)(to - from);
    return s;
}

PK__FN bool pk__http_head_is_token(pk_str s)
{
    return s.len > 0 && pk__http_scan_class(s.ptr, s.ptr + s.len, PK__HTTP_TOKEN) == s.ptr + s.len;
}

PK__FN bool pk__http_head_is_value(pk_str s)
{
    return s.len == 0 || pk__http_scan_value(s.ptr, s.ptr + s.len) == s.ptr + s.len;
}

PK__FN bool pk__http_head_next(pk_str *list, pk_str *element)
{
    if (list->len == 0) {
        return false; // and its pointer may be NULL
    }
    const char *p = list->ptr, *end = p + list->len, *comma = p;
    while (comma < end && *comma != ',') {
        comma++;
    }
    list->ptr = comma < end ? comma + 1 : end;
    list->len = (size_t)(end - list->ptr);
    while (p < comma && (*p == ' ' || *p == '\t')) {
        p++;
    }
    while (comma > p && (comma[-1] == ' ' || comma[-1] == '\t')) {
        comma--;
    }
    *element = pk__http_head_view(p, comma);
    return true;
}

PK__FN bool pk__http_head_has_token(pk_str list, pk_str token)
{
    for (pk_str one; pk__http_head_next(&list, &one);) {
        if (pk_str_ieq(one, token)) {
            return true;
        }
    }
    return false;
}

PK__FN bool pk__http_head_is_vital(pk_str name)
{
    return PK__HTTP_HEAD_IS(name, "content-length") || PK__HTTP_HEAD_IS(name, "transfer-encoding") ||
           PK__HTTP_HEAD_IS(name, "host");
}

PK__FN bool pk__http_head_is_host(pk_str s)
{
    const char *p = s.ptr, *end = p + s.len;
    if (p < end && *p == '[') {
        do {
            p = pk__http_scan_class(p + 1, end, PK__HTTP_HOST);
        } while (p < end && *p == ':');
        if (p == end || *p++ != ']') {
            return false;
        }
    } else {
        p = pk__http_scan_class(p, end, PK__HTTP_HOST);
    }
    if (p > s.ptr && p < end && *p == ':') {
        do {
            p++;
        } while (p < end && *p >= '0' && *p <= '9');
    }
    return p == end;
}

PK__FN bool pk__http_head_number(pk_str digits, uint64_t *out)
{
    uint64_t value = 0;
    if (digits.len == 0 || digits.len > 19) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(digits.ptr[i] - '0'); // 19 digits fit into 64 bits
    }
    *out = value;
    return value <= INT64_MAX;
}

PK__FN pk_str pk__http_head_find(const pk_meta *fields, size_t count, pk_str name)
{
    static const pk_str none = {"", 0};
    for (size_t i = 0; i < count; i++) {
        if (pk__http_head_named(fields[i].name, name)) {
            return fields[i].value;
        }
    }
    return none;
}

static const char pk__http_head_reasons[] = // each behind its status; those that are rare are not worth their bytes
    "100Continue\0" "200OK\0" "201Created\0" "202Accepted\0" "204No Content\0" "301Moved Permanently\0" "302Found\0"
    "304Not Modified\0" "400Bad Request\0" "401Unauthorized\0" "403Forbidden\0" "404Not Found\0"
    "405Method Not Allowed\0" "408Request Timeout\0" "409Conflict\0" "413Content Too Large\0" "414URI Too Long\0"
    "415Unsupported Media Type\0" "417Expectation Failed\0" "421Misdirected Request\0" "422Unprocessable Content\0"
    "429Too Many Requests\0" "431Request Header Fields Too Large\0" "500Internal Server Error\0"
    "501Not Implemented\0" "502Bad Gateway\0" "503Service Unavailable\0" "504Gateway Timeout\0"
    "505HTTP Version Not Supported\0";

PK__FN const char *pk__http_head_reason(int status)
{
    for (const char *row = pk__http_head_reasons; *row; row = pk__words_at(row, 1)) {
        if ((row[0] - '0') * 100 + (row[1] - '0') * 10 + (row[2] - '0') == status) {
            return row + 3;
        }
    }
    return "";
}

/* ---- the start line */

/* "HTTP/1.x". What comes piecemeal is compared as far as it goes, so that other protocols are refused at their first
 * bytes. */
static const char *pk__http_head_version(pk__http_head *h, const char *p, const char *end)
{
    static const char want[] = "HTTP/";
    size_t left = (size_t)(end - p);
    if (memcmp(p, want, PK__MIN(left, 5)) != 0) {
        return pk__http_head_refuse(h, 400, "not an HTTP message");
    }
    if (left < 8) {
        return NULL;
    }
    if (p[5] < '0' || p[5] > '9' || p[6] != '.' || p[7] < '0' || p[7] > '9') {
        return pk__http_head_refuse(h, 400, "not an HTTP message");
    }
    if (p[5] != '1') {
        return pk__http_head_refuse(h, 505, "HTTP version other than 1.0 and 1.1");
    }
    h->minor = p[7] != '0'; // a later minor version is a superset of 1.1
    return p + 8;
}

static const char *pk__http_head_no_line_end(pk__http_head *h, const char *p, const char *end)
{
    if (p < end && *p != '\r') {
        return pk__http_head_refuse(h, 400, *p == '\n' ? "bare LF" : "misplaced character");
    }
    return end - p < 2 ? NULL : pk__http_head_refuse(h, 400, "bare CR");
}

/* CR LF and nothing else. */
PK__FN inline const char *pk__http_head_line_end(pk__http_head *h, const char *p, const char *end)
{
    return end - p >= 2 && p[0] == '\r' && p[1] == '\n' ? p + 2 : pk__http_head_no_line_end(h, p, end);
}

PK__FN const char *pk__http_head_request_line(pk__http_head *h, const char *p, const char *end)
{
    h->is_request = true;
    if (p < end && *p == '\r') { // one empty line before a request is forgiven (RFC 9112, 2.2)
        p = pk__http_head_line_end(h, p, end);
        if (!p) {
            return NULL;
        }
    }
    const char *method = p;
    p = pk__http_scan_token(p, end);
    if (p - method > 32) {
        return pk__http_head_refuse(h, 501, "unknown method");
    }
    if (p == end) {
        return NULL;
    }
    if (*p != ' ' || p == method) {
        return pk__http_head_refuse(h, 400, "malformed request line");
    }
    h->method = pk__http_head_view(method, p++);

    const char *target = p;
    p = pk__http_scan_target(p, end);
    if ((size_t)(p - target) > h->limit.target_bytes) {
        return pk__http_head_refuse(h, 414, "request target is too long");
    }
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_TARGET);
    }
    if (*p != ' ' || p == target) {
        return pk__http_head_refuse(h, 400, "malformed request target");
    }
    h->target = pk__http_head_view(target, p++);

    p = pk__http_head_version(h, p, end);
    return p ? pk__http_head_line_end(h, p, end) : NULL;
}

PK__FN const char *pk__http_head_status_line(pk__http_head *h, const char *p, const char *end)
{
    p = pk__http_head_version(h, p, end);
    if (!p) {
        return NULL;
    }
    int status = 0;
    for (int i = 0; i < 4; i++, p++) {
        if (p == end) {
            return NULL;
        }
        if (i == 0 ? *p != ' ' : *p < '0' || *p > '9') {
            return pk__http_head_refuse(h, 502, "malformed status line");
        }
        status = i == 0 ? 0 : status * 10 + (*p - '0');
    }
    h->status = status;
    if (status < 100) {
        return pk__http_head_refuse(h, 502, "status below 100");
    }
    if (p == end) {
        return NULL;
    }
    if (*p == ' ') {
        p++;
    } else if (*p != '\r') {
        return pk__http_head_refuse(h, 502, "malformed status line");
    }
    const char *reason = p;
    p = pk__http_scan_value(p, end);
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_VALUE);
    }
    h->reason = pk__http_head_view(reason, p);
    return pk__http_head_line_end(h, p, end);
}

/* ---- fields. Those below frame the message or decide about the connection; all others are left to their readers. */

static void pk__http_head_length(pk__http_head *h, pk_str value)
{
    if (h->has_length || !pk__http_head_number(value, &h->length)) {
        (void)pk__http_head_refuse(h, 400, "malformed or second Content-Length");
    }
    h->has_length = true;
}

static void pk__http_head_coding(pk__http_head *h, pk_str value)
{
    pk_str list = value, last = {"", 0};
    while (pk__http_head_next(&list, &last)) {
    }
    /* "gzip, chunked" is proper HTTP that we do not speak; anything else has no certain end. Nor has what a blank
     * follows: it means nothing, but llhttp (a tab) and Python's http.client take it for a part of the name. */
    if (h->has_coding || last.ptr + last.len != value.ptr + value.len || value.ptr[value.len] != '\r' ||
        !PK__HTTP_HEAD_IS(last, "chunked")) {
        (void)pk__http_head_refuse(h, 400, "malformed or second Transfer-Encoding");
    } else if (last.len != value.len) {
        (void)pk__http_head_refuse(h, 501, "transfer coding other than chunked");
    }
    h->has_coding = true;
}

static void pk__http_head_host(pk__http_head *h, pk_str value)
{
    if (h->is_request && (h->has_host || !pk__http_head_is_host(value))) {
        (void)pk__http_head_refuse(h, 400, "malformed or second Host header");
    }
    h->has_host = true;
    h->host = value;
}

static void pk__http_head_expect(pk__http_head *h, pk_str value)
{
    if (h->is_request && !PK__HTTP_HEAD_IS(value, "100-continue")) {
        (void)pk__http_head_refuse(h, 417, "expectation other than 100-continue");
    }
    h->expects_continue = true;
}

static void pk__http_head_connection(pk__http_head *h, pk_str value)
{
    if (PK__HTTP_HEAD_IS(value, "keep-alive")) { // as most do
        h->says_keep = true;
        return;
    }
    for (pk_str one; pk__http_head_next(&value, &one);) {
        /* A proxy takes away what is named here: then the message would end elsewhere for whoever stands behind it. */
        if (pk__http_head_is_vital(one)) {
            (void)pk__http_head_refuse(h, 400, "Connection names a vital header");
        }
        h->says_close |= PK__HTTP_HEAD_IS(one, "close");
        h->says_keep |= PK__HTTP_HEAD_IS(one, "keep-alive");
    }
}

PK__FN inline void pk__http_head_special(pk__http_head *h, pk_str name, pk_str value)
{
    if (name.len == 4 && PK__HTTP_HEAD_IS(name, "host")) {
        pk__http_head_host(h, value);
    } else if (name.len == 6 && PK__HTTP_HEAD_IS(name, "expect")) {
        pk__http_head_expect(h, value);
    } else if (name.len == 10 && PK__HTTP_HEAD_IS(name, "connection")) {
        pk__http_head_connection(h, value);
    } else if (name.len == 14 && PK__HTTP_HEAD_IS(name, "content-length")) {
        pk__http_head_length(h, value);
    } else if (name.len == 17 && PK__HTTP_HEAD_IS(name, "transfer-encoding")) {
        pk__http_head_coding(h, value);
    }
}

static const char *pk__http_head_bad_name(pk__http_head *h, const char *name, const char *p)
{
    bool is_blank = *p == ' ' || *p == '\t';
    return pk__http_head_refuse(h, 400, p == name && is_blank ? "folded header line"
                                        : is_blank            ? "space before the colon"
                                                              : "malformed header name");
}

static const char *pk__http_head_line(pk__http_head *h, const char *name, const char *end, pk_meta *field)
{
    const char *p = pk__http_scan_token(name, end);
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_TOKEN);
    }
    if (*p != ':' || p == name) {
        return pk__http_head_bad_name(h, name, p);
    }
    field->name = pk__http_head_view(name, p++);
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    const char *value = p;
    p = pk__http_scan_value(p, end);
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_VALUE);
    }
    const char *value_end = p;
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
        value_end--;
    }
    field->value = pk__http_head_view(value, value_end);
    return pk__http_head_line_end(h, p, end);
}

/* ---- the whole */

/* All fields are there: do they agree with each other, and where does the body end? */
static void pk__http_head_finish(pk__http_head *h)
{
    const char *why = h->has_coding && h->has_length   ? "both Content-Length and Transfer-Encoding"
                      : h->has_coding && h->minor == 0 ? "Transfer-Encoding in HTTP/1.0"
                      : h->is_request && h->minor == 1 && !h->has_host ? "missing required Host header"
                                                                                     : NULL;
    if (why) {
        (void)pk__http_head_refuse(h, 400, why);
    }
    h->keep_alive = !h->says_close && (h->minor == 1 || h->says_keep);
    h->framing = h->has_coding ? PK__HTTP_CHUNKED : h->length > 0 ? PK__HTTP_LENGTH : PK__HTTP_NO_BODY;
    h->expects_continue &= h->minor == 1 && h->framing != PK__HTTP_NO_BODY;
}

/* Zeros. Of 64 bytes compilers make four stores; of all at once a string instruction as slow as three fields. */
static void pk__http_head_clear(pk__http_head *head)
{
    const size_t half = sizeof(*head) > 128 ? 64 : 32, rest = sizeof(*head) - 3 * half;
    char *bytes = (char *)head;
    memset(bytes, 0, half);
    memset(bytes + half, 0, half);
    memset(bytes + 2 * half, 0, half);
    memset(bytes + 3 * half, 0, rest);
}

PK__FN void pk__http_head_begin(pk__http_head *head, pk__http_start *start, pk_meta *fields,
                                const pk__http_limits *limit)
{
    pk__http_head_clear(head);
    head->read_start = start;
    head->fields = fields;
    head->limit = *limit;
}

/* The buffer lies elsewhere now, and all views were into the old one. */
static void pk__http_head_restart(pk__http_head *h, const char *buf)
{
    pk__http_limits limit = h->limit;
    pk__http_head_begin(h, h->read_start, h->fields, &limit);
    h->base = buf;
}

/* The fields, up to the empty line. Gives its end, or NULL; *at stays at the first line that is not whole. */
static const char *pk__http_head_fields(pk__http_head *h, const char *buf, const char **at, const char *end)
{
    pk__http_scan scan;
    const char *p = *at;
    pk__http_scan_begin(&scan, buf, p, end);
    while (p < end && *p != '\r') {
        pk_meta field;
        const char *next = pk__http_scan_line(&scan, p, &field);
        if (!next) {
            next = pk__http_head_line(h, p, end, &field);
        }
        if (next && h->field_count == h->limit.fields) {
            next = pk__http_head_refuse(h, 431, "header is too large");
        }
        if (!next) {
            *at = p;
            return NULL;
        }
        p = next;
        h->fields[h->field_count++] = field;
        pk__http_head_special(h, field.name, field.value);
        if (h->error) {
            return NULL;
        }
    }
    *at = p;
    return pk__http_head_line_end(h, p, end);
}

/* Line by line; h->at stays at the first that is not whole. */
static const char *pk__http_head_lines(pk__http_head *h, const char *buf, const char *end)
{
    const char *at = buf + h->at, *p = at;
    h->phase = 0;
    if (!h->has_start) {
        p = h->read_start(h, p, end);
        if (!p) {
            return NULL;
        }
        h->has_start = true;
        at = p;
    }
    p = pk__http_head_fields(h, buf, &at, end);
    h->at = (size_t)(at - buf);
    return p;
}

PK__FN pk__http_result pk__http_head_parse(pk__http_head *h, const char *buf, size_t len)
{
    if (h->error) {
        return PK__HTTP_ERROR;
    }
    if (len == 0) {
        return PK__HTTP_MORE;
    }
    if (buf != h->base) {
        pk__http_head_restart(h, buf);
    }
    len = PK__MIN(len, h->limit.head_bytes); // what is behind that is never looked at, however the bytes come
    const char *end = buf + len, *p = NULL;
    /* Where the new bytes only make the line longer, it is not read again from its start: so the work stays in
     * proportion to the bytes, however many pieces they come in. */
    if (h->phase == 0 || (!h->has_start && len > h->limit.target_bytes) ||
        pk__http_head_skip(buf + h->seen, end, h->phase) != end) {
        p = pk__http_head_lines(h, buf, end);
    }
    h->seen = len;
    if (p) {
        h->size = (size_t)(p - buf);
        pk__http_head_finish(h);
    } else if (len == h->limit.head_bytes && !h->error) {
        (void)pk__http_head_refuse(h, 431, "header is too large");
    }
    return h->error ? PK__HTTP_ERROR : p ? PK__HTTP_DONE : PK__HTTP_MORE;
}

PK__FN void pk__http_head_response(pk__http_head *h, bool to_head_request)
{
    bool is_bare = h->status < 200 || h->status == 204;
    if (to_head_request || is_bare || h->status == 304) {
        h->framing = PK__HTTP_NO_BODY;
        h->keep_alive &= !is_bare || (!h->has_coding && h->length == 0); // or something may follow all the same
    } else if (h->has_coding) {
        h->framing = PK__HTTP_CHUNKED;
    } else if (h->has_length) {
        h->framing = h->length > 0 ? PK__HTTP_LENGTH : PK__HTTP_NO_BODY;
    } else {
        h->framing = PK__HTTP_UNTIL_CLOSE;
        h->keep_alive = false;
    }
}
