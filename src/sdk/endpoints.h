/* endpoints.h - the routes that a plugin's server has: its services' methods, the user's own, and the three that every
 * plugin answers.
 *
 *     /healthz    GET, HEAD   200 with no body; 200 {"status":"degraded",..}; 503. It is no work
 *     /readyz     GET, HEAD   200 while requests are served; 503 before the start is complete and when draining
 *     /shutdown   POST        200, and when that is written the plugin ends. The Go framework's hosts may use any verb
 *
 * Several services may have methods with the same verb and path: then the request's PlugKit-Type says whose;
 * without it the first one's. A service may say that it answers GET /healthz (a pluginBase): it is asked after
 * on_health. */
#ifndef PK__ENDPOINTS_H
#define PK__ENDPOINTS_H
#include "../rpc/control.h"

#ifndef PLUGKIT_NO_NET
/* One method of one service; those with the same verb and path are chained behind the first. */
typedef struct pk__endpoint {
    const pk_service *service;
    const pk_method *method;
    pk_str type, verb, path;
    struct pk__endpoint *next;
    bool is_head; // of its chain: it is what the route leads to
} pk__endpoint;

typedef struct pk__endpoints {
    const pk_alloc *alloc;
    pk__endpoint *items;
    size_t count, cap;
    pk__endpoint *health;    // methods that answer GET /healthz; NULL = none
    void (*on_health)(void *user, pk_health_report *report);
    pk_health_report report; // what was said last without being asked
    void *user;              // of on_health
    bool any_verb_shuts_down;
    bool (*is_ready)(void *owner);
    void (*on_shutdown)(void *owner); // the answer to /shutdown is written
    void *owner;
} pk__endpoints;

/* Adds all of them to the server. The services and desc's routes are borrowed as long as the server.
 * Errors: PK_ERR_DUPLICATE, PK_ERR_BAD_CONTRACT, PK_ERR_MISUSE, PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__endpoints_add(pk__endpoints *e, pk_server *server, const pk_sdk_desc *desc, pk_error *err);
/* A report as the wire has it. It points into *mem. */
PK__FN pk_err pk__endpoints_describe(pk_mem *mem, const pk_health_report *report, pk__control_health *out,
                                     pk_error *err);
PK__FN void pk__endpoints_deinit(pk__endpoints *e); // after the server
#endif

#endif
