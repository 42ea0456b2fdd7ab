/* host.c - the main job: every plugin of a folder, on real files.
 *
 *     host PLUGIN_DIR FILE...
 *
 * It finds the plugins, adds one that is compiled in, pushes each file through all of them, and tells what was found,
 * what each produced, how long calls and starts took, and that nothing was left behind. The stages are in stages.h. */
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include "../read_file.h"
#include "stages.h"

#include <signal.h>
#include <sys/stat.h>

enum { FILE_MAX = 4 << 20, SHOWN = 12 };

typedef struct job {
    pk_manager *manager;
    pk_mem mem;
    char store[64]; // where the storage plugin keeps its files
    file *files;
    size_t count, skipped, failed;
    uint64_t bytes;
    pk_plugin_info *plugins;
    size_t plugin_count;
} job;

static void complain(job *j, const pk_error *err)
{
    fprintf(stderr, "host: %s\n", err->msg);
    j->failed++;
}

/* ---- what there is */

static void print_services(const pk_plugin_info *p)
{
    for (size_t i = 0; i < p->service_count; i++) {
        bool again = i > 0 && pk_str_eq(p->services[i].contract, p->services[i - 1].contract);
        printf(again ? ", " : i ? "; " : "");
        if (!again) {
            printf("%" PK_FMT ": ", PK_ARG(p->services[i].contract));
        }
        printf("%" PK_FMT, PK_ARG(p->services[i].type));
    }
}

static void print_found(job *j, int64_t took_ns)
{
    size_t usable = 0;
    pk_error err = {0};
    if (pk_manager_list(j->manager, &j->mem, &j->plugins, &j->plugin_count, &err)) {
        complain(j, &err);
        return;
    }
    for (size_t i = 0; i < j->plugin_count; i++) {
        usable += j->plugins[i].why.code == PK_OK;
    }
    printf("%sFound %lu plugins in %s%s\n", report_on(TONE_TITLE), (unsigned long)usable, report_time(took_ns),
           report_off());
    for (size_t i = 0; i < j->plugin_count; i++) {
        const pk_plugin_info *p = &j->plugins[i];
        bool good = p->why.code == PK_OK;
        printf("  %s%-13" PK_FMT "%s  ", report_on(good ? TONE_GOOD : TONE_QUIET), PK_ARG(p->id), report_off());
        if (good) {
            print_services(p);
        } else {
            printf("%" PK_FMT ": %s", PK_ARG(p->status), p->why.msg);
        }
        printf("\n");
    }
}

/* ---- the work */

/* NULL = there is nothing to do with it, and that was said or is no matter. */
static file *take_file(job *j, const char *path)
{
    file *f = &j->files[j->count];
    struct stat info;
    pk_error err = {0};
    pk_buf text;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        j->skipped++;
        return NULL;
    }
    memset(f, 0, sizeof(*f));
    pk_buf_init(&text, NULL, FILE_MAX);
    if (read_file(path, &text, &err)) {
        complain(j, &err);
        pk_buf_free(&text);
        return NULL;
    }
    f->path = path;
    f->text = pk_mem_dup(&j->mem, pk_buf_str(&text));
    pk_buf_free(&text);
    if (!f->text.ptr) {
        (void)pk_error_set(&err, PK_ERR_NO_MEMORY, "cannot read '%s': out of memory", path);
        complain(j, &err);
        return NULL;
    }
    j->bytes += f->text.len;
    j->count++;
    return f;
}

/* A plugin may refuse what is not its kind of file, with a reason: that is a result. Anything else is a failure. */
static void run_stage(job *j, stage *s, file *f)
{
    pk_error err = {0};
    uint64_t produced = 0;
    int64_t began = pk_now_ns();
    pk_err rc = s->run(s, f, &produced, &err);
    samples_add(&s->took, pk_now_ns() - began);
    if (!rc) {
        s->bytes_in += f->text.len;
        s->bytes_out += produced;
    } else if (rc == PK_ERR_PLUGIN_FAULT && err.status < 500) {
        if (s->refused++ == 0) {
            (void)snprintf(s->why, sizeof(s->why), "%.90s: %.100s", f->path, err.msg);
        }
    } else {
        complain(j, &err);
    }
}

static void run_all(job *j, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        report_progress((size_t)i, (size_t)argc);
        file *f = take_file(j, argv[i]);
        for (size_t k = 0; f && k < STAGES; k++) {
            if (stages[k].is_there) {
                run_stage(j, &stages[k], f);
            }
        }
    }
    report_progress((size_t)argc, (size_t)argc);
}

/* ---- what came of it */

static int larger_first(const void *a, const void *b)
{
    size_t x = ((const file *)a)->text.len, y = ((const file *)b)->text.len;
    return (x < y) - (x > y);
}

static void print_files(job *j)
{
    size_t shown = j->count < SHOWN ? j->count : SHOWN;
    uint64_t words = 0, lines = 0;
    qsort(j->files, j->count, sizeof(*j->files), larger_first);
    report_title("Files");
    printf("  %s%9s %8s %8s %8s  %-36s %s%s\n", report_on(TONE_QUIET), "bytes", "lines", "words", "gzip", "file",
           "most frequent words", report_off());
    for (size_t i = 0; i < j->count; i++) {
        const file *f = &j->files[i];
        words += f->counts.words;
        lines += f->counts.lines;
        if (i < shown) {
            size_t len = strlen(f->path);
            pk_str tail = pk_str_from(len > 36 ? f->path + (len - 36) : f->path);
            printf("  %9s %8lu %8lu %8s  ", report_bytes(f->text.len), (unsigned long)f->counts.lines,
                   (unsigned long)f->counts.words, f->packed ? report_bytes(f->packed) : "-");
            report_put(tail, 36);
            printf("%*s %s\n", (int)(36 - tail.len), "", f->words[0] ? f->words : "-");
        }
    }
    printf("  %9s %8lu %8lu           %lu files", report_bytes(j->bytes), (unsigned long)lines, (unsigned long)words,
           (unsigned long)j->count);
    printf(shown < j->count ? ", the %lu largest shown\n" : "\n", (unsigned long)shown);
}

static const pk_plugin_info *provider(const job *j, const stage *s)
{
    for (size_t i = 0; i < j->plugin_count; i++) {
        const pk_plugin_info *p = &j->plugins[i];
        for (size_t k = 0; k < p->service_count; k++) {
            if (pk_str_is(p->services[k].contract, s->contract) && pk_str_is(p->services[k].type, s->type)) {
                return p;
            }
        }
    }
    return NULL;
}

static void print_stage(const job *j, stage *s)
{
    const pk_plugin_info *p = s->is_there ? provider(j, s) : NULL;
    bool counts = s->run == run_count || s->run == run_recount;
    char words[32];
    if (!p) {
        printf("  %s%-13s %-11s %-17s not here%s\n", report_on(TONE_QUIET), s->type, "", s->what, report_off());
        return;
    }
    bool inside = p->path.len == 0;
    (void)snprintf(words, sizeof(words), "%lu words", (unsigned long)s->bytes_out);
    printf("  %-13" PK_FMT " %-11" PK_FMT " %-17s %5lu %7lu %9s %13s %8s %8s %8s\n", PK_ARG(p->id),
           PK_ARG(inside ? PK_STR("compiled in") : p->dialect), s->what, (unsigned long)s->took.count,
           (unsigned long)s->refused, report_bytes(s->bytes_in), counts ? words : report_bytes(s->bytes_out),
           report_time(samples_percentile(&s->took, 50)), report_time(samples_percentile(&s->took, 99)),
           inside ? "-" : report_time(p->start_time));
}

static void print_stages(job *j)
{
    report_title("Plugins");
    printf("  %s%-13s %-11s %-17s %5s %7s %9s %13s %8s %8s %8s%s\n", report_on(TONE_QUIET), "plugin", "speaks",
           "what it does", "calls", "refused", "in", "out", "p50", "p99", "start", report_off());
    for (size_t i = 0; i < STAGES; i++) {
        print_stage(j, &stages[i]);
    }
    for (size_t i = 0; i < STAGES; i++) {
        if (stages[i].refused) {
            printf("  %s%s refused %s%s\n", report_on(TONE_QUIET), stages[i].type, stages[i].why, report_off());
        }
    }
}

/* What went over sockets, by the manager's own books. */
static void print_traffic(const job *j)
{
    uint64_t calls = 0, out = 0, in = 0;
    for (size_t i = 0; i < j->plugin_count; i++) {
        calls += j->plugins[i].calls;
        out += j->plugins[i].bytes_out;
        in += j->plugins[i].bytes_in;
    }
    printf("  %lu calls between processes: %s out, %s back\n", (unsigned long)calls, report_bytes(out),
           report_bytes(in));
}

/* ---- the end */

/* Are the processes that ran really gone? */
static size_t count_running(const job *j)
{
    size_t running = 0;
    for (size_t i = 0; i < j->plugin_count; i++) {
        running += j->plugins[i].pid > 0 && kill((pid_t)j->plugins[i].pid, 0) == 0;
    }
    return running;
}

static void stop(job *j)
{
    pk_error err = {0};
    size_t before = count_running(j);
    char *runtime = strdup(pk_manager_runtime_dir(j->manager));
    int64_t began = pk_now_ns();
    if (pk_manager_stop(j->manager, &err)) {
        complain(j, &err);
    }
    int64_t took_ns = pk_now_ns() - began;
    size_t after = count_running(j);
    pk_manager_destroy(j->manager);
    bool clean = after == 0 && runtime && access(runtime, F_OK) != 0;
    j->failed += !clean;
    report_title("Stopped");
    printf("  %lu processes in %s: %s%s%s\n", (unsigned long)before, report_time(took_ns),
           report_on(clean ? TONE_GOOD : TONE_BAD), clean ? "none is left, and no file" : "something is left",
           report_off());
    free(runtime);
}

/* The storage plugin gets a folder of its own for this run. */
static pk_err make_store(job *j, pk_plugin_config *config, pk_error *err)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(j->store, sizeof(j->store), "%.40s/plugkit-run.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(j->store)) {
        int error = errno;
        j->store[0] = '\0';
        return pk_error_sys(err, PK_ERR_OS, error, "cannot make a folder for the storage plugin");
    }
    config->type = "storage-config";
    config->data = pk_mem_printf(&j->mem, "{\"directory\":\"%s\"}", j->store);
    return PK_OK;
}

static void remove_store(job *j)
{
    pk_error err = {0};
    char command[128];
    if (j->store[0]) {
        (void)snprintf(command, sizeof(command), "rm -rf '%s'", j->store);
        if (system(command) != 0) {
            (void)pk_error_set(&err, PK_ERR_OS, "cannot remove '%s'", j->store);
            complain(j, &err);
        }
    }
}

int main(int argc, char **argv)
{
    static const pk_service built_in = {&analytics_contract, "text-built-in", &counting, PK_STR_INIT("")};
    pk_plugin_config config = {0};
    job j = {0};
    pk_error err = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: host PLUGIN_DIR FILE...\n");
        return 2;
    }
    pk_manager_desc desc = {.plugin_dir = argv[1], .config = &config, .config_count = 1};
    j.files = (file *)calloc((size_t)argc, sizeof(*j.files));
    int64_t began = pk_now_ns();
    if (!j.files || make_store(&j, &config, &err) || pk_manager_create(&j.manager, &desc, &err) ||
        pk_manager_add(j.manager, "built-in", &built_in, 1, NULL, &err) || pk_manager_start(j.manager, &err)) {
        complain(&j, &err);
        pk_manager_destroy(j.manager);
    } else {
        print_found(&j, pk_now_ns() - began);
        for (size_t i = 0; i < STAGES; i++) {
            stages[i].is_there = stage_bind(&stages[i], pk_manager_caller(j.manager), NULL) == PK_OK;
        }
        run_all(&j, argc - 2, argv + 2);
        if (pk_manager_list(j.manager, &j.mem, &j.plugins, &j.plugin_count, &err)) {
            complain(&j, &err);
        }
        print_files(&j);
        print_stages(&j);
        print_traffic(&j);
        stop(&j);
    }
    remove_store(&j);
    for (size_t i = 0; i < j.count; i++) {
        pk_mem_free(&j.files[i].counts.mem);
    }
    for (size_t i = 0; i < STAGES; i++) {
        free(stages[i].took.ns);
    }
    free(j.files);
    pk_mem_free(&j.mem);
    return j.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
