/* schema_ask.c - answers questions about schemas and patterns, for comparison with other implementations.
 *
 * A question is a line of JSON, and so is the answer:
 *
 *     {"schema":"<text>","values":["<text>",..],"formats":true}     {"says":["fits","differs","limit",..]}
 *     {"pattern":"<text>","texts":["<text>",..]}                    {"says":["matches","differs",..]}
 *     either                                                        {"error":"<why>","code":"PK_ERR_PARSE"} */
#define PLUGKIT_WITH_SCHEMA
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include <stdio.h>
#include <stdlib.h>

static void put_error(pk_json_writer *w, const pk_error *err)
{
    pk_json_put_key(w, "error");
    pk_json_put_text(w, err->msg);
    pk_json_put_key(w, "code");
    pk_json_put_text(w, pk_err_name(err->code));
}

/* Asks in both ways, which must agree. */
static const char *fits(const pk_schema *s, pk_str value)
{
    pk_error err;
    pk_mem mem = {0};
    const pk_json_value *v;
    pk_schema_fault *faults;
    size_t count;
    pk_err rc = pk_schema_check_text(s, value, &err), again = pk_json_parse(&mem, value, &v, &err);
    again = again ? again : pk_schema_faults(s, v, &mem, 10, &faults, &count, &err);
    pk_mem_free(&mem);
    if (rc != again) {
        exit(3);
    }
    return rc == PK_OK ? "fits" : rc == PK_ERR_SCHEMA ? "differs" : rc == PK_ERR_LIMIT ? "limit" : "nonsense";
}

static void ask_schema(pk_json_writer *w, const pk_json_value *question)
{
    pk_schema_desc desc = {0};
    pk_schema *s;
    pk_error err;
    const pk_json_value *values = pk_json_get(question, "values");
    desc.formats = pk_json_bool(pk_json_get(question, "formats"), false);
    if (pk_schema_create(&s, pk_json_str(pk_json_get(question, "schema")), &desc, &err)) {
        put_error(w, &err);
        return;
    }
    pk_json_put_key(w, "says");
    pk_json_put_array(w);
    for (const pk_json_value *v = pk_json_first(values); v; v = pk_json_next(values, v)) {
        pk_json_put_text(w, fits(s, pk_json_str(v)));
    }
    pk_json_put_end(w);
    pk_schema_destroy(s);
}

static void ask_pattern(pk_json_writer *w, const pk_json_value *question)
{
    pk_pattern *p;
    pk_error err;
    const pk_json_value *texts = pk_json_get(question, "texts");
    if (pk_pattern_create(&p, pk_json_str(pk_json_get(question, "pattern")), NULL, &err)) {
        put_error(w, &err);
        return;
    }
    pk_json_put_key(w, "says");
    pk_json_put_array(w);
    for (const pk_json_value *t = pk_json_first(texts); t; t = pk_json_next(texts, t)) {
        pk_json_put_text(w, pk_pattern_match(p, pk_json_str(t)) ? "matches" : "differs");
    }
    pk_json_put_end(w);
    pk_pattern_destroy(p);
}

int main(void)
{
    static char line[1 << 22];
    pk_mem mem = {0};
    pk_buf out;
    pk_buf_init(&out, NULL, (size_t)1 << 22);
    while (fgets(line, sizeof(line), stdin)) {
        const pk_json_value *question;
        pk_json_writer w;
        pk_error err;
        if (pk_json_parse(&mem, pk_str_from(line), &question, &err)) {
            fprintf(stderr, "schema_ask: %s\n", err.msg);
            return 2;
        }
        pk_buf_clear(&out);
        pk_json_write(&w, &out);
        pk_json_put_object(&w);
        if (pk_json_get(question, "pattern")) {
            ask_pattern(&w, question);
        } else {
            ask_schema(&w, question);
        }
        pk_json_put_end(&w);
        if (pk_json_finish(&w, &err)) {
            fprintf(stderr, "schema_ask: %s\n", err.msg);
            return 2;
        }
        printf("%.*s\n", (int)out.len, out.ptr);
        fflush(stdout);
        pk_mem_reset(&mem);
    }
    pk_mem_free(&mem);
    pk_buf_free(&out);
    return 0;
}
