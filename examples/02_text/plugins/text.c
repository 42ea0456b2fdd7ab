/* text.c - three text processors in one plugin: "upper", "lower" and "wordcount". */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include "../../../contracts/data_processor.h"

#include <string.h>

/* ---- what the three have in common */

/* Fails for data that is no text. A format that was left out is taken for text. */
static pk_err check_text(const process_request *request, pk_error *err)
{
    const char *zero = request->data.len ? (const char *)memchr(request->data.ptr, '\0', request->data.len) : NULL;
    if (request->has_format && !pk_str_starts(request->format, PK_STR("text/"))) {
        return pk_error_set(err, PK_ERR_PARSE, "cannot process '%" PK_FMT "': only text/plain and text/markdown",
                            PK_ARG(request->format));
    }
    if (zero) {
        return pk_error_set(err, PK_ERR_PARSE, "cannot process the data: byte %lu is zero, so it is no text",
                            (unsigned long)(zero - request->data.ptr));
    }
    return PK_OK;
}

static pk_err list_formats(const data_processor *self, pk_ctx *ctx, const pk_none *request, formats_response *response,
                           pk_error *err)
{
    static pk_str formats[] = {PK_STR_INIT("text/plain"), PK_STR_INIT("text/markdown")};
    (void)self;
    (void)ctx;
    (void)request;
    (void)err;
    response->formats.items = formats;
    response->formats.count = sizeof(formats) / sizeof(formats[0]);
    return PK_OK;
}

/* ---- upper and lower: the letters A to Z; all others stay as they are, so UTF-8 stays UTF-8 */

static pk_err change_case(const process_request *request, process_response *response, char first, char last,
                          pk_error *err)
{
    pk_err rc = check_text(request, err);
    if (rc) {
        return rc;
    }
    char *out = (char *)pk_mem_get(&response->mem, request->data.len);
    if (!out) {
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot change the case: out of memory");
    }
    for (size_t i = 0; i < request->data.len; i++) {
        char c = request->data.ptr[i];
        out[i] = (char)(c >= first && c <= last ? c ^ 0x20 : c);
    }
    response->data.ptr = out;
    response->data.len = request->data.len;
    response->has_format = request->has_format;
    response->format = request->format; // a view of the request is fine: it lives until the answer is written
    return PK_OK;
}

static pk_err to_upper(const data_processor *self, pk_ctx *ctx, const process_request *request,
                       process_response *response, pk_error *err)
{
    (void)self;
    (void)ctx;
    return change_case(request, response, 'a', 'z', err);
}

static pk_err to_lower(const data_processor *self, pk_ctx *ctx, const process_request *request,
                       process_response *response, pk_error *err)
{
    (void)self;
    (void)ctx;
    return change_case(request, response, 'A', 'Z', err);
}

/* ---- wordcount: what `wc` prints, and the same as metadata */

enum { LINES, WORDS, BYTES, COUNTS };

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void count(pk_str text, unsigned long *counts)
{
    bool in_word = false;
    counts[BYTES] = (unsigned long)text.len;
    for (size_t i = 0; i < text.len; i++) {
        bool blank = is_blank(text.ptr[i]);
        counts[LINES] += text.ptr[i] == '\n';
        counts[WORDS] += !blank && !in_word;
        in_word = !blank;
    }
}

static pk_err word_count(const data_processor *self, pk_ctx *ctx, const process_request *request,
                         process_response *response, pk_error *err)
{
    static pk_str names[COUNTS] = {PK_STR_INIT("lines"), PK_STR_INIT("words"), PK_STR_INIT("bytes")};
    unsigned long counts[COUNTS] = {0};
    pk_err rc = check_text(request, err);
    (void)self;
    (void)ctx;
    if (rc) {
        return rc;
    }
    count(request->data, counts);
    response->data = pk_mem_printf(&response->mem, "%lu %lu %lu\n", counts[LINES], counts[WORDS], counts[BYTES]);
    response->has_format = true;
    response->format = PK_STR("text/plain");
    response->metadata.keys = names;
    response->metadata.values = (pk_json *)pk_mem_get(&response->mem, COUNTS * sizeof(pk_json));
    for (size_t i = 0; response->metadata.values && i < COUNTS; i++) {
        response->metadata.values[i] = pk_mem_printf(&response->mem, "%lu", counts[i]);
        response->metadata.count += response->metadata.values[i].ptr != NULL;
    }
    if (!response->data.ptr || response->metadata.count < COUNTS) {
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot count words: out of memory");
    }
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const data_processor upper = {.process = to_upper, .formats = list_formats};
    static const data_processor lower = {.process = to_lower, .formats = list_formats};
    static const data_processor wordcount = {.process = word_count, .formats = list_formats};
    static const pk_service services[] = {
        {&data_processor_contract, "upper", &upper, PK_STR_INIT("")},
        {&data_processor_contract, "lower", &lower, PK_STR_INIT("")},
        {&data_processor_contract, "wordcount", &wordcount, PK_STR_INIT("")},
    };
    static const pk_sdk_desc text = {
        .id = "text",
        .version = "1.0.0",
        .description = "letters in capitals or small, and how many words there are",
        .services = services,
        .service_count = sizeof(services) / sizeof(services[0]),
    };

    return pk_sdk_main(argc, argv, &text);
}
