/* sort.c - heapsort. */
#include "sort.h"

/* Lets the element at the top of this part of the heap sink to where it belongs. */
static void pk__sort_sift(const void **heap, size_t top, size_t count, bool (*before)(const void *a, const void *b))
{
    for (size_t below; (below = 2 * top + 1) < count; top = below) {
        if (below + 1 < count && before(heap[below], heap[below + 1])) {
            below++;
        }
        if (!before(heap[top], heap[below])) {
            return;
        }
        const void *swap = heap[top];
        heap[top] = heap[below];
        heap[below] = swap;
    }
}

PK__FN void pk__sort(const void **items, size_t count, bool (*before)(const void *a, const void *b))
{
    for (size_t i = count / 2; i-- > 0;) {
        pk__sort_sift(items, i, count, before);
    }
    while (count-- > 1) {
        const void *last = items[0];
        items[0] = items[count];
        items[count] = last;
        pk__sort_sift(items, 0, count, before);
    }
}
