/* where.c - a walk over text that is known to be JSON: nothing is checked a second time. */
#include "where.h"

#include <stdio.h>
#include <string.h>

typedef struct walk {
    const char *at, *end;
} walk;

static void walk_blanks(walk *w)
{
    while (w->at < w->end && strchr(" \t\r\n", *w->at)) {
        w->at++;
    }
}

/* A string with its quotes; behind it afterwards. */
static pk_str walk_string(walk *w)
{
    pk_str text = {w->at++, 0};
    while (w->at < w->end && *w->at != '"') {
        w->at += *w->at == '\\' ? 2 : 1;
    }
    w->at += w->at < w->end;
    text.len = (size_t)(w->at - text.ptr);
    return text;
}

/* Behind a value, whatever is in it. */
static void walk_value(walk *w)
{
    size_t depth = 0;
    do {
        char c = *w->at;
        if (c == '"') {
            (void)walk_string(w);
        } else if (strchr("{[", c)) {
            depth++;
            w->at++;
        } else if (strchr("}]", c)) {
            depth--;
            w->at++;
        } else if (strchr(",: \t\r\n", c)) {
            w->at++;
        } else { // a number or a word
            while (w->at < w->end && !strchr(",:]} \t\r\n", *w->at)) {
                w->at++;
            }
        }
    } while (depth > 0 && w->at < w->end);
}

/* Is this string of JSON the key? */
static bool walk_is_key(pk_mem *mem, pk_str quoted, pk_str key)
{
    pk_str plain = {quoted.ptr + 1, quoted.len - 2};
    if (!memchr(plain.ptr, '\\', plain.len)) {
        return pk_str_eq(plain, key);
    }
    return pk_json_decode(mem, &pk_type_pk_str, quoted, &plain, NULL) == PK_OK && pk_str_eq(plain, key);
}

static bool walk_is_item(size_t index, pk_str step)
{
    char number[24];
    (void)snprintf(number, sizeof(number), "%zu", index);
    return pk_str_is(step, number);
}

/* From a container to the member or the item that the step names. */
static bool walk_step(walk *w, pk_mem *mem, pk_str step)
{
    bool is_object = *w->at == '{', more = true;
    const char *found = NULL;
    if (!is_object && *w->at != '[') {
        return false;
    }
    w->at++;
    for (size_t i = 0; more; i++) {
        walk_blanks(w);
        if (w->at >= w->end || *w->at == '}' || *w->at == ']') {
            break;
        }
        bool is_it = is_object ? walk_is_key(mem, walk_string(w), step) : walk_is_item(i, step);
        walk_blanks(w);
        if (is_object) {
            w->at++; // the colon
            walk_blanks(w);
        }
        found = is_it ? w->at : found;
        walk_value(w);
        walk_blanks(w);
        more = w->at < w->end && *w->at == ',';
        w->at += more;
    }
    w->at = found ? found : w->at;
    return found != NULL;
}

/* A step of a pointer as the key that it stands for. */
static pk_str where_unescape(pk_mem *mem, pk_str step)
{
    char *to = (char *)pk_mem_get(mem, step.len + 1);
    pk_str key = {to, 0};
    for (size_t i = 0; to && i < step.len; i++) {
        bool escaped = step.ptr[i] == '~' && i + 1 < step.len;
        to[key.len++] = !escaped ? step.ptr[i] : step.ptr[i + 1] == '1' ? '/' : '~';
        i += escaped;
    }
    return key;
}

bool where_is(pk_str text, pk_str pointer, where *out)
{
    walk w = {text.ptr, text.ptr + text.len};
    pk_mem mem = {0};
    pk_str rest = pointer, step;
    bool there = true;
    walk_blanks(&w);
    while (there && rest.len) {
        rest.ptr++; // the slash
        rest.len--;
        const char *slash = (const char *)memchr(rest.ptr, '/', rest.len);
        step = rest;
        step.len = slash ? (size_t)(slash - rest.ptr) : rest.len;
        rest.ptr += step.len;
        rest.len -= step.len;
        step = where_unescape(&mem, step);
        there = step.ptr && w.at < w.end && walk_step(&w, &mem, step);
    }
    pk_mem_free(&mem);
    out->line = out->column = 1;
    for (const char *p = text.ptr; there && p < w.at; p++) {
        bool is_end = *p == '\n';
        out->line += is_end;
        out->column = is_end ? 1 : out->column + ((unsigned char)(*p & 0xC0) != 0x80);
    }
    return there;
}
