/* awake.h - a contract of numbers, and of naps. */
#define AWAKE_NUMBER(F, T)                                                                                    \
    F(T, REQ, int32_t, number, "number")                                                                      \
    F(T, REQ, int32_t, nap_ms, "napMs")
PK_MESSAGE(awake_number, AWAKE_NUMBER)
#define AWAKE(M, C) M(C, twice, "POST /twice", awake_number, awake_number, 0)
PK_CONTRACT(awake, "awake", "1.0.0", AWAKE)
