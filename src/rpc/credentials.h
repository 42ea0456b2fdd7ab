/* credentials.h - who one is, shown and checked by interceptors: pk_credentials_show, pk_access_check.
 *
 * To show: `before` of an attempt puts one header behind those of the call, in a block of its own memory, and `after`
 * takes it away again, overwrites and frees it. So a retry shows what is right then, and nothing of it is left in the
 * call, in its reply or in the copy of its description.
 *
 * To check: everything that is accepted is compared with what was shown, also after one has fitted, and each comparison
 * takes as long as what was shown is long. A refusal is an answer (401), not an error of the interceptor: only so it
 * can say in WWW-Authenticate what would do. */
#ifndef PK__CREDENTIALS_H
#define PK__CREDENTIALS_H
#ifdef PLUGKIT_WITH_CREDENTIALS
#include "serve.h"

PK__FN bool pk__credentials_equal(pk_str shown, pk_str wanted);

#endif
#endif
