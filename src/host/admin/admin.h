/* admin.h - the host's own door: what `plugkit top`, `stop`, `events` and the like talk to.
 *
 * An HTTP server on RUNTIME_DIR/control.sock, for processes of this user (and root) that can read control.token beside
 * it. It knows nothing that the public functions of the manager do not tell, and does nothing that they do not do:
 *
 *     GET  /plugins, /plugins/ID           how they are                                     show.c
 *     POST /plugins/ID/start, stop, ..     one of them; answered when it is done            admin.c
 *     POST /stop                           begins to stop the host; answered at once
 *     GET  /events                         what has happened; with follow=1 what happens    happenings.c
 *     GET  /healthz
 *
 * What may wait (start, stop ..) runs on a worker's thread, everything else on the loop's, and is done in microseconds.
 * Who follows events has a queue of its own with a limit: what finds no room there is counted, and the count is told
 * where the lines are missing. So a reader that does not read costs its queue, and nobody waits for it.
 *
 * It lives from pk_manager_serve to the end of the manager, and hears of "manager.stopped" like everybody else: then it
 * tells its readers, takes no more connections, and removes its socket. */
#ifndef PK__ADMIN_H
#define PK__ADMIN_H
typedef struct pk__admin pk__admin;

#ifdef PLUGKIT_WITH_ADMIN
#include "../../base/list.h"
#include "../../rpc/serve.h"

enum {
    PK__ADMIN_PAST = 64 * 1024,   // bytes of events that are kept
    PK__ADMIN_QUEUE = 192 * 1024, // of one reader: the past and more
    PK__ADMIN_WORKERS = 2,
    PK__ADMIN_CONNECTIONS = 32
};

typedef struct pk__admin_reader { // of events: one request
    pk__admin *admin;
    pk__node node;
    pk_ctx *ctx;
    pk_buf lines;     // that were not sent yet
    uint64_t dropped; // behind them
    bool follows;
} pk__admin_reader;

struct pk__admin {
    pk_manager *manager;
    const pk_alloc *alloc;
    pk_server *server;
    const char *socket; // its path
    pk_mem mem;
    pk_listener listener;
    bool listens, is_over;
    int64_t began;
    /* The loop's thread only: */
    pk_buf past, line; // line: scratch
    pk__node readers;
};

/* Any thread for which the loop stands still; *out is the caller's to close. */
PK__FN pk_err pk__admin_open(pk__admin **out, pk_manager *m, const pk_alloc *alloc, pk_error *err);
PK__FN void pk__admin_close(pk__admin *a, bool is_child);

PK__FN void pk__admin_shut(pk__admin *a); // nobody comes in any more

/* show.c */
PK__FN void pk__admin_put_plugin(pk_json_writer *w, const pk_plugin_info *p, bool whole);
PK__FN void pk__admin_put_event(pk_json_writer *w, const pk_event *e, const pk_plugin_info *p);
PK__FN void pk__admin_put_dropped(pk_json_writer *w, uint64_t count);

/* happenings.c */
PK__FN pk_err pk__admin_events(void *admin, const pk_request *q, pk_response *a, pk_error *err);
PK__FN void pk__admin_on_event(void *admin, const pk_event *event);

#endif
#endif
