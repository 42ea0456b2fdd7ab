/* capabilities.c - reading what `PLUGIN capabilities` printed. */
#include "capabilities.h"

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"

enum { PK__CAPABILITIES_SERVICES = 1024 };

typedef struct pk__capabilities_read {
    pk__plugin *plugin;
    pk__capabilities *out;
    const pk_json_value *contracts, *methods;
    pk_mem scratch;
    pk_error *err;
} pk__capabilities_read;

static pk_err pk__capabilities_bad(pk__capabilities_read *r, const char *what)
{
    return pk_error_set(r->err, PK_ERR_PROTOCOL, "cannot use the capabilities of '%s': %s", r->plugin->id, what);
}

/* A member of the document, if it has the right type; null counts as absent, as Go writes it for what is empty. */
static pk_err pk__capabilities_member(pk__capabilities_read *r, const pk_json_value *doc, const char *key,
                                      pk_json_type type, const pk_json_value **out)
{
    const pk_json_value *v = pk_json_get(doc, key);
    *out = pk_json_type_of(v) == PK_JSON_NULL ? NULL : v;
    if (!*out || pk_json_type_of(*out) == type) {
        return PK_OK;
    }
    const char *wanted = type == PK_JSON_ARRAY    ? "an array of strings"
                         : type == PK_JSON_OBJECT ? "an object"
                                                  : "a string";
    return pk_error_set(r->err, PK_ERR_PROTOCOL, "cannot use the capabilities of '%s': \"%s\" should be %s",
                        r->plugin->id, key, wanted);
}

/* Names are shown to people, and joined to keys. */
static bool pk__capabilities_is_clean(pk_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* "POST /process": a verb, a blank, a path without another one. */
static bool pk__capabilities_split(pk_str http, pk_str *verb, pk_str *path)
{
    return pk__capabilities_is_clean(http) && pk_str_cut(http, ' ', verb, path) && verb->len > 0 &&
           pk_str_starts(*path, PK_STR("/")) && !memchr(path->ptr, ' ', path->len);
}

/* The methods that a plugin names for one contract: {"process":"POST /process"}. */
static pk_err pk__capabilities_methods(pk__capabilities_read *r, pk__service_entry *s)
{
    const char *contract = s->contract.ptr; // a NUL follows: it was copied by pk_mem_dup
    const pk_json_value *methods = pk_json_get(r->methods, contract);
    size_t count = pk_json_count(methods);
    if (methods && pk_json_type_of(methods) != PK_JSON_OBJECT) {
        return pk__capabilities_bad(r, "\"methods\" should hold an object for each contract");
    }
    if (count == 0) {
        return PK_OK; // it does not say
    }
    pk__method_entry *entries = (pk__method_entry *)pk_mem_zero(&r->plugin->mem, count * sizeof(*entries));
    if (!entries) {
        return pk__error_memory(r->err, "read capabilities");
    }
    size_t n = 0;
    for (const pk_json_value *m = pk_json_first(methods); m; m = pk_json_next(methods, m), n++) {
        pk_str http = pk_mem_dup(&r->plugin->mem, pk_json_str(m));
        entries[n].name = pk_mem_dup(&r->plugin->mem, pk_json_key(m));
        if (!http.ptr || !entries[n].name.ptr) {
            return pk__error_memory(r->err, "read capabilities");
        }
        if (!pk__capabilities_split(http, &entries[n].verb, &entries[n].path)) {
            return pk__capabilities_bad(r, "a method should read \"POST /path\"");
        }
        if (pk_str_is(entries[n].verb, "GET")) {
            entries[n].flags = PK_IDEMPOTENT;
        }
    }
    s->methods = entries;
    s->method_count = n;
    return PK_OK;
}

static pk_err pk__capabilities_service(pk__capabilities_read *r, pk_str contract, pk_str type)
{
    if (contract.len == 0 || type.len == 0) {
        return pk__capabilities_bad(r, "a contract or type has no name");
    }
    if (r->out->count == PK__CAPABILITIES_SERVICES) {
        return pk__capabilities_bad(r, "it offers more than 1024 types");
    }
    if (!pk__capabilities_is_clean(contract) || !pk__capabilities_is_clean(type)) {
        return pk__capabilities_bad(r, "a name holds control characters");
    }
    pk__service_entry *s = &r->out->services[r->out->count];
    for (const pk__service_entry *o = r->out->services; o < s; o++) {
        if (pk_str_eq(o->contract, contract) && pk_str_eq(o->type, type)) {
            return pk_error_set(r->err, PK_ERR_PROTOCOL,
                                "cannot use the capabilities of '%s': it offers '%" PK_FMT "' of contract '%" PK_FMT
                                "' twice", r->plugin->id, PK_ARG(type), PK_ARG(contract));
        }
    }
    s->plugin = r->plugin;
    s->contract = pk_mem_dup(&r->plugin->mem, contract);
    s->type = pk_mem_dup(&r->plugin->mem, type);
    if (!s->contract.ptr || !s->type.ptr) {
        return pk__error_memory(r->err, "read capabilities");
    }
    const pk_json_value *version = pk_json_get(r->contracts, s->contract.ptr);
    if (version && pk_json_type_of(version) != PK_JSON_STRING) {
        return pk__capabilities_bad(r, "the version of a contract should be a string");
    }
    s->version = pk_mem_dup(&r->plugin->mem, pk_json_str(version));
    if (!s->version.ptr) {
        return pk__error_memory(r->err, "read capabilities");
    }
    r->out->count++;
    return pk__capabilities_methods(r, s);
}

/* An array of {"type":..} or of plain strings; OCM's aliases are types as well. */
static pk_err pk__capabilities_types(pk__capabilities_read *r, pk_str contract, const pk_json_value *list)
{
    if (pk_json_type_of(list) != PK_JSON_ARRAY) {
        return pk__capabilities_bad(r, "the types of a contract should be an array");
    }
    for (const pk_json_value *v = pk_json_first(list); v; v = pk_json_next(list, v)) {
        const pk_json_value *name = pk_json_type_of(v) == PK_JSON_OBJECT ? pk_json_get(v, "type") : v;
        if (pk_json_type_of(name) != PK_JSON_STRING) {
            return pk__capabilities_bad(r, "a \"type\" should be a string");
        }
        pk_err rc = pk__capabilities_service(r, contract, pk_json_str(name));
        const pk_json_value *aliases = pk_json_get(v, "aliases");
        for (const pk_json_value *a = pk_json_first(aliases); !rc && a; a = pk_json_next(aliases, a)) {
            rc = pk__capabilities_service(r, contract, pk_json_str(a));
        }
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

static pk_err pk__capabilities_framework(pk__capabilities_read *r, const pk_json_value *types)
{
    if (pk_json_type_of(types) != PK_JSON_OBJECT) {
        return pk__capabilities_bad(r, "\"types\" should be an object");
    }
    for (const pk_json_value *v = pk_json_first(types); v; v = pk_json_next(types, v)) {
        pk_err rc = pk__capabilities_types(r, pk_json_key(v), v);
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

/* OCM names the list after the kind of capability; it is the one whose name begins with "supported". */
static pk_err pk__capabilities_ocm(pk__capabilities_read *r, const pk_json_value *list)
{
    for (const pk_json_value *c = pk_json_first(list); c; c = pk_json_next(list, c)) {
        pk_str contract = pk_json_str(pk_json_get(c, "type"));
        for (const pk_json_value *v = pk_json_first(c); v; v = pk_json_next(c, v)) {
            if (!pk_str_starts(pk_json_key(v), PK_STR("supported"))) {
                continue;
            }
            pk_err rc = pk__capabilities_types(r, contract, v);
            if (rc) {
                return rc;
            }
        }
    }
    return PK_OK;
}

static pk_err pk__capabilities_config(pk__capabilities_read *r, const pk_json_value *list)
{
    size_t count = pk_json_count(list);
    const char **names = (const char **)pk_mem_zero(&r->plugin->mem, (count + 1) * sizeof(*names));
    if (!names) {
        return pk__error_memory(r->err, "read capabilities");
    }
    size_t n = 0;
    for (const pk_json_value *v = pk_json_first(list); v; v = pk_json_next(list, v)) {
        if (pk_json_type_of(v) != PK_JSON_STRING) {
            return pk__capabilities_bad(r, "\"configTypes\" should be an array of strings");
        }
        if (!pk__capabilities_is_clean(pk_json_str(v))) {
            return pk__capabilities_bad(r, "a name holds control characters");
        }
        names[n] = pk_mem_dup(&r->plugin->mem, pk_json_str(v)).ptr;
        if (!names[n++]) {
            return pk__error_memory(r->err, "read capabilities");
        }
    }
    r->out->config_types = names;
    return PK_OK;
}

static size_t pk__capabilities_count(const pk_json_value *doc)
{
    size_t count = 0;
    const pk_json_value *types = pk_json_get(doc, "types");
    for (const pk_json_value *v = pk_json_first(types); v; v = pk_json_next(types, v)) {
        count += pk_json_count(v);
    }
    const pk_json_value *ocm = pk_json_get(doc, "capabilities");
    for (const pk_json_value *c = pk_json_first(ocm); c; c = pk_json_next(ocm, c)) {
        for (const pk_json_value *v = pk_json_first(c); v; v = pk_json_next(c, v)) {
            for (const pk_json_value *t = pk_json_first(v); t; t = pk_json_next(v, t)) {
                count += 1 + pk_json_count(pk_json_get(t, "aliases"));
            }
        }
    }
    return PK__MIN(count, (size_t)PK__CAPABILITIES_SERVICES);
}

static pk_err pk__capabilities_read_doc(pk__capabilities_read *r, const pk_json_value *doc)
{
    const pk_json_value *types = pk_json_get(doc, "types");
    const pk_json_value *ocm = pk_json_get(doc, "capabilities");
    const pk_json_value *config, *ocm_config, *protocols, *lifeline, *version;
    if (pk_json_type_of(doc) != PK_JSON_OBJECT) {
        return pk__capabilities_bad(r, "they should be a JSON object");
    }
    if (!types && !ocm) {
        return pk__capabilities_bad(r, "\"types\" is missing");
    }
    if (pk__capabilities_member(r, doc, "configTypes", PK_JSON_ARRAY, &config) ||
        pk__capabilities_member(r, doc, "supportedConfigTypes", PK_JSON_ARRAY, &ocm_config) ||
        pk__capabilities_member(r, doc, "protocols", PK_JSON_ARRAY, &protocols) ||
        pk__capabilities_member(r, doc, "contracts", PK_JSON_OBJECT, &r->contracts) ||
        pk__capabilities_member(r, doc, "methods", PK_JSON_OBJECT, &r->methods) ||
        pk__capabilities_member(r, doc, "lifeline", PK_JSON_STRING, &lifeline) ||
        pk__capabilities_member(r, doc, "version", PK_JSON_STRING, &version)) {
        return PK_ERR_PROTOCOL;
    }
    size_t count = pk__capabilities_count(doc);
    r->out->services = (pk__service_entry *)pk_mem_zero(&r->plugin->mem, (count + 1) * sizeof(*r->out->services));
    r->out->version = pk_mem_dup(&r->plugin->mem, pk_json_str(version));
    if (!r->out->services || !r->out->version.ptr) {
        return pk__error_memory(r->err, "read capabilities");
    }
    for (const pk_json_value *v = pk_json_first(protocols); v; v = pk_json_next(protocols, v)) {
        r->out->speaks_plugkit = r->out->speaks_plugkit || pk_json_is(v, "plugkit/1");
    }
    if (pk_json_count(protocols) > 0 && !r->out->speaks_plugkit) { // none at all: it speaks as the Go framework does
        return pk__capabilities_bad(r, "none of its \"protocols\" is plugkit/1");
    }
    r->out->can_survive = r->out->speaks_plugkit && pk_json_bool(pk_json_get(doc, "survives"), false);
    r->out->answers_health = r->out->speaks_plugkit && pk_json_bool(pk_json_get(doc, "health"), false);
    r->out->ends_its_group = r->out->speaks_plugkit && lifeline && pk_json_is(lifeline, "group");
    pk_err rc = types ? pk__capabilities_framework(r, types) : PK_OK;
    rc = rc || !ocm ? rc : pk__capabilities_ocm(r, ocm);
    return rc ? rc : pk__capabilities_config(r, config ? config : ocm_config);
}

PK__FN pk_err pk__capabilities_parse(pk__plugin *p, pk_str text, pk__capabilities *out, pk_error *err)
{
    pk__capabilities_read r;
    const pk_json_value *doc;
    memset(out, 0, sizeof(*out));
    memset(&r, 0, sizeof(r));
    r.plugin = p;
    r.out = out;
    r.err = err;
    r.scratch.alloc = p->mem.alloc;
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) {
        text.len--;
    }
    if (text.len == 0) {
        return pk__capabilities_bad(&r, "it printed nothing");
    }
    pk_err rc = pk_json_parse(&r.scratch, text, &doc, err);
    if (rc) {
        pk__error_wrap(err, "cannot use the capabilities of '%s'", p->id);
    } else {
        rc = pk__capabilities_read_doc(&r, doc);
    }
    if (!rc) {
        out->text = pk_mem_dup(&p->mem, text);
        rc = out->text.ptr ? PK_OK : pk__error_memory(err, "read capabilities");
    }
    pk_mem_free(&r.scratch);
    return rc;
}
