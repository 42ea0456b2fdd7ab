/* children.c - a host with a hundred thousand children of its own, while plugins run and crash. One program: the host
 * and its plugin.
 *
 *     children HOW COUNT DIR     DIR holds two files: this program, as "steady" and as "victim"
 *
 * HOW the host looks after its own children, each of which ends with a status of its own:
 *
 *     each      waits for each by its number               nobody's status may be lost
 *     everyone  a thread in waitpid(-1)                    it may get a plugin's status; its own are never missing
 *     handler   a handler of SIGCHLD that waits for all    likewise
 *     ignore    SIG_IGN: the system throws statuses away   nobody gets one, and nobody waits for ever
 *
 * Meanwhile "victim" is killed and "steady" called. Whatever the host does: every crash is seen and the plugin comes
 * back, with "signal 9" as the reason where nobody else took it; and the host's statuses are its own. Prints one JSON
 * line; status 0 = all was well. */
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit.h"
#include "plugkit_sdk.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the plugin */

static pk_err say_pid(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)err;
    response->body.bytes = pk_mem_printf(request->ctx->mem, "%ld", (long)getpid());
    return PK_OK;
}

static int be_plugin(int argc, char **argv)
{
    static const pk_route routes[] = {{"POST /pid", 0, say_pid, NULL}};
    const char *slash = strrchr(argv[0], '/');
    pk_sdk_desc desc = {.id = slash ? slash + 1 : argv[0], .routes = routes, .route_count = 1};
    return pk_sdk_main(argc, argv, &desc);
}

/* ---- the host */

enum { MOST_PIDS = 1 << 22, BATCH = 16 };

static const char *how;
static pk_manager *manager;
static long wrong, crashes, reasons; // crashes that were seen, and those with the true reason
static char first_wrong[400];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of first_wrong
static volatile bool over;
static uint8_t *expected; // by pid: 1 + the status of a child of ours that was not reaped yet
static long own, strangers, lost;

static bool is_how(const char *name)
{
    return strcmp(how, name) == 0;
}

static void complain(const char *what, const char *more)
{
    pthread_mutex_lock(&lock);
    if (!first_wrong[0]) {
        snprintf(first_wrong, sizeof(first_wrong), "%s: %s", what, more);
    }
    wrong++;
    pthread_mutex_unlock(&lock);
}

/* A status has come in: of our own child, or of somebody else's. Also in a handler: only marks are made. */
static void take(pid_t pid, int status)
{
    uint8_t mine = __atomic_exchange_n(&expected[pid % MOST_PIDS], 0, __ATOMIC_ACQ_REL);
    if (mine == 0) {
        __atomic_fetch_add(&strangers, 1, __ATOMIC_RELAXED);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == mine - 1) {
        __atomic_fetch_add(&own, 1, __ATOMIC_RELAXED);
    } else {
        __atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
    }
}

static void on_child(int number)
{
    int saved = errno, status;
    (void)number;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        take(pid, status);
    }
    errno = saved;
}

static void *wait_for_everyone(void *arg)
{
    int status;
    (void)arg;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        pid_t pid = waitpid(-1, &status, 0);
        if (pid > 0) {
            take(pid, status);
        } else {
            usleep(500); // none just now
        }
    }
    return NULL;
}

/* The child ends only when its number is known here: nobody may reap what nobody expects. */
static pid_t start_child(uint8_t status)
{
    int go[2];
    if (pipe2(go, O_CLOEXEC)) {
        complain("cannot make a pipe", strerror(errno));
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(go[1]);
        _exit(read(go[0], &byte, 1) == 0 ? status : 99);
    }
    if (pid > 0) {
        __atomic_store_n(&expected[pid % MOST_PIDS], (uint8_t)(status + 1), __ATOMIC_RELEASE);
    } else {
        complain("cannot fork", strerror(errno));
    }
    close(go[0]);
    close(go[1]);
    return pid;
}

static void have_children(long count)
{
    pid_t batch[BATCH];
    for (long made = 0; made < count && !wrong;) {
        int n = 0;
        for (; n < BATCH && made < count; n++, made++) {
            batch[n] = start_child((uint8_t)(made % 90));
        }
        for (int i = 0; i < n && batch[i] > 0; i++) {
            int status = -1;
            pid_t got = is_how("each") || is_how("ignore") ? waitpid(batch[i], &status, 0) : 0;
            if (got > 0) {
                take(got, status);
            } else if (got < 0 && errno == ECHILD && is_how("ignore")) {
                take(batch[i], (expected[batch[i] % MOST_PIDS] - 1) << 8); // it is over: that is all there is to know
            } else if (got < 0) {
                complain("a child's status is gone", strerror(errno));
                break;
            }
            while (__atomic_load_n(&expected[batch[i] % MOST_PIDS], __ATOMIC_ACQUIRE)) {
                usleep(50); // the others will find it
            }
        }
    }
}

static void on_event(void *user, const pk_event *event)
{
    (void)user;
    if (strcmp(event->name, "plugin.backoff") == 0) {
        crashes++;
        reasons += strstr(event->why->msg, "signal 9") != NULL;
        if (strcmp(event->id, "victim") != 0) {
            complain("crashed", event->why->msg);
        }
    }
}

static long call(const char *plugin)
{
    pk_error err = {0};
    pk_reply reply = {0};
    pk_call_desc d = {.plugin = plugin, .http = "POST /pid", .ctx = {.idempotent = true}};
    char text[32] = "";
    if (pk_caller_call(pk_manager_caller(manager), &d, &reply, &err)) {
        complain(plugin, err.msg);
    } else {
        snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(reply.body.bytes));
    }
    pk_mem_free(&reply.mem);
    return atol(text);
}

static long kills;

/* "steady" is never another process; "victim" is always one that works. */
static void *call_and_kill(void *arg)
{
    long steady = call("steady");
    (void)arg;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED) && !wrong) {
        long pid = call("victim");
        if (call("steady") != steady) {
            complain("steady", "is another process");
        }
        if (pid > 0 && kill((pid_t)pid, SIGKILL) == 0) {
            kills++;
        }
        while (pid > 0 && call("victim") == pid) { // it has not died yet, or another call would have waited
            usleep(200);
        }
    }
    return NULL;
}

static void look_after_children(pthread_t *thread)
{
    if (is_how("everyone")) {
        pthread_create(thread, NULL, wait_for_everyone, NULL);
    } else if (is_how("handler")) {
        struct sigaction action;
        memset(&action, 0, sizeof(action));
        action.sa_handler = on_child;
        action.sa_flags = SA_RESTART;
        sigaction(SIGCHLD, &action, NULL);
    } else if (is_how("ignore")) {
        signal(SIGCHLD, SIG_IGN);
    }
}

static bool is_still_ours(void)
{
    struct sigaction now;
    sigaction(SIGCHLD, NULL, &now);
    return now.sa_handler == (is_how("handler") ? on_child : is_how("ignore") ? SIG_IGN : SIG_DFL);
}

int main(int argc, char **argv)
{
    pthread_t waits, calls;
    pk_error err = {0};
    if (argc != 4) {
        return be_plugin(argc, argv);
    }
    how = argv[1];
    expected = calloc(MOST_PIDS, 1);
    pk_manager_desc desc = {.plugin_dir = argv[3], .on_event = on_event,
                            .restart = {.max = 2000, .no_delay = true}};
    look_after_children(&waits);
    if (!expected || pk_manager_create(&manager, &desc, &err) || pk_manager_start(manager, &err)) {
        complain("cannot open a manager", err.msg);
    } else {
        pthread_create(&calls, NULL, call_and_kill, NULL);
        have_children(strtol(argv[2], NULL, 10));
        __atomic_store_n(&over, true, __ATOMIC_RELAXED);
        pthread_join(calls, NULL);
    }
    pk_manager_destroy(manager);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    if (is_how("everyone")) {
        pthread_join(waits, NULL);
    }
    bool kept = is_still_ours();
    bool children = waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
    printf("{\"own\":%ld,\"lost\":%ld,\"strangers\":%ld,\"kills\":%ld,\"crashes\":%ld,\"reasons\":%ld,\"wrong\":%ld,"
           "\"handler_kept\":%s,\"children\":%s}\n",
           own, lost, strangers, kills, crashes, reasons, wrong, kept ? "true" : "false", children ? "true" : "false");
    if (first_wrong[0]) {
        fprintf(stderr, "%s\n", first_wrong);
    }
    free(expected);
    return wrong || lost || children || !kept ? 1 : 0;
}
