/* args.h - how a plugin was started: its arguments, and what the environment says.
 *
 *     PLUGIN capabilities                 print what it offers, as JSON
 *     PLUGIN --config JSON                serve as the Go plugin framework does (also --config=JSON and -config)
 *     PLUGIN --listen ADDRESS             serve there, for debugging; --config may say the rest
 *     PLUGKIT_PROTOCOL, _CONTROL_FD       serve by plugkit/1: the rest is told on that socket
 *     PLUGKIT_LISTEN_FD                   a descriptor that listens already; with any of the ways above, or alone
 *
 * Arguments come first: who passes --config means it, whatever the environment was inherited from. */
#ifndef PK__ARGS_H
#define PK__ARGS_H
#include "../base/defs.h"

typedef struct pk__args {
    bool capabilities, help;
    const char *config, *listen;   // NULL = not given
    int control_fd, listen_fd;     // -1 = not given
} pk__args;

/* Errors: PK_ERR_PARSE (an unknown argument, a missing value), PK_ERR_PROTOCOL (the environment). */
PK__FN pk_err pk__args_parse(pk__args *out, int argc, char *const *argv, pk_error *err);
/* A few lines for people who start a plugin by hand. */
PK__FN void pk__args_usage(pk_buf *out, const char *program, const pk_sdk_desc *desc);

#endif
