/* top.h - the live table of a running host's plugins.
 *
 *     top_read.c   asks the host and the system, and holds the answers against those of the time before: a snapshot
 *     top_draw.c   a snapshot as a screen, as a table for pipes, as JSON
 *     top.c        the command: again and again, keys, the terminal's modes */
#ifndef CLI_TOP_H
#define CLI_TOP_H
#include "happening.h"
#include "remote.h"

enum { TOP_EVENTS = 12 };

typedef struct top_row {
    pk_str id, status, reason;
    pk_str health;         // "healthy", "degraded", "unhealthy", "unknown"; "" = it does not run
    int64_t pid;           // 0 = none
    bool has_process;      // what follows is known of it
    double seconds, cpu;   // processor time; in per cent since the time before, -1 = not known yet
    uint64_t memory;
    uint64_t calls, failures, in_flight, starts;
    double rate;           // calls in a second, since the time before; -1 = not known yet
    double up_ms;          // -1 = it cannot be called
} top_row;

typedef struct top_snapshot {
    pk_mem mem;
    top_row *rows;         // as the host sorts them: by id
    size_t count, skipped;
    int64_t pid, at_ns;
    double up_ms;
    happening events[TOP_EVENTS];
    size_t event_count;
} top_snapshot;

typedef enum top_order { TOP_BY_NAME, TOP_BY_CPU, TOP_BY_MEMORY, TOP_BY_RATE, TOP_BY_RESTARTS } top_order;

typedef struct top_view {
    top_order order;
    size_t first;          // row at the top; drawing corrects it
    int64_t pid;           // of the host
    const char *command;   // likewise
    const char *trouble;   // why what is shown is old; NULL = it is not
} top_view;

/* before may be NULL, or empty. */
pk_err top_read(remote *r, const top_snapshot *before, top_snapshot *out, pk_error *err);
void top_free(top_snapshot *s);
void top_sort(top_snapshot *s, top_order order);

void top_draw(FILE *file, const top_snapshot *s, top_view *v, size_t width, size_t height); // height 0 = no limit
void top_print_plain(const top_snapshot *s); // for cut and awk
void top_print_json(const top_snapshot *s);  // one line, in pipes

int top_run(const args *a);

#endif
