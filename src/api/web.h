/* web.h - what a server needs that faces browsers and people: CORS, a limit of requests, a log of them. With
 * PLUGKIT_WITH_WEB. All are interceptors, for a server or a plugin, and also see what the server refuses by itself:
 *
 *     static const char *const origins[] = {"https://app.example", NULL};
 *     static const pk_cors cors = {.origins = origins, .credentials = true};
 *     static const pk_request_log log = {.log = on_log};
 *     pk_rate_limit *limit = NULL;
 *     if (pk_rate_limit_create(&limit, &(pk_rate_limit_desc){.requests = 50, .per_ms = 1000}, &err)) { ... }
 *     pk_interceptor web[] = {pk_request_log_write(&log), pk_rate_limit_check(limit), pk_cors_allow(&cors)};
 *     const pk_interceptor *all[] = {&web[0], &web[1], &web[2]};   // into .interceptors
 *
 * They run in this order, before interceptors of order 0: whatever is refused is in the log, a flood is stopped before
 * anything else is done for it, and browsers, which ask for leave without credentials, get it before
 * pk_access_check. */

#ifdef PLUGKIT_WITH_WEB
/* ---- CORS: which pages of others may use this server (Fetch standard). A request that comes from any other page is
 * refused (403); pages of the server itself pass. Yours, and not moved, as long as it is used. */
typedef struct pk_cors {
    /* All NULL-terminated. */
    const char *const *origins; // "https://app.example", as browsers write them; "*" = any; NULL = none
    const char *const *methods; // NULL = GET, HEAD and POST
    const char *const *headers; // of requests, beside those that need no leave; "*" = any; NULL = none
    const char *const *exposed; // of answers: those that scripts may read; NULL = none beside the usual
    bool credentials;           // cookies and Authorization may come along. "*" of origins counts for nothing then
    uint32_t max_age_s;         // for so long a browser need not ask again; 0 = it decides
    bool (*allow)(void *user, pk_str origin); // instead of origins. Any thread that serves
    void *user;
} pk_cors;

/* ---- a rate limit: a bucket of tokens for each peer. A request takes one; an empty bucket is 429 with Retry-After. */
typedef enum pk_rate_by {
    PK_RATE_PEER,   // one IPv4 address, one IPv6 /64, one user of a Unix socket
    PK_RATE_CALLER, // what PlugKit-Caller says, if the server asks for a token; the peer where none was shown
    PK_RATE_ALL     // one bucket for everybody
} pk_rate_by;

typedef struct pk_rate_limit pk_rate_limit;

typedef struct pk_rate_limit_desc {
    const pk_alloc *alloc; // NULL = libc
    uint32_t requests;     // so many, evenly, ...
    uint32_t per_ms;       // ... in so long a time. 0 = 100 in 1,000
    uint32_t burst;        // that a full bucket holds; 0 = as many as `requests`
    pk_rate_by by;
    size_t peers;          // remembered at a time, 56 bytes each; 0 = 1,024. Of more, those that are idle are forgotten
    /* Instead of `by`: requests with the same text share a bucket. "" = it is not counted. Any thread that serves. */
    pk_str (*key)(void *user, const pk_exchange *x);
    void *user;
} pk_rate_limit_desc;

/* ---- a log: one record for each request, when its answer begins. Yours, and not moved, as long as it is used.
 * The text is "GET /notes/7 200 1234 0.52ms shop-1": method, path, status, bytes of the answer's body ("-" if a reader
 * gives them), time in interceptors and handler, caller ("-" if nobody says). The fields hold the same, and the route,
 * as "method", "path", "status", "bytes", "ms", "caller", "route", and "error", the failure's sentence. Queries and
 * headers are left out: they may hold secrets. What came from outside is made safe: no control characters, at most 200
 * bytes of each. Messages that are no HTTP are told to pk_server_desc.on_refused instead. */
typedef struct pk_request_log {
    pk_on_log log; // (required) event "http.request"; WARN for statuses from 500 on, else INFO; any thread that serves
    void *user;
    bool health;   // also routes with PK_INLINE: /healthz and its kind
} pk_request_log;

PK_API pk_interceptor pk_cors_allow(const pk_cors *cors);
PK_API pk_err pk_rate_limit_create(pk_rate_limit **out, const pk_rate_limit_desc *desc, pk_error *err);
PK_API void pk_rate_limit_destroy(pk_rate_limit *limit); // when no server uses it any more
/* Routes with PK_INLINE are not counted: whoever asks for health must be heard. */
PK_API pk_interceptor pk_rate_limit_check(pk_rate_limit *limit);
PK_API pk_interceptor pk_request_log_write(const pk_request_log *log);
#endif
