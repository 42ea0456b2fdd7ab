/* target.c - from a name to a service. */
#include "target.h"

#include <string.h>

#include "command.h"
#include "info.h"

const pk_plugin_info *target_plugin(const session *s, const char *id)
{
    for (size_t i = 0; i < s->count; i++) {
        if (pk_str_is(s->plugins[i].id, id)) {
            return &s->plugins[i];
        }
    }
    return NULL;
}

enum { TARGET_LIST = 200 };

/* Adds a word that is not there yet; what does not fit is shown as "...". */
static void target_list(char list[TARGET_LIST], pk_str word)
{
    static const char more[] = ", ...";
    size_t len = strlen(list);
    for (pk_str at, rest = pk_str_from(list); rest.len;) {
        if (!pk_str_cut(rest, ',', &at, &rest)) {
            at = rest;
            rest.len = 0;
        }
        if (pk_str_eq(at, word) || pk_str_is(at, "...")) {
            return;
        }
        if (rest.len) {
            rest.ptr++; // the blank
            rest.len--;
        }
    }
    bool fits = len + 2 + word.len + sizeof(more) <= TARGET_LIST;
    (void)snprintf(list + len, TARGET_LIST - len, "%s%" PK_FMT, len ? ", " : "", PK_ARG(fits ? word : PK_STR("...")));
}

static int target_none(session *s, const char *name, bool or_type)
{
    args_near n = {name, NULL, 0};
    char all[TARGET_LIST] = "";
    const char *what = or_type ? "plugin or type" : "plugin";
    for (size_t i = 0; i < s->count; i++) {
        const pk_plugin_info *p = &s->plugins[i];
        if (!info_is_skipped(p)) {
            args_near_try(&n, p->id.ptr); // a NUL follows: it was copied by pk_manager_list
            if (!or_type) {
                target_list(all, p->id);
            }
        }
        for (size_t k = 0; or_type && k < p->service_count; k++) {
            args_near_try(&n, p->services[k].type.ptr);
            target_list(all, p->services[k].type);
        }
    }
    if (n.best) {
        return session_complain(s->args, EXIT_NOTHING, "there is no %s '%s' in '%s': did you mean '%s'?", what, name,
                                s->directory, n.best);
    }
    return session_complain(s->args, EXIT_NOTHING, "there is no %s '%s' in '%s'%s%s", what, name, s->directory,
                            all[0] ? ": there is " : "", all);
}

int target_missing(session *s, const char *name)
{
    const char *path = strstr(name, " /");
    if (path && path > name) {
        return session_complain(s->args, EXIT_USAGE, "which plugin or type is to be asked '%s'? name it before", name);
    }
    return target_none(s, name, true);
}

int target_no_plugin(session *s, const char *id)
{
    return target_none(s, id, false);
}

typedef struct target_search {
    const char *contract, *method; // NULL = any
    const pk_plugin_info *plugin;  // the first that fits
    const pk_service_info *service;
    size_t count, without_method, other_contract;
    char all[TARGET_LIST];         // that fit, for the message
    char instead[TARGET_LIST];     // methods or contracts that there are
} target_search;

/* Does the plugin say that this contract has the method? One that lists no methods is believed to have all. */
static bool target_has_method(target_search *t, const pk_plugin_info *p, pk_str contract)
{
    pk_mem mem = {0};
    const pk_json_value *doc = NULL;
    bool has = true;
    if (t->method && p->capabilities.len && pk_json_parse(&mem, p->capabilities, &doc, NULL) == PK_OK) {
        const pk_json_value *methods = pk_json_get(pk_json_get(doc, "methods"), contract.ptr);
        has = !methods || pk_json_get(methods, t->method);
        const pk_json_value *m = has || t->without_method ? NULL : pk_json_first(methods);
        for (; m; m = pk_json_next(methods, m)) {
            target_list(t->instead, pk_json_key(m));
        }
    }
    pk_mem_free(&mem);
    return has;
}

static void target_try(target_search *t, const pk_plugin_info *p, const pk_service_info *service, bool show_type)
{
    if (t->contract && !pk_str_is(service->contract, t->contract)) {
        t->other_contract++;
        target_list(t->instead, service->contract);
        return;
    }
    if (!target_has_method(t, p, service->contract)) {
        t->without_method++;
        return;
    }
    target_list(t->all, show_type ? service->type : service->contract);
    if (t->count++ == 0) {
        t->plugin = p;
        t->service = service;
    }
}

static int target_take(session *s, const target_search *t, const char *name, bool by_type, target *out)
{
    if (t->count > 1 && t->method) {
        return session_complain(s->args, EXIT_USAGE,
                                by_type ? "'%s' can do '%s' by several contracts, say which with --contract: %s"
                                        : "plugin '%s' can do '%s' as several types, name one of them instead: %s",
                                name, t->method, t->all);
    }
    out->plugin = t->plugin;
    if (t->count == 1) {
        out->contract = t->service->contract.ptr;
        out->type = t->service->type.ptr;
    }
    return EXIT_GOOD;
}

int target_find(session *s, const char *name, const char *contract, const char *method, target *out)
{
    target_search types = {contract, method, NULL, NULL, 0, 0, 0, "", ""}, plugin = types;
    const pk_plugin_info *named = target_plugin(s, name);
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < s->count; i++) {
        const pk_plugin_info *p = &s->plugins[i];
        for (size_t k = 0; k < p->service_count; k++) {
            if (pk_str_is(p->services[k].type, name)) {
                target_try(&types, p, &p->services[k], false);
            }
            if (p == named) {
                target_try(&plugin, p, &p->services[k], true);
            }
        }
    }
    if (types.count > 0 || plugin.count > 0) {
        return types.count > 0 ? target_take(s, &types, name, true, out) : target_take(s, &plugin, name, false, out);
    }
    const target_search *near = types.without_method + types.other_contract > 0 ? &types : &plugin;
    if (near->without_method > 0) {
        return session_complain(s->args, EXIT_NOTHING, "'%s' has no method '%s': there is %s", name, method,
                                near->instead);
    }
    if (near->other_contract > 0) {
        return session_complain(s->args, EXIT_NOTHING, "'%s' does not offer the contract '%s': there is %s", name,
                                contract, near->instead);
    }
    if (named && !info_is_good(named)) {
        return session_complain(s->args, EXIT_FAILED, "cannot call '%s': %s", name, named->why.msg);
    }
    if (named) { // it names no services: its word is all there is
        out->plugin = named;
        return EXIT_GOOD;
    }
    return target_missing(s, name);
}

int target_ask_method(session *s, const char *name, const char *contract)
{
    target t;
    pk_mem mem = {0};
    const pk_json_value *doc = NULL;
    char all[TARGET_LIST] = "";
    int status = target_find(s, name, contract, NULL, &t);
    if (status) {
        return status;
    }
    if (t.plugin->capabilities.len && pk_json_parse(&mem, t.plugin->capabilities, &doc, NULL) == PK_OK) {
        const pk_json_value *contracts = pk_json_get(doc, "methods");
        for (const pk_json_value *c = pk_json_first(contracts); c; c = pk_json_next(contracts, c)) {
            bool asked = !t.contract || pk_str_is(pk_json_key(c), t.contract);
            for (const pk_json_value *m = asked ? pk_json_first(c) : NULL; m; m = pk_json_next(c, m)) {
                target_list(all, pk_json_key(m));
            }
        }
    }
    pk_mem_free(&mem);
    return session_complain(s->args, EXIT_USAGE, "which method of '%s'? %s%s", name,
                            all[0] ? "there is " : "it does not say what it has: see its contract", all);
}
