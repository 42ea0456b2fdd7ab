/* names.c - names, sorted, as a text. */
#include "names.h"

#include <string.h>

static bool pk__names_before(pk_str a, pk_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order < 0 || (order == 0 && a.len < b.len);
}

PK__FN void pk__names_see(pk__names *n, pk_str name)
{
    bool is_new = name.len > 0 && (!n->last.ptr || pk__names_before(n->last, name));
    if (is_new && (!n->next.ptr || pk__names_before(name, n->next))) {
        n->next = name;
    }
}

static void pk__names_append(pk__names *n, pk_str text)
{
    memcpy(n->text + n->len, text.ptr, text.len);
    n->len += text.len;
    n->text[n->len] = '\0';
}

PK__FN bool pk__names_take(pk__names *n)
{
    static const pk_str comma = PK_STR_INIT(", "), more = PK_STR_INIT("...");
    pk_str name = n->next;
    if (!name.ptr) {
        return false;
    }
    bool fits = n->len + comma.len + name.len + comma.len + more.len < sizeof(n->text);
    if (n->len) {
        pk__names_append(n, comma);
    }
    pk__names_append(n, fits ? name : more);
    n->last = name;
    memset(&n->next, 0, sizeof(n->next));
    return fits;
}
