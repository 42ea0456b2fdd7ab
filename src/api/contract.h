/* contract.h - a contract is declared once; structs, caller's stubs and the plugin's dispatch follow from it.
 *
 *     #define GREETER(M, C)              // M(C, method, "VERB /path", request type, response type, flags)
 *         M(C, greet, "POST /greet", greet_request, greet_response, 0)
 *     PK_CONTRACT(greeter, "greeter", "1.0.0", GREETER)
 *
 * gives `struct greeter` with one function pointer a method. The same type serves both ends:
 *     greeter g;                                            // a caller binds it ...
 *     greeter_bind(&g, pk_manager_caller(m), PK_STR("friendly"), &err);
 *     g.greet(&g, NULL, &request, &response, &err);
 *     static const greeter impl = {.greet = my_greet};      // ... and a plugin fills it.
 *
 * Versions: a provider serves a caller if the major number is the same and its minor is not lower. So fields are only
 * ever added, and unknown ones ignored. */

typedef enum pk_method_flags {
    PK_IDEMPOTENT = 1, // may be sent twice
    PK_UPLOAD = 2,     // the request is a pk_blob whose body the handler reads as it arrives
    PK_DOWNLOAD = 4    // the response is a pk_blob
} pk_method_flags;

typedef struct pk_method {
    const char *name; // "process"
    const char *http; // "POST /process"
    const pk_type *request, *response;
    unsigned flags;
    uint32_t slot; // offset of the function pointer in the contract's struct
    pk_err (*run)(const void *object, pk_ctx *ctx, const void *req, void *resp, pk_error *err);
} pk_method;

typedef struct pk_contract {
    const char *name, *version; // "dataProcessor", "1.0.0"
    const pk_method *methods;
    size_t count;
} pk_contract;

typedef struct pk_stub { // first member of every typed object: by value, no heap
    pk_caller *caller;
    const pk_contract *contract;
    pk_str type;                   // borrowed; "" = any provider
    void *user;                    // an implementation's own state
    const volatile uint32_t *live; // private: an internal provider's epoch,
    uint32_t epoch;                //   the one that was bound,
    const void *direct;            //   and its object
} pk_stub;

/* What a program offers: a host's internal plugin and a plugin process describe it in the same way. */
typedef struct pk_service {
    const pk_contract *contract;
    const char *type;   // "json-processor"
    const void *object; // a filled object of the contract; borrowed as long as the service is offered
    pk_json schema;     // a JSON Schema of what the type accepts; "" = none
} pk_service;

/* Binds *stub to whoever provides the contract; no plugin is started by it. `type` is borrowed as long as the stub is
 * used. Errors: PK_ERR_PLUGIN_NOT_FOUND, PK_ERR_BAD_CONTRACT (version; or a method is missing, by name). */
PK_API pk_err pk_stub_bind(pk_stub *stub, pk_caller *caller, const pk_contract *contract, pk_str type, pk_error *err);
PK_API pk_err pk_stub_call(const pk_stub *stub, const pk_method *method, pk_ctx *ctx, const void *req, void *resp,
                           pk_error *err);

#define PK__SLOT(C, m, http, Q, R, flags)                                                                     \
    pk_err (*m)(const C *self, pk_ctx *ctx, const Q *req, R *resp, pk_error *err);
#define PK__INDEX(C, m, http, Q, R, flags) C##__##m,
#define PK__RUN(C, m, http, Q, R, flags)                                                                      \
    PK_UNUSED static pk_err C##__run_##m(const void *o, pk_ctx *ctx, const void *q, void *r, pk_error *e)     \
    {                                                                                                         \
        const C *self = PK__CAST(const C *, o);                                                               \
        return self->m(self, ctx, PK__CAST(const Q *, q), PK__CAST(R *, r), e);                               \
    }
#define PK__METHOD(C, m, http, Q, R, flags)                                                                   \
    {#m, http, &pk_type_##Q, &pk_type_##R, (flags), PK__CAST(uint32_t, offsetof(C, m)), C##__run_##m},
/* An internal provider is called directly: one compare and one jump, no pipeline. */
#define PK__CALL(C, m, http, Q, R, flags)                                                                     \
    PK_UNUSED static pk_err C##__call_##m(const C *self, pk_ctx *ctx, const Q *q, R *r, pk_error *e)          \
    {                                                                                                         \
        const pk_stub *s = &self->stub;                                                                       \
        if (s->direct && *s->live == s->epoch) {                                                              \
            const C *direct = PK__CAST(const C *, s->direct);                                                 \
            return direct->m(direct, ctx, q, r, e);                                                           \
        }                                                                                                     \
        return pk_stub_call(s, &C##_contract.methods[C##__##m], ctx, q, r, e);                                \
    }
#define PK__FILL(C, m, http, Q, R, flags) out->m = C##__call_##m;

#define PK_CONTRACT(C, wire_name, version, METHODS)                                                           \
    typedef struct C C;                                                                                       \
    struct C {                                                                                                \
        pk_stub stub;                                                                                         \
        METHODS(PK__SLOT, C)                                                                                  \
    };                                                                                                        \
    enum { METHODS(PK__INDEX, C) C##__count };                                                                \
    METHODS(PK__RUN, C)                                                                                       \
    PK_UNUSED static const pk_method C##__methods[] = {METHODS(PK__METHOD, C)};                               \
    PK_UNUSED static const pk_contract C##_contract = {wire_name, version, C##__methods, C##__count};         \
    METHODS(PK__CALL, C)                                                                                      \
    PK_UNUSED static pk_err C##_bind(C *out, pk_caller *caller, pk_str type, pk_error *err)                   \
    {                                                                                                         \
        METHODS(PK__FILL, C)                                                                                  \
        return pk_stub_bind(&out->stub, caller, &C##_contract, type, err);                                    \
    }
