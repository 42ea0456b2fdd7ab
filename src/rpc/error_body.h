/* error_body.h - errors as HTTP bodies: written in one form, read in every form that is about.
 *
 * Written: {"message":"cannot open 'x': no such file","statusCode":404,"code":"PLUGIN_3008"} and a newline, which Go
 * peers parse (they look at message and statusCode). Read, from any peer:
 *
 *     {"message":..,"statusCode":..,"code":..}   PlugKit and the Go framework
 *     {"code":"not_found","message":..}          Connect
 *     {"error":".."} {"error":{"code":..,"message":..}}   REST services
 *     anything else                              the text itself (http.Error and friends)
 *
 * What a peer wrote goes into logs and onto terminals, so it is cleaned first: one line, no control characters. */
#ifndef PK__ERROR_BODY_H
#define PK__ERROR_BODY_H
#include "../base/error.h"

#define PK__ERROR_BODY_MAX 1536 // room that pk__error_body_write always finds enough

/* The status that the error goes out with: its own if a handler set one (400 to 599), else that of its kind. */
PK__FN int pk__error_body_status(const pk_error *error);
/* Writes the body, newline included; returns its length. out must have PK__ERROR_BODY_MAX bytes. */
PK__FN size_t pk__error_body_write(char *out, const pk_error *error);
/* Turns an answer that is no success into *err: PK_ERR_PLUGIN_FAULT with status, app_code, retry_after_ms (from the
 * Retry-After field) and "cannot call 'who': 404 Not Found: its words". Returns the code; err may be NULL. */
PK__FN pk_err pk__error_body_read(pk_error *err, const pk_alloc *alloc, pk_str who, int status, const pk_meta *fields,
                                  size_t count, pk_str body);

#endif
