/* schemas.c - finding the schema of something, and checking with it. */
#ifdef PLUGKIT_WITH_SCHEMA
#include "schemas.h"

#include <limits.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../wire/base64.h"

typedef struct pk__schemas_key {
    const char *origin;           // the text of capabilities, or of a compiled-in service's schema: its address
    pk_str contract, type, method; // contract "" = type is a config type
    bool answer;
} pk__schemas_key;

typedef struct pk__schemas_kept {
    struct pk__schemas_kept *next;
    pk_mem mem;
    pk__schemas_key key;
    pk_schema *schema; // NULL: there is none, or
    pk_error why;      //   it cannot be used
} pk__schemas_kept;

/* ---- finding */

static const pk_json_value *pk__schemas_member(const pk_json_value *object, pk_str key)
{
    const pk_json_value *found = NULL;
    if (pk_json_type_of(object) != PK_JSON_OBJECT) {
        return NULL;
    }
    for (const pk_json_value *m = pk_json_first(object); m; m = pk_json_next(object, m)) {
        found = pk_str_eq(pk_json_key(m), key) ? m : found;
    }
    return found;
}

static const pk_json_value *pk__schemas_in_list(const pk_json_value *list, pk_str type)
{
    for (const pk_json_value *v = pk_json_first(list); v; v = pk_json_next(list, v)) {
        const pk_json_value *aliases = pk_json_get(v, "aliases");
        bool is_it = pk_str_eq(pk_json_str(pk_json_get(v, "type")), type);
        for (const pk_json_value *a = pk_json_first(aliases); a && !is_it; a = pk_json_next(aliases, a)) {
            is_it = pk_str_eq(pk_json_str(a), type);
        }
        if (is_it) {
            return pk_json_get(v, "jsonSchema");
        }
    }
    return NULL;
}

/* In capabilities of all forms; NULL = the plugin says nothing. */
static const pk_json_value *pk__schemas_advertised(const pk_json_value *doc, const pk__schemas_key *key)
{
    if (key->contract.len == 0) {
        return pk__schemas_member(pk_json_get(doc, "configSchemas"), key->type);
    }
    const pk_json_value *ocm = pk_json_get(doc, "capabilities"), *found = NULL;
    found = pk__schemas_in_list(pk__schemas_member(pk_json_get(doc, "types"), key->contract), key->type);
    for (const pk_json_value *c = pk_json_first(ocm); c && !found; c = pk_json_next(ocm, c)) {
        bool is_it = pk_str_eq(pk_json_str(pk_json_get(c, "type")), key->contract);
        for (const pk_json_value *v = pk_json_first(c); is_it && v && !found; v = pk_json_next(c, v)) {
            found = pk__schemas_in_list(v, key->type);
        }
    }
    return found;
}

/* The text of a schema: bytes of Go, text, or the schema itself. */
static pk_err pk__schemas_text(pk_mem *mem, const pk_json_value *v, pk_str *out, pk_error *err)
{
    pk_str text = pk_json_str(v), bytes = {NULL, 0};
    if (pk_json_type_of(v) == PK_JSON_STRING) {
        char *to = (char *)pk_mem_get(mem, text.len + 1);
        if (!to) {
            return pk__error_memory(err, "read a plugin's schema");
        }
        *out = text;
        if (pk__base64_decode(text, PK__BASE64_STD, to, &bytes.len)) {
            bytes.ptr = to;
            *out = pk_json_check(bytes, NULL) == PK_OK ? bytes : text;
        }
        return PK_OK;
    }
    pk_json_writer w;
    pk_buf buf;
    pk_buf_init(&buf, mem->alloc, (size_t)1 << 24);
    pk_json_write(&w, &buf);
    pk_json_put_value(&w, v);
    pk_err rc = pk_json_finish(&w, err);
    *out = pk_mem_dup(mem, pk_buf_str(&buf));
    pk_buf_free(&buf);
    return rc || out->ptr ? rc : pk__error_memory(err, "read a plugin's schema");
}

/* ---- compiling */

/* A method's name as part of a $ref: a step of a JSON Pointer in a URI in JSON. */
static pk_str pk__schemas_step(pk_mem *mem, pk_str name)
{
    static const char hex[] = "0123456789ABCDEF";
    char *to = name.len < SIZE_MAX / 4 ? (char *)pk_mem_get(mem, name.len * 3 + 1) : NULL;
    pk_str step = {to, 0};
    for (size_t i = 0; to && i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
        if (plain) {
            to[step.len++] = (char)c;
        } else if (c == '~' || c == '/') {
            to[step.len++] = '~';
            to[step.len++] = c == '~' ? '0' : '1';
        } else {
            to[step.len++] = '%';
            to[step.len++] = hex[c >> 4];
            to[step.len++] = hex[c & 15];
        }
    }
    return step;
}

/* Of a schema with "x-methods" the part that is meant; otherwise the whole of it, which is about requests. */
static pk_err pk__schemas_create(pk__schemas *s, pk__schemas_kept *k, pk_str text, pk_mem *scratch, pk_error *err)
{
    const char *which = k->key.answer ? "response" : "request";
    pk_schema_source source = {"plugkit:schema", text};
    pk_schema_desc desc;
    const pk_json_value *doc;
    memset(&desc, 0, sizeof(desc));
    desc.alloc = s->alloc;
    desc.formats = (s->what & PK_SCHEMAS_FORMATS) != 0;
    pk_err rc = pk_json_parse(scratch, text, &doc, err);
    if (rc) {
        return rc;
    }
    const pk_json_value *methods = pk_json_get(doc, "x-methods");
    if (!methods || k->key.contract.len == 0) {
        return k->key.answer ? PK_OK : pk_schema_create(&k->schema, text, &desc, err);
    }
    if (!pk_json_get(pk__schemas_member(methods, k->key.method), which)) {
        return PK_OK; // it says nothing
    }
    pk_str step = pk__schemas_step(scratch, k->key.method);
    pk_str ref = pk_mem_printf(scratch, "{\"$ref\":\"plugkit:schema#/x-methods/%" PK_FMT "/%s\"}", PK_ARG(step), which);
    if (!step.ptr || !ref.ptr) {
        return pk__error_memory(err, "read a plugin's schema");
    }
    desc.sources = &source;
    desc.source_count = 1;
    return pk_schema_create(&k->schema, ref, &desc, err);
}

static pk_err pk__schemas_fill(pk__schemas *s, pk__schemas_kept *k, pk_str origin, bool is_schema, pk_error *err)
{
    pk_mem scratch = {s->alloc, NULL, NULL, 0};
    const pk_json_value *doc, *found = NULL;
    pk_str text = origin;
    pk_err rc = PK_OK;
    if (!is_schema) {
        rc = pk_json_parse(&scratch, origin, &doc, err);
        found = rc ? NULL : pk__schemas_advertised(doc, &k->key);
        if (!rc && found) {
            rc = pk__schemas_text(&scratch, found, &text, err);
        }
    }
    if (!rc && (found || is_schema)) {
        rc = pk__schemas_create(s, k, text, &scratch, err);
    }
    pk_mem_free(&scratch);
    return rc;
}

static bool pk__schemas_same(const pk__schemas_key *a, const pk__schemas_key *b)
{
    return a->origin == b->origin && a->answer == b->answer && pk_str_eq(a->contract, b->contract) &&
           pk_str_eq(a->type, b->type) && pk_str_eq(a->method, b->method);
}

/* What is kept for the key, made now if it is not there. NULL = out of memory. Never freed before the manager. */
static const pk__schemas_kept *pk__schemas_get(pk__schemas *s, const pk__schemas_key *key, pk_str origin,
                                               bool is_schema)
{
    pk__mutex_lock(&s->lock);
    pk__schemas_kept *k = s->kept;
    while (k && !pk__schemas_same(&k->key, key)) {
        k = k->next;
    }
    if (!k && (k = (pk__schemas_kept *)pk__new(s->alloc, sizeof(*k))) != NULL) {
        k->mem.alloc = s->alloc;
        k->key = *key;
        k->key.contract = pk_mem_dup(&k->mem, key->contract);
        k->key.type = pk_mem_dup(&k->mem, key->type);
        k->key.method = pk_mem_dup(&k->mem, key->method);
        bool good = k->key.contract.ptr && k->key.type.ptr && k->key.method.ptr;
        if (!good || pk__schemas_fill(s, k, origin, is_schema, &k->why) == PK_ERR_NO_MEMORY) {
            pk_mem_free(&k->mem);
            pk__free(s->alloc, k, sizeof(*k));
            k = NULL;
        } else {
            k->next = s->kept;
            s->kept = k;
        }
    }
    pk__mutex_unlock(&s->lock);
    return k;
}

/* ---- checking */

static pk_err pk__schemas_fits(const pk__schemas_kept *k, pk_str text, pk_error *why)
{
    if (!k) {
        return pk__error_memory(why, "read a plugin's schema");
    }
    if (k->why.code) {
        (void)pk__error_copy(why, &k->why);
        pk__error_wrap(why, "its schema is wrong");
        return k->why.code;
    }
    return k->schema ? pk_schema_check_text(k->schema, text.len ? text : PK_STR("{}"), why) : PK_OK;
}

PK__FN pk_err pk__schemas_check_config(void *user, const pk__plugin *p, const pk_plugin_config *c, pk_error *err)
{
    pk__schemas *s = (pk__schemas *)user;
    pk__schemas_key key;
    pk_error why;
    memset(&key, 0, sizeof(key));
    key.origin = p->capabilities.ptr;
    key.type = pk_str_from(c->type);
    pk_err rc = p->capabilities.len ? pk__schemas_fits(pk__schemas_get(s, &key, p->capabilities, false), c->data, &why)
                                    : PK_OK;
    if (!rc || rc == PK_ERR_NO_MEMORY) {
        return rc ? pk__error_copy(err, &why) : PK_OK;
    }
    return pk_error_set(err, PK_ERR_CONFIG, "cannot configure '%s' with '%s': %s", p->id, c->type, why.msg);
}

static bool pk__schemas_is_json(const pk_body *body)
{
    pk_str type = body->content_type;
    return !body->has_fd && !body->read && (type.len == 0 || pk_str_starts(type, PK_STR("application/json")));
}

/* Does the request or the answer of this attempt fit? */
static pk_err pk__schemas_check(pk__schemas *s, pk_exchange *x, const pk_body *body, bool answer, pk_error *why)
{
    const pk__call *call = PK__OF(x, pk__call, exchange);
    pk_str origin = {NULL, 0}, type = call->target.type;
    pk__schemas_key key;
    bool is_schema = false;
    if (!pk__schemas_is_json(body) || !x->call->contract || !x->call->method) {
        return PK_OK;
    }
    pk__registry_lock(s->registry);
    const pk__plugin *p = pk__registry_find(s->registry, x->plugin);
    for (size_t i = 0; p && i < p->service_count; i++) {
        const pk__service_entry *e = &p->services[i];
        if (pk_str_is(e->contract, x->call->contract) && (type.len == 0 || pk_str_eq(e->type, type))) {
            is_schema = e->internal != NULL;
            origin = is_schema ? e->internal->schema : p->capabilities;
            type = e->type;
            break;
        }
    }
    pk__registry_unlock(s->registry);
    if (origin.len == 0) {
        return PK_OK;
    }
    key.origin = origin.ptr;
    key.contract = pk_str_from(x->call->contract);
    key.type = type;
    key.method = pk_str_from(x->call->method);
    key.answer = answer;
    return pk__schemas_fits(pk__schemas_get(s, &key, origin, is_schema), body->bytes, why);
}

static pk_verdict pk__schemas_before(void *user, pk_exchange *x)
{
    pk__schemas *s = (pk__schemas *)user;
    pk_error why;
    pk_err rc = s->what & PK_SCHEMAS_REQUESTS ? pk__schemas_check(s, x, &x->call->body, false, &why) : PK_OK;
    if (!rc) {
        return PK_GO;
    }
    (void)pk_error_set(x->err, rc, "cannot call '%s' of '%" PK_FMT "': %s", x->call->method, PK_ARG(x->plugin),
                       why.msg);
    return PK_REFUSE;
}

static pk_verdict pk__schemas_after(void *user, pk_exchange *x, uint32_t *delay_ms)
{
    pk__schemas *s = (pk__schemas *)user;
    pk_error why;
    (void)delay_ms;
    if ((s->what & PK_SCHEMAS_ANSWERS) && x->err->code == PK_OK && !x->streamed && x->reply->status != 204) {
        pk_err rc = pk__schemas_check(s, x, &x->reply->body, true, &why);
        if (rc) {
            (void)pk_error_set(x->err, rc, "cannot take the answer of '%" PK_FMT "' to '%s': %s", PK_ARG(x->plugin),
                               x->call->method, why.msg);
            x->err->sent = PK_SENT_ANSWERED;
        }
    }
    return PK_GO;
}

PK__FN void pk__schemas_init(pk__schemas *s, const pk_alloc *alloc, pk__registry *registry, unsigned what)
{
    memset(s, 0, sizeof(*s));
    s->alloc = alloc;
    s->registry = registry;
    s->what = what;
    pk__mutex_init(&s->lock);
    s->interceptor.name = "schemas";
    s->interceptor.scope = PK_SCOPE_ATTEMPT;
    s->interceptor.order = INT_MAX; // what the others have made of it
    s->interceptor.before = pk__schemas_before;
    s->interceptor.after = pk__schemas_after;
    s->interceptor.user = s;
}

PK__FN void pk__schemas_deinit(pk__schemas *s)
{
    while (s->kept) {
        pk__schemas_kept *k = s->kept;
        s->kept = k->next;
        pk_schema_destroy(k->schema);
        pk_mem_free(&k->mem);
        pk__free(s->alloc, k, sizeof(*k));
    }
    pk__mutex_deinit(&s->lock);
}

#endif
