/* greeter.h - the contract between host and plugin: what can be asked, and what is answered. */
#define GREET_REQUEST(F, T) F(T, REQ, pk_str, name, "name")
#define GREET_RESPONSE(F, T) F(T, REQ, pk_str, text, "text")
PK_MESSAGE(greet_request, GREET_REQUEST)
PK_MESSAGE(greet_response, GREET_RESPONSE)

#define GREETER(M, C) M(C, greet, "POST /greet", greet_request, greet_response, PK_IDEMPOTENT)
PK_CONTRACT(greeter, "greeter", "1.0.0", GREETER)
