/* remote.c - calls to a running host. */
#include "remote.h"

#include <string.h>

#include "body.h"
#include "command.h"

enum { REMOTE_ANSWER = 64 * 1024 * 1024, REMOTE_LONG_MS = 24 * 3600 * 1000 };

static pk_err remote_find(void *user, pk_sink *sink, pk_error *err)
{
    const remote *r = (const remote *)user;
    char address[160];
    (void)snprintf(address, sizeof(address), "http+unix://%s", r->host.socket);
    pk_found host = {.id = "host", .endpoint = {.address = address, .token = r->token}};
    pk_err rc = pk_sink_found(sink, &host, err);
    pk_sink_done(sink);
    return rc;
}

/* The token lies beside the socket. */
static int remote_token(remote *r)
{
    pk_error err = {0};
    size_t len = strlen(r->host.socket);
    const char *slash = strrchr(r->host.socket, '/');
    size_t dir = slash ? (size_t)(slash - r->host.socket) + 1 : 0;
    r->token_path = pk_mem_printf(&r->mem, "%.*scontrol.token", (int)(len < dir ? len : dir), r->host.socket).ptr;
    if (!r->token_path) {
        return session_complain(r->args, EXIT_FAILED, "cannot read the host's token: out of memory");
    }
    if (body_read_file(&r->mem, r->token_path, &r->token, &err)) {
        return session_complain(r->args, EXIT_FAILED, "cannot read the host's token: %s", err.msg);
    }
    while (r->token.len > 0 && strchr(" \r\n", r->token.ptr[r->token.len - 1])) {
        r->token.len--;
    }
    return EXIT_GOOD;
}

int remote_open(remote *r, const args *a)
{
    r->args = a;
    int status = hosts_find(a, &r->mem, &r->host);
    status = status ? status : remote_token(r);
    if (status) {
        return status;
    }
    r->finder.name = "host";
    r->finder.start = remote_find;
    r->finder.user = r;
    r->s.finder = &r->finder;
    return session_open(&r->s, a, NULL);
}

int remote_close(remote *r, int status)
{
    status = session_close(&r->s, status);
    pk_mem_free(&r->mem);
    return status;
}

pk_err remote_explain(remote *r, const pk_reply *reply, pk_error *err)
{
    pk_err code = err->code;
    if (err->status == 401) {
        return pk_error_set(err, PK_ERR_DENIED, "the host does not take the token in '%s': it is not its own",
                            r->token_path);
    }
    if (err->status) { // its own words, and its own code
        pk_mem mem = {0};
        const pk_json_value *doc = NULL;
        pk_str message = {"", 0};
        if (pk_json_parse(&mem, reply->body.bytes, &doc, NULL) == PK_OK) {
            message = pk_json_str(pk_json_get(doc, "message"));
        }
        if (message.len > 0) {
            code = err->status == 404 ? PK_ERR_NOT_FOUND : code;
            (void)pk_error_set(err, code, "%" PK_FMT, PK_ARG(message));
        }
        pk_mem_free(&mem);
        return code;
    }
    if (code == PK_ERR_PLUGIN_TIMEOUT) {
        return pk_error_set(err, code, "the host %lld does not answer: is it stopped, or busy?",
                            (long long)r->host.pid);
    }
    if (!hosts_is_alive(r->host.socket)) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "the host %lld has ended", (long long)r->host.pid);
    }
    if (code == PK_ERR_PLUGIN_CONNECTION) { // a process that is killed closes its descriptors one after the other
        return pk_error_set(err, code, "the host %lld has closed the connection: it ends", (long long)r->host.pid);
    }
    return code;
}

pk_err remote_call(remote *r, const char *http, uint32_t timeout_ms, pk_reply *reply, pk_error *err)
{
    pk_call_desc call = {.plugin = "host", .http = http, .max_reply = REMOTE_ANSWER};
    call.ctx.timeout_ms = timeout_ms ? timeout_ms : REMOTE_LONG_MS;
    return pk_caller_call(pk_manager_caller(r->s.manager), &call, reply, err) ? remote_explain(r, reply, err) : PK_OK;
}
