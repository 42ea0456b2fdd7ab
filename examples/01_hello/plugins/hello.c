/* hello.c - a plugin that greets. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include "../greeter.h"

static pk_err greet(const greeter *self, pk_ctx *ctx, const greet_request *request, greet_response *response,
                    pk_error *err)
{
    (void)self;
    (void)ctx;
    if (request->name.len == 0) {
        return pk_error_set(err, PK_ERR_PARSE, "cannot greet '': a name is needed");
    }
    response->text = pk_mem_printf(&response->mem, "Hello, %" PK_FMT "!", PK_ARG(request->name));
    return response->text.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

int main(int argc, char **argv)
{
    static const greeter polite = {.greet = greet};
    static const pk_service service = {&greeter_contract, "polite", &polite, PK_STR_INIT("")};
    static const pk_sdk_desc hello = {.id = "hello", .services = &service, .service_count = 1};

    return pk_sdk_main(argc, argv, &hello);
}
