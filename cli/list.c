/* list.c - plugkit list DIR: what is there, and what of it can be used. */
#include "command.h"
#include "info.h"
#include "session.h"
#include "table.h"

#include <string.h>

static bool list_print_json(const session *s)
{
    info_json j;
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    pk_json_put_key(&j.w, "directory");
    pk_json_put_text(&j.w, s->directory);
    pk_json_put_key(&j.w, "plugins");
    pk_json_put_array(&j.w);
    for (size_t i = 0; i < s->count; i++) {
        if (!info_is_skipped(&s->plugins[i])) {
            pk_json_put_plugin(&j.w, &s->plugins[i]);
        }
    }
    pk_json_put_end(&j.w);
    pk_json_put_key(&j.w, "skipped");
    pk_json_put_array(&j.w);
    for (size_t i = 0; i < s->count; i++) {
        if (info_is_skipped(&s->plugins[i])) {
            pk_json_put_object(&j.w);
            pk_json_put_key(&j.w, "id");
            pk_json_put_str(&j.w, s->plugins[i].id);
            pk_json_put_key(&j.w, "path");
            pk_json_put_str(&j.w, s->plugins[i].path);
            pk_json_put_key(&j.w, "reason");
            pk_json_put_text(&j.w, s->plugins[i].why.msg);
            pk_json_put_end(&j.w);
        }
    }
    pk_json_put_end(&j.w);
    pk_json_put_end(&j.w);
    return info_json_end(&j);
}

/* For people the reason takes the place of what a plugin would offer; programs get five columns, always. */
static void list_print_table(session *s)
{
    static const char *const headings[] = {"PLUGIN", "STATUS", "VERSION", "OFFERS", "REASON"};
    bool rich = term_is_rich();
    table t;
    table_init(&t, headings, rich ? 4 : 5);
    for (size_t i = 0; i < s->count; i++) {
        const pk_plugin_info *p = &s->plugins[i];
        pk_str services = info_services(&s->mem, p, rich);
        table_add(&t, info_is_skipped(p) ? TERM_DIM : TERM_NAME, p->id);
        table_add(&t, info_style(p), p->status);
        table_add(&t, TERM_PLAIN, p->version);
        if (rich) {
            table_add(&t, TERM_PLAIN, info_is_good(p) ? services : pk_str_from(p->why.msg));
        } else {
            table_add(&t, TERM_PLAIN, services);
            table_add_text(&t, TERM_PLAIN, p->why.msg);
        }
    }
    table_print(&t, stdout);
    table_free(&t);
}

static void list_print_sum(size_t good, size_t bad, size_t skipped)
{
    if (!term_is_rich()) {
        return;
    }
    fputc('\n', stdout);
    term_format(stdout, TERM_BOLD, "%zu plugin%s", good, good == 1 ? "" : "s");
    fputs(good ? " that start with the first call" : "", stdout);
    if (bad) {
        term_format(stdout, TERM_BAD, ", %zu that cannot be used", bad);
    }
    if (skipped) {
        term_format(stdout, TERM_DIM, ", %zu file%s skipped", skipped, skipped == 1 ? "" : "s");
    }
    fputc('\n', stdout);
    if (bad) {
        term_text(stdout, TERM_DIM, "plugkit doctor tells how to mend that");
        fputc('\n', stdout);
    }
}

int list_run(const args *a)
{
    session s = {0};
    int status = session_open(&s, a, a->rest[0]);
    size_t good = 0, skipped = 0;
    if (status) {
        return session_close(&s, status);
    }
    for (size_t i = 0; i < s.count; i++) {
        good += info_is_good(&s.plugins[i]);
        skipped += info_is_skipped(&s.plugins[i]);
    }
    if (a->json) {
        status = list_print_json(&s) ? EXIT_GOOD : EXIT_FAILED;
    } else if (s.count > 0) {
        list_print_table(&s);
        list_print_sum(good, s.count - good - skipped, skipped);
    }
    if (s.count == skipped) {
        fprintf(stderr, "plugkit: no plugin found in '%s'%s\n", s.directory,
                skipped ? ": every file was skipped" : ": plugins are executable files without an extension");
        status = status ? status : EXIT_NOTHING;
    }
    return session_close(&s, status);
}
