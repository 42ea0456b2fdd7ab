/* request_log.h - one record for each request (pk_request_log_write).
 *
 * The first interceptor and so the last whose `after` runs: it sees the status and the body that go out, and the time
 * that everything else took. Texts from outside are cleaned one by one, so that nobody can end a record or begin one
 * (pk__error_clean: control characters and what is no UTF-8 become \xNN). */
#ifndef PK__REQUEST_LOG_H
#define PK__REQUEST_LOG_H
#ifdef PLUGKIT_WITH_WEB
#include "serve.h"

enum { PK__REQUEST_LOG_ORDER = -300, PK__REQUEST_LOG_TEXT = 201 }; // with its NUL

#endif
#endif
