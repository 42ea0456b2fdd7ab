/* command.h - what the commands of `plugkit` have in common.
 *
 * A command is a row in main.c: its name, how it is used, its help, and a function that gets the arguments, taken
 * apart, and returns the exit status. The statuses mean the same everywhere:
 *
 *     0   everything went well
 *     1   a plugin or a call failed; the reason is on stderr, and with --json on stdout as well
 *     2   wrong usage: nothing was tried
 *     3   nothing found: no such directory, plugin or type, or no plugin at all
 *     130 interrupted
 *
 * A reader who goes away early (`plugkit list DIR | head -1`) ends a command as SIGPIPE would, but plugins are stopped
 * first. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H
#include "../plugkit.h"

#include <stdio.h>

#include "args.h"

enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOTHING = 3, EXIT_INTERRUPTED = 130 };

typedef struct command {
    const char *name;
    unsigned bit;           // in args_option.commands
    const char *synopsis;   // behind the name
    const char *summary;    // one line
    const char *manual;     // the rest of its help
    size_t rest_min, rest_max;
    int (*run)(const args *a);
} command;

enum {
    FOR_LIST = 1,
    FOR_CALL = 2,
    FOR_RUN = 4,
    FOR_INSPECT = 8,
    FOR_DOCTOR = 16,
    FOR_VERSION = 32,
    FOR_HELP = 64,
    FOR_TOP = 128,
    FOR_EVENTS = 256,
    FOR_START = 512,
    FOR_STOP = 1024,
    FOR_RESTART = 2048,
    FOR_ENABLE = 4096,
    FOR_DISABLE = 8192,
    FOR_SCHEMA = 16384,
    FOR_ACTS = FOR_START | FOR_STOP | FOR_RESTART | FOR_ENABLE | FOR_DISABLE,
    FOR_CONTROL = FOR_TOP | FOR_EVENTS | FOR_ACTS, // of a host that runs
    FOR_HOSTS = FOR_LIST | FOR_CALL | FOR_RUN | FOR_INSPECT | FOR_DOCTOR,
    FOR_ALL = FOR_HOSTS | FOR_CONTROL | FOR_SCHEMA | FOR_VERSION | FOR_HELP
};

extern const command commands[];
extern const size_t command_count;
const command *command_find(const char *name); // NULL = there is none

int list_run(const args *a);
int call_run(const args *a);
int run_run(const args *a);
int inspect_run(const args *a);
int doctor_run(const args *a);
int schema_run(const args *a);
int top_run(const args *a);
int events_run(const args *a);
int act_run(const args *a);
int version_run(const args *a);
int help_run(const args *a);
int help_about(const args *a, const command *c); // c NULL = all of them
void help_short(FILE *file);

#endif
