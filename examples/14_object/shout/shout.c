/* shout.c - one source, three kinds of plugin: nothing in it says which. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include "../shouter.h"

static char mark = '!'; // "shout" in the configuration has another one

static pk_err shout(const shouter *self, pk_ctx *ctx, const shout_request *request, shout_response *response,
                    pk_error *err)
{
    (void)self, (void)ctx;
    if (request->text.len == 0) {
        return pk_error_set(err, PK_ERR_PARSE, "cannot shout '': a text is needed");
    }
    char *text = (char *)pk_mem_get(&response->mem, request->text.len + 1);
    if (!text) {
        return PK_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < request->text.len; i++) {
        char c = request->text.ptr[i];
        text[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    text[request->text.len] = mark;
    response->text.ptr = text;
    response->text.len = request->text.len + 1;
    return PK_OK;
}

static pk_err configure(void *user, pk_str type, pk_json data, pk_error *err)
{
    (void)user, (void)type;
    if (data.len != 3 || data.ptr[0] != '"') {
        return pk_error_set(err, PK_ERR_CONFIG, "the mark should be one character, not %" PK_FMT, PK_ARG(data));
    }
    mark = data.ptr[1];
    return PK_OK;
}

static const shouter object = {.shout = shout};
static const pk_service service = {&shouter_contract, "loud", &object, PK_STR_INIT("")};
static const char *const config_types[] = {"shout", NULL};
static const pk_sdk_desc desc = {
    .id = "shout",
    .version = "1.0.0",
    .services = &service,
    .service_count = 1,
    .config_types = config_types,
    .on_config = configure,
};

PK_PLUGIN(desc)
