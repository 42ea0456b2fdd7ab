/* health.c - GET /healthz, and what its answer means. */
#include "health.h"

#include <string.h>

#include "info.h"

enum { HEALTH_TIMEOUT_MS = 5000 };

static void health_read(const pk_reply *reply, health *out)
{
    pk_mem mem = {0};
    const pk_json_value *doc = NULL;
    if (reply->body.bytes.len && pk_json_parse(&mem, reply->body.bytes, &doc, NULL) == PK_OK) {
        pk_str reason = pk_json_str(pk_json_get(doc, "reason"));
        if (pk_json_is(pk_json_get(doc, "status"), "degraded")) {
            out->status = "degraded";
            (void)snprintf(out->reason, sizeof(out->reason), "%" PK_FMT, PK_ARG(reason));
        }
    }
    pk_mem_free(&mem);
}

void health_ask(session *s, const char *id, health *out)
{
    pk_call_desc call = {.plugin = id, .http = "GET /healthz", .ctx = {.timeout_ms = HEALTH_TIMEOUT_MS}};
    pk_reply reply = {0};
    pk_error err = {0};
    int64_t began = pk_now_ns();
    memset(out, 0, sizeof(*out));
    pk_err rc = pk_caller_call(pk_manager_caller(s->manager), &call, &reply, &err);
    out->took_ns = pk_now_ns() - began;
    out->status = "ok";
    if (!rc) {
        health_read(&reply, out);
    } else if (err.status == 404 || err.status == 405) {
        out->status = "unknown";
        (void)snprintf(out->reason, sizeof(out->reason), "it does not answer GET /healthz");
    } else {
        out->status = "bad";
        memcpy(out->reason, err.msg, sizeof(out->reason));
    }
    pk_mem_free(&reply.mem);
}

void health_put(pk_json_writer *w, const health *h)
{
    if (!h->status) {
        pk_json_put_null(w);
        return;
    }
    pk_json_put_object(w);
    pk_json_put_key(w, "status");
    pk_json_put_text(w, h->status);
    pk_json_put_key(w, "reason");
    pk_json_put_text(w, h->reason[0] ? h->reason : NULL);
    info_put_ms(w, "durationMs", h->took_ns);
    pk_json_put_end(w);
}
