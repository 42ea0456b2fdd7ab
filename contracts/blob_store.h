/* blob_store.h - bytes of any size in and out, as they are: no JSON, no base64, never whole in memory.
 *
 * To put a file there and get it back:
 *
 *     blob_store store;
 *     pk_blob file = {.body = {.has_fd = true, .fd = fd, .size = size}};
 *     store_response stored = {0};
 *     rc = blob_store_bind(&store, pk_manager_caller(m), PK_STR("directory"), &err);
 *     rc = store.store(&store, NULL, &file, &stored, &err);
 *
 *     retrieve_request request = {.key = stored.key};
 *     pk_blob blob = {0};
 *     rc = store.retrieve(&store, NULL, &request, &blob, &err);    // blob.body.bytes
 *     pk_mem_free(&blob.mem);
 *
 * A typed call brings the whole blob into blob.body.bytes, and takes 8 MiB at most: more is PK_ERR_LIMIT. (An upload
 * has no such limit: the file goes out as it is read.) For larger blobs make the same call one level below (call.h), in
 * memory with `.max_reply`, or piece by piece and without any limit with `.on_chunk`:
 *
 *     pk_call_desc call = {.contract = "blobStore", .method = "retrieve", .on_chunk = write_to_file, ...};
 *
 * A store that is compiled in is called directly: then the blob is what its handler made (here a descriptor), of any
 * size.
 *
 * store      keeps the request's body under a key of its own choice. The handler reads the body as it arrives
 *            (PK_UPLOAD): body.read until *got is 0. Whatever was kept is complete, or the call has failed.
 * retrieve   answers with the bytes that were stored under the key. The handler may answer with a descriptor
 *            (PK_DOWNLOAD): the file goes out without passing through its memory. Fails with PK_ERR_NOT_FOUND.
 *
 * Wire messages: blob_store.schema.json; the blobs are the HTTP bodies themselves. Include plugkit.h or plugkit_sdk.h
 * first. */
#ifndef PLUGKIT_BLOB_STORE_H
#define PLUGKIT_BLOB_STORE_H

#ifndef PK_VERSION
#error "include plugkit.h or plugkit_sdk.h before blob_store.h"
#endif

#define STORE_RESPONSE(F, T)                                                                                  \
    F(T, REQ, pk_str, key, "key")                                                                             \
    F(T, REQ, uint64_t, size, "size")
PK_MESSAGE(store_response, STORE_RESPONSE)
#undef STORE_RESPONSE

#define RETRIEVE_REQUEST(F, T) F(T, REQ, pk_str, key, "key")
PK_MESSAGE(retrieve_request, RETRIEVE_REQUEST)
#undef RETRIEVE_REQUEST

#define BLOB_STORE(M, C)                                                                                      \
    M(C, store, "POST /store", pk_blob, store_response, PK_UPLOAD)                                            \
    M(C, retrieve, "POST /retrieve", retrieve_request, pk_blob, PK_DOWNLOAD | PK_IDEMPOTENT)
PK_CONTRACT(blob_store, "blobStore", "1.0.0", BLOB_STORE)
#undef BLOB_STORE

#endif
