/* server.h - the HTTP/1.1 server that plugins answer with, for routes of your own. */

struct pk_request {
    pk_str method;  // "POST"
    pk_str path;    // percent-decoded once, without dot segments: "/notes/a b"
    pk_str query;   // behind the '?', as it came
    pk_str rest;    // of a route that ends in "/" + "*": what stands for the star
    const char *route; // as it was added: "GET /notes/{id}"; see pk_request_param. NULL: there is none (interceptors)
    const pk_meta *fields;
    size_t field_count;
    pk_body body;   // bytes, or a reader on routes with PK_UPLOAD
    pk_ctx *ctx;    // deadline, caller, metadata; ctx->mem lives until the answer is written
};

typedef struct pk_response {
    int status;          // 0 = 200
    const pk_meta *fields;
    size_t field_count;  // Content-Type comes from the body
    pk_body body;        // in ctx->mem or static; readers and descriptors are used until the answer is written
    void (*done)(void *user); // optional: called when the body is no longer needed, also if nobody read it
    void *user;
} pk_response;

typedef enum pk_route_flags {
    PK_INLINE = 8 // runs on the loop's thread even with workers, and does not count as work: health checks
} pk_route_flags;

/* A failed handler's error becomes {"message":..,"statusCode":..,"code":..} with the status of its kind.
 *
 * Routes are compared segment by segment: "{name}" stands for one segment, a star at the end for all that follows.
 * Where several fit, from the left a literal segment wins over a name, and that over a star; of the same path a method
 * wins over ANY. A GET route answers HEAD, too; OPTIONS answers itself, and so does a wrong method, with 405 and
 * Allow. */
typedef struct pk_route {
    const char *match; // "GET /notes", "GET /users/{id}/posts/{post}", "ANY /files/" + "*"; as long as the server
    unsigned flags;    // PK_UPLOAD: run when the head is there, and read the body yourself; PK_INLINE
    pk_err (*run)(void *user, const pk_request *request, pk_response *response, pk_error *err);
    void *user;
} pk_route;

typedef struct pk_server pk_server;

typedef struct pk_server_desc {
    const pk_alloc *alloc;   // NULL = libc
    pk_loop *loop;           // (required) connections are served by whoever steps it
    const char *listen;      // "http+unix:///path/x.sock", "http://127.0.0.1:0"; with .tls also https; or
    bool has_listen_fd;      //   a descriptor that listens already; the server's from now on, also on failure
    int listen_fd;           //
    pk_tls *tls;             // serve HTTPS and nothing else; borrowed. NULL = plain
    pk_str token;            // every request needs it in PlugKit-Token; "" = none
    /* Decides instead of `token`, for callers with secrets of their own. `caller` is what PlugKit-Caller says. Compare
     * in constant time; handlers do not see the token. The loop's thread. */
    bool (*on_token)(void *user, pk_str token, pk_str caller);
    bool any_uid;            // accept Unix peers of other users
    const char *const *open_paths; // NULL-terminated: served without a token
    const pk_interceptor *const *interceptors; // of PK_SCOPE_SERVE
    size_t interceptor_count;
    int workers;             // threads that run handlers; 0 = the loop's
    struct {
        uint32_t header_ms, body_ms, idle_ms; // 0 = 10 s for a head, 60 s between two pieces of a body, 5 min
        size_t head_bytes, fields, body_bytes; // 0 = 16 KiB, 100, 8 MiB
        size_t connections;                    // 0 = 1,024; when they run out, the longest idle one makes room
    } limit;
    void (*on_work)(void *user, int change); // +1 when a request begins, -1 when its answer is written; loop's thread
    /* Told of what no interceptor sees: messages that are no HTTP, too large or too slow, and answers that cannot be
     * sent. The status that goes out, and why; the loop's thread, or a worker's for such an answer. */
    void (*on_refused)(void *user, int status, const char *why);
    void *user;              // of on_token, on_work and on_refused
} pk_server_desc;

#ifndef PLUGKIT_NO_NET
PK_API pk_err pk_server_create(pk_server **out, const pk_server_desc *desc, pk_error *err);
/* Copied but for its pointers. PK_ERR_MISUSE: no proper route; PK_ERR_DUPLICATE: one that fits the same is there. */
PK_API pk_err pk_server_add(pk_server *server, const pk_route *route, pk_error *err);
/* What stands for {name} in the route: one segment, decoded, never empty. "" if the route has no such name. As long as
 * the request. */
PK_API pk_str pk_request_param(const pk_request *request, const char *name);
/* From now on one IPv4 address, one IPv6 /64, one user of a Unix socket may open so many connections; 0 = any number,
 * as at first. Any more are answered with 503 (with TLS, not at all) and closed. The loop's thread. */
PK_API void pk_server_limit_peers(pk_server *server, size_t connections);
/* A reader of the answer's body that has nothing yet says PK_ERR_BUSY, and is left alone until this, or until the peer
 * hangs up. The request's context; the loop's thread, until response->done. From its first PK_ERR_BUSY on a reader runs
 * on the loop's thread, also with workers. */
PK_API void pk_server_more(pk_ctx *ctx);
PK_API const char *pk_server_address(const pk_server *server); // with the port that was taken; as long as the server
PK_API void pk_server_drain(pk_server *server); // takes no more connections; closes each after its running request
PK_API bool pk_server_is_idle(const pk_server *server); // no request is running
PK_API void pk_server_destroy(pk_server *server);
#endif
