/* args.h - the command line, taken apart by one table.
 *
 * Options may stand anywhere behind the command; `--name value` and `--name=value` mean the same, and `--` ends them.
 * An option of another command is an error that says so, and a misspelt one names the nearest. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H
#include "../plugkit.h"

typedef struct args_list { // of an option that may be given more than once
    const char **items;
    size_t count;
} args_list;

typedef struct args {
    const struct command *command;
    const char **rest; // what is no option
    size_t rest_count;
    bool json, verbose, tcp, eager, wait, raw, no_start, help, once, follow, everything, formats, draft_07;
    const char *color, *timeout, *runtime_dir, *contract, *http, *upload, *download, *content_type, *host, *interval,
        *last;
    args_list config, env, meta, attach, with;
    uint32_t timeout_ms, interval_ms; // of `timeout`, `interval`; 0 = not given
    uint32_t last_count;              // of `last`, if that is given
} args;

typedef enum args_kind { ARGS_FLAG, ARGS_TEXT, ARGS_LIST } args_kind;

typedef struct args_option {
    const char *name;
    char letter;       // 0 = none
    const char *value; // what its value is called in the help; NULL = a flag
    const char *help;
    args_kind kind;
    size_t at;         // offset in args
    unsigned commands; // FOR_...
} args_option;

extern const args_option args_options[];
extern const size_t args_option_count;

/* argv without the program's name. False: wrong usage, and it has been said on stderr. */
bool args_parse(args *a, int argc, char **argv);
void args_free(args *a);

/* "500ms", "1h30m", or a plain number of seconds. False: it is none, or more than 49 days. */
bool args_duration(const char *text, uint32_t *ms);

/* The candidate that `word` was probably meant to be; NULL if none is near. */
typedef struct args_near {
    const char *word;
    const char *best;
    size_t distance;
} args_near;
void args_near_try(args_near *n, const char *candidate);

#endif
