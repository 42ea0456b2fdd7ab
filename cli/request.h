/* request.h - one call, from the words that people type to the answer that they see. `plugkit call` makes one, and
 * `plugkit run` makes as many as are typed. */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H
#include "body.h"
#include "session.h"
#include "target.h"

typedef struct request {
    session *session;
    const args *args;
    target target;
    pk_mem mem;
    pk_call_desc desc;
    body_source source;
    body_sink sink;
    bool has_source, has_sink;
    /* The outcome, under session->lock. */
    bool ended;
    pk_reply reply;
    pk_error err;
    int64_t took_ns;
} request;

/* Fills *r: where the call goes and what it carries. `body` may be NULL. Returns a status, and has said what is wrong.
 * request_close also after a failure. */
int request_open(request *r, session *s, const args *a, const char *name, const char *method, const char *body);
int request_run(request *r);   // waits for the outcome; an interrupt cancels it
int request_print(request *r); // the answer, or what was wrong
void request_put(pk_json_writer *w, const request *r); // "plugin":..,"contract":..: what `call --json` prints
void request_close(request *r);

#endif
