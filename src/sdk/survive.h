/* survive.h - where a plugin that survives its host is found by the next one.
 *
 * It listens there from the start, for afterwards nobody could tell it to. The socket has mode 0600, in a private
 * directory of the host's; who connects must be our own user, and has a second to say in one line that it knows our
 * token:
 *
 *     host     {"adopt":true,"token":"<the one of the start>"}
 *     plugin   {"adopted":"<the proof>"}  {"listening":"http+unix:///.."}  {"ready":true}
 *                                                                   and the connection is its control socket
 *         or   {"error":"it has a host that lives"}                 and the connection ends
 *
 * With the line come two descriptors, the other ends of what the host reads: they become stdout and stderr, which led
 * nowhere since the last one died.
 *
 * Whether there is a host is looked at then and there: the next host may be quicker than the news that the last one has
 * died. At most four connections wait to be heard, and the oldest goes when a fifth one comes: whoever connects and
 * says nothing keeps nobody out. */
#ifndef PK__SURVIVE_H
#define PK__SURVIVE_H
#ifndef PLUGKIT_NO_NET
#include "lifeline.h"
#include "settings.h"

enum { PK__SURVIVE_GUESTS = 4 };

typedef struct pk__survive_guest {
    struct pk__survive *survive;
    pk_watch watch; // watch.fd 0 = nobody
    pk_timer timer;
    pk__control_lines lines;
    int outputs[2]; // that it has brought: 0 = none
    uint32_t turn;  // less came earlier
} pk__survive_guest;

typedef struct pk__survive {
    int fd, reserve; // it listens; 0 = it does not
    char path[PK__ADDRESS_TEXT_MAX]; // "" = nothing to remove
    pk_loop *loop;
    pk_watch watch;
    pk__survive_guest guests[PK__SURVIVE_GUESTS];
    uint32_t turns;
    pk_str token, proof;
    pk__lifeline *lifeline;
    const char *address; // where requests go
} pk__survive;

/* Begins to listen at settings->control. Settings, lifeline and address are borrowed. Errors: PK_ERR_OS,
 * PK_ERR_BAD_ENDPOINT. */
PK__FN pk_err pk__survive_open(pk__survive *s, pk_loop *loop, const pk__settings *settings, pk__lifeline *lifeline,
                               const char *address, pk_error *err);
PK__FN void pk__survive_close(pk__survive *s); // removes the socket's file. Zeroed: does nothing

#endif
#endif
