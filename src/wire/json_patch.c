/* json_patch.c - JSON Patch and JSON Merge Patch.
 *
 * An operation is read when its turn comes; a spot is what its pointer leads to: a container, which is open then, and a
 * place in it where a value is or could be. Errors quote keys and paths, never values. */
#ifdef PLUGKIT_WITH_JSON_TOOLS
#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../base/words.h"
#include "json_edit.h"
#include "number.h"

typedef enum pk__json_op {
    PK__JSON_OP_NONE,
    PK__JSON_OP_ADD,
    PK__JSON_OP_REMOVE,
    PK__JSON_OP_REPLACE,
    PK__JSON_OP_MOVE,
    PK__JSON_OP_COPY,
    PK__JSON_OP_TEST,
    PK__JSON_OP_COUNT
} pk__json_op;

static const char pk__json_op_words[] = "\0add\0remove\0replace\0move\0copy\0test";

/* The members of an operation, in the order of their names. */
enum { PK__JSON_OP, PK__JSON_PATH, PK__JSON_FROM, PK__JSON_VALUE, PK__JSON_OP_MEMBERS };

typedef struct pk__json_patching {
    pk__json_edit edit;
    pk_error *err;
    size_t number; // of the operation, from 0
    pk__json_op op;
    pk_str path, from;
    const pk_json_value *value;
} pk__json_patching;

typedef struct pk__json_spot {
    pk__json_opened_value *in;  // NULL: it is the document itself
    const pk_json_value **slot; // NULL: nothing is there
    size_t index;               // of an array: where the item is, or could be added; SIZE_MAX: nowhere
    pk_str token;               // the last one of the pointer, without escapes
} pk__json_spot;

/* ---- errors */

/* "cannot apply JSON Patch: operation 3 (replace /a/b): there is no member "b"" */
static bool pk__json_patch_wrong(pk__json_patching *p, pk_err code, const char *reason, pk_str token)
{
    char path[90], quoted[50];
    const char *op = pk__words_at(pk__json_op_words, (size_t)p->op);
    pk_str none = {"", 0};
    (void)pk__error_clean(path, sizeof(path), p->path.ptr ? p->path : none);
    (void)pk__error_clean(quoted, sizeof(quoted), token.ptr ? token : none);
    const char *mark = token.ptr ? "\"" : "";
    (void)pk_error_set(p->err, code, "cannot apply JSON Patch: operation %zu%s%s%s%s%s: %s%s%s%s%s", p->number,
                       p->op ? " (" : "", op, p->path.len > 0 ? " " : "", path, p->op ? ")" : "", reason,
                       token.ptr ? " " : "", mark, quoted, mark);
    p->edit.failed = code;
    return false;
}

static bool pk__json_patch_bad(pk__json_patching *p, const char *reason)
{
    pk_str none = {NULL, 0};
    return pk__json_patch_wrong(p, PK_ERR_BAD_JSON, reason, none);
}

static bool pk__json_patch_missing(pk__json_patching *p, const pk__json_spot *spot)
{
    return pk__json_patch_wrong(p, PK_ERR_NOT_FOUND,
                                spot->in && !spot->in->is_object ? "there is no item" : "there is no member",
                                spot->token);
}

/* ---- pointers (RFC 6901) */

static bool pk__json_is_pointer(pk_str text)
{
    bool good = text.len == 0 || text.ptr[0] == '/';
    for (size_t i = 0; i < text.len; i++) {
        good = good && (text.ptr[i] != '~' || (i + 1 < text.len && (text.ptr[i + 1] & 0xFE) == '0')); // 0 or 1
    }
    return good;
}

/* Takes the first token, behind its slash, off a pointer. Only one with escapes is copied. */
static bool pk__json_take_token(pk__json_edit *e, pk_str *pointer, pk_str *token)
{
    const char *from = pointer->ptr + 1, *end = pointer->ptr + pointer->len;
    const char *slash = (const char *)memchr(from, '/', (size_t)(end - from));
    end = slash ? slash : end;
    token->ptr = from;
    token->len = (size_t)(end - from);
    pointer->len -= token->len + 1;
    pointer->ptr = end;
    if (!memchr(from, '~', token->len)) {
        return true;
    }
    char *out = (char *)pk__json_edit_get(e, token->len);
    token->ptr = out;
    token->len = 0;
    for (; out && from < end; from++) {
        char c = *from;
        if (c == '~') {
            c = *++from == '0' ? '~' : '/';
        }
        out[token->len++] = c;
    }
    return out != NULL;
}

/* What a token means in an array: a number without zeros in front, or '-' for the place behind the last item. */
static size_t pk__json_token_index(pk_str token, size_t count)
{
    uint64_t index;
    const char *at = token.ptr, *end = at + token.len;
    if (token.len == 1 && *at == '-') {
        return count;
    }
    for (; at < end && (unsigned char)(*at - '0') < 10; at++) {
    }
    bool number = at == end && token.len > 0 && (token.len == 1 || token.ptr[0] != '0');
    return number && pk__number_to_uint(token, &index) && index <= count ? (size_t)index : SIZE_MAX;
}

/* Opens what is on the way. */
static bool pk__json_patch_go(pk__json_patching *p, pk_str pointer, pk__json_spot *spot)
{
    spot->in = NULL;
    spot->slot = &p->edit.root;
    spot->index = 0;
    while (pointer.len > 0) {
        if (!spot->slot) {
            return pk__json_patch_missing(p, spot);
        }
        spot->in = pk__json_edit_open(&p->edit, spot->slot);
        if (p->edit.failed || !pk__json_take_token(&p->edit, &pointer, &spot->token)) {
            return false;
        }
        if (!spot->in) {
            return pk__json_patch_wrong(p, PK_ERR_NOT_FOUND, "there is no object or array around", spot->token);
        }
        if (spot->in->is_object) {
            spot->slot = pk__json_edit_find(spot->in, spot->token);
        } else {
            spot->index = pk__json_token_index(spot->token, spot->in->count);
            spot->slot = spot->index < spot->in->count ? &spot->in->items[spot->index] : NULL;
        }
    }
    return true;
}

/* The same to a value that must be there. */
static bool pk__json_patch_find(pk__json_patching *p, pk_str pointer, pk__json_spot *spot)
{
    return pk__json_patch_go(p, pointer, spot) && (spot->slot || pk__json_patch_missing(p, spot));
}

/* ---- operations */

static bool pk__json_patch_add(pk__json_patching *p, const pk_json_value *value)
{
    pk__json_spot spot;
    if (!pk__json_patch_go(p, p->path, &spot)) {
        return false;
    }
    if (spot.in && !spot.in->is_object) {
        return spot.index == SIZE_MAX ? pk__json_patch_missing(p, &spot)
                                      : pk__json_edit_insert(&p->edit, spot.in, spot.index, value);
    }
    if (spot.slot) { // the document, or a member that is there
        *spot.slot = value;
        return true;
    }
    pk_json_value *key = (pk_json_value *)pk__json_edit_get(&p->edit, sizeof(*key));
    if (!key) {
        return false;
    }
    key->tag = PK__JSON_KEY | (uint64_t)spot.token.len << PK__JSON_TYPE_BITS;
    key->of.text = spot.token.ptr;
    return pk__json_edit_put(&p->edit, spot.in, key, value);
}

static bool pk__json_patch_remove(pk__json_patching *p, pk_str pointer)
{
    pk__json_spot spot;
    if (!pk__json_patch_find(p, pointer, &spot)) {
        return false;
    }
    if (!spot.in) {
        return pk__json_patch_bad(p, "the whole document cannot be removed");
    }
    if (spot.in->is_object) {
        *spot.slot = NULL;
    } else {
        pk__json_edit_cut(spot.in, spot.index);
    }
    return true;
}

static bool pk__json_patch_move(pk__json_patching *p)
{
    pk__json_spot spot;
    if (!pk__json_patch_find(p, p->from, &spot)) {
        return false;
    }
    if (pk_str_eq(p->from, p->path)) {
        return true;
    }
    if (pk_str_starts(p->path, p->from) && p->path.ptr[p->from.len] == '/') {
        return pk__json_patch_bad(p, "a value cannot be moved into itself");
    }
    const pk_json_value *value = *spot.slot;
    return pk__json_patch_remove(p, p->from) && pk__json_patch_add(p, value);
}

static bool pk__json_patch_copy(pk__json_patching *p)
{
    pk__json_spot spot;
    if (!pk__json_patch_find(p, p->from, &spot)) {
        return false;
    }
    const pk_json_value *value = *spot.slot;
    if (pk_json_type_of(value) == PK_JSON_NONE) { // it is open, and the two will change apart
        value = pk__json_edit_build(&p->edit, NULL, value);
    }
    return value && pk__json_patch_add(p, value);
}

static bool pk__json_patch_do(pk__json_patching *p)
{
    static const pk_str none = {NULL, 0};
    pk__json_spot spot;
    switch (p->op) {
    case PK__JSON_OP_ADD: return pk__json_patch_add(p, p->value);
    case PK__JSON_OP_REMOVE: return pk__json_patch_remove(p, p->path);
    case PK__JSON_OP_MOVE: return pk__json_patch_move(p);
    case PK__JSON_OP_COPY: return pk__json_patch_copy(p);
    default: break;
    }
    if (!pk__json_patch_find(p, p->path, &spot)) {
        return false;
    }
    if (p->op == PK__JSON_OP_REPLACE) {
        *spot.slot = p->value;
        return true;
    }
    return pk__json_edit_same(&p->edit, spot.slot, p->value) ||
           (!p->edit.failed && pk__json_patch_wrong(p, PK_ERR_CONFLICT, "another value is there", none));
}

/* ---- reading an operation */

static bool pk__json_patch_pointer(pk__json_patching *p, const pk_json_value *v, const char *missing,
                                   const char *wrong, pk_str *out)
{
    if (pk_json_type_of(v) != PK_JSON_STRING) {
        return pk__json_patch_bad(p, missing);
    }
    *out = pk_json_str(v);
    return pk__json_is_pointer(*out) || pk__json_patch_bad(p, wrong);
}

static bool pk__json_patch_read(pk__json_patching *p, const pk_json_value *operation)
{
    static const char names[] = "op\0path\0from\0value";
    const pk_json_value *members[PK__JSON_OP_MEMBERS] = {NULL};
    if (pk_json_type_of(operation) != PK_JSON_OBJECT) {
        return pk__json_patch_bad(p, "it is no object");
    }
    for (const pk_json_value *m = pk_json_first(operation); m; m = pk_json_next(operation, m)) {
        for (size_t i = 0; i < PK__JSON_OP_MEMBERS; i++) {
            if (pk_str_is(pk_json_key(m), pk__words_at(names, i))) {
                if (members[i]) {
                    return pk__json_patch_wrong(p, PK_ERR_BAD_JSON, "there are two members", pk_json_key(m));
                }
                members[i] = m;
            }
        }
    }
    if (pk_json_type_of(members[PK__JSON_OP]) != PK_JSON_STRING) {
        return pk__json_patch_bad(p, "\"op\" is missing, or no string");
    }
    size_t op = PK__JSON_OP_COUNT - 1;
    while (op > 0 && !pk_json_is(members[PK__JSON_OP], pk__words_at(pk__json_op_words, op))) {
        op--;
    }
    if (op == 0) {
        return pk__json_patch_wrong(p, PK_ERR_BAD_JSON, "there is no operation", pk_json_str(members[PK__JSON_OP]));
    }
    p->op = (pk__json_op)op;
    p->value = members[PK__JSON_VALUE];
    if (!pk__json_patch_pointer(p, members[PK__JSON_PATH], "\"path\" is missing, or no string",
                                "\"path\" is no JSON Pointer", &p->path)) {
        return false;
    }
    if (p->op == PK__JSON_OP_MOVE || p->op == PK__JSON_OP_COPY) {
        return pk__json_patch_pointer(p, members[PK__JSON_FROM], "\"from\" is missing, or no string",
                                      "\"from\" is no JSON Pointer", &p->from);
    }
    return p->op == PK__JSON_OP_REMOVE || p->value || pk__json_patch_bad(p, "\"value\" is missing");
}

/* ---- all of it */

/* What is left to do when all changes are made. */
static pk_err pk__json_edit_finish(pk__json_edit *e, const char *what, const pk_json_value **out, pk_error *err)
{
    const pk_json_value *built = e->failed ? NULL : pk__json_edit_build(e, e->mem, e->root);
    pk_err rc = built ? PK_OK : pk__json_edit_error(e, what, err);
    pk__json_edit_end(e);
    *out = built;
    return rc;
}

PK_API pk_err pk_json_patch(pk_mem *mem, const pk_json_value *doc, const pk_json_value *patch,
                            const pk_json_value **out, pk_error *err)
{
    pk__json_patching p = {.err = err};
    *out = NULL;
    if (!doc) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot apply JSON Patch: there is no document");
    }
    if (pk_json_type_of(patch) != PK_JSON_ARRAY) {
        return pk_error_set(err, PK_ERR_BAD_JSON, "cannot apply JSON Patch: it is no array");
    }
    pk__json_edit_begin(&p.edit, mem, doc);
    for (const pk_json_value *o = pk_json_first(patch); o; o = pk_json_next(patch, o), p.number++) {
        p.op = PK__JSON_OP_NONE;
        p.path.len = 0;
        if (!pk__json_patch_read(&p, o) || !pk__json_patch_do(&p)) {
            pk_err failed = p.edit.failed;
            if (failed == PK_ERR_NO_MEMORY || failed == PK_ERR_LIMIT) { // the others have been told
                char what[48];
                (void)snprintf(what, sizeof(what), "apply JSON Patch: operation %zu", p.number);
                (void)pk__json_edit_error(&p.edit, what, err);
            }
            pk__json_edit_end(&p.edit);
            return failed;
        }
    }
    return pk__json_edit_finish(&p.edit, "apply JSON Patch", out, err);
}

/* *slot is NULL if nothing is there yet. As deep as the reader lets a patch be. */
static bool pk__json_merge(pk__json_edit *e, const pk_json_value **slot, const pk_json_value *patch)
{
    if (pk_json_type_of(patch) != PK_JSON_OBJECT) {
        *slot = patch;
        return true;
    }
    bool object = *slot && pk__json_edit_type(*slot) == PK_JSON_OBJECT;
    pk__json_opened_value *to = object ? pk__json_edit_open(e, slot) : pk__json_edit_object(e, slot);
    pk__json_opened_value *with = to ? pk__json_edit_open(e, &patch) : NULL; // of duplicates the last one counts
    for (size_t i = 0; with && i < with->count; i++) {
        pk__json_edit_member *member = &with->members[i];
        const pk_json_value *value = NULL, **there = pk__json_edit_find(to, pk__json_edit_key(member));
        bool is_null = pk_json_type_of(member->value) == PK_JSON_NULL;
        if (is_null && there) {
            *there = NULL;
        }
        if (is_null) {
            continue;
        }
        if (!pk__json_merge(e, there ? there : &value, member->value)) {
            return false;
        }
        if (!there && !pk__json_edit_put(e, to, member->key, value)) {
            return false;
        }
    }
    return with != NULL;
}

PK_API pk_err pk_json_merge_patch(pk_mem *mem, const pk_json_value *doc, const pk_json_value *patch,
                                  const pk_json_value **out, pk_error *err)
{
    pk__json_edit e;
    *out = NULL;
    if (!patch) {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot apply JSON Merge Patch: there is none");
    }
    pk__json_edit_begin(&e, mem, doc);
    (void)pk__json_merge(&e, &e.root, patch); // after a failure nothing is built
    return pk__json_edit_finish(&e, "apply JSON Merge Patch", out, err);
}

#endif
