/* http_out.h - the outgoing half of a message: a head and a body in any form, sent as the other side takes it.
 *
 * Client and server write alike. The head is put into `buf`; pk__http_out_begin adds the body: small bytes are copied
 * behind the head (one part is cheaper than two), large ones are sent from where they are, a piece of a file goes by
 * sendfile where there is a socket, and what a reader gives is staged in `buf`, each piece as a chunk if it is to be
 * chunked. Then pk__http_out_push is called until it says that all is sent:
 *
 *     DONE        all of it
 *     WANT_WRITE  when there is room again (or to let others have their turn)
 *     WANT_READ   when the reader, which said PK_ERR_BUSY, has more (`busy`), or the transport has something to read
 *     CLOSED      the connection takes no more; *err says why
 *     FAILED      the body could not be read: its end will never come; *err says why */
#ifndef PK__HTTP_OUT_H
#define PK__HTTP_OUT_H
#include "secure.h"

typedef struct pk__http_out {
    pk_buf buf;          // [at, len) is to be sent
    size_t at;
    pk_str tail;         // body bytes sent from where they are
    const pk_body *body; // borrowed until the end
    uint64_t file_at, file_left;
    bool has_reader, chunked, began;
    bool copies;         // of the file: sendfile cannot
    bool pending;        // not all is sent
    bool busy;           // the reader has nothing yet
    bool sent_any;       // a byte was handed to the system
    uint64_t total;      // bytes of the body that were taken up
} pk__http_out;

PK__FN void pk__http_out_init(pk__http_out *o, const pk_alloc *alloc);
PK__FN void pk__http_out_deinit(pk__http_out *o);
PK__FN void pk__http_out_reset(pk__http_out *o); // before a head is written; keeps a small buffer
/* The head is in buf. body NULL = none. Errors: PK_ERR_MISUSE (file range), PK_ERR_NO_MEMORY, PK_ERR_LIMIT (head). */
PK__FN pk_err pk__http_out_begin(pk__http_out *o, const pk_body *body, bool chunked, pk_error *err);
PK__FN pk_io pk__http_out_push(pk__http_out *o, const pk__wire *wire, pk_error *err);

#endif
