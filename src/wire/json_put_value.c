/* json_put_value.c - writes what was parsed.
 *
 * The nodes stand in the order of the text, so one loop goes over them, and a list of the open containers tells where
 * they end. Numbers keep what they are: those that 64 bits cannot hold are copied as they were written.
 *
 * There are two loops. One goes straight into the buffer, without blanks; where that has no room to spare, and in small
 * builds and for indented text, the other asks the writer for each piece. */
#include <string.h>

#include "json_quote.h"
#include "json_read.h"

/* What closes where: the containers that are open. */
typedef struct pk__json_opened {
    const pk_json_value *list[PLUGKIT_JSON_DEPTH];
    unsigned depth;
} pk__json_opened;

static bool pk__json_closes(const pk__json_opened *o, const pk_json_value *node)
{
    return o->depth > 0 && node == o->list[o->depth - 1] + o->list[o->depth - 1]->of.span;
}

static void pk__json_put_number(pk_json_writer *w, const pk_json_value *v)
{
    int64_t i = 0;
    uint64_t u = 0;
    pk_str text = pk_json_number_text(v);
    if (pk_json_get_uint(v, &u) && text.ptr[0] != '-') { // -0 is another number than 0
        pk_json_put_uint(w, u);
    } else if (pk_json_get_int(v, &i) && i < 0) {
        pk_json_put_int(w, i);
    } else if (pk_json_number_kind(v) == PK_JSON_NUMBER_REAL) {
        pk_json_put_double(w, pk_json_double(v, 0));
    } else {
        pk_json_put_raw(w, text);
    }
}

static void pk__json_put_nodes(pk_json_writer *w, const pk_json_value *v)
{
    pk__json_opened o;
    o.depth = 0;
    const pk_json_value *node = v;
    do {
        switch (node->tag & PK__JSON_TYPE_MASK) {
        case PK__JSON_KEY: pk_json_put_key_str(w, pk_json_key(node + 1)); node++; continue;
        case PK_JSON_STRING: pk_json_put_str(w, pk_json_str(node)); break;
        case PK_JSON_NUMBER: pk__json_put_number(w, node); break;
        case PK_JSON_BOOL: pk_json_put_bool(w, pk_json_bool(node, false)); break;
        case PK_JSON_ARRAY:
        case PK_JSON_OBJECT:
            (pk_json_type_of(node) == PK_JSON_OBJECT ? pk_json_put_object : pk_json_put_array)(w);
            if (w->failed) {
                return; // too deep, perhaps
            }
            o.list[o.depth++] = node;
            break;
        default: pk_json_put_null(w); break;
        }
        for (node++; pk__json_closes(&o, node); o.depth--) {
            pk_json_put_end(w);
        }
    } while (o.depth > 0);
}

#if PK__SMALL
static bool pk__json_put_fast(pk_json_writer *w, const pk_json_value *v)
{
    (void)w, (void)v;
    return false;
}
#else
/* A string, key, number or word; gives the end. NULL: there is no room to spare. */
PK__HOT char *pk__json_put_leaf(pk_json_writer *w, char *out, const pk_json_value *node)
{
    double real;
    pk_str text;
    switch (node->tag & PK__JSON_TYPE_MASK) {
    case PK_JSON_STRING:
    case PK__JSON_KEY:
        text.ptr = node->of.text;
        text.len = pk__json_len(node);
        return pk__json_quoted_at(w, out, text, true);
    case PK_JSON_NUMBER:
        if (pk__json_form(node) == PK__NUMBER_UINT) {
            return pk__number_put_uint(out, node->of.bits);
        }
        if (pk__json_form(node) == PK__NUMBER_INT) {
            return pk__number_put_int(out, (int64_t)node->of.bits);
        }
        memcpy(&real, &node->of.bits, sizeof(real));
        return pk__json_form(node) == PK__NUMBER_DOUBLE ? pk__number_put_double(out, real) : NULL;
    case PK_JSON_BOOL:
        memcpy(out, pk__json_len(node) ? "true" : "fals", 4);
        out[4] = 'e';
        return out + 5 - pk__json_len(node);
    default:
        memcpy(out, "null", 4);
        return out + 4;
    }
}

/* All nodes of v, straight into the buffer, which has room for no less than they need; false: it has not, or there is
 * something that only the writer can put. */
static bool pk__json_put_fast(pk_json_writer *w, const pk_json_value *v)
{
    pk__json_opened o;
    const pk_json_value *node = v;
    pk_buf *buf = w->buf;
    bool container = pk_json_type_of(v) == PK_JSON_ARRAY || pk_json_type_of(v) == PK_JSON_OBJECT;
    char *out = container ? pk__json_slack(w, v->of.span * 8) : NULL; // a guess, so that the buffer grows once
    out = out ? out : pk__json_slack(w, 0);
    o.depth = 0;
    do {
        uint64_t type = node->tag & PK__JSON_TYPE_MASK;
        size_t need = type == PK_JSON_STRING || type == PK__JSON_KEY ? pk__json_len(node) + o.depth : o.depth;
        if (!out) {
            return false;
        }
        buf->len = (size_t)(out - buf->ptr);
        if (buf->cap - buf->len < need + PK__JSON_SLACK && !(out = pk__json_slack(w, need))) {
            return false;
        }
        container = type == PK_JSON_ARRAY || type == PK_JSON_OBJECT;
        if (container && o.depth + w->depth >= PLUGKIT_JSON_DEPTH) {
            return false;
        }
        if (container && node->of.span > 1) {
            *out++ = type == PK_JSON_OBJECT ? '{' : '[';
            o.list[o.depth++] = node++;
            continue;
        }
        if (container) {
            memcpy(out, type == PK_JSON_OBJECT ? "{}" : "[]", 2);
            out += 2;
        } else if (!(out = pk__json_put_leaf(w, out, node))) {
            return false;
        } else if (type == PK__JSON_KEY) {
            *out++ = ':';
            node++;
            continue;
        }
        for (node++; pk__json_closes(&o, node); o.depth--) {
            *out++ = pk_json_type_of(o.list[o.depth - 1]) == PK_JSON_OBJECT ? '}' : ']';
        }
        *out++ = ',';
    } while (o.depth > 0);
    buf->len = (size_t)(out - 1 - buf->ptr);
    return true;
}
#endif

PK_API void pk_json_put_value(pk_json_writer *w, const pk_json_value *v)
{
    if (!v) {
        pk_json_put_null(w);
        return;
    }
    if (!PK__SMALL && w->indent == 0) {
        pk_json_writer was = *w;
        size_t start = w->buf->len;
        if (!pk__json_before_value(w) || pk__json_put_fast(w, v)) {
            return;
        }
        *w = was; // all of it again, with care
        w->buf->len = start;
    }
    if (!w->failed) {
        pk__json_put_nodes(w, v);
    }
}
