/* error.h - how modules make, copy and pass on errors. */
#ifndef PK__ERROR_H
#define PK__ERROR_H
#include <stdarg.h>
#include <string.h>

#include "defs.h"

/* No error: the start of each call. Its texts are made empty, not cleared to their ends. */
PK__HOT void pk__error_none(pk_error *err)
{
    memset(err, 0, offsetof(pk_error, app_code));
    err->app_code[0] = '\0';
    err->msg[0] = '\0';
}

/* Errors are made with pk_error_set and pk_error_sys (api/error.h); these go on from there. */
PK__FN pk_err pk__error_setv(pk_error *err, pk_err code, const char *format, va_list args);
PK__FN pk_err pk__error_copy(pk_error *to, const pk_error *from);             // returns from->code
PK__FN void pk__error_wrap(pk_error *err, const char *format, ...) PK_PRINTF(2, 3); // "new words: old message"
PK__FN pk_err pk__error_memory(pk_error *err, const char *what);              // "cannot <what>: out of memory"
/* Makes foreign bytes fit for a log or a message: valid UTF-8, control characters as \xNN; cut with "..." at cap - 1.
 * Returns the length; out is NUL-terminated. */
PK__FN size_t pk__error_clean(char *out, size_t cap, pk_str in);

#endif
