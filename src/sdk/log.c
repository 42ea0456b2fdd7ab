/* log.c - one JSON line on stderr for each record. */
#include "log.h"

#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "../os/clock.h"
#include "../os/fd.h"
#include "../rpc/service.h"
#include "../wire/utf8.h"

#ifndef PLUGKIT_NO_NET

static const char *pk__log_level(pk_log_level level)
{
    static const char *const names[] = {"INFO", "DEBUG", "INFO", "WARN", "ERROR"};
    return names[(unsigned)level < PK__COUNT(names) ? level : PK_LOG_DEFAULT];
}

static void pk__log_put_str(pk_json_writer *w, pk_str s, bool is_key)
{
    char clean[1024];
    if (!pk__utf8_valid(s)) {
        s.len = pk__error_clean(clean, sizeof(clean), s);
        s.ptr = clean;
    }
    if (is_key) {
        pk_json_put_key_str(w, s);
    } else {
        pk_json_put_str(w, s);
    }
}

static bool pk__log_write(pk_buf *buf, pk_log_level level, pk_str message, const pk_meta *fields, size_t count)
{
    pk_json_writer w;
    char now[PK__CLOCK_TEXT];
    pk_buf_clear(buf);
    pk_json_write(&w, buf);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "time");
    pk_json_put_text(&w, pk__clock_text(now));
    pk_json_put_key(&w, "level");
    pk_json_put_text(&w, pk__log_level(level));
    pk_json_put_key(&w, "msg");
    pk__log_put_str(&w, message, false);
    for (size_t i = 0; i < count; i++) {
        pk__log_put_str(&w, fields[i].name, true);
        pk__log_put_str(&w, fields[i].value, false);
    }
    pk_json_put_end(&w);
    return pk_json_finish(&w, NULL) == PK_OK && pk_buf_add_char(buf, '\n');
}

PK_API void pk_sdk_log(pk_log_level level, const char *message, const pk_meta *fields, size_t count)
{
    pk__service_scratch scratch;
    pk_buf buf;
    pk_str text = pk_str_from(message);
    pk__service_scratch_init(&scratch, NULL, &buf, PK__LOG_LINE_MAX);
    if (!pk__log_write(&buf, level, text, fields, count)) {
        text.len = PK__MIN(text.len, (size_t)256); // too long, or out of memory: this much fits into the scratch
        while (text.len && !pk__utf8_valid(text)) {
            text.len--; // not in the middle of a character
        }
        (void)pk__log_write(&buf, level, text, NULL, 0);
    }
    (void)pk__fd_write_all(2, pk_buf_str(&buf), NULL);
    pk_buf_free(&buf);
}

#endif
