/* json_unique.c - finds keys that stand twice in an object.
 *
 * Two readers of such a document may see different things: the one that checks it sees the first, the one that uses it
 * the last. Where that matters, it is refused. Up to so many keys are compared with each other, more are sorted: no
 * document makes this slow. */
#include <string.h>

#include "../base/memory.h"
#include "../base/sort.h"
#include "json_read.h"

enum { PK__JSON_FEW = 12 };

/* Keys by their bytes, equal ones by their place. */
static bool pk__json_key_before(const void *a, const void *b)
{
    const pk_json_value *x = (const pk_json_value *)a, *y = (const pk_json_value *)b;
    size_t x_len = pk__json_len(x), y_len = pk__json_len(y);
    int order = memcmp(x->of.text, y->of.text, PK__MIN(x_len, y_len));
    return order != 0 ? order < 0 : x_len != y_len ? x_len < y_len : x < y;
}

static bool pk__json_key_same(const pk_json_value *a, const pk_json_value *b)
{
    return pk__json_len(a) == pk__json_len(b) && memcmp(a->of.text, b->of.text, pk__json_len(a)) == 0;
}

/* Of an object with `count` members; `keys` has room for them. */
static const pk_json_value *pk__json_twice_in(const pk_json_value *object, const void **keys, size_t count)
{
    size_t i = 0;
    for (const pk_json_value *v = pk_json_first(object); v; v = pk_json_next(object, v)) {
        keys[i++] = v - 1;
    }
    if (count > PK__JSON_FEW) {
        pk__sort(keys, count, pk__json_key_before);
        for (i = 1; i < count; i++) {
            if (pk__json_key_same((const pk_json_value *)keys[i - 1], (const pk_json_value *)keys[i])) {
                return (const pk_json_value *)keys[i];
            }
        }
        return NULL;
    }
    for (i = 1; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (pk__json_key_same((const pk_json_value *)keys[k], (const pk_json_value *)keys[i])) {
                return (const pk_json_value *)keys[i];
            }
        }
    }
    return NULL;
}

PK__FN const pk_json_value *pk__json_twice(const pk__json_tree *tree, bool *failed)
{
    const void *few[PK__JSON_FEW], **keys = few;
    const pk_json_value *found = NULL;
    bool spare = true;
    size_t most = 0;
    for (size_t i = 1; i < tree->count; i++) {
        most = PK__MAX(most, pk_json_type_of(&tree->nodes[i]) == PK_JSON_OBJECT ? pk__json_len(&tree->nodes[i]) : 0);
    }
    if (most > PK__JSON_FEW) { // no overflow: there are as many nodes, and more
        size_t size = most * sizeof(*keys);
        spare = (tree->cap - tree->count) * sizeof(*tree->nodes) >= size;
        keys = spare ? (const void **)(void *)&tree->nodes[tree->count]
                     : (const void **)pk__resize(tree->mem->alloc, NULL, 0, size);
    }
    *failed = keys == NULL;
    for (size_t i = 1; i < tree->count && keys && !found; i++) {
        const pk_json_value *v = &tree->nodes[i];
        if (pk_json_type_of(v) == PK_JSON_OBJECT) {
            found = pk__json_twice_in(v, keys, pk__json_len(v));
        }
    }
    if (!spare) {
        pk__free(tree->mem->alloc, (void *)(uintptr_t)keys, most * sizeof(*keys));
    }
    return found;
}

PK__FN pk_err pk__json_check_unique(const pk_alloc *alloc, pk_str text, bool secret, pk_error *err)
{
    pk_json_options options = {.unique_keys = true, .secret = secret};
    pk_mem mem = {alloc, NULL, NULL, 0};
    const pk_json_value *doc;
    pk_err rc = pk_json_parse_with(&mem, text, &options, &doc, err);
    pk_mem_free(&mem);
    return rc;
}
