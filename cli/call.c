/* call.c - plugkit call DIR TARGET METHOD [BODY]: one call, and its answer. */
#include "command.h"
#include "request.h"

int call_run(const args *a)
{
    session s = {0};
    request r = {0};
    size_t next = 2;
    const char *method = a->http || a->rest_count <= next ? NULL : a->rest[next++];
    const char *body = a->rest_count > next ? a->rest[next] : NULL;
    if (!method && !a->http) {
        return session_complain(a, EXIT_USAGE, "which method of '%s'? plugkit inspect lists what there is", a->rest[1]);
    }
    if (a->http && a->rest_count > 3) {
        return session_complain(a, EXIT_USAGE, "with --http no method is named: leave out '%s'", a->rest[2]);
    }
    int status = session_open(&s, a, a->rest[0]);
    if (!status) {
        status = request_open(&r, &s, a, a->rest[1], method, body);
        if (!status) {
            (void)request_run(&r);
            status = request_print(&r);
        }
        request_close(&r);
    }
    return session_close(&s, status);
}
