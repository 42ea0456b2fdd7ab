/* settings.c - what a plugin was told when it was started. */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"
#include "../net/address.h"
#include "../rpc/service.h"
#include "../wire/base64.h"
#include "../wire/http_head.h"
#include "../wire/json_read.h"

#define PK__SETTINGS_FILE(F, T)                                                                               \
    F(T, OPT, pk_str, id, "id")                                                                               \
    F(T, OPT, pk_str, type, "type")                                                                           \
    F(T, OPT, pk_ns, idle, "idleTimeout")                                                                     \
    F(T, LIST, pk_json, config, "configTypes")
PK_STRUCT(pk__settings_file, PK__SETTINGS_FILE)

/* A name for errors in the place of the struct's. */
static pk_err pk__settings_decode(pk_mem *mem, const pk_type *type, const char *name, pk_str json, void *out,
                                  pk_error *err)
{
    pk_type named = *type;
    named.name = name;
    pk_json_options options = {.unique_keys = true};
    pk_err rc = pk__types_decode(mem, &named, json, &options, out, err);
    if (rc && rc != PK_ERR_NO_MEMORY) {
        rc = PK_ERR_CONFIG;
        if (err) {
            err->code = rc;
        }
    }
    return rc;
}

/* Data that came as a string: base64 of JSON, as Go writes bytes; or JSON as text, as the documents show it. Text is
 * hardly ever base64 that decodes to valid JSON, so that is asked first. */
static pk_err pk__settings_read_text(pk_mem *mem, pk_str type, pk_str text, pk_json *out, pk_error *err)
{
    pk_str bytes = {NULL, 0};
    if (text.len == 0) {
        *out = PK_STR("null");
        return PK_OK;
    }
    char *to = (char *)pk_mem_get(mem, text.len);
    if (!to) {
        return pk__error_memory(err, "read the configuration");
    }
    if (pk__base64_decode(text, PK__BASE64_STD, to, &bytes.len)) {
        bytes.ptr = to;
        if (pk_json_check(bytes, NULL) == PK_OK) {
            *out = bytes;
            return PK_OK;
        }
    }
    if (pk_json_check(text, NULL) == PK_OK) {
        *out = text;
        return PK_OK;
    }
    return pk_error_set(err, PK_ERR_CONFIG, "cannot read the config '%" PK_FMT "': its data is neither base64 of JSON "
                        "nor JSON", PK_ARG(type));
}

/* Of an entry that was read, and has no data: does it say so, or is there nothing but its type? */
static bool pk__settings_is_bare(pk_json entry)
{
    pk__json_reader r;
    pk_str key = {NULL, 0};
    size_t count = 0;
    bool more = false;
    pk__json_begin(&r, entry);
    const char *p = pk__json_open(&r, r.begin, &more);
    for (; p && more; count++) {
        p = pk__json_key(&r, p, &key);
        if (!p || pk_str_is(key, "data")) {
            return true;
        }
        p = pk__json_skip(&r, p);
        p = p ? pk__json_more(&r, p, '}', &more) : NULL;
    }
    return count == 1;
}

static pk_err pk__settings_read_one(pk_mem *mem, pk_json json, pk__control_config *out, pk_error *err)
{
    pk_str text;
    pk_err rc = pk__settings_decode(mem, &pk_type_pk__control_config, "an entry of --config's configTypes", json, out,
                                    err);
    if (rc) {
        return rc;
    }
    if (!out->has_data) {
        out->has_data = true;
        out->data = pk__settings_is_bare(json) ? PK_STR("null") : json; // OCM: the entry is the configuration
        return PK_OK;
    }
    if (out->data.ptr[0] != '"') {
        return PK_OK;
    }
    rc = pk_json_decode(mem, &pk_type_pk_str, out->data, &text, err);
    return rc ? rc : pk__settings_read_text(mem, out->type, text, &out->data, err);
}

PK__FN pk_err pk__settings_read_config(pk__settings *s, pk_str json, pk_error *err)
{
    pk__settings_file file;
    s->profile = PK__SETTINGS_FRAMEWORK;
    pk_err rc = pk__settings_decode(&s->mem, &pk_type_pk__settings_file, "--config", json, &file, err);
    if (rc) {
        return rc;
    }
    if (!file.has_id || file.id.len == 0) {
        return pk_error_set(err, PK_ERR_CONFIG, "plugin config has no ID");
    }
    if (!pk__service_is_name(file.id)) { // it becomes part of a path
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot use '%" PK_FMT "' as an id: letters, digits, '_', '.' and "
                            "'-', at most %d", PK_ARG(file.id), PK__SERVICE_NAME_MAX);
    }
    s->tcp = file.has_type && pk_str_is(file.type, "tcp");
    if (file.has_type && file.type.len && !s->tcp && !pk_str_is(file.type, "unix")) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot listen: connection type '%" PK_FMT "' is neither \"unix\" nor "
                            "\"tcp\"", PK_ARG(file.type));
    }
    if (file.has_idle && file.idle < 0) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use an idleTimeout below zero");
    }
    s->instance = pk_mem_dup(&s->mem, file.id);
    s->idle = file.idle;
    s->config_count = file.config.count;
    s->config = (pk__control_config *)pk_mem_zero(&s->mem, file.config.count * sizeof(*s->config));
    if (!s->instance.ptr || !s->config) {
        return pk__error_memory(err, "read the configuration");
    }
    for (size_t i = 0; i < file.config.count && !rc; i++) {
        rc = pk__settings_read_one(&s->mem, file.config.items[i], &s->config[i], err);
    }
    return rc;
}

#ifdef PLUGKIT_WITH_TLS
static void pk__settings_take_tls(pk__settings *s, const pk__control_start *start)
{
    s->has_tls = start->has_tls;
    s->tls = start->tls;
}
#else
static void pk__settings_take_tls(pk__settings *s, const pk__control_start *start)
{
    (void)s, (void)start;
}
#endif

PK__FN pk_err pk__settings_read_line(pk__settings *s, pk_str line, pk_error *err)
{
    pk__control_start start;
    s->profile = PK__SETTINGS_CONTROL;
    pk_err rc = pk__control_read_start(&s->mem, line, &start, err);
    if (rc) {
        return rc;
    }
    if (!pk__service_is_type(start.instance)) { // longer than an id, for it has a number behind it
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot use '%" PK_FMT "' as an instance's name",
                            PK_ARG(start.instance));
    }
    if (start.token.len == 0 || !pk__http_head_is_value(start.token)) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use the host's token: it is empty or holds odd characters");
    }
    pk__address address; // a host that cannot be called is better known now
    if (start.has_host && (rc = pk__address_parse(&address, start.host.address, err)) != PK_OK) {
        return rc;
    }
    if (start.idle < 0) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use an idleTimeout below zero");
    }
    if (!PK__SURVIVE_CAN) {
        start.has_survive = false; // no host asks for it that has read our capabilities
        start.survive.ms = 0;
    }
    if (start.has_survive && (start.survive.ms == 0 || !pk_str_starts(start.survive.control, PK_STR("/")) ||
                              start.survive.control.len > PK__ADDRESS_PATH_MAX)) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot survive the host: it names no time, or no path that fits");
    }
    s->survive_ms = start.survive.ms;
    s->control = start.survive.control;
    s->proof = start.survive.proof;
    pk__settings_take_tls(s, &start);
    s->instance = pk_mem_dup(&s->mem, start.instance);
    s->token = pk_mem_dup(&s->mem, start.token);
    s->listen = start.listen;
    s->idle = start.idle;
    s->config = start.config.items;
    s->config_count = start.config.count;
    for (size_t i = 0; i < s->config_count; i++) {
        if (!s->config[i].has_data) {
            s->config[i].data = PK_STR("null");
        }
    }
    s->host = start.host;
    s->host.address = pk_mem_dup(&s->mem, start.host.address);
    bool good = s->instance.ptr && s->token.ptr && s->host.address.ptr;
    return good ? PK_OK : pk__error_memory(err, "read the host's first line");
}

/* ", "-separated, for people. */
static void pk__settings_list(const char *const *types, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; types && types[i] && len < cap; i++) {
        int more = snprintf(out + len, cap - len, "%s%s", i ? ", " : "", types[i]);
        len += more > 0 ? (size_t)more : 0;
    }
}

/* Decoding looks for keys that stand twice only where a table knows them, and data is JSON that no table knows. To look
 * into it takes 3 KiB of code: small builds rely on hosts, which look before they send it. */
static pk_err pk__settings_check_keys(const pk__settings *s, const pk__control_config *c, const char *id, pk_error *err)
{
    pk_error why;
    pk_err rc = PK__SMALL ? PK_OK : pk__json_check_unique(s->mem.alloc, c->data, true, &why);
    if (!rc || rc == PK_ERR_NO_MEMORY) {
        return rc ? pk__error_copy(err, &why) : PK_OK;
    }
    return pk_error_set(err, PK_ERR_CONFIG, "cannot configure '%s' with '%" PK_FMT "': %s", id, PK_ARG(c->type),
                        why.msg);
}

PK__FN pk_err pk__settings_apply(const pk__settings *s, const pk_sdk_desc *desc, pk_error *err)
{
    for (size_t i = 0; i < s->config_count; i++) {
        const pk__control_config *c = &s->config[i];
        size_t k = 0;
        while (desc->config_types && desc->config_types[k] && !pk_str_is(c->type, desc->config_types[k])) {
            k++;
        }
        if (!desc->config_types || !desc->config_types[k]) {
            char known[128];
            pk__settings_list(desc->config_types, known, sizeof(known));
            return pk_error_set(err, PK_ERR_CONFIG, "cannot configure '%s': it does not understand the config type '%"
                                PK_FMT "' (it declares: %s)", desc->id, PK_ARG(c->type), known[0] ? known : "none");
        }
        pk_error why;
        memset(&why, 0, sizeof(why));
        pk_err rc = pk__settings_check_keys(s, c, desc->id, err);
        if (rc) {
            return rc;
        }
        rc = desc->on_config ? desc->on_config(desc->user, c->type, c->data, &why) : PK_OK;
        if (rc && why.code != rc) { // returned a code, and did not say more
            return pk_error_set(err, rc, "cannot configure '%s' with '%" PK_FMT "': %s", desc->id, PK_ARG(c->type),
                                pk_err_text(rc));
        }
        if (rc) {
            return pk__error_copy(err, &why);
        }
    }
    return PK_OK;
}
