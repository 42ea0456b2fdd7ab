/* error_body.c - errors as HTTP bodies. */
#include "error_body.h"
#include "../wire/http_head.h"

#include <stdio.h>
#include <string.h>

enum { PK__ERROR_BODY_LOOK = 64 * 1024 }; // more than that of a foreign body is not worth reading

/* ---- writing */

PK__FN int pk__error_body_status(const pk_error *error)
{
    return error->status >= 400 && error->status <= 599 ? error->status : pk_kind_status(pk_err_kind(error->code));
}

/* Appends a JSON string; cleaned text needs no other escapes. */
static size_t pk__error_body_quote(char *out, const char *text)
{
    char clean[512];
    size_t at = 0;
    size_t len = pk__error_clean(clean, sizeof(clean), pk_str_from(text));
    out[at++] = '"';
    for (size_t i = 0; i < len; i++) {
        if (clean[i] == '"' || clean[i] == '\\') {
            out[at++] = '\\';
        }
        out[at++] = clean[i];
    }
    out[at++] = '"';
    return at;
}

static size_t pk__error_body_put(char *out, const char *text)
{
    size_t len = strlen(text);
    memcpy(out, text, len);
    return len;
}

PK__FN size_t pk__error_body_write(char *out, const pk_error *error)
{
    char status[32];
    size_t at = 0;
    (void)snprintf(status, sizeof(status), ",\"statusCode\":%d,\"code\":", pk__error_body_status(error));
    at += pk__error_body_put(out + at, "{\"message\":");
    at += pk__error_body_quote(out + at, error->msg[0] ? error->msg : pk_err_text(error->code));
    at += pk__error_body_put(out + at, status);
    at += pk__error_body_quote(out + at, error->app_code[0] ? error->app_code : pk_err_id(error->code));
    at += pk__error_body_put(out + at, "}\n");
    return at;
}

/* ---- reading */

static pk_str pk__error_body_text(const pk_json_value *v)
{
    pk_str number = pk_json_number_text(v);
    return number.len > 0 ? number : pk_json_str(v);
}

/* Finds words and code in a JSON body; false: it is none, or says nothing that we know. */
static bool pk__error_body_parse(pk_mem *mem, pk_str body, pk_str *words, pk_str *code)
{
    const pk_json_value *doc = NULL;
    if (body.len == 0 || body.len > PK__ERROR_BODY_LOOK || pk_json_parse(mem, body, &doc, NULL)) {
        return false;
    }
    const pk_json_value *inner = pk_json_get(doc, "error");
    const pk_json_value *from = pk_json_type_of(inner) == PK_JSON_OBJECT ? inner : doc;
    *words = pk_json_str(pk_json_get(from, "message"));
    *code = pk__error_body_text(pk_json_get(from, "code"));
    if (words->len == 0) {
        *words = pk_json_type_of(doc) == PK_JSON_STRING ? pk_json_str(doc) : pk_json_str(inner);
    }
    return words->len > 0 || code->len > 0;
}

/* Retry-After in seconds; the form with a date asks for our clock to agree with theirs, and is left alone. */
static uint32_t pk__error_body_retry(const pk_meta *fields, size_t count)
{
    uint64_t seconds = 0;
    pk_str value = pk__http_head_find(fields, count, pk_str_from("Retry-After"));
    if (!pk__http_head_number(value, &seconds)) {
        return 0;
    }
    return seconds > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)seconds * 1000;
}

static pk_str pk__error_body_trim(pk_str s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

PK__FN pk_err pk__error_body_read(pk_error *err, const pk_alloc *alloc, pk_str who, int status, const pk_meta *fields,
                                  size_t count, pk_str body)
{
    char name[64], said[140];
    pk_mem mem;
    pk_str words = {NULL, 0}, code = {NULL, 0};
    if (!err) {
        return PK_ERR_PLUGIN_FAULT;
    }
    memset(&mem, 0, sizeof(mem));
    mem.alloc = alloc;
    if (!pk__error_body_parse(&mem, body, &words, &code)) {
        words = body;
    }
    words = pk__error_body_trim(words);
    words.len = PK__MIN(words.len, sizeof(said)); // cleaning cuts it to fit; no need to look at megabytes
    (void)pk__error_clean(name, sizeof(name), who);
    (void)pk__error_clean(said, sizeof(said), words);
    const char *reason = pk__http_head_reason(status);
    (void)pk_error_set(err, PK_ERR_PLUGIN_FAULT, "cannot call '%s': %d%s%s%s%s", name, status, reason[0] ? " " : "",
                       reason, said[0] ? ": " : "", said);
    (void)pk__error_clean(err->app_code, sizeof(err->app_code), code);
    err->status = status;
    err->sent = PK_SENT_ANSWERED;
    err->retry_after_ms = pk__error_body_retry(fields, count);
    pk_mem_free(&mem);
    return PK_ERR_PLUGIN_FAULT;
}
