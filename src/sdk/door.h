/* door.h - where a plugin listens, and what is left there when it has gone: nothing.
 *
 *     CONTROL     the path or the loopback port that the host named; its directory is the host's, and private. If it
 *                 named none, a free loopback port
 *     FRAMEWORK   /tmp/ID-plugin.socket, as the Go framework demands, or 127.0.0.1 with a free port
 *     BY_HAND     --listen
 *     any         PLUGKIT_LISTEN_FD: a descriptor that listens already. Its file is not ours to remove
 *
 * Sockets are made with mode 0600. Where two processes could want the same path (in the framework's way, and by
 * hand) a lock file beside it says who has it: os/lock.h. Whether the path fits into sun_path is checked before
 * anything else. Over TCP a plugin is only to be had on a loopback address, and the descriptor that found a free
 * port is kept.
 *
 * The file goes when draining begins: who comes later learns at once that nobody is there. The lock goes last. */
#ifndef PK__DOOR_H
#define PK__DOOR_H
#ifndef PLUGKIT_NO_NET
#include "../net/secure.h"
#include "../os/lock.h"
#include "settings.h"

typedef struct pk__door {
    int fd;                              // listens; 0 = given away or not open
    char address[PK__ADDRESS_TEXT_MAX];  // as it is announced
    char path[PK__ADDRESS_TEXT_MAX];     // the socket file that is ours; "" = none
#ifndef PLUGKIT_NO_FILES
    pk__lock lock;
#endif
} pk__door;

/* Opens it. inherited_fd: PLUGKIT_LISTEN_FD, or -1. Errors: PK_ERR_BAD_ENDPOINT, PK_ERR_BUSY (somebody lives there),
 * PK_ERR_OS, PK_ERR_UNSUPPORTED. After a failure nothing is left. */
PK__FN pk_err pk__door_open(pk__door *d, const pk_alloc *alloc, const pk__settings *s, int inherited_fd,
                            pk_error *err);
PK__FN int pk__door_take_fd(pk__door *d);  // the server's from now on
PK__FN void pk__door_shut(pk__door *d);    // removes the socket file
PK__FN void pk__door_deinit(pk__door *d);  // removes all that is left. Zeroed: does nothing

#endif
#endif
