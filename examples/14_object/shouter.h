/* shouter.h - what the host asks for and the plugin does: one method. */
#define TEXT(F, T) F(T, REQ, pk_str, text, "text")
PK_MESSAGE(shout_request, TEXT)
PK_MESSAGE(shout_response, TEXT)

#define SHOUTER(M, C) M(C, shout, "POST /shout", shout_request, shout_response, PK_IDEMPOTENT)
PK_CONTRACT(shouter, "shouter", "1.0.0", SHOUTER)
