/* reattach.c - plugins that were started by hand. */
#include "reattach.h"
#if defined(PLUGKIT_WITH_ATTACH) && !defined(PLUGKIT_NO_FILES)

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"

#define PK__REATTACH_ALL(F, T) F(T, MAP, pk__attach_entry, plugins, "plugins")
PK_STRUCT(pk__reattach_all, PK__REATTACH_ALL)
#undef PK__REATTACH_ALL

static pk_err pk__reattach_read(pk_mem *mem, const pk__reattach *r, pk__reattach_all *all, pk_error *err)
{
    pk_error why;
    pk_type named = pk_type_pk__reattach_all;
    pk_str text = pk_mem_printf(mem, "{\"plugins\":%s}", r->text);
    named.name = r->from;
    if (!text.ptr) {
        return pk__error_memory(err, "attach plugins");
    }
    const char *flaw = pk__attach_flaw(mem, pk_str_from(r->text));
    if (flaw) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use %s: %s", r->from, flaw);
    }
    if (pk_json_decode(mem, &named, text, all, &why)) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use %s: %s", r->from, why.msg);
    }
    return PK_OK;
}

static pk_err pk__reattach_start(void *user, pk_sink *sink, pk_error *err)
{
    const pk__reattach *r = (const pk__reattach *)user;
    pk__reattach_all all;
    pk_error why;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    memset(&all, 0, sizeof(all));
    mem.alloc = r->alloc;
    pk_err rc = pk__reattach_read(&mem, r, &all, err);
    for (size_t i = 0; !rc && i < all.plugins.count; i++) {
        const char *id = all.plugins.keys[i].ptr;
        const char *what = pk_mem_printf(&mem, "'%s' of %s", id, r->from).ptr;
        rc = pk__attach_check(&all.plugins.values[i], what ? what : r->from, err);
        if (!rc && pk__registry_check_name(id, &why)) {
            rc = pk_error_set(err, PK_ERR_CONFIG, "cannot use %s: %s", r->from, why.msg);
        }
        rc = rc ? rc : pk__attach_found(sink, id, &all.plugins.values[i], err);
    }
    pk_mem_free(&mem);
    if (!rc) {
        pk_sink_done(sink);
    }
    return rc;
}

PK__FN pk_finder pk__reattach_finder(pk__reattach *r, const pk_alloc *alloc, const char *text, const char *from)
{
    pk_finder finder = {"reattach", pk__reattach_start, NULL, r};
    r->alloc = alloc;
    r->text = text;
    r->from = from;
    return finder;
}
#endif
