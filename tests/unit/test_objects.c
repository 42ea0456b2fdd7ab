/* test_objects.c - plugins in the host's process: descriptors, files, and the life of one that is compiled in. What the
 * dynamic linker does is replaced; integration/test_objects.py has real ones. */
#include "unit.h"

#define TEXT(F, T) F(T, REQ, pk_str, text, "text")
PK_MESSAGE(note, TEXT)
#define ECHOER(M, C) M(C, echo, "POST /echo", note, note, PK_IDEMPOTENT)
PK_CONTRACT(echoer, "echoer", "1.0.0", ECHOER)

static struct {
    int configs, starts, closes, asked;
} seen;

static pk_err echo(const echoer *self, pk_ctx *ctx, const note *in, note *out, pk_error *err)
{
    (void)self, (void)ctx, (void)err;
    out->text = pk_mem_dup(&out->mem, in->text);
    return out->text.ptr ? PK_OK : PK_ERR_NO_MEMORY;
}

static pk_err upload(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    char byte;
    size_t got, sum = 0;
    (void)user;
    pk_err rc = request->body.read ? PK_OK : PK_ERR_MISUSE;
    for (;;) {
        rc = rc ? rc : request->body.read(request->body.user, &byte, 1, &got, err);
        if (rc || got == 0) {
            break;
        }
        sum++;
    }
    response->body.bytes = pk_mem_printf(request->ctx->mem, "%lu", (unsigned long)sum);
    pk_ctx_meta_out(request->ctx, PK_STR("x-mine"), PK_STR("yes"));
    return rc;
}

static pk_err on_config(void *user, pk_str type, pk_json data, pk_error *err)
{
    (void)user, (void)type, (void)data, (void)err;
    seen.configs++;
    return PK_OK;
}

static pk_err on_start(void *user, pk_sdk *p, pk_error *err)
{
    (void)user, (void)err;
    seen.starts++;
    CHECK(pk_sdk_loop(p) == NULL);
    const pk_call_desc there = {.contract = "any", .method = "any"};
    CHECK(pk_caller_call(pk_sdk_host(p), &there, NULL, NULL) != PK_OK);
    pk_call begun;
    CHECK_ERR(pk_caller_start(pk_sdk_host(p), &there, &begun, NULL), PK_ERR_UNSUPPORTED);
    CHECK_STR(pk_sdk_instance(p), seen.starts == 1 ? "echo-1" : pk_sdk_instance(p));
    return PK_OK;
}

static void on_health(void *user, pk_health_report *report)
{
    (void)user, (void)report;
    seen.asked++;
}

static void on_close(void *user)
{
    (void)user;
    seen.closes++;
}

static const echoer object = {.echo = echo};
static const pk_service service = {&echoer_contract, "plain", &object, PK_STR_INIT("")};
static const pk_route route = {"PUT /upload", PK_UPLOAD, upload, NULL};
static const char *const types[] = {"any", NULL};
static const pk_sdk_desc desc = {.id = "echo",
                                 .services = &service,
                                 .service_count = 1,
                                 .routes = &route,
                                 .route_count = 1,
                                 .config_types = types,
                                 .on_config = on_config,
                                 .on_start = on_start,
                                 .on_health = on_health,
                                 .on_close = on_close};
static const pk_object inside = PK__OBJECT(desc, NULL);

/* ---- descriptors */

static const pk_object_layout *other_size(void)
{
    static const pk_object_layout table[] = {{"pk_object", 1}, {NULL, 0}};
    return table;
}

TEST(objects, descriptors_are_checked)
{
    pk_error err;
    pk_object o = inside;
    CHECK_OK(pk__object_check(&o, "x", &err));
    o.magic[7] = 'x';
    CHECK_ERR(pk__object_check(&o, "x", &err), PK_ERR_BAD_CONTRACT);
    o = inside;
    o.abi = 77;
    CHECK_ERR(pk__object_check(&o, "x", &err), PK_ERR_BAD_CONTRACT);
    CHECK(strstr(err.msg, "ABI 77"));
    o = inside;
    o.serve = NULL;
    CHECK_ERR(pk__object_check(&o, "x", &err), PK_ERR_BAD_CONTRACT);
    o = inside;
    o.layout = other_size;
    CHECK_ERR(pk__object_check(&o, "x", &err), PK_ERR_BAD_CONTRACT);
    CHECK(strstr(err.msg, "pk_object has 1 bytes there"));
}

/* ---- files */

static int handle;
static const void *symbol;

static void *open_ours(const char *path, int flags)
{
    (void)path;
    CHECK_INT(flags, ==, RTLD_NOW | RTLD_LOCAL);
    return &handle;
}

static void *find_ours(void *of, const char *name)
{
    CHECK(of == &handle && strcmp(name, "plugkit_plugin") == 0);
    return (void *)(uintptr_t)symbol;
}

/* A whole ELF file without anything in it: one segment, which is the header. */
static void write_elf(const char *path)
{
    unsigned char bytes[64 + 56] = {0};
    FILE *self = fopen("/proc/self/exe", "rb"), *out = fopen(path, "wb");
    REQUIRE(self && out && fread(bytes, 1, 64, self) == 64);
    uint64_t at = 64, size = sizeof(bytes);
    uint16_t kind = 3, one = 1;
    uint32_t load = 1;
    memcpy(bytes + 16, &kind, 2);
    memcpy(bytes + 32, &at, 8);
    memcpy(bytes + 56, &one, 2);
    memcpy(bytes + 64, &load, 4);
    memcpy(bytes + 64 + 32, &size, 8);
    REQUIRE(fwrite(bytes, 1, sizeof(bytes), out) == sizeof(bytes));
    fclose(self);
    fclose(out);
}

#if defined(__LP64__) && defined(__linux__)
TEST_TORTURE(objects, are_opened)
{
    const pk_object *found = NULL;
    pk_error err;
    write_elf("x.so");
    pk__sys.dlopen = test_now.torture ? pk__sys.dlopen : open_ours; // a made-up failure replaces the real one
    pk__sys.dlsym = test_now.torture ? pk__sys.dlsym : find_ours;
    symbol = &inside;
    pk_err rc = pk__object_open("x.so", true, &found, &err);
    CHECK(test_now.torture ? rc != PK_OK && err.msg[0] && !found : rc == PK_OK && found == &inside);
}

TEST(objects, every_cut_of_a_file_is_told)
{
    pk_error err;
    const pk_object *found;
    write_elf("x.so");
    for (off_t size = 119; size >= 0; size--) {
        REQUIRE(truncate("x.so", size) == 0);
        CHECK_ERR(pk__object_open("x.so", true, &found, &err), PK_ERR_START);
    }
}

TEST(objects, files_that_others_may_change_are_not_opened)
{
    pk_error err;
    const pk_object *found;
    write_elf("x.so");
    REQUIRE(chmod("x.so", 0666) == 0);
    CHECK_ERR(pk__object_open("x.so", true, &found, &err), PK_ERR_PERMISSION);
    REQUIRE(chmod("x.so", 0644) == 0 && symlink("x.so", "link.so") == 0 && mkdir("d.so", 0755) == 0);
    CHECK(pk__object_open("link.so", true, &found, &err) != PK_OK);
    CHECK_ERR(pk__object_open("d.so", true, &found, &err), PK_ERR_START);
    CHECK_ERR(pk__object_open("none.so", true, &found, &err), PK_ERR_NOT_FOUND);
}
#endif

/* ---- a life */

static pk_err call(pk_manager *m, const char *http, const char *body, pk_reply *reply, pk_error *err)
{
    pk_call_desc c = {.plugin = "echo", .http = http, .body.bytes = pk_str_from(body)};
    return pk_caller_call(pk_manager_caller(m), &c, reply, err);
}

TEST_TORTURE(objects, live)
{
    pk_manager *m = NULL;
    pk_error err;
    pk_reply reply = {.mem.alloc = test_alloc()};
    const pk_compiled compiled = {"echo", &inside};
    const pk_plugin_config config = {NULL, "any", PK_STR_INIT("1")};
    pk_manager_desc d = {.alloc = *test_alloc(), .compiled_in = &compiled, .compiled_in_count = 1, .config = &config,
                         .config_count = 1};
    memset(&seen, 0, sizeof(seen));
    if (!TRY_OK(pk_manager_create(&m, &d, &err)) || !TRY_OK(pk_manager_start(m, &err))) {
        goto out;
    }
    for (int round = 0; round < 2; round++) {
        if (!TRY_OK(call(m, "POST /echo", "{\"text\":\"a\"}", &reply, &err))) {
            goto out;
        }
        CHECK(pk_str_is(reply.body.bytes, "{\"text\":\"a\"}"));
        if (!TRY_OK(call(m, "PUT /upload", "12345", &reply, &err))) {
            goto out;
        }
        CHECK(pk_str_is(reply.body.bytes, "5"));
        if (!TRY_OK(pk_plugin_stop(m, pk_manager_find(m, "echo"), &err))) {
            goto out;
        }
        CHECK_INT(seen.closes, ==, seen.starts);
    }
    CHECK_INT(seen.starts, ==, 2);
    CHECK_INT(seen.configs, ==, 2);
out:
    pk_mem_free(&reply.mem);
    pk_manager_destroy(m);
    CHECK_INT(seen.closes, ==, seen.starts);
}

TEST(objects, headers_of_handlers_and_health_come_as_over_a_socket)
{
    pk_manager *m = NULL;
    pk_error err;
    pk_reply reply = {0};
    const pk_compiled compiled = {"echo", &inside};
    pk_manager_desc d = {.compiled_in = &compiled, .compiled_in_count = 1};
    memset(&seen, 0, sizeof(seen));
    REQUIRE(pk_manager_create(&m, &d, &err) == PK_OK && pk_manager_start(m, &err) == PK_OK);
    CHECK_OK(call(m, "PUT /upload", "", &reply, &err));
    bool mine = false;
    for (size_t i = 0; i < reply.meta_count; i++) {
        mine = mine || (pk_str_is(reply.meta[i].name, "x-mine") && pk_str_is(reply.meta[i].value, "yes"));
    }
    CHECK(mine);
    CHECK_OK(call(m, "GET /healthz", "", &reply, &err));
    CHECK_INT(seen.asked, ==, 1);
    CHECK_ERR(call(m, "GET /nothing", "", &reply, &err), PK_ERR_PLUGIN_FAULT);
    CHECK_INT(reply.status, ==, 404);
    pk_mem_free(&reply.mem);
    pk_manager_destroy(m);
    CHECK_INT(seen.closes, ==, 1);
}

TEST(objects, descriptions_of_what_is_compiled_in_are_checked)
{
    pk_manager *m = NULL;
    pk_error err;
    const pk_compiled bad[] = {{"../x", &inside}, {"x", NULL}};
    pk_manager_desc d = {.compiled_in = &bad[0], .compiled_in_count = 1};
    CHECK_ERR(pk_manager_create(&m, &d, &err), PK_ERR_BAD_NAME);
    d.compiled_in = &bad[1];
    CHECK_ERR(pk_manager_create(&m, &d, &err), PK_ERR_MISUSE);
    d.compiled_in_count = 0;
    d.object_runner = "runner";
    CHECK_ERR(pk_manager_create(&m, &d, &err), PK_ERR_MISUSE);
}
