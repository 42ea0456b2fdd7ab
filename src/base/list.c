/* list.c - the intrusive list. */
#include "list.h"

PK__FN void pk__list_init(pk__node *list)
{
    list->prev = list;
    list->next = list;
}

PK__FN bool pk__list_is_empty(const pk__node *list)
{
    return list->next == list || list->next == NULL;
}

PK__FN void pk__list_push(pk__node *list, pk__node *node)
{
    PK__ASSERT(!node->next);
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

PK__FN void pk__list_remove(pk__node *node)
{
    if (!node->next) {
        return;
    }
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = NULL;
    node->next = NULL;
}

PK__FN pk__node *pk__list_pop(pk__node *list)
{
    pk__node *node = list->next;
    if (node == list) {
        return NULL;
    }
    pk__list_remove(node);
    return node;
}
