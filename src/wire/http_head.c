/* http_head.c - reading the head of a message, one line at a time, in place. */
#include "http_head.h"
#include "../base/words.h"
#include "swar.h"

#include <string.h>

enum {
    PK__HTTP_TOKEN = 1, // of names and methods (RFC 9110, 5.6.2)
    PK__HTTP_VALUE = 2, // of field values: no control character but the tab
    PK__HTTP_TARGET = 4 // of request targets: printable ASCII without the space
};

/* One row for each sixteen bytes. What is above 0x7f may stand in values only (obs-text). */
static const uint8_t pk__http_head_class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 7, 6, 7, 7, 7, 7, 7, 6, 6, 7, 7, 6, 7, 7, 6, //   ! " # $ % & ' ( ) * + , - . /
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6, // 0 1 2 3 4 5 6 7 8 9 : ; < = > ?
    6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // @ A to O
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 7, 7, // P to Z [ \ ] ^ _
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // ` a to o
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 7, 6, 7, 0, // p to z { | } ~
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
};

static bool pk__http_head_is(char c, unsigned classes)
{
    return (pk__http_head_class[(unsigned char)c] & classes) != 0;
}

static pk__http_result pk__http_head_refuse(pk__http_head *h, int status, const char *why)
{
    h->error_status = status;
    h->error = why;
    return PK__HTTP_ERROR;
}

static const char *pk__http_head_skip_token(const char *p, const char *end)
{
    while (p < end && pk__http_head_is(*p, PK__HTTP_TOKEN)) {
        p++;
    }
    return p;
}

/* Skips bytes of values or targets: printable ASCII eight at a time; what is not plain is looked up. */
static const char *pk__http_head_skip_text(const char *p, const char *end, uint8_t class_bit)
{
    const uint64_t least = PK__SWAR_ONES * (class_bit == PK__HTTP_VALUE ? 0x20 : 0x21);
    while (end - p >= 8) {
        uint64_t word = pk__swar_load(p);
        uint64_t odd = word | (word - least) | ((word ^ PK__SWAR_ONES * 0x7f) - PK__SWAR_ONES);
        odd &= PK__SWAR_TOPS; // above 0x7f, or below the least, or 0x7f
        if (odd != 0) {
            p += pk__swar_first(odd);
            break;
        }
        p += 8;
    }
    while (p < end && pk__http_head_is(*p, class_bit)) {
        p++;
    }
    return p;
}

static const char *pk__http_head_skip(const char *p, const char *end, uint8_t class_bit)
{
    return class_bit == PK__HTTP_TOKEN ? pk__http_head_skip_token(p, end) : pk__http_head_skip_text(p, end, class_bit);
}

/* Equal to `lower`, which is lower case, but for ASCII case. */
static bool pk__http_head_ieq(pk_str s, const char *lower)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c | 0x20);
        }
        if (c != lower[i]) { // a shorter `lower` differs at its NUL
            return false;
        }
    }
    return lower[s.len] == '\0';
}

/* More is needed, and the line was good up to its end: `phase` is the class of bytes that may go on with it. */
static pk__http_result pk__http_head_more(pk__http_head *h, uint8_t phase)
{
    h->phase = phase;
    return PK__HTTP_MORE;
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
    for (size_t i = 0; i < s.len; i++) {
        if (!pk__http_head_is(s.ptr[i], PK__HTTP_TOKEN)) {
            return false;
        }
    }
    return s.len > 0;
}

PK__FN bool pk__http_head_is_value(pk_str s)
{
    return s.len == 0 || pk__http_head_skip_text(s.ptr, s.ptr + s.len, PK__HTTP_VALUE) == s.ptr + s.len;
}

PK__FN bool pk__http_head_has_token(pk_str list, pk_str token)
{
    for (size_t i = 0; i < list.len;) {
        size_t begin = i;
        while (i < list.len && list.ptr[i] != ',') {
            i++;
        }
        size_t end = i++;
        while (begin < end && (list.ptr[begin] == ' ' || list.ptr[begin] == '\t')) {
            begin++;
        }
        while (end > begin && (list.ptr[end - 1] == ' ' || list.ptr[end - 1] == '\t')) {
            end--;
        }
        if (pk_str_ieq(pk__http_head_view(list.ptr + begin, list.ptr + end), token)) {
            return true;
        }
    }
    return false;
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
        /* Most peers write names as everybody does, and that is quickly seen. */
        if (fields[i].name.len == name.len &&
            (memcmp(fields[i].name.ptr, name.ptr, name.len) == 0 || pk_str_ieq(fields[i].name, name))) {
            return fields[i].value;
        }
    }
    return none;
}

PK__FN const char *pk__http_head_reason(int status)
{
    static const char words[] = // each behind its status
        "100Continue\0" "101Switching Protocols\0" "200OK\0" "201Created\0" "202Accepted\0"
        "203Non-Authoritative Information\0" "204No Content\0" "205Reset Content\0" "206Partial Content\0"
        "300Multiple Choices\0" "301Moved Permanently\0" "302Found\0" "303See Other\0" "304Not Modified\0"
        "307Temporary Redirect\0" "308Permanent Redirect\0" "400Bad Request\0" "401Unauthorized\0"
        "402Payment Required\0" "403Forbidden\0" "404Not Found\0" "405Method Not Allowed\0" "406Not Acceptable\0"
        "408Request Timeout\0" "409Conflict\0" "410Gone\0" "411Length Required\0" "412Precondition Failed\0"
        "413Content Too Large\0" "414URI Too Long\0" "415Unsupported Media Type\0" "416Range Not Satisfiable\0"
        "417Expectation Failed\0" "421Misdirected Request\0" "422Unprocessable Content\0" "425Too Early\0"
        "426Upgrade Required\0" "428Precondition Required\0" "429Too Many Requests\0"
        "431Request Header Fields Too Large\0" "499Client Closed Request\0" "500Internal Server Error\0"
        "501Not Implemented\0" "502Bad Gateway\0" "503Service Unavailable\0" "504Gateway Timeout\0"
        "505HTTP Version Not Supported\0" "507Insufficient Storage\0";
    for (const char *row = words; *row; row = pk__words_at(row, 1)) {
        if ((row[0] - '0') * 100 + (row[1] - '0') * 10 + (row[2] - '0') == status) {
            return row + 3;
        }
    }
    return "";
}

/* ---- the start line */

/* "HTTP/1.x": DONE with *p behind it. What comes piecemeal is compared as far as it goes, so that other protocols are
 * refused at their first bytes. */
static pk__http_result pk__http_head_version(pk__http_head *h, const char **p, const char *end)
{
    static const char want[] = "HTTP/";
    const char *s = *p;
    for (size_t i = 0; i < 5; i++, s++) {
        if (s == end) {
            return PK__HTTP_MORE;
        }
        if (*s != want[i]) {
            return pk__http_head_refuse(h, 400, "not an HTTP message");
        }
    }
    if (end - s < 3) {
        return PK__HTTP_MORE;
    }
    if (s[0] < '0' || s[0] > '9' || s[1] != '.' || s[2] < '0' || s[2] > '9') {
        return pk__http_head_refuse(h, 400, "malformed HTTP version");
    }
    if (s[0] != '1') {
        return pk__http_head_refuse(h, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    h->minor = s[2] == '0' ? 0 : 1; // a later minor version is a superset of 1.1
    *p = s + 3;
    return PK__HTTP_DONE;
}

/* CR LF and nothing else. */
static pk__http_result pk__http_head_line_end(pk__http_head *h, const char **p, const char *end)
{
    if (*p == end) {
        return PK__HTTP_MORE;
    }
    if (**p != '\r') {
        return pk__http_head_refuse(h, 400, **p == '\n' ? "bare LF" : "control character or space where none may be");
    }
    if (end - *p < 2) {
        return PK__HTTP_MORE;
    }
    if ((*p)[1] != '\n') {
        return pk__http_head_refuse(h, 400, "bare CR");
    }
    *p += 2;
    return PK__HTTP_DONE;
}

static pk__http_result pk__http_head_request_line(pk__http_head *h, const char **at, const char *end)
{
    const char *p = *at;
    if (h->at == 0 && p < end && *p == '\r') { // one empty line before a request is forgiven (RFC 9112, 2.2)
        pk__http_result r = pk__http_head_line_end(h, &p, end);
        if (r != PK__HTTP_DONE) {
            return r;
        }
    }
    const char *method = p;
    p = pk__http_head_skip_token(p, end);
    if (p - method > 32) {
        return pk__http_head_refuse(h, 501, "unknown method");
    }
    if (p == end) {
        return pk__http_head_more(h, 0);
    }
    if (*p != ' ' || p == method) {
        return pk__http_head_refuse(h, 400, "malformed request line");
    }
    h->method = pk__http_head_view(method, p++);

    const char *target = p;
    p = pk__http_head_skip_text(p, end, PK__HTTP_TARGET);
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

    pk__http_result r = pk__http_head_version(h, &p, end);
    if (r == PK__HTTP_DONE) {
        r = pk__http_head_line_end(h, &p, end);
    }
    *at = p;
    return r;
}

static pk__http_result pk__http_head_status_line(pk__http_head *h, const char **at, const char *end)
{
    const char *p = *at;
    pk__http_result r = pk__http_head_version(h, &p, end);
    if (r != PK__HTTP_DONE) {
        return r;
    }
    h->status = 0;
    for (int i = 0; i < 4; i++, p++) {
        if (p == end) {
            return PK__HTTP_MORE;
        }
        if (i == 0 ? *p != ' ' : *p < '0' || *p > '9') {
            return pk__http_head_refuse(h, 502, "malformed status line");
        }
        h->status = i == 0 ? 0 : h->status * 10 + (*p - '0');
    }
    if (h->status < 100) {
        return pk__http_head_refuse(h, 502, "status below 100");
    }
    if (p == end) {
        return PK__HTTP_MORE;
    }
    if (*p == ' ') {
        p++;
    } else if (*p != '\r') {
        return pk__http_head_refuse(h, 502, "malformed status line");
    }
    const char *reason = p;
    p = pk__http_head_skip_text(p, end, PK__HTTP_VALUE);
    h->reason = pk__http_head_view(reason, p);
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_VALUE);
    }
    r = pk__http_head_line_end(h, &p, end);
    *at = p;
    return r;
}

/* ---- fields */

static pk__http_result pk__http_head_length(pk__http_head *h, pk_str value)
{
    if (h->has_length) {
        return pk__http_head_refuse(h, 400, "more than one Content-Length");
    }
    h->has_length = true;
    if (!pk__http_head_number(value, &h->length)) {
        return pk__http_head_refuse(h, 400, "malformed Content-Length");
    }
    return PK__HTTP_DONE;
}

static pk__http_result pk__http_head_coding(pk__http_head *h, pk_str value)
{
    static const char chunked[] = "chunked";
    if (h->has_coding) {
        return pk__http_head_refuse(h, 400, "more than one Transfer-Encoding");
    }
    h->has_coding = true;
    if (pk__http_head_ieq(value, chunked)) {
        return PK__HTTP_DONE;
    }
    /* "gzip, chunked" is proper HTTP that we do not speak; anything else has no certain end. */
    const char *comma = NULL;
    for (size_t i = 0; i < value.len; i++) {
        comma = value.ptr[i] == ',' ? value.ptr + i : comma;
    }
    if (comma) {
        const char *last = comma + 1;
        while (last < value.ptr + value.len && (*last == ' ' || *last == '\t')) {
            last++;
        }
        if (pk__http_head_ieq(pk__http_head_view(last, value.ptr + value.len), chunked) &&
            !pk__http_head_has_token(pk__http_head_view(value.ptr, comma), pk_str_from(chunked))) {
            return pk__http_head_refuse(h, 501, "no transfer coding but chunked is spoken here");
        }
    }
    return pk__http_head_refuse(h, 400, "malformed Transfer-Encoding");
}

static pk__http_result pk__http_head_host(pk__http_head *h, pk_str value)
{
    if (h->kind == PK__HTTP_RESPONSE) {
        return PK__HTTP_DONE;
    }
    if (h->has_host) {
        return pk__http_head_refuse(h, 400, "more than one Host header");
    }
    h->has_host = true;
    h->host = value;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (!pk__http_head_is(c, PK__HTTP_TARGET) || c == '/' || c == '?' || c == '#' || c == '@' || c == ',' ||
            c == '\\' || c == '"' || c == '<' || c == '>') {
            return pk__http_head_refuse(h, 400, "malformed Host header");
        }
    }
    return PK__HTTP_DONE;
}

/* Fields that frame the message or decide about the connection. All others are left to whoever reads them. */
static pk__http_result pk__http_head_special(pk__http_head *h, const pk_meta *field)
{
    switch (field->name.len) {
    case 4: return pk__http_head_ieq(field->name, "host") ? pk__http_head_host(h, field->value) : PK__HTTP_DONE;
    case 6:
        if (h->kind == PK__HTTP_REQUEST && pk__http_head_ieq(field->name, "expect")) {
            if (!pk__http_head_ieq(field->value, "100-continue")) {
                return pk__http_head_refuse(h, 417, "no expectation but 100-continue can be met");
            }
            h->expects_continue = true;
        }
        return PK__HTTP_DONE;
    case 10:
        if (pk__http_head_ieq(field->name, "connection")) {
            h->says_close |= pk__http_head_has_token(field->value, pk_str_from("close"));
            h->says_keep |= pk__http_head_has_token(field->value, pk_str_from("keep-alive"));
        }
        return PK__HTTP_DONE;
    case 14:
        return pk__http_head_ieq(field->name, "content-length") ? pk__http_head_length(h, field->value) : PK__HTTP_DONE;
    case 17:
        return pk__http_head_ieq(field->name, "transfer-encoding") ? pk__http_head_coding(h, field->value)
                                                                  : PK__HTTP_DONE;
    default: return PK__HTTP_DONE;
    }
}

static pk__http_result pk__http_head_field(pk__http_head *h, const char **at, const char *end)
{
    const char *p = *at;
    const char *name = p;
    p = pk__http_head_skip_token(p, end);
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_TOKEN);
    }
    if (*p != ':' || p == name) {
        if (p == name && (*p == ' ' || *p == '\t')) {
            return pk__http_head_refuse(h, 400, "folded header line");
        }
        return pk__http_head_refuse(h, 400, *p == ' ' || *p == '\t' ? "space before the colon" : "malformed header name");
    }
    const char *name_end = p++;
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    const char *value = p;
    p = pk__http_head_skip_text(p, end, PK__HTTP_VALUE);
    const char *value_end = p;
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_VALUE);
    }
    pk__http_result r = pk__http_head_line_end(h, &p, end);
    if (r != PK__HTTP_DONE) {
        return r;
    }
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
        value_end--;
    }
    if (h->field_count == h->limit.fields) {
        return pk__http_head_refuse(h, 431, "too many header fields");
    }
    pk_meta *field = &h->fields[h->field_count++];
    field->name = pk__http_head_view(name, name_end);
    field->value = pk__http_head_view(value, value_end);
    *at = p;
    return pk__http_head_special(h, field);
}

/* ---- the whole */

/* All fields are there: do they agree with each other, and where does the body end? */
static pk__http_result pk__http_head_finish(pk__http_head *h)
{
    h->keep_alive = h->minor == 1 ? !h->says_close : h->says_keep && !h->says_close;
    if (h->has_coding && h->has_length) {
        return pk__http_head_refuse(h, 400, "Content-Length together with Transfer-Encoding");
    }
    if (h->has_coding && h->minor == 0) {
        return pk__http_head_refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if (h->kind == PK__HTTP_REQUEST) {
        if (h->minor == 1 && !h->has_host) {
            return pk__http_head_refuse(h, 400, "missing required Host header");
        }
        h->framing = h->has_coding ? PK__HTTP_CHUNKED : h->length > 0 ? PK__HTTP_LENGTH : PK__HTTP_NO_BODY;
        h->expects_continue &= h->minor == 1 && h->framing != PK__HTTP_NO_BODY;
    }
    return PK__HTTP_DONE;
}

PK__FN void pk__http_head_init(pk__http_head *head, pk__http_kind kind, pk_meta *fields, const pk__http_limits *limit)
{
    memset(head, 0, sizeof(*head));
    head->kind = kind;
    head->fields = fields;
    head->limit = *limit;
}

static void pk__http_head_move(pk_str *s, const char *from, const char *to)
{
    if (s->ptr) {
        s->ptr = to + (s->ptr - from);
    }
}

/* The buffer grew and lies elsewhere now: all views go along. */
static void pk__http_head_rebase(pk__http_head *h, const char *buf)
{
    if (h->base) {
        pk__http_head_move(&h->method, h->base, buf);
        pk__http_head_move(&h->target, h->base, buf);
        pk__http_head_move(&h->reason, h->base, buf);
        pk__http_head_move(&h->host, h->base, buf);
        for (size_t i = 0; i < h->field_count; i++) {
            pk__http_head_move(&h->fields[i].name, h->base, buf);
            pk__http_head_move(&h->fields[i].value, h->base, buf);
        }
    }
    h->base = buf;
}

static pk__http_result pk__http_head_wait(pk__http_head *h, size_t len)
{
    h->seen = len;
    if (len >= h->limit.head_bytes) {
        return pk__http_head_refuse(h, 431, "header is too large");
    }
    return PK__HTTP_MORE;
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
        pk__http_head_rebase(h, buf);
    }
    const char *end = buf + len;
    /* Where the new bytes only make the line longer, it is not read again from its start: so the work stays in
     * proportion to the bytes, however many pieces they come in. */
    if (h->phase != 0 && (h->has_start || len <= h->limit.target_bytes) &&
        pk__http_head_skip(buf + h->seen, end, h->phase) == end) {
        return pk__http_head_wait(h, len);
    }
    for (;;) {
        const char *p = buf + h->at;
        pk__http_result r;
        bool is_last = h->has_start && p < end && *p == '\r';
        h->phase = 0;
        if (is_last) {
            r = pk__http_head_line_end(h, &p, end);
        } else if (h->has_start) {
            r = pk__http_head_field(h, &p, end);
        } else if (h->kind == PK__HTTP_REQUEST) {
            r = pk__http_head_request_line(h, &p, end);
        } else {
            r = pk__http_head_status_line(h, &p, end);
        }
        if (r != PK__HTTP_DONE) {
            return r == PK__HTTP_MORE ? pk__http_head_wait(h, len) : r;
        }
        h->has_start = true;
        h->at = (size_t)(p - buf);
        if (h->at > h->limit.head_bytes) {
            return pk__http_head_refuse(h, 431, "header is too large");
        }
        if (is_last) {
            h->size = h->at;
            return pk__http_head_finish(h);
        }
    }
}

PK__FN void pk__http_head_response(pk__http_head *h, bool to_head_request)
{
    if (to_head_request || h->status < 200 || h->status == 204 || h->status == 304) {
        h->framing = PK__HTTP_NO_BODY;
    } else if (h->has_coding) {
        h->framing = PK__HTTP_CHUNKED;
    } else if (h->has_length) {
        h->framing = h->length > 0 ? PK__HTTP_LENGTH : PK__HTTP_NO_BODY;
    } else {
        h->framing = PK__HTTP_UNTIL_CLOSE;
        h->keep_alive = false;
    }
}
