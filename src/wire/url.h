/* url.h - request targets and paths: split once, decoded once, walked once.
 *
 * A server and whatever stands before it must never see two different paths in the same bytes. So there is exactly one
 * reading: pk__url_split checks the target's form and every byte of it, pk__url_decode_path takes the percent signs
 * away once, and then "//" becomes "/", "." and ".." segments are resolved. What cannot be read in one way only is
 * refused: a broken %XX, a control character (plain or encoded), a slash that is encoded (some split at it, some do
 * not), a backslash (some take it for a slash), a path that climbs above its root, bytes that are no UTF-8 once
 * decoded, a fragment, a target that does not begin with "/".
 *
 * Routes, open paths and handlers all see the decoded path and nothing else.
 *
 * Queries stay as they came and are walked pair by pair:
 *
 *     while (pk__url_query_next(&rest, &name, &value)) { ... pk__url_decode(value, true, buf, &len) ... }        */
#ifndef PK__URL_H
#define PK__URL_H
#include "../base/defs.h"

typedef enum pk__url_form { PK__URL_ORIGIN, PK__URL_ABSOLUTE, PK__URL_ASTERISK, PK__URL_AUTHORITY } pk__url_form;

typedef struct pk__url {
    pk__url_form form;
    bool is_secure;   // an absolute target of https, which is known where TLS is built in
    pk_str authority; // of an absolute target; Host has to say the same
    pk_str path;      // still encoded, begins with "/"; "*" of an asterisk target, "" of an authority
    bool is_plain;    // nothing would be decoded in it
    pk_str query;     // behind the '?'; "" if there is none
} pk__url;

/* Takes a request target apart (RFC 9112, 3.2): "/path?query", "http://host/path?query", "*" (OPTIONS only), or
 * "host:port" (CONNECT only). The parts are views into target. False: none of these, or a byte that no target may
 * hold. */
PK__FN bool pk__url_split(pk_str method, pk_str target, pk__url *out);
/* Decodes and normalises a path into out, which has room for path.len bytes and may be path.ptr itself.
 * False: it cannot be read in one way only (see above). A slash at the end stays. */
PK__FN bool pk__url_decode_path(pk_str path, char *out, size_t *len);
/* Decodes %XX, and '+' as a space if plus_is_space. out has room for in.len bytes and may be in.ptr. False: broken. */
PK__FN bool pk__url_decode(pk_str in, bool plus_is_space, char *out, size_t *len);
/* The next name=value of a query, both still encoded; false at the end. *rest begins as the query. */
PK__FN bool pk__url_query_next(pk_str *rest, pk_str *name, pk_str *value);
/* Appends `in` with all but unreserved characters as %XX; keep_slash leaves '/' alone. False: the buffer failed. */
PK__FN bool pk__url_encode(pk_buf *out, pk_str in, bool keep_slash);

#endif
