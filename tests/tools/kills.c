/* kills.c - a plugin that is killed again and again under 64 callers, and the books of both sides. One program: the
 * host and its plugin.
 *
 *     kills COUNT DIR RUN BOOK [SEED]     DIR holds one file: this program, named "victim"; RUN is for its sockets
 *
 * Every call has a number. The plugin counts in BOOK, a file that both have mapped and that outlives any kill, how
 * often it has begun to work on that number; the host notes how many outcomes the call had and what they were. When the
 * plugin has been killed COUNT times, now and then already on its way to being ready, the books are compared:
 *
 *     each call had one outcome                        what must not be repeated was done once at most
 *     a good answer: it was done, by that very call    "not sent": it was not done
 *
 * Half of the callers block, half wait for a callback. What was taken is given back: memory, descriptors, threads,
 * processes, sockets. Prints one JSON line, with the times from a kill to its discovery and to the first good answer
 * of the next instance; status 0 = all was well. */
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit.h"
#include "plugkit_sdk.h"

#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLERS = 64, MOST_CALLS = 1 << 28, WARM = 50 };

enum { FIRST = 64 };  // the first call's number; what comes before in BOOK is the pid of the youngest plugin

static uint8_t *done; // BOOK: how often each call was begun

static uint8_t *map_book(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, MOST_CALLS)) {
        perror(path);
        exit(3);
    }
    uint8_t *book = mmap(NULL, MOST_CALLS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return book;
}

static unsigned chance(unsigned *state, unsigned below) // xorshift
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

/* ---- the plugin */

static char my_serial[80]; // "victim-12": 12

static pk_err work(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    char text[64];
    unsigned long number, nap;
    (void)user;
    snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(request->body.bytes));
    if (sscanf(text, "%lu %lu", &number, &nap) != 2 || number >= MOST_CALLS) {
        return pk_error_set(err, PK_ERR_PARSE, "cannot understand '%s'", text);
    }
    __atomic_fetch_add(&done[number], 1, __ATOMIC_RELAXED);
    if (nap) {
        usleep((useconds_t)nap);
    }
    response->body.bytes = pk_mem_printf(request->ctx->mem, "%lu %s %ld", number, my_serial, (long)getpid());
    return PK_OK;
}

static pk_err on_start(void *user, pk_sdk *p, pk_error *err)
{
    const char *dash = strrchr(pk_sdk_instance(p), '-');
    (void)user;
    snprintf(my_serial, sizeof(my_serial), "%.60s", dash ? dash + 1 : "");
    return done ? PK_OK : pk_error_set(err, PK_ERR_CONFIG, "cannot start: KILLS_BOOK is not set");
}

static int be_plugin(int argc, char **argv)
{
    static const pk_route routes[] = {{"POST /work", 0, work, NULL}};
    const char *book = getenv("KILLS_BOOK");
    if (book) { // not for a probe: it is told nothing
        done = map_book(book);
        __atomic_store_n((int *)(void *)done, (int)getpid(), __ATOMIC_RELEASE);
    }
    pk_sdk_desc desc = {.id = "victim", .routes = routes, .route_count = 1, .workers = 8, .on_start = on_start};
    return pk_sdk_main(argc, argv, &desc);
}

/* ---- the host's book */

enum { IS_REPEATABLE = 1, WAS_GOOD = 2, WAS_NOT_SENT = 4 };

static pk_manager *manager;
static pk_plugin victim;
static long bytes_held, blocks;
static bool over;
static unsigned long calls = FIRST - 1; // the last number given out
static uint8_t *outcomes, *notes;
static long good, failed, wrong;
static char first_wrong[400];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of what follows, and of first_wrong
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long alive, alive_pid, killed; // serial and pid of the youngest that answered; serial of the last one killed
static int64_t killed_at, seen_at, answered_at;

static void *counted_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    void *moved = NULL;
    (void)user;
    if (new_size) {
        moved = realloc(ptr, new_size);
    } else {
        free(ptr);
    }
    if (moved || !new_size) {
        long more = (long)new_size - (ptr ? (long)old_size : 0);
        __atomic_fetch_add(&bytes_held, more, __ATOMIC_RELAXED);
        __atomic_fetch_add(&blocks, (moved && !ptr) - (!moved && ptr), __ATOMIC_RELAXED);
    }
    return moved;
}

static void complain(unsigned long number, const char *what, const char *more)
{
    pthread_mutex_lock(&lock);
    if (!first_wrong[0]) {
        snprintf(first_wrong, sizeof(first_wrong), "call %lu: %s%s%s", number, what, more[0] ? ": " : "", more);
    }
    wrong++;
    pthread_mutex_unlock(&lock);
}

static void saw_alive(long serial, long pid)
{
    pthread_mutex_lock(&lock);
    if (serial > alive) {
        __atomic_store_n(&alive, serial, __ATOMIC_RELAXED); // also looked at without the lock
        alive_pid = pid;
        answered_at = pk_now_ns();
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
}

/* One outcome is noted; whether it fits to what the plugin did is seen at the end. */
static void note(unsigned long number, pk_str body, const pk_error *err)
{
    char text[96];
    unsigned long echoed = 0;
    long serial = 0, pid = 0;
    uint8_t had = __atomic_fetch_add(&outcomes[number], 1, __ATOMIC_RELAXED);
    if (had) {
        complain(number, "two outcomes", "");
    } else if (err->code == PK_OK) {
        snprintf(text, sizeof(text), "%" PK_FMT, PK_ARG(body));
        if (sscanf(text, "%lu %ld %ld", &echoed, &serial, &pid) != 3 || echoed != number) {
            complain(number, "the answer of another call", text);
            return;
        }
        notes[number] |= WAS_GOOD;
        __atomic_fetch_add(&good, 1, __ATOMIC_RELAXED);
        if (serial > __atomic_load_n(&alive, __ATOMIC_RELAXED)) {
            saw_alive(serial, pid);
        }
    } else if (err->code == PK_ERR_PLUGIN_CONNECTION || err->code == PK_ERR_START) {
        notes[number] |= err->sent == PK_SENT_NO ? WAS_NOT_SENT : 0;
        __atomic_fetch_add(&failed, 1, __ATOMIC_RELAXED);
    } else {
        complain(number, pk_err_name(err->code), err->msg);
    }
}

/* ---- callers */

typedef struct async_wait {
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool is_over;
    unsigned long number;
} async_wait;

static void on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    static const pk_error none;
    async_wait *w = user;
    (void)call;
    note(w->number, reply->body.bytes, err ? err : &none);
    pthread_mutex_lock(&w->lock);
    w->is_over = true;
    pthread_cond_signal(&w->told);
    pthread_mutex_unlock(&w->lock);
}

static void call_and_wait(pk_call_desc *d, unsigned long number)
{
    pk_error err = {0};
    async_wait w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, number};
    d->on_reply = on_reply;
    d->user = &w;
    if (pk_caller_start(pk_manager_caller(manager), d, NULL, &err)) {
        note(number, PK_STR(""), &err);
        return;
    }
    pthread_mutex_lock(&w.lock);
    while (!w.is_over) {
        pthread_cond_wait(&w.told, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
}

static void *make_calls(void *arg)
{
    unsigned state = (unsigned)(uintptr_t)arg * 2654435761u + 1;
    bool waits = (uintptr_t)arg % 2;
    pk_reply reply = {0};
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        char body[64];
        pk_error err = {0};
        unsigned long number = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
        bool repeatable = chance(&state, 2);
        if (number >= MOST_CALLS) {
            complain(number, "the book is full", "");
            break;
        }
        notes[number] = repeatable ? IS_REPEATABLE : 0;
        snprintf(body, sizeof(body), "%lu %u", number, chance(&state, 4) ? 0 : chance(&state, 2000));
        pk_call_desc d = {.plugin = "victim", .http = "POST /work", .ctx = {.idempotent = repeatable},
                          .body = {.bytes = pk_str_from(body)}};
        if (waits) {
            call_and_wait(&d, number);
        } else {
            (void)pk_caller_call(pk_manager_caller(manager), &d, &reply, &err);
            note(number, reply.body.bytes, &err);
        }
    }
    pk_mem_free(&reply.mem);
    return NULL;
}

/* ---- the killer */

static void on_event(void *user, const pk_event *event)
{
    (void)user;
    if (strcmp(event->name, "plugin.backoff") == 0) {
        pthread_mutex_lock(&lock);
        seen_at = seen_at ? seen_at : pk_now_ns();
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
}

/* Waits for the first good answer of one that is younger than the last victim. */
static long next_victim(void)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    pthread_mutex_lock(&lock);
    int rc = 0;
    while (alive <= killed && rc == 0) {
        rc = pthread_cond_timedwait(&changed, &lock, &end);
    }
    long pid = alive > killed ? alive_pid : 0;
    pthread_mutex_unlock(&lock);
    return pid;
}

/* The next one, as soon as it breathes, which is long before it is ready. */
static bool kill_early(long before)
{
    for (int i = 0; i < 1000; i++) {
        int pid = __atomic_load_n((int *)(void *)done, __ATOMIC_ACQUIRE);
        if (pid != (int)before) {
            return kill((pid_t)pid, SIGKILL) == 0;
        }
        usleep(20);
    }
    return false;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double *values, long count, long percent)
{
    qsort(values, (size_t)count, sizeof(*values), by_value);
    return count ? values[(count - 1) * percent / 100] : 0;
}

typedef struct times {
    double *seen, *answered; // ms
    long count, early, growth; // growth: bytes held at the end more than after WARM kills
} times;

static void kill_often(long count, unsigned seed, times *t)
{
    unsigned state = seed;
    long warm = 0;
    for (long i = 0; i < count; i++) {
        long pid = next_victim();
        if (!pid) {
            complain(0, "no good answer for a minute", "");
            return;
        }
        if (i == WARM || i == 0) {
            warm = __atomic_load_n(&bytes_held, __ATOMIC_RELAXED);
        }
        usleep((useconds_t)chance(&state, 3000));
        pthread_mutex_lock(&lock);
        killed = alive;
        seen_at = answered_at = 0;
        killed_at = pk_now_ns();
        kill((pid_t)alive_pid, SIGKILL);
        pthread_mutex_unlock(&lock);
        bool early = chance(&state, 16) == 0 && kill_early(pid);
        t->early += early;
        if (next_victim() && !early) { // what was killed twice comes later
            pthread_mutex_lock(&lock);
            t->seen[t->count] = (double)(seen_at - killed_at) / 1e6;
            t->answered[t->count++] = (double)(answered_at - killed_at) / 1e6;
            pthread_mutex_unlock(&lock);
        }
    }
    t->growth = __atomic_load_n(&bytes_held, __ATOMIC_RELAXED) - warm;
}

/* ---- the books are compared */

static void audit(void)
{
    for (unsigned long n = FIRST; n <= calls && n < MOST_CALLS; n++) {
        bool repeatable = notes[n] & IS_REPEATABLE;
        if (outcomes[n] != 1) {
            complain(n, "not one outcome", "");
        } else if (done[n] > 1 && !repeatable) {
            complain(n, "done twice", "");
        } else if (done[n] == 0 && (notes[n] & WAS_GOOD)) {
            complain(n, "a good answer, but nothing was done", "");
        } else if (done[n] > 0 && (notes[n] & WAS_NOT_SENT) && !repeatable) {
            complain(n, "not sent, it was told, but it was done", "");
        }
    }
}

static int files; // that are no directories: nftw has no room for one's own

static int count_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path, (void)st, (void)ftw;
    files += type != FTW_D && type != FTW_DP;
    return 0;
}

static int files_below(const char *path)
{
    files = 0;
    (void)nftw(path, count_file, 16, FTW_PHYS);
    return files;
}

static int entries_of(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        n += e->d_name[0] != '.';
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

static pk_err open_manager(const char *dir, const char *run, pk_error *err)
{
    static const char *const env[] = {"KILLS_BOOK", NULL};
    pk_manager_desc desc = {.plugin_dir = dir, .runtime_dir = run, .env = env, .on_event = on_event,
                            .alloc = {.resize = counted_resize}, .deadline = {60000, 120000, 5000},
                            .restart = {.max = 2000, .no_delay = true}};
    pk_err rc = pk_manager_create(&manager, &desc, err);
    rc = rc ? rc : pk_manager_start(manager, err);
    victim = rc ? victim : pk_manager_find(manager, "victim");
    return rc;
}

static void *do_nothing(void *arg)
{
    return arg;
}

static int count_threads(void)
{
    pthread_t first; // with it a sanitizer starts one of its own
    pthread_create(&first, NULL, do_nothing, NULL);
    pthread_join(first, NULL);
    return entries_of("/proc/self/task");
}

int main(int argc, char **argv)
{
    pthread_t threads[CALLERS];
    pk_error err = {0};
    if (argc < 5 || !strcmp(argv[1], "capabilities") || strspn(argv[1], "0123456789") != strlen(argv[1])) {
        return be_plugin(argc, argv);
    }
    long count = strtol(argv[1], NULL, 10);
    unsigned seed = argc > 5 ? (unsigned)strtoul(argv[5], NULL, 10) | 1u : (unsigned)getpid() | 1u;
    times t = {calloc((size_t)count + 1, sizeof(double)), calloc((size_t)count + 1, sizeof(double)), 0, 0, 0};
    done = map_book(argv[4]);
    outcomes = mmap(NULL, MOST_CALLS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    notes = mmap(NULL, MOST_CALLS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    setenv("KILLS_BOOK", argv[4], 1);
    int fds = entries_of("/proc/self/fd"), tasks = count_threads(), sockets = 0;
    if (open_manager(argv[2], argv[3], &err)) {
        complain(0, "cannot open a manager", err.msg);
    } else {
        for (uintptr_t i = 0; i < CALLERS; i++) {
            pthread_create(&threads[i], NULL, make_calls, (void *)(i + 1 + seed % 1000));
        }
        kill_often(count, seed, &t);
        __atomic_store_n(&over, true, __ATOMIC_RELAXED);
        for (int i = 0; i < CALLERS; i++) {
            pthread_join(threads[i], NULL);
        }
        sockets = files_below(argv[3]); // of one instance: its predecessors left nothing
    }
    pk_manager_destroy(manager);
    audit();
    (void)files_below(argv[3]);
    fds = entries_of("/proc/self/fd") - fds;
    tasks = count_threads() - tasks;
    bool children = waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
    printf("{\"kills\":%ld,\"early\":%ld,\"calls\":%lu,\"good\":%ld,\"failed\":%ld,\"wrong\":%ld,\"seed\":%u,"
           "\"seen_p50_ms\":%.3f,\"seen_p99_ms\":%.3f,\"answer_p50_ms\":%.3f,\"answer_p99_ms\":%.3f,"
           "\"descriptors\":%d,\"threads\":%d,\"children\":%s,\"allocations\":%ld,\"growth\":%ld,\"sockets\":%d,"
           "\"files\":%d}\n",
           t.count + t.early, t.early, calls + 1 - FIRST, good, failed, wrong, seed, percentile(t.seen, t.count, 50),
           percentile(t.seen, t.count, 99), percentile(t.answered, t.count, 50), percentile(t.answered, t.count, 99),
           fds, tasks, children ? "true" : "false", blocks, t.growth, sockets, files);
    if (first_wrong[0]) {
        fprintf(stderr, "%s\n", first_wrong);
    }
    free(t.seen);
    free(t.answered);
    return wrong || fds || tasks || children || blocks || files || good == 0 ? 1 : 0;
}
