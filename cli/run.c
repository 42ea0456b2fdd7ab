/* run.c - plugkit run DIR: a host that stays, tells what happens, and does what is typed. */
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "info.h"
#include "term.h"

typedef struct run_state {
    session s;
    run_printer printer;
    const args *args;
    char line[65536]; // what was typed and has no end yet
    size_t len;
    bool reads, quits;
} run_state;

/* ---- what can be typed */

static void run_help(void)
{
    fputs("  call TARGET METHOD [JSON]   one call\n"
          "  start ID, stop ID           one plugin\n"
          "  list                        how they are\n"
          "  quit                        stops everything, like Ctrl-C\n",
          stdout);
    fflush(stdout);
}

static char *run_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t");
    char *end = word + strcspn(word, " \t");
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return *word ? word : NULL;
}

/* A method, or a verb and a path. */
static char *run_method(char **rest)
{
    char *method = run_word(rest);
    char *path = *rest + strspn(*rest, " \t");
    if (method && *path == '/') {
        size_t len = strlen(method);
        memset(method + len, ' ', (size_t)(path - method) - len);
        memmove(method + len + 1, path, strlen(path) + 1);
        *rest = method + len + 1;
        (void)run_word(rest);
    }
    return method;
}

static void run_call(run_state *r, char *rest)
{
    request call;
    const char *name = run_word(&rest);
    const char *method = run_method(&rest);
    rest += strspn(rest, " \t");
    if (!method) {
        fputs("plugkit: call TARGET METHOD [JSON]\n", stderr);
        return;
    }
    if (request_open(&call, &r->s, r->args, name, method, *rest ? rest : NULL) == EXIT_GOOD) {
        (void)request_run(&call);
        run_print_reply(&r->printer, &call);
    }
    request_close(&call);
}

static void run_one(run_state *r, const char *id, pk_err (*act)(pk_manager *, pk_plugin, pk_error *))
{
    pk_error err = {0};
    pk_plugin p = pk_manager_find(r->s.manager, id ? id : "");
    if (!p.id) {
        (void)target_no_plugin(&r->s, id ? id : "");
    } else if (act(r->s.manager, p, &err)) {
        (void)session_report(&r->s, &err);
    }
}

static void run_list(run_state *r)
{
    if (session_refresh(&r->s)) {
        return;
    }
    for (size_t i = 0; i < r->s.count; i++) {
        const pk_plugin_info *p = &r->s.plugins[i];
        if (!info_is_skipped(p)) {
            run_print_note(&r->printer, p->id.ptr, p->status.ptr, "%llu call%s, %llu failed%s%s",
                           (unsigned long long)p->calls, p->calls == 1 ? "" : "s", (unsigned long long)p->failures,
                           p->why.msg[0] ? ": " : "", p->why.msg);
        }
    }
}

static void run_command(run_state *r, char *line)
{
    char *rest = line;
    const char *word = run_word(&rest);
    if (!word) {
        return;
    }
    if (strcmp(word, "call") == 0) {
        run_call(r, rest);
    } else if (strcmp(word, "start") == 0) {
        run_one(r, run_word(&rest), pk_plugin_start);
    } else if (strcmp(word, "stop") == 0) {
        run_one(r, run_word(&rest), pk_plugin_stop);
    } else if (strcmp(word, "list") == 0) {
        run_list(r);
    } else if (strcmp(word, "quit") == 0 || strcmp(word, "exit") == 0) {
        r->quits = true;
    } else if (strcmp(word, "help") == 0) {
        run_help();
    } else {
        fprintf(stderr, "plugkit: there is no '%s' here: type help\n", word);
    }
}

/* ---- waiting */

/* From a background job, reading from the terminal would stop it. */
static bool run_may_read(void)
{
    return isatty(STDIN_FILENO) != 1 || tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static void run_read(run_state *r)
{
    ssize_t got = read(STDIN_FILENO, r->line + r->len, sizeof(r->line) - 1 - r->len);
    if (got <= 0) {
        r->reads = got < 0 && errno == EINTR; // its end says nothing: a run in the background has no stdin
        return;
    }
    r->len += (size_t)got;
    r->line[r->len] = '\0';
    for (char *end; !r->quits && (end = memchr(r->line, '\n', r->len)) != NULL;) {
        *end = '\0';
        run_command(r, r->line);
        r->len -= (size_t)(end + 1 - r->line);
        memmove(r->line, end + 1, r->len + 1);
    }
    if (r->len == sizeof(r->line) - 1) {
        fputs("plugkit: that line is too long\n", stderr);
        r->len = 0;
    }
}

/* Until something is to be read, or the run is over. False = it is over. */
static bool run_wait(run_state *r)
{
    struct pollfd fds[2] = {{session_fd(&r->s), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    (void)poll(fds, r->reads ? 2 : 1, -1);
    session_rest(&r->s);
    return !session_is_interrupted(&r->s) && !session_is_stopped(&r->s) && !r->quits && !ferror(stdout);
}

static void run_until_stopped(run_state *r)
{
    while (run_wait(r)) {
        struct pollfd in = {STDIN_FILENO, POLLIN, 0};
        if (r->reads && poll(&in, 1, 0) > 0) {
            run_read(r);
        }
        if (r->quits) {
            break;
        }
    }
}

/* ---- --wait */

/* Starts one after the other, shows where they are, and then does nothing until Enter. */
static void run_wait_for_debugger(run_state *r)
{
    for (size_t i = 0; i < r->s.count && !session_is_interrupted(&r->s); i++) {
        if (info_is_good(&r->s.plugins[i]) && r->s.plugins[i].path.len) {
            run_one(r, r->s.plugins[i].id.ptr, pk_plugin_start);
        }
    }
    if (session_refresh(&r->s)) {
        return;
    }
    for (size_t i = 0; i < r->s.count; i++) {
        const pk_plugin_info *p = &r->s.plugins[i];
        if (p->pid) {
            run_print_note(&r->printer, p->id.ptr, "waiting", "pid %lld: gdb -p %lld", (long long)p->pid,
                           (long long)p->pid);
        }
    }
    if (session_is_interrupted(&r->s)) {
        return;
    }
    fputs("plugkit: attach a debugger, then press Enter to go on\n", stderr);
    char byte = 0;
    while (r->reads && byte != '\n' && run_wait(r)) {
        struct pollfd in = {STDIN_FILENO, POLLIN, 0};
        if (poll(&in, 1, 0) > 0) {
            r->reads = read(STDIN_FILENO, &byte, 1) == 1;
        }
    }
}

/* ---- the command */

int run_run(const args *a)
{
    run_state *r = (run_state *)calloc(1, sizeof(*r));
    if (!r || pthread_mutex_init(&r->printer.lock, NULL) != 0) {
        free(r);
        return session_complain(a, EXIT_FAILED, "cannot run: out of memory");
    }
    r->args = a;
    r->printer.args = a;
    r->printer.session = &r->s;
    r->s.eager = a->eager && !a->wait;
    r->s.no_deadlines = a->wait;
    r->s.serves = true;
    r->s.on_event = run_print_event;
    r->s.on_log = run_print_log;
    r->s.user = &r->printer;
    r->reads = run_may_read();
    int status = session_open(&r->s, a, a->rest[0]);
    size_t usable = 0;
    for (size_t i = 0; i < r->s.count; i++) {
        usable += info_is_good(&r->s.plugins[i]);
    }
    if (!status && usable == 0) {
        status = session_complain(a, EXIT_NOTHING, "there is nothing to run in '%s': see plugkit doctor", a->rest[0]);
    }
    if (!status && r->s.serve_err.code) { // a run without plugkit top is still one
        run_print_note(&r->printer, "", "note", "%s", r->s.serve_err.msg);
    }
    if (!status && a->wait) {
        run_wait_for_debugger(r);
    }
    if (!status) {
        if (isatty(STDIN_FILENO) == 1 && r->reads) {
            fputs("plugkit: running; type help for what can be typed, Ctrl-C stops; plugkit top shows it\n", stderr);
        }
        run_until_stopped(r);
    }
    status = session_close(&r->s, status);
    (void)pthread_mutex_destroy(&r->printer.lock);
    free(r);
    return status == EXIT_INTERRUPTED ? EXIT_GOOD : status; // that is how a run ends
}
