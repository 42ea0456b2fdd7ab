/* events.c - plugkit events: what has happened in a running host, and with --follow what happens. */
#include <string.h>

#include "command.h"
#include "happening.h"
#include "remote.h"

enum { EVENTS_LINE = 64 * 1024, EVENTS_PAST = 10 };

typedef struct events {
    remote r;
    const args *args;
    pk_buf lines; // that have no end yet
    bool is_over; // the host has said so
} events;

static bool events_is_wanted(const events *e, const happening *h)
{
    for (size_t i = 0; i < e->args->rest_count; i++) {
        if (pk_str_is(h->plugin, e->args->rest[i])) {
            return true;
        }
    }
    return e->args->rest_count == 0 || h->plugin.len == 0;
}

/* For cut and awk: seven columns, always. */
static void events_print_plain(const happening *h, pk_mem *mem)
{
    const pk_str columns[] = {h->time, h->plugin, h->event.len ? h->event : h->kind, h->from, h->to,
                              happening_text(h, mem)};
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        fputs(i ? "\t" : "", stdout);
        term_put(stdout, TERM_PLAIN, columns[i]);
    }
    fputc('\n', stdout);
}

static void events_print_rich(const happening *h, pk_mem *mem)
{
    char clock[24];
    term_format(stdout, TERM_DIM, "%s", happening_clock(h, false, clock));
    fputs("  ", stdout);
    term_format(stdout, TERM_NAME, "%-16" PK_FMT, PK_ARG(h->plugin));
    fputs("  ", stdout);
    term_format(stdout, happening_style(h), "%-9" PK_FMT, PK_ARG(happening_word(h)));
    fputs(" ", stdout);
    term_wrap(stdout, TERM_PLAIN, happening_short(happening_text(h, mem), h->plugin), 42);
    fputc('\n', stdout);
}

static void events_line(events *e, pk_str line)
{
    pk_mem mem = {0};
    happening h;
    bool known = happening_read(&mem, line, &h);
    e->is_over = e->is_over || (known && pk_str_is(h.event, "manager.stopped"));
    if (known && events_is_wanted(e, &h)) {
        if (e->args->json) {
            fwrite(line.ptr, 1, line.len, stdout);
            fputc('\n', stdout);
        } else if (term_is_rich()) {
            events_print_rich(&h, &mem);
        } else {
            events_print_plain(&h, &mem);
        }
        fflush(stdout);
    }
    pk_mem_free(&mem);
}

static void events_take(events *e, pk_str bytes)
{
    pk_str line, rest;
    if (!pk_buf_add(&e->lines, bytes)) {
        pk_buf_clear(&e->lines); // no line of ours is that long
        return;
    }
    while (pk_str_cut(pk_buf_str(&e->lines), '\n', &line, &rest)) {
        events_line(e, line);
        pk_buf_drop(&e->lines, line.len + 1);
    }
}

static pk_err events_read(events *e, pk_error *err)
{
    char http[80], bytes[16 * 1024];
    const args *a = e->args;
    pk_caller *caller = pk_manager_caller(e->r.s.manager);
    pk_call call = {0};
    size_t got = 1;
    (void)snprintf(http, sizeof(http), "GET /events?follow=%d", a->follow);
    if (a->last || a->follow) {
        size_t len = strlen(http);
        (void)snprintf(http + len, sizeof(http) - len, "&last=%lu", (unsigned long)(a->last ? a->last_count : EVENTS_PAST));
    }
    pk_call_desc desc = {.plugin = "host", .http = http};
    desc.ctx.timeout_ms = a->follow ? UINT32_MAX : REMOTE_QUICK_MS;
    pk_err rc = pk_caller_start(caller, &desc, &call, err);
    rc = rc ? rc : pk_caller_write(caller, call, PK_STR(""), true, err);
    while (!rc && got > 0 && !ferror(stdout)) {
        rc = pk_caller_read(caller, call, bytes, sizeof(bytes), &got, err);
        if (!rc) {
            pk_str piece = {bytes, got};
            events_take(e, piece);
        }
    }
    if (!rc && got > 0) {
        (void)pk_caller_cancel(caller, call);
    }
    return rc;
}

int events_run(const args *a)
{
    events e = {.args = a};
    pk_error err = {0};
    int status = remote_open(&e.r, a);
    pk_buf_init(&e.lines, NULL, EVENTS_LINE);
    if (!status) {
        pk_err rc = events_read(&e, &err);
        if (session_is_interrupted(&e.r.s)) {
            status = a->follow ? EXIT_GOOD : EXIT_INTERRUPTED; // that is how following ends
        } else if (rc) {
            pk_reply none = {0};
            (void)remote_explain(&e.r, &none, &err);
            status = session_report(&e.r.s, &err);
        } else if (a->follow && !e.is_over && !ferror(stdout)) {
            status = session_complain(a, EXIT_FAILED, "the host %lld ended in the middle of it",
                                      (long long)e.r.host.pid);
        }
    }
    pk_buf_free(&e.lines);
    status = remote_close(&e.r, status);
    return a->follow && status == EXIT_INTERRUPTED ? EXIT_GOOD : status;
}
