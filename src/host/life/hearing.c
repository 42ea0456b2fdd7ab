/* hearing.c - what a process prints and says. */
#include "hearing.h"

#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../net/address.h"

#ifndef PLUGKIT_NO_PROCESS

/* The last lines of stderr say best why a start failed. */
static void pk__hearing_tail(pk_launch *l, pk_str line)
{
    char clean[200];
    size_t add = pk__output_words(l->life->alloc, line, clean, sizeof(clean));
    size_t have = strlen(l->tail);
    if (add == 0) {
        return;
    }
    if (have + add + 4 > sizeof(l->tail)) {
        size_t drop = PK__MIN(have, have + add + 4 - sizeof(l->tail));
        while (drop < have && ((unsigned char)l->tail[drop] & 0xC0) == 0x80) {
            drop++; // not in the middle of a character
        }
        memmove(l->tail, l->tail + drop, have - drop + 1);
        have -= drop;
    }
    (void)snprintf(l->tail + have, sizeof(l->tail) - have, "%s%s", have ? " | " : "", clean);
}

static void pk__hearing_on_error_line(void *user, pk_str line)
{
    pk_launch *l = (pk_launch *)user;
    pk__hearing_tail(l, line);
    pk__output_log(l->life->alloc, l->life->desc->on_log, l->life->desc->user, "plugin.output",
                   pk_str_from(l->plugin->id), PK_STR("stderr"), line);
}

/* A framework plugin tells its address by a line on stdout; what else it prints there is output like any other. */
static bool pk__hearing_is_address(pk_str line)
{
    pk__address a;
    static const char *const forms[] = {"http://", "unix:", "tcp://"};
    if (pk_str_starts(line, PK_STR("http+unix://"))) {
        return true; // nothing else begins like that: if it is none, that is an error
    }
    if (line.len > 300) {
        return false;
    }
    bool form = line.len > 2 && (line.ptr[0] == '[' || (line.ptr[0] >= '0' && line.ptr[0] <= '9'));
    for (size_t i = 0; i < PK__COUNT(forms); i++) {
        form = form || pk_str_starts(line, pk_str_from(forms[i]));
    }
    return form && pk__address_parse(&a, line, NULL) == PK_OK && a.kind != PK__ADDRESS_OTHER;
}

static void pk__hearing_on_out_line(void *user, pk_str line)
{
    pk_launch *l = (pk_launch *)user;
    if (l->is_framework && l->step == PK__LAUNCH_STARTING && l->instance && !l->instance->channel &&
        pk__hearing_is_address(line)) {
        pk_error why;
        if (pk__launching_connect(l, "go-framework", line, "", &why)) {
            pk__launching_fail(l, &why);
        } else {
            pk__health_ask(l); // it is up when it answers
        }
        return;
    }
    pk__output_log(l->life->alloc, l->life->desc->on_log, l->life->desc->user, "plugin.output",
                   pk_str_from(l->plugin->id), PK_STR("stdout"), line);
}

static void pk__hearing_cut(pk_launch *l, const char *stream, uint64_t dropped)
{
    char text[120];
    (void)snprintf(text, sizeof(text), "a line on %s was cut after %lu bytes: %llu more are dropped", stream,
                   (unsigned long)PK__OUTPUT_LINE, (unsigned long long)dropped);
    pk__life_log(l->life, PK_LOG_WARN, "plugin.output_cut", l->plugin->id, text);
}

static void pk__hearing_on_out_cut(void *user, uint64_t dropped)
{
    pk__hearing_cut((pk_launch *)user, "stdout", dropped);
}

static void pk__hearing_on_error_cut(void *user, uint64_t dropped)
{
    pk__hearing_cut((pk_launch *)user, "stderr", dropped);
}

/* Also in the middle of a line without an end. */
static void pk__hearing_count_dropped(pk_launch *l)
{
    uint64_t dropped = l->out.dropped + l->err.dropped;
    if (dropped != l->dropped) {
        pk__registry_lock(l->life->registry);
        l->plugin->output_dropped += dropped - l->dropped;
        pk__registry_unlock(l->life->registry);
        l->dropped = dropped;
    }
}

static void pk__hearing_on_message(pk_launch *l, const pk__control_message *said)
{
    pk_error why;
    if (said->has_listening && !l->instance->channel) {
        const char *dialect = pk_str_starts(said->listening, PK_STR("lines:")) ? "lines" : "plugkit/1";
        if (pk__launching_connect(l, dialect, said->listening, l->instance->token, &why)) {
            pk__launching_fail(l, &why);
            return;
        }
    }
    l->is_ending = l->is_ending || (said->has_ending && said->ending);
    if (said->has_error) {
        char text[200];
        (void)pk__error_clean(text, sizeof(text), said->error);
        (void)pk_error_set(&why, PK_ERR_START, l->step != PK__LAUNCH_STARTING ? "the plugin '%s' gave up: %s"
                                               : l->kept                      ? "cannot adopt '%s': %s"
                                                                              : "cannot start '%s': %s",
                           l->plugin->id, text);
        if (said->has_code) {
            (void)pk__error_clean(why.app_code, sizeof(why.app_code), said->code);
        }
        pk__lines_spoil(&l->link, &why);
        pk__launching_fail(l, &why);
    } else if (said->has_ready && said->ready && l->instance->channel) {
        pk__keeper_up(l->keeper);
    } else if (said->has_ready && said->ready) {
        (void)pk_error_set(&why, PK_ERR_PROTOCOL,
                           "cannot start '%s': it says that it is ready, but not where it listens", l->plugin->id);
        pk__launching_fail(l, &why);
    } else if (said->has_health && l->instance) {
        pk__health_reported(l, &said->health);
    }
}

static void pk__hearing_on_control_line(pk_launch *l, pk_str line)
{
    pk__control_message said;
    pk_error why;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = l->life->alloc;
    if (pk__control_read(&mem, line, &said, &why)) {
        pk__lines_take(&l->link, line); // whoever waits for an answer learns that this was none
        pk__error_wrap(&why, "cannot understand the plugin '%s'", l->plugin->id);
        pk__launching_fail(l, &why);
        pk_mem_free(&mem);
        return;
    }
    l->has_spoken = true;
    if (said.has_id) {
        pk__lines_take(&l->link, line);
    } else {
        pk__hearing_on_message(l, &said);
    }
    pk_mem_free(&mem);
}

static void pk__hearing_on_control(pk_launch *l, pk_str bytes)
{
    pk_error why;
    pk_str line;
    if (!l->instance || l->step >= PK__LAUNCH_KILLED) {
        return; // a probe has nothing to say there
    }
    pk_err rc = pk__control_lines_feed(&l->control, bytes, &why);
    while (!rc && l->step < PK__LAUNCH_KILLED) {
        rc = pk__control_lines_next(&l->control, &line, &why);
        if (!rc && !line.ptr) {
            return;
        }
        if (!rc) {
            pk__hearing_on_control_line(l, line);
        }
    }
    if (rc) {
        pk__lines_spoil(&l->link, &why);
        pk__error_wrap(&why, "cannot understand the plugin '%s'", l->plugin->id);
        pk__launching_fail(l, &why);
    }
}

static pk_err pk__hearing_send(void *user, pk_str bytes, pk_error *err)
{
    pk_launch *l = (pk_launch *)user;
    if (!l->launcher || !l->launcher->send || !l->state || l->step >= PK__LAUNCH_EXITED) {
        return pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "cannot write to '%s': it has no control socket",
                            l->plugin->id);
    }
    return l->launcher->send(l->state, bytes, err);
}

PK_API void pk_launch_output(pk_launch *l, pk_stream stream, pk_str bytes)
{
    if (stream == PK_STREAM_CONTROL) {
        pk__hearing_on_control(l, bytes);
        return;
    }
    if (stream == PK_STREAM_ERR) {
        pk__output_add(&l->err, bytes);
    } else if (l->instance) {
        pk__output_add(&l->out, bytes);
    } else if (l->failure.code == PK_OK && !pk_buf_add(&l->printed, bytes)) {
        pk_error why;
        (void)pk_error_set(&why, PK_ERR_LIMIT, "cannot use the capabilities of '%s': it prints more than 1 MiB",
                           l->plugin->id);
        pk__launching_fail(l, &why);
    }
    pk__hearing_count_dropped(l);
}

PK__FN void pk__hearing_init(pk_launch *l)
{
    const pk_alloc *alloc = l->life->alloc;
    l->link.alloc = alloc;
    l->link.send = pk__hearing_send;
    l->link.user = l;
    pk__output_init(&l->out, alloc, PK__OUTPUT_LINE, pk__hearing_on_out_line, l);
    pk__output_init(&l->err, alloc, PK__OUTPUT_LINE, pk__hearing_on_error_line, l);
    l->out.on_cut = pk__hearing_on_out_cut;
    l->err.on_cut = pk__hearing_on_error_cut;
    pk__control_lines_init(&l->control, alloc, PK__CONTROL_START_MAX); // answers in lines mode are large
    pk_buf_init(&l->printed, alloc, PK__LIFE_PROBE_MAX);
}

PK__FN void pk__hearing_end(pk_launch *l)
{
    pk__output_end(&l->out);
    pk__output_end(&l->err);
}

PK__FN void pk__hearing_deinit(pk_launch *l)
{
    pk__output_deinit(&l->out);
    pk__output_deinit(&l->err);
    pk__control_lines_deinit(&l->control);
    pk_buf_free(&l->printed);
}

#else // nothing is started, so nothing is heard

PK__FN void pk__hearing_init(pk_launch *l)
{
    (void)l;
}

PK__FN void pk__hearing_end(pk_launch *l)
{
    (void)l;
}

PK__FN void pk__hearing_deinit(pk_launch *l)
{
    (void)l;
}

#endif
