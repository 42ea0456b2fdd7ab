/* json_patch.h - documents with changes, with PLUGKIT_WITH_JSON_TOOLS. */
#ifdef PLUGKIT_WITH_JSON_TOOLS
/* JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396):
 *
 *     [{"op": "test", "path": "/version", "value": 3}, {"op": "replace", "path": "/retry/max", "value": 5}]
 *     {"retry": {"max": 5, "delay": null}}          // the merge patch: null takes a member away
 *
 * Both make a new document in *mem, which needs neither of the two others; these stay as they are. All of it is done or
 * nothing: *out is NULL after an error. What is not touched keeps its order, and numbers their text. Any thread. */
#ifndef PLUGKIT_JSON_PATCH_BYTES
#define PLUGKIT_JSON_PATCH_BYTES ((size_t)64 << 20) // what one patch may take, the new document included
#endif

/* Operations are done in their order: add, remove, replace, move, copy, test. Numbers are equal by their value, of any
 * size, and objects in any order. Members of an operation that nobody knows are ignored; those that are known may not
 * stand there twice. The document itself can be replaced, not removed. The error names the operation, counted from 0:
 *
 *     cannot apply JSON Patch: operation 3 (replace /config/retry/max): there is no member "retry"
 *
 * Errors: PK_ERR_BAD_JSON (that is no JSON Patch, or it moves a value into itself); PK_ERR_NOT_FOUND (nothing is at a
 * path); PK_ERR_CONFLICT (a test found another value); PK_ERR_LIMIT (PLUGKIT_JSON_PATCH_BYTES, or nested too deep);
 * PK_ERR_NO_MEMORY. */
PK_API pk_err pk_json_patch(pk_mem *mem, const pk_json_value *doc, const pk_json_value *patch,
                            const pk_json_value **out, pk_error *err);
/* Any value is a merge patch: one that is no object takes the document's place. A `doc` of NULL is one that is not
 * there yet. Errors: PK_ERR_LIMIT, PK_ERR_NO_MEMORY. */
PK_API pk_err pk_json_merge_patch(pk_mem *mem, const pk_json_value *doc, const pk_json_value *patch,
                                  const pk_json_value **out, pk_error *err);
#endif
