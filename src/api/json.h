/* json.h - a strict JSON reader (RFC 8259) and a streaming writer.
 *
 *     pk_mem mem = {0};
 *     const pk_json_value *doc, *v;
 *     if (!pk_json_parse(&mem, text, &doc, &err) && (v = pk_json_at(doc, "/servers/0/port"))) {
 *         port = pk_json_int(v, 80);
 *     }
 *     pk_mem_free(&mem);
 *
 * Without malloc: char room[2048]; pk_mem_over(&mem, room, sizeof(room), NULL); and the rest is the same.
 *
 * Strict means: valid UTF-8 only, no lone surrogates, no trailing commas, no leading zeros, nothing behind the value,
 * nesting of 256 at most. Integers that fit int64 or uint64 are exact, any other number becomes the nearest double when
 * it is asked for as one, and never an integer; its text is kept. Of duplicate keys the last one counts, or they are
 * refused (pk_json_options). The locale plays no part. Errors say what was expected, and give line, column, offset and
 * what stands around:
 *
 *     cannot parse JSON: line 2, column 3, offset 10: expected ',' or '}', got '"' near "{"a": 1\x0a  "b": 2}"
 *
 * Nothing is there of a text that is refused. Lines and columns count from 1, columns are characters; offsets count
 * bytes from 0. */

typedef struct pk_json_value pk_json_value; // immutable, any thread may read it; lives in the pk_mem it was parsed into

typedef enum pk_json_type {
    PK_JSON_NONE, // of NULL: there is no value
    PK_JSON_NULL,
    PK_JSON_BOOL,
    PK_JSON_NUMBER,
    PK_JSON_STRING,
    PK_JSON_ARRAY,
    PK_JSON_OBJECT
} pk_json_type;

/* What a number is. */
typedef enum pk_json_number {
    PK_JSON_NUMBER_NONE,    // none
    PK_JSON_NUMBER_INTEGER, // fits int64_t or uint64_t
    PK_JSON_NUMBER_REAL,    // has a point or an exponent: pk_json_double gives the nearest double
    PK_JSON_NUMBER_BEYOND   // an integer that fits neither, or larger than any double: only its text is exact
} pk_json_number;

#ifndef PLUGKIT_JSON_DEPTH
#define PLUGKIT_JSON_DEPTH 256 // levels of nesting that the reader accepts
#endif

/* Parses one document. The values and their strings live in *mem; `text` is not needed afterwards. A text of up to 256
 * bytes allocates once at most; over bytes of yours (pk_mem_over) nothing does: for each byte of text they need one,
 * and 16 for each value and each key, so that three times the text does mostly, nine times always, and 200 bytes more.
 * Errors: PK_ERR_BAD_JSON; PK_ERR_LIMIT (nesting); PK_ERR_NO_MEMORY. */
PK_API pk_err pk_json_parse(pk_mem *mem, pk_str text, const pk_json_value **out, pk_error *err);

/* For documents that decide about security: two readers may understand one with duplicate keys in two ways, and errors
 * end up in logs. */
typedef struct pk_json_options {
    bool unique_keys; // a key that stands twice in an object is an error
    bool secret;      // errors do not quote the text
    bool known_keys;  // pk_json_decode_with: a key that the table does not have is an error
    const struct pk__json_origin *from; // private: where the text stands in a longer one
} pk_json_options;

PK_API pk_err pk_json_parse_with(pk_mem *mem, pk_str text, const pk_json_options *options, const pk_json_value **out,
                                 pk_error *err);
/* The same without a copy: the values use the text, which is changed, and must stay as long as they do. A text that is
 * refused is as it was. */
PK_API pk_err pk_json_parse_in_place(pk_mem *mem, char *text, size_t len, const pk_json_value **out, pk_error *err);
/* Checks the syntax alone, without memory. */
PK_API pk_err pk_json_check(pk_str text, pk_error *err);

/* Getters take NULL and the wrong type: they give `otherwise`, NULL, or an empty string then. 1.0 and 1e3 are no
 * integers, 1e999 is no double. Getting a member or an item by number may walk over those before it. */
PK_API pk_json_type pk_json_type_of(const pk_json_value *v);
PK_API bool pk_json_bool(const pk_json_value *v, bool otherwise);
PK_API int64_t pk_json_int(const pk_json_value *v, int64_t otherwise);    // only integers that fit
PK_API uint64_t pk_json_uint(const pk_json_value *v, uint64_t otherwise); // only integers that fit
PK_API double pk_json_double(const pk_json_value *v, double otherwise);   // any number that is not too large
PK_API pk_str pk_json_str(const pk_json_value *v);                        // of a string; a NUL follows it
PK_API bool pk_json_is(const pk_json_value *v, const char *text);         // a string with just these bytes
PK_API pk_str pk_json_number_text(const pk_json_value *v);                // as it was written
PK_API pk_json_number pk_json_number_kind(const pk_json_value *v);
PK_API bool pk_json_get_int(const pk_json_value *v, int64_t *out);        // false: not an integer that fits
PK_API bool pk_json_get_uint(const pk_json_value *v, uint64_t *out);
PK_API size_t pk_json_count(const pk_json_value *v);                      // items or members; 0 otherwise
PK_API const pk_json_value *pk_json_get(const pk_json_value *object, const char *key);
PK_API const pk_json_value *pk_json_item(const pk_json_value *array, size_t index);
/* JSON Pointer (RFC 6901): "" is the value itself, "/a/0/b" goes down, ~1 is a slash in a key and ~0 a tilde. NULL if
 * there is no such value, or if that is no pointer. */
PK_API const pk_json_value *pk_json_at(const pk_json_value *v, const char *pointer);

/* Walks an array or object: for (i = pk_json_first(v); i; i = pk_json_next(v, i)) ...
 * Of an object's member, pk_json_key gives the name. */
PK_API const pk_json_value *pk_json_first(const pk_json_value *v);
PK_API const pk_json_value *pk_json_next(const pk_json_value *parent, const pk_json_value *item);
PK_API pk_str pk_json_key(const pk_json_value *member);

/* The writer appends to a pk_buf and puts commas and colons itself. The first mistake is the last thing it writes, and
 * pk_json_finish tells: PK_ERR_MISUSE (a value where a key is due, too many ends), PK_ERR_SERIALIZE (a string that is
 * not UTF-8, a number that is not finite), PK_ERR_LIMIT (the buffer is full, 256 levels), PK_ERR_NO_MEMORY.
 *
 *     pk_json_writer w;
 *     pk_json_write(&w, &buf);
 *     pk_json_put_object(&w);
 *     pk_json_put_key(&w, "port");
 *     pk_json_put_int(&w, 80);
 *     pk_json_put_end(&w);
 *     rc = pk_json_finish(&w, &err);                                                                         */
typedef struct pk_json_writer {
    pk_buf *buf;
    uint64_t arrays[PLUGKIT_JSON_DEPTH / 64 + 1]; // private: one bit a level
    uint16_t depth;                               // private
    bool need_comma, have_key;                    // private
    int failed;                                   // private: 0 as long as all is well
    unsigned indent;                              // spaces a level; 0 = compact. Set it after pk_json_write
} pk_json_writer;

PK_API void pk_json_write(pk_json_writer *w, pk_buf *buf);
PK_API void pk_json_put_object(pk_json_writer *w); // opens {
PK_API void pk_json_put_array(pk_json_writer *w);  // opens [
PK_API void pk_json_put_end(pk_json_writer *w);    // closes the innermost
PK_API void pk_json_put_key(pk_json_writer *w, const char *key);
PK_API void pk_json_put_key_str(pk_json_writer *w, pk_str key);
PK_API void pk_json_put_str(pk_json_writer *w, pk_str value);
PK_API void pk_json_put_text(pk_json_writer *w, const char *value); // NULL writes null
PK_API void pk_json_put_b64(pk_json_writer *w, pk_str bytes);       // as standard padded base64
PK_API void pk_json_put_int(pk_json_writer *w, int64_t value);
PK_API void pk_json_put_uint(pk_json_writer *w, uint64_t value);
PK_API void pk_json_put_double(pk_json_writer *w, double value); // the shortest text that reads back as the same
PK_API void pk_json_put_bool(pk_json_writer *w, bool value);
PK_API void pk_json_put_null(pk_json_writer *w);
PK_API void pk_json_put_raw(pk_json_writer *w, pk_json value); // checked; loses its line breaks; "" writes null
PK_API void pk_json_put_value(pk_json_writer *w, const pk_json_value *v); // all that is in it; NULL writes null
PK_API pk_err pk_json_finish(pk_json_writer *w, pk_error *err);
