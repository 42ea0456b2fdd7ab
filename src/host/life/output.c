/* output.c - lines and log records. */
#include "output.h"

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"

PK__FN void pk__output_init(pk__output *o, const pk_alloc *alloc, size_t line_max,
                            void (*on_line)(void *user, pk_str line), void *user)
{
    memset(o, 0, sizeof(*o));
    pk_buf_init(&o->line, alloc, line_max);
    o->on_line = on_line;
    o->user = user;
}

PK__FN void pk__output_deinit(pk__output *o)
{
    pk_buf_free(&o->line);
}

static void pk__output_deliver(pk__output *o, pk_str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    o->on_line(o->user, line);
}

/* A cut line is over. */
static void pk__output_uncut(pk__output *o)
{
    o->is_cut = false;
    if (o->on_cut) {
        o->on_cut(o->user, o->dropped - o->dropped_before);
    }
}

/* Keeps a piece of an incomplete line, as far as there is room. */
static void pk__output_keep(pk__output *o, pk_str piece)
{
    if (o->is_cut) {
        o->dropped += piece.len;
        return;
    }
    pk_str part = {piece.ptr, PK__MIN(piece.len, o->line.max - o->line.len)};
    if (!pk_buf_add(&o->line, part)) {
        part.len = 0; // no memory: what there is of the line must do
    }
    if (part.len < piece.len) {
        o->dropped_before = o->dropped;
        o->dropped += piece.len - part.len;
        o->is_cut = true;
        pk__output_deliver(o, pk_buf_str(&o->line));
        pk_buf_free(&o->line);
    }
}

PK__FN void pk__output_add(pk__output *o, pk_str bytes)
{
    pk_str line, rest;
    while (pk_str_cut(bytes, '\n', &line, &rest)) {
        bytes = rest;
        if (o->is_cut) {
            o->dropped += line.len;
            pk__output_uncut(o);
            continue;
        }
        if (o->line.len == 0 && line.len <= o->line.max) {
            pk__output_deliver(o, line); // the usual case: nothing is copied
            continue;
        }
        pk__output_keep(o, line);
        if (o->is_cut) {
            pk__output_uncut(o);
        } else {
            pk__output_deliver(o, pk_buf_str(&o->line));
        }
        pk_buf_free(&o->line);
    }
    if (bytes.len > 0) {
        pk__output_keep(o, bytes);
    }
}

PK__FN void pk__output_end(pk__output *o)
{
    if (o->line.len > 0 && !o->is_cut) {
        pk__output_deliver(o, pk_buf_str(&o->line));
    }
    pk_buf_free(&o->line);
    if (o->is_cut) {
        pk__output_uncut(o);
    }
}

/* ---- records */

enum { PK__OUTPUT_FIELDS = 34 };

typedef struct pk__output_record {
    pk_log_level level;
    pk_str text;
    pk_meta fields[PK__OUTPUT_FIELDS];
    size_t count;
    pk_mem mem;
} pk__output_record;

static bool pk__output_level(pk_str word, pk_log_level *level)
{
    static const struct {
        const char *word;
        pk_log_level level;
    } words[] = {
        {"trace", PK_LOG_DEBUG}, {"debug", PK_LOG_DEBUG}, {"info", PK_LOG_INFO},     {"notice", PK_LOG_INFO},
        {"warn", PK_LOG_WARN},   {"warning", PK_LOG_WARN}, {"error", PK_LOG_ERROR}, {"err", PK_LOG_ERROR},
        {"fatal", PK_LOG_ERROR}, {"panic", PK_LOG_ERROR},
    };
    for (size_t i = 0; i < PK__COUNT(words); i++) {
        if (pk_str_ieq(word, pk_str_from(words[i].word))) {
            *level = words[i].level;
            return true;
        }
    }
    return false;
}

static pk_str pk__output_clean(pk_mem *mem, pk_str text)
{
    size_t cap = text.len * 4 + 1; // lines are short enough
    pk_str clean = {(char *)pk_mem_get(mem, cap), 0};
    if (clean.ptr) {
        clean.len = pk__error_clean((char *)clean.ptr, cap, text); // ours: made just above
    }
    return clean;
}

static void pk__output_field(pk__output_record *r, pk_str name, pk_str value)
{
    if (r->count < PK__OUTPUT_FIELDS) {
        r->fields[r->count].name = pk__output_clean(&r->mem, name);
        r->fields[r->count].value = pk__output_clean(&r->mem, value);
        r->count++;
    }
}

/* A value of a field as text: strings as they are, everything else as JSON. */
static pk_str pk__output_value(pk__output_record *r, const pk_json_value *v)
{
    switch (pk_json_type_of(v)) {
    case PK_JSON_STRING: return pk_json_str(v);
    case PK_JSON_NUMBER: return pk_json_number_text(v);
    case PK_JSON_BOOL: return pk_str_from(pk_json_bool(v, false) ? "true" : "false");
    case PK_JSON_NULL: return PK_STR("null");
    case PK_JSON_NONE: return PK_STR("");
    case PK_JSON_ARRAY:
    case PK_JSON_OBJECT: break;
    }
    return pk_mem_printf(&r->mem, "%lu %s", (unsigned long)pk_json_count(v),
                         pk_json_type_of(v) == PK_JSON_ARRAY ? "items" : "members");
}

static bool pk__output_json(pk__output_record *r, pk_str line)
{
    const pk_json_value *doc;
    if (line.len < 2 || line.ptr[0] != '{' || pk_json_parse(&r->mem, line, &doc, NULL)) {
        return false;
    }
    bool has_text = false;
    for (const pk_json_value *v = pk_json_first(doc); v; v = pk_json_next(doc, v)) {
        pk_str key = pk_json_key(v);
        pk_str value = pk__output_value(r, v);
        if (key.len > 0 && key.ptr[0] == '@') {
            key.ptr++;
            key.len--;
        }
        if (pk_str_is(key, "level")) {
            (void)pk__output_level(value, &r->level);
        } else if (!has_text && (pk_str_is(key, "msg") || pk_str_is(key, "message"))) {
            r->text = value;
            has_text = true;
        } else if (!pk_str_is(key, "time") && !pk_str_is(key, "timestamp")) {
            pk__output_field(r, key, value);
        }
    }
    return true;
}

static void pk__output_plain(pk__output_record *r, pk_str line)
{
    pk_str word, rest;
    r->text = line;
    if (pk_str_starts(line, PK_STR("[")) && pk_str_cut(line, ']', &word, &rest)) {
        word.ptr++;
        word.len--;
        if (pk__output_level(word, &r->level)) {
            while (rest.len > 0 && rest.ptr[0] == ' ') {
                rest.ptr++;
                rest.len--;
            }
            r->text = rest;
        }
    } else if (pk_str_starts(line, PK_STR("panic: "))) {
        r->level = PK_LOG_ERROR;
    }
}

static void pk__output_begin(pk__output_record *r, const pk_alloc *alloc)
{
    memset(r, 0, sizeof(*r));
    r->mem.alloc = alloc;
    r->level = PK_LOG_INFO;
}

PK__FN void pk__output_log(const pk_alloc *alloc, pk_on_log on_log, void *user, const char *event, pk_str plugin,
                           pk_str stream, pk_str line)
{
    if (!on_log) {
        return;
    }
    pk__output_record r;
    pk__output_begin(&r, alloc);
    pk__output_field(&r, PK_STR("plugin"), plugin);
    pk__output_field(&r, PK_STR("stream"), stream);
    if (!pk__output_json(&r, line)) {
        pk__output_plain(&r, line);
    }
    on_log(user, r.level, event, pk__output_clean(&r.mem, r.text), r.fields, r.count);
    pk_mem_free(&r.mem);
}

/* What slog and hclog call an error, of which the message only says that there was one. */
static pk_str pk__output_error(const pk__output_record *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (pk_str_is(r->fields[i].name, "error") || pk_str_is(r->fields[i].name, "err")) {
            return r->fields[i].value;
        }
    }
    return PK_STR("");
}

PK__FN size_t pk__output_words(const pk_alloc *alloc, pk_str line, char *out, size_t cap)
{
    static const char *const levels[] = {"", "debug: ", "", "warn: ", "error: "};
    pk__output_record r;
    pk__output_begin(&r, alloc);
    if (pk__output_json(&r, line) && r.text.len) {
        pk_str error = pk__output_error(&r);
        pk_str words = pk_mem_printf(&r.mem, "%s%" PK_FMT "%s%" PK_FMT, levels[r.level], PK_ARG(r.text),
                                     error.len ? ": " : "", PK_ARG(error));
        line = words.ptr ? words : r.text;
    }
    size_t len = pk__error_clean(out, cap, line);
    pk_mem_free(&r.mem);
    return len;
}
