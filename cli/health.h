/* health.h - asking a running plugin how it is, as its host does: GET /healthz. */
#ifndef CLI_HEALTH_H
#define CLI_HEALTH_H
#include "session.h"

typedef struct health {
    const char *status; // "ok", "degraded", "bad", "unknown": it has no /healthz
    char reason[256];   // of any but ok; otherwise ""
    int64_t took_ns;
} health;

void health_ask(session *s, const char *id, health *out);
void health_put(pk_json_writer *w, const health *h); // {"status":..,"reason":..,"durationMs":..}

#endif
