/* json.c - a data processor that checks JSON and prints it prettily. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include "../../../contracts/data_processor.h"

enum { INDENT = 2, INDENT_MAX = 8 };

/* Writes a value with the writer: as deep as the reader goes, which has a limit. */
static void put(pk_json_writer *w, const pk_json_value *v)
{
    pk_json_type type = pk_json_type_of(v);
    switch (type) {
    case PK_JSON_OBJECT:
    case PK_JSON_ARRAY:
        if (type == PK_JSON_OBJECT) {
            pk_json_put_object(w);
        } else {
            pk_json_put_array(w);
        }
        for (const pk_json_value *i = pk_json_first(v); i; i = pk_json_next(v, i)) {
            if (type == PK_JSON_OBJECT) {
                pk_json_put_key_str(w, pk_json_key(i));
            }
            put(w, i);
        }
        pk_json_put_end(w);
        break;
    case PK_JSON_STRING: pk_json_put_str(w, pk_json_str(v)); break;
    case PK_JSON_NUMBER: pk_json_put_raw(w, pk_json_number_text(v)); break; // as it was written: 1.0 stays 1.0
    case PK_JSON_BOOL: pk_json_put_bool(w, pk_json_bool(v, false)); break;
    default: pk_json_put_null(w); break;
    }
}

static pk_err read_indent(const process_request *request, pk_mem *mem, unsigned *indent, pk_error *err)
{
    *indent = INDENT;
    for (size_t i = 0; i < request->config.count; i++) {
        const pk_json_value *v = NULL;
        if (!pk_str_is(request->config.keys[i], "indent")) {
            continue;
        }
        pk_err rc = pk_json_parse(mem, request->config.values[i], &v, err);
        uint64_t wanted = pk_json_uint(v, INDENT_MAX + 1);
        if (rc || wanted > INDENT_MAX) {
            return pk_error_set(err, PK_ERR_PARSE, "cannot print: 'indent' must be 0 to %d, not %" PK_FMT, INDENT_MAX,
                                PK_ARG(request->config.values[i]));
        }
        *indent = (unsigned)wanted;
    }
    return PK_OK;
}

static pk_err pretty(const data_processor *self, pk_ctx *ctx, const process_request *request,
                     process_response *response, pk_error *err)
{
    const pk_json_value *doc = NULL;
    unsigned indent = 0;
    pk_json_writer w;
    pk_buf out;
    (void)self;
    (void)ctx;
    pk_err rc = read_indent(request, &response->mem, &indent, err);
    if (!rc) {
        rc = pk_json_parse(&response->mem, request->data, &doc, err); // its error tells line and column
    }
    if (rc) {
        return rc;
    }
    pk_buf_init(&out, response->mem.alloc, (size_t)64 << 20);
    pk_json_write(&w, &out);
    w.indent = indent;
    put(&w, doc);
    rc = pk_json_finish(&w, err);
    (void)pk_buf_add_char(&out, '\n');
    response->data = pk_mem_dup(&response->mem, pk_buf_str(&out));
    if (!rc && (out.failed || !response->data.ptr)) {
        rc = pk_error_set(err, PK_ERR_NO_MEMORY, "cannot print: out of memory");
    }
    pk_buf_free(&out);
    response->has_format = true;
    response->format = PK_STR("application/json");
    return rc;
}

static pk_err list_formats(const data_processor *self, pk_ctx *ctx, const pk_none *request, formats_response *response,
                           pk_error *err)
{
    static pk_str formats[] = {PK_STR_INIT("application/json")};
    (void)self;
    (void)ctx;
    (void)request;
    (void)err;
    response->formats.items = formats;
    response->formats.count = 1;
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const data_processor impl = {.process = pretty, .formats = list_formats};
    static const pk_service service = {&data_processor_contract, "json-pretty", &impl, PK_STR_INIT("")};
    static const pk_sdk_desc desc = {
        .id = "json",
        .version = "1.0.0",
        .description = "checks JSON and prints it prettily",
        .services = &service,
        .service_count = 1,
    };

    return pk_sdk_main(argc, argv, &desc);
}
