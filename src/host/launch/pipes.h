/* pipes.h - what a plugin prints and says, and what it is told: the three channels of a launch, by pk_stream.
 *
 * stdout and stderr are read for as long as anybody holds their other ends, one bounded read a turn, so that a plugin
 * that never stops printing neither stalls nor starves the others. What is written to the control socket goes out as
 * the plugin reads it, up to PK__PIPES_PENDING bytes behind; descriptors may travel with the first of them.
 *
 *     pk__pipes_init(&p, alloc, launch, loop); p.take = mine; p.user = me;
 *     pk__pipe_open(&p.each[PK_STREAM_OUT], &theirs, err); ...      theirs becomes the plugin's
 *     pk__pipe_watch(&p.each[PK_STREAM_OUT], err); ...              from here on `take` runs when there is something
 *     pk__pipes_send(&p, bytes, err);
 *     pk__pipes_drain(&p); pk__pipes_close(&p);                     when the plugin has ended
 *     pk__pipes_deinit(&p); */
#ifndef PK__PIPES_H
#define PK__PIPES_H
#include "../../os/loop.h"
#ifndef PLUGKIT_NO_PROCESS

#define PK__PIPES_PENDING ((size_t)16 * 1024 * 1024)

enum { PK__PIPES_READ = 16 * 1024 }; // bytes at a time, on the stack of whoever steps the loop

typedef struct pk__pipe {
    struct pk__pipes *all;
    pk_stream stream;
    pk_watch watch; // watch.fd -1 = there is none, or it has ended
} pk__pipe;

typedef struct pk__pipes {
    pk_launch *launch; // that hears it
    pk_loop *loop;
    pk__pipe each[3];
    pk_buf pending;    // for the control socket
    int travel[2];     // sent with the next bytes, and closed here; 0 = none
    void (*take)(void *user, pk__pipe *p); // there is something to read: pk__pipe_read, and what it means
    void *user;
} pk__pipes;

PK__FN void pk__pipes_init(pk__pipes *p, const pk_alloc *alloc, pk_launch *launch, pk_loop *loop);
PK__FN void pk__pipes_deinit(pk__pipes *p);
/* Makes one: *theirs is the other end, which waits, as programs expect of their descriptors; ours never does. */
PK__FN pk_err pk__pipe_open(pk__pipe *p, int *theirs, pk_error *err);
PK__FN pk_err pk__pipe_watch(pk__pipe *p, pk_error *err);
PK__FN void pk__pipe_close(pk__pipe *p); // again: does nothing
/* One bounded read, handed to the launch. False = it has ended, and is closed, or there is nothing just now. */
PK__FN bool pk__pipe_read(pk__pipe *p);
/* What the pipes hold was written before the end: a crash has its last words. Bounded: a grandchild may write on. */
PK__FN void pk__pipes_drain(pk__pipes *p);
PK__FN void pk__pipes_close(pk__pipes *p); // all of them, and what was to travel
/* To the control socket. Errors: PK_ERR_PLUGIN_CONNECTION (it is closed), PK_ERR_LIMIT (it is not read), NO_MEMORY. */
PK__FN pk_err pk__pipes_send(pk__pipes *p, pk_str bytes, pk_error *err);

#endif
#endif
