/* schema_refs.c - what is called by which name: $schema, $id, $anchor, $ref, and documents that these lead to. */
#ifdef PLUGKIT_WITH_SCHEMA
#include <string.h>

#include "../base/error.h"
#include "format_uri.h"
#include "schema.h"
#include "url.h"

enum { PK__SCHEMA_DOCUMENTS = 100, PK__SCHEMA_META_LEVELS = 8 };

static pk_err pk__schema_no_memory(const pk__schema_compiler *c)
{
    return pk__error_memory(c->err, "compile a schema");
}

/* A name for messages. */
static const char *pk__schema_clean(pk_str text, char out[100])
{
    (void)pk__error_clean(out, 100, text);
    return out;
}

static pk_str pk__schema_without_hash(pk_str uri)
{
    uri.len -= uri.len > 0 && uri.ptr[uri.len - 1] == '#';
    return uri;
}

/* ---- documents that are handed in */

/* What each of them calls itself by $id; what cannot be read calls itself nothing. */
static pk_err pk__schema_ask_sources(pk__schema_compiler *c)
{
    const pk_schema_desc *d = c->desc;
    pk_str unused;
    c->source_ids = (pk_str *)pk_mem_zero(&c->scratch, (d->source_count + 1) * sizeof(*c->source_ids));
    for (size_t i = 0; c->source_ids && i < d->source_count; i++) {
        const pk_json_value *doc;
        pk_err rc = pk_json_parse(&c->scratch, d->sources[i].text, &doc, NULL);
        pk_str id = rc ? PK_STR("") : pk_json_str(pk_json_get(doc, "$id"));
        if (rc == PK_ERR_NO_MEMORY || (id.len && !pk__uri_resolve(&c->scratch, pk_str_from(d->sources[i].uri), id,
                                                                   &c->source_ids[i], &unused))) {
            return pk__schema_no_memory(c);
        }
    }
    return c->source_ids ? PK_OK : pk__schema_no_memory(c);
}

/* Its text; PK_ERR_NOT_FOUND: there is none of that name. */
static pk_err pk__schema_source_of(pk__schema_compiler *c, pk_str uri, pk_str *text)
{
    const pk_schema_desc *d = c->desc;
    for (size_t i = 0; i < d->source_count; i++) {
        if (d->sources[i].uri && pk_str_eq(pk__schema_without_hash(pk_str_from(d->sources[i].uri)), uri)) {
            *text = d->sources[i].text;
            return PK_OK;
        }
    }
    pk_err rc = c->source_ids ? PK_OK : pk__schema_ask_sources(c);
    for (size_t i = 0; !rc && i < d->source_count; i++) {
        if (c->source_ids[i].len && pk_str_eq(c->source_ids[i], uri)) {
            *text = d->sources[i].text;
            return PK_OK;
        }
    }
    if (rc || !d->find) {
        return rc ? rc : PK_ERR_NOT_FOUND;
    }
    text->ptr = NULL;
    text->len = 0;
    return d->find(d->user, uri, &c->scratch, text, c->err);
}

/* ---- $schema */

/* The dialect that a schema of schemas describes: its $vocabulary, and the draft that it is written in itself. */
static pk_err pk__schema_dialect_of(pk__schema_compiler *c, const pk__schema_node *node, pk_str uri, unsigned level,
                                    pk__schema_dialect *out)
{
    char shown[100];
    const pk_json_value *doc;
    pk_str text;
    uri = pk__schema_without_hash(uri);
    if (pk__schema_is_built_in(uri, out)) {
        return PK_OK;
    }
    pk_err rc = level < PK__SCHEMA_META_LEVELS ? pk__schema_source_of(c, uri, &text) : PK_ERR_LIMIT;
    if (rc == PK_ERR_NOT_FOUND) {
        return pk__schema_wrong(c, node, "$schema", PK_ERR_UNSUPPORTED,
                                "'%s' is neither draft 2020-12 nor draft-07, and is not among the sources",
                                pk__schema_clean(uri, shown));
    }
    rc = rc ? rc : pk_json_parse(&c->scratch, text, &doc, c->err);
    if (rc) {
        return pk__schema_wrong(c, node, "$schema", rc, "cannot read '%s'", pk__schema_clean(uri, shown));
    }
    const pk_json_value *own = pk_json_get(doc, "$schema"), *list = pk_json_get(doc, "$vocabulary");
    out->draft = PK__SCHEMA_OF_2020;
    out->vocabularies = PK__SCHEMA_IN_ALL;
    rc = own ? pk__schema_dialect_of(c, node, pk_json_str(own), level + 1, out) : PK_OK;
    if (rc || !list || out->draft == PK__SCHEMA_OF_07) {
        return rc;
    }
    out->vocabularies = PK__SCHEMA_IN_CORE;
    for (const pk_json_value *m = pk_json_first(list); m; m = pk_json_next(list, m)) {
        unsigned bit = pk__schema_vocabulary(pk_json_key(m));
        if (!bit && pk_json_bool(m, true)) {
            return pk__schema_wrong(c, node, "$schema", PK_ERR_UNSUPPORTED, "it needs the unknown vocabulary '%s'",
                                    pk__schema_clean(pk_json_key(m), shown));
        }
        out->vocabularies |= bit == PK__SCHEMA_IN_FORMAT_ASSERTION ? bit | PK__SCHEMA_IN_FORMAT : bit;
    }
    return PK_OK;
}

/* ---- resources and anchors */

static pk_err pk__schema_name_resource(pk__schema_compiler *c, const pk__schema_node *node, pk_str uri,
                                       pk__schema_resource *resource)
{
    char shown[100];
    const pk__schema_resource *other = (const pk__schema_resource *)pk__map_get(&c->resources, uri);
    if (other && other->at != resource->at) {
        return pk__schema_wrong(c, node, "$id", PK_ERR_PARSE, "there is another schema of the name '%s'",
                                pk__schema_clean(uri, shown));
    }
    return pk__map_put(&c->resources, uri, resource) ? PK_OK : pk__schema_no_memory(c);
}

static pk_err pk__schema_add_anchor(pk__schema_compiler *c, const pk__schema_node *node, const char *word, pk_str name,
                                    bool is_dynamic)
{
    pk__schema_resource *home = (pk__schema_resource *)(uintptr_t)node->home; // ours: it is not finished
    char shown[100];
    for (pk__schema_anchor *a = home->anchors; a; a = a->next) {
        if (pk_str_eq(a->name, name) && a->node != node) {
            return pk__schema_wrong(c, node, word, PK_ERR_PARSE, "there is another anchor of the name '%s'",
                                    pk__schema_clean(name, shown));
        }
    }
    pk__schema_anchor *a = (pk__schema_anchor *)pk__schema_get(c, sizeof(*a));
    if (!a) {
        return PK_ERR_NO_MEMORY;
    }
    a->name = name;
    a->node = node;
    a->is_dynamic = is_dynamic;
    a->next = home->anchors;
    home->anchors = a;
    return PK_OK;
}

/* A resource of its own, that `uri` names. */
static pk_err pk__schema_begin(pk__schema_compiler *c, pk__schema_node *node, pk_str uri)
{
    pk__schema_resource *r = (pk__schema_resource *)pk__schema_get(c, sizeof(*r));
    if (!r) {
        return PK_ERR_NO_MEMORY;
    }
    r->uri = uri;
    r->at = node->at;
    r->node = node;
    r->dialect = node->home->dialect;
    node->home = r;
    return pk__schema_name_resource(c, node, uri, r);
}

static pk_str pk__schema_string_member(const pk__schema_node *node, const char *key)
{
    return pk_json_str(pk_json_get(node->at, key));
}

/* Its $id. A document's root has a resource already, and gets a second name. */
static pk_err pk__schema_enter_id(pk__schema_compiler *c, pk__schema_node *node, pk_str id)
{
    pk_str uri, fragment;
    if (!pk__uri_resolve(c->mem, node->home->uri, id, &uri, &fragment)) {
        return pk__schema_no_memory(c);
    }
    bool names_it = id.len > 0 && id.ptr[0] != '#';
    pk_err rc = PK_OK;
    if (names_it && node->home->at == node->at) {
        pk__schema_resource *home = (pk__schema_resource *)(uintptr_t)node->home;
        home->uri = uri;
        rc = pk__schema_name_resource(c, node, uri, home);
    } else if (names_it) {
        rc = pk__schema_begin(c, node, uri);
    }
    return rc || fragment.len == 0 ? rc : pk__schema_add_anchor(c, node, "$id", fragment, false); // of draft-07
}

PK__FN pk_err pk__schema_enter(pk__schema_compiler *c, pk__schema_node *node)
{
    bool is_root = node->home->at == node->at;
    pk_str id = pk__schema_string_member(node, "$id"), schema = pk__schema_string_member(node, "$schema");
    pk__schema_dialect dialect = node->home->dialect;
    if (schema.len && (is_root || id.len)) {
        pk_err rc = pk__schema_dialect_of(c, node, schema, 0, &dialect);
        if (rc) {
            return rc;
        }
    }
    if (dialect.draft == PK__SCHEMA_OF_07 && pk_json_get(node->at, "$ref")) {
        id.len = 0;
    }
    pk_err rc = id.len ? pk__schema_enter_id(c, node, id) : PK_OK;
    if (rc) {
        return rc;
    }
    if (node->home->at == node->at) {
        ((pk__schema_resource *)(uintptr_t)node->home)->dialect = dialect;
    }
    if (node->home->dialect.draft == PK__SCHEMA_OF_07) {
        return PK_OK;
    }
    pk_str anchor = pk__schema_string_member(node, "$anchor");
    pk_str dynamic = pk__schema_string_member(node, "$dynamicAnchor");
    rc = anchor.len ? pk__schema_add_anchor(c, node, "$anchor", anchor, false) : PK_OK;
    return rc || !dynamic.len ? rc : pk__schema_add_anchor(c, node, "$dynamicAnchor", dynamic, true);
}

PK__FN pk_err pk__schema_document(pk__schema_compiler *c, pk_str uri, pk_str text, const pk__schema_node **out)
{
    pk__schema_node where;
    const pk_json_value *doc;
    if (++c->documents > PK__SCHEMA_DOCUMENTS) {
        return pk_error_set(c->err, PK_ERR_LIMIT, "cannot use the schema: it consists of more than %d documents",
                            PK__SCHEMA_DOCUMENTS);
    }
    pk_err rc = pk_json_parse(c->mem, text, &doc, c->err);
    if (rc) {
        char shown[100];
        pk__error_wrap(c->err, "cannot use the schema '%s'", pk__schema_clean(uri, shown));
        return rc;
    }
    pk__schema_resource *home = (pk__schema_resource *)pk__schema_get(c, sizeof(*home));
    if (!home) {
        return PK_ERR_NO_MEMORY;
    }
    home->uri = pk_mem_dup(c->mem, pk__schema_without_hash(uri));
    home->at = doc;
    home->dialect.draft = c->desc->draft_07 ? PK__SCHEMA_OF_07 : PK__SCHEMA_OF_2020;
    home->dialect.vocabularies = PK__SCHEMA_IN_ALL;
    if (!home->uri.ptr) {
        return pk__schema_no_memory(c);
    }
    memset(&where, 0, sizeof(where));
    where.at = doc;
    where.word = "";
    where.home = home;
    c->main = c->main ? c->main : home;
    rc = pk__schema_name_resource(c, &where, home->uri, home);
    if (rc) {
        return rc;
    }
    home->node = pk__schema_compile(c, &where, home);
    *out = home->node;
    return home->node ? PK_OK : c->err->code;
}

/* ---- $ref */

static pk__schema_resource *pk__schema_resource_of(const pk__schema_compiler *c, pk_str uri)
{
    return (pk__schema_resource *)pk__map_get(&c->resources, uri);
}

/* The resource of that name: here, or in a document that is brought in. */
static pk_err pk__schema_find_resource(pk__schema_compiler *c, const pk__schema_due *due, pk_str uri,
                                       pk__schema_resource **out)
{
    const char *word = pk__schema_word_text(due->word);
    const pk__schema_node *root;
    char shown[100];
    pk_str text;
    *out = pk__schema_resource_of(c, uri);
    if (*out) {
        return PK_OK;
    }
    c->err->code = PK_OK;
    pk_err rc = pk__schema_source_of(c, uri, &text);
    if (rc == PK_ERR_NOT_FOUND && !c->err->code) {
        return pk__schema_wrong(c, due->node, word, rc, "there is no schema '%s': hand its text in",
                                pk__schema_clean(uri, shown));
    }
    if (rc) {
        return pk__schema_wrong(c, due->node, word, rc, "cannot get '%s': %s", pk__schema_clean(uri, shown),
                                c->err->code == rc ? c->err->msg : pk_err_text(rc));
    }
    rc = pk__schema_document(c, uri, text, &root);
    *out = rc ? NULL : pk__schema_resource_of(c, uri);
    return rc || *out ? rc : pk__schema_no_memory(c);
}

/* One token of a JSON Pointer, as it is in keys. */
static pk_str pk__schema_token(pk_str token, char *out)
{
    pk_str key = {out, 0};
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        if (c == '~' && i + 1 < token.len && (token.ptr[i + 1] == '0' || token.ptr[i + 1] == '1')) {
            c = token.ptr[++i] == '0' ? '~' : '/';
        }
        out[key.len++] = c;
    }
    return key;
}

static const pk_json_value *pk__schema_down(pk__schema_compiler *c, const pk_json_value *v, pk_str token)
{
    if (pk_json_type_of(v) == PK_JSON_OBJECT) {
        return pk__schema_get_member(c->run, v, token);
    }
    size_t index = 0;
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] < '0' || token.ptr[i] > '9' || index > 100000000) {
            return NULL;
        }
        index = index * 10 + (size_t)(token.ptr[i] - '0');
    }
    return token.len ? pk_json_item(v, index) : NULL; // of anything but an array: NULL
}

/* Follows a pointer from a resource's root. What stands there need not be known as a schema: then it becomes one. */
static pk__schema_node *pk__schema_follow(pk__schema_compiler *c, const pk__schema_resource *from, pk_str pointer)
{
    const pk__schema_node *near = from->node;
    const pk_json_value *v = from->at;
    pk_str rest = pointer; // behind the nearest node
    char *key = (char *)pk_mem_get(&c->scratch, pointer.len + 1);
    if (!key) {
        (void)pk__schema_no_memory(c);
        return NULL;
    }
    for (size_t at = 0; v && at < pointer.len;) {
        size_t end = at + 1;
        while (end < pointer.len && pointer.ptr[end] != '/') {
            end++;
        }
        pk_str token = {pointer.ptr + at + 1, end - at - 1};
        v = pk__schema_down(c, v, pk__schema_token(token, key));
        at = end;
        const pk__schema_node *node = v ? pk__schema_node_at(c, v) : NULL;
        if (node) {
            near = node;
            rest.ptr = pointer.ptr + at;
            rest.len = pointer.len - at;
        }
    }
    if (!v || rest.len == 0) {
        return v ? (pk__schema_node *)(uintptr_t)near : NULL;
    }
    pk__schema_node where;
    memset(&where, 0, sizeof(where));
    where.at = v;
    where.parent = near;
    where.word = "";
    where.key = pk_mem_dup(c->mem, rest);
    if (!where.key.ptr) {
        (void)pk__schema_no_memory(c);
        return NULL;
    }
    return pk__schema_compile(c, &where, near->home);
}

static const pk__schema_anchor *pk__schema_anchor_of(const pk__schema_resource *r, pk_str name)
{
    for (const pk__schema_anchor *a = r->anchors; a; a = a->next) {
        if (pk_str_eq(a->name, name)) {
            return a;
        }
    }
    return NULL;
}

/* A node that stands for a schema of schemas. */
static pk__schema_node *pk__schema_built_in(pk__schema_compiler *c, const pk__schema_due *due,
                                            pk__schema_dialect described)
{
    pk__schema_node *node = (pk__schema_node *)pk__schema_get(c, sizeof(*node));
    if (node) {
        node->home = due->node->home;
        node->parent = due->node;
        node->word = pk__schema_word_text(due->word);
        node->is_built_in = true;
        node->described = described;
    }
    return node;
}

static pk_err pk__schema_resolve(pk__schema_compiler *c, const pk__schema_due *due, const pk__schema_node **out,
                                 bool *is_dynamic)
{
    const char *word = pk__schema_word_text(due->word);
    pk__schema_resource *resource;
    pk__schema_dialect described;
    pk_str uri, fragment;
    char shown[100];
    size_t len;
    *is_dynamic = false;
    *out = NULL;
    if (!pk__uri_resolve(c->mem, due->node->home->uri, due->text, &uri, &fragment)) {
        return pk__schema_no_memory(c);
    }
    char *plain = (char *)pk_mem_get(c->mem, fragment.len + 1);
    if (!plain) {
        return pk__schema_no_memory(c);
    }
    if (fragment.len && !pk__url_decode(fragment, false, plain, &len)) {
        return pk__schema_wrong(c, due->node, word, PK_ERR_PARSE, "'%s' is not properly encoded",
                                pk__schema_clean(due->text, shown));
    }
    pk_str name = {plain, fragment.len ? len : 0};
    if (pk__schema_is_built_in(uri, &described) && !pk__schema_resource_of(c, uri) && name.len == 0) {
        *out = pk__schema_built_in(c, due, described);
        return *out ? PK_OK : PK_ERR_NO_MEMORY;
    }
    pk_err rc = pk__schema_find_resource(c, due, uri, &resource);
    if (rc) {
        return rc;
    }
    c->err->code = PK_OK;
    if (name.len == 0) {
        *out = resource->node;
    } else if (name.ptr[0] == '/') {
        *out = pk__schema_follow(c, resource, name);
    } else {
        const pk__schema_anchor *anchor = pk__schema_anchor_of(resource, name);
        *out = anchor ? anchor->node : NULL;
        *is_dynamic = anchor && anchor->is_dynamic;
    }
    if (*out) {
        return PK_OK;
    }
    return c->err->code ? c->err->code
                        : pk__schema_wrong(c, due->node, word, PK_ERR_NOT_FOUND, "there is nothing at '%s'",
                                           pk__schema_clean(due->text, shown));
}

PK__FN pk_err pk__schema_resolve_all(pk__schema_compiler *c)
{
    while (c->due) {
        const pk__schema_node *target;
        bool is_dynamic;
        pk__schema_due *due = c->due;
        pk__schema_places *places = due->node->places;
        c->due = due->next;
        pk_err rc = pk__schema_resolve(c, due, &target, &is_dynamic);
        if (rc) {
            return rc;
        }
        if (due->word == PK__SCHEMA_REF) {
            places->ref = target;
            continue;
        }
        places->dynamic_ref = target;
        if (is_dynamic) { // the name that the fragment is
            const pk__schema_anchor *a = target->home->anchors;
            while (a && !(a->node == target && a->is_dynamic)) {
                a = a->next;
            }
            places->dynamic_name = a ? a->name : PK_STR("");
        }
    }
    return PK_OK;
}

#endif
