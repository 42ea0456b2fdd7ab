/* echo.h - the contract that calls are measured with: a request of 250 bytes of JSON, an answer of 200.
 *
 * Its members are what real messages have: numbers, text, a list, a nested object. The HTTP heads come on top (see
 * README.md). */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#define ECHO_OPTIONS(F, T)                                                                                    \
    F(T, REQ, bool, verbose, "verbose")                                                                       \
    F(T, REQ, int32_t, level, "level")                                                                        \
    F(T, REQ, double, ratio, "ratio")
PK_STRUCT(echo_options, ECHO_OPTIONS)

#define ECHO_REQUEST(F, T)                                                                                    \
    F(T, REQ, int64_t, id, "id")                                                                              \
    F(T, REQ, pk_str, user, "user")                                                                           \
    F(T, LIST, pk_str, tags, "tags")                                                                          \
    F(T, REQ, echo_options, options, "options")                                                               \
    F(T, REQ, pk_str, text, "text")
PK_MESSAGE(echo_request, ECHO_REQUEST)

#define ECHO_RESPONSE(F, T)                                                                                   \
    F(T, REQ, int64_t, id, "id")                                                                              \
    F(T, REQ, bool, ok, "ok")                                                                                 \
    F(T, REQ, double, score, "score")                                                                         \
    F(T, LIST, int32_t, sizes, "sizes")                                                                       \
    F(T, REQ, pk_str, text, "text")
PK_MESSAGE(echo_response, ECHO_RESPONSE)

/* What the plugin asked of the system so far; only in a build that counts. */
#define ECHO_COUNTS(F, T)                                                                                     \
    F(T, REQ, uint32_t, system_calls, "systemCalls")                                                          \
    F(T, REQ, uint32_t, clock_readings, "clockReadings")
PK_MESSAGE(echo_counts, ECHO_COUNTS)

#define ECHO(M, C)                                                                                            \
    M(C, echo, "POST /echo", echo_request, echo_response, 0)                                                  \
    M(C, counts, "GET /counts", pk_none, echo_counts, PK_IDEMPOTENT)
PK_CONTRACT(echo, "echo", "1.0.0", ECHO)

enum { ECHO_REQUEST_BYTES = 250, ECHO_RESPONSE_BYTES = 200 };

static const char echo_request_json[] =
    "{\"id\":9007199254740993,\"user\":\"ada@example.org\",\"tags\":[\"alpha\",\"beta\",\"gamma\",\"delta\"],"
    "\"options\":{\"verbose\":true,\"level\":7,\"ratio\":0.75},"
    "\"text\":\"the quick brown fox jumps over the lazy dog, and then it has to find its way home over the seven "
    "hills\"}";
#define ECHO_ANSWER                                                                                           \
    "an answer of middling length, as plugins give it a few thousand times a second, all day and all night.........."

/* The answer that every implementation here gives. */
PK_UNUSED static pk_err echo_answer(const echo_request *request, echo_response *response)
{
    static const int32_t sizes[] = {12, 345, 6789, 1024, 65536};
    response->id = request->id;
    response->ok = request->options.verbose;
    response->score = request->options.ratio;
    response->sizes.items = (int32_t *)pk_mem_get(&response->mem, sizeof(sizes));
    response->text = PK_STR(ECHO_ANSWER);
    if (!response->sizes.items) {
        return PK_ERR_NO_MEMORY;
    }
    memcpy(response->sizes.items, sizes, sizeof(sizes));
    response->sizes.count = sizeof(sizes) / sizeof(*sizes);
    return PK_OK;
}
#endif
