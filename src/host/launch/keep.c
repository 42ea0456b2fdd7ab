/* keep.c - the directory of a host whose plugins survive it. */
#include "keep.h"
#ifdef PK__KEEP

#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../net/address.h"
#include "../../os/fd.h"
#include "../../os/file.h"
#include "../../rpc/service.h"
#include "../../wire/json_read.h"

enum { PK__KEEP_RECORD_MAX = 16 * 1024, PK__KEEP_ENTRIES = 100000, PK__KEEP_PATH = 1024 };

/* ---- names */

static bool pk__keep_path(char *out, const char *stem, const char *extension)
{
    return snprintf(out, PK__KEEP_PATH, "%s%s", stem, extension) < PK__KEEP_PATH;
}

static bool pk__keep_ends(const char *name, const char *extension)
{
    size_t len = strlen(name), more = strlen(extension);
    return len > more && strcmp(name + len - more, extension) == 0;
}

static void pk__keep_unlink(const char *stem, const char *extension)
{
    char path[PK__KEEP_PATH];
    if (pk__keep_path(path, stem, extension)) {
        (void)PK__SYS(unlink)(path);
    }
}

PK__FN void pk__keep_forget(const char *stem)
{
    pk__keep_unlink(stem, ".json");
}

PK__FN void pk__keep_remove(const char *stem)
{
    pk__keep_unlink(stem, ".sock");
    pk__keep_unlink(stem, ".control");
    pk__keep_forget(stem);
}

/* ---- the directory */

static pk_err pk__keep_list(pk_mem *mem, const char *dir, pk__file_entry **entries, size_t *count, pk_error *err)
{
    int fd = -1;
    pk_err rc = pk__fd_open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, err);
    *count = 0;
    return rc ? rc : pk__file_list(mem, fd, PK__KEEP_ENTRIES, dir, entries, count, err);
}

/* A record, or what belongs to one. */
static bool pk__keep_is_needed(pk_mem *mem, const char *path)
{
    static const char *const parts[] = {".sock", ".control"};
    struct stat st;
    for (size_t i = 0; i < PK__COUNT(parts); i++) {
        if (pk__keep_ends(path, parts[i])) {
            int len = (int)(strlen(path) - strlen(parts[i]));
            const char *record = pk_mem_printf(mem, "%.*s.json", len, path).ptr;
            return !record || PK__SYS(lstat)(record, &st) == 0;
        }
    }
    return pk__keep_ends(path, ".json");
}

/* Removes what no record mentions. What cannot be removed is in nobody's way. */
static void pk__keep_clean(const pk__keep *k)
{
    pk_mem mem;
    pk__file_entry *entries = NULL;
    size_t count = 0;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = k->alloc;
    (void)pk__keep_list(&mem, k->dir, &entries, &count, NULL);
    for (size_t i = 0; i < count; i++) {
        const char *path = pk__file_join(&mem, k->dir, entries[i].name);
        if (path && strcmp(entries[i].name, "lock") != 0 && !pk__keep_is_needed(&mem, path)) {
            (void)pk__file_remove_tree(path, NULL);
            (void)PK__SYS(unlink)(path);
        }
    }
    pk_mem_free(&mem);
}

static pk_err pk__keep_lock(pk__keep *k, const char *name, pk_error *err)
{
    char path[PK__KEEP_PATH];
    if (!pk__keep_path(path, k->dir, "/lock")) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot keep plugins as '%s': the path is too long", name);
    }
    pk_err rc = pk__lock_take_ours(&k->lock, k->alloc, path, err);
    if (rc) {
        pk__error_wrap(err, "cannot keep plugins as '%s'", name);
    }
    return rc;
}

PK__FN pk_err pk__keep_open(pk__keep *k, pk_mem *mem, const pk_alloc *alloc, const char *base, const char *name,
                            const char **dir, pk_error *err)
{
    pk_error own;
    err = err ? err : &own;
    k->alloc = alloc;
    pk_str folder = pk_mem_printf(mem, "keep-%s", name);
    if (!folder.ptr) {
        return pk__error_memory(err, "make a runtime directory");
    }
    if (!pk__service_is_name(pk_str_from(name)) || strlen(name) > PK__KEEP_NAME_MAX) {
        return pk_error_set(err, PK_ERR_BAD_NAME, "cannot keep plugins as '%.80s': letters, digits, '_', '.' and '-', "
                            "at most %d", name, PK__KEEP_NAME_MAX);
    }
    pk_err rc = PK_OK;
    for (int tries = 0; tries < 16; tries++) { // the last host may just be removing it
        rc = pk__file_make_named_dir(mem, base, folder.ptr, dir, err);
        k->dir = *dir;
        rc = rc ? rc : pk__keep_lock(k, name, err);
        if (rc != PK_ERR_NOT_FOUND) {
            break;
        }
    }
    if (rc) {
        k->dir = NULL;
        return rc;
    }
    pk__keep_clean(k);
    return PK_OK;
}

PK__FN void pk__keep_close(pk__keep *k, bool is_forked)
{
    while (k->kept) {
        pk__keep_free(pk__keep_take_any(k));
    }
    if (k->dir && !is_forked) {
        pk__keep_clean(k);
    }
    pk__lock_release(&k->lock); // a forked child only closes it
    if (k->dir && !is_forked) {
        (void)PK__SYS(unlinkat)(AT_FDCWD, k->dir, AT_REMOVEDIR); // records are left: fails, and stays
    }
    k->dir = NULL;
}

/* ---- records */

/* Is it what we write? The instance's name is the id's with a number behind it. */
static bool pk__keep_is_sound(const pk__keep_record *r)
{
    size_t at = r->id.len;
    bool sound = pk__service_is_name(r->id) && r->token.len > 0 && r->proof.len > 0 &&
                 r->instance.len > at + 1 && r->instance.len < 80 &&
                 memcmp(r->instance.ptr, r->id.ptr, at) == 0 && r->instance.ptr[at++] == '-';
    for (; sound && at < r->instance.len; at++) {
        sound = r->instance.ptr[at] >= '0' && r->instance.ptr[at] <= '9';
    }
    return sound;
}

static pk_err pk__keep_read_one(pk__kept *kept, const char *path, pk_error *err)
{
    pk_str text = PK_STR("");
    pk_err rc = pk__file_read(&kept->mem, path, PK__KEEP_RECORD_MAX, &text, err);
    if (rc) {
        return rc;
    }
    rc = pk__json_check_unique(kept->mem.alloc, text, true, NULL); // there is a token in it
    rc = rc ? rc : pk_json_decode(&kept->mem, &pk_type_pk__keep_record, text, &kept->record, NULL);
    if (rc == PK_OK && !pk__keep_is_sound(&kept->record)) {
        rc = PK_ERR_PROTOCOL;
    }
    if (rc && rc != PK_ERR_NO_MEMORY) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use '%s': it is no record of a plugin", path);
    }
    if (!rc) {
        kept->stem = pk_mem_printf(&kept->mem, "%.*s", (int)(strlen(path) - 5), path).ptr;
        kept->control = kept->stem ? pk_mem_printf(&kept->mem, "%s.control", kept->stem).ptr : NULL;
    }
    return kept->control ? PK_OK : pk__error_memory(err, "read a record");
}

PK__FN void pk__keep_read(pk__keep *k, void (*on_bad)(void *user, const pk_error *why), void *user)
{
    pk_mem mem;
    pk_error why;
    pk__file_entry *entries = NULL;
    size_t count = 0;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = k->alloc;
    if (!k->dir || k->is_read) {
        return;
    }
    k->is_read = true;
    if (pk__keep_list(&mem, k->dir, &entries, &count, &why)) {
        on_bad(user, &why);
    }
    pk__kept **last = &k->kept;
    for (size_t i = 0; i < count; i++) {
        const char *path = pk__file_join(&mem, k->dir, entries[i].name);
        if (!path || !pk__keep_ends(path, ".json")) {
            continue;
        }
        pk__kept *kept = (pk__kept *)pk__new(k->alloc, sizeof(*kept));
        pk_err rc = kept ? PK_OK : pk__error_memory(&why, "read a record");
        if (kept) {
            kept->mem.alloc = k->alloc;
            rc = pk__keep_read_one(kept, path, &why);
        }
        if (!rc) {
            *last = kept;
            last = &kept->next;
            continue;
        }
        pk__keep_free(kept);
        if (rc != PK_ERR_NO_MEMORY) {
            (void)PK__SYS(unlink)(path);
        }
        on_bad(user, &why);
    }
    pk_mem_free(&mem);
}

static pk__kept *pk__keep_unlink_from(pk__kept **at)
{
    pk__kept *kept = *at;
    if (kept) {
        *at = kept->next;
        kept->next = NULL;
    }
    return kept;
}

PK__FN pk__kept *pk__keep_take(pk__keep *k, const char *id)
{
    pk__kept **at = &k->kept;
    while (*at && !pk_str_is((*at)->record.id, id)) {
        at = &(*at)->next;
    }
    return pk__keep_unlink_from(at);
}

PK__FN pk__kept *pk__keep_take_any(pk__keep *k)
{
    return pk__keep_unlink_from(&k->kept);
}

PK__FN uint32_t pk__keep_serial(const pk__keep *k, const char *id)
{
    uint32_t highest = 0;
    for (const pk__kept *kept = k->kept; kept; kept = kept->next) {
        const pk__keep_record *r = &kept->record;
        uint32_t serial = 0;
        for (size_t i = r->id.len + 1; pk_str_is(r->id, id) && i < r->instance.len; i++) {
            serial = serial * 10 + (uint32_t)(r->instance.ptr[i] - '0'); // of nine digits: wrapping does no harm
        }
        highest = PK__MAX(highest, serial);
    }
    return highest;
}

PK__FN void pk__keep_free(pk__kept *kept)
{
    if (kept) {
        const pk_alloc *alloc = kept->mem.alloc;
        pk_mem_free(&kept->mem);
        pk__free(alloc, kept, sizeof(*kept));
    }
}

PK__FN pk_err pk__keep_write(const pk__keep *k, const char *stem, const pk__keep_record *record, pk_error *err)
{
    char path[PK__KEEP_PATH];
    pk_buf buf;
    if (!pk__keep_path(path, stem, ".json")) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot write '%.80s...': the path is too long", stem);
    }
    pk_buf_init(&buf, k->alloc, PK__KEEP_RECORD_MAX);
    pk_err rc = pk_json_encode(&buf, &pk_type_pk__keep_record, record, err);
    rc = rc ? rc : pk__file_write_now(path, pk_buf_str(&buf), 0600, err);
    pk_buf_free(&buf);
    return rc;
}
#endif
