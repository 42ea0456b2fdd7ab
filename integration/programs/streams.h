/* streams.h - what the two programs of test_streams.py share. */
#define NOTHING(F, T) F(T, OPT, bool, unused, "unused")
PK_MESSAGE(streams_nothing, NOTHING)
#define STREAMS(M, C) M(C, ping, "POST /ping", streams_nothing, streams_nothing, PK_IDEMPOTENT)
PK_CONTRACT(streams, "streams", "1.0.0", STREAMS)

/* A number in text that has no NUL behind it. */
static inline uint64_t number_in(pk_str text)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
        number = number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    return number;
}
