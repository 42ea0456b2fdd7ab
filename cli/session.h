/* session.h - one manager for one command: opened from the options, interrupted by signals, stopped whatever happens.
 *
 * Signals are taken by a thread that waits for them and nothing else. The first SIGINT, SIGTERM or SIGHUP begins to
 * stop the manager, so that whatever call the command waits in returns with PK_ERR_STOPPED; the second one ends the
 * command at once, and plugins end with it. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H
#include "../plugkit.h"

#include <pthread.h>
#include <stdio.h>

#include "args.h"

typedef struct session {
    pk_manager *manager;
    pk_mem mem;
    const char *directory;
    pk_plugin_info *plugins; // as they were after the start; in mem
    size_t count;
    const pk_plugin_config *config; // from --config; in mem
    size_t config_count;
    /* Set before session_open; all optional. */
    bool eager, no_deadlines;
    bool needs_config; // a configuration that no plugin takes is wrong usage, and not only a warning
    bool serves; // opens the host's control socket; what that says is in serve_err
    pk_error serve_err;
    const pk_finder *finder; // with directory NULL: a host that runs, and is only talked to
    bool keeps_error; // a manager that does not work is not reported, but left in err
    void (*on_event)(void *user, const pk_event *event);                 // the manager's thread
    pk_on_log on_log;                                                    // any thread
    void *user;
    pk_error err;
    /* Private. */
    const args *args;
    pthread_t watcher;
    bool has_watcher;
    int wake[2];          // a byte comes when a signal has come, or session_wake was called
    pthread_mutex_t lock; // of what follows
    bool stopped; // by somebody else
    bool interrupted, leaving, closed; // leaving: the manager is no longer to be touched
    uint64_t found, probed;
    char config_trouble[256]; // why a configuration is of no use; "" = it is
} session;

/* Finds and probes the plugins of a directory, or (NULL) takes what the finder brings. Otherwise returns an exit status
 * other than 0, and has said why. The session must be closed in both cases. */
int session_open(session *s, const args *a, const char *directory);
int session_close(session *s, int status); // stops everything; gives the command's status, or that of an interrupt
bool session_is_interrupted(session *s);
bool session_is_ending(session *s); // interrupted, or being closed: everything stops
bool session_is_stopped(session *s); // the manager has stopped, and nobody here wanted that
int session_fd(const session *s); // readable once the session was interrupted or woken; for poll
void session_wake(session *s);    // any thread
void session_rest(session *s);    // forgets that it was woken
int session_refresh(session *s);  // looks at the plugins again

/* One line on stderr, "plugkit: ..."; and with --json, {"error":{...}} on stdout. Gives the exit status that fits. */
int session_fail(const args *a, const pk_error *err);
int session_report(session *s, const pk_error *err); // the same, but silent if an interrupt is the reason
int session_complain(const args *a, int status, const char *format, ...) PK_PRINTF(3, 4);

/* A log record on one line: "text  warn  cannot read 'x'  path=/y". */
void session_print_log(FILE *file, pk_log_level level, const char *event, pk_str text, const pk_meta *fields,
                       size_t count);

#endif
