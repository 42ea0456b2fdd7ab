/* names.c - names, sorted, as a text. */
#include "names.h"

#include <stdio.h>
#include <string.h>

PK__FN void pk__names_see(pk__names *n, const char *name)
{
    if (*name && (!n->last || strcmp(n->last, name) < 0) && (!n->next || strcmp(name, n->next) < 0)) {
        n->next = name;
    }
}

PK__FN bool pk__names_take(pk__names *n)
{
    static const char more[] = ", ...";
    if (!n->next) {
        return false;
    }
    bool fits = n->len + 2 + strlen(n->next) + sizeof(more) <= sizeof(n->text);
    n->len += (size_t)snprintf(n->text + n->len, sizeof(n->text) - n->len, "%s%s", n->len ? ", " : "",
                               fits ? n->next : more + 2);
    n->last = n->next;
    n->next = NULL;
    return fits;
}
