/* happening.c - lines of GET /events. */
#include "happening.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

bool happening_read(pk_mem *mem, pk_str line, happening *out)
{
    const pk_json_value *doc = NULL;
    memset(out, 0, sizeof(*out));
    if (pk_json_parse(mem, line, &doc, NULL)) {
        return false;
    }
    out->kind = pk_json_str(pk_json_get(doc, "kind"));
    out->time = pk_json_str(pk_json_get(doc, "time"));
    out->event = pk_json_str(pk_json_get(doc, "event"));
    out->plugin = pk_json_str(pk_json_get(doc, "plugin"));
    out->from = pk_json_str(pk_json_get(doc, "from"));
    out->to = pk_json_str(pk_json_get(doc, "to"));
    out->reason = pk_json_str(pk_json_at(doc, "/reason/message"));
    out->pid = pk_json_int(pk_json_get(doc, "pid"), 0);
    out->start_ms = pk_json_double(pk_json_get(doc, "startMs"), 0);
    out->count = pk_json_uint(pk_json_get(doc, "count"), 0);
    return pk_str_is(out->kind, "event") || pk_str_is(out->kind, "dropped");
}

const char *happening_clock(const happening *h, bool short_form, char out[24])
{
    struct tm utc, local;
    int ms = 0;
    memset(&utc, 0, sizeof(utc));
    if (h->time.len < 23 || sscanf(h->time.ptr, "%4d-%2d-%2dT%2d:%2d:%2d.%3d", &utc.tm_year, &utc.tm_mon, &utc.tm_mday,
                                   &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &ms) != 7) {
        (void)snprintf(out, 24, "%s", short_form ? "--:--:--" : "--:--:--.---");
        return out;
    }
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    time_t at = timegm(&utc);
    (void)localtime_r(&at, &local);
    size_t len = strftime(out, 24, "%H:%M:%S", &local);
    if (!short_form) {
        (void)snprintf(out + len, 24 - len, ".%03d", ms);
    }
    return out;
}

pk_str happening_word(const happening *h)
{
    pk_str module, word;
    if (pk_str_is(h->kind, "dropped")) {
        return PK_STR("missed");
    }
    if (pk_str_is(h->from, "probing") && pk_str_is(h->to, "stopped")) {
        return PK_STR("known");
    }
    return pk_str_cut(h->event, '.', &module, &word) ? word : h->event;
}

pk_str happening_text(const happening *h, pk_mem *mem)
{
    char time[24];
    if (pk_str_is(h->kind, "dropped")) {
        return pk_mem_printf(mem, "%llu events are missing here: they came faster than they were read",
                             (unsigned long long)h->count);
    }
    if (h->reason.len > 0) {
        return h->reason;
    }
    if (pk_str_is(h->event, "plugin.ready") && h->pid > 0) {
        return pk_mem_printf(mem, "pid %lld, started in %s", (long long)h->pid,
                             term_time(time, sizeof(time), (int64_t)(h->start_ms * 1e6)));
    }
    return pk_str_is(h->event, "manager.stopped") ? PK_STR("the host, with everything") : PK_STR("");
}

pk_str happening_short(pk_str text, pk_str plugin)
{
    static const char *const before[] = {"the plugin '", "plugin '"};
    static const char *const after[] = {"' is degraded: ", "' is ", "' "};
    for (size_t i = 0; i < 2; i++) {
        size_t at = strlen(before[i]);
        if (!pk_str_starts(text, pk_str_from(before[i])) || text.len < at + plugin.len ||
            memcmp(text.ptr + at, plugin.ptr, plugin.len) != 0) {
            continue;
        }
        pk_str rest = {text.ptr + at + plugin.len, text.len - at - plugin.len};
        for (size_t k = 0; k < 3; k++) {
            if (pk_str_starts(rest, pk_str_from(after[k]))) {
                rest.ptr += strlen(after[k]);
                rest.len -= strlen(after[k]);
                return rest;
            }
        }
    }
    return text;
}

term_style happening_style(const happening *h)
{
    if (pk_str_is(h->to, "rejected") || pk_str_is(h->to, "failed")) {
        return TERM_BAD;
    }
    if (h->reason.len > 0 || pk_str_is(h->kind, "dropped")) {
        return TERM_WARN;
    }
    return pk_str_is(h->event, "plugin.ready") || pk_str_is(h->event, "plugin.recovered") ? TERM_GOOD : TERM_PLAIN;
}
