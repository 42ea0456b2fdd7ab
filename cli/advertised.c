/* advertised.c - finding schemas in capabilities of all forms. */
#include "advertised.h"

#include <string.h>

typedef struct advertised_list {
    pk_mem *mem;
    advertised *first, **last;
} advertised_list;

static pk_str advertised_write(pk_mem *mem, const pk_json_value *v)
{
    pk_buf buf;
    pk_json_writer w;
    pk_buf_init(&buf, NULL, (size_t)64 << 20);
    pk_json_write(&w, &buf);
    pk_json_put_value(&w, v);
    pk_str text = pk_json_finish(&w, NULL) == PK_OK ? pk_mem_dup(mem, pk_buf_str(&buf)) : PK_STR("");
    pk_buf_free(&buf);
    return text;
}

/* Bytes of Go, text, or the schema itself. */
static pk_str advertised_text(pk_mem *mem, const pk_json_value *v)
{
    pk_str bytes;
    if (pk_json_type_of(v) != PK_JSON_STRING) {
        return advertised_write(mem, v);
    }
    bool is_base64 = pk_json_decode(mem, &pk_type_pk_b64, advertised_write(mem, v), &bytes, NULL) == PK_OK &&
                     pk_json_check(bytes, NULL) == PK_OK;
    return is_base64 ? bytes : pk_json_str(v);
}

static void advertised_add(advertised_list *l, pk_str contract, pk_str type, const pk_json_value *schema)
{
    advertised *a = schema ? (advertised *)pk_mem_zero(l->mem, sizeof(*a)) : NULL;
    if (a) {
        a->contract = contract;
        a->type = type;
        a->text = advertised_text(l->mem, schema);
        *l->last = a;
        l->last = &a->next;
    }
}

static void advertised_add_types(advertised_list *l, pk_str contract, const pk_json_value *types)
{
    for (const pk_json_value *t = pk_json_first(types); t; t = pk_json_next(types, t)) {
        const pk_json_value *schema = pk_json_get(t, "jsonSchema"), *aliases = pk_json_get(t, "aliases");
        if (pk_json_type_of(schema) == PK_JSON_NULL) {
            continue; // as Go writes what is empty
        }
        advertised_add(l, contract, pk_json_str(pk_json_get(t, "type")), schema);
        for (const pk_json_value *a = pk_json_first(aliases); a; a = pk_json_next(aliases, a)) {
            advertised_add(l, contract, pk_json_str(a), schema);
        }
    }
}

advertised *advertised_all(pk_mem *mem, const pk_json_value *capabilities)
{
    advertised_list l = {mem, NULL, &l.first};
    const pk_json_value *configs = pk_json_get(capabilities, "configSchemas");
    const pk_json_value *types = pk_json_get(capabilities, "types"), *ocm = pk_json_get(capabilities, "capabilities");
    bool is_object = pk_json_type_of(configs) == PK_JSON_OBJECT;
    for (const pk_json_value *c = is_object ? pk_json_first(configs) : NULL; c; c = pk_json_next(configs, c)) {
        advertised_add(&l, PK_STR(""), pk_json_key(c), c);
    }
    is_object = pk_json_type_of(types) == PK_JSON_OBJECT;
    for (const pk_json_value *c = is_object ? pk_json_first(types) : NULL; c; c = pk_json_next(types, c)) {
        advertised_add_types(&l, pk_json_key(c), c);
    }
    for (const pk_json_value *c = pk_json_first(ocm); c; c = pk_json_next(ocm, c)) {
        pk_str contract = pk_json_str(pk_json_get(c, "type"));
        for (const pk_json_value *v = pk_json_first(c); v; v = pk_json_next(c, v)) {
            if (pk_json_type_of(v) == PK_JSON_ARRAY) {
                advertised_add_types(&l, contract, v);
            }
        }
    }
    return l.first;
}

const advertised *advertised_find(const advertised *list, pk_str contract, pk_str type)
{
    while (list && !(pk_str_eq(list->contract, contract) && pk_str_eq(list->type, type))) {
        list = list->next;
    }
    return list;
}

bool advertised_has_methods(const advertised *a)
{
    pk_mem mem = {0};
    const pk_json_value *doc;
    bool has = a->contract.len && pk_json_parse(&mem, a->text, &doc, NULL) == PK_OK && pk_json_get(doc, "x-methods");
    pk_mem_free(&mem);
    return has;
}

/* {"$ref":"plugkit:schema#/x-methods/METHOD/PART"}: a JSON Pointer in a URI. */
static void advertised_put_ref(pk_json_writer *w, pk_str method, const char *part)
{
    pk_buf ref;
    pk_buf_init(&ref, NULL, (size_t)1 << 20);
    (void)pk_buf_printf(&ref, "plugkit:schema#/x-methods/");
    for (size_t i = 0; i < method.len; i++) {
        unsigned char c = (unsigned char)method.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
        (void)pk_buf_printf(&ref, plain ? "%c" : c == '~' ? "~0" : c == '/' ? "~1" : "%%%02X", c);
    }
    (void)pk_buf_printf(&ref, "/%s", part);
    pk_json_put_object(w);
    pk_json_put_key(w, "$ref");
    pk_json_put_str(w, pk_buf_str(&ref));
    pk_json_put_end(w);
    pk_buf_free(&ref);
}

/* One schema that refers to all parts that are wanted; false: there is none. */
static bool advertised_put_refs(pk_json_writer *w, const pk_json_value *methods, const char *method)
{
    bool any = false;
    pk_json_put_object(w);
    pk_json_put_key(w, "allOf");
    pk_json_put_array(w);
    for (const pk_json_value *m = pk_json_first(methods); m; m = pk_json_next(methods, m)) {
        static const char *const parts[] = {"request", "response"};
        for (size_t i = 0; i < (method ? 1u : 2u); i++) {
            if ((!method || pk_str_is(pk_json_key(m), method)) && pk_json_get(m, parts[i])) {
                advertised_put_ref(w, pk_json_key(m), parts[i]);
                any = true;
            }
        }
    }
    pk_json_put_end(w);
    pk_json_put_end(w);
    return any;
}

pk_err advertised_compile(const advertised *a, const char *method, pk_schema **out, pk_error *err)
{
    pk_schema_source source = {"plugkit:schema", a->text};
    pk_schema_desc desc = {.sources = &source, .source_count = 1};
    const pk_json_value *doc;
    pk_json_writer w;
    pk_mem mem = {0};
    pk_buf buf;
    *out = NULL;
    pk_err rc = pk_json_parse(&mem, a->text, &doc, err);
    const pk_json_value *methods = rc || !a->contract.len ? NULL : pk_json_get(doc, "x-methods");
    if (!rc && !methods) {
        rc = pk_schema_create(out, a->text, NULL, err);
    } else if (!rc) {
        pk_buf_init(&buf, NULL, (size_t)16 << 20);
        pk_json_write(&w, &buf);
        bool any = advertised_put_refs(&w, methods, method);
        rc = pk_json_finish(&w, err);
        rc = rc || !any ? rc : pk_schema_create(out, pk_buf_str(&buf), &desc, err);
        pk_buf_free(&buf);
    }
    pk_mem_free(&mem);
    return rc;
}
