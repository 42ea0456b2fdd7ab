/* run.h - what `plugkit run` prints while it runs: one line for each thing that happens, for people or as JSON. */
#ifndef CLI_RUN_H
#define CLI_RUN_H
#include "request.h"

typedef struct run_printer {
    const args *args;
    session *session;
    pthread_mutex_t lock; // of stdout: logs come from any thread
} run_printer;

void run_print_event(void *printer, const pk_event *event);
void run_print_log(void *printer, pk_log_level level, const char *event, pk_str text, const pk_meta *fields,
                   size_t count);
void run_print_reply(run_printer *p, request *r);
/* A line of the command itself, in the same form: what was typed, and what came of it. */
void run_print_note(run_printer *p, const char *plugin, const char *word, const char *format, ...) PK_PRINTF(4, 5);

#endif
