/* file.h - files and directories, with the care that private ones need.
 *
 * Paths: a path from a user is opened as it is; one below a directory that somebody else may write to is
 * opened beneath a descriptor of that directory (pk__file_open_beneath), so that neither ".." nor a symbolic
 * link leads out of it. Private directories are 0700, ours, and not a symbolic link, or they are refused with
 * what is wrong and where. What is written is there completely or not at all, also after a power cut.
 * Everything has a maximum. */
#ifndef PK__FILE_H
#define PK__FILE_H
#include "sys.h"

#ifndef PLUGKIT_NO_FILES
/* A whole file; lives in *mem, with a NUL behind it. PK_ERR_LIMIT: larger than max bytes. PK_ERR_NOT_FOUND.
 * */
PK__FN pk_err pk__file_read(pk_mem *mem, const char *path, size_t max, pk_str *out, pk_error *err);
/* Replaces a file: temporary file beside it, fsync, rename, fsync of the directory. */
PK__FN pk_err pk__file_write(const char *path, pk_str bytes, mode_t mode, pk_error *err);
/* The same for what is of no use after a power cut: waits for no disk. */
PK__FN pk_err pk__file_write_now(const char *path, pk_str bytes, mode_t mode, pk_error *err);

/* Makes the directory with mode 0700, or accepts one that is: ours, 0700, no link. PK_ERR_PERMISSION. */
PK__FN pk_err pk__file_make_private_dir(const char *path, pk_error *err);
/* Refuses a directory in which others could exchange things under us: neither ours nor root's, or writable
 * for others without the sticky bit. A link to a directory is fine if both pass. */
PK__FN pk_err pk__file_check_dir(const char *path, pk_error *err);
/* Makes a fresh private directory: BASE/plugkit-UID/RANDOM, where BASE is `base`, or (NULL) $XDG_RUNTIME_DIR
 * if it is fit, or /tmp. *out lives in *mem. Remove it as below. */
PK__FN pk_err pk__file_make_runtime_dir(pk_mem *mem, const char *base, const char **out, pk_error *err);
/* The same with a name instead of RANDOM: it may be there already. */
PK__FN pk_err pk__file_make_named_dir(pk_mem *mem, const char *base, const char *name, const char **out,
                                      pk_error *err);
/* Removes such a directory with all that is in it, and plugkit-UID if it was the last there. */
PK__FN void pk__file_remove_runtime_dir(const char *path);
/* Removes a directory and what is in it, as far as it is ours, without following links. Not there: fine. */
PK__FN pk_err pk__file_remove_tree(const char *path, pk_error *err);

typedef enum pk__file_kind {
    PK__FILE_OTHER,
    PK__FILE_REGULAR,
    PK__FILE_DIR,
    PK__FILE_LINK
} pk__file_kind;
typedef struct pk__file_entry {
    const char *name;
    pk__file_kind kind;
    mode_t mode;   // permission bits
    uid_t owner;
    uint64_t size; // bytes
} pk__file_entry;
/* The entries of an open directory without "." and "..", sorted by name. Takes dir_fd, also on failure.
 * PK_ERR_LIMIT: more than `max` entries. `shown` is the directory's name for messages. */
PK__FN pk_err pk__file_list(pk_mem *mem, int dir_fd, size_t max, const char *shown, pk__file_entry **out,
                            size_t *count, pk_error *err);
/* Opens root_fd/relative with nothing outside of the root and no symbolic links on the way. */
PK__FN pk_err pk__file_open_beneath(int root_fd, const char *relative, int flags, mode_t mode, int *out,
                                    pk_error *err);
PK__FN const char *pk__file_join(pk_mem *mem, const char *dir, const char *name); // NULL = out of memory
PK__FN pk_str pk__file_basename(const char *path); // a view into path
#endif

#endif
