/* awake_plugin.c - doubles numbers, after a nap, and does not sleep at once between requests: .spin_us. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"
#include "awake.h"

static pk_err twice(const awake *self, pk_ctx *ctx, const awake_number *req, awake_number *resp, pk_error *err)
{
    (void)self, (void)ctx, (void)err;
    if (req->nap_ms > 0) {
        struct timespec nap = {req->nap_ms / 1000, req->nap_ms % 1000 * 1000000L};
        (void)nanosleep(&nap, NULL);
    }
    resp->number = 2 * req->number;
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const awake impl = {.twice = twice};
    static const pk_service service = {&awake_contract, "plugin", &impl, {NULL, 0}};
    static const pk_sdk_desc desc = {.id = "awake", .services = &service, .service_count = 1, .spin_us = SPIN_US,
                                     .workers = WORKERS};
    return pk_sdk_main(argc, argv, &desc);
}
