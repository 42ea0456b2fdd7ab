/* control.h - the lines on the control socket of plugkit/1, for both sides.
 *
 * A line is one JSON object and a newline. The host begins:
 *
 *     {"config":[{"type":"t","data":{..}}],"instance":"shout-1","token":"<64 hex digits>",
 *      "listen":"http+unix:///run/plugkit-0/x/shout-1.sock","idleTimeout":3600000000000,
 *      "host":{"address":"http+unix:///run/plugkit-0/x/host.sock",
 *              "services":[{"contract":"audit","type":"log","version":"1.0.0","path":"/services/audit/log"}]},
 *      "survive":{"ms":300000,"control":"/run/plugkit-0/keep-x/shout-1.control","proof":"<64 hex digits>"},
 *      "tls":{"authority":"<base64 of DER>","certificate":"..","key":"..","host":"plugkit://8f3a05c1d2e4b6a7/host"}}
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
 * With "tls" a plugin serves nothing but TLS, shows that certificate, and lets in nobody but the host; {"tls":{..}}
 * comes again, alone or in the line that adopts it, when the next one is to take its place.
 *
 * Lines are built and read by struct tables: keys come out in the order above, without blanks, so that a shell can
 * take them apart; unknown keys are ignored, so that both sides can learn new words on their own.
 *
 * Reading: bytes are fed as they come, lines are taken as long as there are any. A line that is longer than the
 * limit ends the conversation: whoever sends such a thing does not follow the protocol, and there is no way to tell
 * where the next line begins that would not let data pose as one. */
#ifndef PK__CONTROL_H
#define PK__CONTROL_H
#include "../base/defs.h"

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

/* Who the plugin is, and whom it may believe, if its host wants TLS: in the first line, and again whenever there is a
 * next certificate. A build without TLS does not know the key. */
#ifdef PLUGKIT_WITH_TLS
#define PK__CONTROL_TLS(F, T)                                                                                 \
    F(T, REQ, pk_b64, authority, "authority") /* the only one whose certificates are good; DER */             \
    F(T, REQ, pk_b64, certificate, "certificate")                                                             \
    F(T, REQ, pk_b64, key, "key")                                                                             \
    F(T, REQ, pk_str, host, "host") /* the URI that the host's certificate has */
PK_STRUCT(pk__control_tls, PK__CONTROL_TLS)
#define PK__CONTROL_HAS_TLS true
#define PK__CONTROL_TLS_KEY(F, T) F(T, OPT, pk__control_tls, tls, "tls")
#else
#define PK__CONTROL_HAS_TLS false
#define PK__CONTROL_TLS_KEY(F, T)
#endif

/* The host's first line. */
#define PK__CONTROL_START(F, T)                                                                               \
    F(T, LIST, pk__control_config, config, "config")                                                          \
    F(T, REQ, pk_str, instance, "instance")                                                                   \
    F(T, REQ, pk_str, token, "token")                                                                         \
    F(T, OPT, pk_str, listen, "listen")                                                                       \
    F(T, OPT, pk_ns, idle, "idleTimeout")                                                                     \
    F(T, OPT, pk__control_host, host, "host")                                                                 \
    F(T, OPT, pk__control_survive, survive, "survive")                                                        \
    PK__CONTROL_TLS_KEY(F, T)
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
    PK__CONTROL_TLS_KEY(F, T)                                                                                 \
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

#endif
