/* schema.c - plugkit schema check SCHEMA DOCUMENT.., plugkit schema show DIR ID [TYPE]. */
#include <stdlib.h>
#include <string.h>

#include "advertised.h"
#include "body.h"
#include "command.h"
#include "info.h"
#include "session.h"
#include "table.h"
#include "target.h"
#include "term.h"
#include "where.h"

enum { SCHEMA_FAULTS = 1000 }; // of one document

/* ---- check: the schema */

/* A path as a URI, so that a relative $ref leads to the file beside it. */
static const char *schema_uri(pk_mem *mem, const char *path)
{
    pk_buf buf;
    char *full = realpath(strcmp(path, "-") == 0 ? "." : path, NULL);
    pk_buf_init(&buf, NULL, (size_t)1 << 20);
    (void)pk_buf_printf(&buf, "file://");
    for (const char *p = full ? full : ""; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     strchr("/-._~", *p);
        (void)pk_buf_printf(&buf, plain ? "%c" : "%%%02X", (unsigned char)*p);
    }
    (void)pk_buf_printf(&buf, "%s", strcmp(path, "-") == 0 ? "/stdin" : "");
    const char *uri = full ? pk_mem_dup(mem, pk_buf_str(&buf)).ptr : NULL;
    pk_buf_free(&buf);
    free(full);
    return uri;
}

/* The other way round; NULL = it is no file. */
static const char *schema_path(pk_mem *mem, pk_str uri)
{
    char *to = (char *)pk_mem_get(mem, uri.len + 1), hex[3] = "";
    size_t len = 0;
    if (!to || !pk_str_starts(uri, PK_STR("file:///"))) {
        return NULL;
    }
    for (size_t i = strlen("file://"); i < uri.len && uri.ptr[i] != '#'; i++) {
        bool escaped = uri.ptr[i] == '%' && i + 2 < uri.len;
        if (escaped) {
            memcpy(hex, uri.ptr + i + 1, 2);
        }
        to[len++] = escaped ? (char)strtoul(hex, NULL, 16) : uri.ptr[i];
        i += escaped ? 2 : 0;
    }
    to[len] = '\0';
    return to;
}

/* pk_schema_desc.find: files may refer to files, and to nothing else that has to be fetched. */
static pk_err schema_find(void *user, pk_str uri, pk_mem *mem, pk_str *text, pk_error *err)
{
    const char *path = schema_path(mem, uri);
    (void)user;
    if (!path) {
        return pk_error_set(err, PK_ERR_NOT_FOUND, "there is no schema '%" PK_FMT "': nothing is fetched; --with FILE "
                            "hands one in", PK_ARG(uri));
    }
    return body_read_file(mem, path, text, err);
}

/* "FILE: what is wrong", unless it is about the file anyway. */
static int schema_fail(const args *a, const char *file, const pk_error *why)
{
    pk_error err = *why;
    if (!err.sys_errno) {
        (void)pk_error_set(&err, why->code, "%s: %s", strcmp(file, "-") == 0 ? "stdin" : file, why->msg);
    }
    (void)session_fail(a, &err);
    return EXIT_FAILED;
}

static int schema_open(const args *a, pk_mem *mem, pk_schema **out)
{
    const char *file = a->rest[1];
    pk_schema_desc desc = {.find = schema_find, .formats = a->formats, .draft_07 = a->draft_07};
    pk_schema_source *sources = (pk_schema_source *)pk_mem_zero(mem, (a->with.count + 1) * sizeof(*sources));
    pk_str text;
    pk_error err = {0};
    if (!sources) {
        return session_complain(a, EXIT_FAILED, "cannot read '%s': out of memory", file);
    }
    for (size_t i = 0; i < a->with.count; i++) {
        if (body_read_file(mem, a->with.items[i], &sources[i].text, &err)) {
            return schema_fail(a, a->with.items[i], &err);
        }
    }
    if (body_read_file(mem, file, &text, &err)) {
        return schema_fail(a, file, &err);
    }
    if (pk_json_check(text, &err)) {
        return schema_fail(a, file, &err);
    }
    desc.uri = schema_uri(mem, file);
    desc.sources = sources;
    desc.source_count = a->with.count;
    return pk_schema_create(out, text, &desc, &err) ? schema_fail(a, file, &err) : EXIT_GOOD;
}

/* ---- check: the documents */

typedef struct schema_document {
    const char *file;
    pk_mem mem;
    pk_str text;
    pk_error err; // it cannot be read, or to check it takes too long
    pk_schema_fault *faults;
    size_t count;
} schema_document;

static bool schema_fits(const schema_document *d)
{
    return d->err.code == PK_OK && d->count == 0;
}

static void schema_check(const pk_schema *s, const char *file, schema_document *d)
{
    static const pk_json_options careful = {.unique_keys = true};
    const pk_json_value *value;
    memset(d, 0, sizeof(*d));
    d->file = file;
    pk_err rc = body_read_file(&d->mem, file, &d->text, &d->err);
    rc = rc ? rc : pk_json_parse_with(&d->mem, d->text, &careful, &value, &d->err);
    rc = rc ? rc : pk_schema_faults(s, value, &d->mem, SCHEMA_FAULTS, &d->faults, &d->count, &d->err);
    if (rc == PK_ERR_SCHEMA && d->count) {
        d->err.code = PK_OK; // they are what is to be told
    }
}

/* The last step of the rule's place: "#/properties/n/type". */
static pk_str schema_keyword(pk_str rule)
{
    pk_str word = {rule.ptr + rule.len, 0};
    while (word.ptr > rule.ptr && word.ptr[-1] != '/' && word.ptr[-1] != '#') {
        word.ptr--;
        word.len++;
    }
    return word;
}

static void schema_print(const schema_document *d)
{
    const char *name = strcmp(d->file, "-") == 0 ? "stdin" : d->file;
    if (d->err.code) {
        bool says_file = d->err.sys_errno != 0; // it cannot be opened
        fputs("plugkit: ", stderr);
        term_text(stderr, TERM_PLAIN, says_file ? "" : name);
        fputs(says_file ? "" : ": ", stderr);
        term_text(stderr, TERM_PLAIN, d->err.msg);
        fputc('\n', stderr);
    }
    for (size_t i = 0; i < d->count; i++) {
        const pk_schema_fault *f = &d->faults[i];
        where at;
        term_text(stdout, TERM_BOLD, name);
        if (where_is(d->text, f->instance, &at)) {
            printf(":%zu:%zu", at.line, at.column);
        }
        fputs(": ", stdout);
        if (f->path.len) {
            term_put(stdout, TERM_NAME, f->path);
            fputs(": ", stdout);
        }
        term_put(stdout, TERM_PLAIN, f->reason);
        fputs("  [", stdout);
        term_put(stdout, TERM_DIM, f->schema);
        fputs("]\n", stdout);
    }
    if (d->count == SCHEMA_FAULTS) {
        fprintf(stderr, "plugkit: %s: there may be more: no more than %d are shown\n", name, SCHEMA_FAULTS);
    }
    if (schema_fits(d) && term_is_rich()) {
        term_text(stdout, TERM_BOLD, name);
        term_text(stdout, TERM_GOOD, " fits");
        fputc('\n', stdout);
    }
}

static void schema_put(pk_json_writer *w, const schema_document *d)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "file");
    pk_json_put_text(w, d->file);
    pk_json_put_key(w, "ok");
    pk_json_put_bool(w, schema_fits(d));
    pk_json_put_key(w, "error");
    pk_json_put_error(w, &d->err);
    pk_json_put_key(w, "faults");
    pk_json_put_array(w);
    for (size_t i = 0; i < d->count; i++) {
        const pk_schema_fault *f = &d->faults[i];
        const struct {
            const char *key;
            pk_str value;
        } texts[] = {{"path", f->path},     {"instance", f->instance}, {"keyword", schema_keyword(f->schema)},
                     {"rule", f->schema}, {"reason", f->reason}};
        where at = {0, 0};
        bool there = where_is(d->text, f->instance, &at);
        pk_json_put_object(w);
        for (int k = 0; k < 2; k++) {
            pk_json_put_key(w, k ? "column" : "line");
            if (there) {
                pk_json_put_uint(w, k ? at.column : at.line);
            } else {
                pk_json_put_null(w);
            }
        }
        for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
            pk_json_put_key(w, texts[k].key);
            pk_json_put_str(w, texts[k].value);
        }
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
    pk_json_put_end(w);
}

static int schema_run_check(const args *a)
{
    pk_mem mem = {0};
    pk_schema *s = NULL;
    info_json j;
    bool all = true;
    size_t stdins = 0;
    for (size_t i = 1; i < a->rest_count; i++) {
        stdins += strcmp(a->rest[i], "-") == 0;
    }
    if (stdins > 1) {
        return session_complain(a, EXIT_USAGE, "stdin can be read only once: '-' stands there %zu times", stdins);
    }
    int status = schema_open(a, &mem, &s);
    if (!status && a->json) {
        info_json_begin(&j);
        pk_json_put_object(&j.w);
        pk_json_put_key(&j.w, "schema");
        pk_json_put_text(&j.w, a->rest[1]);
        pk_json_put_key(&j.w, "documents");
        pk_json_put_array(&j.w);
    }
    for (size_t i = 2; !status && i < a->rest_count; i++) {
        schema_document d;
        schema_check(s, a->rest[i], &d);
        all = all && schema_fits(&d);
        if (a->json) {
            schema_put(&j.w, &d);
        } else {
            schema_print(&d);
        }
        pk_mem_free(&d.mem);
    }
    if (!status && a->json) {
        pk_json_put_end(&j.w);
        pk_json_put_key(&j.w, "ok");
        pk_json_put_bool(&j.w, all);
        pk_json_put_end(&j.w);
        all = info_json_end(&j) && all;
    }
    pk_schema_destroy(s);
    pk_mem_free(&mem);
    return status ? status : all ? EXIT_GOOD : EXIT_FAILED;
}

/* ---- show */

static bool schema_is_wanted(const args *a, const advertised *s)
{
    return a->rest_count < 4 || pk_str_is(s->type, a->rest[3]);
}

static void schema_show_json(const args *a, const pk_plugin_info *plugin, const advertised *list)
{
    info_json j;
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    pk_json_put_key(&j.w, "plugin");
    pk_json_put_str(&j.w, plugin->id);
    pk_json_put_key(&j.w, "schemas");
    pk_json_put_array(&j.w);
    for (const advertised *s = list; s; s = s->next) {
        if (schema_is_wanted(a, s)) {
            pk_json_put_object(&j.w);
            pk_json_put_key(&j.w, "contract");
            pk_json_put_text(&j.w, s->contract.len ? s->contract.ptr : NULL);
            pk_json_put_key(&j.w, "type");
            pk_json_put_str(&j.w, s->type);
            pk_json_put_key(&j.w, "schema");
            if (pk_json_check(s->text, NULL) == PK_OK) {
                pk_json_put_raw(&j.w, s->text);
            } else {
                pk_json_put_str(&j.w, s->text);
            }
            pk_json_put_end(&j.w);
        }
    }
    pk_json_put_end(&j.w);
    pk_json_put_end(&j.w);
    (void)info_json_end(&j);
}

/* On a terminal indented, with a heading each; in a pipe a line each: contract or "config", type, schema. */
static void schema_show_text(const args *a, const advertised *list)
{
    bool rich = term_is_rich();
    table t;
    table_init(&t, NULL, 3);
    for (const advertised *s = list; s; s = s->next) {
        pk_str contract = s->contract.len ? s->contract : PK_STR("config");
        bool is_json = pk_json_check(s->text, NULL) == PK_OK;
        if (!schema_is_wanted(a, s)) {
            continue;
        }
        if (!rich) {
            table_add(&t, TERM_PLAIN, contract);
            table_add(&t, TERM_PLAIN, s->type);
            table_add(&t, TERM_PLAIN, s->text);
            continue;
        }
        term_put(stdout, TERM_DIM, contract);
        fputc(' ', stdout);
        term_put(stdout, TERM_NAME, s->type);
        fputc('\n', stdout);
        if (is_json) {
            term_json(stdout, s->text);
        } else {
            term_put(stdout, TERM_BAD, s->text);
            fputc('\n', stdout);
        }
    }
    table_print(&t, stdout);
    table_free(&t);
}

static int schema_show(session *s, const args *a)
{
    const pk_plugin_info *plugin = target_plugin(s, a->rest[2]);
    const pk_json_value *capabilities = NULL;
    pk_error err = {0};
    pk_mem mem = {0};
    bool any = false;
    if (!plugin) {
        return target_no_plugin(s, a->rest[2]);
    }
    if (!info_is_good(plugin)) {
        return session_fail(a, &plugin->why);
    }
    if (plugin->capabilities.len && pk_json_parse(&mem, plugin->capabilities, &capabilities, &err)) {
        return session_fail(a, &err);
    }
    const advertised *list = advertised_all(&mem, capabilities);
    for (const advertised *one = list; one; one = one->next) {
        any = any || schema_is_wanted(a, one);
    }
    int status = EXIT_GOOD;
    if (!any) {
        status = session_complain(a, EXIT_NOTHING, "'%s' advertises no schema%s%s%s", a->rest[2],
                                  a->rest_count > 3 ? " of '" : "", a->rest_count > 3 ? a->rest[3] : "",
                                  a->rest_count > 3 ? "'" : "");
    } else if (a->json) {
        schema_show_json(a, plugin, list);
    } else {
        schema_show_text(a, list);
    }
    pk_mem_free(&mem);
    return status;
}

static int schema_run_show(const args *a)
{
    session s = {0};
    if (a->rest_count > 4) {
        return session_complain(a, EXIT_USAGE, "there is nothing to do with '%s'", a->rest[4]);
    }
    int status = session_open(&s, a, a->rest[1]);
    return session_close(&s, status ? status : schema_show(&s, a));
}

/* ---- the command */

int schema_run(const args *a)
{
    if (strcmp(a->rest[0], "check") == 0) {
        return schema_run_check(a);
    }
    if (strcmp(a->rest[0], "show") == 0) {
        return schema_run_show(a);
    }
    args_near n = {a->rest[0], NULL, 0};
    args_near_try(&n, "check");
    args_near_try(&n, "show");
    return session_complain(a, EXIT_USAGE, "plugkit schema can check and show, not '%s'%s%s%s", a->rest[0],
                            n.best ? ": did you mean '" : "", n.best ? n.best : "", n.best ? "'?" : "");
}
