/* list.h - an intrusive doubly linked list: the node is a member of the element, so nothing is allocated.
 *
 *     pk__list_init(&list); pk__list_push(&list, &thing->node);
 *     for (pk__node *n = list.next; n != &list; n = n->next) { thing *t = PK__OF(n, thing, node); ... }
 *
 * A zeroed node is in no list; removing it does nothing. */
#ifndef PK__LIST_H
#define PK__LIST_H
#include "defs.h"

typedef struct pk__node {
    struct pk__node *prev, *next;
} pk__node;

PK__FN void pk__list_init(pk__node *list);
PK__FN bool pk__list_is_empty(const pk__node *list);
PK__FN void pk__list_push(pk__node *list, pk__node *node); // at the end
PK__FN void pk__list_remove(pk__node *node);
PK__FN pk__node *pk__list_pop(pk__node *list); // the first, taken out; NULL = empty

#endif
