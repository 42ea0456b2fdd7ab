/* keep.h - the directory of a host whose plugins survive it: BASE/plugkit-UID/keep-NAME, of the one host of that NAME.
 *
 * It is the runtime directory of such a host, and the next host of that name finds in it what the last one left. Of
 * each plugin that is to survive there are
 *
 *     STEM.sock       where requests go (unless by TCP)
 *     STEM.control    where the next host finds it
 *     STEM.json       the record: {"id":"shout","instance":"shout-1","path":"/opt/x/shout","token":"..",
 *                     "proof":"..","address":"..","pid":17}, the last two for people only
 *
 * The record is there before the plugin is started, and goes when it has ended. It names no file: all of them are known
 * by its own name, and so it cannot point to anybody else's. `lock` is held by the host as long as it lives; the kernel
 * gives it up however the host ends.
 *
 * Whose process a record means is never found out by its number: see adopt_launcher.h. */
#ifndef PK__KEEP_H
#define PK__KEEP_H
#include "../../os/lock.h"

#if !defined(PLUGKIT_NO_PROCESS) && !defined(PLUGKIT_NO_FILES) && !defined(PLUGKIT_NO_NET)
#define PK__KEEP // this build can let plugins survive
#endif

#define PK__KEEP_RECORD(F, T)                                                                                 \
    F(T, REQ, pk_str, id, "id")                                                                               \
    F(T, REQ, pk_str, instance, "instance")                                                                   \
    F(T, REQ, pk_str, path, "path")                                                                           \
    F(T, REQ, pk_str, token, "token")                                                                         \
    F(T, REQ, pk_str, proof, "proof")                                                                         \
    F(T, OPT, pk_str, address, "address")                                                                     \
    F(T, OPT, int64_t, pid, "pid")
PK_STRUCT(pk__keep_record, PK__KEEP_RECORD)

/* A plugin that the last host left. */
typedef struct pk__kept {
    struct pk__kept *next;
    pk_mem mem;
    pk__keep_record record;
    const char *stem;    // with the directory in front
    const char *control; // where it is found
} pk__kept;

typedef struct pk__keep {
    const pk_alloc *alloc;
    const char *dir;  // NULL = there is none: nothing survives
#ifdef PK__KEEP
    pk__lock lock;
#endif
    pk__kept *kept;   // those that nobody has taken yet
    bool is_read;
} pk__keep;

#ifdef PK__KEEP
enum { PK__KEEP_NAME_MAX = 32 };

/* Makes the directory (*dir, in *mem) and takes its lock; removes what no record mentions. Errors: PK_ERR_BAD_NAME,
 * PK_ERR_BUSY (a host of that name lives), PK_ERR_OS, PK_ERR_PERMISSION. */
PK__FN pk_err pk__keep_open(pk__keep *k, pk_mem *mem, const pk_alloc *alloc, const char *base, const char *name,
                            const char **dir, pk_error *err);
/* Reads all records, once. One that cannot be read is told to on_bad, and removed. */
PK__FN void pk__keep_read(pk__keep *k, void (*on_bad)(void *user, const pk_error *why), void *user);
PK__FN pk__kept *pk__keep_take(pk__keep *k, const char *id); // the next one of that plugin; NULL = none
PK__FN pk__kept *pk__keep_take_any(pk__keep *k);
PK__FN uint32_t pk__keep_serial(const pk__keep *k, const char *id); // the highest that instances of it have
PK__FN void pk__keep_free(pk__kept *kept);                          // only the memory
PK__FN pk_err pk__keep_write(const pk__keep *k, const char *stem, const pk__keep_record *record, pk_error *err);
PK__FN void pk__keep_forget(const char *stem); // removes the record
PK__FN void pk__keep_remove(const char *stem); // with the sockets: the process is no more
/* Gives the lock up, and removes all that no record mentions, the directory included. In a forked child, and zeroed:
 * does nothing but free. */
PK__FN void pk__keep_close(pk__keep *k, bool is_forked);
#else
static inline void pk__keep_close(pk__keep *k, bool is_forked)
{
    (void)k, (void)is_forked; // there is never one
}
#endif

#endif
