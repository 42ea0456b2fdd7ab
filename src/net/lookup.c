/* lookup.c - host names. */
#include "lookup.h"
#ifdef PLUGKIT_WITH_ATTACH
#include "../base/error.h"
#include "../base/memory.h"
#include "../os/thread.h"

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
