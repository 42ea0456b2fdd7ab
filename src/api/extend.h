/* extend.h - the extension points that hosts and plugins share: logs, transports, dialects, interceptors.
 * Each is a small struct of functions; what PlugKit brings itself is built on the same ones. */

typedef enum pk_log_level { PK_LOG_DEFAULT, PK_LOG_DEBUG, PK_LOG_INFO, PK_LOG_WARN, PK_LOG_ERROR } pk_log_level;

/* One record. `event` is a fixed name ("plugin.output", "plugin.ready"); text and fields may hold anything a plugin
 * printed, made safe: valid UTF-8, no control characters. Runs on any thread. */
typedef void (*pk_on_log)(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields,
                          size_t count);

/* ---- transport: bytes to and from. Never waits. */
typedef struct pk_conn pk_conn; // what the library knows about one connection; kept by the transport to wake it

typedef enum pk_io { PK_IO_DONE, PK_IO_WANT_READ, PK_IO_WANT_WRITE, PK_IO_CLOSED, PK_IO_FAILED } pk_io;

typedef struct pk_transport {
    const char *scheme; // "unix", "tcp", the user's own: the part of an address before "://"
    pk_io (*open)(void *user, pk_str address, pk_conn *conn, void **state, pk_error *err); // WANT_WRITE: under way
    pk_io (*recv)(void *state, void *buf, size_t cap, size_t *got, pk_error *err);
    pk_io (*send)(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err);
    int (*fd)(void *state); // to poll; -1: there is none, and the transport calls pk_conn_ready
    void (*close)(void *state);
    void *user;
} pk_transport;
PK_API void pk_conn_ready(pk_conn *conn); // something may have changed; any thread, also an interrupt handler

/* ---- dialect: how a plugin is spoken to. One channel for each running instance, many attempts on it. */
typedef struct pk_endpoint {
    const char *address; // "http+unix:///run/x.sock", "http://127.0.0.1:8080", "https://example.org"
    const char *dialect; // "plugkit/1"; NULL = that
    pk_str token;        // sent in PlugKit-Token; "" = none
    const char *via;     // the number to connect to, of the address's host name; NULL = the name has to do
    pk_tls *tls;         // of an https address; borrowed as long as the plugin is known. NULL = the manager's
    const char *tls_name; // the name that its certificate must have; NULL = see pk_tls_desc.peer_name
    void *link;          // private: what dialects without an address of their own talk through
} pk_endpoint;

/* One attempt to carry out a call: made by the library, reported on by the dialect. */
typedef struct pk_attempt {
    const pk_call_desc *call;
    pk_str verb, path;      // "POST", "/process"
    pk_str type;            // the provider's type; "" = any
    const pk_body *body;    // of the request
    pk_ctx *ctx;
    int64_t deadline;       // by pk_now_ns, absolute; PK_FOREVER = none
    pk_sent sent;           // the dialect keeps it true
    void *state;            // the dialect's own
} pk_attempt;
PK_API int64_t pk_now_ns(void); // monotonic

/* The dialect reports: one head, any number of chunks, one end. `why` NULL = the answer is complete. After the end the
 * attempt must not be touched. An error from chunk means: stop, and end with it; but PK_ERR_BUSY (only in attempts that
 * `start` began) means: taken, but the reader is slow, so bring no more until `resume` is called. */
PK_API void pk_attempt_head(pk_attempt *a, int status, const pk_meta *fields, size_t count);
PK_API pk_err pk_attempt_chunk(pk_attempt *a, pk_str bytes, pk_error *err);
PK_API void pk_attempt_end(pk_attempt *a, const pk_error *why);
/* The next bytes of the request's body, whatever its form. *got 0 = the end; PK_ERR_BUSY: none yet, resumed later. */
PK_API pk_err pk_attempt_read(pk_attempt *a, void *buf, size_t cap, size_t *got, pk_error *err);

typedef enum pk_dialect_flags {
    PK_DIALECT_HEALTH = 1 // GET /healthz and POST /shutdown mean to the plugin what they mean in plugkit/1
} pk_dialect_flags;

typedef struct pk_dialect {
    const char *name; // "plugkit/1"
    unsigned flags;
    /* Opens the channel to one instance. Must not wait. */
    pk_err (*open)(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel, pk_error *err);
    /* Begins an attempt, to be driven by the loop on whose thread this runs. An error: nothing was begun. */
    pk_err (*start)(void *channel, pk_attempt *a, pk_error *err);
    /* Optional: carries out a whole attempt, waiting, on any thread: reports its end before it returns. Without it
     * blocking calls go through the loop. */
    void (*run)(void *channel, pk_attempt *a);
    void (*resume)(void *channel, pk_attempt *a); // optional: read has bytes, or chunk has room, again; loop's thread
    void (*cancel)(void *channel, pk_attempt *a);       // stop at once, report nothing more; loop's thread
    void (*interrupt)(void *channel);                   // optional: makes every attempt end soon; the loop's thread
    void (*close)(void *channel);                       // no attempts are left
    void *user;
} pk_dialect;

/* ---- interceptor: sees every call, once (CALL), at each attempt (ATTEMPT), or on the serving side (SERVE). */
typedef enum pk_scope { PK_SCOPE_CALL, PK_SCOPE_ATTEMPT, PK_SCOPE_SERVE } pk_scope;

typedef enum pk_verdict {
    PK_GO,     // on to the next
    PK_ANSWER, // before: *reply is the answer
    PK_REFUSE, // *err is the outcome
    PK_WAIT,   // before: until pk_exchange_resume
    PK_AGAIN   // after, CALL scope only: try once more after *delay_ms
} pk_verdict;

typedef struct pk_request pk_request; // see server.h

typedef struct pk_exchange {
    const pk_call_desc *call; // SERVE scope: its `http` is the route, "GET /notes/{id}"; NULL if there is none
    pk_ctx *ctx;
    pk_str plugin, instance; // "" in CALL scope before: not chosen yet
    unsigned attempt;        // counts from 1
    bool streamed;           // answer bytes went to the user already: no PK_AGAIN
    pk_reply *reply;         // after: what came back; before: to be filled for PK_ANSWER
    pk_error *err;           // after: the failure, code PK_OK if there was none
    void *state;             // state_size zeroed bytes of this interceptor, from before to after
    void *impl;              // private
    const pk_request *request; // SERVE scope: what is asked; its body may not have been read. NULL elsewhere
    bool refused;            // SERVE scope: there is no handler for it: see pk_interceptor.refused
} pk_exchange;

typedef struct pk_interceptor {
    const char *name;
    pk_scope scope;
    int order;         // less runs earlier; equal: in the order given
    size_t state_size; // bytes
    pk_verdict (*before)(void *user, pk_exchange *x);                    // optional
    pk_verdict (*after)(void *user, pk_exchange *x, uint32_t *delay_ms); // optional; in reverse order
    void *user;
    bool own_requests; // CALL and ATTEMPT scope: also for what hosts ask plugins for by themselves: GET /healthz,
                       // GET /capabilities, POST /shutdown
    bool refused;      // SERVE scope: also for requests that the server refuses by itself, before any handler: with a
                       // malformed target (400), without token (401: nothing that it says of itself is proven), without
                       // route (404, 405, 501; OPTIONS). After `before` comes the refusal, and `after` sees it
} pk_interceptor;
PK_API void pk_exchange_resume(pk_exchange *x, pk_verdict verdict); // any thread
