/* directory.c - executables below a directory. */
#include "directory.h"
#ifndef PLUGKIT_NO_FILES

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/fd.h"
#include "folder.h"

typedef struct pk__directory_scan {
    const pk__directory *d;
    pk_sink *sink;
    pk_error *err;
} pk__directory_scan;

static pk_err pk__directory_enter(pk__directory_scan *s, int fd, const char *path, unsigned depth);

static pk_err pk__directory_skip(pk__directory_scan *s, const char *name, const char *path, const char *reason)
{
    pk_found found;
    memset(&found, 0, sizeof(found));
    found.id = name;
    found.path = path;
    found.skipped = reason;
    return pk_sink_found(s->sink, &found, s->err);
}

/* As Go's filepath.Ext sees it; names that begin with a dot do not come here. */
static const char *pk__directory_extension(const char *name)
{
    return strrchr(name, '.');
}

/* Is it one of those that somebody else than the system runs? */
static bool pk__directory_is_object(const pk__directory_scan *s, const char *name)
{
    const char *ext = pk__directory_extension(name);
    return s->d->suffix && ext && ext != name && strcmp(ext, s->d->suffix) == 0;
}

/* Texts that people put beside programs: no plugin, and no mistake. */
static bool pk__directory_is_text(const char *name)
{
    static const char *const names[] = {"README", "LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS",
                                        "CHANGELOG", "CHANGES", "NEWS", "VERSION", "Makefile"};
    for (size_t i = 0; i < PK__COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

PK__FN const char *pk__directory_unfit(pk_mem *mem, const pk__file_entry *e, const char *path)
{
    if ((e->mode & 0111) == 0) {
        return pk_mem_printf(mem, "it is not executable: chmod +x '%s'", path).ptr;
    }
    if (e->mode & 0002) {
        return pk_mem_printf(mem, "everybody may write to it: chmod o-w '%s'", path).ptr;
    }
    if (e->owner != 0 && e->owner != geteuid()) {
        return pk_mem_printf(mem, "it belongs to another user (%lu): chown it, or run as that user",
                             (unsigned long)e->owner).ptr;
    }
    return NULL;
}

/* What is wrong with a file that would be a plugin, and how to mend it; NULL = nothing. *mention is false for files
 * that nobody would take for one. */
static const char *pk__directory_objection(pk_mem *mem, const pk__file_entry *e, const char *path, bool is_object,
                                           bool *mention)
{
    bool runs = is_object || (e->mode & 0111) != 0;
    const char *ext = is_object ? NULL : pk__directory_extension(e->name);
    *mention = true;
    if (ext && !runs) {
        *mention = false;
        return "is no program";
    }
    if (ext) {
        return pk_mem_printf(mem, "it has the extension '%s': plugins have none; rename it to '%.*s'", ext,
                             (int)(ext - e->name), e->name).ptr;
    }
    *mention = runs || !pk__directory_is_text(e->name);
    return pk__directory_unfit(mem, e, path);
}

static pk_err pk__directory_file(pk__directory_scan *s, pk_mem *mem, const pk__file_entry *e, const char *path)
{
    bool mention, is_object = pk__directory_is_object(s, e->name);
    if (s->d->filter && !s->d->filter(s->d->user, path)) {
        return PK_OK;
    }
    const char *reason = pk__directory_objection(mem, e, path, is_object, &mention);
    if (reason) {
        return mention ? pk__directory_skip(s, e->name, path, reason) : PK_OK;
    }
    pk_found found;
    memset(&found, 0, sizeof(found));
    found.id = e->name;
    found.path = path;
    if (is_object) {
        pk_str id = {e->name, (size_t)(pk__directory_extension(e->name) - e->name)};
        found.id = pk_mem_dup(mem, id).ptr;
        if (!found.id) {
            return pk__error_memory(s->err, "scan a directory");
        }
    }
    return pk_sink_found(s->sink, &found, s->err);
}

static pk_err pk__directory_below(pk__directory_scan *s, int fd, const pk__file_entry *e, const char *path,
                                  unsigned depth)
{
    int below;
    pk_error why;
    if (depth == PK__DIRECTORY_DEPTH) {
        return pk__directory_skip(s, e->name, path, "it lies too deep: plugins are looked for 8 directories down");
    }
    if ((e->mode & 0002) && !(e->mode & 01000)) {
        return pk__directory_skip(s, e->name, path, "everybody may change what is in this directory: chmod o-w it");
    }
    if (pk__file_open_beneath(fd, e->name, O_RDONLY | O_DIRECTORY, 0, &below, &why)) {
        return pk__directory_skip(s, e->name, path, why.msg);
    }
    return pk__directory_enter(s, below, path, depth + 1);
}

/* Takes fd. */
static pk_err pk__directory_enter(pk__directory_scan *s, int fd, const char *path, unsigned depth)
{
    pk__file_entry *entries = NULL;
    size_t count = 0;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = s->d->alloc;
    int list_fd = PK__SYS(fcntl)(fd, F_DUPFD_CLOEXEC, 3);
    pk_err rc = list_fd < 0 ? pk_error_sys(s->err, PK_ERR_OS, errno, "cannot scan '%s'", path)
                            : pk__file_list(&mem, list_fd, PK__DIRECTORY_ENTRIES, path, &entries, &count, s->err);
    bool is_plugin = false;
#ifdef PLUGKIT_WITH_MANIFESTS
    if (!rc && depth > 0) {
        pk__folder folder = {s->d, s->sink, fd, path, entries, count};
        rc = pk__folder_take(&folder, &is_plugin, s->err);
    }
#else
    (void)depth;
#endif
    for (size_t i = 0; !rc && !is_plugin && i < count; i++) {
        const pk__file_entry *e = &entries[i];
        if (e->name[0] == '.') {
            continue;
        }
        const char *at = pk__file_join(&mem, path, e->name);
        if (!at) {
            rc = pk__error_memory(s->err, "scan a directory");
        } else if (e->kind == PK__FILE_DIR) {
            rc = pk__directory_below(s, fd, e, at, depth);
        } else if (e->kind == PK__FILE_REGULAR) {
            rc = pk__directory_file(s, &mem, e, at);
        } else if (e->kind == PK__FILE_LINK && !pk__directory_extension(e->name)) {
            rc = pk__directory_skip(s, e->name, at,
                                    "it is a symbolic link, which could lead anywhere: put the file here");
        }
    }
    pk__fd_close(fd);
    pk_mem_free(&mem);
    return rc;
}

static pk_err pk__directory_start(void *user, pk_sink *sink, pk_error *err)
{
    pk__directory_scan s = {(const pk__directory *)user, sink, err};
    int fd;
    pk_err rc = pk__fd_open(s.d->path, O_RDONLY | O_DIRECTORY, 0, &fd, err);
    if (rc) {
        pk__error_wrap(err, "cannot scan for plugins");
        return rc;
    }
    rc = pk__file_check_dir(s.d->path, err);
    if (rc) {
        pk__fd_close(fd);
        return rc;
    }
    rc = pk__directory_enter(&s, fd, s.d->path, 0);
    if (!rc) {
        pk_sink_done(sink);
    }
    return rc;
}

PK__FN pk_finder pk__directory_finder(pk__directory *d, const pk_alloc *alloc, const char *path,
                                      bool (*filter)(void *user, const char *path), void *user)
{
    pk_finder finder = {"directory", pk__directory_start, NULL, d};
    d->alloc = alloc;
    d->path = path;
    d->filter = filter;
    d->user = user;
    d->suffix = NULL;
    return finder;
}
#endif
