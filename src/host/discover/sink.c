/* sink.c - the inbox. */
#include "sink.h"

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../net/secure.h"

static bool pk__sink_copy(pk__plugin *p, const pk_found *found)
{
    p->capabilities = pk_mem_dup(&p->mem, found->manifest);
    if (!p->capabilities.ptr || found->path) {
        return p->capabilities.ptr != NULL;
    }
    p->endpoint = found->endpoint;
    p->endpoint.address = pk_mem_dup(&p->mem, pk_str_from(found->endpoint.address)).ptr;
    p->endpoint.dialect = pk_mem_dup(&p->mem, pk_str_from(found->endpoint.dialect ? found->endpoint.dialect
                                                                                    : "plugkit/1")).ptr;
    p->endpoint.token = pk_mem_dup(&p->mem, found->endpoint.token);
    if (PK__SECURE_BUILT && found->endpoint.tls_name) {
        p->endpoint.tls_name = pk_mem_dup(&p->mem, pk_str_from(found->endpoint.tls_name)).ptr;
        if (!p->endpoint.tls_name) {
            return false;
        }
    }
    return p->endpoint.address && p->endpoint.dialect && p->endpoint.token.ptr;
}

#ifdef PLUGKIT_WITH_MANIFESTS
/* One that cannot be used is known by its name all the same: nobody else may have it, and others that need it are told
 * why they do not get it. */
static void pk__sink_take_about(pk__plugin *p, pk__about *about)
{
    if (about) {
        p->about = about;
        about->is_taken = true;
        if (p->why.code == PK_OK) {
            p->why = about->why;
        }
        if (p->why.code == PK_OK) {
            p->version = about->manifest.version;
        }
    }
}
#endif

PK__FN pk_err pk__sink_add(pk__registry *r, const pk_found *found, pk_error *err)
{
    pk__plugin *p = NULL;
    pk_error why;
    memset(&why, 0, sizeof(why));
    if (found->skipped) {
        (void)pk_error_set(&why, PK_ERR_NOT_EXECUTABLE, "%s", found->skipped);
    } else if (!found->path && !found->endpoint.address) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot take '%s': it has neither a path nor an endpoint", found->id);
    } else if (pk__registry_check_name(found->id, &why) == PK_OK) {
        pk__plugin *other = pk__registry_find(r, pk_str_from(found->id));
        if (other && other->path && found->path && strcmp(other->path, found->path) == 0) {
            return PK_OK; // found once more
        }
        if (other && other->is_attached && found->path) {
            return PK_OK; // it is used where it runs
        }
        if (other && other->is_attached) { // here it is again
            other->is_gone = false;
            pk__registry_changed(r);
            other->is_asked = other->is_unknown; // to be asked what it offers, now
            return pk__sink_copy(other, found) ? PK_OK : pk__error_memory(err, "take what was found");
        }
        if (other) {
            (void)pk_error_set(&why, PK_ERR_DUPLICATE, "cannot add plugin '%s': the id is taken by '%s'", found->id,
                               other->path ? other->path : "a plugin that is compiled in");
        }
    }
    char id[100];
    (void)pk__error_clean(id, sizeof(id), pk_str_from(found->id)); // a bad name is shown, but not as it is
    pk_err rc = pk__registry_add(r, id, found->path, &p, err);
    if (rc) {
        return rc;
    }
    p->why = why;
    p->skipped = found->skipped != NULL;
    p->is_attached = !found->path && !p->skipped;
    if (!pk__sink_copy(p, found)) {
        (void)pk__error_memory(&p->why, "take what was found");
    }
    if (p->why.code == PK_OK && !pk__map_put(&r->by_id, pk_str_from(p->id), p)) {
        (void)pk__error_memory(&p->why, "take what was found");
    }
#ifdef PLUGKIT_WITH_MANIFESTS
    pk__sink_take_about(p, found->about);
    r->has_manifests = r->has_manifests || p->about;
#endif
    pk__registry_changed(r);
    return PK_OK;
}

PK_API pk_err pk_sink_found(pk_sink *sink, const pk_found *found, pk_error *err)
{
    pk__registry *r = sink->registry;
    pk__registry_lock(r);
    pk_err rc =
        found->id ? pk__sink_add(r, found, err) : pk_error_set(err, PK_ERR_MISUSE, "cannot take a plugin without id");
    if (!rc) {
        pk_loop_post(r->loop, &r->work);
    }
    pk__registry_unlock(r);
    return rc;
}

PK_API void pk_sink_gone(pk_sink *sink, const char *id)
{
    pk__registry *r = sink->registry;
    pk__registry_lock(r);
    pk__plugin *p = pk__registry_find(r, pk_str_from(id));
    if (p && !p->internal) {
        p->is_gone = true;
        pk__registry_changed(r);
        pk_loop_post(r->loop, &r->work);
    }
    pk__registry_unlock(r);
}

PK_API void pk_sink_done(pk_sink *sink)
{
    pk__registry *r = sink->registry;
    pk__registry_lock(r);
    if (!sink->is_done) {
        sink->is_done = true;
        r->scans--;
        pk__cond_broadcast(&r->changed);
        pk_loop_post(r->loop, &r->work); // it may have waited for all to be there
    }
    pk__registry_unlock(r);
}

PK__FN pk_err pk__sink_start(pk_sink *sink, pk_error *err)
{
    pk__registry_lock(sink->registry);
    sink->registry->scans++;
    pk__registry_unlock(sink->registry);
    sink->is_started = true;
    pk_err rc = sink->finder->start(sink->finder->user, sink, err);
    if (rc) {
        sink->is_started = false;
        pk_sink_done(sink);
    }
    return rc;
}

PK__FN void pk__sink_stop(pk_sink *sink)
{
    if (sink->is_started && sink->finder->stop) {
        sink->finder->stop(sink->finder->user);
    }
    sink->is_started = false;
}
