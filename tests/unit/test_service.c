/* test_service.c - offered services: what is refused, what is printed, how bytes become structs and back; and the
 * stubs, over a dialect that answers at once. */
#include "unit.h"

#define ADD_REQUEST(F, T)                                                                                     \
    F(T, REQ, int32_t, a, "a")                                                                                \
    F(T, OPT, int32_t, b, "b")                                                                                \
    F(T, OPT, pk_str, text, "text")
#define ADD_RESPONSE(F, T)                                                                                    \
    F(T, REQ, int32_t, sum, "sum")                                                                            \
    F(T, OPT, pk_str, text, "text")
PK_MESSAGE(add_request, ADD_REQUEST)
PK_MESSAGE(add_response, ADD_RESPONSE)
#define PLAIN(F, T) F(T, OPT, pk_str, text, "text")
PK_STRUCT(plain_response, PLAIN)

#define ADDER(M, C)                                                                                           \
    M(C, add, "POST /add", add_request, add_response, PK_IDEMPOTENT)                                          \
    M(C, reset, "DELETE /sum", pk_none, pk_none, 0)                                                           \
    M(C, echo, "POST /echo", pk_blob, pk_blob, PK_UPLOAD | PK_DOWNLOAD)                                       \
    M(C, plain, "GET /plain", pk_none, plain_response, 0)
PK_CONTRACT(adder, "adder", "1.2.0", ADDER)

enum { ADD, RESET, ECHO, PLAIN_METHOD };

static int resets;

static pk_err adder_add(const adder *self, pk_ctx *ctx, const add_request *req, add_response *resp, pk_error *err)
{
    (void)self, (void)ctx;
    if (req->a == -1) {
        return pk_error_set(err, PK_ERR_NOT_FOUND, "cannot find -1");
    }
    if (req->a == -2) {
        return PK_ERR_BUSY; // without a word
    }
    resp->sum = req->a + req->b;
    if (req->has_text) {
        resp->has_text = true;
        resp->text = pk_mem_printf(&resp->mem, "<%" PK_FMT ">", PK_ARG(req->text));
        return resp->text.ptr ? PK_OK : PK_ERR_NO_MEMORY;
    }
    return PK_OK;
}

static pk_err adder_reset(const adder *self, pk_ctx *ctx, const pk_none *req, pk_none *resp, pk_error *err)
{
    (void)self, (void)ctx, (void)req, (void)resp, (void)err;
    resets++;
    return PK_OK;
}

static pk_err adder_echo(const adder *self, pk_ctx *ctx, const pk_blob *req, pk_blob *resp, pk_error *err)
{
    (void)self, (void)ctx, (void)err;
    resp->body = req->body;
    resp->body.bytes = pk_mem_dup(&resp->mem, req->body.bytes);
    return resp->body.bytes.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static pk_err adder_plain(const adder *self, pk_ctx *ctx, const pk_none *req, plain_response *resp, pk_error *err)
{
    (void)self, (void)req, (void)err;
    resp->has_text = true;
    resp->text = pk_mem_printf(ctx->mem, "from ctx");
    return resp->text.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static const adder adder_impl = {{NULL, NULL, {NULL, 0}, NULL, NULL, 0, NULL}, adder_add, adder_reset, adder_echo,
                                 adder_plain};
static const pk_service adder_service = {&adder_contract, "simple", &adder_impl, {NULL, 0}};

/* ---- names */

TEST(service, knows_names_and_types)
{
    static const struct {
        const char *text;
        bool name, type;
    } rows[] = {
        {"dataProcessor", true, true}, {"a", true, true},        {"_a.b-c", true, true},  {"OCI/v1", false, true},
        {"a:b+c@d", false, true},      {"", false, false},       {".a", false, false},    {"-a", false, false},
        {"a b", false, false},         {"a\"b", false, false},   {"a\nb", false, false},  {"\xc3\xa4", false, false},
        {"../x", false, false},        {"/x", false, true},
    };
    char longest[PK__SERVICE_TYPE_MAX + 2];
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("'%s'", rows[i].text) {
            CHECK(pk__service_is_name(pk_str_from(rows[i].text)) == rows[i].name);
            CHECK(pk__service_is_type(pk_str_from(rows[i].text)) == rows[i].type);
        }
    }
    memset(longest, 'x', sizeof(longest));
    pk_str s = {longest, PK__SERVICE_NAME_MAX};
    CHECK(pk__service_is_name(s));
    s.len++;
    CHECK(!pk__service_is_name(s));
    s.len = PK__SERVICE_TYPE_MAX;
    CHECK(pk__service_is_type(s));
    s.len++;
    CHECK(!pk__service_is_type(s));
}

TEST(service, splits_verb_and_path)
{
    static const char *const bad[] = {"", "GET", "GET ", " /x", "get /x", "GET x", "GET /x y", "GET /x?y", "GET /*",
                                      "GET //x", "GET /x//y", "GET /x%20", "G1 /x", "GET /\xc3\xa4", "GET /x#y"};
    pk_str verb, path;
    CHECK(pk__service_split("POST /a/b.c", &verb, &path));
    CHECK_PK_STR(verb, "POST");
    CHECK_PK_STR(path, "/a/b.c");
    CHECK(pk__service_split("GET /", &verb, &path));
    CHECK(!pk__service_split(NULL, &verb, &path));
    for (size_t i = 0; i < PK__COUNT(bad); i++) {
        CASE("%s", bad[i]) {
            CHECK(!pk__service_split(bad[i], &verb, &path));
        }
    }
}

/* ---- check */

TEST(service, names_the_method_that_is_missing)
{
    adder half = adder_impl;
    pk_service s = adder_service;
    pk_error err;
    half.reset = NULL;
    s.object = &half;

    CHECK_OK(pk__service_check(&adder_service, 1, NULL));
    CHECK_OK(pk__service_check(NULL, 0, NULL));
    CHECK_ERR(pk__service_check(&s, 1, &err), PK_ERR_BAD_CONTRACT);
    CHECK_STR(err.msg, "cannot offer 'adder': method 'reset' is missing");
}

TEST(service, refuses_what_cannot_be_offered)
{
    pk_method methods[4];
    pk_contract contract = adder_contract;
    pk_service s = adder_service;
    pk_error err;
    memcpy(methods, adder__methods, sizeof(methods));
    contract.methods = methods;
    s.contract = &contract;
    CHECK_OK(pk__service_check(&s, 1, NULL));

    methods[ADD].http = "POST add";
    CHECK_ERR(pk__service_check(&s, 1, &err), PK_ERR_BAD_CONTRACT);
    CHECK_STR(err.msg, "cannot offer 'adder': method 'add' needs \"VERB /path\", not 'POST add'");
    methods[ADD].http = NULL;
    CHECK_ERR(pk__service_check(&s, 1, NULL), PK_ERR_BAD_CONTRACT);
    methods[ADD] = adder__methods[ADD];
    methods[ADD].flags = PK_UPLOAD; // but its request is no blob
    CHECK_ERR(pk__service_check(&s, 1, NULL), PK_ERR_BAD_CONTRACT);
    methods[ADD].flags = 0;
    methods[ADD].response = &pk_type_pk_str;
    CHECK_ERR(pk__service_check(&s, 1, NULL), PK_ERR_BAD_CONTRACT);
    methods[ADD] = adder__methods[ADD];

    contract.version = "1";
    CHECK_ERR(pk__service_check(&s, 1, NULL), PK_ERR_BAD_CONTRACT);
    contract.version = "1.0.0";
    contract.name = "a b";
    CHECK_ERR(pk__service_check(&s, 1, NULL), PK_ERR_BAD_NAME);
    contract.name = "a";
    s.type = NULL;
    CHECK_ERR(pk__service_check(&s, 1, NULL), PK_ERR_BAD_NAME);
    s.type = "t";
    s.object = NULL;
    CHECK_ERR(pk__service_check(&s, 1, NULL), PK_ERR_BAD_CONTRACT);
    s.contract = NULL;
    CHECK_ERR(pk__service_check(&s, 1, NULL), PK_ERR_BAD_NAME);
}

TEST(service, refuses_the_same_service_twice_and_two_versions)
{
    pk_contract newer = adder_contract;
    pk_service both[2] = {adder_service, adder_service};
    newer.version = "1.3.0";

    CHECK_ERR(pk__service_check(both, 2, NULL), PK_ERR_DUPLICATE);
    both[1].type = "other";
    CHECK_OK(pk__service_check(both, 2, NULL));
    both[1].contract = &newer;
    CHECK_ERR(pk__service_check(both, 2, NULL), PK_ERR_BAD_CONTRACT);
}

/* ---- capabilities */

static void check_capabilities(const pk__service_about *about, const char *expected)
{
    pk_buf buf;
    pk_buf_init(&buf, test_alloc(), 4096);
    CHECK_OK(pk__service_capabilities(&buf, about, NULL));
    CHECK_OK(pk_json_check(pk_buf_str(&buf), NULL));
    pk_buf_add_char(&buf, '\0');
    CHECK_STR(buf.ptr, expected);
    pk_buf_free(&buf);
}

TEST(service, prints_capabilities_as_go_does_and_more_behind)
{
    static const char *const config_types[] = {"database-config", NULL};
    static const char *const none[] = {NULL};
    pk_service services[3] = {adder_service, adder_service, adder_service};
    pk_contract other = {"other", "2.0.0", NULL, 0};
    pk__service_about about;
    memset(&about, 0, sizeof(about));
    services[0].schema = PK_STR("{\"type\": \"object\"}");
    services[1].contract = &other;
    services[2].type = "second";
    about.services = services;
    about.count = 3;
    about.config_types = config_types;
    about.id = "x";
    about.version = "0.1.0";
    about.license = "MIT";
    about.lifeline = "group";
    about.survives = true;

    check_capabilities(
        &about, "{\"types\":{\"adder\":[{\"type\":\"simple\",\"jsonSchema\":\"eyJ0eXBlIjogIm9iamVjdCJ9\"},"
                "{\"type\":\"second\"}],\"other\":[{\"type\":\"simple\"}]},"
                "\"configTypes\":[\"database-config\"],\"protocols\":[\"plugkit/1\"],\"lifeline\":\"group\","
                "\"survives\":true,"
                "\"contracts\":{\"adder\":\"1.2.0\",\"other\":\"2.0.0\"},"
                "\"methods\":{\"adder\":{\"add\":\"POST /add\",\"reset\":\"DELETE /sum\",\"echo\":\"POST /echo\","
                "\"plain\":\"GET /plain\"},\"other\":{}},\"id\":\"x\",\"version\":\"0.1.0\",\"license\":\"MIT\"}");
    about.count = 0;
    about.config_types = none;
    about.version = about.license = about.lifeline = NULL;
    about.survives = false;
    check_capabilities(&about, "{\"types\":{},\"protocols\":[\"plugkit/1\"],\"contracts\":{},\"methods\":{},"
                               "\"id\":\"x\"}");
}

/* ---- serving */

typedef struct served {
    pk_mem mem;
    pk_ctx ctx;
    pk_response response;
    pk_error err;
    pk_err rc;
} served;

static pk_err serve(served *s, int method, pk_str body)
{
    pk_request request;
    memset(&request, 0, sizeof(request));
    memset(s, 0, sizeof(*s));
    s->mem.alloc = test_alloc();
    s->ctx.mem = &s->mem;
    request.ctx = &s->ctx;
    request.body.bytes = body;
    request.body.content_type = PK_STR("text/plain");
    s->rc = pk__service_serve(&adder_service, &adder__methods[method], &request, &s->response, &s->err);
    return s->rc;
}

static void serve_end(served *s)
{
    if (s->response.done) {
        s->response.done(s->response.user);
    }
    pk_mem_free(&s->mem);
}

TEST(service, turns_json_into_structs_and_back)
{
    served s;
    CHECK_OK(serve(&s, ADD, PK_STR("{\"a\":40,\"b\":2,\"text\":\"hi\",\"unknown\":[1]}")));
    CHECK_PK_STR(s.response.body.bytes, "{\"sum\":42,\"text\":\"<hi>\"}");
    CHECK_PK_STR(s.response.body.content_type, ""); // application/json
    CHECK_INT(s.response.status, ==, 0);
    serve_end(&s);
}

TEST(service, serves_methods_without_messages)
{
    served s;
    CHECK_OK(serve(&s, RESET, PK_STR("ignored")));
    CHECK_INT(resets, ==, 1);
    CHECK_PK_STR(s.response.body.bytes, "");
    serve_end(&s);
}

TEST(service, passes_blobs_as_they_are)
{
    served s;
    CHECK_OK(serve(&s, ECHO, PK_STR("\x00\xff raw")));
    CHECK_UINT(s.response.body.bytes.len, ==, 6);
    CHECK_MEM(s.response.body.bytes.ptr, "\x00\xff raw", 6);
    CHECK_PK_STR(s.response.body.content_type, "text/plain");
    CHECK(s.response.done != NULL); // the blob's memory lives until the bytes are out
    serve_end(&s);
}

TEST(service, lets_responses_without_memory_use_the_contexts)
{
    served s;
    CHECK_OK(serve(&s, PLAIN_METHOD, PK_STR("")));
    CHECK_PK_STR(s.response.body.bytes, "{\"text\":\"from ctx\"}");
    serve_end(&s);
}

TEST(service, answers_400_with_the_place_to_requests_it_cannot_read)
{
    static const struct {
        const char *body, *says;
    } rows[] = {
        {"{\"a\":", "line 1"}, {"{}", "a"}, {"", "a"}, {"{\"a\":\"4\"}", "a: expected"}, {"[]", "expected"},
        {"{\"a\":1,\"b\":4294967296}", "b: expected"},
    };
    char deep[4 * PLUGKIT_JSON_DEPTH];
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("body %s", rows[i].body) {
            served s;
            CHECK(serve(&s, ADD, pk_str_from(rows[i].body)) != PK_OK);
            CHECK_INT(s.err.status, ==, 400);
            CHECK_CONTAINS(s.err.msg, rows[i].says);
            serve_end(&s);
        }
    }
    served s;
    memset(deep, '[', sizeof(deep));
    pk_str body = {deep, sizeof(deep)};
    CHECK(serve(&s, ADD, body) != PK_OK);
    CHECK_INT(s.err.status, ==, 400);
    serve_end(&s);
}

TEST(service, leaves_a_handlers_error_as_it_is)
{
    served s;
    CHECK_ERR(serve(&s, ADD, PK_STR("{\"a\":-1}")), PK_ERR_NOT_FOUND);
    CHECK_STR(s.err.msg, "cannot find -1");
    CHECK_INT(s.err.status, ==, 0); // what its kind says
    serve_end(&s);
    CHECK_ERR(serve(&s, ADD, PK_STR("{\"a\":-2}")), PK_ERR_BUSY);
    CHECK_ERR(s.err.code, PK_ERR_BUSY);
    CHECK_STR(s.err.msg, pk_err_text(PK_ERR_BUSY));
    serve_end(&s);
}

static pk_err not_utf8(const adder *self, pk_ctx *ctx, const add_request *req, add_response *resp, pk_error *err)
{
    (void)self, (void)ctx, (void)req, (void)err;
    resp->has_text = true;
    resp->text = PK_STR("\xff\xfe");
    return pk_mem_get(&resp->mem, 5000) ? PK_OK : PK_ERR_NO_MEMORY; // leaks, unless it is freed after the failure
}

TEST(service, answers_500_when_the_handler_made_nonsense)
{
    served s;
    pk_request request;
    adder bad = adder_impl;
    pk_service service = adder_service;
    bad.add = not_utf8;
    service.object = &bad;
    memset(&request, 0, sizeof(request));
    memset(&s, 0, sizeof(s));
    s.mem.alloc = test_alloc();
    s.ctx.mem = &s.mem;
    request.ctx = &s.ctx;
    request.body.bytes = PK_STR("{\"a\":1}");
    CHECK_ERR(pk__service_serve(&service, &adder__methods[ADD], &request, &s.response, &s.err), PK_ERR_SERIALIZE);
    CHECK_INT(s.err.status, ==, 500);
    serve_end(&s);
}

static long allocations;

static void *counting_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user;
    allocations += new_size != 0;
    return test__resize(NULL, ptr, old_size, new_size);
}

TEST(service, serves_small_requests_from_warm_memory_without_allocating)
{
    const pk_alloc counting = {counting_resize, NULL};
    pk_mem mem = {&counting, NULL, NULL, 0};
    pk_ctx ctx;
    pk_request request;
    pk_response response;
    memset(&ctx, 0, sizeof(ctx));
    memset(&request, 0, sizeof(request));
    ctx.mem = &mem;
    request.ctx = &ctx;
    request.body.bytes = PK_STR("{\"a\":40,\"b\":2,\"text\":\"a text of usual length\"}");
    for (int i = 0; i < 5; i++) {
        if (i == 2) {
            allocations = 0;
        }
        CHECK_OK(pk__service_serve(&adder_service, &adder__methods[ADD], &request, &response, NULL));
        pk_mem_reset(&mem); // as the server does between two requests
    }
    CHECK_INT(allocations, ==, 0);
    pk_mem_free(&mem);
}

TEST_TORTURE(service, serves_or_fails_tidily)
{
    served s;
    if (TRY_OK(serve(&s, ADD, PK_STR("{\"a\":1,\"text\":\"0123456789012345678901234567890123456789\"}")))) {
        CHECK_PK_STR(s.response.body.bytes, "{\"sum\":1,\"text\":\"<0123456789012345678901234567890123456789>\"}");
    } else {
        CHECK_ERR(s.rc, PK_ERR_NO_MEMORY);
        CHECK_INT(s.err.status, !=, 400);
    }
    serve_end(&s);
}

/* ---- calling: a router with one instance, whose dialect answers at once */

static struct {
    int status;
    const char *answer;
    char path[64], verb[16], type[64], body[256], content_type[64], contract[32], version[16];
    bool idempotent;
} wire;

static void wire_run(void *channel, pk_attempt *a)
{
    const pk_meta field = {PK_STR_INIT("Content-Type"), PK_STR_INIT("application/json")};
    (void)channel;
    snprintf(wire.body, sizeof(wire.body), "%" PK_FMT, PK_ARG(a->body->bytes));
    snprintf(wire.content_type, sizeof(wire.content_type), "%" PK_FMT, PK_ARG(a->body->content_type));
    snprintf(wire.contract, sizeof(wire.contract), "%s", a->call->contract);
    snprintf(wire.version, sizeof(wire.version), "%s", a->call->version);
    snprintf(wire.type, sizeof(wire.type), "%s", a->call->type ? a->call->type : "(any)");
    snprintf(wire.path, sizeof(wire.path), "%s", a->call->http);
    wire.idempotent = a->ctx->idempotent;
    pk_attempt_head(a, wire.status, &field, 1);
    pk_error why;
    pk_err rc = pk_attempt_chunk(a, pk_str_from(wire.answer), &why);
    pk_attempt_end(a, rc ? &why : NULL);
}

static const pk_dialect wire_dialect = {.name = "test", .run = wire_run};

static pk_err wire_take(void *user, const pk_call_desc *desc, pk__waiter *w, pk__target *out, pk_error *err)
{
    (void)user, (void)desc, (void)w, (void)err;
    memset(out, 0, sizeof(*out));
    out->dialect = &wire_dialect;
    out->plugin = PK_STR("p");
    return PK_OK;
}

static void wire_unqueue(void *user, pk__waiter *w)
{
    (void)user, (void)w;
}

static void wire_give_back(void *user, pk__target *target, const pk__usage *usage)
{
    (void)user, (void)target, (void)usage;
}

static pk_err wire_bind(void *user, pk_stub *stub, pk_error *err)
{
    (void)user;
    return pk_str_is(stub->type, "gone") ? pk_error_set(err, PK_ERR_PLUGIN_NOT_FOUND, "no plugin found") : PK_OK;
}

static pk_err wire_open(pk_caller *caller, pk_loop **loop)
{
    const pk__router router = {wire_take, wire_unqueue, wire_give_back, wire_bind, NULL};
    wire.status = 200;
    pk_err rc = pk_loop_create(loop, test_alloc(), NULL);
    if (!rc) {
        pk__loop_give_away(*loop); // a caller on another thread than the loop's: `run` carries out its calls
    }
    return rc ? rc : pk__caller_init(caller, test_alloc(), *loop, &router, NULL, 0, NULL);
}

static void wire_close(pk_caller *caller, pk_loop *loop)
{
    pk__caller_deinit(caller);
    pk_loop_destroy(loop);
}

TEST(service, binds_stubs_through_the_router)
{
    pk_caller caller;
    pk_loop *loop;
    adder a;
    REQUIRE_OK(wire_open(&caller, &loop));
    memset(&a, 0xaa, sizeof(a)); // nothing of it needs to be set before

    CHECK_OK(adder_bind(&a, &caller, PK_STR("simple"), NULL));
    CHECK(a.stub.caller == &caller && a.stub.direct == NULL && a.stub.user == NULL);
    CHECK_ERR(adder_bind(&a, &caller, PK_STR("gone"), NULL), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_ERR(adder_bind(&a, &caller, PK_STR("no type"), NULL), PK_ERR_BAD_NAME);
    CHECK_ERR(adder_bind(&a, NULL, PK_STR(""), NULL), PK_ERR_MISUSE);
    wire_close(&caller, loop);
}

TEST(service, calls_through_a_stub)
{
    pk_caller caller;
    pk_loop *loop;
    adder a;
    pk_error err;
    const char type[] = {'s', 'i', 'm', 'p', 'l', 'e', '!'}; // a view: no NUL
    pk_str view = {type, 6};
    add_request req;
    add_response resp;
    memset(&req, 0, sizeof(req));
    memset(&resp, 0, sizeof(resp));
    resp.mem.alloc = test_alloc();
    REQUIRE_OK(wire_open(&caller, &loop));
    REQUIRE_OK(adder_bind(&a, &caller, view, NULL));

    req.a = 5;
    wire.answer = "{\"sum\":7,\"text\":\"ok\"}";
    CHECK_OK(a.add(&a, NULL, &req, &resp, &err));
    CHECK_STR(wire.body, "{\"a\":5}");
    CHECK_STR(wire.type, "simple");
    CHECK_STR(wire.contract, "adder");
    CHECK_STR(wire.version, "1.2.0");
    CHECK_STR(wire.path, "POST /add");
    CHECK(wire.idempotent);
    CHECK_INT(resp.sum, ==, 7);
    CHECK_PK_STR(resp.text, "ok");

    wire.status = 404;
    wire.answer = "{\"message\":\"gone\",\"statusCode\":404}";
    CHECK_ERR(a.add(&a, NULL, &req, &resp, &err), PK_ERR_PLUGIN_FAULT);
    CHECK_INT(err.status, ==, 404);
    CHECK(!resp.has_text && resp.text.ptr == NULL); // nothing of the last answer is left

    wire.status = 200;
    wire.answer = "{\"sum\":\"seven\"}";
    CHECK_ERR(a.add(&a, NULL, &req, &resp, &err), PK_ERR_SERIALIZE);
    CHECK_CONTAINS(err.msg, "cannot read the answer of 'adder.add'");
    CHECK_INT(err.sent, ==, PK_SENT_ANSWERED);
    pk_mem_free(&resp.mem);
    wire_close(&caller, loop);
}

TEST(service, may_be_asked_with_what_it_answered)
{
    pk_caller caller;
    pk_loop *loop;
    adder a;
    add_request req;
    add_response resp;
    memset(&req, 0, sizeof(req));
    memset(&resp, 0, sizeof(resp));
    resp.mem.alloc = test_alloc();
    REQUIRE_OK(wire_open(&caller, &loop));
    REQUIRE_OK(adder_bind(&a, &caller, PK_STR(""), NULL));
    wire.answer = "{\"sum\":1,\"text\":\"one\"}";
    CHECK_OK(a.add(&a, NULL, &req, &resp, NULL));

    req.has_text = true;
    req.text = resp.text; // a view into the memory that this call reuses
    CHECK_OK(a.add(&a, NULL, &req, &resp, NULL));
    CHECK_STR(wire.body, "{\"a\":0,\"text\":\"one\"}");
    CHECK_STR(wire.type, "(any)");
    pk_mem_free(&resp.mem);
    wire_close(&caller, loop);
}

TEST(service, calls_with_blobs_nothing_and_plain_structs)
{
    pk_caller caller;
    pk_loop *loop;
    adder a;
    pk_blob in, out;
    pk_none none = {0};
    plain_response plain;
    pk_mem mem = {test_alloc(), NULL, NULL, 0};
    pk_ctx ctx;
    memset(&in, 0, sizeof(in));
    memset(&out, 0, sizeof(out));
    memset(&ctx, 0, sizeof(ctx));
    out.mem.alloc = test_alloc();
    REQUIRE_OK(wire_open(&caller, &loop));
    REQUIRE_OK(adder_bind(&a, &caller, PK_STR(""), NULL));

    wire.answer = "raw";
    in.body.bytes = PK_STR("bytes");
    CHECK_OK(a.echo(&a, NULL, &in, &out, NULL));
    CHECK_STR(wire.body, "bytes");
    CHECK_STR(wire.content_type, "application/octet-stream");
    CHECK_PK_STR(out.body.bytes, "raw");

    CHECK_OK(a.reset(&a, NULL, &none, &none, NULL));
    CHECK_OK(a.reset(&a, NULL, NULL, NULL, NULL));
    CHECK_STR(wire.body, "");

    wire.answer = "{\"text\":\"t\"}";
    CHECK_ERR(a.plain(&a, NULL, NULL, &plain, NULL), PK_ERR_MISUSE); // nowhere to put the text
    ctx.mem = &mem;
    CHECK_OK(a.plain(&a, &ctx, NULL, &plain, NULL));
    CHECK_PK_STR(plain.text, "t");
    CHECK_ERR(a.echo(&a, NULL, NULL, &out, NULL), PK_ERR_MISUSE);
    pk_mem_free(&out.mem);
    pk_mem_free(&mem);
    wire_close(&caller, loop);
}

TEST(service, allocates_nothing_in_a_warm_call)
{
    const pk_alloc counting = {counting_resize, NULL};
    pk_caller caller;
    pk_loop *loop;
    adder a;
    add_request req;
    add_response resp;
    memset(&req, 0, sizeof(req));
    memset(&resp, 0, sizeof(resp));
    resp.mem.alloc = &counting;
    REQUIRE_OK(wire_open(&caller, &loop));
    caller.alloc = &counting;
    REQUIRE_OK(adder_bind(&a, &caller, PK_STR("simple"), NULL));
    wire.answer = "{\"sum\":7,\"text\":\"of usual length\"}";
    for (int i = 0; i < 5; i++) {
        if (i == 2) {
            allocations = 0;
        }
        CHECK_OK(a.add(&a, NULL, &req, &resp, NULL));
    }
    CHECK_INT(allocations, ==, 0);
    pk_mem_free(&resp.mem);
    caller.alloc = test_alloc();
    wire_close(&caller, loop);
}

TEST_TORTURE(service, calls_or_fails_tidily)
{
    pk_caller caller;
    pk_loop *loop = NULL;
    adder a;
    char text[3000];
    add_request req;
    add_response resp;
    memset(&caller, 0, sizeof(caller));
    memset(text, 'x', sizeof(text)); // more than the scratch on the stack
    memset(&req, 0, sizeof(req));
    req.has_text = true;
    req.text.ptr = text;
    req.text.len = sizeof(text);
    memset(&resp, 0, sizeof(resp));
    resp.mem.alloc = test_alloc();
    wire.answer = "{\"sum\":7,\"text\":\"ok\"}";
    if (TRY_OK(wire_open(&caller, &loop)) && TRY_OK(adder_bind(&a, &caller, PK_STR(""), NULL)) &&
        TRY_OK(a.add(&a, NULL, &req, &resp, NULL))) {
        CHECK_PK_STR(resp.text, "ok");
    }
    pk_mem_free(&resp.mem);
    wire_close(&caller, loop);
}
