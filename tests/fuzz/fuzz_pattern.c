/* fuzz_pattern.c - regular expressions: the first line, and the rest as the text. Matching takes no more steps than
 * promised, and finds exactly what it finds from some position on when it may not look further. */
#define PLUGKIT_WITH_SCHEMA
#include "fuzz.h"

static bool looks_back(pk_str pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if (memchr("^bB", pattern.ptr[i], 3)) {
            return true; // perhaps, and then what stands before matters
        }
    }
    return false;
}

static int run(const pk_pattern *p, pk_str text)
{
    uint64_t most = (uint64_t)(p->count + (p->count + 63) / 64 + 1) * (text.len + 2), steps = most;
    int found = pk__pattern_run(p, text, &steps);
    MUST(found == 0 || found == 1);
    MUST(found == (int)pk_pattern_match(p, text));
    return found;
}

/* The same, anchored at each character in turn. */
static bool found_somewhere(const pk_pattern *anchored, pk_str text)
{
    while (run(anchored, text) == 0) {
        size_t len = text.len ? pk__utf8_len(text.ptr, text.ptr + text.len) : 0;
        if (text.len == 0) {
            return false;
        }
        text.ptr += len ? len : 1;
        text.len -= len ? len : 1;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    pk_str pattern = {(const char *)data, line ? (size_t)(line - data) : size};
    pk_str text = {(const char *)data + size, 0};
    pk_pattern *p = NULL, *anchored = NULL;
    pk_error err = {0};
    pk_mem mem = {0};
    if (line) {
        text.ptr = (const char *)line + 1;
        text.len = size - pattern.len - 1;
    }
    pk_err rc = pk_pattern_create(&p, pattern, NULL, &err);
    MUST(rc == PK_OK || rc == PK_ERR_PARSE || rc == PK_ERR_UNSUPPORTED || rc == PK_ERR_LIMIT);
    MUST((rc == PK_OK) == (p != NULL) && (rc == PK_OK || err.msg[0] != '\0'));
    MUST(pk__pattern_is_regex(pattern, NULL) == (rc == PK_ERR_PARSE ? PK_ERR_PARSE : PK_OK));
    if (rc == PK_OK) {
        int found = run(p, text);
        pk_str wrapped = pk_mem_printf(&mem, "^(?:%" PK_FMT ")", PK_ARG(pattern));
        if (!looks_back(pattern) && text.len < 200 && !memchr(pattern.ptr, '\0', pattern.len) &&
            pk_pattern_create(&anchored, wrapped, NULL, NULL) == PK_OK) {
            MUST(found == (int)found_somewhere(anchored, text));
        }
    }
    pk_pattern_destroy(p);
    pk_pattern_destroy(anchored);
    pk_mem_free(&mem);
    return 0;
}
