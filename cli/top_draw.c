/* top_draw.c - snapshots on paper.
 *
 * A screen is made for the room that there is: columns go one by one, the least needed first, then the head and the
 * foot; the names of plugins stay to the end. What is known of the past fills the room below the table. */
#include <stdarg.h>
#include <string.h>

#include "info.h"
#include "table.h"
#include "top.h"

typedef enum top_column {
    TOP_ID,
    TOP_STATE,
    TOP_HEALTH,
    TOP_CPU,
    TOP_MEMORY,
    TOP_RATE,
    TOP_CALLS,
    TOP_FAILED,
    TOP_RESTARTS,
    TOP_UP,
    TOP_PID,
    TOP_REASON,
    TOP_COLUMNS
} top_column;

enum { TOP_REASON_LEAST = 16, TOP_GAP = 2 };

static const struct {
    const char *heading;
    size_t least; // so that the table stands still when numbers grow
    bool right;
} top_columns[TOP_COLUMNS] = {
    {"PLUGIN", 6, false},   {"STATE", 8, false},   {"HEALTH", 6, false}, {"CPU%", 5, true},
    {"MEMORY", 7, true},    {"CALLS/S", 7, true},  {"CALLS", 5, true},   {"FAILED", 6, true},
    {"RESTARTS", 8, true},  {"UP", 7, true},       {"PID", 7, true},     {"REASON", 6, false},
};
static const top_column top_dropped[] = {TOP_FAILED, TOP_CALLS, TOP_RESTARTS, TOP_HEALTH, TOP_PID, TOP_REASON,
                                         TOP_UP, TOP_MEMORY, TOP_CPU, TOP_RATE, TOP_STATE}; // the first goes first

/* ---- cells */

static const char *top_up(char *out, size_t cap, double ms)
{
    unsigned long s = (unsigned long)(ms / 1000);
    if (ms < 0) {
        (void)snprintf(out, cap, "-");
    } else if (s < 60) {
        (void)snprintf(out, cap, "%lus", s);
    } else if (s < 3600) {
        (void)snprintf(out, cap, "%lum %02lus", s / 60, s % 60);
    } else if (s < 48 * 3600) {
        (void)snprintf(out, cap, "%luh %02lum", s / 3600, s / 60 % 60);
    } else {
        (void)snprintf(out, cap, "%lud %02luh", s / 86400, s / 3600 % 24);
    }
    return out;
}

/* Three digits are enough for people. */
static const char *top_number(char *out, size_t cap, double value)
{
    if (value < 0) {
        (void)snprintf(out, cap, "-");
    } else if (value > 0 && value < 99.95) {
        (void)snprintf(out, cap, "%.1f", value);
    } else {
        (void)snprintf(out, cap, "%.0f", value);
    }
    return out;
}

static term_style top_state_style(const top_row *r)
{
    static const char *const bad[] = {"failed", "rejected"}, *const warn[] = {"degraded", "backoff"},
                             *const moving[] = {"starting", "stopping", "draining", "probing", "found"};
    for (size_t i = 0; i < 2; i++) {
        if (pk_str_is(r->status, bad[i]) || pk_str_is(r->status, warn[i])) {
            return pk_str_is(r->status, bad[i]) ? TERM_BAD : TERM_WARN;
        }
    }
    for (size_t i = 0; i < sizeof(moving) / sizeof(*moving); i++) {
        if (pk_str_is(r->status, moving[i])) {
            return TERM_BOLD;
        }
    }
    return pk_str_is(r->status, "ready") || pk_str_is(r->status, "built in") ? TERM_GOOD : TERM_DIM;
}

static term_style top_health_style(const top_row *r)
{
    return pk_str_is(r->health, "healthy")     ? TERM_GOOD
           : pk_str_is(r->health, "degraded")  ? TERM_WARN
           : pk_str_is(r->health, "unhealthy") ? TERM_BAD
                                               : TERM_DIM;
}

static pk_str top_cell(const top_row *r, top_column column, char *buf, size_t cap, term_style *style)
{
    uint64_t restarts = r->starts > 1 ? r->starts - 1 : 0;
    *style = TERM_PLAIN;
    switch (column) {
    case TOP_ID: *style = TERM_NAME; return r->id;
    case TOP_STATE: *style = top_state_style(r); return r->status;
    case TOP_HEALTH:
        *style = top_health_style(r);
        return r->health.len ? r->health : PK_STR("-");
    case TOP_CPU: (void)top_number(buf, cap, r->cpu); break;
    case TOP_MEMORY: (void)(r->has_process ? term_bytes(buf, cap, r->memory) : top_number(buf, cap, -1)); break;
    case TOP_RATE: (void)top_number(buf, cap, r->rate); break;
    case TOP_CALLS: (void)snprintf(buf, cap, "%llu", (unsigned long long)r->calls); break;
    case TOP_FAILED:
        *style = r->failures ? TERM_WARN : TERM_PLAIN;
        (void)snprintf(buf, cap, "%llu", (unsigned long long)r->failures);
        break;
    case TOP_RESTARTS:
        *style = restarts ? TERM_WARN : TERM_PLAIN;
        (void)snprintf(buf, cap, "%llu", (unsigned long long)restarts);
        break;
    case TOP_UP: (void)top_up(buf, cap, r->up_ms); break;
    case TOP_PID: (void)snprintf(buf, cap, r->pid ? "%lld" : "-", (long long)r->pid); break;
    case TOP_REASON:
        *style = top_state_style(r) == TERM_BAD ? TERM_BAD : TERM_PLAIN;
        return happening_short(r->reason, r->id);
    case TOP_COLUMNS: break;
    }
    if (strcmp(buf, "-") == 0 || strcmp(buf, "0") == 0) {
        *style = TERM_DIM;
    }
    return pk_str_from(buf);
}

/* ---- lines that end at the edge */

typedef struct top_pen {
    FILE *file;
    size_t left, width; // columns of this line
    size_t lines, most; // begun; most 0 = no limit
} top_pen;

static void top_put(top_pen *p, term_style style, pk_str text)
{
    pk_str shown = term_cut(text, p->left);
    term_put(p->file, style, shown);
    p->left -= term_columns(shown);
}

static void top_pad(top_pen *p, size_t columns)
{
    columns = columns < p->left ? columns : p->left;
    fprintf(p->file, "%*s", (int)columns, "");
    p->left -= columns;
}

static void top_say(top_pen *p, term_style style, const char *format, ...) PK_PRINTF(3, 4);
static void top_say(top_pen *p, term_style style, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    top_put(p, style, pk_str_from(text));
}

static void top_end(top_pen *p)
{
    fputc('\n', p->file);
    p->left = p->width;
    p->lines++;
}

/* ---- the table */

typedef struct top_layout {
    bool shown[TOP_COLUMNS];
    size_t widths[TOP_COLUMNS];
} top_layout;

static size_t top_layout_sum(const top_layout *l)
{
    size_t sum = 0;
    for (int c = 0; c < TOP_COLUMNS; c++) {
        size_t width = c == TOP_REASON && l->widths[c] > TOP_REASON_LEAST ? TOP_REASON_LEAST : l->widths[c];
        sum += l->shown[c] ? width + (c > 0 ? TOP_GAP : 0) : 0;
    }
    return sum;
}

static void top_lay_out(top_layout *l, const top_snapshot *s, size_t width)
{
    char buf[64];
    term_style style;
    bool has_reason = false;
    for (int c = 0; c < TOP_COLUMNS; c++) {
        l->shown[c] = true;
        l->widths[c] = strlen(top_columns[c].heading);
        l->widths[c] = l->widths[c] > top_columns[c].least ? l->widths[c] : top_columns[c].least;
        for (size_t i = 0; i < s->count; i++) {
            size_t columns = term_columns(top_cell(&s->rows[i], (top_column)c, buf, sizeof(buf), &style));
            l->widths[c] = columns > l->widths[c] ? columns : l->widths[c];
            has_reason = has_reason || (c == TOP_REASON && columns > 0);
        }
    }
    l->shown[TOP_REASON] = has_reason;
    for (size_t i = 0; i < sizeof(top_dropped) / sizeof(*top_dropped) && top_layout_sum(l) > width; i++) {
        l->shown[top_dropped[i]] = false;
    }
}

static void top_draw_cell(top_pen *p, const top_layout *l, top_column c, term_style style, pk_str text)
{
    size_t columns = term_columns(text);
    size_t room = l->widths[c] > columns ? l->widths[c] - columns : 0;
    top_pad(p, c > 0 ? TOP_GAP : 0);
    top_pad(p, top_columns[c].right ? room : 0);
    if (c == TOP_REASON && columns > p->left && p->left > 3) {
        p->left -= 3;
        top_put(p, style, text);
        p->left += 3;
        text = PK_STR("...");
    }
    top_put(p, style, text);
    top_pad(p, top_columns[c].right || c == TOP_REASON ? 0 : room);
}

static void top_draw_head(top_pen *p, const top_layout *l)
{
    for (int c = 0; c < TOP_COLUMNS; c++) {
        if (l->shown[c]) {
            top_draw_cell(p, l, (top_column)c, TERM_DIM, pk_str_from(top_columns[c].heading));
        }
    }
    top_end(p);
}

static void top_draw_row(top_pen *p, const top_layout *l, const top_row *r)
{
    char buf[64];
    for (int c = 0; c < TOP_COLUMNS; c++) {
        if (l->shown[c] && (c != TOP_REASON || r->reason.len > 0)) {
            term_style style;
            pk_str text = top_cell(r, (top_column)c, buf, sizeof(buf), &style);
            top_draw_cell(p, l, (top_column)c, style, text);
        }
    }
    top_end(p);
}

/* ---- what stands around it */

static void top_draw_counts(top_pen *p, const top_snapshot *s)
{
    static const char *const words[] = {"ready",    "built in", "degraded", "starting", "stopping", "draining",
                                        "probing",  "found",    "backoff",  "failed",   "rejected", "stopped",
                                        "disabled"};
    const char *separator = ": ";
    top_say(p, TERM_BOLD, "%zu plugin%s", s->count, s->count == 1 ? "" : "s");
    for (size_t w = 0; w < sizeof(words) / sizeof(*words); w++) {
        size_t count = 0, at = 0;
        for (size_t i = 0; i < s->count; i++) {
            bool same = pk_str_is(s->rows[i].status, words[w]);
            count += same;
            at = same ? i : at;
        }
        if (count > 0) {
            top_say(p, TERM_PLAIN, "%s", separator);
            top_say(p, top_state_style(&s->rows[at]), "%zu %s", count, words[w]);
            separator = ", ";
        }
    }
}

static void top_draw_sums(top_pen *p, const top_snapshot *s)
{
    char text[32];
    double cpu = 0, rate = 0;
    uint64_t memory = 0;
    bool known = false;
    for (size_t i = 0; i < s->count; i++) {
        cpu += s->rows[i].cpu > 0 ? s->rows[i].cpu : 0;
        rate += s->rows[i].rate > 0 ? s->rows[i].rate : 0;
        memory += s->rows[i].memory;
        known = known || s->rows[i].rate >= 0;
    }
    if (known) {
        top_say(p, TERM_DIM, "   %s calls/s", top_number(text, sizeof(text), rate));
        top_say(p, TERM_DIM, "   %s %% cpu", top_number(text, sizeof(text), cpu));
    }
    if (memory) {
        top_say(p, TERM_DIM, "   %s", term_bytes(text, sizeof(text), memory));
    }
}

static void top_draw_title(top_pen *p, const top_snapshot *s, const top_view *v)
{
    char up[32];
    top_say(p, TERM_BOLD, "host %lld", (long long)v->pid);
    top_say(p, TERM_PLAIN, "  up %s", top_up(up, sizeof(up), s->at_ns ? s->up_ms : -1));
    top_say(p, TERM_DIM, "   %s", v->command);
    top_end(p);
    if (v->trouble) {
        top_say(p, TERM_BAD, "%s", v->trouble);
    } else {
        top_draw_counts(p, s);
        top_draw_sums(p, s);
    }
    top_end(p);
}

static void top_draw_event(top_pen *p, const happening *h)
{
    char clock[24];
    pk_mem mem = {0};
    top_say(p, TERM_DIM, "%s  ", happening_clock(h, true, clock));
    top_say(p, TERM_NAME, "%-12" PK_FMT, PK_ARG(h->plugin));
    top_say(p, happening_style(h), "  %-9" PK_FMT " ", PK_ARG(happening_word(h)));
    top_put(p, TERM_PLAIN, happening_short(happening_text(h, &mem), h->plugin));
    top_end(p);
    pk_mem_free(&mem);
}

/* The newest that fit, the newest last. */
static void top_draw_events(top_pen *p, const top_snapshot *s, size_t room)
{
    size_t count = s->event_count < room - 1 ? s->event_count : room - 1;
    top_end(p);
    for (size_t i = s->event_count - count; i < s->event_count; i++) {
        top_draw_event(p, &s->events[i]);
    }
}

static void top_draw_foot(top_pen *p, const top_snapshot *s, const top_view *v, size_t rows)
{
    static const char *const names[][3] = {
        {"", "n", "ame"}, {"", "c", "pu"}, {"", "m", "emory"}, {"", "r", "ate"}, {"re", "s", "tarts"}};
    while (p->lines + 1 < p->most) {
        top_end(p);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        bool is_order = (size_t)v->order == i;
        for (int part = 0; part < 3; part++) { // the key stands out
            top_say(p, is_order ? TERM_BOLD : part == 1 ? TERM_NAME : TERM_DIM, "%s", names[i][part]);
        }
        top_pad(p, 2);
    }
    top_say(p, TERM_NAME, "q");
    top_say(p, TERM_DIM, "uit");
    if (rows < s->count) {
        top_say(p, TERM_DIM, "   %zu-%zu of %zu, arrows move", v->first + 1, v->first + rows, s->count);
    }
    top_end(p);
}

void top_draw(FILE *file, const top_snapshot *s, top_view *v, size_t width, size_t height)
{
    top_pen p = {file, width, width, 0, height};
    top_layout l;
    bool has_title = height == 0 || height >= 5, has_gap = height == 0 || height >= 8;
    bool has_head = height == 0 || height >= 3, has_foot = height >= 8;
    size_t around = (has_title ? 2u : 0u) + has_gap + has_head + has_foot;
    size_t room = height == 0 ? s->count : height - around;
    size_t rows = s->count < room ? s->count : room;
    v->first = v->first + rows > s->count ? s->count - rows : v->first;
    top_lay_out(&l, s, width);
    if (has_title) {
        top_draw_title(&p, s, v);
    }
    if (has_gap) {
        top_end(&p);
    }
    if (has_head) {
        top_draw_head(&p, &l);
    }
    for (size_t i = 0; i < rows; i++) {
        top_draw_row(&p, &l, &s->rows[v->first + i]);
    }
    if (has_foot && room - rows > 2 && s->event_count > 0) {
        top_draw_events(&p, s, room - rows);
    }
    if (has_foot) {
        top_draw_foot(&p, s, v, rows);
    }
}

/* ---- for programs */

void top_print_plain(const top_snapshot *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const top_row *r = &s->rows[i];
        char cpu[32], rate[32], memory[32], up[32];
        (void)snprintf(cpu, sizeof(cpu), r->cpu < 0 ? "-" : "%.1f", r->cpu);
        (void)snprintf(rate, sizeof(rate), r->rate < 0 ? "-" : "%.1f", r->rate);
        (void)snprintf(memory, sizeof(memory), r->has_process ? "%llu" : "-", (unsigned long long)r->memory);
        (void)snprintf(up, sizeof(up), r->up_ms < 0 ? "-" : "%.3f", r->up_ms / 1000);
        term_put(stdout, TERM_PLAIN, r->id);
        const char *health = r->health.len ? r->health.ptr : "-";
        printf("\t%.*s\t%s\t%s\t%s\t%s\t%llu\t%llu\t%llu\t%s\t%lld\t", PK_ARG(r->status), health, cpu, memory, rate,
               (unsigned long long)r->calls, (unsigned long long)r->failures,
               (unsigned long long)(r->starts > 1 ? r->starts - 1 : 0), up, (long long)r->pid);
        term_put(stdout, TERM_PLAIN, r->reason);
        fputc('\n', stdout);
    }
    fflush(stdout);
}

static void top_put_number(pk_json_writer *w, const char *key, double value, bool known)
{
    pk_json_put_key(w, key);
    if (known) {
        pk_json_put_double(w, (double)(int64_t)(value * 1000) / 1000);
    } else {
        pk_json_put_null(w);
    }
}

static void top_put_count(pk_json_writer *w, const char *key, uint64_t value, bool known)
{
    pk_json_put_key(w, key);
    if (known) {
        pk_json_put_uint(w, value);
    } else {
        pk_json_put_null(w);
    }
}

static void top_put_row(pk_json_writer *w, const top_row *r)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "id");
    pk_json_put_str(w, r->id);
    pk_json_put_key(w, "status");
    pk_json_put_str(w, r->status);
    pk_json_put_key(w, "health");
    pk_json_put_text(w, r->health.len ? r->health.ptr : NULL);
    pk_json_put_key(w, "reason");
    pk_json_put_text(w, r->reason.len ? r->reason.ptr : NULL);
    top_put_count(w, "pid", (uint64_t)r->pid, r->pid > 0);
    top_put_number(w, "cpu", r->cpu, r->cpu >= 0);
    top_put_count(w, "memory", r->memory, r->has_process);
    top_put_number(w, "callsPerSecond", r->rate, r->rate >= 0);
    top_put_count(w, "calls", r->calls, true);
    top_put_count(w, "failures", r->failures, true);
    top_put_count(w, "inFlight", r->in_flight, true);
    top_put_count(w, "restarts", r->starts > 1 ? r->starts - 1 : 0, true);
    top_put_number(w, "upMs", r->up_ms, r->up_ms >= 0);
    pk_json_put_end(w);
}

void top_print_json(const top_snapshot *s)
{
    info_json j;
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    info_put_kind(&j.w, "top");
    pk_json_put_key(&j.w, "host");
    pk_json_put_object(&j.w);
    top_put_count(&j.w, "pid", (uint64_t)s->pid, s->pid > 0);
    top_put_number(&j.w, "upMs", s->up_ms, true);
    pk_json_put_end(&j.w);
    pk_json_put_key(&j.w, "plugins");
    pk_json_put_array(&j.w);
    for (size_t i = 0; i < s->count; i++) {
        top_put_row(&j.w, &s->rows[i]);
    }
    pk_json_put_end(&j.w);
    pk_json_put_end(&j.w);
    (void)info_json_line(&j);
}
