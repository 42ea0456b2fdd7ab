/* two_way.h - a contract that both sides offer and call. */
#define TWO_WAY_TEXT(F, T)                                                                                    \
    F(T, REQ, pk_str, text, "text")                                                                           \
    F(T, OPT, pk_str, by, "by")
PK_MESSAGE(two_way_text, TWO_WAY_TEXT)
#define TWO_WAY(M, C) M(C, say, "POST /say", two_way_text, two_way_text, 0)
PK_CONTRACT(two_way, "twoWay", "1.0.0", TWO_WAY)
