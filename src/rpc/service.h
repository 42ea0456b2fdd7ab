/* service.h - between bytes and structs: how an offered service is checked, described, served and called.
 *
 * Serving: a pk_request goes in, the method's C function runs with structs, a pk_response comes out. Sockets play
 * no part, so a plugin's HTTP routes and a host's internal plugins share this:
 *
 *     request body   -> JSON into a zeroed struct | pk_none | pk_blob (bytes, or the reader on upload routes)
 *     run            -> the contract's function
 *     response       -> struct to JSON | nothing | the blob's body as it is
 *
 * Memory. The request struct, the response struct and the encoded answer live in ctx->mem, which lasts until the
 * answer is written. The response's own pk_mem (where handlers allocate) is a separate one, because a handler may
 * pass its response on to another call, which empties it; but its first bytes are lent to it by ctx->mem, so that a
 * small answer allocates nothing. It is freed as soon as the answer is encoded; that of a blob when its bytes are
 * written (done).
 *
 * Errors. A request that cannot be read is 400 with the place ("config.retry: expected integer"); a response that
 * cannot be written is 500, for it is not the caller's fault. What a handler reports goes out as it is.
 *
 * Calling is the mirror image: pk_stub_call encodes into scratch on the stack, lends the response's pk_mem to the
 * reply, and decodes in place. A warm call of usual size allocates nothing. */
#ifndef PK__SERVICE_H
#define PK__SERVICE_H
#include "../base/memory.h"

#define PK__SERVICE_NAME_MAX 64  // bytes of a contract's or a plugin's name
#define PK__SERVICE_TYPE_MAX 128 // bytes of a type
#define PK__SERVICE_SCRATCH 1024

/* Letters, digits, `_ . -`, not beginning with a dot or a dash: contracts and plugins. Types may have `/ : + @` too. */
PK__FN bool pk__service_is_name(pk_str name);
PK__FN bool pk__service_is_type(pk_str type);

/* Can these be offered together? Names and versions are well formed, every method has a function and a
 * "VERB /path", and no (contract, type) comes twice.
 * Errors: PK_ERR_BAD_NAME, PK_ERR_BAD_CONTRACT (names the method), PK_ERR_DUPLICATE. */
PK__FN pk_err pk__service_check(const pk_service *services, size_t count, pk_error *err);
/* Takes "POST /process" apart. False: not of this form. The path holds no query, star, space or percent sign. */
PK__FN bool pk__service_split(const char *http, pk_str *verb, pk_str *path);

/* Serves one request: see above. request->ctx and its mem are needed; *response is overwritten. */
PK__FN pk_err pk__service_serve(const pk_service *service, const pk_method *method, const pk_request *request,
                                pk_response *response, pk_error *err);

/* What a plugin prints for `capabilities`. Texts may be NULL, then their keys are left out. */
typedef struct pk__service_about {
    const pk_service *services;
    size_t count;
    const char *const *config_types; // NULL-terminated; NULL = none
    const char *id, *version, *description, *author, *license;
    const char *lifeline; // "group": it ends with its host, and its process group with it
    bool survives;        // if its host wants that
    bool mtls;            // likewise, serve it over mutual TLS
} pk__service_about;
PK__FN pk_err pk__service_capabilities(pk_buf *out, const pk__service_about *about, pk_error *err);

/* Scratch for a pk_buf: the first PK__SERVICE_SCRATCH bytes come from here, larger ones from `heap`. On the stack, not
 * moved while it is used. */
typedef struct pk__service_scratch {
    pk_alloc hook; // of the buffer
    const pk_alloc *heap;
    char bytes[PK__SERVICE_SCRATCH];
} pk__service_scratch;
PK__FN void pk__service_scratch_init(pk__service_scratch *s, const pk_alloc *heap, pk_buf *buf, size_t max);

#endif
