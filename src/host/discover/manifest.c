/* manifest.c - one record from manifest.json and plugin.json. */
#include "manifest.h"
#ifdef PLUGKIT_WITH_MANIFESTS
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../rpc/service.h"
#include "../../rpc/types.h"
#include "../../wire/json_read.h"
#include "../../wire/semver.h"

/* ---- what stands in the files, under the names of all three */

#define PK__MANIFEST_SOURCE(F, T)                                                                             \
    F(T, OPT, pk_str, type, "type")                                                                           \
    F(T, OPT, pk_str, path, "path")                                                                           \
    F(T, OPT, pk_str, hash, "hash")
PK_STRUCT(pk__manifest_source, PK__MANIFEST_SOURCE)

#define PK__MANIFEST_LIMITS(F, T)                                                                             \
    F(T, OPT, double, memory, "memory")                                                                       \
    F(T, OPT, double, cpu, "cpu")                                                                             \
    F(T, OPT, double, disk, "disk")                                                                           \
    F(T, OPT, double, network, "network")                                                                     \
    F(T, OPT, double, max_memory_mb, "max_memory_mb")                                                         \
    F(T, OPT, double, max_cpu_percent, "max_cpu_percent")                                                     \
    F(T, OPT, uint64_t, max_connections, "max_connections")                                                   \
    F(T, OPT, uint64_t, max_requests, "max_requests")                                                         \
    F(T, OPT, uint64_t, max_file_descriptors, "max_file_descriptors")                                         \
    F(T, OPT, pk_ns, max_execution_time, "max_execution_time")                                                \
    F(T, OPT, double, maxMemoryMB, "maxMemoryMB")                                                             \
    F(T, OPT, double, maxCpuPercent, "maxCpuPercent")                                                         \
    F(T, OPT, uint64_t, maxGoroutines, "maxGoroutines")                                                       \
    F(T, OPT, uint64_t, maxFileHandles, "maxFileHandles")                                                     \
    F(T, OPT, uint32_t, maxExecutionMs, "maxExecutionMs")
PK_STRUCT(pk__manifest_limits, PK__MANIFEST_LIMITS)

#define PK__MANIFEST_REQUIREMENTS(F, T)                                                                       \
    F(T, OPT, pk_json, required_plugins, "required_plugins")                                                  \
    F(T, OPT, pk_json, optional_plugins, "optional_plugins")                                                  \
    F(T, LIST, pk_str, environment_vars, "environment_vars")
PK_STRUCT(pk__manifest_requirements, PK__MANIFEST_REQUIREMENTS)

#define PK__MANIFEST_FILE(F, T)                                                                               \
    F(T, OPT, pk_str, id, "id")                                                                               \
    F(T, OPT, pk_str, name, "name")                                                                           \
    F(T, OPT, pk_str, version, "version")                                                                     \
    F(T, OPT, pk_str, type, "type")                                                                           \
    F(T, OPT, pk_str, description, "description")                                                             \
    F(T, OPT, pk_str, author, "author")                                                                       \
    F(T, OPT, pk_str, license, "license")                                                                     \
    F(T, OPT, pk_str, homepage, "homepage")                                                                   \
    F(T, OPT, pk_str, repository, "repository")                                                               \
    F(T, OPT, pk_str, category, "category")                                                                   \
    F(T, LIST, pk_str, tags, "tags")                                                                          \
    F(T, LIST, pk_str, capabilities, "capabilities")                                                          \
    F(T, LIST, pk_str, permissions, "permissions")                                                            \
    F(T, OPT, pk_json, dependencies, "dependencies")                                                          \
    F(T, OPT, pk_json, optional, "optionalDependencies")                                                      \
    F(T, OPT, pk__manifest_requirements, requirements, "requirements")                                        \
    F(T, OPT, pk_str, entry, "entryPoint")                                                                    \
    F(T, OPT, pk_str, executable, "executable")                                                               \
    F(T, OPT, pk__manifest_source, source, "source")                                                          \
    F(T, OPT, pk_str, transport, "transport")                                                                 \
    F(T, OPT, pk_str, endpoint, "endpoint")                                                                   \
    F(T, OPT, pk_str, isolation, "isolation")                                                                 \
    F(T, OPT, pk_json, config, "config")                                                                      \
    F(T, OPT, pk__manifest_limits, resources, "resources")                                                    \
    F(T, OPT, pk_json, env, "env")                                                                            \
    F(T, MAP, pk_str, labels, "labels")
PK_STRUCT(pk__manifest_file, PK__MANIFEST_FILE)

/* Under the name that errors say. */
static const pk_type pk__manifest_type = {"manifest", PK_TYPE_STRUCT, PK__SIZE(pk__manifest_file),
                                          PK__COUNT(pk__fields_pk__manifest_file), false,
                                          pk__fields_pk__manifest_file, NULL, &pk_codec_struct};

typedef struct pk__manifest_reader {
    pk_mem *mem;
    pk__manifest_file file;
    pk_manifest *out;
    size_t room; // dependencies that fit
    pk_error *err;
} pk__manifest_reader;

static pk_err pk__manifest_missing(const pk__manifest_reader *r, const char *field)
{
    bool id = strcmp(field, "id") == 0; // as DataBridge's loader and its validator say it
    return pk_error_set(r->err, PK_ERR_CONFIG, "%smissing required field: %s", id ? "manifest " : "", field);
}

/* A text of the user's in a message. */
static const char *pk__manifest_shown(char out[64], pk_str text)
{
    (void)pk__error_clean(out, 64, text);
    return out;
}

static pk_err pk__manifest_invalid(const pk__manifest_reader *r, const char *what, pk_str value)
{
    char shown[64];
    return pk_error_set(r->err, PK_ERR_CONFIG, "invalid %s: %s", what, pk__manifest_shown(shown, value));
}

/* Is it one of those words, separated by blanks? */
static bool pk__manifest_is_one_of(pk_str value, const char *words)
{
    pk_str rest = pk_str_from(words), word;
    while (pk_str_cut(rest, ' ', &word, &rest)) {
        if (pk_str_eq(word, value)) {
            return true;
        }
    }
    return pk_str_eq(rest, value);
}

/* ---- dependencies */

static pk_err pk__manifest_need(pk__manifest_reader *r, pk_str id, pk_str range, bool optional)
{
    char shown[64];
    pk_manifest *m = r->out;
    if (!pk__service_is_name(id)) {
        return pk_error_set(r->err, PK_ERR_CONFIG, "dependency at index %d: '%s' is no plugin's name",
                            (int)m->dependencies.count, pk__manifest_shown(shown, id));
    }
    if (!pk__semver_is_range(range)) {
        return pk_error_set(r->err, PK_ERR_CONFIG, "dependency '%" PK_FMT "': '%s' is no range of versions", PK_ARG(id),
                            pk__manifest_shown(shown, range));
    }
    for (size_t i = 0; i < m->dependencies.count; i++) {
        if (pk_str_eq(m->dependencies.items[i].id, id)) {
            return pk_error_set(r->err, PK_ERR_CONFIG, "dependency '%" PK_FMT "' stands there twice", PK_ARG(id));
        }
    }
    if (m->dependencies.count == PK__MANIFEST_NEEDS) {
        return pk_error_set(r->err, PK_ERR_LIMIT, "it has more than %d dependencies", (int)PK__MANIFEST_NEEDS);
    }
    if (m->dependencies.count == r->room) {
        size_t room = r->room ? r->room * 2 : 8;
        pk_dependency *items = (pk_dependency *)pk_mem_zero(r->mem, room * sizeof(*items));
        if (!items) {
            return pk__error_memory(r->err, "read a manifest");
        }
        if (r->room) {
            memcpy(items, m->dependencies.items, r->room * sizeof(*items));
        }
        m->dependencies.items = items;
        r->room = room;
    }
    pk_dependency *d = &m->dependencies.items[m->dependencies.count++];
    d->id = id;
    d->range = pk_str_is(range, "*") ? PK_STR("") : range;
    d->optional = optional;
    return PK_OK;
}

/* "id", or "id@range". */
static pk_err pk__manifest_need_text(pk__manifest_reader *r, pk_str text, bool optional)
{
    pk_str id = text, range = PK_STR("");
    (void)pk_str_cut(text, '@', &id, &range);
    return pk__manifest_need(r, id, range, optional);
}

/* {"name":"db","version":"^1.0.0","optional":true} */
static pk_err pk__manifest_need_object(pk__manifest_reader *r, const pk_json_value *v, int index, bool optional)
{
    const pk_json_value *id = pk_json_get(v, "name"), *range = pk_json_get(v, "version");
    const pk_json_value *may = pk_json_get(v, "optional");
    pk_json_type range_type = pk_json_type_of(range), may_type = pk_json_type_of(may);
    id = id ? id : pk_json_get(v, "id");
    if (pk_json_type_of(id) != PK_JSON_STRING) {
        return pk_error_set(r->err, PK_ERR_CONFIG, "dependency at index %d has no name", index);
    }
    if (range_type != PK_JSON_NONE && range_type != PK_JSON_NULL && range_type != PK_JSON_STRING) {
        return pk_error_set(r->err, PK_ERR_CONFIG, "dependency at index %d: its version must be a string", index);
    }
    if (may_type != PK_JSON_NONE && may_type != PK_JSON_NULL && may_type != PK_JSON_BOOL) {
        return pk_error_set(r->err, PK_ERR_CONFIG, "dependency at index %d: optional must be true or false", index);
    }
    return pk__manifest_need(r, pk_json_str(id), pk_json_str(range), optional || pk_json_bool(may, false));
}

/* A list of texts or (not DataBridge's) objects, or {"db":"^1.0.0"}. */
static pk_err pk__manifest_needs(pk__manifest_reader *r, pk_json text, const char *key, bool optional)
{
    const pk_json_value *all = NULL;
    int index = 0;
    if (text.len == 0) {
        return PK_OK;
    }
    pk_err rc = pk_json_parse(r->mem, text, &all, r->err);
    bool is_list = pk_json_type_of(all) == PK_JSON_ARRAY;
    if (!rc && !is_list && (pk_json_type_of(all) != PK_JSON_OBJECT || r->out->form == PK_MANIFEST_DATABRIDGE)) {
        rc = pk_error_set(r->err, PK_ERR_CONFIG, "%s must be a list", key);
    }
    for (const pk_json_value *v = pk_json_first(all); !rc && v; v = pk_json_next(all, v), index++) {
        pk_json_type type = pk_json_type_of(v);
        if (type == PK_JSON_STRING) {
            rc = is_list ? pk__manifest_need_text(r, pk_json_str(v), optional)
                         : pk__manifest_need(r, pk_json_key(v), pk_json_str(v), optional);
        } else if (type == PK_JSON_OBJECT && is_list && r->out->form != PK_MANIFEST_DATABRIDGE) {
            rc = pk__manifest_need_object(r, v, index, optional);
        } else {
            rc = pk_error_set(r->err, PK_ERR_CONFIG, "dependency at index %d must be a string", index);
        }
    }
    return rc;
}

static pk_err pk__manifest_all_needs(pk__manifest_reader *r)
{
    const pk__manifest_file *f = &r->file;
    pk_err rc = pk__manifest_needs(r, f->dependencies, "dependencies", false);
    rc = rc ? rc : pk__manifest_needs(r, f->requirements.required_plugins, "required_plugins", false);
    rc = rc ? rc : pk__manifest_needs(r, f->optional, "optionalDependencies", true);
    return rc ? rc : pk__manifest_needs(r, f->requirements.optional_plugins, "optional_plugins", true);
}

/* ---- the rest */

static pk_err pk__manifest_config(pk__manifest_reader *r)
{
    const pk_json_value *config = NULL;
    pk_manifest *m = r->out;
    m->config = PK_STR("null");
    if (r->file.config.len == 0) {
        return PK_OK;
    }
    pk_err rc = pk_json_parse(r->mem, r->file.config, &config, r->err);
    if (!rc && pk_json_type_of(config) != PK_JSON_OBJECT) {
        return pk_error_set(r->err, PK_ERR_CONFIG, "config must be an object");
    }
    bool texts = m->form == PK_MANIFEST_DATABRIDGE;
    for (const pk_json_value *v = pk_json_first(config); !rc && v; v = pk_json_next(config, v)) {
        char shown[64];
        if (texts && pk_json_type_of(v) != PK_JSON_STRING) {
            rc = pk_error_set(r->err, PK_ERR_CONFIG, "config '%s' must be a string",
                              pk__manifest_shown(shown, pk_json_key(v)));
        }
    }
    m->config = r->file.config;
    return rc;
}

/* ["NAME=value", ..], or {"NAME":"value"}. */
static pk_err pk__manifest_env(pk__manifest_reader *r)
{
    const pk_json_value *all = NULL;
    pk_manifest *m = r->out;
    m->env_names.items = r->file.requirements.environment_vars.items;
    m->env_names.count = r->file.requirements.environment_vars.count;
    if (r->file.env.len == 0) {
        return PK_OK;
    }
    pk_err rc = pk_json_parse(r->mem, r->file.env, &all, r->err);
    size_t count = pk_json_count(all);
    bool is_list = pk_json_type_of(all) == PK_JSON_ARRAY;
    if (!rc && !is_list && pk_json_type_of(all) != PK_JSON_OBJECT) {
        rc = pk_error_set(r->err, PK_ERR_CONFIG, "env must be a list or an object");
    }
    m->env.keys = rc ? NULL : (pk_str *)pk_mem_get(r->mem, (count + 1) * sizeof(pk_str));
    m->env.values = rc ? NULL : (pk_str *)pk_mem_get(r->mem, (count + 1) * sizeof(pk_str));
    if (!rc && (!m->env.keys || !m->env.values)) {
        rc = pk__error_memory(r->err, "read a manifest");
    }
    for (const pk_json_value *v = pk_json_first(all); !rc && v; v = pk_json_next(all, v)) {
        pk_str key = is_list ? pk_json_str(v) : pk_json_key(v), value = pk_json_str(v);
        bool good = pk_json_type_of(v) == PK_JSON_STRING && (!is_list || pk_str_cut(value, '=', &key, &value));
        if (!good || key.len == 0 || memchr(key.ptr, '=', key.len) || memchr(key.ptr, 0, key.len) ||
            (value.len > 0 && memchr(value.ptr, 0, value.len))) {
            rc = pk_error_set(r->err, PK_ERR_CONFIG, "env: entry %d is no NAME=value", (int)m->env.count);
            break;
        }
        m->env.keys[m->env.count] = key;
        m->env.values[m->env.count++] = value;
    }
    return rc;
}

static double pk__manifest_first(double a, double b, double c)
{
    return a != 0 ? a : b != 0 ? b : c;
}

static pk_err pk__manifest_resources(pk__manifest_reader *r)
{
    const pk__manifest_limits *l = &r->file.resources;
    pk_manifest_resources *out = &r->out->resources;
    out->memory_mb = pk__manifest_first(l->memory, l->max_memory_mb, l->maxMemoryMB);
    out->cpu_percent = pk__manifest_first(l->cpu, l->max_cpu_percent, l->maxCpuPercent);
    out->disk_mb = l->disk;
    out->network_mbps = l->network;
    out->threads = l->maxGoroutines;
    out->files = l->maxFileHandles ? l->maxFileHandles : l->max_file_descriptors;
    out->connections = l->max_connections;
    out->requests = l->max_requests;
    out->execution_ns = l->maxExecutionMs ? (pk_ns)l->maxExecutionMs * 1000000 : l->max_execution_time;
    if (out->memory_mb < 0 || out->cpu_percent < 0 || out->disk_mb < 0 || out->network_mbps < 0 ||
        out->execution_ns < 0) {
        return pk_error_set(r->err, PK_ERR_CONFIG, "resources must not be negative");
    }
    return PK_OK;
}

static bool pk__manifest_is_address(pk_str text)
{
    for (size_t i = 0; i + 2 < text.len; i++) {
        if (memcmp(text.ptr + i, "://", 3) == 0) {
            return true;
        }
    }
    return false;
}

/* What is run, or where it runs. */
static pk_err pk__manifest_place(pk__manifest_reader *r)
{
    const pk__manifest_file *f = &r->file;
    pk_manifest *m = r->out;
    m->entry = f->executable.len ? f->executable : f->entry.len ? f->entry : f->source.path;
    m->source = f->has_source ? f->source.has_type ? f->source.type : PK_STR("local") : PK_STR("");
    m->hash = f->source.hash;
    m->transport = f->transport;
    m->isolation = f->isolation;
    if (m->source.len && !pk__manifest_is_one_of(m->source, "local remote marketplace")) {
        return pk__manifest_invalid(r, "source type", m->source);
    }
    if (f->has_transport && !pk__manifest_is_one_of(m->transport, "exec grpc grpc-tls")) {
        return pk__manifest_invalid(r, "transport", m->transport);
    }
    if (f->has_isolation && !pk__manifest_is_one_of(m->isolation, "none thread process container vm")) {
        return pk__manifest_invalid(r, "isolation level", m->isolation);
    }
    bool runs = !pk__manifest_is_address(f->endpoint) && (!f->has_transport || pk_str_is(m->transport, "exec"));
    if (f->endpoint.len && runs) {
        m->entry = m->entry.len ? m->entry : f->endpoint;
    } else {
        m->endpoint = f->endpoint;
    }
    if (m->entry.len && memchr(m->entry.ptr, 0, m->entry.len)) {
        return pk__manifest_invalid(r, "entry point", m->entry);
    }
    return PK_OK;
}

static pk_manifest_form pk__manifest_form(const pk__manifest_file *f, const char *file)
{
    if (f->has_id || f->has_type) {
        return PK_MANIFEST_DATABRIDGE;
    }
    if (f->has_transport || f->has_requirements || f->has_endpoint) {
        return PK_MANIFEST_GO_PLUGINS;
    }
    bool other = f->has_source || f->has_isolation || f->has_resources;
    return !other && file && strcmp(file, "manifest.json") == 0 ? PK_MANIFEST_DATABRIDGE : PK_MANIFEST_BLACKHOLE;
}

static pk_err pk__manifest_names(pk__manifest_reader *r)
{
    const pk__manifest_file *f = &r->file;
    pk_manifest *m = r->out;
    pk__semver version;
    bool databridge = m->form == PK_MANIFEST_DATABRIDGE;
    m->id = databridge ? f->id : f->name;
    m->name = f->name;
    m->version = f->version;
    m->type = f->type;
    if (databridge && m->id.len == 0) {
        return pk__manifest_missing(r, "id");
    }
    if (m->name.len == 0) {
        return pk__manifest_missing(r, "name");
    }
    if (m->version.len == 0) {
        return pk__manifest_missing(r, "version");
    }
    if (databridge && m->type.len == 0) {
        return pk__manifest_missing(r, "type");
    }
    if (databridge && !pk__manifest_is_one_of(m->type, "processor controller reporting")) {
        return pk__manifest_invalid(r, "plugin type", m->type);
    }
    if (m->form == PK_MANIFEST_GO_PLUGINS && !pk__semver_parse(m->version, &version)) {
        return pk__manifest_invalid(r, "version", m->version);
    }
    if (!pk__service_is_name(m->id)) {
        char shown[64];
        return pk_error_set(r->err, PK_ERR_BAD_NAME,
                            "invalid %s: %s: 1 to 64 letters, digits, '_', '.' and '-', beginning with none of the "
                            "last two",
                            databridge ? "id" : "name", pk__manifest_shown(shown, m->id));
    }
    return PK_OK;
}

/* Texts that are missing have no bytes, but somewhere they have to be. */
static void pk__manifest_texts(pk_manifest *m)
{
    for (size_t i = 0; i < pk_type_pk_manifest.count; i++) {
        const pk_field *field = &pk_type_pk_manifest.fields[i];
        pk_str text;
        if (field->shape == &pk_shape_req && field->type == &pk_type_pk_str) {
            memcpy(&text, (const char *)m + field->at, sizeof(text));
            text = text.ptr ? text : PK_STR("");
            memcpy((char *)m + field->at, &text, sizeof(text));
        }
    }
}

static pk_err pk__manifest_fill(pk__manifest_reader *r, const char *file)
{
    const pk__manifest_file *f = &r->file;
    pk_manifest *m = r->out;
    m->form = pk__manifest_form(f, file);
    m->description = f->description;
    m->author = f->author;
    m->license = f->license;
    m->homepage = f->homepage;
    m->repository = f->repository;
    m->category = f->category;
    m->tags.items = f->tags.items;
    m->tags.count = f->tags.count;
    m->capabilities.items = f->capabilities.items;
    m->capabilities.count = f->capabilities.count;
    m->permissions.items = f->permissions.items;
    m->permissions.count = f->permissions.count;
    m->labels.keys = f->labels.keys;
    m->labels.values = f->labels.values;
    m->labels.count = f->labels.count;
    pk_err rc = pk__manifest_names(r);
    rc = rc ? rc : pk__manifest_place(r);
    rc = rc ? rc : pk__manifest_all_needs(r);
    rc = rc ? rc : pk__manifest_config(r);
    rc = rc ? rc : pk__manifest_env(r);
    return rc ? rc : pk__manifest_resources(r);
}

PK__FN pk_err pk__manifest_parse(pk_mem *mem, const char *file, pk_str text, pk_manifest *out, pk_error *err)
{
    pk__manifest_reader r;
    memset(&r, 0, sizeof(r));
    memset(out, 0, sizeof(*out));
    r.mem = mem;
    r.out = out;
    r.err = err;
    if (text.len > PK__MANIFEST_MAX) {
        return pk_error_set(err, PK_ERR_LIMIT, "it is larger than 1 MiB");
    }
    if (text.len == 0) {
        return pk_error_set(err, PK_ERR_BAD_JSON, "it is empty");
    }
    pk_err rc = pk__types_decode(mem, &pk__manifest_type, text, NULL, &r.file, err);
    rc = rc ? rc : pk__json_check_unique(mem->alloc, text, false, err);
    rc = rc ? rc : pk__manifest_fill(&r, file);
    out->json = rc ? text : pk_mem_dup(mem, text);
    if (!rc && !out->json.ptr) {
        rc = pk__error_memory(err, "read a manifest");
    }
    if (rc) {
        memset(out, 0, sizeof(*out));
    } else {
        pk__manifest_texts(out);
    }
    return rc;
}

PK_API pk_err pk_manifest_parse(pk_mem *mem, const char *file, pk_str text, pk_manifest *out, pk_error *err)
{
    pk_err rc = pk__manifest_parse(mem, file, text, out, err);
    if (rc) {
        pk__error_wrap(err, "cannot use %s", file ? file : "the manifest");
    }
    return rc;
}

PK_API bool pk_version_in(pk_str version, pk_str range)
{
    pk__semver v;
    return pk__semver_parse(version, &v) && pk__semver_matches(&v, range);
}

#endif
