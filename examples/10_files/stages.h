/* stages.h - what is done with each file, and by which plugin.
 *
 * A stage asks for a type, as any host does: which plugin provides it, in which language and where it runs is not its
 * business. A stage whose type nobody provides (there is no Go here, say) is left out. */
#include "../../contracts/blob_store.h"
#include "../../contracts/data_processor.h"
#include "../../contracts/transformer.h"
#include "../05_analytics/counting.h"
#include "report.h"

enum { TOP_WORDS = 3, PREVIEW = 64 };

typedef struct file { // what the stages found out about one
    const char *path;
    pk_str text;
    analyze_response counts; // of the plugin that is compiled in
    uint64_t packed;         // bytes after gzip; 0 = not done
    char words[PREVIEW];     // the most frequent ones
} file;

typedef struct stage stage;
struct stage {
    const char *contract, *type;
    const char *what; // it does, for people
    pk_err (*run)(stage *s, file *f, uint64_t *produced, pk_error *err);
    union {
        analytics analytics;
        data_processor processor;
        transformer transformer;
        blob_store store;
    } object;
    bool is_there;
    samples took;
    uint64_t bytes_in, bytes_out; // of the contents, or words; messages are a little larger
    size_t refused;               // by a plugin, with a reason
    char why[200];                // the first of them
};

/* ---- one function for each */

static pk_err run_count(stage *s, file *f, uint64_t *produced, pk_error *err)
{
    analyze_request request = {.data = f->text, .has_top = true, .top = 1};
    pk_err rc = s->object.analytics.analyze(&s->object.analytics, NULL, &request, &f->counts, err);
    *produced = f->counts.words;
    return rc;
}

/* The same work by the same source, in another process: both must tell the same. */
static pk_err run_recount(stage *s, file *f, uint64_t *produced, pk_error *err)
{
    analyze_request request = {.data = f->text, .has_top = true, .top = 1};
    analyze_response again = {0};
    pk_err rc = s->object.analytics.analyze(&s->object.analytics, NULL, &request, &again, err);
    *produced = again.words;
    if (!rc && (again.words != f->counts.words || again.lines != f->counts.lines || again.chars != f->counts.chars)) {
        rc = pk_error_set(err, PK_ERR_PROTOCOL, "cannot trust the counts of '%s': two plugins differ", f->path);
    }
    pk_mem_free(&again.mem);
    return rc;
}

static pk_err run_process(stage *s, file *f, process_request *request, process_response *response,
                          uint64_t *produced, pk_error *err)
{
    request->data = f->text;
    pk_err rc = s->object.processor.process(&s->object.processor, NULL, request, response, err);
    *produced = response->data.len;
    return rc;
}

static pk_err run_any(stage *s, file *f, uint64_t *produced, pk_error *err)
{
    process_request request = {0};
    process_response response = {0};
    pk_err rc = run_process(s, f, &request, &response, produced, err);
    pk_mem_free(&response.mem);
    return rc;
}

static pk_err run_gzip(stage *s, file *f, uint64_t *produced, pk_error *err)
{
    pk_err rc = run_any(s, f, produced, err);
    f->packed = rc ? 0 : *produced;
    return rc;
}

/* "     12 word\n" a line, the most frequent first. */
static pk_err run_words(stage *s, file *f, uint64_t *produced, pk_error *err)
{
    static pk_str names[] = {PK_STR_INIT("top"), PK_STR_INIT("min_length")};
    pk_json values[] = {PK_STR("3"), PK_STR("5")};
    process_request request = {.config = {.keys = names, .values = values, .count = 2}};
    process_response response = {0};
    pk_err rc = run_process(s, f, &request, &response, produced, err);
    pk_str rest = response.data, line, count, word;
    for (size_t i = 0; !rc && i < TOP_WORDS && pk_str_cut(rest, '\n', &line, &rest); i++) {
        while (line.len > 0 && line.ptr[0] == ' ') {
            line.ptr++;
            line.len--;
        }
        size_t len = strlen(f->words);
        if (pk_str_cut(line, ' ', &count, &word) && len + word.len + count.len + 4 < sizeof(f->words)) {
            (void)snprintf(f->words + len, sizeof(f->words) - len, "%s%" PK_FMT " %" PK_FMT, len ? ", " : "",
                           PK_ARG(word), PK_ARG(count));
        }
    }
    pk_mem_free(&response.mem);
    return rc;
}

static pk_err run_sort(stage *s, file *f, uint64_t *produced, pk_error *err)
{
    transform_request request = {.data = f->text, .transformation = PK_STR("sort")};
    transform_response response = {0};
    pk_err rc = s->object.transformer.transform(&s->object.transformer, NULL, &request, &response, err);
    *produced = response.data.len;
    pk_mem_free(&response.mem);
    return rc;
}

/* In and out again: what comes back must be what went in, byte for byte. */
static pk_err run_store(stage *s, file *f, uint64_t *produced, pk_error *err)
{
    pk_blob in = {.body = {.bytes = f->text}}, out = {0};
    store_response stored = {0};
    pk_err rc = s->object.store.store(&s->object.store, NULL, &in, &stored, err);
    if (!rc) {
        retrieve_request request = {.key = stored.key};
        rc = s->object.store.retrieve(&s->object.store, NULL, &request, &out, err);
    }
    if (!rc && !pk_str_eq(out.body.bytes, f->text)) {
        rc = pk_error_set(err, PK_ERR_PROTOCOL, "cannot trust the store: '%s' came back changed", f->path);
    }
    *produced = out.body.bytes.len;
    pk_mem_free(&stored.mem);
    pk_mem_free(&out.mem);
    return rc;
}

/* ---- all of them */

static stage stages[] = {
    {.contract = "analytics", .type = "text-built-in", .what = "counts words", .run = run_count},
    {.contract = "analytics", .type = "text", .what = "counts them again", .run = run_recount},
    {.contract = "dataProcessor", .type = "upper", .what = "writes capitals", .run = run_any},
    {.contract = "transformer", .type = "lines", .what = "sorts lines", .run = run_sort},
    {.contract = "blobStore", .type = "directory", .what = "stores, gets back", .run = run_store},
    {.contract = "dataProcessor", .type = "py-processor", .what = "finds top words", .run = run_words},
    {.contract = "dataProcessor", .type = "js-processor", .what = "draws the outline", .run = run_any},
    {.contract = "dataProcessor", .type = "go-processor", .what = "packs with gzip", .run = run_gzip},
    {.contract = "dataProcessor", .type = "sh-processor", .what = "sorts lines", .run = run_any},
};
enum { STAGES = sizeof(stages) / sizeof(stages[0]) };

static pk_err stage_bind(stage *s, pk_caller *caller, pk_error *err)
{
    pk_str type = pk_str_from(s->type);
    if (s->run == run_count || s->run == run_recount) {
        return analytics_bind(&s->object.analytics, caller, type, err);
    }
    if (s->run == run_sort) {
        return transformer_bind(&s->object.transformer, caller, type, err);
    }
    if (s->run == run_store) {
        return blob_store_bind(&s->object.store, caller, type, err);
    }
    return data_processor_bind(&s->object.processor, caller, type, err);
}
