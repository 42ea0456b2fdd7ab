/* desc.c - pk_manager_desc: what is allowed, and what zero means. */
#include <stdlib.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "manager.h"

static pk_err pk__desc_check_rules(const pk_manager_desc *d, pk_error *err)
{
    for (size_t i = 0; i < d->rule_count; i++) {
        const pk_plugin_rule *rule = &d->rules[i];
        if (rule->stop_ms == 1) {
            return pk_error_set(err, PK_ERR_MISUSE,
                                "cannot use the rule for '%s': stop_ms is too short to stop anything",
                                rule->plugin ? rule->plugin : "");
        }
        if (!rule->plugin && rule->needs && rule->needs[0]) {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot use the rule for all plugins: '%s' would need itself",
                                rule->needs[0]);
        }
        if (rule->survive && !d->survive_as) {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot use the rule for '%s': to survive needs survive_as",
                                rule->plugin ? rule->plugin : "");
        }
        pk_err rc = pk__isolate_check(rule, d->tcp, err);
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

#ifdef PLUGKIT_WITH_DLOPEN
static pk_err pk__desc_check_objects(const pk_manager_desc *d, pk_error *err)
{
    for (size_t i = 0; i < d->compiled_in_count; i++) {
        pk_err rc = pk__registry_check_name(d->compiled_in[i].id, err);
        rc = rc || d->compiled_in[i].object ? rc : pk_error_set(err, PK_ERR_MISUSE, "cannot create a manager: '%s' is "
                                                               "compiled in without an object", d->compiled_in[i].id);
        if (rc) {
            return rc;
        }
    }
    if (d->object_runner && d->object_runner[0] != '/') {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot create a manager: the path of object_runner, '%s', is not "
                            "absolute", d->object_runner);
    }
    return PK_OK;
}
#endif

PK__FN pk_err pk__desc_check(const pk_manager_desc *d, pk_error *err)
{
#ifdef PLUGKIT_NO_THREADS
    if (!d->loop) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot create a manager: without threads it needs a loop of yours");
    }
#endif
#ifdef PLUGKIT_NO_FILES
    if (d->plugin_dir) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot scan '%s': this build knows no files", d->plugin_dir);
    }
    if (d->attach_dir || d->reattach) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot attach plugins: this build knows no files");
    }
#elif !defined(PLUGKIT_WITH_ATTACH)
    const char *reattach = d->reattach ? d->reattach : getenv("PLUGKIT_REATTACH");
    if (d->attach_dir || (reattach && reattach[0])) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot attach plugins: that needs PLUGKIT_WITH_ATTACH");
    }
#endif
#ifdef PLUGKIT_WITH_DLOPEN
    pk_err bad = pk__desc_check_objects(d, err);
    if (bad) {
        return bad;
    }
#endif
#ifndef PLUGKIT_WITH_TLS
    if (d->mtls) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot create a manager: mutual TLS needs PLUGKIT_WITH_TLS");
    }
#endif
    if (d->deadline.stop_ms == 1) {
        return pk_error_set(err, PK_ERR_MISUSE,
                            "cannot create a manager: deadline.stop_ms is too short to stop anything");
    }
    for (size_t i = 0; i < d->interceptor_count; i++) {
        if (d->interceptors[i]->scope == PK_SCOPE_SERVE) {
            return pk_error_set(err, PK_ERR_MISUSE, "cannot use interceptor '%s': a manager serves nobody",
                                d->interceptors[i]->name);
        }
    }
    pk_err rc = pk__desc_check_rules(d, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < d->config_count; i++) {
        pk_error why;
        pk_str data = d->config[i].data;
        if (!d->config[i].type || (data.len && pk__config_check_text(d, data, &why))) {
            return pk_error_set(err, PK_ERR_CONFIG, "cannot use the configuration of type '%s': %s",
                                d->config[i].type ? d->config[i].type : "",
                                d->config[i].type ? why.msg : "it has no name");
        }
    }
    return PK_OK;
}

static void pk__desc_default(uint32_t *value, uint32_t otherwise)
{
    *value = *value ? *value : otherwise;
}

static void pk__desc_defaults(pk_manager_desc *d)
{
    pk__desc_default(&d->deadline.start_ms, 10000);
    pk__desc_default(&d->deadline.call_ms, 30000);
    pk__desc_default(&d->deadline.stop_ms, 5000);
    pk__desc_default(&d->restart.max, 5);
    pk__desc_default(&d->restart.window_ms, 10000);
    pk__desc_default(&d->restart.delay_ms, 100);
    pk__desc_default(&d->restart.delay_max_ms, 30000);
    pk__desc_default(&d->health.interval_ms, 10000);
    pk__desc_default(&d->health.misses, 3);
    pk__desc_default(&d->survive_ms, 300000);
    d->idle_ms = d->idle_ms ? d->idle_ms : 3600000;
}

static const char *pk__desc_text(pk_manager *m, const char *text, bool *ok)
{
    if (!text) {
        return NULL;
    }
    const char *copy = pk_mem_dup(&m->mem, pk_str_from(text)).ptr;
    *ok = *ok && copy;
    return copy;
}

/* Copies an array of pointers; what they point to stays the user's. `extra` places are left free at the end. */
static void *pk__desc_array(pk_manager *m, const void *from, size_t count, size_t size, size_t extra, bool *ok)
{
    char *copy = (char *)pk_mem_zero(&m->mem, (count + extra + 1) * size);
    if (copy && count) {
        memcpy(copy, from, count * size);
    }
    *ok = *ok && copy;
    return copy;
}

/* A NULL-terminated array of texts. */
static const char *const *pk__desc_texts(pk_manager *m, const char *const *from, bool *ok)
{
    size_t count = 0;
    while (from && from[count]) {
        count++;
    }
    const char **copy = (const char **)pk__desc_array(m, from, count, sizeof(*copy), 0, ok);
    for (size_t i = 0; *ok && i < count; i++) {
        copy[i] = pk__desc_text(m, copy[i], ok);
    }
    return copy;
}

static void pk__desc_copy_rules(pk_manager *m, bool *ok)
{
    pk_plugin_rule *rules =
        (pk_plugin_rule *)pk__desc_array(m, m->desc.rules, m->desc.rule_count, sizeof(*rules), 0, ok);
    for (size_t i = 0; *ok && i < m->desc.rule_count; i++) {
        rules[i].plugin = pk__desc_text(m, rules[i].plugin, ok);
        rules[i].needs = rules[i].needs ? pk__desc_texts(m, rules[i].needs, ok) : NULL;
        *ok = *ok && pk__isolate_copy(&m->mem, &rules[i]);
    }
    m->desc.rules = rules;
}

static void pk__desc_copy_config(pk_manager *m, bool *ok)
{
    pk_plugin_config *config =
        (pk_plugin_config *)pk__desc_array(m, m->desc.config, m->desc.config_count, sizeof(*config), 0, ok);
    for (size_t i = 0; *ok && i < m->desc.config_count; i++) {
        config[i].plugin = pk__desc_text(m, config[i].plugin, ok);
        config[i].type = pk__desc_text(m, config[i].type, ok);
        config[i].data = pk_mem_dup(&m->mem, config[i].data.len ? config[i].data : PK_STR("null"));
        *ok = *ok && config[i].data.ptr;
    }
    m->desc.config = config;
}

#ifndef PLUGKIT_NO_PROCESS
/* Is everything that this rule's plugin needs known to be startable? */
static bool pk__desc_is_grounded(const pk_manager_desc *d, const pk_plugin_rule *rule, const bool *grounded)
{
    for (size_t i = 0; rule->needs && rule->needs[i]; i++) {
        for (size_t k = 0; k < d->rule_count; k++) {
            if (d->rules[k].plugin && !grounded[k] && strcmp(d->rules[k].plugin, rule->needs[i]) == 0) {
                return false;
            }
        }
    }
    return true;
}

/* Nothing may need itself. Rules are crossed out as long as one needs nothing that still stands: a circle remains. */
static pk_err pk__desc_check_needs(pk_manager *m, pk_error *err)
{
    const pk_manager_desc *d = &m->desc;
    bool *grounded = (bool *)pk_mem_zero(&m->mem, (d->rule_count + 1) * sizeof(*grounded));
    if (!grounded) {
        return pk__error_memory(err, "create a manager");
    }
    size_t left = d->rule_count;
    for (bool found = true; found && left;) {
        found = false;
        for (size_t i = 0; i < d->rule_count; i++) {
            if (!grounded[i] && pk__desc_is_grounded(d, &d->rules[i], grounded)) {
                grounded[i] = found = true;
                left--;
            }
        }
    }
    for (size_t i = 0; i < d->rule_count; i++) {
        if (!grounded[i]) {
            return pk_error_set(err, PK_ERR_CONFIG, "cannot use the rule for '%s': it needs itself through others",
                                d->rules[i].plugin ? d->rules[i].plugin : "");
        }
    }
    return PK_OK;
}
#else
static pk_err pk__desc_check_needs(pk_manager *m, pk_error *err)
{
    for (size_t i = 0; i < m->desc.rule_count; i++) {
        if (m->desc.rules[i].needs) {
            return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot use the rules: this build starts no processes");
        }
    }
    return PK_OK;
}
#endif

PK__FN pk_err pk__desc_resolve(pk_manager *m, const pk_manager_desc *desc, pk_error *err)
{
    bool ok = true;
    pk_manager_desc *d = &m->desc;
    *d = *desc;
    pk__desc_defaults(d);
    d->plugin_dir = pk__desc_text(m, d->plugin_dir, &ok);
    d->runtime_dir = pk__desc_text(m, d->runtime_dir, &ok);
    d->survive_as = pk__desc_text(m, d->survive_as, &ok);
    d->attach_dir = pk__desc_text(m, d->attach_dir, &ok);
    d->reattach = pk__desc_text(m, d->reattach, &ok);
    d->env = pk__desc_texts(m, d->env, &ok);
#ifdef PLUGKIT_WITH_DLOPEN
    d->object_runner = pk__desc_text(m, d->object_runner, &ok);
    d->compiled_in = (const pk_compiled *)pk__desc_array(m, d->compiled_in, d->compiled_in_count,
                                                         sizeof(*d->compiled_in), 0, &ok);
#endif
    pk__desc_copy_rules(m, &ok);
    pk__desc_copy_config(m, &ok);
    d->finders = (const pk_finder *const *)pk__desc_array(m, d->finders, d->finder_count, sizeof(*d->finders), 4, &ok);
    d->launchers = (const pk_launcher *const *)pk__desc_array(m, d->launchers, d->launcher_count,
                                                              sizeof(*d->launchers), 2, &ok);
    d->transports = (const pk_transport *const *)pk__desc_array(m, d->transports, d->transport_count,
                                                                sizeof(*d->transports), 0, &ok);
    d->dialects = (const pk_dialect *const *)pk__desc_array(m, d->dialects, d->dialect_count, sizeof(*d->dialects), 4,
                                                            &ok);
    d->interceptors = (const pk_interceptor *const *)pk__desc_array(m, d->interceptors, d->interceptor_count,
                                                                    sizeof(*d->interceptors), 1, &ok);
    d->offers = (const pk_service *)pk__desc_array(m, d->offers, d->offer_count, sizeof(*d->offers), 0, &ok);
    return ok ? pk__desc_check_needs(m, err) : pk__error_memory(err, "create a manager");
}
