/* request_log.c - requests as records. */
#include "request_log.h"
#ifdef PLUGKIT_WITH_WEB
#include "../base/error.h"

#include <stdio.h>
#include <string.h>

static pk_verdict pk__request_log_before(void *user, pk_exchange *x)
{
    (void)user;
    *(int64_t *)x->state = pk__clock_ns();
    return PK_GO;
}

typedef struct pk__request_log_record {
    pk_meta fields[8];
    size_t count;
    char method[PK__REQUEST_LOG_TEXT], path[PK__REQUEST_LOG_TEXT], caller[PK__REQUEST_LOG_TEXT];
    char error[PK__REQUEST_LOG_TEXT], status[16], bytes[24], ms[32];
    char text[3 * PK__REQUEST_LOG_TEXT + 80];
} pk__request_log_record;

static void pk__request_log_add(pk__request_log_record *r, const char *name, const char *value)
{
    r->fields[r->count].name = pk_str_from(name);
    r->fields[r->count++].value = pk_str_from(value);
}

static void pk__request_log_clean(char out[PK__REQUEST_LOG_TEXT], pk_str in)
{
    (void)pk__error_clean(out, PK__REQUEST_LOG_TEXT, in);
}

/* What goes out: an error's body is made later, and is no news. */
static void pk__request_log_body(char out[24], const pk_exchange *x)
{
    const pk_body *body = &x->reply->body;
    if (x->err->code != PK_OK || body->read) {
        snprintf(out, 24, "-");
    } else {
        snprintf(out, 24, "%llu", (unsigned long long)(body->has_fd ? body->size : body->bytes.len));
    }
}

static void pk__request_log_fill(pk__request_log_record *r, const pk_exchange *x, int status, int64_t ns)
{
    const pk_request *q = x->request;
    r->count = 0;
    pk__request_log_clean(r->method, q->method);
    pk__request_log_clean(r->path, q->path);
    pk__request_log_clean(r->caller, x->ctx->caller);
    pk__request_log_body(r->bytes, x);
    snprintf(r->status, sizeof(r->status), "%d", status);
    snprintf(r->ms, sizeof(r->ms), "%lld.%02lld", (long long)(ns / PK__MS), (long long)(ns % PK__MS / (PK__MS / 100)));
    pk__request_log_add(r, "method", r->method);
    pk__request_log_add(r, "path", r->path);
    pk__request_log_add(r, "status", r->status);
    pk__request_log_add(r, "bytes", r->bytes);
    pk__request_log_add(r, "ms", r->ms);
    pk__request_log_add(r, "caller", r->caller);
    pk__request_log_add(r, "route", q->route ? q->route : "");
    if (x->err->code != PK_OK) {
        pk__request_log_clean(r->error, pk_str_from(x->err->msg));
        pk__request_log_add(r, "error", r->error);
    }
    snprintf(r->text, sizeof(r->text), "%s %s %d %s %sms %s", r->method, r->path, status, r->bytes, r->ms,
             r->caller[0] ? r->caller : "-");
}

static pk_verdict pk__request_log_after(void *user, pk_exchange *x, uint32_t *delay_ms)
{
    const pk_request_log *log = (const pk_request_log *)user;
    pk__request_log_record r;
    (void)delay_ms;
    if (!log->health && ((const pk__serve_call *)x->impl)->route.flags & PK_INLINE) {
        return PK_GO;
    }
    int status = x->err->code != PK_OK ? pk__error_body_status(x->err) : x->reply->status ? x->reply->status : 200;
    pk__request_log_fill(&r, x, status, pk__clock_ns() - *(const int64_t *)x->state);
    log->log(log->user, status >= 500 ? PK_LOG_WARN : PK_LOG_INFO, "http.request", pk_str_from(r.text), r.fields,
             r.count);
    return PK_GO;
}

PK_API pk_interceptor pk_request_log_write(const pk_request_log *log)
{
    pk_interceptor i;
    memset(&i, 0, sizeof(i));
    i.name = "request log";
    i.scope = PK_SCOPE_SERVE;
    i.order = PK__REQUEST_LOG_ORDER;
    i.state_size = sizeof(int64_t);
    i.before = pk__request_log_before;
    i.after = pk__request_log_after;
    i.user = (void *)(uintptr_t)log; // it is only read
    i.refused = true;
    return i;
}
#endif
