/* request.c - one call. */
#include "request.h"

#include <poll.h>
#include <string.h>

#include "command.h"
#include "fits.h"
#include "info.h"
#include "term.h"

/* ---- what it carries */

static int request_meta(request *r)
{
    const args *a = r->args;
    pk_meta *meta = (pk_meta *)pk_mem_zero(&r->mem, (a->meta.count + 1) * sizeof(*meta));
    if (!meta) {
        return session_complain(a, EXIT_FAILED, "cannot call: out of memory");
    }
    for (size_t i = 0; i < a->meta.count; i++) {
        if (!pk_str_cut(pk_str_from(a->meta.items[i]), '=', &meta[i].name, &meta[i].value) || meta[i].name.len == 0) {
            return session_complain(a, EXIT_USAGE, "cannot use --meta '%s': it should read NAME=VALUE",
                                    a->meta.items[i]);
        }
    }
    r->desc.ctx.meta = meta;
    r->desc.ctx.meta_count = a->meta.count;
    return EXIT_GOOD;
}

/* JSON on the command line, @FILE, or - for stdin. What is not JSON is found here, before a plugin is bothered. */
static int request_message(request *r, const char *text)
{
    pk_error err = {0};
    pk_str *bytes = &r->desc.body.bytes;
    bool is_file = text[0] == '@' || strcmp(text, "-") == 0;
    *bytes = pk_str_from(text);
    if (is_file && body_read_file(&r->mem, text[0] == '@' ? text + 1 : text, bytes, &err)) {
        return session_fail(r->args, &err);
    }
    if (!r->args->raw && !r->args->content_type && pk_json_check(*bytes, &err)) {
        return session_complain(r->args, EXIT_USAGE, "%s; --raw sends it nevertheless", err.msg);
    }
    return EXIT_GOOD;
}

static int request_body(request *r, const char *body)
{
    const args *a = r->args;
    pk_error err = {0};
    int status = EXIT_GOOD;
    if (a->upload) {
        r->has_source = true;
        if (body_open(&r->source, a->upload, session_fd(r->session), &r->desc.body, &err)) {
            return session_fail(a, &err);
        }
    } else if (body) {
        status = request_message(r, body);
    }
    if (a->upload || a->raw) {
        r->desc.body.content_type = PK_STR("application/octet-stream");
    }
    if (a->content_type) {
        r->desc.body.content_type = pk_str_from(a->content_type);
    }
    return status;
}

/* "POST /path" in the place of a method, as after --http. */
static bool request_is_http(const char *method)
{
    const char *blank = strchr(method, ' ');
    return blank && blank > method && blank[1] == '/';
}

int request_open(request *r, session *s, const args *a, const char *name, const char *method, const char *body)
{
    pk_error err = {0};
    memset(r, 0, sizeof(*r));
    r->session = s;
    r->args = a;
    r->desc.http = a->http;
    if (method && request_is_http(method)) {
        r->desc.http = method;
        method = NULL;
    } else if (method && method[0] == '/') {
        return session_complain(a, EXIT_USAGE, "cannot call '%s': it should read 'POST %s'", method, method);
    }
    int status = target_find(s, name, a->contract, method, &r->target);
    status = status ? status : request_meta(r);
    status = status ? status : request_body(r, body);
    status = status ? status : fits_check(r, method, body != NULL);
    if (status) {
        return status;
    }
    if (a->download) {
        r->has_sink = true;
        if (body_create(&r->sink, a->download, &err)) {
            return session_fail(a, &err);
        }
    }
    r->desc.plugin = r->target.plugin->id.ptr;
    r->desc.contract = r->target.contract;
    r->desc.type = r->target.type;
    r->desc.method = method;
    r->desc.ctx.timeout_ms = a->timeout_ms;
    r->desc.max_reply = (uint64_t)1 << 30;
    return EXIT_GOOD;
}

/* ---- the way there and back */

static void request_on_reply(void *user, pk_call call, pk_reply *reply, const pk_error *err)
{
    request *r = (request *)user;
    (void)call;
    pthread_mutex_lock(&r->session->lock);
    r->reply = *reply; // ours now
    memset(reply, 0, sizeof(*reply));
    if (err) {
        r->err = *err;
    }
    r->ended = true;
    pthread_mutex_unlock(&r->session->lock);
    session_wake(r->session);
}

/* on_chunk is given the same pointer as on_reply; the sink needs its own. */
static pk_err request_on_chunk(void *user, pk_str chunk, pk_error *err)
{
    return body_take(&((request *)user)->sink, chunk, err);
}

static bool request_has_ended(request *r)
{
    pthread_mutex_lock(&r->session->lock);
    bool ended = r->ended;
    pthread_mutex_unlock(&r->session->lock);
    return ended;
}

int request_run(request *r)
{
    pk_caller *caller = pk_manager_caller(r->session->manager);
    pk_call call = {0};
    int64_t began = pk_now_ns();
    r->desc.user = r;
    r->desc.on_reply = request_on_reply;
    r->desc.on_chunk = r->has_sink ? request_on_chunk : NULL;
    if (pk_caller_start(caller, &r->desc, &call, &r->err) == PK_OK) {
        struct pollfd wake = {session_fd(r->session), POLLIN, 0};
        while (!request_has_ended(r)) {
            (void)poll(&wake, 1, -1);
            session_rest(r->session);
            if (session_is_interrupted(r->session)) {
                (void)pk_caller_cancel(caller, call); // its outcome comes nevertheless
            }
        }
    }
    r->took_ns = pk_now_ns() - began;
    term_progress_end();
    if (r->has_sink && body_finish(&r->sink, r->err.code == PK_OK, r->err.code ? NULL : &r->err)) {
        r->has_sink = false;
    }
    return r->err.code ? EXIT_FAILED : EXIT_GOOD;
}

/* ---- what people see */

static void request_put_text(pk_json_writer *w, const char *key, const char *text)
{
    pk_json_put_key(w, key);
    pk_json_put_text(w, text);
}

/* The answer's body as JSON, as text, or in base64, whichever it can be; each under a name of its own. */
static void request_put_body(const request *r, pk_json_writer *w)
{
    pk_str bytes = r->reply.body.bytes;
    if (bytes.len == 0) {
        return;
    }
    if (pk_json_check(bytes, NULL) == PK_OK) {
        pk_json_put_key(w, "body");
        pk_json_put_raw(w, bytes);
        return;
    }
    pk_buf buf;
    pk_json_writer trial; // is it UTF-8?
    pk_buf_init(&buf, NULL, bytes.len * 6 + 64);
    pk_json_write(&trial, &buf);
    pk_json_put_str(&trial, bytes);
    bool utf8 = pk_json_finish(&trial, NULL) == PK_OK;
    pk_buf_free(&buf);
    pk_json_put_key(w, utf8 ? "text" : "base64");
    if (utf8) {
        pk_json_put_str(w, bytes);
    } else {
        pk_json_put_b64(w, bytes);
    }
}

void request_put(pk_json_writer *w, const request *r)
{
    request_put_text(w, "plugin", r->desc.plugin);
    request_put_text(w, "contract", r->desc.contract);
    request_put_text(w, "type", r->desc.type);
    request_put_text(w, "method", r->desc.method ? r->desc.method : r->desc.http);
    pk_json_put_key(w, "status");
    if (r->reply.status) {
        pk_json_put_int(w, r->reply.status);
    } else {
        pk_json_put_null(w);
    }
    pk_json_put_key(w, "headers");
    pk_json_put_object(w);
    for (size_t i = 0; i < r->reply.meta_count; i++) {
        pk_json_put_key_str(w, r->reply.meta[i].name);
        pk_json_put_str(w, r->reply.meta[i].value);
    }
    pk_json_put_end(w);
    request_put_body(r, w);
    if (r->has_sink) {
        request_put_text(w, "file", r->sink.path);
        pk_json_put_key(w, "bytes");
        pk_json_put_uint(w, r->sink.done);
    }
    info_put_ms(w, "durationMs", r->took_ns);
    pk_json_put_key(w, "error");
    pk_json_put_error(w, &r->err);
}

static void request_print_json(const request *r)
{
    info_json j;
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    request_put(&j.w, r);
    pk_json_put_end(&j.w);
    (void)info_json_end(&j);
}

static void request_print_rich(pk_str bytes, bool is_json)
{
    if (is_json) {
        term_json(stdout, bytes);
        return;
    }
    if (memchr(bytes.ptr, '\0', bytes.len)) {
        char size[24];
        term_format(stdout, TERM_DIM, "%s that are no text: --download FILE keeps them, --raw prints them",
                    term_bytes(size, sizeof(size), bytes.len));
        fputc('\n', stdout);
        return;
    }
    term_lines(stdout, bytes);
    fputs(bytes.ptr[bytes.len - 1] == '\n' ? "" : "\n", stdout);
}

static void request_print_text(const request *r)
{
    pk_str bytes = r->reply.body.bytes;
    char time[24], size[24];
    if (r->has_sink && r->sink.temporary[0]) {
        if (term_is_rich()) {
            term_format(stdout, TERM_DIM, "%s written to %s in %s", term_bytes(size, sizeof(size), r->sink.done),
                        r->sink.path, term_time(time, sizeof(time), r->took_ns));
            fputc('\n', stdout);
        }
        return;
    }
    if (bytes.len == 0) {
        return;
    }
    bool is_json = !r->args->raw && pk_json_check(bytes, NULL) == PK_OK;
    if (term_is_rich() && !r->args->raw) {
        request_print_rich(bytes, is_json);
        return;
    }
    fwrite(bytes.ptr, 1, bytes.len, stdout);
    fputs(is_json && bytes.ptr[bytes.len - 1] != '\n' ? "\n" : "", stdout);
}

int request_print(request *r)
{
    char time[24];
    if (session_is_interrupted(r->session)) {
        return EXIT_INTERRUPTED;
    }
    if (r->err.code) {
        fputs("plugkit: ", stderr);
        term_text(stderr, TERM_PLAIN, r->err.msg);
        fputc('\n', stderr);
    }
    if (r->args->json) {
        request_print_json(r);
    } else if (!r->err.code) {
        request_print_text(r);
    }
    if (r->args->verbose) {
        fprintf(stderr, "%s answered %d in %s\n", r->desc.plugin, r->reply.status,
                term_time(time, sizeof(time), r->took_ns));
    }
    return !r->err.code ? EXIT_GOOD : r->err.code == PK_ERR_PLUGIN_NOT_FOUND ? EXIT_NOTHING : EXIT_FAILED;
}

void request_close(request *r)
{
    if (r->has_source) {
        body_close(&r->source);
    }
    if (r->has_sink && r->sink.file) {
        (void)body_finish(&r->sink, false, NULL);
    }
    pk_mem_free(&r->reply.mem);
    pk_mem_free(&r->mem);
}
