/* directory.h - the finder that looks for executables below a directory, as the Go framework does.
 *
 * Every regular file without an extension is a plugin, and its name is the id. Files and directories that begin with a
 * dot are left out, and so is everything deeper than PK__DIRECTORY_DEPTH. Further rules, because what is found is run:
 *
 *     a symbolic link, a file that others may write to or that belongs to somebody else,
 *     a directory that others may exchange things in                                    skipped, with the reason
 *     an executable with an extension, a file without one that is not executable        skipped, with the cure
 *     other files (texts, data)                                                         not mentioned
 *
 * With `suffix` a file whose name ends so is a plugin as well, executable or not, and its id is the name without it.
 *
 * The scan is done when start returns; it takes the names in sorted order, so that two hosts see the same. */
#ifndef PK__DIRECTORY_H
#define PK__DIRECTORY_H
#include "../../os/file.h"
#include "../registry/registry.h"
#ifndef PLUGKIT_NO_FILES

#define PK__DIRECTORY_DEPTH 8
#define PK__DIRECTORY_ENTRIES 10000 // in one directory

/* Caller's memory; alive as long as the finder is used. */
typedef struct pk__directory {
    const pk_alloc *alloc;
    const char *path; // borrowed
    bool (*filter)(void *user, const char *path);
    void *user;
    const char *suffix; // of files that are plugins, too, without being programs: ".so"; NULL = there are none
} pk__directory;

PK__FN pk_finder pk__directory_finder(pk__directory *d, const pk_alloc *alloc, const char *path,
                                      bool (*filter)(void *user, const char *path), void *user);
/* Why a file, which is there, must not be run, and how to mend it; NULL = it may. Lives in *mem. */
PK__FN const char *pk__directory_unfit(pk_mem *mem, const pk__file_entry *e, const char *path);

#endif
#endif
