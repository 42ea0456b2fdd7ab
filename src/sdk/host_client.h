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
#ifndef PK__HOST_CLIENT_H
#define PK__HOST_CLIENT_H
#ifndef PLUGKIT_NO_NET
#include "../rpc/call.h"
#include "../rpc/http_channel.h"
#include "settings.h"

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

#endif
