/* filter.h - Unix filters as plugins: sort, sed, a shell script; programs that know nothing of PlugKit.
 *
 * Two extension points, written as anybody could outside of PlugKit:
 *
 *     launcher   a filter needs no starting: the probe is answered on its behalf, and being started means to be told
 *                where it can be called, "filter:/path/of/program".
 *     dialect    a call runs the program once. The request's body is its standard input, its standard output is the
 *                answer, and its exit status tells whether that is good; if not, the call fails with what it wrote to
 *                standard error.
 *
 * Nothing here waits. Input and output are one socket pair, watched by the manager's loop: the write side is closed
 * when the body ends, and the read side ends when the program does. (A socket can be written to without SIGPIPE.)
 *
 *     static const pk_launcher *launchers[] = {&filter_launcher};
 *     static const pk_dialect *dialects[] = {&filter_dialect};
 *     pk_manager_desc desc = {.plugin_dir = "filters", .launchers = launchers, .launcher_count = 1,
 *                             .dialects = dialects, .dialect_count = 1}; */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- the launcher */

static pk_err filter_launch(void *user, pk_launch *launch, const pk_launch_info *info, void **state, pk_error *err)
{
    char text[4096];
    const char *form = info->probe ? "{\"types\":{\"filter\":[{\"type\":\"%s\"}]},\"contracts\":{\"filter\":\"1.0.0\"},"
                                     "\"methods\":{\"filter\":{\"run\":\"POST /run\"}}}\n"
                                   : "filter:%s";
    int length = snprintf(text, sizeof(text), form, info->probe ? info->id : info->path);
    (void)user;
    if (length < 0 || (size_t)length >= sizeof(text)) {
        return pk_error_set(err, PK_ERR_PATH, "cannot take '%s' for a filter: its path is too long", info->id);
    }
    *state = launch;
    if (info->probe) {
        pk_launch_output(launch, PK_STREAM_OUT, (pk_str){text, (size_t)length});
        pk_launch_exited(launch, 0, NULL);
    } else {
        pk_endpoint endpoint = {.address = text, .dialect = "filter"};
        pk_launch_listening(launch, &endpoint);
    }
    return PK_OK;
}

static void filter_stop(void *state, int how)
{
    (void)how; // there is nothing that could resist
    pk_launch_exited((pk_launch *)state, 0, "stopped");
}

static const pk_launcher filter_launcher = {.name = "filter", .start = filter_launch, .stop = filter_stop};

/* ---- the dialect: one run of the program for each attempt */

typedef struct filter { // the channel
    pk_loop *loop;
    char *path;
} filter;

typedef struct filter_run { // a->state
    const filter *filter;
    pk_attempt *attempt;
    pk_watch watch;     // of our end of the socket pair
    pk_timer timer;     // looks again for the program's end
    pid_t pid;
    FILE *complaints;   // its standard error: a file, which is never full
    size_t from, to;    // what is left in buf of the request's body
    bool is_body_over, has_head;
    char buf[16384];
} filter_run;

/* Frees the run, and ends the program if it has not ended. Returns what waitpid said. */
static int filter_end(filter_run *run, bool kill_it)
{
    int status = 0;
    pk_watch_remove(run->filter->loop, &run->watch);
    pk_timer_stop(run->filter->loop, &run->timer);
    if (kill_it) {
        (void)kill(run->pid, SIGKILL); // it is a child, and not waited for yet: the pid is its own
        while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    (void)close(run->watch.fd);
    (void)fclose(run->complaints);
    run->attempt->state = NULL;
    free(run);
    return status;
}

static void filter_fail(filter_run *run, const pk_error *why)
{
    pk_attempt *a = run->attempt;
    (void)filter_end(run, true);
    pk_attempt_end(a, why);
}

/* The program has ended, with a status other than 0: its words make the error. */
static void filter_explain(filter_run *run, int status, pk_error *why)
{
    char words[160];
    size_t got = 0;
    if (fseek(run->complaints, 0, SEEK_SET) == 0) {
        got = fread(words, 1, sizeof(words) - 1, run->complaints);
    }
    words[got] = '\0';
    words[strcspn(words, "\n")] = '\0';
    if (WIFSIGNALED(status)) {
        (void)pk_error_set(why, PK_ERR_PLUGIN_FAULT, "cannot run '%s': signal %d ended it", run->filter->path,
                           WTERMSIG(status));
    } else {
        (void)pk_error_set(why, PK_ERR_PLUGIN_FAULT, "cannot run '%s': %s (exit status %d)", run->filter->path,
                           words[0] ? words : "it gives no reason", WEXITSTATUS(status));
    }
}

/* The output is complete; the program itself may take a moment longer. */
static void filter_wait(void *user)
{
    filter_run *run = (filter_run *)user;
    pk_attempt *a = run->attempt;
    pk_error why = {0};
    int status = 0;
    pid_t ended = waitpid(run->pid, &status, WNOHANG);
    if (ended == 0) {
        if (pk_timer_start(run->filter->loop, &run->timer, 5, &why)) {
            filter_fail(run, &why);
        }
        return;
    }
    if (status != 0) {
        filter_explain(run, status, &why);
    } else if (!run->has_head) {
        pk_attempt_head(a, 200, NULL, 0); // it wrote nothing, which is an answer as well
    }
    (void)filter_end(run, false);
    pk_attempt_end(a, status != 0 ? &why : NULL);
}

/* Moves the request's body, as far as there is some and the program takes it. */
static pk_err filter_write(filter_run *run, pk_error *err)
{
    while (!run->is_body_over) {
        if (run->from == run->to) {
            size_t got = 0;
            pk_err rc = pk_attempt_read(run->attempt, run->buf, sizeof(run->buf), &got, err);
            if (rc == PK_ERR_BUSY) { // none yet: `resume` will tell
                return pk_watch_set(run->filter->loop, &run->watch, true, false, err);
            }
            if (rc) {
                return rc;
            }
            run->from = 0;
            run->to = got;
            run->is_body_over = got == 0;
            continue;
        }
        ssize_t sent = send(run->watch.fd, run->buf + run->from, run->to - run->from, MSG_NOSIGNAL);
        if (sent >= 0) {
            run->from += (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return PK_OK;
        } else if (errno == EPIPE || errno == ECONNRESET) { // it has read enough, as `head` does
            run->is_body_over = true;
        } else if (errno != EINTR) {
            return pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, errno, "cannot write to '%s'", run->filter->path);
        }
    }
    (void)shutdown(run->watch.fd, SHUT_WR);
    return pk_watch_set(run->filter->loop, &run->watch, true, false, err);
}

/* Moves a piece of the answer. *over: it was the last. */
static pk_err filter_read(filter_run *run, bool *over, pk_error *err)
{
    char piece[16384];
    ssize_t got = recv(run->watch.fd, piece, sizeof(piece), 0);
    if (got < 0) {
        *over = errno == ECONNRESET; // it ended before it had read all
        return *over || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR
                   ? PK_OK
                   : pk_error_sys(err, PK_ERR_PLUGIN_CONNECTION, errno, "cannot read from '%s'", run->filter->path);
    }
    *over = got == 0;
    if (got > 0 && !run->has_head) {
        run->has_head = true;
        pk_attempt_head(run->attempt, 200, NULL, 0);
    }
    if (got > 0) {
        pk_err rc = pk_attempt_chunk(run->attempt, (pk_str){piece, (size_t)got}, err);
        return rc == PK_ERR_BUSY ? pk_watch_set(run->filter->loop, &run->watch, false, !run->is_body_over, err) : rc;
    }
    return PK_OK;
}

static void filter_on_ready(void *user, bool can_read, bool can_write)
{
    filter_run *run = (filter_run *)user;
    pk_error why = {0};
    bool over = false;
    pk_err rc = can_write ? filter_write(run, &why) : PK_OK;
    if (!rc && can_read) {
        rc = filter_read(run, &over, &why);
    }
    if (rc) {
        filter_fail(run, &why);
    } else if (over) {
        pk_watch_remove(run->filter->loop, &run->watch);
        filter_wait(run);
    }
}

/* The program gets the other end as both its input and its output. */
static pk_err filter_spawn(filter_run *run, int theirs, pk_error *err)
{
    char *const argv[] = {run->filter->path, NULL};
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);
    if (!failed) {
        failed = posix_spawn_file_actions_adddup2(&actions, theirs, STDIN_FILENO);
        failed = failed ? failed : posix_spawn_file_actions_adddup2(&actions, theirs, STDOUT_FILENO);
        failed = failed ? failed : posix_spawn_file_actions_adddup2(&actions, fileno(run->complaints), STDERR_FILENO);
        failed = failed ? failed : posix_spawn(&run->pid, run->filter->path, &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    return failed ? pk_error_sys(err, PK_ERR_EXEC, failed, "cannot run '%s'", run->filter->path) : PK_OK;
}

static pk_err filter_start(void *channel, pk_attempt *a, pk_error *err)
{
    int ends[2];
    filter_run *run = (filter_run *)calloc(1, sizeof(*run));
    if (!run) {
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot run a filter: out of memory");
    }
    run->filter = (const filter *)channel;
    run->attempt = a;
    run->complaints = tmpfile();
    if (!run->complaints || socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) {
        pk_err rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot run '%s'", run->filter->path);
        if (run->complaints) {
            (void)fclose(run->complaints);
        }
        free(run);
        return rc;
    }
    (void)fcntl(fileno(run->complaints), F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    run->watch.fd = ends[0];
    run->watch.on_ready = filter_on_ready;
    run->watch.user = run;
    run->timer.on_time = filter_wait;
    run->timer.user = run;
    pk_err rc = filter_spawn(run, ends[1], err);
    bool is_running = rc == PK_OK;
    (void)close(ends[1]);
    if (!rc) {
        rc = pk_watch_add(run->filter->loop, &run->watch, true, true, err);
    }
    a->state = run;
    if (rc) {
        (void)filter_end(run, is_running);
    } else {
        a->sent = PK_SENT_MAYBE;
    }
    return rc;
}

/* There is more of the body, or room for more of the answer: the watch finds out which. */
static void filter_resume(void *channel, pk_attempt *a)
{
    filter_run *run = (filter_run *)a->state;
    pk_error why = {0};
    (void)channel;
    if (run && pk_watch_set(run->filter->loop, &run->watch, true, !run->is_body_over, &why)) {
        filter_fail(run, &why);
    }
}

static void filter_cancel(void *channel, pk_attempt *a)
{
    (void)channel;
    if (a->state) {
        (void)filter_end((filter_run *)a->state, true);
    }
}

static pk_err filter_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    filter *f = (filter *)calloc(1, sizeof(*f));
    (void)user;
    if (f) {
        f->loop = loop;
        f->path = strdup(endpoint->address + strlen("filter:"));
    }
    if (!f || !f->path) {
        free(f);
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot open a filter: out of memory");
    }
    *channel = f;
    return PK_OK;
}

static void filter_close(void *channel)
{
    filter *f = (filter *)channel;
    free(f->path);
    free(f);
}

static const pk_dialect filter_dialect = {
    .name = "filter",
    .open = filter_open,
    .start = filter_start,
    .resume = filter_resume,
    .cancel = filter_cancel,
    .close = filter_close,
};
