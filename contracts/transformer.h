/* transformer.h - named transformations of data, each with parameters that it describes itself.
 *
 * To call one:
 *
 *     transformer t;
 *     transform_request request = {.data = PK_STR("b\na\n"), .transformation = PK_STR("sort")};
 *     transform_response response = {0};
 *     rc = transformer_bind(&t, pk_manager_caller(m), PK_STR("lines"), &err);
 *     rc = t.transform(&t, NULL, &request, &response, &err);      // response.data: a, b
 *     pk_mem_free(&response.mem);
 *
 * transform         applies one transformation. Fails for a name that the transformer does not know, for a missing
 *                   required parameter, and for a value of the wrong kind.
 * transformations   lists what there is, so that a program can offer it to people: each with a name, a sentence, and
 *                   its parameters with their kinds ("string", "integer", "number", "boolean") and defaults.
 *
 * The difference to data_processor.h: there one type does one thing, here one type does many and says which.
 *
 * Wire messages: transformer.schema.json; in JSON, data travels as base64. Include plugkit.h or plugkit_sdk.h first. */
#ifndef PLUGKIT_TRANSFORMER_H
#define PLUGKIT_TRANSFORMER_H

#ifndef PK_VERSION
#error "include plugkit.h or plugkit_sdk.h before transformer.h"
#endif

#define TRANSFORM_REQUEST(F, T)                                                                               \
    F(T, REQ, pk_b64, data, "data")                                                                           \
    F(T, REQ, pk_str, transformation, "transformation")                                                       \
    F(T, MAP, pk_json, parameters, "parameters")
PK_MESSAGE(transform_request, TRANSFORM_REQUEST)
#undef TRANSFORM_REQUEST

#define TRANSFORM_RESPONSE(F, T)                                                                              \
    F(T, REQ, pk_b64, data, "data")                                                                           \
    F(T, MAP, pk_json, metadata, "metadata")
PK_MESSAGE(transform_response, TRANSFORM_RESPONSE)
#undef TRANSFORM_RESPONSE

/* The key is "default": a keyword in C, hence the two names. */
#define TRANSFORM_PARAMETER(F, T)                                                                             \
    F(T, REQ, pk_str, name, "name")                                                                           \
    F(T, REQ, pk_str, type, "type")                                                                           \
    F(T, OPT, bool, required, "required")                                                                     \
    F(T, OPT, pk_json, default_value, "default")                                                              \
    F(T, OPT, pk_str, description, "description")
PK_STRUCT(transform_parameter, TRANSFORM_PARAMETER)
#undef TRANSFORM_PARAMETER

#define TRANSFORMATION_INFO(F, T)                                                                             \
    F(T, REQ, pk_str, name, "name")                                                                           \
    F(T, OPT, pk_str, description, "description")                                                             \
    F(T, LIST, transform_parameter, parameters, "parameters")
PK_STRUCT(transformation_info, TRANSFORMATION_INFO)
#undef TRANSFORMATION_INFO

#define TRANSFORMATIONS_RESPONSE(F, T) F(T, LIST, transformation_info, transformations, "transformations")
PK_MESSAGE(transformations_response, TRANSFORMATIONS_RESPONSE)
#undef TRANSFORMATIONS_RESPONSE

#define TRANSFORMER(M, C)                                                                                     \
    M(C, transform, "POST /transform", transform_request, transform_response, 0)                              \
    M(C, transformations, "GET /transformations", pk_none, transformations_response, PK_IDEMPOTENT)
PK_CONTRACT(transformer, "transformer", "1.0.0", TRANSFORMER)
#undef TRANSFORMER

#endif
