/* error.h - one list of everything that can go wrong.
 *
 * Every function that can fail returns pk_err, 0 for success, and takes a `pk_error *err` last, which may be NULL.
 * It is yours; the library fills it on failure and leaves it alone on success. Messages read
 * "cannot <verb> 'thing': reason": lower case, no full stop. */

/* What kind of failure it is: the sixteen codes that Connect and gRPC share. HTTP statuses follow from it. */
typedef enum pk_kind {
    PK_KIND_OK,
    PK_KIND_CANCELED,
    PK_KIND_UNKNOWN,
    PK_KIND_INVALID,         // invalid_argument
    PK_KIND_DEADLINE,        // deadline_exceeded
    PK_KIND_NOT_FOUND,
    PK_KIND_EXISTS,          // already_exists
    PK_KIND_DENIED,          // permission_denied
    PK_KIND_EXHAUSTED,       // resource_exhausted
    PK_KIND_PRECONDITION,    // failed_precondition
    PK_KIND_ABORTED,
    PK_KIND_RANGE,           // out_of_range
    PK_KIND_UNIMPLEMENTED,
    PK_KIND_INTERNAL,
    PK_KIND_UNAVAILABLE,
    PK_KIND_DATA_LOSS,
    PK_KIND_UNAUTHENTICATED
} pk_kind;

/* Numbers below 3000 are those of the go-plugins catalogue (PLUGIN_1201 and so on).
 *  X(name,                number, group,       kind,            severity, retry, sentence) */
#define PK_ERR_LIST(X)                                                                                        \
    X(BAD_NAME,            1001, "PLUGIN",    INVALID,         ERROR,   0, "the plugin's name is not allowed")    \
    X(BAD_ENDPOINT,        1004, "PLUGIN",    INVALID,         ERROR,   0, "the address cannot be understood")    \
    X(NOT_EXECUTABLE,      1007, "PLUGIN",    INVALID,         ERROR,   0, "the plugin cannot be executed")       \
    X(DUPLICATE,           1010, "PLUGIN",    EXISTS,          ERROR,   0, "the name is already taken")           \
    X(BAD_JSON,            1011, "PLUGIN",    INVALID,         ERROR,   0, "the JSON cannot be read")             \
    X(PLUGIN_NOT_FOUND,    1201, "PLUGIN",    NOT_FOUND,       ERROR,   0, "no plugin found")                     \
    X(PLUGIN_DISABLED,     1202, "PLUGIN",    PRECONDITION,    ERROR,   0, "the plugin is disabled or failed")    \
    X(PLUGIN_FAULT,        1203, "PLUGIN",    UNKNOWN,         ERROR,   0, "the plugin answered with an error")   \
    X(PLUGIN_TIMEOUT,      1204, "PLUGIN",    DEADLINE,        ERROR,   0, "the deadline passed")                 \
    X(PLUGIN_CONNECTION,   1205, "PLUGIN",    UNAVAILABLE,     ERROR,   1, "the plugin cannot be reached")        \
    X(HTTP,                1301, "TRANSPORT", INTERNAL,        ERROR,   1, "the peer does not speak proper HTTP") \
    X(EXEC,                1304, "TRANSPORT", INTERNAL,        ERROR,   0, "the process cannot be started")       \
    X(CIRCUIT_OPEN,        1401, "CIRCUIT",   UNAVAILABLE,     WARNING, 0, "the circuit breaker is open")         \
    X(RATE_LIMIT,          1501, "RATELIMIT", EXHAUSTED,       WARNING, 1, "the rate limit is exceeded")          \
    X(UNHEALTHY,           1601, "HEALTH",    UNAVAILABLE,     ERROR,   0, "the plugin is not healthy")           \
    X(CONFIG,              1703, "CONFIG",    INVALID,         ERROR,   0, "the configuration is not valid")      \
    X(PATH,                1804, "SECURITY",  DENIED,          ERROR,   0, "the path is not allowed")             \
    X(PERMISSION,          1805, "SECURITY",  DENIED,          ERROR,   0, "the owner or the mode is not safe")   \
    X(DENIED,              1801, "SECURITY",  UNAUTHENTICATED, ERROR,   0, "the caller is not allowed to do that") \
    X(START,               1903, "REGISTRY",  UNAVAILABLE,     ERROR,   1, "the plugin did not start")            \
    X(BAD_CONTRACT,        1905, "REGISTRY",  UNIMPLEMENTED,   ERROR,   0, "the contract is not fulfilled")       \
    X(HANDSHAKE,           2002, "RPC",       UNAUTHENTICATED, ERROR,   0, "no secure connection")                \
    X(PROTOCOL,            2004, "RPC",       INTERNAL,        ERROR,   0, "the peer does not follow the protocol") \
    X(SERIALIZE,           2005, "RPC",       INVALID,         ERROR,   0, "a value cannot be converted")         \
    X(NO_MEMORY,           3001, "CORE",      EXHAUSTED,       ERROR,   0, "out of memory")                       \
    X(LIMIT,               3002, "CORE",      EXHAUSTED,       ERROR,   0, "a limit was reached")                 \
    X(MISUSE,              3003, "CORE",      INVALID,         ERROR,   0, "the function was used wrongly")       \
    X(STALE,               3004, "CORE",      NOT_FOUND,       ERROR,   0, "the handle is no longer valid")       \
    X(CANCELED,            3005, "CORE",      CANCELED,        WARNING, 0, "the call was cancelled")              \
    X(UNSUPPORTED,         3006, "CORE",      UNIMPLEMENTED,   ERROR,   0, "not available in this build or peer") \
    X(OS,                  3007, "CORE",      INTERNAL,        ERROR,   0, "a system call failed")                \
    X(NOT_FOUND,           3008, "CORE",      NOT_FOUND,       ERROR,   0, "there is no such thing")              \
    X(STOPPED,             3009, "CORE",      UNAVAILABLE,     ERROR,   0, "the manager is stopping or stopped")  \
    X(BUSY,                3010, "CORE",      PRECONDITION,    ERROR,   1, "somebody else holds it")              \
    X(PARSE,               3011, "CORE",      INVALID,         ERROR,   0, "the text cannot be understood")       \
    PK__ERR_SCHEMA(X)                                                                                         \
    PK__ERR_JSON_TOOLS(X)
#ifdef PLUGKIT_WITH_SCHEMA
#define PK__ERR_SCHEMA(X) X(SCHEMA, 3012, "CORE", INVALID, ERROR, 0, "a value does not fit its schema")
#else
#define PK__ERR_SCHEMA(X)
#endif
#ifdef PLUGKIT_WITH_JSON_TOOLS
#define PK__ERR_JSON_TOOLS(X) X(CONFLICT, 3013, "CORE", ABORTED, ERROR, 0, "it is not as it was taken to be")
#else
#define PK__ERR_JSON_TOOLS(X)
#endif

typedef enum pk_err {
    PK_OK = 0,
#define PK__X(name, number, group, kind, severity, retry, text) PK_ERR_##name = -(number),
    PK_ERR_LIST(PK__X)
#undef PK__X
    PK_ERR__LAST = -9999
} pk_err;

typedef enum pk_severity { PK_SEVERITY_NONE, PK_SEVERITY_WARNING, PK_SEVERITY_ERROR } pk_severity;

/* How far a failed call got. A call that certainly was not sent may always be tried again. */
typedef enum pk_sent { PK_SENT_NO, PK_SENT_MAYBE, PK_SENT_ANSWERED } pk_sent;

typedef struct pk_error {
    pk_err code;
    int sys_errno;           // errno of the system call that failed, or 0
    int status;              // the peer's HTTP status, or 0
    pk_sent sent;            // see pk_sent
    uint32_t retry_after_ms; // what the peer asked for, or 0
    const char *where;       // what kind of failure it is, in words: pk_err_text(code)
    char app_code[40];       // the plugin's own code as text, or ""
    char msg[256];           // the sentence; cut at the end if too long
} pk_error;

PK_API const char *pk_err_name(pk_err code);         // "PK_ERR_PLUGIN_NOT_FOUND"; static
PK_API const char *pk_err_id(pk_err code);           // "PLUGIN_1201"; static
PK_API const char *pk_err_text(pk_err code);         // "no plugin found"; static
PK_API pk_kind pk_err_kind(pk_err code);
PK_API pk_severity pk_err_severity(pk_err code);
PK_API bool pk_err_retryable(pk_err code);           // may help to try again later
PK_API int pk_kind_status(pk_kind kind);             // the HTTP status that Connect gives it: NOT_FOUND is 404
PK_API pk_kind pk_kind_from_status(int status);
PK_API const char *pk_kind_name(pk_kind kind);       // "not_found"; static

/* Fills *err (if not NULL) and returns `code`. Plugins use it to fail:
 *     return pk_error_set(err, PK_ERR_PARSE, "cannot read '%s': no header", name);                           */
PK_API pk_err pk_error_set(pk_error *err, pk_err code, const char *format, ...) PK_PRINTF(3, 4);
/* The same for a failed system call: adds ": " and the text of errno, and keeps errno in the error. */
PK_API pk_err pk_error_sys(pk_error *err, pk_err code, int sys_errno, const char *format, ...) PK_PRINTF(4, 5);
