/* crc32.c - the checksum of zip, gzip and PNG, as eight hexadecimal digits. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include "../../../contracts/data_processor.h"

static uint32_t crc32_of(pk_str data)
{
    uint32_t crc = 0xffffffffU;
    for (size_t i = 0; i < data.len; i++) {
        crc ^= (unsigned char)data.ptr[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1U ? crc >> 1 ^ 0xedb88320U : crc >> 1;
        }
    }
    return crc ^ 0xffffffffU;
}

static pk_err checksum(const data_processor *self, pk_ctx *ctx, const process_request *request,
                       process_response *response, pk_error *err)
{
    (void)self;
    (void)ctx;
    response->data = pk_mem_printf(&response->mem, "%08lx\n", (unsigned long)crc32_of(request->data));
    response->has_format = true;
    response->format = PK_STR("text/plain");
    return response->data.ptr ? PK_OK : pk_error_set(err, PK_ERR_NO_MEMORY, "cannot add up: out of memory");
}

static pk_err list_formats(const data_processor *self, pk_ctx *ctx, const pk_none *request, formats_response *response,
                           pk_error *err)
{
    static pk_str any[] = {PK_STR_INIT("application/octet-stream")};
    (void)self;
    (void)ctx;
    (void)request;
    (void)err;
    response->formats.items = any;
    response->formats.count = 1;
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const data_processor impl = {.process = checksum, .formats = list_formats};
    static const pk_service service = {&data_processor_contract, "crc32", &impl, PK_STR_INIT("")};
    static const pk_sdk_desc desc = {
        .id = "crc32",
        .version = "1.0.0",
        .description = "adds up a checksum",
        .services = &service,
        .service_count = 1,
        .workers = 2, // threads: two files at a time
    };

    return pk_sdk_main(argc, argv, &desc);
}
