/* http_pool.h - the connections to one server: idle ones to take, running ones to interrupt.
 *
 * The last one given back is taken first: it is the warmest, and the others can grow old and be closed. A lock guards
 * the two lists and is never held while anything is sent, received, opened or closed (an interrupt shuts sockets down,
 * which waits for nothing). One that was taken more than a second ago is looked at before it is handed out; the warm
 * path pays nothing for that. Only the connection on top keeps its buffers.
 *
 * How long one has been idle is counted from when it was last taken, so that giving it back need not read the clock:
 * the worst that can come of it is a look or a new connection after a call of more than a second or a minute.
 *
 *     pk__http_pool_take(&pool, now, &client, &err);
 *     pk__http_client_run(client, &exchange, &err);     // or _start
 *     pk__http_pool_give(&pool, client);                // keeps it if it can be used again
 *
 * Every client that was taken must be given back before deinit. */
#ifndef PK__HTTP_POOL_H
#define PK__HTTP_POOL_H
#include "../os/thread.h"
#include "http_client.h"

typedef struct pk__http_pool_desc {
    const pk_alloc *alloc;
    const char *address;                   // "http+unix:///run/x.sock"; copied
    const char *via;                       // a number to connect to in the place of the address's name; NULL = that
    const pk_meta *own;                    // fields of every request, behind Host; values are checked, and copied
    size_t own_count;                      //
    const pk_transport *const *transports; // of the user; borrowed
    size_t transport_count;
    uint32_t max_idle;                     // connections kept; 0 = 8
    uint32_t idle_ms;                      // closed after so long; 0 = 60 s
    uint32_t connect_ms;                   // 0 = 5 s
    uint32_t spin_us;                      // how long receives wait awake, where that pays; 0 = never
    bool any_uid;
    pk_tls *tls;                           // for https addresses: borrowed; NULL = they are refused
    const char *tls_name;                  // see pk__secure_desc.name; copied; NULL = ""
} pk__http_pool_desc;

typedef struct pk__http_pool {
    const pk_alloc *alloc;
    pk__http_client_desc client;
    pk__address address;
    char *text;            // the address as transports are given it
    char *tls_name, *tls_host; // only of secure ones
    pk_buf lines;          // of each head: Host, and own fields
    uint32_t max_idle, idle_count;
    int64_t idle_ns;
    pk__mutex lock;
    pk__node idle, taken; // idle: the coldest first
    bool closed;
} pk__http_pool;

/* Errors: PK_ERR_BAD_ENDPOINT, PK_ERR_UNSUPPORTED (no such transport), PK_ERR_MISUSE (a value), PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__http_pool_init(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err);
PK__FN void pk__http_pool_deinit(pk__http_pool *pool);
/* An idle connection, or a new one that opens with its first exchange. `now`: by pk__clock_ns.
 * Errors: PK_ERR_STOPPED, PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__http_pool_take(pk__http_pool *pool, int64_t now, pk__http_client **out, pk_error *err);
PK__FN void pk__http_pool_give(pk__http_pool *pool, pk__http_client *c);
PK__FN void pk__http_pool_prune(pk__http_pool *pool);     // closes idle ones that are too old; any thread
PK__FN void pk__http_pool_interrupt(pk__http_pool *pool); // no more are handed out; blocking exchanges end soon

#endif
