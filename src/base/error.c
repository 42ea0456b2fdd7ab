/* error.c - the error list as functions, and the making of sentences. */
#include "error.h"

#include <stdio.h>
#include <string.h>

#include "words.h"

typedef struct pk__error_row {
    int16_t code;
    uint8_t kind, severity;
    bool retry;
} pk__error_row;

static const pk__error_row pk__error_rows[] = {
#define PK__ERROR_ROW(name, number, group, kind, severity, retry, text)                                       \
    {PK_ERR_##name, PK_KIND_##kind, PK_SEVERITY_##severity, retry},
    PK_ERR_LIST(PK__ERROR_ROW)
};

static const pk__error_row *pk__error_find(pk_err code)
{
    for (size_t i = 0; i < PK__COUNT(pk__error_rows); i++) {
        if (pk__error_rows[i].code == code) {
            return &pk__error_rows[i];
        }
    }
    return NULL;
}

/* Its text among `words`, which stand in the order of the rows. */
static const char *pk__error_word(const char *words, pk_err code, const char *ok, const char *unknown)
{
    const pk__error_row *row = pk__error_find(code);
    return row ? pk__words_at(words, (size_t)(row - pk__error_rows)) : code == PK_OK ? ok : unknown;
}

PK_API const char *pk_err_name(pk_err code)
{
#define PK__ERROR_NAME(name, number, group, kind, severity, retry, text) "PK_ERR_" #name "\0"
    return pk__error_word(PK_ERR_LIST(PK__ERROR_NAME), code, "PK_OK", "unknown error");
}

PK_API const char *pk_err_id(pk_err code)
{
#define PK__ERROR_ID(name, number, group, kind, severity, retry, text) group "_" #number "\0"
    return pk__error_word(PK_ERR_LIST(PK__ERROR_ID), code, "OK", "UNKNOWN");
}

PK_API const char *pk_err_text(pk_err code)
{
#define PK__ERROR_TEXT(name, number, group, kind, severity, retry, text) text "\0"
    return pk__error_word(PK_ERR_LIST(PK__ERROR_TEXT), code, "no error", "unknown error");
}

PK_API pk_kind pk_err_kind(pk_err code)
{
    const pk__error_row *row = pk__error_find(code);
    return row ? (pk_kind)row->kind : code == PK_OK ? PK_KIND_OK : PK_KIND_UNKNOWN;
}

PK_API pk_severity pk_err_severity(pk_err code)
{
    const pk__error_row *row = pk__error_find(code);
    return row ? (pk_severity)row->severity : code == PK_OK ? PK_SEVERITY_NONE : PK_SEVERITY_ERROR;
}

PK_API bool pk_err_retryable(pk_err code)
{
    const pk__error_row *row = pk__error_find(code);
    return row && row->retry;
}

/* The Connect protocol's codes and statuses, in the order of pk_kind. */
enum { PK__ERROR_KINDS = PK_KIND_UNAUTHENTICATED + 1 };

PK_API int pk_kind_status(pk_kind kind)
{
    static const int16_t statuses[PK__ERROR_KINDS] = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                                                      400, 409, 400, 501, 500, 503, 500, 401};
    return (size_t)kind < PK__ERROR_KINDS ? statuses[kind] : 500;
}

PK_API const char *pk_kind_name(pk_kind kind)
{
    static const char words[] = "ok\0canceled\0unknown\0invalid_argument\0deadline_exceeded\0not_found\0"
                                "already_exists\0permission_denied\0resource_exhausted\0failed_precondition\0"
                                "aborted\0out_of_range\0unimplemented\0internal\0unavailable\0data_loss\0"
                                "unauthenticated";
    return pk__words_at(words, (size_t)kind < PK__ERROR_KINDS ? (size_t)kind : PK_KIND_UNKNOWN);
}

PK_API pk_kind pk_kind_from_status(int status)
{
    switch (status) {
    case 400: return PK_KIND_INVALID;
    case 401: return PK_KIND_UNAUTHENTICATED;
    case 403: return PK_KIND_DENIED;
    case 404: return PK_KIND_NOT_FOUND;
    case 405: return PK_KIND_UNIMPLEMENTED;
    case 408: return PK_KIND_DEADLINE;
    case 409: return PK_KIND_EXISTS;
    case 412: return PK_KIND_PRECONDITION;
    case 413: return PK_KIND_EXHAUSTED;
    case 416: return PK_KIND_RANGE;
    case 429: return PK_KIND_EXHAUSTED;
    case 499: return PK_KIND_CANCELED;
    case 500: return PK_KIND_INTERNAL;
    case 501: return PK_KIND_UNIMPLEMENTED;
    case 502: return PK_KIND_UNAVAILABLE;
    case 503: return PK_KIND_UNAVAILABLE;
    case 504: return PK_KIND_DEADLINE;
    default: return status >= 200 && status < 300 ? PK_KIND_OK : PK_KIND_UNKNOWN;
    }
}

/* How many bytes of well-formed UTF-8 start at s; 0 = none (RFC 3629). */
static size_t pk__error_utf8(const unsigned char *s, size_t len)
{
    unsigned char c = s[0];
    size_t need = c < 0x80 ? 1 : c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (need == 0 || need > len) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool bad = (c == 0xE0 && s[1] < 0xA0) || (c == 0xED && s[1] > 0x9F) || (c == 0xF0 && s[1] < 0x90) ||
               (c == 0xF4 && s[1] > 0x8F) || (c == 0xC2 && need == 2 && s[1] < 0xA0); // C1 controls
    return bad ? 0 : need;
}

/* Was the text cut to fit its array, in the middle of its last character? Then that goes as well. */
static void pk__error_whole(char *text, size_t cap)
{
    size_t len = strlen(text);
    size_t last = len; // where the last character begins, + 1
    if (len + 1 < cap) {
        return;
    }
    while (last > 1 && len - last < 3 && ((unsigned char)text[last - 1] & 0xC0) == 0x80) {
        last--;
    }
    if (last > 0 && pk__error_utf8((const unsigned char *)text + last - 1, len - last + 1) == 0) {
        text[last - 1] = '\0';
    }
}

PK__FN pk_err pk__error_setv(pk_error *err, pk_err code, const char *format, va_list args)
{
    if (err) {
        char msg[sizeof(err->msg)]; // the arguments may point into *err
        (void)vsnprintf(msg, sizeof(msg), format, args);
        pk__error_whole(msg, sizeof(msg));
        memset(err, 0, sizeof(*err));
        err->code = code;
        err->where = pk_err_text(code);
        memcpy(err->msg, msg, sizeof(msg));
    }
    return code;
}

PK_API pk_err pk_error_set(pk_error *err, pk_err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)pk__error_setv(err, code, format, args);
    va_end(args);
    return code;
}

PK_API pk_err pk_error_sys(pk_error *err, pk_err code, int sys_errno, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        (void)pk__error_setv(err, code, format, args);
        va_end(args);
        size_t len = strlen(err->msg);
        (void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", strerror(sys_errno));
        pk__error_whole(err->msg, sizeof(err->msg));
        err->sys_errno = sys_errno;
    }
    return code;
}

PK__FN pk_err pk__error_copy(pk_error *to, const pk_error *from)
{
    if (to) {
        *to = *from;
    }
    return from->code;
}

PK__FN void pk__error_wrap(pk_error *err, const char *format, ...)
{
    if (!err) {
        return;
    }
    char msg[sizeof(err->msg)];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(msg, sizeof(msg), format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof(msg)) {
        size_t room = sizeof(msg) - (size_t)len;
        size_t have = strlen(err->msg);
        (void)snprintf(msg + len, room, ": %.*s", (int)PK__MIN(have, room), err->msg);
    }
    pk__error_whole(msg, sizeof(msg));
    memcpy(err->msg, msg, sizeof(msg));
}

PK__FN pk_err pk__error_memory(pk_error *err, const char *what)
{
    return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot %s: out of memory", what);
}

PK__FN size_t pk__error_clean(char *out, size_t cap, pk_str in)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)in.ptr;
    size_t at = 0;
    size_t mark = 0; // where "..." may begin so that it still fits
    for (size_t i = 0; i < in.len;) {
        size_t n = pk__error_utf8(s + i, in.len - i);
        bool plain = n > 1 || (n == 1 && s[i] >= 0x20 && s[i] != 0x7F);
        size_t width = plain ? n : 4;
        if (at + width + 1 > cap) {
            at = mark;
            for (int dots = 0; dots < 3 && at + 1 < cap; dots++) {
                out[at++] = '.';
            }
            break;
        }
        if (plain) {
            memcpy(out + at, s + i, n);
        } else {
            n = 1;
            out[at] = '\\';
            out[at + 1] = 'x';
            out[at + 2] = hex[s[i] >> 4];
            out[at + 3] = hex[s[i] & 15];
        }
        at += width;
        i += n;
        if (at + 4 <= cap) {
            mark = at;
        }
    }
    if (cap > 0) {
        out[at] = '\0';
    }
    return at;
}
