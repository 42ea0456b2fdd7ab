/* schema_apply.c - schemas that apply within: to members, to items, and to the value itself. */
#ifdef PLUGKIT_WITH_SCHEMA
#include <string.h>

#include "../base/error.h"
#include "schema.h"

/* ---- what was evaluated */

enum { PK__SCHEMA_BITS = 64 };

static size_t pk__schema_words_for(size_t count)
{
    return (count + PK__SCHEMA_BITS - 1) / PK__SCHEMA_BITS;
}

static uint64_t *pk__schema_bits(const pk__schema_run *run, const pk__schema_seen *seen)
{
    return (uint64_t *)(void *)run->bits.ptr + seen->at;
}

PK__FN bool pk__schema_seen_begin(pk__schema_run *run, const pk__schema_place *place, pk__schema_seen *seen)
{
    seen->count = pk_json_count(place->value);
    seen->at = run->bits.len / sizeof(uint64_t);
    size_t size = pk__schema_words_for(seen->count) * sizeof(uint64_t);
    if (!pk_buf_reserve(&run->bits, size)) {
        return pk__schema_fail(run, (pk_err)run->bits.failed, "it has too many members");
    }
    if (size) {
        memset(run->bits.ptr + run->bits.len, 0, size);
    }
    run->bits.len += size;
    return pk__schema_step(run, size / sizeof(uint64_t));
}

PK__FN void pk__schema_seen_end(pk__schema_run *run, const pk__schema_seen *seen)
{
    run->bits.len = seen->at * sizeof(uint64_t);
}

static void pk__schema_mark(const pk__schema_run *run, const pk__schema_seen *seen, size_t index)
{
    if (seen) {
        pk__schema_bits(run, seen)[index / PK__SCHEMA_BITS] |= UINT64_C(1) << index % PK__SCHEMA_BITS;
    }
}

static bool pk__schema_is_marked(const pk__schema_run *run, const pk__schema_seen *seen, size_t index)
{
    return (pk__schema_bits(run, seen)[index / PK__SCHEMA_BITS] >> index % PK__SCHEMA_BITS & 1) != 0;
}

PK__FN void pk__schema_mark_all(const pk__schema_run *run, const pk__schema_seen *seen)
{
    if (seen && seen->count) {
        memset(pk__schema_bits(run, seen), 0xFF, pk__schema_words_for(seen->count) * sizeof(uint64_t));
    }
}

/* Applies a schema that may fail: what it has seen counts only if it does not. */
static bool pk__schema_try(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                           const pk__schema_seen *seen)
{
    pk__schema_seen own;
    if (!seen) {
        return pk__schema_fits(run, node, place, NULL);
    }
    if (!pk__schema_seen_begin(run, place, &own)) {
        return false;
    }
    bool good = pk__schema_fits(run, node, place, &own);
    for (size_t i = 0; good && i < pk__schema_words_for(own.count); i++) {
        pk__schema_bits(run, seen)[i] |= pk__schema_bits(run, &own)[i];
    }
    pk__schema_seen_end(run, &own);
    return good;
}

/* The same, and nothing is said if it fails. */
static bool pk__schema_try_silently(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                    const pk__schema_seen *seen)
{
    pk__schema_report *report = run->report;
    run->report = NULL;
    bool good = pk__schema_try(run, node, place, seen);
    run->report = report;
    return good;
}

/* ---- in place */

/* Says which of the alternatives is the nearest: the one that fails deepest inside the value. Inside of another such
 * question they are simply more alternatives. */
static PK__SCHEMA_APART void pk__schema_say_none(pk__schema_run *run, const pk__schema_node *node,
                                                 const pk__schema_place *place, const pk__schema_list *list,
                                                 const char *word)
{
    char nearest[PK__SCHEMA_NEAREST];
    pk__schema_report *report = run->report, own;
    if (!report || (!report->nearest && !pk__schema_goes_on(run))) {
        return;
    }
    memset(&own, 0, sizeof(own));
    own.nearest = nearest;
    own.base = place->depth;
    run->report = report->nearest ? report : &own;
    for (size_t i = 0; i < list->count && !run->failed; i++) {
        (void)pk__schema_try(run, list->nodes[i], place, NULL);
    }
    run->report = report;
    if (!run->failed && own.count) {
        (void)pk__schema_say(run, node, word, place, list->count > 1 ? "fits none of %lu schemas; the nearest says: %s"
                                                                     : "does not fit the only one of %lu schemas: %s",
                             (unsigned long)list->count, nearest);
    }
}

static bool pk__schema_fits_any(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                const pk__schema_seen *seen)
{
    const pk__schema_list *list = &node->places->any_of;
    bool good = false;
    for (size_t i = 0; i < list->count && (!good || seen) && !run->failed; i++) {
        good = pk__schema_try_silently(run, list->nodes[i], place, seen) || good;
    }
    if (!good) {
        pk__schema_say_none(run, node, place, list, "anyOf");
    }
    return good;
}

static bool pk__schema_fits_one(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                const pk__schema_seen *seen)
{
    const pk__schema_list *list = &node->places->one_of;
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < list->count && !run->failed; i++) {
        if (!pk__schema_try_silently(run, list->nodes[i], place, seen)) {
            continue;
        }
        if (first != SIZE_MAX) {
            (void)pk__schema_say(run, node, "oneOf", place,
                                 "fits more than one of %lu schemas, number %lu and number %lu",
                                 (unsigned long)list->count, (unsigned long)first, (unsigned long)i);
            return false;
        }
        first = i;
    }
    if (first == SIZE_MAX) {
        pk__schema_say_none(run, node, place, list, "oneOf");
    }
    return first != SIZE_MAX;
}

/* The outermost resource that was entered and has a dynamic anchor of that name. */
static const pk__schema_node *pk__schema_dynamic(pk__schema_run *run, const pk__schema_places *p)
{
    const pk__schema_node *found = p->dynamic_ref;
    if (p->dynamic_name.len == 0) {
        return found;
    }
    for (const pk__schema_scope *s = run->scope; s && pk__schema_step(run, 1); s = s->outer) {
        for (const pk__schema_anchor *a = s->resource->anchors; a; a = a->next) {
            if (a->is_dynamic && pk_str_eq(a->name, p->dynamic_name)) {
                found = a->node;
            }
        }
    }
    return found;
}

static bool pk__schema_fits_if(pk__schema_run *run, const pk__schema_places *p, const pk__schema_place *place,
                               const pk__schema_seen *seen)
{
    if (!p->condition || (!p->then && !p->otherwise && !seen)) {
        return true;
    }
    const pk__schema_node *next = pk__schema_try_silently(run, p->condition, place, seen) ? p->then : p->otherwise;
    return !next || run->failed || pk__schema_fits(run, next, place, seen);
}

static bool pk__schema_fits_present(pk__schema_run *run, const pk__schema_places *p, const pk__schema_place *place,
                                    const pk__schema_seen *seen)
{
    bool good = true;
    for (size_t i = 0; i < p->if_present.count && pk__schema_type_at(place) == PK_JSON_OBJECT; i++) {
        const pk__schema_member *m = &p->if_present.items[i];
        if (pk__schema_get_member(run, place->value, m->key) && !pk__schema_fits(run, m->node, place, seen)) {
            good = false;
            if (!pk__schema_goes_on(run)) {
                break;
            }
        }
    }
    return good;
}

static PK__SCHEMA_APART bool pk__schema_fits_none(pk__schema_run *run, const pk__schema_node *node,
                                                  const pk__schema_place *place)
{
    char got[PK__SCHEMA_SHOWN];
    const pk__schema_node *none = node->places->none;
    if (!none || !pk__schema_try_silently(run, none, place, NULL) || run->failed) {
        return !run->failed;
    }
    (void)pk__schema_say(run, node, "not", place, "fits a schema that it must not fit: %s",
                         pk__schema_show_at(place, got));
    return false;
}

PK__FN bool pk__schema_fits_places(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                   const pk__schema_seen *seen)
{
    const pk__schema_places *p = node->places;
    bool good = true;
    if (p->ref) {
        good = pk__schema_fits(run, p->ref, place, seen);
    }
    if (p->dynamic_ref && (good || pk__schema_goes_on(run))) {
        good = pk__schema_fits(run, pk__schema_dynamic(run, p), place, seen) && good;
    }
    for (size_t i = 0; i < p->all_of.count && (good || pk__schema_goes_on(run)); i++) {
        good = pk__schema_fits(run, p->all_of.nodes[i], place, seen) && good;
    }
    if (p->any_of.nodes && (good || pk__schema_goes_on(run))) {
        good = pk__schema_fits_any(run, node, place, seen) && good;
    }
    if (p->one_of.nodes && (good || pk__schema_goes_on(run))) {
        good = pk__schema_fits_one(run, node, place, seen) && good;
    }
    if (good || pk__schema_goes_on(run)) {
        good = pk__schema_fits_none(run, node, place) && good;
    }
    if (good || pk__schema_goes_on(run)) {
        good = pk__schema_fits_if(run, p, place, seen) && good;
    }
    if (good || pk__schema_goes_on(run)) {
        good = pk__schema_fits_present(run, p, place, seen) && good;
    }
    return good;
}

/* ---- objects */

static const pk__schema_member *pk__schema_property(const pk__schema_members *m, pk_str key)
{
    size_t from = 0, to = m->count;
    while (from < to) {
        size_t half = (from + to) / 2;
        pk_str other = m->items[half].key;
        int order = key.len && other.len ? memcmp(key.ptr, other.ptr, PK__MIN(key.len, other.len)) : 0;
        order = order ? order : (key.len > other.len) - (key.len < other.len);
        if (order == 0) {
            return &m->items[half];
        }
        from = order > 0 ? half + 1 : from;
        to = order > 0 ? to : half;
    }
    return NULL;
}

/* A key that additionalProperties or unevaluatedProperties forbid altogether: say which there are instead. */
static PK__SCHEMA_APART void pk__schema_say_unknown(pk__schema_run *run, const pk__schema_node *node, const char *word,
                                                    const pk__schema_place *place)
{
    char list[120] = "", one[40];
    size_t len = 0;
    const pk__schema_members *m = &node->objects->properties;
    for (size_t i = 0; run->report && i < m->count; i++) {
        size_t size = pk__error_clean(one, sizeof(one), m->items[i].key);
        if (len + size + 8 > sizeof(list)) {
            memcpy(list + len, ", ...", 6);
            break;
        }
        if (len) {
            memcpy(list + len, ", ", 2);
            len += 2;
        }
        memcpy(list + len, one, size + 1);
        len += size;
    }
    (void)pk__schema_say(run, node, word, place, "this key is not known%s%s", len ? "; there is " : "", list);
}

/* The rest of a member's life: nothing but additional- or unevaluatedProperties has to do with it. */
static bool pk__schema_fits_other(pk__schema_run *run, const pk__schema_node *node, const pk__schema_node *other,
                                  const char *word, const pk__schema_place *place)
{
    if (other->fits_none) {
        pk__schema_say_unknown(run, node, word, place);
        return false;
    }
    return pk__schema_fits(run, other, place, NULL);
}

static bool pk__schema_fits_member(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                   bool *is_known)
{
    const pk__schema_objects *o = node->objects;
    bool good = true;
    *is_known = false;
    if (o->names) {
        pk__schema_place key = {place->outer, NULL, place->key, 0, place->depth};
        good = pk__schema_fits(run, o->names, &key, NULL);
    }
    const pk__schema_member *property = pk__schema_property(&o->properties, place->key);
    if (property) {
        *is_known = true;
        good = (good || pk__schema_goes_on(run)) && pk__schema_fits(run, property->node, place, NULL) && good;
    }
    for (size_t i = 0; i < o->patterns.count && (good || pk__schema_goes_on(run)); i++) {
        const pk__schema_member *m = &o->patterns.items[i];
        if (!pk__schema_step(run, 1)) {
            return false;
        }
        int found = pk__pattern_run(m->pattern, place->key, &run->steps);
        if (found < 0) {
            return pk__schema_step(run, UINT64_MAX);
        }
        if (found) {
            *is_known = true;
            good = pk__schema_fits(run, m->node, place, NULL) && good;
        }
    }
    if (!*is_known && o->additional && (good || pk__schema_goes_on(run))) {
        *is_known = true;
        good = pk__schema_fits_other(run, node, o->additional, "additionalProperties", place) && good;
    }
    return good;
}

static bool pk__schema_fits_members(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                    const pk__schema_seen *seen)
{
    bool good = true, is_known = false;
    size_t index = 0;
    const pk_json_value *v = place->value;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m), index++) {
        pk__schema_place member = {place, m, pk_json_key(m), 0, place->depth + 1};
        good = pk__schema_step(run, 1) && pk__schema_fits_member(run, node, &member, &is_known) && good;
        if (is_known) {
            pk__schema_mark(run, seen, index);
        }
        if (!good && !pk__schema_goes_on(run)) {
            return false;
        }
    }
    return good;
}

static PK__SCHEMA_APART bool pk__schema_fits_required(pk__schema_run *run, const pk__schema_node *node,
                                                      const pk__schema_place *place, const pk_json_value *names,
                                                      const char *word, pk_str because)
{
    char shown[60], reason[60];
    bool good = true;
    const pk_json_value *n = pk_json_first(names);
    for (; n && (good || pk__schema_goes_on(run)); n = pk_json_next(names, n)) {
        if (!pk__schema_get_member(run, place->value, pk_json_str(n))) {
            (void)pk__error_clean(shown, sizeof(shown), pk_json_str(n));
            (void)pk__error_clean(reason, sizeof(reason), because);
            (void)pk__schema_say(run, node, word, place, because.ptr ? "\"%s\" is missing, which \"%s\" needs"
                                                                     : "\"%s\" is missing", shown, reason);
            good = false;
        }
    }
    return good;
}

static PK__SCHEMA_APART bool pk__schema_fits_count(pk__schema_run *run, const pk__schema_node *node,
                                                   const pk__schema_place *place, size_t min, size_t max)
{
    size_t count = pk_json_count(place->value);
    bool is_array = pk__schema_type_at(place) == PK_JSON_ARRAY, is_short = count < min;
    if (!is_short && count <= max) {
        return true;
    }
    const char *word = is_array ? (is_short ? "minItems" : "maxItems") : (is_short ? "minProperties" : "maxProperties");
    (void)pk__schema_say(run, node, word, place, "expected at %s %lu %s, got %lu", is_short ? "least" : "most",
                         (unsigned long)(is_short ? min : max), is_array ? "items" : "members", (unsigned long)count);
    return false;
}

PK__FN bool pk__schema_fits_unevaluated(pk__schema_run *run, const pk__schema_node *node,
                                        const pk__schema_place *place, const pk__schema_seen *seen)
{
    bool is_array = pk__schema_type_at(place) == PK_JSON_ARRAY, good = true;
    const pk__schema_node *other = is_array ? node->arrays->unevaluated : node->objects->unevaluated;
    size_t index = 0;
    const pk_json_value *v = place->value;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m), index++) {
        pk__schema_place one = {place, m, {NULL, 0}, index, place->depth + 1};
        if (!pk__schema_step(run, 1) || pk__schema_is_marked(run, seen, index)) {
            continue;
        }
        if (is_array) {
            good = pk__schema_fits(run, other, &one, NULL) && good;
        } else {
            one.key = pk_json_key(m);
            good = pk__schema_fits_other(run, node, other, "unevaluatedProperties", &one) && good;
        }
        if (!good && !pk__schema_goes_on(run)) {
            return false;
        }
    }
    return good;
}

PK__FN bool pk__schema_fits_object(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                   const pk__schema_seen *seen)
{
    const pk__schema_objects *o = node->objects;
    const pk_str nobody = {NULL, 0};
    bool good = pk__schema_fits_count(run, node, place, o->min, o->max);
    if (o->required && (good || pk__schema_goes_on(run))) {
        good = pk__schema_fits_required(run, node, place, o->required, "required", nobody) && good;
    }
    for (size_t i = 0; i < o->need_count && (good || pk__schema_goes_on(run)); i++) {
        const pk__schema_need *n = &o->needs[i];
        if (pk__schema_get_member(run, place->value, n->key)) {
            good = pk__schema_fits_required(run, node, place, n->names, pk__schema_word_text(n->word), n->key) && good;
        }
    }
    if ((o->properties.count || o->patterns.count || o->additional || o->names) && (good || pk__schema_goes_on(run))) {
        good = pk__schema_fits_members(run, node, place, seen) && good;
    }
    return good;
}

/* ---- arrays */

static PK__SCHEMA_APART bool pk__schema_fits_contains(pk__schema_run *run, const pk__schema_node *node,
                                                      const pk__schema_place *place, const pk__schema_seen *seen)
{
    const pk__schema_arrays *a = node->arrays;
    size_t index = 0, found = 0;
    const pk_json_value *v = place->value;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m), index++) {
        pk__schema_place item = {place, m, {NULL, 0}, index, place->depth + 1};
        if (pk__schema_try_silently(run, a->contains, &item, NULL)) {
            pk__schema_mark(run, seen, index);
            found++;
        }
        bool is_enough = found >= a->min_contains && a->max_contains == SIZE_MAX && !seen;
        if (run->failed || found > a->max_contains || is_enough) {
            break;
        }
    }
    if (run->failed) {
        return false;
    }
    if (found < a->min_contains) {
        (void)pk__schema_say(run, node, a->min_contains == 1 ? "contains" : "minContains", place,
                             "expected at least %lu items that fit, found %lu", (unsigned long)a->min_contains,
                             (unsigned long)found);
        return false;
    }
    if (found > a->max_contains) {
        (void)pk__schema_say(run, node, "maxContains", place, "expected at most %lu items that fit, found more",
                             (unsigned long)a->max_contains);
        return false;
    }
    return true;
}

static PK__SCHEMA_APART bool pk__schema_fits_unique(pk__schema_run *run, const pk__schema_node *node,
                                                    const pk__schema_place *place)
{
    size_t first, second;
    if (!pk__schema_has_equal_items(run, place->value, &first, &second)) {
        return !run->failed;
    }
    (void)pk__schema_say(run, node, "uniqueItems", place, "items %lu and %lu are the same", (unsigned long)first,
                         (unsigned long)second);
    return false;
}

static bool pk__schema_fits_items(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                  const pk__schema_seen *seen)
{
    const pk__schema_arrays *a = node->arrays;
    bool good = true;
    size_t index = 0;
    const pk_json_value *v = place->value;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m), index++) {
        const pk__schema_node *schema = index < a->prefix.count ? a->prefix.nodes[index] : a->items;
        if (!schema) {
            return good;
        }
        pk__schema_place item = {place, m, {NULL, 0}, index, place->depth + 1};
        good = pk__schema_fits(run, schema, &item, NULL) && good;
        pk__schema_mark(run, seen, index);
        if (!good && !pk__schema_goes_on(run)) {
            return false;
        }
    }
    return good;
}

PK__FN bool pk__schema_fits_array(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                  const pk__schema_seen *seen)
{
    const pk__schema_arrays *a = node->arrays;
    bool good = pk__schema_fits_count(run, node, place, a->min, a->max);
    if ((a->prefix.nodes || a->items) && (good || pk__schema_goes_on(run))) {
        good = pk__schema_fits_items(run, node, place, seen) && good;
    }
    if (a->contains && (good || pk__schema_goes_on(run))) {
        good = pk__schema_fits_contains(run, node, place, seen) && good;
    }
    if (a->unique && (good || pk__schema_goes_on(run))) {
        good = pk__schema_fits_unique(run, node, place) && good;
    }
    return good;
}

#endif
