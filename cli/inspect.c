/* inspect.c - plugkit inspect DIR ID: everything that is known about one plugin. */
#include <string.h>

#include "command.h"
#include "health.h"
#include "info.h"
#include "session.h"
#include "table.h"
#include "target.h"

typedef struct inspection {
    session *s;
    const pk_plugin_info *plugin;
    pk_mem mem;
    const pk_json_value *capabilities; // NULL if there are none
    health health;
} inspection;

/* The config types that it declares, in either of the two places where plugins do. */
static const pk_json_value *inspect_config_types(const inspection *in)
{
    const pk_json_value *types = pk_json_get(in->capabilities, "configTypes");
    return types ? types : pk_json_get(in->capabilities, "supportedConfigTypes");
}

/* ---- JSON */

static void inspect_put_methods(pk_json_writer *w, const inspection *in)
{
    const pk_json_value *all = pk_json_get(in->capabilities, "methods");
    pk_json_put_array(w);
    for (const pk_json_value *c = pk_json_first(all); c; c = pk_json_next(all, c)) {
        for (const pk_json_value *m = pk_json_first(c); m; m = pk_json_next(c, m)) {
            pk_json_put_object(w);
            pk_json_put_key(w, "contract");
            pk_json_put_str(w, pk_json_key(c));
            pk_json_put_key(w, "method");
            pk_json_put_str(w, pk_json_key(m));
            pk_json_put_key(w, "http");
            pk_json_put_str(w, pk_json_str(m));
            pk_json_put_end(w);
        }
    }
    pk_json_put_end(w);
}

static bool inspect_print_json(const inspection *in)
{
    info_json j;
    const pk_json_value *types = inspect_config_types(in);
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    pk_json_put_key(&j.w, "plugin");
    pk_json_put_plugin(&j.w, in->plugin);
    pk_json_put_key(&j.w, "methods");
    inspect_put_methods(&j.w, in);
    pk_json_put_key(&j.w, "configTypes");
    pk_json_put_array(&j.w);
    for (const pk_json_value *v = pk_json_first(types); v; v = pk_json_next(types, v)) {
        pk_json_put_str(&j.w, pk_json_str(v));
    }
    pk_json_put_end(&j.w);
    pk_json_put_key(&j.w, "health");
    health_put(&j.w, &in->health);
    pk_json_put_end(&j.w);
    return info_json_end(&j);
}

/* ---- text */

static void inspect_row(table *t, const char *name, term_style style, pk_str value)
{
    if (value.len) {
        table_add_text(t, TERM_DIM, name);
        table_add(t, style, value);
    }
}

/* "a, b, c" */
static pk_str inspect_joined(pk_mem *mem, const pk_str *items, size_t count)
{
    pk_str all = PK_STR("");
    for (size_t i = 0; i < count && all.ptr; i++) {
        all = pk_mem_printf(mem, "%" PK_FMT "%s%" PK_FMT, PK_ARG(all), i ? ", " : "", PK_ARG(items[i]));
    }
    return all;
}

static void inspect_print_manifest(inspection *in, table *t)
{
    const pk_manifest *m = in->plugin->manifest;
    if (!m) {
        return;
    }
    inspect_row(t, "name", TERM_PLAIN, m->name);
    inspect_row(t, "type", TERM_PLAIN, m->type);
    inspect_row(t, "description", TERM_PLAIN, m->description);
    inspect_row(t, "author", TERM_PLAIN, m->author);
    inspect_row(t, "license", TERM_PLAIN, m->license);
    inspect_row(t, "category", TERM_PLAIN, m->category);
    inspect_row(t, "tags", TERM_PLAIN, inspect_joined(&in->mem, m->tags.items, m->tags.count));
    for (size_t i = 0; i < m->dependencies.count; i++) {
        const pk_dependency *d = &m->dependencies.items[i];
        inspect_row(t, d->optional ? "may use" : "needs", TERM_PLAIN,
                    pk_mem_printf(&in->mem, "%" PK_FMT "%s%" PK_FMT, PK_ARG(d->id), d->range.len ? " " : "",
                                  PK_ARG(d->range)));
    }
}

static void inspect_print_facts(inspection *in)
{
    const pk_plugin_info *p = in->plugin;
    const pk_json_value *types = inspect_config_types(in);
    pk_mem *mem = &in->mem;
    char time[24];
    table t;
    table_init(&t, NULL, 2);
    inspect_row(&t, "id", TERM_BOLD, p->id);
    inspect_row(&t, "status", info_style(p), p->status);
    inspect_row(&t, "reason", TERM_BAD, pk_str_from(p->why.msg));
    inspect_row(&t, "path", TERM_PLAIN, p->path);
    inspect_row(&t, "version", TERM_PLAIN, p->version);
    inspect_print_manifest(in, &t);
    inspect_row(&t, "dialect", TERM_PLAIN, p->dialect);
    inspect_row(&t, "address", TERM_PLAIN, p->address);
    if (p->pid) {
        inspect_row(&t, "pid", TERM_PLAIN, pk_mem_printf(mem, "%lld", (long long)p->pid));
    }
    if (p->host_death.len) {
        inspect_row(&t, "host death", TERM_PLAIN, info_host_death(mem, p));
    }
    if (p->starts) {
        inspect_row(&t, "started in", TERM_PLAIN, pk_str_from(term_time(time, sizeof(time), p->start_time)));
    }
    if (in->health.status) {
        bool good = strcmp(in->health.status, "ok") == 0;
        inspect_row(&t, "health", good ? TERM_GOOD : TERM_WARN,
                    pk_mem_printf(mem, "%s%s%s", in->health.status, good ? "" : ": ", in->health.reason));
    }
    for (const pk_json_value *v = pk_json_first(types); v; v = pk_json_next(types, v)) {
        inspect_row(&t, "config type", TERM_PLAIN, pk_json_str(v));
    }
    table_print(&t, stdout);
    table_free(&t);
}

/* One line for each service, and one for each method that the plugin names. */
static void inspect_print_services(inspection *in)
{
    const pk_plugin_info *p = in->plugin;
    const pk_json_value *all = pk_json_get(in->capabilities, "methods");
    bool rich = term_is_rich();
    table t;
    table_init(&t, NULL, 4);
    for (size_t i = 0; i < p->service_count; i++) {
        const pk_service_info *s = &p->services[i];
        table_add_text(&t, TERM_DIM, "service");
        table_add(&t, TERM_PLAIN, s->contract);
        table_add(&t, TERM_NAME, s->type);
        table_add(&t, TERM_PLAIN, s->version);
    }
    for (const pk_json_value *c = pk_json_first(all); c; c = pk_json_next(all, c)) {
        for (const pk_json_value *m = pk_json_first(c); m; m = pk_json_next(c, m)) {
            table_add_text(&t, TERM_DIM, "method");
            table_add(&t, TERM_PLAIN, pk_json_key(c));
            table_add(&t, TERM_NAME, pk_json_key(m));
            table_add(&t, TERM_PLAIN, pk_json_str(m));
        }
    }
    fputs(rich && t.count ? "\n" : "", stdout);
    table_print(&t, stdout);
    table_free(&t);
}

static void inspect_print_text(inspection *in)
{
    inspect_print_facts(in);
    inspect_print_services(in);
    if (in->plugin->capabilities.len == 0) {
        return;
    }
    if (term_is_rich()) {
        fputc('\n', stdout);
        term_text(stdout, TERM_DIM, "capabilities ");
        term_json(stdout, in->plugin->capabilities);
    } else {
        fputs("capabilities\t", stdout);
        term_put(stdout, TERM_PLAIN, in->plugin->capabilities);
        fputc('\n', stdout);
    }
}

/* ---- the command */

/* Starts it and asks how it is; that this fails is part of what is to be told. */
static int inspect_start(inspection *in)
{
    pk_error err = {0};
    const char *id = in->plugin->id.ptr;
    if (pk_plugin_start(in->s->manager, in->plugin->plugin, &err) == PK_OK) {
        health_ask(in->s, id, &in->health);
    }
    int status = session_refresh(in->s);
    in->plugin = status ? NULL : target_plugin(in->s, id);
    return status;
}

int inspect_run(const args *a)
{
    session s = {0};
    inspection in = {.s = &s};
    target by_type = {0};
    int status = session_open(&s, a, a->rest[0]);
    if (!status) {
        in.plugin = target_plugin(&s, a->rest[1]);
        if (!in.plugin) { // perhaps a type of its
            status = target_find(&s, a->rest[1], NULL, NULL, &by_type);
            in.plugin = by_type.plugin;
        }
    }
    if (!status && !a->no_start && info_is_good(in.plugin)) {
        status = inspect_start(&in);
    }
    if (!status && !session_is_interrupted(&s)) {
        if (in.plugin->capabilities.len) {
            (void)pk_json_parse(&in.mem, in.plugin->capabilities, &in.capabilities, NULL);
        }
        if (a->json) {
            status = inspect_print_json(&in) ? EXIT_GOOD : EXIT_FAILED;
        } else {
            inspect_print_text(&in);
        }
        bool bad = !info_is_good(in.plugin) || (in.health.status && strcmp(in.health.status, "bad") == 0);
        status = status ? status : bad ? EXIT_FAILED : EXIT_GOOD;
    }
    pk_mem_free(&in.mem);
    return session_close(&s, status);
}
