/* top_read.c - a snapshot: what the host says, what the system says, and what has changed. */
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "top.h"

static void top_read_row(pk_mem *mem, const pk_json_value *p, const proc_list *procs, top_row *row)
{
    row->id = pk_json_str(pk_json_get(p, "id"));
    row->status = pk_json_str(pk_json_get(p, "status"));
    row->reason = pk_json_str(pk_json_at(p, "/reason/message"));
    row->pid = pk_json_int(pk_json_get(p, "pid"), 0);
    row->calls = pk_json_uint(pk_json_get(p, "calls"), 0);
    row->failures = pk_json_uint(pk_json_get(p, "failures"), 0);
    row->in_flight = pk_json_uint(pk_json_get(p, "inFlight"), 0);
    row->starts = pk_json_uint(pk_json_get(p, "starts"), 0);
    row->up_ms = pk_json_double(pk_json_get(p, "upMs"), -1);
    row->cpu = -1;
    row->rate = -1;
    row->has_process = proc_sum(procs, row->pid, &row->seconds, &row->memory);
    row->health = pk_json_str(pk_json_at(p, "/health/status"));
    pk_str words = pk_json_str(pk_json_at(p, "/health/reason"));
    pk_str missing = pk_json_str(pk_json_at(p, "/health/unavailable"));
    if (row->reason.len == 0 && words.len + missing.len > 0) {
        row->reason = pk_mem_printf(mem, "%" PK_FMT "%s%" PK_FMT, PK_ARG(words),
                                    !missing.len ? "" : words.len ? "; without " : "without ", PK_ARG(missing));
    }
}

static const top_row *top_find(const top_snapshot *s, pk_str id)
{
    for (size_t i = 0; s && i < s->count; i++) {
        if (pk_str_eq(s->rows[i].id, id)) {
            return &s->rows[i];
        }
    }
    return NULL;
}

static void top_compare(const top_snapshot *before, const top_snapshot *s, top_row *row)
{
    const top_row *old = top_find(before, row->id);
    double passed = before ? (double)(s->at_ns - before->at_ns) / 1e9 : 0;
    if (!old || passed <= 0) {
        return;
    }
    row->rate = row->calls >= old->calls ? (double)(row->calls - old->calls) / passed : 0;
    if (row->has_process && old->has_process && row->pid == old->pid) {
        double used = row->seconds - old->seconds; // less than nothing: a child of it has ended
        row->cpu = used > 0 ? used / passed * 100 : 0;
    }
}

static pk_err top_read_plugins(remote *r, const top_snapshot *before, top_snapshot *s, pk_error *err)
{
    pk_reply reply = {0};
    const pk_json_value *doc = NULL;
    proc_list procs;
    pk_err rc = remote_call(r, "GET /plugins", REMOTE_QUICK_MS, &reply, err);
    rc = rc ? rc : pk_json_parse(&s->mem, reply.body.bytes, &doc, err);
    pk_mem_free(&reply.mem);
    if (rc) {
        return rc;
    }
    const pk_json_value *all = pk_json_get(doc, "plugins");
    s->at_ns = pk_now_ns();
    s->pid = pk_json_int(pk_json_at(doc, "/host/pid"), 0);
    s->up_ms = pk_json_double(pk_json_at(doc, "/host/upMs"), 0);
    s->rows = (top_row *)pk_mem_zero(&s->mem, (pk_json_count(all) + 1) * sizeof(*s->rows));
    if (!s->rows) {
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot show the plugins: out of memory");
    }
    proc_read(&procs);
    for (const pk_json_value *p = pk_json_first(all); p; p = pk_json_next(all, p)) {
        if (pk_json_is(pk_json_get(p, "status"), "skipped")) {
            s->skipped++;
        } else {
            top_row *row = &s->rows[s->count++];
            top_read_row(&s->mem, p, &procs, row);
            top_compare(before, s, row);
        }
    }
    proc_free(&procs);
    return PK_OK;
}

static pk_err top_read_events(remote *r, top_snapshot *s, pk_error *err)
{
    char http[40];
    pk_reply reply = {0};
    (void)snprintf(http, sizeof(http), "GET /events?last=%d", TOP_EVENTS);
    pk_err rc = remote_call(r, http, REMOTE_QUICK_MS, &reply, err);
    pk_str rest = reply.body.bytes, line;
    while (!rc && s->event_count < TOP_EVENTS && pk_str_cut(rest, '\n', &line, &rest)) {
        s->event_count += happening_read(&s->mem, line, &s->events[s->event_count]);
    }
    pk_mem_free(&reply.mem);
    return rc;
}

pk_err top_read(remote *r, const top_snapshot *before, top_snapshot *out, pk_error *err)
{
    memset(out, 0, sizeof(*out));
    pk_err rc = top_read_plugins(r, before, out, err);
    return rc ? rc : top_read_events(r, out, err);
}

void top_free(top_snapshot *s)
{
    pk_mem_free(&s->mem);
    memset(s, 0, sizeof(*s));
}

/* ---- order: by what was asked for, and among equals by name */

static int top_by_name(const void *a, const void *b)
{
    const top_row *x = (const top_row *)a, *y = (const top_row *)b;
    return strcmp(x->id.ptr, y->id.ptr);
}

#define TOP_BY(name, value)                                                                                  \
    static int name(const void *a, const void *b)                                                           \
    {                                                                                                       \
        double x = (double)((const top_row *)a)->value, y = (double)((const top_row *)b)->value;            \
        return x < y ? 1 : x > y ? -1 : top_by_name(a, b);                                                  \
    }
TOP_BY(top_by_cpu, cpu)
TOP_BY(top_by_memory, memory)
TOP_BY(top_by_rate, rate)
TOP_BY(top_by_restarts, starts)
#undef TOP_BY

void top_sort(top_snapshot *s, top_order order)
{
    static int (*const by[])(const void *, const void *) = {top_by_name, top_by_cpu, top_by_memory, top_by_rate,
                                                            top_by_restarts};
    qsort(s->rows, s->count, sizeof(*s->rows), by[order]);
}
