/* organ.h - the contract between the patient and its organs. */
#define ORGAN_WORK(F, T) F(T, OPT, pk_str, wish, "wish")
#define ORGAN_RESULT(F, T)                                                                                  \
    F(T, REQ, pk_str, what, "what")                                                                         \
    F(T, REQ, uint64_t, count, "count")
PK_MESSAGE(organ_work, ORGAN_WORK)
PK_MESSAGE(organ_result, ORGAN_RESULT)

#define ORGAN(M, C) M(C, work, "POST /work", organ_work, organ_result, PK_IDEMPOTENT)
PK_CONTRACT(organ, "organ", "1.0.0", ORGAN)
