/* schema_compile.c - from the JSON of a schema to nodes. */
#ifdef PLUGKIT_WITH_SCHEMA
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "format.h"
#include "schema.h"

enum { PK__SCHEMA_STEPS = 10000000 };

/* ---- errors, memory */

PK__FN pk_err pk__schema_wrong(pk__schema_compiler *c, const pk__schema_node *node, const char *word, pk_err rc,
                               const char *format, ...)
{
    char why[200];
    pk_buf where;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    pk_buf_init(&where, c->mem->alloc, 4096);
    pk__schema_put_node(&where, node, c->main);
    if (*word) {
        (void)pk_buf_add(&where, PK_STR("/"));
        (void)pk_buf_add(&where, pk_str_from(word));
    }
    pk_str shown = pk_buf_str(&where);
    if (shown.len > 90) { // what is nearest to the mistake
        shown.ptr += shown.len - 90;
        shown.len = 90;
    }
    char clean[96];
    (void)pk__error_clean(clean, sizeof(clean), shown);
    (void)pk_error_set(c->err, rc, "cannot use the schema: %s: %s", clean, why);
    pk_buf_free(&where);
    return rc;
}

PK__FN void *pk__schema_get(pk__schema_compiler *c, size_t size)
{
    void *piece = pk_mem_zero(c->mem, size);
    if (!piece) {
        (void)pk__error_memory(c->err, "compile a schema");
    }
    return piece;
}

static pk_str pk__schema_address(const pk_json_value *const *at)
{
    pk_str key = {(const char *)at, sizeof(*at)};
    return key;
}

PK__FN pk__schema_node *pk__schema_node_at(const pk__schema_compiler *c, const pk_json_value *at)
{
    return (pk__schema_node *)pk__map_get(&c->nodes, pk__schema_address(&at));
}

/* ---- groups */

static pk__schema_numbers *pk__schema_need_numbers(pk__schema_compiler *c, pk__schema_node *node)
{
    if (!node->numbers) {
        node->numbers = (pk__schema_numbers *)pk__schema_get(c, sizeof(*node->numbers));
    }
    return node->numbers;
}

static pk__schema_strings *pk__schema_need_strings(pk__schema_compiler *c, pk__schema_node *node)
{
    if (!node->strings && (node->strings = (pk__schema_strings *)pk__schema_get(c, sizeof(*node->strings)))) {
        node->strings->max = SIZE_MAX;
    }
    return node->strings;
}

static pk__schema_arrays *pk__schema_need_arrays(pk__schema_compiler *c, pk__schema_node *node)
{
    if (!node->arrays && (node->arrays = (pk__schema_arrays *)pk__schema_get(c, sizeof(*node->arrays)))) {
        node->arrays->max = node->arrays->max_contains = SIZE_MAX;
        node->arrays->min_contains = 1;
    }
    return node->arrays;
}

static pk__schema_objects *pk__schema_need_objects(pk__schema_compiler *c, pk__schema_node *node)
{
    if (!node->objects && (node->objects = (pk__schema_objects *)pk__schema_get(c, sizeof(*node->objects)))) {
        node->objects->max = SIZE_MAX;
    }
    return node->objects;
}

static pk__schema_places *pk__schema_need_places(pk__schema_compiler *c, pk__schema_node *node)
{
    if (!node->places) {
        node->places = (pk__schema_places *)pk__schema_get(c, sizeof(*node->places));
    }
    return node->places;
}

/* ---- keywords that hold schemas */

static const pk__schema_node *pk__schema_child(pk__schema_compiler *c, const pk__schema_node *parent,
                                               pk__schema_word word, const pk_json_value *at, const size_t *index)
{
    pk__schema_node where;
    memset(&where, 0, sizeof(where));
    where.at = at;
    where.parent = parent;
    where.word = pk__schema_word_text(word);
    where.key.ptr = NULL;
    where.has_index = index != NULL;
    where.index = index ? *index : 0;
    if (pk__schema_shape_of(word) >= PK__SCHEMA_IS_MAP) {
        where.key = pk_json_key(at);
    }
    return pk__schema_compile(c, &where, parent->home);
}

static bool pk__schema_one(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                           const pk_json_value *v)
{
    const pk__schema_node *child = pk__schema_child(c, node, word, v, NULL);
    pk__schema_arrays *arrays = NULL;
    pk__schema_objects *objects = NULL;
    pk__schema_places *places = NULL;
    if (!child) {
        return false;
    }
    switch (word) {
    case PK__SCHEMA_NOT:
    case PK__SCHEMA_IF:
    case PK__SCHEMA_THEN:
    case PK__SCHEMA_ELSE: places = pk__schema_need_places(c, node); break;
    case PK__SCHEMA_CONTENT_SCHEMA: return true; // a remark
    case PK__SCHEMA_ADDITIONAL_PROPERTIES:
    case PK__SCHEMA_PROPERTY_NAMES:
    case PK__SCHEMA_UNEVALUATED_PROPERTIES: objects = pk__schema_need_objects(c, node); break;
    default: arrays = pk__schema_need_arrays(c, node);
    }
    if (!places && !objects && !arrays) {
        return false;
    }
    switch (word) {
    case PK__SCHEMA_NOT: places->none = child; break;
    case PK__SCHEMA_IF: places->condition = child; break;
    case PK__SCHEMA_THEN: places->then = child; break;
    case PK__SCHEMA_ELSE: places->otherwise = child; break;
    case PK__SCHEMA_ADDITIONAL_PROPERTIES: objects->additional = child; break;
    case PK__SCHEMA_PROPERTY_NAMES: objects->names = child; break;
    case PK__SCHEMA_UNEVALUATED_PROPERTIES: objects->unevaluated = child; break;
    case PK__SCHEMA_CONTAINS: arrays->contains = child; break;
    case PK__SCHEMA_UNEVALUATED_ITEMS: arrays->unevaluated = child; break;
    case PK__SCHEMA_ADDITIONAL_ITEMS: arrays->additional = child; break;
    default: arrays->items = child;
    }
    return true;
}

static bool pk__schema_list_of(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                               const pk_json_value *v)
{
    pk__schema_list list;
    list.count = pk_json_count(v);
    list.nodes = (const pk__schema_node **)pk__schema_get(c, list.count * sizeof(*list.nodes));
    if (!list.nodes) {
        return false;
    }
    size_t i = 0;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m), i++) {
        list.nodes[i] = pk__schema_child(c, node, word, m, &i);
        if (!list.nodes[i]) {
            return false;
        }
    }
    bool in_place = word == PK__SCHEMA_ALL_OF || word == PK__SCHEMA_ANY_OF || word == PK__SCHEMA_ONE_OF;
    pk__schema_places *places = in_place ? pk__schema_need_places(c, node) : NULL;
    pk__schema_arrays *arrays = in_place ? NULL : pk__schema_need_arrays(c, node);
    if (!places && !arrays) {
        return false;
    }
    switch (word) {
    case PK__SCHEMA_ALL_OF: places->all_of = list; break;
    case PK__SCHEMA_ANY_OF: places->any_of = list; break;
    case PK__SCHEMA_ONE_OF: places->one_of = list; break;
    default: arrays->prefix = list;
    }
    return true;
}

static int pk__schema_compare_keys(pk_str a, pk_str b)
{
    int order = a.len && b.len ? memcmp(a.ptr, b.ptr, PK__MIN(a.len, b.len)) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Heap sort: no memory, and no input that takes long. */
static void pk__schema_sink(pk__schema_member *items, size_t at, size_t count)
{
    pk__schema_member one = items[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && pk__schema_compare_keys(items[child].key, items[child + 1].key) < 0;
        if (pk__schema_compare_keys(one.key, items[child].key) >= 0) {
            break;
        }
        items[at] = items[child];
        at = child;
    }
    items[at] = one;
}

static void pk__schema_sort_members(pk__schema_members *m)
{
    for (size_t i = m->count / 2; i-- > 0;) {
        pk__schema_sink(m->items, i, m->count);
    }
    for (size_t count = m->count; count > 1; count--) {
        pk__schema_member last = m->items[count - 1];
        m->items[count - 1] = m->items[0];
        m->items[0] = last;
        pk__schema_sink(m->items, 0, count - 1);
    }
}

static void pk__schema_drop_pattern(void *user, void *block)
{
    (void)user;
    pk_pattern_destroy((pk_pattern *)block);
}

static const pk_pattern *pk__schema_pattern(pk__schema_compiler *c, const pk__schema_node *node, pk__schema_word word,
                                            pk_str text)
{
    pk_error why;
    pk_pattern *p;
    pk_err rc = pk_pattern_create(&p, text, c->schema->alloc, &why);
    if (rc) {
        (void)pk__schema_wrong(c, node, pk__schema_word_text(word), rc, "%s", why.msg);
        return NULL;
    }
    if (!pk_mem_adopt(c->mem, p, pk__schema_drop_pattern, NULL)) {
        pk_pattern_destroy(p);
        (void)pk__error_memory(c->err, "compile a schema");
        return NULL;
    }
    return p;
}

/* Adds the members of a map that are schemas behind those that `out` has. */
static bool pk__schema_add_members(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                                   const pk_json_value *v, pk__schema_members *out)
{
    size_t count = out->count + pk_json_count(v);
    pk__schema_member *items = (pk__schema_member *)pk__schema_get(c, (count + 1) * sizeof(*items));
    if (!items) {
        return false;
    }
    if (out->count) {
        memcpy(items, out->items, out->count * sizeof(*items));
    }
    out->items = items;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        if (word == PK__SCHEMA_DEPENDENCIES && pk_json_type_of(m) == PK_JSON_ARRAY) {
            continue; // names
        }
        pk__schema_member *item = &items[out->count++];
        item->key = pk_json_key(m);
        item->word = word;
        item->node = pk__schema_child(c, node, word, m, NULL);
        if (!item->node) {
            return false;
        }
        if (word == PK__SCHEMA_PATTERN_PROPERTIES &&
            !(item->pattern = pk__schema_pattern(c, node, word, item->key))) {
            return false;
        }
    }
    return true;
}

static bool pk__schema_properties(pk__schema_compiler *c, pk__schema_node *node, pk__schema_members *m)
{
    char shown[60];
    pk__schema_sort_members(m);
    for (size_t i = 1; i < m->count; i++) {
        if (pk_str_eq(m->items[i - 1].key, m->items[i].key)) {
            (void)pk__error_clean(shown, sizeof(shown), m->items[i].key);
            (void)pk__schema_wrong(c, node, "properties", PK_ERR_PARSE, "\"%s\" stands there twice", shown);
            return false;
        }
    }
    return true;
}

/* dependentRequired, and what is like it in dependencies. */
static bool pk__schema_add_needs(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                                 const pk_json_value *v)
{
    pk__schema_objects *o = pk__schema_need_objects(c, node);
    size_t count = o ? o->need_count + pk_json_count(v) : 0;
    pk__schema_need *needs = o ? (pk__schema_need *)pk__schema_get(c, (count + 1) * sizeof(*needs)) : NULL;
    if (!needs) {
        return false;
    }
    if (o->need_count) {
        memcpy(needs, o->needs, o->need_count * sizeof(*needs));
    }
    o->needs = needs;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        if (pk_json_type_of(m) == PK_JSON_ARRAY) {
            pk__schema_need *need = &needs[o->need_count++];
            need->key = pk_json_key(m);
            need->names = m;
            need->word = word;
        }
    }
    return true;
}

static bool pk__schema_map_of(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                              const pk_json_value *v)
{
    pk__schema_members unused = {NULL, 0};
    if (word == PK__SCHEMA_DEFS || word == PK__SCHEMA_DEFINITIONS) {
        return pk__schema_add_members(c, node, word, v, &unused);
    }
    if (word == PK__SCHEMA_PROPERTIES || word == PK__SCHEMA_PATTERN_PROPERTIES) {
        pk__schema_objects *o = pk__schema_need_objects(c, node);
        if (!o) {
            return false;
        }
        return word == PK__SCHEMA_PROPERTIES ? pk__schema_add_members(c, node, word, v, &o->properties) &&
                                                   pk__schema_properties(c, node, &o->properties)
                                             : pk__schema_add_members(c, node, word, v, &o->patterns);
    }
    pk__schema_places *p = pk__schema_need_places(c, node);
    return p && pk__schema_add_members(c, node, word, v, &p->if_present) &&
           (word != PK__SCHEMA_DEPENDENCIES || pk__schema_add_needs(c, node, word, v));
}

/* ---- keywords that hold values */

static size_t pk__schema_size(const pk_json_value *v)
{
    pk__decimal d = pk__decimal_from(pk_json_number_text(v));
    return pk__decimal_to_size(&d);
}

static bool pk__schema_count_word(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                                  const pk_json_value *v)
{
    bool is_string = word == PK__SCHEMA_MIN_LENGTH || word == PK__SCHEMA_MAX_LENGTH;
    bool is_object = word == PK__SCHEMA_MIN_PROPERTIES || word == PK__SCHEMA_MAX_PROPERTIES;
    pk__schema_strings *strings = is_string ? pk__schema_need_strings(c, node) : NULL;
    pk__schema_objects *objects = is_object ? pk__schema_need_objects(c, node) : NULL;
    pk__schema_arrays *arrays = is_string || is_object ? NULL : pk__schema_need_arrays(c, node);
    size_t size = pk__schema_size(v);
    if (!strings && !objects && !arrays) {
        return false;
    }
    switch (word) {
    case PK__SCHEMA_MIN_LENGTH: strings->min = size; break;
    case PK__SCHEMA_MAX_LENGTH: strings->max = size; break;
    case PK__SCHEMA_MIN_PROPERTIES: objects->min = size; break;
    case PK__SCHEMA_MAX_PROPERTIES: objects->max = size; break;
    case PK__SCHEMA_MIN_ITEMS: arrays->min = size; break;
    case PK__SCHEMA_MAX_ITEMS: arrays->max = size; break;
    case PK__SCHEMA_MIN_CONTAINS: arrays->min_contains = size; break;
    default: arrays->max_contains = size;
    }
    return true;
}

static bool pk__schema_number_word(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                                   const pk_json_value *v)
{
    pk__schema_numbers *n = pk__schema_need_numbers(c, node);
    if (!n) {
        return false;
    }
    pk__schema_bound bound;
    bound.value = v;
    bound.number = pk__decimal_from(pk_json_number_text(v));
    switch (word) {
    case PK__SCHEMA_MINIMUM: n->minimum = bound; return true;
    case PK__SCHEMA_MAXIMUM: n->maximum = bound; return true;
    case PK__SCHEMA_EXCLUSIVE_MINIMUM: n->exclusive_minimum = bound; return true;
    case PK__SCHEMA_EXCLUSIVE_MAXIMUM: n->exclusive_maximum = bound; return true;
    default: n->multiple_of = v;
    }
    if (!pk__decimal_to_divisor(&bound.number, &n->divisor)) {
        (void)pk__schema_wrong(c, node, "multipleOf", PK_ERR_UNSUPPORTED, "it has more than 18 digits");
        return false;
    }
    return true;
}

static bool pk__schema_string_word(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                                   const pk_json_value *v)
{
    pk__schema_strings *s = pk__schema_need_strings(c, node);
    if (!s) {
        return false;
    }
    if (word == PK__SCHEMA_FORMAT) {
        bool checked = c->desc->formats || (node->home->dialect.vocabularies & PK__SCHEMA_IN_FORMAT_ASSERTION);
        s->format_name = pk_json_str(v);
        s->format = checked ? pk__format_named(s->format_name) : 0;
        return true;
    }
    s->pattern_text = pk_json_str(v);
    s->pattern = pk__schema_pattern(c, node, word, s->pattern_text);
    return s->pattern != NULL;
}

static unsigned pk__schema_types(const pk_json_value *v)
{
    unsigned types = pk__schema_type_bit(pk_json_str(v));
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        types |= pk__schema_type_bit(pk_json_str(m));
    }
    return types;
}

/* Notes a reference: it is resolved when the document is through. */
static bool pk__schema_note_ref(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word, pk_str text)
{
    pk__schema_due *due = (pk__schema_due *)pk_mem_zero(&c->scratch, sizeof(*due));
    if (!due) {
        (void)pk__error_memory(c->err, "compile a schema");
        return false;
    }
    due->node = node;
    due->word = word;
    due->text = text;
    due->next = c->due;
    c->due = due;
    return pk__schema_need_places(c, node) != NULL;
}

static bool pk__schema_value_word(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                                  const pk_json_value *v)
{
    pk__schema_objects *o;
    pk__schema_arrays *a;
    switch (word) {
    case PK__SCHEMA_REF:
    case PK__SCHEMA_DYNAMIC_REF: return pk__schema_note_ref(c, node, word, pk_json_str(v));
    case PK__SCHEMA_TYPE: node->types = pk__schema_types(v); return true;
    case PK__SCHEMA_CONST: node->constant = v; return true;
    case PK__SCHEMA_ENUM: node->choices = v; return true;
    case PK__SCHEMA_PATTERN:
    case PK__SCHEMA_FORMAT: return pk__schema_string_word(c, node, word, v);
    case PK__SCHEMA_REQUIRED:
        o = pk__schema_need_objects(c, node);
        return o && (o->required = v) != NULL;
    case PK__SCHEMA_DEPENDENT_REQUIRED: return pk__schema_add_needs(c, node, word, v);
    case PK__SCHEMA_UNIQUE_ITEMS:
        a = pk__schema_need_arrays(c, node);
        if (a) {
            a->unique = pk_json_bool(v, false);
        }
        return a != NULL;
    default: break;
    }
    pk__schema_shape shape = pk__schema_shape_of(word);
    return shape == PK__SCHEMA_IS_COUNT    ? pk__schema_count_word(c, node, word, v)
           : shape == PK__SCHEMA_IS_NUMBER || shape == PK__SCHEMA_IS_POSITIVE
               ? pk__schema_number_word(c, node, word, v)
               : true; // remarks
}

/* ---- a schema */

static bool pk__schema_keyword(pk__schema_compiler *c, pk__schema_node *node, pk__schema_word word,
                               const pk_json_value *v)
{
    char got[PK__SCHEMA_SHOWN];
    pk__schema_shape shape = pk__schema_shape_of(word);
    const char *why = pk__schema_misfit(c->run, shape, v);
    if (why || c->run->failed) {
        const char *name = pk__schema_word_text(word);
        if (word == PK__SCHEMA_ITEMS && pk_json_type_of(v) == PK_JSON_ARRAY) {
            why = "a schema (in draft 2020-12 an array of them is called prefixItems)";
        }
        (void)(why ? pk__schema_wrong(c, node, name, PK_ERR_PARSE, "expected %s, got %s", why, pk__schema_show(v, got))
                   : pk__schema_wrong(c, node, name, c->run->failed, "it is too large"));
        return false;
    }
    switch (shape) {
    case PK__SCHEMA_IS_ONE: return pk__schema_one(c, node, word, v);
    case PK__SCHEMA_IS_LIST: return pk__schema_list_of(c, node, word, v);
    case PK__SCHEMA_IS_ONE_OR_LIST:
        return pk_json_type_of(v) == PK_JSON_ARRAY ? pk__schema_list_of(c, node, word, v)
                                                   : pk__schema_one(c, node, word, v);
    case PK__SCHEMA_IS_MAP:
    case PK__SCHEMA_IS_MIXED: return pk__schema_map_of(c, node, word, v);
    default: return pk__schema_value_word(c, node, word, v);
    }
}

static bool pk__schema_keywords(pk__schema_compiler *c, pk__schema_node *node)
{
    bool has[PK__SCHEMA_WORD_COUNT] = {false};
    pk__schema_dialect dialect = node->home->dialect;
    bool only_ref = dialect.draft == PK__SCHEMA_OF_07 && pk_json_get(node->at, "$ref");
    for (const pk_json_value *m = pk_json_first(node->at); m; m = pk_json_next(node->at, m)) {
        pk__schema_word word = pk__schema_word_of(dialect, pk_json_key(m));
        /* Beside a $ref draft-07 ignores everything; but other $refs may lead to its definitions. */
        if (word == PK__SCHEMA_WORD_COUNT || (only_ref && word != PK__SCHEMA_REF && word != PK__SCHEMA_DEFINITIONS)) {
            continue;
        }
        if (has[word]) {
            (void)pk__schema_wrong(c, node, pk__schema_word_text(word), PK_ERR_PARSE, "it stands there twice");
            return false;
        }
        has[word] = true;
        if (!pk__schema_keyword(c, node, word, m)) {
            return false;
        }
    }
    if (node->arrays && dialect.draft == PK__SCHEMA_OF_07 && node->arrays->prefix.nodes) {
        node->arrays->items = node->arrays->additional;
    }
    return true;
}

PK__FN pk__schema_node *pk__schema_compile(pk__schema_compiler *c, const pk__schema_node *where,
                                           const pk__schema_resource *home)
{
    char got[PK__SCHEMA_SHOWN];
    pk__schema_node *node = pk__schema_node_at(c, where->at);
    if (node) {
        return node;
    }
    node = (pk__schema_node *)pk__schema_get(c, sizeof(*node));
    if (!node) {
        return NULL;
    }
    *node = *where;
    node->home = home;
    if (!pk__map_put(&c->nodes, pk__schema_address(&node->at), node)) {
        (void)pk__error_memory(c->err, "compile a schema");
        return NULL;
    }
    if (pk_json_type_of(node->at) == PK_JSON_BOOL) {
        node->fits_all = pk_json_bool(node->at, false);
        node->fits_none = !node->fits_all;
        return node;
    }
    const char *why = pk__schema_misfit(c->run, PK__SCHEMA_IS_ONE, node->at);
    if (why) {
        (void)pk__schema_wrong(c, node, "", PK_ERR_PARSE, "expected %s, got %s", why, pk__schema_show(node->at, got));
        return NULL;
    }
    return pk__schema_enter(c, node) || !pk__schema_keywords(c, node) ? NULL : node;
}

/* ---- the whole */

static pk_err pk__schema_build(pk__schema_compiler *c, pk_str text)
{
    pk_err rc = pk__schema_document(c, pk_str_from(c->desc->uri), text, &c->schema->root);
    rc = rc ? rc : pk__schema_resolve_all(c);
    c->schema->home = rc ? NULL : c->schema->root->home;
    return rc;
}

PK_API pk_err pk_schema_create(pk_schema **out, pk_str text, const pk_schema_desc *desc, pk_error *err)
{
    static const pk_schema_desc nothing;
    pk__schema_compiler c;
    pk__schema_run run;
    pk_error own;
    memset(&c, 0, sizeof(c));
    memset(&run, 0, sizeof(run));
    *out = NULL;
    c.desc = desc ? desc : &nothing;
    c.err = err ? err : &own;
    c.schema = (pk_schema *)pk__new(c.desc->alloc, sizeof(*c.schema));
    if (!c.schema) {
        return pk__error_memory(err, "compile a schema");
    }
    c.schema->alloc = c.schema->mem.alloc = c.scratch.alloc = run.alloc = c.desc->alloc;
    c.schema->max_steps = c.desc->max_steps ? c.desc->max_steps : (uint64_t)PK__SCHEMA_STEPS;
    run.steps = PK__SCHEMA_STEPS;
    c.mem = &c.schema->mem;
    c.run = &run;
    pk__map_init(&c.nodes, c.desc->alloc);
    pk__map_init(&c.resources, c.desc->alloc);
    pk_err rc = pk__schema_build(&c, text);
    pk__map_deinit(&c.nodes);
    pk__map_deinit(&c.resources);
    pk_mem_free(&c.scratch);
    if (rc) {
        pk_schema_destroy(c.schema);
        return rc;
    }
    *out = c.schema;
    return PK_OK;
}

PK_API void pk_schema_destroy(pk_schema *s)
{
    if (s) {
        pk_mem_free(&s->mem);
        pk__free(s->alloc, s, sizeof(*s));
    }
}

#endif
