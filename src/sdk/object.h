/* object.h - the plugin's side in its host's process: the functions of its descriptor (rpc/object.h), and what is
 * different in those of the SDK there. */
#ifndef PK__SDK_OBJECT_H
#define PK__SDK_OBJECT_H
#include "../rpc/object.h"
#include "sdk.h"
#ifdef PLUGKIT_WITH_DLOPEN

/* Of a descriptor; `desc` is a pk_sdk_desc. */
PK__FN int pk__sdk_object_main(const void *desc, int argc, char **argv);
PK__FN bool pk__sdk_object_is_serial(const void *desc); // its handlers want to run one at a time
PK__FN pk_err pk__sdk_object_describe(const void *desc, pk_buf *out, pk_error *err);
PK__FN pk_err pk__sdk_object_start(const void *desc, const pk_object_host *host, pk_str told, void **state,
                                   pk_error *err);
PK__FN pk_err pk__sdk_object_serve(void *state, const pk_request *request, pk_response *response, pk_error *err);
PK__FN void pk__sdk_object_stop(void *state);

/* False: this is a process of its own. */
PK__FN bool pk__sdk_inside_stops(pk_sdk *p);
PK__FN bool pk__sdk_inside_says(const pk_sdk *p, pk_str line);
PK__FN void pk__sdk_inside_no_host(pk_sdk *p); // makes its calls to the host fail with a reason, if they cannot work

#elif !defined(PLUGKIT_NO_NET)

static inline bool pk__sdk_inside_stops(pk_sdk *p)
{
    (void)p;
    return false;
}

static inline bool pk__sdk_inside_says(const pk_sdk *p, pk_str line)
{
    (void)p, (void)line;
    return false;
}

static inline void pk__sdk_inside_no_host(pk_sdk *p)
{
    (void)p;
}
#endif
#endif
