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
#ifndef PK__SDK_H
#define PK__SDK_H
#ifndef PLUGKIT_NO_NET
#include "../os/atomic.h"
#include "../os/signal.h"
#include "args.h"
#include "config_schema.h"
#include "door.h"
#include "endpoints.h"
#include "host_client.h"
#include "lifeline.h"
#include "secure.h"
#include "stdout.h"
#include "survive.h"
#include "work.h"

typedef enum pk__sdk_state { PK__SDK_STARTING, PK__SDK_RUNNING, PK__SDK_DRAINING, PK__SDK_STOPPED } pk__sdk_state;

struct pk_sdk {
    const pk_alloc *alloc;
    pk_sdk_desc desc;      // its arrays of services and interceptors are copies, in mem
    pk_mem mem;
    bool is_main;          // the process is ours
    bool started;          // on_start has succeeded: on_close is due
    pk__args args;
    pk__settings settings;
#ifdef PLUGKIT_WITH_TLS
    pk__sdk_secure secure;
#endif
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
#ifdef PLUGKIT_WITH_DLOPEN
    const pk_object_host *inside; // it runs in its host's process: object.h; NULL = it does not
#endif
};

PK__FN pk_err pk__sdk_create(pk_sdk **out, int argc, char *const *argv, const pk_sdk_desc *desc, bool is_main,
                             pk_error *err);
/* Its parts that object.c needs, too. */
PK__FN pk_err pk__sdk_check(const pk_sdk_desc *desc, pk_error *err);
PK__FN pk_sdk *pk__sdk_new(const pk_sdk_desc *desc); // NULL: out of memory
PK__FN pk_err pk__sdk_call_on_start(pk_sdk *p, pk_error *err);
#endif
#endif
