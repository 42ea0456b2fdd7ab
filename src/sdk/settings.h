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
#ifndef PK__SETTINGS_H
#define PK__SETTINGS_H
#include "../rpc/control.h"

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
#ifdef PLUGKIT_WITH_TLS
    pk_tls *secure;    // CONTROL: what the host is served and called with; NULL = nothing of that kind
    bool has_tls;      // what that is made of
    pk__control_tls tls;
#endif
    pk_ns idle;        // 0 = not told
    pk__control_config *config; // data is JSON text
    size_t config_count;
    pk__control_host host; // address "" = there is none to call
    uint32_t survive_ms;   // how long to go on without a host; 0 = not at all
    pk_str control, proof; // and where to listen for another one, and how it knows us
} pk__settings;

#ifdef PLUGKIT_WITH_TLS
static inline pk_tls *pk__settings_secure(const pk__settings *s)
{
    return s->secure;
}
#else
static inline pk_tls *pk__settings_secure(const pk__settings *s)
{
    (void)s;
    return NULL;
}
#endif

/* Errors of both: PK_ERR_CONFIG, PK_ERR_PROTOCOL, PK_ERR_BAD_NAME, PK_ERR_BAD_ENDPOINT, PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__settings_read_config(pk__settings *s, pk_str json, pk_error *err); // --config
PK__FN pk_err pk__settings_read_line(pk__settings *s, pk_str line, pk_error *err);   // the control socket
/* Hands the configuration to desc->on_config. One of a type that is not declared is an error, as is one with a key
 * that stands twice, and on_config's. */
PK__FN pk_err pk__settings_apply(const pk__settings *s, const pk_sdk_desc *desc, pk_error *err);

#endif
