/* lines.h - the dialect of plugins that read and write lines: calls as JSON lines on the control socket, no HTTP.
 *
 *     host     {"id":7,"call":"POST /process","type":"sh-processor","body":{"data":"aGk="}}
 *     plugin   {"id":7,"status":200,"body":{"data":"SEk="}}       or   {"id":7,"status":400,"error":"no data"}
 *
 * Keys come in this order without spaces, and one call at a time, so that a shell script can follow. An answer whose id
 * nobody waits for is dropped. A plugin chooses it by saying {"listening":"lines:"}; the control socket belongs to
 * life, which hands lines with an "id" to pk__lines_take. */
#ifndef PK__LINES_H
#define PK__LINES_H
#include "../../rpc/call.h"

/* What endpoint.link points to: filled by the owner of the control socket, kept as long as the channel. */
typedef struct pk__lines_link {
    const pk_alloc *alloc;
    pk_err (*send)(void *user, pk_str bytes, pk_error *err);
    void *user;
    void *channel; // set by open, cleared by close
} pk__lines_link;

PK__FN const pk_dialect *pk__lines_dialect(void);
PK__FN void pk__lines_take(pk__lines_link *link, pk_str line); // the loop's thread
/* What came is no line that can be understood. Whose answer it was meant to be cannot be told, but only one call was
 * open: it ends so. */
PK__FN void pk__lines_spoil(pk__lines_link *link, const pk_error *why);

#endif
