/* run_print.c - events and logs, a line each. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "info.h"
#include "run.h"
#include "term.h"

static const char *const run_levels[] = {"info", "debug", "info", "warn", "error"};

/* A line is there as soon as it is known. Whoever read it may have gone: then the run is over. */
static void run_print_done(run_printer *p)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        session_wake(p->session);
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- JSON lines */

static void run_json_begin(run_printer *p, info_json *j, const char *kind)
{
    pthread_mutex_lock(&p->lock);
    info_json_begin(j);
    pk_json_put_object(&j->w);
    info_put_kind(&j->w, kind);
}

static void run_json_end(run_printer *p, info_json *j)
{
    pk_json_put_end(&j->w);
    (void)info_json_line(j);
    run_print_done(p);
}

static void run_put(info_json *j, const char *key, pk_str value)
{
    pk_json_put_key(&j->w, key);
    if (value.len) {
        pk_json_put_str(&j->w, value);
    } else {
        pk_json_put_null(&j->w);
    }
}

static void run_json_event(run_printer *p, const pk_event *event, const pk_plugin_info *info)
{
    info_json j;
    run_json_begin(p, &j, "event");
    run_put(&j, "event", pk_str_from(event->name));
    run_put(&j, "plugin", pk_str_from(event->id));
    run_put(&j, "from", pk_str_from(event->from));
    run_put(&j, "to", pk_str_from(event->to));
    if (info->pid) {
        pk_json_put_key(&j.w, "pid");
        pk_json_put_int(&j.w, info->pid);
        info_put_ms(&j.w, "startMs", info->start_time);
    }
    pk_json_put_key(&j.w, "reason");
    pk_json_put_error(&j.w, event->why);
    run_json_end(p, &j);
}

static void run_json_log(run_printer *p, pk_log_level level, const char *event, pk_str text, const pk_meta *fields,
                         size_t count)
{
    info_json j;
    size_t first = count > 0 && pk_str_is(fields[0].name, "plugin");
    run_json_begin(p, &j, "log");
    run_put(&j, "level", pk_str_from(run_levels[level]));
    run_put(&j, "event", pk_str_from(event));
    run_put(&j, "plugin", first ? fields[0].value : PK_STR(""));
    pk_json_put_key(&j.w, "message");
    pk_json_put_str(&j.w, text);
    pk_json_put_key(&j.w, "fields");
    pk_json_put_object(&j.w);
    for (size_t i = first; i < count; i++) {
        pk_json_put_key_str(&j.w, fields[i].name);
        pk_json_put_str(&j.w, fields[i].value);
    }
    pk_json_put_end(&j.w);
    run_json_end(p, &j);
}

/* ---- text */

static void run_text_begin(run_printer *p, const char *plugin)
{
    char text[20];
    struct timeval now;
    struct tm parts;
    (void)gettimeofday(&now, NULL);
    (void)localtime_r(&now.tv_sec, &parts);
    (void)strftime(text, sizeof(text), "%H:%M:%S", &parts);
    pthread_mutex_lock(&p->lock);
    term_format(stdout, TERM_DIM, "%s.%03d", text, (int)(now.tv_usec / 1000));
    fputs("  ", stdout);
    term_format(stdout, TERM_NAME, "%-16s", plugin);
    fputs("  ", stdout);
}

static void run_text_end(run_printer *p)
{
    fputc('\n', stdout);
    run_print_done(p);
}

void run_print_note(run_printer *p, const char *plugin, const char *word, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    if (p->args->json) {
        info_json j;
        run_json_begin(p, &j, "note");
        run_put(&j, "plugin", pk_str_from(plugin));
        run_put(&j, "note", pk_str_from(word));
        run_put(&j, "message", pk_str_from(text));
        run_json_end(p, &j);
        return;
    }
    run_text_begin(p, plugin);
    term_format(stdout, TERM_BOLD, "%-9s", word);
    term_text(stdout, TERM_PLAIN, text);
    run_text_end(p);
}

static term_style run_style(const pk_event *event)
{
    const char *to = event->to;
    if (strcmp(to, "rejected") == 0 || strcmp(to, "failed") == 0) {
        return TERM_BAD;
    }
    if (event->why) {
        return TERM_WARN;
    }
    return strcmp(event->name, "plugin.ready") == 0 ? TERM_GOOD : TERM_PLAIN;
}

/* What people want to know about a move, beside its name. */
static void run_text_event(run_printer *p, const pk_event *event, const pk_plugin_info *info, pk_mem *mem)
{
    bool known = strcmp(event->from, "probing") == 0 && strcmp(event->to, "stopped") == 0;
    bool noise = strcmp(event->to, "found") == 0 || strcmp(event->to, "probing") == 0 ||
                 strcmp(event->name, "manager.stopping") == 0 ||
                 (strcmp(event->name, "plugin.unloaded") == 0 && session_is_ending(p->session)); // of course
    const char *dot = strchr(event->name, '.');
    if (noise && !p->args->verbose) {
        return;
    }
    run_text_begin(p, event->plugin.id ? event->id : "");
    term_format(stdout, run_style(event), "%-9s", known ? "found" : dot ? dot + 1 : "");
    if (event->why) {
        term_text(stdout, run_style(event), event->why->msg);
    } else if (known) {
        term_put(stdout, TERM_PLAIN, info_services(mem, info, true));
    } else if (strcmp(event->name, "plugin.ready") == 0) {
        char time[24];
        term_format(stdout, TERM_DIM, "pid %lld, started in %s", (long long)info->pid,
                    term_time(time, sizeof(time), info->start_time));
    } else if (!event->plugin.id) {
        term_text(stdout, TERM_DIM, "everything");
    }
    run_text_end(p);
}

void run_print_reply(run_printer *p, request *r)
{
    if (p->args->json) {
        info_json j;
        run_json_begin(p, &j, "reply");
        request_put(&j.w, r);
        run_json_end(p, &j);
    } else {
        pthread_mutex_lock(&p->lock);
        request_print(r);
        run_print_done(p);
    }
}

/* ---- what the manager calls */

void run_print_event(void *user, const pk_event *event)
{
    run_printer *p = (run_printer *)user;
    pk_plugin_info info = {0};
    pk_mem mem = {0};
    if (event->plugin.id && p->session->manager) {
        (void)pk_plugin_get(p->session->manager, event->plugin, &mem, &info, NULL);
    }
    if (p->args->json) {
        run_json_event(p, event, &info);
    } else {
        run_text_event(p, event, &info, &mem);
    }
    pk_mem_free(&mem);
}

/* Every event is logged as well; it was printed already, better. */
static bool run_is_event(const pk_meta *fields, size_t count)
{
    return count == 3 && pk_str_is(fields[1].name, "from") && pk_str_is(fields[2].name, "to");
}

void run_print_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields, size_t count)
{
    static const term_style styles[] = {TERM_PLAIN, TERM_DIM, TERM_PLAIN, TERM_WARN, TERM_BAD};
    run_printer *p = (run_printer *)user;
    size_t first = count > 0 && pk_str_is(fields[0].name, "plugin");
    if (run_is_event(fields, count) || strcmp(event, "manager.stopping") == 0 ||
        strcmp(event, "manager.stopped") == 0) {
        return;
    }
    if (p->args->json) {
        run_json_log(p, level, event, text, fields, count);
        return;
    }
    if (level == PK_LOG_DEBUG && !p->args->verbose) {
        return;
    }
    run_text_begin(p, first ? fields[0].value.ptr : "");
    term_format(stdout, styles[level], "%-9s", run_levels[level]);
    term_put(stdout, styles[level], text);
    for (size_t i = first; i < count; i++) {
        if (fields[i].value.len > 0 && !pk_str_is(fields[i].name, "stream")) {
            fputs("  ", stdout);
            term_format(stdout, TERM_DIM, "%" PK_FMT "=", PK_ARG(fields[i].name));
            term_put(stdout, TERM_PLAIN, fields[i].value);
        }
    }
    run_text_end(p);
}
