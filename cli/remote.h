/* remote.h - a running host, asked over its control socket.
 *
 * To the library such a host is one more plugin that somebody else has started: a finder of ours reports its socket and
 * token, and calls go there as calls go. */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H
#include "hosts.h"
#include "session.h"

enum { REMOTE_QUICK_MS = 3000 }; // answers that wait for nothing

typedef struct remote {
    session s;
    const args *args;
    hosts_one host;
    pk_mem mem; // of host, token
    pk_finder finder;
    pk_str token;
    const char *token_path;
} remote;

/* Finds the host and opens the session. Otherwise returns a status and has said why; close it in both cases. */
int remote_open(remote *r, const args *a);
int remote_close(remote *r, int status);
/* One request: "GET /plugins". What the host says in an error is the message. timeout_ms 0 = as long as it takes. */
pk_err remote_call(remote *r, const char *http, uint32_t timeout_ms, pk_reply *reply, pk_error *err);
/* Makes a failure one that people understand: the host has ended, it does not know our token .. */
pk_err remote_explain(remote *r, const pk_reply *reply, pk_error *err);

#endif
