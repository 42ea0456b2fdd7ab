/* happenings.c - GET /events: a line of JSON for each, first what is remembered, then (follow=1) what comes.
 *
 * `last=N` leaves all but N of the remembered ones out. Each reader has a queue; see admin.h for what happens when it
 * is full. Everything here runs on the loop's thread. */
#include "admin.h"
#ifdef PLUGKIT_WITH_ADMIN
#include "../../base/memory.h"
#include "../../base/error.h"
#include "../../wire/number.h"
#include "../../wire/url.h"

#include <string.h>

enum { PK__ADMIN_DROPPED_LINE = 128 }; // room that such a line always finds enough

/* A line goes in whole or not at all. */
static bool pk__admin_add(pk_buf *to, pk_str line)
{
    bool fits = pk_buf_reserve(to, line.len) && pk_buf_add(to, line);
    to->failed = 0; // for want of memory this one is lost, and no other
    return fits;
}

static void pk__admin_tell_dropped(pk__admin_reader *r)
{
    pk_json_writer w;
    pk_buf *line = &r->admin->line;
    pk_buf_clear(line);
    pk_json_write(&w, line);
    pk__admin_put_dropped(&w, r->dropped);
    bool known = pk_json_finish(&w, NULL) == PK_OK && pk_buf_add_char(line, '\n');
    if (known && pk__admin_add(&r->lines, pk_buf_str(line))) {
        r->dropped = 0;
    }
}

/* ---- a request */

static pk_err pk__admin_read(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    pk__admin_reader *r = (pk__admin_reader *)user;
    (void)err;
    if (r->lines.len == 0 && r->dropped > 0) {
        pk__admin_tell_dropped(r);
    }
    *got = PK__MIN(cap, r->lines.len);
    if (*got > 0) {
        memcpy(buf, r->lines.ptr, *got);
        pk_buf_drop(&r->lines, *got);
    }
    return *got > 0 || !r->follows || r->admin->is_over ? PK_OK : PK_ERR_BUSY;
}

static void pk__admin_read_done(void *user)
{
    pk__admin_reader *r = (pk__admin_reader *)user;
    pk__list_remove(&r->node);
    pk_buf_free(&r->lines);
    pk__free(r->admin->alloc, r, sizeof(*r));
}

/* The last `count` lines of the past. */
static pk_str pk__admin_last(const pk__admin *a, uint64_t count)
{
    pk_str past = pk_buf_str(&a->past);
    size_t at = past.len;
    for (uint64_t lines = 0; at > 0; at--) {
        lines += past.ptr[at - 1] == '\n';
        if (lines > count) {
            break;
        }
    }
    pk_str last = {past.ptr + at, past.len - at};
    return last;
}

static pk_err pk__admin_query(pk_str query, bool *follows, uint64_t *last, pk_error *err)
{
    pk_str name, value;
    while (pk__url_query_next(&query, &name, &value)) {
        if (pk_str_is(name, "follow")) {
            *follows = !pk_str_is(value, "0");
        } else if (pk_str_is(name, "last") && !pk__number_to_uint(value, last)) {
            return pk_error_set(err, PK_ERR_PARSE, "cannot read 'last': it takes a number of events");
        }
    }
    return PK_OK;
}

PK__FN pk_err pk__admin_events(void *user, const pk_request *q, pk_response *answer, pk_error *err)
{
    pk__admin *a = (pk__admin *)user;
    uint64_t last = UINT64_MAX;
    bool follows = false;
    pk_err rc = pk__admin_query(q->query, &follows, &last, err);
    if (rc) {
        return rc;
    }
    pk__admin_reader *r = (pk__admin_reader *)pk__new(a->alloc, sizeof(*r));
    if (!r) {
        return pk__error_memory(err, "tell the events");
    }
    r->admin = a;
    r->ctx = q->ctx;
    r->follows = follows;
    pk_buf_init(&r->lines, a->alloc, PK__ADMIN_QUEUE);
    pk__list_push(&a->readers, &r->node);
    pk_str past = pk__admin_last(a, last);
    if (past.len > 0 && !pk__admin_add(&r->lines, past)) {
        pk__admin_read_done(r);
        return pk__error_memory(err, "tell the events");
    }
    answer->body.read = pk__admin_read;
    answer->body.user = r;
    answer->body.content_type = PK_STR("application/x-ndjson");
    answer->done = pk__admin_read_done;
    answer->user = r;
    return PK_OK;
}

/* ---- an event */

static void pk__admin_remember(pk__admin *a, pk_str line)
{
    while (a->past.len > 0 && a->past.len + line.len > PK__ADMIN_PAST) {
        const char *end = (const char *)memchr(a->past.ptr, '\n', a->past.len);
        pk_buf_drop(&a->past, end ? (size_t)(end + 1 - a->past.ptr) : a->past.len);
    }
    (void)pk__admin_add(&a->past, line);
}

static void pk__admin_tell(pk__admin_reader *r, pk_str line)
{
    if (r->lines.len + PK__ADMIN_DROPPED_LINE + line.len > PK__ADMIN_QUEUE || r->dropped > 0) {
        r->dropped++; // until it has read what there is
    } else if (!pk__admin_add(&r->lines, line)) {
        r->dropped++;
    }
}

/* Sends what the peers take. One that has gone is freed on the way, and only that one: the rest is asked anew. */
static void pk__admin_push(pk__admin *a)
{
    pk__node told;
    pk__list_init(&told);
    for (pk__node *n; (n = pk__list_pop(&a->readers)) != NULL;) {
        pk__list_push(&told, n);
        pk_server_more(PK__OF(n, pk__admin_reader, node)->ctx);
    }
    for (pk__node *n; (n = pk__list_pop(&told)) != NULL;) {
        pk__list_push(&a->readers, n);
    }
}

PK__FN void pk__admin_on_event(void *user, const pk_event *event)
{
    pk__admin *a = (pk__admin *)user;
    pk_json_writer w;
    pk_plugin_info info;
    pk_mem mem;
    memset(&info, 0, sizeof(info));
    memset(&mem, 0, sizeof(mem));
    mem.alloc = a->alloc;
    if (event->plugin.id) {
        (void)pk_plugin_get(a->manager, event->plugin, &mem, &info, NULL);
    }
    pk_buf_clear(&a->line);
    pk_json_write(&w, &a->line);
    pk__admin_put_event(&w, event, &info);
    bool known = pk_json_finish(&w, NULL) == PK_OK && pk_buf_add_char(&a->line, '\n');
    pk_mem_free(&mem);
    pk_str line = pk_buf_str(&a->line);
    if (known) {
        pk__admin_remember(a, line);
    }
    for (pk__node *n = a->readers.next; n != &a->readers; n = n->next) {
        pk__admin_reader *r = PK__OF(n, pk__admin_reader, node);
        if (r->follows && known) {
            pk__admin_tell(r, line);
        } else if (r->follows) {
            r->dropped++;
        }
    }
    a->is_over = a->is_over || strcmp(event->name, "manager.stopped") == 0;
    pk__admin_push(a);
    if (a->is_over) {
        pk__admin_shut(a);
    }
}

#endif
