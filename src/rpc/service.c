/* service.c - offered services: checked, described, served; and the stubs that call them. */
#include "service.h"

#include <string.h>

#include "../base/error.h"
#include "../wire/semver.h"
#include "call.h"
#include "control.h"

enum { PK__SERVICE_ENCODED_MAX = 512 * 1024 * 1024, PK__SERVICE_SEED = 512 };

/* ---- names and forms */

static bool pk__service_is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool pk__service_fits(pk_str s, size_t max, const char *also)
{
    if (s.len == 0 || s.len > max || s.ptr[0] == '.' || s.ptr[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!pk__service_is_alnum(s.ptr[i]) && (s.ptr[i] == '\0' || !strchr(also, s.ptr[i]))) {
            return false;
        }
    }
    return true;
}

PK__FN bool pk__service_is_name(pk_str name)
{
    return pk__service_fits(name, PK__SERVICE_NAME_MAX, "_.-");
}

PK__FN bool pk__service_is_type(pk_str type)
{
    return pk__service_fits(type, PK__SERVICE_TYPE_MAX, "_.-/:+@");
}

PK__FN bool pk__service_split(const char *http, pk_str *verb, pk_str *path)
{
    if (!http || !pk_str_cut(pk_str_from(http), ' ', verb, path) || verb->len == 0 || path->len == 0 ||
        path->ptr[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < verb->len; i++) {
        if (verb->ptr[i] < 'A' || verb->ptr[i] > 'Z') {
            return false;
        }
    }
    for (size_t i = 0; i < path->len; i++) {
        if (path->ptr[i] <= ' ' || path->ptr[i] > '~' || strchr("?#*%\\", path->ptr[i]) ||
            (path->ptr[i] == '/' && i + 1 < path->len && path->ptr[i + 1] == '/')) {
            return false;
        }
    }
    return true;
}

/* ---- checking */

/* Function pointers are read as bytes: the contract's struct is not known here. */
static bool pk__service_has_function(const pk_service *s, const pk_method *m)
{
    void (*function)(void) = NULL;
    memcpy(&function, (const char *)s->object + m->slot, sizeof(function));
    return function != NULL;
}

static bool pk__service_is_message(const pk_type *t, bool has_flag)
{
    bool is_blob = t && t->kind == PK_TYPE_BLOB;
    return t && (is_blob || t->kind == PK_TYPE_STRUCT || t->kind == PK_TYPE_NONE) && (is_blob || !has_flag);
}

static pk_err pk__service_check_method(const pk_service *s, const pk_method *m, pk_error *err)
{
    const char *contract = s->contract->name;
    pk_str verb, path;
    if (!m->name || !m->run || !pk__service_is_name(pk_str_from(m->name))) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s': a method has no proper name", contract);
    }
    if (!pk__service_split(m->http, &verb, &path)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT,
                            "cannot offer '%s': method '%s' needs \"VERB /path\", not '%s'", contract, m->name,
                            m->http ? m->http : "");
    }
    if (!pk__service_is_message(m->request, m->flags & PK_UPLOAD) ||
        !pk__service_is_message(m->response, m->flags & PK_DOWNLOAD)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT,
                            "cannot offer '%s': the request and response of method '%s' must be messages, pk_none or "
                            "pk_blob, and pk_blob where a flag says so",
                            contract, m->name);
    }
    if (!pk__service_has_function(s, m)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s': method '%s' is missing", contract, m->name);
    }
    return PK_OK;
}

static pk_err pk__service_check_one(const pk_service *s, pk_error *err)
{
    const pk_contract *c = s->contract;
    pk__semver version;
    if (!c || !pk__service_is_name(pk_str_from(c->name))) {
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot offer '%s': the contract needs a name of letters, digits, "
                            "'_', '.' or '-', at most %d", c && c->name ? c->name : "", PK__SERVICE_NAME_MAX);
    }
    if (!pk__semver_parse(pk_str_from(c->version), &version)) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s': '%s' is not a version", c->name,
                            c->version ? c->version : "");
    }
    if (!pk__service_is_type(pk_str_from(s->type))) {
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot offer '%s': '%s' is not a type's name", c->name,
                            s->type ? s->type : "");
    }
    if (!s->object) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s': type '%s' has no object", c->name, s->type);
    }
    for (size_t i = 0; i < c->count; i++) {
        pk_err rc = pk__service_check_method(s, &c->methods[i], err);
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

PK__FN pk_err pk__service_check(const pk_service *services, size_t count, pk_error *err)
{
    for (size_t i = 0; i < count; i++) {
        pk_err rc = pk__service_check_one(&services[i], err);
        if (rc) {
            return rc;
        }
        const pk_contract *c = services[i].contract;
        for (size_t k = 0; k < i; k++) {
            const pk_contract *other = services[k].contract;
            if (strcmp(other->name, c->name) != 0) {
                continue;
            }
            if (strcmp(services[k].type, services[i].type) == 0) {
                return pk_error_set(err, PK_ERR_DUPLICATE, "cannot offer '%s' twice for type '%s'", c->name,
                                    services[i].type);
            }
            if (strcmp(other->version, c->version) != 0) {
                return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot offer '%s' in two versions, %s and %s", c->name,
                                    other->version, c->version);
            }
        }
    }
    return PK_OK;
}

/* ---- capabilities */

static bool pk__service_is_first(const pk__service_about *a, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(a->services[k].contract->name, a->services[i].contract->name) == 0) {
            return false;
        }
    }
    return true;
}

static void pk__service_put_types(pk_json_writer *w, const pk__service_about *a)
{
    pk_json_put_key(w, "types");
    pk_json_put_object(w);
    for (size_t i = 0; i < a->count; i++) {
        if (!pk__service_is_first(a, i)) {
            continue;
        }
        const char *contract = a->services[i].contract->name;
        pk_json_put_key(w, contract);
        pk_json_put_array(w);
        for (size_t k = i; k < a->count; k++) {
            if (strcmp(a->services[k].contract->name, contract) == 0) {
                pk_json_put_object(w);
                pk_json_put_key(w, "type");
                pk_json_put_text(w, a->services[k].type);
                if (a->services[k].schema.len) {
                    pk_json_put_key(w, "jsonSchema"); // bytes for Go: base64 there
                    pk_json_put_b64(w, a->services[k].schema);
                }
                pk_json_put_end(w);
            }
        }
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}

static void pk__service_put_contracts(pk_json_writer *w, const pk__service_about *a)
{
    pk_json_put_key(w, "contracts");
    pk_json_put_object(w);
    for (size_t i = 0; i < a->count; i++) {
        if (pk__service_is_first(a, i)) {
            pk_json_put_key(w, a->services[i].contract->name);
            pk_json_put_text(w, a->services[i].contract->version);
        }
    }
    pk_json_put_end(w);
    pk_json_put_key(w, "methods");
    pk_json_put_object(w);
    for (size_t i = 0; i < a->count; i++) {
        const pk_contract *c = a->services[i].contract;
        if (!pk__service_is_first(a, i)) {
            continue;
        }
        pk_json_put_key(w, c->name);
        pk_json_put_object(w);
        for (size_t k = 0; k < c->count; k++) {
            pk_json_put_key(w, c->methods[k].name);
            pk_json_put_text(w, c->methods[k].http);
        }
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}

static void pk__service_put_text(pk_json_writer *w, const char *key, const char *text)
{
    if (text) {
        pk_json_put_key(w, key);
        pk_json_put_text(w, text);
    }
}

/* "types" and "configTypes" are exactly what the Go framework prints, and come first; it ignores the rest. */
PK__FN pk_err pk__service_capabilities(pk_buf *out, const pk__service_about *a, pk_error *err)
{
    pk_json_writer w;
    pk_json_write(&w, out);
    pk_json_put_object(&w);
    pk__service_put_types(&w, a);
    if (a->config_types && a->config_types[0]) {
        pk_json_put_key(&w, "configTypes");
        pk_json_put_array(&w);
        for (size_t i = 0; a->config_types[i]; i++) {
            pk_json_put_text(&w, a->config_types[i]);
        }
        pk_json_put_end(&w);
    }
    pk_json_put_key(&w, "protocols");
    pk_json_put_array(&w);
    pk_json_put_text(&w, "plugkit/1");
    pk_json_put_end(&w);
    pk__service_put_text(&w, "lifeline", a->lifeline);
    if (a->survives) {
        pk_json_put_key(&w, "survives");
        pk_json_put_bool(&w, true);
    }
    if (PK__CONTROL_HAS_TLS && a->mtls) {
        pk_json_put_key(&w, "mtls");
        pk_json_put_bool(&w, true);
    }
    pk__service_put_contracts(&w, a);
    pk__service_put_text(&w, "id", a->id);
    pk__service_put_text(&w, "version", a->version);
    pk__service_put_text(&w, "description", a->description);
    pk__service_put_text(&w, "author", a->author);
    pk__service_put_text(&w, "license", a->license);
    pk_json_put_end(&w);
    return pk_json_finish(&w, err);
}

/* ---- serving */

/* An allocator for buffers that live and end with a pk_mem. */
static void *pk__service_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    void *to = new_size ? pk_mem_get((pk_mem *)user, new_size) : NULL;
    if (to && old_size) {
        memcpy(to, ptr, PK__MIN(old_size, new_size));
    }
    return to;
}

static pk_str pk__service_text(pk_str json)
{
    return json.len ? json : PK_STR("{}"); // no body at all: a message without fields
}

static pk_err pk__service_read(const pk_method *m, const pk_request *request, void *req, pk_error *err)
{
    pk_mem *mem = request->ctx->mem;
    if (m->request->kind == PK_TYPE_BLOB) {
        ((pk_blob *)req)->body = request->body;
        return PK_OK;
    }
    if (m->request->kind == PK_TYPE_NONE) {
        return PK_OK;
    }
    pk_err rc = pk_json_decode(mem, m->request, pk__service_text(request->body.bytes), req, err);
    if (rc && rc != PK_ERR_NO_MEMORY) {
        err->status = 400;
    }
    return rc;
}

static pk_mem *pk__service_mem(const pk_type *type, void *message)
{
    return type->has_mem || type->kind == PK_TYPE_BLOB ? (pk_mem *)message : NULL; // its first member
}

/* A zeroed request, and behind it a response. Its pk_mem begins with bytes of ctx->mem: what fits there needs no block
 * of its own. */
static void *pk__service_prepare(const pk_method *m, pk_mem *mem, void **resp)
{
    size_t first = (PK__MAX(m->request->size, sizeof(pk_none)) + 15) & ~(size_t)15;
    char *both = (char *)pk_mem_zero(mem, first + PK__MAX(m->response->size, sizeof(pk_none)));
    *resp = both ? both + first : NULL;
    pk_mem *own = both ? pk__service_mem(m->response, *resp) : NULL;
    if (own) {
        own->alloc = mem->alloc;
        own->at = (char *)pk_mem_get(mem, PK__SERVICE_SEED);
        own->left = own->at ? PK__SERVICE_SEED : 0;
    }
    return both;
}

static void pk__service_release(void *user)
{
    pk_mem_free((pk_mem *)user);
}

static pk_err pk__service_write(const pk_method *m, pk_mem *mem, void *resp, pk_response *response, pk_error *err)
{
    if (m->response->kind == PK_TYPE_BLOB) {
        pk_blob *blob = (pk_blob *)resp;
        response->body = blob->body;
        if (response->body.content_type.len == 0) {
            response->body.content_type = PK_STR("application/octet-stream");
        }
        response->done = pk__service_release;
        response->user = &blob->mem;
        return PK_OK;
    }
    pk_err rc = PK_OK;
    if (m->response->kind == PK_TYPE_STRUCT) {
        pk_alloc hook = {pk__service_resize, mem};
        pk_buf buf;
        pk_buf_init(&buf, &hook, PK__SERVICE_ENCODED_MAX);
        buf.ptr = (char *)pk_mem_get(mem, PK__SERVICE_SEED); // a small answer does not grow from nothing
        buf.cap = buf.ptr ? PK__SERVICE_SEED : 0;
        rc = pk_json_encode(&buf, m->response, resp, err);
        response->body.bytes = pk_buf_str(&buf);
        if (rc) {
            err->status = 500;
        }
    }
    pk_mem_free(pk__service_mem(m->response, resp));
    return rc;
}

PK__FN pk_err pk__service_serve(const pk_service *service, const pk_method *m, const pk_request *request,
                                pk_response *response, pk_error *err)
{
    pk_error own;
    void *resp, *req = pk__service_prepare(m, request->ctx->mem, &resp);
    err = err ? err : &own;
    err->code = PK_OK;
    memset(response, 0, PK__UNKNOWN(sizeof(*response)));
    if (!req) {
        return pk__error_memory(err, "make room for the request");
    }
    pk_err rc = pk__service_read(m, request, req, err);
    if (rc) {
        return rc;
    }
    rc = m->run(service->object, request->ctx, req, resp, err);
    if (rc) {
        pk_mem_free(pk__service_mem(m->response, resp));
        if (err->code != rc) { // returned a code, and did not say more
            (void)pk_error_set(err, rc, "%s", pk_err_text(rc));
        }
        return rc;
    }
    return pk__service_write(m, request->ctx->mem, resp, response, err);
}

/* ---- calling */

static void *pk__service_scratch_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    pk__service_scratch *s = (pk__service_scratch *)user;
    if (ptr && ptr != s->bytes) {
        return pk__resize(s->heap, ptr, old_size, new_size);
    }
    if (new_size <= sizeof(s->bytes)) {
        return new_size ? s->bytes : NULL;
    }
    void *to = pk__resize(s->heap, NULL, 0, new_size);
    if (to && ptr) {
        memcpy(to, ptr, old_size);
    }
    return to;
}

PK__FN void pk__service_scratch_init(pk__service_scratch *s, const pk_alloc *heap, pk_buf *buf, size_t max)
{
    s->hook.resize = pk__service_scratch_resize;
    s->hook.user = s;
    s->heap = heap;
    pk_buf_init(buf, &s->hook, max);
}

PK_API pk_err pk_stub_bind(pk_stub *stub, pk_caller *caller, const pk_contract *contract, pk_str type, pk_error *err)
{
    if (!stub || !caller || !contract) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot bind: no stub, caller or contract");
    }
    memset(stub, 0, sizeof(*stub));
    stub->caller = caller;
    stub->contract = contract;
    stub->type = type;
    if (type.len && !pk__service_is_type(type)) {
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot bind '%s': '%" PK_FMT "' is not a type's name",
                            contract->name, PK_ARG(type));
    }
    return caller->router.bind(caller->router.user, stub, err);
}

/* The call without the structs: what goes out is in desc, what comes back in *reply. */
static void pk__stub_describe(const pk_stub *stub, const pk_method *m, const pk_ctx *ctx, char *type,
                              pk_call_desc *desc)
{
    memset(desc, 0, sizeof(*desc));
    if (ctx) {
        desc->ctx = *ctx;
    }
    desc->ctx.idempotent = desc->ctx.idempotent || (m->flags & PK_IDEMPOTENT) != 0;
    desc->contract = stub->contract->name;
    desc->version = stub->contract->version;
    desc->method = m->name;
    desc->http = m->http;
    if (stub->type.len) {
        memcpy(type, stub->type.ptr, stub->type.len);
        type[stub->type.len] = '\0';
        desc->type = type;
    }
}

static pk_err pk__stub_decode(const pk_stub *stub, const pk_method *m, pk_mem *mem, const pk_reply *reply, void *resp,
                              pk_error *err)
{
    pk_err rc = pk_json_decode(mem, m->response, pk__service_text(reply->body.bytes), resp, err);
    if (rc) {
        pk__error_wrap(err, "cannot read the answer of '%s.%s'", stub->contract->name, m->name);
        if (err) {
            err->sent = PK_SENT_ANSWERED;
        }
    }
    return rc;
}

/* Sends what is in desc, and turns the reply into *resp. The reply lives in the response's own memory, so that nothing
 * is copied; a response without one has the handler's (ctx->mem), or must not need any. */
static pk_err pk__stub_exchange(const pk_stub *stub, const pk_method *m, const pk_call_desc *desc, void *resp,
                                pk_error *err)
{
    pk_reply reply;
    memset(&reply, 0, sizeof(reply));
    pk_mem *own = pk__service_mem(m->response, resp);
    if (own) {
        reply.mem = *own;
    } else {
        reply.mem.alloc = stub->caller->alloc;
    }
    if (m->response->kind != PK_TYPE_NONE) {
        memset(resp, 0, m->response->size);
    }
    pk_err rc = pk_caller_call(stub->caller, desc, &reply, err);
    if (own) {
        *own = reply.mem;
    }
    if (!rc && m->response->kind == PK_TYPE_BLOB) {
        ((pk_blob *)resp)->body = reply.body;
    } else if (!rc && m->response->kind == PK_TYPE_STRUCT) {
        rc = pk__stub_decode(stub, m, own ? own : desc->ctx.mem, &reply, resp, err);
    }
    if (!own) {
        pk_mem_free(&reply.mem);
    }
    return rc;
}

PK_API pk_err pk_stub_call(const pk_stub *stub, const pk_method *m, pk_ctx *ctx, const void *req, void *resp,
                           pk_error *err)
{
    char type[PK__SERVICE_TYPE_MAX + 1];
    pk__service_scratch scratch;
    pk_call_desc desc;
    pk_buf buf;
    if (!stub->caller || (m->request->kind != PK_TYPE_NONE && !req) || (m->response->kind != PK_TYPE_NONE && !resp)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot call '%s': the object is not bound, or a message is missing",
                            m->name);
    }
    if (m->response->kind == PK_TYPE_STRUCT && !m->response->has_mem && (!ctx || !ctx->mem)) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot call '%s': the response is no PK_MESSAGE and ctx has no memory",
                            m->name);
    }
    pk__stub_describe(stub, m, ctx, type, &desc);
    pk__service_scratch_init(&scratch, stub->caller->alloc, &buf, PK__SERVICE_ENCODED_MAX);
    pk_err rc = PK_OK;
    if (m->request->kind == PK_TYPE_BLOB) {
        desc.body = ((const pk_blob *)req)->body;
        if (desc.body.content_type.len == 0) {
            desc.body.content_type = PK_STR("application/octet-stream");
        }
    } else if (m->request->kind == PK_TYPE_STRUCT) {
        rc = pk_json_encode(&buf, m->request, req, err);
        desc.body.bytes = pk_buf_str(&buf);
        if (rc) {
            pk__error_wrap(err, "cannot send the request of '%s.%s'", stub->contract->name, m->name);
        }
    }
    if (!rc) {
        rc = pk__stub_exchange(stub, m, &desc, resp, err);
    }
    pk_buf_free(&buf);
    return rc;
}
