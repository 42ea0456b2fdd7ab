/* schema.h - JSON Schema, drafts 2020-12 and 07: does a value fit, and if not, where and why. PLUGKIT_WITH_SCHEMA.
 *
 *     pk_schema *s = NULL;
 *     rc = pk_schema_create(&s, PK_STR("{\"type\":\"object\",\"properties\":{\"port\":{\"type\":\"integer\"}}}"), NULL,
 *                           &err);
 *     rc = rc ? rc : pk_schema_check_text(s, PK_STR("{\"port\":\"80\"}"), &err);
 *     // PK_ERR_SCHEMA, err.msg: port: expected integer, got "80"
 *     pk_schema_destroy(s);
 *
 * All keywords of both drafts are known; $schema chooses the draft. `format` is a remark unless .formats is set; what
 * formats there are is said there. `content...` are remarks. Numbers are compared by their text, exactly: 0.3 is a
 * multiple of 0.1, and 1.0 is the integer 1. Of duplicate keys in a value each one must fit.
 *
 * A schema that is itself wrong is refused by pk_schema_create, with the place: a keyword whose value makes no sense, a
 * $ref that leads nowhere, a pattern that cannot be used (see pk_pattern below), a keyword that stands there twice. The
 * schemas of schemas ("https://json-schema.org/draft/2020-12/schema" and so on) are built in: $ref may lead to them as a
 * whole, and a value fits if it is a schema. Nothing is ever fetched.
 *
 * Not known: other drafts, which are refused; multipleOf with more than 18 digits; $dynamicRef out of a schema of
 * schemas, which such a schema of your own would have to repeat.
 *
 * Work is bounded, whatever the schema says: values are gone through on the C stack, PLUGKIT_SCHEMA_DEPTH schemas
 * inside each other at most (500 bytes each), and in so many steps. */
#ifdef PLUGKIT_WITH_SCHEMA

typedef struct pk_schema pk_schema; // immutable; any thread may check values with it

#ifndef PLUGKIT_SCHEMA_DEPTH
#define PLUGKIT_SCHEMA_DEPTH 600 // schemas that are being applied at a time, inside each other
#endif

typedef struct pk_schema_source {
    const char *uri; // by which $ref and $schema name it; NULL = its own $id
    pk_str text;
} pk_schema_source;

typedef struct pk_schema_desc {
    const pk_alloc *alloc; // NULL = libc; as long as the schema lives
    const char *uri;       // where its text comes from: relative $refs begin there. $id outranks it. NULL = nowhere
    const pk_schema_source *sources; size_t source_count; // other documents that $ref may lead to
    /* Finds those that are not among `sources`. *text is to live until create has returned, or in *mem. */
    pk_err (*find)(void *user, pk_str uri, pk_mem *mem, pk_str *text, pk_error *err);
    void *user;
    /* Strings must be what `format` says: date-time date time duration email idn-email hostname ipv4 ipv6 uri
     * uri-reference iri iri-reference uri-template uuid json-pointer relative-json-pointer regex. Others fit. */
    bool formats;
    bool draft_07;         // what has no $schema is of draft-07; otherwise it is of 2020-12
    uint64_t max_steps;    // that one check may take, a schema applied to a value being one; 0 = ten million
} pk_schema_desc;

/* Compiles a schema: its text is copied. `desc` may be NULL. Errors: PK_ERR_PARSE, "cannot use the schema:
 * #/properties/port/minimum: expected a number, got "1""; PK_ERR_BAD_JSON; PK_ERR_UNSUPPORTED (a draft or a pattern);
 * PK_ERR_NOT_FOUND ($ref); PK_ERR_LIMIT; PK_ERR_NO_MEMORY. */
PK_API pk_err pk_schema_create(pk_schema **out, pk_str text, const pk_schema_desc *desc, pk_error *err);
PK_API void pk_schema_destroy(pk_schema *s);

/* Does the value fit? Any thread. Errors: PK_ERR_SCHEMA, with the first place and reason; PK_ERR_LIMIT (too many steps,
 * too deep), PK_ERR_NO_MEMORY; of text PK_ERR_BAD_JSON, too. */
PK_API pk_err pk_schema_check(const pk_schema *s, const pk_json_value *value, pk_error *err);
PK_API pk_err pk_schema_check_text(const pk_schema *s, pk_str text, pk_error *err);

typedef struct pk_schema_fault {
    pk_str path;     // for people: "servers[2].port"; "" = the value itself
    pk_str instance; // the same as a JSON Pointer: "/servers/2/port"
    pk_str schema;   // which rule of which schema: "#/properties/servers/items/$ref", "other.json#/type"
    pk_str reason;   // "expected integer, got "3""
} pk_schema_fault;
/* The first `max` reasons why it does not fit, in *mem; *count is 0 if it does. Returns PK_OK or PK_ERR_SCHEMA, and the
 * errors above. */
PK_API pk_err pk_schema_faults(const pk_schema *s, const pk_json_value *value, pk_mem *mem, size_t max,
                               pk_schema_fault **out, size_t *count, pk_error *err);

/* A regular expression that takes time linear in the text, whatever it is; `pattern` is made of it. It is one of
 * ECMA-262 with the flag u, without what cannot be done in linear time: looking ahead or behind, and referring back to
 * groups, are refused. Classes, \d \w \s, \p{..} of general categories, repetitions (lazy or not), ^ $ \b \B, groups
 * and | are there. Written out, it has 4096 operations at most: a{100} are a hundred. Immutable; any thread.
 * Errors: PK_ERR_PARSE and PK_ERR_UNSUPPORTED with the position, PK_ERR_LIMIT, PK_ERR_NO_MEMORY. */
typedef struct pk_pattern pk_pattern;
PK_API pk_err pk_pattern_create(pk_pattern **out, pk_str text, const pk_alloc *alloc, pk_error *err);
PK_API bool pk_pattern_match(const pk_pattern *p, pk_str text); // somewhere in UTF-8 text; allocates nothing
PK_API void pk_pattern_destroy(pk_pattern *p);

#endif
