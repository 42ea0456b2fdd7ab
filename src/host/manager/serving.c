/* serving.c - pk_manager_serve: the door is opened on the loop's thread, whoever asks for it. */
#include "manager.h"
#ifdef PLUGKIT_WITH_ADMIN
#include <string.h>

#include "../../base/error.h"
#include "../../os/loop.h"

typedef struct pk__serving {
    pk_manager *manager;
    pk_task task;
    pk__admin *admin;
    pk_err rc;
    pk_error err;
    bool is_done; // under the registry's lock
} pk__serving;

static void pk__serving_open(void *user)
{
    pk__serving *s = (pk__serving *)user;
    pk_manager *m = s->manager;
    s->rc = pk__admin_open(&s->admin, m, m->registry.alloc, &s->err);
    pk__registry_lock(&m->registry);
    s->is_done = true;
    pk__cond_broadcast(&m->registry.changed);
    pk__registry_unlock(&m->registry);
}

static bool pk__serving_is_done(pk_manager *m, void *arg)
{
    (void)m;
    return ((const pk__serving *)arg)->is_done;
}

static pk_err pk__serving_run(pk__serving *s)
{
    pk_manager *m = s->manager;
    if (pk__loop_is_mine(m->loop)) {
        pk__serving_open(s);
        return s->rc;
    }
    s->task.run = pk__serving_open;
    s->task.user = s;
    pk__manager_enter(m);
    pk_loop_post(m->loop, &s->task);
    pk__manager_wait(m, pk__serving_is_done, s);
    pk__manager_leave(m);
    return s->rc;
}

PK_API pk_err pk_manager_serve(pk_manager *m, pk_error *err)
{
    pk__serving s;
    pk_err rc = pk__manager_usable(m, "open the control socket", err);
    if (rc) {
        return rc;
    }
    pk__registry_lock(&m->registry);
    bool is_closed = m->registry.is_closed;
    pk__registry_unlock(&m->registry);
    if (m->admin || is_closed) {
        return pk_error_set(err, m->admin ? PK_ERR_MISUSE : PK_ERR_STOPPED, "cannot open the control socket: %s",
                            m->admin ? "it is open already" : "the manager is stopping");
    }
    memset(&s, 0, sizeof(s));
    s.manager = m;
    rc = pk__serving_run(&s);
    if (rc) {
        return pk__error_copy(err, &s.err);
    }
    m->admin = s.admin;
    m->close_admin = pk__admin_close;
    return PK_OK;
}

#endif
