/* schema.h - JSON Schema: what a schema becomes, and how a value is held against it.
 *
 *     schema_words.c     the keywords: what may stand behind each of them, in which draft
 *     schema_compile.c   from the document to nodes
 *     schema_refs.c      what $ref, $id and $anchor mean; further documents
 *     schema_check.c     does a value fit a node
 *     schema_apply.c     the same for objects and arrays, and for schemas that apply to the same value
 *     schema_equal.c     equal values, different items
 *     schema_say.c       where something does not fit, and why, in words
 *
 * Compiling goes through a document once. Each place where a schema stands becomes a node, and each node belongs to a
 * resource: the nearest $id around it, which relative $refs and anchors are of. What a node says is sorted into groups
 * (numbers, strings, arrays, objects, and what applies in place), each of them there only if it says something: a
 * number meets the group of numbers and no other. $refs are noted and resolved when the document is through; that may
 * bring in the next document, and so on until nothing is left to do. All of it lives in one pk_mem, documents included,
 * and never changes afterwards.
 *
 * Checking recurses through nodes and values at once. It is done twice if something does not fit: the first time only
 * whether, until the first mistake; the second time with a report that makes sentences. What must be known of the way
 * there is on the stack: places (for paths), and scopes (which resources were entered: $dynamicRef looks for the
 * outermost). unevaluatedProperties and -Items need to know which members and items were looked at by what succeeded:
 * a node with one of them has a set of bits, which it passes on to all that applies in place; what may fail without
 * harm (anyOf, if ...) gets a set of its own, which is added when it has succeeded.
 *
 * What bounds the work: `depth` on the stack, `steps` for everything that is done as often as a schema or a value wants
 * it. Both are errors, never answers. */
#ifndef PK__SCHEMA_H
#define PK__SCHEMA_H
#ifdef PLUGKIT_WITH_SCHEMA
#include "../base/map.h"
#include "../base/memory.h"
#include "decimal.h"
#include "pattern.h"

/* Functions with texts in them, called from those that recurse: not to be part of their frames. */
#ifdef __GNUC__
#define PK__SCHEMA_APART __attribute__((noinline))
#else
#define PK__SCHEMA_APART
#endif

/* ---- keywords. W(NAME, "text", what may stand there, vocabulary, drafts) */
#define PK__SCHEMA_WORDS(W)                                                                                   \
    W(SCHEMA, "$schema", STRING, CORE, BOTH)                                                                   \
    W(ID, "$id", ID, CORE, 2020)                                                                               \
    W(ID_07, "$id", STRING, CORE, 07)                                                                          \
    W(REF, "$ref", STRING, CORE, BOTH)                                                                         \
    W(ANCHOR, "$anchor", ANCHOR, CORE, 2020)                                                                   \
    W(DYNAMIC_REF, "$dynamicRef", STRING, CORE, 2020)                                                          \
    W(DYNAMIC_ANCHOR, "$dynamicAnchor", ANCHOR, CORE, 2020)                                                    \
    W(VOCABULARY, "$vocabulary", FLAGS, CORE, 2020)                                                            \
    W(COMMENT, "$comment", STRING, CORE, BOTH)                                                                 \
    W(DEFS, "$defs", MAP, CORE, 2020)                                                                          \
    W(DEFINITIONS, "definitions", MAP, CORE, BOTH)                                                             \
    W(ALL_OF, "allOf", LIST, APPLICATOR, BOTH)                                                                 \
    W(ANY_OF, "anyOf", LIST, APPLICATOR, BOTH)                                                                 \
    W(ONE_OF, "oneOf", LIST, APPLICATOR, BOTH)                                                                 \
    W(NOT, "not", ONE, APPLICATOR, BOTH)                                                                       \
    W(IF, "if", ONE, APPLICATOR, BOTH)                                                                         \
    W(THEN, "then", ONE, APPLICATOR, BOTH)                                                                     \
    W(ELSE, "else", ONE, APPLICATOR, BOTH)                                                                     \
    W(DEPENDENT_SCHEMAS, "dependentSchemas", MAP, APPLICATOR, 2020)                                            \
    W(DEPENDENCIES, "dependencies", MIXED, APPLICATOR, BOTH)                                                   \
    W(PREFIX_ITEMS, "prefixItems", LIST, APPLICATOR, 2020)                                                     \
    W(ITEMS, "items", ONE, APPLICATOR, 2020)                                                                   \
    W(ITEMS_07, "items", ONE_OR_LIST, APPLICATOR, 07)                                                          \
    W(ADDITIONAL_ITEMS, "additionalItems", ONE, APPLICATOR, 07)                                                \
    W(CONTAINS, "contains", ONE, APPLICATOR, BOTH)                                                             \
    W(PROPERTIES, "properties", MAP, APPLICATOR, BOTH)                                                         \
    W(PATTERN_PROPERTIES, "patternProperties", MAP, APPLICATOR, BOTH)                                          \
    W(ADDITIONAL_PROPERTIES, "additionalProperties", ONE, APPLICATOR, BOTH)                                    \
    W(PROPERTY_NAMES, "propertyNames", ONE, APPLICATOR, BOTH)                                                  \
    W(UNEVALUATED_ITEMS, "unevaluatedItems", ONE, UNEVALUATED, 2020)                                           \
    W(UNEVALUATED_PROPERTIES, "unevaluatedProperties", ONE, UNEVALUATED, 2020)                                 \
    W(TYPE, "type", TYPE, VALIDATION, BOTH)                                                                    \
    W(CONST, "const", ANY, VALIDATION, BOTH)                                                                   \
    W(ENUM, "enum", ARRAY, VALIDATION, BOTH)                                                                   \
    W(MULTIPLE_OF, "multipleOf", POSITIVE, VALIDATION, BOTH)                                                   \
    W(MAXIMUM, "maximum", NUMBER, VALIDATION, BOTH)                                                            \
    W(EXCLUSIVE_MAXIMUM, "exclusiveMaximum", NUMBER, VALIDATION, BOTH)                                         \
    W(MINIMUM, "minimum", NUMBER, VALIDATION, BOTH)                                                            \
    W(EXCLUSIVE_MINIMUM, "exclusiveMinimum", NUMBER, VALIDATION, BOTH)                                         \
    W(MAX_LENGTH, "maxLength", COUNT, VALIDATION, BOTH)                                                        \
    W(MIN_LENGTH, "minLength", COUNT, VALIDATION, BOTH)                                                        \
    W(PATTERN, "pattern", STRING, VALIDATION, BOTH)                                                            \
    W(MAX_ITEMS, "maxItems", COUNT, VALIDATION, BOTH)                                                          \
    W(MIN_ITEMS, "minItems", COUNT, VALIDATION, BOTH)                                                          \
    W(UNIQUE_ITEMS, "uniqueItems", FLAG, VALIDATION, BOTH)                                                     \
    W(MAX_CONTAINS, "maxContains", COUNT, VALIDATION, 2020)                                                    \
    W(MIN_CONTAINS, "minContains", COUNT, VALIDATION, 2020)                                                    \
    W(MAX_PROPERTIES, "maxProperties", COUNT, VALIDATION, BOTH)                                                \
    W(MIN_PROPERTIES, "minProperties", COUNT, VALIDATION, BOTH)                                                \
    W(REQUIRED, "required", NAMES, VALIDATION, BOTH)                                                           \
    W(DEPENDENT_REQUIRED, "dependentRequired", NAMES_MAP, VALIDATION, 2020)                                    \
    W(FORMAT, "format", STRING, FORMAT, BOTH)                                                                  \
    W(TITLE, "title", STRING, META, BOTH)                                                                      \
    W(DESCRIPTION, "description", STRING, META, BOTH)                                                          \
    W(DEPRECATED, "deprecated", FLAG, META, 2020)                                                              \
    W(READ_ONLY, "readOnly", FLAG, META, BOTH)                                                                 \
    W(WRITE_ONLY, "writeOnly", FLAG, META, BOTH)                                                               \
    W(EXAMPLES, "examples", ARRAY, META, BOTH)                                                                 \
    W(CONTENT_ENCODING, "contentEncoding", STRING, CONTENT, BOTH)                                              \
    W(CONTENT_MEDIA_TYPE, "contentMediaType", STRING, CONTENT, BOTH)                                           \
    W(CONTENT_SCHEMA, "contentSchema", ONE, CONTENT, 2020)

typedef enum pk__schema_word {
#define PK__SCHEMA_WORD(name, text, shape, vocabulary, draft) PK__SCHEMA_##name,
    PK__SCHEMA_WORDS(PK__SCHEMA_WORD)
#undef PK__SCHEMA_WORD
    PK__SCHEMA_WORD_COUNT
} pk__schema_word;

typedef enum pk__schema_shape {
    PK__SCHEMA_IS_ANY,
    PK__SCHEMA_IS_STRING,
    PK__SCHEMA_IS_ID,
    PK__SCHEMA_IS_ANCHOR,
    PK__SCHEMA_IS_FLAG,
    PK__SCHEMA_IS_FLAGS,
    PK__SCHEMA_IS_NUMBER,
    PK__SCHEMA_IS_POSITIVE,
    PK__SCHEMA_IS_COUNT,
    PK__SCHEMA_IS_TYPE,
    PK__SCHEMA_IS_ARRAY,
    PK__SCHEMA_IS_NAMES,
    PK__SCHEMA_IS_NAMES_MAP,
    /* From here on schemas stand there: */
    PK__SCHEMA_IS_ONE,
    PK__SCHEMA_IS_LIST,
    PK__SCHEMA_IS_ONE_OR_LIST,
    PK__SCHEMA_IS_MAP,
    PK__SCHEMA_IS_MIXED // a map of schemas, or of names
} pk__schema_shape;

enum { // vocabularies, and drafts
    PK__SCHEMA_IN_CORE = 1,
    PK__SCHEMA_IN_APPLICATOR = 2,
    PK__SCHEMA_IN_UNEVALUATED = 4,
    PK__SCHEMA_IN_VALIDATION = 8,
    PK__SCHEMA_IN_META = 16,
    PK__SCHEMA_IN_FORMAT = 32,
    PK__SCHEMA_IN_CONTENT = 64,
    PK__SCHEMA_IN_ALL = 127,
    PK__SCHEMA_IN_FORMAT_ASSERTION = 128,
    PK__SCHEMA_OF_07 = 1,
    PK__SCHEMA_OF_2020 = 2,
    PK__SCHEMA_OF_BOTH = 3
};

/* A dialect: the draft, and the vocabularies that count. */
typedef struct pk__schema_dialect {
    unsigned draft, vocabularies;
} pk__schema_dialect;

/* The keyword of that name in this dialect; PK__SCHEMA_WORD_COUNT = it is none. */
PK__FN pk__schema_word pk__schema_word_of(pk__schema_dialect dialect, pk_str name);
PK__FN const char *pk__schema_word_text(pk__schema_word word);
PK__FN pk__schema_shape pk__schema_shape_of(pk__schema_word word);
/* One of the schemas that describe schemas: false if this URI is none. */
PK__FN bool pk__schema_is_built_in(pk_str uri, pk__schema_dialect *out);
PK__FN unsigned pk__schema_vocabulary(pk_str uri); // a bit; 0 = unknown
/* Bits 1 << pk_json_type for the words of `type`, and this one for "integer". */
enum { PK__SCHEMA_INTEGER = 1 << (PK_JSON_OBJECT + 1) };
PK__FN unsigned pk__schema_type_bit(pk_str name); // 0 = there is no such type

/* ---- nodes */

typedef struct pk__schema_node pk__schema_node;

typedef struct pk__schema_anchor {
    pk_str name;
    const pk__schema_node *node;
    bool is_dynamic;
    struct pk__schema_anchor *next;
} pk__schema_anchor;

typedef struct pk__schema_resource {
    pk_str uri;
    const pk_json_value *at;
    pk__schema_node *node;
    pk__schema_dialect dialect;
    pk__schema_anchor *anchors;
} pk__schema_resource;

typedef struct pk__schema_list {
    const pk__schema_node **nodes; // NULL = the keyword is not there
    size_t count;
} pk__schema_list;

typedef struct pk__schema_member {
    pk_str key;
    const pk__schema_node *node;
    const pk_pattern *pattern; // of patternProperties
    pk__schema_word word;
} pk__schema_member;

typedef struct pk__schema_members {
    pk__schema_member *items; // of properties sorted, otherwise as they stand there
    size_t count;
} pk__schema_members;

typedef struct pk__schema_need { // if there is this key, there must be those
    pk_str key;
    const pk_json_value *names;
    pk__schema_word word;
} pk__schema_need;

typedef struct pk__schema_bound {
    const pk_json_value *value; // NULL = there is none
    pk__decimal number;
} pk__schema_bound;

typedef struct pk__schema_numbers {
    pk__schema_bound minimum, exclusive_minimum, maximum, exclusive_maximum;
    const pk_json_value *multiple_of;
    pk__divisor divisor;
} pk__schema_numbers;

typedef struct pk__schema_strings {
    size_t min, max;
    const pk_pattern *pattern;
    pk_str pattern_text, format_name;
    unsigned format; // 0 = not checked
} pk__schema_strings;

typedef struct pk__schema_arrays {
    pk__schema_list prefix;
    const pk__schema_node *items, *additional, *contains, *unevaluated; // additional: of draft-07, until the end
    size_t min, max, min_contains, max_contains;
    bool unique;
} pk__schema_arrays;

typedef struct pk__schema_objects {
    pk__schema_members properties, patterns;
    const pk__schema_node *additional, *names, *unevaluated;
    size_t min, max;
    const pk_json_value *required;
    pk__schema_need *needs; // dependentRequired, dependencies
    size_t need_count;
} pk__schema_objects;

/* What applies to the same value. */
typedef struct pk__schema_places {
    const pk__schema_node *ref, *dynamic_ref;
    pk_str dynamic_name; // "" = it is an ordinary $ref
    pk__schema_list all_of, any_of, one_of;
    const pk__schema_node *none, *condition, *then, *otherwise;
    pk__schema_members if_present; // dependentSchemas, dependencies
} pk__schema_places;

struct pk__schema_node {
    const pk_json_value *at;
    const pk__schema_resource *home;
    /* Where it stands: behind `word` of parent, then under `key`, or at `index` if the key has no ptr. */
    const pk__schema_node *parent;
    const char *word;
    pk_str key;
    size_t index;
    bool has_index;
    bool fits_all, fits_none, is_built_in;
    pk__schema_dialect described; // is_built_in: values are to be schemas of this dialect
    unsigned types;               // 0 = any
    const pk_json_value *constant, *choices;
    pk__schema_numbers *numbers;
    pk__schema_strings *strings;
    pk__schema_arrays *arrays;
    pk__schema_objects *objects;
    pk__schema_places *places;
};

struct pk_schema {
    const pk_alloc *alloc;
    pk_mem mem;
    const pk__schema_node *root;
    const pk__schema_resource *home; // of the root
    uint64_t max_steps;
};

/* ---- compiling */

typedef struct pk__schema_due { // a $ref that is not resolved yet
    pk__schema_node *node;
    pk__schema_word word;
    pk_str text;
    struct pk__schema_due *next;
} pk__schema_due;

typedef struct pk__schema_compiler {
    pk_schema *schema;
    pk_mem *mem;      // the schema's
    pk_mem scratch;   // of this compilation
    const pk_schema_desc *desc;
    pk__map nodes;    // the address of a value -> its node
    pk__map resources; // URI -> resource
    pk__schema_due *due;
    pk_str *source_ids; // what the sources call themselves; NULL = nobody has asked yet
    const pk__schema_resource *main; // of the first document
    unsigned documents;
    struct pk__schema_run *run; // what comparing needs
    pk_error *err;
} pk__schema_compiler;

/* The node of the schema at `at`, with all below it. `home` is the resource around it; NULL on errors. */
PK__FN pk__schema_node *pk__schema_compile(pk__schema_compiler *c, const pk__schema_node *where,
                                           const pk__schema_resource *home);
PK__FN pk__schema_node *pk__schema_node_at(const pk__schema_compiler *c, const pk_json_value *at); // NULL = none
PK__FN void *pk__schema_get(pk__schema_compiler *c, size_t size); // zeroed; NULL: the error is set
/* Fails: "cannot use the schema: <place of node>/<word>: <why>". */
PK__FN pk_err pk__schema_wrong(pk__schema_compiler *c, const pk__schema_node *node, const char *word, pk_err rc,
                               const char *format, ...) PK_PRINTF(5, 6);

/* schema_refs.c */
/* Makes a resource of the node if it begins one ($id), and notes its anchors. */
PK__FN pk_err pk__schema_enter(pk__schema_compiler *c, pk__schema_node *node);
/* Compiles a document; its root in *out. */
PK__FN pk_err pk__schema_document(pk__schema_compiler *c, pk_str uri, pk_str text, const pk__schema_node **out);
PK__FN pk_err pk__schema_resolve_all(pk__schema_compiler *c);

/* ---- checking */

typedef struct pk__schema_scope { // a resource that was entered
    const struct pk__schema_scope *outer;
    const pk__schema_resource *resource;
} pk__schema_scope;

typedef struct pk__schema_place { // a value, and how it was reached
    const struct pk__schema_place *outer;
    const pk_json_value *value; // NULL: it is the key itself, as a string
    pk_str key;                 // of a member
    size_t index;               // of an item: key.ptr is NULL
    unsigned depth;
} pk__schema_place;

enum { PK__SCHEMA_NEAREST = 240 };
typedef struct pk__schema_report {
    pk_mem *mem;
    pk_schema_fault *faults; // room for max
    size_t count, max;
    char *nearest;           // instead of a list: PK__SCHEMA_NEAREST bytes for the one fault that came the farthest
    unsigned base, rank;     //   below this depth; how far it came
} pk__schema_report;

/* Which members or items were evaluated: bits in run->bits, from word number `at` on. NULL: nobody asks. */
typedef struct pk__schema_seen {
    size_t at, count;
} pk__schema_seen;

typedef struct pk__schema_run {
    const pk_alloc *alloc;
    const pk__schema_resource *home; // of the whole schema
    const pk__schema_scope *scope;
    pk__schema_report *report; // NULL = only whether
    pk_buf bits;               // a stack of sets
    uint64_t steps;
    unsigned depth;
    pk_err failed;             // PK_ERR_LIMIT, PK_ERR_NO_MEMORY
    const char *why;           // of a limit
} pk__schema_run;

/* schema_check.c. All give true if it fits; after a failure of the run they give false, and that is no answer. */
PK__FN bool pk__schema_fits(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                            const pk__schema_seen *seen);
PK__FN bool pk__schema_step(pk__schema_run *run, uint64_t count); // false: there are none left
PK__FN bool pk__schema_fail(pk__schema_run *run, pk_err rc, const char *why); // gives false
PK__FN pk_json_type pk__schema_type_at(const pk__schema_place *place);
PK__FN pk_str pk__schema_text_at(const pk__schema_place *place);
PK__FN bool pk__schema_deeper(pk__schema_run *run); // false: too deep. Otherwise run->depth-- at the end

/* schema_words.c */
/* NULL: the value may stand behind a keyword like that, or the run failed. Otherwise what should stand there, in words.
 * Schemas within are not looked at. */
PK__FN const char *pk__schema_misfit(pk__schema_run *run, pk__schema_shape shape, const pk_json_value *v);
/* Is the value a schema as node->described says? */
PK__FN bool pk__schema_is_schema(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place);

/* schema_apply.c */
PK__FN bool pk__schema_fits_object(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                   const pk__schema_seen *seen);
PK__FN bool pk__schema_fits_array(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                  const pk__schema_seen *seen);
/* Those members and items that nothing has seen. */
PK__FN bool pk__schema_fits_unevaluated(pk__schema_run *run, const pk__schema_node *node,
                                        const pk__schema_place *place, const pk__schema_seen *seen);
PK__FN bool pk__schema_fits_places(pk__schema_run *run, const pk__schema_node *node, const pk__schema_place *place,
                                   const pk__schema_seen *seen);
PK__FN bool pk__schema_seen_begin(pk__schema_run *run, const pk__schema_place *place, pk__schema_seen *seen);
PK__FN void pk__schema_seen_end(pk__schema_run *run, const pk__schema_seen *seen);
PK__FN void pk__schema_mark_all(const pk__schema_run *run, const pk__schema_seen *seen);

/* schema_equal.c */
PK__FN bool pk__schema_equal(pk__schema_run *run, const pk_json_value *a, const pk_json_value *b);
PK__FN bool pk__schema_equal_text(const pk_json_value *a, pk_str text); // a string of these bytes
/* Two items of the array that are equal: their indexes. */
PK__FN bool pk__schema_has_equal_items(pk__schema_run *run, const pk_json_value *array, size_t *first, size_t *second);
/* The member, of several with this key the last; NULL = none. Counts its steps. */
PK__FN const pk_json_value *pk__schema_get_member(pk__schema_run *run, const pk_json_value *object, pk_str key);

/* schema_say.c */
/* Adds a fault to the report, if there is one. Gives false, or true if others are wanted as well: go on then. */
PK__FN bool pk__schema_goes_on(const pk__schema_run *run);
PK__FN bool pk__schema_say(pk__schema_run *run, const pk__schema_node *node, const char *word,
                           const pk__schema_place *place, const char *format, ...) PK_PRINTF(5, 6);
/* A value as it is shown in messages: scalars as they are, cut if they are long. */
enum { PK__SCHEMA_SHOWN = 48 };
PK__FN const char *pk__schema_show(const pk_json_value *v, char out[PK__SCHEMA_SHOWN]);
PK__FN const char *pk__schema_show_at(const pk__schema_place *place, char out[PK__SCHEMA_SHOWN]);
PK__FN void pk__schema_put_node(pk_buf *out, const pk__schema_node *node, const pk__schema_resource *seen_from);

#endif
#endif
