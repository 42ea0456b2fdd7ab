/* fuzz_json_pointer.c - JSON Pointer: the first line is a pointer, the rest a document. What it leads to is what
 * RFC 6901 says, read plainly; each value of a document is found by its own pointer. */
#include "fuzz.h"

enum { MOST_VALUES = 300, MOST_BYTES = 1 << 16 };

/* Takes the escapes out of a token; false: there is a wrong one. `out` has room for it. */
static bool unescape(const char *token, size_t len, char *out, size_t *out_len)
{
    *out_len = 0;
    for (size_t i = 0; i < len; i++) {
        char c = token[i];
        if (c == '~') {
            if (i + 1 == len || (token[i + 1] != '0' && token[i + 1] != '1')) {
                return false;
            }
            c = token[++i] == '0' ? '~' : '/';
        }
        out[(*out_len)++] = c;
    }
    return true;
}

static const pk_json_value *step(const pk_json_value *v, const char *name, size_t len)
{
    const pk_json_value *found = NULL;
    size_t at = 0;
    for (const pk_json_value *m = pk_json_first(v); m; m = pk_json_next(v, m), at++) {
        char index[24];
        pk_str key = {index, 0};
        if (pk_json_type_of(v) == PK_JSON_OBJECT) {
            key = pk_json_key(m);
        } else {
            key.len = (size_t)snprintf(index, sizeof(index), "%zu", at); // so no zeros in front, and no sign
        }
        if (key.len == len && memcmp(key.ptr, name, len) == 0) {
            found = m;
        }
    }
    return found;
}

static const pk_json_value *follow(const pk_json_value *v, const char *pointer)
{
    static char name[MOST_BYTES + 1];
    while (v && *pointer) {
        size_t len = strcspn(pointer + 1, "/"), name_len;
        if (*pointer != '/' || !unescape(pointer + 1, len, name, &name_len)) {
            return NULL;
        }
        v = step(v, name, name_len);
        pointer += 1 + len;
    }
    return v;
}

/* Each value by its own pointer, which `path` has as far as v. */
static void check_all(const pk_json_value *doc, const pk_json_value *v, pk_buf *path, int *left)
{
    size_t len = path->len, at = 0;
    for (const pk_json_value *m = pk_json_first(v); m && *left > 0; m = pk_json_next(v, m), at++) {
        pk_str key = pk_json_key(m);
        bool is_object = pk_json_type_of(v) == PK_JSON_OBJECT, found = true;
        pk_buf_add_char(path, '/');
        for (size_t i = 0; i < key.len; i++) {
            found = found && key.ptr[i] != '\0'; // a C string has none
            pk_buf_add(path, key.ptr[i] == '~' ? PK_STR("~0") : key.ptr[i] == '/' ? PK_STR("~1")
                                                                                  : (pk_str){key.ptr + i, 1});
        }
        if (!is_object) {
            pk_buf_printf(path, "%zu", at);
        }
        pk_buf_add_char(path, '\0');
        path->len--;
        for (const pk_json_value *n = is_object ? pk_json_next(v, m) : NULL; n; n = pk_json_next(v, n)) {
            found = found && !pk_str_eq(pk_json_key(n), key); // the last one counts
        }
        (*left)--;
        if (found) {
            MUST(pk_json_at(doc, path->ptr) == m);
            check_all(doc, m, path, left);
        }
        path->len = len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    size_t len = line ? (size_t)(line - data) : 0;
    pk_mem mem = {0};
    const pk_json_value *doc;
    pk_buf path;
    int left = MOST_VALUES;
    if (!line || len > MOST_BYTES) {
        return 0;
    }
    pk_str text = {(const char *)line + 1, size - len - 1};
    char *pointer = strndup((const char *)data, len); // up to a NUL
    pk_buf_init(&path, NULL, (size_t)1 << 26);
    if (pk_json_parse(&mem, text, &doc, NULL) == PK_OK) {
        MUST(pk_json_at(doc, pointer) == follow(doc, pointer));
        MUST(pk_json_at(doc, "") == doc);
        check_all(doc, doc, &path, &left);
    }
    pk_buf_free(&path);
    pk_mem_free(&mem);
    free(pointer);
    return 0;
}
