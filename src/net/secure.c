/* secure.c - a secured connection in the place of a transport. */
#include "secure.h"
#if PK__SECURE_BUILT

static pk_io pk__secure_send(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    pk__secure *s = (pk__secure *)state;
    return s->table->send(s, parts, count, sent, err);
}

PK__FN pk__wire pk__secure_wire(pk__secure *s)
{
    static const pk_transport secured = {"secured", NULL, NULL, pk__secure_send, NULL, NULL, NULL};
    pk__wire w = {&secured, s, -1};
    return w;
}

PK__FN void pk__secure_close(pk__secure *s, bool says_end)
{
    if (says_end) {
        (void)s->table->end(s);
    }
    s->table->close(s);
}
#endif
