/* random.h - random numbers from the kernel: tokens, names, jitter.
 *
 * Tokens are secrets: they come from the kernel's generator or not at all, and are compared in constant time.
 * Jitter is not: pk__random_u64 always has an answer. Without an operating system (processes, sockets and
 * files all left out) there are no tokens. */
#ifndef PK__RANDOM_H
#define PK__RANDOM_H
#include "clock.h"
#include "sys.h"

#define PK__TOKEN_LEN 64 // 256 bits in hexadecimal

PK__FN pk_err pk__random_bytes(void *out, size_t len, pk_error *err);
PK__FN pk_err pk__random_token(char out[PK__TOKEN_LEN + 1], pk_error *err); // lower case hex, NUL-terminated
PK__FN uint64_t pk__random_u64(void);                                       // not for secrets; never fails
/* Takes the same time wherever they differ. Empty is never equal. */
PK__FN bool pk__token_equal(pk_str a, pk_str b);

#endif
