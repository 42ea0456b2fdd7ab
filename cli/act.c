/* act.c - plugkit start, stop, restart, enable, disable: a wish for each plugin that is named, and what came of it. */
#include <poll.h>
#include <string.h>

#include "command.h"
#include "info.h"
#include "remote.h"
#include "table.h"

typedef struct act_result {
    const char *id;
    pk_str status, reason; // of the plugin, afterwards; "" if it failed
    pk_error err;
} act_result;

/* Is it so near to a plugin's name that it was meant? Asks the host. */
static const char *act_near(remote *r, const char *id)
{
    args_near n = {id, NULL, 0};
    pk_reply reply = {0};
    const pk_json_value *doc = NULL;
    if (remote_call(r, "GET /plugins", REMOTE_QUICK_MS, &reply, NULL) == PK_OK &&
        pk_json_parse(&r->mem, reply.body.bytes, &doc, NULL) == PK_OK) {
        const pk_json_value *all = pk_json_get(doc, "plugins");
        for (const pk_json_value *p = pk_json_first(all); p; p = pk_json_next(all, p)) {
            args_near_try(&n, pk_json_str(pk_json_get(p, "id")).ptr);
        }
    }
    pk_mem_free(&reply.mem);
    return n.best;
}

static void act_one(remote *r, act_result *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    char http[160];
    pk_reply reply = {0};
    const pk_json_value *doc = NULL;
    if (strlen(out->id) > 64 || out->id[strspn(out->id, letters)] != '\0' || out->id[0] == '\0') {
        (void)pk_error_set(&out->err, PK_ERR_NOT_FOUND, "there is no plugin '%s'", out->id);
    } else {
        (void)snprintf(http, sizeof(http), "POST /plugins/%s/%s", out->id, r->args->command->name);
        if (remote_call(r, http, r->args->timeout_ms, &reply, &out->err) == PK_OK &&
            pk_json_parse(&r->mem, reply.body.bytes, &doc, &out->err) == PK_OK) {
            out->status = pk_json_str(pk_json_get(doc, "status"));
            out->reason = pk_json_str(pk_json_at(doc, "/reason/message"));
        }
    }
    if (out->err.code == PK_ERR_NOT_FOUND) {
        const char *near = act_near(r, out->id);
        if (near) {
            (void)pk_error_set(&out->err, PK_ERR_NOT_FOUND, "there is no plugin '%s': did you mean '%s'?", out->id,
                               near);
        }
    }
    pk_mem_free(&reply.mem);
}

static void act_print_json(const act_result *all, size_t count)
{
    info_json j;
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    pk_json_put_key(&j.w, "plugins");
    pk_json_put_array(&j.w);
    for (size_t i = 0; i < count; i++) {
        pk_json_put_object(&j.w);
        pk_json_put_key(&j.w, "id");
        pk_json_put_text(&j.w, all[i].id);
        pk_json_put_key(&j.w, "status");
        pk_json_put_text(&j.w, all[i].status.len ? all[i].status.ptr : NULL);
        pk_json_put_key(&j.w, "error");
        pk_json_put_error(&j.w, &all[i].err);
        pk_json_put_end(&j.w);
    }
    pk_json_put_end(&j.w);
    pk_json_put_end(&j.w);
    (void)info_json_end(&j);
}

/* What went well is a line on stdout, what did not one on stderr. */
static void act_print(const act_result *one)
{
    static const char *const headings[] = {"", "", ""};
    table t;
    if (one->err.code) {
        fputs("plugkit: ", stderr);
        term_text(stderr, TERM_PLAIN, one->err.msg);
        fputc('\n', stderr);
        return;
    }
    pk_plugin_info info = {.status = one->status};
    table_init(&t, headings, one->reason.len ? 3 : 2);
    t.headings = NULL;
    table_add_text(&t, TERM_NAME, one->id);
    table_add(&t, info_style(&info), one->status);
    if (one->reason.len) {
        table_add(&t, TERM_PLAIN, one->reason);
    }
    table_print(&t, stdout);
    table_free(&t);
    fflush(stdout);
}

static int act_each(remote *r)
{
    const args *a = r->args;
    size_t bad = 0, missing = 0;
    act_result *all = (act_result *)pk_mem_zero(&r->mem, a->rest_count * sizeof(*all));
    if (!all) {
        return session_complain(a, EXIT_FAILED, "cannot %s plugins: out of memory", a->command->name);
    }
    for (size_t i = 0; i < a->rest_count; i++) {
        all[i].id = a->rest[i];
        act_one(r, &all[i]);
        if (session_is_interrupted(&r->s)) {
            return EXIT_INTERRUPTED;
        }
        if (!a->json) {
            act_print(&all[i]);
        }
        bad += all[i].err.code != PK_OK;
        missing += all[i].err.code == PK_ERR_NOT_FOUND;
    }
    if (a->json) {
        act_print_json(all, a->rest_count);
    }
    return bad == 0 ? EXIT_GOOD : bad == missing ? EXIT_NOTHING : EXIT_FAILED;
}

/* ---- the host itself */

/* Asks it to stop, and waits until it lets nobody in any more. */
static int act_host(remote *r)
{
    pk_reply reply = {0};
    pk_error err = {0};
    pk_err rc = remote_call(r, "POST /stop", REMOTE_QUICK_MS, &reply, &err);
    pk_mem_free(&reply.mem);
    if (rc) {
        return session_report(&r->s, &err);
    }
    int64_t until = r->args->timeout_ms ? pk_now_ns() + (int64_t)r->args->timeout_ms * 1000000 : PK_FOREVER;
    while (hosts_is_alive(r->host.socket) && !session_is_interrupted(&r->s)) {
        struct pollfd wake = {session_fd(&r->s), POLLIN, 0};
        (void)poll(&wake, 1, 20);
        if (pk_now_ns() > until) {
            return session_complain(r->args, EXIT_FAILED, "the host %lld is still stopping", (long long)r->host.pid);
        }
    }
    if (r->args->json) {
        info_json j;
        info_json_begin(&j);
        pk_json_put_object(&j.w);
        pk_json_put_key(&j.w, "host");
        pk_json_put_int(&j.w, r->host.pid);
        pk_json_put_key(&j.w, "status");
        pk_json_put_text(&j.w, "stopped");
        pk_json_put_end(&j.w);
        (void)info_json_end(&j);
    } else {
        printf(term_is_rich() ? "host %lld  stopped\n" : "%lld\tstopped\n", (long long)r->host.pid);
    }
    return EXIT_GOOD;
}

int act_run(const args *a)
{
    remote r = {0};
    if (a->everything == (a->rest_count > 0)) {
        fprintf(stderr, "plugkit: '%s' needs %s\n  use:  plugkit %s %s\n", a->command->name,
                a->everything ? "either names of plugins or --everything" : "the name of a plugin", a->command->name,
                a->command->synopsis);
        return EXIT_USAGE;
    }
    int status = remote_open(&r, a);
    if (!status) {
        status = a->everything ? act_host(&r) : act_each(&r);
    }
    return remote_close(&r, status);
}
