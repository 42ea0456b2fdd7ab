/* call.c - plugkit call DIR TARGET METHOD [BODY]: one call, and its answer. */
#include "command.h"
#include "request.h"
#include "target.h"

int call_run(const args *a)
{
    session s = {0};
    request r = {0};
    size_t next = 2;
    const char *method = a->http || a->rest_count <= next ? NULL : a->rest[next++];
    const char *body = a->rest_count > next ? a->rest[next] : NULL;
    if (a->http && a->rest_count > 3) {
        return session_complain(a, EXIT_USAGE, "with --http no method is named: leave out '%s'", a->rest[2]);
    }
    s.needs_config = true;
    int status = session_open(&s, a, a->rest[0]);
    if (!status && !method && !a->http) {
        status = target_ask_method(&s, a->rest[1], a->contract);
    } else if (!status) {
        status = request_open(&r, &s, a, a->rest[1], method, body);
        if (!status) {
            (void)request_run(&r);
            status = request_print(&r);
        }
        request_close(&r);
    }
    return session_close(&s, status);
}
