/* doctor.c - plugkit doctor DIR: tries everything, and tells what is wrong and how to mend it. */
#include "doctor.h"

#include <string.h>

#include "command.h"
#include "info.h"
#include "term.h"

static const char *const doctor_levels[] = {"note", "warning", "error"};
static const term_style doctor_styles[] = {TERM_DIM, TERM_WARN, TERM_BAD};

void doctor_find(doctor *d, doctor_patient *p, doctor_level level, const char *subject, const char *what,
                 const char *cure)
{
    doctor_finding ***last = p ? &p->last : &d->last;
    doctor_finding *f = (doctor_finding *)pk_mem_zero(&d->mem, sizeof(*f));
    if (!f) {
        return; // a finding less; whoever has no memory left has other worries
    }
    f->level = level;
    f->subject = pk_mem_dup(&d->mem, pk_str_from(subject));
    f->what = pk_mem_dup(&d->mem, pk_str_from(what));
    f->cure = pk_mem_dup(&d->mem, pk_str_from(cure));
    **last = f;
    *last = &f->next;
}

bool doctor_is_ill(const doctor_patient *p)
{
    for (const doctor_finding *f = p->findings; f; f = f->next) {
        if (f->level == DOCTOR_ERROR) {
            return true;
        }
    }
    return false;
}

/* ---- trying one plugin */

static void doctor_stop(doctor *d, doctor_patient *p)
{
    pk_error err = {0};
    const pk_plugin_info *plugin = p->plugin;
    int64_t began = pk_now_ns();
    if (pk_plugin_stop(d->s.manager, plugin->plugin, &err)) {
        doctor_find(d, p, DOCTOR_ERROR, plugin->id.ptr, err.msg, doctor_cure(d, plugin, &err));
        return;
    }
    p->stop_ns = pk_now_ns() - began;
    p->stopped = true;
    if (p->stop_ns >= 4900 * 1000000ll) { // deadline.stop_ms is 5 s
        doctor_find(d, p, DOCTOR_WARNING, plugin->id.ptr,
                    "it did not end when it was asked to, and was killed after 5 s",
                    "it must end on POST /shutdown, or on SIGTERM (the Go framework: SIGINT)");
    } else if (p->stop_ns >= 2400 * 1000000ll) {
        doctor_find(d, p, DOCTOR_WARNING, plugin->id.ptr, "it did not end on POST /shutdown, only on a signal",
                    "it must end by itself when it is asked to: what it holds may get lost");
    }
}

static void doctor_start(doctor *d, doctor_patient *p)
{
    pk_error err = {0};
    pk_plugin_info now;
    const pk_plugin_info *plugin = p->plugin;
    if (pk_plugin_start(d->s.manager, plugin->plugin, &err)) {
        doctor_find(d, p, DOCTOR_ERROR, plugin->id.ptr, err.msg, doctor_cure(d, plugin, &err));
        return;
    }
    p->started = true;
    if (pk_plugin_get(d->s.manager, plugin->plugin, &d->mem, &now, NULL) == PK_OK) {
        p->start_ns = now.start_time;
    }
    health_ask(&d->s, plugin->id.ptr, &p->health);
    if (strcmp(p->health.status, "bad") == 0) {
        doctor_find(d, p, DOCTOR_ERROR, plugin->id.ptr, p->health.reason,
                    "GET /healthz must answer 200 when all is well");
    } else if (strcmp(p->health.status, "unknown") == 0) {
        doctor_find(d, p, DOCTOR_WARNING, plugin->id.ptr, p->health.reason,
                    "answer it with 200, so that hosts can tell a hang from work");
    } else if (strcmp(p->health.status, "degraded") == 0) {
        doctor_find(d, p, DOCTOR_WARNING, plugin->id.ptr, p->health.reason,
                    "perhaps it wants a configuration: see --config");
    }
    doctor_stop(d, p);
}

static void doctor_examine(doctor *d, doctor_patient *p)
{
    const pk_plugin_info *plugin = p->plugin;
    if (info_is_skipped(plugin)) {
        doctor_find(d, p, DOCTOR_WARNING, plugin->path.ptr, plugin->why.msg, "");
        return;
    }
    doctor_file(d, p);
    if (!info_is_good(plugin)) {
        doctor_find(d, p, DOCTOR_ERROR, plugin->id.ptr, plugin->why.msg, doctor_cure(d, plugin, &plugin->why));
        return;
    }
    doctor_contracts(d, p);
    if (plugin->service_count == 0) {
        doctor_find(d, p, DOCTOR_WARNING, plugin->id.ptr, "it offers nothing: its capabilities name no type",
                    "list what it offers under \"types\"");
    }
    if (doctor_schemas(d, p)) {
        doctor_start(d, p);
    }
}

/* ---- text */

static void doctor_print_finding(doctor *d, const doctor_finding *f, size_t indent, bool show_subject)
{
    pk_str what = show_subject ? pk_mem_printf(&d->mem, "%" PK_FMT ": %" PK_FMT, PK_ARG(f->subject), PK_ARG(f->what))
                               : f->what;
    const char *level = doctor_levels[f->level];
    printf("%*s", (int)indent, "");
    term_text(stdout, doctor_styles[f->level], level);
    fputs(": ", stdout);
    term_wrap(stdout, TERM_PLAIN, what, indent + strlen(level) + 2);
    fputc('\n', stdout);
    if (f->cure.len) {
        printf("%*s", (int)indent, "");
        term_text(stdout, TERM_GOOD, "  mend: ");
        term_wrap(stdout, TERM_PLAIN, f->cure, indent + 8);
        fputc('\n', stdout);
    }
}

static void doctor_print_patient(doctor *d, const doctor_patient *p)
{
    char start[24], asked[24], stop[24];
    bool skipped = info_is_skipped(p->plugin);
    const char *verdict = skipped ? "skip" : doctor_is_ill(p) ? "FAIL" : "ok";
    term_format(stdout, skipped ? TERM_DIM : doctor_is_ill(p) ? TERM_BAD : TERM_GOOD, "%-6s", verdict);
    term_put(stdout, TERM_BOLD, p->plugin->id);
    if (p->started && p->stopped) {
        term_format(stdout, TERM_DIM, "  started in %s, answered in %s, stopped in %s",
                    term_time(start, sizeof(start), p->start_ns), term_time(asked, sizeof(asked), p->health.took_ns),
                    term_time(stop, sizeof(stop), p->stop_ns));
    }
    fputc('\n', stdout);
    for (const doctor_finding *f = p->findings; f; f = f->next) {
        doctor_print_finding(d, f, 6, false);
    }
}

static void doctor_print_text(doctor *d)
{
    for (size_t i = 0; i < d->count; i++) {
        doctor_print_patient(d, &d->patients[i]);
    }
    fputs(d->count && d->places ? "\n" : "", stdout);
    for (const doctor_finding *f = d->places; f; f = f->next) {
        doctor_print_finding(d, f, 0, true);
    }
}

/* ---- JSON */

static void doctor_put_findings(pk_json_writer *w, const doctor_finding *f)
{
    pk_json_put_key(w, "findings");
    pk_json_put_array(w);
    for (; f; f = f->next) {
        pk_json_put_object(w);
        pk_json_put_key(w, "level");
        pk_json_put_text(w, doctor_levels[f->level]);
        pk_json_put_key(w, "subject");
        pk_json_put_str(w, f->subject);
        pk_json_put_key(w, "what");
        pk_json_put_str(w, f->what);
        pk_json_put_key(w, "cure");
        pk_json_put_text(w, f->cure.len ? f->cure.ptr : NULL);
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}

static void doctor_put_time(pk_json_writer *w, const char *key, bool has, int64_t ns)
{
    if (has) {
        info_put_ms(w, key, ns);
    } else {
        pk_json_put_key(w, key);
        pk_json_put_null(w);
    }
}

static void doctor_put_patient(pk_json_writer *w, const doctor_patient *p)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "id");
    pk_json_put_str(w, p->plugin->id);
    pk_json_put_key(w, "path");
    pk_json_put_str(w, p->plugin->path);
    pk_json_put_key(w, "verdict");
    pk_json_put_text(w, info_is_skipped(p->plugin) ? "skipped" : doctor_is_ill(p) ? "failed" : "ok");
    doctor_put_time(w, "startMs", p->started, p->start_ns);
    pk_json_put_key(w, "health");
    health_put(w, &p->health);
    doctor_put_time(w, "stopMs", p->stopped, p->stop_ns);
    doctor_put_findings(w, p->findings);
    pk_json_put_end(w);
}

static bool doctor_print_json(const doctor *d, bool ok)
{
    info_json j;
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    pk_json_put_key(&j.w, "directory");
    pk_json_put_text(&j.w, d->args->rest[0]);
    pk_json_put_key(&j.w, "ok");
    pk_json_put_bool(&j.w, ok);
    pk_json_put_key(&j.w, "plugins");
    pk_json_put_array(&j.w);
    for (size_t i = 0; i < d->count; i++) {
        doctor_put_patient(&j.w, &d->patients[i]);
    }
    pk_json_put_end(&j.w);
    doctor_put_findings(&j.w, d->places);
    pk_json_put_end(&j.w);
    return info_json_end(&j);
}

/* ---- the command */

static int doctor_all(doctor *d)
{
    d->count = d->s.count;
    d->patients = (doctor_patient *)pk_mem_zero(&d->mem, (d->count + 1) * sizeof(*d->patients));
    if (!d->patients) {
        d->count = 0;
        return session_complain(d->args, EXIT_FAILED, "cannot look at the plugins: out of memory");
    }
    for (size_t i = 0; i < d->count; i++) {
        doctor_patient *p = &d->patients[i];
        p->plugin = &d->s.plugins[i];
        p->last = &p->findings;
        term_progress("trying plugins", i, d->count);
        if (!session_is_interrupted(&d->s)) {
            doctor_examine(d, p);
        }
    }
    term_progress_end();
    return EXIT_GOOD;
}

/* What there is to say, and the status that follows from it. */
static int doctor_sum_up(doctor *d)
{
    size_t ill = 0, plugins = 0;
    bool trouble = false;
    for (size_t i = 0; i < d->count; i++) {
        plugins += !info_is_skipped(d->patients[i].plugin);
        ill += doctor_is_ill(&d->patients[i]);
    }
    for (const doctor_finding *f = d->places; f; f = f->next) {
        trouble = trouble || f->level == DOCTOR_ERROR;
    }
    if (d->args->json) {
        (void)doctor_print_json(d, !ill && !trouble);
    } else {
        doctor_print_text(d);
    }
    if (ill || trouble) {
        return EXIT_FAILED;
    }
    if (plugins == 0) {
        fprintf(stderr, "plugkit: no plugin found in '%s'\n", d->args->rest[0]);
        return EXIT_NOTHING;
    }
    return EXIT_GOOD;
}

int doctor_run(const args *a)
{
    doctor d = {.args = a};
    d.last = &d.places;
    d.s.keeps_error = true;
    int status = session_open(&d.s, a, a->rest[0]);
    status = status ? status : doctor_all(&d);
    if (status != EXIT_NOTHING && status != EXIT_USAGE && status != EXIT_INTERRUPTED) {
        doctor_places(&d);
        if (d.s.err.code) { // the manager itself did not work
            pk_plugin_info none = {0};
            doctor_find(&d, NULL, DOCTOR_ERROR, a->rest[0], d.s.err.msg, doctor_cure(&d, &none, &d.s.err));
        }
        status = session_is_interrupted(&d.s) ? EXIT_INTERRUPTED : doctor_sum_up(&d);
    }
    pk_mem_free(&d.mem);
    return session_close(&d.s, status);
}
