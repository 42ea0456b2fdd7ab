/* schema_check.c - does a value fit a schema. */
#ifdef PLUGKIT_WITH_SCHEMA
#include <string.h>

#include "../base/error.h"
#include "format.h"
#include "schema.h"

/* ---- the run */

PK__FN bool pk__schema_fail(pk__schema_run *run, pk_err rc, const char *why)
{
    if (!run->failed) {
        run->failed = rc;
        run->why = why;
    }
    return false;
}

PK__FN bool pk__schema_step(pk__schema_run *run, uint64_t count)
{
    if (run->failed || count > run->steps) {
        return pk__schema_fail(run, PK_ERR_LIMIT, "it takes too many steps");
    }
    run->steps -= count;
    return true;
}

PK__FN bool pk__schema_deeper(pk__schema_run *run)
{
    if (run->depth == PLUGKIT_SCHEMA_DEPTH) {
        return pk__schema_fail(run, PK_ERR_LIMIT,
                               "too many schemas apply inside each other: does one refer to itself?");
    }
    run->depth++;
    return true;
}

PK__FN pk_json_type pk__schema_type_at(const pk__schema_place *place)
{
    return place->value ? pk_json_type_of(place->value) : PK_JSON_STRING;
}

PK__FN pk_str pk__schema_text_at(const pk__schema_place *place)
{
    return place->value ? pk_json_str(place->value) : place->key;
}

static bool pk__schema_equals(pk__schema_run *run, const pk__schema_place *place, const pk_json_value *other)
{
    return place->value ? pk__schema_equal(run, place->value, other) : pk__schema_equal_text(other, place->key);
}

/* ---- type, const, enum */

static const char *pk__schema_type_words(unsigned types, char out[64])
{
    static const char *const words[] = {"null", "boolean", "number", "string", "array", "object", "integer"};
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < PK__COUNT(words); i++) {
        if (types >> (i + 1) & 1) {
            unsigned behind = types >> (i + 1);
            const char *before = len == 0 ? "" : behind == 1 ? " or " : ", ";
            size_t size = strlen(before) + strlen(words[i]);
            if (len + size < 64) {
                memcpy(out + len, before, strlen(before));
                memcpy(out + len + strlen(before), words[i], strlen(words[i]) + 1);
                len += size;
            }
        }
    }
    return out;
}

static bool pk__schema_fits_type(const pk__schema_node *node, const pk__schema_place *place)
{
    pk_json_type type = pk__schema_type_at(place);
    if (node->types >> type & 1) {
        return true;
    }
    if (type != PK_JSON_NUMBER || !(node->types & PK__SCHEMA_INTEGER)) {
        return false;
    }
    pk__decimal d = pk__decimal_from(pk_json_number_text(place->value));
    return pk__decimal_is_integer(&d);
}

static PK__SCHEMA_APART bool pk__schema_say_type(pk__schema_run *run, const pk__schema_node *node,
                                                 const pk__schema_place *place)
{
    char words[64], got[PK__SCHEMA_SHOWN];
    (void)pk__schema_say(run, node, "type", place, "expected %s, got %s", pk__schema_type_words(node->types, words),
                         pk__schema_show_at(place, got));
    return false;
}

static PK__SCHEMA_APART bool pk__schema_say_choices(pk__schema_run *run, const pk__schema_node *node,
                                                    const pk__schema_place *place)
{
    char list[120] = "", one[PK__SCHEMA_SHOWN];
    size_t len = 0;
    for (const pk_json_value *v = pk_json_first(node->choices); v; v = pk_json_next(node->choices, v)) {
        const char *shown = pk__schema_show(v, one);
        size_t size = strlen(shown);
        if (len + size + 8 > sizeof(list)) {
            memcpy(list + len, ", ...", 6);
            break;
        }
        if (len) {
            memcpy(list + len, ", ", 2);
            len += 2;
        }
        memcpy(list + len, shown, size + 1);
        len += size;
    }
    return pk__schema_say(run, node, "enum", place, "expected one of %s, got %s", list, pk__schema_show_at(place, one));
}

static PK__SCHEMA_APART bool pk__schema_fits_values(pk__schema_run *run, const pk__schema_node *node,
                                                    const pk__schema_place *place)
{
    char wanted[PK__SCHEMA_SHOWN], got[PK__SCHEMA_SHOWN];
    bool good = true;
    if (node->constant && !pk__schema_equals(run, place, node->constant)) {
        good = false;
        if (!pk__schema_say(run, node, "const", place, "expected %s, got %s", pk__schema_show(node->constant, wanted),
                            pk__schema_show_at(place, got))) {
            return false;
        }
    }
    if (node->choices) {
        const pk_json_value *v = pk_json_first(node->choices);
        while (v && !run->failed && !pk__schema_equals(run, place, v)) {
            v = pk_json_next(node->choices, v);
        }
        if (!v || run->failed) {
            (void)pk__schema_say_choices(run, node, place);
            return false;
        }
    }
    return good;
}

/* ---- numbers */

/* -1, 1: the number may not be so far down, up; also not equal if it is strict. */
static PK__SCHEMA_APART bool pk__schema_fits_bound(pk__schema_run *run, const pk__schema_node *node,
                                                   const pk__schema_place *place, const pk__schema_bound *bound,
                                                   int side, bool strict)
{
    char got[PK__SCHEMA_SHOWN], limit[PK__SCHEMA_SHOWN];
    if (!bound->value) {
        return true;
    }
    pk__decimal d = pk__decimal_from(pk_json_number_text(place->value));
    int order = pk__decimal_compare(&d, &bound->number) * side;
    if (order < 0 || (order == 0 && !strict)) {
        return true;
    }
    const char *word = side < 0 ? (strict ? "exclusiveMinimum" : "minimum") : (strict ? "exclusiveMaximum" : "maximum");
    const char *says = side < 0 ? (strict ? "more than" : "at least") : (strict ? "less than" : "at most");
    (void)pk__schema_say(run, node, word, place, "expected %s %s, got %s", says, pk__schema_show(bound->value, limit),
                         pk__schema_show(place->value, got));
    return false;
}

static PK__SCHEMA_APART bool pk__schema_fits_number(pk__schema_run *run, const pk__schema_node *node,
                                                    const pk__schema_place *place)
{
    char got[PK__SCHEMA_SHOWN], wanted[PK__SCHEMA_SHOWN];
    const pk__schema_numbers *n = node->numbers;
    pk_str text = pk_json_number_text(place->value);
    bool good = pk__schema_step(run, 1 + text.len / 64) &&
                pk__schema_fits_bound(run, node, place, &n->minimum, -1, false) &&
                pk__schema_fits_bound(run, node, place, &n->exclusive_minimum, -1, true) &&
                pk__schema_fits_bound(run, node, place, &n->maximum, 1, false) &&
                pk__schema_fits_bound(run, node, place, &n->exclusive_maximum, 1, true);
    if (n->multiple_of && (good || pk__schema_goes_on(run))) {
        pk__decimal d = pk__decimal_from(text);
        if (!pk__decimal_is_multiple(&d, &n->divisor)) {
            (void)pk__schema_say(run, node, "multipleOf", place, "expected a multiple of %s, got %s",
                                 pk__schema_show(n->multiple_of, wanted), pk__schema_show(place->value, got));
            return false;
        }
    }
    return good;
}

/* ---- strings */

static size_t pk__schema_characters(pk_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += (text.ptr[i] & 0xC0) != 0x80;
    }
    return count;
}

static bool pk__schema_fits_length(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                   pk_str text)
{
    char got[PK__SCHEMA_SHOWN];
    const pk__schema_strings *s = node->strings;
    if (s->min == 0 && text.len <= s->max) { // as many characters as bytes at most
        return true;
    }
    size_t count = pk__schema_characters(text);
    if (count >= s->min && count <= s->max) {
        return true;
    }
    bool is_short = count < s->min;
    (void)pk__schema_say(run, node, is_short ? "minLength" : "maxLength", place,
                         "expected at %s %lu characters, got %lu in %s", is_short ? "least" : "most",
                         (unsigned long)(is_short ? s->min : s->max), (unsigned long)count,
                         pk__schema_show_at(place, got));
    return false;
}

static bool pk__schema_fits_pattern(pk__schema_run *run, const pk_pattern *pattern, pk_str text)
{
    if (!pk__schema_step(run, 1)) {
        return false;
    }
    int found = pk__pattern_run(pattern, text, &run->steps);
    return found < 0 ? pk__schema_fail(run, PK_ERR_LIMIT, "it takes too many steps") : found == 1;
}

static PK__SCHEMA_APART bool pk__schema_fits_string(pk__schema_run *run, const pk__schema_node *node,
                                                    const pk__schema_place *place)
{
    char got[PK__SCHEMA_SHOWN], shown[100];
    const pk__schema_strings *s = node->strings;
    pk_str text = pk__schema_text_at(place);
    bool good = pk__schema_step(run, 1 + text.len / 64) && pk__schema_fits_length(run, node, place, text);
    if (s->pattern && (good || pk__schema_goes_on(run)) && !pk__schema_fits_pattern(run, s->pattern, text)) {
        good = false;
        (void)pk__error_clean(shown, sizeof(shown), s->pattern_text);
        (void)pk__schema_say(run, node, "pattern", place, "expected text that matches '%s', got %s", shown,
                             pk__schema_show_at(place, got));
    }
    if (s->format && (good || pk__schema_goes_on(run))) {
        pk_err rc = pk__format_check(s->format, text, run->alloc);
        if (rc == PK_ERR_NO_MEMORY) {
            return pk__schema_fail(run, rc, "");
        }
        if (rc) {
            good = false;
            (void)pk__schema_say(run, node, "format", place, "expected %" PK_FMT ", got %s", PK_ARG(s->format_name),
                                 pk__schema_show_at(place, got));
        }
    }
    return good;
}

/* ---- a schema */

static bool pk__schema_fits_rest(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                 const pk__schema_seen *seen)
{
    pk_json_type type = pk__schema_type_at(place);
    bool good = pk__schema_fits_values(run, node, place);
    if (node->places && (good || pk__schema_goes_on(run))) {
        good = pk__schema_fits_places(run, node, place, seen) && good;
    }
    if (!good && !pk__schema_goes_on(run)) {
        return false;
    }
    if (type == PK_JSON_NUMBER && node->numbers) {
        good = pk__schema_fits_number(run, node, place) && good;
    } else if (type == PK_JSON_STRING && node->strings) {
        good = pk__schema_fits_string(run, node, place) && good;
    } else if (type == PK_JSON_ARRAY && node->arrays) {
        good = pk__schema_fits_array(run, node, place, seen) && good;
    } else if (type == PK_JSON_OBJECT && node->objects) {
        good = pk__schema_fits_object(run, node, place, seen) && good;
    }
    return good;
}

static bool pk__schema_fits_own(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                const pk__schema_seen *seen)
{
    if (node->is_built_in) {
        return pk__schema_is_schema(run, node, place);
    }
    if (node->types && !pk__schema_fits_type(node, place)) {
        return run->report ? pk__schema_say_type(run, node, place) : false;
    }
    pk_json_type type = pk__schema_type_at(place);
    bool has_more = type == PK_JSON_OBJECT  ? node->objects && node->objects->unevaluated
                    : type == PK_JSON_ARRAY ? node->arrays && node->arrays->unevaluated
                                            : false;
    if (!has_more) {
        return pk__schema_fits_rest(run, node, place, seen);
    }
    pk__schema_seen own;
    if (!pk__schema_seen_begin(run, place, &own)) {
        return false;
    }
    bool good = pk__schema_fits_rest(run, node, place, &own);
    if (good || pk__schema_goes_on(run)) {
        good = pk__schema_fits_unevaluated(run, node, place, &own) && good;
    }
    pk__schema_seen_end(run, &own);
    if (good) {
        pk__schema_mark_all(run, seen); // nothing is left over
    }
    return good;
}

PK__FN bool pk__schema_fits(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                            const pk__schema_seen *seen)
{
    if (!pk__schema_step(run, 1)) {
        return false;
    }
    if (node->fits_all) {
        return true;
    }
    if (node->fits_none) {
        (void)pk__schema_say(run, node, "", place, "it is not allowed");
        return false;
    }
    if (!pk__schema_deeper(run)) {
        return false;
    }
    const pk__schema_scope *outer = run->scope;
    pk__schema_scope scope = {outer, node->home};
    if (!outer || outer->resource != node->home) {
        run->scope = &scope;
    }
    bool good = pk__schema_fits_own(run, node, place, seen) && !run->failed;
    run->scope = outer;
    run->depth--;
    return good;
}

/* ---- the whole */

static bool pk__schema_run_once(const pk_schema *s, const pk_json_value *value, pk__schema_run *run,
                                pk__schema_report *report)
{
    pk__schema_place place = {NULL, value, {NULL, 0}, 0, 0};
    pk__schema_scope scope = {NULL, s->home};
    memset(run, 0, sizeof(*run));
    run->alloc = s->alloc;
    run->home = s->home;
    run->steps = s->max_steps;
    run->report = report;
    run->scope = &scope;
    pk_buf_init(&run->bits, s->alloc, (size_t)1 << 26);
    bool good = pk__schema_fits(run, s->root, &place, NULL);
    pk_buf_free(&run->bits);
    return good;
}

static pk_err pk__schema_broken(const pk__schema_run *run, pk_error *err)
{
    return run->failed == PK_ERR_NO_MEMORY
               ? pk__error_memory(err, "check a value")
               : pk_error_set(err, run->failed, "cannot check a value against its schema: %s", run->why);
}

PK_API pk_err pk_schema_faults(const pk_schema *s, const pk_json_value *value, pk_mem *mem, size_t max,
                               pk_schema_fault **out, size_t *count, pk_error *err)
{
    pk__schema_run run;
    pk__schema_report report;
    memset(&report, 0, sizeof(report));
    *out = NULL;
    *count = 0;
    if (!value) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot check a value: there is none");
    }
    if (pk__schema_run_once(s, value, &run, NULL) || run.failed) {
        return run.failed ? pk__schema_broken(&run, err) : PK_OK;
    }
    report.mem = mem;
    report.max = max ? max : 1;
    (void)pk__schema_run_once(s, value, &run, &report);
    if (run.failed == PK_ERR_NO_MEMORY) {
        return pk__schema_broken(&run, err);
    }
    if (report.count == 0) { // to say why takes more steps than to find out
        return pk_error_set(err, PK_ERR_SCHEMA, "it does not fit its schema; to say why takes too many steps");
    }
    *out = report.faults;
    *count = report.count;
    const pk_schema_fault *f = report.faults;
    return pk_error_set(err, PK_ERR_SCHEMA, "%" PK_FMT "%s%" PK_FMT, PK_ARG(f->path), f->path.len ? ": " : "",
                        PK_ARG(f->reason));
}

PK_API pk_err pk_schema_check(const pk_schema *s, const pk_json_value *value, pk_error *err)
{
    pk_mem mem = {s->alloc, NULL, NULL, 0};
    pk_schema_fault *faults;
    size_t count;
    pk_err rc = pk_schema_faults(s, value, &mem, 1, &faults, &count, err);
    pk_mem_free(&mem);
    return rc;
}

PK_API pk_err pk_schema_check_text(const pk_schema *s, pk_str text, pk_error *err)
{
    pk_mem mem = {s->alloc, NULL, NULL, 0};
    const pk_json_value *value;
    pk_err rc = pk_json_parse(&mem, text, &value, err);
    rc = rc ? rc : pk_schema_check(s, value, err);
    pk_mem_free(&mem);
    return rc;
}

#endif
