/* two_way_plugin.c - asks its host for each answer: pk_sdk_host, from a handler. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"
#include "two_way.h"

static pk_sdk *sdk;

static pk_err say(const two_way *self, pk_ctx *ctx, const two_way_text *req, two_way_text *resp, pk_error *err)
{
    two_way host;
    (void)self;
    pk_err rc = two_way_bind(&host, pk_sdk_host(sdk), PK_STR("host"), err);
    return rc ? rc : host.say(&host, ctx, req, resp, err);
}

static pk_err on_start(void *user, pk_sdk *p, pk_error *err)
{
    (void)user;
    (void)err;
    sdk = p;
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const two_way impl = {.say = say};
    static const pk_service service = {&two_way_contract, "plugin", &impl, {NULL, 0}};
    static const pk_sdk_desc desc = {.id = "two-way", .services = &service, .service_count = 1, .on_start = on_start,
                                     .workers = WORKERS};
    return pk_sdk_main(argc, argv, &desc);
}
