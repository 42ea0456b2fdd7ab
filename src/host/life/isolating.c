/* isolating.c - what holds of a plugin's limits. */
#include "isolating.h"
#ifdef PLUGKIT_WITH_ISOLATE

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../launch/isolate.h"

PK__FN void pk__isolating_prepare(pk_launch *l)
{
    static const pk_limit_report before = {"limits", PK_LIMIT_BEST_EFFORT,
                                           "those that the host gave it which started it"};
    l->info.isolate = pk__life_rule(l->life, l->plugin)->isolate;
    l->info.runtime_dir = l->life->runtime_dir;
    if (l->info.isolate && l->kept) {
        l->info.isolate = NULL;
        pk_launch_isolated(l, &before, 1);
    }
}

/* One record for all that is missing. */
static void pk__isolating_log(pk_launch *l, const pk_limit_report *limits, size_t count)
{
    pk_buf text;
    pk_buf_init(&text, l->life->alloc, 4096);
    for (size_t i = 0; i < count; i++) {
        if (limits[i].state == PK_LIMIT_UNAVAILABLE) {
            (void)pk_buf_printf(&text, "%s%s: %s", text.len ? "; " : "it runs without limits of ", limits[i].name,
                                limits[i].why);
        }
    }
    (void)pk_buf_add_char(&text, '\0');
    if (text.len > 1) {
        pk__life_log(l->life, PK_LOG_WARN, "plugin.isolate", l->plugin->id,
                     text.failed ? "it runs without some of its limits" : text.ptr);
    }
    pk_buf_free(&text);
}

PK_API void pk_launch_isolated(pk_launch *l, const pk_limit_report *limits, size_t count)
{
    pk__instance *i = l->instance;
    if (!i) { // a probe: what it runs under is nobody's business for long
        l->is_isolated = true;
        return;
    }
    pk__registry_lock(l->life->registry);
    i->limits = pk__isolate_copy_reports(&i->mem, limits, count);
    i->limit_count = i->limits ? count : 0;
    l->is_isolated = i->limits != NULL;
    pk__registry_unlock(l->life->registry);
    pk__isolating_log(l, limits, count);
}

PK__FN void pk__isolating_check(pk_launch *l)
{
    if (l->info.isolate && !l->is_isolated && l->failure.code == PK_OK) {
        (void)pk_error_set(&l->failure, PK_ERR_UNSUPPORTED, "cannot start '%s': its launcher '%s' does not say that "
                           "its limits hold", l->plugin->id, l->launcher->name);
    }
}
#endif
