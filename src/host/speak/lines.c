/* lines.c - calls as JSON lines. */
#include "lines.h"

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"

enum { PK__LINES_BODY_MAX = 8 * 1024 * 1024 };

#define PK__LINES_ANSWER(F, T)                                                                                \
    F(T, REQ, uint64_t, id, "id")                                                                             \
    F(T, OPT, int32_t, status, "status")                                                                      \
    F(T, OPT, pk_json, body, "body")                                                                          \
    F(T, OPT, pk_str, error, "error")
PK_STRUCT(pk__lines_answer, PK__LINES_ANSWER)
#undef PK__LINES_ANSWER

typedef struct pk__lines_item { // a->state
    pk__node node;
    pk_attempt *attempt;
    uint64_t id;
    pk_buf line;
} pk__lines_item;

typedef struct pk__lines {
    pk__lines_link *link;
    uint64_t last_id;
    pk__node waiting;
    pk__lines_item *asked; // sent, not answered
} pk__lines;

static pk_err pk__lines_open(void *user, pk_loop *loop, const pk_endpoint *endpoint, void **channel, pk_error *err)
{
    pk__lines_link *link = (pk__lines_link *)endpoint->link;
    (void)user;
    (void)loop;
    if (!link) {
        return pk_error_set(err, PK_ERR_BAD_ENDPOINT, "cannot call by lines: the plugin has no control socket");
    }
    pk__lines *l = (pk__lines *)pk__new(link->alloc, sizeof(*l));
    if (!l) {
        return pk__error_memory(err, "open a channel");
    }
    l->link = link;
    pk__list_init(&l->waiting);
    link->channel = l;
    *channel = l;
    return PK_OK;
}

static void pk__lines_close(void *channel)
{
    pk__lines *l = (pk__lines *)channel;
    l->link->channel = NULL;
    pk__free(l->link->alloc, l, sizeof(*l));
}

static void pk__lines_drop(pk__lines *l, pk__lines_item *item)
{
    pk__list_remove(&item->node);
    if (l->asked == item) {
        l->asked = NULL;
    }
    item->attempt->state = NULL;
    pk_buf_free(&item->line);
    pk__free(l->link->alloc, item, sizeof(*item));
}

static void pk__lines_next(pk__lines *l)
{
    while (!l->asked && !pk__list_is_empty(&l->waiting)) {
        pk_error why;
        pk__lines_item *item = PK__OF(pk__list_pop(&l->waiting), pk__lines_item, node);
        l->asked = item;
        item->attempt->sent = PK_SENT_MAYBE;
        if (l->link->send(l->link->user, pk_buf_str(&item->line), &why) == PK_OK) {
            return;
        }
        pk_attempt *a = item->attempt;
        a->sent = PK_SENT_NO;
        pk__lines_drop(l, item);
        why.code = PK_ERR_PLUGIN_CONNECTION;
        pk_attempt_end(a, &why);
    }
}

/* The request's body as one line of JSON: what is outside of strings may hold line breaks, what is inside may not. */
static pk_err pk__lines_body(pk_attempt *a, pk_buf *line, pk_error *err)
{
    size_t start = line->len;
    for (;;) {
        size_t got = 0;
        if (!pk_buf_reserve(line, 4096)) {
            return pk_error_set(err, (pk_err)line->failed, "cannot call by lines: the request is too large");
        }
        pk_err rc = pk_attempt_read(a, line->ptr + line->len, line->cap - line->len, &got, err);
        if (rc) {
            return rc;
        }
        if (got == 0) {
            break;
        }
        line->len += got;
    }
    pk_str body = {line->ptr + start, line->len - start};
    if (body.len == 0) {
        (void)pk_buf_add(line, PK_STR("null"));
        return PK_OK;
    }
    pk_err rc = pk_json_check(body, err);
    if (rc) {
        pk__error_wrap(err, "cannot call by lines: the request is not JSON");
        return rc;
    }
    for (size_t i = start; i < line->len; i++) {
        if (line->ptr[i] == '\n' || line->ptr[i] == '\r') {
            line->ptr[i] = ' ';
        }
    }
    return PK_OK;
}

static pk_err pk__lines_write(pk__lines_item *item, pk_error *err)
{
    const pk_attempt *a = item->attempt;
    pk_json_writer w;
    (void)pk_buf_printf(&item->line, "{\"id\":%llu,\"call\":", (unsigned long long)item->id);
    pk_str call = pk_mem_printf(a->ctx->mem, "%" PK_FMT " %" PK_FMT, PK_ARG(a->verb), PK_ARG(a->path));
    pk_json_write(&w, &item->line);
    pk_json_put_str(&w, call);
    (void)pk_buf_add(&item->line, PK_STR(",\"type\":"));
    pk_json_write(&w, &item->line);
    pk_json_put_str(&w, a->type);
    (void)pk_buf_add(&item->line, PK_STR(",\"body\":"));
    pk_err rc = pk__lines_body(item->attempt, &item->line, err);
    (void)pk_buf_add(&item->line, PK_STR("}\n"));
    if (!rc && (!call.ptr || item->line.failed)) {
        rc = pk__error_memory(err, "write a call");
    }
    return rc;
}

static pk_err pk__lines_start(void *channel, pk_attempt *a, pk_error *err)
{
    pk__lines *l = (pk__lines *)channel;
    pk__lines_item *item = (pk__lines_item *)pk__new(l->link->alloc, sizeof(*item));
    if (!item) {
        return pk__error_memory(err, "start an attempt");
    }
    pk_mem scratch;
    memset(&scratch, 0, sizeof(scratch));
    scratch.alloc = l->link->alloc;
    item->attempt = a;
    item->id = ++l->last_id;
    pk_buf_init(&item->line, l->link->alloc, PK__LINES_BODY_MAX + 1024);
    pk_mem *outer = a->ctx->mem;
    a->ctx->mem = &scratch;
    pk_err rc = pk__lines_write(item, err);
    a->ctx->mem = outer;
    pk_mem_free(&scratch);
    if (rc) {
        pk_buf_free(&item->line);
        pk__free(l->link->alloc, item, sizeof(*item));
        return rc;
    }
    a->state = item;
    pk__list_push(&l->waiting, &item->node);
    pk__lines_next(l);
    return PK_OK;
}

static void pk__lines_cancel(void *channel, pk_attempt *a)
{
    pk__lines *l = (pk__lines *)channel;
    if (a->state) {
        pk__lines_drop(l, (pk__lines_item *)a->state); // its answer, if it comes, finds nobody
        pk__lines_next(l);
    }
}

static void pk__lines_interrupt(void *channel)
{
    pk__lines *l = (pk__lines *)channel;
    for (;;) {
        pk__lines_item *item = l->asked;
        if (!item && !pk__list_is_empty(&l->waiting)) {
            item = PK__OF(l->waiting.next, pk__lines_item, node);
        }
        if (!item) {
            return;
        }
        pk_error why;
        pk_attempt *a = item->attempt;
        pk__lines_drop(l, item);
        (void)pk_error_set(&why, PK_ERR_PLUGIN_CONNECTION, "cannot finish the call: the plugin has gone");
        pk_attempt_end(a, &why);
    }
}

PK__FN void pk__lines_spoil(pk__lines_link *link, const pk_error *why)
{
    pk__lines *l = (pk__lines *)link->channel;
    if (l && l->asked) {
        pk_attempt *a = l->asked->attempt;
        pk_error told = *why;
        pk__lines_drop(l, l->asked);
        told.code = told.code == PK_ERR_LIMIT || told.code == PK_ERR_NO_MEMORY ? told.code : PK_ERR_PROTOCOL;
        pk_attempt_end(a, &told);
    }
}

/* Reports the answer to the attempt that waits for it. */
static void pk__lines_answer_to(pk__lines *l, const pk__lines_answer *answer)
{
    static const pk_meta type = {PK_STR_INIT("content-type"), PK_STR_INIT("application/json")};
    pk__lines_item *item = l->asked;
    if (!item || item->id != answer->id) {
        return;
    }
    int status = answer->has_status ? answer->status : answer->has_error ? 500 : 200;
    pk_error why;
    memset(&why, 0, sizeof(why));
    if (status < 200 || status > 599) {
        (void)pk_error_set(&why, PK_ERR_PROTOCOL, "cannot use its answer: %d is no status", status);
        pk__lines_spoil(l->link, &why);
        return;
    }
    pk_attempt *a = item->attempt;
    pk__lines_drop(l, item);
    pk_attempt_head(a, status, &type, 1);
    pk_str body = answer->has_error ? answer->error : answer->has_body ? answer->body : PK_STR("");
    pk_err rc = body.len ? pk_attempt_chunk(a, body, &why) : PK_OK;
    pk_attempt_end(a, rc && rc != PK_ERR_BUSY ? &why : NULL);
}

PK__FN void pk__lines_take(pk__lines_link *link, pk_str line)
{
    pk__lines *l = (pk__lines *)link->channel;
    pk_mem mem;
    pk__lines_answer answer;
    pk_error why;
    if (!l) {
        return;
    }
    pk_type named = pk_type_pk__lines_answer;
    named.name = "its answer"; // in errors
    memset(&mem, 0, sizeof(mem));
    mem.alloc = link->alloc;
    if (pk_json_decode(&mem, &named, line, &answer, &why) == PK_OK) {
        pk__lines_answer_to(l, &answer);
    } else {
        pk__lines_spoil(link, &why);
    }
    pk_mem_free(&mem);
    if (link->channel) {
        pk__lines_next(l);
    }
}

PK__FN const pk_dialect *pk__lines_dialect(void)
{
    static const pk_dialect dialect = {"lines", 0, pk__lines_open, pk__lines_start, NULL, NULL,
                                       pk__lines_cancel, pk__lines_interrupt, pk__lines_close, NULL};
    return &dialect;
}
