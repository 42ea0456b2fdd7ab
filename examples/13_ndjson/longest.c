/* longest.c - reads lines of JSON on stdin, and writes the longest visit of each page as lines of JSON. */
#define PLUGKIT_STATIC
#define PLUGKIT_WITH_JSON_TOOLS
#define PLUGKIT_IMPLEMENTATION
#include "../../plugkit.h"
#include <stdio.h>

#define VISIT(F, T)                          \
    F(T, REQ, pk_str, page, "page")          \
    F(T, DEFAULT("0s"), pk_ns, took, "took")
PK_STRUCT(visit, VISIT)

typedef struct report {
    pk_json_stream stream;
    pk_mem mem; // of the pages that are kept
    visit pages[1000];
    size_t count, bad;
} report;

static pk_err on_visit(void *user, void *in, pk_error *err)
{
    report *r = (report *)user;
    const visit *v = (const visit *)in; // until we return
    size_t i = 0;
    while (i < r->count && !pk_str_eq(r->pages[i].page, v->page)) {
        i++;
    }
    if (i == sizeof(r->pages) / sizeof(r->pages[0])) {
        return pk_error_set(err, PK_ERR_LIMIT, "cannot count '%" PK_FMT "': there are too many pages", PK_ARG(v->page));
    }
    if (i == r->count) {
        visit first = {pk_mem_dup(&r->mem, v->page), v->took};
        if (!first.page.ptr) {
            return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot count any more: out of memory");
        }
        r->pages[r->count++] = first;
    }
    r->pages[i].took = v->took > r->pages[i].took ? v->took : r->pages[i].took;
    return PK_OK;
}

static pk_err on_bad(void *user, const pk_error *why, pk_error *err)
{
    (void)err;
    ((report *)user)->bad++;
    fprintf(stderr, "left out: %s\n", why->msg);
    return PK_OK; // go on with the next line
}

static pk_err read_visits(report *r, pk_error *err)
{
    char bytes[4096]; // lines may be longer
    pk_str piece = {bytes, 0};
    pk_err rc = PK_OK;
    while (rc == PK_OK && (piece.len = fread(bytes, 1, sizeof(bytes), stdin)) > 0) {
        rc = pk_json_stream_read(&r->stream, piece, err);
    }
    return rc ? rc : pk_json_stream_finish(&r->stream, err);
}

static pk_err write_pages(const report *r, pk_error *err)
{
    pk_buf out;
    pk_err rc = PK_OK;
    pk_buf_init(&out, NULL, (size_t)1 << 24);
    for (size_t i = 0; i < r->count && rc == PK_OK; i++) {
        size_t line = out.len;
        rc = pk_json_encode(&out, &pk_type_visit, &r->pages[i], err);
        rc = rc ? rc : pk_json_line_end(&out, line, err);
    }
    fwrite(out.ptr ? out.ptr : "", 1, out.len, stdout);
    pk_buf_free(&out);
    return rc;
}

int main(void)
{
    static report r;
    pk_error err = {0};
    r.stream = (pk_json_stream){.lines = true, .type = &pk_type_visit, .on_struct = on_visit, .on_bad = on_bad};
    r.stream.user = &r;
    pk_err rc = read_visits(&r, &err);
    rc = rc ? rc : write_pages(&r, &err);
    if (rc) {
        fprintf(stderr, "longest: %s\n", err.msg);
    }
    pk_json_stream_free(&r.stream);
    pk_mem_free(&r.mem);
    return rc || r.bad > 0 ? 1 : 0;
}
