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

#ifdef PLUGKIT_WITH_CREDENTIALS
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

/* Attempt scope; also for GET /healthz, GET /capabilities and POST /shutdown to plugins that somebody else runs. A
 * header of that name among the call's own is left as it is: Authorization in ctx.meta stays the user's. */
PK_API pk_interceptor pk_credentials_show(const pk_credentials *credentials);
/* Serve scope. Who shows nothing of use gets 401 and WWW-Authenticate. If the server asks for a token as well
 * (PlugKit-Token), its own routes (/healthz, /capabilities, /shutdown) are guarded by that alone. */
PK_API pk_interceptor pk_access_check(const pk_access *access);
#endif
