/* folder.c - from a folder to a plugin. */
#include "folder.h"
#if defined(PLUGKIT_WITH_MANIFESTS) && !defined(PLUGKIT_NO_FILES)
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/fd.h"

static const char *const pk__folder_names[] = {"manifest.json", "plugin.json"};

static const pk__file_entry *pk__folder_entry(const pk__folder *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->entries[i].name, name) == 0) {
            return &f->entries[i];
        }
    }
    return NULL;
}

/* ---- the manifest */

/* Which of the two there is; NULL = none, and *err says so if there are both. */
static const pk__file_entry *pk__folder_manifest(const pk__folder *f, pk_error *err)
{
    const pk__file_entry *a = pk__folder_entry(f, pk__folder_names[0]);
    const pk__file_entry *b = pk__folder_entry(f, pk__folder_names[1]);
    if (a && b) {
        (void)pk_error_set(err, PK_ERR_CONFIG, "it has a manifest.json and a plugin.json: one of them has to go");
    }
    return a ? a : b;
}

static pk_err pk__folder_check(const pk__file_entry *e, pk_error *err)
{
    if (e->kind != PK__FILE_REGULAR) {
        const char *link = "it is a symbolic link, which could lead anywhere: put the file here";
        return pk_error_set(err, PK_ERR_PATH, "%s", e->kind == PK__FILE_LINK ? link : "it is no file");
    }
    if (e->mode & 0002) {
        return pk_error_set(err, PK_ERR_PERMISSION, "everybody may write to it: chmod o-w it");
    }
    if (e->owner != 0 && e->owner != geteuid()) {
        return pk_error_set(err, PK_ERR_PERMISSION, "it belongs to another user (%lu)", (unsigned long)e->owner);
    }
    return e->size > PK__MANIFEST_MAX ? pk_error_set(err, PK_ERR_LIMIT, "it is larger than 1 MiB") : PK_OK;
}

/* The text, of which there may be more or less than when the folder was listed. */
static pk_err pk__folder_read(int dir_fd, const char *name, uint64_t size, pk_buf *text, pk_error *err)
{
    int fd;
    ssize_t got = 1;
    pk_err rc = pk__file_open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK, 0, &fd, err);
    if (rc) {
        return rc;
    }
    while (got > 0 && !text->failed) {
        if (pk_buf_reserve(text, text->len ? 4096 : (size_t)size + 1)) {
            got = pk__fd_read(fd, text->ptr + text->len, text->cap - text->len);
            text->len += got > 0 ? (size_t)got : 0;
        }
    }
    if (text->failed) {
        rc = text->failed == PK_ERR_LIMIT ? pk_error_set(err, PK_ERR_LIMIT, "it is larger than 1 MiB")
                                          : pk__error_memory(err, "read it");
    } else if (got < 0) {
        rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot read it");
    }
    pk__fd_close(fd);
    return rc;
}

static pk_err pk__folder_parse(pk_mem *mem, int dir_fd, const pk__file_entry *e, pk_str folder, pk_manifest *out,
                               pk_error *err)
{
    pk_buf text;
    pk_buf_init(&text, mem->alloc, PK__MANIFEST_MAX + 4097); // what is longer is refused as too long, not as cut
    pk_err rc = pk__folder_check(e, err);
    rc = rc ? rc : pk__folder_read(dir_fd, e->name, e->size, &text, err);
    rc = rc ? rc : pk__manifest_parse(mem, e->name, pk_buf_str(&text), out, err);
    if (!rc && folder.len && !pk_str_eq(out->id, folder)) {
        char shown[100];
        (void)pk__error_clean(shown, sizeof(shown), folder);
        rc = pk_error_set(err, PK_ERR_CONFIG, "its %s is '%" PK_FMT "', and its folder is called '%s'",
                          out->form == PK_MANIFEST_DATABRIDGE ? "id" : "name", PK_ARG(out->id), shown);
    }
    pk_buf_free(&text);
    return rc;
}

/* ---- what is run */

static pk_err pk__folder_part(const char *name, pk_error *err)
{
    bool bad = *name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    return bad ? pk_error_set(err, PK_ERR_PATH, "it must be a path below its folder") : PK_OK;
}

/* A folder on the way: others must not exchange things in it. */
static pk_err pk__folder_pass(const pk__folder *f, const char *way, pk_error *err)
{
    int fd;
    struct stat st;
    pk_err rc = pk__file_open_beneath(f->fd, way, O_RDONLY | O_DIRECTORY, 0, &fd, err);
    if (rc) {
        return rc;
    }
    int failed = PK__SYS(fstat)(fd, &st) != 0 ? errno : 0;
    pk__fd_close(fd);
    if (failed) {
        return pk_error_sys(err, PK_ERR_OS, failed, "cannot look at '%s'", way);
    }
    return (st.st_mode & 0002) && !(st.st_mode & 01000)
               ? pk_error_set(err, PK_ERR_PERMISSION, "everybody may change what is in '%s': chmod o-w it", way)
               : PK_OK;
}

/* Goes from folder to folder. *name is what stands behind the last '/'. */
static pk_err pk__folder_walk(const pk__folder *f, char *entry, char **name, pk_error *err)
{
    pk_err rc = PK_OK;
    *name = entry;
    for (char *at = entry; !rc && (at = strchr(at, '/')) != NULL; *name = ++at) {
        *at = '\0';
        rc = pk__folder_part(*name, err);
        rc = rc ? rc : pk__folder_pass(f, entry, err);
        *at = '/';
    }
    return rc ? rc : pk__folder_part(*name, err);
}

static pk_err pk__folder_stat(const pk__folder *f, const char *entry, pk__file_entry *out, pk_error *err)
{
    struct stat st;
    if (PK__SYS(fstatat)(f->fd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? pk_error_set(err, PK_ERR_NOT_FOUND, "there is no such file")
                               : pk_error_sys(err, PK_ERR_OS, errno, "cannot look at it");
    }
    if (!S_ISREG(st.st_mode)) {
        return pk_error_set(err, PK_ERR_PATH, "%s", S_ISLNK(st.st_mode) ? "it is a symbolic link" : "it is no file");
    }
    out->name = entry;
    out->kind = PK__FILE_REGULAR;
    out->mode = st.st_mode & 07777;
    out->owner = st.st_uid;
    out->size = (uint64_t)st.st_size;
    return PK_OK;
}

/* The path of what is run, in *mem. */
static pk_err pk__folder_program(const pk__folder *f, pk_mem *mem, const pk_manifest *m, const char **out,
                                 pk_error *err)
{
    pk__file_entry e;
    bool named = m->entry.len > 0;
    char *name = NULL;
    pk_str what = named ? m->entry : m->id;
    if (pk_str_starts(what, PK_STR("./"))) {
        what.ptr += 2;
        what.len -= 2;
    }
    char *entry = (char *)(uintptr_t)pk_mem_dup(mem, what).ptr;
    *out = entry ? pk__file_join(mem, f->path, entry) : NULL;
    if (!*out) {
        return pk__error_memory(err, "use it");
    }
    pk_err rc = pk__folder_walk(f, entry, &name, err);
    rc = rc ? rc : pk__folder_stat(f, entry, &e, err);
    if (!rc) {
        const char *ext = strrchr(name, '.');
        const char *reason = ext && strcmp(ext, ".so") == 0
                                 ? "it is a shared object, and manifests name programs"
                                 : pk__directory_unfit(mem, &e, *out);
        rc = reason ? pk_error_set(err, PK_ERR_NOT_EXECUTABLE, "%s", reason) : PK_OK;
    }
    if (rc) {
        pk__error_wrap(err, named ? "cannot run its entry '%.100s'" : "it names no entry; cannot run '%.100s'", entry);
    }
    return rc;
}

/* What is to be told of it: where it runs, or what is run. */
static pk_err pk__folder_place(const pk__folder *f, pk__about *about, pk_found *found, pk_error *err)
{
    const pk_manifest *m = &about->manifest;
    if (pk_str_starts(m->transport, PK_STR("grpc"))) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "its transport is %" PK_FMT ", which this build does not speak",
                            PK_ARG(m->transport));
    }
    if (m->entry.len == 0 && m->source.len && !pk_str_is(m->source, "local")) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "its source is %" PK_FMT ": only what is in the folder is run",
                            PK_ARG(m->source));
    }
    if (m->endpoint.len) {
        found->endpoint.address = pk_mem_dup(&about->mem, m->endpoint).ptr;
        return found->endpoint.address ? PK_OK : pk__error_memory(err, "use it");
    }
    return pk__folder_program(f, &about->mem, m, &found->path, err);
}

/* ---- all of it */

static pk_err pk__folder_tell(const pk__folder *f, const pk__file_entry *e, pk__about *about, pk_error *err)
{
    pk_found found;
    pk_str name = pk__file_basename(f->path);
    pk_mem *mem = &about->mem;
    const char *file = pk__file_join(mem, f->path, e->name);
    memset(&found, 0, sizeof(found));
    found.id = name.ptr; // the last part of a path that ends there
    if (!file) {
        return pk__error_memory(err, "scan a directory");
    }
    pk_err rc = about->why.code;
    rc = rc ? rc : pk__folder_parse(mem, f->fd, e, name, &about->manifest, &about->why);
    rc = rc ? rc : pk__folder_place(f, about, &found, &about->why);
    if (rc == PK_ERR_NO_MEMORY) {
        return pk__error_copy(err, &about->why);
    }
    if (rc) {
        pk__error_wrap(&about->why, "cannot use '%s'", file);
        found.path = file;
        found.endpoint.address = NULL;
    } else if (found.path && f->directory->filter && !f->directory->filter(f->directory->user, found.path)) {
        return PK_OK;
    }
    found.about = about;
    return pk_sink_found(f->sink, &found, err);
}

PK__FN pk_err pk__folder_take(const pk__folder *f, bool *is_plugin, pk_error *err)
{
    pk_error both;
    memset(&both, 0, sizeof(both));
    const pk__file_entry *e = pk__folder_manifest(f, &both);
    *is_plugin = e != NULL;
    if (!e) {
        return PK_OK;
    }
    pk__about *about = (pk__about *)pk__new(f->directory->alloc, sizeof(*about));
    if (!about) {
        return pk__error_memory(err, "scan a directory");
    }
    about->mem.alloc = f->directory->alloc;
    about->why = both;
    pk_err rc = pk__folder_tell(f, e, about, err);
    if (!about->is_taken) {
        pk__registry_drop_about(f->directory->alloc, about);
    }
    return rc;
}

PK_API pk_err pk_manifest_read(pk_mem *mem, const char *folder, pk_manifest *out, pk_error *err)
{
    int fd;
    pk__file_entry e;
    pk__folder f;
    const char *last = folder;
    memset(out, 0, sizeof(*out));
    memset(&f, 0, sizeof(f));
    pk_err rc = pk__fd_open(folder, O_RDONLY | O_DIRECTORY, 0, &fd, err);
    if (rc) {
        return rc;
    }
    f.fd = fd;
    rc = PK_ERR_NOT_FOUND;
    for (size_t i = 0; i < PK__COUNT(pk__folder_names) && rc == PK_ERR_NOT_FOUND; i++) {
        last = pk__folder_names[i];
        rc = pk__folder_stat(&f, last, &e, err);
    }
    pk_str name = pk__file_basename(folder);
    bool is_name = name.len && !pk_str_is(name, ".") && !pk_str_is(name, "..");
    if (rc == PK_ERR_NOT_FOUND) {
        rc = pk_error_set(err, rc, "manifest.json not found in %s", folder); // as DataBridge says it
    } else {
        rc = rc ? rc : pk__folder_parse(mem, fd, &e, is_name ? name : PK_STR(""), out, err);
        if (rc) {
            memset(out, 0, sizeof(*out));
            pk__error_wrap(err, "cannot use '%s/%s'", folder, last);
        }
    }
    pk__fd_close(fd);
    return rc;
}

#endif
