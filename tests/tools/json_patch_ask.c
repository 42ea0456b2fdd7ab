/* json_patch_ask.c - applies pointers and patches, for comparison with other implementations.
 *
 * A question is a line of JSON, and so is the answer:
 *
 *     {"do":"patch","doc":"<text>","by":"<text>"}     {"result":"<text>"}     or {"error":"<why>","code":"PK_ERR_.."}
 *     {"do":"merge","doc":"<text>","by":"<text>"}     the same
 *     {"do":"at","doc":"<text>","by":"/pointer"}      the same; NULL is an error without words
 *
 * With COMMA in the environment it must run under a locale that writes 1.5 as 1,5. */
#define PLUGKIT_WITH_JSON_TOOLS
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* Numbers as they are. */
static void put(pk_json_writer *w, const pk_json_value *v)
{
    pk_json_type type = pk_json_type_of(v);
    if (type == PK_JSON_NUMBER) {
        pk_json_put_raw(w, pk_json_number_text(v));
        return;
    }
    if (type != PK_JSON_ARRAY && type != PK_JSON_OBJECT) {
        pk_json_put_value(w, v);
        return;
    }
    type == PK_JSON_OBJECT ? pk_json_put_object(w) : pk_json_put_array(w);
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m)) {
        if (type == PK_JSON_OBJECT) {
            pk_json_put_key_str(w, pk_json_key(m));
        }
        put(w, m);
    }
    pk_json_put_end(w);
}

static pk_err answer(pk_mem *mem, const pk_json_value *question, pk_buf *text, pk_error *err)
{
    const pk_json_value *what = pk_json_get(question, "do"), *doc, *by, *out;
    pk_str by_text = pk_json_str(pk_json_get(question, "by"));
    pk_json_writer w;
    pk_err rc = pk_json_parse(mem, pk_json_str(pk_json_get(question, "doc")), &doc, err);
    if (rc == PK_OK && pk_json_is(what, "at")) {
        out = pk_json_at(doc, by_text.ptr);
        rc = out ? PK_OK : pk_error_set(err, PK_ERR_NOT_FOUND, "nothing");
    } else if (rc == PK_OK && (rc = pk_json_parse(mem, by_text, &by, err)) == PK_OK) {
        rc = (pk_json_is(what, "merge") ? pk_json_merge_patch : pk_json_patch)(mem, doc, by, &out, err);
    }
    if (rc == PK_OK) {
        pk_json_write(&w, text);
        put(&w, out);
        rc = pk_json_finish(&w, err);
    }
    return rc;
}

int main(void)
{
    static char line[1 << 20];
    pk_mem mem = {0};
    pk_buf text, out;
    setlocale(LC_ALL, "");
    if (getenv("COMMA") && localeconv()->decimal_point[0] != ',') {
        fprintf(stderr, "json_patch_ask: there is no comma\n");
        return 4;
    }
    pk_buf_init(&text, NULL, (size_t)1 << 24);
    pk_buf_init(&out, NULL, (size_t)1 << 25);
    while (fgets(line, sizeof(line), stdin)) {
        const pk_json_value *question;
        pk_json_writer w;
        pk_error err;
        if (pk_json_parse(&mem, pk_str_from(line), &question, &err)) {
            fprintf(stderr, "json_patch_ask: %s\n", err.msg);
            return 2;
        }
        pk_buf_clear(&text);
        pk_buf_clear(&out);
        pk_err rc = answer(&mem, question, &text, &err);
        pk_json_write(&w, &out);
        pk_json_put_object(&w);
        pk_json_put_key(&w, rc ? "error" : "result");
        pk_json_put_str(&w, rc ? pk_str_from(err.msg) : pk_buf_str(&text));
        if (rc) {
            pk_json_put_key(&w, "code");
            pk_json_put_text(&w, pk_err_name(rc));
        }
        pk_json_put_end(&w);
        if (pk_json_finish(&w, &err)) {
            fprintf(stderr, "json_patch_ask: %s\n", err.msg);
            return 2;
        }
        printf("%.*s\n", (int)out.len, out.ptr);
        fflush(stdout);
        pk_mem_reset(&mem);
    }
    pk_mem_free(&mem);
    pk_buf_free(&text);
    pk_buf_free(&out);
    return 0;
}
