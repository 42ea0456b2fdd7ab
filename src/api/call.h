/* call.h - what travels with a call, and how calls go out. */

typedef struct pk_meta {
    pk_str name, value;
} pk_meta;

/* A body: bytes in memory, or a range of a file, or a reader. {0} is an empty body. */
typedef struct pk_body {
    pk_str bytes;           // in memory; or
    bool has_fd;            // a file range, sent without copying where the system can; repeatable. Or
    int fd;                 //
    uint64_t offset, size;  //
    pk_err (*read)(void *user, void *buf, size_t cap, size_t *got, pk_error *err); // *got 0 = the end
    void *user;             // of the reader
    pk_str content_type;    // "" = application/json
} pk_body;

/* Raw bytes as a request or response of a contract. */
typedef struct pk_blob {
    pk_mem mem;
    pk_body body;
} pk_blob;

/* The context of one call. A caller fills it (NULL = defaults); a handler reads it. */
typedef struct pk_ctx {
    uint32_t timeout_ms;   // 0 = the manager's default
    bool idempotent;       // may be sent again even if the method does not say so
    int priority;          // more is sooner
    pk_str sticky_key;     // provider selection: the same key goes to the same plugin
    pk_str caller;         // who calls: a plugin's instance id; "" = the host itself
    pk_str traceparent;    // W3C trace context
    const pk_meta *meta;   // request headers of the user's own, Authorization included
    size_t meta_count;
    pk_mem *mem;           // handlers: memory that lives until the answer is written
    void *impl;            // private
} pk_ctx;

#define PK_FOREVER INT64_MAX
PK_API pk_ns pk_ctx_left(const pk_ctx *ctx);         // time until the deadline; PK_FOREVER for NULL or none
PK_API bool pk_ctx_is_canceled(const pk_ctx *ctx);   // the caller has gone, or the deadline has passed
PK_API pk_str pk_ctx_meta(const pk_ctx *ctx, const char *name); // a request header; "" if absent
/* Handlers: adds a header to the answer. Copied; out of memory drops it. Thread: the handler's. */
PK_API void pk_ctx_meta_out(pk_ctx *ctx, pk_str name, pk_str value);

/* A caller carries calls out: pk_manager_caller(m) in a host, pk_sdk_host(p) in a plugin. Any thread may use it. */
typedef struct pk_caller pk_caller;

typedef struct pk_call {
    uint64_t id; // a handle with a generation: {0} is no call, a stale one gives PK_ERR_STALE
} pk_call;

typedef struct pk_reply {
    pk_mem mem;          // everything below lives here; free it with pk_mem_free(&reply.mem)
    int status;          // HTTP status
    const pk_meta *meta; // response headers
    size_t meta_count;
    pk_body body;        // body.bytes; empty if it went to on_chunk
} pk_reply;

/* Exactly one outcome for each call. err NULL = good. *reply is the library's; to keep it, copy it out and zero
 * *reply: `mine = *reply; memset(reply, 0, sizeof(*reply));` Runs on the loop's thread. */
typedef void (*pk_on_reply)(void *user, pk_call call, pk_reply *reply, const pk_error *err);

typedef struct pk_call_desc {
    const char *contract; // "dataProcessor"
    const char *type;     // "json-processor"; NULL or "" = any
    const char *method;   // "process"
    const char *version;  // the least version of the contract that will do; NULL = any
    const char *plugin;   // this plugin and no other; NULL = whoever provides the service
    const char *http;     // "POST /process": for methods that neither a contract nor the plugin's capabilities name. It
                          // is needed rarely: a name alone is sent as "POST /name"
    pk_ctx ctx;
    pk_body body;         // readers and descriptors are used until the outcome, bytes are copied by pk_caller_start
    uint64_t max_reply;   // bytes of answer accepted; 0 = 8 MiB. With on_chunk there is no limit
    pk_err (*on_chunk)(void *user, pk_str chunk, pk_error *err); // takes the answer's body piece by piece
    pk_on_reply on_reply; // pk_caller_start only: told the outcome
    void *user;           // for on_chunk and on_reply
} pk_call_desc;

/* One call, waiting for its answer. An answer with a status other than 2xx is PK_ERR_PLUGIN_FAULT (err->status,
 * err->app_code and the plugin's message are set; *reply is filled as well).
 * Other errors: PK_ERR_PLUGIN_NOT_FOUND, _TIMEOUT, _CONNECTION, _DISABLED, PK_ERR_START, _STOPPED, _LIMIT ...
 * *reply is emptied first and reuses its memory; free it with pk_mem_free(&reply->mem) also after a failure. */
PK_API pk_err pk_caller_call(pk_caller *c, const pk_call_desc *desc, pk_reply *reply, pk_error *err);
/* Begins a call. With on_reply the outcome is told to it; if this fails, it is not called. Without on_reply the call
 * is a stream of yours: pk_caller_write the body, pk_caller_read the answer; it ends with the read that gives 0 bytes
 * or an error, or with pk_caller_cancel. `call` may be NULL. */
PK_API pk_err pk_caller_start(pk_caller *c, const pk_call_desc *desc, pk_call *call, pk_error *err);
PK_API pk_err pk_caller_write(pk_caller *c, pk_call call, pk_str bytes, bool last, pk_error *err); // waits for room
PK_API pk_err pk_caller_read(pk_caller *c, pk_call call, void *buf, size_t cap, size_t *got, pk_error *err);
/* Ends a call early; its outcome is PK_ERR_CANCELED. Errors: PK_ERR_STALE (it had ended already). */
PK_API pk_err pk_caller_cancel(pk_caller *c, pk_call call);
