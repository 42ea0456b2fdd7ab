/* counting.h - the analytics service: plain functions, whoever calls them.
 *
 * Included by plugins/analytics.c it becomes a process, included by host.c a part of the host. It needs one of the two
 * headers before it, and does not care which. */
#include "../../contracts/analytics.h"

#include <stdlib.h>

enum { CODE_POINTS = 0x110000, DEFAULT_TOP = 10 };

/* ---- UTF-8 */

/* The code point at text[at], and how many bytes it has; 0 bytes if what stands there is no UTF-8. */
static size_t decode_utf8(pk_str text, size_t at, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; // what needs so many bytes
    unsigned char first = (unsigned char)text.ptr[at];
    size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (size == 0 || size > text.len - at) {
        return 0;
    }
    *code = size == 1 ? first : first & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        unsigned char next = (unsigned char)text.ptr[at + i];
        if ((next & 0xc0U) != 0x80U) {
            return 0;
        }
        *code = *code << 6 | (next & 0x3fU);
    }
    return *code < least[size] || *code >= CODE_POINTS || (*code >= 0xd800 && *code < 0xe000) ? 0 : size;
}

/* ---- counting */

typedef struct histogram {
    uint32_t code;
    uint32_t count;
} histogram;

static bool is_space(uint32_t code)
{
    return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xa0 || code == 0x2028 ||
           code == 0x2029 || (code >= 0x2000 && code <= 0x200a) || code == 0x3000;
}

/* counts[code] is raised for each character. */
static void count_text(pk_str text, analyze_response *r, uint32_t *counts)
{
    bool in_word = false;
    uint64_t line = 0;
    r->bytes = text.len;
    for (size_t at = 0; at < text.len;) {
        uint32_t code = 0;
        size_t size = decode_utf8(text, at, &code);
        bool space = size > 0 && is_space(code);
        if (size == 0) {
            r->malformed++;
        } else {
            r->chars++;
            counts[code]++;
        }
        r->words += !space && !in_word;
        in_word = !space;
        line = code == '\n' ? 0 : line + (size > 0);
        r->lines += code == '\n';
        r->longest_line = line > r->longest_line ? line : r->longest_line;
        at += size ? size : 1;
    }
    r->lines += text.len > 0 && text.ptr[text.len - 1] != '\n';
}

static int by_count(const void *a, const void *b)
{
    const histogram *x = (const histogram *)a, *y = (const histogram *)b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : (x->code > y->code) - (x->code < y->code);
}

/* The characters that occur, the most frequent first. *count: in, the most wanted; out, how many there are. */
static histogram *rank(const uint32_t *counts, size_t *count, pk_mem *mem)
{
    size_t distinct = 0;
    for (uint32_t code = 0; code < CODE_POINTS; code++) {
        distinct += counts[code] > 0;
    }
    histogram *all = (histogram *)pk_mem_get(mem, (distinct + 1) * sizeof(*all));
    if (!all) {
        return NULL;
    }
    distinct = 0;
    for (uint32_t code = 0; code < CODE_POINTS; code++) {
        if (counts[code] > 0) {
            all[distinct].code = code;
            all[distinct++].count = counts[code];
        }
    }
    qsort(all, distinct, sizeof(*all), by_count);
    *count = distinct < *count ? distinct : *count;
    return all;
}

static pk_str encode_utf8(uint32_t code, pk_mem *mem)
{
    char out[4];
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6) {
        out[i] = (char)(0x80U | (code & 0x3fU));
    }
    out[0] = (char)(size == 1 ? code : (0xf00U >> size & 0xffU) | code);
    return pk_mem_dup(mem, (pk_str){out, size});
}

/* ---- the service */

static pk_err analyze(const analytics *self, pk_ctx *ctx, const analyze_request *request, analyze_response *response,
                      pk_error *err)
{
    size_t top = request->has_top ? request->top : DEFAULT_TOP;
    (void)self;
    (void)ctx;
    if (request->data.len > UINT32_MAX) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot analyze the text: it is larger than 4 GiB");
    }
    /* 4 MiB, of which the kernel gives what is used. */
    uint32_t *counts = (uint32_t *)calloc(CODE_POINTS, sizeof(*counts));
    if (!counts) {
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot analyze the text: out of memory");
    }
    count_text(request->data, response, counts);
    histogram *ranked = rank(counts, &top, &response->mem);
    free(counts);
    response->characters.items = (character_count *)pk_mem_get(&response->mem, (top + 1) * sizeof(character_count));
    for (size_t i = 0; ranked && response->characters.items && i < top; i++) {
        character_count *c = &response->characters.items[i];
        c->character = encode_utf8(ranked[i].code, &response->mem);
        c->count = ranked[i].count;
        response->characters.count += c->character.ptr != NULL;
    }
    if (!ranked || !response->characters.items || response->characters.count < top) {
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot analyze the text: out of memory");
    }
    return PK_OK;
}

static const analytics counting = {.analyze = analyze};
