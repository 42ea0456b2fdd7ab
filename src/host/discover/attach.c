/* attach.c - plugins that somebody else runs, in a drop-in directory. */
#include "attach.h"
#if defined(PLUGKIT_WITH_ATTACH) && !defined(PLUGKIT_NO_FILES)

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../net/address.h"
#include "../../os/fd.h"
#include "../../os/file.h"
#include "../../os/loop.h"
#include "../../wire/http_head.h"
#include "../../wire/json_read.h"

enum {
    PK__ATTACH_LOOK_MS = 1000,
    PK__ATTACH_ENTRIES = 10000,
    PK__ATTACH_FILE_MAX = 4 * 1024 * 1024,
    PK__ATTACH_PATIENCE = 2 // looks at a file that cannot be read: it may just be being written
};

typedef struct pk__attach_item {
    pk__node node;
    pk__attach *attach;
    pk_mem mem;              // of id
    const char *id;
    pk_mem entry_mem;        // of what is read anew with each look
    pk__attach_entry entry;
    bool has_socket, has_file; // in this look
    bool is_told;
    uint32_t bad;            // looks at a file that could not be read
} pk__attach_item;

/* ---- one plugin */

PK__FN pk_err pk__attach_check(const pk__attach_entry *e, const char *what, pk_error *err)
{
    pk__address a;
    pk_error why;
    if (!e->has_address || e->address.len == 0) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use %s: it names no address", what);
    }
    if (pk__address_parse(&a, e->address, &why)) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use %s: %s", what, why.msg);
    }
    if (e->has_token && e->token.len && !pk__http_head_is_value(e->token)) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use %s: its token holds odd characters", what);
    }
    return PK_OK;
}

PK__FN pk_err pk__attach_found(pk_sink *sink, const char *id, const pk__attach_entry *e, pk_error *err)
{
    pk_found found;
    memset(&found, 0, sizeof(found));
    found.id = id;
    found.endpoint.address = e->address.ptr; // with a NUL behind it, as all that was decoded
    found.endpoint.dialect = e->dialect.len ? e->dialect.ptr : NULL;
    found.endpoint.token = e->token;
    found.manifest = e->capabilities;
    return pk_sink_found(sink, &found, err);
}

/* Its file cannot be used: people are told, once, and it is looked at again all the same. */
static void pk__attach_complain(pk__attach_item *item, const pk_error *why)
{
    pk_found found;
    if (++item->bad != PK__ATTACH_PATIENCE) {
        return;
    }
    memset(&found, 0, sizeof(found));
    found.id = item->id;
    found.skipped = why->msg;
    (void)pk_sink_found(item->attach->sink, &found, NULL);
}

PK__FN const char *pk__attach_flaw(pk_mem *mem, pk_str text)
{
    if (pk_json_check(text, NULL)) {
        return "it is not JSON";
    }
    return pk__json_check_unique(mem->alloc, text, true, NULL) == PK_ERR_BAD_JSON ? "a key stands in it twice" : NULL;
}

static pk_err pk__attach_read(pk__attach_item *item, pk_error *err)
{
    const char *file = pk_mem_printf(&item->entry_mem, "%s/%s.json", item->attach->dir, item->id).ptr;
    pk_str text = PK_STR("");
    memset(&item->entry, 0, sizeof(item->entry));
    if (!file) {
        return pk__error_memory(err, "attach a plugin");
    }
    if (item->has_file) {
        pk_type named = pk_type_pk__attach_entry;
        named.name = file; // in errors
        pk_err rc = pk__file_read(&item->entry_mem, file, PK__ATTACH_FILE_MAX, &text, err);
        const char *flaw = rc ? NULL : pk__attach_flaw(&item->entry_mem, text);
        if (flaw) {
            rc = pk_error_set(err, PK_ERR_CONFIG, "cannot use %s: %s", file, flaw);
        }
        rc = rc ? rc : pk_json_decode(&item->entry_mem, &named, text, &item->entry, err);
        if (rc) {
            return rc;
        }
    }
    if (item->has_socket && !item->entry.has_address) {
        item->entry.has_address = true;
        item->entry.address = pk_mem_printf(&item->entry_mem, "http+unix://%s/%s.sock", item->attach->dir, item->id);
    }
    return pk__attach_check(&item->entry, file, err);
}

static pk_err pk__attach_check_dialect(const pk__attach_item *item, pk_error *err)
{
    const pk_manager_desc *desc = item->attach->sink->registry->desc;
    pk_str name = item->entry.dialect.len ? item->entry.dialect : PK_STR("plugkit/1");
    for (size_t i = 0; i < desc->dialect_count; i++) {
        if (pk_str_is(name, desc->dialects[i]->name)) {
            return PK_OK;
        }
    }
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot attach '%s': nobody knows the dialect '%" PK_FMT "'", item->id,
                        PK_ARG(name));
}

static void pk__attach_tell(pk__attach_item *item)
{
    pk_error why;
    pk_mem_free(&item->entry_mem);
    if (pk__attach_read(item, &why) || pk__attach_check_dialect(item, &why)) {
        pk__attach_complain(item, &why);
    } else {
        item->is_told = pk__attach_found(item->attach->sink, item->id, &item->entry, NULL) == PK_OK;
    }
}

/* ---- the directory */

static pk__attach_item *pk__attach_find(pk__attach *a, pk_str id)
{
    for (pk__node *n = a->items.next; n != &a->items; n = n->next) {
        pk__attach_item *item = PK__OF(n, pk__attach_item, node);
        if (pk_str_is(id, item->id)) {
            return item;
        }
    }
    return NULL;
}

static void pk__attach_drop(pk__attach_item *item)
{
    pk__attach *a = item->attach;
    pk__list_remove(&item->node);
    pk_mem_free(&item->entry_mem);
    pk_mem_free(&item->mem);
    pk__free(a->alloc, item, sizeof(*item));
}

static pk__attach_item *pk__attach_see(pk__attach *a, pk_str id)
{
    pk__attach_item *item = pk__attach_find(a, id);
    if (item) {
        return item;
    }
    item = (pk__attach_item *)pk__new(a->alloc, sizeof(*item));
    if (!item) {
        return NULL;
    }
    item->attach = a;
    item->mem.alloc = a->alloc;
    item->entry_mem.alloc = a->alloc;
    item->id = pk_mem_dup(&item->mem, id).ptr;
    pk__list_push(&a->items, &item->node);
    if (!item->id) {
        item->id = "";
        pk__attach_drop(item);
        return NULL;
    }
    return item;
}

static void pk__attach_see_entry(pk__attach *a, const pk__file_entry *e)
{
    pk_str id = pk_str_from(e->name);
    bool file = id.len > 5 && memcmp(id.ptr + id.len - 5, ".json", 5) == 0;
    bool socket = id.len > 5 && memcmp(id.ptr + id.len - 5, ".sock", 5) == 0;
    if ((!file && !socket) || id.ptr[0] == '.') {
        return;
    }
    id.len -= 5;
    pk__attach_item *item = pk__attach_see(a, id);
    if (item) {
        item->has_file = item->has_file || file;
        item->has_socket = item->has_socket || socket;
    }
}

/* False: it cannot be read just now, and nothing is known to have gone. */
static bool pk__attach_list(pk__attach *a)
{
    pk_mem mem;
    pk__file_entry *entries = NULL;
    size_t count = 0;
    int fd = -1;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = a->alloc;
    pk_err rc = pk__fd_open(a->dir, O_RDONLY | O_DIRECTORY, 0, &fd, NULL);
    bool gone = rc == PK_ERR_NOT_FOUND;
    rc = rc ? rc : pk__file_list(&mem, fd, PK__ATTACH_ENTRIES, a->dir, &entries, &count, NULL);
    for (pk__node *n = a->items.next; (!rc || gone) && n != &a->items; n = n->next) {
        PK__OF(n, pk__attach_item, node)->has_file = PK__OF(n, pk__attach_item, node)->has_socket = false;
    }
    for (size_t i = 0; !rc && i < count; i++) {
        pk__attach_see_entry(a, &entries[i]);
    }
    pk_mem_free(&mem);
    return !rc || gone;
}

static void pk__attach_look(void *user)
{
    pk__attach *a = (pk__attach *)user;
    if (pk__atomic_load(&a->stopped)) {
        return;
    }
    bool listed = pk__attach_list(a);
    for (pk__node *n = a->items.next, *next = NULL; n != &a->items; n = next) {
        pk__attach_item *item = PK__OF(n, pk__attach_item, node);
        next = n->next;
        if (listed && !item->has_file && !item->has_socket) {
            pk_sink_gone(a->sink, item->id);
            pk__attach_drop(item);
        } else if (!item->is_told) {
            pk__attach_tell(item);
        }
    }
    pk_sink_done(a->sink); // of the first look; later ones change nothing
    (void)pk_timer_start(a->loop, &a->timer, PK__ATTACH_LOOK_MS, NULL); // there was room for it just now
}

/* ---- the finder */

static pk_err pk__attach_start(void *user, pk_sink *sink, pk_error *err)
{
    pk__attach *a = (pk__attach *)user;
    pk_err rc = pk__file_check_dir(a->dir, err);
    if (rc) {
        pk__error_wrap(err, "cannot attach plugins");
        return rc;
    }
    a->sink = sink;
    a->loop = sink->registry->loop;
    a->timer.on_time = pk__attach_look;
    a->timer.user = a;
    a->begin.run = pk__attach_look;
    a->begin.user = a;
    pk_loop_post(a->loop, &a->begin);
    return PK_OK;
}

static void pk__attach_stop(void *user)
{
    pk__atomic_store(&((pk__attach *)user)->stopped, 1);
}

PK__FN pk_finder pk__attach_finder(pk__attach *a, const pk_alloc *alloc, const char *dir)
{
    pk_finder finder = {"attach", pk__attach_start, pk__attach_stop, a};
    memset(a, 0, sizeof(*a));
    a->alloc = alloc;
    a->dir = dir;
    pk__list_init(&a->items);
    return finder;
}

PK__FN void pk__attach_deinit(pk__attach *a)
{
    if (!a->alloc) {
        return;
    }
    pk__atomic_store(&a->stopped, 1);
    if (a->loop) {
        pk_loop_unpost(a->loop, &a->begin);
        pk_timer_stop(a->loop, &a->timer);
    }
    while (!pk__list_is_empty(&a->items)) {
        pk__attach_drop(PK__OF(a->items.next, pk__attach_item, node));
    }
    memset(a, 0, sizeof(*a));
}
#endif
