/* file.c - files and directories, with the care that private ones need. */
#include "file.h"

#include "fd.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PLUGKIT_NO_FILES

#define PK__FILE_PATH 4096     // longest path, with its NUL
#define PK__FILE_DEPTH 16      // of a tree to be removed
#define PK__FILE_ENTRIES 10000 // in a tree to be removed

PK__FN pk_err pk__file_too_long(pk_error *err, const char *path)
{
    return pk_error_set(err, PK_ERR_LIMIT, "cannot use '%.80s...': the path is too long", path);
}

/* "cannot <verb> 'path': <errno>" with the code that says most. */
PK__FN pk_err pk__file_failed(pk_error *err, int error, const char *verb, const char *path)
{
    pk_err code = PK_ERR_OS;
    if (error == ENOENT) {
        code = PK_ERR_NOT_FOUND;
    } else if (error == ENOMEM) {
        code = PK_ERR_NO_MEMORY;
    } else if (error == EACCES || error == EPERM || error == EROFS) {
        code = PK_ERR_PERMISSION;
    }
    return pk_error_sys(err, code, error, "cannot %s '%s'", verb, path);
}

PK__FN const char *pk__file_join(pk_mem *mem, const char *dir, const char *name)
{
    size_t len = strlen(dir);
    return pk_mem_printf(mem, "%s%s%s", dir, len > 0 && dir[len - 1] == '/' ? "" : "/", name).ptr;
}

PK__FN pk_str pk__file_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return pk_str_from(slash ? slash + 1 : path);
}

/* ---- whole files */

/* A larger block with the same bytes. */
PK__FN char *pk__file_grow(pk_mem *mem, const char *bytes, size_t len, size_t cap)
{
    char *grown = (char *)pk_mem_get(mem, cap);
    if (grown && len > 0) {
        memcpy(grown, bytes, len);
    }
    return grown;
}

PK__FN pk_err pk__file_read_fd(pk_mem *mem, int fd, const char *path, size_t max, pk_str *out, pk_error *err)
{
    struct stat st;
    size_t len = 0, cap = 0, wanted;
    char *bytes = NULL;
    if (PK__SYS(fstat)(fd, &st) != 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot read '%s'", path);
    }
    /* The size is a hint: files grow, and those in /proc say 0. One byte more tells that it is all, one is
     * the NUL. */
    wanted = (st.st_size > 0 && (uint64_t)st.st_size < max ? (size_t)st.st_size : PK__MIN(max, 4096)) + 2;
    for (;;) {
        ssize_t n;
        if (len + 1 >= cap) {
            cap = cap ? PK__MIN(cap * 2, max + 2) : wanted;
            bytes = pk__file_grow(mem, bytes, len, cap);
            if (!bytes) {
                return pk__error_memory(err, "read a file");
            }
        }
        n = pk__fd_read(fd, bytes + len, cap - 1 - len);
        if (n < 0) {
            return pk_error_sys(err, PK_ERR_OS, errno, "cannot read '%s'", path);
        }
        len += (size_t)n;
        if (len > max) {
            return pk_error_set(err, PK_ERR_LIMIT, "cannot read '%s': larger than %zu bytes", path, max);
        }
        if (n == 0) {
            bytes[len] = '\0';
            out->ptr = bytes;
            out->len = len;
            return PK_OK;
        }
    }
}

PK__FN pk_err pk__file_read(pk_mem *mem, const char *path, size_t max, pk_str *out, pk_error *err)
{
    int fd;
    pk_err code = pk__fd_open(path, O_RDONLY | O_NONBLOCK, 0, &fd, err); // opening a FIFO must not wait
    if (code) {
        return code;
    }
    code = pk__file_read_fd(mem, fd, path, max, out, err);
    pk__fd_close(fd);
    return code;
}

PK__FN pk_err pk__file_sync_dir_of(const char *path, pk_error *err)
{
    char dir[PK__FILE_PATH];
    size_t len = strlen(path) - pk__file_basename(path).len;
    int fd = -1, result;
    pk_err code;
    snprintf(dir, sizeof(dir), "%.*s", (int)(len > 1 ? len - 1 : len), path);
    code = pk__fd_open(len ? dir : ".", O_RDONLY | O_DIRECTORY, 0, &fd, err);
    if (code) {
        return code;
    }
    result = PK__SYS(fsync)(fd);
    if (result != 0 && errno != EINVAL) { // EINVAL: this file system has nothing to sync in a directory
        code = pk_error_sys(err, PK_ERR_OS, errno, "cannot write '%s'", path);
    }
    pk__fd_close(fd);
    return code;
}

PK__FN pk_err pk__file_put(const char *path, pk_str bytes, mode_t mode, bool sync, pk_error *err)
{
    char temporary[PK__FILE_PATH];
    int fd = -1;
    pk_err code;
    bool good;
    unsigned long number = (unsigned long)(pk__random_u64() & 0xffffffff);
    if (snprintf(temporary, sizeof(temporary), "%s.%08lx", path, number) >= (int)sizeof(temporary)) {
        return pk__file_too_long(err, path);
    }
    if (pk__fd_open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode, &fd, NULL) != PK_OK) {
        return pk__file_failed(err, errno, "write", path);
    }
    code = pk__fd_write_all(fd, bytes, NULL);
    good = code == PK_OK && PK__SYS(fchmod)(fd, mode) == 0 && (!sync || PK__SYS(fsync)(fd) == 0);
    if (!good) {
        pk__fd_close(fd); // keeps errno
    } else {
        /* close, too, may report a full disk. */
        good = PK__SYS(close)(fd) == 0 && PK__SYS(rename)(temporary, path) == 0;
    }
    if (!good) {
        code = pk__file_failed(err, errno, "write", path);
        (void)PK__SYS(unlink)(temporary);
        return code;
    }
    return sync ? pk__file_sync_dir_of(path, err) : PK_OK;
}

PK__FN pk_err pk__file_write(const char *path, pk_str bytes, mode_t mode, pk_error *err)
{
    return pk__file_put(path, bytes, mode, true, err);
}

PK__FN pk_err pk__file_write_now(const char *path, pk_str bytes, mode_t mode, pk_error *err)
{
    return pk__file_put(path, bytes, mode, false, err);
}

/* ---- private directories */

/* May others than the owner exchange what is in it? Our own group counts as ourselves: where everybody has a
 * private one, directories are group-writable by default. */
PK__FN bool pk__file_is_open_to_others(const struct stat *st)
{
    bool writable = (st->st_mode & S_IWOTH) != 0 || ((st->st_mode & S_IWGRP) != 0 && st->st_gid != getegid());
    return S_ISDIR(st->st_mode) && writable && (st->st_mode & S_ISVTX) == 0;
}

PK__FN pk_err pk__file_check_stat(const char *path, const struct stat *st, pk_error *err)
{
    if (st->st_uid != geteuid() && st->st_uid != 0) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': it belongs to user %ld", path,
                            (long)st->st_uid);
    }
    if (pk__file_is_open_to_others(st)) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': others may write to it (mode %04o)",
                            path, (unsigned)(st->st_mode & 07777));
    }
    return PK_OK;
}

PK__FN pk_err pk__file_check_dir(const char *path, pk_error *err)
{
    struct stat st;
    pk_err code;
    if (PK__SYS(lstat)(path, &st) != 0) {
        return pk__file_failed(err, errno, "use", path);
    }
    code = pk__file_check_stat(path, &st, err); // a link's own, if it is one: who owns it can turn it around
    if (code) {
        return code;
    }
    if (S_ISLNK(st.st_mode) && PK__SYS(stat)(path, &st) != 0) {
        return pk__file_failed(err, errno, "use", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        return pk_error_set(err, PK_ERR_PATH, "cannot use '%s': not a directory", path);
    }
    return pk__file_check_stat(path, &st, err);
}

PK__FN pk_err pk__file_make_private_dir(const char *path, pk_error *err)
{
    struct stat st;
    if (PK__SYS(mkdir)(path, 0700) != 0 && errno != EEXIST) {
        return pk__file_failed(err, errno, "make directory", path);
    }
    if (PK__SYS(lstat)(path, &st) != 0) {
        return pk__file_failed(err, errno, "make directory", path);
    }
    if (S_ISLNK(st.st_mode) || !S_ISDIR(st.st_mode)) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': %s", path,
                            S_ISLNK(st.st_mode) ? "it is a symbolic link" : "not a directory");
    }
    if (st.st_uid != geteuid()) {
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': it belongs to user %ld", path,
                            (long)st.st_uid);
    }
    if ((st.st_mode & 07777 & ~(mode_t)S_ISGID) != 0700) { // some systems inherit that bit
        return pk_error_set(err, PK_ERR_PERMISSION, "cannot use '%s': its mode is %04o and must be 0700",
                            path, (unsigned)(st.st_mode & 07777));
    }
    return PK_OK;
}

/* $XDG_RUNTIME_DIR, if it is what the specification says (absolute, ours); otherwise /tmp. */
PK__FN const char *pk__file_default_base(void)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    if (base && base[0] == '/' && pk__file_check_dir(base, NULL) == PK_OK && PK__SYS(stat)(base, &st) == 0 &&
        st.st_uid == geteuid()) {
        return base;
    }
    return "/tmp";
}

/* The name of BASE/plugkit-UID; the base is checked. */
PK__FN pk_err pk__file_user_dir(pk_mem *mem, const char *base, const char **out, pk_error *err)
{
    base = base ? base : pk__file_default_base();
    pk_err code = pk__file_check_dir(base, err);
    if (code) {
        return code;
    }
    const char *name = pk_mem_printf(mem, "plugkit-%ld", (long)geteuid()).ptr;
    *out = name ? pk__file_join(mem, base, name) : NULL;
    return *out ? PK_OK : pk__error_memory(err, "make a runtime directory");
}

PK__FN pk_err pk__file_make_named_dir(pk_mem *mem, const char *base, const char *name, const char **out, pk_error *err)
{
    const char *dir = NULL;
    pk_err code = pk__file_user_dir(mem, base, &dir, err);
    if (code) {
        return code;
    }
    *out = pk__file_join(mem, dir, name);
    if (!*out) {
        return pk__error_memory(err, "make a runtime directory");
    }
    code = pk__file_make_private_dir(dir, err);
    return code ? code : pk__file_make_private_dir(*out, err);
}

PK__FN pk_err pk__file_make_runtime_dir(pk_mem *mem, const char *base, const char **out, pk_error *err)
{
    const char *dir = NULL;
    *out = NULL;
    pk_err code = pk__file_user_dir(mem, base, &dir, err);
    if (code) {
        return code;
    }
    for (int tries = 0; tries < 16; tries++) { // another manager may just be removing its last one
        unsigned long long number = (unsigned long long)(pk__random_u64() >> 16);
        const char *path = pk_mem_printf(mem, "%s/%012llx", dir, number).ptr;
        if (!path) {
            return pk__error_memory(err, "make a runtime directory");
        }
        code = pk__file_make_private_dir(dir, err);
        if (code) {
            return code;
        }
        if (PK__SYS(mkdir)(path, 0700) == 0) {
            *out = path;
            return PK_OK;
        }
        if (errno != EEXIST && errno != ENOENT) {
            return pk__file_failed(err, errno, "make directory", path);
        }
    }
    return pk_error_set(err, PK_ERR_BUSY, "cannot make a directory in '%s': no free name", dir);
}

PK__FN void pk__file_remove_runtime_dir(const char *path)
{
    char dir[PK__FILE_PATH];
    size_t len = strlen(path) - pk__file_basename(path).len;
    (void)pk__file_remove_tree(path, NULL);
    if (len > 1 && len < sizeof(dir)) {
        memcpy(dir, path, len - 1);
        dir[len - 1] = '\0';
        (void)PK__SYS(unlinkat)(AT_FDCWD, dir, AT_REMOVEDIR); // in use by others: fails, and stays
    }
}

/* ---- removing a tree */

typedef struct pk__file_removal {
    int entries, depth;
} pk__file_removal;

PK__FN int pk__file_empty_dir(pk__file_removal *r, int fd);

/* One entry of a directory that is ours. -1 with errno. */
PK__FN int pk__file_remove_entry(pk__file_removal *r, int dir_fd, const char *name)
{
    struct stat st;
    int fd, result;
    if (++r->entries > PK__FILE_ENTRIES) {
        errno = EFBIG;
        return -1;
    }
    if (PK__SYS(fstatat)(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (!S_ISDIR(st.st_mode)) {
        return PK__SYS(unlinkat)(dir_fd, name, 0) == 0 || errno == ENOENT ? 0 : -1;
    }
    fd = PK__SYS(openat)(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    result = pk__file_empty_dir(r, fd);
    return result == 0 ? PK__SYS(unlinkat)(dir_fd, name, AT_REMOVEDIR) : -1;
}

/* Takes fd. */
PK__FN int pk__file_empty_dir(pk__file_removal *r, int fd)
{
    struct stat st;
    DIR *dir = NULL;
    int result = 0, error;
    if (r->depth >= PK__FILE_DEPTH || PK__SYS(fstat)(fd, &st) != 0 || st.st_uid != geteuid() ||
        (dir = PK__SYS(fdopendir)(fd)) == NULL) {
        errno = r->depth >= PK__FILE_DEPTH ? ELOOP : dir ? errno : EPERM;
        pk__fd_close(fd);
        return -1;
    }
    r->depth++;
    while (result == 0) {
        struct dirent *entry;
        errno = 0;
        entry = PK__SYS(readdir)(dir);
        if (!entry) {
            result = errno ? -1 : 0;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = pk__file_remove_entry(r, fd, entry->d_name);
        }
    }
    r->depth--;
    error = errno;
    (void)PK__SYS(closedir)(dir);
    errno = error;
    return result;
}

PK__FN pk_err pk__file_remove_tree(const char *path, pk_error *err)
{
    pk__file_removal removal = {0, 0};
    int fd = PK__SYS(open)(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0 && errno == ENOENT) {
        return PK_OK;
    }
    if (fd < 0 || pk__file_empty_dir(&removal, fd) != 0 ||
        PK__SYS(unlinkat)(AT_FDCWD, path, AT_REMOVEDIR) != 0) {
        return pk__file_failed(err, errno, "remove", path);
    }
    return PK_OK;
}

/* ---- listing */

PK__FN int pk__file_compare(const void *a, const void *b)
{
    return strcmp(((const pk__file_entry *)a)->name, ((const pk__file_entry *)b)->name);
}

PK__FN bool pk__file_fill_entry(pk_mem *mem, int dir_fd, const char *name, pk__file_entry *out, int *error)
{
    struct stat st;
    *error = 0;
    if (PK__SYS(fstatat)(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        *error = errno == ENOENT ? 0 : errno; // gone meanwhile
        return false;
    }
    out->name = pk_mem_dup(mem, pk_str_from(name)).ptr;
    out->kind = S_ISREG(st.st_mode)   ? PK__FILE_REGULAR
                : S_ISDIR(st.st_mode) ? PK__FILE_DIR
                : S_ISLNK(st.st_mode) ? PK__FILE_LINK
                                      : PK__FILE_OTHER;
    out->mode = st.st_mode & 07777;
    out->owner = st.st_uid;
    out->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    *error = out->name ? 0 : ENOMEM;
    return out->name != NULL;
}

/* Returns errno, or 0. */
PK__FN int pk__file_list_all(pk_mem *mem, DIR *dir, int dir_fd, size_t max, pk__file_entry **out,
                             size_t *count)
{
    size_t cap = 0;
    for (;;) {
        struct dirent *entry;
        int error;
        errno = 0;
        entry = PK__SYS(readdir)(dir);
        if (!entry) {
            return errno;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (*count == max) {
            return EFBIG;
        }
        if (*count == cap) {
            cap = cap ? cap * 2 : 16;
            pk__file_entry *grown = (pk__file_entry *)pk_mem_get(mem, cap * sizeof(*grown));
            if (!grown) {
                return ENOMEM;
            }
            if (*count > 0) {
                memcpy(grown, *out, *count * sizeof(*grown));
            }
            *out = grown;
        }
        if (pk__file_fill_entry(mem, dir_fd, entry->d_name, &(*out)[*count], &error)) {
            ++*count;
        } else if (error) {
            return error;
        }
    }
}

PK__FN pk_err pk__file_list(pk_mem *mem, int dir_fd, size_t max, const char *shown, pk__file_entry **out,
                            size_t *count, pk_error *err)
{
    int error;
    DIR *dir = PK__SYS(fdopendir)(dir_fd);
    *out = NULL;
    *count = 0;
    if (!dir) {
        error = errno;
        pk__fd_close(dir_fd);
        return pk__file_failed(err, error, "list", shown);
    }
    error = pk__file_list_all(mem, dir, dir_fd, max, out, count);
    (void)PK__SYS(closedir)(dir);
    if (error == EFBIG) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot list '%s': more than %zu entries", shown, max);
    }
    if (error) {
        return pk__file_failed(err, error, "list", shown);
    }
    if (*count > 1) {
        qsort(*out, *count, sizeof(**out), pk__file_compare);
    }
    return PK_OK;
}

/* ---- opening beneath a directory */

/* Cuts the next component off; "." and double slashes are skipped. False = the end, or one too long. */
PK__FN bool pk__file_next_component(const char **path, char *out, size_t cap)
{
    const char *at = *path;
    size_t len;
    for (;;) {
        at += strspn(at, "/");
        len = strcspn(at, "/");
        if (len != 1 || at[0] != '.') {
            break;
        }
        at++;
    }
    if (len == 0 || len >= cap) {
        return false;
    }
    memcpy(out, at, len);
    out[len] = '\0';
    *path = at + len;
    return true;
}

/* Relative, not empty, without "..", and no component too long. */
PK__FN bool pk__file_is_beneath(const char *relative)
{
    char name[256];
    const char *at = relative;
    if (relative[0] == '/' || relative[0] == '\0') {
        return false;
    }
    while (pk__file_next_component(&at, name, sizeof(name))) {
        if (strcmp(name, "..") == 0) {
            return false;
        }
    }
    return strspn(at, "/.") == strlen(at);
}

/* One component at a time, none of them a link: what openat2 does in one step. -1 with errno. */
PK__FN int pk__file_walk(int root_fd, const char *relative, int flags, mode_t mode)
{
    char name[256], next[256];
    const int to_dir = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, to_last = flags | O_NOFOLLOW;
    int dir = root_fd, fd;
    bool more = pk__file_next_component(&relative, name, sizeof(name));
    if (!more) { // "."
        return PK__SYS(openat)(root_fd, ".", flags, mode);
    }
    for (;;) {
        more = pk__file_next_component(&relative, next, sizeof(next));
        fd = PK__SYS(openat)(dir, name, more ? to_dir : to_last, mode);
        if (fd < 0 && errno == ENOTDIR) { // what Linux says of a link here, too
            struct stat st;
            bool link = PK__SYS(fstatat)(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
            errno = link ? ELOOP : ENOTDIR;
        }
        if (dir != root_fd) {
            pk__fd_close(dir);
        }
        if (fd < 0 || !more) {
            return fd;
        }
        dir = fd;
        memcpy(name, next, sizeof(name));
    }
}

PK__FN pk_err pk__file_open_beneath(int root_fd, const char *relative, int flags, mode_t mode, int *out,
                                    pk_error *err)
{
    const uint64_t resolve = PK__SYS_BENEATH | PK__SYS_NO_SYMLINKS;
    int fd, error, tries = 0;
    *out = -1;
    if (!pk__file_is_beneath(relative)) {
        return pk_error_set(err, PK_ERR_PATH, "cannot open '%s': it leads out of its directory", relative);
    }
    do { // EAGAIN: something was renamed on the way, and the kernel is not sure
        fd = PK__SYS(openat2)(root_fd, relative, flags | O_CLOEXEC, mode, resolve);
    } while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 16)));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL)) { // EPERM: from an old sandbox
        fd = pk__file_walk(root_fd, relative, flags | O_CLOEXEC, mode);
    }
    error = errno;
    *out = pk__fd_lift(fd);
    if (*out >= 0) {
        return PK_OK;
    }
    if (error == ELOOP || error == EXDEV) {
        return pk_error_set(err, PK_ERR_PATH, "cannot open '%s': a symbolic link is on the way", relative);
    }
    return pk__file_failed(err, error, "open", relative);
}

#endif
