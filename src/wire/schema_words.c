/* schema_words.c - the keywords of JSON Schema: which there are, and what may stand behind them. The schemas that
 * describe schemas say the same in ten kilobytes. */
#ifdef PLUGKIT_WITH_SCHEMA
#include <string.h>

#include "../base/words.h"
#include "schema.h"

typedef struct pk__schema_row {
    uint8_t shape, vocabulary, draft;
} pk__schema_row;

static const pk__schema_row pk__schema_rows[] = {
#define PK__SCHEMA_ROW(name, text, shape, vocabulary, draft)                                                   \
    {PK__SCHEMA_IS_##shape, PK__SCHEMA_IN_##vocabulary, PK__SCHEMA_OF_##draft},
    PK__SCHEMA_WORDS(PK__SCHEMA_ROW)
};

#define PK__SCHEMA_TEXT(name, text, shape, vocabulary, draft) text "\0"
static const char pk__schema_texts[] = PK__SCHEMA_WORDS(PK__SCHEMA_TEXT);

PK__FN pk__schema_word pk__schema_word_of(pk__schema_dialect dialect, pk_str name)
{
    const char *text = pk__schema_texts;
    for (unsigned word = 0; word < PK__SCHEMA_WORD_COUNT; word++) {
        const pk__schema_row *row = &pk__schema_rows[word];
        size_t len = strlen(text);
        if (name.len == len && memcmp(name.ptr, text, len) == 0 && (row->draft & dialect.draft) &&
            (row->vocabulary & dialect.vocabularies)) {
            return (pk__schema_word)word;
        }
        text += len + 1;
    }
    return PK__SCHEMA_WORD_COUNT;
}

PK__FN const char *pk__schema_word_text(pk__schema_word word)
{
    return pk__words_at(pk__schema_texts, word);
}

PK__FN pk__schema_shape pk__schema_shape_of(pk__schema_word word)
{
    return (pk__schema_shape)pk__schema_rows[word].shape;
}

/* ---- what they are called from outside */

static const char pk__schema_vocabularies[] = "core\0applicator\0unevaluated\0validation\0meta-data\0"
                                              "format-annotation\0content\0format-assertion\0";

static unsigned pk__schema_vocabulary_named(pk_str name)
{
    const char *text = pk__schema_vocabularies;
    for (unsigned bit = 1; *text; bit <<= 1, text += strlen(text) + 1) {
        if (pk_str_is(name, text)) {
            return bit;
        }
    }
    return 0;
}

/* What follows `prefix`, which begins behind "http:" or "https:". */
static bool pk__schema_behind(pk_str uri, const char *prefix, pk_str *rest)
{
    pk_str scheme;
    size_t len = strlen(prefix);
    if (!pk_str_cut(uri, ':', &scheme, rest) || (!pk_str_is(scheme, "http") && !pk_str_is(scheme, "https")) ||
        rest->len < len || memcmp(rest->ptr, prefix, len) != 0) {
        return false;
    }
    rest->ptr += len;
    rest->len -= len;
    return true;
}

PK__FN unsigned pk__schema_vocabulary(pk_str uri)
{
    pk_str name;
    return pk__schema_behind(uri, "//json-schema.org/draft/2020-12/vocab/", &name) ? pk__schema_vocabulary_named(name)
                                                                                    : 0;
}

PK__FN bool pk__schema_is_built_in(pk_str uri, pk__schema_dialect *out)
{
    pk_str name;
    if (!pk__schema_behind(uri, "//json-schema.org/draft", &name)) {
        return false;
    }
    out->draft = PK__SCHEMA_OF_2020;
    out->vocabularies = PK__SCHEMA_IN_ALL;
    if (pk_str_is(name, "-07/schema")) {
        out->draft = PK__SCHEMA_OF_07;
    } else if (pk_str_starts(name, PK_STR("/2020-12/meta/"))) {
        name.ptr += 14;
        name.len -= 14;
        unsigned bit = pk__schema_vocabulary_named(name);
        out->vocabularies = bit == PK__SCHEMA_IN_FORMAT_ASSERTION ? PK__SCHEMA_IN_FORMAT : bit;
    } else if (!pk_str_is(name, "/2020-12/schema")) {
        return false;
    }
    return out->vocabularies != 0;
}

PK__FN unsigned pk__schema_type_bit(pk_str name)
{
    const char *text = "null\0boolean\0number\0string\0array\0object\0integer\0";
    for (unsigned bit = 1 << PK_JSON_NULL; *text; bit <<= 1, text += strlen(text) + 1) {
        if (pk_str_is(name, text)) {
            return bit;
        }
    }
    return 0;
}

/* ---- what stands behind a keyword */

static bool pk__schema_is_flags(const pk_json_value *v)
{
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        if (pk_json_type_of(m) != PK_JSON_BOOL) {
            return false;
        }
    }
    return pk_json_type_of(v) == PK_JSON_OBJECT;
}

static bool pk__schema_is_names(pk__schema_run *run, const pk_json_value *v)
{
    size_t first, second;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        if (pk_json_type_of(m) != PK_JSON_STRING) {
            return false;
        }
    }
    return pk_json_type_of(v) == PK_JSON_ARRAY && !pk__schema_has_equal_items(run, v, &first, &second);
}

static bool pk__schema_is_type(pk__schema_run *run, const pk_json_value *v)
{
    if (pk_json_type_of(v) == PK_JSON_STRING) {
        return pk__schema_type_bit(pk_json_str(v)) != 0;
    }
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        if (!pk__schema_type_bit(pk_json_str(m))) {
            return false;
        }
    }
    return pk_json_count(v) > 0 && pk__schema_is_names(run, v);
}

/* The first may be no digit, dash or dot. */
static bool pk__schema_is_anchor(pk_str name)
{
    bool good = name.len > 0;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
               (i > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
    }
    return good;
}

/* A map, of whose members those that are no schemas must be lists of names. */
static bool pk__schema_is_names_map(pk__schema_run *run, const pk_json_value *v, bool or_schemas)
{
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        bool is_list = pk_json_type_of(m) == PK_JSON_ARRAY;
        if (is_list ? !pk__schema_is_names(run, m) : !or_schemas) {
            return false;
        }
    }
    return pk_json_type_of(v) == PK_JSON_OBJECT;
}

static bool pk__schema_is_number(const pk_json_value *v, bool positive, bool count)
{
    if (pk_json_type_of(v) != PK_JSON_NUMBER) {
        return false;
    }
    pk__decimal d = pk__decimal_from(pk_json_number_text(v));
    return (!positive || (d.count > 0 && !d.negative)) && (!count || (!d.negative && pk__decimal_is_integer(&d)));
}

PK__FN const char *pk__schema_misfit(pk__schema_run *run, pk__schema_shape shape, const pk_json_value *v)
{
    pk_json_type type = pk_json_type_of(v);
    pk_str text = pk_json_str(v);
    bool is_schema = type == PK_JSON_OBJECT || type == PK_JSON_BOOL;
    bool is_list = type == PK_JSON_ARRAY && pk_json_count(v) > 0;
    switch (shape) {
    case PK__SCHEMA_IS_ANY: return NULL;
    case PK__SCHEMA_IS_STRING: return type == PK_JSON_STRING ? NULL : "a string";
    case PK__SCHEMA_IS_ID: {
        const char *hash = text.len ? (const char *)memchr(text.ptr, '#', text.len) : NULL;
        return type == PK_JSON_STRING && (!hash || hash + 1 == text.ptr + text.len) ? NULL
                                                                                    : "a URI without fragment";
    }
    case PK__SCHEMA_IS_ANCHOR:
        return pk__schema_is_anchor(text) ? NULL : "a name of letters, digits, '_', '-' and '.'";
    case PK__SCHEMA_IS_FLAG: return type == PK_JSON_BOOL ? NULL : "true or false";
    case PK__SCHEMA_IS_FLAGS: return pk__schema_is_flags(v) ? NULL : "an object of true or false";
    case PK__SCHEMA_IS_NUMBER: return type == PK_JSON_NUMBER ? NULL : "a number";
    case PK__SCHEMA_IS_POSITIVE: return pk__schema_is_number(v, true, false) ? NULL : "a number above 0";
    case PK__SCHEMA_IS_COUNT: return pk__schema_is_number(v, false, true) ? NULL : "an integer, 0 or more";
    case PK__SCHEMA_IS_TYPE:
        return pk__schema_is_type(run, v) ? NULL : "a type's name, or an array of different ones";
    case PK__SCHEMA_IS_ARRAY: return type == PK_JSON_ARRAY ? NULL : "an array";
    case PK__SCHEMA_IS_NAMES: return pk__schema_is_names(run, v) ? NULL : "an array of different strings";
    case PK__SCHEMA_IS_NAMES_MAP:
        return pk__schema_is_names_map(run, v, false) ? NULL : "an object of arrays of different strings";
    case PK__SCHEMA_IS_ONE: return is_schema ? NULL : "a schema: an object, true or false";
    case PK__SCHEMA_IS_LIST: return is_list ? NULL : "an array of schemas, at least one";
    case PK__SCHEMA_IS_ONE_OR_LIST: return is_schema || is_list ? NULL : "a schema, or an array of them";
    case PK__SCHEMA_IS_MAP: return type == PK_JSON_OBJECT ? NULL : "an object of schemas";
    default:
        return pk__schema_is_names_map(run, v, true) ? NULL : "an object of schemas or of arrays of different strings";
    }
}

/* ---- is this a schema? */

static bool pk__schema_is_schema_at(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *outer,
                                    const pk_json_value *v, size_t index)
{
    pk__schema_place place = {outer, v, {NULL, 0}, index, outer->depth + 1};
    if (pk_json_type_of(outer->value) == PK_JSON_OBJECT) {
        place.key = pk_json_key(v);
    }
    return pk__schema_is_schema(run, node, &place);
}

static PK__SCHEMA_APART bool pk__schema_is_word(pk__schema_run *run, const pk__schema_node *node,
                                                pk__schema_shape shape, const pk__schema_place *place)
{
    char got[PK__SCHEMA_SHOWN];
    const pk_json_value *v = place->value;
    const char *why = pk__schema_misfit(run, shape, v);
    if (why) {
        (void)pk__schema_say(run, node, "", place, "expected %s, got %s", why, pk__schema_show(v, got));
    }
    if (why || run->failed) {
        return false;
    }
    bool is_one = shape == PK__SCHEMA_IS_ONE ||
                  (shape == PK__SCHEMA_IS_ONE_OR_LIST && pk_json_type_of(v) != PK_JSON_ARRAY);
    if (shape < PK__SCHEMA_IS_ONE || is_one) {
        return !is_one || pk__schema_is_schema(run, node, place);
    }
    bool good = true;
    size_t index = 0;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m), index++) {
        bool is_names = shape == PK__SCHEMA_IS_MIXED && pk_json_type_of(m) == PK_JSON_ARRAY;
        good = (is_names || pk__schema_is_schema_at(run, node, place, m, index)) && good;
        if (!good && !pk__schema_goes_on(run)) {
            return false;
        }
    }
    return good;
}

PK__FN PK__SCHEMA_APART bool pk__schema_is_schema(pk__schema_run *run, const pk__schema_node *node,
                                                  const pk__schema_place *place)
{
    char got[PK__SCHEMA_SHOWN];
    const pk_json_value *v = place->value;
    bool good = true;
    if (!v || pk__schema_misfit(run, PK__SCHEMA_IS_ONE, v)) {
        (void)pk__schema_say(run, node, "", place, "expected a schema: an object, true or false, got %s",
                             pk__schema_show_at(place, got));
        return false;
    }
    if (!pk__schema_deeper(run)) {
        return false;
    }
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        pk__schema_place member = {place, m, pk_json_key(m), 0, place->depth + 1};
        pk__schema_word word = pk__schema_word_of(node->described, member.key);
        if (word == PK__SCHEMA_WORD_COUNT) {
            continue;
        }
        good = pk__schema_step(run, 1) && pk__schema_is_word(run, node, pk__schema_shape_of(word), &member) && good;
        if (!good && !pk__schema_goes_on(run)) {
            break;
        }
    }
    run->depth--;
    return good;
}

#endif
