/* spawns.c - children are started while 32 threads open and close descriptors, none of them close-on-exec, and 16
 * threads allocate, write to streams and change the environment.
 *
 *     spawns COUNT
 *
 * Each child tells what it was given: it must be exactly the declared descriptors and the declared environment. A fork
 * that finds a lock of the allocator taken, or calls what may not be called between fork and exec, hangs: no progress
 * for a minute is a failure. Prints one JSON line; status 0 = all was well. */
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { OPENERS = 32, ALLOCATORS = 16, SPAWNERS = 4, HIGHEST = 9 };

/* ---- the child */

static int be_child(void)
{
    DIR *dir = opendir("/proc/self/fd");
    bool open[1024] = {false};
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        int fd = atoi(e->d_name);
        if (e->d_name[0] != '.' && fd != dirfd(dir)) {
            open[fd & 1023] = true;
        }
    }
    for (int fd = 0; fd < 1024; fd++) {
        if (open[fd]) {
            dprintf(1, "%d ", fd);
        }
    }
    for (char **e = environ; *e; e++) {
        dprintf(1, "%s ", *e);
    }
    return 0;
}

/* ---- noise */

static bool over;
static pthread_mutex_t environment = PTHREAD_MUTEX_INITIALIZER; // setenv of musl has none of its own

static bool is_over(void)
{
    return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

static void *open_and_close(void *arg)
{
    unsigned turn = (unsigned)(uintptr_t)arg;
    (void)setpriority(PRIO_PROCESS, 0, 19); // of this thread: they make noise, and leave time to others
    while (!is_over()) {
        int fds[4] = {-1, -1, -1, -1};
        if (turn % 3 == 0) {
            fds[0] = open("/dev/null", O_RDONLY);
        } else if (turn % 3 == 1) {
            (void)!pipe(fds);
        } else {
            (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
        }
        fds[2] = fds[0] < 0 ? -1 : fcntl(fds[0], F_DUPFD, 3 + (int)(turn % 700));
        for (int i = 0; i < 4; i++) {
            if (fds[i] >= 0) {
                close(fds[i]);
            }
        }
        turn++;
    }
    return NULL;
}

static void *allocate(void *arg)
{
    unsigned turn = (unsigned)(uintptr_t)arg;
    (void)setpriority(PRIO_PROCESS, 0, 19);
    while (!is_over()) {
        char *blocks[8], text[64];
        for (unsigned i = 0; i < 8; i++) {
            blocks[i] = malloc(16 + turn * 37 % 5000 * (i + 1));
        }
        snprintf(text, sizeof(text), "%u", turn);
        pthread_mutex_lock(&environment);
        setenv("NOISE", text, 1);
        pthread_mutex_unlock(&environment);
        FILE *file = fopen("/dev/null", "w");
        if (file) {
            fprintf(file, "%s", text);
            fclose(file);
        }
        for (unsigned i = 0; i < 8; i++) {
            free(blocks[i]);
        }
        turn++;
    }
    return NULL;
}

/* ---- the spawners */

static long wanted, begun, finished, wrong;
static char first_wrong[400];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of first_wrong
static const char *self;

static void complain(const char *what, const char *more)
{
    pthread_mutex_lock(&lock);
    if (!first_wrong[0]) {
        snprintf(first_wrong, sizeof(first_wrong), "%s: %s", what, more);
    }
    wrong++;
    pthread_mutex_unlock(&lock);
}

/* All that it printed; nobody else holds the pipe, or this would not end. */
static void read_all(int fd, char *text, size_t cap)
{
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, text + len, cap - 1 - len)) > 0 || (n < 0 && errno == EINTR)) {
        len += n > 0 ? (size_t)n : 0;
    }
    text[len] = '\0';
}

static void spawn_one(void)
{
    static const char *const env[] = {"ONLY=this", NULL};
    const char *const argv[] = {self, "child", NULL};
    char text[4096];
    int out[2], pair[2];
    pk__process p;
    pk_error err;
    if (pipe2(out, O_CLOEXEC) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        complain("cannot make a pipe", strerror(errno));
        return;
    }
    const pk__spawn_fd fds[] = {{1, out[1]}, {3, pair[1]}, {HIGHEST, pair[1]}};
    const pk__spawn_desc desc = {.path = self, .argv = argv, .env = env, .fds = fds, .fd_count = 3};
    pk_err rc = pk__process_spawn(&p, &desc, &err);
    close(out[1]);
    close(pair[1]);
    if (rc) {
        complain("cannot spawn", err.msg);
    } else {
        read_all(out[0], text, sizeof(text));
        while (!pk__process_reap(&p)) {
            usleep(200);
        }
        if (p.status != 0 || strcmp(text, "0 1 2 3 9 ONLY=this ") != 0) {
            complain("a child has", text);
        }
        pk__process_deinit(&p);
    }
    close(out[0]);
    close(pair[0]);
}

static void *spawn_many(void *arg)
{
    (void)arg;
    while (__atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED) < wanted) {
        spawn_one();
        __atomic_fetch_add(&finished, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* Waits for the spawners as long as there is progress. */
static void watch(void)
{
    long seen = -1;
    time_t since = time(NULL);
    while (__atomic_load_n(&finished, __ATOMIC_RELAXED) < wanted) {
        long now = __atomic_load_n(&finished, __ATOMIC_RELAXED);
        since = now != seen ? time(NULL) : since;
        seen = now;
        if (time(NULL) - since > 60) {
            fprintf(stderr, "hangs after %ld children\n", now);
            exit(1);
        }
        usleep(10000);
    }
}

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 4096; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

int main(int argc, char **argv)
{
    static char path[4096];
    pthread_t threads[OPENERS + ALLOCATORS + SPAWNERS];
    int n = 0;
    if (argc == 2 && strcmp(argv[1], "child") == 0) {
        return be_child();
    }
    wanted = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    self = realpath("/proc/self/exe", path);
    int fds = count_fds();
    for (uintptr_t i = 0; i < OPENERS; i++) {
        pthread_create(&threads[n++], NULL, open_and_close, (void *)i);
    }
    for (uintptr_t i = 0; i < ALLOCATORS; i++) {
        pthread_create(&threads[n++], NULL, allocate, (void *)i);
    }
    for (int i = 0; i < SPAWNERS; i++) {
        pthread_create(&threads[n++], NULL, spawn_many, NULL);
    }
    watch();
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    while (n > 0) {
        pthread_join(threads[--n], NULL);
    }
    int left = count_fds() - fds;
    bool children = waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
    printf("{\"spawns\":%ld,\"wrong\":%ld,\"descriptors\":%d,\"children\":%s}\n", finished, wrong, left,
           children ? "true" : "false");
    if (first_wrong[0]) {
        fprintf(stderr, "%s\n", first_wrong);
    }
    return wrong || left || children || finished == 0 ? 1 : 0;
}
