/* surviving.c - plugins that go on when their host ends. */
#include "surviving.h"
#ifdef PK__KEEP

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../net/address.h"
#include "../../os/loop.h"
#include "../../os/random.h"
#include "../launch/adopt_launcher.h"

/* ---- those that the last host left */

static void pk__surviving_tell(pk__life *life, const pk__plugin *p, const pk_error *why)
{
    pk__life_event(life, "plugin.lost", 0, p, "", "", why);
}

static void pk__surviving_on_bad(void *user, const pk_error *why)
{
    pk__surviving_tell((pk__life *)user, NULL, why);
}

PK__FN void pk__surviving_read(pk__life *life)
{
    if (life->keep && !life->keep->is_read) {
        pk__keep_read(life->keep, pk__surviving_on_bad, life);
    }
}

PK__FN uint32_t pk__surviving_serial(const pk__life *life, const char *id)
{
    return life->keep ? pk__keep_serial(life->keep, id) : 0;
}

PK__FN void pk__surviving_free(pk__kept *kept)
{
    pk__keep_free(kept);
}

/* Asked to end, and forgotten. */
static void pk__surviving_dismiss(pk__life *life, const pk__plugin *p, pk__kept *kept, const char *reason)
{
    pk_error why;
    (void)pk_error_set(&why, PK_ERR_PLUGIN_DISABLED, "cannot adopt '%" PK_FMT "': %s", PK_ARG(kept->record.id),
                       reason);
    pk__adopt_dismiss(kept->control, kept->record.token, life->alloc);
    pk__keep_forget(kept->stem);
    pk__keep_free(kept);
    pk__surviving_tell(life, p, &why);
}

PK__FN bool pk__surviving_adopt(pk__keeper *k)
{
    pk__life *life = k->life;
    pk_error why;
    pk__kept *kept = life->keep ? pk__keep_take(life->keep, k->plugin->id) : NULL;
    if (!kept) {
        return false;
    }
    if (!pk__life_rule(life, k->plugin)->survive) {
        pk__surviving_dismiss(life, k->plugin, kept, "it is not to survive its host any more");
        return false;
    }
    if (!pk_str_is(kept->record.path, k->plugin->path ? k->plugin->path : "")) {
        pk__surviving_dismiss(life, k->plugin, kept, "its file lies somewhere else now");
        return false;
    }
    if (!pk__keeper_move(k, PK__PLUGIN_ON_WANT, NULL)) {
        pk__surviving_dismiss(life, k->plugin, kept, "it runs already");
        return false;
    }
    k->is_stop_asked = false;
    k->kept = kept;
    if (pk__launching_begin(k, false, &why)) {
        pk__keeper_explain(k, "adopt", &why);
        pk__keep_free(k->kept); // if there was no memory for a launch that could have taken it
        k->kept = NULL;
        pk__surviving_lost(k, &why);
    }
    return true;
}

PK__FN void pk__surviving_sweep(pk__life *life)
{
    pk__kept *kept = NULL;
    while (life->keep && life->keep->is_read && (kept = pk__keep_take_any(life->keep)) != NULL) {
        pk__registry_lock(life->registry);
        const pk__plugin *p = pk__registry_find(life->registry, kept->record.id);
        bool disabled = p && p->is_disabled;
        bool usable = p && !p->skipped && !p->internal && p->state != PK__PLUGIN_REJECTED;
        pk__registry_unlock(life->registry);
        pk__surviving_dismiss(life, p, kept, disabled ? "it is disabled"
                                             : usable ? "another one runs in its place"
                                                      : "there is no such plugin any more");
    }
}

PK__FN void pk__surviving_lost(pk__keeper *k, const pk_error *why)
{
    pk__surviving_tell(k->life, k->plugin, why);
    (void)pk__keeper_move(k, PK__PLUGIN_ON_EXITED, NULL); // who waits for it wishes for a new one
    pk_loop_post(k->life->loop, &k->life->registry->work);
}

/* ---- those that are started to survive */

PK__FN pk_err pk__surviving_prepare(pk_launch *l, pk_error *err)
{
    pk__life *life = l->life;
    if (l->kept) {
        l->stem = l->kept->stem;
        return PK_OK;
    }
    if (!l->instance || !life->keep || !pk__life_rule(life, l->plugin)->survive) {
        return PK_OK;
    }
    if (l->is_framework || !l->plugin->can_survive) {
        pk__life_log(life, PK_LOG_WARN, "plugin.survive", l->plugin->id,
                     "it cannot survive its host: its capabilities do not say \"survives\":true");
        return PK_OK;
    }
    l->stem = pk_mem_printf(&l->mem, "%s/%s", life->runtime_dir, l->instance->name).ptr;
    if (l->stem && strlen(l->stem) + sizeof(".control") - 1 > PK__ADDRESS_PATH_MAX) {
        l->stem = pk_mem_printf(&l->mem, "%s/%.8s-%08lx", life->runtime_dir, l->plugin->id,
                                (unsigned long)(pk__random_u64() & 0xffffffffu)).ptr;
    }
    char proof[65];
    pk_err rc = pk__random_token(proof, err);
    l->proof = rc ? NULL : pk_mem_dup(&l->mem, pk_str_from(proof)).ptr;
    if (!l->stem || !l->proof) {
        return rc ? rc : pk__error_memory(err, "let a plugin survive");
    }
    if (strlen(l->stem) + sizeof(".control") - 1 > PK__ADDRESS_PATH_MAX) {
        return pk_error_set(err, PK_ERR_BAD_ENDPOINT,
                            "cannot start '%s': the path of its control socket would have %lu bytes, and %d is the "
                            "most that fits: choose a shorter runtime_dir", l->plugin->id,
                            (unsigned long)(strlen(l->stem) + sizeof(".control") - 1), PK__ADDRESS_PATH_MAX);
    }
    return PK_OK;
}

static pk_err pk__surviving_write(const pk_launch *l, pk_error *err)
{
    const pk__instance *i = l->instance;
    pk__keep_record record;
    memset(&record, 0, sizeof(record));
    record.id = pk_str_from(l->plugin->id);
    record.instance = pk_str_from(i->name);
    record.path = pk_str_from(l->plugin->path);
    record.token = pk_str_from(i->token);
    record.proof = pk_str_from(l->proof);
    record.has_address = i->address != NULL;
    record.address = pk_str_from(i->address);
    record.has_pid = i->pid > 0;
    record.pid = i->pid;
    return pk__keep_write(l->life->keep, l->stem, &record, err);
}

PK__FN pk_err pk__surviving_record(const pk_launch *l, pk_error *err)
{
    return l->stem && !l->kept ? pk__surviving_write(l, err) : PK_OK;
}

PK__FN void pk__surviving_up(pk_launch *l)
{
    if (l->kept) {
        pk__life_event(l->life, "plugin.adopted", 0, l->plugin, "", "", NULL);
    } else if (l->stem) {
        (void)pk__surviving_write(l, NULL); // address and pid, for people: it does without
    }
}

PK__FN void pk__surviving_clean_up(const pk_launch *l)
{
    if (!l->stem) {
        return;
    }
    if (l->kept && !l->was_up) {
        pk__keep_forget(l->stem); // its sockets may be in use
    } else {
        pk__keep_remove(l->stem);
    }
}
#endif
