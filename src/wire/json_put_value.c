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
/* A number or word; gives the end. NULL: only the writer can put it. */
PK__HOT char *pk__json_put_leaf(char *out, const pk_json_value *node)
{
    double real;
    switch (node->tag & PK__JSON_TYPE_MASK) {
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

/* Where text may go on that has come to `out`: NULL if there is no room for `need` bytes and the slack. *limit is where
 * the slack begins. */
static char *pk__json_put_room(pk_json_writer *w, char *out, size_t need, char **limit)
{
    w->buf->len = (size_t)(out - w->buf->ptr);
    out = pk__json_slack(w, need);
    *limit = out ? w->buf->ptr + w->buf->cap - PK__JSON_SLACK : NULL;
    return out;
}

/* All nodes of v, straight into the buffer, which has room for no less than they need; false: it has not, or there is
 * something that only the writer can put. */
static bool pk__json_put_fast(pk_json_writer *w, const pk_json_value *v)
{
    pk__json_opened o;
    const pk_json_value *node = v;
    bool container = pk_json_type_of(v) == PK_JSON_ARRAY || pk_json_type_of(v) == PK_JSON_OBJECT;
    size_t all = container ? v->of.span * 8 : 0; // a guess, so that the buffer grows once
    char *limit, *out;
    if (!(out = pk__json_slack(w, all)) && !(out = pk__json_slack(w, 0))) {
        return false;
    }
    limit = w->buf->ptr + w->buf->cap - PK__JSON_SLACK;
    o.depth = 0;
    do {
        uint64_t type = node->tag & PK__JSON_TYPE_MASK;
        bool text = type == PK_JSON_STRING || type == PK__JSON_KEY;
        size_t need = (text ? pk__json_len(node) : 0) + o.depth; // all that is open may close behind it
        if ((out > limit || (size_t)(limit - out) < need) && !(out = pk__json_put_room(w, out, need, &limit))) {
            return false;
        }
        container = type == PK_JSON_ARRAY || type == PK_JSON_OBJECT;
        if (text) {
            const char *from = node->of.text, *end = from + pk__json_len(node);
            *out++ = '"';
            size_t done = pk__json_copy_plain(out, from, pk__json_len(node), true);
            out += done;
            if (from + done < end) { // which may take more room than its length, and move all of it
                out = pk__json_quoted_rest(w, out, from + done, end, true);
                if (!out || !(out = pk__json_put_room(w, out, o.depth, &limit))) {
                    return false;
                }
            }
            *out++ = '"';
            if (type == PK__JSON_KEY) {
                *out++ = ':';
                node++;
                continue;
            }
        } else if (container && o.depth + w->depth >= PLUGKIT_JSON_DEPTH) {
            return false;
        } else if (container && node->of.span > 1) {
            *out++ = type == PK_JSON_OBJECT ? '{' : '[';
            o.list[o.depth++] = node++;
            continue;
        } else if (container) {
            memcpy(out, type == PK_JSON_OBJECT ? "{}" : "[]", 2);
            out += 2;
        } else if (!(out = pk__json_put_leaf(out, node))) {
            return false;
        }
        for (node++; pk__json_closes(&o, node); o.depth--) {
            *out++ = pk_json_type_of(o.list[o.depth - 1]) == PK_JSON_OBJECT ? '}' : ']';
        }
        *out++ = ',';
    } while (o.depth > 0);
    w->buf->len = (size_t)(out - 1 - w->buf->ptr);
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
