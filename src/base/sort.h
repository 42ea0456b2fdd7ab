/* sort.h - an order for pointers: heapsort, so that no input makes it slow, and without memory. */
#ifndef PK__SORT_H
#define PK__SORT_H
#include "defs.h"

/* before(a, b): a comes first. Those that come before neither way end up in any order. */
PK__FN void pk__sort(const void **items, size_t count, bool (*before)(const void *a, const void *b));

#endif
