/* objects.h - the dialect of plugins in this process that have a life of their own: shared objects, and those that are
 * compiled in with a descriptor. A request is handed to a function of theirs (rpc/object.h), on the caller's thread.
 *
 *     start, run -> turn -> serve -> the answer's head and body; a failure is an error's body, as it is over HTTP
 *
 * Turns. A plugin with .workers 0 has its handlers run one at a time. Whoever finds it busy waits: a caller's thread
 * for its condition, at most until the deadline; an attempt of the loop in a queue, as the loop never waits. A handler
 * that calls its own plugin on the same thread goes on at once.
 *
 * Guard on time. Nothing in this process can be interrupted. A call that ends after its deadline is told, once, as a
 * line of output of the plugin.
 *
 * The end. The launcher closes an instance when nobody is inside: POST /shutdown, which is answered here, asks for it.
 * `task` brings to the loop what other threads leave: turns for those who wait, lines, the end. */
#ifndef PK__OBJECTS_H
#define PK__OBJECTS_H
#include "../../rpc/call.h"
#include "../../rpc/object.h"
#ifdef PLUGKIT_WITH_DLOPEN

enum { PK__OBJECTS_SAID_MAX = 256 * 1024 }; // bytes of lines that wait for the loop; more are dropped

/* One running instance: the launcher's state, and the channel. */
typedef struct pk__objects_instance {
    const pk_alloc *alloc;
    pk_loop *loop;
    pk_launch *launch;
    pk__node node;          // in the list of all
    const pk_object *object;
    void *state;            // the plugin's; NULL = it has been stopped
    pk_object_host host;
    bool is_serial;
    bool is_asked;          // to end; under the lock
    bool is_reported;       // as ended; the loop's thread
    pk__mutex lock;
    pk__cond turn;
    uintptr_t owner;        // the thread whose turn it is; 0 = nobody's
    uint32_t depth;         // how often it is inside
    uint32_t inside;        // calls
    uint32_t waiting;       // threads
    pk__node queue;         // of pk__objects_turn: attempts of the loop
    pk_buf said, warned;    // control lines, lines of output
    pk_task task;
    void (*on_end)(struct pk__objects_instance *o); // it is to end, and nobody is inside; the loop's thread
    char name[80];          // "shout-1"
} pk__objects_instance;

typedef struct pk__objects { // all of a manager; the loop's thread
    pk__node all;           // zeroed: none
} pk__objects;

PK__FN void pk__objects_init(pk__objects_instance *o);
PK__FN void pk__objects_deinit(pk__objects_instance *o);
PK__FN void pk__objects_end(pk__objects_instance *o); // as soon as nobody is inside; the loop's thread
PK__FN bool pk__objects_is_busy(pk__objects_instance *o);
PK__FN pk_dialect pk__objects_dialect(pk__objects *all); // its channels are found by "object:" and their names

#endif
#endif
