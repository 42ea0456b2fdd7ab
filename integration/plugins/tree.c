/* tree.c - a plugin that starts processes and forgets them: one that ignores signals, and one that is stopped.
 * Compiled with -DHANGS=1 it never gets to serve anything. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"

#include "data_processor.h"

#ifndef HANGS
#define HANGS 0 // 1: its start never ends
#endif

#include <signal.h>
#include <unistd.h>

static pk_err formats(const data_processor *self, pk_ctx *ctx, const pk_none *request, formats_response *response,
                      pk_error *err)
{
    (void)self, (void)ctx, (void)request, (void)response, (void)err;
    return PK_OK;
}

static pk_err process(const data_processor *self, pk_ctx *ctx, const process_request *request,
                      process_response *response, pk_error *err)
{
    (void)self, (void)ctx, (void)request, (void)response;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot process anything: it only stands there");
}

static void sit(int is_stopped)
{
    for (int number = 1; number < 32; number++) {
        (void)signal(number, SIG_IGN);
    }
    if (is_stopped) {
        (void)raise(SIGSTOP);
    }
    for (;;) {
        pause();
    }
}

static pk_err on_start(void *user, pk_sdk *p, pk_error *err)
{
    (void)user, (void)p, (void)err;
    for (int i = 0; i < 2; i++) {
        if (fork() == 0) {
            sit(i);
        }
    }
    while (HANGS) {
        pause();
    }
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const data_processor object = {.process = process, .formats = formats};
    static const pk_service service = {&data_processor_contract, "tree", &object, PK_STR_INIT("")};
    static const pk_sdk_desc desc = {.id = "tree", .services = &service, .service_count = 1, .on_start = on_start};
    return pk_sdk_main(argc, argv, &desc);
}
