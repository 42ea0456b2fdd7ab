/* object.c - shared objects: opened, and their descriptors looked at. */
#include "object.h"
#ifdef PLUGKIT_WITH_DLOPEN

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../os/fd.h"
#include "../os/sys.h"
#include "ctx.h"

/* What an error says of dlerror's words. */
enum { PK__OBJECT_WORDS = 180, PK__OBJECT_HEADERS = 256 };

PK__FN const pk_object_layout *pk__object_layout(void)
{
#define PK__OBJECT_ROW(type) {#type, sizeof(type)}
    static const pk_object_layout table[] = {
        PK__OBJECT_ROW(pk_object),  PK__OBJECT_ROW(pk_object_host), PK__OBJECT_ROW(pk_str),
        PK__OBJECT_ROW(pk_alloc),   PK__OBJECT_ROW(pk_mem),         PK__OBJECT_ROW(pk__mem_block), // memory.c
        PK__OBJECT_ROW(pk_buf),     PK__OBJECT_ROW(pk_err),         PK__OBJECT_ROW(pk_error),
        PK__OBJECT_ROW(pk_meta),    PK__OBJECT_ROW(pk_body),        PK__OBJECT_ROW(pk_ctx),
        PK__OBJECT_ROW(pk__ctx_impl), PK__OBJECT_ROW(pk_request),   PK__OBJECT_ROW(pk_response),
        {NULL, 0}};
#undef PK__OBJECT_ROW
    return table;
}

static pk_err pk__object_refuse(const pk_object *o, const char *name, const char *what, pk_error *err)
{
    return pk_error_set(err, PK_ERR_BAD_CONTRACT, "cannot use '%s': it was made with PlugKit %.20s, this is %s, and %s",
                        name, o->version ? o->version : "?", PK_VERSION, what);
}

PK__FN pk_err pk__object_check(const pk_object *o, const char *name, pk_error *err)
{
    char what[160];
    if (memcmp(o->magic, "plugkit", sizeof(o->magic)) != 0) {
        return pk_error_set(err, PK_ERR_BAD_CONTRACT,
                            "cannot use '%s': its " PK__OBJECT_SYMBOL " is no descriptor of PlugKit's", name);
    }
    if (o->abi != PK_OBJECT_ABI || o->size != sizeof(*o)) { // what is behind these is not known
        return pk_error_set(err, PK_ERR_BAD_CONTRACT,
                            "cannot use '%s': its descriptor is of ABI %lu with %lu bytes, and PlugKit %s knows ABI "
                            "%lu with %lu: compile it with the same plugkit_sdk.h",
                            name, (unsigned long)o->abi, (unsigned long)o->size, PK_VERSION,
                            (unsigned long)PK_OBJECT_ABI, (unsigned long)sizeof(*o));
    }
    if (!o->layout || !o->desc || !o->describe || !o->start || !o->serve || !o->stop || !o->is_serial) {
        return pk__object_refuse(o, name, "its descriptor is not complete", err);
    }
    const pk_object_layout *ours = pk__object_layout(), *theirs = o->layout();
    for (; ours->name && theirs->name; ours++, theirs++) {
        if (strcmp(ours->name, theirs->name) != 0) {
            break;
        }
        if (ours->size != theirs->size) {
            (void)snprintf(what, sizeof(what), "%s has %lu bytes there, %lu here: -fshort-enums, -fpack-struct and the "
                           "like must agree", ours->name, (unsigned long)theirs->size, (unsigned long)ours->size);
            return pk__object_refuse(o, name, what, err);
        }
    }
    if (ours->name || theirs->name) {
        (void)snprintf(what, sizeof(what), "%.40s is only on one side", ours->name ? ours->name : theirs->name);
        return pk__object_refuse(o, name, what, err);
    }
    return PK_OK;
}

/* ---- the file */

#if defined(__x86_64__)
#define PK__OBJECT_MACHINE 62
#elif defined(__i386__)
#define PK__OBJECT_MACHINE 3
#elif defined(__aarch64__)
#define PK__OBJECT_MACHINE 183
#elif defined(__arm__)
#define PK__OBJECT_MACHINE 40
#elif defined(__riscv)
#define PK__OBJECT_MACHINE 243
#elif defined(__s390x__)
#define PK__OBJECT_MACHINE 22
#else
#define PK__OBJECT_MACHINE 0 // the dynamic linker has to tell
#endif

static uint64_t pk__object_number(const unsigned char *at, size_t bytes)
{
    uint16_t little = 1;
    uint64_t n = 0;
    bool is_little = *(const unsigned char *)&little == 1; // the file's order is ours: that was looked at
    for (size_t i = 0; i < bytes; i++) {
        n = n << 8 | at[is_little ? bytes - 1 - i : i];
    }
    return n;
}

static pk_err pk__object_bad(const char *path, const char *what, pk_error *err)
{
    return pk_error_set(err, PK_ERR_START, "cannot open '%s': %s", path, what);
}

static pk_err pk__object_read(int fd, void *to, size_t size, uint64_t at, const char *path, pk_error *err)
{
    size_t got = 0;
    pk_err rc = pk__fd_read_at(fd, to, size, at, &got, err);
    return rc ? rc : got < size ? pk__object_bad(path, "it is cut off: its ELF headers end too soon", err) : PK_OK;
}

/* Do all segments lie inside the file? */
static pk_err pk__object_segments(int fd, const unsigned char *head, uint64_t size, const char *path, pk_error *err)
{
    bool wide = sizeof(void *) == 8;
    unsigned char row[56];
    size_t row_size = wide ? 56 : 32;
    uint64_t at = pk__object_number(head + (wide ? 32 : 28), wide ? 8 : 4);
    uint64_t each = pk__object_number(head + (wide ? 54 : 42), 2);
    uint64_t count = pk__object_number(head + (wide ? 56 : 44), 2);
    if (each != row_size || count == 0 || count > PK__OBJECT_HEADERS) {
        return pk__object_bad(path, "its ELF header makes no sense", err);
    }
    if (at > size || count * each > size - at) {
        return pk__object_bad(path, "it is cut off: its ELF headers end too soon", err);
    }
    for (uint64_t i = 0; i < count; i++) {
        pk_err rc = pk__object_read(fd, row, row_size, at + i * each, path, err);
        if (rc) {
            return rc;
        }
        uint64_t offset = pk__object_number(row + (wide ? 8 : 4), wide ? 8 : 4);
        uint64_t bytes = pk__object_number(row + (wide ? 32 : 16), wide ? 8 : 4);
        if (pk__object_number(row, 4) == 1 && (offset > size || bytes > size - offset)) { // PT_LOAD
            return pk__object_bad(path, "it is cut off: a segment ends behind the file", err);
        }
    }
    return PK_OK;
}

#ifdef __APPLE__
static pk_err pk__object_look(int fd, uint64_t size, const char *path, pk_error *err)
{
    (void)fd, (void)size, (void)path, (void)err;
    (void)pk__object_segments;
    return PK_OK; // Mach-O: the dynamic linker looks
}
#else
static pk_err pk__object_look(int fd, uint64_t size, const char *path, pk_error *err)
{
    unsigned char head[64];
    char what[120];
    uint16_t little = 1;
    memset(head, 0, sizeof(head));
    if (size < sizeof(head)) {
        return pk__object_bad(path, "it is no ELF file: it is too short", err);
    }
    pk_err rc = pk__object_read(fd, head, sizeof(head), 0, path, err);
    if (rc) {
        return rc;
    }
    if (memcmp(head, "\177ELF", 4) != 0) {
        return pk__object_bad(path, "it is no ELF file", err);
    }
    if (head[4] != (sizeof(void *) == 8 ? 2 : 1) || head[5] != (*(const unsigned char *)&little == 1 ? 1 : 2)) {
        (void)snprintf(what, sizeof(what), "it is for another processor: %s-bit, %s-endian",
                       head[4] == 2 ? "64" : "32", head[5] == 2 ? "big" : "little");
        return pk__object_bad(path, what, err);
    }
    unsigned machine = (unsigned)pk__object_number(head + 18, 2);
    if (PK__OBJECT_MACHINE && machine != PK__OBJECT_MACHINE) {
        (void)snprintf(what, sizeof(what), "it is for another processor: ELF machine %u, this program is for %d",
                       machine, PK__OBJECT_MACHINE);
        return pk__object_bad(path, what, err);
    }
    if (pk__object_number(head + 16, 2) != 3) { // ET_DYN
        return pk__object_bad(path, "it is an ELF file, but no shared object: link it with -shared", err);
    }
    return pk__object_segments(fd, head, size, path, err);
}
#endif

static pk_err pk__object_check_file(const char *path, pk_error *err)
{
    struct stat st;
    int fd;
    pk_err rc = pk__fd_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd, err);
    if (rc) {
        return rc;
    }
    if (PK__SYS(fstat)(fd, &st) != 0) {
        rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot open '%s'", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = pk__object_bad(path, "it is no regular file", err);
    } else if ((st.st_mode & 0002) || (st.st_uid != 0 && st.st_uid != geteuid())) {
        rc = pk_error_set(err, PK_ERR_PERMISSION, "cannot open '%s': others may change it: it must belong to root or "
                          "this user, and be writable by nobody else", path);
    } else {
        rc = pk__object_look(fd, (uint64_t)st.st_size, path, err);
    }
    pk__fd_close(fd);
    return rc;
}

/* The linker's words, without the path, which stands in front of them already. */
static void pk__object_words(const char *path, char *out, size_t cap)
{
    const char *said = dlerror();
    size_t len = strlen(path);
    said = said ? said : "the dynamic linker does not say why";
    if (strncmp(said, path, len) == 0 && strncmp(said + len, ": ", 2) == 0) {
        said += len + 2;
    }
    (void)pk__error_clean(out, cap, pk_str_from(said));
}

PK__FN pk_err pk__object_open(const char *path, bool check_layout, const pk_object **out, pk_error *err)
{
    char words[PK__OBJECT_WORDS];
    *out = NULL;
    pk_err rc = pk__object_check_file(path, err);
    if (rc) {
        return rc;
    }
    (void)dlerror();
    void *handle = PK__SYS(dlopen)(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        pk__object_words(path, words, sizeof(words));
        if (!dlopen(NULL, RTLD_NOW)) { // there is no dynamic linker in this program
            return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot open '%s': this program is linked statically: %s",
                                path, words);
        }
        return pk__object_bad(path, words, err);
    }
    const pk_object *object = (const pk_object *)PK__SYS(dlsym)(handle, PK__OBJECT_SYMBOL);
    if (!object) {
        return pk__object_bad(path, "it has no '" PK__OBJECT_SYMBOL "': compile it with -DPLUGKIT_OBJECT, and end it "
                              "with PK_PLUGIN", err);
    }
    rc = check_layout ? pk__object_check(object, path, err) : PK_OK;
    if (!rc) {
        *out = object;
    }
    return rc;
}

PK_API int pk_object_main(int argc, char **argv)
{
    const pk_object *object = NULL;
    pk_error err;
    if (argc < 3 || strcmp(argv[1], "object") != 0) {
        (void)fprintf(stderr, "usage: %s object FILE.so ARGUMENTS...\n", argc > 0 ? argv[0] : "PROGRAM");
        return 2;
    }
    /* Only the plugin's own copy of PlugKit is used: layouts need not agree. */
    pk_err rc = pk__object_open(argv[2], false, &object, &err);
    if (!rc && (memcmp(object->magic, "plugkit", sizeof(object->magic)) != 0 || object->abi != PK_OBJECT_ABI ||
                object->size != sizeof(*object) || !object->main)) {
        rc = pk__object_check(object, argv[2], &err);
        rc = rc ? rc : pk_error_set(&err, PK_ERR_BAD_CONTRACT, "cannot run '%s': it has no main", argv[2]);
    }
    if (rc) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    argv[2] = argv[0]; // what is left is what the plugin would have been called with
    return object->main(object->desc, argc - 2, argv + 2);
}
#endif
