/* echo.c - the plugin that calls are measured with. Built with PLUGKIT_TEST it counts what it asks of the system. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"

#include "../echo.h"

#ifndef ECHO_SPIN_US
#define ECHO_SPIN_US 0
#endif

static pk_err echo_run(const echo *self, pk_ctx *ctx, const echo_request *request, echo_response *response,
                       pk_error *err)
{
    (void)self, (void)ctx, (void)err;
    return echo_answer(request, response);
}

static pk_err echo_count(const echo *self, pk_ctx *ctx, const pk_none *request, echo_counts *response, pk_error *err)
{
    (void)self, (void)ctx, (void)request, (void)err;
#ifdef PLUGKIT_TEST
    response->system_calls = pk__sys_count.all;
    response->clock_readings = pk__sys_count.clock_gettime;
#else
    (void)response;
#endif
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const echo object = {.echo = echo_run, .counts = echo_count};
    static const pk_service service = {&echo_contract, "echo", &object, PK_STR_INIT("")};
    static const pk_sdk_desc plugin = {.id = "echo", .services = &service, .service_count = 1,
                                       .spin_us = ECHO_SPIN_US};

    return pk_sdk_main(argc, argv, &plugin);
}
