/* health.c - a plugin that says how it is without being asked.
 *
 * pk_sdk_report may come from any thread, also several times before the loop has taken the first: the last one counts.
 * The loop remembers it for GET /healthz, and writes a line to the host. */
#include "object.h"
#include "sdk.h"
#ifndef PLUGKIT_NO_NET

#include <string.h>

#include "../os/loop.h"
#include "../rpc/service.h"

static void pk__sdk_on_report(void *user)
{
    pk_sdk *p = (pk_sdk *)user;
    pk__service_scratch scratch;
    pk__control_message m;
    pk_buf buf;
    pk_mem mem;
    pk__mutex_lock(&p->host_lock);
    p->endpoints.report = p->reported;
    pk__mutex_unlock(&p->host_lock);
    if (p->settings.profile != PK__SETTINGS_CONTROL) {
        return; // nobody reads it; who asks is told
    }
    memset(&m, 0, sizeof(m));
    memset(&mem, 0, sizeof(mem));
    mem.alloc = p->alloc;
    m.has_health = true;
    pk__service_scratch_init(&scratch, p->alloc, &buf, PK__CONTROL_LINE_MAX);
    if (pk__endpoints_describe(&mem, &p->endpoints.report, &m.health, NULL) == PK_OK &&
        pk__control_write(&buf, &m, NULL) == PK_OK && !pk__sdk_inside_says(p, pk_buf_str(&buf))) {
        (void)pk__lifeline_send(&p->lifeline, pk_buf_str(&buf), NULL);
    }
    pk_buf_free(&buf);
    pk_mem_free(&mem);
}

PK_API void pk_sdk_report(pk_sdk *p, const pk_health_report *report)
{
    pk__mutex_lock(&p->host_lock);
    p->reported = *report;
    pk__mutex_unlock(&p->host_lock);
    p->report.run = pk__sdk_on_report;
    p->report.user = p;
    if (p->loop) {
        pk_loop_post(p->loop, &p->report);
    } else {
        pk__sdk_on_report(p); // there is none in the host's process
    }
}
#endif
