/* schema_say.c - where a value does not fit, by which rule, and why, in words. */
#ifdef PLUGKIT_WITH_SCHEMA
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "schema.h"

enum { PK__SCHEMA_PATH_MAX = 8192, PK__SCHEMA_LEVELS = PLUGKIT_JSON_DEPTH + 8 };

/* ---- values and places as text */

PK__FN const char *pk__schema_show(const pk_json_value *v, char out[PK__SCHEMA_SHOWN])
{
    pk_str text = pk_json_number_text(v);
    switch (pk_json_type_of(v)) {
    case PK_JSON_NULL: text = PK_STR("null"); break;
    case PK_JSON_BOOL: text = pk_json_bool(v, false) ? PK_STR("true") : PK_STR("false"); break;
    case PK_JSON_NUMBER: break;
    case PK_JSON_STRING: {
        out[0] = '"';
        size_t len = pk__error_clean(out + 1, PK__SCHEMA_SHOWN - 2, pk_json_str(v));
        memcpy(out + 1 + len, "\"", 2);
        return out;
    }
    case PK_JSON_ARRAY: text = pk_json_count(v) ? PK_STR("an array") : PK_STR("an empty array"); break;
    default: text = pk_json_count(v) ? PK_STR("an object") : PK_STR("an empty object");
    }
    (void)pk__error_clean(out, PK__SCHEMA_SHOWN, text);
    return out;
}

PK__FN const char *pk__schema_show_at(const pk__schema_place *place, char out[PK__SCHEMA_SHOWN])
{
    if (place->value) {
        return pk__schema_show(place->value, out);
    }
    size_t len = pk__error_clean(out + 1, PK__SCHEMA_SHOWN - 2, place->key);
    out[0] = '"';
    memcpy(out + 1 + len, "\"", 2);
    return out;
}

/* A key as a token of a JSON Pointer. */
static void pk__schema_put_token(pk_buf *out, pk_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        pk_str one = {&key.ptr[i], 1};
        (void)pk_buf_add(out, c == '~' ? PK_STR("~0") : c == '/' ? PK_STR("~1") : one);
    }
}

static void pk__schema_put_index(pk_buf *out, size_t index)
{
    char digits[32];
    (void)snprintf(digits, sizeof(digits), "%lu", (unsigned long)index);
    (void)pk_buf_add(out, pk_str_from(digits));
}

static bool pk__schema_is_plain(pk_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '-' ||
                    c == '$' || (c & 0x80);
        if (!good) {
            return false;
        }
    }
    return key.len > 0;
}

/* "servers[2].port"; keys with other characters in them as ["a b"]. */
static void pk__schema_put_step(pk_buf *out, const pk__schema_place *place, bool is_pointer)
{
    char clean[100];
    if (is_pointer) {
        (void)pk_buf_add(out, PK_STR("/"));
        if (place->key.ptr) {
            pk__schema_put_token(out, place->key);
        } else {
            pk__schema_put_index(out, place->index);
        }
    } else if (!place->key.ptr) {
        (void)pk_buf_add(out, PK_STR("["));
        pk__schema_put_index(out, place->index);
        (void)pk_buf_add(out, PK_STR("]"));
    } else if (pk__schema_is_plain(place->key)) {
        (void)pk_buf_add(out, out->len ? PK_STR(".") : PK_STR(""));
        (void)pk_buf_add(out, place->key);
    } else {
        (void)pk__error_clean(clean, sizeof(clean), place->key);
        (void)pk_buf_add(out, PK_STR("[\""));
        (void)pk_buf_add(out, pk_str_from(clean));
        (void)pk_buf_add(out, PK_STR("\"]"));
    }
}

static void pk__schema_put_place(pk_buf *out, const pk__schema_place *place, bool is_pointer)
{
    const pk__schema_place *steps[PK__SCHEMA_LEVELS];
    size_t count = 0;
    for (; place->outer && count < PK__SCHEMA_LEVELS; place = place->outer) {
        steps[count++] = place;
    }
    while (count > 0) {
        pk__schema_put_step(out, steps[--count], is_pointer);
    }
}

PK__FN void pk__schema_put_node(pk_buf *out, const pk__schema_node *node, const pk__schema_resource *seen_from)
{
    const pk__schema_node *steps[PK__SCHEMA_LEVELS];
    size_t count = 0;
    const pk__schema_resource *home = node->home;
    if (home != seen_from) {
        (void)pk_buf_add(out, home->uri);
    }
    (void)pk_buf_add(out, PK_STR("#"));
    for (; node->parent && node->at != home->at && count < PK__SCHEMA_LEVELS; node = node->parent) {
        steps[count++] = node;
    }
    while (count > 0) {
        const pk__schema_node *n = steps[--count];
        if (*n->word) {
            (void)pk_buf_add(out, PK_STR("/"));
            (void)pk_buf_add(out, pk_str_from(n->word));
        }
        if (n->has_index) {
            (void)pk_buf_add(out, PK_STR("/"));
            pk__schema_put_index(out, n->index);
        } else if (n->key.ptr && *n->word) {
            (void)pk_buf_add(out, PK_STR("/"));
            pk__schema_put_token(out, n->key);
        } else if (n->key.ptr) {
            (void)pk_buf_add(out, n->key); // the rest of a pointer
        }
    }
}

/* ---- reports */

PK__FN bool pk__schema_goes_on(const pk__schema_run *run)
{
    return run->report && run->report->count < run->report->max && !run->failed;
}

static pk_str pk__schema_keep(pk__schema_run *run, const pk_buf *buf)
{
    pk_str kept = pk_mem_dup(run->report->mem, pk_buf_str(buf)); // one that was cut at its limit will do
    if (!kept.ptr || buf->failed == PK_ERR_NO_MEMORY) {
        (void)pk__schema_fail(run, PK_ERR_NO_MEMORY, "");
    }
    return kept;
}

/* Of several alternatives the one whose fault is deepest in the value has come the farthest; of those that are at the
 * same place, one to which the type was right. */
static void pk__schema_say_nearest(pk__schema_run *run, const char *word, const pk__schema_place *place,
                                   const char *reason)
{
    pk__schema_report *report = run->report;
    unsigned rank = place->depth * 2 + (strcmp(word, "type") != 0);
    char path[100] = "";
    pk_buf buf;
    if (report->count && rank <= report->rank) {
        return;
    }
    if (place->depth > report->base) {
        pk_buf_init(&buf, run->alloc, PK__SCHEMA_PATH_MAX);
        pk__schema_put_place(&buf, place, false);
        (void)pk__error_clean(path, sizeof(path), pk_buf_str(&buf));
        pk_buf_free(&buf);
    }
    (void)snprintf(report->nearest, PK__SCHEMA_NEAREST, "%s%s%.130s", path, path[0] ? ": " : "", reason);
    report->count = 1;
    report->rank = rank;
}

PK__FN bool pk__schema_say(pk__schema_run *run, const pk__schema_node *node, const char *word,
                           const pk__schema_place *place, const char *format, ...)
{
    pk__schema_report *report = run->report;
    char reason[256] = "as a key: ";
    size_t len = place->value ? 0 : strlen(reason);
    pk_buf buf;
    va_list args;
    if (!report || run->failed || (!report->nearest && report->count == report->max)) {
        return false;
    }
    va_start(args, format);
    (void)vsnprintf(reason + len, sizeof(reason) - len, format, args);
    va_end(args);
    if (report->nearest) {
        pk__schema_say_nearest(run, word, place, reason);
        return false;
    }
    if (!report->faults) {
        report->faults = (pk_schema_fault *)pk_mem_zero(report->mem, report->max * sizeof(*report->faults));
        if (!report->faults) {
            return pk__schema_fail(run, PK_ERR_NO_MEMORY, "");
        }
    }
    pk_schema_fault *fault = &report->faults[report->count++];
    pk_buf_init(&buf, run->alloc, PK__SCHEMA_PATH_MAX);
    pk__schema_put_place(&buf, place, false);
    fault->path = pk__schema_keep(run, &buf);
    pk_buf_clear(&buf);
    pk__schema_put_place(&buf, place, true);
    fault->instance = pk__schema_keep(run, &buf);
    pk_buf_clear(&buf);
    pk__schema_put_node(&buf, node, run->home);
    (void)pk_buf_add(&buf, *word ? PK_STR("/") : PK_STR(""));
    (void)pk_buf_add(&buf, pk_str_from(word));
    fault->schema = pk__schema_keep(run, &buf);
    pk_buf_free(&buf);
    fault->reason = pk_mem_dup(report->mem, pk_str_from(reason));
    if (!fault->reason.ptr) {
        return pk__schema_fail(run, PK_ERR_NO_MEMORY, "");
    }
    return pk__schema_goes_on(run);
}

#endif
