/* fuzz_types.c - structs from and to JSON: what was decoded can be encoded, and decodes to the same text again. */
#define PLUGKIT_WITH_JSON_TOOLS
#include "fuzz.h"

#define LEVEL(V, T) V(T, LEVEL_LOW, "low") V(T, LEVEL_HIGH, "high")
PK_ENUM(level, LEVEL)

#define INNER(F, T)                                                                                         \
    F(T, REQ, int32_t, a, "a")                                                                              \
    F(T, OPT, pk_str, b, "b")
PK_STRUCT(inner, INNER)

#define OUTER(F, T)                                                                                         \
    F(T, REQ, pk_str, text, "text")                                                                         \
    F(T, OPT, pk_b64, bytes, "bytes")                                                                       \
    F(T, OPT, pk_json, any, "any")                                                                          \
    F(T, OPT, pk_ns, wait, "wait")                                                                          \
    F(T, OPT, bool, flag, "flag")                                                                           \
    F(T, OPT, uint32_t, small, "small")                                                                     \
    F(T, OPT, int64_t, big, "big")                                                                          \
    F(T, OPT, uint64_t, huge, "huge")                                                                       \
    F(T, OPT, double, real, "real")                                                                         \
    F(T, OPT, level, how, "how")                                                                            \
    F(T, OPT, inner, one, "one")                                                                            \
    F(T, LIST, inner, many, "many")                                                                         \
    F(T, MAP, double, named, "named")                                                                       \
    F(T, DEFAULT({"a": 1}), inner, usual, "usual")                                                          \
    F(T, REST, pk_json, others, "")
PK_MESSAGE(outer, OUTER)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_str text = {(const char *)data, size};
    outer value = {0}, again = {0};
    pk_error err = {0};
    pk_buf first, second;

    pk_err rc = pk_json_decode(&value.mem, &pk_type_outer, text, &value, &err);
    if (rc == PK_OK) {
        pk_buf_init(&first, NULL, (size_t)1 << 26);
        pk_buf_init(&second, NULL, (size_t)1 << 26);
        rc = pk_json_encode(&first, &pk_type_outer, &value, &err);
        MUST(rc == PK_OK);
        MUST(pk_json_decode(&again.mem, &pk_type_outer, pk_buf_str(&first), &again, &err) == PK_OK);
        MUST(pk_json_encode(&second, &pk_type_outer, &again, &err) == PK_OK);
        MUST(pk_str_eq(pk_buf_str(&first), pk_buf_str(&second)));
        pk_buf_free(&first);
        pk_buf_free(&second);
    } else {
        MUST(err.msg[0] != '\0');
    }
    pk_json_options strict = {.unique_keys = true, .secret = true};
    pk_err again_rc = pk_json_decode_with(&again.mem, &pk_type_outer, text, &strict, &again, &err);
    MUST(again_rc == PK_OK ? rc == PK_OK : err.msg[0] != '\0' && again.others.count == 0);
    pk_mem_free(&value.mem);
    pk_mem_free(&again.mem);
    return 0;
}
