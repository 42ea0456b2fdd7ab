/* lines.c - a transformer for texts line by line: sort, number, keep, wrap.
 *
 * The table at the end is all that the plugin knows about its transformations: names, parameters with their kinds and
 * defaults, and the function. `transformations` shows the table to whoever asks, and `transform` checks what comes in
 * against it, so that the functions find every parameter in its place, present, and of the right kind. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include "../../../contracts/transformer.h"

#include <stdlib.h>
#include <string.h>

enum { PARAMETERS_MAX = 2 };

typedef struct job {
    pk_str *lines; // without their newlines
    size_t count;
    const pk_json_value *set[PARAMETERS_MAX]; // the parameters, in the order of the table
    pk_buf out;
} job;

static void put_line(job *j, pk_str line)
{
    (void)pk_buf_add(&j->out, line); // a failure sticks, and is looked at once at the end
    (void)pk_buf_add_char(&j->out, '\n');
}

/* ---- the transformations */

static int compare_lines(const void *a, const void *b)
{
    const pk_str *x = (const pk_str *)a, *y = (const pk_str *)b;
    size_t shorter = x->len < y->len ? x->len : y->len;
    int order = shorter ? memcmp(x->ptr, y->ptr, shorter) : 0;
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void sort_lines(job *j)
{
    bool reverse = pk_json_bool(j->set[0], false), unique = pk_json_bool(j->set[1], false);
    if (j->count > 0) {
        qsort(j->lines, j->count, sizeof(j->lines[0]), compare_lines);
    }
    for (size_t i = 0; i < j->count; i++) {
        size_t at = reverse ? j->count - 1 - i : i;
        size_t before = reverse ? at + 1 : at - 1;
        if (!unique || i == 0 || !pk_str_eq(j->lines[at], j->lines[before])) {
            put_line(j, j->lines[at]);
        }
    }
}

static void number_lines(job *j)
{
    int64_t number = pk_json_int(j->set[0], 1);
    pk_str separator = pk_json_str(j->set[1]);
    for (size_t i = 0; i < j->count; i++) {
        (void)pk_buf_printf(&j->out, "%6lld%" PK_FMT, (long long)number + (long long)i, PK_ARG(separator));
        put_line(j, j->lines[i]);
    }
}

static bool contains(pk_str line, pk_str wanted)
{
    for (size_t i = 0; i + wanted.len <= line.len; i++) {
        if (memcmp(line.ptr + i, wanted.ptr, wanted.len) == 0) {
            return true;
        }
    }
    return false;
}

static void keep_lines(job *j)
{
    pk_str wanted = pk_json_str(j->set[0]);
    bool invert = pk_json_bool(j->set[1], false);
    for (size_t i = 0; i < j->count; i++) {
        if (contains(j->lines[i], wanted) != invert) {
            put_line(j, j->lines[i]);
        }
    }
}

/* The last blank that leaves no more than `width` bytes before it. A word that is longer than that stays whole. */
static size_t find_break(pk_str line, size_t width)
{
    size_t cut = width;
    while (cut > 0 && line.ptr[cut] != ' ') {
        cut--;
    }
    if (cut == 0) {
        cut = width;
        while (cut < line.len && line.ptr[cut] != ' ') {
            cut++;
        }
    }
    return cut;
}

static void wrap_lines(job *j)
{
    int64_t width = pk_json_int(j->set[0], 72);
    for (size_t i = 0; i < j->count; i++) {
        pk_str rest = j->lines[i];
        while ((int64_t)rest.len > width) {
            size_t cut = find_break(rest, (size_t)width);
            put_line(j, (pk_str){rest.ptr, cut});
            cut += cut < rest.len;
            rest.ptr += cut;
            rest.len -= cut;
        }
        if (rest.len > 0 || j->lines[i].len == 0) {
            put_line(j, rest);
        }
    }
}

/* ---- the table */

static transform_parameter sort_parameters[] = {
    {PK_STR_INIT("reverse"), PK_STR_INIT("boolean"), false, false, true, PK_STR_INIT("false"), true,
     PK_STR_INIT("the last line first")},
    {PK_STR_INIT("unique"), PK_STR_INIT("boolean"), false, false, true, PK_STR_INIT("false"), true,
     PK_STR_INIT("equal lines once")},
};
static transform_parameter number_parameters[] = {
    {PK_STR_INIT("start"), PK_STR_INIT("integer"), false, false, true, PK_STR_INIT("1"), true,
     PK_STR_INIT("number of the first line")},
    {PK_STR_INIT("separator"), PK_STR_INIT("string"), false, false, true, PK_STR_INIT("\"  \""), true,
     PK_STR_INIT("what stands between number and line")},
};
static transform_parameter keep_parameters[] = {
    {PK_STR_INIT("contains"), PK_STR_INIT("string"), true, true, false, PK_STR_INIT(""), true,
     PK_STR_INIT("what a line must hold")},
    {PK_STR_INIT("invert"), PK_STR_INIT("boolean"), false, false, true, PK_STR_INIT("false"), true,
     PK_STR_INIT("keep the others")},
};
static transform_parameter wrap_parameters[] = {
    {PK_STR_INIT("width"), PK_STR_INIT("integer"), false, false, true, PK_STR_INIT("72"), true,
     PK_STR_INIT("bytes of a line, at least 1")},
};

static transformation_info infos[] = {
    {PK_STR_INIT("sort"), true, PK_STR_INIT("puts lines in the order of their bytes"), {sort_parameters, 2}},
    {PK_STR_INIT("number"), true, PK_STR_INIT("writes a number before each line"), {number_parameters, 2}},
    {PK_STR_INIT("keep"), true, PK_STR_INIT("leaves out lines that do not hold a text"), {keep_parameters, 2}},
    {PK_STR_INIT("wrap"), true, PK_STR_INIT("breaks long lines at blanks"), {wrap_parameters, 1}},
};
static void (*const functions[])(job *j) = {sort_lines, number_lines, keep_lines, wrap_lines};

enum { INFOS = sizeof(infos) / sizeof(infos[0]) };

/* ---- from a request to a job */

static bool is_of_kind(const pk_json_value *v, pk_str kind)
{
    int64_t number;
    switch (pk_json_type_of(v)) {
    case PK_JSON_BOOL: return pk_str_is(kind, "boolean");
    case PK_JSON_STRING: return pk_str_is(kind, "string");
    case PK_JSON_NUMBER: return pk_str_is(kind, "integer") && pk_json_get_int(v, &number) && number > 0;
    default: return false;
    }
}

/* The text of a parameter's value: given, or the default; NULL ptr if there is neither. */
static pk_json value_of(const transform_request *request, const transform_parameter *p)
{
    for (size_t i = 0; i < request->parameters.count; i++) {
        if (pk_str_eq(request->parameters.keys[i], p->name)) {
            return request->parameters.values[i];
        }
    }
    return p->has_default_value ? p->default_value : (pk_json){NULL, 0};
}

static bool is_known(const transformation_info *info, pk_str name)
{
    for (size_t i = 0; i < info->parameters.count; i++) {
        if (pk_str_eq(info->parameters.items[i].name, name)) {
            return true;
        }
    }
    return false;
}

static pk_err read_parameters(const transform_request *request, const transformation_info *info, pk_mem *mem, job *j,
                              pk_error *err)
{
    for (size_t i = 0; i < request->parameters.count; i++) {
        if (!is_known(info, request->parameters.keys[i])) {
            return pk_error_set(err, PK_ERR_PARSE, "cannot %" PK_FMT ": there is no parameter '%" PK_FMT "'",
                                PK_ARG(info->name), PK_ARG(request->parameters.keys[i]));
        }
    }
    for (size_t i = 0; i < info->parameters.count; i++) {
        const transform_parameter *p = &info->parameters.items[i];
        pk_json text = value_of(request, p);
        if (!text.ptr) {
            return pk_error_set(err, PK_ERR_PARSE, "cannot %" PK_FMT ": parameter '%" PK_FMT "' is missing",
                                PK_ARG(info->name), PK_ARG(p->name));
        }
        pk_err rc = pk_json_parse(mem, text, &j->set[i], err);
        if (rc) {
            return rc;
        }
        if (!is_of_kind(j->set[i], p->type)) {
            return pk_error_set(err, PK_ERR_PARSE,
                                "cannot %" PK_FMT ": '%" PK_FMT "' must be a %s%" PK_FMT ", not %" PK_FMT,
                                PK_ARG(info->name), PK_ARG(p->name), pk_str_is(p->type, "integer") ? "positive " : "",
                                PK_ARG(p->type), PK_ARG(text));
        }
    }
    return PK_OK;
}

static pk_err split_lines(pk_str text, pk_mem *mem, job *j, pk_error *err)
{
    size_t most = 1;
    for (size_t i = 0; i < text.len; i++) {
        most += text.ptr[i] == '\n';
    }
    j->lines = (pk_str *)pk_mem_get(mem, most * sizeof(pk_str));
    if (!j->lines) {
        return pk_error_set(err, PK_ERR_NO_MEMORY, "cannot split the text into lines: out of memory");
    }
    while (pk_str_cut(text, '\n', &j->lines[j->count], &text)) {
        j->count++;
    }
    if (text.len > 0) { // the last line, without a newline
        j->lines[j->count++] = text;
    }
    return PK_OK;
}

/* ---- the service */

static pk_err transform(const transformer *self, pk_ctx *ctx, const transform_request *request,
                        transform_response *response, pk_error *err)
{
    job j = {0};
    size_t which = 0;
    (void)self;
    (void)ctx;
    while (which < INFOS && !pk_str_eq(infos[which].name, request->transformation)) {
        which++;
    }
    if (which == INFOS) {
        return pk_error_set(err, PK_ERR_NOT_FOUND, "cannot transform: there is no transformation '%" PK_FMT "'",
                            PK_ARG(request->transformation));
    }
    pk_err rc = read_parameters(request, &infos[which], &response->mem, &j, err);
    if (!rc) {
        rc = split_lines(request->data, &response->mem, &j, err);
    }
    if (rc) {
        return rc;
    }
    pk_buf_init(&j.out, response->mem.alloc, (size_t)64 << 20);
    functions[which](&j);
    response->data = pk_mem_dup(&response->mem, pk_buf_str(&j.out));
    int failed = response->data.ptr ? j.out.failed : PK_ERR_NO_MEMORY;
    pk_buf_free(&j.out);
    return failed ? pk_error_set(err, (pk_err)failed, "cannot %" PK_FMT ": %s", PK_ARG(infos[which].name),
                                 pk_err_text((pk_err)failed))
                  : PK_OK;
}

static pk_err transformations(const transformer *self, pk_ctx *ctx, const pk_none *request,
                              transformations_response *response, pk_error *err)
{
    (void)self;
    (void)ctx;
    (void)request;
    (void)err;
    response->transformations.items = infos;
    response->transformations.count = INFOS;
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const transformer impl = {.transform = transform, .transformations = transformations};
    static const pk_service service = {&transformer_contract, "lines", &impl, PK_STR_INIT("")};
    static const pk_sdk_desc lines = {
        .id = "lines",
        .version = "1.0.0",
        .description = "sorts, numbers, keeps and wraps lines",
        .services = &service,
        .service_count = 1,
    };

    return pk_sdk_main(argc, argv, &lines);
}
