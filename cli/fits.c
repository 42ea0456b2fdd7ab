/* fits.c - what is wrong with a request, and what would be right. */
#include "fits.h"

#include <string.h>

#include "advertised.h"
#include "command.h"
#include "term.h"

enum { FITS_FAULTS = 20 };

/* ---- what is taken: one line for each key */

/* Where a local $ref leads, and where that does. */
static const pk_json_value *fits_follow(const pk_json_value *doc, const pk_json_value *schema)
{
    for (int i = 0; i < 8; i++) {
        pk_str ref = pk_json_str(pk_json_get(schema, "$ref"));
        if (ref.len < 2 || ref.ptr[0] != '#' || ref.ptr[1] != '/') {
            break;
        }
        const pk_json_value *there = pk_json_at(doc, ref.ptr + 1);
        schema = there ? there : schema;
    }
    return schema;
}

/* Of an array of words "a, b"; of a word itself; of another value its JSON. */
static void fits_put_words(pk_buf *out, const pk_json_value *v, const char *between)
{
    pk_json_writer w;
    if (pk_json_type_of(v) == PK_JSON_STRING) {
        (void)pk_buf_printf(out, "%" PK_FMT, PK_ARG(pk_json_str(v)));
        return;
    }
    if (pk_json_type_of(v) != PK_JSON_ARRAY) {
        pk_json_write(&w, out);
        pk_json_put_value(&w, v);
        (void)pk_json_finish(&w, NULL);
        return;
    }
    for (const pk_json_value *i = pk_json_first(v); i; i = pk_json_next(v, i)) {
        if (i != pk_json_first(v)) {
            (void)pk_buf_printf(out, "%s", between);
        }
        fits_put_words(out, i, between);
    }
}

static bool fits_is_required(const pk_json_value *schema, pk_str key)
{
    const pk_json_value *required = pk_json_get(schema, "required");
    for (const pk_json_value *v = pk_json_first(required); v; v = pk_json_next(required, v)) {
        if (pk_str_eq(pk_json_str(v), key)) {
            return true;
        }
    }
    return false;
}

static void fits_print_key(const pk_json_value *doc, const pk_json_value *schema, const pk_json_value *key,
                           size_t width)
{
    const pk_json_value *what = fits_follow(doc, key);
    const pk_json_value *type = pk_json_get(what, "type"), *values = pk_json_get(what, "enum");
    pk_str description = pk_json_str(pk_json_get(what, "description"));
    size_t columns = term_columns(pk_json_key(key));
    pk_buf buf;
    pk_buf_init(&buf, NULL, 65536);
    if (values) {
        fits_put_words(&buf, values, " | ");
    } else if (type) {
        fits_put_words(&buf, type, " or ");
    } else {
        (void)pk_buf_printf(&buf, "anything");
    }
    (void)pk_buf_printf(&buf, "%s", fits_is_required(schema, pk_json_key(key)) ? ", required" : "");
    fputs("    ", stderr);
    term_put(stderr, TERM_NAME, pk_json_key(key));
    fprintf(stderr, "%*s", (int)(columns < width ? width - columns : 0) + 2, "");
    term_put(stderr, TERM_PLAIN, pk_buf_str(&buf));
    fputs(description.len ? ": " : "", stderr);
    term_put(stderr, TERM_DIM, description);
    fputc('\n', stderr);
    pk_buf_free(&buf);
}

static void fits_print_keys(const advertised *a, const char *method)
{
    pk_mem mem = {0};
    const pk_json_value *doc = NULL;
    size_t width = 0;
    (void)pk_json_parse(&mem, a->text, &doc, NULL);
    const pk_json_value *methods = pk_json_get(doc, "x-methods");
    const pk_json_value *schema = methods ? pk_json_get(pk_json_get(methods, method), "request") : doc;
    schema = fits_follow(doc, schema);
    const pk_json_value *keys = pk_json_get(schema, "properties");
    for (const pk_json_value *k = pk_json_first(keys); k; k = pk_json_next(keys, k)) {
        size_t columns = term_columns(pk_json_key(k));
        width = columns > width && columns <= 30 ? columns : width;
    }
    fputs(pk_json_count(keys) ? "  it takes:\n" : "", stderr);
    for (const pk_json_value *k = pk_json_first(keys); k; k = pk_json_next(keys, k)) {
        fits_print_key(doc, schema, k, width);
    }
    pk_mem_free(&mem);
}

/* ---- what is wrong */

static int fits_say(const request *r, const advertised *a, const char *method, const pk_schema_fault *faults,
                    size_t count)
{
    pk_error err = {0};
    (void)pk_error_set(&err, PK_ERR_SCHEMA, "cannot call '%s' of '%s': %" PK_FMT "%s%" PK_FMT, method,
                       r->target.plugin->id.ptr, PK_ARG(faults[0].path), faults[0].path.len ? ": " : "",
                       PK_ARG(faults[0].reason));
    (void)session_fail(r->args, &err);
    for (size_t i = 1; i < count; i++) {
        fputs("  and:  ", stderr);
        term_put(stderr, TERM_PLAIN, faults[i].path);
        fputs(faults[i].path.len ? ": " : "", stderr);
        term_put(stderr, TERM_PLAIN, faults[i].reason);
        fputc('\n', stderr);
    }
    fits_print_keys(a, method);
    fprintf(stderr, "  see:  plugkit schema show '%s' %s %s;  --raw sends it as it is\n", r->session->directory,
            r->target.plugin->id.ptr, r->target.type);
    return EXIT_USAGE;
}

int fits_check(const request *r, const char *method, bool has_body)
{
    pk_mem mem = {0};
    const pk_json_value *capabilities, *value;
    pk_schema *s = NULL;
    pk_schema_fault *faults;
    size_t count = 0;
    int status = EXIT_GOOD;
    const pk_plugin_info *p = r->target.plugin;
    if (!method || !r->target.contract || r->args->raw || r->args->upload || r->args->content_type ||
        !p->capabilities.len || pk_json_parse(&mem, p->capabilities, &capabilities, NULL)) {
        return status;
    }
    const advertised *a = advertised_find(advertised_all(&mem, capabilities), pk_str_from(r->target.contract),
                                          pk_str_from(r->target.type));
    if (a && (has_body || advertised_has_methods(a)) && advertised_compile(a, method, &s, NULL) == PK_OK && s &&
        pk_json_parse(&mem, has_body ? r->desc.body.bytes : PK_STR("{}"), &value, NULL) == PK_OK &&
        pk_schema_faults(s, value, &mem, FITS_FAULTS, &faults, &count, NULL) == PK_ERR_SCHEMA && count) {
        status = fits_say(r, a, method, faults, count);
    }
    pk_schema_destroy(s);
    pk_mem_free(&mem);
    return status;
}
