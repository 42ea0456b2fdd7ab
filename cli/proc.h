/* proc.h - what processes use, as far as the system tells: Linux does, in /proc; elsewhere the list is empty.
 *
 * A plugin leads a process group of its own, so what it has started is found by the group's number, which is its pid.
 * One walk over /proc serves all plugins. */
#ifndef CLI_PROC_H
#define CLI_PROC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct proc_one {
    int64_t pid, group;
    double seconds;  // of processor time, so far
    uint64_t memory; // resident bytes
} proc_one;

typedef struct proc_list {
    proc_one *items; // free with proc_free
    size_t count;
} proc_list;

void proc_read(proc_list *out);
void proc_free(proc_list *list);
/* The process and its group. False: there is no such process. */
bool proc_sum(const proc_list *list, int64_t pid, double *seconds, uint64_t *memory);

#endif
