/* config.c - configurations that nobody takes: most often a name that is mistyped. Not an error, for the plugin that
 * wants it may come another day; but who is not told looks in the wrong place. (If a plugin is named with it and does
 * not declare the type, that is an error, when it starts.) */
#include <string.h>

#include "../../base/error.h"
#include "../../wire/json_read.h"
#include "../registry/names.h"
#include "manager.h"

#ifndef PLUGKIT_NO_PROCESS

/* All types that plugins declare; does one of them know this one? */
static bool pk__config_is_declared(const pk__registry *r, const char *type, pk__names *have)
{
    bool declared = false;
    memset(have, 0, sizeof(*have));
    do {
        for (const pk__node *n = r->plugins.next; n != &r->plugins; n = n->next) {
            const pk__plugin *p = PK__OF(n, pk__plugin, node);
            for (size_t i = 0; p->config_types && p->config_types[i]; i++) {
                declared = declared || strcmp(p->config_types[i], type) == 0;
                pk__names_see(have, p->config_types[i]);
            }
        }
    } while (!declared && pk__names_take(have));
    return declared;
}

static pk_err pk__config_check(const pk__registry *r, const pk_plugin_config *c, pk_error *why)
{
    pk__names have;
    if (c->plugin) {
        return pk__registry_find(r, pk_str_from(c->plugin))
                   ? PK_OK
                   : pk_error_set(why, PK_ERR_CONFIG,
                                  "cannot use the configuration of type '%s': there is no plugin '%s'", c->type,
                                  c->plugin);
    }
    if (pk__config_is_declared(r, c->type, &have)) {
        return PK_OK;
    }
    return pk_error_set(why, PK_ERR_CONFIG, "cannot use the configuration of type '%s': no plugin declares %s%s",
                        c->type, have.len ? "it; there is " : "any", have.text);
}

PK__FN void pk__config_warn(pk_manager *m)
{
    for (size_t i = 0; i < m->desc.config_count; i++) {
        pk_error why;
        pk__registry_lock(&m->registry);
        bool is_known = !m->registry.is_closed; // whoever stops it meanwhile has not heard of all plugins
        pk_err rc = is_known ? pk__config_check(&m->registry, &m->desc.config[i], &why) : PK_OK;
        pk__registry_unlock(&m->registry);
        if (rc) {
            const char *plugin = m->desc.config[i].plugin;
            pk__life_log(&m->life, PK_LOG_WARN, "manager.config", plugin ? plugin : "", why.msg);
        }
    }
}

PK__FN pk_err pk__config_check_text(const pk_manager_desc *d, pk_str text, pk_error *err)
{
    return pk__json_check_unique(&d->alloc, text, false, err);
}

#else // nothing is started, so nothing is configured

PK__FN pk_err pk__config_check_text(const pk_manager_desc *d, pk_str text, pk_error *err)
{
    (void)d;
    return pk_json_check(text, err);
}

PK__FN void pk__config_warn(pk_manager *m)
{
    (void)m;
}

#endif
