/* two_way_host.c - calls a plugin that calls back. `own` lets the manager have its thread, `mine` steps a loop. */
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"
#include "two_way.h"
#include <stdio.h>
#include <string.h>

static pk_err say(const two_way *self, pk_ctx *ctx, const two_way_text *req, two_way_text *resp, pk_error *err)
{
    (void)self;
    resp->text = pk_mem_printf(&resp->mem, "%" PK_FMT "!", PK_ARG(req->text));
    resp->by = pk_mem_dup(&resp->mem, ctx->caller);
    resp->has_by = true;
    return resp->text.ptr ? PK_OK : pk_error_set(err, PK_ERR_NO_MEMORY, "cannot say it");
}

int main(int argc, char **argv)
{
    static const two_way impl = {.say = say};
    static const pk_service offer = {&two_way_contract, "host", &impl, {NULL, 0}};
    pk_manager_desc desc = {.plugin_dir = argc > 2 ? argv[2] : "plugins", .offers = &offer, .offer_count = 1};
    pk_manager *m = NULL;
    pk_loop *loop = NULL;
    pk_error err = {0};
    two_way plugin;
    if (argc > 1 && strcmp(argv[1], "mine") == 0) {
        pk_loop_create(&loop, NULL, &err);
        desc.loop = loop;
    }
    pk_err rc = pk_manager_create(&m, &desc, &err);
    rc = rc ? rc : pk_manager_start(m, &err);
    rc = rc ? rc : two_way_bind(&plugin, pk_manager_caller(m), PK_STR("plugin"), &err);
    for (int i = 0; !rc && i < 3; i++) {
        two_way_text req = {.text = PK_STR("hi")}, resp = {.text = {NULL, 0}};
        rc = plugin.say(&plugin, NULL, &req, &resp, &err);
        if (!rc) {
            printf("%" PK_FMT " by %" PK_FMT "\n", PK_ARG(resp.text), PK_ARG(resp.by));
        }
        pk_mem_free(&resp.mem);
    }
    if (rc) {
        printf("%s: %s\n", pk_err_name(rc), err.msg);
    }
    pk_manager_destroy(m);
    pk_loop_destroy(loop);
    return rc ? 1 : 0;
}
