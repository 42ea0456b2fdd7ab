/* json_edit.h - a document while it is changed: the ground under JSON Patch and JSON Merge Patch.
 *
 *     pk__json_edit_begin(&e, mem, doc);
 *     open = pk__json_edit_open(&e, &e.root);           // ... and what is in it, as far as it is needed
 *     pk__json_edit_put(&e, open, key, value);
 *     changed = pk__json_edit_build(&e, e.mem, e.root); // NULL: e.failed says why
 *     pk__json_edit_end(&e);
 *
 * A parsed document never changes. Of one that is to change the containers on the way to each change are opened: an
 * opened array is a list of its items, an opened object one of its members. What is in them still is as it was read, or
 * opened as well, so that a change costs what stands beside it and not the document. At the end all of it is copied
 * into one new document. An opened container poses as a value without a type: one pointer says either.
 *
 * Members are found through a tree of the bits of their keys (PATRICIA): whatever the keys are, no way in it is longer
 * than nine steps for a byte of a key, so that no document makes it slow, and nothing has to be balanced. A member that
 * was removed stays in it, without a value. Inserting an item into an array moves those behind it.
 *
 * Patches can copy, and so grow without end: everything counts against one bound, PLUGKIT_JSON_PATCH_BYTES. What is
 * only needed meanwhile comes from the allocator of *mem, or from *mem itself if that has none (pk_mem_over). */
#ifndef PK__JSON_EDIT_H
#define PK__JSON_EDIT_H
#ifdef PLUGKIT_WITH_JSON_TOOLS
#include "../base/defs.h"
#include "json_read.h"

typedef struct pk__json_edit_member { // a member of an opened object
    const pk_json_value *key;   // a node of type PK__JSON_KEY
    const pk_json_value *value; // NULL: it was removed
    uint64_t bit;               // which bit of a key decides where to go on; 0 in the first, where the tree begins
    size_t below[2];            // members; one whose bit is not larger is where the way ends
} pk__json_edit_member;

typedef struct pk__json_opened_value {
    pk_json_value mark; // of type PK_JSON_NONE, which no value of a document has
    bool is_object;
    size_t count, cap;  // items, or members with those that were removed
    const pk_json_value **items;
    pk__json_edit_member *members;
} pk__json_opened_value;

typedef struct pk__json_edit {
    pk_mem *mem;    // where the new document will be
    pk_mem scratch; // what is opened
    size_t left;    // bytes that may still be taken
    pk_err failed;  // PK_ERR_NO_MEMORY, PK_ERR_LIMIT
    bool too_deep;
    const pk_json_value *root;
} pk__json_edit;

PK__FN void pk__json_edit_begin(pk__json_edit *e, pk_mem *mem, const pk_json_value *doc);
PK__FN void pk__json_edit_end(pk__json_edit *e);
/* "cannot <what>: why it has failed"; `what` may be long. */
PK__FN pk_err pk__json_edit_error(const pk__json_edit *e, const char *what, pk_error *err);
PK__FN void *pk__json_edit_get(pk__json_edit *e, size_t size); // scratch; NULL: it has failed

PK__FN pk_json_type pk__json_edit_type(const pk_json_value *v); // of what is opened, too; v is not NULL
/* Opens *slot, unless it is open already. NULL: that is no container, or it has failed. */
PK__FN pk__json_opened_value *pk__json_edit_open(pk__json_edit *e, const pk_json_value **slot);
/* Makes *slot an empty object, open. */
PK__FN pk__json_opened_value *pk__json_edit_object(pk__json_edit *e, const pk_json_value **slot);

PK__FN pk_str pk__json_edit_key(const pk__json_edit_member *member);
/* Where the value of a member stands; NULL: there is none. Good until the next one is put. */
PK__FN const pk_json_value **pk__json_edit_find(const pk__json_opened_value *object, pk_str key);
/* Adds a member, or replaces its value. False: it has failed. */
PK__FN bool pk__json_edit_put(pk__json_edit *e, pk__json_opened_value *object, const pk_json_value *key,
                              const pk_json_value *value);
PK__FN bool pk__json_edit_insert(pk__json_edit *e, pk__json_opened_value *array, size_t at, const pk_json_value *value);
PK__FN void pk__json_edit_cut(pk__json_opened_value *array, size_t at);

/* Are the two the same? *a may be opened by that, b is as it was read. False also: it has failed. */
PK__FN bool pk__json_edit_same(pk__json_edit *e, const pk_json_value **a, const pk_json_value *b);
/* Copies a value into a document of its own, in *to, or in scratch if that is NULL. NULL: it has failed. */
PK__FN const pk_json_value *pk__json_edit_build(pk__json_edit *e, pk_mem *to, const pk_json_value *v);

#endif
#endif
