/* plugkit_sdk.h 0.1.0 - one header that turns any C program into a plugin.
 *
 * Do this in one .c file of the plugin, before any other #include:
 *
 *     #define PLUGKIT_SDK_IMPLEMENTATION
 *     #include "plugkit_sdk.h"
 *
 * Other files, also in C++, include it without the #define. Compile with -pthread. Linux, macOS, BSD.
 *
 * A complete plugin:
 *
 *     #define PLUGKIT_SDK_IMPLEMENTATION
 *     #include "plugkit_sdk.h"
 *
 *     #define REQUEST(F, T) F(T, REQ, pk_str, name, "name")
 *     #define RESPONSE(F, T) F(T, REQ, pk_str, text, "text")
 *     PK_MESSAGE(request, REQUEST)
 *     PK_MESSAGE(response, RESPONSE)
 *     #define GREETER(M, C) M(C, greet, "POST /greet", request, response, PK_IDEMPOTENT)
 *     PK_CONTRACT(greeter, "greeter", "1.0.0", GREETER)
 *
 *     static pk_err greet(const greeter *self, pk_ctx *ctx, const request *in, response *out, pk_error *err)
 *     {
 *         (void)self, (void)ctx, (void)err;
 *         out->text = pk_mem_printf(&out->mem, "Hello, %" PK_FMT "!", PK_ARG(in->name));
 *         return out->text.ptr ? PK_OK : PK_ERR_NO_MEMORY;
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const greeter object = {.greet = greet};
 *         pk_service service = {&greeter_contract, "polite", &object, PK_STR_INIT("")};
 *         pk_sdk_desc desc = {.id = "hello", .services = &service, .service_count = 1};
 *         return pk_sdk_main(argc, argv, &desc);
 *     }
 *
 * Put the program into the host's plugin directory, executable and without extension. To try it by hand:
 *
 *     ./hello capabilities                  what it can do, as JSON
 *     ./hello --listen /tmp/hello.sock      serves there, for curl --unix-socket; ends with Ctrl-C
 *
 * The host for it stands at the top of plugkit.h. Each part below begins with a line like the next; search for it:
 *
 *     == api/memory.h ==      strings, allocator, pk_mem, pk_buf     == api/loop.h ==     event loop, timers
 *     == api/error.h ==       everything that can go wrong           == api/extend.h ==   interceptors of your own
 *     == api/json.h ==        reader and writer                      == api/server.h ==   routes of your own
 *     == api/types.h ==       structs from and to JSON               == api/tls.h ==      TLS
 *     == api/call.h ==        contexts; calls to the host            == api/sdk.h ==      THE PLUGIN
 *     == api/contract.h ==    contracts and services                 == api/credentials.h ==  API keys, passwords
 *
 * CONFIGURATION: define these before the include, the same in every file (PLUGKIT_NO_CORE excepted).
 *
 *     PLUGKIT_SDK_IMPLEMENTATION  in one file: the implementation of this header
 *     PLUGKIT_IMPLEMENTATION      in one file: that of plugkit.h
 *     PLUGKIT_NO_CORE             with one of the two, when they are in different files of one program: both share a
 *                                 core, and this file keeps its copy to itself
 *     PLUGKIT_STATIC              all functions are static: nothing is exported, several files may have their own
 *     PLUGKIT_NO_THREADS          no threads: handlers run one after the other
 *     PLUGKIT_WITH_TLS            with https, by mbedTLS 2.28 or 3.6: -lmbedtls -lmbedx509 -lmbedcrypto
 *     PLUGKIT_WITH_CREDENTIALS    with API keys, bearer tokens and passwords on calls: shown, and checked
 *     PLUGKIT_CLOCK_NS()          see plugkit.h
 *     PLUGKIT_NO_SURVIVE          the plugin belongs to the host that starts it: it ends with that, also if it is
 *                                 wanted to survive, and others cannot attach it
 *     PLUGKIT_POSIX               only what POSIX.1-2008 has, also on Linux
 *     PLUGKIT_NO_SIMD             see plugkit.h
 *     PLUGKIT_JSON_DEPTH          levels of nesting that the JSON reader accepts; 256
 *     PLUGKIT_ASSERT(x)           called with what must be true unless the program is wrong; nothing
 *     PLUGKIT_LINES               error messages and debuggers name the files of src/ instead of this one
 *
 * SMALL. What a plugin does not need is not in it if the compiler sees all of it (PLUGKIT_STATIC). Where every kilobyte
 * counts, do without other hosts, unwind tables, the moving of addresses and page padding as well; for GNU ld and
 * lld:
 *
 *     cc -Os -s -DPLUGKIT_STATIC -DPLUGKIT_NO_SURVIVE -fno-asynchronous-unwind-tables -fno-pie -no-pie -fno-plt \
 *        -Wl,-z,noseparate-code,-z,norelro,--build-id=none -o hello hello.c -pthread
 *
 * LIFE. A host runs the program once with the argument `capabilities` and reads what it prints. Then it starts it,
 * tells it its configuration and its secret over a control socket, and calls it over HTTP on a private Unix socket (or
 * on 127.0.0.1). The plugin ends on /shutdown, SIGINT, SIGTERM, when its host is gone, or after an hour without work;
 * running requests are finished first. /healthz and /readyz are served, and are no work.
 *
 * HANDLERS get a decoded request and fill a response. What they allocate from out->mem or ctx->mem lives until the
 * answer is written. An error becomes an HTTP status and a JSON body with its sentence. With .workers they run on
 * threads, side by side; without, one after the other.
 *
 * OUTPUT. Standard output and standard error are logs: each line becomes a log record of the host. pk_sdk_log writes
 * records with a level and fields.
 *
 * Licence: MIT, at the end of this file. Generated from src/ by amalgamate.py: edit there. */

/* == api/features.h == */
/* features.h - the implementation needs POSIX.1-2008 and a few calls beyond it: this must come before the first
 * system header of the file. Declarations alone need nothing. */
#if defined(PLUGKIT_IMPLEMENTATION) || defined(PLUGKIT_SDK_IMPLEMENTATION)
#if defined(__APPLE__) && !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#endif

/* What is opted into, part by part or all at once. */
#if defined(PLUGKIT_WITH_ALL) && !defined(PLUGKIT_NO_NET) && !defined(PLUGKIT_NO_FILES) && !defined(PLUGKIT_WITH_ADMIN)
#define PLUGKIT_WITH_ADMIN
#endif
#if defined(PLUGKIT_WITH_ALL) && !defined(PLUGKIT_NO_NET) && !defined(PLUGKIT_WITH_CREDENTIALS)
#define PLUGKIT_WITH_CREDENTIALS
#endif
#if defined(PLUGKIT_WITH_CREDENTIALS) && defined(PLUGKIT_NO_NET)
#error "plugkit: PLUGKIT_WITH_CREDENTIALS needs sockets: leave out PLUGKIT_NO_NET"
#endif
/* All but TLS, which needs another library: that is always asked for by name. */
#if defined(PLUGKIT_WITH_TLS) && defined(PLUGKIT_NO_NET)
#error "plugkit: PLUGKIT_WITH_TLS needs sockets: leave out PLUGKIT_NO_NET"
#endif
#if defined(PLUGKIT_WITH_ADMIN) && (defined(PLUGKIT_NO_NET) || defined(PLUGKIT_NO_FILES))
#error "plugkit: PLUGKIT_WITH_ADMIN needs sockets and files: leave out PLUGKIT_NO_NET and PLUGKIT_NO_FILES"
#endif

#if defined(PK__CORE_H) && PK__CORE_H != 100
#error "plugkit.h and plugkit_sdk.h are of different releases: copy both from the same one"
#endif

#ifndef PK__SDK_H
#define PK__SDK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef PK__CORE_H
#define PK__CORE_H 100

/* == api/shared.h == */
/* shared.h - linkage of what host and SDK share. PLUGKIT_STATIC: private to the file that includes the header.
 * PLUGKIT_NO_CORE: this file has a private copy of the shared part, because another file of the program exports it. */
#undef PK_API
#undef PK_API_DATA
#if defined(PLUGKIT_STATIC) || defined(PLUGKIT_NO_CORE)
#define PK_API static PK_UNUSED
#define PK_API_DATA static PK_UNUSED
#else
#define PK_API extern
#define PK_API_DATA extern
#endif

/* == api/version.h == */
/* version.h - what release this is, and how the functions below are linked. */

#define PK_VERSION_MAJOR 0
#define PK_VERSION_MINOR 1
#define PK_VERSION_PATCH 0
#define PK_VERSION "0.1.0"

#if defined(__GNUC__) || defined(__clang__)
#define PK_UNUSED __attribute__((unused))
#define PK_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#else
#define PK_UNUSED
#define PK_PRINTF(format_at, first_at)
#endif

/* Private: casts in macros that C++ compilers see, too; they can warn of those of C (-Wold-style-cast). */
#ifdef __cplusplus
#define PK__CAST(T, x) static_cast<T>(x)
#else
#define PK__CAST(T, x) ((T)(x))
#endif

/* The version of the implementation that was linked in, as text. Compare it with PK_VERSION. */
PK_API const char *pk_version(void);

/* == api/memory.h == */
/* memory.h - strings, the allocator hook, and the two places where bytes live: pk_mem and pk_buf.
 *
 * Ownership, once for the whole header: arguments are borrowed for the duration of the call. A pk_str is a view;
 * the sentence above a function says until when the views it returns are valid. What has `create` or `dup` in its
 * name is yours to free. Freeing NULL or a zeroed object does nothing. */

typedef struct pk_str {
    const char *ptr; // not NUL-terminated; may be NULL when len is 0
    size_t len;      // bytes
} pk_str;

#ifdef __cplusplus
#define PK_STR(literal) (pk_str{("" literal), sizeof(literal) - 1})
#else
#define PK_STR(literal) ((pk_str){("" literal), sizeof(literal) - 1})
#endif
#define PK_STR_INIT(literal) {("" literal), sizeof(literal) - 1} // where C99 wants a constant initialiser

/* printf("%" PK_FMT "\n", PK_ARG(s)); */
#define PK_FMT ".*s"
#define PK_ARG(s) PK__CAST(int, (s).len), (s).ptr ? (s).ptr : ""

typedef pk_str pk_b64;  // bytes in C, base64 text in JSON
typedef pk_str pk_json; // any JSON value, kept as its text
typedef int64_t pk_ns;  // a duration in nanoseconds; in JSON an integer, or text such as "5m" or "1h30m"

PK_API pk_str pk_str_from(const char *text);                   // a view of a C string; NULL gives ""
PK_API bool pk_str_eq(pk_str a, pk_str b);                     // same bytes
PK_API bool pk_str_is(pk_str a, const char *text);             // same bytes as a C string
PK_API bool pk_str_ieq(pk_str a, pk_str b);                    // same but for ASCII case
PK_API bool pk_str_starts(pk_str s, pk_str prefix);            // begins with prefix
PK_API bool pk_str_cut(pk_str s, char at, pk_str *before, pk_str *after); // splits at the first `at`; false if none

/* The one memory hook. All zero means libc's realloc and free.
 * resize(user, NULL, 0, n) allocates, resize(user, p, old, n) moves, resize(user, p, old, 0) frees and returns
 * NULL. A failed call returns NULL and leaves the old block as it was. Blocks are aligned for any C type.
 * Must be thread-safe unless PLUGKIT_NO_THREADS is defined. */
typedef struct pk_alloc {
    void *(*resize)(void *user, void *ptr, size_t old_size, size_t new_size);
    void *user;
} pk_alloc;

/* pk_mem is where decoded values live: many small allocations, one release. {0} is ready to use.
 * Every message struct begins with one. Passing a message again reuses its memory: the values of the last call
 * are gone then. Not thread-safe. */
typedef struct pk_mem {
    const pk_alloc *alloc; // NULL = libc
    void *blocks;          // private
    char *at;              // private
    size_t left;           // private
} pk_mem;

PK_API void *pk_mem_get(pk_mem *mem, size_t size);         // uninitialised, aligned to 16; NULL = out of memory
PK_API void *pk_mem_zero(pk_mem *mem, size_t size);        // the same, zeroed
PK_API pk_str pk_mem_dup(pk_mem *mem, pk_str s);           // a copy with a NUL behind it; ptr NULL = out of memory
PK_API pk_str pk_mem_printf(pk_mem *mem, const char *format, ...) PK_PRINTF(2, 3); // likewise
/* Hands a foreign block over: pk_mem_free calls release(user, block). False = out of memory, and the block is
 * still yours. */
PK_API bool pk_mem_adopt(pk_mem *mem, void *block, void (*release)(void *user, void *block), void *user);
PK_API void pk_mem_reset(pk_mem *mem); // empties it, keeps one block for the next use
PK_API void pk_mem_free(pk_mem *mem);  // empties it and gives everything back

/* pk_buf is a growing byte buffer with a limit. The first failure (no memory, over the limit) sticks, further
 * appends do nothing, and pk_buf_status tells at the end: a chain of appends needs one check. */
typedef struct pk_buf {
    char *ptr;             // the bytes; not NUL-terminated
    size_t len;            // how many
    size_t cap;            // private
    size_t max;            // the limit in bytes
    const pk_alloc *alloc; // NULL = libc
    int failed;            // 0, PK_ERR_NO_MEMORY or PK_ERR_LIMIT
} pk_buf;

PK_API void pk_buf_init(pk_buf *buf, const pk_alloc *alloc, size_t max); // max in bytes; must not be 0
PK_API void pk_buf_free(pk_buf *buf);
PK_API void pk_buf_clear(pk_buf *buf);                  // empties it and forgets a failure; keeps the memory
PK_API bool pk_buf_reserve(pk_buf *buf, size_t extra);  // room for `extra` more bytes behind len
PK_API bool pk_buf_add(pk_buf *buf, pk_str bytes);      // false once the buffer has failed
PK_API bool pk_buf_add_char(pk_buf *buf, char c);
PK_API bool pk_buf_printf(pk_buf *buf, const char *format, ...) PK_PRINTF(2, 3);
PK_API void pk_buf_drop(pk_buf *buf, size_t count);     // removes the first `count` bytes
PK_API pk_str pk_buf_str(const pk_buf *buf);            // a view, valid until the buffer changes

/* == api/error.h == */
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
    X(PARSE,               3011, "CORE",      INVALID,         ERROR,   0, "the text cannot be understood")

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

/* == api/json.h == */
/* json.h - a strict JSON reader (RFC 8259) and a streaming writer.
 *
 *     pk_mem mem = {0};
 *     const pk_json_value *doc, *v;
 *     if (!pk_json_parse(&mem, text, &doc, &err) && (v = pk_json_at(doc, "/servers/0/port"))) {
 *         port = pk_json_int(v, 80);
 *     }
 *     pk_mem_free(&mem);
 *
 * Strict means: valid UTF-8 only, no lone surrogates, no trailing commas, no leading zeros, nothing behind the value,
 * nesting of 256 at most. The text of numbers is kept, and converted when somebody asks: integers that fit int64 or
 * uint64 are exact, any other number becomes the nearest double. Of duplicate keys the last one counts. The locale
 * plays no part. */

typedef struct pk_json_value pk_json_value; // immutable, any thread may read it; lives in the pk_mem it was parsed into

typedef enum pk_json_type {
    PK_JSON_NONE, // of NULL: there is no value
    PK_JSON_NULL,
    PK_JSON_BOOL,
    PK_JSON_NUMBER,
    PK_JSON_STRING,
    PK_JSON_ARRAY,
    PK_JSON_OBJECT
} pk_json_type;

#ifndef PLUGKIT_JSON_DEPTH
#define PLUGKIT_JSON_DEPTH 256 // levels of nesting that the reader accepts
#endif

/* Parses one document. The values and their strings live in *mem; `text` is not needed afterwards.
 * Errors: PK_ERR_BAD_JSON with line, column and an excerpt; PK_ERR_LIMIT (nesting); PK_ERR_NO_MEMORY. */
PK_API pk_err pk_json_parse(pk_mem *mem, pk_str text, const pk_json_value **out, pk_error *err);
/* Checks the syntax alone, without memory. */
PK_API pk_err pk_json_check(pk_str text, pk_error *err);

/* Getters take NULL and the wrong type: they give `otherwise`, NULL, or an empty string then. 1.0 and 1e3 are no
 * integers, 1e999 is no double. Getting a member or an item by number may walk over those before it. */
PK_API pk_json_type pk_json_type_of(const pk_json_value *v);
PK_API bool pk_json_bool(const pk_json_value *v, bool otherwise);
PK_API int64_t pk_json_int(const pk_json_value *v, int64_t otherwise);    // only integers that fit
PK_API uint64_t pk_json_uint(const pk_json_value *v, uint64_t otherwise); // only integers that fit
PK_API double pk_json_double(const pk_json_value *v, double otherwise);   // any number that is not too large
PK_API pk_str pk_json_str(const pk_json_value *v);                        // of a string; a NUL follows it
PK_API bool pk_json_is(const pk_json_value *v, const char *text);         // a string with just these bytes
PK_API pk_str pk_json_number_text(const pk_json_value *v);                // as it was written
PK_API bool pk_json_get_int(const pk_json_value *v, int64_t *out);        // false: not an integer that fits
PK_API bool pk_json_get_uint(const pk_json_value *v, uint64_t *out);
PK_API size_t pk_json_count(const pk_json_value *v);                      // items or members; 0 otherwise
PK_API const pk_json_value *pk_json_get(const pk_json_value *object, const char *key);
PK_API const pk_json_value *pk_json_item(const pk_json_value *array, size_t index);
/* JSON Pointer (RFC 6901): "" is the value itself, "/a/0/b" goes down, ~1 is a slash in a key and ~0 a tilde. NULL if
 * there is no such value, or if that is no pointer. */
PK_API const pk_json_value *pk_json_at(const pk_json_value *v, const char *pointer);

/* Walks an array or object: for (i = pk_json_first(v); i; i = pk_json_next(v, i)) ...
 * Of an object's member, pk_json_key gives the name. */
PK_API const pk_json_value *pk_json_first(const pk_json_value *v);
PK_API const pk_json_value *pk_json_next(const pk_json_value *parent, const pk_json_value *item);
PK_API pk_str pk_json_key(const pk_json_value *member);

/* The writer appends to a pk_buf and puts commas and colons itself. The first mistake is the last thing it writes, and
 * pk_json_finish tells: PK_ERR_MISUSE (a value where a key is due, too many ends), PK_ERR_SERIALIZE (a string that is
 * not UTF-8, a number that is not finite), PK_ERR_LIMIT (the buffer is full, 256 levels), PK_ERR_NO_MEMORY.
 *
 *     pk_json_writer w;
 *     pk_json_write(&w, &buf);
 *     pk_json_put_object(&w);
 *     pk_json_put_key(&w, "port");
 *     pk_json_put_int(&w, 80);
 *     pk_json_put_end(&w);
 *     rc = pk_json_finish(&w, &err);                                                                         */
typedef struct pk_json_writer {
    pk_buf *buf;
    uint64_t arrays[PLUGKIT_JSON_DEPTH / 64 + 1]; // private: one bit a level
    uint16_t depth;                               // private
    bool need_comma, have_key;                    // private
    int failed;                                   // private: 0 as long as all is well
    unsigned indent;                              // spaces a level; 0 = compact. Set it after pk_json_write
} pk_json_writer;

PK_API void pk_json_write(pk_json_writer *w, pk_buf *buf);
PK_API void pk_json_put_object(pk_json_writer *w); // opens {
PK_API void pk_json_put_array(pk_json_writer *w);  // opens [
PK_API void pk_json_put_end(pk_json_writer *w);    // closes the innermost
PK_API void pk_json_put_key(pk_json_writer *w, const char *key);
PK_API void pk_json_put_key_str(pk_json_writer *w, pk_str key);
PK_API void pk_json_put_str(pk_json_writer *w, pk_str value);
PK_API void pk_json_put_text(pk_json_writer *w, const char *value); // NULL writes null
PK_API void pk_json_put_b64(pk_json_writer *w, pk_str bytes);       // as standard padded base64
PK_API void pk_json_put_int(pk_json_writer *w, int64_t value);
PK_API void pk_json_put_uint(pk_json_writer *w, uint64_t value);
PK_API void pk_json_put_double(pk_json_writer *w, double value); // the shortest text that reads back as the same
PK_API void pk_json_put_bool(pk_json_writer *w, bool value);
PK_API void pk_json_put_null(pk_json_writer *w);
PK_API void pk_json_put_raw(pk_json_writer *w, pk_json value); // checked; loses its line breaks; "" writes null
PK_API pk_err pk_json_finish(pk_json_writer *w, pk_error *err);

/* == api/types.h == */
/* types.h - structs described once, so that JSON goes in and out of them by itself.
 *
 *     #define POINT(F, T)                        // F(T, shape, type, member, "key in JSON")
 *         F(T, REQ,  double, x,    "x")          // required: a missing key is an error
 *         F(T, OPT,  pk_str, name, "name")       // optional: bool has_name; pk_str name;
 *         F(T, LIST, int64_t, tags, "tags")      // struct { int64_t *items; size_t count; } tags;
 *         F(T, MAP,  pk_json, more, "more")      // struct { pk_str *keys; pk_json *values; size_t count; } more;
 *     PK_STRUCT(point, POINT)                    // (each line but the last ends in a backslash)
 *
 * Member types: pk_str, pk_b64 (bytes), pk_json (any value, kept as text), pk_ns (a duration), bool, double, int32_t,
 * uint32_t, int64_t, uint64_t, enums by PK_ENUM, and other structs. PK_MESSAGE makes a struct that owns its memory
 * (it begins with a pk_mem): requests and responses of contracts are messages. Unknown keys are ignored; a member that
 * is null counts as missing, and a missing LIST or MAP is empty. Of duplicate keys the last one counts. */

typedef struct pk_type pk_type;
typedef struct pk_field pk_field;

/* Private: how values become JSON and back. A table leads to the functions of its own types and shapes, so that a
 * program that is linked with care (PLUGKIT_STATIC, or --gc-sections) holds those that it needs. */
struct pk__types_in;
struct pk__types_out;
struct pk__types_path;
typedef struct pk_codec {
    bool (*read)(struct pk__types_in *in, const struct pk__types_path *path, const pk_type *type, void *value);
    bool (*write)(struct pk__types_out *out, const struct pk__types_path *path, const pk_type *type,
                  const void *value);
} pk_codec;
typedef struct pk_shape {
    bool is_due; // a missing key is an error
    bool (*read)(struct pk__types_in *in, const struct pk__types_path *path, const pk_field *field, char *object);
    bool (*write)(struct pk__types_out *out, const struct pk__types_path *path, const pk_field *field,
                  const char *object);
} pk_shape;
PK_API_DATA const pk_codec pk_codec_struct, pk_codec_enum;
PK_API_DATA const pk_shape pk_shape_req, pk_shape_opt, pk_shape_list, pk_shape_map;

typedef enum pk_type_kind {
    PK_TYPE_STRUCT,
    PK_TYPE_STR,
    PK_TYPE_B64,
    PK_TYPE_JSON,
    PK_TYPE_NS,
    PK_TYPE_BOOL,
    PK_TYPE_I32,
    PK_TYPE_U32,
    PK_TYPE_I64,
    PK_TYPE_U64,
    PK_TYPE_DOUBLE,
    PK_TYPE_ENUM,
    PK_TYPE_NONE, // pk_none: nothing on the wire
    PK_TYPE_BLOB  // pk_blob: raw bytes instead of JSON, as a whole body only
} pk_type_kind;

struct pk_field {
    const char *json;
    const pk_type *type;
    const pk_shape *shape;
    uint32_t at, has_at; // offsets in the struct
};

typedef struct pk_enum_name {
    int value;
    const char *json;
} pk_enum_name;

struct pk_type {
    const char *name;
    pk_type_kind kind;
    uint32_t size, count;      // sizeof; how many fields or names
    bool has_mem;              // begins with a pk_mem
    const pk_field *fields;    // of a struct
    const pk_enum_name *names; // of an enum
    const pk_codec *codec;
};

typedef struct pk_none {
    char unused;
} pk_none;

PK_API_DATA const pk_type pk_type_pk_str, pk_type_pk_b64, pk_type_pk_json, pk_type_pk_ns, pk_type_bool,
    pk_type_int32_t, pk_type_uint32_t, pk_type_int64_t, pk_type_uint64_t, pk_type_double, pk_type_pk_none,
    pk_type_pk_blob;

#define PK_STRUCT(T, FIELDS)                                                                                  \
    typedef struct T T;                                                                                       \
    struct T {                                                                                                \
        FIELDS(PK__MEMBER, T)                                                                                 \
    };                                                                                                        \
    PK__TABLE(T, FIELDS, false)
#define PK_MESSAGE(T, FIELDS)                                                                                 \
    typedef struct T T;                                                                                       \
    struct T {                                                                                                \
        pk_mem mem;                                                                                           \
        FIELDS(PK__MEMBER, T)                                                                                 \
    };                                                                                                        \
    PK__TABLE(T, FIELDS, true)

/* #define LEVEL(V, T) V(T, LEVEL_LOW, "low") V(T, LEVEL_HIGH, "high")
 * PK_ENUM(level, LEVEL)            values count from 0 in this order; unknown text is an error */
#define PK_ENUM(T, VALUES)                                                                                    \
    typedef enum T { VALUES(PK__ENUM_VALUE, T) T##__count } T;                                                \
    PK_UNUSED static const pk_enum_name pk__names_##T[] = {VALUES(PK__ENUM_NAME, T)};                         \
    PK_UNUSED static const pk_type pk_type_##T = {#T, PK_TYPE_ENUM, PK__SIZE(T),                              \
                                                  PK__CAST(uint32_t, T##__count), false, NULL,                \
                                                  pk__names_##T, &pk_codec_enum};
#define PK__SIZE(T) PK__CAST(uint32_t, sizeof(T))
#define PK__ENUM_VALUE(T, value, json) value,
#define PK__ENUM_NAME(T, value, json) {value, json},

#define PK__MEMBER(T, shape, type, member, json) PK__MEMBER_##shape(type, member)
#define PK__MEMBER_REQ(type, member) type member;
#define PK__MEMBER_OPT(type, member)                                                                          \
    bool has_##member;                                                                                        \
    type member;
#define PK__MEMBER_LIST(type, member)                                                                         \
    struct {                                                                                                  \
        type *items;                                                                                          \
        size_t count;                                                                                         \
    } member;
#define PK__MEMBER_MAP(type, member)                                                                          \
    struct {                                                                                                  \
        pk_str *keys;                                                                                         \
        type *values;                                                                                         \
        size_t count;                                                                                         \
    } member;

#define PK__ROW(T, shape, type, member, json)                                                                 \
    {json, &pk_type_##type, PK__SHAPE_##shape, PK__AT(T, member), PK__HAS_##shape(T, member)},
#define PK__AT(T, member) PK__CAST(uint32_t, offsetof(T, member))
#define PK__SHAPE_REQ &pk_shape_req
#define PK__SHAPE_OPT &pk_shape_opt
#define PK__SHAPE_LIST &pk_shape_list
#define PK__SHAPE_MAP &pk_shape_map
#define PK__HAS_REQ(T, member) 0
#define PK__HAS_OPT(T, member) PK__AT(T, has_##member)
#define PK__HAS_LIST(T, member) 0
#define PK__HAS_MAP(T, member) 0

#define PK__TABLE(T, FIELDS, has_mem)                                                                         \
    PK_UNUSED static const pk_field pk__fields_##T[] = {FIELDS(PK__ROW, T)};                                  \
    PK_UNUSED static const pk_type pk_type_##T = {                                                            \
        #T,      PK_TYPE_STRUCT,   PK__SIZE(T), PK__SIZE(pk__fields_##T) / PK__SIZE(pk_field),                \
        has_mem, pk__fields_##T, NULL,        &pk_codec_struct};

/* Reads JSON text into the struct *out of that type. What it points to lives in *mem, each string with a NUL behind
 * it; `json` is not needed afterwards. *out is zeroed first, and again after a failure (a message's own pk_mem is left
 * alone: pass &out->mem as mem to use it). For pk_none nothing is read.
 * Errors: PK_ERR_BAD_JSON (syntax); PK_ERR_SERIALIZE with the path, as in
 * "cannot decode settings: config.retry.max: expected integer, got "3""; PK_ERR_LIMIT (nesting), PK_ERR_NO_MEMORY,
 * PK_ERR_MISUSE (a pk_blob). */
PK_API pk_err pk_json_decode(pk_mem *mem, const pk_type *type, pk_str json, void *out, pk_error *err);
/* Appends the struct as compact JSON, without a line break; pk_none appends nothing. After a failure the buffer is as
 * long as before. Errors: PK_ERR_SERIALIZE (not UTF-8, not finite, an enum's value without name, with the path),
 * PK_ERR_LIMIT, PK_ERR_NO_MEMORY, PK_ERR_MISUSE (a pk_blob). */
PK_API pk_err pk_json_encode(pk_buf *buf, const pk_type *type, const void *in, pk_error *err);

/* == api/call.h == */
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

/* == api/contract.h == */
/* contract.h - a contract is declared once; structs, caller's stubs and the plugin's dispatch follow from it.
 *
 *     #define GREETER(M, C)              // M(C, method, "VERB /path", request type, response type, flags)
 *         M(C, greet, "POST /greet", greet_request, greet_response, 0)
 *     PK_CONTRACT(greeter, "greeter", "1.0.0", GREETER)
 *
 * gives `struct greeter` with one function pointer a method. The same type serves both ends:
 *     greeter g;                                            // a caller binds it ...
 *     greeter_bind(&g, pk_manager_caller(m), PK_STR("friendly"), &err);
 *     g.greet(&g, NULL, &request, &response, &err);
 *     static const greeter impl = {.greet = my_greet};      // ... and a plugin fills it.
 *
 * Versions: a provider serves a caller if the major number is the same and its minor is not lower. So fields are only
 * ever added, and unknown ones ignored. */

typedef enum pk_method_flags {
    PK_IDEMPOTENT = 1, // may be sent twice
    PK_UPLOAD = 2,     // the request is a pk_blob whose body the handler reads as it arrives
    PK_DOWNLOAD = 4    // the response is a pk_blob
} pk_method_flags;

typedef struct pk_method {
    const char *name; // "process"
    const char *http; // "POST /process"
    const pk_type *request, *response;
    unsigned flags;
    uint32_t slot; // offset of the function pointer in the contract's struct
    pk_err (*run)(const void *object, pk_ctx *ctx, const void *req, void *resp, pk_error *err);
} pk_method;

typedef struct pk_contract {
    const char *name, *version; // "dataProcessor", "1.0.0"
    const pk_method *methods;
    size_t count;
} pk_contract;

typedef struct pk_stub { // first member of every typed object: by value, no heap
    pk_caller *caller;
    const pk_contract *contract;
    pk_str type;                   // borrowed; "" = any provider
    void *user;                    // an implementation's own state
    const volatile uint32_t *live; // private: an internal provider's epoch,
    uint32_t epoch;                //   the one that was bound,
    const void *direct;            //   and its object
} pk_stub;

/* What a program offers: a host's internal plugin and a plugin process describe it in the same way. */
typedef struct pk_service {
    const pk_contract *contract;
    const char *type;   // "json-processor"
    const void *object; // a filled object of the contract; borrowed as long as the service is offered
    pk_json schema;     // a JSON Schema of what the type accepts; "" = none
} pk_service;

/* Binds *stub to whoever provides the contract; no plugin is started by it. `type` is borrowed as long as the stub is
 * used. Errors: PK_ERR_PLUGIN_NOT_FOUND, PK_ERR_BAD_CONTRACT (version; or a method is missing, by name). */
PK_API pk_err pk_stub_bind(pk_stub *stub, pk_caller *caller, const pk_contract *contract, pk_str type, pk_error *err);
PK_API pk_err pk_stub_call(const pk_stub *stub, const pk_method *method, pk_ctx *ctx, const void *req, void *resp,
                           pk_error *err);

#define PK__SLOT(C, m, http, Q, R, flags)                                                                     \
    pk_err (*m)(const C *self, pk_ctx *ctx, const Q *req, R *resp, pk_error *err);
#define PK__INDEX(C, m, http, Q, R, flags) C##__##m,
#define PK__RUN(C, m, http, Q, R, flags)                                                                      \
    PK_UNUSED static pk_err C##__run_##m(const void *o, pk_ctx *ctx, const void *q, void *r, pk_error *e)     \
    {                                                                                                         \
        const C *self = PK__CAST(const C *, o);                                                               \
        return self->m(self, ctx, PK__CAST(const Q *, q), PK__CAST(R *, r), e);                               \
    }
#define PK__METHOD(C, m, http, Q, R, flags)                                                                   \
    {#m, http, &pk_type_##Q, &pk_type_##R, (flags), PK__CAST(uint32_t, offsetof(C, m)), C##__run_##m},
/* An internal provider is called directly: one compare and one jump, no pipeline. */
#define PK__CALL(C, m, http, Q, R, flags)                                                                     \
    PK_UNUSED static pk_err C##__call_##m(const C *self, pk_ctx *ctx, const Q *q, R *r, pk_error *e)          \
    {                                                                                                         \
        const pk_stub *s = &self->stub;                                                                       \
        if (s->direct && *s->live == s->epoch) {                                                              \
            const C *direct = PK__CAST(const C *, s->direct);                                                 \
            return direct->m(direct, ctx, q, r, e);                                                           \
        }                                                                                                     \
        return pk_stub_call(s, &C##_contract.methods[C##__##m], ctx, q, r, e);                                \
    }
#define PK__FILL(C, m, http, Q, R, flags) out->m = C##__call_##m;

#define PK_CONTRACT(C, wire_name, version, METHODS)                                                           \
    typedef struct C C;                                                                                       \
    struct C {                                                                                                \
        pk_stub stub;                                                                                         \
        METHODS(PK__SLOT, C)                                                                                  \
    };                                                                                                        \
    enum { METHODS(PK__INDEX, C) C##__count };                                                                \
    METHODS(PK__RUN, C)                                                                                       \
    PK_UNUSED static const pk_method C##__methods[] = {METHODS(PK__METHOD, C)};                               \
    PK_UNUSED static const pk_contract C##_contract = {wire_name, version, C##__methods, C##__count};         \
    METHODS(PK__CALL, C)                                                                                      \
    PK_UNUSED static pk_err C##_bind(C *out, pk_caller *caller, pk_str type, pk_error *err)                   \
    {                                                                                                         \
        METHODS(PK__FILL, C)                                                                                  \
        return pk_stub_bind(&out->stub, caller, &C##_contract, type, err);                                    \
    }

/* == api/loop.h == */
/* loop.h - the event loop, for hosts and plugins that bring their own main loop.
 *
 * Most programs never see it: with `.loop = NULL` a manager runs its own on its own thread. With a loop of yours, step
 * it, or hand its descriptors to your own poll:
 *
 *     n = pk_loop_fds(loop, fds, cap, &timeout_ms);   // poll those, then
 *     pk_loop_step(loop, 0, &err);
 *
 * A loop belongs to the thread that steps it; only pk_loop_post and pk_loop_wake may be called from others. Removing
 * or freeing anything from inside a callback is fine. */

typedef struct pk_loop pk_loop;

typedef struct pk_fd {
    int fd;
    bool read, write;
} pk_fd;

PK_API pk_err pk_loop_create(pk_loop **out, const pk_alloc *alloc, pk_error *err);
PK_API void pk_loop_destroy(pk_loop *loop);
/* Waits until something happens or timeout_ms passed (-1 = for ever), and delivers it. */
PK_API pk_err pk_loop_step(pk_loop *loop, int timeout_ms, pk_error *err);
/* What to poll for instead, and for how long at most. Returns how many there are; fills up to `cap`. */
PK_API size_t pk_loop_fds(pk_loop *loop, pk_fd *out, size_t cap, int *timeout_ms);
PK_API void pk_loop_wake(pk_loop *loop); // makes a waiting step return; any thread

/* A descriptor to watch. Yours, not moved while it is added; on_ready runs when it is readable or writable (errors
 * and hang-ups count as both). The descriptor stays yours: remove the watch before closing it. */
typedef struct pk_watch {
    int fd;
    void (*on_ready)(void *user, bool can_read, bool can_write);
    void *user;
    struct pk_watch *pk__next; // private
    uint32_t pk__slot;         // private
    uint8_t pk__want;          // private
} pk_watch;
PK_API pk_err pk_watch_add(pk_loop *loop, pk_watch *w, bool read, bool write, pk_error *err);
PK_API pk_err pk_watch_set(pk_loop *loop, pk_watch *w, bool read, bool write, pk_error *err);
PK_API void pk_watch_remove(pk_loop *loop, pk_watch *w); // not added: does nothing

/* A timer that runs once. Starting a running one moves it. */
typedef struct pk_timer {
    void (*on_time)(void *user);
    void *user;
    int64_t pk__at;   // private
    uint32_t pk__pos; // private: place in the heap + 1; 0 = not running
} pk_timer;
PK_API pk_err pk_timer_start(pk_loop *loop, pk_timer *t, uint32_t delay_ms, pk_error *err);
PK_API void pk_timer_stop(pk_loop *loop, pk_timer *t);

/* A task runs once on the loop's thread. Yours until it has run; posting a posted one does nothing. Any thread. */
typedef struct pk_task {
    void (*run)(void *user);
    void *user;
    struct pk_task *pk__next; // private
    uint32_t pk__queued;      // private
} pk_task;
PK_API void pk_loop_post(pk_loop *loop, pk_task *task);
PK_API void pk_loop_unpost(pk_loop *loop, pk_task *task); // takes it back if it has not run; the loop's thread

/* == api/tls.h == */
/* tls.h - TLS for servers and calls. With PLUGKIT_WITH_TLS; mbedTLS 2.28 (TLS 1.2) or 3.6 (1.2 and 1.3) is linked in.
 *
 * A pk_tls is what one side shows and whom it believes. It serves in both directions and for any number of connections:
 *
 *     static const pk_tls_cert cert = {.chain.file = "server.pem", .key.file = "server.key"};
 *     static const pk_tls_source ca = {.file = "clients-ca.pem"};
 *     pk_tls_desc desc = {.certs = &cert, .cert_count = 1, .trust = &ca, .trust_count = 1};
 *     pk_tls *tls = NULL;
 *     if (pk_tls_create(&tls, &desc, &err)) ...
 *     pk_server_desc server = {.loop = loop, .listen = "https://127.0.0.1:8443", .tls = tls};
 *
 * A server shows the certificate that fits the name it is asked for, otherwise the first one. If it has `trust`, its
 * clients must show a certificate as well (mutual TLS); without, anybody may come. A client must have `trust`: nobody
 * is believed by default, also not the authorities of the system (name their file: they are a pk_tls_source like
 * others). It checks that the certificate has the name of the server, and shows its own first one if it is asked to.
 *
 * Certificates are checked by the wall clock, for their use (server, client), against revocation lists if there are
 * any, and every signature; P-256, P-384, P-521 and RSA from 2048 bits, SHA-256 and better. TLS 1.2 is the least that
 * is spoken, with forward secrecy and authenticated ciphers only. A further connection to the same server resumes the
 * session of an earlier one, which costs a fraction of a new one. Identities are checked again then.
 *
 * What mbedTLS needs for itself it takes from libc's calloc, not from .alloc: 40 KiB a connection. With 3.6 it keeps
 * global state (psa_crypto_init): the only one in a program with PlugKit. */

typedef struct pk_tls pk_tls;

/* Certificates, keys or revocation lists: PEM (any number of them) or DER (one), in a file or in memory. */
typedef struct pk_tls_source {
    const char *file; // or
    pk_str bytes;
} pk_tls_source;

typedef struct pk_tls_cert {
    pk_tls_source chain;  // the certificate, then those that lead from it to the authority
    pk_tls_source key;    // of the first one
    const char *password; // of the key; NULL = none
} pk_tls_cert;

typedef enum pk_tls_version { PK_TLS_DEFAULT, PK_TLS_1_2, PK_TLS_1_3 } pk_tls_version;

/* The other side, as its certificate says. Texts are made safe: valid UTF-8, no control characters. A client without
 * certificate has empty texts. */
typedef struct pk_tls_peer {
    pk_str name;            // common name (CN)
    pk_str subject;         // the whole: "CN=backup, O=Example"
    const pk_str *dns;      size_t dns_count;  // of its alternative names
    const pk_str *uris;     size_t uri_count;  // "spiffe://example.org/backup"
    pk_str certificate;     // DER
    pk_str fingerprint;     // SHA-256 of it, 64 hexadecimal digits
    const char *version;    // "TLSv1.3"
    const char *cipher;     // as mbedTLS calls it
    bool is_server;         // the other side is the server
    bool is_resumed;        // it has shown its certificate on an earlier connection
} pk_tls_peer;

typedef struct pk_tls_desc {
    const pk_alloc *alloc;       // NULL = libc
    const pk_tls_cert *certs;    size_t cert_count;  // what is shown
    const pk_tls_source *trust;  size_t trust_count; // whom to believe: authorities; or a peer's own certificate, and
                                                     // then exactly that one
    const pk_tls_source *crls;   size_t crl_count;   // what these authorities have revoked
    pk_tls_version min_version;  // PK_TLS_DEFAULT = 1.2; PK_TLS_1_3 with mbedTLS 3.6 only: PK_ERR_UNSUPPORTED
    /* Clients: the name that certificates of servers must have: DNS name, IP address, or URI ("spiffe://.."). NULL =
     * the host of the address, which Unix sockets do not have: there it is needed, here or in the endpoint. */
    const char *peer_name;
    /* Has the last word on a peer whose certificate is good: an error refuses it. Called at the end of each handshake,
     * resumed ones included, on the thread that makes it; *peer lives until it returns. Must not wait. */
    pk_err (*on_peer)(void *user, const pk_tls_peer *peer, pk_error *err);
    /* Servers: told of each connection that came to nothing, and why. Clients get that as the outcome of their call. */
    void (*on_refused)(void *user, const pk_error *why);
    void *user;
} pk_tls_desc;

#ifdef PLUGKIT_WITH_TLS
/* Everything is read and checked here; the description and its sources are not needed afterwards. Errors: PK_ERR_CONFIG
 * (a certificate, key or list cannot be read, or they do not belong together: the sentence says which),
 * PK_ERR_NOT_FOUND, PK_ERR_OS (files), PK_ERR_UNSUPPORTED, PK_ERR_NO_MEMORY. */
PK_API pk_err pk_tls_create(pk_tls **out, const pk_tls_desc *desc, pk_error *err);
/* The same for one that is in use: new connections use what is new, old ones go on as they are, no session from before
 * is resumed. After a failure everything is as it was. Any thread. .alloc stays. */
PK_API pk_err pk_tls_reload(pk_tls *tls, const pk_tls_desc *desc, pk_error *err);
/* Only when no server, manager or plugin uses it any more. */
PK_API void pk_tls_destroy(pk_tls *tls);
/* Who is on the other side of this request's connection. NULL: it is not secure. As long as the request. */
PK_API const pk_tls_peer *pk_ctx_peer(const pk_ctx *ctx);
#endif

/* == api/extend.h == */
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

typedef struct pk_exchange {
    const pk_call_desc *call;
    pk_ctx *ctx;
    pk_str plugin, instance; // "" in CALL scope before: not chosen yet
    unsigned attempt;        // counts from 1
    bool streamed;           // answer bytes went to the user already: no PK_AGAIN
    pk_reply *reply;         // after: what came back; before: to be filled for PK_ANSWER
    pk_error *err;           // after: the failure, code PK_OK if there was none
    void *state;             // state_size zeroed bytes of this interceptor, from before to after
    void *impl;              // private
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
} pk_interceptor;
PK_API void pk_exchange_resume(pk_exchange *x, pk_verdict verdict); // any thread

/* == api/server.h == */
/* server.h - the HTTP/1.1 server that plugins answer with, for routes of your own. */

typedef struct pk_request {
    pk_str method;  // "POST"
    pk_str path;    // percent-decoded once, without dot segments: "/notes/a b"
    pk_str query;   // behind the '?', as it came
    pk_str rest;    // of a route that ends in "/" + "*": what stands for the star
    const pk_meta *fields;
    size_t field_count;
    pk_body body;   // bytes, or a reader on routes with PK_UPLOAD
    pk_ctx *ctx;    // deadline, caller, metadata; ctx->mem lives until the answer is written
} pk_request;

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

/* A failed handler's error becomes {"message":..,"statusCode":..,"code":..} with the status of its kind. */
typedef struct pk_route {
    const char *match; // "GET /notes", "ANY /files/" + "*"; a GET route answers HEAD too
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
        /* Of one IPv4 address, one IPv6 /64, or one user of a Unix socket; any more are answered with 503. 0 = all. */
        size_t connections_per_peer;
    } limit;
    void (*on_work)(void *user, int change); // +1 when a request begins, -1 when its answer is written; loop's thread
    void *user;              // of on_token and on_work
} pk_server_desc;

#ifndef PLUGKIT_NO_NET
PK_API pk_err pk_server_create(pk_server **out, const pk_server_desc *desc, pk_error *err);
PK_API pk_err pk_server_add(pk_server *server, const pk_route *route, pk_error *err); // copied but for its pointers
PK_API const char *pk_server_address(const pk_server *server); // with the port that was taken; as long as the server
PK_API void pk_server_drain(pk_server *server); // takes no more connections; closes each after its running request
PK_API bool pk_server_is_idle(const pk_server *server); // no request is running
PK_API void pk_server_destroy(pk_server *server);
#endif

/* == api/credentials.h == */
/* credentials.h - who one is: API keys, bearer tokens, passwords, on calls over HTTP. With PLUGKIT_WITH_CREDENTIALS.
 * (Certificates: tls.h. What a host and the plugins that it starts know each other by is there already.)
 *
 * Both sides are interceptors. A host, or a plugin that calls, shows:
 *
 *     static const pk_credential keys[] = {
 *         {.kind = PK_CREDENTIAL_BEARER, .plugin = "geo", .secret = PK_STR_INIT("..")},
 *         {.kind = PK_CREDENTIAL_API_KEY, .plugin = "maps", .get = from_the_vault}};
 *     static const pk_credentials shown = {.items = keys, .count = 2};
 *     pk_interceptor show = pk_credentials_show(&shown);     // into .interceptors of the manager
 *
 * A server, or a plugin that others call, checks:
 *
 *     static const pk_access access = {.accept = {.items = keys, .count = 2}};
 *     pk_interceptor check = pk_access_check(&access);       // into .interceptors of the server, or of the plugin
 *
 * What was shown is compared in time that does not depend on it. Secrets stay where they are: only the header of one
 * attempt is a copy, which is overwritten after it. They are in no log and no error. */

typedef enum pk_credential_kind {
    PK_CREDENTIAL_NONE,    // nothing is shown
    PK_CREDENTIAL_API_KEY, // X-API-Key: SECRET
    PK_CREDENTIAL_BEARER,  // Authorization: Bearer SECRET
    PK_CREDENTIAL_BASIC,   // Authorization: Basic, with user and password
    PK_CREDENTIAL_CUSTOM   // HEADER: SECRET, as it is
} pk_credential_kind;

typedef struct pk_credential {
    pk_credential_kind kind;
    const char *plugin; // to show it to: an id. NULL = to all that have none of their own. The first that fits counts
    const char *header; // of API_KEY: NULL = "X-API-Key"; of CUSTOM: needed
    pk_str user;        // of BASIC: without a colon
    pk_str secret;      // key, token, password
    /* Instead of `secret`, for those that change: asked at each attempt, on the calling thread or the loop's. *secret
     * must be there until the attempt is over. An error is the outcome of the call. */
    pk_err (*get)(void *context, const pk_exchange *x, pk_str *secret, pk_error *err);
    void *context;
} pk_credential;

/* Yours, and not moved, as long as it is used. */
typedef struct pk_credentials {
    const pk_alloc *alloc; // of headers; NULL = libc
    const pk_credential *items;
    size_t count;
} pk_credentials;

/* Whom a server lets in. Yours, and not moved, as long as it is used. */
typedef struct pk_access {
    pk_credentials accept; // any of them will do; `plugin` and `get` mean nothing here
    bool certificate;      // so will a certificate that TLS has checked (mutual TLS)
    /* Instead of comparing: has the last word on what was shown (the kinds that `accept` names; none: all three).
     * `scheme` is "Bearer", "Basic" or a header's name, `user` "" but with Basic; all "" if nothing was shown. Compare
     * in constant time; any thread that serves. Status 401 for false, or that of *err (403, say). */
    bool (*allow)(void *context, const pk_exchange *x, pk_str scheme, pk_str user, pk_str secret, pk_error *err);
    void *context;
    const char *realm;     // in WWW-Authenticate; NULL = "plugin"
} pk_access;

#ifdef PLUGKIT_WITH_CREDENTIALS
/* Attempt scope; also for GET /healthz, GET /capabilities and POST /shutdown to plugins that somebody else runs. A
 * header of that name among the call's own is left as it is: Authorization in ctx.meta stays the user's. */
PK_API pk_interceptor pk_credentials_show(const pk_credentials *credentials);
/* Serve scope. Who shows nothing of use gets 401 and WWW-Authenticate. If the server asks for a token as well
 * (PlugKit-Token), its own routes (/healthz, /capabilities, /shutdown) are guarded by that alone. */
PK_API pk_interceptor pk_access_check(const pk_access *access);
#endif

#endif // PK__CORE_H

/* == api/own.h == */
/* own.h - linkage of what only one of the two headers has. */
#undef PK_API
#ifdef PLUGKIT_STATIC
#define PK_API static PK_UNUSED
#else
#define PK_API extern
#endif

/* == api/sdk.h == */
/* sdk.h - the plugin's side: one description, one call to pk_sdk_main. */

typedef struct pk_sdk pk_sdk;

typedef enum pk_health { PK_HEALTH_OK, PK_HEALTH_DEGRADED, PK_HEALTH_BAD } pk_health;

typedef struct pk_health_report {
    pk_health health;
    char reason[200];      // for people; "" = none
    char unavailable[200]; // what it needs and does not have: names with commas between them, "db,cache"
} pk_health_report;

typedef struct pk_sdk_desc {
    const char *id, *version;      // (id is required) "shout", "1.0.0"
    const char *description, *author, *license; // plugin information; optional
    const pk_service *services;    size_t service_count;
    const pk_route *routes;        size_t route_count; // besides the services' own
    const char *const *config_types; // NULL-terminated: what on_config understands; others are refused
    pk_loop *loop;                 // NULL = its own
    const pk_alloc *alloc;         // NULL = libc
    pk_tls *tls;                   // serve HTTPS only, by this configuration; borrowed. NULL = plain
    int workers;                   // threads that run handlers; 0 = one after the other
    uint64_t idle_ms;              // ends itself after so long without work; 0 = what the host says, else 1 h
    size_t body_bytes;             // the largest request body taken into memory; 0 = 8 MiB
    const pk_interceptor *const *interceptors; size_t interceptor_count;
    /* Callbacks, all optional. An error from on_config or on_start ends the plugin: the host shows the message. */
    pk_err (*on_config)(void *user, pk_str type, pk_json data, pk_error *err);
    pk_err (*on_start)(void *user, pk_sdk *p, pk_error *err);          // before the first request
    void (*on_health)(void *user, pk_health_report *report);           // asked by GET /healthz; zeroed: all is well
    void (*on_close)(void *user);                                      // after the last request
    void *user;
} pk_sdk_desc;

#ifndef PLUGKIT_NO_NET
/* A plugin's whole life: answers `capabilities`, reads its configuration, listens, serves, ends on /shutdown, SIGINT,
 * SIGTERM, SIGHUP, the end of its host, or idleness. Returns main's exit status: 0, or 1 with the reason on stderr.
 *
 * When its host has died, however it did, nobody is left to look after what the plugin started. Then requests under way
 * have 50 ms to finish, all of the end, on_close included, has 950 ms, and it does not return: the last thing that it
 * does is to kill its process group with SIGKILL. A thread sees to that, also while a callback hangs; it is there
 * before the first callback of yours. */
PK_API int pk_sdk_main(int argc, char **argv, const pk_sdk_desc *desc);

/* The same in pieces, for programs with a loop of their own:
 * create (listens; PK_ERR_CANCELED: the arguments asked for `capabilities`, which were printed: exit with 0), step the
 * loop while pk_sdk_is_running, destroy. */
PK_API pk_err pk_sdk_create(pk_sdk **out, int argc, char **argv, const pk_sdk_desc *desc, pk_error *err);
PK_API bool pk_sdk_is_running(const pk_sdk *p);
PK_API void pk_sdk_stop(pk_sdk *p); // drains, then is_running turns false; any thread
PK_API void pk_sdk_destroy(pk_sdk *p);
PK_API pk_loop *pk_sdk_loop(pk_sdk *p);
PK_API pk_server *pk_sdk_server(pk_sdk *p);
/* Tells the host how this plugin is, at once and not only when it asks; without on_health, also when it asks. Copied.
 * Any thread, from on_start on. */
PK_API void pk_sdk_report(pk_sdk *p, const pk_health_report *report);
PK_API const char *pk_sdk_instance(const pk_sdk *p); // the host's name for this process
/* Calls functions that the host offers. Without such a host, calls give PK_ERR_PLUGIN_NOT_FOUND. Never NULL. */
PK_API pk_caller *pk_sdk_host(pk_sdk *p);
/* One log record: a JSON line on stderr, which the host takes apart again. Any thread. */
PK_API void pk_sdk_log(pk_log_level level, const char *message, const pk_meta *fields, size_t count);
#endif

#ifdef __cplusplus
}
#endif
#endif // PK__SDK_H

#if defined(PLUGKIT_SDK_IMPLEMENTATION) && !defined(PK__SDK_IMPL)
#define PK__SDK_IMPL

#ifndef PK__CORE_IMPL
#define PK__CORE_IMPL

/* == api/shared.h == */
/* shared.h - linkage of what host and SDK share. PLUGKIT_STATIC: private to the file that includes the header.
 * PLUGKIT_NO_CORE: this file has a private copy of the shared part, because another file of the program exports it. */
#undef PK_API
#undef PK_API_DATA
#if defined(PLUGKIT_STATIC) || defined(PLUGKIT_NO_CORE)
#define PK_API static PK_UNUSED
#define PK_API_DATA static PK_UNUSED
#else
#define PK_API extern
#define PK_API_DATA extern
#endif

#include <errno.h>
#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* == base/features.h == */
/* features.h - stops with a sentence, instead of a page of unknown functions, if a system header came too early. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/features.h"
#endif



#ifdef __cplusplus
#error "plugkit: the implementation is C99: put it into a .c file; C++ files include the header without it"
#endif

#if (defined(__GLIBC__) && !defined(__USE_GNU)) ||                                                                     \
    (defined(__APPLE__) && defined(__DARWIN_C_LEVEL) && __DARWIN_C_LEVEL < __DARWIN_C_FULL)
#error "plugkit: a system header came first: include plugkit.h before it here, or compile this file with -D_GNU_SOURCE"
#endif



/* == base/defs.h == */
/* defs.h - the few macros that every module uses. Undefined again at the end of the generated header. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/defs.h"
#endif



#define PK__FN static PK_UNUSED // every private function: the joined header has only one translation unit

/* Definitions of PK_API_DATA objects. */
#if defined(PLUGKIT_STATIC) || defined(PLUGKIT_NO_CORE)
#define PK__DATA static PK_UNUSED
#else
#define PK__DATA
#endif

#define PK__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PK__MIN(a, b) ((a) < (b) ? (a) : (b))
#define PK__MAX(a, b) ((a) > (b) ? (a) : (b))
/* The struct that `ptr` is the `member` of. */
#define PK__OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* Programming mistakes only. Define PLUGKIT_ASSERT(x) to see them; runtime conditions return errors. */
#ifdef PLUGKIT_ASSERT
#define PK__ASSERT(x) PLUGKIT_ASSERT(x)
#else
#define PK__ASSERT(x) ((void)0)
#endif



/* == base/error.h == */
/* error.h - how modules make, copy and pass on errors. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/error.h"
#endif







/* No error: the start of each call. Its texts are made empty, not cleared to their ends. */
PK__FN inline void pk__error_none(pk_error *err)
{
    memset(err, 0, offsetof(pk_error, app_code));
    err->app_code[0] = '\0';
    err->msg[0] = '\0';
}

/* Errors are made with pk_error_set and pk_error_sys (api/error.h); these go on from there. */
PK__FN pk_err pk__error_setv(pk_error *err, pk_err code, const char *format, va_list args);
PK__FN pk_err pk__error_copy(pk_error *to, const pk_error *from);             // returns from->code
PK__FN pk_err pk__error_wrap(pk_error *err, const char *format, ...) PK_PRINTF(2, 3); // "new words: old message"
PK__FN pk_err pk__error_memory(pk_error *err, const char *what);              // "cannot <what>: out of memory"
/* Makes foreign bytes fit for a log or a message: valid UTF-8, control characters as \xNN; cut with "..." at cap - 1.
 * Returns the length; out is NUL-terminated. */
PK__FN size_t pk__error_clean(char *out, size_t cap, pk_str in);



/* == base/memory.h == */
/* memory.h - the allocator hook as modules use it.
 *
 * Each object keeps a `const pk_alloc *` (NULL or all zero = libc) from its descriptor and passes it here. Sizes are
 * given back on free, so that a hook can be a plain arena. pk_mem is a chain of blocks, newest first: small requests
 * are cut from the newest, which doubles from 1 KiB to 64 KiB; adopted foreign blocks are entries in the same chain. */
#ifdef PLUGKIT_LINES
#line 5 "src/base/memory.h"
#endif




PK__FN void *pk__resize(const pk_alloc *alloc, void *ptr, size_t old_size, size_t new_size);
PK__FN void *pk__new(const pk_alloc *alloc, size_t size);                // zeroed; NULL = out of memory
PK__FN void pk__free(const pk_alloc *alloc, void *ptr, size_t size);     // NULL is fine
PK__FN char *pk__strdup(const pk_alloc *alloc, const char *text);        // free with pk__strfree
PK__FN char *pk__strndup(const pk_alloc *alloc, pk_str s);               // likewise; must not hold a NUL
PK__FN void pk__strfree(const pk_alloc *alloc, char *text);
/* Where the next `count` bytes of a buffer go, at least one; NULL = it has failed. Inline: it is asked for often. */
PK__FN inline char *pk__buf_room(pk_buf *buf, size_t count)
{
    bool fits = count <= buf->cap - buf->len && !buf->failed;
    return fits || pk_buf_reserve(buf, count) ? buf->ptr + buf->len : NULL;
}
PK__FN void pk__mem_trim(pk_mem *mem, void *piece, size_t old_size, size_t new_size); // if it was the last one
PK__FN bool pk__size_add(size_t a, size_t b, size_t *out);               // false = overflow
PK__FN bool pk__size_mul(size_t a, size_t b, size_t *out);



/* == base/list.h == */
/* list.h - an intrusive doubly linked list: the node is a member of the element, so nothing is allocated.
 *
 *     pk__list_init(&list); pk__list_push(&list, &thing->node);
 *     for (pk__node *n = list.next; n != &list; n = n->next) { thing *t = PK__OF(n, thing, node); ... }
 *
 * A zeroed node is in no list; removing it does nothing. */
#ifdef PLUGKIT_LINES
#line 6 "src/base/list.h"
#endif




typedef struct pk__node {
    struct pk__node *prev, *next;
} pk__node;

PK__FN void pk__list_init(pk__node *list);
PK__FN bool pk__list_is_empty(const pk__node *list);
PK__FN void pk__list_push(pk__node *list, pk__node *node); // at the end
PK__FN void pk__list_remove(pk__node *node);
PK__FN pk__node *pk__list_pop(pk__node *list); // the first, taken out; NULL = empty



/* == base/map.h == */
/* map.h - a hash map from strings to pointers: open addressing, kept at most three quarters full.
 * Keys are views that the caller keeps alive as long as the entry. Not thread-safe. */
#ifdef PLUGKIT_LINES
#line 2 "src/base/map.h"
#endif




typedef struct pk__map_entry {
    pk_str key;  // ptr NULL = empty
    void *value; // NULL with a key = a removed entry
    uint32_t hash;
} pk__map_entry;

typedef struct pk__map {
    const pk_alloc *alloc;
    pk__map_entry *entries;
    size_t cap, used, live; // cap: 0 or a power of two; used counts removed entries too
} pk__map;

PK__FN void pk__map_init(pk__map *map, const pk_alloc *alloc);
PK__FN void pk__map_deinit(pk__map *map);
PK__FN void *pk__map_get(const pk__map *map, pk_str key);            // NULL = absent
PK__FN bool pk__map_put(pk__map *map, pk_str key, void *value);      // replaces; false = out of memory
PK__FN void *pk__map_remove(pk__map *map, pk_str key);               // what was there
PK__FN bool pk__map_next(const pk__map *map, size_t *at, pk__map_entry **out); // *at starts as 0



/* == base/words.h == */
/* words.h - tables of texts without pointers.
 *
 *     static const char words[] = "none\0" "one\0" "two\0";
 *     pk__words_at(words, 2)                               // "two"
 *
 * A pointer to a text costs eight bytes, and as much again or more for the loader to mend it: often as much as the
 * text. Texts that are looked at rarely stand one behind the other instead, and are counted off. */
#ifdef PLUGKIT_LINES
#line 7 "src/base/words.h"
#endif





PK__FN const char *pk__words_at(const char *words, size_t n)
{
    while (n-- > 0) {
        words += strlen(words) + 1;
    }
    return words;
}



/* == base/handle.h == */
/* handle.h - numbers for users to hold instead of pointers.
 *
 * A handle is a slot index (+1) in the low half and the slot's generation in the high half. Freeing a slot raises its
 * generation, so an old handle finds nothing: stale use is an error, never a crash. 0 is no handle. The table is not
 * thread-safe; its owner locks. Pointers stay where they are when the table grows. */
#ifdef PLUGKIT_LINES
#line 5 "src/base/handle.h"
#endif




typedef struct pk__handle_slot {
    void *object; // NULL = free
    uint32_t generation, next_free;
} pk__handle_slot;

typedef struct pk__handles {
    const pk_alloc *alloc;
    pk__handle_slot *slots;
    uint32_t count, cap, first_free; // first_free: index + 1, 0 = none
} pk__handles;

PK__FN void pk__handles_init(pk__handles *t, const pk_alloc *alloc);
PK__FN void pk__handles_deinit(pk__handles *t);
PK__FN uint64_t pk__handles_add(pk__handles *t, void *object); // 0 = out of memory
PK__FN void *pk__handles_get(const pk__handles *t, uint64_t handle); // NULL = stale
PK__FN void *pk__handles_any(const pk__handles *t); // one that is left; NULL = none
PK__FN void pk__handles_remove(pk__handles *t, uint64_t handle);



/* == base/version.c == */
/* version.c - the release of the implementation that was linked in. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/version.c"
#endif


PK_API const char *pk_version(void)
{
    return PK_VERSION;
}

/* == base/str.c == */
/* str.c - views of bytes. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/str.c"
#endif




PK_API pk_str pk_str_from(const char *text)
{
    pk_str s;
    s.ptr = text ? text : "";
    s.len = text ? strlen(text) : 0;
    return s;
}

PK_API bool pk_str_eq(pk_str a, pk_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

PK_API bool pk_str_is(pk_str a, const char *text)
{
    return pk_str_eq(a, pk_str_from(text));
}

static unsigned char pk__str_lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

PK_API bool pk_str_ieq(pk_str a, pk_str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] != b.ptr[i] && pk__str_lower(a.ptr[i]) != pk__str_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

PK_API bool pk_str_starts(pk_str s, pk_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

PK_API bool pk_str_cut(pk_str s, char at, pk_str *before, pk_str *after)
{
    const char *hit = s.len ? (const char *)memchr(s.ptr, at, s.len) : NULL;
    if (!hit) {
        return false;
    }
    size_t len = (size_t)(hit - s.ptr);
    after->ptr = hit + 1;
    after->len = s.len - len - 1;
    before->ptr = s.ptr;
    before->len = len;
    return true;
}

/* == base/memory.c == */
/* memory.c - the allocator hook, pk_mem. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/memory.c"
#endif







PK__FN void *pk__resize(const pk_alloc *alloc, void *ptr, size_t old_size, size_t new_size)
{
    if (alloc && alloc->resize) {
        return alloc->resize(alloc->user, ptr, old_size, new_size);
    }
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

PK__FN void *pk__new(const pk_alloc *alloc, size_t size)
{
    void *ptr = pk__resize(alloc, NULL, 0, size);
    if (ptr) {
        memset(ptr, 0, size);
    }
    return ptr;
}

PK__FN void pk__free(const pk_alloc *alloc, void *ptr, size_t size)
{
    if (ptr) {
        (void)pk__resize(alloc, ptr, size, 0);
    }
}

PK__FN char *pk__strndup(const pk_alloc *alloc, pk_str s)
{
    char *copy = (char *)pk__resize(alloc, NULL, 0, s.len + 1);
    if (copy) {
        if (s.len > 0) {
            memcpy(copy, s.ptr, s.len);
        }
        copy[s.len] = '\0';
    }
    return copy;
}

PK__FN char *pk__strdup(const pk_alloc *alloc, const char *text)
{
    return pk__strndup(alloc, pk_str_from(text));
}

PK__FN void pk__strfree(const pk_alloc *alloc, char *text)
{
    if (text) {
        pk__free(alloc, text, strlen(text) + 1);
    }
}

PK__FN bool pk__size_add(size_t a, size_t b, size_t *out)
{
    *out = a + b;
    return *out >= a;
}

PK__FN bool pk__size_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b) {
        return false;
    }
    *out = a * b;
    return true;
}

/* ---- pk_mem */

enum { PK__MEM_ALIGN = 16, PK__MEM_FIRST = 1024, PK__MEM_LARGEST = 64 * 1024 };

typedef struct pk__mem_block {
    struct pk__mem_block *next;
    size_t size; // of the whole block, this head included
    void (*release)(void *user, void *block); // NULL = bytes of ours behind the head
    void *user;
    void *foreign;
} pk__mem_block;

enum { PK__MEM_HEAD = (sizeof(pk__mem_block) + PK__MEM_ALIGN - 1) / PK__MEM_ALIGN * PK__MEM_ALIGN };

static pk__mem_block *pk__mem_block_add(pk_mem *mem, size_t size)
{
    pk__mem_block *block = (pk__mem_block *)pk__resize(mem->alloc, NULL, 0, size);
    if (!block) {
        return NULL;
    }
    memset(block, 0, sizeof(*block));
    block->size = size;
    block->next = (pk__mem_block *)mem->blocks;
    mem->blocks = block;
    return block;
}

static void pk__mem_block_free(pk_mem *mem, pk__mem_block *block)
{
    if (block->release) {
        block->release(block->user, block->foreign);
    }
    pk__free(mem->alloc, block, block->size);
}

/* A request that does not fit into what is left gets a block of its own if it is large: the rest stays in use. */
static void *pk__mem_get_slow(pk_mem *mem, size_t size)
{
    size_t want;
    size_t usual = PK__MEM_FIRST;
    for (const pk__mem_block *b = (const pk__mem_block *)mem->blocks; b && usual < PK__MEM_LARGEST; b = b->next) {
        usual *= 2;
    }
    if (!pk__size_add(size, PK__MEM_HEAD, &want)) {
        return NULL;
    }
    bool own = want > usual / 2 && mem->left > 64;
    pk__mem_block *block = pk__mem_block_add(mem, own ? want : PK__MAX(want, usual));
    if (!block) {
        return NULL;
    }
    char *start = (char *)block + PK__MEM_HEAD;
    if (!own) {
        mem->at = start + size;
        mem->left = block->size - want;
    }
    return start;
}

PK_API void *pk_mem_get(pk_mem *mem, size_t size)
{
    if (size > SIZE_MAX - PK__MEM_ALIGN) {
        return NULL;
    }
    size = (size + PK__MEM_ALIGN - 1) & ~(size_t)(PK__MEM_ALIGN - 1);
    if (size == 0) {
        size = PK__MEM_ALIGN;
    }
    if (size > mem->left) {
        return pk__mem_get_slow(mem, size);
    }
    void *at = mem->at;
    mem->at += size;
    mem->left -= size;
    return at;
}

PK__FN void pk__mem_trim(pk_mem *mem, void *piece, size_t old_size, size_t new_size)
{
    size_t was = (old_size + PK__MEM_ALIGN - 1) & ~(size_t)(PK__MEM_ALIGN - 1);
    size_t stays = (new_size + PK__MEM_ALIGN - 1) & ~(size_t)(PK__MEM_ALIGN - 1);
    if (stays < was && (char *)piece + was == mem->at) {
        mem->at -= was - stays;
        mem->left += was - stays;
    }
}

PK_API void *pk_mem_zero(pk_mem *mem, size_t size)
{
    void *at = pk_mem_get(mem, size);
    if (at) {
        memset(at, 0, size);
    }
    return at;
}

PK_API pk_str pk_mem_dup(pk_mem *mem, pk_str s)
{
    pk_str copy = {NULL, 0};
    char *at = s.len == SIZE_MAX ? NULL : (char *)pk_mem_get(mem, s.len + 1);
    if (at) {
        if (s.len > 0) {
            memcpy(at, s.ptr, s.len);
        }
        at[s.len] = '\0';
        copy.ptr = at;
        copy.len = s.len;
    }
    return copy;
}

PK_API pk_str pk_mem_printf(pk_mem *mem, const char *format, ...)
{
    pk_str text = {NULL, 0};
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *at = len < 0 ? NULL : (char *)pk_mem_get(mem, (size_t)len + 1);
    if (at) {
        (void)vsnprintf(at, (size_t)len + 1, format, again);
        text.ptr = at;
        text.len = (size_t)len;
    }
    va_end(again);
    va_end(args);
    return text;
}

PK_API bool pk_mem_adopt(pk_mem *mem, void *block, void (*release)(void *user, void *block), void *user)
{
    pk__mem_block *entry = pk__mem_block_add(mem, PK__MEM_HEAD);
    if (!entry) {
        return false;
    }
    entry->release = release;
    entry->user = user;
    entry->foreign = block;
    return true;
}

PK_API void pk_mem_reset(pk_mem *mem)
{
    pk__mem_block *keep = NULL;
    for (pk__mem_block *b = (pk__mem_block *)mem->blocks, *next; b; b = next) {
        next = b->next;
        /* The largest one of usual size is kept: a warm message allocates nothing, a huge one is not held for ever. */
        if (!b->release && b->size <= PK__MEM_LARGEST && (!keep || b->size > keep->size)) {
            if (keep) {
                pk__mem_block_free(mem, keep);
            }
            keep = b;
        } else {
            pk__mem_block_free(mem, b);
        }
    }
    mem->blocks = keep;
    mem->at = keep ? (char *)keep + PK__MEM_HEAD : NULL;
    mem->left = keep ? keep->size - PK__MEM_HEAD : 0;
    if (keep) {
        keep->next = NULL;
    }
}

PK_API void pk_mem_free(pk_mem *mem)
{
    if (!mem) {
        return;
    }
    for (pk__mem_block *b = (pk__mem_block *)mem->blocks, *next; b; b = next) {
        next = b->next;
        pk__mem_block_free(mem, b);
    }
    mem->blocks = NULL;
    mem->at = NULL;
    mem->left = 0;
}

/* == base/buf.c == */
/* buf.c - pk_buf: a growing buffer with a limit and a sticky failure. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/buf.c"
#endif






PK_API void pk_buf_init(pk_buf *buf, const pk_alloc *alloc, size_t max)
{
    PK__ASSERT(max > 0);
    memset(buf, 0, sizeof(*buf));
    buf->alloc = alloc;
    buf->max = max;
}

PK_API void pk_buf_free(pk_buf *buf)
{
    if (!buf) {
        return;
    }
    pk__free(buf->alloc, buf->ptr, buf->cap);
    buf->ptr = NULL;
    buf->len = 0;
    buf->cap = 0;
    buf->failed = 0;
}

PK_API void pk_buf_clear(pk_buf *buf)
{
    buf->len = 0;
    buf->failed = 0;
}

PK_API bool pk_buf_reserve(pk_buf *buf, size_t extra)
{
    if (buf->failed) {
        return false;
    }
    if (extra <= buf->cap - buf->len) {
        return true;
    }
    if (buf->len > buf->max || extra > buf->max - buf->len) {
        buf->failed = PK_ERR_LIMIT;
        return false;
    }
    size_t need = buf->len + extra;
    size_t cap = buf->cap < 64 ? PK__MIN(64, buf->max) : buf->cap;
    while (cap < need) {
        cap = cap > buf->max / 2 ? buf->max : cap * 2; // need <= max, so this ends
    }
    char *ptr = (char *)pk__resize(buf->alloc, buf->ptr, buf->cap, cap);
    if (!ptr) {
        buf->failed = PK_ERR_NO_MEMORY;
        return false;
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

PK_API bool pk_buf_add(pk_buf *buf, pk_str bytes)
{
    if (!pk_buf_reserve(buf, bytes.len)) {
        return false;
    }
    if (bytes.len > 0) {
        memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
        buf->len += bytes.len;
    }
    return true;
}

PK_API bool pk_buf_add_char(pk_buf *buf, char c)
{
    if (!pk_buf_reserve(buf, 1)) {
        return false;
    }
    buf->ptr[buf->len++] = c;
    return true;
}

PK_API bool pk_buf_printf(pk_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !pk_buf_reserve(buf, (size_t)len + 1)) { // vsnprintf wants room for its NUL
        return false;
    }
    va_start(args, format);
    (void)vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
    return true;
}

PK_API void pk_buf_drop(pk_buf *buf, size_t count)
{
    PK__ASSERT(count <= buf->len);
    if (count > 0 && count < buf->len) {
        memmove(buf->ptr, buf->ptr + count, buf->len - count);
    }
    buf->len -= count;
}

PK_API pk_str pk_buf_str(const pk_buf *buf)
{
    pk_str s;
    s.ptr = buf->ptr;
    s.len = buf->len;
    return s;
}

/* == base/error.c == */
/* error.c - the error list as functions, and the making of sentences. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/error.c"
#endif







typedef struct pk__error_row {
    int16_t code;
    uint8_t kind, severity;
    bool retry;
} pk__error_row;

static const pk__error_row pk__error_rows[] = {
#define PK__ERROR_ROW(name, number, group, kind, severity, retry, text)                                       \
    {PK_ERR_##name, PK_KIND_##kind, PK_SEVERITY_##severity, retry},
    PK_ERR_LIST(PK__ERROR_ROW)
};

static const pk__error_row *pk__error_find(pk_err code)
{
    for (size_t i = 0; i < PK__COUNT(pk__error_rows); i++) {
        if (pk__error_rows[i].code == code) {
            return &pk__error_rows[i];
        }
    }
    return NULL;
}

/* Its text among `words`, which stand in the order of the rows. */
static const char *pk__error_word(const char *words, pk_err code, const char *ok, const char *unknown)
{
    const pk__error_row *row = pk__error_find(code);
    return row ? pk__words_at(words, (size_t)(row - pk__error_rows)) : code == PK_OK ? ok : unknown;
}

PK_API const char *pk_err_name(pk_err code)
{
#define PK__ERROR_NAME(name, number, group, kind, severity, retry, text) "PK_ERR_" #name "\0"
    return pk__error_word(PK_ERR_LIST(PK__ERROR_NAME), code, "PK_OK", "unknown error");
}

PK_API const char *pk_err_id(pk_err code)
{
#define PK__ERROR_ID(name, number, group, kind, severity, retry, text) group "_" #number "\0"
    return pk__error_word(PK_ERR_LIST(PK__ERROR_ID), code, "OK", "UNKNOWN");
}

PK_API const char *pk_err_text(pk_err code)
{
#define PK__ERROR_TEXT(name, number, group, kind, severity, retry, text) text "\0"
    return pk__error_word(PK_ERR_LIST(PK__ERROR_TEXT), code, "no error", "unknown error");
}

PK_API pk_kind pk_err_kind(pk_err code)
{
    const pk__error_row *row = pk__error_find(code);
    return row ? (pk_kind)row->kind : code == PK_OK ? PK_KIND_OK : PK_KIND_UNKNOWN;
}

PK_API pk_severity pk_err_severity(pk_err code)
{
    const pk__error_row *row = pk__error_find(code);
    return row ? (pk_severity)row->severity : code == PK_OK ? PK_SEVERITY_NONE : PK_SEVERITY_ERROR;
}

PK_API bool pk_err_retryable(pk_err code)
{
    const pk__error_row *row = pk__error_find(code);
    return row && row->retry;
}

/* The Connect protocol's codes and statuses, in the order of pk_kind. */
enum { PK__ERROR_KINDS = PK_KIND_UNAUTHENTICATED + 1 };

PK_API int pk_kind_status(pk_kind kind)
{
    static const int16_t statuses[PK__ERROR_KINDS] = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                                                      400, 409, 400, 501, 500, 503, 500, 401};
    return (size_t)kind < PK__ERROR_KINDS ? statuses[kind] : 500;
}

PK_API const char *pk_kind_name(pk_kind kind)
{
    static const char words[] = "ok\0canceled\0unknown\0invalid_argument\0deadline_exceeded\0not_found\0"
                                "already_exists\0permission_denied\0resource_exhausted\0failed_precondition\0"
                                "aborted\0out_of_range\0unimplemented\0internal\0unavailable\0data_loss\0"
                                "unauthenticated";
    return pk__words_at(words, (size_t)kind < PK__ERROR_KINDS ? (size_t)kind : PK_KIND_UNKNOWN);
}

PK_API pk_kind pk_kind_from_status(int status)
{
    switch (status) {
    case 400: return PK_KIND_INVALID;
    case 401: return PK_KIND_UNAUTHENTICATED;
    case 403: return PK_KIND_DENIED;
    case 404: return PK_KIND_NOT_FOUND;
    case 405: return PK_KIND_UNIMPLEMENTED;
    case 408: return PK_KIND_DEADLINE;
    case 409: return PK_KIND_EXISTS;
    case 412: return PK_KIND_PRECONDITION;
    case 413: return PK_KIND_EXHAUSTED;
    case 416: return PK_KIND_RANGE;
    case 429: return PK_KIND_EXHAUSTED;
    case 499: return PK_KIND_CANCELED;
    case 500: return PK_KIND_INTERNAL;
    case 501: return PK_KIND_UNIMPLEMENTED;
    case 502: return PK_KIND_UNAVAILABLE;
    case 503: return PK_KIND_UNAVAILABLE;
    case 504: return PK_KIND_DEADLINE;
    default: return status >= 200 && status < 300 ? PK_KIND_OK : PK_KIND_UNKNOWN;
    }
}

/* How many bytes of well-formed UTF-8 start at s; 0 = none (RFC 3629). */
static size_t pk__error_utf8(const unsigned char *s, size_t len)
{
    unsigned char c = s[0];
    size_t need = c < 0x80 ? 1 : c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (need == 0 || need > len) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool bad = (c == 0xE0 && s[1] < 0xA0) || (c == 0xED && s[1] > 0x9F) || (c == 0xF0 && s[1] < 0x90) ||
               (c == 0xF4 && s[1] > 0x8F) || (c == 0xC2 && need == 2 && s[1] < 0xA0); // C1 controls
    return bad ? 0 : need;
}

/* Was the text cut to fit its array, in the middle of its last character? Then that goes as well. */
static void pk__error_whole(char *text, size_t cap)
{
    size_t len = strlen(text);
    size_t last = len; // where the last character begins, + 1
    if (len + 1 < cap) {
        return;
    }
    while (last > 1 && len - last < 3 && ((unsigned char)text[last - 1] & 0xC0) == 0x80) {
        last--;
    }
    if (last > 0 && pk__error_utf8((const unsigned char *)text + last - 1, len - last + 1) == 0) {
        text[last - 1] = '\0';
    }
}

PK__FN pk_err pk__error_setv(pk_error *err, pk_err code, const char *format, va_list args)
{
    if (err) {
        char msg[sizeof(err->msg)]; // the arguments may point into *err
        (void)vsnprintf(msg, sizeof(msg), format, args);
        pk__error_whole(msg, sizeof(msg));
        memset(err, 0, sizeof(*err));
        err->code = code;
        err->where = pk_err_text(code);
        memcpy(err->msg, msg, sizeof(msg));
    }
    return code;
}

PK_API pk_err pk_error_set(pk_error *err, pk_err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)pk__error_setv(err, code, format, args);
    va_end(args);
    return code;
}

PK_API pk_err pk_error_sys(pk_error *err, pk_err code, int sys_errno, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        (void)pk__error_setv(err, code, format, args);
        va_end(args);
        size_t len = strlen(err->msg);
        (void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", strerror(sys_errno));
        pk__error_whole(err->msg, sizeof(err->msg));
        err->sys_errno = sys_errno;
    }
    return code;
}

PK__FN pk_err pk__error_copy(pk_error *to, const pk_error *from)
{
    if (to) {
        *to = *from;
    }
    return from->code;
}

PK__FN pk_err pk__error_wrap(pk_error *err, const char *format, ...)
{
    if (!err) {
        return PK_OK;
    }
    char msg[sizeof(err->msg)];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(msg, sizeof(msg), format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof(msg)) {
        size_t room = sizeof(msg) - (size_t)len;
        size_t have = strlen(err->msg);
        (void)snprintf(msg + len, room, ": %.*s", (int)PK__MIN(have, room), err->msg);
    }
    pk__error_whole(msg, sizeof(msg));
    memcpy(err->msg, msg, sizeof(msg));
    return err->code;
}

PK__FN pk_err pk__error_memory(pk_error *err, const char *what)
{
    return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot %s: out of memory", what);
}

PK__FN size_t pk__error_clean(char *out, size_t cap, pk_str in)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)in.ptr;
    size_t at = 0;
    size_t mark = 0; // where "..." may begin so that it still fits
    for (size_t i = 0; i < in.len;) {
        size_t n = pk__error_utf8(s + i, in.len - i);
        bool plain = n > 1 || (n == 1 && s[i] >= 0x20 && s[i] != 0x7F);
        size_t width = plain ? n : 4;
        if (at + width + 1 > cap) {
            at = mark;
            for (int dots = 0; dots < 3 && at + 1 < cap; dots++) {
                out[at++] = '.';
            }
            break;
        }
        if (plain) {
            memcpy(out + at, s + i, n);
        } else {
            n = 1;
            out[at] = '\\';
            out[at + 1] = 'x';
            out[at + 2] = hex[s[i] >> 4];
            out[at + 3] = hex[s[i] & 15];
        }
        at += width;
        i += n;
        if (at + 4 <= cap) {
            mark = at;
        }
    }
    if (cap > 0) {
        out[at] = '\0';
    }
    return at;
}

/* == base/list.c == */
/* list.c - the intrusive list. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/list.c"
#endif


PK__FN void pk__list_init(pk__node *list)
{
    list->prev = list;
    list->next = list;
}

PK__FN bool pk__list_is_empty(const pk__node *list)
{
    return list->next == list || list->next == NULL;
}

PK__FN void pk__list_push(pk__node *list, pk__node *node)
{
    PK__ASSERT(!node->next);
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

PK__FN void pk__list_remove(pk__node *node)
{
    if (!node->next) {
        return;
    }
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = NULL;
    node->next = NULL;
}

PK__FN pk__node *pk__list_pop(pk__node *list)
{
    pk__node *node = list->next;
    if (node == list) {
        return NULL;
    }
    pk__list_remove(node);
    return node;
}

/* == base/map.c == */
/* map.c - the string map. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/map.c"
#endif





static uint32_t pk__map_hash(pk_str key)
{
    uint32_t h = 2166136261u; // FNV-1a
    for (size_t i = 0; i < key.len; i++) {
        h = (h ^ (unsigned char)key.ptr[i]) * 16777619u;
    }
    return h;
}

/* The entry with this key, or else the first one where it may be put; NULL only for an empty table. */
static pk__map_entry *pk__map_seek(const pk__map *map, pk_str key, uint32_t hash)
{
    pk__map_entry *removed = NULL;
    for (size_t i = hash, n = 0; n < map->cap; i++, n++) {
        pk__map_entry *e = &map->entries[i & (map->cap - 1)];
        if (!e->key.ptr) {
            return removed ? removed : e;
        }
        if (!e->value) {
            removed = removed ? removed : e;
        } else if (e->hash == hash && pk_str_eq(e->key, key)) {
            return e;
        }
    }
    return removed;
}

static bool pk__map_grow(pk__map *map)
{
    size_t cap = map->cap ? map->cap : 8;
    while (map->live + 1 > cap / 2) {
        cap *= 2;
    }
    pk__map bigger = {map->alloc, NULL, cap, map->live, map->live};
    bigger.entries = (pk__map_entry *)pk__new(map->alloc, cap * sizeof(*bigger.entries));
    if (!bigger.entries) {
        return false;
    }
    for (size_t i = 0; i < map->cap; i++) {
        if (map->entries[i].value) {
            *pk__map_seek(&bigger, map->entries[i].key, map->entries[i].hash) = map->entries[i];
        }
    }
    pk__free(map->alloc, map->entries, map->cap * sizeof(*map->entries));
    *map = bigger;
    return true;
}

PK__FN void pk__map_init(pk__map *map, const pk_alloc *alloc)
{
    memset(map, 0, sizeof(*map));
    map->alloc = alloc;
}

PK__FN void pk__map_deinit(pk__map *map)
{
    pk__free(map->alloc, map->entries, map->cap * sizeof(*map->entries));
    memset(map, 0, sizeof(*map));
}

PK__FN void *pk__map_get(const pk__map *map, pk_str key)
{
    const pk__map_entry *e = map->cap ? pk__map_seek(map, key, pk__map_hash(key)) : NULL;
    return e && e->key.ptr ? e->value : NULL; // a removed entry has no value
}

PK__FN bool pk__map_put(pk__map *map, pk_str key, void *value)
{
    PK__ASSERT(value);
    if ((map->used + 1) * 4 > map->cap * 3 && !pk__map_grow(map)) {
        return false;
    }
    uint32_t hash = pk__map_hash(key);
    pk__map_entry *e = pk__map_seek(map, key, hash);
    map->used += !e->key.ptr;
    map->live += !e->value;
    e->key.ptr = key.ptr ? key.ptr : "";
    e->key.len = key.len;
    e->value = value;
    e->hash = hash;
    return true;
}

PK__FN void *pk__map_remove(pk__map *map, pk_str key)
{
    pk__map_entry *e = map->cap ? pk__map_seek(map, key, pk__map_hash(key)) : NULL;
    if (!e || !e->key.ptr || !e->value) {
        return NULL;
    }
    void *value = e->value;
    e->value = NULL;
    e->key = PK_STR(""); // the caller's bytes may go now
    map->live--;
    return value;
}

PK__FN bool pk__map_next(const pk__map *map, size_t *at, pk__map_entry **out)
{
    while (*at < map->cap) {
        pk__map_entry *e = &map->entries[(*at)++];
        if (e->value) {
            *out = e;
            return true;
        }
    }
    return false;
}

/* == base/handle.c == */
/* handle.c - handles with generations. */
#ifdef PLUGKIT_LINES
#line 1 "src/base/handle.c"
#endif





PK__FN void pk__handles_init(pk__handles *t, const pk_alloc *alloc)
{
    memset(t, 0, sizeof(*t));
    t->alloc = alloc;
}

PK__FN void pk__handles_deinit(pk__handles *t)
{
    pk__free(t->alloc, t->slots, t->cap * sizeof(*t->slots));
    memset(t, 0, sizeof(*t));
}

PK__FN uint64_t pk__handles_add(pk__handles *t, void *object)
{
    uint32_t index;
    if (t->first_free) {
        index = t->first_free - 1;
        t->first_free = t->slots[index].next_free;
    } else {
        if (t->count == t->cap) {
            if (t->cap > UINT32_MAX / 4) {
                return 0;
            }
            uint32_t cap = t->cap ? t->cap * 2 : 8;
            pk__handle_slot *slots = (pk__handle_slot *)pk__resize(t->alloc, t->slots, t->cap * sizeof(*slots),
                                                                   cap * sizeof(*slots));
            if (!slots) {
                return 0;
            }
            t->slots = slots;
            t->cap = cap;
        }
        index = t->count++;
        t->slots[index].generation = 1;
    }
    t->slots[index].object = object;
    t->slots[index].next_free = 0;
    return (uint64_t)t->slots[index].generation << 32 | (index + 1);
}

PK__FN void *pk__handles_get(const pk__handles *t, uint64_t handle)
{
    uint32_t index = (uint32_t)(handle & UINT32_MAX) - 1; // 0 wraps and is out of range
    if (index >= t->count || t->slots[index].generation != (uint32_t)(handle >> 32)) {
        return NULL;
    }
    return t->slots[index].object;
}

PK__FN void *pk__handles_any(const pk__handles *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->slots[i].object) {
            return t->slots[i].object;
        }
    }
    return NULL;
}

PK__FN void pk__handles_remove(pk__handles *t, uint64_t handle)
{
    if (!pk__handles_get(t, handle)) {
        return;
    }
    uint32_t index = (uint32_t)(handle & UINT32_MAX) - 1;
    t->slots[index].object = NULL;
    t->slots[index].generation++;
    if (t->slots[index].generation == 0) {
        t->slots[index].generation = 1;
    }
    t->slots[index].next_free = t->first_free;
    t->first_free = index + 1;
}

/* == os/atomic.h == */
/* atomic.h - the few atomic operations that the library needs: 32 bits and pointers, nothing wider.
 *
 * Loads acquire, stores release, what does both is sequentially consistent; add and swap return what was
 * there before. Where the machine has no lock-free pointers (small microcontrollers) they are plain accesses:
 * that is enough for PLUGKIT_NO_THREADS, and with threads it is an error here rather than a rare one later.
 * Interrupt and signal handlers may use all of them. */
#ifdef PLUGKIT_LINES
#line 6 "src/os/atomic.h"
#endif




typedef uint32_t pk__atomic_u32; // says that a member is only touched by these

#if defined(__GCC_ATOMIC_POINTER_LOCK_FREE) && __GCC_ATOMIC_POINTER_LOCK_FREE == 2

PK__FN uint32_t pk__atomic_load(const uint32_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

PK__FN void pk__atomic_store(uint32_t *at, uint32_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

PK__FN uint32_t pk__atomic_add(uint32_t *at, uint32_t value)
{
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}

PK__FN uint32_t pk__atomic_swap(uint32_t *at, uint32_t value)
{
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
}

/* Stores `value` if `expected` is there; true = it was. */
PK__FN bool pk__atomic_cas(uint32_t *at, uint32_t expected, uint32_t value)
{
    return __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

PK__FN size_t pk__atomic_load_size(const size_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

PK__FN size_t pk__atomic_add_size(size_t *at, size_t value)
{
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}

PK__FN void *pk__atomic_load_ptr(void *const *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

PK__FN void pk__atomic_store_ptr(void **at, void *value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

PK__FN void *pk__atomic_swap_ptr(void **at, void *value)
{
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
}

PK__FN bool pk__atomic_cas_ptr(void **at, void *expected, void *value)
{
    return __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#elif defined(PLUGKIT_NO_THREADS)

PK__FN uint32_t pk__atomic_load(const uint32_t *at)
{
    return *(const volatile uint32_t *)at;
}

PK__FN void pk__atomic_store(uint32_t *at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

PK__FN uint32_t pk__atomic_swap(uint32_t *at, uint32_t value)
{
    uint32_t old = pk__atomic_load(at);
    pk__atomic_store(at, value);
    return old;
}

PK__FN uint32_t pk__atomic_add(uint32_t *at, uint32_t value)
{
    return pk__atomic_swap(at, pk__atomic_load(at) + value);
}

PK__FN bool pk__atomic_cas(uint32_t *at, uint32_t expected, uint32_t value)
{
    return pk__atomic_load(at) == expected && (pk__atomic_store(at, value), true);
}

PK__FN size_t pk__atomic_load_size(const size_t *at)
{
    return *(const volatile size_t *)at;
}

PK__FN size_t pk__atomic_add_size(size_t *at, size_t value)
{
    size_t old = pk__atomic_load_size(at);
    *(volatile size_t *)at = old + value;
    return old;
}

PK__FN void *pk__atomic_load_ptr(void *const *at)
{
    return *(void *const volatile *)at;
}

PK__FN void pk__atomic_store_ptr(void **at, void *value)
{
    *(void *volatile *)at = value;
}

PK__FN void *pk__atomic_swap_ptr(void **at, void *value)
{
    void *old = pk__atomic_load_ptr(at);
    pk__atomic_store_ptr(at, value);
    return old;
}

PK__FN bool pk__atomic_cas_ptr(void **at, void *expected, void *value)
{
    return pk__atomic_load_ptr(at) == expected && (pk__atomic_store_ptr(at, value), true);
}

#else
#error "plugkit: no lock-free atomics for this machine or compiler: define PLUGKIT_NO_THREADS"
#endif


/* == os/sys.h == */
/* sys.h - every system call that the library makes, in one list.
 *
 *     n = PK__SYS(read)(fd, buf, cap);
 *
 * In a normal build PK__SYS(read) is a function that does nothing but the call, and the compiler removes it.
 * A build with PLUGKIT_TEST goes through a table of function pointers instead, so that a test can replace a
 * call (pk__sys.read = mine), count it (pk__sys_count.read) or make the n-th one fail (pk__sys_fail_at):
 * every failure path is reached on purpose.
 *
 * A line of the list:  X(type, name, (parameters), call, errno of a made-up failure, what it then returns)
 * The name is the name at PK__SYS; the call may be any expression, which is where systems differ: what only
 * Linux has is done by pk__sys_port_*, whole alternatives in sys.c. A made-up failure must not lose what a real
 * one would not lose either, so close and its kind do their work before they fail.
 *
 * Five features are younger than the kernels we run on: pidfd_open, close_range, openat2, memfd_create,
 * execveat. They answer ENOSYS where they are missing, and each caller has another way. A test build answers
 * so on demand (pk__sys_old_kernel, or PK_TEST_ENOSYS=1 in the environment). */
#ifdef PLUGKIT_LINES
#line 17 "src/os/sys.h"
#endif




/* Without processes, sockets and files there are no descriptors; without the first two there is nothing to
 * wait for. */
#if defined(PLUGKIT_NO_PROCESS) && defined(PLUGKIT_NO_NET)
#define PK__NO_POLL
#ifdef PLUGKIT_NO_FILES
#define PK__NO_FD
#endif
#endif
/* Linux calls are used where they exist; PLUGKIT_POSIX builds the portable alternatives on Linux too. */
#if defined(__linux__) && !defined(PLUGKIT_POSIX)
#define PK__LINUX
#endif
/* Likewise kqueue. Elsewhere there may be a library that has it: tests ask for that. */
#if !defined(PK__NO_POLL) && (defined(PLUGKIT_TEST_KQUEUE) ||                                               \
                              (!defined(PLUGKIT_POSIX) &&                                                   \
                               (defined(__APPLE__) || defined(__FreeBSD__) || defined(__DragonFly__) ||     \
                                defined(__OpenBSD__) || defined(__NetBSD__))))
#define PK__KQUEUE
#endif



#ifndef PK__NO_FD
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
#endif
#ifndef PK__NO_POLL
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#endif
#ifndef PLUGKIT_NO_NET
#include <netdb.h>
#endif
#ifndef PLUGKIT_NO_PROCESS
#include <sys/wait.h>
#endif
#ifndef PLUGKIT_NO_THREADS
#include <pthread.h>
#endif
#ifdef PK__KQUEUE
#include <sys/event.h>
#endif
#ifdef PK__LINUX
#ifndef PK__NO_POLL
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#endif
#endif

#ifndef PLUGKIT_CLOCK_NS
#include <time.h>
#define PK__SYS_LIST_CLOCK(X)                                                                               \
    X(int, clock_gettime, (clockid_t id, struct timespec *out), clock_gettime(id, out), 0,                  \
      clock_gettime(id, out))                                                                               \
    X(int, nanosleep, (const struct timespec *time), nanosleep(time, NULL), EINTR, -1)
#elif defined(PK__NO_FD) && defined(PLUGKIT_NO_THREADS)
#define PK__SYS_LIST_CLOCK(X)
#else
#error "plugkit: PLUGKIT_CLOCK_NS needs all four PLUGKIT_NO_..: what waits in the system goes by the system's clock"
#endif

#ifndef PK__NO_FD
#define PK__SYS_LIST_FD(X)                                                                                  \
    X(int, open, (const char *path, int flags, mode_t mode), open(path, flags, mode), EMFILE, -1)           \
    X(int, openat, (int dir, const char *path, int flags, mode_t mode), openat(dir, path, flags, mode),     \
      EMFILE, -1)                                                                                           \
    X(int, openat2, (int dir, const char *path, int flags, mode_t mode, uint64_t resolve),                  \
      pk__sys_port_openat2(dir, path, flags, mode, resolve), ENOSYS, -1)                                    \
    X(int, close, (int fd), close(fd), EIO, (close(fd), -1))                                                \
    X(ssize_t, read, (int fd, void *buf, size_t cap), read(fd, buf, cap), EIO, -1)                          \
    X(ssize_t, write, (int fd, const void *buf, size_t len), write(fd, buf, len), EIO, -1)                  \
    X(ssize_t, readv, (int fd, const struct iovec *parts, int count), readv(fd, parts, count), EIO, -1)     \
    X(ssize_t, writev, (int fd, const struct iovec *parts, int count), writev(fd, parts, count), EIO, -1)   \
    X(ssize_t, pread, (int fd, void *buf, size_t cap, off_t at), pread(fd, buf, cap, at), EIO, -1)          \
    X(off_t, lseek, (int fd, off_t at, int whence), lseek(fd, at, whence), ESPIPE, -1)                      \
    X(int, fcntl, (int fd, int command, int value), fcntl(fd, command, value), EMFILE, -1)                  \
    X(int, fd_limit, (struct rlimit *out), getrlimit(RLIMIT_NOFILE, out), EINVAL, -1)                       \
    X(int, flock, (int fd, int operation), flock(fd, operation), ENOLCK, -1)                                \
    X(int, pipe, (int out[2], int flags), pk__sys_port_pipe(out, flags), EMFILE, -1)                        \
    X(int, stat, (const char *path, struct stat *out), stat(path, out), EIO, -1)                            \
    X(int, lstat, (const char *path, struct stat *out), lstat(path, out), EIO, -1)                          \
    X(int, fstat, (int fd, struct stat *out), fstat(fd, out), EIO, -1)                                      \
    X(int, fstatat, (int dir, const char *path, struct stat *out, int flags),                               \
      fstatat(dir, path, out, flags), EIO, -1)                                                              \
    X(int, mkdir, (const char *path, mode_t mode), mkdir(path, mode), ENOSPC, -1)                           \
    X(int, chmod, (const char *path, mode_t mode), chmod(path, mode), EPERM, -1)                            \
    X(int, fchmod, (int fd, mode_t mode), fchmod(fd, mode), EPERM, -1)                                      \
    X(int, ftruncate, (int fd, off_t size), ftruncate(fd, size), EIO, -1)                                   \
    X(int, fsync, (int fd), fsync(fd), EIO, -1)                                                             \
    X(int, rename, (const char *from, const char *to), rename(from, to), EIO, -1)                           \
    X(int, unlink, (const char *path), unlink(path), EIO, -1)                                               \
    X(int, unlinkat, (int dir, const char *path, int flags), unlinkat(dir, path, flags), EIO, -1)           \
    X(DIR *, fdopendir, (int fd), fdopendir(fd), ENOMEM, NULL)                                              \
    X(struct dirent *, readdir, (DIR *dir), readdir(dir), EIO, NULL)                                        \
    X(int, closedir, (DIR *dir), closedir(dir), EIO, (closedir(dir), -1))                                   \
    X(int, faccessat, (int dir, const char *path, int mode), faccessat(dir, path, mode, AT_EACCESS),        \
      EACCES, -1)                                                                                           \
    X(ssize_t, getrandom, (void *out, size_t len), pk__sys_port_getrandom(out, len), EIO, -1)               \
    X(int, memfd_create, (const char *name, unsigned flags), pk__sys_port_memfd_create(name, flags),        \
      ENOSYS, -1)                                                                                           \
    X(int, mask_signals, (int how, const sigset_t *set, sigset_t *old),                                     \
      pk__sys_port_mask_signals(how, set, old), 0, pk__sys_port_mask_signals(how, set, old))                \
    X(int, sigaction, (int number, const struct sigaction *set, struct sigaction *old),                     \
      sigaction(number, set, old), EINVAL, -1)                                                              \
    X(int, restore_signal, (int number, const struct sigaction *old), sigaction(number, old, NULL), 0,      \
      sigaction(number, old, NULL))                                                                         \
    X(int, kill, (pid_t pid, int number), kill(pid, number), ESRCH, -1)                                     \
    X(void *, fork_page, (size_t size), pk__sys_port_fork_page(size), ENOMEM, NULL)
#else
#define PK__SYS_LIST_FD(X)
#endif

#ifndef PK__NO_POLL
#define PK__SYS_LIST_SOCKET(X)                                                                              \
    X(int, poll, (struct pollfd *set, nfds_t count, int timeout_ms), poll(set, count, timeout_ms), EINTR,   \
      -1)                                                                                                   \
    X(int, socket, (int domain, int type, int protocol), pk__sys_port_socket(domain, type, protocol),       \
      EMFILE, -1)                                                                                           \
    X(int, socketpair, (int domain, int type, int out[2]), pk__sys_port_socketpair(domain, type, out),      \
      EMFILE, -1)                                                                                           \
    X(int, bind, (int fd, const struct sockaddr *address, socklen_t len), bind(fd, address, len),           \
      EADDRINUSE, -1)                                                                                       \
    X(int, listen, (int fd, int backlog), listen(fd, backlog), EADDRINUSE, -1)                              \
    X(int, accept, (int fd, struct sockaddr *address, socklen_t *len),                                      \
      pk__sys_port_accept(fd, address, len), EMFILE, -1)                                                    \
    X(int, connect, (int fd, const struct sockaddr *address, socklen_t len), connect(fd, address, len),     \
      ECONNREFUSED, -1)                                                                                     \
    X(int, shutdown, (int fd, int how), shutdown(fd, how), ENOTCONN, -1)                                    \
    X(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),                     \
      setsockopt(fd, level, name, value, len), EINVAL, -1)                                                  \
    X(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),                          \
      getsockopt(fd, level, name, value, len), EINVAL, -1)                                                  \
    X(int, getsockname, (int fd, struct sockaddr *address, socklen_t *len), getsockname(fd, address, len),  \
      ENOBUFS, -1)                                                                                          \
    X(int, getpeername, (int fd, struct sockaddr *address, socklen_t *len), getpeername(fd, address, len),  \
      ENOTCONN, -1)                                                                                         \
    X(int, peer_uid, (int fd, uid_t *uid, pid_t *pid), pk__sys_port_peer_uid(fd, uid, pid), EINVAL, -1)     \
    X(ssize_t, send, (int fd, const void *buf, size_t len, int flags), send(fd, buf, len, flags),           \
      ECONNRESET, -1)                                                                                       \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), sendmsg(fd, message, flags),     \
      ECONNRESET, -1)                                                                                       \
    X(ssize_t, recv, (int fd, void *buf, size_t cap, int flags), recv(fd, buf, cap, flags), ECONNRESET, -1) \
    X(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), recvmsg(fd, message, flags),           \
      ECONNRESET, -1)                                                                                       \
    X(int, show_sender, (int fd), pk__sys_port_show_sender(fd), EINVAL, -1)                                 \
    X(ssize_t, recv_sender, (int fd, void *buf, size_t cap, pid_t *pid),                                    \
      pk__sys_port_recv_sender(fd, buf, cap, pid), ECONNRESET, -1)                                          \
    X(ssize_t, send_fds, (int fd, const void *buf, size_t len, const int *fds, size_t count),               \
      pk__sys_port_send_fds(fd, buf, len, fds, count), ECONNRESET, -1)                                      \
    X(ssize_t, recv_fds, (int fd, void *buf, size_t cap, int *fds, size_t *count),                          \
      pk__sys_port_recv_fds(fd, buf, cap, fds, count), ECONNRESET, -1)                                      \
    X(int, dup_over, (int from, int to), pk__sys_port_dup_over(from, to), EMFILE, -1)                       \
    X(ssize_t, sendfile, (int out, int in, off_t *at, size_t len),                                          \
      pk__sys_port_sendfile(out, in, at, len), ENOSYS, -1)
#else
#define PK__SYS_LIST_SOCKET(X)
#endif

#ifndef PLUGKIT_NO_NET
#define PK__SYS_LIST_NAME(X)                                                                                \
    X(int, look_up, (const char *host, pk__sys_names *out), pk__sys_port_look_up(host, out), EIO, EAI_AGAIN)

/* What a name stands for, in the order in which it is to be tried; ports are 0. */
typedef struct pk__sys_names {
    size_t count;
    struct sockaddr_storage at[16];
} pk__sys_names;
#else
#define PK__SYS_LIST_NAME(X)
#endif

#if defined(PK__LINUX) && !defined(PK__NO_POLL)
#define PK__SYS_LIST_LINUX(X)                                                                               \
    X(int, epoll_create1, (int flags), epoll_create1(flags), EMFILE, -1)                                    \
    X(int, epoll_ctl, (int fd, int operation, int target, struct epoll_event *event),                       \
      epoll_ctl(fd, operation, target, event), ENOMEM, -1)                                                  \
    X(int, epoll_wait, (int fd, struct epoll_event *out, int cap, int timeout_ms),                          \
      epoll_wait(fd, out, cap, timeout_ms), EINTR, -1)                                                      \
    X(int, eventfd, (unsigned value, int flags), eventfd(value, flags), EMFILE, -1)                         \
    X(int, timerfd_create, (clockid_t id, int flags), timerfd_create(id, flags), EMFILE, -1)                \
    X(int, timerfd_settime, (int fd, int flags, const struct itimerspec *time),                             \
      timerfd_settime(fd, flags, time, NULL), EINVAL, -1)
#else
#define PK__SYS_LIST_LINUX(X)
#endif

#ifdef PK__KQUEUE
#define PK__SYS_LIST_KQUEUE(X)                                                                              \
    X(int, kqueue, (void), kqueue(), EMFILE, -1)                                                            \
    X(int, kevent, (int fd, const struct kevent *changes, int count, struct kevent *out, int cap,           \
                    const struct timespec *timeout),                                                        \
      kevent(fd, changes, count, out, cap, timeout), ENOMEM, -1)
#else
#define PK__SYS_LIST_KQUEUE(X)
#endif

#ifndef PLUGKIT_NO_PROCESS
#define PK__SYS_LIST_PROCESS(X)                                                                             \
    X(pid_t, fork, (void), fork(), EAGAIN, -1)                                                              \
    X(pid_t, spawn_vm, (int (*run)(void *), void *stack, size_t size, void *arg),                           \
      pk__sys_port_spawn_vm(run, stack, size, arg), EAGAIN, -1)                                             \
    X(int, execve, (const char *path, char *const *argv, char *const *env), execve(path, argv, env),        \
      EACCES, -1)                                                                                           \
    X(int, execveat, (int fd, char *const *argv, char *const *env), pk__sys_port_execveat(fd, argv, env),   \
      ENOSYS, -1)                                                                                           \
    X(int, dup2, (int from, int to), dup2(from, to), EMFILE, -1)                                            \
    X(int, chdir, (const char *path), chdir(path), ENOENT, -1)                                              \
    X(int, reset_signal, (int number, bool ignored), pk__sys_port_reset_signal(number, ignored), 0,         \
      pk__sys_port_reset_signal(number, ignored))                                                           \
    X(ssize_t, getdents, (int fd, void *buf, size_t cap), pk__sys_port_getdents(fd, buf, cap), ENOSYS, -1)  \
    X(int, setpgid, (pid_t pid, pid_t group), setpgid(pid, group), EPERM, -1)                               \
    X(pid_t, getpgid, (pid_t pid), getpgid(pid), ESRCH, -1)                                                 \
    X(int, close_range, (unsigned first), pk__sys_port_close_range(first), ENOSYS, -1)                      \
    X(int, die_with_parent, (int number), pk__sys_port_die_with_parent(number), EINVAL, -1)                 \
    X(int, waitid, (idtype_t type, id_t id, siginfo_t *out, int options), waitid(type, id, out, options),   \
      EINTR, -1)                                                                                            \
    X(int, wait_pidfd, (int fd, siginfo_t *out, int options), pk__sys_port_wait_pidfd(fd, out, options),    \
      EINTR, -1)                                                                                            \
    X(pid_t, waitpid, (pid_t pid, int *status, int options), waitpid(pid, status, options), EINTR, -1)      \
    X(pid_t, getppid, (void), getppid(), 0, getppid())                                                       \
    X(int, pidfd_open, (pid_t pid), pk__sys_port_pidfd_open(pid), ENOSYS, -1)                               \
    X(int, pidfd_send_signal, (int fd, int number, unsigned flags),                                         \
      pk__sys_port_pidfd_send_signal(fd, number, flags), EINVAL, -1)
#else
#define PK__SYS_LIST_PROCESS(X)
#endif

#ifndef PLUGKIT_NO_THREADS
#define PK__SYS_LIST_THREAD(X)                                                                              \
    X(int, pthread_create,                                                                                  \
      (pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *), void *arg),                  \
      pthread_create(out, attributes, run, arg), EAGAIN, EAGAIN)
#else
#define PK__SYS_LIST_THREAD(X)
#endif

#define PK__SYS_LIST(X)                                                                                     \
    PK__SYS_LIST_CLOCK(X)                                                                                   \
    PK__SYS_LIST_FD(X)                                                                                      \
    PK__SYS_LIST_SOCKET(X)                                                                                  \
    PK__SYS_LIST_NAME(X)                                                                                    \
    PK__SYS_LIST_LINUX(X)                                                                                   \
    PK__SYS_LIST_KQUEUE(X)                                                                                  \
    PK__SYS_LIST_PROCESS(X)                                                                                 \
    PK__SYS_LIST_THREAD(X)

/* What only some systems have, as functions that exist on all: with errno ENOSYS where there is no other way.
 * */
#ifndef PK__NO_FD
PK__FN int pk__sys_port_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve);
PK__FN int pk__sys_port_pipe(int out[2], int flags); // flags: O_CLOEXEC, O_NONBLOCK
PK__FN ssize_t pk__sys_port_getrandom(void *out, size_t len);
PK__FN int pk__sys_port_memfd_create(const char *name, unsigned flags);
PK__FN int pk__sys_port_mask_signals(int how, const sigset_t *set, sigset_t *old); // of this thread
PK__FN void *pk__sys_port_fork_page(size_t size); // zeroed again in a forked child
#define PK__SYS_BENEATH 1     // for openat2: nothing outside of `dir`, whatever the path says
#define PK__SYS_NO_SYMLINKS 2 // nor any symbolic link on the way
#endif
#ifndef PK__NO_POLL
PK__FN int pk__sys_port_socket(int domain, int type, int protocol); // close-on-exec, non-blocking
PK__FN int pk__sys_port_socketpair(int domain, int type, int out[2]); // close-on-exec
PK__FN int pk__sys_port_accept(int fd, struct sockaddr *address, socklen_t *len); // likewise
PK__FN int pk__sys_port_peer_uid(int fd, uid_t *uid, pid_t *pid); // of a Unix socket; pid 0 = not known
/* From show_sender on, recv_sender says which process has sent what it returns (at least the first byte of it), as the
 * kernel knows it. *pid 0 = not known. Never waits. */
PK__FN int pk__sys_port_show_sender(int fd);
PK__FN ssize_t pk__sys_port_recv_sender(int fd, void *buf, size_t cap, pid_t *pid);
/* Descriptors that travel over a Unix socket with the first byte. *count: room for them, at most PK__SYS_FDS; then how
 * many have come, close-on-exec and the caller's, also if nothing else came. Never waits, never raises SIGPIPE where
 * the system can be asked for that. */
#define PK__SYS_FDS 4
PK__FN ssize_t pk__sys_port_send_fds(int fd, const void *buf, size_t len, const int *fds, size_t count);
PK__FN ssize_t pk__sys_port_recv_fds(int fd, void *buf, size_t cap, int *fds, size_t *count);
PK__FN int pk__sys_port_dup_over(int from, int to); // dup2, and `to` is close-on-exec
PK__FN ssize_t pk__sys_port_sendfile(int out, int in, off_t *at, size_t len); // may raise SIGPIPE
#endif
#ifndef PLUGKIT_NO_NET
PK__FN int pk__sys_port_look_up(const char *host, pk__sys_names *out); // an error of getaddrinfo; may wait for long
#endif
#ifndef PLUGKIT_NO_PROCESS
PK__FN pid_t pk__sys_port_spawn_vm(int (*run)(void *), void *stack, size_t size, void *arg);
PK__FN int pk__sys_port_execveat(int fd, char *const *argv, char *const *env);
PK__FN int pk__sys_port_close_range(unsigned first); // marks first and all above as close-on-exec
PK__FN int pk__sys_port_die_with_parent(int number);
PK__FN bool pk__sys_port_is_main_thread(void); // false also where that cannot be told
PK__FN int pk__sys_port_reset_signal(int number, bool ignored);
PK__FN ssize_t pk__sys_port_getdents(int fd, void *buf, size_t cap); // as getdents64 of Linux
PK__FN int pk__sys_port_pidfd_open(pid_t pid);
PK__FN int pk__sys_port_wait_pidfd(int fd, siginfo_t *out, int options); // waitid
PK__FN int pk__sys_port_pidfd_send_signal(int fd, int number, unsigned flags);
#define PK__SYS_TO_GROUP 4u // PIDFD_SIGNAL_PROCESS_GROUP: signal the group that the process leads
#endif

#ifndef PLUGKIT_TEST
#define PK__SYS(name) pk__sys_do_##name
#define PK__SYS_DEFINE(type, name, params, call, number, error)                                             \
    PK__FN type pk__sys_do_##name params                                                                    \
    {                                                                                                       \
        return call;                                                                                        \
    }
PK__SYS_LIST(PK__SYS_DEFINE)

#else // PLUGKIT_TEST: the table
#define PK__SYS(name) pk__sys.name
#define PK__SYS_MEMBER(type, name, params, call, number, error) type(*name) params;
typedef struct pk__sys_table {
    PK__SYS_LIST(PK__SYS_MEMBER)
} pk__sys_table;

/* How often each was called since pk__sys_reset, by name, and those that can fail together. */
#define PK__SYS_COUNTER(type, name, params, call, number, error) uint32_t name;
typedef struct pk__sys_counters {
    PK__SYS_LIST(PK__SYS_COUNTER)
    uint32_t all;
} pk__sys_counters;
PK_UNUSED static pk__sys_counters pk__sys_count;

PK_UNUSED static uint32_t pk__sys_fail_at;    // the call with this number (pk__sys_count.all) fails; 0 = none
PK_UNUSED static uint32_t pk__sys_fail_times; // and so many after it
PK_UNUSED static const char *pk__sys_failed;  // the name of the first that was made to fail, or NULL
PK_UNUSED static int pk__sys_old_kernel;      // 1: the five answer ENOSYS; -1: not; 0: as PK_TEST_ENOSYS says
PK__FN void pk__sys_reset(void); // the real calls, all counters zero, no failures
PK__FN bool pk__sys_fails(const char *name, uint32_t *count, int number); // true = pretend; errno is set
PK__FN bool pk__sys_is_old(void);

#define PK__SYS_DEFINE(type, name, params, call, number, error)                                             \
    PK__FN type pk__sys_do_##name params                                                                    \
    {                                                                                                       \
        if (pk__sys_fails(#name, &pk__sys_count.name, number)) {                                            \
            type result = error;                                                                            \
            errno = number;                                                                                 \
            return result;                                                                                  \
        }                                                                                                   \
        return call;                                                                                        \
    }
PK__SYS_LIST(PK__SYS_DEFINE)
#define PK__SYS_ENTRY(type, name, params, call, number, error) pk__sys_do_##name,
PK_UNUSED static pk__sys_table pk__sys = {PK__SYS_LIST(PK__SYS_ENTRY)};
#endif


/* == os/clock.h == */
/* clock.h - what time it is, by the only two clocks that the library reads.
 *
 * Deadlines, timers and measurements use the monotonic one. Tests can set it: while it is faked, nothing
 * waits in the loop or on a condition: they come back at once, and time passes only when the test moves it.
 *
 * Firmware has a timer instead of a system: with PLUGKIT_CLOCK_NS() the monotonic clock is that, and there is no
 * other. */
#ifdef PLUGKIT_LINES
#line 7 "src/os/clock.h"
#endif




#define PK__MS ((int64_t)1000000) // nanoseconds in a millisecond
#define PK__SECOND ((int64_t)1000000000)

PK__FN int64_t pk__clock_ns(void);      // monotonic; never 0
/* The same, but perhaps 10 ms ago: for what is counted in seconds. Costs a quarter of it where the system has one. */
PK__FN int64_t pk__clock_coarse_ns(void);
#ifndef PLUGKIT_CLOCK_NS
PK__FN int64_t pk__clock_unix_ms(void); // since 1970, for people and for logs
#define PK__CLOCK_TEXT 64
PK__FN const char *pk__clock_text(char out[PK__CLOCK_TEXT]); // now: "2026-03-01T12:00:00.125Z"
#endif
/* How long poll and its kind may wait for an absolute time: milliseconds, rounded up, at least 0; -1 for
 * PK_FOREVER. 0 while the clock is faked. */
PK__FN int pk__clock_wait_ms(int64_t until_ns);
PK__FN bool pk__clock_is_fake(void);    // always false outside of tests
/* a + ms, as far as there is time. */
PK__FN int64_t pk__clock_after_ms(int64_t ns, uint64_t ms);

#ifdef PLUGKIT_TEST
PK__FN void pk__clock_fake(int64_t ns);    // from now on it is `ns`, for all threads
PK__FN void pk__clock_advance(int64_t ns); // and now so much later
PK__FN void pk__clock_real(void);          // back to the real one
#endif


/* == os/random.h == */
/* random.h - random numbers from the kernel: tokens, names, jitter.
 *
 * Tokens are secrets: they come from the kernel's generator or not at all, and are compared in constant time.
 * Jitter is not: pk__random_u64 always has an answer. Without an operating system (processes, sockets and
 * files all left out) there are no tokens. */
#ifdef PLUGKIT_LINES
#line 5 "src/os/random.h"
#endif





#define PK__TOKEN_LEN 64 // 256 bits in hexadecimal

PK__FN pk_err pk__random_bytes(void *out, size_t len, pk_error *err);
PK__FN pk_err pk__random_token(char out[PK__TOKEN_LEN + 1], pk_error *err); // lower case hex, NUL-terminated
PK__FN uint64_t pk__random_u64(void);                                       // not for secrets; never fails
/* Takes the same time wherever they differ. Empty is never equal. */
PK__FN bool pk__token_equal(pk_str a, pk_str b);



/* == os/thread.h == */
/* thread.h - threads, locks, conditions.
 *
 * With PLUGKIT_NO_THREADS locks do nothing, starting a thread is PK_ERR_UNSUPPORTED, and waiting for a
 * condition comes back at once: nobody else could make it true. Threads of ours have all signals blocked: the
 * program's handlers run on the program's threads. Locks are not recursive, and none is held across I/O or a
 * callback. */
#ifdef PLUGKIT_LINES
#line 6 "src/os/thread.h"
#endif






#ifndef PLUGKIT_NO_THREADS
typedef struct pk__mutex {
    pthread_mutex_t os;
    bool made;
} pk__mutex;
typedef struct pk__cond {
    pthread_cond_t os;
    bool made;  // false: the system had none to give, and waiting looks every millisecond
    pid_t maker;
} pk__cond;
typedef struct pk__thread {
    pthread_t os;
    bool started;
    void *self; // atomic: its pk__thread_self, once it runs
    void (*run)(void *arg);
    void *arg;
} pk__thread;
#else
typedef struct pk__mutex {
    bool made;
} pk__mutex;
typedef struct pk__cond {
    bool made;
} pk__cond;
typedef struct pk__thread {
    bool started;
} pk__thread;
#endif

PK__FN void pk__mutex_init(pk__mutex *m);
PK__FN void pk__mutex_deinit(pk__mutex *m); // zeroed: does nothing
PK__FN void pk__mutex_lock(pk__mutex *m);
PK__FN void pk__mutex_unlock(pk__mutex *m);

PK__FN void pk__cond_init(pk__cond *c);
PK__FN void pk__cond_deinit(pk__cond *c); // zeroed: does nothing
PK__FN void pk__cond_signal(pk__cond *c);
PK__FN void pk__cond_broadcast(pk__cond *c);
/* Waits with the lock given up, until a signal or `until_ns` by pk__clock_ns (PK_FOREVER = no end). May also
 * wake for no reason: look at the condition again. False = the time has come. */
PK__FN bool pk__cond_wait(pk__cond *c, pk__mutex *m, int64_t until_ns);

/* Runs run(arg) on a new thread. *t is the caller's, is not moved until joined. */
PK__FN pk_err pk__thread_start(pk__thread *t, void (*run)(void *arg), void *arg, pk_error *err);
PK__FN void pk__thread_join(pk__thread *t);   // not started: does nothing
PK__FN void pk__thread_forget(pk__thread *t); // by the thread itself: nobody will join it; *t may be freed
PK__FN bool pk__thread_is_self(const pk__thread *t);
PK__FN uintptr_t pk__thread_self(void);     // differs between running threads; never 0
PK__FN void pk__thread_nap(int64_t ns);     // really sleeps, also by a faked clock: others go on meanwhile



/* == os/fork.h == */
/* fork.h - notices that we are in a forked child.
 *
 * A child that was forked without exec has copies of our objects, but not our threads, and shares our
 * descriptors: closing an epoll registration or signalling a plugin there would hit the parent. Asking for
 * the pid each time is a system call on every call; a page that the kernel empties in a forked child is only
 * a load. Where the kernel cannot do that, the pid is asked for. */
#ifdef PLUGKIT_LINES
#line 6 "src/os/fork.h"
#endif




typedef struct pk__fork_guard {
    const volatile uint32_t *page; // 1 here, 0 in a forked child; NULL = compare the pid
    long pid;                      // 0 = not made
} pk__fork_guard;

PK__FN void pk__fork_guard_init(pk__fork_guard *g);   // never fails
PK__FN void pk__fork_guard_deinit(pk__fork_guard *g); // zeroed: does nothing
PK__FN bool pk__fork_guard_is_child(const pk__fork_guard *g);



/* == os/fd.h == */
/* fd.h - file descriptors.
 *
 * Every descriptor made here is close-on-exec, and never 0, 1 or 2: a host that was started with those closed
 * must not find a plugin's socket where its next printf goes. Reading and writing go on after EINTR; nothing
 * here raises SIGPIPE except pk__fd_write_all on a pipe (see signal.h). */
#ifdef PLUGKIT_LINES
#line 5 "src/os/fd.h"
#endif




#ifndef PK__NO_FD
PK__FN void pk__fd_close(int fd);                                   // keeps errno; negative: does nothing
PK__FN pk_err pk__fd_open(const char *path, int flags, mode_t mode, int *out, pk_error *err);
PK__FN pk_err pk__fd_pipe(int out[2], pk_error *err);               // out[0] is read from; both blocking
PK__FN pk_err pk__fd_set_nonblock(int fd, bool on, pk_error *err);
PK__FN pk_err pk__fd_set_cloexec(int fd, bool on, pk_error *err);
/* Takes fd; returns it or a copy above 2 in its place. Negative: returns it with errno. -1 = failed, fd is
 * closed. */
PK__FN int pk__fd_lift(int fd);
PK__FN ssize_t pk__fd_read(int fd, void *buf, size_t cap);          // -1 with errno; 0 = the end
PK__FN ssize_t pk__fd_write(int fd, const void *buf, size_t len);   // -1 with errno
PK__FN pk_err pk__fd_write_all(int fd, pk_str bytes, pk_error *err); // waits where fd is non-blocking
PK__FN size_t pk__fd_count(void);                                   // open in this process; 0 = unknown
#endif
/* Fills buf from byte `at` of a file, as far as one read goes; *got 0 = the file ends there. Without descriptors in the
 * build: PK_ERR_UNSUPPORTED. */
PK__FN pk_err pk__fd_read_at(int fd, void *buf, size_t cap, uint64_t at, size_t *got, pk_error *err);
PK__FN void pk__fd_explain(pk_error *err); // no descriptors left? Then it says how many there may be
#ifndef PK__NO_POLL
PK__FN pk_err pk__fd_socketpair(int out[2], pk_error *err);         // Unix stream; both non-blocking
/* Is the other end of a Unix socket our own user (or root)? PK_ERR_PERMISSION: it is not. *pid may be NULL.
 * */
PK__FN pk_err pk__fd_check_peer(int fd, pid_t *pid, pk_error *err);
PK__FN bool pk__fd_wait(int fd, bool read, bool write, int64_t until_ns); // false = the time has come
#endif



/* == os/file.h == */
/* file.h - files and directories, with the care that private ones need.
 *
 * Paths: a path from a user is opened as it is; one below a directory that somebody else may write to is
 * opened beneath a descriptor of that directory (pk__file_open_beneath), so that neither ".." nor a symbolic
 * link leads out of it. Private directories are 0700, ours, and not a symbolic link, or they are refused with
 * what is wrong and where. What is written is there completely or not at all, also after a power cut.
 * Everything has a maximum. */
#ifdef PLUGKIT_LINES
#line 7 "src/os/file.h"
#endif




#ifndef PLUGKIT_NO_FILES
/* A whole file; lives in *mem, with a NUL behind it. PK_ERR_LIMIT: larger than max bytes. PK_ERR_NOT_FOUND.
 * */
PK__FN pk_err pk__file_read(pk_mem *mem, const char *path, size_t max, pk_str *out, pk_error *err);
/* Replaces a file: temporary file beside it, fsync, rename, fsync of the directory. */
PK__FN pk_err pk__file_write(const char *path, pk_str bytes, mode_t mode, pk_error *err);
/* The same for what is of no use after a power cut: waits for no disk. */
PK__FN pk_err pk__file_write_now(const char *path, pk_str bytes, mode_t mode, pk_error *err);

/* Makes the directory with mode 0700, or accepts one that is: ours, 0700, no link. PK_ERR_PERMISSION. */
PK__FN pk_err pk__file_make_private_dir(const char *path, pk_error *err);
/* Refuses a directory in which others could exchange things under us: neither ours nor root's, or writable
 * for others without the sticky bit. A link to a directory is fine if both pass. */
PK__FN pk_err pk__file_check_dir(const char *path, pk_error *err);
/* Makes a fresh private directory: BASE/plugkit-UID/RANDOM, where BASE is `base`, or (NULL) $XDG_RUNTIME_DIR
 * if it is fit, or /tmp. *out lives in *mem. Remove it as below. */
PK__FN pk_err pk__file_make_runtime_dir(pk_mem *mem, const char *base, const char **out, pk_error *err);
/* The same with a name instead of RANDOM: it may be there already. */
PK__FN pk_err pk__file_make_named_dir(pk_mem *mem, const char *base, const char *name, const char **out,
                                      pk_error *err);
/* Removes such a directory with all that is in it, and plugkit-UID if it was the last there. */
PK__FN void pk__file_remove_runtime_dir(const char *path);
/* Removes a directory and what is in it, as far as it is ours, without following links. Not there: fine. */
PK__FN pk_err pk__file_remove_tree(const char *path, pk_error *err);

typedef enum pk__file_kind {
    PK__FILE_OTHER,
    PK__FILE_REGULAR,
    PK__FILE_DIR,
    PK__FILE_LINK
} pk__file_kind;
typedef struct pk__file_entry {
    const char *name;
    pk__file_kind kind;
    mode_t mode;   // permission bits
    uid_t owner;
    uint64_t size; // bytes
} pk__file_entry;
/* The entries of an open directory without "." and "..", sorted by name. Takes dir_fd, also on failure.
 * PK_ERR_LIMIT: more than `max` entries. `shown` is the directory's name for messages. */
PK__FN pk_err pk__file_list(pk_mem *mem, int dir_fd, size_t max, const char *shown, pk__file_entry **out,
                            size_t *count, pk_error *err);
/* Opens root_fd/relative with nothing outside of the root and no symbolic links on the way. */
PK__FN pk_err pk__file_open_beneath(int root_fd, const char *relative, int flags, mode_t mode, int *out,
                                    pk_error *err);
PK__FN const char *pk__file_join(pk_mem *mem, const char *dir, const char *name); // NULL = out of memory
PK__FN pk_str pk__file_basename(const char *path); // a view into path
#endif



/* == os/lock.h == */
/* lock.h - lock files: who serves this socket?
 *
 * The kernel's lock on the open file is what counts: it ends with its holder, however that ends. The file's
 * content, the decimal pid and nothing else, is information for people and for plugins of the Go framework,
 * which have no kernel lock and go by the pid alone. So a file is
 *     FREE    it does not exist, or is empty and unlocked
 *     STALE   unlocked, and the process named in it is gone
 *     LIVE    locked by another process, or unlocked while the process named in it lives (a Go plugin)
 *     BROKEN  unlocked, and what is in it is not a pid
 *
 * The file is opened without truncation, and after locking compared with what the path names now: whoever
 * loses the race against an unlink tries again. Only a holder unlinks, so nothing can be stolen. */
#ifdef PLUGKIT_LINES
#line 12 "src/os/lock.h"
#endif




#ifndef PLUGKIT_NO_FILES
typedef enum pk__lock_state { PK__LOCK_FREE, PK__LOCK_STALE, PK__LOCK_LIVE, PK__LOCK_BROKEN } pk__lock_state;

typedef struct pk__lock {
    int fd; // 0 or negative = not held
    char *path;
    const pk_alloc *alloc;
    long owner; // our pid: a forked child must not release it
} pk__lock;

/* What is the state of that file? *pid is the number in it, 0 if there is none; may be NULL. */
PK__FN pk_err pk__lock_look(const char *path, pk__lock_state *out, int64_t *pid, pk_error *err);
/* Takes the lock and writes our pid. PK_ERR_BUSY: it is LIVE; the message names the pid. */
PK__FN pk_err pk__lock_take(pk__lock *lock, const pk_alloc *alloc, const char *path, pk_error *err);
/* The same for files that only we lock: a number that is left in one says nothing, whoever has it now. */
PK__FN pk_err pk__lock_take_ours(pk__lock *lock, const pk_alloc *alloc, const char *path, pk_error *err);
/* The Go framework's rule for a socket and its lock `SOCKET.lock`: takes the lock as above, and removes the
 * socket that a dead owner left. PK_ERR_BUSY: a live owner, or a socket without a lock file (its owner cannot
 * be known). */
PK__FN pk_err pk__lock_take_socket(pk__lock *lock, const pk_alloc *alloc, const char *socket_path,
                                   pk_error *err);
/* Unlinks the file and gives the lock up; in a forked child only closes. Not held: does nothing. */
PK__FN void pk__lock_release(pk__lock *lock);
#endif



/* == os/loop.h == */
/* loop.h - the event loop behind api/loop.h.
 *
 * One turn (pk_loop_step) is: wait for descriptors, at most until the next timer; run the timers that are
 * due; run the callbacks of descriptors that are ready, at most PK__LOOP_BATCH; run the tasks that were
 * posted until then. Each of the three takes a bounded share, so that none starves the others, and what is
 * left comes with the next turn.
 *
 * Callbacks may do anything: remove, add, free, post, and step the loop again (a blocking call inside a
 * callback does). That is safe because an event is not a pointer but a slot and the slot's generation: a
 * removed watch's events find nobody. While the callback of a watch runs, the watch itself is silent in inner
 * turns: no callback is entered twice.
 *
 * Posting is a lock-free push, so threads, signal handlers and interrupts can do it. It wakes the loop only
 * if the loop sleeps (or is not being stepped, which is the same to a poster) and nobody has woken it yet.
 *
 * How to wait is the business of a backend: epoll on Linux, kqueue on macOS and the BSDs, poll elsewhere and with
 * PLUGKIT_POSIX, and where there are no descriptors (firmware) a condition variable or, without threads, nothing at
 * all: such a loop never sleeps. */
#ifdef PLUGKIT_LINES
#line 18 "src/os/loop.h"
#endif








#define PK__LOOP_BATCH 64
#define PK__LOOP_READ 1u
#define PK__LOOP_WRITE 2u

typedef struct pk__loop_slot {
    pk_watch *watch;     // NULL = free
    uint64_t served;     // the turn in which its callback last ran: older events are void
    uint32_t generation; // raised when the watch is removed
    uint32_t next_free;  // slot number + 1; 0 = none
    int fd;
    uint8_t want;  // PK__LOOP_READ | PK__LOOP_WRITE
    bool running;  // its callback is on the stack
    bool silenced; // the backend was told to want nothing meanwhile
    bool always;   // the backend cannot wait for it: it is always ready (a regular file)
} pk__loop_slot;

typedef struct pk__loop_event {
    uint32_t slot, generation;
    uint8_t ready; // PK__LOOP_READ | PK__LOOP_WRITE
} pk__loop_event;

/* A callback of a watch that is on the stack; linked there, innermost first. */
typedef struct pk__loop_frame {
    uint32_t slot, generation;
    struct pk__loop_frame *outer;
} pk__loop_frame;

typedef struct pk__loop_backend {
    const char *name;
    pk_err (*open)(pk_loop *loop, pk_error *err);
    void (*close)(pk_loop *loop);
    /* Watches a slot whose fd and want are set; wants something else of it; ends. Only `add` can fail. */
    pk_err (*add)(pk_loop *loop, uint32_t slot, pk_error *err);
    void (*change)(pk_loop *loop, uint32_t slot, uint8_t want);
    void (*remove)(pk_loop *loop, uint32_t slot);
    /* Waits until then at most: 0 = not at all, PK_FOREVER. Returns how many events it filled in; -1 with errno. */
    int (*wait)(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap);
    void (*wake)(pk_loop *loop); // any thread, signal handlers
    size_t (*fds)(pk_loop *loop, pk_fd *out, size_t cap);
} pk__loop_backend;

struct pk_loop {
    pk_alloc alloc;
    const pk__loop_backend *backend;
    pk__fork_guard fork;
    pk__loop_slot *slots;
    uint32_t slot_cap, first_free; // first_free: slot number + 1; 0 = none
    pk_timer **timers;             // a binary heap, the earliest first
    uint32_t timer_count, timer_cap;
    void *posted;                  // atomic: tasks as they were posted, the last one first
    pk_task *tasks, *last_task;    // in order; the loop's thread only
    pk__atomic_u32 awake;          // in a turn and not waiting: will look at `posted` before it sleeps
    pk__atomic_u32 woken;          // somebody has called backend->wake since
    uint64_t turn;                 // counts waits
    uint32_t depth;                // turns on the stack
    void *thread;                  // atomic: pk__thread_self of who made or last stepped it
    bool doomed;                   // destroyed from within: freed when the outermost turn ends
    pk__loop_frame *frames;
    /* The backends' own. */
    int fds[3];            // epoll, eventfd and timerfd; poll: the pipe that wakes it; kqueue: that, and its own
    int64_t alarm_at;      // epoll: when the timerfd goes off; 0 = never
    bool none_due;         // epoll: it was armed and has not gone off, so that no timer is due
    uint32_t always_count; // slots that are always ready
    uint32_t next_slot;    // poll: where to look first, so that all get their turn
    struct pollfd *set;    // poll: one for each slot, and for the pipe
    uint32_t set_cap;
    pk__mutex lock;        // idle
    pk__cond wake_up;
};

#ifndef PK__NO_POLL
PK__FN const pk__loop_backend *pk__loop_poll(void);
#ifdef PK__LINUX
PK__FN const pk__loop_backend *pk__loop_epoll(void);
#endif
#ifdef PK__KQUEUE
PK__FN const pk__loop_backend *pk__loop_kqueue(void);
#endif
#else
PK__FN const pk__loop_backend *pk__loop_idle(void);
#endif

/* pk_loop_create with a backend of choice; NULL = the best of this system. */
PK__FN pk_err pk__loop_create(pk_loop **out, const pk_alloc *alloc, const pk__loop_backend *backend,
                              pk_error *err);
PK__FN bool pk__loop_is_forked(const pk_loop *loop); // we are in a forked child: the loop is the parent's
/* Does this thread drive the loop? Then it must not wait for others to do so, but step it. */
PK__FN bool pk__loop_is_mine(const pk_loop *loop);
PK__FN void pk__loop_give_away(pk_loop *loop);  // to whichever thread steps it next
PK__FN int pk__loop_depth(const pk_loop *loop); // turns on the stack; the loop's thread
/* Like pk_timer_start, for an absolute time by pk__clock_ns. */
PK__FN pk_err pk__timer_start_at(pk_loop *loop, pk_timer *t, int64_t at_ns, pk_error *err);
PK__FN bool pk__timer_is_running(const pk_timer *t);



/* == os/signal.h == */
/* signal.h - signals, where there is no way around them.
 *
 * A library has no business with a program's signal handlers, so nothing is installed unless asked:
 * pk__signals_start is for plugins whose main is ours, and puts the handlers back when stopped. The handler
 * writes one byte into a pipe that the loop watches. It finds that pipe through the only variable in the
 * library that is not in an object of the user's: a handler gets no argument. So one pk__signals at a time
 * can be started.
 *
 * SIGPIPE: sockets are written with MSG_NOSIGNAL. For what has no such flag (sendfile, pipes) it is blocked
 * in this thread meanwhile, and taken back if it came. */
#ifdef PLUGKIT_LINES
#line 10 "src/os/signal.h"
#endif





#ifndef PLUGKIT_NO_PROCESS
enum { PK__SIGNALS = 4 };

typedef struct pk__signals {
    pk_loop *loop;
    pk_watch watch;
    int pipe[2];
    struct sigaction old[PK__SIGNALS];
    unsigned taken; // bits: those whose action is ours
    void (*on_signal)(void *user, int number);
    void *user;
    bool started;
} pk__signals;

/* SIGINT and SIGTERM become on_signal, on the loop's thread; and SIGHUP and SIGCONT, unless the program does something
 * about them itself. PK_ERR_BUSY: another one is started. */
PK__FN pk_err pk__signals_start(pk__signals *s, pk_loop *loop, void (*on_signal)(void *user, int number),
                                void *user, pk_error *err);
PK__FN void pk__signals_stop(pk__signals *s); // not started: does nothing
/* Until something is started that wants to hear of it, this signal does nothing, unless the program handles it. For a
 * process whose main is ours: it is not put back. Children that run other programs do not inherit it. */
PK__FN void pk__signals_hush(int number);
#endif

#ifndef PK__NO_FD
typedef struct pk__sigpipe {
    sigset_t old;
    bool was_pending;
} pk__sigpipe;
PK__FN void pk__sigpipe_block(pk__sigpipe *s);
PK__FN void pk__sigpipe_restore(pk__sigpipe *s); // keeps errno
#endif



/* == os/process.h == */
/* process.h - child processes: start, watch, signal, reap.
 *
 * Starting costs the same whatever the host's size: the child borrows our memory until it execs (as vfork
 * does), so nothing is copied; sanitizers cannot follow that, and get fork. Everything is prepared before;
 * the child makes only system calls. It gets its own process group, default signals, exactly the declared
 * descriptors (and /dev/null at 0, 1, 2 where none is declared), and exactly the given environment. If it
 * cannot exec, it tells the step and errno, and pk__process_spawn returns them as a sentence; there is no
 * child then.
 *
 * A child is   running -> exited (a zombie, still ours) -> reaped.   Between the two the whole group is
 * killed: while the zombie is there its number cannot belong to anybody else. The end is noticed by pidfd, or
 * (old kernels) by asking for exactly this pid, every 1 to 50 ms and when pk__process_hint says that it may
 * be worth it. There is no SIGCHLD handler and no waitpid(-1), so a host may have its own. If the host
 * ignores SIGCHLD or waits for everybody, the status is lost, not the event: on_exit gets PK__STATUS_UNKNOWN.
 *
 * A child may be told of the end of the thread that started it by a signal: SIGKILL ends it, but also when only the
 * thread ends and the program goes on; SIGCONT just wakes it, so that it can look who its parent is.
 *
 * In a forked child of the host nothing is signalled or waited for. */
#ifdef PLUGKIT_LINES
#line 19 "src/os/process.h"
#endif






#define PK__STATUS_UNKNOWN (-1) // exited, but somebody else has its status

#ifndef PLUGKIT_NO_PROCESS

#define PK__SPAWN_FDS 16        // declared descriptors of a child, at most

typedef struct pk__spawn_fd {
    int child, parent; // the child's number, and ours that it becomes
} pk__spawn_fd;

typedef struct pk__spawn_desc {
    const char *path;        // of the executable: not searched for; with exec_fd only its name for messages
    int exec_fd;             // 0 = run path; otherwise what this descriptor holds
    const char *const *argv; // NULL-terminated
    const char *const *env;  // NULL-terminated; NULL = empty
    const pk__spawn_fd *fds;
    size_t fd_count;
    const char *cwd;         // NULL = ours
    pid_t group;             // 0 = a new one, led by the child
    int death_signal;        // sent to it when the thread that spawned it ends; 0 = none. Linux
    bool is_deaf;            // it ignores all signals but SIGCONT and SIGCHLD, until it says otherwise
} pk__spawn_desc;

/* Zeroed = none. Caller's memory, not moved while it is watched. */
typedef struct pk__process {
    pid_t pid; // 0 = none, or reaped
    int pidfd; // -1 = not available
    bool leads_group;
    int status; // waitpid's, once reaped; or PK__STATUS_UNKNOWN
    long owner; // the pid of the process that started it
    pk_loop *loop;
    pk_watch watch;
    pk_timer timer;
    uint32_t poll_ms;
    void (*on_exit)(void *user, int status);
    void *user;
} pk__process;

/* Errors: PK_ERR_EXEC "cannot start 'path': exec: permission denied"; PK_ERR_NO_MEMORY, PK_ERR_OS. */
PK__FN pk_err pk__process_spawn(pk__process *p, const pk__spawn_desc *desc, pk_error *err);
/* on_exit runs once, on the loop's thread, after the process has been reaped. */
PK__FN pk_err pk__process_watch(pk__process *p, pk_loop *loop, void (*on_exit)(void *user, int status),
                                void *user, pk_error *err);
PK__FN void pk__process_hint(pk__process *p); // it may have exited: look soon (a pipe of it was closed)
PK__FN bool pk__process_is_alive(const pk__process *p);
/* Asks the system: is it there, if only as a zombie? Then nobody else has had its number since it was spawned. */
PK__FN bool pk__process_is_there(const pk__process *p);
PK__FN bool pk__process_has_death_signal(void); // has the system such a thing?
/* Does it stand still? Asks the system, changes nothing, and leaves every status to whoever waits for it. What cannot
 * be known runs. On Linux /proc tells, also what somebody else has waited for already, and of debuggers; elsewhere, and
 * without /proc, only a child that is stopped is known, and not by its number. */
typedef enum pk__process_stand {
    PK__PROCESS_RUNS,
    PK__PROCESS_STOPPED, // as by SIGSTOP
    PK__PROCESS_TRACED   // a debugger has it; it may run all the same
} pk__process_stand;
PK__FN pk__process_stand pk__process_stands(const pk__process *p);
PK__FN pk__process_stand pk__process_stands_at(pid_t pid); // whose number it is, the caller knows
/* Signals the group (or only the process, if it does not lead one). Exited: does nothing. */
PK__FN void pk__process_signal(pk__process *p, int number);
/* Without a loop: is it over? Kills its group and reaps it then, and fills p->status. */
PK__FN bool pk__process_reap(pk__process *p);
/* Ends the watch, kills what still runs, reaps it, frees. */
PK__FN void pk__process_deinit(pk__process *p);

/* "exit status 3", "signal 11 (segmentation fault)", "exited, status unknown". Returns out. */
PK__FN const char *pk__process_describe(int status, char *out, size_t cap);

#endif


/* == os/sys.c == */
/* sys.c - system calls that not every system has, and the machinery that tests replace them with. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/sys.c"
#endif


#ifndef PK__NO_FD
#include <sys/mman.h>
#endif

/* ---- Linux */
#ifdef PK__LINUX
#ifndef PK__NO_FD
#include <sys/syscall.h>

/* Numbers that the C library's headers may be too old to know; -1 answers ENOSYS. */
#ifdef SYS_openat2
#define PK__SYS_OPENAT2 SYS_openat2
#else
#define PK__SYS_OPENAT2 (-1)
#endif
#ifdef SYS_close_range
#define PK__SYS_CLOSE_RANGE SYS_close_range
#else
#define PK__SYS_CLOSE_RANGE (-1)
#endif
#ifdef SYS_pidfd_open
#define PK__SYS_PIDFD_OPEN SYS_pidfd_open
#else
#define PK__SYS_PIDFD_OPEN (-1)
#endif
#ifdef SYS_pidfd_send_signal
#define PK__SYS_PIDFD_SEND_SIGNAL SYS_pidfd_send_signal
#else
#define PK__SYS_PIDFD_SEND_SIGNAL (-1)
#endif
#ifdef SYS_memfd_create
#define PK__SYS_MEMFD_CREATE SYS_memfd_create
#else
#define PK__SYS_MEMFD_CREATE (-1)
#endif
#ifdef SYS_execveat
#define PK__SYS_EXECVEAT SYS_execveat
#else
#define PK__SYS_EXECVEAT (-1)
#endif

typedef struct pk__sys_open_how { // struct open_how of linux/openat2.h
    uint64_t flags, mode, resolve;
} pk__sys_open_how;

PK__FN int pk__sys_port_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    pk__sys_open_how how = {(uint64_t)flags, (flags & O_CREAT) ? mode : 0, 0};
    how.resolve |= (resolve & PK__SYS_BENEATH) ? 0x08u : 0;     // RESOLVE_BENEATH
    how.resolve |= (resolve & PK__SYS_NO_SYMLINKS) ? 0x04u : 0; // RESOLVE_NO_SYMLINKS
    return (int)syscall(PK__SYS_OPENAT2, dir, path, &how, sizeof(how));
}

PK__FN int pk__sys_port_pipe(int out[2], int flags)
{
    return pipe2(out, flags);
}

PK__FN ssize_t pk__sys_port_getrandom(void *out, size_t len)
{
    return (ssize_t)syscall(SYS_getrandom, out, len, 0);
}

PK__FN int pk__sys_port_memfd_create(const char *name, unsigned flags)
{
    return (int)syscall(PK__SYS_MEMFD_CREATE, name, flags);
}

PK__FN void *pk__sys_port_fork_page(size_t size)
{
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    if (madvise(page, size, 18) != 0) { // MADV_WIPEONFORK, since Linux 4.14
        int error = errno;
        munmap(page, size);
        errno = error;
        return NULL;
    }
    return page;
}
#endif // PK__NO_FD

#ifndef PK__NO_POLL
#include <string.h>
#include <sys/sendfile.h>

PK__FN int pk__sys_port_socket(int domain, int type, int protocol)
{
    return socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

PK__FN int pk__sys_port_socketpair(int domain, int type, int out[2])
{
    return socketpair(domain, type | SOCK_CLOEXEC, 0, out);
}

PK__FN int pk__sys_port_accept(int fd, struct sockaddr *address, socklen_t *len)
{
    return accept4(fd, address, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

PK__FN int pk__sys_port_peer_uid(int fd, uid_t *uid, pid_t *pid)
{
    struct ucred peer = {0, 0, 0};
    socklen_t len = sizeof(peer);
    int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    *uid = peer.uid;
    *pid = peer.pid;
    return result;
}

PK__FN int pk__sys_port_show_sender(int fd)
{
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

PK__FN ssize_t pk__sys_port_recv_sender(int fd, void *buf, size_t cap, pid_t *pid)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = {buf, cap};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof(control);
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    *pid = 0;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
        struct ucred sender;
        memcpy(&sender, CMSG_DATA(c), sizeof(sender));
        *pid = sender.pid;
    }
    return n;
}

PK__FN int pk__sys_port_dup_over(int from, int to)
{
    return dup3(from, to, O_CLOEXEC);
}

PK__FN ssize_t pk__sys_port_sendfile(int out, int in, off_t *at, size_t len)
{
    return sendfile(out, in, at, len);
}
#endif // PK__NO_POLL

#ifndef PLUGKIT_NO_PROCESS
#include <sched.h>
#include <sys/prctl.h>

/* Sanitizers keep books of memory, and do not follow two processes in one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PK__SYS_NO_SHARING
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PK__SYS_NO_SHARING
#endif
#endif

#ifndef PK__SYS_NO_SHARING
/* The child runs on a stack of its own in our memory, and we go on when it has exec'd or ended. */
PK__FN pid_t pk__sys_port_spawn_vm(int (*run)(void *), void *stack, size_t size, void *arg)
{
    char *top = (char *)stack + size;
    return clone(run, top - ((uintptr_t)top & 15), CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
}
#else
PK__FN pid_t pk__sys_port_spawn_vm(int (*run)(void *), void *stack, size_t size, void *arg)
{
    (void)run, (void)stack, (void)size, (void)arg;
    errno = ENOSYS; // the caller forks
    return -1;
}
#endif

PK__FN ssize_t pk__sys_port_getdents(int fd, void *buf, size_t cap)
{
    return (ssize_t)syscall(SYS_getdents64, fd, buf, cap);
}

PK__FN int pk__sys_port_execveat(int fd, char *const *argv, char *const *env)
{
    return (int)syscall(PK__SYS_EXECVEAT, fd, "", argv, env, 0x1000); // AT_EMPTY_PATH
}

PK__FN int pk__sys_port_close_range(unsigned first)
{
    return (int)syscall(PK__SYS_CLOSE_RANGE, first, ~0u, 4); // CLOSE_RANGE_CLOEXEC
}

PK__FN int pk__sys_port_die_with_parent(int number)
{
    return prctl(PR_SET_PDEATHSIG, number);
}

PK__FN bool pk__sys_port_is_main_thread(void)
{
    return syscall(SYS_gettid) == (long)getpid();
}

PK__FN int pk__sys_port_pidfd_open(pid_t pid)
{
    return (int)syscall(PK__SYS_PIDFD_OPEN, pid, 0); // close-on-exec by itself
}

PK__FN int pk__sys_port_wait_pidfd(int fd, siginfo_t *out, int options)
{
    return waitid((idtype_t)3, (id_t)fd, out, options); // P_PIDFD, since Linux 5.4
}

PK__FN int pk__sys_port_pidfd_send_signal(int fd, int number, unsigned flags)
{
    return (int)syscall(PK__SYS_PIDFD_SEND_SIGNAL, fd, number, NULL, flags);
}
#endif // PLUGKIT_NO_PROCESS

/* ---- any POSIX system */
#else // not PK__LINUX

PK__FN int pk__sys_port_missing(void)
{
    errno = ENOSYS;
    return -1;
}

#ifndef PK__NO_FD
/* Two steps where Linux has one. A fork by another thread in between leaks the descriptor into its child: one
 * reason why our own children close everything that was not declared. */
PK__FN int pk__sys_port_mark(int fd, int flags)
{
    if (fd >= 0 && ((flags & O_CLOEXEC) == 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) &&
        ((flags & O_NONBLOCK) == 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0)) {
        return fd;
    }
    if (fd >= 0) {
        int error = errno;
        close(fd);
        errno = error;
    }
    return -1;
}

PK__FN int pk__sys_port_mark_pair(int fds[2], int flags)
{
    if (pk__sys_port_mark(fds[0], flags) < 0) {
        close(fds[1]);
        return -1;
    }
    if (pk__sys_port_mark(fds[1], flags) < 0) {
        close(fds[0]);
        return -1;
    }
    return 0;
}

PK__FN int pk__sys_port_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    (void)dir, (void)path, (void)flags, (void)mode, (void)resolve;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_pipe(int out[2], int flags)
{
    return pipe(out) == 0 ? pk__sys_port_mark_pair(out, flags) : -1;
}

PK__FN ssize_t pk__sys_port_getrandom(void *out, size_t len)
{
    (void)out, (void)len;
    return pk__sys_port_missing(); // the caller reads /dev/urandom
}

PK__FN int pk__sys_port_memfd_create(const char *name, unsigned flags)
{
    (void)name, (void)flags;
    return pk__sys_port_missing();
}

PK__FN void *pk__sys_port_fork_page(size_t size)
{
    (void)size;
    errno = ENOSYS;
    return NULL;
}
#endif // PK__NO_FD

#ifndef PK__NO_POLL
PK__FN int pk__sys_port_socket(int domain, int type, int protocol)
{
    return pk__sys_port_mark(socket(domain, type, protocol), O_CLOEXEC | O_NONBLOCK);
}

PK__FN int pk__sys_port_socketpair(int domain, int type, int out[2])
{
    return socketpair(domain, type, 0, out) == 0 ? pk__sys_port_mark_pair(out, O_CLOEXEC) : -1;
}

PK__FN int pk__sys_port_accept(int fd, struct sockaddr *address, socklen_t *len)
{
    return pk__sys_port_mark(accept(fd, address, len), O_CLOEXEC | O_NONBLOCK);
}

#ifdef SO_PEERCRED // PLUGKIT_POSIX on Linux, where there is no getpeereid
PK__FN int pk__sys_port_peer_uid(int fd, uid_t *uid, pid_t *pid)
{
    struct ucred peer = {0, 0, 0};
    socklen_t len = sizeof(peer);
    int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    *uid = peer.uid;
    *pid = 0;
    return result;
}
#else
PK__FN int pk__sys_port_peer_uid(int fd, uid_t *uid, pid_t *pid)
{
    gid_t gid = 0;
    *pid = 0;
    return getpeereid(fd, uid, &gid);
}
#endif

PK__FN int pk__sys_port_show_sender(int fd)
{
    (void)fd;
    return pk__sys_port_missing();
}

PK__FN ssize_t pk__sys_port_recv_sender(int fd, void *buf, size_t cap, pid_t *pid)
{
    *pid = 0;
    return recv(fd, buf, cap, MSG_DONTWAIT);
}

PK__FN int pk__sys_port_dup_over(int from, int to)
{
    return pk__sys_port_mark(dup2(from, to), O_CLOEXEC);
}

PK__FN ssize_t pk__sys_port_sendfile(int out, int in, off_t *at, size_t len)
{
    (void)out, (void)in, (void)at, (void)len;
    return pk__sys_port_missing(); // the caller copies
}
#endif // PK__NO_POLL

#ifndef PLUGKIT_NO_PROCESS
PK__FN pid_t pk__sys_port_spawn_vm(int (*run)(void *), void *stack, size_t size, void *arg)
{
    (void)run, (void)stack, (void)size, (void)arg;
    return pk__sys_port_missing(); // the caller forks
}

PK__FN ssize_t pk__sys_port_getdents(int fd, void *buf, size_t cap)
{
    (void)fd, (void)buf, (void)cap;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_execveat(int fd, char *const *argv, char *const *env)
{
    (void)fd, (void)argv, (void)env;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_close_range(unsigned first)
{
    (void)first;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_die_with_parent(int number)
{
    (void)number;
    return pk__sys_port_missing();
}

PK__FN bool pk__sys_port_is_main_thread(void)
{
    return false;
}

PK__FN int pk__sys_port_pidfd_open(pid_t pid)
{
    (void)pid;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_wait_pidfd(int fd, siginfo_t *out, int options)
{
    (void)fd, (void)out, (void)options;
    return pk__sys_port_missing();
}

PK__FN int pk__sys_port_pidfd_send_signal(int fd, int number, unsigned flags)
{
    (void)fd, (void)number, (void)flags;
    return pk__sys_port_missing();
}
#endif // PLUGKIT_NO_PROCESS
#endif // PK__LINUX

#ifndef PK__NO_POLL
#include <string.h>

#ifdef MSG_NOSIGNAL
#define PK__SYS_NOSIGNAL MSG_NOSIGNAL
#else
#define PK__SYS_NOSIGNAL 0
#endif
#ifdef MSG_CMSG_CLOEXEC
#define PK__SYS_CMSG_CLOEXEC MSG_CMSG_CLOEXEC
#else
#define PK__SYS_CMSG_CLOEXEC 0
#endif

typedef union pk__sys_rights {
    struct cmsghdr align;
    char room[CMSG_SPACE(PK__SYS_FDS * sizeof(int))];
} pk__sys_rights;

PK__FN ssize_t pk__sys_port_send_fds(int fd, const void *buf, size_t len, const int *fds, size_t count)
{
    pk__sys_rights rights;
    struct iovec part = {(void *)(uintptr_t)buf, len};
    struct msghdr message;
    memset(&message, 0, sizeof(message));
    memset(&rights, 0, sizeof(rights));
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &rights;
    message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    return sendmsg(fd, &message, MSG_DONTWAIT | PK__SYS_NOSIGNAL);
}

PK__FN ssize_t pk__sys_port_recv_fds(int fd, void *buf, size_t cap, int *fds, size_t *count)
{
    pk__sys_rights rights;
    struct iovec part = {buf, cap};
    struct msghdr message;
    size_t room = *count;
    *count = 0;
    memset(&message, 0, sizeof(message));
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &rights;
    message.msg_controllen = sizeof(rights);
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | PK__SYS_CMSG_CLOEXEC);
    const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&message); // systems gather all rights in one
    bool ours = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
    for (size_t at = 0; ours && CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
        int one = -1;
        memcpy(&one, CMSG_DATA(c) + at, sizeof(one));
        (void)fcntl(one, F_SETFD, FD_CLOEXEC);
        if (*count < room) {
            fds[(*count)++] = one;
        } else {
            close(one);
        }
    }
    return n;
}
#undef PK__SYS_NOSIGNAL
#undef PK__SYS_CMSG_CLOEXEC
#endif

#ifndef PLUGKIT_NO_NET
#include <string.h>

PK__FN int pk__sys_port_look_up(const char *host, pk__sys_names *out)
{
    struct addrinfo hints;
    struct addrinfo *found = NULL;
    memset(&hints, 0, sizeof(hints));
    memset(out, 0, sizeof(*out));
    hints.ai_socktype = SOCK_STREAM;
    int rc = getaddrinfo(host, NULL, &hints, &found);
    for (struct addrinfo *a = found; rc == 0 && a && out->count < PK__COUNT(out->at); a = a->ai_next) {
        bool known = a->ai_family == AF_INET || a->ai_family == AF_INET6;
        if (known && a->ai_addrlen <= sizeof(out->at[0])) {
            memcpy(&out->at[out->count++], a->ai_addr, a->ai_addrlen);
        }
    }
    if (rc == 0) {
        freeaddrinfo(found);
    }
    return rc == 0 && out->count == 0 ? EAI_NONAME : rc;
}
#endif

#ifndef PK__NO_FD
#ifndef PLUGKIT_NO_THREADS
PK__FN int pk__sys_port_mask_signals(int how, const sigset_t *set, sigset_t *old)
{
    return pthread_sigmask(how, set, old);
}
#else
PK__FN int pk__sys_port_mask_signals(int how, const sigset_t *set, sigset_t *old)
{
    return sigprocmask(how, set, old);
}
#endif
#endif

#ifndef PLUGKIT_NO_PROCESS
PK__FN int pk__sys_port_reset_signal(int number, bool ignored)
{
    struct sigaction action;
    sigset_t *mask = &action.sa_mask;
    sigemptyset(mask);
    action.sa_handler = ignored ? SIG_IGN : SIG_DFL;
    action.sa_flags = 0;
    return sigaction(number, &action, NULL);
}
#endif

/* ---- tests */
#ifdef PLUGKIT_TEST
#include <stdlib.h>
#include <string.h>



PK__FN void pk__sys_reset(void)
{
    static const pk__sys_table real = {PK__SYS_LIST(PK__SYS_ENTRY)};
    pk__sys = real;
    memset(&pk__sys_count, 0, sizeof(pk__sys_count));
    pk__sys_fail_at = pk__sys_fail_times = 0;
    pk__sys_failed = NULL;
}

PK__FN bool pk__sys_is_old(void)
{
    if (pk__sys_old_kernel == 0) {
        const char *text = getenv("PK_TEST_ENOSYS");
        pk__sys_old_kernel = text && strcmp(text, "1") == 0 ? 1 : -1;
    }
    return pk__sys_old_kernel > 0;
}

PK__FN bool pk__sys_is_young(const char *name)
{
    static const char *const young[] = {"pidfd_open", "close_range", "openat2", "memfd_create", "execveat"};
    for (size_t i = 0; i < PK__COUNT(young); i++) {
        if (strcmp(name, young[i]) == 0) {
            return true;
        }
    }
    return false;
}

PK__FN bool pk__sys_fails(const char *name, uint32_t *count, int number)
{
    uint32_t turn;
    (void)pk__atomic_add(count, 1);
    if (number == ENOSYS && pk__sys_is_old() && pk__sys_is_young(name)) {
        return true;
    }
    if (number == 0) { // never fails: not a case to try
        return false;
    }
    turn = pk__atomic_add(&pk__sys_count.all, 1) + 1;
    if (pk__sys_fail_at == 0 || turn < pk__sys_fail_at || turn - pk__sys_fail_at > pk__sys_fail_times) {
        return false;
    }
    if (turn == pk__sys_fail_at) {
        pk__sys_failed = name;
    }
    return true;
}
#endif

/* == os/clock.c == */
/* clock.c - the two clocks, and the one that tests set. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/clock.c"
#endif






#ifdef PLUGKIT_TEST
static int64_t pk__clock_faked_ns; // 0 = the real one; tests run where 64 bits are atomic

PK__FN int64_t pk__clock_faked(void)
{
    return __atomic_load_n(&pk__clock_faked_ns, __ATOMIC_SEQ_CST);
}

PK__FN void pk__clock_fake(int64_t ns)
{
    __atomic_store_n(&pk__clock_faked_ns, ns, __ATOMIC_SEQ_CST);
}

PK__FN void pk__clock_advance(int64_t ns)
{
    __atomic_add_fetch(&pk__clock_faked_ns, ns, __ATOMIC_SEQ_CST);
}

PK__FN void pk__clock_real(void)
{
    pk__clock_fake(0);
}
#else
PK__FN int64_t pk__clock_faked(void)
{
    return 0;
}
#endif

PK__FN bool pk__clock_is_fake(void)
{
    return pk__clock_faked() != 0;
}

#ifdef PLUGKIT_CLOCK_NS
enum { PK__CLOCK_FINE, PK__CLOCK_COARSE };

static int64_t pk__clock_read(int id)
{
    (void)id;
    return (int64_t)PLUGKIT_CLOCK_NS();
}
#else
#define PK__CLOCK_FINE CLOCK_MONOTONIC
#ifdef CLOCK_MONOTONIC_COARSE
#define PK__CLOCK_COARSE CLOCK_MONOTONIC_COARSE
#else
#define PK__CLOCK_COARSE CLOCK_MONOTONIC
#endif

static int64_t pk__clock_read(clockid_t id)
{
    struct timespec t = {0, 0};
    (void)PK__SYS(clock_gettime)(id, &t);
    return (int64_t)t.tv_sec * PK__SECOND + t.tv_nsec;
}

PK__FN int64_t pk__clock_unix_ms(void)
{
    struct timespec t = {0, 0};
    (void)PK__SYS(clock_gettime)(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / PK__MS;
}

PK__FN const char *pk__clock_text(char out[PK__CLOCK_TEXT])
{
    struct tm parts;
    int64_t ms = pk__clock_unix_ms();
    time_t seconds = (time_t)(ms / 1000);
    memset(&parts, 0, sizeof(parts));
    (void)gmtime_r(&seconds, &parts);
    size_t len = strftime(out, PK__CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out + len, PK__CLOCK_TEXT - len, ".%03dZ", (int)(ms % 1000));
    return out;
}
#endif

PK__FN int64_t pk__clock_ns(void)
{
    int64_t faked = pk__clock_faked();
    return faked ? faked : pk__clock_read(PK__CLOCK_FINE) + 1; // never 0
}

PK__FN int64_t pk__clock_coarse_ns(void)
{
    int64_t faked = pk__clock_faked();
    return faked ? faked : pk__clock_read(PK__CLOCK_COARSE) + 1;
}

PK__FN int64_t pk__clock_after_ms(int64_t ns, uint64_t ms)
{
    uint64_t room = (uint64_t)(PK_FOREVER - ns) / (uint64_t)PK__MS; // what the clock reads is not negative
    return ms >= room ? PK_FOREVER : ns + (int64_t)ms * PK__MS;
}

PK__FN int pk__clock_wait_ms(int64_t until_ns)
{
    int64_t left;
    if (pk__clock_is_fake()) {
        return 0;
    }
    if (until_ns == PK_FOREVER) {
        return -1;
    }
    left = until_ns - pk__clock_ns();
    if (left <= 0) {
        return 0;
    }
    left = (left + PK__MS - 1) / PK__MS;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

PK_API int64_t pk_now_ns(void)
{
    return pk__clock_ns();
}

/* == os/random.c == */
/* random.c - random numbers from the kernel. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/random.c"
#endif


#ifndef PK__NO_FD

/* For kernels and systems without getrandom. */
PK__FN pk_err pk__random_from_device(char *out, size_t len, pk_error *err)
{
    int fd = PK__SYS(open)("/dev/urandom", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot open '/dev/urandom'");
    }
    for (size_t done = 0; done < len;) {
        ssize_t n = PK__SYS(read)(fd, out + done, len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            int error = n < 0 ? errno : EIO;
            PK__SYS(close)(fd);
            return pk_error_sys(err, PK_ERR_OS, error, "cannot read '/dev/urandom'");
        }
        done += (size_t)n;
    }
    PK__SYS(close)(fd);
    return PK_OK;
}

PK__FN pk_err pk__random_bytes(void *out, size_t len, pk_error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = PK__SYS(getrandom)((char *)out + done, len - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            return pk__random_from_device((char *)out, len, err);
        }
    }
    return PK_OK;
}

#else

PK__FN pk_err pk__random_bytes(void *out, size_t len, pk_error *err)
{
    (void)out, (void)len;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot get random bytes: no system to ask");
}

#endif

PK__FN pk_err pk__random_token(char out[PK__TOKEN_LEN + 1], pk_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[PK__TOKEN_LEN / 2] = {0};
    pk_err code = pk__random_bytes(bytes, sizeof(bytes), err);
    if (code) {
        out[0] = '\0';
        return code;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[PK__TOKEN_LEN] = '\0';
    return PK_OK;
}

PK__FN uint64_t pk__random_u64(void)
{
    uint64_t value = 0;
    if (pk__random_bytes(&value, sizeof(value), NULL) != PK_OK) {
        /* Spreads the bits of the clock (the finaliser of SplitMix64): good enough to jitter a delay. */
        value = (uint64_t)pk__clock_ns() + UINT64_C(0x9e3779b97f4a7c15);
        value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
        value ^= value >> 31;
    }
    return value;
}

PK__FN bool pk__token_equal(pk_str a, pk_str b)
{
    uint64_t different = 0;
    size_t at = 0;
    if (a.len != b.len || a.len == 0) { // the length of a token is no secret
        return false;
    }
    for (; a.len - at >= sizeof(different); at += sizeof(different)) {
        uint64_t x, y;
        memcpy(&x, a.ptr + at, sizeof(x));
        memcpy(&y, b.ptr + at, sizeof(y));
        different |= x ^ y;
    }
    for (; at < a.len; at++) {
        different |= (uint64_t)((unsigned char)a.ptr[at] ^ (unsigned char)b.ptr[at]);
    }
    volatile uint64_t all = different; // the exact bits are wanted, so that no compiler may stop at the first one
    return all == 0;
}

/* == os/thread.c == */
/* thread.c - threads, locks, conditions: on POSIX threads, or none. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/thread.c"
#endif




#ifndef PLUGKIT_NO_THREADS
#include <signal.h>
#include <unistd.h>

PK__FN void pk__mutex_init(pk__mutex *m)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER; // unlike pthread_mutex_init, cannot fail
    memset(m, 0, sizeof(*m));
    m->os = fresh;
    m->made = true;
}

PK__FN void pk__mutex_deinit(pk__mutex *m)
{
    if (m->made) {
        pthread_mutex_destroy(&m->os);
        m->made = false;
    }
}

PK__FN void pk__mutex_lock(pk__mutex *m)
{
    PK__ASSERT(m->made);
    pthread_mutex_lock(&m->os);
}

PK__FN void pk__mutex_unlock(pk__mutex *m)
{
    pthread_mutex_unlock(&m->os);
}

#ifdef __APPLE__ // conditions know the calendar's clock only, but can wait for a span of time

PK__FN bool pk__cond_make(pk__cond *c)
{
    return pthread_cond_init(&c->os, NULL) == 0;
}

PK__FN void pk__cond_wait_ns(pk__cond *c, pk__mutex *m, int64_t until_ns)
{
    int64_t left = until_ns - pk__clock_ns();
    struct timespec t = {(time_t)(left / PK__SECOND), (long)(left % PK__SECOND)};
    if (left > 0) {
        pthread_cond_timedwait_relative_np(&c->os, &m->os, &t);
    }
}

#else

PK__FN bool pk__cond_make(pk__cond *c)
{
    pthread_condattr_t attributes;
    bool good;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    good = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
           pthread_cond_init(&c->os, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return good;
}

PK__FN void pk__cond_wait_ns(pk__cond *c, pk__mutex *m, int64_t until_ns)
{
    struct timespec t = {(time_t)(until_ns / PK__SECOND), (long)(until_ns % PK__SECOND)};
    (void)pthread_cond_timedwait(&c->os, &m->os, &t);
}

#endif

PK__FN void pk__cond_init(pk__cond *c)
{
    memset(c, 0, sizeof(*c));
    c->made = pk__cond_make(c);
    c->maker = getpid();
}

PK__FN void pk__cond_deinit(pk__cond *c)
{
    if (c->made && c->maker == getpid()) { // in a forked child the system would wait for those who wait
        pthread_cond_destroy(&c->os);
    }
    c->made = false;
}

PK__FN void pk__cond_signal(pk__cond *c)
{
    if (c->made) {
        pthread_cond_signal(&c->os);
    }
}

PK__FN void pk__cond_broadcast(pk__cond *c)
{
    if (c->made) {
        pthread_cond_broadcast(&c->os);
    }
}

PK__FN void pk__thread_nap(int64_t ns)
{
    struct timespec t = {(time_t)(ns / PK__SECOND), (long)(ns % PK__SECOND)};
    (void)PK__SYS(nanosleep)(&t);
}

/* A short real nap with the lock given up: for a faked clock, which only others move, and where there is no
 * condition to wait for. */
PK__FN void pk__cond_nap(pk__mutex *m)
{
    pthread_mutex_unlock(&m->os);
    pk__thread_nap(PK__MS);
    pthread_mutex_lock(&m->os);
}

PK__FN bool pk__cond_wait(pk__cond *c, pk__mutex *m, int64_t until_ns)
{
    if (pk__clock_ns() >= until_ns) {
        return false;
    }
    if (!c->made || pk__clock_is_fake()) {
        pk__cond_nap(m);
    } else if (until_ns == PK_FOREVER) {
        pthread_cond_wait(&c->os, &m->os);
    } else {
        pk__cond_wait_ns(c, m, until_ns);
    }
    return pk__clock_ns() < until_ns;
}

PK__FN void *pk__thread_main(void *arg)
{
    pk__thread *t = (pk__thread *)arg;
    pk__atomic_store_ptr(&t->self, (void *)pk__thread_self());
    t->run(t->arg);
    return NULL;
}

PK__FN pk_err pk__thread_start(pk__thread *t, void (*run)(void *arg), void *arg, pk_error *err)
{
    sigset_t all, old;
    int error;
    memset(t, 0, sizeof(*t));
    t->run = run;
    t->arg = arg;
    sigfillset(&all);
    t->started = true; // before it runs: it may look at itself
    (void)pthread_sigmask(SIG_SETMASK, &all, &old); // the new thread inherits it
    error = PK__SYS(pthread_create)(&t->os, NULL, pk__thread_main, t);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        t->started = false;
        return pk_error_sys(err, PK_ERR_OS, error, "cannot start a thread");
    }
    return PK_OK;
}

PK__FN void pk__thread_join(pk__thread *t)
{
    if (t->started) {
        pthread_join(t->os, NULL);
        t->started = false;
        t->self = NULL;
    }
}

PK__FN void pk__thread_forget(pk__thread *t)
{
    if (t->started) {
        /* musl notes in t->os who it is after the thread has begun: it asks for itself. */
        pthread_detach(pk__thread_is_self(t) ? pthread_self() : t->os);
        t->started = false;
    }
}

PK__FN bool pk__thread_is_self(const pk__thread *t)
{
    return pk__atomic_load_ptr(&t->self) == (void *)pk__thread_self();
}

/* The address of errno: POSIX gives each thread its own, and unlike pthread_t it is a number everywhere. */
PK__FN uintptr_t pk__thread_self(void)
{
    return (uintptr_t)&errno;
}

#else // PLUGKIT_NO_THREADS

PK__FN void pk__mutex_init(pk__mutex *m)
{
    m->made = true;
}

PK__FN void pk__mutex_deinit(pk__mutex *m)
{
    m->made = false;
}

PK__FN void pk__mutex_lock(pk__mutex *m)
{
    (void)m;
}

PK__FN void pk__mutex_unlock(pk__mutex *m)
{
    (void)m;
}

PK__FN void pk__cond_init(pk__cond *c)
{
    c->made = true;
}

PK__FN void pk__cond_deinit(pk__cond *c)
{
    c->made = false;
}

PK__FN void pk__cond_signal(pk__cond *c)
{
    (void)c;
}

PK__FN void pk__cond_broadcast(pk__cond *c)
{
    (void)c;
}

PK__FN bool pk__cond_wait(pk__cond *c, pk__mutex *m, int64_t until_ns)
{
    (void)c, (void)m;
    return pk__clock_ns() < until_ns;
}

PK__FN pk_err pk__thread_start(pk__thread *t, void (*run)(void *arg), void *arg, pk_error *err)
{
    (void)run, (void)arg;
    t->started = false;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot start a thread: built with PLUGKIT_NO_THREADS");
}

PK__FN void pk__thread_join(pk__thread *t)
{
    (void)t;
}

PK__FN void pk__thread_forget(pk__thread *t)
{
    (void)t;
}

PK__FN bool pk__thread_is_self(const pk__thread *t)
{
    (void)t;
    return false;
}

PK__FN uintptr_t pk__thread_self(void)
{
    return 1;
}

PK__FN void pk__thread_nap(int64_t ns)
{
    (void)ns; // there are no others
}

#endif

/* == os/fork.c == */
/* fork.c - notices that we are in a forked child. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/fork.c"
#endif


#ifndef PK__NO_FD
#include <sys/mman.h>

#define PK__FORK_PAGE ((size_t)sysconf(_SC_PAGESIZE))

PK__FN void pk__fork_guard_init(pk__fork_guard *g)
{
    uint32_t *page = (uint32_t *)PK__SYS(fork_page)(PK__FORK_PAGE);
    if (page) {
        *page = 1;
    }
    g->page = page;
    g->pid = (long)getpid();
}

PK__FN void pk__fork_guard_deinit(pk__fork_guard *g)
{
    if (g->page) {
        munmap((void *)(uintptr_t)g->page, PK__FORK_PAGE);
        g->page = NULL;
    }
    g->pid = 0;
}

PK__FN bool pk__fork_guard_is_child(const pk__fork_guard *g)
{
    return g->page ? *g->page == 0 : g->pid != 0 && g->pid != (long)getpid();
}

#else // nothing to fork

PK__FN void pk__fork_guard_init(pk__fork_guard *g)
{
    g->page = NULL;
    g->pid = 1;
}

PK__FN void pk__fork_guard_deinit(pk__fork_guard *g)
{
    g->pid = 0;
}

PK__FN bool pk__fork_guard_is_child(const pk__fork_guard *g)
{
    (void)g;
    return false;
}

#endif

/* == os/fd.c == */
/* fd.c - file descriptors. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/fd.c"
#endif








#ifndef PK__NO_FD

PK__FN void pk__fd_close(int fd)
{
    int error = errno;
    if (fd >= 0) {
        /* Not again after EINTR: the number is free by then, and may be another thread's. */
        (void)PK__SYS(close)(fd);
    }
    errno = error;
}

PK__FN int pk__fd_lift(int fd)
{
    int lifted;
    if (fd < 0 || fd > 2) {
        return fd;
    }
    lifted = PK__SYS(fcntl)(fd, F_DUPFD_CLOEXEC, 3);
    pk__fd_close(fd);
    return lifted;
}

/* Lifts both; closes both if that fails. */
PK__FN bool pk__fd_lift_pair(int out[2])
{
    out[0] = pk__fd_lift(out[0]);
    if (out[0] >= 0) {
        out[1] = pk__fd_lift(out[1]);
        if (out[1] >= 0) {
            return true;
        }
    }
    pk__fd_close(out[0] >= 0 ? out[0] : out[1]);
    out[0] = out[1] = -1;
    return false;
}

PK__FN pk_err pk__fd_open(const char *path, int flags, mode_t mode, int *out, pk_error *err)
{
    int fd;
    do {
        fd = PK__SYS(open)(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    fd = pk__fd_lift(fd);
    *out = fd;
    if (fd < 0) {
        int error = errno;
        pk_err code = error == ENOENT ? PK_ERR_NOT_FOUND : PK_ERR_OS;
        (void)pk_error_sys(err, code, error, "cannot open '%s'", path);
        errno = error; // for callers who say it in their own words
        return code;
    }
    return PK_OK;
}

PK__FN pk_err pk__fd_pipe(int out[2], pk_error *err)
{
    if (PK__SYS(pipe)(out, O_CLOEXEC) != 0) {
        out[0] = out[1] = -1;
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot make a pipe");
    }
    return pk__fd_lift_pair(out) ? PK_OK : pk_error_sys(err, PK_ERR_OS, errno, "cannot make a pipe");
}

PK__FN pk_err pk__fd_set_nonblock(int fd, bool on, pk_error *err)
{
    int flags = PK__SYS(fcntl)(fd, F_GETFL, 0);
    int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (flags < 0 || (wanted != flags && PK__SYS(fcntl)(fd, F_SETFL, wanted) != 0)) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot change descriptor %d", fd);
    }
    return PK_OK;
}

PK__FN pk_err pk__fd_set_cloexec(int fd, bool on, pk_error *err)
{
    if (PK__SYS(fcntl)(fd, F_SETFD, on ? FD_CLOEXEC : 0) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot change descriptor %d", fd);
    }
    return PK_OK;
}

PK__FN ssize_t pk__fd_read(int fd, void *buf, size_t cap)
{
    ssize_t n;
    do {
        n = PK__SYS(read)(fd, buf, cap);
    } while (n < 0 && errno == EINTR);
    return n;
}

PK__FN pk_err pk__fd_read_at(int fd, void *buf, size_t cap, uint64_t at, size_t *got, pk_error *err)
{
    ssize_t n;
    do {
        n = PK__SYS(pread)(fd, buf, cap, (off_t)at);
    } while (n < 0 && errno == EINTR);
    *got = n > 0 ? (size_t)n : 0;
    return n < 0 ? pk_error_sys(err, PK_ERR_OS, errno, "cannot read the file") : PK_OK;
}

PK__FN ssize_t pk__fd_write(int fd, const void *buf, size_t len)
{
    ssize_t n;
    do {
        n = PK__SYS(write)(fd, buf, len);
    } while (n < 0 && errno == EINTR);
    return n;
}

#ifndef PK__NO_POLL
PK__FN bool pk__fd_is_worth_waiting(int fd, int error)
{
    return (error == EAGAIN || error == EWOULDBLOCK) && pk__fd_wait(fd, false, true, PK_FOREVER);
}
#else
PK__FN bool pk__fd_is_worth_waiting(int fd, int error)
{
    (void)fd, (void)error; // files do not block
    return false;
}
#endif

PK__FN pk_err pk__fd_write_all(int fd, pk_str bytes, pk_error *err)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = pk__fd_write(fd, bytes.ptr + done, bytes.len - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (!pk__fd_is_worth_waiting(fd, errno)) {
            return pk_error_sys(err, PK_ERR_OS, errno, "cannot write to descriptor %d", fd);
        }
    }
    return PK_OK;
}

PK__FN size_t pk__fd_count(void)
{
    size_t count = 0;
    int fd = PK__SYS(open)("/dev/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? PK__SYS(fdopendir)(fd) : NULL;
    struct dirent *entry;
    if (!dir) {
        pk__fd_close(fd);
        return 0;
    }
    while ((entry = PK__SYS(readdir)(dir)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    (void)PK__SYS(closedir)(dir);
    return count ? count - 1 : 0; // without the one we looked with
}

PK__FN void pk__fd_explain(pk_error *err)
{
    struct rlimit limit;
    size_t len = strlen(err->msg);
    if (err->sys_errno == EMFILE && PK__SYS(fd_limit)(&limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        (void)snprintf(err->msg + len, sizeof(err->msg) - len, " (at most %lu: ulimit -n)",
                       (unsigned long)limit.rlim_cur);
    }
}

#else

PK__FN pk_err pk__fd_read_at(int fd, void *buf, size_t cap, uint64_t at, size_t *got, pk_error *err)
{
    (void)fd, (void)buf, (void)cap, (void)at;
    *got = 0;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot read the file: this build knows no descriptors");
}

PK__FN void pk__fd_explain(pk_error *err)
{
    (void)err;
}

#endif // PK__NO_FD

#ifndef PK__NO_POLL

PK__FN pk_err pk__fd_socketpair(int out[2], pk_error *err)
{
    if (PK__SYS(socketpair)(AF_UNIX, SOCK_STREAM, out) != 0) {
        out[0] = out[1] = -1;
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot make a socket pair");
    }
    if (!pk__fd_lift_pair(out)) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot make a socket pair");
    }
    if (pk__fd_set_nonblock(out[0], true, err) != PK_OK || pk__fd_set_nonblock(out[1], true, err) != PK_OK) {
        pk__fd_close(out[0]);
        pk__fd_close(out[1]);
        out[0] = out[1] = -1;
        return PK_ERR_OS;
    }
    return PK_OK;
}

PK__FN pk_err pk__fd_check_peer(int fd, pid_t *pid, pk_error *err)
{
    uid_t uid = 0;
    pid_t from = 0;
    if (PK__SYS(peer_uid)(fd, &uid, &from) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot find out who is connected");
    }
    if (pid) {
        *pid = from;
    }
    if (uid != geteuid() && uid != 0) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot accept a connection of user %ld: we are user %ld",
                            (long)uid, (long)geteuid());
    }
    return PK_OK;
}

PK__FN bool pk__fd_wait(int fd, bool read, bool write, int64_t until_ns)
{
    struct pollfd set = {fd, (short)((read ? POLLIN : 0) | (write ? POLLOUT : 0)), 0};
    for (;;) {
        int n = PK__SYS(poll)(&set, 1, pk__clock_is_fake() ? 1 : pk__clock_wait_ms(until_ns));
        if (n > 0 || (n < 0 && errno != EINTR)) {
            return true; // after an error, what the caller does next will tell
        }
        if (pk__clock_ns() >= until_ns) {
            return false;
        }
    }
}

#endif // PK__NO_POLL

/* == os/loop.c == */
/* loop.c - turns, watches, timers and tasks, on top of a backend. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/loop.c"
#endif




/* ---- create, destroy */

#if defined(PK__NO_POLL)
#define PK__LOOP_BEST pk__loop_idle
#elif defined(PK__LINUX)
#define PK__LOOP_BEST pk__loop_epoll
#elif defined(PK__KQUEUE)
#define PK__LOOP_BEST pk__loop_kqueue
#else
#define PK__LOOP_BEST pk__loop_poll
#endif

PK__FN pk_err pk__loop_create(pk_loop **out, const pk_alloc *alloc, const pk__loop_backend *backend,
                              pk_error *err)
{
    pk_err code;
    pk_loop *loop = (pk_loop *)pk__new(alloc, sizeof(*loop));
    *out = NULL;
    if (!loop) {
        return pk__error_memory(err, "create a loop");
    }
    if (alloc) {
        loop->alloc = *alloc;
    }
    loop->fds[0] = loop->fds[1] = loop->fds[2] = -1;
    loop->backend = backend ? backend : PK__LOOP_BEST();
    code = loop->backend->open(loop, err);
    if (code) {
        pk__free(alloc, loop, sizeof(*loop));
        return code;
    }
    pk__fork_guard_init(&loop->fork);
    loop->thread = (void *)pk__thread_self();
    *out = loop;
    return PK_OK;
}

PK_API pk_err pk_loop_create(pk_loop **out, const pk_alloc *alloc, pk_error *err)
{
    return pk__loop_create(out, alloc, NULL, err);
}

PK__FN bool pk__loop_is_forked(const pk_loop *loop)
{
    return pk__fork_guard_is_child(&loop->fork);
}

PK__FN bool pk__loop_is_mine(const pk_loop *loop)
{
    return pk__atomic_load_ptr(&loop->thread) == (void *)pk__thread_self();
}

PK__FN void pk__loop_give_away(pk_loop *loop)
{
    pk__atomic_store_ptr(&loop->thread, NULL);
}

PK__FN int pk__loop_depth(const pk_loop *loop)
{
    return (int)loop->depth;
}

/* Moves what was posted behind the tasks that are in order already. */
PK__FN void pk__loop_collect(pk_loop *loop)
{
    pk_task *task = (pk_task *)pk__atomic_swap_ptr(&loop->posted, NULL), *first = NULL, *last = task;
    while (task) { // turned around: the first one posted is to run first
        pk_task *next = task->pk__next;
        task->pk__next = first;
        first = task;
        task = next;
    }
    if (!first) {
        return;
    }
    if (loop->tasks) {
        loop->last_task->pk__next = first;
    } else {
        loop->tasks = first;
    }
    loop->last_task = last;
}

PK__FN pk_task *pk__loop_pop_task(pk_loop *loop)
{
    pk_task *task = loop->tasks;
    if (task) {
        loop->tasks = task->pk__next;
        task->pk__next = NULL;
        pk__atomic_store(&task->pk__queued, 0);
    }
    return task;
}

/* What is still added forgets the loop: removing it later does nothing. */
PK__FN void pk__loop_free(pk_loop *loop)
{
    pk_alloc alloc = loop->alloc;
    for (uint32_t i = 0; i < loop->slot_cap; i++) {
        if (loop->slots[i].watch) {
            loop->slots[i].watch->pk__slot = 0;
        }
    }
    for (uint32_t i = 0; i < loop->timer_count; i++) {
        loop->timers[i]->pk__pos = 0;
    }
    pk__loop_collect(loop);
    while (pk__loop_pop_task(loop)) {
    }
    loop->backend->close(loop);
    pk__fork_guard_deinit(&loop->fork);
    pk__free(&alloc, loop->slots, loop->slot_cap * sizeof(*loop->slots));
    pk__free(&alloc, loop->timers, loop->timer_cap * sizeof(*loop->timers));
    pk__free(&alloc, loop, sizeof(*loop));
}

PK_API void pk_loop_destroy(pk_loop *loop)
{
    if (!loop) {
        return;
    }
    if (loop->depth > 0 && pk__loop_is_mine(loop)) {
        loop->doomed = true; // the turns on our stack still need it
        return;
    }
    pk__loop_free(loop);
}

/* ---- timers: a heap in which each knows its place */

PK__FN void pk__timer_place(pk_loop *loop, uint32_t at, pk_timer *t)
{
    loop->timers[at] = t;
    t->pk__pos = at + 1;
}

PK__FN void pk__timer_up(pk_loop *loop, uint32_t at)
{
    pk_timer *t = loop->timers[at];
    while (at > 0 && loop->timers[(at - 1) / 2]->pk__at > t->pk__at) {
        pk__timer_place(loop, at, loop->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    pk__timer_place(loop, at, t);
}

PK__FN void pk__timer_down(pk_loop *loop, uint32_t at)
{
    pk_timer *t = loop->timers[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < loop->timer_count && loop->timers[child + 1]->pk__at < loop->timers[child]->pk__at) {
            child++;
        }
        if (child >= loop->timer_count || loop->timers[child]->pk__at >= t->pk__at) {
            break;
        }
        pk__timer_place(loop, at, loop->timers[child]);
        at = child;
    }
    pk__timer_place(loop, at, t);
}

PK__FN bool pk__timer_is_running(const pk_timer *t)
{
    return t->pk__pos != 0;
}

PK__FN bool pk__timer_reserve(pk_loop *loop)
{
    uint32_t cap = loop->timer_cap ? loop->timer_cap * 2 : 8;
    void *grown;
    if (loop->timer_count < loop->timer_cap) {
        return true;
    }
    grown = pk__resize(&loop->alloc, loop->timers, loop->timer_cap * sizeof(*loop->timers),
                       cap * sizeof(*loop->timers));
    if (grown) {
        loop->timers = (pk_timer **)grown;
        loop->timer_cap = cap;
    }
    return grown != NULL;
}

PK__FN pk_err pk__timer_start_at(pk_loop *loop, pk_timer *t, int64_t at_ns, pk_error *err)
{
    if (!pk__timer_is_running(t)) {
        if (!pk__timer_reserve(loop)) {
            return pk__error_memory(err, "start a timer");
        }
        pk__timer_place(loop, loop->timer_count++, t);
    }
    t->pk__at = at_ns;
    pk__timer_up(loop, t->pk__pos - 1);
    pk__timer_down(loop, t->pk__pos - 1);
    return PK_OK;
}

PK_API pk_err pk_timer_start(pk_loop *loop, pk_timer *t, uint32_t delay_ms, pk_error *err)
{
    return pk__timer_start_at(loop, t, pk__clock_after_ms(pk__clock_ns(), delay_ms), err);
}

PK_API void pk_timer_stop(pk_loop *loop, pk_timer *t)
{
    uint32_t at = t->pk__pos - 1;
    pk_timer *last;
    if (!pk__timer_is_running(t)) {
        return;
    }
    t->pk__pos = 0;
    last = loop->timers[--loop->timer_count];
    if (last != t) {
        pk__timer_place(loop, at, last);
        pk__timer_up(loop, at);
        pk__timer_down(loop, last->pk__pos - 1);
    }
}

/* Those that are due now; what a callback starts comes with the next turn. */
PK__FN void pk__loop_run_timers(pk_loop *loop)
{
    uint32_t left = loop->none_due ? 0 : loop->timer_count;
    int64_t now = left ? pk__clock_ns() : 0;
    while (left-- > 0 && loop->timer_count > 0 && loop->timers[0]->pk__at <= now && !loop->doomed) {
        pk_timer *t = loop->timers[0];
        pk_timer_stop(loop, t);
        t->on_time(t->user);
    }
}

/* ---- watches */

PK__FN pk__loop_slot *pk__loop_slot_of(pk_loop *loop, const pk_watch *w)
{
    return w->pk__slot ? &loop->slots[w->pk__slot - 1] : NULL;
}

PK__FN bool pk__loop_reserve_slot(pk_loop *loop)
{
    uint32_t cap = loop->slot_cap ? loop->slot_cap * 2 : 8;
    pk__loop_slot *grown;
    if (loop->first_free) {
        return true;
    }
    grown = (pk__loop_slot *)pk__resize(&loop->alloc, loop->slots, loop->slot_cap * sizeof(*grown),
                                        cap * sizeof(*grown));
    if (!grown) {
        return false;
    }
    memset(grown + loop->slot_cap, 0, (cap - loop->slot_cap) * sizeof(*grown));
    for (uint32_t i = loop->slot_cap; i < cap; i++) {
        grown[i].next_free = i + 1 < cap ? i + 2 : 0;
    }
    loop->first_free = loop->slot_cap + 1;
    loop->slots = grown;
    loop->slot_cap = cap;
    return true;
}

PK__FN void pk__loop_release_slot(pk_loop *loop, uint32_t number)
{
    pk__loop_slot *slot = &loop->slots[number];
    slot->watch = NULL;
    slot->generation++;
    slot->running = slot->silenced = slot->always = false;
    slot->next_free = loop->first_free;
    loop->first_free = number + 1;
}

PK__FN uint8_t pk__loop_want(bool read, bool write)
{
    return (uint8_t)((read ? PK__LOOP_READ : 0u) | (write ? PK__LOOP_WRITE : 0u));
}

PK__FN pk_err pk__loop_check_forked(const pk_loop *loop, pk_error *err)
{
    if (pk__loop_is_forked(loop)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot use a loop in a forked child: it is its parent's");
    }
    return PK_OK;
}

PK_API pk_err pk_watch_add(pk_loop *loop, pk_watch *w, bool read, bool write, pk_error *err)
{
    uint32_t number;
    pk__loop_slot *slot;
    pk_err code = pk__loop_check_forked(loop, err);
    if (code) {
        return code;
    }
    if (w->pk__slot) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot watch descriptor %d: the watch is in use", w->fd);
    }
    if (!pk__loop_reserve_slot(loop)) {
        return pk__error_memory(err, "watch a descriptor");
    }
    number = loop->first_free - 1;
    slot = &loop->slots[number];
    loop->first_free = slot->next_free;
    slot->watch = w;
    slot->fd = w->fd;
    slot->want = pk__loop_want(read, write);
    slot->served = loop->turn;
    code = loop->backend->add(loop, number, err);
    if (code) {
        pk__loop_release_slot(loop, number);
        return code;
    }
    w->pk__slot = number + 1;
    w->pk__want = slot->want;
    return PK_OK;
}

PK_API pk_err pk_watch_set(pk_loop *loop, pk_watch *w, bool read, bool write, pk_error *err)
{
    pk__loop_slot *slot = pk__loop_slot_of(loop, w);
    uint8_t want = pk__loop_want(read, write);
    if (!slot) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot change the watch of descriptor %d: not added", w->fd);
    }
    if (want != slot->want) {
        slot->want = w->pk__want = want;
        if (!slot->silenced && !pk__loop_is_forked(loop)) {
            loop->backend->change(loop, w->pk__slot - 1, want);
        }
    }
    return PK_OK;
}

PK_API void pk_watch_remove(pk_loop *loop, pk_watch *w)
{
    uint32_t number = w->pk__slot;
    if (number == 0) {
        return;
    }
    if (!pk__loop_is_forked(loop)) {
        loop->backend->remove(loop, number - 1);
    }
    w->pk__slot = 0;
    pk__loop_release_slot(loop, number - 1);
}

/* While a callback runs, its watch is silent in the turns that the callback makes: otherwise the bytes that
 * it has not read yet would enter it again, and again. */
PK__FN void pk__loop_silence(pk_loop *loop)
{
    for (pk__loop_frame *f = loop->frames; f; f = f->outer) {
        pk__loop_slot *slot = &loop->slots[f->slot];
        if (slot->watch && slot->generation == f->generation && !slot->silenced) {
            slot->silenced = true;
            loop->backend->change(loop, f->slot, 0);
        }
    }
}

PK__FN void pk__loop_run_watch(pk_loop *loop, const pk__loop_event *e, uint64_t turn)
{
    pk__loop_slot *slot = &loop->slots[e->slot];
    uint8_t ready = e->ready & slot->want;
    pk__loop_frame frame = {e->slot, e->generation, loop->frames};
    if (!slot->watch || slot->generation != e->generation || slot->running || ready == 0 ||
        slot->served > turn) {
        return;
    }
    slot->served = turn;
    slot->running = true;
    loop->frames = &frame;
    slot->watch->on_ready(slot->watch->user, (ready & PK__LOOP_READ) != 0, (ready & PK__LOOP_WRITE) != 0);
    loop->frames = frame.outer;
    slot = &loop->slots[e->slot]; // may have moved
    if (slot->watch && slot->generation == e->generation) {
        slot->running = false;
        if (slot->silenced) {
            slot->silenced = false;
            loop->backend->change(loop, e->slot, slot->want);
        }
    }
}

/* For backends that cannot wait for regular files: adds those to the events. */
PK__FN int pk__loop_always(const pk_loop *loop, pk__loop_event *out, int count, int cap)
{
    for (uint32_t i = 0; loop->always_count > 0 && i < loop->slot_cap && count < cap; i++) {
        const pk__loop_slot *slot = &loop->slots[i];
        if (slot->watch && slot->always && !slot->running) {
            pk__loop_event event = {i, slot->generation, PK__LOOP_READ | PK__LOOP_WRITE};
            out[count++] = event;
        }
    }
    return count;
}

/* ---- tasks */

PK_API void pk_loop_wake(pk_loop *loop)
{
    if (!pk__loop_is_forked(loop) && pk__atomic_swap(&loop->woken, 1) == 0) {
        loop->backend->wake(loop);
    }
}

PK_API void pk_loop_post(pk_loop *loop, pk_task *task)
{
    void *head;
    if (!pk__atomic_cas(&task->pk__queued, 0, 1)) {
        return;
    }
    do {
        head = pk__atomic_load_ptr(&loop->posted);
        task->pk__next = (pk_task *)head;
    } while (!pk__atomic_cas_ptr(&loop->posted, head, task));
    /* Adding 0 rather than loading: either the loop falls asleep after this and sees the task, or we see it
     * asleep. */
    if (pk__atomic_add(&loop->awake, 0) == 0) {
        pk_loop_wake(loop);
    }
}

PK_API void pk_loop_unpost(pk_loop *loop, pk_task *task)
{
    pk_task *before = NULL;
    if (!pk__atomic_load(&task->pk__queued)) {
        return;
    }
    pk__loop_collect(loop);
    for (pk_task *t = loop->tasks; t; before = t, t = t->pk__next) {
        if (t == task) {
            if (before) {
                before->pk__next = task->pk__next;
            } else {
                loop->tasks = task->pk__next;
            }
            if (loop->last_task == task) {
                loop->last_task = before;
            }
            task->pk__next = NULL;
            pk__atomic_store(&task->pk__queued, 0);
            return;
        }
    }
}

/* Those that were posted until now; what they post comes with the next turn. */
PK__FN void pk__loop_run_tasks(pk_loop *loop)
{
    uint32_t left = 0;
    pk__loop_collect(loop);
    for (const pk_task *t = loop->tasks; t; t = t->pk__next) {
        left++;
    }
    while (left-- > 0 && !loop->doomed) {
        pk_task *task = pk__loop_pop_task(loop);
        if (!task) {
            return; // an inner turn was faster
        }
        task->run(task->user);
    }
}

PK__FN bool pk__loop_has_tasks(pk_loop *loop)
{
    return loop->tasks || pk__atomic_load_ptr(&loop->posted);
}

/* ---- turns */

PK__FN int64_t pk__loop_until(pk_loop *loop, int timeout_ms)
{
    int64_t until = PK_FOREVER;
    if (timeout_ms == 0 || loop->always_count > 0 || pk__loop_has_tasks(loop)) {
        return 0;
    }
    if (timeout_ms > 0) {
        until = pk__clock_after_ms(pk__clock_ns(), (uint64_t)timeout_ms);
    }
    if (loop->timer_count > 0 && loop->timers[0]->pk__at < until) {
        until = loop->timers[0]->pk__at;
    }
    return until;
}

PK__FN pk_err pk__loop_turn(pk_loop *loop, int timeout_ms, pk_error *err)
{
    pk__loop_event events[PK__LOOP_BATCH];
    uint64_t turn = ++loop->turn;
    int count;

    pk__loop_silence(loop);
    if (pk__atomic_load(&loop->awake) != 0) { // an inner turn; otherwise the last one has left it so
        (void)pk__atomic_swap(&loop->awake, 0);
    }
    count = loop->backend->wait(loop, pk__loop_until(loop, timeout_ms), events, PK__LOOP_BATCH);
    if (count < 0 && errno != EINTR) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot wait for events");
    }
    pk__atomic_store(&loop->awake, 1);

    pk__loop_run_timers(loop);
    for (int i = 0; i < count && !loop->doomed; i++) {
        pk__loop_run_watch(loop, &events[i], turn);
    }
    pk__loop_run_tasks(loop);
    return PK_OK;
}

PK_API pk_err pk_loop_step(pk_loop *loop, int timeout_ms, pk_error *err)
{
    pk_err code = pk__loop_check_forked(loop, err);
    if (code) {
        return code;
    }
    if (loop->depth > 0 && !pk__loop_is_mine(loop)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot step a loop that another thread is stepping");
    }
    if (!pk__loop_is_mine(loop)) {
        pk__atomic_store_ptr(&loop->thread, (void *)pk__thread_self());
    }
    loop->depth++;
    code = pk__loop_turn(loop, timeout_ms, err);
    if (--loop->depth == 0) {
        (void)pk__atomic_swap(&loop->awake, 0);
        if (loop->doomed) {
            pk__loop_free(loop);
        }
    } else {
        pk__atomic_store(&loop->awake, 1); // also after an error: the outer turn goes on
    }
    return code;
}

PK_API size_t pk_loop_fds(pk_loop *loop, pk_fd *out, size_t cap, int *timeout_ms)
{
    *timeout_ms = pk__clock_wait_ms(pk__loop_until(loop, -1));
    return loop->backend->fds(loop, out, cap);
}

/* == os/loop_epoll.c == */
/* loop_epoll.c - waiting by epoll: any number of descriptors at the same cost. Linux. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/loop_epoll.c"
#endif



#if defined(PK__LINUX) && !defined(PK__NO_POLL)

/* The events of our own eventfd and timerfd; a slot number is never that large. */
#define PK__LOOP_EPOLL_WAKE UINT64_MAX
#define PK__LOOP_EPOLL_ALARM (UINT64_MAX - 1)
#define PK__LOOP_EPOLL_SOON_MS 20 // what is due sooner is waited for with a timeout

PK__FN void pk__loop_epoll_close(pk_loop *loop)
{
    pk__fd_close(loop->fds[0]);
    pk__fd_close(loop->fds[1]);
    pk__fd_close(loop->fds[2]);
    loop->fds[0] = loop->fds[1] = loop->fds[2] = -1;
}

/* Without it the loop waits by timeouts. */
PK__FN void pk__loop_epoll_open_alarm(pk_loop *loop)
{
    struct epoll_event event = {EPOLLIN, {0}};
    event.data.u64 = PK__LOOP_EPOLL_ALARM;
    loop->alarm_at = 0;
    loop->fds[2] = pk__fd_lift(PK__SYS(timerfd_create)(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (loop->fds[2] >= 0 && PK__SYS(epoll_ctl)(loop->fds[0], EPOLL_CTL_ADD, loop->fds[2], &event) != 0) {
        pk__fd_close(loop->fds[2]);
        loop->fds[2] = -1;
    }
}

PK__FN pk_err pk__loop_epoll_open(pk_loop *loop, pk_error *err)
{
    struct epoll_event event = {EPOLLIN, {0}};
    event.data.u64 = PK__LOOP_EPOLL_WAKE;
    loop->fds[2] = -1;
    loop->fds[0] = pk__fd_lift(PK__SYS(epoll_create1)(EPOLL_CLOEXEC));
    if (loop->fds[0] >= 0) {
        loop->fds[1] = pk__fd_lift(PK__SYS(eventfd)(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (loop->fds[1] >= 0 && PK__SYS(epoll_ctl)(loop->fds[0], EPOLL_CTL_ADD, loop->fds[1], &event) == 0) {
            pk__loop_epoll_open_alarm(loop);
            return PK_OK;
        }
    }
    (void)pk_error_sys(err, PK_ERR_OS, errno, "cannot create a loop");
    pk__loop_epoll_close(loop);
    return PK_ERR_OS;
}

/* Wanting nothing is edge-triggered: epoll reports errors and hang-ups always, and so at least only once. */
PK__FN int pk__loop_epoll_control(pk_loop *loop, int operation, uint32_t number, uint8_t want)
{
    const pk__loop_slot *slot = &loop->slots[number];
    struct epoll_event event = {0, {0}};
    event.data.u64 = (uint64_t)slot->generation << 32 | number;
    event.events |= (want & PK__LOOP_READ) ? (uint32_t)EPOLLIN : 0u;
    event.events |= (want & PK__LOOP_WRITE) ? (uint32_t)EPOLLOUT : 0u;
    event.events |= want ? 0u : (uint32_t)EPOLLET;
    return PK__SYS(epoll_ctl)(loop->fds[0], operation, slot->fd, &event);
}

PK__FN pk_err pk__loop_epoll_add(pk_loop *loop, uint32_t number, pk_error *err)
{
    pk__loop_slot *slot = &loop->slots[number];
    if (pk__loop_epoll_control(loop, EPOLL_CTL_ADD, number, slot->want) == 0) {
        return PK_OK;
    }
    if (errno == EPERM) { // a regular file or directory
        slot->always = true;
        loop->always_count++;
        return PK_OK;
    }
    return pk_error_sys(err, errno == EEXIST || errno == EBADF ? PK_ERR_MISUSE : PK_ERR_OS, errno,
                        "cannot watch descriptor %d", slot->fd);
}

PK__FN void pk__loop_epoll_change(pk_loop *loop, uint32_t number, uint8_t want)
{
    if (!loop->slots[number].always) {
        (void)pk__loop_epoll_control(loop, EPOLL_CTL_MOD, number, want);
    }
}

PK__FN void pk__loop_epoll_remove(pk_loop *loop, uint32_t number)
{
    if (loop->slots[number].always) {
        loop->always_count--;
    } else {
        (void)pk__loop_epoll_control(loop, EPOLL_CTL_DEL, number, 0);
    }
}

/* For a wait with a timeout the kernel sets up a timer and takes it back each time: 1.5 us, when a round trip is 8. So
 * what is not due soon is left to a timerfd. It stays armed from wait to wait, and is set only if something is due
 * before it goes off. Deadlines mostly move away from us: then it goes off too early, once, and is set again. */
PK__FN int pk__loop_epoll_timeout(pk_loop *loop, int64_t until)
{
    if (until == 0 || until == PK_FOREVER || pk__clock_is_fake()) {
        return pk__clock_wait_ms(until);
    }
    if (loop->alarm_at != 0 && loop->alarm_at <= until) {
        return -1;
    }
    int ms = pk__clock_wait_ms(until);
    struct itimerspec time = {{0, 0}, {(time_t)(until / PK__SECOND), (long)(until % PK__SECOND)}};
    if (ms < PK__LOOP_EPOLL_SOON_MS || loop->fds[2] < 0 ||
        PK__SYS(timerfd_settime)(loop->fds[2], TFD_TIMER_ABSTIME, &time) != 0) {
        return ms;
    }
    loop->alarm_at = until;
    return -1;
}

PK__FN int pk__loop_epoll_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    int timeout_ms = pk__loop_epoll_timeout(loop, until_ns);
    struct epoll_event events[PK__LOOP_BATCH];
    int n = PK__SYS(epoll_wait)(loop->fds[0], events, PK__MIN(cap, PK__LOOP_BATCH), timeout_ms), count = 0;
    loop->none_due = timeout_ms == -1 && n < PK__MIN(cap, PK__LOOP_BATCH); // in a full batch its event may be missing
    for (int i = 0; i < n; i++) {
        uint32_t bits = events[i].events;
        if (events[i].data.u64 == PK__LOOP_EPOLL_WAKE) {
            uint64_t value;
            (void)PK__SYS(read)(loop->fds[1], &value, sizeof(value));
            (void)pk__atomic_swap(&loop->woken, 0); // after reading: a wake in between finds us awake anyway
        } else if (events[i].data.u64 == PK__LOOP_EPOLL_ALARM) {
            uint64_t times;
            (void)PK__SYS(read)(loop->fds[2], &times, sizeof(times));
            loop->alarm_at = 0;
            loop->none_due = false;
        } else {
            bool gone = (bits & ((uint32_t)EPOLLERR | (uint32_t)EPOLLHUP)) != 0;
            out[count].slot = (uint32_t)events[i].data.u64;
            out[count].generation = (uint32_t)(events[i].data.u64 >> 32);
            out[count].ready = pk__loop_want(gone || (bits & (uint32_t)EPOLLIN) != 0,
                                             gone || (bits & (uint32_t)EPOLLOUT) != 0);
            count++;
        }
    }
    return n < 0 ? -1 : pk__loop_always(loop, out, count, cap);
}

PK__FN void pk__loop_epoll_wake(pk_loop *loop)
{
    int error = errno;
    uint64_t one = 1;
    (void)!PK__SYS(write)(loop->fds[1], &one, sizeof(one)); // fails only if it is readable already
    errno = error;
}

PK__FN size_t pk__loop_epoll_fds(pk_loop *loop, pk_fd *out, size_t cap)
{
    if (cap > 0) {
        out[0].fd = loop->fds[0];
        out[0].read = true;
        out[0].write = false;
    }
    return 1;
}

PK__FN const pk__loop_backend *pk__loop_epoll(void)
{
    static const pk__loop_backend backend = {
        "epoll",
        pk__loop_epoll_open,
        pk__loop_epoll_close,
        pk__loop_epoll_add,
        pk__loop_epoll_change,
        pk__loop_epoll_remove,
        pk__loop_epoll_wait,
        pk__loop_epoll_wake,
        pk__loop_epoll_fds,
    };
    return &backend;
}

#endif

/* == os/loop_poll.c == */
/* loop_poll.c - waiting by poll: everywhere, at a cost that grows with the number of descriptors. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/loop_poll.c"
#endif



#ifndef PK__NO_POLL

PK__FN bool pk__loop_poll_reserve(pk_loop *loop)
{
    uint32_t cap = loop->slot_cap + 1; // and the pipe
    void *grown;
    if (loop->set_cap >= cap) {
        return true;
    }
    grown = pk__resize(&loop->alloc, loop->set, loop->set_cap * sizeof(*loop->set), cap * sizeof(*loop->set));
    if (grown) {
        loop->set = (struct pollfd *)grown;
        loop->set_cap = cap;
    }
    return grown != NULL;
}

PK__FN void pk__loop_poll_close(pk_loop *loop)
{
    pk__fd_close(loop->fds[0]);
    pk__fd_close(loop->fds[1]);
    loop->fds[0] = loop->fds[1] = -1;
    pk__free(&loop->alloc, loop->set, loop->set_cap * sizeof(*loop->set));
    loop->set = NULL;
    loop->set_cap = 0;
}

/* The pipe that wakes the loop. */
PK__FN pk_err pk__loop_poll_open_pipe(pk_loop *loop, pk_error *err)
{
    pk_err code = pk__fd_pipe(loop->fds, err);
    if (code == PK_OK) {
        code = pk__fd_set_nonblock(loop->fds[0], true, err);
    }
    if (code == PK_OK) {
        code = pk__fd_set_nonblock(loop->fds[1], true, err);
    }
    if (code) {
        pk__loop_poll_close(loop);
    }
    return code;
}

PK__FN pk_err pk__loop_poll_open(pk_loop *loop, pk_error *err)
{
    if (!pk__loop_poll_reserve(loop)) {
        return pk__error_memory(err, "create a loop");
    }
    return pk__loop_poll_open_pipe(loop, err); // which frees the set if it fails
}

/* Not watched already. */
PK__FN pk_err pk__loop_poll_check(const pk_loop *loop, uint32_t number, pk_error *err)
{
    int fd = loop->slots[number].fd;
    for (uint32_t i = 0; i < loop->slot_cap; i++) {
        if (i != number && loop->slots[i].watch && loop->slots[i].fd == fd) {
            return pk_error_sys(err, PK_ERR_MISUSE, EEXIST, "cannot watch descriptor %d", fd);
        }
    }
    return PK_OK;
}

PK__FN pk_err pk__loop_poll_add(pk_loop *loop, uint32_t number, pk_error *err)
{
    int fd = loop->slots[number].fd;
    if (pk__loop_poll_check(loop, number, err)) {
        return PK_ERR_MISUSE;
    }
    if (PK__SYS(fcntl)(fd, F_GETFD, 0) < 0) {
        return pk_error_sys(err, errno == EBADF ? PK_ERR_MISUSE : PK_ERR_OS, errno,
                            "cannot watch descriptor %d", fd);
    }
    return pk__loop_poll_reserve(loop) ? PK_OK : pk__error_memory(err, "watch a descriptor");
}

/* The set is made anew for each wait, so there is nothing to do when something changes. */
PK__FN void pk__loop_poll_change(pk_loop *loop, uint32_t number, uint8_t want)
{
    (void)loop, (void)number, (void)want;
}

PK__FN void pk__loop_poll_remove(pk_loop *loop, uint32_t number)
{
    (void)loop, (void)number;
}

PK__FN void pk__loop_poll_fill(pk_loop *loop)
{
    uint32_t last = loop->set_cap - 1; // of the slots only those in the set can be in use
    for (uint32_t i = 0; i < last; i++) {
        const pk__loop_slot *slot = &loop->slots[i];
        bool silent = !slot->watch || slot->silenced || slot->want == 0;
        loop->set[i].fd = silent ? -1 : slot->fd; // poll skips negative ones
        loop->set[i].events = (short)((slot->want & PK__LOOP_READ ? POLLIN : 0) |
                                      (slot->want & PK__LOOP_WRITE ? POLLOUT : 0));
        loop->set[i].revents = 0;
    }
    loop->set[last].fd = loop->fds[0];
    loop->set[last].events = POLLIN;
    loop->set[last].revents = 0;
}

PK__FN void pk__loop_poll_drain(pk_loop *loop)
{
    char bytes[16];
    while (PK__SYS(read)(loop->fds[0], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes)) {
    }
    (void)pk__atomic_swap(&loop->woken, 0); // after reading: a wake in between finds us awake anyway
}

PK__FN int pk__loop_poll_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    int count = 0;
    uint32_t slots = loop->set_cap - 1;
    pk__loop_poll_fill(loop);
    if (PK__SYS(poll)(loop->set, (nfds_t)loop->set_cap, pk__clock_wait_ms(until_ns)) < 0) {
        return -1;
    }
    if (loop->set[slots].revents) {
        pk__loop_poll_drain(loop);
    }
    for (uint32_t k = 0, start = loop->next_slot; k < slots && count < cap; k++) {
        uint32_t i = (start + k) % slots;
        int bits = loop->set[i].revents;
        bool gone = (bits & (POLLERR | POLLHUP | POLLNVAL)) != 0;
        if (loop->set[i].fd >= 0 && bits) {
            out[count].slot = i;
            out[count].generation = loop->slots[i].generation;
            out[count].ready = pk__loop_want(gone || (bits & POLLIN) != 0, gone || (bits & POLLOUT) != 0);
            count++;
            loop->next_slot = i + 1; // the next turn begins behind the last one served
        }
    }
    return count;
}

PK__FN void pk__loop_poll_wake(pk_loop *loop)
{
    int error = errno;
    (void)!PK__SYS(write)(loop->fds[1], "", 1); // fails only if it is readable already
    errno = error;
}

PK__FN size_t pk__loop_poll_fds(pk_loop *loop, pk_fd *out, size_t cap)
{
    size_t count = 1;
    if (cap > 0) {
        out[0].fd = loop->fds[0];
        out[0].read = true;
        out[0].write = false;
    }
    for (uint32_t i = 0; i < loop->slot_cap; i++) {
        const pk__loop_slot *slot = &loop->slots[i];
        if (slot->watch && slot->want && !slot->silenced) {
            if (count < cap) {
                out[count].fd = slot->fd;
                out[count].read = (slot->want & PK__LOOP_READ) != 0;
                out[count].write = (slot->want & PK__LOOP_WRITE) != 0;
            }
            count++;
        }
    }
    return count;
}

PK__FN const pk__loop_backend *pk__loop_poll(void)
{
    static const pk__loop_backend backend = {
        "poll",
        pk__loop_poll_open,
        pk__loop_poll_close,
        pk__loop_poll_add,
        pk__loop_poll_change,
        pk__loop_poll_remove,
        pk__loop_poll_wait,
        pk__loop_poll_wake,
        pk__loop_poll_fds,
    };
    return &backend;
}

#endif

/* == os/loop_kqueue.c == */
/* loop_kqueue.c - waiting by kqueue: any number of descriptors at the same cost. macOS and the BSDs.
 *
 * Reading and writing are filters of their own, each with the slot's number. That is all an event need say: a filter
 * that is deleted has no events left, so that one that comes is of whoever has the slot now. Woken through a pipe, as
 * poll is: user events are younger than some of these systems. */
#ifdef PLUGKIT_LINES
#line 5 "src/os/loop_kqueue.c"
#endif



#ifdef PK__KQUEUE

PK__FN pk_err pk__loop_kqueue_open(pk_loop *loop, pk_error *err)
{
    struct kevent change;
    pk_err code = pk__loop_poll_open_pipe(loop, err);
    if (code) {
        return code;
    }
    EV_SET(&change, (uintptr_t)loop->fds[0], EVFILT_READ, EV_ADD, 0, 0, NULL);
    loop->fds[2] = pk__fd_lift(PK__SYS(kqueue)());
    if (loop->fds[2] >= 0 && PK__SYS(fcntl)(loop->fds[2], F_SETFD, FD_CLOEXEC) == 0 &&
        PK__SYS(kevent)(loop->fds[2], &change, 1, NULL, 0, NULL) == 0) {
        return PK_OK;
    }
    code = pk_error_sys(err, PK_ERR_OS, errno, "cannot create a loop");
    pk__fd_close(loop->fds[2]);
    pk__loop_poll_close(loop);
    return code;
}

PK__FN void pk__loop_kqueue_close(pk_loop *loop)
{
    if (!pk__loop_is_forked(loop)) { // a child does not inherit it: the number may be something else there
        pk__fd_close(loop->fds[2]);
    }
    pk__loop_poll_close(loop);
}

PK__FN int pk__loop_kqueue_filter(pk_loop *loop, uint32_t number, short filter, bool on)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)loop->slots[number].fd, filter, (unsigned short)(on ? EV_ADD : EV_DELETE), 0, 0,
           (void *)(uintptr_t)(number + 1));
    return PK__SYS(kevent)(loop->fds[2], &change, 1, NULL, 0, NULL);
}

/* What is deleted without having been there fails, and nothing is lost. */
PK__FN void pk__loop_kqueue_change(pk_loop *loop, uint32_t number, uint8_t want)
{
    if (!loop->slots[number].always) {
        (void)pk__loop_kqueue_filter(loop, number, EVFILT_READ, (want & PK__LOOP_READ) != 0);
        (void)pk__loop_kqueue_filter(loop, number, EVFILT_WRITE, (want & PK__LOOP_WRITE) != 0);
    }
}

PK__FN pk_err pk__loop_kqueue_add(pk_loop *loop, uint32_t number, pk_error *err)
{
    pk__loop_slot *slot = &loop->slots[number];
    struct stat info;
    if (pk__loop_poll_check(loop, number, err)) { // kqueue would only change what is there
        return PK_ERR_MISUSE;
    }
    if (PK__SYS(fstat)(slot->fd, &info) != 0) {
        return pk_error_sys(err, errno == EBADF ? PK_ERR_MISUSE : PK_ERR_OS, errno, "cannot watch descriptor %d",
                            slot->fd);
    }
    if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) { // kqueue tells of their end instead
        slot->always = true;
        loop->always_count++;
        return PK_OK;
    }
    if ((!(slot->want & PK__LOOP_READ) || pk__loop_kqueue_filter(loop, number, EVFILT_READ, true) == 0) &&
        (!(slot->want & PK__LOOP_WRITE) || pk__loop_kqueue_filter(loop, number, EVFILT_WRITE, true) == 0)) {
        return PK_OK;
    }
    (void)pk_error_sys(err, PK_ERR_OS, errno, "cannot watch descriptor %d", slot->fd);
    pk__loop_kqueue_change(loop, number, 0);
    return PK_ERR_OS;
}

PK__FN void pk__loop_kqueue_remove(pk_loop *loop, uint32_t number)
{
    if (loop->slots[number].always) {
        loop->always_count--;
    } else {
        pk__loop_kqueue_change(loop, number, 0);
    }
}

/* Both filters of a descriptor are one event. */
PK__FN int pk__loop_kqueue_put(const pk_loop *loop, pk__loop_event *out, int count, const struct kevent *e)
{
    uint32_t number = (uint32_t)(uintptr_t)e->udata - 1;
    uint8_t ready = e->filter == EVFILT_READ ? PK__LOOP_READ : PK__LOOP_WRITE;
    for (int i = 0; i < count; i++) {
        if (out[i].slot == number) {
            out[i].ready |= ready;
            return count;
        }
    }
    out[count].slot = number;
    out[count].generation = loop->slots[number].generation;
    out[count].ready = ready;
    return count + 1;
}

PK__FN int pk__loop_kqueue_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    struct kevent events[PK__LOOP_BATCH];
    int timeout_ms = pk__clock_wait_ms(until_ns);
    struct timespec time = {timeout_ms / 1000, (long)(timeout_ms % 1000) * PK__MS};
    int n = PK__SYS(kevent)(loop->fds[2], NULL, 0, events, PK__MIN(cap, PK__LOOP_BATCH), timeout_ms < 0 ? NULL : &time);
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (events[i].udata) {
            count = pk__loop_kqueue_put(loop, out, count, &events[i]);
        } else {
            pk__loop_poll_drain(loop);
        }
    }
    return n < 0 ? -1 : pk__loop_always(loop, out, count, cap);
}

PK__FN size_t pk__loop_kqueue_fds(pk_loop *loop, pk_fd *out, size_t cap)
{
    if (cap > 0) {
        out[0].fd = loop->fds[2];
        out[0].read = true;
        out[0].write = false;
    }
    return 1;
}

PK__FN const pk__loop_backend *pk__loop_kqueue(void)
{
    static const pk__loop_backend backend = {
        "kqueue",
        pk__loop_kqueue_open,
        pk__loop_kqueue_close,
        pk__loop_kqueue_add,
        pk__loop_kqueue_change,
        pk__loop_kqueue_remove,
        pk__loop_kqueue_wait,
        pk__loop_poll_wake,
        pk__loop_kqueue_fds,
    };
    return &backend;
}

#endif

/* == os/loop_idle.c == */
/* loop_idle.c - a loop without descriptors: timers and tasks only. Firmware, mostly.
 *
 * With threads it sleeps on a condition until somebody posts. Without, there is nobody who could wake it but
 * an interrupt, and how to sleep until one comes is the program's business: waiting comes back at once. */
#ifdef PLUGKIT_LINES
#line 4 "src/os/loop_idle.c"
#endif


#ifdef PK__NO_POLL

PK__FN pk_err pk__loop_idle_open(pk_loop *loop, pk_error *err)
{
    (void)err;
    pk__mutex_init(&loop->lock);
    pk__cond_init(&loop->wake_up);
    return PK_OK;
}

PK__FN void pk__loop_idle_close(pk_loop *loop)
{
    pk__cond_deinit(&loop->wake_up);
    pk__mutex_deinit(&loop->lock);
}

PK__FN pk_err pk__loop_idle_add(pk_loop *loop, uint32_t number, pk_error *err)
{
    return pk_error_set(err, PK_ERR_UNSUPPORTED,
                        "cannot watch descriptor %d: built with PLUGKIT_NO_NET and PLUGKIT_NO_PROCESS",
                        loop->slots[number].fd);
}

PK__FN void pk__loop_idle_change(pk_loop *loop, uint32_t number, uint8_t want)
{
    (void)loop, (void)number, (void)want;
}

PK__FN void pk__loop_idle_remove(pk_loop *loop, uint32_t number)
{
    (void)loop, (void)number;
}

#ifndef PLUGKIT_NO_THREADS

PK__FN int pk__loop_idle_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    (void)out, (void)cap;
    pk__mutex_lock(&loop->lock);
    while (!pk__atomic_load(&loop->woken) && !pk__clock_is_fake() &&
           pk__cond_wait(&loop->wake_up, &loop->lock, until_ns)) {
    }
    pk__mutex_unlock(&loop->lock);
    (void)pk__atomic_swap(&loop->woken, 0);
    return 0;
}

PK__FN void pk__loop_idle_wake(pk_loop *loop)
{
    pk__mutex_lock(&loop->lock);
    pk__cond_signal(&loop->wake_up);
    pk__mutex_unlock(&loop->lock);
}

#else

PK__FN int pk__loop_idle_wait(pk_loop *loop, int64_t until_ns, pk__loop_event *out, int cap)
{
    (void)until_ns, (void)out, (void)cap;
    (void)pk__atomic_swap(&loop->woken, 0);
    return 0;
}

PK__FN void pk__loop_idle_wake(pk_loop *loop)
{
    (void)loop;
}

#endif

PK__FN size_t pk__loop_idle_fds(pk_loop *loop, pk_fd *out, size_t cap)
{
    (void)loop, (void)out, (void)cap;
    return 0;
}

PK__FN const pk__loop_backend *pk__loop_idle(void)
{
    static const pk__loop_backend backend = {
        "idle",
        pk__loop_idle_open,
        pk__loop_idle_close,
        pk__loop_idle_add,
        pk__loop_idle_change,
        pk__loop_idle_remove,
        pk__loop_idle_wait,
        pk__loop_idle_wake,
        pk__loop_idle_fds,
    };
    return &backend;
}

#endif

/* == os/file.c == */
/* file.c - files and directories, with the care that private ones need. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/file.c"
#endif









#ifndef PLUGKIT_NO_FILES

#define PK__FILE_PATH 4096     // longest path, with its NUL
#define PK__FILE_DEPTH 16      // of a tree to be removed
#define PK__FILE_ENTRIES 10000 // in a tree to be removed

PK__FN pk_err pk__file_too_long(pk_error *err, const char *path)
{
    return pk_error_set(err, PK_ERR_LIMIT, "cannot use '%.80s...': the path is too long", path);
}

/* "cannot <verb> 'path': <errno>" with the code that says most. */
PK__FN pk_err pk__file_failed(pk_error *err, int error, const char *verb, const char *path)
{
    pk_err code = PK_ERR_OS;
    if (error == ENOENT) {
        code = PK_ERR_NOT_FOUND;
    } else if (error == ENOMEM) {
        code = PK_ERR_NO_MEMORY;
    } else if (error == EACCES || error == EPERM || error == EROFS) {
        code = PK_ERR_PERMISSION;
    }
    return pk_error_sys(err, code, error, "cannot %s '%s'", verb, path);
}

PK__FN const char *pk__file_join(pk_mem *mem, const char *dir, const char *name)
{
    size_t len = strlen(dir);
    return pk_mem_printf(mem, "%s%s%s", dir, len > 0 && dir[len - 1] == '/' ? "" : "/", name).ptr;
}

PK__FN pk_str pk__file_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return pk_str_from(slash ? slash + 1 : path);
}

/* ---- whole files */

/* A larger block with the same bytes. */
PK__FN char *pk__file_grow(pk_mem *mem, const char *bytes, size_t len, size_t cap)
{
    char *grown = (char *)pk_mem_get(mem, cap);
    if (grown && len > 0) {
        memcpy(grown, bytes, len);
    }
    return grown;
}

PK__FN pk_err pk__file_read_fd(pk_mem *mem, int fd, const char *path, size_t max, pk_str *out, pk_error *err)
{
    struct stat st;
    size_t len = 0, cap = 0, wanted;
    char *bytes = NULL;
    if (PK__SYS(fstat)(fd, &st) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot read '%s'", path);
    }
    /* The size is a hint: files grow, and those in /proc say 0. One byte more tells that it is all, one is
     * the NUL. */
    wanted = (st.st_size > 0 && (uint64_t)st.st_size < max ? (size_t)st.st_size : PK__MIN(max, 4096)) + 2;
    for (;;) {
        ssize_t n;
        if (len + 1 >= cap) {
            cap = cap ? PK__MIN(cap * 2, max + 2) : wanted;
            bytes = pk__file_grow(mem, bytes, len, cap);
            if (!bytes) {
                return pk__error_memory(err, "read a file");
            }
        }
        n = pk__fd_read(fd, bytes + len, cap - 1 - len);
        if (n < 0) {
            return pk_error_sys(err, PK_ERR_OS, errno, "cannot read '%s'", path);
        }
        len += (size_t)n;
        if (len > max) {
            return pk_error_set(err, PK_ERR_LIMIT, "cannot read '%s': larger than %zu bytes", path, max);
        }
        if (n == 0) {
            bytes[len] = '\0';
            out->ptr = bytes;
            out->len = len;
            return PK_OK;
        }
    }
}

PK__FN pk_err pk__file_read(pk_mem *mem, const char *path, size_t max, pk_str *out, pk_error *err)
{
    int fd;
    pk_err code = pk__fd_open(path, O_RDONLY | O_NONBLOCK, 0, &fd, err); // opening a FIFO must not wait
    if (code) {
        return code;
    }
    code = pk__file_read_fd(mem, fd, path, max, out, err);
    pk__fd_close(fd);
    return code;
}

PK__FN pk_err pk__file_sync_dir_of(const char *path, pk_error *err)
{
    char dir[PK__FILE_PATH];
    size_t len = strlen(path) - pk__file_basename(path).len;
    int fd = -1, result;
    pk_err code;
    snprintf(dir, sizeof(dir), "%.*s", (int)(len > 1 ? len - 1 : len), path);
    code = pk__fd_open(len ? dir : ".", O_RDONLY | O_DIRECTORY, 0, &fd, err);
    if (code) {
        return code;
    }
    result = PK__SYS(fsync)(fd);
    if (result != 0 && errno != EINVAL) { // EINVAL: this file system has nothing to sync in a directory
        code = pk_error_sys(err, PK_ERR_OS, errno, "cannot write '%s'", path);
    }
    pk__fd_close(fd);
    return code;
}

PK__FN pk_err pk__file_put(const char *path, pk_str bytes, mode_t mode, bool sync, pk_error *err)
{
    char temporary[PK__FILE_PATH];
    int fd = -1;
    pk_err code;
    bool good;
    unsigned long number = (unsigned long)(pk__random_u64() & 0xffffffff);
    if (snprintf(temporary, sizeof(temporary), "%s.%08lx", path, number) >= (int)sizeof(temporary)) {
        return pk__file_too_long(err, path);
    }
    if (pk__fd_open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode, &fd, NULL) != PK_OK) {
        return pk__file_failed(err, errno, "write", path);
    }
    code = pk__fd_write_all(fd, bytes, NULL);
    good = code == PK_OK && PK__SYS(fchmod)(fd, mode) == 0 && (!sync || PK__SYS(fsync)(fd) == 0);
    if (!good) {
        pk__fd_close(fd); // keeps errno
    } else {
        /* close, too, may report a full disk. */
        good = PK__SYS(close)(fd) == 0 && PK__SYS(rename)(temporary, path) == 0;
    }
    if (!good) {
        code = pk__file_failed(err, errno, "write", path);
        (void)PK__SYS(unlink)(temporary);
        return code;
    }
    return sync ? pk__file_sync_dir_of(path, err) : PK_OK;
}

PK__FN pk_err pk__file_write(const char *path, pk_str bytes, mode_t mode, pk_error *err)
{
    return pk__file_put(path, bytes, mode, true, err);
}

PK__FN pk_err pk__file_write_now(const char *path, pk_str bytes, mode_t mode, pk_error *err)
{
    return pk__file_put(path, bytes, mode, false, err);
}

/* ---- private directories */

/* May others than the owner exchange what is in it? Our own group counts as ourselves: where everybody has a
 * private one, directories are group-writable by default. */
PK__FN bool pk__file_is_open_to_others(const struct stat *st)
{
    bool writable = (st->st_mode & S_IWOTH) != 0 || ((st->st_mode & S_IWGRP) != 0 && st->st_gid != getegid());
    return S_ISDIR(st->st_mode) && writable && (st->st_mode & S_ISVTX) == 0;
}

PK__FN pk_err pk__file_check_stat(const char *path, const struct stat *st, pk_error *err)
{
    if (st->st_uid != geteuid() && st->st_uid != 0) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': it belongs to user %ld", path,
                            (long)st->st_uid);
    }
    if (pk__file_is_open_to_others(st)) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': others may write to it (mode %04o)",
                            path, (unsigned)(st->st_mode & 07777));
    }
    return PK_OK;
}

PK__FN pk_err pk__file_check_dir(const char *path, pk_error *err)
{
    struct stat st;
    pk_err code;
    if (PK__SYS(lstat)(path, &st) != 0) {
        return pk__file_failed(err, errno, "use", path);
    }
    code = pk__file_check_stat(path, &st, err); // a link's own, if it is one: who owns it can turn it around
    if (code) {
        return code;
    }
    if (S_ISLNK(st.st_mode) && PK__SYS(stat)(path, &st) != 0) {
        return pk__file_failed(err, errno, "use", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        return pk_error_set(err, PK_ERR_PATH, "cannot use '%s': not a directory", path);
    }
    return pk__file_check_stat(path, &st, err);
}

PK__FN pk_err pk__file_make_private_dir(const char *path, pk_error *err)
{
    struct stat st;
    if (PK__SYS(mkdir)(path, 0700) != 0 && errno != EEXIST) {
        return pk__file_failed(err, errno, "make directory", path);
    }
    if (PK__SYS(lstat)(path, &st) != 0) {
        return pk__file_failed(err, errno, "make directory", path);
    }
    if (S_ISLNK(st.st_mode) || !S_ISDIR(st.st_mode)) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': %s", path,
                            S_ISLNK(st.st_mode) ? "it is a symbolic link" : "not a directory");
    }
    if (st.st_uid != geteuid()) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': it belongs to user %ld", path,
                            (long)st.st_uid);
    }
    if ((st.st_mode & 07777 & ~(mode_t)S_ISGID) != 0700) { // some systems inherit that bit
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': its mode is %04o and must be 0700",
                            path, (unsigned)(st.st_mode & 07777));
    }
    return PK_OK;
}

/* $XDG_RUNTIME_DIR, if it is what the specification says (absolute, ours); otherwise /tmp. */
PK__FN const char *pk__file_default_base(void)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    if (base && base[0] == '/' && pk__file_check_dir(base, NULL) == PK_OK && PK__SYS(stat)(base, &st) == 0 &&
        st.st_uid == geteuid()) {
        return base;
    }
    return "/tmp";
}

/* The name of BASE/plugkit-UID; the base is checked. */
PK__FN pk_err pk__file_user_dir(pk_mem *mem, const char *base, const char **out, pk_error *err)
{
    base = base ? base : pk__file_default_base();
    pk_err code = pk__file_check_dir(base, err);
    if (code) {
        return code;
    }
    const char *name = pk_mem_printf(mem, "plugkit-%ld", (long)geteuid()).ptr;
    *out = name ? pk__file_join(mem, base, name) : NULL;
    return *out ? PK_OK : pk__error_memory(err, "make a runtime directory");
}

PK__FN pk_err pk__file_make_named_dir(pk_mem *mem, const char *base, const char *name, const char **out, pk_error *err)
{
    const char *dir = NULL;
    pk_err code = pk__file_user_dir(mem, base, &dir, err);
    if (code) {
        return code;
    }
    *out = pk__file_join(mem, dir, name);
    if (!*out) {
        return pk__error_memory(err, "make a runtime directory");
    }
    code = pk__file_make_private_dir(dir, err);
    return code ? code : pk__file_make_private_dir(*out, err);
}

PK__FN pk_err pk__file_make_runtime_dir(pk_mem *mem, const char *base, const char **out, pk_error *err)
{
    const char *dir = NULL;
    *out = NULL;
    pk_err code = pk__file_user_dir(mem, base, &dir, err);
    if (code) {
        return code;
    }
    for (int tries = 0; tries < 16; tries++) { // another manager may just be removing its last one
        unsigned long long number = (unsigned long long)(pk__random_u64() >> 16);
        const char *path = pk_mem_printf(mem, "%s/%012llx", dir, number).ptr;
        if (!path) {
            return pk__error_memory(err, "make a runtime directory");
        }
        code = pk__file_make_private_dir(dir, err);
        if (code) {
            return code;
        }
        if (PK__SYS(mkdir)(path, 0700) == 0) {
            *out = path;
            return PK_OK;
        }
        if (errno != EEXIST && errno != ENOENT) {
            return pk__file_failed(err, errno, "make directory", path);
        }
    }
    return pk_error_set(err, PK_ERR_BUSY, "cannot make a directory in '%s': no free name", dir);
}

PK__FN void pk__file_remove_runtime_dir(const char *path)
{
    char dir[PK__FILE_PATH];
    size_t len = strlen(path) - pk__file_basename(path).len;
    (void)pk__file_remove_tree(path, NULL);
    if (len > 1 && len < sizeof(dir)) {
        memcpy(dir, path, len - 1);
        dir[len - 1] = '\0';
        (void)PK__SYS(unlinkat)(AT_FDCWD, dir, AT_REMOVEDIR); // in use by others: fails, and stays
    }
}

/* ---- removing a tree */

typedef struct pk__file_removal {
    int entries, depth;
} pk__file_removal;

PK__FN int pk__file_empty_dir(pk__file_removal *r, int fd);

/* One entry of a directory that is ours. -1 with errno. */
PK__FN int pk__file_remove_entry(pk__file_removal *r, int dir_fd, const char *name)
{
    struct stat st;
    int fd, result;
    if (++r->entries > PK__FILE_ENTRIES) {
        errno = EFBIG;
        return -1;
    }
    if (PK__SYS(fstatat)(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (!S_ISDIR(st.st_mode)) {
        return PK__SYS(unlinkat)(dir_fd, name, 0) == 0 || errno == ENOENT ? 0 : -1;
    }
    fd = PK__SYS(openat)(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    result = pk__file_empty_dir(r, fd);
    return result == 0 ? PK__SYS(unlinkat)(dir_fd, name, AT_REMOVEDIR) : -1;
}

/* Takes fd. */
PK__FN int pk__file_empty_dir(pk__file_removal *r, int fd)
{
    struct stat st;
    DIR *dir = NULL;
    int result = 0, error;
    if (r->depth >= PK__FILE_DEPTH || PK__SYS(fstat)(fd, &st) != 0 || st.st_uid != geteuid() ||
        (dir = PK__SYS(fdopendir)(fd)) == NULL) {
        errno = r->depth >= PK__FILE_DEPTH ? ELOOP : dir ? errno : EPERM;
        pk__fd_close(fd);
        return -1;
    }
    r->depth++;
    while (result == 0) {
        struct dirent *entry;
        errno = 0;
        entry = PK__SYS(readdir)(dir);
        if (!entry) {
            result = errno ? -1 : 0;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = pk__file_remove_entry(r, fd, entry->d_name);
        }
    }
    r->depth--;
    error = errno;
    (void)PK__SYS(closedir)(dir);
    errno = error;
    return result;
}

PK__FN pk_err pk__file_remove_tree(const char *path, pk_error *err)
{
    pk__file_removal removal = {0, 0};
    int fd = PK__SYS(open)(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0 && errno == ENOENT) {
        return PK_OK;
    }
    if (fd < 0 || pk__file_empty_dir(&removal, fd) != 0 ||
        PK__SYS(unlinkat)(AT_FDCWD, path, AT_REMOVEDIR) != 0) {
        return pk__file_failed(err, errno, "remove", path);
    }
    return PK_OK;
}

/* ---- listing */

PK__FN int pk__file_compare(const void *a, const void *b)
{
    return strcmp(((const pk__file_entry *)a)->name, ((const pk__file_entry *)b)->name);
}

PK__FN bool pk__file_fill_entry(pk_mem *mem, int dir_fd, const char *name, pk__file_entry *out, int *error)
{
    struct stat st;
    *error = 0;
    if (PK__SYS(fstatat)(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        *error = errno == ENOENT ? 0 : errno; // gone meanwhile
        return false;
    }
    out->name = pk_mem_dup(mem, pk_str_from(name)).ptr;
    out->kind = S_ISREG(st.st_mode)   ? PK__FILE_REGULAR
                : S_ISDIR(st.st_mode) ? PK__FILE_DIR
                : S_ISLNK(st.st_mode) ? PK__FILE_LINK
                                      : PK__FILE_OTHER;
    out->mode = st.st_mode & 07777;
    out->owner = st.st_uid;
    out->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    *error = out->name ? 0 : ENOMEM;
    return out->name != NULL;
}

/* Returns errno, or 0. */
PK__FN int pk__file_list_all(pk_mem *mem, DIR *dir, int dir_fd, size_t max, pk__file_entry **out,
                             size_t *count)
{
    size_t cap = 0;
    for (;;) {
        struct dirent *entry;
        int error;
        errno = 0;
        entry = PK__SYS(readdir)(dir);
        if (!entry) {
            return errno;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (*count == max) {
            return EFBIG;
        }
        if (*count == cap) {
            cap = cap ? cap * 2 : 16;
            pk__file_entry *grown = (pk__file_entry *)pk_mem_get(mem, cap * sizeof(*grown));
            if (!grown) {
                return ENOMEM;
            }
            if (*count > 0) {
                memcpy(grown, *out, *count * sizeof(*grown));
            }
            *out = grown;
        }
        if (pk__file_fill_entry(mem, dir_fd, entry->d_name, &(*out)[*count], &error)) {
            ++*count;
        } else if (error) {
            return error;
        }
    }
}

PK__FN pk_err pk__file_list(pk_mem *mem, int dir_fd, size_t max, const char *shown, pk__file_entry **out,
                            size_t *count, pk_error *err)
{
    int error;
    DIR *dir = PK__SYS(fdopendir)(dir_fd);
    *out = NULL;
    *count = 0;
    if (!dir) {
        error = errno;
        pk__fd_close(dir_fd);
        return pk__file_failed(err, error, "list", shown);
    }
    error = pk__file_list_all(mem, dir, dir_fd, max, out, count);
    (void)PK__SYS(closedir)(dir);
    if (error == EFBIG) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot list '%s': more than %zu entries", shown, max);
    }
    if (error) {
        return pk__file_failed(err, error, "list", shown);
    }
    if (*count > 1) {
        qsort(*out, *count, sizeof(**out), pk__file_compare);
    }
    return PK_OK;
}

/* ---- opening beneath a directory */

/* Cuts the next component off; "." and double slashes are skipped. False = the end, or one too long. */
PK__FN bool pk__file_next_component(const char **path, char *out, size_t cap)
{
    const char *at = *path;
    size_t len;
    for (;;) {
        at += strspn(at, "/");
        len = strcspn(at, "/");
        if (len != 1 || at[0] != '.') {
            break;
        }
        at++;
    }
    if (len == 0 || len >= cap) {
        return false;
    }
    memcpy(out, at, len);
    out[len] = '\0';
    *path = at + len;
    return true;
}

/* Relative, not empty, without "..", and no component too long. */
PK__FN bool pk__file_is_beneath(const char *relative)
{
    char name[256];
    const char *at = relative;
    if (relative[0] == '/' || relative[0] == '\0') {
        return false;
    }
    while (pk__file_next_component(&at, name, sizeof(name))) {
        if (strcmp(name, "..") == 0) {
            return false;
        }
    }
    return strspn(at, "/.") == strlen(at);
}

/* One component at a time, none of them a link: what openat2 does in one step. -1 with errno. */
PK__FN int pk__file_walk(int root_fd, const char *relative, int flags, mode_t mode)
{
    char name[256], next[256];
    const int to_dir = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, to_last = flags | O_NOFOLLOW;
    int dir = root_fd, fd;
    bool more = pk__file_next_component(&relative, name, sizeof(name));
    if (!more) { // "."
        return PK__SYS(openat)(root_fd, ".", flags, mode);
    }
    for (;;) {
        more = pk__file_next_component(&relative, next, sizeof(next));
        fd = PK__SYS(openat)(dir, name, more ? to_dir : to_last, mode);
        if (fd < 0 && errno == ENOTDIR) { // what Linux says of a link here, too
            struct stat st;
            bool link = PK__SYS(fstatat)(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
            errno = link ? ELOOP : ENOTDIR;
        }
        if (dir != root_fd) {
            pk__fd_close(dir);
        }
        if (fd < 0 || !more) {
            return fd;
        }
        dir = fd;
        memcpy(name, next, sizeof(name));
    }
}

PK__FN pk_err pk__file_open_beneath(int root_fd, const char *relative, int flags, mode_t mode, int *out,
                                    pk_error *err)
{
    const uint64_t resolve = PK__SYS_BENEATH | PK__SYS_NO_SYMLINKS;
    int fd, error, tries = 0;
    *out = -1;
    if (!pk__file_is_beneath(relative)) {
        return pk_error_set(err, PK_ERR_PATH, "cannot open '%s': it leads out of its directory", relative);
    }
    do { // EAGAIN: something was renamed on the way, and the kernel is not sure
        fd = PK__SYS(openat2)(root_fd, relative, flags | O_CLOEXEC, mode, resolve);
    } while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 16)));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL)) { // EPERM: from an old sandbox
        fd = pk__file_walk(root_fd, relative, flags | O_CLOEXEC, mode);
    }
    error = errno;
    *out = pk__fd_lift(fd);
    if (*out >= 0) {
        return PK_OK;
    }
    if (error == ELOOP || error == EXDEV) {
        return pk_error_set(err, PK_ERR_PATH, "cannot open '%s': a symbolic link is on the way", relative);
    }
    return pk__file_failed(err, error, "open", relative);
}

#endif

/* == os/lock.c == */
/* lock.c - lock files by the kernel's lock, readable for those who only know pids. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/lock.c"
#endif









#ifndef PLUGKIT_NO_FILES

#define PK__LOCK_TRIES 16

/* The pid in the file; 0 = it is empty; -1 = something else is in it. Digits only: others parse it strictly.
 * */
PK__FN int64_t pk__lock_read_pid(int fd)
{
    char text[24];
    int64_t pid = 0;
    ssize_t n;
    do {
        n = PK__SYS(pread)(fd, text, sizeof(text), 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return n;
    }
    if (n > 1 && text[n - 1] == '\n') { // written by hand
        n--;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9' || i >= 10) {
            return -1;
        }
        pid = pid * 10 + (text[i] - '0');
    }
    return pid > 0 && pid <= INT32_MAX ? pid : -1;
}

#ifdef PK__LINUX

/* When the process began, in seconds since 1970; 0 = not known. */
PK__FN int64_t pk__lock_birth(int64_t pid)
{
    char path[64], text[1024], *at;
    struct timespec boot = {0, 0}, now = {0, 0};
    int64_t ticks = 0; // since the system started
    int fd;
    ssize_t n;
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = PK__SYS(open)(path, O_RDONLY | O_CLOEXEC, 0);
    n = fd >= 0 ? pk__fd_read(fd, text, sizeof(text) - 1) : -1;
    pk__fd_close(fd);
    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    at = strrchr(text, ')'); // behind the name, which may hold anything
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    for (int digits = 0; at && *++at >= '0' && *at <= '9' && digits < 18; digits++) {
        ticks = ticks * 10 + (*at - '0');
    }
    if (!at || PK__SYS(clock_gettime)(CLOCK_BOOTTIME, &boot) != 0 ||
        PK__SYS(clock_gettime)(CLOCK_REALTIME, &now) != 0) {
        return 0;
    }
    return (int64_t)now.tv_sec - ((int64_t)boot.tv_sec - ticks / sysconf(_SC_CLK_TCK));
}
#else
PK__FN int64_t pk__lock_birth(int64_t pid)
{
    (void)pid;
    return 0;
}
#endif

/* Does the process that wrote its number into the file still live? A process that is younger than the file
 * has only inherited the number. */
PK__FN bool pk__lock_owner_lives(int fd, int64_t pid)
{
    struct stat st;
    if (pid == (int64_t)getpid() || (PK__SYS(kill)((pid_t)pid, 0) != 0 && errno != EPERM)) {
        return false; // our own number in a file that we do not hold: of an earlier life
    }
    /* 2: both clocks are coarse. */
    return PK__SYS(fstat)(fd, &st) != 0 || pk__lock_birth(pid) <= (int64_t)st.st_mtime + 2;
}

PK__FN pk__lock_state pk__lock_judge(int fd, int64_t pid)
{
    if (pid == 0) {
        return PK__LOCK_FREE;
    }
    if (pid < 0) {
        return PK__LOCK_BROKEN;
    }
    return pk__lock_owner_lives(fd, pid) ? PK__LOCK_LIVE : PK__LOCK_STALE;
}

PK__FN bool pk__lock_flock(int fd, int operation)
{
    int result;
    do {
        result = PK__SYS(flock)(fd, operation | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

PK__FN pk_err pk__lock_look(const char *path, pk__lock_state *out, int64_t *pid, pk_error *err)
{
    int fd = -1;
    int64_t number;
    pk_err code = pk__fd_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd, err);
    *out = PK__LOCK_FREE;
    if (pid) {
        *pid = 0;
    }
    if (code == PK_ERR_NOT_FOUND) {
        return PK_OK;
    }
    if (code) {
        return code;
    }
    number = pk__lock_read_pid(fd);
    if (pid && number > 0) {
        *pid = number;
    }
    /* Shared, so that those who look do not see each other; who takes it at this moment tries again. */
    if (pk__lock_flock(fd, LOCK_SH)) {
        *out = pk__lock_judge(fd, number);
    } else if (errno == EWOULDBLOCK) {
        *out = PK__LOCK_LIVE;
    } else {
        code = pk_error_sys(err, PK_ERR_OS, errno, "cannot look at lock '%s'", path);
    }
    pk__fd_close(fd);
    return code;
}

PK__FN pk_err pk__lock_busy(pk_error *err, const char *path, int64_t pid)
{
    if (pid <= 0) {
        return pk_error_set(err, PK_ERR_BUSY, "cannot take lock '%s': another process holds it", path);
    }
    return pk_error_set(err, PK_ERR_BUSY, "cannot take lock '%s': process %ld holds it", path, (long)pid);
}

/* Does the path still name the file that we have locked? */
PK__FN bool pk__lock_is_current(int fd, const char *path)
{
    struct stat ours, named;
    return PK__SYS(fstat)(fd, &ours) == 0 && PK__SYS(lstat)(path, &named) == 0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* Opens and locks the file. PK_ERR_BUSY with its pid; *fd -1 and PK_OK: the file was replaced meanwhile, try
 * again. */
PK__FN pk_err pk__lock_open(const char *path, int *fd, int64_t *pid, pk_error *err)
{
    struct stat st;
    int error = 0;
    pk_err code = pk__fd_open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600, fd, err);
    *pid = 0;
    if (code) {
        return pk_error_sys(err, errno == EACCES || errno == ELOOP ? PK_ERR_PERMISSION : code, errno,
                            "cannot take lock '%s'", path);
    }
    if (PK__SYS(fstat)(*fd, &st) != 0) {
        error = errno;
        code = pk_error_sys(err, PK_ERR_OS, error, "cannot take lock '%s'", path);
    } else if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0)) {
        code = pk_error_set(err, PK_ERR_PERMISSION, "cannot take lock '%s': %s", path,
                            S_ISREG(st.st_mode) ? "it belongs to another user" : "not a regular file");
    } else if (!pk__lock_flock(*fd, LOCK_EX)) {
        error = errno;
        *pid = pk__lock_read_pid(*fd);
        code = error == EWOULDBLOCK ? PK_ERR_BUSY
                                    : pk_error_sys(err, PK_ERR_OS, error, "cannot take lock '%s'", path);
    } else if (pk__lock_is_current(*fd, path)) {
        return PK_OK;
    }
    pk__fd_close(*fd);
    *fd = -1;
    return code;
}

/* Waits out those who only look, and those who are about to release and unlink it. */
PK__FN pk_err pk__lock_open_patiently(const char *path, int *fd, pk_error *err)
{
    const struct timespec pause = {0, (long)PK__MS};
    int64_t pid = 0;
    for (int tries = 0; tries < PK__LOCK_TRIES; tries++) {
        pk_err code = pk__lock_open(path, fd, &pid, err);
        if (code && code != PK_ERR_BUSY) {
            return code;
        }
        if (*fd >= 0) {
            return PK_OK;
        }
        if (code == PK_ERR_BUSY) {
            (void)PK__SYS(nanosleep)(&pause);
        }
    }
    return pk__lock_busy(err, path, pid);
}

PK__FN pk_err pk__lock_write_pid(int fd, const char *path, pk_error *err)
{
    char text[24];
    pk_str bytes = {text, (size_t)snprintf(text, sizeof(text), "%ld", (long)getpid())};
    if (PK__SYS(ftruncate)(fd, 0) != 0 || PK__SYS(lseek)(fd, 0, SEEK_SET) != 0 ||
        pk__fd_write_all(fd, bytes, NULL) != PK_OK) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot write lock '%s'", path);
    }
    return PK_OK;
}

/* May who has the kernel's lock have it? Without that lock: a plugin of the Go framework. */
PK__FN pk_err pk__lock_check_owner(int fd, const char *path, pk_error *err)
{
    int64_t pid = pk__lock_read_pid(fd);
    switch (pk__lock_judge(fd, pid)) {
    case PK__LOCK_LIVE: return pk__lock_busy(err, path, pid);
    case PK__LOCK_BROKEN:
        return pk_error_set(err, PK_ERR_BUSY, "cannot take lock '%s': what is in it is not a process number", path);
    case PK__LOCK_FREE:
    case PK__LOCK_STALE: break;
    }
    return PK_OK;
}

PK__FN pk_err pk__lock_take_by(pk__lock *lock, const pk_alloc *alloc, const char *path, bool by_pid, pk_error *err)
{
    int fd = -1;
    pk_err code;
    memset(lock, 0, sizeof(*lock));
    lock->alloc = alloc;
    lock->path = pk__strdup(alloc, path);
    if (!lock->path) {
        return pk__error_memory(err, "take a lock");
    }
    code = pk__lock_open_patiently(path, &fd, err);
    if (code == PK_OK && by_pid) {
        code = pk__lock_check_owner(fd, path, err);
    }
    if (code == PK_OK) {
        code = pk__lock_write_pid(fd, path, err);
    }
    if (code) {
        pk__fd_close(fd); // gives the lock up
        pk__strfree(alloc, lock->path);
        memset(lock, 0, sizeof(*lock));
        return code;
    }
    lock->fd = fd;
    lock->owner = (long)getpid();
    return PK_OK;
}

PK__FN pk_err pk__lock_take(pk__lock *lock, const pk_alloc *alloc, const char *path, pk_error *err)
{
    return pk__lock_take_by(lock, alloc, path, true, err);
}

PK__FN pk_err pk__lock_take_ours(pk__lock *lock, const pk_alloc *alloc, const char *path, pk_error *err)
{
    return pk__lock_take_by(lock, alloc, path, false, err);
}

PK__FN bool pk__lock_exists(const char *path)
{
    struct stat st;
    return PK__SYS(lstat)(path, &st) == 0 || errno != ENOENT;
}

/* What a dead owner left. */
PK__FN pk_err pk__lock_remove_socket(const char *path, pk_error *err)
{
    struct stat st;
    if (PK__SYS(lstat)(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        return pk_error_set(err, PK_ERR_PATH, "cannot use socket '%s': it is not a socket", path);
    }
    if (PK__SYS(unlink)(path) != 0 && errno != ENOENT) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot remove socket '%s'", path);
    }
    return PK_OK;
}

PK__FN pk_err pk__lock_take_socket(pk__lock *lock, const pk_alloc *alloc, const char *socket_path,
                                   pk_error *err)
{
    char path[256]; // a socket's path is shorter than that
    pk_err code;
    memset(lock, 0, sizeof(*lock));
    if (snprintf(path, sizeof(path), "%s.lock", socket_path) >= (int)sizeof(path)) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot use socket '%.80s...': the path is too long",
                            socket_path);
    }
    /* The socket is looked at twice: its owner removes it first, and then the lock. */
    if (pk__lock_exists(socket_path) && !pk__lock_exists(path) && pk__lock_exists(socket_path)) {
        return pk_error_set(err, PK_ERR_BUSY,
                            "cannot use socket '%s': there is no '.lock' beside it that tells whose it is",
                            socket_path);
    }
    code = pk__lock_take(lock, alloc, path, err);
    if (code == PK_OK) {
        code = pk__lock_remove_socket(socket_path, err);
        if (code) {
            pk__lock_release(lock);
        }
    }
    return code;
}

PK__FN void pk__lock_release(pk__lock *lock)
{
    if (lock->fd <= 0) {
        return;
    }
    /* Unlinked while it is held: whoever has it open already will find that the path names another file. */
    if (lock->owner == (long)getpid() && pk__lock_is_current(lock->fd, lock->path)) {
        (void)PK__SYS(unlink)(lock->path);
    }
    pk__fd_close(lock->fd);
    pk__strfree(lock->alloc, lock->path);
    memset(lock, 0, sizeof(*lock));
}

#endif

/* == os/signal.c == */
/* signal.c - signals as events of a loop, and SIGPIPE kept away. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/signal.c"
#endif






#ifndef PLUGKIT_NO_PROCESS

/* All that a handler can see. fd is the writing end + 1; 0 = nobody wants to know. */
static pk__atomic_u32 pk__signals_fd, pk__signals_inside;

PK__FN void pk__signals_handler(int number)
{
    int error = errno;
    uint32_t fd;
    char byte = (char)number;
    (void)pk__atomic_add(&pk__signals_inside, 1);
    fd = pk__atomic_load(&pk__signals_fd);
    if (fd) {
        (void)!PK__SYS(write)((int)(fd - 1), &byte, 1); // full: then there are enough in it
    }
    (void)pk__atomic_add(&pk__signals_inside, (uint32_t)-1);
    errno = error;
}

PK__FN void pk__signals_ready(void *user, bool can_read, bool can_write)
{
    pk__signals *s = (pk__signals *)user;
    char bytes[16];
    ssize_t n = pk__fd_read(s->pipe[0], bytes, sizeof(bytes));
    (void)can_read, (void)can_write;
    for (ssize_t i = 0; i < n && s->started; i++) {
        s->on_signal(s->user, bytes[i]);
    }
}

static const struct {
    int number;
    bool is_always; // otherwise only where nobody handles or ignores it, as nohup does
    const char *name;
} pk__signals_list[PK__SIGNALS] = {
    {SIGINT, true, "SIGINT"}, {SIGTERM, true, "SIGTERM"}, {SIGHUP, false, "SIGHUP"}, {SIGCONT, false, "SIGCONT"},
};

PK__FN void pk__signals_restore(pk__signals *s)
{
    for (unsigned i = 0; i < PK__SIGNALS; i++) {
        if (s->taken & 1u << i) {
            (void)PK__SYS(restore_signal)(pk__signals_list[i].number, &s->old[i]);
        }
    }
    s->taken = 0;
}

static bool pk__signals_is_free(const struct sigaction *now)
{
    return !(now->sa_flags & SA_SIGINFO) && (now->sa_handler == SIG_DFL || now->sa_handler == pk__signals_handler);
}

static void pk__signals_action(struct sigaction *action)
{
    memset(action, 0, sizeof(*action));
    action->sa_handler = pk__signals_handler;
    action->sa_flags = SA_RESTART;
    sigfillset(&action->sa_mask);
}

PK__FN void pk__signals_hush(int number)
{
    struct sigaction action, now;
    pk__signals_action(&action);
    if (PK__SYS(sigaction)(number, NULL, &now) == 0 && pk__signals_is_free(&now)) {
        (void)PK__SYS(sigaction)(number, &action, NULL); // nobody has started anything: it has no pipe to write to
    }
}

PK__FN pk_err pk__signals_install(pk__signals *s, pk_error *err)
{
    struct sigaction action;
    pk__signals_action(&action);
    for (unsigned i = 0; i < PK__SIGNALS; i++) {
        int number = pk__signals_list[i].number;
        if (PK__SYS(sigaction)(number, &action, &s->old[i]) != 0) {
            int error = errno;
            pk__signals_restore(s);
            return pk_error_sys(err, PK_ERR_OS, error, "cannot handle %s", pk__signals_list[i].name);
        }
        s->taken |= 1u << i;
        if (!pk__signals_list[i].is_always && !pk__signals_is_free(&s->old[i])) {
            (void)PK__SYS(restore_signal)(number, &s->old[i]);
            s->taken &= ~(1u << i);
        }
    }
    return PK_OK;
}

PK__FN pk_err pk__signals_open(pk__signals *s, pk_error *err)
{
    pk_err code = pk__fd_pipe(s->pipe, err);
    if (code) {
        return code;
    }
    code = pk__fd_set_nonblock(s->pipe[0], true, err);
    if (code == PK_OK) {
        code = pk__fd_set_nonblock(s->pipe[1], true, err);
    }
    if (code == PK_OK) {
        s->watch.fd = s->pipe[0];
        s->watch.on_ready = pk__signals_ready;
        s->watch.user = s;
        code = pk_watch_add(s->loop, &s->watch, true, false, err);
    }
    if (code == PK_OK && !pk__atomic_cas(&pk__signals_fd, 0, (uint32_t)s->pipe[1] + 1)) {
        code = pk_error_set(err, PK_ERR_BUSY, "cannot handle signals: another part of the process does");
    }
    return code;
}

PK__FN void pk__signals_close(pk__signals *s)
{
    pk_watch_remove(s->loop, &s->watch);
    pk__fd_close(s->pipe[0]);
    pk__fd_close(s->pipe[1]);
    s->pipe[0] = s->pipe[1] = -1;
}

/* No handler will use the pipe after this: waits for those that are at it on other threads, a few
 * instructions. */
PK__FN void pk__signals_let_go(void)
{
    (void)pk__atomic_swap(&pk__signals_fd, 0);
    while (pk__atomic_add(&pk__signals_inside, 0) != 0) {
    }
}

PK__FN pk_err pk__signals_start(pk__signals *s, pk_loop *loop, void (*on_signal)(void *user, int number),
                                void *user, pk_error *err)
{
    pk_err code;
    memset(s, 0, sizeof(*s));
    s->pipe[0] = s->pipe[1] = -1;
    s->loop = loop;
    s->on_signal = on_signal;
    s->user = user;
    code = pk__signals_open(s, err);
    if (code == PK_OK) {
        code = pk__signals_install(s, err);
        if (code) {
            pk__signals_let_go();
        }
    }
    if (code) {
        pk__signals_close(s);
        return code;
    }
    s->started = true;
    return PK_OK;
}

PK__FN void pk__signals_stop(pk__signals *s)
{
    if (!s->started) {
        return;
    }
    s->started = false;
    pk__signals_restore(s);
    pk__signals_let_go();
    pk__signals_close(s);
}

#endif // PLUGKIT_NO_PROCESS

#ifndef PK__NO_FD

PK__FN bool pk__sigpipe_is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

PK__FN void pk__sigpipe_block(pk__sigpipe *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    s->was_pending = pk__sigpipe_is_pending();
    (void)PK__SYS(mask_signals)(SIG_BLOCK, &set, &s->old);
}

/* A signal that came meanwhile is ours, and taken away before it can be delivered. */
PK__FN void pk__sigpipe_restore(pk__sigpipe *s)
{
    int error = errno, number = 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!s->was_pending && pk__sigpipe_is_pending()) {
        (void)sigwait(&set, &number); // does not wait: it is there
    }
    (void)PK__SYS(mask_signals)(SIG_SETMASK, &s->old, NULL);
    errno = error;
}

#endif

/* == os/process.c == */
/* process.c - child processes: start, watch, signal, reap. */
#ifdef PLUGKIT_LINES
#line 1 "src/os/process.c"
#endif







#ifndef PLUGKIT_NO_PROCESS

/* ---- in the child: system calls only, no allocation, nothing that another thread may have locked */

typedef enum pk__process_step {
    PK__STEP_NONE,
    PK__STEP_GROUP,
    PK__STEP_PARENT,
    PK__STEP_FDS,
    PK__STEP_CWD,
    PK__STEP_EXEC
} pk__process_step;

/* What the child says if it fails: also the message in the pipe. */
typedef struct pk__process_report {
    int32_t step, error;
} pk__process_report;

/* Everything that the child needs. It lies in the parent's memory, which the child shares or has copied. */
typedef struct pk__process_job {
    const pk__spawn_desc *desc;
    pk__spawn_fd fds[PK__SPAWN_FDS];
    size_t fd_count;
    int highest;            // of the child's declared descriptors, at least 2
    int pipe[2], null, exec; // all above highest; -1 = none
    char exec_path[32];     // of the descriptor to run, for kernels without execveat
    long fd_limit;
    pid_t parent;
    volatile bool shared;   // the child sets it: seen by the parent only if the memory is shared
    pk__process_report report;
} pk__process_job;

PK__FN void pk__process_fail(pk__process_job *job, pk__process_step step)
{
    job->report.error = (int32_t)errno;
    job->report.step = (int32_t)step;
    const void *told = job; // gcc 12 takes the address of the report for that of its first member
    told = (const char *)told + offsetof(pk__process_job, report);
    (void)!PK__SYS(write)(job->pipe[1], told, sizeof(job->report)); // fits into any pipe
    _exit(127);
}

PK__FN bool pk__process_is_declared(const pk__process_job *job, int fd)
{
    for (size_t i = 0; i < job->fd_count; i++) {
        if (job->fds[i].child == fd) {
            return true;
        }
    }
    return false;
}

/* Marks what a directory with one entry for each descriptor names. False: there is no such directory. */
PK__FN bool pk__process_mark_listed(int first)
{
    char names[1024]; // entries of getdents: 8 + 8 bytes, 2 of length, 1 of type, then the name
    ssize_t n;
    int dir = PK__SYS(open)("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0) {
        return false;
    }
    while ((n = PK__SYS(getdents)(dir, names, sizeof(names))) > 0) {
        uint16_t len = 0;
        for (ssize_t at = 0; at < n; at += len) {
            const char *digit = names + at + 19;
            int fd = 0;
            memcpy(&len, names + at + 16, sizeof(len));
            while (*digit >= '0' && *digit <= '9') {
                fd = fd * 10 + (*digit++ - '0');
            }
            if (*digit == '\0' && fd >= first) {
                (void)PK__SYS(fcntl)(fd, F_SETFD, FD_CLOEXEC);
            }
        }
    }
    (void)PK__SYS(close)(dir);
    return n == 0;
}

/* Everything from `first` on is closed by exec. */
PK__FN void pk__process_mark_rest(const pk__process_job *job, int first)
{
    if (PK__SYS(close_range)((unsigned)first) == 0 || pk__process_mark_listed(first)) {
        return;
    }
    for (int fd = first; fd < job->fd_limit; fd++) {
        (void)PK__SYS(fcntl)(fd, F_SETFD, FD_CLOEXEC);
    }
}

/* Sources that lie where a target is to be are moved out of the way first; then each goes to its place. */
PK__FN bool pk__process_place_fds(pk__process_job *job)
{
    for (size_t i = 0; i < job->fd_count; i++) {
        pk__spawn_fd *f = &job->fds[i];
        if (f->parent <= job->highest && f->parent != f->child) {
            f->parent = PK__SYS(fcntl)(f->parent, F_DUPFD_CLOEXEC, job->highest + 1);
            if (f->parent < 0) {
                return false;
            }
        }
    }
    for (int fd = 0; fd <= job->highest; fd++) {
        if (pk__process_is_declared(job, fd)) {
            continue;
        }
        if (fd > 2) {
            (void)PK__SYS(fcntl)(fd, F_SETFD, FD_CLOEXEC); // not open: fine
        } else if (PK__SYS(dup2)(job->null, fd) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < job->fd_count; i++) {
        const pk__spawn_fd *f = &job->fds[i];
        if ((f->parent == f->child ? PK__SYS(fcntl)(f->child, F_SETFD, 0)
                                   : PK__SYS(dup2)(f->parent, f->child)) < 0) {
            return false;
        }
    }
    pk__process_mark_rest(job, job->highest + 1);
    return true;
}

PK__FN int pk__process_child(void *arg)
{
    static const char *const no_env[] = {NULL};
    pk__process_job *job = (pk__process_job *)arg;
    const pk__spawn_desc *desc = job->desc;
    char *const *argv = (char *const *)(uintptr_t)desc->argv;
    char *const *env = (char *const *)(uintptr_t)(desc->env ? desc->env : no_env);
    sigset_t none;

    job->shared = true;
    for (int number = 1; number < NSIG; number++) { // the host's handlers must not run here
        (void)PK__SYS(reset_signal)(number, desc->is_deaf && number != SIGCONT && number != SIGCHLD);
    }
    if (PK__SYS(setpgid)(0, desc->group) != 0) {
        pk__process_fail(job, PK__STEP_GROUP);
    }
    if (desc->death_signal) {
        if (PK__SYS(die_with_parent)(desc->death_signal) != 0 && errno != ENOSYS) {
            pk__process_fail(job, PK__STEP_PARENT);
        }
        if (getppid() != job->parent) { // it was over before we asked
            _exit(127);
        }
    }
    if (!pk__process_place_fds(job)) {
        pk__process_fail(job, PK__STEP_FDS);
    }
    if (desc->cwd && PK__SYS(chdir)(desc->cwd) != 0) {
        pk__process_fail(job, PK__STEP_CWD);
    }
    sigemptyset(&none);
    (void)PK__SYS(mask_signals)(SIG_SETMASK, &none, NULL);
    if (job->exec < 0) {
        (void)PK__SYS(execve)(desc->path, argv, env);
    } else if (PK__SYS(execveat)(job->exec, argv, env) != 0 && errno == ENOSYS) {
        (void)PK__SYS(execve)(job->exec_path, argv, env);
    }
    pk__process_fail(job, PK__STEP_EXEC);
    return 127;
}

/* ---- in the parent: start */

PK__FN const char *pk__process_step_name(int32_t step)
{
    static const char *const names[] = {"start",       "process group", "parent death signal",
                                        "descriptors", "directory",     "exec"};
    return step > 0 && step < (int32_t)PK__COUNT(names) ? names[step] : names[0];
}

/* What the system says about programs that cannot be run is often about another file than one would think. */
PK__FN const char *pk__process_reason(const pk__process_job *job)
{
    struct stat st;
    bool exec = job->report.step == PK__STEP_EXEC;
    if (exec && job->report.error == ENOEXEC) {
        return "exec: no program of this kind of machine, and no script that begins with #!";
    }
    if (exec && job->report.error == ENOENT && PK__SYS(stat)(job->desc->path, &st) == 0) {
        return "exec: the interpreter that its first line names, or its loader";
    }
    return pk__process_step_name(job->report.step);
}

/* Takes fd; returns it or a copy above `highest`. -1 with errno: fd is closed. */
PK__FN int pk__process_above(int fd, int highest)
{
    int above;
    if (fd < 0 || fd > highest) {
        return fd;
    }
    above = PK__SYS(fcntl)(fd, F_DUPFD_CLOEXEC, highest + 1);
    pk__fd_close(fd);
    return above;
}

PK__FN void pk__process_close_job(pk__process_job *job)
{
    pk__fd_close(job->pipe[0]);
    pk__fd_close(job->pipe[1]);
    pk__fd_close(job->null);
    pk__fd_close(job->exec);
}

PK__FN bool pk__process_open_job(pk__process_job *job)
{
    int exec_fd = job->desc->exec_fd;
    if (PK__SYS(pipe)(job->pipe, O_CLOEXEC) != 0) {
        job->pipe[0] = job->pipe[1] = -1;
        return false;
    }
    job->pipe[1] = pk__process_above(job->pipe[1], job->highest);
    job->null = pk__process_above(PK__SYS(open)("/dev/null", O_RDWR | O_CLOEXEC, 0), job->highest);
    if (job->pipe[1] < 0 || job->null < 0) {
        return false;
    }
    if (exec_fd > 0) {
        job->exec = PK__SYS(fcntl)(exec_fd, F_DUPFD_CLOEXEC, job->highest + 1);
        snprintf(job->exec_path, sizeof(job->exec_path), "/proc/self/fd/%d", job->exec);
    }
    return exec_fd <= 0 || job->exec >= 0;
}

PK__FN pk_err pk__process_init_job(pk__process_job *job, const pk__spawn_desc *desc, pk_error *err)
{
    struct rlimit limit = {65536, 65536};
    memset(job, 0, sizeof(*job));
    job->desc = desc;
    job->parent = getpid();
    job->highest = 2;
    job->pipe[0] = job->pipe[1] = job->null = job->exec = -1;
    if (desc->fd_count > PK__SPAWN_FDS || !desc->path || !desc->argv || !desc->argv[0]) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start '%s': too many descriptors, or no arguments",
                            desc->path ? desc->path : "");
    }
    for (size_t i = 0; i < desc->fd_count; i++) {
        job->highest = PK__MAX(job->highest, desc->fds[i].child);
    }
    job->fd_count = desc->fd_count;
    (void)PK__SYS(fd_limit)(&limit);
    /* Only for systems with neither close_range nor a list, and even then enough for most. */
    job->fd_limit = limit.rlim_cur < 65536 ? (long)limit.rlim_cur : 65536;
    return PK_OK;
}

PK__FN pid_t pk__process_fork(pk__process_job *job)
{
    char stack[16384]; // the child's; it is done with it when we go on
    pid_t pid = PK__SYS(spawn_vm)(pk__process_child, stack, sizeof(stack), job);
    if (pid < 0 && errno == ENOSYS) {
        pid = PK__SYS(fork)();
        if (pid == 0) {
            (void)pk__process_child(job);
        }
    }
    return pid;
}

/* Has the child reached exec? The answer lies in our memory, or has to be read. */
PK__FN void pk__process_hear(pk__process_job *job)
{
    pk__process_report report;
    if (!job->shared && pk__fd_read(job->pipe[0], &report, sizeof(report)) == (ssize_t)sizeof(report)) {
        job->report = report;
    }
}

/* A child that never became one. Nobody else has to know it: no pid of it is given out. */
PK__FN void pk__process_bury(pid_t pid)
{
    int status;
    while (PK__SYS(waitpid)(pid, &status, 0) < 0 && errno == EINTR) {
    }
}

/* One attempt. job->report tells why there is no child; its pid is 0 then. */
PK__FN pid_t pk__process_attempt(pk__process_job *job)
{
    sigset_t all, old;
    pid_t pid;
    memset(&job->report, 0, sizeof(job->report));
    job->shared = false;
    for (size_t i = 0; i < job->fd_count; i++) {
        job->fds[i] = job->desc->fds[i]; // for each attempt: a child changes them, perhaps in our memory
    }
    if (!pk__process_open_job(job)) {
        job->report.error = (int32_t)errno;
        pk__process_close_job(job);
        return 0;
    }
    sigfillset(&all);
    (void)PK__SYS(mask_signals)(SIG_SETMASK, &all, &old); // no handler of ours in the child
    pid = pk__process_fork(job);
    job->report.error = pid < 0 ? (int32_t)errno : job->report.error;
    (void)PK__SYS(mask_signals)(SIG_SETMASK, &old, NULL);
    if (pid > 0) {
        pk__fd_close(job->pipe[1]);
        job->pipe[1] = -1;
        pk__process_hear(job);
        if (job->report.error) {
            pk__process_bury(pid);
        }
    }
    pk__process_close_job(job);
    job->null = job->exec = -1;
    return job->report.error ? 0 : pid;
}

PK__FN pk_err pk__process_spawn(pk__process *p, const pk__spawn_desc *desc, pk_error *err)
{
    pk__process_job job;
    pid_t pid;
    pk_err code;
    memset(p, 0, sizeof(*p));
    p->pidfd = -1;
    code = pk__process_init_job(&job, desc, err);
    if (code) {
        return code;
    }
    pid = pk__process_attempt(&job);
    /* A file that was just written is busy while another thread's child, on its way to exec, has it open. */
    for (long ms = 1; pid == 0 && job.report.error == ETXTBSY && ms <= 32; ms *= 2) {
        struct timespec pause = {0, ms * (long)PK__MS};
        (void)PK__SYS(nanosleep)(&pause);
        pid = pk__process_attempt(&job);
    }
    if (pid == 0) {
        code = job.report.error == ENOMEM ? PK_ERR_NO_MEMORY : PK_ERR_EXEC;
        return pk_error_sys(err, code, job.report.error, "cannot start '%s': %s", desc->path,
                            pk__process_reason(&job));
    }
    p->pid = pid;
    p->owner = (long)getpid();
    p->leads_group = desc->group == 0;
    p->pidfd = pk__fd_lift(PK__SYS(pidfd_open)(pid));
    return PK_OK;
}

/* ---- in the parent: reap */

PK__FN int pk__process_status_of(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED) {
        return (info->si_status & 0xff) << 8;
    }
    return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* waitid for exactly this child. -1 with errno. */
PK__FN int pk__process_waitid(const pk__process *p, siginfo_t *info, int options)
{
    int result;
    memset(info, 0, sizeof(*info));
    do {
        result = p->pidfd >= 0 ? PK__SYS(wait_pidfd)(p->pidfd, info, options) : -1;
        if (p->pidfd < 0 || (result != 0 && errno == EINVAL)) { // Linux 5.3 cannot wait for its pidfds yet
            result = PK__SYS(waitid)(P_PID, (id_t)p->pid, info, options);
        }
    } while (result != 0 && errno == EINTR);
    return result;
}

PK__FN bool pk__process_is_mine(const pk__process *p)
{
    return p->pid > 0 && p->owner == (long)getpid();
}

/* By pidfd where that can be done: it never means anybody else, even if our child is reaped by others. By number only
 * while the process, dead or alive, keeps the number from being given to another. */
PK__FN void pk__process_kill(const pk__process *p, int number, bool group)
{
    siginfo_t info;
    unsigned flags = group ? PK__SYS_TO_GROUP : 0;
    if (p->pidfd >= 0 && (PK__SYS(pidfd_send_signal)(p->pidfd, number, flags) == 0 || errno == ESRCH)) {
        return;
    }
    if (pk__process_waitid(p, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        (void)PK__SYS(kill)(group ? -p->pid : p->pid, number);
    }
}

/* The group, and its leader apart if it is not there any more: it may have joined another one, even ours. */
PK__FN void pk__process_kill_all(const pk__process *p, int number)
{
    if (p->leads_group) {
        pk__process_kill(p, number, true);
    }
    if (!p->leads_group || PK__SYS(getpgid)(p->pid) != p->pid) {
        pk__process_kill(p, number, false);
    }
}

PK__FN void pk__process_signal(pk__process *p, int number)
{
    if (pk__process_is_mine(p)) {
        pk__process_kill_all(p, number);
    }
}

PK__FN bool pk__process_is_alive(const pk__process *p)
{
    return p->pid != 0;
}

PK__FN bool pk__process_is_there(const pk__process *p)
{
    siginfo_t info;
    if (!pk__process_is_mine(p)) {
        return false;
    }
    if (p->pidfd >= 0 && PK__SYS(pidfd_send_signal)(p->pidfd, 0, 0) == 0) {
        return true;
    }
    return pk__process_waitid(p, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

#ifdef PK__LINUX
PK__FN bool pk__process_has_death_signal(void)
{
    return true;
}

/* The value of a line "\nName:\t..." in /proc/PROCESS/status; a process is a number, or "self". "" = there is none. */
PK__FN const char *pk__process_status_line(const char *process, const char *name, char *text, size_t cap)
{
    char path[40];
    (void)snprintf(path, sizeof(path), "/proc/%s/status", process);
    int fd = PK__SYS(open)(path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = fd >= 0 ? pk__fd_read(fd, text, cap - 1) : -1;
    pk__fd_close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, name);
    return line ? line + strlen(name) : "";
}

PK__FN pk__process_stand pk__process_stands_at(pid_t pid)
{
    char number[24], text[1024]; // what is looked for is among the first lines; names there hold no newline
    (void)snprintf(number, sizeof(number), "%ld", (long)pid);
    char state = *pk__process_status_line(number, "\nState:\t", text, sizeof(text));
    const char *tracer = strstr(text, "\nTracerPid:\t");
    bool traced = state == 't' || (tracer && tracer[12] != '0'); // 0 also if it is of an outer namespace
    if (!traced && state != 'T') {
        return PK__PROCESS_RUNS;
    }
    /* If /proc does not know us by our number, it speaks of an outer world, and of somebody else. */
    (void)snprintf(number, sizeof(number), "%ld\n", (long)getpid());
    const char *self = pk__process_status_line("self", "\nPid:\t", text, sizeof(text));
    bool ours = strncmp(self, number, strlen(number)) == 0;
    return !ours ? PK__PROCESS_RUNS : traced ? PK__PROCESS_TRACED : PK__PROCESS_STOPPED;
}
#else
PK__FN bool pk__process_has_death_signal(void)
{
    return false;
}

PK__FN pk__process_stand pk__process_stands_at(pid_t pid)
{
    (void)pid;
    return PK__PROCESS_RUNS;
}
#endif

PK__FN pk__process_stand pk__process_stands(const pk__process *p)
{
    siginfo_t info;
    if (!pk__process_is_mine(p)) {
        return PK__PROCESS_RUNS;
    }
    pk__process_stand stand = pk__process_stands_at(p->pid);
    if (stand != PK__PROCESS_RUNS) {
        return pk__process_is_there(p) ? stand : PK__PROCESS_RUNS; // else the number may be another's
    }
    bool stopped = pk__process_waitid(p, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
    return stopped ? PK__PROCESS_STOPPED : PK__PROCESS_RUNS;
}

PK__FN void pk__process_stop_watching(pk__process *p)
{
    if (p->loop) {
        pk_watch_remove(p->loop, &p->watch);
        pk_timer_stop(p->loop, &p->timer);
        p->loop = NULL;
    }
}

PK__FN bool pk__process_reap(pk__process *p)
{
    siginfo_t info;
    if (p->pid == 0) {
        return true;
    }
    if (!pk__process_is_mine(p)) {
        return false;
    }
    if (pk__process_waitid(p, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        if (info.si_pid == 0) {
            return false;
        }
        p->status = pk__process_status_of(&info);
        if (p->leads_group) {
            pk__process_kill_all(p, SIGKILL); // what it started and left behind
        }
        (void)pk__process_waitid(p, &info, WEXITED | WNOHANG);
    } else if (errno != ECHILD) {
        return false;
    } else {
        p->status = PK__STATUS_UNKNOWN; // the host ignores SIGCHLD, or waits for everybody
        if (p->leads_group && p->pidfd >= 0) {
            (void)PK__SYS(pidfd_send_signal)(p->pidfd, SIGKILL, PK__SYS_TO_GROUP);
        }
    }
    pk__process_stop_watching(p);
    pk__fd_close(p->pidfd);
    p->pidfd = -1;
    p->pid = 0;
    return true;
}

/* ---- in the parent: watch */

#define PK__PROCESS_POLL_MS 50

PK__FN void pk__process_look(pk__process *p)
{
    if (pk__process_reap(p)) {
        p->on_exit(p->user, p->status); // the last thing: p may be gone afterwards
    }
}

PK__FN void pk__process_on_ready(void *user, bool can_read, bool can_write)
{
    (void)can_read, (void)can_write;
    pk__process_look((pk__process *)user);
}

PK__FN void pk__process_on_time(void *user)
{
    pk__process *p = (pk__process *)user;
    p->poll_ms = PK__MIN(p->poll_ms * 2, PK__PROCESS_POLL_MS);
    (void)pk_timer_start(p->loop, &p->timer, p->poll_ms, NULL); // there is room: it was running until now
    pk__process_look(p);
}

PK__FN pk_err pk__process_watch(pk__process *p, pk_loop *loop, void (*on_exit)(void *user, int status),
                                void *user, pk_error *err)
{
    p->on_exit = on_exit;
    p->user = user;
    p->loop = loop;
    if (p->pidfd >= 0) {
        p->watch.fd = p->pidfd;
        p->watch.on_ready = pk__process_on_ready;
        p->watch.user = p;
        return pk_watch_add(loop, &p->watch, true, false, err);
    }
    p->poll_ms = 1;
    p->timer.on_time = pk__process_on_time;
    p->timer.user = p;
    return pk_timer_start(loop, &p->timer, p->poll_ms, err);
}

PK__FN void pk__process_hint(pk__process *p)
{
    if (p->loop && pk__timer_is_running(&p->timer)) {
        p->poll_ms = 1;
        (void)pk_timer_start(p->loop, &p->timer, 0, NULL); // moving a running one cannot fail
    }
}

PK__FN void pk__process_deinit(pk__process *p)
{
    const struct timespec pause = {0, (long)PK__MS};
    pk__process_stop_watching(p);
    /* Not for ever: a process that is stuck in the kernel does not die before it is through there. */
    for (int ms = 0; pk__process_is_mine(p) && ms < 2000 && !pk__process_reap(p); ms++) {
        pk__process_kill_all(p, SIGKILL);
        (void)PK__SYS(nanosleep)(&pause);
    }
    if (p->pid != 0) {
        pk__fd_close(p->pidfd);
        p->pidfd = -1;
        p->pid = 0;
    }
}

/* ---- words */

PK__FN const char *pk__process_signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {SIGHUP, "hangup"},                 {SIGINT, "interrupt"},           {SIGQUIT, "quit"},
        {SIGILL, "illegal instruction"},    {SIGTRAP, "trap"},               {SIGABRT, "aborted"},
        {SIGBUS, "bus error"},              {SIGFPE, "arithmetic error"},    {SIGKILL, "killed"},
        {SIGSEGV, "segmentation fault"},    {SIGPIPE, "broken pipe"},        {SIGALRM, "alarm"},
        {SIGTERM, "terminated"},            {SIGUSR1, "user signal 1"},      {SIGUSR2, "user signal 2"},
        {SIGXCPU, "too much cpu time"},      {SIGXFSZ, "file too large"},     {SIGSYS, "bad system call"},
    };
    for (size_t i = 0; i < PK__COUNT(names); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return "no name";
}

PK__FN const char *pk__process_describe(int status, char *out, size_t cap)
{
    if (status == PK__STATUS_UNKNOWN) {
        snprintf(out, cap, "exited, status unknown");
    } else if (WIFEXITED(status)) {
        snprintf(out, cap, "exit status %d", WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        snprintf(out, cap, "signal %d (%s)", WTERMSIG(status), pk__process_signal_name(WTERMSIG(status)));
    } else {
        snprintf(out, cap, "status %d", status);
    }
    return out;
}

#endif

/* == wire/swar.h == */
/* swar.h - eight bytes at a time, in plain C.
 *
 * A word holds eight bytes, the first one lowest, on every machine. A test gives a mask with the top bit of each byte
 * that passes set. Borrows run upwards, so a byte behind the first hit may be a false hit: only the first one counts,
 * and pk__swar_first tells which byte that is.
 *
 *     while (end - p >= 8 && !pk__swar_json(pk__swar_load(p))) { p += 8; } */
#ifdef PLUGKIT_LINES
#line 7 "src/wire/swar.h"
#endif





#define PK__SWAR_ONES UINT64_C(0x0101010101010101)
#define PK__SWAR_TOPS UINT64_C(0x8080808080808080)

PK__FN uint64_t pk__swar_reverse(uint64_t word)
{
    word = (word >> 8 & UINT64_C(0x00FF00FF00FF00FF)) | (word & UINT64_C(0x00FF00FF00FF00FF)) << 8;
    word = (word >> 16 & UINT64_C(0x0000FFFF0000FFFF)) | (word & UINT64_C(0x0000FFFF0000FFFF)) << 16;
    return word >> 32 | word << 32;
}

PK__FN inline uint64_t pk__swar_load(const char *at)
{
    const uint16_t one = 1;
    unsigned char lowest; // 1 where the first byte is the lowest one; compilers know it beforehand
    uint64_t word;
    memcpy(&lowest, &one, sizeof(lowest));
    memcpy(&word, at, sizeof(word));
    return lowest ? word : pk__swar_reverse(word);
}

/* Every byte but c. */
PK__FN inline uint64_t pk__swar_not(uint64_t word, unsigned char c)
{
    word ^= PK__SWAR_ONES * c;
    return (((word & ~PK__SWAR_TOPS) + ~PK__SWAR_TOPS) | word) & PK__SWAR_TOPS;
}

/* Are all eight digits? */
PK__FN inline bool pk__swar_is_number(uint64_t word)
{
    const uint64_t high = PK__SWAR_ONES * 0xF0, zeros = PK__SWAR_ONES * '0';
    return (word & high) == zeros && ((word + PK__SWAR_ONES * 6) & high) == zeros;
}

/* Eight digits as a number: pairs first, then fours, then all. */
PK__FN inline uint64_t pk__swar_number(uint64_t word)
{
    const uint64_t pairs = UINT64_C(0x000000FF000000FF);
    word -= PK__SWAR_ONES * '0';
    word = word * 10 + (word >> 8);
    return ((word & pairs) * UINT64_C(0x000F424000000064) + (word >> 16 & pairs) * UINT64_C(0x0000271000000001)) >> 32;
}

/* What a JSON string cannot simply run over: control characters and the quote (which is 0x20 once bit 1 is turned, so
 * that one comparison finds both), the backslash, and all that is not ASCII. */
PK__FN inline uint64_t pk__swar_json(uint64_t word)
{
    uint64_t low = (word ^ PK__SWAR_ONES * 0x02) - PK__SWAR_ONES * 0x21;
    uint64_t backslash = (word ^ PK__SWAR_ONES * '\\') - PK__SWAR_ONES;
    return (low | backslash | word) & PK__SWAR_TOPS;
}

/* The index of the first byte that a mask marks; the mask is not 0. */
PK__FN inline unsigned pk__swar_first(uint64_t mask)
{
    uint64_t lowest = (mask & (0 - mask)) >> 7;
    return (unsigned)(((lowest - 1) & PK__SWAR_ONES) * PK__SWAR_ONES >> 56);
}



/* == wire/utf8.h == */
/* utf8.h - UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 * Whatever crosses a process boundary as text is checked here once. */
#ifdef PLUGKIT_LINES
#line 3 "src/wire/utf8.h"
#endif




/* How many bytes the character at p has, 1 to 4; 0 = that is no UTF-8, or it is cut off by `end`. p is before end. */
PK__FN size_t pk__utf8_len(const char *p, const char *end);
PK__FN bool pk__utf8_valid(pk_str text);
/* Writes a code point, which must be a valid one; returns how many bytes (1 to 4). */
PK__FN size_t pk__utf8_put(char *out, uint32_t code);



/* == wire/number.h == */
/* number.h - numbers between JSON text and machine words, exactly.
 *
 * No strtod, no printf: neither the locale nor the rounding mode nor the width of floating registers plays a part,
 * everything is integer arithmetic. A decimal number w * 10^q becomes the nearest double by multiplying w with the
 * first 128 bits of 5^q; the few cases that this cannot decide (exact ties, more than 19 digits next to one) are
 * compared digit by digit with big integers. A double becomes the shortest decimal that reads back as the same double,
 * and of those the closest, by Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles").
 *
 * Both need 5^q for q from -343 to 324. A full table has 10 KiB; here are 25 powers of 192 bits and 28 small ones, and
 * one multiplication makes all others of them, exact to the last of 128 bits: a test computes each of them anew. */
#ifdef PLUGKIT_LINES
#line 10 "src/wire/number.h"
#endif




typedef enum pk__number_kind { PK__NUMBER_BAD, PK__NUMBER_INTEGER, PK__NUMBER_REAL } pk__number_kind;

enum { PK__NUMBER_CAP = 32 }; // bytes that the longest number needs, with room to spare

/* Moves *at behind the number that starts there, by JSON's grammar. BAD: *at is where it went wrong. */
PK__FN pk__number_kind pk__number_scan(const char **at, const char *end);

/* These take text that pk__number_scan accepted. False: no integer, or one that does not fit. "-0" is the integer 0. */
PK__FN bool pk__number_to_int(pk_str text, int64_t *out);
PK__FN bool pk__number_to_uint(pk_str text, uint64_t *out);
/* What stands before the point, of any number, once its exponent has moved that: 1.5e3 is 1500, -0.9 is 0. */
PK__FN bool pk__number_to_whole(pk_str text, int64_t *out);
/* The nearest double, ties to even. False: larger than any double. Tiny numbers become 0 with their sign. */
PK__FN bool pk__number_to_double(pk_str text, double *out);

/* These write to out, which has room for PK__NUMBER_CAP bytes, and return the end; no NUL. */
PK__FN char *pk__number_put_int(char *out, int64_t value);
PK__FN char *pk__number_put_uint(char *out, uint64_t value);
PK__FN char *pk__number_put_double(char *out, double value); // which is finite: 0.1, 100, 1e16, 5e-324, -0



/* == wire/base64.h == */
/* base64.h - bytes as text: base64 (RFC 4648) and hex.
 *
 * Decoding is strict: no white space, no characters of another alphabet, no bits left over, so that every text has one
 * meaning and every meaning one text. Flags widen it: JSON Web Keys and some peers leave the padding away. */
#ifdef PLUGKIT_LINES
#line 4 "src/wire/base64.h"
#endif




enum {
    PK__BASE64_STD = 0,      // + and /, padded
    PK__BASE64_UNPADDED = 1, // padding may be missing
    PK__BASE64_URL = 2       // - and _ instead of + and /
};

PK__FN bool pk__base64_encode(pk_buf *out, pk_str bytes); // appends, standard and padded; false: the buffer failed
/* Writes to out, which has room for text.len bytes and may be text.ptr itself; returns false if it is not base64. */
PK__FN bool pk__base64_decode(pk_str text, unsigned flags, char *out, size_t *len);

PK__FN bool pk__hex_encode(pk_buf *out, pk_str bytes); // appends lower case; false: the buffer failed
/* Both cases; out has room for text.len / 2 bytes and may be text.ptr itself. False: an odd length, or no hex. */
PK__FN bool pk__hex_decode(pk_str text, char *out, size_t *len);



/* == wire/duration.h == */
/* duration.h - durations as people and Go's time.ParseDuration write them: "5m", "1h30m", "-1.5s", "100ms".
 *
 * Units: ns, us (also with either micro sign), ms, s, m, h. A plain integer counts nanoseconds: that is what Go's
 * encoding/json makes of a time.Duration. What does not fit into int64 nanoseconds (292 years) is refused, not clamped;
 * fractions of a nanosecond are cut off. */
#ifdef PLUGKIT_LINES
#line 5 "src/wire/duration.h"
#endif




enum { PK__DURATION_CAP = 40 }; // bytes that any duration needs as text, the NUL included

PK__FN bool pk__duration_parse(pk_str text, pk_ns *out); // false: not a duration, or it does not fit
/* The shortest exact text that reads back: "1h30m", "1.5s", "250ms", "0s". Returns its length. */
PK__FN size_t pk__duration_format(char out[PK__DURATION_CAP], pk_ns value);



/* == wire/semver.h == */
/* semver.h - versions by Semantic Versioning 2.0.0: "1.4.0", "2.0.0-rc.1+build.5".
 *
 * Contracts use one simple rule, pk__semver_serves: the same major number, and a minor number that is not lower. Who
 * chooses plugins by version may write a range instead:
 *
 *     1.2.3    this one (1.2: any 1.2.x; 1: any 1.x.y)        ^1.2.3   from 1.2.3 on, below 2.0.0 (^0.2.3: below 0.3.0)
 *     *, ""    any                                            ~1.2.3   from 1.2.3 on, below 1.3.0 (~1: below 2.0.0)
 *
 * A prerelease is only in a range whose own version is a prerelease of the same three numbers: nobody gets 2.0.0-rc.1
 * who did not ask for it. */
#ifdef PLUGKIT_LINES
#line 10 "src/wire/semver.h"
#endif




typedef struct pk__semver {
    uint64_t part[3];      // major, minor, patch
    pk_str before, build;  // views: "rc.1", "build.5"
} pk__semver;

PK__FN bool pk__semver_parse(pk_str text, pk__semver *out); // false: not a version
/* Precedence: below 0, 0, above 0. Builds play no part. */
PK__FN int pk__semver_compare(const pk__semver *a, const pk__semver *b);
/* Can a provider of that version of a contract serve a caller that needs this one? */
PK__FN bool pk__semver_serves(const pk__semver *provider, const pk__semver *needed);
/* Is the version in the range? False also if the range cannot be read: pk__semver_is_range tells. */
PK__FN bool pk__semver_matches(const pk__semver *version, pk_str range);
PK__FN bool pk__semver_is_range(pk_str range);



/* == wire/json_read.h == */
/* json_read.h - the strict JSON reader behind pk_json_parse, pk_json_check and the struct tables.
 *
 * One cursor, a plain `const char *`, goes through the text once; every function takes it and returns where it stands
 * afterwards, or NULL after a mistake. The reader knows then where and why, and pk__json_error makes a sentence of it.
 * Nothing recurses: pk__json_value goes through a value of any depth with one bit a level, so that ten megabytes of
 * brackets cost a comparison and no stack.
 *
 * Parsing copies the text once and works in the copy: strings are unescaped in place (they only get shorter) and end
 * with a NUL where their quote was, numbers stay as they are and are converted when somebody asks. So a document is two
 * pieces of memory, the copy and an array of 16-byte nodes in the order of the text, keys in front of their values.
 * A container knows how many nodes it spans: stepping over it takes one addition. */
#ifdef PLUGKIT_LINES
#line 11 "src/wire/json_read.h"
#endif





typedef struct pk__json_reader {
    const char *begin, *end;
    uint32_t depth;       // levels that the caller has opened already
    bool escaped;         // the last string has escapes
    pk_err failed;        // PK_OK, PK_ERR_BAD_JSON, PK_ERR_LIMIT (depth), PK_ERR_NO_MEMORY
    const char *wrong;    // after a mistake: where,
    const char *expected; // and what should have been there (static)
} pk__json_reader;

/* A value, or the key of a member. Node 0 of a document is empty and the root is node 1, so that there is always a
 * node before a value: it is a key if and only if the value is a member. */
struct pk_json_value {
    uint64_t tag; // the type in the low three bits; above: bytes of a string, key or number; items; or true
    union {
        const char *text; // of a string, key (a NUL follows both) or number
        size_t span;      // of an array or object: nodes to what follows it
    } of;
};

enum { PK__JSON_KEY = 7, PK__JSON_TYPE_BITS = 3, PK__JSON_TYPE_MASK = 7 };

/* Where pk__json_value puts what it reads. */
typedef struct pk__json_tree {
    pk_mem *mem;
    pk_json_value *nodes;
    size_t count, cap;
    size_t open; // the innermost open container; its span is the next one outwards until it closes
} pk__json_tree;

PK__FN void pk__json_begin(pk__json_reader *r, pk_str text);
/* Fails at `at`; returns NULL. */
PK__FN const char *pk__json_wrong(pk__json_reader *r, const char *at, const char *expected);
/* Makes the error of a failed reader: "cannot <what>: line 3, column 14: expected ..., got ... near ...". The text is
 * passed again, for the reader may have unescaped its own copy. */
PK__FN pk_err pk__json_error(const pk__json_reader *r, pk_str text, const char *what, pk_error *err);

PK__FN const char *pk__json_skip_space(const char *p, const char *end);
/* Most tokens follow each other at once. */
PK__FN inline const char *pk__json_space(const char *p, const char *end)
{
    return p < end && (unsigned char)*p <= ' ' ? pk__json_skip_space(p, end) : p;
}
/* What stands at p: NUL at the end, for no token begins with one. */
PK__FN inline char pk__json_peek(const pk__json_reader *r, const char *p)
{
    return p < r->end ? *p : '\0';
}
/* Goes over the string whose opening quote is at p. What is between the quotes is valid UTF-8 with valid escapes. */
PK__FN const char *pk__json_string(pk__json_reader *r, const char *p);
/* Takes the escapes out of what stood between the quotes, in place; returns the new length. */
PK__FN size_t pk__json_unescape(char *text, size_t len);
/* Goes over the value at p and all that is in it. With a tree the text is the tree's copy, and nodes are made. */
PK__FN const char *pk__json_value(pk__json_reader *r, const char *p, pk__json_tree *tree);
/* Checks that only white space follows. */
PK__FN const char *pk__json_end(pk__json_reader *r, const char *p);

/* Containers, for callers that know what is in them:
 *
 *     for (p = pk__json_open(r, p, &more); p && more; p = pk__json_more(r, p, '}', &more)) {
 *         p = pk__json_key(r, p, &key);  then the value
 *     }
 *
 * Opening starts at the bracket, and is at the first item afterwards; without items (*more is false) behind the end.
 * After an item pk__json_more goes over a comma (*more is true) or the closing bracket. */
PK__FN const char *pk__json_open(pk__json_reader *r, const char *p, bool *more);
PK__FN const char *pk__json_more(pk__json_reader *r, const char *p, char bracket, bool *more);
/* Goes over a key and its colon; *key is what stood between the quotes, r->escaped tells whether it has escapes. */
PK__FN const char *pk__json_key(pk__json_reader *r, const char *p, pk_str *key);



/* == wire/json_write.h == */
/* json_write.h - what the struct tables need of the JSON writer beyond its public functions.
 *
 * The writer (api/json.h) notices the first mistake, writes nothing from then on, and tells at the end: its `failed` is
 * one of these reasons. A pk_buf that fails is a mistake like any other; the buffer knows whether it is full or memory
 * is short. */
#ifdef PLUGKIT_LINES
#line 5 "src/wire/json_write.h"
#endif




typedef enum pk__json_fault {
    PK__JSON_FINE,
    PK__JSON_BUFFER,
    PK__JSON_NOT_UTF8,
    PK__JSON_NOT_FINITE,
    PK__JSON_BAD_RAW,
    PK__JSON_TOO_DEEP,
    PK__JSON_NO_KEY,     // a value where a key is due
    PK__JSON_NO_OBJECT,  // a key outside of an object
    PK__JSON_NO_VALUE,   // a key or the end where a value is due
    PK__JSON_SECOND,     // a second value at the top
    PK__JSON_TOO_MANY_ENDS,
    PK__JSON_OPEN        // finished within a container
} pk__json_fault;

PK__FN pk_err pk__json_fault_code(const pk_json_writer *w);
PK__FN const char *pk__json_fault_text(const pk_json_writer *w); // "a string is not UTF-8"



/* == wire/utf8.c == */
/* utf8.c - checking and writing UTF-8. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/utf8.c"
#endif



PK__FN size_t pk__utf8_len(const char *p, const char *end)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    unsigned char c = s[0];
    if (c < 0x80) {
        return 1;
    }
    if (left < 2 || c < 0xC2 || c > 0xF4 || (s[1] & 0xC0) != 0x80) {
        return 0;
    }
    if (c < 0xE0) {
        return 2;
    }
    if (left < 3 || (s[2] & 0xC0) != 0x80) {
        return 0;
    }
    if (c < 0xF0) { // E0 80..9F would be overlong, ED A0..BF is a surrogate
        return (c == 0xE0 && s[1] < 0xA0) || (c == 0xED && s[1] > 0x9F) ? 0 : 3;
    }
    if (left < 4 || (s[3] & 0xC0) != 0x80) {
        return 0;
    }
    return (c == 0xF0 && s[1] < 0x90) || (c == 0xF4 && s[1] > 0x8F) ? 0 : 4; // overlong, above U+10FFFF
}

PK__FN bool pk__utf8_valid(pk_str text)
{
    const char *p = text.ptr;
    const char *end = text.len > 0 ? p + text.len : p;
    while (p < end) {
        if (end - p >= 8 && (pk__swar_load(p) & PK__SWAR_TOPS) == 0) {
            p += 8;
            continue;
        }
        size_t len = pk__utf8_len(p, end);
        if (len == 0) {
            return false;
        }
        p += len;
    }
    return true;
}

PK__FN size_t pk__utf8_put(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* == wire/number.c == */
/* number.c - exact conversions of numbers, see number.h. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/number.c"
#endif







typedef char pk__number_needs_binary64[DBL_MANT_DIG == 53 && DBL_MAX_EXP == 1024 && sizeof(double) == 8 ? 1 : -1];

/* ---- the grammar */

static bool pk__number_at_digit(const char *p, const char *end)
{
    return p < end && (unsigned char)(*p - '0') < 10;
}

static const char *pk__number_skip_digits(const char *p, const char *end)
{
    while (pk__number_at_digit(p, end)) {
        p++;
    }
    return p;
}

PK__FN pk__number_kind pk__number_scan(const char **at, const char *end)
{
    const char *p = *at;
    pk__number_kind kind = PK__NUMBER_INTEGER;
    if (p < end && *p == '-') {
        p++;
    }
    *at = p;
    if (!pk__number_at_digit(p, end)) {
        return PK__NUMBER_BAD;
    }
    p = *p == '0' ? p + 1 : pk__number_skip_digits(p, end); // a leading zero stands alone
    if (p < end && *p == '.') {
        *at = ++p;
        if (!pk__number_at_digit(p, end)) {
            return PK__NUMBER_BAD;
        }
        p = pk__number_skip_digits(p, end);
        kind = PK__NUMBER_REAL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) {
            p++;
        }
        *at = p;
        if (!pk__number_at_digit(p, end)) {
            return PK__NUMBER_BAD;
        }
        p = pk__number_skip_digits(p, end);
        kind = PK__NUMBER_REAL;
    }
    *at = p;
    return kind;
}

/* ---- integers */

PK__FN bool pk__number_to_uint(pk_str text, uint64_t *out)
{
    const char *p = text.ptr;
    const char *end = p + text.len;
    uint64_t value = 0;
    bool negative = *p == '-';
    for (p += negative; p < end; p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (digit > 9 || value > UINT64_MAX / 10 || value * 10 > UINT64_MAX - digit) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (negative && value > 0) {
        return false;
    }
    *out = value;
    return true;
}

static bool pk__number_sign(uint64_t size, bool negative, int64_t *out)
{
    if (size > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = !negative ? (int64_t)size : size == 0 ? 0 : -(int64_t)(size - 1) - 1;
    return true;
}

PK__FN bool pk__number_to_int(pk_str text, int64_t *out)
{
    uint64_t size;
    bool negative = text.ptr[0] == '-';
    pk_str digits = {text.ptr + negative, text.len - negative};
    return pk__number_to_uint(digits, &size) && pk__number_sign(size, negative, out);
}

PK__FN char *pk__number_put_uint(char *out, uint64_t value)
{
    char digits[20];
    char *first = digits + sizeof(digits);
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    size_t count = (size_t)(digits + sizeof(digits) - first);
    memcpy(out, first, count);
    return out + count;
}

PK__FN char *pk__number_put_int(char *out, int64_t value)
{
    if (value < 0) {
        *out++ = '-';
        return pk__number_put_uint(out, 0 - (uint64_t)value);
    }
    return pk__number_put_uint(out, (uint64_t)value);
}

/* ---- powers of five, 128 bits each */

typedef struct pk__number_wide {
    uint64_t hi, lo;
} pk__number_wide;

static pk__number_wide pk__number_mul(uint64_t a, uint64_t b)
{
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0;
    uint64_t mid = a1 * b0 + (low >> 32);
    uint64_t mid2 = a0 * b1 + (uint32_t)mid;
    pk__number_wide product;
    product.hi = a1 * b1 + (mid >> 32) + (mid2 >> 32);
    product.lo = mid2 << 32 | (uint32_t)low;
    return product;
}

static unsigned pk__number_leading_zeros(uint64_t x)
{
    unsigned count = 0;
    for (unsigned step = 32; step > 0; step /= 2) {
        if (x >> (64 - step) == 0) {
            count += step;
            x <<= step;
        }
    }
    return count;
}

enum { PK__NUMBER_STEP = 28, PK__NUMBER_LEAST = -13 * PK__NUMBER_STEP };

/* 5^LEAST, 5^(LEAST + STEP), ... 5^308: the first 192 bits of each, cut off. */
static const uint64_t pk__number_powers[][3] = {
    {0xe1afa13afbd14d6d, 0x82189c09a3a1ec21, 0x7a43516213c7e04c},
    {0xe3e27a444d8d98b7, 0xfd1b1b2308169b25, 0x363b1f2c568dc3e2},
    {0xe61acf033d1a45df, 0x6fb92487298e33bd, 0xadd7728c20b99bd1},
    {0xe858ad248f5c22c9, 0xd1b3400f8f9cff68, 0xf910f9f648232f14},
    {0xea9c227723ee8bcb, 0x465e15a979c1cadc, 0x0a0ce827eac11f2d},
    {0xece53cec4a314ebd, 0xa4f8bf5635246428, 0x4609ac5c7899ca36},
    {0xef340a98172aace4, 0x86fb897116c87c34, 0x9c39c1da4c49278d},
    {0xf18899b1bc3f8ca1, 0xdc44e6c3cb279ac1, 0xf80f36174730ca34},
    {0xf3e2f893dec3f126, 0x5a89dba3c3efccfa, 0xd8ecb58659be9c90},
    {0xf64335bcf065d37d, 0x4d4617b5ff4a16d5, 0xaa09501d5954a559},
    {0xf8a95fcf88747d94, 0x75a44c6397ce912a, 0x33cca6c06b07b74d},
    {0xfb158592be068d2e, 0xeed6e2f0f0d56712, 0xac2e4f162cfad40a},
    {0xfd87b5f28300ca0d, 0x8bca9d6e188853fc, 0x76dcb60081ce0fa5},
    {0x8000000000000000, 0x0000000000000000, 0x0000000000000000},
    {0x813f3978f8940984, 0x4000000000000000, 0x0000000000000000},
    {0x82818f1281ed449f, 0xbff8f10e7a8921a4, 0x2000000000000000},
    {0x83c7088e1aab65db, 0x792667c6da79e0fa, 0x0861d3ee22d1cc53},
    {0x850fadc09923329e, 0x03e2cf6bc604ddb0, 0x74a7ef0198791097},
    {0x865b86925b9bc5c2, 0x0b8a2392ba45a9b2, 0x5c6658d409fb8bf7},
    {0x87aa9aff79042286, 0x90fb44d2f05d0842, 0xfb118fc9c217a1d2},
    {0x88fcf317f22241e2, 0x441fece3bdf81f03, 0x12f274928400100d},
    {0x8a5296ffe33cc92f, 0x82bd6b70d99aaa6f, 0xbc10c5c5cda97c8d},
    {0x8bab8eefb6409c1a, 0x1ad089b6c2f7548e, 0x25c7b885ba466e37},
    {0x8d07e33455637eb2, 0xdb0b487b6423e1e8, 0x7ec63730f500b406},
    {0x8e679c2f5e44ff8f, 0x570f09eaa7ea7648, 0x5961db50c6d2b886},
};

/* 5^0 ... 5^27, moved up to the top bit. */
static const uint64_t pk__number_small[PK__NUMBER_STEP] = {
    0x8000000000000000, 0xa000000000000000, 0xc800000000000000, 0xfa00000000000000,
    0x9c40000000000000, 0xc350000000000000, 0xf424000000000000, 0x9896800000000000,
    0xbebc200000000000, 0xee6b280000000000, 0x9502f90000000000, 0xba43b74000000000,
    0xe8d4a51000000000, 0x9184e72a00000000, 0xb5e620f480000000, 0xe35fa931a0000000,
    0x8e1bc9bf04000000, 0xb1a2bc2ec5000000, 0xde0b6b3a76400000, 0x8ac7230489e80000,
    0xad78ebc5ac620000, 0xd8d726b7177a8000, 0x878678326eac9000, 0xa968163f0a57b400,
    0xd3c21bcecceda100, 0x84595161401484a0, 0xa56fa5b99019a5c8, 0xcecb8f27f4200f3a,
};

/* The first 128 bits of 5^q, cut off, for q from -343 to 324: 5^q = (these bits + less than 1) * 2^(e - 127) with
 * e = floor(log2(5^q)). Exact for 0 <= q <= 55. */
static pk__number_wide pk__number_power(int q)
{
    const uint64_t *base = pk__number_powers[(q - PK__NUMBER_LEAST) / PK__NUMBER_STEP];
    uint64_t factor = pk__number_small[(q - PK__NUMBER_LEAST) % PK__NUMBER_STEP];
    pk__number_wide a = pk__number_mul(base[0], factor);
    pk__number_wide b = pk__number_mul(base[1], factor);
    pk__number_wide c = pk__number_mul(base[2], factor);
    b.lo += c.hi;
    b.hi += b.lo < c.hi;
    a.lo += b.hi;
    a.hi += a.lo < b.hi;
    if (a.hi >> 63 == 0) {
        a.hi = a.hi << 1 | a.lo >> 63;
        a.lo = a.lo << 1 | b.lo >> 63;
    }
    return a;
}

/* floor(log2(10^e)), floor(log10(2^e)) and floor(log10(2^e * 3/4)), exact for all exponents of doubles. Negative
 * numbers are shifted arithmetically by every compiler there is; tests would notice one that does not. */
static int pk__number_log2_of_10(int e)
{
    return (e * 1741647) >> 19;
}

static int pk__number_log10_of_2(int e, bool three_quarters)
{
    return (e * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}

/* ---- decimal numbers */

typedef struct pk__number_decimal {
    uint64_t digits;     // the first 19 significant digits
    int64_t exponent;    // the number is digits * 10^exponent,
    bool more, negative; // or, with `more`, less than one digit larger
} pk__number_decimal;

/* The exponent behind the 'e' at p; far beyond the range of doubles it stops counting. */
static int64_t pk__number_read_exponent(const char *p, const char *end)
{
    int64_t exponent = 0;
    bool negative = p < end && *p == '-';
    for (p += p < end && !pk__number_at_digit(p, end); p < end && exponent < INT64_MAX / 32; p++) {
        exponent = exponent * 10 + (*p - '0');
    }
    return negative ? -exponent : exponent;
}

static pk__number_decimal pk__number_read(pk_str text)
{
    const uint64_t full = UINT64_C(1000000000000000000); // at least this: 19 digits
    const char *end = text.ptr + text.len;
    pk__number_decimal d = {0, 0, false, false};
    int behind_point = 0;
    d.negative = text.ptr[0] == '-';
    for (const char *p = text.ptr + d.negative; p < end; p++) {
        while (end - p >= 8 && d.digits < full / 100000000 && pk__swar_is_number(pk__swar_load(p))) {
            d.digits = d.digits * 100000000 + pk__swar_number(pk__swar_load(p));
            d.exponent -= 8 * behind_point;
            p += 8;
        }
        if (p == end) {
            break;
        }
        unsigned digit = (unsigned char)(*p - '0');
        if (digit < 10 && d.digits < full) {
            d.digits = d.digits * 10 + digit;
            d.exponent -= behind_point;
        } else if (digit < 10) {
            d.more |= digit != 0;
            d.exponent += 1 - behind_point;
        } else if (*p == '.') {
            behind_point = 1;
        } else {
            d.exponent += pk__number_read_exponent(p + 1, end);
            break;
        }
    }
    return d;
}

PK__FN bool pk__number_to_whole(pk_str text, int64_t *out)
{
    pk__number_decimal d = pk__number_read(text);
    for (; d.exponent < 0 && d.digits > 0; d.exponent++) {
        d.digits /= 10;
    }
    for (; d.exponent > 0 && d.digits > 0; d.exponent--) {
        if (d.digits > INT64_MAX / 10) {
            return false;
        }
        d.digits *= 10;
    }
    return pk__number_sign(d.digits, d.negative, out);
}

/* ---- text to double */

/* A double by its bits, without sign; infinity is what comes behind the largest. */
typedef struct pk__number_guess {
    uint64_t below; // the double at or below the number
    bool up;        // the next one is nearer
    bool unsure;    // `up` could not be decided with 128 bits
} pk__number_guess;

static const uint64_t pk__number_infinity = UINT64_C(0x7FF) << 52;

/* digits * 10^q, for digits > 0 and q from -343 to 308. */
static pk__number_guess pk__number_guess_double(uint64_t digits, int q)
{
    pk__number_guess guess = {0, false, false};
    unsigned zeros = pk__number_leading_zeros(digits);
    pk__number_wide power = pk__number_power(q);
    pk__number_wide product = pk__number_mul(digits << zeros, power.hi);
    pk__number_wide low = pk__number_mul(digits << zeros, power.lo);
    uint64_t hi = product.hi, lo = product.lo + low.hi;
    hi += lo < low.hi;

    /* The number is (hi:lo + less than 2) * 2^x, and exactly hi:lo:low.lo for small powers. Its first bit is worth
     * 2^e, so all bits below the 53rd one behind it are cut off, or more of a subnormal number. */
    unsigned top = (unsigned)(hi >> 63);
    int e = pk__number_log2_of_10(q) + 63 - (int)zeros + (int)top;
    int cut = 10 + (int)top + (e < -1022 ? -1022 - e : 0); // bits of hi; all of lo goes anyway
    if (e > 1023) {
        guess.below = pk__number_infinity;
        return guess;
    }
    if (cut > 64) { // below half of the least number; or so near to it that "less than 2" could reach it
        guess.unsure = cut == 65 && hi == UINT64_MAX;
        return guess;
    }
    uint64_t half = UINT64_C(1) << (cut - 1);
    uint64_t rest = hi & (half - 1 + half);
    guess.below = cut < 64 ? hi >> cut : 0;
    guess.below += e < -1022 ? 0 : (uint64_t)(e + 1022) << 52; // the first bit itself counts one up in the exponent
    guess.up = rest >= half;
    if (q >= 0 && q <= 55) {
        bool tie = rest == half && (lo | low.lo) == 0;
        guess.up = tie ? guess.below & 1 : guess.up;
    } else {
        guess.unsure = (rest == half && lo == 0) || (rest == half - 1 && lo == UINT64_MAX);
    }
    return guess;
}

/* Big integers for what 128 bits cannot decide. The longest has 2,712 bits: 54 of a double times 5^1143. */
enum { PK__NUMBER_LIMBS = 96, PK__NUMBER_DIGITS = 800 };

typedef struct pk__number_big {
    size_t count;
    uint32_t limbs[PK__NUMBER_LIMBS]; // lowest first
} pk__number_big;

static void pk__number_big_mul(pk__number_big *n, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    for (size_t i = 0; i < n->count; i++) {
        carry += (uint64_t)n->limbs[i] * factor;
        n->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && n->count < PK__NUMBER_LIMBS) {
        n->limbs[n->count++] = (uint32_t)carry;
    }
}

static void pk__number_big_scale(pk__number_big *n, int fives, int twos)
{
    for (; fives >= 13; fives -= 13) {
        pk__number_big_mul(n, 1220703125, 0);
    }
    for (; fives > 0; fives--) {
        pk__number_big_mul(n, 5, 0);
    }
    for (; twos >= 31; twos -= 31) {
        pk__number_big_mul(n, UINT32_C(1) << 31, 0);
    }
    pk__number_big_mul(n, UINT32_C(1) << (twos > 0 ? twos : 0), 0);
}

static int pk__number_big_compare(const pk__number_big *a, const pk__number_big *b)
{
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    for (size_t i = a->count; i-- > 0;) {
        if (a->limbs[i] != b->limbs[i]) {
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Is the number in `text` nearer to the double behind `below`? Both are compared with the middle between the two, which
 * has 767 significant digits at most: of a longer number the first 800 and whether more follow are enough. */
static bool pk__number_is_above_middle(pk_str text, uint64_t below)
{
    pk__number_big number = {0, {0}}, middle = {0, {0}};
    int count = 0;
    int64_t exponent = 0;
    bool more = false, behind_point = false;
    const char *end = text.ptr + text.len;
    for (const char *p = text.ptr + (text.ptr[0] == '-'); p < end; p++) {
        if (*p == '.') {
            behind_point = true;
        } else if (!pk__number_at_digit(p, end)) {
            exponent += pk__number_read_exponent(p + 1, end);
            break;
        } else if (count < PK__NUMBER_DIGITS) {
            pk__number_big_mul(&number, 10, (uint32_t)(*p - '0'));
            count += number.count > 0;
            exponent -= behind_point;
        } else {
            more |= *p != '0';
            exponent += !behind_point;
        }
    }

    int biased = (int)(below >> 52);
    uint64_t mantissa = (below & (UINT64_MAX >> 12)) | (uint64_t)(biased > 0) << 52;
    int twos = (biased > 0 ? biased : 1) - 1075 - 1; // of the middle, (2 mantissa + 1) * 2^twos
    mantissa = 2 * mantissa + 1;
    pk__number_big_mul(&middle, 0, (uint32_t)(mantissa >> 32));
    pk__number_big_scale(&middle, 0, 32);
    middle.count = middle.count ? middle.count : 1;
    middle.limbs[0] |= (uint32_t)mantissa;

    int q = (int)exponent; // of a number within the range of doubles
    pk__number_big_scale(&number, q, q - twos);
    pk__number_big_scale(&middle, -q, twos - q);
    int order = pk__number_big_compare(&number, &middle);
    return order > 0 || (order == 0 && (more || (below & 1)));
}

PK__FN bool pk__number_to_double(pk_str text, double *out)
{
    pk__number_decimal d = pk__number_read(text);
    uint64_t bits = 0;
    if (d.digits > 0 && d.exponent > 308) {
        return false;
    }
    if (d.digits > 0 && d.exponent >= -343) {
        pk__number_guess guess = pk__number_guess_double(d.digits, (int)d.exponent);
        if (d.more) { // somewhere between digits and digits + 1
            pk__number_guess next = pk__number_guess_double(d.digits + 1, (int)d.exponent);
            guess.unsure |= next.unsure || next.below + next.up != guess.below + guess.up;
        }
        if (guess.unsure) {
            guess.up = pk__number_is_above_middle(text, guess.below);
        }
        bits = guess.below + guess.up;
    }
    if (bits >= pk__number_infinity) {
        return false;
    }
    bits |= (uint64_t)d.negative << 63;
    memcpy(out, &bits, sizeof(bits));
    return true;
}

/* ---- double to text */

/* (power * x) / 2^128, with the last bit set if anything was cut off. The power is rounded up, so that a remainder of
 * one is none. */
static uint64_t pk__number_round_to_odd(pk__number_wide power, uint64_t x)
{
    pk__number_wide low = pk__number_mul(power.lo, x);
    pk__number_wide high = pk__number_mul(power.hi, x);
    high.lo += low.hi;
    high.hi += high.lo < low.hi;
    return high.hi | (high.lo > 1);
}

/* The shortest decimal that reads back as mantissa * 2^e, of those the closest: digits * 10^exponent. */
static pk__number_decimal pk__number_shortest(uint64_t mantissa, int e, bool nearer_below)
{
    /* In units of 10^k, times 4: the number and the ends of what still rounds to it. An end itself counts if the
     * mantissa is even. */
    int k = pk__number_log10_of_2(e, nearer_below);
    int shift = e + pk__number_log2_of_10(-k) + 1;
    pk__number_wide power = pk__number_power(-k);
    if (k > 0 || k < -55) {
        power.hi += ++power.lo == 0; // inexact: the next one up
    }
    uint64_t odd = mantissa & 1;
    uint64_t middle = pk__number_round_to_odd(power, mantissa * 4 << shift);
    uint64_t least = pk__number_round_to_odd(power, (mantissa * 4 - 2 + nearer_below) << shift) + odd;
    uint64_t most = pk__number_round_to_odd(power, (mantissa * 4 + 2) << shift) - odd;

    pk__number_decimal d = {middle / 4, k, false, false};
    uint64_t tens = d.digits / 10 * 10; // one digit less, if exactly one neighbour is inside
    bool under = least <= tens * 4;
    bool over = (tens + 10) * 4 <= most;
    if (d.digits >= 10 && under != over) {
        d.digits = tens + (over ? 10 : 0);
        return d;
    }
    under = least <= d.digits * 4;
    over = (d.digits + 1) * 4 <= most;
    if (under != over) {
        d.digits += over;
    } else {
        uint64_t half = d.digits * 4 + 2;
        d.digits += middle > half || (middle == half && (d.digits & 1));
    }
    return d;
}

/* Plain between 1e-6 and 1e16, so that what looks like an integer is the exact value. `point` digits stand before the
 * point. */
static char *pk__number_put_decimal(char *out, const char *digits, int count, int point)
{
    if (point > 16 || point < -5) {
        *out++ = digits[0];
        if (count > 1) {
            *out++ = '.';
            memcpy(out, digits + 1, (size_t)count - 1);
            out += count - 1;
        }
        *out++ = 'e';
        return pk__number_put_int(out, point - 1);
    }
    if (point <= 0) {
        memcpy(out, "0.00000", 7);
        out += 2 - point;
        memcpy(out, digits, (size_t)count);
        return out + count;
    }
    for (int i = 0; i < point || i < count; i++) {
        if (i == point) {
            *out++ = '.';
        }
        *out++ = i < count ? digits[i] : '0';
    }
    return out;
}

PK__FN char *pk__number_put_double(char *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t fraction = bits & (UINT64_MAX >> 12);
    int biased = (int)(bits >> 52 & 0x7FF);
    if (bits >> 63) {
        *out++ = '-';
    }
    if (biased == 0 && fraction == 0) {
        *out++ = '0';
        return out;
    }
    pk__number_decimal d = biased == 0 ? pk__number_shortest(fraction, -1074, false)
                                       : pk__number_shortest(fraction | UINT64_C(1) << 52, biased - 1075,
                                                             fraction == 0 && biased > 1);
    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    char digits[PK__NUMBER_CAP];
    int count = (int)(pk__number_put_uint(digits, d.digits) - digits);
    return pk__number_put_decimal(out, digits, count, count + (int)d.exponent);
}

/* == wire/base64.c == */
/* base64.c - base64 and hex, both ways. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/base64.c"
#endif






static const char pk__base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

PK__FN bool pk__base64_encode(pk_buf *out, pk_str bytes)
{
    const char *alphabet = pk__base64_alphabet;
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len, size;
    if (!pk__size_mul(left / 3 + (left % 3 > 0), 4, &size) || !pk_buf_reserve(out, size)) {
        out->failed = out->failed ? out->failed : PK_ERR_LIMIT;
        return false;
    }
    if (size == 0) {
        return true; // and out->ptr may be NULL
    }
    char *to = out->ptr + out->len;
    for (; left >= 3; left -= 3, p += 3, to += 4) {
        uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        to[0] = alphabet[bits >> 18];
        to[1] = alphabet[bits >> 12 & 63];
        to[2] = alphabet[bits >> 6 & 63];
        to[3] = alphabet[bits & 63];
    }
    if (left > 0) {
        uint32_t bits = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0);
        to[0] = alphabet[bits >> 18];
        to[1] = alphabet[bits >> 12 & 63];
        to[2] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        to[3] = '=';
    }
    out->len += size;
    return true;
}

/* The six bits of each character from '+' to 'z', of both alphabets; 64 = of neither. */
static const unsigned char pk__base64_values[80] = {
    62, 64, 62, 64, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64,
    64, 64,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
    18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63, 64, 26, 27, 28, 29, 30, 31,
    32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51,
};

static uint32_t pk__base64_value(char c)
{
    unsigned char at = (unsigned char)(c - '+');
    return at < sizeof(pk__base64_values) ? pk__base64_values[at] : 64;
}

PK__FN bool pk__base64_decode(pk_str text, unsigned flags, char *out, size_t *len)
{
    const char *foreign = flags & PK__BASE64_URL ? "+/" : "-_";
    const char *p = text.ptr;
    char *to = out;
    size_t left = text.len;
    while (left > 0 && text.len - left < 2 && p[left - 1] == '=') {
        left--;
    }
    bool padded = left < text.len || !(flags & PK__BASE64_UNPADDED);
    if (left % 4 == 1 || (padded && text.len % 4 != 0) ||
        (left > 0 && (memchr(p, foreign[0], left) || memchr(p, foreign[1], left)))) {
        return false;
    }
    uint32_t bad = 0;
    for (; left >= 4; left -= 4, p += 4, to += 3) {
        uint32_t a = pk__base64_value(p[0]), b = pk__base64_value(p[1]);
        uint32_t c = pk__base64_value(p[2]), d = pk__base64_value(p[3]);
        bad |= a | b | c | d;
        to[0] = (char)(a << 2 | b >> 4);
        to[1] = (char)(b << 4 | c >> 2);
        to[2] = (char)(c << 6 | d);
    }
    if (left > 0) { // two or three characters; the bits that no byte takes are 0
        uint32_t a = pk__base64_value(p[0]), b = pk__base64_value(p[1]), c = left > 2 ? pk__base64_value(p[2]) : 0;
        bad |= a | b | c | ((left > 2 ? c & 3 : b & 15) ? 64 : 0);
        *to++ = (char)(a << 2 | b >> 4);
        if (left > 2) {
            *to++ = (char)(b << 4 | c >> 2);
        }
    }
    *len = (size_t)(to - out);
    return (bad & 64) == 0;
}

PK__FN bool pk__hex_encode(pk_buf *out, pk_str bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t size;
    if (!pk__size_mul(bytes.len, 2, &size) || !pk_buf_reserve(out, size)) {
        out->failed = out->failed ? out->failed : PK_ERR_LIMIT;
        return false;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        out->ptr[out->len++] = digits[(unsigned char)bytes.ptr[i] >> 4];
        out->ptr[out->len++] = digits[bytes.ptr[i] & 15];
    }
    return true;
}

static unsigned pk__hex_value(char c)
{
    unsigned char digit = (unsigned char)(c - '0'), letter = (unsigned char)((c | 0x20) - 'a');
    return digit < 10 ? digit : letter < 6 ? letter + 10u : 16u;
}

PK__FN bool pk__hex_decode(pk_str text, char *out, size_t *len)
{
    for (size_t i = 0; i + 1 < text.len; i += 2) {
        unsigned high = pk__hex_value(text.ptr[i]), low = pk__hex_value(text.ptr[i + 1]);
        if ((high | low) & 16) {
            return false;
        }
        out[i / 2] = (char)(high << 4 | low);
    }
    *len = text.len / 2;
    return text.len % 2 == 0;
}

/* == wire/duration.c == */
/* duration.c - durations from text and to text. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/duration.c"
#endif






typedef struct pk__duration_unit {
    char name[4];
    uint64_t ns;
} pk__duration_unit;

static const pk__duration_unit pk__duration_units[] = {
    {"ns", 1},  {"us", 1000},       {"\xC2\xB5s", 1000}, {"\xCE\xBCs", 1000}, // U+00B5, U+03BC
    {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}, // "ms" before "m"
};

/* The unit that stands at p; NULL = none. */
static const pk__duration_unit *pk__duration_find(const char *p, const char *end)
{
    for (size_t i = 0; i < PK__COUNT(pk__duration_units); i++) {
        size_t len = strlen(pk__duration_units[i].name);
        if ((size_t)(end - p) >= len && memcmp(p, pk__duration_units[i].name, len) == 0) {
            return &pk__duration_units[i];
        }
    }
    return NULL;
}

/* Adds count units to *sum, up to 2^63, the size of INT64_MIN. False: too large. */
static bool pk__duration_add(uint64_t *sum, uint64_t count, uint64_t unit)
{
    const uint64_t most = (uint64_t)INT64_MAX + 1;
    if (count > most / unit || count * unit > most - *sum) {
        return false;
    }
    *sum += count * unit;
    return true;
}

static const char *pk__duration_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p;
}

/* Adds one number with its unit, as in "1.5h", to *sum. Returns what follows, or NULL. */
static const char *pk__duration_part(const char *first, const char *end, uint64_t *sum)
{
    const char *point = pk__duration_digits(first, end);
    const char *p = point < end && *point == '.' ? pk__duration_digits(point + 1, end) : point;
    const pk__duration_unit *unit = pk__duration_find(p, end);
    uint64_t whole = 0, fraction = 0;
    if (!unit || (point == first && p <= point + 1)) { // "." has no digits on either side
        return NULL;
    }
    for (const char *digit = first; digit < point; digit++) {
        if (!pk__duration_add(&whole, whole, 9) || !pk__duration_add(&whole, (uint64_t)(*digit - '0'), 1)) {
            return NULL;
        }
    }
    /* From the last digit on, with the rest cut off at each step: that is the same as to cut it off once. */
    for (const char *digit = p; digit > point + 1; digit--) {
        fraction = ((uint64_t)(digit[-1] - '0') * unit->ns + fraction) / 10;
    }
    bool fits = pk__duration_add(sum, whole, unit->ns) && pk__duration_add(sum, fraction, 1);
    return fits ? p + strlen(unit->name) : NULL;
}

PK__FN bool pk__duration_parse(pk_str text, pk_ns *out)
{
    const char *p = text.len > 0 ? text.ptr : "";
    const char *end = p + text.len;
    bool negative = text.len > 0 && *p == '-';
    uint64_t sum = 0;
    p += text.len > 0 && (*p == '-' || *p == '+');
    if (p == end) {
        return false;
    }
    if (pk__duration_digits(p, end) == end) {
        pk_str digits = {p, (size_t)(end - p)};
        if (!pk__number_to_uint(digits, &sum)) {
            return false;
        }
        p = end;
    }
    while (p && p < end) {
        p = pk__duration_part(p, end, &sum);
    }
    if (!p || sum > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = !negative ? (pk_ns)sum : sum == 0 ? 0 : -(pk_ns)(sum - 1) - 1;
    return true;
}

/* Writes ns as a decimal number of units without trailing zeros; returns the end. */
static char *pk__duration_put(char *out, uint64_t ns, uint64_t unit, const char *name)
{
    out = pk__number_put_uint(out, ns / unit);
    uint64_t rest = ns % unit;
    if (rest > 0) {
        *out++ = '.';
    }
    while (rest > 0) {
        unit /= 10; // a unit with a rest is a power of ten
        *out++ = (char)('0' + rest / unit);
        rest %= unit;
    }
    size_t len = strlen(name);
    memcpy(out, name, len);
    return out + len;
}

PK__FN size_t pk__duration_format(char out[PK__DURATION_CAP], pk_ns value)
{
    const uint64_t second = 1000000000, minute = 60 * second, hour = 60 * minute;
    uint64_t ns = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *p = out;
    if (value < 0) {
        *p++ = '-';
    }
    if (ns >= hour) {
        p = pk__duration_put(p, ns - ns % hour, hour, "h");
    }
    if (ns % hour >= minute) {
        p = pk__duration_put(p, ns % hour - ns % minute, minute, "m");
    }
    uint64_t rest = ns % minute;
    if (ns >= second && rest > 0) {
        p = pk__duration_put(p, rest, second, "s");
    } else if (ns < second) {
        p = ns == 0        ? pk__duration_put(p, 0, 1, "s")
            : ns < 1000    ? pk__duration_put(p, ns, 1, "ns")
            : ns < 1000000 ? pk__duration_put(p, ns, 1000, "us")
                           : pk__duration_put(p, ns, 1000000, "ms");
    }
    *p = '\0';
    return (size_t)(p - out);
}

/* == wire/semver.c == */
/* semver.c - versions and ranges of versions. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/semver.c"
#endif






/* Reads "1.4.0" up to what follows; a version has three parts, a range one to three. Returns NULL if it is none. */
static const char *pk__semver_numbers(const char *p, const char *end, uint64_t part[3], int *count)
{
    for (*count = 0;; p++) {
        const char *digits = p;
        while (p < end && *p >= '0' && *p <= '9') {
            p++;
        }
        pk_str text = {digits, (size_t)(p - digits)};
        if (text.len == 0 || (text.len > 1 && *digits == '0') || !pk__number_to_uint(text, &part[*count])) {
            return NULL;
        }
        if (++*count == 3 || p == end || *p != '.') {
            return p;
        }
    }
}

static bool pk__semver_is_number(pk_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] < '0' || id.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

/* Goes over dot-separated identifiers of letters, digits and dashes. Returns what follows, or NULL. */
static const char *pk__semver_ids(const char *p, const char *end, bool strict_numbers, pk_str *out)
{
    out->ptr = p;
    for (;;) {
        pk_str id = {p, 0};
        while (p < end && ((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') || *p == '-')) {
            p++;
        }
        id.len = (size_t)(p - id.ptr);
        if (id.len == 0 || (strict_numbers && id.len > 1 && *id.ptr == '0' && pk__semver_is_number(id))) {
            return NULL;
        }
        if (p == end || *p != '.') {
            out->len = (size_t)(p - out->ptr);
            return p;
        }
        p++;
    }
}

/* A version with `count` of its numbers. */
static bool pk__semver_read(pk_str text, pk__semver *out, int *count)
{
    const char *p = text.len > 0 ? text.ptr : "";
    const char *end = p + text.len;
    memset(out, 0, sizeof(*out));
    p = pk__semver_numbers(p, end, out->part, count);
    if (p && p < end && *p == '-') {
        p = *count == 3 ? pk__semver_ids(p + 1, end, true, &out->before) : NULL;
    }
    if (p && p < end && *p == '+') {
        p = *count == 3 ? pk__semver_ids(p + 1, end, false, &out->build) : NULL;
    }
    return p == end;
}

PK__FN bool pk__semver_parse(pk_str text, pk__semver *out)
{
    int count;
    return pk__semver_read(text, out, &count) && count == 3;
}

static int pk__semver_compare_ids(pk_str a, pk_str b)
{
    bool a_number = pk__semver_is_number(a), b_number = pk__semver_is_number(b);
    if (a_number != b_number) {
        return a_number ? -1 : 1; // numbers are lower than words
    }
    if (a_number && a.len != b.len) {
        return a.len < b.len ? -1 : 1; // there are no leading zeros
    }
    int order = memcmp(a.ptr, b.ptr, PK__MIN(a.len, b.len));
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

PK__FN int pk__semver_compare(const pk__semver *a, const pk__semver *b)
{
    for (int i = 0; i < 3; i++) {
        if (a->part[i] != b->part[i]) {
            return a->part[i] < b->part[i] ? -1 : 1;
        }
    }
    pk_str x = a->before, y = b->before;
    if (x.len == 0 || y.len == 0) {
        return (x.len == 0) - (y.len == 0); // a prerelease is lower than its release
    }
    while (x.len > 0 && y.len > 0) {
        pk_str x_id = x, y_id = y, none = {"", 0};
        if (!pk_str_cut(x, '.', &x_id, &x)) {
            x = none;
        }
        if (!pk_str_cut(y, '.', &y_id, &y)) {
            y = none;
        }
        int order = pk__semver_compare_ids(x_id, y_id);
        if (order != 0) {
            return order;
        }
    }
    return (x.len > 0) - (y.len > 0); // with more identifiers: higher
}

PK__FN bool pk__semver_serves(const pk__semver *provider, const pk__semver *needed)
{
    return provider->part[0] == needed->part[0] && provider->part[1] >= needed->part[1];
}

typedef struct pk__semver_range {
    pk__semver least;
    int same;   // so many of its numbers must be the same
    bool exact; // all must be the same, the prerelease too
} pk__semver_range;

static bool pk__semver_read_range(pk_str text, pk__semver_range *out)
{
    int count;
    char sign = text.len > 0 ? *text.ptr : '\0';
    memset(out, 0, sizeof(*out));
    if (sign == '\0' || pk_str_is(text, "*")) {
        return true;
    }
    if (sign == '^' || sign == '~') {
        text.ptr++;
        text.len--;
    }
    if (!pk__semver_read(text, &out->least, &count)) {
        return false;
    }
    if (sign == '^') { // up to the first number that is not 0
        for (out->same = 1; out->same < count && out->least.part[out->same - 1] == 0; out->same++) {
        }
    } else {
        out->same = sign == '~' ? PK__MIN(count, 2) : count;
        out->exact = sign != '~' && count == 3;
    }
    return true;
}

PK__FN bool pk__semver_matches(const pk__semver *version, pk_str range)
{
    pk__semver_range r;
    if (!pk__semver_read_range(range, &r)) {
        return false;
    }
    int order = pk__semver_compare(version, &r.least);
    bool same_release = memcmp(version->part, r.least.part, sizeof(r.least.part)) == 0;
    if (version->before.len > 0 && !(same_release && r.least.before.len > 0)) {
        return false;
    }
    bool same = memcmp(version->part, r.least.part, (size_t)r.same * sizeof(r.least.part[0])) == 0;
    return r.exact ? order == 0 : same && order >= 0;
}

PK__FN bool pk__semver_is_range(pk_str range)
{
    pk__semver_range r;
    return pk__semver_read_range(range, &r);
}

/* == wire/json_read.c == */
/* json_read.c - reading JSON by RFC 8259 and nothing else. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/json_read.c"
#endif










PK__FN void pk__json_begin(pk__json_reader *r, pk_str text)
{
    memset(r, 0, sizeof(*r));
    r->begin = text.len > 0 ? text.ptr : "";
    r->end = r->begin + text.len;
}

PK__FN const char *pk__json_wrong(pk__json_reader *r, const char *at, const char *expected)
{
    r->failed = PK_ERR_BAD_JSON;
    r->wrong = at;
    r->expected = expected;
    return NULL;
}

static const char *pk__json_out_of(pk__json_reader *r, const char *at, pk_err what)
{
    (void)pk__json_wrong(r, at, "");
    r->failed = what;
    return NULL;
}

/* ---- tokens */

PK__FN const char *pk__json_skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
        if (end - p >= 8) { // indentation
            uint64_t others = pk__swar_not(pk__swar_load(p), ' ');
            p += others ? pk__swar_first(others) : 8;
        }
    }
    return p;
}

/* The value of four hex digits at p, or -1. */
static int pk__json_hex4(const char *p, const char *end)
{
    int value = 0;
    if (end - p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        char lower = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* Goes over the escape whose backslash is at p. */
static const char *pk__json_escape(pk__json_reader *r, const char *p)
{
    const char *end = r->end;
    if (end - p < 2 || !memchr("\"\\/bfnrtu", p[1], 9)) {
        return pk__json_wrong(r, p + 1, "one of \"\\/bfnrtu behind the backslash");
    }
    if (p[1] != 'u') {
        return p + 2;
    }
    int code = pk__json_hex4(p + 2, end);
    if (code < 0) {
        return pk__json_wrong(r, p + 2, "four hex digits");
    }
    if (code < 0xD800 || code > 0xDFFF) {
        return p + 6;
    }
    int low = code < 0xDC00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? pk__json_hex4(p + 8, end) : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        return pk__json_wrong(r, p, "both halves of a surrogate pair");
    }
    return p + 12;
}

PK__FN const char *pk__json_string(pk__json_reader *r, const char *p)
{
    const char *end = r->end;
    r->escaped = false;
    for (p++;;) {
        if (end - p >= 8) {
            uint64_t mask = pk__swar_json(pk__swar_load(p));
            if (mask == 0) {
                p += 8;
                continue;
            }
            p += pk__swar_first(mask);
        }
        if (p >= end) {
            return pk__json_wrong(r, p, "'\"'");
        }
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            return p + 1;
        }
        if (c == '\\') {
            r->escaped = true;
            if (!(p = pk__json_escape(r, p))) {
                return NULL;
            }
        } else if (c < 0x20) {
            return pk__json_wrong(r, p, "an escape instead of a control character");
        } else {
            do {
                size_t len = pk__utf8_len(p, end);
                if (len == 0) {
                    return pk__json_wrong(r, p, "UTF-8");
                }
                p += len;
            } while (p < end && (unsigned char)*p >= 0x80);
        }
    }
}

PK__FN size_t pk__json_unescape(char *text, size_t len)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *p = text, *end = text + len;
    char *out = text;
    while (p < end) {
        const char *stop = (const char *)memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((stop ? stop : end) - p);
        memmove(out, p, run);
        out += run;
        p += run;
        if (!stop) {
            break;
        }
        const char *simple = (const char *)memchr(from, p[1], sizeof(from) - 1);
        if (p[1] != 'u') {
            *out++ = simple ? to[simple - from] : p[1];
            p += 2;
            continue;
        }
        uint32_t code = (uint32_t)pk__json_hex4(p + 2, end);
        p += 6;
        if (code >= 0xD800 && code < 0xDC00) {
            code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)pk__json_hex4(p + 2, end) - 0xDC00);
            p += 6;
        }
        out += pk__utf8_put(out, code);
    }
    return (size_t)(out - text);
}

/* ---- the tree */

static bool pk__json_grow(pk__json_tree *t)
{
    size_t size;
    pk_json_value *nodes = NULL;
    if (pk__size_mul(t->cap, 2 * sizeof(*nodes), &size)) {
        nodes = (pk_json_value *)pk_mem_get(t->mem, size);
    }
    if (nodes) {
        memcpy(nodes, t->nodes, t->count * sizeof(*nodes));
        t->nodes = nodes;
        t->cap *= 2;
    }
    return nodes != NULL;
}

/* A new node, or NULL: out of memory. */
static inline pk_json_value *pk__json_add(pk__json_tree *t, uint64_t type, uint64_t len)
{
    if (t->count == t->cap && !pk__json_grow(t)) {
        return NULL;
    }
    pk_json_value *node = &t->nodes[t->count++];
    node->tag = type | len << PK__JSON_TYPE_BITS;
    return node;
}

static bool pk__json_add_text(pk__json_tree *t, uint64_t type, const char *text, size_t len)
{
    pk_json_value *node = pk__json_add(t, type, len);
    if (node) {
        node->of.text = text;
    }
    return node != NULL;
}

/* A string or key between the quotes at first[-1] and end[-1]. */
static bool pk__json_add_string(pk__json_reader *r, pk__json_tree *t, uint64_t type, const char *first, const char *end)
{
    char *text = (char *)first; // the tree's own copy
    size_t len = (size_t)(end - 1 - first);
    if (r->escaped) {
        len = pk__json_unescape(text, len);
    }
    text[len] = '\0';
    return pk__json_add_text(t, type, text, len);
}

static bool pk__json_add_open(pk__json_tree *t, char bracket)
{
    size_t outer = t->open;
    t->open = t->count;
    pk_json_value *node = pk__json_add(t, bracket == '{' ? PK_JSON_OBJECT : PK_JSON_ARRAY, 0);
    if (node) {
        node->of.span = outer;
    }
    return node != NULL;
}

static void pk__json_count_item(pk__json_tree *t)
{
    t->nodes[t->open].tag += 1 << PK__JSON_TYPE_BITS;
}

static void pk__json_add_close(pk__json_tree *t)
{
    pk_json_value *node = &t->nodes[t->open];
    size_t outer = node->of.span;
    node->of.span = t->count - t->open;
    if (node->of.span > 1) {
        pk__json_count_item(t); // the last one; commas counted the others
    }
    t->open = outer;
}

/* ---- values */

static const char *pk__json_literal(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    static const struct {
        char text[6];
        uint8_t len, type, value;
    } literals[] = {{"null", 4, PK_JSON_NULL, 0}, {"true", 4, PK_JSON_BOOL, 1}, {"false", 5, PK_JSON_BOOL, 0}};
    for (size_t i = 0; i < PK__COUNT(literals); i++) {
        size_t len = literals[i].len;
        if ((size_t)(r->end - p) >= len && memcmp(p, literals[i].text, len) == 0) {
            if (tree && !pk__json_add(tree, literals[i].type, literals[i].value)) {
                return pk__json_out_of(r, p, PK_ERR_NO_MEMORY);
            }
            return p + len;
        }
    }
    return pk__json_wrong(r, p, "a value");
}

/* A value that is no container. */
static const char *pk__json_scalar(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    const char *first = p;
    char c = pk__json_peek(r, p);
    bool good = true;
    if (c == '"') {
        if (!(p = pk__json_string(r, p))) {
            return NULL;
        }
        good = !tree || pk__json_add_string(r, tree, PK_JSON_STRING, first + 1, p);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        if (pk__number_scan(&p, r->end) == PK__NUMBER_BAD) {
            return pk__json_wrong(r, p, "a digit");
        }
        good = !tree || pk__json_add_text(tree, PK_JSON_NUMBER, first, (size_t)(p - first));
    } else {
        return pk__json_literal(r, p, tree);
    }
    return good ? p : pk__json_out_of(r, first, PK_ERR_NO_MEMORY);
}

PK__FN const char *pk__json_key(pk__json_reader *r, const char *p, pk_str *key)
{
    p = pk__json_space(p, r->end);
    if (pk__json_peek(r, p) != '"') {
        return pk__json_wrong(r, p, "a key in quotes");
    }
    key->ptr = p + 1;
    if (!(p = pk__json_string(r, p))) {
        return NULL;
    }
    key->len = (size_t)(p - 1 - key->ptr);
    p = pk__json_space(p, r->end);
    return pk__json_peek(r, p) == ':' ? p + 1 : pk__json_wrong(r, p, "':'");
}

static const char *pk__json_add_key(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    pk_str key;
    p = pk__json_key(r, p, &key);
    if (p && tree && !pk__json_add_string(r, tree, PK__JSON_KEY, key.ptr, key.ptr + key.len + 1)) {
        return pk__json_out_of(r, p, PK_ERR_NO_MEMORY);
    }
    return p;
}

PK__FN const char *pk__json_value(pk__json_reader *r, const char *p, pk__json_tree *tree)
{
    uint64_t objects[PLUGKIT_JSON_DEPTH / 64 + 1] = {0}; // one bit a level: it is an object, not an array
    unsigned depth = 0;
    bool in_object = false;
    for (;;) {
        p = pk__json_space(p, r->end);
        char c = pk__json_peek(r, p);
        if (c == '{' || c == '[') {
            if (depth + r->depth >= PLUGKIT_JSON_DEPTH) {
                return pk__json_out_of(r, p, PK_ERR_LIMIT);
            }
            if (tree && !pk__json_add_open(tree, c)) {
                return pk__json_out_of(r, p, PK_ERR_NO_MEMORY);
            }
            in_object = c == '{';
            objects[depth / 64] &= ~(UINT64_C(1) << depth % 64);
            objects[depth / 64] |= (uint64_t)in_object << depth % 64;
            depth++;
            p = pk__json_space(p + 1, r->end);
            if (pk__json_peek(r, p) != c + 2) { // in ASCII each bracket closes two further on
                if (in_object && !(p = pk__json_add_key(r, p, tree))) {
                    return NULL;
                }
                continue;
            }
        } else if (!(p = pk__json_scalar(r, p, tree))) {
            return NULL;
        }

        /* Behind a value: containers close until a comma asks for one more. */
        for (;;) {
            if (depth == 0) {
                return p;
            }
            p = pk__json_space(p, r->end);
            c = pk__json_peek(r, p);
            if (c == ',') {
                if (tree) {
                    pk__json_count_item(tree);
                }
                if (!in_object) {
                    p++;
                } else if (!(p = pk__json_add_key(r, p + 1, tree))) {
                    return NULL;
                }
                break;
            }
            if (c != (in_object ? '}' : ']')) {
                return pk__json_wrong(r, p, in_object ? "',' or '}'" : "',' or ']'");
            }
            if (tree) {
                pk__json_add_close(tree);
            }
            p++;
            depth--;
            in_object = depth > 0 && (objects[(depth - 1) / 64] >> (depth - 1) % 64 & 1);
        }
    }
}

PK__FN const char *pk__json_end(pk__json_reader *r, const char *p)
{
    p = pk__json_space(p, r->end);
    return p == r->end ? p : pk__json_wrong(r, p, "nothing more");
}

PK__FN const char *pk__json_open(pk__json_reader *r, const char *p, bool *more)
{
    char bracket = *p;
    if (r->depth >= PLUGKIT_JSON_DEPTH) {
        return pk__json_out_of(r, p, PK_ERR_LIMIT);
    }
    p = pk__json_space(p + 1, r->end);
    *more = pk__json_peek(r, p) != bracket + 2;
    r->depth += *more;
    return *more ? p : p + 1;
}

PK__FN const char *pk__json_more(pk__json_reader *r, const char *p, char bracket, bool *more)
{
    p = pk__json_space(p, r->end);
    char c = pk__json_peek(r, p);
    *more = c == ',';
    if (c != ',' && c != bracket) {
        return pk__json_wrong(r, p, bracket == '}' ? "',' or '}'" : "',' or ']'");
    }
    r->depth -= !*more;
    return p + 1;
}

/* ---- what went wrong */

/* What stands at p, in words. */
static void pk__json_got(char *out, size_t cap, const char *p, const char *end)
{
    unsigned char c = p < end ? (unsigned char)*p : 0;
    if (p >= end) {
        (void)snprintf(out, cap, "the end");
    } else if (end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
        (void)snprintf(out, cap, "a byte order mark"); // some editors put one in front
    } else if (c > 0x20 && c < 0x7F) {
        (void)snprintf(out, cap, "'%c'", c);
    } else {
        (void)snprintf(out, cap, "byte 0x%02X", c);
    }
}

PK__FN pk_err pk__json_error(const pk__json_reader *r, pk_str text, const char *what, pk_error *err)
{
    if (r->failed == PK_ERR_NO_MEMORY) {
        return pk__error_memory(err, what);
    }
    size_t at = (size_t)(r->wrong - r->begin);
    const char *begin = text.len > 0 ? text.ptr : "", *p = begin + at, *end = begin + text.len;
    size_t line = 1, column = 1; // in characters
    for (const char *c = begin; c < p; c++) {
        line += *c == '\n';
        column = *c == '\n' ? 1 : column + ((unsigned char)(*c & 0xC0) != 0x80);
    }
    if (r->failed == PK_ERR_LIMIT) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot %s: line %zu, column %zu: nested deeper than %d levels", what,
                            line, column, PLUGKIT_JSON_DEPTH);
    }
    char got[24], near[64];
    const char *from = p - begin > 16 ? p - 16 : begin, *to = end - p > 16 ? p + 16 : end;
    while (from < p && (unsigned char)(*from & 0xC0) == 0x80) { // not within a character
        from++;
    }
    while (to > p && to < end && (unsigned char)(*to & 0xC0) == 0x80) {
        to--;
    }
    pk_str part = {from, (size_t)(to - from)};
    pk__json_got(got, sizeof(got), p, end);
    (void)pk__error_clean(near, sizeof(near), part);
    return pk_error_set(err, PK_ERR_BAD_JSON, "cannot %s: line %zu, column %zu: expected %s, got %s%s%s%s", what, line,
                        column, r->expected, got, part.len ? " near \"" : "", near, part.len ? "\"" : "");
}

/* ---- public */

PK_API pk_err pk_json_check(pk_str text, pk_error *err)
{
    pk__json_reader r;
    pk__json_begin(&r, text);
    const char *p = pk__json_value(&r, r.begin, NULL);
    if (p && pk__json_end(&r, p)) {
        return PK_OK;
    }
    return pk__json_error(&r, text, "parse JSON", err);
}

PK_API pk_err pk_json_parse(pk_mem *mem, pk_str text, const pk_json_value **out, pk_error *err)
{
    pk__json_reader r;
    pk__json_tree t = {mem, NULL, 0, text.len / 8 + 16, 0}; // dense text has more nodes: the array doubles then
    size_t size;
    *out = NULL;
    pk_str copy = pk_mem_dup(mem, text);
    if (copy.ptr && pk__size_mul(t.cap, sizeof(*t.nodes), &size)) {
        t.nodes = (pk_json_value *)pk_mem_get(mem, size);
    }
    if (!t.nodes) {
        return pk__error_memory(err, "parse JSON");
    }
    pk__json_begin(&r, copy);
    (void)pk__json_add(&t, PK_JSON_NONE, 0);
    const char *p = pk__json_value(&r, r.begin, &t);
    if (!p || !pk__json_end(&r, p)) {
        return pk__json_error(&r, text, "parse JSON", err);
    }
    pk__mem_trim(mem, t.nodes, t.cap * sizeof(*t.nodes), t.count * sizeof(*t.nodes));
    *out = &t.nodes[1];
    return PK_OK;
}

/* == wire/json_value.c == */
/* json_value.c - getting at the values of a parsed document. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/json_value.c"
#endif





PK_API pk_json_type pk_json_type_of(const pk_json_value *v)
{
    return v ? (pk_json_type)(v->tag & PK__JSON_TYPE_MASK) : PK_JSON_NONE;
}

static size_t pk__json_len(const pk_json_value *v)
{
    return (size_t)(v->tag >> PK__JSON_TYPE_BITS);
}

static pk_str pk__json_text(const pk_json_value *v, uint64_t type)
{
    pk_str text = {"", 0};
    if (v && (v->tag & PK__JSON_TYPE_MASK) == type) {
        text.ptr = v->of.text;
        text.len = pk__json_len(v);
    }
    return text;
}

PK_API bool pk_json_bool(const pk_json_value *v, bool otherwise)
{
    return pk_json_type_of(v) == PK_JSON_BOOL ? pk__json_len(v) != 0 : otherwise;
}

PK_API pk_str pk_json_str(const pk_json_value *v)
{
    return pk__json_text(v, PK_JSON_STRING);
}

PK_API bool pk_json_is(const pk_json_value *v, const char *text)
{
    return pk_json_type_of(v) == PK_JSON_STRING && pk_str_is(pk_json_str(v), text);
}

PK_API pk_str pk_json_number_text(const pk_json_value *v)
{
    return pk__json_text(v, PK_JSON_NUMBER);
}

PK_API bool pk_json_get_int(const pk_json_value *v, int64_t *out)
{
    return pk_json_type_of(v) == PK_JSON_NUMBER && pk__number_to_int(pk_json_number_text(v), out);
}

PK_API bool pk_json_get_uint(const pk_json_value *v, uint64_t *out)
{
    return pk_json_type_of(v) == PK_JSON_NUMBER && pk__number_to_uint(pk_json_number_text(v), out);
}

PK_API int64_t pk_json_int(const pk_json_value *v, int64_t otherwise)
{
    (void)pk_json_get_int(v, &otherwise);
    return otherwise;
}

PK_API uint64_t pk_json_uint(const pk_json_value *v, uint64_t otherwise)
{
    (void)pk_json_get_uint(v, &otherwise);
    return otherwise;
}

PK_API double pk_json_double(const pk_json_value *v, double otherwise)
{
    if (pk_json_type_of(v) == PK_JSON_NUMBER) {
        (void)pk__number_to_double(pk_json_number_text(v), &otherwise);
    }
    return otherwise;
}

/* ---- containers */

static bool pk__json_is_container(const pk_json_value *v)
{
    pk_json_type type = pk_json_type_of(v);
    return type == PK_JSON_ARRAY || type == PK_JSON_OBJECT;
}

PK_API size_t pk_json_count(const pk_json_value *v)
{
    return pk__json_is_container(v) ? pk__json_len(v) : 0;
}

/* The value at `node` of this container, or behind its key; NULL at the container's end. */
static const pk_json_value *pk__json_item_at(const pk_json_value *parent, const pk_json_value *node)
{
    if (node >= parent + parent->of.span) {
        return NULL;
    }
    return pk_json_type_of(parent) == PK_JSON_OBJECT ? node + 1 : node;
}

PK_API const pk_json_value *pk_json_first(const pk_json_value *v)
{
    return pk__json_is_container(v) ? pk__json_item_at(v, v + 1) : NULL;
}

PK_API const pk_json_value *pk_json_next(const pk_json_value *parent, const pk_json_value *item)
{
    if (!pk__json_is_container(parent) || !item) {
        return NULL;
    }
    return pk__json_item_at(parent, item + (pk__json_is_container(item) ? item->of.span : 1));
}

PK_API pk_str pk_json_key(const pk_json_value *member)
{
    return pk__json_text(member ? member - 1 : NULL, PK__JSON_KEY);
}

PK_API const pk_json_value *pk_json_get(const pk_json_value *object, const char *key)
{
    const pk_json_value *found = NULL;
    pk_str name = pk_str_from(key);
    if (pk_json_type_of(object) == PK_JSON_OBJECT) {
        for (const pk_json_value *v = pk_json_first(object); v; v = pk_json_next(object, v)) {
            found = pk_str_eq(pk_json_key(v), name) ? v : found; // of duplicates the last one
        }
    }
    return found;
}

PK_API const pk_json_value *pk_json_item(const pk_json_value *array, size_t index)
{
    if (pk_json_type_of(array) != PK_JSON_ARRAY || index >= pk_json_count(array)) {
        return NULL;
    }
    if (array->of.span == pk_json_count(array) + 1) { // no containers within
        return array + 1 + index;
    }
    const pk_json_value *v = pk_json_first(array);
    while (index-- > 0) {
        v = pk_json_next(array, v);
    }
    return v;
}

/* ---- JSON Pointer */

/* Does a reference token, which has ~1 for '/' and ~0 for '~', name this key? */
static bool pk__json_token_is(pk_str token, pk_str key)
{
    size_t k = 0;
    for (size_t i = 0; i < token.len; i++, k++) {
        char c = token.ptr[i];
        if (c == '~') {
            c = ++i < token.len && token.ptr[i] == '0' ? '~' : i < token.len && token.ptr[i] == '1' ? '/' : '\0';
            if (c == '\0') {
                return false;
            }
        }
        if (k >= key.len || key.ptr[k] != c) {
            return false;
        }
    }
    return k == key.len;
}

static const pk_json_value *pk__json_down(const pk_json_value *v, pk_str token)
{
    const pk_json_value *found = NULL;
    if (pk_json_type_of(v) == PK_JSON_ARRAY) {
        const char *p = token.ptr;
        uint64_t index;
        bool number = pk__number_scan(&p, token.ptr + token.len) == PK__NUMBER_INTEGER && p == token.ptr + token.len;
        if (!number || *token.ptr == '-' || !pk__number_to_uint(token, &index) || index >= pk_json_count(v)) {
            return NULL;
        }
        return pk_json_item(v, (size_t)index);
    }
    if (pk_json_type_of(v) == PK_JSON_OBJECT) {
        for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
            found = pk__json_token_is(token, pk_json_key(m)) ? m : found;
        }
    }
    return found;
}

PK_API const pk_json_value *pk_json_at(const pk_json_value *v, const char *pointer)
{
    while (v && *pointer) {
        if (*pointer++ != '/') {
            return NULL;
        }
        pk_str token = {pointer, strcspn(pointer, "/")};
        v = pk__json_down(v, token);
        pointer += token.len;
    }
    return v;
}

/* == wire/json_write.c == */
/* json_write.c - the streaming JSON writer. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/json_write.c"
#endif











PK__FN pk_err pk__json_fault_code(const pk_json_writer *w)
{
    switch ((pk__json_fault)w->failed) {
    case PK__JSON_FINE: return PK_OK;
    case PK__JSON_BUFFER: return (pk_err)w->buf->failed;
    case PK__JSON_NOT_UTF8:
    case PK__JSON_NOT_FINITE:
    case PK__JSON_BAD_RAW: return PK_ERR_SERIALIZE;
    case PK__JSON_TOO_DEEP: return PK_ERR_LIMIT;
    default: return PK_ERR_MISUSE;
    }
}

PK__FN const char *pk__json_fault_text(const pk_json_writer *w)
{
    static const char words[] = // in the order of pk__json_fault
        "\0" "the buffer is full\0" "a string is not UTF-8\0" "a number is not finite\0" "a raw value is not JSON\0"
        "it is nested too deep\0" "a value stands where a key is due\0" "a key stands outside of an object\0"
        "a value is missing\0" "a second value stands behind the first\0" "an end stands outside of a container\0"
        "a container is still open";
    bool memory = w->failed == PK__JSON_BUFFER && w->buf->failed == PK_ERR_NO_MEMORY;
    return memory ? "out of memory" : pk__words_at(words, (size_t)w->failed);
}

PK_API void pk_json_write(pk_json_writer *w, pk_buf *buf)
{
    memset(w, 0, sizeof(*w));
    w->buf = buf;
    w->failed = buf->failed ? PK__JSON_BUFFER : PK__JSON_FINE;
}

/* ---- bytes */

static bool pk__json_fail(pk_json_writer *w, pk__json_fault fault)
{
    if (!w->failed) {
        w->failed = (int)fault;
    }
    return false;
}

/* Where the next `count` bytes go, or NULL: after the first failure nothing is written any more. */
static inline char *pk__json_room(pk_json_writer *w, size_t count)
{
    pk_buf *buf = w->buf;
    if (w->failed) {
        return NULL;
    }
    if (count > buf->cap - buf->len && !pk_buf_reserve(buf, count)) {
        (void)pk__json_fail(w, PK__JSON_BUFFER);
        return NULL;
    }
    return buf->ptr + buf->len;
}

static void pk__json_bytes(pk_json_writer *w, const char *bytes, size_t count)
{
    char *out = count > 0 ? pk__json_room(w, count) : NULL;
    if (out) {
        memcpy(out, bytes, count);
        w->buf->len += count;
    }
}

static void pk__json_char(pk_json_writer *w, char c)
{
    char *out = pk__json_room(w, 1);
    if (out) {
        *out = c;
        w->buf->len++;
    }
}

static void pk__json_new_line(pk_json_writer *w)
{
    size_t count = (size_t)w->indent * w->depth;
    char *out = w->indent > 0 ? pk__json_room(w, count + 1) : NULL;
    if (out) {
        out[0] = '\n';
        memset(out + 1, ' ', count);
        w->buf->len += count + 1;
    }
}

/* Where the bytes stop that a string takes as they are: at a quote, backslash, control character, or broken UTF-8. */
static const char *pk__json_plain(const char *p, const char *end)
{
    while (p < end) {
        if (end - p >= 8) {
            uint64_t mask = pk__swar_json(pk__swar_load(p));
            if (mask == 0) {
                p += 8;
                continue;
            }
            p += pk__swar_first(mask);
        }
        unsigned char c = (unsigned char)*p;
        size_t len = c == '"' || c == '\\' || c < 0x20 ? 0 : c < 0x80 ? 1 : pk__utf8_len(p, end);
        if (len == 0) {
            return p;
        }
        p += len;
    }
    return p;
}

/* Writes the escape of a quote, backslash or control character; returns the end. */
static char *pk__json_put_escape(char *out, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *simple = (const char *)memchr(from, c, sizeof(from) - 1);
    *out++ = '\\';
    if (simple) {
        *out++ = to[simple - from];
        return out;
    }
    memcpy(out, "u00", 3);
    out[3] = hex[c >> 4];
    out[4] = hex[c & 15];
    return out + 5;
}

static void pk__json_quoted(pk_json_writer *w, pk_str s)
{
    const char *p = s.len > 0 ? s.ptr : "";
    const char *end = p + s.len;
    char *out = pk__json_room(w, s.len + 2);
    if (!out) {
        return;
    }
    *out++ = '"';
    for (;;) {
        const char *stop = pk__json_plain(p, end);
        memcpy(out, p, (size_t)(stop - p));
        out += stop - p;
        w->buf->len = (size_t)(out - w->buf->ptr);
        if (stop == end) {
            break;
        }
        if ((unsigned char)*stop >= 0x80) {
            (void)pk__json_fail(w, PK__JSON_NOT_UTF8);
            return;
        }
        p = stop + 1;
        out = pk__json_room(w, (size_t)(end - p) + 7); // the longest escape, the rest, the quote
        if (!out) {
            return;
        }
        out = pk__json_put_escape(out, (unsigned char)*stop);
    }
    *out = '"';
    w->buf->len++;
}

/* ---- structure */

static bool pk__json_in_array(const pk_json_writer *w)
{
    return w->depth > 0 && (w->arrays[w->depth / 64] >> w->depth % 64 & 1);
}

/* What goes between the last value and the next one. False: no value may stand here. */
static bool pk__json_before_value(pk_json_writer *w)
{
    if (w->failed) {
        return false;
    }
    if (w->have_key) {
        w->have_key = false;
        return true;
    }
    if (w->depth == 0) {
        return w->need_comma ? pk__json_fail(w, PK__JSON_SECOND) : (w->need_comma = true);
    }
    if (!pk__json_in_array(w)) {
        return pk__json_fail(w, PK__JSON_NO_KEY);
    }
    if (w->need_comma) {
        pk__json_char(w, ',');
    }
    pk__json_new_line(w);
    w->need_comma = true;
    return !w->failed;
}

static void pk__json_put_open(pk_json_writer *w, char bracket)
{
    if (!pk__json_before_value(w)) {
        return;
    }
    if (w->depth == PLUGKIT_JSON_DEPTH) {
        (void)pk__json_fail(w, PK__JSON_TOO_DEEP);
        return;
    }
    w->depth++;
    w->arrays[w->depth / 64] &= ~(UINT64_C(1) << w->depth % 64);
    w->arrays[w->depth / 64] |= (uint64_t)(bracket == '[') << w->depth % 64;
    w->need_comma = false;
    pk__json_char(w, bracket);
}

PK_API void pk_json_put_object(pk_json_writer *w)
{
    pk__json_put_open(w, '{');
}

PK_API void pk_json_put_array(pk_json_writer *w)
{
    pk__json_put_open(w, '[');
}

PK_API void pk_json_put_end(pk_json_writer *w)
{
    if (w->failed) {
        return;
    }
    if (w->depth == 0 || w->have_key) {
        (void)pk__json_fail(w, w->have_key ? PK__JSON_NO_VALUE : PK__JSON_TOO_MANY_ENDS);
        return;
    }
    char bracket = pk__json_in_array(w) ? ']' : '}';
    w->depth--;
    if (w->need_comma) {
        pk__json_new_line(w); // an empty container stays on its line
    }
    w->need_comma = true;
    pk__json_char(w, bracket);
}

PK_API void pk_json_put_key_str(pk_json_writer *w, pk_str key)
{
    if (w->failed) {
        return;
    }
    if (w->have_key || w->depth == 0 || pk__json_in_array(w)) {
        (void)pk__json_fail(w, w->have_key ? PK__JSON_NO_VALUE : PK__JSON_NO_OBJECT);
        return;
    }
    if (w->need_comma) {
        pk__json_char(w, ',');
    }
    pk__json_new_line(w);
    pk__json_quoted(w, key);
    pk__json_bytes(w, ": ", w->indent > 0 ? 2 : 1);
    w->have_key = true;
    w->need_comma = true;
}

PK_API void pk_json_put_key(pk_json_writer *w, const char *key)
{
    pk_json_put_key_str(w, pk_str_from(key));
}

/* ---- values */

static void pk__json_word(pk_json_writer *w, const char *word, size_t len)
{
    if (pk__json_before_value(w)) {
        pk__json_bytes(w, word, len);
    }
}

PK_API void pk_json_put_str(pk_json_writer *w, pk_str value)
{
    if (pk__json_before_value(w)) {
        pk__json_quoted(w, value);
    }
}

PK_API void pk_json_put_text(pk_json_writer *w, const char *value)
{
    if (value) {
        pk_json_put_str(w, pk_str_from(value));
    } else {
        pk_json_put_null(w);
    }
}

PK_API void pk_json_put_b64(pk_json_writer *w, pk_str bytes)
{
    if (pk__json_before_value(w)) {
        pk__json_char(w, '"');
        if (!w->failed && !pk__base64_encode(w->buf, bytes)) {
            (void)pk__json_fail(w, PK__JSON_BUFFER);
        }
        pk__json_char(w, '"');
    }
}

PK_API void pk_json_put_int(pk_json_writer *w, int64_t value)
{
    char text[PK__NUMBER_CAP];
    pk__json_word(w, text, (size_t)(pk__number_put_int(text, value) - text));
}

PK_API void pk_json_put_uint(pk_json_writer *w, uint64_t value)
{
    char text[PK__NUMBER_CAP];
    pk__json_word(w, text, (size_t)(pk__number_put_uint(text, value) - text));
}

PK_API void pk_json_put_double(pk_json_writer *w, double value)
{
    char text[PK__NUMBER_CAP];
    if (!(value - value == 0)) { // not a number, or infinite
        (void)pk__json_fail(w, PK__JSON_NOT_FINITE);
        return;
    }
    pk__json_word(w, text, (size_t)(pk__number_put_double(text, value) - text));
}

PK_API void pk_json_put_bool(pk_json_writer *w, bool value)
{
    pk__json_word(w, value ? "true" : "false", value ? 4 : 5);
}

PK_API void pk_json_put_null(pk_json_writer *w)
{
    pk__json_word(w, "null", 4);
}

PK_API void pk_json_put_raw(pk_json_writer *w, pk_json value)
{
    pk__json_reader r;
    if (value.len == 0) {
        pk_json_put_null(w);
        return;
    }
    pk__json_begin(&r, value);
    r.depth = w->depth;
    const char *p = pk__json_value(&r, r.begin, NULL);
    if (!p || !pk__json_end(&r, p)) {
        (void)pk__json_fail(w, r.failed == PK_ERR_LIMIT ? PK__JSON_TOO_DEEP : PK__JSON_BAD_RAW);
        return;
    }
    if (!pk__json_before_value(w)) {
        return;
    }
    /* Line breaks can only stand between tokens. They go, because lines of JSON must stay lines. */
    for (p = r.begin; p < r.end; p++) {
        const char *stop = p;
        while (stop < r.end && *stop != '\n' && *stop != '\r') {
            stop++;
        }
        pk__json_bytes(w, p, (size_t)(stop - p));
        p = stop;
    }
}

PK_API pk_err pk_json_finish(pk_json_writer *w, pk_error *err)
{
    if (!w->failed && w->depth > 0) {
        (void)pk__json_fail(w, w->have_key ? PK__JSON_NO_VALUE : PK__JSON_OPEN);
    } else if (!w->failed && !w->need_comma) {
        (void)pk__json_fail(w, PK__JSON_NO_VALUE); // nothing was written
    }
    if (!w->failed) {
        return PK_OK;
    }
    return pk_error_set(err, pk__json_fault_code(w), "cannot write JSON: %s", pk__json_fault_text(w));
}

/* == wire/url.h == */
/* url.h - request targets and paths: split once, decoded once, walked once.
 *
 * A server and whatever stands before it must never see two different paths in the same bytes. So there is exactly one
 * reading: pk__url_split checks the target's form and every byte of it, pk__url_decode_path takes the percent signs
 * away once, and then "//" becomes "/", "." and ".." segments are resolved. What cannot be read in one way only is
 * refused: a broken %XX, a control character (plain or encoded), a path that climbs above its root, bytes that are no
 * UTF-8 once decoded, a fragment, a target that does not begin with "/".
 *
 * Routes, open paths and handlers all see the decoded path and nothing else. A "%2F" is a slash by then.
 *
 * Queries stay as they came and are walked pair by pair:
 *
 *     while (pk__url_query_next(&rest, &name, &value)) { ... pk__url_decode(value, true, buf, &len) ... }        */
#ifdef PLUGKIT_LINES
#line 13 "src/wire/url.h"
#endif




typedef enum pk__url_form { PK__URL_ORIGIN, PK__URL_ABSOLUTE, PK__URL_ASTERISK } pk__url_form;

typedef struct pk__url {
    pk__url_form form;
    pk_str authority; // of an absolute target; it outranks Host
    pk_str path;      // still encoded, begins with "/"; "*" of an asterisk target
    pk_str query;     // behind the '?'; "" if there is none
} pk__url;

/* Takes a request target apart: "/path?query", "http://host/path?query", or "*" (OPTIONS only). The parts are views
 * into target. False: none of these, or a byte that no target may hold. */
PK__FN bool pk__url_split(pk_str method, pk_str target, pk__url *out);
/* Decodes and normalises a path into out, which has room for path.len bytes and may be path.ptr itself.
 * False: it cannot be read in one way only (see above). A slash at the end stays. */
PK__FN bool pk__url_decode_path(pk_str path, char *out, size_t *len);
/* Decodes %XX, and '+' as a space if plus_is_space. out has room for in.len bytes and may be in.ptr. False: broken. */
PK__FN bool pk__url_decode(pk_str in, bool plus_is_space, char *out, size_t *len);
/* The next name=value of a query, both still encoded; false at the end. *rest begins as the query. */
PK__FN bool pk__url_query_next(pk_str *rest, pk_str *name, pk_str *value);
/* Appends `in` with all but unreserved characters as %XX; keep_slash leaves '/' alone. False: the buffer failed. */
PK__FN bool pk__url_encode(pk_buf *out, pk_str in, bool keep_slash);



/* == wire/http_scan.h == */
/* http_scan.h - how far a token, a value or a line goes: the inner loops of reading heads.
 *
 * The functions of the first kind give the first byte that does not belong, or `end`. pk__http_scan_line is faster and
 * knows only what is usual: a whole line "Name: value" of letters, digits and '-', and of printable bytes. All else it
 * leaves to the reader that knows the rules (NULL), so that there is only one of those. Its lines do not wait for each
 * other: where control characters are is found out for 64 bytes at a time, from there to the ends of lines it is a
 * matter of counting bits, and the names between them are looked at on the side.
 *
 * Nothing behind `end` is touched. With SSE2 or NEON sixteen bytes are looked at together, elsewhere eight in plain C
 * (swar.h) and there is no fast line: that is decided when this is compiled. Small builds (-Os) and PLUGKIT_NO_SIMD go
 * the plain way, which gives the same answers; with PLUGKIT_TEST both are there, and tests compare them. */
#ifdef PLUGKIT_LINES
#line 11 "src/wire/http_scan.h"
#endif





#if !defined(PLUGKIT_NO_SIMD) && !defined(__OPTIMIZE_SIZE__) && defined(__GNUC__)
#if defined(__SSE2__)
#define PK__HTTP_SCAN_WIDE
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define PK__HTTP_SCAN_WIDE
#include <arm_neon.h>
#endif
#endif

enum {
    PK__HTTP_TOKEN = 1,  // of names and methods (RFC 9110, 5.6.2)
    PK__HTTP_VALUE = 2,  // of field values: no control character but the tab
    PK__HTTP_TARGET = 4, // of request targets: printable ASCII without the space
    PK__HTTP_HOST = 8    // of hosts and ports
};

PK__FN const char *pk__http_scan_token(const char *p, const char *end);
PK__FN const char *pk__http_scan_value(const char *p, const char *end);
PK__FN const char *pk__http_scan_target(const char *p, const char *end);
/* One byte after the other: for what is short and rare. */
PK__FN const char *pk__http_scan_class(const char *p, const char *end, unsigned classes);

typedef struct pk__http_scan {
    const char *base, *end; // the 64 bytes that were looked at; NULL: there are not so many
    uint64_t odd;           // which of them are control characters
} pk__http_scan;

/* For lines from `at` on in [begin, end). */
PK__FN void pk__http_scan_begin(pk__http_scan *s, const char *begin, const char *at, const char *end);
/* Reads the line at p into *field. Gives the next one, or NULL: read it in the other way. */
PK__FN const char *pk__http_scan_line(pk__http_scan *s, const char *p, pk_meta *field);



/* == wire/http_head.h == */
/* http_head.h - the head of an HTTP/1.x message: bytes in, views out (RFC 9110, RFC 9112).
 *
 * Nothing is copied and nothing is allocated: method, target and fields are views into the caller's buffer, the field
 * array is the caller's. Feed the whole buffer each time more bytes have come; finished lines are not read again, so
 * a peer that sends one byte at a time costs no more than one that sends all:
 *
 *     pk__http_head_init(&head, PK__HTTP_REQUEST, fields, cap, &limits);
 *     switch (pk__http_head_parse(&head, buf, len)) {
 *     case PK__HTTP_MORE:  read more into buf (which may have moved), call again
 *     case PK__HTTP_DONE:  head.size bytes were the head; head.framing says how the body goes on
 *     case PK__HTTP_ERROR: answer head.error_status with head.error, and close
 *     }
 *
 * One reading of every message, or none: lengths are digits only (19 at most), and a second or a listed one, one
 * together with Transfer-Encoding, any coding but one "chunked", folded lines, a CR or LF that is not a line end, a
 * space before the colon, an empty name, control characters, a missing or second Host are all refused. After a
 * refusal nothing on the connection can be trusted: it must be closed. */
#ifdef PLUGKIT_LINES
#line 17 "src/wire/http_head.h"
#endif






typedef enum pk__http_result { PK__HTTP_MORE, PK__HTTP_DONE, PK__HTTP_ERROR } pk__http_result;
typedef enum pk__http_kind { PK__HTTP_REQUEST, PK__HTTP_RESPONSE } pk__http_kind;
typedef enum pk__http_framing {
    PK__HTTP_NO_BODY,
    PK__HTTP_LENGTH,     // head.length bytes follow
    PK__HTTP_CHUNKED,
    PK__HTTP_UNTIL_CLOSE // responses only
} pk__http_framing;

typedef struct pk__http_limits {
    size_t head_bytes, target_bytes, fields; // a field array must have room for `fields`
} pk__http_limits;

typedef struct pk__http_head {
    pk_str method, target;    // of a request
    int status;               // of a response
    pk_str reason;            //   and its words
    int minor;                // 0 or 1: HTTP/1.0 or HTTP/1.1
    pk_meta *fields;          // in the order in which they came
    size_t field_count;
    size_t size;              // bytes of the head, when done
    pk__http_framing framing; // of a response: call pk__http_head_response first
    uint64_t length;          // of the body, if framing is LENGTH
    bool keep_alive;          // the peer is willing to go on after this message
    bool expects_continue;    // it waits for "100 Continue" before it sends the body
    pk_str host;              // the Host field; "" if absent (HTTP/1.0) or empty
    int error_status;         // 400, 413, 414, 417, 431, 501 or 505, when refused
    const char *error;        //   and why: static text

    /* private: where the parser stands */
    pk__http_kind kind;
    pk__http_limits limit;
    const char *base;         // the buffer at the last call: views are moved along when it moves
    size_t at, seen;          // start of the first unfinished line; bytes that were looked at
    uint8_t phase;            // see pk__http_head_more
    bool has_start, has_length, has_coding, has_host, says_close, says_keep;
} pk__http_head;

PK__FN void pk__http_head_init(pk__http_head *head, pk__http_kind kind, pk_meta *fields, const pk__http_limits *limit);
PK__FN pk__http_result pk__http_head_parse(pk__http_head *head, const char *buf, size_t len);
/* What a response's framing is depends on the request: answers to HEAD, 1xx, 204 and 304 have no body. */
PK__FN void pk__http_head_response(pk__http_head *head, bool to_head_request);
/* The value of the first field of that name (any case); "" if absent. */
PK__FN pk_str pk__http_head_find(const pk_meta *fields, size_t count, pk_str name);

/* Is a field called that? Inline: of a name that is known when compiling little more is left than comparing words. */
PK__FN inline bool pk__http_head_named(pk_str field, pk_str name)
{
    return field.len == name.len && (memcmp(field.ptr, name.ptr, name.len) == 0 || pk_str_ieq(field, name));
}

/* May it be sent? Field names and methods are tokens; values hold no control characters but tabs. */
PK__FN bool pk__http_head_is_token(pk_str s);
PK__FN bool pk__http_head_is_value(pk_str s);
PK__FN bool pk__http_head_is_host(pk_str s); // the characters of a host and a port; "" is one
/* Is `token` in this comma-separated list (any case)? */
PK__FN bool pk__http_head_has_token(pk_str list, pk_str token);
/* Digits only, at least one, at most 19, below 2^63. */
PK__FN bool pk__http_head_number(pk_str digits, uint64_t *out);
/* "Not Found"; "" for a status without a usual phrase. Static. */
PK__FN const char *pk__http_head_reason(int status);



/* == wire/http_chunk.h == */
/* http_chunk.h - the chunked transfer coding (RFC 9112, section 7.1), taken apart and put together.
 *
 * The decoder is fed bytes as they come and hands back the runs of data in them, as views into the input:
 *
 *     pk__http_chunk_init(&c);
 *     while ((r = pk__http_chunk_next(&c, &in, &data)) == PK__CHUNK_DATA) { use data }
 *     MORE: all of `in` was used up    DONE: `in` is what follows the message    ERROR: c.error says why
 *
 * Sizes are 1 to 15 hexadecimal digits and nothing else. Extensions are checked and dropped, and so are trailers: as
 * an attacker can make both long and useless, each may have 4 KiB in one message. A bare CR or LF ends it all. */
#ifdef PLUGKIT_LINES
#line 10 "src/wire/http_chunk.h"
#endif




#define PK__CHUNK_EXTRA_MAX 4096 // bytes of extensions, and of trailers, in one message
#define PK__CHUNK_HEAD_MAX 20    // room that pk__http_chunk_head needs

typedef enum pk__chunk_result { PK__CHUNK_MORE, PK__CHUNK_DATA, PK__CHUNK_DONE, PK__CHUNK_ERROR } pk__chunk_result;

typedef struct pk__http_chunk {
    uint64_t left;      // bytes of the current chunk that have not come yet
    uint32_t extra;     // bytes of extensions so far
    uint32_t trailer;   // bytes of trailers so far
    uint8_t state;
    uint8_t digits;     // of the current size
    const char *error;  // static text, after PK__CHUNK_ERROR
} pk__http_chunk;

PK__FN void pk__http_chunk_init(pk__http_chunk *c);
PK__FN pk__chunk_result pk__http_chunk_next(pk__http_chunk *c, pk_str *in, pk_str *data);

/* Writes the line before a chunk of `size` bytes, the previous chunk's end included unless it is the first. Size 0
 * ends the message. Returns how many bytes were written to out (at most PK__CHUNK_HEAD_MAX). */
PK__FN size_t pk__http_chunk_head(char *out, uint64_t size, bool first);



/* == wire/url.c == */
/* url.c - request targets, paths and queries. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/url.c"
#endif





static pk_str pk__url_part(pk_str s, size_t from, size_t to)
{
    pk_str part;
    part.ptr = s.ptr + from;
    part.len = to - from;
    return part;
}

/* Printable ASCII, no space, no '#' (fragments stay with the client), no '\' (some read it as a slash). */
static bool pk__url_is_clean(pk_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\') { // a char above 0x7f may count as negative: refused too
            return false;
        }
    }
    return true;
}

PK__FN bool pk__url_split(pk_str method, pk_str target, pk__url *out)
{
    static const pk_str star = PK_STR_INIT("*");
    static const pk_str http = PK_STR_INIT("http://");
    memset(out, 0, sizeof(*out));
    if (!pk__url_is_clean(target)) {
        return false;
    }
    if (pk_str_eq(target, star)) {
        out->form = PK__URL_ASTERISK;
        out->path = target;
        return pk_str_is(method, "OPTIONS");
    }
    size_t at = 0;
    if (target.len > http.len && pk_str_ieq(pk__url_part(target, 0, http.len), http)) {
        at = http.len;
        while (at < target.len && target.ptr[at] != '/' && target.ptr[at] != '?') {
            at++;
        }
        out->form = PK__URL_ABSOLUTE;
        out->authority = pk__url_part(target, http.len, at);
        if (out->authority.len == 0 || memchr(out->authority.ptr, '@', out->authority.len)) {
            return false;
        }
    } else if (target.len == 0 || target.ptr[0] != '/') {
        return false;
    }
    size_t path = at;
    while (at < target.len && target.ptr[at] != '?') {
        at++;
    }
    out->path = pk__url_part(target, path, at);
    if (out->path.len == 0) { // "http://host" and "http://host?x" mean the root
        out->path = pk_str_from("/");
    }
    if (at < target.len) {
        out->query = pk__url_part(target, at + 1, target.len);
    }
    return true;
}

static int pk__url_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

PK__FN bool pk__url_decode(pk_str in, bool plus_is_space, char *out, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            int high = i + 2 < in.len ? pk__url_digit(in.ptr[i + 1]) : -1;
            int low = high >= 0 ? pk__url_digit(in.ptr[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[n++] = c;
    }
    *len = n;
    return true;
}

/* UTF-8 without control characters, those of two bytes (C1) included. */
static bool pk__url_is_text(const char *s, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        unsigned char c = (unsigned char)s[i];
        n = pk__utf8_len(s + i, s + len);
        if (n == 0 || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[i + 1] < 0xa0)) {
            return false;
        }
    }
    return true;
}

/* Removes empty, "." and ".." segments in place. False: ".." at the root. */
static bool pk__url_walk(char *path, size_t *len)
{
    size_t in = 0, out = 0;
    while (in < *len) {
        size_t begin = ++in; // behind the slash
        while (in < *len && path[in] != '/') {
            in++;
        }
        size_t n = in - begin;
        bool is_last = in == *len;
        bool is_up = n == 2 && path[begin] == '.' && path[begin + 1] == '.';
        if (is_up) {
            if (out == 0) {
                return false;
            }
            while (path[--out] != '/') {
            }
        }
        if (is_up || n == 0 || (n == 1 && path[begin] == '.')) {
            if (is_last) {
                path[out++] = '/';
            }
            continue;
        }
        path[out++] = '/';
        memmove(path + out, path + begin, n);
        out += n;
    }
    *len = out;
    return true;
}

PK__FN bool pk__url_decode_path(pk_str path, char *out, size_t *len)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    return pk__url_decode(path, false, out, len) && pk__url_is_text(out, *len) && pk__url_walk(out, len);
}

PK__FN bool pk__url_query_next(pk_str *rest, pk_str *name, pk_str *value)
{
    while (rest->len > 0) {
        pk_str pair, more;
        if (!pk_str_cut(*rest, '&', &pair, &more)) {
            pair = *rest;
            more.ptr = rest->ptr + rest->len;
            more.len = 0;
        }
        *rest = more;
        if (pair.len == 0) {
            continue; // "a=1&&b=2"
        }
        if (!pk_str_cut(pair, '=', name, value)) {
            *name = pair;
            value->ptr = pair.ptr + pair.len;
            value->len = 0;
        }
        return true;
    }
    return false;
}

static bool pk__url_is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

PK__FN bool pk__url_encode(pk_buf *out, pk_str in, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (pk__url_is_plain(c) || (c == '/' && keep_slash)) {
            (void)pk_buf_add_char(out, c);
        } else {
            char three[3] = {'%', '0', '0'};
            three[1] = hex[(unsigned char)c >> 4];
            three[2] = hex[(unsigned char)c & 15];
            pk_str part = {three, 3};
            (void)pk_buf_add(out, part);
        }
    }
    return out->failed == 0;
}

/* == wire/http_scan.c == */
/* http_scan.c - a table, words of eight, registers of sixteen. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/http_scan.c"
#endif


/* One row for each sixteen bytes. What is above 0x7f may stand in values only (obs-text). */
static const uint8_t pk__http_scan_table[256] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  2,  0,  0,  0,  0,  0,  0,
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    2,  15, 6,  7,  15, 15, 15, 15, 14, 14, 15, 15, 6,  15, 15, 6,  //   ! " # $ % & ' ( ) * + , - . /
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 14, 6,  14, 6,  6,  // 0 1 2 3 4 5 6 7 8 9 : ; < = > ?
    6,  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, // @ A to O
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 6,  14, 7,  15, // P to Z [ \ ] ^ _
    7,  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, // ` a to o
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6,  7,  6,  15, 0,  // p to z { | } ~
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
};

PK__FN const char *pk__http_scan_class(const char *p, const char *end, unsigned classes)
{
    while (p < end && (pk__http_scan_table[(unsigned char)*p] & classes) != 0) {
        p++;
    }
    return p;
}

/* Printable ASCII from `least` on, eight at a time; what is not plain is looked up. */
PK__FN inline const char *pk__http_scan_words(const char *p, const char *end, unsigned char least, unsigned classes)
{
    while (end - p >= 8) {
        uint64_t word = pk__swar_load(p);
        uint64_t odd = word | (word - PK__SWAR_ONES * least) | ((word ^ PK__SWAR_ONES * 0x7f) - PK__SWAR_ONES);
        odd &= PK__SWAR_TOPS; // above 0x7f, or below the least, or 0x7f
        if (odd != 0) {
            p += pk__swar_first(odd);
            break;
        }
        p += 8;
    }
    return pk__http_scan_class(p, end, classes);
}

#if !defined(PK__HTTP_SCAN_WIDE) || defined(PLUGKIT_TEST)
PK__FN const char *pk__http_scan_value_plain(const char *p, const char *end)
{
    return pk__http_scan_words(p, end, 0x20, PK__HTTP_VALUE);
}

PK__FN const char *pk__http_scan_target_plain(const char *p, const char *end)
{
    return pk__http_scan_words(p, end, 0x21, PK__HTTP_TARGET);
}
#endif

#ifndef PK__HTTP_SCAN_WIDE
PK__FN const char *pk__http_scan_token(const char *p, const char *end)
{
    return pk__http_scan_class(p, end, PK__HTTP_TOKEN);
}

PK__FN const char *pk__http_scan_value(const char *p, const char *end)
{
    return pk__http_scan_value_plain(p, end);
}

PK__FN const char *pk__http_scan_target(const char *p, const char *end)
{
    return pk__http_scan_target_plain(p, end);
}

PK__FN void pk__http_scan_begin(pk__http_scan *s, const char *begin, const char *at, const char *end)
{
    (void)s, (void)begin, (void)at, (void)end;
}

PK__FN const char *pk__http_scan_line(pk__http_scan *s, const char *p, pk_meta *field)
{
    (void)s, (void)p, (void)field;
    return NULL;
}
#else

/* ---- sixteen at a time. Each test gives a number with a bit for each byte that fails, the first one lowest. */

#ifdef __SSE2__
typedef __m128i pk__http_scan_sixteen;

PK__FN inline __m128i pk__http_scan_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Of the bytes that tokens can have, those that names do have: letters, digits and '-'. */
PK__FN inline __m128i pk__http_scan_no_name(__m128i c)
{
    __m128i letter = _mm_sub_epi8(_mm_or_si128(c, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
    letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
    digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    __m128i good = _mm_or_si128(_mm_or_si128(letter, digit), _mm_cmpeq_epi8(c, _mm_set1_epi8('-')));
    return _mm_cmpeq_epi8(good, _mm_setzero_si128());
}

PK__FN inline __m128i pk__http_scan_no_value(__m128i c)
{
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(c, _mm_set1_epi8(0x1f)), c);
    return _mm_or_si128(low, _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f)));
}

PK__FN inline __m128i pk__http_scan_no_target(__m128i c)
{
    __m128i low = _mm_cmplt_epi8(c, _mm_set1_epi8(0x21)); // signed: what is above 0x7f is below
    return _mm_or_si128(low, _mm_cmpeq_epi8(c, _mm_set1_epi8(0x7f)));
}

PK__FN inline unsigned pk__http_scan_bits(__m128i bad)
{
    return (unsigned)_mm_movemask_epi8(bad);
}

PK__FN inline uint64_t pk__http_scan_odd(const char *p)
{
    uint64_t low = pk__http_scan_bits(pk__http_scan_no_value(pk__http_scan_load(p))) |
                   pk__http_scan_bits(pk__http_scan_no_value(pk__http_scan_load(p + 16))) << 16;
    uint64_t high = pk__http_scan_bits(pk__http_scan_no_value(pk__http_scan_load(p + 32))) |
                    pk__http_scan_bits(pk__http_scan_no_value(pk__http_scan_load(p + 48))) << 16;
    return low | high << 32;
}
#else
typedef uint8x16_t pk__http_scan_sixteen;

PK__FN inline uint8x16_t pk__http_scan_load(const char *p)
{
    return vld1q_u8((const uint8_t *)p);
}

PK__FN inline uint8x16_t pk__http_scan_no_name(uint8x16_t c)
{
    uint8x16_t letter = vcltq_u8(vsubq_u8(vorrq_u8(c, vdupq_n_u8(0x20)), vdupq_n_u8('a')), vdupq_n_u8(26));
    uint8x16_t digit = vcltq_u8(vsubq_u8(c, vdupq_n_u8('0')), vdupq_n_u8(10));
    return vmvnq_u8(vorrq_u8(vorrq_u8(letter, digit), vceqq_u8(c, vdupq_n_u8('-'))));
}

PK__FN inline uint8x16_t pk__http_scan_no_value(uint8x16_t c)
{
    return vorrq_u8(vcltq_u8(c, vdupq_n_u8(0x20)), vceqq_u8(c, vdupq_n_u8(0x7f)));
}

PK__FN inline uint8x16_t pk__http_scan_no_target(uint8x16_t c)
{
    return vorrq_u8(vcltq_u8(c, vdupq_n_u8(0x21)), vcgeq_u8(c, vdupq_n_u8(0x7f)));
}

/* Of each byte one bit: its place in the byte of eight neighbours. */
PK__FN inline uint8x16_t pk__http_scan_places(uint8x16_t bad)
{
    const uint8x16_t place = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    return vandq_u8(bad, place);
}

PK__FN inline uint64_t pk__http_scan_four(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    uint8x16_t low = vpaddq_u8(pk__http_scan_places(a), pk__http_scan_places(b));
    uint8x16_t high = vpaddq_u8(pk__http_scan_places(c), pk__http_scan_places(d));
    uint8x16_t sum = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

PK__FN inline unsigned pk__http_scan_bits(uint8x16_t bad)
{
    const uint8x16_t none = vdupq_n_u8(0);
    return (unsigned)pk__http_scan_four(bad, none, none, none);
}

PK__FN inline uint64_t pk__http_scan_odd(const char *p)
{
    return pk__http_scan_four(pk__http_scan_no_value(pk__http_scan_load(p)),
                              pk__http_scan_no_value(pk__http_scan_load(p + 16)),
                              pk__http_scan_no_value(pk__http_scan_load(p + 32)),
                              pk__http_scan_no_value(pk__http_scan_load(p + 48)));
}
#endif

/* Bytes of names; at the end of the buffer some of them may be left over. */
PK__FN inline const char *pk__http_scan_name(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned bad = pk__http_scan_bits(pk__http_scan_no_name(pk__http_scan_load(p)));
        if (bad != 0) {
            return p + (unsigned)__builtin_ctz(bad);
        }
    }
    return p;
}

PK__FN inline const char *pk__http_scan_token(const char *p, const char *end)
{
    return pk__http_scan_class(pk__http_scan_name(p, end), end, PK__HTTP_TOKEN);
}

PK__FN inline const char *pk__http_scan_value(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned bad = pk__http_scan_bits(pk__http_scan_no_value(pk__http_scan_load(p)));
        if (bad != 0) {
            p += (unsigned)__builtin_ctz(bad);
            break;
        }
    }
    return pk__http_scan_words(p, end, 0x20, PK__HTTP_VALUE); // tabs are
}

PK__FN inline const char *pk__http_scan_target(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned bad = pk__http_scan_bits(pk__http_scan_no_target(pk__http_scan_load(p)));
        if (bad != 0) {
            return p + (unsigned)__builtin_ctz(bad);
        }
    }
    return pk__http_scan_words(p, end, 0x21, PK__HTTP_TARGET);
}

PK__FN inline void pk__http_scan_begin(pk__http_scan *s, const char *begin, const char *at, const char *end)
{
    s->base = end - at >= 64 ? at : end - begin >= 64 ? end - 64 : NULL;
    s->end = end;
    s->odd = s->base ? pk__http_scan_odd(s->base) : 0;
}

/* The first control character from p on, or the end. */
PK__FN inline const char *pk__http_scan_next(pk__http_scan *s, const char *p)
{
    for (;;) {
        const char *behind = s->base + 64;
        uint64_t odd = p < behind ? s->odd >> (p - s->base) : 0;
        if (odd != 0) {
            return p + (unsigned)__builtin_ctzll(odd);
        }
        if (behind == s->end) {
            return behind;
        }
        p = PK__MAX(p, behind);
        s->base = s->end - behind >= 64 ? behind : s->end - 64;
        s->odd = pk__http_scan_odd(s->base);
    }
}

PK__FN inline const char *pk__http_scan_line(pk__http_scan *s, const char *p, pk_meta *field)
{
    if (!s->base || s->end - p < 2) {
        return NULL;
    }
    const char *value_end = pk__http_scan_next(s, p), *next = value_end + 2;
    if (next > s->end || value_end[0] != '\r' || value_end[1] != '\n') {
        return NULL;
    }
    const char *value = pk__http_scan_name(p, s->end); // goes no further than the CR
    if (*value != ':' || value == p) {
        return NULL;
    }
    field->name.ptr = p;
    field->name.len = (size_t)(value - p);
    do {
        value++;
    } while (*value == ' ');
    while (value_end > value && value_end[-1] == ' ') {
        value_end--;
    }
    field->value.ptr = value;
    field->value.len = (size_t)(value_end - value);
    return next;
}
#endif

/* == wire/http_head.c == */
/* http_head.c - reading the head of a message, one line at a time, in place. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/http_head.c"
#endif






/* Readers of parts return where the next part begins. NULL: it was refused, or more is needed. */
static const char *pk__http_head_refuse(pk__http_head *h, int status, const char *why)
{
    h->error_status = status;
    h->error = why;
    return NULL;
}

static const char *pk__http_head_skip(const char *p, const char *end, uint8_t class_bit)
{
    return class_bit == PK__HTTP_TOKEN   ? pk__http_scan_token(p, end)
           : class_bit == PK__HTTP_VALUE ? pk__http_scan_value(p, end)
                                         : pk__http_scan_target(p, end);
}

/* Is it `lower`, of at least four letters, but for their case? That is all that 0x20 makes where there are no control
 * characters. */
PK__FN inline bool pk__http_head_same(pk_str s, const char *lower, size_t len)
{
    uint64_t odd = 0;
    if (s.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i += 4) {
        uint32_t word, want;
        size_t at = PK__MIN(i, len - 4);
        memcpy(&word, s.ptr + at, sizeof(word));
        memcpy(&want, lower + at, sizeof(want));
        odd |= word ^ want;
    }
    return (odd & ~(PK__SWAR_ONES * 0x20)) == 0;
}

#define PK__HTTP_HEAD_IS(str, literal) pk__http_head_same(str, literal, sizeof(literal) - 1)

/* More is needed, and the line was good up to its end: `phase` is the class of bytes that may go on with it. */
static const char *pk__http_head_more(pk__http_head *h, uint8_t phase)
{
    h->phase = phase;
    return NULL;
}

static pk_str pk__http_head_view(const char *from, const char *to)
{
    pk_str s;
    s.ptr = from;
    s.len = (size_t)(to - from);
    return s;
}

PK__FN bool pk__http_head_is_token(pk_str s)
{
    return s.len > 0 && pk__http_scan_class(s.ptr, s.ptr + s.len, PK__HTTP_TOKEN) == s.ptr + s.len;
}

PK__FN bool pk__http_head_is_value(pk_str s)
{
    return s.len == 0 || pk__http_scan_value(s.ptr, s.ptr + s.len) == s.ptr + s.len;
}

/* The next element of a comma-separated list, without the blanks around it. False: there is none. */
static bool pk__http_head_next(pk_str *list, pk_str *element)
{
    const char *p = list->ptr, *end = p + list->len, *comma = p;
    if (list->len == 0) {
        return false;
    }
    while (comma < end && *comma != ',') {
        comma++;
    }
    list->ptr = comma < end ? comma + 1 : end;
    list->len = (size_t)(end - list->ptr);
    while (p < comma && (*p == ' ' || *p == '\t')) {
        p++;
    }
    while (comma > p && (comma[-1] == ' ' || comma[-1] == '\t')) {
        comma--;
    }
    *element = pk__http_head_view(p, comma);
    return true;
}

PK__FN bool pk__http_head_has_token(pk_str list, pk_str token)
{
    for (pk_str one; pk__http_head_next(&list, &one);) {
        if (pk_str_ieq(one, token)) {
            return true;
        }
    }
    return false;
}

PK__FN bool pk__http_head_is_host(pk_str s)
{
    return pk__http_scan_class(s.ptr, s.ptr + s.len, PK__HTTP_HOST) == s.ptr + s.len;
}

PK__FN bool pk__http_head_number(pk_str digits, uint64_t *out)
{
    uint64_t value = 0;
    if (digits.len == 0 || digits.len > 19) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(digits.ptr[i] - '0'); // 19 digits fit into 64 bits
    }
    *out = value;
    return value <= INT64_MAX;
}

PK__FN pk_str pk__http_head_find(const pk_meta *fields, size_t count, pk_str name)
{
    static const pk_str none = {"", 0};
    for (size_t i = 0; i < count; i++) {
        /* Most peers write names as everybody does, and that is quickly seen. */
        if (fields[i].name.len == name.len &&
            (memcmp(fields[i].name.ptr, name.ptr, name.len) == 0 || pk_str_ieq(fields[i].name, name))) {
            return fields[i].value;
        }
    }
    return none;
}

PK__FN const char *pk__http_head_reason(int status)
{
    static const char words[] = // each behind its status
        "100Continue\0" "101Switching Protocols\0" "200OK\0" "201Created\0" "202Accepted\0"
        "203Non-Authoritative Information\0" "204No Content\0" "205Reset Content\0" "206Partial Content\0"
        "300Multiple Choices\0" "301Moved Permanently\0" "302Found\0" "303See Other\0" "304Not Modified\0"
        "307Temporary Redirect\0" "308Permanent Redirect\0" "400Bad Request\0" "401Unauthorized\0"
        "402Payment Required\0" "403Forbidden\0" "404Not Found\0" "405Method Not Allowed\0" "406Not Acceptable\0"
        "408Request Timeout\0" "409Conflict\0" "410Gone\0" "411Length Required\0" "412Precondition Failed\0"
        "413Content Too Large\0" "414URI Too Long\0" "415Unsupported Media Type\0" "416Range Not Satisfiable\0"
        "417Expectation Failed\0" "421Misdirected Request\0" "422Unprocessable Content\0" "425Too Early\0"
        "426Upgrade Required\0" "428Precondition Required\0" "429Too Many Requests\0"
        "431Request Header Fields Too Large\0" "499Client Closed Request\0" "500Internal Server Error\0"
        "501Not Implemented\0" "502Bad Gateway\0" "503Service Unavailable\0" "504Gateway Timeout\0"
        "505HTTP Version Not Supported\0" "507Insufficient Storage\0";
    for (const char *row = words; *row; row = pk__words_at(row, 1)) {
        if ((row[0] - '0') * 100 + (row[1] - '0') * 10 + (row[2] - '0') == status) {
            return row + 3;
        }
    }
    return "";
}

/* ---- the start line */

/* "HTTP/1.x". What comes piecemeal is compared as far as it goes, so that other protocols are refused at their first
 * bytes. */
static const char *pk__http_head_version(pk__http_head *h, const char *p, const char *end)
{
    static const char want[] = "HTTP/1.1";
    if (end - p >= 8 && memcmp(p, want, 8) == 0) {
        h->minor = 1;
        return p + 8;
    }
    for (size_t i = 0; i < 5; i++, p++) {
        if (p == end) {
            return NULL;
        }
        if (*p != want[i]) {
            return pk__http_head_refuse(h, 400, "not an HTTP message");
        }
    }
    if (end - p < 3) {
        return NULL;
    }
    if (p[0] < '0' || p[0] > '9' || p[1] != '.' || p[2] < '0' || p[2] > '9') {
        return pk__http_head_refuse(h, 400, "malformed HTTP version");
    }
    if (p[0] != '1') {
        return pk__http_head_refuse(h, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    h->minor = p[2] == '0' ? 0 : 1; // a later minor version is a superset of 1.1
    return p + 3;
}

static const char *pk__http_head_no_line_end(pk__http_head *h, const char *p, const char *end)
{
    if (p < end && *p != '\r') {
        return pk__http_head_refuse(h, 400, *p == '\n' ? "bare LF" : "control character or space where none may be");
    }
    return end - p < 2 ? NULL : pk__http_head_refuse(h, 400, "bare CR");
}

/* CR LF and nothing else. */
PK__FN inline const char *pk__http_head_line_end(pk__http_head *h, const char *p, const char *end)
{
    return end - p >= 2 && p[0] == '\r' && p[1] == '\n' ? p + 2 : pk__http_head_no_line_end(h, p, end);
}

static const char *pk__http_head_request_line(pk__http_head *h, const char *p, const char *end)
{
    if (p < end && *p == '\r') { // one empty line before a request is forgiven (RFC 9112, 2.2)
        p = pk__http_head_line_end(h, p, end);
        if (!p) {
            return NULL;
        }
    }
    const char *method = p;
    p = pk__http_scan_token(p, end);
    if (p - method > 32) {
        return pk__http_head_refuse(h, 501, "unknown method");
    }
    if (p == end) {
        return NULL;
    }
    if (*p != ' ' || p == method) {
        return pk__http_head_refuse(h, 400, "malformed request line");
    }
    h->method = pk__http_head_view(method, p++);

    const char *target = p;
    p = pk__http_scan_target(p, end);
    if ((size_t)(p - target) > h->limit.target_bytes) {
        return pk__http_head_refuse(h, 414, "request target is too long");
    }
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_TARGET);
    }
    if (*p != ' ' || p == target) {
        return pk__http_head_refuse(h, 400, "malformed request target");
    }
    h->target = pk__http_head_view(target, p++);

    p = pk__http_head_version(h, p, end);
    return p ? pk__http_head_line_end(h, p, end) : NULL;
}

static const char *pk__http_head_status_line(pk__http_head *h, const char *p, const char *end)
{
    p = pk__http_head_version(h, p, end);
    if (!p) {
        return NULL;
    }
    int status = 0;
    for (int i = 0; i < 4; i++, p++) {
        if (p == end) {
            return NULL;
        }
        if (i == 0 ? *p != ' ' : *p < '0' || *p > '9') {
            return pk__http_head_refuse(h, 502, "malformed status line");
        }
        status = i == 0 ? 0 : status * 10 + (*p - '0');
    }
    h->status = status;
    if (status < 100) {
        return pk__http_head_refuse(h, 502, "status below 100");
    }
    if (p == end) {
        return NULL;
    }
    if (*p == ' ') {
        p++;
    } else if (*p != '\r') {
        return pk__http_head_refuse(h, 502, "malformed status line");
    }
    const char *reason = p;
    p = pk__http_scan_value(p, end);
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_VALUE);
    }
    h->reason = pk__http_head_view(reason, p);
    return pk__http_head_line_end(h, p, end);
}

/* ---- fields. Those below frame the message or decide about the connection; all others are left to their readers. */

static void pk__http_head_length(pk__http_head *h, pk_str value)
{
    if (h->has_length) {
        (void)pk__http_head_refuse(h, 400, "more than one Content-Length");
    } else if (!pk__http_head_number(value, &h->length)) {
        (void)pk__http_head_refuse(h, 400, "malformed Content-Length");
    }
    h->has_length = true;
}

static void pk__http_head_coding(pk__http_head *h, pk_str value)
{
    size_t chunked = 0;
    pk_str one = {"", 0};
    bool again = h->has_coding, other = false;
    h->has_coding = true;
    while (pk__http_head_next(&value, &one)) {
        chunked += PK__HTTP_HEAD_IS(one, "chunked");
        other |= !PK__HTTP_HEAD_IS(one, "chunked");
    }
    /* "gzip, chunked" is proper HTTP that we do not speak; anything else has no certain end. */
    if (again) {
        (void)pk__http_head_refuse(h, 400, "more than one Transfer-Encoding");
    } else if (chunked != 1 || !PK__HTTP_HEAD_IS(one, "chunked")) {
        (void)pk__http_head_refuse(h, 400, "malformed Transfer-Encoding");
    } else if (other) {
        (void)pk__http_head_refuse(h, 501, "no transfer coding but chunked is spoken here");
    }
}

static void pk__http_head_host(pk__http_head *h, pk_str value)
{
    if (h->kind == PK__HTTP_REQUEST && h->has_host) {
        (void)pk__http_head_refuse(h, 400, "more than one Host header");
    } else if (h->kind == PK__HTTP_REQUEST && !pk__http_head_is_host(value)) {
        (void)pk__http_head_refuse(h, 400, "malformed Host header");
    }
    h->has_host = true;
    h->host = value;
}

static void pk__http_head_expect(pk__http_head *h, pk_str value)
{
    if (h->kind == PK__HTTP_REQUEST && !PK__HTTP_HEAD_IS(value, "100-continue")) {
        (void)pk__http_head_refuse(h, 417, "no expectation but 100-continue can be met");
    }
    h->expects_continue = true;
}

static void pk__http_head_connection(pk__http_head *h, pk_str value)
{
    if (PK__HTTP_HEAD_IS(value, "keep-alive")) { // as most do
        h->says_keep = true;
        return;
    }
    for (pk_str one; pk__http_head_next(&value, &one);) {
        h->says_close |= PK__HTTP_HEAD_IS(one, "close");
        h->says_keep |= PK__HTTP_HEAD_IS(one, "keep-alive");
    }
}

PK__FN inline void pk__http_head_special(pk__http_head *h, pk_str name, pk_str value)
{
    if (name.len == 4 && PK__HTTP_HEAD_IS(name, "host")) {
        pk__http_head_host(h, value);
    } else if (name.len == 6 && PK__HTTP_HEAD_IS(name, "expect")) {
        pk__http_head_expect(h, value);
    } else if (name.len == 10 && PK__HTTP_HEAD_IS(name, "connection")) {
        pk__http_head_connection(h, value);
    } else if (name.len == 14 && PK__HTTP_HEAD_IS(name, "content-length")) {
        pk__http_head_length(h, value);
    } else if (name.len == 17 && PK__HTTP_HEAD_IS(name, "transfer-encoding")) {
        pk__http_head_coding(h, value);
    }
}

static const char *pk__http_head_bad_name(pk__http_head *h, const char *name, const char *p)
{
    bool is_blank = *p == ' ' || *p == '\t';
    return pk__http_head_refuse(h, 400, p == name && is_blank ? "folded header line"
                                        : is_blank            ? "space before the colon"
                                                              : "malformed header name");
}

static const char *pk__http_head_line(pk__http_head *h, const char *name, const char *end, pk_meta *field)
{
    const char *p = pk__http_scan_token(name, end);
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_TOKEN);
    }
    if (*p != ':' || p == name) {
        return pk__http_head_bad_name(h, name, p);
    }
    field->name = pk__http_head_view(name, p++);
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    const char *value = p;
    p = pk__http_scan_value(p, end);
    if (p == end) {
        return pk__http_head_more(h, PK__HTTP_VALUE);
    }
    const char *value_end = p;
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
        value_end--;
    }
    field->value = pk__http_head_view(value, value_end);
    return pk__http_head_line_end(h, p, end);
}

/* ---- the whole */

/* All fields are there: do they agree with each other, and where does the body end? */
static void pk__http_head_finish(pk__http_head *h)
{
    h->keep_alive = h->minor == 1 ? !h->says_close : h->says_keep && !h->says_close;
    if (h->has_coding && h->has_length) {
        (void)pk__http_head_refuse(h, 400, "Content-Length together with Transfer-Encoding");
    } else if (h->has_coding && h->minor == 0) {
        (void)pk__http_head_refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
    } else if (h->kind == PK__HTTP_REQUEST && h->minor == 1 && !h->has_host) {
        (void)pk__http_head_refuse(h, 400, "missing required Host header");
    }
    h->framing = h->has_coding ? PK__HTTP_CHUNKED : h->length > 0 ? PK__HTTP_LENGTH : PK__HTTP_NO_BODY;
    h->expects_continue &= h->minor == 1 && h->framing != PK__HTTP_NO_BODY;
}

PK__FN void pk__http_head_init(pk__http_head *head, pk__http_kind kind, pk_meta *fields, const pk__http_limits *limit)
{
    /* Of 64 bytes compilers make four stores; of all at once a string instruction as slow as three fields. */
    const size_t rest = sizeof(*head) > 128 ? sizeof(*head) - 128 : 0;
    char *bytes = (char *)head;
    memset(bytes, 0, 64);
    memset(bytes + 64, 0, sizeof(*head) - 64 - rest);
    memset(bytes + sizeof(*head) - rest, 0, rest);
    head->kind = kind;
    head->fields = fields;
    head->limit = *limit;
}

static void pk__http_head_move(pk_str *s, const char *from, const char *to)
{
    if (s->ptr) {
        s->ptr = to + (s->ptr - from);
    }
}

/* The buffer grew and lies elsewhere now: all views go along. */
static void pk__http_head_rebase(pk__http_head *h, const char *buf)
{
    if (h->base) {
        pk__http_head_move(&h->method, h->base, buf);
        pk__http_head_move(&h->target, h->base, buf);
        pk__http_head_move(&h->reason, h->base, buf);
        pk__http_head_move(&h->host, h->base, buf);
        for (size_t i = 0; i < h->field_count; i++) {
            pk__http_head_move(&h->fields[i].name, h->base, buf);
            pk__http_head_move(&h->fields[i].value, h->base, buf);
        }
    }
    h->base = buf;
}

/* The fields, up to the empty line. Gives its end, or NULL; *at stays at the first line that is not whole. */
static const char *pk__http_head_fields(pk__http_head *h, const char *buf, const char **at, const char *end)
{
    pk__http_scan scan;
    const char *p = *at;
    pk__http_scan_begin(&scan, buf, p, end);
    while (p < end && *p != '\r') {
        pk_meta field;
        const char *next = pk__http_scan_line(&scan, p, &field);
        if (!next) {
            next = pk__http_head_line(h, p, end, &field);
        }
        if (next && h->field_count == h->limit.fields) {
            next = pk__http_head_refuse(h, 431, "too many header fields");
        }
        if (!next) {
            *at = p;
            return NULL;
        }
        p = next;
        h->fields[h->field_count++] = field;
        pk__http_head_special(h, field.name, field.value);
        if (h->error) {
            return NULL;
        }
    }
    *at = p;
    return pk__http_head_line_end(h, p, end);
}

/* Line by line; h->at stays at the first that is not whole. */
static const char *pk__http_head_lines(pk__http_head *h, const char *buf, const char *end)
{
    const char *at = buf + h->at, *p = at;
    h->phase = 0;
    if (!h->has_start) {
        p = h->kind == PK__HTTP_REQUEST ? pk__http_head_request_line(h, p, end) : pk__http_head_status_line(h, p, end);
        if (!p) {
            return NULL;
        }
        h->has_start = true;
        at = p;
    }
    p = pk__http_head_fields(h, buf, &at, end);
    h->at = (size_t)(at - buf);
    return p;
}

PK__FN pk__http_result pk__http_head_parse(pk__http_head *h, const char *buf, size_t len)
{
    if (h->error) {
        return PK__HTTP_ERROR;
    }
    if (len == 0) {
        return PK__HTTP_MORE;
    }
    if (buf != h->base) {
        pk__http_head_rebase(h, buf);
    }
    len = PK__MIN(len, h->limit.head_bytes); // what is behind that is never looked at, however the bytes come
    const char *end = buf + len, *p = NULL;
    /* Where the new bytes only make the line longer, it is not read again from its start: so the work stays in
     * proportion to the bytes, however many pieces they come in. */
    if (h->phase == 0 || (!h->has_start && len > h->limit.target_bytes) ||
        pk__http_head_skip(buf + h->seen, end, h->phase) != end) {
        p = pk__http_head_lines(h, buf, end);
    }
    h->seen = len;
    if (p) {
        h->size = (size_t)(p - buf);
        pk__http_head_finish(h);
    } else if (len == h->limit.head_bytes && !h->error) {
        (void)pk__http_head_refuse(h, 431, "header is too large");
    }
    return h->error ? PK__HTTP_ERROR : p ? PK__HTTP_DONE : PK__HTTP_MORE;
}

PK__FN void pk__http_head_response(pk__http_head *h, bool to_head_request)
{
    if (to_head_request || h->status < 200 || h->status == 204 || h->status == 304) {
        h->framing = PK__HTTP_NO_BODY;
    } else if (h->has_coding) {
        h->framing = PK__HTTP_CHUNKED;
    } else if (h->has_length) {
        h->framing = h->length > 0 ? PK__HTTP_LENGTH : PK__HTTP_NO_BODY;
    } else {
        h->framing = PK__HTTP_UNTIL_CLOSE;
        h->keep_alive = false;
    }
}

/* == wire/http_chunk.c == */
/* http_chunk.c - the chunked coding as a state machine over bytes. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/http_chunk.c"
#endif





enum {
    PK__CHUNK_SIZE,       // digits of a size
    PK__CHUNK_BLANK,      // blanks between a size and the ';' of its extension
    PK__CHUNK_EXT,        // the extension
    PK__CHUNK_SIZE_LF,    // the LF behind them
    PK__CHUNK_BYTES,      // data
    PK__CHUNK_BYTES_CR,   // the line end behind data
    PK__CHUNK_BYTES_LF,
    PK__CHUNK_LINE,       // start of a trailer line, or of the last, empty one
    PK__CHUNK_NAME,       // a trailer's name
    PK__CHUNK_VALUE,      // and its value
    PK__CHUNK_VALUE_LF,
    PK__CHUNK_LAST_LF,    // of the empty line
    PK__CHUNK_END,
    PK__CHUNK_BROKEN
};

PK__FN void pk__http_chunk_init(pk__http_chunk *c)
{
    memset(c, 0, sizeof(*c));
}

static uint8_t pk__http_chunk_refuse(pk__http_chunk *c, const char *why)
{
    c->error = why;
    return PK__CHUNK_BROKEN;
}

static int pk__http_chunk_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool pk__http_chunk_is_text(char c)
{
    return ((unsigned char)c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Blanks may stand before an extension (RFC 9112, 7.1.1), but not for themselves. */
static uint8_t pk__http_chunk_blank(pk__http_chunk *c, char byte)
{
    if (byte != ';' && byte != ' ' && byte != '\t') {
        return pk__http_chunk_refuse(c, "malformed chunk size");
    }
    if (++c->extra > PK__CHUNK_EXTRA_MAX) {
        return pk__http_chunk_refuse(c, "chunk extensions are too long");
    }
    return byte == ';' ? PK__CHUNK_EXT : PK__CHUNK_BLANK;
}

static uint8_t pk__http_chunk_size(pk__http_chunk *c, char byte)
{
    int digit = pk__http_chunk_digit(byte);
    if (digit >= 0) {
        if (c->digits == 15) {
            return pk__http_chunk_refuse(c, "chunk size has too many digits");
        }
        c->digits++;
        c->left = c->left << 4 | (uint64_t)digit;
        return PK__CHUNK_SIZE;
    }
    if (c->digits == 0) {
        return pk__http_chunk_refuse(c, "malformed chunk size");
    }
    if (byte == '\r') {
        return PK__CHUNK_SIZE_LF;
    }
    return pk__http_chunk_blank(c, byte);
}

static uint8_t pk__http_chunk_ext(pk__http_chunk *c, char byte)
{
    if (byte == '\r') {
        return PK__CHUNK_SIZE_LF;
    }
    if (!pk__http_chunk_is_text(byte)) {
        return pk__http_chunk_refuse(c, "malformed chunk extension");
    }
    return ++c->extra > PK__CHUNK_EXTRA_MAX ? pk__http_chunk_refuse(c, "chunk extensions are too long") : PK__CHUNK_EXT;
}

static uint8_t pk__http_chunk_trailer(pk__http_chunk *c, char byte)
{
    pk_str one;
    one.ptr = &byte;
    one.len = 1;
    if (++c->trailer > PK__CHUNK_EXTRA_MAX) {
        return pk__http_chunk_refuse(c, "trailer is too long");
    }
    switch (c->state) {
    case PK__CHUNK_LINE:
        if (byte == '\r') {
            return PK__CHUNK_LAST_LF;
        }
        return pk__http_head_is_token(one) ? PK__CHUNK_NAME : pk__http_chunk_refuse(c, "malformed trailer");
    case PK__CHUNK_NAME:
        if (byte == ':') {
            return PK__CHUNK_VALUE;
        }
        return pk__http_head_is_token(one) ? PK__CHUNK_NAME : pk__http_chunk_refuse(c, "malformed trailer");
    default:
        if (byte == '\r') {
            return PK__CHUNK_VALUE_LF;
        }
        return pk__http_chunk_is_text(byte) ? PK__CHUNK_VALUE : pk__http_chunk_refuse(c, "malformed trailer");
    }
}

static uint8_t pk__http_chunk_expect(pk__http_chunk *c, char byte, char want, uint8_t next)
{
    return byte == want ? next : pk__http_chunk_refuse(c, "malformed line end in a chunked body");
}

/* One byte outside the data: the next state. */
static uint8_t pk__http_chunk_step(pk__http_chunk *c, char byte)
{
    switch (c->state) {
    case PK__CHUNK_SIZE: return pk__http_chunk_size(c, byte);
    case PK__CHUNK_BLANK: return pk__http_chunk_blank(c, byte);
    case PK__CHUNK_EXT: return pk__http_chunk_ext(c, byte);
    case PK__CHUNK_SIZE_LF:
        c->digits = 0;
        return pk__http_chunk_expect(c, byte, '\n', c->left > 0 ? PK__CHUNK_BYTES : PK__CHUNK_LINE);
    case PK__CHUNK_BYTES_CR: return pk__http_chunk_expect(c, byte, '\r', PK__CHUNK_BYTES_LF);
    case PK__CHUNK_BYTES_LF: return pk__http_chunk_expect(c, byte, '\n', PK__CHUNK_SIZE);
    case PK__CHUNK_VALUE_LF: return pk__http_chunk_expect(c, byte, '\n', PK__CHUNK_LINE);
    case PK__CHUNK_LAST_LF: return pk__http_chunk_expect(c, byte, '\n', PK__CHUNK_END);
    default: return pk__http_chunk_trailer(c, byte);
    }
}

PK__FN pk__chunk_result pk__http_chunk_next(pk__http_chunk *c, pk_str *in, pk_str *data)
{
    for (;;) {
        if (c->state == PK__CHUNK_BROKEN) {
            return PK__CHUNK_ERROR;
        }
        if (c->state == PK__CHUNK_END) {
            return PK__CHUNK_DONE;
        }
        if (in->len == 0) {
            return PK__CHUNK_MORE;
        }
        if (c->state == PK__CHUNK_BYTES) {
            data->ptr = in->ptr;
            data->len = c->left < in->len ? (size_t)c->left : in->len;
            in->ptr += data->len;
            in->len -= data->len;
            c->left -= data->len;
            c->state = c->left > 0 ? PK__CHUNK_BYTES : PK__CHUNK_BYTES_CR;
            return PK__CHUNK_DATA;
        }
        c->state = pk__http_chunk_step(c, *in->ptr);
        if (c->state != PK__CHUNK_BROKEN) {
            in->ptr++;
            in->len--;
        }
    }
}

PK__FN size_t pk__http_chunk_head(char *out, uint64_t size, bool first)
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    int shift = 60;
    if (!first) {
        out[at++] = '\r';
        out[at++] = '\n';
    }
    while (shift > 0 && (size >> shift & 15) == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        out[at++] = hex[size >> shift & 15];
    }
    out[at++] = '\r';
    out[at++] = '\n';
    if (size == 0) {
        out[at++] = '\r';
        out[at++] = '\n';
    }
    return at;
}

/* == wire/http_write.h == */
/* http_write.h - putting heads of messages together.
 *
 * Everything goes into a pk_buf, whose failure sticks: one check at the end is enough. Names and values must have been
 * checked before (pk__http_write_refused): whoever writes foreign bytes into a head lets them write messages.
 *
 *     pk__http_write_request(&buf, method, target, lines);       pk__http_write_status(&buf, 200);
 *     pk__http_write_fields(&buf, fields, count);
 *     pk__http_write_number(&buf, PK_STR("Content-Length"), 12);
 *     pk__http_write_end(&buf);
 *
 * Heads are written for every message. What is the same in all of them (`lines`) is written once and copied. */
#ifdef PLUGKIT_LINES
#line 11 "src/wire/http_write.h"
#endif






PK__FN inline char *pk__http_write_put(char *at, pk_str s)
{
    if (s.len > 0) {
        memcpy(at, s.ptr, s.len);
    }
    return at + s.len;
}

/* Inline: of a name that is known when compiling nothing is left but a move or two. */
PK__FN inline void pk__http_write_field(pk_buf *buf, pk_str name, pk_str value)
{
    size_t len = name.len + value.len + 4;
    char *at = pk__buf_room(buf, len);
    if (at) {
        at = pk__http_write_put(at, name);
        at = pk__http_write_put(at, PK_STR(": "));
        at = pk__http_write_put(at, value);
        (void)pk__http_write_put(at, PK_STR("\r\n"));
        buf->len += len;
    }
}

/* `lines`: whole lines, each with its end, that come first: Host, and what else is known beforehand. */
PK__FN void pk__http_write_request(pk_buf *buf, pk_str method, pk_str target, pk_str lines);
PK__FN void pk__http_write_status(pk_buf *buf, int status);
PK__FN void pk__http_write_number(pk_buf *buf, pk_str name, uint64_t value);
PK__FN void pk__http_write_fields(pk_buf *buf, const pk_meta *fields, size_t count);
PK__FN void pk__http_write_end(pk_buf *buf);

/* Is there a field that users may not send: a malformed one, or one that says where messages end or who is asking?
 * Says why, with its number in *at; NULL = all are fine. */
PK__FN const char *pk__http_write_refused(const pk_meta *fields, size_t count, size_t *at);



/* == wire/http_write.c == */
/* http_write.c - heads of messages. */
#ifdef PLUGKIT_LINES
#line 1 "src/wire/http_write.c"
#endif




PK__FN void pk__http_write_request(pk_buf *buf, pk_str method, pk_str target, pk_str lines)
{
    const pk_str version = PK_STR(" HTTP/1.1\r\n");
    size_t len = method.len + 1 + target.len + version.len + lines.len;
    char *at = pk__buf_room(buf, len);
    if (at) {
        at = pk__http_write_put(at, method);
        *at++ = ' ';
        at = pk__http_write_put(at, target);
        at = pk__http_write_put(at, version);
        (void)pk__http_write_put(at, lines);
        buf->len += len;
    }
}

PK__FN void pk__http_write_status(pk_buf *buf, int status)
{
    if (status == 200) { // as nearly always
        (void)pk_buf_add(buf, PK_STR("HTTP/1.1 200 OK\r\n"));
        return;
    }
    (void)pk_buf_printf(buf, "HTTP/1.1 %03d %s\r\n", status, pk__http_head_reason(status));
}

PK__FN void pk__http_write_number(pk_buf *buf, pk_str name, uint64_t value)
{
    char digits[PK__NUMBER_CAP];
    pk_str text = {digits, (size_t)(pk__number_put_uint(digits, value) - digits)};
    pk__http_write_field(buf, name, text);
}

PK__FN void pk__http_write_fields(pk_buf *buf, const pk_meta *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pk__http_write_field(buf, fields[i].name, fields[i].value);
    }
}

PK__FN void pk__http_write_end(pk_buf *buf)
{
    (void)pk_buf_add(buf, PK_STR("\r\n"));
}

static bool pk__http_write_is_ours(pk_str name)
{
    static const char *const ours[] = {
        "Host",   "Content-Length",   "Transfer-Encoding", "Connection", "Keep-Alive",    "TE",
        "Expect", "Proxy-Connection", "Trailer",           "Upgrade",    "PlugKit-Token",
    };
    for (size_t i = 0; i < PK__COUNT(ours); i++) {
        if (pk_str_ieq(name, pk_str_from(ours[i]))) {
            return true;
        }
    }
    return false;
}

PK__FN const char *pk__http_write_refused(const pk_meta *fields, size_t count, size_t *at)
{
    for (*at = 0; *at < count; ++*at) {
        const pk_meta *f = &fields[*at];
        if (!pk__http_head_is_token(f->name)) {
            return "the name is not a header name";
        }
        if (!pk__http_head_is_value(f->value)) {
            return "the value holds control characters";
        }
        if (pk__http_write_is_ours(f->name)) {
            return "the library sends this header itself";
        }
    }
    return NULL;
}

/* == net/address.h == */
/* address.h - where a server is: every form that plugins print, one struct.
 *
 * Accepted: http+unix:///run/x.sock  unix:///run/x.sock  unix:/run/x.sock  unix:x.sock  /run/x.sock
 *           http://127.0.0.1:80  tcp://127.0.0.1:80  127.0.0.1:80  localhost:80  [::1]:80  [::]:80  :80
 *           https+unix:///run/x.sock  https://example.org  where TLS is built in; its port is 443 unless it is said
 *           name://anything  for transports that users bring
 * Written:  http+unix:///run/x.sock and http://127.0.0.1:80, which every peer can read.
 *
 * A Unix path has to fit into sun_path, which is checked here, before anything is started: the error names the path
 * and both lengths. A plugin that says it listens on all interfaces ("[::]:41233") is called by loopback. */
#ifdef PLUGKIT_LINES
#line 10 "src/net/address.h"
#endif




#define PK__ADDRESS_PATH_MAX 107 // bytes of a Unix path that every system takes, without the NUL
#define PK__ADDRESS_TEXT_MAX 272 // room for any formatted address, with the NUL

typedef enum pk__address_kind {
    PK__ADDRESS_NONE,
    PK__ADDRESS_UNIX,
    PK__ADDRESS_TCP,
    PK__ADDRESS_OTHER
} pk__address_kind;

typedef struct pk__address {
    pk__address_kind kind;
    uint16_t port;          // of TCP; 0 = any free one, to listen on
    bool is_wildcard;       // TCP on all interfaces
    bool is_secure;         // https, of UNIX or TCP
    char host[256];         // of TCP, without brackets; the path of UNIX; the scheme of OTHER. NUL-terminated
} pk__address;

/* Errors: PK_ERR_BAD_ENDPOINT. */
PK__FN pk_err pk__address_parse(pk__address *out, pk_str text, pk_error *err);
/* Puts 127.0.0.1 in the place of a wildcard: what listens on [::] answers there too, while ::1 is often missing. */
PK__FN void pk__address_loopback(pk__address *a);
/* Writes the address as peers read it; returns its length. PK__ADDRESS_TEXT_MAX bytes are always enough. */
PK__FN size_t pk__address_format(const pk__address *a, char *out, size_t cap);
/* What goes into Host: "unix" for Unix sockets (as Go peers send it), "host:port" for TCP. */
PK__FN size_t pk__address_host(const pk__address *a, char *out, size_t cap);



/* == net/transport.h == */
/* transport.h - the transports that PlugKit brings itself, and how users' ones are found and woken.
 *
 * A transport moves bytes and never waits. The built-in two, "unix" and "tcp", are instances of the same struct that
 * users fill; the HTTP client knows them by their address and then may use their socket in one more way: a blocking
 * receive on the caller's own thread, which is what makes a warm call one send and one receive.
 *
 * `open` may say WANT_WRITE: wait until it is writable, and go on with send. Or WANT_READ, before there is anything to
 * read: the server's queue is full, close and open again a little later. */
#ifdef PLUGKIT_LINES
#line 8 "src/net/transport.h"
#endif




/* What a transport knows of a connection. pk_conn_ready may be called by any thread or an interrupt handler: on_ready
 * may only do what is allowed there. */
struct pk_conn {
    void (*on_ready)(pk_conn *conn);
};

/* The transport of an address: the user's first, then the built-in ones. NULL: there is none. */
PK__FN const pk_transport *pk__transport_find(const pk_transport *const *more, size_t count, const pk__address *a);
PK__FN bool pk__transport_is_socket(const pk_transport *t); // one of the built-in two: fd() is a socket
#ifndef PLUGKIT_NO_NET
/* What sends on a socket that was accepted. It cannot open any: a program that only serves has nothing that
 * connects. */
PK__FN const pk_transport *pk__transport_accepted(void **state, int fd);
#endif



/* == net/secure.h == */
/* secure.h - the seam where TLS goes between HTTP and the bytes. Nothing below or beside it knows of TLS but net/tls*.
 *
 * A secured connection is a pk__secure: it lies on a transport that is open, and is asked instead of it. Its maker is a
 * pk_tls, whose first member is the table of functions below; so the core calls through a table, and what nobody makes
 * is not linked. Without PLUGKIT_WITH_TLS, PK__SECURE_ON is a constant, and the compiler drops every branch behind it:
 * a plain build has not one line of it. (Test builds keep the branches, to put a table of their own there.)
 *
 *     check     can it serve, or call? Told before the first connection, so that nobody finds out by trying
 *     open      makes one; sends and receives nothing. Client or server
 *     shake     moves the handshake on; to be called until DONE. Never waits. Afterwards `peer` is there
 *     recv      like a transport's, and one promise more: DONE with less than `cap` bytes means that neither it nor the
 *               socket has any left, so who waits for the socket forgets nothing. CLOSED: the peer has said that it has
 *               finished. FAILED: it has not, and the bytes so far may have been cut off. `wait`: may wait as long as
 *               the socket's timeout says, once; WANT_READ may still follow
 *     send      like a transport's. What was not DONE must be offered again with the same bytes, or not at all
 *     end       says that we have finished; to be called until it is not WANT_WRITE, or once if nobody cares
 *     is_gone   has the peer hung up? May receive ahead. The thread that receives
 *     close     frees it; sends nothing, and leaves the transport open
 *
 * WANT_READ and WANT_WRITE may come from each of them: the two directions depend on each
 * other. One thread at a time. */
#ifdef PLUGKIT_LINES
#line 21 "src/net/secure.h"
#endif




#if defined(PLUGKIT_WITH_TLS) || defined(PLUGKIT_TEST)
#define PK__SECURE_BUILT 1
#else
#define PK__SECURE_BUILT 0
#endif

typedef struct pk__secure pk__secure;

typedef struct pk__wire { // where bytes go
    const pk_transport *transport;
    void *io;
    int socket;           // -1 = it is none. Non-blocking at least while a piece of a file is sent
} pk__wire;

typedef struct pk__secure_desc {
    bool is_server;
    pk__wire below;
    pk_str name;          // clients: whom the peer has to be; "" = whom the pk_tls says
    pk_str host;          // clients: of the address; "" = it has none
    pk_str key;           // clients: a session is resumed with the same key only
} pk__secure_desc;

typedef struct pk__secure_table {
    pk_err (*check)(pk_tls *tls, bool is_server, pk_error *err);
    pk_err (*open)(pk_tls *tls, const pk__secure_desc *desc, pk__secure **out, pk_error *err);
    pk_io (*shake)(pk__secure *s, pk_error *err);
    pk_io (*recv)(pk__secure *s, void *buf, size_t cap, bool wait, size_t *got, pk_error *err);
    pk_io (*send)(pk__secure *s, const pk_str *parts, size_t count, size_t *sent, pk_error *err);
    pk_io (*end)(pk__secure *s);
    bool (*is_gone)(pk__secure *s);
    void (*close)(pk__secure *s);
} pk__secure_table;

struct pk__secure {
    const pk__secure_table *table;
    const pk_tls_peer *peer; // after the handshake
    bool wants_write;        // the last recv was WANT_WRITE: it has to send something first
    bool is_plain;           // the peer speaks plain HTTP: the handshake failed for that reason
};

/* A connection, a pk_tls: is there one? Constants where nothing is built that could make one. */
#define PK__SECURE_ON(s) (PK__SECURE_BUILT && (s) != NULL)

static inline const pk__secure_table *pk__secure_table_of(const pk_tls *tls)
{
    return *(const pk__secure_table *const *)(const void *)tls;
}

#if PK__SECURE_BUILT
/* Sends through it: nothing that looks like a socket is left for sendfile. */
PK__FN pk__wire pk__secure_wire(pk__secure *s);
PK__FN void pk__secure_close(pk__secure *s); // says the end, if there is room for that, and frees it
#else
static inline pk__wire pk__secure_wire(pk__secure *s)
{
    pk__wire none = {NULL, s, -1};
    return none;
}

static inline void pk__secure_close(pk__secure *s)
{
    (void)s;
}
#endif



/* == net/socket.h == */
/* socket.h - sockets: listen, connect, accept, and moving bytes. Unix and TCP look the same from here.
 *
 * All are close-on-exec and never 0, 1 or 2. A Unix listener is made with mode 0600 (its directory is the caller's to
 * check, its file the caller's to remove). A TCP listener has SO_REUSEADDR, every TCP connection TCP_NODELAY.
 *
 * Connected sockets of clients are left in blocking mode and are written, and read where nobody may wait, with
 * MSG_DONTWAIT: so one socket serves both drivers. Sockets that a server accepted are non-blocking for good. */
#ifdef PLUGKIT_LINES
#line 7 "src/net/socket.h"
#endif


#ifndef PLUGKIT_NO_NET



#define PK__SOCKET_BACKLOG 511

/* Opens a listener. Unix: the path must not exist. TCP: port 0 takes a free one. Errors: PK_ERR_OS, BAD_ENDPOINT. */
PK__FN pk_err pk__socket_listen(const pk__address *a, int *fd, pk_error *err);
PK__FN pk_err pk__socket_local(int fd, pk__address *out, pk_error *err); // what it is bound to

/* Begins to connect. PK_IO_DONE: connected. PK_IO_WANT_WRITE: under way; when it is writable, ask _connected.
 * PK_IO_WANT_READ: the server's queue is full: close it and try again a little later. PK_IO_FAILED: *err has code
 * PK_ERR_PLUGIN_CONNECTION, *fd is -1. A host name is looked up by the system, which may wait; numbers are not. */
PK__FN pk_io pk__socket_connect(const pk__address *a, int *fd, pk_error *err);
PK__FN pk_err pk__socket_connected(int fd, const pk__address *a, pk_error *err);

/* The next connection, non-blocking. *fd -1: there is none now. PK_ERR_LIMIT: no descriptors or memory left: stop
 * accepting for a while. *reserve is a descriptor kept open for that moment (-1 = none yet): we give it up, accept,
 * close, and take it again, so that the peer learns of it and the listener does not stay readable for ever. */
PK__FN pk_err pk__socket_accept(int listener, int *reserve, int *fd, pk_error *err);
/* A number that all connections of one peer share: of its IPv4 address, of the /64 that an IPv6 address is in (whoever
 * has one of those has them all), of its user on Unix sockets. False: it has gone. */
PK__FN bool pk__socket_peer(int fd, uint64_t *id);

/* recv and send with the results of transports. `wait`: a receive waits as long as the socket's timeout says (then
 * PK_IO_WANT_READ, which also a signal may cause). Never SIGPIPE. Errors: PK_ERR_PLUGIN_CONNECTION. */
PK__FN pk_io pk__socket_recv(int fd, void *buf, size_t cap, bool wait, size_t *got, pk_error *err);
PK__FN pk_io pk__socket_send(int fd, const pk_str *parts, size_t count, size_t *sent, pk_error *err);
/* Sends a piece of a file: without copying it where the system can, and otherwise by a small buffer. The socket must be
 * non-blocking. Errors: also PK_ERR_OS, if the file cannot be read or is shorter. */
PK__FN pk_io pk__socket_send_file(int fd, int file, uint64_t offset, uint64_t size, size_t *sent, pk_error *err);
PK__FN bool pk__socket_set_timeout(int fd, int64_t ns); // of receives; at least a microsecond
PK__FN bool pk__socket_is_quiet(int fd); // open, and nothing has come: fit to send the next request on

#endif


/* == net/lookup.h == */
/* lookup.h - what addresses a host name stands for, without making the loop wait.
 *
 * The system's resolver (getaddrinfo) waits, sometimes for half a minute, and nothing can interrupt it. So a look-up
 * runs on a thread of its own, which ends with it. Who does not want to know any more takes the look-up back: then the
 * thread throws away what it finds, whenever that is, and nobody waits for it. That is why it touches nothing of the
 * loop's or the user's: its memory is the C library's.
 *
 *     pk__lookup_begin(&look, loop, "plugins.example", on_found, user, &err);     // loop's thread, as is all of it
 *     .. on_found(user, &names, NULL), or on_found(user, NULL, &why): once, never before _begin has returned
 *     pk__lookup_end(&look);                                                      // always; also before on_found
 *
 * With PLUGKIT_NO_THREADS there is nobody else to wait: _begin looks the name up itself, and the loop stands still
 * meanwhile. Numbers and "localhost" are never asked for anywhere. */
#ifdef PLUGKIT_LINES
#line 13 "src/net/lookup.h"
#endif


#ifndef PLUGKIT_NO_NET



#define PK__LOOKUP_MAX 16
#define PK__LOOKUP_TEXT 64 // "fe80::1%4294967295" and the like, with the NUL

typedef struct pk__lookup_names {
    uint32_t count;
    char number[PK__LOOKUP_MAX][PK__LOOKUP_TEXT]; // in the order in which they are to be tried
} pk__lookup_names;

typedef void (*pk__lookup_on_found)(void *user, const pk__lookup_names *names, const pk_error *why);

typedef struct pk__lookup pk__lookup;

PK__FN bool pk__lookup_is_name(const char *host); // it is no number
PK__FN pk_err pk__lookup_begin(pk__lookup **out, pk_loop *loop, const char *host, pk__lookup_on_found on_found,
                               void *user, pk_error *err);
PK__FN void pk__lookup_end(pk__lookup **look); // NULL in it: does nothing

#endif


/* == net/http_out.h == */
/* http_out.h - the outgoing half of a message: a head and a body in any form, sent as the other side takes it.
 *
 * Client and server write alike. The head is put into `buf`; pk__http_out_begin adds the body: small bytes are copied
 * behind the head (one part is cheaper than two), large ones are sent from where they are, a piece of a file goes by
 * sendfile where there is a socket, and what a reader gives is staged in `buf`, each piece as a chunk if it is to be
 * chunked. Then pk__http_out_push is called until it says that all is sent:
 *
 *     DONE        all of it
 *     WANT_WRITE  when there is room again (or to let others have their turn)
 *     WANT_READ   when the reader, which said PK_ERR_BUSY, has more (`busy`), or the transport has something to read
 *     CLOSED      the connection takes no more; *err says why
 *     FAILED      the body could not be read: its end will never come; *err says why */
#ifdef PLUGKIT_LINES
#line 12 "src/net/http_out.h"
#endif




typedef struct pk__http_out {
    pk_buf buf;          // [at, len) is to be sent
    size_t at;
    pk_str tail;         // body bytes sent from where they are
    const pk_body *body; // borrowed until the end
    uint64_t file_at, file_left;
    bool has_reader, chunked, began;
    bool pending;        // not all is sent
    bool busy;           // the reader has nothing yet
    bool sent_any;       // a byte was handed to the system
    uint64_t total;      // bytes of the body that were taken up
} pk__http_out;

PK__FN void pk__http_out_init(pk__http_out *o, const pk_alloc *alloc);
PK__FN void pk__http_out_deinit(pk__http_out *o);
PK__FN void pk__http_out_reset(pk__http_out *o); // before a head is written; keeps a small buffer
/* The head is in buf. body NULL = none. Errors: PK_ERR_MISUSE (file range), PK_ERR_NO_MEMORY, PK_ERR_LIMIT (head). */
PK__FN pk_err pk__http_out_begin(pk__http_out *o, const pk_body *body, bool chunked, pk_error *err);
PK__FN pk_io pk__http_out_push(pk__http_out *o, const pk__wire *wire, pk_error *err);



/* == net/http_client.h == */
/* http_client.h - one connection to an HTTP/1.1 server, and one exchange at a time on it.
 *
 * An exchange is a request with a body in any form, and an answer that is reported as it comes: one head, any number
 * of chunks, an end. The connection opens itself when the first exchange begins. One state machine, two drivers:
 *
 *     pk__http_client_run    waits on the caller's thread. A warm exchange whose request and answer fit into one buffer
 *                            is exactly one send and one receive: the receive itself waits, its timeout is set once
 *                            and again only if a deadline demands less.
 *     pk__http_client_start  is driven by a loop: never waits, reports the end to on_end.
 *
 * Transports with a descriptor are polled. One without is asked again when it calls pk_conn_ready, which needs a loop:
 * _run gives PK_ERR_UNSUPPORTED there, and nothing is sent. Such a client is destroyed on the loop's thread, before the
 * loop is.
 * Callbacks run on the driving thread, never after the end, and may do anything, destroy included.
 *
 * How far a failed exchange got is told exactly (x->sent): PK_SENT_NO only if no byte of the request was handed to the
 * system, so that it may be repeated whatever it does; PK_SENT_ANSWERED once a whole answer head has come; between them
 * PK_SENT_MAYBE. A kept connection may have been closed by the server just as we used it: that ends with MAYBE and
 * is_stale, as nobody can know whether the request was read. Idempotent requests should then be repeated, others not.
 *
 * Answers may come before the request is all sent: one of 300 or above stops the sending, others go on both ways. A
 * connection whose request was not sent to its end, or on which more came than the answer, is not used again. Lengths,
 * framing and limits are as strict as in wire/http_head.h. */
#ifdef PLUGKIT_LINES
#line 23 "src/net/http_client.h"
#endif










typedef struct pk__http_answer {
    int status;
    const pk_meta *fields; // valid until on_head returns
    size_t field_count;
    int64_t length;        // of the body; -1 = it will turn out; 0 also for answers that have none
} pk__http_answer;

/* Filled by the caller, kept alive and unmoved until the end. */
typedef struct pk__http_exchange {
    pk_str method, target;   // "POST", "/process?x=1"; checked
    const pk_meta *own;      // PlugKit's fields of this request: type, deadline. They go first. Values are checked
    size_t own_count;        //
    const pk_meta *fields;   // the user's: checked, and PK_ERR_MISUSE if they would frame the message or forge a token
    size_t field_count;
    const pk_body *body;     // NULL = none. With _start a reader may give PK_ERR_BUSY, until pk__http_client_resume.
                             //   Content-Type comes from it, if it is not empty, unless fields have one
    uint64_t max_body;       // bytes of answer accepted; 0 = any number
    int64_t deadline;        // by pk__clock_ns; PK_FOREVER = none
    int64_t now;             // what pk__clock_ns said a moment ago; 0 = is read when it is needed
    pk_err (*on_head)(void *user, const pk__http_answer *answer, pk_error *err);  // may be NULL
    pk_err (*on_chunk)(void *user, pk_str bytes, pk_error *err);                  // may be NULL: bytes are dropped
    void (*on_end)(void *user, const pk_error *why); // of pk__http_client_start: exactly once; NULL = all went well
    void *user;
    /* Written as it goes: */
    pk_sent sent;
    bool is_stale;           // failed on a kept connection before a byte of answer came
    uint64_t bytes_out, bytes_in; // of bodies
} pk__http_exchange;

typedef struct pk__http_client_desc {
    const pk_alloc *alloc;
    const pk_transport *transport;
    const pk__address *address; // borrowed as long as the client
    pk_str text;                // the address as a transport is given it; borrowed likewise
    pk_str lines;               // of each head, below the first: "Host: x\r\n" and so on; checked, borrowed likewise
    uint32_t connect_ms;        // 0 = only the exchange's own deadline
    bool any_uid;               // talk to Unix servers of other users
    pk_tls *tls;                // the connection is to be secure; NULL = plain
    pk_str tls_name, tls_host;  // see pk__secure_desc.name and .host; borrowed likewise
} pk__http_client_desc;

#define PK__HTTP_CLIENT_FIELDS 100         // of an answer
#define PK__HTTP_CLIENT_ROOM (16 * 1024)   // the largest head of an answer, and one receive

typedef struct pk__http_client_room {
    pk_meta fields[PK__HTTP_CLIENT_FIELDS];
    char bytes[PK__HTTP_CLIENT_ROOM];
} pk__http_client_room;

typedef enum pk__http_client_rx { PK__HTTP_RX_HEAD, PK__HTTP_RX_BODY, PK__HTTP_RX_DONE } pk__http_client_rx;

typedef struct pk__http_client {
    pk_conn conn;            // first: a transport wakes us by it
    pk__node node;           // the pool's
    int64_t taken_at;        // the pool's
    pk__http_client_desc desc;

    /* The connection. It is closed by destroy only: until then an interrupt may reach for it. */
    void *io;
    pk__secure *secure;      // lies on io; NULL = plain
    int fd;                  // to poll; -1 = none
    bool is_socket;
    bool opened;             // io is valid
    bool connecting;         // and not yet ready to be written
    bool is_open;
    bool is_nonblocking;     // for the time of a sendfile, which has no MSG_DONTWAIT
    bool used;               // it has carried an exchange: a kept connection
    bool dead;               // and will not carry another one
    pk__atomic_u32 interrupted;
    pk__atomic_u32 reach;    // fd of an open socket, for whoever interrupts; 0 = none
    int64_t timeout_ns;      // of receives on the socket; 0 = none was set
    int64_t retry_at;        // the server's queue was full: open again then; 0 = no
    int64_t connect_by;

    /* The request. */
    pk__http_exchange *x;    // NULL = idle
    pk__http_out out;
    bool stopped;            // the rest is not sent: the answer was no
    int send_errno;          // it could not be sent to the end; there may be an answer all the same

    /* The answer. */
    pk__http_client_room *room;
    size_t begin, end;       // of what was received and not used
    pk__http_client_rx rx;
    pk__http_head head;
    pk__http_chunk chunk;
    uint64_t left;
    bool got_any, paused;

    /* The drivers (http_client_run.c). */
    bool wants_read, wants_write;
    bool has_more;           // stopped in the middle, to let others have their turn
    bool driven;             // by a loop
    bool watching;
    bool doomed;             // destroyed in a callback
    unsigned depth;          // of callbacks on the stack
    pk_loop *loop;           // of the running exchange
    void *wakes;             // the same for pk_conn_ready; atomic, and kept
    pk_watch watch;
    pk_timer timer;
    pk_task task;
} pk__http_client;

PK__FN pk_err pk__http_client_create(pk__http_client **out, const pk__http_client_desc *desc, pk_error *err);
PK__FN void pk__http_client_destroy(pk__http_client *c); // an exchange that runs ends without a word

/* Carries out the exchange, waiting. On failure *err says what happened and x->sent how far it got. */
PK__FN pk_err pk__http_client_run(pk__http_client *c, pk__http_exchange *x, pk_error *err);

/* Begins the exchange on the loop. An error: nothing was begun, on_end will not run. on_end never runs before this has
 * returned. */
PK__FN pk_err pk__http_client_start(pk__http_client *c, pk_loop *loop, pk__http_exchange *x, pk_error *err);
PK__FN void pk__http_client_resume(pk__http_client *c); // the body's reader has bytes again; loop's thread
/* Stops reading the answer until called with false: back-pressure. Loop's thread; of pk__http_client_start only. */
PK__FN void pk__http_client_pause(pk__http_client *c, bool paused);
/* Ends the exchange without a word (on_end does not run) and closes the connection. Loop's thread. */
PK__FN void pk__http_client_cancel(pk__http_client *c);

/* Makes a `run` on another thread end soon with PK_ERR_CANCELED. The client must not be destroyed meanwhile. */
PK__FN void pk__http_client_interrupt(pk__http_client *c);
PK__FN bool pk__http_client_is_reusable(const pk__http_client *c); // connected and idle, and the server keeps it
PK__FN bool pk__http_client_is_alive(pk__http_client *c);          // asks the system: still open and silent?
PK__FN void pk__http_client_shrink(pk__http_client *c);            // gives its buffers back while it is idle

/* Between the files of this module: prepares an exchange; moves it on as far as it goes (WANT_*: see wants_read,
 * wants_write, retry_at); ends it. `wait`: the receive may wait. */
PK__FN pk_err pk__http_client_begin(pk__http_client *c, pk__http_exchange *x, pk_error *err);
PK__FN pk_io pk__http_client_advance(pk__http_client *c, bool wait, pk_error *err);
PK__FN pk_io pk__http_client_pull(pk__http_client *c, bool wait, pk_error *err); // receives once; DONE: perhaps more
PK__FN int64_t pk__http_client_now(pk__http_exchange *x); // reads the clock once, until the next wait
PK__FN void pk__http_client_finish(pk__http_client *c);
PK__FN void pk__http_client_fail(pk__http_client *c, pk_error *err);
PK__FN pk_err pk__http_client_needs_loop(const pk__http_client *c, pk_error *err); // an error, always
PK__FN void pk__http_client_undrive(pk__http_client *c); // takes it off its loop



/* == net/http_pool.h == */
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
#ifdef PLUGKIT_LINES
#line 15 "src/net/http_pool.h"
#endif





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



/* == net/http_server.h == */
/* http_server.h - the engine of the HTTP/1.1 server: connections, framing, deadlines, back-pressure. What is asked and
 * answered is none of its business: that is rpc/serve.h, which plugs in here with a few callbacks.
 *
 * A connection (link) that waits for its next request is a small struct and a descriptor. When bytes come it borrows a
 * job: buffer, field array, memory and scratch of one request, and gives it back when the answer is out and nothing
 * more has come, or no more than the beginning of a head: those few bytes the link keeps itself. One request at a time
 * is worked on, so that pipelined ones are answered in order. The way of a link:
 *
 *     SHAKE     with TLS: the handshake, within the time of the first head
 *     IDLE      no request; closed after a while, or when connections run out
 *     HEAD      part of a head has come; until an absolute deadline: no trickle keeps it alive     408, 431, 400 ...
 *               on_head says: COLLECT the body, or hand the request over now and READ it, or it was ANSWERED already
 *     BODY      is collected up to the limit                                                       408, 413
 *     WORK      on_job was told. Somebody calls pk__http_server_answer, now or later; on any thread if it was detached
 *     WRITE     the answer goes out as the peer takes it: bytes, a piece of a file, or a reader's chunks. A reader that
 *               has nothing yet says PK_ERR_BUSY: then it is left alone until pk__http_server_more, or a hang-up
 *     DRAIN     what the handler left of the request's body is read away, up to a cap; then IDLE again
 *     LINGER    or the connection ends: nothing more is sent, and what still comes is thrown away for a moment, so that
 *               a peer that is still writing reads our answer instead of a reset
 *
 * Nobody keeps the loop for himself: after a few requests of a pipeline, pieces of a body or pieces of an answer the
 * others have their turn. When connections run out, whoever has been silent longest in IDLE or HEAD makes room: no
 * request of his was begun, and so a thousand slow heads do not keep the next one out.
 *
 * On a warm connection, without workers, a small request costs one wait, one receive and one send.
 *
 * All of it runs on the loop's thread, except what says otherwise. */
#ifdef PLUGKIT_LINES
#line 27 "src/net/http_server.h"
#endif


#ifndef PLUGKIT_NO_NET








typedef struct pk__http_server pk__http_server;
typedef struct pk__http_link pk__http_link;

typedef enum pk__http_plan { PK__HTTP_COLLECT, PK__HTTP_READ, PK__HTTP_ANSWERED } pk__http_plan;

typedef struct pk__http_job {
    pk__http_server *server;
    pk__http_head head;
    pk_str body;      // collected; lives as long as the job works
    pk_mem mem;       // emptied when the answer is written
    void *extra;      // `extra` bytes of whoever plugs in, of any content
    int64_t deadline; // by pk__clock_ns: reading the body ends with it; PK_FOREVER at first
    pk_response answer;

    /* private */
    pk__http_link *link;
    pk__node node;
    pk__http_out out;
    pk_io state_out;       // of `out`: how the last push ended
    pk__http_chunk chunk;
    pk_buf collected;
    pk_task task;          // brings a detached job home
    pk_meta *fields;
    char *buf;             // what was received: [at, end) is not used yet
    size_t cap, at, end;
    uint64_t left;         // of a request body with a length
    bool is_fresh;         // nothing of a request is in it
    bool told;             // on_head was called, on_done is due
    bool detached, body_done, answered, keep, wants_continue;
} pk__http_job;

/* Who has how many connections. */
typedef struct pk__http_peer {
    pk__node node;
    uint64_t id; // see pk__socket_peer
    size_t count;
} pk__http_peer;

struct pk__http_link {
    pk__http_server *server;
    pk__http_job *job;     // NULL while idle
    pk__node node, idle;   // of all; of those without a whole head, the longest silent first
    pk_watch watch;
    pk__secure *secure;    // NULL = plain, or nothing has come yet
    pk_timer timer;
    int64_t deadline;      // PK_FOREVER = none. The timer may be earlier: then it is only wound up again
    size_t thrown;         // bytes read away
    pk__http_peer *peer;   // NULL = not counted
    char *part;            // of a head, while it waits for the rest without a job
    uint16_t part_len;
    uint8_t state, want;
    uint8_t share;         // of this turn: receives and requests that are left
    bool watching, can_read;
    bool running;          // is being moved on: whoever answers now need not do it
    bool leaving;          // to be closed, but for a request that has come already
};

typedef struct pk__http_server_desc {
    const pk_alloc *alloc;
    pk_loop *loop;
    int listen_fd;           // the server's from now on, also on failure
    bool any_uid;
    pk_tls *tls;             // NULL = plain; borrowed
    uint32_t header_ms, body_ms, idle_ms; // no zeros from here on
    size_t head_bytes, fields, body_bytes, connections;
    size_t per_peer;         // connections of one peer; 0 = no limit
    size_t extra;            // bytes of extra for each job
    size_t spare;            // jobs kept for reuse
    pk__http_plan (*on_head)(void *user, pk__http_job *job);
    void (*on_job)(void *user, pk__http_job *job);
    void (*on_done)(void *user, pk__http_job *job);   // the answer is written, or given up; once for each on_head
    /* The body of an answer that the engine gives itself; room for PK__HTTP_SERVER_REFUSAL bytes. */
    size_t (*refusal)(void *user, char *out, int status, const char *why);
    void (*on_destroyed)(void *user); // the last that is heard
    void *user;
} pk__http_server_desc;

#define PK__HTTP_SERVER_REFUSAL 512
#define PK__HTTP_SERVER_PEERS 64

struct pk__http_server {
    pk__http_server_desc desc;
    pk_watch listener;
    pk_timer rest;           // from accepting
    int reserve;             // see pk__socket_accept
    bool is_unix, accepting, doomed;
    pk__atomic_u32 draining; // read by workers, too: whether they say keep-alive
    unsigned depth;          // of our callbacks on the stack
    pk__node links, idle, spare;
    pk__node peers[PK__HTTP_SERVER_PEERS]; // by a hash of their id
    size_t link_count, spare_count;
};

PK__FN pk_err pk__http_server_create(pk__http_server **out, const pk__http_server_desc *desc, pk_error *err);
/* No job may be with another thread any more. From inside a callback: is put off until that has returned. */
PK__FN void pk__http_server_destroy(pk__http_server *s);
PK__FN void pk__http_server_drain(pk__http_server *s); // no more connections; those that are idle are closed

/* Answers a job, once, with job->answer, whose parts must live until on_done. Any thread if the job was detached: there
 * a reader is pumped to its end before this returns; what else cannot be sent at once is left to the loop. */
PK__FN void pk__http_server_answer(pk__http_job *job);
/* The body's reader said PK_ERR_BUSY and has more now. Harmless otherwise; the loop's thread, before on_done. */
PK__FN void pk__http_server_more(pk__http_job *job);
/* From here on the job belongs to another thread, until it has answered. */
PK__FN void pk__http_server_detach(pk__http_job *job);
/* The next bytes of the body, for plan READ; waits for them. *got 0 = the end. Owner's thread.
 * Errors: PK_ERR_PLUGIN_TIMEOUT, PK_ERR_PLUGIN_CONNECTION, PK_ERR_HTTP. */
PK__FN pk_err pk__http_server_read(pk__http_job *job, void *buf, size_t cap, size_t *got, pk_error *err);
PK__FN bool pk__http_server_is_gone(pk__http_job *job); // the peer has hung up; owner's thread

/* Around callbacks that do not come from here but may destroy the server, which is put off until the last leave. */
PK__FN void pk__http_server_enter(pk__http_server *s);
PK__FN void pk__http_server_leave(pk__http_server *s);

/* Between the files of this module. Each tells how the link goes on. */
typedef enum pk__http_step {
    PK__HTTP_STEP_ON,    // at once, in its new state
    PK__HTTP_STEP_READ,  // when something comes
    PK__HTTP_STEP_WRITE, // when there is room
    PK__HTTP_STEP_YIELD, // when others have had their turn
    PK__HTTP_STEP_HOLD,  // when it is told
    PK__HTTP_STEP_CLOSE  // not at all
} pk__http_step;
typedef enum pk__http_link_state {
    PK__HTTP_LINK_IDLE,
    PK__HTTP_LINK_HEAD,
    PK__HTTP_LINK_BODY,
    PK__HTTP_LINK_WORK,
    PK__HTTP_LINK_WRITE,
    PK__HTTP_LINK_DRAIN,
    PK__HTTP_LINK_LINGER,
    PK__HTTP_LINK_SHAKE
} pk__http_link_state;
PK__FN pk__http_step pk__http_link_head(pk__http_link *l);
PK__FN pk__http_step pk__http_link_body(pk__http_link *l);
PK__FN pk__http_step pk__http_link_throw(pk__http_link *l); // DRAIN and LINGER
PK__FN pk__http_step pk__http_link_write(pk__http_link *l);
PK__FN pk__http_step pk__http_link_refuse(pk__http_link *l, int status, const char *why);
PK__FN void pk__http_link_due(pk__http_link *l, uint32_t ms); // 0 = no deadline
PK__FN void pk__http_link_next(pk__http_link *l); // on to the next request
PK__FN void pk__http_link_answered(pk__http_link *l);
PK__FN void pk__http_server_listen(pk__http_server *s); // accepts again, if nothing is against it
PK__FN pk_io pk__http_link_recv(pk__http_link *l, void *buf, size_t cap, size_t *got, pk_error *err);
PK__FN pk__wire pk__http_link_wire(pk__http_link *l); // to send by
PK__FN bool pk__http_job_take(pk__http_link *l);
PK__FN void pk__http_job_reset(pk__http_job *job); // for the next request; what has come already stays

#endif


/* == net/tls_mbed.h == */
/* tls_mbed.h - mbedTLS 2.28 and 3.6: all that differs between the two, in one place.
 *
 * What is used of it: x509 and pk to read certificates and keys, ssl for the protocol, gcm for tickets. Not used:
 * its files, its sockets, its entropy (random numbers come from os/random), its clock where it matters (validity is
 * checked by os/clock; its own verdict on that is thrown away), its ticket and cache modules.
 *
 * Two liberties, where it has no function for it: its ssl context is asked for the last alert (`in_msg`), and its ssl
 * configuration is copied as a struct, for each connection one, so that callbacks which are given nothing but the
 * configuration's pointer know their connection. A copy shares everything it points to, and is never freed by it. */
#ifdef PLUGKIT_LINES
#line 9 "src/net/tls_mbed.h"
#endif


#ifdef PLUGKIT_WITH_TLS

#include <mbedtls/version.h>

#if MBEDTLS_VERSION_NUMBER < 0x021C0000 || MBEDTLS_VERSION_NUMBER >= 0x04000000
#error "plugkit: PLUGKIT_WITH_TLS needs mbedTLS 2.28 or 3.x"
#endif

#include <mbedtls/asn1.h>
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>

#if !defined(MBEDTLS_SSL_CLI_C) || !defined(MBEDTLS_SSL_SRV_C) || !defined(MBEDTLS_SSL_PROTO_TLS1_2)
#error "plugkit: PLUGKIT_WITH_TLS needs an mbedTLS with client, server and TLS 1.2"
#endif
#if !defined(MBEDTLS_THREADING_C) && !defined(PLUGKIT_NO_THREADS)
#error "plugkit: PLUGKIT_WITH_TLS needs an mbedTLS with MBEDTLS_THREADING_C, or PLUGKIT_NO_THREADS"
#endif

#if MBEDTLS_VERSION_MAJOR >= 3
#define PK__TLS_PRIVATE(member) MBEDTLS_PRIVATE(member)
#define PK__TLS_RNG , pk__tls_random, NULL // as last arguments
#define PK__TLS_BAD_VERSION MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION
#define PK__TLS_NO_CIPHER MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE
#define PK__TLS_BAD_CERT MBEDTLS_ERR_SSL_BAD_CERTIFICATE
#else
#define PK__TLS_PRIVATE(member) member
#define PK__TLS_RNG
#define PK__TLS_BAD_VERSION MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#define PK__TLS_NO_CIPHER MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN
#define PK__TLS_BAD_CERT MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE
#endif

#if MBEDTLS_VERSION_MAJOR >= 3 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
#include <psa/crypto.h>
#define PK__TLS_HAS_13 1
#define PK__TLS_CIPHERS_13                                                                                             \
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384, MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#define PK__TLS_IS_13(ssl) (mbedtls_ssl_get_version_number(ssl) == MBEDTLS_SSL_VERSION_TLS1_3)
#define PK__TLS_IS_TICKET(code) ((code) == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
#else
#define PK__TLS_HAS_13 0
#define PK__TLS_CIPHERS_13
#define PK__TLS_IS_13(ssl) false
#define PK__TLS_IS_TICKET(code) false
#endif

#endif


/* == net/tls.h == */
/* tls.h - TLS behind the seam of net/secure.h, by mbedTLS. The only files that know it are tls_mbed.h and tls*.c.
 *
 *     tls.c            pk_tls: a description is read into material; material is exchanged while it is used
 *     tls_config.c     what is spoken: versions, curves, ciphers, which certificate for which name
 *     tls_identity.c   who the peer is: names of certificates, whether one has the wanted name
 *     tls_verify.c     whether a certificate is to be believed, and why not
 *     tls_resume.c     tickets of servers, sessions that clients keep
 *     tls_session.c    a connection: handshake, bytes, end
 *     tls_error.c      what mbedTLS and alerts say, in words
 *
 * MATERIAL is what a pk_tls_desc says, read and checked: certificates, keys, authorities, lists, two configurations (as
 * server, as client), the key for tickets, and the sessions that clients may resume. It never changes but for those
 * sessions, and is shared: a pk_tls holds one, each connection holds the one that it began with, and the last to let go
 * frees it. pk_tls_reload makes new material and puts it in the place of the old one. So a connection sees one state of
 * things from beginning to end; and as tickets and sessions belong to their material, nothing that was agreed on before
 * a reload is resumed after it: a certificate that has been revoked since gets a full handshake, and is refused.
 *
 * TIME is os/clock's wall clock. RANDOM numbers are os/random's; without them no connection comes about.
 *
 * RESUMING must not become a way around identity. A ticket holds the peer's certificate, and a kept session has it
 * beside it: on a resumed connection it is checked again (its time, its name, on_peer), in TLS 1.3 as in 1.2.
 *
 * THREADS. A pk_tls is used by any number of threads: its lock guards the pointer to the material and the counts, the
 * material's lock the kept sessions. A connection belongs to one thread at a time. */
#ifdef PLUGKIT_LINES
#line 24 "src/net/tls.h"
#endif


#ifdef PLUGKIT_WITH_TLS





enum {
    PK__TLS_FILE_MAX = 4 * 1024 * 1024, // bytes of a file; a bundle of all authorities has 250 KiB
    PK__TLS_AHEAD = 4 * 1024,           // bytes received ahead of what is asked for: a small record is one receive
    PK__TLS_KEPT = 16,                  // sessions that clients keep
    PK__TLS_TICKET_S = 60 * 60,         // how long a ticket is good
    PK__TLS_TICKET_KEY = 32,
    PK__TLS_NAMES = 64,                 // of each kind that are read of a certificate
    PK__TLS_WHY = 200
};

typedef struct pk__tls_own { // a certificate to show
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
} pk__tls_own;

typedef struct pk__tls_kept { // a session to resume
    char *key;                // name and address; NULL = free
    mbedtls_ssl_session session;
    unsigned char *certificate; // DER of the server's
    size_t certificate_len;
} pk__tls_kept;

typedef struct pk__tls_material {
    uint32_t users;           // under the lock of the pk_tls
    const pk_alloc *alloc;
    mbedtls_ssl_config server, client;
    pk__tls_own *own;
    size_t own_count;
    mbedtls_x509_crt trust;
    mbedtls_x509_crl crls;
    bool has_trust, has_crls;
    char *peer_name;          // "" = none
    pk_err (*on_peer)(void *user, const pk_tls_peer *peer, pk_error *err);
    void (*on_refused)(void *user, const pk_error *why);
    void *user;
    unsigned char ticket_key[PK__TLS_TICKET_KEY];
    pk__mutex lock;           // of kept
    pk__tls_kept kept[PK__TLS_KEPT];
    unsigned next;            // to be overwritten
} pk__tls_material;

struct pk_tls {
    const pk__secure_table *table; // first: see net/secure.h
    const pk_alloc *alloc;
    pk__mutex lock;
    pk__tls_material *material;
};

typedef enum pk__tls_state { PK__TLS_SHAKING, PK__TLS_OPEN, PK__TLS_ENDED, PK__TLS_BROKEN } pk__tls_state;

typedef struct pk__tls_session {
    pk__secure secure;        // first
    pk_tls *tls;
    pk__tls_material *material;
    pk__wire below;
    bool is_server;
    pk__tls_state state;
    mbedtls_ssl_config conf;  // see tls_mbed.h
    mbedtls_ssl_context ssl;
    char *name;               // clients: the name that the server must have
    char *key;                // clients: for kept sessions; address and name

    /* Who the peer is: its certificate was checked now, or when the session began that goes on. */
    pk_tls_peer peer;
    pk_mem mem;               // of peer
    bool is_checked, is_resumed;
    char why[PK__TLS_WHY];    // its certificate is refused; "" = it is not

    /* Bytes. */
    unsigned char ahead[PK__TLS_AHEAD]; // [at, end) was received and not used
    size_t at, end;
    size_t committed;         // bytes of the record that is on its way out
    bool may_wait, is_dry;    // of this recv: may it wait; has the socket nothing more
    bool looked, is_foreign;  // at the first byte: it is none of TLS
    bool is_eof, end_said;
    int broken_by;            // what mbedTLS said
    int sys_errno;
} pk__tls_session;

/* tls.c */
PK__FN int pk__tls_random(void *unused, unsigned char *out, size_t len);
PK__FN pk__tls_material *pk__tls_hold(pk_tls *tls);
PK__FN void pk__tls_let_go(pk_tls *tls, pk__tls_material *m);

/* tls_config.c: *m is filled but for the two configurations. */
PK__FN pk_err pk__tls_configure(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err);
PK__FN int pk__tls_on_name(void *session, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len);

/* tls_identity.c. Dates are seconds since 1970. */
PK__FN int64_t pk__tls_seconds(const mbedtls_x509_time *t);
PK__FN void pk__tls_date(char out[PK__CLOCK_TEXT], const mbedtls_x509_time *t);
PK__FN bool pk__tls_is_called(const mbedtls_x509_crt *crt, const char *name); // DNS name, address or URI
PK__FN bool pk__tls_is_host(const char *name); // a DNS name, which servers may be asked for
PK__FN pk_err pk__tls_identify(pk_mem *mem, const mbedtls_x509_crt *crt, pk_tls_peer *out, pk_error *err);
PK__FN void pk__tls_name(char *out, size_t cap, const mbedtls_x509_name *name); // for messages

/* tls_verify.c */
PK__FN int pk__tls_on_certificate(void *session, mbedtls_x509_crt *crt, int depth, uint32_t *flags);
PK__FN bool pk__tls_is_current(const mbedtls_x509_crt *crt); // by its dates alone
PK__FN void pk__tls_flags_text(char *out, size_t cap, uint32_t flags);

/* tls_resume.c */
PK__FN int pk__tls_ticket_write(void *session, const mbedtls_ssl_session *what, unsigned char *start,
                                const unsigned char *end, size_t *len, uint32_t *lifetime);
PK__FN int pk__tls_ticket_parse(void *session, mbedtls_ssl_session *what, unsigned char *buf, size_t len);
PK__FN void pk__tls_keep(pk__tls_session *s);   // what the connection has now
PK__FN void pk__tls_resume(pk__tls_session *s); // before the handshake: if there is something
PK__FN void pk__tls_forget(pk__tls_session *s); // it was of no use
PK__FN void pk__tls_kept_free(pk__tls_material *m);

/* tls_session.c */
PK__FN const pk__secure_table *pk__tls_table(void);

/* tls_error.c */
PK__FN pk_err pk__tls_shake_error(const pk__tls_session *s, int code, pk_error *err);
PK__FN pk_err pk__tls_bytes_error(const pk__tls_session *s, int code, pk_error *err);
PK__FN pk_err pk__tls_source_error(const char *what, const char *which, int code, pk_error *err);

#endif


/* == net/address.c == */
/* address.c - the forms of addresses. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/address.c"
#endif








static pk_str pk__address_from(pk_str s, size_t from)
{
    pk_str rest;
    rest.ptr = s.ptr + from;
    rest.len = s.len - from;
    return rest;
}

static bool pk__address_take(pk_str *s, const char *prefix)
{
    pk_str p = pk_str_from(prefix);
    if (!pk_str_starts(*s, p)) {
        return false;
    }
    *s = pk__address_from(*s, p.len);
    return true;
}

static pk_err pk__address_bad(pk_error *err, pk_str text, const char *why)
{
    char shown[80]; // the reason comes behind it, and must fit
    (void)pk__error_clean(shown, sizeof(shown), text);
    return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot use address '%s': %s", shown, why);
}

static pk_err pk__address_unix(pk__address *out, pk_str text, pk_str path, pk_error *err)
{
    char decoded[sizeof(out->host)];
    out->kind = PK__ADDRESS_UNIX;
    if (path.len == 0) {
        return pk__address_bad(err, text, "the socket path is missing");
    }
    if (path.ptr[0] == '%' && path.len < sizeof(decoded)) { // "http+unix://%2Frun%2Fx.sock", as some libraries write it
        size_t len;
        if (!pk__url_decode(path, false, decoded, &len)) {
            return pk__address_bad(err, text, "broken percent sign");
        }
        path.ptr = decoded;
        path.len = len;
    }
    if (path.len > PK__ADDRESS_PATH_MAX) {
        char why[96];
        (void)snprintf(why, sizeof(why), "the socket path has %zu bytes, and %d is the most that fits", path.len,
                       PK__ADDRESS_PATH_MAX);
        return pk__address_bad(err, text, why);
    }
    if (memchr(path.ptr, '\0', path.len)) {
        return pk__address_bad(err, text, "NUL in the socket path");
    }
    memcpy(out->host, path.ptr, path.len);
    return PK_OK;
}

/* Digits only, at most 65535. */
static bool pk__address_port(pk_str digits, uint16_t *out)
{
    uint32_t value = 0;
    if (digits.len == 0 || digits.len > 5) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(digits.ptr[i] - '0');
    }
    *out = (uint16_t)value;
    return value <= 65535;
}

static bool pk__address_is_host(pk_str host, bool in_brackets)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '-' || c == '_' || (in_brackets && (c == ':' || c == '%'));
        if (!good) {
            return false;
        }
    }
    return true;
}

static pk_err pk__address_tcp(pk__address *out, pk_str text, pk_str rest, bool has_default, pk_error *err)
{
    pk_str host = {rest.ptr, 0}, port = {NULL, 0};
    bool in_brackets = rest.len > 0 && rest.ptr[0] == '[';
    out->kind = PK__ADDRESS_TCP;
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '/') {
        rest.len--;
    }
    if (in_brackets) {
        pk_str after;
        pk_str inner = pk__address_from(rest, 1);
        if (!pk_str_cut(inner, ']', &host, &after) || host.len == 0 || (after.len > 0 && after.ptr[0] != ':')) {
            return pk__address_bad(err, text, "malformed brackets");
        }
        port = after.len > 0 ? pk__address_from(after, 1) : port;
        has_default = has_default && after.len == 0;
    } else if (pk_str_cut(rest, ':', &host, &port)) {
        has_default = false;
    } else {
        host = rest;
    }
    if (has_default) {
        out->port = PK__SECURE_BUILT && out->is_secure ? 443 : 80;
    } else if (!pk__address_port(port, &out->port)) {
        return pk__address_bad(err, text, "the port is missing or no number from 0 to 65535");
    }
    if (host.len >= sizeof(out->host) || !pk__address_is_host(host, in_brackets)) {
        return pk__address_bad(err, text, "malformed host name");
    }
    if (has_default && host.len == 0) {
        return pk__address_bad(err, text, "the host name is missing");
    }
    out->is_wildcard = host.len == 0 || pk_str_is(host, "0.0.0.0") || pk_str_is(host, "::");
    if (host.len == 0) {
        host = pk_str_from("0.0.0.0");
    }
    memcpy(out->host, host.ptr, host.len);
    return PK_OK;
}

/* The length of "name" in "name://...", of letters, digits and "+-."; 0 = there is no scheme. */
static size_t pk__address_scheme(pk_str s)
{
    size_t n = 0;
    for (; n < s.len; n++) {
        char c = s.ptr[n];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_letter && !(n > 0 && is_other)) {
            break;
        }
    }
    return n > 0 && pk_str_starts(pk__address_from(s, n), pk_str_from("://")) ? n : 0;
}

PK__FN pk_err pk__address_parse(pk__address *out, pk_str text, pk_error *err)
{
    memset(out, 0, sizeof(*out));
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = pk__address_from(text, 1);
    }
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1])) {
        text.len--;
    }
    pk_str rest = text;
    if (text.len == 0) {
        return pk__address_bad(err, text, "it is empty");
    }
    if (PK__SECURE_BUILT && pk__address_take(&rest, "https")) {
        out->is_secure = true;
        if (pk__address_take(&rest, "+unix://")) {
            return pk__address_unix(out, text, rest, err);
        }
        if (pk__address_take(&rest, "://")) {
            return pk__address_tcp(out, text, rest, true, err);
        }
        out->is_secure = false; // a scheme of somebody else's, or a host called that
        rest = text;
    }
    if (text.ptr[0] == '/' || pk__address_take(&rest, "http+unix://") || pk__address_take(&rest, "unix://") ||
        pk__address_take(&rest, "unix:")) {
        return pk__address_unix(out, text, rest, err);
    }
    if (pk__address_take(&rest, "http://")) {
        return pk__address_tcp(out, text, rest, true, err);
    }
    if (pk__address_take(&rest, "tcp://")) {
        return pk__address_tcp(out, text, rest, false, err);
    }
    size_t scheme = pk__address_scheme(text);
    if (scheme == 0) {
        return pk__address_tcp(out, text, rest, false, err);
    }
    pk_str name = {text.ptr, scheme};
    (void)pk__address_take(&name, "http+");
    if (name.len == 0 || name.len >= sizeof(out->host)) {
        return pk__address_bad(err, text, "malformed scheme");
    }
    out->kind = PK__ADDRESS_OTHER;
    memcpy(out->host, name.ptr, name.len);
    return PK_OK;
}

PK__FN void pk__address_loopback(pk__address *a)
{
    if (a->is_wildcard) {
        static const char loopback[] = "127.0.0.1";
        memcpy(a->host, loopback, sizeof(loopback));
        a->is_wildcard = false;
    }
}

static size_t pk__address_printed(int n, size_t cap)
{
    return n < 0 ? 0 : PK__MIN((size_t)n, cap - 1);
}

PK__FN size_t pk__address_host(const pk__address *a, char *out, size_t cap)
{
    int n;
    if (a->kind == PK__ADDRESS_TCP) {
        bool is_v6 = strchr(a->host, ':') != NULL;
        n = snprintf(out, cap, "%s%s%s:%u", is_v6 ? "[" : "", a->host, is_v6 ? "]" : "", (unsigned)a->port);
    } else {
        n = snprintf(out, cap, "%s", a->kind == PK__ADDRESS_UNIX ? "unix" : "plugkit");
    }
    return pk__address_printed(n, cap);
}

PK__FN size_t pk__address_format(const pk__address *a, char *out, size_t cap)
{
    static const char http[] = "http://";
    if (PK__SECURE_BUILT && a->is_secure) {
        bool is_unix = a->kind == PK__ADDRESS_UNIX;
        size_t n = pk__address_printed(snprintf(out, cap, "https%s://%s", is_unix ? "+unix" : "",
                                                is_unix ? a->host : ""), cap);
        return is_unix ? n : n + pk__address_host(a, out + n, cap - n);
    }
    if (a->kind == PK__ADDRESS_TCP && cap > sizeof(http)) {
        memcpy(out, http, sizeof(http));
        return sizeof(http) - 1 + pk__address_host(a, out + sizeof(http) - 1, cap - (sizeof(http) - 1));
    }
    return pk__address_printed(snprintf(out, cap, "%s%s", a->kind == PK__ADDRESS_UNIX ? "http+unix://" : "", a->host), cap);
}

/* == net/socket.c == */
/* socket.c - sockets. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/socket.c"
#endif

#ifndef PLUGKIT_NO_NET



#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* Systems without the flag have an option of the socket's instead. */
#ifdef MSG_NOSIGNAL
#define PK__SOCKET_NOSIGNAL MSG_NOSIGNAL
#else
#define PK__SOCKET_NOSIGNAL 0
#endif
#ifdef SO_NOSIGPIPE
#define PK__SOCKET_NOSIGPIPE SO_NOSIGPIPE
#else
#define PK__SOCKET_NOSIGPIPE 0
#endif

enum { PK__SOCKET_PARTS = 8, PK__SOCKET_FILE_PIECE = 1 << 20 };

typedef union pk__socket_name {
    struct sockaddr any;
    struct sockaddr_un path;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
} pk__socket_name;

static bool pk__socket_name_unix(pk__socket_name *out, socklen_t *len, const char *path)
{
    size_t n = strlen(path);
    if (n >= sizeof(out->path.sun_path)) { // some systems have less room than PK__ADDRESS_PATH_MAX
        return false;
    }
    out->path.sun_family = AF_UNIX;
    memcpy(out->path.sun_path, path, n + 1);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return true;
}

/* Numbers, and the one name that needs no resolver. */
static bool pk__socket_name_number(pk__socket_name *out, socklen_t *len, const pk__address *a)
{
    const char *host = strcmp(a->host, "localhost") == 0 ? "127.0.0.1" : a->host;
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(a->port);
        *len = sizeof(out->v4);
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(a->port);
        *len = sizeof(out->v6);
        return true;
    }
    return false;
}

static pk_err pk__socket_name_resolve(pk__socket_name *out, socklen_t *len, const pk__address *a, pk_error *err)
{
    pk__sys_names found;
    int rc = PK__SYS(look_up)(a->host, &found);
    if (rc != 0) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot find host '%s': %s", a->host, gai_strerror(rc));
    }
    memcpy(&out->room, &found.at[0], sizeof(out->room));
    if (out->any.sa_family == AF_INET6) {
        out->v6.sin6_port = htons(a->port);
        *len = sizeof(out->v6);
    } else {
        out->v4.sin_port = htons(a->port);
        *len = sizeof(out->v4);
    }
    return PK_OK;
}

static pk_err pk__socket_name_make(pk__socket_name *out, socklen_t *len, const pk__address *a, pk_error *err)
{
    memset(out, 0, sizeof(*out));
    if (a->kind == PK__ADDRESS_UNIX) {
        return pk__socket_name_unix(out, len, a->host)
                   ? PK_OK
                   : pk_error_set(err, PK_ERR_BAD_ENDPOINT,
                                  "cannot use socket path '%s': it has %zu bytes, and %zu is the most that fits",
                                  a->host, strlen(a->host), sizeof(out->path.sun_path) - 1);
    }
    if (a->kind != PK__ADDRESS_TCP) {
        return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot use address '%s://': not a socket", a->host);
    }
    return pk__socket_name_number(out, len, a) ? PK_OK : pk__socket_name_resolve(out, len, a, err);
}

static void pk__socket_option(int fd, int level, int name)
{
    int on = 1;
    (void)PK__SYS(setsockopt)(fd, level, name, &on, sizeof(on)); // all of them improve, none is needed
}

static void pk__socket_prepare(int fd, int family)
{
    if (family == AF_INET || family == AF_INET6) {
        pk__socket_option(fd, IPPROTO_TCP, TCP_NODELAY);
    }
    if (PK__SOCKET_NOSIGPIPE != 0) {
        pk__socket_option(fd, SOL_SOCKET, PK__SOCKET_NOSIGPIPE);
    }
}

/* ---- listening */

static pk_err pk__socket_bind(int fd, const pk__address *a, const pk__socket_name *name, socklen_t len, pk_error *err)
{
    char text[PK__ADDRESS_TEXT_MAX];
    (void)pk__address_format(a, text, sizeof(text));
    if (a->kind == PK__ADDRESS_UNIX) {
        (void)PK__SYS(fchmod)(fd, 0600); // where this counts, the socket is never open to others, not for a moment
    } else {
        pk__socket_option(fd, SOL_SOCKET, SO_REUSEADDR);
    }
    if (PK__SYS(bind)(fd, &name->any, len) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot listen at '%s'", text);
    }
    if ((a->kind == PK__ADDRESS_UNIX && PK__SYS(chmod)(a->host, 0600) != 0) ||
        PK__SYS(listen)(fd, PK__SOCKET_BACKLOG) != 0) {
        int reason = errno;
        if (a->kind == PK__ADDRESS_UNIX) {
            (void)PK__SYS(unlink)(a->host);
        }
        return pk_error_sys(err, PK_ERR_OS, reason, "cannot listen at '%s'", text);
    }
    return PK_OK;
}

PK__FN pk_err pk__socket_listen(const pk__address *a, int *fd, pk_error *err)
{
    pk__socket_name name;
    socklen_t len = 0;
    *fd = -1;
    pk_err rc = pk__socket_name_make(&name, &len, a, err);
    if (rc) {
        return rc;
    }
    int s = pk__fd_lift(PK__SYS(socket)(name.any.sa_family, SOCK_STREAM, 0));
    if (s < 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot open a socket");
    }
    rc = pk__socket_bind(s, a, &name, len, err);
    if (rc) {
        pk__fd_close(s);
        return rc;
    }
    *fd = s;
    return PK_OK;
}

PK__FN pk_err pk__socket_local(int fd, pk__address *out, pk_error *err)
{
    pk__socket_name name;
    socklen_t len = sizeof(name);
    memset(&name, 0, sizeof(name));
    memset(out, 0, sizeof(*out));
    if (PK__SYS(getsockname)(fd, &name.any, &len) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot read the socket's address");
    }
    switch (name.any.sa_family) {
    case AF_UNIX: {
        const size_t head = offsetof(struct sockaddr_un, sun_path);
        size_t n = (size_t)len > head ? (size_t)len - head : 0;
        out->kind = PK__ADDRESS_UNIX;
        memcpy(out->host, name.path.sun_path, PK__MIN(n, PK__MIN(sizeof(name.path.sun_path), sizeof(out->host) - 1)));
        return PK_OK;
    }
    case AF_INET:
        out->kind = PK__ADDRESS_TCP;
        out->port = ntohs(name.v4.sin_port);
        out->is_wildcard = name.v4.sin_addr.s_addr == htonl(INADDR_ANY);
        (void)inet_ntop(AF_INET, &name.v4.sin_addr, out->host, sizeof(out->host));
        return PK_OK;
    case AF_INET6:
        out->kind = PK__ADDRESS_TCP;
        out->port = ntohs(name.v6.sin6_port);
        out->is_wildcard = IN6_IS_ADDR_UNSPECIFIED(&name.v6.sin6_addr) != 0;
        (void)inet_ntop(AF_INET6, &name.v6.sin6_addr, out->host, sizeof(out->host));
        return PK_OK;
    default: return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot listen on descriptor %d: not a stream socket", fd);
    }
}

static uint64_t pk__socket_number(const void *bytes, size_t len)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        number = number << 8 | ((const uint8_t *)bytes)[i];
    }
    return number;
}

PK__FN bool pk__socket_peer(int fd, uint64_t *id)
{
    pk__socket_name name;
    socklen_t len = sizeof(name);
    memset(&name, 0, sizeof(name));
    if (PK__SYS(getpeername)(fd, &name.any, &len) != 0) {
        return false;
    }
    if (name.any.sa_family == AF_INET6) {
        const struct in6_addr *a = &name.v6.sin6_addr;
        *id = IN6_IS_ADDR_V4MAPPED(a) ? pk__socket_number(a->s6_addr + 12, 4) : pk__socket_number(a->s6_addr, 8);
        return true;
    }
    if (name.any.sa_family == AF_INET) {
        *id = pk__socket_number(&name.v4.sin_addr, 4);
        return true;
    }
    uid_t uid = 0;
    pid_t pid = 0;
    bool known = PK__SYS(peer_uid)(fd, &uid, &pid) == 0;
    *id = uid;
    return known;
}

/* ---- connecting */

static pk_err pk__socket_refused(const pk__address *a, int reason, pk_error *err)
{
    char text[PK__ADDRESS_TEXT_MAX];
    (void)pk__address_format(a, text, sizeof(text));
    (void)pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, reason, "cannot connect to '%s'", text);
    if (err) {
        pk__fd_explain(err);
    }
    return PK_ERR_PLUGIN_CONNECTION;
}

PK__FN pk_io pk__socket_connect(const pk__address *a, int *fd, pk_error *err)
{
    pk__socket_name name;
    socklen_t len = 0;
    *fd = -1;
    if (pk__socket_name_make(&name, &len, a, err)) {
        return PK_IO_FAILED;
    }
    int s = pk__fd_lift(PK__SYS(socket)(name.any.sa_family, SOCK_STREAM, 0));
    if (s < 0) {
        (void)pk_error_sys(err, PK_ERR_OS, errno, "cannot open a socket"); // that is our fault, not the peer's
        return PK_IO_FAILED;
    }
    pk__socket_prepare(s, name.any.sa_family);
    int rc = PK__SYS(connect)(s, &name.any, len);
    int reason = rc == 0 ? 0 : errno;
    bool under_way = reason == EINPROGRESS || reason == EINTR;
    bool is_full = reason == EAGAIN && a->kind == PK__ADDRESS_UNIX;
    if (reason != 0 && !under_way && !is_full) {
        pk__fd_close(s);
        (void)pk__socket_refused(a, reason, err);
        return PK_IO_FAILED;
    }
    if (pk__fd_set_nonblock(s, false, err)) {
        pk__fd_close(s);
        return PK_IO_FAILED;
    }
    *fd = s;
    return under_way ? PK_IO_WANT_WRITE : is_full ? PK_IO_WANT_READ : PK_IO_DONE;
}

PK__FN pk_err pk__socket_connected(int fd, const pk__address *a, pk_error *err)
{
    int reason = 0;
    socklen_t len = sizeof(reason);
    if (PK__SYS(getsockopt)(fd, SOL_SOCKET, SO_ERROR, &reason, &len) != 0) {
        reason = errno;
    }
    return reason == 0 ? PK_OK : pk__socket_refused(a, reason, err);
}

/* ---- accepting */

static void pk__socket_reserve(int *reserve)
{
    if (*reserve < 0) {
        *reserve = pk__fd_lift(PK__SYS(open)("/dev/null", O_RDONLY | O_CLOEXEC, 0));
    }
}

static pk_err pk__socket_turn_away(int listener, int *reserve, int reason, pk_error *err)
{
    if (*reserve >= 0 && (reason == EMFILE || reason == ENFILE)) {
        pk__fd_close(*reserve);
        *reserve = -1;
        pk__fd_close(PK__SYS(accept)(listener, NULL, NULL));
        pk__socket_reserve(reserve);
    }
    return pk_error_sys(err, PK_ERR_LIMIT, reason, "cannot accept a connection");
}

PK__FN pk_err pk__socket_accept(int listener, int *reserve, int *fd, pk_error *err)
{
    pk__socket_name name;
    *fd = -1;
    pk__socket_reserve(reserve);
    for (;;) {
        socklen_t len = sizeof(name);
        name.any.sa_family = AF_UNSPEC;
        int s = pk__fd_lift(PK__SYS(accept)(listener, &name.any, &len));
        if (s >= 0) {
            pk__socket_prepare(s, name.any.sa_family);
            *fd = s;
            return PK_OK;
        }
        switch (errno) {
        case EINTR:
        case ECONNABORTED: continue; // that one is gone, the next may be there
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return pk__socket_turn_away(listener, reserve, errno, err);
        case EBADF:
        case EINVAL:
        case ENOTSOCK: return pk_error_sys(err, PK_ERR_OS, errno, "cannot accept a connection");
        default: return PK_OK; // none there, or the network ended it before we came
        }
    }
}

/* ---- bytes */

static bool pk__socket_is_later(int reason)
{
    return reason == EAGAIN || reason == EWOULDBLOCK; // two names, and on a few systems two numbers
}

PK__FN pk_io pk__socket_recv(int fd, void *buf, size_t cap, bool wait, size_t *got, pk_error *err)
{
    for (;;) {
        ssize_t n = PK__SYS(recv)(fd, buf, cap, wait ? 0 : MSG_DONTWAIT);
        if (n > 0) {
            *got = (size_t)n;
            return PK_IO_DONE;
        }
        if (n == 0) {
            return PK_IO_CLOSED;
        }
        if (pk__socket_is_later(errno) || (errno == EINTR && wait)) {
            return PK_IO_WANT_READ;
        }
        if (errno != EINTR) {
            (void)pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, errno, "cannot receive");
            return PK_IO_FAILED;
        }
    }
}

static pk_io pk__socket_sent(ssize_t n, size_t *sent, pk_error *err)
{
    if (n >= 0) {
        *sent = (size_t)n;
        return PK_IO_DONE;
    }
    if (pk__socket_is_later(errno)) {
        return PK_IO_WANT_WRITE;
    }
    (void)pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, errno, "cannot send");
    return PK_IO_FAILED;
}

PK__FN pk_io pk__socket_send(int fd, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    int flags = MSG_DONTWAIT | PK__SOCKET_NOSIGNAL;
    ssize_t n;
    if (count == 1) {
        do {
            n = PK__SYS(send)(fd, parts[0].ptr, parts[0].len, flags);
        } while (n < 0 && errno == EINTR);
        return pk__socket_sent(n, sent, err);
    }
    struct iovec vector[PK__SOCKET_PARTS];
    struct msghdr message;
    memset(&message, 0, sizeof(message));
    message.msg_iov = vector;
    for (size_t i = 0; i < count && i < PK__SOCKET_PARTS; i++) {
        vector[i].iov_base = (void *)(uintptr_t)parts[i].ptr; // sendmsg only reads it
        vector[i].iov_len = parts[i].len;
        message.msg_iovlen++;
    }
    do {
        n = PK__SYS(sendmsg)(fd, &message, flags);
    } while (n < 0 && errno == EINTR);
    return pk__socket_sent(n, sent, err);
}

static pk_err pk__socket_file_short(pk_error *err)
{
    return pk_error_set(err, PK_ERR_OS, "cannot send a file: it is shorter than promised");
}

/* Where the system cannot: what is read but not taken is read again with the next piece. */
static pk_io pk__socket_copy_file(int fd, int file, uint64_t at, size_t size, size_t *sent, pk_error *err)
{
    char buf[16 * 1024];
    size_t n = 0;
    pk_err rc = pk__fd_read_at(file, buf, PK__MIN(size, sizeof(buf)), at, &n, err);
    if (rc == PK_OK && n == 0) {
        rc = pk__socket_file_short(err);
    }
    if (rc) {
        return PK_IO_FAILED;
    }
    pk_str part = {buf, n};
    return pk__socket_send(fd, &part, 1, sent, err);
}

PK__FN pk_io pk__socket_send_file(int fd, int file, uint64_t offset, uint64_t size, size_t *sent, pk_error *err)
{
    pk__sigpipe guard; // sendfile has no MSG_NOSIGNAL
    size_t piece = (size_t)PK__MIN(size, (uint64_t)PK__SOCKET_FILE_PIECE);
    off_t at = (off_t)offset;
    ssize_t n;
    pk__sigpipe_block(&guard);
    do {
        n = PK__SYS(sendfile)(fd, file, &at, piece);
    } while (n < 0 && errno == EINTR);
    pk__sigpipe_restore(&guard);
    if (n < 0 && (errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP)) {
        return pk__socket_copy_file(fd, file, offset, piece, sent, err);
    }
    if (n == 0) {
        (void)pk__socket_file_short(err);
        return PK_IO_FAILED;
    }
    return pk__socket_sent(n, sent, err);
}

PK__FN bool pk__socket_set_timeout(int fd, int64_t ns)
{
    struct timeval t;
    int64_t us = ns < 1000 ? 1 : ns / 1000; // 0 would mean for ever
    t.tv_sec = (time_t)(us / 1000000);
    t.tv_usec = (suseconds_t)(us % 1000000);
    return PK__SYS(setsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) == 0;
}

PK__FN bool pk__socket_is_quiet(int fd)
{
    char byte;
    for (;;) {
        ssize_t n = PK__SYS(recv)(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n >= 0 || errno != EINTR) {
            return n < 0 && pk__socket_is_later(errno);
        }
    }
}
#endif

/* == net/lookup.c == */
/* lookup.c - host names. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/lookup.c"
#endif

#ifndef PLUGKIT_NO_NET




#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct pk__lookup {
    pk__thread thread;
    pk__mutex lock;
    pk_loop *loop; // NULL = nobody wants to know any more; under the lock, as is_done
    bool is_done;
    pk_task task;
    pk__lookup_on_found on_found;
    void *user;
    char host[256];
    pk__lookup_names names;
    pk_error why; // code PK_OK: there are names
};

static const pk_alloc pk__lookup_alloc; // the C library's

PK__FN bool pk__lookup_is_name(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    return inet_pton(AF_INET, host, &v4) != 1 && inet_pton(AF_INET6, host, &v6) != 1;
}

static void pk__lookup_add(pk__lookup_names *names, const struct sockaddr_storage *from)
{
    char *out = names->number[names->count]; // there is room for all that a look-up gives
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
    const void *number = from->ss_family == AF_INET6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr;
    if (!inet_ntop(from->ss_family, number, out, PK__LOOKUP_TEXT)) {
        return;
    }
    if (from->ss_family == AF_INET6 && v6->sin6_scope_id) { // of this link only: a number, too, to the resolver
        size_t len = strlen(out);
        (void)snprintf(out + len, PK__LOOKUP_TEXT - len, "%%%lu", (unsigned long)v6->sin6_scope_id);
    }
    for (uint32_t i = 0; i < names->count; i++) {
        if (strcmp(names->number[i], out) == 0) {
            return; // said twice
        }
    }
    names->count++;
}

static void pk__lookup_find(pk__lookup *look)
{
    pk__sys_names found;
    if (strcmp(look->host, "localhost") == 0) {
        static const pk__lookup_names loopback = {2, {"127.0.0.1", "::1"}};
        look->names = loopback;
        return;
    }
    int rc = PK__SYS(look_up)(look->host, &found);
    for (size_t i = 0; rc == 0 && i < found.count && i < PK__LOOKUP_MAX; i++) {
        pk__lookup_add(&look->names, &found.at[i]);
    }
    if (rc != 0 || look->names.count == 0) {
        (void)pk_error_set(&look->why, PK_ERR_PLUGIN_CONNECTION, "cannot find host '%s': %s", look->host,
                           rc ? gai_strerror(rc) : "it has no address");
    }
}

static void pk__lookup_free(pk__lookup *look)
{
    pk__mutex_deinit(&look->lock);
    pk__free(&pk__lookup_alloc, look, sizeof(*look));
}

static void pk__lookup_on_task(void *user)
{
    pk__lookup *look = (pk__lookup *)user;
    look->on_found(look->user, look->why.code ? NULL : &look->names, look->why.code ? &look->why : NULL);
}

static void pk__lookup_thread(void *arg)
{
    pk__lookup *look = (pk__lookup *)arg;
    pk__thread_forget(&look->thread);
    pk__lookup_find(look);
    pk__mutex_lock(&look->lock);
    bool wanted = look->loop != NULL;
    look->is_done = true;
    if (wanted) {
        pk_loop_post(look->loop, &look->task);
    }
    pk__mutex_unlock(&look->lock);
    if (!wanted) {
        pk__lookup_free(look);
    }
}

PK__FN pk_err pk__lookup_begin(pk__lookup **out, pk_loop *loop, const char *host, pk__lookup_on_found on_found,
                               void *user, pk_error *err)
{
    pk__lookup *look = (pk__lookup *)pk__new(&pk__lookup_alloc, sizeof(*look));
    *out = NULL;
    if (!look) {
        return pk__error_memory(err, "look up a host");
    }
    pk__mutex_init(&look->lock);
    look->loop = loop;
    look->task.run = pk__lookup_on_task;
    look->task.user = look;
    look->on_found = on_found;
    look->user = user;
    (void)snprintf(look->host, sizeof(look->host), "%s", host);
#ifdef PLUGKIT_NO_THREADS
    pk__lookup_thread(look);
#else
    if (strcmp(host, "localhost") == 0 || !pk__lookup_is_name(host)) {
        pk__lookup_thread(look); // nothing to wait for
    } else {
        pk_err rc = pk__thread_start(&look->thread, pk__lookup_thread, look, err);
        if (rc) {
            pk__lookup_free(look);
            return rc;
        }
    }
#endif
    *out = look;
    return PK_OK;
}

PK__FN void pk__lookup_end(pk__lookup **at)
{
    pk__lookup *look = *at;
    *at = NULL;
    if (!look || pk__loop_is_forked(look->loop)) { // the thread is the parent's, and may hold the lock
        return;
    }
    pk__mutex_lock(&look->lock);
    pk_loop *loop = look->loop;
    bool done = look->is_done;
    look->loop = NULL;
    pk__mutex_unlock(&look->lock);
    if (done) {
        pk_loop_unpost(loop, &look->task);
        pk__lookup_free(look);
    } // else the thread frees it
}
#endif

/* == net/transport.c == */
/* transport.c - unix and tcp as transports. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/transport.c"
#endif



PK_API void pk_conn_ready(pk_conn *conn)
{
    conn->on_ready(conn);
}

#ifndef PLUGKIT_NO_NET
/* The whole state of a connection is its descriptor, which is never 0 and so never a NULL. */
static int pk__transport_fd(void *state)
{
    return (int)(intptr_t)state;
}

static pk_io pk__transport_open(void *user, pk_str text, pk_conn *conn, void **state, pk_error *err)
{
    pk__address address;
    int fd = -1;
    (void)user, (void)conn;
    if (pk__address_parse(&address, text, err)) {
        return PK_IO_FAILED;
    }
    pk_io io = pk__socket_connect(&address, &fd, err);
    *state = (void *)(intptr_t)fd;
    return io;
}

static pk_io pk__transport_recv(void *state, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return pk__socket_recv(pk__transport_fd(state), buf, cap, false, got, err);
}

static pk_io pk__transport_send(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    return pk__socket_send(pk__transport_fd(state), parts, count, sent, err);
}

static void pk__transport_close(void *state)
{
    pk__fd_close(pk__transport_fd(state));
}

static const pk_transport pk__transport_unix = {
    "unix", pk__transport_open, pk__transport_recv, pk__transport_send, pk__transport_fd, pk__transport_close, NULL,
};
static const pk_transport pk__transport_tcp = {
    "tcp", pk__transport_open, pk__transport_recv, pk__transport_send, pk__transport_fd, pk__transport_close, NULL,
};

static const pk_transport *pk__transport_own(const pk__address *a)
{
    return a->kind == PK__ADDRESS_UNIX ? &pk__transport_unix : a->kind == PK__ADDRESS_TCP ? &pk__transport_tcp : NULL;
}

PK__FN const pk_transport *pk__transport_accepted(void **state, int fd)
{
    static const pk_transport accepted = {
        "accepted", NULL, pk__transport_recv, pk__transport_send, pk__transport_fd, pk__transport_close, NULL,
    };
    *state = (void *)(intptr_t)fd;
    return &accepted;
}

PK__FN bool pk__transport_is_socket(const pk_transport *t)
{
    return t == &pk__transport_unix || t == &pk__transport_tcp;
}
#else
static const pk_transport *pk__transport_own(const pk__address *a)
{
    (void)a;
    return NULL;
}

PK__FN bool pk__transport_is_socket(const pk_transport *t)
{
    (void)t;
    return false;
}
#endif

PK__FN const pk_transport *pk__transport_find(const pk_transport *const *more, size_t count, const pk__address *a)
{
    const char *scheme = a->kind == PK__ADDRESS_UNIX ? "unix" : a->kind == PK__ADDRESS_TCP ? "tcp" : a->host;
    for (size_t i = 0; i < count; i++) {
        if (pk_str_is(pk_str_from(scheme), more[i]->scheme)) {
            return more[i];
        }
    }
    return pk__transport_own(a);
}

/* == net/secure.c == */
/* secure.c - a secured connection in the place of a transport. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/secure.c"
#endif

#if PK__SECURE_BUILT

static pk_io pk__secure_send(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    pk__secure *s = (pk__secure *)state;
    return s->table->send(s, parts, count, sent, err);
}

PK__FN pk__wire pk__secure_wire(pk__secure *s)
{
    static const pk_transport secured = {"secured", NULL, NULL, pk__secure_send, NULL, NULL, NULL};
    pk__wire w = {&secured, s, -1};
    return w;
}

PK__FN void pk__secure_close(pk__secure *s)
{
    (void)s->table->end(s);
    s->table->close(s);
}
#endif

/* == net/http_out.c == */
/* http_out.c - sending heads and bodies. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/http_out.c"
#endif









enum {
    PK__HTTP_OUT_HEAD = 64 * 1024,  // the largest head, with a small body
    PK__HTTP_OUT_SMALL = 8 * 1024,  // bodies up to here are copied behind the head
    PK__HTTP_OUT_PIECE = 16 * 1024, // of a reader or, where it has to be copied, a file
    PK__HTTP_OUT_MOST = 256 * 1024, // handed to the system at once
    PK__HTTP_OUT_TURNS = 16         // sends before others have their turn
};

#ifndef PLUGKIT_NO_NET
static pk_io pk__http_out_send_file(const pk__http_out *o, const pk__wire *wire, size_t *sent, pk_error *err)
{
    uint64_t size = PK__MIN(o->file_left, (uint64_t)PK__HTTP_OUT_MOST);
    return pk__socket_send_file(wire->socket, o->body->fd, o->file_at, size, sent, err);
}
#else // without sockets there is none that it could be asked for
static pk_io pk__http_out_send_file(const pk__http_out *o, const pk__wire *wire, size_t *sent, pk_error *err)
{
    (void)o, (void)wire, (void)sent, (void)err;
    return PK_IO_CLOSED;
}
#endif

PK__FN void pk__http_out_init(pk__http_out *o, const pk_alloc *alloc)
{
    memset(o, 0, sizeof(*o));
    pk_buf_init(&o->buf, alloc, PK__HTTP_OUT_HEAD);
}

PK__FN void pk__http_out_deinit(pk__http_out *o)
{
    pk_buf_free(&o->buf);
}

PK__FN void pk__http_out_reset(pk__http_out *o)
{
    pk_buf_clear(&o->buf);
    o->at = 0;
    o->tail.len = 0;
    o->body = NULL;
    o->file_left = 0;
    o->has_reader = false;
    o->began = false;
    o->pending = false;
    o->busy = false;
    o->sent_any = false;
    o->total = 0;
}

PK__FN pk_err pk__http_out_begin(pk__http_out *o, const pk_body *body, bool chunked, pk_error *err)
{
    o->body = body;
    o->chunked = chunked;
    o->pending = true;
    if (body && body->read) {
        o->has_reader = true;
    } else if (body && body->has_fd) {
        if (body->offset > INT64_MAX || body->size > INT64_MAX - body->offset) {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot send a file: the range is too large");
        }
        o->file_at = body->offset;
        o->file_left = body->size;
    } else if (body) {
        o->total = body->bytes.len;
        if (body->bytes.len <= PK__HTTP_OUT_SMALL) {
            (void)pk_buf_add(&o->buf, body->bytes);
        } else {
            o->tail = body->bytes;
        }
    }
    if (o->buf.failed == PK_ERR_NO_MEMORY) {
        return pk__error_memory(err, "send a message");
    }
    return o->buf.failed ? pk_error_set(err, PK_ERR_LIMIT, "cannot send a message: its header is larger than %d KiB",
                                        PK__HTTP_OUT_HEAD / 1024)
                         : PK_OK;
}

/* A piece of a file for a transport that knows no files. */
static pk_io pk__http_out_stage_file(pk__http_out *o, char *data, pk_error *err)
{
    size_t want = (size_t)PK__MIN(o->file_left, (uint64_t)PK__HTTP_OUT_PIECE), n = 0;
    if (pk__fd_read_at(o->body->fd, data, want, o->file_at, &n, err)) {
        return PK_IO_FAILED;
    }
    if (n == 0) {
        (void)pk_error_set(err, PK_ERR_OS, "cannot send a file: it is shorter than promised");
        return PK_IO_FAILED;
    }
    o->buf.len = n;
    o->file_at += n;
    o->file_left -= n;
    o->total += n;
    return PK_IO_DONE;
}

static pk_io pk__http_out_stage_reader(pk__http_out *o, char *data, pk_error *err)
{
    size_t got = 0, head = 0;
    pk_err rc = o->body->read(o->body->user, data, PK__HTTP_OUT_PIECE, &got, err);
    o->busy = rc == PK_ERR_BUSY;
    if (rc) {
        return o->busy ? PK_IO_WANT_READ : PK_IO_FAILED;
    }
    if (o->chunked) {
        head = pk__http_chunk_head(o->buf.ptr, got, !o->began);
    }
    memmove(o->buf.ptr + head, data, got);
    o->buf.len = head + got;
    o->began = true;
    o->has_reader = got > 0;
    o->total += got;
    return PK_IO_DONE;
}

/* The next piece of what has to be copied. */
static pk_io pk__http_out_stage(pk__http_out *o, pk_error *err)
{
    pk_buf_clear(&o->buf);
    o->at = 0;
    if (!pk_buf_reserve(&o->buf, PK__CHUNK_HEAD_MAX + PK__HTTP_OUT_PIECE)) {
        (void)pk__error_memory(err, "send a body");
        return PK_IO_FAILED;
    }
    return o->has_reader ? pk__http_out_stage_reader(o, o->buf.ptr + PK__CHUNK_HEAD_MAX, err)
                         : pk__http_out_stage_file(o, o->buf.ptr, err);
}

static pk_io pk__http_out_send(pk__http_out *o, const pk__wire *wire, pk_error *err)
{
    pk_str parts[2];
    size_t count = 0, sent = 0;
    if (o->at < o->buf.len) {
        parts[count].ptr = o->buf.ptr + o->at;
        parts[count++].len = o->buf.len - o->at;
    }
    if (o->tail.len > 0) {
        parts[count] = o->tail;
        parts[count].len = PK__MIN(o->tail.len, (size_t)PK__HTTP_OUT_MOST);
        count++;
    }
    pk_io io = wire->transport->send(wire->io, parts, count, &sent, err);
    if (io != PK_IO_DONE || sent == 0) {
        return io == PK_IO_DONE ? PK_IO_WANT_WRITE : io;
    }
    size_t part = PK__MIN(sent, o->buf.len - o->at);
    o->sent_any = true;
    o->at += part;
    if (sent > part) {
        o->tail.ptr += sent - part;
        o->tail.len -= sent - part;
    }
    return io;
}

static pk_io pk__http_out_file(pk__http_out *o, const pk__wire *wire, pk_error *err)
{
    size_t sent = 0;
    pk_io io = pk__http_out_send_file(o, wire, &sent, err);
    if (io == PK_IO_DONE) {
        o->file_at += sent;
        o->file_left -= sent;
        o->total += sent;
    }
    return io == PK_IO_FAILED && err->code != PK_ERR_OS ? PK_IO_CLOSED : io;
}

PK__FN pk_io pk__http_out_push(pk__http_out *o, const pk__wire *wire, pk_error *err)
{
    for (int turn = 0; o->pending; turn++) {
        pk_io io;
        if (turn == PK__HTTP_OUT_TURNS) {
            return PK_IO_WANT_WRITE;
        }
        if (o->at < o->buf.len || o->tail.len > 0) {
            io = pk__http_out_send(o, wire, err);
            io = io == PK_IO_FAILED ? PK_IO_CLOSED : io;
        } else if (o->file_left > 0 && wire->socket >= 0) {
            io = pk__http_out_file(o, wire, err);
        } else {
            io = pk__http_out_stage(o, err);
        }
        if (io != PK_IO_DONE) {
            return io;
        }
        o->pending = o->at < o->buf.len || o->tail.len > 0 || o->file_left > 0 || o->has_reader;
    }
    return PK_IO_DONE;
}

/* == net/http_client.c == */
/* http_client.c - a connection and the request on it. The answer is http_client_read.c's, waiting http_client_run.c's. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/http_client.c"
#endif








enum {
    PK__HTTP_CLIENT_TURNS = 16,  // receives before others have their turn
    PK__HTTP_CLIENT_RETRY_MS = 2 // when the server's queue is full
};

/* ---- what is different about sockets */

#ifndef PLUGKIT_NO_NET
/* sendfile has no MSG_DONTWAIT, as everything else has. */
static pk_err pk__http_client_no_waiting(pk__http_client *c, pk_error *err)
{
    pk_err rc = c->is_nonblocking ? PK_OK : pk__fd_set_nonblock(c->fd, true, err);
    c->is_nonblocking = rc == PK_OK;
    return rc;
}

static pk_err pk__http_client_check_peer(pk__http_client *c, pk_error *err)
{
    if (c->connecting && pk__socket_connected(c->fd, c->desc.address, err)) {
        return PK_ERR_PLUGIN_CONNECTION;
    }
    bool asks = c->desc.address->kind == PK__ADDRESS_UNIX && !c->desc.any_uid;
    return asks ? pk__fd_check_peer(c->fd, NULL, err) : PK_OK;
}

static bool pk__http_client_is_quiet(pk__http_client *c)
{
    return pk__socket_is_quiet(c->fd);
}

static void pk__http_client_cut(int fd)
{
    (void)PK__SYS(shutdown)(fd, SHUT_RDWR);
}
#else // without the built-in transports there are no sockets, and none of these is reached
static pk_err pk__http_client_no_waiting(pk__http_client *c, pk_error *err)
{
    (void)c, (void)err;
    return PK_OK;
}

static pk_err pk__http_client_check_peer(pk__http_client *c, pk_error *err)
{
    (void)c, (void)err;
    return PK_OK;
}

static bool pk__http_client_is_quiet(pk__http_client *c)
{
    (void)c;
    return true;
}

static void pk__http_client_cut(int fd)
{
    (void)fd;
}
#endif

/* ---- the connection */

PK__FN pk_err pk__http_client_create(pk__http_client **out, const pk__http_client_desc *desc, pk_error *err)
{
    pk__http_client *c = (pk__http_client *)pk__new(desc->alloc, sizeof(*c));
    *out = c;
    if (!c) {
        return pk__error_memory(err, "open a connection");
    }
    c->desc = *desc;
    c->fd = -1;
    c->is_socket = pk__transport_is_socket(desc->transport);
    pk__http_out_init(&c->out, desc->alloc);
    return PK_OK;
}

static void pk__http_client_close(pk__http_client *c)
{
    if (PK__SECURE_ON(c->secure)) {
        pk__secure_close(c->secure);
        c->secure = NULL;
    }
    if (c->opened) {
        c->opened = false;
        c->fd = -1;
        c->desc.transport->close(c->io);
    }
}

PK__FN void pk__http_client_destroy(pk__http_client *c)
{
    if (!c) {
        return;
    }
    c->x = NULL;
    c->dead = true;
    pk__http_client_undrive(c);
    if (c->depth > 0) {
        c->doomed = true; // the callback that we are in returns to our code first
        return;
    }
    bool could_post = c->opened && c->fd < 0 && c->wakes;
    pk__http_client_close(c);
    if (could_post) { // a transport without a descriptor may have called just now
        pk_loop_unpost((pk_loop *)c->wakes, &c->task);
    }
    pk__http_client_shrink(c);
    pk__free(c->desc.alloc, c, sizeof(*c));
}

PK__FN void pk__http_client_shrink(pk__http_client *c)
{
    pk__http_out_deinit(&c->out);
    pk__free(c->desc.alloc, c->room, sizeof(*c->room));
    c->room = NULL;
}

PK__FN bool pk__http_client_is_reusable(const pk__http_client *c)
{
    return c->is_open && !c->dead && !c->x && pk__atomic_load(&c->interrupted) == 0;
}

PK__FN bool pk__http_client_is_alive(pk__http_client *c)
{
    if (PK__SECURE_ON(c->secure)) { // what lies on the socket may be no more than a new ticket
        char byte;
        size_t got = 0;
        return c->secure->table->recv(c->secure, &byte, 1, false, &got, NULL) == PK_IO_WANT_READ;
    }
    return !c->is_socket || pk__http_client_is_quiet(c);
}

PK__FN void pk__http_client_interrupt(pk__http_client *c)
{
    (void)pk__atomic_swap(&c->interrupted, 1);
    uint32_t fd = pk__atomic_add(&c->reach, 0); // either we see the descriptor, or its owner sees the interrupt
    if (fd != 0) {
        pk__http_client_cut((int)fd);
    }
}

PK__FN pk_err pk__http_client_needs_loop(const pk__http_client *c, pk_error *err)
{
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot wait for a '%s' connection: it has no descriptor",
                        c->desc.transport->scheme);
}

/* DONE: plain, or secure by now. WANT_*: the handshake goes on when the socket is ready for that. */
static pk_io pk__http_client_shake(pk__http_client *c, pk_error *err)
{
    if (!PK__SECURE_ON(c->desc.tls)) {
        return PK_IO_DONE;
    }
    if (!c->secure) {
        pk__secure_desc d;
        memset(&d, 0, sizeof(d));
        d.below.transport = c->desc.transport;
        d.below.io = c->io;
        d.below.socket = c->is_socket ? c->fd : -1;
        d.name = c->desc.tls_name;
        d.host = c->desc.tls_host;
        d.key = c->desc.text;
        if (pk__secure_table_of(c->desc.tls)->open(c->desc.tls, &d, &c->secure, err)) {
            return PK_IO_FAILED;
        }
    }
    pk_io io = c->secure->table->shake(c->secure, err);
    return io == PK_IO_CLOSED ? PK_IO_FAILED : io;
}

/* PK_IO_WANT_READ with retry_at: the server's queue is full. */
static pk_io pk__http_client_open(pk__http_client *c, pk_error *err)
{
    const pk_transport *t = c->desc.transport;
    pk_io io;
    if (!c->opened) {
        io = t->open(t->user, c->desc.text, &c->conn, &c->io, err);
        if (io == PK_IO_FAILED || io == PK_IO_CLOSED) {
            return PK_IO_FAILED;
        }
        if (io == PK_IO_WANT_READ) {
            t->close(c->io);
            c->retry_at = pk__clock_after_ms(pk__clock_ns(), PK__HTTP_CLIENT_RETRY_MS);
            return io;
        }
        c->retry_at = 0;
        c->opened = true;
        c->fd = t->fd(c->io);
        if (c->fd < 0 && !c->driven) {
            (void)pk__http_client_needs_loop(c, err);
            return PK_IO_FAILED;
        }
        if (c->is_socket) {
            (void)pk__atomic_swap(&c->reach, (uint32_t)c->fd);
            if (pk__atomic_add(&c->interrupted, 0) != 0) {
                return PK_IO_FAILED;
            }
        }
        if (io == PK_IO_WANT_WRITE) {
            c->connecting = true;
            return io;
        }
    }
    if (!c->secure && c->is_socket && pk__http_client_check_peer(c, err)) {
        return PK_IO_FAILED;
    }
    c->connecting = false;
    io = pk__http_client_shake(c, err);
    c->is_open = io == PK_IO_DONE;
    return io;
}

/* ---- the request */

static pk_err pk__http_client_check(const pk__http_exchange *x, pk_error *err)
{
    size_t at = 0;
    bool good = pk__http_head_is_token(x->method) && x->target.len > 0;
    for (size_t i = 0; i < x->target.len && good; i++) {
        good = x->target.ptr[i] > ' ' && x->target.ptr[i] != 0x7f; // bytes above are negative or sent as they are
    }
    if (!good) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot send a request: malformed method or path");
    }
    const char *why = pk__http_write_refused(x->fields, x->field_count, &at);
    if (why) {
        char name[64];
        (void)pk__error_clean(name, sizeof(name), x->fields[at].name);
        return pk_error_set(err, PK_ERR_MISUSE, "cannot send header '%s': %s", name, why);
    }
    for (size_t i = 0; i < x->own_count; i++) {
        if (!pk__http_head_is_value(x->own[i].value)) {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot send header '%.*s': the value holds control characters",
                                (int)PK__MIN(x->own[i].name.len, (size_t)64), x->own[i].name.ptr);
        }
    }
    return PK_OK;
}

/* Servers may refuse a POST without a length; a GET with one makes some of them wonder. */
static bool pk__http_client_states_empty(pk_str method)
{
    return pk_str_is(method, "POST") || pk_str_is(method, "PUT") || pk_str_is(method, "PATCH");
}

static void pk__http_client_write_head(pk__http_client *c, const pk__http_exchange *x)
{
    const pk_str content_type = PK_STR("Content-Type");
    static const pk_body none = {PK_STR_INIT(""), false, 0, 0, 0, NULL, NULL, PK_STR_INIT("")};
    const pk_body *body = x->body ? x->body : &none;
    uint64_t size = body->has_fd ? body->size : body->bytes.len;
    pk_buf *buf = &c->out.buf;
    pk__http_write_request(buf, x->method, x->target, c->desc.lines);
    pk__http_write_fields(buf, x->own, x->own_count);
    pk__http_write_fields(buf, x->fields, x->field_count);
    if ((size > 0 || body->read || body->content_type.len > 0) &&
        pk__http_head_find(x->fields, x->field_count, content_type).len == 0) {
        pk__http_write_field(buf, content_type,
                             body->content_type.len > 0 ? body->content_type : PK_STR("application/json"));
    }
    if (body->read) {
        pk__http_write_field(buf, PK_STR("Transfer-Encoding"), PK_STR("chunked"));
    } else if (size > 0 || pk__http_client_states_empty(x->method)) {
        pk__http_write_number(buf, PK_STR("Content-Length"), size);
    }
    pk__http_write_end(buf);
}

PK__FN int64_t pk__http_client_now(pk__http_exchange *x)
{
    if (x->now == 0) {
        x->now = pk__clock_ns();
    }
    return x->now;
}

PK__FN pk_err pk__http_client_begin(pk__http_client *c, pk__http_exchange *x, pk_error *err)
{
    static const pk__http_limits limits = {PK__HTTP_CLIENT_ROOM, PK__HTTP_CLIENT_ROOM, PK__HTTP_CLIENT_FIELDS};
    x->sent = PK_SENT_NO;
    x->is_stale = false;
    x->bytes_out = 0;
    x->bytes_in = 0;
    if (c->x || c->dead) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot send a request: the connection is in use or was closed");
    }
    pk_err rc = pk__http_client_check(x, err);
    if (rc) {
        return rc;
    }
    if (x->deadline != PK_FOREVER && pk__http_client_now(x) >= x->deadline) {
        return pk_error_set(err, PK_ERR_PLUGIN_TIMEOUT, "cannot send a request: the deadline has passed already");
    }
    if (!c->room) {
        c->room = (pk__http_client_room *)pk__resize(c->desc.alloc, NULL, 0, sizeof(*c->room));
        if (!c->room) {
            return pk__error_memory(err, "send a request");
        }
    }
    pk__http_out_reset(&c->out);
    pk__http_client_write_head(c, x);
    rc = pk__http_out_begin(&c->out, x->body, true, err);
    if (rc) {
        return rc;
    }
    pk__http_head_init(&c->head, PK__HTTP_RESPONSE, c->room->fields, &limits);
    c->x = x;
    c->stopped = false;
    c->send_errno = 0;
    c->begin = 0;
    c->end = 0;
    c->rx = PK__HTTP_RX_HEAD;
    c->got_any = false;
    c->paused = false;
    c->connect_by = c->desc.connect_ms > 0 && !c->is_open
                        ? pk__clock_after_ms(pk__http_client_now(x), c->desc.connect_ms)
                        : PK_FOREVER;
    return PK_OK;
}

static bool pk__http_client_sends(const pk__http_client *c)
{
    return c->out.pending && !c->stopped && c->send_errno == 0;
}

/* Sends as much as is taken; true: there is more when there is room again. *result FAILED: nothing at all was sent, or
 * the body could not be read. If the connection breaks in the middle there may be an answer all the same, which
 * explains it: that is no failure yet. */
static bool pk__http_client_push(pk__http_client *c, pk_io *result, pk_error *err)
{
    pk__http_exchange *x = c->x;
    pk__wire wire = {c->desc.transport, c->io, c->is_socket ? c->fd : -1};
    if (PK__SECURE_ON(c->secure)) {
        wire = pk__secure_wire(c->secure);
    }
    *result = PK_IO_FAILED;
    if (c->out.file_left > 0 && wire.socket >= 0 && pk__http_client_no_waiting(c, err)) {
        return false;
    }
    pk_io io = pk__http_out_push(&c->out, &wire, err);
    x->bytes_out = c->out.total;
    if (c->out.sent_any && x->sent == PK_SENT_NO) {
        x->sent = PK_SENT_MAYBE;
    }
    if (c->out.busy && !c->driven) {
        (void)pk_error_set(err, PK_ERR_BUSY, "cannot send a request: the body is not there yet");
        return false;
    }
    if (io == PK_IO_CLOSED) {
        if (x->sent == PK_SENT_NO) {
            x->is_stale = c->used;
            return false;
        }
        c->send_errno = err->sys_errno != 0 ? err->sys_errno : EPIPE;
    }
    *result = io == PK_IO_FAILED ? io : PK_IO_DONE;
    return io == PK_IO_WANT_WRITE;
}

/* ---- both together */

PK__FN pk_io pk__http_client_advance(pk__http_client *c, bool wait, pk_error *err)
{
    pk_io io = PK_IO_DONE;
    c->wants_read = false;
    c->wants_write = false;
    c->has_more = false;
    if (!c->is_open) {
        io = pk__http_client_open(c, err);
        c->wants_write = io == PK_IO_WANT_WRITE;
        c->wants_read = io == PK_IO_WANT_READ && c->retry_at == 0; // of a handshake
        if (io != PK_IO_DONE) {
            return io;
        }
    }
    bool more_room = pk__http_client_sends(c) ? pk__http_client_push(c, &io, err) : false;
    for (int turn = 0; io == PK_IO_DONE && c->rx != PK__HTTP_RX_DONE; turn++) {
        if (turn == PK__HTTP_CLIENT_TURNS) {
            c->has_more = true;
            break;
        }
        io = pk__http_client_pull(c, wait && !pk__http_client_sends(c), err);
    }
    if (io == PK_IO_FAILED || c->rx == PK__HTTP_RX_DONE) {
        return io;
    }
    c->wants_read = !c->paused;
    c->wants_write = more_room && pk__http_client_sends(c);
    if (PK__SECURE_ON(c->secure)) {
        c->wants_write |= c->secure->wants_write;
    }
    return PK_IO_WANT_READ;
}

PK__FN void pk__http_client_finish(pk__http_client *c)
{
    c->dead = c->dead || c->out.pending || !c->head.keep_alive || c->begin != c->end;
    c->used = true;
    c->x = NULL;
}

PK__FN void pk__http_client_fail(pk__http_client *c, pk_error *err)
{
    if (pk__atomic_load(&c->interrupted) != 0) {
        (void)pk_error_set(err, PK_ERR_CANCELED, "cannot finish the request: it was interrupted");
        c->x->is_stale = false;
    } else if (err->code == PK_OK) { // a transport of somebody else's that does not say why
        (void)pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot finish the request: the connection was closed");
    }
    err->sent = c->x->sent;
    c->dead = true;
    c->x = NULL;
}

/* == net/http_client_read.c == */
/* http_client_read.c - the answer: received once, used up at once, reported as it comes. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/http_client_read.c"
#endif






#ifndef PLUGKIT_NO_NET
/* Sees to it that a receive waits no longer than the exchange may. The timeout that is set is rarely the one we need,
 * and setting it costs a call to the system. But a shorter one does as well: the receive comes back early, and then the
 * exact rest is set. So it is a power of two, which the deadlines of the calls to come do not fall below either. */
static bool pk__http_client_set_timeout(pk__http_client *c, int64_t left, bool exact)
{
    int64_t ns = left;
    if (left <= 0) {
        return false;
    }
    if (!exact) {
        if (c->timeout_ns != 0 && c->timeout_ns <= left) {
            return true;
        }
        for (ns = PK__MS; ns <= left / 2;) {
            ns *= 2;
        }
        ns = PK__MIN(ns, left);
    }
    if (!pk__socket_set_timeout(c->fd, ns)) {
        c->timeout_ns = 0;
        return false;
    }
    c->timeout_ns = ns;
    return true;
}

/* Makes the socket one whose receive waits until the deadline. */
static bool pk__http_client_can_wait(pk__http_client *c)
{
    int64_t deadline = c->x->deadline;
    if (c->is_nonblocking && pk__fd_set_nonblock(c->fd, false, NULL)) {
        return false;
    }
    c->is_nonblocking = false;
    return deadline == PK_FOREVER || pk__http_client_set_timeout(c, deadline - pk__http_client_now(c->x), false);
}

static pk_io pk__http_client_recv_socket(pk__http_client *c, bool wait, size_t *got, pk_error *err)
{
    char *at = c->room->bytes + c->end;
    size_t cap = PK__HTTP_CLIENT_ROOM - c->end;
    int64_t deadline = c->x->deadline;
    if (wait && !pk__http_client_can_wait(c)) {
        wait = false;
        if (!pk__fd_wait(c->fd, true, false, deadline)) {
            return PK_IO_WANT_READ;
        }
    }
    c->x->now = 0;
    pk_io io = PK__SECURE_ON(c->secure) ? c->secure->table->recv(c->secure, at, cap, wait, got, err)
                                        : pk__socket_recv(c->fd, at, cap, wait, got, err);
    if (io == PK_IO_WANT_READ && wait && deadline != PK_FOREVER) {
        (void)pk__http_client_set_timeout(c, deadline - pk__clock_ns(), true);
    }
    return io;
}
#else // there are none
static pk_io pk__http_client_recv_socket(pk__http_client *c, bool wait, size_t *got, pk_error *err)
{
    (void)c, (void)wait, (void)got, (void)err;
    return PK_IO_CLOSED;
}
#endif

/* From a transport of the user's. */
static pk_io pk__http_client_recv_other(pk__http_client *c, size_t *got, pk_error *err)
{
    char *at = c->room->bytes + c->end;
    size_t cap = PK__HTTP_CLIENT_ROOM - c->end;
    return PK__SECURE_ON(c->secure) ? c->secure->table->recv(c->secure, at, cap, false, got, err)
                                    : c->desc.transport->recv(c->io, at, cap, got, err);
}

static pk_io pk__http_client_bad(pk_error *err, const char *why)
{
    (void)pk_error_set(err, PK_ERR_HTTP, "cannot read the answer: %s", why);
    return PK_IO_FAILED;
}

static pk_io pk__http_client_too_long(pk__http_client *c, pk_error *err)
{
    (void)pk_error_set(err, PK_ERR_LIMIT, "cannot read the answer: its body is larger than %llu bytes",
                       (unsigned long long)c->x->max_body);
    return PK_IO_FAILED;
}

/* Runs a callback. False: it failed, or it ended or destroyed what we are working on. */
static bool pk__http_client_tell_head(pk__http_client *c, const pk__http_answer *answer, pk_error *err)
{
    pk__http_exchange *x = c->x;
    c->depth++;
    pk_err rc = x->on_head ? x->on_head(x->user, answer, err) : PK_OK;
    c->depth--;
    return rc == PK_OK && c->x == x;
}

static bool pk__http_client_tell_chunk(pk__http_client *c, pk_str bytes, pk_error *err)
{
    pk__http_exchange *x = c->x;
    x->bytes_in += bytes.len;
    if (!x->on_chunk || bytes.len == 0) {
        return true;
    }
    c->depth++;
    pk_err rc = x->on_chunk(x->user, bytes, err);
    c->depth--;
    return rc == PK_OK && c->x == x;
}

static pk_io pk__http_client_take_head(pk__http_client *c, pk_error *err)
{
    pk__http_exchange *x = c->x;
    pk__http_head *h = &c->head;
    switch (pk__http_head_parse(h, c->room->bytes + c->begin, c->end - c->begin)) {
    case PK__HTTP_MORE: return PK_IO_WANT_READ;
    case PK__HTTP_ERROR: return pk__http_client_bad(err, h->error);
    default: break;
    }
    c->begin += h->size;
    if (h->status < 200) {
        if (h->status == 101) {
            return pk__http_client_bad(err, "it switches protocols, which nobody asked for");
        }
        pk__http_limits limits = h->limit;
        pk__http_head_init(h, PK__HTTP_RESPONSE, c->room->fields, &limits);
        return PK_IO_DONE; // an interim answer; the real one follows
    }
    x->sent = PK_SENT_ANSWERED;
    pk__http_head_response(h, pk_str_is(x->method, "HEAD"));
    c->stopped = h->status >= 300 && c->out.pending; // it does not want the rest
    if (h->framing == PK__HTTP_LENGTH && x->max_body > 0 && h->length > x->max_body) {
        return pk__http_client_too_long(c, err);
    }
    pk__http_answer answer;
    answer.status = h->status;
    answer.fields = h->fields;
    answer.field_count = h->field_count;
    answer.length = h->framing == PK__HTTP_LENGTH ? (int64_t)h->length : h->framing == PK__HTTP_NO_BODY ? 0 : -1;
    c->left = h->length;
    c->rx = h->framing == PK__HTTP_NO_BODY ? PK__HTTP_RX_DONE : PK__HTTP_RX_BODY;
    pk__http_chunk_init(&c->chunk);
    return pk__http_client_tell_head(c, &answer, err) ? PK_IO_DONE : PK_IO_FAILED;
}

/* One run of the body's bytes, out of what has come. */
static pk_io pk__http_client_take_body(pk__http_client *c, pk_error *err)
{
    pk__http_exchange *x = c->x;
    pk_str in = {c->room->bytes + c->begin, c->end - c->begin}, data = {NULL, 0};
    bool is_last = false;
    switch (c->head.framing) {
    case PK__HTTP_CHUNKED: {
        pk__chunk_result r = pk__http_chunk_next(&c->chunk, &in, &data);
        if (r == PK__CHUNK_ERROR) {
            return pk__http_client_bad(err, c->chunk.error);
        }
        c->begin = c->end - in.len;
        is_last = r == PK__CHUNK_DONE;
        if (r == PK__CHUNK_MORE) {
            return PK_IO_WANT_READ;
        }
        break;
    }
    case PK__HTTP_LENGTH:
        data = in;
        data.len = (size_t)PK__MIN(c->left, (uint64_t)in.len);
        c->left -= data.len;
        c->begin += data.len;
        is_last = c->left == 0;
        break;
    default:
        data = in;
        c->begin = c->end;
        break;
    }
    if (x->max_body > 0 && data.len > x->max_body - x->bytes_in) {
        return pk__http_client_too_long(c, err);
    }
    if (!pk__http_client_tell_chunk(c, data, err)) {
        return PK_IO_FAILED;
    }
    if (is_last) {
        c->rx = PK__HTTP_RX_DONE;
    }
    return PK_IO_DONE;
}

/* Uses up what has come. WANT_READ: more is needed, or nobody wants more now. */
static pk_io pk__http_client_take(pk__http_client *c, pk_error *err)
{
    pk_io io = PK_IO_DONE;
    while (io == PK_IO_DONE && c->rx != PK__HTTP_RX_DONE) {
        if (c->paused || c->begin == c->end) {
            io = PK_IO_WANT_READ;
        } else {
            io = c->rx == PK__HTTP_RX_HEAD ? pk__http_client_take_head(c, err) : pk__http_client_take_body(c, err);
        }
    }
    if (io == PK_IO_WANT_READ && c->begin > 0 && !c->paused) {
        memmove(c->room->bytes, c->room->bytes + c->begin, c->end - c->begin); // part of a line, at most
        c->end -= c->begin;
        c->begin = 0;
    }
    return io;
}

/* The server has closed the connection, or it broke. */
static pk_io pk__http_client_take_end(pk__http_client *c, pk_io io, pk_error *err)
{
    if (io == PK_IO_CLOSED && c->rx == PK__HTTP_RX_BODY && c->head.framing == PK__HTTP_UNTIL_CLOSE) {
        c->rx = PK__HTTP_RX_DONE;
        return PK_IO_DONE;
    }
    c->x->is_stale = c->used && !c->got_any;
    if (io == PK_IO_CLOSED) {
        const char *what = c->got_any ? "was cut off" : "did not come";
        if (c->send_errno != 0) {
            (void)pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, c->send_errno,
                               "cannot read the answer: it %s, and the request was not taken to its end", what);
        } else {
            (void)pk_error_set(err, PK_ERR_PLUGIN_CONNECTION,
                               "cannot read the answer: it %s: the connection was closed", what);
        }
    }
    return PK_IO_FAILED;
}

PK__FN pk_io pk__http_client_pull(pk__http_client *c, bool wait, pk_error *err)
{
    size_t got = 0;
    pk_io io = pk__http_client_take(c, err); // what a pause left
    if (io != PK_IO_WANT_READ || c->paused) {
        return io;
    }
    size_t room = PK__HTTP_CLIENT_ROOM - c->end;
    io = c->is_socket ? pk__http_client_recv_socket(c, wait, &got, err) : pk__http_client_recv_other(c, &got, err);
    if (io == PK_IO_CLOSED || io == PK_IO_FAILED) {
        return pk__http_client_take_end(c, io, err);
    }
    if (io != PK_IO_DONE) {
        return PK_IO_WANT_READ;
    }
    c->end += got;
    c->got_any = true;
    io = pk__http_client_take(c, err);
    /* A socket that gave less than we had room for is empty: asking again would cost a call to hear just that. */
    return io == PK_IO_WANT_READ && !wait && (got == room || !c->is_socket) ? PK_IO_DONE : io;
}

/* == net/http_client_run.c == */
/* http_client_run.c - the two drivers of an exchange: a thread that waits, and a loop. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/http_client_run.c"
#endif






/* The time by which the next thing has to happen. */
static int64_t pk__http_client_until(const pk__http_client *c)
{
    return c->is_open ? c->x->deadline : PK__MIN(c->connect_by, c->x->deadline);
}

static void pk__http_client_late(const pk__http_client *c, pk_error *err)
{
    (void)pk_error_set(err, PK_ERR_PLUGIN_TIMEOUT, "cannot finish the request: %s",
                       c->is_open ? "the deadline passed" : "no connection until the deadline");
}

/* ---- waiting on the caller's thread */

#ifndef PK__NO_POLL
/* An interrupt wakes whoever waits for a socket, by shutting it down. Other descriptors have no such thing: there we
 * look at the flag now and then. */
static void pk__http_client_wait(pk__http_client *c, int64_t until)
{
    int64_t soon = pk__clock_after_ms(pk__clock_ns(), 50);
    if (c->retry_at != 0) {
        until = PK__MIN(until, c->retry_at);
        (void)pk__fd_wait(-1, false, false, until);
    } else {
        (void)pk__fd_wait(c->fd, c->wants_read, c->wants_write, c->is_socket ? until : PK__MIN(until, soon));
    }
}

static pk_err pk__http_client_block(pk__http_client *c, pk_error *err)
{
    for (;;) {
        if (pk__atomic_load(&c->interrupted) != 0) {
            pk__http_client_fail(c, err);
            return err->code;
        }
        pk_io io = pk__http_client_advance(c, c->is_socket, err);
        if (!c->x) {
            return pk_error_set(err, PK_ERR_CANCELED, "cannot finish the request: it was cancelled");
        }
        if (io == PK_IO_DONE) {
            pk__http_client_finish(c);
            return PK_OK;
        }
        if (io == PK_IO_FAILED) {
            pk__http_client_fail(c, err);
            return err->code;
        }
        int64_t until = pk__http_client_until(c);
        if (until != PK_FOREVER && pk__clock_ns() >= until) {
            pk__http_client_late(c, err);
            pk__http_client_fail(c, err);
            return err->code;
        }
        /* On a socket whose request is out the receive has waited already. */
        if (!c->has_more && (!c->is_open || c->wants_write || !c->is_socket)) {
            pk__http_client_wait(c, until);
        }
    }
}
#else // nothing to wait for: what is not there at once comes through a loop
static pk_err pk__http_client_block(pk__http_client *c, pk_error *err)
{
    (void)pk__http_client_needs_loop(c, err);
    pk__http_client_fail(c, err);
    return err->code;
}
#endif

PK__FN pk_err pk__http_client_run(pk__http_client *c, pk__http_exchange *x, pk_error *err)
{
    pk_error why;
    pk__error_none(&why);
    c->driven = false;
    if (c->opened && c->fd < 0) {
        return pk__http_client_needs_loop(c, err);
    }
    pk_err rc = pk__http_client_begin(c, x, &why);
    if (rc == PK_OK) {
        rc = pk__http_client_block(c, &why);
    }
    return rc == PK_OK ? PK_OK : pk__error_copy(err, &why);
}

/* ---- driven by a loop */

PK__FN void pk__http_client_undrive(pk__http_client *c)
{
    if (!c->loop) {
        return;
    }
    if (c->watching) {
        pk_watch_remove(c->loop, &c->watch);
        c->watching = false;
    }
    pk_timer_stop(c->loop, &c->timer);
    pk_loop_unpost(c->loop, &c->task);
    c->loop = NULL; // another thread may use the connection next, or destroy it
}

/* The last thing that is done for an exchange: on_end may destroy the client. why NULL = all went well. */
static void pk__http_client_end(pk__http_client *c, pk_error *why)
{
    pk__http_exchange *x = c->x;
    pk__http_client_undrive(c);
    if (why) {
        pk__http_client_fail(c, why);
    } else {
        pk__http_client_finish(c);
    }
    x->on_end(x->user, why);
}

static pk_err pk__http_client_rearm(pk__http_client *c, pk_error *err)
{
    int64_t until = pk__http_client_until(c);
    bool watches = c->fd >= 0 && (c->wants_read || c->wants_write);
    if (c->retry_at != 0) {
        until = PK__MIN(until, c->retry_at);
    }
    pk_err rc = PK_OK;
    if (until != PK_FOREVER) {
        rc = pk__timer_start_at(c->loop, &c->timer, until, err);
    }
    if (rc == PK_OK && watches) {
        c->watch.fd = c->fd;
        rc = c->watching ? pk_watch_set(c->loop, &c->watch, c->wants_read, c->wants_write, err)
                         : pk_watch_add(c->loop, &c->watch, c->wants_read, c->wants_write, err);
        c->watching = rc == PK_OK;
    } else if (c->watching) { // a watch that wants nothing is still told of a hang-up, again and again
        pk_watch_remove(c->loop, &c->watch);
        c->watching = false;
    }
    if (c->has_more && c->fd < 0) {
        pk_loop_post(c->loop, &c->task);
    }
    return rc;
}

static void pk__http_client_turn(pk__http_client *c)
{
    pk__http_exchange *x = c->x;
    pk_error why;
    if (!x) {
        return;
    }
    pk__error_none(&why);
    c->depth++;
    pk_io io = pk__http_client_advance(c, false, &why);
    c->depth--;
    if (c->doomed) {
        pk__http_client_destroy(c);
    } else if (c->x != x) {
        return; // cancelled in a callback
    } else if (io == PK_IO_DONE) {
        pk__http_client_end(c, NULL);
    } else if (io == PK_IO_FAILED || pk__http_client_rearm(c, &why)) {
        pk__http_client_end(c, &why);
    }
}

static void pk__http_client_on_ready(void *user, bool can_read, bool can_write)
{
    (void)can_read, (void)can_write;
    pk__http_client_turn((pk__http_client *)user);
}

static void pk__http_client_on_task(void *user)
{
    pk__http_client_turn((pk__http_client *)user);
}

static void pk__http_client_on_time(void *user)
{
    pk__http_client *c = (pk__http_client *)user;
    if (pk__clock_ns() < pk__http_client_until(c)) {
        pk__http_client_turn(c); // a retry, or the connection came in time
        return;
    }
    pk_error why;
    pk__error_none(&why);
    pk__http_client_late(c, &why);
    pk__http_client_end(c, &why);
}

/* Any thread, interrupt handlers. Only transports without a descriptor call it. */
static void pk__http_client_on_conn(pk_conn *conn)
{
    pk__http_client *c = PK__OF(conn, pk__http_client, conn);
    pk_loop_post((pk_loop *)pk__atomic_load_ptr(&c->wakes), &c->task);
}

PK__FN pk_err pk__http_client_start(pk__http_client *c, pk_loop *loop, pk__http_exchange *x, pk_error *err)
{
    pk_err rc = pk__http_client_begin(c, x, err);
    if (rc) {
        return rc;
    }
    c->driven = true;
    c->loop = loop;
    pk__atomic_store_ptr(&c->wakes, loop);
    c->conn.on_ready = pk__http_client_on_conn;
    c->watch.on_ready = pk__http_client_on_ready;
    c->watch.user = c;
    c->timer.on_time = pk__http_client_on_time;
    c->timer.user = c;
    c->task.run = pk__http_client_on_task;
    c->task.user = c;
    pk_loop_post(loop, &c->task);
    return PK_OK;
}

PK__FN void pk__http_client_resume(pk__http_client *c)
{
    if (c->x && c->out.busy) {
        c->out.busy = false;
        pk_loop_post(c->loop, &c->task);
    }
}

PK__FN void pk__http_client_pause(pk__http_client *c, bool paused)
{
    if (c->x && c->paused != paused) {
        c->paused = paused;
        pk_loop_post(c->loop, &c->task); // reads on, or stops watching
    }
}

PK__FN void pk__http_client_cancel(pk__http_client *c)
{
    if (c->x) {
        pk__http_client_undrive(c);
        c->x = NULL;
        c->dead = true;
    }
}

/* == net/http_pool.c == */
/* http_pool.c - idle and running connections to one server. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/http_pool.c"
#endif








enum {
    PK__HTTP_POOL_IDLE = 8,
    PK__HTTP_POOL_IDLE_MS = 60 * 1000,
    PK__HTTP_POOL_CONNECT_MS = 5 * 1000,
    PK__HTTP_POOL_LINES = 8 * 1024,
    PK__HTTP_POOL_TRUST_MS = 1000 // idle for less: used without a look
};

static pk_err pk__http_pool_secure(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    if (!desc->tls) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use address '%.128s': no pk_tls says whom to believe there",
                            desc->address);
    }
    pool->client.tls = desc->tls;
    pool->tls_name = pk__strdup(pool->alloc, desc->tls_name ? desc->tls_name : "");
    pool->tls_host = pk__strdup(pool->alloc, pool->address.kind == PK__ADDRESS_TCP ? pool->address.host : "");
    if (!pool->tls_name || !pool->tls_host) {
        return pk__error_memory(err, "open a connection pool");
    }
    pool->client.tls_name = pk_str_from(pool->tls_name);
    pool->client.tls_host = pk_str_from(pool->tls_host);
    return pk__secure_table_of(desc->tls)->check(desc->tls, false, err);
}

static pk_err pk__http_pool_resolve(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    pk_err rc = pk__address_parse(&pool->address, pk_str_from(desc->address), err);
    if (rc) {
        return rc;
    }
    pk__address_loopback(&pool->address);
    if (PK__SECURE_BUILT && pool->address.is_secure && (rc = pk__http_pool_secure(pool, desc, err)) != PK_OK) {
        return rc;
    }
    pool->client.transport = pk__transport_find(desc->transports, desc->transport_count, &pool->address);
    if (!pool->client.transport) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot use address '%.128s': no transport for it is here",
                            desc->address);
    }
    return PK_OK;
}

/* What is opened: the number that the name has today. */
static pk_err pk__http_pool_aim(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    if (desc->via && pool->address.kind == PK__ADDRESS_TCP) {
        (void)snprintf(pool->address.host, sizeof(pool->address.host), "%s", desc->via);
    }
    if (pool->address.kind == PK__ADDRESS_OTHER) {
        pool->text = pk__strdup(pool->alloc, desc->address);
    } else {
        char text[PK__ADDRESS_TEXT_MAX];
        (void)pk__address_format(&pool->address, text, sizeof(text));
        pool->text = pk__strdup(pool->alloc, text);
    }
    return pool->text ? PK_OK : pk__error_memory(err, "open a connection pool");
}

static pk_err pk__http_pool_write_lines(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    char host[PK__ADDRESS_TEXT_MAX];
    (void)pk__address_host(&pool->address, host, sizeof(host));
    pk_buf_init(&pool->lines, pool->alloc, PK__HTTP_POOL_LINES);
    pk__http_write_field(&pool->lines, PK_STR("Host"), pk_str_from(host));
    for (size_t i = 0; i < desc->own_count; i++) {
        if (!pk__http_head_is_value(desc->own[i].value)) {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot send header '%" PK_FMT "': the value holds control "
                                "characters", PK_ARG(desc->own[i].name));
        }
    }
    pk__http_write_fields(&pool->lines, desc->own, desc->own_count);
    if (pool->lines.failed == PK_ERR_LIMIT) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot open a connection pool: a token or a name is too long");
    }
    return pool->lines.failed ? pk__error_memory(err, "open a connection pool") : PK_OK;
}

static void pk__http_pool_free(pk__http_pool *pool)
{
    if (PK__SECURE_BUILT) {
        pk__strfree(pool->alloc, pool->tls_name);
        pk__strfree(pool->alloc, pool->tls_host);
    }
    pk__strfree(pool->alloc, pool->text);
    pk_buf_free(&pool->lines);
    pool->text = NULL;
}

PK__FN pk_err pk__http_pool_init(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    memset(pool, 0, sizeof(*pool));
    pk__list_init(&pool->idle);
    pk__list_init(&pool->taken);
    pool->alloc = desc->alloc;
    pool->max_idle = desc->max_idle > 0 ? desc->max_idle : PK__HTTP_POOL_IDLE;
    pool->idle_ns = PK__MS * (int64_t)(desc->idle_ms > 0 ? desc->idle_ms : PK__HTTP_POOL_IDLE_MS);
    pk_err rc = pk__http_pool_resolve(pool, desc, err);
    rc = rc ? rc : pk__http_pool_write_lines(pool, desc, err);
    rc = rc ? rc : pk__http_pool_aim(pool, desc, err);
    if (rc) {
        pk__http_pool_free(pool);
        return rc;
    }
    pool->client.alloc = desc->alloc;
    pool->client.address = &pool->address;
    pool->client.text = pk_str_from(pool->text);
    pool->client.lines = pk_buf_str(&pool->lines);
    pool->client.connect_ms = desc->connect_ms > 0 ? desc->connect_ms : PK__HTTP_POOL_CONNECT_MS;
    pool->client.any_uid = desc->any_uid;
    pk__mutex_init(&pool->lock);
    return PK_OK;
}

static pk__http_client *pk__http_pool_client(pk__node *node)
{
    return PK__OF(node, pk__http_client, node);
}

/* Idle connections that are given up, out of the lock. */
static void pk__http_pool_close(pk__node *list)
{
    for (pk__node *n; (n = pk__list_pop(list)) != NULL;) {
        pk__http_client_destroy(pk__http_pool_client(n));
    }
}

PK__FN void pk__http_pool_deinit(pk__http_pool *pool)
{
    if (!pool->text) {
        return;
    }
    PK__ASSERT(pk__list_is_empty(&pool->taken));
    pk__http_pool_close(&pool->idle);
    pk__mutex_deinit(&pool->lock);
    pk__http_pool_free(pool);
}

static void pk__http_pool_drop(pk__http_pool *pool, pk__node *node, pk__node *dropped)
{
    pk__list_remove(node);
    pk__list_push(dropped, node);
    pool->idle_count--;
}

/* With the lock: the oldest are first. */
static void pk__http_pool_drop_old(pk__http_pool *pool, int64_t now, pk__node *dropped)
{
    while (!pk__list_is_empty(&pool->idle) &&
           now - pk__http_pool_client(pool->idle.next)->taken_at > pool->idle_ns) {
        pk__http_pool_drop(pool, pool->idle.next, dropped);
    }
}

/* The warmest idle one, moved to `taken`; NULL if there is none. */
static pk__http_client *pk__http_pool_warmest(pk__http_pool *pool)
{
    if (pk__list_is_empty(&pool->idle)) {
        return NULL;
    }
    pk__node *node = pool->idle.prev;
    pk__list_remove(node);
    pk__list_push(&pool->taken, node);
    pool->idle_count--;
    return pk__http_pool_client(node);
}

PK__FN pk_err pk__http_pool_take(pk__http_pool *pool, int64_t now, pk__http_client **out, pk_error *err)
{
    pk__node dropped;
    pk__list_init(&dropped);
    for (;;) {
        pk__mutex_lock(&pool->lock);
        bool closed = pool->closed;
        pk__http_pool_drop_old(pool, now, &dropped);
        pk__http_client *c = closed ? NULL : pk__http_pool_warmest(pool);
        pk__mutex_unlock(&pool->lock);
        pk__http_pool_close(&dropped);
        *out = c;
        if (closed) {
            return pk_error_set(err, PK_ERR_STOPPED, "cannot open a connection: the plugin is being stopped");
        }
        if (!c) {
            break;
        }
        bool is_warm = now - c->taken_at < PK__HTTP_POOL_TRUST_MS * PK__MS;
        if (is_warm || pk__http_client_is_alive(c)) {
            c->taken_at = now;
            return PK_OK;
        }
        c->dead = true;
        pk__http_pool_give(pool, c);
    }
    pk_err rc = pk__http_client_create(out, &pool->client, err);
    if (rc == PK_OK) {
        (*out)->taken_at = now;
        pk__mutex_lock(&pool->lock);
        pk__list_push(&pool->taken, &(*out)->node);
        if (pool->closed) {
            pk__atomic_store(&(*out)->interrupted, 1);
        }
        pk__mutex_unlock(&pool->lock);
    }
    return rc;
}

PK__FN void pk__http_pool_give(pk__http_pool *pool, pk__http_client *c)
{
    pk__http_client *colder = NULL;
    bool keep = pk__http_client_is_reusable(c);
    pk__mutex_lock(&pool->lock);
    pk__list_remove(&c->node);
    keep = keep && !pool->closed && pool->idle_count < pool->max_idle;
    if (keep) {
        colder = pk__list_is_empty(&pool->idle) ? NULL : pk__http_pool_client(pool->idle.prev);
        if (colder) {
            pk__http_client_shrink(colder); // frees memory, nothing more
        }
        pk__list_push(&pool->idle, &c->node);
        pool->idle_count++;
    }
    pk__mutex_unlock(&pool->lock);
    if (!keep) {
        pk__http_client_destroy(c);
    }
}

PK__FN void pk__http_pool_prune(pk__http_pool *pool)
{
    pk__node dropped;
    pk__list_init(&dropped);
    int64_t now = pk__clock_ns();
    pk__mutex_lock(&pool->lock);
    pk__http_pool_drop_old(pool, now, &dropped);
    pk__mutex_unlock(&pool->lock);
    pk__http_pool_close(&dropped);
}

PK__FN void pk__http_pool_interrupt(pk__http_pool *pool)
{
    pk__mutex_lock(&pool->lock);
    pool->closed = true;
    for (pk__node *n = pool->taken.next; n != &pool->taken; n = n->next) {
        pk__http_client_interrupt(pk__http_pool_client(n));
    }
    pk__mutex_unlock(&pool->lock);
}

/* == net/http_server.c == */
/* http_server.c - listener, links, jobs and deadlines; how a link goes from state to state. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/http_server.c"
#endif

#ifndef PLUGKIT_NO_NET




#include <string.h>

enum {
    PK__HTTP_SERVER_ACCEPTS = 16,  // connections taken before others have their turn
    PK__HTTP_SERVER_SHARE = 16,    // receives and requests of one connection, likewise
    PK__HTTP_SERVER_PART = 512,    // bytes of a head that are kept without a job
    PK__HTTP_SERVER_REST_MS = 50,  // from accepting, when descriptors have run out
    PK__HTTP_SERVER_SLACK = 8 * 1024 // room behind the largest head, for bodies and what follows
};

/* ---- jobs */

static void pk__http_job_free(pk__http_job *job)
{
    const pk_alloc *alloc = job->server->desc.alloc;
    const pk__http_server_desc *d = &job->server->desc;
    pk_mem_free(&job->mem);
    pk__http_out_deinit(&job->out);
    pk_buf_free(&job->collected);
    pk__free(alloc, job->extra, d->extra);
    pk__free(alloc, job->fields, d->fields * sizeof(*job->fields));
    pk__free(alloc, job->buf, job->cap);
    pk__free(alloc, job, sizeof(*job));
}

static pk__http_job *pk__http_job_new(pk__http_server *s)
{
    const pk__http_server_desc *d = &s->desc;
    pk__http_job *job = (pk__http_job *)pk__new(d->alloc, sizeof(*job));
    if (!job) {
        return NULL;
    }
    job->server = s;
    job->cap = d->head_bytes + PK__HTTP_SERVER_SLACK;
    job->buf = (char *)pk__resize(d->alloc, NULL, 0, job->cap);
    job->fields = (pk_meta *)pk__resize(d->alloc, NULL, 0, d->fields * sizeof(*job->fields));
    job->extra = pk__resize(d->alloc, NULL, 0, d->extra);
    job->mem.alloc = d->alloc;
    pk_buf_init(&job->collected, d->alloc, d->body_bytes);
    pk__http_out_init(&job->out, d->alloc);
    if (!job->buf || !job->fields || !job->extra) {
        pk__http_job_free(job);
        return NULL;
    }
    pk__http_job_reset(job);
    return job;
}

PK__FN bool pk__http_job_take(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__node *node = pk__list_pop(&s->spare);
    l->job = node ? PK__OF(node, pk__http_job, node) : pk__http_job_new(s);
    if (!l->job) {
        return false;
    }
    s->spare_count -= node != NULL;
    l->job->link = l;
    if (l->part) {
        memcpy(l->job->buf, l->part, l->part_len);
        l->job->end = l->part_len;
        l->job->is_fresh = false;
        pk__free(s->desc.alloc, l->part, l->part_len);
        l->part = NULL;
    }
    return true;
}

PK__FN void pk__http_job_reset(pk__http_job *job)
{
    const pk__http_server_desc *d = &job->server->desc;
    pk__http_limits limits = {d->head_bytes, PK__MIN(d->head_bytes, (size_t)8192), d->fields};
    if (job->at > 0 && job->end > job->at) {
        memmove(job->buf, job->buf + job->at, job->end - job->at);
    }
    job->end -= job->at;
    job->at = 0;
    pk__http_head_init(&job->head, PK__HTTP_REQUEST, job->fields, &limits);
    pk__http_out_reset(&job->out);
    pk_buf_free(&job->collected);
    pk_mem_reset(&job->mem);
    memset(&job->answer, 0, sizeof(job->answer));
    job->body.len = 0;
    job->deadline = PK_FOREVER;
    job->state_out = PK_IO_DONE;
    job->told = false;
    job->detached = false;
    job->body_done = false;
    job->answered = false;
    job->keep = false;
    job->wants_continue = false;
    job->is_fresh = job->end == 0;
}

/* The answer is written, or never will be. */
static void pk__http_job_done(pk__http_job *job)
{
    if (job->told) {
        job->told = false;
        job->server->desc.on_done(job->server->desc.user, job);
    }
}

static void pk__http_link_give_job(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_job *job = l->job;
    if (!job) {
        return;
    }
    l->job = NULL;
    if (job->detached) { // answered, and on its way home
        pk_loop_unpost(s->desc.loop, &job->task);
        job->detached = false;
    }
    pk__http_job_done(job);
    if (s->spare_count < s->desc.spare) {
        if (!job->is_fresh) {
            job->at = job->end;
            pk__http_job_reset(job);
        }
        pk__list_push(&s->spare, &job->node);
        s->spare_count++;
    } else {
        pk__http_job_free(job);
    }
}

/* ---- peers */

/* Counts one more connection of the other end's owner. False: he has as many as he may have, or there is no memory. */
static bool pk__http_peer_enter(pk__http_server *s, int fd, pk__http_peer **out)
{
    uint64_t id = 0;
    *out = NULL;
    if (s->desc.per_peer == 0 || !pk__socket_peer(fd, &id)) {
        return s->desc.per_peer == 0;
    }
    pk__node *list = &s->peers[id * 0x9e3779b97f4a7c15u >> 58], *n = list->next;
    while (n != list && PK__OF(n, pk__http_peer, node)->id != id) {
        n = n->next;
    }
    pk__http_peer *p = n != list ? PK__OF(n, pk__http_peer, node) : (pk__http_peer *)pk__new(s->desc.alloc, sizeof(*p));
    if (!p || p->count >= s->desc.per_peer) {
        return false;
    }
    if (p->count++ == 0) {
        p->id = id;
        pk__list_push(list, &p->node);
    }
    *out = p;
    return true;
}

static void pk__http_peer_leave(pk__http_server *s, pk__http_peer *p)
{
    if (p && --p->count == 0) {
        pk__list_remove(&p->node);
        pk__free(s->desc.alloc, p, sizeof(*p));
    }
}

/* ---- links */

static void pk__http_link_due_at(pk__http_link *l, int64_t deadline)
{
    l->deadline = deadline;
    /* A timer that is too early finds out when it comes; one that is too late is of no use. */
    if (deadline != PK_FOREVER && (!pk__timer_is_running(&l->timer) || l->timer.pk__at > deadline)) {
        (void)pk__timer_start_at(l->server->desc.loop, &l->timer, deadline, NULL); // without memory it waits on
    }
}

PK__FN void pk__http_link_due(pk__http_link *l, uint32_t ms)
{
    pk__http_link_due_at(l, ms > 0 ? pk__clock_after_ms(pk__clock_ns(), ms) : PK_FOREVER);
}

static void pk__http_link_close(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_link_give_job(l);
    if (l->watching) {
        pk_watch_remove(s->desc.loop, &l->watch);
    }
    pk_timer_stop(s->desc.loop, &l->timer);
    pk__list_remove(&l->node);
    pk__list_remove(&l->idle);
    if (PK__SECURE_ON(l->secure)) {
        pk__secure_close(l->secure);
    }
    pk__fd_close(l->watch.fd);
    pk__http_peer_leave(s, l->peer);
    pk__free(s->desc.alloc, l->part, l->part_len);
    pk__free(s->desc.alloc, l, sizeof(*l));
    s->link_count--;
    pk__http_server_listen(s);
}

static bool pk__http_link_watch(pk__http_link *l, bool read, bool write)
{
    pk_loop *loop = l->server->desc.loop;
    uint8_t want = (uint8_t)((read ? PK__LOOP_READ : 0) | (write ? PK__LOOP_WRITE : 0));
    if (l->watching && l->want == want) {
        return true;
    }
    l->want = want;
    l->watching = (l->watching ? pk_watch_set(loop, &l->watch, read, write, NULL)
                               : pk_watch_add(loop, &l->watch, read, write, NULL)) == PK_OK;
    return l->watching;
}

PK__FN void pk__http_link_next(pk__http_link *l)
{
    l->state = PK__HTTP_LINK_IDLE;
    pk__http_job_reset(l->job);
    pk__http_link_due_at(l, pk__clock_after_ms(pk__clock_coarse_ns(), l->server->desc.idle_ms));
}

/* What the answer leaves: the next request, a rest to be read away, or the end. */
static pk__http_step pk__http_link_written(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_job *job = l->job;
    pk__http_job_done(job);
    if (!job->keep) {
        bool is_quiet = job->body_done && job->at == job->end && !PK__SECURE_ON(l->secure); // that has an end to tell
        pk__http_link_give_job(l);
        l->thrown = 0;
        l->state = PK__HTTP_LINK_LINGER;
        return is_quiet ? PK__HTTP_STEP_CLOSE : PK__HTTP_STEP_ON;
    }
    if (!job->body_done) {
        l->thrown = 0;
        l->state = PK__HTTP_LINK_DRAIN;
        pk__http_link_due(l, s->desc.body_ms);
        return PK__HTTP_STEP_ON;
    }
    pk__http_link_next(l);
    return PK__HTTP_STEP_ON;
}

/* A connection without a request is to be closed. If a request came just then, its sender could not know whether it was
 * read. So first nothing more is let in, which makes sending fail at once (on Unix sockets; TCP has no such thing), and
 * then comes the last look: what got in before is answered. */
static pk__http_step pk__http_link_dismiss(pk__http_link *l)
{
    if (l->leaving) {
        return PK__HTTP_STEP_CLOSE;
    }
    l->leaving = true;
    l->can_read = true;
    if (l->server->is_unix) {
        (void)PK__SYS(shutdown)(l->watch.fd, SHUT_RD);
    }
    return PK__HTTP_STEP_ON;
}

/* Nothing more has come: back to being small. Whoever sends his head byte by byte costs no more than who sends none. */
static pk__http_step pk__http_link_rest(pk__http_link *l)
{
    pk__http_server *s = l->server;
    bool is_draining = pk__atomic_load(&s->draining);
    size_t len = l->job->end;
    if (len > 0 && len <= PK__HTTP_SERVER_PART && (l->part = (char *)pk__resize(s->desc.alloc, NULL, 0, len)) != NULL) {
        memcpy(l->part, l->job->buf, len);
        l->part_len = (uint16_t)len;
    }
    if (len == 0 || l->part) {
        pk__http_link_give_job(l);
    }
    if (l->state == PK__HTTP_LINK_IDLE) {
        if (is_draining || l->leaving) {
            return pk__http_link_dismiss(l);
        }
    }
    if (!is_draining) {
        pk__list_push(&s->idle, &l->idle);
    }
    return PK__HTTP_STEP_READ;
}

#if PK__SECURE_BUILT
/* With an alert on its way, or a few words in plain HTTP, so not at once. */
static pk__http_step pk__http_link_shaken_off(pk__http_link *l)
{
    bool is_plain = l->secure->is_plain;
    l->secure->table->close(l->secure);
    l->secure = NULL;
    if (is_plain && pk__http_job_take(l)) {
        return pk__http_link_refuse(l, 400, "this port speaks TLS: ask it by https");
    }
    l->thrown = 0;
    l->state = PK__HTTP_LINK_LINGER;
    return PK__HTTP_STEP_ON;
}

static pk__http_step pk__http_link_shake(pk__http_link *l)
{
    pk__http_server *s = l->server;
    if (!l->secure) {
        pk__secure_desc d;
        memset(&d, 0, sizeof(d));
        d.is_server = true;
        d.below.socket = l->watch.fd;
        d.below.transport = pk__transport_accepted(&d.below.io, l->watch.fd);
        if (pk__secure_table_of(s->desc.tls)->open(s->desc.tls, &d, &l->secure, NULL)) {
            return PK__HTTP_STEP_CLOSE;
        }
    }
    pk__list_remove(&l->idle);
    switch (l->secure->table->shake(l->secure, NULL)) {
    case PK_IO_DONE: break;
    case PK_IO_WANT_READ:
        if (pk__atomic_load(&s->draining)) {
            return PK__HTTP_STEP_CLOSE;
        }
        pk__list_push(&s->idle, &l->idle); // a handshake that does not go on makes room, too
        return PK__HTTP_STEP_READ;
    case PK_IO_WANT_WRITE: return PK__HTTP_STEP_WRITE;
    default: return pk__http_link_shaken_off(l);
    }
    l->can_read = true; // a request may have come with the last of the handshake
    l->state = PK__HTTP_LINK_IDLE;
    return PK__HTTP_STEP_ON;
}
#else
static pk__http_step pk__http_link_shake(pk__http_link *l)
{
    (void)l;
    return PK__HTTP_STEP_CLOSE;
}
#endif

static pk__http_step pk__http_link_step(pk__http_link *l)
{
    pk__http_step step;
    if (PK__SECURE_BUILT && l->state == PK__HTTP_LINK_SHAKE) {
        return pk__http_link_shake(l);
    }
    switch (l->state) {
    case PK__HTTP_LINK_IDLE:
    case PK__HTTP_LINK_HEAD:
        step = pk__http_link_head(l);
        return step == PK__HTTP_STEP_READ ? pk__http_link_rest(l) : step;
    case PK__HTTP_LINK_BODY: return pk__http_link_body(l);
    case PK__HTTP_LINK_WORK:
        if (l->job->detached || !l->job->answered) {
            return PK__HTTP_STEP_HOLD;
        }
        l->state = PK__HTTP_LINK_WRITE;
        return PK__HTTP_STEP_ON;
    case PK__HTTP_LINK_WRITE:
        step = pk__http_link_write(l);
        return step == PK__HTTP_STEP_ON ? pk__http_link_written(l) : step;
    default: return pk__http_link_throw(l);
    }
}

PK__FN void pk__http_server_enter(pk__http_server *s)
{
    s->depth++;
}

PK__FN void pk__http_server_leave(pk__http_server *s)
{
    s->depth--;
    if (s->depth == 0 && s->doomed) {
        pk__http_server_destroy(s);
    }
}

/* Moves a link on as far as it goes. It may be gone afterwards, and so may the server. */
static void pk__http_link_run(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_step step;
    pk__http_server_enter(s);
    l->running = true;
    l->share = PK__HTTP_SERVER_SHARE;
    do {
        step = pk__http_link_step(l);
    } while (step == PK__HTTP_STEP_ON);
    l->running = false;
    /* What has come already wakes nobody a second time. That there is room for writing does, mostly at once; and who
     * leaves no room is not to be read from. */
    bool for_room = step == PK__HTTP_STEP_WRITE || step == PK__HTTP_STEP_YIELD;
    if (step == PK__HTTP_STEP_YIELD && l->state != PK__HTTP_LINK_HEAD) {
        pk__http_link_due(l, s->desc.body_ms);
    }
    if (step == PK__HTTP_STEP_CLOSE || (step == PK__HTTP_STEP_READ && !pk__http_link_watch(l, true, false)) ||
        (for_room && !pk__http_link_watch(l, false, true))) {
        pk__http_link_close(l);
    }
    pk__http_server_leave(s);
}

static void pk__http_link_on_ready(void *user, bool can_read, bool can_write)
{
    pk__http_link *l = (pk__http_link *)user;
    bool waits = l->state == PK__HTTP_LINK_WRITE && l->job->out.busy; // for pk__http_server_more
    (void)can_write;
    if (waits && pk__http_server_is_gone(l->job)) {
        pk__http_server *s = l->server;
        pk__http_server_enter(s);
        pk__http_link_close(l);
        pk__http_server_leave(s);
        return;
    }
    if (waits || l->state == PK__HTTP_LINK_WORK) { // the next request, or a hang-up: none of them matters now
        pk_watch_remove(l->server->desc.loop, &l->watch);
        l->watching = false;
        return;
    }
    l->can_read |= can_read;
    pk__http_link_run(l);
}

static void pk__http_link_on_time(void *user)
{
    pk__http_link *l = (pk__http_link *)user;
    pk__http_server *s = l->server;
    if (l->deadline == PK_FOREVER || pk__clock_ns() < l->deadline) {
        if (l->deadline != PK_FOREVER) {
            (void)pk__timer_start_at(s->desc.loop, &l->timer, l->deadline, NULL);
        }
        return;
    }
    if (l->state == PK__HTTP_LINK_IDLE && pk__http_link_dismiss(l) == PK__HTTP_STEP_ON) {
        pk__http_link_due(l, s->desc.header_ms);
        pk__http_link_run(l);
        return;
    }
    if (l->state != PK__HTTP_LINK_HEAD && l->state != PK__HTTP_LINK_BODY) {
        pk__http_link_close(l);
        return;
    }
    pk__http_server_enter(s);
    bool is_head = l->state == PK__HTTP_LINK_HEAD;
    const char *why = is_head ? "the header did not come in time" : "the body did not come in time";
    if ((l->job || pk__http_job_take(l)) && pk__http_link_refuse(l, 408, why) == PK__HTTP_STEP_ON) {
        pk__http_link_run(l);
    } else {
        pk__http_link_close(l);
    }
    pk__http_server_leave(s);
}

/* ---- answers from elsewhere */

PK__FN void pk__http_link_answered(pk__http_link *l)
{
    if (!l->running) {
        pk__http_link_run(l);
    }
}

PK__FN void pk__http_server_more(pk__http_job *job)
{
    if (job->out.busy) {
        pk__http_link_answered(job->link);
    }
}

static void pk__http_job_on_home(void *user)
{
    pk__http_job *job = (pk__http_job *)user;
    job->detached = false;
    job->answered = true;
    pk__http_link_answered(job->link);
}

PK__FN void pk__http_server_detach(pk__http_job *job)
{
    job->detached = true;
    job->task.run = pk__http_job_on_home;
    job->task.user = job;
}

/* ---- the listener */

static bool pk__http_server_make_room(pk__http_server *s)
{
    if (s->link_count < s->desc.connections) {
        return true;
    }
    if (pk__list_is_empty(&s->idle)) {
        return false;
    }
    pk__http_link_close(PK__OF(s->idle.next, pk__http_link, idle)); // the one that has waited longest
    return true;
}

/* Best effort: it has not asked yet, or has asked in vain. */
static void pk__http_server_refuse(int fd)
{
    static const pk_str busy = PK_STR_INIT("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
                                           "Connection: close\r\n\r\n");
    size_t sent = 0;
    (void)pk__socket_send(fd, &busy, 1, &sent, NULL);
}

static void pk__http_server_add(pk__http_server *s, int fd)
{
    pk__http_link *l = NULL;
    pk__http_peer *peer = NULL;
    bool is_welcome = !s->is_unix || s->desc.any_uid || pk__fd_check_peer(fd, NULL, NULL) == PK_OK;
    if (is_welcome && !pk__http_peer_enter(s, fd, &peer)) {
        if (!PK__SECURE_ON(s->desc.tls)) {
            pk__http_server_refuse(fd);
        }
    } else if (is_welcome && pk__http_server_make_room(s)) {
        l = (pk__http_link *)pk__new(s->desc.alloc, sizeof(*l));
    }
    if (!l) {
        pk__http_peer_leave(s, peer);
        pk__fd_close(fd);
        return;
    }
    l->peer = peer;
    l->server = s;
    l->watch.fd = fd;
    l->watch.on_ready = pk__http_link_on_ready;
    l->watch.user = l;
    l->timer.on_time = pk__http_link_on_time;
    l->timer.user = l;
    if (PK__SECURE_ON(s->desc.tls)) {
        l->state = PK__HTTP_LINK_SHAKE;
    }
    pk__list_push(&s->links, &l->node);
    pk__list_push(&s->idle, &l->idle);
    s->link_count++;
    pk__http_link_due(l, s->desc.header_ms); // for the first request; those after it may take their time
    if (!pk__http_link_watch(l, true, false)) {
        pk__http_link_close(l);
    }
}

static void pk__http_server_mute(pk__http_server *s)
{
    if (s->accepting) {
        pk_watch_remove(s->desc.loop, &s->listener);
        s->accepting = false;
    }
}

PK__FN void pk__http_server_listen(pk__http_server *s)
{
    if (s->accepting || pk__atomic_load(&s->draining) || pk__timer_is_running(&s->rest)) {
        return;
    }
    s->accepting = pk_watch_add(s->desc.loop, &s->listener, true, false, NULL) == PK_OK;
    if (!s->accepting) {
        (void)pk_timer_start(s->desc.loop, &s->rest, PK__HTTP_SERVER_REST_MS, NULL);
    }
}

static void pk__http_server_on_rest(void *user)
{
    pk__http_server_listen((pk__http_server *)user);
}

/* Without descriptors the listener stays readable: asking again at once would only burn the processor. */
static void pk__http_server_take_rest(pk__http_server *s)
{
    if (pk_timer_start(s->desc.loop, &s->rest, PK__HTTP_SERVER_REST_MS, NULL) == PK_OK) {
        pk__http_server_mute(s);
    }
}

static void pk__http_server_on_ready(void *user, bool can_read, bool can_write)
{
    pk__http_server *s = (pk__http_server *)user;
    (void)can_read, (void)can_write;
    pk__http_server_enter(s);
    for (int i = 0; i < PK__HTTP_SERVER_ACCEPTS && s->accepting; i++) {
        int fd = -1;
        if (s->link_count >= s->desc.connections && pk__list_is_empty(&s->idle)) {
            pk__http_server_mute(s); // until one is closed
            break;
        }
        if (pk__socket_accept(s->listener.fd, &s->reserve, &fd, NULL)) {
            pk__http_server_take_rest(s);
            break;
        }
        if (fd < 0) {
            break;
        }
        pk__http_server_add(s, fd);
    }
    pk__http_server_leave(s);
}

/* ---- life */

PK__FN pk_err pk__http_server_create(pk__http_server **out, const pk__http_server_desc *desc, pk_error *err)
{
    pk__address local;
    pk__http_server *s = NULL;
    *out = NULL;
    pk_err rc = pk__socket_local(desc->listen_fd, &local, err);
    if (rc == PK_OK) {
        rc = pk__fd_set_nonblock(desc->listen_fd, true, err);
    }
    if (rc == PK_OK) {
        rc = pk__fd_set_cloexec(desc->listen_fd, true, err);
    }
    if (rc == PK_OK) {
        s = (pk__http_server *)pk__new(desc->alloc, sizeof(*s));
        rc = s ? PK_OK : pk__error_memory(err, "create a server");
    }
    if (rc) {
        pk__fd_close(desc->listen_fd);
        return rc;
    }
    s->desc = *desc;
    s->is_unix = local.kind == PK__ADDRESS_UNIX;
    s->reserve = -1;
    s->listener.fd = desc->listen_fd;
    s->listener.on_ready = pk__http_server_on_ready;
    s->listener.user = s;
    s->rest.on_time = pk__http_server_on_rest;
    s->rest.user = s;
    pk__list_init(&s->links);
    pk__list_init(&s->idle);
    pk__list_init(&s->spare);
    for (size_t i = 0; i < PK__HTTP_SERVER_PEERS; i++) {
        pk__list_init(&s->peers[i]);
    }
    rc = pk_watch_add(desc->loop, &s->listener, true, false, err);
    s->accepting = rc == PK_OK;
    if (rc) {
        s->desc.on_destroyed = NULL;
        pk__http_server_destroy(s);
        return rc;
    }
    *out = s;
    return PK_OK;
}

/* Whoever has connected before the door is shut may have asked already. */
static void pk__http_server_last_guests(pk__http_server *s)
{
    int fd = 0;
    if (s->is_unix) {
        (void)PK__SYS(shutdown)(s->listener.fd, SHUT_RD); // connecting fails from now on
    }
    while (s->link_count < s->desc.connections && pk__socket_accept(s->listener.fd, &s->reserve, &fd, NULL) == PK_OK &&
           fd >= 0) {
        pk__http_server_add(s, fd);
    }
}

PK__FN void pk__http_server_drain(pk__http_server *s)
{
    if (pk__atomic_load(&s->draining)) {
        return;
    }
    pk__http_server_mute(s);
    pk_timer_stop(s->desc.loop, &s->rest);
    pk__atomic_store(&s->draining, 1);
    pk__http_server_enter(s);
    pk__http_server_last_guests(s);
    pk__fd_close(s->listener.fd);
    s->listener.fd = -1;
    for (pk__node *n; (n = pk__list_pop(&s->idle)) != NULL;) {
        pk__http_link *l = PK__OF(n, pk__http_link, idle);
        l->can_read = true; // a request that has come already is served
        if (!l->running) {
            pk__http_link_run(l);
        }
    }
    pk__http_server_leave(s);
}

PK__FN void pk__http_server_destroy(pk__http_server *s)
{
    if (!s) {
        return;
    }
    s->doomed = true;
    pk__atomic_store(&s->draining, 1);
    if (s->depth > 0) {
        return;
    }
    pk__http_server_mute(s);
    pk_timer_stop(s->desc.loop, &s->rest);
    while (!pk__list_is_empty(&s->links)) {
        pk__http_link_close(PK__OF(s->links.next, pk__http_link, node));
    }
    for (pk__node *n; (n = pk__list_pop(&s->spare)) != NULL;) {
        pk__http_job_free(PK__OF(n, pk__http_job, node));
    }
    pk__fd_close(s->listener.fd);
    pk__fd_close(s->reserve);
    void (*on_destroyed)(void *user) = s->desc.on_destroyed;
    void *user = s->desc.user;
    pk__free(s->desc.alloc, s, sizeof(*s));
    if (on_destroyed) {
        on_destroyed(user);
    }
}
#endif

/* == net/http_server_read.c == */
/* http_server_read.c - requests as they come: head, body, and what nobody wants. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/http_server_read.c"
#endif

#ifndef PLUGKIT_NO_NET




#include <string.h>

enum {
    PK__HTTP_SERVER_PIECE = 64 * 1024, // of a body that is received into its own memory
    PK__HTTP_SERVER_DRAIN = 256 * 1024, // of a body that nobody wanted
    PK__HTTP_SERVER_LINGER_MS = 2000
};

PK__FN pk_io pk__http_link_recv(pk__http_link *l, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return PK__SECURE_ON(l->secure) ? l->secure->table->recv(l->secure, buf, cap, false, got, err)
                                    : pk__socket_recv(l->watch.fd, buf, cap, false, got, err);
}

/* Receives behind what is there. ON: something came; READ: nothing yet; CLOSE: it was the end. */
static pk__http_step pk__http_link_receive(pk__http_link *l, char *at, size_t room, size_t *got)
{
    if (!l->can_read) {
        return PK__HTTP_STEP_READ;
    }
    if (l->share == 0) {
        return PK__HTTP_STEP_YIELD;
    }
    l->share--;
    pk_io io = pk__http_link_recv(l, at, room, got, NULL);
    l->can_read = io == PK_IO_DONE && *got == room; // less than there was room for: no need to ask again to hear so
    return io == PK_IO_DONE                            ? PK__HTTP_STEP_ON
           : io == PK_IO_WANT_READ                     ? PK__HTTP_STEP_READ
           : PK__SECURE_BUILT && io == PK_IO_WANT_WRITE ? PK__HTTP_STEP_WRITE
                                                       : PK__HTTP_STEP_CLOSE;
}

static pk__http_step pk__http_link_receive_job(pk__http_link *l)
{
    size_t got = 0;
    pk__http_job *job = l->job;
    pk__http_step step = pk__http_link_receive(l, job->buf + job->end, job->cap - job->end, &got);
    job->end += step == PK__HTTP_STEP_ON ? got : 0;
    job->is_fresh = job->is_fresh && job->end == 0;
    return step;
}

/* ---- the head */

/* The head is there: what happens with the body? */
static pk__http_step pk__http_link_begin(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_job *job = l->job;
    pk__http_head *h = &job->head;
    job->keep = h->keep_alive && !pk__atomic_load(&s->draining);
    job->left = h->framing == PK__HTTP_LENGTH ? h->length : 0;
    job->body_done = h->framing == PK__HTTP_NO_BODY;
    job->wants_continue = h->expects_continue && job->at == job->end; // who sends it already does not wait for us
    pk__http_chunk_init(&job->chunk);
    l->state = PK__HTTP_LINK_WORK;
    if (l->share > 0) {
        l->share--;
    }
    pk__http_link_due(l, 0);
    job->told = true;
    switch (s->desc.on_head(s->desc.user, job)) {
    case PK__HTTP_ANSWERED: return PK__HTTP_STEP_ON;
    case PK__HTTP_READ: s->desc.on_job(s->desc.user, job); return PK__HTTP_STEP_ON;
    default: break;
    }
    if (job->left > s->desc.body_bytes) {
        return pk__http_link_refuse(l, 413, "the body is larger than is accepted here");
    }
    l->state = PK__HTTP_LINK_BODY;
    return PK__HTTP_STEP_ON;
}

PK__FN pk__http_step pk__http_link_head(pk__http_link *l)
{
    pk__list_remove(&l->idle);
    if (!l->job && !pk__http_job_take(l)) {
        return PK__HTTP_STEP_CLOSE;
    }
    pk__http_job *job = l->job;
    if (l->share == 0 && job->end > 0) {
        return PK__HTTP_STEP_YIELD;
    }
    for (;;) {
        switch (pk__http_head_parse(&job->head, job->buf, job->end)) {
        case PK__HTTP_DONE: job->at = job->head.size; return pk__http_link_begin(l);
        case PK__HTTP_ERROR: return pk__http_link_refuse(l, job->head.error_status, job->head.error);
        default: break;
        }
        pk__http_step step = pk__http_link_receive_job(l);
        if (step == PK__HTTP_STEP_READ && l->state == PK__HTTP_LINK_IDLE && job->end > 0) {
            l->state = PK__HTTP_LINK_HEAD; // the clock runs from the first bytes on, whatever comes after them
            pk__http_link_due(l, l->server->desc.header_ms);
        }
        if (step != PK__HTTP_STEP_ON) {
            return step;
        }
    }
}

/* ---- the body */

static bool pk__http_job_continue(pk__http_job *job)
{
    static const pk_str line = PK_STR_INIT("HTTP/1.1 100 Continue\r\n\r\n");
    size_t sent = 0;
    if (!job->wants_continue) {
        return true;
    }
    job->wants_continue = false;
    pk__wire wire = pk__http_link_wire(job->link);
    return wire.transport->send(wire.io, &line, 1, &sent, NULL) == PK_IO_DONE && sent == line.len;
}

/* The next run of data, at most so long, of what has come of the body. MORE: all of it is used up, and there is room
 * behind the head. DONE: body_done. */
static pk__chunk_result pk__http_job_next(pk__http_job *job, size_t most, pk_str *data)
{
    pk_str in = {job->buf + job->at, PK__MIN(job->end - job->at, most)};
    pk__chunk_result r = PK__CHUNK_DONE;
    *data = in;
    if (job->head.framing == PK__HTTP_CHUNKED) {
        do { // with less than what has come, it may find nothing in it
            r = pk__http_chunk_next(&job->chunk, &in, data);
            job->at = (size_t)(in.ptr - job->buf);
            in.len = PK__MIN(job->end - job->at, most);
        } while (r == PK__CHUNK_MORE && in.len > 0);
    } else if (job->left > 0) {
        data->len = (size_t)PK__MIN((uint64_t)in.len, job->left);
        job->at += data->len;
        job->left -= data->len;
        r = data->len > 0 ? PK__CHUNK_DATA : PK__CHUNK_MORE;
    }
    job->body_done = r == PK__CHUNK_DONE || (job->head.framing != PK__HTTP_CHUNKED && job->left == 0);
    if (r == PK__CHUNK_MORE) {
        job->at = job->head.size;
        job->end = job->at;
    }
    return r;
}

static pk__http_step pk__http_link_body_failed(pk__http_link *l)
{
    return l->job->collected.failed == PK_ERR_LIMIT
               ? pk__http_link_refuse(l, 413, "the body is larger than is accepted here")
               : pk__http_link_refuse(l, 503, "out of memory");
}

/* A body with a length: where it came in one piece with its head it stays there, otherwise it is received into memory
 * that grows with what really comes, not with what was announced. */
static pk__http_step pk__http_link_body_plain(pk__http_link *l)
{
    pk__http_job *job = l->job;
    size_t got = 0;
    pk_str here = {job->buf + job->at, (size_t)PK__MIN((uint64_t)(job->end - job->at), job->left)};
    job->at += here.len;
    job->left -= here.len;
    if (job->left == 0 && job->collected.len == 0) {
        job->body = here;
        job->body_done = true;
        return PK__HTTP_STEP_ON;
    }
    size_t room = (size_t)PK__MIN(job->left, (uint64_t)PK__HTTP_SERVER_PIECE);
    if (!pk_buf_add(&job->collected, here) || !pk_buf_reserve(&job->collected, room)) {
        return pk__http_link_body_failed(l);
    }
    pk__http_step step = pk__http_link_receive(l, job->collected.ptr + job->collected.len, room, &got);
    if (step == PK__HTTP_STEP_ON) {
        job->collected.len += got;
        job->left -= got;
        job->body_done = job->left == 0;
        job->body = pk_buf_str(&job->collected);
    }
    return step;
}

static pk__http_step pk__http_link_body_chunked(pk__http_link *l)
{
    pk__http_job *job = l->job;
    pk_str data;
    for (;;) {
        switch (pk__http_job_next(job, SIZE_MAX, &data)) {
        case PK__CHUNK_DATA:
            if (!pk_buf_add(&job->collected, data)) {
                return pk__http_link_body_failed(l);
            }
            break;
        case PK__CHUNK_ERROR: return pk__http_link_refuse(l, 400, job->chunk.error);
        case PK__CHUNK_DONE: job->body = pk_buf_str(&job->collected); return PK__HTTP_STEP_ON;
        default: return pk__http_link_receive_job(l);
        }
    }
}

PK__FN pk__http_step pk__http_link_body(pk__http_link *l)
{
    pk__http_server *s = l->server;
    pk__http_job *job = l->job;
    while (!job->body_done) {
        pk__http_step step = job->head.framing == PK__HTTP_CHUNKED ? pk__http_link_body_chunked(l)
                                                                   : pk__http_link_body_plain(l);
        if (step == PK__HTTP_STEP_READ) {
            if (!pk__http_job_continue(job)) {
                return PK__HTTP_STEP_CLOSE;
            }
            pk__http_link_due(l, s->desc.body_ms);
        }
        if (step != PK__HTTP_STEP_ON || l->state != PK__HTTP_LINK_BODY) {
            return step;
        }
    }
    l->state = PK__HTTP_LINK_WORK;
    pk__http_link_due(l, 0);
    s->desc.on_job(s->desc.user, job);
    return PK__HTTP_STEP_ON;
}

/* ---- bodies that handlers read themselves */

/* Waits for more in the job's buffer, or in *buf. */
static pk_err pk__http_job_wait(pk__http_job *job, char *buf, size_t cap, size_t *got, pk_error *err)
{
    int fd = job->link->watch.fd;
    int64_t piece = pk__clock_after_ms(pk__clock_ns(), job->server->desc.body_ms);
    if (!pk__http_job_continue(job)) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot read the request's body: the connection was closed");
    }
    for (;;) {
        pk_io io = pk__http_link_recv(job->link, buf, cap, got, err);
        bool writes = PK__SECURE_BUILT && io == PK_IO_WANT_WRITE;
        switch (writes ? PK_IO_WANT_READ : io) {
        case PK_IO_DONE: return PK_OK;
        case PK_IO_WANT_READ: break;
        case PK_IO_CLOSED:
            return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION,
                                "cannot read the request's body: the caller has hung up");
        default: return PK_ERR_PLUGIN_CONNECTION;
        }
        if (!pk__fd_wait(fd, true, writes, PK__MIN(piece, job->deadline))) {
            return pk_error_set(err, PK_ERR_PLUGIN_TIMEOUT, "cannot read the request's body: it did not come in time");
        }
    }
}

static pk_err pk__http_job_read(pk__http_job *job, char *buf, size_t cap, size_t *got, pk_error *err)
{
    for (;;) {
        size_t came = 0;
        pk_str data;
        switch (pk__http_job_next(job, cap, &data)) {
        case PK__CHUNK_DATA:
            memcpy(buf, data.ptr, data.len);
            *got = data.len;
            return PK_OK;
        case PK__CHUNK_DONE: return PK_OK;
        case PK__CHUNK_ERROR:
            return pk_error_set(err, PK_ERR_HTTP, "cannot read the request's body: %s", job->chunk.error);
        default: break;
        }
        bool direct = job->head.framing != PK__HTTP_CHUNKED; // nothing stands between the bytes
        char *to = direct ? buf : job->buf + job->end;
        size_t room = direct ? (size_t)PK__MIN((uint64_t)cap, job->left) : job->cap - job->end;
        pk_err rc = pk__http_job_wait(job, to, room, &came, err);
        if (rc) {
            return rc;
        }
        if (direct) {
            job->left -= came;
            job->body_done = job->left == 0;
            *got = came;
            return PK_OK;
        }
        job->end += came;
    }
}

PK__FN pk_err pk__http_server_read(pk__http_job *job, void *buf, size_t cap, size_t *got, pk_error *err)
{
    *got = 0;
    if (job->body_done || cap == 0) {
        return PK_OK;
    }
    pk_err rc = pk__http_job_read(job, (char *)buf, cap, got, err);
    if (rc) {
        job->keep = false; // where the next request begins is not known
    }
    return rc;
}

PK__FN bool pk__http_server_is_gone(pk__http_job *job)
{
    char byte;
    pk__secure *secure = job->link->secure;
    if (PK__SECURE_ON(secure)) {
        return secure->table->is_gone(secure);
    }
    ssize_t n = PK__SYS(recv)(job->link->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* ---- what nobody wants */

/* The rest of a request's body, so that the connection can go on. */
static pk__http_step pk__http_link_drain(pk__http_link *l)
{
    pk__http_job *job = l->job;
    pk__http_step step = PK__HTTP_STEP_ON;
    pk_str data;
    while (!job->body_done && step == PK__HTTP_STEP_ON) {
        size_t before = job->end - job->at;
        pk__chunk_result r = pk__http_job_next(job, SIZE_MAX, &data);
        l->thrown += before - (job->end - job->at);
        if (r == PK__CHUNK_ERROR || l->thrown > PK__HTTP_SERVER_DRAIN) {
            return PK__HTTP_STEP_CLOSE;
        }
        if (r == PK__CHUNK_MORE) {
            step = pk__http_link_receive_job(l);
        }
    }
    if (job->body_done) {
        pk__http_link_next(l);
    }
    return step;
}

static pk__http_step pk__http_link_linger(pk__http_link *l)
{
    char waste[4096];
    size_t got = 0;
    if (PK__SECURE_ON(l->secure)) {
        if (l->secure->table->end(l->secure) == PK_IO_WANT_WRITE) {
            pk__http_link_due(l, PK__HTTP_SERVER_LINGER_MS);
            return PK__HTTP_STEP_WRITE;
        }
        l->secure->table->close(l->secure);
        l->secure = NULL;
    }
    if (l->thrown == 0) {
        (void)PK__SYS(shutdown)(l->watch.fd, SHUT_WR);
        pk__http_link_due(l, PK__HTTP_SERVER_LINGER_MS);
        l->thrown = 1;
        l->can_read = true;
    }
    pk__http_step step;
    while ((step = pk__http_link_receive(l, waste, sizeof(waste), &got)) == PK__HTTP_STEP_ON) {
        l->thrown += got;
        if (l->thrown > l->server->desc.body_bytes) {
            return PK__HTTP_STEP_CLOSE;
        }
    }
    return step;
}

PK__FN pk__http_step pk__http_link_throw(pk__http_link *l)
{
    return l->state == PK__HTTP_LINK_DRAIN ? pk__http_link_drain(l) : pk__http_link_linger(l);
}
#endif

/* == net/http_server_write.c == */
/* http_server_write.c - answers on their way out. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/http_server_write.c"
#endif

#ifndef PLUGKIT_NO_NET





#include <stdio.h>
#include <string.h>

static bool pk__http_job_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* Too much of the request is still to come to be worth reading: the connection ends with this answer. */
static bool pk__http_job_may_go_on(const pk__http_job *job)
{
    if (job->wants_continue || (!job->body_done && job->left > 256 * 1024)) {
        return false;
    }
    return job->keep && !pk__atomic_load(&job->server->draining);
}

static void pk__http_job_write_head(pk__http_job *job, const pk_body *body, bool has_body)
{
    const pk_response *a = &job->answer;
    pk_buf *buf = &job->out.buf;
    uint64_t size = body->has_fd ? body->size : body->bytes.len;
    const pk_str content_type = PK_STR("Content-Type");
    pk__http_write_status(buf, a->status);
    pk__http_write_fields(buf, a->fields, a->field_count);
    if (has_body && (size > 0 || body->read) && pk__http_head_find(a->fields, a->field_count, content_type).len == 0) {
        pk__http_write_field(buf, content_type,
                             body->content_type.len > 0 ? body->content_type : PK_STR("application/json"));
    }
    if (has_body && !body->read) {
        pk__http_write_number(buf, PK_STR("Content-Length"), size);
    } else if (has_body && job->head.minor == 1) {
        pk__http_write_field(buf, PK_STR("Transfer-Encoding"), PK_STR("chunked"));
    } else if (has_body) {
        job->keep = false; // HTTP/1.0: the end of the connection is the end of the body
    }
    if (!job->keep) {
        pk__http_write_field(buf, PK_STR("Connection"), PK_STR("close"));
    } else if (job->head.minor == 0) {
        pk__http_write_field(buf, PK_STR("Connection"), PK_STR("keep-alive"));
    }
    pk__http_write_end(buf);
}

static pk_err pk__http_job_prepare(pk__http_job *job, pk_error *err)
{
    pk_response *a = &job->answer;
    size_t at = 0;
    if (a->status == 0) {
        a->status = 200;
    }
    if (a->status < 200 || a->status > 999) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot answer with status %d", a->status);
    }
    const char *why = pk__http_write_refused(a->fields, a->field_count, &at);
    if (why || !pk__http_head_is_value(a->body.content_type)) {
        char name[64];
        (void)pk__error_clean(name, sizeof(name), why ? a->fields[at].name : pk_str_from("Content-Type"));
        return pk_error_set(err, PK_ERR_MISUSE, "cannot send header '%s': %s", name,
                            why ? why : "the value holds control characters");
    }
    bool has_body = pk__http_job_has_body(a->status);
    bool sends_body = has_body && !pk_str_is(job->head.method, "HEAD");
    job->keep = pk__http_job_may_go_on(job);
    pk__http_out_reset(&job->out);
    pk__http_job_write_head(job, &a->body, has_body);
    return pk__http_out_begin(&job->out, sends_body ? &a->body : NULL, job->head.minor == 1, err);
}

/* An answer of our own in the place of one that cannot be sent, or of none. The connection ends with it. */
static bool pk__http_job_refuse(pk__http_job *job, int status, const char *why)
{
    char text[PK__HTTP_SERVER_REFUSAL];
    const pk__http_server_desc *d = &job->server->desc;
    pk_response a;
    memset(&a, 0, sizeof(a));
    a.status = status;
    a.body.bytes.ptr = text;
    a.body.bytes.len = d->refusal(d->user, text, status, why);
    pk_body body = a.body;
    bool sends_body = !pk_str_is(job->head.method, "HEAD");
    job->keep = false;
    pk__http_out_reset(&job->out);
    job->answer = a;
    job->answer.body.bytes.len = 0; // it is copied
    pk__http_job_write_head(job, &body, true);
    return pk__http_out_begin(&job->out, sends_body ? &body : NULL, true, NULL) == PK_OK;
}

PK__FN pk__http_step pk__http_link_refuse(pk__http_link *l, int status, const char *why)
{
    if (!pk__http_job_refuse(l->job, status, why)) {
        return PK__HTTP_STEP_CLOSE;
    }
    l->job->answered = true;
    l->state = PK__HTTP_LINK_WRITE;
    return PK__HTTP_STEP_ON;
}

PK__FN pk__wire pk__http_link_wire(pk__http_link *l)
{
    pk__wire wire;
    if (PK__SECURE_ON(l->secure)) {
        return pk__secure_wire(l->secure);
    }
    wire.socket = l->watch.fd;
    wire.transport = pk__transport_accepted(&wire.io, wire.socket);
    return wire;
}

static pk_io pk__http_job_push(pk__http_job *job)
{
    pk_error err;
    pk__wire wire = pk__http_link_wire(job->link);
    pk__error_none(&err);
    job->state_out = pk__http_out_push(&job->out, &wire, &err);
    return job->state_out;
}

/* On a worker's thread: a reader is its business to the end, and may wait. So may we, while the peer takes some. */
static void pk__http_job_pump(pk__http_job *job)
{
    while (pk__http_job_push(job) == PK_IO_WANT_WRITE && job->answer.body.read) {
        int64_t until = pk__clock_after_ms(pk__clock_ns(), job->server->desc.body_ms);
        if (!pk__fd_wait(job->link->watch.fd, false, true, until)) {
            job->state_out = PK_IO_CLOSED;
            return;
        }
    }
}

PK__FN void pk__http_server_answer(pk__http_job *job)
{
    pk_error err;
    pk__error_none(&err);
    if (pk__http_job_prepare(job, &err) && !pk__http_job_refuse(job, 500, err.msg)) {
        job->state_out = PK_IO_CLOSED; // not even that fits into memory
    }
    if (job->detached) {
        if (job->state_out == PK_IO_DONE) {
            pk__http_job_pump(job);
        }
        pk_loop_post(job->server->desc.loop, &job->task);
    } else {
        job->answered = true;
        pk__http_link_answered(job->link);
    }
}

PK__FN pk__http_step pk__http_link_write(pk__http_link *l)
{
    pk__http_job *job = l->job;
    if (job->state_out != PK_IO_CLOSED && job->state_out != PK_IO_FAILED) {
        (void)pk__http_job_push(job);
    }
    switch (job->state_out) {
    case PK_IO_DONE: return PK__HTTP_STEP_ON;
    case PK_IO_WANT_WRITE: pk__http_link_due(l, l->server->desc.body_ms); return PK__HTTP_STEP_WRITE;
    case PK_IO_WANT_READ: pk__http_link_due(l, 0); return PK__HTTP_STEP_READ; // of the peer nothing but its end
    default: return PK__HTTP_STEP_CLOSE; // it broke, or the body's reader failed: then it must look cut short
    }
}
#endif

/* == net/tls.c == */
/* tls.c - pk_tls: reads what it is given, and exchanges it. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/tls.c"
#endif

#ifdef PLUGKIT_WITH_TLS





#include <string.h>

PK__FN int pk__tls_random(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    return pk__random_bytes(out, len, NULL) ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : 0;
}

/* ---- material: made, counted, freed */

static void pk__tls_material_free(pk__tls_material *m)
{
    if (!m) {
        return;
    }
    pk__tls_kept_free(m);
    mbedtls_ssl_config_free(&m->server);
    mbedtls_ssl_config_free(&m->client);
    for (size_t i = 0; i < m->own_count; i++) {
        mbedtls_x509_crt_free(&m->own[i].chain);
        mbedtls_pk_free(&m->own[i].key);
    }
    pk__free(m->alloc, m->own, m->own_count * sizeof(*m->own));
    mbedtls_x509_crt_free(&m->trust);
    mbedtls_x509_crl_free(&m->crls);
    pk__strfree(m->alloc, m->peer_name);
    pk__mutex_deinit(&m->lock);
    mbedtls_platform_zeroize(m->ticket_key, sizeof(m->ticket_key));
    pk__free(m->alloc, m, sizeof(*m));
}

PK__FN pk__tls_material *pk__tls_hold(pk_tls *tls)
{
    pk__mutex_lock(&tls->lock);
    pk__tls_material *m = tls->material;
    m->users++;
    pk__mutex_unlock(&tls->lock);
    return m;
}

PK__FN void pk__tls_let_go(pk_tls *tls, pk__tls_material *m)
{
    pk__mutex_lock(&tls->lock);
    bool is_last = --m->users == 0;
    pk__mutex_unlock(&tls->lock);
    if (is_last) {
        pk__tls_material_free(m);
    }
}

/* ---- sources */

typedef struct pk__tls_text { // of a source
    pk_mem mem;
    pk_str bytes; // with a NUL behind it
    size_t size;  // as mbedTLS wants it: that of PEM counts the NUL
} pk__tls_text;

static pk_err pk__tls_read_file(pk__tls_text *t, const char *path, pk_error *err)
{
#ifndef PLUGKIT_NO_FILES
    return pk__file_read(&t->mem, path, PK__TLS_FILE_MAX, &t->bytes, err);
#else
    (void)t;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot read '%s': there are no files", path);
#endif
}

static pk_err pk__tls_read(pk__tls_text *t, const pk_alloc *alloc, const pk_tls_source *source, pk_error *err)
{
    memset(t, 0, sizeof(*t));
    t->mem.alloc = alloc;
    pk_err rc = PK_OK;
    if (source->file) {
        rc = pk__tls_read_file(t, source->file, err);
    } else {
        t->bytes = pk_mem_dup(&t->mem, source->bytes);
        rc = t->bytes.ptr ? PK_OK : pk__error_memory(err, "read a certificate");
    }
    if (rc == PK_OK) {
        bool is_pem = strstr(t->bytes.ptr, "-----BEGIN") != NULL;
        t->size = t->bytes.len + (is_pem ? 1 : 0);
    }
    return rc;
}

static void pk__tls_read_done(pk__tls_text *t)
{
    if (t->bytes.ptr) {
        mbedtls_platform_zeroize((void *)(uintptr_t)t->bytes.ptr, t->bytes.len); // it may be a key
    }
    pk_mem_free(&t->mem);
}

static const char *pk__tls_source_name(const pk_tls_source *source)
{
    return source->file ? source->file : "in memory";
}

static pk_err pk__tls_read_crt(const pk_alloc *alloc, const pk_tls_source *source, const char *what,
                               mbedtls_x509_crt *out, pk_error *err)
{
    pk__tls_text t;
    int code = 0;
    pk_err rc = pk__tls_read(&t, alloc, source, err);
    if (rc == PK_OK) {
        code = mbedtls_x509_crt_parse(out, (const unsigned char *)t.bytes.ptr, t.size);
        /* Of a whole bundle some may be of a kind that mbedTLS does not know: nobody is believed for those. */
        bool is_good = code == 0 || (code > 0 && out->raw.len > 0 && out->next);
        rc = is_good ? PK_OK : pk__tls_source_error(what, pk__tls_source_name(source), code, err);
    }
    pk__tls_read_done(&t);
    return rc;
}

static pk_err pk__tls_read_key(const pk_alloc *alloc, const pk_tls_cert *cert, mbedtls_pk_context *out, pk_error *err)
{
    pk__tls_text t;
    const unsigned char *password = (const unsigned char *)cert->password;
    pk_err rc = pk__tls_read(&t, alloc, &cert->key, err);
    if (rc == PK_OK) {
        int code = mbedtls_pk_parse_key(out, (const unsigned char *)t.bytes.ptr, t.size, password,
                                        password ? strlen(cert->password) : 0 PK__TLS_RNG);
        rc = code == 0 ? PK_OK : pk__tls_source_error("key", pk__tls_source_name(&cert->key), code, err);
    }
    pk__tls_read_done(&t);
    return rc;
}

static pk_err pk__tls_read_own(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err)
{
    if (desc->cert_count == 0) {
        return PK_OK;
    }
    m->own = (pk__tls_own *)pk__new(m->alloc, desc->cert_count * sizeof(*m->own));
    if (!m->own) {
        return pk__error_memory(err, "read certificates");
    }
    m->own_count = desc->cert_count;
    for (size_t i = 0; i < m->own_count; i++) {
        mbedtls_x509_crt_init(&m->own[i].chain);
        mbedtls_pk_init(&m->own[i].key);
    }
    for (size_t i = 0; i < m->own_count; i++) {
        pk_err rc = pk__tls_read_crt(m->alloc, &desc->certs[i].chain, "certificate", &m->own[i].chain, err);
        if (rc == PK_OK) {
            rc = pk__tls_read_key(m->alloc, &desc->certs[i], &m->own[i].key, err);
        }
        if (rc == PK_OK && mbedtls_pk_check_pair(&m->own[i].chain.pk, &m->own[i].key PK__TLS_RNG) != 0) {
            rc = pk_error_set(err, PK_ERR_CONFIG, "cannot use key '%s': it is not that of certificate '%s'",
                              pk__tls_source_name(&desc->certs[i].key), pk__tls_source_name(&desc->certs[i].chain));
        }
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

static pk_err pk__tls_read_crls(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err)
{
    pk_err rc = PK_OK;
    for (size_t i = 0; i < desc->crl_count && rc == PK_OK; i++) {
        pk__tls_text t;
        rc = pk__tls_read(&t, m->alloc, &desc->crls[i], err);
        if (rc == PK_OK) {
            int code = mbedtls_x509_crl_parse(&m->crls, (const unsigned char *)t.bytes.ptr, t.size);
            rc = code == 0 ? PK_OK
                           : pk__tls_source_error("revocation list", pk__tls_source_name(&desc->crls[i]), code, err);
        }
        pk__tls_read_done(&t);
        m->has_crls = true;
    }
    return rc;
}

static pk_err pk__tls_fill(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err)
{
    pk_err rc = pk__tls_read_own(m, desc, err);
    for (size_t i = 0; i < desc->trust_count && rc == PK_OK; i++) {
        rc = pk__tls_read_crt(m->alloc, &desc->trust[i], "trusted certificate", &m->trust, err);
        m->has_trust = true;
    }
    if (rc == PK_OK) {
        rc = pk__tls_read_crls(m, desc, err);
    }
    if (rc == PK_OK) {
        m->peer_name = pk__strdup(m->alloc, desc->peer_name ? desc->peer_name : "");
        rc = m->peer_name ? pk__random_bytes(m->ticket_key, sizeof(m->ticket_key), err)
                          : pk__error_memory(err, "prepare TLS");
    }
    return rc == PK_OK ? pk__tls_configure(m, desc, err) : rc;
}

static pk_err pk__tls_material_new(pk__tls_material **out, const pk_alloc *alloc, const pk_tls_desc *desc,
                                   pk_error *err)
{
    pk__tls_material *m = (pk__tls_material *)pk__new(alloc, sizeof(*m));
    if (!m) {
        return pk__error_memory(err, "prepare TLS");
    }
    m->users = 1;
    m->alloc = alloc;
    m->on_peer = desc->on_peer;
    m->on_refused = desc->on_refused;
    m->user = desc->user;
    pk__mutex_init(&m->lock);
    mbedtls_ssl_config_init(&m->server);
    mbedtls_ssl_config_init(&m->client);
    mbedtls_x509_crt_init(&m->trust);
    mbedtls_x509_crl_init(&m->crls);
    pk_err rc = pk__tls_fill(m, desc, err);
    if (rc) {
        pk__tls_material_free(m);
        return rc;
    }
    *out = m;
    return PK_OK;
}

/* ---- public */

PK_API pk_err pk_tls_create(pk_tls **out, const pk_tls_desc *desc, pk_error *err)
{
    *out = NULL;
    pk_tls *tls = (pk_tls *)pk__new(desc->alloc, sizeof(*tls));
    if (!tls) {
        return pk__error_memory(err, "prepare TLS");
    }
    pk_err rc = pk__tls_material_new(&tls->material, desc->alloc, desc, err);
    if (rc) {
        pk__free(desc->alloc, tls, sizeof(*tls));
        return rc;
    }
    tls->table = pk__tls_table();
    tls->alloc = desc->alloc;
    pk__mutex_init(&tls->lock);
    *out = tls;
    return PK_OK;
}

PK_API pk_err pk_tls_reload(pk_tls *tls, const pk_tls_desc *desc, pk_error *err)
{
    pk__tls_material *fresh = NULL;
    pk_err rc = pk__tls_material_new(&fresh, tls->alloc, desc, err);
    if (rc) {
        return rc;
    }
    pk__mutex_lock(&tls->lock);
    pk__tls_material *old = tls->material;
    tls->material = fresh;
    pk__mutex_unlock(&tls->lock);
    pk__tls_let_go(tls, old);
    return PK_OK;
}

PK_API void pk_tls_destroy(pk_tls *tls)
{
    if (tls) {
        pk__tls_let_go(tls, tls->material);
        pk__mutex_deinit(&tls->lock);
        pk__free(tls->alloc, tls, sizeof(*tls));
    }
}
#endif

/* == net/tls_config.c == */
/* tls_config.c - what is spoken, and which certificate is shown. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/tls_config.c"
#endif

#ifdef PLUGKIT_WITH_TLS


#include <string.h>

/* P-256 first, always: mbedTLS's own order begins with curves that cost half as much again for a handshake. */
#if MBEDTLS_VERSION_MAJOR >= 3
static void pk__tls_set_curves(mbedtls_ssl_config *c)
{
    static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    mbedtls_ssl_conf_groups(c, groups);
}
#else
static void pk__tls_set_curves(mbedtls_ssl_config *c)
{
    static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_CURVE25519,
                                                  MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_SECP521R1,
                                                  MBEDTLS_ECP_DP_NONE};
    mbedtls_ssl_conf_curves(c, curves);
}
#endif

/* Forward secrecy and authenticated encryption, nothing else. */
static void pk__tls_set_ciphers(mbedtls_ssl_config *c)
{
    static const int ciphers[] = {
        PK__TLS_CIPHERS_13 // begins the list
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, 0};
    mbedtls_ssl_conf_ciphersuites(c, ciphers);
}

#if PK__TLS_HAS_13
static pk_err pk__tls_set_13(mbedtls_ssl_config *c, pk_tls_version least, pk_error *err)
{
    if (psa_crypto_init() != PSA_SUCCESS) {
        return pk_error_set(err, PK_ERR_OS, "cannot prepare TLS: mbedTLS has no random numbers");
    }
    mbedtls_ssl_conf_min_tls_version(c, least == PK_TLS_1_3 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_tls13_key_exchange_modes(c, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(c, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_new_session_tickets(c, 1); // one is enough for all further connections
    return PK_OK;
}
#else
static pk_err pk__tls_set_13(mbedtls_ssl_config *c, pk_tls_version least, pk_error *err)
{
    if (least == PK_TLS_1_3) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot insist on TLS 1.3: this mbedTLS speaks 1.2");
    }
    mbedtls_ssl_conf_min_version(c, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    return PK_OK;
}
#endif

static pk_err pk__tls_configure_one(pk__tls_material *m, mbedtls_ssl_config *c, int end, pk_tls_version least,
                                    pk_error *err)
{
    static const char *protocols[] = {"http/1.1", NULL};
    int code = mbedtls_ssl_config_defaults(c, end, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    pk_err rc = code == 0 ? pk__tls_set_13(c, least, err) : pk__error_memory(err, "prepare TLS");
    if (rc) {
        return rc;
    }
    mbedtls_ssl_conf_rng(c, pk__tls_random, NULL);
    pk__tls_set_curves(c);
    pk__tls_set_ciphers(c);
    mbedtls_ssl_conf_cert_profile(c, &mbedtls_x509_crt_profile_next);
    mbedtls_ssl_conf_authmode(c, end == MBEDTLS_SSL_IS_CLIENT || m->has_trust ? MBEDTLS_SSL_VERIFY_REQUIRED
                                                                              : MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_ca_chain(c, m->has_trust ? &m->trust : NULL, m->has_crls ? &m->crls : NULL);
    code = mbedtls_ssl_conf_alpn_protocols(c, protocols);
    for (size_t i = 0; i < m->own_count && code == 0; i++) {
        code = mbedtls_ssl_conf_own_cert(c, &m->own[i].chain, &m->own[i].key);
    }
    return code == 0 ? PK_OK : pk__error_memory(err, "prepare TLS");
}

PK__FN pk_err pk__tls_configure(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err)
{
    pk_err rc = pk__tls_configure_one(m, &m->server, MBEDTLS_SSL_IS_SERVER, desc->min_version, err);
    if (rc == PK_OK) {
        rc = pk__tls_configure_one(m, &m->client, MBEDTLS_SSL_IS_CLIENT, desc->min_version, err);
    }
    return rc;
}

/* A client says whom it wants. All certificates of that name are offered: one may be RSA, and another not. */
PK__FN int pk__tls_on_name(void *session, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
    const pk__tls_material *m = ((const pk__tls_session *)session)->material;
    char wanted[256];
    int code = 0;
    if (len == 0 || len >= sizeof(wanted) || memchr(name, '\0', len)) {
        return 0; // nobody is called that: the first
    }
    memcpy(wanted, name, len);
    wanted[len] = '\0';
    for (size_t i = 0; i < m->own_count && code == 0; i++) {
        if (pk__tls_is_host(wanted) && pk__tls_is_called(&m->own[i].chain, wanted)) {
            code = mbedtls_ssl_set_hs_own_cert(ssl, &m->own[i].chain, &m->own[i].key);
        }
    }
    return code;
}
#endif

/* == net/tls_identity.c == */
/* tls_identity.c - names in certificates. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/tls_identity.c"
#endif

#ifdef PLUGKIT_WITH_TLS



#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { PK__TLS_SAN_DNS = 2, PK__TLS_SAN_URI = 6, PK__TLS_SAN_IP = 7 };

/* ---- dates */

PK__FN int64_t pk__tls_seconds(const mbedtls_x509_time *t)
{
    /* Days since 1970 in the calendar that is counted on backwards: years begin in March. */
    int64_t year = t->mon > 2 ? t->year : t->year - 1;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (t->mon > 2 ? t->mon - 3 : t->mon + 9) + 2) / 5 + t->day - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return days * 86400 + (int64_t)t->hour * 3600 + (int64_t)t->min * 60 + t->sec;
}

PK__FN void pk__tls_date(char out[PK__CLOCK_TEXT], const mbedtls_x509_time *t)
{
    (void)snprintf(out, PK__CLOCK_TEXT, "%04d-%02d-%02dT%02d:%02d:%02dZ", t->year, t->mon, t->day, t->hour, t->min,
                   t->sec);
}

/* ---- texts. What is no plain text is no name: it neither fits anything nor is it shown. */

static pk_str pk__tls_view(const mbedtls_x509_buf *buf)
{
    pk_str s;
    s.ptr = (const char *)buf->p;
    s.len = buf->len;
    return s;
}

static bool pk__tls_is_ascii(pk_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return s.len > 0;
}

static const mbedtls_x509_name *pk__tls_common_name(const mbedtls_x509_crt *crt)
{
    const mbedtls_x509_name *found = NULL;
    for (const mbedtls_x509_name *n = &crt->subject; n; n = n->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0) {
            found = n; // of several the most specific one
        }
    }
    return found;
}

/* The next alternative name of that kind, from *at on; *at is behind it then. */
static bool pk__tls_next_name(const mbedtls_x509_sequence **at, int kind, pk_str *out)
{
    for (; *at; *at = (*at)->next) {
        if ((*at)->buf.p && (*at)->buf.tag == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | kind)) {
            *out = pk__tls_view(&(*at)->buf);
            *at = (*at)->next;
            return true;
        }
    }
    return false;
}

/* ---- is it called so? */

/* RFC 9525: a star stands for one whole label, the leftmost. */
static bool pk__tls_fits_host(pk_str pattern, pk_str host)
{
    pk_str label, rest_pattern, rest_host;
    if (pattern.len > 2 && pattern.ptr[0] == '*' && pattern.ptr[1] == '.') {
        return pk_str_cut(pattern, '.', &label, &rest_pattern) && pk_str_cut(host, '.', &label, &rest_host) &&
               label.len > 0 && pk_str_ieq(rest_pattern, rest_host) && memchr(rest_host.ptr, '.', rest_host.len);
    }
    return pk_str_ieq(pattern, host);
}

static size_t pk__tls_address(const char *name, unsigned char out[16])
{
    return inet_pton(AF_INET, name, out) == 1 ? 4 : inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

static bool pk__tls_is_uri(const char *name)
{
    return strchr(name, '/') || (strchr(name, ':') && strncmp(name, "urn:", 4) == 0);
}

PK__FN bool pk__tls_is_host(const char *name)
{
    unsigned char bytes[16];
    return name[0] && !pk__tls_is_uri(name) && pk__tls_address(name, bytes) == 0;
}

PK__FN bool pk__tls_is_called(const mbedtls_x509_crt *crt, const char *name)
{
    unsigned char bytes[16];
    size_t len = pk__tls_address(name, bytes);
    bool is_uri = pk__tls_is_uri(name);
    int kind = is_uri ? PK__TLS_SAN_URI : len > 0 ? PK__TLS_SAN_IP : PK__TLS_SAN_DNS;
    const mbedtls_x509_sequence *at = &crt->subject_alt_names;
    pk_str wanted = pk_str_from(name), found;
    if (wanted.len > 1 && wanted.ptr[wanted.len - 1] == '.' && kind == PK__TLS_SAN_DNS) {
        wanted.len--;
    }
    while (pk__tls_next_name(&at, kind, &found)) {
        if (kind == PK__TLS_SAN_IP ? found.len == len && memcmp(found.ptr, bytes, len) == 0
            : !pk__tls_is_ascii(found) ? false
            : is_uri                   ? pk_str_eq(found, wanted)
                                       : pk__tls_fits_host(found, wanted)) {
            return true;
        }
    }
    /* The common name counts where there is nothing better: certificates of old, which have no other. */
    const mbedtls_x509_name *cn = pk__tls_common_name(crt);
    return kind == PK__TLS_SAN_DNS && !crt->subject_alt_names.buf.p && cn && pk__tls_is_ascii(pk__tls_view(&cn->val)) &&
           pk__tls_fits_host(pk__tls_view(&cn->val), wanted);
}

/* ---- the peer */

static pk_err pk__tls_names(pk_mem *mem, const mbedtls_x509_crt *crt, int kind, const pk_str **out, size_t *count)
{
    const mbedtls_x509_sequence *at = &crt->subject_alt_names;
    pk_str found[PK__TLS_NAMES];
    size_t n = 0;
    while (n < PK__TLS_NAMES && pk__tls_next_name(&at, kind, &found[n])) {
        if (pk__tls_is_ascii(found[n])) {
            found[n] = pk_mem_dup(mem, found[n]);
            if (!found[n].ptr) {
                return PK_ERR_NO_MEMORY;
            }
            n++;
        }
    }
    pk_str *all = (pk_str *)pk_mem_get(mem, (n + 1) * sizeof(*all));
    if (!all) {
        return PK_ERR_NO_MEMORY;
    }
    memcpy(all, found, n * sizeof(*all));
    *out = all;
    *count = n;
    return PK_OK;
}

PK__FN void pk__tls_name(char *out, size_t cap, const mbedtls_x509_name *name)
{
    char raw[256];
    int n = mbedtls_x509_dn_gets(raw, sizeof(raw), name);
    (void)pk__error_clean(out, cap, pk_str_from(n > 0 ? raw : "?"));
}

static pk_str pk__tls_fingerprint(pk_mem *mem, const mbedtls_x509_crt *crt)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char hash[32];
    char text[64];
    pk_str s = {text, sizeof(text)};
    memset(hash, 0, sizeof(hash));
    if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), crt->raw.p, crt->raw.len, hash) != 0) {
        s.ptr = NULL;
        return s;
    }
    for (size_t i = 0; i < sizeof(hash); i++) {
        text[2 * i] = hex[hash[i] >> 4];
        text[2 * i + 1] = hex[hash[i] & 15];
    }
    return pk_mem_dup(mem, s);
}

PK__FN pk_err pk__tls_identify(pk_mem *mem, const mbedtls_x509_crt *crt, pk_tls_peer *out, pk_error *err)
{
    char subject[512];
    const mbedtls_x509_name *cn = pk__tls_common_name(crt);
    pk_str name = {"", 0};
    pk__tls_name(subject, sizeof(subject), &crt->subject);
    if (cn) { // as long as it is: a name that was cut short might be another's
        size_t cap = cn->val.len * 4 + 8;
        char *text = (char *)pk_mem_get(mem, cap);
        if (!text) {
            return pk__error_memory(err, "read the peer's certificate");
        }
        name.len = pk__error_clean(text, cap, pk__tls_view(&cn->val));
        name.ptr = text;
    }
    out->name = name;
    out->subject = pk_mem_dup(mem, pk_str_from(subject));
    out->certificate = pk_mem_dup(mem, pk__tls_view(&crt->raw));
    out->fingerprint = pk__tls_fingerprint(mem, crt);
    if (!out->subject.ptr || !out->certificate.ptr || !out->fingerprint.ptr ||
        pk__tls_names(mem, crt, PK__TLS_SAN_DNS, &out->dns, &out->dns_count) ||
        pk__tls_names(mem, crt, PK__TLS_SAN_URI, &out->uris, &out->uri_count)) {
        return pk__error_memory(err, "read the peer's certificate");
    }
    return PK_OK;
}
#endif

/* == net/tls_verify.c == */
/* tls_verify.c - is the peer's certificate to be believed?
 *
 * mbedTLS builds the chain and checks signatures, constraints and revocation lists, and then asks here about each
 * certificate, from the authority's down to the peer's own, which has depth 0. What it thinks of the time is thrown
 * away and found out anew, by our clock. Added are peers whose own certificate is trusted, and names of servers. */
#ifdef PLUGKIT_LINES
#line 5 "src/net/tls_verify.c"
#endif

#ifdef PLUGKIT_WITH_TLS


#include <stdio.h>
#include <string.h>

static const uint32_t pk__tls_time_flags = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE |
                                           MBEDTLS_X509_BADCRL_EXPIRED | MBEDTLS_X509_BADCRL_FUTURE;

static bool pk__tls_same(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static uint32_t pk__tls_check_time(const mbedtls_x509_crt *crt, const mbedtls_x509_crl *crls)
{
    int64_t now = pk__clock_unix_ms() / 1000;
    uint32_t flags = 0;
    if (now > pk__tls_seconds(&crt->valid_to)) {
        flags |= MBEDTLS_X509_BADCERT_EXPIRED;
    }
    if (now < pk__tls_seconds(&crt->valid_from)) {
        flags |= MBEDTLS_X509_BADCERT_FUTURE;
    }
    for (const mbedtls_x509_crl *c = crls; c && c->raw.len > 0; c = c->next) {
        if (!pk__tls_same(&c->issuer_raw, &crt->issuer_raw)) {
            continue;
        }
        if (c->next_update.year > 0 && now > pk__tls_seconds(&c->next_update)) {
            flags |= MBEDTLS_X509_BADCRL_EXPIRED;
        }
        if (now < pk__tls_seconds(&c->this_update)) {
            flags |= MBEDTLS_X509_BADCRL_FUTURE;
        }
    }
    return flags;
}

PK__FN bool pk__tls_is_current(const mbedtls_x509_crt *crt)
{
    return pk__tls_check_time(crt, NULL) == 0;
}

static bool pk__tls_is_trusted_itself(const pk__tls_material *m, const mbedtls_x509_crt *crt)
{
    for (const mbedtls_x509_crt *t = &m->trust; m->has_trust && t; t = t->next) {
        if (pk__tls_same(&t->raw, &crt->raw)) {
            return true;
        }
    }
    return false;
}

/* ---- in words */

/* Either nobody is trusted who has that name, or somebody is, and the signature is not theirs. */
static void pk__tls_say_untrusted(const pk__tls_material *m, const mbedtls_x509_crt *crt, char *out, size_t cap)
{
    char issuer[100];
    pk__tls_name(issuer, sizeof(issuer), &crt->issuer);
    for (const mbedtls_x509_crt *t = &m->trust; m->has_trust && t; t = t->next) {
        if (t->raw.len > 0 && pk__tls_same(&t->subject_raw, &crt->issuer_raw)) {
            (void)snprintf(out, cap, "the signature is not that of '%s', which is trusted", issuer);
            return;
        }
    }
    if (pk__tls_same(&crt->subject_raw, &crt->issuer_raw)) {
        (void)snprintf(out, cap, "it is self-signed ('%s') and not trusted", issuer);
    } else {
        (void)snprintf(out, cap, "it is signed by '%s', which is not trusted", issuer);
    }
}

static void pk__tls_say_name(const mbedtls_x509_crt *crt, const char *wanted, char *out, size_t cap)
{
    char subject[100];
    pk__tls_name(subject, sizeof(subject), &crt->subject);
    (void)snprintf(out, cap, "it is that of '%s', and has no name '%.100s'", subject, wanted);
}

PK__FN void pk__tls_flags_text(char *out, size_t cap, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *text;
    } rows[] = {
        {MBEDTLS_X509_BADCERT_MISSING, "none was shown"},
        {MBEDTLS_X509_BADCERT_REVOKED, "it has been revoked"},
        {MBEDTLS_X509_BADCRL_NOT_TRUSTED, "the signature of the revocation list is wrong"},
        {MBEDTLS_X509_BADCRL_EXPIRED, "the revocation list is out of date"},
        {MBEDTLS_X509_BADCRL_FUTURE, "the revocation list is not valid yet"},
        {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "it is not meant for this use (extended key usage)"},
        {MBEDTLS_X509_BADCERT_KEY_USAGE, "it is not meant for this use (key usage)"},
        {MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "it is not meant for this use"},
        {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCRL_BAD_MD, "it is signed by way of a weak hash"},
        {MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCRL_BAD_PK, "it is signed by a kind of key that is refused"},
        {MBEDTLS_X509_BADCERT_BAD_KEY | MBEDTLS_X509_BADCRL_BAD_KEY, "a key is too short or of a curve that is not "
                                                                     "accepted"},
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "it is not trusted"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        if (flags & rows[i].flag) {
            (void)snprintf(out, cap, "%s", rows[i].text);
            return;
        }
    }
    (void)snprintf(out, cap, "mbedTLS says 0x%x", (unsigned)flags);
}

static void pk__tls_say(pk__tls_session *s, const mbedtls_x509_crt *crt, int depth, uint32_t flags)
{
    char why[sizeof(s->why)], date[PK__CLOCK_TEXT], subject[80];
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED) {
        pk__tls_date(date, &crt->valid_to);
        (void)snprintf(why, sizeof(why), "it has expired since %s", date);
    } else if (flags & MBEDTLS_X509_BADCERT_FUTURE) {
        pk__tls_date(date, &crt->valid_from);
        (void)snprintf(why, sizeof(why), "it is not valid before %s", date);
    } else if (flags == MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        pk__tls_say_untrusted(s->material, crt, why, sizeof(why));
    } else if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        pk__tls_say_name(crt, s->name, why, sizeof(why));
    } else {
        pk__tls_flags_text(why, sizeof(why), flags);
    }
    if (depth == 0) {
        memcpy(s->why, why, sizeof(why));
    } else {
        pk__tls_name(subject, sizeof(subject), &crt->subject);
        (void)snprintf(s->why, sizeof(s->why), "of '%s' above it: %.100s", subject, why);
    }
}

PK__FN int pk__tls_on_certificate(void *session, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    pk__tls_session *s = (pk__tls_session *)session;
    pk__tls_material *m = s->material;
    uint32_t found = *flags & ~(pk__tls_time_flags | MBEDTLS_X509_BADCERT_CN_MISMATCH);
    found |= pk__tls_check_time(crt, m->has_crls ? &m->crls : NULL);
    if (depth == 0) {
        if ((found & MBEDTLS_X509_BADCERT_NOT_TRUSTED) && pk__tls_is_trusted_itself(m, crt)) {
            found &= ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED;
        }
        if (found == 0 && !s->is_server && !pk__tls_is_called(crt, s->name)) {
            found |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
        }
        s->is_checked = true;
        pk_mem_reset(&s->mem);
        if (pk__tls_identify(&s->mem, crt, &s->peer, NULL)) {
            return MBEDTLS_ERR_SSL_ALLOC_FAILED;
        }
    }
    if (found != 0 && !s->why[0]) {
        pk__tls_say(s, crt, depth, found);
    }
    *flags = found;
    return 0;
}
#endif

/* == net/tls_resume.c == */
/* tls_resume.c - connections that go on where an earlier one ended.
 *
 * A server keeps nothing: what it needs is in the ticket, encrypted with a key that only this material has:
 *
 *     nonce 12 | AES-256-GCM of ( time 8 | length 4, certificate of the client | session of mbedTLS ) | tag 16
 *
 * mbedTLS's own tickets of TLS 1.3 do not hold the certificate: whoever resumed would be nobody.
 *
 * A client keeps the last session for each name and address, with the certificate of the server. Servers may refuse a
 * session; then the handshake is a whole one. If it fails, the session is forgotten, so that it cannot fail again. */
#ifdef PLUGKIT_LINES
#line 10 "src/net/tls_resume.c"
#endif

#ifdef PLUGKIT_WITH_TLS



#include <string.h>

enum { PK__TLS_NONCE = 12, PK__TLS_TAG = 16, PK__TLS_TICKET_HEAD = 12 };

static void pk__tls_put(unsigned char *out, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        out[i] = (unsigned char)(value & 0xff);
        value >>= 8;
    }
}

static uint64_t pk__tls_get(const unsigned char *in, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value = value << 8 | in[i];
    }
    return value;
}

static int64_t pk__tls_now(void)
{
    return pk__clock_unix_ms() / 1000;
}

/* ---- servers */

static int pk__tls_seal(const pk__tls_material *m, unsigned char *nonce, unsigned char *text, size_t len)
{
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    int code = pk__tls_random(NULL, nonce, PK__TLS_NONCE);
    if (code == 0) {
        code = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, m->ticket_key, 8 * PK__TLS_TICKET_KEY);
    }
    if (code == 0) {
        code = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, nonce, PK__TLS_NONCE, NULL, 0, text, text,
                                         PK__TLS_TAG, text + len);
    }
    mbedtls_gcm_free(&gcm);
    return code;
}

static int pk__tls_unseal(const pk__tls_material *m, const unsigned char *nonce, unsigned char *text, size_t len)
{
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    int code = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, m->ticket_key, 8 * PK__TLS_TICKET_KEY);
    if (code == 0) {
        code = mbedtls_gcm_auth_decrypt(&gcm, len, nonce, PK__TLS_NONCE, NULL, 0, text + len, PK__TLS_TAG, text, text);
    }
    mbedtls_gcm_free(&gcm);
    return code;
}

PK__FN int pk__tls_ticket_write(void *session, const mbedtls_ssl_session *what, unsigned char *start,
                                const unsigned char *end, size_t *len, uint32_t *lifetime)
{
    const pk__tls_session *s = (const pk__tls_session *)session;
    pk_str certificate = s->peer.certificate;
    size_t room = (size_t)(end - start), used = 0;
    const size_t fixed = PK__TLS_NONCE + PK__TLS_TICKET_HEAD + PK__TLS_TAG;
    *len = 0;
    *lifetime = PK__TLS_TICKET_S;
    if (room < fixed || certificate.len > room - fixed) {
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    }
    unsigned char *text = start + PK__TLS_NONCE;
    pk__tls_put(text, (uint64_t)pk__tls_now(), 8);
    pk__tls_put(text + 8, certificate.len, 4);
    if (certificate.len > 0) {
        memcpy(text + PK__TLS_TICKET_HEAD, certificate.ptr, certificate.len);
    }
    size_t head = PK__TLS_TICKET_HEAD + certificate.len;
    int code = mbedtls_ssl_session_save(what, text + head, room - fixed - certificate.len, &used);
    if (code == 0) {
        code = pk__tls_seal(s->material, start, text, head + used);
    }
    *len = code == 0 ? PK__TLS_NONCE + head + used + PK__TLS_TAG : 0;
    return code;
}

/* The client whose ticket it is, if its certificate is still good. It was checked in full when the ticket was made, by
 * the same material. */
static bool pk__tls_again(pk__tls_session *s, const unsigned char *der, size_t len)
{
    mbedtls_x509_crt crt;
    memset(&s->peer, 0, sizeof(s->peer));
    if (len == 0) {
        return !s->material->has_trust;
    }
    mbedtls_x509_crt_init(&crt);
    pk_mem_reset(&s->mem);
    bool is_good = mbedtls_x509_crt_parse_der(&crt, der, len) == 0 && pk__tls_is_current(&crt) &&
                   (s->is_server || pk__tls_is_called(&crt, s->name)) &&
                   pk__tls_identify(&s->mem, &crt, &s->peer, NULL) == PK_OK;
    mbedtls_x509_crt_free(&crt);
    return is_good;
}

PK__FN int pk__tls_ticket_parse(void *session, mbedtls_ssl_session *what, unsigned char *buf, size_t len)
{
    pk__tls_session *s = (pk__tls_session *)session;
    const size_t fixed = PK__TLS_NONCE + PK__TLS_TICKET_HEAD + PK__TLS_TAG;
    s->is_resumed = false;
    if (len < fixed) {
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    }
    unsigned char *text = buf + PK__TLS_NONCE;
    len -= PK__TLS_NONCE + PK__TLS_TAG;
    if (pk__tls_unseal(s->material, buf, text, len) != 0) {
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    }
    int64_t age = pk__tls_now() - (int64_t)pk__tls_get(text, 8);
    size_t certificate = (size_t)pk__tls_get(text + 8, 4);
    if (age < 0 || age > PK__TLS_TICKET_S || certificate > len - PK__TLS_TICKET_HEAD ||
        !pk__tls_again(s, text + PK__TLS_TICKET_HEAD, certificate)) {
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    }
    size_t head = PK__TLS_TICKET_HEAD + certificate;
    int code = mbedtls_ssl_session_load(what, text + head, len - head);
    s->is_resumed = code == 0;
    return code;
}

/* ---- clients */

static void pk__tls_kept_clear(const pk__tls_material *m, pk__tls_kept *k)
{
    if (k->key) {
        mbedtls_ssl_session_free(&k->session);
        pk__strfree(m->alloc, k->key);
        pk__free(m->alloc, k->certificate, k->certificate_len);
        memset(k, 0, sizeof(*k));
    }
}

PK__FN void pk__tls_kept_free(pk__tls_material *m)
{
    for (size_t i = 0; i < PK__TLS_KEPT; i++) {
        pk__tls_kept_clear(m, &m->kept[i]);
    }
}

static pk__tls_kept *pk__tls_kept_find(pk__tls_material *m, const char *key)
{
    for (size_t i = 0; i < PK__TLS_KEPT; i++) {
        if (m->kept[i].key && strcmp(m->kept[i].key, key) == 0) {
            return &m->kept[i];
        }
    }
    return NULL;
}

/* Without memory nothing is kept: the next connection has a whole handshake. */
static bool pk__tls_kept_fill(const pk__tls_session *s, pk__tls_kept *k)
{
    const pk_alloc *alloc = s->material->alloc;
    pk_str certificate = s->peer.certificate;
    memset(k, 0, sizeof(*k));
    k->key = pk__strdup(alloc, s->key);
    k->certificate = (unsigned char *)pk__resize(alloc, NULL, 0, certificate.len);
    k->certificate_len = k->certificate ? certificate.len : 0;
    mbedtls_ssl_session_init(&k->session);
    if (!k->key || !k->certificate || mbedtls_ssl_get_session(&s->ssl, &k->session) != 0) {
        mbedtls_ssl_session_free(&k->session);
        pk__strfree(alloc, k->key);
        pk__free(alloc, k->certificate, k->certificate_len);
        return false;
    }
    memcpy(k->certificate, certificate.ptr, certificate.len);
    return true;
}

PK__FN void pk__tls_keep(pk__tls_session *s)
{
    pk__tls_material *m = s->material;
    pk__tls_kept fresh;
    if (s->peer.certificate.len == 0 || !pk__tls_kept_fill(s, &fresh)) {
        return;
    }
    pk__mutex_lock(&m->lock);
    pk__tls_kept *place = pk__tls_kept_find(m, s->key);
    if (!place) {
        place = &m->kept[m->next++ % PK__TLS_KEPT];
    }
    pk__tls_kept old = *place;
    *place = fresh;
    pk__mutex_unlock(&m->lock);
    pk__tls_kept_clear(m, &old);
}

PK__FN void pk__tls_resume(pk__tls_session *s)
{
    pk__tls_material *m = s->material;
    pk__mutex_lock(&m->lock);
    pk__tls_kept *k = pk__tls_kept_find(m, s->key);
    if (k && pk__tls_again(s, k->certificate, k->certificate_len)) {
        s->is_resumed = mbedtls_ssl_set_session(&s->ssl, &k->session) == 0;
    } else if (k) {
        pk__tls_kept_clear(m, k);
    }
    pk__mutex_unlock(&m->lock);
}

PK__FN void pk__tls_forget(pk__tls_session *s)
{
    pk__tls_material *m = s->material;
    pk__mutex_lock(&m->lock);
    pk__tls_kept *k = pk__tls_kept_find(m, s->key);
    if (k) {
        pk__tls_kept_clear(m, k);
    }
    pk__mutex_unlock(&m->lock);
}
#endif

/* == net/tls_session.c == */
/* tls_session.c - one connection: its handshake, its bytes, its end.
 *
 * mbedTLS asks for five bytes of a record and then for the rest. So what the socket has is received ahead, up to
 * PK__TLS_AHEAD: a small record costs one receive, as a plain message does; a large rest goes straight to where
 * mbedTLS wants it. If a receive gives less than was asked for, the socket is empty (`is_dry`): within this call we do
 * not ask again to hear so. recv goes on until then, or until the caller's buffer is full: the promise of secure.h.
 *
 * send gives each part to mbedTLS, record by record. When a record does not go out whole, mbedTLS has it already, and
 * wants to be called again with the same bytes: `committed` of them. They count as sent when the record is out, so that
 * nobody waits for an answer while the rest of the question lies here. */
#ifdef PLUGKIT_LINES
#line 10 "src/net/tls_session.c"
#endif

#ifdef PLUGKIT_WITH_TLS




#include <stdio.h>
#include <string.h>

static pk__tls_session *pk__tls_of(pk__secure *secure)
{
    return (pk__tls_session *)(void *)secure;
}

/* ---- what mbedTLS sends and receives by */

static pk_io pk__tls_receive(pk__tls_session *s, unsigned char *buf, size_t cap, size_t *got)
{
    pk_error err;
    err.sys_errno = 0;
    pk_io io = s->below.socket >= 0 ? pk__socket_recv(s->below.socket, buf, cap, s->may_wait, got, &err)
                                    : s->below.transport->recv(s->below.io, buf, cap, got, &err);
    switch (io) {
    case PK_IO_DONE:
        s->may_wait = false;
        s->is_dry = s->below.socket >= 0 && *got < cap;
        break;
    case PK_IO_CLOSED: s->is_eof = true; break;
    case PK_IO_FAILED: s->sys_errno = err.sys_errno; break;
    default: s->is_dry = true; break;
    }
    return io;
}

static int pk__tls_receive_code(pk_io io)
{
    return io == PK_IO_CLOSED       ? 0
           : io == PK_IO_FAILED     ? MBEDTLS_ERR_SSL_CONN_EOF
           : io == PK_IO_WANT_WRITE ? MBEDTLS_ERR_SSL_WANT_WRITE
                                    : MBEDTLS_ERR_SSL_WANT_READ;
}

/* Records of a handshake begin with 22, alerts with 21. Letters are the beginning of a request in plain HTTP. */
static bool pk__tls_look(pk__tls_session *s)
{
    unsigned char first = s->ahead[s->at];
    s->looked = true;
    s->is_foreign = first != 22 && first != 21;
    s->secure.is_plain = s->is_server && first >= 'A' && first <= 'Z';
    return !s->is_foreign;
}

static int pk__tls_on_recv(void *session, unsigned char *buf, size_t len)
{
    pk__tls_session *s = (pk__tls_session *)session;
    size_t got = 0;
    if (s->at == s->end) {
        if (s->is_eof) {
            return 0;
        }
        if (s->is_dry) {
            return MBEDTLS_ERR_SSL_WANT_READ;
        }
        bool direct = len >= PK__TLS_AHEAD;
        pk_io io = pk__tls_receive(s, direct ? buf : s->ahead, direct ? len : PK__TLS_AHEAD, &got);
        if (io != PK_IO_DONE) {
            return pk__tls_receive_code(io);
        }
        if (direct) {
            return (int)got;
        }
        s->at = 0;
        s->end = got;
    }
    if (!s->looked && !pk__tls_look(s)) {
        return MBEDTLS_ERR_SSL_INVALID_RECORD;
    }
    got = PK__MIN(len, s->end - s->at);
    memcpy(buf, s->ahead + s->at, got);
    s->at += got;
    return (int)got;
}

static int pk__tls_on_send(void *session, const unsigned char *buf, size_t len)
{
    pk__tls_session *s = (pk__tls_session *)session;
    size_t sent = 0;
    pk_error err;
    pk_str part = {(const char *)buf, len};
    err.sys_errno = 0;
    pk_io io = s->below.socket >= 0 ? pk__socket_send(s->below.socket, &part, 1, &sent, &err)
                                    : s->below.transport->send(s->below.io, &part, 1, &sent, &err);
    switch (io) {
    case PK_IO_DONE: return sent > 0 ? (int)sent : MBEDTLS_ERR_SSL_WANT_WRITE;
    case PK_IO_WANT_READ: return MBEDTLS_ERR_SSL_WANT_READ;
    case PK_IO_WANT_WRITE: return MBEDTLS_ERR_SSL_WANT_WRITE;
    default: s->sys_errno = err.sys_errno; return MBEDTLS_ERR_SSL_CONN_EOF;
    }
}

/* After records that are not for us, mbedTLS wants to be called again, whatever lies here: it says the same then. */
static bool pk__tls_wants_read(const pk__tls_session *s, int code)
{
    return code == MBEDTLS_ERR_SSL_WANT_READ && s->at == s->end && s->is_dry;
}

/* ---- made and unmade */

static void pk__tls_close(pk__secure *secure)
{
    pk__tls_session *s = pk__tls_of(secure);
    const pk_alloc *alloc = s->material->alloc;
    mbedtls_ssl_free(&s->ssl);
    pk__strfree(alloc, s->name);
    pk__strfree(alloc, s->key);
    pk_mem_free(&s->mem);
    pk__tls_let_go(s->tls, s->material);
    pk__free(alloc, s, sizeof(*s));
}

static pk_err pk__tls_prepare_client(pk__tls_session *s, const pk__secure_desc *d, pk_error *err)
{
    const pk_alloc *alloc = s->material->alloc;
    pk_str name = d->name.len > 0 ? d->name : pk_str_from(s->material->peer_name);
    name = name.len > 0 ? name : d->host;
    if (!s->material->has_trust || name.len == 0) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot call '%" PK_FMT "': %s", PK_ARG(d->key),
                            name.len == 0 ? "nobody says what name its certificate must have (peer_name)"
                                          : "nobody is trusted (trust)");
    }
    size_t key_len = name.len + 1 + d->key.len;
    s->name = pk__strndup(alloc, name);
    s->key = (char *)pk__resize(alloc, NULL, 0, key_len + 1);
    if (!s->name || !s->key) {
        return pk__error_memory(err, "open a secure connection");
    }
    (void)snprintf(s->key, key_len + 1, "%" PK_FMT " %" PK_FMT, PK_ARG(d->key), PK_ARG(name));
    return PK_OK;
}

static pk_err pk__tls_prepare(pk__tls_session *s, const pk__secure_desc *d, pk_error *err)
{
    pk_err rc = s->is_server ? PK_OK : pk__tls_prepare_client(s, d, err);
    if (rc) {
        return rc;
    }
    s->conf = s->is_server ? s->material->server : s->material->client;
    mbedtls_ssl_conf_verify(&s->conf, pk__tls_on_certificate, s);
    if (s->is_server) {
        mbedtls_ssl_conf_sni(&s->conf, pk__tls_on_name, s);
        mbedtls_ssl_conf_session_tickets_cb(&s->conf, pk__tls_ticket_write, pk__tls_ticket_parse, s);
    }
    if (mbedtls_ssl_setup(&s->ssl, &s->conf) != 0 ||
        (!s->is_server && mbedtls_ssl_set_hostname(&s->ssl, pk__tls_is_host(s->name) ? s->name : NULL) != 0)) {
        return pk__error_memory(err, "open a secure connection");
    }
    mbedtls_ssl_set_bio(&s->ssl, s, pk__tls_on_send, pk__tls_on_recv, NULL);
    if (!s->is_server) {
        pk__tls_resume(s);
    }
    return PK_OK;
}

static pk_err pk__tls_open(pk_tls *tls, const pk__secure_desc *desc, pk__secure **out, pk_error *err)
{
    pk__tls_material *m = pk__tls_hold(tls);
    pk__tls_session *s = (pk__tls_session *)pk__new(m->alloc, sizeof(*s));
    *out = NULL;
    if (!s) {
        pk__tls_let_go(tls, m);
        return pk__error_memory(err, "open a secure connection");
    }
    s->secure.table = tls->table;
    s->tls = tls;
    s->material = m;
    s->below = desc->below;
    s->is_server = desc->is_server;
    s->mem.alloc = m->alloc;
    mbedtls_ssl_init(&s->ssl);
    pk_err rc = pk__tls_prepare(s, desc, err);
    if (rc) {
        pk__tls_close(&s->secure);
        return rc;
    }
    *out = &s->secure;
    return PK_OK;
}

static pk_err pk__tls_check(pk_tls *tls, bool is_server, pk_error *err)
{
    pk__tls_material *m = pk__tls_hold(tls);
    pk_err rc = PK_OK;
    if (is_server && m->own_count == 0) {
        rc = pk_error_set(err, PK_ERR_CONFIG, "cannot serve by TLS: there is no certificate (certs)");
    } else if (!is_server && !m->has_trust) {
        rc = pk_error_set(err, PK_ERR_CONFIG, "cannot call by TLS: nobody is trusted (trust)");
    }
    pk__tls_let_go(tls, m);
    return rc;
}

/* ---- handshake */

/* Done, as far as the protocol goes. Is it somebody we want? */
static pk_err pk__tls_admit(pk__tls_session *s, pk_error *err)
{
    pk__tls_material *m = s->material;
    pk_tls_peer *p = &s->peer;
    s->is_resumed = s->is_resumed && !s->is_checked;
    bool is_known = s->is_checked || s->is_resumed;
    if (!is_known) { // also of a ticket that was read and then not used
        memset(p, 0, sizeof(*p));
    }
    if ((m->has_trust || !s->is_server) && (!is_known || p->certificate.len == 0)) {
        return pk_error_set(err, PK_ERR_HANDSHAKE, "nobody knows whose certificate it was");
    }
    if (p->certificate.len == 0) {
        static const pk_str none = PK_STR_INIT("");
        p->name = p->subject = p->certificate = p->fingerprint = none;
    }
    p->version = mbedtls_ssl_get_version(&s->ssl);
    p->cipher = mbedtls_ssl_get_ciphersuite(&s->ssl);
    p->is_server = !s->is_server;
    p->is_resumed = s->is_resumed;
    pk_err rc = m->on_peer ? m->on_peer(m->user, p, err) : PK_OK;
    if (rc) {
        (void)mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED);
    }
    return rc;
}

static pk_io pk__tls_shake_failed(pk__tls_session *s, int code, pk_error *err)
{
    pk_error own;
    memset(&own, 0, sizeof(own));
    s->state = PK__TLS_BROKEN;
    (void)pk__tls_shake_error(s, code, &own);
    if (!s->is_server && s->is_resumed) {
        pk__tls_forget(s);
    }
    /* Who connects and says nothing has not failed at anything. */
    if (s->is_server && s->looked && s->material->on_refused) {
        s->material->on_refused(s->material->user, &own);
    }
    (void)pk__error_copy(err, &own);
    return PK_IO_FAILED;
}

static pk_io pk__tls_shake(pk__secure *secure, pk_error *err)
{
    pk__tls_session *s = pk__tls_of(secure);
    pk_error why;
    memset(&why, 0, sizeof(why));
    s->is_dry = false;
    s->may_wait = false;
    int code;
    do {
        code = mbedtls_ssl_handshake(&s->ssl);
    } while (code == MBEDTLS_ERR_SSL_WANT_READ && !pk__tls_wants_read(s, code));
    switch (code) {
    case 0: break;
    case MBEDTLS_ERR_SSL_WANT_READ: return PK_IO_WANT_READ;
    case MBEDTLS_ERR_SSL_WANT_WRITE: return PK_IO_WANT_WRITE;
    default: return pk__tls_shake_failed(s, code, err);
    }
    if (pk__tls_admit(s, &why)) {
        (void)snprintf(s->why, sizeof(s->why), "%.*s", PK__TLS_WHY - 1, why.msg);
        return pk__tls_shake_failed(s, 0, err);
    }
    s->state = PK__TLS_OPEN;
    secure->peer = &s->peer;
    if (!s->is_server && !PK__TLS_IS_13(&s->ssl)) {
        pk__tls_keep(s); // in 1.3 tickets come later
    }
    return PK_IO_DONE;
}

/* ---- bytes */

/* Nothing more can be read. What had come before was given first. */
static pk_io pk__tls_ended(pk__tls_session *s, pk_error *err)
{
    if (s->state == PK__TLS_ENDED) {
        return PK_IO_CLOSED;
    }
    (void)pk__tls_bytes_error(s, s->broken_by, err);
    return PK_IO_FAILED;
}

static pk_io pk__tls_recv(pk__secure *secure, void *buf, size_t cap, bool wait, size_t *got, pk_error *err)
{
    pk__tls_session *s = pk__tls_of(secure);
    *got = 0;
    s->may_wait = wait;
    s->is_dry = false;
    secure->wants_write = false;
    while (*got < cap && s->state == PK__TLS_OPEN) {
        int n = mbedtls_ssl_read(&s->ssl, (unsigned char *)buf + *got, cap - *got);
        if (n > 0) {
            *got += (size_t)n;
            s->may_wait = false;
        } else if (pk__tls_wants_read(s, n) || n == MBEDTLS_ERR_SSL_WANT_WRITE) {
            if (*got > 0) {
                break;
            }
            secure->wants_write = n == MBEDTLS_ERR_SSL_WANT_WRITE;
            return secure->wants_write ? PK_IO_WANT_WRITE : PK_IO_WANT_READ;
        } else if (PK__TLS_IS_TICKET(n)) {
            pk__tls_keep(s);
        } else if (n != MBEDTLS_ERR_SSL_WANT_READ) {
            s->state = n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? PK__TLS_ENDED : PK__TLS_BROKEN;
            s->broken_by = n;
        }
    }
    return *got > 0 ? PK_IO_DONE : pk__tls_ended(s, err);
}

static int pk__tls_write(pk__tls_session *s, pk_str part)
{
    size_t len = part.len;
    if (s->committed > 0) {
        PK__ASSERT(s->committed <= len);
        len = PK__MIN(len, s->committed);
    } else {
        int most = mbedtls_ssl_get_max_out_record_payload(&s->ssl);
        len = most > 0 ? PK__MIN(len, (size_t)most) : len;
    }
    s->is_dry = false;
    int n = mbedtls_ssl_write(&s->ssl, (const unsigned char *)part.ptr, len);
    s->committed = n == MBEDTLS_ERR_SSL_WANT_WRITE || n == MBEDTLS_ERR_SSL_WANT_READ ? len : 0;
    return n;
}

static pk_io pk__tls_send(pk__secure *secure, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    pk__tls_session *s = pk__tls_of(secure);
    *sent = 0;
    for (size_t i = 0; i < count; i++) {
        pk_str part = parts[i];
        while (part.len > 0) {
            int n = s->state == PK__TLS_BROKEN ? s->broken_by : pk__tls_write(s, part);
            if (n == MBEDTLS_ERR_SSL_WANT_WRITE || n == MBEDTLS_ERR_SSL_WANT_READ) {
                return *sent > 0 ? PK_IO_DONE : n == MBEDTLS_ERR_SSL_WANT_WRITE ? PK_IO_WANT_WRITE : PK_IO_WANT_READ;
            }
            if (n <= 0) {
                /* The peer may have said why before it hung up: that is still to be read. */
                (void)pk__tls_bytes_error(s, n, err);
                return PK_IO_FAILED;
            }
            *sent += (size_t)n;
            part.ptr += n;
            part.len -= (size_t)n;
        }
    }
    return PK_IO_DONE;
}

/* ---- the end */

static pk_io pk__tls_end(pk__secure *secure)
{
    pk__tls_session *s = pk__tls_of(secure);
    if (s->end_said || (s->state != PK__TLS_OPEN && s->state != PK__TLS_ENDED)) {
        return PK_IO_DONE;
    }
    bool was_held_up = s->committed > 0; // then the first call sends only that
    int code = mbedtls_ssl_close_notify(&s->ssl);
    if (code == 0 && was_held_up) {
        s->committed = 0;
        code = mbedtls_ssl_close_notify(&s->ssl);
    }
    s->end_said = code == 0;
    s->committed = code == MBEDTLS_ERR_SSL_WANT_WRITE ? 1 : 0;
    return code == MBEDTLS_ERR_SSL_WANT_WRITE ? PK_IO_WANT_WRITE : code == 0 ? PK_IO_DONE : PK_IO_FAILED;
}

/* Receives ahead, which changes nothing for who reads later. */
static bool pk__tls_is_gone(pk__secure *secure)
{
    pk__tls_session *s = pk__tls_of(secure);
    size_t got = 0;
    if (s->state != PK__TLS_OPEN || s->is_eof) {
        return true;
    }
    if (s->at == s->end) {
        s->at = 0;
        s->end = 0;
    }
    if (s->end == PK__TLS_AHEAD) {
        return false;
    }
    s->may_wait = false;
    pk_io io = pk__tls_receive(s, s->ahead + s->end, PK__TLS_AHEAD - s->end, &got);
    s->end += io == PK_IO_DONE ? got : 0;
    return io == PK_IO_CLOSED || io == PK_IO_FAILED;
}

PK__FN const pk__secure_table *pk__tls_table(void)
{
    static const pk__secure_table table = {pk__tls_check, pk__tls_open, pk__tls_shake,  pk__tls_recv,
                                           pk__tls_send,  pk__tls_end,  pk__tls_is_gone, pk__tls_close};
    return &table;
}
#endif

/* == net/tls_error.c == */
/* tls_error.c - why there is no secure connection, in words. */
#ifdef PLUGKIT_LINES
#line 1 "src/net/tls_error.c"
#endif

#ifdef PLUGKIT_WITH_TLS


#include <stdio.h>
#include <string.h>

PK__FN pk_err pk__tls_source_error(const char *what, const char *which, int code, pk_error *err)
{
    static const struct {
        int code;
        const char *text;
    } rows[] = {
        {MBEDTLS_ERR_X509_ALLOC_FAILED, "out of memory"},
        {MBEDTLS_ERR_PEM_ALLOC_FAILED, "out of memory"},
        {MBEDTLS_ERR_PK_ALLOC_FAILED, "out of memory"},
        {MBEDTLS_ERR_PK_PASSWORD_REQUIRED, "it needs a password"},
        {MBEDTLS_ERR_PK_PASSWORD_MISMATCH, "the password is wrong"},
        {MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT, "it is neither PEM nor DER"},
        {MBEDTLS_ERR_PK_KEY_INVALID_FORMAT, "it is neither PEM nor DER"},
        {MBEDTLS_ERR_X509_CERT_UNKNOWN_FORMAT, "it is neither PEM nor DER"},
        {MBEDTLS_ERR_X509_INVALID_FORMAT, "it is neither PEM nor DER"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        if (rows[i].code == code) {
            return pk_error_set(err, i < 3 ? PK_ERR_NO_MEMORY : PK_ERR_CONFIG, "cannot read %s '%.150s': %s", what,
                                which, rows[i].text);
        }
    }
    if (code > 0) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot read %s '%.150s': %d of it are malformed", what, which, code);
    }
    return pk_error_set(err, PK_ERR_CONFIG, "cannot read %s '%.150s': it is malformed (mbedTLS -0x%04x)", what, which,
                        (unsigned)-code);
}

/* ---- alerts: what the peer has against us */

static const char *pk__tls_alert(int alert)
{
    switch (alert) {
    case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE: return "it finds no cipher, version or certificate that both accept";
    case MBEDTLS_SSL_ALERT_MSG_NO_CERT:
    case 116: return "it wants a certificate, and none was shown"; // certificate_required
    case MBEDTLS_SSL_ALERT_MSG_BAD_CERT: return "it does not accept our certificate";
    case MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT:
        return "our certificate is not meant for this use, or of a kind that it does not know";
    case MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED: return "our certificate has been revoked";
    case MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED: return "our certificate has expired, or is not valid yet";
    case MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN: return "it does not accept our certificate";
    case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA: return "it does not trust the authority of our certificate";
    case MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED: return "it knows who we are, and does not let us in";
    case MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR: return "it finds a signature or a key wrong";
    case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION: return "it does not speak a version of TLS that we speak";
    case MBEDTLS_SSL_ALERT_MSG_INSUFFICIENT_SECURITY: return "our ciphers are too weak for it";
    case MBEDTLS_SSL_ALERT_MSG_INAPROPRIATE_FALLBACK: return "it speaks a better version than we asked for";
    case MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME: return "it is not called by the name that we asked for";
    case MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL: return "it does not speak http/1.1 there";
    case MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR: return "it has trouble of its own";
    default: return NULL;
    }
}

static void pk__tls_say_alert(const pk__tls_session *s, char *out, size_t cap)
{
    int alert = s->ssl.PK__TLS_PRIVATE(in_msg)[1];
    const char *text = pk__tls_alert(alert);
    /* TLS 1.2 has no word of its own for a certificate that is missing. */
    bool has_none = alert == MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE && !s->is_server && s->material->own_count == 0;
    if (text) {
        (void)snprintf(out, cap, "the peer refuses: %s%s", text,
                       has_none ? "; it may want one, and there is none" : "");
    } else {
        (void)snprintf(out, cap, "the peer refuses: alert %d", alert);
    }
}

/* ---- mbedTLS */

static void pk__tls_say_certificate(const pk__tls_session *s, char *out, size_t cap)
{
    char why[PK__TLS_WHY];
    if (s->why[0]) {
        (void)snprintf(out, cap, "the peer's certificate is refused: %s", s->why);
        return;
    }
    pk__tls_flags_text(why, sizeof(why), mbedtls_ssl_get_verify_result(&s->ssl));
    (void)snprintf(out, cap, "the peer's certificate is refused: %s", why);
}

static void pk__tls_say_code(const pk__tls_session *s, int code, char *out, size_t cap)
{
    switch (code) {
    case MBEDTLS_ERR_SSL_CONN_EOF: (void)snprintf(out, cap, "the connection was closed"); return;
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: pk__tls_say_alert(s, out, cap); return;
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
    case PK__TLS_BAD_CERT: pk__tls_say_certificate(s, out, cap); return;
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE: (void)snprintf(out, cap, "the client shows no certificate"); return;
    case PK__TLS_BAD_VERSION:
        (void)snprintf(out, cap, "the peer speaks no version of TLS that is accepted here");
        return;
    case PK__TLS_NO_CIPHER: (void)snprintf(out, cap, "there is no cipher or signature that both accept"); return;
    case MBEDTLS_ERR_ECP_VERIFY_FAILED:
    case MBEDTLS_ERR_RSA_VERIFY_FAILED:
        (void)snprintf(out, cap, "the peer's signature is wrong: it does not have the key of its certificate");
        return;
    case MBEDTLS_ERR_SSL_INVALID_MAC: (void)snprintf(out, cap, "a record was forged or damaged"); return;
    default: (void)snprintf(out, cap, "the peer breaks the protocol (mbedTLS -0x%04x)", (unsigned)-code); return;
    }
}

static bool pk__tls_is_memory(int code)
{
    return code == MBEDTLS_ERR_SSL_ALLOC_FAILED || code == MBEDTLS_ERR_X509_ALLOC_FAILED ||
           code == MBEDTLS_ERR_MPI_ALLOC_FAILED || code == MBEDTLS_ERR_ECP_ALLOC_FAILED ||
           code == MBEDTLS_ERR_PK_ALLOC_FAILED || code == MBEDTLS_ERR_MD_ALLOC_FAILED ||
           code == MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
}

PK__FN pk_err pk__tls_shake_error(const pk__tls_session *s, int code, pk_error *err)
{
    char why[PK__TLS_WHY + 40];
    bool is_eof = code == MBEDTLS_ERR_SSL_CONN_EOF;
    pk_err rc = is_eof ? PK_ERR_PLUGIN_CONNECTION : PK_ERR_HANDSHAKE;
    if (pk__tls_is_memory(code)) {
        return pk__error_memory(err, "make a secure connection");
    }
    if (s->is_foreign) {
        (void)snprintf(why, sizeof(why), "the peer does not speak TLS%s", s->secure.is_plain ? ", but plain HTTP" : "");
    } else if (code == 0) {
        (void)snprintf(why, sizeof(why), "the peer is refused: %s", s->why);
    } else {
        pk__tls_say_code(s, code, why, sizeof(why));
    }
    if (is_eof && s->sys_errno != 0) {
        return pk_error_sys(err, rc, s->sys_errno, "cannot %s '%.100s' securely", s->is_server ? "serve" : "connect to",
                            s->is_server ? "a client" : s->key);
    }
    if (s->is_server) {
        return pk_error_set(err, rc, "cannot serve a connection: %s", why);
    }
    return pk_error_set(err, rc, "cannot connect to '%.100s' securely: %s", s->key, why);
}

PK__FN pk_err pk__tls_bytes_error(const pk__tls_session *s, int code, pk_error *err)
{
    char why[PK__TLS_WHY + 40];
    if (pk__tls_is_memory(code)) {
        return pk__error_memory(err, "go on with a secure connection");
    }
    if (code == MBEDTLS_ERR_SSL_CONN_EOF) {
        return s->sys_errno != 0
                   ? pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, s->sys_errno, "cannot go on")
                   : pk_error_set(err, PK_ERR_PLUGIN_CONNECTION,
                                  "cannot go on: the connection was cut: it ended without a word (no close_notify)");
    }
    pk__tls_say_code(s, code, why, sizeof(why));
    return pk_error_set(err, PK_ERR_HANDSHAKE, "cannot go on: %s", why);
}
#endif

/* == rpc/types.h == */
/* types.h - the struct tables of api/types.h at work: JSON text straight into structs, and back.
 *
 * A pk_type is a table that the macros make at compile time: each field has its JSON key, shape, type and offsets. The
 * decoder copies the text once into the pk_mem and walks copy and table together: no tree in between, strings and free
 * JSON are views into the copy, unescaped in place. Lists and maps are counted first and then get their memory in one
 * piece. Usually the keys come in the order of the table, so the search for a field begins behind the last one.
 *
 * There is no switch over kinds: each type has a codec and each field a shape (types_table.c), so a program is linked
 * with what the tables in it lead to. One without a double has no arithmetic of doubles.
 *
 * Both directions recurse as deep as the types are nested, which the programmer decided; foreign input only decides
 * about values that nobody asked for, and those are skipped without recursion. A path, one link on the stack a level,
 * becomes the words of an error: "cannot decode settings: servers[2].port: expected integer, got "80"". */
#ifdef PLUGKIT_LINES
#line 13 "src/rpc/types.h"
#endif




/* Where in a value we are: a member's name, or an index if the name is "". */
typedef struct pk__types_path {
    const struct pk__types_path *up; // NULL = the root, which has neither
    pk_str name;
    size_t index;
} pk__types_path;

/* The members that PK_STRUCT declares for lists and maps, with all pointers alike: they are copied, not cast. */
typedef struct pk__types_list {
    void *items;
    size_t count;
} pk__types_list;

typedef struct pk__types_map {
    pk_str *keys;
    void *values;
    size_t count;
} pk__types_map;

PK__FN size_t pk__types_path_text(const pk__types_path *path, char *out, size_t cap); // "servers[2].port"
/* "cannot <verb> <type>: <path>: <reason>", PK_ERR_SERIALIZE. */
PK__FN pk_err pk__types_fail(pk_error *err, const char *verb, const pk_type *root, const pk__types_path *path,
                             const char *reason);
/* Stores an enum's value, as wide as the compiler made the enum. */
PK__FN void pk__types_enum_set(const pk_type *type, void *at, int value);

/* What the tables lead to. The value at the cursor goes into *value, which holds anything; false: the reason is set. */
typedef struct pk__types_in pk__types_in;
#define PK__TYPES_READ(name)                                                                                  \
    PK__FN bool pk__types_read_##name(pk__types_in *in, const pk__types_path *path, const pk_type *type, void *value)
PK__TYPES_READ(struct);
PK__TYPES_READ(enum);
PK__TYPES_READ(str);
PK__TYPES_READ(b64);
PK__TYPES_READ(json);
PK__TYPES_READ(ns);
PK__TYPES_READ(bool);
PK__TYPES_READ(int);
PK__TYPES_READ(uint64);
PK__TYPES_READ(double);
PK__TYPES_READ(none);
PK__TYPES_READ(blob);
#define PK__TYPES_READ_SHAPE(name)                                                                            \
    PK__FN bool pk__types_read_##name(pk__types_in *in, const pk__types_path *path, const pk_field *field, char *object)
PK__TYPES_READ_SHAPE(req);
PK__TYPES_READ_SHAPE(opt);
PK__TYPES_READ_SHAPE(list);
PK__TYPES_READ_SHAPE(map);

typedef struct pk__types_out pk__types_out;
#define PK__TYPES_WRITE(name)                                                                                 \
    PK__FN bool pk__types_write_##name(pk__types_out *out, const pk__types_path *path, const pk_type *type,   \
                                       const void *value)
PK__TYPES_WRITE(struct);
PK__TYPES_WRITE(enum);
PK__TYPES_WRITE(str);
PK__TYPES_WRITE(b64);
PK__TYPES_WRITE(json);
PK__TYPES_WRITE(bool);
PK__TYPES_WRITE(int32);
PK__TYPES_WRITE(uint32);
PK__TYPES_WRITE(int64);
PK__TYPES_WRITE(uint64);
PK__TYPES_WRITE(double);
PK__TYPES_WRITE(none);
PK__TYPES_WRITE(blob);
#define PK__TYPES_WRITE_SHAPE(name)                                                                           \
    PK__FN bool pk__types_write_##name(pk__types_out *out, const pk__types_path *path, const pk_field *field, \
                                       const char *object)
PK__TYPES_WRITE_SHAPE(req);
PK__TYPES_WRITE_SHAPE(opt);
PK__TYPES_WRITE_SHAPE(list);
PK__TYPES_WRITE_SHAPE(map);



/* == rpc/types.c == */
/* types.c - what both directions need. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/types.c"
#endif







PK__FN size_t pk__types_path_text(const pk__types_path *path, char *out, size_t cap)
{
    if (!path || !path->up) {
        out[0] = '\0';
        return 0;
    }
    size_t len = pk__types_path_text(path->up, out, cap);
    int more;
    if (path->name.ptr) {
        char name[68];
        (void)pk__error_clean(name, sizeof(name), path->name);
        more = snprintf(out + len, cap - len, "%s%s", len > 0 ? "." : "", name);
    } else {
        more = snprintf(out + len, cap - len, "[%zu]", path->index);
    }
    return more < 0 ? len : PK__MIN(len + (size_t)more, cap - 1);
}

PK__FN pk_err pk__types_fail(pk_error *err, const char *verb, const pk_type *root, const pk__types_path *path,
                             const char *reason)
{
    char where[128];
    size_t len = pk__types_path_text(path, where, sizeof(where));
    return pk_error_set(err, PK_ERR_SERIALIZE, "cannot %s %s: %s%s%s", verb, root->name, where, len > 0 ? ": " : "",
                        reason);
}

PK__FN void pk__types_enum_set(const pk_type *type, void *at, int value)
{
    uint8_t one = (uint8_t)value;
    uint16_t two = (uint16_t)value;
    if (type->size == sizeof(one)) {
        memcpy(at, &one, sizeof(one));
    } else if (type->size == sizeof(two)) {
        memcpy(at, &two, sizeof(two));
    } else {
        memcpy(at, &value, sizeof(value));
    }
}

/* == rpc/types_read.c == */
/* types_read.c - JSON text into structs. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/types_read.c"
#endif











struct pk__types_in {
    pk__json_reader json; // over the copy
    const char *at;       // the cursor
    pk_str text;          // what the caller passed: never changed
    pk_mem *mem;
    const pk_type *root;
    pk_error *err;
    pk_err failed; // what the JSON reader does not know about
};

static bool pk__types_no_memory(pk__types_in *in)
{
    in->failed = pk__error_memory(in->err, "decode JSON");
    return false;
}

/* The value at `value` is not what the table says. If it is no JSON either, that is the error. */
static bool pk__types_mismatch(pk__types_in *in, const pk__types_path *path, const char *value, const char *expected)
{
    pk__json_reader r; // over the original: the copy may be unescaped here
    pk__json_begin(&r, in->text);
    r.depth = in->json.depth;
    const char *p = r.begin + (value - in->json.begin);
    const char *end = pk__json_value(&r, p, NULL);
    if (!end) {
        (void)pk__json_wrong(&in->json, in->json.begin + (r.wrong - r.begin), r.expected);
        in->json.failed = r.failed;
        return false;
    }
    char got[48], reason[160];
    pk_str text = {p, (size_t)(end - p)};
    (void)pk__error_clean(got, sizeof(got), text);
    (void)snprintf(reason, sizeof(reason), "expected %s, got %s", expected, got);
    in->failed = pk__types_fail(in->err, "decode", in->root, path, reason);
    return false;
}

/* The string at the cursor, unescaped, with a NUL behind it. */
static bool pk__types_read_text(pk__types_in *in, pk_str *out)
{
    char *text = (char *)in->at + 1; // of the copy, which is ours
    const char *p = pk__json_string(&in->json, in->at);
    if (!p) {
        return false;
    }
    out->ptr = text;
    out->len = (size_t)(p - 1 - text);
    if (in->json.escaped) {
        out->len = pk__json_unescape(text, out->len);
    }
    text[out->len] = '\0';
    in->at = p;
    return true;
}

static bool pk__types_read_string(pk__types_in *in, const pk__types_path *path, const char *expected, pk_str *out)
{
    if (pk__json_peek(&in->json, in->at) != '"') {
        return pk__types_mismatch(in, path, in->at, expected);
    }
    return pk__types_read_text(in, out);
}

PK__TYPES_READ(str)
{
    (void)type;
    return pk__types_read_string(in, path, "string", (pk_str *)value);
}

/* The bytes are put where the text was. */
PK__TYPES_READ(b64)
{
    static const char expected[] = "base64 text";
    char *first = (char *)in->at;
    pk_b64 *bytes = (pk_b64 *)value;
    (void)type;
    if (!pk__types_read_string(in, path, expected, bytes)) {
        return false;
    }
    return pk__base64_decode(*bytes, PK__BASE64_STD, first + 1, &bytes->len) ||
           pk__types_mismatch(in, path, first, expected);
}

PK__TYPES_READ(enum)
{
    const char *first = in->at;
    pk_str text = {NULL, 0};
    if (pk__json_peek(&in->json, first) == '"' && !pk__types_read_text(in, &text)) {
        return false;
    }
    char expected[96] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < type->count; i++) {
        if (text.ptr && pk_str_is(text, type->names[i].json)) {
            pk__types_enum_set(type, value, type->names[i].value);
            return true;
        }
        if (len < sizeof(expected)) { // a long list is cut
            len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%s\"%s\"", len > 0 ? ", " : "one of ",
                                    type->names[i].json);
        }
    }
    return pk__types_mismatch(in, path, first, expected);
}

/* The number at the cursor; BAD if there is none. The cursor goes behind it. */
static pk__number_kind pk__types_scan_number(pk__types_in *in, pk_str *text)
{
    const char *p = in->at;
    pk__number_kind kind = pk__number_scan(&p, in->json.end);
    text->ptr = in->at;
    text->len = (size_t)(p - in->at);
    in->at = kind == PK__NUMBER_BAD ? in->at : p;
    return kind;
}

PK__TYPES_READ(uint64)
{
    const char *first = in->at;
    pk_str text;
    (void)type;
    if (pk__types_scan_number(in, &text) != PK__NUMBER_INTEGER) {
        return pk__types_mismatch(in, path, first, "integer");
    }
    return pk__number_to_uint(text, (uint64_t *)value) ||
           pk__types_mismatch(in, path, first, "integer from 0 to 18446744073709551615");
}

PK__TYPES_READ(int)
{
    const char *first = in->at, *expected = "integer";
    pk_str text;
    int64_t i = 0;
    if (pk__types_scan_number(in, &text) != PK__NUMBER_INTEGER) {
        return pk__types_mismatch(in, path, first, expected);
    }
    bool fits = pk__number_to_int(text, &i);
    if (type->kind == PK_TYPE_I32) {
        fits = fits && i >= INT32_MIN && i <= INT32_MAX;
        *(int32_t *)value = fits ? (int32_t)i : 0;
        expected = "integer from -2147483648 to 2147483647";
    } else if (type->kind == PK_TYPE_U32) {
        fits = fits && i >= 0 && i <= UINT32_MAX;
        *(uint32_t *)value = fits ? (uint32_t)i : 0;
        expected = "integer from 0 to 4294967295";
    } else {
        *(int64_t *)value = fits ? i : 0;
        expected = "integer of 64 bits";
    }
    return fits || pk__types_mismatch(in, path, first, expected);
}

PK__TYPES_READ(double)
{
    const char *first = in->at;
    pk_str text;
    (void)type;
    if (pk__types_scan_number(in, &text) == PK__NUMBER_BAD) {
        return pk__types_mismatch(in, path, first, "number");
    }
    return pk__number_to_double(text, (double *)value) ||
           pk__types_mismatch(in, path, first, "number that a double can hold");
}

/* A duration: a number of nanoseconds, or text. What is behind a point is less than one of them. */
PK__TYPES_READ(ns)
{
    const char *first = in->at;
    pk_str text;
    bool good;
    (void)type;
    if (pk__json_peek(&in->json, first) == '"') {
        if (!pk__types_read_text(in, &text)) {
            return false;
        }
        good = pk__duration_parse(text, (pk_ns *)value);
    } else {
        good = pk__types_scan_number(in, &text) != PK__NUMBER_BAD && pk__number_to_whole(text, (pk_ns *)value);
    }
    return good || pk__types_mismatch(in, path, first, "duration such as \"1m30s\"");
}

PK__TYPES_READ(bool)
{
    size_t left = (size_t)(in->json.end - in->at);
    bool yes = left >= 4 && memcmp(in->at, "true", 4) == 0;
    (void)type;
    if (!yes && (left < 5 || memcmp(in->at, "false", 5) != 0)) {
        return pk__types_mismatch(in, path, in->at, "true or false");
    }
    *(bool *)value = yes;
    in->at += yes ? 4 : 5;
    return true;
}

/* Goes over a value that nobody looks into. */
static bool pk__types_skip(pk__types_in *in)
{
    const char *p = pk__json_value(&in->json, in->at, NULL);
    in->at = p ? p : in->at;
    return p != NULL;
}

PK__TYPES_READ(none)
{
    (void)path, (void)type, (void)value;
    return pk__types_skip(in);
}

PK__TYPES_READ(json)
{
    pk_json *json = (pk_json *)value;
    (void)path, (void)type;
    json->ptr = in->at;
    if (!pk__types_skip(in)) {
        return false;
    }
    json->len = (size_t)(in->at - json->ptr);
    return true;
}

PK__TYPES_READ(blob)
{
    (void)path, (void)value;
    in->failed = pk_error_set(in->err, PK_ERR_MISUSE, "cannot decode %s: it is raw bytes, not JSON", type->name);
    return false;
}

/* ---- containers */

static bool pk__types_open(pk__types_in *in, const pk__types_path *path, char bracket, bool *more)
{
    if (pk__json_peek(&in->json, in->at) != bracket) {
        return pk__types_mismatch(in, path, in->at, bracket == '{' ? "object" : "array");
    }
    const char *p = pk__json_open(&in->json, in->at, more);
    in->at = p ? p : in->at;
    return p != NULL;
}

/* Behind an item: goes over a comma or the closing bracket, and to what follows the comma. */
static bool pk__types_more(pk__types_in *in, char bracket, bool *more)
{
    const char *p = pk__json_more(&in->json, in->at, bracket, more);
    if (p) {
        in->at = *more ? pk__json_space(p, in->json.end) : p;
    }
    return p != NULL;
}

/* Goes over a member's key, its colon, and the space in front of the value. */
static bool pk__types_key(pk__types_in *in, pk_str *key)
{
    const char *p = pk__json_key(&in->json, in->at, key);
    if (!p) {
        return false;
    }
    char *text = (char *)key->ptr; // of the copy
    if (in->json.escaped) {
        key->len = pk__json_unescape(text, key->len);
    }
    text[key->len] = '\0';
    in->at = pk__json_space(p, in->json.end);
    return true;
}

static bool pk__types_is_null(const pk__types_in *in)
{
    return in->json.end - in->at >= 4 && memcmp(in->at, "null", 4) == 0;
}

/* How many items the container at the cursor has. Nothing is touched. */
static bool pk__types_count(pk__types_in *in, const pk__types_path *path, char bracket, size_t *count)
{
    pk__types_in ahead = *in;
    bool more = false, good = pk__types_open(&ahead, path, bracket, &more);
    pk_str key;
    for (*count = 0; good && more; ++*count) {
        if (bracket == '{') {
            const char *p = pk__json_key(&ahead.json, ahead.at, &key);
            good = p != NULL;
            ahead.at = p ? p : ahead.at;
        }
        good = good && pk__types_skip(&ahead) && pk__types_more(&ahead, (char)(bracket + 2), &more);
    }
    if (!good) {
        in->json = ahead.json;
        in->failed = ahead.failed;
    }
    return good;
}

/* Memory for that many items; NULL for none. */
static bool pk__types_get(pk__types_in *in, size_t count, size_t item_size, void **out)
{
    size_t size;
    *out = count > 0 && pk__size_mul(count, item_size, &size) ? pk_mem_get(in->mem, size) : NULL;
    return count == 0 || *out || pk__types_no_memory(in);
}

PK__TYPES_READ_SHAPE(list)
{
    const pk_type *type = field->type;
    pk__types_list list = {NULL, 0};
    pk__types_path item = {path, {NULL, 0}, 0};
    size_t count;
    bool more = false;
    if (!pk__types_count(in, path, '[', &count) || !pk__types_get(in, count, type->size, &list.items) ||
        !pk__types_open(in, path, '[', &more)) {
        return false;
    }
    for (; more; list.count++) {
        item.index = list.count;
        if (!type->codec->read(in, &item, type, (char *)list.items + list.count * type->size) ||
            !pk__types_more(in, ']', &more)) {
            return false;
        }
    }
    memcpy(object + field->at, &list, sizeof(list));
    return true;
}

/* ---- maps: of equal keys the last one stays */

enum { PK__TYPES_FEW = 16 }; // up to so many keys are compared with each other, more are sorted

/* By their bytes; equal ones by their place. */
static bool pk__types_key_before(const pk_str *a, const pk_str *b)
{
    size_t least = PK__MIN(a->len, b->len);
    int order = least > 0 ? memcmp(a->ptr, b->ptr, least) : 0;
    return order != 0 ? order < 0 : a->len != b->len ? a->len < b->len : a < b;
}

/* Lets the element at the top of this part of the heap sink to where it belongs. */
static void pk__types_sift(const pk_str **heap, size_t top, size_t count)
{
    for (size_t below; (below = 2 * top + 1) < count; top = below) {
        if (below + 1 < count && pk__types_key_before(heap[below], heap[below + 1])) {
            below++;
        }
        if (!pk__types_key_before(heap[top], heap[below])) {
            return;
        }
        const pk_str *swap = heap[top];
        heap[top] = heap[below];
        heap[below] = swap;
    }
}

/* Heapsort: no input makes it slow. */
static void pk__types_sort(const pk_str **keys, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) {
        pk__types_sift(keys, i, count);
    }
    while (count-- > 1) {
        const pk_str *largest = keys[0];
        keys[0] = keys[count];
        keys[count] = largest;
        pk__types_sift(keys, 0, count);
    }
}

/* Takes all but the last of equal keys out of a large map. */
static bool pk__types_unique(pk__types_in *in, pk__types_map *map, size_t item_size)
{
    size_t kept = 0, size = map->count * sizeof(pk_str *); // no overflow: there are as many keys
    const pk_str **sorted = (const pk_str **)pk_mem_get(in->mem, size);
    if (!sorted) {
        return pk__types_no_memory(in);
    }
    for (size_t i = 0; i < map->count; i++) {
        sorted[i] = &map->keys[i];
    }
    pk__types_sort(sorted, map->count);
    for (size_t i = 0; i + 1 < map->count; i++) {
        if (pk_str_eq(*sorted[i], *sorted[i + 1])) {
            map->keys[sorted[i] - map->keys].ptr = NULL;
        }
    }
    pk__mem_trim(in->mem, sorted, size, 0);
    for (size_t i = 0; i < map->count; i++) {
        if (map->keys[i].ptr) {
            map->keys[kept] = map->keys[i];
            memmove((char *)map->values + kept * item_size, (char *)map->values + i * item_size, item_size);
            kept++;
        }
    }
    map->count = kept;
    return true;
}

/* Where this key goes: among few keys that may be the place of an equal one. */
static size_t pk__types_slot(const pk__types_map *map, pk_str key, bool few)
{
    size_t i = few ? 0 : map->count;
    while (i < map->count && !pk_str_eq(map->keys[i], key)) {
        i++;
    }
    return i;
}

PK__TYPES_READ_SHAPE(map)
{
    const pk_type *type = field->type;
    pk__types_map map = {NULL, NULL, 0};
    pk__types_path item = {path, {NULL, 0}, 0};
    size_t total;
    bool more = false;
    void *keys = NULL;
    if (!pk__types_count(in, path, '{', &total) || !pk__types_get(in, total, sizeof(pk_str), &keys) ||
        !pk__types_get(in, total, type->size, &map.values) || !pk__types_open(in, path, '{', &more)) {
        return false;
    }
    map.keys = (pk_str *)keys;
    while (more) {
        if (!pk__types_key(in, &item.name)) {
            return false;
        }
        if (pk__types_is_null(in) && type->kind != PK_TYPE_JSON) {
            in->at += 4; // as if it were not there
        } else {
            size_t slot = pk__types_slot(&map, item.name, total <= PK__TYPES_FEW);
            if (!type->codec->read(in, &item, type, (char *)map.values + slot * type->size)) {
                return false;
            }
            map.keys[slot] = item.name;
            map.count += slot == map.count;
        }
        if (!pk__types_more(in, '}', &more)) {
            return false;
        }
    }
    if (total > PK__TYPES_FEW && map.count > 1 && !pk__types_unique(in, &map, type->size)) {
        return false;
    }
    memcpy(object + field->at, &map, sizeof(map));
    return true;
}

/* ---- structs */

PK__TYPES_READ_SHAPE(req)
{
    return field->type->codec->read(in, path, field->type, object + field->at);
}

PK__TYPES_READ_SHAPE(opt)
{
    *(bool *)(object + field->has_at) = true;
    return pk__types_read_req(in, path, field, object);
}

/* The field of that name: senders keep the order of the table, so the search begins at the expected one. */
static uint32_t pk__types_find(const pk_type *type, pk_str key, uint32_t expected)
{
    for (uint32_t n = 0; n < type->count; n++) {
        uint32_t i = expected + n < type->count ? expected + n : expected + n - type->count;
        const char *json = type->fields[i].json;
        if (strncmp(json, key.ptr, key.len) == 0 && json[key.len] == '\0') {
            return i;
        }
    }
    return type->count;
}

/* Into an object of zeros; it may begin with a pk_mem that is in use. */
static bool pk__types_read_members(pk__types_in *in, const pk__types_path *path, const pk_type *type, char *object)
{
    uint64_t few = 0, *seen = &few; // one bit a field
    uint32_t next = 0;
    pk__types_path member = {path, {NULL, 0}, 0};
    bool more = false;
    if (type->count > 64 && !(seen = (uint64_t *)pk_mem_zero(in->mem, (type->count + 63) / 64 * sizeof(uint64_t)))) {
        return pk__types_no_memory(in);
    }
    if (!pk__types_open(in, path, '{', &more)) {
        return false;
    }
    while (more) {
        if (!pk__types_key(in, &member.name)) {
            return false;
        }
        uint32_t i = pk__types_find(type, member.name, next);
        if (i == type->count || pk__types_is_null(in)) {
            if (!pk__types_skip(in)) {
                return false;
            }
        } else {
            seen[i / 64] |= UINT64_C(1) << i % 64;
            next = i + 1 < type->count ? i + 1 : 0;
            if (!type->fields[i].shape->read(in, &member, &type->fields[i], object)) {
                return false;
            }
        }
        if (!pk__types_more(in, '}', &more)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < type->count; i++) {
        bool is_due = type->fields[i].shape->is_due && type->fields[i].type->kind != PK_TYPE_NONE;
        if (is_due && !(seen[i / 64] >> i % 64 & 1)) {
            member.name = pk_str_from(type->fields[i].json);
            in->failed = pk__types_fail(in->err, "decode", in->root, &member, "it is missing");
            return false;
        }
    }
    return true;
}

PK__TYPES_READ(struct)
{
    memset(value, 0, type->size);
    return pk__types_read_members(in, path, type, (char *)value);
}

PK_API pk_err pk_json_decode(pk_mem *mem, const pk_type *type, pk_str json, void *out, pk_error *err)
{
    pk__types_in in = {{0}, NULL, json, mem, type, err, PK_OK};
    pk__types_path path = {NULL, {NULL, 0}, 0};
    size_t head = type->has_mem ? sizeof(pk_mem) : 0;
    char what[96];
    if (type->kind == PK_TYPE_NONE) {
        return PK_OK;
    }
    pk_str copy = pk_mem_dup(mem, json);
    if (!copy.ptr) {
        return pk__error_memory(err, "decode JSON");
    }
    pk__json_begin(&in.json, copy);
    in.at = pk__json_space(in.json.begin, in.json.end);
    if (type->kind != PK_TYPE_BLOB) {
        memset((char *)out + head, 0, type->size - head);
    }
    bool good = type->kind == PK_TYPE_STRUCT ? pk__types_read_members(&in, &path, type, (char *)out)
                                             : type->codec->read(&in, &path, type, out);
    if (good && pk__json_end(&in.json, in.at)) {
        return PK_OK;
    }
    if (type->kind != PK_TYPE_BLOB) {
        memset((char *)out + head, 0, type->size - head);
    }
    (void)snprintf(what, sizeof(what), "decode %s", type->name);
    return in.json.failed ? pk__json_error(&in.json, json, what, err) : in.failed;
}

/* == rpc/types_write.c == */
/* types_write.c - structs as JSON text. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/types_write.c"
#endif





struct pk__types_out {
    pk_json_writer json;
    const pk_type *root;
    pk_error *err;
    pk_err failed; // what the writer does not know about, or not where
};

/* ---- values */

static bool pk__types_put(pk__types_out *out, const pk__types_path *path, const pk_type *type, const void *value)
{
    pk_json_writer *w = &out->json;
    if (!type->codec->write(out, path, type, value)) {
        return false;
    }
    if (w->failed && pk__json_fault_code(w) == PK_ERR_SERIALIZE) { // here and not elsewhere: say where
        out->failed = pk__types_fail(out->err, "encode", out->root, path, pk__json_fault_text(w));
    }
    return !w->failed;
}

/* The body of those that are one call to the writer, which remembers whether it failed. */
#define PK__TYPES_PUT(T, put)                                                                                 \
    {                                                                                                         \
        (void)path, (void)type;                                                                               \
        put(&out->json, *(const T *)value);                                                                   \
        return true;                                                                                          \
    }
PK__TYPES_WRITE(str) PK__TYPES_PUT(pk_str, pk_json_put_str)
PK__TYPES_WRITE(b64) PK__TYPES_PUT(pk_b64, pk_json_put_b64)
PK__TYPES_WRITE(json) PK__TYPES_PUT(pk_json, pk_json_put_raw)
PK__TYPES_WRITE(bool) PK__TYPES_PUT(bool, pk_json_put_bool)
PK__TYPES_WRITE(int32) PK__TYPES_PUT(int32_t, pk_json_put_int)
PK__TYPES_WRITE(uint32) PK__TYPES_PUT(uint32_t, pk_json_put_uint)
PK__TYPES_WRITE(int64) PK__TYPES_PUT(int64_t, pk_json_put_int)
PK__TYPES_WRITE(uint64) PK__TYPES_PUT(uint64_t, pk_json_put_uint)
PK__TYPES_WRITE(double) PK__TYPES_PUT(double, pk_json_put_double)

PK__TYPES_WRITE(none)
{
    (void)path, (void)type, (void)value;
    pk_json_put_null(&out->json);
    return true;
}

PK__TYPES_WRITE(enum)
{
    int known;
    for (uint32_t i = 0; i < type->count; i++) {
        pk__types_enum_set(type, &known, type->names[i].value);
        if (memcmp(&known, value, type->size) == 0) {
            pk_json_put_text(&out->json, type->names[i].json);
            return true;
        }
    }
    out->failed = pk__types_fail(out->err, "encode", out->root, path, "the enum's value has no name");
    return false;
}

PK__TYPES_WRITE(blob)
{
    (void)path, (void)value;
    out->failed = pk_error_set(out->err, PK_ERR_MISUSE, "cannot encode %s: it is raw bytes, not JSON", type->name);
    return false;
}

/* ---- members, keys included */

PK__TYPES_WRITE_SHAPE(req)
{
    pk_json_put_key_str(&out->json, path->name);
    return pk__types_put(out, path, field->type, object + field->at);
}

PK__TYPES_WRITE_SHAPE(opt)
{
    return !*(const bool *)(object + field->has_at) || pk__types_write_req(out, path, field, object);
}

PK__TYPES_WRITE_SHAPE(list)
{
    pk__types_list list;
    pk__types_path item = {path, {NULL, 0}, 0};
    memcpy(&list, object + field->at, sizeof(list));
    pk_json_put_key_str(&out->json, path->name);
    pk_json_put_array(&out->json);
    for (; item.index < list.count; item.index++) {
        if (!pk__types_put(out, &item, field->type, (const char *)list.items + item.index * field->type->size)) {
            return false;
        }
    }
    pk_json_put_end(&out->json);
    return true;
}

PK__TYPES_WRITE_SHAPE(map)
{
    pk__types_map map;
    pk__types_path item = {path, {NULL, 0}, 0};
    memcpy(&map, object + field->at, sizeof(map));
    pk_json_put_key_str(&out->json, path->name);
    pk_json_put_object(&out->json);
    for (size_t i = 0; i < map.count; i++) {
        item.name.ptr = map.keys[i].ptr ? map.keys[i].ptr : "";
        item.name.len = map.keys[i].len;
        pk_json_put_key_str(&out->json, item.name);
        if (!pk__types_put(out, &item, field->type, (const char *)map.values + i * field->type->size)) {
            return false;
        }
    }
    pk_json_put_end(&out->json);
    return true;
}

PK__TYPES_WRITE(struct)
{
    pk__types_path member = {path, {NULL, 0}, 0};
    bool good = true;
    pk_json_put_object(&out->json);
    for (uint32_t i = 0; i < type->count && good; i++) {
        member.name = pk_str_from(type->fields[i].json);
        good = type->fields[i].shape->write(out, &member, &type->fields[i], (const char *)value);
    }
    pk_json_put_end(&out->json);
    return good;
}

PK_API pk_err pk_json_encode(pk_buf *buf, const pk_type *type, const void *in, pk_error *err)
{
    pk__types_out out;
    pk__types_path path = {NULL, {NULL, 0}, 0};
    size_t start = buf->len;
    if (type->kind == PK_TYPE_NONE) {
        return PK_OK;
    }
    out.root = type;
    out.err = err;
    out.failed = PK_OK;
    pk_json_write(&out.json, buf);
    if (pk__types_put(&out, &path, type, in) && !out.json.failed) {
        return PK_OK;
    }
    buf->len = start; // nothing half done
    if (out.failed) {
        return out.failed;
    }
    return pk_error_set(err, pk__json_fault_code(&out.json), "cannot encode %s: %s", type->name,
                        pk__json_fault_text(&out.json));
}

/* == rpc/types_table.c == */
/* types_table.c - the tables of the basic types, and the functions that tables lead to. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/types_table.c"
#endif


PK__DATA const pk_shape pk_shape_req = {true, pk__types_read_req, pk__types_write_req};
PK__DATA const pk_shape pk_shape_opt = {false, pk__types_read_opt, pk__types_write_opt};
PK__DATA const pk_shape pk_shape_list = {false, pk__types_read_list, pk__types_write_list};
PK__DATA const pk_shape pk_shape_map = {false, pk__types_read_map, pk__types_write_map};

PK__DATA const pk_codec pk_codec_struct = {pk__types_read_struct, pk__types_write_struct};
PK__DATA const pk_codec pk_codec_enum = {pk__types_read_enum, pk__types_write_enum};

#define PK__TYPES_BASIC(name, T, kind, reader, writer)                                                        \
    static const pk_codec pk__types_codec_##name = {pk__types_read_##reader, pk__types_write_##writer};       \
    PK__DATA const pk_type pk_type_##name = {#name, kind, (uint32_t)sizeof(T), 0, kind == PK_TYPE_BLOB,       \
                                             NULL,  NULL, &pk__types_codec_##name}
PK__TYPES_BASIC(pk_str, pk_str, PK_TYPE_STR, str, str);
PK__TYPES_BASIC(pk_b64, pk_b64, PK_TYPE_B64, b64, b64);
PK__TYPES_BASIC(pk_json, pk_json, PK_TYPE_JSON, json, json);
PK__TYPES_BASIC(pk_ns, pk_ns, PK_TYPE_NS, ns, int64);
PK__TYPES_BASIC(bool, bool, PK_TYPE_BOOL, bool, bool);
PK__TYPES_BASIC(int32_t, int32_t, PK_TYPE_I32, int, int32);
PK__TYPES_BASIC(uint32_t, uint32_t, PK_TYPE_U32, int, uint32);
PK__TYPES_BASIC(int64_t, int64_t, PK_TYPE_I64, int, int64);
PK__TYPES_BASIC(uint64_t, uint64_t, PK_TYPE_U64, uint64, uint64);
PK__TYPES_BASIC(double, double, PK_TYPE_DOUBLE, double, double);
PK__TYPES_BASIC(pk_none, pk_none, PK_TYPE_NONE, none, none);
PK__TYPES_BASIC(pk_blob, pk_blob, PK_TYPE_BLOB, blob, blob);

/* == rpc/ctx.h == */
/* ctx.h - what stands behind a pk_ctx while a call runs.
 *
 * A pk_ctx is filled by callers as a plain struct; then `impl` is NULL. The call machine (caller's side) and the server
 * (handler's side) put a pk__ctx_impl behind it as long as the call runs: the deadline as a point in time, how to find
 * out that nobody waits any more, and the headers that the handler adds to its answer.
 *
 * pk_ctx_is_canceled asks in this order: the deadline (a clock reading), the flag (one load), and `is_gone`, which a
 * server answers by looking at the socket; so it may cost a system call, and nobody else pays for it.
 *
 * An exchange that an interceptor holds back (PK_WAIT) is resumed through the pk__resumer that x->impl points to:
 * the call machine's or the server's. */
#ifdef PLUGKIT_LINES
#line 11 "src/rpc/ctx.h"
#endif






typedef struct pk__ctx_impl {
    int64_t deadline;                // by pk__clock_ns; PK_FOREVER = none
    const pk__atomic_u32 *canceled;  // not 0 = canceled; NULL = nobody can
    bool (*is_gone)(void *user);     // does the caller no longer wait? NULL = unknown; the handler's thread
    void *user;                      // for is_gone
    const pk_tls_peer *peer;         // who is on the other side of a secure connection; NULL = it is plain
    const pk_meta *in;               // headers of the request: not passed on by a handler that calls with its context
    pk_meta *out;                    // headers of the answer, in ctx->mem
    size_t out_count, out_cap;
} pk__ctx_impl;

/* pk_ctx_meta_out copies what it is given; whoever sends the answer checks whether these headers may be sent. */
PK__FN void pk__ctx_init(pk__ctx_impl *impl, int64_t deadline);
/* The deadline of a new call: timeout_ms from `now` (0 = default_ms; that 0 too = none), but never behind `outer`'s. */
PK__FN int64_t pk__ctx_deadline(const pk_ctx *outer, int64_t now, uint32_t timeout_ms, uint32_t default_ms);
/* Milliseconds from `now` to the deadline, rounded up; 0 = it has passed; UINT32_MAX = none, or further than that. */
PK__FN uint32_t pk__ctx_left_ms(int64_t deadline, int64_t now);

/* pk_exchange.impl points to one of these: how a held exchange goes on. */
typedef struct pk__resumer {
    void (*resume)(struct pk__resumer *self, pk_exchange *x, pk_verdict verdict); // any thread
} pk__resumer;



/* == rpc/error_body.h == */
/* error_body.h - errors as HTTP bodies: written in one form, read in every form that is about.
 *
 * Written: {"message":"cannot open 'x': no such file","statusCode":404,"code":"PLUGIN_3008"} and a newline, which Go
 * peers parse (they look at message and statusCode). Read, from any peer:
 *
 *     {"message":..,"statusCode":..,"code":..}   PlugKit and the Go framework
 *     {"code":"not_found","message":..}          Connect
 *     {"error":".."} {"error":{"code":..,"message":..}}   REST services
 *     anything else                              the text itself (http.Error and friends)
 *
 * What a peer wrote goes into logs and onto terminals, so it is cleaned first: one line, no control characters. */
#ifdef PLUGKIT_LINES
#line 11 "src/rpc/error_body.h"
#endif




#define PK__ERROR_BODY_MAX 1536 // room that pk__error_body_write always finds enough

/* The status that the error goes out with: its own if a handler set one (400 to 599), else that of its kind. */
PK__FN int pk__error_body_status(const pk_error *error);
/* Writes the body, newline included; returns its length. out must have PK__ERROR_BODY_MAX bytes. */
PK__FN size_t pk__error_body_write(char *out, const pk_error *error);
/* Turns an answer that is no success into *err: PK_ERR_PLUGIN_FAULT with status, app_code, retry_after_ms (from the
 * Retry-After field) and "cannot call 'who': 404 Not Found: its words". Returns the code; err may be NULL. */
PK__FN pk_err pk__error_body_read(pk_error *err, const pk_alloc *alloc, pk_str who, int status, const pk_meta *fields,
                                  size_t count, pk_str body);



/* == rpc/ctx.c == */
/* ctx.c - the accessors of pk_ctx. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/ctx.c"
#endif





PK__FN void pk__ctx_init(pk__ctx_impl *impl, int64_t deadline)
{
    memset(impl, 0, sizeof(*impl));
    impl->deadline = deadline;
}

static const pk__ctx_impl *pk__ctx_get(const pk_ctx *ctx)
{
    return ctx ? (const pk__ctx_impl *)ctx->impl : NULL;
}

PK__FN int64_t pk__ctx_deadline(const pk_ctx *outer, int64_t now, uint32_t timeout_ms, uint32_t default_ms)
{
    const pk__ctx_impl *impl = pk__ctx_get(outer);
    uint32_t ms = timeout_ms > 0 ? timeout_ms : default_ms;
    int64_t deadline = ms > 0 ? pk__clock_after_ms(now, ms) : PK_FOREVER;
    return impl ? PK__MIN(deadline, impl->deadline) : deadline;
}

PK__FN uint32_t pk__ctx_left_ms(int64_t deadline, int64_t now)
{
    if (deadline == PK_FOREVER) {
        return UINT32_MAX;
    }
    int64_t ms = deadline <= now ? 0 : (deadline - now - 1) / PK__MS + 1;
    return ms > (int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

PK_API pk_ns pk_ctx_left(const pk_ctx *ctx)
{
    const pk__ctx_impl *impl = pk__ctx_get(ctx);
    if (!impl) {
        return ctx && ctx->timeout_ms > 0 ? (pk_ns)ctx->timeout_ms * PK__MS : PK_FOREVER;
    }
    if (impl->deadline == PK_FOREVER) {
        return PK_FOREVER;
    }
    int64_t left = impl->deadline - pk__clock_ns();
    return left > 0 ? left : 0;
}

PK_API bool pk_ctx_is_canceled(const pk_ctx *ctx)
{
    const pk__ctx_impl *impl = pk__ctx_get(ctx);
    if (!impl) {
        return false;
    }
    return (impl->deadline != PK_FOREVER && pk__clock_ns() >= impl->deadline) ||
           (impl->canceled && pk__atomic_load(impl->canceled) != 0) || (impl->is_gone && impl->is_gone(impl->user));
}

PK_API pk_str pk_ctx_meta(const pk_ctx *ctx, const char *name)
{
    static const pk_str none = {"", 0};
    return ctx ? pk__http_head_find(ctx->meta, ctx->meta_count, pk_str_from(name)) : none;
}

PK_API void pk_ctx_meta_out(pk_ctx *ctx, pk_str name, pk_str value)
{
    pk__ctx_impl *impl = ctx ? (pk__ctx_impl *)ctx->impl : NULL;
    if (!impl || !ctx->mem) {
        return; // nobody would send it
    }
    if (impl->out_count == impl->out_cap) {
        size_t cap = impl->out_cap > 0 ? impl->out_cap * 2 : 4;
        pk_meta *more = (pk_meta *)pk_mem_get(ctx->mem, cap * sizeof(*more));
        if (!more) {
            return;
        }
        if (impl->out_count > 0) {
            memcpy(more, impl->out, impl->out_count * sizeof(*more));
        }
        impl->out = more;
        impl->out_cap = cap;
    }
    pk_meta field;
    field.name = pk_mem_dup(ctx->mem, name);
    field.value = pk_mem_dup(ctx->mem, value);
    if (field.name.ptr && field.value.ptr) {
        impl->out[impl->out_count++] = field;
    }
}

#ifdef PLUGKIT_WITH_TLS
PK_API const pk_tls_peer *pk_ctx_peer(const pk_ctx *ctx)
{
    return ctx && ctx->impl ? ((const pk__ctx_impl *)ctx->impl)->peer : NULL;
}
#endif

/* == rpc/error_body.c == */
/* error_body.c - errors as HTTP bodies. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/error_body.c"
#endif






enum { PK__ERROR_BODY_LOOK = 64 * 1024 }; // more than that of a foreign body is not worth reading

/* ---- writing */

PK__FN int pk__error_body_status(const pk_error *error)
{
    return error->status >= 400 && error->status <= 599 ? error->status : pk_kind_status(pk_err_kind(error->code));
}

/* Appends a JSON string; cleaned text needs no other escapes. */
static size_t pk__error_body_quote(char *out, const char *text)
{
    char clean[512];
    size_t at = 0;
    size_t len = pk__error_clean(clean, sizeof(clean), pk_str_from(text));
    out[at++] = '"';
    for (size_t i = 0; i < len; i++) {
        if (clean[i] == '"' || clean[i] == '\\') {
            out[at++] = '\\';
        }
        out[at++] = clean[i];
    }
    out[at++] = '"';
    return at;
}

static size_t pk__error_body_put(char *out, const char *text)
{
    size_t len = strlen(text);
    memcpy(out, text, len);
    return len;
}

PK__FN size_t pk__error_body_write(char *out, const pk_error *error)
{
    char status[32];
    size_t at = 0;
    (void)snprintf(status, sizeof(status), ",\"statusCode\":%d,\"code\":", pk__error_body_status(error));
    at += pk__error_body_put(out + at, "{\"message\":");
    at += pk__error_body_quote(out + at, error->msg[0] ? error->msg : pk_err_text(error->code));
    at += pk__error_body_put(out + at, status);
    at += pk__error_body_quote(out + at, error->app_code[0] ? error->app_code : pk_err_id(error->code));
    at += pk__error_body_put(out + at, "}\n");
    return at;
}

/* ---- reading */

static pk_str pk__error_body_text(const pk_json_value *v)
{
    pk_str number = pk_json_number_text(v);
    return number.len > 0 ? number : pk_json_str(v);
}

/* Finds words and code in a JSON body; false: it is none, or says nothing that we know. */
static bool pk__error_body_parse(pk_mem *mem, pk_str body, pk_str *words, pk_str *code)
{
    const pk_json_value *doc = NULL;
    if (body.len == 0 || body.len > PK__ERROR_BODY_LOOK || pk_json_parse(mem, body, &doc, NULL)) {
        return false;
    }
    const pk_json_value *inner = pk_json_get(doc, "error");
    const pk_json_value *from = pk_json_type_of(inner) == PK_JSON_OBJECT ? inner : doc;
    *words = pk_json_str(pk_json_get(from, "message"));
    *code = pk__error_body_text(pk_json_get(from, "code"));
    if (words->len == 0) {
        *words = pk_json_type_of(doc) == PK_JSON_STRING ? pk_json_str(doc) : pk_json_str(inner);
    }
    return words->len > 0 || code->len > 0;
}

/* Retry-After in seconds; the form with a date asks for our clock to agree with theirs, and is left alone. */
static uint32_t pk__error_body_retry(const pk_meta *fields, size_t count)
{
    uint64_t seconds = 0;
    pk_str value = pk__http_head_find(fields, count, pk_str_from("Retry-After"));
    if (!pk__http_head_number(value, &seconds)) {
        return 0;
    }
    return seconds > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)seconds * 1000;
}

static pk_str pk__error_body_trim(pk_str s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

PK__FN pk_err pk__error_body_read(pk_error *err, const pk_alloc *alloc, pk_str who, int status, const pk_meta *fields,
                                  size_t count, pk_str body)
{
    char name[64], said[140];
    pk_mem mem;
    pk_str words = {NULL, 0}, code = {NULL, 0};
    if (!err) {
        return PK_ERR_PLUGIN_FAULT;
    }
    memset(&mem, 0, sizeof(mem));
    mem.alloc = alloc;
    if (!pk__error_body_parse(&mem, body, &words, &code)) {
        words = body;
    }
    words = pk__error_body_trim(words);
    words.len = PK__MIN(words.len, sizeof(said)); // cleaning cuts it to fit; no need to look at megabytes
    (void)pk__error_clean(name, sizeof(name), who);
    (void)pk__error_clean(said, sizeof(said), words);
    const char *reason = pk__http_head_reason(status);
    (void)pk_error_set(err, PK_ERR_PLUGIN_FAULT, "cannot call '%s': %d%s%s%s%s", name, status, reason[0] ? " " : "",
                       reason, said[0] ? ": " : "", said);
    (void)pk__error_clean(err->app_code, sizeof(err->app_code), code);
    err->status = status;
    err->sent = PK_SENT_ANSWERED;
    err->retry_after_ms = pk__error_body_retry(fields, count);
    pk_mem_free(&mem);
    return PK_ERR_PLUGIN_FAULT;
}

/* == rpc/chain.h == */
/* chain.h - interceptors in order.
 *
 * A chain is sorted once: call scope before attempt scope, each by `order`, equals as given. Each interceptor owns
 * state_size bytes in the call, zeroed before each `before`. */
#ifdef PLUGKIT_LINES
#line 4 "src/rpc/chain.h"
#endif




typedef enum pk__chain_result { PK__CHAIN_ON, PK__CHAIN_WAIT, PK__CHAIN_TURN, PK__CHAIN_AGAIN } pk__chain_result;

/* Copies those of the scopes first..last, sorted, to a new array. *state_size is what all of them need. */
PK__FN pk_err pk__chain_create(const pk_alloc *alloc, const pk_interceptor *const *all, size_t count, pk_scope first,
                               pk_scope last, const pk_interceptor ***out, size_t *out_count, size_t *state_size,
                               pk_error *err);
PK__FN void pk__chain_destroy(const pk_alloc *alloc, const pk_interceptor **chain, size_t count);

/* Runs `before` from *at to end; *at is then one behind the last that ran. TURN: it answered or refused (x->err says
 * which). `verdict` is PK_GO, or what a waiting interceptor was resumed with. */
PK__FN pk__chain_result pk__chain_before(const pk_interceptor *const *chain, size_t *at, size_t end, char *states,
                                         pk_exchange *x, pk_verdict verdict);
/* Runs `after` from *at - 1 down to begin. AGAIN: go back to `before` of *at, after *delay_ms. */
PK__FN pk__chain_result pk__chain_after(const pk_interceptor *const *chain, size_t *at, size_t begin, char *states,
                                        pk_exchange *x, uint32_t *delay_ms);



/* == rpc/call.h == */
/* call.h - the machine that carries out one call, in a host and in a plugin alike.
 *
 * A call goes through these steps, driven by its caller's thread (pk_caller_call) or by the loop (pk_caller_start):
 *
 *     BEFORE      interceptors of call scope, in order
 *     SELECT      the router chooses an instance; PK_ERR_BUSY means: wait until the waiter is woken, then ask again
 *     TRY         interceptors of attempt scope, in order
 *     SEND        the dialect begins the attempt ...
 *     RUNNING     ... and reports head, chunks and end
 *     TRIED       interceptors of attempt scope, in reverse; the router takes the instance back
 *     AFTER       interceptors of call scope, in reverse; one of them may send the call back to BEFORE after a delay
 *     DONE        exactly one outcome
 *
 * pk__call_advance moves a call until it must wait or is done; whoever ends the wait pokes it. What only one side
 * knows (which plugins there are) is behind pk__router. A blocking call over a dialect with `run` never leaves its
 * thread; one without goes through the loop and waits on a condition. On the loop's own thread it always goes through
 * the loop, and waits by stepping it, so that what else the loop does (a plugin calling back, say) goes on.
 *
 *     call.c          the steps
 *     attempt.c       what dialects report, and read of the request
 *     call_stream.c   the same for calls that their users write and read by hand
 *     caller.c        who makes calls, and waits for them or not
 *
 * Locks: caller->lock guards the handle table, poked flags and stream buffers. It is a leaf: nothing is called with
 * it. */
#ifdef PLUGKIT_LINES
#line 25 "src/rpc/call.h"
#endif








/* Somebody who waits for a router to have an answer. `wake` may run on any thread and must be quick. */
typedef struct pk__waiter {
    pk__node node;
    void (*wake)(struct pk__waiter *w);
    uint64_t about;  // the router's: what it waits for,
    uint32_t serial; //   and since when
} pk__waiter;

/* Where an attempt goes. The strings live as long as the target is held, the plugin's name as long as the router. */
typedef struct pk__target {
    const pk_dialect *dialect;
    void *channel;
    void *instance; // the router's
    pk_str plugin, instance_name, type;
    pk_str verb, path;
    unsigned flags;   // of the method: PK_IDEMPOTENT ...
    char composed[80]; // a path that nobody knew; last, and only filled for one
} pk__target;

typedef struct pk__usage { // what an attempt amounted to, for the router's books
    const pk_error *error; // code PK_OK if it went well
    uint64_t bytes_out, bytes_in;
} pk__usage;

typedef struct pk__router {
    /* Takes an instance for an attempt. PK_ERR_BUSY: *w was queued and will be woken; of *out only `plugin`
     * is valid. */
    pk_err (*take)(void *user, const pk_call_desc *desc, pk__waiter *w, pk__target *out, pk_error *err);
    void (*unqueue)(void *user, pk__waiter *w); // after it, wake does not run
    void (*give_back)(void *user, pk__target *target, const pk__usage *usage);
    pk_err (*bind)(void *user, pk_stub *stub, pk_error *err);
    void *user;
} pk__router;

struct pk_caller {
    const pk_alloc *alloc;
    pk_loop *loop;
    pk__router router;
    const char *name;          // sent as PlugKit-Caller; "" = the host itself
    uint32_t timeout_ms;       // of a call that names none
    const pk_interceptor **chain; // call scope first, then attempt scope, each by order
    size_t chain_call, chain_count;
    size_t state_size;         // of all of them together
    pk__mutex lock;
    pk__cond parked;           // blocking calls that wait on another thread than the loop's
    bool is_closed;            // there is nothing to wait for any more; under the lock
    pk__atomic_u32 inside;     // threads that are in a function of this caller
    pk__handles calls;         // of pk_caller_start
    pk__node running;          // the same calls, as a list
};

PK__FN pk_err pk__caller_init(pk_caller *c, const pk_alloc *alloc, pk_loop *loop, const pk__router *router,
                              const pk_interceptor *const *interceptors, size_t count, pk_error *err);
PK__FN void pk__caller_cancel_all(pk_caller *c); // loop's thread; every started call gets its outcome
PK__FN void pk__caller_cancel_now(pk_caller *c, pk_call call); // its outcome is told before this returns; loop's thread
/* Before the end: whoever waits in a call of its own, held by an interceptor or for its delay, is sent home. */
PK__FN void pk__caller_close(pk_caller *c);
PK__FN void pk__caller_wait_empty(pk_caller *c); // until no other thread is inside: they are on their way out
PK__FN void pk__caller_deinit(pk_caller *c);     // no call is left, but streams that nobody has read to their end
PK__FN void pk__caller_enter(pk_caller *c);
PK__FN void pk__caller_leave(pk_caller *c); // the last that a thread does with it

/* Lets the loop's work be done until *flag is set under caller->lock or the deadline passes: true if it is set. */
PK__FN bool pk__caller_wait(pk_caller *c, const bool *flag, int64_t deadline);

typedef struct pk__call_stream pk__call_stream;

typedef enum pk__call_state {
    PK__CALL_BEFORE,
    PK__CALL_SELECT,
    PK__CALL_TRY,
    PK__CALL_SEND,
    PK__CALL_RUNNING,
    PK__CALL_TRIED,
    PK__CALL_AFTER,
    PK__CALL_DELAY,
    PK__CALL_DONE
} pk__call_state;

typedef struct pk__call {
    pk_attempt attempt; // first: what the dialect holds is this address
    pk_caller *caller;
    pk_call_desc desc;
    pk_ctx ctx;
    pk_exchange exchange;
    pk__waiter waiter;
    pk_reply *reply;
    int64_t deadline;
    int64_t now;          // the clock, read since this call last waited for anything; 0 = not yet: pk__call_now
    pk__call_state state;
    size_t at;            // the next interceptor
    unsigned attempts, resent; // resent: how many were repeated by our own rule
    pk__resumer resumer;  // what exchange.impl points to
    pk_verdict resumed;   // by it; under caller->lock
    bool has_target, queued, waits_chain, waits_loop, ended, timed_out, canceled;
    bool is_lent; // the loop's thread drives it: its own (blocking) thread touches nothing but the lock until poked
    bool poked, cancel_asked, is_over; // under caller->lock
    char *chain_state;
    uint64_t bytes_out, bytes_in;
    uint64_t expected;    // bytes of body that the answer has announced, so that it is collected without moving
    size_t body_cap;      // room behind reply->body.bytes
    uint64_t body_at;     // how much of the request's body was read
    pk_task task;         // advance (asynchronous), or begin on the loop (blocking)
    pk_timer timer;       // deadline or delay
    /* Only of pk_caller_start: */
    bool async;
    uint64_t handle;
    pk__node node;
    pk_mem mem;           // copies of what desc points to
    pk_reply own_reply;
    pk__call_stream *stream;
    /* Large, and not cleared: what goes before tells what there is in it. */
    pk__target target;
    pk_error error;       // code PK_OK until something fails
} pk__call;

/* What caller.c does with a call: begin it, move it as far as it goes (true: there is an outcome), end it. */
PK__FN pk_err pk__call_init(pk__call *c, pk_caller *caller, const pk_call_desc *desc, pk_reply *reply);
PK__FN bool pk__call_advance(pk__call *c);
PK__FN pk_err pk__call_arm(pk__call *c, int64_t until, pk_error *err); // a timer that moves it on; the loop's thread
PK__FN void pk__call_deinit(pk__call *c);
PK__FN int64_t pk__call_now(pk_attempt *a); // the time, as new as is needed; reads the clock once where nobody waits
PK__FN void pk__call_reply_clear(pk_reply *reply);
/* Ends the wait of a call; any thread. Not with caller->lock held. */
PK__FN void pk__call_poke(pk__call *c);
PK__FN void pk__call_free(pk__call *c); // of pk_caller_start, when nobody needs it any more
/* Is the request's body written by hand, so that only pk_attempt_read has it? For dialects that send bodies whole. */
PK__FN bool pk__call_is_stream(const pk_attempt *a);
/* The stream half (call_stream.c): what pk_attempt_read and pk_attempt_chunk do for a call that its user writes and
 * reads by hand, and how its end is told. */
PK__FN pk_err pk__call_stream_pull(pk__call *c, void *buf, size_t cap, size_t *got);
PK__FN pk_err pk__call_stream_push(pk__call *c, pk_str bytes);
PK__FN void pk__call_stream_end(pk__call *c);
PK__FN bool pk__call_stream_create(pk__call *c);
PK__FN void pk__call_stream_destroy(pk__call *c);



/* == rpc/chain.c == */
/* chain.c - running interceptors. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/chain.c"
#endif






static size_t pk__chain_round(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static char *pk__chain_state(const pk_interceptor *const *chain, size_t at, char *states)
{
    for (size_t i = 0; i < at; i++) {
        states += pk__chain_round(chain[i]->state_size);
    }
    return states;
}

PK__FN pk_err pk__chain_create(const pk_alloc *alloc, const pk_interceptor *const *all, size_t count, pk_scope first,
                               pk_scope last, const pk_interceptor ***out, size_t *out_count, size_t *state_size,
                               pk_error *err)
{
    size_t n = 0;
    *state_size = 0;
    for (size_t i = 0; i < count; i++) {
        n += all[i]->scope >= first && all[i]->scope <= last;
    }
    *out = NULL;
    *out_count = n;
    if (n == 0) {
        return PK_OK;
    }
    const pk_interceptor **chain = (const pk_interceptor **)pk__new(alloc, n * sizeof(*chain));
    if (!chain) {
        *out_count = 0;
        return pk__error_memory(err, "sort the interceptors");
    }
    n = 0;
    for (size_t i = 0; i < count; i++) {
        if (all[i]->scope < first || all[i]->scope > last) {
            continue;
        }
        size_t at = n++; // insertion sort: stable, and chains are short
        while (at > 0 && (chain[at - 1]->scope > all[i]->scope ||
                          (chain[at - 1]->scope == all[i]->scope && chain[at - 1]->order > all[i]->order))) {
            chain[at] = chain[at - 1];
            at--;
        }
        chain[at] = all[i];
        *state_size += pk__chain_round(all[i]->state_size);
    }
    *out = chain;
    return PK_OK;
}

PK__FN void pk__chain_destroy(const pk_alloc *alloc, const pk_interceptor **chain, size_t count)
{
    pk__free(alloc, (void *)chain, count * sizeof(*chain));
}

PK__FN pk__chain_result pk__chain_before(const pk_interceptor *const *chain, size_t *at, size_t end, char *states,
                                         pk_exchange *x, pk_verdict verdict)
{
    while (verdict == PK_GO && *at < end) {
        const pk_interceptor *i = chain[*at];
        x->state = pk__chain_state(chain, *at, states);
        if (i->state_size > 0) {
            memset(x->state, 0, i->state_size);
        }
        ++*at;
        verdict = i->before ? i->before(i->user, x) : PK_GO;
    }
    switch (verdict) {
    case PK_GO: return PK__CHAIN_ON;
    case PK_WAIT: return PK__CHAIN_WAIT;
    case PK_REFUSE:
        if (x->err->code == PK_OK) {
            (void)pk_error_set(x->err, PK_ERR_DENIED, "cannot call: interceptor '%s' refused", chain[*at - 1]->name);
        }
        return PK__CHAIN_TURN;
    default: return PK__CHAIN_TURN;
    }
}

PK__FN pk__chain_result pk__chain_after(const pk_interceptor *const *chain, size_t *at, size_t begin, char *states,
                                        pk_exchange *x, uint32_t *delay_ms)
{
    while (*at > begin) {
        const pk_interceptor *i = chain[*at - 1];
        x->state = pk__chain_state(chain, *at - 1, states);
        *delay_ms = 0;
        if (i->after && i->after(i->user, x, delay_ms) == PK_AGAIN && i->scope == PK_SCOPE_CALL && !x->streamed) {
            return PK__CHAIN_AGAIN;
        }
        --*at;
    }
    return PK__CHAIN_ON;
}

PK_API void pk_exchange_resume(pk_exchange *x, pk_verdict verdict)
{
    pk__resumer *r = (pk__resumer *)x->impl;
    r->resume(r, x, verdict);
}

/* == rpc/call.c == */
/* call.c - one call, step by step. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/call.c"
#endif












enum { PK__CALL_RESENT_MAX = 3 };

/* Whoever reads it wants to know which plugin it was; and what was asked for, as long as none is chosen. */
static pk_err pk__call_fail(pk__call *c, pk_err code, const char *what)
{
    const pk_call_desc *d = &c->desc;
    pk_str who = c->target.plugin.len ? c->target.plugin : pk_str_from(d->plugin);
    if (who.len) {
        return pk_error_set(&c->error, code, "cannot call '%" PK_FMT "': %s", PK_ARG(who), what);
    }
    return pk_error_set(&c->error, code, "cannot call '%s.%s': %s", d->contract ? d->contract : "plugin",
                        d->method ? d->method : d->http ? d->http : "?", what);
}

/* Dialects know their peer by its address only. */
static void pk__call_name_plugin(pk__call *c)
{
    switch (c->error.code) {
    case PK_ERR_PLUGIN_CONNECTION:
    case PK_ERR_PLUGIN_TIMEOUT:
    case PK_ERR_HTTP:
    case PK_ERR_OS:
    case PK_ERR_PROTOCOL: break;
    default: return;
    }
    pk__fd_explain(&c->error);
    if (!pk_str_starts(pk_str_from(c->error.msg), PK_STR("cannot call '"))) {
        (void)pk__error_wrap(&c->error, "cannot call '%" PK_FMT "'", PK_ARG(c->target.plugin));
    }
}

PK__FN void pk__call_poke(pk__call *c)
{
    pk_caller *caller = c->caller;
    pk__mutex_lock(&caller->lock);
    c->poked = true;
    bool async = c->async;
    if (!async) {
        pk__cond_broadcast(&caller->parked);
    }
    pk__mutex_unlock(&caller->lock);
    if (async) {
        pk_loop_post(caller->loop, &c->task);
    } else {
        pk_loop_wake(caller->loop);
    }
}

static void pk__call_on_wake(pk__waiter *w)
{
    pk__call_poke(PK__OF(w, pk__call, waiter));
}

static void pk__call_on_resume(pk__resumer *self, pk_exchange *x, pk_verdict verdict)
{
    pk__call *c = PK__OF(self, pk__call, resumer);
    (void)x;
    pk__mutex_lock(&c->caller->lock);
    c->resumed = verdict;
    pk__mutex_unlock(&c->caller->lock);
    pk__call_poke(c);
}

PK__FN pk_err pk__call_init(pk__call *c, pk_caller *caller, const pk_call_desc *desc, pk_reply *reply)
{
    memset(c, 0, offsetof(pk__call, target));
    memset(&c->target, 0, offsetof(pk__target, composed));
    pk__error_none(&c->error);
    c->caller = caller;
    c->desc = *desc;
    c->ctx = desc->ctx;
    c->reply = reply;
    c->waiter.wake = pk__call_on_wake;
    /* A handler that calls on passes its own context: its caller's deadline holds here as well. But the headers that it
     * was asked with, its token among them, are not what it asks with. */
    c->now = pk__clock_ns();
    c->deadline = pk__ctx_deadline(&desc->ctx, c->now, desc->ctx.timeout_ms, caller->timeout_ms);
    const pk__ctx_impl *outer = (const pk__ctx_impl *)desc->ctx.impl;
    if (outer && outer->in == desc->ctx.meta) {
        c->ctx.meta = NULL;
        c->ctx.meta_count = 0;
    }
    c->attempt.call = &c->desc;
    c->attempt.ctx = &c->ctx;
    c->attempt.body = &c->desc.body;
    c->attempt.deadline = c->deadline;
    c->exchange.call = &c->desc;
    c->exchange.ctx = &c->ctx;
    c->exchange.reply = reply;
    c->exchange.err = &c->error;
    c->resumer.resume = pk__call_on_resume;
    c->exchange.impl = &c->resumer;
    if (caller->state_size > 0) {
        c->chain_state = (char *)pk__new(caller->alloc, caller->state_size);
        if (!c->chain_state) {
            return pk__call_fail(c, PK_ERR_NO_MEMORY, "out of memory");
        }
    }
    return PK_OK;
}

PK__FN int64_t pk__call_now(pk_attempt *a)
{
    pk__call *c = (pk__call *)(void *)a; // the first member
    if (c->now == 0) {
        c->now = pk__clock_ns();
    }
    return c->now;
}

PK__FN void pk__call_deinit(pk__call *c)
{
    pk__free(c->caller->alloc, c->chain_state, c->caller->state_size);
}

PK__FN void pk__call_reply_clear(pk_reply *reply)
{
    pk_mem mem = reply->mem;
    pk_mem_reset(&mem);
    memset(reply, 0, sizeof(*reply));
    reply->mem = mem;
}

/* ---- the steps */

/* May the same body be sent once more? Bytes and file ranges can; a reader only if nobody has read from it. */
static bool pk__call_repeatable(const pk__call *c)
{
    return !c->exchange.streamed && !c->stream && (!c->desc.body.read || c->body_at == 0);
}

static void pk__call_give_back(pk__call *c)
{
    if (!c->has_target) {
        return;
    }
    pk__usage usage = {&c->error, c->bytes_out, c->bytes_in};
    if (c->desc.body.bytes.len && c->attempt.sent != PK_SENT_NO && usage.bytes_out == 0) {
        usage.bytes_out = c->desc.body.bytes.len; // dialects send bytes without reading them through us
    }
    c->has_target = false;
    c->caller->router.give_back(c->caller->router.user, &c->target, &usage);
}

static void pk__call_on_time(void *user);

/* Holds a deadline by the loop's timer. The loop's thread. */
PK__FN pk_err pk__call_arm(pk__call *c, int64_t until, pk_error *err)
{
    int64_t left_ms = (until - pk__clock_ns() + 999999) / 1000000;
    c->timer.on_time = pk__call_on_time;
    c->timer.user = c;
    return pk_timer_start(c->caller->loop, &c->timer,
                          left_ms < 0 ? 0 : left_ms > INT32_MAX ? INT32_MAX : (uint32_t)left_ms, err);
}

static void pk__call_begin_on_loop(pk__call *c)
{
    pk_error why;
    pk__error_none(&why);
    if ((!c->async && pk__call_arm(c, c->deadline, &why)) ||
        c->target.dialect->start(c->target.channel, &c->attempt, &why)) {
        pk_attempt_end(&c->attempt, &why);
    }
}

static void pk__call_begin_task(void *user)
{
    pk__call_begin_on_loop((pk__call *)user);
}

static void pk__call_abandon(pk__call *c, pk_err code, const char *what)
{
    if (c->has_target && c->state == PK__CALL_RUNNING && !c->ended) {
        c->target.dialect->cancel(c->target.channel, &c->attempt);
        c->ended = true;
    }
    if (c->error.code == PK_OK) {
        pk_sent sent = c->attempt.sent;
        (void)pk__call_fail(c, code, what);
        c->error.sent = sent;
    }
}

/* The deadline of a loop-driven attempt, or of a whole asynchronous call, or the end of its delay. */
static void pk__call_on_time(void *user)
{
    pk__call *c = (pk__call *)user;
    c->timed_out = pk__clock_ns() + 1000000 > c->deadline;
    if (c->timed_out && c->state == PK__CALL_RUNNING && !c->ended) {
        pk__call_abandon(c, PK_ERR_PLUGIN_TIMEOUT, "the deadline passed");
    }
    pk__call_poke(c);
}

static void pk__call_step_select(pk__call *c)
{
    if (c->queued) {
        c->caller->router.unqueue(c->caller->router.user, &c->waiter);
        c->queued = false;
    }
    pk_err rc = c->caller->router.take(c->caller->router.user, &c->desc, &c->waiter, &c->target, &c->error);
    if (rc == PK_ERR_BUSY) {
        c->queued = true;
        c->error.code = PK_OK;
        return;
    }
    if (rc) {
        c->state = PK__CALL_AFTER;
        c->at = c->caller->chain_call;
        return;
    }
    c->has_target = true;
    c->attempts++;
    c->attempt.sent = PK_SENT_NO;
    c->attempt.verb = c->target.verb;
    c->attempt.path = c->target.path;
    c->attempt.type = c->target.type;
    c->exchange.attempt = c->attempts;
    c->exchange.plugin = c->target.plugin;
    c->exchange.instance = c->target.instance_name;
    c->body_at = 0;
    c->at = c->caller->chain_call;
    c->state = PK__CALL_TRY;
}

static void pk__call_step_send(pk__call *c)
{
    bool mine = pk__loop_is_mine(c->caller->loop);
    c->ended = false;
    c->waits_loop = false;
    c->state = PK__CALL_RUNNING;
    if (c->async || mine) { // the loop must go on while we wait: the plugin may call us back through it
        c->waits_loop = !c->async;
        pk__call_begin_on_loop(c);
        return;
    }
    if (c->target.dialect->run) {
        c->target.dialect->run(c->target.channel, &c->attempt);
        c->now = 0;
        return;
    }
    c->now = 0;
    c->waits_loop = true;
    c->is_lent = true;
    c->task.run = pk__call_begin_task;
    c->task.user = c;
    pk_loop_post(c->caller->loop, &c->task);
}

static void pk__call_step_tried(pk__call *c)
{
    uint32_t unused;
    if (c->error.code == PK_OK && (c->reply->status < 200 || c->reply->status > 299)) {
        (void)pk__error_body_read(&c->error, c->caller->alloc, c->target.plugin, c->reply->status, c->reply->meta,
                                  c->reply->meta_count, c->reply->body.bytes);
        c->error.sent = PK_SENT_ANSWERED;
        bool gave_up = c->reply->status == 499 || c->reply->status == 504;
        if (gave_up && pk__clock_ns() + 5 * PK__MS >= c->deadline) { // the plugin only noticed before we did
            (void)pk__call_fail(c, PK_ERR_PLUGIN_TIMEOUT, "the deadline passed");
            c->error.sent = PK_SENT_ANSWERED;
        }
    }
    pk__call_name_plugin(c);
    (void)pk__chain_after(c->caller->chain, &c->at, c->caller->chain_call, c->chain_state, &c->exchange, &unused);
    pk__call_give_back(c);
    c->state = PK__CALL_AFTER;
    c->at = c->caller->chain_call;
    /* Nobody has seen the request, or seeing it twice does no harm: another instance may as well have it. */
    bool harmless = c->error.sent == PK_SENT_NO ||
                    (c->error.sent == PK_SENT_MAYBE && (c->ctx.idempotent || (c->target.flags & PK_IDEMPOTENT)));
    /* Once, if it may have been seen: a request that kills its plugin must not kill the next one as well, and the
     * next. */
    unsigned most = c->error.sent == PK_SENT_NO ? PK__CALL_RESENT_MAX : 2;
    if (c->error.code == PK_ERR_PLUGIN_CONNECTION && harmless && pk__call_repeatable(c) && ++c->resent < most &&
        !c->timed_out && !c->canceled) {
        pk__error_none(&c->error);
        c->state = PK__CALL_SELECT;
    }
}

static void pk__call_step_after(pk__call *c)
{
    uint32_t delay_ms = 0;
    if (c->timed_out || c->canceled) {
        c->exchange.streamed = true; // no time or wish for another round
    }
    if (!pk__call_repeatable(c)) {
        c->exchange.streamed = true;
    }
    pk__chain_result r = pk__chain_after(c->caller->chain, &c->at, 0, c->chain_state, &c->exchange, &delay_ms);
    if (r == PK__CHAIN_AGAIN) {
        int64_t until = pk__clock_ns() + (int64_t)delay_ms * 1000000;
        if (until < c->deadline) {
            pk__error_none(&c->error);
            pk__call_reply_clear(c->reply);
            c->body_cap = 0;
            c->state = PK__CALL_DELAY;
            c->attempt.deadline = until; // borrowed as the wake-up time until the next SEND
            return;
        }
        c->exchange.streamed = true; // the deadline comes first: let the others have their `after`
        --c->at;
        pk__call_step_after(c);
        return;
    }
    c->state = PK__CALL_DONE;
}

static pk_verdict pk__call_swap_resumed(pk__call *c, bool reset)
{
    pk__mutex_lock(&c->caller->lock);
    pk_verdict verdict = c->resumed;
    if (reset) {
        c->resumed = PK_WAIT;
    }
    pk__mutex_unlock(&c->caller->lock);
    return verdict;
}

/* `before` of one scope's interceptors, up to `end`. False = one of them waits. */
static bool pk__call_step_before(pk__call *c, size_t end, pk__call_state next, pk__call_state turn)
{
    pk_verdict verdict = c->waits_chain ? pk__call_swap_resumed(c, false) : PK_GO;
    while (verdict != PK_WAIT) {
        c->waits_chain = false;
        if (verdict == PK_GO && c->at == end) {
            c->state = next;
            return true;
        }
        c->now = 0;
        (void)pk__call_swap_resumed(c, true); // first: pk_exchange_resume may come before `before` has returned
        pk__chain_result r = pk__chain_before(c->caller->chain, &c->at, end, c->chain_state, &c->exchange, verdict);
        if (r != PK__CHAIN_WAIT) {
            if (r == PK__CHAIN_TURN && c->error.code == PK_OK && c->reply->status == 0) {
                c->reply->status = 200; // an interceptor answered
            }
            c->state = r == PK__CHAIN_ON ? next : turn;
            return true;
        }
        c->waits_chain = true;
        verdict = pk__call_swap_resumed(c, false);
    }
    return false;
}

/* Moves the call as far as it goes. True = it has its outcome. */
PK__FN bool pk__call_advance(pk__call *c)
{
    for (;;) {
        if (c->is_lent) {
            return false;
        }
        if ((c->timed_out || c->canceled) && c->state < PK__CALL_TRIED) {
            pk__call_abandon(c, c->canceled ? PK_ERR_CANCELED : PK_ERR_PLUGIN_TIMEOUT,
                             c->canceled ? "it was cancelled"
                             : c->queued ? "it was not ready before the deadline passed"
                                         : "the deadline passed");
            if (c->queued) {
                c->caller->router.unqueue(c->caller->router.user, &c->waiter);
                c->queued = false;
            }
            c->state = c->state >= PK__CALL_TRY ? PK__CALL_TRIED : PK__CALL_AFTER;
        }
        switch (c->state) {
        case PK__CALL_BEFORE:
            if (!pk__call_step_before(c, c->caller->chain_call, PK__CALL_SELECT, PK__CALL_AFTER)) {
                return false;
            }
            break;
        case PK__CALL_SELECT:
            pk__call_step_select(c);
            if (c->queued) {
                return false;
            }
            break;
        case PK__CALL_TRY:
            if (!pk__call_step_before(c, c->caller->chain_count, PK__CALL_SEND, PK__CALL_TRIED)) {
                return false;
            }
            break;
        case PK__CALL_SEND:
            c->attempt.deadline = c->deadline;
            pk__call_step_send(c);
            break;
        case PK__CALL_RUNNING:
            if (!c->ended) {
                return false;
            }
            c->state = PK__CALL_TRIED;
            break;
        case PK__CALL_TRIED: pk__call_step_tried(c); break;
        case PK__CALL_AFTER: pk__call_step_after(c); break;
        case PK__CALL_DELAY:
            if (pk__clock_ns() < c->attempt.deadline && !c->timed_out && !c->canceled) {
                return false;
            }
            c->attempt.deadline = c->deadline;
            c->state = PK__CALL_BEFORE;
            break;
        case PK__CALL_DONE: return true;
        }
    }
}

/* == rpc/attempt.c == */
/* attempt.c - what a dialect reports about an attempt, and reads of it. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/attempt.c"
#endif











enum { PK__CALL_BODY_MAX = 8 * 1024 * 1024 };

static pk__call *pk__call_of(pk_attempt *a)
{
    return (pk__call *)(void *)a; // the first member
}

/* A copy of fields in one piece: the array, and behind it their text, each with a NUL. NULL = out of memory. */
static pk_meta *pk__call_copy_fields(pk_mem *mem, const pk_meta *fields, size_t count)
{
    size_t size = count * sizeof(*fields);
    bool fits = true;
    for (size_t i = 0; i < count; i++) {
        fits = fits && pk__size_add(size, fields[i].name.len + 1, &size) &&
               pk__size_add(size, fields[i].value.len + 1, &size);
    }
    pk_meta *copy = fits ? (pk_meta *)pk_mem_get(mem, size) : NULL;
    char *at = copy ? (char *)(copy + count) : NULL;
    for (size_t i = 0; copy && i < count; i++) {
        copy[i].name.ptr = at;
        copy[i].name.len = fields[i].name.len;
        at = pk__http_write_put(at, fields[i].name);
        *at++ = '\0';
        copy[i].value.ptr = at;
        copy[i].value.len = fields[i].value.len;
        at = pk__http_write_put(at, fields[i].value);
        *at++ = '\0';
    }
    return copy;
}

PK_API void pk_attempt_head(pk_attempt *a, int status, const pk_meta *fields, size_t count)
{
    pk__call *c = pk__call_of(a);
    pk_reply *reply = c->reply;
    a->sent = PK_SENT_ANSWERED;
    reply->status = status;
    c->expected = 0;
    reply->meta = count ? pk__call_copy_fields(&reply->mem, fields, count) : NULL;
    reply->meta_count = reply->meta ? count : 0; // a courtesy: without memory for them the body would not fit either
    for (size_t i = 0; i < reply->meta_count; i++) {
        const pk_meta *m = &reply->meta[i];
        if (pk__http_head_named(m->name, PK_STR("Content-Type"))) {
            reply->body.content_type = m->value;
        } else if (pk__http_head_named(m->name, PK_STR("Content-Length"))) {
            (void)pk__http_head_number(m->value, &c->expected);
        }
    }
}

static pk_err pk__call_collect(pk__call *c, pk_str bytes, pk_error *err)
{
    pk_reply *reply = c->reply;
    uint64_t max = c->desc.max_reply ? c->desc.max_reply : PK__CALL_BODY_MAX;
    size_t have = reply->body.bytes.len;
    if (bytes.len > max || have > max - bytes.len) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot take the answer of '%" PK_FMT "': more than %llu bytes",
                            PK_ARG(c->target.plugin), (unsigned long long)max);
    }
    size_t need = have + bytes.len;
    if (need > c->body_cap || !reply->body.bytes.ptr) {
        size_t cap = PK__MAX(need, have ? need * 2 : c->expected <= max ? (size_t)c->expected : 0);
        char *to = (char *)pk_mem_get(&reply->mem, cap + 1);
        if (!to) {
            return pk__error_memory(err, "take the answer");
        }
        if (have) {
            memcpy(to, reply->body.bytes.ptr, have);
        }
        reply->body.bytes.ptr = to;
        c->body_cap = cap;
    }
    if (bytes.len) {
        memcpy((char *)reply->body.bytes.ptr + have, bytes.ptr, bytes.len); // ours: made just above
    }
    reply->body.bytes.len = need;
    return PK_OK;
}

PK_API pk_err pk_attempt_chunk(pk_attempt *a, pk_str bytes, pk_error *err)
{
    pk__call *c = pk__call_of(a);
    bool good = c->reply->status >= 200 && c->reply->status < 300;
    pk_err rc;
    if (c->stream && good) {
        rc = pk__call_stream_push(c, bytes);
        if (rc) {
            (void)pk_error_set(err, rc, "cannot take more of the answer: %s",
                               rc == PK_ERR_BUSY ? "its reader is slow" : "out of memory");
        }
    } else if (c->desc.on_chunk && good) {
        c->exchange.streamed = true;
        rc = c->desc.on_chunk(c->desc.user, bytes, err);
    } else {
        rc = pk__call_collect(c, bytes, err);
    }
    c->bytes_in += bytes.len;
    return rc;
}

PK_API void pk_attempt_end(pk_attempt *a, const pk_error *why)
{
    pk__call *c = pk__call_of(a);
    if (why && why->code != PK_OK) {
        c->error = *why;
        c->error.sent = a->sent;
    }
    c->ended = true;
    if (c->waits_loop) {
        pk_timer_stop(c->caller->loop, &c->timer);
    }
    if (c->waits_loop || c->async) {
        pk__call_poke(c);
    }
}

PK_API pk_err pk_attempt_read(pk_attempt *a, void *buf, size_t cap, size_t *got, pk_error *err)
{
    pk__call *c = pk__call_of(a);
    const pk_body *body = a->body;
    *got = 0;
    if (pk__call_is_stream(a)) {
        pk_err rc = pk__call_stream_pull(c, buf, cap, got);
        c->bytes_out += *got;
        return rc ? pk_error_set(err, rc, "cannot read the request yet: its writer is slow") : PK_OK;
    }
    if (body->read) {
        pk_err rc = body->read(body->user, buf, cap, got, err);
        c->body_at += *got;
        c->bytes_out += *got;
        return rc;
    }
    if (body->has_fd) {
        size_t want = (size_t)PK__MIN((uint64_t)cap, body->size - c->body_at);
        pk_err rc = want ? pk__fd_read_at(body->fd, buf, want, body->offset + c->body_at, got, err) : PK_OK;
        if (!rc && want && *got == 0) {
            rc = pk_error_set(err, PK_ERR_OS, "cannot read the request's file: it is shorter than was said");
        }
        if (rc) {
            return rc;
        }
    } else {
        size_t left = body->bytes.len - (size_t)c->body_at;
        *got = PK__MIN(cap, left);
        if (*got) {
            memcpy(buf, body->bytes.ptr + c->body_at, *got);
        }
    }
    c->body_at += *got;
    c->bytes_out += *got;
    return PK_OK;
}

/* == rpc/caller.c == */
/* caller.c - who makes calls, and waits for them or not. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/caller.c"
#endif










PK__FN pk_err pk__caller_init(pk_caller *c, const pk_alloc *alloc, pk_loop *loop, const pk__router *router,
                              const pk_interceptor *const *interceptors, size_t count, pk_error *err)
{
    memset(c, 0, sizeof(*c));
    c->alloc = alloc;
    c->loop = loop;
    c->router = *router;
    c->name = "";
    c->timeout_ms = 30000;
    pk_err rc = pk__chain_create(alloc, interceptors, count, PK_SCOPE_CALL, PK_SCOPE_ATTEMPT, &c->chain,
                                 &c->chain_count, &c->state_size, err);
    if (rc) {
        return rc;
    }
    while (c->chain_call < c->chain_count && c->chain[c->chain_call]->scope == PK_SCOPE_CALL) {
        c->chain_call++;
    }
    pk__mutex_init(&c->lock);
    pk__cond_init(&c->parked);
    pk__handles_init(&c->calls, alloc);
    pk__list_init(&c->running);
    return PK_OK;
}

PK__FN void pk__caller_enter(pk_caller *c)
{
    (void)pk__atomic_add(&c->inside, 1);
}

PK__FN void pk__caller_leave(pk_caller *c)
{
    (void)pk__atomic_add(&c->inside, UINT32_MAX);
}

PK__FN void pk__caller_close(pk_caller *c)
{
    pk__mutex_lock(&c->lock);
    c->is_closed = true;
    pk__cond_broadcast(&c->parked);
    pk__mutex_unlock(&c->lock);
}

PK__FN void pk__caller_wait_empty(pk_caller *c)
{
    while (pk__atomic_load(&c->inside) > 0) {
        pk__thread_nap(PK__MS / 10);
    }
}

PK__FN void pk__caller_deinit(pk_caller *c)
{
    if (!c->running.next) {
        return; // never initialised
    }
    PK__ASSERT(pk__list_is_empty(&c->running));
    for (pk__call *left; (left = (pk__call *)pk__handles_any(&c->calls)) != NULL;) {
        pk__handles_remove(&c->calls, left->handle); // a stream that has ended, and whose user has not come for the end
        pk__call_free(left);
    }
    pk__handles_deinit(&c->calls);
    pk__chain_destroy(c->alloc, c->chain, c->chain_count);
    pk__cond_deinit(&c->parked);
    pk__mutex_deinit(&c->lock);
    memset(c, 0, sizeof(*c));
}

PK__FN bool pk__caller_wait(pk_caller *c, const bool *flag, int64_t deadline)
{
    bool mine = pk__loop_is_mine(c->loop);
    pk__mutex_lock(&c->lock);
    while (!*flag && !c->is_closed) {
        int64_t now = pk__clock_ns();
        if (now >= deadline) {
            break;
        }
        if (mine) {
            int64_t left_ms = deadline == PK_FOREVER ? -1 : (deadline - now + 999999) / 1000000;
            pk__mutex_unlock(&c->lock);
            (void)pk_loop_step(c->loop, left_ms > 60000 || left_ms < 0 ? 60000 : (int)left_ms, NULL);
            pk__mutex_lock(&c->lock);
        } else {
            pk__cond_wait(&c->parked, &c->lock, deadline);
        }
    }
    bool set = *flag;
    pk__mutex_unlock(&c->lock);
    return set;
}

/* ---- blocking */

static pk_err pk__call_blocking(pk_caller *caller, const pk_call_desc *desc, pk_reply *reply, pk_error *err)
{
    pk__call c;
    pk_reply scratch;
    if (!reply) {
        memset(&scratch, 0, sizeof(scratch));
        scratch.mem.alloc = caller->alloc;
        reply = &scratch;
    }
    pk__call_reply_clear(reply);
    if (pk__call_init(&c, caller, desc, reply) == PK_OK) {
        while (!pk__call_advance(&c)) {
            int64_t until = c.state == PK__CALL_DELAY ? c.attempt.deadline : c.deadline;
            /* A loop-driven attempt ends by its timer on the loop, which knows how to cancel it. */
            bool woken = pk__caller_wait(caller, &c.poked, c.waits_loop && c.state == PK__CALL_RUNNING ? PK_FOREVER
                                                                                                       : until);
            c.now = 0;
            pk__mutex_lock(&caller->lock);
            c.poked = false;
            c.canceled = c.canceled || (caller->is_closed && !woken);
            pk__mutex_unlock(&caller->lock);
            c.is_lent = c.is_lent && !woken; // the loop's last act with it is to poke
            if (!woken && pk__clock_ns() >= c.deadline) {
                c.timed_out = true;
            }
        }
    }
    pk__call_deinit(&c);
    if (reply == &scratch) {
        pk_mem_free(&scratch.mem);
    }
    return c.error.code ? pk__error_copy(err, &c.error) : PK_OK;
}

PK_API pk_err pk_caller_call(pk_caller *caller, const pk_call_desc *desc, pk_reply *reply, pk_error *err)
{
    if (!caller || !desc) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot call: no caller or no description");
    }
    pk__caller_enter(caller);
    pk_err rc = pk__call_blocking(caller, desc, reply, err);
    pk__caller_leave(caller);
    return rc;
}

/* ---- asynchronous */

PK__FN void pk__call_free(pk__call *c)
{
    const pk_alloc *alloc = c->caller->alloc;
    pk__call_stream_destroy(c);
    pk__call_deinit(c);
    pk_mem_free(&c->own_reply.mem);
    pk_mem_free(&c->mem);
    pk__free(alloc, c, sizeof(*c));
}

/* The outcome. From here on nobody finds the call by its handle, but for a stream that its user still reads. */
static void pk__call_finish(pk__call *c)
{
    pk_caller *caller = c->caller;
    pk_call handle = {c->handle};
    pk_timer_stop(caller->loop, &c->timer);
    pk__mutex_lock(&caller->lock);
    c->is_over = true; // nobody posts the task any more, so that taking it back is for good
    pk__list_remove(&c->node);
    if (!c->stream) {
        pk__handles_remove(&caller->calls, c->handle);
    }
    pk__mutex_unlock(&caller->lock);
    pk_loop_unpost(caller->loop, &c->task);
    if (c->stream) {
        pk__call_stream_end(c); // frees it, now or when its user has read the end
        return;
    }
    c->desc.on_reply(c->desc.user, handle, c->reply, c->error.code ? &c->error : NULL);
    pk__call_free(c);
}

static void pk__call_run(void *user)
{
    pk__call *c = (pk__call *)user;
    c->now = 0;
    pk__mutex_lock(&c->caller->lock);
    c->poked = false;
    c->canceled = c->canceled || c->cancel_asked;
    pk__mutex_unlock(&c->caller->lock);
    if (c->stream && c->state == PK__CALL_RUNNING && !c->ended && c->target.dialect->resume) {
        c->target.dialect->resume(c->target.channel, &c->attempt);
    }
    if (pk__call_advance(c)) {
        pk__call_finish(c);
        return;
    }
    pk_error why;
    if (pk__call_arm(c, c->state == PK__CALL_DELAY ? c->attempt.deadline : c->deadline, &why)) {
        c->error = why;
        c->canceled = true; // without a timer there is no deadline: end it here
        if (pk__call_advance(c)) {
            pk__call_finish(c);
        }
    }
}

static const char *pk__call_copy(pk__call *c, const char *text, bool *ok)
{
    if (!text) {
        return NULL;
    }
    const char *copy = pk_mem_dup(&c->mem, pk_str_from(text)).ptr;
    *ok = *ok && copy;
    return copy;
}

static pk_str pk__call_copy_str(pk__call *c, pk_str s, bool *ok)
{
    pk_str copy = pk_mem_dup(&c->mem, s);
    *ok = *ok && copy.ptr;
    return copy;
}

/* The call outlives its description: everything but readers, descriptors and user pointers is copied. */
static bool pk__call_copy_desc(pk__call *c)
{
    pk_call_desc *d = &c->desc;
    bool ok = true;
    d->contract = pk__call_copy(c, d->contract, &ok);
    d->type = pk__call_copy(c, d->type, &ok);
    d->method = pk__call_copy(c, d->method, &ok);
    d->version = pk__call_copy(c, d->version, &ok);
    d->plugin = pk__call_copy(c, d->plugin, &ok);
    d->http = pk__call_copy(c, d->http, &ok);
    d->body.bytes = pk__call_copy_str(c, d->body.bytes, &ok);
    d->body.content_type = pk__call_copy_str(c, d->body.content_type, &ok);
    c->ctx.sticky_key = pk__call_copy_str(c, c->ctx.sticky_key, &ok);
    c->ctx.caller = pk__call_copy_str(c, c->ctx.caller, &ok);
    c->ctx.traceparent = pk__call_copy_str(c, c->ctx.traceparent, &ok);
    c->ctx.impl = NULL; // a handler's own context ends with the handler; its deadline was taken over
    c->ctx.mem = NULL;
    if (ok && c->ctx.meta_count > 0) {
        pk_meta *meta = (pk_meta *)pk_mem_get(&c->mem, c->ctx.meta_count * sizeof(*meta));
        for (size_t i = 0; meta && i < c->ctx.meta_count; i++) {
            meta[i].name = pk__call_copy_str(c, c->ctx.meta[i].name, &ok);
            meta[i].value = pk__call_copy_str(c, c->ctx.meta[i].value, &ok);
        }
        ok = ok && meta;
        c->ctx.meta = meta;
    }
    c->desc.ctx = c->ctx;
    return ok;
}

static pk_err pk__call_start(pk_caller *caller, const pk_call_desc *desc, pk_call *call, pk_error *err)
{
    pk__call *c = (pk__call *)pk__new(caller->alloc, sizeof(*c));
    if (!c) {
        return pk__error_memory(err, "start a call");
    }
    pk_err rc = pk__call_init(c, caller, desc, &c->own_reply);
    c->async = true;
    c->mem.alloc = caller->alloc;
    c->own_reply.mem.alloc = caller->alloc;
    c->task.run = pk__call_run;
    c->task.user = c;
    if (rc || !pk__call_copy_desc(c) || (!desc->on_reply && !pk__call_stream_create(c))) {
        pk__call_free(c);
        return pk__error_memory(err, "start a call");
    }
    pk__mutex_lock(&caller->lock);
    c->handle = pk__handles_add(&caller->calls, c);
    if (c->handle) {
        pk__list_push(&caller->running, &c->node);
        if (call) {
            call->id = c->handle;
        }
        pk_loop_post(caller->loop, &c->task);
    }
    bool started = c->handle != 0; // it may be over before this returns
    pk__mutex_unlock(&caller->lock);
    if (!started) {
        pk__call_free(c);
        return pk__error_memory(err, "start a call");
    }
    return PK_OK;
}

PK_API pk_err pk_caller_start(pk_caller *caller, const pk_call_desc *desc, pk_call *call, pk_error *err)
{
    if (!caller || !desc || (!desc->on_reply && !call)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start a call: no caller, no description, or nowhere to tell");
    }
    pk__caller_enter(caller);
    pk_err rc = pk__call_start(caller, desc, call, err);
    pk__caller_leave(caller);
    return rc;
}

PK__FN void pk__caller_cancel_all(pk_caller *caller)
{
    for (;;) {
        pk__mutex_lock(&caller->lock);
        pk__call *c = pk__list_is_empty(&caller->running) ? NULL : PK__OF(caller->running.next, pk__call, node);
        pk__mutex_unlock(&caller->lock);
        if (!c) {
            return;
        }
        c->canceled = true;
        if (pk__call_advance(c)) {
            pk__call_finish(c);
        }
    }
}

PK__FN void pk__caller_cancel_now(pk_caller *caller, pk_call call)
{
    pk__mutex_lock(&caller->lock);
    pk__call *c = (pk__call *)pk__handles_get(&caller->calls, call.id);
    pk__mutex_unlock(&caller->lock);
    if (c && !c->stream) {
        c->canceled = true;
        if (pk__call_advance(c)) {
            pk__call_finish(c);
        }
    }
}

/* == rpc/call_stream.c == */
/* call_stream.c - calls that their user writes and reads by hand.
 *
 * Between the user's thread and the loop stand two bounded buffers under caller->lock: `out` for the request's body,
 * `in` for the answer's. The dialect finds `out` empty or `in` full as PK_ERR_BUSY, and is resumed by the call's task;
 * the user waits for can_write or can_read. The end of the call sets both. The call is freed by whoever comes last:
 * the machine (done), the user (over), or somebody inside pk_caller_write or _read (users). */
#ifdef PLUGKIT_LINES
#line 6 "src/rpc/call_stream.c"
#endif








enum { PK__CALL_STREAM_MAX = 64 * 1024 };

struct pk__call_stream {
    pk_buf out, in;
    bool by_hand;             // the request's body comes from pk_caller_write, not from the description
    bool last;                // the user has written the end
    bool starved, stalled;    // the dialect waits for `out`, or for room in `in`
    bool can_write, can_read; // what the user waits for
    bool done, over;
    unsigned users;
    pk_error error; // the outcome
};

PK__FN bool pk__call_stream_create(pk__call *c)
{
    pk__call_stream *s = (pk__call_stream *)pk__new(c->caller->alloc, sizeof(*s));
    if (!s) {
        return false;
    }
    pk_buf_init(&s->out, c->caller->alloc, PK__CALL_STREAM_MAX);
    pk_buf_init(&s->in, c->caller->alloc, PK__CALL_STREAM_MAX);
    s->can_write = true;
    s->by_hand = !c->desc.body.bytes.len && !c->desc.body.has_fd && !c->desc.body.read;
    s->last = !s->by_hand;
    c->stream = s;
    return true;
}

PK__FN bool pk__call_is_stream(const pk_attempt *a)
{
    const pk__call *c = (const pk__call *)(const void *)a;
    return c->stream && c->stream->by_hand;
}

PK__FN void pk__call_stream_destroy(pk__call *c)
{
    pk__call_stream *s = c->stream;
    if (s) {
        pk_buf_free(&s->out);
        pk_buf_free(&s->in);
        pk__free(c->caller->alloc, s, sizeof(*s));
        c->stream = NULL;
    }
}

/* With caller->lock held; gives it back. */
static void pk__call_stream_unlock(pk__call *c)
{
    pk_caller *caller = c->caller;
    bool last = c->stream->done && c->stream->over && c->stream->users == 0;
    if (c->stream->over && c->handle) {
        pk__handles_remove(&caller->calls, c->handle);
        c->handle = 0;
    }
    pk__mutex_unlock(&caller->lock);
    if (last) {
        pk__call_free(c);
    }
}

PK__FN pk_err pk__call_stream_pull(pk__call *c, void *buf, size_t cap, size_t *got)
{
    pk__call_stream *s = c->stream;
    pk__mutex_lock(&c->caller->lock);
    *got = PK__MIN(cap, s->out.len);
    if (*got) {
        memcpy(buf, s->out.ptr, *got);
        pk_buf_drop(&s->out, *got);
        s->can_write = true;
        pk__cond_broadcast(&c->caller->parked);
    }
    bool busy = *got == 0 && !s->last;
    s->starved = busy;
    pk__mutex_unlock(&c->caller->lock);
    return busy ? PK_ERR_BUSY : PK_OK;
}

PK__FN pk_err pk__call_stream_push(pk__call *c, pk_str bytes)
{
    pk__call_stream *s = c->stream;
    pk__mutex_lock(&c->caller->lock);
    s->in.max = s->in.len + PK__MAX((size_t)PK__CALL_STREAM_MAX, bytes.len);
    bool added = pk_buf_add(&s->in, bytes);
    s->can_read = true;
    s->stalled = s->in.len >= PK__CALL_STREAM_MAX;
    pk_err rc = !added ? PK_ERR_NO_MEMORY : s->stalled ? PK_ERR_BUSY : PK_OK;
    pk__cond_broadcast(&c->caller->parked);
    pk__mutex_unlock(&c->caller->lock);
    return rc;
}

PK__FN void pk__call_stream_end(pk__call *c)
{
    pk__call_stream *s = c->stream;
    pk__mutex_lock(&c->caller->lock);
    s->error = c->error;
    s->done = true;
    s->can_write = true;
    s->can_read = true;
    pk__cond_broadcast(&c->caller->parked);
    pk__call_stream_unlock(c);
}

/* The call behind a handle, entered: locked, and not freed until pk__call_stream_unlock with users lowered again. */
static pk__call *pk__call_stream_enter(pk_caller *caller, pk_call call, pk_error *err)
{
    pk__mutex_lock(&caller->lock);
    pk__call *c = (pk__call *)pk__handles_get(&caller->calls, call.id);
    if (!c || !c->stream) {
        pk__mutex_unlock(&caller->lock);
        (void)pk_error_set(err, c ? PK_ERR_MISUSE : PK_ERR_STALE, "cannot use the call: %s",
                           c ? "its outcome goes to on_reply" : "it is over");
        return NULL;
    }
    c->stream->users++;
    return c;
}

/* The task moves the call on: the dialect finds bytes, or room. Locked. */
static void pk__call_stream_post(pk__call *c)
{
    if (!c->is_over) {
        pk_loop_post(c->caller->loop, &c->task);
    }
}

static pk_err pk__call_stream_write(pk_caller *caller, pk_call call, pk_str bytes, bool last, pk_error *err)
{
    pk__call *c = pk__call_stream_enter(caller, call, err);
    if (!c) {
        return err ? err->code : PK_ERR_STALE;
    }
    pk__call_stream *s = c->stream;
    pk_err rc = PK_OK;
    if (s->last) {
        rc = pk_error_set(err, PK_ERR_MISUSE, "cannot write: the request's body has ended");
    }
    while (!rc && !s->done && !s->over) {
        size_t n = PK__MIN(bytes.len, (size_t)PK__CALL_STREAM_MAX - s->out.len);
        pk_str part = {bytes.ptr, n};
        if (!pk_buf_add(&s->out, part)) {
            rc = pk__error_memory(err, "write");
            break;
        }
        bytes.ptr = n ? bytes.ptr + n : bytes.ptr;
        bytes.len -= n;
        s->last = last && bytes.len == 0;
        s->can_write = s->out.len < PK__CALL_STREAM_MAX;
        if (s->starved) {
            s->starved = false;
            pk__call_stream_post(c);
        }
        if (bytes.len == 0) {
            break;
        }
        pk__mutex_unlock(&caller->lock);
        (void)pk__caller_wait(caller, &s->can_write, PK_FOREVER); // the call's own deadline sets it
        pk__mutex_lock(&caller->lock);
    }
    if (!rc && s->done && s->error.code) {
        rc = pk__error_copy(err, &s->error); // an early good answer is no failure: it is there to be read
    }
    s->users--;
    pk__call_stream_unlock(c);
    return rc;
}

PK_API pk_err pk_caller_write(pk_caller *caller, pk_call call, pk_str bytes, bool last, pk_error *err)
{
    pk__caller_enter(caller);
    pk_err rc = pk__call_stream_write(caller, call, bytes, last, err);
    pk__caller_leave(caller);
    return rc;
}

static pk_err pk__call_stream_read(pk_caller *caller, pk_call call, void *buf, size_t cap, size_t *got, pk_error *err)
{
    *got = 0;
    pk__call *c = pk__call_stream_enter(caller, call, err);
    if (!c) {
        return err ? err->code : PK_ERR_STALE;
    }
    pk__call_stream *s = c->stream;
    pk_err rc = PK_OK;
    if (!s->last) {
        s->last = true; // who reads has written everything
        s->starved = false;
        pk__call_stream_post(c);
    }
    while (s->in.len == 0 && !s->done && !s->over) {
        s->can_read = false;
        pk__mutex_unlock(&caller->lock);
        (void)pk__caller_wait(caller, &s->can_read, PK_FOREVER);
        pk__mutex_lock(&caller->lock);
    }
    *got = PK__MIN(cap, s->in.len);
    if (*got) {
        memcpy(buf, s->in.ptr, *got);
        pk_buf_drop(&s->in, *got);
        if (s->stalled && s->in.len < PK__CALL_STREAM_MAX / 2) {
            s->stalled = false;
            pk__call_stream_post(c);
        }
    } else if (cap > 0) {
        rc = s->error.code ? pk__error_copy(err, &s->error) : PK_OK;
        s->over = s->done;
    }
    s->users--;
    pk__call_stream_unlock(c);
    return rc;
}

PK_API pk_err pk_caller_read(pk_caller *caller, pk_call call, void *buf, size_t cap, size_t *got, pk_error *err)
{
    pk__caller_enter(caller);
    pk_err rc = pk__call_stream_read(caller, call, buf, cap, got, err);
    pk__caller_leave(caller);
    return rc;
}

static pk_err pk__call_stream_cancel(pk_caller *caller, pk_call call)
{
    pk__mutex_lock(&caller->lock);
    pk__call *c = (pk__call *)pk__handles_get(&caller->calls, call.id);
    if (!c) {
        pk__mutex_unlock(&caller->lock);
        return PK_ERR_STALE;
    }
    c->cancel_asked = true;
    pk__call_stream_post(c);
    if (c->stream) {
        c->stream->over = true;
        c->stream->can_write = true;
        c->stream->can_read = true;
        pk__cond_broadcast(&caller->parked);
        pk__call_stream_unlock(c);
        return PK_OK;
    }
    pk__mutex_unlock(&caller->lock);
    return PK_OK;
}

PK_API pk_err pk_caller_cancel(pk_caller *caller, pk_call call)
{
    pk__caller_enter(caller);
    pk_err rc = pk__call_stream_cancel(caller, call);
    pk__caller_leave(caller);
    return rc;
}

/* == rpc/http_channel.h == */
/* http_channel.h - calls over HTTP/1.1: what the dialects plugkit/1 and Go framework share, and what a plugin calls its
 * host with.
 *
 * A channel is a pool of connections to one server. An attempt is one exchange on one of them: `run` waits for it on
 * the caller's thread, `start` leaves it to the loop. Sent besides the user's own fields:
 *
 *     plugkit/1        PlugKit-Token, PlugKit-Type (which of several services with the same path), PlugKit-Caller,
 *                      Connect-Timeout-Ms, traceparent
 *     Go framework     Accept and Content-Type: application/json, always: its client does */
#ifdef PLUGKIT_LINES
#line 9 "src/rpc/http_channel.h"
#endif





typedef struct pk__http_channel_env { // the `user` of the dialects that are built on it
    const pk_alloc *alloc;
    const char *caller; // sent as PlugKit-Caller; "" = not sent
    const pk_transport *const *transports;
    size_t transport_count;
    pk_tls *tls;        // for https addresses whose endpoint has none; NULL = none
} pk__http_channel_env;

/* A dialect of this name over HTTP; `env` is borrowed. `framework` chooses the second set of fields. */
PK__FN pk_dialect pk__http_channel_dialect(const char *name, const pk__http_channel_env *env, bool framework);



/* == rpc/http_channel.c == */
/* http_channel.c - calls over HTTP/1.1. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/http_channel.c"
#endif









typedef struct pk__http_channel {
    const pk__http_channel_env *env;
    bool framework;
    pk_loop *loop;
    pk__http_pool pool;
    bool names_caller; // in every request
    pk__node started; // attempts that the loop drives
} pk__http_channel;

typedef struct pk__http_attempt {
    pk__http_exchange x;
    pk__http_channel *channel;
    pk__http_client *client;
    pk_attempt *attempt;
    pk_body body;
    pk_meta own[4];
    char timeout[PK__NUMBER_CAP];
    pk__node node; // in channel->started; attempts of `run` are in no list
} pk__http_attempt;

static void pk__http_channel_field(pk_meta *own, size_t *count, pk_str name, pk_str value)
{
    if (value.len) {
        own[*count].name = name;
        own[*count].value = value;
        ++*count;
    }
}

static pk_err pk__http_channel_new(const pk__http_channel_env *env, bool framework, pk_loop *loop,
                                   const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    pk__http_channel *ch = (pk__http_channel *)pk__new(env->alloc, sizeof(*ch));
    if (!ch) {
        return pk__error_memory(err, "open a channel");
    }
    pk__http_pool_desc desc;
    pk_meta own[2];
    pk_str caller = pk_str_from(env->caller);
    memset(&desc, 0, sizeof(desc));
    desc.own = own;
    if (framework) {
        pk__http_channel_field(own, &desc.own_count, PK_STR("Accept"), PK_STR("application/json"));
    } else {
        pk__http_channel_field(own, &desc.own_count, PK_STR("PlugKit-Token"), endpoint->token);
        pk__http_channel_field(own, &desc.own_count, PK_STR("PlugKit-Caller"), caller);
    }
    desc.alloc = env->alloc;
    desc.address = endpoint->address;
    desc.via = endpoint->via;
    desc.transports = env->transports;
    desc.transport_count = env->transport_count;
    if (PK__SECURE_BUILT) {
        desc.tls = endpoint->tls ? endpoint->tls : env->tls;
        desc.tls_name = endpoint->tls_name;
    }
    pk_err rc = pk__http_pool_init(&ch->pool, &desc, err);
    if (rc) {
        pk__free(env->alloc, ch, sizeof(*ch));
        return rc;
    }
    ch->env = env;
    ch->framework = framework;
    ch->names_caller = caller.len > 0;
    ch->loop = loop;
    pk__list_init(&ch->started);
    *channel = ch;
    return PK_OK;
}

static pk_err pk__http_channel_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel,
                                    pk_error *err)
{
    return pk__http_channel_new((const pk__http_channel_env *)user, false, loop, endpoint, channel, err);
}

static pk_err pk__http_channel_open_framework(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel,
                                              pk_error *err)
{
    return pk__http_channel_new((const pk__http_channel_env *)user, true, loop, endpoint, channel, err);
}

static void pk__http_channel_close(void *channel)
{
    pk__http_channel *ch = (pk__http_channel *)channel;
    const pk_alloc *alloc = ch->env->alloc;
    PK__ASSERT(pk__list_is_empty(&ch->started));
    pk__http_pool_deinit(&ch->pool);
    pk__free(alloc, ch, sizeof(*ch));
}

/* ---- one attempt */

static pk_err pk__http_attempt_on_head(void *user, const pk__http_answer *answer, pk_error *err)
{
    pk__http_attempt *h = (pk__http_attempt *)user;
    (void)err;
    pk_attempt_head(h->attempt, answer->status, answer->fields, answer->field_count);
    return PK_OK;
}

static pk_err pk__http_attempt_on_chunk(void *user, pk_str bytes, pk_error *err)
{
    pk__http_attempt *h = (pk__http_attempt *)user;
    pk_err rc = pk_attempt_chunk(h->attempt, bytes, err);
    if (rc == PK_ERR_BUSY) {
        pk__http_client_pause(h->client, true);
        rc = PK_OK;
    }
    return rc;
}

static pk_err pk__http_attempt_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return pk_attempt_read((pk_attempt *)user, buf, cap, got, err);
}

static void pk__http_attempt_fields(pk__http_attempt *h)
{
    const pk_attempt *a = h->attempt;
    size_t *count = &h->x.own_count;
    if (h->channel->framework) {
        if (!h->x.body) {
            pk__http_channel_field(h->own, count, PK_STR("Content-Type"), PK_STR("application/json"));
        }
        return;
    }
    pk__http_channel_field(h->own, count, PK_STR("PlugKit-Type"), a->type);
    if (!h->channel->names_caller) { // a plugin's own name belongs to its token
        pk__http_channel_field(h->own, count, PK_STR("PlugKit-Caller"), a->ctx->caller);
    }
    pk__http_channel_field(h->own, count, PK_STR("traceparent"), a->ctx->traceparent);
    if (a->deadline != PK_FOREVER) {
        pk_str text = {h->timeout, 0};
        text.len = (size_t)(pk__number_put_uint(h->timeout, pk__ctx_left_ms(a->deadline, h->x.now)) - h->timeout);
        pk__http_channel_field(h->own, count, PK_STR("Connect-Timeout-Ms"), text);
    }
}

static void pk__http_attempt_init(pk__http_attempt *h, pk__http_channel *ch, pk_attempt *a)
{
    memset(&h->x, 0, sizeof(h->x));
    h->channel = ch;
    h->client = NULL;
    h->attempt = a;
    h->body = *a->body;
    bool streamed = pk__call_is_stream(a);
    bool empty = !streamed && !h->body.bytes.len && !h->body.has_fd && !h->body.read;
    if (h->body.read || streamed) { // through us, so that what was read is known
        memset(&h->body.bytes, 0, sizeof(h->body.bytes));
        h->body.has_fd = false;
        h->body.read = pk__http_attempt_read;
        h->body.user = a;
    }
    if (h->body.content_type.len == 0) {
        h->body.content_type = PK_STR("application/json");
    }
    h->x.method = a->verb;
    h->x.target = a->path;
    h->x.own = h->own;
    h->x.fields = a->ctx->meta;
    h->x.field_count = a->ctx->meta_count;
    /* A POST without a body still says Content-Length: 0, and servers differ in what they make of it otherwise. */
    h->x.body = empty && (pk_str_is(a->verb, "GET") || pk_str_is(a->verb, "HEAD")) ? NULL : &h->body;
    h->x.deadline = a->deadline;
    h->x.now = pk__call_now(a);
    h->x.on_head = pk__http_attempt_on_head;
    h->x.on_chunk = pk__http_attempt_on_chunk;
    h->x.user = h;
    pk__http_attempt_fields(h);
}

/* Nobody has cancelled this call: the plugin has ended, or will, and the next instance may well have the request. */
static void pk__http_channel_gone(pk_error *why)
{
    (void)pk_error_set(why, PK_ERR_PLUGIN_CONNECTION,
                       "cannot finish the call: the plugin has gone or is being stopped");
}

static void pk__http_channel_run(void *channel, pk_attempt *a)
{
    pk__http_channel *ch = (pk__http_channel *)channel;
    pk__http_attempt h;
    pk_error why;
    pk__error_none(&why);
    pk__http_attempt_init(&h, ch, a);
    if (pk__http_pool_take(&ch->pool, h.x.now, &h.client, &why) == PK_OK) {
        if (pk__http_client_run(h.client, &h.x, &why) && pk__atomic_load(&h.client->interrupted)) {
            pk__http_channel_gone(&why);
        }
        pk__http_pool_give(&ch->pool, h.client);
        a->sent = h.x.sent;
    } else if (why.code == PK_ERR_STOPPED) {
        pk__http_channel_gone(&why);
    }
    pk_attempt_end(a, why.code ? &why : NULL);
}

static void pk__http_attempt_destroy(pk__http_attempt *h)
{
    pk__list_remove(&h->node);
    pk__http_pool_give(&h->channel->pool, h->client);
    pk__free(h->channel->env->alloc, h, sizeof(*h));
}

static void pk__http_attempt_on_end(void *user, const pk_error *why)
{
    pk__http_attempt *h = (pk__http_attempt *)user;
    pk_attempt *a = h->attempt;
    a->sent = h->x.sent;
    a->state = NULL;
    pk__http_attempt_destroy(h); // first: the call may go on to its next attempt, and wants the connection
    pk_attempt_end(a, why);
}

static pk_err pk__http_channel_start(void *channel, pk_attempt *a, pk_error *err)
{
    pk__http_channel *ch = (pk__http_channel *)channel;
    pk__http_attempt *h = (pk__http_attempt *)pk__new(ch->env->alloc, sizeof(*h));
    if (!h) {
        return pk__error_memory(err, "start an attempt");
    }
    pk__http_attempt_init(h, ch, a);
    h->x.on_end = pk__http_attempt_on_end;
    pk_err rc = pk__http_pool_take(&ch->pool, h->x.now, &h->client, err);
    if (!rc) {
        rc = pk__http_client_start(h->client, ch->loop, &h->x, err);
        if (rc) {
            pk__http_pool_give(&ch->pool, h->client);
        }
    }
    if (rc) {
        pk__free(ch->env->alloc, h, sizeof(*h));
        if (rc == PK_ERR_STOPPED) {
            pk__http_channel_gone(err);
            rc = err->code;
        }
        return rc;
    }
    a->state = h;
    pk__list_push(&ch->started, &h->node);
    return PK_OK;
}

static void pk__http_channel_resume(void *channel, pk_attempt *a)
{
    pk__http_attempt *h = (pk__http_attempt *)a->state;
    (void)channel;
    if (h) {
        pk__http_client_pause(h->client, false);
    }
    h = (pk__http_attempt *)a->state; // the answer may have ended just now
    if (h) {
        pk__http_client_resume(h->client);
    }
}

static void pk__http_channel_cancel(void *channel, pk_attempt *a)
{
    pk__http_attempt *h = (pk__http_attempt *)a->state;
    (void)channel;
    if (h) {
        a->sent = h->x.sent;
        a->state = NULL;
        pk__http_client_cancel(h->client);
        pk__http_attempt_destroy(h);
    }
}

static void pk__http_channel_interrupt(void *channel)
{
    pk__http_channel *ch = (pk__http_channel *)channel;
    pk__http_pool_interrupt(&ch->pool);
    while (!pk__list_is_empty(&ch->started)) {
        pk__http_attempt *h = PK__OF(ch->started.next, pk__http_attempt, node);
        pk_attempt *a = h->attempt;
        pk_error why;
        pk__http_channel_gone(&why);
        pk__http_channel_cancel(ch, a);
        pk_attempt_end(a, &why);
    }
}

PK__FN pk_dialect pk__http_channel_dialect(const char *name, const pk__http_channel_env *env, bool framework)
{
    pk_dialect d;
    memset(&d, 0, sizeof(d));
    d.name = name;
    d.flags = PK_DIALECT_HEALTH;
    d.open = framework ? pk__http_channel_open_framework : pk__http_channel_open;
    d.start = pk__http_channel_start;
    /* A transport of the user's may have no descriptor to wait on; then only the loop learns when to go on. */
    d.run = env->transport_count == 0 ? pk__http_channel_run : NULL;
    d.resume = pk__http_channel_resume;
    d.cancel = pk__http_channel_cancel;
    d.interrupt = pk__http_channel_interrupt;
    d.close = pk__http_channel_close;
    d.user = (void *)(uintptr_t)env; // `user` is not const for dialects that keep state there
    return d;
}

/* == rpc/control.h == */
/* control.h - the lines on the control socket of plugkit/1, for both sides.
 *
 * A line is one JSON object and a newline. The host begins:
 *
 *     {"config":[{"type":"t","data":{..}}],"instance":"shout-1","token":"<64 hex digits>",
 *      "listen":"http+unix:///run/plugkit-0/x/shout-1.sock","idleTimeout":3600000000000,
 *      "host":{"address":"http+unix:///run/plugkit-0/x/host.sock",
 *              "services":[{"contract":"audit","type":"log","version":"1.0.0","path":"/services/audit/log"}]},
 *      "survive":{"ms":300000,"control":"/run/plugkit-0/keep-x/shout-1.control","proof":"<64 hex digits>"}}
 *
 * and the plugin answers {"listening":"http+unix:///..."}, then {"ready":true}; or {"error":"..","code":"CONFIG_1703"}
 * and exits with 1. Later it may say how it is, {"health":{"status":"degraded","reason":"..","unavailable":["db"]}},
 * and the host may say {"shutdown":true}; its end of the socket closing means the same, at once. A plugin calls its
 * host's services at host.address with its own token and its instance as PlugKit-Caller.
 *
 * With "survive" a plugin goes on when its host ends, for so many milliseconds, and listens at that path. Another host
 * that connects there says {"adopt":true,"token":"<the plugin's own>"} and gets {"adopted":"<the proof>"}, by which it
 * knows the plugin, and the answers of a start; the connection is the control socket from then on. With "shutdown":true
 * in the same line the plugin ends instead. One that was adopted says {"ending":true} before it ends in good order, for
 * nobody has its exit status.
 *
 * Lines are built and read by struct tables: keys come out in the order above, without blanks, so that a shell can
 * take them apart; unknown keys are ignored, so that both sides can learn new words on their own.
 *
 * Reading: bytes are fed as they come, lines are taken as long as there are any. A line that is longer than the
 * limit ends the conversation: whoever sends such a thing does not follow the protocol, and there is no way to tell
 * where the next line begins that would not let data pose as one. */
#ifdef PLUGKIT_LINES
#line 27 "src/rpc/control.h"
#endif




#define PK__CONTROL_PROTOCOL "plugkit/1"
#define PK__CONTROL_START_MAX ((size_t)8 * 1024 * 1024) // bytes of the first line: it holds the configuration
#define PK__CONTROL_LINE_MAX ((size_t)64 * 1024)        // bytes of any other

#define PK__CONTROL_CONFIG(F, T)                                                                              \
    F(T, REQ, pk_str, type, "type")                                                                           \
    F(T, OPT, pk_json, data, "data")
PK_STRUCT(pk__control_config, PK__CONTROL_CONFIG)

#define PK__CONTROL_SERVICE(F, T)                                                                             \
    F(T, REQ, pk_str, contract, "contract")                                                                   \
    F(T, REQ, pk_str, type, "type")                                                                           \
    F(T, REQ, pk_str, version, "version")                                                                     \
    F(T, REQ, pk_str, path, "path")
PK_STRUCT(pk__control_service, PK__CONTROL_SERVICE)

#define PK__CONTROL_HOST(F, T)                                                                                \
    F(T, REQ, pk_str, address, "address")                                                                     \
    F(T, LIST, pk__control_service, services, "services")
PK_STRUCT(pk__control_host, PK__CONTROL_HOST)

#define PK__CONTROL_SURVIVE(F, T)                                                                             \
    F(T, REQ, uint32_t, ms, "ms")                                                                             \
    F(T, REQ, pk_str, control, "control")                                                                     \
    F(T, REQ, pk_str, proof, "proof")
PK_STRUCT(pk__control_survive, PK__CONTROL_SURVIVE)

/* The host's first line. */
#define PK__CONTROL_START(F, T)                                                                               \
    F(T, LIST, pk__control_config, config, "config")                                                          \
    F(T, REQ, pk_str, instance, "instance")                                                                   \
    F(T, REQ, pk_str, token, "token")                                                                         \
    F(T, OPT, pk_str, listen, "listen")                                                                       \
    F(T, OPT, pk_ns, idle, "idleTimeout")                                                                     \
    F(T, OPT, pk__control_host, host, "host")                                                                 \
    F(T, OPT, pk__control_survive, survive, "survive")
PK_STRUCT(pk__control_start, PK__CONTROL_START)

/* How a plugin is: in a line that it writes when that changes, and the body of what it answers to GET /healthz. */
#define PK__CONTROL_HEALTH(F, T)                                                                              \
    F(T, REQ, pk_str, status, "status") /* "healthy", "degraded", "unhealthy" */                              \
    F(T, OPT, pk_str, reason, "reason")                                                                       \
    F(T, LIST, pk_str, unavailable, "unavailable") /* what it needs and does not have */
PK_STRUCT(pk__control_health, PK__CONTROL_HEALTH)

/* Every other line, of either side: what is not there is not said. */
#define PK__CONTROL_MESSAGE(F, T)                                                                             \
    F(T, OPT, pk_str, listening, "listening")                                                                 \
    F(T, OPT, bool, ready, "ready")                                                                           \
    F(T, OPT, pk_str, error, "error")                                                                         \
    F(T, OPT, pk_str, code, "code")                                                                           \
    F(T, OPT, pk_str, adopted, "adopted")                                                                     \
    F(T, OPT, bool, adopt, "adopt")                                                                           \
    F(T, OPT, pk_str, token, "token")                                                                         \
    F(T, OPT, bool, shutdown, "shutdown")                                                                     \
    F(T, OPT, bool, ending, "ending")                                                                         \
    F(T, OPT, pk__control_health, health, "health")                                                           \
    F(T, OPT, uint64_t, id, "id") /* of a call in lines mode: not for us */
PK_STRUCT(pk__control_message, PK__CONTROL_MESSAGE)

/* Append one line, newline included. What they fail with is what pk_json_encode fails with. */
PK__FN pk_err pk__control_write_start(pk_buf *out, const pk__control_start *start, pk_error *err);
PK__FN pk_err pk__control_write(pk_buf *out, const pk__control_message *message, pk_error *err);
/* {"listening":ADDRESS}, {"ready":true}: both lines at once, for whoever can be called as soon as it listens. */
PK__FN pk_err pk__control_write_ready(pk_buf *out, pk_str address, pk_error *err);
PK__FN pk_err pk__control_write_error(pk_buf *out, const pk_error *what, pk_error *err);
PK__FN pk_err pk__control_write_shutdown(pk_buf *out, pk_error *err);
PK__FN pk_err pk__control_write_adopt(pk_buf *out, pk_str token, bool shutdown, pk_error *err);
PK__FN pk_err pk__control_write_adopted(pk_buf *out, pk_str proof, pk_error *err);

/* Read one line, without its newline. The result lives in *mem. Errors: PK_ERR_PROTOCOL with what is wrong in the line,
 * PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__control_read_start(pk_mem *mem, pk_str line, pk__control_start *out, pk_error *err);
PK__FN pk_err pk__control_read(pk_mem *mem, pk_str line, pk__control_message *out, pk_error *err);

/* Cuts a stream into lines. */
typedef struct pk__control_lines {
    pk_buf buf;
    size_t max;   // bytes of a line; may be changed between two lines
    size_t at;    // what was taken
    size_t seen;  // bytes from `at` on that hold no newline
} pk__control_lines;

PK__FN void pk__control_lines_init(pk__control_lines *l, const pk_alloc *alloc, size_t max);
PK__FN void pk__control_lines_deinit(pk__control_lines *l);
/* Errors: PK_ERR_NO_MEMORY. Length is checked by _next. */
PK__FN pk_err pk__control_lines_feed(pk__control_lines *l, pk_str bytes, pk_error *err);
/* The next whole line, without "\n" or "\r\n"; blank ones are left out. It is valid until the next feed. *line has a
 * NULL ptr if there is none yet. Errors: PK_ERR_PROTOCOL, a line is too long. */
PK__FN pk_err pk__control_lines_next(pk__control_lines *l, pk_str *line, pk_error *err);
PK__FN bool pk__control_lines_is_empty(const pk__control_lines *l); // nothing is left: not even half a line



/* == rpc/service.h == */
/* service.h - between bytes and structs: how an offered service is checked, described, served and called.
 *
 * Serving: a pk_request goes in, the method's C function runs with structs, a pk_response comes out. Sockets play
 * no part, so a plugin's HTTP routes and a host's internal plugins share this:
 *
 *     request body   -> JSON into a zeroed struct | pk_none | pk_blob (bytes, or the reader on upload routes)
 *     run            -> the contract's function
 *     response       -> struct to JSON | nothing | the blob's body as it is
 *
 * Memory. The request struct, the response struct and the encoded answer live in ctx->mem, which lasts until the
 * answer is written. The response's own pk_mem (where handlers allocate) is a separate one, because a handler may
 * pass its response on to another call, which empties it; but its first bytes are lent to it by ctx->mem, so that a
 * small answer allocates nothing. It is freed as soon as the answer is encoded; that of a blob when its bytes are
 * written (done).
 *
 * Errors. A request that cannot be read is 400 with the place ("config.retry: expected integer"); a response that
 * cannot be written is 500, for it is not the caller's fault. What a handler reports goes out as it is.
 *
 * Calling is the mirror image: pk_stub_call encodes into scratch on the stack, lends the response's pk_mem to the
 * reply, and decodes in place. A warm call of usual size allocates nothing. */
#ifdef PLUGKIT_LINES
#line 20 "src/rpc/service.h"
#endif




#define PK__SERVICE_NAME_MAX 64  // bytes of a contract's or a plugin's name
#define PK__SERVICE_TYPE_MAX 128 // bytes of a type
#define PK__SERVICE_SCRATCH 1024

/* Letters, digits, `_ . -`, not beginning with a dot or a dash: contracts and plugins. Types may have `/ : + @` too. */
PK__FN bool pk__service_is_name(pk_str name);
PK__FN bool pk__service_is_type(pk_str type);

/* Can these be offered together? Names and versions are well formed, every method has a function and a
 * "VERB /path", and no (contract, type) comes twice.
 * Errors: PK_ERR_BAD_NAME, PK_ERR_BAD_CONTRACT (names the method), PK_ERR_DUPLICATE. */
PK__FN pk_err pk__service_check(const pk_service *services, size_t count, pk_error *err);
/* Takes "POST /process" apart. False: not of this form. The path holds no query, star, space or percent sign. */
PK__FN bool pk__service_split(const char *http, pk_str *verb, pk_str *path);

/* Serves one request: see above. request->ctx and its mem are needed; *response is overwritten. */
PK__FN pk_err pk__service_serve(const pk_service *service, const pk_method *method, const pk_request *request,
                                pk_response *response, pk_error *err);

/* What a plugin prints for `capabilities`. Texts may be NULL, then their keys are left out. */
typedef struct pk__service_about {
    const pk_service *services;
    size_t count;
    const char *const *config_types; // NULL-terminated; NULL = none
    const char *id, *version, *description, *author, *license;
    const char *lifeline; // "group": it ends with its host, and its process group with it
    bool survives;        // if its host wants that
} pk__service_about;
PK__FN pk_err pk__service_capabilities(pk_buf *out, const pk__service_about *about, pk_error *err);

/* Scratch for a pk_buf: the first PK__SERVICE_SCRATCH bytes come from here, larger ones from `heap`. On the stack, not
 * moved while it is used. */
typedef struct pk__service_scratch {
    pk_alloc hook; // of the buffer
    const pk_alloc *heap;
    char bytes[PK__SERVICE_SCRATCH];
} pk__service_scratch;
PK__FN void pk__service_scratch_init(pk__service_scratch *s, const pk_alloc *heap, pk_buf *buf, size_t max);



/* == rpc/control.c == */
/* control.c - the lines of the control socket: built, read, and cut out of a stream. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/control.c"
#endif







/* ---- writing */

static pk_err pk__control_put(pk_buf *out, const pk_type *type, const void *in, pk_error *err)
{
    pk_err rc = pk_json_encode(out, type, in, err);
    if (!rc && !pk_buf_add_char(out, '\n')) {
        rc = pk_error_set(err, (pk_err)out->failed, "cannot write a control line: %s",
                          pk_err_text((pk_err)out->failed));
    }
    return rc;
}

PK__FN pk_err pk__control_write_start(pk_buf *out, const pk__control_start *start, pk_error *err)
{
    return pk__control_put(out, &pk_type_pk__control_start, start, err);
}

PK__FN pk_err pk__control_write(pk_buf *out, const pk__control_message *message, pk_error *err)
{
    return pk__control_put(out, &pk_type_pk__control_message, message, err);
}

PK__FN pk_err pk__control_write_ready(pk_buf *out, pk_str address, pk_error *err)
{
    pk__control_message listening, ready;
    memset(&listening, 0, sizeof(listening));
    listening.has_listening = true;
    listening.listening = address;
    memset(&ready, 0, sizeof(ready));
    ready.has_ready = true;
    ready.ready = true;
    pk_err rc = pk__control_write(out, &listening, err);
    return rc ? rc : pk__control_write(out, &ready, err);
}

PK__FN pk_err pk__control_write_error(pk_buf *out, const pk_error *what, pk_error *err)
{
    pk__control_message m;
    memset(&m, 0, sizeof(m));
    m.has_error = true;
    m.error = pk_str_from(what->msg);
    m.has_code = true;
    m.code = pk_str_from(pk_err_id(what->code));
    return pk__control_write(out, &m, err);
}

PK__FN pk_err pk__control_write_shutdown(pk_buf *out, pk_error *err)
{
    pk__control_message m;
    memset(&m, 0, sizeof(m));
    m.has_shutdown = true;
    m.shutdown = true;
    return pk__control_write(out, &m, err);
}

PK__FN pk_err pk__control_write_adopt(pk_buf *out, pk_str token, bool shutdown, pk_error *err)
{
    pk__control_message m;
    memset(&m, 0, sizeof(m));
    m.has_adopt = true;
    m.adopt = true;
    m.has_token = true;
    m.token = token;
    m.has_shutdown = shutdown;
    m.shutdown = shutdown;
    return pk__control_write(out, &m, err);
}

PK__FN pk_err pk__control_write_adopted(pk_buf *out, pk_str proof, pk_error *err)
{
    pk__control_message m;
    memset(&m, 0, sizeof(m));
    m.has_adopted = true;
    m.adopted = proof;
    return pk__control_write(out, &m, err);
}

/* ---- reading */

/* `name` is what the line is called in errors. */
static pk_err pk__control_get(pk_mem *mem, const pk_type *type, const char *name, pk_str line, void *out,
                              pk_error *err)
{
    pk_type named = *type;
    named.name = name;
    pk_err rc = pk_json_decode(mem, &named, line, out, err);
    if (rc && rc != PK_ERR_NO_MEMORY) {
        rc = PK_ERR_PROTOCOL;
        if (err) {
            err->code = rc;
        }
    }
    return rc;
}

PK__FN pk_err pk__control_read_start(pk_mem *mem, pk_str line, pk__control_start *out, pk_error *err)
{
    pk_error why; // errors of syntax quote the text around the place, and here that may be the token
    if (pk_json_check(line, &why) == PK_ERR_BAD_JSON) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot decode the host's first line: it is not JSON");
    }
    return pk__control_get(mem, &pk_type_pk__control_start, "the host's first line", line, out, err);
}

PK__FN pk_err pk__control_read(pk_mem *mem, pk_str line, pk__control_message *out, pk_error *err)
{
    return pk__control_get(mem, &pk_type_pk__control_message, "a control line", line, out, err);
}

/* ---- lines out of a stream */

PK__FN void pk__control_lines_init(pk__control_lines *l, const pk_alloc *alloc, size_t max)
{
    memset(l, 0, sizeof(*l));
    pk_buf_init(&l->buf, alloc, SIZE_MAX / 2); // the limit is on lines, and one piece may bring many
    l->max = max;
}

PK__FN void pk__control_lines_deinit(pk__control_lines *l)
{
    pk_buf_free(&l->buf);
    l->at = 0;
    l->seen = 0;
}

PK__FN pk_err pk__control_lines_feed(pk__control_lines *l, pk_str bytes, pk_error *err)
{
    pk_buf_drop(&l->buf, l->at);
    l->at = 0;
    if (!pk_buf_add(&l->buf, bytes)) {
        return pk__error_memory(err, "take a control line");
    }
    return PK_OK;
}

PK__FN pk_err pk__control_lines_next(pk__control_lines *l, pk_str *line, pk_error *err)
{
    line->ptr = NULL;
    line->len = 0;
    while (l->at < l->buf.len) {
        const char *start = l->buf.ptr + l->at;
        size_t left = l->buf.len - l->at;
        const char *end = (const char *)memchr(start + l->seen, '\n', left - l->seen);
        size_t len = end ? (size_t)(end - start) : left;
        if (len > l->max) {
            return pk_error_set(err, PK_ERR_PROTOCOL, "cannot read a control line: it has more than %lu bytes",
                                (unsigned long)l->max);
        }
        if (!end) {
            l->seen = left;
            return PK_OK;
        }
        l->at += len + 1;
        l->seen = 0;
        len -= len && start[len - 1] == '\r';
        if (len) {
            line->ptr = start;
            line->len = len;
            return PK_OK;
        }
    }
    return PK_OK;
}

PK__FN bool pk__control_lines_is_empty(const pk__control_lines *l)
{
    return l->at == l->buf.len;
}

/* == rpc/service.c == */
/* service.c - offered services: checked, described, served; and the stubs that call them. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/service.c"
#endif








enum { PK__SERVICE_ENCODED_MAX = 512 * 1024 * 1024, PK__SERVICE_SEED = 512 };

/* ---- names and forms */

static bool pk__service_is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool pk__service_fits(pk_str s, size_t max, const char *also)
{
    if (s.len == 0 || s.len > max || s.ptr[0] == '.' || s.ptr[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!pk__service_is_alnum(s.ptr[i]) && (s.ptr[i] == '\0' || !strchr(also, s.ptr[i]))) {
            return false;
        }
    }
    return true;
}

PK__FN bool pk__service_is_name(pk_str name)
{
    return pk__service_fits(name, PK__SERVICE_NAME_MAX, "_.-");
}

PK__FN bool pk__service_is_type(pk_str type)
{
    return pk__service_fits(type, PK__SERVICE_TYPE_MAX, "_.-/:+@");
}

PK__FN bool pk__service_split(const char *http, pk_str *verb, pk_str *path)
{
    if (!http || !pk_str_cut(pk_str_from(http), ' ', verb, path) || verb->len == 0 || path->len == 0 ||
        path->ptr[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < verb->len; i++) {
        if (verb->ptr[i] < 'A' || verb->ptr[i] > 'Z') {
            return false;
        }
    }
    for (size_t i = 0; i < path->len; i++) {
        if (path->ptr[i] <= ' ' || path->ptr[i] > '~' || strchr("?#*%\\", path->ptr[i]) ||
            (path->ptr[i] == '/' && i + 1 < path->len && path->ptr[i + 1] == '/')) {
            return false;
        }
    }
    return true;
}

/* ---- checking */

/* Function pointers are read as bytes: the contract's struct is not known here. */
static bool pk__service_has_function(const pk_service *s, const pk_method *m)
{
    void (*function)(void) = NULL;
    memcpy(&function, (const char *)s->object + m->slot, sizeof(function));
    return function != NULL;
}

static bool pk__service_is_message(const pk_type *t, bool has_flag)
{
    bool is_blob = t && t->kind == PK_TYPE_BLOB;
    return t && (is_blob || t->kind == PK_TYPE_STRUCT || t->kind == PK_TYPE_NONE) && (is_blob || !has_flag);
}

static pk_err pk__service_check_method(const pk_service *s, const pk_method *m, pk_error *err)
{
    const char *contract = s->contract->name;
    pk_str verb, path;
    if (!m->name || !m->run || !pk__service_is_name(pk_str_from(m->name))) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s': a method has no proper name", contract);
    }
    if (!pk__service_split(m->http, &verb, &path)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT,
                            "cannot offer '%s': method '%s' needs \"VERB /path\", not '%s'", contract, m->name,
                            m->http ? m->http : "");
    }
    if (!pk__service_is_message(m->request, m->flags & PK_UPLOAD) ||
        !pk__service_is_message(m->response, m->flags & PK_DOWNLOAD)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT,
                            "cannot offer '%s': the request and response of method '%s' must be messages, pk_none or "
                            "pk_blob, and pk_blob where a flag says so",
                            contract, m->name);
    }
    if (!pk__service_has_function(s, m)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s': method '%s' is missing", contract, m->name);
    }
    return PK_OK;
}

static pk_err pk__service_check_one(const pk_service *s, pk_error *err)
{
    const pk_contract *c = s->contract;
    pk__semver version;
    if (!c || !pk__service_is_name(pk_str_from(c->name))) {
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot offer '%s': the contract needs a name of letters, digits, "
                            "'_', '.' or '-', at most %d", c && c->name ? c->name : "", PK__SERVICE_NAME_MAX);
    }
    if (!pk__semver_parse(pk_str_from(c->version), &version)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s': '%s' is not a version", c->name,
                            c->version ? c->version : "");
    }
    if (!pk__service_is_type(pk_str_from(s->type))) {
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot offer '%s': '%s' is not a type's name", c->name,
                            s->type ? s->type : "");
    }
    if (!s->object) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s': type '%s' has no object", c->name, s->type);
    }
    for (size_t i = 0; i < c->count; i++) {
        pk_err rc = pk__service_check_method(s, &c->methods[i], err);
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

PK__FN pk_err pk__service_check(const pk_service *services, size_t count, pk_error *err)
{
    for (size_t i = 0; i < count; i++) {
        pk_err rc = pk__service_check_one(&services[i], err);
        if (rc) {
            return rc;
        }
        const pk_contract *c = services[i].contract;
        for (size_t k = 0; k < i; k++) {
            const pk_contract *other = services[k].contract;
            if (strcmp(other->name, c->name) != 0) {
                continue;
            }
            if (strcmp(services[k].type, services[i].type) == 0) {
                return pk_error_set(err, PK_ERR_DUPLICATE, "cannot offer '%s' twice for type '%s'", c->name,
                                    services[i].type);
            }
            if (strcmp(other->version, c->version) != 0) {
                return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s' in two versions, %s and %s", c->name,
                                    other->version, c->version);
            }
        }
    }
    return PK_OK;
}

/* ---- capabilities */

static bool pk__service_is_first(const pk__service_about *a, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(a->services[k].contract->name, a->services[i].contract->name) == 0) {
            return false;
        }
    }
    return true;
}

static void pk__service_put_types(pk_json_writer *w, const pk__service_about *a)
{
    pk_json_put_key(w, "types");
    pk_json_put_object(w);
    for (size_t i = 0; i < a->count; i++) {
        if (!pk__service_is_first(a, i)) {
            continue;
        }
        const char *contract = a->services[i].contract->name;
        pk_json_put_key(w, contract);
        pk_json_put_array(w);
        for (size_t k = i; k < a->count; k++) {
            if (strcmp(a->services[k].contract->name, contract) == 0) {
                pk_json_put_object(w);
                pk_json_put_key(w, "type");
                pk_json_put_text(w, a->services[k].type);
                if (a->services[k].schema.len) {
                    pk_json_put_key(w, "jsonSchema"); // bytes for Go: base64 there
                    pk_json_put_b64(w, a->services[k].schema);
                }
                pk_json_put_end(w);
            }
        }
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}

static void pk__service_put_contracts(pk_json_writer *w, const pk__service_about *a)
{
    pk_json_put_key(w, "contracts");
    pk_json_put_object(w);
    for (size_t i = 0; i < a->count; i++) {
        if (pk__service_is_first(a, i)) {
            pk_json_put_key(w, a->services[i].contract->name);
            pk_json_put_text(w, a->services[i].contract->version);
        }
    }
    pk_json_put_end(w);
    pk_json_put_key(w, "methods");
    pk_json_put_object(w);
    for (size_t i = 0; i < a->count; i++) {
        const pk_contract *c = a->services[i].contract;
        if (!pk__service_is_first(a, i)) {
            continue;
        }
        pk_json_put_key(w, c->name);
        pk_json_put_object(w);
        for (size_t k = 0; k < c->count; k++) {
            pk_json_put_key(w, c->methods[k].name);
            pk_json_put_text(w, c->methods[k].http);
        }
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}

static void pk__service_put_text(pk_json_writer *w, const char *key, const char *text)
{
    if (text) {
        pk_json_put_key(w, key);
        pk_json_put_text(w, text);
    }
}

/* "types" and "configTypes" are exactly what the Go framework prints, and come first; it ignores the rest. */
PK__FN pk_err pk__service_capabilities(pk_buf *out, const pk__service_about *a, pk_error *err)
{
    pk_json_writer w;
    pk_json_write(&w, out);
    pk_json_put_object(&w);
    pk__service_put_types(&w, a);
    if (a->config_types && a->config_types[0]) {
        pk_json_put_key(&w, "configTypes");
        pk_json_put_array(&w);
        for (size_t i = 0; a->config_types[i]; i++) {
            pk_json_put_text(&w, a->config_types[i]);
        }
        pk_json_put_end(&w);
    }
    pk_json_put_key(&w, "protocols");
    pk_json_put_array(&w);
    pk_json_put_text(&w, "plugkit/1");
    pk_json_put_end(&w);
    pk__service_put_text(&w, "lifeline", a->lifeline);
    if (a->survives) {
        pk_json_put_key(&w, "survives");
        pk_json_put_bool(&w, true);
    }
    pk__service_put_contracts(&w, a);
    pk__service_put_text(&w, "id", a->id);
    pk__service_put_text(&w, "version", a->version);
    pk__service_put_text(&w, "description", a->description);
    pk__service_put_text(&w, "author", a->author);
    pk__service_put_text(&w, "license", a->license);
    pk_json_put_end(&w);
    return pk_json_finish(&w, err);
}

/* ---- serving */

/* An allocator for buffers that live and end with a pk_mem. */
static void *pk__service_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    void *to = new_size ? pk_mem_get((pk_mem *)user, new_size) : NULL;
    if (to && old_size) {
        memcpy(to, ptr, PK__MIN(old_size, new_size));
    }
    return to;
}

static pk_str pk__service_text(pk_str json)
{
    return json.len ? json : PK_STR("{}"); // no body at all: a message without fields
}

static pk_err pk__service_read(const pk_method *m, const pk_request *request, void **out, pk_error *err)
{
    pk_mem *mem = request->ctx->mem;
    void *req = pk_mem_zero(mem, PK__MAX(m->request->size, sizeof(pk_none)));
    if (!req) {
        return pk__error_memory(err, "read the request");
    }
    *out = req;
    if (m->request->kind == PK_TYPE_BLOB) {
        ((pk_blob *)req)->body = request->body;
        return PK_OK;
    }
    if (m->request->kind == PK_TYPE_NONE) {
        return PK_OK;
    }
    pk_err rc = pk_json_decode(mem, m->request, pk__service_text(request->body.bytes), req, err);
    if (rc && rc != PK_ERR_NO_MEMORY) {
        err->status = 400;
    }
    return rc;
}

static pk_mem *pk__service_mem(const pk_type *type, void *message)
{
    return type->has_mem || type->kind == PK_TYPE_BLOB ? (pk_mem *)message : NULL; // its first member
}

/* A zeroed response. Its pk_mem begins with bytes of ctx->mem: what fits there needs no block of its own. */
static void *pk__service_prepare(const pk_type *type, pk_mem *mem)
{
    void *resp = pk_mem_zero(mem, PK__MAX(type->size, sizeof(pk_none)));
    pk_mem *own = resp ? pk__service_mem(type, resp) : NULL;
    if (own) {
        own->alloc = mem->alloc;
        own->at = (char *)pk_mem_get(mem, PK__SERVICE_SEED);
        own->left = own->at ? PK__SERVICE_SEED : 0;
    }
    return resp;
}

static void pk__service_release(void *user)
{
    pk_mem_free((pk_mem *)user);
}

static pk_err pk__service_write(const pk_method *m, pk_mem *mem, void *resp, pk_response *response, pk_error *err)
{
    if (m->response->kind == PK_TYPE_BLOB) {
        pk_blob *blob = (pk_blob *)resp;
        response->body = blob->body;
        if (response->body.content_type.len == 0) {
            response->body.content_type = PK_STR("application/octet-stream");
        }
        response->done = pk__service_release;
        response->user = &blob->mem;
        return PK_OK;
    }
    pk_err rc = PK_OK;
    if (m->response->kind == PK_TYPE_STRUCT) {
        pk_alloc hook = {pk__service_resize, mem};
        pk_buf buf;
        pk_buf_init(&buf, &hook, PK__SERVICE_ENCODED_MAX);
        buf.ptr = (char *)pk_mem_get(mem, PK__SERVICE_SEED); // a small answer does not grow from nothing
        buf.cap = buf.ptr ? PK__SERVICE_SEED : 0;
        rc = pk_json_encode(&buf, m->response, resp, err);
        response->body.bytes = pk_buf_str(&buf);
        if (rc) {
            err->status = 500;
        }
    }
    pk_mem_free(pk__service_mem(m->response, resp));
    return rc;
}

PK__FN pk_err pk__service_serve(const pk_service *service, const pk_method *m, const pk_request *request,
                                pk_response *response, pk_error *err)
{
    pk_error own;
    void *req = NULL, *resp;
    err = err ? err : &own;
    err->code = PK_OK;
    memset(response, 0, sizeof(*response));
    pk_err rc = pk__service_read(m, request, &req, err);
    if (rc) {
        return rc;
    }
    resp = pk__service_prepare(m->response, request->ctx->mem);
    if (!resp) {
        return pk__error_memory(err, "make room for the response");
    }
    rc = m->run(service->object, request->ctx, req, resp, err);
    if (rc) {
        pk_mem_free(pk__service_mem(m->response, resp));
        if (err->code != rc) { // returned a code, and did not say more
            (void)pk_error_set(err, rc, "%s", pk_err_text(rc));
        }
        return rc;
    }
    return pk__service_write(m, request->ctx->mem, resp, response, err);
}

/* ---- calling */

static void *pk__service_scratch_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    pk__service_scratch *s = (pk__service_scratch *)user;
    if (ptr && ptr != s->bytes) {
        return pk__resize(s->heap, ptr, old_size, new_size);
    }
    if (new_size <= sizeof(s->bytes)) {
        return new_size ? s->bytes : NULL;
    }
    void *to = pk__resize(s->heap, NULL, 0, new_size);
    if (to && ptr) {
        memcpy(to, ptr, old_size);
    }
    return to;
}

PK__FN void pk__service_scratch_init(pk__service_scratch *s, const pk_alloc *heap, pk_buf *buf, size_t max)
{
    s->hook.resize = pk__service_scratch_resize;
    s->hook.user = s;
    s->heap = heap;
    pk_buf_init(buf, &s->hook, max);
}

PK_API pk_err pk_stub_bind(pk_stub *stub, pk_caller *caller, const pk_contract *contract, pk_str type, pk_error *err)
{
    if (!stub || !caller || !contract) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot bind: no stub, caller or contract");
    }
    memset(stub, 0, sizeof(*stub));
    stub->caller = caller;
    stub->contract = contract;
    stub->type = type;
    if (type.len && !pk__service_is_type(type)) {
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot bind '%s': '%" PK_FMT "' is not a type's name",
                            contract->name, PK_ARG(type));
    }
    return caller->router.bind(caller->router.user, stub, err);
}

/* The call without the structs: what goes out is in desc, what comes back in *reply. */
static void pk__stub_describe(const pk_stub *stub, const pk_method *m, const pk_ctx *ctx, char *type,
                              pk_call_desc *desc)
{
    memset(desc, 0, sizeof(*desc));
    if (ctx) {
        desc->ctx = *ctx;
    }
    desc->ctx.idempotent = desc->ctx.idempotent || (m->flags & PK_IDEMPOTENT) != 0;
    desc->contract = stub->contract->name;
    desc->version = stub->contract->version;
    desc->method = m->name;
    desc->http = m->http;
    if (stub->type.len) {
        memcpy(type, stub->type.ptr, stub->type.len);
        type[stub->type.len] = '\0';
        desc->type = type;
    }
}

static pk_err pk__stub_decode(const pk_stub *stub, const pk_method *m, pk_mem *mem, const pk_reply *reply, void *resp,
                              pk_error *err)
{
    pk_err rc = pk_json_decode(mem, m->response, pk__service_text(reply->body.bytes), resp, err);
    if (rc) {
        pk__error_wrap(err, "cannot read the answer of '%s.%s'", stub->contract->name, m->name);
        if (err) {
            err->sent = PK_SENT_ANSWERED;
        }
    }
    return rc;
}

/* Sends what is in desc, and turns the reply into *resp. The reply lives in the response's own memory, so that nothing
 * is copied; a response without one has the handler's (ctx->mem), or must not need any. */
static pk_err pk__stub_exchange(const pk_stub *stub, const pk_method *m, const pk_call_desc *desc, void *resp,
                                pk_error *err)
{
    pk_reply reply;
    memset(&reply, 0, sizeof(reply));
    pk_mem *own = pk__service_mem(m->response, resp);
    if (own) {
        reply.mem = *own;
    } else {
        reply.mem.alloc = stub->caller->alloc;
    }
    if (m->response->kind != PK_TYPE_NONE) {
        memset(resp, 0, m->response->size);
    }
    pk_err rc = pk_caller_call(stub->caller, desc, &reply, err);
    if (own) {
        *own = reply.mem;
    }
    if (!rc && m->response->kind == PK_TYPE_BLOB) {
        ((pk_blob *)resp)->body = reply.body;
    } else if (!rc && m->response->kind == PK_TYPE_STRUCT) {
        rc = pk__stub_decode(stub, m, own ? own : desc->ctx.mem, &reply, resp, err);
    }
    if (!own) {
        pk_mem_free(&reply.mem);
    }
    return rc;
}

PK_API pk_err pk_stub_call(const pk_stub *stub, const pk_method *m, pk_ctx *ctx, const void *req, void *resp,
                           pk_error *err)
{
    char type[PK__SERVICE_TYPE_MAX + 1];
    pk__service_scratch scratch;
    pk_call_desc desc;
    pk_buf buf;
    if (!stub->caller || (m->request->kind != PK_TYPE_NONE && !req) || (m->response->kind != PK_TYPE_NONE && !resp)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot call '%s': the object is not bound, or a message is missing",
                            m->name);
    }
    if (m->response->kind == PK_TYPE_STRUCT && !m->response->has_mem && (!ctx || !ctx->mem)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot call '%s': the response is no PK_MESSAGE and ctx has no memory",
                            m->name);
    }
    pk__stub_describe(stub, m, ctx, type, &desc);
    pk__service_scratch_init(&scratch, stub->caller->alloc, &buf, PK__SERVICE_ENCODED_MAX);
    pk_err rc = PK_OK;
    if (m->request->kind == PK_TYPE_BLOB) {
        desc.body = ((const pk_blob *)req)->body;
        if (desc.body.content_type.len == 0) {
            desc.body.content_type = PK_STR("application/octet-stream");
        }
    } else if (m->request->kind == PK_TYPE_STRUCT) {
        rc = pk_json_encode(&buf, m->request, req, err);
        desc.body.bytes = pk_buf_str(&buf);
        if (rc) {
            pk__error_wrap(err, "cannot send the request of '%s.%s'", stub->contract->name, m->name);
        }
    }
    if (!rc) {
        rc = pk__stub_exchange(stub, m, &desc, resp, err);
    }
    pk_buf_free(&buf);
    return rc;
}

/* == rpc/routes.h == */
/* routes.h - which handler answers a method and a path.
 *
 * A route is "VERB /path", with ANY for every verb, and may end in "/" + "*" for everything below. The path is compared
 * as it is after decoding (wire/url.h). A literal path wins over a star, a longer star over a shorter one, and a verb
 * over ANY. GET answers HEAD too. A path that exists for other verbs only gives the list for `Allow`. */
#ifdef PLUGKIT_LINES
#line 5 "src/rpc/routes.h"
#endif




#define PK__ROUTES_ALLOW_MAX 128

typedef struct pk__route {
    pk_route route;
    pk_str verb, path; // views into route.match; path without the star
    bool is_star;
} pk__route;

typedef struct pk__routes {
    const pk_alloc *alloc;
    pk__route *items;
    size_t count, cap;
} pk__routes;

/* Errors: PK_ERR_MISUSE (the form), PK_ERR_DUPLICATE, PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__routes_add(pk__routes *r, const pk_route *route, pk_error *err);
PK__FN void pk__routes_deinit(pk__routes *r);
/* *rest: what stands for the star. NULL: allow[] is then "" (no such path) or the verbs that it has. Verbs are
 * written with room for PK__ROUTES_ALLOW_MAX bytes. */
PK__FN const pk__route *pk__routes_find(const pk__routes *r, pk_str verb, pk_str path, pk_str *rest, char *allow);
PK__FN bool pk__routes_knows(const pk__routes *r, pk_str verb); // some route or the standard has this verb



/* == rpc/serve.h == */
/* serve.h - pk_server: what the engine (net/http_server.h) leaves open. Who may ask, which handler answers, on which
 * thread, and what an error looks like.
 *
 * A request passes: peer's uid (the engine, at accept) - path (wire/url.h) - token - verb - route - its body -
 * interceptors of serve scope, `before` in order - handler - `after` in reverse - answer. Token before route: who may
 * not ask does not learn what there is. With workers the handler and the interceptors run on a worker's thread; routes
 * with PK_INLINE always run on the loop's thread, so that /healthz answers while every worker is busy.
 *
 * An interceptor that waits holds its request, not its thread: when it is resumed the request goes on, on a worker or
 * on the loop's thread. It may be resumed before its `before` has even returned, so both sides meet at `held`.
 *
 * A call (pk__serve_call) lives in the scratch of the engine's job, from on_head to on_done. Destroying the server from
 * inside a handler on the loop's thread is put off until that has returned; it waits for handlers on workers. */
#ifdef PLUGKIT_LINES
#line 13 "src/rpc/serve.h"
#endif


#ifndef PLUGKIT_NO_NET








struct pk_server {
    const pk_alloc *alloc;
    pk_loop *loop;
    pk__http_server *engine;
    pk__routes routes;
    const pk_interceptor **chain;
    size_t chain_count, chain_states; // states: bytes that a call needs for them
    pk_str token;
    char **open_paths;
    size_t open_count;
    char *address;
    uint32_t running;                 // calls between on_head and on_done
    pk__atomic_u32 canceled;          // handlers are to end soon
    bool (*on_token)(void *user, pk_str token, pk_str caller);
    void (*on_work)(void *user, int change);
    void *user;
    /* Workers. */
    pk__thread *threads;
    size_t thread_count;
    pk__mutex lock;
    pk__cond more;
    pk__node queue;                   // of calls
    bool stopping;
};

enum { PK__SERVE_RUNNING, PK__SERVE_HELD, PK__SERVE_RESUMED };

typedef struct pk__serve_call {
    pk__resumer resumer; // first: exchange.impl
    pk_server *server;
    pk__http_job *job;
    pk__node node;       // in the queue
    pk_task task;        // goes on, on the loop's thread
    pk_route route;      // a copy: the table may grow meanwhile
    pk_request request;
    pk_response response;
    pk_ctx ctx;
    pk__ctx_impl impl;
    pk_str token, timeout; // of the head, as they came
    char *states;        // of interceptors
    size_t at;           // how many `before` have run
    pk_verdict verdict;
    pk__atomic_u32 held;
    bool counted;        // told to on_work
    /* Not cleared for each request: */
    pk_error error;      // code PK_OK: there is an answer
    pk_meta extra[2];    // headers of an error
    char allow[PK__ROUTES_ALLOW_MAX];
    char text[PK__ERROR_BODY_MAX];
    /* Only with interceptors: */
    pk_exchange exchange;
    pk_call_desc desc;
    pk_reply reply;
} pk__serve_call;

/* What the engine calls, and what workers do. */
PK__FN pk__http_plan pk__serve_on_head(void *user, pk__http_job *job);
PK__FN void pk__serve_on_job(void *user, pk__http_job *job);
PK__FN void pk__serve_on_done(void *user, pk__http_job *job);
PK__FN size_t pk__serve_refusal(void *user, char *out, int status, const char *why);
PK__FN void pk__serve_go(pk__serve_call *c);
/* A reader that answers a request with this context said PK_ERR_BUSY, and has more now. The loop's thread; until the
 * response's `done`. */
PK__FN void pk__serve_more(pk_ctx *ctx);

#endif


/* == rpc/routes.c == */
/* routes.c - the table of routes. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/routes.c"
#endif







/* What RFC 9110 and 5789 define, but for TRACE and CONNECT, which have no business here. */
static const char *const pk__routes_verbs[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

static pk_err pk__routes_parse(pk__route *r, pk_error *err)
{
    pk_str match = pk_str_from(r->route.match);
    if (!r->route.run || !pk_str_cut(match, ' ', &r->verb, &r->path) || !pk__http_head_is_token(r->verb) ||
        r->path.len == 0 || r->path.ptr[0] != '/') {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot add route '%.*s': write \"GET /path\" and a handler",
                            (int)PK__MIN(match.len, (size_t)128), match.ptr);
    }
    r->is_star = r->path.len >= 2 && r->path.ptr[r->path.len - 1] == '*' && r->path.ptr[r->path.len - 2] == '/';
    r->path.len -= r->is_star;
    return PK_OK;
}

PK__FN pk_err pk__routes_add(pk__routes *r, const pk_route *route, pk_error *err)
{
    pk__route fresh;
    memset(&fresh, 0, sizeof(fresh));
    fresh.route = *route;
    pk_err rc = pk__routes_parse(&fresh, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < r->count; i++) {
        const pk__route *old = &r->items[i];
        if (old->is_star == fresh.is_star && pk_str_eq(old->verb, fresh.verb) && pk_str_eq(old->path, fresh.path)) {
            return pk_error_set(err, PK_ERR_DUPLICATE, "cannot add route '%.128s': it is there already", route->match);
        }
    }
    if (r->count == r->cap) {
        size_t cap = r->cap > 0 ? r->cap * 2 : 8;
        pk__route *items = (pk__route *)pk__resize(r->alloc, r->items, r->cap * sizeof(*items), cap * sizeof(*items));
        if (!items) {
            return pk__error_memory(err, "add a route");
        }
        r->items = items;
        r->cap = cap;
    }
    r->items[r->count++] = fresh;
    return PK_OK;
}

PK__FN void pk__routes_deinit(pk__routes *r)
{
    pk__free(r->alloc, r->items, r->cap * sizeof(*r->items));
    r->items = NULL;
    r->count = 0;
    r->cap = 0;
}

/* How well a route fits the path: 0 = not at all; literal paths beat stars, longer stars shorter ones. */
static size_t pk__routes_path_score(const pk__route *r, pk_str path)
{
    if (!r->is_star) {
        return pk_str_eq(r->path, path) ? SIZE_MAX / 4 : 0;
    }
    return pk_str_starts(path, r->path) ? r->path.len : 0; // at least 1, for "/"
}

/* How well it fits the verb: 3 = it names it, 2 = GET for HEAD, 1 = ANY, 0 = not at all. */
static size_t pk__routes_verb_score(const pk__route *r, pk_str verb)
{
    if (pk_str_eq(r->verb, verb)) {
        return 3;
    }
    if (pk_str_is(verb, "HEAD") && pk_str_is(r->verb, "GET")) {
        return 2;
    }
    return pk_str_is(r->verb, "ANY") ? 1 : 0;
}

static void pk__routes_allow_add(char *allow, size_t *at, pk_str verb)
{
    if (pk__http_head_has_token(pk_str_from(allow), verb) || *at + verb.len + 3 > PK__ROUTES_ALLOW_MAX) {
        return;
    }
    if (*at > 0) {
        memcpy(allow + *at, ", ", 2);
        *at += 2;
    }
    memcpy(allow + *at, verb.ptr, verb.len);
    *at += verb.len;
    allow[*at] = '\0';
}

static void pk__routes_allow(const pk__routes *r, pk_str path, char *allow)
{
    size_t at = 0;
    allow[0] = '\0';
    for (size_t i = 0; i < r->count; i++) {
        if (pk__routes_path_score(&r->items[i], path) > 0) {
            pk__routes_allow_add(allow, &at, r->items[i].verb);
            if (pk_str_is(r->items[i].verb, "GET")) {
                pk__routes_allow_add(allow, &at, pk_str_from("HEAD"));
            }
        }
    }
    if (at > 0) {
        pk__routes_allow_add(allow, &at, pk_str_from("OPTIONS"));
    }
}

PK__FN const pk__route *pk__routes_find(const pk__routes *r, pk_str verb, pk_str path, pk_str *rest, char *allow)
{
    const pk__route *best = NULL;
    size_t best_score = 0;
    for (size_t i = 0; i < r->count; i++) {
        size_t fits = pk__routes_path_score(&r->items[i], path);
        size_t score = fits > 0 ? pk__routes_verb_score(&r->items[i], verb) : 0;
        if (score > 0 && fits * 4 + score > best_score) {
            best = &r->items[i];
            best_score = fits * 4 + score;
        }
    }
    if (!best) {
        pk__routes_allow(r, path, allow);
        return NULL;
    }
    rest->ptr = path.ptr + path.len;
    rest->len = 0;
    if (best->is_star) {
        rest->ptr = path.ptr + best->path.len;
        rest->len = path.len - best->path.len;
    }
    return best;
}

PK__FN bool pk__routes_knows(const pk__routes *r, pk_str verb)
{
    for (size_t i = 0; i < PK__COUNT(pk__routes_verbs); i++) {
        if (pk_str_is(verb, pk__routes_verbs[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < r->count; i++) {
        if (pk_str_eq(r->items[i].verb, verb)) {
            return true;
        }
    }
    return false;
}

/* == rpc/serve.c == */
/* serve.c - a request of pk_server: from its head to a handler and back. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/serve.c"
#endif

#ifndef PLUGKIT_NO_NET






#include <stdio.h>
#include <string.h>

static pk__serve_call *pk__serve_call_of(pk__http_job *job)
{
    return (pk__serve_call *)job->extra;
}

/* ---- answers */

static void pk__serve_add_field(pk__serve_call *c, const char *name, pk_str value)
{
    size_t at = c->job->answer.field_count;
    c->extra[at].name = pk_str_from(name);
    c->extra[at].value = value;
    c->job->answer.fields = c->extra;
    c->job->answer.field_count = at + 1;
}

/* Makes the call's error its answer. */
static void pk__serve_fail(pk__serve_call *c)
{
    pk_response *a = &c->job->answer;
    memset(a, 0, sizeof(*a));
    a->status = pk__error_body_status(&c->error);
    a->body.bytes.ptr = c->text;
    a->body.bytes.len = pk__error_body_write(c->text, &c->error);
    if (a->status == 401) {
        pk__serve_add_field(c, "WWW-Authenticate", pk_str_from("PlugKit-Token"));
    }
    if (c->allow[0]) {
        pk__serve_add_field(c, "Allow", pk_str_from(c->allow));
    }
    if (c->error.retry_after_ms > 0) {
        pk_str seconds = pk_mem_printf(&c->job->mem, "%u", (unsigned)((c->error.retry_after_ms - 1) / 1000 + 1));
        if (seconds.ptr) {
            pk__serve_add_field(c, "Retry-After", seconds);
        }
    }
}

/* The handler's headers and those it added to its context, as one list. */
static bool pk__serve_join_fields(pk__serve_call *c)
{
    pk_response *a = &c->job->answer;
    size_t count = a->field_count + c->impl.out_count;
    if (c->impl.out_count == 0) {
        return true;
    }
    pk_meta *all = (pk_meta *)pk_mem_get(&c->job->mem, count * sizeof(*all));
    if (!all) {
        return false;
    }
    if (a->field_count > 0) {
        memcpy(all, a->fields, a->field_count * sizeof(*all));
    }
    memcpy(all + a->field_count, c->impl.out, c->impl.out_count * sizeof(*all));
    a->fields = all;
    a->field_count = count;
    return true;
}

static void pk__serve_answer(pk__serve_call *c)
{
    if (c->error.code == PK_OK) {
        c->job->answer = c->response;
        if (!pk__serve_join_fields(c)) {
            (void)pk__error_memory(&c->error, "answer");
        }
    }
    if (c->error.code != PK_OK) {
        pk__serve_fail(c);
    }
    pk__http_server_answer(c->job);
}

static pk__http_plan pk__serve_refuse(pk__serve_call *c, int status, pk_err code, const char *what, pk_str name)
{
    char shown[128];
    (void)pk__error_clean(shown, sizeof(shown), name);
    (void)pk_error_set(&c->error, code, "%s%s%s%s", what, shown[0] ? " '" : "", shown, shown[0] ? "'" : "");
    c->error.status = status;
    pk__serve_answer(c);
    return PK__HTTP_ANSWERED;
}

/* ---- the head: who may ask, and who answers */

static bool pk__serve_is_open(const pk_server *s, pk_str path)
{
    for (size_t i = 0; i < s->open_count; i++) {
        if (pk_str_is(path, s->open_paths[i])) {
            return true;
        }
    }
    return false;
}

static const char pk__serve_absent[] = "";

PK__FN inline void pk__serve_keep(pk_str *to, const pk_meta *field, pk_str name)
{
    if (to->ptr == pk__serve_absent && pk__http_head_named(field->name, name)) {
        *to = field->value; // the first one counts
    }
}

/* What we want of the fields, in one pass. The token is taken out: nobody behind this point needs it, so nobody can
 * print it. */
static void pk__serve_read_fields(pk__serve_call *c)
{
    pk__http_head *h = &c->job->head;
    size_t kept = 0;
    c->ctx.caller.ptr = pk__serve_absent;
    c->ctx.traceparent.ptr = pk__serve_absent;
    c->request.body.content_type.ptr = pk__serve_absent;
    c->timeout.ptr = pk__serve_absent;
    for (size_t i = 0; i < h->field_count; i++) {
        const pk_meta *f = &h->fields[i];
        switch (f->name.len) {
        case 11: pk__serve_keep(&c->ctx.traceparent, f, PK_STR("traceparent")); break;
        case 12: pk__serve_keep(&c->request.body.content_type, f, PK_STR("Content-Type")); break;
        case 14: pk__serve_keep(&c->ctx.caller, f, PK_STR("PlugKit-Caller")); break;
        case 18: pk__serve_keep(&c->timeout, f, PK_STR("Connect-Timeout-Ms")); break;
        case 13:
            if (pk__http_head_named(f->name, PK_STR("PlugKit-Token"))) {
                c->token = f->value;
                continue;
            }
            break;
        default: break;
        }
        if (kept < i) {
            h->fields[kept] = *f;
        }
        kept++;
    }
    h->field_count = kept;
}

static pk__http_plan pk__serve_no_route(pk__serve_call *c)
{
    pk_str verb = c->request.method;
    bool asks_options = pk_str_is(verb, "OPTIONS");
    if (asks_options && pk_str_is(c->request.path, "*")) {
        (void)snprintf(c->allow, sizeof(c->allow), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    if (asks_options && c->allow[0]) {
        c->response.status = 204;
        c->extra[0].name = pk_str_from("Allow");
        c->extra[0].value = pk_str_from(c->allow);
        c->response.fields = c->extra;
        c->response.field_count = 1;
        pk__serve_answer(c);
        return PK__HTTP_ANSWERED;
    }
    if (c->allow[0]) {
        return pk__serve_refuse(c, 405, PK_ERR_UNSUPPORTED, "this path does not take method", verb);
    }
    return pk__serve_refuse(c, 404, PK_ERR_NOT_FOUND, "nothing is here at", c->request.path);
}

static bool pk__serve_decode(pk__serve_call *c, const pk__url *url)
{
    pk_request *r = &c->request;
    r->query = url->query;
    r->path = url->path;
    if (url->form == PK__URL_ASTERISK) {
        return true;
    }
    char *path = (char *)pk_mem_get(&c->job->mem, url->path.len);
    r->path.ptr = path;
    return path && pk__url_decode_path(url->path, path, &r->path.len);
}

PK__FN pk__http_plan pk__serve_on_head(void *user, pk__http_job *job)
{
    pk_server *s = (pk_server *)user;
    pk__serve_call *c = pk__serve_call_of(job);
    pk__url url;
    static const pk_str none = {"", 0};
    memset(c, 0, offsetof(pk__serve_call, error));
    pk__error_none(&c->error);
    c->allow[0] = '\0';
    if (s->chain_count > 0) {
        memset(&c->exchange, 0, sizeof(*c) - offsetof(pk__serve_call, exchange));
    }
    c->server = s;
    c->job = job;
    c->request.method = job->head.method;
    s->running++;
    if (!pk__url_split(job->head.method, job->head.target, &url) || !pk__serve_decode(c, &url)) {
        return pk__serve_refuse(c, 400, PK_ERR_PARSE, "malformed request target", none);
    }
    pk__serve_read_fields(c);
    bool known = s->on_token ? s->on_token(s->user, c->token, c->ctx.caller)
                             : s->token.len == 0 || pk__token_equal(c->token, s->token);
    memset(&c->token, 0, sizeof(c->token));
    if (!known && !pk__serve_is_open(s, c->request.path)) {
        return pk__serve_refuse(c, 401, PK_ERR_DENIED, "cannot serve the request: the token is missing or wrong", none);
    }
    pk_request *r = &c->request;
    const pk__route *route = pk__routes_find(&s->routes, r->method, r->path, &r->rest, c->allow);
    bool is_named = route && pk_str_eq(route->verb, r->method);
    if (!is_named && !pk__routes_knows(&s->routes, r->method)) {
        c->allow[0] = '\0';
        return pk__serve_refuse(c, 501, PK_ERR_UNSUPPORTED, "nothing here knows method", r->method);
    }
    if (!route) {
        return pk__serve_no_route(c);
    }
    c->route = route->route;
    if (s->on_work && !(c->route.flags & PK_INLINE)) {
        c->counted = true;
        s->on_work(s->user, 1);
    }
    return c->route.flags & PK_UPLOAD ? PK__HTTP_READ : PK__HTTP_COLLECT;
}

/* ---- interceptors and handler */

static void pk__serve_handle(pk__serve_call *c)
{
    pk_err rc = c->route.run(c->route.user, &c->request, &c->response, &c->error);
    if (rc == PK_OK) {
        c->error.code = PK_OK; // whatever it tried on the way
    } else if (c->error.code == PK_OK) {
        (void)pk_error_set(&c->error, rc, "%s", pk_err_text(rc));
    }
}

/* What `after` sees, and may change. */
static void pk__serve_after(pk__serve_call *c)
{
    pk_reply *r = &c->reply;
    uint32_t delay_ms = 0;
    r->status = c->response.status ? c->response.status : 200;
    r->meta = c->response.fields;
    r->meta_count = c->response.field_count;
    r->body = c->response.body;
    (void)pk__chain_after(c->server->chain, &c->at, 0, c->states, &c->exchange, &delay_ms);
}

static void pk__serve_take_reply(pk__serve_call *c)
{
    c->response.status = c->reply.status;
    c->response.fields = c->reply.meta;
    c->response.field_count = c->reply.meta_count;
    c->response.body = c->reply.body;
}

/* Goes as far as it can; any thread. The job may be somebody else's as soon as it is answered. */
PK__FN void pk__serve_go(pk__serve_call *c)
{
    pk_server *s = c->server;
    pk__chain_result r = PK__CHAIN_ON;
    if (s->chain_count > 0) {
        do {
            pk_verdict verdict = c->verdict;
            pk__atomic_store(&c->held, PK__SERVE_RUNNING);
            r = pk__chain_before(s->chain, &c->at, s->chain_count, c->states, &c->exchange, verdict);
            if (r == PK__CHAIN_WAIT && pk__atomic_cas(&c->held, PK__SERVE_RUNNING, PK__SERVE_HELD)) {
                return; // resumed later
            }
        } while (r == PK__CHAIN_WAIT);
        if (r == PK__CHAIN_TURN && c->error.code == PK_OK) {
            pk__serve_take_reply(c);
        }
    }
    if (r == PK__CHAIN_ON) {
        pk__serve_handle(c);
    }
    if (s->chain_count > 0) {
        pk__serve_after(c);
        pk__serve_take_reply(c);
    }
    pk__serve_answer(c);
}

static void pk__serve_on_task(void *user)
{
    pk__serve_call *c = (pk__serve_call *)user;
    pk__http_server *engine = c->server->engine;
    pk__http_server_enter(engine);
    pk__serve_go(c);
    pk__http_server_leave(engine);
}

static void pk__serve_queue(pk__serve_call *c)
{
    pk_server *s = c->server;
    pk__mutex_lock(&s->lock);
    pk__list_push(&s->queue, &c->node);
    pk__mutex_unlock(&s->lock);
    pk__cond_signal(&s->more);
}

static void pk__serve_resume(pk__resumer *self, pk_exchange *x, pk_verdict verdict)
{
    pk__serve_call *c = PK__OF(self, pk__serve_call, resumer);
    (void)x;
    c->verdict = verdict;
    if (pk__atomic_swap(&c->held, PK__SERVE_RESUMED) != PK__SERVE_HELD) {
        return; // its `before` has not returned yet, and will see this
    }
    if (c->job->detached) {
        pk__serve_queue(c);
    } else {
        pk_loop_post(c->server->loop, &c->task);
    }
}

static bool pk__serve_is_gone(void *user)
{
    return pk__http_server_is_gone((pk__http_job *)user);
}

PK__FN void pk__serve_more(pk_ctx *ctx)
{
    pk__http_server_more((pk__http_job *)((pk__ctx_impl *)ctx->impl)->user);
}

static pk_err pk__serve_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    return pk__http_server_read((pk__http_job *)user, buf, cap, got, err);
}

static void pk__serve_set_context(pk__serve_call *c)
{
    pk__http_job *job = c->job;
    uint64_t ms = 0;
    if (pk__http_head_number(c->timeout, &ms) && ms > 0 && ms <= UINT32_MAX) {
        c->ctx.timeout_ms = (uint32_t)ms;
        job->deadline = pk__clock_after_ms(pk__clock_ns(), ms);
    }
    pk__ctx_init(&c->impl, job->deadline);
    c->impl.canceled = &c->server->canceled;
    c->impl.is_gone = pk__serve_is_gone;
    c->impl.user = job;
    if (PK__SECURE_ON(job->link->secure)) {
        c->impl.peer = job->link->secure->peer;
    }
    c->ctx.impl = &c->impl;
    c->ctx.mem = &job->mem;
    c->ctx.meta = job->head.fields;
    c->impl.in = job->head.fields;
    c->ctx.meta_count = job->head.field_count;
}

static bool pk__serve_set_exchange(pk__serve_call *c)
{
    pk_server *s = c->server;
    c->states = (char *)pk_mem_zero(&c->job->mem, s->chain_states);
    c->reply.mem.alloc = s->alloc;
    c->desc.http = c->route.match;
    c->desc.ctx = c->ctx;
    c->desc.body = c->request.body;
    c->exchange.call = &c->desc;
    c->exchange.ctx = &c->ctx;
    c->exchange.plugin = pk_str_from("");
    c->exchange.instance = pk_str_from("");
    c->exchange.attempt = 1;
    c->exchange.reply = &c->reply;
    c->exchange.err = &c->error;
    c->exchange.impl = c;
    c->resumer.resume = pk__serve_resume;
    c->task.run = pk__serve_on_task;
    c->task.user = c;
    return c->states != NULL;
}

PK__FN void pk__serve_on_job(void *user, pk__http_job *job)
{
    pk_server *s = (pk_server *)user;
    pk__serve_call *c = pk__serve_call_of(job);
    pk_request *r = &c->request;
    pk__serve_set_context(c);
    r->fields = job->head.fields;
    r->field_count = job->head.field_count;
    r->ctx = &c->ctx;
    r->body.bytes = job->body;
    if (c->route.flags & PK_UPLOAD) {
        r->body.read = pk__serve_read;
        r->body.user = job;
    }
    if (s->chain_count > 0 && !pk__serve_set_exchange(c)) {
        (void)pk__error_memory(&c->error, "serve the request");
        pk__serve_answer(c);
    } else if (s->thread_count > 0 && !(c->route.flags & PK_INLINE)) {
        pk__http_server_detach(job);
        pk__serve_queue(c);
    } else {
        pk__serve_go(c);
    }
}

PK__FN void pk__serve_on_done(void *user, pk__http_job *job)
{
    pk_server *s = (pk_server *)user;
    pk__serve_call *c = pk__serve_call_of(job);
    if (c->response.done) {
        c->response.done(c->response.user);
    }
    if (s->chain_count > 0) {
        pk_mem_free(&c->reply.mem);
        pk_loop_unpost(s->loop, &c->task);
    }
    s->running--;
    if (c->counted) {
        s->on_work(s->user, -1);
    }
}

PK__FN size_t pk__serve_refusal(void *user, char *out, int status, const char *why)
{
    char text[PK__ERROR_BODY_MAX];
    pk_error error;
    (void)user;
    memset(&error, 0, sizeof(error));
    pk_err code = status == 408 ? PK_ERR_PLUGIN_TIMEOUT : status >= 500 ? PK_ERR_OS : PK_ERR_HTTP;
    (void)pk_error_set(&error, code, "%.160s", why);
    error.status = status;
    size_t len = PK__MIN(pk__error_body_write(text, &error), (size_t)PK__HTTP_SERVER_REFUSAL);
    memcpy(out, text, len);
    return len;
}
#endif

/* == rpc/serve_life.c == */
/* serve_life.c - pk_server: its workers, and how it is made and unmade. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/serve_life.c"
#endif

#ifndef PLUGKIT_NO_NET




#include <string.h>

/* ---- workers */

static void pk__serve_work(void *arg)
{
    pk_server *s = (pk_server *)arg;
    for (;;) {
        pk__mutex_lock(&s->lock);
        while (!s->stopping && pk__list_is_empty(&s->queue)) {
            (void)pk__cond_wait(&s->more, &s->lock, PK_FOREVER);
        }
        pk__node *node = s->stopping ? NULL : pk__list_pop(&s->queue);
        pk__mutex_unlock(&s->lock);
        if (!node) {
            return;
        }
        pk__serve_go(PK__OF(node, pk__serve_call, node));
    }
}

static pk_err pk__serve_start_workers(pk_server *s, int count, pk_error *err)
{
    if (count <= 0) {
        return PK_OK;
    }
    s->threads = (pk__thread *)pk__new(s->alloc, (size_t)count * sizeof(*s->threads));
    if (!s->threads) {
        return pk__error_memory(err, "create a server");
    }
    s->thread_count = (size_t)count;
    for (size_t i = 0; i < s->thread_count; i++) {
        pk_err rc = pk__thread_start(&s->threads[i], pk__serve_work, s, err);
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

/* Waits for the handlers that are running; those in the queue will not. */
static void pk__serve_stop_workers(pk_server *s)
{
    if (!s->threads) {
        return;
    }
    if (!pk__loop_is_forked(s->loop)) { // a forked child has no threads but its own
        pk__mutex_lock(&s->lock);
        s->stopping = true;
        pk__mutex_unlock(&s->lock);
        pk__cond_broadcast(&s->more);
        for (size_t i = 0; i < s->thread_count; i++) {
            pk__thread_join(&s->threads[i]);
        }
    }
    pk__free(s->alloc, s->threads, s->thread_count * sizeof(*s->threads));
    s->threads = NULL;
}

/* ---- life */

static void pk__serve_free(void *user)
{
    pk_server *s = (pk_server *)user;
    pk__serve_stop_workers(s);
    for (size_t i = 0; i < s->open_count; i++) {
        pk__strfree(s->alloc, s->open_paths[i]);
    }
    pk__free(s->alloc, s->open_paths, s->open_count * sizeof(*s->open_paths));
    pk__chain_destroy(s->alloc, s->chain, s->chain_count);
    pk__routes_deinit(&s->routes);
    pk__strfree(s->alloc, s->address);
    pk__free(s->alloc, (void *)(uintptr_t)s->token.ptr, s->token.len);
    pk__mutex_deinit(&s->lock);
    pk__cond_deinit(&s->more);
    pk__free(s->alloc, s, sizeof(*s));
}

static pk_err pk__serve_copy(pk_server *s, const pk_server_desc *desc, pk_error *err)
{
    size_t count = 0;
    while (desc->open_paths && desc->open_paths[count]) {
        count++;
    }
    if (desc->token.len > 0) {
        char *token = (char *)pk__resize(s->alloc, NULL, 0, desc->token.len);
        if (!token) {
            return pk__error_memory(err, "create a server");
        }
        memcpy(token, desc->token.ptr, desc->token.len);
        s->token.ptr = token;
        s->token.len = desc->token.len;
    }
    if (count > 0) {
        s->open_paths = (char **)pk__new(s->alloc, count * sizeof(*s->open_paths));
        s->open_count = s->open_paths ? count : 0;
        for (size_t i = 0; i < s->open_count; i++) {
            s->open_paths[i] = pk__strdup(s->alloc, desc->open_paths[i]);
        }
        if (!s->open_paths || !s->open_paths[count - 1]) {
            return pk__error_memory(err, "create a server");
        }
    }
    return pk__chain_create(s->alloc, desc->interceptors, desc->interceptor_count, PK_SCOPE_SERVE, PK_SCOPE_SERVE,
                            &s->chain, &s->chain_count, &s->chain_states, err);
}

static pk_err pk__serve_listen(pk_server *s, const pk_server_desc *desc, int *fd, pk_error *err)
{
    pk__address address;
    char text[PK__ADDRESS_TEXT_MAX];
    pk_err rc = PK_OK;
    if (!desc->has_listen_fd) {
        rc = pk__address_parse(&address, pk_str_from(desc->listen), err);
        if (PK__SECURE_BUILT && rc == PK_OK && address.is_secure && !desc->tls) {
            rc = pk_error_set(err, PK_ERR_MISUSE, "cannot listen at '%.128s': no pk_tls is given", desc->listen);
        }
        if (rc == PK_OK) {
            rc = pk__socket_listen(&address, fd, err);
        }
    }
    if (rc == PK_OK) {
        rc = pk__socket_local(*fd, &address, err);
    }
    if (rc == PK_OK && PK__SECURE_ON(desc->tls)) {
        rc = pk__secure_table_of(desc->tls)->check(desc->tls, true, err);
    }
    if (rc == PK_OK && PK__SECURE_BUILT) {
        address.is_secure = desc->tls != NULL;
    }
    if (rc == PK_OK) {
        (void)pk__address_format(&address, text, sizeof(text));
        s->address = pk__strdup(s->alloc, text);
        rc = s->address ? PK_OK : pk__error_memory(err, "create a server");
    }
    return rc;
}

static void pk__serve_resolve(pk__http_server_desc *out, const pk_server_desc *in)
{
    memset(out, 0, sizeof(*out));
    out->alloc = in->alloc;
    out->loop = in->loop;
    out->any_uid = in->any_uid;
    out->tls = in->tls;
    out->header_ms = in->limit.header_ms > 0 ? in->limit.header_ms : 10 * 1000;
    out->body_ms = in->limit.body_ms > 0 ? in->limit.body_ms : 60 * 1000;
    out->idle_ms = in->limit.idle_ms > 0 ? in->limit.idle_ms : 5 * 60 * 1000;
    out->head_bytes = in->limit.head_bytes > 0 ? in->limit.head_bytes : 16 * 1024;
    out->fields = in->limit.fields > 0 ? in->limit.fields : 100;
    out->body_bytes = in->limit.body_bytes > 0 ? in->limit.body_bytes : 8 * 1024 * 1024;
    out->connections = in->limit.connections > 0 ? in->limit.connections : 1024;
    out->per_peer = in->limit.connections_per_peer;
    out->extra = sizeof(pk__serve_call);
    out->spare = in->workers > 0 ? (size_t)in->workers + 1 : 2;
    out->on_head = pk__serve_on_head;
    out->on_job = pk__serve_on_job;
    out->on_done = pk__serve_on_done;
    out->refusal = pk__serve_refusal;
}

static pk_err pk__serve_create(pk_server *s, const pk_server_desc *desc, int *fd, pk_error *err)
{
    pk__http_server_desc engine;
    pk_err rc = pk__serve_copy(s, desc, err);
    if (rc == PK_OK) {
        rc = pk__serve_listen(s, desc, fd, err);
    }
    if (rc) {
        return rc;
    }
    pk__serve_resolve(&engine, desc);
    engine.listen_fd = *fd;
    engine.user = s;
    *fd = -1;
    rc = pk__http_server_create(&s->engine, &engine, err);
    return rc == PK_OK ? pk__serve_start_workers(s, desc->workers, err) : rc;
}

PK_API pk_err pk_server_create(pk_server **out, const pk_server_desc *desc, pk_error *err)
{
    int fd = desc->has_listen_fd ? desc->listen_fd : -1;
    *out = NULL;
    if (!desc->loop || (!desc->listen && !desc->has_listen_fd)) {
        pk__fd_close(fd);
        return pk_error_set(err, PK_ERR_MISUSE,
                            "cannot create a server: it needs a loop and an address or a descriptor");
    }
    pk_server *s = (pk_server *)pk__new(desc->alloc, sizeof(*s));
    if (!s) {
        pk__fd_close(fd);
        return pk__error_memory(err, "create a server");
    }
    s->alloc = desc->alloc;
    s->loop = desc->loop;
    s->routes.alloc = desc->alloc;
    s->on_work = desc->on_work;
    s->on_token = desc->on_token;
    s->user = desc->user;
    pk__mutex_init(&s->lock);
    pk__cond_init(&s->more);
    pk__list_init(&s->queue);
    pk_err rc = pk__serve_create(s, desc, &fd, err);
    if (rc) {
        pk__fd_close(fd);
        pk__serve_stop_workers(s);
        pk__http_server_destroy(s->engine);
        pk__serve_free(s);
        return rc;
    }
    s->engine->desc.on_destroyed = pk__serve_free;
    *out = s;
    return PK_OK;
}

PK_API void pk_server_destroy(pk_server *server)
{
    if (!server) {
        return;
    }
    pk__atomic_store(&server->canceled, 1);
    pk__serve_stop_workers(server);
    pk__http_server_destroy(server->engine); // and then pk__serve_free, perhaps later
}

PK_API pk_err pk_server_add(pk_server *server, const pk_route *route, pk_error *err)
{
    return pk__routes_add(&server->routes, route, err);
}

PK_API const char *pk_server_address(const pk_server *server)
{
    return server->address;
}

PK_API void pk_server_drain(pk_server *server)
{
    pk__http_server_drain(server->engine);
}

PK_API bool pk_server_is_idle(const pk_server *server)
{
    return server->running == 0;
}
#endif

/* == rpc/credentials.h == */
/* credentials.h - who one is, shown and checked by interceptors: pk_credentials_show, pk_access_check.
 *
 * To show: `before` of an attempt puts one header behind those of the call, in a block of its own memory, and `after`
 * takes it away again, overwrites and frees it. So a retry shows what is right then, and nothing of it is left in the
 * call, in its reply or in the copy of its description.
 *
 * To check: everything that is accepted is compared with what was shown, also after one has fitted, and each comparison
 * takes as long as what was shown is long. A refusal is an answer (401), not an error of the interceptor: only so it
 * can say in WWW-Authenticate what would do. */
#ifdef PLUGKIT_LINES
#line 9 "src/rpc/credentials.h"
#endif


#ifdef PLUGKIT_WITH_CREDENTIALS


PK__FN bool pk__credentials_equal(pk_str shown, pk_str wanted);

#endif


/* == rpc/credentials.c == */
/* credentials.c - API keys, bearer tokens and passwords. */
#ifdef PLUGKIT_LINES
#line 1 "src/rpc/credentials.c"
#endif

#ifdef PLUGKIT_WITH_CREDENTIALS




#include <string.h>

enum { PK__CREDENTIALS_MAX = 8 * 1024 }; // bytes of a header

static void pk__credentials_wipe(void *bytes, size_t len)
{
    volatile unsigned char *at = (volatile unsigned char *)bytes;
    for (size_t i = 0; i < len; i++) {
        at[i] = 0;
    }
}

static const char *pk__credentials_header(const pk_credential *c)
{
    switch (c->kind) {
    case PK_CREDENTIAL_BEARER:
    case PK_CREDENTIAL_BASIC: return "Authorization";
    default: return c->header ? c->header : "X-API-Key";
    }
}

/* ---- shown */

typedef struct pk__credentials_state {
    pk_meta *fields; // of this attempt; NULL = nothing is shown
    size_t size;     // of that block
    const pk_meta *before;
} pk__credentials_state;

static const pk_credential *pk__credentials_for(const pk_credentials *all, pk_str plugin)
{
    const pk_credential *general = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const pk_credential *c = &all->items[i];
        if (c->plugin && pk_str_is(plugin, c->plugin)) {
            return c;
        }
        general = general || c->plugin ? general : c;
    }
    return general;
}

/* "user:secret" in base64, behind what is in the buffer. */
static bool pk__credentials_basic(pk_buf *out, const pk_alloc *alloc, pk_str user, pk_str secret)
{
    pk_buf plain;
    pk_buf_init(&plain, alloc, PK__CREDENTIALS_MAX);
    bool good = pk_buf_add(&plain, user) && pk_buf_add(&plain, PK_STR(":")) && pk_buf_add(&plain, secret) &&
                pk__base64_encode(out, pk_buf_str(&plain));
    pk__credentials_wipe(plain.ptr, plain.len);
    pk_buf_free(&plain);
    return good;
}

static pk_err pk__credentials_write(pk_buf *out, const pk_alloc *alloc, const pk_credential *c, pk_str secret,
                                    pk_error *err)
{
    bool basic = c->kind == PK_CREDENTIAL_BASIC;
    bool good = basic ? !memchr(c->user.len ? c->user.ptr : "", ':', c->user.len) : secret.len > 0;
    if (!good || !pk__http_head_is_value(secret) || !pk__http_head_is_token(pk_str_from(pk__credentials_header(c)))) {
        return pk_error_set(err, PK_ERR_MISUSE, "%s", basic ? "user or password hold odd characters"
                                                            : "the secret is missing or holds odd characters");
    }
    if (basic) {
        good = pk_buf_add(out, PK_STR("Basic ")) && pk__credentials_basic(out, alloc, c->user, secret);
    } else {
        good = (c->kind != PK_CREDENTIAL_BEARER || pk_buf_add(out, PK_STR("Bearer "))) && pk_buf_add(out, secret);
    }
    if (!good && out->failed == PK_ERR_LIMIT) {
        return pk_error_set(err, PK_ERR_LIMIT, "the secret is longer than %d bytes", PK__CREDENTIALS_MAX);
    }
    return good ? PK_OK : pk__error_memory(err, "show credentials");
}

/* Everything in one block: the call's fields, ours behind them, and its value. */
static pk_err pk__credentials_put(pk__credentials_state *state, pk_ctx *ctx, const pk_alloc *alloc, const char *name,
                                  pk_str value)
{
    size_t count = ctx->meta_count;
    state->size = (count + 1) * sizeof(*state->fields) + value.len;
    state->fields = (pk_meta *)pk__new(alloc, state->size);
    if (!state->fields) {
        return PK_ERR_NO_MEMORY;
    }
    char *text = (char *)(state->fields + count + 1);
    if (count) {
        memcpy(state->fields, ctx->meta, count * sizeof(*state->fields));
    }
    memcpy(text, value.ptr, value.len);
    state->fields[count].name = pk_str_from(name);
    state->fields[count].value.ptr = text;
    state->fields[count].value.len = value.len;
    state->before = ctx->meta;
    ctx->meta = state->fields;
    ctx->meta_count = count + 1;
    return PK_OK;
}

static pk_verdict pk__credentials_before(void *user, pk_exchange *x)
{
    const pk_credentials *all = (const pk_credentials *)user;
    const pk_credential *c = pk__credentials_for(all, x->plugin);
    if (!c || c->kind == PK_CREDENTIAL_NONE) {
        return PK_GO;
    }
    const char *name = pk__credentials_header(c);
    for (size_t i = 0; i < x->ctx->meta_count; i++) {
        if (pk_str_ieq(x->ctx->meta[i].name, pk_str_from(name))) {
            return PK_GO; // the call has its own
        }
    }
    pk_buf value;
    pk_str secret = c->secret;
    pk_buf_init(&value, all->alloc, PK__CREDENTIALS_MAX);
    pk_err rc = c->get ? c->get(c->context, x, &secret, x->err) : PK_OK;
    if (rc && x->err->code == PK_OK) {
        (void)pk_error_set(x->err, rc, "there are none");
    }
    rc = rc ? rc : pk__credentials_write(&value, all->alloc, c, secret, x->err);
    if (!rc) {
        rc = pk__credentials_put((pk__credentials_state *)x->state, x->ctx, all->alloc, name, pk_buf_str(&value));
        if (rc) {
            (void)pk__error_memory(x->err, "show credentials");
        }
    }
    pk__credentials_wipe(value.ptr, value.len);
    pk_buf_free(&value);
    if (rc) {
        (void)pk__error_wrap(x->err, "cannot show credentials to '%" PK_FMT "'", PK_ARG(x->plugin));
    }
    return rc ? PK_REFUSE : PK_GO;
}

static pk_verdict pk__credentials_after(void *user, pk_exchange *x, uint32_t *delay_ms)
{
    const pk_credentials *all = (const pk_credentials *)user;
    pk__credentials_state *state = (pk__credentials_state *)x->state;
    (void)delay_ms;
    if (state->fields) {
        x->ctx->meta = state->before;
        x->ctx->meta_count--;
        pk__credentials_wipe(state->fields, state->size);
        pk__free(all->alloc, state->fields, state->size);
        state->fields = NULL;
    }
    return PK_GO;
}

PK_API pk_interceptor pk_credentials_show(const pk_credentials *credentials)
{
    pk_interceptor i;
    memset(&i, 0, sizeof(i));
    i.name = "credentials";
    i.scope = PK_SCOPE_ATTEMPT;
    i.state_size = sizeof(pk__credentials_state);
    i.before = pk__credentials_before;
    i.after = pk__credentials_after;
    i.user = (void *)(uintptr_t)credentials; // it is only read
    i.own_requests = true;
    return i;
}

/* ---- checked */

PK__FN bool pk__credentials_equal(pk_str shown, pk_str wanted)
{
    volatile unsigned different = shown.len != wanted.len || wanted.len == 0;
    for (size_t i = 0; i < shown.len && wanted.len; i++) {
        different = different | ((unsigned)(unsigned char)shown.ptr[i] ^ (unsigned char)wanted.ptr[i % wanted.len]);
    }
    return different == 0;
}

typedef struct pk__access_shown { // what a request shows in one header
    pk_str scheme, user, secret;
    char plain[PK__CREDENTIALS_MAX]; // of Basic; to be wiped
    size_t plain_len;
} pk__access_shown;

/* "Bearer abc": is the scheme this one? Then what is behind it. */
static bool pk__access_scheme(pk_str value, const char *scheme, pk_str *rest)
{
    pk_str name;
    if (!pk_str_cut(value, ' ', &name, rest) || !pk_str_ieq(name, pk_str_from(scheme))) {
        return false;
    }
    while (rest->len > 0 && rest->ptr[0] == ' ') {
        rest->ptr++;
        rest->len--;
    }
    return rest->len > 0;
}

static bool pk__access_read_basic(pk__access_shown *s, pk_str text)
{
    pk_str plain = {s->plain, 0};
    if (text.len > sizeof(s->plain) || !pk__base64_decode(text, PK__BASE64_STD, s->plain, &plain.len)) {
        return false;
    }
    s->plain_len = plain.len;
    return pk_str_cut(plain, ':', &s->user, &s->secret);
}

/* False: nothing of that kind was shown. */
static bool pk__access_read(pk__access_shown *s, const pk_ctx *ctx, const pk_credential *c)
{
    pk_str value = pk_ctx_meta(ctx, pk__credentials_header(c));
    s->user = PK_STR("");
    s->secret = value;
    s->plain_len = 0;
    switch (c->kind) {
    case PK_CREDENTIAL_NONE: return false;
    case PK_CREDENTIAL_BEARER: s->scheme = PK_STR("Bearer"); return pk__access_scheme(value, "Bearer", &s->secret);
    case PK_CREDENTIAL_BASIC:
        s->scheme = PK_STR("Basic");
        return pk__access_scheme(value, "Basic", &value) && pk__access_read_basic(s, value);
    default: s->scheme = pk_str_from(pk__credentials_header(c)); return value.len > 0;
    }
}

/* What is looked at if only `allow` knows what is accepted. */
static const pk_credential pk__access_any[] = {
    {PK_CREDENTIAL_BEARER, NULL, NULL, PK_STR_INIT(""), PK_STR_INIT(""), NULL, NULL},
    {PK_CREDENTIAL_BASIC, NULL, NULL, PK_STR_INIT(""), PK_STR_INIT(""), NULL, NULL},
    {PK_CREDENTIAL_API_KEY, NULL, NULL, PK_STR_INIT(""), PK_STR_INIT(""), NULL, NULL},
};

static bool pk__access_ask(const pk_access *a, pk_exchange *x, const pk_credentials *kinds, pk__access_shown *s,
                           pk_error *err)
{
    for (size_t i = 0; i < kinds->count; i++) {
        if (pk__access_read(s, x->ctx, &kinds->items[i])) {
            bool allowed = a->allow(a->context, x, s->scheme, s->user, s->secret, err);
            pk__credentials_wipe(s->plain, s->plain_len);
            return allowed;
        }
    }
    return a->allow(a->context, x, PK_STR(""), PK_STR(""), PK_STR(""), err);
}

/* All are looked at, so that the time does not tell which has nearly fitted. */
static bool pk__access_compare(const pk_ctx *ctx, const pk_credentials *kinds, pk__access_shown *s)
{
    unsigned good = 0;
    for (size_t i = 0; i < kinds->count; i++) {
        const pk_credential *c = &kinds->items[i];
        if (pk__access_read(s, ctx, c)) {
            unsigned user = c->kind != PK_CREDENTIAL_BASIC || c->user.len == s->user.len;
            user &= !c->user.len || c->kind != PK_CREDENTIAL_BASIC || pk__credentials_equal(s->user, c->user);
            good |= user & (unsigned)pk__credentials_equal(s->secret, c->secret);
        }
        pk__credentials_wipe(s->plain, s->plain_len);
    }
    return good != 0;
}

/* What would do, for people and browsers: each kind once. */
static pk_str pk__access_challenge(const pk_access *a, const pk_credentials *kinds, pk_mem *mem)
{
    static const char *const schemes[] = {NULL, "ApiKey", "Bearer", "Basic", "ApiKey"};
    const char *realm = a->realm ? a->realm : "plugin";
    pk_str text = PK_STR("");
    bool said[4] = {false, false, false, false};
    for (size_t i = 0; i < kinds->count && text.ptr; i++) {
        unsigned kind = kinds->items[i].kind == PK_CREDENTIAL_CUSTOM ? PK_CREDENTIAL_API_KEY : kinds->items[i].kind;
        if (kind == PK_CREDENTIAL_NONE || kind >= PK__COUNT(said) || said[kind]) {
            continue;
        }
        said[kind] = true;
        text = pk_mem_printf(mem, "%" PK_FMT "%s%s realm=\"%s\"%s", PK_ARG(text), text.len ? ", " : "", schemes[kind],
                             realm, kind == PK_CREDENTIAL_BASIC ? ", charset=\"UTF-8\"" : "");
    }
    return text;
}

static pk_verdict pk__access_refuse(const pk_access *a, const pk_credentials *kinds, pk_exchange *x, pk_error *why)
{
    pk_mem *mem = x->ctx->mem;
    if (why->code == PK_OK) {
        (void)pk_error_set(why, PK_ERR_DENIED, "cannot serve the request: credentials are missing or wrong");
    }
    why->status = why->status ? why->status : 401;
    char *body = (char *)pk_mem_get(mem, PK__ERROR_BODY_MAX);
    pk_meta *field = (pk_meta *)pk_mem_get(mem, sizeof(*field));
    pk_str challenge = pk__access_challenge(a, kinds, mem);
    if (!body || !field || !challenge.ptr) {
        (void)pk__error_memory(x->err, "refuse the request");
        return PK_REFUSE;
    }
    x->reply->status = pk__error_body_status(why);
    x->reply->body.bytes.ptr = body;
    x->reply->body.bytes.len = pk__error_body_write(body, why);
    x->reply->body.content_type = PK_STR("application/json");
    if (x->reply->status == 401 && challenge.len) {
        field->name = PK_STR("WWW-Authenticate");
        field->value = challenge;
        x->reply->meta = field;
        x->reply->meta_count = 1;
    }
    return PK_ANSWER;
}

/* The host's own requests, which it has shown the token for. */
static bool pk__access_is_own(const pk_exchange *x)
{
    static const char *const own[] = {"GET /healthz", "GET /capabilities", "POST /shutdown"};
    const pk__serve_call *c = (const pk__serve_call *)x->impl;
    bool guarded = c->server->token.len > 0 || c->server->on_token;
    for (size_t i = 0; i < c->server->open_count && guarded; i++) {
        guarded = !pk_str_is(c->request.path, c->server->open_paths[i]);
    }
    for (size_t i = 0; i < PK__COUNT(own) && guarded; i++) {
        if (strcmp(x->call->http, own[i]) == 0) {
            return true;
        }
    }
    return false;
}

static pk_verdict pk__access_before(void *user, pk_exchange *x)
{
    static const pk_credentials any = {NULL, pk__access_any, PK__COUNT(pk__access_any)};
    const pk_access *a = (const pk_access *)user;
    const pk_credentials *kinds = a->accept.count || !a->allow ? &a->accept : &any;
    pk__access_shown shown;
    pk_error why;
    memset(&why, 0, sizeof(why));
    const pk_tls_peer *peer = ((const pk__ctx_impl *)x->ctx->impl)->peer;
    if (pk__access_is_own(x) || (a->certificate && peer && peer->certificate.len)) {
        return PK_GO;
    }
    bool good = a->allow ? pk__access_ask(a, x, kinds, &shown, &why) : pk__access_compare(x->ctx, kinds, &shown);
    return good ? PK_GO : pk__access_refuse(a, kinds, x, &why);
}

PK_API pk_interceptor pk_access_check(const pk_access *access)
{
    pk_interceptor i;
    memset(&i, 0, sizeof(i));
    i.name = "access";
    i.scope = PK_SCOPE_SERVE;
    i.before = pk__access_before;
    i.user = (void *)(uintptr_t)access; // it is only read
    return i;
}
#endif

#ifdef PLUGKIT_LINES
#line 23645 "plugkit_sdk.h"
#endif

#else // the core is in this file already: its private macros, once more
#if (defined(__GLIBC__) && !defined(__USE_GNU)) ||                                                                     \
    (defined(__APPLE__) && defined(__DARWIN_C_LEVEL) && __DARWIN_C_LEVEL < __DARWIN_C_FULL)
#endif
#define PK__FN static PK_UNUSED // every private function: the joined header has only one translation unit
#if defined(PLUGKIT_STATIC) || defined(PLUGKIT_NO_CORE)
#define PK__DATA static PK_UNUSED
#else
#define PK__DATA
#endif
#define PK__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PK__MIN(a, b) ((a) < (b) ? (a) : (b))
#define PK__MAX(a, b) ((a) > (b) ? (a) : (b))
#define PK__OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#ifdef PLUGKIT_ASSERT
#define PK__ASSERT(x) PLUGKIT_ASSERT(x)
#else
#define PK__ASSERT(x) ((void)0)
#endif
#if defined(__GCC_ATOMIC_POINTER_LOCK_FREE) && __GCC_ATOMIC_POINTER_LOCK_FREE == 2
#elif defined(PLUGKIT_NO_THREADS)
#else
#endif
#if defined(PLUGKIT_NO_PROCESS) && defined(PLUGKIT_NO_NET)
#define PK__NO_POLL
#ifdef PLUGKIT_NO_FILES
#define PK__NO_FD
#endif
#endif
#if defined(__linux__) && !defined(PLUGKIT_POSIX)
#define PK__LINUX
#endif
#if !defined(PK__NO_POLL) && (defined(PLUGKIT_TEST_KQUEUE) ||                                               \
                              (!defined(PLUGKIT_POSIX) &&                                                   \
                               (defined(__APPLE__) || defined(__FreeBSD__) || defined(__DragonFly__) ||     \
                                defined(__OpenBSD__) || defined(__NetBSD__))))
#define PK__KQUEUE
#endif
#ifndef PLUGKIT_CLOCK_NS
#define PK__SYS_LIST_CLOCK(X)                                                                               \
    X(int, clock_gettime, (clockid_t id, struct timespec *out), clock_gettime(id, out), 0,                  \
      clock_gettime(id, out))                                                                               \
    X(int, nanosleep, (const struct timespec *time), nanosleep(time, NULL), EINTR, -1)
#elif defined(PK__NO_FD) && defined(PLUGKIT_NO_THREADS)
#define PK__SYS_LIST_CLOCK(X)
#else
#endif
#ifndef PK__NO_FD
#define PK__SYS_LIST_FD(X)                                                                                  \
    X(int, open, (const char *path, int flags, mode_t mode), open(path, flags, mode), EMFILE, -1)           \
    X(int, openat, (int dir, const char *path, int flags, mode_t mode), openat(dir, path, flags, mode),     \
      EMFILE, -1)                                                                                           \
    X(int, openat2, (int dir, const char *path, int flags, mode_t mode, uint64_t resolve),                  \
      pk__sys_port_openat2(dir, path, flags, mode, resolve), ENOSYS, -1)                                    \
    X(int, close, (int fd), close(fd), EIO, (close(fd), -1))                                                \
    X(ssize_t, read, (int fd, void *buf, size_t cap), read(fd, buf, cap), EIO, -1)                          \
    X(ssize_t, write, (int fd, const void *buf, size_t len), write(fd, buf, len), EIO, -1)                  \
    X(ssize_t, readv, (int fd, const struct iovec *parts, int count), readv(fd, parts, count), EIO, -1)     \
    X(ssize_t, writev, (int fd, const struct iovec *parts, int count), writev(fd, parts, count), EIO, -1)   \
    X(ssize_t, pread, (int fd, void *buf, size_t cap, off_t at), pread(fd, buf, cap, at), EIO, -1)          \
    X(off_t, lseek, (int fd, off_t at, int whence), lseek(fd, at, whence), ESPIPE, -1)                      \
    X(int, fcntl, (int fd, int command, int value), fcntl(fd, command, value), EMFILE, -1)                  \
    X(int, fd_limit, (struct rlimit *out), getrlimit(RLIMIT_NOFILE, out), EINVAL, -1)                       \
    X(int, flock, (int fd, int operation), flock(fd, operation), ENOLCK, -1)                                \
    X(int, pipe, (int out[2], int flags), pk__sys_port_pipe(out, flags), EMFILE, -1)                        \
    X(int, stat, (const char *path, struct stat *out), stat(path, out), EIO, -1)                            \
    X(int, lstat, (const char *path, struct stat *out), lstat(path, out), EIO, -1)                          \
    X(int, fstat, (int fd, struct stat *out), fstat(fd, out), EIO, -1)                                      \
    X(int, fstatat, (int dir, const char *path, struct stat *out, int flags),                               \
      fstatat(dir, path, out, flags), EIO, -1)                                                              \
    X(int, mkdir, (const char *path, mode_t mode), mkdir(path, mode), ENOSPC, -1)                           \
    X(int, chmod, (const char *path, mode_t mode), chmod(path, mode), EPERM, -1)                            \
    X(int, fchmod, (int fd, mode_t mode), fchmod(fd, mode), EPERM, -1)                                      \
    X(int, ftruncate, (int fd, off_t size), ftruncate(fd, size), EIO, -1)                                   \
    X(int, fsync, (int fd), fsync(fd), EIO, -1)                                                             \
    X(int, rename, (const char *from, const char *to), rename(from, to), EIO, -1)                           \
    X(int, unlink, (const char *path), unlink(path), EIO, -1)                                               \
    X(int, unlinkat, (int dir, const char *path, int flags), unlinkat(dir, path, flags), EIO, -1)           \
    X(DIR *, fdopendir, (int fd), fdopendir(fd), ENOMEM, NULL)                                              \
    X(struct dirent *, readdir, (DIR *dir), readdir(dir), EIO, NULL)                                        \
    X(int, closedir, (DIR *dir), closedir(dir), EIO, (closedir(dir), -1))                                   \
    X(int, faccessat, (int dir, const char *path, int mode), faccessat(dir, path, mode, AT_EACCESS),        \
      EACCES, -1)                                                                                           \
    X(ssize_t, getrandom, (void *out, size_t len), pk__sys_port_getrandom(out, len), EIO, -1)               \
    X(int, memfd_create, (const char *name, unsigned flags), pk__sys_port_memfd_create(name, flags),        \
      ENOSYS, -1)                                                                                           \
    X(int, mask_signals, (int how, const sigset_t *set, sigset_t *old),                                     \
      pk__sys_port_mask_signals(how, set, old), 0, pk__sys_port_mask_signals(how, set, old))                \
    X(int, sigaction, (int number, const struct sigaction *set, struct sigaction *old),                     \
      sigaction(number, set, old), EINVAL, -1)                                                              \
    X(int, restore_signal, (int number, const struct sigaction *old), sigaction(number, old, NULL), 0,      \
      sigaction(number, old, NULL))                                                                         \
    X(int, kill, (pid_t pid, int number), kill(pid, number), ESRCH, -1)                                     \
    X(void *, fork_page, (size_t size), pk__sys_port_fork_page(size), ENOMEM, NULL)
#else
#define PK__SYS_LIST_FD(X)
#endif
#ifndef PK__NO_POLL
#define PK__SYS_LIST_SOCKET(X)                                                                              \
    X(int, poll, (struct pollfd *set, nfds_t count, int timeout_ms), poll(set, count, timeout_ms), EINTR,   \
      -1)                                                                                                   \
    X(int, socket, (int domain, int type, int protocol), pk__sys_port_socket(domain, type, protocol),       \
      EMFILE, -1)                                                                                           \
    X(int, socketpair, (int domain, int type, int out[2]), pk__sys_port_socketpair(domain, type, out),      \
      EMFILE, -1)                                                                                           \
    X(int, bind, (int fd, const struct sockaddr *address, socklen_t len), bind(fd, address, len),           \
      EADDRINUSE, -1)                                                                                       \
    X(int, listen, (int fd, int backlog), listen(fd, backlog), EADDRINUSE, -1)                              \
    X(int, accept, (int fd, struct sockaddr *address, socklen_t *len),                                      \
      pk__sys_port_accept(fd, address, len), EMFILE, -1)                                                    \
    X(int, connect, (int fd, const struct sockaddr *address, socklen_t len), connect(fd, address, len),     \
      ECONNREFUSED, -1)                                                                                     \
    X(int, shutdown, (int fd, int how), shutdown(fd, how), ENOTCONN, -1)                                    \
    X(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),                     \
      setsockopt(fd, level, name, value, len), EINVAL, -1)                                                  \
    X(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),                          \
      getsockopt(fd, level, name, value, len), EINVAL, -1)                                                  \
    X(int, getsockname, (int fd, struct sockaddr *address, socklen_t *len), getsockname(fd, address, len),  \
      ENOBUFS, -1)                                                                                          \
    X(int, getpeername, (int fd, struct sockaddr *address, socklen_t *len), getpeername(fd, address, len),  \
      ENOTCONN, -1)                                                                                         \
    X(int, peer_uid, (int fd, uid_t *uid, pid_t *pid), pk__sys_port_peer_uid(fd, uid, pid), EINVAL, -1)     \
    X(ssize_t, send, (int fd, const void *buf, size_t len, int flags), send(fd, buf, len, flags),           \
      ECONNRESET, -1)                                                                                       \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), sendmsg(fd, message, flags),     \
      ECONNRESET, -1)                                                                                       \
    X(ssize_t, recv, (int fd, void *buf, size_t cap, int flags), recv(fd, buf, cap, flags), ECONNRESET, -1) \
    X(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), recvmsg(fd, message, flags),           \
      ECONNRESET, -1)                                                                                       \
    X(int, show_sender, (int fd), pk__sys_port_show_sender(fd), EINVAL, -1)                                 \
    X(ssize_t, recv_sender, (int fd, void *buf, size_t cap, pid_t *pid),                                    \
      pk__sys_port_recv_sender(fd, buf, cap, pid), ECONNRESET, -1)                                          \
    X(ssize_t, send_fds, (int fd, const void *buf, size_t len, const int *fds, size_t count),               \
      pk__sys_port_send_fds(fd, buf, len, fds, count), ECONNRESET, -1)                                      \
    X(ssize_t, recv_fds, (int fd, void *buf, size_t cap, int *fds, size_t *count),                          \
      pk__sys_port_recv_fds(fd, buf, cap, fds, count), ECONNRESET, -1)                                      \
    X(int, dup_over, (int from, int to), pk__sys_port_dup_over(from, to), EMFILE, -1)                       \
    X(ssize_t, sendfile, (int out, int in, off_t *at, size_t len),                                          \
      pk__sys_port_sendfile(out, in, at, len), ENOSYS, -1)
#else
#define PK__SYS_LIST_SOCKET(X)
#endif
#ifndef PLUGKIT_NO_NET
#define PK__SYS_LIST_NAME(X)                                                                                \
    X(int, look_up, (const char *host, pk__sys_names *out), pk__sys_port_look_up(host, out), EIO, EAI_AGAIN)
#else
#define PK__SYS_LIST_NAME(X)
#endif
#if defined(PK__LINUX) && !defined(PK__NO_POLL)
#define PK__SYS_LIST_LINUX(X)                                                                               \
    X(int, epoll_create1, (int flags), epoll_create1(flags), EMFILE, -1)                                    \
    X(int, epoll_ctl, (int fd, int operation, int target, struct epoll_event *event),                       \
      epoll_ctl(fd, operation, target, event), ENOMEM, -1)                                                  \
    X(int, epoll_wait, (int fd, struct epoll_event *out, int cap, int timeout_ms),                          \
      epoll_wait(fd, out, cap, timeout_ms), EINTR, -1)                                                      \
    X(int, eventfd, (unsigned value, int flags), eventfd(value, flags), EMFILE, -1)                         \
    X(int, timerfd_create, (clockid_t id, int flags), timerfd_create(id, flags), EMFILE, -1)                \
    X(int, timerfd_settime, (int fd, int flags, const struct itimerspec *time),                             \
      timerfd_settime(fd, flags, time, NULL), EINVAL, -1)
#else
#define PK__SYS_LIST_LINUX(X)
#endif
#ifdef PK__KQUEUE
#define PK__SYS_LIST_KQUEUE(X)                                                                              \
    X(int, kqueue, (void), kqueue(), EMFILE, -1)                                                            \
    X(int, kevent, (int fd, const struct kevent *changes, int count, struct kevent *out, int cap,           \
                    const struct timespec *timeout),                                                        \
      kevent(fd, changes, count, out, cap, timeout), ENOMEM, -1)
#else
#define PK__SYS_LIST_KQUEUE(X)
#endif
#ifndef PLUGKIT_NO_PROCESS
#define PK__SYS_LIST_PROCESS(X)                                                                             \
    X(pid_t, fork, (void), fork(), EAGAIN, -1)                                                              \
    X(pid_t, spawn_vm, (int (*run)(void *), void *stack, size_t size, void *arg),                           \
      pk__sys_port_spawn_vm(run, stack, size, arg), EAGAIN, -1)                                             \
    X(int, execve, (const char *path, char *const *argv, char *const *env), execve(path, argv, env),        \
      EACCES, -1)                                                                                           \
    X(int, execveat, (int fd, char *const *argv, char *const *env), pk__sys_port_execveat(fd, argv, env),   \
      ENOSYS, -1)                                                                                           \
    X(int, dup2, (int from, int to), dup2(from, to), EMFILE, -1)                                            \
    X(int, chdir, (const char *path), chdir(path), ENOENT, -1)                                              \
    X(int, reset_signal, (int number, bool ignored), pk__sys_port_reset_signal(number, ignored), 0,         \
      pk__sys_port_reset_signal(number, ignored))                                                           \
    X(ssize_t, getdents, (int fd, void *buf, size_t cap), pk__sys_port_getdents(fd, buf, cap), ENOSYS, -1)  \
    X(int, setpgid, (pid_t pid, pid_t group), setpgid(pid, group), EPERM, -1)                               \
    X(pid_t, getpgid, (pid_t pid), getpgid(pid), ESRCH, -1)                                                 \
    X(int, close_range, (unsigned first), pk__sys_port_close_range(first), ENOSYS, -1)                      \
    X(int, die_with_parent, (int number), pk__sys_port_die_with_parent(number), EINVAL, -1)                 \
    X(int, waitid, (idtype_t type, id_t id, siginfo_t *out, int options), waitid(type, id, out, options),   \
      EINTR, -1)                                                                                            \
    X(int, wait_pidfd, (int fd, siginfo_t *out, int options), pk__sys_port_wait_pidfd(fd, out, options),    \
      EINTR, -1)                                                                                            \
    X(pid_t, waitpid, (pid_t pid, int *status, int options), waitpid(pid, status, options), EINTR, -1)      \
    X(pid_t, getppid, (void), getppid(), 0, getppid())                                                       \
    X(int, pidfd_open, (pid_t pid), pk__sys_port_pidfd_open(pid), ENOSYS, -1)                               \
    X(int, pidfd_send_signal, (int fd, int number, unsigned flags),                                         \
      pk__sys_port_pidfd_send_signal(fd, number, flags), EINVAL, -1)
#else
#define PK__SYS_LIST_PROCESS(X)
#endif
#ifndef PLUGKIT_NO_THREADS
#define PK__SYS_LIST_THREAD(X)                                                                              \
    X(int, pthread_create,                                                                                  \
      (pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *), void *arg),                  \
      pthread_create(out, attributes, run, arg), EAGAIN, EAGAIN)
#else
#define PK__SYS_LIST_THREAD(X)
#endif
#define PK__SYS_LIST(X)                                                                                     \
    PK__SYS_LIST_CLOCK(X)                                                                                   \
    PK__SYS_LIST_FD(X)                                                                                      \
    PK__SYS_LIST_SOCKET(X)                                                                                  \
    PK__SYS_LIST_NAME(X)                                                                                    \
    PK__SYS_LIST_LINUX(X)                                                                                   \
    PK__SYS_LIST_KQUEUE(X)                                                                                  \
    PK__SYS_LIST_PROCESS(X)                                                                                 \
    PK__SYS_LIST_THREAD(X)
#ifndef PK__NO_FD
#define PK__SYS_BENEATH 1     // for openat2: nothing outside of `dir`, whatever the path says
#define PK__SYS_NO_SYMLINKS 2 // nor any symbolic link on the way
#endif
#ifndef PK__NO_POLL
#define PK__SYS_FDS 4
#endif
#ifndef PLUGKIT_NO_PROCESS
#define PK__SYS_TO_GROUP 4u // PIDFD_SIGNAL_PROCESS_GROUP: signal the group that the process leads
#endif
#ifndef PLUGKIT_TEST
#define PK__SYS(name) pk__sys_do_##name
#define PK__SYS_DEFINE(type, name, params, call, number, error)                                             \
    PK__FN type pk__sys_do_##name params                                                                    \
    {                                                                                                       \
        return call;                                                                                        \
    }
#else // PLUGKIT_TEST: the table
#define PK__SYS(name) pk__sys.name
#define PK__SYS_MEMBER(type, name, params, call, number, error) type(*name) params;
#define PK__SYS_COUNTER(type, name, params, call, number, error) uint32_t name;
#define PK__SYS_DEFINE(type, name, params, call, number, error)                                             \
    PK__FN type pk__sys_do_##name params                                                                    \
    {                                                                                                       \
        if (pk__sys_fails(#name, &pk__sys_count.name, number)) {                                            \
            type result = error;                                                                            \
            errno = number;                                                                                 \
            return result;                                                                                  \
        }                                                                                                   \
        return call;                                                                                        \
    }
#define PK__SYS_ENTRY(type, name, params, call, number, error) pk__sys_do_##name,
#endif
#define PK__MS ((int64_t)1000000) // nanoseconds in a millisecond
#define PK__SECOND ((int64_t)1000000000)
#ifndef PLUGKIT_CLOCK_NS
#define PK__CLOCK_TEXT 64
#endif
#define PK__TOKEN_LEN 64 // 256 bits in hexadecimal
#ifndef PLUGKIT_NO_THREADS
#else
#endif
#define PK__LOOP_BATCH 64
#define PK__LOOP_READ 1u
#define PK__LOOP_WRITE 2u
#ifndef PK__NO_POLL
#else
#endif
#define PK__STATUS_UNKNOWN (-1) // exited, but somebody else has its status
#ifndef PLUGKIT_NO_PROCESS
#define PK__SPAWN_FDS 16        // declared descriptors of a child, at most
#endif
#define PK__SWAR_ONES UINT64_C(0x0101010101010101)
#define PK__SWAR_TOPS UINT64_C(0x8080808080808080)
#if !defined(PLUGKIT_NO_SIMD) && !defined(__OPTIMIZE_SIZE__) && defined(__GNUC__)
#if defined(__SSE2__)
#define PK__HTTP_SCAN_WIDE
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define PK__HTTP_SCAN_WIDE
#endif
#endif
#define PK__CHUNK_EXTRA_MAX 4096 // bytes of extensions, and of trailers, in one message
#define PK__CHUNK_HEAD_MAX 20    // room that pk__http_chunk_head needs
#define PK__ADDRESS_PATH_MAX 107 // bytes of a Unix path that every system takes, without the NUL
#define PK__ADDRESS_TEXT_MAX 272 // room for any formatted address, with the NUL
#if defined(PLUGKIT_WITH_TLS) || defined(PLUGKIT_TEST)
#define PK__SECURE_BUILT 1
#else
#define PK__SECURE_BUILT 0
#endif
#define PK__SECURE_ON(s) (PK__SECURE_BUILT && (s) != NULL)
#if PK__SECURE_BUILT
#else
#endif
#ifndef PLUGKIT_NO_NET
#define PK__SOCKET_BACKLOG 511
#endif
#ifndef PLUGKIT_NO_NET
#define PK__LOOKUP_MAX 16
#define PK__LOOKUP_TEXT 64 // "fe80::1%4294967295" and the like, with the NUL
#endif
#define PK__HTTP_CLIENT_FIELDS 100         // of an answer
#define PK__HTTP_CLIENT_ROOM (16 * 1024)   // the largest head of an answer, and one receive
#ifndef PLUGKIT_NO_NET
#define PK__HTTP_SERVER_REFUSAL 512
#define PK__HTTP_SERVER_PEERS 64
#endif
#ifdef PLUGKIT_WITH_TLS
#if MBEDTLS_VERSION_MAJOR >= 3
#define PK__TLS_PRIVATE(member) MBEDTLS_PRIVATE(member)
#define PK__TLS_RNG , pk__tls_random, NULL // as last arguments
#define PK__TLS_BAD_VERSION MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION
#define PK__TLS_NO_CIPHER MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE
#define PK__TLS_BAD_CERT MBEDTLS_ERR_SSL_BAD_CERTIFICATE
#else
#define PK__TLS_PRIVATE(member) member
#define PK__TLS_RNG
#define PK__TLS_BAD_VERSION MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#define PK__TLS_NO_CIPHER MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN
#define PK__TLS_BAD_CERT MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE
#endif
#if MBEDTLS_VERSION_MAJOR >= 3 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
#define PK__TLS_HAS_13 1
#define PK__TLS_CIPHERS_13                                                                                             \
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384, MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#define PK__TLS_IS_13(ssl) (mbedtls_ssl_get_version_number(ssl) == MBEDTLS_SSL_VERSION_TLS1_3)
#define PK__TLS_IS_TICKET(code) ((code) == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
#else
#define PK__TLS_HAS_13 0
#define PK__TLS_CIPHERS_13
#define PK__TLS_IS_13(ssl) false
#define PK__TLS_IS_TICKET(code) false
#endif
#endif
#define PK__TYPES_READ(name)                                                                                  \
    PK__FN bool pk__types_read_##name(pk__types_in *in, const pk__types_path *path, const pk_type *type, void *value)
#define PK__TYPES_READ_SHAPE(name)                                                                            \
    PK__FN bool pk__types_read_##name(pk__types_in *in, const pk__types_path *path, const pk_field *field, char *object)
#define PK__TYPES_WRITE(name)                                                                                 \
    PK__FN bool pk__types_write_##name(pk__types_out *out, const pk__types_path *path, const pk_type *type,   \
                                       const void *value)
#define PK__TYPES_WRITE_SHAPE(name)                                                                           \
    PK__FN bool pk__types_write_##name(pk__types_out *out, const pk__types_path *path, const pk_field *field, \
                                       const char *object)
#define PK__ERROR_BODY_MAX 1536 // room that pk__error_body_write always finds enough
#define PK__CONTROL_PROTOCOL "plugkit/1"
#define PK__CONTROL_START_MAX ((size_t)8 * 1024 * 1024) // bytes of the first line: it holds the configuration
#define PK__CONTROL_LINE_MAX ((size_t)64 * 1024)        // bytes of any other
#define PK__CONTROL_CONFIG(F, T)                                                                              \
    F(T, REQ, pk_str, type, "type")                                                                           \
    F(T, OPT, pk_json, data, "data")
#define PK__CONTROL_SERVICE(F, T)                                                                             \
    F(T, REQ, pk_str, contract, "contract")                                                                   \
    F(T, REQ, pk_str, type, "type")                                                                           \
    F(T, REQ, pk_str, version, "version")                                                                     \
    F(T, REQ, pk_str, path, "path")
#define PK__CONTROL_HOST(F, T)                                                                                \
    F(T, REQ, pk_str, address, "address")                                                                     \
    F(T, LIST, pk__control_service, services, "services")
#define PK__CONTROL_SURVIVE(F, T)                                                                             \
    F(T, REQ, uint32_t, ms, "ms")                                                                             \
    F(T, REQ, pk_str, control, "control")                                                                     \
    F(T, REQ, pk_str, proof, "proof")
#define PK__CONTROL_START(F, T)                                                                               \
    F(T, LIST, pk__control_config, config, "config")                                                          \
    F(T, REQ, pk_str, instance, "instance")                                                                   \
    F(T, REQ, pk_str, token, "token")                                                                         \
    F(T, OPT, pk_str, listen, "listen")                                                                       \
    F(T, OPT, pk_ns, idle, "idleTimeout")                                                                     \
    F(T, OPT, pk__control_host, host, "host")                                                                 \
    F(T, OPT, pk__control_survive, survive, "survive")
#define PK__CONTROL_HEALTH(F, T)                                                                              \
    F(T, REQ, pk_str, status, "status") /* "healthy", "degraded", "unhealthy" */                              \
    F(T, OPT, pk_str, reason, "reason")                                                                       \
    F(T, LIST, pk_str, unavailable, "unavailable") /* what it needs and does not have */
#define PK__CONTROL_MESSAGE(F, T)                                                                             \
    F(T, OPT, pk_str, listening, "listening")                                                                 \
    F(T, OPT, bool, ready, "ready")                                                                           \
    F(T, OPT, pk_str, error, "error")                                                                         \
    F(T, OPT, pk_str, code, "code")                                                                           \
    F(T, OPT, pk_str, adopted, "adopted")                                                                     \
    F(T, OPT, bool, adopt, "adopt")                                                                           \
    F(T, OPT, pk_str, token, "token")                                                                         \
    F(T, OPT, bool, shutdown, "shutdown")                                                                     \
    F(T, OPT, bool, ending, "ending")                                                                         \
    F(T, OPT, pk__control_health, health, "health")                                                           \
    F(T, OPT, uint64_t, id, "id") /* of a call in lines mode: not for us */
#define PK__SERVICE_NAME_MAX 64  // bytes of a contract's or a plugin's name
#define PK__SERVICE_TYPE_MAX 128 // bytes of a type
#define PK__SERVICE_SCRATCH 1024
#define PK__ROUTES_ALLOW_MAX 128
#endif // PK__CORE_IMPL

/* == api/own.h == */
/* own.h - linkage of what only one of the two headers has. */
#undef PK_API
#ifdef PLUGKIT_STATIC
#define PK_API static PK_UNUSED
#else
#define PK_API extern
#endif


/* == sdk/log.h == */
/* log.h - one JSON line on stderr for each record, in the form of Go's slog:
 *
 *     {"time":"2026-03-01T12:00:00.125Z","level":"INFO","msg":"ready","port":"80"}
 *
 * Hosts take such lines apart again and keep level and fields. A record is one write, so that records of several
 * threads do not mix (up to the pipe's atomic size, 4 KiB and more). What is no UTF-8 is made visible as \xNN
 * instead of lost; a record that is too long is cut to its message. stdout is never touched. */
#ifdef PLUGKIT_LINES
#line 7 "src/sdk/log.h"
#endif




#ifndef PLUGKIT_NO_NET
#define PK__LOG_LINE_MAX ((size_t)64 * 1024) // bytes of a record

/* Public functions only: api/sdk.h. */
#endif



/* == sdk/args.h == */
/* args.h - how a plugin was started: its arguments, and what the environment says.
 *
 *     PLUGIN capabilities                 print what it offers, as JSON
 *     PLUGIN --config JSON                serve as the Go plugin framework does (also --config=JSON and -config)
 *     PLUGIN --listen ADDRESS             serve there, for debugging; --config may say the rest
 *     PLUGKIT_PROTOCOL, _CONTROL_FD       serve by plugkit/1: the rest is told on that socket
 *     PLUGKIT_LISTEN_FD                   a descriptor that listens already; with any of the ways above, or alone
 *
 * Arguments come first: who passes --config means it, whatever the environment was inherited from. */
#ifdef PLUGKIT_LINES
#line 9 "src/sdk/args.h"
#endif




typedef struct pk__args {
    bool capabilities, help;
    const char *config, *listen;   // NULL = not given
    int control_fd, listen_fd;     // -1 = not given
} pk__args;

/* Errors: PK_ERR_PARSE (an unknown argument, a missing value), PK_ERR_PROTOCOL (the environment). */
PK__FN pk_err pk__args_parse(pk__args *out, int argc, char *const *argv, pk_error *err);
/* A few lines for people who start a plugin by hand. */
PK__FN void pk__args_usage(pk_buf *out, const char *program, const pk_sdk_desc *desc);



/* == sdk/settings.h == */
/* settings.h - what a plugin was told when it was started, whoever told it.
 *
 * Three ways lead here, and everything behind them sees one struct:
 *
 *     FRAMEWORK   --config JSON of the Go plugin framework. Emitted by Go as integer nanoseconds and base64; documented
 *                 as "5m" and as text; OCM puts the configuration itself in the place of {"type","data"}. All are read:
 *                 {"id":"shout","type":"unix","idleTimeout":"5m","configTypes":[{"type":"db","data":"eyJhIjoxfQ=="}]}
 *     CONTROL     the host's first line on the control socket (rpc/control.h). Data is JSON as it is.
 *     BY_HAND     --listen, or a descriptor that listens: nobody tells anything.
 *
 * In the framework's way a string of data is base64 of JSON, or JSON as text; what is neither is refused. */
#ifdef PLUGKIT_LINES
#line 11 "src/sdk/settings.h"
#endif




typedef enum pk__settings_profile {
    PK__SETTINGS_BY_HAND,
    PK__SETTINGS_FRAMEWORK,
    PK__SETTINGS_CONTROL
} pk__settings_profile;

/* Can other hosts have this plugin than the one that started it: may they adopt or attach it? */
#ifndef PLUGKIT_NO_SURVIVE
#define PK__SURVIVE_CAN true
#else
#define PK__SURVIVE_CAN false
#endif

typedef struct pk__settings {
    pk__settings_profile profile;
    pk_mem mem;        // of everything below; zeroed settings need only it
    pk_str instance;   // the plugin's id until somebody gives another; a NUL follows
    pk_str token;      // "" = none is asked for
    pk_str listen;     // "" = the framework's place
    bool tcp;          // FRAMEWORK: on 127.0.0.1 instead of a Unix socket
    bool is_secure;    // it serves TLS: its address says https
    pk_ns idle;        // 0 = not told
    pk__control_config *config; // data is JSON text
    size_t config_count;
    pk__control_host host; // address "" = there is none to call
    uint32_t survive_ms;   // how long to go on without a host; 0 = not at all
    pk_str control, proof; // and where to listen for another one, and how it knows us
} pk__settings;

/* Errors of both: PK_ERR_CONFIG, PK_ERR_PROTOCOL, PK_ERR_BAD_NAME, PK_ERR_BAD_ENDPOINT, PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__settings_read_config(pk__settings *s, pk_str json, pk_error *err); // --config
PK__FN pk_err pk__settings_read_line(pk__settings *s, pk_str line, pk_error *err);   // the control socket
/* Hands the configuration to desc->on_config. One of a type that is not declared is an error, as is on_config's. */
PK__FN pk_err pk__settings_apply(const pk__settings *s, const pk_sdk_desc *desc, pk_error *err);



/* == sdk/work.h == */
/* work.h - is anybody using this plugin? Counts requests, and tells when there have been none for long enough.
 *
 * Any request under way holds the timeout off, however long it runs; when the last one ends, the time begins anew.
 * So that a request costs no timer, the timer is left running: when it fires too early it looks at when work last
 * ended, and sleeps for the rest. All of it happens on the loop's thread. */
#ifdef PLUGKIT_LINES
#line 5 "src/sdk/work.h"
#endif




typedef struct pk__work {
    pk_loop *loop;
    pk_timer timer;
    int64_t idle_ns;  // 0 = never idle
    int64_t since;    // when the last request ended
    uint32_t running;
    bool was_idle;    // it was time one turn of the loop ago
    void (*on_idle)(void *user);
    void *user;
} pk__work;

PK__FN pk_err pk__work_start(pk__work *w, pk_loop *loop, int64_t idle_ns, void (*on_idle)(void *user), void *user,
                             pk_error *err);
PK__FN void pk__work_change(pk__work *w, int change); // +1 a request begins, -1 its answer is written
PK__FN void pk__work_stop(pk__work *w);               // no more on_idle; counting goes on. Zeroed: does nothing



/* == sdk/door.h == */
/* door.h - where a plugin listens, and what is left there when it has gone: nothing.
 *
 *     CONTROL     the path or the loopback port that the host named; its directory is the host's, and private. If it
 *                 named none, a free loopback port
 *     FRAMEWORK   /tmp/ID-plugin.socket, as the Go framework demands, or 127.0.0.1 with a free port
 *     BY_HAND     --listen
 *     any         PLUGKIT_LISTEN_FD: a descriptor that listens already. Its file is not ours to remove
 *
 * Sockets are made with mode 0600. Where two processes could want the same path (in the framework's way, and by
 * hand) a lock file beside it says who has it: os/lock.h. Whether the path fits into sun_path is checked before
 * anything else. Over TCP a plugin is only to be had on a loopback address, and the descriptor that found a free
 * port is kept.
 *
 * The file goes when draining begins: who comes later learns at once that nobody is there. The lock goes last. */
#ifdef PLUGKIT_LINES
#line 14 "src/sdk/door.h"
#endif


#ifndef PLUGKIT_NO_NET




typedef struct pk__door {
    int fd;                              // listens; 0 = given away or not open
    char address[PK__ADDRESS_TEXT_MAX];  // as it is announced
    char path[PK__ADDRESS_TEXT_MAX];     // the socket file that is ours; "" = none
#ifndef PLUGKIT_NO_FILES
    pk__lock lock;
#endif
} pk__door;

/* Opens it. inherited_fd: PLUGKIT_LISTEN_FD, or -1. Errors: PK_ERR_BAD_ENDPOINT, PK_ERR_BUSY (somebody lives there),
 * PK_ERR_OS, PK_ERR_UNSUPPORTED. After a failure nothing is left. */
PK__FN pk_err pk__door_open(pk__door *d, const pk_alloc *alloc, const pk__settings *s, int inherited_fd,
                            pk_error *err);
PK__FN int pk__door_take_fd(pk__door *d);  // the server's from now on
PK__FN void pk__door_shut(pk__door *d);    // removes the socket file
PK__FN void pk__door_deinit(pk__door *d);  // removes all that is left. Zeroed: does nothing

#endif


/* == sdk/stdout.h == */
/* stdout.h - keeps stdout clean for the one line that the framework's hosts read there.
 *
 * Those hosts take the first line on stdout for the plugin's address, and some stop reading afterwards: a stray
 * printf before the line breaks the start, and many after it stall the plugin when the pipe is full. So while a
 * plugin serves in that way, descriptor 1 is a copy of stderr: what is printed becomes a log, and only our line
 * goes to the real stdout. It stays open until the end, because its closing could be taken for the plugin's death.
 *
 * A build without processes cannot exchange descriptors, and writes to 1 as it is. */
#ifdef PLUGKIT_LINES
#line 8 "src/sdk/stdout.h"
#endif




#ifndef PK__NO_FD
typedef struct pk__stdout {
    int real; // the real stdout; 0 = nothing was exchanged
} pk__stdout;

PK__FN void pk__stdout_keep(pk__stdout *s);
PK__FN pk_err pk__stdout_print(const pk__stdout *s, pk_str line, pk_error *err); // a newline is added
PK__FN void pk__stdout_restore(pk__stdout *s); // zeroed: does nothing
#endif



/* == sdk/lifeline.h == */
/* lifeline.h - a plugin's end of the control socket, and how it ends with its host: by itself, and with all it started.
 *
 *     1. The control socket ends: the kernel closes the host's end, however the host dies. Noticed at once.
 *     2. The parent changes: a host that forked without exec left a child behind that keeps the socket open. Looked at
 *        once in PK__LIFELINE_PARENT_MS, and when SIGCONT comes: where the kernel can tell of a parent's death, hosts
 *        let it do so by this signal, which also wakes a plugin that was stopped.
 *     3. The guard, a thread that does nothing but wait for (1) and (2), from before the first callback of the plugin's
 *        to behind the last one: should the loop not notice within PK__LIFELINE_NOTICE_MS, because a handler or a
 *        callback never returns, or all of it take longer than PK__LIFELINE_FINISH_MS, it ends the process. Only for
 *        processes whose main is ours.
 *
 * The last thing that a process does whose main is ours and whose host is gone is to kill its process group, if it
 * leads it: nobody else is there to do that. Hosts know it from its capabilities ("lifeline":"group").
 *
 * A plugin that is to survive its host does none of that at first: it is alone then, for at most survive_ms, and goes
 * on when another host adopts it (survive.h). The new connection takes the old one's number, so that the guard needs
 * not be told. Only if nobody comes the host counts as dead.
 *
 * Before the loop runs, the socket is used waiting: the first line is read with a deadline, and our two lines or
 * the error are written. Then it is watched: {"shutdown":true} is passed on, what is not understood is ignored. */
#ifdef PLUGKIT_LINES
#line 20 "src/sdk/lifeline.h"
#endif


#ifndef PLUGKIT_NO_NET




typedef enum pk__lifeline_end {
    PK__LIFELINE_SHUTDOWN, // the host asks us to end
    PK__LIFELINE_DEAD      // there is no host any more
} pk__lifeline_end;

typedef struct pk__lifeline {
    int fd; // the control socket; 0 = none: only the parent is watched
    pk__control_lines lines;
    pk_loop *loop;
    pk_watch watch;
    pk_timer timer;
    pk__atomic_u32 parent; // 0 = not known, or none of ours
    void (*on_end)(void *user, pk__lifeline_end why); // the loop's thread; may come more than once
    void *user;
    uint32_t survive_ms;            // 0 = it ends with its host. Set before it is watched and guarded
    bool is_alone, is_adopted;      // without a host; by another one than that which started it
    pk__thread guard;
    pk__atomic_u32 noticed, released; // that it is the end, by who steps the loop; the guard is not needed any more
    void *litter; // atomic: a path that the guard removes before it ends the process, or NULL
} pk__lifeline;

/* Takes the descriptor, which must be a socket. Errors: PK_ERR_PROTOCOL; it is left open then. */
PK__FN pk_err pk__lifeline_open(pk__lifeline *l, const pk_alloc *alloc, int fd, pk_error *err);
/* Waits for the first line; valid until the socket is watched. Errors: PK_ERR_PROTOCOL, PK_ERR_PLUGIN_TIMEOUT. */
PK__FN pk_err pk__lifeline_first(pk__lifeline *l, uint32_t timeout_ms, pk_str *line, pk_error *err);
PK__FN pk_err pk__lifeline_send(pk__lifeline *l, pk_str bytes, pk_error *err);
/* Watches socket and parent from now on. */
PK__FN pk_err pk__lifeline_watch(pk__lifeline *l, pk_loop *loop, void (*on_end)(void *user, pk__lifeline_end why),
                                 void *user, pk_error *err);
PK__FN void pk__lifeline_look(pk__lifeline *l);  // is the parent another one now? Tells on_end
PK__FN void pk__lifeline_guard(pk__lifeline *l); // if a thread is to be had; without a socket it does nothing
/* Looks now, and does not wait for the loop to notice. */
PK__FN bool pk__lifeline_has_host(pk__lifeline *l);
/* The socket of another host, while there is none. Takes fd, also on failure. */
PK__FN pk_err pk__lifeline_adopt(pk__lifeline *l, int fd, pk_error *err);
PK__FN void pk__lifeline_part(pk__lifeline *l); // to a host that adopted us: this is no crash
/* Does it end its group with itself, when its host is gone? Whether the process leads one is seen then. */
PK__FN bool pk__lifeline_has_group(const pk__lifeline *l);
PK__FN bool pk__lifeline_is_orphan(const pk__lifeline *l); // there was a host, and it is gone
PK__FN void pk__lifeline_end_group(void); // kills the group that this process leads, itself included; else returns
PK__FN void pk__lifeline_deinit(pk__lifeline *l); // closes the socket. Zeroed: does nothing

#endif


/* == sdk/survive.h == */
/* survive.h - where a plugin that survives its host is found by the next one.
 *
 * It listens there from the start, for afterwards nobody could tell it to. The socket has mode 0600, in a private
 * directory of the host's; who connects must be our own user, and has a second to say in one line that it knows our
 * token:
 *
 *     host     {"adopt":true,"token":"<the one of the start>"}
 *     plugin   {"adopted":"<the proof>"}  {"listening":"http+unix:///.."}  {"ready":true}
 *                                                                   and the connection is its control socket
 *         or   {"error":"it has a host that lives"}                 and the connection ends
 *
 * With the line come two descriptors, the other ends of what the host reads: they become stdout and stderr, which led
 * nowhere since the last one died.
 *
 * Whether there is a host is looked at then and there: the next host may be quicker than the news that the last one has
 * died. At most four connections wait to be heard, and the oldest goes when a fifth one comes: whoever connects and
 * says nothing keeps nobody out. */
#ifdef PLUGKIT_LINES
#line 17 "src/sdk/survive.h"
#endif


#ifndef PLUGKIT_NO_NET



enum { PK__SURVIVE_GUESTS = 4 };

typedef struct pk__survive_guest {
    struct pk__survive *survive;
    pk_watch watch; // watch.fd 0 = nobody
    pk_timer timer;
    pk__control_lines lines;
    int outputs[2]; // that it has brought: 0 = none
    uint32_t turn;  // less came earlier
} pk__survive_guest;

typedef struct pk__survive {
    int fd, reserve; // it listens; 0 = it does not
    char path[PK__ADDRESS_TEXT_MAX]; // "" = nothing to remove
    pk_loop *loop;
    pk_watch watch;
    pk__survive_guest guests[PK__SURVIVE_GUESTS];
    uint32_t turns;
    pk_str token, proof;
    pk__lifeline *lifeline;
    const char *address; // where requests go
} pk__survive;

/* Begins to listen at settings->control. Settings, lifeline and address are borrowed. Errors: PK_ERR_OS,
 * PK_ERR_BAD_ENDPOINT. */
PK__FN pk_err pk__survive_open(pk__survive *s, pk_loop *loop, const pk__settings *settings, pk__lifeline *lifeline,
                               const char *address, pk_error *err);
PK__FN void pk__survive_close(pk__survive *s); // removes the socket's file. Zeroed: does nothing

#endif


/* == sdk/host_client.h == */
/* host_client.h - how a plugin calls its host: pk_sdk_host.
 *
 * The host said at the start which services it offers, and at which path each is. So a call to contract + type goes
 * to that path with the method's own behind it, with our token and our name, over a pool of connections of the
 * usual kind; the call machine (rpc/call.h) is the same as in a host. There is always a caller, also without a
 * host: it finds nothing.
 *
 * It is made when pk_sdk_host is first called, and nothing else of the SDK names its functions: the linker leaves
 * the whole client side out of a plugin that never calls its host (-ffunction-sections, --gc-sections). Should
 * there be no memory for it then, its calls say so.
 *
 * A call waits on the thread that makes it. On the loop's thread it steps the loop meanwhile, so that the host may
 * call back: then another handler can run before the waiting one goes on. */
#ifdef PLUGKIT_LINES
#line 13 "src/sdk/host_client.h"
#endif


#ifndef PLUGKIT_NO_NET




typedef struct pk__host_client {
    pk_caller caller;
    const pk__settings *settings; // the host's address and services
    pk__http_channel_env env;
    pk_dialect dialect;
    void *channel;  // NULL = there is no host
    pk_error error; // why nothing can be called; code PK_OK if it can
    bool made;
} pk__host_client;

/* The settings are borrowed. After a failure every call fails in the same way. */
PK__FN pk_err pk__host_client_init(pk__host_client *c, const pk__settings *settings, const pk_sdk_desc *desc,
                                   const pk_alloc *alloc, pk_loop *loop);
PK__FN void pk__host_client_interrupt(pk__host_client *c); // calls end soon, no new ones begin; the loop's thread
PK__FN void pk__host_client_deinit(pk__host_client *c);    // no call is waited for any more. Zeroed: does nothing
#endif



/* == sdk/endpoints.h == */
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
#ifdef PLUGKIT_LINES
#line 10 "src/sdk/endpoints.h"
#endif




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



/* == sdk/sdk.h == */
/* sdk.h - a plugin process from its first argument to its exit status.
 *
 * A plugin is   starting -> running -> draining -> stopped.
 *
 *     starting   arguments (args.h) -> are the services complete? -> what were we told (settings.h) -> on_config ->
 *                listen (door.h) -> server and routes (endpoints.h) -> on_start -> announce the address
 *     running    requests are served; work (work.h), lifeline (lifeline.h) and signals may ask for the end
 *     draining   the socket's file is gone, no more connections are taken, requests under way get their answers, for
 *                as long as the reason allows: 5 s after /shutdown, a signal, idleness or pk_sdk_stop; half a second
 *                when the host is dead and nobody waits
 *     stopped    pk_sdk_is_running is false; destroy frees the rest, then calls on_close
 *
 * If the start fails, the host learns why on the control socket, and people on stderr.
 *
 * All of it runs on the loop's thread; workers run handlers and nothing else. What a process has only once - signals,
 * stdout, SIGPIPE's action - is put back by destroy. Signals are only taken from a program that has no handlers of its
 * own. An SDK must not be destroyed from inside one of its callbacks. */
#ifdef PLUGKIT_LINES
#line 17 "src/sdk/sdk.h"
#endif


#ifndef PLUGKIT_NO_NET











typedef enum pk__sdk_state { PK__SDK_STARTING, PK__SDK_RUNNING, PK__SDK_DRAINING, PK__SDK_STOPPED } pk__sdk_state;

struct pk_sdk {
    const pk_alloc *alloc;
    pk_sdk_desc desc;      // its arrays of services and interceptors are copies, in mem
    pk_mem mem;
    bool is_main;          // the process is ours
    bool started;          // on_start has succeeded: on_close is due
    pk__args args;
    pk__settings settings;
    pk_loop *loop;
    bool owns_loop;
    pk__door door;
    pk_server *server;
    pk__endpoints endpoints;
    pk__mutex host_lock;   // of the making of `host`, and of `reported`
    pk_health_report reported;
    pk_task report;        // brings it to the loop
    pk__host_client host;  // made by pk_sdk_host, with the two functions that end it
    void (*interrupt_host)(pk__host_client *c);
    void (*deinit_host)(pk__host_client *c);
    pk__work work;
    pk__lifeline lifeline;
    pk__survive survive;
    pk__stdout real_stdout;
#ifndef PLUGKIT_NO_PROCESS
    pk__signals signals;
#endif
    struct sigaction old_pipe;
    bool has_old_pipe;
    pk__atomic_u32 state;  // pk__sdk_state
    pk_task stop;          // pk_sdk_stop, from any thread
    pk_timer drain;
    int64_t drain_until;
};

PK__FN pk_err pk__sdk_create(pk_sdk **out, int argc, char *const *argv, const pk_sdk_desc *desc, bool is_main,
                             pk_error *err);
#endif


/* == sdk/log.c == */
/* log.c - one JSON line on stderr for each record. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/log.c"
#endif











#ifndef PLUGKIT_NO_NET

static const char *pk__log_level(pk_log_level level)
{
    static const char *const names[] = {"INFO", "DEBUG", "INFO", "WARN", "ERROR"};
    return names[(unsigned)level < PK__COUNT(names) ? level : PK_LOG_DEFAULT];
}

static void pk__log_put_str(pk_json_writer *w, pk_str s, bool is_key)
{
    char clean[1024];
    if (!pk__utf8_valid(s)) {
        s.len = pk__error_clean(clean, sizeof(clean), s);
        s.ptr = clean;
    }
    if (is_key) {
        pk_json_put_key_str(w, s);
    } else {
        pk_json_put_str(w, s);
    }
}

static bool pk__log_write(pk_buf *buf, pk_log_level level, pk_str message, const pk_meta *fields, size_t count)
{
    pk_json_writer w;
    char now[PK__CLOCK_TEXT];
    pk_buf_clear(buf);
    pk_json_write(&w, buf);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "time");
    pk_json_put_text(&w, pk__clock_text(now));
    pk_json_put_key(&w, "level");
    pk_json_put_text(&w, pk__log_level(level));
    pk_json_put_key(&w, "msg");
    pk__log_put_str(&w, message, false);
    for (size_t i = 0; i < count; i++) {
        pk__log_put_str(&w, fields[i].name, true);
        pk__log_put_str(&w, fields[i].value, false);
    }
    pk_json_put_end(&w);
    return pk_json_finish(&w, NULL) == PK_OK && pk_buf_add_char(buf, '\n');
}

PK_API void pk_sdk_log(pk_log_level level, const char *message, const pk_meta *fields, size_t count)
{
    pk__service_scratch scratch;
    pk_buf buf;
    pk_str text = pk_str_from(message);
    pk__service_scratch_init(&scratch, NULL, &buf, PK__LOG_LINE_MAX);
    if (!pk__log_write(&buf, level, text, fields, count)) {
        text.len = PK__MIN(text.len, (size_t)256); // too long, or out of memory: this much fits into the scratch
        while (text.len && !pk__utf8_valid(text)) {
            text.len--; // not in the middle of a character
        }
        (void)pk__log_write(&buf, level, text, NULL, 0);
    }
    (void)pk__fd_write_all(2, pk_buf_str(&buf), NULL);
    pk_buf_free(&buf);
}

#endif

/* == sdk/args.c == */
/* args.c - how a plugin was started. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/args.c"
#endif








/* "--name", "-name", "--name=value": Go's flags are written in all these ways. */
static bool pk__args_is(const char *arg, const char *name, const char **value)
{
    size_t len = strlen(name);
    if (arg[0] != '-') {
        return false;
    }
    arg += arg[1] == '-' ? 2 : 1;
    if (strncmp(arg, name, len) != 0 || (arg[len] != '\0' && arg[len] != '=')) {
        return false;
    }
    *value = arg[len] == '=' ? arg + len + 1 : NULL;
    return true;
}

/* *stranger: the first argument that is none of ours. */
static pk_err pk__args_flags(pk__args *out, int argc, char *const *argv, const char **stranger, pk_error *err)
{
    out->capabilities = argc > 1 && strcmp(argv[1], "capabilities") == 0;
    for (int i = 1 + out->capabilities; i < argc; i++) {
        const char *value = NULL;
        const char **to = pk__args_is(argv[i], "config", &value)   ? &out->config
                          : pk__args_is(argv[i], "listen", &value) ? &out->listen
                                                                   : NULL;
        if (to && !value && i + 1 >= argc) {
            return pk_error_set(err, PK_ERR_PARSE, "cannot understand '%s': its value is missing", argv[i]);
        }
        if (to) {
            *to = value ? value : argv[++i];
        } else if (pk__args_is(argv[i], "help", &value) || strcmp(argv[i], "-h") == 0) {
            out->help = true;
        } else if (!*stranger) {
            *stranger = argv[i];
        }
    }
    return PK_OK;
}

/* A descriptor's number: digits, above the three that everybody has. */
static pk_err pk__args_fd(const char *name, int *out, pk_error *err)
{
    const char *text = getenv(name);
    int fd = 0;
    *out = -1;
    if (!text || !text[0]) {
        return PK_OK;
    }
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || fd > 99999) {
            return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use %s: '%s' is not a descriptor", name, text);
        }
        fd = fd * 10 + (*c - '0');
    }
    if (fd < 3) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use %s: %d is stdin, stdout or stderr", name, fd);
    }
    *out = fd;
    return PK_OK;
}

static pk_err pk__args_protocol(pk__args *out, pk_error *err)
{
    const char *protocol = getenv("PLUGKIT_PROTOCOL");
    if (!protocol || !protocol[0]) {
        return PK_OK;
    }
    if (strcmp(protocol, PK__CONTROL_PROTOCOL) != 0) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot speak '%s': this plugin knows %s", protocol,
                            PK__CONTROL_PROTOCOL);
    }
    pk_err rc = pk__args_fd("PLUGKIT_CONTROL_FD", &out->control_fd, err);
    if (!rc && out->control_fd < 0) {
        rc = pk_error_set(err, PK_ERR_PROTOCOL, "cannot speak %s: PLUGKIT_CONTROL_FD is missing", protocol);
    }
    return rc;
}

PK__FN pk_err pk__args_parse(pk__args *out, int argc, char *const *argv, pk_error *err)
{
    const char *stranger = NULL;
    memset(out, 0, sizeof(*out));
    out->control_fd = -1;
    out->listen_fd = -1;
    pk_err rc = pk__args_flags(out, argc, argv, &stranger, err);
    if (rc || out->capabilities || out->help) {
        return rc;
    }
    rc = pk__args_fd("PLUGKIT_LISTEN_FD", &out->listen_fd, err);
    if (!rc && !out->config && !out->listen) {
        rc = pk__args_protocol(out, err);
    }
    if (!rc && stranger && out->control_fd < 0) { // what else a host passes is its own business
        rc = pk_error_set(err, PK_ERR_PARSE, "cannot understand the argument '%s'", stranger);
    }
    return rc;
}

PK__FN void pk__args_usage(pk_buf *out, const char *program, const pk_sdk_desc *desc)
{
    const char *version = desc->version ? desc->version : "";
    const char *about = desc->description ? desc->description : "";
    pk_buf_printf(out, "%s%s%s%s%s\n\n", desc->id, version[0] ? " " : "", version, about[0] ? " - " : "", about);
    pk_buf_printf(out,
                  "This is a plugin: a host program finds it in its plugin folder and starts it. By hand:\n\n"
                  "    %s capabilities        print what it offers, as JSON\n"
                  "    %s --listen ADDRESS    serve there for debugging: http://127.0.0.1:8080 or /tmp/x.sock\n"
                  "    %s --config JSON       serve as a host of the Go plugin framework would ask for:\n"
                  "                           '{\"id\":\"%s\",\"type\":\"unix\"}'\n",
                  program, program, program, desc->id);
}

/* == sdk/settings.c == */
/* settings.c - what a plugin was told when it was started. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/settings.c"
#endif













#define PK__SETTINGS_FILE(F, T)                                                                               \
    F(T, OPT, pk_str, id, "id")                                                                               \
    F(T, OPT, pk_str, type, "type")                                                                           \
    F(T, OPT, pk_ns, idle, "idleTimeout")                                                                     \
    F(T, LIST, pk_json, config, "configTypes")
PK_STRUCT(pk__settings_file, PK__SETTINGS_FILE)

/* A name for errors in the place of the struct's. */
static pk_err pk__settings_decode(pk_mem *mem, const pk_type *type, const char *name, pk_str json, void *out,
                                  pk_error *err)
{
    pk_type named = *type;
    named.name = name;
    pk_err rc = pk_json_decode(mem, &named, json, out, err);
    if (rc && rc != PK_ERR_NO_MEMORY) {
        rc = PK_ERR_CONFIG;
        if (err) {
            err->code = rc;
        }
    }
    return rc;
}

/* Data that came as a string: base64 of JSON, as Go writes bytes; or JSON as text, as the documents show it. Text is
 * hardly ever base64 that decodes to valid JSON, so that is asked first. */
static pk_err pk__settings_read_text(pk_mem *mem, pk_str type, pk_str text, pk_json *out, pk_error *err)
{
    pk_str bytes = {NULL, 0};
    if (text.len == 0) {
        *out = PK_STR("null");
        return PK_OK;
    }
    char *to = (char *)pk_mem_get(mem, text.len);
    if (!to) {
        return pk__error_memory(err, "read the configuration");
    }
    if (pk__base64_decode(text, PK__BASE64_STD, to, &bytes.len)) {
        bytes.ptr = to;
        if (pk_json_check(bytes, NULL) == PK_OK) {
            *out = bytes;
            return PK_OK;
        }
    }
    if (pk_json_check(text, NULL) == PK_OK) {
        *out = text;
        return PK_OK;
    }
    return pk_error_set(err, PK_ERR_CONFIG, "cannot read the config '%" PK_FMT "': its data is neither base64 of JSON "
                        "nor JSON", PK_ARG(type));
}

/* Of an entry that was read, and has no data: does it say so, or is there nothing but its type? */
static bool pk__settings_is_bare(pk_json entry)
{
    pk__json_reader r;
    pk_str key = {NULL, 0};
    size_t count = 0;
    bool more = false;
    pk__json_begin(&r, entry);
    const char *p = pk__json_open(&r, r.begin, &more);
    for (; p && more; count++) {
        p = pk__json_key(&r, p, &key);
        if (!p || pk_str_is(key, "data")) {
            return true;
        }
        p = pk__json_value(&r, p, NULL);
        p = p ? pk__json_more(&r, p, '}', &more) : NULL;
    }
    return count == 1;
}

static pk_err pk__settings_read_one(pk_mem *mem, pk_json json, pk__control_config *out, pk_error *err)
{
    pk_str text;
    pk_err rc = pk__settings_decode(mem, &pk_type_pk__control_config, "an entry of --config's configTypes", json, out,
                                    err);
    if (rc) {
        return rc;
    }
    if (!out->has_data) {
        out->has_data = true;
        out->data = pk__settings_is_bare(json) ? PK_STR("null") : json; // OCM: the entry is the configuration
        return PK_OK;
    }
    if (out->data.ptr[0] != '"') {
        return PK_OK;
    }
    rc = pk_json_decode(mem, &pk_type_pk_str, out->data, &text, err);
    return rc ? rc : pk__settings_read_text(mem, out->type, text, &out->data, err);
}

PK__FN pk_err pk__settings_read_config(pk__settings *s, pk_str json, pk_error *err)
{
    pk__settings_file file;
    s->profile = PK__SETTINGS_FRAMEWORK;
    pk_err rc = pk__settings_decode(&s->mem, &pk_type_pk__settings_file, "--config", json, &file, err);
    if (rc) {
        return rc;
    }
    if (!file.has_id || file.id.len == 0) {
        return pk_error_set(err, PK_ERR_CONFIG, "plugin config has no ID");
    }
    if (!pk__service_is_name(file.id)) { // it becomes part of a path
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot use '%" PK_FMT "' as an id: letters, digits, '_', '.' and "
                            "'-', at most %d", PK_ARG(file.id), PK__SERVICE_NAME_MAX);
    }
    s->tcp = file.has_type && pk_str_is(file.type, "tcp");
    if (file.has_type && file.type.len && !s->tcp && !pk_str_is(file.type, "unix")) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot listen: connection type '%" PK_FMT "' is neither \"unix\" nor "
                            "\"tcp\"", PK_ARG(file.type));
    }
    if (file.has_idle && file.idle < 0) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use an idleTimeout below zero");
    }
    s->instance = pk_mem_dup(&s->mem, file.id);
    s->idle = file.idle;
    s->config_count = file.config.count;
    s->config = (pk__control_config *)pk_mem_zero(&s->mem, file.config.count * sizeof(*s->config));
    if (!s->instance.ptr || !s->config) {
        return pk__error_memory(err, "read the configuration");
    }
    for (size_t i = 0; i < file.config.count && !rc; i++) {
        rc = pk__settings_read_one(&s->mem, file.config.items[i], &s->config[i], err);
    }
    return rc;
}

PK__FN pk_err pk__settings_read_line(pk__settings *s, pk_str line, pk_error *err)
{
    pk__control_start start;
    s->profile = PK__SETTINGS_CONTROL;
    pk_err rc = pk__control_read_start(&s->mem, line, &start, err);
    if (rc) {
        return rc;
    }
    if (!pk__service_is_type(start.instance)) { // longer than an id, for it has a number behind it
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot use '%" PK_FMT "' as an instance's name",
                            PK_ARG(start.instance));
    }
    if (start.token.len == 0 || !pk__http_head_is_value(start.token)) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use the host's token: it is empty or holds odd characters");
    }
    pk__address address; // a host that cannot be called is better known now
    if (start.has_host && (rc = pk__address_parse(&address, start.host.address, err)) != PK_OK) {
        return rc;
    }
    if (start.idle < 0) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use an idleTimeout below zero");
    }
    if (!PK__SURVIVE_CAN) {
        start.has_survive = false; // no host asks for it that has read our capabilities
        start.survive.ms = 0;
    }
    if (start.has_survive && (start.survive.ms == 0 || !pk_str_starts(start.survive.control, PK_STR("/")) ||
                              start.survive.control.len > PK__ADDRESS_PATH_MAX)) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot survive the host: it names no time, or no path that fits");
    }
    s->survive_ms = start.survive.ms;
    s->control = start.survive.control;
    s->proof = start.survive.proof;
    s->instance = pk_mem_dup(&s->mem, start.instance);
    s->token = pk_mem_dup(&s->mem, start.token);
    s->listen = start.listen;
    s->idle = start.idle;
    s->config = start.config.items;
    s->config_count = start.config.count;
    for (size_t i = 0; i < s->config_count; i++) {
        if (!s->config[i].has_data) {
            s->config[i].data = PK_STR("null");
        }
    }
    s->host = start.host;
    s->host.address = pk_mem_dup(&s->mem, start.host.address);
    bool good = s->instance.ptr && s->token.ptr && s->host.address.ptr;
    return good ? PK_OK : pk__error_memory(err, "read the host's first line");
}

/* ", "-separated, for people. */
static void pk__settings_list(const char *const *types, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; types && types[i] && len < cap; i++) {
        int more = snprintf(out + len, cap - len, "%s%s", i ? ", " : "", types[i]);
        len += more > 0 ? (size_t)more : 0;
    }
}

PK__FN pk_err pk__settings_apply(const pk__settings *s, const pk_sdk_desc *desc, pk_error *err)
{
    for (size_t i = 0; i < s->config_count; i++) {
        const pk__control_config *c = &s->config[i];
        size_t k = 0;
        while (desc->config_types && desc->config_types[k] && !pk_str_is(c->type, desc->config_types[k])) {
            k++;
        }
        if (!desc->config_types || !desc->config_types[k]) {
            char known[128];
            pk__settings_list(desc->config_types, known, sizeof(known));
            return pk_error_set(err, PK_ERR_CONFIG, "cannot configure '%s': it does not understand the config type '%"
                                PK_FMT "' (it declares: %s)", desc->id, PK_ARG(c->type), known[0] ? known : "none");
        }
        pk_error why;
        memset(&why, 0, sizeof(why));
        pk_err rc = desc->on_config ? desc->on_config(desc->user, c->type, c->data, &why) : PK_OK;
        if (rc && why.code != rc) { // returned a code, and did not say more
            return pk_error_set(err, rc, "cannot configure '%s' with '%" PK_FMT "': %s", desc->id, PK_ARG(c->type),
                                pk_err_text(rc));
        }
        if (rc) {
            return pk__error_copy(err, &why);
        }
    }
    return PK_OK;
}

/* == sdk/work.c == */
/* work.c - counts requests, and tells when there have been none for long enough. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/work.c"
#endif





enum { PK__WORK_RETRY_MS = 1000 };

static void pk__work_on_time(void *user)
{
    pk__work *w = (pk__work *)user;
    int64_t now = pk__clock_ns();
    if (w->running == 0 && now - w->since >= w->idle_ns) {
        /* A request may have come in this very turn of the loop: it is looked at behind the timers. */
        if (w->was_idle || pk_timer_start(w->loop, &w->timer, 0, NULL)) {
            w->on_idle(w->user);
        }
        w->was_idle = true;
        return;
    }
    w->was_idle = false;
    /* Busy now: a whole timeout from here is the earliest that can follow. */
    int64_t from = w->running ? now : w->since;
    if (pk__timer_start_at(w->loop, &w->timer, from + w->idle_ns, NULL)) {
        (void)pk_timer_start(w->loop, &w->timer, PK__WORK_RETRY_MS, NULL); // there was room for it just now
    }
}

PK__FN pk_err pk__work_start(pk__work *w, pk_loop *loop, int64_t idle_ns, void (*on_idle)(void *user), void *user,
                             pk_error *err)
{
    w->loop = loop;
    w->idle_ns = idle_ns;
    w->since = pk__clock_ns();
    w->on_idle = on_idle;
    w->user = user;
    w->timer.on_time = pk__work_on_time;
    w->timer.user = w;
    return idle_ns ? pk__timer_start_at(loop, &w->timer, w->since + idle_ns, err) : PK_OK;
}

PK__FN void pk__work_change(pk__work *w, int change)
{
    if (change > 0) {
        w->running++;
    } else if (--w->running == 0) {
        w->since = pk__clock_coarse_ns();
    }
}

PK__FN void pk__work_stop(pk__work *w)
{
    if (w->loop) {
        pk_timer_stop(w->loop, &w->timer);
    }
}

/* == sdk/door.c == */
/* door.c - where a plugin listens. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/door.c"
#endif

#ifndef PLUGKIT_NO_NET

#include <stdio.h>
#include <string.h>






static bool pk__door_is_loopback(const pk__address *a)
{
    return !a->is_wildcard && (strncmp(a->host, "127.", 4) == 0 || strcmp(a->host, "::1") == 0 ||
                               strcmp(a->host, "localhost") == 0);
}

/* What to listen on: told, or the framework's place. */
static pk_err pk__door_find(const pk__settings *s, pk__address *out, pk_error *err)
{
    char text[PK__ADDRESS_TEXT_MAX];
    if (s->listen.len) {
        return pk__address_parse(out, s->listen, err);
    }
    if (s->tcp || s->profile == PK__SETTINGS_CONTROL) {
        return pk__address_parse(out, PK_STR("http://127.0.0.1:0"), err);
    }
    (void)snprintf(text, sizeof(text), "http+unix:///tmp/%" PK_FMT "-plugin.socket", PK_ARG(s->instance));
    return pk__address_parse(out, pk_str_from(text), err);
}

#ifndef PLUGKIT_NO_FILES
static pk_err pk__door_lock(pk__door *d, const pk_alloc *alloc, const char *path, pk_error *err)
{
    return pk__lock_take_socket(&d->lock, alloc, path, err);
}

static void pk__door_unlock(pk__door *d)
{
    pk__lock_release(&d->lock);
}
#else
static pk_err pk__door_lock(pk__door *d, const pk_alloc *alloc, const char *path, pk_error *err)
{
    (void)d, (void)alloc;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot lock '%s': this build has no files", path);
}

static void pk__door_unlock(pk__door *d)
{
    (void)d;
}
#endif

static pk_err pk__door_open_new(pk__door *d, const pk_alloc *alloc, const pk__settings *s, pk_error *err)
{
    pk__address a;
    pk_err rc = pk__door_find(s, &a, err);
    if (rc) {
        return rc;
    }
    if (a.kind == PK__ADDRESS_OTHER || (a.kind == PK__ADDRESS_TCP && !pk__door_is_loopback(&a))) {
        return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot listen on '%s': plugins listen on Unix sockets and on "
                            "loopback addresses only", a.host);
    }
    if (PK__SECURE_BUILT && a.is_secure && !s->is_secure) {
        return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot listen on '%" PK_FMT "': the plugin has no pk_tls",
                            PK_ARG(s->listen));
    }
    bool is_unix = a.kind == PK__ADDRESS_UNIX;
    if (is_unix && s->profile != PK__SETTINGS_CONTROL) { // there the path is the host's, and nobody else's
        rc = pk__door_lock(d, alloc, a.host, err);
    }
    int fd = 0;
    if (!rc) {
        rc = pk__socket_listen(&a, &fd, err);
    }
    if (rc) {
        return rc;
    }
    d->fd = fd;
    if (is_unix) {
        (void)snprintf(d->path, sizeof(d->path), "%s", a.host);
    }
    return PK_OK;
}

/* A descriptor from outside must be what it is said to be: serving a socket that does not listen fails much later. */
static pk_err pk__door_adopt(pk__door *d, int fd, pk_error *err)
{
    int listens = 0;
    socklen_t len = sizeof(listens);
    if (PK__SYS(getsockopt)(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0) {
        return pk_error_sys(err, PK_ERR_PROTOCOL, errno, "cannot use descriptor %d of PLUGKIT_LISTEN_FD", fd);
    }
    if (!listens) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use descriptor %d of PLUGKIT_LISTEN_FD: it does not listen",
                            fd);
    }
    pk_err rc = pk__fd_set_cloexec(fd, true, err);
    if (!rc) {
        rc = pk__fd_set_nonblock(fd, true, err);
    }
    if (!rc) {
        d->fd = fd;
    }
    return rc;
}

PK__FN pk_err pk__door_open(pk__door *d, const pk_alloc *alloc, const pk__settings *s, int inherited_fd, pk_error *err)
{
    pk__address a;
    memset(d, 0, sizeof(*d));
    pk_err rc = inherited_fd >= 0 ? pk__door_adopt(d, inherited_fd, err) : pk__door_open_new(d, alloc, s, err);
    if (!rc) {
        rc = pk__socket_local(d->fd, &a, err); // with the port that was taken
    }
    if (!rc && PK__SECURE_BUILT) {
        a.is_secure = s->is_secure;
    }
    if (!rc) {
        (void)pk__address_format(&a, d->address, sizeof(d->address));
    } else {
        pk__door_deinit(d);
    }
    return rc;
}

PK__FN int pk__door_take_fd(pk__door *d)
{
    int fd = d->fd;
    d->fd = 0;
    return fd;
}

PK__FN void pk__door_shut(pk__door *d)
{
    if (d->path[0]) {
        (void)PK__SYS(unlink)(d->path);
        d->path[0] = '\0';
    }
}

PK__FN void pk__door_deinit(pk__door *d)
{
    if (d->fd > 0) {
        pk__fd_close(d->fd);
        d->fd = 0;
    }
    pk__door_shut(d);
    pk__door_unlock(d);
}
#endif

/* == sdk/stdout.c == */
/* stdout.c - keeps stdout clean for the one line that the framework's hosts read there. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/stdout.c"
#endif








#ifndef PK__NO_FD

#ifndef PLUGKIT_NO_PROCESS
PK__FN void pk__stdout_keep(pk__stdout *s)
{
    int real = PK__SYS(fcntl)(1, F_DUPFD_CLOEXEC, 3);
    if (real < 0) {
        return; // it is closed, or there is no descriptor left: then as it is
    }
    if (PK__SYS(dup2)(2, 1) < 0) { // no stderr
        pk__fd_close(real);
        return;
    }
    s->real = real;
}

PK__FN void pk__stdout_restore(pk__stdout *s)
{
    if (s->real) {
        (void)fflush(stdout); // what was printed meanwhile was meant for stderr
        (void)PK__SYS(dup2)(s->real, 1);
        pk__fd_close(s->real);
        s->real = 0;
    }
}
#else
PK__FN void pk__stdout_keep(pk__stdout *s)
{
    (void)s;
}

PK__FN void pk__stdout_restore(pk__stdout *s)
{
    (void)s;
}
#endif

PK__FN pk_err pk__stdout_print(const pk__stdout *s, pk_str line, pk_error *err)
{
    pk_buf buf;
    pk_buf_init(&buf, NULL, line.len + 1);
    pk_buf_add(&buf, line);
    pk_err rc = pk_buf_add_char(&buf, '\n') ? pk__fd_write_all(s->real ? s->real : 1, pk_buf_str(&buf), err)
                                            : pk__error_memory(err, "print a line");
    pk_buf_free(&buf);
    return rc;
}
#endif

/* == sdk/lifeline.c == */
/* lifeline.c - the control socket, and how a plugin notices that its host has died. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/lifeline.c"
#endif

#ifndef PLUGKIT_NO_NET

#include <string.h>








enum {
    PK__LIFELINE_PARENT_MS = 800, // between two looks at the parent
    PK__LIFELINE_NOTICE_MS = 50,  // the guard: so long for the loop to notice
    PK__LIFELINE_FINISH_MS = 900, //   and so long for the end, on_close included
    PK__LIFELINE_NAP_MS = 5,
    PK__LIFELINE_ALONE_NAP_MS = 100,
    PK__LIFELINE_READS = 16       // pieces read in one turn of the loop
};

/* ---- who is there: the parent, and the group */

#ifndef PLUGKIT_NO_PROCESS
static uint32_t pk__lifeline_parent(void)
{
    return (uint32_t)PK__SYS(getppid)();
}

static bool pk__lifeline_leads(void)
{
    return PK__SYS(getpgid)(0) == getpid();
}
#else
static uint32_t pk__lifeline_parent(void)
{
    return 0;
}

static bool pk__lifeline_leads(void)
{
    return false;
}
#endif

PK__FN bool pk__lifeline_has_group(const pk__lifeline *l)
{
#ifdef PLUGKIT_NO_THREADS
    (void)l;
    return false; // there is no guard: a handler that hangs would keep it
#else
    return !l->fd || pk__lifeline_leads(); // started by hand it may well not, and says what it does under a host
#endif
}

static bool pk__lifeline_has_lost_parent(const pk__lifeline *l)
{
    uint32_t parent = pk__atomic_load(&l->parent);
    return parent && pk__lifeline_parent() != parent;
}

static bool pk__lifeline_has_hung_up(const pk__lifeline *l)
{
    struct pollfd set = {l->fd, 0, 0};
    return PK__SYS(poll)(&set, 1, 0) > 0 && (set.revents & (POLLHUP | POLLERR));
}

PK__FN bool pk__lifeline_is_orphan(const pk__lifeline *l)
{
    return l->fd && (pk__lifeline_has_hung_up(l) || pk__lifeline_has_lost_parent(l));
}

PK__FN void pk__lifeline_end_group(void)
{
    if (pk__lifeline_leads()) {
        (void)PK__SYS(kill)(0, SIGKILL);
    }
}

/* ---- the conversation */

PK__FN pk_err pk__lifeline_open(pk__lifeline *l, const pk_alloc *alloc, int fd, pk_error *err)
{
    int type = 0;
    socklen_t len = sizeof(type);
    memset(l, 0, sizeof(*l));
    if (PK__SYS(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use descriptor %d of PLUGKIT_CONTROL_FD: it is no stream "
                            "socket", fd);
    }
    /* Children of ours must not hold the host's lifeline. */
    pk_err rc = pk__fd_set_cloexec(fd, true, err);
    if (!rc) {
        rc = pk__fd_set_nonblock(fd, true, err);
    }
    if (!rc) {
        l->fd = fd;
        pk__atomic_store(&l->parent, pk__lifeline_parent());
        pk__control_lines_init(&l->lines, alloc, PK__CONTROL_START_MAX);
    }
    return rc;
}

/* Reads what has come: 1 = something, 0 = nothing now, -1 = the end. */
static int pk__lifeline_read(pk__lifeline *l)
{
    char buf[4096];
    pk_str bytes = {buf, 0};
    ssize_t n = pk__fd_read(l->fd, buf, sizeof(buf));
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return 0;
    }
    if (n <= 0) {
        return -1;
    }
    bytes.len = (size_t)n;
    return pk__control_lines_feed(&l->lines, bytes, NULL) ? -1 : 1;
}

PK__FN pk_err pk__lifeline_first(pk__lifeline *l, uint32_t timeout_ms, pk_str *line, pk_error *err)
{
    int64_t until = pk__clock_after_ms(pk__clock_ns(), timeout_ms);
    for (;;) {
        pk_err rc = pk__control_lines_next(&l->lines, line, err);
        if (rc || line->ptr) {
            return rc;
        }
        if (!pk__fd_wait(l->fd, true, false, until)) {
            return pk_error_set(err, PK_ERR_PLUGIN_TIMEOUT, "cannot start: the host did not say how within %u ms",
                                (unsigned)timeout_ms);
        }
        if (pk__lifeline_read(l) < 0) {
            return pk_error_set(err, PK_ERR_PROTOCOL, "cannot start: the control socket ended before the first line");
        }
    }
}

PK__FN pk_err pk__lifeline_send(pk__lifeline *l, pk_str bytes, pk_error *err)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = PK__SYS(send)(l->fd, bytes.ptr + done, bytes.len - done, MSG_NOSIGNAL);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            (void)pk__fd_wait(l->fd, false, true, PK_FOREVER);
        } else if (errno != EINTR) {
            return pk_error_sys(err, PK_ERR_OS, errno, "cannot write to the control socket");
        }
    }
    return PK_OK;
}

static void pk__lifeline_on_alone(void *user);

/* Without the host, for a while. False: without a timer nobody may wait. */
static bool pk__lifeline_lose(pk__lifeline *l)
{
    if (!PK__SURVIVE_CAN || l->survive_ms == 0 || l->is_alone) {
        return false;
    }
    l->timer.on_time = pk__lifeline_on_alone;
    l->is_alone = pk_timer_start(l->loop, &l->timer, l->survive_ms, NULL) == PK_OK;
    if (l->is_alone) {
        pk_watch_remove(l->loop, &l->watch); // the descriptor stays: its number is taken over
    }
    return l->is_alone;
}

static void pk__lifeline_end_of(pk__lifeline *l, pk__lifeline_end why)
{
    if (why == PK__LIFELINE_DEAD && pk__lifeline_lose(l)) {
        return;
    }
    if (why == PK__LIFELINE_DEAD) {
        pk__atomic_store(&l->noticed, 1);
        pk_watch_remove(l->loop, &l->watch);
        pk_timer_stop(l->loop, &l->timer);
    }
    l->on_end(l->user, why);
}

static void pk__lifeline_on_alone(void *user)
{
    pk__lifeline_end_of((pk__lifeline *)user, PK__LIFELINE_DEAD);
}

/* False = the conversation is over. Lines that say nothing to us are those of a later version. */
static bool pk__lifeline_take(pk__lifeline *l)
{
    pk_mem mem;
    pk_str line;
    bool asked = false;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = l->lines.buf.alloc;
    for (;;) {
        pk__control_message m;
        if (pk__control_lines_next(&l->lines, &line, NULL)) {
            return false; // over-long: where the next one begins cannot be known
        }
        if (!line.ptr) {
            break;
        }
        asked = asked || (pk__control_read(&mem, line, &m, NULL) == PK_OK && m.has_shutdown && m.shutdown);
        pk_mem_free(&mem);
    }
    if (asked) {
        pk__lifeline_end_of(l, PK__LIFELINE_SHUTDOWN);
    }
    return true;
}

static void pk__lifeline_on_ready(void *user, bool can_read, bool can_write)
{
    pk__lifeline *l = (pk__lifeline *)user;
    int got = 1;
    (void)can_read, (void)can_write;
    for (int i = 0; i < PK__LIFELINE_READS && got > 0 && !l->is_alone; i++) {
        got = pk__lifeline_read(l);
        if (got > 0 && !pk__lifeline_take(l)) {
            got = -1;
        }
    }
    if (got < 0) {
        pk__lifeline_end_of(l, PK__LIFELINE_DEAD);
    }
}

PK__FN void pk__lifeline_look(pk__lifeline *l)
{
    if (l->loop && !l->is_alone && pk__lifeline_has_lost_parent(l)) {
        pk__lifeline_end_of(l, PK__LIFELINE_DEAD);
    }
}

static void pk__lifeline_on_time(void *user)
{
    pk__lifeline *l = (pk__lifeline *)user;
    if (pk__lifeline_has_lost_parent(l)) {
        pk__lifeline_end_of(l, PK__LIFELINE_DEAD);
        return;
    }
    (void)pk_timer_start(l->loop, &l->timer, PK__LIFELINE_PARENT_MS, NULL); // there was room for it just now
}

PK__FN pk_err pk__lifeline_watch(pk__lifeline *l, pk_loop *loop, void (*on_end)(void *user, pk__lifeline_end why),
                                 void *user, pk_error *err)
{
    l->loop = loop;
    l->on_end = on_end;
    l->user = user;
    if (!pk__atomic_load(&l->parent)) {
        pk__atomic_store(&l->parent, pk__lifeline_parent());
    }
    l->timer.on_time = pk__lifeline_on_time;
    l->timer.user = l;
    bool looks = pk__atomic_load(&l->parent) && !l->guard.started; // otherwise the guard does
    pk_err rc = looks ? pk_timer_start(loop, &l->timer, PK__LIFELINE_PARENT_MS, err) : PK_OK;
    if (rc || !l->fd) {
        return rc;
    }
    l->lines.max = PK__CONTROL_LINE_MAX;
    l->watch.fd = l->fd;
    l->watch.on_ready = pk__lifeline_on_ready;
    l->watch.user = l;
    rc = pk_watch_add(loop, &l->watch, true, false, err);
    if (!rc && !pk__lifeline_take(l)) { // what came right behind the first line
        pk__lifeline_end_of(l, PK__LIFELINE_DEAD);
    }
    return rc;
}

/* ---- surviving */

PK__FN bool pk__lifeline_has_host(pk__lifeline *l)
{
    if (!l->is_alone) {
        pk__lifeline_on_ready(l, true, false);
    }
    pk__lifeline_look(l);
    return !l->is_alone;
}

PK__FN pk_err pk__lifeline_adopt(pk__lifeline *l, int fd, pk_error *err)
{
    pk__atomic_store(&l->parent, 0); // this host is not our parent, which has gone: the guard must know that first
    if (PK__SYS(dup_over)(fd, l->fd) < 0) {
        pk__fd_close(fd);
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot take another control socket");
    }
    pk__fd_close(fd);
    const pk_alloc *alloc = l->lines.buf.alloc;
    pk__control_lines_deinit(&l->lines); // half a line of the old one is nothing to the new one
    pk__control_lines_init(&l->lines, alloc, PK__CONTROL_LINE_MAX);
    pk_err rc = pk_watch_add(l->loop, &l->watch, true, false, err);
    if (rc) {
        (void)PK__SYS(shutdown)(l->fd, SHUT_RDWR); // as lost as the last one
        return rc;
    }
    pk_timer_stop(l->loop, &l->timer);
    l->is_alone = false;
    l->is_adopted = true;
    return PK_OK;
}

PK__FN void pk__lifeline_part(pk__lifeline *l)
{
    static const char words[] = "{\"ending\":true}\n";
    if (l->is_adopted && !l->is_alone) {
        (void)PK__SYS(send)(l->fd, words, sizeof(words) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

/* ---- the guard */

static bool pk__lifeline_waits(const pk__atomic_u32 *flag, int ms)
{
    int64_t until = pk__clock_after_ms(pk__clock_ns(), (uint32_t)ms); // on a busy machine naps take longer
    for (; ms > 0 && !pk__atomic_load(flag) && pk__clock_ns() < until; ms -= PK__LIFELINE_NAP_MS) {
        struct timespec nap = {0, PK__LIFELINE_NAP_MS * PK__MS};
        (void)PK__SYS(nanosleep)(&nap);
    }
    return pk__atomic_load(flag) != 0;
}

/* Waits for the end of the socket, at most so long; the parent's is made to look the same to all who wait for it. */
static bool pk__lifeline_is_cut(pk__lifeline *l, int timeout_ms)
{
    struct pollfd set = {l->fd, 0, 0}; // wakes for nothing but the other end's closing
    int n = PK__SYS(poll)(&set, 1, timeout_ms);
    if (n == 0 && timeout_ms > 0 && pk__lifeline_has_lost_parent(l)) {
        (void)PK__SYS(shutdown)(l->fd, SHUT_RDWR);
        return true;
    }
    return n > 0 && (set.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Waits as long as it may be alone. True: there is another host. */
static bool pk__lifeline_is_mended(pk__lifeline *l)
{
    const struct timespec nap = {0, PK__LIFELINE_ALONE_NAP_MS * PK__MS};
    int64_t until = pk__clock_after_ms(pk__clock_ns(), l->survive_ms);
    while (!pk__atomic_load(&l->noticed) && !pk__atomic_load(&l->released) && pk__clock_ns() < until) {
        (void)PK__SYS(nanosleep)(&nap);
        if (!pk__lifeline_is_cut(l, 0)) {
            return true;
        }
    }
    return false;
}

static void pk__lifeline_guard_run(void *arg)
{
    pk__lifeline *l = (pk__lifeline *)arg;
    do {
        while (!pk__lifeline_is_cut(l, PK__LIFELINE_PARENT_MS)) {
            if (pk__atomic_load(&l->released)) {
                return;
            }
        }
    } while (PK__SURVIVE_CAN && l->survive_ms && pk__lifeline_is_mended(l));
    if (pk__atomic_load(&l->released) ||
        (pk__lifeline_waits(&l->noticed, PK__LIFELINE_NOTICE_MS) &&
         pk__lifeline_waits(&l->released, PK__LIFELINE_FINISH_MS))) {
        return;
    }
    const char *litter = (const char *)pk__atomic_load_ptr(&l->litter);
    if (litter && litter[0]) {
        (void)PK__SYS(unlink)(litter);
    }
    pk__lifeline_end_group();
    _exit(1);
}

PK__FN void pk__lifeline_guard(pk__lifeline *l)
{
    if (l->fd) {
        (void)pk__thread_start(&l->guard, pk__lifeline_guard_run, l, NULL);
    }
}

PK__FN void pk__lifeline_deinit(pk__lifeline *l)
{
    if (l->loop) {
        pk_watch_remove(l->loop, &l->watch);
        pk_timer_stop(l->loop, &l->timer);
    }
    if (l->fd) {
        pk__atomic_store(&l->released, 1);
        if (l->guard.started) {
            (void)PK__SYS(shutdown)(l->fd, SHUT_RDWR); // wakes it
            pk__thread_join(&l->guard);
        }
        pk__fd_close(l->fd);
        pk__control_lines_deinit(&l->lines);
        l->fd = 0;
    }
}
#endif

/* == sdk/survive.c == */
/* survive.c - where a plugin that survives its host is found by the next one. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/survive.c"
#endif

#if !defined(PLUGKIT_NO_NET) && !defined(PLUGKIT_NO_SURVIVE)

#include <stdio.h>
#include <string.h>







enum { PK__SURVIVE_LINE_MAX = 1024, PK__SURVIVE_MS = 1000 };

/* ---- who has come, and not said enough yet */

static void pk__survive_close_outputs(pk__survive_guest *g)
{
    for (int i = 0; i < 2; i++) {
        if (g->outputs[i] > 0) {
            pk__fd_close(g->outputs[i]);
            g->outputs[i] = 0;
        }
    }
}

/* What is printed goes to this host now. */
static void pk__survive_use_outputs(pk__survive_guest *g)
{
    for (int i = 0; i < 2; i++) {
        if (g->outputs[i] > 0 && PK__SYS(dup_over)(g->outputs[i], i + 1) >= 0) {
            (void)pk__fd_set_cloexec(i + 1, false, NULL); // children print there, too
        }
    }
}

/* The descriptor is the caller's from now on. */
static int pk__survive_take(pk__survive_guest *g)
{
    int fd = g->watch.fd;
    pk__survive_close_outputs(g);
    pk_watch_remove(g->survive->loop, &g->watch);
    pk_timer_stop(g->survive->loop, &g->timer);
    pk__control_lines_deinit(&g->lines);
    g->watch.fd = 0;
    return fd;
}

static void pk__survive_drop(pk__survive_guest *g)
{
    if (g->watch.fd > 0) {
        pk__fd_close(pk__survive_take(g));
    }
}

static void pk__survive_refuse(pk__survive_guest *g, const pk_error *why)
{
    pk_buf buf;
    pk_buf_init(&buf, g->lines.buf.alloc, PK__CONTROL_LINE_MAX);
    if (pk__control_write_error(&buf, why, NULL) == PK_OK) {
        (void)PK__SYS(send)(g->watch.fd, buf.ptr, buf.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    pk_buf_free(&buf);
    pk__survive_drop(g);
}

/* Does it know the token, and may it have us? */
static pk_err pk__survive_judge(const pk__survive *s, const pk__control_message *said, pk_error *err)
{
    if (!said->has_adopt || !said->adopt || !said->has_token) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "only hosts that adopt it are heard here");
    }
    if (!pk__token_equal(said->token, s->token)) {
        return pk_error_set(err, PK_ERR_PERMISSION, "the token is wrong");
    }
    if (pk__lifeline_has_host(s->lifeline)) {
        return pk_error_set(err, PK_ERR_BUSY, "it has a host that lives");
    }
    return s->fd ? PK_OK : pk_error_set(err, PK_ERR_STOPPED, "it is ending");
}

static void pk__survive_welcome(pk__survive_guest *g)
{
    pk__survive *s = g->survive;
    const pk_alloc *alloc = g->lines.buf.alloc;
    pk_error why;
    pk_buf buf;
    pk_buf_init(&buf, alloc, PK__CONTROL_LINE_MAX);
    if (pk__control_write_adopted(&buf, s->proof, &why) ||
        pk__control_write_ready(&buf, pk_str_from(s->address), &why)) {
        pk__survive_refuse(g, &why);
    } else {
        pk__survive_use_outputs(g);
        if (pk__lifeline_adopt(s->lifeline, pk__survive_take(g), NULL) == PK_OK) {
            (void)pk__lifeline_send(s->lifeline, pk_buf_str(&buf), NULL); // should it have gone: that is noticed next
        }
    }
    pk_buf_free(&buf);
}

static void pk__survive_hear(pk__survive_guest *g, pk_str line)
{
    pk__survive *s = g->survive;
    pk__lifeline *l = s->lifeline;
    pk__control_message said;
    pk_error why;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = g->lines.buf.alloc;
    memset(&said, 0, sizeof(said));
    (void)pk__control_read(&mem, line, &said, NULL); // what cannot be read says nothing
    pk_err rc = pk__survive_judge(s, &said, &why);
    bool shutdown = said.has_shutdown && said.shutdown;
    pk_mem_free(&mem);
    if (g->watch.fd == 0) {
        return; // judging has ended us
    }
    if (rc) {
        pk__survive_refuse(g, &why);
    } else if (shutdown) {
        pk__survive_drop(g);
        l->on_end(l->user, PK__LIFELINE_SHUTDOWN);
    } else {
        pk__survive_welcome(g);
    }
}

/* Two, and only once; above the three that everybody has, so that one is never taken for another. */
static void pk__survive_bring(pk__survive_guest *g, int *fds, size_t count)
{
    bool fit = count == 2 && !g->outputs[0] && fds[0] > 2 && fds[1] > 2;
    for (size_t i = 0; i < count; i++) {
        if (fit) {
            g->outputs[i] = fds[i];
        } else {
            pk__fd_close(fds[i]);
        }
    }
}

static void pk__survive_on_guest(void *user, bool can_read, bool can_write)
{
    pk__survive_guest *g = (pk__survive_guest *)user;
    char buf[PK__SURVIVE_LINE_MAX];
    pk_str bytes = {buf, 0}, line = {NULL, 0};
    (void)can_read, (void)can_write;
    int fds[PK__SYS_FDS];
    size_t count = PK__SYS_FDS;
    ssize_t n = PK__SYS(recv_fds)(g->watch.fd, buf, sizeof(buf), fds, &count);
    pk__survive_bring(g, fds, n >= 0 ? count : 0);
    if (n < 0 && errno == EINTR) {
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return;
    }
    bytes.len = n > 0 ? (size_t)n : 0;
    if (n <= 0 || pk__control_lines_feed(&g->lines, bytes, NULL) ||
        pk__control_lines_next(&g->lines, &line, NULL)) {
        pk__survive_drop(g);
    } else if (line.ptr) {
        pk__survive_hear(g, line);
    }
}

static void pk__survive_on_time(void *user)
{
    pk__survive_drop((pk__survive_guest *)user);
}

static pk__survive_guest *pk__survive_place(pk__survive *s)
{
    pk__survive_guest *oldest = &s->guests[0];
    for (int i = 0; i < PK__SURVIVE_GUESTS; i++) {
        pk__survive_guest *g = &s->guests[i];
        if (g->watch.fd == 0) {
            return g;
        }
        oldest = g->turn < oldest->turn ? g : oldest;
    }
    pk__survive_drop(oldest);
    return oldest;
}

static void pk__survive_on_connection(void *user, bool can_read, bool can_write)
{
    pk__survive *s = (pk__survive *)user;
    int fd = -1;
    (void)can_read, (void)can_write;
    if (pk__socket_accept(s->fd, &s->reserve, &fd, NULL) || fd < 0) {
        return;
    }
    if (pk__fd_check_peer(fd, NULL, NULL)) {
        pk__fd_close(fd);
        return;
    }
    pk__survive_guest *g = pk__survive_place(s);
    g->survive = s;
    g->turn = ++s->turns;
    g->watch.fd = fd;
    g->watch.on_ready = pk__survive_on_guest;
    g->watch.user = g;
    g->timer.on_time = pk__survive_on_time;
    g->timer.user = g;
    pk__control_lines_init(&g->lines, s->lifeline->lines.buf.alloc, PK__SURVIVE_LINE_MAX);
    if (pk_timer_start(s->loop, &g->timer, PK__SURVIVE_MS, NULL) ||
        pk_watch_add(s->loop, &g->watch, true, false, NULL)) {
        pk__survive_drop(g);
    }
}

/* ---- open and close */

PK__FN pk_err pk__survive_open(pk__survive *s, pk_loop *loop, const pk__settings *settings, pk__lifeline *lifeline,
                               const char *address, pk_error *err)
{
    pk__address a;
    memset(s, 0, sizeof(*s));
    s->reserve = -1;
    s->loop = loop;
    s->token = settings->token;
    s->proof = settings->proof;
    s->lifeline = lifeline;
    s->address = address;
    pk_err rc = pk__address_parse(&a, settings->control, err);
    rc = rc ? rc : pk__socket_listen(&a, &s->fd, err);
    if (rc) {
        s->fd = 0;
        return rc;
    }
    (void)snprintf(s->path, sizeof(s->path), "%s", a.host);
    s->watch.fd = s->fd;
    s->watch.on_ready = pk__survive_on_connection;
    s->watch.user = s;
    return pk_watch_add(loop, &s->watch, true, false, err);
}

PK__FN void pk__survive_close(pk__survive *s)
{
    for (int i = 0; i < PK__SURVIVE_GUESTS; i++) {
        pk__survive_drop(&s->guests[i]);
    }
    if (s->fd > 0) {
        pk_watch_remove(s->loop, &s->watch);
        pk__fd_close(s->fd);
        pk__fd_close(s->reserve);
        s->fd = 0;
    }
    if (s->path[0]) {
        (void)PK__SYS(unlink)(s->path);
        s->path[0] = '\0';
    }
}
#elif !defined(PLUGKIT_NO_NET) // its capabilities do not say that it can, so no host asks for it

PK__FN pk_err pk__survive_open(pk__survive *s, pk_loop *loop, const pk__settings *settings, pk__lifeline *lifeline,
                               const char *address, pk_error *err)
{
    (void)s, (void)loop, (void)settings, (void)lifeline, (void)address;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot survive the host: this build cannot");
}

PK__FN void pk__survive_close(pk__survive *s)
{
    (void)s;
}
#endif

/* == sdk/host_client.c == */
/* host_client.c - how a plugin calls its host. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/host_client.c"
#endif

#ifndef PLUGKIT_NO_NET

#include <stdio.h>
#include <string.h>






static bool pk__host_client_serves(pk_str have, const char *need)
{
    pk__semver provider, needed;
    return !need || !need[0] || (pk__semver_parse(have, &provider) && pk__semver_parse(pk_str_from(need), &needed) &&
                                 pk__semver_serves(&provider, &needed));
}

/* The service that fits; NULL with an error. `type` "" is any. */
static const pk__control_service *pk__host_client_find(const pk__host_client *c, const char *contract, pk_str type,
                                                       const char *version, pk_error *err)
{
    const pk__control_service *wrong = NULL;
    if (c->error.code) {
        (void)pk__error_copy(err, &c->error);
        return NULL;
    }
    for (size_t i = 0; i < c->settings->host.services.count; i++) {
        const pk__control_service *s = &c->settings->host.services.items[i];
        if (!contract || !pk_str_is(s->contract, contract) || (type.len && !pk_str_eq(s->type, type))) {
            continue;
        }
        if (pk__host_client_serves(s->version, version)) {
            return s;
        }
        wrong = s;
    }
    pk_str name = type.len ? type : pk_str_from(contract ? contract : "");
    if (wrong) {
        (void)pk_error_set(err, PK_ERR_BAD_CONTRACT, "no plugin found: host offers '%" PK_FMT "' %" PK_FMT
                           ", which does not serve %s", PK_ARG(name), PK_ARG(wrong->version), version);
    } else {
        (void)pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found: host offers no '%" PK_FMT "'",
                           PK_ARG(name));
    }
    return NULL;
}

/* "/services/audit/log" + "/write", in memory that goes back with the target. A method without a known path is
 * POSTed to one of its name. */
static pk_err pk__host_client_address(const pk__host_client *c, const pk__control_service *s,
                                      const pk_call_desc *desc, pk__target *out, pk_error *err)
{
    pk_str tail, slash = PK_STR("");
    if (!pk__service_split(desc->http, &out->verb, &tail)) {
        out->verb = PK_STR("POST");
        slash = PK_STR("/");
        tail = pk_str_from(desc->method);
    }
    out->path.len = s->path.len + slash.len + tail.len;
    char *text = (char *)pk__resize(c->caller.alloc, NULL, 0, out->path.len + 1);
    if (!text) {
        return pk__error_memory(err, "call the host");
    }
    (void)snprintf(text, out->path.len + 1, "%" PK_FMT "%" PK_FMT "%" PK_FMT, PK_ARG(s->path), PK_ARG(slash),
                   PK_ARG(tail));
    out->path.ptr = text;
    out->instance = text;
    return PK_OK;
}

static pk_err pk__host_client_take(void *user, const pk_call_desc *desc, pk__waiter *w, pk__target *out,
                                   pk_error *err)
{
    pk__host_client *c = (pk__host_client *)user;
    (void)w; // it never has to wait
    memset(out, 0, sizeof(*out));
    const pk__control_service *s =
        pk__host_client_find(c, desc->contract, pk_str_from(desc->type), desc->version, err);
    if (!s) {
        return err->code;
    }
    out->dialect = &c->dialect;
    out->channel = c->channel;
    out->plugin = PK_STR("host");
    out->instance_name = out->plugin;
    out->type = s->type;
    return pk__host_client_address(c, s, desc, out, err);
}

static void pk__host_client_unqueue(void *user, pk__waiter *w)
{
    (void)user, (void)w;
}

static void pk__host_client_give_back(void *user, pk__target *target, const pk__usage *usage)
{
    pk__host_client *c = (pk__host_client *)user;
    (void)usage;
    pk__free(c->caller.alloc, target->instance, target->path.len + 1);
}

static pk_err pk__host_client_bind(void *user, pk_stub *stub, pk_error *err)
{
    pk__host_client *c = (pk__host_client *)user;
    pk_error own;
    err = err ? err : &own;
    return pk__host_client_find(c, stub->contract->name, stub->type, stub->contract->version, err) ? PK_OK : err->code;
}

PK__FN pk_err pk__host_client_init(pk__host_client *c, const pk__settings *settings, const pk_sdk_desc *desc,
                                   const pk_alloc *alloc, pk_loop *loop)
{
    const pk__router router = {pk__host_client_take, pk__host_client_unqueue, pk__host_client_give_back,
                               pk__host_client_bind, c};
    memset(c, 0, sizeof(*c));
    c->settings = settings;
    pk_err rc = pk__caller_init(&c->caller, alloc, loop, &router, desc->interceptors, desc->interceptor_count,
                                &c->error);
    if (rc && pk__caller_init(&c->caller, alloc, loop, &router, NULL, 0, NULL)) {
        return rc; // cannot be: there is nothing to allocate
    }
    c->made = true;
    c->caller.name = settings->instance.ptr;
    c->env.alloc = alloc;
    c->env.caller = settings->instance.ptr;
    c->dialect = pk__http_channel_dialect(PK__CONTROL_PROTOCOL, &c->env, false);
    if (!rc && settings->host.address.len && settings->host.services.count) {
        pk_endpoint endpoint;
        memset(&endpoint, 0, sizeof(endpoint));
        endpoint.address = settings->host.address.ptr;
        endpoint.dialect = PK__CONTROL_PROTOCOL;
        endpoint.token = settings->token;
        rc = c->dialect.open(c->dialect.user, loop, &endpoint, &c->channel, &c->error);
    }
    return rc;
}

PK__FN void pk__host_client_interrupt(pk__host_client *c)
{
    if (c->channel) {
        c->dialect.interrupt(c->channel);
    }
}

PK__FN void pk__host_client_deinit(pk__host_client *c)
{
    if (c->made) {
        pk__caller_cancel_all(&c->caller);
        if (c->channel) {
            c->dialect.close(c->channel);
        }
        pk__caller_deinit(&c->caller);
        memset(c, 0, sizeof(*c));
    }
}
#endif

/* == sdk/endpoints.c == */
/* endpoints.c - the routes that a plugin's server has. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/endpoints.c"
#endif

#ifndef PLUGKIT_NO_NET

#include <string.h>





static bool pk__endpoints_is_reserved(pk_str path)
{
    return pk_str_is(path, "/healthz") || pk_str_is(path, "/readyz") || pk_str_is(path, "/shutdown");
}

/* ---- services */

static pk_err pk__endpoints_serve(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    const pk__endpoint *e = (const pk__endpoint *)user;
    pk_str type = pk_ctx_meta(request->ctx, "PlugKit-Type");
    while (e && type.len && !pk_str_eq(e->type, type)) {
        e = e->next;
    }
    if (!e) {
        return pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found for type '%" PK_FMT "'", PK_ARG(type));
    }
    return pk__service_serve(e->service, e->method, request, response, err);
}

/* Puts `fresh` behind those with the same verb and path. */
static pk_err pk__endpoints_chain(pk__endpoint *first, pk__endpoint *fresh, pk_error *err)
{
    pk__endpoint *last = first;
    for (pk__endpoint *e = first; e; last = e, e = e->next) {
        if (pk_str_eq(e->type, fresh->type)) {
            return pk_error_set(err, PK_ERR_DUPLICATE, "cannot offer '%s' and '%s' with one type, '%s': both answer %s",
                                e->service->contract->name, fresh->service->contract->name, fresh->service->type,
                                fresh->method->http);
        }
        if ((e->method->flags & PK_UPLOAD) != (fresh->method->flags & PK_UPLOAD)) {
            return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s' and '%s' together: only one of them reads "
                                "the body of %s as it arrives",
                                e->service->contract->name, fresh->service->contract->name, fresh->method->http);
        }
    }
    last->next = fresh;
    return PK_OK;
}

static pk_err pk__endpoints_add_method(pk__endpoints *all, pk__endpoint *fresh, pk_error *err)
{
    (void)pk__service_split(fresh->method->http, &fresh->verb, &fresh->path); // pk__service_check has seen it
    if (pk_str_is(fresh->verb, "GET") && pk_str_is(fresh->path, "/healthz")) {
        fresh->next = all->health;
        all->health = fresh;
        return PK_OK;
    }
    if (pk__endpoints_is_reserved(fresh->path)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT,
                            "cannot offer '%s': method '%s' claims %s, which every plugin has",
                            fresh->service->contract->name, fresh->method->name, fresh->method->http);
    }
    for (size_t i = 0; i < all->count; i++) {
        pk__endpoint *e = &all->items[i];
        if (pk_str_eq(e->verb, fresh->verb) && pk_str_eq(e->path, fresh->path)) {
            return pk__endpoints_chain(e, fresh, err); // the first with this path is the head of its chain
        }
    }
    fresh->is_head = true;
    return PK_OK;
}

static pk_err pk__endpoints_add_services(pk__endpoints *all, pk_server *server, const pk_sdk_desc *desc, pk_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < desc->service_count; i++) {
        total += desc->services[i].contract->count;
    }
    all->items = total ? (pk__endpoint *)pk__new(all->alloc, total * sizeof(*all->items)) : NULL;
    if (total && !all->items) {
        return pk__error_memory(err, "offer the services");
    }
    all->cap = total;
    for (size_t i = 0; i < desc->service_count; i++) {
        const pk_service *s = &desc->services[i];
        for (size_t k = 0; k < s->contract->count; k++) {
            pk__endpoint *e = &all->items[all->count];
            e->service = s;
            e->method = &s->contract->methods[k];
            e->type = pk_str_from(s->type);
            pk_err rc = pk__endpoints_add_method(all, e, err);
            if (rc) {
                return rc;
            }
            all->count++;
        }
    }
    for (size_t i = 0; i < all->count; i++) {
        pk_route route = {all->items[i].method->http, all->items[i].method->flags & PK_UPLOAD, pk__endpoints_serve,
                          &all->items[i]};
        pk_err rc = all->items[i].is_head ? pk_server_add(server, &route, err) : PK_OK;
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

/* ---- what every plugin has */

/* Word for word what the framework's plugins answer. */
static void pk__endpoints_refuse_verb(pk_response *response)
{
    static const pk_meta allow = {PK_STR_INIT("Allow"), PK_STR_INIT("GET, HEAD")};
    response->status = 405;
    response->fields = &allow;
    response->field_count = 1;
    response->body.bytes = PK_STR("{\"message\":\"this endpoint may only be called with either HEAD or GET method\","
                                  "\"statusCode\":405}\n");
}

static bool pk__endpoints_is_get(const pk_request *request)
{
    return pk_str_is(request->method, "GET") || pk_str_is(request->method, "HEAD");
}

/* A text of the user's: made safe, and in *mem. */
static bool pk__endpoints_clean(pk_mem *mem, const char *text, size_t cap, pk_str *out)
{
    char clean[800]; // four bytes for one that cannot be shown
    pk_str raw = {text, 0};
    while (raw.len < cap && text[raw.len]) {
        raw.len++;
    }
    pk_str safe = {clean, pk__error_clean(clean, sizeof(clean), raw)};
    *out = pk_mem_dup(mem, safe);
    return out->ptr != NULL;
}

PK__FN pk_err pk__endpoints_describe(pk_mem *mem, const pk_health_report *report, pk__control_health *out,
                                     pk_error *err)
{
    pk_str names;
    memset(out, 0, sizeof(*out));
    out->status = report->health == PK_HEALTH_OK         ? PK_STR("healthy")
                  : report->health == PK_HEALTH_DEGRADED ? PK_STR("degraded")
                                                         : PK_STR("unhealthy");
    bool ok = pk__endpoints_clean(mem, report->reason, sizeof(report->reason), &out->reason) &&
              pk__endpoints_clean(mem, report->unavailable, sizeof(report->unavailable), &names);
    out->has_reason = ok && out->reason.len > 0;
    size_t most = 1;
    for (size_t i = 0; ok && i < names.len; i++) {
        most += names.ptr[i] == ',';
    }
    pk_str *items = ok ? (pk_str *)pk_mem_get(mem, most * sizeof(*items)) : NULL;
    for (pk_str rest = names, name; items && rest.len;) {
        if (!pk_str_cut(rest, ',', &name, &rest)) {
            name = rest;
            rest.len = 0;
        }
        if (name.len) {
            items[out->unavailable.count++] = name;
        }
    }
    out->unavailable.items = items;
    return items ? PK_OK : pk__error_memory(err, "say how it is");
}

static pk_err pk__endpoints_degraded(pk_mem *mem, const pk_health_report *report, pk_response *response, pk_error *err)
{
    pk__service_scratch scratch;
    pk__control_health body;
    pk_buf buf;
    pk_err rc = pk__endpoints_describe(mem, report, &body, err);
    if (rc) {
        return rc;
    }
    pk__service_scratch_init(&scratch, mem->alloc, &buf, 8192);
    rc = pk_json_encode(&buf, &pk_type_pk__control_health, &body, err);
    if (!rc) {
        response->body.bytes = pk_mem_dup(mem, pk_buf_str(&buf));
        rc = response->body.bytes.ptr ? PK_OK : pk__error_memory(err, "answer");
    }
    pk_buf_free(&buf);
    return rc;
}

static pk_err pk__endpoints_ask_services(const pk__endpoints *all, const pk_request *request, pk_response *response,
                                         pk_error *err)
{
    pk_str type = pk_ctx_meta(request->ctx, "PlugKit-Type");
    for (const pk__endpoint *e = all->health; e; e = e->next) {
        if (type.len == 0 || pk_str_eq(type, e->type)) {
            pk_err rc = pk__service_serve(e->service, e->method, request, response, err);
            if (rc) {
                return rc;
            }
        }
    }
    return PK_OK;
}

static pk_err pk__endpoints_healthz(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    const pk__endpoints *all = (const pk__endpoints *)user;
    pk_health_report report = all->report;
    pk__control_health body;
    if (!pk__endpoints_is_get(request)) {
        pk__endpoints_refuse_verb(response);
        return PK_OK;
    }
    if (all->on_health) {
        memset(&report, 0, sizeof(report));
        all->on_health(all->user, &report);
    }
    if (report.health == PK_HEALTH_DEGRADED) {
        return pk__endpoints_degraded(request->ctx->mem, &report, response, err);
    }
    if (report.health != PK_HEALTH_OK) {
        pk_err rc = pk__endpoints_describe(request->ctx->mem, &report, &body, err);
        return rc ? rc : pk_error_set(err, PK_ERR_UNHEALTHY, "%s",
                                      body.has_reason ? body.reason.ptr : pk_err_text(PK_ERR_UNHEALTHY));
    }
    return pk__endpoints_ask_services(all, request, response, err);
}

static pk_err pk__endpoints_readyz(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    const pk__endpoints *all = (const pk__endpoints *)user;
    if (!pk__endpoints_is_get(request)) {
        pk__endpoints_refuse_verb(response);
        return PK_OK;
    }
    return all->is_ready(all->owner) ? PK_OK : pk_error_set(err, PK_ERR_STOPPED, "not ready");
}

static void pk__endpoints_on_shutdown(void *user)
{
    pk__endpoints *all = (pk__endpoints *)user;
    all->on_shutdown(all->owner);
}

/* The answer first: `done` is called when it has been written, and only then the plugin begins to end. */
static pk_err pk__endpoints_shutdown(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    pk__endpoints *all = (pk__endpoints *)user;
    if (!all->any_verb_shuts_down && !pk_str_is(request->method, "POST")) {
        static const pk_meta allow = {PK_STR_INIT("Allow"), PK_STR_INIT("POST")};
        response->fields = &allow;
        response->field_count = 1;
        response->status = 405;
        response->body.bytes = PK_STR("{\"message\":\"this endpoint may only be called with the POST method\","
                                      "\"statusCode\":405}\n");
        return PK_OK;
    }
    (void)err;
    response->done = pk__endpoints_on_shutdown;
    response->user = all;
    return PK_OK;
}

PK__FN pk_err pk__endpoints_add(pk__endpoints *all, pk_server *server, const pk_sdk_desc *desc, pk_error *err)
{
    const pk_route own[] = {
        {"ANY /healthz", PK_INLINE, pk__endpoints_healthz, all},
        {"ANY /readyz", PK_INLINE, pk__endpoints_readyz, all},
        {"ANY /shutdown", PK_INLINE, pk__endpoints_shutdown, all},
    };
    pk_err rc = PK_OK;
    for (size_t i = 0; i < PK__COUNT(own) && !rc; i++) {
        rc = pk_server_add(server, &own[i], err);
    }
    if (!rc) {
        rc = pk__endpoints_add_services(all, server, desc, err);
    }
    for (size_t i = 0; i < desc->route_count && !rc; i++) {
        pk_str verb, path;
        if (desc->routes[i].match && pk_str_cut(pk_str_from(desc->routes[i].match), ' ', &verb, &path) &&
            pk__endpoints_is_reserved(path)) {
            return pk_error_set(err, PK_ERR_DUPLICATE, "cannot add the route '%s': every plugin has it",
                                desc->routes[i].match);
        }
        rc = pk_server_add(server, &desc->routes[i], err);
    }
    return rc;
}

PK__FN void pk__endpoints_deinit(pk__endpoints *all)
{
    pk__free(all->alloc, all->items, all->cap * sizeof(*all->items));
}
#endif

/* == sdk/health.c == */
/* health.c - a plugin that says how it is without being asked.
 *
 * pk_sdk_report may come from any thread, also several times before the loop has taken the first: the last one counts.
 * The loop remembers it for GET /healthz, and writes a line to the host. */
#ifdef PLUGKIT_LINES
#line 4 "src/sdk/health.c"
#endif

#ifndef PLUGKIT_NO_NET

#include <string.h>




static void pk__sdk_on_report(void *user)
{
    pk_sdk *p = (pk_sdk *)user;
    pk__service_scratch scratch;
    pk__control_message m;
    pk_buf buf;
    pk_mem mem;
    pk__mutex_lock(&p->host_lock);
    p->endpoints.report = p->reported;
    pk__mutex_unlock(&p->host_lock);
    if (p->settings.profile != PK__SETTINGS_CONTROL) {
        return; // nobody reads it; who asks is told
    }
    memset(&m, 0, sizeof(m));
    memset(&mem, 0, sizeof(mem));
    mem.alloc = p->alloc;
    m.has_health = true;
    pk__service_scratch_init(&scratch, p->alloc, &buf, PK__CONTROL_LINE_MAX);
    if (pk__endpoints_describe(&mem, &p->endpoints.report, &m.health, NULL) == PK_OK &&
        pk__control_write(&buf, &m, NULL) == PK_OK) {
        (void)pk__lifeline_send(&p->lifeline, pk_buf_str(&buf), NULL);
    }
    pk_buf_free(&buf);
    pk_mem_free(&mem);
}

PK_API void pk_sdk_report(pk_sdk *p, const pk_health_report *report)
{
    pk__mutex_lock(&p->host_lock);
    p->reported = *report;
    pk__mutex_unlock(&p->host_lock);
    p->report.run = pk__sdk_on_report;
    p->report.user = p;
    pk_loop_post(p->loop, &p->report);
}
#endif

/* == sdk/sdk.c == */
/* sdk.c - a plugin process from its first argument to its exit status. */
#ifdef PLUGKIT_LINES
#line 1 "src/sdk/sdk.c"
#endif

#ifndef PLUGKIT_NO_NET

#include <stdio.h>
#include <string.h>
#include <unistd.h>









enum {
    PK__SDK_FIRST_LINE_MS = 10000,
    PK__SDK_DRAIN_MS = 5000,
    PK__SDK_DRAIN_DEAD_MS = 50, // the host is gone: nobody waits for the answers
    PK__SDK_DRAIN_LOOK_MS = 10,
    PK__SDK_OUTPUT_MAX = 16 * 1024 * 1024
};

#define PK__SDK_IDLE_DEFAULT (3600 * PK__SECOND)
#define PK__SDK_IDLE_MAX (INT64_MAX / 4)

static pk__sdk_state pk__sdk_state_of(const pk_sdk *p)
{
    return (pk__sdk_state)pk__atomic_load(&p->state);
}

/* ---- the end */

static void pk__sdk_on_drain(void *user)
{
    pk_sdk *p = (pk_sdk *)user;
    bool idle = p->work.running == 0 && pk_server_is_idle(p->server);
    if (!idle && pk__clock_ns() < p->drain_until &&
        pk_timer_start(p->loop, &p->drain, PK__SDK_DRAIN_LOOK_MS, NULL) == PK_OK) {
        return;
    }
    pk__atomic_store(&p->state, PK__SDK_STOPPED);
    pk_loop_wake(p->loop);
}

static void pk__sdk_begin_end(pk_sdk *p, uint32_t drain_ms)
{
    int64_t until = pk__clock_after_ms(pk__clock_ns(), drain_ms);
    switch (pk__sdk_state_of(p)) {
    case PK__SDK_DRAINING:
        p->drain_until = PK__MIN(p->drain_until, until);
        return;
    case PK__SDK_RUNNING: break;
    default: return;
    }
    pk__atomic_store(&p->state, PK__SDK_DRAINING);
    p->drain_until = until;
    pk__work_stop(&p->work);
    pk__door_shut(&p->door);
    pk__survive_close(&p->survive);
    pk__lifeline_part(&p->lifeline);
    pk_server_drain(p->server);
    p->drain.on_time = pk__sdk_on_drain;
    p->drain.user = p;
    if (pk_timer_start(p->loop, &p->drain, 0, NULL)) {
        pk__sdk_on_drain(p); // no memory for a timer: end now rather than never
    }
}

static void pk__sdk_on_stop(void *user)
{
    pk__sdk_begin_end((pk_sdk *)user, PK__SDK_DRAIN_MS);
}

PK_API void pk_sdk_stop(pk_sdk *p)
{
    pk_loop_post(p->loop, &p->stop);
}

/* From inside the server, which is not to be drained there. */
static void pk__sdk_on_shutdown(void *owner)
{
    pk_sdk_stop((pk_sdk *)owner);
}

static void pk__sdk_on_lifeline(void *user, pk__lifeline_end why)
{
    pk__sdk_begin_end((pk_sdk *)user, why == PK__LIFELINE_DEAD ? PK__SDK_DRAIN_DEAD_MS : PK__SDK_DRAIN_MS);
}

static bool pk__sdk_is_ready(void *owner)
{
    return pk__sdk_state_of((const pk_sdk *)owner) == PK__SDK_RUNNING;
}

static void pk__sdk_on_work(void *user, int change)
{
    pk_sdk *p = (pk_sdk *)user;
    pk__work_change(&p->work, change);
    if (p->work.running == 0 && pk__sdk_state_of(p) == PK__SDK_DRAINING) {
        (void)pk_timer_start(p->loop, &p->drain, 0, NULL); // it runs already: this only brings it forward
    }
}

/* ---- what a process has only once */

#ifndef PLUGKIT_NO_PROCESS
static void pk__sdk_on_signal(void *user, int number)
{
    pk_sdk *p = (pk_sdk *)user;
    if (number == SIGCONT) {
        pk__lifeline_look(&p->lifeline);
    } else {
        pk__sdk_begin_end(p, PK__SDK_DRAIN_MS);
    }
}

static bool pk__sdk_is_handled(int number)
{
    struct sigaction now;
    memset(&now, 0, sizeof(now));
    return PK__SYS(sigaction)(number, NULL, &now) == 0 &&
           ((now.sa_flags & SA_SIGINFO) || (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN));
}

static pk_err pk__sdk_take_signals(pk_sdk *p, pk_error *err)
{
    if (!p->is_main && (pk__sdk_is_handled(SIGINT) || pk__sdk_is_handled(SIGTERM))) {
        return PK_OK; // the program has its own way to end
    }
    pk_err rc = pk__signals_start(&p->signals, p->loop, pk__sdk_on_signal, p, err);
    return rc == PK_ERR_BUSY ? PK_OK : rc; // another SDK of this process has them
}

static void pk__sdk_give_signals(pk_sdk *p)
{
    pk__signals_stop(&p->signals);
}

/* If its host dies while it has a stopped child, the system sends SIGHUP to the group: the guard ends it, and all. */
static void pk__sdk_hush_hangup(void)
{
    pk__signals_hush(SIGHUP);
}
#else
static void pk__sdk_hush_hangup(void)
{
}

static pk_err pk__sdk_take_signals(pk_sdk *p, pk_error *err)
{
    (void)p, (void)err;
    return PK_OK;
}

static void pk__sdk_give_signals(pk_sdk *p)
{
    (void)p;
}
#endif

/* A host that dies while we write to its pipe must not kill us before we have noticed. */
static void pk__sdk_ignore_sigpipe(pk_sdk *p)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof(ignore));
    ignore.sa_handler = SIG_IGN;
    if (PK__SYS(sigaction)(SIGPIPE, NULL, &p->old_pipe) == 0 && !(p->old_pipe.sa_flags & SA_SIGINFO) &&
        p->old_pipe.sa_handler == SIG_DFL) {
        p->has_old_pipe = PK__SYS(sigaction)(SIGPIPE, &ignore, NULL) == 0;
    }
}

/* ---- the start */

static pk_err pk__sdk_check(const pk_sdk_desc *desc, pk_error *err)
{
    if (!pk__service_is_name(pk_str_from(desc->id))) {
        return pk_error_set(err, PK_ERR_BAD_NAME,
                            "cannot be a plugin: '%s' is not an id: letters, digits, '_', '.' and '-', at most %d",
                            desc->id ? desc->id : "", PK__SERVICE_NAME_MAX);
    }
    if (desc->workers < 0 || (desc->service_count && !desc->services) || (desc->route_count && !desc->routes)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start '%s': its description is not complete", desc->id);
    }
    return pk__service_check(desc->services, desc->service_count, err);
}

static pk_err pk__sdk_capabilities(const pk_sdk *p, pk_buf *out, pk_error *err)
{
    const pk_sdk_desc *desc = &p->desc;
    const char *lifeline = p->is_main && pk__lifeline_has_group(&p->lifeline) ? "group" : NULL;
    const pk__service_about about = {desc->services,    desc->service_count, desc->config_types,
                                     desc->id,          desc->version,       desc->description,
                                     desc->author,      desc->license,       lifeline,
                                     PK__SURVIVE_CAN};
    pk_buf_init(out, desc->alloc, PK__SDK_OUTPUT_MAX);
    return pk__service_capabilities(out, &about, err);
}

static pk_err pk__sdk_print_capabilities(const pk_sdk *p, pk_error *err)
{
    const pk__stdout plain = {0};
    pk_buf buf;
    pk_err rc = pk__sdk_capabilities(p, &buf, err);
    if (!rc) {
        rc = pk__stdout_print(&plain, pk_buf_str(&buf), err);
    }
    pk_buf_free(&buf);
    return rc ? rc : pk_error_set(err, PK_ERR_CANCELED, "the capabilities were printed: there is nothing else to do");
}

/* For hosts that did not start it, and cannot run it to ask. */
static pk_err pk__sdk_get_capabilities(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    pk_buf buf;
    pk_err rc = pk__sdk_capabilities((const pk_sdk *)user, &buf, err);
    if (!rc) {
        response->body.bytes = pk_mem_dup(request->ctx->mem, pk_buf_str(&buf));
        rc = response->body.bytes.ptr ? PK_OK : pk__error_memory(err, "answer");
    }
    pk_buf_free(&buf);
    return rc;
}

/* For people: a host with this in its environment uses the plugin where it runs. */
static void pk__sdk_print_reattach(const pk_sdk *p)
{
    pk_buf capabilities, line;
    pk_buf_init(&line, p->alloc, PK__SDK_OUTPUT_MAX);
    (void)pk__sdk_capabilities(p, &capabilities, NULL);
    pk_buf_printf(&line, "PLUGKIT_REATTACH='{\"%s\":{\"address\":\"%s\",\"capabilities\":", p->desc.id,
                  p->door.address);
    for (size_t i = 0; i < capabilities.len; i++) {
        pk_str quote = PK_STR("\\u0027"), plain = {capabilities.ptr + i, 1};
        pk_buf_add(&line, *plain.ptr == '\'' ? quote : plain); // one that the shell does not see
    }
    pk_buf_add(&line, PK_STR("}}'\n"));
    bool quotable = !strpbrk(p->door.address, "'\"\\");
    if (quotable && capabilities.len && !line.failed) {
        (void)pk__fd_write_all(2, pk_buf_str(&line), NULL);
    }
    pk_buf_free(&capabilities);
    pk_buf_free(&line);
}

static pk_err pk__sdk_print_usage(const char *program, const pk_sdk_desc *desc, pk_error *err)
{
    pk_buf buf;
    pk_buf_init(&buf, desc->alloc, PK__SDK_OUTPUT_MAX);
    pk__args_usage(&buf, program && program[0] ? program : desc->id, desc);
    (void)pk__fd_write_all(2, pk_buf_str(&buf), NULL);
    pk_buf_free(&buf);
    return pk_error_set(err, PK_ERR_CANCELED, "the usage was printed: there is nothing else to do");
}

/* Where what we were told comes from. */
static pk_err pk__sdk_read_settings(pk_sdk *p, const char *program, pk_error *err)
{
    pk__settings *s = &p->settings;
    pk_err rc = PK_OK;
    s->mem.alloc = p->alloc;
    s->instance = pk_mem_dup(&s->mem, pk_str_from(p->desc.id));
    if (!s->instance.ptr) {
        return pk__error_memory(err, "start the plugin");
    }
    if (p->args.control_fd >= 0) {
        pk_str line;
        rc = pk__lifeline_first(&p->lifeline, PK__SDK_FIRST_LINE_MS, &line, err);
        return rc ? rc : pk__settings_read_line(s, line, err);
    }
    if (p->args.config) {
        rc = pk__settings_read_config(s, pk_str_from(p->args.config), err);
    } else if (!p->args.listen && p->args.listen_fd < 0) {
        (void)pk__sdk_print_usage(program, &p->desc, NULL);
        return pk_error_set(err, PK_ERR_CONFIG, "missing required flag --config");
    }
    if (!rc && p->args.listen) {
        s->listen = pk_str_from(p->args.listen);
    }
    return rc;
}

static pk_err pk__sdk_open_server(pk_sdk *p, pk_error *err)
{
    pk_server_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.alloc = p->alloc;
    desc.loop = p->loop;
    desc.has_listen_fd = true;
    desc.listen_fd = pk__door_take_fd(&p->door);
    desc.token = p->settings.token;
    desc.tls = p->desc.tls;
    desc.interceptors = p->desc.interceptors;
    desc.interceptor_count = p->desc.interceptor_count;
    desc.workers = p->desc.workers;
    desc.limit.body_bytes = p->desc.body_bytes;
    desc.on_work = pk__sdk_on_work;
    desc.user = p;
    pk_err rc = pk_server_create(&p->server, &desc, err);
    if (rc) {
        return rc;
    }
    p->endpoints.alloc = p->alloc;
    p->endpoints.on_health = p->desc.on_health;
    p->endpoints.user = p->desc.user;
    p->endpoints.any_verb_shuts_down = p->settings.profile == PK__SETTINGS_FRAMEWORK;
    p->endpoints.is_ready = pk__sdk_is_ready;
    p->endpoints.on_shutdown = pk__sdk_on_shutdown;
    p->endpoints.owner = p;
    const pk_route capabilities = {"GET /capabilities", PK_INLINE, pk__sdk_get_capabilities, p};
    rc = pk__endpoints_add(&p->endpoints, p->server, &p->desc, err);
    if (rc || !PK__SURVIVE_CAN) {
        return rc;
    }
    rc = pk_server_add(p->server, &capabilities, err);
    return rc == PK_ERR_DUPLICATE ? PK_OK : rc; // a plugin may have something else there
}

/* Tells where we are, and that requests may come. */
static pk_err pk__sdk_announce(pk_sdk *p, pk_error *err)
{
    if (PK__SURVIVE_CAN && p->settings.profile == PK__SETTINGS_BY_HAND) {
        pk__sdk_print_reattach(p);
    }
    if (p->settings.profile != PK__SETTINGS_CONTROL) {
        return pk__stdout_print(&p->real_stdout, pk_str_from(p->door.address), err);
    }
    pk__service_scratch scratch;
    pk_buf buf;
    pk__service_scratch_init(&scratch, p->alloc, &buf, PK__CONTROL_LINE_MAX);
    pk_err rc = pk__control_write_ready(&buf, pk_str_from(p->door.address), err);
    if (!rc) {
        rc = pk__lifeline_send(&p->lifeline, pk_buf_str(&buf), err);
    }
    pk_buf_free(&buf);
    return rc;
}

static pk_err pk__sdk_call_on_start(pk_sdk *p, pk_error *err)
{
    pk_error why;
    memset(&why, 0, sizeof(why));
    pk_err rc = p->desc.on_start ? p->desc.on_start(p->desc.user, p, &why) : PK_OK;
    p->started = rc == PK_OK;
    if (rc && why.code != rc) { // returned a code, and did not say more
        return pk_error_set(err, rc, "cannot start '%s': %s", p->desc.id, pk_err_text(rc));
    }
    return rc ? pk__error_copy(err, &why) : PK_OK;
}

/* From here on things are watched that can ask for the end. */
static pk_err pk__sdk_run(pk_sdk *p, pk_error *err)
{
    int64_t idle = p->desc.idle_ms ? (int64_t)PK__MIN(p->desc.idle_ms, (uint64_t)(PK__SDK_IDLE_MAX / PK__MS)) * PK__MS
                   : p->settings.idle ? PK__MIN(p->settings.idle, PK__SDK_IDLE_MAX)
                                      : PK__SDK_IDLE_DEFAULT;
    pk__atomic_store(&p->state, PK__SDK_RUNNING);
    pk_err rc = pk__work_start(&p->work, p->loop, idle, pk__sdk_on_stop, p, err);
    if (!rc) {
        rc = pk__sdk_take_signals(p, err);
    }
    if (!rc && p->settings.profile != PK__SETTINGS_BY_HAND) {
        rc = pk__lifeline_watch(&p->lifeline, p->loop, pk__sdk_on_lifeline, p, err);
        if (!rc && p->settings.survive_ms) {
            rc = pk__survive_open(&p->survive, p->loop, &p->settings, &p->lifeline, p->door.address, err);
        }
    }
    return rc ? rc : pk__sdk_announce(p, err);
}

static pk_err pk__sdk_start(pk_sdk *p, const char *program, pk_error *err)
{
    pk_err rc = pk__sdk_check(&p->desc, err);
    if (!rc) {
        rc = pk__sdk_read_settings(p, program, err);
    }
    if (rc) {
        return rc;
    }
    /* Before anything of the user's runs: */
    if (p->settings.profile == PK__SETTINGS_FRAMEWORK) {
        pk__stdout_keep(&p->real_stdout);
    }
    p->lifeline.survive_ms = p->settings.survive_ms;
    if (p->is_main && p->lifeline.fd) {
        pk__sdk_hush_hangup();
        pk__lifeline_guard(&p->lifeline);
    }
    rc = pk__settings_apply(&p->settings, &p->desc, err);
    if (!rc) {
        p->settings.is_secure = p->desc.tls != NULL;
        rc = pk__door_open(&p->door, p->alloc, &p->settings, p->args.listen_fd, err);
        pk__atomic_store_ptr(&p->lifeline.litter, p->door.path);
    }
    if (!rc && !p->loop) {
        rc = pk_loop_create(&p->loop, p->alloc, err);
        p->owns_loop = rc == PK_OK;
    }
    if (!rc) {
        rc = pk__sdk_open_server(p, err);
    }
    if (!rc) {
        rc = pk__sdk_call_on_start(p, err);
    }
    return rc ? rc : pk__sdk_run(p, err);
}

/* Why there will be no plugin: for the host on the control socket, for people on stderr. */
static void pk__sdk_report(pk_sdk *p, const pk_error *why)
{
    pk__service_scratch scratch;
    pk_buf buf;
    pk__service_scratch_init(&scratch, p->alloc, &buf, PK__CONTROL_LINE_MAX);
    if (p->lifeline.fd && pk__control_write_error(&buf, why, NULL) == PK_OK) {
        (void)pk__lifeline_send(&p->lifeline, pk_buf_str(&buf), NULL);
    }
    pk_buf_free(&buf);
    if (p->is_main && (p->settings.profile != PK__SETTINGS_BY_HAND || p->lifeline.fd)) {
        const pk_meta code = {PK_STR_INIT("code"), pk_str_from(pk_err_id(why->code))};
        pk_sdk_log(PK_LOG_ERROR, why->msg, &code, 1);
    } else if (p->is_main) {
        (void)fprintf(stderr, "%s: %s\n", p->desc.id ? p->desc.id : "plugin", why->msg);
    }
}

/* The description may be gone when pk_sdk_create has returned; what its arrays point to is borrowed. */
static bool pk__sdk_copy(pk_sdk *p, const pk_sdk_desc *desc)
{
    size_t services = desc->services ? desc->service_count * sizeof(pk_service) : 0;
    size_t interceptors = desc->interceptors ? desc->interceptor_count * sizeof(void *) : 0;
    pk_service *s = (pk_service *)pk_mem_get(&p->mem, services);
    const pk_interceptor **i = (const pk_interceptor **)pk_mem_get(&p->mem, interceptors);
    if (!s || !i) {
        return false;
    }
    p->desc = *desc;
    if (services) {
        memcpy(s, desc->services, services);
        p->desc.services = s;
    }
    if (interceptors) {
        memcpy(i, desc->interceptors, interceptors);
        p->desc.interceptors = i;
    }
    return true;
}

static pk_sdk *pk__sdk_new(const pk_sdk_desc *desc)
{
    pk_sdk *p = (pk_sdk *)pk__new(desc->alloc, sizeof(*p));
    if (!p) {
        return NULL;
    }
    p->alloc = desc->alloc;
    p->mem.alloc = desc->alloc;
    if (!pk__sdk_copy(p, desc)) {
        pk_mem_free(&p->mem);
        pk__free(desc->alloc, p, sizeof(*p));
        return NULL;
    }
    p->loop = desc->loop;
    p->stop.run = pk__sdk_on_stop;
    p->stop.user = p;
    pk__mutex_init(&p->host_lock);
    return p;
}

/* What pk_sdk_destroy does. True: its host is gone. */
static bool pk__sdk_free(pk_sdk *p)
{
    const pk_alloc *alloc = p->alloc;
    bool forked = p->loop && pk__loop_is_forked(p->loop); // then files, signals and callbacks are the parent's
    if (forked) {
        p->door.path[0] = '\0';
        p->survive.path[0] = '\0';
    }
    pk__atomic_store(&p->state, PK__SDK_STOPPED); // whatever still asks for the end comes too late
    pk__atomic_store(&p->lifeline.noticed, 1); // the guard need not think that the loop is stuck: it is over
    pk__work_stop(&p->work);
    pk__door_shut(&p->door);
    if (p->interrupt_host) {
        p->interrupt_host(&p->host); // a handler that waits for the host may end
    }
    pk_server_destroy(p->server);
    if (p->loop) {
        pk_loop_unpost(p->loop, &p->stop);
        pk_loop_unpost(p->loop, &p->report);
        pk_timer_stop(p->loop, &p->drain);
    }
    pk__endpoints_deinit(&p->endpoints);
    if (p->deinit_host) {
        p->deinit_host(&p->host);
    }
    pk__mutex_deinit(&p->host_lock);
    if (p->started && p->desc.on_close && !forked) {
        p->desc.on_close(p->desc.user);
    }
    pk__survive_close(&p->survive);
    bool is_orphan = pk__lifeline_is_orphan(&p->lifeline);
    if (!p->is_main || !is_orphan) { // SIGHUP, which comes when a group is orphaned, must not end it before its group
        pk__sdk_give_signals(p);
    }
    pk__lifeline_deinit(&p->lifeline);
    pk__stdout_restore(&p->real_stdout);
    if (p->owns_loop) {
        pk_loop_destroy(p->loop);
    }
    pk__door_deinit(&p->door);
    if (p->has_old_pipe) {
        (void)PK__SYS(sigaction)(SIGPIPE, &p->old_pipe, NULL);
    }
    pk_mem_free(&p->settings.mem);
    pk_mem_free(&p->mem);
    pk__free(alloc, p, sizeof(*p));
    return is_orphan;
}

PK__FN pk_err pk__sdk_create(pk_sdk **out, int argc, char *const *argv, const pk_sdk_desc *desc, bool is_main,
                             pk_error *err)
{
    pk_error own;
    err = err ? err : &own;
    *out = NULL;
    pk_sdk *p = pk__sdk_new(desc);
    if (!p) {
        return pk__error_memory(err, "start the plugin");
    }
    p->is_main = is_main;
    pk_err rc = pk__args_parse(&p->args, argc, argv, err);
    if (!rc && p->args.control_fd >= 0) {
        rc = pk__lifeline_open(&p->lifeline, p->alloc, p->args.control_fd, err);
    }
    if (!rc && p->args.capabilities) {
        rc = pk__sdk_check(desc, err);
        rc = rc ? rc : pk__sdk_print_capabilities(p, err);
    } else if (!rc && p->args.help) {
        rc = pk__sdk_print_usage(argv[0], desc, err);
    } else if (!rc) {
        pk__sdk_ignore_sigpipe(p);
        rc = pk__sdk_start(p, argc > 0 ? argv[0] : NULL, err);
    }
    if (rc == PK_ERR_CANCELED && !p->args.capabilities && !p->args.help) { // a callback's: here it means something else
        rc = err->code = PK_ERR_CONFIG;
    }
    if (rc) {
        if (rc != PK_ERR_CANCELED) {
            pk__sdk_report(p, err);
        }
        bool is_orphan = pk__sdk_free(p);
        if (is_main && is_orphan) {
            pk__lifeline_end_group();
        }
        return rc;
    }
    *out = p;
    return PK_OK;
}

/* ---- public */

PK_API pk_err pk_sdk_create(pk_sdk **out, int argc, char **argv, const pk_sdk_desc *desc, pk_error *err)
{
    if (!out || !desc) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start a plugin: there is no description");
    }
    return pk__sdk_create(out, argc, argv, desc, false, err);
}

PK_API bool pk_sdk_is_running(const pk_sdk *p)
{
    return p && pk__sdk_state_of(p) != PK__SDK_STOPPED;
}

PK_API void pk_sdk_destroy(pk_sdk *p)
{
    if (p) {
        (void)pk__sdk_free(p);
    }
}

PK_API pk_loop *pk_sdk_loop(pk_sdk *p)
{
    return p->loop;
}

PK_API pk_server *pk_sdk_server(pk_sdk *p)
{
    return p->server;
}

PK_API const char *pk_sdk_instance(const pk_sdk *p)
{
    return p->settings.instance.ptr;
}

PK_API pk_caller *pk_sdk_host(pk_sdk *p)
{
    pk__mutex_lock(&p->host_lock);
    if (!p->deinit_host) {
        (void)pk__host_client_init(&p->host, &p->settings, &p->desc, p->alloc, p->loop);
        p->interrupt_host = pk__host_client_interrupt;
        p->deinit_host = pk__host_client_deinit;
    }
    pk__mutex_unlock(&p->host_lock);
    return &p->host.caller;
}

/* A handler that does not return on its worker cannot be waited for: the rest is the kernel's to clean up. */
static void pk__sdk_leave_stuck(pk_sdk *p)
{
    char text[96];
    (void)snprintf(text, sizeof(text), "ended while %u requests were still running", (unsigned)p->work.running);
    pk_sdk_log(PK_LOG_WARN, text, NULL, 0);
    pk__door_deinit(&p->door);
    if (pk__lifeline_is_orphan(&p->lifeline)) {
        pk__lifeline_end_group();
    }
    _exit(0);
}

/* What is still to be written out goes to files, as nobody reads our output. Returns if we lead no group. */
static void pk__sdk_leave_orphaned(void)
{
    pk__sigpipe quiet;
    pk__sigpipe_block(&quiet);
    (void)pk__fd_set_nonblock(1, true, NULL);
    (void)pk__fd_set_nonblock(2, true, NULL);
    (void)fflush(NULL);
    pk__lifeline_end_group();
    pk__sigpipe_restore(&quiet);
}

PK_API int pk_sdk_main(int argc, char **argv, const pk_sdk_desc *desc)
{
    pk_sdk *p = NULL;
    pk_error err;
    pk_err rc = desc ? pk__sdk_create(&p, argc, argv, desc, true, &err) : PK_ERR_MISUSE;
    if (rc) {
        return rc == PK_ERR_CANCELED ? 0 : 1;
    }
    while (!rc && pk_sdk_is_running(p)) {
        rc = pk_loop_step(p->loop, -1, &err);
    }
    if (rc) {
        pk_sdk_log(PK_LOG_ERROR, err.msg, NULL, 0);
    } else if (p->work.running && p->desc.workers) {
        pk__sdk_leave_stuck(p);
    }
    if (pk__sdk_free(p)) {
        pk__sdk_leave_orphaned();
    }
    return rc ? 1 : 0;
}
#endif

#ifdef PLUGKIT_LINES
#line 27140 "plugkit_sdk.h"
#endif

#ifndef PLUGKIT_TEST
#undef PK__FN
#undef PK__DATA
#undef PK__COUNT
#undef PK__MIN
#undef PK__MAX
#undef PK__OF
#undef PK__ASSERT
#undef PK__ERROR_ROW
#undef PK__ERROR_NAME
#undef PK__ERROR_ID
#undef PK__ERROR_TEXT
#undef PK__NO_POLL
#undef PK__NO_FD
#undef PK__LINUX
#undef PK__KQUEUE
#undef PK__SYS_LIST_CLOCK
#undef PK__SYS_LIST_FD
#undef PK__SYS_LIST_SOCKET
#undef PK__SYS_LIST_NAME
#undef PK__SYS_LIST_LINUX
#undef PK__SYS_LIST_KQUEUE
#undef PK__SYS_LIST_PROCESS
#undef PK__SYS_LIST_THREAD
#undef PK__SYS_LIST
#undef PK__SYS_BENEATH
#undef PK__SYS_NO_SYMLINKS
#undef PK__SYS_FDS
#undef PK__SYS_TO_GROUP
#undef PK__SYS
#undef PK__SYS_DEFINE
#undef PK__SYS_MEMBER
#undef PK__SYS_COUNTER
#undef PK__SYS_ENTRY
#undef PK__MS
#undef PK__SECOND
#undef PK__CLOCK_TEXT
#undef PK__TOKEN_LEN
#undef PK__LOOP_BATCH
#undef PK__LOOP_READ
#undef PK__LOOP_WRITE
#undef PK__STATUS_UNKNOWN
#undef PK__SPAWN_FDS
#undef PK__SYS_OPENAT2
#undef PK__SYS_CLOSE_RANGE
#undef PK__SYS_PIDFD_OPEN
#undef PK__SYS_PIDFD_SEND_SIGNAL
#undef PK__SYS_MEMFD_CREATE
#undef PK__SYS_EXECVEAT
#undef PK__SYS_NO_SHARING
#undef PK__SYS_NOSIGNAL
#undef PK__SYS_CMSG_CLOEXEC
#undef PK__CLOCK_FINE
#undef PK__CLOCK_COARSE
#undef PK__FORK_PAGE
#undef PK__LOOP_BEST
#undef PK__LOOP_EPOLL_WAKE
#undef PK__LOOP_EPOLL_ALARM
#undef PK__LOOP_EPOLL_SOON_MS
#undef PK__FILE_PATH
#undef PK__FILE_DEPTH
#undef PK__FILE_ENTRIES
#undef PK__LOCK_TRIES
#undef PK__PROCESS_POLL_MS
#undef PK__SWAR_ONES
#undef PK__SWAR_TOPS
#undef PK__HTTP_SCAN_WIDE
#undef PK__CHUNK_EXTRA_MAX
#undef PK__CHUNK_HEAD_MAX
#undef PK__HTTP_HEAD_IS
#undef PK__ADDRESS_PATH_MAX
#undef PK__ADDRESS_TEXT_MAX
#undef PK__SECURE_BUILT
#undef PK__SECURE_ON
#undef PK__SOCKET_BACKLOG
#undef PK__LOOKUP_MAX
#undef PK__LOOKUP_TEXT
#undef PK__HTTP_CLIENT_FIELDS
#undef PK__HTTP_CLIENT_ROOM
#undef PK__HTTP_SERVER_REFUSAL
#undef PK__HTTP_SERVER_PEERS
#undef PK__TLS_PRIVATE
#undef PK__TLS_RNG
#undef PK__TLS_BAD_VERSION
#undef PK__TLS_NO_CIPHER
#undef PK__TLS_BAD_CERT
#undef PK__TLS_HAS_13
#undef PK__TLS_CIPHERS_13
#undef PK__TLS_IS_13
#undef PK__TLS_IS_TICKET
#undef PK__SOCKET_NOSIGNAL
#undef PK__SOCKET_NOSIGPIPE
#undef PK__TYPES_READ
#undef PK__TYPES_READ_SHAPE
#undef PK__TYPES_WRITE
#undef PK__TYPES_WRITE_SHAPE
#undef PK__TYPES_PUT
#undef PK__TYPES_BASIC
#undef PK__ERROR_BODY_MAX
#undef PK__CONTROL_PROTOCOL
#undef PK__CONTROL_START_MAX
#undef PK__CONTROL_LINE_MAX
#undef PK__CONTROL_CONFIG
#undef PK__CONTROL_SERVICE
#undef PK__CONTROL_HOST
#undef PK__CONTROL_SURVIVE
#undef PK__CONTROL_START
#undef PK__CONTROL_HEALTH
#undef PK__CONTROL_MESSAGE
#undef PK__SERVICE_NAME_MAX
#undef PK__SERVICE_TYPE_MAX
#undef PK__SERVICE_SCRATCH
#undef PK__ROUTES_ALLOW_MAX
#undef PK__LOG_LINE_MAX
#undef PK__SURVIVE_CAN
#undef PK__SETTINGS_FILE
#undef PK__SDK_IDLE_DEFAULT
#undef PK__SDK_IDLE_MAX
#endif

#endif // PLUGKIT_SDK_IMPLEMENTATION

/*
 * MIT License
 *
 * Copyright (c) PlugKit authors
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy
 * of this software and associated documentation files (the "Software"), to deal
 * in the Software without restriction, including without limitation the rights
 * to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
 * copies of the Software, and to permit persons to whom the Software is
 * furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in all
 * copies or substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 * IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 * AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 * LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
 * OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
 * SOFTWARE.
 */
