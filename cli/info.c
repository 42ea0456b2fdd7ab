/* info.c - what lines of JSON begin and end with, and plugins in words. */
#include "info.h"

#include <string.h>
#include <sys/time.h>
#include <time.h>

bool info_is_skipped(const pk_plugin_info *p)
{
    return pk_str_is(p->status, "skipped");
}

bool info_is_good(const pk_plugin_info *p)
{
    return p->why.code == PK_OK;
}

term_style info_style(const pk_plugin_info *p)
{
    if (info_is_skipped(p)) {
        return TERM_DIM;
    }
    if (pk_str_is(p->status, "ready") || pk_str_is(p->status, "built in")) {
        return TERM_GOOD;
    }
    return info_is_good(p) ? TERM_PLAIN : pk_str_is(p->status, "degraded") ? TERM_WARN : TERM_BAD;
}

void info_put_ms(pk_json_writer *w, const char *key, int64_t ns)
{
    pk_json_put_key(w, key);
    pk_json_put_double(w, (double)(ns / 1000) / 1000.0);
}

void info_put_kind(pk_json_writer *w, const char *kind)
{
    char text[40];
    struct timeval now;
    struct tm parts;
    (void)gettimeofday(&now, NULL);
    (void)gmtime_r(&now.tv_sec, &parts);
    size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + len, sizeof(text) - len, ".%03dZ", (int)(now.tv_usec / 1000));
    pk_json_put_key(w, "time");
    pk_json_put_text(w, text);
    pk_json_put_key(w, "kind");
    pk_json_put_text(w, kind);
}

pk_str info_host_death(pk_mem *mem, const pk_plugin_info *p)
{
    static const struct {
        const char *level, *meaning;
    } all[] = {
        {"group", "ends, and kills its process group"},
        {"guardian", "a guardian kills its process group"},
        {"process", "the system kills it, not what it started"},
        {"asked", "ends if it heeds the end of its control socket"},
        {"survives", "goes on"},
        {"none", "goes on: nothing ends it"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (pk_str_is(p->host_death, all[i].level)) {
            return pk_mem_printf(mem, "%s: %s", all[i].level, all[i].meaning);
        }
    }
    return p->host_death;
}

pk_str info_services(pk_mem *mem, const pk_plugin_info *p, bool for_people)
{
    pk_buf buf;
    pk_buf_init(&buf, NULL, 1 << 20);
    for (size_t i = 0; i < p->service_count; i++) {
        pk_str contract = p->services[i].contract, type = p->services[i].type;
        if (!for_people) {
            (void)pk_buf_printf(&buf, "%s%" PK_FMT "/%" PK_FMT, i ? "," : "", PK_ARG(contract), PK_ARG(type));
        } else if (i > 0 && pk_str_eq(contract, p->services[i - 1].contract)) {
            (void)pk_buf_printf(&buf, ", %" PK_FMT, PK_ARG(type));
        } else {
            (void)pk_buf_printf(&buf, "%s%" PK_FMT ": %" PK_FMT, i ? "; " : "", PK_ARG(contract), PK_ARG(type));
        }
    }
    pk_str text = pk_mem_dup(mem, pk_buf_str(&buf));
    pk_buf_free(&buf);
    return text;
}

void info_json_begin(info_json *j)
{
    pk_buf_init(&j->buf, NULL, (size_t)1 << 30);
    pk_json_write(&j->w, &j->buf);
}

static bool info_json_write(info_json *j, bool indent)
{
    pk_error err = {0};
    bool good = pk_json_finish(&j->w, &err) == PK_OK;
    if (!good) {
        fprintf(stderr, "plugkit: cannot write JSON: %s\n", err.msg);
    } else if (indent) {
        term_json(stdout, pk_buf_str(&j->buf));
    } else {
        (void)pk_buf_add_char(&j->buf, '\n');
        fwrite(j->buf.ptr, 1, j->buf.len, stdout);
    }
    fflush(stdout);
    pk_buf_free(&j->buf);
    return good;
}

bool info_json_end(info_json *j)
{
    return info_json_write(j, term_is_rich());
}

bool info_json_line(info_json *j)
{
    return info_json_write(j, false);
}

void info_print_error(const pk_error *err, const char *kind)
{
    info_json j;
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    if (kind) {
        info_put_kind(&j.w, kind);
    }
    pk_json_put_key(&j.w, "error");
    pk_json_put_error(&j.w, err);
    pk_json_put_end(&j.w);
    (void)info_json_write(&j, !kind && term_is_rich());
}
